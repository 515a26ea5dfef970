"""Gates for CI: does a diagnosis hold what `--fail-on` names, run enough layers sparse, lose no more than allowed, keep what its baseline had?

In: a `Diagnosis` and `Gates`. Out: one `GateResult` a gate and capture, passed ones too. Next: the command line exits 1 where one holds;
report/junit.py and report/sarif.py write them. Statuses, reasons and `warn:ID` share one namespace. Where the layers, their eligibility, tactic or
reason, or a time that a gate needs is unknown and could decide it, the gate fails with "cannot tell", unless the caller allows the unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import UsageError
from .diff import DiffResult, LayerDiff, Side, diff
from .model import STATUSES, CaptureDiagnosis, Diagnosis, LayerVerdict, Proof
from .reasons import REASONS, WARNINGS, Reason, close_to
from .rules import Noise

Outcome = Literal["passed", "failed", "cannot-tell"]
_RANK: dict[Proof, int] = {"unknown": 0, "suggested": 1, "proven": 2}
# Behind these, any other reason of a fallback may stand: nobody saw its race. `unexplained` is none of them: there the race was seen.
UNSEEN = frozenset({"not-captured", "timing-cache", "twin-layer", "myelin-opaque", "log-truncated"})
# Without the model nobody looked at the weights of a layer that the log does not list.
_NEED_WEIGHTS = frozenset({"pattern", "pattern-wrong-axis", "channels-partial-group", "weights-not-constant"})


@dataclass(frozen=True, slots=True)
class Gates:
    """What a diagnosis must hold.

    `fail_on`: ids as `parse_ids` gives them; `min_picked`: at least this share of the eligible layers runs sparse (0 to 1); `max_fallback_ms`: the
    fallbacks take no more; `baseline`: a capture whose sparse layers must still run sparse and whose fallback time must not grow beyond `noise`.
    `proof`: count only verdicts at least that sure. Raises UsageError for figures that make no sense.
    """

    fail_on: tuple[str, ...] = ()
    min_picked: float | None = None
    max_fallback_ms: float | None = None
    baseline: CaptureDiagnosis | None = None
    allow_unknown: bool = False
    proof: Proof = "unknown"
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        if self.min_picked is not None and not 0.0 <= self.min_picked <= 1.0:
            raise UsageError(f"--min-picked takes a share from 0 to 1, such as 0.6, not {self.min_picked:g}")
        if self.max_fallback_ms is not None and not (math.isfinite(self.max_fallback_ms) and self.max_fallback_ms >= 0):
            raise UsageError(f"--max-fallback-ms takes milliseconds, such as 0.5, not {self.max_fallback_ms:g}")
        never = next((id for id in self.fail_on if id in REASONS and REASONS[id].proven_when == "never"), None)
        if never is not None and self.proof == "proven":
            raise UsageError(f"--fail-on {never}: is never proven, so that with --proof proven this gate could never hold; use --proof suggested or leave it out")


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate on one capture. `rule`: `fail-on dense`, `min-picked 0.6`, …; `layers`: those that make it fail or that nobody can tell about.

    `messages`: why it fails, a sentence each; empty where it passed.
    """

    rule: str
    capture: int
    outcome: Outcome
    messages: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the exit code is 1."""
        return self.outcome != "passed"


def known_ids() -> dict[str, object]:
    """Every id that `--fail-on` takes."""
    return {**dict.fromkeys(STATUSES), **dict.fromkeys(REASONS), **dict.fromkeys(f"warn:{id}" for id in WARNINGS)}


def parse_ids(text: str | Iterable[str]) -> tuple[str, ...]:
    """`slower,format-cost` → ids. Raises UsageError for an unknown one, with the closest, and for a text without any: an empty CI variable is no gate."""
    parts = [part.strip() for chunk in ([text] if isinstance(text, str) else text) for part in chunk.split(",")]
    known = known_ids()
    refuse_empty(parts)
    for part in parts:
        if part and part not in known:
            raise UsageError(
                f"--fail-on: unknown id {part!r}{close_to(part, known)}; it takes a status, a reason (`trtlens reasons`) or warn:ID"
            )
    return tuple(dict.fromkeys(part for part in parts if part))


def refuse_empty(parts: Sequence[str]) -> None:
    """Raise UsageError where `--fail-on` was given and names nothing."""
    if parts and not any(parts):
        raise UsageError("--fail-on is empty; it takes statuses, reasons or warn:ID, such as `dense` (an unset variable?)")


def evaluate(diagnosis: Diagnosis, gates: Gates) -> tuple[GateResult, ...]:
    """Every gate on the main build of every capture."""
    found: list[GateResult] = []
    for number, capture in enumerate(diagnosis.captures):
        judge = _Judge(gates, number, capture)
        found += [judge.fail_on(id) for id in gates.fail_on]
        if gates.min_picked is not None:
            found.append(judge.min_picked(gates.min_picked))
        if gates.max_fallback_ms is not None:
            found.append(judge.max_fallback(gates.max_fallback_ms))
        if gates.baseline is not None:
            found.append(judge.baseline(gates.baseline))
    return tuple(found)


def failures(diagnosis: Diagnosis, ids: Sequence[str], *, allow_unknown: bool = False, proof: Proof = "unknown") -> list[str]:
    """Why `--fail-on` holds, one sentence each; empty where it does not."""
    results = evaluate(diagnosis, Gates(tuple(ids), allow_unknown=allow_unknown, proof=proof))
    return [message for result in results if result.holds for message in result.messages]


class _Judge:
    """The gates of one capture. `layers`: those of its main build; `missing`: why they are not all of the engine's, None where they are."""

    def __init__(self, gates: Gates, number: int, capture: CaptureDiagnosis) -> None:
        self.gates, self.number, self.capture = gates, number, capture
        self.layers = capture.main.layers if capture.main is not None else ()
        self.missing = _missing(capture)
        self.none_eligible = _none_eligible(capture)

    def _result(self, rule: str, failed: list[str], unknown: list[str], layers: Iterable[LayerVerdict | str]) -> GateResult:
        unknown = [] if self.gates.allow_unknown else [f"cannot tell: {text}" for text in unknown]
        outcome: Outcome = "failed" if failed else "cannot-tell" if unknown else "passed"
        names = dict.fromkeys(layer if isinstance(layer, str) else layer.name for layer in layers) if outcome != "passed" else {}
        return GateResult(rule, self.number, outcome, (*failed, *unknown), tuple(names))

    # ---- --fail-on

    def fail_on(self, id: str) -> GateResult:
        rule = f"fail-on {id}"
        if id.startswith("warn:"):
            warnings = self.capture.main.warnings if self.capture.main is not None else ()
            hit = [f"{id}: {w.message}" for w in warnings if f"warn:{w.id}" == id][:1]
            return self._result(rule, hit, [f"{id}: {self.missing}"] if self.missing and not hit else [], ())
        hits = [layer for layer in self.layers if self._sure(_sureness(layer, id))]
        failed = [f"{id}: {_count(hits)}"] if hits else []
        unknown = [layer for layer in self.layers if _could_be(layer, id)]
        doubt = []
        if unknown:
            doubt.append(f"{id} could hold for {_count(unknown)}, whose {_what(unknown[0])} is unknown (--allow-unknown passes them)")
        unseen = [layer for layer in self.layers if _could_hide(layer, id)]
        if unseen:
            doubt.append(f"{id} could hold for {_count(unseen)}: no input shows why {'it runs' if len(unseen) == 1 else 'they run'} dense ({unseen[0].reason})")
        unweighed = [layer for layer in self.layers if layer.reason == "not-listed"] if id in _NEED_WEIGHTS and not self._has("onnx") else []
        if unweighed:
            doubt.append(f"{id} could hold for {_count(unweighed)}: add the ONNX model, which holds the weights")
        if self.missing and not hits and not (self.none_eligible and _needs_eligible(id)):
            doubt.append(f"{id}: {self.missing}")
        return self._result(rule, failed, doubt, hits or [*unknown, *unseen, *unweighed])

    def _has(self, kind: str) -> bool:
        return any(item.kind == kind for item in self.capture.inputs)

    def _sure(self, proof: Proof | None) -> bool:
        return proof is not None and _RANK[proof] >= _RANK[self.gates.proof]

    # ---- --min-picked

    def min_picked(self, share: float) -> GateResult:
        rule = f"min-picked {share:g}"
        if self.missing and not self.none_eligible:
            return self._result(rule, [], [f"the share that runs sparse: {self.missing}"] if share > 0.0 else [], ())
        picked = [layer for layer in self.layers if layer.status == "sparse"]
        fallback = [layer for layer in self.layers if layer.status == "dense" and self._sure(layer.eligibility.proof)]
        # A layer that runs dense can only lower the share; one whose tactic is unknown could go either way.
        open_dense = [layer for layer in self.layers if layer.status == "dense-unknown"]
        open_any = [layer for layer in self.layers if layer.status == "undetermined" and layer.eligibility.value is not False]
        known = len(picked) + len(fallback)
        worst = _share(len(picked), known + len(open_dense) + len(open_any))
        best = _share(len(picked) + len(open_any), known + len(open_any))
        if share == 0.0 or (worst is not None and worst >= share):
            return self._result(rule, [], [], ())
        if best is None:
            if not open_dense:
                return self._result(rule, ["no layer is eligible, so none runs sparse"], [], ())
            doubt = f"the share that runs sparse: {_count(open_dense)} may or may not be eligible"
            return self._result(rule, [f"no layer is known to run sparse: 0 is below {share * 100:g}%"] if self.gates.allow_unknown else [], [doubt], open_dense)
        seen = _share(len(picked), known)
        if best < share or (self.gates.allow_unknown and seen is not None and seen < share):
            text = f"{_run_sparse(len(picked), known)}: {_share(len(picked), known) or 0.0:.1%} is below {share * 100:g}%"
            return self._result(rule, [text], [], fallback or open_any)
        doubt = f"{_run_sparse(len(picked), known)}, and {_count([*open_any, *open_dense])}, could change that"
        return self._result(rule, [], [doubt], [*open_any, *open_dense])

    # ---- --max-fallback-ms

    def max_fallback(self, limit_ms: float) -> GateResult:
        rule = f"max-fallback-ms {limit_ms:g}"
        fallback = [layer for layer in self.layers if layer.status == "dense" and self._sure(layer.eligibility.proof)]
        timed = [layer for layer in fallback if layer.time_ms is not None]
        spent = math.fsum(layer.time_ms or 0.0 for layer in timed)
        if spent > limit_ms:
            return self._result(rule, [f"{spent:.4g} ms in {_count(timed)}, above {limit_ms:g} ms"], [], _costliest(timed))
        # Layers that could be fallbacks count only if they could carry the sum over the limit.
        doubtful = [layer for layer in self.layers if layer.status == "dense-unknown" or (layer.status == "undetermined" and layer.eligibility.value is not False)]
        untimed = [layer for layer in (*fallback, *doubtful) if layer.time_ms is None]
        possible = spent + math.fsum(layer.time_ms or 0.0 for layer in doubtful)
        if self.missing and not self.none_eligible:
            return self._result(rule, [], [f"the time in fallbacks: {self.missing}"], ())
        if untimed:
            return self._result(rule, [], [f"no time is known for {_count(untimed)}"], untimed)
        if possible > limit_ms:
            doubt = f"up to {possible:.4g} ms could be spent in fallbacks, as {_count(doubtful)}, may be one"
            return self._result(rule, [], [doubt], _costliest(doubtful))
        return self._result(rule, [], [], ())

    # ---- --baseline

    def baseline(self, baseline: CaptureDiagnosis) -> GateResult:
        rule = "baseline"
        reference = _missing(baseline)
        if self.missing or reference:
            return self._result(rule, [], [self.missing or f"the baseline: {reference}"], ())
        assert self.capture.main is not None
        result = diff(baseline, self.capture, self.gates.noise, ("the baseline", "now"))
        lost = [one for one in result.layers if _sparse(one.a) and _ceased(one)]
        opaque = [one for one in result.layers if _sparse(one.a) and not _ceased(one) and not _sparse(one.b)]
        gone = [one.name for one in result.only_a if one.status == "sparse"]
        failed = [f"{_names(lost)} ran sparse in the baseline and {'does' if len(lost) == 1 else 'do'} not now: {_why(lost[0])}"] if lost else []
        unknown = [f"{_names(opaque)} ran sparse in the baseline, and what runs now is unknown"] if opaque else []
        if gone:
            text = f"{len(gone):,} layers, {gone[0]!r} among them, ran" if len(gone) > 1 else f"1 layer, {gone[0]!r}, ran"
            unknown.append(f"{text} sparse in the baseline and {'have' if len(gone) > 1 else 'has'} no counterpart now")
        assert baseline.main is not None
        grown, doubt = self._fallback_growth(result, baseline.main.layers)
        layers = [name for one in (*lost, *opaque) for name in one.b.names] + gone
        return self._result(rule, failed + grown, unknown + doubt, layers or (_costliest([v for v in self.layers if v.status == "dense"]) if grown else ()))

    def _fallback_growth(self, result: DiffResult, reference: Sequence[LayerVerdict]) -> tuple[list[str], list[str]]:
        before, now = result.totals_a.fallback_ms, result.totals_b.fallback_ms
        if result.totals_b.fallback == 0 and not any(layer.status in ("dense-unknown", "undetermined") for layer in self.layers):
            return [], []
        if before is None or now is None:
            return [], [f"the time in fallbacks {'of the baseline' if before is None else 'now'} is unknown"]
        # Both are sums of the times that are known: one that is missing on one side alone only adds, now or to the baseline.
        grown = now - before > max(self.gates.noise.ratio * before, self.gates.noise.time_ms)
        pairs = [(one.a.positions, one.b.positions) if grown else (one.b.positions, one.a.positions) for one in result.layers]
        here, there = (reference, self.layers) if grown else (self.layers, reference)
        untimed = _untimed_here_alone(here, there, pairs)
        if untimed:
            return [], [f"no time is known for {_count(untimed)}{', in the baseline' if grown else ''}"]
        if not grown:
            return [], []
        longer = sorted(
            (one for one in result.layers if one.b.status == "dense" and (one.delta_ms or 0.0) > 0 and one.beyond_noise),
            key=lambda one: -(one.delta_ms or 0.0),
        )
        worst = f"; most of it in {longer[0].b.names[0]!r}" if longer else ""
        return [f"{now:.4g} ms in fallbacks, {before:.4g} ms in the baseline: beyond noise{worst}"], []


def _missing(capture: CaptureDiagnosis) -> str | None:
    """Why the layers at hand need not be all of the engine's: of a layer that no input lists nothing is known."""
    build = capture.main
    if build is None:
        return "no build in these inputs"
    layer_info = next((item for item in capture.inputs if item.kind == "layer_info"), None)
    if layer_info is not None and layer_info.dialect == "fragment":
        return "the layer info is damaged, and not all its layers could be read"
    if layer_info is not None and build.layers:
        return None
    warned = {warning.id for warning in build.warnings}
    if "build-failed" in warned:
        return "the build did not complete, and these inputs do not list all its layers"
    if "log-truncated" in warned:
        return "the log ends before the engine was made, and these inputs do not list all its layers"
    if not build.whole and all(layer.type is None for layer in build.layers):
        return "a list in the log was shortened, and these inputs do not list all layers of the engine"
    return None if build.layers else "these inputs do not list the engine's layers"


def _none_eligible(capture: CaptureDiagnosis) -> bool:
    """Whether a whole log says, without a list of layers, that none is eligible: an empty `(Sparsity)` list, or sparsity was off."""
    build = capture.main
    if build is None or build.layers or any(warning.id in ("build-failed", "log-truncated") for warning in build.warnings):
        return False
    return build.summary.eligible_listed == 0 or build.environment.sparsity == "disable"


def _needs_eligible(id: str) -> bool:
    """Whether only a layer can have this status or reason that is, or could be, eligible."""
    reason = REASONS.get(id)
    return not {"ineligible", "other"} & ({id} if reason is None else set(reason.statuses))


def _sureness(layer: LayerVerdict, id: str) -> Proof | None:
    """How sure it is that `id` holds for the layer; None where it does not.

    The status `dense` stands on the layer's eligibility, a suspect on its own proof, everything else on the verdict's.
    """
    if id in (layer.status, layer.reason):
        return layer.eligibility.proof if id == "dense" else layer.proof
    # What is only ever a suspect can hold nowhere else; a verdict's id among the suspects was not what decided.
    return next((suspect.proof for suspect in layer.suspects if suspect.reason == id), None) if _is_suspect(REASONS.get(id)) else None


def _is_suspect(reason: Reason | None) -> bool:
    return reason is not None and reason.kind == "suspect"


def _untimed_here_alone(
    here: Sequence[LayerVerdict], there: Sequence[LayerVerdict], pairs: Iterable[tuple[Sequence[int], Sequence[int]]]
) -> list[LayerVerdict]:
    """Fallbacks without a time whose counterpart is none without a time, too. `pairs`: positions here and there."""

    def untimed(layer: LayerVerdict) -> bool:
        return layer.status == "dense" and layer.time_ms is None

    both = {i for mine, theirs in pairs if any(untimed(there[j]) for j in theirs) for i in mine}
    return [layer for i, layer in enumerate(here) if i not in both and untimed(layer)]


def _could_hide(layer: LayerVerdict, id: str) -> bool:
    """Whether `id` could be why this layer runs dense, had anyone seen its race."""
    reason = REASONS.get(id)
    return (
        layer.status == "dense" and layer.reason in UNSEEN and reason is not None and id not in UNSEEN and "dense" in reason.statuses
        and _sureness(layer, id) is None
    )  # fmt: skip


def _could_be(layer: LayerVerdict, id: str) -> bool:
    if layer.status not in ("undetermined", "dense-unknown") or _sureness(layer, id) is not None:
        return False
    reason = REASONS.get(id)
    statuses = set(reason.statuses) if reason is not None else {id}
    if layer.status == "dense-unknown":
        return bool(statuses & {"dense", "ineligible"})
    if layer.eligibility.value is True:
        return bool(statuses & {"dense", "sparse"})
    if layer.eligibility.value is False:
        return "ineligible" in statuses  # not a fallback, whatever runs
    return bool(statuses & {"dense", "sparse", "ineligible", "dense-unknown"})


def _what(layer: LayerVerdict) -> str:
    return "eligibility" if layer.status == "dense-unknown" else "tactic"


def _count(layers: Sequence[LayerVerdict]) -> str:
    first = layers[0].name
    return f"{len(layers):,} layers, {first!r} among them" if len(layers) > 1 else f"1 layer, {first!r}"


def _run_sparse(picked: int, known: int) -> str:
    return f"{picked:,} of {known:,} eligible layer{'' if known == 1 else 's'} {'runs' if 1 in (picked, known) else 'run'} sparse"


def _costliest(layers: Sequence[LayerVerdict]) -> list[LayerVerdict]:
    return sorted(layers, key=lambda layer: -(layer.time_ms or 0.0))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _sparse(side: Side) -> bool:
    return any(status == "sparse" for status, _ in side.statuses)


def _ceased(one: LayerDiff) -> bool:
    """A sparse kernel ran in the baseline's layers; of what runs in their place now some is known to be dense that was not so before."""
    dense = {"dense", "dense-unknown", "ineligible"}
    before, now = ({status for status, _ in side.statuses} & dense for side in (one.a, one.b))
    if not _sparse(one.b):
        return bool(now) or one.b.status == "other"
    return bool(now - {"ineligible"}) and not before


def _names(groups: Sequence[LayerDiff]) -> str:
    names = [name for one in groups for name in one.b.names]
    return f"{len(names):,} layers, {names[0]!r} among them," if len(names) > 1 else f"1 layer, {names[0]!r},"


def _why(one: LayerDiff) -> str:
    return f"{one.b.reason or one.b.status or 'unknown'} ({one.b.summary})" if one.b.summary else one.b.reason or "unknown"
