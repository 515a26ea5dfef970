"""The kernels of tactic ids, as one log names them, and the line that does.

In: the columns of a log's tactics. Out: `TacticKernels`. Next: races.py, and joins.py for engine layers that have an id alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import stretches
from .race_columns import RaceColumns, distinct
from .race_records import Combination


class TacticKernels:
    """Which kernel a tactic id stands for in one log."""

    def __init__(self, columns: RaceColumns) -> None:
        self._columns, self._log = columns, columns.log
        self._numbers: dict[int, int] = {}
        """By tactic id: the number of its kernel, -1 where the log names none, or several."""
        self._first_rows: npt.NDArray[np.int64] | None = None

    def of(self, tactic: int) -> str | None:
        """The kernel of a tactic id, where every line of this log that names the id names the same kernel.

        Only for ids that are hashes: small ones (0x0, 0x3e8, 0x20042) are numbers within a runner and mean something else in each layer.
        """
        if tactic < 1 << 40:
            return None
        if tactic not in self._numbers:
            self.learn({tactic})
        return self._log.kernels.get(self._numbers[tactic])

    def learn(self, tactics: set[int]) -> None:
        """Look up the kernels of many tactic ids at once, for `of`."""
        if not tactics:
            return
        rows = self._log.tactics
        asked = np.array([tactic for tactic in tactics if tactic not in self._numbers], dtype=np.uint64)
        if not self._numbers:
            # One look at all rows for whatever may be asked for next, too: what won without a time of its own, or was left out without a name.
            won = self._log.combinations["winner_tactic"][(self._log.combinations["winner_line"] > 0) & (self._columns.winning < 0)]
            out = self._columns.left_out()
            asked = np.concatenate([asked, won, rows.tactic[out[rows.kernel[out] < 0]]])
        wanted = distinct(asked[asked >= np.uint64(1 << 40)])[0]
        if not len(wanted):
            return
        # By their low bits first: looking up half a million ids in a sorted list would take a tenth of the diagnosis.
        low, bits = np.zeros(1 << 20, dtype=bool), np.uint64((1 << 20) - 1)
        low[wanted & bits] = True
        least, most = np.full(len(wanted), len(self._log.kernels.texts), dtype=np.int32), np.full(len(wanted), -1, dtype=np.int32)
        for part in stretches(len(rows)):
            tactic, kernel = rows.tactic[part], rows.kernel[part]
            named = np.flatnonzero(low[tactic & bits] & (kernel >= 0))
            at = np.minimum(np.searchsorted(wanted, tactic[named]), len(wanted) - 1)
            same = wanted[at] == tactic[named]
            np.minimum.at(least, at[same], kernel[named[same]])
            np.maximum.at(most, at[same], kernel[named[same]])
        self._numbers.update(zip(wanted.tolist(), np.where(least == most, least, -1).tolist(), strict=True))

    def line(self, tactic: int, kernel: str, chosen: list[Combination]) -> tuple[int, int] | None:
        """(line, offset) of a time of this tactic that has this kernel's name: where it was chosen, else its first one in the log.

        TensorRT up to 8.5 prints the name in the line before the time.
        """
        for item in chosen:
            if item.winner is not None and item.winner.kernel == kernel and item.winner.line > 0:
                return item.winner.line, item.winner.offset
        rows, number = self._log.tactics, self._log.kernels.index.get(kernel, -2)
        if self._first_rows is None:
            self._first_rows = np.full(len(self._log.kernels.texts) + 1, -1, dtype=np.int64)
            self._first_rows[rows.kernel[::-1]] = np.arange(len(rows) - 1, -1, -1)  # in reverse, so that the first one stays
        row = self._first_rows.item(number) if number >= 0 else -1
        if row >= 0 and rows.tactic.item(row) != tactic:  # a kernel of several ids, which is rare
            found = np.flatnonzero((rows.tactic == np.uint64(tactic)) & (rows.kernel == number))
            row = int(found[0]) if len(found) else -1
        return (rows.line.item(row), rows.offset.item(row)) if row >= 0 else None
