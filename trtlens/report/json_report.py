"""The diagnosis for programs: the contract's JSON, `schema_version` 1.

In: diagnose.model.Diagnosis. Out: a dict, or the file that `--json` names, a line a layer. Next: schema/explain-1.json, which says what the dict holds.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from ..diagnose.model import (
    SCHEMA_VERSION,
    BuildDiagnosis,
    CaptureDiagnosis,
    Diagnosis,
    Environment,
    Evidence,
    Input,
    LayerVerdict,
    LineEvidence,
    PointerEvidence,
    Remedy,
    Summary,
    Suspect,
    Warning,
)
from ..text import tactic_hex
from .files import write_text


def to_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """The contract's JSON as Python objects: every key present, unknown None, none `[]`, floats finite."""
    return {"schema_version": SCHEMA_VERSION, "trtlens": _release(), "captures": [_capture(capture) for capture in diagnosis.captures]}


def write_json(diagnosis: Diagnosis, path_or_dash: str | os.PathLike[str]) -> None:
    """Write `to_dict` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(json_parts(diagnosis), path_or_dash)


def json_parts(diagnosis: Diagnosis) -> Iterator[str]:
    """`to_dict` as text, in parts of a layer each: neither the objects nor the text of 50,000 layers are ever held whole.

    A layer is a line, for `grep`; json's own indentation would be written by its slow encoder.
    """
    yield f'{{"schema_version": {SCHEMA_VERSION}, "trtlens": {_text(_release())}, "captures": ['
    for number, capture in enumerate(diagnosis.captures):
        held = _capture(capture, builds=False)
        yield f"{_next(number)} {_text(held)[:-1]}, \"builds\": ["
        for build_number, build in enumerate(capture.builds):
            yield f"{_next(build_number)}  {_text(_build_head(build))[:-1]}, \"layers\": ["
            for layer_number, layer in enumerate(build.layers):
                yield f"{_next(layer_number)}   {_text(_layer(layer))}"
            yield f'], "warnings": {_text(_warnings(build))}}}'
        yield "]}"
    yield "]}\n"


def _next(number: int) -> str:
    return ",\n" if number else "\n"


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("trtlens")
    except PackageNotFoundError:
        # Run from a source tree that nobody installed.
        return "0"


def validate(document: dict[str, Any]) -> None:
    """Raise jsonschema.ValidationError unless `document` is what schema/explain-1.json allows."""
    import jsonschema

    jsonschema.Draft202012Validator(schema()).validate(document)


def schema() -> dict[str, Any]:
    """The JSON Schema that ships with the package."""
    text = files("trtlens.report").joinpath("schema", "explain-1.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _capture(capture: CaptureDiagnosis, builds: bool = True) -> dict[str, Any]:
    head = {"inputs": [_input(item) for item in capture.inputs], "main_build": capture.main_build}
    return {**head, "builds": [_build(build) for build in capture.builds]} if builds else head


def _input(item: Input) -> dict[str, Any]:
    return {"path": item.path, "kind": item.kind, "dialect": item.dialect, "bytes": item.bytes, "lines": item.lines, "sha256": item.sha256}


def _build(build: BuildDiagnosis) -> dict[str, Any]:
    return {**_build_head(build), "layers": [_layer(layer) for layer in build.layers], "warnings": _warnings(build)}


def _warnings(build: BuildDiagnosis) -> list[dict[str, Any]]:
    return [_warning(warning) for warning in build.warnings]


def _build_head(build: BuildDiagnosis) -> dict[str, Any]:
    return {
        "index": build.index,
        "lines": None if build.lines is None else list(build.lines),
        "backend_strategy": build.backend_strategy,
        "environment": _environment(build.environment),
        "summary": _summary(build.summary),
    }


def _environment(environment: Environment) -> dict[str, Any]:
    return {
        "tensorrt": environment.tensorrt,
        "gpu": environment.gpu,
        "compute_capability": environment.compute_capability,
        "precision": None if environment.precision is None else list(environment.precision),
        "sparsity": environment.sparsity,
        "opt_level": environment.opt_level,
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {
        "layers": summary.layers,
        "eligible": summary.eligible,
        "eligible_listed": summary.eligible_listed,
        "eligible_unmatched": summary.eligible_unmatched,
        "picked": summary.picked,
        "fallback": summary.fallback,
        "dense_unknown": summary.dense_unknown,
        "undetermined": summary.undetermined,
        "total_time_ms": _number(summary.total_time_ms),
        "fallback_time_ms": _number(summary.fallback_time_ms),
        "recoverable_ms": _number(summary.recoverable_ms),
        "bound_ms": _number(summary.bound_ms),
        "by_reason": dict(summary.by_reason),
    }


def _layer(layer: LayerVerdict) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "onnx_nodes": list(layer.onnx_nodes),
        "optimization_profile": layer.optimization_profile,
        "status": layer.status,
        "reason": layer.reason,
        "proof": layer.proof,
        "stability": layer.stability,
        "summary": layer.summary,
        "eligibility": {
            "value": layer.eligibility.value,
            "proof": layer.eligibility.proof,
            "evidence": [evidence_dict(item) for item in layer.eligibility.evidence],
        },
        "tactic": {
            "name": layer.tactic.name,
            "id": None if layer.tactic.id is None else tactic_hex(layer.tactic.id),
            "sparse": layer.tactic.sparse,
            "runner": layer.tactic.runner,
        },
        "formats": {"inputs": list(layer.input_formats), "outputs": list(layer.output_formats)},
        "best_dense_ms": _number(layer.best_dense_ms),
        "best_sparse_ms": _number(layer.best_sparse_ms),
        "margin": _number(layer.margin),
        "compared": {"dense": layer.compared_dense, "sparse": layer.compared_sparse},
        "inherited_from": layer.inherited_from,
        "time_ms": _number(layer.time_ms),
        "time_stat": layer.time_stat,
        "time_percent": _number(layer.time_percent),
        "suspects": [_suspect(suspect) for suspect in layer.suspects],
        "evidence": [evidence_dict(item) for item in layer.evidence],
        "remedies": [_remedy(remedy) for remedy in layer.remedies],
    }


def _suspect(suspect: Suspect) -> dict[str, Any]:
    return {"reason": suspect.reason, "proof": suspect.proof, "summary": suspect.summary}


def _remedy(remedy: Remedy) -> dict[str, Any]:
    return {"text": remedy.text, "gain_ms": _number(remedy.gain_ms), "gain_kind": remedy.gain_kind}


def _warning(warning: Warning) -> dict[str, Any]:
    return {"id": warning.id, "message": warning.message, "evidence": [evidence_dict(item) for item in warning.evidence]}


def evidence_dict(evidence: Evidence) -> dict[str, Any]:
    """One of the contract's three forms of evidence."""
    if isinstance(evidence, LineEvidence):
        return {"input": evidence.input, "line": evidence.line, "text": evidence.text}
    if isinstance(evidence, PointerEvidence):
        return {"input": evidence.input, "pointer": evidence.pointer, "text": evidence.text}
    return {"input": evidence.input, "tensor": evidence.tensor, "index": list(evidence.index)}
