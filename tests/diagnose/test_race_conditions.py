"""What a race holds and what it lacks, one condition at a time. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on the verdict of one layer: each capture is proven without
the trap, or open because of one sign alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CACHED,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    HWC8,
    KERNELS,
    LAYER,
    LEFT_OUT,
    LINEAR,
    PAIR,
    RUNNER,
    SPARSE,
    SPARSE_2,
    Log,
    autotuning,
    cached_log,
    combination,
    dense_log,
    engine_line,
    layer,
    main,
    no_valid,
    slower_log,
    tactic,
    told,
    verdict,
)
from trtlens.diagnose.model import LineEvidence

THIRD = f"{HWC8} -> {LINEAR}"
CUDNN = "CudnnConvolution"
ONLY = [autotuning(THIRD), f"--------------- Timing Runner: {LAYER} ({CUDNN}[0x80000000])", "Tactic: 0x0000000000000001 is the only option, timing skipped"]
NO_TACTIC = f"{LAYER} ({RUNNER}[0x80000009]) profiling completed in 0.1 seconds. Fastest Tactic: 0xd15ea5edd15ea5ed Time: inf"


# ---- what is missing


@pytest.mark.parametrize(
    ("lines", "proof"),
    [
        ([f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])", *no_valid("CaskFlattenConvolution")], "unknown"),
        ([*no_valid(RUNNER), f"--------------- Timing Runner: {LAYER} (CaskFlattenConvolution[0x80000008])"], "unknown"),
        ([f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])", NO_TACTIC], "proven"),
        (no_valid(RUNNER), "proven"),
    ],
    ids=["first-lost", "second-lost", "none-worked", "none-valid"],
)
def test_a_combination_counts_as_raced_where_every_runner_says_that_it_can_do_nothing(lines: list[str], proof: str, tmp_path: Path) -> None:
    log = dense_log()
    log.tuned += [autotuning(THIRD), *lines]
    assert verdict(tmp_path, log).proof == proof


def test_a_timed_tactic_without_a_name_may_be_sparse(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, dense_log([tactic(0x9999999999999999, 0.9, None)]))) == ("dense", "no-kernel", "suggested")


@pytest.mark.parametrize("more", [[], [*ONLY, tactic(1, 0.05, None), f">>>>>>>>>>>>>>> Chose Runner Type: {CUDNN} Tactic: 0x0000000000000001"]], ids=["plain", "whole"])
def test_whose_tactics_were_pruned(more: list[str], tmp_path: Path) -> None:
    """The line names the layer, or stands among its lines."""
    said = "10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."
    more = [*more[:-1], *no_valid(RUNNER), more[-1]] if more else []
    for inside, behind, pruned in (([], [], False), ([said], [], True), ([], [said], False), ([], [f"{LAYER}: {said}"], True), ([f"conv7: {said}"], [], False), ([said.replace(" 3 pruned", " 0 pruned")], [], False)):
        log = dense_log()
        log.tuned += more
        log.tuned[3:3] = inside
        log.tuned += [*layer("pool9", combination("pool9", PAIR[0], [tactic(0, 0.01, None)], 0, "CudnnPooling")), *behind]
        found = verdict(tmp_path, log)
        assert told(found) == (("dense", "heuristic-pruned", "suggested") if pruned else ("dense", "no-kernel", "proven")), (inside, behind)


def test_a_tactic_that_was_left_out_for_memory_and_timed_elsewhere_in_the_race_was_left_out(tmp_path: Path) -> None:
    log = slower_log()
    log.tuned.insert(next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line), tactic(SPARSE_2, 0.05))
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")
    log.tuned.insert(next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line), LEFT_OUT)
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "suggested")


def test_a_tactic_that_failed_was_not_timed(tmp_path: Path) -> None:
    found = verdict(tmp_path, dense_log([(DENSE_HWC, "inf")]))
    assert told(found) == ("dense", "no-kernel", "proven") and found.summary.startswith("2 tactics were timed")


# ---- noise


def test_the_widest_scatter_of_a_layer_counts(tmp_path: Path) -> None:
    """One tactic took 0.05 ms twice, in another combination 0.05 and 0.06 ms: a difference of 10 % is noise."""
    races = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05), (DENSE, 0.05)], DENSE), combination(LAYER, THIRD, [(DENSE_2, 0.05), (DENSE_2, 0.06)], DENSE_2),
        combination(LAYER, PAIR[1], [(SPARSE, 0.055), (DENSE_HWC, 0.05)], DENSE_HWC),
    )  # fmt: skip
    assert verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, DENSE_HWC)])).reason == "tie"
    assert told(verdict(tmp_path, Log(layer(LAYER, races[0], races[2]), [engine_line(LAYER, DENSE_HWC)]))) == ("dense", "slower", "proven")


def test_a_tactic_in_two_combinations_does_not_scatter(tmp_path: Path) -> None:
    """The log's next combination times the same tactic again, in another format."""
    races = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05), (DENSE, 0.05)], DENSE), combination(LAYER, THIRD, [(DENSE, 0.09), (DENSE, 0.09)], DENSE),
        combination(LAYER, PAIR[1], [(SPARSE, 0.055), (DENSE_HWC, 0.05)], DENSE_HWC),
    )  # fmt: skip
    assert told(verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, DENSE_HWC)]))) == ("dense", "slower", "proven")


# ---- results of earlier races


def test_two_results_may_repeat_one_race(tmp_path: Path) -> None:
    lines = [CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05), *layer("conv2", [CACHED.format("conv2", PAIR[1], RUNNER, DENSE, 0.05)])]
    log = cached_log(lines)
    log.lists = ["(Sparsity) Found 3 layer(s) eligible to use sparse tactics: conv0, conv1, conv2", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    log.engine.append(engine_line("conv2", DENSE, "z (Half[1,64,28,28])", "w (Half[1,64,28,28])"))
    for name in (LAYER, "conv2"):
        found = verdict(tmp_path, log, name=name)
        assert told(found) == ("dense", "slower", "proven") and found.inherited_from == "conv0"


def test_the_one_race_of_an_earlier_build_is_none_of_this_ones(tmp_path: Path) -> None:
    line = CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)
    second = cached_log([line])
    second.tuned = [f"=============== Computing costs for {LAYER}", line]
    found = verdict(tmp_path, cached_log([]).text() + second.text())
    assert found.proof != "proven" and found.inherited_from is None


@pytest.mark.parametrize(("raced", "printed", "same"), [(0.0999999951, "0.1", True), (0.123456789, "0.123457", True), (0.123456789, "0.123456", False), (0.0999994, "0.1", False)])
def test_a_cached_time_has_six_digits(raced: float, printed: str, same: bool, tmp_path: Path) -> None:
    log = cached_log([CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, printed)])
    log.tuned = [line.replace("Time: 0.05", f"Time: {raced}").replace("Time: 0.06", "Time: 0.9") for line in log.tuned]
    assert (verdict(tmp_path, log).proof == "proven") == same


def test_no_valid_tactics_beside_a_cached_result_is_no_gap(tmp_path: Path) -> None:
    log = cached_log([CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05), autotuning(THIRD), *no_valid(RUNNER)])
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")


# ---- names


def test_a_name_is_that_of_its_runners_tactic(tmp_path: Path) -> None:
    """Cask's 0x2 is a sparse kernel and won another format; cuDNN's 0x2 runs."""
    races = (
        [autotuning(PAIR[1]), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])", tactic(2, 0.06, KERNELS[SPARSE]), f">>>>>>>>>>>>>>> Chose Runner Type: {RUNNER} Tactic: 0x0000000000000002"],
        [autotuning(PAIR[0]), f"--------------- Timing Runner: {LAYER} ({CUDNN}[0x80000000])", tactic(2, 0.05, None), f">>>>>>>>>>>>>>> Chose Runner Type: {CUDNN} Tactic: 0x0000000000000002"],
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, 2, runner=CUDNN)]))
    assert found.status == "dense" and found.tactic.name is None


def test_a_name_from_another_layers_race_is_cited(tmp_path: Path) -> None:
    """conv1 has no race of its own; conv0's names the id that it runs."""
    race = layer("conv0", combination("conv0", PAIR[1], [(DENSE, 0.05), (SPARSE, 0.03)], SPARSE))
    log = Log(race, [engine_line("conv0", SPARSE, "w (Half[1,64,28,28])", "x (Half[1,64,28,28])"), engine_line(LAYER, SPARSE)], eligible="conv0, conv1", picked="conv0, conv1")
    found = verdict(tmp_path, log)
    assert told(found) == ("sparse", "picked", "proven")
    lines = [item.text for item in found.evidence if isinstance(item, LineEvidence)]
    assert any(KERNELS[SPARSE] in line and f"0x{SPARSE:016x}" in line for line in lines) and not any(KERNELS[DENSE] in line for line in lines)


def test_a_winner_on_the_first_line_of_all_is_cited_there(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07)], DENSE)), [engine_line(LAYER, DENSE)])
    build = main(tmp_path, log)
    lines = [item.text for item in build.layers[0].evidence if isinstance(item, LineEvidence)]
    assert any(KERNELS[DENSE] in line and line.endswith("Time: 0.05") for line in lines)


def test_a_race_of_a_twin_that_was_not_raced_is_none(tmp_path: Path) -> None:
    """conv0 lists its combination as silently as conv1 does: there is nothing to inherit."""
    chose = f">>>>>>>>>>>>>>> Chose Runner Type: {RUNNER} Tactic: 0x{DENSE:016x}"
    other = layer("conv9", combination("conv9", PAIR[0], [(DENSE_2, 0.05)], DENSE_2))
    log = Log([*other, *layer("conv0", [autotuning(PAIR[1]), chose]), *layer(LAYER, [autotuning(PAIR[1]), chose])], [engine_line("conv0", DENSE, "x0 (Half[1,64,28,28])", "y0 (Half[1,64,28,28])"), engine_line(LAYER, DENSE)])
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "twin-layer", "unknown") and found.inherited_from is None


@pytest.mark.parametrize("pruned", [None, "conv0: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."])
def test_what_was_pruned_in_the_race_is_missing_in_the_result_that_repeats_it(pruned: str | None, tmp_path: Path) -> None:
    log = cached_log([CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)])
    log.tuned = [line for line in log.tuned if KERNELS[SPARSE] not in line]
    log.tuned[3:3] = [pruned] if pruned else []
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "heuristic-pruned" if pruned else "no-kernel", "suggested" if pruned else "proven") and found.inherited_from == "conv0"


def test_a_tactic_that_was_skipped_for_time_and_then_failed_was_left_out(tmp_path: Path) -> None:
    skip = f"Fast skip Tactic:0x{DENSE_HWC:016x} which exceed time limit during pre-run"
    assert told(verdict(tmp_path, dense_log([skip, tactic(DENSE_HWC, 0.9)]))) == ("dense", "no-kernel", "proven")
    assert verdict(tmp_path, dense_log([skip, tactic(DENSE_HWC, "inf")])).proof != "proven"
