"""Tactic ids and times out of a block of text, many lines at a time.

In: the bytes of a block and the offsets of the fields. Out: numpy columns, equal to int() and float() of each field. Next: lines.py, reader.py.

Eight characters are one 64-bit integer, so a field of at most 16 is two of them ("SIMD within a register"): every step below is one numpy
operation over all rows, where a table of characters would be 16 times as large.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_U = np.uint64
_ONES = 0x0101010101010101


def _every(byte: int) -> np.uint64:
    return _U(byte * _ONES)


_LOW7, _LOW4, _HIGH4, _ZEROS = _every(0x7F), _every(0x0F), _every(0xF0), _every(0x30)
BLANKS, _POINTS, _ONE, _SIX, _LETTER, _CASE = _every(0x20), _every(0x2E), _every(1), _every(6), _every(0x27), _every(0x20)
_TENS = np.array([10**n for n in range(17)], dtype=np.int64)
_FLOAT_TENS = 10.0 ** np.arange(17)
# The last n characters of a word (which stand in its high bytes), n = 0 … 8.
_KEEP_LAST = np.array([0] + [((1 << 8 * n) - 1) << (64 - 8 * n) for n in range(1, 9)], dtype=np.uint64)
FIELD = 16
_KEEP_FIRST = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
# Odd factors of one process: nobody can write a log in which the keys of two texts meet.
_MIX = [np.uint64(int.from_bytes(os.urandom(8), "little") | 1) for _ in range(2)]
KEYED_BYTES = 512
"""Texts up to this long get a key."""


def gather(buffer: U8, offsets: I64) -> U64:
    """The 8 bytes at each offset, as little-endian integers."""
    overlapping = np.ndarray(shape=(len(buffer) - 7,), dtype="<u8", buffer=buffer, strides=(1,))
    return overlapping[offsets].astype(np.uint64, copy=False)


def _gather_before(buffer: U8, offsets: I64) -> U64:
    """The same where an offset may lie up to 8 bytes before the block: bytes there read as zeros."""
    before = np.maximum(-offsets, 0)
    if not before.any():
        return gather(buffer, offsets)
    words = gather(buffer, np.maximum(offsets, 0)) << (np.minimum(before, 7) * 8).astype(np.uint64)
    return np.where(before < 8, words, _U(0))


def zero_bytes(words: U64) -> U64:
    """0x80 in each byte of `words` that is zero, exactly."""
    return ~(((words & _LOW7) + _LOW7) | words | _LOW7)


def _highest_byte(marks: U64) -> I64:
    """Number (0 to 7) of the highest byte marked 0x80; -1 where none is. frexp of such a sum cannot round up to the next power of two."""
    return np.asarray((np.frexp(marks.astype(np.float64))[1] + 7) // 8 - 1, dtype=np.int64)


def last_blank(buffer: U8, end: I64, words: int = 2) -> I64:
    """Offset of the last blank within the `words` * 8 bytes before each end; -1 where there is none."""
    found = np.full(len(end), -1, dtype=np.int64)
    open_rows = np.arange(len(end))
    for number in range(1, words + 1):
        at = end[open_rows] - 8 * number
        place = _highest_byte(zero_bytes(_gather_before(buffer, at) ^ BLANKS))
        hit = place >= 0
        found[open_rows[hit]] = at[hit] + place[hit]
        open_rows = open_rows[~hit]
        if not len(open_rows):
            break
    return found


def hex_ids(buffer: U8, offsets: I64) -> tuple[U64, Bools]:
    """16 hexadecimal digits at each offset as uint64, and whether all of them were digits."""
    high, high_valid = _hex_word(gather(buffer, offsets))
    low, low_valid = _hex_word(gather(buffer, offsets + 8))
    return (high << _U(32)) | low, high_valid & low_valid


def short_hex_ids(buffer: U8, first: I64, end: I64) -> tuple[U64, Bools]:
    """Hexadecimal integers at [first, end) as uint64, and whether they were 1 to 16 hexadecimal digits."""
    length = end - first
    high, high_valid = _hex_word(_field(buffer, end, length, 1))
    low, low_valid = _hex_word(_field(buffer, end, length, 0))
    return (high << _U(32)) | low, high_valid & low_valid & (length >= 1) & (length <= 16)


def _hex_word(word: U64) -> tuple[U64, Bools]:
    """Eight hexadecimal digits as an integer: the first character is the highest nibble."""
    nibble = (word & _LOW4) + ((word >> _U(6)) & _ONE) * _U(9)
    # What these nibbles would be written as, against what stands there in lower case: bytes that are no digits differ.
    letters = ((nibble + _SIX) >> _U(4)) & _ONE
    written = nibble + _ZEROS + letters * _U(0x27)
    valid = (written == (word | (letters << _U(5)))) & ((nibble & _HIGH4) == 0)
    pairs = ((nibble << _U(4)) | (nibble >> _U(8))) & _U(0x00FF00FF00FF00FF)
    fours = ((pairs << _U(8)) | (pairs >> _U(16))) & _U(0x0000FFFF0000FFFF)
    return ((fours << _U(16)) | (fours >> _U(32))) & _U(0xFFFFFFFF), valid


def _decimal_word(word: U64) -> U64:
    """Eight decimal digits (as characters) as an integer."""
    digits = word & _LOW4
    pairs = (digits * _U(10) + (digits >> _U(8))) & _U(0x00FF00FF00FF00FF)
    fours = (pairs * _U(100) + (pairs >> _U(16))) & _U(0x0000FFFF0000FFFF)
    return (fours * _U(10000) + (fours >> _U(32))) & _U(0xFFFFFFFF)


def _are_digits(word: U64) -> Bools:
    return np.asarray(((word & _HIGH4) == _ZEROS) & (((word + _SIX) & _HIGH4) == _ZEROS))


def _field(buffer: U8, end: I64, length: I64, word: int) -> U64:
    """The `word`-th eight characters from the end of each field, blanked to `0` before the field's first character."""
    keep = _KEEP_LAST[np.clip(length - 8 * word, 0, 8)]
    raw = _gather_before(buffer, end - 8 * (word + 1))
    return (raw & keep) | (_ZEROS & ~keep)


def decimal_ids(buffer: U8, first: I64, end: I64) -> tuple[U64, Bools]:
    """Decimal integers (perhaps with a minus) at [first, end) as two's complement uint64, and whether they were at most 19 plain digits."""
    negative = buffer[first] == 0x2D
    length = end - first - negative
    value = np.zeros(len(first), dtype=np.uint64)
    valid = (length >= 1) & (length <= 19)
    for word, scale in ((2, 10**16), (1, 10**8), (0, 1)):
        part = _field(buffer, end, length, word)
        valid &= _are_digits(part)
        value = value + _decimal_word(part) * _U(scale)
    limit = np.where(negative, _U(1 << 63), _U((1 << 64) - 1))
    valid &= value <= limit
    return np.where(negative, ~value + _U(1), value), valid


def decimals(buffer: U8, first: I64, end: I64) -> tuple[F64, Bools]:
    """Plain decimal numbers (digits, at most one point) at [first, end), and whether they were plain: at most 15 digits.

    An integer of at most 15 digits divided by a power of ten up to 10**22 is the correctly rounded double, the same that float() gives.
    """
    length = end - first
    high, low = _field(buffer, end, length, 1), _field(buffer, end, length, 0)
    high_point, low_point = zero_bytes(high ^ _POINTS), zero_bytes(low ^ _POINTS)
    in_low, in_high = low_point != 0, high_point != 0
    # The digits behind the point: all characters after its byte.
    behind = np.where(in_low, 7 - _highest_byte(low_point), np.where(in_high, 15 - _highest_byte(high_point), -1))
    # A point (0x2E) becomes a zero (0x30), which the division below takes out again.
    high, low = high + (high_point >> _U(6)), low + (low_point >> _U(6))
    valid = _are_digits(high) & _are_digits(low) & (length >= 1) & (length < FIELD)
    single = ((low_point & (low_point - _U(1))) == 0) & ((high_point & (high_point - _U(1))) == 0) & ~(in_low & in_high)
    has_point = behind >= 0
    valid &= single & ~(has_point & (length == 1))
    whole = (_decimal_word(high) * _U(10**8) + _decimal_word(low)).astype(np.int64)
    after = np.maximum(behind, 0)
    scale = _TENS[after]
    before_point = np.where(has_point, whole // (scale * 10), whole)
    mantissa = np.where(has_point, before_point * scale + whole % scale, whole)
    return mantissa / _FLOAT_TENS[after], valid


def text_keys(buffer: U8, begins: I64, ends: I64) -> U64:
    """A 64-bit key of the text at [begins, ends) of each row, at most KEYED_BYTES long: equal texts have equal keys.

    Every step is a bijection of the key so far, so texts that differ within one 8-byte word never meet; others do with a chance of 2**-64.
    """
    length = ends - begins
    key = length.astype(np.uint64) * _MIX[0]
    whole = int(length.min()) // 8 if len(length) else 0
    for word in range(whole):
        key ^= gather(buffer, begins + 8 * word)
        key *= _MIX[1]
        key ^= key >> _U(29)
    rows, at = np.flatnonzero(length > 8 * whole), 8 * whole
    while len(rows):
        left = length[rows] - at
        step = key[rows] ^ (gather(buffer, begins[rows] + at) & _KEEP_FIRST[np.minimum(left, 8)])
        step *= _MIX[1]
        key[rows] = step ^ (step >> _U(29))
        rows, at = rows[left > 8], at + 8
    return key


class KeyCache:
    """Numbers by the key of a text, in a table of fixed size: a key that another one displaced is looked up the slow way again."""

    def __init__(self, bits: int) -> None:
        """A table of 2**bits entries, 12 bytes each."""
        self._shift = _U(64 - bits)
        self._keys = np.full(1 << bits, (1 << 64) - 1, dtype=np.uint64)
        self._keys[-1] = 0  # no key that belongs into the last slot is 0, none of the others' all ones
        self._numbers = np.full(1 << bits, -2, dtype=np.int32)

    def find(self, keys: U64) -> tuple[I64, npt.NDArray[np.int32]]:
        """The slot of each key, and its number; -2 where it is not known."""
        slots = (keys >> self._shift).astype(np.int64)
        return slots, np.where(self._keys[slots] == keys, self._numbers[slots], np.int32(-2))

    def numbers_of(self, buffer: U8, data: bytes, begins: I64, ends: I64, read: Callable[[list[bytes]], list[int]]) -> npt.NDArray[np.int32]:
        """The number of the text at [begins, ends) of each row. `read` numbers those not known yet, each of them once.

        Slicing a text out and hashing it costs more than the rest of a line; nearly all are known by their key.
        """
        long = ends - begins > KEYED_BYTES
        if long.any():
            numbers = np.empty(len(begins), dtype=np.int32)
            numbers[~long] = self.numbers_of(buffer, data, begins[~long], ends[~long], read)
            texts = [data[b:e] for b, e in zip(begins[long].tolist(), ends[long].tolist(), strict=True)]
            distinct = list(dict.fromkeys(texts))
            known = dict(zip(distinct, read(distinct), strict=True))
            numbers[long] = [known[text] for text in texts]
            return numbers
        keys = text_keys(buffer, begins, ends)
        slots, numbers = self.find(keys)
        missing = np.flatnonzero(numbers < -1)
        if len(missing):
            _, first, place = np.unique(keys[missing], return_index=True, return_inverse=True)
            first = np.sort(first)  # in the order of the log
            once = missing[first]
            found = np.array(read([data[b:e] for b, e in zip(begins[once].tolist(), ends[once].tolist(), strict=True)]), dtype=np.int32)
            order = np.argsort(keys[once], kind="stable")
            numbers[missing] = found[order][place]
            self.put(slots[once], keys[once], found)
        return numbers

    def put(self, slots: I64, keys: U64, numbers: npt.NDArray[np.int32]) -> None:
        """Remember the number of each key; of two with the same slot the last stays."""
        order = np.unique(slots[::-1], return_index=True)[1]
        last = len(slots) - 1 - order
        self._keys[slots[last]], self._numbers[slots[last]] = keys[last], numbers[last]
