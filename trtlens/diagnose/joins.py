"""What the inputs of one build say, joined once: its layers, lists, races, names, times, and what holds for all of them.

In: a `Capture` and one build of its log. Out: `Joins`. Next: fallbacks.py and layer_verdicts.py give each layer its verdict.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from ..parse.build_log.records import Build, Line
from ..parse.build_log.state import KEPT_LINES
from ..parse.layer_names import node_in_branch, onnx_nodes_from_name, split_profile_suffix
from ..text import tactic_hex
from .catalogue.conditions import build_facts
from .citing import Citer
from .eligibility import Judge
from .environment import Surroundings, surroundings
from .findings import (
    contradiction,
    elided_lists,
    ends_before_tuning,
    find_mismatch,
    info_warnings,
    listed_strangers,
    log_warnings,
    manifest_warnings,
    mismatch_warning,
    several_profiles,
    time_sum,
    unmatched_rows,
)
from .layers import (
    WEIGHT_OPERATORS,
    EngineLayer,
    LayerTime,
    attach_log_lines,
    concern,
    in_region,
    is_region,
    join_times,
    layers_from_info,
    layers_from_log,
    layers_from_races,
    profile_total_ms,
)
from .load import Capture
from .model import Evidence, PointerEvidence, Warning
from .network import convolution_nodes, right_operand
from .races import LayerRace, Races
from .reformats import Arithmetic
from .rules import Circumstances, Noise, fp32_only, index_only
from .sparsity import Listing, Matches, match_names, read_listing
from .suspects import Suspicions, tuned_elsewhere
from .traces import Traced, read_traces
from .twins import TwinFinder


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller may choose: which build of a log, and the noise band."""

    build: int | None = None
    noise: Noise = field(default_factory=Noise)


class Joins:
    """One build of a capture. `layers`: those of the engine; `matches`, `times`: the listed name and the time of each. `warnings` grow as layers are judged.

    `distrusted`: the log is of another build than the layer info. `namesakes`: layers of which the log's lines may speak of another one: two have the
    name, or the log contradicts itself about it.
    """

    def __init__(self, capture: Capture, build: Build | None, options: Options, index: int, unsure: bool = False) -> None:
        """`unsure`: the layer info may as well be that of another build of the log: no line of this one proves anything of it."""
        self.capture, self.build, self.options, self.index, self.unsure = capture, build, options, index, unsure
        self.warnings: list[Warning] = []
        self.citer = Citer(capture.log_source, capture.log_input)
        self.around: Surroundings = surroundings(build, capture.manifest, capture.metadata)
        self.capability = _number(self.around.environment.compute_capability)
        self.facts = build_facts(self.around.environment)
        self._join()
        self._warn()
        self.judge = self._judge(self.matches)
        races, bindings = self.races, self._bindings()
        self.arithmetic = Arithmetic(races, self.layers, build, options.noise, bindings) if races is not None and build is not None else None
        self.tuned_elsewhere = tuned_elsewhere(build, capture.manifest, self.layers)
        self.circumstances = self._circumstances()
        self.namesakes = {name for name, count in Counter(layer.name for layer in self.layers).items() if count > 1}
        self.operations = Counter(layer.region for layer in self.layers if layer.region is not None)
        self.twins = TwinFinder(races, self.layers, build) if races is not None and build is not None else None

    # ---- joining

    def _join(self) -> None:
        """Layers with names, lists, races, kernels and times."""
        capture, build, log = self.capture, self.build, self.capture.log
        logged = layers_from_log(build) if build is not None else []
        self.layers = layers_from_info(capture.engine) if capture.engine is not None else list(logged)
        if not self.layers and build is not None and build.layer_infos:
            self.layers = layers_from_info(build.layer_infos[-1][0])
            for layer in self.layers:
                layer.pointer = None
        if not self.layers and build is not None and log is not None:
            self.layers = layers_from_races(log, build)
        # A log of `--loadEngine --dumpLayerInfo` prints its engine as layer info alone.
        printed = logged or (layers_from_info(build.layer_infos[-1][0]) if build is not None and build.layer_infos else [])
        mismatch = find_mismatch(self.layers, printed, self._ends_within(build)) if capture.engine is not None else None
        self.flag_contradicted = False
        self.distrusted = mismatch is not None
        if not self.distrusted:
            attach_log_lines(self.layers, logged)
        self.listing: Listing | None = read_listing(build, log, self.layers) if build is not None and log is not None else None
        if self.unsure and self.listing is not None:
            self.listing.settled = False
        self.races: Races | None = (
            Races(log, build, self.listing.chosen.index if self.listing else None, self.around.few_tactics, capture.learned) if log is not None and build is not None else None
        )
        self.reformatted = {t.name for layer in self.layers if layer.is_reformat for t in (*layer.inputs, *layer.outputs)}
        self._operators()
        self._add_operations()
        self.matches = matches = self._match()
        if mismatch is None and capture.engine is not None and not printed and self.listing is not None:
            mismatch = listed_strangers(self.layers, list(self.listing.eligible or ()), matches.unmatched)
            self.distrusted = mismatch is not None
        other = contradiction(self.layers, matches, self.listing, self._flag_off(), capture.engine_input, self.citer) if not self.distrusted else None
        if other is not None:
            self.warnings.append(other[0])
            self.distrusted, self.flag_contradicted = True, other[1]
            for layer in self.layers:
                layer.line = layer.engine_line = None  # the log's line is of another engine
        self._name_tactics()
        self._use_trace()
        self.times, self.total_ms = self._times()
        if mismatch is not None:
            costs = {layer.name: t.time_ms or 0.0 for layer, t in zip(self.layers, self.times, strict=True) if t is not None}
            self.warnings.append(mismatch_warning(mismatch, capture.engine_input, capture.log_input, self.citer, costs))

    def _warn(self) -> None:
        """What is wrong with the inputs themselves."""
        capture, build, log = self.capture, self.build, self.capture.log
        if log is not None:
            self.warnings += log_warnings(log, build, self.citer, self._unjoined_cache())
            self.warnings += elided_lists(self.listing, self.citer)
            slow = time_sum(build, self.total_ms, self.citer) if build is not None else None
            self.warnings += [slow] if slow is not None else []
        if capture.engine is not None:
            self.warnings += info_warnings(capture.engine, capture.engine_input)
            self._note_warnings(capture)
        self.warnings += manifest_warnings(capture.manifest, capture.manifest_input)
        self.warnings += [Warning("damaged-input", note) for note in capture.notes]

    def _operators(self) -> None:
        """ONNX operators of each layer, from the log's network or the model."""
        operator: dict[str, str] = {}
        if self.build is not None:
            operator.update((node.name, node.operator) for node in self.build.network)
        if self.capture.check is not None:
            operator.update((w.name, w.operator) for w in self.capture.check.weights)
        if not operator:
            return
        left = {w.name for w in self.capture.check.weights if w.input_index == 0 and w.operator in ("MatMul", "Gemm")} if self.capture.check is not None else set()
        right = {node.name: name for node in self.build.network if (name := right_operand(node)) is not None} if self.build is not None and not self.distrusted else {}
        sizes = convolution_nodes(self.build.network) if self.build is not None and not self.distrusted else {}
        for layer in self.layers:
            named = (node if node in operator else node_in_branch(node) for node in layer.onnx_nodes)
            layer.operators = frozenset(operator[node] for node in named if node in operator)
            only = layer.inputs[0].name if len(layer.inputs) == 1 else None
            layer.left_constant = not left.isdisjoint(layer.onnx_nodes) or (only is not None and any(right.get(node) == only for node in layer.onnx_nodes))
            inside = [node for node in layer.onnx_nodes if node in sizes] if layer.kernel is None else []
            layer.node = sizes[inside[0]] if len(inside) == 1 else None
        # A product that no other layer computes is inside what Myelin generated for its node.
        generated = [layer for layer in self.layers if layer.type == "kgen" and layer.nodes_certain]
        if generated:
            taken = {node for layer in self.layers if concern(layer) == "weights" for node in layer.onnx_nodes}
            for layer in generated:
                layer.holds_product = any(operator.get(node) in WEIGHT_OPERATORS and node not in taken for node in layer.onnx_nodes)

    def _add_operations(self) -> None:
        """Operations that a Myelin sub-build lists as eligible and no input prints as a layer of its own."""
        if self.listing is None or self.races is None or not self.listing.foreign:
            return
        nodes = {node for layer in self.layers if concern(layer) == "weights" for node in layer.onnx_nodes}
        names = {layer.name for layer in self.layers}
        for op in self.listing.foreign:
            base, number = split_profile_suffix(op)
            if base in nodes or op in names:
                continue
            region = self.races.region_of(op)
            added = EngineLayer(
                name=op, base_name=base, type="Myelin", onnx_nodes=(base,), optimization_profile=number, region=region or ""
            )
            place = next((i for i, layer in enumerate(self.layers) if layer.name == region), len(self.layers) - 1)
            self.layers.insert(place + 1, added)

    def _match(self) -> Matches:
        """Join the list of eligible names; names without a layer become rows of their own, as the log alone speaks of them."""
        names = list(self.listing.eligible) if self.listing is not None and self.listing.eligible else []
        matches = match_names(self.layers, names)
        taken = {node for layer in self.layers if not layer.is_reformat for node in layer.onnx_nodes}
        for name in matches.unmatched:
            base, number = split_profile_suffix(name)
            nodes = onnx_nodes_from_name(base)
            if taken.intersection(nodes) and self.layers:
                continue  # it is in the engine under another name; the summary counts it as unmatched
            self.layers.append(
                EngineLayer(name=name, base_name=base, type=None, onnx_nodes=nodes, optimization_profile=number, listed_only=True)
            )
            matches.of.append(name)
            matches.exact.append(True)
        return matches

    def _name_tactics(self) -> None:
        """Kernel names for engine layers that have a tactic id alone, from the lines of the log that name the id."""
        # TensorRT 8.2 to 8.5 name it once more behind the selection, for the very layers of the engine.
        self.naming: dict[str, Line] = {}
        if self.races is None or self.distrusted:
            return
        for layer in self.layers:
            said = self.build.chosen_kernels.get(layer.name) if self.build is not None else None
            if said is not None and said[0] == layer.tactic_id and not layer.tactic_name and not layer.is_reformat:
                layer.tactic_name, layer.named_by, self.naming[layer.name] = said[1], "log", said[2]
        self.races.expect({layer.name: layer.tactic_id for layer in self.layers if layer.tactic_id is not None})
        unnamed = [
            (layer, layer.tactic_id, self.races.winning_kernels(layer.name, layer.tactic_id, layer.type))
            for layer in self.layers
            if not layer.tactic_name and layer.tactic_id is not None and not layer.is_reformat and concern(layer) == "weights"
        ]
        self.races.kernels.learn({tactic for _, tactic, kernels in unnamed if not kernels})
        for layer, tactic, kernels in unnamed:
            name = kernels.pop() if len(kernels) == 1 else self.races.kernels.of(tactic) if not kernels else None
            if name is not None:
                layer.tactic_name, layer.named_by = name, "log"
        # A name that another log gives the id (--names) suggests; it never proves.
        for layer in self.layers if self.capture.learned else ():
            if not layer.tactic_name and layer.tactic_id in self.capture.learned and not layer.is_reformat:
                layer.tactic_name, layer.named_by = self.capture.learned[layer.tactic_id], "names"

    def _use_trace(self) -> None:
        """A kernel trace confirms the names of kernels; that nothing sparse ran decides for layers whose tactic no other input names."""
        self.traced: Traced = read_traces(self.capture.traces, self.layers)
        listing = self.listing
        chosen = listing.picked if listing is not None and listing.chosen.certain and not self.distrusted else None
        if self.traced.all_dense is not None and chosen:
            name, line = next(iter(chosen.items()))
            said = f"the log's list of chosen layers names {name}, and no kernel in the trace is sparse: the trace is of another engine, and nothing is taken from it"
            warning = Warning("capture-mismatch", said, (self.citer.line(line), *self.traced.all_dense))
            self.traced = Traced(warnings=[*self.traced.warnings, warning])
        self.trace_all_dense = self.traced.all_dense
        self.warnings += self.traced.warnings

    def _times(self) -> tuple[list[LayerTime | None], float | None]:
        capture = self.capture
        profiles = list(capture.profiles)
        if not profiles and self.build is not None:
            profiles = [(capture.log_input, p) for p in self.build.profiles]
        if not profiles or not self.layers:
            return [None] * len(self.layers), profile_total_ms(profiles[-1][1]) if profiles else None
        # Several arrays in one file are several runs: the one that knows most of the layers, the last of equals.
        best = max(range(len(profiles)), key=lambda i: (len(profiles[i][1].rows) - len(join_times(self.layers, profiles[i][1])[1]), i))
        number, profile = profiles[best]
        files = list(dict.fromkeys(one for one, _ in profiles))
        if len(files) > 1:
            self.warnings.append(several_profiles([capture.inputs[one].path for one in files], files.index(number)))
        self.warnings += [Warning("damaged-input", f"timing profile, {note.where}: {note.message}") for note in profile.notes[:5]]
        times, lost = join_times(self.layers, profile)
        matched = len(profile.rows) - len(lost)
        warning = unmatched_rows(profile, lost, number)
        # A log prints a region as one layer, whose kernels the profile names one by one.
        listed = self.build is not None and self.build.complete and bool(self.build.engine_layers) and not any(is_region(layer.name) for layer in self.layers)
        if warning is not None and (capture.engine is not None or listed):
            self.warnings.append(warning)
        if self.distrusted and matched < 0.95 * len([layer for layer in self.layers if not layer.listed_only]):
            return [None] * len(self.layers), None
        return times, profile_total_ms(profile)

    def _unjoined_cache(self) -> int:
        if self.races is None or self.build is None or self.capture.log is None:
            return 0
        return self.races.unjoined_cached()

    def _note_warnings(self, capture: Capture) -> None:
        assert capture.engine is not None
        for note in capture.engine.notes[:5]:
            self.warnings.append(Warning("damaged-input", f"layer info, {note.where}: {note.message}"))

    def _bindings(self) -> frozenset[str] | None:
        """The network's inputs and outputs: from layer info, else from the ONNX parser's lines in a log of trtexec, which marks no others."""
        engine, build = self.capture.engine, self.build
        if engine is not None and engine.bindings:
            return frozenset(engine.bindings)
        # Of a very long list the log's reader keeps the beginning, and a damaged line before the tuning may name another output.
        whole = build is not None and 0 < len(build.network_outputs) < KEPT_LINES and 0 < len(build.network_inputs) < KEPT_LINES
        if build is not None and whole and build.own_lines and not self.distrusted and not self._damaged(build.first_line, build.passes[0].first_line if build.passes else None):
            return frozenset((*build.network_inputs, *build.network_outputs))
        return None

    def _ends_within(self, build: Build | None) -> bool:
        """Whether the log ends with a line of its engine's layers: others may have followed."""
        log = self.capture.log
        return build is not None and log is not None and bool(build.engine_layers) and build.engine_layers[-1].line >= log.lines

    # ---- what is said of one layer

    def race_of(self, layer: EngineLayer) -> LayerRace | None:
        """The race of a layer, or that of a Myelin operation; None where the log holds none under its name."""
        if self.races is None:
            return None
        operation = self.races.of_instruction(layer.name, layer.type, layer.optimization_profile, layer.onnx_nodes) if in_region(layer) else None
        return operation if operation is not None else self.races.of(layer.name)

    def tactic_evidence(self, layer: EngineLayer) -> tuple[Evidence, ...]:
        """Where the inputs say which tactic runs."""
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

    @cached_property
    def suspicions(self) -> Suspicions:
        """Made when the first layer asks for it: looking for other fusions takes the races, which are made late."""
        # A log of another build says nothing of what could have been in this one.
        races = None if self.distrusted else self.races
        return Suspicions(races, self.layers, self.build, self.capture.manifest, self.options.noise)

    # ---- what holds for the whole build

    def _judge(self, matches: Matches) -> Judge:
        listing, build = self.listing, self.build
        off_suggested = (
            build is not None and self.around.sparsity_on is None and build.complete and build.tuned and not build.sparsity and not self.around.jit
            and (self.around.environment.tensorrt or "8").split(".")[0] not in ("5", "6", "7")
        )  # fmt: skip
        flag_off = self._flag_off()
        # That the file is of this very engine is likely, as trex writes them side by side, and not shown; nor which of a log's builds made it.
        copied = flag_off == self._copied_off() if isinstance(flag_off, PointerEvidence) else self.unsure
        loose = frozenset(node for name in matches.unmatched for node in onnx_nodes_from_name(split_profile_suffix(name)[0]))
        return Judge(
            listing if listing is not None and listing.eligible is not None else None, build, self.citer, self.capture.engine_input, self.capture.check,
            self.distrusted, flag_off, off_suggested, self.around.strict_nans, self.capture.check_input, loose, copied, self.around.environment.sparsity == "force",
        )  # fmt: skip

    def _flag_off(self) -> Line | PointerEvidence | None:
        """Where it is said that the build did not ask for sparsity: the log's option block, else the capture's manifest."""
        if self.flag_contradicted:
            return None  # it is of another build
        if self.around.flag_off is not None:
            return self.around.flag_off
        options = (self.capture.manifest or {}).get("options")
        if isinstance(options, dict) and options.get("sparsity") == "disable":
            return PointerEvidence(self.capture.manifest_input, "/options/sparsity", '"sparsity": "disable"')
        return self._copied_off()

    def _copied_off(self) -> PointerEvidence | None:
        """Where trex's metadata says it, which copies trtexec's option block; only where no log and no manifest says otherwise."""
        if self.around.sparsity_on is not False:
            return None
        files = [number for number, item in enumerate(self.capture.inputs) if item.kind == "metadata"]
        for number, file in zip(files, self.capture.metadata, strict=True):
            if (file.sparsity or "").lower() == "disabled" and not file.sections.get("build_options", {}).get("Load engine"):
                return PointerEvidence(number, "/build_options/Sparsity", '"Sparsity": "Disabled"')
        return None

    def _circumstances(self) -> Circumstances:
        build, log, listing = self.build, self.capture.log, self.listing
        has_timings = self.races is not None and bool(self.races.by_layer)
        floats: list[int] = []
        all_fp32 = self.races is not None
        for line, text in self.races.pass_formats() if self.races is not None else ():
            if fp32_only(text):
                floats.append(line)
            elif not index_only(text):
                all_fp32 = False
                break
        all_fp32 = all_fp32 and bool(floats) and self.races is not None and self.races.formats_known()
        cites = [self._line_offset(line) for line in floats[:3]] if all_fp32 else []
        oom = (
            next((w for w in build.warnings if "out of memory" in w.text.lower() or "could not be allocated" in w.text), None)
            if build is not None
            else None
        )
        complete = build is not None and (build.complete or not (log is not None and log.truncated))
        cut = build is not None and log is not None and not self.around.jit and ends_before_tuning(log, build)
        truncated = cut or (log is not None and log.truncated and not (build is not None and build.complete))
        trusted = build is not None and not self.distrusted and listing is not None and listing.settled
        level = self.around.opt_level_line
        return Circumstances(
            noise=self.options.noise, trusted=trusted, compute_capability=self.capability, all_fp32=all_fp32 and complete, fp32_cites=tuple(cites),
            regions=self.races is not None and any(map(is_region, self.races.by_layer)),
            has_log=log is not None, has_timings=has_timings, truncated=truncated,
            cache_loaded=build is not None and (build.loaded_cache_entries or 0) > 0, out_of_memory=(oom.line, oom.offset) if oom is not None else None,
            capability_cite=(self.around.capability_line.line, self.around.capability_line.offset) if self.around.capability_line is not None else None,
            level_cite=(level.line, level.offset) if level is not None else None, no_reformats=self._no_reformats,
            fits=self.arithmetic.fits if self.arithmetic is not None else lambda _, __: None, plan_whole=self._plan_whole(),
        )  # fmt: skip

    def _line_offset(self, line: int) -> tuple[int, int]:
        c = self.capture.log.combinations.arrays if self.capture.log is not None else {}
        lines = c["line"]
        at = bisect_left(lines, line)
        return line, c["offset"][at] if at < len(lines) and lines[at] == line else -1

    def _plan_whole(self) -> bool:
        """Whether every layer of the engine is known: from whole layer info, or from a log whose engine is whole and that goes on after its last line."""
        if self.capture.engine is not None:
            return self.info_whole()
        if self.build is None or self.capture.log is None:
            return True
        printed = self.build.engine_layers
        if self.build.engine_header is not None and self._damaged(self.build.engine_header.line, None):
            return False
        return bool(self.build.layer_infos) or (bool(printed) and printed[-1].line < self.capture.log.lines)

    def info_whole(self) -> bool:
        """Whether nothing of the layer info, if there is one, was lost."""
        return self.capture.engine is None or not any(note.lost for note in self.capture.engine.notes)

    def _damaged(self, first: int, last: int | None) -> bool:
        """Whether any line from the first to the last one (None: to the end) of the log is damaged."""
        log = self.capture.log
        return log is not None and (len(log.damaged_lines) >= KEPT_LINES or any(first <= line.line and (last is None or line.line <= last) for line in log.damaged_lines))

    def _no_reformats(self, layer: EngineLayer) -> bool:
        """Whether no reformat stands next to the layer in the plan."""
        names = {t.name for t in (*layer.inputs, *layer.outputs)}
        if not names:
            return False
        return not names & self.reformatted


def _number(text: str | None) -> float | None:
    """A finite number; None for anything else, `nan` among it."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
