"""JUnit XML: what a CI system reads out of it, whatever the layers are called."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import factory
from tests.report.factory import build, diagnosis, layer, sparse_layer, unknown_layer
from trtlens.diagnose.gates import Gates, evaluate
from trtlens.diagnose.model import Diagnosis
from trtlens.errors import UsageError
from trtlens.report.junit import render_junit, write_junit
from trtlens.report.xml_text import xml_text


def parsed(made: Diagnosis, **gates: object) -> ElementTree.Element:
    results = evaluate(made, Gates(**gates))  # type: ignore[arg-type]
    return ElementTree.fromstring(render_junit(made, results).encode())


MADE = diagnosis(build([layer("conv1"), sparse_layer("conv2"), unknown_layer("pool", "other", None), unknown_layer("region", "undetermined", "myelin-opaque")]))


def test_a_gate_is_a_test_and_a_layer_is_one() -> None:
    root = parsed(MADE, fail_on=("slower", "tie"), allow_unknown=True)
    gates, layers = root.findall("testsuite")
    assert [(case.get("name"), case.find("failure") is not None) for case in gates] == [("fail-on slower", True), ("fail-on tie", False)]
    assert [(case.get("name"), case.find("failure") is not None) for case in layers] == [("conv1", True), ("conv2", False), ("region", False)]
    assert (root.get("tests"), root.get("failures")) == ("5", "2")
    assert (gates.get("tests"), gates.get("failures"), layers.get("tests"), layers.get("failures")) == ("2", "1", "3", "1")


def test_a_failure_cites_its_lines() -> None:
    case = next(case for case in parsed(MADE, fail_on=("slower",)).iter("testcase") if case.get("name") == "conv1")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "failed"
    assert (failure.get("message") or "").startswith("fail-on slower: dense, slower (proven):")
    assert (failure.text or "").splitlines()[0] == "build.log:4711: [V] [TRT] Tactic: 0x98e92db98836b738 Time: 0.102"


def test_a_line_that_proves_reason_and_eligibility_is_cited_once() -> None:
    made = layer("conv1")
    both = dataclasses.replace(made, eligibility=dataclasses.replace(made.eligibility, evidence=made.evidence[:1]))
    (cited,) = [one.text for one in parsed(diagnosis(build([both])), fail_on=("slower",)).iter("failure") if "build.log:4711" in (one.text or "")]
    assert (cited or "").count("build.log:4711: ") == 1


def test_what_nobody_can_tell_is_a_failure_of_its_own_type() -> None:
    root = parsed(diagnosis(build([unknown_layer("region", "undetermined", "myelin-opaque")])), fail_on=("dense",))
    assert [failure.get("type") for failure in root.iter("failure")] == ["cannot-tell", "cannot-tell"]


def test_fallbacks_without_a_gate_are_no_failures() -> None:
    assert list(parsed(MADE).iter("failure")) == []


def test_hostile_names_stay_text() -> None:
    root = parsed(factory.hostile(), fail_on=("slower", "warn:capture-mismatch"))
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure"}
    names = [case.get("name") or "" for case in root.iter("testcase")]
    assert any("</script><script>" in name for name in names)
    assert any("\\x1b[31mred" in name for name in names)


@given(st.text(st.characters(), max_size=60))
def test_any_text_survives_a_parser(text: str) -> None:
    root = parsed(diagnosis(build([layer(text, summary=text, reason="slower")])), fail_on=("slower",))
    names = [case.get("name") for case in root.iter("testcase")]
    assert names[1] == (xml_text(text) or "(no name)")


@pytest.mark.parametrize(("raw", "shown"), [("\ufffe", "\\ufffe"), ("\x00", "\\x00"), ("\ud800", "\\ud800"), ("<&>", "<&>"), ("é層\U0001f600", "é層\U0001f600")])
def test_what_xml_forbids_is_written_out(raw: str, shown: str) -> None:
    assert xml_text(raw) == shown


def test_it_is_written_whole_or_refused(tmp_path: Path) -> None:
    write_junit(MADE, evaluate(MADE, Gates(("slower",))), tmp_path / "gates.xml")
    assert ElementTree.parse(tmp_path / "gates.xml").getroot().tag == "testsuites"
    with pytest.raises(UsageError, match="cannot be written"):
        write_junit(MADE, (), tmp_path / "missing" / "gates.xml")
