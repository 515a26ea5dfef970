"""Sizes that the log's ONNX parser prints: multiply-adds, parameters of convolutions, and the roofline of a layer without layer info."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    INFO_LINEAR,
    LAYER,
    SPARSE,
    Log,
    combination,
    engine_line,
    info,
    info_layer,
    layer,
    verdict,
)
from tests.onnx_builder import save, tensor
from trtlens.diagnose.explain import explain
from trtlens.diagnose.network import Convolution, convolution, groups_of, macs, right_operand
from trtlens.parse.build_log.records import NetworkNode

FIXTURE = Path(__file__).parents[2] / "fixtures" / "synthetic_small"


def node(operator: str, inputs: str, outputs: str, kernel: str | None = None) -> NetworkNode:
    return NetworkNode("n", operator, inputs, outputs, kernel, None, 1)


@pytest.mark.parametrize(
    ("operator", "inputs", "outputs", "expected"),
    [
        ("Conv", "[x -> (1, 64, 56, 56)[FLOAT]], [w -> (128, 64, 3, 3)[FLOAT]], ", "[y -> (1, 128, 28, 28)[FLOAT]], ", 128 * 28 * 28 * 64 * 9),
        ("Conv", "[x -> (2, 64, 8, 8)[FLOAT]], [w -> (64, 4, 3, 3)[FLOAT]], ", "[y -> (2, 64, 8, 8)[FLOAT]], ", 2 * 64 * 64 * 4 * 9),
        ("ConvTranspose", "[x -> (1, 8, 4, 4)[FLOAT]], [w -> (8, 6, 2, 2)[FLOAT]], ", "[y -> (1, 6, 8, 8)[FLOAT]], ", 8 * 16 * 6 * 4),
        ("Gemm", "[x -> (5, 7)[FLOAT]], [w -> (11, 7)[FLOAT]], ", "[y -> (5, 11)[FLOAT]], ", 5 * 7 * 11),
        ("Gemm", "[x -> (7, 5)[FLOAT]], [w -> (7, 11)[FLOAT]], ", "[y -> (5, 11)[FLOAT]], ", 5 * 7 * 11),
        ("MatMul", "[x -> (2, 3, 5, 7)[HALF]], [w -> (7, 11)[HALF]], ", "[y -> (2, 3, 5, 11)[HALF]], ", 2 * 3 * 5 * 7 * 11),
        ("MatMul", "[x -> (-1, 5, 7)[HALF]], [w -> (7, 11)[HALF]], ", "[y -> (-1, 5, 11)[HALF]], ", None),
        ("Relu", "[x -> (5, 7)[FLOAT]], ", "[y -> (5, 7)[FLOAT]], ", None),
        ("Add", "[x -> (5, 7)[FLOAT]], [z -> (5, 7)[FLOAT]], ", "[y -> (5, 7)[FLOAT]], ", None),
    ],
)
def test_multiply_adds(operator: str, inputs: str, outputs: str, expected: int | None) -> None:
    assert macs(node(operator, inputs, outputs)) == expected


WORDS = "kernel: (3, 5), strides: (1, 2), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 3), numOutputs: 16"
PADDING = ((1, 1), (1, 1))


def test_parameters_and_groups() -> None:
    shapes = "[x -> (1, 8, 9, 9)[FLOAT]], [w -> (16, 2, 3, 5)[FLOAT]], "
    assert convolution(node("Conv", shapes, "", WORDS)) == Convolution((3, 5), (1, 2), (1, 3), 4, 16, PADDING)
    assert convolution(node("Conv", shapes, "", f"{WORDS}, nbGroups: 2")) == Convolution((3, 5), (1, 2), (1, 3), 2, 16, PADDING)
    assert convolution(node("Conv", shapes, "", WORDS.replace("pre", ""))) == Convolution((3, 5), (1, 2), (1, 3), 4, 16)
    assert convolution(node("Conv", "", "", WORDS)) is None and groups_of(node("Conv", "", "", f"{WORDS}, nbGroups: 2")) == 2
    assert convolution(node("ConvTranspose", shapes, "", f"{WORDS}, nbGroups: 1")) is None
    assert convolution(node("Conv", shapes, "", "kernel: (3, 5), strides: (1), dilations: (1, 3)")) is None


@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=3).map(tuple), min_size=5, max_size=5), st.integers(1, 10**9), st.none() | st.integers(1, 64))
def test_the_usual_line_and_its_words_agree(sizes: list[tuple[int, ...]], outputs: int, groups: int | None) -> None:
    keys = ("kernel", "strides", "prepadding", "postpadding", "dilations")
    listed = ", ".join(f"{key}: ({', '.join(map(str, found))})" for key, found in zip(keys, sizes, strict=True))
    usual = f"Using {listed}, numOutputs: {outputs}" + (f", nbGroups: {groups}" if groups is not None else "")
    shapes = "[x -> (1, 8, 9, 9)[FLOAT]], [w -> (16, 2, 3, 5)[FLOAT]], "
    found = convolution(node("Conv", shapes, "", usual))
    assert found == convolution(node("Conv", shapes, "", f"{usual} "))  # which is not the usual line, so its words are looked for one by one
    assert (found is None) is not (len(sizes[0]) == len(sizes[1]) == len(sizes[4]))


@pytest.mark.parametrize("text", ["kernel: (3, , 3)", "kernel: ()", "kernel: (3, 3", "kernel: ,"])
def test_damaged_sizes_give_nothing(text: str) -> None:
    line = f"Using {text}, strides: (1, 1), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 1), numOutputs: (4, 4), nbGroups: (1, 1)"
    assert convolution(node("Conv", "", "", line)) is None


def test_a_log_alone_has_the_bounds_that_layer_info_gives() -> None:
    names = [str(FIXTURE / name) for name in ("build.log", "profile.json", "layer_info.json")]
    alone, both = explain(names[:2]).captures[0].main, explain(names).captures[0].main
    assert alone is not None and both is not None and both.summary.bound_ms is not None
    assert alone.summary.bound_ms == pytest.approx(both.summary.bound_ms)
    physical = {"memory-bound", "short-reduction", "few-tiles", "partial-tile"}
    said = [[{s.reason for s in layer.suspects} & physical for layer in build.layers] for build in (alone, both)]
    assert said[0] == said[1] and any(said[0])


@pytest.mark.parametrize(
    ("operator", "inputs", "name"),
    [
        ("MatMul", "[w -> (64, 64)[HALF]], [x -> (64, 4096)[HALF]], ", "x"),
        ("Gemm", "[x -> (5, 7)[FLOAT]], [w -> (11, 7)[FLOAT]], [b -> (11)[FLOAT]], ", "w"),
        ("MatMul", "[x -> (5, 5)[FLOAT]], [x -> (5, 5)[FLOAT]], ", None),
        ("MatMul", "[x -> (5, 5)[FLOAT]], ", None),
        ("Conv", "[x -> (1, 2, 3, 3)[FLOAT]], [w -> (4, 2, 3, 3)[FLOAT]], ", None),
    ],
)
def test_the_right_operand_of_a_product(operator: str, inputs: str, name: str | None) -> None:
    assert right_operand(node(operator, inputs, "")) == name and right_operand(NetworkNode("n", operator, None, None, None, None, 1)) is None


@pytest.mark.parametrize("left", [False, True], ids=["constant on the right", "constant on the left"])
@pytest.mark.parametrize("known_by", ["model", "log"])
def test_a_bound_is_not_that_of_another_product(left: bool, known_by: str, tmp_path: Path) -> None:
    """A product with weights of 64 x 64 takes microseconds, one with 4096 x 4096 takes more: tensors of the engine alone look the same."""
    text, shape, size = "Half(4096,1)", [64, 4096], 64 if left else 4096
    operands = ["w", "x"] if left else ["x", "w"]
    race = combination(LAYER, f"{text} -> {text}", [(DENSE, 0.05), (SPARSE, 0.07), (DENSE_2, 0.06)], DENSE, "CaskGemmMatrixMultiply")
    log = Log(layer(LAYER, race), [engine_line(LAYER, DENSE, "x (Half[64,4096])", "y (Half[64,4096])", "CaskGemmMatrixMultiply")])
    gemm = info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}, "CaskGemmMatrixMultiply", "MatrixMultiply")
    for side in ("Inputs", "Outputs"):
        gemm[side][0]["Dimensions"] = shape  # type: ignore[index]
    paths = [tmp_path / "build.log", tmp_path / "layer_info.json"]
    if known_by == "log":
        shapes = {"x": "(64, 4096)", "w": f"({size}, {size})"}
        inputs = "".join(f"[{name} -> {shapes[name]}[HALF]], " for name in operands)
        log.tuned = [f"Parsing node: {LAYER} [MatMul]", f"{LAYER} [MatMul] inputs: {inputs}", f"{LAYER} [MatMul] outputs: [y -> (64, 4096)[HALF]], ", *log.tuned]
    else:
        paths.append(save(tmp_path / "m.onnx", [onnx.helper.make_node("MatMul", operands, ["y"], name=LAYER)], [tensor("w", np.eye(size))], inputs={"x": shape}))
    found = verdict(tmp_path, log, info([gemm]))
    build = explain([str(path) for path in paths]).captures[0].main
    assert build is not None and found.best_dense_ms == 0.05 and build.layers[0].reason == "slower"
    assert (build.summary.bound_ms is None) is left
    assert bool({s.reason for s in build.layers[0].suspects} & {"memory-bound", "few-tiles", "partial-tile"}) is not left
