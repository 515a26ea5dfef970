"""Causes that the inputs only suggest, beyond physics and kernels: another fusion, another type, clocks, shapes, a selector, a compiler option.

In: the races, the engine's layers, the build, the manifest. Out: `Suspect`s with the evidence in words. Next: fallbacks.py puts them into the verdict.
A suspect never changes a verdict or its proof. What holds for the whole build is looked up once, what is rare is looked at only where it shows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from ..parse.build_log.records import TIMED, Build
from ..parse.formats import first_input_type
from ..parse.layer_names import onnx_nodes_from_name, split_profile_suffix
from ..text import tactic_hex
from .layers import EngineLayer
from .model import Suspect
from .race_columns import distinct
from .race_records import SPARSE, Entry, LayerRace
from .races import Races
from .rules import Noise, Ruling

_SHAPE_KEY = "input build shape"
_SIZES = re.compile(r"(\d{1,9}(?:x\d{1,9})*)\+(\d{1,9}(?:x\d{1,9})*)\+(\d{1,9}(?:x\d{1,9})*)$")
# Reasons that a timing at another shape, or a choice that was not TensorRT's alone, could have brought about.
_BY_TIMING = frozenset({"slower", "tie", "format-cost", "io-format", "no-kernel", "unexplained", "heuristic-pruned", "timing-cache"})


class Suspicions:
    """The suspects of one build's layers."""

    def __init__(self, races: Races | None, layers: Sequence[EngineLayer], build: Build | None, manifest: Mapping[str, Any] | None, noise: Noise) -> None:
        self.races, self.noise = races, noise
        self._engine = {layer.name for layer in layers}
        self._fusions: dict[str, list[str]] | None = None
        options = (manifest or {}).get("options")
        said = options if isinstance(options, dict) else {}
        self._of_build = [s for s in (_opt_shape(build, said), _selector(build, said)) if s is not None]

    def dense(self, layer: EngineLayer, ruling: Ruling, race: LayerRace | None) -> Iterator[Suspect]:
        """Why an eligible layer may run dense, likeliest first."""
        if race is not None and self.races is not None:
            best = race.best_sparse()
            if best is None:
                yield from self._other_fusion(layer)
            else:
                yield from self._other_type(layer, race, best)
                yield from _must(race)
            if race.repeat_spread > self.noise.ratio:
                yield from self._clocks(race)
        if ruling.reason in _BY_TIMING:
            yield from self._of_build

    def sparse(self, layer: EngineLayer, race: LayerRace | None) -> Iterator[Suspect]:
        """Why a layer may run sparse although that need not be what is fastest."""
        if race is None:
            return
        yield from _must(race)
        for item in race.tables:
            if item.sparse is None or item.dense is None or item.sparse.tactic != layer.tactic_id:
                continue
            if item.sparse.time_ms > item.dense.time_ms * (1.0 + self.noise.band(item.dense.time_ms)):
                said = f"{item.sparse.time_ms:.4g} ms runs though the table at line {item.line:,} holds a faster dense one, {item.dense.time_ms:.4g} ms"
                yield Suspect("sparsity-must", "suggested", f"inside a Myelin region a sparse tactic of {said}")

    def _other_fusion(self, layer: EngineLayer) -> Iterator[Suspect]:
        """Sparse tactics were timed under another fused name that holds one of the layer's nodes and is no layer of the engine."""
        if self._fusions is None:
            self._fusions = self._raced_fusions()
        if not self._fusions:
            return
        names = [name for node in layer.onnx_nodes for name in self._fusions.get(node, ())]
        if names and self.races is not None:
            race = self.races.of(names[0])
            best = race.best_sparse() if race is not None else None
            if best is not None:
                where = f"{best.time_ms:.4g} ms at line {best.line:,}"
                yield Suspect("fusion-differs", "suggested", f"sparse tactics were timed for {names[0]}, which shares a node with this layer ({where}), and none for this one")

    def _raced_fusions(self) -> dict[str, list[str]]:
        """ONNX node → names with a sparse time under which it was tuned and which the engine does not have."""
        assert self.races is not None
        found: dict[str, list[str]] = defaultdict(list)
        held = self.races.best[SPARSE::3] >= 0
        columns = self.races.log.combinations
        for number in distinct(columns["layer"][np.flatnonzero(held[: len(columns)])])[0].tolist():
            name = self.races.log.layers.get(number)
            if name is None or name in self._engine or name not in self.races.by_layer:
                continue
            for node in onnx_nodes_from_name(split_profile_suffix(name)[0]):
                found[node].append(name)
        return found

    def _other_type(self, layer: EngineLayer, race: LayerRace, best: Entry) -> Iterator[Suspect]:
        """The best sparse time belongs to another type than the one that runs."""
        runs = layer.inputs[0].datatype if layer.inputs else None
        if runs is None:
            return
        won = [c.winner.time_ms for c in race.won_by(layer.tactic_id) if c.winner is not None] if layer.tactic_id is not None else []
        dense = race.best_dense()
        against = min(won) if won else dense.time_ms if dense is not None else None
        tried = self._type_of(race, best) if against is not None and best.time_ms < against else None
        if tried not in (None, runs):
            yield Suspect(
                "precision-choice", "suggested",
                f"the best sparse tactic takes {best.time_ms:.4g} ms in {tried} (line {best.line:,}), and the layer runs in {runs} ({against:.4g} ms)",
            )  # fmt: skip

    def _type_of(self, race: LayerRace, best: Entry) -> str | None:
        """The type of the first input in the combination that a tactic was timed in."""
        assert self.races is not None
        text = next((c.text for c in race.telling if c.sparse is not None and c.sparse.line == best.line), None)
        if text is None:
            # It did not decide, so nobody made its combination: the row says which it is.
            at = self.races.row_at(best.line)
            if at < 0:
                return None
            text = self.races.log.formats.get(self.races.log.combinations.arrays["text"][self.races.owner.item(at)]) or ""
        return first_input_type(text)

    def _clocks(self, race: LayerRace) -> Iterator[Suspect]:
        """One tactic timed twice by one runner in one combination, with times further apart than the usual noise: the widest such pair."""
        assert self.races is not None
        rows = self.races.log.tactics
        widest: tuple[float, int, tuple[float, int], tuple[float, int]] | None = None
        for number in self.races.by_layer.get(race.layer, ()):
            seen: dict[tuple[int, int], tuple[tuple[float, int], tuple[float, int]]] = {}
            for row in self.races.rows_of(number).tolist():
                time_ms = rows.time_ms.item(row)
                if rows.source.item(row) != TIMED or not time_ms > 0:
                    continue
                key, here = (rows.section.item(row), rows.tactic.item(row)), (time_ms, rows.line.item(row))
                low, high = seen.get(key, (here, here))
                low, high = seen[key] = min(low, here), max(high, here)
                spread = high[0] / low[0] - 1.0
                if spread > self.noise.band(low[0]) and (widest is None or spread > widest[0]):
                    widest = spread, key[1], min(low, high, key=itemgetter(1)), max(low, high, key=itemgetter(1))
        if widest is not None:
            spread, tactic, one, two = widest
            yield Suspect(
                "clocks", "suggested",
                f"tactic {tactic_hex(tactic)} was timed twice: {one[0]:.4g} ms (line {one[1]:,}) and {two[0]:.4g} ms (line {two[1]:,}), {spread:.0%} apart",
            )  # fmt: skip


def _must(race: LayerRace) -> Iterator[Suspect]:
    """A Myelin operation whose table holds sparse tactics alone."""
    alone = next((c for c in race.tables if c.sparse is not None and c.dense is None and not c.unnamed_count), None)
    if alone is not None:
        held = f"{alone.times} sparse tactics and no dense one" if alone.times != 1 else "one tactic, a sparse one"
        yield Suspect("sparsity-must", "suggested", f"the table at line {alone.line:,} holds {held}")


def _opt_shape(build: Build | None, options: Mapping[str, Any]) -> Suspect | None:
    """Whether some input is dynamic and tuned at its smallest shape, or at batch 1 of more."""
    for profile, name, low, best, high, where in _shapes(build, options):
        if low == high or not (best == low or (best[0] == 1 < high[0])):
            continue
        text = "x".join(map(str, best))
        what = "its smallest shape" if best == low else "batch 1"
        return Suspect("opt-shape", "suggested", f"{profile}: {name} was tuned at {text} ({what}; up to {'x'.join(map(str, high))}){where}")
    return None


def tuned_elsewhere(build: Build | None, manifest: Mapping[str, Any] | None, layers: Sequence[EngineLayer]) -> bool:
    """Whether an input of the network has another shape in the layer info than the one that the log's times were taken at (kOPT)."""
    options = (manifest or {}).get("options")
    tuned: dict[str, set[_Shape]] = defaultdict(set)
    for _, name, low, best, high, _ in _shapes(build, options if isinstance(options, dict) else {}):
        if low != high:
            tuned[name].add(best)
    if not tuned:
        return False
    return any(
        tensor.name in tuned and tensor.dimensions and min(tensor.dimensions) > 0 and tuple(tensor.dimensions) not in tuned[tensor.name]
        for layer in layers for tensor in layer.inputs
    )  # fmt: skip


_Shape = tuple[int, ...]


def _shapes(build: Build | None, options: Mapping[str, Any]) -> Iterator[tuple[str, str, _Shape, _Shape, _Shape, str]]:
    """(profile, input, minimum, optimum, maximum, where it is said) from trtexec's option block, else from the manifest."""
    told = False
    for key, (value, line) in (build.facts if build is not None else {}).items():
        name, _, sizes = value.rpartition("=")
        match = _SIZES.search(sizes) if key.startswith(_SHAPE_KEY) else None
        if match is not None and name:
            low, best, high = (tuple(int(size) for size in group.split("x")) for group in match.groups())
            told = True
            yield key[len(_SHAPE_KEY) :].partition(")")[0].strip(" (") or "profile 0", name, low, best, high, f", line {line.line:,}"
    profiles = options.get("profiles")
    for number, profile in enumerate(profiles if isinstance(profiles, list) and not told else ()):
        inputs = profile.get("inputs") if isinstance(profile, dict) else None
        for item in inputs if isinstance(inputs, list) else ():
            given = [item.get(key) for key in ("minimum", "optimum", "maximum")] if isinstance(item, dict) else []
            shapes = [tuple(one) for one in given if isinstance(one, list) and one and all(isinstance(size, int) for size in one)]
            if len(shapes) == 3:
                low, best, high = shapes
                yield f"profile {number}", str(item.get("name")), low, best, high, " (manifest)"


def _selector(build: Build | None, options: Mapping[str, Any]) -> Suspect | None:
    """Whether an algorithm selector or an editable cache that was given had a hand in the choice."""
    for line in build.notable.get("selector", ()) if build is not None else ():
        return Suspect("algorithm-selector", "suggested", f"an algorithm selector was set (line {line.line:,}): it filters the tactics that compete")
    if options.get("editable_cache") is True and options.get("timing_cache"):
        return Suspect("algorithm-selector", "suggested", f"an editable timing cache was given ({options['timing_cache']}): an entry edited in it fixes a tactic")
    return None
