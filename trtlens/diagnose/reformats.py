"""The reformat arithmetic: what it would cost to run one layer in the format where sparse is faster, the other layers keeping theirs.

In: the races, the engine's layers, the log's reformat costs. Out: a `Ruling` (`format-cost`, `io-format`, `tie`, `unexplained`). Next: rules.py.
It shows that this layer alone cannot be switched with profit; that a neighbour's switch at the same time would pay is not looked at.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..parse.build_log.records import NO_TACTIC, TIMED, Build
from ..parse.formats import TensorFormat, parse_format, parse_reformat, same_memory_layout, types_and_lanes
from ..parse.layer_names import split_profile_suffix
from .layers import EngineLayer
from .model import Proof
from .race_records import Combination, LayerRace
from .races import Races
from .rules import Cite, Noise, Ruling, running_combinations, stability

_ADDED = re.compile(
    r"Adding reformat layer: Reformatted (?P<side>Input|Output) Tensor (?P<index>\d{1,9}) to (?P<layer>.*) \((?P<tensor>[^()]*(?:\([^()]*\)[^()]*)*)\) from (?P<a>.*) to (?P<b>.*)$"
)
_OUTPUT_COPY = re.compile(r"Reformatting CopyNode for Output Tensor \d")
_COPIES_IN_A_ROW = 4  # TensorRT puts one behind an output and one before an input; a longer row is damage, or a ring
_BEHIND = 3  # lines: what begins the next reformat, where that is what is damaged
_OPTIMIZER = re.compile(r"Optimizer Reformat\((?P<a>.*) -> (?P<b>.*)\)$")


@dataclass(frozen=True, slots=True)
class Cost:
    """The fastest time measured for one reformat, and its line."""

    time_ms: float
    cite: Cite | None


@dataclass(slots=True)
class _Sum:
    """Δ of one combination, term by term. `fixed_ms`: the part that falls on tensors whose format is fixed from outside."""

    combination: Combination
    current_ms: float
    delta_ms: float
    added_ms: float = 0.0
    removed_ms: float = 0.0
    fixed_ms: float = 0.0
    missing: list[str] = field(default_factory=list)
    cites: list[Cite] = field(default_factory=list)
    added_despite: int = 0
    """How many of the `missing` are so for what would be removed alone: what would be added was measured."""
    removed_despite: int = 0
    wanted: dict[str, TensorFormat] = field(default_factory=dict)
    """Tensor whose format is fixed from outside and that the switch would have copied → the format that the combination takes or gives."""
    lost: int | None = None
    """Where lines of a reformat in the sum seem to be lost: the line of its formats."""

    @property
    def most_ms(self) -> float | None:
        """What Δ is at most: what would be removed can only lower it, so its gaps do not matter; None where what would be added is not all known."""
        if len(self.missing) > self.added_despite:
            return None
        assert self.combination.sparse is not None
        return self.combination.sparse.time_ms - self.current_ms + self.added_ms - self.removed_ms

    def words(self) -> str:
        """`reformats +0.03 −0 ms, in sum -0.02 ms`; what was not measured is no 0 but a `?`, and then there is no sum."""
        added = _side(self.added_ms, len(self.missing) > self.added_despite)
        removed = _side(self.removed_ms, len(self.missing) > self.removed_despite)
        return f"reformats +{added} −{removed} ms" + ("" if self.missing else f", in sum {self.delta_ms:+.4g} ms")


def _side(measured_ms: float, more: bool) -> str:
    if not more:
        return f"{measured_ms:.4g}"
    return f"({measured_ms:.4g} + ?)" if measured_ms > 0 else "?"


def _is_copy(layer: EngineLayer) -> bool:
    """Whether a layer copies one tensor. A concatenation or a split in place is a NoOp, too: it takes tensors of other layers as any layer does."""
    return layer.is_reformat and len(layer.inputs) == 1 and len(layer.outputs) == 1


class Arithmetic:
    """The plan of one engine: which tensor stands in which format between which layers, and what each reformat costs."""

    def __init__(
        self, races: Races, layers: list[EngineLayer], build: Build, noise: Noise, bindings: frozenset[str] | None = None
    ) -> None:
        """`bindings`: the network's inputs and outputs where an input lists them, else None."""
        self.races, self.layers, self.build, self.noise, self.bindings = races, layers, build, noise, bindings
        self._ready = False
        self.net_ms: dict[int, float] = {}
        """By the id() of a layer: what its remedies would gain, where that is another sum than sparse against dense."""
        self.wanted: dict[int, tuple[str, ...]] = {}
        """By the id() of a layer: in which layout the sparse combination has the tensors whose format is fixed from outside, `x in HWC8`."""
        self.lanes_printed = any(t.lanes for layer in layers if layer.engine_line for t in (*layer.engine_line.inputs, *layer.engine_line.outputs))

    # ---- the plan, made when the first layer asks for it

    def _prepare(self) -> None:
        if self._ready:
            return
        self._ready = True
        self.class_of: dict[str, str] = {}
        for layer in self.layers:
            if _is_copy(layer):
                self._join(layer.inputs[0].name, layer.outputs[0].name)
        self.producer: dict[str, tuple[EngineLayer, int]] = {}
        self.shared: set[str] = set()
        """Tensors that several layers write parts of (a concatenation optimised away): none of them can change its format alone."""
        self.consumers: dict[str, list[tuple[EngineLayer, int]]] = defaultdict(list)
        self.dimensions: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            for tensor in (*layer.inputs, *layer.outputs):
                if tensor.dimensions:
                    self.dimensions.setdefault(self._class(tensor.name), tensor.dimensions)
            if _is_copy(layer):
                continue
            for index, tensor in enumerate(layer.outputs):
                name = self._class(tensor.name)
                if name in self.producer:
                    self.shared.add(name)
                self.producer[name] = (layer, index)
            for index, tensor in enumerate(layer.inputs):
                self.consumers[self._class(tensor.name)].append((layer, index))
        self.running: dict[int, Combination | None] = {}
        self.bound = None if self.bindings is None else {split_profile_suffix(self._class(name))[0] for name in self.bindings}
        self.readers = Counter(tensor.name for layer in self.layers for tensor in layer.inputs)
        self.copied = {layer.outputs[0].name: layer for layer in self.layers if _is_copy(layer)}
        self.concrete: dict[str, TensorFormat] = {}
        self.added = self._added_lines()
        self.lost: dict[str, int] = {}
        """Tensor → the line of a reformat of it of which the log lost lines: cheaper times may have stood there."""
        self.costs = self._costs()
        self.damage = self._damage()

    def _class(self, name: str) -> str:
        while (parent := self.class_of.get(name, name)) != name:
            name = parent
        return name

    def _join(self, first: str, second: str) -> None:
        a, b = self._class(first), self._class(second)
        # The tensor's own name stays the class's name.
        child, parent = (a, b) if a.startswith("Reformatted ") else (b, a)
        self.class_of[child] = parent

    def _added_lines(self) -> dict[tuple[str, str, int], tuple[str, str]]:
        found: dict[tuple[str, str, int], tuple[str, str]] = {}
        number = self.races.pass_index
        mine = next((p for p in self.build.passes if p.index == number), None) if len(self.build.passes) > 1 else None
        for line in self.build.reformat_layers:
            if mine is not None and not mine.first_line <= line.line <= mine.last_line:
                continue  # a pass that was dropped made other copies of the same tensors
            match = _ADDED.match(line.text)
            if match:
                found[(match["layer"], match["side"], int(match["index"]))] = (match["a"], match["b"])
                own = f"Reformatted {match['side']} Tensor {match['index']} to {match['layer']}"
                first, second = parse_format(match["a"]), parse_format(match["b"])
                for name, form in (
                    ((match["tensor"], first), (own, second)) if match["side"] == "Input" else ((own, first), (match["tensor"], second))
                ):
                    if form is not None:
                        self.concrete[name] = form
        return found

    def _costs(self) -> dict[tuple[str, str], Cost]:
        """(tensor, "A -> B") → the fastest time measured for that reformat in the pass."""
        log = self.races.log
        c = log.combinations.arrays
        best: dict[tuple[str, str], Cost] = {}
        owners: dict[int, list[int]] = defaultdict(list)
        for section, combination in enumerate(log.sections.arrays["combination"]):
            owners[combination].append(section)
        for number in range(len(log.combinations)):
            if (
                not c["is_reformat"][number]
                or c["build"][number] != self.build.index
                or (self.races.pass_index is not None and c["pass_index"][number] != self.races.pass_index)
            ):
                continue
            text = (log.formats.get(c["text"][number]) or "").strip()
            names = self._tensors(number, owners)
            if self._lost_lines(number, owners.get(number, [])):
                self.lost.update((name, c["line"][number]) for name in names)
            rows = self.races.rows_of(number)
            rows = rows[(log.tactics.source[rows] == TIMED) & ~np.isnan(log.tactics.time_ms[rows])]
            if len(rows):
                row = int(rows[np.argmin(log.tactics.time_ms[rows])])
                cost = Cost(float(log.tactics.time_ms[row]), (int(log.tactics.line[row]), int(log.tactics.offset[row])))
            elif c["cached"][number] and c["winner_time"][number] == c["winner_time"][number]:
                cost = Cost(float(c["winner_time"][number]), (c["line"][number], c["offset"][number]))
            else:
                continue
            for name in names:
                key = (name, text)
                if key not in best or cost.time_ms < best[key].time_ms:
                    best[key] = cost
        return best

    def _lost_lines(self, number: int, sections: list[int]) -> bool:
        """Whether what was fastest or chosen has no time, a runner no fastest, or one runner was tried twice: the signs that race_gaps.py knows, of a reformat."""
        c, s = self.races.log.combinations.arrays, self.races.log.sections.arrays
        if c["cached"][number]:
            return False
        if c["winner_line"][number] and self.races.winning.item(number) < 0:
            return True
        if any(self.races.unended[one] or (s["fastest_line"][one] and s["fastest"][one] != NO_TACTIC and not self.races.fastest_seen[one]) for one in sections):
            return True
        return len({s["runner"][one] for one in sections}) < len(sections)

    def _damage(self) -> int | None:
        """The first damaged line among the timings of this pass's reformats: nobody knows of which tensor it told, or how cheap a copy."""
        log = self.races.log
        damaged = sorted(line.line for line in (*log.damaged_lines, *log.unknown_samples))
        if not damaged:
            return None
        c = log.combinations
        order = np.argsort(c["line"], kind="stable")
        begins, ends = c["line"][order], np.maximum(c["winner_line"], self.races.last_row_lines())[order]
        mine = (c["is_reformat"] != 0) & (c["build"] == self.build.index)
        if self.races.pass_index is not None:
            mine &= c["pass_index"] == self.races.pass_index
        mine = mine[order]
        for line in damaged:
            at = int(np.searchsorted(begins, line, side="right")) - 1
            follows = at + 1 < len(begins)
            if at >= 0 and mine[at] and (follows or line <= ends[at] + _BEHIND):
                return line
            if follows and mine[at + 1] and (at < 0 or line > ends[at]):
                return line  # behind one layer's race, before a reformat: it may have begun that
        return None

    def _tensors(self, number: int, owners: dict[int, list[int]]) -> set[str]:
        log = self.races.log
        names: set[str] = set()
        candidates = [log.layers.get(log.sections.arrays["layer"][s]) for s in owners.get(number, ())]
        candidates.append(log.layers.get(log.combinations.arrays["layer"][number]))
        for name in candidates:
            match = _OPTIMIZER.match(name or "")
            if match:
                names.update(part for part in (match["a"], match["b"]) if part not in ("<in>", "<out>"))
        return {self._class(name) for name in names}

    def _runs(self, layer: EngineLayer) -> Combination | None:
        """The one combination that a layer runs in; None where the log does not decide."""
        key = id(layer)  # two layers may share a name
        if key not in self.running:
            race = self.races.of(layer.name)
            found = running_combinations(layer, race, lambda c: self.fits(layer, c)) if race is not None else []
            # A combination of which the log does not say what was chosen may be the one that runs.
            sure = len(found) == 1 and race is not None and not race.doubts
            if sure and race is not None and not race.plain:
                sure = not any(c.winner is None and not c.no_valid and self.fits(layer, c) for c in race.combinations)
            self.running[key] = found[0] if sure else None
        return self.running[key]

    def fits(self, layer: EngineLayer, combination: Combination) -> bool:
        """Whether nothing that the inputs say of the engine's layer contradicts a combination's types, lanes and layouts."""
        sides = types_and_lanes(combination.text)
        if sides is None or len(sides[0]) != len(layer.inputs) or len(sides[1]) != len(layer.outputs):
            return True
        tensors, forms = (*layer.inputs, *layer.outputs), (*sides[0], *sides[1])
        for tensor, (datatype, _) in zip(tensors, forms, strict=True):
            if tensor.datatype is not None and tensor.datatype != datatype:
                return False
        if any(tensor.layout is not None for tensor in tensors):
            # Layouts need the strides, in their order.
            formats = self.races.formats(combination)
            assert formats is not None
            for tensor, form in zip(tensors, (*formats.inputs, *formats.outputs), strict=True):
                layout = form.layout(tensor.dimensions) if tensor.layout is not None else None
                if layout is not None and layout != tensor.layout:
                    return False
        if layer.engine_line is not None:
            for logged, (_, lanes) in zip((*layer.engine_line.inputs, *layer.engine_line.outputs), forms, strict=False):
                if logged.lanes is not None and logged.lanes != lanes:
                    return False
                # TensorRT 8.5 and later print the lanes; a log that prints any means "none" where it prints none.
                if logged.lanes is None and lanes is not None and self.lanes_printed:
                    return False
        return True

    # ---- one layer

    def decide_for(self, layer: EngineLayer) -> Callable[[LayerRace, Combination | None], Ruling | None]:
        """The function that rules.py calls under rule 4 for this layer."""

        def decide(race: LayerRace, running: Combination | None) -> Ruling | None:
            ruling = self._decide(layer, race, running)
            if ruling is not None and ruling.proof == "proven" and self.bindings is None and (self._feeds_others(layer) or self._reads_output_copy(layer)):
                # Without the list of network outputs a tensor that layers take may leave the network, too, in a format of its own.
                ruling.proof = "suggested"
            return ruling

        return decide

    def fixed_by(self, layer: EngineLayer) -> frozenset[str]:
        """`network` and `plugin`: what fixes the format of a tensor of this layer from outside, or could."""
        self._prepare()
        found: set[str] = set()
        for tensor in layer.inputs:
            maker = self.producer.get(self._class(tensor.name))
            if maker is None or (maker[0].type or "").startswith("Plugin"):
                found.add("network" if maker is None else "plugin")
        for tensor in layer.outputs:
            name = self._class(tensor.name)
            takers = self.consumers.get(name, [])
            if not takers or self._is_bound(name):
                found.add("network")
            if any((taker.type or "").startswith("Plugin") for taker, _ in takers):
                found.add("plugin")
        return frozenset(found)

    def _feeds_others(self, layer: EngineLayer) -> bool:
        """Whether another layer takes one of the layer's outputs."""
        return any(self.consumers.get(self._class(tensor.name)) for tensor in layer.outputs)

    def _reads_output_copy(self, layer: EngineLayer) -> bool:
        """Whether a tensor comes to the layer through the copy of another layer's output."""
        copies = (self.copied.get(tensor.name) for tensor in layer.inputs)
        return any(copy is not None and _OUTPUT_COPY.match(copy.name) for copy in copies)

    def _decide(self, layer: EngineLayer, race: LayerRace, running: Combination | None) -> Ruling | None:
        self._prepare()
        if running is None or running.winner is None:
            return None
        current = running.winner.time_ms
        sums = [self._sum(layer, running, c) for c in race.sparse_below(current)]
        if not sums:
            return None
        band_ms = self.noise.band(current, race.repeat_spread) * current
        worst = min(sums, key=lambda s: s.delta_ms)
        steady = stability(worst.delta_ms, band_ms)
        text = self._words(worst, running)
        cites = self._cites(worst, running)
        if any(s.missing for s in sums):
            gap = next(s.missing[0] for s in sums if s.missing)
            bounded = [s for s in sums if s.most_ms is not None]
            least = min(bounded, key=lambda s: s.most_ms or 0.0) if bounded else None  # the sum that shows it, not one with a gap that matters
            if least is not None and least.most_ms is not None and least.most_ms < -band_ms:
                text, cites = self._words(least, running), self._cites(least, running)
                self.net_ms[id(layer)] = -least.most_ms
                return Ruling(
                    "unexplained", "unknown", f"{text}: switching this layer alone would have paid, as far as the log shows", stability=stability(least.most_ms, band_ms), cites=cites
                )
            return Ruling("format-cost", "suggested", f"{text}; whether they cost more than it saves is open, as not all was measured ({gap})", cites=cites)
        if worst.delta_ms < -band_ms:
            self.net_ms[id(layer)] = -worst.delta_ms
            return Ruling(
                "unexplained", "unknown", f"{text}: switching this layer alone would have paid, as far as the log shows", stability=steady, cites=cites
            )
        doubt = self._doubt(sums)
        proof: Proof = "suggested" if doubt else "proven"
        but = f"; not proven, as {doubt}" if doubt else ""
        if worst.delta_ms <= band_ms:
            return Ruling("tie", proof, f"{text}: nothing is gained or lost beyond the noise{but}", stability="coin-toss", cites=cites)
        # A loss without those copies, too, is one in every switch: a single switch that would pay is what the fixed formats stand against.
        outside = max(sums, key=lambda s: s.fixed_ms - s.delta_ms)
        if outside.delta_ms - outside.fixed_ms <= 0:
            net_ms = outside.fixed_ms - outside.delta_ms  # the other reformats stay
            if net_ms > band_ms:
                self.net_ms[id(layer)] = net_ms
            layouts = ((name, form.layout(self.dimensions.get(name))) for name, form in outside.wanted.items())
            self.wanted[id(layer)] = tuple(f"{name} in {layout}" for name, layout in layouts if layout is not None)
            return Ruling(
                "io-format",
                proof,
                f"{self._words(outside, running)}; without the reformats of tensors whose format is fixed from outside sparse would win{but}",
                stability=steady,
                cites=self._cites(outside, running),
            )
        return Ruling("format-cost", proof, f"{text}: this layer alone cannot be switched with profit{but}", stability=steady, cites=cites)

    def _doubt(self, sums: list[_Sum]) -> str | None:
        """Why sums of measured reformats prove nothing: a cheaper time may have stood in a damaged or a lost line."""
        if not any(s.cites for s in sums):
            return None
        if self.damage is not None:
            return f"line {self.damage:,} among the timings of reformats is damaged"
        lost = next((s.lost for s in sums if s.lost is not None), None)
        return f"lines of the reformat at line {lost:,} seem to be lost" if lost is not None else None

    def _sum(self, layer: EngineLayer, running: Combination, other: Combination) -> _Sum:
        assert other.sparse is not None and running.winner is not None
        total = _Sum(other, running.winner.time_ms, other.sparse.time_ms - running.winner.time_ms)
        now, then = self.races.formats(running), self.races.formats(other)
        if (
            now is None
            or then is None
            or not len(now.inputs) == len(then.inputs) == len(layer.inputs)
            or not len(now.outputs) == len(then.outputs) == len(layer.outputs)
        ):
            total.missing.append("the tensors of the layer and of its format combinations are not the same in number")
            return total
        for index, tensor in enumerate(layer.inputs):
            name = self._class(tensor.name)
            if name in self.shared:
                total.missing.append(f"{name} is written by several layers")
                continue
            source, fixed = self._source(layer, index, name, now.inputs[index])
            self._change(total, name, (source, now.inputs[index]), (source, then.inputs[index]), fixed)
        for index, tensor in enumerate(layer.outputs):
            name = self._class(tensor.name)
            if name in self.shared:
                total.missing.append(f"{name} is written by several layers")
                continue
            for target, fixed in self._targets(layer, index, name, now.outputs[index]):
                self._change(total, name, (now.outputs[index], target), (then.outputs[index], target), fixed)
        return total

    def _is_bound(self, name: str) -> bool | None:
        """Whether a tensor is a network input or output (of any optimization profile); None where the inputs do not list those."""
        return None if self.bound is None else split_profile_suffix(name)[0] in self.bound

    def _source(self, layer: EngineLayer, index: int, name: str, now: TensorFormat) -> tuple[TensorFormat | None, bool]:
        """The format in which a tensor is made, and whether it is fixed from outside (a network input or a plugin's output).

        A tensor that reaches the layer without a reformat is made in the very format in which the layer takes it.
        """
        maker = self.producer.get(name)
        # Without a layer that makes it, it is the network's own, unless the inputs list the network's tensors and it is none of them.
        fixed = self._is_bound(name) is not False if maker is None else (maker[0].type or "").startswith("Plugin")
        copy = self.copied.get(layer.inputs[index].name)
        if copy is None:
            return now, fixed
        before = self.copied.get(copy.inputs[0].name) if copy.inputs else None
        if self.readers[layer.inputs[index].name] > 1 or (_OUTPUT_COPY.match(copy.name) and self._is_bound(name)) or (before is not None and _OUTPUT_COPY.match(before.name)):
            return None, fixed  # others read that copy, too, or it copies a copy: from which of the tensors the layer would be served is open
        found = self.concrete.get(copy.inputs[0].name) if copy.inputs else None
        if found is None and maker is not None:
            combination = self._runs(maker[0])
            formats = self.races.formats(combination) if combination is not None else None
            found = formats.outputs[maker[1]] if formats is not None and maker[1] < len(formats.outputs) else None
        return found, fixed

    def _targets(self, layer: EngineLayer, index: int, name: str, now: TensorFormat) -> list[tuple[TensorFormat | None, bool]]:
        """The formats in which a tensor is wanted: by each consumer, or as a network output."""
        own = layer.outputs[index].name
        takers = self.consumers.get(name, [])
        added = self.added.get((layer.name, "Output", index))
        found: list[tuple[TensorFormat | None, bool]] = []
        # A network output may be consumed as well: then it wants its own copy beside those of the consumers.
        if not takers or added is not None or self._is_bound(name):
            # What nobody takes and no input lists among the network's outputs may need no copy, or be a part of a tensor with another name.
            ends = not takers and self._is_bound(name) is not False
            target = parse_format(added[1]) if added is not None else now if ends or self._is_bound(own) else None
            found.append((target, self._is_bound(name) is not False))
        through = added is not None
        for taker, place in takers:
            taken = taker.inputs[place].name
            copy = self._output_copy(taken, own)
            if copy is not None:
                # One copy of the output serves all that take it, whatever copies of their own stand behind it.
                if not through:
                    found.append((self.concrete.get(copy), self._is_bound(name) is not False))
                through = True
                continue
            form = now if taken == own else self.concrete.get(taken)
            if self._shared_copy(taken, own):
                form = None  # it counts once, and one sum for each of its readers would count it as often as it has readers
            elif form is None:
                combination = self._runs(taker)
                formats = self.races.formats(combination) if combination is not None else None
                form = formats.inputs[place] if formats is not None and place < len(formats.inputs) else None
            found.append((form, (taker.type or "").startswith("Plugin")))
        return found

    def _output_copy(self, taken: str, own: str) -> str | None:
        """The output's own copy through which a tensor comes from `own`; None where it comes without one."""
        for _ in range(_COPIES_IN_A_ROW):
            copy = self.copied.get(taken)
            if copy is None or len(copy.inputs) != 1:
                return None
            if copy.inputs[0].name == own and _OUTPUT_COPY.match(copy.name):
                return taken
            taken = copy.inputs[0].name
        return None

    def _shared_copy(self, taken: str, own: str) -> bool:
        """Whether `taken` comes from `own` through a copy that others read, too: a cast or a quantisation is one copy for all its readers."""
        for _ in range(_COPIES_IN_A_ROW):
            copy = self.copied.get(taken)
            if copy is None or taken == own:
                return False
            if self.readers[taken] > 1:
                return True
            taken = copy.inputs[0].name
        return True

    def _change(
        self,
        total: _Sum,
        name: str,
        before: tuple[TensorFormat | None, TensorFormat | None],
        after: tuple[TensorFormat | None, TensorFormat | None],
        fixed: bool,
    ) -> None:
        removed, added = self._cost(name, *before), self._cost(name, *after)
        if removed is None or added is None:
            if added is not None:
                total.added_ms, total.added_despite = total.added_ms + added.time_ms, total.added_despite + 1
            if removed is not None:
                total.removed_ms, total.removed_despite = total.removed_ms + removed.time_ms, total.removed_despite + 1
            total.missing.append(f"a reformat of {name}")
            return
        total.delta_ms += added.time_ms - removed.time_ms
        total.added_ms += added.time_ms
        total.removed_ms += removed.time_ms
        if fixed:
            total.fixed_ms += added.time_ms - removed.time_ms
            form = next((a for a, b in zip(after, before, strict=True) if a is not b), None)  # the layer's own side of the copy
            if added.time_ms > removed.time_ms and form is not None:
                total.wanted[name] = form
        measured = [c.cite for c in (added, removed) if c.cite is not None]
        total.cites += measured
        if measured and total.lost is None:
            total.lost = self.lost.get(name)

    def _cost(self, name: str, source: TensorFormat | None, target: TensorFormat | None) -> Cost | None:
        """What a copy of the tensor from one format to the other costs; 0 where both are the same memory layout; None if never measured.

        TensorRT times copies that it then leaves out, so a time counts only where the copy is needed: symbolic strides are those of any size.
        """
        if source is None or target is None:
            return None
        if source.text == target.text:
            return Cost(0.0, None)
        sizes = self.dimensions.get(name)
        same = same_memory_layout(source, target, sizes)
        if same is True:
            return Cost(0.0, None)
        if same is None and not (source.symbolic or target.symbolic):
            some = tuple(size if size > 0 else 2 for size in sizes) if sizes is not None else None
            if same_memory_layout(source, target, some) is not False:
                return None
        return self.costs.get((name, f"{source.text} -> {target.text}"))

    def _words(self, total: _Sum, running: Combination) -> str:
        assert total.combination.sparse is not None and running.winner is not None
        return (
            f"sparse {total.combination.sparse.time_ms:.4g} ms in {total.combination.text}, dense {running.winner.time_ms:.4g} ms in {running.text}, "
            + total.words()
        )

    def _cites(self, total: _Sum, running: Combination) -> list[Cite]:
        assert total.combination.sparse is not None and running.winner is not None
        cites = [(total.combination.sparse.line, total.combination.sparse.offset), (running.winner.line, running.winner.offset)]
        return [*cites, *total.cites][:10]


__all__ = ["Arithmetic", "parse_reformat"]
