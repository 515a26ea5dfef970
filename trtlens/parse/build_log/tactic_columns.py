"""The tactics of a block, column by column: ids, times, kernels and the runner section of each.

In: the `LineIndex` of a block and the marks that say where tactics belong after each structural line. Out: columns of `TacticRows`.
Next: structure.py builds on it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import itemgetter

import numpy as np

from . import lines as k
from .digits import I64, U64
from .records import CACHED, MYELIN, NO_TACTIC, SKIPPED, TIMED, Line
from .state import NAN, SELECTED, ReaderState, SlowRow

_TYPES = (np.int32, np.uint64, np.int32, np.float64, np.int8, np.int16, np.int32, np.int64)  # of TacticRows


_MIX = np.uint64(0x9E3779B97F4A7C15)
_TORN = -2  # for the number of a kernel: the name holds the beginning of another line


def _within(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Which of `values` are among the sorted `found`."""
    if not len(found):
        return np.zeros(len(values), dtype=np.bool_)
    at = np.minimum(np.searchsorted(found, values), len(found) - 1)
    return np.asarray(found[at] == values)


class TacticColumns(ReaderState):
    """Turns the timed and named rows of a block into tactic rows."""

    def _columns(self) -> None:
        """The tactic rows of the block, column by column."""
        index, kind = self.index, self.index.kind
        fastest = np.flatnonzero(kind == k.FASTEST)
        if len(fastest):
            time_ms = index.numbers(index.last_space[fastest] + 1, index.end[fastest])
            self.fastest.append((self._places(fastest), index.tactic[fastest], time_ms, fastest + self.line0, self.starts[fastest]))
        no_valid = np.flatnonzero(kind == k.NO_VALID)
        if len(no_valid):
            self.no_valid.append(self._places(no_valid))
        whole_kernels, named, kernels = self._kernels_of_block()
        if len(named):
            named, kernels = self._without_chosen(named, kernels)
        rows = np.flatnonzero((kind == k.TIMED) | (kind == k.NAMED_TIMED) | (kind == k.FAST_SKIP))
        slow, self.slow = self.slow, []
        parts: list[tuple[np.ndarray, ...]] = []
        if len(rows) or slow:
            parts.append(self._timed_rows(rows, whole_kernels, named, kernels, slow))
        elif len(named):
            places = self._places(named)
            self._remember_names(named, places, kernels)
            self._await_times(named, places)
        if self.unclaimed:
            self._claim_names(parts[0] if parts else None, slow)
        if slow:
            parts.append(tuple(np.array(column, dtype=dtype) for column, dtype in zip(zip(*slow, strict=True), _TYPES, strict=True)))
        if len(index.table_rows.row):
            parts.append(self._table_rows())
        if self.cached_rows:
            section, row, combination = (np.concatenate(part) for part in zip(*self.cached_rows, strict=True))
            time_ms = index.numbers(index.last_space[row] + 1, index.end[row] - 3)
            self.combinations["winner_time"][combination] = time_ms
            ids = index.tactic[row]
            time_ms[ids == np.uint64(NO_TACTIC)] = NAN
            parts.append(self._part(row, section, ids, -1, time_ms, CACHED))
            self.cached_rows.clear()
        if not parts:
            return
        columns = list(parts[0])
        if len(parts) > 1:
            columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
            order = np.argsort(columns[6], kind="stable")
            columns = [column[order] for column in columns]
        for kept, column, dtype in zip(self.rows.arrays.values(), columns, _TYPES, strict=True):
            kept.frombytes(np.ascontiguousarray(column, dtype=dtype).data.cast("B"))

    def _part(
        self, row: I64, section: np.ndarray, ids: U64, kernel: np.ndarray | int, time_ms: np.ndarray, source: np.ndarray | int, why: np.ndarray | int = -1
    ) -> tuple[np.ndarray, ...]:
        """The eight columns of `TacticRows` for rows of the block."""
        count = len(row)
        kernels, sources, whys = (
            column if isinstance(column, np.ndarray) else np.full(count, column, dtype=dtype)
            for column, dtype in ((kernel, np.int32), (source, np.int8), (why, np.int16))
        )
        return section, ids, kernels, time_ms, sources, whys, row + self.line0, self.starts[row]

    def _kernels_of_block(self) -> tuple[np.ndarray, I64, np.ndarray]:
        """The kernels of the rows with name and time; the rows with a name alone, and their kernels."""
        index, kind = self.index, self.index.kind
        while True:
            whole = np.flatnonzero(kind == k.NAMED_TIMED)
            kernels = self._kernels(index.message[whole] + 13, index.id_start[whole] - 9)
            named, names = self._names_of()
            torn = np.concatenate([whole[kernels == _TORN], named[names == _TORN]])
            if not len(torn):
                return kernels, named, names
            # Another line begins in the name: what the reader makes of it belongs where the line stands.
            for row in np.sort(torn).tolist():
                kind[row], self.late = k.OTHER, row
                self._torn(index.data[int(index.message[row]) : int(index.end[row])], row + self.line0, int(self.starts[row]), row)
            self.late = None

    def _timed_rows(self, rows: I64, kernels: np.ndarray, named: I64, names: np.ndarray, slow: list[SlowRow]) -> tuple[np.ndarray, ...]:
        """The timed tactics of the block and those skipped for time. Names that stand on lines before may go to rows of `slow`, too."""
        index = self.index
        kinds = index.kind[rows]
        ids, section = index.tactic[rows], self._places(rows)
        skipped = kinds == k.FAST_SKIP
        time_ms = np.full(len(rows), NAN)
        timed = ~skipped
        time_ms[timed] = index.numbers(index.last_space[rows[timed]] + 1, index.end[rows[timed]])
        time_ms[ids == np.uint64(NO_TACTIC)] = NAN
        kernel = np.full(len(rows), -1, dtype=np.int32)
        kernel[kinds == k.NAMED_TIMED] = kernels
        if len(named) or self.named or self.alone:
            self._pair_names(rows, ids, section, kernel, named, names, slow)
        source = np.where(skipped, np.int8(SKIPPED), np.int8(TIMED))
        why: np.ndarray | int = -1
        if skipped.any():
            why = np.where(skipped, np.int16(self.whys.add("time limit")), np.int16(-1))
        return self._part(rows, section, ids, kernel, time_ms, source, why)

    def _table_rows(self) -> tuple[np.ndarray, ...]:
        """The rows of Myelin's tables: they belong to the last `Autotuning op`, unless the log has moved on since."""
        table, marks = self.index.table_rows, np.array(self.tables)
        whole = self.index.kind[table.row] == k.TABLE_ROW  # others were pieces of lines
        table = k.TableRows(table.row[whole], table.time_ms[whole], table.begin[whole], table.end[whole])
        at = np.searchsorted(marks[:, 0], table.row, side="right") - 1
        self._join_marks()
        moved = self.marks_row[0][np.searchsorted(self.marks_row[0], table.row, side="right") - 1]
        place = np.where(moved <= marks[at, 0], marks[at, 1], -1)
        lost = place < 0
        for row in table.row[lost].tolist():
            # Whether it is one of tuning's lines is decided where it stands, not where the block ends.
            if self.tuned[bisect_right(self.tuned, row, key=itemgetter(0)) - 1][1]:
                severity = self.index.severity.item(row)
                self._unknown_line(Line(row + self.line0, int(self.starts[row]), self.index.text(row)[:400], chr(severity) if severity else ""))
        rows, kept = table.row[~lost], ~lost
        kernel = self._kernels(table.begin[kept], table.end[kept])
        time_ms, ids = table.time_ms[kept], self.index.tactic[rows]
        if (kernel == _TORN).any():
            kernel = np.maximum(kernel, -1)
        time_ms[ids == np.uint64(NO_TACTIC)] = NAN
        return self._part(rows, place[kept], ids, kernel, time_ms, MYELIN)

    def _kernels(self, begins: I64, ends: I64) -> np.ndarray:
        """The kernel names at [begins, ends) as numbers."""
        return self.kernel_keys.numbers_of(self.index.buffer, self.index.data, begins, ends, self._kernel_numbers)

    def _kernel_numbers(self, names: list[bytes]) -> list[int]:
        torn = k.any_torn(names)
        return [_TORN if torn and k.is_torn(name) else self._kernel(name) for name in names]

    def _pair_names(
        self, rows: I64, ids: U64, section: np.ndarray, kernel: np.ndarray, named: I64, kernels: np.ndarray, slow: list[SlowRow]
    ) -> None:
        """8.0 to 8.5 print `Set Tactic Name: K Tactic: ID` on a line before the time: join by id within the runner's section."""
        if len(named):
            places = self._places(named)
            before = np.searchsorted(named, rows, side="left") - 1
            candidate = np.maximum(before, 0)
            # Between a name and its time stand at most warnings and name lines of other tactics; the id decides.
            direct = (before >= 0) & (self.index.tactic[named[candidate]] == ids) & (kernel < 0) & (rows - named[candidate] <= 3)
            direct &= places[candidate] == section
            self._await_unclaimed(named, places, candidate[direct], rows, ids, section)
            kernel[direct] = kernels[candidate[direct]]
            # The names that something else may need: in sections with times (or skipped tactics) yet unnamed, and in the last one, which goes on.
            needing = np.unique(np.concatenate([section[kernel < 0], [place for place, *_ in slow]]).astype(np.int64))
            # Places of names that follow the last mark may go on in the next block, be they sections made up for a lost beginning.
            kept = _within(places, needing) | (named >= self.marks_row[0][-1])
            self._remember_names(named[kept], places[kept], kernels[kept])
        if not self.named and not self.alone:
            return
        for lines in self.named.values():
            lines.sort()  # names that were read one by one came before those of the columns
        # Few sections have names that wait for a time further down, and few lines a name without an id before them.
        waiting = np.unique(np.array([where for where, _ in self.named], dtype=np.int64))
        before = np.array([line + 1 - self.line0 for line in self.alone], dtype=np.int64)
        missing = np.flatnonzero((kernel < 0) & (_within(section, waiting) | _within(rows, np.sort(before))))
        for i, where, tactic, row in zip(missing.tolist(), section[missing].tolist(), ids[missing].tolist(), rows[missing].tolist(), strict=True):
            number = self._name_before(where, tactic, row + self.line0)
            kernel[i] = number if number is not None else self.alone.get(row + self.line0 - 1, -1)
        # The kernel of a skipped tactic may have been named on the line before (8.4).
        for i, (where, tactic, number, time_ms, source, why, line, offset) in enumerate(slow):
            name = self._name_before(where, tactic, line) if number < 0 and source in (TIMED, SKIPPED) else None
            if name is not None:
                slow[i] = (where, tactic, name, time_ms, source, why, line, offset)

    def _without_chosen(self, named: I64, kernels: np.ndarray) -> tuple[I64, np.ndarray]:
        """The named rows that are of races; the others, behind the selection, say what runs each layer of the engine."""
        self._join_marks()
        chosen = self.marks[0][np.searchsorted(self.marks_row[0], named, side="right") - 1] == SELECTED
        index = self.index
        for row, kernel in zip(named[chosen].tolist(), kernels[chosen].tolist(), strict=True):
            text = index.text(row)
            layer, severity = text[: text.find("Set Tactic Name: ")].rstrip(), index.severity.item(row)
            if layer and kernel >= 0:
                line = Line(row + self.line0, int(self.starts[row]), text, chr(severity) if severity else "")
                self._chosen_kernel(layer, int(index.tactic[row]), kernel, line)
        return named[~chosen], kernels[~chosen]

    def _chosen_kernel(self, layer: str, tactic: int, kernel: int, line: Line) -> None:
        build = self._build_at(line.line)
        if build is not None:
            build.chosen_kernels[layer] = tactic, self.kernels.texts[kernel], line

    def _await_unclaimed(self, named: I64, places: np.ndarray, claimed: I64, rows: I64, ids: U64, section: np.ndarray) -> None:
        """Remember the names whose times do not follow at once, nor elsewhere in the block."""
        left = np.ones(len(named), dtype=np.bool_)
        left[claimed] = False
        if left.any():
            mixed = ids ^ (section.astype(np.uint64) * _MIX)
            left[left] = ~np.isin(self.index.tactic[named[left]] ^ (places[left].astype(np.uint64) * _MIX), mixed)
            self._await_times(named[left], places[left])

    def _await_times(self, named: I64, places: np.ndarray) -> None:
        index = self.index
        for row, place in zip(named.tolist(), places.tolist(), strict=True):
            severity = index.severity.item(row)
            self.unclaimed[place, int(index.tactic[row])] = Line(row + self.line0, int(self.starts[row]), index.text(row)[:400], chr(severity) if severity else "")

    def _claim_names(self, timed: tuple[np.ndarray, ...] | None, slow: list[SlowRow]) -> None:
        """Names whose time (or skip) came are done with; one whose section ended without is a tactic of which the log lost the time."""
        found = {(place, tactic) for place, tactic, *_ in slow}
        if timed is not None:
            sections = np.unique(np.array([place for place, _ in self.unclaimed], dtype=np.int64))
            chosen = np.flatnonzero(_within(timed[0], sections))
            found.update(zip(timed[0][chosen].tolist(), timed[1][chosen].tolist(), strict=True))
        going_on = {self.runner, *self.implied.values()}
        for key in list(self.unclaimed):
            if key in found:
                del self.unclaimed[key]
            elif key[0] not in going_on:
                self._damage(self.unclaimed.pop(key))

    def _names_of(self) -> tuple[I64, np.ndarray]:
        """The rows that are `… Set Tactic Name: K Tactic: ID`, and their kernels."""
        index = self.index
        kept = index.kind[index.named] == k.NAMED
        named, begins = index.named[kept], index.name_start[kept]
        return named, self._kernels(begins, np.maximum(index.id_start[named] - 9, begins))

    def _forget_names(self) -> None:
        """Names only matter within their own runner section: those of sections that ended are dropped after each block."""
        going = (self.combination, self.lost.get(len(self.builds) - 1, -1))
        self.implied = {combination: section for combination, section in self.implied.items() if combination in going}
        if self.named:
            going_on = {self.runner, *self.implied.values()}
            self.named = {key: name for key, name in self.named.items() if key[0] in going_on}

    def _remember_names(self, named: I64, places: np.ndarray, kernels: np.ndarray) -> None:
        """Remember names by (section, id), for times that do not follow at once."""
        ids, lines = self.index.tactic[named].tolist(), (named + self.line0).tolist()
        for where, tactic, line, kernel in zip(places.tolist(), ids, lines, kernels.tolist(), strict=True):
            self.named.setdefault((where, tactic), []).append((line, kernel))

    def _name_before(self, where: int, tactic: int, line: int) -> int | None:
        """The kernel that was named last for a tactic of a section, before `line`."""
        lines = self.named.get((where, tactic), [])
        number = bisect_left(lines, (line, -1))
        return lines[number - 1][1] if number else None
