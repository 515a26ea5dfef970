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


def _lines_are_lost(
    rows: I64, is_chosen: Bools, is_timing: Bools, begins: Bools, owners: I64, reformat_of: Bools, own: I64, timing_layer: I64
) -> bool:
    """Whether a runner names another layer than its combination's (of `owners`), or stands behind the choice of that combination's winner."""
    owner = owners[own]
    if ((owner >= 0) & (timing_layer >= 0) & (owner != timing_layer) & ~reformat_of[own]).any():
        return True
    place = np.arange(len(rows))
    last_chosen, last_begun = (np.maximum.accumulate(np.where(which, place, -1))[is_timing] for which in (is_chosen, begins))
    return bool((last_chosen > last_begun).any())


def read_in_bulk(reader: LogReader, rows: I64) -> bool:
    """Read the structural `rows` of the reader's block. Whether it was done."""
    index = reader.index
    kinds = index.kind[rows]
    is_cost = kinds == k.COSTS
    is_formats, is_reformat = kinds == k.FORMATS, kinds == k.REFORMATS
    is_cached = kinds == k.CACHED_RESULT
    is_combination = is_formats | is_reformat  # cached results are combinations, too, but nothing that follows belongs to them
    is_new = is_combination | is_cached
    is_op = kinds == k.OP_TABLE
    is_timing, is_chosen = kinds == k.RUNNER, kinds == k.CHOSE
    is_section = is_timing | (kinds == k.SKIP_RUNNER) | (kinds == k.DECLINED)
    old = reader.combination
    columns, c = reader.combinations, reader.combinations.arrays
    if old >= 0 and c["text"][old] == -1:
        return False  # a fragment, whose combinations are made as runners come

    # Which combination each line stands in.
    first_new = len(columns)
    combination = np.full(len(rows) + 1, _UNDECIDED, dtype=np.int64)
    combination[0] = old
    after = combination[1:]
    count = int(is_new.sum())
    new_number = first_new + np.arange(count)
    after[is_combination] = new_number[is_combination[is_new]]
    after[is_cost] = -1
    combination = _filled(combination, _UNDECIDED)[1:]
    if (combination[is_section | is_chosen | is_op] < 0).any():
        return False
    if (index.id_start[rows[is_chosen]] == 0).any():
        return False

    # Texts.
    openers, headers = _texts(index, rows[is_cost]), _texts(index, rows[is_op]) if is_op.any() else []
    costs = [g.COSTS.match(text.decode("utf-8", "backslashreplace")) for text in openers]
    tables = [g.OP_TABLE.match(text.decode("utf-8", "backslashreplace")) for text in headers]
    if k.any_torn(openers) or k.any_torn(headers) or not all(costs) or not all(tables):
        return False
    formats = _format_numbers(reader, rows[is_combination], is_reformat[is_combination])
    numbers = _runner_numbers(reader, rows[is_section])
    if (len(formats) and formats.min() < 0) or (len(numbers) and numbers.min() < 0):
        return False
    cached = _cached_results(reader, rows[is_cached])
    if cached is None:
        return False
    layer_of, runner_of = numbers[:, 0], numbers[:, 1]
    chosen_rows = rows[is_chosen]
    known, data = reader.chosen_memo, index.data
    winners = [
        known[t] if (t := data[b + 35 : e - 9]) in known else reader.chosen_runner(t)
        for b, e in zip(index.message[chosen_rows].tolist(), index.id_start[chosen_rows].tolist(), strict=True)
    ]

    if -1 in winners:
        return False

    # The layer of each `Computing costs` section; -1 where TensorRT printed its name empty.
    first_line = reader.line0 + int(rows[0])
    reader._tuning_begins(first_line)
    current = reader._pass(first_line)
    build = reader._builder(first_line)
    section = np.cumsum(is_cost)
    section_layer = np.full(len(costs) + 1, -1, dtype=np.int64)
    named = np.zeros(len(costs) + 1, dtype=np.bool_)
    section_layer[0], named[0] = reader.layer, reader.named_sections
    for number, match in enumerate(costs, 1):
        assert match is not None
        layer_section, name = match["what"] == "costs for", match["name"].strip()
        named[number] = named[number - 1] or layer_section
        section_layer[number] = reader.layers.add(name) if layer_section and name else -1

    # Layers of combinations: by the section, else by the first runner line of the section (or, before 8.2, of the combination).
    in_named = is_formats & named[section]
    layer = np.where(in_named[is_new], section_layer[section[is_new]], -1)
    old_layer = c["layer"][old] if old >= 0 else 0
    timings = combination[is_timing]
    timing_layer = layer_of[is_timing[is_section]]
    reformat_of = np.concatenate([[c["is_reformat"][old] if old >= 0 else 0], is_reformat[is_new]]).astype(np.bool_)
    own = np.where(timings >= first_new, timings - first_new + 1, 0)
    by_section = ~reformat_of[own] & named[section[is_timing]]
    # The first runner line counts, so assign them last to first.
    names = np.full(len(costs) + 1, -1, dtype=np.int64)
    names[section[is_timing][by_section][::-1]] = timing_layer[by_section][::-1]
    unnamed = section_layer < 0
    given = unnamed & (names >= 0)
    layer = np.where((layer < 0) & in_named[is_new] & given[section[is_new]], names[section[is_new]], layer)
    alone = np.full(count + 1, -1, dtype=np.int64)
    alone[own[~by_section][::-1]] = timing_layer[~by_section][::-1]
    layer = np.where(layer < 0, alone[1:], layer)
    of_old = timing_layer[timings == old][:1] if old >= 0 and old_layer == -1 else np.array([old_layer])
    of_old = np.array([old_layer]) if not len(of_old) else of_old
    if _lines_are_lost(rows, is_chosen, is_timing, is_combination | is_cost, np.append(of_old, layer), reformat_of, own, timing_layer):
        return False
    if old >= 0 and c["winner_line"][old] and (timings == old).any():
        return False
    from_cache = is_cached[is_new]
    text, winner_runner, new_reformat = (np.full(count, -1, dtype=np.int64) for _ in range(3))
    text[~from_cache], text[from_cache] = formats, cached.text
    layer[from_cache], winner_runner[from_cache] = cached.layer, cached.runner
    new_reformat[~from_cache], new_reformat[from_cache] = is_reformat[is_combination], cached.is_reformat
    if old >= 0 and old_layer == -1:
        first_timing = np.flatnonzero(timings == old)
        if len(first_timing):
            reader.combination = old
            reader._name_section(int(timing_layer[first_timing[0]]))
        elif given[0] and not reformat_of[0]:
            # The runner that names the section stands under a later combination of it.
            reader.combination = old
            reader._name_section(int(names[0]))
    elif given[0] and named[0] and first_new:
        reader.combination = first_new - 1
        if c["section"][first_new - 1] == reader.section and c["layer"][first_new - 1] == -1 and not c["is_reformat"][first_new - 1]:
            reader._name_section(int(names[0]))
    section_layer = np.where(given, names, section_layer)

    nan = float("nan")
    new_rows = rows[is_new]
    new_lines, new_offsets = new_rows + reader.line0, reader.starts[new_rows]
    _extend(
        columns, count, build=build.index, pass_index=current.index, profile=reader.profile, section=reader.section + section[is_new],
        layer=layer, text=text, is_reformat=new_reformat, line=new_lines,
        offset=new_offsets, winner_runner=winner_runner, winner_tactic=np.where(from_cache, index.tactic[new_rows], np.uint64(0)),
        winner_time=nan, winner_line=np.where(from_cache, new_lines, 0), winner_offset=np.where(from_cache, new_offsets, 0), cached=from_cache,
    )  # fmt: skip
    # Runner sections, with one for each cached result.
    is_place = is_section | is_cached | is_op
    place_rows = rows[is_place]
    timed, from_cache, from_table = is_section[is_place], is_cached[is_place], is_op[is_place]
    of_combination, place_runner, place_layer, op = (np.full(len(place_rows), -1, dtype=np.int64) for _ in range(4))
    of_combination[timed], place_runner[timed], place_layer[timed] = combination[is_section], runner_of, layer_of
    of_combination[from_cache], place_runner[from_cache], place_layer[from_cache] = new_number[is_cached[is_new]], cached.runner, cached.layer
    if tables:
        of_combination[from_table] = combination[is_op]
        place_runner[from_table] = reader.runners.add(MYELIN_RUNNER)
        place_layer[from_table] = columns["layer"][combination[is_op]]
        op[from_table] = reader.layers.add_all([match["op"] for match in tables if match])
    first_section = _extend(
        reader.sections, len(place_rows), combination=of_combination, runner=place_runner, layer=place_layer, line=place_rows + reader.line0,
        no_valid=~(is_timing | is_cached | is_op)[is_place], fastest=0, fastest_time=nan, fastest_line=0, op=op,
    )  # fmt: skip
    if from_cache.any():
        reader.cached_rows.append((first_section + np.flatnonzero(from_cache), rows[is_cached], new_number[is_cached[is_new]]))
    chosen = combination[is_chosen]
    for name, values in (
        ("winner_runner", np.array(winners, dtype=np.int64)), ("winner_tactic", index.tactic[chosen_rows]),
        ("winner_line", chosen_rows + reader.line0), ("winner_offset", reader.starts[chosen_rows]),
    ):  # fmt: skip
        columns[name][chosen] = values

    # Where tactics belong after each line.
    moves = is_cost | is_combination | is_timing
    mark = np.full(len(rows), -1, dtype=np.int64)
    mark[is_combination] = -(combination[is_combination] + 2)
    section_at = np.full(len(rows), -1, dtype=np.int64)
    section_at[is_place] = first_section + np.arange(len(place_rows))
    mark[is_timing] = section_at[is_timing]
    if moves.any():
        reader.marks_row.append(rows[moves])
        reader.marks.append(mark[moves])
        last = int(np.flatnonzero(moves)[-1])
        reader.combination, reader.op, reader.selected = int(combination[last]), -1, False
        reader.runner = int(section_at[last])
    else:
        last = -1
        reader.combination = old
    if tables:
        begun = np.flatnonzero(is_op)
        reader.tables += zip(rows[begun].tolist(), section_at[begun].tolist(), strict=True)
        reader.table_offsets.update(zip(section_at[begun].tolist(), reader.starts[rows[begun]].tolist(), strict=True))
        if begun[-1] > last:
            reader.op = int(section_at[begun[-1]])
    reader.section += len(costs)
    reader.named_sections = bool(named[-1])
    if costs and costs[-1]:
        reader.section_of = costs[-1]["what"]
    changed = np.flatnonzero(is_cost | is_formats)
    if len(changed):
        # Before `Computing costs for` came, a format combination forgets the layer; a cost section sets it.
        reader.layer = int(section_layer[-1]) if named[-1] or is_cost[changed[-1]] else -1
    elif given[0]:
        reader.layer = int(section_layer[0])
    if count:
        build.tuned = True
        current.last_line = int(new_lines[-1])
    return True
