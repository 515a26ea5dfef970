"""The races of a build: for each layer and format combination the fastest dense, sparse and unnamed tactic, who won, and what is missing.

In: `BuildLog`. Out: `Races`, whose `of(layer)` gives a `LayerRace`. Next: rules.py decides on it.
Everything is computed for all rows at once; Python objects are made only for the layers that someone asks about.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import CACHED, MYELIN, NO_TACTIC, SKIPPED, TIMED, Build, BuildLog, Line
from ..parse.formats import FormatCombination, innermost_first, parse_combination
from ..parse.kernel_names import is_sparse
from .layers import runner_may_be_sparse

DENSE, SPARSE, UNKNOWN = 0, 1, 2
_KEPT_RACES = 256
_PRUNED = re.compile(
    r"(?:(?P<layer>.*): )?\d+ available tactics, \d+ unparsable, (?P<pruned>\d{1,9}) pruned, \d+ remaining after tactic pruning\.$"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One tactic of a race, with the place of its line."""

    tactic: int
    kernel: str | None
    time_ms: float
    sparse: bool | None
    runner: str | None
    line: int
    offset: int


@dataclass(slots=True)
class Combination:
    """One format combination of one layer (or one table of a Myelin operation, `table` True).

    `dense`, `sparse`, `unnamed`: the fastest tactic of each kind. `winner`: what TensorRT chose for this combination. `raced`: something was timed
    here. `inherited_from`: the layer whose race a cached result repeats, `inherited_proven` whether the join is unique.
    """

    index: int
    text: str
    line: int
    offset: int
    dense: Entry | None = None
    sparse: Entry | None = None
    unnamed: Entry | None = None
    unnamed_count: int = 0
    winner: Entry | None = None
    cached: bool = False
    inherited_from: str | None = None
    no_valid: bool = False
    silent: bool = False
    table: bool = False
    skipped: tuple[tuple[str, str | None, int, int], ...] = ()
    """(why, kernel or None, tactic id, line) of each tactic that was not timed."""
    times: int = 0
    runners: frozenset[str] = frozenset()
    """Runners tried in this combination whose tactics can be sparse."""
    failed: int = 0
    """Tactics that may be sparse and were tried, but have no time (`inf`)."""

    @property
    def decided(self) -> bool:
        return self.winner is not None or self.no_valid

    @property
    def raced(self) -> bool:
        return self.times > 0


@dataclass(slots=True)
class LayerRace:
    """All combinations of one layer in one pass. `missing`: what keeps it from being complete (contract, "Words"), in plain words."""

    layer: str
    combinations: list[Combination]
    missing: list[str] = field(default_factory=list)
    repeat_spread: float = 0.0
    """The largest relative difference between two timings of one tactic in one combination of this layer: the noise the log itself shows."""
    doubts: list[str] = field(default_factory=list)
    """Signs that lines of the race are lost or damaged (each stands in `missing`, too): then not even what was timed proves anything."""

    @property
    def complete(self) -> bool:
        return not self.missing


class Races:
    """The races of one build and pass. Columns over all rows are made once; a `LayerRace` is made when it is asked for, and kept."""

    def __init__(self, log: BuildLog, build: Build, pass_index: int | None) -> None:
        self.log, self.build, self.pass_index = log, build, pass_index
        self._global_missing = _build_gaps(log, build)
        rows = log.tactics
        self._owner = log.sections["combination"][rows.section] if len(rows) else np.empty(0, dtype=np.int32)
        self._order: npt.NDArray[np.int64] = np.argsort(self._owner, kind="stable")
        self._starts = np.searchsorted(self._owner[self._order], np.arange(len(log.combinations) + 1))
        self._kind = self._kinds()
        self._fastest_columns()
        owners = log.sections["combination"]
        self._section_order: npt.NDArray[np.int64] = np.argsort(owners, kind="stable")
        self._section_starts = np.searchsorted(owners[self._section_order], np.arange(len(log.combinations) + 1))
        self._format_cache: dict[tuple[str, bool], FormatCombination | None] = {}
        self._innermost = _innermost_first(log)
        self.by_layer: dict[str, list[int]] = {}
        self.by_op: dict[str, list[int]] = defaultdict(list)
        self._index_layers()
        self._pruned = self._pruned_lines()
        self._sources: dict[int, int] = {}
        self._gap_cache: dict[tuple[int, int], LayerRace] = {}
        self._earlier: dict[tuple[int, int, int, str], list[int]] | None = None
        self._races: dict[str, LayerRace | None] = {}
        self._spreads: dict[int, float] | None = None
        self._tried_cache: dict[tuple[int, ...], frozenset[str]] = {}
        self._name_cache: dict[int, str | None] = {}

    # ---- columns

    def _kinds(self) -> npt.NDArray[np.int8]:
        """DENSE, SPARSE or UNKNOWN for each row: by the kernel's name, else by whether the runner has sparse kernels at all."""
        log, rows = self.log, self.log.tactics
        by_kernel = np.array(
            [{True: SPARSE, False: DENSE, None: UNKNOWN}[is_sparse(name)] for name in log.kernels.texts] + [UNKNOWN], dtype=np.int8
        )
        by_runner = np.array([UNKNOWN if runner_may_be_sparse(name) else DENSE for name in log.runners.texts] + [UNKNOWN], dtype=np.int8)
        if not len(rows):
            return np.empty(0, dtype=np.int8)
        runner = log.sections["runner"][rows.section]
        return np.where(rows.kernel >= 0, by_kernel[rows.kernel], by_runner[runner]).astype(np.int8)

    def _fastest_columns(self) -> None:
        """For each combination: how many tactics were timed, how many of them unnamed, and the row of the fastest of each kind (-1: none)."""
        rows, size = self.log.tactics, len(self.log.combinations)
        valid = (rows.source == TIMED) & ~np.isnan(rows.time_ms) & (rows.tactic != np.uint64(NO_TACTIC))
        timed = np.flatnonzero(valid)
        owner, kind, time_ms = self._owner[timed], self._kind[timed], rows.time_ms[timed]
        self._timed = np.bincount(owner, minlength=size) if size else np.zeros(0, dtype=np.int64)
        self._unnamed = np.bincount(owner[kind == UNKNOWN], minlength=size) if size else np.zeros(0, dtype=np.int64)
        self._best = _first_fastest(owner.astype(np.int64) * 3 + kind, time_ms, timed, size * 3)
        winner = self.log.combinations["winner_tactic"]
        runner = self.log.combinations["winner_runner"]
        mine = (rows.tactic[timed] == winner[owner]) & (self.log.sections["runner"][rows.section[timed]] == runner[owner])
        mine &= self.log.combinations["winner_line"][owner] > 0
        self._winning = _first_fastest(owner[mine].astype(np.int64), time_ms[mine], timed[mine], size)
        self._skips = set(np.unique(self._owner[rows.source == SKIPPED]).tolist())
        failed = (rows.source == TIMED) & np.isnan(rows.time_ms) & (rows.tactic != np.uint64(NO_TACTIC)) & (self._kind != DENSE)
        self._failed = np.bincount(self._owner[failed], minlength=size) if size else np.zeros(0, dtype=np.int64)
        # Sections whose `Fastest Tactic` is among the tactics timed in them.
        fastest = self.log.sections["fastest"]
        self._fastest_seen = np.zeros(len(fastest), dtype=bool)
        self._fastest_seen[rows.section[timed[rows.tactic[timed] == fastest[rows.section[timed]]]]] = True

    def _index_layers(self) -> None:
        log = self.log
        if not len(log.combinations):
            return
        mask = (log.combinations["build"] == self.build.index) & (log.combinations["is_reformat"] == 0)
        if self.pass_index is not None:
            mask &= log.combinations["pass_index"] == self.pass_index
        mine = np.flatnonzero(mask)
        layer = log.combinations["layer"][mine]
        for number, name in zip(mine.tolist(), layer.tolist(), strict=True):
            if name >= 0:
                self.by_layer.setdefault(log.layers.texts[name], []).append(number)
        ops = log.sections["op"]
        for section in np.flatnonzero(ops >= 0).tolist():
            if mask[log.sections.arrays["combination"][section]]:
                self.by_op[log.layers.texts[ops[section]]].append(section)

    def _sections_of(self, combination: int) -> list[int]:
        """The runner sections of a combination, in the log's order."""
        found: list[int] = self._section_order[self._section_starts.item(combination) : self._section_starts.item(combination + 1)].tolist()
        return found

    @property
    def any_sparse(self) -> bool:
        """Whether any sparse tactic was timed anywhere in the log."""
        return bool((self._kind == SPARSE).any())

    def is_raced(self, layer: str) -> bool:
        """Whether anything was timed under the layer's own name in this pass."""
        return any(self._timed[number] for number in self.by_layer.get(layer, ()))

    def _pruned_lines(self) -> list[tuple[str | None, Line]]:
        """(layer or None, line) of each line that says tactics were pruned before timing."""
        found: list[tuple[str | None, Line]] = []
        for line in self.build.notable.get("pruned", ()):
            match = _PRUNED.match(line.text)
            if match and int(match["pruned"]) > 0:
                found.append((match["layer"], line))
        return found

    def pruned_line(self, race: LayerRace) -> Line | None:
        """The line that says tactics of this layer were pruned: it names the layer, or stands among the layer's own lines."""
        if not self._pruned:
            return None
        first, last = race.combinations[0].line, max(self._last_line(c) for c in race.combinations)
        for layer, line in self._pruned:
            if layer == race.layer or (layer is None and first <= line.line <= last):
                return line
        return None

    def _last_line(self, item: Combination) -> int:
        rows = self.rows_of(item.index)
        last = int(self.log.tactics.line[rows].max()) if len(rows) else item.line
        return int(max(last, self.log.combinations.arrays["winner_line"][item.index], item.line))

    def rows_of(self, combination: int) -> npt.NDArray[np.int64]:
        """Row numbers of the tactics table that belong to a combination, in the log's order."""
        return self._order[self._starts[combination] : self._starts[combination + 1]]

    def formats(self, combination: Combination) -> FormatCombination | None:
        """The parsed formats of a combination (outermost stride first whatever the dialect)."""
        key = combination.text, self._innermost
        if key not in self._format_cache:
            self._format_cache[key] = parse_combination(*key) if combination.text else None
        return self._format_cache[key]

    def pass_formats(self) -> list[tuple[int, str]]:
        """(line, text) of every distinct combination of the pass, all layers together."""
        columns = self.log.combinations
        mask = (columns["build"] == self.build.index) & (columns["is_reformat"] == 0) & (columns["text"] >= 0)
        if self.pass_index is not None:
            mask &= columns["pass_index"] == self.pass_index
        texts, first = np.unique(columns["text"][mask], return_index=True)
        lines = columns["line"][mask][first].tolist()
        found = [(line, self.log.formats.texts[text]) for text, line in zip(texts.tolist(), lines, strict=True)]
        return sorted((line, text) for line, text in found if text)

    # ---- races

    def of(self, layer: str) -> LayerRace | None:
        """The race of a layer, or None if the pass holds no combination under that name."""
        if layer not in self._races:
            numbers = self.by_layer.get(layer)
            if len(self._races) >= _KEPT_RACES:
                # A layer and its neighbours are asked for together; all races of a 300 MB log at once would be 100 MB of objects.
                del self._races[next(iter(self._races))]
            self._races[layer] = self._race(layer, numbers) if numbers else None
        return self._races[layer]

    def _race(self, layer: str, numbers: list[int]) -> LayerRace:
        race = LayerRace(layer, [self.combination(number) for number in numbers])
        _distrust_partial(race)
        self._find_gaps(race)
        race.repeat_spread = self._spread(numbers)
        return race

    def of_operation(self, op: str) -> LayerRace | None:
        """The race of an operation inside a Myelin region, from the tables that the log prints (10.14+)."""
        sections = self.by_op.get(op)
        if not sections:
            return None
        race = LayerRace(op, [self._table(section) for section in sections])
        race.missing.extend(self._global_missing)
        for item in race.combinations:
            if not item.raced:
                race.missing.append(f"the table of {op} at line {item.line} is empty")
            if item.failed:
                race.missing.append(f"{item.failed} tactics of the table at line {item.line} have no time")
            if item.unnamed_count:
                race.missing.append(
                    f"{item.unnamed_count} tactics of the table at line {item.line} have names that do not say whether they are sparse"
                )
        return race

    def region_of(self, op: str) -> str | None:
        """The engine layer (Myelin region) whose tables name the operation."""
        sections = self.by_op.get(op)
        return self.log.layers.get(self.log.sections.arrays["layer"][sections[0]]) if sections else None

    def combination(self, number: int) -> Combination:
        """One combination with its fastest tactics."""
        c, log = self.log.combinations.arrays, self.log
        item = Combination(number, log.formats.get(c["text"][number]) or "", c["line"][number], c["offset"][number], cached=bool(c["cached"][number]))
        # `.item` of an array costs half of indexing it: there are 100,000 combinations in a log of 300 MB.
        item.times = self._timed.item(number)
        item.unnamed_count = self._unnamed.item(number)
        item.failed = self._failed.item(number)
        best, first = self._best.item, number * 3
        item.dense = self._entry(row) if (row := best(first + DENSE)) >= 0 else None
        item.sparse = self._entry(row) if (row := best(first + SPARSE)) >= 0 else None
        item.unnamed = self._entry(row) if (row := best(first + UNKNOWN)) >= 0 else None
        if number in self._skips:
            rows = self.rows_of(number)
            timed = rows[(log.tactics.source[rows] == TIMED) & ~np.isnan(log.tactics.time_ms[rows])]
            item.skipped = self._skipped(rows[log.tactics.source[rows] == SKIPPED], timed)
        s = log.sections.arrays
        runners = [section for section in self._sections_of(number) if s["op"][section] < 0]
        item.silent = not runners and not item.cached and self._starts[number] == self._starts[number + 1]
        item.no_valid = bool(runners) and not item.times and all(self._empty_runner(section) for section in runners)
        item.runners = self._tried(tuple([s["runner"][section] for section in runners]))
        if c["winner_line"][number]:
            item.winner = self._winner(number)
        if item.cached:
            self._inherit(item, number)
        return item

    def _empty_runner(self, section: int) -> bool:
        s = self.log.sections.arrays
        return bool(s["no_valid"][section]) or s["fastest"][section] == NO_TACTIC

    def _table(self, section: int) -> Combination:
        log, s = self.log, self.log.sections.arrays
        number = s["combination"][section]
        item = Combination(
            number, log.formats.get(log.combinations.arrays["text"][number]) or "", s["line"][section], s["offset"][section], table=True
        )
        rows = self.rows_of(number)
        rows = rows[(log.tactics.section[rows] == section) & (log.tactics.source[rows] == MYELIN)]
        item.failed = int(np.isnan(log.tactics.time_ms[rows]).sum())
        rows = rows[~np.isnan(log.tactics.time_ms[rows])]
        item.times = len(rows)
        item.dense, item.sparse, item.unnamed = (self._fastest(rows, kind) for kind in (DENSE, SPARSE, UNKNOWN))
        item.unnamed_count = int((self._kind[rows] == UNKNOWN).sum())
        selected = s["fastest"][section]
        chosen = rows[log.tactics.tactic[rows] == selected] if selected else rows
        if len(chosen):
            item.winner = self._entry(int(chosen[np.argmin(log.tactics.time_ms[chosen])]))
        return item

    def _fastest(self, rows: npt.NDArray[np.int64], kind: int) -> Entry | None:
        rows = rows[self._kind[rows] == kind]
        return self._entry(int(rows[np.argmin(self.log.tactics.time_ms[rows])])) if len(rows) else None

    def _tried(self, runners: tuple[int, ...]) -> frozenset[str]:
        """Those of the runners whose tactics can be sparse."""
        found = self._tried_cache.get(runners)
        if found is None:
            names = (self.log.runners.get(runner) for runner in runners)
            found = self._tried_cache[runners] = frozenset(name for name in names if name is not None and runner_may_be_sparse(name))
        return found

    def _entry(self, row: int) -> Entry:
        rows, log = self.log.tactics, self.log
        kind = self._kind.item(row)
        runner = log.runners.get(log.sections.arrays["runner"][rows.section.item(row)])
        return Entry(
            rows.tactic.item(row), log.kernels.get(rows.kernel.item(row)), rows.time_ms.item(row),
            None if kind == UNKNOWN else kind == SPARSE, runner, rows.line.item(row), rows.offset.item(row),
        )  # fmt: skip

    def _winner(self, number: int) -> Entry:
        """What `Chose Runner Type` (or a cached result) names. Its time is the fastest printed for it; nan when it was not timed here."""
        row = self._winning.item(number)
        if row >= 0:
            return self._entry(row)
        c, log = self.log.combinations.arrays, self.log
        tactic, name = c["winner_tactic"][number], log.runners.get(c["winner_runner"][number])
        kernel = self.name_of(tactic)
        sparse = is_sparse(kernel) if kernel else (None if runner_may_be_sparse(name) else False)
        return Entry(tactic, kernel, float(c["winner_time"][number]), sparse, name, c["winner_line"][number], c["winner_offset"][number])

    def winning_kernels(self, layer: str, tactic: int, runner: str | None) -> set[str]:
        """The kernels that the log names for a tactic that won a combination of the layer (with this runner, if one is given)."""
        c, found = self.log.combinations.arrays, set()
        for number in self.by_layer.get(layer, ()):
            if c["winner_line"][number] and c["winner_tactic"][number] == tactic:
                entry = self.combination(number).winner
                if entry is not None and entry.kernel and (runner is None or entry.runner == runner):
                    found.add(entry.kernel)
        return found

    def name_of(self, tactic: int) -> str | None:
        """The kernel of a tactic id, where every line of this log that names the id names the same kernel.

        Only for ids that are hashes: small ones (0x0, 0x3e8, 0x20042) are numbers within a runner and mean something else in each layer.
        """
        if tactic < 1 << 40:
            return None
        if tactic not in self._name_cache:
            rows = self.log.tactics
            kernels = np.unique(rows.kernel[(rows.tactic == np.uint64(tactic)) & (rows.kernel >= 0)])
            self._name_cache[tactic] = self.log.kernels.get(int(kernels[0])) if len(kernels) == 1 else None
        return self._name_cache[tactic]

    def _skipped(self, rows: npt.NDArray[np.int64], timed: npt.NDArray[np.int64]) -> tuple[tuple[str, str | None, int, int], ...]:
        """Tactics that were never timed in the combination (a `Fast skip` is mostly followed by a time all the same)."""
        log, done = self.log, set(self.log.tactics.tactic[timed].tolist())
        found = []
        for row in rows.tolist():
            tactic = int(log.tactics.tactic[row])
            why = log.whys.get(int(log.tactics.skipped_why[row])) or "unknown"
            if tactic in done and why == "time limit":
                continue
            kernel = log.kernels.get(int(log.tactics.kernel[row])) or self.name_of(tactic)
            found.append((why, kernel, tactic, int(log.tactics.line[row])))
        return tuple(found)

    def _inherit(self, item: Combination, number: int) -> None:
        """A cached result takes the race of exactly one earlier combination with its formats, runner, tactic and printed time."""
        if self._earlier is None:
            self._earlier = self._race_keys()
        c = self.log.combinations.arrays
        key = self._key(number)
        sources = [n for n in self._earlier.get(key, ()) if n < number] if key else []
        if len(sources) != 1:
            return
        source = self.combination(sources[0])
        self._sources[number] = sources[0]
        item.inherited_from = self.log.layers.get(c["layer"][sources[0]])
        item.dense, item.sparse, item.unnamed, item.unnamed_count = source.dense, source.sparse, source.unnamed, source.unnamed_count
        item.skipped, item.times, item.winner, item.failed = source.skipped, source.times, source.winner, source.failed

    def _source_race(self, number: int) -> LayerRace:
        """The race that a cached result repeats with what it lacks, all combinations of its layer in its pass together."""
        c = self.log.combinations.arrays
        key = c["layer"][number], c["pass_index"][number]
        if key not in self._gap_cache:
            same = [
                n
                for n in range(len(self.log.combinations))
                if (c["layer"][n], c["pass_index"][n]) == key
                and c["build"][n] == self.build.index
                and not c["is_reformat"][n]
                and not c["cached"][n]
            ]
            source = LayerRace(self.log.layers.get(key[0]) or "", [self.combination(n) for n in same])
            self._gap_cache[key] = LayerRace(source.layer, [])  # a race never repeats itself
            self._find_gaps(source)
            self._gap_cache[key] = source
        return self._gap_cache[key]

    def _key(self, number: int) -> tuple[int, int, int, str] | None:
        c = self.log.combinations.arrays
        time_ms = c["winner_time"][number]
        return (c["text"][number], c["winner_runner"][number], c["winner_tactic"][number], f"{time_ms:.6g}") if time_ms == time_ms else None

    def _race_keys(self) -> dict[tuple[int, int, int, str], list[int]]:
        c = self.log.combinations.arrays
        found: dict[tuple[int, int, int, str], list[int]] = defaultdict(list)
        for number in range(len(self.log.combinations)):
            if (
                c["build"][number] == self.build.index
                and not c["cached"][number]
                and not c["is_reformat"][number]
                and c["winner_line"][number]
            ):
                key = self._key(number)
                if key:
                    found[key].append(number)
        return found

    def _spread(self, numbers: list[int]) -> float:
        """The largest relative difference between two timings of one tactic by one runner in one combination."""
        if self._spreads is None:
            self._spreads = self._all_spreads()
        return max((self._spreads[number] for number in numbers if number in self._spreads), default=0.0)

    def _all_spreads(self) -> dict[int, float]:
        """The spread of every combination in which some tactic was timed twice."""
        every = self.log.tactics
        rows = np.flatnonzero((every.source == TIMED) & (every.time_ms > 0))
        rows = rows[np.lexsort((every.tactic[rows], every.section[rows]))]
        again = (every.tactic[rows][1:] == every.tactic[rows][:-1]) & (every.section[rows][1:] == every.section[rows][:-1])
        first, second = every.time_ms[rows][:-1][again], every.time_ms[rows][1:][again]
        found: dict[int, float] = {}
        ratios = np.maximum(first, second) / np.minimum(first, second) - 1.0
        for number, ratio in zip(self._owner[rows[:-1][again]].tolist(), ratios.tolist(), strict=True):
            found[number] = max(found.get(number, 0.0), ratio)
        return found

    def _find_gaps(self, race: LayerRace) -> None:
        missing = race.missing
        missing.extend(self._global_missing)
        tried = frozenset[str]().union(*(c.runners for c in race.combinations))
        for item in race.combinations:
            place = f"line {item.line}"
            if item.silent:
                missing.append(f"the combination at {place} has no timings: a twin's race was reused")
            elif item.cached and not item.inherited_from:
                missing.append(f"the cached result at {place} matches no single race of this build")
            elif not item.cached and not item.raced and not item.no_valid:
                missing.append(f"the combination at {place} ends in no timing")
            elif item.raced and item.winner is None and not item.table:
                missing.append(f"the log ends before the combination at {place} was decided")
            if item.raced and tried and not item.runners and not item.inherited_from:
                missing.append(f"no runner with sparse kernels is shown for the combination at {place}")
            if item.unnamed_count:
                missing.append(f"{item.unnamed_count} timed tactics at {place} have no name that says whether they are sparse")
            if item.failed:
                missing.append(f"{item.failed} tactics at {place} that may be sparse were tried and have no time")
            for why, _, tactic, line in item.skipped:
                if why != "only option":
                    missing.append(f"tactic 0x{tactic:016x} was skipped ({why}) at line {line}")
            if item.text == "":
                missing.append(f"the formats of the combination at {place} are not in the log")
        pruned = self.pruned_line(race)
        if pruned is not None:
            missing.append(f"tactics were pruned before timing (line {pruned.line})")
        for number in {self._sources[c.index] for c in race.combinations if c.index in self._sources}:
            source = self._source_race(number)
            missing.extend(gap for gap in source.missing if gap not in missing)
            race.doubts.extend(source.doubts)
        found = [doubt for item in race.combinations for doubt in self._lost_lines(item)]
        if self.log.damaged_lines or self.log.unknown_samples:
            first, last = race.combinations[0].line, max(self._last_line(item) for item in race.combinations)
            for damaged in (*self.log.damaged_lines, *self.log.unknown_samples):
                if first <= damaged.line <= last + 2:
                    found.append(f"line {damaged.line} is damaged or of an unknown form")
        missing.extend(found)
        race.doubts.extend(found)

    def _lost_lines(self, item: Combination) -> list[str]:
        """Signs that the log lost lines of this race: what was chosen or fastest has no time, or one runner raced twice (two races in one)."""
        if item.cached or not item.raced or item.table:
            return []
        found = []
        s, numbers = self.log.sections.arrays, [section for section in self._sections_of(item.index) if self.log.sections.arrays["op"][section] < 0]
        if item.winner is not None and self._winning[item.index] < 0:
            found.append(f"the tactic chosen for the combination at line {item.line} has no time in the log")
        for section in numbers:
            if s["fastest_line"][section] and s["fastest"][section] != NO_TACTIC and not self._fastest_seen[section]:
                found.append(f"the fastest tactic that line {s['fastest_line'][section]} names has no time in the log")
        runners = [s["runner"][section] for section in numbers]
        if len(set(runners)) < len(runners):
            found.append(f"a runner was tried twice in the combination at line {item.line}: the line that begins another one is lost")
        return found


def _first_fastest(key: npt.NDArray[np.int64], time_ms: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """For each key below `size` the first of `rows` with the least time; -1 where there is none."""
    least = np.full(size, np.inf)
    np.minimum.at(least, key, time_ms)
    found = np.full(size, -1, dtype=np.int64)
    equal = np.flatnonzero(time_ms == least[key])[::-1]
    found[key[equal]] = rows[equal]  # in reverse, so that the first one stays
    return found


def _distrust_partial(race: LayerRace) -> None:
    """A twin of TensorRT 8 repeats `has no valid tactics` for some runners and prints nothing for those whose timings it reuses.

    So a combination counts as raced only if every runner with possibly sparse tactics that other combinations of the layer tried was tried in it, too,
    where nothing was timed; and no layer without a single timing has a race of its own.
    """
    tried = frozenset[str]().union(*(c.runners for c in race.combinations))
    timed = any(c.raced or c.cached for c in race.combinations)
    for item in race.combinations:
        if item.no_valid and (not timed or not item.runners >= tried):
            item.no_valid, item.silent = False, True


def _build_gaps(log: BuildLog, build: Build) -> list[str]:
    """What keeps every race of a build from being complete."""
    gaps: list[str] = []
    if stderr_missing(build):
        gaps.append("standard error was not captured, so skipped tactics may not show")
    if not build.complete and log.truncated:
        gaps.append("the log ends before the engine was made")
    if (build.loaded_cache_entries or 0) > 0:
        gaps.append("a timing cache was loaded")
    if log.unknown_lines > len(log.unknown_samples):
        gaps.append("the log holds many lines of unknown form")
    # Complaints about memory are warnings: trtexec writes them to standard error, so where they stand in the file does not tell whose they are.
    complaints = [w for w in build.warnings if w.severity != "V"]
    if complaints:
        gaps.append(f"tactics were left out for lack of memory (line {complaints[0].line})")
    return gaps


def stderr_missing(build: Build) -> bool:
    """trtexec writes warnings and errors to standard error: a trtexec log without a single one was captured without `2>&1`, or had none."""
    return build.own_lines > 0 and not build.severities & {"W", "E", "F"}


def _innermost_first(log: BuildLog) -> bool:
    """Whether this log prints strides innermost first (TensorRT 7 and before): decided by its version, else by the first telling combination."""
    for build in log.builds:
        if build.version:
            return int(build.version.split(".")[0]) < 8
    for text in log.formats.texts[:200]:
        told = innermost_first(text)
        if told is not None:
            return told
    return False


__all__ = ["CACHED", "Combination", "Entry", "LayerRace", "Races", "stderr_missing"]
