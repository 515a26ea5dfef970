"""Lines that are not read in the order in which they stand: after a run of structure, column-wise, in the next block, or after a loss.

In: hand-made logs. Out: every row where it belongs, whatever was read first and wherever a block ends.
"""

from __future__ import annotations

import itertools
from operator import itemgetter

import pytest

from tests.parse.build_log.hand_made import chose, costs, formats, reformat, runner
from tests.parse.build_log.reading import brief, combinations, parse, tactics, verbose
from trtlens.parse.build_log import BuildLog
from trtlens.parse.build_log import lines as k
from trtlens.parse.build_log.reader import LogReader

LINEAR = "Half(64,1) -> Half(64,1)"


def in_blocks(text: str, *after_lines: int) -> BuildLog:
    """The log read in blocks that end after these lines."""
    lines = text.encode().splitlines(keepends=True)
    reader, offset = LogReader("cut.log"), 0
    for begin, end in itertools.pairwise([0, *after_lines, len(lines)]):
        block = b"".join(lines[begin:end])
        reader.block(offset, block + b"\0" * k.PAD)
        offset += len(block)
    return reader.finish(offset, [])


def race(layer: str, tactic: str, time_ms: float) -> list[str]:
    """A whole race of one combination, as 8.6 prints it."""
    return [
        costs(layer), formats(LINEAR), runner(layer, "CaskConvolution[0x80000009]"), f"Tactic Name: kernel_of_{layer} Tactic: {tactic} Time: {time_ms}",
        chose("CaskConvolution", tactic),
    ]  # fmt: skip


@pytest.mark.parametrize("neutral", ["ForeignNode {ForeignNode[a]} metadata:", "Pass fuse_something: 3", "For layer Conv_1 nothing changes"])
def test_a_wrapped_line_is_joined_although_a_line_before_it_is_read_later(neutral: str) -> None:
    lines = [costs("Conv_1"), formats(LINEAR), runner("Conv_1", "CaskConvolution[0x80000009]"), neutral, "Tactic: 0x00000000000000aa Time: 0.25", ">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution T"]
    log = parse(verbose(*lines) + "actic: 0x00000000000000aa\n" + verbose(costs("Conv_2")))
    assert [(c["layer"], c["winner"], c["winner_ms"]) for c in combinations(log)] == [("Conv_1", ("CaskConvolution", 0xAA), 0.25)]
    assert (log.unknown_lines, log.unknown_samples) == (0, [])


def test_a_row_outside_of_its_table_is_unknown_where_it_stands() -> None:
    row = "  1, 0.0084256, 1.00000, 2.08686, sm80_xmma_gemm, 0x4a24e5c0a1b,"
    lines = [
        costs("{ForeignNode[a]}"), formats(LINEAR), runner("{ForeignNode[a]}", "Myelin[0x80000023]"), "Autotuning op a:", row,
        runner("{ForeignNode[a]}", "Myelin[0x80000023]"), row, "Engine generation completed in 1 seconds.", row, "Engine Layer Information:",
    ]  # fmt: skip
    text = verbose(*lines)
    for log in (parse(text), in_blocks(text, 6), in_blocks(text, 7), in_blocks(text, 8)):
        assert [(t["line"], t["op"]) for t in tactics(log)] == [(5, "a")]
        assert [(sample.line, sample.severity, sample.text) for sample in log.unknown_samples] == [(7, "V", row)]
        assert log.unknown_lines == 1


@pytest.mark.parametrize("opener", [formats(LINEAR), "Compiler backend is used during engine build."], ids=["a combination without a runner", "nothing at all"])
def test_a_name_waits_for_its_time_over_the_end_of_a_block(opener: str) -> None:
    others = [line for number in range(80) for line in race(f"Conv_{number}", f"0x{number + 1:016x}", 0.5)]
    name, time = "Conv_9 Set Tactic Name: named_before Tactic: 0x00000000000000aa", "Tactic: 0x00000000000000aa Time: 0.25"
    text = verbose(opener, "Conv_9 Set Tactic Name: other Tactic: 0x00000000000000bb", "Tactic: 0x00000000000000bb Time: 0.5", name, time, *others)
    whole, cut = parse(text), in_blocks(text, 4)
    assert [t["kernel"] for t in tactics(whole)[:2]] == ["other", "named_before"]
    assert brief(cut) == brief(whole)
    assert sorted(combinations(cut), key=itemgetter("line")) == sorted(combinations(whole), key=itemgetter("line"))
    assert len(cut.sections) == len(whole.sections) == 81


def test_tactics_that_no_line_claims_are_not_given_to_the_layer_that_comes_next() -> None:
    lines = ["Tactic Name: of_another Tactic: 0x00000000000000aa Time: 0.1", chose("CaskConvolution", "0x00000000000000aa"), *race("Conv_1", "0x00000000000000bb", 0.5)[2:]]
    text = verbose(*lines)
    for log in (parse(text), *(in_blocks(text, after) for after in range(1, len(lines)))):
        assert brief(log) == [(None, None, 0xAA, "of_another", 0.1, "timed"), ("Conv_1", "CaskConvolution", 0xBB, "kernel_of_Conv_1", 0.5, "timed")]
        assert [(c["layer"], c["winner"]) for c in combinations(log)] == [(None, ("CaskConvolution", 0xAA)), ("Conv_1", ("CaskConvolution", 0xBB))]


def test_what_a_damaged_line_lacks_is_not_made_up_in_bulk() -> None:
    whole = f"Conv_1 [{LINEAR}] got cached result: CaskConvolution, tactic 0x00000000000000aa, 0.25 ms"
    damaged = whole.replace("CaskConvolution,", "CaskConvolution;")
    log = parse(verbose(costs("Conv_1"), formats(LINEAR), *[whole] * 50, damaged, *[whole] * 50))
    assert (sum(c["cached"] for c in combinations(log)), log.unknown_lines, log.runners.texts) == (100, 1, ["CaskConvolution"])

    races = [line for number in range(40) for line in race(f"Conv_{number}", f"0x{number + 1:016x}", 0.5)]
    torn = formats(LINEAR).replace("combination", 'combi"ation')
    log = parse(verbose(*races, costs("Conv_99"), torn, *races))
    assert [(c["line"], c["layer"]) for c in combinations(log) if c["formats"] is None] == [(202, "Conv_99")]
    assert (len(log.combinations), [(sample.text, sample.severity) for sample in log.unknown_samples]) == (81, [(torn, "V")])


def test_each_of_many_tables_has_its_own_selected_tactic_and_each_of_many_runners_its_own_skips() -> None:
    tables = [(f"Autotuning op op_{number}:", f"The selected tactic is (tactic hash, cost(in ms)): 0x{number + 1:x}, 0.5") for number in range(20_000)]
    log = parse(verbose(costs("L"), formats(LINEAR), *itertools.chain.from_iterable(tables)))
    assert log.sections["fastest"].tolist() == list(range(1, 20_001))

    # A line that is no whole structure has the run read line by line, so that each line marks a place.
    skips = [(formats(LINEAR), runner("L", "CaskConvolution"), f"Tactic: {number} skipped. Scratch requested: 9, available: 1") for number in range(10_000)]
    log = parse(verbose(f"{'*' * 15} Autotuning format combination: torn", *itertools.chain.from_iterable(skips)))
    assert [(t["tactic"], t["line"]) for t in tactics(log)] == [(number, 4 + 3 * number) for number in range(10_000)]
    assert log.tactics.section.tolist() == list(range(10_000))

    names = [(f"L Set Tactic Name: kernel_{number} Tactic: 0x00000000000000aa", "Tactic: 0x00000000000000aa skipped. Scratch requested: 9, available: 1") for number in range(10_000)]
    log = parse(verbose(costs("L"), formats(LINEAR), runner("L", "CaskConvolution"), *itertools.chain.from_iterable(names)))
    assert [t["kernel"] for t in tactics(log)] == [f"kernel_{number}" for number in range(10_000)]


def test_a_run_that_never_came_to_build_ends_where_the_log_does() -> None:
    options = ["=== Build Options ===", "Max batch: explicit batch", "Sparsity: Disabled"]
    log = parse("".join(f"[01/02/2030-03:04:05] [I] {line}\n" for line in options))
    assert [(build.first_line, build.last_line) for build in log.builds] == [(1, 3)]


def test_strategies_are_used_or_skipped_by_number_within_their_build() -> None:
    lines = [
        "Building graph using backend strategy 4", *race("Conv_1", "0x00000000000000aa", 0.5), "Use backend strategy 4 with estimated inference time (0.2) as the initial choice.",
        "Building graph using backend strategy 3", *race("Conv_1", "0x00000000000000bb", 0.5), "Skip backend strategy 3since its estimated inference time (0.3) is not faster than the previous engine",
        "Engine Layer Information:", "Building graph using backend strategy 3", *race("Conv_1", "0x00000000000000cc", 0.5),
        "Skip backend strategy 4since its estimated inference time (0.9) is not faster than the previous engine",
    ]  # fmt: skip
    log = parse(verbose(*lines))
    assert [[(p.strategy, p.fate, p.estimated_ms) for p in build.passes] for build in log.builds] == [[(4, "used", 0.2), (3, "skipped", 0.3)], [(3, "", None)]]


def test_a_runner_names_neither_a_reformat_before_it_nor_a_combination_of_another_build() -> None:
    # 8.2 to 8.6.0 print no names in the sections' openers; here the runner line of a reformat, and that of a twin's combination, is lost.
    runs = [line for number in range(40) for line in (formats(f"Half({number}) -> Half(1)"), runner("A", "CaskConvolution"), "Tactic: 7 Time: 0.5")]
    lost = [reformat("Half(1) -> Float(1)"), "Tactic: 3 Time: 0.5"]
    log = parse(verbose(costs(""), *lost, "Adding network input", *runs))
    assert [c["layer"] for c in combinations(log) if c["reformat"]] == [None]

    lines = [costs(""), *lost, "Error in a line of another writer [01/02/2030-03:04:05] [V] [TRT] ", *runs]
    assert [c["layer"] for c in combinations(parse(verbose(*lines)))] == [None, *["A"] * 40]
    log = parse(verbose(costs(""), formats("Half(1) -> Half(1)"), "Engine Layer Information:", "Adding network input: x", costs(""), *runs))
    assert [(c["build"], c["layer"]) for c in combinations(log)] == [(0, None), *[(1, "A")] * 40]


def test_a_section_has_the_layer_of_its_combination_whichever_line_names_it() -> None:
    lines = [costs(""), formats(LINEAR), "Autotuning op op_1:", "   0, 0.25, 1.0, 0, one, 0xaa,", runner("Conv_1", "CaskConvolution"), "Tactic: 3 Time: 0.5"]
    for log in (parse(verbose(*lines)), in_blocks(verbose(*lines), 3), in_blocks(verbose(*lines), 4), parse(verbose(*lines, *lines * 20))):
        assert [(t["op"], t["layer"]) for t in tactics(log)[:2]] == [("op_1", "Conv_1"), (None, "Conv_1")]
