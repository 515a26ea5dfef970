"""The races of a build: for each layer and format combination the fastest dense, sparse and unnamed tactic, who won, and what is missing.

In: `BuildLog`. Out: `Races`, whose `of(layer)` gives a `LayerRace`. Next: rules.py decides on it.
Everything is computed for all rows at once; Python objects are made only for the layers that someone asks about.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import MYELIN, NO_TACTIC, SKIPPED, TIMED, Build, BuildLog
from ..parse.formats import FormatCombination, innermost_first, parse_combination
from ..parse.kernel_names import classify, is_sparse
from ..parse.layer_names import myelin_operation, split_profile_suffix
from ..text import said_of
from .layers import MYELIN_INSTRUCTIONS, runner_may_be_sparse
from .plain_races import PlainColumns
from .race_columns import RaceColumns, by_value, distinct
from .race_gaps import SILENT, RaceGaps, distrust_partial
from .race_noise import all_spreads
from .race_records import DENSE, SPARSE, UNKNOWN, Combination, Entry, LayerRace
from .race_sources import SEVERAL, joined_sources
from .tactic_names import TacticKernels

_KEPT_RACES = 256
_SAID = {DENSE: False, SPARSE: True, UNKNOWN: None}
"""Whether a tactic of a kind is sparse."""
_BEHIND = 3  # lines: what begins the next layer's race, where that is what is damaged


class Races(RaceColumns):
    """The races of one build and pass. Columns over all rows are made once; a `LayerRace` is made when it is asked for, and kept.

    `kernels`: what the log names each tactic id. `gaps`: what the races lack.
    """

    def __init__(
        self, log: BuildLog, build: Build, pass_index: int | None, gap: str | None = None, learned: Mapping[int, str] | None = None
    ) -> None:
        """`gap`: what else keeps every race from being complete. `learned`: kernels of tactic ids by other logs, which only suggest."""
        super().__init__(log, learned or {})
        self.build, self.pass_index = build, pass_index
        self.kernels = TacticKernels(self)
        self.gaps = RaceGaps(self, gap)
        rows = log.tactics
        # What `entry` asks for each row: 15,000 rows of a log of 300 MB.
        self._cells = (
            rows.tactic.item, rows.kernel.item, rows.time_ms.item, rows.section.item, rows.line.item, rows.offset.item, self.kind.item,
            log.sections.arrays["runner"], log.kernels.texts, log.runners.texts,
        )  # fmt: skip
        self._format_cache: dict[tuple[str, bool], FormatCombination | None] = {}
        self._innermost = _innermost_first(log)
        self.by_layer: dict[str, Sequence[int]] = {}
        self._mine = np.empty(0, dtype=np.int64)
        self._won: dict[tuple[str, int | None], Sequence[int]] = {}
        self.by_op: dict[str, list[int]] = defaultdict(list)
        self._index_layers()
        self._source_numbers: npt.NDArray[np.int64] | None = None
        self._races: OrderedDict[str, LayerRace | None] = OrderedDict()
        self._spreads: dict[int, float] | None = None
        self._plain: PlainColumns | None = None
        self._tried_cache: dict[tuple[int, ...], frozenset[str]] = {}

    def _index_layers(self) -> None:
        log = self.log
        if not len(log.combinations):
            return
        mask = (log.combinations["build"] == self.build.index) & (log.combinations["is_reformat"] == 0)
        if self.pass_index is not None:
            mask &= log.combinations["pass_index"] == self.pass_index
        mine = np.flatnonzero(mask)
        mine = self._mine = mine[log.combinations["layer"][mine] >= 0]
        for name, numbers in by_value(log.combinations["layer"][mine], mine):
            self.by_layer[log.layers.texts[name]] = numbers
        ops = log.sections["op"]
        for section in np.flatnonzero(ops >= 0).tolist():
            if mask[log.sections.arrays["combination"][section]]:
                self.by_op[log.layers.texts[ops[section]]].append(section)

    def is_raced(self, layer: str) -> bool:
        """Whether anything was timed under the layer's own name in this pass."""
        return any(self.timed[number] for number in self.by_layer.get(layer, ()))

    def combinations_of(self, numbers: Sequence[int]) -> list[Combination]:
        """Several combinations, with their fastest tactics."""
        return [self.combination(number) for number in numbers]

    def formats(self, combination: Combination) -> FormatCombination | None:
        """The parsed formats of a combination (outermost stride first whatever the dialect)."""
        return self.formats_of(combination.text)

    def formats_of(self, text: str) -> FormatCombination | None:
        """The same of the text of a combination."""
        key = text, self._innermost
        if key not in self._format_cache:
            self._format_cache[key] = parse_combination(*key) if text else None
        return self._format_cache[key]

    def pass_formats(self) -> Iterator[tuple[int, str]]:
        """(line, text) of every distinct combination of the pass, all layers together, in the log's order."""
        columns = self.log.combinations
        mask = (columns["build"] == self.build.index) & (columns["is_reformat"] == 0) & (columns["text"] >= 0)
        if self.pass_index is not None:
            mask &= columns["pass_index"] == self.pass_index
        texts, first, _ = distinct(columns["text"][mask])
        order = np.argsort(first)
        for text, line in zip(texts[order].tolist(), columns["line"][mask][first[order]].tolist(), strict=True):
            if self.log.formats.texts[text]:
                yield line, self.log.formats.texts[text]

    def formats_known(self) -> bool:
        """Whether no line of the pass is damaged or of an unknown form, and no combination lacks its formats: any may have held another type."""
        if self.gaps.doubts:
            return False
        columns = self.log.combinations
        mask = (columns["build"] == self.build.index) & (columns["is_reformat"] == 0)
        mask &= (columns["pass_index"] == self.pass_index) | (self.pass_index is None)
        lines = columns["line"][mask]
        empty = {number for number, text in enumerate(self.log.formats.texts) if not text} | {-1}
        if not len(lines) or not empty.isdisjoint(distinct(columns["text"][mask])[0].tolist()):
            return False
        last = max(int(lines[-1]), int(columns["winner_line"][mask].max()))
        return not self.gaps.damage(int(lines[0]), last + _BEHIND)

    def of(self, layer: str) -> LayerRace | None:
        """The race of a layer, or None if the pass holds no combination under that name."""
        if layer in self._races:
            return self._races[layer]
        numbers = self.by_layer.get(layer)
        if len(self._races) >= _KEPT_RACES:
            # A layer and its neighbours are asked for together; all races of a 300 MB log at once would be 100 MB of objects.
            self._races.popitem(last=False)
        self._races[layer] = race = self._race(layer, numbers) if numbers else None
        return race

    def _race(self, layer: str, numbers: Sequence[int]) -> LayerRace:
        if self._plain is None:
            self._plain = PlainColumns(self)
        plain = self._plain.race_of(layer)
        if plain is not None:
            race = LayerRace(layer, plain=plain)
            self.gaps.begin(race)
            if plain.silent:
                lines = self.log.combinations.arrays["line"]
                race.missing.extend([SILENT.format(lines[number]) for number in numbers])
            self.gaps.note(race, *self._plain.lines_of(layer))
            race.repeat_spread = self._spread(numbers)
            race.foreign = self._named_elsewhere(numbers)
            return race
        return self.whole_race(layer, numbers)

    def _named_elsewhere(self, numbers: Sequence[int]) -> bool:
        """Whether a tactic of these combinations, or of the race that one of them repeats, has its name from another log."""
        if not self.learned:
            return False
        places = np.asarray(numbers, dtype=np.int64)
        source = self.sources()[places]
        return bool(self.foreign[np.where(source >= 0, source, places)].any())

    def whole_race(self, layer: str, numbers: Sequence[int]) -> LayerRace:
        """A race made combination by combination, whatever it is."""
        race = LayerRace(layer, [self.combination(number) for number in numbers])
        distrust_partial(race)
        self.gaps.find(race)
        race.repeat_spread = self._spread(numbers)
        race.foreign = self._named_elsewhere(numbers)
        return race

    def of_instruction(self, name: str, kind: str | None, profile: int | None, nodes: Sequence[str]) -> LayerRace | None:
        """The race of a Myelin operation, for an instruction of the engine or a row that stands for one; `kind`: its layer type, `nodes`: its ONNX nodes."""
        # A row that stands for the operation in all optimization profiles has no instruction of its own.
        meant = profile or 0 if (kind or "").lower() in MYELIN_INSTRUCTIONS else None
        races = (self.of_operation(op, meant) for op in (myelin_operation(split_profile_suffix(name)[0]) or name, *nodes))
        return next((race for race in races if race is not None), None)

    def of_operation(self, op: str, profile: int | None = None) -> LayerRace | None:
        """The race of an operation inside a Myelin region, from the tables that the log prints (10.14+).

        `profile`: the optimization profile whose tables are meant, None for those of all. Where it has none, as its region was compiled for
        another one already, those are taken, and prove nothing.
        """
        sections = [*self.by_op.get(op, ()), *self.by_op.get(f"{op} [profile {profile}]", ())]
        own = [section for section in sections if profile is None or self._profile_of(section) == profile]
        if not sections:
            return None
        race = LayerRace(op, [self._table(section) for section in own or sections])
        self.gaps.begin(race)
        for section, item in zip(own or sections, race.combinations, strict=True):
            damage = self.gaps.damage(item.line, self._last_row(section, item.line))
            race.missing.extend(damage)
            race.doubts.extend(damage)
            if not item.raced:
                race.missing.append(f"the table of {op} at line {item.line} is empty")
            if item.failed:
                race.missing.append(f"{said_of(item.failed, '# tactic', '# tactics')} of the table at line {item.line} {said_of(item.failed, 'has', 'have')} no time")
            if item.unnamed_count:
                names = said_of(item.unnamed_count, "has a name that does not say whether it is sparse", "have names that do not say whether they are sparse")
                race.missing.append(f"{said_of(item.unnamed_count, '# tactic', '# tactics')} of the table at line {item.line} {names}")
        if not own:
            borrowed = f"the tables of {op} are those of another optimization profile"
            race.missing.append(borrowed)
            race.doubts.append(borrowed)
        return race

    def _profile_of(self, section: int) -> int:
        """The optimization profile of the region that a table stands in."""
        return split_profile_suffix(self.log.layers.get(self.log.sections.arrays["layer"][section]) or "")[1] or 0

    def _last_row(self, section: int, line: int) -> int:
        """The line of a table's last row; the table's own where none is left."""
        rows = self.rows_of(self.log.sections.arrays["combination"][section])
        return int(self.log.tactics.line[rows[self.log.tactics.section[rows] == section]].max(initial=line))

    def region_of(self, op: str) -> str | None:
        """The engine layer (Myelin region) whose tables name the operation."""
        sections = self.by_op.get(op)
        return self.log.layers.get(self.log.sections.arrays["layer"][sections[0]]) if sections else None

    def combination(self, number: int) -> Combination:
        """One combination with its fastest tactics."""
        c, log = self.log.combinations.arrays, self.log
        item = Combination(number, log.formats.get(c["text"][number]) or "", c["line"][number], c["offset"][number], cached=bool(c["cached"][number]))
        # `.item` of an array costs half of indexing it: there are 100,000 combinations in a log of 300 MB.
        item.times = self.timed.item(number)
        item.unnamed_count = self.unnamed.item(number)
        item.failed = self.failed.item(number)
        best, first = self.best.item, number * 3
        item.dense = self.entry(row) if (row := best(first + DENSE)) >= 0 else None
        item.sparse = self.entry(row) if (row := best(first + SPARSE)) >= 0 else None
        item.unnamed = self.entry(row) if (row := best(first + UNKNOWN)) >= 0 else None
        if self.skips.item(number):
            rows = self.rows_of(number)
            timed = rows[(log.tactics.source[rows] == TIMED) & ~np.isnan(log.tactics.time_ms[rows])]
            item.skipped = self._skipped(rows[log.tactics.source[rows] == SKIPPED], timed)
        s = log.sections.arrays
        runners = [section for section in self.sections_of(number) if s["op"][section] < 0]
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
            number, log.formats.get(log.combinations.arrays["text"][number]) or "", s["line"][section], log.table_offsets.get(section, -1), table=True
        )
        rows = self.rows_of(number)
        rows = rows[(log.tactics.section[rows] == section) & (log.tactics.source[rows] == MYELIN)]
        item.failed = int(np.isnan(log.tactics.time_ms[rows]).sum())
        rows = rows[~np.isnan(log.tactics.time_ms[rows])]
        item.times = len(rows)
        item.dense, item.sparse, item.unnamed = (self._fastest(rows, kind) for kind in (DENSE, SPARSE, UNKNOWN))
        item.unnamed_count = int((self.kind[rows] == UNKNOWN).sum())
        kernels = {log.kernels.get(kernel) for kernel in set(log.tactics.kernel[rows].tolist())}
        item.fp32_kernels = bool(kernels) and all(classify(kernel).input_type in ("f32", "tf32") for kernel in kernels)
        selected = s["fastest"][section]
        chosen = rows[log.tactics.tactic[rows] == selected] if selected else rows
        if len(chosen):
            item.winner = self.entry(int(chosen[np.argmin(log.tactics.time_ms[chosen])]))
        return item

    def _fastest(self, rows: npt.NDArray[np.int64], kind: int) -> Entry | None:
        rows = rows[self.kind[rows] == kind]
        return self.entry(int(rows[np.argmin(self.log.tactics.time_ms[rows])])) if len(rows) else None

    def _tried(self, runners: tuple[int, ...]) -> frozenset[str]:
        """Those of the runners whose tactics can be sparse."""
        found = self._tried_cache.get(runners)
        if found is None:
            names = (self.log.runners.get(runner) for runner in runners)
            found = self._tried_cache[runners] = frozenset(name for name in names if name is not None and runner_may_be_sparse(name))
        return found

    def entry(self, row: int) -> Entry:
        """The tactic of a row of the tactics table."""
        tactic_of, kernel_of, time_of, section_of, line_of, offset_of, kind_of, runner_of, kernels, runners = self._cells
        kernel, tactic, kind = kernel_of(row), tactic_of(row), kind_of(row)
        name = kernels[kernel] if kernel >= 0 else self.learned.get(tactic)
        runner = runner_of[section_of(row)]
        return Entry(tactic, name, time_of(row), _SAID[kind], runners[runner] if runner >= 0 else None, line_of(row), offset_of(row))

    def _winner(self, number: int) -> Entry:
        """What `Chose Runner Type` (or a cached result) names. Its time is the fastest printed for it; nan when it was not timed here."""
        row = self.winning.item(number)
        if row >= 0:
            return self.entry(row)
        c, log = self.log.combinations.arrays, self.log
        tactic, name = c["winner_tactic"][number], log.runners.get(c["winner_runner"][number])
        kernel = self.kernels.of(tactic)
        sparse = is_sparse(kernel) if kernel else (None if runner_may_be_sparse(name) else False)
        return Entry(tactic, kernel, float(c["winner_time"][number]), sparse, name, c["winner_line"][number], c["winner_offset"][number])

    def row_at(self, line: int) -> int:
        """The row of the tactic that a line holds; -1 for a line that holds none."""
        lines = self.log.tactics.line
        at = int(np.searchsorted(lines, lines.dtype.type(line)))  # of its own type, or the whole column is converted
        return at if at < len(lines) and int(lines[at]) == line else -1

    def offset_of(self, line: int) -> int:
        """Where the line of a tactic stands in the log; -1 for a line that holds none."""
        at = self.row_at(line)
        return int(self.log.tactics.offset[at]) if at >= 0 else -1

    def names_kernel(self, line: int) -> bool:
        """Whether the line of a tactic, or the one before it, names the tactic's kernel."""
        at = self.row_at(line)
        return at >= 0 and self.log.tactics.kernel.item(at) >= 0

    def expect(self, tactics: Mapping[str, int]) -> None:
        """Look up at once, for `won`, for which combinations of each layer its tactic was chosen: verdicts ask for it several times a layer."""
        log, c = self.log, self.log.combinations
        wanted, asked = np.zeros(len(log.layers.texts), dtype=np.uint64), np.zeros(len(log.layers.texts), dtype=bool)
        for layer, tactic in tactics.items():
            number = log.layers.index.get(layer, -1)
            if number >= 0:
                wanted[number], asked[number] = tactic, True
            self._won[layer, tactic] = ()
        layers = c["layer"][self._mine]
        chosen = asked[layers] & (c["winner_line"][self._mine] > 0) & (c["winner_tactic"][self._mine] == wanted[layers])
        for number, numbers in by_value(layers[chosen], self._mine[chosen]):
            name = log.layers.texts[number]
            self._won[name, tactics[name]] = numbers

    def won(self, layer: str | None, tactic: int | None) -> Sequence[int]:
        """The combinations of a layer for which this tactic was chosen."""
        if layer is None:
            return ()
        found = self._won.get((layer, tactic))
        if found is None:
            tactics, lines = self.log.combinations.arrays["winner_tactic"], self.log.combinations.arrays["winner_line"]
            found = self._won[layer, tactic] = [number for number in self.by_layer.get(layer, ()) if tactics[number] == tactic and lines[number]]
        return found

    def winning_kernels(self, layer: str, tactic: int, runner: str | None) -> set[str]:
        """The kernels that the log names for a tactic that won a combination of the layer (with this runner, if one is given)."""
        c, rows, found = self.log.combinations.arrays, self.log.tactics, set()
        wanted = self.log.runners.index.get(runner, -2) if runner is not None else -2
        for number in self.won(layer, tactic):
            source = self.source_of(number) if c["cached"][number] else -1
            number = source if source >= 0 else number
            if runner is None or c["winner_runner"][number] == wanted:
                row = self.winning.item(number)
                kernel = self.log.kernels.get(rows.kernel.item(row)) if row >= 0 else self.kernels.of(tactic)
                if kernel:
                    found.add(kernel)
        return found

    def running_ms(self, layer: str, inherited_from: str | None, tactic: int | None) -> float | None:
        """What the tactic that runs in a layer takes, by the layer's own races, else by those of the one whose race it inherited."""
        own = self._chosen_ms(layer, tactic)
        return own if own is not None else self._chosen_ms(inherited_from, tactic)

    def _chosen_ms(self, layer: str | None, tactic: int | None) -> float | None:
        """How long a tactic took that was chosen for the layer: in the slowest of several combinations, as any of them may be the one that runs."""
        c, longest = self.log.combinations.arrays, 0.0
        for number in self.won(layer, tactic):
            source = self.source_of(number) if c["cached"][number] else -1
            row = self.winning.item(source if source >= 0 else number)
            time_ms = self.log.tactics.time_ms.item(row) if row >= 0 else c["winner_time"][number]
            longest = time_ms if time_ms > longest else longest
        return longest or None

    def _skipped(self, rows: npt.NDArray[np.int64], timed: npt.NDArray[np.int64]) -> tuple[tuple[str, str | None, int, int], ...]:
        """Tactics that were never timed in the combination (a `Fast skip` is mostly followed by a time all the same)."""
        log, done = self.log, set(self.log.tactics.tactic[timed].tolist())
        found = []
        for row in rows.tolist():
            tactic = int(log.tactics.tactic[row])
            why = log.whys.get(int(log.tactics.skipped_why[row])) or "unknown"
            if tactic in done and why == "time limit":
                continue
            kernel = log.kernels.get(int(log.tactics.kernel[row])) or self.kernels.of(tactic)
            found.append((why, kernel, tactic, int(log.tactics.line[row])))
        return tuple(found)

    def _inherit(self, item: Combination, number: int) -> None:
        """A cached result takes the race of exactly one earlier combination with its formats, runner, tactic and printed time."""
        found = self.source_of(number)
        if found < 0:
            item.several = found == SEVERAL
            return
        c = self.log.combinations.arrays
        source = self.combination(found)
        item.inherited_from = self.log.layers.get(c["layer"][found])
        item.dense, item.sparse, item.unnamed, item.unnamed_count = source.dense, source.sparse, source.unnamed, source.unnamed_count
        item.skipped, item.times, item.winner, item.failed = source.skipped, source.times, source.winner, source.failed

    def unjoined_cached(self) -> int:
        """How many cached results of the build repeat no race of it."""
        numbers = np.concatenate([np.asarray(found, dtype=np.int64) for found in self.by_layer.values()]) if self.by_layer else np.empty(0, dtype=np.int64)
        numbers = numbers[self.log.combinations["cached"][numbers] != 0]
        return int((self.sources()[numbers] == -1).sum()) if len(numbers) else 0

    def source_of(self, cached: int) -> int:
        """The combination whose race a cached result repeats; negative where there is none, or several could be meant."""
        return self.sources().item(cached)

    def sources(self) -> npt.NDArray[np.int64]:
        """`source_of` for every combination."""
        if self._source_numbers is None:
            self._source_numbers = joined_sources(self.log, self.build)
        return self._source_numbers

    def _spread(self, numbers: Sequence[int]) -> float:
        """The largest relative difference between two timings of one tactic by one runner in one combination."""
        if self._spreads is None:
            self._spreads = all_spreads(self.log, self.owner, self.sources)
        spreads = self._spreads
        return max([spreads[number] for number in numbers if number in spreads], default=0.0) if spreads else 0.0


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


__all__ = ["DENSE", "SPARSE", "UNKNOWN", "Combination", "Entry", "LayerRace", "Races"]
