"""Hand-made captures in which a naive reader would say a wrong `proven`. Every text here is invented; nothing in it was measured.

In: a log built line by line, with a layer info where the trap needs one. Out: assertions on the verdict of one layer. Each test first says what the
trap is; where the same capture without the trap can be proven, it asserts that too, so that no test passes because nothing is ever proven.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    _DENSE,
    CACHE,
    CACHED,
    CHOSE,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FLOAT,
    FOUND,
    GEMM,
    HWC8,
    INFO_HWC8,
    INFO_LINEAR,
    INTO,
    KERNELS,
    LAYER,
    LEFT_OUT,
    LINEAR,
    OP,
    OUT,
    PAIR,
    PINNED_INFO,
    ROW,
    ROWS,
    RUNNER,
    SPARSE,
    SPARSE_2,
    UNNAMED_AND_SLOW,
    USED,
    Log,
    X,
    Y,
    autotuning,
    cached_log,
    combination,
    consumer,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    left_out_log,
    main,
    no_valid,
    one_race,
    pinned_log,
    reformat,
    region_log,
    slower_log,
    strategies,
    switch_log,
    table_log,
    tactic,
    told,
    verdict,
)


def test_without_a_trap_the_two_base_captures_are_proven(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, slower_log())) == ("dense", "slower", "proven")
    assert told(verdict(tmp_path, dense_log())) == ("dense", "no-kernel", "proven")


# ---- what was left out of a race


def test_a_memory_warning_far_from_its_layer_could_be_about_any_layer(tmp_path: Path) -> None:
    other = layer("pool1", combination("pool1", PAIR[0], [(0x7777777777777777, 0.01, None)], 0x7777777777777777))  # type: ignore[list-item]
    log = dense_log()
    log.tuned += ["[01/02/2030-03:04:06] [W] [TRT] Skipping tactic 0x0000000000000003 due to insufficient memory on requested size of 8589934592", *other]
    assert verdict(tmp_path, log).proof != "proven"


@pytest.mark.parametrize("time", ["inf", "3.40282e+38", "nan"])
def test_a_sparse_tactic_that_failed_was_there(time: str, tmp_path: Path) -> None:
    """A sparse tactic without a time was tried and did not run: nobody can say that there is none, nor that it was slower."""
    for extra in ((SPARSE, time), tactic(0x9999999999999999, time, None)):
        assert verdict(tmp_path, dense_log([extra])).proof != "proven"
    assert verdict(tmp_path, dense_log([(DENSE_HWC, time)])).proof == "proven"  # a dense one that failed changes nothing


@pytest.mark.parametrize("torn", ["Tactic Name: sm80_xmma_fprop_sparse Tactic: 0x5000", "Tactic: 0x5000000000000002 Time: ", "Tactic Name: sm80_xmma_fprop_spa[01/02/2030-03:04:05] [I] [TRT] [MemUsageChange] x"])
def test_a_damaged_line_anywhere_in_a_race_may_have_held_the_sparse_tactic(torn: str, tmp_path: Path) -> None:
    padding = [tactic(0xD100000000000000 + n, 0.06 + n / 1000, _DENSE.format(n)) for n in range(8)]
    assert verdict(tmp_path, dense_log(padding)).proof == "proven"
    assert verdict(tmp_path, dense_log([*padding, torn])).proof != "proven"
    log = slower_log()
    log.tuned.insert(-2, torn)
    assert verdict(tmp_path, log).proof != "proven"  # the lost tactic could be the closer one: slower or tie is open


def test_a_choice_that_was_never_timed_shows_that_lines_are_lost(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05)], DENSE_2)), [engine_line(LAYER, DENSE_2)])
    assert verdict(tmp_path, log).proof != "proven"
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE, 0.05)], DENSE_2)), [engine_line(LAYER, DENSE_2)])
    found = verdict(tmp_path, log, info([info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    assert found.status == "dense" and found.proof != "proven"


def test_a_fastest_tactic_that_was_never_timed_shows_that_lines_are_lost(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned = [line.replace(f"Fastest Tactic: 0x{DENSE_2:016x} Time: 0.04", f"Fastest Tactic: 0x{SPARSE:016x} Time: 0.03") for line in log.tuned]
    assert verdict(tmp_path, log).proof != "proven"


def test_two_races_run_together_where_a_combination_line_is_lost(tmp_path: Path) -> None:
    """Without its first line the second combination reads as more of the first."""
    log = slower_log()
    lost = next(n for n, line in enumerate(log.tuned) if HWC8 in line)
    del log.tuned[lost]
    assert verdict(tmp_path, log).proof != "proven"
    log = dense_log()
    log.tuned += combination(LAYER, PAIR[1], [(DENSE, 0.05), (DENSE_2, 0.04)], DENSE_2)[1:]
    assert verdict(tmp_path, log).proof != "proven"
    # What was fastest and what was chosen of the first one are lost, too: a runner that is tried twice is all that is left to see.
    first, second = (combination(LAYER, pair, [(DENSE, 0.05), (DENSE_2, 0.04)], DENSE_2) for pair in PAIR)
    log = Log(layer(LAYER, first[:-2], second[1:]), [engine_line(LAYER, DENSE_2)])
    assert verdict(tmp_path, log).proof != "proven"


def test_an_empty_timing_cache_takes_nothing_away(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned.insert(0, "Loaded 0 timing cache entries")
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven")
    log.tuned[0] = "Loaded 12 timing cache entries"
    assert verdict(tmp_path, log).proof != "proven"


# ---- the winner is not the fastest


def test_dense_was_chosen_although_sparse_was_timed_faster(tmp_path: Path) -> None:
    """Then dense was not faster, and why it was chosen is not in the log."""
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.02), (DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE)])
    found = verdict(tmp_path, log)
    assert found.reason == "unexplained" and found.proof != "proven"


def test_an_exact_tie_is_a_tie(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.05), (DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE)])
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "tie", "proven") and found.margin == 0.0


def test_a_time_of_zero_is_no_time_to_divide_by(tmp_path: Path) -> None:
    for times in ((0.0, 0.0), (0.05, 0.0), (0.0, 0.05)):
        best = DENSE if times[1] <= times[0] else SPARSE
        log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, times[0]), (DENSE, times[1])], best)), [engine_line(LAYER, best)])
        assert verdict(tmp_path, log).reason not in ("slower", "picked-but-slower")


def test_an_unnamed_tactic_near_the_winner_leaves_slower_or_tie_open(tmp_path: Path) -> None:
    lines = [(DENSE, 0.05), (SPARSE, 0.07), tactic(0x9999999999999999, 0.0505, None)]
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], lines, DENSE)), [engine_line(LAYER, DENSE)])
    assert verdict(tmp_path, log).proof != "proven"


# ---- which combination runs


def test_a_tactic_that_won_two_combinations_does_not_say_which_one_runs(tmp_path: Path) -> None:
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, f"{HWC8} -> {LINEAR}", [(DENSE, 0.03)], DENSE),
        combination(LAYER, PAIR[1], [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE),
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)]))
    assert found.status == "dense" and found.proof != "proven"


def test_layer_info_in_formats_that_no_winner_has_is_of_another_plan(tmp_path: Path) -> None:
    """Equal tactic ids, other layouts: what the log timed is not what runs."""
    log = Log(
        layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)),
        [engine_line(LAYER, DENSE)],
    )
    same = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})])
    assert told(verdict(tmp_path, log, same)) == ("dense", "slower", "proven")
    other = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    assert verdict(tmp_path, log, other).proof != "proven"
    log = slower_log()
    assert told(verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))) == ("dense", "slower", "proven")
    assert verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})])).proof != "proven"


def test_one_name_for_two_layers_is_a_race_of_neither(tmp_path: Path) -> None:
    """Two optimization profiles whose layers share a name: each of them has its own races, and the name does not say which are whose."""
    large = "Half(200704,784,28,1)"
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE),
        combination(LAYER, f"{large} -> {large}", [(DENSE_2, 0.2)], DENSE_2), combination(LAYER, "Half(25088,1:8,224,8) -> Half(25088,1:8,224,8)", [(SPARSE_2, 0.11), (DENSE_HWC, 0.3)], SPARSE_2),
    )  # fmt: skip
    lines = [engine_line(LAYER, DENSE), engine_line(LAYER, DENSE_2, "x2 (Half[4,64,28,28])", "y2 (Half[4,64,28,28])")]
    found = [item for item in main(tmp_path, Log(layer(LAYER, *combinations), lines)).layers if item.name == LAYER]
    assert len(found) == 2
    assert all(item.proof != "proven" for item in found)


# ---- several builds


def test_the_builds_of_two_models_in_one_log_keep_their_races_apart(tmp_path: Path) -> None:
    sparse_first = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.02), (DENSE, 0.05)], SPARSE)), [engine_line(LAYER, SPARSE)], picked=LAYER, model="other.onnx")
    text = sparse_first.text() + dense_log().text()
    assert told(verdict(tmp_path, text)) == ("dense", "no-kernel", "proven")
    text = dense_log().text() + sparse_first.text()
    assert told(verdict(tmp_path, text))[:2] == ("sparse", "picked")
    of_neither = info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    found = main(tmp_path, text, of_neither)
    assert "capture-mismatch" in {w.id for w in found.warnings}
    assert next(item for item in found.layers if item.name == LAYER).proof != "proven"


@pytest.mark.parametrize("kept_first", [True, False])
def test_the_pass_that_was_kept_rules_wherever_it_stands(kept_first: bool, tmp_path: Path) -> None:
    kept = layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.07), (DENSE, 0.05)], DENSE))
    other = layer(LAYER, combination(LAYER, PAIR[0], [(SPARSE_2, 0.03), (DENSE_2, 0.06)], SPARSE_2))
    lists = "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv1"
    none, one = "(Sparsity) Chose 0 layer(s) using sparse tactics: ", "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    used, dropped = "Use backend strategy {} with estimated inference time (1.5) as the initial choice.", (
        "Skip backend strategy {}since its estimated inference time (2.5) is not faster than the previous engine with estimated inference time (1.5)."
    )  # fmt: skip
    cached = "Local timing cache in use."
    if kept_first:
        tuned = ["Building graph using backend strategy 4", cached, *kept, lists, none, used.format(4), "Building graph using backend strategy 3", cached, *other, lists, one, dropped.format(3)]
    else:
        tuned = ["Building graph using backend strategy 3", cached, *other, lists, one, used.format(3), "Building graph using backend strategy 4", cached, *kept, lists, none, used.format(4)]
    found = verdict(tmp_path, Log(tuned, [engine_line(LAYER, DENSE)], version="10.16.0", lists=[]))
    assert (found.status, found.reason) == ("dense", "slower")
    assert found.best_sparse_ms == 0.07


# ---- names


def test_a_layer_named_sparse_runs_no_sparse_kernel(tmp_path: Path) -> None:
    name = "sparse_conv_sptensor16x8x32"
    lines = [f"{name} Set Tactic Name: {KERNELS[DENSE]} Tactic: 0x{DENSE:016x}", f"Tactic: 0x{DENSE:016x} Time: 0.05"]
    body = combination(name, PAIR[1], lines, DENSE)
    body.insert(-1, f"Fastest Tactic: 0x{DENSE:016x} Time: 0.05")
    for log in (
        Log(layer(name, body), [engine_line(name, DENSE)], eligible=name, version="8.5.2"),
        Log(layer(name, combination(name, PAIR[1], [(DENSE, 0.05)], DENSE)), [engine_line(name, DENSE)], eligible=name),
    ):
        assert told(verdict(tmp_path, log, name=name)) == ("dense", "no-kernel", "proven")


def test_a_list_split_at_the_wrong_comma_names_nobody(tmp_path: Path) -> None:
    """`PWN(a, conv1)` is one name: the layer conv1 is not on the list."""
    log = slower_log(eligible="conv0 + PWN(relu0, conv1), conv9")
    assert not (verdict(tmp_path, log).eligibility.proof == "proven" and verdict(tmp_path, log).eligibility.value)
    lists = ["(Sparsity) Found 3 layer(s) eligible to use sparse tactics: conv0, conv9", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    found = verdict(tmp_path, slower_log(version="10.3.0", lists=lists))
    assert found.eligibility.proof != "proven"  # one name of three is lost: it could be this one
    lists[0] = "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: sub, conv1"
    found = verdict(tmp_path, slower_log(version="10.3.0", lists=lists))
    assert found.eligibility.proof != "proven"  # "sub, conv1" may be one name


def test_a_layer_listed_twice_is_one_layer(tmp_path: Path) -> None:
    name = "conv1 + relu1"
    log = Log(layer(name, combination(name, PAIR[1], [(DENSE, 0.05)], DENSE)), [engine_line(name, DENSE)], eligible=f"conv1, {name}")
    found = main(tmp_path, log)
    assert told(next(item for item in found.layers if item.name == name)) == ("dense", "no-kernel", "proven")
    assert [item.name for item in found.layers if item.status == "dense"] == [name]


def test_a_list_longer_than_the_engine_adds_no_proof_to_what_is_not_there(tmp_path: Path) -> None:
    log = dense_log(eligible="conv1, conv2, conv3 + relu3")
    found = {item.name: item for item in main(tmp_path, log).layers}
    assert found[LAYER].proof == "proven"
    assert all(item.status != "sparse" and (item.status != "dense" or item.proof != "proven") for name, item in found.items() if name != LAYER)


# ---- precision and architecture


@pytest.mark.parametrize("formats", ["E4M3(50176,784,28,1)", "FP8(50176,784,28,1)", "NewType(50176,784,28,1)"])
def test_one_combination_of_another_type_ends_the_fp32_proof(formats: str, tmp_path: Path) -> None:
    silent = [f"*************** Autotuning format combination: {FLOAT} -> {FLOAT} ***************", f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}"]
    other = layer("conv0", combination("conv0", f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE))
    log = Log([*other, *layer(LAYER, silent)], [engine_line("conv0", DENSE, "x (Float[1,64,28,28])"), engine_line(LAYER, DENSE, "y (Float[1,64,28,28])", "z (Float[1,64,28,28])")])
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "proven")
    log.tuned += layer("conv9", combination("conv9", f"{formats} -> {formats}", [(DENSE, 0.05)], DENSE))
    assert verdict(tmp_path, log).reason != "no-kernel-precision"


def test_an_old_gpu_proves_and_a_name_alone_does_not(tmp_path: Path) -> None:
    log = slower_log(capability="7.5")
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-arch", "proven")
    text = log.text().replace("[01/02/2030-03:04:05] [I] Compute Capability: 7.5\n", "").replace("NVIDIA A10", "Tesla T4")
    found = verdict(tmp_path, text)
    assert found.proof != "proven" or found.reason != "no-kernel-arch"


# ---- the reformat arithmetic


def test_every_copy_measured_closes_the_sum(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, OUT]))
    assert told(found) == ("dense", "io-format", "proven")  # x and y are the network's own


def test_a_copy_measured_in_the_other_direction_is_not_the_copy(tmp_path: Path) -> None:
    backwards = reformat("<in> -> y", HWC8, LINEAR, 0.007)
    assert verdict(tmp_path, switch_log([INTO, backwards])).proof != "proven"
    assert verdict(tmp_path, switch_log([INTO])).proof != "proven"


def test_a_copy_measured_for_another_tensor_is_not_the_copy(tmp_path: Path) -> None:
    assert verdict(tmp_path, switch_log([INTO, reformat("<in> -> w", LINEAR, HWC8, 0.007)])).proof != "proven"


def test_an_output_that_is_consumed_too_wants_its_copy_as_well(tmp_path: Path) -> None:
    """y is a network output and feeds conv2: a switch needs a copy for both. Counting one of them gives another Δ."""
    tuned, line = consumer("conv2", "y (Half[1,64:8,28,28])", "z (Half[1,64:8,28,28])")
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line], best_sparse=0.035)
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv2", DENSE_2, {"y": INFO_HWC8}, {"z": INFO_HWC8})]
    alone = verdict(tmp_path, log, info(layers, ("x", "z")))
    both = verdict(tmp_path, log, info(layers, ("x", "y", "z")))
    assert (alone.reason, both.reason) == ("unexplained", "io-format")  # −0.015 + 0.006 + 0.007, and + 0.007 once more


def test_two_producers_of_one_tensor_make_no_sum(tmp_path: Path) -> None:
    """A concatenation that was optimised away: both layers write parts of y, so neither can change its format alone."""
    tuned, line = consumer("conv2", X, Y)
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    assert verdict(tmp_path, log).proof != "proven"


def test_a_tensor_from_a_layer_that_is_not_printed_is_not_the_networks_own(tmp_path: Path) -> None:
    """u is made by something that the engine lines leave out: its format is not fixed from outside."""
    costs = [reformat("u -> <out>", HWC8, LINEAR, 0.02), reformat("<in> -> y", LINEAR, HWC8, 0.001)]
    log = switch_log(costs, engine=[engine_line(LAYER, DENSE_HWC, "u (Half[1,64:8,28,28])", Y)])
    layers = [info_layer(LAYER, DENSE_HWC, {"u": INFO_HWC8}, {"y": INFO_HWC8})]
    assert told(verdict(tmp_path, log, info(layers, ("u", "y")))) == ("dense", "io-format", "proven")
    assert told(verdict(tmp_path, log, info(layers, ("x", "y")))) != ("dense", "io-format", "proven")


def test_a_noop_copy_is_free_whatever_the_log_timed_for_it(tmp_path: Path) -> None:
    """At one pixel HWC8 and LINEAR are the same bytes: TensorRT times the copy and then leaves it out."""
    linear, hwc = "Half(64,1,1,1)", "Half(8,1:8,8,8)"
    races = layer(
        LAYER, combination(LAYER, f"{hwc} -> {hwc}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{linear} -> {linear}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    )  # fmt: skip
    costs = [*reformat("x -> <out>", hwc, linear, 0.006), *reformat("<in> -> y", linear, hwc, 0.007)]
    log = Log([*costs, *races], [engine_line(LAYER, DENSE_HWC, "x (Half[1,64:8,1,1])", "y (Half[1,64:8,1,1])")])
    found = verdict(tmp_path, log)
    assert found.reason == "unexplained" and found.proof != "proven"


# ---- sparse tactics that were left out, noise that the log itself shows


def test_a_sparse_tactic_that_was_left_out_could_have_won(tmp_path: Path) -> None:
    """Rules 2, 3 and 4 compare what was timed: where a tactic that may be sparse was skipped for memory, none of them is the whole story."""
    lost = slower_log()
    won = Log(
        layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)), [engine_line(LAYER, DENSE)]
    )  # fmt: skip
    for log in (lost, won, switch_log([INTO, OUT])):
        assert verdict(tmp_path, log).proof == "proven"
        at = next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line)
        log.tuned.insert(at, LEFT_OUT)
        assert verdict(tmp_path, log).proof != "proven"


def test_all_that_is_named_and_sparse_was_left_out_for_memory(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, left_out_log())) == ("dense", "workspace", "proven")
    assert verdict(tmp_path, left_out_log([tactic(0x9999999999999999, 0.05, None)])).proof != "proven"  # this one may be sparse, and was timed
    assert verdict(tmp_path, left_out_log(["Tactic: 0x5000000000000001 Time: "])).proof != "proven"
    assert told(verdict(tmp_path, left_out_log(["Fast skip Tactic:0x5000000000000001 which exceed time limit during pre-run"])))[1:] != ("workspace", "proven")
    silent = [f"*************** Autotuning format combination: {PAIR[0]} ***************", f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}"]
    log = left_out_log()
    log.tuned += silent
    assert verdict(tmp_path, log).proof != "proven"


def test_a_tactic_timed_twice_shows_how_much_times_scatter(tmp_path: Path) -> None:
    once = [(SPARSE, 0.055), (DENSE, 0.05)]
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], once, DENSE)), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [*once, (DENSE, 0.065)], DENSE)), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log)) == ("dense", "tie", "proven")


def test_two_layers_of_one_name_prove_nothing_by_any_rule(tmp_path: Path) -> None:
    floats = Log(layer(LAYER, combination(LAYER, f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")])
    silent = Log(
        [*layer("conv0", combination("conv0", f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE)), f"=============== Computing costs for {LAYER}",
         f"*************** Autotuning format combination: {FLOAT} -> {FLOAT} ***************", f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}"],
        [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")],
    )  # fmt: skip
    won = Log(
        layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)), [engine_line(LAYER, DENSE)]
    )  # fmt: skip
    for log in (slower_log(), dense_log(), left_out_log(), floats, silent, won, switch_log([INTO, OUT]), slower_log(capability="7.5")):
        assert verdict(tmp_path, log).proof == "proven"
        log.engine.append(engine_line(LAYER, DENSE_2, "x2 (Half[4,64,28,28])", "y2 (Half[4,64,28,28])"))
        assert verdict(tmp_path, log).proof != "proven"


def test_a_tactic_of_another_runner_is_not_the_tactic_that_runs(tmp_path: Path) -> None:
    log = slower_log()
    log.engine = [engine_line(LAYER, DENSE_HWC, "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])", runner="CaskFlattenConvolution")]
    layers = [{**info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "LayerType": "CaskFlattenConvolution"}]
    assert verdict(tmp_path, log, info(layers)).proof != "proven"


@pytest.mark.parametrize("kernels", [(SPARSE, DENSE), (DENSE, SPARSE)])
def test_one_id_with_two_names_has_none(kernels: tuple[int, int], tmp_path: Path) -> None:
    """A hash that two lines name differently: whichever is right, the other layer's tactic cannot be called dense."""
    other = layer("conv0", combination("conv0", PAIR[1], [tactic(0x9999999999999999, 0.04 + n / 100, KERNELS[kernel]) for n, kernel in enumerate(kernels)], None))
    log = Log([*other, *layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE_2, 0.06), tactic(0x9999999999999999, 0.04, None)], 0x9999999999999999))], [engine_line(LAYER, 0x9999999999999999)])
    assert verdict(tmp_path, log).proof != "proven"
    log = Log(other, [engine_line(LAYER, 0x9999999999999999)], picked=LAYER)
    assert told(verdict(tmp_path, log)) == ("sparse", "picked", "suggested")  # the list says so, no name does


# ---- results of earlier races


def test_a_cached_result_equal_to_one_earlier_race_repeats_it(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, cached_log([CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)]))) == ("dense", "slower", "proven")


@pytest.mark.parametrize(
    "line",
    [
        CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.0501), CACHED.format(LAYER, PAIR[0], RUNNER, DENSE, 0.05),
        CACHED.format(LAYER, PAIR[1], "CaskFlattenConvolution", DENSE, 0.05), CACHED.format(LAYER, PAIR[1], RUNNER, DENSE_2, 0.05),
    ],
    ids=["time", "formats", "runner", "tactic"],
)  # fmt: skip
def test_a_cached_result_that_differs_in_anything_came_from_elsewhere(line: str, tmp_path: Path) -> None:
    log = cached_log([line])
    found = verdict(tmp_path, log)
    assert found.proof != "proven" and found.inherited_from is None
    assert "timing-cache-used" in {w.id for w in main(tmp_path, log).warnings}


def test_a_cached_result_equal_to_two_earlier_races_could_repeat_either(tmp_path: Path) -> None:
    second = layer("convx", combination("convx", PAIR[1], [(DENSE, 0.05), (DENSE_2, 0.06)], DENSE))
    assert verdict(tmp_path, cached_log([CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)], second)).proof != "proven"


def test_a_cached_result_before_the_race_repeats_another(tmp_path: Path) -> None:
    log = cached_log([])
    log.tuned = [f"=============== Computing costs for {LAYER}", CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05), *log.tuned[:-1]]
    assert verdict(tmp_path, log).proof != "proven"


def test_a_race_of_an_earlier_build_is_none_of_this_ones(tmp_path: Path) -> None:
    line = CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)
    first = cached_log([line])
    second = cached_log([line])
    second.tuned = [f"=============== Computing costs for {LAYER}", line]
    assert verdict(tmp_path, first.text() + second.text()).proof != "proven"


def test_gaps_of_the_race_are_gaps_of_the_result_that_repeats_it(tmp_path: Path) -> None:
    line = CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)
    log = cached_log([line])
    log.tuned.insert(3, "Tactic: 0x5000000000000002 Time: ")
    assert verdict(tmp_path, log).proof != "proven"
    log = cached_log([line])
    log.tuned = [item.replace(f"Fastest Tactic: 0x{DENSE:016x} Time: 0.05", f"Fastest Tactic: 0x{SPARSE_2:016x} Time: 0.01") for item in log.tuned]
    assert verdict(tmp_path, log).proof != "proven"


# ---- inside a Myelin region


def test_the_table_of_a_region_is_a_race(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, region_log(ROWS), name=OP)) == ("dense", "no-kernel", "proven")


@pytest.mark.parametrize("row", [ROW.format(2, "0.0600000", "__myl_AbcDef_0x1234", 0xAB3), ROW.format(2, "inf", GEMM.format(256).replace("gemm", "sparse_gemm"), 0xAB3)])
def test_a_row_without_a_telling_name_or_time_may_be_sparse(row: str, tmp_path: Path) -> None:
    assert verdict(tmp_path, region_log([*ROWS, row]), name=OP).proof != "proven"


@pytest.mark.parametrize("torn", [ROWS[0][:35], f"{ROWS[0][:50]}[01/02/2030-03:04:05] [I] [TRT] [MemUsageChange] x", "    a row of no known form"], ids=["cut", "two writers", "unknown"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_row_of_a_table_may_have_held_the_sparse_tactic(torn: str, place: int, tmp_path: Path) -> None:
    assert verdict(tmp_path, region_log([*ROWS[:place], torn, *ROWS[place:]]), name=OP).proof != "proven"
    sparse = ROW.format(2, "0.0600000", GEMM.format(256).replace("gemm", "sparse_gemm"), 0xAB3)
    assert told(verdict(tmp_path, region_log([*ROWS, sparse]), name=OP)) == ("dense", "slower", "proven")
    assert verdict(tmp_path, region_log([*ROWS[:place], torn, *ROWS[place:], sparse]), name=OP).proof != "proven"


def test_the_selected_row_of_a_table_is_lost(tmp_path: Path) -> None:
    """Then other rows may be lost, too."""
    selected = "The selected tactic is (tactic hash, cost(in ms)): 0x{:x}, 0.04"
    assert told(verdict(tmp_path, region_log([*ROWS, selected.format(0xAB1)]), name=OP)) == ("dense", "no-kernel", "proven")
    assert verdict(tmp_path, region_log([*ROWS, selected.format(0xAB7)]), name=OP).proof != "proven"


def test_an_empty_table_is_no_race(tmp_path: Path) -> None:
    found = verdict(tmp_path, region_log([]), name=OP)
    assert found.proof != "proven"


def test_what_a_region_chose_is_open_where_its_list_is_lost(tmp_path: Path) -> None:
    sparse = ROW.format(0, "0.0300000", GEMM.format(256).replace("gemm", "sparse_gemm"), 0xAB3)
    found = verdict(tmp_path, region_log([sparse, *ROWS], [f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {OP}"]), name=OP)
    assert found.status != "dense"


# ---- one sign of a gap at a time, in captures that are proven without it


@pytest.mark.parametrize("base", [slower_log, dense_log])
@pytest.mark.parametrize(
    ("gap", "rules"),
    [
        ([autotuning(f"{HWC8} -> {LINEAR}"), f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}"], "12"),
        (combination(LAYER, f"{HWC8} -> {LINEAR}", [(DENSE, 0.05)], None), "12"),
        (combination(LAYER, f"{HWC8} -> {LINEAR}", [tactic(1, 0.05, None)], 1, "CudnnConvolution"), "1"),
        (["Fast skip Tactic:0x5000000000000002 which exceed time limit during pre-run"], "12"),
        (["conv1: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."], "1"),
        ([autotuning(f"{HWC8} -> {LINEAR}"), *no_valid("CaskFlattenConvolution")], "12"),
        ([f"a line of no known form {n}" for n in range(250)], "12"),
        (["a line of no known form"], "12"),
    ],
    ids=["silent", "undecided", "another-runner", "skipped-for-time", "pruned", "a-runner-reused", "unknown-lines", "an-unknown-line"],
)
def test_one_gap_is_enough(base: Callable[[], Log], gap: list[str], rules: str, tmp_path: Path) -> None:
    """Rule 1 needs the complete layer; rule 2 every combination's winner."""
    log = base()
    log.tuned += gap
    log.tuned += layer("pool9", combination("pool9", PAIR[0], [tactic(0, 0.01, None)], 0, "CudnnPooling"))
    assert (verdict(tmp_path, log).proof != "proven") == (("1" if base is dense_log else "2") in rules)


def test_a_combination_that_no_runner_can_do_is_no_gap(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned += [autotuning(f"{HWC8} -> {LINEAR}"), *no_valid("CaskConvolution")]
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven")


def test_a_race_whose_formats_are_lost_is_not_complete(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned = [line for line in log.tuned if "Autotuning" not in line]
    assert verdict(tmp_path, log).proof != "proven"


def test_a_named_choice_without_a_time_is_lost_all_the_same(tmp_path: Path) -> None:
    """conv0 names the tactic that conv1 chose; that conv1 never shows its time means that lines are lost."""
    other = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.04)], DENSE_2))
    for lines in ([(DENSE, 0.05)], [(SPARSE, 0.06), (DENSE, 0.05)]):
        log = Log([*other, *layer(LAYER, combination(LAYER, PAIR[1], lines, DENSE_2))], [engine_line(LAYER, DENSE_2)])
        found = verdict(tmp_path, log)
        assert found.status == "dense" and found.proof != "proven"


def test_a_layer_without_a_race_in_an_fp32_pass(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE))
    log = Log(other, [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")])
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "proven")
    log.engine.append(engine_line(LAYER, DENSE_2, "x2 (Float[4,64,28,28])", "y2 (Float[4,64,28,28])"))
    assert verdict(tmp_path, log).proof != "proven"


def test_one_half_among_the_floats_is_not_fp32(tmp_path: Path) -> None:
    mixed = Log(layer(LAYER, combination(LAYER, f"{FLOAT} -> {LINEAR}", [(DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])")])
    assert told(verdict(tmp_path, mixed)) == ("dense", "no-kernel", "proven")


either_way = pytest.mark.parametrize("more", [[], UNNAMED_AND_SLOW], ids=["plain", "whole"])


@either_way
def test_where_dense_won_the_sparse_time_is_no_rival(more: list[str], tmp_path: Path) -> None:
    """Rule 3 speaks of what sparse won: in the combination that dense won, dense is the better choice anyway."""
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05), *more], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE),
        combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE_2, 0.045), (DENSE_2, 0.04)], DENSE_2),
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)]))
    assert told(found) == ("dense", "slower", "proven") and found.best_sparse_ms == 0.06


@either_way
@pytest.mark.parametrize("places", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_the_closest_race_tells_by_how_much_sparse_lost(places: Sequence[int], more: list[str], tmp_path: Path) -> None:
    """Rule 2: sparse lost everywhere; in one combination by little, in another with a better time but against a better dense one."""
    races = (
        combination(LAYER, PAIR[0], [(SPARSE, 0.055), (DENSE, 0.05), *more], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.08), (DENSE_HWC, 0.02)], DENSE_HWC),
        combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE_2, 0.03), (DENSE_2, 0.02)], DENSE_2),
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *(races[place] for place in places)), [engine_line(LAYER, DENSE)]))
    assert told(found) == ("dense", "slower", "proven")
    assert (found.best_sparse_ms, found.best_dense_ms) == (0.055, 0.05) and found.margin == pytest.approx(0.1)


@either_way
def test_of_what_sparse_won_the_best_time_counts(more: list[str], tmp_path: Path) -> None:
    """Rule 3: sparse won two combinations, one of them slower than what runs, the other faster: a switch could have paid."""
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05), *more], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE),
        combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE_2, 0.03), (DENSE_2, 0.04)], SPARSE_2),
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)]))
    assert found.proof != "proven" and found.best_sparse_ms == 0.03


def test_sparse_won_what_runs_and_the_layer_info_names_a_dense_kernel(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE, 0.05)], SPARSE)), [engine_line(LAYER, SPARSE)], picked=LAYER)
    said = {**info_layer(LAYER, SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "TacticName": KERNELS[DENSE]}
    build = main(tmp_path, log, info([said]))
    found = next(item for item in build.layers if item.name == LAYER)
    assert found.reason == "unexplained" and found.proof != "proven" and "won the very combination" in found.summary
    assert "capture-mismatch" in {w.id for w in build.warnings}


def test_an_unnamed_tactic_below_the_running_one_leaves_the_sum_open(tmp_path: Path) -> None:
    log = switch_log([INTO, OUT], combination(LAYER, f"{HWC8} -> {LINEAR}", [tactic(0x9999999999999999, 0.045, None), (DENSE_2, 0.042)], DENSE_2))
    assert verdict(tmp_path, log).proof != "proven"


def test_of_two_combinations_with_one_tactic_the_formats_tell_which_runs(tmp_path: Path) -> None:
    log = switch_log([INTO, OUT])
    at = next(n for n, line in enumerate(log.tuned) if line.startswith("=============== Computing costs for"))
    log.tuned[at + 1 : at + 1] = combination(LAYER, f"{LINEAR} -> {HWC8}", [(DENSE_HWC, 0.02)], DENSE_HWC)
    found = verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    assert (found.reason, found.best_dense_ms) == ("io-format", 0.05)


def test_any_sparse_combination_that_would_pay_ends_the_sum(tmp_path: Path) -> None:
    """Two combinations are faster than what runs: one would cost more in copies, the other less. The second is what counts."""
    more = combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE_2, 0.03), (DENSE_2, 0.06)], SPARSE_2)
    found = verdict(tmp_path, switch_log([INTO, OUT], more))
    assert found.reason == "unexplained" and found.proof != "proven"  # −0.02 + 0.007
    assert told(verdict(tmp_path, switch_log([INTO], more)))[2] != "proven"


def test_within_the_band_nothing_is_gained(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, reformat("<in> -> y", LINEAR, HWC8, 0.0045)]))
    assert told(found) == ("dense", "tie", "proven")  # −0.01 + 0.006 + 0.0045: half a microsecond


def test_costs_of_another_build_are_not_this_ones(tmp_path: Path) -> None:
    first = switch_log([INTO, OUT])
    assert verdict(tmp_path, first.text() + switch_log([INTO]).text()).proof != "proven"


# ---- which pass, which list, which names


def test_where_the_log_does_not_say_which_pass_was_used_none_proves(tmp_path: Path) -> None:
    first, second = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05)), one_race(DENSE_2, (SPARSE, 0.02), (DENSE_2, 0.01))
    said = strategies((4, [*first, FOUND, CHOSE, USED.format(4)]), (3, [*second, FOUND, CHOSE, "Skip backend strategy 3since its estimated inference time (2) is not faster."]))
    assert told(verdict(tmp_path, said)) == ("dense", "slower", "proven")
    unsaid = strategies((4, [*first, FOUND, CHOSE]), (3, [*second, FOUND, CHOSE]))
    assert verdict(tmp_path, unsaid).proof != "proven"
    same = strategies((4, [*first, FOUND, CHOSE]), (3, [*first, FOUND, CHOSE]))
    assert verdict(tmp_path, same).proof != "proven"
    against = strategies((4, [*first, FOUND, CHOSE]), (3, [*second, FOUND, CHOSE, USED.format(3)]))
    assert verdict(tmp_path, against).proof != "proven"  # the engine runs what the other pass chose


def test_the_list_of_a_dropped_pass_names_nobody(tmp_path: Path) -> None:
    race = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05))
    other = "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv7"
    dropped = "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
    log = strategies((4, [*race, other, CHOSE, USED.format(4)]), (3, [*race, FOUND, CHOSE, dropped]))
    found = verdict(tmp_path, log)
    assert not (found.eligibility.value and found.eligibility.proof == "proven")


def test_a_cut_log_with_strategies_to_come_proves_nothing(tmp_path: Path) -> None:
    race = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05))
    text = strategies((4, [*race, FOUND, CHOSE])).text()
    layers = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    cut = text[: text.index("[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information")]
    assert verdict(tmp_path, cut, layers).proof != "proven"


def test_hassparseweights_alone_is_no_list(tmp_path: Path) -> None:
    found = verdict(tmp_path, dense_log(lists=[]), info([info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    assert found.status == "dense" and found.proof != "proven" and found.eligibility.proof == "suggested"


def test_absence_from_a_list_that_is_cut_or_of_a_sub_build_proves_nothing(tmp_path: Path) -> None:
    said = {**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "Groups": 8, "HasSparseWeights": 0}
    log = dense_log(eligible="conv7")
    assert told(verdict(tmp_path, log, info([said]))) == ("ineligible", "grouped", "proven")
    text = log.text()
    for end in ("[01/02/2030-03:04:05] [V] [TRT] (Sparsity) TRT inference", "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"):
        assert verdict(tmp_path, text[: text.index(end)], info([said])).proof != "proven"
    inside = [" (foreignNode) (Sparsity) Found 1 layer(s) eligible to use sparse tactics: Gemm_1", " (foreignNode) (Sparsity) Chose 0 layer(s) using sparse tactics: "]
    assert verdict(tmp_path, dense_log(lists=inside, version="10.16.0"), info([said])).proof != "proven"


def test_other_names_are_another_model(tmp_path: Path) -> None:
    said = [info_layer(name, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in (LAYER, "other1", "other2")]
    found = main(tmp_path, dense_log(), info(said))
    assert "capture-mismatch" in {w.id for w in found.warnings}
    assert next(item for item in found.layers if item.name == LAYER).proof != "proven"


def test_a_kernel_whose_name_tells_nothing_is_not_dense(tmp_path: Path) -> None:
    said = {**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "TacticName": "my_own_kernel_v2"}
    log = dense_log()
    log.tuned = [line.replace(f"Tactic Name: {KERNELS[DENSE_2]} ", "") for line in log.tuned]
    found = verdict(tmp_path, log, info([said]))
    assert found.proof != "proven" and found.tactic.name == "my_own_kernel_v2"


def test_a_small_number_is_no_name(tmp_path: Path) -> None:
    """Tactic 5 of conv0 is sparse; tactic 5 of conv1 is another kernel."""
    other = layer("conv0", combination("conv0", PAIR[1], [tactic(5, 0.03, KERNELS[SPARSE]), (DENSE, 0.05)], 5))
    found = verdict(tmp_path, Log(other, [engine_line("conv0", 5), engine_line(LAYER, 5, "y (Half[1,64,28,28])", "z (Half[1,64,28,28])")], eligible="conv0, conv1", picked="conv0"))
    assert found.tactic.name is None and found.status != "sparse"


def test_a_region_in_a_log_without_standard_error(tmp_path: Path) -> None:
    text = region_log(ROWS).text().replace("[01/02/2030-03:04:05] [W] [TRT] a warning: standard error was captured\n", "")
    assert verdict(tmp_path, text, name=OP).proof != "proven"


def test_many_unknown_lines_anywhere(tmp_path: Path) -> None:
    """Only the first of them are kept: any of the others may stand in this race."""
    log = dense_log()
    log.tuned[:0] = layer("pool0", combination("pool0", PAIR[0], [tactic(0, 0.01, None)], 0, "CudnnPooling")) + [f"a line of no known form {n}" for n in range(250)]
    assert verdict(tmp_path, log).proof != "proven"


TORN = ["Tactic: 0x5000000000000002 Time: ", "Tactic Name: sm80_xmma_fprop_spa[01/02/2030-03:04:05] [I] [TRT] [MemUsageChange] x"]


def whole_race_log() -> Log:
    """`slower`, proven, in a race that is not plain."""
    log = slower_log()
    log.tuned.insert(-2, *UNNAMED_AND_SLOW)
    return log


@pytest.mark.parametrize(
    ("base", "torn", "others"),
    [*((base, TORN[0], 250) for base in (slower_log, dense_log, whole_race_log, table_log)), (slower_log, TORN[1], 5001)],
    ids=["slower", "no-kernel", "whole", "table", "damaged"],
)
def test_only_the_first_damaged_lines_are_kept_with_their_places(base: Callable[[], Log], torn: str, others: int, tmp_path: Path) -> None:
    """One more in the race is a tactic that nobody reads, whichever rule speaks."""
    log = base()
    name = OP if base is table_log else LAYER
    log.tuned[:0] = layer("pool0", combination("pool0", PAIR[0], [tactic(0, 0.01, None)], 0, "CudnnPooling"))
    assert verdict(tmp_path, log, name=name).proof == "proven"
    log.tuned[6:6] = [torn.replace("Tactic", f"Tactic{n}") for n in range(others)]
    log.tuned.insert(-2, torn)
    assert verdict(tmp_path, log, name=name).proof != "proven"


def test_only_the_first_lines_about_pruned_tactics_are_kept(tmp_path: Path) -> None:
    line = "{}: 10 available tactics, 0 unparsable, {} pruned, 7 remaining after tactic pruning."
    log = dense_log()
    log.tuned += [line.format(LAYER, 0)]
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven")
    log.tuned += [line.format(f"conv{n}", 0) for n in range(100, 5100)] + [line.format(LAYER, 3)]
    assert verdict(tmp_path, log).proof != "proven"


@pytest.mark.parametrize("base", [slower_log, dense_log])
def test_a_choice_where_no_tactic_was_valid_came_from_a_race_that_is_not_in_the_log(base: Callable[[], Log], tmp_path: Path) -> None:
    """A runner that may be sparse was chosen: TensorRT 8 reused an equal layer's timings, or lines are lost."""
    chose = f">>>>>>>>>>>>>>> Chose Runner Type: {{}} Tactic: 0x{SPARSE_2:016x}"
    for runner, said, proven in (("CaskConvolution", "CaskConvolution", False), ("CaskFlattenConvolution", "CaskConvolution", False), ("CudnnConvolution", "CaskConvolution", True)):
        log = base()
        log.tuned += [autotuning(f"{HWC8} -> {LINEAR}"), *no_valid(said), chose.format(runner)]
        assert (verdict(tmp_path, log).proof == "proven") is proven


# ---- more of the arithmetic


def test_a_log_that_ends_among_the_engines_layers_may_hide_a_copy(tmp_path: Path) -> None:
    """The copy of an output stands after its layer: where the log ends there, nobody knows of it."""
    won = Log(
        layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)), [engine_line(LAYER, DENSE)]
    )  # fmt: skip
    for log in (won, switch_log([INTO, OUT])):
        text = log.text()
        assert verdict(tmp_path, text).proof == "proven"
        assert verdict(tmp_path, text[: text.index("[01/02/2030-03:04:09]")]).proof != "proven"


def test_a_cost_measured_in_the_pass_that_was_dropped_is_not_this_ones(tmp_path: Path) -> None:
    base = switch_log([INTO])
    kept, dropped = base.tuned, "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
    tuned = ["Building graph using backend strategy 4", CACHE, *kept, FOUND, CHOSE, USED.format(4), "Building graph using backend strategy 3", CACHE, *OUT, *kept, FOUND, CHOSE, dropped]
    log = Log(tuned, base.engine, version="10.16.0", lists=[])
    found = verdict(tmp_path, log)
    assert found.reason == "format-cost" and found.proof == "suggested"


@pytest.mark.parametrize("formats", [f"{FLOAT} -> {FLOAT}", PAIR[0]], ids=["types", "lanes"])
def test_types_and_lanes_of_the_engine_line_tell_combinations_apart(formats: str, tmp_path: Path) -> None:
    log = switch_log([INTO, OUT])
    at = next(n for n, line in enumerate(log.tuned) if line.startswith("=============== Computing costs for"))
    log.tuned = log.tuned[: at + 1] + combination(LAYER, formats, [(DENSE_HWC, 0.02)], DENSE_HWC) + [line.replace(PAIR[0], f"{HWC8} -> {LINEAR}") for line in log.tuned[at + 1 :]]
    found = verdict(tmp_path, log)
    assert (found.reason, found.best_dense_ms) == ("unexplained", 0.05)


def test_an_input_that_several_layers_write_makes_no_sum(tmp_path: Path) -> None:
    first, one = consumer("conv2", "a (Half[1,64:8,28,28])", X)
    second, two = consumer("conv3", "b (Half[1,64:8,28,28])", X)
    found = verdict(tmp_path, switch_log([INTO, OUT], [*first, *second], [one, two, engine_line(LAYER, DENSE_HWC, X, Y)]))
    assert found.proof != "proven"


def test_a_race_of_other_tensors_makes_no_sum(tmp_path: Path) -> None:
    """The engine's layer has an input that no combination lists."""
    log = switch_log([INTO, OUT], engine=[engine_line(LAYER, DENSE_HWC, "x (Half[1,64:8,28,28]), r (Half[1,64:8,28,28])", Y)])
    assert verdict(tmp_path, log).proof != "proven"


# ---- sparse runs, and was it slower?


def test_picked_but_slower_takes_the_very_combination_and_every_name(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, pinned_log(), PINNED_INFO)) == ("sparse", "picked-but-slower", "proven")
    twice = combination(LAYER, PAIR[0], [(SPARSE, 0.04), (DENSE_2, 0.05)], SPARSE)
    unnamed = combination(LAYER, PAIR[0], [(DENSE_2, 0.05), tactic(0x9999999999999999, 0.07, None)], DENSE_2)
    for more in (twice, unnamed):
        found = verdict(tmp_path, pinned_log(more), PINNED_INFO)
        assert found.status == "sparse" and told(found)[1:] != ("picked-but-slower", "proven")
    log = pinned_log()
    log.engine.append(engine_line(LAYER, SPARSE, "x2 (Half[4,64,28,28])", "y2 (Half[4,64,28,28])"))
    assert told(verdict(tmp_path, log))[1:] != ("picked-but-slower", "proven")


def test_a_slower_choice_in_another_combination_is_not_what_runs(tmp_path: Path) -> None:
    elsewhere = combination(LAYER, PAIR[0], [(SPARSE_2, 0.09), (DENSE_2, 0.05)], SPARSE_2)
    log = Log(layer(LAYER, elsewhere, combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE, 0.05)], SPARSE)), [engine_line(LAYER, SPARSE)], picked=LAYER)
    assert told(verdict(tmp_path, log, PINNED_INFO)) == ("sparse", "picked", "proven")


def test_a_strategy_is_dropped_only_where_the_log_says_so(tmp_path: Path) -> None:
    cut = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05), "Fast skip Tactic:0x5000000000000009 which exceed time limit during pre-run"], DENSE))
    other = [*one_race(SPARSE, (SPARSE, 0.03), (DENSE_2, 0.06)), FOUND, "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"]
    dropped = "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
    said = strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, [*other, dropped]))
    assert told(verdict(tmp_path, said)) == ("dense", "backend-strategy", "proven")
    unsaid = strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, other))
    assert verdict(tmp_path, unsaid).reason != "backend-strategy"
