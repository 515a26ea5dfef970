"""What the reader finds in an ONNX file: weights, chains, axes, names, multiply-adds; and what it says of files that are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.onnx_builder import conv, dense, integers, make_external, raw_bytes, save, tensor, two_four
from trtlens.errors import InputError
from trtlens.parse import onnx_graph
from trtlens.parse.onnx_model import WeightUse, read_model
from trtlens.parse.onnx_tensor import read_array

node = helper.make_node


def only(path: Path) -> WeightUse:
    (use,) = read_model(path).uses
    return use


@pytest.mark.parametrize(
    ("operator", "shape", "attributes", "axis", "output_axis"),
    [
        ("Conv", (6, 8, 3, 3), {}, 1, 0),
        ("Conv", (6, 8, 3), {}, 1, 0),
        ("ConvTranspose", (8, 6, 3, 3), {}, 0, 1),
        ("Gemm", (8, 6), {}, 0, 1),
        ("Gemm", (6, 8), {"transB": 1}, 1, 0),
        ("MatMul", (8, 6), {}, 0, 1),
        ("MatMul", (2, 8, 6), {}, 1, 2),
        ("MatMul", (8,), {}, 0, None),
    ],
)
def test_the_reduction_axis_of_each_operator(
    tmp_path: Path, operator: str, shape: tuple[int, ...], attributes: dict[str, Any], axis: int, output_axis: int | None
) -> None:
    path = save(
        tmp_path / "m.onnx", [node(operator, ["x", "w"], ["y"], name="n", **attributes)], [tensor("w", dense(shape))], inputs={"x": [1, 8]}
    )
    use = only(path)
    assert (use.stored_axis, use.output_axis, use.weight, use.ends) == (axis, output_axis, "w", "stored")


@pytest.mark.parametrize(
    ("operator", "shape", "attributes", "axis"),
    [("Gemm", (6, 8), {}, 1), ("Gemm", (8, 6), {"transA": 1}, 0), ("MatMul", (6, 8), {}, 1), ("MatMul", (3, 6, 8), {}, 2)],
)
def test_a_constant_left_operand(tmp_path: Path, operator: str, shape: tuple[int, ...], attributes: dict[str, Any], axis: int) -> None:
    path = save(
        tmp_path / "m.onnx", [node(operator, ["w", "x"], ["y"], name="n", **attributes)], [tensor("w", dense(shape))], inputs={"x": [8, 5]}
    )
    assert (only(path).stored_axis, only(path).input_index) == (axis, 0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_axes_are_followed_through_transposes_and_reshapes_as_numpy_moves_them(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # GIVEN a chain of Transpose, Unsqueeze/Squeeze and Reshape steps before a MatMul, its weight holding its own positions
    shape = tuple(data.draw(st.permutations([2, 3, 4, 5])))
    stored = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    view, nodes, tensors, name = stored, [], [tensor("w0", stored)], "w0"
    for at in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["Transpose", "Unsqueeze", "Merge"]))
        if kind == "Transpose":
            perm = data.draw(st.permutations(range(view.ndim)))
            view, extra = view.transpose(perm), []
            nodes.append(node("Transpose", [name], [f"t{at}"], name=f"t{at}", perm=perm))
        else:
            if kind == "Unsqueeze":
                view = np.expand_dims(view, 0)
                extra = [integers(f"s{at}", [0])]
                nodes.append(node("Unsqueeze", [name, f"s{at}"], [f"t{at}"], name=f"t{at}"))
            else:
                keep = view.shape[-2:]
                view = view.reshape(-1, *keep)
                extra = [integers(f"s{at}", [-1, *keep])]
                nodes.append(node("Reshape", [name, f"s{at}"], [f"t{at}"], name=f"t{at}"))
        tensors += extra
        name = f"t{at}"
    nodes.append(node("MatMul", ["x", name], ["y"], name="matmul"))
    path = save(tmp_path_factory.mktemp("chain") / "m.onnx", nodes, tensors, inputs={"x": [1, view.shape[-2]]})
    use = only(path)
    # WHEN the reader says which axis of which shape is the reduction axis
    if use.view_shape is None or use.axis is None:
        return  # an axis that does not survive: nothing is claimed
    # THEN a step along it in the stored data is a step along axis -2 of what the operator gets
    claimed = stored.reshape(use.view_shape)
    step = int(np.prod(claimed.shape[use.axis + 1 :]))
    assert claimed.shape[use.axis] == view.shape[-2]
    assert (np.diff(view, axis=-2) == step).all()
    if use.stored_axis is not None:
        assert stored.shape[use.stored_axis] == view.shape[-2]
        assert int(np.prod(shape[use.stored_axis + 1 :])) == step


def test_an_axis_that_a_reshape_splits_is_not_claimed(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["w"], ["t"], perm=[1, 0]),
        node("Reshape", ["t", "shape"], ["v"]),
        node("MatMul", ["x", "v"], ["y"], name="m"),
    ]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8))), integers("shape", [16, 3])], inputs={"x": [1, 16]})
    assert (only(path).axis, only(path).stored_axis, only(path).ends) == (None, None, "stored")


def test_the_chain_is_recorded_in_the_order_of_the_data(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", ["w", "scale"], ["a"], name="dq"),
        node("Identity", ["a"], ["b"], name="id"),
        node("Cast", ["b"], ["c"], name="cast", to=TensorProto.FLOAT),
        node("Transpose", ["c"], ["d"], name="tr", perm=[3, 2, 0, 1]),
        conv("d"),
    ]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((3, 3, 8, 6)), "INT8"), tensor("scale", np.array(0.5))])
    use = only(path)
    assert [step.kind for step in use.chain] == ["dequantize", "identity", "cast", "transpose"]
    assert use.chain[3].permutation == (3, 2, 0, 1)
    assert (use.stored_axis, use.output_axis, use.labels) == (2, 3, ("r", "s", "c", "k"))


@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN", "INT4", "DOUBLE"])
@pytest.mark.parametrize("form", ["raw", "typed", "external"])
def test_bytes_are_the_same_in_every_form_of_storage(tmp_path: Path, dtype: str, form: str) -> None:
    for shape in [(5, 3), (96, 130)]:  # the larger one is left out of the skeleton
        values = two_four(shape, 1)
        path = save(
            tmp_path / "m.onnx",
            [node("MatMul", ["x", "w"], ["y"])],
            [tensor("w", values, dtype, typed=form == "typed")],
            inputs={"x": [1, shape[0]]},
        )
        if form == "external":
            make_external(path)
        stored = only(path).tensor
        assert stored is not None
        expected = np.frombuffer(raw_bytes(values, dtype), np.uint8)
        got = read_array(stored)
        if dtype == "INT4":
            assert (got.reshape(-1) == (values.reshape(-1) & 0xF)).all()
        else:
            assert (got.reshape(-1).view(np.uint8) == expected).all()
        assert got.shape == shape


def test_constant_nodes_shared_weights_and_overridable_initializers(tmp_path: Path) -> None:
    nodes = [
        node("Constant", [], ["w"], value=tensor("ignored", dense((8, 8)))),
        node("MatMul", ["x", "w"], ["h"], name="first"),
        node("Gemm", ["h", "w"], ["i"], name="second", transB=1),
        node("MatMul", ["i", "v"], ["y"], name="third"),
    ]
    path = save(tmp_path / "m.onnx", nodes, [tensor("v", dense((8, 8)))], inputs={"x": [1, 8], "v": [8, 8]})
    uses = read_model(path).uses
    assert [(use.node, use.weight, use.stored_axis) for use in uses] == [("first", "w", 0), ("second", "w", 1), ("third", "v", 0)]


def test_subgraphs_see_the_outer_graph(tmp_path: Path) -> None:
    branches = {}
    for branch, inner in (("then_branch", []), ("else_branch", [tensor("own", dense((8, 8)))])):
        weight = "own" if inner else "outer"
        out = helper.make_tensor_value_info(branch, TensorProto.FLOAT, None)
        branches[branch] = helper.make_graph([node("MatMul", ["x", weight], [branch], name=f"in_{branch}")], branch, [], [out], inner)
    nodes = [node("If", ["flag"], ["y"], name="if", **branches)]
    path = save(tmp_path / "m.onnx", nodes, [tensor("outer", dense((8, 8)))], inputs={"x": [1, 8], "flag": []})
    assert {(use.node, use.weight, use.ends) for use in read_model(path).uses} == {
        ("in_then_branch", "outer", "stored"),
        ("in_else_branch", "own", "stored"),
    }


def function(name: str, nodes: list[onnx.NodeProto], inputs: list[str], attributes: list[str] | None = None) -> onnx.FunctionProto:
    return helper.make_function("local", name, inputs, ["out"], nodes, [helper.make_opsetid("", 21)], attributes or [])


def test_local_functions_are_followed_at_each_call(tmp_path: Path) -> None:
    gemm = node("Gemm", ["a", "b"], ["out"], name="gemm")
    gemm.attribute.add(name="transB", ref_attr_name="flip", type=onnx.AttributeProto.INT)
    nodes = [
        node("Linear", ["x", "w"], ["h"], name="one", domain="local", flip=0),
        node("Linear", ["h", "w"], ["y"], name="two", domain="local", flip=1),
    ]
    path = save(
        tmp_path / "m.onnx",
        nodes,
        [tensor("w", dense((8, 8)))],
        inputs={"x": [1, 8]},
        functions=[function("Linear", [gemm], ["a", "b"], ["flip"])],
    )
    assert [(use.node, use.weight, use.stored_axis) for use in read_model(path).uses] == [("one/gemm", "w", 0), ("two/gemm", "w", 1)]


def test_a_weight_made_inside_a_function(tmp_path: Path) -> None:
    body = [node("Transpose", ["a"], ["out"], perm=[1, 0])]
    nodes = [node("Flip", ["w"], ["t"], name="flip", domain="local"), node("MatMul", ["x", "t"], ["y"], name="m")]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8)))], inputs={"x": [1, 8]}, functions=[function("Flip", body, ["a"])])
    assert (only(path).stored_axis, only(path).weight) == (1, "w")


def test_weights_that_are_no_constants(tmp_path: Path) -> None:
    nodes = [
        node("Add", ["w", "lora"], ["sum"]),
        node("MatMul", ["x", "sum"], ["h"], name="lora_matmul"),
        node("Concat", ["w", "w"], ["cat"], name="cat", axis=0),
        node("MatMul", ["z", "cat"], ["y"], name="computed"),
    ]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((8, 8)))], inputs={"x": [1, 8], "lora": [8, 8], "z": [1, 16]})
    first, second = read_model(path).uses
    assert (first.ends, first.tensor) == ("runtime", None)
    assert second.ends == "computed"
    assert "Concat" in second.ends_at


def test_a_product_that_grows_the_weight_is_not_followed(tmp_path: Path) -> None:
    nodes = [node("Mul", ["w", "row"], ["m"]), node("MatMul", ["x", "m"], ["y"])]
    path = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((8, 1))), tensor("row", dense((1, 6)))], inputs={"x": [1, 8]})
    assert only(path).ends == "computed"


def test_unnamed_nodes_are_called_as_the_parser_calls_them(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", [node("MatMul", ["x", "w"], ["out7"])], [tensor("w", dense((8, 8)))], inputs={"x": [1, 8]})
    assert (only(path).node, only(path).unnamed) == ("node_of_out7", True)
    assert "out7" in only(path).aliases


@pytest.mark.parametrize(
    ("nodes", "shape", "inputs", "macs"),
    [
        ([conv(pads=[1, 1, 1, 1])], (6, 8, 3, 3), {"x": [2, 8, 5, 7]}, 2 * 6 * 5 * 7 * 8 * 9),
        ([conv(group=2, strides=[2, 2])], (6, 4, 1, 1), {"x": ["batch", 8, 5, 5]}, 6 * 3 * 3 * 4),
        ([node("ConvTranspose", ["x", "w"], ["y"])], (8, 6, 3, 3), {"x": [1, 8, 5, 5]}, 8 * 25 * 6 * 9),
        ([node("Gemm", ["x", "w"], ["y"], transB=1)], (6, 8), {"x": [3, 8]}, 3 * 6 * 8),
        ([node("MatMul", ["x", "w"], ["y"])], (2, 8, 6), {"x": [2, 3, 8]}, 2 * 3 * 6 * 8),
        ([node("MatMul", ["w", "x"], ["y"])], (6, 8), {"x": [8, 5]}, 6 * 8 * 5),
        ([conv()], (6, 8, 3, 3), {"x": [1, 8, "height", 7]}, None),
    ],
)
def test_multiply_adds(tmp_path: Path, nodes: list[Any], shape: tuple[int, ...], inputs: dict[str, Any], macs: int | None) -> None:
    assert only(save(tmp_path / "m.onnx", nodes, [tensor("w", dense(shape))], inputs=inputs)).macs == macs


# Files that are not what they should be.


def fails(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_model(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def good(tmp_path: Path) -> Path:
    return save(tmp_path / "m.onnx", [conv(kernel_shape=[3, 3])], [tensor("w", dense((64, 8, 3, 3)))])


def test_files_that_are_no_models(tmp_path: Path) -> None:
    assert "no such file" in fails(tmp_path / "missing.onnx")
    assert "not a file" in fails(tmp_path)
    for content, word in (
        (b"", "empty"),
        (b"<html>hello</html>\n" * 9, "ONNX"),
        (bytes(range(256)) * 9, "ONNX"),
        (b"\x08\x07", "no graph"),
    ):
        (tmp_path / "bad.onnx").write_bytes(content)
        assert word in fails(tmp_path / "bad.onnx")


def test_a_truncated_model_is_an_error_wherever_it_ends(tmp_path: Path) -> None:
    data = good(tmp_path).read_bytes()
    bad = tmp_path / "bad.onnx"
    for end in [*range(1, 40), len(data) // 2, len(data) - 200, len(data) - 30]:
        bad.write_bytes(data[:end])
        fails(bad)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_give_a_traceback(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(good(folder).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "bad.onnx").write_bytes(bytes(content))
    try:
        read_model(folder / "bad.onnx")
    except InputError as error:
        assert "\n" not in str(error)


def test_external_data_missing_short_or_outside(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = good(folder)
    data = make_external(path)
    assert only(path).tensor is not None
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert "ends at byte" in fails(path)
    data.unlink()
    assert "missing" in fails(path)
    data.mkdir()
    assert "missing or not readable" in fails(path)
    data.rmdir()
    outside = tmp_path / "outside.bin"
    outside.write_bytes(whole)
    data.symlink_to(outside)
    assert "outside" in fails(path)


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/passwd", "C:\\outside.bin", "sub/../../outside.bin", "", "a\0b", "."])
def test_external_locations_that_leave_the_folder(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = good(folder)
    make_external(path)
    (tmp_path / "outside.bin").write_bytes((folder / "weights.bin").read_bytes())
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = location
    path.write_bytes(model.SerializeToString())
    text = fails(path)
    assert "external data" in text


@pytest.mark.parametrize(("key", "value"), [("offset", "-8"), ("offset", "99999999999999999999"), ("length", "7"), ("offset", "zero")])
def test_external_offsets_and_lengths(tmp_path: Path, key: str, value: str) -> None:
    path = good(tmp_path)
    make_external(path)
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    path.write_bytes(model.SerializeToString())
    fails(path)


def test_a_log_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("[01/02/2030-00:00:00] [V] [TRT] --------------- Timing Runner: a (CaskConvolution)\n")
    assert fails(path) == f"{path}: is a build log, not an ONNX model; give the model (.onnx); `trtlens explain` reads logs and layer information"


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = good(tmp_path)
    data = make_external(path)
    data.unlink()
    os.mkfifo(data)
    assert "external data" in fails(path)


@pytest.mark.parametrize(("operator", "shape"), [("Conv", ()), ("Conv", (8,)), ("Gemm", (2, 2, 2)), ("MatMul", ()), ("Gemm", ())])
def test_weights_of_a_rank_the_operator_cannot_take(tmp_path: Path, operator: str, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "m.onnx", [node(operator, ["x", "w"], ["y"], name="n")], [tensor("w", dense(shape))])
    assert "rank" in fails(path)


def test_wrong_sizes_and_types(tmp_path: Path) -> None:
    for change in ({"dims": [64, 8, 3, 4]}, {"dims": [64, 8, 3, -3]}, {"data_type": 99}):
        model = onnx.load(good(tmp_path))
        proto = model.graph.initializer[0]
        if "dims" in change:
            proto.dims[:] = change["dims"]  # type: ignore[index]
        else:
            proto.data_type = 99
        (tmp_path / "bad.onnx").write_bytes(model.SerializeToString())
        assert "'w'" in fails(tmp_path / "bad.onnx")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = good(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"conv", b"c\xffnv"))
    assert "UTF-8" in fails(path)
    path = good(tmp_path)
    make_external(path)
    path.write_bytes(path.read_bytes().replace(b"weights.bin", b"weights.b\xffn"))
    assert "UTF-8" in fails(path)


def test_absurd_shapes(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["y"])]
    huge = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[0, 10**15])
    assert only(save(tmp_path / "m.onnx", nodes, [huge])).tensor is not None
    deep = tensor("w", np.ones(4).reshape([1] * 30 + [2, 2]))
    deep.dims[:] = [1] * 40 + [2, 2]
    assert "dimensions" in fails(save(tmp_path / "m.onnx", nodes, [deep]))


def test_cycles(tmp_path: Path) -> None:
    nodes = [
        node("Identity", ["b"], ["a"], name="one"),
        node("Identity", ["a"], ["b"], name="two"),
        node("MatMul", ["x", "a"], ["y"], name="m"),
    ]
    assert "cycle" in fails(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((8, 8)))]))
    loop = function("Loop1", [node("Loop1", ["a"], ["out"], name="again", domain="local")], ["a"])
    path = save(tmp_path / "f.onnx", [node("Loop1", ["x"], ["y"], name="call", domain="local")], [], functions=[loop])
    assert "calls itself" in fails(path)


def test_nodes_in_the_wrong_order_are_no_cycle(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "t"], ["y"], name="m"), node("Transpose", ["w"], ["t"], perm=[1, 0])]
    assert only(save(tmp_path / "m.onnx", nodes, [tensor("w", dense((6, 8)))], inputs={"x": [1, 8]})).stored_axis == 1


def test_functions_that_multiply_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_NODES", 5000)
    functions = [function("F0", [node("Identity", ["a"], ["out"])], ["a"])]
    for level in range(1, 40):
        body = [node(f"F{level - 1}", ["a"], ["t"], domain="local"), node(f"F{level - 1}", ["t"], ["out"], domain="local")]
        functions.append(function(f"F{level}", body, ["a"]))
    path = save(tmp_path / "m.onnx", [node("F39", ["x"], ["y"], domain="local")], [], functions=functions)
    assert "more than" in fails(path)
