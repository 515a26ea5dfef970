"""Layer info of every era: known answers, damage, hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.errors import InputError
from trtlens.parse.layer_info import looks_like, parse_embedded_layer_info, parse_layer_info

SPARSE = "sm80_xmma_fprop_sparse_conv_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x128x64_stage3_warpsize1x4x1_g1_sptensor16x8x32_t1r1s1"


def tensor(name: str, sentence: str = "Channel major FP16 format where channel % 8 == 0") -> dict[str, Any]:
    return {"Name": name, "Location": "Device", "Dimensions": [1, 64, 8, 8], "Format/Datatype": sentence}


def conv(name: str = "Conv_0 + Relu_1", **changes: Any) -> dict[str, Any]:
    layer: dict[str, Any] = {
        "Name": name,
        "LayerType": "CaskConvolution",
        "Inputs": [tensor("x")],
        "Outputs": [tensor("y")],
        "ParameterType": "Convolution",
        "Kernel": [3, 3],
        "PaddingMode": "kEXPLICIT_ROUND_DOWN",
        "PrePadding": [1, 0],
        "PostPadding": [1, 2],
        "Stride": [2, 2],
        "Dilation": [1, 1],
        "OutMaps": 64,
        "Groups": 2,
        "Weights": {"Type": "Half", "Count": 36864},
        "HasSparseWeights": 1,
        "HasDynamicFilter": 0,
        "Activation": "RELU",
        "TacticName": SPARSE,
        "TacticValue": "0x98e92db98836b738",
        "StreamId": 0,
        "Metadata": "[ONNX Layer: /c/Conv]\x1e[ONNX Layer: /c/Relu]",
    }
    layer.update(changes)
    return {key: value for key, value in layer.items() if value is not ...}


def document(*layers: Any, **more: Any) -> str:
    return json.dumps({"Layers": list(layers), "Bindings": ["in", "out"], **more})


def test_detailed_object_form() -> None:
    engine = parse_layer_info(document(conv()), "li.json")
    (layer,) = engine.layers
    assert (engine.detailed, engine.dialect, engine.bindings, engine.notes) == (True, "object", ("in", "out"), ())
    assert (layer.name, layer.layer_type, layer.tactic_name, layer.tactic_value) == (
        "Conv_0 + Relu_1",
        "CaskConvolution",
        SPARSE,
        0x98E92DB98836B738,
    )
    assert (layer.has_sparse_weights, layer.sparse_key, layer.has_dynamic_filter) == (True, "HasSparseWeights", False)
    assert (layer.onnx_nodes, layer.nodes_from, layer.pointer) == (("/c/Conv", "/c/Relu"), "metadata", "/Layers/0")
    assert (layer.kernel, layer.stride, layer.dilation, layer.groups, layer.out_maps) == ((3, 3), (2, 2), (1, 1), 2, 64)
    assert layer.padding == ((1, 0), (1, 2))
    assert (layer.weights_type, layer.weights_count, layer.stream_id) == ("Half", 36864, 0)
    (source,) = layer.inputs
    assert (source.name, source.dimensions, source.datatype, source.layout, source.location) == (
        "x",
        (1, 64, 8, 8),
        "Half",
        "HWC8",
        "Device",
    )


def test_raw_record_separator_of_8_6_0() -> None:
    text = document(conv()).replace("\\u001e", "\x1e")
    assert "\x1e" in text and parse_layer_info(text, "f").layers[0].onnx_nodes == ("/c/Conv", "/c/Relu")


def test_names_only() -> None:
    engine = parse_layer_info('{"Layers": ["Conv_0 + Relu_1"\n,"MaxPool_2 [profile 1]"\n],\n"Bindings": ["x"\n,"y"\n]}\n', "f")
    assert (engine.detailed, engine.dialect, engine.bindings) == (False, "names-only", ("x", "y"))
    first, second = engine.layers
    assert (first.onnx_nodes, first.nodes_from, first.tactic_name, first.has_sparse_weights) == (("Conv_0", "Relu_1"), "name", None, None)
    assert (second.base_name, second.optimization_profile, second.pointer) == ("MaxPool_2", 1, "/Layers/1")


def test_list_root_and_single_layer() -> None:
    assert parse_layer_info(json.dumps([conv(), conv("b")]), "f").dialect == "list"
    assert parse_layer_info(json.dumps([conv(), conv("b")]), "f").layers[1].pointer == "/1"
    assert parse_layer_info(json.dumps(conv()), "f").dialect == "single-layer"


def test_myelin_instruction_has_neither_tactic_value_nor_sparse_flag() -> None:
    layer = {
        "Name": "/fc1/Gemm_myl0_2",
        "LayerType": "gemm",
        "Inputs": [{"Name": "a", "Dimensions": [-1, 16], "Format/Datatype": "Int8"}],
        "Outputs": [],
        "TacticName": "",
        "StreamId": 0,
        "Metadata": "",
    }
    (parsed,) = parse_layer_info(document(layer), "f").layers
    assert (parsed.tactic_name, parsed.tactic_value, parsed.has_sparse_weights, parsed.sparse_key) == (None, None, None, None)
    assert (parsed.onnx_nodes, parsed.inputs[0].datatype, parsed.inputs[0].layout) == (("/fc1/Gemm",), "Int8", None)


def test_fused_convolution_and_pooling_prints_prefixed_keys() -> None:
    layer = {
        "Name": "Conv_9 + MaxPool_12",
        "LayerType": "CaskConvActPool",
        "Inputs": [],
        "Outputs": [],
        "ConvParameterType": "Convolution",
        "ConvKernel": [7, 7],
        "ConvStride": [2, 2],
        "ConvDilation": [1, 1],
        "ConvOutMaps": 64,
        "ConvGroups": 1,
        "ConvWeights": {"Type": "Int8", "Count": 9408},
        "ConvHasSparseWeights": 1,
        "ConvHasDynamicFilter": 0,
        "PoolingStride": [3, 3],
        "TacticValue": "0x1",
    }
    (parsed,) = parse_layer_info(document(layer), "f").layers
    assert (parsed.has_sparse_weights, parsed.sparse_key, parsed.kernel, parsed.stride) == (True, "ConvHasSparseWeights", (7, 7), (2, 2))
    assert (parsed.out_maps, parsed.groups, parsed.weights_count, parsed.parameter_type) == (64, 1, 9408, "Convolution")
    assert parsed.has_dynamic_filter is False


def test_old_allow_sparse() -> None:
    (layer,) = parse_layer_info(document(conv(HasSparseWeights=..., AllowSparse=1)), "f").layers
    assert (layer.has_sparse_weights, layer.sparse_key) == (True, "AllowSparse")


def test_tensorrt_11_splits_format_and_lists_io_tensors() -> None:
    source = {
        "Name": "x",
        "Location": "Device",
        "Dimensions": [1, 8],
        "Strides": [8, 1],
        "StrideOrder": [1, 0],
        "Datatype": "BFloat16",
        "Format": "(Linear) Row major linear format",
    }
    output = {
        "Name": "image",
        "IOMode": "Input",
        "DataType": "Half",
        "Dimensions": [1, 3, 4, 4],
        "Location": "Device",
        "ProfileInfo": [{"MinShape": [1, 3, 4, 4], "Format": "Eight channel FP16 format (kHWC8) where C is padded to a multiple of 8"}],
    }
    text = json.dumps({"Layers": [conv(Inputs=[source], Constants=[])], "I/O Tensors": [output]})
    engine = parse_layer_info(text, "f")
    (read,) = engine.layers[0].inputs
    assert (read.datatype, read.layout, read.strides) == ("BFloat16", "LINEAR", (8, 1))
    (io,) = engine.io_tensors
    assert (engine.dialect, engine.bindings, io.datatype, io.layout, io.dimensions) == (
        "object-11",
        ("image",),
        "Half",
        "HWC8",
        (1, 3, 4, 4),
    )


def test_torch_tensorrt_pretty_print() -> None:
    name = "[CONVOLUTION]-[aten_ops.convolution.default]-[/f/0/convolution] + [RELU]-[aten_ops.relu.default]-[/f/1/relu]"
    engine = parse_layer_info(json.dumps({"Layers": [conv(name, Metadata="")]}, indent=4), "f")
    assert engine.dialect == "torch-tensorrt" and len(engine.layers[0].onnx_nodes) == 2 and engine.layers[0].nodes_from == "name"


def test_banners() -> None:
    text = f'--- Layer 0 ---\n{json.dumps(conv("a"), indent=2)}\n--- Layer 2 ---\n{json.dumps(conv("b"))}\n--- Layer 3 ---\n{{"Name": \n'
    engine = parse_layer_info(text, "f")
    assert (engine.dialect, [layer.name for layer in engine.layers], [layer.pointer for layer in engine.layers]) == (
        "banners",
        ["a", "b"],
        ["/0", "/2"],
    )
    assert looks_like(text) and [note.where for note in engine.notes] == ["Layer 3"]


def test_elided_fragment_keeps_complete_layers_and_notes_the_rest() -> None:
    broken = '{\n"Name": "half a layer",\n"LayerType": "Reformat",\n"Inputs": [\n{\n"Name": "t",\n......'
    text = '{"Layers": [\n......\n,' + json.dumps(conv("a")) + "," + json.dumps(conv("b")) + ",......\n" + broken
    engine = parse_layer_info(text, "f")
    assert ([layer.name for layer in engine.layers], engine.dialect) == (["a", "b"], "fragment")
    said = " ".join(note.message for note in engine.notes)
    assert "......" in said and "half a layer" in said


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_truncated_document_keeps_its_complete_layers(cut: float) -> None:
    text = document(*(conv(f"layer{i}") for i in range(10)))
    engine = parse_layer_info(text[: int(len(text) * cut)], "f")
    assert [layer.name for layer in engine.layers] == [f"layer{i}" for i in range(len(engine.layers))]
    assert len(engine.layers) >= 10 * cut - 1 and engine.notes


def test_truncated_names() -> None:
    engine = parse_layer_info('{"Layers": ["a"\n,"b"\n,"c', "f")
    assert [layer.name for layer in engine.layers] == ["a", "b"] and len(engine.notes) == 2


def test_unescaped_quote_in_a_name() -> None:
    text = json.dumps({"Layers": [conv("PLACE")]}, indent=1).replace("PLACE", 'my "best" conv')
    engine = parse_layer_info(text, "f")
    assert engine.layers[0].name == 'my "best" conv' and engine.notes


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("\ufeff  \n", "empty"),
        ("\x00\x00ftrt\x01", "binary"),
        ("<html><body>", "web page"),
        ('{"Layers": 3}', '"Layers" is the value 3'),
        ('{"Layers": [1, 2]}', "none of its layers"),
        ('{"Layers": {"a": 1}}', '"Layers" is a JSON dict'),
        ('[{ "count" : 3 }, {"name": "a", "timeMs": 1}]', "timing profile"),
        ('[{"startEnqMs": 1}]', "--exportTimes"),
        ('{"model_options": {}}', "trex"),
        ('{"name": "package", "version": "1"}', "keys name, version"),
        ("[" * 100_000, "nested too deeply"),
        ('{"Layers":' + "[" * 100_000, "no complete layer"),
        ('{"Layers": [{"Name": "a", "LayerType": "b", "Inputs": ' + '{"a":' * 100_000, "nested too deeply"),
        ('{"Layers": [{"Name": "a", "LayerT', "no complete layer"),
        ("3", "single JSON int"),
        ("not json at all", "no JSON and no layer info"),
        ("--- Layer 0 ---\n{", "no complete layer"),
    ],
)
def test_what_is_no_layer_info_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_layer_info(text, "li.json")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("li.json")


def test_wrong_types_inside_a_layer_are_noted_with_their_pointer() -> None:
    text = document(
        conv(Inputs=3, TacticValue="0xzz", HasSparseWeights=7, Kernel="3x3", Weights=[1]), 5, conv("b", Inputs=[1], TacticValue=1 << 70)
    )
    engine = parse_layer_info(text, "f")
    first, second = engine.layers
    assert (first.inputs, first.tactic_value, first.has_sparse_weights, first.kernel, first.weights_type) == ((), None, None, None, None)
    assert second.pointer == "/Layers/2" and second.tactic_value is None
    assert {note.where for note in engine.notes} == {
        "/Layers/0/Inputs",
        "/Layers/0/TacticValue",
        "/Layers/0/HasSparseWeights",
        "/Layers/1",
        "/Layers/2/Inputs/0",
        "/Layers/2/TacticValue",
    }


@pytest.mark.parametrize(("value", "tactic"), [("-2", 2**64 - 2), (5, 5), ("0xFFFFFFFFFFFFFFFF", 2**64 - 1), ("", None)])
def test_tactic_values_are_uint64(value: Any, tactic: int | None) -> None:
    engine = parse_layer_info(document(conv(TacticValue=value)), "f")
    assert engine.layers[0].tactic_value == tactic and engine.notes == ()


def test_duplicate_keys_are_noted() -> None:
    engine = parse_layer_info('{"Layers": [{"Name": "a", "LayerType": "x", "TacticName": "p", "TacticName": "q"}]}', "f")
    assert engine.layers[0].tactic_name == "q" and "TacticName" in engine.notes[0].message


ONE_LINE = (
    "Name: Conv_0 + PWN(Clip_1, b), LayerType: CaskConvolution, Inputs: [ { Name: x, Location: Device, Dimensions: [1,64,8,8], "
    "Format/Datatype: Channel major FP16 format where channel % 8 == 0 }, { Name: r, Location: Device, Dimensions: [], "
    "Format/Datatype: Row major linear FP32 }], "
    "Outputs: [ { Name: y, Location: Device, Dimensions: [1,64,8,8], Format/Datatype: Half }], ParameterType: Convolution, Kernel: [3,3], "
    'Groups: 1, OutMaps: 64, Weights: {"Type": "Half", "Count": 36864}, HasSparseWeights: 1, HasDynamicFilter: 0, '
    f"TacticName: {SPARSE}, TacticValue: 0x98e92db98836b738, StreamId: 0, Metadata: [ONNX Layer: /c/Conv]\x1e[ONNX Layer: /c/Clip]"
)


@pytest.mark.parametrize("opener", ["[07/07/2026-02:11:38] [I] Layers:", "[04/25/2026-04:15:29] [TRT] [V] Layers:", "Layers:"])
def test_one_line_form_in_a_log(opener: str) -> None:
    lines = [
        "[07/07/2026-02:11:38] [I] Layer Information:",
        opener,
        ONE_LINE,
        "",
        "Bindings:",
        "in",
        "out",
        "[07/07/2026-02:11:38] [I] Starting inference",
    ]
    (found,) = parse_embedded_layer_info(enumerate(lines, 100))
    assert (found.first_line, found.last_line) == (101, 106)
    assert (found.engine.dialect, found.engine.bindings, found.engine.detailed, found.engine.notes) == ("log-text", ("in", "out"), True, ())
    (layer,) = found.engine.layers
    assert (layer.name, layer.layer_type, layer.tactic_name, layer.tactic_value) == (
        "Conv_0 + PWN(Clip_1, b)",
        "CaskConvolution",
        SPARSE,
        0x98E92DB98836B738,
    )
    assert (layer.has_sparse_weights, layer.kernel, layer.weights_count, layer.onnx_nodes) == (True, (3, 3), 36864, ("/c/Conv", "/c/Clip"))
    assert [(t.name, t.datatype, t.layout) for t in layer.inputs] == [("x", "Half", "HWC8"), ("r", "Float", "LINEAR")]
    assert [(t.name, t.dimensions) for t in layer.outputs] == [("y", (1, 64, 8, 8))]


def test_names_in_a_log() -> None:
    lines = ["[I] Layers:", "Conv_0 + Relu_1", "MaxPool_2", "", "Bindings:", "x", "[I] done"]
    (found,) = parse_embedded_layer_info(enumerate(lines, 1))
    assert [layer.name for layer in found.engine.layers] == ["Conv_0 + Relu_1", "MaxPool_2"]
    assert (found.engine.dialect, found.engine.detailed, found.engine.bindings, found.last_line) == ("log-names", False, ("x",), 6)


@pytest.mark.parametrize("indent", [None, 4])
def test_json_printed_into_a_log(indent: int | None) -> None:
    body = json.dumps({"Layers": [conv("a"), conv("b")], "Bindings": []}, indent=indent).split("\n")
    lines = ["[I] before", *body, "after", "[I] Layers:", "c", ""]
    first, second = parse_embedded_layer_info(enumerate(lines, 1))
    assert ([layer.name for layer in first.engine.layers], first.first_line, first.last_line) == (["a", "b"], 2, 1 + len(body))
    assert (first.engine.dialect, [layer.name for layer in second.engine.layers]) == ("log-json", ["c"])


def test_json_in_a_log_that_cannot_be_read_is_said() -> None:
    (found,) = parse_embedded_layer_info(enumerate(['{"Layers": [3]}', "x"], 1))
    assert found.engine.layers == () and found.engine.notes


def test_lines_without_layer_info() -> None:
    assert parse_embedded_layer_info([(1, "[I] Layers: 3"), (2, "Layers:"), (3, "[I] nothing")]) == []


layer_names = st.text(max_size=30)
layer_objects = st.builds(
    conv,
    layer_names,
    TacticValue=st.integers(0, 2**64 - 1).map(lambda v: f"0x{v:016x}"),
    HasSparseWeights=st.sampled_from([0, 1]),
    Groups=st.integers(1, 64),
    Metadata=st.just(""),
)


@given(st.lists(layer_objects, min_size=1, max_size=4), st.sampled_from([None, 0, 2]))
def test_round_trip(layers: list[dict[str, Any]], indent: int | None) -> None:
    text = json.dumps({"Layers": layers, "Bindings": []}, indent=indent)
    engine = parse_layer_info(text, "f")
    assert looks_like(text) and engine.notes == ()
    for layer, source in zip(engine.layers, layers, strict=True):
        assert (layer.name, layer.groups, layer.has_sparse_weights) == (source["Name"], source["Groups"], bool(source["HasSparseWeights"]))
        assert layer.tactic_value == int(source["TacticValue"], 16)


@given(st.data())
def test_damage_never_raises_anything_but_input_error(data: st.DataObject) -> None:
    text = json.dumps({"Layers": [conv("a"), "name", conv("b")], "Bindings": ["x"]}, indent=data.draw(st.sampled_from([None, 1])))
    characters = list(text[: data.draw(st.integers(0, len(text)))])
    for index in data.draw(st.lists(st.integers(0, max(len(characters) - 1, 0)), max_size=5)):
        if characters:
            characters[index] = data.draw(st.characters(codec="latin-1"))
    damaged = "".join(characters)
    try:
        engine = parse_layer_info(damaged, "f")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(layer.pointer.startswith("/") or layer.pointer == "" for layer in engine.layers)
    for found in parse_embedded_layer_info(enumerate(damaged.split("\n"), 1)):
        assert found.first_line <= found.last_line


@given(
    st.lists(
        st.sampled_from([ONE_LINE, "Layers:", "Bindings:", "", "{", '"Layers": [', "]}", "}", "[I] x", ONE_LINE[:200], "name"]), max_size=12
    )
)
def test_any_order_of_lines_is_survived(lines: list[str]) -> None:
    for found in parse_embedded_layer_info(enumerate(lines, 1)):
        assert 1 <= found.first_line <= found.last_line <= len(lines)
        assert found.engine.layers or found.engine.notes


@pytest.mark.parametrize(
    "changes",
    [{"PaddingMode": "kSAME_UPPER"}, {"PaddingMode": 3}, {"PrePadding": ...}, {"PostPadding": [1]}, {"PostPadding": ["x", "y"]}, {"PrePadding": "no"}],
)
def test_padding_that_is_not_explicit_or_damaged_is_not_known(changes: dict[str, Any]) -> None:
    (layer,) = parse_layer_info(document(conv(**changes)), "li.json").layers
    assert layer.padding is None and layer.kernel == (3, 3)
