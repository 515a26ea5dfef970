"""Random worlds. In: a random generator, switches, a dialect's habits. Out: a `World` whose marks say what its log will show.

Next: dialects.py prints it. What a switch does is written at its field; most make evidence disappear and leave the truth alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

from .kernels import dense_kernel, other_kernel, sparse_kernel
from .model import (
    GPUS,
    TURING,
    Choice,
    Combination,
    Format,
    Gpu,
    Graph,
    Layer,
    Pass,
    Tactic,
    Tensor,
    World,
    descriptor,
    edges,
    logged,
    solve,
    tactic_hash,
    total_ms,
)
from .switches import Habits, Switches

SYNTHETIC_INPUT, SYNTHETIC_OUTPUT = "synthetic_input", "synthetic_output"


class Maker:
    """Draws one world. All randomness comes from `rng`, in a fixed order."""

    def __init__(self, rng: random.Random, switches: Switches, habits: Habits) -> None:
        self.rng, self.switches, self.habits = rng, switches, habits
        self.gpu: Gpu = TURING if switches.sm75 else rng.choice(GPUS)
        self.precision = "fp32" if switches.float_only else rng.choice(("fp16", "fp16", "int8"))
        self.counter = 0

    # -- times ------------------------------------------------------------------------------------------------------------------------

    def noisy(self, true_ms: float) -> float:
        """The logged time of a kernel that truly takes `true_ms`: small kernels scatter more."""
        if not self.switches.noise:
            return logged(true_ms)
        spread = 0.08 if true_ms < 0.01 else 0.03 if true_ms < 0.1 else 0.01
        return logged(true_ms * math.exp(self.rng.gauss(0.0, spread)))

    def tactic(self, runner: str, kernel: str | None, sparse: bool, true_ms: float, number: int = 0) -> Tactic:
        identity = tactic_hash(kernel) if kernel else number
        return Tactic(runner, identity, kernel, sparse, self.noisy(true_ms), true_ms)

    # -- layers -----------------------------------------------------------------------------------------------------------------------

    def node(self, operator: str) -> str:
        self.counter += 1
        return f"{operator}_{self.counter}"

    def weighted(self, kind: str, inputs: tuple[str, ...], output: str, nodes: tuple[str, ...], eligible: bool, groups: int = 1) -> Layer:
        """A convolution or matrix multiplication with one race a combination."""
        rng = self.rng
        runner = "CaskConvolution" if kind == "conv" else "CaskGemmConvolution"
        theme = rng.choice(("slower", "slower", "slower", "tie", "win", "win", "format", "format", "format", "elsewhere", "none", "none"))
        if not eligible or self.switches.flag_off or self.gpu.sm < 80 or self.precision == "fp32":
            theme = "none"
        base = math.exp(rng.uniform(math.log(0.008), math.log(0.35)))
        plain: list[tuple[Format, Format, float, bool]] = []  # input, output, cost factor, a sparse kernel exists
        floating, half = "Float", "Half"
        if self.precision == "fp32":
            plain = [(Format(floating, lay), Format(floating, lay), rng.uniform(0.9, 1.6), False) for lay in ("LINEAR", "HWC", "HWC4")]
        else:
            plain.append((Format(floating, "LINEAR"), Format(floating, "LINEAR"), rng.uniform(1.5, 2.5), False))
            plain.append((Format(half, "LINEAR"), Format(half, "LINEAR"), rng.uniform(0.95, 1.3), kind == "gemm"))
            plain.append((Format(half, "HWC8"), Format(half, "HWC8"), rng.uniform(0.8, 1.1), True))
            if rng.random() < 0.4:
                plain.append((Format(half, "HWC8"), Format(half, "LINEAR"), rng.uniform(0.9, 1.2), rng.random() < 0.5))
            if self.precision == "int8":
                plain.append((Format("Int8", "CHW32"), Format("Int8", "CHW32"), rng.uniform(0.4, 0.8), True))
                if rng.random() < 0.5:
                    plain.append((Format("Int8", "CHW4"), Format("Int8", "CHW4"), rng.uniform(0.8, 1.2), False))
        if theme in ("format", "elsewhere"):  # dense is better where sparse does not exist
            heavy = (1.0, 1.25) if theme == "format" else (1.3, 2.2)
            best_without = min(factor for _, _, factor, sparse in plain if not sparse) if any(not p[3] for p in plain) else 1.0
            plain = [(a, b, best_without * rng.uniform(*heavy) if sparse else factor, sparse) for a, b, factor, sparse in plain]
        family = "CudnnConvolution" if kind == "conv" else "CublasConvolution"
        tried = (family,) * self.switches.repeated_ids + ((runner, "CaskFlattenConvolution") if kind == "conv" else (runner,))
        combinations = []
        for source, target, factor, has_sparse in plain:
            best_dense = base * factor
            tactics = []
            if self.switches.repeated_ids and rng.random() < 0.6:
                for number in rng.sample((0, 1, 2, 1000), rng.randint(1, 2)):
                    tactics.append(self.tactic(family, None, False, best_dense * rng.uniform(0.9, 1.4), number))
            for rank in range(rng.randint(1, 4)):
                kernel = dense_kernel(rng, self.gpu.sm, kind, source, target)
                tactics.append(self.tactic(runner, kernel, False, best_dense * (1.0 if rank == 0 else rng.uniform(1.02, 2.0))))
            if has_sparse and theme != "none":
                low, high = {"slower": (1.05, 1.8), "tie": (1.002, 1.027), "win": (0.6, 0.95)}.get(theme, (0.7, 0.97))
                best_sparse = min(t.true_ms for t in tactics) * rng.uniform(low, high)
                for rank in range(rng.randint(1, 3)):
                    kernel = sparse_kernel(rng, self.gpu.sm, kind, source, target)
                    tactics.append(self.tactic(runner, kernel, True, best_sparse * (1.0 if rank == 0 else rng.uniform(1.02, 1.5))))
            unique = {(t.runner, t.id): t for t in tactics}
            ordered = list(unique.values())
            cask = [t for t in ordered if t.kernel]
            rng.shuffle(cask)
            ordered = [t for t in ordered if not t.kernel] + cask
            invalid = tuple(name for name in tried if name not in {t.runner for t in ordered})
            extra = len(inputs) - 1
            combinations.append(Combination((source,) + (target,) * extra, (target,), tuple(ordered), invalid_runners=invalid))
        if rng.random() < 0.3:  # a combination that no runner can do
            form = Format(plain[0][0].dtype, "CHW4")
            combinations.append(Combination((form,) * len(inputs), (form,), (), invalid_runners=tried))
        return Layer(" + ".join(nodes), kind, nodes, inputs, (output,), tuple(combinations), eligible, groups)

    def formats(self, linear_only: bool) -> list[Format]:
        if self.precision == "fp32":
            found = [Format("Float", "LINEAR"), Format("Float", "HWC"), Format("Float", "HWC4")]
        else:
            found = [Format("Half", "LINEAR"), Format("Float", "LINEAR"), Format("Half", "HWC8")]
            if self.precision == "int8":
                found.append(Format("Int8", "CHW32"))
        return [f for f in found if f.layout == "LINEAR"] if linear_only else found

    def follower(self, kind: str, inputs: tuple[str, ...], output: str, linear_only: bool) -> Layer:
        """A layer that sparsity does not concern."""
        operator, runner = {
            "pool": ("MaxPool", "CaskPooling"),
            "shuffle": ("Transpose", "Shuffle"),
            "add": ("Add", "PointWiseV2"),
            "plugin": ("SyntheticPlugin", "PluginV2"),
        }[kind]
        forms = [Format("Half" if self.precision != "fp32" else "Float", "LINEAR")] if kind == "plugin" else self.formats(linear_only)
        base = self.rng.uniform(0.003, 0.02)
        combinations = []
        for form in forms:
            factor = self.rng.uniform(0.8, 1.6) * (2.0 if form.dtype == "Float" and self.precision != "fp32" else 1.0)
            if kind == "pool":
                tactics = [
                    self.tactic(runner, other_kernel(self.rng, form), False, base * factor * self.rng.uniform(1.0, 1.3)) for _ in range(2)
                ]
                tactics = list({t.id: t for t in tactics}.values())
            else:
                tactics = [
                    self.tactic(runner, None, False, base * factor * (1.0 + 0.2 * n), n) for n in range(1 if kind == "plugin" else 2)
                ]
            combinations.append(Combination((form,) * len(inputs), (form,), tuple(tactics)))
        node = self.node(operator)
        return Layer(f"PWN({node})" if kind == "add" else node, kind, (node,), inputs, (output,), tuple(combinations))

    def region(self, source: str, output: str) -> Layer:
        """A Myelin region with one matrix multiplication in it."""
        op, softmax = self.node("Gemm"), self.node("Softmax")
        form = Format("Float" if self.precision == "fp32" else "Half", "LINEAR")
        base = self.rng.uniform(0.01, 0.1)
        rows = [
            self.row(dense_kernel(self.rng, max(self.gpu.sm, 75), "gemm", form, form), False, base * (1.0 + 0.1 * rank))
            for rank in range(4)
        ]
        if self.precision != "fp32" and self.gpu.sm >= 80 and not self.switches.flag_off and self.rng.random() < 0.6:
            ratio = self.rng.choice((self.rng.uniform(1.06, 1.5), self.rng.uniform(0.6, 0.9)))
            rows.append(self.row(sparse_kernel(self.rng, self.gpu.sm, "gemm", form, form), True, base * ratio))
        rows = sorted({t.id: t for t in rows}.values(), key=lambda t: t.time_ms)
        whole = self.tactic("Myelin", None, False, rows[0].true_ms + 0.004, 0)
        return Layer(
            f"{{ForeignNode[{op}.weight...{softmax}]}}",
            "myelin",
            (op, softmax),
            (source,),
            (output,),
            (Combination((form,), (form,), (whole,)),),
            True,
            op=op,
            rows=tuple(rows),
            table=self.switches.myelin_table,
        )

    def row(self, kernel: str, sparse: bool, true_ms: float) -> Tactic:
        return replace(self.tactic("Myelin", kernel, sparse, true_ms), id=tactic_hash(kernel, 52), time_ms=round(self.noisy(true_ms), 7))

    # -- graphs -----------------------------------------------------------------------------------------------------------------------

    def graph(self) -> Graph:
        """A chain of two to five weighted layers with pooling, plugins and residual joins between them."""
        rng, switches = self.rng, self.switches
        tiny = switches.free_reformats and rng.random() < 0.4
        spatial = (1, 1) if tiny else rng.choice(((14, 14), (28, 28), (56, 28)))
        channels = rng.choice((64, 128, 256) if switches.free_reformats or switches.twins else (32, 48, 72, 96, 160, 288))
        outside = Format("Float", "LINEAR") if self.precision == "fp32" or rng.random() < 0.6 else Format("Half", "LINEAR")
        tensors: dict[str, Tensor] = {}
        layers: list[Layer] = []

        def tensor(name: str, width: int, role: str = "inner") -> str:
            tensors[name] = Tensor(name, (1, width, *spatial), role, outside if role != "inner" else None)
            return name

        current: str = tensor(SYNTHETIC_INPUT, 16 if not switches.twins else channels, "input")
        history: list[str] = []
        count = rng.randint(2, 5)
        grouped_at = rng.randrange(count) if switches.grouped else -1
        twinnable: list[Layer] = []
        for index in range(count):
            kind = "gemm" if spatial == (1, 1) else "conv"
            operator = "Conv" if kind == "conv" else "Gemm"
            width = channels if switches.twins or switches.fan_out or rng.random() < 0.5 else rng.choice((64, 96, 128, 192))
            nodes: tuple[str, ...] = (self.node(operator),)
            inputs: tuple[str, ...] = (current,)
            partners = [t for t in history if tensors[t].shape[1] == width and t != current]
            residual = bool(partners) and (switches.fan_out or rng.random() < 0.1) and index != grouped_at
            if residual and rng.random() < 0.6:
                inputs = (current, rng.choice(partners))
                nodes += (self.node("Add"),)
            if rng.random() < 0.8 or len(nodes) > 1:
                nodes += (self.node("Relu"),)
            eligible = index != grouped_at and not (switches.unlisted and rng.random() < 0.4)
            output = tensor(f"t{self.counter}", width)
            layer = self.weighted(kind, inputs, output, nodes, eligible, groups=1 if index != grouped_at else 8)
            layers.append(layer)
            history.append(output)
            if switches.twins and len(inputs) == 1 and tensors[current].shape == tensors[output].shape and rng.random() < 0.8:
                twinnable.append(layer)
                copy_output = tensor(f"t{self.counter}b", width)
                nodes = tuple(self.node(n.split("_")[0]) for n in nodes)
                layers.append(
                    replace(layer, name=" + ".join(nodes), nodes=nodes, inputs=(output,), outputs=(copy_output,), twin_of=layer.name)
                )
                history.append(copy_output)
                output = copy_output
            current = output
            extra = rng.choice((None, None, "pool", "shuffle", "plugin"))
            if residual and len(inputs) == 1 and partners:
                extra = "add"
            if extra:
                made = tensor(f"u{self.counter}", tensors[current].shape[1])
                sources: tuple[str, ...] = (current, rng.choice(partners)) if extra == "add" else (current,)
                if extra == "add" and tensors[sources[1]].shape != tensors[current].shape:
                    sources = (current, current)
                layers.append(self.follower(extra, sources, made, switches.strategies or rng.random() < 0.3))
                if extra == "plugin":
                    tensors[made] = replace(tensors[made], role="plugin")
                    tensors[current] = replace(tensors[current], role="plugin")
                current = made
                history.append(made)
        if switches.myelin:
            made = tensor(f"t{self.counter}m", 16)
            layers.append(self.region(current, made))
            current = made
        tensors[SYNTHETIC_OUTPUT] = Tensor(SYNTHETIC_OUTPUT, tensors[current].shape, "output", outside)
        last = layers[-1]
        layers[-1] = replace(last, outputs=(SYNTHETIC_OUTPUT,))
        del tensors[current]
        used = {name for layer in layers for name in (*layer.inputs, *layer.outputs)}
        for name in [t for t in tensors if t not in used]:
            del tensors[name]
        return self.priced(Graph(tuple(layers), tensors, {}))

    def priced(self, graph: Graph) -> Graph:
        """Reformat costs for every pair of formats that can meet; equal descriptors cost the same where twins are about."""
        costs: dict[tuple[str, Format, Format], float] = {}
        by_text: dict[tuple[str, str], float] = {}
        for edge in edges(graph):
            fixed = graph.tensors[edge.tensor].fixed
            shape = graph.tensors[edge.tensor].shape
            sources = (
                {fixed} if edge.source is None else {c.outputs[edge.source_slot] for c in graph.layer(edge.source).combinations if c.winner}
            )
            targets = {fixed} if edge.target is None else {c.inputs[edge.slot] for c in graph.layer(edge.target).combinations if c.winner}
            for source in sorted(s for s in sources if s):
                for target in sorted(t for t in targets if t):
                    if source == target or (edge.tensor, source, target) in costs:
                        continue
                    texts = descriptor(source, shape), descriptor(target, shape)
                    fresh = self.noisy(math.exp(self.rng.uniform(math.log(0.0025), math.log(0.04))))
                    price = by_text.setdefault(texts, fresh) if self.switches.twins else fresh
                    costs[edge.tensor, source, target] = price
        return replace(graph, reformats=costs)

    # -- marks ------------------------------------------------------------------------------------------------------------------------

    def each_weighted(self, graph: Graph, change: Callable[[Layer], Layer]) -> Graph:
        return replace(graph, layers=tuple(change(layer) if layer.kind in ("conv", "gemm") else layer for layer in graph.layers))

    def mark(self, graph: Graph) -> Graph:
        """Apply the switches that touch races; twins copy whatever their original has become."""
        rng, switches = self.rng, self.switches
        loose = [layer for layer in graph.layers if layer.kind in ("conv", "gemm") and layer.twin_of is None]
        chosen = {layer.name for layer in loose if rng.random() < 0.5} or {rng.choice(loose).name}
        if switches.skipped_all_sparse:
            graph = self.each_weighted(graph, lambda item: self.skip_sparse(item) if item.name in chosen else item)
        if switches.skipped_some:
            graph = self.each_weighted(graph, lambda item: self.skip_some(item) if item.name in chosen else item)
        if switches.pruned:
            graph = self.each_weighted(graph, lambda item: self.prune(item) if item.name in chosen else item)
        if switches.unnamed:
            names = {
                t.kernel
                for item in loose
                if item.name in chosen
                for c in item.combinations
                for t in c.tactics
                if t.kernel and rng.random() < 0.4
            }
            graph = self.each_weighted(graph, lambda item: rename(item, names))
        if switches.hidden_cost:
            graph = replace(graph, layers=tuple(self.hide(item) if rng.random() < 0.6 else item for item in graph.layers))
        if switches.pinned_sparse:
            graph = self.each_weighted(graph, lambda item: self.pin(item) if item.name in chosen else item)
        if switches.warm_cache:
            how = "external" if self.habits.twins_cached else rng.choice(("silent", "chose"))
            graph = self.each_weighted(graph, lambda item: printed(item, how) if item.name in chosen else item)
        originals = {layer.name: layer for layer in graph.layers}
        shown = "cached" if self.habits.twins_cached else "silent"

        def follow(layer: Layer) -> Layer:
            if layer.twin_of is None:
                return layer
            original = originals[layer.twin_of]
            how = "external" if any(c.printed == "external" for c in original.combinations) else shown
            return printed(replace(layer, combinations=original.combinations), how)

        graph = self.each_weighted(graph, follow)
        return self.hide_reformats(graph)

    def skip_sparse(self, layer: Layer) -> Layer:
        return self.remake(layer, lambda t: replace(t, skipped="scratch") if t.sparse else t)

    def skip_some(self, layer: Layer) -> Layer:
        """Skip about a third of the tactics, but never the last one of a combination."""
        why = self.rng.choice(
            ("scratch", "memory", "device", "time", "fast") if self.habits.era >= 8.6 else ("scratch", "memory", "device")
        )
        combinations = []
        for combination in layer.combinations:
            tactics = [
                (replace(t, fast_skip=True) if why == "fast" else replace(t, skipped=why))
                if t.kernel and not t.skipped and self.rng.random() < 0.35
                else t
                for t in combination.tactics
            ]
            if tactics and all(t.skipped for t in tactics) and combination.timed:
                tactics[0] = replace(tactics[0], skipped=None)
            combinations.append(replace(combination, tactics=tuple(tactics)))
        return replace(layer, combinations=tuple(combinations))

    def prune(self, layer: Layer) -> Layer:
        """The sparse tactics are pruned before anyone could time them."""
        return self.remake(layer, lambda t: replace(t, skipped="pruned") if t.sparse else t)

    def remake(self, layer: Layer, change: Callable[[Tactic], Tactic]) -> Layer:
        made = tuple(replace(c, tactics=tuple(change(t) for t in c.tactics)) for c in layer.combinations)
        return replace(layer, combinations=made)

    def hide(self, layer: Layer) -> Layer:
        """Charge some combinations, sparse ones above all, a cost that no line shows."""
        made = tuple(
            replace(c, hidden_ms=self.rng.uniform(0.02, 0.3) if self.rng.random() < (0.7 if c.best(True) else 0.2) else 0.0)
            for c in layer.combinations
        )
        return replace(layer, combinations=made)

    def pin(self, layer: Layer) -> Layer:
        made = []
        for combination in layer.combinations:
            sparse = [n for n, t in enumerate(combination.tactics) if t.sparse and t.skipped is None]
            made.append(replace(combination, pinned=min(sparse, key=lambda n: combination.tactics[n].time_ms) if sparse else None))
        return replace(layer, combinations=tuple(made))

    def hide_reformats(self, graph: Graph) -> Graph:
        """Which reformats the log does not show: dropped ones, repeats of an equal pair in 8.x, and NoOps unless they are to tempt."""
        hidden = set()
        seen: set[tuple[str, str]] = set()
        for key in graph.reformats:
            tensor, source, target = key
            shape = graph.tensors[tensor].shape
            texts = descriptor(source, shape), descriptor(target, shape)
            repeat = texts in seen
            seen.add(texts)
            free = graph.is_free(tensor, source, target) and not self.switches.free_reformats
            gap = self.switches.reformat_gap and self.rng.random() < 0.4
            if free or gap or (repeat and self.switches.twins and not self.habits.twins_cached):
                hidden.add(key)
        return replace(graph, unmeasured=frozenset(hidden))

    # -- the build --------------------------------------------------------------------------------------------------------------------

    def world(self) -> World:
        graph = self.graph()
        if self.switches.fusion_differs:
            graph = self.each_weighted(graph, self.other_fusion)
        graph = self.mark(graph)
        choice = solve(graph)
        graphs, choices = [graph], [choice]
        if self.switches.profiles:
            second = self.mark(self.second_profile(graph))
            graphs.append(second)
            choices.append(solve(second))
        cost = sum(total_ms(g, c) for g, c in zip(graphs, choices, strict=True))
        first = Pass(tuple(graphs), tuple(choices), 4 if self.habits.strategies else None, True, logged(cost))
        passes = [first]
        if self.switches.strategies:
            passes.append(self.other_strategy(graph, cost))
        entries = self.rng.randint(3, 60) if self.switches.warm_cache else 0
        return World(self.gpu, tuple(passes), not self.switches.flag_off, entries, self.precision)

    def other_fusion(self, layer: Layer) -> Layer:
        """The list was printed before a fusion, or after another one."""
        if not layer.eligible or self.rng.random() < 0.4:
            return layer
        other = " + ".join(layer.nodes[:-1]) if len(layer.nodes) > 1 else f"{layer.name} + Relu_{self.counter + 100}"
        return replace(layer, listed_as=other)

    def second_profile(self, graph: Graph) -> Graph:
        """The same network at four times the batch: new races, suffixed names."""
        mark = " [profile 1]"
        tensors = {t.name + mark: replace(t, name=t.name + mark, shape=(4, *t.shape[1:])) for t in graph.tensors.values()}
        layers = []
        for layer in graph.layers:
            factor = self.rng.uniform(2.0, 3.6)
            changes: dict[str, tuple[Combination, ...]] = {}
            made = []
            for combination in layer.combinations:
                tactics = tuple(
                    replace(t, true_ms=t.true_ms * factor * (x := self.rng.uniform(0.9, 1.1)), time_ms=self.noisy(t.true_ms * factor * x))
                    for t in combination.tactics
                )
                made.append(replace(combination, tactics=tactics, printed="timed", hidden_ms=0.0, pinned=None))
            changes["combinations"] = tuple(made)
            layers.append(
                replace(
                    layer,
                    name=layer.name + mark,
                    inputs=tuple(n + mark for n in layer.inputs),
                    outputs=tuple(n + mark for n in layer.outputs),
                    twin_of=layer.twin_of + mark if layer.twin_of else None,
                    listed_as=layer.listed_as + mark if layer.listed_as else None,
                    op=layer.op + mark if layer.op else None,
                    combinations=changes["combinations"],
                )
            )
        return self.priced(replace(graph, layers=tuple(layers), tensors=tensors, profile=1, unmeasured=frozenset()))

    def other_strategy(self, graph: Graph, cost: float) -> Pass:
        """Another strategy's graph: the same races (cached results), but the layers between speak every layout."""
        layers = []
        for layer in graph.layers:
            if layer.kind in ("pool", "shuffle", "add"):
                fresh = self.follower(layer.kind, layer.inputs, layer.outputs[0], linear_only=False)
                layers.append(replace(fresh, name=layer.name + "_s3", nodes=layer.nodes))
            elif layer.kind in ("conv", "gemm"):
                layers.append(printed(layer, "cached"))
            else:
                layers.append(layer)
        second = self.priced(replace(graph, layers=tuple(layers), unmeasured=frozenset()))
        second = replace(second, reformats={**second.reformats, **graph.reformats})
        second = self.hide_reformats(second)
        choice: Choice = solve(second)
        return Pass((second,), (choice,), 3, False, logged(max(cost, total_ms(second, choice)) * self.rng.uniform(1.05, 1.3)))


def rename(layer: Layer, names: set[str]) -> Layer:
    made = tuple(
        replace(c, tactics=tuple(replace(t, named=t.kernel is None or t.kernel not in names) for t in c.tactics))
        for c in layer.combinations
    )
    return replace(layer, combinations=made)


def printed(layer: Layer, how: str) -> Layer:
    """Mark every combination that has a winner; one that no runner can do is printed as it is."""
    return replace(layer, combinations=tuple(replace(c, printed=how) if c.winner else c for c in layer.combinations))


def make_world(rng: random.Random, switches: Switches, habits: Habits) -> World:
    return Maker(rng, switches, habits).world()
