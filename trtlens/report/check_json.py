"""The check of a model's weights for programs: the contract's `check --json`, `schema_version` 1.

In: diagnose.weights.ModelCheck. Out: a dict. Next: schema/check-1.json, which says what the dict holds.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from ..diagnose.model import SCHEMA_VERSION
from ..diagnose.weights import ModelCheck, WeightCheck
from .files import write_text


def to_dict(check: ModelCheck) -> dict[str, Any]:
    """The contract's JSON as Python objects: every key present, unknown None, none `[]`; layers in the graph's order."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("trtlens")
    except PackageNotFoundError:
        # Run from a source tree that nobody installed.
        release = "0"
    return {
        "schema_version": SCHEMA_VERSION,
        "trtlens": release,
        "model": str(check.path),
        "layers": [_layer(weight) for weight in check.weights],
        "summary": asdict(check.summary),
        "warnings": [{"id": warning.id, "message": warning.message, "evidence": []} for warning in check.warnings],
    }


def write_json(check: ModelCheck, path_or_dash: str | os.PathLike[str]) -> None:
    """Write `to_dict` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(json.dumps(to_dict(check), indent=1, ensure_ascii=False, allow_nan=False) + "\n", path_or_dash)


def validate(document: dict[str, Any]) -> None:
    """Raise jsonschema.ValidationError unless `document` is what schema/check-1.json allows."""
    import jsonschema

    jsonschema.Draft202012Validator(schema()).validate(document)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `to_dict` returns."""
    text = files("trtlens.report").joinpath("schema", "check-1.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _layer(weight: WeightCheck) -> dict[str, Any]:
    return {
        "name": weight.name,
        "onnx_nodes": list(weight.onnx_nodes),
        "operator": weight.operator,
        "weight": weight.weight,
        "dtype": weight.dtype,
        "shape": list(weight.shape) if weight.shape is not None else None,
        "axis": weight.axis,
        "status": weight.status,
        "reason": weight.reason,
        "proof": weight.proof,
        "groups": weight.groups,
        "groups_conforming": weight.groups_conforming,
        "first_violations": [{"index": list(v.index), "length": v.length, "nonzeros": v.nonzeros} for v in weight.first_violations],
        "conforming_axes": list(weight.conforming_axes),
        "partial_group": weight.partial_group,
        "macs": weight.macs,
        "weight_bytes": weight.weight_bytes,
        "summary": weight.summary,
        "chain": list(weight.chain),
        "worst_output": (
            {"index": weight.worst_output[0], "violations": weight.worst_output[1]} if weight.worst_output is not None else None
        ),
        "zeros": weight.zeros,
        "elements": weight.elements,
        "groups_conforming_fp16": weight.groups_conforming_fp16,
        "zeros_fp16_adds": weight.zeros_fp16_adds,
        "alignment": {
            "reduction": {"size": weight.reduction_size, "multiple_of": list(weight.alignment_reduction)},
            "output": {"size": weight.output_size, "multiple_of": list(weight.alignment_output)},
        },
        "conv_groups": weight.conv_groups,
    }
