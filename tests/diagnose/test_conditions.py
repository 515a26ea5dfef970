"""Captures that come out right because of one condition which no other capture needs. Every text here is invented; nothing in it was measured.

In: logs built line by line as in test_adversarial.py, whose builders these are. Out: assertions on the verdict of one layer. mutants.json names the
condition that each of them holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.test_adversarial import (
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
    USED,
    Log,
    X,
    Y,
    autotuning,
    combination,
    consumer,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    no_valid,
    one_race,
    pinned_log,
    reformat,
    region_log,
    slower_log,
    strategies,
    switch_log,
    tactic,
    told,
    verdict,
)
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LineEvidence

THIRD = f"{HWC8} -> {LINEAR}"
FLOATS = f"{FLOAT} -> {FLOAT}"
RUNS_HWC8 = info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
DROPPED = "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"


def build(tmp_path: Path, log: str, *others: tuple[str, str]) -> BuildDiagnosis:
    for name, text in (("build.log", log), *others):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = explain([str(tmp_path / name) for name in ("build.log", *(name for name, _ in others))]).captures[0].main
    assert found is not None
    return found


def half_elsewhere() -> list[str]:
    """A layer whose combinations are not FP32, so that nothing is proven of the whole pass."""
    return layer("conv9", combination("conv9", PAIR[0], [(DENSE, 0.05)], DENSE))


# ---- the rules


@pytest.mark.parametrize("times", [(0.05, 0.03), (0.03, 0.05)])
def test_a_tactic_with_two_times_has_none(times: Sequence[float], tmp_path: Path) -> None:
    """It won two combinations, and nothing tells which of them runs: neither of its times is that of the layer."""
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, times[0])], DENSE), combination(LAYER, THIRD, [(DENSE, times[1])], DENSE),
        combination(LAYER, PAIR[1], [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE),
    )  # fmt: skip
    found = verdict(tmp_path, Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)]))
    assert (found.reason, found.proof, found.best_dense_ms) == ("unexplained", "unknown", None)


def test_the_sum_of_a_log_that_ends_before_its_engine_is_not_made(tmp_path: Path) -> None:
    text = switch_log([INTO, OUT]).text()
    assert told(verdict(tmp_path, text, RUNS_HWC8)) == ("dense", "io-format", "proven")
    assert told(verdict(tmp_path, text[: text.index(ENGINE)], RUNS_HWC8)) == ("dense", "log-truncated", "unknown")


def test_an_old_gpu_is_proven_by_the_logs_line_alone(tmp_path: Path) -> None:
    """Metadata that someone copied beside the log is of some machine; the log's own line is of this build."""
    text = slower_log(capability="7.5").text()
    assert told(verdict(tmp_path, text)) == ("dense", "no-kernel-arch", "proven")
    copied = json.dumps({"model_options": {}, "build_options": {}, "device_information": {"Compute Capability": "7.5"}})
    found = build(tmp_path, text.replace("[01/02/2030-03:04:05] [I] Compute Capability: 7.5\n", ""), ("build.metadata.json", copied))
    assert [(v.reason, v.proof) for v in found.layers] == [("no-kernel-arch", "suggested")]


# ---- which races are whole


def test_in_a_log_that_ends_before_its_engine_no_race_is_whole(tmp_path: Path) -> None:
    floats = Log(
        [*half_elsewhere(), *layer(LAYER, combination(LAYER, FLOATS, [(DENSE, 0.05)], DENSE))], [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")]
    )  # fmt: skip
    said = info([info_layer(LAYER, DENSE, {"x": "Row major linear FP32"}, {"y": "Row major linear FP32"})])
    assert told(verdict(tmp_path, floats, said)) == ("dense", "no-kernel-precision", "proven")
    text = floats.text()
    assert told(verdict(tmp_path, text[: text.index(ENGINE)], said)) == ("dense", "log-truncated", "unknown")


@pytest.mark.parametrize(
    "gap",
    [
        [CACHED.format(LAYER, FLOATS, RUNNER, DENSE, 0.07)],
        [autotuning(FLOATS), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"],
        [autotuning(FLOATS)],
    ],
    ids=["cached", "no-timing", "silent"],
)
def test_fp32_combinations_of_which_one_is_not_raced(gap: list[str], tmp_path: Path) -> None:
    """What the log holds of the layer is FP32; whether it holds all of the layer is open."""
    log = Log([*half_elsewhere(), *layer(LAYER, combination(LAYER, FLOATS, [(DENSE, 0.05)], DENSE))], [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")])
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "proven")
    log.tuned += gap
    assert verdict(tmp_path, log).proof != "proven"


def test_a_layer_whose_every_combination_says_no_valid_tactics_was_not_raced(tmp_path: Path) -> None:
    """A twin of TensorRT 8: the runner with times, here cuDNN's, prints nothing."""
    combinations = [[autotuning(pair), *no_valid(RUNNER), ">>>>>>>>>>>>>>> Chose Runner Type: CudnnConvolution Tactic: 0x0000000000000001"] for pair in PAIR]
    found = verdict(tmp_path, Log(layer(LAYER, *combinations), [engine_line(LAYER, 1, runner="CudnnConvolution")]))
    assert found.status == "dense" and found.proof != "proven"


def test_a_tactic_is_chosen_of_its_own_runner(tmp_path: Path) -> None:
    """Small ids repeat from runner to runner: that 0x2 of CaskConvolution is sparse says nothing of 0x2 of CudnnConvolution."""
    race = [
        autotuning(PAIR[1]), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])", tactic(2, 0.03, KERNELS[SPARSE]),
        f"--------------- Timing Runner: {LAYER} (CudnnConvolution[0x80000000])", tactic(2, 0.05, None), ">>>>>>>>>>>>>>> Chose Runner Type: CudnnConvolution Tactic: 0x0000000000000002",
    ]  # fmt: skip
    found = build(tmp_path, Log(layer(LAYER, race), [engine_line(LAYER, 2, runner="CudnnConvolution")]).text())
    assert (found.layers[0].status, found.layers[0].best_dense_ms, found.layers[0].best_sparse_ms) == ("dense", 0.05, 0.03)
    assert "capture-mismatch" not in {w.id for w in found.warnings}


def test_an_empty_table_among_others_is_a_gap(tmp_path: Path) -> None:
    floats = "Float(64,1) -> Float(64,1)"
    log = region_log(ROWS)
    log.tuned = [line.replace("Half(64,1) -> Half(64,1)", floats) for line in log.tuned]
    log.tuned[:0] = half_elsewhere()
    assert told(verdict(tmp_path, log, name=OP)) == ("dense", "no-kernel-precision", "proven")
    place = next(n for n, line in enumerate(log.tuned) if "Autotuning op" in line)
    log.tuned.insert(place, log.tuned[place])
    assert verdict(tmp_path, log, name=OP).proof != "proven"


def test_types_of_a_pass_that_was_dropped_are_not_those_of_the_engine(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", FLOATS, [(DENSE, 0.05)], DENSE))
    log = strategies((4, [*other, FOUND, CHOSE, USED.format(4)]), (3, [*other, *half_elsewhere(), FOUND, CHOSE, DROPPED]))
    log.engine = [engine_line("conv0", DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])"), engine_line(LAYER, DENSE, "y (Float[1,64,28,28])", "z (Float[1,64,28,28])")]
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "proven")


# ---- the reformat arithmetic


def test_whether_a_copy_is_free_cannot_be_told_without_the_tensors_size(tmp_path: Path) -> None:
    """At one pixel HWC8 and LINEAR are the same bytes and the copy, which was timed all the same, is left out: then nothing speaks against the switch."""
    linear, hwc = "Half(64,1,1,1)", "Half(8,1:8,8,8)"
    races = layer(
        LAYER, combination(LAYER, f"{hwc} -> {hwc}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{linear} -> {linear}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    )  # fmt: skip
    log = Log([*reformat("x -> <out>", hwc, linear, 0.006), *reformat("<in> -> y", linear, hwc, 0.007), *races], [])
    said = json.loads(RUNS_HWC8)
    for sizes, reason, proof in (([1, 64, 28, 28], "io-format", "proven"), ([1, 64, 1, 1], "unexplained", "unknown"), ([-1, 64, 1, 1], "format-cost", "suggested"), (None, "format-cost", "suggested")):
        for tensor in (*said["Layers"][0]["Inputs"], *said["Layers"][0]["Outputs"]):
            tensor["Dimensions"] = sizes
        found = verdict(tmp_path, log, json.dumps(said))
        assert (found.reason, found.proof) == (reason, proof), sizes


def test_a_neighbour_in_an_unknown_format_leaves_the_sum_open(tmp_path: Path) -> None:
    """conv2 takes a copy of y, and neither its race nor the copy's line says in which format."""
    copied = "Reformatted Input Tensor 0 to conv2"
    engine = [
        engine_line(LAYER, DENSE_HWC, X, Y), engine_line(f"Reformatting CopyNode for Input Tensor 0 to conv2", 0, Y, f"{copied} (Half[1,64,28,28])", "Reformat"),
        engine_line("conv2", DENSE_2, f"{copied} (Half[1,64,28,28])", "z (Half[1,64,28,28])"),
    ]  # fmt: skip
    tuned = layer("conv2", combination("conv2", PAIR[0], [(DENSE_2, 0.01)], DENSE_2))
    assert verdict(tmp_path, switch_log([INTO, OUT], tuned, engine), info([], ("x", "z"))).proof != "proven"
    assert verdict(tmp_path, switch_log([INTO, OUT], (), engine)).proof != "proven"


@pytest.mark.parametrize(("formats", "sparse"), [(FLOATS, PAIR[1]), (PAIR[1], FLOATS)], ids=["types", "lanes"])
def test_a_combination_of_another_type_or_with_lanes_does_not_run(formats: str, sparse: str, tmp_path: Path) -> None:
    """The tactic that runs won two combinations; the engine's line says Half and no lanes, in a log that prints lanes elsewhere."""
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, formats, [(DENSE, 0.02)], DENSE), combination(LAYER, sparse, [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE),
    )  # fmt: skip
    tuned, line = consumer("conv2", Y, "z (Half[1,64:8,28,28])")
    found = verdict(tmp_path, Log([*layer(LAYER, *combinations), *tuned], [engine_line(LAYER, DENSE), line]))
    assert found.best_dense_ms == 0.05


def test_two_neighbours_of_one_name_run_in_formats_of_their_own(tmp_path: Path) -> None:
    """conv2 makes x and another conv2 takes y, both through copies: the name's races are those of both, the tactics tell them apart."""
    plain, made, taken = "(Half[1,64,28,28])", "Reformatted Output Tensor 0 to conv2", "Reformatted Input Tensor 0 to conv2"
    engine = [
        engine_line("conv2", DENSE, f"w {plain}", f"{made} {plain}"), engine_line("Reformatting CopyNode for Output Tensor 0 to conv2", 0, f"{made} {plain}", f"x {plain}", "Reformat"),
        engine_line(LAYER, DENSE_HWC, f"x {plain}", f"y {plain}"), engine_line("Reformatting CopyNode for Input Tensor 0 to conv2", 0, f"y {plain}", f"{taken} {plain}", "Reformat"),
        engine_line("conv2", DENSE_2, f"{taken} {plain}", f"z {plain}"),
    ]  # fmt: skip
    races = layer("conv2", combination("conv2", f"{LINEAR} -> {HWC8}", [(DENSE_2, 0.01)], DENSE_2), combination("conv2", f"{HWC8} -> {LINEAR}", [(DENSE, 0.01)], DENSE))
    costs = [INTO, reformat("<in> -> x", LINEAR, HWC8, 0.001), reformat("y -> <out>", HWC8, LINEAR, 0.002)]
    assert verdict(tmp_path, switch_log(costs, races, engine)).reason == "unexplained"


def test_one_combination_that_would_pay_is_told_though_another_sum_is_open(tmp_path: Path) -> None:
    """Switching to LINEAR needs a copy of x that was never timed; switching the output alone needs one that was, and would pay."""
    more = combination(LAYER, THIRD, [(SPARSE_2, 0.03), (DENSE_2, 0.06)], SPARSE_2)
    found = verdict(tmp_path, switch_log([OUT], more))
    assert (found.reason, found.proof) == ("unexplained", "unknown")  # −0.02 + 0.007


def test_without_the_tensors_a_difference_within_the_band_is_no_tie(tmp_path: Path) -> None:
    """The engine's layer has an input that no combination lists: what the copies cost is unknown."""
    log = switch_log([INTO, OUT], engine=[engine_line(LAYER, DENSE_HWC, f"x (Half[1,64:8,28,28]), r (Half[1,64:8,28,28])", Y)], best_sparse=0.0495)
    assert verdict(tmp_path, log).proof != "proven"


def test_where_one_switch_fails_without_the_networks_tensors_it_is_no_io_format(tmp_path: Path) -> None:
    """u is made inside the network and y leaves it: of two switches one would pay without the copy of y, the other would not."""
    costs = [reformat("u -> <out>", HWC8, LINEAR, 0.02), reformat("<in> -> y", LINEAR, HWC8, 0.02)]
    more = combination(LAYER, THIRD, [(SPARSE_2, 0.04), (DENSE_2, 0.06)], SPARSE_2)
    log = switch_log(costs, more, [engine_line(LAYER, DENSE_HWC, "u (Half[1,64:8,28,28])", Y)])
    found = verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"u": INFO_HWC8}, {"y": INFO_HWC8})], ("x", "y")))
    assert told(found) == ("dense", "format-cost", "proven")


def test_a_copy_of_an_output_that_others_take_too_is_removed_by_the_switch(tmp_path: Path) -> None:
    """conv1 writes HWC8, conv2 takes it as it is, and a copy in LINEAR leaves the network as y."""
    own = "Reformatted Output Tensor 0 to conv1"
    engine = [
        engine_line(LAYER, DENSE_HWC, X, f"{own} (Half[1,64:8,28,28])"), engine_line("Reformatting CopyNode for Output Tensor 0 to conv1", 0, f"{own} (Half[1,64:8,28,28])", "y (Half[1,64,28,28])", "Reformat"),
        engine_line("conv2", DENSE_2, f"{own} (Half[1,64:8,28,28])", "z (Half[1,64:8,28,28])"),
    ]  # fmt: skip
    tuned = layer("conv2", combination("conv2", PAIR[1], [(DENSE_2, 0.01)], DENSE_2))
    costs = [INTO, reformat("<in> -> y", LINEAR, HWC8, 0.007), reformat("<in> -> y", HWC8, LINEAR, 0.006)]
    log = switch_log(costs, [*tuned, f"Adding reformat layer: {own} (y) from {HWC8} to {LINEAR}"], engine)
    found = verdict(tmp_path, log)
    assert found.reason == "unexplained"  # −0.01 + 0.006 (x) + 0.007 (conv2) − 0.006 (y, once copied)


def test_two_combinations_of_a_neighbour_leave_its_format_open(tmp_path: Path) -> None:
    """conv2 takes a copy of y; its tactic won in two formats, and an engine that prints no lanes does not say which of them runs."""
    plain = "(Half[1,64,28,28])"
    copied = "Reformatted Input Tensor 0 to conv2"
    engine = [
        engine_line(LAYER, DENSE_HWC, f"x {plain}", f"y {plain}"), engine_line("Reformatting CopyNode for Input Tensor 0 to conv2", 0, f"y {plain}", f"{copied} {plain}", "Reformat"),
        engine_line("conv2", DENSE_2, f"{copied} {plain}", f"z {plain}"),
    ]  # fmt: skip
    one, two = combination("conv2", PAIR[0], [(DENSE_2, 0.01)], DENSE_2), combination("conv2", PAIR[1], [(DENSE_2, 0.01)], DENSE_2)
    costs = [INTO, reformat("y -> <out>", HWC8, LINEAR, 0.001)]
    sure = switch_log(costs, layer("conv2", one), engine)
    assert verdict(tmp_path, sure).reason == "unexplained"
    assert (verdict(tmp_path, switch_log(costs, layer("conv2", one, two), engine)).proof) == "suggested"
