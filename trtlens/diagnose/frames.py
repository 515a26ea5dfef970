"""The tables of trtlens/tables.py, filled from a session, as Arrow batches, Arrow tables or pandas DataFrames.

In: a `Session`. Out: record batches of at most `BATCH_ROWS` rows, so that writing a log of millions of tactics never holds a second copy of them.
Next: report/tables.py writes them; the Python API hands them out. small_frames.py makes the tables that have a row a layer, node or weight.
Text columns point into the names that the parser interned; each batch carries those that it uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..parse.build_log.records import CACHED, MYELIN, NO_TACTIC, SOURCES, TIMED, BuildLog, Names
from ..parse.kernel_names import is_sparse
from ..tables import TABLES, Column, DataType, Table
from .layers import runner_may_be_sparse

if TYPE_CHECKING:
    import pandas as pd

    from .load import Capture
    from .session import Session

BATCH_ROWS = 1 << 15
_PLAIN_ROWS = 1 << 12  # rows made as Python mappings weigh a hundred times more

_ARROW: Mapping[DataType, pa.DataType] = {
    "category": pa.dictionary(pa.int32(), pa.string()),
    "string": pa.string(),
    "strings": pa.list_(pa.string()),
    "lines": pa.list_(pa.int64()),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}
# What pandas makes of a column: without this a nullable uint64 would become float64 and lose the id's last digits.
_PANDAS: Mapping[DataType, tuple[str, str]] = {
    "int32": ("int32", "Int32"),
    "int64": ("int64", "Int64"),
    "uint64": ("uint64", "UInt64"),
    "bool": ("bool", "boolean"),
}
_REFORMAT = re.compile(r"Optimizer Reformat\((?P<a>.*) -> (?P<b>.*)\)$", re.DOTALL)
_ARROW_SIGN = re.compile(r"\s*->\s*")


@cache
def schema(table: Table) -> pa.Schema:
    """The Arrow schema of a table. Units stand in the fields' metadata; pandas finds its nullable types in the schema's."""
    fields = []
    described = []
    for column in table.columns:
        metadata = {"doc": column.doc} | ({"unit": column.unit} if column.unit else {})
        fields.append(pa.field(column.name, _ARROW[column.dtype], column.nullable, metadata))
        if column.dtype in _PANDAS:
            kind, numpy_type = _PANDAS[column.dtype]
            described.append({"name": column.name, "field_name": column.name, "pandas_type": kind, "numpy_type": numpy_type, "metadata": None})
    pandas = {"index_columns": [], "column_indexes": [], "columns": described, "creator": {"library": "pyarrow", "version": pa.__version__}, "pandas_version": "2.1.0"}
    return pa.schema(fields, metadata={"pandas": json.dumps(pandas), "trtlens_table": table.name, "doc": table.doc})


class Frames:
    """The tables of one session. Nothing is computed before it is asked for."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def batches(self, name: str, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Record batches of a table, none for an empty one. Raises KeyError for a table that does not exist."""
        table = TABLES[name]
        if name in _BIG:
            for number, capture in enumerate(self.session.captures):
                if capture.log is not None:
                    yield from _BIG[name](capture, capture_name(capture, number), table, rows)
            return
        from .small_frames import MAKERS

        lines = MAKERS[name](self.session)
        while part := list(islice(lines, min(rows, _PLAIN_ROWS))):
            yield rows_to_batch(table, part)

    def table(self, name: str) -> pa.Table:
        """A whole table; its schema is the same whatever it holds."""
        batches = list(self.batches(name))
        found = pa.Table.from_batches(batches, schema(TABLES[name]))
        return found.unify_dictionaries() if len(batches) > 1 else found

    def pandas(self, name: str) -> pd.DataFrame:
        """A whole table as a DataFrame: categoricals, nullable integers, uint64 ids."""
        found: pd.DataFrame = self.table(name).to_pandas()
        return found


def capture_name(capture: Capture, number: int) -> str:
    """What the `capture` column calls a capture: its folder, else its first file."""
    return capture.name or (capture.inputs[0].path if capture.inputs else str(number))


# ---- columns


def clean(text: str) -> str:
    """`text` as UTF-8 can hold it: JSON may escape lone surrogates, which Arrow cannot store."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _category(indices: npt.NDArray[Any], texts: Sequence[str], side: Callable[[str], str | None] | None = None) -> pa.DictionaryArray:
    """Text by index; negative indices are null. The batch carries the texts that it uses; `side`: a part of each text instead."""
    used, first, places = np.unique(indices, return_index=True, return_inverse=True)
    numbers, names = np.empty(len(used), dtype=np.int32), Names()
    # In the order of their first rows, not of their indices: the parser's keys, and with them its indices, differ from process to process.
    for place in np.argsort(first).tolist():
        number = int(used[place])
        text = None if number < 0 else texts[number] if side is None else side(texts[number])
        numbers[place] = -1 if text is None else names.add(clean(text))
    found = numbers[places]
    return pa.DictionaryArray.from_arrays(pa.array(found, pa.int32(), mask=found < 0), pa.array(names.texts, pa.string()))


def _repeated(text: str | None, rows: int) -> pa.DictionaryArray:
    return _category(np.full(rows, -1 if text is None else 0, dtype=np.int32), [text or ""])


def _numbers(values: npt.NDArray[Any], kind: pa.DataType, missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.array(values, kind, mask=missing) if missing is not None and missing.any() else pa.array(values, kind)


def _times(values: npt.NDArray[np.float64]) -> pa.Array:
    return _numbers(values, pa.float64(), ~np.isfinite(values))


def rows_to_batch(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """A batch of rows that are mappings from column to value; a key that is absent is null."""
    return pa.RecordBatch.from_arrays([_column(column, [row.get(column.name) for row in rows]) for column in table.columns], schema=schema(table))


def _column(column: Column, values: list[Any]) -> pa.Array:
    if column.dtype == "category":
        names = Names()
        return _category(np.array([-1 if v is None else names.add(v) for v in values], dtype=np.int32), names.texts)
    if column.dtype == "string":
        values = [None if v is None else clean(v) for v in values]
    elif column.dtype == "strings":
        values = [None if v is None else [clean(text) for text in v] for v in values]
    elif column.dtype == "float64":
        values = [None if v is None or v != v or v in (np.inf, -np.inf) else v for v in values]
    elif column.dtype in ("int32", "int64"):
        # A hostile document may hold integers of any size: what the column cannot hold is unknown, not an error.
        limit = 1 << (31 if column.dtype == "int32" else 63)
        values = [v if v is not None and -limit <= v < limit else None for v in values]
    return pa.array(values, _ARROW[column.dtype])


def _batch(table: Table, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([columns[column.name] for column in table.columns], schema=schema(table))


# ---- tables of the log's size


class _Log:
    """What the batches of one log share."""

    def __init__(self, capture: Capture) -> None:
        assert capture.log is not None
        log = self.log = capture.log
        self.learned_ids = np.array(sorted(capture.learned), dtype=np.uint64)
        learned = [capture.learned[int(tactic)] for tactic in self.learned_ids]
        self.kernels = [*log.kernels.texts, *learned]
        known = {True: 1, False: 0, None: -1}
        self.kernel_sparse = np.array([*(known[is_sparse(name)] for name in self.kernels), -1], dtype=np.int8)
        self.runner_sparse = np.array([*(-1 if runner_may_be_sparse(name) else 0 for name in log.runners.texts), -1], dtype=np.int8)

    def owner(self, rows: slice) -> npt.NDArray[np.int32]:
        """The format combination of each row of the tactics."""
        owner: npt.NDArray[np.int32] = self.log.sections["combination"][self.log.tactics.section[rows]]
        return owner

    def kernel(self, rows: slice) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Kernel of each row and where its name is from (0 the log, 1 another log, -1 nowhere)."""
        tactics = self.log.tactics
        kernel = tactics.kernel[rows].copy()
        origin = np.where(kernel >= 0, 0, -1).astype(np.int32)
        if len(self.learned_ids):
            ids = tactics.tactic[rows]
            place = np.minimum(np.searchsorted(self.learned_ids, ids), len(self.learned_ids) - 1)
            found = (kernel < 0) & (self.learned_ids[place] == ids)
            kernel[found] = place[found] + len(self.log.kernels)
            origin[found] = 1
        return kernel, origin


def _slices(total: int, rows: int) -> Iterator[slice]:
    for start in range(0, total, rows):
        yield slice(start, min(start + rows, total))


def _tactics(capture: Capture, name: str, table: Table, rows: int) -> Iterator[pa.RecordBatch]:
    shared = _Log(capture)
    log = shared.log
    t, c, s = log.tactics, log.combinations, log.sections
    for part in _slices(len(t), rows):
        owner, section = shared.owner(part), t.section[part]
        kernel, origin = shared.kernel(part)
        runner = s["runner"][section]
        sparse = np.where(kernel >= 0, shared.kernel_sparse[kernel], shared.runner_sparse[runner])
        op = s["op"][section]
        yield _batch(
            table,
            {
                "capture": _repeated(name, len(owner)),
                "build": _numbers(c["build"][owner], pa.int32()),
                "pass": _numbers(c["pass_index"][owner], pa.int32()),
                "layer": _category(np.where(c["layer"][owner] >= 0, c["layer"][owner], s["layer"][section]), log.layers.texts),
                "combination": _category(c["text"][owner], log.formats.texts),
                "runner": _category(runner, log.runners.texts),
                "tactic": _numbers(t.tactic[part], pa.uint64()),
                "kernel": _category(kernel, shared.kernels),
                "sparse": _numbers(sparse == 1, pa.bool_(), sparse < 0),
                "time_ms": _times(t.time_ms[part]),
                "source": _category(t.source[part], SOURCES),
                "skipped_why": _category(t.skipped_why[part], log.whys.texts),
                "line": _numbers(t.line[part], pa.int64()),
                "optimization_profile": _numbers(c["profile"][owner], pa.int32(), c["profile"][owner] < 0),
                "operation": _category(op, log.layers.texts),
                "combination_line": _numbers(c["line"][owner], pa.int64(), c["line"][owner] <= 0),
                "kernel_from": _category(origin, ("log", "names")),
            },
        )


def combination_sources(log: BuildLog, rows: int = BATCH_ROWS) -> npt.NDArray[np.int8]:
    """For each format combination 0 timed, 1 cached, 2 silent, 3 no-valid, or -1 where the log leaves it open."""
    total, t, s = len(log.combinations), log.tactics, log.sections
    timed, any_row = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    for part in _slices(len(t), rows):
        owner = s["combination"][t.section[part]]
        got = np.isin(t.source[part], (TIMED, MYELIN)) & np.isfinite(t.time_ms[part]) & (t.tactic[part] != np.uint64(NO_TACTIC))
        timed += np.bincount(owner[got], minlength=total)
        any_row += np.bincount(owner, minlength=total)
    runners = s["op"] < 0
    tried = np.bincount(s["combination"][runners], minlength=total)
    failed = runners & ((s["no_valid"] != 0) | (s["fastest"] == np.uint64(NO_TACTIC)))
    empty = np.bincount(s["combination"][failed], minlength=total)
    found = np.full(total, -1, dtype=np.int8)
    found[(tried == 0) & (any_row == 0)] = 2
    found[(tried > 0) & (empty == tried)] = 3
    found[timed > 0] = 0
    found[log.combinations["cached"] != 0] = 1
    return found


def _before(text: str) -> str | None:
    """What stands before the arrow of a format text."""
    parts = _ARROW_SIGN.split(text, maxsplit=1)
    return parts[0].strip() if len(parts) == 2 else None


def _after(text: str) -> str | None:
    parts = _ARROW_SIGN.split(text, maxsplit=1)
    return parts[1].strip() if len(parts) == 2 else None


def _combinations(capture: Capture, name: str, table: Table, rows: int) -> Iterator[pa.RecordBatch]:
    shared = _Log(capture)
    log, c = shared.log, shared.log.combinations
    kept = np.flatnonzero(c["is_reformat"] == 0)
    sources = combination_sources(log)
    for part in _slices(len(kept), rows):
        at = kept[part]
        won = c["winner_line"][at] > 0
        profile = c["profile"][at]
        yield _batch(
            table,
            {
                "capture": _repeated(name, len(at)),
                "build": _numbers(c["build"][at], pa.int32()),
                "pass": _numbers(c["pass_index"][at], pa.int32()),
                "optimization_profile": _numbers(profile, pa.int32(), profile < 0),
                "layer": _category(c["layer"][at], log.layers.texts),
                "combination": _category(c["text"][at], log.formats.texts),
                "inputs": _category(c["text"][at], log.formats.texts, _before),
                "outputs": _category(c["text"][at], log.formats.texts, _after),
                "winner_runner": _category(np.where(won, c["winner_runner"][at], -1), log.runners.texts),
                "winner_tactic": _numbers(c["winner_tactic"][at], pa.uint64(), ~won),
                "winner_time_ms": _times(np.where(won, c["winner_time"][at], np.nan)),
                "source": _category(sources[at], ("timed", "cached", "silent", "no-valid")),
                "line": _numbers(c["line"][at], pa.int64()),
            },
        )


def reformat_tensors(layer: str | None) -> tuple[str | None, str | None]:
    """The tensors that `Optimizer Reformat(A -> B)` names, the placeholders `<in>` and `<out>` left out."""
    match = _REFORMAT.match(layer or "")
    named = [part for part in (match["a"], match["b"]) if part not in ("<in>", "<out>")] if match else []
    return (named[0] if named else None), (named[1] if len(named) > 1 else None)


def _reformats(capture: Capture, name: str, table: Table, rows: int) -> Iterator[pa.RecordBatch]:
    shared = _Log(capture)
    log = shared.log
    t, c, s = log.tactics, log.combinations, log.sections
    for part in _slices(len(t), rows):
        everyone = shared.owner(part)
        kept = np.flatnonzero((c["is_reformat"][everyone] != 0) & ((t.source[part] == TIMED) | (t.source[part] == CACHED)))
        if not len(kept):
            continue
        at, owner = kept + part.start, everyone[kept]
        layer = np.where(c["layer"][owner] >= 0, c["layer"][owner], s["layer"][t.section[at]])
        yield _batch(
            table,
            {
                "capture": _repeated(name, len(at)),
                "build": _numbers(c["build"][owner], pa.int32()),
                "pass": _numbers(c["pass_index"][owner], pa.int32()),
                "tensor": _category(layer, log.layers.texts, lambda name: reformat_tensors(name)[0]),
                "from_format": _category(c["text"][owner], log.formats.texts, _before),
                "to_format": _category(c["text"][owner], log.formats.texts, _after),
                "tactic": _numbers(t.tactic[at], pa.uint64()),
                "time_ms": _times(t.time_ms[at]),
                "line": _numbers(t.line[at], pa.int64()),
                "to_tensor": _category(layer, log.layers.texts, lambda name: reformat_tensors(name)[1]),
                "source": _category(t.source[at], SOURCES),
            },
        )


_BIG: Mapping[str, Callable[[Any, str, Table, int], Iterator[pa.RecordBatch]]] = {
    "tactics": _tactics,
    "format_combinations": _combinations,
    "reformats": _reformats,
}

__all__ = ["BATCH_ROWS", "Frames", "capture_name", "clean", "combination_sources", "reformat_tensors", "rows_to_batch", "schema"]
