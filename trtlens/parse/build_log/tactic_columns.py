"""The tactics of a block, column by column: ids, times, kernels and the runner section of each.

In: the `LineIndex` of a block and the marks that say where tactics belong after each structural line. Out: columns of `TacticRows`.
Next: structure.py builds on it.
"""

from __future__ import annotations

import numpy as np

from . import lines as k
from .bulk import MEMO
from .digits import I64, KEYED_BYTES, U64, text_keys
from .records import NO_TACTIC, SKIPPED, TIMED
from .state import NAN, ReaderState, SlowRow


class TacticColumns(ReaderState):
    """Turns the timed and named rows of a block into tactic rows."""

    def _columns(self) -> None:
        """The tactic rows of the block, column by column."""
        index, kind, starts = self.index, self.index.kind, self.starts
        fastest = np.flatnonzero(kind == k.FASTEST)
        if len(fastest):
            time_ms = index.numbers(index.last_space[fastest] + 1, index.end[fastest])
            self.fastest.append((self._places(fastest), index.tactic[fastest], time_ms, fastest + self.line0))
        no_valid = np.flatnonzero(kind == k.NO_VALID)
        if len(no_valid):
            self.no_valid.append(self._places(no_valid))
        rows = np.flatnonzero((kind == k.TIMED) | (kind == k.NAMED_TIMED) | (kind == k.FAST_SKIP))
        named = np.flatnonzero(kind == k.NAMED)
        slow, self.slow = self.slow, []
        if not len(rows) and not slow:
            self._remember_names(*self._names_of(named))
            return
        kinds = kind[rows]
        ids, section = index.tactic[rows], self._places(rows)
        skipped = kinds == k.FAST_SKIP
        time_ms = np.full(len(rows), NAN)
        timed = ~skipped
        time_ms[timed] = index.numbers(index.last_space[rows[timed]] + 1, index.end[rows[timed]])
        time_ms[ids == np.uint64(NO_TACTIC)] = NAN
        kernel = np.full(len(rows), -1, dtype=np.int32)
        whole = np.flatnonzero(kinds == k.NAMED_TIMED)
        if len(whole):
            kernel[whole] = self._kernels(index.message[rows[whole]] + 13, index.id_start[rows[whole]] - 9)
        if len(named) or self.named or self.alone:
            self._pair_names(rows, ids, section, kernel, named, slow)
        source = np.where(skipped, np.int8(SKIPPED), np.int8(TIMED))
        why = np.full(len(rows), -1, dtype=np.int16)
        if skipped.any():
            why[skipped] = self.whys.add("time limit")
        columns: list[np.ndarray] = [section.astype(np.int32), ids, kernel, time_ms, source, why, rows + self.line0, starts[rows]]
        if slow:
            columns = [np.concatenate([c, np.array(e, dtype=c.dtype)]) for c, e in zip(columns, zip(*slow, strict=True), strict=True)]
            order = np.argsort(columns[6], kind="stable")
            columns = [c[order] for c in columns]
        for kept, column in zip(self.rows, columns, strict=True):
            kept.append(column)

    def _kernels(self, begins: I64, ends: I64) -> np.ndarray:
        """The kernel names at [begins, ends) as numbers."""
        data, intern, known = self.index.data, self._kernel, self.kernel_keys
        if len(begins) and int((ends - begins).max()) > KEYED_BYTES:
            return np.array([intern(data[b:e]) for b, e in zip(begins.tolist(), ends.tolist(), strict=True)], dtype=np.int32)
        # Slicing a name out and hashing it costs more than the rest of a line; nearly all are known by their key.
        keys = text_keys(self.index.buffer, begins, ends)
        slots, numbers = known.find(keys)
        missing = np.flatnonzero(numbers < -1)
        numbers[missing] = [intern(data[b:e]) for b, e in zip(begins[missing].tolist(), ends[missing].tolist(), strict=True)]
        known.put(slots[missing], keys[missing], numbers[missing])
        return numbers

    def _pair_names(self, rows: I64, ids: U64, section: np.ndarray, kernel: np.ndarray, named: I64, slow: list[SlowRow]) -> None:
        """8.0 to 8.5 print `Set Tactic Name: K Tactic: ID` on a line before the time: join by id within the runner's section."""
        named, kernels = self._names_of(named)
        used = np.zeros(len(named), dtype=np.bool_)
        if len(named):
            before = np.searchsorted(named, rows, side="left") - 1
            candidate = np.maximum(before, 0)
            # Between a name and its time stand at most warnings and name lines of other tactics; the id decides.
            direct = (before >= 0) & (self.index.tactic[named[candidate]] == ids) & (kernel < 0) & (rows - named[candidate] <= 3)
            kernel[direct] = kernels[candidate[direct]]
            used[candidate[direct]] = len(slow) == 0
        self._remember_names(named[~used], kernels[~used])
        missing = np.flatnonzero(kernel < 0)
        if not self.named and not self.alone:
            return
        for i, where, tactic, row in zip(missing.tolist(), section[missing].tolist(), ids[missing].tolist(), rows[missing].tolist(), strict=True):
            number = self.named.get((where, tactic))
            kernel[i] = number if number is not None else self.alone.get(row + self.line0 - 1, -1)
        # The kernel of a skipped tactic may have been named on the line before (8.4).
        for i, (where, tactic, number, time_ms, source, *rest) in enumerate(slow):
            if number < 0 and source in (TIMED, SKIPPED):
                slow[i] = (where, tactic, self.named.get((where, tactic), -1), time_ms, source, *rest)  # type: ignore[assignment]

    def _names_of(self, named: I64) -> tuple[I64, np.ndarray]:
        """The rows that are `… Set Tactic Name: K Tactic: ID`, and their kernels."""
        data, index = self.index.data, self.index
        begins, ends = index.message[named], index.id_start[named] - 9
        at = np.array([data.find(b"Set Tactic Name: ", b, e) for b, e in zip(begins.tolist(), ends.tolist(), strict=True)], dtype=np.int64)
        named, begins, ends = named[at >= 0], at[at >= 0] + 17, ends[at >= 0]
        return named, self._kernels(begins, np.maximum(ends, begins))

    def _remember_names(self, named: I64, kernels: np.ndarray) -> None:
        """Remember names by (section, id), for times that do not follow at once."""
        if len(named):
            if len(self.named) > MEMO:
                self.named.clear()  # names only matter within their own runner section
            self.named.update(zip(zip(self._places(named).tolist(), self.index.tactic[named].tolist(), strict=True), kernels.tolist(), strict=True))
