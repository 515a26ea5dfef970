"""Fused names and metadata: which ONNX nodes a layer stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.parse.layer_names import (
    _simple_parts,
    _taken_apart,
    myelin_operation,
    onnx_nodes_from_metadata,
    onnx_nodes_from_name,
    split_profile_suffix,
)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("Conv_663 + Add_664 + Relu_665", ("Conv_663", "Add_664", "Relu_665")),
        ("Conv_472 || Conv_443 || Conv_438", ("Conv_472", "Conv_443", "Conv_438")),
        ("PWN(a, b)", ("a", "b")),
        (
            "PWN(PWN(PWN(/q/Round), PWN(/q/Clip)), PWN(c + (Unnamed Layer* 16) [Shuffle], /q/Div))",
            ("/q/Round", "/q/Clip", "c", "(Unnamed Layer* 16) [Shuffle]", "/q/Div"),
        ),
        ("/conv/Conv + PWN(PWN(/act/Sigmoid), /act/Mul)", ("/conv/Conv", "/act/Sigmoid", "/act/Mul")),
        ("{ForeignNode[a...b]}", ("a", "b")),
        (
            "{ForeignNode[w + (Unnamed Layer* 1) [Shuffle].../x/Reshape + /x/Transpose]}",
            ("w", "(Unnamed Layer* 1) [Shuffle]", "/x/Reshape", "/x/Transpose"),
        ),
        ("2-layer MLP: /fc1/MatMul -> /fc2/MatMul", ("/fc1/MatMul", "/fc2/MatMul")),
        ("an odd name -> with an arrow", ("an odd name -> with an arrow",)),
        ("Reformatting CopyNode for Input Tensor 0 to Conv_663 + Add_664", ()),
        ("__myl_MulMinMaxRounCast_myl0_1", ()),
        ("/fc1/Gemm_myl0_2", ("/fc1/Gemm",)),
        ("reshape_before_/head/Gemm", ("reshape_before_/head/Gemm",)),
        ("(Unnamed Layer* 3) [Convolution]", ("(Unnamed Layer* 3) [Convolution]",)),
        ("Conv_1 + Relu_2 [profile 1]", ("Conv_1", "Relu_2")),
        ("/fc1/Gemm [profile 1]_myl15_2", ("/fc1/Gemm",)),
        (
            "[CONVOLUTION]-[aten_ops.convolution.default]-[/f/0/c] + [RELU]-[aten_ops.relu.default]-[/f/1/r]",
            ("[CONVOLUTION]-[aten_ops.convolution.default]-[/f/0/c]", "[RELU]-[aten_ops.relu.default]-[/f/1/r]"),
        ),
        ("Conv_1 + Conv_1", ("Conv_1",)),
        ("a(b + c", ("a(b", "c")),
        ("", ()),
    ],
)
def test_nodes_of_a_fused_name(name: str, nodes: tuple[str, ...]) -> None:
    assert onnx_nodes_from_name(name) == nodes


@pytest.mark.parametrize(
    ("metadata", "nodes"),
    [
        ("[ONNX Layer: a]\x1e[ONNX Layer: b]", ("a", "b")),
        ("[ONNX Layer: a]\x1f[ONNX Layer: b]", ("a", "b")),
        ("[ONNX Layer: a][ONNX Layer: b]", ("a", "b")),
        ("[ONNX Layer: a]\x1e", ("a",)),
        ("[ONNX Layer: /head/Gemm]__gemm_from_conv1x1\x1f[ONNX Layer: b]", ("/head/Gemm", "b")),
        ("[ONNX Layer: (Unnamed Layer* 3) [Convolution]]", ("(Unnamed Layer* 3) [Convolution]",)),
        ("", ()),
        ("something else", ()),
    ],
)
def test_nodes_of_metadata(metadata: str, nodes: tuple[str, ...]) -> None:
    assert onnx_nodes_from_metadata(metadata) == nodes


@pytest.mark.parametrize(
    ("name", "parts"),
    [("a [profile 0]", ("a", 0)), ("a [profile 12]", ("a", 12)), ("a [profile x]", ("a [profile x]", None)), ("a", ("a", None))],
)
def test_profile_suffix(name: str, parts: tuple[str, int | None]) -> None:
    assert split_profile_suffix(name) == parts


@given(
    st.lists(
        st.from_regex(r"\A[A-Za-z/._0-9]{1,12}\Z").filter(lambda n: not n.startswith(("__my", "_myl"))), min_size=1, max_size=8, unique=True
    )
)
def test_joined_plain_names_come_apart_again(names: list[str]) -> None:
    names = [f"n{name}x" for name in names]
    assert onnx_nodes_from_name(" + ".join(names)) == tuple(names)
    assert onnx_nodes_from_name(f"PWN({', '.join(names)})") == tuple(names)


@given(st.text(max_size=200), st.integers(0, 300))
def test_any_name_gives_distinct_parts(name: str, depth: int) -> None:
    nodes = onnx_nodes_from_name("PWN(" * depth + name + ")" * depth)
    assert len(set(nodes)) == len(nodes) and all(nodes)


_LEAF = st.sampled_from(["a", "/b/Conv", "x y", "+", ",", "PWN", "(Unnamed Layer* 3) [Shuffle]", "b(c", "d)", " ", ""])
_FUSED = st.recursive(
    _LEAF,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"PWN({', '.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(" + ".join),
        st.lists(inner, min_size=2, max_size=3).map(", ".join),
        st.lists(inner, min_size=1, max_size=3).map("".join),
    ),
    max_leaves=12,
)


@given(_FUSED)
def test_one_pass_takes_a_name_apart_as_the_whole_way_does(name: str) -> None:
    simple = _simple_parts(name)
    assert simple is None or simple == _taken_apart(name)


def test_the_usual_fused_names_need_one_pass() -> None:
    for name in ("Conv_1", "Conv_663 + Add_664 + Relu_665", "/c + PWN(PWN(/a/Sigmoid), /a/Mul)", "PWN(PWN(a, b), PWN(c + d))"):
        assert _simple_parts(name) == _taken_apart(name)


@pytest.mark.parametrize(
    ("name", "base", "profile", "operation"),
    [
        ("node_linear [profile 1]_myl15_1", "node_linear_myl15_1", 1, "node_linear"),
        ("node_linear_myl7_1", "node_linear_myl7_1", None, "node_linear"),
        ("__myl_MulSum_myl7_3", "__myl_MulSum_myl7_3", None, None),
        ("_myl7_3", "_myl7_3", None, None),
        ("conv1 [profile 2]", "conv1", 2, None),
        ("conv1 [profile 2] + relu", "conv1 [profile 2] + relu", None, None),
    ],
)
def test_a_myelin_instruction_says_its_operation_and_its_optimization_profile(name: str, base: str, profile: int | None, operation: str | None) -> None:
    assert split_profile_suffix(name) == (base, profile)
    assert myelin_operation(base) == operation
