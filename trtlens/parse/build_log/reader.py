"""The build log, read once, front to back.

In: a `TextSource`. Out: `BuildLog`. Next: diagnose/. Every block is indexed column-wise (lines.py); Python visits only the lines that change
where tactics belong (`Computing costs`, `Autotuning`, `Timing Runner`, `Chose`; long runs of them in bulk.py) and the few that are about something else.
The reader is built up in files: state.py, tactic_columns.py, structure.py, single_lines.py, events.py, and here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from ...errors import InputError
from ..heap import give_back
from ..records import Note
from ..textio import TextSource
from . import grammar as g
from . import lines as k
from .bulk import BULK_ROWS, read_in_bulk
from .digits import I64
from .events import MEMORY_WORDS, dispatch_table
from .records import NO_TACTIC, TIMED, Build, BuildLog, Line, TacticRows, stretches
from .state import NAN
from .wrapped import MOST_PIECES, WrappedLines

_AROUND = 1 << 15  # bytes on either side of the first ruler
_TRIM_BYTES = 128 << 20
"""After how much text freed memory is given back."""
_STRETCH = 384  # structural lines
MOST_LINES = (1 << 31) - 1  # line numbers are kept in 32 bits


class LogReader(WrappedLines):
    """Reads one log. Use `parse_build_log`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.dispatch = dispatch_table(self)
        self.handlers = {
            k.FORMATS: self._formats, k.REFORMATS: self._reformats, k.RUNNER: self._runner, k.COSTS: self._costs, k.CHOSE: self._chose,
            k.SKIP_RUNNER: self._skip_runner, k.DECLINED: self._skip_runner, k.CACHED_RESULT: self._cached_result, k.OP_TABLE: self._op_line,
        }  # fmt: skip

    def block(self, offset: int, data: bytes) -> None:
        """Read one block, which ends in k.PAD bytes of zeros; its last line may go on in the next block, so it is read when that one is there."""
        plain = data if self.own_logger is None and self.logger_known else self._own_logger(data)
        if self.held is not None:
            count = _leading_pieces(plain)
            if count:
                at, (before, held, held_plain) = _after_lines(data, count), self.held
                plain_at = _after_lines(plain, count)
                self.held = before, held[: -k.PAD] + data[:at] + bytes(k.PAD), held_plain[: -k.PAD] + plain[:plain_at] + bytes(k.PAD)
                offset, data, plain = offset + at, data[at:], plain[plain_at:]
            if len(data) > k.PAD:
                self.flush()
        if len(data) > k.PAD:
            self.held = offset, data, plain

    def flush(self, at_end: bool = False) -> None:
        """Read the block that waits. `at_end`: nothing follows it, so a last line without a line end is cut."""
        if self.held is None:
            return
        (offset, data, plain), self.held = self.held, None
        index = k.index_block(plain, padded=True)
        k.look_again(index)
        self.index = index
        if self.line0 + len(index) > MOST_LINES:
            raise InputError(self.path, f"has more than {MOST_LINES:,} lines", todo="is it a build log? pass the part you need")
        # ANSI colours shorten the text, so offsets then lead to the wrong place; find the true starts again.
        self.starts = (index.start if len(index.data) == len(data) else _line_starts(data[: -k.PAD])) + offset
        self.marks_row, self.marks = [np.array([-1])], [np.array([self._mark()])]
        self.tables, self.tuned = [(-1, self.op)], [(-1, self.in_tuning)]
        self.tuning_since = self.writers_since = 0
        kind, writer = index.kind, index.writer
        self.find_wraps()
        if at_end and len(index) and not plain.endswith(b"\n" + bytes(k.PAD)) and kind[-1] != k.CONTINUED:
            self._cut_last_line()
        visited = (kind >= k.NEUTRAL) | (kind == k.OTHER)
        if self.document is not None or self.table is not None or (writer == k.OWN).any():
            visited |= (kind == k.BLANK) & (writer != k.TRT)
        visit = np.flatnonzero(visited)
        others = np.flatnonzero(kind[visit] < k.STRUCTURE)
        self._visit(visit, others)
        self._columns()
        self._forget_names()
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
        kinds = index.kind[rows].tolist()
        done = 0
        waiting: list[int] = []
        calm = self.document is None and self.table is None
        for i, place in enumerate(others.tolist()):
            # A line that does not change where tactics belong does not end a run of structure: it is read after the run.
            if kinds[i] == k.NEUTRAL and place > done and calm and whos[i] == k.TRT and not k.is_torn(data, begins[i], ends[i]):
                waiting.append(i)
                continue
            for j in (*self._run(visit, done, place, waiting), i):
                self.late = rows.item(j) if j != i else None
                self.severity = chr(levels[j]) if levels[j] else ""
                if kinds[j] > k.NEUTRAL:
                    self._broken(rows.item(j), kinds[j])
                    continue
                self._other(data[begins[j] : ends[j]], first + rows.item(j), offsets[j], whos[j], foreigns[j], rows.item(j))
            done = place + 1
            calm = self.document is None and self.table is None
        for j in self._run(visit, done, len(visit), waiting):
            self.late = rows.item(j)
            self.severity = chr(levels[j]) if levels[j] else ""
            self._other(data[begins[j] : ends[j]], first + rows.item(j), offsets[j], whos[j], foreigns[j], rows.item(j))
        self.late = None

    def _run(self, visit: I64, first: int, last: int, waiting: list[int]) -> list[int]:
        """Read the structure among visited rows `first` to `last`, which hold as many neutral lines as are waiting. Those whose turn it is now."""
        if last > first:
            rows = visit[first:last]
            if waiting:
                rows = rows[self.index.kind[rows] >= k.STRUCTURE]
            if len(rows):
                self._structure(rows)
        turn = waiting[:]
        waiting.clear()
        return turn

    def _structure(self, rows: I64) -> None:
        """A run of lines that change where tactics belong."""
        if self.document is not None or self.table is not None:
            self._close_collections()
        if len(rows) >= BULK_ROWS and read_in_bulk(self, rows):
            return
        if len(rows) > _STRETCH:  # what needs a closer look stands in a few places of a long run
            for first in range(0, len(rows), _STRETCH):
                self._structure(rows[first : first + _STRETCH])
            return
        index, first, data, handlers = self.index, self.line0, self.index.data, self.handlers
        for row, code, begin, end, offset in zip(
            rows.tolist(), index.kind[rows].tolist(), index.message[rows].tolist(), index.end[rows].tolist(), self.starts[rows].tolist(), strict=True
        ):
            handlers[code](data[begin:end], first + row, offset, row)

    def _own_logger(self, data: bytes) -> bytes:
        """The block with the prefix of a user's own logger written as `[V] `; that prefix is learned from the first ruler line.

        What a collector (`docker logs -t`, `kubectl --timestamps`, journald, CI) put before TensorRT's own prefix is taken away instead.
        """
        if self.own_logger is None:
            rulers = _places_of(g.RULERS, data)
            self.logger_known = bool(rulers)
            rulers = rulers or _places_of(g.LISTS_AT_INFO, data)
            if not rulers:
                return data
            start = data.rfind(b"\n", 0, min(rulers)) + 1
            match = g.OWN_LOGGER.match(data, start)
            if match is None:
                return data
            prefix = match["prefix"]
            known = int(k.index_block(prefix + b"x").message[0])
            if known == len(prefix) or (known and not g.ISO_DATE.match(prefix)):
                return data  # TensorRT's own, or a line into which another one was written
            self.collector = next((prefix[: m.start()] for m in re.finditer(rb"\[", prefix) if _is_prefix(prefix[m.start() :])), b"")
            if self.collector and _is_prefixed(data[max(0, start - _AROUND) : start + _AROUND]):
                self.collector = b""
                return data  # this one line is damaged
            self.own_logger = re.compile(rb"(?m)^" + _pattern_of(self.collector or prefix))
        if self.collector:
            return self.own_logger.sub(b"", data)
        return self.own_logger.sub(lambda m: b"[" + (m["s"][:1].upper() or b"V").replace(b"D", b"V") + b"] ", data)

    def _other(self, text: bytes, line: int, offset: int, writer: int, foreign: bool, row: int) -> None:
        """A line that is not one of tuning's millions."""
        if b"] " in text:
            first = int(writer == k.BARE)  # trtexec's blank lines are a date and a severity alone
            if k.is_torn(text, first):
                self._torn(text, line, offset, row, first)
                return
        if self.engine_open and writer == k.BARE and not text.startswith(b"Layer(") and self._engine_piece(text, line, row):
            return
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
            return
        if not message:
            return
        self._unplaced(message, line, offset, row, counted=writer == k.TRT)

    def _layer_first(self, message: str, line: int, offset: int, foreign: bool, row: int) -> bool:
        """Lines that begin with a layer's or node's name."""
        if "Tactic Name: " in message:
            if "Set Tactic Name: " in message and " Time: " not in message and self._name_line(message, line, offset):
                return True
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

    def _cut_last_line(self) -> None:
        """The last line has no end. A line of tuning is never the last one of a log that is whole, and what is left of a number is another number."""
        kind, index = self.index.kind, self.index
        begins_so = index.data.startswith((b"Tactic", b"Fast skip", b"Skipping tactic", b"UNSUPPORTED_STATE"), int(index.message[-1]))
        if kind[-1] not in (k.OTHER, k.BLANK, k.NOISE, k.WRAPPED) or begins_so:
            kind[-1] = k.UNENDED

    def _broken(self, row: int, kind: int) -> None:
        """A line of which only a part stands in its row."""
        if kind == k.WRAPPED:
            self._wrapped(row)
        elif kind == k.UNENDED:
            self._damage(self._line_at(row))

    def _unplaced(self, message: str, line: int, offset: int, row: int, counted: bool = True) -> None:
        """A line no grammar took: of a form we do not know, or one that lost its beginning or its end."""
        if self._logical(message, line, offset, row):
            return
        if self.in_tuning and counted:
            self._unknown_line(Line(line, offset, message[:400], self.severity))

    def _torn(self, text: bytes, line: int, offset: int, row: int, first: int = 0) -> None:
        """Two writers interleaved in one line: each whole part is read as a line of its own, the torn one is kept as damage."""
        self._damage(Line(line, offset, text[:400].decode("utf-8", "backslashreplace"), self.severity))
        starts = [match.start() for match in k.INNER_PREFIX.finditer(text, first)]
        self._fragment(text[: starts[0]], line, offset, row)
        for begin, end in zip(starts, [*starts[1:], None], strict=True):
            piece = k.index_block(text[begin:end])
            if piece.message[0] > 0:
                self._read_piece(piece, line, offset, row)

    def _read_piece(self, piece: k.LineIndex, line: int, offset: int, row: int) -> None:
        """Read a whole line that does not stand as such in the block, where the line at `row` does."""
        self.severity = chr(int(piece.severity[0])) if piece.severity[0] else ""
        text, kind = piece.data[int(piece.message[0]) : int(piece.end[0])], int(piece.kind[0])
        if kind in self.handlers and self.late is not None:
            return  # a line that was read in its turn would have been torn there
        if kind in self.handlers:
            self.handlers[kind](text, line, offset, row)
        elif text:
            self._other(text, line, offset, int(piece.writer[0]), bool(piece.foreign[0]), row)

    # ------------------------------------------------------------------ the end

    def finish(self, total_bytes: int, notes: list[Note]) -> BuildLog:
        """Join the columns and settle what only the whole log decides."""
        self.flush(at_end=not notes)
        for line in self.unclaimed.values():
            self._damage(line)
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
        if not self.builds and not self.run_facts and self.ended_run is not None:
            self.run_facts, self.run_command, self.run_version = self.ended_run
        if not self.builds and self.run_facts:
            # trtexec printed its options and never came to build, or loaded an engine: they are what the log says of its environment.
            self._builder(1).last_line = self.line0 - 1
        tactics = TacticRows(**{name: self.rows[name] for name in self.rows.arrays})
        self._settle_sections()
        self._settle_winners(tactics)
        truncated = bool(self.builds) and not self.builds[-1].complete and self.builds[-1].tuned and self.builds[-1].failed is None
        return BuildLog(
            self.path, self.line0 - 1, total_bytes, self._dialect(), self.builds, self.layers, self.runners, self.kernels, self.formats, self.whys,
            self.combinations, self.sections, tactics, self.unknown, max(self.tuning, self.unknown),
            self.unknown_samples, self.damaged, truncated, [*self.notes, *notes], self.tensorrt_lines > 0, self.table_offsets,
        )  # fmt: skip

    def _read_collections(self) -> None:
        """Profile tables and layer-info dumps that stand in the log, given to the build before them."""
        if not self.documents and not self.tables_seen:
            return
        from ..layer_info import parse_embedded_layer_info
        from ..timing_profile import parse_profile_table

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
        before = self._build_at(run.first_line)
        if before is not None:
            return before
        run.index = len(self.builds)
        self.builds.append(run)
        return run

    def _settle_sections(self) -> None:
        fastest, times, lines, no_valid = (self.sections[name] for name in ("fastest", "fastest_time", "fastest_line", "no_valid"))
        for place, ids, time_ms, line, _ in self.fastest:
            fastest[place], lines[place] = ids, line
            times[place] = np.where(ids == np.uint64(NO_TACTIC), NAN, time_ms)
        for place in self.no_valid:
            no_valid[place] = 1
        self._find_lost_runners()
        # Some layers are named by a line further down.
        unnamed = np.flatnonzero(self.sections["layer"] < 0)
        self.sections["layer"][unnamed] = self.combinations["layer"][self.sections["combination"][unnamed]]

    def _find_lost_runners(self) -> None:
        """A runner prints its fastest tactic once: a second one is another runner's, whose own line is lost."""
        if not self.fastest:
            return
        place, line, offset = (np.concatenate([part[number] for part in self.fastest]) for number in (0, 3, 4))
        count = np.bincount(place)
        if count.max() < 2:
            return
        again = np.flatnonzero((count[place] > 1) & (self.sections["runner"][place] >= 0))
        for number in again[np.argsort(line[again], kind="stable")].tolist():
            self._damage(Line(int(line[number]), int(offset[number]), ""))

    def _settle_winners(self, tactics: TacticRows) -> None:
        """The time of each combination's winner: the fastest time printed in it for the tactic that `Chose Runner Type` names."""
        if not len(self.combinations) or not len(tactics):
            return
        combination, runner = self.sections["combination"], self.sections["runner"]
        c = {name: self.combinations[name] for name in ("winner_tactic", "winner_line", "winner_runner")}
        best = np.full(len(self.combinations), np.inf)
        for part in stretches(len(tactics)):
            section, time_ms = tactics.section[part], tactics.time_ms[part]
            owner = combination[section]
            chosen = (tactics.tactic[part] == c["winner_tactic"][owner]) & (tactics.source[part] == TIMED) & ~np.isnan(time_ms)
            chosen &= (c["winner_line"][owner] > 0) & (runner[section] == c["winner_runner"][owner])
            np.minimum.at(best, owner[chosen], time_ms[chosen])
        known = np.isfinite(best)
        self.combinations["winner_time"][known] = best[known]

    def _dialect(self) -> str:
        if (self.sections["op"] >= 0).any():
            return "cask+myelin"
        versions = sorted({b.version for b in self.builds if b.version}) or ["?"]
        return f"cask-{versions[-1]}" if versions[-1] != "?" else "cask"


def _places_of(openers: tuple[bytes, ...], data: bytes) -> list[int]:
    """Where each of those that the block holds stands first."""
    return [at for at in map(data.find, openers) if at >= 0]


def _is_prefix(text: bytes) -> bool:
    """Whether TensorRT's own loggers put this before a message."""
    return int(k.index_block(text + b"x").message[0]) == len(text)


def _pattern_of(prefix: bytes) -> bytes:
    """The prefixes of a log of which one is given: other numbers, another severity, and blanks that pad either to a width.

    The blanks before the message stay as many as they are, for some messages begin with blanks; `s` is the severity's first letter.
    """
    body = prefix.rstrip(b" \t")
    blanks = len(prefix) - len(body)
    pattern = re.sub(rb"\d+", rb"\\d+", re.escape(body))
    pattern = re.sub(rb"(?:\\[ \t])+", rb"[ \\t]+", pattern)
    pattern = rb"[ \t]*" + re.sub(rb"\\\[(?:\[ \\t\]\+)?(?=\\d)", rb"\\[[ \\t]*", pattern.removeprefix(rb"[ \t]+"))
    tail = re.escape(prefix[len(body) :])
    word = g.SEVERITY_WORD.search(pattern)
    if word is None:
        return pattern + rb"(?P<s>)" + tail
    if word.end() < len(pattern):
        return pattern[: word.start()] + rb"(?P<s>(?i:" + b"|".join(g.SEVERITIES) + rb"))" + pattern[word.end() :] + tail
    width = len(word[0]) + blanks  # `%(levelname)-8s`: a shorter word has more blanks behind it
    padded = (rb"%s(?: {%d}| {%d})" % (other, max(width - len(other), min(blanks, 1)), blanks) for other in g.SEVERITIES)
    return pattern[: word.start()] + rb"(?=(?P<s>[A-Za-z]))(?i:" + b"|".join(padded) + b")"


def _is_prefixed(text: bytes) -> bool:
    """Whether TensorRT's own prefixes stand before some lines as they are, which no collector would have left so (its own dates do not count)."""
    index = k.index_block(text)
    own = np.flatnonzero((index.writer != k.BARE) & (index.end > index.start))
    own = own[[not g.ISO_DATE.match(index.data, start) for start in index.start[own].tolist()]] if len(own) else own
    return len(own) > 0.1 * len(index)


def _leading_pieces(plain: bytes) -> int:
    """With how many lines without a prefix a block begins."""
    count = at = 0
    while count < MOST_PIECES and at < len(plain) - k.PAD and not k.INNER_PREFIX.match(plain, at):
        newline = plain.find(b"\n", at, len(plain) - k.PAD)
        end = newline + 1 if newline >= 0 else len(plain) - k.PAD
        index = k.index_block(plain[at:end])
        if not len(index) or index.writer[0] != k.BARE or index.end[0] == index.start[0] or not k.is_piece(index.data, 0, int(index.end[0])):
            break
        count, at = count + 1, end
    return count


def _after_lines(data: bytes, count: int) -> int:
    """The offset behind the first `count` lines of a block."""
    at = 0
    for _ in range(count):
        newline = data.find(b"\n", at, len(data) - k.PAD)
        at = newline + 1 if newline >= 0 else len(data) - k.PAD
    return at


def _line_starts(data: bytes) -> I64:
    newline = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    if data and (not len(newline) or newline[-1] != len(data) - 1):
        newline = np.append(newline, len(data))
    return np.concatenate([[0], newline[:-1] + 1]).astype(np.int64)


def parse_build_log(source: TextSource, on_bytes: Callable[[int], None] | None = None, hash_it: bool = False) -> BuildLog:
    """Read a whole build log in one pass.

    `hash_it`: take the SHA-256 of the file on the way (`source.sha256` otherwise reads it again).
    Raises InputError where the file cannot be read at all; a packed file that ends early gives what it held and a note.
    """
    reader = LogReader(source.path)
    notes: list[Note] = []
    total = given_back = 0
    blocks: Iterator[tuple[int, bytes]] = source.blocks(on_bytes, hash_it=hash_it, padding=k.PAD)
    while True:
        try:
            offset, data = next(blocks)
        except StopIteration:
            break
        except InputError as error:
            if not total:
                raise
            reader.flush()
            notes.append(Note(f"line {reader.line0}", error.what))
            break
        reader.block(offset, data)
        total = offset + len(data) - k.PAD
        if total - given_back >= _TRIM_BYTES:
            given_back = total
            give_back()
    log = reader.finish(total, notes)
    if given_back:
        del reader
        give_back()
    if notes:
        log.truncated = True
    return log


__all__ = ["LogReader", "parse_build_log"]
