"""Shapes and formats as users write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.capture.shapes import ShapeRange, TensorFormat, parse_io_formats, parse_profiles, parse_shapes, shape_text
from trtlens.errors import UsageError

names = st.text(st.characters(codec="ascii", exclude_characters=",'\" ", exclude_categories=["Cc"]), min_size=1)
shapes = st.lists(st.integers(0, 10**6), min_size=1, max_size=6).map(tuple)


def test_a_name_may_hold_colons() -> None:
    assert parse_shapes("input:0:1x3x224x224,mask:1", "--shapes") == {"input:0": (1, 3, 224, 224), "mask": (1,)}


@given(st.dictionaries(names, shapes, min_size=1, max_size=4))
def test_what_is_written_is_read_back(given_shapes: dict[str, tuple[int, ...]]) -> None:
    text = ",".join(f"{name}:{shape_text(shape)}" for name, shape in given_shapes.items())
    assert parse_shapes(text, "--shapes") == given_shapes


@pytest.mark.parametrize("text", ["", "x", "x:", ":1x2", "x:1x", "x:1x-2", "x:axb", "x:1x2,x:1x3", "x:1x²"])
def test_what_is_no_shape_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(UsageError, match="--opt"):
        parse_shapes(text, "--opt")


def test_each_use_of_the_options_is_one_optimization_profile() -> None:
    one, two = parse_profiles(minimum=["x:1x3", "x:2x3"], optimum=["x:4x3", "x:2x3"], maximum=["x:8x3", "x:2x3"])
    assert one.inputs == (ShapeRange("x", (1, 3), (4, 3), (8, 3)),)
    assert two.inputs == (ShapeRange("x", (2, 3), (2, 3), (2, 3)),)
    assert parse_profiles(["x:2x3"]) == (two,)


@pytest.mark.parametrize(
    ("minimum", "optimum", "maximum", "said"),
    [
        (["x:1x3"], ["x:4x3"], [], "1 --min, 1 --opt and 0 --max"),
        (["x:1x3"], ["x:4x3"], ["y:8x3"], "missing from"),
        (["x:5x3"], ["x:4x3"], ["x:8x3"], "--min <= --opt <= --max"),
        (["x:1"], ["x:4x3"], ["x:8x3"], "number of dimensions"),
    ],
)
def test_ranges_that_fit_nothing_are_refused(minimum: list[str], optimum: list[str], maximum: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_profiles((), minimum, optimum, maximum)


def test_a_fixed_shape_and_a_range_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--shapes"):
        parse_profiles(["x:1"], ["x:1"], ["x:1"], ["x:1"])


def test_formats_have_a_name_a_layout_and_perhaps_a_type() -> None:
    assert parse_io_formats("x:fp16:hwc8,in:0:CHW") == (TensorFormat("x", "fp16", "hwc8"), TensorFormat("in:0", None, "chw"))
    for wrong in ("x", "x:fp16", "x:chw3", "x:chw,x:hwc8"):
        with pytest.raises(UsageError, match="--io-formats"):
            parse_io_formats(wrong)
