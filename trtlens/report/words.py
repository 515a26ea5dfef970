"""What a report says, before anyone decides how it looks: sentences, totals, order.

In: one capture's or build's verdicts (diagnose/model.py). Out: plain strings and small records, names still raw (each renderer makes them
visible and escapes them). Next: terminal.py, html.py (through page.py) and markdown.py, which print these words in this order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..diagnose.catalogue.conditions import SPARSE_CORES_SINCE, build_facts
from ..diagnose.model import (
    BuildDiagnosis,
    CaptureDiagnosis,
    Evidence,
    Input,
    LayerVerdict,
    LineEvidence,
    PointerEvidence,
    Proof,
    Remedy,
    Status,
    Warning,
)
from ..diagnose.reasons import REASONS, WARNINGS, next_capture

VALIDATION_NOTE = (
    "Verdicts are validated on simulated races and on 108 real dense build logs; no public log with a timed sparse tactic is known. "
    "If you have one, please send it."
)
"""Every report ends with it: a reader must know what the verdicts were tested on."""

STATUS_WORDS: dict[Status, str] = {
    "sparse": "runs sparse",
    "dense": "eligible, runs dense",
    "dense-unknown": "runs dense, eligibility unknown",
    "ineligible": "not eligible",
    "undetermined": "cannot be told",
    "other": "not concerned",
}

# The first ones take the ground from under verdicts; the last ones only colour them.
_TRUST_ORDER = (
    "capture-mismatch",
    "build-failed",
    "log-truncated",
    "names-only",
    "stderr-missing",
    "timing-cache-used",
    "eligibility-disagrees",
    "several-builds",
    "out-of-memory",
    "unknown-lines",
    "time-sum",
)

_KIND_RANK = {"measured": 0, "bound": 1, "unknown": 2}
_STATUS_RANK: dict[Status, int] = {"dense": 0, "dense-unknown": 1, "undetermined": 2, "ineligible": 3, "sparse": 4, "other": 5}

# Warnings that better files would silence, each with the reason that says the same, if there is one.
_SILENCED_BY_CAPTURE = {
    "capture-mismatch": None,
    "stderr-missing": None,
    "eligibility-disagrees": None,
    "timing-cache-used": "timing-cache",
    "log-truncated": "log-truncated",
    "names-only": "names-only",
    "out-of-memory": "out-of-memory",
}


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """The layers of one status that share a reason. `time_ms`: sum over the layers whose time is known, None if none is."""

    status: Status
    reason: str
    layers: int
    time_ms: float | None
    proofs: tuple[tuple[Proof, int], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do and what it is worth. `gain` is words, empty when nothing can be said; `layers`: names, costliest first."""

    text: str
    gain: str
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """All a report says about one build, in the order in which it is said."""

    headline: str
    counts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    identity: tuple[tuple[str, str], ...] = ()
    warnings: tuple[Warning, ...] = ()
    reasons: tuple[ReasonGroup, ...] = ()
    fallbacks: tuple[LayerVerdict, ...] = ()
    first_steps: tuple[Step, ...] = ()
    capture_next: tuple[str, ...] = ()


def story(capture: CaptureDiagnosis, build: BuildDiagnosis | None = None) -> Story:
    """The story of `build` (the capture's main build if not given); a capture without any build has one, too."""
    build = build or capture.main
    if build is None:
        return Story("The inputs hold no engine: there is nothing to diagnose.", capture_next=_nothing_captured(capture.inputs))
    return Story(
        headline=headline(build),
        counts=counts(build),
        notes=notes(build),
        identity=identity(build),
        warnings=trust_order(build.warnings),
        reasons=reason_groups(build),
        fallbacks=costliest_first(layer for layer in build.layers if layer.status == "dense"),
        first_steps=first_steps(build),
        capture_next=capture_next(capture, build),
    )


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`1 layer`, `2 layers`, `1,204 layers`."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def ms(value: float | None) -> str:
    """A time in milliseconds with about three digits that matter, without its unit; `?` when unknown or not finite."""
    if value is None or not math.isfinite(value):
        return "?"
    size = abs(value)
    if size == 0:
        return "0"
    for limit, decimals in ((100.0, 0), (10.0, 1), (1.0, 2), (0.01, 3), (0.001, 4)):
        if size >= limit:
            return f"{value:.{decimals}f}"
    return f"{value:.1g}" if size < 1e-5 else f"{value:.5f}"


def nothing_sparse(layer: LayerVerdict) -> bool:
    """Whether it is known that no sparse tactic was timed. Where that is only suggested, a tactic without a name may be one."""
    raced = layer.best_sparse_ms is None and layer.best_dense_ms is not None
    return raced and layer.proof == "proven" and (layer.reason or "").startswith("no-kernel")


def best_sparse(layer: LayerVerdict) -> str:
    """The best sparse time, or that there is none."""
    return "none" if nothing_sparse(layer) else ms(layer.best_sparse_ms)


def percent(value: float | None) -> str:
    """A ratio (0.078) as signed per cent (`+7.8 %`); `?` when unknown."""
    return "?" if value is None or not math.isfinite(value) else f"{value * 100:+.1f} %"


def headline(build: BuildDiagnosis) -> str:
    """The answer in one sentence; only what is known gets a clause."""
    summary = build.summary
    reasons = {layer.reason for layer in build.layers if layer.status not in ("sparse", "other")}
    if summary.layers == 0:
        return _headline_without_layers(build)
    if reasons == {"names-only"}:
        return f"The layer info holds names only: which tactics run in its {count(summary.layers, 'layer')} cannot be told."
    if summary.eligible is None:
        return _headline_unknown_eligibility(build)
    if summary.eligible == 0:
        if _unsaid(build):
            return f"No layer of this engine is known to be eligible for 2:4 sparsity; of {count(_unsaid(build), 'layer')} the inputs do not say."
        if any(layer.eligibility.value is False and layer.eligibility.proof != "proven" for layer in build.layers):
            why = ": it seems that it was built with sparsity off" if reasons == {"flag-off"} else ""
            return f"As far as these inputs show, no layer of this engine is eligible for 2:4 sparsity{why}."
        why = ", because it was built with sparsity off" if reasons == {"flag-off"} else ""
        return f"No layer of this engine is eligible for 2:4 sparsity{why}: nothing could run sparse."
    eligible = count(summary.eligible, "eligible layer")
    if summary.fallback:
        return _headline_fallbacks(build)
    if "jit-deferred" in reasons and not summary.picked:
        return f"TensorRT-RTX chooses kernels on the user's GPU: whether the {eligible} will run sparse cannot be read from this build."
    if summary.picked >= summary.eligible:
        if not build.whole:
            verb = "runs" if summary.eligible == 1 else "run"
            return f"The {eligible} that these inputs name {verb} sparse; they are not whole, so there may be more."
        only = summary.eligible == 1
        if _unsaid(build):
            who = "The only layer that is known to be eligible runs" if only else f"The {summary.eligible:,} layers that are known to be eligible run"
            return f"{who} sparse; of {_unsaid(build):,} more the inputs do not say whether they are."
        return "The only eligible layer runs sparse." if only else f"All {eligible} run sparse."
    if summary.picked:
        told = count(summary.eligible - summary.picked, "layer")
        verb = "runs" if summary.picked == 1 else "run"
        return f"{summary.picked:,} of {eligible} {verb} sparse and none is known to run dense; {told} cannot be told."
    verb = "runs" if summary.eligible == 1 else "run"
    return f"Whether the {eligible} {verb} sparse or dense cannot be told from these inputs."


def _unsaid(build: BuildDiagnosis) -> int:
    """Layers that sparsity concerns and whose eligibility no input tells: a headline about all eligible layers must leave room for them."""
    return sum(layer.status in ("dense-unknown", "undetermined") and layer.eligibility.value is None for layer in build.layers)


def _without_sparse_cores(build: BuildDiagnosis) -> bool:
    """Whether the GPU is older than sparse tensor cores, by the inputs, and no kernel in them says otherwise."""
    capability = build_facts(build.environment).capability
    return capability is not None and capability < SPARSE_CORES_SINCE and not build.summary.picked


def _headline_without_layers(build: BuildDiagnosis) -> str:
    """What a timing profile alone, or a log without verbose lines, still says."""
    if build.environment.sparsity == "disable":
        return "This build had sparsity off: nothing could run sparse. The inputs do not list its layers."
    if build.summary.eligible_listed == 0:
        return "TensorRT found no layer eligible for 2:4 sparsity in this build. The inputs do not list its layers."
    return "These inputs do not list the engine's layers: there is nothing to diagnose yet."


def _headline_unknown_eligibility(build: BuildDiagnosis) -> str:
    summary = build.summary
    parts = []
    if summary.picked:
        parts.append(f"{count(summary.picked, 'layer runs', 'layers run')} sparse")
    if summary.dense_unknown:
        parts.append(f"{count(summary.dense_unknown, 'layer runs', 'layers run')} dense")
    if summary.undetermined:
        parts.append(f"{count(summary.undetermined, 'layer')} cannot be told")
    what = ", ".join(parts) if parts else "no layer is one that sparsity concerns"
    if not summary.dense_unknown and not summary.undetermined:
        if not build.whole or any(warning.id == "log-truncated" for warning in build.warnings):
            return f"{what[0].upper()}{what[1:]}, as far as these inputs go: they are not whole, so there may be more layers."
        return f"{what[0].upper()}{what[1:]}; nothing here runs dense without a reason."
    return f"No input says which layers are eligible for 2:4 sparsity: {what}."


def _headline_fallbacks(build: BuildDiagnosis) -> str:
    summary = build.summary
    verb = "runs" if summary.fallback == 1 else "run"
    if summary.fallback == summary.eligible and not build.whole:
        text = f"The {count(summary.eligible, 'eligible layer')} that these inputs, which are not whole, name {verb} dense"
    elif summary.eligible == 1:
        text = f"The only {'layer that is known to be eligible' if _unsaid(build) else 'eligible layer'} runs dense"
    elif summary.fallback == summary.eligible:
        text = f"All {summary.eligible:,} {'layers that are known to be eligible' if _unsaid(build) else 'eligible layers'} run dense"
    else:
        text = f"{summary.fallback:,} of {count(summary.eligible or 0, 'eligible layer')} {verb} dense"
    if summary.fallback_time_ms is not None:
        whole = f" of {ms(summary.total_time_ms)}" if summary.total_time_ms is not None else ""
        text += f": {at_least(summary.fallback_time_ms, build.fallback_untimed)}{whole} ms is spent there"
    return text + _raced_clause(build) + "."


def _raced_clause(build: BuildDiagnosis) -> str:
    """`; sparse was measured faster for 3 of them (0.04 ms)`; empty where the log holds no race of a fallback."""
    summary = build.summary
    fallbacks = [layer for layer in build.layers if layer.status == "dense"]
    raced = sum(1 for layer in fallbacks if layer.best_dense_ms is not None and layer.best_sparse_ms is not None)
    faster = sum(1 for layer in fallbacks if measured_faster(layer))
    if faster:
        gain = f" ({ms(summary.recoverable_ms)} ms)" if summary.recoverable_ms else ""
        which = "it" if summary.fallback == 1 else f"{faster:,} of them"
        return f"; sparse was measured faster for {which}{gain}"
    beyond = " beyond the noise" if any(layer.reason == "tie" for layer in fallbacks) else ""
    if raced and summary.fallback == 1:
        return f"; sparse was timed for it and was not faster{beyond}"
    if raced == summary.fallback:
        return f"; sparse was measured faster{beyond} for none of them"
    if raced:
        return f"; sparse was timed for {raced:,} of them and was never faster{beyond}"
    return ""


def measured_faster(layer: LayerVerdict) -> bool:
    """True where the log holds a sparse time below the best dense one by more than the noise, reformats aside."""
    if any(remedy.gain_kind == "measured" and (remedy.gain_ms or 0) > 0 for remedy in layer.remedies):
        return True
    if layer.reason == "tie":
        return False  # equal within the noise, and no part of the sum that is printed behind the count
    return layer.best_dense_ms is not None and layer.best_sparse_ms is not None and layer.best_sparse_ms < layer.best_dense_ms


def counts(build: BuildDiagnosis) -> tuple[str, ...]:
    """The layers that the headline leaves out; a page that draws these numbers need not print them."""
    summary, out = build.summary, []
    if summary.fallback and summary.undetermined:
        out.append(f"{count(summary.undetermined, 'more layer')} cannot be told.")
    if summary.eligible and summary.dense_unknown and not (summary.picked >= summary.eligible and build.whole):
        verb = "runs" if summary.dense_unknown == 1 else "run"
        out.append(f"{count(summary.dense_unknown, 'more layer')} {verb} dense and may or may not be eligible.")
    return tuple(out)


def notes(build: BuildDiagnosis) -> tuple[str, ...]:
    """What qualifies the headline, one short sentence each."""
    summary, out = build.summary, []
    if _without_sparse_cores(build) and all(layer.reason != "no-kernel-arch" for layer in build.layers):
        out.append(f"A GPU of compute capability {build.environment.compute_capability} has no sparse tensor cores: nothing can run sparse on it.")
    fallbacks = [layer for layer in build.layers if layer.status == "dense"]
    unproven = sum(1 for layer in fallbacks if layer.eligibility.proof != "proven")
    if unproven:
        who = "their eligibility" if unproven == len(fallbacks) else f"the eligibility of {unproven:,} of them"
        # The mismatch may as well be that of a kernel trace: then no log lists them.
        listed = any(isinstance(item, LineEvidence) for layer in fallbacks for item in layer.eligibility.evidence)
        other_build = listed and any(warning.id == "capture-mismatch" for warning in build.warnings)
        hint = "the log that lists them is of another build" if other_build else "it is suggested by the layer info or the weights"
        out.append(f"No log of this build proves {who}: {hint}.")
    timed = sum(1 for layer in fallbacks if layer.time_ms is not None)
    if 0 < timed < len(fallbacks):
        out.append(f"The timing profile holds {timed:,} of these {len(fallbacks):,} layers.")
    if summary.eligible_unmatched and any(layer.type is not None for layer in build.layers):
        names = count(summary.eligible_unmatched, "name")
        of = f" of the {summary.eligible_listed:,}" if summary.eligible_listed is not None else ""
        verb = "matches" if summary.eligible_unmatched == 1 else "match"
        out.append(f"{names}{of} on the log's Sparsity list {verb} no engine layer.")
    if fallbacks and summary.bound_ms:
        known = summary.bound_layers
        some = known is not None and known < len(fallbacks)
        of = f"; it is the sum over {known:,} of the {len(fallbacks):,}, for the others no bound is known" if some else ""
        out.append(f"Sparse kernels at the machine's limits could save at most {ms(summary.bound_ms)} ms (bound{of}).")
    inside_noise = sum(1 for layer in fallbacks if layer.stability in ("near", "coin-toss"))
    if inside_noise:
        verb = "sits" if inside_noise == 1 else "sit"
        out.append(f"{inside_noise:,} of these verdicts {verb} near or inside the timing noise.")
    return tuple(out)


def identity(build: BuildDiagnosis) -> tuple[tuple[str, str], ...]:
    """What was built on what, as far as the inputs say: (label, value)."""
    environment, out = build.environment, []
    if environment.tensorrt:
        out.append(("TensorRT", environment.tensorrt))
    if environment.gpu or environment.compute_capability:
        sm = f"SM {environment.compute_capability}" if environment.compute_capability else ""
        out.append(("GPU", f"{environment.gpu} ({sm})" if environment.gpu and sm else environment.gpu or sm))
    if environment.precision:
        out.append(("precision", ", ".join(environment.precision)))
    if environment.sparsity:
        out.append(("sparsity", environment.sparsity))
    if environment.opt_level is not None:
        out.append(("optimization level", str(environment.opt_level)))
    if build.backend_strategy is not None:
        out.append(("backend strategy", str(build.backend_strategy)))
    return tuple(out)


def trust_order(warnings: Sequence[Warning]) -> tuple[Warning, ...]:
    """Warnings, those that undermine most first."""
    rank = {name: index for index, name in enumerate(_TRUST_ORDER)}
    return tuple(sorted(warnings, key=lambda warning: rank.get(warning.id, len(rank))))


def costliest_first(layers: Iterable[LayerVerdict]) -> tuple[LayerVerdict, ...]:
    """By time, longest first; layers without a time last, in the engine's order."""
    return tuple(sorted(layers, key=lambda layer: -(_finite(layer.time_ms) or 0.0) if _finite(layer.time_ms) is not None else math.inf))


def reason_groups(build: BuildDiagnosis, statuses: Iterable[Status] | None = None) -> tuple[ReasonGroup, ...]:
    """Layers grouped by status and reason: fallbacks first, and within a status by time, then by number.

    Without `statuses`: dense, dense-unknown and undetermined; if there are none of these, ineligible ones.
    """
    if statuses is None:
        wanted: set[Status] = {"dense", "dense-unknown", "undetermined"}
        if not any(layer.status in wanted for layer in build.layers):
            wanted = {"ineligible"}
    else:
        wanted = set(statuses)
    groups: dict[tuple[Status, str], list[LayerVerdict]] = defaultdict(list)
    for layer in build.layers:
        if layer.status in wanted:
            groups[layer.status, layer.reason or "unknown"].append(layer)
    out = []
    for (status, reason), members in groups.items():
        times = [time for layer in members if (time := _finite(layer.time_ms)) is not None]
        proofs = Counter(layer.proof for layer in members)
        order: tuple[Proof, ...] = ("proven", "suggested", "unknown")
        total = math.fsum(times) if times else None
        out.append(ReasonGroup(status, reason, len(members), total, tuple((proof, proofs[proof]) for proof in order if proofs[proof])))
    return tuple(sorted(out, key=lambda group: (_STATUS_RANK[group.status], -(group.time_ms or 0.0), -group.layers, group.reason)))


def proofs_text(group: ReasonGroup) -> str:
    """`proven`, or `3 proven, 1 suggested` where they differ."""
    if len(group.proofs) == 1:
        return group.proofs[0][0]
    return ", ".join(f"{number:,} {proof}" for proof, number in group.proofs)


def first_steps(build: BuildDiagnosis, limit: int = 5) -> tuple[Step, ...]:
    """Remedies, equal ones taken together: measured gains first, then bounds, then those that nobody can put a figure on."""
    groups: dict[tuple[str, str], list[tuple[LayerVerdict, Remedy]]] = defaultdict(list)
    for layer in build.layers:
        for remedy in layer.remedies:
            # How to check that it helped, and what it means for one layer, stand with the layer; a list of things to do first must be short.
            groups[remedy.text.split(" Check: ")[0], remedy.gain_kind].append((layer, remedy))
    ranked = []
    for (text, kind), members in groups.items():
        members.sort(key=lambda pair: -(_finite(pair[0].time_ms) or 0.0))
        gains = [known for _, remedy in members if (known := _finite(remedy.gain_ms)) is not None]
        total = math.fsum(gains) if gains else None
        times = math.fsum(_finite(layer.time_ms) or 0.0 for layer, _ in members)
        status = min(_STATUS_RANK[layer.status] for layer, _ in members)
        where = count(len(members), "layer") + (f", {ms(times)} ms" if times else "")
        gain = remedy_gain(Remedy(text, total, members[0][1].gain_kind))
        step = Step(text, f"{gain}; {where}", tuple(layer.name for layer, _ in members))
        ranked.append(((status, _KIND_RANK[kind], -(total or 0.0), -times, -len(members)), step))
    ranked.sort(key=lambda pair: pair[0])
    return tuple(step for _, step in ranked[:limit])


def remedy_gain(remedy: Remedy) -> str:
    """`measured gain 0.040 ms`, `gain at most 0.3 ms` or `gain unknown`: never a figure without its kind."""
    if _finite(remedy.gain_ms) is None or remedy.gain_kind == "unknown":
        return "gain unknown"
    return f"{'measured gain' if remedy.gain_kind == 'measured' else 'gain at most'} {ms(remedy.gain_ms)} ms"


def capture_next(capture: CaptureDiagnosis, build: BuildDiagnosis, limit: int = 5) -> tuple[str, ...]:
    """What to capture so that more can be said, in the catalogue's words: what warnings ask for, then what most layers ask for."""
    if _without_sparse_cores(build):
        return ("A build on a GPU of compute capability 8.0 or above, with sparsity on.",)  # no other capture of this GPU can show more
    if not build.layers and any(warning.id == "build-failed" for warning in build.warnings):
        return (WARNINGS["build-failed"].todo,)  # its log is whole: a better capture of the same failure shows no more
    reasons = Counter(layer.reason for layer in build.layers if layer.reason and layer.status not in ("sparse", "other"))
    facts = build_facts(build.environment)
    unproven = {layer.reason for layer in build.layers if layer.proof != "proven"}
    warned = [warning.id for warning in trust_order(build.warnings) if warning.id in _SILENCED_BY_CAPTURE]
    out = [WARNINGS[name].todo for name in warned if name in WARNINGS and _SILENCED_BY_CAPTURE[name] not in reasons]
    out += [text for name, _ in reasons.most_common() if (text := next_capture(name, replace(facts, proven=name not in unproven)))]
    if not build.layers:
        out += _layers_next(capture.inputs, build)
    elif build.summary.eligible is None and "eligibility-unknown" not in reasons and all(item.kind != "onnx" for item in capture.inputs):
        out.append("The ONNX model that was built (`trtlens explain ... MODEL.onnx`): its weights say which layers can be eligible.")
    untimed = all(layer.time_ms is None for layer in build.layers)
    if untimed and build.summary.fallback + build.summary.dense_unknown:
        out.append("A timing profile (`--exportProfile=profile.json`): no input says how long the layers take.")
    if build.summary.fallback and capture.inputs and all(item.kind != "build_log" for item in capture.inputs):
        out += [text for text in (next_capture("not-captured", facts),) if text]
    return tuple(dict.fromkeys(out))[:limit]


def reason_title(reason: str | None) -> str:
    """The catalogue's title of a reason id, empty for an unknown one."""
    return REASONS[reason].title if reason is not None and reason in REASONS else ""


def _nothing_captured(inputs: Sequence[Input]) -> tuple[str, ...]:
    layer_info = "Layer information of the engine (`--exportLayerInfo=layers.json --profilingVerbosity=detailed`)"
    if any(item.kind == "build_log" for item in inputs):
        return (f"{layer_info}: the log holds no finished build.",)
    return (f"{layer_info} and the verbose build log (`trtexec --verbose ... > build.log 2>&1`).",)


def _layers_next(inputs: Sequence[Input], build: BuildDiagnosis) -> list[str]:
    """What to add where no input lists the engine's layers."""
    kinds = {item.kind for item in inputs}
    out = []
    if kinds == {"onnx"}:
        out.append("For the model alone: `trtlens check MODEL.onnx` says which of its weights are 2:4.")
    if build.environment.sparsity == "disable":
        out.append("A build with --sparsity=enable.")
    if "build_log" in kinds:
        out.append("The verbose log of the build (`trtexec --verbose ... > build.log 2>&1`): this log lists no layers.")
    else:
        out.append("The verbose build log (`trtexec --verbose ... > build.log 2>&1`).")
    if "layer_info" not in kinds:
        out.append("Layer information (`--exportLayerInfo=li.json --profilingVerbosity=detailed`).")
    return out


def at_least(value: float | None, untimed: int) -> str:
    """A sum of milliseconds; `untimed`: how many layers are left out of it because nobody knows their time."""
    return ms(value) if value is None or not untimed else f"at least {ms(value)}"


def build_line(build: BuildDiagnosis) -> str:
    """One line about a build that is not the one in full."""
    where = f"lines {build.lines[0]:,} to {build.lines[1]:,}" if build.lines else "layer info"
    return f"build {build.index} ({where}): {headline(build)}"


def layer_figures(layer: LayerVerdict) -> tuple[tuple[str, str], ...]:
    """The arithmetic of a verdict as (label, value) pairs; unknown figures are left out."""
    out: list[tuple[str, str]] = []
    if layer.time_ms is not None:
        share = f", {layer.time_percent:.1f} % of the engine" if layer.time_percent is not None else ""
        out.append((f"time ({layer.time_stat})" if layer.time_stat else "time", f"{ms(layer.time_ms)} ms{share}"))
    if layer.best_dense_ms is not None:
        out.append(("best dense", f"{ms(layer.best_dense_ms)} ms" + (f": {layer.compared_dense}" if layer.compared_dense else "")))
    if layer.best_sparse_ms is not None:
        out.append(("best sparse", f"{ms(layer.best_sparse_ms)} ms" + (f": {layer.compared_sparse}" if layer.compared_sparse else "")))
    if layer.margin is not None:
        faster = " (sparse is faster)" if layer.margin < 0 else " (dense is faster)" if layer.margin > 0 else ""
        out.append(("sparse against dense", f"{percent(layer.margin)}{faster}"))
    if layer.stability is not None:
        out.append(("stability", layer.stability))
    return tuple(out)


def evidence_place(evidence: Evidence, inputs: Sequence[Input]) -> str:
    """`build.log:4711`, `layers.json/Layers/17/TacticName` or `model.onnx:weight[0, 3]`."""
    known = 0 <= evidence.input < len(inputs)
    path = inputs[evidence.input].path if known else f"input {evidence.input}"
    if isinstance(evidence, LineEvidence):
        return f"{path}:{evidence.line}"
    if isinstance(evidence, PointerEvidence):
        return f"{path}{evidence.pointer}"
    return f"{path}:{evidence.tensor}[{', '.join(map(str, evidence.index))}]"


def input_line(item: Input) -> str:
    """`build.log: build log, cask-8.6, 4,711 lines`."""
    parts = [item.kind.replace("_", " ")]
    if item.dialect:
        parts.append(item.dialect)
    parts.append(count(item.lines, "line") if item.lines is not None else count(item.bytes, "byte"))
    return f"{item.path}: {', '.join(parts)}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
