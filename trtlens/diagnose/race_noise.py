"""The noise that a log itself shows: how far two timings of one tactic by one runner in one combination lie apart.

In: the tactics table. Out: the largest relative difference of each combination that has one. Next: races.py.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import TIMED, BuildLog
from .race_sources import MIX


def all_spreads(log: BuildLog, owner: npt.NDArray[np.int32], sources: Callable[[], npt.NDArray[np.int64]]) -> dict[int, float]:
    """The spread of every combination in which some tactic was timed twice.

    `owner`: the combination of each row of the tactics table. `sources`: of every combination the one whose race it repeats.
    """
    every = log.tactics
    rows = np.flatnonzero((every.source == TIMED) & (every.time_ms > 0))
    count = np.bincount(every.section[rows], minlength=len(log.sections))
    rows = rows[count[every.section[rows]] > 1]
    # Few tactics are timed twice: find out which may be, and sort those alone.
    for factor in MIX[:2]:
        rows = rows[_sharing(every.section[rows], every.tactic[rows], factor)]
    if not len(rows):
        return {}
    rows = rows[np.lexsort((every.tactic[rows], every.section[rows]))]
    again = (every.tactic[rows][1:] == every.tactic[rows][:-1]) & (every.section[rows][1:] == every.section[rows][:-1])
    first, second = every.time_ms[rows][:-1][again], every.time_ms[rows][1:][again]
    found: dict[int, float] = {}
    ratios = np.maximum(first, second) / np.minimum(first, second) - 1.0
    for number, ratio in zip(owner[rows[:-1][again]].tolist(), ratios.tolist(), strict=True):
        found[number] = max(found.get(number, 0.0), ratio)
    # A cached result has the noise of the race that it repeats: its verdict is that race's verdict.
    repeated = sources()
    for number in np.flatnonzero(np.isin(repeated, list(found))).tolist():
        found[number] = found[repeated.item(number)]
    return found


_PIECE, _SLOT_BITS = 1 << 15, 18


def _sharing(section: npt.NDArray[np.int32], tactic: npt.NDArray[np.uint64], factor: np.uint64) -> npt.NDArray[np.bool_]:
    """Which rows may have section and tactic in common with another one: all that have, and some by chance. A fifth of the time that sorting takes.

    Piece by piece, so that the table of slots stays in the processor's cache; a section never begins in one piece and ends in another.
    """
    found = np.zeros(len(section), dtype=bool)
    last, shared = np.empty(1 << _SLOT_BITS, dtype=np.int32), np.zeros(1 << _SLOT_BITS, dtype=bool)
    cuts = [0, len(section)]
    if len(section) > _PIECE and bool((section[1:] >= section[:-1]).all()):
        cuts = np.unique([0, *np.searchsorted(section, section[_PIECE::_PIECE]).tolist(), len(section)]).tolist()
    for first, end in pairwise(cuts):
        slots = ((section[first:end].astype(np.uint64) * MIX[2] ^ tactic[first:end]) * factor) >> np.uint64(64 - _SLOT_BITS)
        numbers = np.arange(end - first, dtype=np.int32)
        last[slots] = numbers
        doubled = slots[last[slots] != numbers]
        shared[doubled] = True
        found[first:end] = shared[slots]
        shared[doubled] = False
    return found
