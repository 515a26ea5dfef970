"""A block of log text as columns: where each line's message starts, who wrote it, what kind of line it is.

In: a block of bytes that ends at a line end. Out: `LineIndex` (numpy arrays, one entry a line). Next: reader.py.
This is the part that sees every byte of a 500 MB log, so nothing here loops over lines in Python, except over those with an odd prefix.

Line prefixes by writer (docs/dialects.md): `[date] [V] [TRT] ` trtexec; `[date] [TRT] [V] ` Python API 8.2+; `[TensorRT] VERBOSE: ` Python API
5 to 8.0; `[V] ` Polygraphy and plain loggers; `[TRT]    ` jetson-inference; none (TensorRT 5). `[date] [I] ` without [TRT] is trtexec's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Kinds of line. OTHER goes to the slow dispatch of reader.py; those below NOISE are taken column-wise.
OTHER, TIMED, NAMED_TIMED, FASTEST, NAMED, NO_VALID, NOISE, FORMATS, RUNNER, COSTS, CHOSE, SKIP_RUNNER, BLANK, REFORMATS = range(14)

# Who wrote the line.
BARE, TRT, OWN = 0, 1, 2

_PAD = 64


def word(text: bytes) -> int:
    """The first 8 bytes as the little-endian integer that `LineIndex.word_at` gathers."""
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


def _mask(pattern: bytes) -> tuple[int, int]:
    """(mask, value) of an 8-byte pattern in which `?` matches any byte."""
    mask = bytes(0 if c == 0x3F else 0xFF for c in pattern)
    value = bytes(0 if c == 0x3F else c for c in pattern)
    return int.from_bytes(mask, "little"), int.from_bytes(value, "little")


_DATE = _mask(b"[??/??/?")
_TRTEXEC = _mask(b"] [?] [T")  # at +20 of `[MM/DD/YYYY-HH:MM:SS] [V] [TRT] `
_PYTHON = _mask(b"] [TRT] ")  # at +20 of `[MM/DD/YYYY-HH:MM:SS] [TRT] [V] `
_OWN = _mask(b"] [?] ??")
_LEVEL4 = _mask(b"[?] ????")
_FOREIGN = word(b" (foreig")
_FOREIGN_LENGTH = len(b" (foreignNode) ")

# Lines that carry nothing for any table, by their first 8 bytes. The slow path knows more of them (grammar.NOISE).
_NOISE_WORDS = np.array(
    sorted(
        word(w)
        for w in (
            b"Setting a default quantization",
            b"Searching for input",
            b"Registering tensor",
            b"Registered plugin",
            b"Plugin creator already",
            b"Importing initializer",
            b"Running: ConstShuffle",
            b"Deleting unused",
            b"Removing ",
            b"Swap the layer type",
            b"Average on 10 runs",
        )
    ),
    dtype=np.uint64,
)

_HEX = np.full(256, 255, dtype=np.uint8)
for _digit, _char in enumerate(b"0123456789abcdef"):
    _HEX[_char] = _digit
for _digit, _char in enumerate(b"ABCDEF"):
    _HEX[_char] = _digit + 10
_TEN = 10.0 ** np.arange(0, 16)
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_ODD_PREFIX = re.compile(
    rb"(?:\[TensorRT\] (?P<old>VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR|F): |\[TRT\] {1,4}(?:\[(?P<jet>[VIWEF])\] )?"
    rb"|\[(?P<level>[VIWEF])\] (?:\[TRT\] )?|\[?\d{4}-\d\d-\d\d[ T][\d:.,]+\]? \[?(?:(?P<iso>[VIWEF])|VERBOSE|INFO|WARNING|ERROR|DEBUG)\]?:? (?:\[TRT\] )?)"
)


@dataclass(slots=True)
class LineIndex:
    """Columns over the lines of one block. Offsets are into `data`; `message` and `end` enclose the message without prefix and trailing blanks."""

    data: bytes
    buffer: U8
    start: I64
    message: I64
    end: I64
    writer: U8
    severity: U8  # ASCII of V, I, W, E, F; 0 where the line does not say
    foreign: Bools  # a `(foreignNode)` sub-build of Myelin
    kind: U8
    word: U64  # first 8 bytes of the message
    last_space: I64  # offset of the last blank of a line, for kinds that end in a number; else -1

    def __len__(self) -> int:
        return len(self.start)

    def words_at(self, offsets: I64) -> U64:
        """The 8 bytes at each offset, as little-endian integers."""
        return _gather(self.buffer, offsets)

    def hex_ids(self, offsets: I64) -> tuple[U64, Bools]:
        """16 hexadecimal digits at each offset as uint64, and whether they all were digits."""
        digits = _HEX[self.buffer[offsets[:, None] + np.arange(16)]]
        valid = (digits < 16).all(axis=1)
        value = np.zeros(len(offsets), dtype=np.uint64)
        for column in range(16):
            value = (value << np.uint64(4)) | digits[:, column].astype(np.uint64)
        return value, valid

    def numbers(self, first: I64, end: I64) -> F64:
        """Decimal numbers standing at [first, end) of each row. `inf`, FLT_MAX and what is no number give nan.

        Digits and point alone are taken column-wise: an integer of at most 15 digits divided by an exact power of ten is the correctly
        rounded double. Exponents and longer numbers go through float().
        """
        width = 16
        columns = end[:, None] - width + np.arange(width)
        inside = columns >= first[:, None]
        chars = np.where(inside, self.buffer[columns], np.uint8(48))
        point = chars == 46
        digits = chars - np.uint8(48)
        plain = ((digits < 10) | point).all(axis=1) & (point.sum(axis=1) <= 1) & (end - first < width) & (end > first)
        has_point = point.any(axis=1)
        decimals = np.where(has_point, width - 1 - point.argmax(axis=1), 0)
        value = np.zeros(len(first), dtype=np.float64)
        for column in range(width):
            here = ~point[:, column]
            value = np.where(here, value * 10.0 + digits[:, column], value)
        value = value / _TEN[decimals]
        for row in np.flatnonzero(~plain).tolist():
            value[row] = finite(self.data[int(first[row]) : int(end[row])])
        return value

    def text(self, row: int) -> str:
        """The message of a row; undecodable bytes become `\\xNN`."""
        return self.data[int(self.message[row]) : int(self.end[row])].decode("utf-8", "backslashreplace")


def finite(text: bytes | str) -> float:
    """A time in a log as float; nan for `inf`, FLT_MAX (3.40282e+38: "no tactic") and what is no plain number."""
    if len(text) > 40 or (b"_" if isinstance(text, bytes) else "_") in text:  # type: ignore[operator]
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if 0.0 <= value < 3.4e38 else float("nan")


def _gather(buffer: U8, offsets: I64) -> U64:
    overlapping = np.ndarray(shape=(len(buffer) - 7,), dtype="<u8", buffer=buffer, strides=(1,))
    return overlapping[offsets].astype(np.uint64, copy=False)


def index_block(data: bytes) -> LineIndex:
    """Find the lines of `data`, their prefixes and kinds."""
    if b"\x1b[" in data:
        data = _ANSI.sub(b"", data)  # colours of Polygraphy and Torch-TensorRT; the line count stays
    length = len(data)
    buffer = np.frombuffer(data + b"\0" * _PAD, dtype=np.uint8)
    newline = np.flatnonzero(buffer[:length] == 10)
    if length and (not len(newline) or newline[-1] != length - 1):
        newline = np.append(newline, length)
    start = np.empty(len(newline), dtype=np.int64)
    if len(start):
        start[0] = 0
        start[1:] = newline[:-1] + 1
    end = newline.astype(np.int64)
    _strip(buffer, start, end)
    message, writer, severity, foreign = _prefixes(data, buffer, start, end)
    first = _gather(buffer, message)
    index = LineIndex(data, buffer, start, message, end, writer, severity, foreign, np.zeros(len(start), dtype=np.uint8), first, np.full(len(start), -1))
    _classify(index)
    return index


def _strip(buffer: U8, start: I64, end: I64) -> None:
    """Drop line ends (\\r) and trailing blanks (issue 2271: lines padded to the terminal's width) in place."""
    rows = np.arange(len(end))
    while len(rows):
        tail = buffer[np.maximum(end[rows] - 1, 0)]
        rows = rows[(end[rows] > start[rows]) & ((tail == 32) | (tail == 13) | (tail == 9))]
        end[rows] -= 1


def _prefixes(data: bytes, buffer: U8, start: I64, end: I64) -> tuple[I64, U8, U8, Bools]:
    count = len(start)
    message = start.copy()
    writer = np.zeros(count, dtype=np.uint8)
    severity = np.zeros(count, dtype=np.uint8)
    head = _gather(buffer, start)
    dated = ((head & np.uint64(_DATE[0])) == np.uint64(_DATE[1])) & (end - start >= 26)
    rows = np.flatnonzero(dated)
    middle = _gather(buffer, start[rows] + 20)
    for (mask, value), skip, level_at, who in ((_TRTEXEC, 32, 23, TRT), (_PYTHON, 32, 29, TRT), (_OWN, 26, 23, OWN)):
        hit = ((middle & np.uint64(mask)) == np.uint64(value)) & (message[rows] == start[rows])
        chosen = rows[hit]
        message[chosen] = start[chosen] + skip
        severity[chosen] = buffer[start[chosen] + level_at]
        writer[chosen] = who
    levelled = ((head & np.uint64(_LEVEL4[0])) == np.uint64(_LEVEL4[1])) & (end - start >= 4)
    chosen = np.flatnonzero(levelled)
    message[chosen] = start[chosen] + 4
    severity[chosen] = buffer[start[chosen] + 1]
    writer[chosen] = TRT
    with_name = chosen[(_gather(buffer, message[chosen]) & np.uint64(0xFFFFFFFFFFFF)) == np.uint64(word(b"[TRT] ") & 0xFFFFFFFFFFFF)]
    message[with_name] += 6
    # The other prefixes begin with a bracket or a digit and are rare: one regular expression each.
    odd = np.flatnonzero((message == start) & (end > start) & ((buffer[start] == 0x5B) | ((buffer[start] >= 48) & (buffer[start] <= 57))))
    for row in odd.tolist():
        match = _ODD_PREFIX.match(data, int(start[row]), int(end[row]))
        if match:
            message[row] = match.end()
            level = match["old"] or match["jet"] or match["level"] or match["iso"]
            severity[row] = level[0] if level else 0
            writer[row] = TRT
    np.minimum(message, end, out=message)
    foreign = _gather(buffer, message) == np.uint64(_FOREIGN)
    message[foreign] += _FOREIGN_LENGTH
    np.minimum(message, end, out=message)
    return message, writer, severity, foreign


_W_TACTIC, _W_TACTIC_NAME = word(b"Tactic: "), word(b"Tactic Name: ")
_W_FASTEST = word(b"Fastest Tactic")
_W_HEX = int.from_bytes(b"0x", "little")


def _classify(index: LineIndex) -> None:
    kind, first, message, end = index.kind, index.word, index.message, index.end
    kind[message >= end] = BLANK
    kind[np.isin(first, _NOISE_WORDS)] = NOISE
    for opener, code in ((b"--------", RUNNER), (b"========", COSTS), (b">>>>>>>>", CHOSE)):
        kind[first == np.uint64(word(opener))] = code
    stars = np.flatnonzero(first == np.uint64(word(b"********")))
    # `*************** Autotuning format combination: ` against `*************** Autotuning Reformat:`: the word at +27 tells.
    tail = index.words_at(np.minimum(message[stars] + 27, len(index.buffer) - 8))
    kind[stars[tail == np.uint64(word(b"format c"))]] = FORMATS
    kind[stars[tail == np.uint64(word(b"Reformat"))]] = REFORMATS
    rest = np.flatnonzero(((kind == OTHER) | (kind == NOISE)) & (end - message >= 18) & (kind != NOISE))
    if not len(rest):
        return
    _classify_by_ending(index, rest)
    skips = np.flatnonzero((first == np.uint64(word(b"Skipping"))) & (kind == OTHER))
    for row in skips.tolist():
        if index.data.find(b": No valid tactics for ", int(message[row]), int(end[row])) > 0:
            kind[row] = SKIP_RUNNER


def _classify_by_ending(index: LineIndex, rows: I64) -> None:
    """Lines known by how they end: a time, a tactic id, `skipping`."""
    kind, message, end = index.kind, index.message, index.end
    skipping = rows[index.words_at(end[rows] - 8) == np.uint64(word(b"skipping"))]
    kind[skipping[index.words_at(end[skipping] - 16) == np.uint64(word(b"config, "))]] = NO_VALID
    # `… 0x0123456789abcdef`: a name line, ended by its id.
    ids = end[rows] - 27
    named = rows[(ids >= message[rows]) & (index.words_at(np.maximum(ids, 0)) == np.uint64(word(b" Tactic:")))]
    kind[named[_is_hex_id(index, end[named] - 18)]] = NAMED
    # `… Tactic: 0x0123456789abcdef Time: 0.0521752`
    tail = index.buffer[end[rows][:, None] - np.arange(1, 17)] == 32
    blank = end[rows] - 1 - tail.argmax(axis=1)
    timed = tail.any(axis=1) & (blank - 23 >= message[rows])
    rows, blank = rows[timed], blank[timed]
    timed = (index.words_at(blank - 6) & np.uint64(0xFFFFFFFFFFFFFF)) == np.uint64(word(b" Time: ") & 0xFFFFFFFFFFFFFF)
    rows, blank = rows[timed], blank[timed]
    timed = _is_hex_id(index, blank - 24) & (index.words_at(blank - 32 + 0) == np.uint64(word(b"Tactic: ")))
    rows, blank = rows[timed], blank[timed]
    index.last_space[rows] = blank
    first = index.word[rows]
    code = np.full(len(rows), OTHER, dtype=np.uint8)
    code[(first == np.uint64(_W_TACTIC)) & (blank - 32 == message[rows])] = TIMED
    code[(first == np.uint64(_W_TACTIC_NAME)) & (blank - 32 >= message[rows] + 13)] = NAMED_TIMED
    undecided = np.flatnonzero(code == OTHER)
    fastest = index.words_at(np.maximum(blank[undecided] - 40, 0)) == np.uint64(word(b"Fastest "))
    code[undecided[fastest & (blank[undecided] - 40 >= message[rows[undecided]])]] = FASTEST
    kind[rows] = code


def _is_hex_id(index: LineIndex, offsets: I64) -> Bools:
    """`0x` and 16 hexadecimal digits at each offset."""
    if not len(offsets):
        return np.zeros(0, dtype=np.bool_)
    prefix = (index.words_at(offsets) & np.uint64(0xFFFF)) == np.uint64(_W_HEX)
    digits = _HEX[index.buffer[offsets[:, None] + np.arange(2, 18)]]
    return np.asarray(prefix & (digits < 16).all(axis=1))
