"""Gates as JUnit XML, which every CI system shows.

In: a `Diagnosis` and the gates' results. Out: XML text, or a file written whole or not at all. Next: diagnose/gates.py, which judges.
One suite a capture for its gates and one for its layers: a layer fails where a gate that holds names it, and passes otherwise.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from ..diagnose.gates import GateResult
from ..diagnose.model import CaptureDiagnosis, Diagnosis, LayerVerdict, TensorEvidence
from . import words
from .files import write_text
from .xml_text import xml_text

_CONCERNED = frozenset({"sparse", "dense", "dense-unknown", "undetermined"})
_NAME, _TEXT = 1000, 4000


def write_junit(diagnosis: Diagnosis, gate_results: Sequence[GateResult], path: str | os.PathLike[str]) -> None:
    """Write `render_junit` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(render_junit(diagnosis, gate_results), path)


def render_junit(diagnosis: Diagnosis, gate_results: Sequence[GateResult]) -> str:
    """JUnit XML: per capture a suite `gates` and a suite `layers` (those that sparsity concerns)."""
    root = ElementTree.Element("testsuites", name="trtlens")
    for number, capture in enumerate(diagnosis.captures):
        results = [result for result in gate_results if result.capture == number]
        title = _title(capture, number)
        _suite(root, f"{title}: gates", [_gate(result, title) for result in results])
        named: dict[str, list[GateResult]] = defaultdict(list)
        for result in results:
            for name in result.layers if result.holds else ():
                named[name].append(result)
        layers = capture.main.layers if capture.main is not None else ()
        _suite(root, f"{title}: layers", [_layer(v, named.get(v.name, ()), capture, title) for v in layers if v.status in _CONCERNED or v.name in named])
    _count(root, list(root.iter("testcase")))
    ElementTree.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _title(capture: CaptureDiagnosis, number: int) -> str:
    path = capture.inputs[0].path if capture.inputs else "no inputs"
    return xml_text(f"capture {number + 1}: {path}", 300)


def _suite(root: ElementTree.Element, name: str, cases: list[ElementTree.Element]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    suite.extend(cases)
    _count(suite, cases)


def _count(element: ElementTree.Element, cases: Iterable[ElementTree.Element]) -> None:
    cases = list(cases)
    element.set("tests", str(len(cases)))
    element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    element.set("errors", "0")
    element.set("skipped", "0")


def _gate(result: GateResult, title: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"trtlens.gates.{title}", name=xml_text(result.rule, _NAME))
    if result.holds:
        message = xml_text("; ".join(result.messages), _TEXT)
        failure = ElementTree.SubElement(case, "failure", type=result.outcome, message=message)
        shown = [xml_text(name, _NAME) for name in result.layers[:100]]
        more = [f"and {words.count(len(result.layers) - 100, 'more layer')}"] if len(result.layers) > 100 else []
        failure.text = "\n".join([*(xml_text(text, _TEXT) for text in result.messages), *shown, *more])
    return case


def _layer(verdict: LayerVerdict, results: Sequence[GateResult], capture: CaptureDiagnosis, title: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"trtlens.layers.{title}", name=xml_text(verdict.name, _NAME) or "(no name)")
    verdict_text = f"{verdict.status}, {verdict.reason or 'no reason'} ({verdict.proof}): {verdict.summary}"
    if results:
        rules = ", ".join(dict.fromkeys(result.rule for result in results))
        outcome = "failed" if any(result.outcome == "failed" for result in results) else "cannot-tell"
        failure = ElementTree.SubElement(case, "failure", type=outcome, message=xml_text(f"{rules}: {verdict_text}", _TEXT))
        failure.text = "\n".join(_evidence(verdict, capture)) or xml_text(verdict_text, _TEXT)
    return case


def _evidence(verdict: LayerVerdict, capture: CaptureDiagnosis) -> list[str]:
    lines = []
    for item in dict.fromkeys((*verdict.evidence, *verdict.eligibility.evidence)[:20]):  # one line may prove both
        text = "" if isinstance(item, TensorEvidence) else f": {item.text}"
        lines.append(xml_text(words.evidence_place(item, capture.inputs) + text, _TEXT))
    return lines
