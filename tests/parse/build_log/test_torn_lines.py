"""Lines into which others were written, lines that are lost, and lines that are cut: what the parser makes of what is left.

In: hand-made races with one line damaged. Out: no row under another layer, runner or pair of formats than the whole log has it, and every loss counted.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parse.build_log.hand_made import chose, costs, formats, reformat, runner
from tests.parse.build_log.reading import combinations, parse, tactics, verbose
from tests.parse.build_log.test_order_of_reading import in_blocks
from trtlens.parse.build_log import BuildLog

HALF, SINGLE = "Half(64,1:8) -> Half(64,1:8)", "Float(64,1) -> Float(64,1)"
CASK = "CaskConvolution[0x80000009]"
PREFIX = "[01/02/2030-03:04:05] [V] [TRT] "


def timed(kernel: str, tactic: int, time_ms: float) -> str:
    return f"Tactic Name: {kernel} Tactic: 0x{tactic:016x} Time: {time_ms}"


def section(layer: str, number: int) -> list[str]:
    """A layer raced in two combinations, with a reformat before it, as 8.6 prints it."""
    lines = [
        "=============== Computing reformatting costs",
        reformat(f"Float({number}) -> Half(1)"), runner(f"Optimizer Reformat(t{number} -> <out>)", "Reformat[0x80000006]"), f"Tactic: 0x00000000000003e8 Time: 0.0{number}1",
        f"Optimizer Reformat(t{number} -> <out>) (Reformat[0x80000006]) profiling completed in 0.1 seconds. Fastest Tactic: 0x00000000000003e8 Time: 0.0{number}1",
        costs(layer),
    ]  # fmt: skip
    for place, text in enumerate((HALF, SINGLE)):
        first = 256 * number + 16 * place
        lines += [
            formats(text), runner(layer, CASK), "Set number of tactics to 26 at optimization level 3", timed(f"dense_{first}", first, 0.5 + number),
            timed(f"sparse_{first}", first + 1, 0.25 + number), f"{layer} ({CASK}) profiling completed in 0.1 seconds. Fastest Tactic: 0x{first + 1:016x} Time: {0.25 + number}",
            runner(layer, "CudnnConvolution[0x80000000]"), "CudnnConvolution has no valid tactics for this config, skipping",
            chose("CaskConvolution", f"0x{first + 1:016x}"), "Skipping CaskFlattenConvolution: No valid tactics for " + layer,
        ]  # fmt: skip
    return lines


LINES = [line for number in range(1, 5) for line in section(f"Conv_{number} + Relu_{number}", number)]
WHOLE = verbose(*LINES)


def placed(log: BuildLog) -> list[tuple[Any, ...]]:
    """Each timed tactic with the layer, formats and runner that it is booked under."""
    found = combinations(log)
    return [(t["kernel"], t["tactic"], t["ms"], t["layer"], found[t["combination"]]["formats"], t["runner"]) for t in tactics(log)]


TRUTH = placed(parse(WHOLE))
BY_TACTIC = {(kernel, tactic, ms): place for kernel, tactic, ms, *place in TRUTH}


def check_places(log: BuildLog) -> None:
    """Every row is one of the whole log's, and says less about its place or the same."""
    for kernel, tactic, ms, *place in placed(log):
        assert (kernel, tactic, ms) in BY_TACTIC
        assert all(found is None or found == true for found, true in zip(place, BY_TACTIC[kernel, tactic, ms], strict=True)), (kernel, place)


def counted(log: BuildLog) -> int:
    return log.unknown_lines + len(log.damaged_lines)


# ---------------------------------------------------------------- torn


@pytest.mark.parametrize("head", ["Set number of tactics to 26 at opt", "Compiler backend is u", "Global timing cache in use. Prof", "The selected tactic is", "Applying ge", "Using cached timing", "Adding reformat layer: Ref"])
@pytest.mark.parametrize("number", [number for number, line in enumerate(LINES[:30]) if line.startswith(("Tactic", "***", "---", ">>>", "Conv"))])
def test_a_line_behind_the_beginning_of_any_other_is_read(head: str, number: int) -> None:
    lines = verbose(*LINES).splitlines(keepends=True)
    log = parse("".join([*lines[:number], PREFIX + head + lines[number], *lines[number + 1 :]]))
    assert placed(log) == TRUTH
    assert list(combinations(log)) == combinations(parse(WHOLE))
    assert [line.line for line in log.damaged_lines] == [number + 1]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, len(LINES) - 2), st.integers(0, 400), st.integers(1, len(LINES)))
def test_a_torn_line_moves_no_row_and_is_counted(number: int, cut: int, block: int) -> None:
    lines = WHOLE.splitlines(keepends=True)
    head = lines[number].rstrip("\n")[:cut]
    torn = "".join([*lines[:number], head + lines[number + 1], *lines[number + 2 :]])
    log = parse(torn)
    check_places(log)
    assert counted(log) or head in ("", PREFIX[:21], PREFIX[:22]) or LINES[number] in (head.removeprefix(PREFIX), "")
    assert placed(in_blocks(torn, block)) == placed(log) and counted(in_blocks(torn, block)) == counted(log)


def test_a_torn_opener_begins_a_section_that_its_runners_name() -> None:
    lines = WHOLE.splitlines(keepends=True)
    number = LINES.index(costs("Conv_2 + Relu_2"))
    log = parse("".join([*lines[:number], lines[number][: len(PREFIX) + 20] + lines[number + 1], *lines[number + 2 :]]))
    assert placed(log) == TRUTH


def test_torn_formats_leave_their_tactics_to_the_layer_without_formats() -> None:
    lines = WHOLE.splitlines(keepends=True)
    number = LINES.index(formats(SINGLE))
    log = parse("".join([*lines[:number], lines[number][:60] + lines[number + 1], *lines[number + 2 :]]))
    lost = [row for row in placed(log) if row not in TRUTH]
    assert [(row[0], row[3], row[4], row[5]) for row in lost] == [(f"{kind}_272", "Conv_1 + Relu_1", None, "CaskConvolution") for kind in ("dense", "sparse")]


@pytest.mark.parametrize("prefix", ["[TensorRT] VERBOSE: ", "[TRT]    ", "[V] ", "[01/02/2030-03:04:05] [TRT] [V] "])
def test_torn_lines_of_every_writer_are_found(prefix: str) -> None:
    lines = [prefix + line + "\n" for line in LINES]
    log = parse("".join([*lines[:8], lines[8][: len(prefix) + 12] + lines[9], *lines[10:]]))
    assert placed(log) == TRUTH and len(log.damaged_lines) == 1


# ---------------------------------------------------------------- lost


@pytest.mark.parametrize("number", [number for number, line in enumerate(LINES) if line.startswith(("*** ", "*", "=", "---"))])
def test_a_lost_line_of_structure_moves_no_row_to_another_layer(number: int) -> None:
    text = verbose(*LINES[:number], *LINES[number + 1 :])
    for log in (parse(text), in_blocks(text, number), in_blocks(text, number + 1)):
        layers = {(kernel, tactic, ms): place[0] for kernel, tactic, ms, *place in placed(log)}
        assert len(layers) == len(TRUTH)
        for key, layer in layers.items():
            assert layer is None or layer == BY_TACTIC[key][0] or (layer.startswith("Optimizer Reformat") and BY_TACTIC[key][0].startswith("Optimizer Reformat"))


def test_a_layer_whose_opener_is_lost_is_found_by_its_runners_and_both_layers_are_doubted() -> None:
    number = LINES.index(costs("Conv_2 + Relu_2"))
    reformats = LINES.index("=============== Computing reformatting costs", 10)
    text = verbose(*LINES[:reformats], *LINES[number + 1 :])
    log = parse(text)
    kept = [row for row in TRUTH if row[3] != "Optimizer Reformat(t2 -> <out>)"]
    assert placed(log) == kept
    ranges = {
        layer: (min(c["line"] for c in combinations(log) if c["layer"] == layer), max(c["line"] for c in combinations(log) if c["layer"] == layer) + 11)
        for layer in ("Conv_1 + Relu_1", "Conv_2 + Relu_2")
    }
    for first, last in ranges.values():
        assert any(first <= line.line <= last for line in log.damaged_lines)


def test_a_second_fastest_tactic_is_another_runners() -> None:
    lines = [costs("A"), formats(HALF), runner("A", "X"), "Tactic: 1 Time: 1", "Fastest Tactic: 1 Time: 1", "Tactic: 2 Time: 2", "Fastest Tactic: 2 Time: 2", chose("X", "1")]
    assert [line.line for line in parse(verbose(*lines)).damaged_lines] == [5, 7]
    assert not parse(verbose(*lines[:5], runner("A", "Y"), *lines[5:])).damaged_lines


# ---------------------------------------------------------------- cut


CUTS = ["Tactic: 0x00000000000000aa Time: 2", "Tactic Name: k Tactic: 0x00000000000000aa Time: 0.0", "   0, 0.25, 1.0, 0, one, 0x665d", ">>>>>>>>>>>>>>> Chose Runner Type: X Tactic: 0x12",
        "Tactic 313790760974845026 time 8.0", "A Set Tactic Name: k Tactic: 0x00000000000000aa", "Fastest Tactic: 1 Time: 1", "Fast skip Tactic:0x00000000000000aa which exceed time limit during pre-run"]  # fmt: skip


@pytest.mark.parametrize("last", CUTS)
def test_a_last_line_without_an_end_makes_no_row(last: str) -> None:
    lines = [costs("A"), formats(HALF), runner("A", "X"), "Tactic: 1 Time: 1", "Autotuning op a:" if last.startswith(" ") else "Tactic: 3 Time: 1"]
    text = verbose(*lines, last)
    whole, cut = parse(text), parse(text.removesuffix("\n"))
    assert placed(cut) == placed(parse(verbose(*lines)))
    assert combinations(cut) == combinations(parse(verbose(*lines)))
    assert [line.line for line in cut.damaged_lines] == [6] and cut.sections["fastest_line"].tolist() == [0] * len(cut.sections)
    assert last.startswith((">", "A ", "Fastest")) or len(placed(whole)) == len(placed(cut)) + 1


def test_a_last_line_without_an_end_that_is_no_tactic_is_read() -> None:
    layer = "Layer(CaskConvolution): A, Tactic: 0x00000000000000aa, x (Half[1]) -> y (Half[1])"
    log = parse(verbose(costs("A"), formats(HALF), "Engine Layer Information:") + layer)
    assert [line.text for line in log.builds[0].engine_layers] == [layer] and not log.damaged_lines


# ---------------------------------------------------------------- names


SKIPPED = "Tactic: 0x00000000000000aa skipped. Scratch requested: 9, available: 1"
NAMED = "A Set Tactic Name: sparse_kernel Tactic: 0x00000000000000aa"


@pytest.mark.parametrize("claim", ["", SKIPPED, "Tactic: 0x00000000000000aa Time: 0.5"])
def test_a_name_that_no_time_claims_is_damage_of_its_race(claim: str) -> None:
    other = ["A Set Tactic Name: dense Tactic: 0x00000000000000bb", "Tactic: 0x00000000000000bb Time: 0.5"]
    lines = [costs(""), formats(HALF), runner("A", "X"), NAMED, *other, *([claim] if claim else []), runner("A", "Y"), *other, chose("X", "0x00000000000000bb")]
    text = verbose(*lines)
    for log in (parse(text), *(in_blocks(text, after) for after in range(3, 9))):
        assert [line.line for line in log.damaged_lines] == ([] if claim else [4])
        assert [t["kernel"] for t in tactics(log)] == ["dense", *(["sparse_kernel"] if claim else []), "dense"]


@pytest.mark.parametrize("tail", ["", " numSplitK: 1 numBuffers: 0 numKernels: 1"])
def test_names_behind_the_selection_say_what_runs(tail: str) -> None:
    race = [costs(""), formats(HALF), runner("A", "X"), NAMED, "Tactic: 0x00000000000000aa Time: 0.5", chose("X", "0x00000000000000aa"), "Formats and tactics selection completed in 5.1 seconds."]
    named = [NAMED + tail, "B + C Set Tactic Name: dense Tactic: 0x00000000000000bb", NAMED.replace("aa", "ab").replace("sparse", "other")]
    text = verbose(*race, *named, "Engine generation completed in 2 seconds.")
    for log in (parse(text), *(in_blocks(text, after) for after in (6, 7, 8))):
        (build,) = log.builds
        assert {layer: (tactic, kernel, line.line) for layer, (tactic, kernel, line) in build.chosen_kernels.items()} == {"A": (0xAB, "other_kernel", 10), "B + C": (0xBB, "dense", 9)}
        assert not log.damaged_lines and len(log.combinations) == 1 and len(log.sections) == 1
