"""Format descriptors: the forms of every dialect, what strides admit, which reformats copy nothing, and every line of real logs."""



from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.parse import formats
from trtlens.parse.formats import (
    FormatCombination,
    TensorFormat,
    first_input_type,
    innermost_first,
    parse_combination,
    parse_format,
    parse_reformat,
    same_memory_layout,
    types_and_lanes,
)

CORPUS = Path(os.environ.get("TRTLENS_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))


def form(text: str) -> TensorFormat:
    found = parse_format(text)
    assert found is not None, text
    return found


def combination(text: str, reverse: bool = False) -> FormatCombination:
    found = parse_combination(text, reverse)
    assert found is not None, text
    return found


def test_several_inputs_with_a_suffix() -> None:
    found = combination("Float(16800,8400,1), Float(33600,8400,1) long-strided -> Float(16800,8400,1)")
    assert found.inputs == (
        TensorFormat("Float(16800,8400,1)", "Float", (16800, 8400, 1)),
        TensorFormat("Float(33600,8400,1) long-strided", "Float", (33600, 8400, 1), long_strided=True),
    )
    assert found.outputs == (TensorFormat("Float(16800,8400,1)", "Float", (16800, 8400, 1)),)
    assert found.where is None


def test_vectorised_strides_and_hazard() -> None:
    found = combination("Float(56320,1:4,1760,20) hazard -> Half(38400,480:2,30,1)")
    assert found.inputs == (TensorFormat("Float(56320,1:4,1760,20) hazard", "Float", (56320, 1, 1760, 20), 1, 4, hazard=True),)
    assert found.outputs == (TensorFormat("Half(38400,480:2,30,1)", "Half", (38400, 480, 30, 1), 1, 2),)


def test_symbolic_strides_share_the_tail_of_the_line() -> None:
    text = "Float(1,E0,(# 0 (SHAPE input))) -> Float(4:4,(* 4 E0),E0) long-strided where E0=(* 128 (# 0 (SHAPE input)))"
    found = combination(text)
    tail = "E0=(* 128 (# 0 (SHAPE input)))"
    assert found.where == tail
    assert found.inputs == (TensorFormat("Float(1,E0,(# 0 (SHAPE input)))", "Float", (1, "E0", "(# 0 (SHAPE input))"), where=tail),)
    assert found.outputs == (TensorFormat("Float(4:4,(* 4 E0),E0) long-strided", "Float", (4, "(* 4 E0)", "E0"), 0, 4, True, where=tail),)
    assert found.inputs[0].symbolic and found.outputs[0].symbolic
    assert combination("Float((* 64 (# 0 (SHAPE t))):4,1,1) -> Float(1,1)").inputs[0].strides == ("(* 64 (# 0 (SHAPE t)))", 1, 1)


def test_tensor_names_inside_expressions_may_look_like_syntax() -> None:
    found = combination("Half((# 0 (SHAPE a, b -> where (c))),1), Half(2,1) -> Half((* 2 (* 3 (* 4 (* 5 (* 6 (# 0 (SHAPE x))))))),1)")
    assert [tensor.strides for tensor in found.inputs] == [("(# 0 (SHAPE a, b -> where (c)))", 1), (2, 1)]
    assert found.outputs[0].strides == ("(* 2 (* 3 (* 4 (* 5 (* 6 (# 0 (SHAPE x)))))))", 1)


def test_each_side_of_a_reformat_may_have_its_own_tail() -> None:
    pair = parse_reformat("Float(4:4,E0,E0) where E0=(CEIL_DIV (# 0 (SHAPE input)) 4) -> Float(E0,1) where E0=(* 4 (# 0 (SHAPE input)))")
    assert pair is not None
    assert [side.where for side in pair] == ["E0=(CEIL_DIV (# 0 (SHAPE input)) 4)", "E0=(* 4 (# 0 (SHAPE input)))"]


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"), [(" -> Float(1,1)", 0, 1), ("-> Float(1,1)", 0, 1), ("Int32(1) -> ", 1, 0), ("->", 0, 0), (" -> ", 0, 0)]
)
def test_a_side_may_be_empty(text: str, inputs: int, outputs: int) -> None:
    found = combination(text)
    assert (len(found.inputs), len(found.outputs)) == (inputs, outputs)


@pytest.mark.parametrize("word", ["Float", "Half", "BFloat16", "Int8", "Int32", "Int64", "Bool", "FP8", "UInt8", "Int4", "FP4", "E8M0", "Novel16"])
def test_type_words_are_kept(word: str) -> None:
    assert form(f"{word}(16,1)").datatype == word


@pytest.mark.parametrize(
    "text",
    ["", "foo", "Half(1)", "Half(1,1 -> Half(1,1)", "Half(1)) -> Half(1)", "Int8(1), -> Int8(1)", "Int8(1:4,1:4) -> Int8(1)", "Half(1:0) -> Half(1)",
     "Half(1) -> Half(1) -> Half(1)", "Half(1)Half(1) -> Half(1)", "Half(1) -> Half(E0,1) where E0", "Half(" + "(" * 5000 + ")" * 5000 + ") -> Half(1)"],
)  # fmt: skip
def test_what_is_no_combination_gives_none(text: str) -> None:
    assert parse_combination(text) is None


def test_a_reformat_has_one_tensor_a_side() -> None:
    assert parse_reformat("Float(784,784,28,1) -> Float(784,1,28,1)") == (form("Float(784,784,28,1)"), form("Float(784,1,28,1)"))
    assert parse_reformat(" Half(1,1) -> ") is None
    assert parse_reformat("Half(1,1), Half(1,1) -> Half(1,1)") is None
    assert parse_format("Half(1,1), Half(1,1)") is None


LAYOUTS = [
    ("Half(76800,480,30,1)", "LINEAR"),
    ("Half(76800,1,4800,160)", "HWC"),
    ("Half(38400,480:2,30,1)", "CHW2"),
    ("Half(19200,1:4,1200,40)", "HWC4"),
    ("Half(9600,1:8,600,20)", "HWC8"),
    ("Half(4800,1:16,300,10)", "HWC16"),
    ("Int8(19200,480:4,30,1)", "CHW4"),
    ("Int8(2400,480:32,30,1)", "CHW32"),
    ("Half(4800,480:16,30,1)", "CHW16"),
    ("Int8(614400,614400:32,960,1)", "CHW32"),
    ("Half(1920,1:8,960,60,2)", "DHWC8"),
    ("Int8(1920,960:32,60,30,1)", "CDHW32"),
    ("Float(3840,1,1920,120,4)", "DHWC"),
    ("Half(1600,4,4:32,4,1)", "CHW32"),
    ("Float(1,E0,(# 0 (SHAPE input))) where E0=(* 2 (# 0 (SHAPE input)))", "HWC"),
    ("Float(33600,8400,1) long-strided", "LINEAR"),
    ("Float()", "LINEAR"),
    ("Int32(1)", "LINEAR"),
]


@pytest.mark.parametrize(("text", "layout"), LAYOUTS)
def test_strides_alone_decide_most_layouts(text: str, layout: str) -> None:
    assert form(text).layout() == layout
    assert layout in form(text).layouts


@pytest.mark.parametrize(
    ("text", "layouts", "dimensions", "layout"),
    [
        ("Float(64,1,1,1)", ("LINEAR", "HWC"), (1, 64, 1, 1), "LINEAR"),
        ("Float(64,1,1,1)", ("LINEAR", "HWC"), (1, 1, 64, 1), "HWC"),
        ("Half(192,1:2,1,1)", ("CHW2", "HWC2"), (1, 384, 1, 1), "CHW2"),
        ("Half(192,1:2,1,1)", ("CHW2", "HWC2"), (1, 2, 192, 1), "HWC2"),
        ("Half(1,1:16,1,1)", ("HWC16", "CHW16"), (1, 16, 1, 1), "HWC16"),
        ("Float(64,1,1,1)", ("LINEAR", "HWC"), (1, 32, 1, 1), None),  # these are not the tensor's dimensions
    ],
)
def test_dimensions_decide_where_strides_cannot(text: str, layouts: tuple[str, ...], dimensions: tuple[int, ...], layout: str | None) -> None:
    assert form(text).layouts == layouts
    assert form(text).layout() is None
    assert form(text).layout((-1, *dimensions[1:])) is None
    assert form(text).layout(dimensions[1:]) is None
    assert form(text).layout(dimensions) == layout


def test_strides_of_no_layout_name_none() -> None:
    assert form("Float(3,56,7,5)").layouts == ()
    assert form("Float(0,1)").layout((4, 4)) is None


def test_tensorrt_7_strides_run_innermost_first() -> None:
    text = "Float(1,56,3136,401408) -> Float(1,56,3136,802816)"
    found = combination(text, True)
    assert found.inputs[0].strides == (401408, 3136, 56, 1)
    assert found.inputs[0].layout() == "LINEAR"
    assert form("Half(1,14,196:2,25088)").vector_axis == 2
    assert combination("Half(1,14,196:2,25088) ->", True).inputs[0] == TensorFormat("Half(1,14,196:2,25088)", "Half", (25088, 196, 14, 1), 1, 2)
    assert innermost_first(text) is True
    assert innermost_first("Float(784,784,28,1) -> Float(25088,784,28,1)") is False
    assert innermost_first("Float(1,1,1,1) -> Float(1,1,1,1)") is None
    assert innermost_first("no formats") is None


@pytest.mark.parametrize(
    ("a", "b", "dimensions", "same"),
    [
        # 288 channels fill vectors of 8 and of 16: the NoOp reformats of NVIDIA/TensorRT issue 4056
        ("Half(17280,1:8,1080,36)", "Half(8640,1:16,540,18)", (1, 288, 16, 30), True),
        ("Half(90,1:8,90,3)", "Half(60,1:16,60,2)", (1, 24, 1, 30), False),  # 24 channels are padded to 32
        ("Half(1,1:8,1,1)", "Half(1,1:16,1,1)", (1, 8, 1, 1), False),  # the same addresses, but 8 more channels of padding
        ("Half(480,480,30,1)", "Half(480,1,30,1)", (1, 1, 16, 30), True),  # one channel: planar is channels-last
        ("Half(76800,480,30,1)", "Half(76800,1,4800,160)", (1, 160, 16, 30), False),
        ("Half(76800,480,30,1)", "Float(76800,480,30,1)", (1, 160, 16, 30), False),
        ("Half(76800,1,4800,160)", "Half(9600,1:8,600,20)", (1, 160, 16, 30), True),  # 160 = 20 x 8 without padding
        ("Half(76800,480,30,1)", "Half(76800,480,30,1)", None, True),
        ("Half(76800,480,30,1)", "Half(76800,1,4800,160)", None, None),
        ("Half(76800,480,30,1)", "Half(76800,1,4800,160)", (-1, 160, 16, 30), None),
        ("Half(76800,480,30,1)", "Half(480,30,1)", (1, 160, 16, 30), None),
        ("Half(76800,480,30,1)", "Half(153600,480,30,1) long-strided", (1, 160, 16, 30), None),  # equal addresses: is the buffer shared?
        ("Half(76800,480,30,1)", "Half(153600,480,30,1) long-strided", (2, 160, 16, 30), False),
        ("Half(E0,1) where E0=(# 0 (SHAPE x))", "Half(E0,1) where E0=(# 0 (SHAPE x))", None, True),
        ("Half(E0,1) where E0=(# 0 (SHAPE x))", "Half(E0,1) where E0=(# 1 (SHAPE x))", (4, 4), None),
    ],
)
def test_same_memory_layout(a: str, b: str, dimensions: tuple[int, ...] | None, same: bool | None) -> None:
    assert same_memory_layout(form(a), form(b), dimensions) is same
    assert same_memory_layout(form(b), form(a), dimensions) is same


def dense(dimensions: tuple[int, ...], axis: int | None, lanes: int | None, last: bool) -> TensorFormat:
    """A dense tensor written as TensorRT writes it."""
    extents = [-(-size // lanes) if index == axis and lanes else size for index, size in enumerate(dimensions)]
    order = [index for index in range(len(dimensions)) if not (last and index == axis)] + ([axis] if last and axis is not None else [])
    strides = dict.fromkeys(order, 1)
    step = 1
    for index in reversed(order):
        strides[index] = step
        step *= extents[index]
    inside = ",".join(f"{strides[index]}:{lanes}" if index == axis and lanes else str(strides[index]) for index in range(len(dimensions)))
    return form(f"Half({inside})")


SIZES = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 4), st.integers(1, 4))
FORMS = st.tuples(st.sampled_from([None, 2, 4, 8, 16, 32]), st.booleans())
NAMES = {
    (None, False): "LINEAR", (None, True): "HWC", (2, False): "CHW2", (2, True): "HWC2", (4, False): "CHW4", (4, True): "HWC4",
    (8, True): "HWC8", (16, False): "CHW16", (16, True): "HWC16", (32, False): "CHW32",
}  # fmt: skip


@given(SIZES, st.sampled_from(sorted(NAMES, key=str)))
def test_a_dense_tensor_has_the_layout_it_was_made_with(dimensions: tuple[int, ...], kind: tuple[int | None, bool]) -> None:
    tensor = dense(dimensions, 1, *kind)
    assert NAMES[kind] in tensor.layouts
    chosen = tensor.layout(dimensions)
    if chosen != NAMES[kind]:  # only where both names give the same strides
        assert chosen is not None
        assert dense(dimensions, 1, kind[0], chosen.startswith("HWC")).strides == tensor.strides


@given(SIZES, FORMS, FORMS)
def test_same_memory_layout_agrees_with_enumerating_every_address(
    dimensions: tuple[int, ...], first: tuple[int | None, bool], second: tuple[int | None, bool]
) -> None:
    def addresses(tensor: TensorFormat) -> tuple[list[int], int]:
        lanes = tensor.lanes or 1
        strides = [int(stride) for stride in tensor.strides]
        out = []
        for point in itertools.product(*map(range, dimensions)):
            parts = [p // lanes if i == tensor.vector_axis else p for i, p in enumerate(point)]
            inner = point[tensor.vector_axis] % lanes if tensor.vector_axis is not None else 0
            out.append(sum(p * s for p, s in zip(parts, strides, strict=True)) * lanes + inner)
        extents = [-(-d // lanes) if i == tensor.vector_axis else d for i, d in enumerate(dimensions)]
        size = 1
        for extent in extents:
            size *= extent
        return out, size * lanes

    a, b = dense(dimensions, 1, *first), dense(dimensions, 1, *second)
    assert same_memory_layout(a, b, dimensions) is (addresses(a) == addresses(b))


STRIDES = st.lists(st.integers(0, 10**12).map(str) | st.builds("{}:{}".format, st.integers(0, 10**6), st.sampled_from([2, 4, 8, 16, 32])), max_size=6)
TENSORS = st.builds(
    "{}({}){}".format, st.sampled_from(["Half", "Int8", "FP8", "Odd_Type"]), STRIDES.map(",".join), st.sampled_from(["", " long-strided", " hazard"])
)


def typed(whole: formats.FormatCombination | None) -> object:
    """What `types_and_lanes` says, taken from the whole."""
    return None if whole is None else tuple(tuple((tensor.datatype, tensor.lanes) for tensor in side) for side in (whole.inputs, whole.outputs))


@given(st.lists(TENSORS, max_size=3), st.lists(TENSORS, max_size=3), st.booleans())
def test_the_fast_path_and_the_grammar_agree(inputs: list[str], outputs: list[str], reverse: bool) -> None:
    text = f"{', '.join(inputs)} -> {', '.join(outputs)}".strip()
    found = parse_combination(text, reverse)
    assert found == formats._by_grammar(text, reverse)
    assert first_input_type(text) == (inputs[0].partition("(")[0] if inputs else None)
    assert types_and_lanes(text) == typed(parse_combination(text))
    if found is not None:
        assert [tensor.text for tensor in found.inputs + found.outputs] == inputs + outputs
        tensors = [formats._grammar_tensor(part, reverse) for part in inputs + outputs]
        assert tuple(tensors) == found.inputs + found.outputs


PIECES = ["Half", "(", ")", "1", ":4", ",", ", ", " -> ", "E0", " where ", "=", "(# 0 (SHAPE x))", " long-strided", "9" * 5000, "\n", "٣"]


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_text_is_answered(text: str) -> None:
    assert types_and_lanes(text) == typed(parse_combination(text))
    for answer in (parse_combination(text), parse_combination(text, True)):
        if answer is not None:
            assert answer.text == text.strip()
            assert first_input_type(text) == (answer.inputs[0].datatype if answer.inputs else None)
            for tensor in answer.inputs + answer.outputs:
                assert isinstance(tensor.layouts, tuple)
                assert tensor.layout() is None or tensor.layout() in tensor.layouts
    parse_reformat(text)
    parse_format(text)
    innermost_first(text)


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real logs is not at {CORPUS}")
def test_every_format_of_the_corpus_is_read() -> None:
    pattern = re.compile(r"Autotuning (?:format combination: |(Reformat): ?)(.*?) \*{15}")
    combinations: set[str] = set()
    reformats: set[str] = set()
    for folder in ("verbose_logs", "info_logs"):
        for path in (CORPUS / folder).iterdir():
            for found in pattern.finditer(path.read_text(encoding="utf-8", errors="replace")):
                (reformats if found[1] else combinations).add(found[2])
    assert len(combinations) > 1700 and len(reformats) > 5000
    assert [text for text in combinations if parse_combination(text) is None] == []
    assert [text for text in reformats if parse_reformat(text) is None] == []
    for text in combinations | reformats:
        assert parse_combination(text) == formats._by_grammar(text.strip(), False)
        assert types_and_lanes(text) == typed(parse_combination(text))
    # Every tensor has a layout, but for those of TensorRT 7.x, whose strides run the other way and say so.
    for text in combinations | reformats:
        forward = combination(text)
        if not all(tensor.layouts for tensor in forward.inputs + forward.outputs):
            assert innermost_first(text) is True
            backward = combination(text, True)
            assert all(tensor.layouts for tensor in backward.inputs + backward.outputs)
