"""Layers without a race of their own: TensorRT times equal layers once, and 8.x says nothing about the others.

In: the races, the engine's layers, the log's network. Out: the `Ruling` of the one layer whose race was reused, at most `suggested`. Next: fallbacks.py.
Equal means: same tactic in the engine, same operators, kernel, strides, dilations and groups, same shapes and types, and, where the log lists the
silent layer's combinations, the same combinations. With no candidate or several nothing is inherited.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from ..parse.build_log.records import Build
from .layers import EngineLayer, concern
from .races import LayerRace, Races
from .reformats import Arithmetic
from .rules import Circumstances, Ruling, decide

_Signature = tuple[object, ...]


class TwinFinder:
    """Finds the raced layer that an unraced one equals."""

    def __init__(self, races: Races, layers: list[EngineLayer], build: Build) -> None:
        self.races = races
        self._kernel_text = {node.name: node.kernel for node in build.network if node.kernel}
        self._by_tactic: dict[int, list[EngineLayer]] = defaultdict(list)
        for layer in layers:
            if layer.tactic_id is not None:
                self._by_tactic[layer.tactic_id].append(layer)
        self._index: dict[int, dict[_Signature, list[EngineLayer]]] = {}

    def _signature(self, layer: EngineLayer) -> _Signature | None:
        """What must be equal beside the tactic; None where the inputs do not say enough to call two layers equal."""
        kernels = tuple(self._kernel_text[node] for node in layer.onnx_nodes if node in self._kernel_text)
        # Both of them where both are known: dialects leave out one key or another.
        printed = (layer.kernel, layer.stride, layer.dilation, layer.padding, layer.groups, layer.out_maps, layer.weights_count) if layer.kernel is not None else None
        parameters = (printed, kernels, layer.operators) if printed is not None or kernels else None
        if parameters is None or not layer.inputs or not layer.outputs:
            return None
        shapes = tuple((t.dimensions, t.datatype, t.text) for t in (*layer.inputs, *layer.outputs))
        return (layer.type, parameters, len(layer.onnx_nodes), shapes)

    def _raced(self, tactic: int) -> dict[_Signature, list[EngineLayer]]:
        """The layers with weights that run a tactic and were timed under their own names, by signature."""
        found = self._index.get(tactic)
        if found is None:
            found = self._index[tactic] = defaultdict(list)
            for layer in self._by_tactic.get(tactic, ()):
                if concern(layer) == "weights" and self.races.is_raced(layer.name) and (key := self._signature(layer)) is not None:
                    found[key].append(layer)
        return found

    def inherit(self, layer: EngineLayer, around: Circumstances, arithmetic: Arithmetic | None) -> Ruling | None:
        """The ruling of the one equal layer that was timed, as `suggested`."""
        key = self._signature(layer)
        if key is None or layer.tactic_id is None:
            return None
        candidates = [other for other in self._raced(layer.tactic_id).get(key, ()) if other.name != layer.name]
        candidates = [other for other in candidates if self._same_combinations(layer, other)]
        if len(candidates) != 1:
            return None
        twin = candidates[0]
        race = self.races.of(twin.name)
        assert isinstance(race, LayerRace)
        ruling = decide(twin, race, around, arithmetic.decide_for(twin) if arithmetic is not None else None)
        proof = "suggested" if ruling.proof == "proven" else ruling.proof
        return replace(ruling, proof=proof, inherited_from=twin.name, summary=f"as for its equal {twin.name}: {ruling.summary}")

    def _same_combinations(self, layer: EngineLayer, other: EngineLayer) -> bool:
        mine, theirs = self.races.of(layer.name), self.races.of(other.name)
        if mine is None or theirs is None:
            return True
        return list(mine.texts()) == list(theirs.texts())
