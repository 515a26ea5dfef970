"""A comparison for programs.

In: diagnose.diff.DiffResult. Out: a dict, or the file that `--json` names. Next: schema/diff-1.json, which says what the dict holds.
"""

from __future__ import annotations

import json
import math
import os
from importlib.resources import files
from typing import Any

from ..diagnose.diff import DiffResult, LayerDiff, Side, Totals, Unmatched
from ..version import __version__
from .files import write_text

SCHEMA_VERSION = 1


def diff_to_dict(result: DiffResult) -> dict[str, Any]:
    """The comparison as Python objects: every key present, unknown None, none `[]`, floats finite. Positions count from 0 in the main build's layers."""
    return {
        "schema_version": SCHEMA_VERSION,
        "trtlens": __version__,
        "noise": {"ratio": result.noise.ratio, "time_ms": result.noise.time_ms},
        "environment": [{"what": d.what, "a": d.a, "b": d.b} for d in result.environment],
        "cautions": list(result.cautions),
        "a": {"name": result.name_a, "inputs": list(result.paths_a), **_totals(result.totals_a)},
        "b": {"name": result.name_b, "inputs": list(result.paths_b), **_totals(result.totals_b)},
        "total_beyond_noise": result.total_beyond_noise,
        "layers": [_layer(one) for one in result.layers],
        "only_a": [_unmatched(one) for one in result.only_a],
        "only_b": [_unmatched(one) for one in result.only_b],
    }


def write_diff_json(result: DiffResult, path_or_dash: str | os.PathLike[str]) -> None:
    """Write `diff_to_dict` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(json.dumps(diff_to_dict(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n", path_or_dash)


def diff_schema() -> dict[str, Any]:
    """The JSON Schema that ships with the package."""
    loaded: dict[str, Any] = json.loads(files("trtlens.report").joinpath("schema", "diff-1.json").read_text(encoding="utf-8"))
    return loaded


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "layers": totals.layers, "eligible": totals.eligible, "picked": totals.picked, "fallback": totals.fallback,
        "total_time_ms": _number(totals.total_ms), "fallback_time_ms": _number(totals.fallback_ms), "reformats": totals.reformats,
        "reformat_time_ms": _number(totals.reformat_ms), "by_status": dict(totals.by_status), "by_reason": dict(totals.by_reason),
    }  # fmt: skip


def _layer(one: LayerDiff) -> dict[str, Any]:
    return {
        "matched_by": one.matched_by, "a": _side(one.a), "b": _side(one.b), "delta_ms": _number(one.delta_ms), "beyond_noise": one.beyond_noise,
        "changes": [{"kind": change.kind, "a": change.a, "b": change.b} for change in one.changes],
    }  # fmt: skip


def _side(side: Side) -> dict[str, Any]:
    return {
        "positions": list(side.positions), "names": list(side.names), "status": side.status, "statuses": dict(side.statuses), "reason": side.reason,
        "proof": side.proof, "summary": side.summary, "tactics": list(side.tactics), "time_ms": _number(side.time_ms),
        "formats": {"inputs": list(side.input_formats), "outputs": list(side.output_formats)}, "reformats": side.reformats,
        "reformat_time_ms": _number(side.reformat_ms),
    }  # fmt: skip


def _unmatched(one: Unmatched) -> dict[str, Any]:
    return {
        "position": one.position, "name": one.name, "type": one.type, "status": one.status, "reason": one.reason, "time_ms": _number(one.time_ms)
    }  # fmt: skip
