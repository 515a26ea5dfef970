"""What stands between a stored weight and its operator: shapes and zeros are followed as ONNX's own reference implementation makes them, or not claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tests.onnx_builder import conv, dense, integers, save, tensor, two_four
from trtlens.diagnose.weights import WeightCheck, check_model
from trtlens.errors import InputError
from trtlens.parse.onnx_model import WeightUse, read_model

node = helper.make_node


def only(path: Path) -> WeightUse:
    (use,) = read_model(path).uses
    return use


def checked(path: Path) -> WeightCheck:
    (weight,) = check_model(str(path)).weights
    return weight


def reached(nodes: list[Any], tensors: list[Any], name: str) -> Any:
    """The tensor `name` as the reference implementation computes it; no other input than `tensors`."""
    graph = helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return ReferenceEvaluator(model).run(None, {})[0]


RESHAPES: dict[str, tuple[tuple[int, ...], str, list[int] | None, dict[str, Any]]] = {
    "Flatten at 2": ((3, 5, 4, 1), "Flatten", None, {"axis": 2}),
    "Flatten, the default": ((3, 5, 4), "Flatten", None, {}),
    "Flatten from behind": ((3, 5, 4), "Flatten", None, {"axis": -1}),
    "Flatten at 0": ((3, 4), "Flatten", None, {"axis": 0}),
    "Squeeze whatever is 1": ((1, 8, 1, 6), "Squeeze", None, {}),
    "Squeeze one axis": ((1, 1, 8, 6), "Squeeze", [1], {}),
    "Squeeze from behind": ((8, 6, 1), "Squeeze", [-1], {}),
    "Unsqueeze from behind": ((8, 6), "Unsqueeze", [-3], {}),
    "Unsqueeze twice": ((8, 6), "Unsqueeze", [0, 1], {}),
    "Reshape that copies": ((8, 3, 2), "Reshape", [0, -1], {}),
    "Reshape that infers": ((8, 6), "Reshape", [2, 4, -1], {}),
    "Reshape to the same": ((8, 6), "Reshape", [8, 6], {}),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_shapes_are_followed_as_the_reference_gives_them(tmp_path: Path, case: str) -> None:
    shape, operator, target, attributes = RESHAPES[case]
    stored = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    tensors = [tensor("w", stored)] + ([integers("s", target)] if target is not None else [])
    nodes = [node(operator, ["w"] + (["s"] if target is not None else []), ["v"], **attributes)]
    view = reached(nodes, tensors, "v")
    use = only(save(tmp_path / "m.onnx", [*nodes, node("MatMul", ["x", "v"], ["y"], name="m")], tensors, inputs={"x": [1, view.shape[-2]]}))
    assert use.ends == "stored" and use.view_shape == view.shape
    assert use.axis == view.ndim - 2
    claimed = stored.reshape(use.view_shape)
    step = int(np.prod(claimed.shape[use.axis + 1 :]))
    assert (np.diff(view, axis=-2) == step).all()
    if use.stored_axis is not None:
        assert shape[use.stored_axis] == view.shape[-2] and int(np.prod(shape[use.stored_axis + 1 :])) == step


@pytest.mark.parametrize(
    ("operator", "target", "attributes"),
    [
        ("Reshape", [-1, -1], {}),
        ("Reshape", [5, -1], {}),
        ("Reshape", [0, 6], {"allowzero": 1}),
        ("Reshape", [7, 7], {}),
        ("Reshape", [0, -1], {"allowzero": 1}),
        ("Reshape", None, {}),
        ("Unsqueeze", None, {}),
        ("Unsqueeze", list(range(40)), {}),
        ("Flatten", None, {"axis": 3}),
    ],
)
def test_a_shape_that_cannot_be_is_not_claimed(tmp_path: Path, operator: str, target: list[int] | None, attributes: dict[str, Any]) -> None:
    tensors = [tensor("w", dense((8, 6)))] + ([integers("s", target)] if target is not None else [])
    nodes = [node(operator, ["w"] + (["s"] if target is not None else []), ["v"], **attributes), node("MatMul", ["x", "v"], ["y"], name="m")]
    use = only(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8]}))
    assert (use.ends, use.axis, use.stored_axis) == ("stored", None, None)


@pytest.mark.parametrize(
    ("made_by", "known"),
    [("Identity", True), ("Cast", True), ("Add", False), ("input", False), ("float", False), ("long", False)],
)
def test_where_a_shape_comes_from(tmp_path: Path, made_by: str, known: bool) -> None:
    """GIVEN a Reshape whose shape is computed WHEN only copies stand before it THEN it is known, else nothing is claimed."""
    shape = tensor("s", np.array([8, 6]), "FLOAT") if made_by == "float" else integers("s", [8, 6] if made_by != "long" else [8, 6] + [1] * 70)
    before = {
        "Identity": [node("Identity", ["s"], ["t"])],
        "Cast": [node("Cast", ["s"], ["t"], to=TensorProto.INT64)],
        "Add": [node("Add", ["s", "s"], ["t"])],
    }.get(made_by, [])
    name = "t" if before else "x2" if made_by == "input" else "s"
    nodes = [*before, node("Reshape", ["w", name], ["v"]), node("MatMul", ["x", "v"], ["y"], name="m")]
    use = only(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8))), shape], inputs={"x": [1, 8], "x2": [2]}))
    assert (use.axis is not None) is known


def conforming(values: Any, axis: int) -> tuple[int, int]:
    """(groups of 4 along `axis`, those with at most two values that are not 0)."""
    moved = np.moveaxis(np.asarray(values), axis, -1)
    padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(0, -moved.shape[-1] % 4)])
    counts = (padded.reshape(*padded.shape[:-1], -1, 4) != 0).sum(-1)
    return counts.size, int((counts <= 2).sum())


ZEROS: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "along the default axis": (np.array([0, 0, 3, 0, 0, 0]), {}, ()),
    "along an axis from behind": (np.array([0, 5, 0, 0, 0, 1]), {"axis": -1}, ()),
    "along the reduction": (np.array([0] * 7 + [2]), {"axis": 0}, ()),
    "of blocks": (np.array([[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2]]), {"axis": 0, "block_size": 4}, ()),
    "of blocks behind a transpose": (np.array([[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2]]), {"axis": 0, "block_size": 4}, ("Transpose",)),
    "behind an axis more": (np.array([0, 0, 3, 0, 0, 0]), {"axis": 2}, ("Unsqueeze",)),
}


@pytest.mark.parametrize("case", ZEROS)
def test_zero_points_make_the_zeros_that_the_reference_makes(tmp_path: Path, case: str) -> None:
    zero, attributes, before = ZEROS[case]
    values = two_four((8, 6), 0)
    tensors = [tensor("w", values.T if "Transpose" in before else values, "INT8"), tensor("scale", np.ones(zero.shape)), tensor("zero", zero, "INT8")]
    nodes, name = [], "w"
    if "Transpose" in before:
        nodes, name = [node("Transpose", ["w"], ["t"], perm=[1, 0])], "t"
    if "Unsqueeze" in before:
        nodes, name = [node("Unsqueeze", ["w", "at"], ["t"])], "t"
        tensors.append(integers("at", [0]))
    nodes.append(node("DequantizeLinear", [name, "scale", "zero"], ["d"], **attributes))
    found = checked(save(tmp_path / "m.onnx", [*nodes, node("MatMul", ["x", "d"], ["y"], name="m")], tensors, inputs={"x": [1, 8]}))
    assert (found.groups, found.groups_conforming) == conforming(reached(nodes, tensors, "d"), -2)


@pytest.mark.parametrize(
    ("zero", "attributes"),
    [
        (np.array([0, 1, 0]), {"axis": 1}),  # does not fit the weight
        (np.array([0, 0, 3, 0, 0, 0]), {"axis": 7}),  # an axis that is not there
        (np.array([0, 0, 3, 0, 0, 0]), {"axis": -9}),
        (np.ones((2, 2, 2)), {"axis": 0}),
    ],
)
def test_a_zero_point_that_does_not_fit_leaves_no_zero_certain(tmp_path: Path, zero: Any, attributes: dict[str, Any]) -> None:
    tensors = [tensor("w", two_four((8, 6), 0), "INT8"), tensor("scale", np.ones(6)), tensor("zero", zero, "INT8")]
    nodes = [node("DequantizeLinear", ["w", "scale", "zero"], ["d"], **attributes), node("MatMul", ["x", "d"], ["y"], name="m")]
    found = checked(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8]}))
    assert (found.groups, found.groups_conforming) == (12, 0)


def test_a_zero_point_that_is_computed_leaves_no_zero_certain(tmp_path: Path) -> None:
    tensors = [tensor("w", two_four((8, 6), 0), "INT8"), tensor("scale", np.ones(6))]
    nodes = [node("DequantizeLinear", ["w", "scale", "given"], ["d"]), node("MatMul", ["x", "d"], ["y"], name="m")]
    found = checked(save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8], "given": [6]}))
    assert found.groups_conforming == 0 and found.status != "eligible"


@pytest.mark.parametrize(
    ("operator", "domain", "zero_type", "attributes", "expected"),
    [
        ("QuantizeLinear", "", "INT8", {}, "INT8"),
        ("QuantizeLinear", "", "FLOAT8E4M3FN", {}, "FLOAT8E4M3FN"),
        ("QuantizeLinear", "", None, {"output_dtype": TensorProto.INT4}, "INT4"),
        ("QuantizeLinear", "", None, {}, None),
        ("TRT_FP8QuantizeLinear", "trt", None, {}, "FLOAT8E4M3FN"),
        ("TRT_INT4QuantizeLinear", "trt", None, {}, "INT4"),
        ("TRT_NEWQuantizeLinear", "trt", None, {}, None),
    ],
)
def test_the_type_that_a_quantize_step_makes(tmp_path: Path, operator: str, domain: str, zero_type: str | None, attributes: dict[str, Any], expected: str | None) -> None:
    tensors = [tensor("w", dense((6, 8, 1, 1))), tensor("scale", np.array(1.0))]
    names = ["w", "scale"]
    if zero_type is not None:
        tensors.append(tensor("zero", np.array(0), zero_type))
        names.append("zero")
    nodes = [node(operator, names, ["q"], domain=domain, **attributes), node("DequantizeLinear", ["q", "scale"], ["d"]), conv("d")]
    assert only(save(tmp_path / "m.onnx", nodes, tensors)).chain[0].quantized_type == expected


def test_transposes_that_cannot_be_are_refused_in_one_line(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("Transpose", ["w"], ["t"], name="bad", perm=[0, 0]), node("MatMul", ["x", "t"], ["y"])], [tensor("w", dense((8, 6)))], inputs={"x": [1, 8]})
    with pytest.raises(InputError, match=r"Transpose has perm \[0, 0\] for rank 2"):
        read_model(path)


@pytest.mark.parametrize(
    ("nodes", "ends"),
    [
        ([node("Constant", [], ["t"], value_floats=[1.0] * 8)], "computed"),  # a constant that is no tensor
        ([node("Sin", ["w"], ["t"], name="sine")], "computed"),
        ([node("Add", ["w", "x"], ["t"])], "runtime"),
        ([node("Add", ["w", "ragged"], ["t"])], "computed"),  # shapes that do not broadcast
        ([node("Mine", ["w"], ["t"], domain="local")], "computed"),
        ([node("RandomNormal", [], ["t"], shape=[8, 6])], "runtime"),
        ([node("Shape", ["x"], ["s"]), node("Expand", ["w", "s"], ["t"])], "computed"),  # TensorRT folds sizes that the network fixes
        ([node("Shape", ["x"], ["s"]), node("Cast", ["s"], ["f"], to=TensorProto.FLOAT), node("Mul", ["f", "x"], ["t"])], "runtime"),
    ],
)
def test_what_ends_the_way_back(tmp_path: Path, nodes: list[onnx.NodeProto], ends: str) -> None:
    tensors = [tensor("w", dense((8, 6))), tensor("ragged", dense((5, 5)))]
    uses = read_model(save(tmp_path / "m.onnx", [*nodes, node("MatMul", ["x", "t"], ["y"], name="m")], tensors, inputs={"x": [1, 8]})).uses
    assert [use.ends for use in uses] == [ends]
