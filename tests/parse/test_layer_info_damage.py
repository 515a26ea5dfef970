"""Layer info that is not quite one: what can be read is kept, and everything that was not read is said, with its place."""

from __future__ import annotations

import json

import pytest

from tests.parse.test_layer_info import conv, document
from trtlens.errors import InputError
from trtlens.parse.layer_info import parse_embedded_layer_info, parse_layer_info


def notes(engine: object) -> list[tuple[str, str]]:
    return [(note.where, note.message) for note in engine.notes]  # type: ignore[attr-defined]


def test_what_stands_before_and_between_banners_is_said() -> None:
    text = f"loading the engine\n--- Layer 0 ---\n{json.dumps(conv('a'))}\n--- Layer 1 ---\n[1, 2]\n--- Layer 2 ---\n\"b\"\n"
    engine = parse_layer_info(text, "f")
    assert [layer.name for layer in engine.layers] == ["a", "b"]
    said = notes(engine)
    assert said[0] == ("line 1", "text before the first layer was skipped: loading the engine")
    assert said[1][0] == "Layer 1" and "not a layer" in said[1][1]


def test_banners_without_any_whole_layer_are_refused() -> None:
    with pytest.raises(InputError, match="no complete layer under its `--- Layer N ---` banners"):
        parse_layer_info('--- Layer 0 ---\n{"Name": \n--- Layer 1 ---\n7\n', "f")


def test_names_alone_under_a_heading() -> None:
    engine = parse_layer_info("Layers:\nConv_0 + Relu_1\nMaxPool_2\n\nBindings:\nx\n", "f")
    assert [layer.name for layer in engine.layers] == ["Conv_0 + Relu_1", "MaxPool_2"] and engine.dialect == "oneline"
    with pytest.raises(InputError, match="no complete layer stands in it"):
        parse_layer_info("Layers:\n", "f")


def test_values_that_are_no_tensors_or_lists_are_said_with_their_pointer() -> None:
    engine = parse_layer_info(document(conv("a", Inputs=["x", 5, None]), Bindings="x"), "f")
    (layer,) = engine.layers
    assert [(tensor.name, tensor.datatype) for tensor in layer.inputs] == [("x", None)]
    assert ("/Layers/0/Inputs/1", "is the value 5, not a tensor") in notes(engine)
    assert ("/Layers/0/Inputs/2", "is null, not a tensor") in notes(engine)
    assert ("/Bindings", 'is the value "x", not a list') in notes(engine)


def test_a_cut_list_of_names_keeps_the_whole_ones_and_says_what_follows() -> None:
    engine = parse_layer_info('{"Layers": ["a + b"\n,"c"\n, ......', "f")
    assert [layer.name for layer in engine.layers] == ["a + b", "c"]
    assert any("......" in message for _, message in notes(engine))


def test_an_empty_document_in_a_log_is_said() -> None:
    (found,) = parse_embedded_layer_info(enumerate(['{"Layers": [], "Bindings": []}', "x"], 1))
    assert not found.engine.layers and notes(found.engine)[0][1] == "the list of layers is empty"
