"""Where a reader stands in a log: the build, the pass, the combination and the runner that the next tactic belongs to.

In: what structure.py, events.py and single_lines.py find. Out: `ReaderState`, the tables as they grow. Next: tactic_columns.py places tactics by it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter, itemgetter

import numpy as np

from ..records import Note
from . import lines as k
from .digits import I64, KeyCache
from .records import Build, Columns, Line, Names, Pass, combination_columns, runner_columns, tactic_columns

NAN = float("nan")
SELECTED = -(1 << 62)  # the mark of lines behind `Formats and tactics selection completed`: names there are those of what was chosen
KEPT_LINES = 5000  # of each kind of citable line; a hostile log must not fill memory

SlowRow = tuple[int, int, int, float, int, int, int, int]
"""A tactic row found one by one: section, id, kernel, milliseconds, source, why, line, offset."""


class ReaderState:
    """Builds, passes, combinations and sections as read so far, and the place of the next tactic."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.layers, self.runners, self.kernels, self.formats, self.whys = Names(), Names(), Names(), Names(), Names()
        self.combinations, self.sections = combination_columns(), runner_columns()
        self.builds: list[Build] = []
        self.build: Build | None = None
        self.pass_: Pass | None = None
        self.strategies: dict[int, Pass] = {}  # by number, the last of each
        self.run_facts: dict[str, tuple[str, Line]] = {}
        self.run_command: Line | None = None
        self.run_version: str | None = None
        self.run_since = 0  # the first build of the run of trtexec that is being read
        self.run_over = False  # trtexec says that its engine is built, or runs it
        self.ended_run: tuple[dict[str, tuple[str, Line]], Line | None, str | None] | None = None
        """Facts, command and version of the last run of trtexec that ended: where nothing was built, they are what the log tells of its machine."""
        self.doubtful_list = False  # what stands behind the list that is being read may be a part of it
        self.notes: list[Note] = []
        self.between: list[tuple[str, Line]] = []
        self.damaged: list[Line] = []
        self.unknown_samples: list[Line] = []
        self.unknown = self.tuning = 0
        self.in_tuning = False
        self.tuned: list[tuple[int, bool]] = []  # (row of the block, whether lines from there on are tuning's)
        # where the next tactic belongs
        self.profile = -1
        self.section = -1
        self.section_of = ""  # "costs for" or "reformatting costs", where a line says so
        self.layer = -1
        self.named_sections = False
        self.combination = -1
        self.runner = -1
        self.op = -1
        self.selected = False
        self.late: int | None = None  # the row of a line that is read after structure that follows it
        self.index = k.index_block(b"")
        self.starts: I64 = np.empty(0, dtype=np.int64)
        self.marks_row: list[np.ndarray] = []
        self.marks: list[np.ndarray] = []
        self.tuning_since = self.writers_since = 0
        self.severities: set[str] = set()  # of the lines before the next build
        self.own_lines = 0
        self.fastest: list[tuple[np.ndarray, ...]] = []
        self.no_valid: list[np.ndarray] = []
        self.slow: list[SlowRow] = []
        self.cached_rows: list[tuple[np.ndarray, ...]] = []  # (section, row of the block, combination) of cached results
        self.table_offsets: dict[int, int] = {}
        self.implied: dict[int, int] = {}  # the section of each combination whose runner no line names
        self.lost: dict[int, int] = {}  # of each build the combination of tactics whose beginning is not in the log
        self.tables: list[tuple[int, int]] = []  # (row of the block, section) where a Myelin table begins
        self.rows = tactic_columns()
        self.kernel_keys, self.format_keys, self.runner_keys, self.layer_keys, self.chosen_keys = map(KeyCache, (18, 18, 17, 16, 8))
        self.runner_pairs = Columns(layer="i", runner="i")  # what runner_keys counts
        self.runner_memo: dict[bytes, tuple[int, int]] = {}
        self.chosen_memo: dict[bytes, int] = {}
        self.named: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (section, tactic) → (line of the name, kernel)
        self.unclaimed: dict[tuple[int, int], Line] = {}  # (section, tactic) → the line of a name whose time has not come yet
        self.alone: dict[int, int] = {}  # kernels by line of names without an id, which wait for a time on the next line (8.5 ConvActPool, 7.x)
        self.table: list[tuple[int, str]] | None = None
        self.tables_seen: list[tuple[Build, list[tuple[int, str]]]] = []
        self.document: list[tuple[int, str]] | None = None
        self.documents: list[tuple[Build, list[tuple[int, str]]]] = []
        self.engine_open = False
        self.engine_end = 0  # the last line of the engine's last layer
        self.node: dict[str, str | int | Line] | None = None
        self.tensorrt_lines = 0
        self.handlers: dict[int, Callable[[bytes, int, int, int], None]] = {}  # by kind of structural line
        self.held: tuple[int, bytes, bytes] | None = None  # the last block, which waits for the rest of its last line: offset, as it is, as it is read
        self.line0 = 1
        self.base = 0
        self.severity = ""
        self.own_logger: re.Pattern[bytes] | None = None
        self.collector = b""  # what stands before TensorRT's own prefix, of which `own_logger` is the pattern then
        self.logger_known = False

    def _mark(self) -> int:
        """Where a tactic read now belongs: a runner section, or -(combination + 2) when no runner was named, or -1."""
        if self.late is not None:
            return self._mark_at(self.late)
        return self.runner if self.runner >= 0 else -(self.combination + 2) if self.combination >= 0 else SELECTED if self.selected else -1

    def _mark_at(self, row: int) -> int:
        """The same for an earlier row of the block."""
        number = self._marks_before(row)
        return int(self.marks[number][np.searchsorted(self.marks_row[number], row, side="right") - 1])

    def _marks_before(self, row: int) -> int:
        """Which of the arrays of marks holds the last one up to a row of the block: many lines may ask, and there may be an array for each line."""
        return bisect_right(self.marks_row, row, key=itemgetter(0)) - 1

    def _op_here(self) -> int:
        """The section of the Myelin table that the line read now belongs to; -1 outside of tables."""
        if self.late is None:
            return self.op
        begun, op = self.tables[bisect_right(self.tables, self.late, key=itemgetter(0)) - 1]
        rows = self.marks_row[self._marks_before(self.late)]
        return op if int(rows[np.searchsorted(rows, self.late, side="right") - 1]) <= begun else -1

    def _moved(self, row: int, selected: bool = False) -> None:
        self.op, self.selected = -1, selected
        self.marks_row.append(np.array([row]))
        self.marks.append(np.array([self._mark()]))

    def _join_marks(self) -> None:
        if len(self.marks) > 1:
            self.marks_row, self.marks = [np.concatenate(self.marks_row)], [np.concatenate(self.marks)]

    def _places(self, rows: I64) -> np.ndarray:
        """The runner section of each row (line of the block); sections are made for combinations whose runner was not named."""
        self._join_marks()
        where = np.searchsorted(self.marks_row[0], rows, side="right") - 1
        place = self.marks[0][where]
        open_rows = np.flatnonzero(place < 0)
        if len(open_rows):
            marks, first, mark_of = np.unique(place[open_rows], return_index=True, return_inverse=True)
            made = [self._implicit(mark, self.line0 + int(rows[at])) for mark, at in zip(marks.tolist(), open_rows[first].tolist(), strict=True)]
            place[open_rows] = np.array(made)[mark_of]
        return np.asarray(place)

    def _implicit(self, mark: int, line: int) -> int:
        """The section for tactics (the first at `line`) that follow a combination, or nothing at all, without a runner line."""
        combination = -mark - 2 if SELECTED < mark < -1 else self._lost_combination(line)
        if combination not in self.implied:
            self.implied[combination] = self._add_section(combination, -1, int(self.combinations.arrays["layer"][combination]), 0, 0)
        return self.implied[combination]

    def _lost_combination(self, line: int) -> int:
        """A combination for tactics whose beginning is not in the log (a fragment): no layer, no formats."""
        build = self._build_at(line) or (self.builds[0] if self.builds else self._builder(line))
        build.first_line = min(build.first_line, line)
        if build.index in self.lost:
            return self.lost[build.index]
        current = self.build, self.pass_
        self.build, self.pass_ = build, build.passes[-1] if build.passes else None
        number = self.lost[build.index] = self._add_combination(-1, 0, 0, 0, layer=-1)
        if current[0] is not None and current[0] is not build:
            self.build, self.pass_ = current
        return number

    def _is_lost(self, combination: int) -> bool:
        c = self.combinations.arrays
        return bool(c["text"][combination] == -1 and c["line"][combination] == 0)

    def _kernel(self, name: bytes) -> int:
        text = name.decode("utf-8", "backslashreplace").strip()
        return self.kernels.add(text) if text else -1

    def _build_at(self, line: int) -> Build | None:
        """The last build that began at or before a line."""
        number = bisect_right(self.builds, line, key=attrgetter("first_line"))
        return self.builds[number - 1] if number else None

    def _builder(self, line: int) -> Build:
        """The build that is being read; a new one where there is none."""
        if self.build is None:
            if self._run_is_over():
                self._begin_run(None, None)
            self.build = Build(len(self.builds), line or self.line0, facts=dict(self.run_facts), command=self.run_command, version=self.run_version)
            self.builds.append(self.build)
            self.pass_ = None
            waiting, self.between = self.between, []
            for topic, kept in waiting:
                self._keep(topic, kept)
        return self.build

    def _begin_run(self, command: Line | None, version: str | None) -> None:
        """Options and device that were said so far are another run's."""
        self.run_facts, self.run_command, self.run_version = {}, command, version
        self.run_since, self.run_over = len(self.builds), False

    def _run_is_over(self) -> bool:
        """Whether the run that said its options has its engine: trtexec builds one, so a further build in the file is of another program.

        To calibrate INT8 it builds an engine in FP32 before.
        """
        built = self.builds[self.run_since :]
        if self.run_over or self.run_facts.get("calibration", ("",))[0] == "Dynamic":
            return self.run_over and bool(built)
        return any(build.complete or build.tuned or build.sparsity for build in built)

    def _pass(self, line: int) -> Pass:
        build = self._builder(line)
        if self.pass_ is None:
            self.pass_ = Pass(len(build.passes), build.index, None, line, line)
            build.passes.append(self.pass_)
            self.profile = 0
        return self.pass_

    def _end_build(self, line: int) -> None:
        if self.build is not None:
            self._count_writers(line - self.line0)
            self.build.last_line = max(line - 1, self.build.first_line)
            if self.pass_ is not None:
                self.pass_.last_line = self.build.last_line
        self.build = self.pass_ = None
        self._tuning_ends(line)
        self.engine_open = self.named_sections = False
        self.section_of = ""
        self.combination = self.runner = self.layer = self.op = -1
        self.section += 1  # no section of the next build has the number of one of this build, or it would name its combinations
        self.tables.append((line - self.line0, -1))

    def _next_build(self, line: int) -> None:
        """A line that begins a builder's work: ends the build before it if that one had tuned or printed its engine."""
        if self.build is not None and (self.build.complete or self.build.tuned):
            self._end_build(line)
        self._builder(line)

    def _add_combination(self, text: int, is_reformat: int, line: int, offset: int, layer: int | None = None) -> int:
        current = self._pass(line)
        assert self.build is not None
        self.build.tuned = True
        current.last_line = max(current.last_line, line)
        c = self.combinations.arrays
        c["build"].append(self.build.index)
        c["pass_index"].append(current.index)
        c["profile"].append(self.profile)
        c["section"].append(self.section)
        c["layer"].append(self.layer if layer is None else layer)
        c["text"].append(text)
        c["is_reformat"].append(is_reformat)
        c["line"].append(line)
        c["offset"].append(offset)
        c["winner_runner"].append(-1)
        c["winner_tactic"].append(0)
        c["winner_time"].append(NAN)
        c["winner_line"].append(0)
        c["winner_offset"].append(0)
        c["cached"].append(0)
        return len(c["build"]) - 1

    def _add_section(self, combination: int, runner: int, layer: int, line: int, offset: int, no_valid: int = 0, op: int = -1) -> int:
        s = self.sections.arrays
        s["combination"].append(combination)
        s["runner"].append(runner)
        s["layer"].append(layer)
        s["line"].append(line)
        s["no_valid"].append(no_valid)
        s["fastest"].append(0)
        s["fastest_time"].append(NAN)
        s["fastest_line"].append(0)
        s["op"].append(op)
        if op >= 0:
            self.table_offsets[len(s["op"]) - 1] = offset
        return len(s["runner"]) - 1

    def _tuning_begins(self, line: int) -> None:
        if not self.in_tuning:
            if self.build is not None and self.build.engine_header is not None:
                self._end_build(line)  # its engine is printed: whoever tunes now builds another
            self.in_tuning, self.tuning_since = True, line - self.line0
            self.tuned.append((line - self.line0, True))
        self.engine_open = False

    def _tuning_ends(self, line: int) -> None:
        self._count_tuning(line - self.line0)
        self.in_tuning = False
        self.tuned.append((line - self.line0, False))

    def _unknown_line(self, line: Line) -> None:
        self.unknown += 1
        if len(self.unknown_samples) < 200:
            self.unknown_samples.append(line)

    def _damage(self, line: Line) -> None:
        if len(self.damaged) < KEPT_LINES:
            self.damaged.append(line)

    def _count_tuning(self, row: int) -> None:
        """TensorRT's lines since the last count are lines of tuning: `unknown-lines` is a share of them."""
        if self.in_tuning and row > self.tuning_since:
            self.tuning += int((self.index.writer[self.tuning_since : row] == k.TRT).sum())
            self.tuning_since = row

    def _count_writers(self, row: int) -> None:
        """Who wrote the lines since the last count, and how severe: of the build that is being read, or of the next."""
        since, self.writers_since = self.writers_since, max(row, self.writers_since)
        self.severities.update(chr(c) for c in np.flatnonzero(np.bincount(self.index.severity[since:row], minlength=1)).tolist() if c)
        self.own_lines += int((self.index.writer[since:row] == k.OWN).sum())
        if self.build is not None:
            self.build.severities |= self.severities
            self.build.own_lines += self.own_lines
            self.severities, self.own_lines = set(), 0

    def _warning(self, message: str, line: int, offset: int) -> None:
        self._keep("", Line(line, offset, message, self.severity))

    def _note(self, topic: str, message: str, line: int, offset: int) -> None:
        self._keep(topic, Line(line, offset, message, self.severity))

    def _keep(self, topic: str, line: Line) -> None:
        """Keep a citable line with its build; one between builds waits for the next (or, at the end, goes to the last). "" is a warning."""
        if self.build is None:
            if len(self.between) < KEPT_LINES:
                self.between.append((topic, line))
            return
        kept = self.build.notable.setdefault(topic, []) if topic else self.build.warnings
        if len(kept) < KEPT_LINES:
            kept.append(line)

    def _other(self, text: bytes, line: int, offset: int, writer: int, foreign: bool, row: int) -> None:
        """Read a line that is no structure; reader.py does."""
        raise NotImplementedError

    def _torn(self, text: bytes, line: int, offset: int, row: int, first: int = 0) -> None:
        """Read the whole parts of a line into which others were written; reader.py does."""
        raise NotImplementedError

    def _read_piece(self, piece: k.LineIndex, line: int, offset: int, row: int) -> None:
        """Read a whole line that does not stand as such in the block; reader.py does."""
        raise NotImplementedError

    def _unplaced(self, message: str, line: int, offset: int, row: int, counted: bool = True) -> None:
        """Keep account of a line that no grammar took; reader.py does."""
        raise NotImplementedError
