"""The judge of "no false proven" must be right itself: small worlds computed by hand, and what every capture has to hold."""

from __future__ import annotations

import collections
import json
import math
import random
import re
from dataclasses import replace

import pytest

from .artefacts import layer_info
from .dialects import DIALECTS, Writer
from .judge import Judge, View
from .model import (
    GPUS,
    TURING,
    Combination,
    Format,
    Gpu,
    Graph,
    Layer,
    Pass,
    Tactic,
    Tensor,
    World,
    brute_force,
    descriptor,
    map_tactics,
    memory_key,
    solve,
    tactic_hash,
    total_ms,
)
from .rules import decide
from .switches import Switches, settle
from .truth import Capture, Truth, draw_switches, make_capture
from .worlds import make_world

LINEAR, HWC8, FLOAT = Format("Half", "LINEAR"), Format("Half", "HWC8"), Format("Float", "LINEAR")
SHAPE = (1, 64, 28, 28)


def tactic(time_ms: float, sparse: bool = False, name: str = "", **more: object) -> Tactic:
    kernel = f"{name or time_ms}_{'sparse_conv' if sparse else 'implicit_gemm'}"
    return Tactic("CaskConvolution", tactic_hash(kernel), kernel, sparse, time_ms, time_ms, **more)  # type: ignore[arg-type]


def race(form: Format, *tactics: Tactic, out: Format | None = None, inputs: int = 1) -> Combination:
    return Combination((form,) * inputs, (out or form,), tactics)


def layer(name: str, source: str, target: str, *combinations: Combination, eligible: bool = True, kind: str = "conv") -> Layer:
    return Layer(name, kind, (name,), (source,), (target,), combinations, eligible)


def other(name: str, source: str, target: str, **times: float) -> Layer:
    """A layer that sparsity does not concern, one time a layout."""
    forms = {"linear": LINEAR, "hwc8": HWC8}
    made = tuple(
        Combination((forms[k],), (forms[k],), (Tactic("CaskPooling", tactic_hash(k + name), k + name, False, t, t),))
        for k, t in times.items()
    )
    return Layer(name, "pool", (name,), (source,), (target,), made)


def graph(*layers: Layer, costs: dict[tuple[str, Format, Format], float] | None = None, outside: Format = LINEAR) -> Graph:
    """Tensors are what the layers name; `in` and `out` are the network's own."""
    names = dict.fromkeys(n for item in layers for n in (*item.inputs, *item.outputs))
    roles = {"in": "input", "out": "output"}
    tensors = {n: Tensor(n, SHAPE, roles.get(n, "inner"), outside if n in roles else None) for n in names}
    return Graph(layers, tensors, costs or {})


def reasons(made: Graph, name: str) -> set[str | None]:
    return {reason for _, reason in decide(made, solve(made), made.layer(name)).pairs}


def judged(made: Graph, name: str, gpu: Gpu = GPUS[1], dialect: str = "8.5", **switches: bool) -> Truth:
    """The truth of one layer in a whole, uncut capture."""
    spoken = next(d for d in DIALECTS if d.name == dialect)
    choice = solve(made)
    view = View(spoken, Switches(**switches), listed=True, engine=True, tuned=True, truncated=False)
    return Judge(World(gpu, (Pass((made,), (choice,)),)), view, made, choice).layer(made.layer(name))


class TestFormats:
    @pytest.mark.parametrize(
        ("form", "shape", "text"),
        [
            (Format("Half", "HWC4"), (1, 160, 16, 30), "Half(19200,1:4,1200,40)"),
            (Format("Int8", "CHW32"), (1, 32, 640, 960), "Int8(614400,614400:32,960,1)"),
            (Format("Float", "LINEAR"), (1, 32, 28, 28), "Float(25088,784,28,1)"),
            (Format("Float", "HWC"), (1, 32, 28, 28), "Float(25088,1,896,32)"),
            (Format("Half", "HWC8"), (1, 3, 4, 4), "Half(16,1:8,4,1)"),
        ],
    )
    def test_descriptor(self, form: Format, shape: tuple[int, int, int, int], text: str) -> None:
        assert descriptor(form, shape) == text

    @pytest.mark.parametrize(
        ("first", "second", "shape", "free"),
        [
            ("HWC16", "HWC8", (1, 288, 88, 64), True),  # issue 4056: both reformats before Conv_663 are NoOps
            ("LINEAR", "HWC", (1, 1, 28, 28), True),  # 10.16: a NoOp in the engine, one channel
            ("HWC", "HWC4", (1, 32, 28, 28), True),
            ("HWC16", "HWC8", (1, 72, 88, 64), False),  # 72 is padded to 80
            ("LINEAR", "HWC8", (1, 64, 1, 1), True),
            ("LINEAR", "HWC8", (1, 64, 2, 1), False),
            ("CHW32", "HWC", (1, 32, 5, 7), True),
            ("CHW32", "HWC", (1, 64, 5, 7), False),
        ],
    )
    def test_equal_bytes(self, first: str, second: str, shape: tuple[int, int, int, int], free: bool) -> None:
        same = memory_key(Format("Half", first), shape) == memory_key(Format("Half", second), shape)
        assert same is free

    def test_types_are_never_equal(self) -> None:
        assert memory_key(LINEAR, SHAPE) != memory_key(FLOAT, SHAPE)


class TestPlan:
    def test_equals_brute_force(self) -> None:
        compared = 0
        for seed in range(60):
            switches = Switches(fan_out=bool(seed % 2), hidden_cost=seed % 3 == 0, free_reformats=seed % 5 == 0)
            made = make_world(random.Random(seed), switches, DIALECTS[2].habits).engine.graphs[0]
            if math.prod(len(item.combinations) for item in made.layers) > 800:
                continue
            compared += 1
            costs = []
            for choice in (solve(made), brute_force(made)):
                costs.append(total_ms(made, choice) + sum(made.layer(n).combinations[c].hidden_ms for n, c in choice.items()))
            assert costs[0] == pytest.approx(costs[1], abs=1e-12)
        assert compared > 15

    def test_reformat_decides(self) -> None:
        """0.0412 in HWC8 needs two copies of 0.003 each: 0.0450 linear is cheaper."""
        made = graph(
            layer("conv", "in", "out", race(LINEAR, tactic(0.0450)), race(HWC8, tactic(0.0412, True))),
            costs={("in", LINEAR, HWC8): 0.003, ("out", HWC8, LINEAR): 0.003},
        )
        assert solve(made) == {"conv": 0}
        assert total_ms(made, {"conv": 1}) == pytest.approx(0.0472)


class TestRules:
    def test_slower_and_its_margin(self) -> None:
        made = graph(layer("conv", "in", "out", race(LINEAR, tactic(0.1), tactic(0.11, True)), race(HWC8, tactic(0.2), tactic(0.4, True))))
        made.reformats.update({("in", LINEAR, HWC8): 0.01, ("out", HWC8, LINEAR): 0.01})
        ruling = decide(made, solve(made), made.layers[0])
        assert ruling.rule == 2 and ruling.pairs == {("dense", "slower")}
        assert ruling.margin == pytest.approx(0.1)
        assert ("dense", "slower") in judged(made, "conv").provable

    @pytest.mark.parametrize(("sparse_ms", "reason"), [(0.1029, "tie"), (0.1031, "slower"), (0.10001, "tie")])
    def test_band_is_three_per_cent(self, sparse_ms: float, reason: str) -> None:
        assert reasons(graph(layer("conv", "in", "out", race(LINEAR, tactic(0.1), tactic(sparse_ms, True)))), "conv") == {reason}

    def test_band_is_a_microsecond_for_small_kernels(self) -> None:
        assert reasons(graph(layer("conv", "in", "out", race(LINEAR, tactic(0.005), tactic(0.0059, True)))), "conv") == {"tie"}
        assert reasons(graph(layer("conv", "in", "out", race(LINEAR, tactic(0.005), tactic(0.0061, True)))), "conv") == {"slower"}

    def test_rule_three(self) -> None:
        """Sparse won HWC8 at 0.12; the dense 0.1 that runs is faster anyway."""
        made = graph(layer("conv", "in", "out", race(LINEAR, tactic(0.1)), race(HWC8, tactic(0.2), tactic(0.12, True))))
        made.reformats.update({("in", LINEAR, HWC8): 0.01, ("out", HWC8, LINEAR): 0.01})
        ruling = decide(made, solve(made), made.layers[0])
        assert ruling.rule == 3 and ruling.pairs == {("dense", "slower")} and not ruling.reformat_beside
        assert ruling.margin == pytest.approx(0.2)
        assert judged(made, "conv").provable

    def test_rule_three_beside_a_reformat_is_not_proven(self) -> None:
        made = graph(layer("conv", "in", "out", race(LINEAR, tactic(0.1)), race(HWC8, tactic(0.2), tactic(0.12, True))), outside=FLOAT)
        for form in (LINEAR, HWC8):
            made.reformats.update({("in", FLOAT, form): 0.01, ("out", form, FLOAT): 0.01})
        truth = judged(made, "conv")
        assert truth.true == {("dense", "slower")} and not truth.provable

    def chain(self, before: float = 0.009, after: float = 0.009, next_hwc8: float = 0.09) -> Graph:
        """pool -> conv -> pool, all linear; the sparse 0.0412 speaks HWC8, the dense 0.0450 is linear."""
        costs = {("a", LINEAR, HWC8): before, ("b", HWC8, LINEAR): after, ("b", LINEAR, HWC8): 0.009, ("out", HWC8, LINEAR): 0.003}
        return graph(
            other("first", "in", "a", linear=0.01),
            layer("conv", "a", "b", race(LINEAR, tactic(0.0450)), race(HWC8, tactic(0.05), tactic(0.0412, True))),
            other("last", "b", "out", linear=0.01, hwc8=next_hwc8),
            costs=costs,
        )

    def test_format_cost_closes(self) -> None:
        made = self.chain()
        ruling = decide(made, solve(made), made.layer("conv"))
        assert ruling.pairs == {("dense", "format-cost")}
        assert dict(ruling.deltas) == {1: pytest.approx(0.0412 - 0.0450 + 0.018)}
        assert judged(made, "conv").provable == {("dense", "format-cost")}

    def test_format_cost_with_a_term_missing(self) -> None:
        made = self.chain()
        gap = Graph(made.layers, made.tensors, made.reformats, frozenset({("b", HWC8, LINEAR)}))
        truth = judged(gap, "conv")
        assert truth.true == {("dense", "format-cost")} and not truth.provable
        assert truth.over_claims("dense", "format-cost", "proven") and not truth.wrong_proven("dense", "format-cost", "proven")

    def test_removed_reformats_count(self) -> None:
        """The plan copies `b` to HWC8 for the last layer: switching removes that copy (+0.0090 before, -0.0060 after)."""
        costs = {("a", LINEAR, HWC8): 0.009, ("b", LINEAR, HWC8): 0.0045, ("out", HWC8, LINEAR): 0.003}
        made = graph(
            other("first", "in", "a", linear=0.01),
            layer("conv", "a", "b", race(LINEAR, tactic(0.0450)), race(HWC8, tactic(0.0455, True))),
            other("last", "b", "out", hwc8=0.01),
            costs=costs,
        )
        faster = graph(
            *made.layers[:1],
            layer("conv", "a", "b", race(LINEAR, tactic(0.045)), race(HWC8, tactic(0.0435, True))),
            made.layers[2],
            costs=costs,
        )
        assert dict(decide(faster, solve(faster), faster.layer("conv")).deltas) == {1: pytest.approx(0.0435 - 0.045 + 0.009 - 0.0045)}
        assert reasons(faster, "conv") == {"format-cost"}
        assert reasons(made, "conv") == {"tie"}  # rule 3: 0.0455 is 1.1 % above the 0.0450 that runs

    def test_io_format(self) -> None:
        """Only the network's own linear input and output stand in the way."""
        made = graph(
            layer("conv", "in", "out", race(LINEAR, tactic(0.0450)), race(HWC8, tactic(0.05), tactic(0.0412, True))),
            costs={("in", LINEAR, HWC8): 0.009, ("out", HWC8, LINEAR): 0.009},
        )
        assert reasons(made, "conv") == {"io-format"}

    def test_within_the_band_it_is_a_tie(self) -> None:
        assert reasons(self.chain(before=0.002, after=0.0026), "conv") == {"tie"}  # delta +0.0008 < 0.00135

    def test_a_hidden_cost_is_unexplained(self) -> None:
        made = self.chain(before=0.0005, after=0.0005)
        conv = made.layer("conv")
        hidden = Combination(conv.combinations[1].inputs, conv.combinations[1].outputs, conv.combinations[1].tactics, hidden_ms=0.05)
        bent = Graph((made.layers[0], layer("conv", "a", "b", conv.combinations[0], hidden), made.layers[2]), made.tensors, made.reformats)
        assert reasons(bent, "conv") == {"unexplained"}
        assert judged(bent, "conv").wrong_proven("dense", "format-cost", "proven")

    def test_every_consumer_counts(self) -> None:
        """One consumer's copy would leave a gain of 0.0018; the second consumer's makes it a loss."""
        conv = layer("conv", "a", "b", race(LINEAR, tactic(0.0450)), race(HWC8, tactic(0.0412, True), out=HWC8))
        costs = {("a", LINEAR, HWC8): 0.0, ("b", HWC8, LINEAR): 0.003}
        layers = (
            other("first", "in", "a", linear=0.01),
            conv,
            other("left", "b", "out", linear=0.01),
            other("right", "b", "other", linear=0.01),
        )
        made = graph(*layers, costs=costs)
        assert dict(decide(made, solve(made), conv).deltas) == {1: pytest.approx(0.0412 - 0.0450 + 0.006)}
        assert reasons(made, "conv") == {"format-cost"}
        alone = graph(*layers[:3], costs=costs)
        assert decide(alone, solve(alone), conv).pairs == {("sparse", "picked")}

    def test_a_free_reformat_costs_nothing_whatever_its_measured_time(self) -> None:
        made = self.chain()
        shape = (1, 64, 1, 1)  # linear and HWC8 hold the same bytes
        free = Graph(made.layers, {n: Tensor(t.name, shape, t.role, t.fixed) for n, t in made.tensors.items()}, made.reformats)
        assert decide(free, solve(free), free.layer("conv")).pairs == {("sparse", "picked")}


class TestNoKernel:
    def lone(self, form: Format, *tactics: Tactic) -> Graph:
        return graph(layer("conv", "in", "out", race(form, *tactics)), outside=form)

    def test_complete(self) -> None:
        assert judged(self.lone(LINEAR, tactic(0.1)), "conv").provable == {("dense", "no-kernel")}

    def test_precision_and_architecture(self) -> None:
        both = judged(self.lone(FLOAT, tactic(0.1)), "conv", TURING)
        assert both.provable == {("dense", "no-kernel"), ("dense", "no-kernel-precision"), ("dense", "no-kernel-arch")}
        unknown_gpu = judged(self.lone(FLOAT, tactic(0.1)), "conv", TURING, "8.5-python")
        assert ("dense", "no-kernel-arch") not in unknown_gpu.provable

    def test_an_unnamed_tactic_may_be_sparse(self) -> None:
        truth = judged(self.lone(LINEAR, tactic(0.1), tactic(0.2, named=False)), "conv")
        assert truth.true == {("dense", "no-kernel")} and not truth.provable

    def test_an_unnamed_sparse_tactic_makes_no_kernel_wrong(self) -> None:
        truth = judged(self.lone(LINEAR, tactic(0.1), tactic(0.2, True, named=False)), "conv")
        assert truth.wrong_proven("dense", "no-kernel", "proven")
        assert not truth.provable and ("dense", "slower") in truth.acceptable

    def test_standard_error_missing(self) -> None:
        assert not judged(self.lone(LINEAR, tactic(0.1)), "conv", stderr_missing=True).provable
        assert judged(self.lone(LINEAR, tactic(0.1)), "conv", dialect="8.5-python", stderr_missing=True).provable

    def test_workspace_needs_the_names_of_what_was_skipped(self) -> None:
        made = self.lone(LINEAR, tactic(0.1), tactic(0.05, True, skipped="scratch"))
        assert judged(made, "conv", dialect="8.5").provable == {("dense", "workspace")}
        assert judged(made, "conv", dialect="8.6").provable == set()
        assert judged(made, "conv").wrong_proven("dense", "no-kernel", "proven")

    def test_silent_races_prove_nothing_but_precision(self) -> None:
        for form, expected in ((LINEAR, set()), (FLOAT, {("dense", "no-kernel-precision")})):
            silent = Combination((form,), (form,), (tactic(0.1),), printed="silent")
            assert judged(graph(layer("conv", "in", "out", silent), outside=form), "conv").provable == expected


class TestAmbiguity:
    def repeated(self) -> Graph:
        """The same cuDNN id wins both linear combinations' types; sparse won HWC8 between their times."""
        first = Tactic("CudnnConvolution", 0, None, False, 0.1, 0.1)
        second = Tactic("CudnnConvolution", 0, None, False, 0.2, 0.2)
        chw4 = Format("Half", "CHW4")
        made = graph(
            layer("conv", "in", "out", race(LINEAR, first), race(chw4, second), race(HWC8, tactic(0.3), tactic(0.15, True))), outside=LINEAR
        )
        for form in (chw4, HWC8):
            made.reformats.update({("in", LINEAR, form): 0.1, ("out", form, LINEAR): 0.1})
        return made

    def test_reformat_lines_tell_the_combination(self) -> None:
        assert judged(self.repeated(), "conv", types_only=True).provable == {("dense", "slower")}

    def test_equal_ids_without_layout_are_ambiguous(self) -> None:
        """In 8.2 nothing says whether two neighbours agreed on linear or on CHW4: both t* are possible."""
        first = Tactic("CudnnConvolution", 0, None, False, 0.1, 0.1)
        second = Tactic("CudnnConvolution", 0, None, False, 0.2, 0.2)
        chw4 = Format("Half", "CHW4")
        plain = Tactic("PointWise", 0, None, False, 0.01, 0.01)

        def neighbour(name: str, source: str, target: str, outer: int) -> Layer:
            made = []
            for form in (LINEAR, chw4):
                inputs, outputs = ((FLOAT,), (form,)) if outer == 0 else ((form,), (FLOAT,))
                made.append(Combination(inputs, outputs, (plain,)))
            return Layer(name, "add", (name,), (source,), (target,), tuple(made))

        conv = layer("conv", "a", "b", race(LINEAR, first), race(chw4, second), race(HWC8, tactic(0.3), tactic(0.15, True)))
        made = graph(neighbour("x", "in", "a", 0), conv, neighbour("y", "b", "out", 1), outside=FLOAT)
        for tensor in ("a", "b"):
            for source in (LINEAR, chw4, HWC8):
                for target in (LINEAR, chw4, HWC8):
                    made.reformats[tensor, source, target] = 0.1
        truth = judged(made, "conv", dialect="8.2", types_only=True)
        assert truth.true == {("dense", "slower")} and not truth.provable
        assert judged(made, "conv", dialect="8.2").provable == {("dense", "slower")}  # the sentence says "Row major linear"


class TestHiddenNames:
    def test_worlds_that_differ_in_hidden_kinds_print_the_same_text(self) -> None:
        """What makes an unnamed tactic unprovable: the log of the other world is the same, letter by letter."""
        printed = 0
        for seed in range(60):
            switches = Switches(unnamed=True)
            spoken = DIALECTS[seed % len(DIALECTS)]
            world = make_world(random.Random(seed), switches, spoken.habits)
            graph_, choice = world.engine.graphs[0], world.engine.choices[0]
            runs = {id(item.combinations[choice[item.name]].winner) for item in graph_.layers}
            change = {
                id(t): replace(t, sparse=not t.sparse)
                for item in graph_.layers
                for c in item.combinations
                for t in c.tactics
                if not t.named and id(t) not in runs
            }
            if not change:
                continue
            printed += 1
            twin = replace(world, passes=(replace(world.engine, graphs=(map_tactics(graph_, change),)),))
            texts = []
            for each in (world, twin):
                writer = Writer(spoken, random.Random(1), switches, "synthetic.onnx")
                writer.build(each)
                texts.append((writer.log.lines, layer_info(each, each.engine, spoken, switches)))
            assert texts[0] == texts[1]
        assert printed > 20


@pytest.fixture(scope="module")
def captures() -> list[Capture]:
    return [make_capture(seed) for seed in range(400)]


class TestCaptures:
    def test_deterministic(self) -> None:
        first, second = make_capture(7, unnamed=True), make_capture(7, unnamed=True)
        assert (first.log, first.layer_info, first.profile, first.truth) == (second.log, second.layer_info, second.profile, second.truth)

    def test_everything_says_synthetic(self, captures: list[Capture]) -> None:
        for capture in captures:
            assert capture.log.startswith(f"[SYNTHETIC trtlens test log, seed {capture.seed}]\n")
            assert capture.layer_info is None or "synthetic_input" in capture.layer_info

    def test_nothing_is_provable_that_is_not_true(self, captures: list[Capture]) -> None:
        for capture in captures:
            for truth in capture.truth.values():
                assert truth.provable <= truth.true

    def test_a_fifth_has_three_switches_or_more(self, captures: list[Capture]) -> None:
        assert sum(len(c.switches.on) >= 3 for c in captures) >= len(captures) / 5

    def test_complete_captures_can_mostly_be_proven(self, captures: list[Capture]) -> None:
        falls = [truth for c in captures if c.complete for truth in c.truth.values() if truth.fallback]
        assert sum(bool(t.provable) for t in falls) / len(falls) >= 0.88

    def test_every_reason_occurs(self, captures: list[Capture]) -> None:
        found = collections.Counter(reason for c in captures for t in c.truth.values() for _, reason in t.true)
        forced = [make_capture(s, dialect="10.16", switches=Switches(strategies=True)) for s in range(30)]
        found.update(reason for c in forced for t in c.truth.values() for _, reason in t.true)
        wanted = {
            "picked",
            "picked-but-slower",
            "slower",
            "tie",
            "format-cost",
            "io-format",
            "no-kernel",
            "no-kernel-precision",
            "no-kernel-arch",
            "workspace",
            "unexplained",
            "flag-off",
            "grouped",
            "not-listed",
            "heuristic-pruned",
            "backend-strategy",
        }
        assert wanted <= set(found)

    def test_counts_of_the_text(self, captures: list[Capture]) -> None:
        """What the writer says it printed is what a dumb reader finds."""
        for capture in captures:
            if capture.shown is None:
                continue
            timed = reformat = 0
            inside = False
            for line in capture.log.splitlines():
                inside = " Reformat: " in line or (inside and "format combination" not in line)
                if re.search(r"Tactic: \S+ Time: ", line) and "Fastest" not in line:
                    timed, reformat = (timed, reformat + 1) if inside else (timed + 1, reformat)
            assert timed == capture.shown.get("timed", 0)
            cached = [line for line in capture.log.splitlines() if "got cached result" in line and "Optimizer Reformat" not in line]
            assert len(cached) == capture.shown.get("cached", 0)
            assert capture.log.count("Autotuning format combination:") + len(cached) == capture.shown["combinations"]
            assert capture.log.count(">>> Chose Runner Type") == capture.shown.get("chosen", 0)
            assert len(re.findall(r"^Layer\(", capture.log, re.M)) == capture.shown["engine_layers"]

    def test_engine_tactic_won_one_of_its_combinations(self, captures: list[Capture]) -> None:
        for capture in captures:
            for graph_, choice in zip(capture.world.engine.graphs, capture.world.engine.choices, strict=True):
                for item in graph_.layers:
                    winner = item.combinations[choice[item.name]].winner
                    assert winner is not None and winner.skipped is None

    def test_a_chosen_line_follows_the_fastest_time(self, captures: list[Capture]) -> None:
        """In the text itself: the chosen tactic has the least time printed in its combination, unless it was pinned on purpose."""
        for capture in captures[:150]:
            if capture.switches.pinned_sparse:
                continue
            times: dict[str, float] = {}
            for line in capture.log.splitlines():
                if "Autotuning" in line:
                    times = {}
                elif (found := re.search(r"Tactic: (\S+) Time: (\S+)", line)) and "Fastest" not in line:
                    times[found[1]] = min(float(found[2]), times.get(found[1], 9e9))
                elif (found := re.search(r"Chose Runner Type: \S+ Tactic: (\S+)", line)) and times:
                    assert times[found[1]] == min(times.values())

    def test_json_parses_and_names_the_engine(self, captures: list[Capture]) -> None:
        for capture in captures:
            if capture.layer_info is not None:
                rows = json.loads(capture.layer_info)["Layers"]
                names = {row if isinstance(row, str) else row["Name"] for row in rows}
                inside = {item.op for graph_ in capture.world.engine.graphs for item in graph_.layers}
                assert set(capture.truth) - inside <= names
            if capture.profile is not None:
                assert json.loads(capture.profile)[0]["count"] > 0

    def test_a_mismatch_shows(self) -> None:
        """Wherever the switch stays on, at least one layer's Cask tactic id differs between log and JSON."""
        shown = 0
        for seed in range(60):
            capture = make_capture(seed, switches=Switches(), other_build_json=True)
            if "capture-mismatch" not in capture.warnings:
                continue
            shown += 1
            engine = dict(re.findall(r"^Layer\(Cask\w+\): (.+?), Tactic: (\S+?),", capture.log, re.M))
            assert capture.layer_info is not None
            ids = {row["Name"]: int(row["TacticValue"], 16) for row in json.loads(capture.layer_info)["Layers"]}
            assert any(int(text, 0) % (1 << 64) != ids[name] for name, text in engine.items())
        assert shown > 40

    def test_forced_switches_hold(self) -> None:
        rng = random.Random(1)
        for _ in range(50):
            drawn = draw_switches(rng)
            assert set(settle(drawn, DIALECTS[4].habits).on) - set(drawn.on) <= {"myelin"}
        assert make_capture(3, switches=Switches(), twins=True).switches.on == ("twins",)

    def test_cached_results_equal_one_earlier_race(self) -> None:
        for seed in range(40):
            capture = make_capture(seed, dialect="10.3", switches=Switches(), twins=True)
            races: collections.Counter[tuple[str, str]] = collections.Counter()
            combination = ""
            for line in capture.log.splitlines():
                if found := re.search(r"format combination: (.+?) \*+$", line):
                    combination = found[1]
                elif found := re.search(r"Chose Runner Type: \S+ Tactic: (\S+)", line):
                    races[combination, found[1]] += 1
                elif (found := re.search(r"\[([^][]+)\] got cached result: \S+, tactic (\S+), ", line)) and "Optimizer" not in line:
                    assert races[found[1], found[2]] == 1
