"""What a full report shows beyond the verdicts: races, reformats, samples, identity, experiments.

In: nothing. Out: dataclasses that the caller fills from the parsed tables. Next: page.py, which summarises them for the HTML page.
Every mapping's key is a layer's name as in `LayerVerdict.name`; what is not known stays empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TacticTiming:
    """One timed tactic. `tactic`: `0x` and 16 digits; `sparse`: from the kernel's name, None when unknown; `line`: 1-based, in the log."""

    kernel: str | None
    tactic: str
    sparse: bool | None
    time_ms: float
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Race:
    """All tactics timed for one layer in one format combination. `runs`: True for the combination that the engine uses, None if unknown."""

    combination: str
    tactics: tuple[TacticTiming, ...]
    runs: bool | None = None


@dataclass(frozen=True, slots=True)
class ReformatCost:
    """A reformat next to a layer. `time_ms`: the fastest one measured for the pair of formats, 0 for a NoOp, None if never measured."""

    tensor: str
    from_format: str
    to_format: str
    time_ms: float | None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The roofline's `ideal_ratio` (dense/sparse, both at the machine's limits) and `bound_ratio` (best dense time/sparse roofline)."""

    ideal_ratio: float | None
    bound_ratio: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A counterfactual or repeat build: what was changed, and what came out of it, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportExtras:
    """`noise_ratio` and `noise_ms`: the noise band used (contract: the larger of 3 % and 1 µs)."""

    model: str | None = None
    date: str | None = None
    options: tuple[str, ...] = ()
    noise_ratio: float = 0.03
    noise_ms: float = 0.001
    races: Mapping[str, tuple[Race, ...]] = field(default_factory=dict)
    reformats: Mapping[str, tuple[ReformatCost, ...]] = field(default_factory=dict)
    samples_ms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict)
    experiments: tuple[Experiment, ...] = ()
