"""What TensorRT itself says about sparsity: the `(Sparsity)` lists of the pass that became the engine.

In: a `Build` of the log, the engine's layers. Out: `Listing`. Next: eligibility.py and joins.py.
A log holds a pair of lists for each pass (backend strategies, optimization profiles) and for each Myelin sub-build; the last one in the file need
not be the engine's (contract, "Builds and passes").
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..parse.build_log.records import Build, BuildLog, Line, Pass
from ..parse.layer_names import myelin_operation, onnx_nodes_from_name, split_profile_suffix
from .layers import EngineLayer, concern, is_region
from .race_columns import distinct

_SEPARATOR = ", "
_BRACKET = re.compile(r"[][(){}]")
_MOST_COMMAS = 32
"""Of one name that the engine does not have: a bracket that is never closed would hold the rest of a list of thousands."""
# What somebody who quotes a long list leaves in place of its names.
_ELISION = re.compile(r"(?:\.{2,}|…)+$")


@dataclass(frozen=True, slots=True)
class ChosenPass:
    """The pass that made the engine. `index` None: the build has passes and nothing tells which; `certain`: the log says or there is one."""

    index: int | None
    certain: bool
    why: str
    strategy: int | None = None
    lines: tuple[Line, ...] = ()


@dataclass(slots=True)
class Listing:
    """The lists of one build's engine. `eligible`/`picked`: layer name → the line that names it; None where the log has no such list."""

    chosen: ChosenPass
    eligible: dict[str, Line] | None = None
    picked: dict[str, Line] | None = None
    foreign: dict[str, Line] = field(default_factory=dict)
    """Names of the eligible list that a Myelin sub-build printed (they name operations inside a region)."""
    foreign_picked: dict[str, Line] = field(default_factory=dict)
    foreign_whole: bool = True
    """Each sub-build that printed what is eligible printed what it chose, too: a name not chosen runs dense."""
    count_mismatch: list[Line] = field(default_factory=list)
    elided: list[Line] = field(default_factory=list)
    """Lists that were shortened by hand (`conv1, ....`): how many names they held is not known."""
    list_lines: list[Line] = field(default_factory=list)
    complete: bool = False
    """The build reached its engine and the lists of its pass were printed: absence of a name means something."""

    counted: bool = True
    """Every eligible list holds as many names as it says: none is lost, and none was split at a comma of its own. TensorRT 8 says no number: there a
    list counts unless it ends in the middle of a name."""

    lost: bool = False
    """A list of what was chosen stands without its list of what is eligible: a name may have been on that."""

    silent_region: bool = False
    """No list names the operations of some Myelin region: it was not compiled for this pass, as an equal one, or one of another pass or build, was before."""

    nameless: bool = False
    """A list of what is eligible says how many names it has, and none of them (some builds name them in verbose logs alone): any layer may be one."""

    elsewhere: dict[str, Line] = field(default_factory=dict)
    """What Myelin sub-builds of other passes of the build list as eligible."""

    united: bool = False
    """The engine has several optimization profiles, and the lists do not say which of them a name is of."""

    settled: bool = False
    """No later pass can have replaced this one: the build reached its engine, or printed its outer list and knows no backend strategies."""

    @property
    def names(self) -> int | None:
        """How many names the eligible lists hold; None where there is none, or not all of it."""
        return None if self.eligible is None or self.elided or self.nameless else len(self.eligible)


def choose_pass(build: Build, log: BuildLog, layers: Sequence[EngineLayer]) -> ChosenPass:
    """The pass whose graph is the engine: the last one used and not skipped, checked against the engine's names and tactic ids."""
    passes = build.passes
    if not passes:
        return ChosenPass(-1, True, "the log has no tuning")
    if len(passes) == 1 and passes[0].fate != "skipped":  # else the lines of the one that made the engine are lost
        return ChosenPass(passes[0].index, True, "the build has one pass", passes[0].strategy)
    fits = {p.index: _fit(p, build, log, layers) for p in passes}
    used = [p for p in passes if p.fate == "used"]
    alive = used or [p for p in passes if p.fate != "skipped"]
    last = alive[-1] if alive else None
    best = max(fits.values(), default=0.0)
    if last is not None and (used or len(alive) == 1) and fits[last.index] >= best - 1e-9:
        lines = tuple(p.fate_line for p in passes if p.fate_line is not None)
        return ChosenPass(last.index, True, f"the log says that backend strategy {last.strategy} is used", last.strategy, lines)
    unique = [index for index, fit in fits.items() if fit == best]
    if best > 0 and len(unique) == 1:
        number = unique[0]
        return ChosenPass(number, False, "its layers and tactics are the engine's, though the log does not say so", passes[number].strategy)
    if last is not None:
        return ChosenPass(last.index, False, "the log does not say which pass became the engine", last.strategy)
    return ChosenPass(None, False, "the log does not say which pass became the engine")


def _fit(candidate: Pass, build: Build, log: BuildLog, layers: Sequence[EngineLayer]) -> float:
    """Share of the engine's layers that the pass tuned, those whose tactic it chose counted double."""
    c = log.combinations.arrays
    winners: dict[str, set[int]] = defaultdict(set)
    for number in range(len(log.combinations)):
        if c["build"][number] == build.index and c["pass_index"][number] == candidate.index and not c["is_reformat"][number]:
            name = log.layers.get(c["layer"][number])
            if name is not None:
                winners[name].add(c["winner_tactic"][number])
    concerned = [layer for layer in layers if not layer.is_reformat]
    if not concerned:
        return 0.0
    score = sum(
        (1.0 if layer.name in winners else 0.0) + (1.0 if layer.tactic_id in winners.get(layer.name, ()) else 0.0) for layer in concerned
    )
    return score / (2 * len(concerned))


def read_listing(build: Build, log: BuildLog, layers: Sequence[EngineLayer]) -> Listing:
    """The `(Sparsity)` lists of the engine's pass, united over its optimization profiles and Myelin sub-builds."""
    chosen = choose_pass(build, log, layers)
    listing = Listing(chosen)
    single = len(build.passes) <= 1
    engine = {name for layer in layers for name in (layer.name, layer.base_name)}
    for item in build.sparsity:
        if not single and item.pass_index != chosen.index:
            if item.foreign and item.kind == "eligible":
                listing.elsewhere.update(dict.fromkeys(item.names, item.at))
            continue
        names, one_way = _with_commas(item.names, engine)
        one_way = one_way or item.count == len(names)
        item = replace(item, names=names)
        listing.list_lines.append(item.at)
        if not one_way or item.doubtful or (item.count is not None and item.count != len(item.names)):
            listing.count_mismatch.append(item.at)
            listing.counted = listing.counted and item.kind != "eligible"
        if item.count is None and _cut(item.names, item.at.text, layers):
            if item.kind == "eligible":
                listing.counted = False
            elif not _shortens(item.names, layers):
                listing.count_mismatch.append(item.at)
        if item.count and not item.names:
            listing.nameless = listing.nameless or item.kind == "eligible"
            continue
        whole = [name for name in item.names if not _ELISION.match(name)]
        if len(whole) < len(item.names):
            listing.elided.append(item.at)
            listing.count_mismatch.append(item.at)
        named = dict.fromkeys(whole, item.at)
        if item.kind == "eligible":
            listing.eligible = {**(listing.eligible or {}), **named}
            if item.foreign:
                listing.foreign.update(named)
        else:
            listing.picked = {**(listing.picked or {}), **named}
            if item.foreign:
                listing.foreign_picked.update(named)
    mine = [item for item in build.sparsity if item.foreign and (single or item.pass_index == chosen.index)]
    listing.foreign_whole = 2 * sum(item.kind == "picked" for item in mine) == len(mine)
    pairs = Counter((item.foreign, item.kind) for item in build.sparsity if single or item.pass_index == chosen.index)
    listing.lost = any(pairs[foreign, "picked"] > pairs[foreign, "eligible"] for foreign in (False, True))
    listing.silent_region = _holds_silent_region(build, log, None if single else chosen.index)
    own = [name for name in (*(listing.eligible or ()), *(listing.picked or ())) if name not in listing.foreign]
    listing.united = any(layer.optimization_profile for layer in layers) and all(split_profile_suffix(name)[1] is None for name in own)
    # An outer pair must be there: a Myelin sub-build prints one of its own whatever the rest holds.
    kinds = {item.kind for item in build.sparsity if not item.foreign and (single or item.pass_index == chosen.index)}
    outer = "eligible" in kinds and (build.complete or "picked" in kinds)  # in a cut log the second line shows that the first one is whole
    listing.complete = (build.complete or _tells_at_info(build)) and outer and listing.eligible is not None and not listing.elided and not listing.nameless
    listing.settled = chosen.certain and (build.complete or (outer and not any(p.strategy is not None for p in build.passes)))
    return listing


def _tells_at_info(build: Build) -> bool:
    """Whether the lists alone show that the build reached its plan: a log of TensorRT 8 at INFO prints them and nothing else of its end.

    Its two lists are the last that it says of the plan; those of later versions, which count their names, stand in verbose logs alone.
    """
    kinds = {item.kind for item in build.sparsity if item.count is None and not item.foreign}
    return kinds == {"eligible", "picked"} and not build.tuned and not build.passes and build.failed is None


def _with_commas(names: tuple[str, ...], engine: set[str]) -> tuple[tuple[str, ...], bool]:
    """A list's names, those put together again that hold the list's own separator, and whether they can be read in this one way only.

    A list is split outside of brackets, which a comma in the name itself (`Conv, part 2`) and a bracket that only another name closes both defeat:
    what the engine calls its layers tells where such a name ends.
    """
    known = {name: name.count(_SEPARATOR) + 1 for name in engine if _SEPARATOR in name}
    pieces = _SEPARATOR.join(names).split(_SEPARATOR)
    if len(pieces) == 1 or (not known and len(pieces) == len(names)):
        return names, True
    widths = sorted(set(known.values()), reverse=True)
    found: list[str] = []
    one_way = True
    at = 0
    while at < len(pieces):
        width = next((w for w in widths if at + w <= len(pieces) and known.get(_SEPARATOR.join(pieces[at : at + w])) == w), 0)
        if width and all(piece in engine for piece in pieces[at : at + width]):
            one_way, width = False, 1  # as many layers of their own have these very names
        if not width and pieces[at] in engine:
            width = 1
        if not width:
            width = next((w for w in range(1, min(len(pieces) - at, _MOST_COMMAS) + 1) if _is_closed(_SEPARATOR.join(pieces[at : at + w]))), 1)
        found.append(_SEPARATOR.join(pieces[at : at + width]))
        at += width
    return tuple(found), one_way


def _is_closed(name: str) -> bool:
    """Whether every bracket that is opened is closed again."""
    depth = 0
    for sign in _BRACKET.findall(name):
        depth = depth + 1 if sign in "([{" else max(depth - 1, 0)
    return depth == 0


def _holds_silent_region(build: Build, log: BuildLog, pass_index: int | None) -> bool:
    """Whether some Myelin region of the pass has no race of its own, or its sub-builds, those of all optimization profiles together, printed no list."""
    c = log.combinations
    mine = (c["build"] == build.index) & (c["is_reformat"] == 0) & (c["layer"] >= 0)
    if pass_index is not None:
        mine &= c["pass_index"] == pass_index
    printed = sorted(item.at.line for item in build.sparsity if item.foreign)
    listed: dict[str, bool] = {}
    for number in distinct(c["layer"][mine])[0].tolist():
        name = log.layers.texts[number]
        if not is_region(name):
            continue
        raced = mine & (c["layer"] == number) & (c["cached"] == 0) & (c["winner_line"] > 0)
        if not raced.any():
            return True
        spans = zip(c["line"][raced].tolist(), c["winner_line"][raced].tolist(), strict=True)
        own = any(bisect_left(printed, first) < bisect_right(printed, last) for first, last in spans)
        base = split_profile_suffix(name)[0]
        listed[base] = listed.get(base, False) or own
    return not all(listed.values())


def _cut(names: Sequence[str], text: str, layers: Sequence[EngineLayer]) -> bool:
    """Whether a list without a count breaks off, as loggers with a buffer of fixed size leave it: after a comma, or within the name of a layer."""
    if text.rstrip().endswith(","):
        return True
    last = names[-1] if names else ""
    return last != "" and any(layer.name.startswith(last) for layer in layers) and not any(last in (layer.name, layer.base_name) for layer in layers)


def _shortens(names: Sequence[str], layers: Sequence[EngineLayer]) -> bool:
    """Whether a list that may break off within its last name prints fusions under shorter names anyway: an earlier one is such a name, too."""
    engine = {layer.name for layer in layers}
    beginnings = {layer.name[: sign.start()] for layer in layers for sign in re.finditer(r" \+ ", layer.name)} - engine
    return len(names) > 1 and names[-1] in beginnings and not beginnings.isdisjoint(names[:-1])


@dataclass(slots=True)
class Matches:
    """Names of the eligible list joined to engine layers: `of[i]` is the listed name of layer i, `exact[i]` whether it is the very name."""

    of: list[str | None]
    exact: list[bool]
    unmatched: list[str]


def match_names(layers: Sequence[EngineLayer], names: Sequence[str]) -> Matches:
    """Join listed names to layers: by name, then without ` [profile N]` and Myelin's number, then by ONNX nodes (fusions may be printed under another name)."""
    of: list[str | None] = [None] * len(layers)
    exact = [False] * len(layers)
    left = dict.fromkeys(names)
    by_base = {split_profile_suffix(name)[0]: name for name in names}
    engine = {layer.base_name for layer in layers}
    for number, layer in enumerate(layers):
        name = layer.name if layer.name in left else by_base.get(layer.base_name)
        if name is None and concern(layer) == "weights" and (op := myelin_operation(layer.base_name)) is not None and op not in engine:
            own = f"{op} [profile {layer.optimization_profile}]" if layer.optimization_profile else op
            name = own if own in left else by_base.get(op)
        if name is not None and not layer.is_reformat:
            of[number], exact[number] = name, True
    matched = {name for name in of if name is not None}
    open_names = [name for name in left if name not in matched]
    if open_names:
        owners: dict[str, set[int]] = defaultdict(set)
        for number, layer in enumerate(layers):
            if of[number] is None and not layer.is_reformat:
                for node in layer.onnx_nodes:
                    owners[node].add(number)
        for name in open_names:
            nodes = _nodes(name)
            candidates = set.intersection(*(owners.get(node, set()) for node in nodes)) if nodes else set()
            if len(candidates) != 1:
                # The engine fused otherwise than the list says: the one layer with weights that holds one of its nodes.
                shared = set().union(*(owners.get(node, set()) for node in nodes))
                candidates = {number for number in shared if concern(layers[number]) == "weights"}
            if len(candidates) == 1:
                number = candidates.pop()
                if of[number] is None:
                    of[number] = name
                    matched.add(name)
            elif len({layers[number].optimization_profile for number in candidates}) == len(candidates):
                # The same layer, once for each optimization profile; a list is that of all of them.
                for each in candidates:
                    if split_profile_suffix(name)[1] in (None, layers[each].optimization_profile):
                        of[each] = name
                        matched.add(name)
    return Matches(of, exact, [name for name in left if name not in matched])


def _nodes(name: str) -> tuple[str, ...]:
    return onnx_nodes_from_name(split_profile_suffix(name)[0])
