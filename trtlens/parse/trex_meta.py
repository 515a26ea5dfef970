"""The metadata files that trex's process_engine writes beside layer info: `*.build.metadata.json` and `*.profile.metadata.json`.

In: the text of one such file. Out: TrexMetadata, the few facts diagnose/ asks for and all sections as they are. Next: diagnose/ fills the
environment of a build.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError
from . import lenient_json
from .records import Note

_SECTIONS = ("model_options", "build_options", "device_information", "performance_summary", "inference_options")


@dataclass(frozen=True, slots=True)
class TrexMetadata:
    """What the option, device and performance blocks of trtexec said, as trex copied them. Unknown is None.

    `sparsity`: trtexec's word (Disabled, Enabled, Forced). `median_latency_ms`: from the performance summary. `sections`: everything, as
    it stands.
    """

    kind: Literal["build", "profile"]
    model: str | None
    precision: tuple[str, ...] | None
    sparsity: str | None
    optimization_level: int | None
    gpu: str | None
    compute_capability: str | None
    median_latency_ms: float | None
    sections: dict[str, Any]
    notes: tuple[Note, ...] = ()


def looks_like(text_head: str) -> bool:
    """Whether the head of a file is trex metadata."""
    head = text_head.lstrip("\ufeff \t\r\n")
    return re.match(r'\{\s*"(?:' + "|".join(_SECTIONS) + r')"\s*:', head) is not None


def parse_trex_metadata(text: str, path: str) -> TrexMetadata:
    """The facts of one metadata file. Raises InputError where the file is something else or damaged."""
    document, notes = lenient_json.load(text, path)
    if not isinstance(document, dict) or not any(isinstance(document.get(key), dict) for key in _SECTIONS):
        raise InputError(path, f"this is {lenient_json.describe(document)}, not trex metadata", todo="leave it out")
    sections = {key: value if isinstance(value, dict) else {} for key, value in document.items()}
    build, device = sections.get("build_options", {}), sections.get("device_information", {})
    level = _word(build.get("BuilderOptimizationLevel"))
    precision = _word(build.get("Precision"))
    return TrexMetadata(
        kind="profile" if "performance_summary" in document or "inference_options" in document else "build",
        model=_word(sections.get("model_options", {}).get("Model")),
        precision=tuple(precision.lower().split("+")) if precision else None,
        sparsity=_word(build.get("Sparsity")),
        # trtexec prints -1 where the option was not given.
        optimization_level=int(level) if level and level.isdecimal() and len(level) < 4 else None,
        gpu=_word(device.get("Selected Device")),
        compute_capability=_word(device.get("Compute Capability")),
        median_latency_ms=_median(sections.get("performance_summary", {}).get("Latency")),
        sections=document,
        notes=notes,
    )


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value)[:200] else None


def _median(latency: object) -> float | None:
    """The median of trtexec's latency line, which trex keeps as [min, max, mean, median, percentiles …]."""
    return lenient_json.finite(latency[3]) if isinstance(latency, list) and len(latency) > 3 else None
