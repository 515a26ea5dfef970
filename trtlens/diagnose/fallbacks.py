"""An eligible layer that runs dense: its ruling, what lowers the proof, its evidence, suspects and remedies.

In: `Joins`. Out: `Fallbacks`, which makes the `LayerVerdict` of such a layer. Next: layer_verdicts.py, which asks for those of all layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..parse.build_log.records import Build
from ..parse.kernel_names import is_sparse
from ..parse.records import TensorInfo
from ..text import tactic_hex
from .eligibility import Judgement
from .joins import Joins, Options
from .layers import EngineLayer, LayerTime, in_region
from .load import Capture
from .model import (
    Evidence,
    LayerVerdict,
    PointerEvidence,
    Proof,
    Remedy,
    RunningTactic,
    Status,
    Suspect,
    Warning,
    weaker,
)
from .physics import bound_ms, gains, layer_facts
from .races import LayerRace, Races
from .reasons import REASONS
from .roofline import GemmShape
from .rules import Ruling, decide
from .shapes import gemm_shape, kernel_suspects, physical_suspects
from .suspects import Suspicions

_LAYOUTS_DO_NOT_MATTER = frozenset({"slower", "tie", "format-cost", "io-format"})


class Fallbacks(Joins):
    """What the verdict of one fallback takes. `bounds`: what a sparse kernel can save at most, of each that has such a bound."""

    def __init__(self, capture: Capture, build: Build | None, options: Options, index: int, unsure: bool = False) -> None:
        super().__init__(capture, build, options, index, unsure)
        self.other_races: dict[int, Races] = {}
        """The races of passes that were dropped, for the layers whose reason may be the backend strategy."""
        self.suspicions: Suspicions | None = None
        self.bounds: list[float] = []

    def _race(self, layer: EngineLayer) -> LayerRace | None:
        if self.races is None:
            return None
        if in_region(layer):
            for name in (layer.name, *layer.onnx_nodes):
                found = self.races.of_operation(name)
                if found is not None:
                    return found
        return self.races.of(layer.name)

    def _fallback(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None, listed: str | None, how: str) -> LayerVerdict:
        """An eligible layer that runs dense: why."""
        race = self._race(layer)
        around = self.circumstances
        if layer.name in self.namesakes or (race is not None and race.foreign):
            around = replace(around, trusted=False)  # the log's races are by name: they may be those of the other layer of this name
        ruling = decide(layer, race, around, self.arithmetic.decide_for(layer) if self.arithmetic is not None else None)
        if ruling.reason in ("twin-layer", "not-captured") and self.twins is not None and self.circumstances.has_timings:
            inherited = self.twins.inherit(layer, self.circumstances, self.arithmetic)
            ruling = inherited if inherited is not None else ruling
        if ruling.contradiction and race is not None and race.foreign:
            ruling.summary = "by the name that another log gives it, the tactic that won the combination that runs is sparse, and a dense one runs: that name does not hold here"
        elif ruling.contradiction:
            places = tuple(self.citer.place(line, offset) for line, offset in ruling.cites)
            self.warnings.append(Warning("capture-mismatch", f"{layer.name}: {ruling.summary}", places))
        strategy = self._other_strategy(layer, ruling)
        ruling = strategy if strategy is not None else ruling
        proof = weaker(ruling.proof, judgement.eligibility.proof)
        if how in ("list", "trace", "names") and layer.region is None:
            proof = weaker(proof, "suggested")
        if self.distrusted and not layer.listed_only and ruling.proof != "unknown" and ruling.reason != "not-captured":
            ruling.summary = f"in another build of this model: {ruling.summary}"
            proof = weaker(proof, "suggested")
        evidence = [
            *self._tactic_evidence(layer),
            *(self.citer.place(line, self.races.offset_of(line) if offset < 0 and self.races is not None else offset) for line, offset in ruling.cites),
            *judgement.eligibility.evidence[:1],
        ]
        for entry in (ruling.best_dense, ruling.best_sparse):
            if entry is not None and entry.sparse is not None:
                self.citer.tactic(entry.line, entry.offset, entry.kernel)
        if ruling.reason == "workspace" and race is not None and self.races is not None:
            skipped = [(tactic, kernel) for c in race.telling for _, kernel, tactic, _ in c.skipped if is_sparse(kernel)]
            naming = [self.races.kernels.line(tactic, kernel or "", []) for tactic, kernel in dict.fromkeys(skipped[:4])]
            evidence += [self.citer.place(*place) for place in naming if place is not None]
        if layer.region is not None and layer.tactic_name is None and race is not None and race.combinations[-1].winner is not None:
            winner = race.combinations[-1].winner
            layer.tactic_name, layer.tactic_id, layer.named_by = winner.kernel, winner.tactic, "log"
        kernel = ruling.best_sparse.kernel if ruling.best_sparse is not None else layer.tactic_name
        shape = gemm_shape(layer)
        suspects = self._suspects(layer, shape, ruling, race, kernel)
        remedies = self._remedies(layer, shape, ruling, time, race)
        best = (
            ruling.dense_ms,
            ruling.sparse_ms,
            ruling.margin,
            ruling.best_dense.kernel if ruling.best_dense else None,
            ruling.best_sparse.kernel if ruling.best_sparse else None,
        )
        return self._make(
            layer, "dense", ruling.reason, proof, ruling.summary, judgement, time, evidence=tuple(evidence), best=best, stability=ruling.stability,
            suspects=tuple(suspects), remedies=tuple(remedies), inherited=ruling.inherited_from,
        )  # fmt: skip

    def _other_strategy(self, layer: EngineLayer, ruling: Ruling) -> Ruling | None:
        """A sparse tactic won in the graph of a backend strategy that was dropped: that graph lost as a whole."""
        build, log, listing = self.build, self.capture.log, self.listing
        if build is None or log is None or listing is None or len(build.passes) < 2 or self.distrusted or listing.chosen.index is None:
            return None
        if ruling.reason not in (
            "no-kernel",
            "no-kernel-precision",
            "slower",
            "not-captured",
            "twin-layer",
            "myelin-opaque",
            "unexplained",
        ):
            return None
        if ruling.proof == "proven" and ruling.reason != "not-captured":
            return None
        for other in build.passes:
            # Winning one combination is not enough: the dropped strategy's own list must name the layer among those it chose.
            chosen = [s for s in build.sparsity if s.pass_index == other.index and s.kind == "picked" and layer.name in s.names]
            if other.index == listing.chosen.index or other.fate != "skipped" or other.fate_line is None or not chosen:
                continue
            if other.index not in self.other_races:
                self.other_races[other.index] = Races(log, build, other.index, self.around.few_tactics, self.capture.learned)  # over the whole log: once, not once a layer
            race = self.other_races[other.index].of(layer.name)
            won = [c for c in race.combinations if c.winner is not None and c.winner.sparse] if race is not None else []
            if won and won[0].winner is not None:
                used = next((p for p in build.passes if p.index == listing.chosen.index), None)
                cites = [
                    (won[0].winner.line, won[0].winner.offset),
                    (chosen[0].at.line, chosen[0].at.offset),
                    (other.fate_line.line, other.fate_line.offset),
                ]
                if used is not None and used.fate_line is not None:
                    cites.append((used.fate_line.line, used.fate_line.offset))
                sure = listing.chosen.certain and used is not None and used.fate == "used"
                return Ruling(
                    "backend-strategy", "proven" if sure else "suggested",
                    f"a sparse tactic won in the graph of backend strategy {other.strategy}, and that engine was estimated slower as a whole",
                    best_sparse=won[0].winner, sparse_ms=None if math.isnan(won[0].winner.time_ms) else won[0].winner.time_ms, cites=cites,
                )  # fmt: skip
        return None

    def _suspects(self, layer: EngineLayer, shape: GemmShape | None, ruling: Ruling, race: LayerRace | None, kernel: str | None) -> list[Suspect]:
        found = physical_suspects(layer, shape, self.around.gpu, self.around.sm_count, kernel)
        sm = round(self.capability * 10) if self.capability else None
        if ruling.reason in ("no-kernel", "heuristic-pruned", "workspace", "out-of-memory"):
            found = [*kernel_suspects(layer, shape, sm, self._layouts(race), self.races is not None and self.races.any_sparse), *found]
        if ruling.reason == "no-kernel" and self.around.hardware_compatibility and "none" not in self.around.hardware_compatibility.lower():
            found.append(
                Suspect(
                    "hardware-compat",
                    "suggested",
                    f"hardware compatibility ({self.around.hardware_compatibility}) narrows the choice of kernels",
                )
            )
        found = [*self._suspicions().dense(layer, ruling, race), *found]
        return [s for s in found if s.reason != ruling.reason][:6]

    def _suspicions(self) -> Suspicions:
        """Made when the first layer asks for it: looking for other fusions takes the races, which are made late."""
        if self.suspicions is None:
            # A log of another build says nothing of what could have been in this one.
            races = None if self.distrusted else self.races
            self.suspicions = Suspicions(races, self.layers, self.build, self.capture.manifest, self.options.noise)
        return self.suspicions

    def _layouts(self, race: LayerRace | None) -> set[str]:
        if race is None or self.races is None:
            return set()
        found: set[str] = set()
        for text in set(race.texts()):
            formats = self.races.formats_of(text)
            for tensor in formats.inputs if formats is not None else ():
                found.update(tensor.layouts[:1])
        return found

    def _remedies(self, layer: EngineLayer, shape: GemmShape | None, ruling: Ruling, time: LayerTime | None, race: LayerRace | None) -> list[Remedy]:
        """What the user can do, with a gain only where the log measured one or the roofline bounds it."""
        # The bound is that of the tactic that runs; the closest or fastest dense one of the race may be of another combination.
        dense_ms = time.time_ms if time is not None else None
        if not self.tuned_elsewhere:  # else the sizes of the layer info are not those at which the log's times were taken
            runs_ms = self._runs_ms(layer, ruling, race) if self.around.gpu is not None else None
            dense_ms = next((known for known in (runs_ms, ruling.dense_ms, dense_ms) if known is not None), None)
        bound = bound_ms(layer, shape, dense_ms, self.around.gpu)
        if bound is not None:
            self.bounds.append(bound)
        races, sums = self.races, self.arithmetic
        # Only a layer for which nothing sparse was timed is asked which layouts were tried; parsing them for all would take as long as all else.
        asked = race is not None and races is not None and ruling.reason not in _LAYOUTS_DO_NOT_MATTER
        formats = [f for text in set(race.texts()) if (f := races.formats_of(text)) is not None] if asked and race is not None and races is not None else None
        fixed_by = sums.fixed_by(layer) if sums is not None and ruling.reason == "io-format" else None
        wanted = sums.wanted.get(id(layer), ()) if sums is not None else ()
        facts = layer_facts(self.facts, layer, shape, formats, fixed_by, wanted)
        return gains(ruling, REASONS.get(ruling.reason), facts, bound, sums.net_ms.get(id(layer)) if sums is not None else None)

    def _runs_ms(self, layer: EngineLayer, ruling: Ruling, race: LayerRace | None) -> float | None:
        """What the tactic that runs takes, by the log."""
        if self.races is None:
            return None
        if in_region(layer):
            return _table_ms(race)
        return self.races.running_ms(layer.name, ruling.inherited_from, layer.tactic_id)

    def _tactic_evidence(self, layer: EngineLayer) -> tuple[Evidence, ...]:
        found: list[Evidence] = []
        if layer.pointer is not None and self.capture.engine_input >= 0:
            if layer.tactic_name and layer.named_by == "layer_info":
                found.append(PointerEvidence(self.capture.engine_input, f"{layer.pointer}/TacticName", layer.tactic_name))
            elif layer.tactic_id is not None and self.capture.engine is not None and self.capture.engine.detailed:
                found.append(PointerEvidence(self.capture.engine_input, f"{layer.pointer}/TacticValue", tactic_hex(layer.tactic_id)))
        if layer.line is not None:
            found.append(self.citer.line(layer.line))
        if layer.name in self.naming:
            found.append(self.citer.line(self.naming[layer.name]))
        if self.trace_all_dense is not None and layer.sparse is None:
            found += self.trace_all_dense
        if layer.tactic_name in self.traced.kernels:
            found.append(self.traced.kernels[layer.tactic_name])
        return tuple(found)

    def _make(
        self, layer: EngineLayer, status: Status, reason: str | None, proof: Proof, summary: str, judgement: Judgement, time: LayerTime | None, *,
        evidence: Iterable[Evidence] = (), suspects: tuple[Suspect, ...] = (), remedies: tuple[Remedy, ...] = (), stability: Any = None,
        best: tuple[float | None, float | None, float | None, str | None, str | None] | None = None, inherited: str | None = None,
    ) -> LayerVerdict:  # fmt: skip
        dense_ms, sparse_ms, margin, dense_name, sparse_name = best or (None, None, None, None, None)
        sparse = layer.sparse if status not in ("sparse",) else True
        if status == "dense" and sparse is None:
            sparse = False
        return LayerVerdict(
            name=layer.name, type=layer.type, onnx_nodes=layer.onnx_nodes, optimization_profile=layer.optimization_profile, status=status, reason=reason,
            proof=proof, stability=stability, summary=summary, eligibility=judgement.eligibility,
            tactic=RunningTactic(layer.tactic_name, layer.tactic_id, sparse, layer.type if not layer.listed_only else None),
            input_formats=tuple(map(_format_text, layer.inputs)), output_formats=tuple(map(_format_text, layer.outputs)),
            best_dense_ms=dense_ms, best_sparse_ms=sparse_ms, margin=margin, compared_dense=dense_name, compared_sparse=sparse_name, inherited_from=inherited,
            time_ms=time.time_ms if time else None, time_stat=time.stat if time and time.time_ms is not None else None, time_percent=time.percent if time else None,
            suspects=suspects, evidence=tuple(evidence), remedies=remedies,
        )  # fmt: skip


def _table_ms(race: LayerRace | None) -> float | None:
    """What the selected tactic of a Myelin operation takes; of several tables any may be the one that runs, so the slowest counts."""
    times = [c.winner.time_ms for c in race.telling if c.winner is not None] if race is not None else []
    return max(times, default=None)


def _format_text(tensor: TensorInfo) -> str:
    return _joined(tensor.datatype or tensor.text, tensor.layout, tensor.dimensions)


@lru_cache(maxsize=1 << 14)
def _joined(datatype: str, layout: str | None, dimensions: tuple[int, ...] | None) -> str:
    """Of one text for all tensors of one shape: there are few in an engine, and each tensor stands in two layers."""
    return " ".join(part for part in (datatype, layout or "", "x".join(map(str, dimensions)) if dimensions else "") if part)
