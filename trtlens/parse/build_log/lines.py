"""A block of log text as columns: where each line's message starts, who wrote it, what kind of line it is.

In: a block of bytes that ends at a line end. Out: `LineIndex` (numpy arrays, one entry a line). Next: reader.py.
This is the part that sees every byte of a 500 MB log, so nothing here loops over lines in Python, except over those with an odd prefix.

Line prefixes by writer (docs/dialects.md): `[date] [V] [TRT] ` trtexec; `[date] [TRT] [V] ` Python API 8.2+; `[TensorRT] VERBOSE: ` Python API
5 to 8.0; `[V] ` Polygraphy and plain loggers; `[TRT]    ` jetson-inference; none (TensorRT 5). `[date] [I] ` without [TRT] is trtexec's own.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field

import numpy as np

from .digits import BLANKS, F64, I64, U8, U64, Bools, decimal_ids, decimals, gather, hex_ids, last_blank, short_hex_ids, zero_bytes

# Kinds of line. OTHER goes to the slow dispatch of reader.py, NEUTRAL too, but it never changes where tactics belong; TIMED to NOISE, FAST_SKIP and
# TABLE_ROW are taken column-wise; FORMATS to OP_TABLE are structure. The reader makes WRAPPED and CONTINUED of pieces of lines, UNENDED of a cut one.
OTHER, TIMED, NAMED_TIMED, FASTEST, NAMED, NO_VALID, NOISE, BLANK, FAST_SKIP, TABLE_ROW, NEUTRAL, WRAPPED, CONTINUED, UNENDED = range(14)
FORMATS, REFORMATS, RUNNER, COSTS, CHOSE, SKIP_RUNNER, DECLINED, CACHED_RESULT, OP_TABLE = range(16, 25)
STRUCTURE = FORMATS

# Who wrote the line.
BARE, TRT, OWN = 0, 1, 2

PAD = 64
"""Readable bytes that a block needs behind its end, for fields are gathered eight bytes at a time."""


def word(text: bytes) -> int:
    """The first 8 bytes as the little-endian integer that `LineIndex.word` holds."""
    return int.from_bytes(text[:8].ljust(8, b"\0"), "little")


def _mask(pattern: bytes) -> tuple[np.uint64, np.uint64]:
    """(mask, value) of an 8-byte pattern in which `?` matches any byte."""
    mask = bytes(0 if c == 0x3F else 0xFF for c in pattern)
    value = bytes(0 if c == 0x3F else c for c in pattern)
    return np.uint64(int.from_bytes(mask, "little")), np.uint64(int.from_bytes(value, "little"))


_DATE = _mask(b"[??/??/?")
_TRTEXEC = _mask(b"] [?] [T")  # at +20 of `[MM/DD/YYYY-HH:MM:SS] [V] [TRT] `
_PYTHON = _mask(b"] [TRT] ")  # at +20 of `[MM/DD/YYYY-HH:MM:SS] [TRT] [V] `
_OWN = _mask(b"] [?] ??")
_LEVEL4 = _mask(b"[?] ????")
_TRT6 = _mask(b"[TRT] ??")
# A writer's prefix in the middle of a line: the end of the line before it is lost, or stands further down.
INNER_PREFIX = re.compile(
    rb"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\](?: \[(?:[VIWEF]|TRT)\]){0,2} ?|\[TensorRT\] (?:VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR): |\[TRT\] {1,4}|\[V\] "
)
_FOREIGN = np.uint64(word(b" (foreig"))
_FOREIGN_LENGTH = len(b" (foreignNode) ")

# Lines that carry nothing for any table and come in thousands, by their first 8 bytes. The slow path knows more of them (grammar.NOISE).
NOISE_BEGINNINGS = (
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
    b"Optimized block assignment",
    b"Block size ",
    b"Static check for parsing node",
    b"Convolution input dimensions",
    b"Convolution output dimensions",
    b"Unrecognized MMA instruction",
    b"Sorted table of all evaluated tactics",
    b"tactic_id, cost",
    b"Some tactics do not have",
    b"Enabling FP",
    b"Set user's cuda",
    b"Subgraph compilation completed",
)
_MAYBE_TIMED, _MAYBE_NAMED_TIMED, _MAYBE_FAST_SKIP, _MAYBE_SKIP, _STARS = range(32, 37)
_BY_FIRST_WORD = {
    **{word(beginning): NOISE for beginning in NOISE_BEGINNINGS},
    word(b"--------"): RUNNER,
    word(b"========"): COSTS,
    word(b">>>>>>>>"): CHOSE,
    word(b"RunnerBu"): DECLINED,
    word(b"********"): _STARS,
    word(b"Tactic: "): _MAYBE_TIMED,
    word(b"Tactic Name: "): _MAYBE_NAMED_TIMED,
    word(b"Fast skip"): _MAYBE_FAST_SKIP,
    word(b"Skipping"): _MAYBE_SKIP,
    word(b"Adding reformat layer:"): NEUTRAL,
    word(b"Set number of tactics"): NEUTRAL,
    word(b"Compiler backend"): NEUTRAL,
    word(b"The selected tactic is"): NEUTRAL,
    word(b"Set Tactic Name: "): NEUTRAL,
    word(b"UNSUPPORTED_STATE"): NEUTRAL,
    word(b"ForeignNode "): NEUTRAL,
    word(b"For layer "): NEUTRAL,
    word(b"[pass.cpp"): NEUTRAL,
    word(b"[GraphReduction]"): NEUTRAL,
    word(b" Try increasing"): NEUTRAL,
    word(b" Example of"): NEUTRAL,
    word(b"Pass fuse"): NEUTRAL,
    word(b"Pass pad"): NEUTRAL,
    word(b"Autotuning op "): OP_TABLE,
}


def _perfect_hash(words: dict[int, int]) -> tuple[np.uint64, U64, U8]:
    """(factor, words by slot, kinds by slot): a multiplicative hash into 4,096 slots in which these words do not meet."""
    factor = 0x9E3779B97F4A7C15
    while len({(w * factor & 0xFFFFFFFFFFFFFFFF) >> 52 for w in words}) < len(words):
        factor += 2
    table, kinds = np.zeros(4096, dtype=np.uint64), np.zeros(4096, dtype=np.uint8)
    for w, kind in words.items():
        slot = (w * factor & 0xFFFFFFFFFFFFFFFF) >> 52
        table[slot], kinds[slot] = w, kind
    return np.uint64(factor), table, kinds


_FACTOR, _WORDS, _KINDS = _perfect_hash(_BY_FIRST_WORD)
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_DATED = re.compile(rb"\[\d\d/\d\d/")
_ODD_PREFIX = re.compile(
    rb"(?:\[TensorRT\] (?P<old>VERBOSE|INFO|WARNING|ERROR|INTERNAL_ERROR|F): |\[TRT\] {1,4}(?:\[(?P<jet>[VIWEF])\] )?"
    rb"|\[(?P<level>[VIWEF])\] (?:\[TRT\] )?|\[?\d{4}-\d\d-\d\d[ T][\d:.,]+\]? \[?(?:(?P<iso>[VIWEF])|VERBOSE|INFO|WARNING|ERROR|DEBUG)\]?:? (?:\[TRT\] )?)"
)
_U = np.uint64
_TAIL = re.compile(rb" numSplitK: \d+(?: num\w+: \d+)*")
_TIME7 = (_U(0xFFFFFFFFFFFFFF), _U(word(b" Time: ")))
_TIME6 = (_U(0xFFFFFFFFFFFF), _U(word(b" time ")))
_HEX = (_U(0xFFFF), _U(int.from_bytes(b"0x", "little")))
_COMMA_HEX = (_U(0xFFFFFFFF), _U(word(b", 0x")))
_RUNNER_LEAD = len("--------------- Timing Runner: ")
_LONGEST_NO_VALID = len(" has no valid tactics for this config, skipping") + 24  # no prefix of another line has room before it
_SET_TACTIC, _IC_NAME = _U(word(b"Set Tactic")), _U(word(b"ic Name: "))
_LONGEST_TAIL = 25
_SUSPECT = np.isin(np.arange(256), list(b"*=->["))
_CAPITAL = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSUVWXYZ"))  # no T, for `TRT] ` may be what is left of a prefix
_BY_ENDING = np.isin(np.arange(256), [NO_VALID, FASTEST, NAMED, CACHED_RESULT])
_NO_LAYER = _U(word(b"Fastest Tactic")), _U(word(b"Set Tactic Name"))
_ENDS_IN_MS = _U(int.from_bytes(b" ms", "little"))


@dataclass(slots=True)
class TableRows:
    """The rows of Myelin's tables of tactics (kind TABLE_ROW): their lines, times, and where their kernel names stand."""

    row: I64
    time_ms: F64
    begin: I64
    end: I64


_NO_TABLE = TableRows(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


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
    tactic: U64  # for kinds that hold a tactic id, else 0
    id_start: I64  # offset of the tactic id, for kinds that hold one
    last_space: I64  # offset of the blank before a time, for kinds that end in one; else -1
    table_rows: TableRows
    named: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # the rows of kind NAMED, after `look_again`
    name_start: I64 = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # where their kernels' names begin

    def __len__(self) -> int:
        return len(self.start)

    def words_at(self, offsets: I64) -> U64:
        """The 8 bytes at each offset, as little-endian integers."""
        return gather(self.buffer, offsets)

    def numbers(self, first: I64, end: I64) -> F64:
        """Decimal numbers standing at [first, end) of each row. `inf`, FLT_MAX and what is no number give nan."""
        value, plain = decimals(self.buffer, first, end)
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


def is_torn(data: bytes, first: int = 0, last: int = sys.maxsize) -> bool:
    """Whether the message at [first, last) holds another line's prefix."""
    return data.find(b"] ", first, last) >= 0 and INNER_PREFIX.search(data, first, last) is not None


def is_piece(data: bytes, first: int, last: int) -> bool:
    """Whether a line without a known prefix may be the rest of the one before it: neither it nor a line within it begins with a date, nor a run."""
    return not data.startswith(b"&&&& ", first) and not _DATED.match(data, first, last) and not is_torn(data, first, last)


def any_torn(texts: list[bytes]) -> bool:
    """Whether one of the texts holds another line's prefix."""
    return b"] " in b"\n".join(texts) and any(map(is_torn, texts))


def line_ends(data: bytes, buffer: U8, length: int) -> I64:
    """Offsets of the line ends in the first `length` bytes; the end of an unfinished last line is `length`.

    Eight bytes at a time: numpy looks for non-zero 64-bit integers several times faster than for non-zero bytes.
    """
    whole = (length + 7) // 8
    hits = (buffer[: whole * 8] == 10).view(np.uint64)
    at = np.flatnonzero(hits != 0)
    marks = hits[at]
    single = (marks & (marks - _U(1))) == 0
    found = at * 8 + (np.frexp(marks.astype(np.float64))[1] - 1) // 8
    if not single.all():
        # Several line ends within eight bytes: spread those words byte by byte.
        extra = at[~single]
        spread = (extra[:, None] * 8 + np.arange(8)).ravel()
        found = np.sort(np.concatenate([found[single], spread[buffer[spread] == 10]]))
    found = found[: np.searchsorted(found, length)]
    if length and (not len(found) or found[-1] != length - 1):
        found = np.append(found, length)
    return np.asarray(found, dtype=np.int64)


def index_block(data: bytes, padded: bool = False) -> LineIndex:
    """Find the lines of `data`, their prefixes and kinds. `padded`: the last PAD bytes of `data` are zeros and no text."""
    if b"\x1b" in data:
        data = _ANSI.sub(b"", data)  # colours of Polygraphy and Torch-TensorRT; the line count stays
    if not padded:
        data += b"\0" * PAD
    buffer = np.frombuffer(data, dtype=np.uint8)
    end = line_ends(data, buffer, len(data) - PAD)
    start = np.empty(len(end), dtype=np.int64)
    if len(start):
        start[0] = 0
        start[1:] = end[:-1] + 1
    _strip(buffer, start, end)
    message, writer, severity, foreign, first = _prefixes(data, buffer, start, end)
    count = len(start)
    index = LineIndex(
        data, buffer, start, message, end, writer, severity, foreign, np.zeros(count, dtype=np.uint8), first,
        np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.int64), np.full(count, -1), _NO_TABLE,
    )  # fmt: skip
    _classify(index)
    return index


def _strip(buffer: U8, start: I64, end: I64) -> None:
    """Drop line ends (\\r) and trailing blanks (issue 2271: lines padded to the terminal's width) in place."""
    rows = np.flatnonzero(end > start)
    while len(rows):
        tail = buffer[end[rows] - 1]
        rows = rows[(tail == 32) | (tail == 13) | (tail == 9)]
        end[rows] -= 1
        rows = rows[end[rows] > start[rows]]


def _prefixes(data: bytes, buffer: U8, start: I64, end: I64) -> tuple[I64, U8, U8, Bools, U64]:
    head = gather(buffer, start)
    dated = ((head & _DATE[0]) == _DATE[1]) & (end - start >= 26)
    middle = gather(buffer, start + 20)
    trtexec = dated & ((middle & _TRTEXEC[0]) == _TRTEXEC[1])
    message = start + trtexec * np.int64(32)
    severity = buffer[start + 23] * trtexec
    writer = trtexec.astype(np.uint8)  # TRT is 1
    rows = np.flatnonzero(dated & ~trtexec)
    for (mask, value), skip, level_at, who in ((_PYTHON, 32, 29, TRT), (_OWN, 26, 23, OWN)):
        hit = (middle[rows] & mask) == value
        chosen, rows = rows[hit], rows[~hit]
        message[chosen] = start[chosen] + skip
        severity[chosen] = buffer[start[chosen] + level_at]
        writer[chosen] = who
    rest = np.flatnonzero(~dated & (end > start))
    if len(rest):
        _odd_prefixes(data, buffer, rest, head, start, end, message, severity, writer)
    rows = np.concatenate([rows, rest]) if len(rows) else rest
    np.minimum(message, end, out=message)
    first = gather(buffer, message)
    foreign = first == _FOREIGN
    if foreign.any():
        message[foreign] += _FOREIGN_LENGTH
        np.minimum(message, end, out=message)
        first = gather(buffer, message)
    return message, writer, severity, foreign, first


def _odd_prefixes(data: bytes, buffer: U8, rows: I64, head: U64, start: I64, end: I64, message: I64, severity: U8, writer: U8) -> None:
    """Prefixes without trtexec's date."""
    levelled = ((head[rows] & _LEVEL4[0]) == _LEVEL4[1]) & (end[rows] - start[rows] >= 4)
    chosen, rows = rows[levelled], rows[~levelled]
    message[chosen] = start[chosen] + 4
    severity[chosen] = buffer[start[chosen] + 1]
    writer[chosen] = TRT
    message[chosen[(gather(buffer, message[chosen]) & _TRT6[0]) == _TRT6[1]]] += 6
    # The others begin with a bracket or a digit and are rare: one regular expression each.
    opener = buffer[start[rows]]
    for row in rows[(opener == 0x5B) | ((opener >= 48) & (opener <= 57))].tolist():
        match = _ODD_PREFIX.match(data, int(start[row]), int(end[row]))
        if match:
            message[row] = match.end()
            level = match["old"] or match["jet"] or match["level"] or match["iso"]
            severity[row] = level[0] if level else 0
            writer[row] = TRT


def _classify(index: LineIndex) -> None:
    kind, first, message, end = index.kind, index.word, index.message, index.end
    slot = (first * _FACTOR) >> _U(52)
    kind[:] = np.where(_WORDS[slot] == first, _KINDS[slot], np.uint8(OTHER))
    empty = message >= end
    kind[empty] = BLANK
    # `*************** Autotuning format combination: ` against `*************** Autotuning Reformat:`: the word at +27 tells.
    rows = np.flatnonzero(kind == _STARS)
    tail = index.words_at(message[rows] + 27)
    kind[rows] = np.where(tail == _U(word(b"format c")), np.uint8(FORMATS), np.where(tail == _U(word(b"Reformat")), np.uint8(REFORMATS), np.uint8(OTHER)))
    rows = np.flatnonzero(kind == NOISE)
    reformat = index.words_at(message[rows] + 8) == _U(word(b"r Reform"))  # `Optimizer Reformat(…`, not `Optimized block …`
    kind[rows[reformat]] = OTHER
    rows = rows[~reformat]
    data = index.data
    for row, begin, stop in zip(rows.tolist(), message[rows].tolist(), end[rows].tolist(), strict=True):
        if not data.startswith(NOISE_BEGINNINGS, begin) or is_torn(data, begin, stop):
            # something else with the same 8 bytes, or two writers in one line
            kind[row] = NEUTRAL if data.startswith(b"Setting workspace to", begin) else OTHER
    timed, named, fast_skip = (np.flatnonzero(kind == maybe) for maybe in (_MAYBE_TIMED, _MAYBE_NAMED_TIMED, _MAYBE_FAST_SKIP))
    for rows in (timed, named, fast_skip):
        kind[rows] = NEUTRAL
    _timed(index, timed, TIMED, 0)
    _timed(index, named, NAMED_TIMED, 13)
    rows = fast_skip
    rows = rows[end[rows] - message[rows] >= 36]
    rows = rows[index.words_at(message[rows] + 9) == _U(word(b" Tactic:"))]
    rows = rows[(index.words_at(message[rows] + 17) & _HEX[0]) == _HEX[1]]
    ids, valid = hex_ids(index.buffer, message[rows] + 19)
    valid &= (index.words_at(message[rows] + 35) == _U(word(b" which exceed"))) & (index.words_at(end[rows] - 8) == _U(word(b" pre-run")))
    kind[rows[valid]] = FAST_SKIP
    index.tactic[rows[valid]] = ids[valid]
    # `Skipping CaskFlattenConvolution: No valid tactics for X`; every other form than `Skipping tactic` is rare, and the reader looks again.
    rows = np.flatnonzero(kind == _MAYBE_SKIP)
    kind[rows] = np.where(index.words_at(message[rows] + 8) == _U(word(b" tactic ")), np.uint8(NEUTRAL), np.uint8(SKIP_RUNNER))
    rows = np.flatnonzero(kind == CHOSE)
    if len(rows):
        # `>>>>>>>>>>>>>>> Chose Runner Type: X Tactic: ID`; id_start stays 0 where the line does not end so.
        blank = last_blank(index.buffer, end[rows], 3)
        within = blank - 8 >= message[rows] + 35
        rows, blank = rows[within], blank[within]
        chosen = index.words_at(blank - 8) == _U(word(b" Tactic:"))
        rows, blank = rows[chosen], blank[chosen]
        ids, valid = _ids(index, blank + 1, end[rows])
        index.tactic[rows[valid]], index.id_start[rows[valid]] = ids[valid], blank[valid] + 1
    rest = np.flatnonzero(((kind == OTHER) | (kind == NEUTRAL)) & (end - message >= 18))
    if len(rest):
        _classify_by_ending(index, rest)
        _table_rows(index, rest[(kind[rest] == OTHER) & (index.writer[rest] == TRT)])


def look_again(index: LineIndex) -> None:
    """Lines that are known by how they end alone, and in whose beginning another line may have been cut off, become OTHER."""
    kind, message = index.kind, index.message
    rows = np.flatnonzero(_BY_ENDING[kind])
    if len(rows):
        kinds = kind[rows]
        doubtful = _SUSPECT[index.buffer[message[rows]]]
        # `RUNNER has no valid tactics for this config, skipping` is short, and runners begin with a capital.
        short = np.flatnonzero(kinds == NO_VALID)
        doubtful[short] |= (index.end[rows[short]] - message[rows[short]] > _LONGEST_NO_VALID) | ~_CAPITAL[index.buffer[message[rows[short]]]]
        # The others begin with the layer of the last runner line, or with no layer at all.
        named = np.flatnonzero((kinds == FASTEST) | (kinds == NAMED))
        first = index.words_at(message[rows[named]])
        named, first = (column[(first != _NO_LAYER[0]) & (first != _NO_LAYER[1])] for column in (named, first))
        runners = np.flatnonzero(kind == RUNNER)
        last = np.searchsorted(runners, rows[named]) - 1
        doubtful[named[last < 0]] = True
        if len(runners):
            name = index.words_at(message[runners[np.maximum(last, 0)]] + _RUNNER_LEAD)
            blanks = zero_bytes(name ^ BLANKS)
            doubtful[named[((first ^ name) & ((blanks & (~blanks + _U(1))) - _U(1))) != 0]] = True
        data, rows = index.data, rows[doubtful]
        for row, start, begin, end in zip(rows.tolist(), index.start[rows].tolist(), message[rows].tolist(), index.end[rows].tolist(), strict=True):
            if is_torn(data, begin, end) or (begin - start >= 32 and data.find(b"[TRT] ", start, begin) < 0):
                kind[row] = OTHER
    _torn_prefixes(index)
    _find_names(index)


def _torn_prefixes(index: LineIndex) -> None:
    """`[date] [V] [TR` and then another line: what was taken for a message begins within that one's prefix."""
    rows = np.flatnonzero((index.kind == OTHER) & (index.writer == TRT))
    rows = rows[index.message[rows] - index.start[rows] >= 32]
    rows = rows[(index.words_at(index.start[rows] + 20) & _TRTEXEC[0]) == _TRTEXEC[1]]
    torn = rows[(index.words_at(index.start[rows] + 26) & _TRT6[0]) != _TRT6[1]]
    index.message[torn], index.writer[torn], index.severity[torn] = index.start[torn], BARE, 0


def _find_names(index: LineIndex) -> None:
    """Where the kernel's name begins in `LAYER (RUNNER) Set Tactic Name: K Tactic: ID`; a line that only ends so becomes OTHER."""
    data, named = index.data, np.flatnonzero(index.kind == NAMED)
    begins, ends = index.message[named], index.id_start[named] - 9
    at = np.full(len(named), -1, dtype=np.int64)
    # The lines of a layer have the words equally far in, so few of them need a search.
    rest = np.flatnonzero(ends - begins >= 17)
    while len(rest):
        begin, end = int(begins[rest[0]]), int(ends[rest[0]])
        within = data.find(b"Set Tactic Name: ", begin, end) - begin
        if within < 0:
            rest = rest[1:]
            continue
        place = np.minimum(begins[rest] + within, np.maximum(ends[rest] - 17, 0))
        equal = (index.words_at(place) == _SET_TACTIC) & (index.words_at(place + 8) == _IC_NAME) & (place == begins[rest] + within)
        at[rest[equal]] = place[equal]
        rest = rest[~equal]
    index.kind[named[at < 0]] = OTHER
    index.named, index.name_start = named[at >= 0], at[at >= 0] + 17


def _table_rows(index: LineIndex, rows: I64) -> None:
    """`  34, 0.0084256, 1.00000, 2.08686, KERNEL, 0x04a24e5c0a1bf5f3, …`: the rows of Myelin's tables, in their plainest form."""
    opener = index.buffer[index.message[rows]]
    rows = rows[(opener == 32) | (opener >= 48) & (opener <= 57)]
    if not len(rows):
        return
    message, end, buffer = index.message[rows], index.end[rows], index.buffer
    base = int(message[0])
    commas = np.flatnonzero(buffer[base : int(end[-1])] == 44) + base
    if len(commas) < 5:
        return
    fields = np.searchsorted(commas, message)
    valid = fields + 4 < len(commas)
    fields = np.minimum(fields, len(commas) - 5)
    first, fifth = commas[fields], commas[fields + 4]
    digit = buffer[first - 1]
    valid &= (fifth + 5 <= end) & (first - message <= 12) & (first > message) & (digit >= 48) & (digit <= 57)
    rows, fields, fifth, end = rows[valid], fields[valid], fifth[valid], end[valid]
    valid = (gather(buffer, fifth) & _COMMA_HEX[0]) == _COMMA_HEX[1]
    # The id has no leading zeros; it ends at the next comma or with the line.
    following = fields + 5
    stop = np.where(following < len(commas), np.minimum(commas[np.minimum(following, len(commas) - 1)], end), end)
    for number in range(4):
        valid &= buffer[commas[fields + number] + 1] == 32
    rows, fields, fifth, stop = rows[valid], fields[valid], fifth[valid], stop[valid]
    ids, valid = short_hex_ids(buffer, fifth + 4, stop)
    time_ms, plain = decimals(buffer, commas[fields] + 2, commas[fields + 1])
    valid &= plain & (index.end[rows] - stop <= _LONGEST_TAIL)  # behind the id stands a number, not another line
    rows, fields, fifth = rows[valid], fields[valid], fifth[valid]
    index.kind[rows], index.tactic[rows] = TABLE_ROW, ids[valid]
    index.table_rows = TableRows(rows, time_ms[valid], commas[fields + 3] + 2, fifth)


def _classify_by_ending(index: LineIndex, rows: I64) -> None:
    """Lines known by how they end: a time, a tactic id, `skipping`."""
    kind, message, end = index.kind, index.message, index.end
    ending = index.words_at(end[rows] - 8)
    skipping = ending == _U(word(b"skipping"))
    chosen = rows[skipping]
    kind[chosen[index.words_at(end[chosen] - 16) == _U(word(b"config, "))]] = NO_VALID
    kind[rows[ending == _U(word(b"pruning."))]] = NEUTRAL
    _cached_results(index, rows[(ending >> _U(40)) == _ENDS_IN_MS])
    last = index.buffer[end[rows] - 1]
    rows = rows[~skipping & ((last >= 48) & (last <= 57) | (last >= 97) & (last <= 102))]
    if not len(rows):
        return
    blank = last_blank(index.buffer, end[rows], 3)
    within = blank > message[rows]
    rows, blank = rows[within], blank[within]
    # `… Fastest Tactic: ID Time: 0.0521752`
    timed = (index.words_at(blank - 6) & _TIME7[0]) == _TIME7[1]
    _timed(index, rows[timed], FASTEST, 0)
    # `… Set Tactic Name: K Tactic: ID`: a name line, ended by its id.
    rows, blank = rows[~timed], blank[~timed]
    _named_with_tail(index, rows[index.words_at(np.maximum(blank - 11, 0)) == _U(word(b"numKernels:"))])
    named = (blank - 8 >= message[rows]) & (index.words_at(blank - 8) == _U(word(b" Tactic:")))
    rows, blank = rows[named], blank[named]
    ids, valid = _ids(index, blank + 1, end[rows])
    rows, blank = rows[valid], blank[valid]
    kind[rows], index.tactic[rows], index.id_start[rows] = NAMED, ids[valid], blank + 1


def _named_with_tail(index: LineIndex, rows: I64) -> None:
    """`… Set Tactic Name: K Tactic: ID numSplitK: 1 numBuffers: 0 numKernels: 1` (TensorRT 8.5's CuBLASLt): a name line, too."""
    data = index.data
    tails = [
        data.rfind(b" numSplitK: ", begin, end) for begin, end in zip(index.message[rows].tolist(), index.end[rows].tolist(), strict=True)
    ]  # fmt: skip
    whole = [at >= 0 and _TAIL.fullmatch(data, at, end) is not None for at, end in zip(tails, index.end[rows].tolist(), strict=True)]
    rows, tail = rows[whole], np.array(tails, dtype=np.int64)[whole]
    blank = last_blank(index.buffer, tail, 3)
    named = (blank - 8 >= index.message[rows]) & (index.words_at(np.maximum(blank - 8, 0)) == _U(word(b" Tactic:")))
    rows, blank, tail = rows[named], blank[named], tail[named]
    if len(rows):
        ids, valid = _ids(index, blank + 1, tail)
        rows, blank = rows[valid], blank[valid]
        index.kind[rows], index.tactic[rows], index.id_start[rows] = NAMED, ids[valid], blank + 1


def _cached_results(index: LineIndex, rows: I64) -> None:
    """`LAYER [FORMATS] got cached result: RUNNER, tactic 0x…, T ms`, known by its end; the reader looks at the rest."""
    stop = index.end[rows] - 3
    blank = last_blank(index.buffer, stop, 3)
    within = blank - 28 > index.message[rows]
    rows, blank = rows[within], blank[within]
    first = blank - 19
    valid = (index.buffer[blank - 1] == 44) & (index.buffer[first - 9] == 44) & (index.words_at(first - 8) == _U(word(b" tactic "))) & ((index.words_at(first) & _HEX[0]) == _HEX[1])
    rows, blank, first = rows[valid], blank[valid], first[valid]
    ids, valid = hex_ids(index.buffer, first + 2)
    rows, blank, first = rows[valid], blank[valid], first[valid]
    index.kind[rows], index.tactic[rows], index.id_start[rows], index.last_space[rows] = CACHED_RESULT, ids[valid], first, blank


def _timed(index: LineIndex, rows: I64, code: int, before: int) -> None:
    """`… Tactic: ID Time: T` (ID hexadecimal or decimal; before 8.0 ` time `) with at least `before` bytes in front of ` Tactic: `."""
    kind, message, end = index.kind, index.message, index.end
    if not len(rows):
        return
    blank = last_blank(index.buffer, end[rows])
    within = blank - 10 > message[rows] + before
    rows, blank = rows[within], blank[within]
    capital = (index.words_at(blank - 6) & _TIME7[0]) == _TIME7[1]
    timed = capital | ((index.words_at(blank - 5) & _TIME6[0]) == _TIME6[1])
    rows, blank, capital = rows[timed], blank[timed], capital[timed]
    stop = blank - 5 - capital  # the end of the id
    is_hex = (stop - 26 >= message[rows] + before) & ((index.words_at(stop - 18) & _HEX[0]) == _HEX[1])
    first = stop - 18
    if not is_hex.all():
        place = last_blank(index.buffer, stop, 3)
        first = np.where(is_hex, first, place + 1)
    valid = (first - 8 >= message[rows] + before) & (index.words_at(np.maximum(first - 8, 0)) == _U(word(b"Tactic: ")))
    rows, blank, stop, first = rows[valid], blank[valid], stop[valid], first[valid]
    ids, valid = _ids(index, first, stop)
    rows, blank, first, ids = rows[valid], blank[valid], first[valid], ids[valid]
    if code == TIMED:
        valid = first - 8 == message[rows]
    elif code == NAMED_TIMED:
        valid = index.buffer[first - 9] == 32
    else:  # `Fastest ` before `Tactic: `, at the line's beginning or after a blank
        ahead = first - 16
        valid = (ahead >= message[rows]) & (index.words_at(np.maximum(ahead, 0)) == _U(word(b"Fastest ")))
        valid &= (ahead == message[rows]) | (index.buffer[np.maximum(ahead - 1, 0)] == 32)
    rows, blank, first, ids = rows[valid], blank[valid], first[valid], ids[valid]
    kind[rows], index.tactic[rows], index.id_start[rows], index.last_space[rows] = code, ids, first, blank


def _ids(index: LineIndex, first: I64, stop: I64) -> tuple[U64, Bools]:
    """The tactic ids at [first, stop), hexadecimal with 16 digits or decimal, and whether they are ids."""
    is_hex = (stop - first == 18) & ((index.words_at(first) & _HEX[0]) == _HEX[1])
    if is_hex.all():
        return hex_ids(index.buffer, first + 2)
    value, valid = decimal_ids(index.buffer, first, stop)
    chosen = np.flatnonzero(is_hex)
    value[chosen], valid[chosen] = hex_ids(index.buffer, first[chosen] + 2)
    return value, valid
