"""Which earlier race each cached result repeats.

In: a build's combinations. Out: the number of the combination whose race it is. Next: races.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import Build, BuildLog
from .race_columns import distinct

SEVERAL = -2
"""Several earlier races could be meant."""


def joined_sources(log: BuildLog, build: Build) -> npt.NDArray[np.int64]:
    """Of every combination the one whose race it repeats by a cached result: -1 where there is none, `SEVERAL` where several could be meant.

    That is exactly one earlier combination with its formats, runner, tactic and printed time.
    """
    c = log.combinations
    time_ms = c["winner_time"]
    mine = (c["build"] == build.index) & (c["is_reformat"] == 0) & ~np.isnan(time_ms)
    cached, raced = np.flatnonzero(mine & (c["cached"] != 0)), np.flatnonzero(mine & (c["cached"] == 0) & (c["winner_line"] > 0))
    found = np.full(len(c), -1, dtype=np.int64)
    if not len(cached) or not len(raced):
        return found
    both = np.concatenate([raced, cached])
    columns = (c["text"][both], c["winner_runner"][both], c["winner_tactic"][both], *_six_digits(time_ms[both]))
    keys, _, key = distinct(_mixed(columns))
    ours, theirs = key[: len(raced)], key[len(raced) :]
    order = np.argsort(ours, kind="stable")  # the races of a key, in the order of the log
    starts = np.searchsorted(ours[order], np.arange(len(keys) + 1))
    first, last = starts[theirs], starts[theirs + 1]
    # Exactly one race before the cached result: the first of its key stands before it, the second does not.
    number = np.append(raced[order], np.iinfo(np.int64).max)
    single = (first < last) & (number[first] < cached) & ((first + 1 == last) | (number[np.minimum(first + 1, len(number) - 1)] >= cached))
    found[cached[single]] = number[first[single]]
    found[cached[(first < last) & (number[first] < cached) & ~single]] = SEVERAL
    return found


MIX = [np.uint64(int.from_bytes(os.urandom(8), "little") | 1) for _ in range(6)]
"""Odd factors of one process: nobody can write a log in which two keys meet; by chance they do once in 2**64."""


def _mixed(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    """One 64-bit key of the values of several columns: sorting rows of five values took a tenth of the diagnosis."""
    key = np.zeros(len(columns[0]), dtype=np.uint64)
    for column, factor in zip(columns, MIX, strict=False):
        key = (key ^ column.astype(np.int64 if column.dtype.kind == "i" else column.dtype).view(np.uint64)) * factor
        key ^= key >> np.uint64(29)
    return key


def _six_digits(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(digits, power): each value to six significant digits, as TensorRT prints it with a cached result."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        power = np.where(values > 0, np.floor(np.log10(values)), 0.0)
        digits = np.rint(values * 10.0 ** (5.0 - power))
    over = digits >= 1_000_000.0
    return np.where(over, 100_000.0, digits), np.where(over, power + 1.0, power)
