"""Two captures side by side: which layers changed, why, and by how much beyond noise.

In: two `CaptureDiagnosis`, the noise band. Out: `DiffResult`. Next: report/diff.py and its renderers; gates.py compares with a baseline.
What one of the two does not say is never called a change: a time, tactic or format is compared only where both sides hold it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from ..parse.layer_names import split_profile_suffix
from .matching import MatchedBy, is_reformat, match_layers, parse_format
from .model import STATUSES, BuildDiagnosis, CaptureDiagnosis, LayerVerdict, Proof, Status, weaker
from .rules import Noise

ChangeKind = Literal["status", "reason", "proof", "fusion", "tactic", "formats", "shapes", "time", "reformats"]
_SERVED = re.compile(r"^Reformatting CopyNode for (?:In|Out)put Tensor \d{1,6} (?:to|from) (?P<layer>.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something both sides state, and state differently. A side that is silent is None."""

    what: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What changed in one group of layers, in words."""

    kind: ChangeKind
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class Side:
    """One capture's layers of a group. `positions`: in its main build; `status` None where they differ: then `statuses` counts them.

    `reason`, `proof` and `summary` are those of the layer that decides (a fallback before a sparse layer, the costliest of equals). `time_ms`: the sum, None
    unless every layer that can have a time has one. `reformat_ms`: of the copies TensorRT put before and after these layers.
    """

    positions: tuple[int, ...]
    names: tuple[str, ...]
    status: Status | None
    statuses: tuple[tuple[Status, int], ...]
    reason: str | None
    proof: Proof
    summary: str
    tactics: tuple[str, ...]
    input_formats: tuple[str, ...]
    output_formats: tuple[str, ...]
    time_ms: float | None
    reformats: int
    reformat_ms: float | None


@dataclass(frozen=True, slots=True)
class LayerDiff:
    """One group. `delta_ms`: B - A; `beyond_noise`: None where a time is missing."""

    matched_by: MatchedBy
    a: Side
    b: Side
    changes: tuple[Change, ...]
    delta_ms: float | None
    beyond_noise: bool | None

    @property
    def changed(self) -> bool:
        return bool(self.changes)

    def has(self, *kinds: ChangeKind) -> bool:
        """Whether any of these changed."""
        return any(change.kind in kinds for change in self.changes)


@dataclass(frozen=True, slots=True)
class Totals:
    """One capture in figures. `by_status` and `by_reason` (of fallbacks) count layers; `reformat_ms` is None where no reformat has a time.

    `fallback_untimed`, `reformat_untimed`: how many of them have no time, so that the sums of the others are lower limits.
    """

    layers: int
    eligible: int | None
    picked: int
    fallback: int
    total_ms: float | None
    fallback_ms: float | None
    reformats: int
    reformat_ms: float | None
    by_status: tuple[tuple[Status, int], ...]
    by_reason: tuple[tuple[str, int], ...]
    fallback_untimed: int = 0
    reformat_untimed: int = 0


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A layer without a counterpart."""

    position: int
    name: str
    type: str | None
    status: Status
    reason: str | None
    time_ms: float | None


@dataclass(frozen=True, slots=True)
class DiffResult:
    """Capture B against capture A.

    `environment`: what they ran on, differences only, to be read first; `cautions`: why figures may not compare. `layers`: all groups in A's order.
    `only_a`, `only_b`: layers without a counterpart but for reformats, which are counted in `totals_a` and `totals_b`.
    """

    name_a: str
    name_b: str
    noise: Noise
    environment: tuple[Difference, ...]
    cautions: tuple[str, ...]
    totals_a: Totals
    totals_b: Totals
    total_beyond_noise: bool | None
    layers: tuple[LayerDiff, ...]
    only_a: tuple[Unmatched, ...]
    only_b: tuple[Unmatched, ...]
    paths_a: tuple[str, ...] = ()
    paths_b: tuple[str, ...] = ()


def diff(a: CaptureDiagnosis, b: CaptureDiagnosis, noise: Noise | None = None, names: tuple[str, str] = ("A", "B")) -> DiffResult:
    """Compare the main builds of two captures. Raises UsageError where one has none."""
    noise = noise or Noise()
    build_a, build_b = _main(a, names[0]), _main(b, names[1])
    matching = match_layers(build_a.layers, build_b.layers)
    copies_a, copies_b = _Copies(build_a.layers), _Copies(build_b.layers)
    layers = tuple(
        _compare(_side(build_a.layers, match.a, copies_a), _side(build_b.layers, match.b, copies_b), match.by, noise)
        for match in matching.matches
        if not all(is_reformat(build_a.layers[i]) for i in match.a) or not all(is_reformat(build_b.layers[i]) for i in match.b)
    )
    totals_a, totals_b = _totals(build_a), _totals(build_b)
    return DiffResult(
        names[0], names[1], noise, _environment(a, b, build_a, build_b), _cautions(a, b, build_a, build_b, names), totals_a, totals_b,
        beyond(totals_a.total_ms, totals_b.total_ms, noise), layers, _unmatched(build_a.layers, matching.only_a),
        _unmatched(build_b.layers, matching.only_b), tuple(item.path for item in a.inputs), tuple(item.path for item in b.inputs),
    )  # fmt: skip


def beyond(a_ms: float | None, b_ms: float | None, noise: Noise) -> bool | None:
    """Whether two times differ by more than the noise band, which is taken of the shorter one; None where one is unknown."""
    if a_ms is None or b_ms is None:
        return None
    return abs(b_ms - a_ms) > max(noise.ratio * min(a_ms, b_ms), noise.time_ms)


def _main(capture: CaptureDiagnosis, name: str) -> BuildDiagnosis:
    if capture.main is None:
        raise UsageError(f"{name}: holds no build to compare; name a capture with layer info or a build log")
    return capture.main


# ---- what they ran on


def _environment(a: CaptureDiagnosis, b: CaptureDiagnosis, build_a: BuildDiagnosis, build_b: BuildDiagnosis) -> tuple[Difference, ...]:
    one, two = build_a.environment, build_b.environment
    pairs: list[tuple[str, str | None, str | None]] = [
        ("TensorRT", one.tensorrt, two.tensorrt),
        ("GPU", one.gpu, two.gpu),
        ("compute capability", one.compute_capability, two.compute_capability),
        ("precision", _join(one.precision), _join(two.precision)),
        ("sparsity", one.sparsity, two.sparsity),
        ("optimization level", _text(one.opt_level), _text(two.opt_level)),
        ("backend strategy", _text(build_a.backend_strategy), _text(build_b.backend_strategy)),
        ("ONNX model", _model(a), _model(b)),
    ]
    return tuple(Difference(what, x, y) for what, x, y in pairs if x != y)


def _model(capture: CaptureDiagnosis) -> str | None:
    return next((f"{item.path} (sha256 {item.sha256[:12]})" for item in capture.inputs if item.kind == "onnx" and item.sha256), None)


def _join(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else ", ".join(values)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _cautions(
    a: CaptureDiagnosis, b: CaptureDiagnosis, build_a: BuildDiagnosis, build_b: BuildDiagnosis, names: tuple[str, str]
) -> tuple[str, ...]:
    found = []
    stats = [{layer.time_stat for layer in build.layers if layer.time_stat is not None} for build in (build_a, build_b)]
    if all(stats) and stats[0] != stats[1]:
        found.append(f"times are {_stats(stats[0])} in {names[0]} and {_stats(stats[1])} in {names[1]}: small differences mean nothing")
    for own, other, name in ((stats[0], stats[1], names[0]), (stats[1], stats[0], names[1])):
        if not own:
            found.append(f"{name} holds no layer times" + (": times are not compared" if other else ""))
    for capture, name in ((a, names[0]), (b, names[1])):
        if all(item.kind != "build_log" for item in capture.inputs):
            found.append(f"{name} holds no build log: why its layers run as they do is not known")
    for build, name in ((build_a, names[0]), (build_b, names[1])):
        if any(warning.id == "capture-mismatch" for warning in build.warnings):
            found.append(f"the files of {name} are of different builds (capture-mismatch)")
    return tuple(found)


def _stats(stats: Iterable[str]) -> str:
    return " and ".join(f"{stat}s" for stat in sorted(stats))


# ---- one group


class _Copies:
    """The reformats that TensorRT put before and after each layer, found by the layer's name in theirs."""

    def __init__(self, layers: Sequence[LayerVerdict]) -> None:
        self.of: dict[str, list[LayerVerdict]] = defaultdict(list)
        for layer in layers:
            match = _SERVED.match(layer.name) if is_reformat(layer) else None
            if match is not None:
                self.of[match["layer"]].append(layer)
                base, number = split_profile_suffix(match["layer"])
                if number is not None:
                    self.of[base].append(layer)


def _side(layers: Sequence[LayerVerdict], positions: tuple[int, ...], copies: _Copies) -> Side:
    members = [layers[i] for i in positions]
    counts = tuple((status, number) for status in STATUSES if (number := sum(m.status == status for m in members)))
    # A pooling that was fused into a convolution says nothing about sparsity: the layers that sparsity concerns decide.
    concerned = tuple(status for status, _ in counts if status != "other") or ("other",)
    lead = max(members, key=lambda m: (_WEIGHT[m.status], m.time_ms or 0.0))
    proof: Proof = lead.proof
    for member in members:
        if member.status == lead.status and member.reason == lead.reason:
            proof = weaker(proof, member.proof)
    timed = [m.time_ms for m in members if m.time_ms is not None]
    complete = bool(timed) and all(m.time_ms is not None for m in members if m.status != "other")
    around = [copy for m in members for copy in copies.of.get(m.name, ())]
    copied = [copy.time_ms for copy in around if copy.time_ms is not None]
    tactics = tuple(sorted({name for m in members if m.status != "other" or len(members) == 1 for name in _tactic(m)}))
    single = members[0] if len(members) == 1 else None
    return Side(
        positions, tuple(m.name for m in members), concerned[0] if len(concerned) == 1 else None, counts, lead.reason, proof, lead.summary, tactics,
        single.input_formats if single is not None else (), single.output_formats if single is not None else (),
        math.fsum(timed) if complete else None, len(around), math.fsum(copied) if copied and len(copied) == len(around) else None,
    )  # fmt: skip


_WEIGHT: dict[Status, int] = {"dense": 5, "dense-unknown": 4, "undetermined": 3, "ineligible": 2, "sparse": 1, "other": 0}


def _tactic(layer: LayerVerdict) -> tuple[str, ...]:
    return (layer.tactic.name,) if layer.tactic.name else ()


def _compare(a: Side, b: Side, by: MatchedBy, noise: Noise) -> LayerDiff:
    changes: list[Change] = []
    status_a, status_b = status_text(a), status_text(b)
    kinds_a, kinds_b = ({status for status, _ in side.statuses if status != "other"} for side in (a, b))
    if kinds_a != kinds_b:
        changes.append(Change("status", status_a, status_b))
    if a.reason != b.reason:
        changes.append(Change("reason", a.reason or "none", b.reason or "none"))
    elif a.proof != b.proof:
        changes.append(Change("proof", a.proof, b.proof))
    if len(a.positions) != len(b.positions):
        changes.append(Change("fusion", _layers(len(a.positions)), _layers(len(b.positions))))
    if a.tactics and b.tactics and a.tactics != b.tactics:
        changes.append(Change("tactic", " | ".join(a.tactics), " | ".join(b.tactics)))
    if len(a.positions) == len(b.positions) == 1:
        changes += _formats(a, b)
    delta = b.time_ms - a.time_ms if a.time_ms is not None and b.time_ms is not None else None
    noisy = beyond(a.time_ms, b.time_ms, noise)
    if noisy and a.time_ms is not None and b.time_ms is not None:
        changes.append(Change("time", f"{a.time_ms:.4g} ms", f"{b.time_ms:.4g} ms"))
    if a.reformats != b.reformats:
        changes.append(Change("reformats", _reformats(a), _reformats(b)))
    return LayerDiff(by, a, b, tuple(changes), delta, noisy)


def status_text(side: Side) -> str:
    """`dense`, or `1 dense, 2 sparse` where a group's layers differ."""
    if side.status is not None:
        return side.status
    return ", ".join(f"{number} {status}" for status, number in side.statuses if status != "other")


def _layers(number: int) -> str:
    return "1 layer" if number == 1 else f"{number:,} layers"


def _reformats(side: Side) -> str:
    cost = f", {side.reformat_ms:.4g} ms" if side.reformat_ms is not None and side.reformats else ""
    return f"{side.reformats}{cost}"


def _formats(a: Side, b: Side) -> list[Change]:
    """Types and layouts apart from shapes: another batch size changes every shape and no format."""
    changed_formats = changed_shapes = False
    for first, second in ((a.input_formats, b.input_formats), (a.output_formats, b.output_formats)):
        if not first or not second:
            continue
        if len(first) != len(second):
            changed_formats = True
            continue
        for x, y in zip(map(parse_format, first), map(parse_format, second), strict=True):
            # TensorRT 10 prints no layout: a side that is silent has not changed.
            differs = x.datatype != y.datatype or (x.layout is not None and y.layout is not None and x.layout != y.layout)
            changed_formats = changed_formats or differs
            changed_shapes = changed_shapes or (x.dimensions is not None and y.dimensions is not None and x.dimensions != y.dimensions)
    found: list[Change] = []
    if changed_formats:
        found.append(Change("formats", _flow(a, False), _flow(b, False)))
    if changed_shapes:
        found.append(Change("shapes", _flow(a, True), _flow(b, True)))
    return found


def _flow(side: Side, shapes: bool) -> str:
    def one(text: str) -> str:
        parsed = parse_format(text)
        return (parsed.dimensions or "?") if shapes else " ".join(filter(None, (parsed.datatype, parsed.layout)))

    return " -> ".join(", ".join(map(one, formats)) for formats in (side.input_formats, side.output_formats))


# ---- totals


def _totals(build: BuildDiagnosis) -> Totals:
    copies = [layer for layer in build.layers if is_reformat(layer)]
    timed = [layer.time_ms for layer in copies if layer.time_ms is not None]
    summary = build.summary
    counts = tuple((status, number) for status in STATUSES if (number := sum(layer.status == status for layer in build.layers)))
    return Totals(
        len(build.layers), summary.eligible, summary.picked, summary.fallback, summary.total_time_ms, summary.fallback_time_ms, len(copies),
        math.fsum(timed) if timed else None, counts, tuple(summary.by_reason.items()),
        build.fallback_untimed, len(copies) - len(timed),
    )  # fmt: skip


def _unmatched(layers: Sequence[LayerVerdict], positions: Iterable[int]) -> tuple[Unmatched, ...]:
    return tuple(
        Unmatched(i, layers[i].name, layers[i].type, layers[i].status, layers[i].reason, layers[i].time_ms)
        for i in positions
        if not is_reformat(layers[i])
    )
