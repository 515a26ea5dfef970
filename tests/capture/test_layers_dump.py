"""The layer dump of a TensorRT-RTX log as layer-info JSON."""

from hypothesis import given
from hypothesis import strategies as st

from trtlens.capture.layers_dump import layers_from_log

PREFIX = "[11/21/2026-12:54:08] [TRT] [V] "
TENSOR = (
    "{{ Name: {}, Dimensions: [1,64,-1,32], Strides: [65536,1,2048,64], StrideOrder: [3,0,2,1], Datatype: Half, "
    "Format: (NHWC) Channel major format }}"
)
METADATA = "[ONNX Layer: conv1][ONNX Layer: relu1]"
IO = (
    " Name: x, IOMode: Input, DataType: Half, Dimensions: [-1,64], Location: Device, IsShapeInferenceIO: false, ProfileInfo: "
    "[ { MinShape: [1,64], OptShape: [2,64], MaxShape: [4,64], Format: Row major linear FP16 format (kLINEAR) }]"
)


def log(*layers: str) -> list[str]:
    dump = [PREFIX + "Layers:", *layers, "", "I/O Tensors:", IO, "", "Engine Metadata:", " Multi-Device: Disabled"]
    lines = [PREFIX + "Engine generation completed in 0.1 seconds.", *dump, PREFIX + "Adding 1 engine(s) to plan file."]
    return [line + "\n" for line in lines]


def layer(name: str, tensors: str = "", tactic: str = "__myelin_CASK_STUB", metadata: str = METADATA) -> str:
    inputs = f"[ {tensors}]" if tensors else "[]"
    return (
        f"Name: {name}, LayerType: correlation, Inputs: {inputs}, Constants: [], Outputs: [], TacticName: {tactic}, "
        f"StreamId: 0, Metadata: {metadata}"
    )


def test_a_layer_has_the_keys_of_the_inspectors_json() -> None:
    found = layers_from_log(log(layer("conv1_myl0_1", TENSOR.format("a") + ", " + TENSOR.format("b [profile 1]"))))
    assert found is not None
    tensor = {
        "Name": "a", "Dimensions": [1, 64, -1, 32], "Strides": [65536, 1, 2048, 64], "StrideOrder": [3, 0, 2, 1], "Datatype": "Half",
        "Format": "(NHWC) Channel major format",
    }  # fmt: skip
    assert found["Layers"] == [
        {
            "Name": "conv1_myl0_1", "LayerType": "correlation", "Inputs": [tensor, {**tensor, "Name": "b [profile 1]"}], "Constants": [],
            "Outputs": [], "TacticName": "__myelin_CASK_STUB", "StreamId": 0, "Metadata": "[ONNX Layer: conv1][ONNX Layer: relu1]",
        }
    ]  # fmt: skip
    (tensor_info,) = found["I/O Tensors"]
    assert tensor_info["IsShapeInferenceIO"] is False and tensor_info["ProfileInfo"][0]["MaxShape"] == [4, 64]


def test_an_empty_tactic_and_empty_metadata_stay_empty() -> None:
    found = layers_from_log(log(layer("shape", tactic="", metadata="")))
    assert found is not None and (found["Layers"][0]["TacticName"], found["Layers"][0]["Metadata"]) == ("", "")


def test_a_layer_that_is_not_myelins_has_its_own_keys() -> None:
    line = (
        "Name: [ShapeHostToDeviceCopy 0], LayerType: ShapeHostToDevice, Inputs: [], Outputs: [ { Name: (Unnamed Layer* 17) [Shuffle]_output, "
        "Location: Device, Dimensions: [], Datatype: Int32, Format: Format not available due to dynamic shapes }], ParameterType: ShapeH2D, "
        "shapeValues0: [-4], TacticValue: 0x0000000000000000, StreamId: 0, Metadata: "
    )
    found = layers_from_log(log(line))
    assert found is not None
    output = {
        "Name": "(Unnamed Layer* 17) [Shuffle]_output", "Location": "Device", "Dimensions": [], "Datatype": "Int32",
        "Format": "Format not available due to dynamic shapes",
    }  # fmt: skip
    assert found["Layers"] == [
        {
            "Name": "[ShapeHostToDeviceCopy 0]", "LayerType": "ShapeHostToDevice", "Inputs": [], "Outputs": [output], "ParameterType": "ShapeH2D",
            "shapeValues0": [-4], "TacticValue": "0x0000000000000000", "StreamId": 0, "Metadata": "",
        }
    ]  # fmt: skip


def test_a_name_that_looks_like_a_number_is_a_name() -> None:
    found = layers_from_log(log(layer("[1]", TENSOR.format("42"), tactic="7", metadata="true")))
    assert found is not None
    first = found["Layers"][0]
    assert (first["Name"], first["Inputs"][0]["Name"], first["TacticName"], first["Metadata"]) == ("[1]", "42", "7", "true")


def test_keys_between_the_known_ones_are_kept() -> None:
    line = layer("loop").replace("StreamId: 0, ", "StreamId: 0, JumpTargetThen: a_myl1_23, JumpTargetElse: <EXIT>, ")
    found = layers_from_log(log(line))
    assert found is not None and (found["Layers"][0]["JumpTargetElse"], found["Layers"][0]["StreamId"]) == ("<EXIT>", 0)


def test_the_last_of_several_dumps_counts_and_a_log_without_one_has_none() -> None:
    found = layers_from_log(log(layer("first")) + log(layer("second")))
    assert found is not None and [one["Name"] for one in found["Layers"]] == ["second"]
    assert layers_from_log([PREFIX + "Parsing node: conv1 [Conv]\n", "Layers:\n", layer("not in a dump")]) is None
    assert layers_from_log([PREFIX + "Layers:\n", "Name: cut off, Laye"]) is None


def test_a_dump_at_the_very_end_of_a_log_that_was_cut_is_read() -> None:
    found = layers_from_log(log(layer("a"), layer("b"))[:4])
    assert found is not None and [one["Name"] for one in found["Layers"]] == ["a", "b"]


def test_a_layer_name_cannot_forge_a_field() -> None:
    name = "x, LayerType: gemm, Inputs: [], TacticName: sparse_kernel"
    found = layers_from_log(log(layer(name)))
    assert found is not None
    assert (found["Layers"][0]["Name"], found["Layers"][0]["TacticName"]) == (name, "__myelin_CASK_STUB")


printable = st.text(st.characters(exclude_characters="\n\r{}", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


@given(st.lists(printable.map(str.strip), min_size=1))
def test_any_name_comes_back(names: list[str]) -> None:
    found = layers_from_log(log(*(layer(name) for name in names)))
    assert found is not None and [one["Name"] for one in found["Layers"]] == names


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    layers_from_log([PREFIX + "Layers:\n", *text.splitlines(keepends=True), "Name: " + text])
