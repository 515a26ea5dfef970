"""The tables as files: one Parquet or CSV file a table, each whole or not at all.

In: a session (or rows), a folder, a format. Out: `<table>.parquet` or `<table>.csv` for every table, empty ones too. Next: pandas, Polars, DuckDB,
Spark, a spreadsheet.

Parquet holds the very values. CSV is for eyes and spreadsheets, which run a cell that begins with `=`, `+`, `-` or `@` as a formula; names come
from logs and models, so there such text gets an apostrophe in front, as spreadsheets themselves mark text. Control and bidi characters are
written out (`\\x1b`), tactic ids as 0x and 16 digits (a spreadsheet would round the number), lists as JSON. Null is an empty cell, empty text "".
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..tables import TABLES, Table
from ..text import tactic_hex, visible
from .files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from ..diagnose.session import Session
    from ..diagnose.weights import ModelCheck

TableFormat = Literal["parquet", "csv"]
# A CSV batch is decoded to plain text, which is far larger than the indices that Parquet takes.
_CSV_ROWS = 1 << 14
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_tables(session: Session, directory: str | os.PathLike[str], format: TableFormat | str = "parquet") -> list[Path]:
    """Write every table of contract and docs into `directory` (made if it is missing); the files, in the contract's order.

    Raises UsageError where the folder cannot be written or the format is unknown.
    """
    from ..diagnose.frames import BATCH_ROWS, Frames

    frames = Frames(session)
    rows = _CSV_ROWS if format == "csv" else BATCH_ROWS
    return _write(directory, format, {name: lambda name=name: frames.batches(name, rows) for name in TABLES})  # type: ignore[misc]


def write_weights(check: ModelCheck, directory: str | os.PathLike[str], format: TableFormat | str = "parquet") -> list[Path]:
    """Write the `weights` table of one model, as `trtlens check --tables` does. Raises UsageError as `write_tables`."""
    from ..diagnose.frames import rows_to_batch
    from ..diagnose.small_frames import weight_rows

    def batches() -> Iterator[pa.RecordBatch]:
        yield rows_to_batch(TABLES["weights"], [{"capture": str(check.path), **row} for row in weight_rows(check.weights)])

    return _write(directory, format, {"weights": batches})


def _write(directory: str | os.PathLike[str], format: str, makers: Mapping[str, Callable[[], Iterable[pa.RecordBatch]]]) -> list[Path]:
    writers = {"parquet": _write_parquet, "csv": _write_csv}
    if format not in writers:
        raise UsageError(f"--format takes parquet or csv, not {format!r}")
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made a folder: {error.strerror or error}; name another one for --tables") from error
    for name in makers:
        if (folder / f"{name}.{format}").is_dir():
            raise UsageError(f"{folder / f'{name}.{format}'}: is a folder, where a table should be written; name another folder for --tables")
    written = []
    with _plain_memory():
        for name, batches in makers.items():
            target = folder / f"{name}.{format}"
            with whole_file(target) as file:
                writers[format](file, TABLES[name], batches())
            written.append(target)
    return written


@contextmanager
def _plain_memory() -> Iterator[None]:
    """Arrow's own allocator keeps what was freed (80 MB after a log of 300 MB); the system's can give it back."""
    import pyarrow as pa

    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _give_back() -> None:
    """Return freed memory to the system where the C library can: between batches it would pile up (40 MB after a log of 300 MB)."""
    import ctypes

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return  # not glibc
    trim(0)


def _write_parquet(file: IO[bytes], table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..diagnose.frames import schema

    # A row group a batch: each carries the dictionaries of its own capture, and none is held longer than it takes to write.
    repeating = [column.name for column in table.columns if column.dtype in ("category", "int32", "uint64", "bool")]
    with pq.ParquetWriter(file, schema(table), compression="zstd", use_dictionary=repeating, data_page_size=1 << 18) as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=max(batch.num_rows, 1))
            _give_back()


def _write_csv(file: IO[bytes], table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    import pyarrow as pa
    from pyarrow import csv

    plain = pa.schema([(column.name, _plain_type(column.dtype)) for column in table.columns])
    with csv.CSVWriter(file, plain) as writer:
        for batch in batches:
            columns = [_plain(array, column.dtype) for array, column in zip(batch.columns, table.columns, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=plain))
            _give_back()


def _plain_type(dtype: str) -> pa.DataType:
    import pyarrow as pa

    return {"int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}.get(dtype, pa.string())


def _plain(array: pa.Array, dtype: str) -> pa.Array:
    import pyarrow as pa

    if dtype == "category":
        safe = pa.array([safe_cell(text) for text in array.dictionary.to_pylist()], pa.string())
        return safe.take(array.indices)
    if dtype == "uint64":
        return pa.array([None if value is None else tactic_hex(value) for value in array.to_pylist()], pa.string())
    if dtype == "string":
        return pa.array([None if value is None else safe_cell(value) for value in array.to_pylist()], pa.string())
    if dtype in ("strings", "lines"):
        return pa.array([None if value is None else _list_cell(value) for value in array.to_pylist()], pa.string())
    return array


def _list_cell(values: list[Any]) -> str:
    return json.dumps([visible(value) if isinstance(value, str) else value for value in values], ensure_ascii=False)


def safe_cell(text: str) -> str:
    """`text` as a CSV cell that no spreadsheet runs: control characters made visible, an apostrophe before what would begin a formula."""
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
