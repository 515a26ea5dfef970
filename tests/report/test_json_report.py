"""The contract's JSON: every key, strict schema, finite numbers, honest nulls."""

from __future__ import annotations

import copy
import json
import math

import jsonschema
import pytest

from tests.report import factory
from trtlens.errors import UsageError
from trtlens.report.json_report import json_parts, schema, to_dict, validate, write_json

BUILDS = {
    "engine": factory.engine(36),
    "hostile": factory.hostile(),
    "nothing": factory.diagnosis(),
    "several": factory.diagnosis(factory.build([factory.layer()]), factory.build([factory.sparse_layer()], index=1), main=1),
    "unknown": factory.diagnosis(factory.build([factory.unknown_layer("a", "dense-unknown", None)], eligible=None, lines=None)),
}


@pytest.mark.parametrize("name", BUILDS)
def test_every_diagnosis_is_valid(name):
    validate(to_dict(BUILDS[name]))


@pytest.mark.parametrize("name", BUILDS)
def test_the_text_says_what_the_objects_say_in_their_order_and_a_line_a_layer(name):
    made = BUILDS[name]
    parts = list(json_parts(made))
    text = "".join(parts)
    assert json.dumps(json.loads(text)) == json.dumps(to_dict(made))
    layers = [layer.name for capture in made.captures for build in capture.builds for layer in build.layers]
    lines = [part.strip(",\n ") for part in parts if part.lstrip(",\n ").startswith('{"name"')]
    assert [json.loads(line)["name"] for line in lines] == layers
    assert not any("\n" in line for line in lines)


def test_the_layer_of_the_contract_field_by_field():
    document = to_dict(factory.diagnosis(factory.build([factory.layer("conv1")])))
    layer = document["captures"][0]["builds"][0]["layers"][0]
    assert layer["tactic"] == {
        "name": "sm80_xmma_fprop_implicit_gemm_f16f16_tn_n_tilesize128x64x32",
        "id": "0x98e92db98836b738",
        "sparse": False,
        "runner": "CaskConvolution",
    }
    assert layer["formats"] == {"inputs": ["Half(401408,3136:8,56,1)"], "outputs": ["Half(802816,3136:8,56,1)"]}
    assert layer["compared"] == {"dense": "sm80_xmma_fprop_implicit_gemm_f16f16", "sparse": "sm80_xmma_fprop_sparse_conv_f16f16"}
    assert [set(item) for item in layer["evidence"]] == [
        {"input", "line", "text"},
        {"input", "pointer", "text"},
        {"input", "tensor", "index"},
    ]
    assert layer["inherited_from"] is None
    assert layer["remedies"] == [{"text": "Nothing to fix in this layer: keep it dense.", "gain_ms": None, "gain_kind": "unknown"}]
    assert document["schema_version"] == 1 and document["captures"][0]["main_build"] == 0


def test_small_tactic_ids_have_sixteen_digits():
    layer = factory.layer(tactic=factory.RunningTactic(None, 3, None, None))
    assert (
        to_dict(factory.diagnosis(factory.build([layer])))["captures"][0]["builds"][0]["layers"][0]["tactic"]["id"] == "0x0000000000000003"
    )


def objects(value):
    """Every object of the schema that lists its properties."""
    if isinstance(value, dict):
        if "properties" in value:
            yield value
        for item in value.values():
            yield from objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


def test_the_schema_is_strict_everywhere():
    found = list(objects(schema()))
    assert len(found) > 12
    for item in found:
        assert item["additionalProperties"] is False
        assert sorted(item["required"]) == sorted(item["properties"])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda layer: layer.pop("margin"),
        lambda layer: layer.update(extra=1),
        lambda layer: layer.update(status="fast"),
        lambda layer: layer.update(proof="certain"),
        lambda layer: layer.update(reason="Not An Id"),
        lambda layer: layer["tactic"].update(id="0x1"),
        lambda layer: layer["evidence"].append({"input": 0, "line": 0, "text": ""}),
        lambda layer: layer["remedies"].append({"text": "", "gain_ms": 1, "gain_kind": "guessed"}),
    ],
)
def test_the_schema_refuses(break_it):
    document = copy.deepcopy(to_dict(BUILDS["engine"]))
    break_it(document["captures"][0]["builds"][0]["layers"][0])
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


def test_figures_that_are_no_numbers_become_null():
    layer = factory.layer(time_ms=math.nan, margin=math.inf, best_dense_ms=-math.inf, remedies=(factory.Remedy("x", math.nan, "bound"),))
    document = to_dict(factory.diagnosis(factory.build([layer], total_time_ms=math.nan)))
    validate(document)
    json.dumps(document, allow_nan=False)
    written = document["captures"][0]["builds"][0]["layers"][0]
    assert (written["time_ms"], written["margin"], written["best_dense_ms"], written["remedies"][0]["gain_ms"]) == (None, None, None, None)


def test_writing_is_whole_and_hostile_names_survive(tmp_path):
    target = tmp_path / "out.json"
    target.write_text("old")
    write_json(factory.hostile(), target)
    names = [layer["name"] for layer in json.loads(target.read_bytes().decode("utf-8"))["captures"][0]["builds"][0]["layers"]]
    for given, written in zip(factory.HOSTILE_NAMES, names, strict=True):
        assert written == given or "\udc80" in given
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_dash_is_standard_output(capfdbinary):
    write_json(factory.diagnosis(), "-")
    assert json.loads(capfdbinary.readouterr().out)["captures"][0]["builds"] == []


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    for target in (tmp_path / "missing" / "out.json", tmp_path):
        with pytest.raises(UsageError) as caught:
            write_json(factory.diagnosis(), target)
        assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
