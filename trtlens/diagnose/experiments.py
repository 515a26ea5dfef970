"""What further builds of the same model show: a build without SPARSE_WEIGHTS, and repeats of the same build.

In: the diagnosis of the main build and of its experiments. Out: `Experiment`s, a line each. Next: extras.py for the HTML report, the terminal.
A repeat shows which verdicts are a coin toss: TensorRT picks tactics by timing, and close races flip between builds.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..text import said_of
from .extras import Experiment
from .model import BuildDiagnosis, CaptureDiagnosis, LayerVerdict
from .rules import Noise

_SHOWN = 20


def experiments(main: CaptureDiagnosis, others: Sequence[tuple[str, CaptureDiagnosis]], noise: Noise) -> tuple[Experiment, ...]:
    """`others`: (kind, diagnosis) of each further build; kind is counterfactual or repeat."""
    build = main.main
    if build is None:
        return ()
    found = []
    for kind, other in others:
        if kind == "counterfactual" and other.main is not None:
            found.append(_counterfactual(build, other.main, noise))
    repeats = [other.main for kind, other in others if kind == "repeat" and other.main is not None]
    if repeats:
        found.append(_repeats([build, *repeats]))
    return tuple(found)


def _by_name(build: BuildDiagnosis) -> dict[str, LayerVerdict]:
    return {layer.name: layer for layer in build.layers}


def _counterfactual(build: BuildDiagnosis, without: BuildDiagnosis, noise: Noise) -> Experiment:
    lines = []
    total, other = build.summary.total_time_ms, without.summary.total_time_ms
    if total is not None and other:
        lines.append(f"layers take {total:.4g} ms with SPARSE_WEIGHTS and {other:.4g} ms without ({total / other - 1.0:+.1%})")
    else:
        lines.append("no timing profile of both builds: what sparsity gains cannot be told")
    theirs = _by_name(without)
    changes = []
    for layer in build.layers:
        twin = theirs.get(layer.name)
        if layer.status != "sparse" or twin is None or layer.time_ms is None or not twin.time_ms:
            continue
        changes.append((layer.time_ms - twin.time_ms, layer, twin))
    for gain, layer, twin in sorted(changes, key=lambda change: change[0])[:_SHOWN]:
        assert layer.time_ms is not None and twin.time_ms is not None
        word = "faster" if gain < 0 else "slower"
        within = " (within the noise)" if abs(layer.time_ms / twin.time_ms - 1.0) <= noise.band(twin.time_ms) else ""
        lines.append(f"{layer.name}: {layer.time_ms:.4g} ms sparse, {twin.time_ms:.4g} ms dense, {abs(gain):.4g} ms {word}{within}")
    lost = [layer.name for layer in build.layers if layer.status == "sparse" and layer.name not in theirs]
    if lost:
        lines.append(f"{said_of(len(lost), '# sparse layer has', '# sparse layers have')} no layer of that name in the other build: it was fused differently")
    return Experiment("The same build without SPARSE_WEIGHTS", tuple(lines))


def _repeats(builds: Sequence[BuildDiagnosis]) -> Experiment:
    tables = [_by_name(build) for build in builds]
    flips = []
    for name, first in tables[0].items():
        seen = [table[name] for table in tables if name in table]
        statuses = {layer.status for layer in seen} & {"sparse", "dense"}
        if len(statuses) < 2:
            continue
        sparse = sum(layer.status == "sparse" for layer in seen)
        margins = [layer.margin for layer in seen if layer.margin is not None]
        inside = f", sparse against dense between {min(margins):+.1%} and {max(margins):+.1%}" if margins else ""
        flips.append((-(first.time_ms or 0.0), f"{name}: sparse in {sparse} of {len(seen)} builds{inside}"))
    eligible = sum(bool(layer.eligibility.value) for layer in builds[0].layers)
    picked = ", ".join(str(build.summary.picked) for build in builds)
    lines = [f"{len(builds)} builds of the same model ran {picked} of {said_of(eligible, '# eligible layer', '# eligible layers')} sparse"]
    lines.append(said_of(len(flips), "# layer flipped between builds:", "# layers flipped between builds:") if flips else "no layer flipped between sparse and dense")
    lines += [text for _, text in sorted(flips)[:_SHOWN]]
    if len(flips) > _SHOWN:
        lines.append(f"… and {len(flips) - _SHOWN:,} more")
    totals = [build.summary.total_time_ms for build in builds if build.summary.total_time_ms is not None]
    if len(totals) == len(builds):
        lines.append(f"layers took {min(totals):.4g} to {max(totals):.4g} ms")
    return Experiment(f"The same build {len(builds)} times", tuple(lines))
