"""Layers of one engine found in another: what belongs together, what does not, and that neither depends on luck."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.factory import layer
from trtlens.diagnose.matching import Match, is_reformat, match_layers, parse_format
from trtlens.diagnose.model import LayerVerdict


def conv(name: str, *nodes: str, **changes: object) -> LayerVerdict:
    return layer(name, onnx_nodes=nodes, **changes)


def reformat(name: str) -> LayerVerdict:
    return layer(name, onnx_nodes=(), type="Reformat", status="other", reason=None)


def shaped(name: str, shape: str, kind: str = "CaskConvolution") -> LayerVerdict:
    return layer(name, onnx_nodes=(), type=kind, input_formats=(f"Half CHW16 {shape}",), output_formats=(f"Half CHW16 {shape}",))


def pairs(a: list[LayerVerdict], b: list[LayerVerdict]) -> list[tuple[list[str], list[str], str]]:
    return [([a[i].name for i in m.a], [b[i].name for i in m.b], m.by) for m in match_layers(a, b).matches]


def test_nodes_decide_whatever_the_layers_are_called() -> None:
    a = [conv("conv1 + relu1", "conv1", "relu1"), conv("conv2", "conv2")]
    b = [conv("[conv2]", "conv2"), conv("relu1(conv1)", "relu1", "conv1")]
    assert pairs(a, b) == [(["conv1 + relu1"], ["relu1(conv1)"], "nodes"), (["conv2"], ["[conv2]"], "nodes")]


def test_a_layer_that_was_split_is_one_group_and_so_is_its_inverse() -> None:
    a = [conv("conv1 + relu1 + add1", "conv1", "relu1", "add1"), conv("conv2", "conv2")]
    b = [conv("conv1", "conv1"), conv("PWN(relu1, add1)", "relu1", "add1"), conv("conv2", "conv2")]
    assert match_layers(a, b).matches == (Match((0,), (0, 1), "nodes"), Match((1,), (2,), "nodes"))
    assert match_layers(b, a).matches == (Match((0, 1), (0,), "nodes"), Match((2,), (1,), "nodes"))


def test_a_constant_that_many_layers_hold_does_not_glue_them_together() -> None:
    a = [conv(f"conv{i} + shape", f"conv{i}", "shape") for i in range(30)]
    b = [conv(f"conv{i} + relu{i} + shape", f"conv{i}", f"relu{i}", "shape") for i in range(30)]
    assert [(m.a, m.b) for m in match_layers(a, b).matches] == [((i,), (i,)) for i in range(30)]


def test_copies_of_a_layer_for_each_optimization_profile_meet_their_own() -> None:
    names = ["conv1 [profile 0]", "conv1 [profile 1]"]
    a = [conv(names[0], "conv1", optimization_profile=0), conv(names[1], "conv1", optimization_profile=1)]
    assert pairs(a, a[::-1]) == [([name], [name], "nodes") for name in names]
    # An engine with one profile prints none: it is compared with the first.
    alone = [conv("conv1", "conv1")]
    found = match_layers(alone, a)
    assert found.matches == (Match((0,), (0,), "nodes"),)
    assert found.only_b == (1,)


def test_names_join_what_has_no_nodes_and_equal_names_keep_their_order() -> None:
    a = [layer("__myl_Fc_myl0_1", onnx_nodes=()), layer("dup", onnx_nodes=()), layer("dup", onnx_nodes=()), reformat("copy of x")]
    b = [reformat("copy of x"), layer("dup", onnx_nodes=()), layer("__myl_Fc_myl0_7", onnx_nodes=()), layer("dup", onnx_nodes=())]
    assert [(m.a, m.b, m.by) for m in match_layers(a, b).matches] == [
        ((0,), (2,), "name"),
        ((1,), (1,), "name"),
        ((2,), (3,), "name"),
        ((3,), (0,), "name"),
    ]


def test_several_kernels_of_one_node_meet_their_likes() -> None:
    a = [conv("__myl_Fc_myl0_1", "ln"), conv("__myl_Add_myl0_2", "ln"), conv("x", "n", type="gemm"), conv("y", "n", type="kgen")]
    b = [conv("__myl_Add_myl3_9", "ln"), conv("__myl_Fc_myl3_8", "ln"), conv("p", "n", type="kgen"), conv("q", "n", type="gemm")]
    assert [(m.a, m.b) for m in match_layers(a, b).matches] == [((0,), (1,)), ((1,), (0,)), ((2,), (3,)), ((3,), (2,))]


def test_a_region_takes_in_what_lies_between_its_ends() -> None:
    a = [conv("{ForeignNode[first...last]}", "first", "last", type="Myelin"), conv("head", "head")]
    b = [conv("first", "first"), conv("middle", "middle"), conv("last", "last"), conv("head", "head"), conv("extra", "extra")]
    found = match_layers(a, b)
    assert found.matches == (Match((0,), (0, 1, 2), "region"), Match((1,), (3,), "nodes"))
    assert found.only_b == (4,)


def test_a_region_takes_in_the_other_engines_layers_whichever_side_it_is_on() -> None:
    parts = [conv("first", "first"), conv("middle", "middle"), conv("last", "last"), conv("head", "head")]
    region = [conv("{ForeignNode[first...last]}", "first", "last", type="Myelin"), conv("head", "head")]
    assert match_layers(parts, region).matches == (Match((0, 1, 2), (0,), "region"), Match((3,), (1,), "nodes"))
    assert [(m.a, m.b) for m in match_layers(region, region).matches] == [((0,), (0,)), ((1,), (1,))]


def test_what_lies_between_the_parts_of_a_layer_that_is_no_region_is_not_its_own() -> None:
    fused = [conv("first + last", "first", "last")]
    found = match_layers(fused, [conv("first", "first"), conv("middle", "middle"), conv("last", "last")])
    assert found.matches == (Match((0,), (0, 2), "nodes"),) and found.only_b == (1,)


def test_a_region_takes_in_no_copy_no_matched_layer_and_none_of_another_profile() -> None:
    region = [conv("{ForeignNode[first...last]}", "first", "last", type="Myelin"), conv("own", "own")]
    between = [conv("first", "first"), reformat("copy"), conv("own", "own"), conv("other [profile 1]", "x", optimization_profile=1), conv("last", "last")]
    found = match_layers(region, between)
    assert found.matches == (Match((0,), (0, 4), "nodes"), Match((1,), (2,), "nodes")) and found.only_b == (1, 3)


def test_the_closest_tie_counts_and_a_node_that_others_share_does_not() -> None:
    a = [conv(f"a{i}", f"n{i}", "shared") for i in range(2)]
    b = [conv(f"b{i}", f"n{i}", "shared", f"more{i}") for i in range(2)]
    assert [(m.a, m.b) for m in match_layers(a, b).matches] == [((0,), (0,)), ((1,), (1,))]


def test_the_optimization_profile_is_the_layers_own_before_it_is_its_names() -> None:
    mine = [conv("c", "n", optimization_profile=1)]
    assert match_layers(mine, [conv("c", "n"), conv("d", "n", optimization_profile=1)]).matches == (Match((0,), (1,), "nodes"),)
    assert match_layers(mine, [conv("c", "n"), conv("c [profile 1]", "n")]).matches == (Match((0,), (1,), "nodes"),)
    assert match_layers([conv("c", "n", optimization_profile=0)], [conv("c [profile 1]", "n"), conv("c", "n")]).matches == (Match((0,), (1,), "nodes"),)


def test_a_copy_is_no_layers_counterpart() -> None:
    """It may hold the nodes of the layer that it serves; it is known by its type, or by its name alone."""
    plain = [conv("conv", "n")]
    for copy in (conv("copy", "n", type="Reformat"), conv("copy", "n", type="NoOp"), conv("Reformatting CopyNode for Input Tensor 0 to conv", "n", type=None)):
        assert is_reformat(copy) and match_layers(plain, [copy]).matches == match_layers([copy], plain).matches == ()
    assert not is_reformat(plain[0])


def test_renamed_layers_are_found_by_shape_and_neighbours() -> None:
    shapes = ["1x3x8x8", "1x16x8x8", "1x16x8x8", "1x16x8x8", "1x32x4x4", "1x10"]
    a = [shaped(f"old{i}", shape) for i, shape in enumerate(shapes)]
    b = [shaped(f"new{i}", shape) for i, shape in enumerate(shapes)]
    assert [(m.a, m.b, m.by) for m in match_layers(a, b).matches] == [((i,), (i,), "structure") for i in range(len(shapes))]


def test_layers_that_nothing_tells_apart_stay_unmatched() -> None:
    found = match_layers([shaped("a0", "1x8"), shaped("a1", "1x8")], [shaped(f"b{i}", "1x8") for i in range(3)])
    assert [(m.a, m.b) for m in found.matches] == [((0,), (0,)), ((1,), (2,))]  # the first and the last are told by their neighbours
    assert found.only_b == (1,)


def test_of_two_that_are_alike_nothing_says_which_one_is_gone() -> None:
    """Each of the two stands next to a known layer; from the front the one would be what is left, from behind the other."""
    two = [conv("x", "x"), shaped("p", "1x8"), shaped("q", "1x8"), conv("z", "z")]
    one = [conv("x", "x"), shaped("r", "1x8"), conv("z", "z")]
    assert [m.by for m in match_layers(two, one).matches] == [m.by for m in match_layers(one, two).matches] == ["nodes", "nodes"]
    assert pairs([*two[:2], *two[3:]], one)[1] == (["p"], ["r"], "structure")


def test_what_is_alike_from_one_side_alone_is_found_from_there() -> None:
    """`r` follows `x` in both engines; behind it the one has a layer that the other lacks."""
    a = [conv("x", "x"), shaped("p", "1x8"), shaped("q", "1x9"), conv("z", "z")]
    b = [conv("x", "x"), shaped("r", "1x8"), conv("z", "z")]
    assert pairs(a, b) == pairs(a, [*b[:2], shaped("new", "1x7"), b[2]]) == [(["x"], ["x"], "nodes"), (["p"], ["r"], "structure"), (["z"], ["z"], "nodes")]
    assert pairs(a[::-1], b[::-1])[1] == (["p"], ["r"], "structure")


def test_a_layer_of_another_optimization_profile_is_not_the_next_one() -> None:
    x = conv("x", "x")
    assert pairs([x, shaped("p", "1x8")], [x, shaped("r", "1x8")])[1][2] == "structure"
    assert len(pairs([x, shaped("p", "1x8")], [x, shaped("r [profile 1]", "1x8")])) == 1


def test_a_long_row_of_equal_layers_is_followed_from_its_end() -> None:
    """Longer than what any look at the neighbours sees, and what follows the row stands in another order."""
    rows = [[shaped(f"{side}{i}", "1x8") for i in range(150)] for side in "ab"]
    ends = [conv("m1", "m1"), conv("m2", "m2")]
    found = match_layers([conv("x", "x"), *rows[0], *ends], [conv("x", "x"), *rows[1], *ends[::-1]])
    assert [(m.a, m.b) for m in found.matches if m.by == "structure"] == [((i,), (i,)) for i in range(1, 151)]


@pytest.mark.parametrize("copies", [0, 1])
def test_the_one_layer_of_its_kind_between_two_known_ones_is_found(copies: int) -> None:
    """Its neighbours are others in each engine; copies are no neighbours."""
    ends = [conv("x", "x")], [conv("z", "z")]
    a = [*ends[0], *[reformat("copy 1")] * copies, shaped("u1", "1x7"), shaped("p", "1x8"), shaped("u2", "1x9"), *[reformat("copy 2")] * copies, *ends[1]]
    b = [*ends[0], shaped("v1", "1x5"), shaped("r", "1x8"), shaped("v2", "1x6"), *ends[1]]
    for one, two, pair in ((a, b, (["p"], ["r"])), (b, a, (["r"], ["p"]))):
        assert [found[:2] for found in pairs(one, two) if found[2] == "structure"] == [pair]
    # Between other layers it is another one, and two of the kind cannot be told apart.
    assert not [found for found in pairs(a, [b[-1], *b[1:-1], b[0]]) if found[2] == "structure"]
    assert not [found for found in pairs(a, [*b[:2], shaped("r0", "1x8"), shaped("v3", "1x4"), *b[2:]]) if found[2] == "structure"]


def test_what_is_known_of_a_layer_decides_how_it_is_compared() -> None:
    x, z = conv("x", "x"), conv("z", "z")
    one = shaped("p", "1x8")
    for other, found in (
        (dataclasses.replace(shaped("r", "1x8", "gemm"), input_formats=("Int8 1x8",), output_formats=("Int8 1x8",)), True),
        (shaped("r", "1x9", "gemm"), False),
        (dataclasses.replace(shaped("r", "1x8", "gemm"), input_formats=()), False),
        (dataclasses.replace(shaped("r", "1x8"), output_formats=()), False),
    ):
        assert (pairs([x, one, z], [x, other, z])[1][2] == "structure") is found, other
    ins = [dataclasses.replace(shaped(name, "1x8"), output_formats=()) for name in ("p", "r")]
    outs = [dataclasses.replace(shaped(name, "1x8"), input_formats=()) for name in ("p", "r")]
    assert pairs([x, ins[0], z], [x, ins[1], z])[1] == pairs([x, outs[0], z], [x, outs[1], z])[1] == (["p"], ["r"], "structure")


def test_a_constant_that_all_layers_read_is_no_tie() -> None:
    a = [layer(f"a{i}", onnx_nodes=("shape", f"a{i}"), output_formats=(), input_formats=()) for i in range(40)]
    b = [layer(f"b{i}", onnx_nodes=("shape", f"b{i}"), output_formats=(), input_formats=()) for i in range(40)]
    assert match_layers(a, b).matches == ()


def test_layers_that_share_nothing_stay_unmatched() -> None:
    assert match_layers([layer("a", onnx_nodes=("x",))], [layer("b", onnx_nodes=("y",), output_formats=(), input_formats=())]).matches == ()


def test_a_format_text_is_taken_apart_only_where_it_has_that_form() -> None:
    assert parse_format("Half CHW16 1x64x-1x56") == parse_format("Half CHW16 1x64x-1x56")
    assert (parse_format("Half CHW16 1x64").layout, parse_format("Half CHW16 1x64").dimensions) == ("CHW16", "1x64")
    assert (parse_format("Half 1x64").layout, parse_format("Half 1x64").dimensions) == (None, "1x64")
    assert (parse_format("1x64").datatype, parse_format("1x64").dimensions) == ("1x64", None)
    assert (parse_format("Half CHW16 odd").datatype, parse_format("Half CHW16 odd 1x64").dimensions) == ("Half CHW16 odd", None)
    odd = "Half(401408,3136:8,56,1) with words behind it"
    assert parse_format(odd).datatype == odd


NODES = st.lists(st.sampled_from([f"n{i}" for i in range(8)]), max_size=3, unique=True)
ENGINES = st.lists(
    st.builds(
        lambda name, nodes, profile, kind, shape: layer(
            name, onnx_nodes=tuple(nodes), optimization_profile=profile, type=kind, input_formats=(f"Half {shape}",), output_formats=(f"Half {shape}",)
        ),
        st.sampled_from(["a", "b", "c", "{ForeignNode[a...b]}", "Reformatting CopyNode for Input Tensor 0 to a"]),
        NODES,
        st.sampled_from([None, 0, 1]),
        st.sampled_from(["CaskConvolution", "Myelin", None]),
        st.sampled_from(["1x8", "1x9"]),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(ENGINES, ENGINES)
def test_every_layer_is_in_exactly_one_place(a: list[LayerVerdict], b: list[LayerVerdict]) -> None:
    found = match_layers(a, b)
    for side, alone, total in (("a", found.only_a, len(a)), ("b", found.only_b, len(b))):
        places = [i for match in found.matches for i in getattr(match, side)] + list(alone)
        assert sorted(places) == list(range(total))
    assert all(match.a and match.b for match in found.matches)
    assert match_layers(a, b) == found


@settings(max_examples=80, deadline=None)
@given(ENGINES)
def test_an_engine_matches_itself_layer_by_layer_where_its_nodes_tell_them_apart(engine: list[LayerVerdict]) -> None:
    unique = [dataclasses.replace(one, onnx_nodes=(f"own{i}", *one.onnx_nodes), name=f"{one.name} + own{i}") for i, one in enumerate(engine)]
    assert [(m.a, m.b) for m in match_layers(unique, unique).matches] == [((i,), (i,)) for i in range(len(unique))]
