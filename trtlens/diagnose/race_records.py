"""The records of a race: one tactic, one format combination, one layer.

In: nothing. Out: `Entry`, `Combination`, `LayerRace`, `PlainRace`. Next: races.py and plain_races.py fill them, rules.py reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import BuildLog, Line

DENSE, SPARSE, UNKNOWN = 0, 1, 2


class Entry(NamedTuple):
    """One tactic of a race, with the place of its line. A named tuple, for it takes a third of the time to make: there are 15,000 in a log of 300 MB."""

    tactic: int
    kernel: str | None
    time_ms: float
    sparse: bool | None
    runner: str | None
    line: int
    offset: int


@dataclass(slots=True)
class Combination:
    """One format combination of one layer (or one table of a Myelin operation, `table` True).

    `dense`, `sparse`, `unnamed`: the fastest tactic of each kind. `winner`: what TensorRT chose for this combination. `raced`: something was timed
    here. `inherited_from`: the layer whose race a cached result repeats, `inherited_proven` whether the join is unique.
    """

    index: int
    text: str
    line: int
    offset: int
    dense: Entry | None = None
    sparse: Entry | None = None
    unnamed: Entry | None = None
    unnamed_count: int = 0
    winner: Entry | None = None
    cached: bool = False
    inherited_from: str | None = None
    no_valid: bool = False
    silent: bool = False
    table: bool = False
    skipped: tuple[tuple[str, str | None, int, int], ...] = ()
    """(why, kernel or None, tactic id, line) of each tactic that was not timed."""
    times: int = 0
    runners: frozenset[str] = frozenset()
    """Runners tried in this combination whose tactics can be sparse."""
    failed: int = 0
    """Tactics that may be sparse and were tried, but have no time (`inf`)."""
    several: bool = False
    """A cached result that several earlier races may be the source of."""
    fp32_kernels: bool = False
    """Of a table: every kernel's name says that it takes FP32 or TF32. The formats are the region's, not the operation's."""

    @property
    def decided(self) -> bool:
        return self.winner is not None or self.no_valid

    @property
    def raced(self) -> bool:
        return self.times > 0


class LayerRace:
    """All combinations of one layer in one pass. `missing`: what keeps it from being complete (contract, "Words"), in plain words.

    `telling`: those combinations that decide where sparse tactics were timed. In a race where nothing is missing it is one; `timed`, `size`, `lost`,
    `best_dense` and `best_sparse` speak of all of them and `combinations` are made only if someone asks for all of them.
    `repeat_spread`: the largest relative difference between two timings of one tactic in one combination: the noise the log itself shows.
    `pruned`: the line that says so, where tactics of the layer were pruned before timing. `complaint`: one about memory among the race's lines, which
    names no tactic.
    `foreign`: a tactic has its name from another log (`--names`), so that nothing about it is proven.
    `doubts`: signs that lines of the race are lost or damaged (each stands in `missing`, too): then not even what was timed proves anything.
    """

    __slots__ = ("_combinations", "_plain", "complaint", "doubts", "foreign", "layer", "missing", "pruned", "repeat_spread")

    def __init__(self, layer: str, combinations: list[Combination] | None = None, plain: PlainRace | None = None) -> None:
        self.layer = layer
        self.missing: list[str] = []
        self.repeat_spread = 0.0
        self.pruned: Line | None = None
        self.complaint: Line | None = None
        self.foreign = False
        self.doubts: list[str] = []
        self._combinations, self._plain = combinations, plain

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def plain(self) -> bool:
        """Whether the race hides nothing of its own: every combination is decided."""
        return self._plain is not None and not self._plain.silent

    @property
    def combinations(self) -> list[Combination]:
        """All of them, in the log's order."""
        if self._combinations is None:
            assert self._plain is not None
            self._combinations = self._plain.make(self._plain.numbers)
        return self._combinations

    @property
    def telling(self) -> list[Combination]:
        """The combinations that decide; all of them unless the race is plain."""
        return self._plain.told if self._plain is not None and not self._plain.silent else self.combinations

    @property
    def tables(self) -> list[Combination]:
        """The tables of a Myelin operation; a race is of tables or of combinations, never of both."""
        return self._combinations if self._combinations and self._combinations[0].table else []

    @property
    def timed(self) -> int:
        """How many tactics were timed."""
        return self._plain.timed if self._plain is not None else sum(c.times for c in self.combinations)

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return len(self._plain.numbers) if self._plain is not None else len(self.combinations)

    @property
    def lost(self) -> int:
        """In how many combinations a sparse tactic was timed and a dense one chosen."""
        if self._plain is not None:
            return self._plain.lost
        return len([c for c in self.combinations if c.sparse is not None and c.winner is not None and c.winner.sparse is False and c.dense is not None])

    @property
    def decided(self) -> bool:
        """Whether a tactic was chosen in any combination."""
        return not self._plain.silent if self._plain is not None else any(c.winner is not None for c in self.combinations)

    @property
    def silent(self) -> bool:
        """Whether some combination is listed without a word of how it was decided."""
        return self._plain.silent if self._plain is not None else any(c.silent for c in self.combinations)

    def best_dense(self) -> Entry | None:
        """The fastest dense tactic of all combinations, the first of equals."""
        if self._plain is not None:
            return self._plain.fastest(DENSE)
        return min((c.dense for c in self.combinations if c.dense is not None), key=lambda entry: entry.time_ms, default=None)

    def best_sparse(self) -> Entry | None:
        """The fastest sparse tactic of all combinations, the first of equals."""
        if self._plain is not None:
            return self._plain.fastest(SPARSE)
        return min((c.sparse for c in self.combinations if c.sparse is not None), key=lambda entry: entry.time_ms, default=None)

    def won_by(self, tactic: int | None) -> list[Combination]:
        """The combinations for which this tactic was chosen."""
        if self._plain is not None and self._combinations is None:
            return self._plain.some(self._plain.won(self.layer, tactic))
        return [c for c in self.combinations if c.winner is not None and c.winner.tactic == tactic]

    def chose(self, tactic: int) -> bool:
        """Whether the tactic was chosen for any combination."""
        if self._plain is not None:
            return bool(self._plain.won(self.layer, tactic))
        return any(c.winner is not None and c.winner.tactic == tactic for c in self.combinations)

    def sparse_below(self, time_ms: float) -> list[Combination]:
        """The combinations in which a sparse tactic took less than this."""
        if self._plain is not None and self._combinations is None:
            return self._plain.some([self._plain.numbers[at] for at in (self._plain.sparse_ms < time_ms).nonzero()[0].tolist()])
        return [c for c in self.combinations if c.sparse is not None and c.sparse.time_ms < time_ms]

    @property
    def inherited_from(self) -> str | None:
        """The one other layer whose races its cached results repeat; None where there is none, or there are several."""
        if self._plain is not None:
            return self._plain.inherited_from
        sources = {c.inherited_from for c in self.combinations if c.inherited_from and c.inherited_from != self.layer}
        return sources.pop() if len(sources) == 1 else None

    def texts(self) -> Iterator[str]:
        """The formats of each combination, as the log has them."""
        if self._plain is not None:
            return self._plain.texts()
        return (c.text for c in self.combinations)

    def places(self, limit: int) -> list[tuple[int, int]]:
        """(line, offset) of the first combinations."""
        if self._plain is not None:
            return [self._plain.place(number) for number in self._plain.numbers[:limit]]
        return [(c.line, c.offset) for c in self.combinations[:limit]]


@dataclass(slots=True)
class PlainRace:
    """A race that hides nothing (plain_races.py), as numbers of combinations: `telling` ones, how many tactics were `timed`, how often sparse `lost`.

    `silent`: one of which the log says nothing but its combinations. It is made the same way, as most of them are looked at for their formats alone.
    """

    numbers: Sequence[int]
    telling: list[int]
    timed: int
    lost: int
    sparse_ms: npt.NDArray[np.float64]
    """The fastest sparse time of each combination, inf where there is none."""
    best: Callable[[int], Entry | None]
    """The fastest tactic of a kind."""
    make: Callable[[Sequence[int]], list[Combination]]
    """All combinations, whole."""
    make_plain: Callable[[int], Combination]
    """One of them, of which is known that it hides nothing."""
    won: Callable[[str | None, int | None], Sequence[int]]
    """The combinations of a layer that chose a tactic."""
    log: BuildLog
    inherited_from: str | None = None
    silent: bool = False
    made: dict[int, Combination] = field(default_factory=dict)
    _told: list[Combination] | None = None
    _fastest: dict[int, Entry | None] = field(default_factory=dict)

    def fastest(self, kind: int) -> Entry | None:
        """`best`, asked once."""
        if kind not in self._fastest:
            self._fastest[kind] = self.best(kind)
        return self._fastest[kind]

    @property
    def told(self) -> list[Combination]:
        """The telling combinations."""
        if self._told is None:
            self._told = self.some(self.telling)
        return self._told

    def some(self, numbers: Sequence[int]) -> list[Combination]:
        """The combinations of these numbers, each made once."""
        for number in numbers:
            if number not in self.made:
                self.made[number] = self.make_plain(number)
        return [self.made[number] for number in numbers]

    def texts(self) -> Iterator[str]:
        texts = self.log.combinations.arrays["text"]
        return (self.log.formats.get(texts[number]) or "" for number in self.numbers)

    def place(self, number: int) -> tuple[int, int]:
        c = self.log.combinations.arrays
        return c["line"][number], c["offset"][number]
