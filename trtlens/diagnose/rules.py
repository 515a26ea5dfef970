"""Why an eligible layer runs dense: the contract's five rules, in their order, each with what it proves.

In: a layer's race, the tactic that runs, what the log holds. Out: a `Ruling`. Next: fallbacks.py turns it into a verdict.
A `proven` must follow from the lines it cites; every condition that could make it wrong lowers it to `suggested` or to another reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ..parse.kernel_names import is_sparse
from ..text import said_of
from .catalogue.conditions import SPARSE_CORES_SINCE
from .layers import EngineLayer, in_region
from .model import Proof, Stability
from .race_records import Combination, Entry, LayerRace

Cite = tuple[int, int]
"""(line, offset) of a line of the log."""


@dataclass(frozen=True, slots=True)
class Noise:
    """The band within which two times are equal: the larger of a share and of an absolute time (contract: 3 %, 1 µs)."""

    ratio: float = 0.03
    time_ms: float = 0.001

    def band(self, base_ms: float, spread: float = 0.0) -> float:
        """The band as a share of `base_ms`, widened by the spread that the log itself shows."""
        return max(self.ratio, self.time_ms / base_ms if base_ms > 0 else math.inf, spread)


@dataclass(slots=True)
class Ruling:
    """A reason with its figures. `proof` is of the reason alone; fallbacks.py lowers it to that of the eligibility."""

    reason: str
    proof: Proof
    summary: str
    stability: Stability | None = None
    best_dense: Entry | None = None
    best_sparse: Entry | None = None
    dense_ms: float | None = None
    sparse_ms: float | None = None
    margin: float | None = None
    cites: list[Cite] = field(default_factory=list)
    inherited_from: str | None = None
    gain_ms: float | None = None
    missing: tuple[str, ...] = ()
    contradiction: bool = False
    """Log and engine contradict each other (rule 5): the capture is not of one build."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What holds for the whole build. `trusted`: the log is of this engine and its pass is certain, so its lines may prove something."""

    noise: Noise
    trusted: bool
    compute_capability: float | None
    all_fp32: bool
    fp32_cites: tuple[Cite, ...]
    has_log: bool
    has_timings: bool
    truncated: bool
    cache_loaded: bool
    out_of_memory: Cite | None
    capability_cite: Cite | None = None
    level_cite: Cite | None = None
    """The line that says the builder optimization level."""
    no_reformats: Callable[[EngineLayer], bool] = lambda _: False
    fits: Callable[[EngineLayer, Combination], bool | None] = lambda _, __: None
    """Whether a combination's formats are those that the layer has in the engine; None where the inputs do not say."""
    regions: bool = False
    """The pass holds Myelin regions: a layer of which only the name is known may stand in one."""
    plan_whole: bool = True
    """All layers of the engine are known: the log does not end among them, where reformats and consumers could be missing."""


def decide(
    layer: EngineLayer,
    race: LayerRace | None,
    around: Circumstances,
    arithmetic: Callable[[LayerRace, Combination | None], Ruling | None] | None = None,
) -> Ruling:
    """The reason why an eligible layer runs dense (or why that cannot be told)."""
    if around.compute_capability is not None and around.compute_capability < SPARSE_CORES_SINCE:
        cites = [around.capability_cite] if around.capability_cite else []
        return Ruling(
            "no-kernel-arch",
            _proof(around.trusted and around.capability_cite is not None),  # a GPU known by its name alone may be another one of the machine
            f"compute capability {around.compute_capability:g} has no sparse tensor cores (they came with 8.0)",
            cites=cites,
        )
    if race is None or not race.decided:
        return _no_race(layer, race, around)
    sparse = [c for c in race.telling if c.sparse is not None]
    ruling = _nothing_sparse(layer, race, around) if not sparse else _sparse_lost(layer, race, sparse, around, arithmetic)
    ruling.inherited_from = race.inherited_from
    ruling.missing = tuple(race.missing)
    return ruling


def _proof(holds: bool) -> Proof:
    return "proven" if holds else "suggested"


def running_combinations(layer: EngineLayer, race: LayerRace, formats_fit: Callable[[Combination], bool | None]) -> list[Combination]:
    """The combinations whose winner is the tactic that the engine runs; with small ids that repeat, those whose formats fit the engine's."""
    if layer.tactic_id is None:
        return []
    found = _running(layer, race)
    if len(found) > 1:
        found = [c for c in found if formats_fit(c) is not False]
    return found


def _no_race(layer: EngineLayer, race: LayerRace | None, around: Circumstances) -> Ruling:
    """Nothing was timed under the layer's name."""
    # The formats of the pass are those at a region's border: what types Myelin tried inside they do not say.
    hidden = in_region(layer) or (layer.listed_only and around.regions)
    if around.all_fp32 and around.trusted and not hidden and _may_be_fp32(layer):
        return Ruling(
            "no-kernel-precision", "proven", "no format combination of the whole pass has a type other than FP32, for which TensorRT has no sparse kernels",
            cites=list(around.fp32_cites),
        )  # fmt: skip
    if not around.has_log:
        return Ruling("not-captured", "unknown", "no build log was given, so nothing shows what was timed")
    if around.truncated:
        cites = race.places(3) if race is not None else []
        return Ruling("log-truncated", "unknown", "the log ends before this layer was decided", cites=cites)
    cites = race.places(3) if race is not None else []
    if around.cache_loaded and not in_region(layer):
        return Ruling("timing-cache", "unknown", "its results came from a timing cache, so this log does not hold the race", cites=cites)
    if not around.has_timings:
        return Ruling("not-captured", "unknown", "the log holds no tactic timings (it is not verbose)")
    if in_region(layer) and race is None:
        return Ruling("myelin-opaque", "unknown", "inside a Myelin region, and the log prints no table of the tactics that were tried for it")
    if race is not None and race.silent:
        return Ruling(
            "twin-layer",
            "unknown",
            "its combinations are listed without timings: the race of an equal layer was reused, and which is not clear",
            cites=cites,
        )
    if race is not None:
        return Ruling(
            "not-captured",
            "unknown",
            "the log holds only a part of this layer's race",
            cites=cites,
        )
    if layer.line is not None:
        return Ruling(
            "twin-layer",
            "unknown",
            "the log holds no race under this name: that of an equal layer was reused, or the layer was tuned under another name",
        )
    return Ruling("not-captured", "unknown", "the log holds no race for this layer")


def _nothing_sparse(layer: EngineLayer, race: LayerRace, around: Circumstances) -> Ruling:
    """Rule 1: no sparse tactic was timed in any combination."""
    best = race.best_dense()
    cites = race.places(6)
    ruling = Ruling("no-kernel", "suggested", "", best_dense=best, dense_ms=best.time_ms if best else None, cites=cites)
    trusted = around.trusted and _chose_what_runs(layer, race)
    timed = race.timed
    seen = [s for c in race.telling for s in c.skipped if is_sparse(s[1])]
    unnamed = sum(c.unnamed_count for c in race.telling)
    if seen:
        memory = all(why.startswith(("memory", "scratch")) for why, _, _, _ in seen)
        if memory:
            whole = trusted and unnamed == 0 and not _unraced(race) and not race.doubts
            ruling.reason, ruling.proof = "workspace", _proof(whole)
            every = said_of(len(seen), "the one sparse tactic that the log names for this layer was", "all # sparse tactics that the log names for this layer were")
            ruling.summary = f"{every} skipped for memory ({seen[0][0]})"
            ruling.cites = [(line, -1) for _, _, _, line in seen[:4]]
            return ruling
    unraced = _unraced(race)
    table = bool(race.tables)
    if _all_fp32(race) and (race.complete or (around.all_fp32 and not table)):
        # What was chosen in a combination without a race is not in the log: there the layer's types must do.
        ruling.reason, ruling.proof = "no-kernel-precision", _proof(trusted if race.complete else around.trusted and _may_be_fp32(layer))
        if table:
            said = f"every kernel in its table is FP32 or TF32, by name, for which TensorRT has no sparse ones ({_timed(timed, 'dense ')})"
            ruling.cites = [*cites[:3], *_entry_cites(best)]
        else:
            said = f"all {race.size} format combinations are" if race.size > 1 else "its one format combination is"
            said += " FP32, for which TensorRT has no sparse kernels"
            said += f" ({_timed(timed, '' if unnamed else 'dense ')})" if timed else ""
        ruling.summary = said
        if not race.complete:
            # The formats of the pass prove the reason; which dense tactic was the fastest they do not say.
            ruling.cites = [*around.fp32_cites[:2], *cites][:6]
            ruling.best_dense = ruling.dense_ms = None
        return ruling
    if unraced:
        return _partly_raced(ruling, unraced, around, timed)
    if around.truncated:
        ruling.reason, ruling.proof = "log-truncated", "unknown"
        ruling.summary = f"{said_of(timed, 'the one tactic', 'none of the # tactics')} timed before the log ends {said_of(timed, 'is not', 'is')} known to be sparse"
        return ruling
    if _all_fp32(race) and not table:
        # What is missing of it was not another format: the formats of each combination stand before its race.
        ruling.reason, ruling.best_dense, ruling.dense_ms = "no-kernel-precision", None, None
        ruling.summary = f"every format combination in the log is FP32, for which TensorRT has no sparse kernels, but the race is not complete: {race.missing[0]}"
        return ruling
    if race.complete:
        ruling.proof = _proof(trusted)
        where = "its table" if table else f"{race.size} format combination{'s' * (race.size > 1)}"
        ruling.summary = f"{_timed(timed)} in {where}, none of them sparse"
        return ruling
    pruned = next((m for m in race.missing if "pruned" in m), None)
    skipped = next((m for m in race.missing if "was skipped (memory" in m or "was skipped (scratch" in m), None)
    if pruned:
        ruling.reason = "heuristic-pruned"
        place = (race.pruned.line, race.pruned.offset) if race.pruned is not None else around.level_cite
        ruling.cites = [*([place] if place is not None else []), *cites][:6]
    elif skipped:
        ruling.reason = "workspace"
        left_out = [(line, -1) for c in race.telling for why, _, _, line in c.skipped if why.startswith(("memory", "scratch"))]
        ruling.cites = [*left_out[:2], *cites][:6]
    elif race.complaint is not None or around.out_of_memory:
        ruling.reason = "out-of-memory"
        place = (race.complaint.line, race.complaint.offset) if race.complaint is not None else around.out_of_memory
        ruling.cites = [*([place] if place is not None else []), *cites][:6]
    gap = pruned or skipped or race.missing[0]
    ruling.summary = f"{said_of(timed, 'the one timed tactic is not', 'none of the # timed tactics is')} known to be sparse, but the race is not complete: {gap}"
    return ruling


def _partly_raced(ruling: Ruling, unraced: list[Combination], around: Circumstances, timed: int) -> Ruling:
    ruling.proof = "unknown"
    won = [cite for c in unraced[:3] for cite in _entry_cites(c.winner)]
    ruling.cites = list(dict.fromkeys([*((c.line, c.offset) for c in unraced[:3]), *won]))
    if around.truncated:
        ruling.reason, why = "log-truncated", "are missing, as the log ends before"
    elif around.cache_loaded:
        ruling.reason, why = "timing-cache", "came from a cache"
    elif any(c.silent for c in unraced):
        ruling.reason, why = "twin-layer", "were taken from an equal layer's race"
    elif all(c.several for c in unraced):
        ruling.reason, why = "twin-layer", "repeat one of several earlier races, and which is not clear"
    elif any(c.cached for c in unraced):
        ruling.reason, why = "timing-cache", "came from a cache"
    else:
        ruling.reason, why = "not-captured", "are not in the log"
    results = f"the results of {len(unraced)} of its combinations {why}" if len(unraced) > 1 else f"the results of one of its combinations {why}"
    none = said_of(timed, "the one tactic timed under its name is not", "none of the # tactics timed under its name is")
    ruling.summary = f"{none} sparse, but {results}" if timed else f"nothing was timed under its name: {results}"
    return ruling


def _chose_what_runs(layer: EngineLayer, race: LayerRace) -> bool:
    """Whether the tactic that runs, where the inputs name it, is one that the race chose; else the race is that of another build."""
    if race.tables:
        runs, chosen = layer.tactic_name, [c.winner.kernel for c in race.tables if c.winner is not None and c.winner.kernel]
        return runs is None or not chosen or any(runs.startswith(kernel) or kernel.startswith(runs) for kernel in chosen)
    return layer.tactic_id is None or race.chose(layer.tactic_id)


def _timed(count: int, kind: str = "") -> str:
    return f"1 {kind}tactic was timed" if count == 1 else f"{count:,} {kind}tactics were timed"


def _unraced(race: LayerRace) -> list[Combination]:
    """Combinations whose race is not in the log. `No valid tactics` counts as a race only if the runners that raced elsewhere were tried."""
    tried = frozenset[str]().union(*(c.runners for c in race.telling))
    return [c for c in race.telling if not c.raced and not c.no_valid and not _all_left_out(c, tried)]


def _all_left_out(item: Combination, tried: frozenset[str]) -> bool:
    """Whether the log shows why nothing was timed in a combination: each tactic of the runners that raced elsewhere was skipped for memory."""
    memory = bool(item.skipped) and all(why.startswith(("memory", "scratch")) for why, _, _, _ in item.skipped)
    return memory and item.runners >= tried and item.winner is None and not item.cached and not item.failed


def _all_fp32(race: LayerRace) -> bool:
    """Whether everything that was tried is FP32. Inside a Myelin region the kernels tell: its formats are those at the region's border."""
    return all(c.fp32_kernels for c in race.tables) if race.tables else all(fp32_only(text) for text in race.texts())


_INDEX_TYPES = frozenset({"Int32", "Int64", "Bool"})


def _may_be_fp32(layer: EngineLayer) -> bool:
    """Whether no tensor of the engine's layer has another type: a layer in FP16 was not built by a pass of FP32 alone."""
    return all(tensor.datatype in (None, "Float", *_INDEX_TYPES) for tensor in (*layer.inputs, *layer.outputs))


def fp32_only(text: str) -> bool:
    """Whether every floating-point or quantised tensor of a combination is Float (indices and masks may be Int32, Int64 or Bool)."""
    types = set(_types(text))
    return "Float" in types and types <= {"Float", *_INDEX_TYPES}


def index_only(text: str) -> bool:
    """Whether a combination holds indices and masks alone. A type of another name is not known to be one: it may be a short float."""
    types = set(_types(text))
    return bool(types) and types <= _INDEX_TYPES


def _types(text: str) -> list[str]:
    import re

    return re.findall(r"([A-Z][A-Za-z0-9]*)\(", text.split(" where ")[0].replace("(SHAPE ", "").replace("(#", ""))


@dataclass(frozen=True, slots=True)
class _Settled:
    """What rules 2 to 5 share. `fitting`: combinations whose winner runs, in formats that fit the engine's.

    `whole`: every combination was raced and decided by tactics with names, in lines that are whole and of this engine.
    """

    layer: EngineLayer
    race: LayerRace
    around: Circumstances
    fitting: list[Combination]
    whole: bool

    def band(self, dense_ms: float) -> float:
        return self.around.noise.band(dense_ms, self.race.repeat_spread)


def _sparse_lost(
    layer: EngineLayer, race: LayerRace, sparse: list[Combination], around: Circumstances,
    arithmetic: Callable[[LayerRace, Combination | None], Ruling | None] | None,
) -> Ruling:  # fmt: skip
    """Rules 2 to 5: sparse tactics were timed."""
    if around.truncated and any(c.winner is None and c.raced for c in race.telling):
        return _unsettled("log-truncated", "sparse tactics were timed, and the log ends within this layer's race", race.best_sparse())
    running = _running(layer, race)
    # The formats of a table are those at its region's border, not those of the operation.
    fitting = [c for c in running if c.table or around.fits(layer, c) is not False]
    winners_known = all(c.winner is None or c.winner.sparse is not None for c in race.telling)
    undecided = _unraced(race)
    whole = around.trusted and not undecided and winners_known and not race.doubts and not any(c.winner is None and c.raced for c in race.telling)
    settled = _Settled(layer, race, around, fitting, whole)
    lost = [c for c in sparse if c.winner is not None and c.winner.sparse is False and c.dense is not None]
    if len(lost) == len(sparse):
        return _lost_everywhere(settled, lost)
    # Rule 3 speaks of the combinations that sparse won: where it lost, dense is the better choice anyway.
    gone = {id(c) for c in lost}
    best = min((c.sparse for c in sparse if id(c) not in gone and c.sparse is not None), key=lambda entry: entry.time_ms)
    # A dense tactic that won nothing runs: the formats of the engine say which combination is its own.
    lost_all = not running and whole and layer.tactic_id is not None
    here = [c for c in race.combinations if c.winner is not None and around.fits(layer, c)] if lost_all else fitting
    won_here = [c for c in here if c.winner is not None and c.winner.sparse]
    if won_here and len(won_here) == len(here):
        return Ruling(
            "unexplained", "unknown", "a sparse tactic won the very combination that runs, yet the engine runs another: log and engine do not fit together",
            cites=_entry_cites(won_here[0].sparse, won_here[0].dense), contradiction=True,
        )  # fmt: skip
    return _lost_its_format(settled, best, arithmetic)


def _lost_everywhere(settled: _Settled, lost: list[Combination]) -> Ruling:
    """Rule 2: dense won each combination in which sparse was timed."""
    race, around = settled.race, settled.around
    close = min(lost, key=lambda c: _ratio(c.sparse, c.dense))
    assert close.sparse is not None and close.dense is not None
    if close.dense.time_ms <= 0:
        return Ruling(
            "unexplained", "unknown", "the dense tactic's time is 0 ms in the log, with which nothing can be compared",
            best_dense=close.dense, best_sparse=close.sparse, dense_ms=close.dense.time_ms, sparse_ms=close.sparse.time_ms, cites=_entry_cites(close.sparse, close.dense),
        )  # fmt: skip
    margin, band = _ratio(close.sparse, close.dense) - 1.0, settled.band(close.dense.time_ms)
    if margin < -band:
        return Ruling(
            "unexplained", "unknown",
            f"a dense tactic was chosen where a sparse one was timed faster ({_ms(close.sparse.time_ms)} against {_ms(close.dense.time_ms)} ms), and the log does not say why",
            best_dense=close.dense, best_sparse=close.sparse, dense_ms=close.dense.time_ms, sparse_ms=close.sparse.time_ms, margin=margin,
            cites=_entry_cites(close.sparse, close.dense),
        )  # fmt: skip
    # The engine's own tactic must be one of these races' winners, in its own formats, or they are not the races that decided.
    joined = bool(settled.fitting) or (close.table and _chose_what_runs(settled.layer, race))
    whole = settled.whole and (abs(margin) <= band or not _closer_unnamed(race, around.noise))
    ruling = _compare("slower", close.dense, close.sparse, margin, around.noise, race, _proof(whole and joined and not _skipped_sparse(race)))
    several = f"each of the {race.lost} combinations where both were timed" if race.lost > 1 else "the combination where both were timed"
    ruling.summary = _race_sentence(ruling, "its table" if close.table else several)
    return ruling


def _lost_its_format(settled: _Settled, best: Entry, arithmetic: Callable[[LayerRace, Combination | None], Ruling | None] | None) -> Ruling:
    """Rules 3 to 5: `best` won in some format, and the engine runs a dense tactic in another one."""
    race, around = settled.race, settled.around
    fitting = [c for c in settled.fitting if c.winner is None or not c.winner.sparse]  # a dense tactic runs, so of two combinations with its id it is not the sparse one's
    timed = [c.winner for c in fitting if c.winner is not None and c.winner.time_ms > 0]  # not 0 ms, nor none
    current = timed[0] if len({round(winner.time_ms, 9) for winner in timed}) == 1 else None
    if current is None:
        return _unsettled(
            "log-truncated" if around.truncated else "unexplained", "a sparse tactic won in some format, and the time of the tactic that runs cannot be told from the log", best
        )
    margin, band = _ratio(best, current) - 1.0, settled.band(current.time_ms)
    if margin >= 0:
        sure = settled.whole and len(fitting) == 1 and around.plan_whole and around.no_reformats(settled.layer) and not _skipped_sparse(race)
        # A tactic without a name, if it is sparse, may be below what runs, or within the noise of it where no other one is.
        sure = sure and not _unnamed_below(race, current.time_ms * (1.0 + band) if margin > band else current.time_ms)
        ruling = _compare("slower", current, best, margin, around.noise, race, _proof(sure))
        ruling.summary = _race_sentence(ruling, "any format") + "; the dense tactic that runs is in another format than the sparse one"
        return ruling
    if around.truncated:
        return _unsettled("log-truncated", "sparse won in some format, and the log ends before the plan is known", best)
    gain_ms = current.time_ms - best.time_ms
    # Another table is another format of the whole region: what its other operations then take, no reformat says.
    found = arithmetic(race, fitting[0] if len(fitting) == 1 else None) if arithmetic is not None and not race.tables else None
    if found is not None:
        found.best_dense, found.best_sparse = current, best
        found.dense_ms, found.sparse_ms, found.margin, found.gain_ms = current.time_ms, best.time_ms, margin, gain_ms
        found.cites = list(dict.fromkeys([*_entry_cites(current, best), *found.cites]))  # the sum may be that of another combination
        found.stability = _shakier(found.stability, stability(margin, band))  # the sum decides, and that sparse is below t* brought it here
        if found.proof == "proven" and not (settled.whole and around.plan_whole and not _skipped_sparse(race) and not _unnamed_below(race, current.time_ms)):
            found.proof = "suggested"
        return found
    ruling = _compare("unexplained", current, best, margin, around.noise, race, "unknown")
    lacking = "what the other operations of its region take there is not compared" if race.tables else "not all reformats of a switch are in the inputs"
    ruling.summary = f"sparse was timed faster in another format ({_ms(best.time_ms)} against {_ms(current.time_ms)} ms), and {lacking}"
    ruling.gain_ms = gain_ms
    return ruling


def _unsettled(reason: str, summary: str, sparse: Entry | None) -> Ruling:
    """A sparse time is known, and nothing that it could be compared with."""
    return Ruling(reason, "unknown", summary, best_sparse=sparse, sparse_ms=sparse.time_ms if sparse is not None else None, cites=_entry_cites(sparse))


def _running(layer: EngineLayer, race: LayerRace) -> list[Combination]:
    """The combinations whose winner is the engine's tactic, by its runner if both are named. Layer info knows a Myelin kernel by its name alone."""
    if layer.tactic_id is None:
        return [c for c in race.tables if layer.tactic_name and c.winner is not None and c.winner.kernel == layer.tactic_name]
    found = [c for c in race.won_by(layer.tactic_id) if c.winner is not None and (layer.type is None or c.winner.runner in (None, layer.type))]
    if len(found) > 1 and layer.tactic_name:
        # A small id is another kernel in each combination: the name tells them apart where both sides have one.
        named = [c for c in found if c.winner is not None and c.winner.kernel in (None, layer.tactic_name)]
        return named or found
    return found


def _ratio(sparse: Entry | None, dense: Entry | None) -> float:
    """How many times as long sparse took; 1 where neither took any time."""
    assert sparse is not None and dense is not None
    if dense.time_ms <= 0:
        return 1.0 if sparse.time_ms <= 0 else math.inf
    return sparse.time_ms / dense.time_ms


def _closer_unnamed(race: LayerRace, noise: Noise) -> bool:
    """Whether a tactic without a name, if it is sparse, would turn `slower` into `tie`: it came within the band of the dense winner."""
    return any(
        c.unnamed is not None and c.winner is not None and _ratio(c.unnamed, c.winner) - 1.0 <= noise.band(c.winner.time_ms, race.repeat_spread)
        for c in race.telling
    )


def _unnamed_below(race: LayerRace, current_ms: float) -> bool:
    """Whether a tactic without a name that is faster than the one that runs, if it is sparse, would add to the sums or change one."""
    return any(
        c.unnamed is not None and c.unnamed.time_ms < current_ms and (c.sparse is None or c.unnamed.time_ms < c.sparse.time_ms)
        for c in race.telling
    )


def _skipped_sparse(race: LayerRace) -> bool:
    """Whether a tactic that may be sparse was left out for memory or time: it could have won."""
    return any(why != "only option" and is_sparse(kernel) is not False for c in race.telling for why, kernel, _, _ in c.skipped)


def _compare(reason: str, dense: Entry, sparse: Entry, margin: float, noise: Noise, race: LayerRace, proof: Proof) -> Ruling:
    band = noise.band(dense.time_ms, race.repeat_spread)
    if abs(margin) <= band and reason == "slower":
        reason = "tie"
    return Ruling(
        reason,
        proof,
        "",
        stability(margin, band),
        dense,
        sparse,
        dense.time_ms,
        sparse.time_ms,
        margin,
        _entry_cites(dense, sparse),
        missing=tuple(race.missing),
    )


def stability(margin: float, band: float) -> Stability:
    return "coin-toss" if abs(margin) <= band else "near" if abs(margin) <= 2 * band else "stable"


def _shakier(one: Stability | None, other: Stability) -> Stability:
    return other if one is None else max(one, other, key=("stable", "near", "coin-toss").index)


def _race_sentence(ruling: Ruling, where: str) -> str:
    assert ruling.dense_ms is not None and ruling.sparse_ms is not None and ruling.margin is not None
    times = f"best sparse {_ms(ruling.sparse_ms)} ms, dense {_ms(ruling.dense_ms)} ms ({ruling.margin:+.1%})"
    if ruling.reason == "tie":
        return f"sparse and dense are equal within the noise in {where}: {times}"
    return f"dense was faster in {where}: {times}"


def _ms(value: float) -> str:
    return f"{value:.4g}"


def _entry_cites(*entries: Entry | None) -> list[Cite]:
    return [(e.line, e.offset) for e in entries if e is not None and e.line > 0]
