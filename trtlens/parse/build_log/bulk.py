"""A run of structural lines at once: the same tables that reader.py makes of them one by one.

In: the reader and the rows of a run (`Computing costs`, `Autotuning`, `Timing Runner`, `Chose`, `No valid tactics`) that nothing else
interrupts. Out: combinations, runner sections and marks, appended to the reader's; False, and nothing changed, where the run holds anything
that needs a closer look. Next: reader.py. Half of a large log's lines pass here, so nothing but interning texts loops in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import grammar as g
from . import lines as k
from .digits import I64, KEYED_BYTES, Bools, text_keys
from .records import Columns

if TYPE_CHECKING:
    from .reader import LogReader

BULK_ROWS = 32
"""Below this many lines numpy's fixed costs are larger than those of reading the lines one by one."""

MEMO = 100_000  # remembered texts of a kind
_UNDECIDED = -2
_STARS, _BLANK_STARS = np.uint64(k.word(b"********")), np.uint64(k.word(b" *******"))
_FORMATS_LEAD, _REFORMAT_LEAD = len("*************** Autotuning format combination:"), len("*************** Autotuning Reformat:")


def _texts(index: k.LineIndex, rows: I64) -> list[bytes]:
    data = index.data
    return [data[b:e] for b, e in zip(index.message[rows].tolist(), index.end[rows].tolist(), strict=True)]


def _format_numbers(reader: LogReader, rows: I64, is_reformat: Bools) -> I64:
    """The numbers of the format strings of `Autotuning` lines; -1 where a line is not whole."""
    index, data = reader.index, reader.index.data
    ends = index.end[rows]
    whole = (index.words_at(ends - 8) == _STARS) & (index.words_at(ends - 16) == _BLANK_STARS)
    begins = index.message[rows] + np.where(is_reformat, _REFORMAT_LEAD, _FORMATS_LEAD)
    whole &= (index.buffer[begins - 1] == 0x3A) & (index.buffer[begins - 2] != 0x3A) & (begins <= ends - 16)
    if not whole.all():
        return np.full(len(rows), -1, dtype=np.int64)
    begins += index.buffer[begins] == 32
    numbers = reader.formats.add_all([data[b:e].decode("utf-8", "backslashreplace").strip() for b, e in zip(begins.tolist(), (ends - 16).tolist(), strict=True)])
    return np.array(numbers, dtype=np.int64)


def _runner_numbers(reader: LogReader, rows: I64) -> I64:
    """Layer and runner (two columns) of each row. A layer's runner lines are the same under all its combinations: each text is read once."""
    index, data = reader.index, reader.index.data
    begins, ends = index.message[rows], index.end[rows]
    if len(rows) and int((ends - begins).max()) > KEYED_BYTES:
        return np.array([reader.runner_numbers(text) for text in _texts(index, rows)], dtype=np.int64).reshape(-1, 2)
    _, first, place = np.unique(text_keys(index.buffer, begins, ends), return_index=True, return_inverse=True)
    pairs = [reader.runner_numbers(data[b:e]) for b, e in zip(begins[first].tolist(), ends[first].tolist(), strict=True)]
    return np.asarray(np.array(pairs, dtype=np.int64).reshape(-1, 2)[place])


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
    """Read the structural `rows` of the reader's block. Whether it was done."""
    index = reader.index
    kinds = index.kind[rows]
    is_cost = kinds == k.COSTS
    is_formats, is_reformat = kinds == k.FORMATS, kinds == k.REFORMATS
    is_combination = is_formats | is_reformat
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
    count = int(is_combination.sum())
    after[is_combination] = first_new + np.arange(count)
    after[is_cost] = -1
    combination = _filled(combination, _UNDECIDED)[1:]
    if (combination[is_section | is_chosen] < 0).any():
        return False
    if (index.id_start[rows[is_chosen]] == 0).any():
        return False

    # Texts.
    costs = [g.COSTS.match(text.decode("utf-8", "backslashreplace")) for text in _texts(index, rows[is_cost])]
    if not all(costs):
        return False
    formats = _format_numbers(reader, rows[is_combination], is_reformat[is_combination])
    numbers = _runner_numbers(reader, rows[is_section])
    if (len(formats) and formats.min() < 0) or (len(numbers) and numbers.min() < 0):
        return False
    layer_of, runner_of = numbers[:, 0], numbers[:, 1]
    chosen_rows = rows[is_chosen]
    known, data = reader.chosen_memo, index.data
    winners = [
        known[t] if (t := data[b + 35 : e - 9]) in known else reader.chosen_runner(t)
        for b, e in zip(index.message[chosen_rows].tolist(), index.id_start[chosen_rows].tolist(), strict=True)
    ]

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
    layer = np.where(in_named[is_combination], section_layer[section[is_combination]], -1)
    old_layer = c["layer"][old] if old >= 0 else 0
    timings = combination[is_timing]
    timing_layer = layer_of[is_timing[is_section]]
    reformat_of = np.concatenate([[c["is_reformat"][old] if old >= 0 else 0], is_reformat[is_combination]]).astype(np.bool_)
    own = np.where(timings >= first_new, timings - first_new + 1, 0)
    by_section = ~reformat_of[own] & named[section[is_timing]]
    # The first runner line counts, so assign them last to first.
    names = np.full(len(costs) + 1, -1, dtype=np.int64)
    names[section[is_timing][by_section][::-1]] = timing_layer[by_section][::-1]
    unnamed = section_layer < 0
    given = unnamed & (names >= 0)
    layer = np.where((layer < 0) & in_named[is_combination] & given[section[is_combination]], names[section[is_combination]], layer)
    alone = np.full(count + 1, -1, dtype=np.int64)
    alone[own[~by_section][::-1]] = timing_layer[~by_section][::-1]
    layer = np.where(layer < 0, alone[1:], layer)
    if old >= 0 and old_layer == -1:
        first_timing = np.flatnonzero(timings == old)
        if len(first_timing):
            reader.combination = old
            reader._name_section(int(timing_layer[first_timing[0]]))
        elif given[0]:
            # The runner that names the section stands under a later combination of it.
            reader.combination = old
            reader._name_section(int(names[0]))
    elif given[0] and named[0] and first_new:
        reader.combination = first_new - 1
        if c["section"][first_new - 1] == reader.section and c["layer"][first_new - 1] == -1 and not c["is_reformat"][first_new - 1]:
            reader._name_section(int(names[0]))
    section_layer = np.where(given, names, section_layer)

    nan = float("nan")
    new_rows = rows[is_combination]
    _extend(
        columns, count, build=build.index, pass_index=current.index, profile=reader.profile, section=reader.section + section[is_combination],
        layer=layer, text=formats, is_reformat=is_reformat[is_combination], line=new_rows + reader.line0,
        offset=reader.starts[new_rows], winner_runner=-1, winner_tactic=0, winner_time=nan, winner_line=0, winner_offset=0, cached=0,
    )  # fmt: skip
    section_rows = rows[is_section]
    first_section = _extend(
        reader.sections, len(numbers), combination=combination[is_section], runner=runner_of, layer=layer_of, line=section_rows + reader.line0,
        offset=reader.starts[section_rows], no_valid=~is_timing[is_section], fastest=0, fastest_time=nan, fastest_line=0, op=-1,
    )  # fmt: skip
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
    section_at[is_section] = first_section + np.arange(len(numbers))
    mark[is_timing] = section_at[is_timing]
    reader.marks_row.append(rows[moves])
    reader.marks.append(mark[moves])
    if moves.any():
        last = int(np.flatnonzero(moves)[-1])
        reader.combination, reader.op = int(combination[last]), -1
        reader.runner = int(section_at[last])
    else:
        reader.combination = old
    reader.section += len(costs)
    reader.named_sections = bool(named[-1])
    changed = np.flatnonzero(is_cost | is_formats)
    if len(changed):
        # Before `Computing costs for` came, a format combination forgets the layer; a cost section sets it.
        reader.layer = int(section_layer[-1]) if named[-1] or is_cost[changed[-1]] else -1
    elif given[0]:
        reader.layer = int(section_layer[0])
    if count:
        build.tuned = True
        current.last_line = reader.line0 + int(new_rows[-1])
    return True
