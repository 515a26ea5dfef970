"""What the HTML page is made of: one dict for the template, one compact dict for the page's script.

In: diagnose.model.Diagnosis and ReportExtras. Out: plain dicts of strings and numbers, every string made visible. Next: html.py, which
turns them into text, and assets/app.js, which reads `script_data`. Tests read these dicts and never parse HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from ..diagnose.model import CaptureDiagnosis, Diagnosis, Evidence, Input, LayerVerdict, TensorEvidence
from ..text import shorten_middle, tactic_hex, visible
from . import words
from .extras import Race, ReportExtras

STATIC_ROWS = 250
"""Fallbacks in the table that needs no script; beyond it the file would hold each layer twice for nobody's benefit."""

_EVIDENCE_TEXT = 400
_EVIDENCE_ITEMS = 30
TACTIC_ROWS = 40_000
"""Rows of races that a page holds at most; the tables hold them all."""

_SAMPLES = 200
_PRECISIONS = (
    (re.compile(r"bf16|bfloat16", re.I), "BF16"),
    (re.compile(r"fp8|e4m3|e5m2", re.I), "FP8"),
    (re.compile(r"fp4|e2m1", re.I), "FP4"),
    (re.compile(r"fp16|half|\bf16", re.I), "FP16"),
    (re.compile(r"int8|\bi8", re.I), "INT8"),
    (re.compile(r"int4|\bi4", re.I), "INT4"),
    (re.compile(r"fp32|float|\bf32", re.I), "FP32"),
    (re.compile(r"int32|int64|bool|uint8", re.I), "integer"),
)


def template_data(diagnosis: Diagnosis, extras: ReportExtras) -> dict[str, Any]:
    """What stands in the page before any script runs: per capture the words and the fallback table."""
    return {
        "captures": [_capture(capture, extras if number == 0 else ReportExtras()) for number, capture in enumerate(diagnosis.captures)],
        "experiments": [{"title": visible(item.title), "lines": [visible(line) for line in item.lines]} for item in extras.experiments],
        "note": words.VALIDATION_NOTE,
    }


def script_data(diagnosis: Diagnosis, extras: ReportExtras, tactic_rows: int = TACTIC_ROWS) -> dict[str, Any]:
    """What the page's script reads: one dict a layer of each main build; keys whose value is unknown are left out.

    `pool` holds the [kernel, tactic id] pairs that the races point to, `titles` what the reason ids mean. `noise` is [ratio, milliseconds].
    """
    layers: list[dict[str, Any]] = []
    pool: dict[tuple[str, str], int] = {}
    races = sum(len(extras.races.get(layer.name, ())) for capture in diagnosis.captures if capture.main for layer in capture.main.layers)
    keep = min(tactic_rows // races, 60) if races else 0
    for number, capture in enumerate(diagnosis.captures):
        if capture.main is None:
            continue
        for position, layer in enumerate(capture.main.layers):
            item = _layer(layer, capture.inputs)
            if number:
                item["capture"] = number
            item["position"] = position
            if number == 0:
                item |= _extras(layer.name, extras, pool, keep)
            layers.append({key: value for key, value in item.items() if key == "name" or value not in (None, "", [], {})})
    return {
        "captures": [_capture_name(capture, number) for number, capture in enumerate(diagnosis.captures)],
        "layers": layers,
        "pool": list(pool),
        "titles": {reason: title for layer in layers if (reason := layer.get("reason")) and (title := words.reason_title(reason))},
        "noise": [extras.noise_ratio, extras.noise_ms],
    }


def precision(layer: LayerVerdict) -> str | None:
    """`FP16`, `INT8/FP16` (in/out), … as far as the formats say; None when they do not."""
    first, last = _precision(layer.input_formats[:1]), _precision(layer.output_formats[:1])
    if first and last and first != last:
        return f"{first}/{last}"
    return first or last


def _precision(formats: Sequence[str]) -> str | None:
    for text in formats:
        for pattern, name in _PRECISIONS:
            if pattern.search(text):
                return name
    return None


def _capture_name(capture: CaptureDiagnosis, number: int) -> str:
    return visible(f"{number + 1}: {', '.join(item.path for item in capture.inputs[:2])}", 80)


def _capture(capture: CaptureDiagnosis, extras: ReportExtras) -> dict[str, Any]:
    story = words.story(capture)
    identity = [("model", extras.model)] if extras.model else [("model", item.path) for item in capture.inputs if item.kind == "onnx"][:1]
    identity += [(label, value) for label, value in story.identity]
    identity += [("built", extras.date)] if extras.date else []
    identity += [("options", " ".join(extras.options))] if extras.options else []
    others = [build for build in capture.builds if build is not capture.main]
    return {
        "headline": visible(story.headline),
        "notes": [visible(note) for note in story.notes],
        "identity": [(label, visible(value or "", 400)) for label, value in identity],
        "warnings": [
            {
                "id": visible(warning.id),
                "message": visible(warning.message, 1200),
                "evidence": _evidence(warning.evidence, capture.inputs),
            }
            for warning in story.warnings
        ],
        "share": _share(capture),
        "reasons": [
            {
                "reason": visible(group.reason),
                "title": words.reason_title(group.reason),
                "status": group.status,
                "layers": group.layers,
                "layers_text": f"{group.layers:,}",
                "ms": words.ms(group.time_ms),
                "proof": words.proofs_text(group),
            }
            for group in story.reasons
        ],
        "first_steps": [
            {
                "text": visible(step.text, 800),
                "gain": step.gain,
                "layers": [visible(name) for name in step.layers[:2]],
                "shown": [shorten_middle(visible(name), 60) for name in step.layers[:2]],
                "more": max(len(step.layers) - 2, 0),
            }
            for step in story.first_steps
        ],
        "capture_next": [visible(text) for text in story.capture_next],
        "fallbacks": [_row(layer) for layer in story.fallbacks[:STATIC_ROWS]],
        "more_fallbacks": max(len(story.fallbacks) - STATIC_ROWS, 0),
        "others": [visible(words.build_line(build)) for build in others],
        "inputs": [{"text": visible(words.input_line(item), 400), "sha256": item.sha256} for item in capture.inputs],
    }


def _share(capture: CaptureDiagnosis) -> list[dict[str, Any]]:
    """The parts of the bar under the headline: layers that sparsity concerns, by what runs."""
    build = capture.main
    if build is None:
        return []
    counts = [
        ("sparse", "run sparse", build.summary.picked),
        ("dense", "eligible, run dense", build.summary.fallback),
        ("dense-unknown", "run dense, eligibility unknown", build.summary.dense_unknown),
        ("undetermined", "cannot be told", build.summary.undetermined),
    ]
    total = sum(number for *_, number in counts)
    out, left = [], 0.0
    for status, label, number in counts:
        if number:
            width = 100 * number / total
            out.append({"status": status, "label": label, "layers": f"{number:,}", "left": round(left, 2), "width": round(width, 2)})
            left += width
    return out


def _row(layer: LayerVerdict) -> dict[str, Any]:
    name = visible(layer.name)
    return {
        "name": shorten_middle(name, 120) or "(no name)",
        "reason": visible(layer.reason or "unknown"),
        "proof": layer.proof,
        "ms": words.ms(layer.time_ms),
        "dense": words.ms(layer.best_dense_ms),
        "sparse": words.best_sparse(layer),
        "summary": visible(layer.summary, 300),
    }


def _layer(layer: LayerVerdict, inputs: Sequence[Input]) -> dict[str, Any]:
    tactic = layer.tactic
    tactic_id = "" if tactic.id is None else tactic_hex(tactic.id)
    tactic_parts = (visible(tactic.name or "", 500), tactic_id, visible(tactic.runner or "", 300))
    return {
        "name": visible(layer.name),
        "type": visible(layer.type or ""),
        "status": layer.status,
        "reason": visible(layer.reason or ""),
        "proof": layer.proof,
        "stability": layer.stability if layer.stability != "stable" else None,
        "summary": visible(layer.summary, 2000),
        "precision": precision(layer),
        "time": _finite(layer.time_ms),
        "dense": _finite(layer.best_dense_ms),
        "sparse": _finite(layer.best_sparse_ms),
        "noSparse": True if words.nothing_sparse(layer) else None,
        "figures": [[label, visible(value, 300)] for label, value in words.layer_figures(layer)],
        "nodes": [visible(node, 300) for node in layer.onnx_nodes[:40]],
        "tactic": [part for part in tactic_parts if part],
        "inputs": [visible(text, 300) for text in layer.input_formats],
        "outputs": [visible(text, 300) for text in layer.output_formats],
        "inherited": visible(layer.inherited_from or ""),
        "eligible": [{True: "yes", False: "no", None: "unknown"}[layer.eligibility.value], layer.eligibility.proof],
        "eligibleEvidence": _evidence(layer.eligibility.evidence, inputs),
        "evidence": _evidence(layer.evidence, inputs),
        "suspects": [[visible(item.reason), item.proof, visible(item.summary, 600)] for item in layer.suspects],
        "remedies": [[visible(item.text, 800), words.remedy_gain(item)] for item in layer.remedies],
        "profile": layer.optimization_profile,
    }


def _evidence(evidence: Sequence[Evidence], inputs: Sequence[Input]) -> list[list[str]]:
    """[place, text] pairs; a line too long to read is cut, the JSON report holds it whole."""
    out = []
    for item in evidence[:_EVIDENCE_ITEMS]:
        text = "" if isinstance(item, TensorEvidence) else item.text
        out.append([visible(words.evidence_place(item, inputs), 200), shorten_middle(visible(text), _EVIDENCE_TEXT)])
    if len(evidence) > _EVIDENCE_ITEMS:
        out.append([f"and {len(evidence) - _EVIDENCE_ITEMS:,} more", "The JSON report holds them all."])
    return out


def _extras(name: str, extras: ReportExtras, pool: dict[tuple[str, str], int], keep: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "races": [_race(race, pool, keep) for race in extras.races.get(name, ())],
        "reformats": [
            [visible(item.tensor, 200), visible(item.from_format, 200), visible(item.to_format, 200), _finite(item.time_ms), item.line]
            for item in extras.reformats.get(name, ())
        ],
    }
    samples = [value for value in extras.samples_ms.get(name, ()) if math.isfinite(value)]
    if samples:
        step = max(len(samples) / _SAMPLES, 1)
        out["samples"] = [float(f"{samples[int(index * step)]:.5g}") for index in range(int(len(samples) / step))]
    if extras.weights.get(name):
        out["weights"] = [visible(line, 400) for line in extras.weights[name][:8]]
    ceiling = extras.ceilings.get(name)
    if ceiling is not None:
        out["ceiling"] = [_finite(ceiling.ideal_ratio), _finite(ceiling.bound_ratio)]
    return out


def _race(race: Race, pool: dict[tuple[str, str], int], keep: int) -> dict[str, Any]:
    """The `keep` fastest tactics of a race, but always the fastest dense and the fastest sparse one; `omitted` counts the others."""
    timed = sorted((tactic for tactic in race.tactics if math.isfinite(tactic.time_ms)), key=lambda tactic: tactic.time_ms)
    chosen = timed[:keep]
    for kind in (True, False):
        best = next((tactic for tactic in timed if tactic.sparse is kind), None)
        if best is not None and best not in chosen:
            chosen.append(best)
    rows = []
    for tactic in chosen:
        key = (visible(tactic.kernel or "", 300), visible(tactic.tactic, 40))
        sparse = None if tactic.sparse is None else int(tactic.sparse)
        rows.append([pool.setdefault(key, len(pool)), sparse, float(f"{tactic.time_ms:.6g}"), tactic.line])
    return {"combination": visible(race.combination, 400), "runs": race.runs, "tactics": rows, "omitted": race.omitted + len(race.tactics) - len(rows)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
