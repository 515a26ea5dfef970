"""The counter against the definition: four nested loops over output channel, row, column and group."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.onnx_builder import conv, dense, make_external, raw_bytes, save, tensor, two_four
from trtlens.diagnose import two_four as two_four_module
from trtlens.diagnose.two_four import conforms_along, count_pattern
from trtlens.parse import onnx_blocks
from trtlens.parse.onnx_model import read_model
from trtlens.parse.onnx_tensor import ELEMENT_TYPES, StoredTensor, TensorReader


def nested_loops(weights: Any) -> list[tuple[int, int, int, int]]:
    """(k, first c, r, s) of every group of [K, C, R, S] with more than 2 values that are not zero, the last as if padded with zeros."""
    found = []
    channels = weights.shape[1]
    for k in range(weights.shape[0]):
        for packed in range(-(-channels // 4)):
            for r in range(weights.shape[2]):
                for s in range(weights.shape[3]):
                    if np.count_nonzero(weights[k, packed * 4 : (packed + 1) * 4, r, s]) > 2:
                        found.append((k, packed * 4, r, s))
    return found


def stored(values: Any, dtype: str) -> StoredTensor:
    element = next(e for e in ELEMENT_TYPES.values() if e.name == dtype)
    data = raw_bytes(values, dtype)
    return StoredTensor("w", element, values.shape, "typed", len(data), None, 0, data)


SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 13), st.integers(1, 3), st.integers(1, 3))
VALUES = st.sampled_from([0.0, 0.0, 0.0, -0.0, 1.0, -2.0, 3.0])


@pytest.mark.parametrize(("block", "long_row"), [(1 << 17, 256), (1 << 17, 2), (64, 256), (8, 2)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_group_is_judged_as_the_nested_loops_judge_it(
    data: st.DataObject, block: int, long_row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a small tensor, in blocks from one for all of it down to single groups
    monkeypatch.setattr(onnx_blocks, "BLOCK_ELEMENTS", block)
    monkeypatch.setattr(two_four_module, "_LONG_ROW", long_row)
    values = data.draw(hnp.arrays(np.float32, data.draw(SHAPES), elements=VALUES))
    dtype = data.draw(st.sampled_from(["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN", "FLOAT8E5M2", "INT4"]))
    # WHEN counted along the input channels
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, dtype), values.shape, 1, output_axis=0)
        conforms = conforms_along(reader, stored(values, dtype), values.shape, 1)
    # THEN number, places and order are those of the definition
    expected = nested_loops(values)
    assert count.groups == values.shape[0] * -(-values.shape[1] // 4) * values.shape[2] * values.shape[3]
    assert count.violations == len(expected)
    assert [violation.index for violation in count.first] == expected[:5]
    for violation in count.first:
        k, c, r, s = violation.index
        assert violation.nonzeros == np.count_nonzero(values[k, c : c + 4, r, s])
        assert violation.length == min(4, values.shape[1] - c)
    assert count.violations_by_output is not None
    assert count.violations_by_output.tolist() == [sum(k == at for k, *_ in expected) for at in range(values.shape[0])]
    assert count.partial_violations == sum(c + 4 > values.shape[1] for _, c, _, _ in expected)
    assert count.zeros == values.size - np.count_nonzero(values)
    assert conforms == (not expected)


@pytest.mark.parametrize(("block", "long_row"), [(1 << 17, 256), (1 << 17, 2), (64, 256), (8, 2)])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_axis_and_output_axis(data: st.DataObject, block: int, long_row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_blocks, "BLOCK_ELEMENTS", block)
    monkeypatch.setattr(two_four_module, "_LONG_ROW", long_row)
    values = data.draw(hnp.arrays(np.float32, data.draw(SHAPES), elements=VALUES))
    axis, output = data.draw(st.permutations(range(4)))[:2]
    rest = [at for at in range(4) if at not in (axis, output)]
    expected = nested_loops(values.transpose([output, axis, *rest]))
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "FLOAT16"), values.shape, axis, output_axis=output)
    assert count.violations == len(expected)
    assert count.violations_by_output is not None
    assert count.violations_by_output.tolist() == [sum(k == at for k, *_ in expected) for at in range(values.shape[output])]


def test_rounding_to_fp16_is_counted_to_the_last_bit() -> None:
    # GIVEN magnitudes around half of FP16's smallest subnormal: 2**-25 ties to even, to 0; the next float32 above does not
    edge = np.float32(2.0**-25)
    values = np.array([[1, 1, edge, 0], [1, 1, np.nextafter(edge, np.float32(1)), 0], [1, -edge, edge, 2]], np.float32)
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "FLOAT"), values.shape, 1)
    # THEN it agrees with numpy's own rounding
    assert count.violations == 3
    assert count.zeros_fp16_adds == np.count_nonzero(values) - np.count_nonzero(values.astype(np.float16)) == 3
    assert count.violations_fp16 == 1


def test_rounding_to_fp16_is_asked_of_types_of_a_larger_range_alone() -> None:
    """What is stored in another type, or is moved by a zero point, does not become FP16 by rounding these bits."""
    values = two_four((4, 8), 1)
    for dtype, moved, counted in (("FLOAT", None, True), ("BFLOAT16", None, True), ("FLOAT16", None, False), ("INT8", None, False), ("FLOAT", np.array([[False], [True], [False], [False]]), False)):
        with TensorReader() as reader:
            count = count_pattern(reader, stored(values, dtype), values.shape, 1, never_zero=moved)
        assert (count.violations_fp16 is not None) is (count.zeros_fp16_adds is not None) is counted, dtype


def test_rounding_adds_nothing_where_no_value_is_that_small() -> None:
    values = dense((4, 8)).astype(np.float32)
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "FLOAT"), values.shape, 1)
    assert (count.violations, count.violations_fp16, count.zeros_fp16_adds) == (8, 8, 0)


@pytest.mark.parametrize("long_row", [2, 256])
@pytest.mark.parametrize("shape", [(4, 8), (4, 8, 3, 3), (3, 7, 5, 1)])
def test_what_rounding_changes_is_counted_beside_what_is_stored(shape: tuple[int, ...], long_row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_four_module, "_LONG_ROW", long_row)
    values = two_four(shape, 1).astype(np.float32)
    values[values == 0] = 1e-9
    values[0, :4] = 3
    whole, rounded = (each.reshape(*shape, *(1,) * (4 - len(shape))) for each in (values, values.astype(np.float16)))
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "FLOAT"), shape, 1, output_axis=0)
    assert (count.violations, count.violations_fp16) == (len(nested_loops(whole)), len(nested_loops(rounded)))
    assert count.violations_by_output is not None and count.violations_by_output.sum() == count.violations > (count.violations_fp16 or 0)


def test_a_type_without_a_zero_has_none() -> None:
    element = next(e for e in ELEMENT_TYPES.values() if e.zero_mask is None)
    data = bytes(32)
    with TensorReader() as reader:
        count = count_pattern(reader, StoredTensor("w", element, (4, 8), "typed", len(data), None, 0, data), (4, 8), 1)
    assert (count.groups, count.violations, count.zeros) == (8, 8, 0)


def test_counting_can_stop_at_the_first_block_that_violates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_blocks, "BLOCK_ELEMENTS", 8)
    values = two_four((6, 8), 1)
    values[2:, :] = 1
    for stop, complete, violations in ((True, False, 2), (False, True, 8)):
        with TensorReader() as reader:
            count = count_pattern(reader, stored(values, "FLOAT"), values.shape, 1, stop_at_first=stop)
        assert (count.complete, count.violations) == (complete, violations)
    with TensorReader() as reader:
        assert count_pattern(reader, stored(two_four((6, 8), 1), "FLOAT"), (6, 8), 1, stop_at_first=True).complete


@pytest.mark.parametrize("block", [8, 64, 1 << 17])
def test_zero_points_move_the_values_of_their_own_channels_in_every_block(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_blocks, "BLOCK_ELEMENTS", block)
    values = two_four((6, 8, 3, 3), 1)
    for at, axis in ((4, 0), (5, 1)):
        shape = [1, 1, 1, 1]
        shape[axis] = values.shape[axis]
        moved = np.arange(values.shape[axis]).reshape(shape) == at
        with TensorReader() as reader:
            count = count_pattern(reader, stored(values, "INT8"), values.shape, 1, output_axis=0, never_zero=moved)
        expected = nested_loops(np.where(moved, 1, values))
        assert count.violations == len(expected) > 0 and [violation.index for violation in count.first] == expected[:5]
        assert count.zeros == np.count_nonzero(np.where(moved, 1, values) == 0)
    whole = np.array([[[[True]]]])
    with TensorReader() as reader:
        assert count_pattern(reader, stored(values, "INT8"), values.shape, 1, never_zero=whole).violations == 6 * 2 * 9


def test_nan_and_subnormals_are_not_zero_and_negative_zero_is() -> None:
    values = np.array([[np.nan, 1e-40, 1, 0], [-0.0, -0.0, 1, 1]], np.float32)
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "FLOAT"), values.shape, 1)
    assert count.violations == 1
    assert count.first[0].index == (0, 0)


def test_a_non_zero_zero_point_keeps_every_value_of_its_channel_from_being_zero() -> None:
    values = two_four((4, 8), 1)
    moved = np.array([[False], [True], [False], [False]])
    with TensorReader() as reader:
        count = count_pattern(reader, stored(values, "INT8"), values.shape, 1, output_axis=0, never_zero=moved)
    assert count.violations_by_output is not None
    assert count.violations_by_output.tolist() == [0, 2, 0, 0]


def test_large_tensors_go_through_every_kind_of_block(tmp_path: Path) -> None:
    # GIVEN a weight of several blocks, inline and external, one violation put near its end
    values = two_four((70, 64, 7, 9), 1)
    values[68, 40:44, 6, 8] = 3
    path = save(tmp_path / "m.onnx", [conv(kernel_shape=[7, 9])], [tensor("w", values)], inputs={"x": [1, 64, 20, 20]})
    for external in (False, True):
        if external:
            make_external(path)
        (use,) = read_model(path).uses
        assert use.tensor is not None
        assert use.tensor.storage == ("external" if external else "inline")
        with TensorReader() as reader:
            count = count_pattern(reader, use.tensor, values.shape, 1, output_axis=0)
        assert [violation.index for violation in count.first] == [(68, 40, 6, 8)]
        assert count.violations == 1
