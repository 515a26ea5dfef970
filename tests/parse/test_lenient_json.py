"""JSON with the faults that hand-written printers and cut-off files have."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.errors import InputError
from trtlens.parse import lenient_json

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.sampled_from([None, 0, 2]))
def test_valid_json_is_read_as_it_is(value: object, indent: int | None) -> None:
    assert lenient_json.load(json.dumps(value, indent=indent), "f") == (value, ())


def test_raw_control_bytes_are_no_fault() -> None:
    assert lenient_json.load('{"a": "x\x1ey\x1fz"}', "f") == ({"a": "x\x1ey\x1fz"}, ())


@pytest.mark.parametrize("name", ['a "b" c', '"', r"C:\models\q", 'ends "with"', r"\"", 'x", y'])
def test_unescaped_quotes_and_backslashes_on_a_line_of_their_own(name: str) -> None:
    value, notes = lenient_json.load(f'{{\n  "Name": "{name}",\n  "Type": "Half"\n}}', "f")
    assert value["Type"] == "Half" and (value["Name"] == name) == bool(notes)
    assert notes or value["Name"] == json.loads(f'"{name}"')


def test_figures_that_are_no_numbers_and_trailing_commas() -> None:
    value, notes = lenient_json.load('{"a": -nan, "b": [1, 2,], "c": inf,\n}', "f")
    assert value == {"a": None, "b": [1, 2], "c": None} and len(notes) == 2


def test_repairs_leave_the_text_of_strings_alone() -> None:
    value, _ = lenient_json.load('{"a": "x: nan, y,]", "b": nan}', "f")
    assert value == {"a": "x: nan, y,]", "b": None}


def test_duplicate_keys_are_said() -> None:
    value, notes = lenient_json.load('{"Name": "l", "Tactic": 1, "Tactic": 2}', "f")
    assert value["Tactic"] == 2 and "Tactic" in notes[0].message and "(l)" in notes[0].message


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000])
def test_nesting_bombs(text: str) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        lenient_json.load(text, "f")


def test_number_with_too_many_digits() -> None:
    with pytest.raises(InputError, match="too many digits"):
        lenient_json.load("[" + "9" * 10_000 + "]", "f")


@pytest.mark.parametrize(
    ("value", "number"), [("-nan", None), ("1e999", None), ("2.5", 2.5), (True, None), (3, 3.0), (10**400, None), ("x", None)]
)
def test_finite(value: object, number: float | None) -> None:
    assert lenient_json.finite(value) == number


@given(st.floats())
def test_finite_never_passes_nan_or_infinity(value: float) -> None:
    assert lenient_json.finite(value) == (value if math.isfinite(value) else None)
