"""SARIF 2.1.0: the parts of the standard that viewers rely on, written out as assertions, and what the results say."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report import factory
from tests.report.factory import INPUTS, build, diagnosis, layer, sparse_layer, unknown_layer
from trtlens.diagnose.gates import Gates, evaluate
from trtlens.diagnose.model import Diagnosis, Eligibility, PointerEvidence
from trtlens.report.sarif import file_uri, sarif_dict, write_sarif

_URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")


def essentials(log: dict[str, Any]) -> None:
    """What SARIF 2.1.0 demands of the parts used here (sections 3.13 to 3.52)."""
    assert log["version"] == "2.1.0"
    assert urlsplit(log["$schema"]).path.endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "trtlens"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"])
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"] and rule["fullDescription"]["text"] and rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    for artifact in run["artifacts"]:
        uri(artifact["location"]["uri"])
        assert artifact["length"] >= -1
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in artifact.get("hashes", {}).values())
    for result in run["results"]:
        assert result["level"] in ("note", "warning", "error")
        assert result["message"]["text"]
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert all(isinstance(value, str) for value in result["partialFingerprints"].values())
        for location in result["locations"]:
            physical = location.get("physicalLocation")
            if physical is not None:
                place = physical["artifactLocation"]
                assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
                if "region" in physical:
                    assert physical["region"]["startLine"] >= 1
                    assert physical["region"]["snippet"].keys() == {"text"}
            for logical in location.get("logicalLocations", ()):
                assert logical["name"]


def uri(text: str) -> None:
    assert _URI.fullmatch(text)
    assert re.fullmatch(r"(?:[^%]|%[0-9A-F]{2})*", text)
    assert urlsplit(text).scheme in ("", "file")


def made(diagnosis: Diagnosis, **gates: Any) -> dict[str, Any]:
    log = json.loads(json.dumps(sarif_dict(diagnosis, evaluate(diagnosis, Gates(**gates))), allow_nan=False))
    essentials(log)
    assert isinstance(log, dict)
    return log


def results(log: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = log["runs"][0]["results"]
    return found


def test_every_fallback_is_a_result_beside_the_line_that_proves_it() -> None:
    log = made(diagnosis(build([layer("conv1"), sparse_layer("conv2"), unknown_layer("x", "undetermined", "myelin-opaque"), layer("c", reason="no-kernel")])))
    assert [(one["ruleId"], one["level"]) for one in results(log)] == [("slower", "note"), ("no-kernel", "warning")]
    place = results(log)[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "build.log"
    assert place["region"] == {"startLine": 4711, "snippet": {"text": "[V] [TRT] Tactic: 0x98e92db98836b738 Time: 0.102"}}
    assert results(log)[0]["locations"][0]["logicalLocations"][0]["name"] == "conv1"


def test_a_layer_that_no_line_speaks_of_is_placed_in_its_json() -> None:
    lone = layer("conv", evidence=(PointerEvidence(1, "/Layers/17/TacticName", "x"),), eligibility=Eligibility(True, "suggested"))
    location = results(made(diagnosis(build([lone]))))[0]["locations"][0]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "layers.json"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "/Layers/17/TacticName"


def test_gates_that_hold_are_errors_and_those_that_pass_are_silent() -> None:
    log = made(diagnosis(build([layer("conv1"), sparse_layer("conv2")])), fail_on=("dense", "tie"), min_picked=0.9, max_fallback_ms=5.0)
    assert [(one["ruleId"], one["level"]) for one in results(log)] == [("slower", "note"), ("gate/fail-on", "error"), ("gate/min-picked", "error")]
    assert results(log)[1]["properties"] == {"outcome": "failed", "layers": ["conv1"]}


def test_the_rules_are_the_catalogue() -> None:
    (rule,) = made(diagnosis(build([layer("conv", reason="format-cost")])))["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "format-cost"
    assert "reformat" in rule["fullDescription"]["text"].lower()


def test_hostile_text_keeps_the_form() -> None:
    text = json.dumps(made(factory.hostile(), fail_on=("slower",)), ensure_ascii=False)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e\u200b\u2028\ud800-\udfff]", text)


@settings(deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=40))
def test_any_name_and_path_keeps_the_form(text: str) -> None:
    inputs = (dataclasses.replace(INPUTS[0], path=text), *INPUTS[1:])
    made(diagnosis(build([layer(text, summary=text)]), inputs=inputs), fail_on=("dense",))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("runs/a b.log", "runs/a%20b.log"), ("/tmp/x#1.log", "file:///tmp/x%231.log"), ("a:b.log", "a%3Ab.log"), ("<stdin>", "stdin"), ("é.log", "%C3%A9.log")],
)
def test_paths_become_uris(path: str, expected: str) -> None:
    assert file_uri(path) == expected
    assert path == "<stdin>" or unquote(expected.removeprefix("file://")) == path


def test_equal_findings_have_equal_fingerprints_and_others_do_not() -> None:
    first = results(made(diagnosis(build([layer("a"), layer("b"), layer("a", reason="tie")]))))
    again = results(made(diagnosis(build([layer("a", time_ms=9.0)]))))
    prints = [one["partialFingerprints"]["layerAndReason/v1"] for one in (*first, *again)]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3


def test_a_diagnosis_without_inputs_or_captures_is_a_log_too(tmp_path: Path) -> None:
    assert results(made(Diagnosis(()))) == []
    made(diagnosis(build([layer("conv")]), inputs=()), fail_on=("dense",))
    write_sarif(Diagnosis(()), (), tmp_path / "out.sarif")
    essentials(json.loads((tmp_path / "out.sarif").read_text()))
