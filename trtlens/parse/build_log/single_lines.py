"""Tactic lines in any dialect, one at a time: those that the columns could not place.

In: the message of one line. Out: a tactic row (timed, skipped, cached), a kernel name, a fastest tactic. Next: events.py.
"""

from __future__ import annotations

import numpy as np

from ...text import parse_tactic
from . import grammar as g
from . import lines as k
from .records import CACHED, NO_TACTIC, SKIPPED, TIMED, Line
from .state import NAN, SELECTED
from .structure import StructureReader


class SingleLines(StructureReader):
    """Reads whole tactic lines wherever they come from: hard-wrapped, torn, TensorRT 5 to 8.2."""

    def _logical(self, message: str, line: int, offset: int, row: int) -> bool:
        """One whole line of tuning in any dialect, for lines the columns could not place. Whether it was one."""
        raw = message.encode("utf-8", "backslashreplace")
        for pattern, method in ((g.FORMATS, self._formats), (g.REFORMATS, self._reformats), (g.RUNNER, self._runner), (g.CHOSE, self._chose)):
            match = pattern.match(message)
            if match:
                if pattern is g.CHOSE and parse_tactic(match["id"]) is None:
                    return False  # damaged; the method would hand it back to this one
                method(raw, line, offset, row)
                return True
        match = g.NAMED_TIMED.match(message) or g.TIMED.match(message)
        if match:
            tactic = parse_tactic(match["id"])
            if tactic is None:
                return False
            name = match.groupdict().get("name")
            self._slow_row(tactic, self.kernels.add(name) if name else self._waiting_name(line), k.finite(match["time"]), TIMED, -1, line, offset)
            return True
        match = g.FASTEST.match(message)
        if match:
            tactic = parse_tactic(match["id"])
            if tactic is not None:
                values = self._here(line), tactic, k.finite(match["time"]), line, offset
                self.fastest.append(tuple(np.array([v], dtype=d) for v, d in zip(values, (np.int64, np.uint64, np.float64, np.int64, np.int64), strict=True)))
            return True
        match = g.NO_VALID_8.match(message)
        if match:
            self.no_valid.append(np.array([self._here(line)]))
            return True
        return self._skip_line(message, line, offset) or self._name_line(message, line, offset)

    def _here(self, line: int) -> int:
        """The section that a tactic's line belongs to."""
        mark = self._mark()
        return mark if mark >= 0 else self._implicit(mark, line)

    def _waiting_name(self, line: int) -> int:
        """The kernel named on the line just before a time (8.5 ConvActPool; 7.x when one name alone came since the last time)."""
        return self.alone.get(line - 1, -1)

    def _slow_row(self, tactic: int, kernel: int, time_ms: float, source: int, why: int, line: int, offset: int) -> None:
        self._tuning_begins(line)
        place = self._here(line)
        self._builder(line).tuned = True
        if tactic == NO_TACTIC:
            time_ms = NAN
        self.slow.append((place, tactic, kernel, time_ms, source, why, line, offset))

    def _skip_line(self, message: str, line: int, offset: int) -> bool:
        """A tactic that was not timed, with the reason."""
        match = g.ONLY_OPTION.match(message)
        why = "only option"
        if match is None:
            match, why = g.SCRATCH.match(message), "scratch"
        if match is None:
            match, why = g.FAST_SKIP.match(message), "time limit"
        if match is None:
            match, why = g.MEMORY_SKIP.match(message), "memory"
        if match is None:
            match, why = g.EXCEPTION_SKIP.match(message), "exception"
        if match is None:
            return False
        groups = match.groupdict()
        tactic = parse_tactic(groups.get("id") or groups.get("number") or "")
        if groups.get("asked"):
            why = f"{why}: requested {groups['asked']}" + (f", available {groups['available']}" if groups.get("available") else "")
        if tactic is None:
            return False
        self._slow_row(tactic, -1, NAN, SKIPPED, self.whys.add(why) if len(self.whys) < 30000 else 0, line, offset)
        if why.startswith(("memory", "scratch")):
            self._warning(message, line, offset)
        return True

    def _name_line(self, message: str, line: int, offset: int) -> bool:
        match = g.SET_NAME.match(message)
        if match:
            kernel = self.kernels.add(match["name"].strip()) if match["name"].strip() else -1
            tactic = parse_tactic(match["id"]) if match["id"] else None
            if tactic is not None and self._mark() == SELECTED:
                if match["layer"] and kernel >= 0:
                    self._chosen_kernel(match["layer"], tactic, kernel, Line(line, offset, message, self.severity))
            elif tactic is not None:
                place = self._here(line)
                self.named.setdefault((place, tactic), []).append((line, kernel))
                self.unclaimed[place, tactic] = Line(line, offset, message[:400], self.severity)
            else:
                self._alone(line, kernel)
            return True
        match = g.NAME_ALONE.match(message)
        if match and " Tactic: " not in message:
            self._alone(line, self.kernels.add(match["name"].strip()))
            return True
        return False

    def _alone(self, line: int, kernel: int) -> None:
        # A run of names before one time (7.x) does not say which of them was timed: then none is claimed.
        self.alone[line] = -1 if line - 1 in self.alone else kernel

    def _cached_result(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A line that ends as a cached result does."""
        if k.is_torn(text) or not self._cached(text.decode("utf-8", "backslashreplace"), line, offset):
            self._as_other(text, line, offset, row)

    def _cached(self, message: str, line: int, offset: int) -> bool:
        match = g.CACHED.match(message)
        tactic = parse_tactic(match["id"]) if match else None
        if match is None or tactic is None:
            return False
        self._tuning_begins(line)
        name = match["layer"]
        reformat = name.startswith(g.OPTIMIZER_REFORMAT)
        layer = self.layers.add(name)
        runner = self.runners.add(match["runner"].strip())
        previous = self.combination, self.runner, self.op
        number = self._add_combination(self.formats.add(match["formats"].strip()), int(reformat), line, offset, layer=layer)
        time_ms = k.finite(match["time"])
        c = self.combinations.arrays
        c["winner_runner"][number], c["winner_tactic"][number], c["winner_time"][number] = runner, tactic, time_ms
        c["winner_line"][number], c["winner_offset"][number], c["cached"][number] = line, offset, 1
        self.combination, self.op = number, -1
        self.runner = self._add_section(number, runner, layer, line, offset)
        self._slow_row(tactic, -1, time_ms, CACHED, -1, line, offset)
        # The line stands for a whole race; what follows belongs to where we were.
        self.combination, self.runner, self.op = previous
        return True
