"""Prints a world as TensorRT would: one table of line forms a dialect, one writer of logs. In: `World`. Out: lines and where things stand.

Next: artefacts.py prints layer info and profile, judge.py judges. Forms: reference logs of TensorRT 8.2 to 10.16. Every log says that it
is synthetic.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .engine import engine_rows, reformat_winner
from .model import Choice, Combination, Format, Graph, Layer, Pass, Tactic, World, descriptor, edge_formats, edges, running
from .switches import Habits, Switches

RUNNER_IDS = {
    "CudnnConvolution": "80000000",
    "CaskConvolution": "80000009",
    "Shuffle": "8000000d",
    "Reformat": "80000006",
    "Myelin": "80000023",
    "PointWiseV2": "80000028",
    "CublasConvolution": "80000029",
    "CaskGemmConvolution": "8000002e",
    "CaskPooling": "8000002f",
    "CaskFlattenConvolution": "80000036",
    "PluginV2": "80000026",
}


@dataclass(frozen=True)
class Dialect:
    """What differs between versions, as data."""

    name: str
    version: str
    era: float
    decimal_ids: bool = False  # to 8.2: signed decimal ids
    split_names: bool = False  # to 8.5: the name on a line before the time
    named_costs: bool = True  # from 8.6.1: "Computing costs for NAME"
    runner_ids: bool = True  # from 8.6: (CaskConvolution[0x80000009])
    listing_new: bool = False  # 10.x: "(Sparsity) Found N layer(s) ...", severity V
    lanes_in_engine: bool = True  # from 8.5: name (Half[1,64:8,28,28])
    cached: bool = False  # 10.x: "got cached result" lines
    strategies: bool = False  # 10.14+: "Building graph using backend strategy N"
    reformats_first: bool = True  # 8.x prints reformat sections before layer sections
    writer: str = "trtexec"

    @property
    def habits(self) -> Habits:
        return Habits(self.era, self.cached, self.era >= 8.6, self.strategies, self.era >= 8.6)

    def tactic(self, number: int) -> str:
        if self.decimal_ids:
            return str(number - (1 << 64) if number >= 1 << 63 else number)
        return f"0x{number:016x}"

    def runner(self, name: str) -> str:
        return f"{name}[0x{RUNNER_IDS[name]}]" if self.runner_ids else name


def _dialects() -> tuple[Dialect, ...]:
    base = [
        Dialect("8.2", "8.2.3", 8.2, decimal_ids=True, split_names=True, named_costs=False, runner_ids=False, lanes_in_engine=False),
        Dialect("8.5", "8.5.2", 8.5, split_names=True, named_costs=False, runner_ids=False),
        Dialect("8.6", "8.6.1", 8.6),
        Dialect("10.3", "10.3.0", 10.3, listing_new=True, cached=True, reformats_first=False),
        Dialect("10.16", "10.16.0", 10.16, listing_new=True, cached=True, strategies=True, reformats_first=False),
    ]
    python = [Dialect(**{**d.__dict__, "name": d.name + "-python", "writer": "python"}) for d in base]
    return tuple(base + python)


DIALECTS: tuple[Dialect, ...] = _dialects()


@dataclass
class Log:
    """Lines so far; `marks` names places (`listing`, `engine`, `costs`, `end:LAYER`) as counts of lines before them.

    `shown` counts what an independent reader should find: timed tactics of layers (not of reformats), combinations, chosen runners,
    skipped tactics,
    cached results, engine layers.
    """

    lines: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        self.marks.setdefault(name, len(self.lines))

    def count(self, what: str, number: int = 1) -> None:
        self.shown[what] = self.shown.get(what, 0) + number


class Writer:
    """Prints one build."""

    def __init__(self, dialect: Dialect, rng: random.Random, switches: Switches, model: str) -> None:
        self.dialect, self.rng, self.switches, self.model = dialect, rng, switches, model
        self.log = Log()
        self.second = rng.randint(0, 80000)

    # -- lines ------------------------------------------------------------------------------------------------------------------------

    def stamp(self) -> str:
        seconds = self.second + len(self.log.lines) // 40
        return f"[01/02/2030-{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}]"

    def raw(self, text: str) -> None:
        self.log.lines.append(text)

    def own(self, text: str, severity: str = "I") -> None:
        """A line of trtexec itself; the Python API prints none."""
        if self.dialect.writer == "trtexec":
            self.raw(f"{self.stamp()} [{severity}] {text}")

    def put(self, text: str, severity: str = "V") -> bool:
        """A line of TensorRT. False where it was lost with standard error."""
        if self.switches.stderr_missing and severity in "WE" and self.dialect.writer == "trtexec":
            return False
        middle = f"[{severity}] [TRT]" if self.dialect.writer == "trtexec" else f"[TRT] [{severity}]"
        self.raw(f"{self.stamp()} {middle} {text}")
        return True

    # -- parts ------------------------------------------------------------------------------------------------------------------------

    def header(self, world: World) -> None:
        dialect = self.dialect
        if dialect.writer == "trtexec":
            major, minor, patch = ([*dialect.version.split("."), "0"])[:3]
            tag = f"v{major}{int(minor):02d}{int(patch):02d}" if int(major) >= 10 else f"v{major}{minor}0{patch}"
            flags = {"fp16": "--fp16 ", "int8": "--fp16 --int8 ", "fp32": ""}[world.precision]
            sparse = "--sparsity=enable " if world.sparsity else ""
            self.raw(
                f"&&&& RUNNING TensorRT.trtexec [TensorRT {tag}] # trtexec --onnx={self.model} {flags}{sparse}--verbose "
                "--profilingVerbosity=detailed"
            )
            precision = {"fp16": "FP32+FP16", "int8": "FP32+FP16+INT8", "fp32": "FP32"}[world.precision]
            block = [
                "=== Model Options ===",
                "Format: ONNX",
                f"Model: {self.model}",
                "Output:",
                "=== Build Options ===",
                "Memory Pools: workspace: default, dlaSRAM: default, dlaLocalDRAM: default, dlaGlobalDRAM: default",
                "avgTiming: 8",
                f"Precision: {precision}",
                "LayerPrecisions: ",
                "Refit: Disabled",
                f"Sparsity: {'Enabled' if world.sparsity else 'Disabled'}",
                "Safe mode: Disabled",
                "DirectIO mode: Disabled",
                f"timingCacheMode: {'global' if world.loaded_entries else 'local'}",
            ]
            if dialect.era >= 8.6:
                block.append(f"BuilderOptimizationLevel: {5 if dialect.strategies else 3}")
            block += [
                "=== Reporting Options ===",
                "Verbose: Enabled",
                "",
                "=== Device Information ===",
                f"Selected Device: {world.gpu.name}",
                f"Compute Capability: {world.gpu.compute_capability}",
                f"SMs: {world.gpu.multiprocessors}",
                "Memory Bus Width: 384 bits (ECC disabled)",
                "",
                f"TensorRT version: {dialect.version}",
            ]
            for text in block:
                self.own(text)
        self.put("[MemUsageChange] Init CUDA: CPU +300, GPU +0, now: CPU 320, GPU 700 (MiB)", "I")
        if dialect.era >= 10:
            self.put(f"Loaded shared library libnvinfer_builder_resource_sm{world.gpu.sm}.so.{dialect.version}")
        self.put("onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights. Attempting to cast down to INT32.", "W")
        if world.loaded_entries:
            self.put(f"Loaded {world.loaded_entries} timing cache entries.", "V")

    def network(self, graph: Graph) -> None:
        """The ONNX nodes as the parser prints them: shapes, kernels, groups."""
        for tensor in graph.tensors.values():
            if tensor.role == "input":
                shape = ", ".join(map(str, tensor.shape))
                self.put(f"Adding network input: {tensor.name} with dtype: float32, dimensions: ({shape})")
        for layer in graph.layers:
            if layer.kind not in ("conv", "gemm"):
                continue
            node, operator = layer.nodes[0], "Conv" if layer.kind == "conv" else "Gemm"
            source, target = graph.tensors[layer.inputs[0]].shape, graph.tensors[layer.outputs[0]].shape
            kernel = (3, 3) if layer.kind == "conv" else ()
            weight = ", ".join(map(str, (target[1], source[1] // layer.groups, *kernel)))
            shape, after = ", ".join(map(str, source)), ", ".join(map(str, target))
            self.put(f"Parsing node: {node} [{operator}]")
            self.put(f"{node} [{operator}] inputs: [{layer.inputs[0]} -> ({shape})[FLOAT]], [{node}.weight -> ({weight})[FLOAT]], ")
            self.put(f"Registering layer: {node} for ONNX node: {node}")
            if kernel:
                groups = f", nbGroups: {layer.groups}" if self.dialect.era >= 8.6 else ""
                self.put(
                    "Using kernel: (3, 3), strides: (1, 1), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 1), "
                    f"numOutputs: {target[1]}{groups}"
                )
            self.put(f"{node} [{operator}] outputs: [{layer.outputs[0]} -> ({after})[FLOAT]], ")
        for number, tensor in enumerate(graph.tensors.values()):
            if tensor.role == "output":
                self.put(f"Marking {tensor.name}_{number} as output: {tensor.name}")
        for layer in graph.layers:
            if layer.kind == "conv" and len(layer.nodes) == 2 and layer.nodes[1].startswith("Relu"):
                self.put(f"ConvReluFusion: Fusing {layer.nodes[0]} with {layer.nodes[1]}")

    def build(self, world: World) -> None:
        first = world.passes[0].graphs[0]
        self.network(first)
        for item in world.passes:
            self.tuning_pass(world, item)
        self.engine(world.engine)

    def tuning_pass(self, world: World, item: Pass) -> None:
        if item.strategy is not None:
            self.put(f"Building graph using backend strategy {item.strategy}")
        kind = "Global" if world.loaded_entries else "Local"
        stored = "" if world.loaded_entries else "not "
        self.put(f"{kind} timing cache in use. Profiling results in this builder pass will {stored}be stored.", "I")
        for graph, choice in zip(item.graphs, item.choices, strict=True):
            self.put(f"Constructing optimization profile number {graph.profile} [{graph.profile + 1}/{len(item.graphs)}].")
            self.put("Reserving memory for host IO tensors. Host: 0 bytes")
            self.log.mark("tuning")
            if self.dialect.reformats_first:
                self.reformats(graph)
            for layer in graph.layers:
                self.layer(graph, layer, world)
                if item.used:
                    self.log.marks[f"end:{layer.name}"] = len(self.log.lines)
            if not self.dialect.reformats_first:
                self.reformats(graph)
            if item.used:
                self.log.mark("tuned")
            self.adding(graph, choice)
            self.put(f"Formats and tactics selection completed in {self.rng.uniform(1, 90):.6g} seconds.")
            self.put(f"After reformat layers: {len(graph.layers)} layers")
        for graph in item.graphs:
            for layer in graph.layers:
                self.put(f"Layer: {layer.name} Host Persistent: 4912 Device Persistent: 0 Scratch Memory: 0")
        if world.sparsity:
            self.listing(item)
        if item.used:
            self.log.mark("listed")
        if self.dialect.era >= 10:
            self.put(f"Engine generation completed in {self.rng.uniform(2, 99):.6g} seconds.", "I")
        else:
            self.put(f"Engine generation completed in {self.rng.uniform(2, 99):.6g} seconds.")
        if len(world.passes) > 1:
            estimated = f"({item.estimated_ms:.6g})"
            if item.used:
                self.put(f"Use backend strategy {item.strategy} with estimated inference time {estimated} as the initial choice.")
            else:
                before = f"({world.engine.estimated_ms:.6g})"
                self.put(
                    f"Skip backend strategy {item.strategy}since its estimated inference time {estimated} is not faster than the "
                    f"previous engine with estimated inference time {before}."
                )

    def listing(self, item: Pass) -> None:
        """Both (Sparsity) lines of a pass; what stands inside Myelin regions was listed by their own sub-builds."""
        pairs = [(g, c, layer) for g, c in zip(item.graphs, item.choices, strict=True) for layer in g.layers if layer.kind != "myelin"]
        eligible = [layer.listed_name for _, _, layer in pairs if layer.eligible]
        chosen = [layer.listed_name for g, c, layer in pairs if layer.eligible and running(g, c, layer.name).sparse]
        if self.dialect.listing_new:
            self.put(f"(Sparsity) Found {len(eligible)} layer(s) eligible to use sparse tactics: {', '.join(eligible)}")
            self.put(f"(Sparsity) Chose {len(chosen)} layer(s) using sparse tactics: {', '.join(chosen)}")
        else:
            blank = " " if eligible else ""
            self.put(f"(Sparsity) Layers eligible for sparse math:{blank}{', '.join(eligible)}", "I")
            self.put(
                f"(Sparsity) TRT inference plan picked sparse implementation for layers:{' ' if chosen else ''}{', '.join(chosen)}", "I"
            )

    # -- races ------------------------------------------------------------------------------------------------------------------------

    def layer(self, graph: Graph, layer: Layer, world: World) -> None:
        self.put(f"=============== Computing costs for {layer.name if self.dialect.named_costs else ''}")
        if layer.kind == "myelin" and self.dialect.era >= 10:
            self.put(f"ForeignNode {layer.name} metadata: {''.join(f'[ONNX Layer: {node}]' for node in layer.nodes)}")
        for combination in layer.combinations:
            self.log.count("combinations")
            sources = ", ".join(descriptor(f, graph.tensors[t].shape) for f, t in zip(combination.inputs, layer.inputs, strict=True))
            targets = ", ".join(descriptor(f, graph.tensors[t].shape) for f, t in zip(combination.outputs, layer.outputs, strict=True))
            winner = combination.winner
            if combination.printed in ("cached", "external") and winner is not None:
                self.put(
                    f"{layer.name} [{sources} -> {targets}] got cached result: {winner.runner}, tactic {self.dialect.tactic(winner.id)}, "
                    f"{winner.time_ms:.6g} ms"
                )
                self.log.count("cached")
                continue
            self.put(f"*************** Autotuning format combination: {sources} -> {targets} ***************")
            if combination.printed == "timed" or winner is None:
                self.race(layer, combination, world)
            if winner is not None and combination.printed in ("timed", "chose"):
                self.put(f">>>>>>>>>>>>>>> Chose Runner Type: {winner.runner} Tactic: {self.dialect.tactic(winner.id)}")
                self.log.count("chosen")

    def race(self, layer: Layer, combination: Combination, world: World) -> None:
        dialect = self.dialect
        runners = list(dict.fromkeys(t.runner for t in combination.tactics))
        for runner in runners:
            tactics = [t for t in combination.tactics if t.runner == runner]
            self.put(f"--------------- Timing Runner: {layer.name} ({dialect.runner(runner)})")
            if layer.kind == "myelin":
                self.region(layer, world)
            pruned = sum(t.skipped == "pruned" for t in tactics)
            if pruned:
                self.put(
                    f"{len(tactics)} available tactics, 0 unparsable, {pruned} pruned, "
                    f"{len(tactics) - pruned} remaining after tactic pruning."
                )
            for tactic in tactics:
                self.tactic(layer, tactic)
            timed = [t for t in tactics if t.skipped is None]
            if not timed:
                continue
            best = min(timed, key=lambda t: t.time_ms)
            fastest = f"Fastest Tactic: {dialect.tactic(best.id)} Time: {best.time_ms:.6g}"
            if dialect.runner_ids:
                took = f"{self.rng.uniform(0.002, 0.4):.6g}"
                self.put(f"{layer.name} ({dialect.runner(runner)}) profiling completed in {took} seconds. {fastest}")
            else:
                self.put(fastest)
        for runner in combination.invalid_runners:
            if dialect.era >= 10:
                self.put(f"Skipping {runner}: No valid tactics for {layer.name}")
            else:
                self.put(f"--------------- Timing Runner: {layer.name} ({dialect.runner(runner)})")
                self.put(f"{runner} has no valid tactics for this config, skipping")
        if any(t.skipped == "scratch" for t in combination.tactics):
            self.put(
                "Some tactics do not have sufficient workspace memory to run. Increasing workspace size will enable more tactics, "
                "please check verbose output for requested sizes.",
                "I",
            )

    def tactic(self, layer: Layer, tactic: Tactic) -> None:
        dialect, number = self.dialect, self.dialect.tactic(tactic.id)
        size = self.rng.randrange(1 << 20, 1 << 33)
        if tactic.skipped == "pruned":
            return
        if tactic.skipped == "memory":
            if dialect.decimal_ids:
                if self.put(f"Skipping tactic 3 due to insuficient memory on requested size of {size >> 20} detected for tactic 4.", "W"):
                    self.raw("Try decreasing the workspace size with IBuilderConfig::setMaxWorkspaceSize().")
                    self.log.count("skipped")
            else:
                glue = ": " if dialect.era >= 10 else ""
                why = f"insufficient memory on requested size of {size} detected for tactic {number}."
                text = f"UNSUPPORTED_STATE{glue}Skipping tactic 3 due to {why}"
                if self.put(text, "W"):
                    self.log.count("skipped")
            return
        if tactic.skipped == "device":
            text = f"Tactic Device request: {size >> 20}MB Available: {size >> 21}MB. Device memory is insufficient to use tactic."
            if self.put(text, "W"):
                self.log.count("skipped")
            return
        if (tactic.fast_skip and dialect.era >= 8.6) or tactic.skipped == "time":
            self.put(f"Fast skip Tactic:{number} which exceed time limit during pre-run")
            if tactic.skipped == "time":
                self.log.count("skipped")
                return
        named = bool(tactic.kernel) and tactic.named
        if dialect.split_names and named:
            gemm = layer.kind == "gemm" and dialect.era >= 8.5
            prefix = "" if gemm else f"{layer.name} "
            suffix = " numSplitK: 1 numBuffers: 0 numKernels: 1" if gemm else ""
            self.put(f"{prefix}Set Tactic Name: {tactic.kernel} Tactic: {number}{suffix}")
        if tactic.skipped == "scratch":
            self.put(f"Tactic: {number} skipped. Scratch requested: {size}, available: {size // 3}")
            if dialect.era >= 10:
                self.put(f"Setting workspace to {size}enables more tactics for profiling")
            self.log.count("skipped")
            return
        name = f"Tactic Name: {tactic.kernel} " if named and not dialect.split_names else ""
        self.put(f"{name}Tactic: {number} Time: {tactic.time_ms:.6g}")
        self.log.count("timed")

    def region(self, layer: Layer, world: World) -> None:
        """What a Myelin sub-build prints."""
        if self.dialect.era < 10:
            return
        inside = " (foreignNode) "
        self.put("Compiler backend is used during engine build.", "I")
        self.put(f"{inside}Set user's cuda kernel library")
        if layer.table:
            self.put(f"{inside}Autotuning op {layer.op}: [ONNX Layer: {layer.op}]")
            self.put(f"{inside}Sorted table of all evaluated tactics:")
            self.put(
                f"{inside}tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, tunable_parameter"
            )
            for rank, row in enumerate(layer.rows):
                ratio = row.time_ms / layer.rows[0].time_ms
                self.put(f"{inside}{rank:4d}, {row.time_ms:.7f}, {ratio:.5f}, 0.00000, {row.kernel}, 0x{row.id:x}, ")
                self.log.count("rows")
        if world.sparsity:
            chosen = f" {layer.op}" if layer.rows and layer.rows[0].sparse else ""
            self.put(f"{inside}(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {layer.op}")
            self.put(f"{inside}(Sparsity) Chose {1 if chosen else 0} layer(s) using sparse tactics:{chosen}")

    # -- reformats --------------------------------------------------------------------------------------------------------------------

    def reformats(self, graph: Graph) -> None:
        dialect = self.dialect
        seen: set[tuple[str, str, float]] = set()
        by_tensor: dict[str, list[tuple[Format, Format, float]]] = {}
        for (tensor, source, target), cost in graph.reformats.items():
            by_tensor.setdefault(tensor, []).append((source, target, cost))
        for tensor, rows in by_tensor.items():
            shape = graph.tensors[tensor].shape
            if dialect.era >= 10:
                self.put("=============== Computing reformatting costs for available format set")
            self.put(f"=============== Computing reformatting costs{': ' if dialect.era >= 8.5 else ''}")
            place = f"<in> -> {tensor}" if graph.tensors[tensor].role == "output" else f"{tensor} -> <out>"
            name = f"Optimizer Reformat({place})"
            for source, target, cost in rows:
                a, b = descriptor(source, shape), descriptor(target, shape)
                winner = reformat_winner(tensor, a, b)
                if (tensor, source, target) in graph.unmeasured:
                    if not graph.is_free(tensor, source, target) and dialect.era < 10:  # silent: an equal pair was timed before
                        self.put(f"*************** Autotuning Reformat: {a} -> {b} ***************")
                    continue
                if dialect.cached and (a, b, cost) in seen:
                    self.put(f"{name} [{a} -> {b}] got cached result: Reformat, tactic {dialect.tactic(winner)}, {cost:.6g} ms")
                    continue
                seen.add((a, b, cost))
                self.put(f"*************** Autotuning Reformat: {a} -> {b} ***************")
                self.put(f"--------------- Timing Runner: {name} ({dialect.runner('Reformat')})")
                for number in (1000, 1002, 0):
                    time_ms = cost if number == winner else cost * self.rng.uniform(1.02, 2.5)
                    self.put(f"Tactic: {dialect.tactic(number)} Time: {time_ms:.6g}")
                fastest = f"Fastest Tactic: {dialect.tactic(winner)} Time: {cost:.6g}"
                if dialect.runner_ids:
                    self.put(f"{name} ({dialect.runner('Reformat')}) profiling completed in 0.00812 seconds. {fastest}")
                else:
                    self.put(fastest)

    def adding(self, graph: Graph, choice: Choice) -> None:
        for edge in edges(graph):
            source, target = edge_formats(graph, edge, choice)
            if source == target:
                continue
            shape = graph.tensors[edge.tensor].shape
            side, name, slot = ("Input", edge.target, edge.slot) if edge.target else ("Output", edge.source, edge.source_slot)
            self.put(
                f"Adding reformat layer: Reformatted {side} Tensor {slot} to {name} ({edge.tensor}) from {descriptor(source, shape)} "
                f"to {descriptor(target, shape)}"
            )

    # -- the engine -------------------------------------------------------------------------------------------------------------------

    def engine(self, item: Pass) -> None:
        self.log.mark("engine")
        self.put("Engine Layer Information:")
        for graph, choice in zip(item.graphs, item.choices, strict=True):
            for line in self.engine_lines(graph, choice):
                self.raw(line)
                self.log.count("engine_layers")
        self.log.mark("engine_end")
        self.put("[MemUsageChange] TensorRT-managed allocation in building engine: CPU +0, GPU +4, now: CPU 0, GPU 4 (MiB)", "I")
        self.own("Engine built in 12.5 sec.")
        if self.dialect.writer == "trtexec":
            self.raw(f"&&&& PASSED TensorRT.trtexec # trtexec --onnx={self.model}")

    def engine_lines(self, graph: Graph, choice: Choice) -> list[str]:
        lines = []
        for row in engine_rows(graph, choice):
            sources = ", ".join(self.engine_tensor(graph, t, f, s) for t, f, s in row.inputs)
            targets = ", ".join(self.engine_tensor(graph, t, f, s) for t, f, s in row.outputs)
            lines.append(f"Layer({row.layer_type}): {row.name}, Tactic: {self.dialect.tactic(row.tactic)}, {sources} -> {targets}")
        return lines

    def engine_tensor(self, graph: Graph, name: str, form: Format, shape: tuple[int, ...]) -> str:
        lanes = {"CHW4": 4, "CHW32": 32, "HWC4": 4, "HWC8": 8, "HWC16": 16}.get(form.layout, 1)
        channels = f"{shape[1]}:{lanes}" if lanes > 1 and self.dialect.lanes_in_engine else str(shape[1])
        dims = ",".join((str(shape[0]), channels, *map(str, shape[2:])))
        if self.dialect.lanes_in_engine:
            return f"{name} ({form.dtype}[{dims}])"
        return f"{name}[{form.dtype}({dims})]"
