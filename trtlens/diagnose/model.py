"""The records of a diagnosis, field for field the contract's JSON (`schema_version` 1).

In: nothing. Out: frozen dataclasses that rules fill and reporters read. Next: reasons.py (the catalogue), rules.py, fallbacks.py and layer_verdicts.py.
Units: every `*_ms` is milliseconds; a figure the inputs do not hold is None, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SCHEMA_VERSION = 1

Status = Literal["sparse", "dense", "dense-unknown", "ineligible", "undetermined", "other"]
Proof = Literal["proven", "suggested", "unknown"]
Stability = Literal["stable", "near", "coin-toss"]

STATUSES: tuple[Status, ...] = ("sparse", "dense", "dense-unknown", "ineligible", "undetermined", "other")
_PROOF_RANK: dict[Proof, int] = {"unknown": 0, "suggested": 1, "proven": 2}


def weaker(first: Proof, second: Proof) -> Proof:
    """The weaker of two proofs: a verdict is never surer than what it stands on."""
    return first if _PROOF_RANK[first] <= _PROOF_RANK[second] else second


@dataclass(frozen=True, slots=True)
class LineEvidence:
    """A line of a text input; `line` is 1-based in the (unpacked) file as the user has it."""

    input: int
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class PointerEvidence:
    """A place in a JSON input, as an RFC 6901 pointer."""

    input: int
    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class TensorEvidence:
    """An element of a weight tensor of an ONNX input."""

    input: int
    tensor: str
    index: tuple[int, ...]


Evidence = LineEvidence | PointerEvidence | TensorEvidence


@dataclass(frozen=True, slots=True)
class Input:
    """One file of a capture. `kind`: layer_info, timing_profile, build_log, onnx, kernel_trace, metadata or manifest."""

    path: str
    kind: str
    dialect: str | None
    bytes: int
    lines: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Environment:
    """What the build ran on, as far as the inputs say."""

    tensorrt: str | None = None
    gpu: str | None = None
    compute_capability: str | None = None
    precision: tuple[str, ...] | None = None
    sparsity: str | None = None
    opt_level: int | None = None
    avg_timing: int | None = None


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether the weights qualify for sparse math: the log's list proves it, `HasSparseWeights` or a weight check suggests it."""

    value: bool | None
    proof: Proof
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningTactic:
    """The tactic in the engine. `sparse`: from the kernel's name alone; None when the name is unknown."""

    name: str | None
    id: int | None
    sparse: bool | None
    runner: str | None


@dataclass(frozen=True, slots=True)
class Suspect:
    reason: str
    proof: Proof
    summary: str


@dataclass(frozen=True, slots=True)
class Remedy:
    text: str
    gain_ms: float | None = None
    gain_kind: Literal["measured", "bound", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class Warning:
    id: str
    message: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerVerdict:
    """One engine layer: what runs, why, how sure, and the lines that show it."""

    name: str
    type: str | None
    onnx_nodes: tuple[str, ...]
    optimization_profile: int | None
    status: Status
    reason: str | None
    proof: Proof
    stability: Stability | None
    summary: str
    eligibility: Eligibility
    tactic: RunningTactic
    input_formats: tuple[str, ...]
    output_formats: tuple[str, ...]
    best_dense_ms: float | None = None
    best_sparse_ms: float | None = None
    margin: float | None = None
    compared_dense: str | None = None
    compared_sparse: str | None = None
    inherited_from: str | None = None
    time_ms: float | None = None
    time_stat: Literal["median", "average"] | None = None
    time_percent: float | None = None
    suspects: tuple[Suspect, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of one build. `eligible` counts engine layers; `eligible_listed` the names of the `(Sparsity)` list; `bound_ms` is the sum over those
    fallbacks of which a bound is known, `bound_layers` many (None: not counted; the JSON does not have it)."""

    layers: int
    eligible: int | None
    eligible_listed: int | None
    eligible_unmatched: int | None
    picked: int
    fallback: int
    dense_unknown: int
    undetermined: int
    total_time_ms: float | None
    fallback_time_ms: float | None
    recoverable_ms: float | None
    bound_ms: float | None
    by_reason: dict[str, int] = field(default_factory=dict)
    bound_layers: int | None = None


@dataclass(frozen=True, slots=True)
class BuildDiagnosis:
    """One engine: its layers in the engine's order."""

    index: int
    lines: tuple[int, int] | None
    backend_strategy: int | None
    environment: Environment
    summary: Summary
    layers: tuple[LayerVerdict, ...]
    warnings: tuple[Warning, ...] = ()
    whole: bool = True
    """False where a list of layers in an input was cut or shortened: there may be layers that nothing here names."""

    @property
    def fallback_untimed(self) -> int:
        """How many fallbacks have no time, so that `summary.fallback_time_ms` is a lower limit."""
        return sum(layer.status == "dense" and layer.time_ms is None for layer in self.layers)


@dataclass(frozen=True, slots=True)
class CaptureDiagnosis:
    """All files of one capture; `main_build` indexes `builds` (None when there is none)."""

    inputs: tuple[Input, ...]
    main_build: int | None
    builds: tuple[BuildDiagnosis, ...]

    @property
    def main(self) -> BuildDiagnosis | None:
        """The build the reader asks about."""
        return next((b for b in self.builds if b.index == self.main_build), None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `trtlens explain` returns and every reporter takes."""

    captures: tuple[CaptureDiagnosis, ...]
