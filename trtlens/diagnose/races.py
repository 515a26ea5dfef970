"""The races of a build: for each layer and format combination the fastest dense, sparse and unnamed tactic, who won, and what is missing.

In: `BuildLog`. Out: `Races`, whose `of(layer)` gives a `LayerRace`. Next: rules.py decides on it.
Everything is computed for all rows at once; Python objects are made only for the layers that someone asks about.
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import CACHED, MYELIN, NO_TACTIC, SKIPPED, TIMED, Build, BuildLog, Line, stretches
from ..parse.build_log.state import KEPT_LINES
from ..parse.formats import FormatCombination, innermost_first, parse_combination
from ..parse.kernel_names import are_sparse, classify, is_sparse
from ..text import said_of
from .layers import runner_may_be_sparse
from .plain_races import PlainColumns
from .race_records import DENSE, SPARSE, UNKNOWN, Combination, Entry, LayerRace

_KEPT_RACES = 256
_SILENT = "the combination at line {} has no timings: a twin's race was reused"
_SAID = {DENSE: False, SPARSE: True, UNKNOWN: None}
"""Whether a tactic of a kind is sparse."""
_BEHIND = 3  # lines: what begins the next layer's race, where that is what is damaged
_SEVERAL = -2
"""What `Races.source_of` says where several earlier races could be meant."""
_LIMIT = re.compile(r"Set number of tactics to (\d{1,9})\b")
_PRUNED = re.compile(
    r"(?:(?P<layer>.*): )?\d+ available tactics, \d+ unparsable, (?P<pruned>\d{1,9}) pruned, \d+ remaining after tactic pruning\.$"
)


class Races:
    """The races of one build and pass. Columns over all rows are made once; a `LayerRace` is made when it is asked for, and kept."""

    def __init__(
        self, log: BuildLog, build: Build, pass_index: int | None, gap: str | None = None, learned: Mapping[int, str] | None = None
    ) -> None:
        """`gap`: what else keeps every race from being complete. `learned`: kernels of tactic ids by other logs, which only suggest."""
        self.learned = learned or {}
        self.log, self.build, self.pass_index = log, build, pass_index
        self._global_doubts = _unplaced_damage(log)
        self._global_missing = [*_build_gaps(log, build), *_limited(log, build), *([gap] if gap is not None else []), *self._global_doubts]
        rows = log.tactics
        combination = log.sections["combination"]
        self.owner: npt.NDArray[np.int32] = np.empty(len(rows), dtype=np.int32)
        for part in stretches(len(rows)):
            self.owner[part] = combination[rows.section[part]]
        self._order, self._starts = _grouped(self.owner, len(log.combinations))
        self._foreign = np.zeros(len(log.combinations), dtype=bool)
        self.kind = self._kinds()
        # What `entry` asks for each row: 30,000 rows of a large log.
        self._cells = (
            rows.tactic.item, rows.kernel.item, rows.time_ms.item, rows.section.item, rows.line.item, rows.offset.item, self.kind.item,
            log.sections.arrays["runner"], log.kernels.texts, log.runners.texts,
        )  # fmt: skip
        self._fastest_columns()
        owners = log.sections["combination"]
        self._section_order, self._section_starts = _grouped(owners, len(log.combinations))
        self._format_cache: dict[tuple[str, bool], FormatCombination | None] = {}
        self._innermost = _innermost_first(log)
        self.by_layer: dict[str, Sequence[int]] = {}
        self._mine = np.empty(0, dtype=np.int64)
        self._won: dict[tuple[str, int | None], Sequence[int]] = {}
        self.by_op: dict[str, list[int]] = defaultdict(list)
        self._index_layers()
        self.pruned = self._pruned_lines()
        self._complaints = sorted((line for line in _complaints(build)), key=lambda line: line.line)
        self._sources: dict[int, int] = {}
        self._gap_cache: dict[tuple[int, int], LayerRace] = {}
        self._damaged: list[int] | None = None
        self._own: dict[tuple[int, int], Sequence[int]] | None = None
        self._source_numbers: npt.NDArray[np.int64] | None = None
        self._races: OrderedDict[str, LayerRace | None] = OrderedDict()
        self._spreads: dict[int, float] | None = None
        self._plain: PlainColumns | None = None
        self._tried_cache: dict[tuple[int, ...], frozenset[str]] = {}
        self._first_rows: npt.NDArray[np.int64] | None = None
        self._name_cache: dict[int, int] = {}
        """By tactic id: the number of its kernel, -1 where the log names none, or several."""

    # ---- columns

    def _kinds(self) -> npt.NDArray[np.int8]:
        """DENSE, SPARSE or UNKNOWN for each row: by the kernel's name, else by whether the runner has sparse kernels at all."""
        log, rows = self.log, self.log.tactics
        kinds_of = {True: SPARSE, False: DENSE, None: UNKNOWN}
        by_kernel = np.array([*map(kinds_of.__getitem__, are_sparse(log.kernels.texts)), UNKNOWN], dtype=np.int8)
        by_runner = np.array([UNKNOWN if runner_may_be_sparse(name) else DENSE for name in log.runners.texts] + [UNKNOWN], dtype=np.int8)
        if not len(rows):
            return np.empty(0, dtype=np.int8)
        runner, kinds = log.sections["runner"], np.empty(len(rows), dtype=np.int8)
        for part in stretches(len(rows)):
            kinds[part] = np.where(rows.kernel[part] >= 0, by_kernel[rows.kernel[part]], by_runner[runner[rows.section[part]]])
        if self.learned:
            ids = np.array(sorted(self.learned), dtype=np.uint64)
            names = np.array([*map(kinds_of.__getitem__, are_sparse([self.learned[number] for number in ids.tolist()]))], dtype=np.int8)
            unnamed = np.flatnonzero((rows.kernel < 0) & (kinds == UNKNOWN))
            at = np.minimum(np.searchsorted(ids, rows.tactic[unnamed]), len(ids) - 1)
            known = ids[at] == rows.tactic[unnamed]
            kinds[unnamed[known]] = names[at[known]]
            self._foreign[self.owner[unnamed[known]]] = True
        return kinds

    def _fastest_columns(self) -> None:
        """For each combination: how many tactics were timed, how many of them unnamed, and the row of the fastest of each kind (-1: none)."""
        rows, size, c, s = self.log.tactics, len(self.log.combinations), self.log.combinations, self.log.sections
        winner, runner, chosen, fastest, of_runner = c["winner_tactic"], c["winner_runner"], c["winner_line"], s["fastest"], s["runner"]
        self.timed, self.unnamed, self.failed = (np.zeros(size, dtype=np.int32) for _ in range(3))
        self.best, least = np.full(size * 3, -1, dtype=np.int32), np.full(size * 3, np.inf)
        self.winning, least_winning = np.full(size, -1, dtype=np.int32), np.full(size, np.inf)
        self._skips = np.zeros(size, dtype=bool)
        # Sections whose `Fastest Tactic` is among the tactics timed in them.
        self.fastest_seen = np.zeros(len(fastest), dtype=bool)
        for part in stretches(len(rows)):
            tried = (rows.source[part] == TIMED) & (rows.tactic[part] != np.uint64(NO_TACTIC))
            no_time = np.isnan(rows.time_ms[part])
            timed = np.flatnonzero(tried & ~no_time) + part.start
            owner, kind, time_ms, tactic, section = self.owner[timed], self.kind[timed], rows.time_ms[timed], rows.tactic[timed], rows.section[timed]
            self.timed += np.bincount(owner, minlength=size).astype(np.int32)
            self.unnamed += np.bincount(owner[kind == UNKNOWN], minlength=size).astype(np.int32)
            _keep_fastest(least, self.best, owner.astype(np.int64) * 3 + kind, time_ms, timed)
            mine = (tactic == winner[owner]) & (of_runner[section] == runner[owner]) & (chosen[owner] > 0)
            _keep_fastest(least_winning, self.winning, owner[mine].astype(np.int64), time_ms[mine], timed[mine])
            self._skips[self.owner[part][rows.source[part] == SKIPPED]] = True
            self.failed += np.bincount(self.owner[part][tried & no_time & (self.kind[part] != DENSE)], minlength=size).astype(np.int32)
            self.fastest_seen[section[tactic == fastest[section]]] = True

    def _index_layers(self) -> None:
        log = self.log
        if not len(log.combinations):
            return
        mask = (log.combinations["build"] == self.build.index) & (log.combinations["is_reformat"] == 0)
        if self.pass_index is not None:
            mask &= log.combinations["pass_index"] == self.pass_index
        mine = np.flatnonzero(mask)
        mine = self._mine = mine[log.combinations["layer"][mine] >= 0]
        for name, numbers in _by_value(log.combinations["layer"][mine], mine):
            self.by_layer[log.layers.texts[name]] = numbers
        ops = log.sections["op"]
        for section in np.flatnonzero(ops >= 0).tolist():
            if mask[log.sections.arrays["combination"][section]]:
                self.by_op[log.layers.texts[ops[section]]].append(section)

    def _sections_of(self, combination: int) -> list[int]:
        """The runner sections of a combination, in the log's order."""
        first, last = self._section_starts.item(combination), self._section_starts.item(combination + 1)
        if self._section_order is None:
            return list(range(first, last))
        found: list[int] = self._section_order[first:last].tolist()
        return found

    @property
    def any_sparse(self) -> bool:
        """Whether any sparse tactic was timed anywhere in the log."""
        return bool((self.kind == SPARSE).any())

    def is_raced(self, layer: str) -> bool:
        """Whether anything was timed under the layer's own name in this pass."""
        return any(self.timed[number] for number in self.by_layer.get(layer, ()))

    def _pruned_lines(self) -> list[tuple[str | None, Line]]:
        """(layer or None, line) of each line that says tactics were pruned before timing."""
        found: list[tuple[str | None, Line]] = []
        for line in self.build.notable.get("pruned", ()):
            match = _PRUNED.match(line.text)
            if match and int(match["pruned"]) > 0:
                found.append((match["layer"], line))
        return found

    def _pruned_within(self, layer: str, first: int, last: int) -> Line | None:
        """The line that says tactics of a layer were pruned: it names the layer, or stands among the layer's own lines."""
        for named, line in self.pruned:
            if named == layer or (named is None and first <= line.line <= last):
                return line
        return None

    def _complaint_within(self, first: int, last: int) -> Line | None:
        """The first complaint about memory among the lines of a race."""
        at = bisect_left(self._complaints, first, key=lambda line: line.line)
        return self._complaints[at] if at < len(self._complaints) and self._complaints[at].line <= last else None

    def _last(self, race: LayerRace) -> int:
        return max(self._last_line(item) for item in race.combinations)

    def _last_line(self, item: Combination) -> int:
        rows = self.rows_of(item.index)
        last = int(self.log.tactics.line[rows].max()) if len(rows) else item.line
        return int(max(last, self.log.combinations.arrays["winner_line"][item.index], item.line))

    def rows_of(self, combination: int) -> npt.NDArray[np.int64]:
        """Row numbers of the tactics table that belong to a combination, in the log's order."""
        first, last = self._starts[combination], self._starts[combination + 1]
        return np.arange(first, last) if self._order is None else self._order[first:last]

    def has_rows(self) -> npt.NDArray[np.bool_]:
        """Of each combination whether any tactic stands under it."""
        return self._starts[1:] > self._starts[:-1]

    def last_row_lines(self) -> npt.NDArray[np.int64]:
        """Of each combination the line of its last tactic; 0 where it has none."""
        lines = self.log.tactics.line if self._order is None else self.log.tactics.line[self._order]
        found = np.zeros(len(self.log.combinations), dtype=np.int64)
        held = self.has_rows()
        found[held] = np.maximum.reduceat(lines, self._starts[:-1][held]) if held.any() else 0
        return found

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
        texts, first = np.unique(columns["text"][mask], return_index=True)
        order = np.argsort(first)
        for text, line in zip(texts[order].tolist(), columns["line"][mask][first[order]].tolist(), strict=True):
            if self.log.formats.texts[text]:
                yield line, self.log.formats.texts[text]

    def formats_known(self) -> bool:
        """Whether no line of the pass is damaged or of an unknown form, and no combination lacks its formats: any may have held another type."""
        if self._global_doubts:
            return False
        columns = self.log.combinations
        mask = (columns["build"] == self.build.index) & (columns["is_reformat"] == 0)
        mask &= (columns["pass_index"] == self.pass_index) | (self.pass_index is None)
        lines = columns["line"][mask]
        empty = {number for number, text in enumerate(self.log.formats.texts) if not text} | {-1}
        if not len(lines) or not empty.isdisjoint(np.unique(columns["text"][mask]).tolist()):
            return False
        last = max(int(lines[-1]), int(columns["winner_line"][mask].max()))
        return not self._damage(int(lines[0]), last + _BEHIND)

    # ---- races

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
            race.missing.extend(self._global_missing)
            race.doubts.extend(self._global_doubts)
            if plain.silent:
                lines = self.log.combinations.arrays["line"]
                race.missing.extend([_SILENT.format(lines[number]) for number in numbers])
            pruned = self._pruned_within(layer, *self._plain.lines_of(layer)) if self.pruned else None
            if pruned is not None:
                race.missing.append(f"tactics were pruned before timing (line {pruned.line})")
                race.pruned = pruned
            race.complaint = self._complaint_within(*self._plain.lines_of(layer)) if self._complaints else None
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
        return bool(self._foreign[np.where(source >= 0, source, places)].any())

    def whole_race(self, layer: str, numbers: Sequence[int]) -> LayerRace:
        """A race made combination by combination, whatever it is."""
        race = LayerRace(layer, [self.combination(number) for number in numbers])
        _distrust_partial(race)
        self._find_gaps(race)
        race.repeat_spread = self._spread(numbers)
        race.foreign = self._named_elsewhere(numbers)
        return race

    def of_operation(self, op: str) -> LayerRace | None:
        """The race of an operation inside a Myelin region, from the tables that the log prints (10.14+)."""
        sections = self.by_op.get(op)
        if not sections:
            return None
        race = LayerRace(op, [self._table(section) for section in sections])
        race.missing.extend(self._global_missing)
        race.doubts.extend(self._global_doubts)
        for section, item in zip(sections, race.combinations, strict=True):
            damage = self._damage(item.line, self._last_row(section, item.line))
            race.missing.extend(damage)
            race.doubts.extend(damage)
            if not item.raced:
                race.missing.append(f"the table of {op} at line {item.line} is empty")
            if item.failed:
                race.missing.append(f"{said_of(item.failed, '# tactic', '# tactics')} of the table at line {item.line} {said_of(item.failed, 'has', 'have')} no time")
            if item.unnamed_count:
                names = said_of(item.unnamed_count, "has a name that does not say whether it is sparse", "have names that do not say whether they are sparse")
                race.missing.append(f"{said_of(item.unnamed_count, '# tactic', '# tactics')} of the table at line {item.line} {names}")
        return race

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
        if self._skips.item(number):
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
        kernel = self.name_of(tactic)
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

    def naming_line(self, tactic: int, kernel: str, chosen: list[Combination]) -> tuple[int, int] | None:
        """(line, offset) of a time of this tactic that has this kernel's name: where it was chosen, else its first one in the log.

        TensorRT up to 8.5 prints the name in the line before the time.
        """
        for item in chosen:
            if item.winner is not None and item.winner.kernel == kernel and item.winner.line > 0:
                return item.winner.line, item.winner.offset
        rows, number = self.log.tactics, self.log.kernels.index.get(kernel, -2)
        if self._first_rows is None:
            self._first_rows = np.full(len(self.log.kernels.texts) + 1, -1, dtype=np.int64)
            self._first_rows[rows.kernel[::-1]] = np.arange(len(rows) - 1, -1, -1)  # in reverse, so that the first one stays
        row = self._first_rows.item(number) if number >= 0 else -1
        if row >= 0 and rows.tactic.item(row) != tactic:  # a kernel of several ids, which is rare
            found = np.flatnonzero((rows.tactic == np.uint64(tactic)) & (rows.kernel == number))
            row = int(found[0]) if len(found) else -1
        return (rows.line.item(row), rows.offset.item(row)) if row >= 0 else None

    def expect(self, tactics: Mapping[str, int]) -> None:
        """Look up at once for which combinations of each layer its tactic was chosen: one by one that takes as long as all rules together."""
        log, c = self.log, self.log.combinations
        wanted, asked = np.zeros(len(log.layers.texts), dtype=np.uint64), np.zeros(len(log.layers.texts), dtype=bool)
        for layer, tactic in tactics.items():
            number = log.layers.index.get(layer, -1)
            if number >= 0:
                wanted[number], asked[number] = tactic, True
            self._won[layer, tactic] = ()
        layers = c["layer"][self._mine]
        chosen = asked[layers] & (c["winner_line"][self._mine] > 0) & (c["winner_tactic"][self._mine] == wanted[layers])
        for number, numbers in _by_value(layers[chosen], self._mine[chosen]):
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
                kernel = self.log.kernels.get(rows.kernel.item(row)) if row >= 0 else self.name_of(tactic)
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

    def name_of(self, tactic: int) -> str | None:
        """The kernel of a tactic id, where every line of this log that names the id names the same kernel.

        Only for ids that are hashes: small ones (0x0, 0x3e8, 0x20042) are numbers within a runner and mean something else in each layer.
        """
        if tactic < 1 << 40:
            return None
        if tactic not in self._name_cache:
            self.learn_names({tactic})
        return self.log.kernels.get(self._name_cache[tactic])

    def learn_names(self, tactics: set[int]) -> None:
        """Look up the kernels of many tactic ids at once, for `name_of`."""
        if not tactics:
            return
        rows = self.log.tactics
        asked = np.array([tactic for tactic in tactics if tactic not in self._name_cache], dtype=np.uint64)
        if not self._name_cache:
            # One look at all rows for whatever may be asked for next, too: what won without a time of its own, or was left out without a name.
            won = self.log.combinations["winner_tactic"][(self.log.combinations["winner_line"] > 0) & (self.winning < 0)]
            out = self.left_out()
            asked = np.concatenate([asked, won, rows.tactic[out[rows.kernel[out] < 0]]])
        wanted = np.unique(asked[asked >= np.uint64(1 << 40)])
        if not len(wanted):
            return
        # By their low bits first: looking up half a million ids in a sorted list would take a tenth of the diagnosis.
        low, bits = np.zeros(1 << 20, dtype=bool), np.uint64((1 << 20) - 1)
        low[wanted & bits] = True
        least, most = np.full(len(wanted), len(self.log.kernels.texts), dtype=np.int32), np.full(len(wanted), -1, dtype=np.int32)
        for part in stretches(len(rows)):
            tactic, kernel = rows.tactic[part], rows.kernel[part]
            named = np.flatnonzero(low[tactic & bits] & (kernel >= 0))
            at = np.minimum(np.searchsorted(wanted, tactic[named]), len(wanted) - 1)
            same = wanted[at] == tactic[named]
            np.minimum.at(least, at[same], kernel[named[same]])
            np.maximum.at(most, at[same], kernel[named[same]])
        self._name_cache.update(zip(wanted.tolist(), np.where(least == most, least, -1).tolist(), strict=True))

    def left_out(self) -> npt.NDArray[np.int64]:
        """The rows of tactics that were skipped, without those of a `Fast skip` that is followed by a time at once, as most are."""
        rows = self.log.tactics
        skipped = np.flatnonzero(rows.source == SKIPPED)
        following = np.minimum(skipped + 1, len(rows) - 1)
        timed = (rows.tactic[following] == rows.tactic[skipped]) & (self.owner[following] == self.owner[skipped])
        timed &= (rows.source[following] == TIMED) & ~np.isnan(rows.time_ms[following])
        found: npt.NDArray[np.int64] = skipped[~timed | (rows.skipped_why[skipped] != self.log.whys.index.get("time limit", -2))]
        return found

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
        found = self.source_of(number)
        if found < 0:
            item.several = found == _SEVERAL
            return
        c = self.log.combinations.arrays
        source = self.combination(found)
        self._sources[number] = found
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
            self._source_numbers = self._joined_sources()
        return self._source_numbers

    def _joined_sources(self) -> npt.NDArray[np.int64]:
        """`source_of` for every combination, at once."""
        c = self.log.combinations
        time_ms = c["winner_time"]
        mine = (c["build"] == self.build.index) & (c["is_reformat"] == 0) & ~np.isnan(time_ms)
        cached, raced = np.flatnonzero(mine & (c["cached"] != 0)), np.flatnonzero(mine & (c["cached"] == 0) & (c["winner_line"] > 0))
        found = np.full(len(c), -1, dtype=np.int64)
        if not len(cached) or not len(raced):
            return found
        both = np.concatenate([raced, cached])
        columns = (c["text"][both], c["winner_runner"][both], c["winner_tactic"][both], *_six_digits(time_ms[both]))
        distinct, key = np.unique(_mixed(columns), return_inverse=True)
        ours, theirs = key[: len(raced)], key[len(raced) :]
        order = np.argsort(ours, kind="stable")  # the races of a key, in the order of the log
        starts = np.searchsorted(ours[order], np.arange(len(distinct) + 1))
        first, last = starts[theirs], starts[theirs + 1]
        # Exactly one race before the cached result: the first of its key stands before it, the second does not.
        number = np.append(raced[order], np.iinfo(np.int64).max)
        single = (first < last) & (number[first] < cached) & ((first + 1 == last) | (number[np.minimum(first + 1, len(number) - 1)] >= cached))
        found[cached[single]] = number[first[single]]
        found[cached[(first < last) & (number[first] < cached) & ~single]] = _SEVERAL
        return found

    def _source_race(self, number: int) -> LayerRace:
        """The race that a cached result repeats with what it lacks, all combinations of its layer in its pass together."""
        c = self.log.combinations.arrays
        key = c["layer"][number], c["pass_index"][number]
        if key not in self._gap_cache:
            source = LayerRace(self.log.layers.get(key[0]) or "", self.combinations_of(self._own_combinations().get(key, ())))
            self._gap_cache[key] = LayerRace(source.layer, [])  # a race never repeats itself
            self._find_gaps(source)
            self._gap_cache[key] = source
        return self._gap_cache[key]

    def _own_combinations(self) -> dict[tuple[int, int], Sequence[int]]:
        """The combinations of each layer and pass of the build that were raced under their own name."""
        if self._own is None:
            c = self.log.combinations
            mine = np.flatnonzero((c["build"] == self.build.index) & (c["is_reformat"] == 0) & (c["cached"] == 0))
            self._own = {}
            for layer, numbers in _by_value(c["layer"][mine], mine):
                places = np.asarray(numbers, dtype=np.int64)
                self._own.update(((layer, number), found) for number, found in _by_value(c["pass_index"][places], places))
        return self._own

    def _spread(self, numbers: Sequence[int]) -> float:
        """The largest relative difference between two timings of one tactic by one runner in one combination."""
        if self._spreads is None:
            self._spreads = self._all_spreads()
        spreads = self._spreads
        return max([spreads[number] for number in numbers if number in spreads], default=0.0) if spreads else 0.0

    def _all_spreads(self) -> dict[int, float]:
        """The spread of every combination in which some tactic was timed twice."""
        every = self.log.tactics
        rows = np.flatnonzero((every.source == TIMED) & (every.time_ms > 0))
        count = np.bincount(every.section[rows], minlength=len(self.log.sections))
        rows = rows[count[every.section[rows]] > 1]
        # Few tactics are timed twice: find out which may be, and sort those alone.
        for factor in _MIX[:2]:
            rows = rows[_sharing(every.section[rows], every.tactic[rows], factor)]
        if not len(rows):
            return {}
        rows = rows[np.lexsort((every.tactic[rows], every.section[rows]))]
        again = (every.tactic[rows][1:] == every.tactic[rows][:-1]) & (every.section[rows][1:] == every.section[rows][:-1])
        first, second = every.time_ms[rows][:-1][again], every.time_ms[rows][1:][again]
        found: dict[int, float] = {}
        ratios = np.maximum(first, second) / np.minimum(first, second) - 1.0
        for number, ratio in zip(self.owner[rows[:-1][again]].tolist(), ratios.tolist(), strict=True):
            found[number] = max(found.get(number, 0.0), ratio)
        # A cached result has the noise of the race that it repeats: its verdict is that race's verdict.
        sources = self.sources()
        for number in np.flatnonzero(np.isin(sources, list(found))).tolist():
            found[number] = found[sources.item(number)]
        return found

    def _find_gaps(self, race: LayerRace) -> None:
        missing = race.missing
        missing.extend(self._global_missing)
        race.doubts.extend(self._global_doubts)
        tried = frozenset[str]().union(*(c.runners for c in race.combinations))
        for item in race.combinations:
            place = f"line {item.line}"
            if item.silent:
                missing.append(_SILENT.format(item.line))
            elif item.cached and not item.inherited_from:
                missing.append(f"the cached result at {place} matches no single race of this build")
            elif not item.cached and not item.raced and not item.no_valid:
                missing.append(f"the combination at {place} ends in no timing")
            elif item.raced and item.winner is None:
                missing.append(f"the log ends before the combination at {place} was decided")
            if item.raced and tried and not item.runners and not item.inherited_from:
                missing.append(f"no runner with sparse kernels is shown for the combination at {place}")
            if item.unnamed_count:
                names = said_of(item.unnamed_count, "has no name that says whether it is sparse", "have no name that says whether they are sparse")
                missing.append(f"{said_of(item.unnamed_count, '# timed tactic', '# timed tactics')} at {place} {names}")
            if item.failed:
                failed = said_of(item.failed, "was tried and has no time", "were tried and have no time")
                missing.append(f"{said_of(item.failed, '# tactic', '# tactics')} at {place} that may be sparse {failed}")
            for why, _, tactic, line in item.skipped:
                if why != "only option":
                    missing.append(f"tactic 0x{tactic:016x} was skipped ({why}) at line {line}")
            if item.text == "":
                missing.append(f"the formats of the combination at {place} are not in the log")
        pruned = self._pruned_within(race.layer, race.combinations[0].line, self._last(race)) if self.pruned else None
        if pruned is not None:
            missing.append(f"tactics were pruned before timing (line {pruned.line})")
            race.pruned = pruned
        race.complaint = self._complaint_within(race.combinations[0].line, self._last(race)) if self._complaints else None
        for number in {self._sources[c.index] for c in race.combinations if c.index in self._sources}:
            source = self._source_race(number)
            missing.extend(gap for gap in source.missing if gap not in missing)
            race.doubts.extend(source.doubts)
        found = [doubt for item in race.combinations for doubt in self._lost_lines(item)]
        if self.log.damaged_lines or self.log.unknown_samples:
            found += self._damage(race.combinations[0].line, self._last(race))
        missing.extend(found)
        race.doubts.extend(found)

    def _damage(self, first: int, last: int) -> list[str]:
        """The lines from the first to the last one of a race that may have held a tactic; one that is cut off stands behind the last."""
        if self._damaged is None:
            self._damaged = sorted(damaged.line for damaged in (*self.log.damaged_lines, *self.log.unknown_samples))
        within = self._damaged[bisect_left(self._damaged, first) : bisect_right(self._damaged, last + 2)]
        return [f"line {line} is damaged or of an unknown form" for line in within]

    def _lost_lines(self, item: Combination) -> list[str]:
        """Signs that the log lost lines of this race: what was chosen or fastest has no time, or one runner raced twice (two races in one)."""
        if item.cached or not item.raced:
            return []
        found = []
        s, numbers = self.log.sections.arrays, [section for section in self._sections_of(item.index) if self.log.sections.arrays["op"][section] < 0]
        if item.winner is not None and self.winning[item.index] < 0:
            found.append(f"the tactic chosen for the combination at line {item.line} has no time in the log")
        for section in numbers:
            if s["fastest_line"][section] and s["fastest"][section] != NO_TACTIC and not self.fastest_seen[section]:
                found.append(f"the fastest tactic that line {s['fastest_line'][section]} names has no time in the log")
        runners = [s["runner"][section] for section in numbers]
        if len(set(runners)) < len(runners):
            found.append(f"a runner was tried twice in the combination at line {item.line}: the line that begins another one is lost")
        return found


_MIX = [np.uint64(int.from_bytes(os.urandom(8), "little") | 1) for _ in range(6)]
"""Odd factors of one process: nobody can write a log in which two keys meet; by chance they do once in 2**64."""


def _mixed(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.uint64]:
    """One 64-bit key of the values of several columns: sorting rows of five values took a tenth of the diagnosis."""
    key = np.zeros(len(columns[0]), dtype=np.uint64)
    for column, factor in zip(columns, _MIX, strict=False):
        key = (key ^ column.astype(np.int64 if column.dtype.kind == "i" else column.dtype).view(np.uint64)) * factor
        key ^= key >> np.uint64(29)
    return key


_PIECE, _SLOT_BITS = 1 << 15, 18


def _sharing(section: npt.NDArray[np.int32], tactic: npt.NDArray[np.uint64], factor: np.uint64) -> npt.NDArray[np.bool_]:
    """Which rows may have section and tactic in common with another one: all that have, and some by chance. A fifth of the time that sorting takes.

    Piece by piece, so that the table of slots stays in the processor's cache; a section never begins in one piece and ends in another.
    """
    found = np.zeros(len(section), dtype=bool)
    last, shared = np.empty(1 << _SLOT_BITS, dtype=np.int32), np.zeros(1 << _SLOT_BITS, dtype=bool)
    cuts = [0, len(section)]
    if len(section) > _PIECE and bool((section[1:] >= section[:-1]).all()):
        cuts = np.unique([0, *np.searchsorted(section, section[_PIECE::_PIECE]).tolist(), len(section)]).tolist()
    for first, end in pairwise(cuts):
        slots = ((section[first:end].astype(np.uint64) * _MIX[2] ^ tactic[first:end]) * factor) >> np.uint64(64 - _SLOT_BITS)
        numbers = np.arange(end - first, dtype=np.int32)
        last[slots] = numbers
        doubled = slots[last[slots] != numbers]
        shared[doubled] = True
        found[first:end] = shared[slots]
        shared[doubled] = False
    return found


def _six_digits(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(digits, power): each value to six significant digits, as TensorRT prints it with a cached result."""
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(values > 0, np.floor(np.log10(values)), 0.0)
        digits = np.rint(values * 10.0 ** (5.0 - power))
    over = digits >= 1_000_000.0
    return np.where(over, 100_000.0, digits), np.where(over, power + 1.0, power)


def _by_value(values: npt.NDArray[np.int32], numbers: npt.NDArray[np.int64]) -> Iterator[tuple[int, Sequence[int]]]:
    """(value, the numbers that have it), by the first appearance of each value."""
    order = np.argsort(values, kind="stable")
    ordered, sorted_numbers = values[order], numbers[order].astype(np.int32)
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.empty(0, dtype=np.int64)
    ends = np.append(begins[1:], len(ordered)).tolist()
    appearance = np.argsort(order[begins], kind="stable").tolist()
    firsts, found = begins.tolist(), ordered[begins].tolist()
    for at in appearance:
        yield found[at], array("i", sorted_numbers[firsts[at] : ends[at]].tobytes())  # a list would hold an object for each


def _grouped(owners: npt.NDArray[np.int32], size: int) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64]]:
    """(order, starts): the rows of group n are `order[starts[n]:starts[n + 1]]`; no order where they stand together already, as in most logs."""
    starts = np.zeros(size + 1, dtype=np.int64)
    together = True
    for part in stretches(len(owners)):
        starts[1:] += np.bincount(owners[part], minlength=size)
        piece = owners[max(part.start - 1, 0) : part.stop]
        together = together and bool((piece[1:] >= piece[:-1]).all())
    np.cumsum(starts, out=starts)
    return None if together else np.argsort(owners, kind="stable"), starts


def _keep_fastest(
    least: npt.NDArray[np.float64], found: npt.NDArray[np.int32], key: npt.NDArray[np.int64], time_ms: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> None:
    """Keep for each key the first of all rows so far with the least time: `least` and `found` by key."""
    before = least[key]
    np.minimum.at(least, key, time_ms)
    better = np.flatnonzero((time_ms == least[key]) & (time_ms < before))[::-1]
    found[key[better]] = rows[better]  # in reverse, so that the first one stays


def _distrust_partial(race: LayerRace) -> None:
    """A twin of TensorRT 8 repeats `has no valid tactics` for some runners and prints nothing for those whose timings it reuses.

    So a combination counts as raced only if every runner with possibly sparse tactics that other combinations of the layer tried was tried in it, too,
    where nothing was timed; no layer without a single timing has a race of its own; and where no tactic of any runner was valid, none that may be sparse
    can have been chosen.
    """
    tried = frozenset[str]().union(*(c.runners for c in race.combinations))
    timed = any(c.raced or c.cached for c in race.combinations)
    for item in race.combinations:
        chosen = item.winner is not None and runner_may_be_sparse(item.winner.runner)
        if item.no_valid and (not timed or not item.runners >= tried or chosen):
            item.no_valid, item.silent = False, True


def _limited(log: BuildLog, build: Build) -> list[str]:
    """`Set number of tactics to N …`: a runner that timed as many may have had more."""
    limits = [int(match[1]) for line in build.notable.get("opt_level", ()) if (match := _LIMIT.search(line.text))]
    if not limits or not len(log.tactics):
        return []
    most = int(np.bincount(log.tactics.section[log.tactics.source == TIMED], minlength=1).max())
    return [f"tactics were pruned: no more than {min(limits)} are timed for a runner"] if most >= min(limits) else []


def _build_gaps(log: BuildLog, build: Build) -> list[str]:
    """What keeps every race of a build from being complete."""
    gaps: list[str] = []
    if stderr_missing(build):
        gaps.append("standard error was not captured, so skipped tactics may not show")
    if not build.complete and log.truncated:
        gaps.append("the log ends before the engine was made")
    if (build.loaded_cache_entries or 0) > 0:
        gaps.append("a timing cache was loaded")
    if len(build.notable.get("pruned", ())) >= KEPT_LINES:
        gaps.append("the log holds more lines about pruned tactics than are kept")
    complaints = _complaints(build)
    if complaints:
        gaps.append(f"tactics were left out for lack of memory (line {complaints[0].line})")
    return gaps


def _complaints(build: Build) -> list[Line]:
    """What the log says of memory that was not there. These are warnings: trtexec writes them to standard error, so that their place only suggests whose they are."""
    return [line for line in build.warnings if line.severity != "V"]


def _unplaced_damage(log: BuildLog) -> list[str]:
    """Damaged lines of which only the number is known, or that there may be more: any of them may stand in any race."""
    doubts: list[str] = []
    if log.unknown_lines > len(log.unknown_samples):
        doubts.append("the log holds many lines of unknown form")
    if len(log.damaged_lines) >= KEPT_LINES:
        doubts.append("the log holds many damaged lines")
    return doubts


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


__all__ = ["CACHED", "DENSE", "SPARSE", "UNKNOWN", "Combination", "Entry", "LayerRace", "Races", "stderr_missing"]
