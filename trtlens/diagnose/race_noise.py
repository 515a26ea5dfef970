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
    """The spread of every combination in which some tactic was timed twice, or more often: the slowest of its times against the fastest.

    `owner`: the combination of each row of the tactics table. `sources`: of every combination the one whose race it repeats.
    """
    every, rows = log.tactics, _maybe_twice(log)
    if not len(rows):
        return {}
    rows = rows[np.lexsort((every.tactic[rows], every.section[rows]))]
    section, tactic, time_ms = every.section[rows], every.tactic[rows], every.time_ms[rows]
    begins = np.flatnonzero(np.concatenate([[True], (tactic[1:] != tactic[:-1]) | (section[1:] != section[:-1])]))
    twice = np.diff(np.append(begins, len(rows))) > 1
    found: dict[int, float] = {}
    with np.errstate(over="ignore"):  # a time that is damaged to 1e-320
        ratios = np.maximum.reduceat(time_ms, begins) / np.minimum.reduceat(time_ms, begins) - 1.0
    for number, ratio in zip(owner[rows[begins[twice]]].tolist(), ratios[twice].tolist(), strict=True):
        found[number] = max(found.get(number, 0.0), ratio)
    # A cached result has the noise of the race that it repeats: its verdict is that race's verdict.
    repeated, noisy = sources(), np.zeros(len(log.combinations), dtype=bool)
    noisy[list(found)] = True
    for number in np.flatnonzero((repeated >= 0) & noisy[repeated]).tolist():
        found[number] = found[repeated.item(number)]
    return found


_PIECE, _SLOT_BITS = 1 << 15, 18


def _maybe_twice(log: BuildLog) -> npt.NDArray[np.int64]:
    """The rows of tactics that may have been timed twice by one runner in one combination: all that were, and a few by chance.

    Few tactics are, so only these are sorted: that takes two fifths of the time. Piece by piece, so that the table of slots stays in the processor's
    cache; a section never begins in one piece and ends in another.
    """
    every = log.tactics
    section, cuts = every.section, [0, len(every)]
    if len(every) > _PIECE and bool((section[1:] >= section[:-1]).all()):
        cuts = sorted({0, *np.searchsorted(section, section[_PIECE::_PIECE]).tolist(), len(every)})
    bits = max(_SLOT_BITS, max((end - first for first, end in pairwise(cuts)), default=0).bit_length() + 2)
    last, shared = np.empty(1 << bits, dtype=np.int32), np.zeros(1 << bits, dtype=bool)
    found: list[npt.NDArray[np.int64]] = []
    for first, end in pairwise(cuts):
        rows = np.flatnonzero((every.source[first:end] == TIMED) & (every.time_ms[first:end] > 0)) + first
        keys = section[rows].astype(np.uint64) * MIX[0] ^ every.tactic[rows]
        for factor in MIX[1:3]:
            slots, numbers = (keys * factor) >> np.uint64(64 - bits), np.arange(len(rows), dtype=np.int32)
            last[slots] = numbers
            doubled = slots[last[slots] != numbers]
            shared[doubled] = True
            rows, keys = rows[shared[slots]], keys[shared[slots]]
            shared[doubled] = False
        found.append(rows)
    return np.concatenate(found)
