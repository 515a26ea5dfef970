"""The contract's rules for a fallback, on a world instead of a text. In: a graph, a plan, who is sparse. Out: a `Ruling`. Next: judge.py.

Written from the contract ("How a fallback is decided"), not from trtlens. Where the contract leaves a border open (which dense time the
noise band
is taken of; what happens at the very edge of the band) a ruling holds every reason that a careful reader could give, and tests accept any
of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from .model import Choice, Combination, Edge, Graph, Layer, Tactic, edge_formats, edges

Pair = tuple[str, str | None]
Kind = Callable[[Tactic], bool]

BAND_SHARE, BAND_MS = 0.03, 0.001


def really(tactic: Tactic) -> bool:
    """Whether a tactic is sparse, as the world knows it."""
    return tactic.sparse


@dataclass(frozen=True)
class Ruling:
    """`pairs`: the (status, reason) that are right. `rule`: 0 sparse runs, 1 to 4 as in the contract.

    `needed`: the reformats that the arithmetic reads. `deltas`: its result for each combination, in ms."""

    pairs: frozenset[Pair]
    rule: int
    margin: float | None = None
    best_dense_ms: float | None = None
    best_sparse_ms: float | None = None
    running_ms: float | None = None
    deltas: tuple[tuple[int, float], ...] = ()
    needed: frozenset[tuple[str, object, object]] = frozenset()
    reformat_beside: bool = False


def fastest(combination: Combination, kind: Kind, sparse: bool) -> float | None:
    return min((t.time_ms for t in combination.timed if kind(t) == sparse), default=None)


def within(margin: float, best_dense: Iterable[float]) -> frozenset[str]:
    """`slower`, `tie`, or both where it depends on which dense time the band is taken of."""
    bands = [max(BAND_SHARE, BAND_MS / time_ms) for time_ms in best_dense]
    found = {"tie" if margin <= band else "slower" for band in bands}
    return frozenset(found)


def adjacent(graph: Graph, layer: Layer) -> list[Edge]:
    return [edge for edge in edges(graph) if layer.name in (edge.source, edge.target)]


def fixed_tensor(graph: Graph, edge: Edge) -> bool:
    """The tensor's format is fixed from outside: a network input or output, or a plugin's tensor."""
    return graph.tensors[edge.tensor].role != "inner"


def fixed_edge(graph: Graph, edge: Edge) -> bool:
    """The narrower reading: of a plugin tensor with several consumers, only the copies to and from the plugin."""
    ends = [graph.layer(name).kind for name in (edge.source, edge.target) if name is not None]
    return len(ends) < 2 or "plugin" in ends


def no_edge(graph: Graph, edge: Edge) -> bool:
    return False


def reformat_sum(graph: Graph, around: list[Edge], choice: Choice, skip: Callable[[Graph, Edge], bool] = no_edge) -> float:
    """What the reformats beside a layer cost under `choice`, but for those that `skip` leaves out."""
    return sum(graph.reformat_ms(edge.tensor, *edge_formats(graph, edge, choice)) for edge in around if not skip(graph, edge))


def decide(graph: Graph, choice: Choice, layer: Layer, kind: Kind = really) -> Ruling:
    """The right (status, reason) pairs of an eligible layer under `choice`, if `kind` tells sparse from dense."""
    used = layer.combinations[choice[layer.name]].winner
    assert used is not None
    dense = [d for c in layer.combinations if (d := fastest(c, kind, False)) is not None]
    sparse = [s for c in layer.combinations if (s := fastest(c, kind, True)) is not None]
    best_dense, best_sparse = min(dense, default=None), min(sparse, default=None)
    t_star = used.time_ms
    base = Ruling(frozenset(), 0, None, best_dense, best_sparse, t_star)
    if kind(used):
        rival = fastest(layer.combinations[choice[layer.name]], kind, False)
        pairs: set[Pair] = {("sparse", "picked")}
        if rival is not None and rival < t_star:
            verdicts = within(t_star / rival - 1.0, (rival, t_star))
            pairs = {("sparse", "picked-but-slower" if verdict == "slower" else "picked") for verdict in verdicts}
        return replace(base, pairs=frozenset(pairs))
    holding = [c for c in layer.combinations if fastest(c, kind, True) is not None]
    if not holding:
        return replace(base, pairs=frozenset({("dense", "no-kernel")}), rule=1)
    assert best_dense is not None
    won = [c for c in holding if c.winner is not None and kind(c.winner)]
    if not won:
        margins = []
        for combination in holding:
            s, d = fastest(combination, kind, True), fastest(combination, kind, False)
            assert s is not None and d is not None
            margins.append((s / d - 1.0, d))
        margin, beside = min(margins)
        reasons = within(margin, (best_dense, beside, t_star))
        return replace(base, pairs=frozenset(("dense", r) for r in reasons), rule=2, margin=margin)
    around = adjacent(graph, layer)
    reformatted = any(
        (formats := edge_formats(graph, edge, choice))[0] != formats[1] and not graph.is_free(edge.tensor, *formats) for edge in around
    )
    best_won = min(s for c in won if (s := fastest(c, kind, True)) is not None)
    if best_won >= t_star:
        margin = best_won / t_star - 1.0
        reasons = within(margin, (best_dense, t_star))
        return replace(base, pairs=frozenset(("dense", r) for r in reasons), rule=3, margin=margin, reformat_beside=reformatted)
    return _arithmetic(graph, choice, layer, kind, around, base)


def _arithmetic(graph: Graph, choice: Choice, layer: Layer, kind: Kind, around: list[Edge], base: Ruling) -> Ruling:
    """Rule 4: would switching this layer alone, with every reformat that it adds and removes, cost less?"""
    t_star, best_dense = base.running_ms, base.best_dense_ms
    assert t_star is not None and best_dense is not None
    deltas: dict[int, float] = {}
    without_fixed: dict[int, list[float]] = {}
    won: set[int] = set()
    needed: set[tuple[str, object, object]] = set()
    for number, combination in enumerate(layer.combinations):
        s = fastest(combination, kind, True)
        if s is None or s >= t_star:
            continue
        if combination.winner is not None and kind(combination.winner):
            won.add(number)
        other = {**choice, layer.name: number}
        for plan in (choice, other):
            needed |= {(edge.tensor, *edge_formats(graph, edge, plan)) for edge in around}
        added, removed = reformat_sum(graph, around, other), reformat_sum(graph, around, choice)
        deltas[number] = s - t_star + added - removed
        without_fixed[number] = []
        for skip in (fixed_tensor, fixed_edge):
            inner = reformat_sum(graph, around, other, skip)
            without_fixed[number] += [s - t_star + inner - reformat_sum(graph, around, choice, skip), s - t_star + inner - removed]
    low, high = max(BAND_SHARE * best_dense, BAND_MS), max(BAND_SHARE * t_star, BAND_MS)
    reasons: set[str] = set()
    for numbers in (set(deltas), won):
        least = min(deltas[n] for n in numbers)
        outside = {all(without_fixed[n][form] <= 0 for n in numbers) for form in range(4)}
        outside |= {any(without_fixed[n][form] <= 0 for n in numbers) for form in range(4)}
        cost = {"io-format" if flag else "format-cost" for flag in outside}
        if least < 0:
            reasons.add("unexplained")
            if least >= -high:
                reasons.add("tie")
        if 0 <= least <= high:
            reasons.add("tie")
        if least > low:
            reasons |= cost
    pairs = frozenset(("dense", reason) for reason in reasons)
    return replace(base, pairs=pairs, rule=4, deltas=tuple(sorted(deltas.items())), needed=frozenset(needed))
