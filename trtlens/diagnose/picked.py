"""A layer that runs sparse: who says so, and whether a dense tactic was timed faster where it was chosen.

In: `Joins`. Out: `Picked`, which makes the `LayerVerdict` of such a layer. Next: layer_verdicts.py, which asks for it.
"""

from __future__ import annotations

from .eligibility import Judgement
from .joins import Joins
from .layers import EngineLayer, LayerTime
from .model import Evidence, LayerVerdict, Proof, weaker
from .physics import gains, layer_facts
from .race_records import Combination
from .races import LayerRace
from .reasons import REASONS
from .rules import Ruling
from .shapes import gemm_shape
from .verdict_record import Compared, compared, layer_verdict


class Picked:
    """Makes the verdicts of layers that run sparse."""

    def __init__(self, joins: Joins) -> None:
        self.joins = joins

    def verdict(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None, how: str) -> LayerVerdict:
        """`how`: what says that it runs sparse: the kernel's `name` (of another log: `names`), or the log's `list` of chosen layers."""
        joins = self.joins
        evidence = joins.tactic_evidence(layer)
        race = joins.race_of(layer)
        suspects = joins.suspicions.sparse(layer, race)
        if how == "list":
            named = f"another log names its kernel {layer.tactic_name}" if layer.named_by == "names" else "no input holds the kernel's name"
            summary = f"the log's list of chosen layers names it; {named}"
            evidence = (*evidence, *self._listed(layer))
            return layer_verdict(layer, "sparse", "picked", "suggested", summary, judgement, time, evidence=evidence, suspects=suspects)
        proof: Proof = "suggested" if how == "names" or self._loosely_named(layer) else "proven"
        same = race.won_by(layer.tactic_id) if race is not None else []
        evidence = (*evidence, *self._naming(layer, same))
        slower = race is not None and next(((item, margin) for item in same if (margin := self._slower_by(item, race)) is not None), None)
        if race is None or not slower:
            best = _best_of(race) if race is not None else None
            by = " (named by another log of this TensorRT and GPU)" if how == "names" else ""
            summary = f"a sparse tactic runs: {layer.tactic_name}{by}"
            return layer_verdict(layer, "sparse", "picked", proof, summary, judgement, time, evidence=evidence, best=best, suspects=suspects)
        item, margin = slower
        dense, winner = item.dense, item.winner
        assert dense is not None and winner is not None
        # Unnamed tactics, or two combinations with this winner: another time may be the one that counts.
        if len(same) > 1 or any(c.unnamed_count for c in race.telling) or not self._trusts(layer, race, item):
            proof = weaker(proof, "suggested")
        for entry in (winner, dense):
            joins.citer.tactic(entry.line, entry.offset, entry.kernel)
        facts = layer_facts(joins.facts, layer, gemm_shape(layer), None, None)
        saves_ms = winner.time_ms - dense.time_ms if len(same) == 1 else None
        return layer_verdict(
            layer, "sparse", "picked-but-slower", proof,
            f"a sparse tactic runs ({winner.time_ms:.4g} ms), though a dense one was timed at {dense.time_ms:.4g} ms in the same combination",
            judgement, time, evidence=(*evidence, *(joins.citer.place(entry.line, entry.offset) for entry in (winner, dense))),
            best=compared(dense, winner, dense.time_ms, winner.time_ms, margin), suspects=suspects,
            remedies=gains(Ruling("picked-but-slower", proof, ""), REASONS["picked-but-slower"], facts, None, saves_ms),
        )  # fmt: skip

    def _listed(self, layer: EngineLayer) -> list[Evidence]:
        """The line of the log's list that names the layer."""
        listing = self.joins.listing
        if listing is None or listing.picked is None:
            return []
        line = listing.picked.get(layer.name) or listing.foreign_picked.get(layer.name) or next(iter(listing.picked.values()), None)
        return [self.joins.citer.line(line)] if line is not None else []

    def _loosely_named(self, layer: EngineLayer) -> bool:
        """Whether the kernel's name is of a log whose lines may speak of another engine or another layer."""
        listing = self.joins.listing
        return layer.named_by == "log" and (listing is None or not listing.chosen.certain or layer.name in self.joins.namesakes)

    def _naming(self, layer: EngineLayer, same: list[Combination]) -> list[Evidence]:
        """The line that names the kernel of the tactic that runs; none where it is cited with what runs."""
        joins = self.joins
        if layer.name in joins.naming or layer.named_by != "log" or layer.tactic_id is None or layer.tactic_name is None or joins.races is None:
            return []
        place = joins.races.kernels.line(layer.tactic_id, layer.tactic_name, same)
        if place is None:
            return []
        joins.citer.tactic(*place, layer.tactic_name)
        return [joins.citer.place(*place)]

    def _slower_by(self, item: Combination, race: LayerRace) -> float | None:
        """By which share the sparse winner of a combination took longer than the fastest dense tactic; None within the noise."""
        if item.sparse is None or item.dense is None or item.winner is None or item.dense.time_ms <= 0:
            return None
        margin = item.winner.time_ms / item.dense.time_ms - 1.0
        return margin if margin > self.joins.options.noise.band(item.dense.time_ms, race.repeat_spread) else None

    def _trusts(self, layer: EngineLayer, race: LayerRace, item: Combination) -> bool:
        """Whether the log's race is certainly that of the layer as it runs."""
        around = self.joins.circumstances
        return around.trusted and layer.name not in self.joins.namesakes and not race.doubts and not race.foreign and around.fits(layer, item) is not False


def _best_of(race: LayerRace) -> Compared:
    """The fastest dense and sparse tactic of a race."""
    dense, sparse = race.best_dense(), race.best_sparse()
    margin = sparse.time_ms / dense.time_ms - 1.0 if dense and sparse and dense.time_ms > 0 else None
    return compared(dense, sparse, dense.time_ms if dense else None, sparse.time_ms if sparse else None, margin)
