"""An eligible layer that runs dense: its ruling, what lowers the proof, its evidence, suspects and remedies.

In: `Joins`. Out: `Fallbacks`, which makes the `LayerVerdict` of such a layer. Next: layer_verdicts.py, which asks for it.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ..parse.kernel_names import is_sparse
from .eligibility import Judgement
from .joins import Joins
from .layers import EngineLayer, LayerTime, in_region
from .model import Evidence, LayerVerdict, Remedy, Suspect, Warning, weaker
from .physics import bound_ms, gains, layer_facts
from .races import LayerRace, Races
from .reasons import REASONS
from .roofline import GemmShape
from .rules import Ruling, decide
from .shapes import gemm_shape, kernel_suspects, physical_suspects
from .verdict_record import compared, layer_verdict

_LAYOUTS_DO_NOT_MATTER = frozenset({"slower", "tie", "format-cost", "io-format"})


class Fallbacks:
    """Makes the verdicts of fallbacks. `bounds`: what a sparse kernel can save at most, of each that has such a bound."""

    def __init__(self, joins: Joins) -> None:
        self.joins = joins
        self.other_races: dict[int, Races] = {}
        """The races of passes that were dropped, for the layers whose reason may be the backend strategy."""
        self.bounds: list[float] = []

    def verdict(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None, listed: str | None, how: str) -> LayerVerdict:
        """An eligible layer that runs dense: why."""
        race = self.joins.race_of(layer)
        around = self.joins.circumstances
        if layer.name in self.joins.namesakes or (race is not None and race.foreign):
            around = replace(around, trusted=False)  # the log's races are by name: they may be those of the other layer of this name
        ruling = decide(layer, race, around, self.joins.arithmetic.decide_for(layer) if self.joins.arithmetic is not None else None)
        if ruling.reason in ("twin-layer", "not-captured") and self.joins.twins is not None and self.joins.circumstances.has_timings:
            inherited = self.joins.twins.inherit(layer, self.joins.circumstances, self.joins.arithmetic)
            ruling = inherited if inherited is not None else ruling
        if ruling.contradiction and race is not None and race.foreign:
            ruling.summary = "by the name that another log gives it, the tactic that won the combination that runs is sparse, and a dense one runs: that name does not hold here"
        elif ruling.contradiction:
            places = tuple(self.joins.citer.place(line, offset) for line, offset in ruling.cites)
            self.joins.warnings.append(Warning("capture-mismatch", f"{layer.name}: {ruling.summary}", places))
        strategy = self._other_strategy(layer, ruling)
        ruling = strategy if strategy is not None else ruling
        proof = weaker(ruling.proof, judgement.eligibility.proof)
        if how in ("list", "trace", "names") and layer.region is None:
            proof = weaker(proof, "suggested")
        if self.joins.distrusted and not layer.listed_only and ruling.proof != "unknown" and ruling.reason != "not-captured":
            ruling.summary = f"in another build of this model: {ruling.summary}"
            proof = weaker(proof, "suggested")
        evidence = [
            *self.joins.tactic_evidence(layer),
            *(self.joins.citer.place(line, self.joins.races.offset_of(line) if offset < 0 and self.joins.races is not None else offset) for line, offset in ruling.cites),
            *judgement.eligibility.evidence[:1],
        ]
        for entry in (ruling.best_dense, ruling.best_sparse):
            if entry is not None and entry.sparse is not None:
                self.joins.citer.tactic(entry.line, entry.offset, entry.kernel)
        if ruling.reason == "workspace" and race is not None and self.joins.races is not None:
            evidence += self._names_of_skipped(race, self.joins.races)
        if layer.region is not None and layer.tactic_name is None and race is not None and race.combinations[-1].winner is not None:
            winner = race.combinations[-1].winner
            layer.tactic_name, layer.tactic_id, layer.named_by = winner.kernel, winner.tactic, "log"
        kernel = ruling.best_sparse.kernel if ruling.best_sparse is not None else layer.tactic_name
        shape = gemm_shape(layer)
        suspects = self._suspects(layer, shape, ruling, race, kernel)
        remedies = self._remedies(layer, shape, ruling, time, race)
        best = compared(ruling.best_dense, ruling.best_sparse, ruling.dense_ms, ruling.sparse_ms, ruling.margin)
        return layer_verdict(
            layer, "dense", ruling.reason, proof, ruling.summary, judgement, time, evidence=evidence, best=best, stability=ruling.stability,
            suspects=suspects, remedies=remedies, inherited=ruling.inherited_from,
        )  # fmt: skip

    def _names_of_skipped(self, race: LayerRace, races: Races) -> list[Evidence]:
        """The lines that name the first sparse tactics that were skipped: the layer's own, else the first one in the log that names the id."""
        found: list[Evidence] = []
        skipped = [(tactic, kernel, line) for c in race.telling for _, kernel, tactic, line in c.skipped if kernel is not None and is_sparse(kernel)]
        for tactic, kernel, line in dict.fromkeys(skipped[:4]):
            place = (line, races.offset_of(line)) if races.names_kernel(line) else races.kernels.line(tactic, kernel, [])
            if place is not None:
                self.joins.citer.tactic(*place, kernel)
                found.append(self.joins.citer.place(*place))
        return found

    def _other_strategy(self, layer: EngineLayer, ruling: Ruling) -> Ruling | None:
        """A sparse tactic won in the graph of a backend strategy that was dropped: that graph lost as a whole."""
        build, log, listing = self.joins.build, self.joins.capture.log, self.joins.listing
        if build is None or log is None or listing is None or len(build.passes) < 2 or self.joins.distrusted or listing.chosen.index is None:
            return None
        if ruling.contradiction or ruling.reason not in (
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
                self.other_races[other.index] = Races(log, build, other.index, self.joins.around.few_tactics, self.joins.capture.learned)  # over the whole log: once, not once a layer
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
        found = physical_suspects(layer, shape, self.joins.around.gpu, self.joins.around.sm_count, kernel)
        sm = round(self.joins.capability * 10) if self.joins.capability else None
        if ruling.reason in ("no-kernel", "heuristic-pruned", "workspace", "out-of-memory"):
            found = [*kernel_suspects(layer, shape, sm, self._layouts(race), self.joins.races is not None and self.joins.races.any_sparse), *found]
        if ruling.reason == "no-kernel" and self.joins.around.hardware_compatibility and "none" not in self.joins.around.hardware_compatibility.lower():
            found.append(
                Suspect(
                    "hardware-compat",
                    "suggested",
                    f"hardware compatibility ({self.joins.around.hardware_compatibility}) narrows the choice of kernels",
                )
            )
        found = [*self.joins.suspicions.dense(layer, ruling, race), *found]
        return [s for s in found if s.reason != ruling.reason][:6]

    def _layouts(self, race: LayerRace | None) -> set[str]:
        if race is None or self.joins.races is None:
            return set()
        found: set[str] = set()
        for text in set(race.texts()):
            formats = self.joins.races.formats_of(text)
            for tensor in formats.inputs if formats is not None else ():
                found.update(tensor.layouts[:1])
        return found

    def _remedies(self, layer: EngineLayer, shape: GemmShape | None, ruling: Ruling, time: LayerTime | None, race: LayerRace | None) -> list[Remedy]:
        """What the user can do, with a gain only where the log measured one or the roofline bounds it."""
        # The bound is that of the tactic that runs; the closest or fastest dense one of the race may be of another combination.
        dense_ms = time.time_ms if time is not None else None
        if not self.joins.tuned_elsewhere:  # else the sizes of the layer info are not those at which the log's times were taken
            runs_ms = self._runs_ms(layer, ruling, race) if self.joins.around.gpu is not None else None
            dense_ms = next((known for known in (runs_ms, ruling.dense_ms, dense_ms) if known is not None), None)
        bound = bound_ms(layer, shape, dense_ms, self.joins.around.gpu)
        if bound is not None:
            self.bounds.append(bound)
        races, sums = self.joins.races, self.joins.arithmetic
        # Only a layer for which nothing sparse was timed is asked which layouts were tried; parsing them for all would take as long as all else.
        asked = race is not None and races is not None and ruling.reason not in _LAYOUTS_DO_NOT_MATTER
        formats = [f for text in set(race.texts()) if (f := races.formats_of(text)) is not None] if asked and race is not None and races is not None else None
        fixed_by = sums.fixed_by(layer) if sums is not None and ruling.reason == "io-format" else None
        wanted = sums.wanted.get(id(layer), ()) if sums is not None else ()
        facts = layer_facts(self.joins.facts, layer, shape, formats, fixed_by, wanted)
        return gains(ruling, REASONS.get(ruling.reason), facts, bound, sums.net_ms.get(id(layer)) if sums is not None else None)

    def _runs_ms(self, layer: EngineLayer, ruling: Ruling, race: LayerRace | None) -> float | None:
        """What the tactic that runs takes, by the log."""
        if self.joins.races is None:
            return None
        if in_region(layer):
            return _table_ms(race)
        return self.joins.races.running_ms(layer.name, ruling.inherited_from, layer.tactic_id)

def _table_ms(race: LayerRace | None) -> float | None:
    """What the selected tactic of a Myelin operation takes; of several tables any may be the one that runs, so the slowest counts."""
    times = [c.winner.time_ms for c in race.telling if c.winner is not None] if race is not None else []
    return max(times, default=None)
