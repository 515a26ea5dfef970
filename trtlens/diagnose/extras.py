"""What a full report shows beyond the verdicts: races, reformats, ceilings, identity.

In: a capture, its diagnosis, its races. Out: `ReportExtras`. Next: report/page.py, which summarises them for the HTML page, and
report/deep_dive.py. Every mapping's key is a layer's name as in `LayerVerdict.name`; what is not known stays empty.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..parse.build_log.records import CACHED, MYELIN, NO_TACTIC, TIMED, Build
from ..text import tactic_hex
from .environment import surroundings
from .frames import reformat_tensors
from .layers import EngineLayer, numbered
from .model import CaptureDiagnosis, LayerVerdict, LineEvidence
from .races import SPARSE, UNKNOWN, Combination, LayerRace, Races
from .roofline import gain_bound, ideal_ratio
from .shapes import ROOFLINE_TYPE, gemm_shape
from .small_frames import engine_layers, log_build
from .suspects import tuned_elsewhere

if TYPE_CHECKING:
    from .explain import Options
    from .load import Capture

TACTICS_PER_RACE = 60
"""The fastest tactics of a race that a report holds at most; `Race.omitted` counts the slower ones, and the tables hold them all."""
_ALL_TACTICS = 40_000  # as many as the page shows (report/page.py)

_ADDED = re.compile(r"Adding reformat layer: Reformatted (?P<side>Input|Output) Tensor \d+ to (?P<rest>.*) from (?P<a>\S.*) to (?P<b>\S.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TacticTiming:
    """One timed tactic. `tactic`: `0x` and 16 digits; `sparse`: from the kernel's name, None when unknown; `line`: 1-based, in the log."""

    kernel: str | None
    tactic: str
    sparse: bool | None
    time_ms: float
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Race:
    """The tactics timed for one layer in one format combination, fastest first. `runs`: True for the combination that the engine uses, None if unknown.

    `omitted`: slower ones that were left out. `winner`: `0x` and 16 digits of the tactic that won here, None if the log does not say.
    """

    combination: str
    tactics: tuple[TacticTiming, ...]
    runs: bool | None = None
    omitted: int = 0
    winner: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ReformatCost:
    """A reformat next to a layer. `time_ms`: the fastest one measured for the pair of formats, 0 for a NoOp, None if never measured."""

    tensor: str
    from_format: str
    to_format: str
    time_ms: float | None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class ReformatTerm:
    """A measured reformat that a verdict's sum holds. `added`: the switch adds it (False: removes it, None: the formats do not tell).

    `line`: of its time; `sections`: of the lines before it that say which reformat it is.
    """

    tensor: str
    from_format: str
    to_format: str
    time_ms: float
    line: int
    added: bool | None
    sections: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The roofline's `ideal_ratio` (dense/sparse, both at the machine's limits) and `bound_ratio` (best dense time/sparse roofline)."""

    ideal_ratio: float | None
    bound_ratio: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A counterfactual or repeat build: what was changed, and what came out of it, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportExtras:
    """`noise_ratio` and `noise_ms`: the noise band used (contract: the larger of 3 % and 1 µs)."""

    model: str | None = None
    date: str | None = None
    options: tuple[str, ...] = ()
    noise_ratio: float = 0.03
    noise_ms: float = 0.001
    races: Mapping[str, tuple[Race, ...]] = field(default_factory=dict)
    reformats: Mapping[str, tuple[ReformatCost, ...]] = field(default_factory=dict)
    samples_ms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict)
    experiments: tuple[Experiment, ...] = ()
    weights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the 2:4 check of the ONNX model says about each layer's weights, a line a weight."""


def report_extras(capture: Capture, diagnosis: CaptureDiagnosis, races: Races | None, options: Options) -> ReportExtras:
    """Everything beyond the verdicts, for the main build of one capture."""
    main = diagnosis.main
    build = log_build(capture, diagnosis.main_build) if diagnosis.main_build is not None else None
    around = surroundings(build, capture.manifest, capture.metadata)
    found: dict[str, tuple[Race, ...]] = {}
    beside: dict[str, tuple[ReformatCost, ...]] = {}
    ceilings: dict[str, Ceiling] = {}
    if main is not None:
        layers = engine_layers(capture, diagnosis, main.index)
        tuned_here = not tuned_elsewhere(build, capture.manifest, layers)
        by_key = dict(zip(numbered(layer.name for layer in layers), layers, strict=True))
        shown = [(key, verdict) for key, verdict in zip(numbered(v.name for v in main.layers), main.layers, strict=True) if _shown(verdict)]
        if races is not None:
            found = _races([verdict for _, verdict in shown], races)
            beside = reformats_around(races, layers, {verdict.name for _, verdict in shown})
        for key, verdict in shown:
            layer = by_key.get(key)
            ceiling = _ceiling(layer, verdict, around.gpu, races, tuned_here) if layer is not None else None
            if ceiling is not None:
                ceilings.setdefault(verdict.name, ceiling)
    return ReportExtras(
        model=around.model, date=_date(capture), options=_options(build, capture), noise_ratio=options.noise.ratio, noise_ms=options.noise.time_ms,
        weights=_weights(capture, main.layers if main is not None else ()),
        races=found, reformats=beside, ceilings=ceilings, samples_ms=_samples(capture, {v.name for v in main.layers} if main is not None else set()),
    )  # fmt: skip


def _weights(capture: Capture, verdicts: Iterable[LayerVerdict]) -> dict[str, tuple[str, ...]]:
    """The weight check, joined by ONNX nodes; empty without the model."""
    if capture.check is None:
        return {}
    by_node: dict[str, list[str]] = {}
    for check in capture.check.weights:
        shape = "x".join(map(str, check.shape)) if check.shape else "?"
        by_node.setdefault(check.name, []).append(f"{check.weight} ({check.dtype or '?'} {shape}): {check.summary}")
    found = {verdict.name: tuple(line for node in verdict.onnx_nodes for line in by_node.get(node, ())) for verdict in verdicts}
    return {name: lines for name, lines in found.items() if lines}


_SAMPLES_PER_LAYER = 400


def _samples(capture: Capture, names: set[str]) -> dict[str, tuple[float, ...]]:
    """Per-iteration times of each layer, thinned evenly; none where the capture folder holds no samples or a damaged file."""
    if capture.samples is None:
        return {}
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(capture.samples, columns=["layer", "time_ms"])
    except (OSError, KeyError, pa.ArrowException):
        return {}
    found: dict[str, list[float]] = {}
    for layer, time_ms in zip(table["layer"].to_pylist(), table["time_ms"].to_pylist(), strict=True):
        if layer in names and time_ms is not None:
            found.setdefault(layer, []).append(float(time_ms))
    return {name: tuple(times[:: max(len(times) // _SAMPLES_PER_LAYER, 1)]) for name, times in found.items()}


def _races(verdicts: Iterable[LayerVerdict], races: Races) -> dict[str, tuple[Race, ...]]:
    """The races of the fallbacks, costliest first, then of the others, until a report holds `_ALL_TACTICS` rows."""
    order = sorted(verdicts, key=lambda v: (v.status != "dense", -(v.time_ms or 0.0)))
    total = sum(len(races.by_layer.get(v.name, ())) for v in order)
    limit = max(min(TACTICS_PER_RACE, _ALL_TACTICS // max(total, 1)), 6)
    found: dict[str, tuple[Race, ...]] = {}
    rows = 0
    for verdict in order:
        if rows >= _ALL_TACTICS:
            break
        race = race_of(races, verdict) if verdict.name not in found else None
        if race is not None:
            found[verdict.name] = tuple(r for r in layer_races(races, race, verdict, limit) if r.tactics)
            rows += sum(len(r.tactics) for r in found[verdict.name])
    return found


def _shown(verdict: LayerVerdict) -> bool:
    return verdict.status in ("sparse", "dense") or (verdict.status == "undetermined" and verdict.eligibility.value is True)


def race_of(races: Races, verdict: LayerVerdict) -> LayerRace | None:
    """The race behind a verdict: the layer's own, that of its operation in a Myelin region, or the one that it inherited."""
    own = races.of(verdict.name)
    if own is not None and any(c.raced or c.winner is not None for c in own.combinations):
        return own
    operation = races.of_instruction(verdict.name, verdict.type, verdict.optimization_profile, verdict.onnx_nodes)
    if operation is not None:
        return operation
    inherited = races.of(verdict.inherited_from) if verdict.inherited_from else None
    return inherited if inherited is not None else own


def layer_races(races: Races, race: LayerRace, verdict: LayerVerdict, limit: int) -> tuple[Race, ...]:
    """Each combination of a race with its `limit` fastest tactics, the fastest dense and the fastest sparse one always among them."""
    running = [c for c in race.combinations if c.winner is not None and verdict.tactic.id is not None and c.winner.tactic == verdict.tactic.id]
    return tuple(_race(races, item, (item in running) if len(running) == 1 else False if running and item not in running else None, limit) for item in race.combinations)


def _race(races: Races, item: Combination, runs: bool | None, limit: int) -> Race:
    rows = timed_rows(races, item)
    chosen = rows[:limit]
    late = [rows[at[0]] for kind in (True, False) if len(at := np.flatnonzero(_is(races, rows, kind))) and at[0] >= limit]
    rows_kept = [*chosen.tolist(), *map(int, late)]
    return Race(
        item.text, tuple(_timing(races, row) for row in rows_kept), runs, len(rows) - len(rows_kept),
        tactic_hex(item.winner.tactic) if item.winner is not None else None, item.line or None,
    )  # fmt: skip


def timed_rows(races: Races, item: Combination) -> Any:
    """Rows of the log's tactics that hold a time for a combination (its race's, where it was inherited), fastest first, as int64."""
    t = races.log.tactics
    number = item.index
    if item.inherited_from and item.winner is not None:
        number = _owner(races, item)
    rows = races.rows_of(number)
    sources = (MYELIN,) if item.table else (TIMED, CACHED)
    rows = rows[np.isin(t.source[rows], sources) & np.isfinite(t.time_ms[rows]) & (t.tactic[rows] != np.uint64(NO_TACTIC))]
    if item.table:
        section = np.flatnonzero(races.log.sections["line"][t.section[rows]] == item.line)
        rows = rows[section]
    return rows[np.argsort(t.time_ms[rows], kind="stable")]


def _owner(races: Races, item: Combination) -> int:
    """The combination in whose race an inherited winner stands."""
    assert item.winner is not None
    at = races.row_at(item.winner.line)
    return int(races.owner[at]) if at >= 0 else item.index


def _is(races: Races, rows: Any, sparse: bool) -> Any:
    kinds = races.kind[rows]
    return kinds == SPARSE if sparse else (kinds != SPARSE) & (kinds != UNKNOWN)


def _timing(races: Races, row: int) -> TacticTiming:
    t = races.log.tactics
    kind = int(races.kind[row])
    return TacticTiming(
        races.log.kernels.get(int(t.kernel[row])), tactic_hex(int(t.tactic[row])), None if kind == UNKNOWN else kind == SPARSE,
        float(t.time_ms[row]), int(t.line[row]),
    )  # fmt: skip


def reformats_around(races: Races, layers: Iterable[EngineLayer], names: Set[str]) -> dict[str, tuple[ReformatCost, ...]]:
    """Layer → the reformats that the log adds before or after it, for the layers in `names`; `layers`: all of the engine."""
    near = {name: places for name, places in _beside(layers, races.build).items() if name in names}
    costs = ReformatCosts(races, {tensor for places in near.values() for tensor, _, _ in places})
    return {name: tuple(costs.of(*place) for place in places) for name, places in near.items()}


class ReformatCosts:
    """The fastest time that the log measured for each pair of formats of some tensors, in the pass of `races`."""

    def __init__(self, races: Races, tensors: Set[str]) -> None:
        log = races.log
        t, c, s = log.tactics, log.combinations, log.sections
        ours = (c["is_reformat"] != 0) & (c["build"] == races.build.index)
        if races.pass_index is not None:
            ours &= c["pass_index"] == races.pass_index
        owner = s["combination"][t.section] if len(t) else np.empty(0, dtype=np.int32)
        # Thousands of layers have tens of thousands of reformats: look only at those of the tensors asked for.
        of_interest = np.array([any(t in tensors for t in reformat_tensors(name)) for name in log.layers.texts] + [False])
        ours &= of_interest[c["layer"]]
        rows = np.flatnonzero(ours[owner] & ((t.source == TIMED) | (t.source == CACHED)) & np.isfinite(t.time_ms))
        rows = rows[np.argsort(t.time_ms[rows], kind="stable")]
        self.best: dict[tuple[str, str], tuple[float, int]] = {}
        for row in rows.tolist():
            combination = int(owner[row])
            layer = log.layers.get(int(c["layer"][combination]))
            text = log.formats.get(int(c["text"][combination]))
            for tensor in reformat_tensors(layer):
                if tensor in tensors and tensor is not None and text is not None:
                    self.best.setdefault((tensor, text), (float(t.time_ms[row]), int(t.line[row])))

    def of(self, tensor: str, source: str, target: str) -> ReformatCost:
        """The cost of one reformat; `time_ms` None where the log measured none."""
        time_ms, line = self.best.get((tensor, f"{source} -> {target}"), (None, None))
        return ReformatCost(tensor, source, target, time_ms, line)


def cited_reformats(races: Races, layers: Iterable[EngineLayer], verdict: LayerVerdict, log_input: int) -> tuple[ReformatTerm, ...]:
    """The reformats among the lines that a verdict cites, in their order: the terms of its sum that cost something."""
    t, c, s, log = races.log.tactics, races.log.combinations.arrays, races.log.sections.arrays, races.log
    formats: dict[bool, tuple[set[str], set[str]]] = {}
    terms: list[ReformatTerm] = []
    found: list[tuple[int, int, int]] = []
    for item in verdict.evidence:
        at = races.row_at(item.line) if isinstance(item, LineEvidence) and item.input == log_input else -1
        if at < 0:
            continue
        number = int(s["combination"][t.section[at]])
        if c["is_reformat"][number]:
            found.append((at, number, int(t.line[at])))
            continue
        parsed = races.formats_of(log.formats.get(c["text"][number]) or "")
        if parsed is not None and races.kind[at] != UNKNOWN:
            formats.setdefault(bool(races.kind[at] == SPARSE), ({f.text for f in parsed.inputs}, {f.text for f in parsed.outputs}))
    own = next((layer for layer in layers if layer.name == verdict.name), None)
    outputs = {tensor.name for tensor in own.outputs} if own is not None else set()
    for at, number, line in found:
        section = int(t.section[at])
        source, _, target = (log.formats.get(c["text"][number]) or "").partition(" -> ")
        tensor = next((name for name in reformat_tensors(log.layers.get(s["layer"][section])) if name), None)
        tensor = tensor or next((name for name in reformat_tensors(log.layers.get(c["layer"][number])) if name), "")
        side, form = (1, source) if tensor in outputs else (0, target)
        fits = {sparse: form.strip() in sides[side] for sparse, sides in formats.items()}
        added = fits[True] if len(fits) == 2 and fits[True] != fits[False] else None
        sections = tuple(dict.fromkeys(int(n) for n in (c["line"][number], s["line"][section]) if 0 < n < line))
        terms.append(ReformatTerm(tensor, source.strip(), target.strip(), float(t.time_ms[at]), line, added, sections))
    return tuple(terms)


def _beside(layers: Iterable[EngineLayer], build: Build) -> dict[str, list[tuple[str, str, str]]]:
    """Layer → (tensor, from, to) of each reformat that the log adds before or after it."""
    names = {layer.name for layer in layers}
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for line in build.reformat_layers:
        match = _ADDED.match(line.text)
        if match is None:
            continue
        # `LAYER (TENSOR)`, and both may hold blanks and brackets: the engine's own names decide where one ends.
        rest = match["rest"]
        at = next((i for i in range(len(rest)) if rest.startswith(" (", i) and rest[:i] in names), -1)
        if at > 0 and rest.endswith(")"):
            found[rest[:at]].append((rest[at + 2 : -1], match["a"], match["b"]))
    return found


def _ceiling(layer: EngineLayer, verdict: LayerVerdict, gpu: Any, races: Races | None, tuned_here: bool) -> Ceiling | None:
    """`tuned_here`: the log's times were taken at the sizes of the layer info."""
    shape = gemm_shape(layer)
    datatype = ROOFLINE_TYPE.get(layer.inputs[0].datatype or "") if layer.inputs else None
    if shape is None or datatype is None:
        return None
    dense_ms = verdict.time_ms if verdict.status == "dense" else None
    if tuned_here:
        runs_ms = None
        if races is not None and verdict.status == "dense":
            # The bound is that of the dense tactic that runs, which need not be the one that was compared.
            runs_ms = races.running_ms(verdict.name, verdict.inherited_from, verdict.tactic.id)
        dense_ms = next((known for known in (runs_ms, verdict.best_dense_ms, dense_ms) if known is not None), None)
    ideal, bound = ideal_ratio(shape, gpu, datatype), gain_bound(dense_ms, shape, gpu, datatype)
    return Ceiling(ideal, bound) if ideal is not None or bound is not None else None


def _date(capture: Capture) -> str | None:
    """When the capture was made: the manifest's word, else the first date that a line of the log's head begins with."""
    times = (capture.manifest or {}).get("times")
    if isinstance(times, dict) and isinstance(times.get("started"), str):
        return str(times["started"])[:19].replace("T", " ")
    if capture.log_source is not None:
        match = re.search(r"(?m)^\[?(\d\d/\d\d/(?:\d{4}-)?\d\d[:\d]*\d|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)", capture.log_source.head.decode("utf-8", "replace"))
        return match[1] if match else None
    return None


def _options(build: Build | None, capture: Capture) -> tuple[str, ...]:
    """The command line that made the engine, without its banner."""
    if build is not None and build.command is not None:
        _, _, line = build.command.text.partition("# ")
        return tuple((line or build.command.text).split())
    backend = (capture.manifest or {}).get("backend")
    command = backend.get("command") if isinstance(backend, dict) else None
    return tuple(str(word) for word in command) if isinstance(command, list) else ()
