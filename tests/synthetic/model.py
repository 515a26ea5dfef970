"""A small synthetic world: layers, tensors, format combinations, tactics, reformats, and the plan that costs least.

In: nothing. Out: dataclasses and `solve`. Next: worlds.py draws them at random, dialects.py prints them, truth.py judges them.
All times are milliseconds as the log prints them (six significant digits), so that sums over the text equal sums over the world.
Marks such as `named`, `skipped` and `printed` say what the log shows; they never change what is true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

# Layout name -> (vectorised lanes along the channels, channels innermost).
LAYOUTS: dict[str, tuple[int, bool]] = {
    "LINEAR": (1, False),
    "HWC": (1, True),
    "CHW4": (4, False),
    "CHW32": (32, False),
    "HWC4": (4, True),
    "HWC8": (8, True),
    "HWC16": (16, True),
}


def logged(time_ms: float) -> float:
    """`time_ms` as TensorRT prints it: six significant digits."""
    return float(f"{time_ms:.6g}")


@dataclass(frozen=True, order=True)
class Format:
    """Type (`Half`, `Float`, `Int8`) and layout of one tensor."""

    dtype: str
    layout: str


@dataclass(frozen=True)
class Tensor:
    """A tensor of shape (N, C, H, W). `role`: input and output have the fixed format `fixed`; plugin is fixed by its plugin layer."""

    name: str
    shape: tuple[int, int, int, int]
    role: str = "inner"
    fixed: Format | None = None


@cache
def strides(form: Format, shape: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Strides in units of vectors, outermost dimension first."""
    _, channels, height, width = shape
    lanes, inner = LAYOUTS[form.layout]
    vectors = -(-channels // lanes)
    if inner:
        return (vectors * height * width, 1, width * vectors, vectors)
    return (vectors * height * width, height * width, width, 1)


@cache
def descriptor(form: Format, shape: tuple[int, int, int, int]) -> str:
    """The format as a log line prints it: `Half(25088,1:8,448,32)`."""
    batch, channel, row, column = strides(form, shape)
    lanes = LAYOUTS[form.layout][0]
    return f"{form.dtype}({batch},{channel}{f':{lanes}' if lanes > 1 else ''},{row},{column})"


@cache
def memory_key(form: Format, shape: tuple[int, int, int, int]) -> tuple[object, ...]:
    """Equal keys mean equal bytes in equal order: then a reformat between the two is a NoOp (channels padded differently are not equal)."""
    batch, channels, height, width = shape
    per_batch, step, row, column = strides(form, shape)
    lanes = LAYOUTS[form.layout][0]
    offsets = tuple((c // lanes) * step * lanes + c % lanes for c in range(channels))
    return (form.dtype, offsets, row * lanes if height > 1 else 0, column * lanes if width > 1 else 0, per_batch * lanes * batch)


@dataclass(frozen=True)
class Tactic:
    """One kernel configuration of one race.

    `kernel`: the name, None for runner families that never print one. `named`: False hides the name everywhere in the capture.
    `skipped`: why it was not timed (`scratch`, `memory`, `device`, `time`, `pruned`), None when it was. `fast_skip`: announced as
    skipped in the
    pre-run
    and timed all the same.
    """

    runner: str
    id: int
    kernel: str | None
    sparse: bool
    time_ms: float
    true_ms: float
    named: bool = True
    skipped: str | None = None
    fast_skip: bool = False


@dataclass(frozen=True)
class Combination:
    """One format combination of one layer, and its race.

    `printed`: `timed` (the race is in the log), `silent` (8.x twin or cache: the combination alone), `cached` (a 10.x line that equals one
    earlier race), `external` (a 10.x cached result from outside the log), `chose` (a winner without times). `pinned`: the tactic that is
    used
    although it is not the fastest. `hidden_ms`: a cost the planner saw and the log does not show. `invalid_runners`: tried, "no valid
    tactics".
    """

    inputs: tuple[Format, ...]
    outputs: tuple[Format, ...]
    tactics: tuple[Tactic, ...]
    printed: str = "timed"
    pinned: int | None = None
    hidden_ms: float = 0.0
    invalid_runners: tuple[str, ...] = ()

    @property
    def timed(self) -> tuple[Tactic, ...]:
        return tuple(t for t in self.tactics if t.skipped is None)

    @property
    def winner(self) -> Tactic | None:
        """The fastest as logged; the pinned tactic where there is one; None where nothing could be timed."""
        if self.pinned is not None:
            return self.tactics[self.pinned]
        return min(self.timed, key=lambda t: t.time_ms, default=None)

    def best(self, sparse: bool) -> float | None:
        return min((t.time_ms for t in self.timed if t.sparse == sparse), default=None)


@dataclass(frozen=True)
class Layer:
    """An engine layer before its tactic is chosen. `nodes`: ONNX nodes in it; `kind`: conv, gemm, pool, shuffle, plugin, add, myelin.

    `eligible`: the builder counts it as 2:4 sparse. `listed_as`: the name in the (Sparsity) list if it differs from `name`.
    `op`: the operator inside a Myelin region; `rows`: its true race; `table`: whether the log prints it. `twin_of`: whose race it reuses.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    combinations: tuple[Combination, ...]
    eligible: bool = False
    groups: int = 1
    twin_of: str | None = None
    listed_as: str | None = None
    op: str | None = None
    rows: tuple[Tactic, ...] = ()
    table: bool = True

    @property
    def listed_name(self) -> str:
        return self.listed_as or self.op or self.name


@dataclass(frozen=True)
class Graph:
    """One tuning pass: layers in topological order. `reformats`: cost by (tensor, from, to), NoOps included as they are timed;
    `unmeasured`: those of them that the log does not show. `profile`: the optimization profile, 0 without suffix."""

    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]
    reformats: dict[tuple[str, Format, Format], float]
    unmeasured: frozenset[tuple[str, Format, Format]] = frozenset()
    profile: int = 0

    def layer(self, name: str) -> Layer:
        return next(item for item in self.layers if item.name == name)

    def producer(self, tensor: str) -> tuple[Layer, int] | None:
        return next(((item, item.outputs.index(tensor)) for item in self.layers if tensor in item.outputs), None)

    def consumers(self, tensor: str) -> list[tuple[Layer, int]]:
        return [(item, slot) for item in self.layers for slot, name in enumerate(item.inputs) if name == tensor]

    def is_free(self, tensor: str, source: Format, target: Format) -> bool:
        shape = self.tensors[tensor].shape
        return memory_key(source, shape) == memory_key(target, shape)

    def reformat_ms(self, tensor: str, source: Format, target: Format) -> float:
        """What a copy costs: nothing where the bytes are the same, else the logged time."""
        return 0.0 if self.is_free(tensor, source, target) else self.reformats[tensor, source, target]


@dataclass(frozen=True)
class Edge:
    """A place where a reformat can stand: from `source` (None: network input) to `target` (None: network output), input slot `slot`."""

    tensor: str
    source: str | None
    source_slot: int
    target: str | None
    slot: int


def edges(graph: Graph) -> list[Edge]:
    found: list[Edge] = []
    for tensor in graph.tensors.values():
        made = graph.producer(tensor.name)
        source, source_slot = (made[0].name, made[1]) if made else (None, 0)
        for layer, slot in graph.consumers(tensor.name):
            found.append(Edge(tensor.name, source, source_slot, layer.name, slot))
        if tensor.role == "output":
            found.append(Edge(tensor.name, source, source_slot, None, 0))
    return found


Choice = dict[str, int]


def edge_formats(graph: Graph, edge: Edge, choice: Choice) -> tuple[Format, Format]:
    """The formats on both sides of `edge` under `choice`."""
    fixed = graph.tensors[edge.tensor].fixed
    if edge.source is None:
        assert fixed is not None
        source = fixed
    else:
        source = graph.layer(edge.source).combinations[choice[edge.source]].outputs[edge.source_slot]
    if edge.target is None:
        assert fixed is not None
        return source, fixed
    return source, graph.layer(edge.target).combinations[choice[edge.target]].inputs[edge.slot]


def total_ms(graph: Graph, choice: Choice) -> float:
    """Layers and reformats of one plan, as logged, without what is hidden."""
    layers = 0.0
    for layer in graph.layers:
        winner = layer.combinations[choice[layer.name]].winner
        assert winner is not None
        layers += winner.time_ms
    return layers + sum(graph.reformat_ms(e.tensor, *edge_formats(graph, e, choice)) for e in edges(graph))


def solve(graph: Graph) -> Choice:
    """The plan of least logged plus hidden cost: exact, by dynamic programming over the layers whose outputs are still wanted."""
    position = {layer.name: index for index, layer in enumerate(graph.layers)}
    all_edges = edges(graph)
    last_use: dict[str, int] = {}
    for edge in all_edges:
        if edge.source is not None:
            last_use[edge.source] = max(last_use.get(edge.source, -1), position[edge.target] if edge.target else position[edge.source])
    states: dict[tuple[tuple[str, int], ...], tuple[float, Choice]] = {(): (0.0, {})}
    for index, layer in enumerate(graph.layers):
        incoming = [e for e in all_edges if e.target == layer.name]
        leaving = [e for e in all_edges if e.source == layer.name and e.target is None]
        following: dict[tuple[tuple[str, int], ...], tuple[float, Choice]] = {}
        for live, (cost, choice) in states.items():
            for number, combination in enumerate(layer.combinations):
                winner = combination.winner
                if winner is None:
                    continue
                extended = {**choice, layer.name: number}
                here = winner.time_ms + combination.hidden_ms
                here += sum(graph.reformat_ms(e.tensor, *edge_formats(graph, e, extended)) for e in chain(incoming, leaving))
                key = tuple((name, extended[name]) for name, _ in (*live, (layer.name, 0)) if last_use.get(name, -1) > index)
                known = following.get(key)
                if known is None or cost + here < known[0] - 1e-12:
                    following[key] = (cost + here, extended)
        states = following
    assert len(position) == len(graph.layers), "layer names must be unique"
    return min(states.values(), key=lambda state: state[0])[1]


def brute_force(graph: Graph) -> Choice:
    """The same by trying every plan: the generator's own test compares it with `solve`."""

    def plans(rest: tuple[Layer, ...]) -> Iterator[Choice]:
        if not rest:
            yield {}
            return
        for tail in plans(rest[1:]):
            for number, combination in enumerate(rest[0].combinations):
                if combination.winner is not None:
                    yield {rest[0].name: number, **tail}

    def cost(choice: Choice) -> float:
        return total_ms(graph, choice) + sum(graph.layer(name).combinations[number].hidden_ms for name, number in choice.items())

    return min(plans(graph.layers), key=cost)


def running(graph: Graph, choice: Choice, name: str) -> Tactic:
    """The tactic in the engine."""
    winner = graph.layer(name).combinations[choice[name]].winner
    assert winner is not None
    return winner


def tactic_hash(kernel: str, bits: int = 64) -> int:
    """A stable id for a kernel name; Myelin's tables print shorter ones (`bits` 52)."""
    return int.from_bytes(hashlib.blake2b(kernel.encode(), digest_size=8).digest(), "big") >> (64 - bits)


def map_tactics(graph: Graph, change: dict[int, Tactic]) -> Graph:
    """A copy of `graph` in which the tactic objects keyed by `id(...)` are replaced."""
    layers = []
    for layer in graph.layers:
        combinations = tuple(replace(c, tactics=tuple(change.get(id(t), t) for t in c.tactics)) for c in layer.combinations)
        layers.append(replace(layer, combinations=combinations))
    return replace(graph, layers=tuple(layers))


@dataclass(frozen=True)
class Gpu:
    name: str
    sm: int
    compute_capability: str
    multiprocessors: int


GPUS: tuple[Gpu, ...] = (
    Gpu("NVIDIA A100-SXM4-40GB", 80, "8.0", 108),
    Gpu("NVIDIA GeForce RTX 3080", 86, "8.6", 68),
    Gpu("Orin", 87, "8.7", 16),
    Gpu("NVIDIA RTX 6000 Ada Generation", 89, "8.9", 142),
)
TURING = Gpu("Tesla T4", 75, "7.5", 40)


@dataclass(frozen=True)
class Pass:
    """One backend strategy: a graph per optimization profile, the plan of each, and whether the engine is made of it."""

    graphs: tuple[Graph, ...]
    choices: tuple[Choice, ...]
    strategy: int | None = None
    used: bool = True
    estimated_ms: float = 0.0


@dataclass(frozen=True)
class World:
    """One build. `passes`: in the order of the log; exactly one is used."""

    gpu: Gpu
    passes: tuple[Pass, ...]
    sparsity: bool = True
    loaded_entries: int = 0
    precision: str = "fp16"

    @property
    def engine(self) -> Pass:
        return next(p for p in self.passes if p.used)
