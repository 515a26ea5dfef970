"""`trtlens prune`: what it writes conforms, runs, and differs from the original in the weights alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from tests.capture import real_models
from tests.onnx_builder import conv, dense, make_external, raw_bytes, save, tensor, two_four
from trtlens.capture.prune import prune_model, to_drop
from trtlens.diagnose.weights import check_model
from trtlens.errors import InputError, UsageError
from trtlens.parse import onnx_blocks
from trtlens.parse.onnx_tensor import ELEMENT_TYPES

node = helper.make_node


def values_of(path: Path, name: str) -> Any:
    return next(numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer if t.name == name).astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 10), st.integers(1, 3)), elements=st.integers(-7, 7)),
    dtype=st.sampled_from(["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN"]),
)
def test_the_two_largest_of_every_four_stay(values: Any, dtype: str) -> None:
    element = next(e for e in ELEMENT_TYPES.values() if e.name == dtype)
    bits = np.frombuffer(raw_bytes(values, dtype), f"<u{element.bits // 8}").reshape(values.shape)
    drop = to_drop(bits, element)
    for outer, start, inner in np.ndindex(values.shape[0], -(-values.shape[1] // 4), values.shape[2]):
        group = np.abs(values[outer, start * 4 : start * 4 + 4, inner])
        kept = np.where(drop[outer, start * 4 : start * 4 + 4, inner], 0, group)
        assert np.count_nonzero(kept) <= 2
        assert sorted(kept)[::-1][:2] == sorted(group)[::-1][:2]
        if np.count_nonzero(group) <= 2:
            assert (kept == group).all()


@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN"])
@pytest.mark.parametrize("form", ["raw", "typed", "external"])
@pytest.mark.parametrize("block", [1 << 17, 32])
def test_every_type_and_storage(tmp_path: Path, dtype: str, form: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_blocks, "BLOCK_ELEMENTS", block)
    nodes: list[Any] = [conv("w", "h", "conv"), node("MatMul", ["h", "m"], ["y"], name="matmul")]
    tensors = [
        tensor("w", dense((16, 8, 1, 1)), dtype, typed=form == "typed"),
        tensor("m", dense((70, 35)), dtype, typed=form == "typed"),
        tensor("kept", two_four((9, 9), 1), dtype),
    ]
    source = save(tmp_path / "m.onnx", nodes, tensors, inputs={"x": [1, 8, 5, 70]})
    if form == "external":
        make_external(source)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = prune_model(source, tmp_path / "out.onnx")
    check = check_model(tmp_path / "out.onnx")
    assert [weight.status for weight in check.weights] == ["eligible", "eligible"]
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in before} == {
        path.name for path in (result.path, *result.data_files)
    }
    assert len(result.data_files) == (form == "external")
    # Nothing but the small values of the two weights changed.
    assert (values_of(tmp_path / "out.onnx", "kept") == values_of(source, "kept")).all()
    for name in ("w", "m"):
        old, new = values_of(source, name), values_of(tmp_path / "out.onnx", name)
        assert ((new == old) | (new == 0)).all()
        assert np.count_nonzero(new) * 2 >= new.size
    assert "ACCURACY IS NOT KEPT" in result.message


def test_only_weight_bytes_differ_in_a_model_without_external_data(tmp_path: Path) -> None:
    source = save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((16, 8, 3, 3)))])
    model = onnx.load(source)
    model.metadata_props.add(key="author", value="someone")
    data = model.SerializeToString() + b"\xfa\x3f\x03abc"  # a field that no reader knows must survive
    source.write_bytes(data)
    prune_model(source, tmp_path / "out.onnx")
    pruned = (tmp_path / "out.onnx").read_bytes()
    assert len(pruned) == len(data)
    start = data.index(onnx.load(source).graph.initializer[0].raw_data)
    assert data[:start] == pruned[:start]
    assert data[start + 16 * 8 * 9 * 4 :] == pruned[start + 16 * 8 * 9 * 4 :]


def test_a_weight_used_along_two_axes_conforms_along_both(tmp_path: Path) -> None:
    nodes = [node("MatMul", ["x", "w"], ["h"], name="first"), node("Gemm", ["h", "w"], ["y"], name="second", transB=1)]
    source = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((16, 16)))], inputs={"x": [1, 16]})
    result = prune_model(source, tmp_path / "out.onnx")
    assert [weight.status for weight in check_model(tmp_path / "out.onnx").weights] == ["eligible", "eligible"]
    assert result.weights[0].axes == (0, 1)
    assert "two axes" in result.message


def test_int8_behind_dequantize_and_what_is_left_alone(tmp_path: Path) -> None:
    nodes: list[Any] = [
        node("DequantizeLinear", ["a", "scale"], ["da"]),
        conv("da", "x1", "plain"),
        node("DequantizeLinear", ["b", "scale", "zero"], ["db"]),
        conv("db", "x2", "moved"),
        node("Constant", [], ["c"], value=tensor("c", dense((6, 8, 1, 1)))),
        conv("c", "x3", "constant_node"),
        conv("d", "x4", "grouped", group=2),
        node("Add", ["e", "e1"], ["es"]),
        conv("es", "y", "added"),
    ]
    tensors = [
        tensor("a", dense((6, 8, 1, 1)) - 20, "INT8"),
        tensor("b", dense((6, 8, 1, 1)), "INT8"),
        tensor("d", dense((6, 4, 1, 1))),
        tensor("e", dense((6, 8, 1, 1))),
        tensor("e1", dense((6, 8, 1, 1))),
        tensor("scale", np.array(0.1)),
        tensor("zero", np.array(3), "INT8"),
    ]
    source = save(tmp_path / "m.onnx", nodes, tensors)
    result = prune_model(source, tmp_path / "out.onnx")
    status = {weight.name: weight.status for weight in check_model(tmp_path / "out.onnx").weights}
    assert status == {
        "plain": "eligible",
        "moved": "ineligible",
        "constant_node": "eligible",
        "grouped": "ineligible",
        "added": "ineligible",
    }
    assert {name for name, _ in result.skipped} == {"moved", "grouped", "added"}
    for name in ("b", "d", "e", "e1"):
        assert (values_of(source, name) == values_of(tmp_path / "out.onnx", name)).all()


def test_weights_in_functions_and_subgraphs(tmp_path: Path) -> None:
    body = [node("MatMul", ["a", "b"], ["out"], name="m")]
    function = helper.make_function("local", "Linear", ["a", "b"], ["out"], body, [helper.make_opsetid("", 21)])
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, None)
    branch = helper.make_graph([node("MatMul", ["h", "v"], ["o"], name="inner")], "b", [], [out], [tensor("v", dense((16, 16)))])
    nodes = [
        node("Linear", ["x", "w"], ["h"], name="call", domain="local"),
        node("If", ["flag"], ["y"], name="if", then_branch=branch, else_branch=branch),
    ]
    inputs: dict[str, Any] = {"x": [1, 16], "flag": []}
    source = save(tmp_path / "m.onnx", nodes, [tensor("w", dense((16, 16)))], inputs=inputs, functions=[function])
    prune_model(source, tmp_path / "out.onnx")
    assert [weight.status for weight in check_model(tmp_path / "out.onnx").weights] == ["eligible"] * 3


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path: Path) -> None:
    source = save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((16, 8, 3, 3)))])
    make_external(source)
    for taken in ("out.onnx", "out.onnx.data"):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(UsageError, match="overwrites nothing"):
            prune_model(source, tmp_path / "out.onnx")
        assert (tmp_path / taken).read_text() == "mine"
        (tmp_path / taken).unlink()
    with pytest.raises(UsageError, match="overwrites nothing"):
        prune_model(source, source)
    with pytest.raises(UsageError, match="does not exist"):
        prune_model(source, tmp_path / "nowhere" / "out.onnx")
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(InputError, match="ends at byte"):
        prune_model(source, tmp_path / "out.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"m.onnx", "weights.bin"}


def test_the_pruned_file_runs(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install trtlens[dev])")
    source = save(tmp_path / "m.onnx", [conv(pads=[1, 1, 1, 1])], [tensor("w", dense((16, 8, 3, 3)))])
    make_external(source)
    prune_model(source, tmp_path / "out.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "out.onnx"), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"x": np.ones((1, 8, 5, 5), np.float32)})
    weights = values_of(tmp_path / "out.onnx", "w")
    assert np.allclose(result[0, :, 2, 2], weights.sum((1, 2, 3)))


@pytest.mark.parametrize("package", real_models.WHEELS)
def test_models_that_people_ship(tmp_path: Path, package: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (pip install trtlens[dev])")
    models = real_models.all_models(package)
    assert models
    for number, source in enumerate(models):
        target = tmp_path / f"{number}.onnx"
        before = check_model(source)
        assert before.weights
        result = prune_model(source, target)
        after = check_model(target)
        qualified = {weight.name for weight in before.weights if weight.status == "eligible"}
        skipped = {name for name, _ in result.skipped}
        for weight in after.weights:
            assert (weight.status == "eligible") == (weight.name not in skipped)
        assert qualified <= {weight.name for weight in after.weights if weight.status == "eligible"}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"])
