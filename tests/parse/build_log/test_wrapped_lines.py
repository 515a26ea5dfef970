"""Logs broken at a width, by a terminal or `fold`: the same rows, and every line that could not be put together again is counted.

In: one log at every width, and lines of others between TensorRT's. Out: no row that the unbroken log does not have.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parse.build_log.hand_made import chose, costs, formats, runner
from tests.parse.build_log.reading import combinations, parse, tactics, verbose
from tests.parse.build_log.test_order_of_reading import in_blocks
from tests.parse.build_log.test_torn_lines import HALF, LINES, counted, placed

ENGINE = [
    "Engine generation completed in 2 seconds.", "Engine Layer Information:",
]  # fmt: skip
LAYERS = "".join(
    f"Layer(CaskConvolution): Conv_{n} + Relu_{n}, Tactic: 0x{256 * n + 1:016x}, in_{n} (Half[1,160:8,28,28]) -> out_{n} (Half[1,160:8,28,28])\n" for n in range(1, 5)
)
TABLE = ["Autotuning op node_linear: [ONNX Layer: node_linear]", "   0, 0.25, 1.0, 0, one_kernel_of_a_table, 0x665d1234abcd, 0", "  11, 0.5, 2.0, 0, two, 0xaa, 128", "The selected tactic is (tactic hash, cost(in ms)): 0xaa, 0.25"]
TEXT = verbose(*LINES, *TABLE, "(Sparsity) Found 2 layer(s) eligible to use sparse tactics: Conv_1 + Relu_1, Conv_2 + Relu_2", *ENGINE) + LAYERS


def fold(text: str, width: int) -> str:
    return "".join(line[at : at + width] + "\n" for line in text.splitlines() for at in range(0, max(len(line), 1), width))


UNBROKEN = parse(TEXT)
TRUTH = set(placed(UNBROKEN))
WIDTHS = range(60, 230)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_folded_log_has_the_same_rows_at_every_width(width: int) -> None:
    log = parse(fold(TEXT, width))
    assert set(placed(log)) == TRUTH
    assert [(c["layer"], c["formats"], c["winner"]) for c in combinations(log)] == [(c["layer"], c["formats"], c["winner"]) for c in combinations(UNBROKEN)]
    assert [line.text for line in log.builds[0].engine_layers] == LAYERS.splitlines()
    assert [found.names for found in log.builds[0].sparsity] == [("Conv_1 + Relu_1", "Conv_2 + Relu_2")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(WIDTHS), st.lists(st.integers(1, 600), min_size=1, max_size=3))
def test_a_folded_log_reads_the_same_in_any_blocks(width: int, ends: list[int]) -> None:
    text = fold(TEXT, width)
    count = text.count("\n")
    whole, cut = parse(text), in_blocks(text, *sorted({min(end, count - 1) for end in ends}))
    assert placed(cut) == placed(whole) and combinations(cut) == combinations(whole)
    assert (counted(cut), [b.engine_layers for b in cut.builds]) == (counted(whole), [b.engine_layers for b in whole.builds])


RACE = [costs("A"), formats(HALF), runner("A", "X"), "Tactic: 0x00000000000000aa Time: 0.5", "Tactic: 0x00000000000000bb Time: 0.25", chose("X", "0x00000000000000bb")]


@pytest.mark.parametrize("foreign", ["    0x5de28240[getCapabilityInterface]", "Epoch 3", "408", "_stage3 Tactic: 0x00000000000000cc Time: 0.09", "Tactic: 0x00000000000000cc Time: 0.09"])
@pytest.mark.parametrize("behind", range(1, len(RACE)))
def test_what_stands_between_the_lines_of_a_race_is_counted_and_makes_no_row(foreign: str, behind: int) -> None:
    text = verbose(*RACE[:behind]) + foreign + "\n" + verbose(*RACE[behind:])
    log = parse(text)
    assert {(t["tactic"], t["layer"]) for t in tactics(log)} <= {(0xAA, "A"), (0xBB, "A")}
    assert {t["ms"] for t in tactics(log)} <= {0.5, 0.25, 0.5408, 0.25408}
    assert counted(log) >= 1


@pytest.mark.parametrize("known", ["Try decreasing the workspace size with IBuilderConfig::setMaxWorkspaceSize().", "Layer(CaskConvolution): A, Tactic: 0x1, x (Half[1]) -> y (Half[1])", ""])
def test_what_tensorrt_prints_without_a_prefix_is_no_damage(known: str) -> None:
    skip = "Skipping tactic 3 due to insuficient memory on requested size of 449 detected for tactic 4."
    log = parse(verbose(*RACE[:3], skip) + known + "\n" + verbose(*RACE[3:]))
    assert [t["tactic"] for t in tactics(log)] == [4, 0xAA, 0xBB] and counted(log) == 0


def test_a_number_that_may_go_on_behind_the_break_is_a_doubt() -> None:
    log = parse(verbose(*RACE).replace("Time: 0.5\n", "Time: 0.5\n4\n").replace("0.25\n", "0.25\n\n"))
    assert [t["ms"] for t in tactics(log)] == [0.25] and counted(log) == 2
    log = parse(verbose(*RACE[:3], RACE[3] + "00000000000000000000").replace("Time: 0.5", "Time: 0.5\n") + verbose(*RACE[4:]))
    assert [t["ms"] for t in tactics(log)] == [0.25] and counted(log) == 2
    long = verbose(*(line.replace("Half(64,1:8)", "H(1)") for line in RACE[:3]), "Tactic Name: a_kernel_with_a_long_name Tactic: 0x00000000000000aa Time: 0.0326408")
    log = parse(long[:-6] + "\n" + long[-6:] + verbose(*RACE[4:]))
    assert [t["ms"] for t in tactics(log)] == [0.0326408, 0.25] and counted(log) == 1


def test_a_broken_warning_is_one() -> None:
    memory = "Tactic Device request: 448MB Available: 425MB. Device memory is insufficient to use tactic."
    text = verbose(*RACE[:4]) + f"[01/02/2030-03:04:05] [W] [TRT] {memory[:80]}\n{memory[80:]}\n" + verbose(*RACE[4:])
    (build,) = parse(text).builds
    assert [(line.text, line.severity) for line in build.warnings] == [(memory, "W")]


BEHIND = ["```", "done", "Building took 3 s", ">>> saved, ok", "root@host:/# ls", "    0x5de28240[getPluginName]"]
OLD = "(Sparsity) Layers eligible for sparse math: {}", "(Sparsity) TRT inference plan picked sparse implementation for layers: {}"
NEW = "(Sparsity) Found {1} layer(s) eligible to use sparse tactics: {0}", "(Sparsity) Chose {1} layer(s) using sparse tactics: {0}"


def lists(forms: tuple[str, str], eligible: list[str], picked: list[str]) -> tuple[str, str]:
    return forms[0].format(", ".join(eligible), len(eligible)), forms[1].format(", ".join(picked), len(picked))


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("forms", [OLD, NEW], ids=["8", "10"])
@pytest.mark.parametrize("picked", [["conv2", "conv3 + relu3"], []], ids=["two", "none"])
def test_what_stands_behind_the_chosen_layers_is_no_part_of_the_last_name(behind: str, forms: tuple[str, str], picked: list[str]) -> None:
    """The fence that ends a quotation, or what a script prints: "conv3```" would be no layer, and conv3 would run dense."""
    eligible = ["conv1", "conv2", "conv3 + relu3"]
    found = parse(verbose(*lists(forms, eligible, picked)) + f"{behind}\n{behind}\n").builds[0].sparsity
    assert [(item.names, item.doubtful) for item in found] == [(tuple(eligible), False), (tuple(picked), False)]


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("forms", [OLD, NEW], ids=["8", "10"])
def test_the_layers_of_the_log_tell_where_the_eligible_ones_end(behind: str, forms: tuple[str, str]) -> None:
    raced = "=============== Computing costs for conv2", "*************** Autotuning format combination: Half(1) -> Half(1) ***************"
    one, two = lists(forms, ["conv1", "conv2"], ["conv2"])
    found = parse(verbose(*raced, one) + f"{behind}\n" + verbose(two)).builds[0].sparsity
    assert [(item.names, item.doubtful) for item in found] == [(("conv1", "conv2"), False), (("conv2",), False)]


def test_where_nothing_tells_the_list_is_in_doubt() -> None:
    one, two = lists(OLD, [f"conv{number} + relu{number}" for number in range(9)], ["conv8 + relu8"])
    (eligible, _) = parse(verbose(one) + "x2\n" + verbose(two)).builds[0].sparsity
    assert eligible.doubtful
    # A line that is shorter than another one was not broken at a terminal's width; one that ends in a comma goes on.
    (eligible, _) = parse(verbose("x" * 400, one) + "x2\n" + verbose(two)).builds[0].sparsity
    assert (eligible.names[-1], eligible.doubtful) == ("conv8 + relu8", False)
    cut = one.index("conv4")
    (eligible, _) = parse(verbose("x" * 400, one[:cut]) + one[cut:] + "\n" + verbose(two)).builds[0].sparsity
    assert len(eligible.names) == 9


@pytest.mark.parametrize("width", [80, 100, 133])
@pytest.mark.parametrize("forms", [OLD, NEW], ids=["8", "10"])
def test_lists_that_a_terminal_broke_are_whole_without_a_race(width: int, forms: tuple[str, str]) -> None:
    names = [f"conv{number} + relu{number}" for number in range(40)]
    text = verbose(*lists(forms, names, names[20:]), "Engine generation completed in 3 seconds.")
    folded = "".join(line[at : at + width] + "\n" for line in text.splitlines() for at in range(0, len(line), width))
    found = parse(folded).builds[0].sparsity
    assert [(item.names, item.doubtful) for item in found] == [(tuple(names), False), (tuple(names[20:]), False)]
