"""The verdicts of `trtlens check`: status, reason and proof for every case that the contract names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.onnx_builder import conv, dense, integers, make_external, save, tensor, two_four
from trtlens.diagnose.weights import ModelCheck, WeightCheck, check_model, reason_for_nodes

node = helper.make_node
ELIGIBLE = ("eligible", None, "suggested")
VIOLATED = ("ineligible", "pattern", "proven")
BEHIND = ("ineligible", "pattern", "suggested")


def only(path: Path) -> WeightCheck:
    (weight,) = check_model(path).weights
    return weight


def verdict(weight: WeightCheck) -> tuple[str, str | None, str]:
    return weight.status, weight.reason, weight.proof


@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN"])
@pytest.mark.parametrize("form", ["raw", "typed", "external"])
def test_convolutions_in_every_type_and_storage(tmp_path: Path, dtype: str, form: str) -> None:
    for broken in (False, True):
        values = two_four((6, 12, 3, 3), 1)
        if broken:
            values[3, 8:12, 0, 1] = 1
        path = save(tmp_path / "m.onnx", [conv()], [tensor("w", values, dtype, typed=form == "typed")], inputs={"x": [1, 12, 5, 5]})
        if form == "external":
            make_external(path)
        weight = only(path)
        assert (weight.groups, weight.groups_conforming) == (6 * 3 * 9, 6 * 3 * 9 - broken)
        assert verdict(weight) == (VIOLATED if broken else ELIGIBLE)
        if broken:
            assert weight.summary == "1 of 162 groups violate: first at [k=3, c=8..11, r=0, s=1]"
            assert [violation.index for violation in weight.first_violations] == [(3, 8, 0, 1)]
            assert weight.worst_output == (3, 1)


@pytest.mark.parametrize(
    ("operator", "shape", "axis", "attributes", "left"),
    [
        ("Gemm", (8, 6), 0, {}, False),
        ("Gemm", (6, 8), 1, {"transB": 1}, False),
        ("Gemm", (6, 8), 1, {}, True),
        ("Gemm", (8, 6), 0, {"transA": 1}, True),
        ("MatMul", (8, 6), 0, {}, False),
        ("MatMul", (3, 8, 6), 1, {}, False),
        ("MatMul", (6, 8), 1, {}, True),
        ("MatMul", (3, 6, 8), 2, {}, True),
    ],
)
def test_the_axis_decides(tmp_path: Path, operator: str, shape: tuple[int, ...], axis: int, attributes: dict[str, Any], left: bool) -> None:
    """Pruned along the reduction axis: eligible. Pruned along another: the pattern is there, on the wrong axis."""
    inputs = ["w", "x"] if left else ["x", "w"]
    nodes = [node(operator, inputs, ["y"], name="n", **attributes)]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", two_four(shape, axis))], inputs={"x": [8, 8]})
    assert verdict(only(path)) == ELIGIBLE
    assert only(path).axis == axis
    other = next(at for at, size in enumerate(shape) if at != axis and size >= 4)
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", two_four(shape, other))], inputs={"x": [8, 8]})
    weight = only(path)
    assert verdict(weight) == ("ineligible", "pattern-wrong-axis", "suggested")
    assert weight.conforming_axes == (other,)


def test_a_convolution_behind_the_transpose_of_tf2onnx(tmp_path: Path) -> None:
    """perm[axis], not perm.index(axis): [3, 2, 0, 1] from [R, S, C, K]; the stored axis of C is 2."""
    nodes = [node("Transpose", ["w"], ["t"], perm=[3, 2, 0, 1]), conv("t")]
    values = two_four((3, 3, 8, 12), 2)
    weight = only(save(tmp_path / "m.onnx", nodes, [tensor("w", values)]))
    assert verdict(weight) == ELIGIBLE
    values[1, 2, 4:8, 9] = 5
    weight = only(save(tmp_path / "m.onnx", nodes, [tensor("w", values)]))
    assert verdict(weight) == VIOLATED
    assert weight.first_violations[0].index == (1, 2, 4, 9)
    assert "[r=1, s=2, c=4..7, k=9]" in weight.summary


def test_violations_of_a_reshaped_weight_are_told_in_the_stored_shape(tmp_path: Path) -> None:
    values = two_four((6, 8, 3, 3), 1)
    values[5, 4:8, 2, 2] = 1
    nodes = [node("Reshape", ["w", "shape"], ["t"]), conv("t")]
    tensors = [tensor("w", values.reshape(6, 72)), integers("shape", [6, 8, 3, 3])]
    weight = only(save(tmp_path / "m.onnx", nodes, tensors))
    assert verdict(weight) == VIOLATED
    assert weight.axis is None
    assert weight.first_violations[0].index == (5, 4 * 9 + 8)


@pytest.mark.parametrize(
    ("zero_point", "eligible"),
    [(None, True), (np.array(0), True), (np.array(3), False), (np.zeros(6), True), (np.array([0, 0, 0, 0, 1, 0]), False)],
)
def test_int8_weights_behind_dequantize(tmp_path: Path, zero_point: Any, eligible: bool) -> None:
    """A zero point that is not 0 makes stored zeros other values, for its channel alone."""
    values = two_four((6, 8, 3, 3), 1)
    tensors = [tensor("w", values, "INT8"), tensor("scale", np.full(np.shape(zero_point) if zero_point is not None else (), 0.1))]
    inputs = ["w", "scale"]
    if zero_point is not None:
        tensors.append(tensor("zero", zero_point, "INT8"))
        inputs.append("zero")
    weight = only(save(tmp_path / "m.onnx", [node("DequantizeLinear", inputs, ["d"], axis=0), conv("d")], tensors))
    assert verdict(weight) == (ELIGIBLE if eligible else BEHIND)
    if zero_point is not None and not eligible:
        channels = 6 if zero_point.ndim == 0 else 1
        assert weight.groups is not None
        assert weight.groups_conforming == weight.groups - channels * 2 * 9
        assert "zero point" in weight.summary


def test_a_per_channel_zero_point_behind_a_transpose(tmp_path: Path) -> None:
    values = two_four((8, 6), 0)
    tensors = [tensor("w", values, "INT8"), tensor("scale", np.ones(6)), tensor("zero", np.array([0, 0, 7, 0, 0, 0]), "INT8")]
    nodes = [
        node("Transpose", ["w"], ["t"], perm=[1, 0]),
        node("DequantizeLinear", ["t", "scale", "zero"], ["d"], axis=0),
        node("Gemm", ["x", "d"], ["y"], name="n", transB=1),
    ]
    weight = only(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8]}))
    assert (weight.groups, weight.groups_conforming, weight.worst_output) == (12, 10, (2, 2))


@pytest.mark.parametrize(
    ("dtype", "operator"), [("FLOAT", "QuantizeLinear"), ("FLOAT16", "TRT_FP8QuantizeLinear"), ("FLOAT8E4M3FN", "TRT_FP8DequantizeLinear")]
)
def test_quantize_between(tmp_path: Path, dtype: str, operator: str) -> None:
    domain = "trt" if operator.startswith("TRT") else ""
    for values, expected in ((two_four((6, 8, 1, 1), 1), ELIGIBLE), (dense((6, 8, 1, 1)), BEHIND)):
        nodes = [node(operator, ["w", "scale"], ["q"], domain=domain)]
        name = "q"
        if "Dequantize" not in operator:
            nodes.append(node(operator.replace("Quantize", "Dequantize"), ["q", "scale"], ["d"], domain=domain))
            name = "d"
        path = save(tmp_path / "m.onnx", [*nodes, conv(name)], [tensor("w", values, dtype), tensor("scale", np.array(1.0))])
        assert verdict(only(path)) == expected


def test_fp8_in_a_uint8_tensor_has_a_negative_zero(tmp_path: Path) -> None:
    raw = tensor("w", two_four((6, 8, 1, 1), 1), "FLOAT8E4M3FN")
    raw.raw_data = bytes(0x80 if byte == 0 else byte for byte in raw.raw_data)
    raw.data_type = TensorProto.UINT8
    nodes = [node("TRT_FP8DequantizeLinear", ["w", "scale"], ["d"], domain="trt"), conv("d")]
    assert verdict(only(save(tmp_path / "m.onnx", nodes, [raw, tensor("scale", np.array(1.0))]))) == ELIGIBLE


@pytest.mark.parametrize("dtype", ["INT4", "DOUBLE"])
def test_types_without_sparse_kernels_are_counted_all_the_same(tmp_path: Path, dtype: str) -> None:
    values = two_four((6, 9), 0)  # an odd number of elements in each packed row
    nodes = [node("DequantizeLinear", ["w", "scale"], ["d"]), node("MatMul", ["x", "d"], ["y"], name="n")]
    if dtype == "DOUBLE":
        nodes = [node("Cast", ["w"], ["d"], to=TensorProto.FLOAT), nodes[1]]
    weight = only(save(tmp_path / "m.onnx", nodes, [tensor("w", values, dtype), tensor("scale", np.array(1.0))], inputs={"x": [1, 6]}))
    assert verdict(weight) == ("ineligible", "precision", "suggested")
    assert weight.groups == weight.groups_conforming == 18


@pytest.mark.parametrize(
    ("between", "conforming", "expected"),
    [
        ("Mul", True, ELIGIBLE),
        ("Mul", False, BEHIND),
        ("Div", True, ELIGIBLE),
        ("Add", True, ("undetermined", None, "unknown")),
        ("Add", False, BEHIND),
        ("Cast", False, VIOLATED),
        ("Identity", False, VIOLATED),
    ],
)
def test_operators_between(tmp_path: Path, between: str, conforming: bool, expected: tuple[str, str | None, str]) -> None:
    values = two_four((6, 8, 1, 1), 1) if conforming else dense((6, 8, 1, 1))
    operands = ["w", "other"] if between in ("Mul", "Div", "Add") else ["w"]
    attributes = {"to": TensorProto.FLOAT} if between == "Cast" else {}
    path = save(
        tmp_path / "m.onnx",
        [node(between, operands, ["t"], **attributes), conv("t")],
        [tensor("w", values), tensor("other", dense((6, 1, 1, 1)))],
    )
    assert verdict(only(path)) == expected


@pytest.mark.parametrize(("to", "expected"), [("FLOAT16", VIOLATED), ("BFLOAT16", VIOLATED), ("DOUBLE", VIOLATED), ("INT8", BEHIND), ("INT32", BEHIND), ("FLOAT8E4M3FN", BEHIND)])
def test_a_cast_to_a_type_that_has_no_small_values_makes_zeros_of_them(tmp_path: Path, to: str, expected: tuple[str, str | None, str]) -> None:
    """0.001 is 0 as an integer and in FP8: what is stored violates, what TensorRT multiplies by need not."""
    values = np.where(two_four((6, 8, 1, 1), 1) != 0, 2.0, 0.001)
    nodes = [node("Cast", ["w"], ["a"], to=getattr(TensorProto, to)), node("Cast", ["a"], ["b"], to=TensorProto.FLOAT), conv("b")]
    assert verdict(only(save(tmp_path / "m.onnx", nodes, [tensor("w", values)]))) == expected


def test_a_cast_to_the_type_of_another_tensor_may_make_zeros(tmp_path: Path) -> None:
    nodes = [node("CastLike", ["w", "like"], ["a"]), node("Cast", ["a"], ["b"], to=TensorProto.FLOAT), conv("b")]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", np.where(two_four((6, 8, 1, 1), 1) != 0, 2.0, 0.001)), tensor("like", np.ones(1), "INT8")])
    assert verdict(only(path)) == BEHIND


@pytest.mark.parametrize(
    ("channels", "dense_values", "expected"),
    [
        (1, True, ELIGIBLE),
        (2, True, ELIGIBLE),
        (3, True, ("undetermined", "channels-partial-group", "suggested")),
        (6, False, ELIGIBLE),
        (7, True, VIOLATED),
    ],
)
def test_groups_that_are_short(tmp_path: Path, channels: int, dense_values: bool, expected: tuple[str, str | None, str]) -> None:
    """TensorRT 10.16 lists a convolution with one input channel: a short group is padded with zeros."""
    shape = (6, channels, 3, 3)
    path = save(
        tmp_path / "m.onnx",
        [conv()],
        [tensor("w", dense(shape) if dense_values else two_four(shape, 1))],
        inputs={"x": [1, channels, 5, 5]},
    )
    weight = only(path)
    assert verdict(weight) == expected
    assert weight.partial_group is True
    assert weight.groups == 6 * -(-channels // 4) * 9


def test_what_cannot_be_sparse_whatever_its_weights(tmp_path: Path) -> None:
    nodes = [
        conv("grouped", "a", "grouped", group=2),
        node("ConvTranspose", ["a", "transposed"], ["b"], name="transposed"),
        node("Conv", ["volume", "solid"], ["c"], name="solid"),
        node("MatMul", ["x", "x"], ["d"], name="attention"),
        node("Conv", ["x", "dynamic"], ["e"], name="dynamic"),
        node("Einsum", ["x", "einsum"], ["y"], name="einsum", equation="abcd,ef->abcd"),
    ]
    tensors = [
        tensor("grouped", two_four((6, 4, 3, 3), 1)),
        tensor("transposed", two_four((8, 6, 3, 3), 0)),
        tensor("solid", two_four((6, 8, 3, 3, 3), 1)),
        tensor("einsum", two_four((8, 8), 1)),
    ]
    inputs = {"x": [1, 8, 5, 5], "volume": [1, 8, 5, 5, 5], "dynamic": [6, 8, 3, 3]}
    check = check_model(save(tmp_path / "m.onnx", nodes, tensors, inputs=inputs))
    assert {weight.name: verdict(weight) for weight in check.weights} == {
        "grouped": ("ineligible", "grouped", "proven"),
        "transposed": ("ineligible", "op-kind", "suggested"),
        "solid": ("ineligible", "op-kind", "suggested"),
        "attention": ("ineligible", "weights-not-constant", "proven"),
        "dynamic": ("ineligible", "weights-not-constant", "proven"),
        "einsum": ("ineligible", "op-kind", "suggested"),
    }


@pytest.mark.parametrize("dtype", ["FLOAT", "BFLOAT16"])
def test_what_conforms_only_after_rounding_to_fp16_is_not_proven_to_violate(dtype: str, tmp_path: Path) -> None:
    values = two_four((6, 8, 1, 1), 1).astype(np.float32)
    values[values == 0] = 1e-9
    weight = only(save(tmp_path / "m.onnx", [conv()], [tensor("w", values, dtype)]))
    assert verdict(weight) == BEHIND
    assert (weight.groups_conforming, weight.groups_conforming_fp16, weight.zeros_fp16_adds) == (0, 12, 24)


@pytest.mark.parametrize(("condition", "proof"), [("known", "unknown"), ("x", "proven")], ids=["chosen before the network runs", "chosen at run time"])
def test_weights_of_a_branch_are_run_time_ones_only_if_the_choice_is(condition: str, proof: str, tmp_path: Path) -> None:
    def branch(name: str) -> Any:
        return helper.make_graph([node("Identity", [name], [f"{name}_out"], name=f"give_{name}")], name, [], [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)])

    chosen = node("If", [condition], ["w"], name="if", then_branch=branch("a"), else_branch=branch("b"))
    values = {"a": two_four((6, 8, 1, 1), 1), "b": two_four((6, 8, 1, 1), 1), "known": np.ones((), np.float32)}
    weight = only(save(tmp_path / "m.onnx", [chosen, conv()], [tensor(name, array) for name, array in values.items()]))
    assert (weight.reason, weight.proof) == ("weights-not-constant" if proof == "proven" else None, proof)


def test_a_sparse_initializer_is_no_run_time_tensor(tmp_path: Path) -> None:
    model = onnx.load(save(tmp_path / "m.onnx", [conv()], []))
    places = helper.make_tensor("places", TensorProto.INT64, [2], [0, 1])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]), places, [6, 8, 1, 1]))
    onnx.save(model, tmp_path / "m.onnx")
    weight = only(tmp_path / "m.onnx")
    assert (weight.status, weight.reason, weight.proof) == ("undetermined", None, "unknown")


def test_one_weight_used_along_two_axes(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["h"], name="first"), node("Gemm", ["h", "w"], ["y"], name="second", transB=1)]
    check = check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", two_four((8, 8), 0))], inputs={"x": [1, 8]}))
    assert [weight.status for weight in check.weights] == ["eligible", "ineligible"]
    assert check.summary.weight_bytes == 8 * 8 * 4
    assert "shared-weight" in [warning.id for warning in check.warnings]


def test_a_weight_without_elements(tmp_path: Path) -> None:
    empty = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[0, 10**15])
    weight = only(save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], [empty]))
    assert (verdict(weight), weight.groups) == (("undetermined", None, "unknown"), 0)


def test_totals_and_alignment(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "a"], ["h"], name="a"), node("MatMul", ["h", "b"], ["y"], name="b")]
    tensors = [tensor("a", two_four((96, 64), 0)), tensor("b", dense((64, 10)))]
    check = check_model(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 96]}))
    summary = check.summary
    assert (summary.layers, summary.eligible, summary.ineligible, summary.by_reason) == (2, 1, 1, {"pattern": 1})
    assert (summary.macs, summary.macs_eligible) == (96 * 64 + 64 * 10, 96 * 64)
    assert summary.macs_eligible_share == pytest.approx(96 * 64 / (96 * 64 + 640))
    assert (check.weights[0].alignment_reduction, check.weights[0].alignment_output) == ((16, 32), (16, 32, 64))
    assert (check.weights[1].alignment_reduction, check.weights[1].alignment_output) == ((16, 32, 64), ())


def test_an_unknown_size_leaves_the_share_unknown(tmp_path: Path) -> None:
    check = check_model(save(tmp_path / "m.onnx", [conv()], [tensor("w", two_four((6, 8, 3, 3), 1))], inputs={"x": [1, 8, "h", "w2"]}))
    assert (check.summary.macs, check.summary.macs_eligible_share, check.summary.macs_unknown) == (None, None, 1)
    assert [(warning.id, "1 operator are unknown (dynamic sizes)" in warning.message) for warning in check.warnings] == [("macs-unknown", True)]


def test_a_weight_that_qualifies_in_one_of_its_uses_counts_as_one_that_does(tmp_path: Path) -> None:
    """Whichever use comes first; the bytes of another weight that does not qualify are none of them."""
    for axis in (0, 1):
        nodes = [node("MatMul", ["x", "w"], ["h"], name="first"), node("Gemm", ["h", "w"], ["g"], name="second", transB=1), node("MatMul", ["g", "b"], ["y"], name="third")]
        tensors = [tensor("w", two_four((8, 8), axis)), tensor("b", dense((8, 4)))]
        summary = check_model(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8]})).summary
        assert (summary.weight_bytes, summary.weight_bytes_eligible, summary.eligible) == (4 * 64 + 4 * 32, 4 * 64, 1)


def test_shares_of_nothing_are_unknown(tmp_path: Path) -> None:
    check = check_model(save(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"], name="relu")], []))
    assert (check.summary.macs, check.summary.macs_eligible, check.summary.macs_eligible_share) == (0, 0, None)
    unknown = check_model(save(tmp_path / "m.onnx", [conv()], [tensor("w", two_four((6, 8, 3, 3), 1))], inputs={"x": [1, 8, "h", "w2"]}))
    assert (unknown.summary.macs_eligible, unknown.weights[0].conforming_share) == (None, 1.0)
    broken = two_four((4, 8), 0)
    broken[:, 0] = 1
    half = only(save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], [tensor("w", broken)], inputs={"x": [1, 4]}))
    assert half.conforming_share == 7 / 8 and (half.dtype, half.shape) == ("FLOAT", (4, 8))
    empty = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[0, 10**15])
    assert only(save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], [empty])).conforming_share is None
    dynamic = only(save(tmp_path / "m.onnx", [node("MatMul", ["x", "x"], ["y"])], [], inputs={"x": [8, 8]}))
    assert (dynamic.conforming_share, dynamic.dtype, dynamic.shape, dynamic.weight_bytes) == (None, None, None, None)


def test_one_weight_behind_two_zero_points_is_counted_for_each(tmp_path: Path) -> None:
    values = two_four((6, 8, 1, 1), 1)
    nodes, tensors = [], [tensor("w", values, "INT8"), tensor("scale", np.array(0.1))]
    for name, point in (("zero", 0), ("three", 3), ("none", 0)):
        tensors.append(tensor(f"point_{name}", np.array(point), "INT8"))
        nodes += [node("DequantizeLinear", ["w", "scale", f"point_{name}"], [f"d_{name}"]), conv(f"d_{name}", f"y_{name}", name)]
    check = check_model(save(tmp_path / "m.onnx", nodes, tensors))
    assert {weight.name: verdict(weight) for weight in check.weights} == {"zero": ELIGIBLE, "three": BEHIND, "none": ELIGIBLE}


def test_an_axis_too_short_to_violate_conforms_only_as_the_reduction(tmp_path: Path) -> None:
    for channels, conforming in ((2, (1,)), (8, ())):
        weight = only(save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((6, channels, 3, 3)))], inputs={"x": [1, channels, 5, 5]}))
        assert weight.conforming_axes == conforming
    for kernel in (1, 2):  # short axes hold the pattern by being short, and it is not the wrong axis that was pruned
        weight = only(save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((6, 8, kernel, kernel)))]))
        assert verdict(weight) == VIOLATED and weight.conforming_axes == ()


@pytest.mark.parametrize(
    ("stored", "shape", "axis", "conforms"),
    [((6, 8, 9), (6, 8, 3, 3), 1, (1,)), ((6, 72), (6, 8, 3, 3), None, ()), ((48, 9), (6, 8, 3, 3), None, ())],
)
def test_of_a_reshaped_weight_only_the_reduction_axis_is_told(tmp_path: Path, stored: tuple[int, ...], shape: tuple[int, ...], axis: int | None, conforms: tuple[int, ...]) -> None:
    for broken in (False, True):
        values = two_four(shape, 1)
        values[2, 4:8, 1, 1] = 3 if broken else values[2, 4:8, 1, 1]
        nodes = [node("Reshape", ["w", "shape"], ["t"]), conv("t")]
        weight = only(save(tmp_path / "m.onnx", nodes, [tensor("w", values.reshape(stored)), integers("shape", shape)]))
        assert verdict(weight) == (VIOLATED if broken else ELIGIBLE)
        assert (weight.axis, weight.conforming_axes) == (axis, () if broken else conforms)
        assert weight.worst_output == ((2, 1) if broken else None)


def test_an_axis_of_four_is_long_enough_to_be_the_wrong_one(tmp_path: Path) -> None:
    weight = only(save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["y"])], [tensor("w", two_four((8, 4), 1))], inputs={"x": [1, 8]}))
    assert verdict(weight) == ("ineligible", "pattern-wrong-axis", "suggested") and weight.conforming_axes == (1,)


def test_a_weight_whose_reduction_axis_is_lost_on_the_way_is_undetermined(tmp_path: Path) -> None:
    nodes = [node("Transpose", ["w"], ["t"], perm=[1, 0]), node("Reshape", ["t", "shape"], ["r"]), conv("r")]
    weight = only(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((72, 6))), integers("shape", [12, 4, 3, 3])]))
    assert verdict(weight) == ("undetermined", None, "unknown") and weight.groups is None


def test_weights_that_tensorrt_computes_from_constants_are_undetermined(tmp_path: Path) -> None:
    nodes = [node("Concat", ["a", "b"], ["w"], axis=0), conv("w")]
    weight = only(save(tmp_path / "m.onnx", nodes, [tensor(name, dense((3, 8, 1, 1))) for name in "ab"]))
    assert verdict(weight) == ("undetermined", None, "unknown") and weight.groups is None and "computed by" in weight.summary


def test_what_a_check_warns_of(tmp_path: Path) -> None:
    def warned(*nodes: Any, **inputs: Any) -> list[str]:
        return [warning.id for warning in check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", two_four((8, 8), 0))], inputs=inputs or {"x": [1, 8]})).warnings]

    assert warned(node("MatMul", ["x", "w"], ["y"], name="n")) == []
    assert warned(node("MatMul", ["x", "w"], ["y"])) == ["unnamed-nodes"]
    assert warned(node("MatMul", ["x", "w"], ["h"], name="n"), node("MatMul", ["h", "w"], ["y"], name="m")) == []  # one way of use
    assert warned(node("MatMul", ["x", "w"], ["h"], name="n"), node("Gemm", ["h", "w"], ["y"], name="m", transB=1)) == ["shared-weight"]
    assert warned(node("MatMul", ["x", "w"], ["h"], name="n"), node("MatMul", ["h", "x2"], ["y"], name="m"), x=[1, 8], x2=[8, 8]) == []


@pytest.fixture
def joined(tmp_path: Path) -> ModelCheck:
    broken = two_four((6, 8, 1, 1), 1)
    broken[0, :4] = 1
    nodes = [
        conv("good", "a", "good"),
        node("Relu", ["a"], ["b"], name="relu"),
        conv("broken", "c", "broken"),
        node("Add", ["b", "c"], ["y"], name="add"),
    ]
    return check_model(save(tmp_path / "m.onnx", nodes, [tensor("good", two_four((6, 8, 1, 1), 1)), tensor("broken", broken)]))


def test_the_reason_for_an_engine_layer(joined: ModelCheck) -> None:
    reason = reason_for_nodes(joined, ["broken", "add"])
    assert reason is not None
    assert (reason.status, reason.reason, reason.proof) == ("ineligible", "pattern", "proven")
    assert reason.summary == "1 of 12 groups violate: first at [k=0, c=0..3, r=0, s=0]"
    qualified = reason_for_nodes(joined, ["good", "relu"])
    assert qualified is not None
    assert (qualified.status, qualified.reason) == ("eligible", None)


def test_short_groups_are_the_suggested_cause_for_a_layer_that_is_not_listed(tmp_path: Path) -> None:
    check = check_model(save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((6, 3, 3, 3)))], inputs={"x": [1, 3, 5, 5]}))
    reason = reason_for_nodes(check, ["conv"])
    assert reason is not None
    assert (reason.status, reason.reason, reason.proof) == ("ineligible", "channels-partial-group", "suggested")
    assert check.weights[0].status == "undetermined"


def test_a_layer_with_one_weight_that_qualifies_proves_nothing(joined: ModelCheck) -> None:
    reason = reason_for_nodes(joined, ["good", "broken"])
    assert reason is not None
    assert (reason.reason, reason.proof, len(reason.weights)) == ("pattern", "suggested", 2)


def test_the_name_of_a_node_is_no_tensors(tmp_path: Path) -> None:
    """Exporters call tensors after nodes: the Relu of that name has no weights, whoever writes a tensor of its name."""
    nodes = [conv("w", "relu", "conv"), node("Relu", ["relu"], ["y"], name="relu")]
    check = check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8, 1, 1)))]))
    reason = reason_for_nodes(check, ["relu"])
    assert reason is not None and (reason.status, reason.reason, reason.proof, reason.weights) == ("ineligible", "op-kind", "proven", ())
    both = reason_for_nodes(check, ["relu", "conv"])
    assert both is not None and (both.reason, both.proof) == ("pattern", "proven")


def test_a_layer_of_all_nodes_of_a_model_without_weights(tmp_path: Path) -> None:
    reason = reason_for_nodes(check_model(save(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"], name="relu")], [])), ["relu"])
    assert reason is not None and (reason.status, reason.reason, reason.proof) == ("ineligible", "op-kind", "proven")


def test_a_node_that_holds_others_says_nothing_of_their_weights(tmp_path: Path) -> None:
    """The weights of a local function and of a branch belong to nodes of their own names."""

    def branch(name: str) -> Any:
        return helper.make_graph([conv("w", f"{name}_y", f"{name}_conv")], name, [], [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, None)])

    body = helper.make_function("local", "Block", ["a", "b"], ["out"], [node("Conv", ["a", "b"], ["out"], name="inner")], [helper.make_opsetid("", 21)])
    nodes = [
        node("Block", ["x", "w"], ["h"], name="call", domain="local"), node("If", ["known"], ["i"], name="choose", then_branch=branch("one"), else_branch=branch("two")),
        node("Add", ["h", "i"], ["y"], name="add"),
    ]  # fmt: skip
    check = check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((8, 8, 1, 1))), tensor("known", np.ones(()))], functions=[body]))
    assert [reason_for_nodes(check, names) for names in (["call"], ["choose"], ["add", "call"])] == [None, None, None]
    inside = reason_for_nodes(check, ["call/inner", "add"])
    assert inside is not None and (inside.reason, inside.proof) == ("pattern", "proven")
    own = reason_for_nodes(check, ["add"])
    assert own is not None and (own.reason, own.proof) == ("op-kind", "proven")


def test_a_branch_says_nothing_of_tensors_and_not_of_nodes_that_the_model_has_itself(tmp_path: Path) -> None:
    where = " | then_graph (then_branch) | choose (If)"
    nodes = [conv("w", "c", "broken"), node("Relu", ["c"], ["y"], name=f"broken{where}")]
    check = check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8, 1, 1)))]))
    assert reason_for_nodes(check, [f"c{where}"]) is None
    own = reason_for_nodes(check, [f"broken{where}"])
    assert own is not None and (own.reason, own.proof) == ("op-kind", "proven")


def test_two_causes_in_one_layer_prove_neither_and_what_is_unknown_stays_so(tmp_path: Path) -> None:
    nodes = [conv("a", "b", "broken"), conv("g", "c", "grouped", group=2), node("Add", ["v", "v"], ["s"], name="sum"), conv("s", "d", "computed"), conv("good", "y", "good")]
    tensors = [tensor("a", dense((8, 8, 1, 1))), tensor("g", two_four((6, 4, 1, 1), 1)), tensor("v", two_four((6, 8, 1, 1), 1)), tensor("good", two_four((6, 8, 1, 1), 1))]
    check = check_model(save(tmp_path / "m.onnx", nodes, tensors))
    found = {names: reason_for_nodes(check, names) for names in (("broken", "grouped"), ("computed", "good"), ("computed",))}
    told = {names: (reason.status, reason.reason, reason.proof) for names, reason in found.items() if reason is not None}
    assert told[("broken", "grouped")][::2] == ("ineligible", "suggested")
    assert told[("computed", "good")] == told[("computed",)] == ("undetermined", None, "unknown")


def test_a_node_of_a_branch_is_found_by_the_models_own_name(joined: ModelCheck) -> None:
    """TensorRT's parser adds where it stands; a branch may hold another node of the name, so nothing is proven."""
    where = " | then_graph (then_branch) | choose (If)"
    inside = reason_for_nodes(joined, [f"broken{where}", f"relu{where}"])
    assert inside is not None and (inside.reason, inside.proof) == ("pattern", "suggested")
    none = reason_for_nodes(joined, [f"relu{where}"])
    assert none is not None and (none.reason, none.proof) == ("op-kind", "suggested")
    assert reason_for_nodes(joined, [f"elsewhere{where}"]) is None and reason_for_nodes(joined, ["broken | choose"]) is None
    twice = replace(joined, weights=(*joined.weights, *joined.weights))
    assert reason_for_nodes(twice, [f"broken{where}"]) is None


def test_layers_without_weights_and_layers_the_model_does_not_have(joined: ModelCheck) -> None:
    reason = reason_for_nodes(joined, ["relu", "add"])
    assert reason is not None
    assert (reason.reason, reason.proof) == ("op-kind", "proven")
    assert reason_for_nodes(joined, ["relu", "elsewhere"]) is None
    assert reason_for_nodes(joined, []) is None
    by_output = reason_for_nodes(joined, ["c"])
    assert by_output is not None
    assert by_output.reason == "pattern"
