"""What a build log holds, as columns and records.

In: nothing. Out: `BuildLog` with its builds, passes and columnar tables. Next: reader.py fills them, trtlens/tables.py names the public columns,
diagnose/ reads them. Strings that repeat (layers, runners, kernels, formats) are interned in `Names` and referred to by index; -1 means none.
Lines are 1-based; offsets are into the unpacked text and lead back to the very line (`TextSource.lines_at`). Times are milliseconds, nan is none.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from ..records import EngineInfo, Note, TimingProfile

# Where a row of the tactics table comes from.
SOURCES = ("timed", "cached", "skipped", "myelin")
TIMED, CACHED, SKIPPED, MYELIN = range(4)

# "No tactic": the id TensorRT prints when no tactic of a runner worked (0xd15ea5edd15ea5ed, in 7.x as -3360065831133338131).
NO_TACTIC = 0xD15EA5EDD15EA5ED


class Names:
    """Interned strings: text to index and back."""

    __slots__ = ("index", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.index: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, text: str) -> int:
        """The index of `text`, new or old."""
        number = self.index.get(text)
        if number is None:
            number = self.index[text] = len(self.texts)
            self.texts.append(text)
        return number

    def add_all(self, texts: list[str]) -> list[int]:
        """The same for many texts."""
        index = self.index
        numbers = [index.setdefault(text, len(index)) for text in texts]
        # A dictionary keeps its order: the texts that are new stand last.
        self.texts.extend(reversed(list(islice(reversed(index), len(index) - len(self.texts)))))
        return numbers

    def get(self, number: int) -> str | None:
        """The text at `number`; None for -1."""
        return self.texts[number] if number >= 0 else None


class Columns:
    """Parallel typed arrays that grow by rows: `Columns(layer="i", line="q")` appends with `.append(layer=…)` or, faster, through `.arrays`."""

    __slots__ = ("arrays",)

    def __init__(self, **codes: str) -> None:
        self.arrays: dict[str, array[Any]] = {name: array(code) for name, code in codes.items()}

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def append(self, **row: float) -> int:
        """Append one row (every column named); its index."""
        for name, column in self.arrays.items():
            column.append(row[name])
        return len(self) - 1

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        column = self.arrays[name]
        return np.frombuffer(column, dtype=column.typecode) if len(column) else np.empty(0, dtype=column.typecode)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that may be cited: number, offset, severity letter (empty if unknown) and message without prefix."""

    line: int
    offset: int
    text: str
    severity: str = ""


@dataclass(frozen=True, slots=True)
class SparsityList:
    """One `(Sparsity)` line. `kind`: eligible or picked. `count` is the printed number (10.x), None in 8.x. `foreign`: a Myelin sub-build's.
    `doubtful`: lines without a prefix follow, and nothing tells whether they go on with the list."""

    kind: str
    names: tuple[str, ...]
    count: int | None
    foreign: bool
    pass_index: int
    build: int
    at: Line
    doubtful: bool = False


@dataclass(slots=True)
class Pass:
    """One graph that the builder tuned. `strategy`: TensorRT 10.14+ backend strategy number. `fate`: used, skipped or "" (not said)."""

    index: int
    build: int
    strategy: int | None
    first_line: int
    last_line: int
    fate: str = ""
    estimated_ms: float | None = None
    start: Line | None = None
    fate_line: Line | None = None
    profiles: int = 0
    cache_mode: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkNode:
    """One ONNX node as the parser printed it."""

    name: str
    operator: str
    inputs: str | None
    outputs: str | None
    kernel: str | None
    layer: str | None
    line: int
    kernel_at: Line | None = None
    """The `Using kernel:` line that `kernel` is."""


@dataclass(slots=True)
class Build:
    """One engine made. `complete`: it reached `Engine Layer Information:` or `Engine generation completed`."""

    index: int
    first_line: int
    last_line: int = 0
    complete: bool = False
    tuned: bool = False
    failed: Line | None = None
    facts: dict[str, tuple[str, Line]] = field(default_factory=dict)
    """Option and device block: lower-case key → (value, line)."""
    command: Line | None = None
    version: str | None = None
    passes: list[Pass] = field(default_factory=list)
    sparsity: list[SparsityList] = field(default_factory=list)
    engine_header: Line | None = None
    engine_layers: list[Line] = field(default_factory=list)
    reformat_layers: list[Line] = field(default_factory=list)
    warnings: list[Line] = field(default_factory=list)
    """Lines about memory, skipped tactics, refit and the like, in the order they came."""
    notable: dict[str, list[Line]] = field(default_factory=dict)
    """Other cited lines by topic: cache, opt_level, pruned, duration, rtx, precision …"""
    network: list[NetworkNode] = field(default_factory=list)
    fusions: list[Line] = field(default_factory=list)
    network_inputs: list[str] = field(default_factory=list)
    network_outputs: list[str] = field(default_factory=list)
    """As the ONNX parser names them; a program may have marked more, which no line shows."""
    layer_infos: list[tuple[EngineInfo, int, int]] = field(default_factory=list)
    profiles: list[TimingProfile] = field(default_factory=list)
    loaded_cache_entries: int | None = None
    severities: set[str] = field(default_factory=set)
    own_lines: int = 0
    """Lines that trtexec itself wrote: it is a trtexec log."""
    chosen_kernels: dict[str, tuple[int, str, Line]] = field(default_factory=dict)
    """Engine layer → (tactic id, kernel name, line) of what runs it: TensorRT 8.0 to 8.5 print `LAYER Set Tactic Name: K Tactic: ID` once more
    for each layer of the engine, behind `Formats and tactics selection completed`. The last line of a layer counts."""


def combination_columns() -> Columns:
    """One row a format combination tried for a layer (or a reformat pair for a tensor, `is_reformat` 1)."""
    return Columns(
        build="i", pass_index="i", profile="i", section="i", layer="i", text="i", is_reformat="b", line="i", offset="q",
        winner_runner="i", winner_tactic="Q", winner_time="d", winner_line="i", winner_offset="q", cached="b",
    )  # fmt: skip


def runner_columns() -> Columns:
    """One row a `Timing Runner` section (or a runner that was skipped without one): the place tactics belong to."""
    return Columns(combination="i", runner="i", layer="i", line="i", no_valid="b", fastest="Q", fastest_time="d", fastest_line="i", op="i")


def tactic_columns() -> Columns:
    """The columns of `TacticRows` as they grow."""
    return Columns(section="i", tactic="Q", kernel="i", time_ms="d", source="b", skipped_why="h", line="i", offset="q")


_STRETCH = 1 << 18


def stretches(count: int) -> Iterator[slice]:
    """`count` rows in stretches: columns made of all rows of a 2 GB log at once would be half of the memory that it takes."""
    for first in range(0, count, _STRETCH):
        yield slice(first, min(first + _STRETCH, count))


@dataclass(slots=True)
class TacticRows:
    """The tactics, one row each, in the order of the log. `section` indexes the runner table, `kernel` the kernel names (-1: unnamed)."""

    section: npt.NDArray[np.int32]
    tactic: npt.NDArray[np.uint64]
    kernel: npt.NDArray[np.int32]
    time_ms: npt.NDArray[np.float64]
    source: npt.NDArray[np.int8]
    skipped_why: npt.NDArray[np.int16]
    line: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.section)


@dataclass(slots=True)
class BuildLog:
    """A parsed log. Tables are over all builds; `combinations["build"]` tells them apart."""

    path: str
    lines: int
    bytes: int
    dialect: str
    builds: list[Build]
    layers: Names
    runners: Names
    kernels: Names
    formats: Names
    whys: Names
    combinations: Columns
    sections: Columns
    tactics: TacticRows
    unknown_lines: int = 0
    tuning_lines: int = 0
    unknown_samples: list[Line] = field(default_factory=list)
    damaged_lines: list[Line] = field(default_factory=list)
    truncated: bool = False
    notes: list[Note] = field(default_factory=list)
    prefixed: bool = True
    table_offsets: dict[int, int] = field(default_factory=dict)
    """Section → offset of the line that begins a Myelin table."""
