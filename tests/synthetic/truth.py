"""A synthetic capture: three texts and the verdicts that are right for them. In: a seed. Out: `Capture`. Tests are next.

Truth is derived from the world, never from the text; the list of rules stands in README.md beside this file.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields, replace

from .artefacts import layer_info, timing_profile
from .dialects import DIALECTS, Dialect, Log, Writer
from .judge import ANY, UNGRADED, Judge, Race, Truth, View
from .model import Pass, Tactic, World, map_tactics, running, solve, tactic_hash
from .switches import SHAPING, Switches, settle
from .worlds import make_world

__all__ = ["ANY", "DIALECTS", "UNGRADED", "Capture", "Race", "Switches", "Truth", "draw_switches", "make_capture"]

MODEL = "synthetic.onnx"


@dataclass(frozen=True)
class Capture:
    """One synthetic capture.

    `truth`: by engine layer, and by operator inside a Myelin region with a table. `shown`: counts of the whole log (None when it was cut).
    `warnings`: those that must be raised.
    """

    seed: int
    dialect: Dialect
    switches: Switches
    world: World
    log: str
    layer_info: str | None
    profile: str | None
    truth: dict[str, Truth]
    shown: dict[str, int] | None
    warnings: frozenset[str]
    marks: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return set(self.switches.on) <= SHAPING


# -- captures ------------------------------------------------------------------------------------------------------------------------------


def draw_switches(rng: random.Random) -> Switches:
    """None in a fifth of the captures, three to six in a third (a fifth is left
    after `settle`), one or two in the rest."""
    names = [f.name for f in fields(Switches)]
    count = rng.choices((0, 1, 2, 3, 4, 5, 6), weights=(20, 26, 20, 15, 10, 6, 3))[0]
    return Switches(**dict.fromkeys(rng.sample(names, count), True))


def make_capture(seed: int, dialect: str | None = None, switches: Switches | None = None, **forced: bool) -> Capture:
    """The capture of `seed`. `switches` replaces the random draw, `forced` turns single ones on or off. Deterministic."""
    rng = random.Random(seed)
    drawn_dialect = rng.choice(DIALECTS)
    spoken = next(d for d in DIALECTS if d.name == dialect) if dialect else drawn_dialect
    drawn = draw_switches(rng)
    wanted = settle(replace(drawn if switches is None else switches, **forced), spoken.habits)
    if wanted.truncated:
        wanted = replace(wanted, earlier_build=False)
    if spoken.writer != "trtexec":
        wanted = replace(wanted, stderr_missing=False)
    world = make_world(rng, wanted, spoken.habits)
    writer = Writer(spoken, rng, wanted, MODEL)
    writer.raw(f"[SYNTHETIC trtlens test log, seed {seed}]")
    named_before: frozenset[int] = frozenset()
    if wanted.earlier_build:
        writer.model = "synthetic_earlier.onnx"
        other = make_world(rng, Switches(), spoken.habits)
        writer.header(other)
        writer.build(other)
        named_before = frozenset(t.id for g in other.engine.graphs for item in g.layers for c in item.combinations for t in c.tactics if t.kernel)
        writer.model, writer.log.marks = MODEL, {}
    writer.header(world)
    writer.build(world)
    lines, marks, shown = _cut(rng, writer.log, wanted)
    engine = other_build(rng, world) if wanted.other_build_json else world.engine
    if wanted.other_build_json and not cask_differs(world.engine, engine):
        wanted, engine = replace(wanted, other_build_json=False), world.engine  # nothing would show it
    view = View(
        spoken,
        wanted,
        "listed" in marks and world.sparsity,
        "engine" in marks,  # where the cut goes through the engine's lines, some of them can be read
        "tuned" in marks,
        wanted.truncated and "engine_end" not in marks,
        "engine" in marks,
    )
    truth: dict[str, Truth] = {}
    for graph, choice in zip(world.engine.graphs, world.engine.choices, strict=True):
        truth |= Judge(world, view, graph, choice, named_before).truths()
        # A reader may give the operator inside a region with a table a row of its own: the same truth under its own name.
        truth |= {item.op: replace(truth[item.name], name=item.op) for item in graph.layers if item.op and item.table}
    if wanted.other_build_json:
        truth = {name: mismatched(found, engine) for name, found in truth.items()}
    return Capture(
        seed,
        spoken,
        wanted,
        world,
        "\n".join(lines) + "\n",
        None if wanted.no_layer_info else layer_info(world, engine, spoken, wanted),
        None if wanted.no_profile else timing_profile(engine, spoken, rng),
        truth,
        None if wanted.truncated else shown,
        _warnings(world, view, wanted),
        marks,
    )


def _cut(rng: random.Random, log: Log, switches: Switches) -> tuple[list[str], dict[str, int], dict[str, int]]:
    """The whole log, or its first part: somewhere between the first race and the engine's last layer."""
    if not switches.truncated:
        return log.lines, log.marks, log.shown
    end = rng.randint(log.marks["tuning"] + 1, log.marks["engine_end"] - 1)
    if rng.random() < 0.3:
        end = rng.randint(log.marks["listed"], log.marks["engine_end"] - 1)
    return log.lines[:end], {name: place for name, place in log.marks.items() if place <= end}, log.shown


def other_build(rng: random.Random, world: World) -> Pass:
    """The engine of another build of the model: other times, other kernels for some."""
    graphs, choices = [], []
    for graph in world.engine.graphs:
        change: dict[int, Tactic] = {}
        for layer in graph.layers:
            for combination in layer.combinations:
                for tactic in combination.tactics:
                    kernel = tactic.kernel
                    if kernel and layer.kind in ("conv", "gemm") and rng.random() < 0.6:
                        kernel += "_v2"
                    time_ms = float(f"{tactic.time_ms * rng.uniform(0.6, 1.6):.6g}")
                    identity = tactic_hash(kernel) if kernel else tactic.id
                    change[id(tactic)] = replace(tactic, kernel=kernel, id=identity, time_ms=time_ms)
        moved = map_tactics(graph, change)
        choice = solve(moved)
        graphs.append(moved)
        choices.append(choice)
    return Pass(tuple(graphs), tuple(choices))


def mismatched(found: Truth, engine: Pass) -> Truth:
    """With a JSON of another build the JSON says what runs and the log proves nothing about it."""
    for graph, choice in zip(engine.graphs, engine.choices, strict=True):
        if found.name in choice and graph.layer(found.name).kind in ("conv", "gemm"):
            used = running(graph, choice, found.name)
            if used.sparse:
                sparse = frozenset({("sparse", ANY)})
                more = sparse if used.kernel and used.named else sparse | {("undetermined", ANY)}
                return replace(
                    found, true=frozenset({("sparse", "picked")}), provable=frozenset({("sparse", "picked")}), acceptable=more, margin=None
                )
            statuses = (
                ("dense", "undetermined", "dense-unknown", "ineligible")
                if not found.eligible
                else ("dense", "undetermined", "dense-unknown")
            )
            return replace(
                found,
                true=frozenset() if found.eligible else found.true,
                provable=frozenset(),
                acceptable=frozenset((s, ANY) for s in statuses),
                eligibility_provable=False,
                margin=None,
            )
    if found.eligible:  # a Myelin region
        return replace(
            found,
            provable=frozenset(),
            true=frozenset(),
            acceptable=found.acceptable | {("dense-unknown", ANY), ("sparse", ANY), ("dense", ANY)},
        )
    return found


def _warnings(world: World, view: View, switches: Switches) -> frozenset[str]:
    """Warnings that the capture must raise."""
    found = set()
    if switches.other_build_json:
        found.add("capture-mismatch")
    if switches.stderr_missing:
        found.add("stderr-missing")
    if world.loaded_entries:
        found.add("timing-cache-used")
    if switches.earlier_build:
        found.add("several-builds")
    if view.truncated and not view.engine_begun:
        found.add("log-truncated")
    if switches.names_only:
        found.add("names-only")
    return frozenset(found)


def cask_differs(engine: Pass, other: Pass) -> bool:
    """Whether a layer runs Cask tactics of different ids in the two: what the contract calls a mismatch."""
    for graph, choice, moved, switched in zip(engine.graphs, engine.choices, other.graphs, other.choices, strict=True):
        for layer in graph.layers:
            mine, theirs = running(graph, choice, layer.name), running(moved, switched, layer.name)
            if mine.kernel and theirs.kernel and mine.id != theirs.id:
                return True
    return False
