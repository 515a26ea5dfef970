"""What is right to say about every layer of a synthetic world. In: a world, what a reader sees of it. Out: `Truth`. Next: truth.py.

* `Truth.true`: pairs (status, reason) that hold in the world. A verdict that says `proven` with another pair is wrong.
* `Truth.provable`: pairs for which `proven` is allowed: every world that would have printed the same text rules the same. Hidden kernel
  names and combinations that the text cannot tell apart are enumerated; the contract's own conditions (complete layer, eligibility list,
  measured terms) come on top.
* `Truth.acceptable`: pairs an honest tool may give with less than `proven`. The reason `ANY` stands for any.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .dialects import Dialect
from .model import Choice, Combination, Graph, Layer, Tactic, World, descriptor, edge_formats, edges, running
from .rules import Kind, Pair, Ruling, decide, fastest, really, within
from .switches import Switches

ANY = "*"
UNGRADED = frozenset(
    {
        "not-captured",
        "timing-cache",
        "twin-layer",
        "myelin-opaque",
        "log-truncated",
        "unexplained",
        "names-only",
        "unnamed-tactic",
        "jit-deferred",
        "eligibility-unknown",
        None,
    }
)
"""Reasons the contract gives no condition of proof: their proof is not judged."""


def matches(pair: Pair, among: frozenset[Pair]) -> bool:
    return pair in among or (pair[0], ANY) in among


@dataclass(frozen=True)
class Race:
    """One combination as a table should show it. Times in ms; `timed`: tactics whose time the log prints."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    best_dense_ms: float | None
    best_sparse_ms: float | None
    winner_runner: str | None
    winner_tactic: int | None
    winner_ms: float | None
    timed: int
    skipped: int
    printed: str


@dataclass(frozen=True)
class Truth:
    """What is right to say about one engine layer."""

    name: str
    true: frozenset[Pair]
    provable: frozenset[Pair]
    acceptable: frozenset[Pair]
    eligible: bool | None
    eligibility_provable: bool
    margin: float | None = None
    best_dense_ms: float | None = None
    best_sparse_ms: float | None = None
    rule: int | None = None
    twin_of: str | None = None
    races: tuple[Race, ...] = ()
    why: str = ""

    def wrong_proven(self, status: str, reason: str | None, proof: str) -> bool:
        """Says `proven` and is not so. The worst defect."""
        return proof == "proven" and reason not in UNGRADED and not matches((status, reason), self.true)

    def over_claims(self, status: str, reason: str | None, proof: str) -> bool:
        """Says `proven` although the text does not carry it, even if it happens to be so."""
        return proof == "proven" and reason not in UNGRADED and not matches((status, reason), self.provable)

    def unacceptable(self, status: str, reason: str | None) -> bool:
        """Not among the verdicts an honest tool may give, with whatever proof."""
        return not matches((status, reason), self.acceptable | self.provable)

    @property
    def fallback(self) -> bool:
        """An eligible layer runs dense."""
        return bool(self.eligible) and any(status == "dense" for status, _ in self.true)

    @property
    def best(self) -> tuple[frozenset[Pair], str]:
        """The best answers and their proof: `proven` where anything can be."""
        return (self.provable, "proven") if self.provable else (self.acceptable, "suggested")


@dataclass(frozen=True)
class View:
    """Which parts of the capture a reader can see."""

    dialect: Dialect
    switches: Switches
    listed: bool
    engine: bool
    tuned: bool
    truncated: bool
    engine_begun: bool = True

    @property
    def trtexec(self) -> bool:
        return self.dialect.writer == "trtexec"

    @property
    def ids_in_json(self) -> bool:
        return not (self.switches.no_layer_info or self.switches.names_only)

    @property
    def stderr(self) -> bool:
        return not (self.trtexec and self.switches.stderr_missing)


# -- consistent worlds ---------------------------------------------------------------------------------------------------------------------


def _candidates(graph: Graph, choice: Choice, layer: Layer, view: View) -> list[int]:
    """Combinations that the engine's own lines and the layer info cannot tell from the one that runs."""
    mine = layer.combinations[choice[layer.name]]
    used = running(graph, choice, layer.name)
    exact = view.ids_in_json and not view.switches.types_only
    found = []
    for number, combination in enumerate(layer.combinations):
        winner = combination.winner
        if winner is None:
            continue
        if view.engine or view.ids_in_json:
            if (winner.runner, winner.id) != (used.runner, used.id):
                continue
            forms, own = (*combination.inputs, *combination.outputs), (*mine.inputs, *mine.outputs)
            if any(a.dtype != b.dtype for a, b in zip(forms, own, strict=True)):
                continue
            if exact and forms != own:
                continue
            if (
                view.engine
                and view.dialect.lanes_in_engine
                and any(_lanes(a.layout) != _lanes(b.layout) for a, b in zip(forms, own, strict=True))
            ):
                continue
        found.append(number)
    return found


def _lanes(layout: str) -> str:
    return layout.lstrip("CHW")


def consistent_plans(graph: Graph, choice: Choice, view: View, limit: int = 400) -> tuple[list[Choice], bool]:
    """Every plan that would print the same engine and the same `Adding reformat layer` lines, the true one first; whether that is all."""
    domains = [(layer, _candidates(graph, choice, layer, view)) for layer in graph.layers]
    all_edges = edges(graph)

    def fits(plan: Choice) -> bool:
        for edge in all_edges:
            if (edge.source is None or edge.source in plan) and (edge.target is None or edge.target in plan):
                mine, true = edge_formats(graph, edge, plan), edge_formats(graph, edge, choice)
                if (mine[0] == mine[1]) != (true[0] == true[1]) or (true[0] != true[1] and mine != true):
                    return False
        return True

    def grow(index: int, plan: Choice) -> Iterator[Choice]:
        if index == len(domains):
            yield dict(plan)
            return
        layer, numbers = domains[index]
        for number in numbers:
            plan[layer.name] = number
            if fits(plan):
                yield from grow(index + 1, plan)
            del plan[layer.name]

    found = list(itertools.islice(grow(0, {}), limit))
    return [choice, *(plan for plan in found if plan != choice)], len(found) < limit


def consistent_kinds(layer: Layer, limit: int = 8) -> tuple[list[Kind], bool]:
    """Every way the kernels that are named nowhere could be sparse or dense, the true one first; and whether that is all of them."""
    hidden = sorted({t.id for c in layer.combinations for t in c.tactics if t.kernel and not t.named and _matters(c, t)})
    flags = itertools.product((False, True), repeat=min(len(hidden), limit))
    extremes = [dict.fromkeys(hidden, sparse) for sparse in (False, True)]
    tables = [*extremes, *(dict(zip(hidden, some, strict=False)) for some in flags)] if hidden else []
    return [really, *map(_kind, tables)], len(hidden) <= limit


def _matters(combination: Combination, tactic: Tactic) -> bool:
    """Not where a sparse and a dense tactic with names were both faster: then it is no combination's fastest of either kind."""
    if tactic.skipped is not None or combination.winner is tactic:
        return True
    faster = {t.sparse for t in combination.timed if t.named and t.time_ms < tactic.time_ms}
    return len(faster) < 2


def _kind(table: dict[int, bool]) -> Kind:
    return lambda tactic: table.get(tactic.id, tactic.sparse)


# -- one layer -----------------------------------------------------------------------------------------------------------------------------


class Judge:
    """Derives the truth of every layer of one graph of the engine's pass."""

    def __init__(self, world: World, view: View, graph: Graph, choice: Choice, named_before: frozenset[int] = frozenset()) -> None:
        """`named_before`: tactic ids that an earlier build in the same log names; an id is the hash of its kernel's name."""
        self.world, self.view, self.graph, self.choice, self.named_before = world, view, graph, choice, named_before
        self.plans, self.all_plans = consistent_plans(graph, choice, view)
        self.all_float = all(
            f.dtype == "Float"
            for p in world.passes
            if p.used
            for g in p.graphs
            for item in g.layers
            for c in item.combinations
            for f in (*c.inputs, *c.outputs)
        )

    @property
    def shows_gpu(self) -> bool:
        """trtexec's device block gives the compute capability; 10.x loads a builder library named after the SM."""
        return self.view.trtexec or self.view.dialect.era >= 10

    def truths(self) -> dict[str, Truth]:
        return {layer.name: self.layer(layer) for layer in self.graph.layers}

    def layer(self, layer: Layer) -> Truth:
        races = tuple(self.race(layer, number) for number in range(len(layer.combinations)))
        if layer.kind in ("conv", "gemm"):
            found = self.weighted(layer)
        elif layer.kind == "myelin":
            found = self.region(layer)
        else:
            nothing = frozenset({("other", ANY), ("ineligible", ANY)})
            if self.view.truncated and not self.view.ids_in_json:  # a bare name does not say what kind of layer it is
                nothing |= {("undetermined", ANY), ("dense-unknown", ANY)}
            found = Truth(layer.name, nothing, nothing, nothing, False, False, why="sparsity does not concern it")
        return replace(found, races=races, twin_of=layer.twin_of)

    def race(self, layer: Layer, number: int) -> Race:
        c = layer.combinations[number]
        shape = {name: tensor.shape for name, tensor in self.graph.tensors.items()}
        shown = c.printed == "timed"
        winner = c.winner
        return Race(
            tuple(descriptor(f, shape[t]) for f, t in zip(c.inputs, layer.inputs, strict=True)),
            tuple(descriptor(f, shape[t]) for f, t in zip(c.outputs, layer.outputs, strict=True)),
            fastest(c, really, False),
            fastest(c, really, True),
            winner.runner if winner else None,
            winner.id if winner else None,
            winner.time_ms if winner else None,
            len(c.timed) if shown else 0,
            len(c.tactics) - len(c.timed) if shown else 0,
            c.printed,
        )

    # -- not eligible -----------------------------------------------------------------------------------------------------------------

    def ineligible(self, layer: Layer) -> Truth:
        switches, view = self.view.switches, self.view
        reason = "flag-off" if not self.world.sparsity else "grouped" if layer.groups > 1 else "not-listed"
        true: set[Pair] = {("ineligible", reason)}
        if reason == "grouped" and (self.view.dialect.era < 8.6 or layer.kind != "conv") and not view.ids_in_json:
            true.add(("ineligible", "not-listed"))  # nothing shows the groups
        acceptable = {*true, ("dense-unknown", ANY)}
        if reason == "grouped":
            acceptable.add(("ineligible", "not-listed"))
        if reason == "flag-off":
            acceptable |= {("ineligible", "not-listed"), ("ineligible", "grouped")}
            if layer.groups > 1 or not layer.eligible:
                true |= {("ineligible", "not-listed"), ("ineligible", "grouped")} if layer.groups > 1 else {("ineligible", "not-listed")}
        provable = set(true)
        if switches.other_build_json or (reason == "flag-off" and not view.trtexec) or (reason != "flag-off" and not view.listed):
            provable = set()
        if view.truncated or switches.other_build_json:
            acceptable |= {("undetermined", ANY), ("ineligible", ANY)}
        return Truth(layer.name, frozenset(true), frozenset(provable), frozenset(acceptable), False, bool(provable), why=reason)

    # -- eligible ---------------------------------------------------------------------------------------------------------------------

    def weighted(self, layer: Layer) -> Truth:
        if not layer.eligible or not self.world.sparsity:
            return self.ineligible(layer)
        view, switches = self.view, self.view.switches
        actual = decide(self.graph, self.choice, layer)
        used = running(self.graph, self.choice, layer.name)
        pairs = self.refined(layer, actual)
        # A Float-only pass and a Turing GPU leave no room for a hidden sparse kernel.
        no_room = self.all_float or (self.world.gpu.sm < 80 and self.shows_gpu)
        kinds, all_kinds = ([really], True) if no_room else consistent_kinds(layer)
        rulings = [
            (decide(self.graph, plan, layer, kind), kind)
            for plan in self.plans
            for kind in kinds
            if not view.listed or kind(running(self.graph, plan, layer.name)) == used.sparse  # the Chose list tells
        ]
        possible = frozenset(pair for ruling, kind in rulings for pair in self.refined(layer, ruling, kind))
        certain = frozenset.intersection(*(self.refined(layer, ruling, kind) for ruling, kind in rulings))
        if not (all_kinds and self.all_plans):
            certain = frozenset()
        if used.sparse and ("sparse", "picked") in possible:
            pairs |= {("sparse", "picked")}  # the faster dense tactic is named nowhere: nobody can say "but slower"
        name_shown = self.name_shown(layer, used)
        eligibility = view.listed and layer.listed_as is None
        acceptable = set(pairs | possible)
        if actual.rule == 0 and (view.truncated or not all(c.printed == "timed" for c in layer.combinations if c.winner)):
            pairs |= {("sparse", "picked")}  # without its own race nobody can say "but slower"
        if used.sparse:
            shown = name_shown or view.listed
            provable = certain | (pairs & {("sparse", "picked")}) if shown else frozenset()
        else:
            provable = frozenset(pair for pair in certain & pairs if eligibility and self.lawful(layer, actual, pair))
            acceptable |= self.honest(layer)
        if actual.rule in (3, 4) and (not view.ids_in_json or view.switches.types_only):
            acceptable.add(("dense", "unexplained"))  # t* takes a join over tactic ids, types and lanes; a reader may decline
        if len(kinds) > 1 and {("dense", "slower"), ("dense", "tie")} & acceptable:
            acceptable |= {("dense", "slower"), ("dense", "tie")}  # of the named tactics alone the margin is another one
        if used.sparse:
            acceptable.add(("sparse", "picked"))
        lost = [s for c in layer.combinations if (s := fastest(c, really, True)) is not None and s < used.time_ms]
        if actual.rule == 3 and lost:  # "s < t*" may be read over the combinations that a dense tactic won, too
            acceptable |= {("dense", reason) for reason in ("format-cost", "io-format", "unexplained", "tie")}
        if ("dense", "io-format") in acceptable:
            acceptable.add(("dense", "format-cost"))  # the wider of the two
        if actual.rule == 4 and self.gaps(actual):  # nobody can say how the sum would have come out
            acceptable |= {("dense", reason) for reason in ("format-cost", "io-format", "unexplained", "tie")}
        if not used.sparse and any(c.pinned is not None for c in layer.combinations):
            # "Won" may mean the fastest or the chosen; they differ where a slower tactic was pinned in another combination.
            free = replace(layer, combinations=tuple(replace(c, pinned=None) for c in layer.combinations))
            others = tuple(free if item is layer else item for item in self.graph.layers)
            second = self.refined(free, decide(replace(self.graph, layers=others), self.choice, free))
            pairs, provable = pairs | second, provable | second if eligibility else provable
            acceptable |= second
        if self.strategy_sparse(layer) and not used.sparse:
            pairs |= {("dense", "backend-strategy")}
            acceptable.add(("dense", "backend-strategy"))
            provable |= {("dense", "backend-strategy")} if eligibility else frozenset()
        if not name_shown or not used.kernel:
            acceptable |= {
                ("undetermined", r) for r in ("unnamed-tactic", "timing-cache", "twin-layer", "not-captured", "names-only", "log-truncated")
            }
        if not eligibility and not used.sparse:
            acceptable |= {("dense-unknown", ANY), ("undetermined", ANY)}
        if view.truncated:
            acceptable |= {("dense", "log-truncated"), ("undetermined", ANY)}
        return Truth(
            layer.name,
            frozenset(pairs),
            frozenset(provable),
            frozenset(acceptable),
            True,
            eligibility,
            actual.margin,
            actual.best_dense_ms,
            actual.best_sparse_ms,
            actual.rule,
            why="+".join(switches.on),
        )

    def refined(self, layer: Layer, ruling: Ruling, kind: Kind = really) -> frozenset[Pair]:
        """Rule 1 split into its family: what stopped sparse tactics from being timed."""
        if ruling.rule != 1:
            return ruling.pairs
        missing = [t.skipped for c in layer.combinations for t in c.tactics if kind(t) and t.skipped]
        found: set[Pair] = set()
        if self.world.gpu.sm < 80:
            found.add(("dense", "no-kernel-arch"))
        if all(f.dtype == "Float" for c in layer.combinations for f in (*c.inputs, *c.outputs)):
            found.add(("dense", "no-kernel-precision"))
        if missing and all(why in ("scratch", "memory", "device") for why in missing):
            found |= {("dense", "workspace")} | ({("dense", "out-of-memory")} if "device" in missing else set())
        elif "pruned" in missing:
            found.add(("dense", "heuristic-pruned"))
        else:
            found.add(("dense", "no-kernel"))
        return frozenset(found)

    def name_shown(self, layer: Layer, used: Tactic) -> bool:
        """Whether any input gives the running kernel's name."""
        if not used.kernel or not used.named:
            return False
        if self.view.ids_in_json:
            return True
        race = layer.combinations[self.choice[layer.name]]
        original = self.graph.layer(layer.twin_of) if layer.twin_of else layer
        timed = original.combinations[self.choice[layer.name]].printed == "timed" if race.printed != "timed" else True
        return timed and self.view.engine

    def races_shown(self, layer: Layer) -> bool:
        """Every combination's race is in the log, or a cached result names exactly one that is."""
        return all(c.winner is None or c.printed in ("timed", "cached") for c in layer.combinations) and self.view.tuned

    def complete(self, layer: Layer) -> bool:
        """The contract's complete layer."""
        tactics = [t for c in layer.combinations for t in c.tactics]
        clean = not any(t.skipped for t in tactics) and all(t.named for t in tactics if t.kernel)
        return self.races_shown(layer) and clean and self.view.stderr

    def lawful(self, layer: Layer, ruling: Ruling, pair: Pair) -> bool:
        """The contract's conditions for `proven`, as far as they are not a matter of consistent worlds."""
        reason = pair[1]
        if reason == "no-kernel-arch":
            return self.shows_gpu
        if reason == "no-kernel-precision":
            return self.complete(layer) or (self.all_float and self.view.tuned)
        if reason == "no-kernel":
            return self.complete(layer)
        if reason == "workspace":
            return self.races_shown(layer) and self.skips_named(layer)
        if reason in ("heuristic-pruned", "out-of-memory"):
            return False
        if not self.races_shown(layer):
            return False
        if ruling.rule == 3:
            return not ruling.reformat_beside
        if ruling.rule == 4 and reason != "unexplained":
            return not self.gaps(ruling)
        return True

    def gaps(self, ruling: Ruling) -> bool:
        """Whether a reformat that the arithmetic reads was not measured."""
        return any(key in ruling.needed and not self.graph.is_free(*key) for key in self.graph.unmeasured)

    def named_ids(self) -> set[int]:
        """Tactic ids whose kernel the log names: beside a time, or to 8.5 on a line before the time or the skip."""
        skips = ("scratch",) if self.view.dialect.split_names else ()
        timed = (c for g in self.world.engine.graphs for item in g.layers for c in item.combinations if c.printed == "timed")
        return {t.id for c in timed for t in c.tactics if t.kernel and t.named and (t.skipped is None or t.skipped in skips)} | self.named_before

    def skips_named(self, layer: Layer) -> bool:
        """Whether a skip line gives an id that some line names: then a sparse tactic was seen, and it was skipped."""
        with_id = ("scratch",) if self.view.dialect.decimal_ids or not self.view.stderr else ("scratch", "memory")
        known = self.named_ids()
        return any(t.sparse and t.skipped in with_id and t.id in known for c in layer.combinations for t in c.tactics)

    def honest(self, layer: Layer) -> set[Pair]:
        """Lesser answers for an eligible layer that runs dense."""
        found: set[Pair] = set()
        printed = {c.printed for c in layer.combinations}
        if printed & {"external", "silent", "chose"}:
            found |= {(status, reason) for status in ("dense", "undetermined") for reason in ("timing-cache", "twin-layer", "not-captured")}
        if layer.twin_of:
            original = self.graph.layer(layer.twin_of)
            found |= set(self.refined(original, decide(self.graph, self.choice, original)))
            found |= {("dense", "twin-layer")}
        skipped = {t.skipped for c in layer.combinations for t in c.tactics if t.skipped}
        if skipped:
            if decide(self.graph, self.choice, layer).rule == 1:
                found |= {("dense", r) for r in ("no-kernel", "workspace", "out-of-memory", "heuristic-pruned")}
            if any(t.fast_skip for c in layer.combinations for t in c.tactics):
                found.add(("dense", "heuristic-pruned"))
        if any(c.tactics and not c.timed for c in layer.combinations):
            found.add(("dense", "not-captured"))
        return found

    def strategy_sparse(self, layer: Layer) -> bool:
        """Whether a dropped backend strategy's plan runs this layer sparse."""
        for item in self.world.passes:
            for graph, choice in zip(item.graphs, item.choices, strict=True):
                if not item.used and layer.name in choice and running(graph, choice, layer.name).sparse:
                    return True
        return False

    # -- Myelin -----------------------------------------------------------------------------------------------------------------------

    def region(self, layer: Layer) -> Truth:
        if self.view.dialect.era < 10 or not self.world.sparsity:
            either = frozenset((s, ANY) for s in ("dense", "undetermined", "ineligible", "dense-unknown", "other"))
            return Truth(layer.name, either, either, either, None, False, why="a region that 8.x does not list, or the flag is off")
        dense = min(t.time_ms for t in layer.rows if not t.sparse)
        sparse = min((t.time_ms for t in layer.rows if t.sparse), default=None)
        pairs: set[Pair] = set()
        margin = None
        if sparse is None:
            pairs.add(("dense", "no-kernel"))
            if self.world.gpu.sm < 80:
                pairs.add(("dense", "no-kernel-arch"))
            if layer.combinations[0].inputs[0].dtype == "Float":
                pairs.add(("dense", "no-kernel-precision"))
        elif sparse < dense:
            pairs.add(("sparse", "picked"))
        else:
            margin = sparse / dense - 1.0
            pairs |= {("dense", reason) for reason in within(margin, (dense,))}
        provable: set[Pair] = set(pairs) if layer.table and self.view.tuned else set()
        if sparse is None and self.view.listed:
            provable |= {("dense", "no-kernel-arch")} & pairs if self.shows_gpu else set()
            provable |= {("dense", "no-kernel-precision")} & pairs if self.all_float else set()
        if not self.shows_gpu:
            provable -= {("dense", "no-kernel-arch")}
        if not self.view.stderr:
            provable -= {("dense", "no-kernel")}
        acceptable = {*pairs, ("dense", "myelin-opaque"), ("undetermined", ANY)}
        if layer.table:
            acceptable.add(("other", None))  # a reader may give the operator a row of its own instead
        if self.view.truncated:
            acceptable |= {("dense-unknown", ANY), ("dense", "log-truncated")}
        return Truth(
            layer.name,
            frozenset(pairs),
            frozenset(provable),
            frozenset(acceptable),
            True,
            self.view.listed,
            margin,
            dense,
            sparse,
            why="Myelin",
        )
