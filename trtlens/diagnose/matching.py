"""Which layers of one engine are which layers of another: by ONNX nodes, then by name, then by structure.

In: the verdicts of two builds. Out: `Match`es, groups of positions in A and in B, and what has no counterpart. Next: diff.py says what changed.
Fusions differ between versions, so that a group may hold several layers on either side. No step looks at all pairs: ONNX nodes are indexed, names
and structures are hashed, and a node that very many layers share (a constant) is no tie at all.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ..parse.layer_names import split_profile_suffix
from .model import LayerVerdict

MatchedBy = Literal["nodes", "name", "region", "structure"]

_REFORMAT = re.compile(r"^Reformatting CopyNode for |^Reformatted (?:In|Out)put Tensor ")
_REFORMAT_TYPES = frozenset({"Reformat", "NoOp", "MyelinReformat"})
_MYELIN_NUMBERS = re.compile(r"_myl\d+_\d+")
_DIMENSIONS = re.compile(r"-?\d{1,18}(?:x-?\d{1,18})*")
_WINDOWS = (12, 6, 3, 1)
_COMMON = 256
"""A node that this many pairs of layers share is a constant they all read, and no tie between any two of them."""
_PAIRS_PER_LAYER = 40
"""Bounds the work on engines in which many layers share nodes: the rarest nodes are taken first."""


@dataclass(frozen=True, slots=True)
class Match:
    """Layers of A and of B (positions in their builds) that compute the same part of the network."""

    a: tuple[int, ...]
    b: tuple[int, ...]
    by: MatchedBy


@dataclass(frozen=True, slots=True)
class Matching:
    """`matches` in the order of A; `only_a` and `only_b`: positions without a counterpart, reformats among them."""

    matches: tuple[Match, ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Format:
    """A format text of a verdict taken apart: `Half CHW16 1x64x56x56`. What the text does not say is None."""

    datatype: str
    layout: str | None
    dimensions: str | None


def parse_format(text: str) -> Format:
    """Datatype, layout and dimensions of a verdict's format text; a text of another form is all datatype."""
    words = text.split(" ")
    dimensions = words.pop() if len(words) > 1 and _DIMENSIONS.fullmatch(words[-1]) else None
    if len(words) > 2:
        return Format(text, None, None)
    return Format(words[0], words[1] if len(words) == 2 else None, dimensions)


def is_reformat(layer: LayerVerdict) -> bool:
    """Whether the layer only copies a tensor between formats."""
    return layer.type in _REFORMAT_TYPES or bool(_REFORMAT.match(layer.name))


def match_layers(a: Sequence[LayerVerdict], b: Sequence[LayerVerdict]) -> Matching:
    """Match two engines' layers. Deterministic; about linear in the number of layers."""
    matcher = _Matcher(a, b)
    matcher.by_nodes()
    matcher.by_name()
    matcher.by_region()
    matcher.by_structure()
    return matcher.result()


class _Side:
    """One engine while it is matched. `group[i]`: number of the match that holds layer i, -1 while it has none."""

    def __init__(self, layers: Sequence[LayerVerdict]) -> None:
        self.layers = layers
        self.group = [-1] * len(layers)
        self.reformat = [is_reformat(layer) for layer in layers]
        split = [split_profile_suffix(layer.name) for layer in layers]
        self.base = [name for name, _ in split]
        # An engine with one optimization profile prints no number: it is compared with the first of the other's.
        self.profile = [
            layer.optimization_profile if layer.optimization_profile is not None else number or 0
            for layer, (_, number) in zip(layers, split, strict=True)
        ]

    def free(self, reformats: bool = False) -> list[int]:
        return [i for i, group in enumerate(self.group) if group < 0 and (reformats or not self.reformat[i])]


class _Matcher:
    def __init__(self, a: Sequence[LayerVerdict], b: Sequence[LayerVerdict]) -> None:
        self.a, self.b = _Side(a), _Side(b)
        self.found: list[tuple[list[int], list[int], MatchedBy]] = []

    def _add(self, a: Iterable[int], b: Iterable[int], by: MatchedBy) -> None:
        number = len(self.found)
        members = (sorted(a), sorted(b))
        self.found.append((*members, by))
        for side, positions in zip((self.a, self.b), members, strict=True):
            for position in positions:
                side.group[position] = number

    def result(self) -> Matching:
        matches = sorted((Match(tuple(a), tuple(b), by) for a, b, by in self.found), key=lambda match: (match.a, match.b))
        return Matching(tuple(matches), tuple(self.a.free(reformats=True)), tuple(self.b.free(reformats=True)))

    # ---- ONNX nodes

    def by_nodes(self) -> None:
        """First layers with the same nodes, then, by each layer's closest ties, those whose nodes are split or joined differently."""
        nodes = tuple([tuple(sorted(layer.onnx_nodes)) for layer in side.layers] for side in (self.a, self.b))

        def key(side: _Side, i: int, beside: Hashable = None) -> Hashable | None:
            found = nodes[0 if side is self.a else 1][i]
            return (side.profile[i], found, beside) if found else None

        # Myelin makes several kernels of one node: those of one name or type belong together before mere order decides.
        self._pair_equal(lambda side, i: key(side, i, _MYELIN_NUMBERS.sub("", side.base[i])), "nodes")
        self._pair_equal(lambda side, i: key(side, i, side.layers[i].type), "nodes")
        self._pair_equal(key, "nodes")
        holders: tuple[dict[tuple[int, str], list[int]], dict[tuple[int, str], list[int]]] = (defaultdict(list), defaultdict(list))
        for side, holder in zip((self.a, self.b), holders, strict=True):
            for i in side.free():
                for name in dict.fromkeys(side.layers[i].onnx_nodes):
                    holder[side.profile[i], name].append(i)
        shared = sorted((len(holders[0][node]) * len(holders[1][node]), node) for node in holders[0].keys() & holders[1].keys())
        budget = 10_000 + _PAIRS_PER_LAYER * (len(self.a.layers) + len(self.b.layers))
        ties: dict[tuple[int, int], float] = defaultdict(float)
        for pairs, node in shared:
            budget -= pairs
            if budget < 0 or pairs > _COMMON:
                break
            for i in holders[0][node]:
                for j in holders[1][node]:
                    # A node that one layer of each side holds ties the two; a constant that twenty share hardly does.
                    ties[i, j] += 1.0 / pairs
        self._join(ties)

    def _join(self, ties: dict[tuple[int, int], float]) -> None:
        """Groups of layers that are each other's closest tie, seen from either side."""
        best: tuple[dict[int, float], dict[int, float]] = ({}, {})
        for pair, strength in ties.items():
            for closest, i in zip(best, pair, strict=True):
                closest[i] = max(closest.get(i, 0.0), strength)
        parent: dict[tuple[int, int], tuple[int, int]] = {}

        def root(x: tuple[int, int]) -> tuple[int, int]:
            while parent.setdefault(x, x) != x:
                parent[x] = parent[parent[x]]
                x = parent[x]
            return x

        for (i, j), strength in ties.items():
            # Sums of reciprocals in another order differ in their last digits.
            if strength >= 0.999999 * best[0][i] or strength >= 0.999999 * best[1][j]:
                parent[root((0, i))] = root((1, j))
        groups: dict[tuple[int, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for x in sorted(parent):
            groups[root(x)][x[0]].append(x[1])
        for members in sorted(groups.values()):
            self._add(*members, "nodes")

    def _pair_equal(self, key: Callable[[_Side, int], Hashable | None], by: MatchedBy, reformats: bool = False) -> None:
        """Pair free layers with equal keys, in order, where both sides hold as many of them; else they cannot be told apart."""
        buckets: dict[Hashable, tuple[list[int], list[int]]] = {}
        for number, side in enumerate((self.a, self.b)):
            for i in side.free(reformats):
                value = key(side, i)
                if value is not None:
                    buckets.setdefault(value, ([], []))[number].append(i)
        for left, right in buckets.values():
            if len(left) == len(right):
                for i, j in zip(left, right, strict=True):
                    self._add((i,), (j,), by)

    # ---- names

    def by_name(self) -> None:
        """Equal names, then names that are equal but for Myelin's own numbering."""
        self._pair_equal(lambda side, i: (side.profile[i], side.base[i]), "name", reformats=True)
        self._pair_equal(
            lambda side, i: (side.profile[i], _MYELIN_NUMBERS.sub("", side.base[i]), side.layers[i].output_formats) if side.base[i] else None, "name"
        )

    # ---- regions

    def by_region(self) -> None:
        """Layers inside a region: `{ForeignNode[a...z]}` names its ends alone, what the other engine runs between them lies in it."""
        for number, (left, right, by) in enumerate(self.found):
            for own, other, mine, theirs in ((self.a, self.b, left, right), (self.b, self.a, right, left)):
                if len(theirs) < 2 or not any("{ForeignNode[" in own.base[i] for i in mine):
                    continue
                profile = other.profile[theirs[0]]
                inside = [
                    i for i in range(theirs[0], theirs[-1]) if other.group[i] < 0 and not other.reformat[i] and other.profile[i] == profile
                ]
                if inside:
                    theirs[:] = sorted({*theirs, *inside})
                    self.found[number] = (left, right, "region" if by == "nodes" else by)
                    for i in inside:
                        other.group[i] = number

    # ---- structure

    def by_structure(self) -> None:
        """Type, shapes and formats of a layer and of its neighbours; neighbours that are matched already stand for themselves."""
        for signature in (_type_and_formats, _type_and_shapes, _shapes):
            for width in _WINDOWS:
                self._by_window(signature, width)
            self._grow(signature)
            self._between_anchors(signature)

    def _by_window(self, signature: Callable[[LayerVerdict], Hashable | None], width: int) -> None:
        if not self.a.free() or not self.b.free():
            return
        windows = tuple(_windows(side, signature, width) for side in (self.a, self.b))
        # Equal windows repeat where a network repeats a block; only a window that is unique on both sides proves anything.
        counts = [Counter(window.values()) for window in windows]
        for window, count in zip(windows, counts, strict=True):
            window.update({i: None for i, key in window.items() if count[key] > 1})
        self._pair_equal(lambda side, i: windows[0 if side is self.a else 1].get(i), "structure")

    def _grow(self, signature: Callable[[LayerVerdict], Hashable | None]) -> None:
        """From each match on along both engines, either way, as long as the next layers are free and alike.

        Where one engine has more of a kind in a row, another one comes first from the front than from behind: then nothing tells which of them it is.
        """
        pairs = {pair for step in (1, -1) for pair in self._grown(signature, step)}
        of_a, of_b = (Counter(pair[side] for pair in pairs) for side in (0, 1))
        for i, j in sorted(pairs):
            if of_a[i] == of_b[j] == 1:
                self._add((i,), (j,), "structure")

    def _grown(self, signature: Callable[[LayerVerdict], Hashable | None], step: int) -> Iterator[tuple[int, int]]:
        """The pairs that growing in one direction gives."""
        next_a, next_b = _next(self.a, step), _next(self.b, step)
        for left, right, _ in self.found:
            i, j = next_a.get(left[-1 if step > 0 else 0]), next_b.get(right[-1 if step > 0 else 0])
            while i is not None and j is not None and self.a.group[i] < 0 and self.b.group[j] < 0 and self.a.profile[i] == self.b.profile[j]:
                mark = signature(self.a.layers[i])
                if mark is None or mark != signature(self.b.layers[j]):
                    break
                yield i, j
                i, j = next_a.get(i), next_b.get(j)

    def _between_anchors(self, signature: Callable[[LayerVerdict], Hashable | None]) -> None:
        """Equal layers between the same two matched ones."""
        near = (_anchors(self.a), _anchors(self.b))

        def key(side: _Side, i: int) -> Hashable | None:
            mark = signature(side.layers[i])
            around = near[0 if side is self.a else 1].get(i)
            return None if mark is None or around is None or around == (-1, -1) else (mark, around, side.profile[i])

        self._pair_equal(key, "structure")


def _windows(side: _Side, signature: Callable[[LayerVerdict], Hashable | None], width: int) -> dict[int, Hashable | None]:
    """Each free layer's signature with those of `width` neighbours on either side, reformats left out."""
    order = [i for i in range(len(side.layers)) if not side.reformat[i]]
    marks: list[Hashable] = [side.group[i] if side.group[i] >= 0 else signature(side.layers[i]) for i in order]
    found: dict[int, Hashable | None] = {}
    for place, i in enumerate(order):
        if side.group[i] < 0:
            window = tuple(marks[max(place - width, 0) : place + width + 1])
            found[i] = None if marks[place] is None else (min(place, width), window, side.profile[i])
    return found


def _next(side: _Side, step: int) -> dict[int, int]:
    """The layer after (or, with step -1, before) each layer in the engine's order, reformats left out."""
    order = [i for i in range(len(side.layers)) if not side.reformat[i]][::step]
    return dict(pairwise(order))


def _anchors(side: _Side) -> dict[int, tuple[int, int]]:
    """For each free layer the matches before and after it in the engine's order, -1 where there is none."""
    before, found = -1, {}
    free = set(side.free())
    for i in range(len(side.layers)):
        if i in free:
            found[i] = before
        elif not side.reformat[i]:
            before = side.group[i]
    after, both = -1, {}
    for i in range(len(side.layers) - 1, -1, -1):
        if i in free:
            both[i] = (found[i], after)
        elif not side.reformat[i]:
            after = side.group[i]
    return both


def _type_and_formats(layer: LayerVerdict) -> Hashable | None:
    return (layer.type, layer.input_formats, layer.output_formats) if layer.output_formats or layer.input_formats else None


def _dimensions(formats: Sequence[str]) -> tuple[str, ...]:
    return tuple(found for text in formats if (found := parse_format(text).dimensions) is not None)


def _shapes(layer: LayerVerdict) -> Hashable | None:
    shapes = (_dimensions(layer.input_formats), _dimensions(layer.output_formats))
    return shapes if all(shapes) else None


def _type_and_shapes(layer: LayerVerdict) -> Hashable | None:
    shapes = _shapes(layer)
    return None if shapes is None else (layer.type, shapes)
