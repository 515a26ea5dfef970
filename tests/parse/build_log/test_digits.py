"""Columns of numbers, ids and keys equal what int(), float() and a dictionary make of each field alone."""

from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trtlens.parse.build_log import digits


def laid_out(fields: list[str]) -> tuple[digits.U8, digits.I64, digits.I64]:
    """The fields one behind the other, as in a block: something before each, 64 readable bytes behind the last."""
    text, begins, ends = "Time: " * 5, [], []
    for field in fields:
        begins.append(len(text.encode()))
        text += field
        ends.append(len(text.encode()))
        text += "\nTactic: "
    return np.frombuffer(text.encode() + bytes(64), dtype=np.uint8), np.array(begins, dtype=np.int64), np.array(ends, dtype=np.int64)


PRINTED = st.floats(min_value=0, max_value=1e9, allow_nan=False).map(lambda x: f"{x:.6g}")
ANY = st.text(alphabet="0123456789.+-e inf_xabcdef\u00e9:/", min_size=1, max_size=22)


@given(st.lists(PRINTED | ANY | st.integers(0, 10**15 - 1).map(str), min_size=1, max_size=40))
def test_decimals_equal_float(fields: list[str]) -> None:
    value, plain = digits.decimals(*laid_out(fields))
    for field, number, is_plain in zip(fields, value.tolist(), plain.tolist(), strict=True):
        assert is_plain == (re.fullmatch(r"(?a:\d+\.?\d*|\.\d+)", field) is not None and len(field.encode()) < 16)
        if is_plain:
            assert number == float(field)


@given(st.lists(st.integers(-(2**63), 2**64 - 1).map(str) | ANY | st.just("-3360065831133338131"), min_size=1, max_size=40))
def test_decimal_ids_equal_int(fields: list[str]) -> None:
    value, valid = digits.decimal_ids(*laid_out(fields))
    for field, number, is_valid in zip(fields, value.tolist(), valid.tolist(), strict=True):
        plain = re.fullmatch(r"(?a:-?\d{1,19})", field) is not None
        if plain and -(2**63) <= int(field) < 2**64:
            assert is_valid and number == int(field) % 2**64
        if is_valid:
            assert plain


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.booleans())
def test_hex_ids_equal_int(numbers: list[int], capital: bool) -> None:
    fields = [f"{n:016X}" if capital else f"{n:016x}" for n in numbers]
    buffer, begins, _ = laid_out(fields)
    value, valid = digits.hex_ids(buffer, begins)
    assert valid.all() and value.tolist() == numbers


@given(st.lists(st.text(alphabet="0123456789abcdefABCDEFg@`/:G \x10", min_size=16, max_size=16), min_size=1, max_size=40))
def test_what_is_no_hex_id_is_not_taken_for_one(fields: list[str]) -> None:
    buffer, begins, _ = laid_out(fields)
    _, valid = digits.hex_ids(buffer, begins)
    assert valid.tolist() == [re.fullmatch(r"[0-9a-fA-F]{16}", field) is not None for field in fields]


@given(st.lists(st.text(alphabet="ab !\x1f\u00e9", max_size=40), min_size=1, max_size=20), st.integers(1, 3))
def test_the_last_blank_is_the_last_blank(fields: list[str], words: int) -> None:
    buffer, _, ends = laid_out(fields)
    data = buffer.tobytes()
    for end, found in zip(ends.tolist(), digits.last_blank(buffer, ends, words).tolist(), strict=True):
        assert found == data.rfind(b" ", end - 8 * words, end)


@given(st.lists(st.text(alphabet="ab\u00e9_", max_size=60), min_size=1, max_size=40))
def test_keys_are_equal_where_texts_are(fields: list[str]) -> None:
    keys = digits.text_keys(*laid_out(fields)).tolist()
    assert len(dict(zip(fields, keys, strict=True))) == len(set(keys)) == len(set(zip(fields, keys, strict=True)))
