"""Lines that were broken in two (at a terminal's width, by `fold`), and what stands without a prefix between TensorRT's lines.

In: the `LineIndex` of a block and the lines without a prefix that follow one with a prefix. Out: the line that both make, read as one; damage where
they make none. Next: reader.py.
"""

from __future__ import annotations

import re

import numpy as np

from ...text import split_top_level
from . import grammar as g
from . import lines as k
from .events import EventReader
from .records import Line

MOST_PIECES = 64
_MOST_BYTES = 8000
_WITHIN_LIST = (b",", b"+", b"||")
_OPEN = (k.COSTS, k.OP_TABLE)
"""Lines that end in a name: their beginning alone is a whole line, too, and their runners say whether it was."""
_TACTIC_WORDS = (b"Tactic", b"Time: ", b"Fast skip", b"got cached", b"profiling completed", b"******", b"------", b"======", b">>>>>>")


class WrappedLines(EventReader):
    """Joins the pieces of broken lines."""

    longest = 0  # bytes of the longest line so far

    def find_wraps(self) -> None:
        """Mark the lines of the block that lines without a prefix follow."""
        self.wraps: dict[int, list[int]] = {}  # row → the kinds that it and the pieces behind it would have alone
        index = self.index
        stop = len(index.data) - k.PAD
        lengths = np.diff(index.start, append=stop + (index.data[stop - 1 : stop] != b"\n"))  # with the blanks in which a line was broken
        before, self.longest = self.longest, max(self.longest, int(lengths.max(initial=0)))
        bare = (index.writer == k.BARE) & (index.end > index.start)
        self.short: set[int] = set()  # rows that are shorter than some line before them: nobody broke those for their length
        if not bare.any():
            return
        follows = np.flatnonzero(bare[1:] & (index.writer[:-1] == k.TRT)) + 1
        others = np.append(np.flatnonzero(~bare), len(bare))
        for first, last in zip(follows.tolist(), others[np.searchsorted(others, follows)].tolist(), strict=True):
            if index.data.startswith(b"Layer(", int(index.start[first])):
                continue  # the engine's layers have no prefix
            if int(lengths[first - 1]) < max(before, int(lengths[:first].max())):
                self.short.add(first - 1)
            last = min(last, first + MOST_PIECES)
            last = next((row for row in range(first, last) if not k.is_piece(index.data, int(index.start[row]), int(index.end[row]))), last)
            if last == first:
                continue
            rows = slice(first - 1, last)
            self.wraps[first - 1] = index.kind[rows].tolist()
            index.kind[rows] = k.CONTINUED
            index.kind[first - 1] = k.WRAPPED

    def _wrapped(self, row: int) -> None:
        """Read a line and the pieces without a prefix behind it."""
        index, kinds = self.index, self.wraps.pop(row)
        rows = range(row, row + len(kinds))
        message = index.data[int(index.message[row]) : int(index.end[row])]
        tuning = (self.in_tuning or kinds[0] >= k.STRUCTURE) and self.document is None and self.table is None
        whole = tuning and self._is_whole(index.data[int(index.start[row]) : int(index.end[row])])
        taken = 0
        if message.startswith(b"(Sparsity)"):
            taken, self.doubtful_list = self._list_pieces(rows)
            if taken:
                self._read_piece(k.index_block(b"".join(map(self._raw, rows[: taken + 1]))), row + self.line0, int(self.starts[row]), row)
        elif tuning and not (whole and (row in self.short or self._known(rows[1]))):
            taken = self._joined(rows, whole, message)
        if taken:
            index.kind[row : row + taken + 1] = k.BLANK
        else:
            self._first_piece(row, kinds[0], message, tuning, whole, rows[1])
        self.doubtful_list = False
        lost = tuning
        for piece in rows[taken + 1 :]:
            if not tuning or self._known(piece):
                self._alone_standing(piece, kinds[piece - row])
                continue
            index.kind[piece] = k.BLANK
            if lost:
                self._unknown_line(self._line_at(piece))
                lost = False

    def _list_pieces(self, rows: range) -> tuple[int, bool]:
        """How many pieces go on with the list of names that the first row begins, and whether that is in doubt.

        What a script prints behind the list, or the fence that ends a quotation, would be a part of its last name. The printed count tells
        some of it; the names of layers that the log, or the list before, has shown tell the rest.
        """
        shown: set[str | None] = set()
        if self.build is not None:
            shown.update(*(found.names for found in self.build.sparsity), *((node.name, node.layer) for node in self.build.network))
        pieces = [self._raw(r) for r in rows]
        fits: list[tuple[int, int, int]] = []  # names that are known, pieces, names
        for taken in range(len(pieces)):
            match = g.SPARSITY.match(k.index_block(b"".join(pieces[: taken + 1])).text(0))
            names = split_top_level((match["rest"] or "").removeprefix(":")) if match is not None else []
            if match is not None and match["count"] in (None, str(len(names))):
                fits.append((sum(name in shown or name in self.layers.index for name in names), taken, len(names)))
        whole = [taken for known, taken, count in fits if known == count]
        if whole:
            return max(whole), False
        best = [taken for known, taken, _ in fits if known == max(fits)[0]]
        if not best:
            return len(pieces) - 1, True
        if len(best) == 1 and max(fits)[0]:
            return best[0], False
        end, following = pieces[0].rstrip(), pieces[1].lstrip()
        goes_on = end.endswith(_WITHIN_LIST) or following.startswith(_WITHIN_LIST)
        alone = not goes_on and (rows[0] in self.short or not any(char.isalnum() for char in following.decode("utf-8", "replace")))
        of_one_width = len(pieces) > 2 and len(set(map(len, pieces[:-1]))) == 1
        return (0, False) if alone and 0 in best else (max(best), not of_one_width)

    def _joined(self, rows: range, whole: bool, message: bytes) -> int:
        """Read the line that the first row and the pieces behind it make. How many pieces; 0 where they make none."""
        row = rows[0]
        pieces = [self._raw(r) for r in rows]
        line, offset = row + self.line0, int(self.starts[row])
        for taken in range(len(pieces) - 1, 0, -1):
            joined = b"".join(pieces[: taken + 1])
            if len(joined) <= _MOST_BYTES and self._is_whole(joined):
                piece = k.index_block(joined)
                named = b" Tactic: " in joined and b" Tactic: " not in message  # 7.x prints a name alone, too
                if whole and int(piece.kind[0]) not in _OPEN and not named:
                    self._damage(self._line_at(row))  # its beginning alone would do, too
                self._read_piece(piece, line, offset, row)
                return taken
        known = message.startswith(_NOTES) and not message.startswith(_TACTIC_WORDS)
        if not whole and (known or self.index.severity[row] in _COMPLAINTS) and not any(word in piece for piece in pieces[1:] for word in _TACTIC_WORDS):
            self._read_piece(k.index_block(b"".join(pieces)), line, offset, row)
            return len(pieces) - 1
        return 0

    def _raw(self, row: int) -> bytes:
        """A line of the block with its prefix and the blanks in which it ends."""
        index = self.index
        stop = int(index.start[row + 1]) if row + 1 < len(index) else len(index.data) - k.PAD
        return index.data[int(index.start[row]) : stop].rstrip(b"\r\n")

    def _engine_piece(self, text: bytes, line: int, row: int) -> bool:
        """Whether a line without a prefix is the rest of the `Layer(` line before it, which then is read as one."""
        layers = self.build.engine_layers if self.build is not None else []
        if not layers or self.engine_end != line - 1 or (_ends_layer(layers[-1].text) and not text.startswith(b",")):
            return False
        before, last = self._raw(row - 1) if row else b"", layers[-1]
        blanks = " " * (len(before) - len(before.rstrip()))
        layers[-1] = Line(last.line, last.offset, (last.text + blanks + text.decode("utf-8", "backslashreplace"))[:_MOST_BYTES], last.severity)
        self.engine_end = line
        return True

    def _first_piece(self, row: int, kind: int, message: bytes, tuning: bool, whole: bool, following: int) -> None:
        """A line behind which stands something that is no part of it."""
        index = self.index
        cut = whole and index.buffer[index.end[row] - 1] in _DIGITS and index.buffer[index.start[following]] in _DIGITS
        if tuning and (cut or (not whole and kind < k.STRUCTURE and any(word in message for word in _TACTIC_WORDS))):
            index.kind[row] = k.BLANK
            self._damage(self._line_at(row))
            self._fragment(message, row + self.line0, int(self.starts[row]), row)
        else:
            self._alone_standing(row, kind)

    def _alone_standing(self, row: int, kind: int) -> None:
        """A line as it is read where nothing without a prefix follows it."""
        index = self.index
        index.kind[row] = kind
        text, line, offset = index.data[int(index.message[row]) : int(index.end[row])], row + self.line0, int(self.starts[row])
        self._severity_of(row)
        if kind in self.handlers:
            self.handlers[kind](text, line, offset, row)
        elif kind in (k.OTHER, k.NEUTRAL) or (kind == k.BLANK and (self.document is not None or self.table is not None)):
            self._other(text, line, offset, int(index.writer[row]), bool(index.foreign[row]), row)

    def _known(self, row: int) -> bool:
        """Whether a line without a prefix is one that TensorRT prints so."""
        index = self.index
        text = index.data[int(index.start[row]) : int(index.end[row])].lstrip()
        return text.startswith(_NOTES) and not text.startswith(_TACTIC_WORDS)

    def _line_at(self, row: int) -> Line:
        index = self.index
        severity = index.severity.item(row)
        return Line(row + self.line0, int(self.starts[row]), index.text(row)[:400], chr(severity) if severity else "")

    def _is_whole(self, raw: bytes) -> bool:
        """Whether a line, with its prefix, is one of tuning's from its beginning to its end."""
        piece = k.index_block(raw)
        if not len(piece) or k.is_torn(raw[int(piece.message[0]) :]):
            return False
        kind, text = int(piece.kind[0]), piece.text(0)
        if kind in (k.FORMATS, k.REFORMATS):
            return (g.FORMATS if kind == k.FORMATS else g.REFORMATS).fullmatch(text) is not None and text.endswith("*" * 15)
        forms = {
            k.RUNNER: (g.RUNNER,), k.COSTS: (g.COSTS,), k.CACHED_RESULT: (g.CACHED,), k.OP_TABLE: (g.OP_TABLE,), k.NAMED: (g.SET_NAME,),
            k.SKIP_RUNNER: (g.NO_VALID_10,), k.DECLINED: (g.DECLINED,),
        }  # fmt: skip
        if piece.last_space[0] >= 0 and not _TIME.search(text):
            return False
        if kind == k.CHOSE:
            return int(piece.id_start[0]) > 0
        if kind in forms or kind in (k.OTHER, k.NEUTRAL):
            return any(form.match(text) for form in forms.get(kind, _WHOLE))
        return kind not in (k.BLANK, k.NOISE)


def _ends_layer(text: str) -> bool:
    """Whether a `Layer(` line goes up to the bracket that closes its last tensor."""
    _, arrow, outputs = text.rpartition(" -> ")
    return bool(arrow) and outputs.endswith((")", "]")) and all(outputs.count(a) == outputs.count(b) for a, b in ("()", "[]"))


_TIME = re.compile(r" (?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|inf)(?: ms)?$")
_COMPLAINTS = frozenset(b"WEF")
_DIGITS = frozenset(b"0123456789.")
_WHOLE = (g.ONLY_OPTION, g.SCRATCH, g.FAST_SKIP, g.MEMORY_SKIP, g.EXCEPTION_SKIP, g.PRUNED, g.SET_NAME, g.TIMED_5)
_NOTES = tuple(
    text.encode()
    for text in (*g.NOISE, "(Sparsity)", "(Refit", "Adding reformat layer", "The selected tactic", "Registering", "Static check", "Try ", "UNSUPPORTED", "&&&&", "{", "Layer")
)
