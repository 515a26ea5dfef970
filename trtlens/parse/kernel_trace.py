"""Kernel traces of Nsight Systems: which kernels ran on the GPU, how often and how long.

In: the path of a CSV (`nsys stats -r cuda_gpu_trace --format csv`; plain, .gz or .zst) or of an SQLite export (`nsys export -t sqlite`).
Out: `KernelTrace`. Next: diagnose/, which takes what runs from the kernels' names.

The CSV differs by version: `Start (ns)`, `Start(ns)`, `Start:ts_ns`, other units with `--timeunit`, columns added over the years. nsys
prints lines of its own before the header, and further reports may follow after a blank line. Copies and memsets are no kernels.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final
from urllib.parse import quote

from ..errors import InputError
from ..text import visible
from .records import Note
from .textio import TextSource

__all__ = ["KernelRun", "KernelTotal", "KernelTrace", "looks_like", "parse_kernel_trace", "tactic_name"]

_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_TODO: Final = "export it with `nsys stats -r cuda_gpu_trace --format csv` or `nsys export -t sqlite`"
_HEADER: Final = re.compile(r"^[^\S\n]*\"?(?:Start|Timestamp)\b[^,\n]*,\"?Duration\b", re.MULTILINE)
_COLUMN: Final = re.compile(r"^(?P<what>\w+)\s*(?:\((?P<unit>\w+)\)|:\w*?(?P<tag>ns|us|ms|s))?$")
_NANOSECONDS: Final = {"ns": 1, "nsec": 1, "us": 1_000, "usec": 1_000, "ms": 1_000_000, "msec": 1_000_000, "s": 10**9, "sec": 10**9}
_NOT_A_KERNEL: Final = re.compile(r"\[?CUDA mem(?:cpy|set)|Mem(?:cpy|set)\b", re.IGNORECASE)
# TensorRT's and cuSPARSELt's kernels are launched as TACTIC_execute_kernel_trt, TACTIC_execute_segment_k_off_kernel_5x_cusparselt, …
_LAUNCHER: Final = re.compile(r"_execute_\w*kernel\w*$")
_MOST_NOTES: Final = 20
_SQLITE_STEPS: Final = 2_000_000_000  # steps of SQLite's machine: minutes of work, far beyond any trace; stops a crafted file


@dataclass(frozen=True, slots=True)
class KernelRun:
    """One launch. `start_ns` counts from the start of the trace; `line`: 1-based line of the CSV, None for SQLite."""

    name: str
    start_ns: int
    duration_ns: int
    line: int | None = None


@dataclass(frozen=True, slots=True)
class KernelTotal:
    """All launches of one kernel; `first` is the earliest."""

    name: str
    count: int
    total_ns: int
    median_ns: float
    first: KernelRun


@dataclass(frozen=True, slots=True)
class KernelTrace:
    """A whole trace, in order of start. `dialect`: `csv` or `sqlite`; `notes`: rows that could not be read."""

    runs: tuple[KernelRun, ...]
    dialect: str
    notes: tuple[Note, ...] = ()
    rows: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Of each kernel the first row of the CSV: 1-based line and text. Empty for SQLite."""

    @property
    def kernels(self) -> tuple[KernelTotal, ...]:
        """One record a kernel name, the longest total first."""
        by_name: dict[str, list[KernelRun]] = {}
        for run in self.runs:
            by_name.setdefault(run.name, []).append(run)
        totals = [
            KernelTotal(name, len(runs), sum(r.duration_ns for r in runs), median(r.duration_ns for r in runs), runs[0])
            for name, runs in by_name.items()
        ]
        return tuple(sorted(totals, key=lambda total: (-total.total_ns, total.name)))


def tactic_name(kernel: str) -> str:
    """The tactic that launches `kernel`: the name without what the launcher appended (`_execute_kernel_trt` and the like)."""
    return _LAUNCHER.sub("", kernel)


def looks_like(head: bytes) -> bool:
    """Whether the head of a file (64 KiB, unpacked) is a kernel trace: a CSV header of the report, or an SQLite database."""
    return head.startswith(_SQLITE_MAGIC) or _HEADER.search(head.decode("utf-8", "replace").lstrip("\ufeff")) is not None


def parse_kernel_trace(trace: str | TextSource) -> KernelTrace:
    """Every kernel launch in the trace, given as a path (`-` for standard input) or as a source already opened.

    A damaged row costs only itself and leaves a Note. Raises InputError where the file cannot be read, is no such trace, or holds
    no launch.
    """
    source = trace if isinstance(trace, TextSource) else TextSource(trace)
    if source.head.startswith(_SQLITE_MAGIC):
        if source.packing != "plain" or source.spooled:
            raise InputError(source.path, "an SQLite export can only be read as a plain file", todo="unpack or save it first")
        runs, notes = _from_sqlite(source.path)
        dialect, rows = "sqlite", dict[str, tuple[int, str]]()
    else:
        runs, notes, rows = _from_csv(source.read_text(), source.path)
        dialect = "csv"
    if not runs:
        raise InputError(source.path, "holds no kernel launch", todo="was the profiled program using the GPU? " + _TODO)
    runs.sort(key=lambda run: run.start_ns)
    return KernelTrace(tuple(runs), dialect, tuple(notes), rows)


class _Notes(list[Note]):
    """Notes, with the rest counted once there are many."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def add(self, where: str, message: str) -> None:
        if len(self) < _MOST_NOTES:
            self.append(Note(where, message))
        else:
            self.dropped += 1

    def close(self) -> list[Note]:
        return [*self, Note("", f"{self.dropped} more rows could not be read")] if self.dropped else list(self)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the header puts what is needed, and the factors that make nanoseconds."""

    start: int
    duration: int
    name: int
    start_factor: int
    duration_factor: int

    @property
    def last(self) -> int:
        return max(self.start, self.duration, self.name)


def _columns(header: list[str], path: str, line: int) -> _Columns:
    found: dict[str, tuple[int, int]] = {}
    for index, cell in enumerate(header):
        match = _COLUMN.match(cell.strip())
        if match is None or match["what"].lower() not in ("start", "timestamp", "duration", "name"):
            continue
        what = {"timestamp": "start"}.get(match["what"].lower(), match["what"].lower())
        unit = (match["unit"] or match["tag"] or "ns").lower()
        if what != "name" and unit not in _NANOSECONDS:
            raise InputError(path, f"unknown unit of time {visible(unit, 20)!r}", where=f"line {line}", todo=_TODO)
        found.setdefault(what, (index, _NANOSECONDS.get(unit, 1)))
    missing = [what for what in ("start", "duration", "name") if what not in found]
    if missing:
        raise InputError(path, f"the header has no column {missing[0].title()}", where=f"line {line}", todo=_TODO)
    return _Columns(found["start"][0], found["duration"][0], found["name"][0], found["start"][1], found["duration"][1])


def _from_csv(text: str, path: str) -> tuple[list[KernelRun], list[Note], dict[str, tuple[int, str]]]:
    text = text.removeprefix("\ufeff")
    header = _HEADER.search(text)
    if header is None:
        raise InputError(path, "this is no kernel trace of Nsight Systems", todo=_TODO)
    begin = text.rfind("\n", 0, header.end()) + 1
    first_line = text.count("\n", 0, begin) + 1
    lines = text[begin:].split("\n")
    columns = _columns(_cells(lines[0]) or [], path, first_line)
    runs: list[KernelRun] = []
    rows: dict[str, tuple[int, str]] = {}
    notes = _Notes()
    for number, line in enumerate(lines[1:], start=first_line + 1):
        if not line.strip():
            break  # a blank line ends the report; others may follow
        cells = _cells(line)
        # A file that breaks off within a quoted name: what is left of it may be another kernel's name.
        cut = number == first_line + len(lines) - 1 and line.count('"') % 2 == 1
        if cells is None or len(cells) <= columns.last or cut:
            notes.add(f"line {number}", f"not a row of this table: {visible(line.strip(), 80)!r}")
            continue
        name = cells[columns.name].strip()
        if _NOT_A_KERNEL.match(name):
            continue
        start, duration = _ns(cells[columns.start], columns.start_factor), _ns(cells[columns.duration], columns.duration_factor)
        if start is None or duration is None or not name:
            notes.add(f"line {number}", f"no launch can be read from {visible(line.strip(), 80)!r}")
            continue
        runs.append(KernelRun(name, start, duration, number))
        rows.setdefault(name, (number, line.rstrip("\r")))
    return runs, notes.close(), rows


def _cells(line: str) -> list[str] | None:
    # One line at a time: kernel names hold commas but no line ends, and a lost quote must not swallow the rows that follow.
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return None


def _ns(cell: str, factor: int) -> int | None:
    try:
        value = float(cell) * factor
    except ValueError:
        return None
    # Whole nanoseconds as text are exact even above 2^53, where floats are not.
    if 0 <= value < 1 << 63:
        return int(cell) * factor if cell.strip().isdecimal() else round(value)
    return None


def _from_sqlite(path: str) -> tuple[list[KernelRun], list[Note]]:
    # immutable=1: nsys leaves no journal behind, and nothing is ever written beside the user's file.
    uri = f"file:{quote(str(Path(path).resolve()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True)
    except sqlite3.Error as error:
        raise InputError(path, f"cannot be opened as SQLite ({error})", todo=_TODO) from None
    try:
        connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
        connection.execute("PRAGMA trusted_schema = OFF")
        calls = iter(range(_SQLITE_STEPS // 1_000_000))
        connection.set_progress_handler(lambda: int(next(calls, None) is None), 1_000_000)
        return _read_tables(connection, path)
    except (sqlite3.Error, UnicodeDecodeError, MemoryError) as error:
        # Names of columns are decoded by sqlite3 itself; a damaged length makes it ask for more memory than there is.
        raise InputError(path, f"the SQLite export is damaged or of another kind ({error or 'impossible sizes'})", todo=_TODO) from None
    finally:
        connection.close()


def _read_tables(connection: sqlite3.Connection, path: str) -> tuple[list[KernelRun], list[Note]]:
    # Only real tables: a view could be any query.
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"CUPTI_ACTIVITY_KIND_KERNEL", "StringIds"} <= tables:
        raise InputError(path, "this SQLite database holds no kernel activity of Nsight Systems", todo=_TODO)
    present = {str(row[1]) for row in connection.execute("PRAGMA table_info(CUPTI_ACTIVITY_KIND_KERNEL)")}
    name_columns = [column for column in ("demangledName", "shortName", "mangledName") if column in present]
    if not name_columns or not {"start", "end"} <= present:
        raise InputError(path, "the kernel table lacks start, end or a name", todo=_TODO)
    strings = {row[0]: row[1] for row in connection.execute("SELECT id, value FROM StringIds")}
    runs: list[KernelRun] = []
    notes = _Notes()
    columns = ", ".join(("start", '"end"', *name_columns))
    for number, (start, end, *names) in enumerate(connection.execute(f"SELECT {columns} FROM CUPTI_ACTIVITY_KIND_KERNEL"), start=1):
        name = next((strings[n] for n in names if isinstance(strings.get(n), str) and strings[n]), None)
        if name is None or not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end:
            notes.add(f"row {number}", "a launch without a name or with impossible times")
            continue
        runs.append(KernelRun(name, start, end - start))
    return runs, notes.close()
