"""Fallbacks and failed gates as SARIF 2.1.0, which code-scanning pages show beside the line that proves them.

In: a `Diagnosis` and the gates' results. Out: a dict, or a file written whole or not at all. Next: diagnose/reasons.py, whose catalogue is the rules.
Source of the format: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ..diagnose.gates import GateResult
from ..diagnose.model import CaptureDiagnosis, Diagnosis, Evidence, LayerVerdict, LineEvidence, PointerEvidence
from ..diagnose.reasons import REASONS
from ..text import visible
from ..version import __version__
from . import words
from .files import write_text

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MESSAGE, _NAME, _LINE = 2000, 1000, 1000


def write_sarif(diagnosis: Diagnosis, gate_results: Sequence[GateResult], path: str | os.PathLike[str]) -> None:
    """Write `sarif_dict` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(json.dumps(sarif_dict(diagnosis, gate_results), indent=1, ensure_ascii=False, allow_nan=False) + "\n", path)


def sarif_dict(diagnosis: Diagnosis, gate_results: Sequence[GateResult] = ()) -> dict[str, Any]:
    """One run: a result for every fallback (`warning`, or `note` where nothing is lost by it) and for every gate that holds (`error`)."""
    rules = _Rules()
    artifacts = _Artifacts(diagnosis)
    results: list[dict[str, Any]] = []
    for number, capture in enumerate(diagnosis.captures):
        layers = capture.main.layers if capture.main is not None else ()
        results += [_fallback(v, number, capture, rules, artifacts) for v in layers if v.status == "dense"]
        results += [_gate(r, number, capture, rules, artifacts) for r in gate_results if r.capture == number and r.holds]
    driver = {"name": "trtlens", "version": __version__, "semanticVersion": __version__, "rules": rules.found}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "artifacts": artifacts.found, "results": results}],
    }


class _Rules:
    """Rules in the order in which they are first broken: SARIF results point to them by number."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._index: dict[str, int] = {}

    def of(self, id: str) -> dict[str, Any]:
        if id not in self._index:
            self._index[id] = len(self.found)
            self.found.append(_reason_rule(id) if id in REASONS else _plain_rule(id))
        return {"ruleId": id, "ruleIndex": self._index[id]}


def _reason_rule(id: str) -> dict[str, Any]:
    reason = REASONS[id]
    advice = [f"* {remedy.text}" for remedy in reason.remedies] or ["Nothing to do."]
    return {
        "id": id,
        "shortDescription": {"text": reason.title},
        "fullDescription": {"text": reason.means},
        "help": {"text": "\n".join([reason.cause, "", *advice]), "markdown": "\n".join([reason.cause, "", *advice])},
        "defaultConfiguration": {"level": _level(id)},
        "properties": {"tags": ["tensorrt", "sparsity", reason.kind]},
    }


def _plain_rule(id: str) -> dict[str, Any]:
    text = _GATES.get(id, "An eligible layer runs dense; the inputs do not say why.")
    level = "error" if id in _GATES else "warning"
    return {
        "id": id, "shortDescription": {"text": text}, "fullDescription": {"text": text}, "help": {"text": text}, "defaultConfiguration": {"level": level}
    }  # fmt: skip


_GATES = {
    "gate/fail-on": "A layer has a status or reason, or the build a warning, on which this pipeline fails (--fail-on).",
    "gate/min-picked": "Too few of the eligible layers run sparse (--min-picked).",
    "gate/max-fallback-ms": "Eligible layers that run dense take too much time (--max-fallback-ms).",
    "gate/baseline": "A layer that ran sparse in the baseline does not now, or fallbacks take longer than in the baseline (--baseline).",
}


def _level(id: str) -> str:
    # Dense was the faster choice: worth knowing, nothing to repair.
    return "note" if id in ("slower", "tie", "picked") else "warning"


class _Artifacts:
    """The files of all captures; results point to them by number."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.found: list[dict[str, Any]] = []
        self.index: dict[tuple[int, int], int] = {}
        for number, capture in enumerate(diagnosis.captures):
            for position, item in enumerate(capture.inputs):
                self.index[number, position] = len(self.found)
                entry: dict[str, Any] = {"location": {"uri": file_uri(item.path)}, "length": item.bytes}
                if item.sha256:
                    entry["hashes"] = {"sha-256": item.sha256}
                self.found.append(entry)

    def location(self, capture: int, item: int, region: dict[str, Any] | None = None) -> dict[str, Any] | None:
        index = self.index.get((capture, item))
        if index is None:
            return None
        place: dict[str, Any] = {"artifactLocation": {"uri": self.found[index]["location"]["uri"], "index": index}}
        return {**place, "region": region} if region else place


def file_uri(path: str) -> str:
    """A path as a URI reference: relative paths stay relative, so that a viewer finds them in its checkout."""
    if path in ("-", "<stdin>"):
        return "stdin"
    pure = PurePath(path)
    text = quote(pure.as_posix().encode("utf-8", "surrogatepass"), safe="/")
    if pure.is_absolute():
        return f"file://{text}"
    # `a:b` would read as a scheme; quote() has escaped every colon.
    return text


def _fallback(verdict: LayerVerdict, number: int, capture: CaptureDiagnosis, rules: _Rules, artifacts: _Artifacts) -> dict[str, Any]:
    id = verdict.reason or "unknown"
    title = words.reason_title(verdict.reason)
    text = f"{verdict.name} is eligible for 2:4 sparsity and runs dense: {title or id} ({verdict.proof}). {verdict.summary}"
    properties: dict[str, Any] = {"proof": verdict.proof, "status": verdict.status}
    if verdict.time_ms is not None and words.ms(verdict.time_ms) != "?":
        properties["time_ms"] = verdict.time_ms
    return {
        **rules.of(id),
        "level": _level(id),
        "message": {"text": visible(text, _MESSAGE)},
        "locations": _locations(verdict, number, capture, artifacts),
        "partialFingerprints": {"layerAndReason/v1": _fingerprint(verdict.name, id)},
        "properties": properties,
    }


def _gate(result: GateResult, number: int, capture: CaptureDiagnosis, rules: _Rules, artifacts: _Artifacts) -> dict[str, Any]:
    wanted = set(result.layers[:1])
    layers = capture.main.layers if capture.main is not None else ()
    verdict = next((layer for layer in layers if layer.name in wanted), None)
    locations = _locations(verdict, number, capture, artifacts) if verdict is not None else _anywhere(number, capture, artifacts)
    return {
        **rules.of(f"gate/{result.rule.split(' ')[0]}"),
        "level": "error",
        "message": {"text": visible(f"{result.rule}: {'; '.join(result.messages)}", _MESSAGE)},
        "locations": locations,
        "partialFingerprints": {"gate/v1": _fingerprint(result.rule, str(number))},
        "properties": {"outcome": result.outcome, "layers": [visible(name, _NAME) for name in result.layers[:1000]]},
    }


def _anywhere(number: int, capture: CaptureDiagnosis, artifacts: _Artifacts) -> list[dict[str, Any]]:
    place = artifacts.location(number, 0) if capture.inputs else None
    return [{"physicalLocation": place}] if place else []


def _locations(verdict: LayerVerdict, number: int, capture: CaptureDiagnosis, artifacts: _Artifacts) -> list[dict[str, Any]]:
    """Where it is proven: the first line that the verdict cites, else the first place in a JSON file, else the first file."""
    cited: Sequence[Evidence] = (*verdict.evidence, *verdict.eligibility.evidence)
    logical: dict[str, Any] = {"name": visible(verdict.name, _NAME) or "(no name)", "kind": "layer"}
    place: dict[str, Any] | None = None
    line = next((item for item in cited if isinstance(item, LineEvidence) and item.line > 0), None)
    if line is not None:
        place = artifacts.location(number, line.input, {"startLine": line.line, "snippet": {"text": visible(line.text, _LINE)}})
    if place is None:
        pointer = next((item for item in cited if isinstance(item, PointerEvidence)), None)
        if pointer is not None:
            place = artifacts.location(number, pointer.input)
            logical["fullyQualifiedName"] = visible(pointer.pointer, _NAME)
    if place is None and capture.inputs:
        place = artifacts.location(number, 0)
    return [{**({"physicalLocation": place} if place else {}), "logicalLocations": [logical]}]


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
