"""Table files: read back by others with the right types, whole or absent, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.small_log import DENSE_HWC, LAYER, SPARSE, SPARSE_NAME, layer_info_text, log_text
from trtlens.diagnose.session import Session
from trtlens.errors import UsageError
from trtlens.report.tables import safe_cell, write_tables
from trtlens.tables import TABLES

HOSTILE = '=HYPERLINK("http://x","\x1b[31m") + conv'


def session_of(folder: Path, layer: str = LAYER) -> Session:
    folder.mkdir()
    (folder / "build.log").write_text(log_text(layer=layer))
    (folder / "layer_info.json").write_text(layer_info_text(layer=layer.replace("\x1b", "\\u001b").replace('"', '\\"') if layer != LAYER else layer))
    return Session([str(folder / "build.log")])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_tables(session_of(tmp_path / "capture"), tmp_path / "out")
    return tmp_path / "out"


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_every_table_is_written_and_nothing_else(tmp_path: Path, format: str) -> None:
    files = write_tables(session_of(tmp_path / "capture"), tmp_path / "a" / "out", format)
    assert [file.name for file in files] == [f"{name}.{format}" for name in TABLES]
    assert sorted(p.name for p in (tmp_path / "a" / "out").iterdir()) == sorted(file.name for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o400 for file in files)


def test_pandas_reads_the_types(written: Path) -> None:
    frame = pd.read_parquet(written / "tactics.parquet")
    assert str(frame["tactic"].dtype) == "UInt64" and SPARSE in set(frame["tactic"])
    assert {str(frame[name].dtype) for name in ("layer", "combination", "runner", "kernel", "source")} == {"category"}
    assert str(frame["sparse"].dtype) == "boolean" and str(frame["time_ms"].dtype) == "float64"
    # A column of ids with a gap in it must not become floating point, which would round the ids.
    layers = pd.read_parquet(written / "layers.parquet")
    assert str(layers["tactic"].dtype) == "UInt64" and int(layers["tactic"].iloc[0]) == DENSE_HWC


def test_duckdb_reads_the_types(written: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install trtlens[dev]")
    place = written / "tactics.parquet"
    types = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{place}')").fetchall())
    assert types["tactic"] == "UBIGINT" and types["sparse"] == "BOOLEAN" and types["time_ms"] == "DOUBLE" and types["line"] == "BIGINT"
    found = duckdb.sql(f"SELECT kernel, time_ms FROM '{place}' WHERE tactic = {SPARSE} AND sparse").fetchall()
    assert found == [(SPARSE_NAME, 0.0302)]


def test_polars_reads_the_types(written: Path) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install trtlens[dev]")
    frame = polars.read_parquet(written / "tactics.parquet")
    assert frame.schema["tactic"] == polars.UInt64 and frame.schema["sparse"] == polars.Boolean
    assert frame.schema["kernel"].base_type() in (polars.Categorical, polars.Enum)
    assert frame.filter(polars.col("tactic") == SPARSE)["time_ms"].to_list() == [0.0302]


def test_the_schema_is_the_same_when_there_is_nothing_in_it(written: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "layer_info.json").write_text(layer_info_text())
    write_tables(Session([str(tmp_path / "layer_info.json")]), tmp_path / "empty")
    for name in TABLES:
        assert pq.read_schema(tmp_path / "empty" / f"{name}.parquet").equals(pq.read_schema(written / f"{name}.parquet"), check_metadata=True)
    assert pq.read_metadata(tmp_path / "empty" / "tactics.parquet").num_rows == 0


def test_csv_and_parquet_agree(tmp_path: Path) -> None:
    session = session_of(tmp_path / "capture")
    write_tables(session, tmp_path / "out", "parquet")
    write_tables(session, tmp_path / "out", "csv")
    frame, text = pd.read_parquet(tmp_path / "out" / "tactics.parquet"), cells(tmp_path / "out" / "tactics.csv")
    assert [row["tactic"] for row in text] == [f"0x{tactic:016x}" for tactic in frame["tactic"]]
    assert [row["kernel"] for row in text] == ["" if pd.isna(name) else name for name in frame["kernel"]]
    assert [float(row["time_ms"]) if row["time_ms"] else None for row in text] == [None if pd.isna(v) else v for v in frame["time_ms"]]
    assert [row["sparse"] for row in text] == ["" if pd.isna(v) else str(bool(v)).lower() for v in frame["sparse"]]


def test_csv_cells_of_hostile_names_run_nothing(tmp_path: Path) -> None:
    write_tables(session_of(tmp_path / "capture", HOSTILE), tmp_path / "out", "csv")
    seen = 0
    for name, table in TABLES.items():
        raw = (tmp_path / "out" / f"{name}.csv").read_bytes()
        assert b"\x1b" not in raw
        numbers = {column.name for column in table.columns if column.dtype in ("int32", "int64", "float64")}
        for row in cells(tmp_path / "out" / f"{name}.csv"):
            for column, cell in row.items():
                seen += "HYPERLINK" in cell
                assert column in numbers or not cell.lstrip().startswith(("=", "+", "-", "@")), (name, column)
    assert seen > 3


@given(st.text())
def test_no_text_begins_a_formula_or_a_line(text: str) -> None:
    cell = safe_cell(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and "\n" not in cell and "\r" not in cell and "\0" not in cell


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)).filter(lambda text: not text.strip().startswith(("=", "+", "-", "@"))))
def test_harmless_text_is_left_alone(text: str) -> None:
    assert safe_cell(text) == text


def test_a_table_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(tmp_path / "capture")
    out = tmp_path / "out"
    write_tables(session, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    from trtlens.diagnose import frames

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(frames, "combination_sources", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tables(session, out)
    assert {path.name for path in out.iterdir()} == set(before)
    assert (out / "format_combinations.parquet").read_bytes() == before["format_combinations.parquet"]


def test_wrong_places_and_formats_are_told_in_one_line(tmp_path: Path) -> None:
    session = session_of(tmp_path / "capture")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="file"):
        write_tables(session, tmp_path / "file")
    with pytest.raises(UsageError, match="parquet or csv"):
        write_tables(session, tmp_path / "out", "xlsx")
    assert not (tmp_path / "out").exists()
