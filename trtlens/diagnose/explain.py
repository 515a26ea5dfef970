"""From artefacts to verdicts: join what the inputs say about each engine layer and give it a status, a reason and its proof.

In: `Capture`s (load.py). Out: `Diagnosis`. Next: report/. The order of trust: the kernel's own name, the log's list of chosen layers, the winner of
the race; eligibility comes from eligibility.py, reasons from rules.py.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from ..errors import UsageError
from ..parse.build_log.records import Build, BuildLog, Line
from ..parse.build_log.state import KEPT_LINES
from ..parse.kernel_names import is_sparse
from ..parse.layer_names import node_in_branch, split_profile_suffix
from ..parse.records import TensorInfo
from ..text import said_of, tactic_hex
from .catalogue.conditions import build_facts
from .citing import Citer
from .eligibility import Judge, Judgement
from .environment import Surroundings, surroundings
from .findings import (
    chosen_otherwise,
    contradiction,
    elided_lists,
    ends_before_tuning,
    find_mismatch,
    held_builds,
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
from .load import Capture, Progress, load_captures
from .model import (
    BuildDiagnosis,
    CaptureDiagnosis,
    Diagnosis,
    Eligibility,
    Environment,
    Evidence,
    LayerVerdict,
    PointerEvidence,
    Proof,
    Remedy,
    RunningTactic,
    Status,
    Summary,
    Suspect,
    Warning,
    weaker,
)
from .network import convolution_nodes
from .physics import bound_ms, gains, layer_facts
from .races import Combination, LayerRace, Races
from .reasons import REASONS
from .reformats import Arithmetic
from .roofline import GemmShape
from .rules import Circumstances, Noise, Ruling, decide, fp32_only, index_only
from .shapes import gemm_shape, kernel_suspects, physical_suspects
from .sparsity import Listing, Matches, match_names, read_listing
from .suspects import Suspicions, tuned_elsewhere
from .traces import Traced, read_traces
from .twins import TwinFinder

_STUB = "__myelin_CASK_STUB"
_LAYOUTS_DO_NOT_MATTER = frozenset({"slower", "tie", "format-cost", "io-format"})
_NO_WEIGHTS = Judgement(Eligibility(None, "unknown"))


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller may choose: which build of a log, and the noise band."""

    build: int | None = None
    noise: Noise = field(default_factory=Noise)


def explain(paths: Sequence[str], options: Options | None = None, progress: Progress | None = None) -> Diagnosis:
    """Diagnose files and capture folders. Raises TrtlensError for input that cannot be used."""
    return Diagnosis(tuple(diagnose(capture, options or Options()) for capture in load_captures(paths, progress)))


def diagnose(capture: Capture, options: Options) -> CaptureDiagnosis:
    """Diagnose one capture: all builds of its log, the one that the layer info matches in full."""
    log = capture.log
    builds = held_builds(log) if log is not None else []
    if options.build is not None and options.build not in [b.index for b in builds] and not (options.build == 0 and not builds):
        held = f"build {builds[0].index} alone" if len(builds) == 1 else f"builds {', '.join(str(b.index) for b in builds)}" if builds else "build 0 alone"
        raise UsageError(f"--build {options.build}: these inputs hold {held}")
    if not builds:
        lone = log.builds[-1] if log is not None and log.builds else None
        diagnosis = _Diagnosing(capture, lone, options, index=0).run()
        return CaptureDiagnosis(tuple(capture.inputs), 0, (diagnosis,))
    main, open_ = (options.build, False) if options.build is not None else _main_build(capture, builds)
    done = tuple(_Diagnosing(capture if b.index == main else _log_only(capture), b, options, b.index, open_ and b.index == main).run() for b in builds)
    return CaptureDiagnosis(tuple(capture.inputs), main, done)


def _log_only(capture: Capture) -> Capture:
    """The capture as the other builds of a log see it: layer info, profile and trace belong to the main one."""
    return replace(capture, engine=None, profiles=[], traces=[])


def _main_build(capture: Capture, builds: list[Build]) -> tuple[int, bool]:
    """The build that the layer info matches, else the last complete one, else the last; and whether another one may be meant as well."""
    # A build that the log says nothing of but its options may be the layer info's as well, as long as no printed engine tells them apart.
    silent = capture.log is not None and any(b.failed is None for b in capture.log.builds if b not in builds)
    open_ = capture.engine is not None and silent and not any(b.engine_layers or b.layer_infos for b in builds)
    if capture.engine is not None and len(builds) > 1:
        names = {layer.name: layer.tactic_value for layer in capture.engine.layers}
        scores = []
        for build in builds:
            logged = layers_from_log(build)
            scores.append(sum((layer.name in names) + (names.get(layer.name) == layer.tactic_id) for layer in logged) / (len(logged) or 1))
        best = max(scores)
        open_ = scores.count(best) > 1 and best < 2.0  # equal in all names and tactics: what holds for one engine holds for the other
        if best > 0:
            return max(zip(scores, (b.index for b in builds), strict=True))[1], open_
    complete = [b for b in builds if b.complete]
    return (complete or builds)[-1].index, open_


@dataclass
class _Diagnosing:
    """The diagnosis of one build; its steps share what is joined once."""

    capture: Capture
    build: Build | None
    options: Options
    index: int
    unsure: bool = False
    """The layer info may as well be that of another build of the log: no line of this one proves anything of it."""
    warnings: list[Warning] = field(default_factory=list)
    other_races: dict[int, Races] = field(default_factory=dict)
    """The races of passes that were dropped, for the layers whose reason may be the backend strategy."""
    suspicions: Suspicions | None = None
    bounds: list[float] = field(default_factory=list)
    """What a sparse kernel can save at most, of each layer that falls back and has such a bound."""

    def run(self) -> BuildDiagnosis:
        capture, build, log = self.capture, self.build, self.capture.log
        self.citer = Citer(capture.log_source, capture.log_input)
        self.around: Surroundings = surroundings(build, capture.manifest, capture.metadata)
        self.facts = build_facts(self.around.environment)
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
        mismatch = find_mismatch(self.layers, printed) if capture.engine is not None else None
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
        matches = self._match()
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
        times, total_ms = self._times()
        if mismatch is not None:
            costs = {layer.name: t.time_ms or 0.0 for layer, t in zip(self.layers, times, strict=True) if t is not None}
            self.warnings.append(mismatch_warning(mismatch, capture.engine_input, capture.log_input, self.citer, costs))
        if log is not None:
            self.warnings += log_warnings(log, build, self.citer, self._unjoined_cache())
            self.warnings += elided_lists(self.listing, self.citer)
            slow = time_sum(build, total_ms, self.citer) if build is not None else None
            self.warnings += [slow] if slow is not None else []
        if capture.engine is not None:
            self.warnings += info_warnings(capture.engine, capture.engine_input)
            self._note_warnings(capture)
        self.warnings += manifest_warnings(capture.manifest, capture.manifest_input)
        self.warnings += [Warning("damaged-input", note) for note in capture.notes]
        self.judge = self._judge(matches)
        bindings = self._bindings()
        self.arithmetic = (
            Arithmetic(self.races, self.layers, build, self.options.noise, bindings) if self.races is not None and build is not None else None
        )
        self.tuned_elsewhere = tuned_elsewhere(build, capture.manifest, self.layers)
        self.circumstances = self._circumstances()
        # Layers of which the log's lines may speak of another one: two have the name, or the log contradicts itself about it.
        self.namesakes = {name for name, count in Counter(layer.name for layer in self.layers).items() if count > 1}
        self.operations = Counter(layer.region for layer in self.layers if layer.region is not None)
        self.twins = TwinFinder(self.races, self.layers, build) if self.races is not None and build is not None else None
        verdicts = [self._verdict(layer, matches, number, times[number]) for number, layer in enumerate(self.layers)]
        texts = self.citer.read()
        verdicts = [self._with_texts(v, texts) for v in verdicts]
        warnings = tuple(replace(w, evidence=self.citer.with_texts(w.evidence, texts)) for w in self.warnings)
        lines = (build.first_line, build.last_line) if build is not None else None
        strategy = self.listing.chosen.strategy if self.listing is not None else None
        return BuildDiagnosis(
            self.index, lines, strategy, self.around.environment, self._summary(verdicts, matches, total_ms), tuple(verdicts), warnings,
            whole=not (self.listing is not None and self.listing.elided) and self._info_whole(),
        )

    # ---- joining

    def _operators(self) -> None:
        """ONNX operators of each layer, from the log's network or the model."""
        operator: dict[str, str] = {}
        if self.build is not None:
            operator.update((node.name, node.operator) for node in self.build.network)
        if self.capture.check is not None:
            operator.update((w.name, w.operator) for w in self.capture.check.weights)
        if not operator:
            return
        sizes = convolution_nodes(self.build.network) if self.build is not None and not self.distrusted else {}
        for layer in self.layers:
            named = (node if node in operator else node_in_branch(node) for node in layer.onnx_nodes)
            layer.operators = frozenset(operator[node] for node in named if node in operator)
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
            if op in nodes or op in names:
                continue
            region = self.races.region_of(op)
            base, number = split_profile_suffix(op)
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
            nodes = _nodes_of(base)
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
        loose = frozenset(node for name in matches.unmatched for node in _nodes_of(split_profile_suffix(name)[0]))
        return Judge(
            listing if listing is not None and listing.eligible is not None else None, build, self.citer, self.capture.engine_input, self.capture.check,
            self.distrusted, flag_off, off_suggested, self.around.strict_nans, self.capture.check_input, loose, copied,
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
        capability = self.around.environment.compute_capability
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
            noise=self.options.noise, trusted=trusted, compute_capability=_number(capability), all_fp32=all_fp32 and complete, fp32_cites=tuple(cites),
            regions=self.races is not None and any(map(is_region, self.races.by_layer)),
            has_log=log is not None, has_timings=has_timings, truncated=truncated,
            cache_loaded=build is not None and (build.loaded_cache_entries or 0) > 0, out_of_memory=(oom.line, oom.offset) if oom is not None else None,
            capability_cite=(self.around.capability_line.line, self.around.capability_line.offset) if self.around.capability_line is not None else None,
            level_cite=(level.line, level.offset) if level is not None else None, no_reformats=self._no_reformats,
            fits=self.arithmetic.fits if self.arithmetic is not None else lambda _, __: None, plan_whole=self._plan_whole(),
        )  # fmt: skip

    def _line_offset(self, line: int) -> tuple[int, int]:
        c = self.capture.log.combinations.arrays if self.capture.log is not None else {}
        import bisect

        lines = c["line"]
        at = bisect.bisect_left(lines, line)
        return line, c["offset"][at] if at < len(lines) and lines[at] == line else -1

    def _plan_whole(self) -> bool:
        """Whether every layer of the engine is known: from whole layer info, or from a log whose engine is whole and that goes on after its last line."""
        if self.capture.engine is not None:
            return self._info_whole()
        if self.build is None or self.capture.log is None:
            return True
        printed = self.build.engine_layers
        if self.build.engine_header is not None and self._damaged(self.build.engine_header.line, None):
            return False
        return bool(self.build.layer_infos) or (bool(printed) and printed[-1].line < self.capture.log.lines)

    def _info_whole(self) -> bool:
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

    # ---- one layer

    def _verdict(self, layer: EngineLayer, matches: Matches, number: int, time: LayerTime | None) -> LayerVerdict:
        about = concern(layer)
        listed = matches.of[number]
        if listed is not None and about in ("other", "opaque", "unknown"):
            about = "weights"
        if about == "other":
            return self._plain(layer, time)
        judgement = self.judge.eligible(layer, listed, matches.exact[number], about == "opaque")
        if judgement.disagrees:
            self.warnings.append(Warning("eligibility-disagrees", judgement.disagrees))
        if about == "opaque":
            return self._opaque(layer, judgement, time)
        sparse, how = self._runs_sparse(layer, listed)
        otherwise = chosen_otherwise(layer, listed, matches.exact[number], self.listing) if layer.named_by == "log" and not self.distrusted else None
        if otherwise is not None:
            said = f"the log's list of chosen layers {'does not name' if layer.sparse else 'names'} {layer.name}, whose tactic it names as {layer.tactic_name}: they are not of one build"
            self.warnings.append(Warning("capture-mismatch", said, (self.citer.line(otherwise),)))
            self.namesakes.add(layer.name)
        value = judgement.eligibility.value
        if sparse:
            return self._picked(layer, judgement, time, how)
        if value is False:
            return self._make(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        if sparse is None:
            return self._undetermined(layer, judgement, time)
        if value is None:
            summary = "a dense tactic runs; the inputs do not say whether the weights qualify"
            return self._make(
                layer,
                "dense-unknown",
                "eligibility-unknown",
                "unknown",
                summary,
                judgement,
                time,
                evidence=self._tactic_evidence(layer),
                suspects=judgement.suspects,
            )
        return self._fallback(layer, judgement, time, listed, how)

    def _runs_sparse(self, layer: EngineLayer, listed: str | None) -> tuple[bool | None, str]:
        """Whether a sparse tactic runs, and who says so: the kernel's name, the log's list, or the table of a Myelin operation."""
        if layer.sparse is not None and layer.named_by != "names":
            return layer.sparse, "name"
        listing = self.listing
        if layer.region is not None and listing is not None:
            if layer.name in listing.foreign_picked:
                return True, "list"
            whole = listing.chosen.certain and listing.foreign_whole and not listing.count_mismatch
            return (False, "list") if whole else (None, "none")
        if layer.tactic_name == _STUB or self.around.jit:
            return None, "none"
        if self.trace_all_dense is not None:
            if layer.named_by == "names" and layer.sparse:
                layer.tactic_name, layer.named_by = None, "none"  # what ran knows better than another log's names
            return False, "trace"  # every kernel that ran has a name, and none is sparse
        # A row that only the list names is about the log's own build, whatever the layer info is of.
        if listing is not None and listing.picked is not None and listed is not None and (not self.distrusted or layer.listed_only):
            picked = listed in listing.picked or layer.name in listing.picked
            if picked or (listing.chosen.certain and not listing.count_mismatch):
                if layer.named_by == "names" and layer.sparse is not picked:
                    layer.tactic_name, layer.named_by = None, "none"  # the log's own list knows better than another log's names
                return picked, "list"
        if layer.named_by == "names" and layer.sparse is not None:
            return layer.sparse, "names"
        return None, "none"

    def _plain(self, layer: EngineLayer, time: LayerTime | None) -> LayerVerdict:
        summary = "sparsity does not concern this layer"
        if layer.is_reformat:
            free = layer.type == "NoOp" or (time is not None and time.time_ms == 0)
            summary = (
                "a reformat that copies nothing (NoOp): it is free" if free else "a reformat: it copies a tensor between layouts or types"
            )
        return self._make(layer, "other", None, "unknown", summary, _NO_WEIGHTS, time)

    def _opaque(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        ops = self.operations[layer.name]
        if ops:
            return self._make(
                layer,
                "other",
                None,
                "unknown",
                "a Myelin region; its "
                + said_of(ops, "operation that is listed as eligible has a row of its own", "# operations that are listed as eligible have rows of their own"),
                _NO_WEIGHTS,
                time,
            )
        if self.around.jit:
            return self._jit(layer, judgement, time)
        if judgement.eligibility.value is False:
            return self._make(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        summary = "a Myelin region: its operations and their tactics are not in these inputs"
        return self._make(
            layer, "undetermined", "myelin-opaque", "unknown", summary, judgement, time, evidence=self._tactic_evidence(layer)
        )

    def _jit(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        said = {
            True: "its weights qualify",
            False: "its weights do not qualify",
            None: "the inputs do not say whether its weights qualify",
        }[judgement.eligibility.value]
        if judgement.eligibility.value is None and judgement.suspects:
            said = f"its weights seem not to qualify: {judgement.suspects[0].summary}"
        return self._make(
            layer,
            "undetermined",
            "jit-deferred",
            "unknown",
            f"TensorRT-RTX chooses the kernel on the user's GPU; {said}",
            judgement,
            time,
            evidence=self._tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _undetermined(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        if layer.tactic_name == _STUB or self.around.jit:
            return self._jit(layer, judgement, time)
        if self.capture.engine is not None and not self.capture.engine.detailed and layer.pointer is not None:
            reason, summary = "names-only", "the layer info holds names only: neither tactic nor format is known"
        elif layer.tactic_id is not None:
            reason, summary = "unnamed-tactic", f"tactic {tactic_hex(layer.tactic_id)} runs, and no input names its kernel"
        elif layer.tactic_name:
            reason, summary = "unnamed-tactic", "the kernel's name does not say whether it is sparse"
        elif self.circumstances.truncated:
            reason, summary = "log-truncated", "the log ends before the engine was printed"
        elif in_region(layer) or (layer.type or "").lower() == "myelin":
            reason, summary = "myelin-opaque", "inside a Myelin region, and its kernel has no name here"
        else:
            reason, summary = "not-captured", "no input names the tactic that runs"
        return self._make(
            layer,
            "undetermined",
            reason,
            "unknown",
            summary,
            judgement,
            time,
            evidence=self._tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _picked(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None, how: str) -> LayerVerdict:
        evidence = self._tactic_evidence(layer)
        if how == "list":
            assert self.listing is not None and self.listing.picked is not None
            line = (
                self.listing.picked.get(layer.name)
                or self.listing.foreign_picked.get(layer.name)
                or next(iter(self.listing.picked.values()))
            )
            evidence = (*evidence, self.citer.line(line))
            named = f"another log names its kernel {layer.tactic_name}" if layer.named_by == "names" else "no input holds the kernel's name"
            summary = f"the log's list of chosen layers names it; {named}"
            suspects = tuple(self._suspicions().sparse(layer, self._race(layer)))
            return self._make(layer, "sparse", "picked", "suggested", summary, judgement, time, evidence=evidence, suspects=suspects)
        proof: Proof = "proven" if how != "names" else "suggested"
        if layer.named_by == "log" and (self.listing is None or not self.listing.chosen.certain or layer.name in self.namesakes):
            proof = "suggested"
        race = self._race(layer)
        same = race.won_by(layer.tactic_id) if race is not None else []
        if layer.name in self.naming:
            pass  # its line is cited with what runs
        elif layer.named_by == "log" and layer.tactic_id is not None and layer.tactic_name is not None and self.races is not None:
            naming = self.races.kernels.line(layer.tactic_id, layer.tactic_name, same)
            if naming is not None:
                self.citer.tactic(*naming, layer.tactic_name)
            evidence = (*evidence, *([self.citer.place(*naming)] if naming is not None else []))
        if race is not None:
            for item in same:
                if item.sparse is not None and item.dense is not None and item.winner is not None:
                    margin = item.winner.time_ms / item.dense.time_ms - 1.0 if item.dense.time_ms > 0 else 0.0
                    if margin > self.options.noise.band(item.dense.time_ms, race.repeat_spread):
                        # Unnamed tactics, or two combinations with this winner: another time may be the one that counts.
                        sure = self.circumstances.trusted and layer.name not in self.namesakes and not race.doubts and not race.foreign and self.circumstances.fits(layer, item) is not False
                        if not sure or len(same) > 1 or any(c.unnamed_count for c in race.telling):
                            proof = weaker(proof, "suggested")
                        cites = [self.citer.place(e.line, e.offset) for e in (item.winner, item.dense)]
                        facts = layer_facts(self.facts, layer, gemm_shape(layer), None, None)
                        saves_ms = item.winner.time_ms - item.dense.time_ms if len(same) == 1 else None
                        for entry in (item.winner, item.dense):
                            self.citer.tactic(entry.line, entry.offset, entry.kernel)
                        return self._make(
                            layer, "sparse", "picked-but-slower", weaker(proof, "proven" if not self.distrusted else "suggested"),
                            f"a sparse tactic runs ({item.winner.time_ms:.4g} ms), though a dense one was timed at {item.dense.time_ms:.4g} ms in the same combination",
                            judgement, time, evidence=(*evidence, *cites), best=(item.dense.time_ms, item.winner.time_ms, margin, item.dense.kernel, item.winner.kernel),
                            suspects=tuple(self._suspicions().sparse(layer, race)),
                            remedies=tuple(gains(Ruling("picked-but-slower", proof, ""), REASONS["picked-but-slower"], facts, None, saves_ms)),
                        )  # fmt: skip
        best = self._best_times(race)
        by = " (named by another log of this TensorRT and GPU)" if how == "names" else ""
        return self._make(
            layer, "sparse", "picked", proof, f"a sparse tactic runs: {layer.tactic_name}{by}", judgement, time, evidence=evidence, best=best,
            suspects=tuple(self._suspicions().sparse(layer, race)),
        )

    def _best_times(self, race: LayerRace | None) -> tuple[float | None, float | None, float | None, str | None, str | None] | None:
        if race is None:
            return None
        dense, sparse = race.best_dense(), race.best_sparse()
        margin = sparse.time_ms / dense.time_ms - 1.0 if dense and sparse and dense.time_ms > 0 else None
        return (
            dense.time_ms if dense else None,
            sparse.time_ms if sparse else None,
            margin,
            dense.kernel if dense else None,
            sparse.kernel if sparse else None,
        )

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
        capability = _number(self.around.environment.compute_capability)
        sm = round(capability * 10) if capability else None
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

    def _with_texts(self, verdict: LayerVerdict, texts: dict[int, str]) -> LayerVerdict:
        if not verdict.evidence and not verdict.eligibility.evidence:
            return verdict
        # Made a moment ago and seen by nobody yet: `replace` of 25 fields would take as long as the reading.
        known = verdict.eligibility
        eligibility = Eligibility(known.value, known.proof, self.citer.with_texts(known.evidence, texts, verdict.name))
        object.__setattr__(verdict, "eligibility", eligibility)
        object.__setattr__(verdict, "evidence", self.citer.with_texts(verdict.evidence, texts, verdict.name))
        return verdict

    # ---- totals

    def _summary(self, verdicts: list[LayerVerdict], matches: Matches, total_ms: float | None) -> Summary:
        fallback = [v for v in verdicts if v.status == "dense"]
        # What runs sparse is eligible, even where neither list nor weights say so: matrix products have no HasSparseWeights.
        eligible = sum(v.status == "sparse" or v.eligibility.value is True for v in verdicts)
        told = any(v.eligibility.value is not None for v in verdicts)
        names = self.listing.names if self.listing is not None else None
        engine = {layer.name for layer in self.layers if not layer.listed_only}
        unmatched = len([n for n in matches.unmatched if n not in engine]) if names is not None and engine else None
        spent = [v.time_ms for v in fallback if v.time_ms is not None]
        gain = [
            v.best_dense_ms - v.best_sparse_ms
            for v in fallback
            if v.best_dense_ms is not None
            and v.best_sparse_ms is not None
            and v.best_sparse_ms < v.best_dense_ms
            and v.reason not in ("slower", "tie")
        ]
        # Where nothing sparse was timed, and only because it was skipped or nobody knows the names of all that was, no figure is held.
        raced = any(v.best_dense_ms is not None and (v.best_sparse_ms is not None or (v.proof == "proven" and (v.reason or "").startswith("no-kernel"))) for v in fallback)
        return Summary(
            layers=len(verdicts), eligible=eligible if told else None, eligible_listed=names, eligible_unmatched=unmatched,
            picked=sum(v.status == "sparse" for v in verdicts), fallback=len(fallback), dense_unknown=sum(v.status == "dense-unknown" for v in verdicts),
            undetermined=sum(v.status == "undetermined" for v in verdicts), total_time_ms=total_ms, fallback_time_ms=sum(spent) if spent else _zero_if(total_ms is not None and not fallback),
            recoverable_ms=sum(gain) if gain or raced else None, bound_ms=sum(self.bounds) if self.bounds else None,
            by_reason=dict(sorted(Counter(v.reason for v in fallback if v.reason is not None).items(), key=lambda item: (-item[1], item[0]))),
            bound_layers=len(self.bounds),
        )  # fmt: skip


def _zero_if(known: bool) -> float | None:
    """Nothing fell back, and there is a profile: 0 ms; without a profile nobody knows."""
    return 0.0 if known else None


def _table_ms(race: LayerRace | None) -> float | None:
    """What the selected tactic of a Myelin operation takes; of several tables any may be the one that runs, so the slowest counts."""
    times = [c.winner.time_ms for c in race.telling if c.winner is not None] if race is not None else []
    return max(times, default=None)


def _nodes_of(name: str) -> tuple[str, ...]:
    from ..parse.layer_names import onnx_nodes_from_name

    return onnx_nodes_from_name(name)


def _format_text(tensor: TensorInfo) -> str:
    return _joined(tensor.datatype or tensor.text, tensor.layout, tensor.dimensions)


@lru_cache(maxsize=1 << 14)
def _joined(datatype: str, layout: str | None, dimensions: tuple[int, ...] | None) -> str:
    """Of one text for all tensors of one shape: there are few in an engine, and each tensor stands in two layers."""
    return " ".join(part for part in (datatype, layout or "", "x".join(map(str, dimensions)) if dimensions else "") if part)


def _number(text: str | None) -> float | None:
    """A finite number; None for anything else, `nan` among it."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


__all__ = ["BuildLog", "Combination", "Environment", "Line", "Options", "diagnose", "explain", "is_sparse"]
