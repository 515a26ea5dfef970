"""The definitions of the tables: the contract's columns, and light to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from trtlens.tables import DATA_TYPES, TABLES, render_page

# Contract, "Tables", without the capture column that several captures need.
CORE = {
    "tactics": ("build", "pass", "layer", "combination", "runner", "tactic", "kernel", "sparse", "time_ms", "source", "skipped_why", "line"),
    "format_combinations": (
        "build", "pass", "optimization_profile", "layer", "combination", "inputs", "outputs", "winner_runner", "winner_tactic", "winner_time_ms", "source", "line",
    ),
    "reformats": ("build", "pass", "tensor", "from_format", "to_format", "tactic", "time_ms", "line"),
}  # fmt: skip
NAMES = ("layers", "tactics", "format_combinations", "reformats", "passes", "network", "weights", "timing_profile", "verdicts", "warnings", "events")


def test_the_tables_are_those_of_the_contract_and_our_own() -> None:
    assert tuple(sorted(TABLES)) == tuple(sorted(NAMES))
    for name, columns in CORE.items():
        assert TABLES[name].names[1 : 1 + len(columns)] == columns


def test_every_column_is_named_once_typed_and_explained() -> None:
    for table in TABLES.values():
        assert len(set(table.names)) == len(table.names)
        assert table.doc.endswith(".") and table.names[0] == "capture"
        for column in table.columns:
            assert column.dtype in DATA_TYPES and column.doc.endswith("."), (table.name, column.name)
            # A unit stands in the name, and a name with a unit says so.
            assert column.name.endswith("_ms") == (column.unit == "ms"), (table.name, column.name)
            assert column.name.endswith("_bytes") == (column.unit == "bytes"), (table.name, column.name)


def test_ids_are_unsigned_and_an_unknown_one_can_be_null() -> None:
    ids = [column for table in TABLES.values() for column in table.columns if column.name.endswith("tactic")]
    assert {column.dtype for column in ids} == {"uint64"}
    assert TABLES["format_combinations"].columns[TABLES["format_combinations"].names.index("winner_tactic")].nullable


def test_importing_the_definitions_loads_no_table_library() -> None:
    code = "import sys, trtlens.tables; print([m for m in ('pandas', 'pyarrow', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_page_is_current() -> None:
    page = Path(__file__).resolve().parents[1] / "docs" / "tables.md"
    assert page.read_text(encoding="utf-8") == render_page(), "run python docs/make_tables.py"
