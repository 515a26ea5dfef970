"""A run of structural lines at once: the same tables that reader.py makes of them one by one.

In: the reader and the rows of a run (`Computing costs`, `Autotuning`, `Timing Runner`, `Chose`, `No valid tactics`, `got cached result`, `Autotuning op`) that
nothing else interrupts. Out: combinations, runner sections and marks, appended to the reader's; False, and nothing changed, where the run holds anything
that needs a closer look. Next: reader.py. Half of a large log's lines pass here, so nothing but interning texts loops in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import grammar as g
from . import lines as k
from .digits import I64, Bools, last_blank
from .records import Columns

MYELIN_RUNNER = "Myelin"

if TYPE_CHECKING:
    from .reader import LogReader

BULK_ROWS = 32
"""Below this many lines numpy's fixed costs are larger than those of reading the lines one by one."""

MEMO = 10_000  # remembered texts of a kind
_UNDECIDED = -2
_NAN = float("nan")
_STARS, _BLANK_STARS = np.uint64(k.word(b"********")), np.uint64(k.word(b" *******"))
_GOT = b"] got cached result: "
_OPTIMIZER = [np.uint64(k.word(g.OPTIMIZER_REFORMAT.encode()[at:])) for at in (0, 8, 16)]  # 18 characters
_TWO_BYTES, _BRACKET, _PROFILE = np.uint64(0xFFFF), np.uint64(k.word(b" [")), np.uint64(k.word(b" [profile"))
_GOT_WORDS = [(at, np.uint64(k.word(_GOT[at:]))) for at in (0, 8, 12)]
_LEAD = b"*************** Autotuning format combination:"
_FORMATS_LEAD, _REFORMAT_LEAD = len(_LEAD), len("*************** Autotuning Reformat:")
# What lines.py has not looked at when it took a line for one of these: the words at 0 and at 27 it has.
_LEAD_WORDS, _FORMATS_WORDS = ([(at, np.uint64(k.word(_LEAD[at:]))) for at in places] for places in ((8, 16, 19), (35, 37)))


def _texts(index: k.LineIndex, rows: I64) -> list[bytes]:
    data = index.data
    return [data[b:e] for b, e in zip(index.message[rows].tolist(), index.end[rows].tolist(), strict=True)]


def _format_numbers(reader: LogReader, rows: I64, is_reformat: Bools) -> I64:
    """The numbers of the format strings of `Autotuning` lines; -1 where a line is not whole."""
    index, data = reader.index, reader.index.data
    ends = index.end[rows]
    whole = (index.words_at(ends - 8) == _STARS) & (index.words_at(ends - 16) == _BLANK_STARS)
    begins = index.message[rows] + np.where(is_reformat, _REFORMAT_LEAD, _FORMATS_LEAD)
    for at, expected in _LEAD_WORDS:
        whole &= index.words_at(index.message[rows] + at) == expected
    for at, expected in _FORMATS_WORDS:
        whole &= is_reformat | (index.words_at(index.message[rows] + at) == expected)
    whole &= (index.buffer[begins - 1] == 0x3A) & (index.buffer[begins - 2] != 0x3A) & (begins <= ends - 16)
    if not whole.all():
        return np.full(len(rows), -1, dtype=np.int64)
    begins += index.buffer[begins] == 32
    return reader.format_keys.numbers_of(index.buffer, data, begins, ends - 16, lambda texts: _formats(reader, texts)).astype(np.int64)


def _formats(reader: LogReader, texts: list[bytes]) -> list[int]:
    """Numbers of the formats in `Autotuning` lines; -1 where one of them cannot be one, as another line begins in it."""
    return [-1] * len(texts) if k.any_torn(texts) else reader.formats.add_all(_decoded(texts))


def _decoded(texts: list[bytes]) -> list[str]:
    return [text.decode("utf-8", "backslashreplace").strip() for text in texts]


def _runner_numbers(reader: LogReader, rows: I64) -> I64:
    """Layer and runner (two columns) of each row. A layer's runner lines are the same under all its combinations: each text is read once."""
    index, data = reader.index, reader.index.data
    begins, ends = index.message[rows], index.end[rows]
    pairs = reader.runner_pairs

    def read(texts: list[bytes]) -> list[int]:
        first = len(pairs)
        for text in texts:
            layer, runner = reader.runner_numbers(text)
            pairs.append(layer=layer, runner=runner)
        return list(range(first, len(pairs)))

    numbers = reader.runner_keys.numbers_of(index.buffer, data, begins, ends, read)
    return np.stack([pairs["layer"][numbers], pairs["runner"][numbers]], axis=1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Cached:
    """The cached results of a run, column by column."""

    layer: I64
    text: I64
    runner: I64
    is_reformat: Bools


def _cached_results(reader: LogReader, rows: I64) -> _Cached | None:
    """`LAYER [FORMATS] got cached result: RUNNER, tactic 0x…, T ms`; None where one of them is not whole."""
    index, data = reader.index, reader.index.data
    begins, stops = index.message[rows], index.id_start[rows] - 9
    # A runner's name holds no blank, mostly: what stands before the last one is `] got cached result:`.
    middle = np.maximum(last_blank(index.buffer, stops, 4) - len(_GOT) + 1, begins)
    plain = middle + len(_GOT) <= stops
    for at, expected in _GOT_WORDS:
        plain &= index.words_at(middle + at) == expected
    for row in np.flatnonzero(~plain).tolist():
        middle[row] = data.rfind(_GOT, int(begins[row]), int(stops[row]))
    if len(rows) and middle.min() < 0:
        return None
    opening = np.full(len(rows), -1, dtype=np.int64)
    # Lines of one layer have the bracket equally far in; where a layer's own name holds one there, the formats are none and the run is read slowly.
    rest = np.arange(len(rows))
    while len(rest):
        begin, end = int(begins[rest[0]]), int(middle[rest[0]])
        within = data.rfind(b" [", begin, end) - begin
        if within < 0:
            return None
        place = np.minimum(begins[rest] + within, middle[rest])
        word = index.words_at(place)
        equal = ((word & _TWO_BYTES) == _BRACKET) & (word != _PROFILE)
        equal[0] = True
        opening[rest[equal]] = place[equal]
        rest = rest[~equal]
    text = reader.format_keys.numbers_of(index.buffer, data, opening + 2, middle, lambda texts: _io_formats(reader, texts))
    runner = reader.chosen_keys.numbers_of(index.buffer, data, middle + len(_GOT), stops, lambda texts: _runner_names(reader, texts))
    if len(rows) and (text.min() < 0 or runner.min() < 0):
        return None
    layer = reader.layer_keys.numbers_of(index.buffer, data, begins, opening, lambda texts: _layer_names(reader, texts))
    if len(rows) and layer.min() < 0:
        return None
    words = [index.words_at(begins + at) for at in (0, 8, 16)]
    reformat = (words[0] == _OPTIMIZER[0]) & (words[1] == _OPTIMIZER[1]) & ((words[2] & _TWO_BYTES) == _OPTIMIZER[2])
    return _Cached(layer.astype(np.int64), text.astype(np.int64), runner.astype(np.int64), reformat)


def _io_formats(reader: LogReader, texts: list[bytes]) -> list[int]:
    """Numbers of the formats in a cached result; -1 for what cannot be one."""
    return [
        -1 if b" -> " not in text or b"[" in text or b"]" in text else reader.formats.add(text.decode("utf-8", "backslashreplace").strip())
        for text in texts
    ]


def _layer_names(reader: LogReader, texts: list[bytes]) -> list[int]:
    """Numbers of layers; -1 for what cannot be one, as another line begins in it."""
    if k.any_torn(texts):
        return [-1] * len(texts)
    return reader.layers.add_all([text.decode("utf-8", "backslashreplace") for text in texts])


def _runner_names(reader: LogReader, texts: list[bytes]) -> list[int]:
    return [-1 if b"," in text or k.is_torn(text) else reader.runners.add(text.decode("utf-8", "backslashreplace").strip()) for text in texts]


def _filled(values: I64, undecided: int) -> I64:
    """Each `undecided` entry replaced by the last decided one before it; the first entry must be decided."""
    at = np.where(values == undecided, 0, np.arange(len(values)))
    return np.asarray(values[np.maximum.accumulate(at)])


def _extend(columns: Columns, count: int, **values: I64 | int | float) -> int:
    """Append `count` rows, each column an array or one value for all; the number of the first new row."""
    first = len(columns)
    for name, array in columns.arrays.items():
        value = values[name]
        filled = value.astype(array.typecode, copy=False) if isinstance(value, np.ndarray) else np.full(count, value, dtype=array.typecode)
        array.frombytes(np.ascontiguousarray(filled).data.cast("B"))
    return first


def read_in_bulk(reader: LogReader, rows: I64) -> bool:
    """Read the structural `rows` of the reader's block. Whether it was done; if not, they have to be read one by one."""
    run = _Run(reader, rows)
    if not (run.finds_combinations() and run.reads_texts() and run.finds_layers()):
        return False
    run.write()
    return True


class _Run:
    """The lines of one run, column by column.

    Three steps say what each line means, or that the run needs a closer look: in which combination it stands, what its texts say, which layer it is of.
    `write` then makes the tables' rows. `is_*`: which lines are of a kind; a cached result is a combination, too, but nothing that follows belongs to it.
    """

    def __init__(self, reader: LogReader, rows: I64) -> None:
        self.reader, self.rows, self.index = reader, rows, reader.index
        kinds = reader.index.kind[rows]
        self.is_cost, self.is_cached, self.is_op = kinds == k.COSTS, kinds == k.CACHED_RESULT, kinds == k.OP_TABLE
        self.is_formats, self.is_reformat = kinds == k.FORMATS, kinds == k.REFORMATS
        self.is_combination = self.is_formats | self.is_reformat
        self.is_new = self.is_combination | self.is_cached
        self.is_timing, self.is_chosen = kinds == k.RUNNER, kinds == k.CHOSE
        self.is_section = self.is_timing | (kinds == k.SKIP_RUNNER) | (kinds == k.DECLINED)
        self.old = reader.combination
        self.first_new, self.count = len(reader.combinations), int(self.is_new.sum())
        self.new_number = self.first_new + np.arange(self.count)

    def finds_combinations(self) -> bool:
        """The combination of each line; -1 between `Computing costs` and the next one."""
        if self.old >= 0 and self.reader.combinations.arrays["text"][self.old] == -1:
            return False  # a fragment, whose combinations are made as runners come
        combination = np.full(len(self.rows) + 1, _UNDECIDED, dtype=np.int64)
        combination[0] = self.old
        after = combination[1:]
        after[self.is_combination] = self.new_number[self.is_combination[self.is_new]]
        after[self.is_cost] = -1
        self.combination = _filled(combination, _UNDECIDED)[1:]
        if (self.combination[self.is_section | self.is_chosen | self.is_op] < 0).any():
            return False
        return not (self.index.id_start[self.rows[self.is_chosen]] == 0).any()

    def reads_texts(self) -> bool:
        """What the lines name: sections, operations, formats, runners, winners. Interned at once, as the slower way would."""
        reader, index, rows = self.reader, self.index, self.rows
        openers, headers = _texts(index, rows[self.is_cost]), _texts(index, rows[self.is_op]) if self.is_op.any() else []
        costs = [g.COSTS.match(text.decode("utf-8", "backslashreplace")) for text in openers]
        tables = [g.OP_TABLE.match(text.decode("utf-8", "backslashreplace")) for text in headers]
        if k.any_torn(openers) or k.any_torn(headers) or not all(costs) or not all(tables):
            return False
        self.costs, self.tables = [match for match in costs if match], [match for match in tables if match]
        self.formats = _format_numbers(reader, rows[self.is_combination], self.is_reformat[self.is_combination])
        numbers = _runner_numbers(reader, rows[self.is_section])
        if (len(self.formats) and self.formats.min() < 0) or (len(numbers) and numbers.min() < 0):
            return False
        self.layer_of, self.runner_of = numbers[:, 0], numbers[:, 1]
        cached = _cached_results(reader, rows[self.is_cached])
        if cached is None:
            return False
        self.cached = cached
        self.chosen_rows = rows[self.is_chosen]
        known, data = reader.chosen_memo, index.data
        self.winners = [
            known[t] if (t := data[b + 35 : e - 9]) in known else reader.chosen_runner(t)
            for b, e in zip(index.message[self.chosen_rows].tolist(), index.id_start[self.chosen_rows].tolist(), strict=True)
        ]
        return -1 not in self.winners

    def finds_layers(self) -> bool:
        """The layer of each section and of each combination; not where lines between them are lost."""
        reader, c, old = self.reader, self.reader.combinations.arrays, self.old
        first_line = reader.line0 + int(self.rows[0])
        reader._tuning_begins(first_line)
        self.current, self.build = reader._pass(first_line), reader._builder(first_line)
        # The layer of each `Computing costs` section; -1 where TensorRT printed its name empty.
        self.section = section = np.cumsum(self.is_cost)
        section_layer = np.full(len(self.costs) + 1, -1, dtype=np.int64)
        self.named = named = np.zeros(len(self.costs) + 1, dtype=np.bool_)
        section_layer[0], named[0] = reader.layer, reader.named_sections
        for number, match in enumerate(self.costs, 1):
            layer_section, name = match["what"] == "costs for", match["name"].strip()
            named[number] = named[number - 1] or layer_section
            section_layer[number] = reader.layers.add(name) if layer_section and name else -1
        # Layers of combinations: by the section, else by the first runner line of the section (or, before 8.2, of the combination).
        in_named = self.is_formats & named[section]
        layer = np.where(in_named[self.is_new], section_layer[section[self.is_new]], -1)
        self.timings, self.timing_layer = self.combination[self.is_timing], self.layer_of[self.is_timing[self.is_section]]
        old_reformat = c["is_reformat"][old] if old >= 0 else 0
        self.reformat_of = np.concatenate([[old_reformat], self.is_reformat[self.is_new]]).astype(np.bool_)
        own = np.where(self.timings >= self.first_new, self.timings - self.first_new + 1, 0)
        by_section = ~self.reformat_of[own] & named[section[self.is_timing]]
        # The first runner line counts, so assign them last to first.
        self.names = np.full(len(self.costs) + 1, -1, dtype=np.int64)
        self.names[section[self.is_timing][by_section][::-1]] = self.timing_layer[by_section][::-1]
        self.given = (section_layer < 0) & (self.names >= 0)
        layer = np.where((layer < 0) & in_named[self.is_new] & self.given[section[self.is_new]], self.names[section[self.is_new]], layer)
        alone = np.full(self.count + 1, -1, dtype=np.int64)
        alone[own[~by_section][::-1]] = self.timing_layer[~by_section][::-1]
        layer = np.where(layer < 0, alone[1:], layer)
        self.old_layer = c["layer"][old] if old >= 0 else 0
        of_old = self.timing_layer[self.timings == old][:1] if old >= 0 and self.old_layer == -1 else np.array([self.old_layer])
        of_old = np.array([self.old_layer]) if not len(of_old) else of_old
        if self._lines_are_lost(np.append(of_old, layer), own):
            return False
        layer[self.is_cached[self.is_new]] = self.cached.layer
        self.layer, self.section_layer = layer, np.where(self.given, self.names, section_layer)
        return not (old >= 0 and c["winner_line"][old] and (self.timings == old).any())

    def _lines_are_lost(self, owners: I64, own: I64) -> bool:
        """Whether a runner names another layer than its combination's (of `owners`), or stands behind the choice of that combination's winner."""
        owner = owners[own]
        if ((owner >= 0) & (self.timing_layer >= 0) & (owner != self.timing_layer) & ~self.reformat_of[own]).any():
            return True
        place = np.arange(len(self.rows))
        marked = (self.is_chosen, self.is_combination | self.is_cost)
        last_chosen, last_begun = (np.maximum.accumulate(np.where(which, place, -1))[self.is_timing] for which in marked)
        return bool((last_chosen > last_begun).any())

    def write(self) -> None:
        """Append what the run says to the reader's tables, and leave the reader where the last line does."""
        self._name_what_waits()
        self._write_combinations()
        section_at = self._write_sections()
        chosen = self.combination[self.is_chosen]
        for name, values in (
            ("winner_runner", np.array(self.winners, dtype=np.int64)), ("winner_tactic", self.index.tactic[self.chosen_rows]),
            ("winner_line", self.chosen_rows + self.reader.line0), ("winner_offset", self.reader.starts[self.chosen_rows]),
        ):  # fmt: skip
            self.reader.combinations[name][chosen] = values
        self._write_marks(section_at)
        self._leave()

    def _name_what_waits(self) -> None:
        """The section before the run, or its last combination, may get its name from a runner of the run."""
        reader, c, old = self.reader, self.reader.combinations.arrays, self.old
        if old >= 0 and self.old_layer == -1:
            first_timing = np.flatnonzero(self.timings == old)
            if len(first_timing):
                reader.combination = old
                reader._name_section(int(self.timing_layer[first_timing[0]]))
            elif self.given[0] and not self.reformat_of[0]:
                # The runner that names the section stands under a later combination of it.
                reader.combination = old
                reader._name_section(int(self.names[0]))
        elif self.given[0] and self.named[0] and self.first_new:
            reader.combination = last = self.first_new - 1
            if c["section"][last] == reader.section and c["layer"][last] == -1 and not c["is_reformat"][last]:
                reader._name_section(int(self.names[0]))

    def _write_combinations(self) -> None:
        reader, from_cache = self.reader, self.is_cached[self.is_new]
        text, winner_runner, new_reformat = (np.full(self.count, -1, dtype=np.int64) for _ in range(3))
        text[~from_cache], text[from_cache] = self.formats, self.cached.text
        winner_runner[from_cache] = self.cached.runner
        new_reformat[~from_cache], new_reformat[from_cache] = self.is_reformat[self.is_combination], self.cached.is_reformat
        rows = self.rows[self.is_new]
        lines, offsets = rows + reader.line0, reader.starts[rows]
        _extend(
            reader.combinations, self.count, build=self.build.index, pass_index=self.current.index, profile=reader.profile,
            section=reader.section + self.section[self.is_new], layer=self.layer, text=text, is_reformat=new_reformat, line=lines,
            offset=offsets, winner_runner=winner_runner, winner_tactic=np.where(from_cache, self.index.tactic[rows], np.uint64(0)),
            winner_time=_NAN, winner_line=np.where(from_cache, lines, 0), winner_offset=np.where(from_cache, offsets, 0), cached=from_cache,
        )  # fmt: skip
        if self.count:
            self.build.tuned = True
            self.current.last_line = int(lines[-1])

    def _write_sections(self) -> I64:
        """Runner sections, with one for each cached result and for each table; which of them each line opens (-1: none)."""
        reader = self.reader
        is_place = self.is_section | self.is_cached | self.is_op
        rows = self.rows[is_place]
        timed, from_cache, from_table = self.is_section[is_place], self.is_cached[is_place], self.is_op[is_place]
        combination, runner, layer, op = (np.full(len(rows), -1, dtype=np.int64) for _ in range(4))
        combination[timed], runner[timed], layer[timed] = self.combination[self.is_section], self.runner_of, self.layer_of
        of_cached = self.new_number[self.is_cached[self.is_new]]
        combination[from_cache], runner[from_cache], layer[from_cache] = of_cached, self.cached.runner, self.cached.layer
        if self.tables:
            combination[from_table] = self.combination[self.is_op]
            runner[from_table] = reader.runners.add(MYELIN_RUNNER)
            layer[from_table] = reader.combinations["layer"][self.combination[self.is_op]]
            op[from_table] = reader.layers.add_all([match["op"] for match in self.tables])
        first = _extend(
            reader.sections, len(rows), combination=combination, runner=runner, layer=layer, line=rows + reader.line0,
            no_valid=~(self.is_timing | self.is_cached | self.is_op)[is_place], fastest=0, fastest_time=_NAN, fastest_line=0, op=op,
        )  # fmt: skip
        if from_cache.any():
            reader.cached_rows.append((first + np.flatnonzero(from_cache), self.rows[self.is_cached], of_cached))
        section_at = np.full(len(self.rows), -1, dtype=np.int64)
        section_at[is_place] = first + np.arange(len(rows))
        return section_at

    def _write_marks(self, section_at: I64) -> None:
        """Where tactics belong after each line."""
        reader = self.reader
        moves = self.is_cost | self.is_combination | self.is_timing
        mark = np.full(len(self.rows), -1, dtype=np.int64)
        mark[self.is_combination] = -(self.combination[self.is_combination] + 2)
        mark[self.is_timing] = section_at[self.is_timing]
        if moves.any():
            reader.marks_row.append(self.rows[moves])
            reader.marks.append(mark[moves])
            last = int(np.flatnonzero(moves)[-1])
            reader.combination, reader.op, reader.selected = int(self.combination[last]), -1, False
            reader.runner = int(section_at[last])
        else:
            last = -1
            reader.combination = self.old
        if self.tables:
            begun = np.flatnonzero(self.is_op)
            reader.tables += zip(self.rows[begun].tolist(), section_at[begun].tolist(), strict=True)
            reader.table_offsets.update(zip(section_at[begun].tolist(), reader.starts[self.rows[begun]].tolist(), strict=True))
            if begun[-1] > last:
                reader.op = int(section_at[begun[-1]])

    def _leave(self) -> None:
        """The section in which the next line stands."""
        reader = self.reader
        reader.section += len(self.costs)
        reader.named_sections = bool(self.named[-1])
        if self.costs:
            reader.section_of = self.costs[-1]["what"]
        changed = np.flatnonzero(self.is_cost | self.is_formats)
        if len(changed):
            # Before `Computing costs for` came, a format combination forgets the layer; a cost section sets it.
            reader.layer = int(self.section_layer[-1]) if self.named[-1] or self.is_cost[changed[-1]] else -1
        elif self.given[0]:
            reader.layer = int(self.section_layer[0])
