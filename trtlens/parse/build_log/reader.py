"""The build log, read once, front to back.

In: a `TextSource`. Out: `BuildLog`. Next: diagnose/. Every block is indexed column-wise (lines.py); Python visits only the lines that change
where tactics belong (`Computing costs`, `Autotuning`, `Timing Runner`, `Chose`) and the few that are about something else.

Attribution: a tactic belongs to the last `Timing Runner` (or, without one, to the last format combination). The layer of a combination is the name
of its `Computing costs for NAME`; TensorRT 8.2 to 8.6.0 print that name empty, then it is the name in the section's runner lines; a section
without any (a silent twin) has no layer. TensorRT 7 and 8.0 have no such sections: there each combination is named by its own runners.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from ...errors import InputError
from ...text import parse_tactic, split_top_level
from ..layer_info import parse_embedded_layer_info
from ..records import Note
from ..textio import TextSource
from ..timing_profile import parse_profile_table
from . import grammar as g
from . import lines as k
from .bulk import BULK_ROWS, MEMO, read_in_bulk
from .digits import I64, KEYED_BYTES, U64, KeyCache, text_keys
from .records import (
    CACHED,
    MYELIN,
    NO_TACTIC,
    SKIPPED,
    TIMED,
    Build,
    BuildLog,
    Columns,
    Line,
    Names,
    NetworkNode,
    Pass,
    SparsityList,
    TacticRows,
    combination_columns,
    runner_columns,
)

_NAN = float("nan")
_RUNNER_ID = re.compile(r"\[0x[0-9a-fA-F]+\]$")
_KEPT_LINES = 5000  # of each kind of citable line; a hostile log must not fill memory
MEMORY_WORDS = ("nsufficient", "out of memory", "Out of memory", "OutOfMemory", "could not be allocated", "NvMapMem", "Requested amount of GPU memory")


_Slow = tuple[int, int, int, float, int, int, int, int]
"""A tactic row found one by one: section, id, kernel, milliseconds, source, why, line, offset."""


class LogReader:
    """Reads one log. Use `parse_build_log`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.layers, self.runners, self.kernels, self.formats, self.whys = Names(), Names(), Names(), Names(), Names()
        self.combinations, self.sections = combination_columns(), runner_columns()
        self.builds: list[Build] = []
        self.build: Build | None = None
        self.pass_: Pass | None = None
        self.run_facts: dict[str, tuple[str, Line]] = {}
        self.run_command: Line | None = None
        self.run_version: str | None = None
        self.notes: list[Note] = []
        self.between: list[tuple[str, Line]] = []
        self.damaged: list[Line] = []
        self.unknown_samples: list[Line] = []
        self.unknown = self.tuning = 0
        self.in_tuning = False
        # where the next tactic belongs
        self.profile = -1
        self.section = -1
        self.layer = -1
        self.named_sections = False
        self.combination = -1
        self.runner = -1
        self.op = -1
        self.index = k.index_block(b"")
        self.starts: I64 = np.empty(0, dtype=np.int64)
        self.marks_row: list[np.ndarray] = []
        self.marks: list[np.ndarray] = []
        self.tuning_since = self.writers_since = 0
        self.severities: set[str] = set()  # of the lines before the next build
        self.own_lines = 0
        self.fastest: list[tuple[np.ndarray, ...]] = []
        self.no_valid: list[np.ndarray] = []
        self.slow: list[_Slow] = []
        self.rows: list[list[np.ndarray]] = [[] for _ in range(8)]  # the columns of TacticRows, one array a block
        self.kernel_bytes: dict[bytes, int] = {}
        self.kernel_keys = KeyCache()
        self.runner_memo: dict[bytes, tuple[int, int]] = {}
        self.chosen_memo: dict[bytes, int] = {}
        self.named: dict[tuple[int, int], int] = {}
        self.alone: dict[int, int] = {}  # kernels by line of names without an id, which wait for a time on the next line (8.5 ConvActPool, 7.x)
        self.table: list[tuple[int, str]] | None = None
        self.tables_seen: list[tuple[Build, list[tuple[int, str]]]] = []
        self.document: list[tuple[int, str]] | None = None
        self.documents: list[tuple[Build, list[tuple[int, str]]]] = []
        self.engine_open = False
        self.node: dict[str, str | int] | None = None
        self.tensorrt_lines = 0
        self.wrap: tuple[int, int, str] | None = None
        self.line0 = 1
        self.base = 0
        self.severity = ""
        self.own_logger: re.Pattern[bytes] | None = None
        self.logger_known = False
        self.dispatch = _dispatch_table(self)
        self.handlers: dict[int, Callable[[bytes, int, int, int], None]] = {
            k.FORMATS: self._formats, k.REFORMATS: self._reformats, k.RUNNER: self._runner, k.COSTS: self._costs, k.CHOSE: self._chose,
            k.SKIP_RUNNER: self._skip_runner, k.DECLINED: self._skip_runner,
        }  # fmt: skip

    # ------------------------------------------------------------------ blocks

    def block(self, offset: int, data: bytes) -> None:
        """Read one block, which ends in k.PAD bytes of zeros."""
        plain = data if self.own_logger is None and self.logger_known else self._own_logger(data)
        index = k.index_block(plain, padded=True)
        self.index = index
        # ANSI colours shorten the text, so offsets then lead to the wrong place; find the true starts again.
        self.starts = (index.start if len(index.data) == len(data) else _line_starts(data[: -k.PAD])) + offset
        self.marks_row, self.marks = [np.array([-1])], [np.array([self._mark()])]
        self.tuning_since = self.writers_since = 0
        kind, writer = index.kind, index.writer
        visited = (kind >= k.STRUCTURE) | (kind == k.OTHER)
        if self.document is not None or self.table is not None or (writer == k.OWN).any():
            visited |= (kind == k.BLANK) & (writer != k.TRT)
        visit = np.flatnonzero(visited)
        others = np.flatnonzero(kind[visit] < k.STRUCTURE)
        self._visit(visit, others)
        self._columns()
        self._count_tuning(len(index))
        self.line0 += len(index)
        self.alone = {line: kernel for line, kernel in self.alone.items() if line == self.line0 - 1}
        self.tensorrt_lines += int((writer == k.TRT).sum())
        self._count_writers(len(index))
        if self.build is not None:
            self.build.last_line = self.line0 - 1

    def _visit(self, visit: I64, others: I64) -> None:
        """The lines of the block that Python looks at, in order: runs of structure, and one by one those about something else."""
        index, first, data = self.index, self.line0, self.index.data
        rows = visit[others]
        begins, ends, offsets = index.message[rows].tolist(), index.end[rows].tolist(), self.starts[rows].tolist()
        whos, levels, foreigns = index.writer[rows].tolist(), index.severity[rows].tolist(), index.foreign[rows].tolist()
        done = 0
        for i, (place, row) in enumerate(zip(others.tolist(), rows.tolist(), strict=True)):
            if place > done:
                self._structure(visit[done:place])
            done = place + 1
            self.severity = chr(levels[i]) if levels[i] else ""
            self._other(data[begins[i] : ends[i]], first + row, offsets[i], whos[i], foreigns[i], row)
        if done < len(visit):
            self._structure(visit[done:])

    def _structure(self, rows: I64) -> None:
        """A run of lines that change where tactics belong."""
        if self.document is not None or self.table is not None:
            self._close_collections()
        if len(rows) >= BULK_ROWS and read_in_bulk(self, rows):
            return
        index, first, data, handlers = self.index, self.line0, self.index.data, self.handlers
        for row, code, begin, end, offset in zip(
            rows.tolist(), index.kind[rows].tolist(), index.message[rows].tolist(), index.end[rows].tolist(), self.starts[rows].tolist(), strict=True
        ):
            handlers[code](data[begin:end], first + row, offset, row)

    def _own_logger(self, data: bytes) -> bytes:
        """The block with the prefix of a user's own logger written as `[V] `; that prefix is learned from the first ruler line."""
        if self.own_logger is None:
            rulers = [at for at in (data.find(opener) for opener in g.RULERS) if at >= 0]
            if not rulers:
                return data
            self.logger_known = True
            start = data.rfind(b"\n", 0, min(rulers)) + 1
            match = g.OWN_LOGGER.match(data, start)
            if match is None or k.index_block(data[start : min(rulers)] + b"x").message[0] > 0:
                return data
            escaped = re.sub(rb"\d+", rb"\\d+", re.escape(match["prefix"]))
            if g.SEVERITY_WORD.search(escaped):
                escaped = g.SEVERITY_WORD.sub(rb"(?P<s>(?i:internal_error|verbose|info|warning|error|debug))", escaped, count=1)
            else:
                escaped += rb"(?P<s>)"
            self.own_logger = re.compile(rb"(?m)^" + escaped)
        return self.own_logger.sub(lambda m: b"[" + (m["s"][:1].upper() or b"V").replace(b"D", b"V") + b"] ", data)

    def _mark(self) -> int:
        """Where a tactic read now belongs: a runner section, or -(combination + 2) when no runner was named, or -1."""
        return self.runner if self.runner >= 0 else -(self.combination + 2) if self.combination >= 0 else -1

    def _moved(self, row: int) -> None:
        self.marks_row.append(np.array([row]))
        self.marks.append(np.array([self._mark()]))

    def _places(self, rows: I64) -> np.ndarray:
        """The runner section of each row (line of the block); sections are made for combinations whose runner was not named."""
        if len(self.marks) > 1:
            self.marks_row, self.marks = [np.concatenate(self.marks_row)], [np.concatenate(self.marks)]
        where = np.searchsorted(self.marks_row[0], rows, side="right") - 1
        place = self.marks[0][where]
        for mark in np.unique(place[place < 0]).tolist() if place.size and place.min() < 0 else ():
            place[place == mark] = self._implicit(mark, self.line0 + int(rows[np.argmax(place == mark)]))
        return np.asarray(place)

    def _implicit(self, mark: int, line: int) -> int:
        """The section for tactics (the first at `line`) that follow a combination, or nothing at all, without a runner line."""
        combination = -mark - 2 if mark < -1 else self._lost_combination(line)
        owned, runner = self.sections.arrays["combination"], self.sections.arrays["runner"]
        for number in range(len(owned) - 1, max(len(owned) - 64, -1), -1):
            if owned[number] == combination and runner[number] == -1:
                return number
        return self._add_section(combination, -1, int(self.combinations.arrays["layer"][combination]), 0, 0)

    def _lost_combination(self, line: int) -> int:
        """A combination for tactics whose beginning is not in the log (a fragment): no layer, no formats."""
        before = [b for b in self.builds if b.first_line <= line]
        build = before[-1] if before else self.builds[0] if self.builds else self._builder(line)
        build.first_line = min(build.first_line, line)
        columns = self.combinations.arrays
        for number in range(len(self.combinations) - 1, max(len(self.combinations) - 64, -1), -1):
            if columns["text"][number] == -1 and columns["layer"][number] == -1 and columns["build"][number] == build.index:
                return number
        current = self.build, self.pass_
        self.build, self.pass_ = build, build.passes[-1] if build.passes else None
        number = self._add_combination(-1, 0, 0, 0, layer=-1)
        if current[0] is not None and current[0] is not build:
            self.build, self.pass_ = current
        return number

    def _kernel(self, name: bytes) -> int:
        number = self.kernel_bytes.get(name)
        if number is None:
            text = name.decode("utf-8", "backslashreplace").strip()
            number = self.kernel_bytes[name] = self.kernels.add(text) if text else -1
        return number

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
        time_ms = np.full(len(rows), _NAN)
        timed = ~skipped
        time_ms[timed] = index.numbers(index.last_space[rows[timed]] + 1, index.end[rows[timed]])
        time_ms[ids == np.uint64(NO_TACTIC)] = _NAN
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

    def _pair_names(self, rows: I64, ids: U64, section: np.ndarray, kernel: np.ndarray, named: I64, slow: list[_Slow]) -> None:
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

    # ------------------------------------------------------------------ structure

    def _builder(self, line: int) -> Build:
        """The build that is being read; a new one where there is none."""
        if self.build is None:
            self.build = Build(len(self.builds), line or self.line0, facts=dict(self.run_facts), command=self.run_command, version=self.run_version)
            self.builds.append(self.build)
            self.pass_ = None
            waiting, self.between = self.between, []
            for topic, kept in waiting:
                self._keep(topic, kept)
        return self.build

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
        self.combination = self.runner = self.layer = self.section = self.op = -1

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
        c["winner_time"].append(_NAN)
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
        s["offset"].append(offset)
        s["no_valid"].append(no_valid)
        s["fastest"].append(0)
        s["fastest_time"].append(_NAN)
        s["fastest_line"].append(0)
        s["op"].append(op)
        return len(s["runner"]) - 1

    def _formats(self, text: bytes, line: int, offset: int, row: int) -> None:
        number = self.format_number(text)
        if number < 0:
            return self._incomplete(text, line, offset, row)
        self._tuning_begins(line)
        if not self.named_sections:
            self.layer = -1  # 7.x and 8.0: the runner lines name the layer
        self.runner = self.op = -1
        self.combination = self._add_combination(number, 0, line, offset)
        self._moved(row)
        return None

    def _reformats(self, text: bytes, line: int, offset: int, row: int) -> None:
        number = self.format_number(text)
        if number < 0:
            return self._incomplete(text, line, offset, row)
        self._tuning_begins(line)
        self.runner = self.op = -1
        self.combination = self._add_combination(number, 1, line, offset, layer=-1)
        self._moved(row)
        return None

    def format_number(self, text: bytes) -> int:
        """The number of the format string in an `Autotuning` line; -1 if the line does not end as such a line does."""
        lead, colon, formats = text.partition(b":")
        if not colon or not formats.endswith(b"***") or lead.lstrip(b"*") not in (b" Autotuning format combination", b" Autotuning Reformat"):
            return -1
        return self.formats.add(formats.rstrip(b"*").strip().decode("utf-8", "backslashreplace"))

    def runner_numbers(self, text: bytes) -> tuple[int, int]:
        """(layer, runner) of a `Timing Runner`, `No valid tactics for` or `RunnerBuilder` line; runner -1 if it is no whole line of these."""
        memo = self.runner_memo.get(text)
        if memo is None:
            message = text.decode("utf-8", "backslashreplace")
            opening = message.rfind("(")
            if message.startswith(g.RUNNER_LEAD) and message.endswith(")") and opening > 0 and ")" not in message[opening:-1]:
                name, runner = message[len(g.RUNNER_LEAD) : opening].strip(), message[opening + 1 : -1]
            else:
                match = g.RUNNER.match(message) or g.NO_VALID_10.match(message) or g.DECLINED.match(message)
                if match is None:
                    return -1, -1
                name, runner = match["layer"].strip(), match["runner"]
            memo = (self.layers.add(name) if name else -1, self.runners.add(_RUNNER_ID.sub("", runner)))
            if len(self.runner_memo) > MEMO:
                self.runner_memo.clear()
            self.runner_memo[text] = memo
        return memo

    def chosen_runner(self, name: bytes) -> int:
        """The number of a runner named by a `Chose Runner Type` line."""
        number = self.chosen_memo.get(name)
        if number is None:
            number = self.chosen_memo[name] = self.runners.add(name.decode("utf-8", "backslashreplace"))
        return number

    def _incomplete(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A structural line without its end: hard-wrapped or torn. What follows must not be counted to the section before."""
        self.combination = self.runner = -1
        self._moved(row)
        self._unplaced(text.decode("utf-8", "backslashreplace"), line, offset, row)

    def _runner(self, text: bytes, line: int, offset: int, row: int) -> None:
        layer, runner = self.runner_numbers(text)
        if runner < 0:
            # a ruler of dashes (parser banner) is no torn line
            return self._incomplete(text, line, offset, row) if text.strip(b"-") else None
        self._tuning_begins(line)
        c = self.combinations.arrays
        # A fragment without its format combination: each layer named gets one of its own.
        if self.combination < 0 or (c["text"][self.combination] == -1 and layer >= 0 and c["layer"][self.combination] not in (-1, layer)):
            self.combination = self._add_combination(-1, 0, line, offset, layer=layer)
        owner = c["layer"][self.combination]
        if owner == -1 and layer >= 0:
            self._name_section(layer)
        self.op = -1
        self.runner = self._add_section(self.combination, runner, layer if layer >= 0 else owner, line, offset)
        self._moved(row)
        return None

    def _name_section(self, layer: int) -> None:
        """The first runner line of an unnamed section names the layer of all its combinations, those before it too."""
        c = self.combinations.arrays
        if c["is_reformat"][self.combination] or not self.named_sections:
            c["layer"][self.combination] = layer
            return
        self.layer = layer
        number = len(c["layer"]) - 1
        while number >= 0 and c["section"][number] == self.section and not c["is_reformat"][number]:
            if c["layer"][number] == -1:
                c["layer"][number] = layer
            number -= 1

    def _costs(self, text: bytes, line: int, offset: int, row: int) -> None:
        match = g.COSTS.match(text.decode("utf-8", "backslashreplace"))
        if match is None:
            self._other(text, line, offset, k.OWN, False, row)
            return
        self._tuning_begins(line)
        self._pass(line)
        self.combination = self.runner = self.op = -1
        self.section += 1
        name = match["name"].strip()
        if match["what"] == "costs for":
            self.named_sections = True
            self.layer = self.layers.add(name) if name else -1
        else:
            self.layer = -1
        self._moved(row)

    def _chose(self, text: bytes, line: int, offset: int, row: int) -> None:
        match = g.CHOSE.match(text.decode("utf-8", "backslashreplace"))
        tactic = parse_tactic(match["id"]) if match else None
        if match is None or tactic is None:
            self._unplaced(text.decode("utf-8", "backslashreplace"), line, offset, row)
            return
        if self.combination < 0:
            self.combination = self._lost_combination(line)  # a fragment that begins inside a race
        if self.combination >= 0:
            c = self.combinations.arrays
            c["winner_runner"][self.combination] = self.runners.add(match["runner"])
            c["winner_tactic"][self.combination] = tactic
            c["winner_line"][self.combination] = line
            c["winner_offset"][self.combination] = offset

    def _skip_runner(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A runner that was not timed, and says so on one line without a section of its own."""
        layer, runner = self.runner_numbers(text)
        if runner < 0:
            self.severity = chr(int(self.index.severity[row])) if self.index.severity[row] else ""
            self._other(text, line, offset, int(self.index.writer[row]), bool(self.index.foreign[row]), row)
        elif self.combination >= 0:
            self._add_section(self.combination, runner, layer, line, offset, 1)

    def _tuning_begins(self, line: int) -> None:
        if not self.in_tuning:
            if self.build is not None and self.build.engine_header is not None:
                self._end_build(line)  # its engine is printed: whoever tunes now builds another
            self.in_tuning, self.tuning_since = True, line - self.line0
        self.engine_open = False

    def _count_writers(self, row: int) -> None:
        """Who wrote the lines since the last count, and how severe: of the build that is being read, or of the next."""
        since, self.writers_since = self.writers_since, max(row, self.writers_since)
        self.severities.update(chr(c) for c in np.flatnonzero(np.bincount(self.index.severity[since:row], minlength=1)).tolist() if c)
        self.own_lines += int((self.index.writer[since:row] == k.OWN).sum())
        if self.build is not None:
            self.build.severities |= self.severities
            self.build.own_lines += self.own_lines
            self.severities, self.own_lines = set(), 0

    def _tuning_ends(self, line: int) -> None:
        self._count_tuning(line - self.line0)
        self.in_tuning = False

    def _count_tuning(self, row: int) -> None:
        """TensorRT's lines since the last count are lines of tuning: `unknown-lines` is a share of them."""
        if self.in_tuning and row > self.tuning_since:
            self.tuning += int((self.index.writer[self.tuning_since : row] == k.TRT).sum())
            self.tuning_since = row

    # ------------------------------------------------------------------ everything else

    def _other(self, text: bytes, line: int, offset: int, writer: int, foreign: bool, row: int) -> None:
        """A line that is not one of tuning's millions."""
        message = text.decode("utf-8", "backslashreplace")
        if (self.table is not None or self.document is not None) and self._collect(message, line, writer):
            return
        for prefix, handler in self.dispatch.get(text[:4], ()):
            if message.startswith(prefix):
                if handler(message, line, offset, foreign, row) is not False:
                    return
                break
        # Rows of Myelin's tables begin with blanks and a number: no four fixed bytes.
        if self.op >= 0 and text[:20].lstrip()[:1].isdigit() and self._op_row(message, line, offset):
            return
        if writer == k.OWN:
            self._own(message, line, offset)
            return
        if self._layer_first(message, line, offset, foreign, row):
            return
        if any(w in message for w in MEMORY_WORDS):
            self._memory_line(message, line, offset, row)
            return
        if writer == k.BARE and self.engine_open and message.startswith("Layer("):
            self._engine_layer(message, line, offset, foreign, row)
            return
        if self.severity in ("E", "F") and message:
            self._note("errors", message, line, offset)
            self._failure(message, line, offset)
            return
        if message.lstrip().startswith(g.NOISE):
            if self.wrap is not None:
                self.wrap = None
            if g.INNER_DATE.search(message, 1):
                self._torn(message, line, offset, row)
            return
        if not message:
            return
        self._unplaced(message, line, offset, row, counted=writer == k.TRT, bare=writer == k.BARE)

    def _unplaced(self, message: str, line: int, offset: int, row: int, counted: bool = True, bare: bool = False) -> None:
        """A line no grammar took: two writers in one line, a line wrapped at the terminal's width, or a form we do not know."""
        if g.INNER_DATE.search(message, 1):
            self._torn(message, line, offset, row)
            return
        if bare and self.wrap is not None and self.in_tuning and self.wrap[0] == line - 1:
            joined = self.wrap[2] + message
            if self._logical(joined, self.wrap[0], self.wrap[1], row):
                self.wrap = None
                if self.unknown:
                    self.unknown -= 1
                    self.unknown_samples = [s for s in self.unknown_samples if s.line != line - 1]
                return
            self.wrap = (line, self.wrap[1], joined) if len(joined) < 4000 else None
            return
        if self.in_tuning and not bare:
            self.wrap = (line, offset, message)
        if self._logical(message, line, offset, row):
            self.wrap = None
            return
        if self.in_tuning and counted:
            self.unknown += 1
            if len(self.unknown_samples) < 200:
                self.unknown_samples.append(Line(line, offset, message[:400], self.severity))

    def _torn(self, message: str, line: int, offset: int, row: int) -> None:
        """Two writers interleaved in one line: each whole part is read as a line of its own, the torn one is kept as damage."""
        if len(self.damaged) < _KEPT_LINES:
            self.damaged.append(Line(line, offset, message[:400], self.severity))
        starts = [m.start() for m in g.INNER_DATE.finditer(message, 1)]
        for part in (message[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)):
            piece = k.index_block(part.encode("utf-8", "backslashreplace"))
            if len(piece) and piece.message[0] < piece.end[0]:
                self.severity = chr(int(piece.severity[0])) if piece.severity[0] else ""
                self._other(piece.data[int(piece.message[0]) : int(piece.end[0])], line, offset, int(piece.writer[0]), bool(piece.foreign[0]), row)

    def _logical(self, message: str, line: int, offset: int, row: int) -> bool:
        """One whole line of tuning in any dialect, for lines the columns could not place. Whether it was one."""
        raw = message.encode("utf-8", "backslashreplace")
        for pattern, method in ((g.FORMATS, self._formats), (g.REFORMATS, self._reformats), (g.RUNNER, self._runner), (g.CHOSE, self._chose)):
            if pattern.match(message):
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
            place = self._here(line)
            if tactic is not None and place is not None:
                self.fastest.append(tuple(np.array([v], dtype=d) for v, d in ((place, np.int64), (tactic, np.uint64), (k.finite(match["time"]), np.float64), (line, np.int64))))
            return True
        match = g.NO_VALID_8.match(message)
        if match:
            place = self._here(line)
            if place is not None:
                self.no_valid.append(np.array([place]))
            return True
        return self._skip_line(message, line, offset) or self._name_line(message, line)

    def _here(self, line: int) -> int | None:
        mark = self._mark()
        return mark if mark >= 0 else None if mark == -1 else self._implicit(mark, line)

    def _waiting_name(self, line: int) -> int:
        """The kernel named on the line just before a time (8.5 ConvActPool; 7.x when one name alone came since the last time)."""
        return self.alone.get(line - 1, -1)

    def _slow_row(self, tactic: int, kernel: int, time_ms: float, source: int, why: int, line: int, offset: int) -> None:
        self._tuning_begins(line)
        mark = self._mark()
        place = mark if mark >= 0 else self._implicit(mark, line)
        self._builder(line).tuned = True
        if tactic == NO_TACTIC:
            time_ms = _NAN
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
        self._slow_row(tactic, -1, _NAN, SKIPPED, self.whys.add(why) if len(self.whys) < 30000 else 0, line, offset)
        if why.startswith(("memory", "scratch")):
            self._warning(message, line, offset)
        return True

    def _name_line(self, message: str, line: int) -> bool:
        match = g.SET_NAME.match(message)
        if match:
            kernel = self.kernels.add(match["name"].strip()) if match["name"].strip() else -1
            tactic = parse_tactic(match["id"]) if match["id"] else None
            if tactic is not None:
                mark = self._mark()
                if mark != -1:
                    self.named[(mark if mark >= 0 else self._implicit(mark, line), tactic)] = kernel
            else:
                self._alone(line, kernel)
            return True
        match = g.NAME_ALONE.match(message)
        if match and " Tactic: " not in message and not g.INNER_DATE.search(message, 1):  # else the line is torn: what it timed is lost
            self._alone(line, self.kernels.add(match["name"].strip()))
            return True
        return False

    def _alone(self, line: int, kernel: int) -> None:
        # A run of names before one time (7.x) does not say which of them was timed: then none is claimed.
        self.alone[line] = -1 if line - 1 in self.alone else kernel

    def _layer_first(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        """Lines that begin with a layer's or node's name."""
        if "Tactic Name: " in message:
            return self._logical(message, line, offset, row)
        if message.endswith(" ms") and "] got cached result: " in message:
            return self._cached(message, line, offset)
        if "seconds. Fastest Tactic: " in message or message.endswith(" skipping"):
            return self._logical(message, line, offset, row)
        if message.endswith("]") or "]," in message:
            match = g.NODE_IO.match(message)
            if match:
                self._node_io(match["name"], match["operator"], match["side"], match["tensors"], line)
                return True
        if ": Fusing " in message or message.startswith("Fusing "):
            if self.build is not None and len(self.build.fusions) < 200_000:
                self.build.fusions.append(Line(line, offset, message, self.severity))
            return True
        if "kipping tactic" in message or "Skipping tactic" in message:
            return self._skip_line(message, line, offset)
        if message.endswith(" remaining after tactic pruning."):
            self._note("pruned", message, line, offset)
            return True
        return "profiling completed in" in message or "tactic profiling" in message

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

    def _node_io(self, name: str, operator: str, side: str, tensors: str, line: int) -> None:
        build = self._builder(line)
        if build.tuned or build.complete:
            return
        node = self.node
        if node is None or node["name"] != name:
            self._flush_node()
            node = self.node = {"name": name, "operator": operator, "line": line}
        node[side] = tensors

    def _flush_node(self) -> None:
        node, self.node = self.node, None
        if node is None or self.build is None:
            return
        text = {key: str(node[key]) for key in ("inputs", "outputs", "kernel", "layer") if key in node}
        self.build.network.append(
            NetworkNode(str(node["name"]), str(node["operator"]), text.get("inputs"), text.get("outputs"), text.get("kernel"), text.get("layer"), int(node["line"]))
        )

    # ------------------------------------------------------------------ handlers by beginning (the table is _dispatch_table)

    def _parsing(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.PARSING.match(message)
        self._flush_node()
        if self.build is not None and (self.build.complete or self.build.tuned):
            self._end_build(line)
        if match:
            self._builder(line)
            self.node = {"name": match["name"], "operator": match["operator"], "line": line}

    def _using_kernel(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        if self.node is not None:
            self.node["kernel"] = message

    def _registering(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.REGISTERING_LAYER.match(message)
        if match and self.node is not None and self.node["name"] == match["node"] and "layer" not in self.node:
            self.node["layer"] = match["layer"]

    def _begin(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        self._flush_node()
        self._next_build(line)

    def _original(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        # TensorRT 8 prints `Applying generic optimizations` before `Original: N layers`, 10 after; either begins the builder's work.
        self._flush_node()
        if self.build is not None and self.build.complete and self.build.engine_header is not None:
            self._end_build(line)
        self._builder(line)

    def _strategy(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.STRATEGY.match(message)
        if match is None:
            return
        if self.build is not None and self.build.engine_header is not None:
            self._end_build(line)
        build = self._builder(line)
        if self.pass_ is not None:
            self.pass_.last_line = line - 1
        self.pass_ = Pass(len(build.passes), build.index, int(match["number"]), line, line, start=Line(line, offset, message, self.severity))
        build.passes.append(self.pass_)
        build.complete = False  # the first strategy's `Engine generation completed` does not end the build
        self.profile, self.named_sections = 0, False
        self.combination = self.runner = self.layer = -1
        self._moved(row)

    def _strategy_fate(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.STRATEGY_FATE.match(message)
        if match is None or self.build is None:
            return
        number, fate = int(match["number"]), "used" if match["fate"] == "Use" else "skipped"
        for candidate in reversed(self.build.passes):
            if candidate.strategy == number:
                candidate.fate, candidate.fate_line = fate, Line(line, offset, message, self.severity)
                value = k.finite(match["time"])
                candidate.estimated_ms = None if value != value else value
                break

    def _profile_number(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.PROFILE_NUMBER.match(message)
        if match is None:
            return
        if self.build is not None and self.build.engine_header is not None:
            self._end_build(line)
        self._pass(line).profiles = int(match["all"])
        self.profile = int(match["number"])
        self.combination = self.runner = -1
        self._moved(row)

    def _cache(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        if message.startswith("Loaded ") and g.LOADED_ENTRIES.match(message) is None:
            return False  # `Loaded engine size: 12 MiB`: an engine runs, none is built
        if self.build is not None and self.build.engine_header is not None:
            self._end_build(line)  # said before the next build begins
        build = self._builder(line)
        self._note("cache", message, line, offset)
        match = g.LOADED_ENTRIES.match(message)
        if match:
            build.loaded_cache_entries = (build.loaded_cache_entries or 0) + int(match["count"])
        elif self.pass_ is not None:
            self.pass_.cache_mode = message.split(" ", 1)[0].lower()
        return None

    def _sparsity(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        match = g.SPARSITY.match(message)
        if match is None:
            self._note("sparsity", message, line, offset)
            return None
        build = self._builder(line)
        rest = (match["rest"] or "").removeprefix(":").strip()
        kind = "eligible" if match["new"] == "Found" or (match["old"] or "").startswith("Layers") else "picked"
        build.sparsity.append(
            SparsityList(
                kind, tuple(split_top_level(rest)), int(match["count"]) if match["count"] else None, foreign,
                self.pass_.index if self.pass_ is not None else -1, build.index, Line(line, offset, message, self.severity),
            )
        )  # fmt: skip
        return None

    def _generation(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        build = self._builder(line)
        build.complete = True
        if self.pass_ is not None:
            self.pass_.last_line = line
        self._note("duration", message, line, offset)
        self._tuning_ends(line)
        self.combination = self.runner = -1
        self._moved(row)

    def _selection(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        self._note("duration", message, line, offset)

    def _engine_header(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        build = self._builder(line)
        build.engine_header = Line(line, offset, message, self.severity)
        build.complete = True
        build.engine_layers = []
        self._tuning_ends(line)
        self.engine_open = True
        self.combination = self.runner = -1
        self._moved(row)

    def _engine_layer(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        if not self.engine_open or self.build is None:
            return False
        self.build.engine_layers.append(Line(line, offset, message, self.severity))
        return None

    def _adding_reformat(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        if self.build is not None:
            self.build.reformat_layers.append(Line(line, offset, message, self.severity))

    def _op_table(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        match = g.OP_TABLE.match(message)
        if match is None:
            return False
        self._tuning_begins(line)
        self._pass(line)
        if self.combination < 0:
            self.combination = self._add_combination(-1, 0, line, offset, layer=self.layer)
        region = self.combinations.arrays["layer"][self.combination]
        self.op = self._add_section(self.combination, self.runners.add("Myelin"), region, line, offset, op=self.layers.add(match["op"]))
        return None

    def _op_row(self, message: str, line: int, offset: int) -> bool:
        match = g.OP_ROW.match(message)
        tactic = parse_tactic(match["id"]) if match else None
        if match is None or tactic is None:
            return False
        runner, self.runner = self.runner, self.op
        self._slow_row(tactic, self.kernels.add(match["kernel"]) if match["kernel"] else -1, k.finite(match["time"]), MYELIN, -1, line, offset)
        self.runner = runner
        return True

    def _op_selected(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.OP_SELECTED.match(message)
        if match and self.op >= 0:
            s = self.sections.arrays
            s["fastest"][self.op] = parse_tactic(match["id"]) or 0
            s["fastest_time"][self.op] = k.finite(match["time"])
            s["fastest_line"][self.op] = line

    def _tactic_line(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        return self._logical(message, line, offset, row)

    def _skipping(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        return self._skip_line(message, line, offset)

    def _running(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        match = g.RUNNING.match(message)
        if match is None:
            return
        at = Line(line, offset, message, self.severity)
        if match["state"] == "RUNNING":
            self._end_build(line)
            self.run_facts, self.run_command = {}, at
            self.run_version = _banner_version(match["version"])
        elif match["state"] == "FAILED":
            if self.build is not None:
                self.build.failed = at
            else:
                self._builder(line).failed = at
            self._end_build(line + 1)
        else:
            self._end_build(line + 1)
            self.run_facts, self.run_command = {}, None

    def _own(self, message: str, line: int, offset: int) -> None:
        """A line that trtexec itself wrote: options, device, tables."""
        if message.startswith("=== Profile ("):
            self._close_collections()
            self.table = [(line, message)]
            return
        match = g.FACT.match(message)
        if match:
            key = match["key"].strip().lower()
            if key in g.FACT_KEYS and key not in self.run_facts:
                fact = (match["value"].strip(), Line(line, offset, message, self.severity))
                self.run_facts[key] = fact
                if key == "tensorrt version":
                    self.run_version = (_banner_version(fact[0]) if fact[0].isdigit() else fact[0]) or self.run_version
                if self.build is not None and (not self.build.tuned or key in ("throughput", "latency", "gpu compute time")):
                    self.build.facts.setdefault(key, fact)
                    self.build.version = self.run_version

    def _collect(self, message: str, line: int, writer: int) -> bool:
        """Lines of a profile table or of a layer-info dump inside the log. Whether the line belonged to it."""
        # A document's further lines have no prefix; a table's have trtexec's.
        ends = writer != k.BARE if self.document is not None else writer == k.TRT
        if ends or message.startswith(("&&&&", "=== ")):
            self._close_collections()
            return False
        target = self.document if self.document is not None else self.table
        assert target is not None
        if len(target) < 2_000_000:
            target.append((line, message))
        return True

    def _close_collections(self) -> None:
        lines = self.document if self.document is not None else self.table
        if lines is not None:
            run = Build(-1, lines[0][0], lines[-1][0], facts=dict(self.run_facts), command=self.run_command, version=self.run_version)
            (self.tables_seen if self.document is None else self.documents).append((run, lines))
        self.table = self.document = None

    def _document(self, message: str, line: int, offset: int, foreign: bool, row: int) -> None:
        """`Layers:` (trtexec --dumpLayerInfo, verbose builds of 10.x and TensorRT-RTX) or a JSON document that a script printed."""
        self._close_collections()
        self.document = [(line, message)]

    def _memory_line(self, message: str, line: int, offset: int, row: int) -> None:
        if not self._skip_line(message, line, offset):
            self._warning(message, line, offset)

    def _warning(self, message: str, line: int, offset: int) -> None:
        self._keep("", Line(line, offset, message, self.severity))

    def _failure(self, message: str, line: int, offset: int) -> None:
        """An error that ends a build: what follows it in the log is not missing, it never was."""
        if self.build is not None and not self.build.complete and any(words in message for words in g.BUILD_FAILED):
            self.build.failed = self.build.failed or Line(line, offset, message, self.severity)

    def _note(self, topic: str, message: str, line: int, offset: int) -> None:
        self._keep(topic, Line(line, offset, message, self.severity))

    def _keep(self, topic: str, line: Line) -> None:
        """Keep a citable line with its build; one between builds waits for the next (or, at the end, goes to the last). "" is a warning."""
        if self.build is None:
            if len(self.between) < _KEPT_LINES:
                self.between.append((topic, line))
            return
        kept = self.build.notable.setdefault(topic, []) if topic else self.build.warnings
        if len(kept) < _KEPT_LINES:
            kept.append(line)

    def _topic(self, topic: str) -> Callable[[str, int, int, bool, int], None]:
        def handler(message: str, line: int, offset: int, foreign: bool, row: int) -> None:
            self._note(topic, message, line, offset)

        return handler

    def _ignore(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool | None:
        # Beginnings that also begin lines with a memory complaint or two writers in one line take the long way.
        return False if any(w in message for w in MEMORY_WORDS) or g.INNER_DATE.search(message, 1) else None

    # ------------------------------------------------------------------ the end

    def finish(self, total_bytes: int, notes: list[Note]) -> BuildLog:
        """Join the columns and settle what only the whole log decides."""
        self._flush_node()
        self._close_collections()
        if self.build is None and self.between and self.builds:
            waiting, self.between, self.build = self.between, [], self.builds[-1]
            for topic, kept in waiting:
                self._keep(topic, kept)
            self.build = None
        if self.build is not None:
            self.build.last_line = self.line0 - 1
            if self.pass_ is not None:
                self.pass_.last_line = self.line0 - 1
        for build in self.builds:
            for number, current in enumerate(build.passes):
                following = build.passes[number + 1].first_line - 1 if number + 1 < len(build.passes) else build.last_line
                current.last_line = max(current.last_line, min(following, build.last_line))
        self._read_collections()
        tactics = self._joined()
        self._settle_sections()
        self._settle_winners(tactics)
        truncated = bool(self.builds) and not self.builds[-1].complete and self.builds[-1].tuned and self.builds[-1].failed is None
        return BuildLog(
            self.path, self.line0 - 1, total_bytes, self._dialect(), self.builds, self.layers, self.runners, self.kernels, self.formats, self.whys,
            self.combinations, self.sections, tactics, self.unknown, self.tuning,
            self.unknown_samples, self.damaged, truncated, [*self.notes, *notes], self.tensorrt_lines > 0,
        )  # fmt: skip

    def _read_collections(self) -> None:
        """Profile tables and layer-info dumps that stand in the log, given to the build before them."""
        for run, lines in self.documents:
            for found in parse_embedded_layer_info(lines):
                if found.engine.layers:
                    self._owner_of(run).layer_infos.append((found.engine, found.first_line, found.last_line))
        for run, lines in self.tables_seen:
            profile = parse_profile_table(lines)
            if profile is not None and profile.rows:
                self._owner_of(run).profiles.append(profile)
        self.tables_seen.clear()
        self.documents.clear()

    def _owner_of(self, run: Build) -> Build:
        """The build at or before a run of an engine; a log that only runs an engine has none, then the run itself stands for it."""
        before = [b for b in self.builds if b.first_line <= run.first_line]
        if before:
            return before[-1]
        run.index = len(self.builds)
        self.builds.append(run)
        return run

    def _joined(self) -> TacticRows:
        types = (np.int32, np.uint64, np.int32, np.float64, np.int8, np.int16, np.int64, np.int64)
        columns = []
        for parts, dtype in zip(self.rows, types, strict=True):
            columns.append(np.concatenate(parts) if parts else np.empty(0, dtype=dtype))
            parts.clear()  # one column at a time: the peak stays near one copy
        return TacticRows(*columns)

    def _settle_sections(self) -> None:
        fastest, times, lines, no_valid = (self.sections[name] for name in ("fastest", "fastest_time", "fastest_line", "no_valid"))
        for place, ids, time_ms, line in self.fastest:
            fastest[place], lines[place] = ids, line
            times[place] = np.where(ids == np.uint64(NO_TACTIC), _NAN, time_ms)
        for place in self.no_valid:
            no_valid[place] = 1

    def _settle_winners(self, tactics: TacticRows) -> None:
        """The time of each combination's winner: the fastest time printed in it for the tactic that `Chose Runner Type` names."""
        if not len(self.combinations) or not len(tactics):
            return
        owner = self.sections["combination"][tactics.section]
        winner = self.combinations["winner_tactic"][owner]
        chosen = (tactics.tactic == winner) & (tactics.source == TIMED) & (self.combinations["winner_line"][owner] > 0) & ~np.isnan(tactics.time_ms)
        same = self.sections["runner"][tactics.section] == self.combinations["winner_runner"][owner]
        chosen &= same
        best = np.full(len(self.combinations), np.inf)
        np.minimum.at(best, owner[chosen], tactics.time_ms[chosen])
        known = np.isfinite(best)
        self.combinations["winner_time"][known] = best[known]

    def _dialect(self) -> str:
        if (self.sections["op"] >= 0).any():
            return "cask+myelin"
        versions = sorted({b.version for b in self.builds if b.version}) or ["?"]
        return f"cask-{versions[-1]}" if versions[-1] != "?" else "cask"


def _line_starts(data: bytes) -> I64:
    newline = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    if data and (not len(newline) or newline[-1] != len(data) - 1):
        newline = np.append(newline, len(data))
    return np.concatenate([[0], newline[:-1] + 1]).astype(np.int64)


def _banner_version(digits: str) -> str | None:
    """`8502` → 8.5.2, `8510` → 8.5.10, `100300` → 10.3.0, `101602` → 10.16.2 (trtexec's banner)."""
    number = int(digits[:9])
    if number < 1000:
        return None
    if number >= 100_000:
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return f"{number // 1000}.{number // 100 % 10}.{number % 100}"


_Handler = Callable[[str, int, int, bool, int], "bool | None"]


def _dispatch_table(reader: LogReader) -> dict[bytes, list[tuple[str, _Handler]]]:
    forms: list[tuple[str, _Handler]] = [
        ("Parsing node: ", reader._parsing),
        ("Static check for parsing node", reader._ignore),
        ("Using kernel: ", reader._using_kernel),
        ("Registering layer: ", reader._registering),
        ("Registering tensor: ", reader._ignore),
        ("Input filename:", reader._begin),
        ("Adding network input", reader._begin),
        ("Original: ", reader._original),
        ("Building graph using backend strategy", reader._strategy),
        ("Use backend strategy", reader._strategy_fate),
        ("Skip backend strategy", reader._strategy_fate),
        ("Constructing optimization profile number", reader._profile_number),
        ("Local timing cache in use", reader._cache),
        ("Global timing cache in use", reader._cache),
        ("Timing cache disabled", reader._cache),
        ("Loaded ", reader._cache),
        ("Using cached timing", reader._cache),
        ("(Sparsity)", reader._sparsity),
        ("(Refit + Sparsity)", reader._topic("sparsity")),
        ("Engine generation completed", reader._generation),
        ("Formats and tactics selection completed", reader._selection),
        ("Engine Layer Information:", reader._engine_header),
        ("Layer(", reader._engine_layer),
        ("Adding reformat layer:", reader._adding_reformat),
        ("Autotuning op ", reader._op_table),
        ("The selected tactic is", reader._op_selected),
        ("Tactic ", reader._tactic_line),
        ("Tactic: ", reader._tactic_line),
        ("Fastest Tactic", reader._tactic_line),
        ("Fast skip Tactic", reader._skipping),
        ("Skipping tactic", reader._skipping),
        ("UNSUPPORTED_STATE", reader._skipping),
        ("Set Tactic Name: ", reader._tactic_line),
        ("&&&& ", reader._running),
        ("Set number of tactics", reader._topic("opt_level")),
        ("Compiler backend", reader._topic("rtx")),
        ("Using legacy CPU-only", reader._topic("rtx")),
        ('{"Layers"', reader._document),
        ("Layers:", reader._document),
        ("Layer Information:", reader._document),
    ]  # fmt: skip
    table: dict[bytes, list[tuple[str, _Handler]]] = {}
    for prefix, handler in forms:
        table.setdefault(prefix.encode()[:4], []).append((prefix, handler))
    return table


def parse_build_log(source: TextSource, on_bytes: Callable[[int], None] | None = None) -> BuildLog:
    """Read a whole build log in one pass.

    Raises InputError where the file cannot be read at all; a packed file that ends early gives what it held and a note.
    """
    reader = LogReader(source.path)
    notes: list[Note] = []
    total = 0
    blocks: Iterator[tuple[int, bytes]] = source.blocks(on_bytes, hash_it=True, padding=k.PAD)
    while True:
        try:
            offset, data = next(blocks)
        except StopIteration:
            break
        except InputError as error:
            if not total:
                raise
            notes.append(Note(f"line {reader.line0}", error.what))
            break
        reader.block(offset, data)
        total = offset + len(data) - k.PAD
    log = reader.finish(total, notes)
    if notes:
        log.truncated = True
    return log


__all__ = ["Columns", "LogReader", "parse_build_log"]
