"""`Layer(…): …` lines of every era, names that look like syntax, cut lines, and every such line of real logs."""



from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trtlens.parse import engine_lines
from trtlens.parse.engine_lines import EngineLine, EngineTensor, parse_engine_line

CORPUS = Path(os.environ.get("TRTLENS_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))


def line(text: str) -> EngineLine:
    found = parse_engine_line(text)
    assert found is not None, text
    return found


def test_tensorrt_7() -> None:
    text = "Layer(FusedConvActDirect): (Unnamed Layer* 0) [Convolution] + (Unnamed Layer* 1) [Activation], Tactic: 141, data[Float(1,32,32)] -> (Unnamed Layer* 1) [Activation]_output[Float(6,28,28)]"
    assert line(text) == EngineLine(
        text,
        "FusedConvActDirect",
        "(Unnamed Layer* 0) [Convolution] + (Unnamed Layer* 1) [Activation]",
        141,
        (EngineTensor("data", "Float", (1, 32, 32)),),
        (EngineTensor("(Unnamed Layer* 1) [Activation]_output", "Float", (6, 28, 28)),),
    )
    assert line(text + " ").outputs == line(text).outputs


def test_tensorrt_8_0_with_dynamic_dimensions_and_a_negative_tactic() -> None:
    found = line("Layer(CaskConvolution): Conv__25 + Relu, Tactic: -3360065831133338131, x:0[Float(-2,1,28,28)] -> Relu:0[Float(-2,32,28,28)]")
    assert found.tactic == 0xD15EA5EDD15EA5ED
    assert found.inputs == (EngineTensor("x:0", "Float", (-2, 1, 28, 28)),)


def test_tensorrt_8_5_with_vectorised_dimensions() -> None:
    found = line("Layer(CaskConvolution): Conv_1, Tactic: 0xfcb5fcaa68fff7ac, 455 (Int8[4,64:32,64,176]), b (Half[2,160:16,16,30]) -> /relu/out (Float[1,64,56,56])")
    assert found.tactic == 0xFCB5FCAA68FFF7AC
    assert found.inputs == (EngineTensor("455", "Int8", (4, 64, 64, 176), 1, 32), EngineTensor("b", "Half", (2, 160, 16, 30), 1, 16))


def test_several_outputs_and_scalars() -> None:
    found = line("Layer(Myelin): {ForeignNode[a...b]}, Tactic: 0x0000000000000000, p (Float[-1,64,7,7]) -> y (Float[-1,10]), z (Int64[])")
    assert (found.runner, found.name, found.tactic) == ("Myelin", "{ForeignNode[a...b]}", 0)
    assert found.outputs == (EngineTensor("y", "Float", (-1, 10)), EngineTensor("z", "Int64", ()))


@pytest.mark.parametrize("tail", [" -> ", " ->"])
def test_empty_sides(tail: str) -> None:
    constant = line("Layer(Constant): gemm2.bias, Tactic: 0x0000000000000000,  -> out (Float[1,10])")
    assert (constant.inputs, constant.outputs) == ((), (EngineTensor("out", "Float", (1, 10)),))
    sink = line("Layer(DeviceToShapeHost): n, Tactic: 0x0000000000000000, (Unnamed Layer* 718) [NMS]_1_output (Int32[])" + tail)
    assert (sink.inputs, sink.outputs) == ((EngineTensor("(Unnamed Layer* 718) [NMS]_1_output", "Int32", ()),), ())
    station = line("Layer(TrainStation): [trainStation1], Tactic: 0x0000000000000000, " + tail)
    assert (station.name, station.inputs, station.outputs, station.ambiguous) == ("[trainStation1]", (), (), False)


def test_names_that_read_like_syntax() -> None:
    found = line("Layer(cudaFusedBlockLocalMLP): 2-layer MLP: (a) [Fully Connected] -> (b) [Fully Connected], Tactic: 0, in -> side, x[Float(120,1,1)] -> out[Float(10,1,1)]")
    assert found.name == "2-layer MLP: (a) [Fully Connected] -> (b) [Fully Connected]"
    assert [tensor.name for tensor in found.inputs] == ["in -> side, x"]


def test_a_tactic_in_a_layer_name_is_not_the_tactic() -> None:
    name = "conv, Tactic: 5, a"
    found = line(f"Layer(CaskConvolution): {name}, Tactic: 0x00000000000003e8, Reformatted Input Tensor 0 to {name} (Half[1,8]) -> y (Half[1,8])")
    assert (found.name, found.tactic, found.ambiguous) == (name, 0x3E8, False)  # 16 digits decide
    assert found.inputs[0].name == f"Reformatted Input Tensor 0 to {name}"
    old = line(f"Layer(CaskConvolution): {name}, Tactic: 1000, x[Half(1,8)] -> {name}_output[Half(1,8)]")
    assert (old.name, old.tactic, old.ambiguous) == (name, 1000, True)  # decimal: the last before the first descriptor, and it says so


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Layer(NoOp)",
        "Layer(NoOp): a, Tactic: 0, (Unnamed Layer* 857) [Scale]_output[Float(-24,256,1,1)Success !",  # two writers in one line
        "Layer(NoOp): a, Tactic: 0, x[Float(1)]",
        "Layer(NoOp): a, Tactic: 0, x[Float(1)] -> y[Float(1",
        "Layer(NoOp): a, Tactic: 0, x[Float(1)] -> y[Float(1)] -> z[Float(1)]",
        "Layer(NoOp): a, Tactic: zero, x[Float(1)] -> y[Float(1)]",
        "Layer(NoOp): a, Tactic: 0, x[Float(1:4,1:4)] -> y[Float(1)]",
        "Layer(NoOp): a, Tactic: 99999999999999999999, x[Float(1)] -> y[Float(1)]",
        "Adding Layer(NoOp): a, Tactic: 0, x[Float(1)] -> y[Float(1)]",
    ],
)
def test_what_is_no_whole_engine_line_gives_none(text: str) -> None:
    assert parse_engine_line(text) is None


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=30).filter(lambda name: not re.match(r"\s*->", name))
TENSORS = st.builds(EngineTensor, NAMES, st.sampled_from(["Float", "Half", "Int8", "FP8"]), st.lists(st.integers(-7, 10**9), max_size=5).map(tuple))


@given(NAMES, st.integers(0, 2**64 - 1), st.lists(TENSORS, max_size=3), st.lists(TENSORS, max_size=3), st.booleans())
def test_what_tensorrt_prints_reads_back(name: str, tactic: int, inputs: list[EngineTensor], outputs: list[EngineTensor], new: bool) -> None:
    def show(tensor: EngineTensor) -> str:
        sizes = ",".join(map(str, tensor.dimensions))
        return f"{tensor.name} ({tensor.datatype}[{sizes}])" if new else f"{tensor.name}[{tensor.datatype}({sizes})]"

    assume(not any(" -> " in tensor.name for tensor in inputs + outputs))
    found = line(f"Layer(CaskConvolution): {name}, Tactic: 0x{tactic:016x}, {', '.join(map(show, inputs))} -> {', '.join(map(show, outputs))}")
    assert (found.runner, found.name, found.tactic) == ("CaskConvolution", name, tactic)
    assert (list(found.inputs), list(found.outputs)) == (inputs, outputs)
    assert found == engine_lines._any_line(found.text)


@given(st.text() | st.text().map("Layer(NoOp): a, Tactic: 0x0000000000000000, {}".format) | st.lists(
    st.sampled_from(["Layer(a): ", ", Tactic: 0x1, ", ", Tactic: 1,", ", Tactic: 0x00000000000003e8, ", "x", "->", " (Float[1,2:4])", "[Half(3)]", ", ", " -> ", "(", "]"]), max_size=12
).map(lambda parts: "Layer(NoOp): a" + "".join(parts)))  # fmt: skip
def test_any_text_is_answered(text: str) -> None:
    found = parse_engine_line(text)
    assert found is None or (found.text == text and found.name in text)
    assert found == engine_lines._any_line(text)


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real logs is not at {CORPUS}")
def test_every_engine_line_of_the_corpus_is_read() -> None:
    pattern = re.compile(r"^(?:\[TensorRT\] VERBOSE: )?(Layer\(.*)$", re.MULTILINE)
    lines: set[str] = set()
    for folder in ("verbose_logs", "info_logs"):
        for path in (CORPUS / folder).iterdir():
            lines.update(found[1] for found in pattern.finditer(path.read_text(encoding="utf-8", errors="replace")))
    assert len(lines) > 1500
    unread = [text for text in lines if parse_engine_line(text) is None]
    assert len(unread) == 1 and unread[0].endswith("Success !")  # cut by another writer
    read = [line(text) for text in lines if text not in unread]
    assert not any(found.ambiguous for found in read)
    assert read == [engine_lines._any_line(found.text) for found in read]
    # A dumb count: as many tensors as there are type words with brackets at an end of name.
    descriptors = re.compile(r"[\[( ](?:Float|Half|Int8|Int32|Int64|Bool|FP8)[\[(][-\d,:]*[\])][\])]")
    for found in read:
        assert len(found.inputs) + len(found.outputs) == len(descriptors.findall(found.text)), found.text


@given(
    datatype=st.sampled_from(["Float", "Half", "Int8", "FP8", "BFloat16"]),
    sizes=st.lists(st.integers(-7, 10**6), max_size=6),
    vectorised=st.lists(st.tuples(st.integers(0, 5), st.sampled_from([2, 4, 8, 16, 32])), max_size=2),
    brackets=st.sampled_from(["[]", "()"]),
)
def test_the_fast_path_and_the_grammar_agree(datatype: str, sizes: list[int], vectorised: list[tuple[int, int]], brackets: str) -> None:
    lanes = dict(vectorised)
    body = ",".join(f"{size}:{lanes[i]}" if i in lanes else str(size) for i, size in enumerate(sizes))
    text = f"{datatype}{brackets[0]}{body}{brackets[1]}"
    assert engine_lines._descriptor(text) == engine_lines._by_grammar(text)
