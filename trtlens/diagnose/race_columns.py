"""Columns over all tactics of a log: whose each is, whether it is sparse, which was the fastest of each kind, which one won.

In: `BuildLog`. Out: `RaceColumns`. Next: races.py, which makes objects of those that someone asks about, and plain_races.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import NO_TACTIC, SKIPPED, TIMED, BuildLog, stretches
from ..parse.kernel_names import are_sparse
from .layers import runner_may_be_sparse
from .race_records import DENSE, SPARSE, UNKNOWN

_ENDED_EACH = 9
"""Runners that end in their fastest tactic for each one that does not: in 60 real logs all end in it but those that TensorRT 5 to 7 timed, and a cut one."""


class RaceColumns:
    """Everything that is computed for all rows of a log at once.

    `owner`: the combination of each row; `kind`: DENSE, SPARSE or UNKNOWN. `timed`, `unnamed`, `failed`: tactics of each combination; `best`: the row of
    its fastest tactic of each kind (three of a combination, -1: none); `winning`: the row of the tactic chosen for it. `fastest_seen`: sections whose
    `Fastest Tactic` is among the tactics timed in them; `unended`: those with times and no such line, where nearly all have one.
    `foreign`: combinations in which a tactic has its name from another log.
    """

    def __init__(self, log: BuildLog, learned: Mapping[int, str]) -> None:
        self.log, self.learned = log, learned
        rows, combination = log.tactics, log.sections["combination"]
        self.owner: npt.NDArray[np.int32] = np.empty(len(rows), dtype=np.int32)
        for part in stretches(len(rows)):
            self.owner[part] = combination[rows.section[part]]
        self._order, self._starts = _grouped(self.owner, len(log.combinations))
        self._left_out: npt.NDArray[np.int64] | None = None
        self.foreign = np.zeros(len(log.combinations), dtype=bool)
        self.kind = self._kinds()
        self._fastest_columns()
        self._section_order, self._section_starts = _grouped(combination, len(log.combinations))

    def _kinds(self) -> npt.NDArray[np.int8]:
        """DENSE, SPARSE or UNKNOWN for each row: by the kernel's name, else by whether the runner has sparse kernels at all."""
        log, rows = self.log, self.log.tactics
        kinds_of = {True: SPARSE, False: DENSE, None: UNKNOWN}
        by_kernel = np.array([*map(kinds_of.__getitem__, are_sparse(log.kernels.texts)), UNKNOWN], dtype=np.int8)
        by_runner = np.array([UNKNOWN if runner_may_be_sparse(name) else DENSE for name in log.runners.texts] + [UNKNOWN], dtype=np.int8)
        if not len(rows):
            return np.empty(0, dtype=np.int8)
        runner, kinds = log.sections["runner"], np.empty(len(rows), dtype=np.int8)
        for part in stretches(len(rows)):
            kinds[part] = np.where(rows.kernel[part] >= 0, by_kernel[rows.kernel[part]], by_runner[runner[rows.section[part]]])
        if self.learned:
            ids = np.array(sorted(self.learned), dtype=np.uint64)
            names = np.array([*map(kinds_of.__getitem__, are_sparse([self.learned[number] for number in ids.tolist()]))], dtype=np.int8)
            unnamed = np.flatnonzero((rows.kernel < 0) & (kinds == UNKNOWN))
            at = np.minimum(np.searchsorted(ids, rows.tactic[unnamed]), len(ids) - 1)
            known = ids[at] == rows.tactic[unnamed]
            kinds[unnamed[known]] = names[at[known]]
            self.foreign[self.owner[unnamed[known]]] = True
        return kinds

    def _fastest_columns(self) -> None:
        """For each combination: how many tactics were timed, how many of them unnamed, and the row of the fastest of each kind (-1: none)."""
        rows, size, c, s = self.log.tactics, len(self.log.combinations), self.log.combinations, self.log.sections
        winner, runner, chosen, fastest, of_runner = c["winner_tactic"], c["winner_runner"], c["winner_line"], s["fastest"], s["runner"]
        self.timed, self.unnamed, self.failed = (np.zeros(size, dtype=np.int32) for _ in range(3))
        self.best, least = np.full(size * 3, -1, dtype=np.int32), np.full(size * 3, np.inf)
        self.winning, least_winning = np.full(size, -1, dtype=np.int32), np.full(size, np.inf)
        self.skips = np.zeros(size, dtype=bool)
        self.fastest_seen, self.unended = np.zeros(len(fastest), dtype=bool), np.zeros(len(fastest), dtype=bool)
        for part in stretches(len(rows)):
            tried = (rows.source[part] == TIMED) & (rows.tactic[part] != np.uint64(NO_TACTIC))
            no_time = np.isnan(rows.time_ms[part])
            timed = np.flatnonzero(tried & ~no_time) + part.start
            owner, kind, time_ms, tactic, section = self.owner[timed], self.kind[timed], rows.time_ms[timed], rows.tactic[timed], rows.section[timed]
            self.timed += np.bincount(owner, minlength=size).astype(np.int32)
            self.unnamed += np.bincount(owner[kind == UNKNOWN], minlength=size).astype(np.int32)
            _keep_fastest(least, self.best, owner.astype(np.int64) * 3 + kind, time_ms, timed)
            mine = (tactic == winner[owner]) & (of_runner[section] == runner[owner]) & (chosen[owner] > 0)
            _keep_fastest(least_winning, self.winning, owner[mine].astype(np.int64), time_ms[mine], timed[mine])
            self.skips[self.owner[part][rows.source[part] == SKIPPED]] = True
            self.failed += np.bincount(self.owner[part][tried & no_time & (self.kind[part] != DENSE)], minlength=size).astype(np.int32)
            self.fastest_seen[section[tactic == fastest[section]]] = True
            self.unended[section] = True
        self.unended &= s["op"] < 0
        ended = int(np.count_nonzero(self.unended & (s["fastest_line"] > 0)))
        self.unended &= s["fastest_line"] == 0
        if ended < _ENDED_EACH * np.count_nonzero(self.unended):
            self.unended[:] = False  # a log whose runners say no fastest, by its dialect or by who shortened it

    @property
    def any_sparse(self) -> bool:
        """Whether any sparse tactic was timed anywhere in the log."""
        return bool((self.kind == SPARSE).any())

    def sections_of(self, combination: int) -> list[int]:
        """The runner sections of a combination, in the log's order."""
        first, last = self._section_starts.item(combination), self._section_starts.item(combination + 1)
        if self._section_order is None:
            return list(range(first, last))
        found: list[int] = self._section_order[first:last].tolist()
        return found

    def rows_of(self, combination: int) -> npt.NDArray[np.int64]:
        """Row numbers of the tactics table that belong to a combination, in the log's order."""
        first, last = self._starts[combination], self._starts[combination + 1]
        return np.arange(first, last) if self._order is None else self._order[first:last]

    def has_rows(self) -> npt.NDArray[np.bool_]:
        """Of each combination whether any tactic stands under it."""
        return self._starts[1:] > self._starts[:-1]

    def last_row_lines(self) -> npt.NDArray[np.int64]:
        """Of each combination the line of its last tactic; 0 where it has none."""
        lines = self.log.tactics.line if self._order is None else self.log.tactics.line[self._order]
        found = np.zeros(len(self.log.combinations), dtype=np.int64)
        held = self.has_rows()
        found[held] = np.maximum.reduceat(lines, self._starts[:-1][held]) if held.any() else 0
        return found

    def left_out(self) -> npt.NDArray[np.int64]:
        """The rows of tactics that were skipped, without those of a `Fast skip` that is followed by a time at once, as most are."""
        if self._left_out is not None:
            return self._left_out
        rows = self.log.tactics
        skipped = np.flatnonzero(rows.source == SKIPPED)
        following = np.minimum(skipped + 1, len(rows) - 1)
        timed = (rows.tactic[following] == rows.tactic[skipped]) & (self.owner[following] == self.owner[skipped])
        timed &= (rows.source[following] == TIMED) & ~np.isnan(rows.time_ms[following])
        self._left_out = skipped[~timed | (rows.skipped_why[skipped] != self.log.whys.index.get("time limit", -2))]
        return self._left_out


def distinct(values: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(each value once, in order; where it first stands; which of them each value is).

    Not `np.unique`, which imports numpy.ma: that takes a twentieth of the time that a large log's diagnosis does.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.ones(len(ordered), dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    which = np.empty(len(ordered), dtype=np.int64)
    which[order] = np.cumsum(begins) - 1
    return ordered[begins], order[begins], which


def by_value(values: npt.NDArray[np.int32], numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, Sequence[int]]]:
    """(value, the numbers that have it), by the first appearance of each value."""
    order = np.argsort(values, kind="stable")
    ordered, sorted_numbers = values[order], numbers[order].astype(np.int32)
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.empty(0, dtype=np.int64)
    ends = np.append(begins[1:], len(ordered)).tolist()
    appearance = np.argsort(order[begins], kind="stable").tolist()
    firsts, found = begins.tolist(), ordered[begins].tolist()
    for at in appearance:
        yield found[at], array("i", sorted_numbers[firsts[at] : ends[at]].tobytes())  # a list would hold an object for each


def _grouped(owners: npt.NDArray[np.int32], size: int) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64]]:
    """(order, starts): the rows of group n are `order[starts[n]:starts[n + 1]]`; no order where they stand together already, as in most logs."""
    starts = np.zeros(size + 1, dtype=np.int64)
    together = True
    for part in stretches(len(owners)):
        starts[1:] += np.bincount(owners[part], minlength=size)
        piece = owners[max(part.start - 1, 0) : part.stop]
        together = together and bool((piece[1:] >= piece[:-1]).all())
    np.cumsum(starts, out=starts)
    return None if together else np.argsort(owners, kind="stable"), starts


def _keep_fastest(
    least: npt.NDArray[np.float64], found: npt.NDArray[np.int32], key: npt.NDArray[np.int64], time_ms: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> None:
    """Keep for each key the first of all rows so far with the least time: `least` and `found` by key."""
    before = least[key]
    np.minimum.at(least, key, time_ms)
    better = np.flatnonzero((time_ms == least[key]) & (time_ms < before))[::-1]
    found[key[better]] = rows[better]  # in reverse, so that the first one stays
