"""The warnings that undermine trust in a diagnosis, each with its evidence.

In: the capture's inputs as parsed and joined. Out: `Warning`s. Next: joins.py. Their ids and texts: catalogue/warnings.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..parse.build_log.records import Build, BuildLog, Line
from ..parse.records import EngineInfo, TimingProfile
from ..text import said_of, tactic_hex
from .citing import Citer
from .layers import EngineLayer, concern, numbered
from .model import Evidence, PointerEvidence, Warning
from .race_gaps import stderr_missing
from .sparsity import Listing, Matches

_MYELIN_INSTRUCTION = re.compile(r"^__mye?l|_myl\d+_\d+$")
_UNKNOWN_SHARE = 0.005
_LATENCY_TOLERANCE = 0.2


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Layer info and log are of different builds. `pairs`: (layer of the info, layer of the log) whose tactic ids differ."""

    pairs: tuple[tuple[EngineLayer, EngineLayer], ...]
    absent: tuple[str, ...]


def find_mismatch(info: Sequence[EngineLayer], logged: Sequence[EngineLayer], cut: bool = False) -> Mismatch | None:
    """Compare the engine of the layer info with the engine that the log prints (contract: capture-mismatch).

    `cut`: the log ends among its engine's layers, so that a name it lacks means nothing.
    """
    if not info or not logged:
        return None
    by_key = dict(zip(numbered(layer.name for layer in logged), logged, strict=True))
    pairs = []
    for key, layer in zip(numbered(layer.name for layer in info), info, strict=True):
        other = by_key.get(key)
        if (
            other is not None
            and layer.tactic_id
            and other.tactic_id
            and layer.tactic_id != other.tactic_id
            and (other.type or "").startswith("Cask")
        ):
            pairs.append((layer, other))
    known = {layer.base_name for layer in logged}
    absent = absent_names([layer for layer in info if layer.base_name in known] if cut else info, logged)
    return Mismatch(tuple(pairs), absent) if pairs or absent else None


def absent_names(info: Sequence[EngineLayer], logged: Sequence[EngineLayer]) -> tuple[str, ...]:
    """Names of one input that the other lacks, if they are more than 5 % of either; suffixes ` [profile N]` do not count.

    Reformats and NoOps do not count, but a name of the other input may be one: names-only layer info does not say which are. Nor do Myelin's
    regions, which the log prints as one layer and the layer info of 10.x as many instructions.
    """
    one, two = ({layer.base_name for layer in layers if not layer.is_reformat and not _is_myelin(layer)} for layers in (info, logged))
    if not one or not two:
        return ()
    lost_one = sorted(one - {layer.base_name for layer in logged})
    lost_two = sorted(two - {layer.base_name for layer in info})
    if len(lost_one) > 0.05 * len(one) or len(lost_two) > 0.05 * len(two):
        return tuple(lost_one or lost_two)
    return ()


def listed_strangers(info: Sequence[EngineLayer], listed: Sequence[str], unmatched: Sequence[str]) -> Mismatch | None:
    """A log that prints no engine (INFO alone), whose eligible list names nothing that the layer info has: it is of another model.

    Needs three names and three layers with weights: fewer may be told apart by fusion alone.
    """
    named = [layer for layer in info if layer.pointer is not None and not layer.is_reformat and not _is_myelin(layer) and concern(layer) == "weights"]
    if len(named) < 3 or len(listed) < 3 or len(unmatched) < len(listed):
        return None
    return Mismatch((), tuple(sorted(unmatched)))


def chosen_otherwise(layer: EngineLayer, listed: str | None, exact: bool, listing: Listing | None) -> Line | None:
    """The line of the log's list of chosen layers that the kernel's own name contradicts; None where they agree, or the list may be another pass's."""
    if listing is None or listing.picked is None or not listing.chosen.certain or listing.count_mismatch or not layer.tactic_name or layer.sparse is None:
        return None
    if not exact or listed is None or layer.region is not None or listed in listing.foreign:
        return None  # a region has sub-builds for several formats and optimization profiles, and each says what it chose itself
    named = listing.picked.get(listed) or listing.picked.get(layer.name)
    if not layer.sparse:
        return named if not listing.united else None
    # The list that says nothing of it stands behind the eligible one.
    return listing.list_lines[-1] if named is None and listing.list_lines else None


def contradiction(
    layers: Sequence[EngineLayer], matches: Matches, listing: Listing | None, flag_off: Line | PointerEvidence | None, info_input: int, cite: Citer
) -> tuple[Warning, bool] | None:
    """Kernels of the layer info against what the log says of the build: the warning, and whether it is the build's options that they contradict."""
    named = [(number, layer) for number, layer in enumerate(layers) if layer.named_by == "layer_info" and layer.pointer is not None]
    sparse = [layer for _, layer in named if layer.sparse]

    def kernel(layer: EngineLayer) -> PointerEvidence:
        return PointerEvidence(info_input, f"{layer.pointer}/TacticName", layer.tactic_name or "")

    def more(count: int) -> str:
        return f" (and {count - 1:,} more {'layer' if count == 2 else 'layers'})" if count > 1 else ""

    end = "what runs is taken from the layer info, and causes from the log hold for another build of this model"
    if flag_off is not None and sparse:
        said = flag_off if isinstance(flag_off, PointerEvidence) else cite.line(flag_off)
        what = f"the build that the log or manifest speaks of did not ask for sparsity, and the layer info runs {sparse[0].name} with a sparse kernel{more(len(sparse))}"
        return Warning("capture-mismatch", f"log and layer info come from different builds: {what}; {end}", (said, *map(kernel, sparse[:5]))), True
    other = [(layer, line) for number, layer in named if (line := chosen_otherwise(layer, matches.of[number], matches.exact[number], listing)) is not None]
    if other:
        layer, line = other[0]
        says, kind = ("does not name", "sparse") if layer.sparse else ("names", "dense")
        what = f"the log's list of chosen layers {says} {layer.name}, and its kernel in the layer info is {kind}{more(len(other))}"
        return Warning("capture-mismatch", f"log and layer info come from different builds: {what}; {end}", (cite.line(line), *(kernel(layer) for layer, _ in other[:5]))), False
    return None


def several_profiles(paths: Sequence[str], used: int) -> Warning:
    """Two timing profiles were given: which one is read."""
    others = ", ".join(path for number, path in enumerate(paths) if number != used)
    return Warning("several-profiles", f"{len(paths)} timing profiles were given; the times are those of {paths[used]}, which knows most layers, not of {others}")


def _is_myelin(layer: EngineLayer) -> bool:
    """A region of Myelin, or one of its instructions: `__myl_…`, `NAME_myl4_0`; their types alone are in lower case (kgen, gemm, signal)."""
    kind = layer.type or ""
    return kind == "Myelin" or kind.islower() or layer.name.startswith("{ForeignNode[") or _MYELIN_INSTRUCTION.search(layer.name) is not None


def mismatch_warning(found: Mismatch, info_input: int, log_input: int, cite: Citer, costs: dict[str, float]) -> Warning:
    """Cites both ids of the costliest layers that differ."""
    pairs = sorted(found.pairs, key=lambda pair: -costs.get(pair[0].name, 0.0))
    evidence: list[Evidence] = []
    for layer, other in pairs[:5]:
        assert layer.tactic_id is not None and other.tactic_id is not None
        if other.line is not None:
            evidence.append(cite.line(other.line))
        evidence.append(PointerEvidence(info_input, f"{layer.pointer}/TacticValue", f'"TacticValue": "{tactic_hex(layer.tactic_id)}"'))
    if pairs:
        layer, other = pairs[0]
        assert layer.tactic_id is not None and other.tactic_id is not None
        more = f" (and {len(pairs) - 1:,} more {'layer' if len(pairs) == 2 else 'layers'})" if len(pairs) > 1 else ""
        what = (
            f"the log runs {layer.name} with tactic {tactic_hex(other.tactic_id)}, the layer info with {tactic_hex(layer.tactic_id)}{more}"
        )
    else:
        many = "1 layer name of one is" if len(found.absent) == 1 else f"{len(found.absent):,} layer names of one are"
        what = f"{many} absent from the other, {found.absent[0]!r} among them"
    return Warning(
        "capture-mismatch",
        f"log and layer info come from different builds: {what}; what runs is taken from the layer info, and causes from the log hold for another build of this model",
        tuple(evidence),
    )


def held_builds(log: BuildLog) -> list[Build]:
    """The builds of a log that a report can be about: those that say anything of an engine."""
    return [b for b in log.builds if b.tuned or b.engine_layers or b.sparsity or b.complete]


def log_warnings(log: BuildLog, build: Build | None, cite: Citer, unjoined_cache: int) -> list[Warning]:
    """Warnings that the log alone gives."""
    found: list[Warning] = []
    if build is not None and stderr_missing(build):
        found.append(
            Warning(
                "stderr-missing",
                "no [W] or [E] line: trtexec writes those to standard error, so tactics skipped for memory may not show; capture with 2>&1",
            )
        )
    if build is not None:
        loaded = build.loaded_cache_entries or 0
        if loaded > 0 or unjoined_cache:
            lines = [line for line in build.notable.get("cache", ()) if line.text.startswith("Loaded")][:2]
            what = (
                said_of(loaded, "# timing cache entry was loaded: its race is", "# timing cache entries were loaded: their races are")
                if loaded
                else said_of(unjoined_cache, "# cached result matches no race of this log: its race is", "# cached results match no race of this log: their races are")
            )
            found.append(Warning("timing-cache-used", f"{what} not in this log", tuple(cite.line(line) for line in lines)))
        failures = [
            line
            for line in build.warnings
            if any(w in line.text for w in ("out of memory", "Out of memory", "could not be allocated", "NvMapMem", "nsufficient"))
        ]
        if failures:
            found.append(
                Warning(
                    "out-of-memory",
                    said_of(len(failures), "# line speaks", "# lines speak") + " of memory that was not there: tactics may have been left out",
                    tuple(cite.line(line) for line in failures[:3]),
                )
            )
    held = len(held_builds(log))
    if held > 1:
        found.append(Warning("several-builds", f"the log holds {held} builds; the report is about one of them (--build N selects)"))
    if log.truncated or (build is not None and ends_before_tuning(log, build)):
        found.append(
            Warning("log-truncated", "the log ends before the engine was made" + (f": {log.notes[0].message}" if log.notes else ""))
        )
    if log.tuning_lines and log.unknown_lines / log.tuning_lines > _UNKNOWN_SHARE:
        share = log.unknown_lines / log.tuning_lines
        found.append(
            Warning(
                "unknown-lines",
                f"{log.unknown_lines:,} of {said_of(log.tuning_lines, '# tuning line', '# tuning lines')} ({share:.1%}) {said_of(log.unknown_lines, 'is', 'are')} of no known form",
                tuple(cite.line(line) for line in log.unknown_samples[:5]),
            )
        )
    return found


def elided_lists(listing: Listing | None, cite: Citer) -> list[Warning]:
    """The log's lists of names as somebody shortened them: what they leave out may be eligible, and may run sparse."""
    lines = listing.elided if listing is not None else []
    if not lines:
        return []
    said = said_of(len(lines), "# list of names in the log was", "# lists of names in the log were")
    return [Warning("damaged-input", f"{said} shortened (dots stand where names stood): which other layers were named is not known", tuple(map(cite.line, lines[:3])))]


def ends_before_tuning(log: BuildLog, build: Build) -> bool:
    """Whether a verbose log ends between its network and its tuning: then the build's end is what it lacks, not its verbosity."""
    begun = build is log.builds[-1] and bool(build.network) and "V" in build.severities
    return begun and not (build.tuned or build.complete or build.failed or build.engine_layers or build.sparsity or build.layer_infos)


def info_warnings(engine: EngineInfo, info_input: int) -> list[Warning]:
    """Warnings that the layer info alone gives."""
    if not engine.detailed and engine.layers:
        return [
            Warning(
                "names-only",
                "the layer info holds names only: build with --profilingVerbosity=detailed and export it again",
                (PointerEvidence(info_input, "/Layers/0", engine.layers[0].name),),
            )
        ]
    return []


def unmatched_rows(profile: TimingProfile, rows: Sequence[int], profile_input: int) -> Warning | None:
    """Rows of the timing profile that no layer of the engine has."""
    if not rows:
        return None
    lost = [profile.rows[number] for number in rows]
    time_ms = sum((row.median_ms if row.median_ms is not None else row.average_ms) or 0.0 for row in lost)
    evidence = tuple(PointerEvidence(profile_input, f"{row.pointer}/name" if row.pointer else "", row.name) for row in lost[:3])
    return Warning(
        "unmatched-rows",
        f"{len(lost):,} of {len(profile.rows):,} rows of the timing profile ({time_ms:.4g} ms) {said_of(len(lost), 'has', 'have')} no layer of that name, {lost[0].name!r} among them",
        evidence,
    )


def time_sum(build: Build, total_ms: float | None, cite: Citer) -> Warning | None:
    """The layers' times against the latency that trtexec measured in the same log: they differ for several streams, or for profiling itself."""
    fact = build.facts.get("gpu compute time")
    match = re.search(r"median = (\d+(?:\.\d+)?) ms", fact[0]) if fact is not None else None
    if match is None or fact is None or not total_ms:
        return None
    latency_ms = float(match[1])
    if latency_ms <= 0 or abs(total_ms / latency_ms - 1.0) <= _LATENCY_TOLERANCE:
        return None
    more = "more" if total_ms > latency_ms else "less"
    return Warning(
        "time-sum",
        f"the layers' times add up to {total_ms:.4g} ms, {more} than the median GPU compute time of {latency_ms:.4g} ms: shares are those of the profile",
        (cite.line(fact[1]),),
    )


def manifest_warnings(manifest: dict[str, Any] | None, number: int) -> list[Warning]:
    """What the capture folder says of itself: that its build failed, that its weights were pruned for timing alone."""
    found: list[Warning] = []
    failure = (manifest or {}).get("failure")
    if isinstance(failure, dict) and (manifest or {}).get("status") != "complete":
        said = str(failure.get("message") or "its manifest does not say why")
        found.append(Warning("build-failed", f"the build that was captured here did not complete: {said}", (PointerEvidence(number, "/failure", said),)))
    if (manifest or {}).get("prune"):
        found.append(
            Warning(
                "accuracy-not-kept", "the weights were pruned by magnitude without retraining: the times count, the accuracy does not",
                (PointerEvidence(number, "/prune", "prune"),),
            )
        )  # fmt: skip
    return found
