"""Which races hide nothing, and their figures: all layers at once, in columns.

In: the columns of race_columns.py. Out: a `PlainRace` for each layer of which the log says nothing but its combinations (a silent race: a twin of
TensorRT 8), or whose race has no gap of its own (nothing skipped, silent, unnamed, failed, lost or undecided; cached results only where they repeat a
race that has no gap either). Next: races.py, which makes all other races combination by combination.

Nine of ten layers of a large log are plain, and the rules need one or two combinations of each: making all of them would cost more than parsing.
What is plain is decided here by the very conditions of `Races.combination` and `RaceGaps.find`; tests compare both ways on every log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import NO_TACTIC
from .layers import runner_may_be_sparse
from .race_records import DENSE, SPARSE, UNKNOWN, Combination, Entry, PlainRace

if TYPE_CHECKING:
    from .races import Races

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]

_MOST_RUNNERS = 62  # bits of an integer


class PlainColumns:
    """The plain races of one build and pass, by layer."""

    def __init__(self, races: Races) -> None:
        self._races = races
        self._place = {layer: place for place, layer in enumerate(races.by_layer)}
        self._plain: list[bool] = [False] * len(self._place)
        self._silent: list[bool] = [False] * len(self._place)
        if self._place and len(races.log.tactics):
            self._find(np.array([len(numbers) for numbers in races.by_layer.values()]))

    def race_of(self, layer: str) -> PlainRace | None:
        """The layer's race; None where it is neither plain nor silent."""
        place = self._place.get(layer)
        if place is None or not (self._plain[place] or self._silent[place]):
            return None
        races, numbers = self._races, self._races.by_layer[layer]
        # Rules 3 to 5 ask for the best combination that sparse won, rule 2 for the closest one where it lost everywhere, rule 1 for none.
        decisive = self._best_won[place] if self._best_won[place] >= 0 else self._closest[place]
        first, dense, sparse = self._begins[place], self._dense[place], self._sparse[place]

        def best(kind: int) -> Entry | None:
            row = dense if kind == DENSE else sparse
            return races.entry(row) if row >= 0 else None

        times = self._sparse_ms[first : first + len(numbers)]
        telling = [decisive] if decisive >= 0 else []
        inherited = races.log.layers.get(self._inherited[place])
        return PlainRace(
            numbers, telling, self._timed[place], self._lost[place], times, best, races.combinations_of, self._combination, races.won, races.log, inherited, self._silent[place]
        )  # fmt: skip

    def _combination(self, number: int) -> Combination:
        """`Races.combination` of one that hides nothing: what could be missing is not looked for again."""
        races, c = self._races, self._races.log.combinations.arrays
        cached = bool(c["cached"][number])
        raced = races.source_of(number) if cached else number
        item = Combination(number, races.log.formats.get(c["text"][number]) or "", c["line"][number], c["offset"][number], cached=cached)
        item.times = races.timed.item(raced)
        dense, sparse, winner = races.best.item(raced * 3 + DENSE), races.best.item(raced * 3 + SPARSE), races.winning.item(raced)
        item.dense = races.entry(dense) if dense >= 0 else None
        item.sparse = races.entry(sparse) if sparse >= 0 else None
        item.winner = item.dense if winner == dense else item.sparse if winner == sparse else races.entry(winner)
        if cached:
            item.inherited_from = races.log.layers.get(c["layer"][raced])
        return item

    def lines_of(self, layer: str) -> tuple[int, int]:
        """First and last line of a plain race."""
        place = self._place[layer]
        return self._first_line[place], self._last_line[place]

    def _find(self, sizes: Numbers) -> None:
        races, log = self._races, self._races.log
        rows, c = log.tactics, log.combinations
        numbers = np.concatenate([np.array(found) for found in races.by_layer.values()])
        begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        layer = np.repeat(np.arange(len(sizes)), sizes)

        # Of each combination: a cached result has the race that it repeats.
        cached = c["cached"][numbers] != 0
        source = races.sources()[numbers] if cached.any() else np.full(len(numbers), -1, dtype=np.int64)
        raced = np.where(cached & (source >= 0), source, numbers)
        times, best = races.timed[raced], races.best.reshape(-1, 3)[raced]
        dense, sparse, winning = best[:, DENSE], best[:, SPARSE], races.winning[raced]
        winner_kind = np.where(winning >= 0, races.kind[winning], UNKNOWN)
        has_runners, tried, confused, all_empty = self._runners(numbers)
        text = c["text"][numbers]
        nameless = (text < 0) | (text == log.formats.index.get("", -1))
        clean = ~cached & ~nameless & ~self._left_out()[numbers]
        clean &= (races.unnamed[numbers] == 0) & (races.failed[numbers] == 0)
        decided = (winning >= 0) & ~confused  # the row that won is one of those that were timed and, where all are named, one with a name
        # `No valid tactics` for every runner counts as a race where nothing can be missing: see `distrust_partial` in race_gaps.py.
        nothing_valid = (times == 0) & has_runners & all_empty & (c["winner_line"][numbers] == 0)
        layer_tried = np.bitwise_or.reduceat(tried, begins)[layer]
        decided &= (layer_tried == 0) | (tried != 0)
        nothing_valid &= tried == layer_tried
        clean &= decided | nothing_valid
        first, last = c["line"][numbers][begins], np.maximum.reduceat(self._last_lines(numbers), begins)
        # A twin of TensorRT 8: its combinations are listed, and nothing is said of any (of a cached result the line says what won).
        silent = ~has_runners & ~races.has_rows()[numbers] & (c["winner_line"][numbers] == 0) & ~nameless
        damaged = np.sort(np.array([line.line for line in (*log.damaged_lines, *log.unknown_samples)], dtype=np.int64))
        whole = np.searchsorted(damaged, first, side="left") == np.searchsorted(damaged, last + 2, side="right")  # no damage within
        self._silent = (np.logical_and.reduceat(silent, begins) & whole).tolist()
        # What a cached result repeats must have no gap either, nor what else was raced for that layer: `_source_race` in race_gaps.py.
        place = np.full(len(log.combinations) + 1, -1, dtype=np.int64)
        place[numbers] = layer
        origin = np.where(cached & (source >= 0), place[source], -1)
        sound = np.append(np.logical_and.reduceat(clean | cached, begins) & whole, False)[origin]
        repeats = cached & sound & (origin != layer) & (not races.gaps.pruned)
        clean, decided = clean | repeats, (decided & ~cached) | repeats
        lost = (sparse >= 0) & (winner_kind == DENSE)
        plain = np.logical_and.reduceat(clean, begins) & np.logical_or.reduceat(decided, begins) & whole

        # Of each layer.
        time_ms = rows.time_ms
        dense_ms = np.where(dense >= 0, time_ms[dense], np.inf)
        sparse_ms = np.where(sparse >= 0, time_ms[sparse], np.inf)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(lost, np.where(dense_ms > 0, sparse_ms / dense_ms, np.where(sparse_ms <= 0, 1.0, np.inf)), np.inf)
        any_lost = np.logical_or.reduceat(lost, begins)
        won = (sparse >= 0) & ~lost
        best_won = _first_least(np.where(won, sparse_ms, np.inf), begins, layer)
        closest = _first_least(ratio, begins, layer)
        plain &= ~any_lost | np.isfinite(ratio[closest])
        self._plain = plain.tolist()
        self._dense = dense[_first_least(dense_ms, begins, layer)].tolist()
        self._sparse = sparse[_first_least(sparse_ms, begins, layer)].tolist()
        self._closest = np.where(any_lost, numbers[closest], -1).tolist()
        self._best_won = np.where(np.logical_or.reduceat(won, begins), numbers[best_won], -1).tolist()
        self._begins, self._sparse_ms = begins.tolist(), sparse_ms
        self._timed = np.add.reduceat(times, begins).tolist()
        self._lost = np.add.reduceat(lost.astype(np.int64), begins).tolist()
        self._first_line, self._last_line = first.tolist(), last.tolist()
        # The one layer whose races all cached results of a layer repeat; -1 where there is none, or there are several.
        names = c["layer"][source]
        most = np.maximum.reduceat(np.where(repeats, names, -1), begins)
        least = np.minimum.reduceat(np.where(repeats, names, np.iinfo(np.int32).max), begins)
        self._inherited = np.where(most == least, most, -1).tolist()

    def _runners(self, numbers: Numbers) -> tuple[Bools, Numbers, Bools, Bools]:
        """Of each combination: whether runners were tried, which of those that may be sparse (as bits), whether lines seem lost, whether all failed."""
        races, log = self._races, self._races.log
        s, size = log.sections, len(log.combinations)
        own = s["op"] < 0
        owner, runner = s["combination"], s["runner"]
        count = np.bincount(owner[own], minlength=size)
        empty = own & ((s["no_valid"] != 0) | (s["fastest"] == np.uint64(NO_TACTIC)))
        all_empty = np.bincount(owner[empty], minlength=size) == count
        may = [number for number, name in enumerate(log.runners.texts) if runner_may_be_sparse(name)]
        bits = np.zeros(len(log.runners.texts) + 1, dtype=np.int64)
        bits[may] = np.int64(1) << (np.arange(len(may)) % _MOST_RUNNERS)
        tried = np.zeros(size, dtype=np.int64)
        np.bitwise_or.at(tried, owner[own], bits[runner[own]])
        confused = np.zeros(size, dtype=np.bool_)
        unseen = own & (s["fastest_line"] > 0) & (s["fastest"] != np.uint64(NO_TACTIC)) & ~races.fastest_seen
        confused[owner[unseen | races.unended]] = True
        confused[owner[own & (runner < 0) & (s["no_valid"] != 0)]] = True
        # A runner that was tried twice in one combination.
        several = own & (count[owner] > 1)
        pairs = np.sort(owner[several].astype(np.int64) * (len(log.runners.texts) + 1) + runner[several])
        confused[pairs[1:][pairs[1:] == pairs[:-1]] // (len(log.runners.texts) + 1)] = True
        if len(may) > _MOST_RUNNERS:
            confused[:] = True  # more runners than bits: nothing is plain
        return count[numbers] > 0, tried[numbers], confused[numbers], all_empty[numbers]

    def _left_out(self) -> Bools:
        """Of every combination: whether a tactic was skipped and not timed all the same."""
        races = self._races
        left = np.zeros(len(races.log.combinations), dtype=np.bool_)
        left[races.owner[races.left_out()]] = True
        return left

    def _last_lines(self, numbers: Numbers) -> Numbers:
        races, c = self._races, self._races.log.combinations
        last = np.maximum(c["line"][numbers], c["winner_line"][numbers])
        return np.asarray(np.maximum(last, races.last_row_lines()[numbers]))


def _first_least(values: Times, begins: Numbers, layer: Numbers) -> Numbers:
    """For each layer the place of its first least value."""
    least = np.minimum.reduceat(values, begins)
    hits = np.flatnonzero(values == least[layer])[::-1]
    found = begins.copy()
    found[layer[hits]] = hits  # in reverse, so that the first one stays
    return found

