"""Captures that come out right because of one condition which no other capture needs. Every text here is invented; nothing in it was measured.

In: logs built line by line as in test_adversarial.py, whose builders these are. Out: assertions on the verdict of one layer. mutants.json names the
condition that each of them holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.diagnose.hand_made import (
    CACHED,
    CHOSE,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FLOAT,
    FOUND,
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
    ROWS,
    RUNNER,
    SPARSE,
    SPARSE_2,
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
from tests.small_log import LAYER as SMALL_LAYER
from tests.small_log import layer_info_text, log_text
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


def test_of_two_combinations_with_one_tactic_and_one_time_the_formats_tell_which_runs(tmp_path: Path) -> None:
    combinations = (
        combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, THIRD, [(DENSE, 0.05)], DENSE),
        combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE),
    )  # fmt: skip
    log = Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "suggested")
    said = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})])
    assert told(verdict(tmp_path, log, said)) == ("dense", "slower", "proven")


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
    log = region_log([row.replace("f16f16_f16f32_f32", "f32f32_tf32f32_f32") for row in ROWS])
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


@pytest.mark.parametrize(
    ("linear", "hwc"), [(LINEAR, HWC8), ("Half((* 50176 (# 0 (SHAPE x))),784,28,1)", "Half((* 6272 (# 0 (SHAPE x))),1:8,224,8)")], ids=["numbers", "symbols"]
)  # fmt: skip
def test_a_dynamic_size_makes_no_copy_free(linear: str, hwc: str, tmp_path: Path) -> None:
    """The batch is open, and 28 x 28 pixels are other bytes in HWC8 and LINEAR whatever it is."""
    races = layer(
        LAYER, combination(LAYER, f"{hwc} -> {hwc}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{linear} -> {linear}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    )  # fmt: skip
    said = json.loads(RUNS_HWC8)
    for tensor in (*said["Layers"][0]["Inputs"], *said["Layers"][0]["Outputs"]):
        tensor["Dimensions"] = [-1, 64, 28, 28]
    log = Log([*reformat("x -> <out>", hwc, linear, 0.006), *reformat("<in> -> y", linear, hwc, 0.007), *races], [])
    assert told(verdict(tmp_path, log, json.dumps(said))) == ("dense", "io-format", "proven")


def test_a_neighbour_in_an_unknown_format_leaves_the_sum_open(tmp_path: Path) -> None:
    """conv2 takes a copy of y, and neither its race nor the copy's line says in which format."""
    copied = "Reformatted Input Tensor 0 to conv2"
    engine = [
        engine_line(LAYER, DENSE_HWC, X, Y), engine_line("Reformatting CopyNode for Input Tensor 0 to conv2", 0, Y, f"{copied} (Half[1,64,28,28])", "Reformat"),
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
    log = switch_log([INTO, OUT], engine=[engine_line(LAYER, DENSE_HWC, "x (Half[1,64:8,28,28]), r (Half[1,64:8,28,28])", Y)], best_sparse=0.0495)
    assert verdict(tmp_path, log).proof != "proven"


def test_where_one_switch_pays_without_the_networks_tensors_it_is_io_format(tmp_path: Path) -> None:
    """u is made inside the network and y leaves it: of two switches one would pay without the copy of y, the other would not."""
    costs = [reformat("u -> <out>", HWC8, LINEAR, 0.02), reformat("<in> -> y", LINEAR, HWC8, 0.02)]
    more = combination(LAYER, THIRD, [(SPARSE_2, 0.04), (DENSE_2, 0.06)], SPARSE_2)
    log = switch_log(costs, more, [engine_line(LAYER, DENSE_HWC, "u (Half[1,64:8,28,28])", Y)])
    found = verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"u": INFO_HWC8}, {"y": INFO_HWC8})], ("x", "y")))
    assert told(found) == ("dense", "io-format", "proven") and f"0.04 ms in {THIRD}" in found.summary


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


# ---- layers whose race an equal one ran


def twin_log(*races: list[str], silent: Sequence[str] = (PAIR[1],), runs: int = DENSE) -> Log:
    """conv1 lists its combinations without a timing, as TensorRT 8 does where it reuses the timings of an equal layer."""
    chose = f">>>>>>>>>>>>>>> Chose Runner Type: {RUNNER} Tactic: 0x{runs:016x}"
    lines = [line for formats in silent for line in (autotuning(formats), chose)]
    return Log([*(line for race in races for line in race), *layer(LAYER, lines)], [], eligible="conv0, conv1, conv2")


def equal(name: str, number: int = DENSE, **changes: object) -> dict[str, object]:
    return {**info_layer(name, number, {f"{name}.x": INFO_HWC8}, {f"{name}.y": INFO_HWC8}), **changes}


def raced(name: str, *times: tuple[int, float], formats: str = PAIR[1]) -> list[str]:
    return layer(name, combination(name, formats, list(times), min(times, key=lambda item: item[1])[0]))


def test_a_twin_is_the_one_equal_layer(tmp_path: Path) -> None:
    zero, two = raced("conv0", (SPARSE, 0.07), (DENSE, 0.05)), raced("conv2", (DENSE_2, 0.07), (DENSE, 0.05))
    found = verdict(tmp_path, twin_log(zero), info([equal("conv0"), equal(LAYER)]))
    assert told(found) == ("dense", "slower", "suggested") and found.inherited_from == "conv0"
    both = verdict(tmp_path, twin_log(zero, two), info([equal("conv0"), equal(LAYER), equal("conv2")]))
    assert told(both) == ("dense", "twin-layer", "unknown") and both.inherited_from is None


@pytest.mark.parametrize(
    "other",
    [equal("conv0", DENSE_2), equal("conv0", Kernel=[1, 1]), equal("conv0", Stride=[2, 2]), equal("conv0", Dilation=[2, 2]), equal("conv0", Groups=2), equal("conv0", OutMaps=32)],
    ids=["tactic", "kernel", "stride", "dilation", "groups", "channels"],
)  # fmt: skip
def test_a_layer_that_differs_is_no_twin(other: dict[str, object], tmp_path: Path) -> None:
    zero = raced("conv0", (SPARSE, 0.07), (DENSE, 0.05), (DENSE_2, 0.06))
    found = verdict(tmp_path, twin_log(zero), info([other, equal(LAYER)]))
    assert told(found) == ("dense", "twin-layer", "unknown")


def test_a_twin_has_the_same_operators(tmp_path: Path) -> None:
    def parsed(name: str, operator: str) -> list[str]:
        return [f"Parsing node: {name} [{operator}]", f"{name} [{operator}] inputs: [x -> (1, 64, 28, 28)[FLOAT]], "]

    for operator, reason in (("Conv", "slower"), ("ConvTranspose", "twin-layer")):
        log = twin_log(raced("conv0", (SPARSE, 0.07), (DENSE, 0.05)))
        log.tuned = [*parsed("conv0", operator), *parsed(LAYER, "Conv"), *log.tuned]
        assert verdict(tmp_path, log, info([equal("conv0"), equal(LAYER)])).reason == reason


def test_a_twin_has_the_same_combinations(tmp_path: Path) -> None:
    zero = raced("conv0", (SPARSE, 0.07), (DENSE, 0.05))
    found = verdict(tmp_path, twin_log(zero, silent=PAIR), info([equal("conv0"), equal(LAYER)]))
    assert told(found) == ("dense", "twin-layer", "unknown")


# ---- which list, which pass


def test_the_list_of_a_pass_that_may_be_replaced_proves_no_layer_eligible(tmp_path: Path) -> None:
    text = strategies((4, [*one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05)), FOUND, CHOSE])).text()
    said = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    assert verdict(tmp_path, text, said).eligibility.proof == "proven"
    assert verdict(tmp_path, text[: text.index(ENGINE)], said).eligibility.proof != "proven"


@pytest.mark.parametrize("end", ["conv10", "(Sparsity) TRT inference"])
def test_the_last_line_of_a_cut_log_is_no_whole_list(end: str, tmp_path: Path) -> None:
    """`conv1` may be the beginning of `conv10`, and of a list that ends there nobody knows more."""
    text = dense_log(eligible="conv7, conv10").text()
    cut = text[: text.index(end) + (5 if end == "conv10" else -len("[01/02/2030-03:04:05] [V] [TRT] "))]
    found = verdict(tmp_path, cut, info([info_layer(name, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in (LAYER, "conv10")]))
    assert found.eligibility.proof != "proven" and found.proof != "proven"


def test_a_pass_whose_choice_is_not_what_runs_is_not_the_engines(tmp_path: Path) -> None:
    """The log says that the second one is used; its tactics are not in the engine, the first one's are."""
    first, second = one_race(DENSE, (SPARSE, 0.07), (DENSE, 0.05)), one_race(DENSE_2, (DENSE_HWC, 0.02), (DENSE_2, 0.01))
    found = verdict(tmp_path, strategies((4, [*first, FOUND, CHOSE]), (3, [*second, FOUND, CHOSE, USED.format(3)])))
    assert found.proof != "proven" and found.eligibility.proof != "proven"


def test_a_listed_fusion_of_two_layers_is_neither_of_them(tmp_path: Path) -> None:
    """The list fused what the engine holds apart: either of them, or both, may be what it means."""
    second = layer("conv2", combination("conv2", PAIR[1], [(DENSE_2, 0.04)], DENSE_2))
    log = dense_log(eligible="conv1 + conv2, conv7")
    log.tuned += second
    log.engine.append(engine_line("conv2", DENSE_2, "y (Half[1,64,28,28])", "z (Half[1,64,28,28])"))
    said = [{**info_layer(name, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 0, "Groups": 8} for name in (LAYER, "conv2")]
    for name in (LAYER, "conv2"):
        found = verdict(tmp_path, log, info(said), name)
        assert found.eligibility.value is None and found.status == "dense-unknown"


def test_the_nodes_of_a_fused_name_may_not_be_all(tmp_path: Path) -> None:
    """TensorRT named the fusion of a convolution and its ReLU after the ReLU: that no node has weights is only as sure as the name."""
    rng = np.random.default_rng(7)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["a"], name="conv0"), helper.make_node("Relu", ["a"], ["y"], name=LAYER)],
        "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 16, 16])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 14, 14])],
        [numpy_helper.from_array(rng.normal(size=(16, 8, 3, 3)).astype(np.float32), "w")],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    (tmp_path / "build.log").write_text(dense_log(eligible="conv7").text(), encoding="utf-8")
    diagnosed = explain([str(tmp_path / "build.log"), str(tmp_path / "m.onnx")]).captures[0].main
    assert diagnosed is not None
    found = next(item for item in diagnosed.layers if item.name == LAYER)
    assert told(found) == ("ineligible", "op-kind", "suggested")


# ---- what the inputs together say

UNNAMED = 0x9999999999999999


def unnamed_log(**changes: object) -> Log:
    """The tactic that runs has no name: the lists alone say what kind it is."""
    race = combination(LAYER, PAIR[1], [tactic(UNNAMED, 0.04, None), (DENSE, 0.05)], UNNAMED)
    return Log(layer(LAYER, race), [engine_line(LAYER, UNNAMED)], **changes)  # type: ignore[arg-type]


def test_what_the_lists_say_of_a_tactic_without_a_name(tmp_path: Path) -> None:
    found = verdict(tmp_path, unnamed_log())
    assert found.status == "dense" and found.proof != "proven"
    lost = ["(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv1", "(Sparsity) Chose 2 layer(s) using sparse tactics: conv9"]
    assert verdict(tmp_path, unnamed_log(lists=lost)).status == "undetermined"  # the name that is lost may be this one
    race = unnamed_log().tuned
    unsaid = strategies((4, [*race, FOUND, CHOSE]), (3, [*race, FOUND, CHOSE]))
    unsaid.engine = unnamed_log().engine
    assert verdict(tmp_path, unsaid).status == "undetermined"  # nor does anyone know whose list it is
    said = [{**info_layer(name, UNNAMED, {"x": INFO_HWC8}, {"y": INFO_HWC8})} for name in (LAYER, "other1", "other2")]
    assert verdict(tmp_path, unnamed_log(), info(said)).status == "undetermined"  # the list of another build


def test_dense_by_the_list_alone_is_suggested(tmp_path: Path) -> None:
    """All of the pass is FP32, which would prove why; that the tactic is dense at all is only what the list does not say."""
    race = combination(LAYER, FLOATS, [tactic(UNNAMED, 0.04, None)], UNNAMED)
    log = Log(layer(LAYER, race), [engine_line(LAYER, UNNAMED, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")])
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "suggested")


def test_a_kernel_whose_name_tells_nothing_leaves_it_open_what_runs(tmp_path: Path) -> None:
    said = {**info_layer(LAYER, UNNAMED, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "TacticName": "my_own_kernel_v2"}
    assert verdict(tmp_path, unnamed_log(lists=[]), info([said])).status == "undetermined"


def test_a_name_from_a_pass_that_is_not_certain_suggests(tmp_path: Path) -> None:
    race = one_race(SPARSE, (SPARSE, 0.03), (DENSE, 0.05))
    chose = "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    for log, proof in (
        (strategies((4, [*race, FOUND, chose, USED.format(4)]), (3, [*race, FOUND, chose, DROPPED])), "proven"),
        (strategies((4, [*race, FOUND, chose]), (3, [*race, FOUND, chose])), "suggested"),
    ):
        log.engine = [engine_line(LAYER, SPARSE)]
        assert told(verdict(tmp_path, log)) == ("sparse", "picked", proof)


def test_sparse_though_slower_needs_the_pass_that_made_the_engine(tmp_path: Path) -> None:
    race, chose = pinned_log().tuned, "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    for log, proof in (
        (strategies((4, [*race, FOUND, chose, USED.format(4)]), (3, [*race, FOUND, chose, DROPPED])), "proven"),
        (strategies((4, [*race, FOUND, chose]), (3, [*race, FOUND, chose])), "suggested"),
    ):
        log.engine = [engine_line(LAYER, SPARSE)]
        assert told(verdict(tmp_path, log, PINNED_INFO)) == ("sparse", "picked-but-slower", proof)


def test_of_another_build_only_the_causes_are_taken_and_said_so(tmp_path: Path) -> None:
    said = [info_layer(name, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in (LAYER, "other1", "other2")]
    del said[0]["TacticName"]
    log = dense_log()
    found = verdict(tmp_path, log, info(said))
    assert found.tactic.name is None  # the id is in the log, with a name, for another engine
    said[0]["TacticName"] = KERNELS[DENSE_2]
    found = verdict(tmp_path, log, info(said))
    assert (found.status, found.reason) == ("dense", "no-kernel") and found.summary.startswith("in another build of this model")
    assert not [item for item in found.evidence if isinstance(item, LineEvidence) and "Layer(" in item.text]


def test_in_a_cut_log_a_pass_of_fp32_alone_is_not_whole(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", FLOATS, [(DENSE, 0.05)], DENSE))
    said = info([info_layer(LAYER, DENSE, {"x": "Row major linear FP32"}, {"y": "Row major linear FP32"})])
    text = Log(other, [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")]).text()
    assert told(verdict(tmp_path, text, said)) == ("dense", "no-kernel-precision", "proven")
    assert told(verdict(tmp_path, text[: text.index(ENGINE)], said)) == ("dense", "log-truncated", "unknown")


def test_without_its_tensors_nobody_knows_what_stands_beside_a_layer(tmp_path: Path) -> None:
    combinations = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)
    log = Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log, info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})]))) == ("dense", "slower", "proven")
    assert told(verdict(tmp_path, log, info([info_layer(LAYER, DENSE, {}, {})]))) == ("dense", "slower", "suggested")


def test_a_dropped_strategy_explains_only_where_sparse_won_in_it(tmp_path: Path) -> None:
    cut = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05), "Fast skip Tactic:0x5000000000000009 which exceed time limit during pre-run"], DENSE))
    chose = "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    won, lost = one_race(SPARSE, (SPARSE, 0.03), (DENSE_2, 0.06)), one_race(DENSE_2, (SPARSE, 0.07), (DENSE_2, 0.06))
    said = strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, [*won, FOUND, chose, DROPPED]))
    assert told(verdict(tmp_path, said)) == ("dense", "backend-strategy", "proven")
    against = strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, [*lost, FOUND, chose, DROPPED]))
    assert verdict(tmp_path, against).reason != "backend-strategy"
    other = [info_layer(name, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in (LAYER, "other1", "other2")]
    assert verdict(tmp_path, said, info(other)).reason != "backend-strategy"


# ---- a log that ends early


@pytest.mark.parametrize("end", ["=============== Computing reformatting costs", "Registering layer: conv1"])
def test_a_verbose_log_that_ends_before_tuning_is_cut_not_quiet(end: str, tmp_path: Path) -> None:
    text = log_text()
    cut = text[: text.index(f"[01/02/2026-03:04:05] [V] [TRT] {end}")]
    found = build(tmp_path, cut, ("layer_info.json", layer_info_text()))
    layer_verdict = next(item for item in found.layers if item.name == SMALL_LAYER)
    assert told(layer_verdict) == ("dense", "log-truncated", "unknown")
    assert "log-truncated" in {w.id for w in found.warnings}


@pytest.mark.parametrize(
    "more",
    ["[01/02/2026-03:04:05] [E] Engine could not be created from network\n&&&& FAILED TensorRT.trtexec [TensorRT v861] # trtexec\n", "[01/02/2026-03:04:09] [V] [TRT] Engine generation completed in 4 seconds.\n"],
    ids=["failed", "complete"],
)  # fmt: skip
def test_a_log_that_goes_on_to_an_end_is_not_cut(more: str, tmp_path: Path) -> None:
    text = log_text()
    text = text[: text.index("[01/02/2026-03:04:05] [V] [TRT] =============== Computing reformatting costs")] + more
    found = build(tmp_path, text, ("layer_info.json", layer_info_text()))
    layer_verdict = next(item for item in found.layers if item.name == SMALL_LAYER)
    assert (layer_verdict.status, layer_verdict.reason) == ("dense", "not-captured")
    assert "log-truncated" not in {w.id for w in found.warnings}


# ---- which reason, where nothing is proven


def test_why_the_race_is_not_in_the_log(tmp_path: Path) -> None:
    """Reused, cached, partly lost or never there: each is said."""
    runner_line = f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"
    assert verdict(tmp_path, Log([*half_elsewhere(), *layer(LAYER, [autotuning(PAIR[1])])], [engine_line(LAYER, DENSE)])).reason == "twin-layer"
    assert verdict(tmp_path, Log([*half_elsewhere(), *layer(LAYER, [autotuning(PAIR[1]), runner_line])], [engine_line(LAYER, DENSE)])).reason == "not-captured"
    none = Log(half_elsewhere(), [engine_line("conv0", DENSE, "w (Half[1,64,28,28])", "x (Half[1,64,28,28])"), engine_line(LAYER, DENSE)])
    assert verdict(tmp_path, none).reason == "twin-layer"
    none.tuned.insert(0, "Loaded 12 timing cache entries")
    assert verdict(tmp_path, none).reason == "timing-cache"


def test_why_a_part_of_the_race_is_not_in_the_log(tmp_path: Path) -> None:
    runner_line = f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"
    for gap, reason in (
        ([autotuning(THIRD)], "twin-layer"), ([autotuning(THIRD), runner_line], "not-captured"), ([CACHED.format(LAYER, THIRD, RUNNER, DENSE, 0.07)], "timing-cache"),
    ):  # fmt: skip
        log = dense_log()
        log.tuned += gap
        found = verdict(tmp_path, log)
        assert (found.reason, found.proof) == (reason, "unknown")
    log = dense_log()
    log.tuned = ["Loaded 12 timing cache entries", *log.tuned, autotuning(THIRD), runner_line]
    assert verdict(tmp_path, log).reason == "timing-cache"


@pytest.mark.parametrize(
    "left_out",
    ["Tactic: 0x8888888888888888 skipped. Scratch requested: 2000, available: 1000",
     "[01/02/2030-03:04:06] [W] [TRT] Skipping tactic 0x8888888888888888 due to insufficient memory on requested size of 8589934592 detected for tactic 0x8888888888888888."],
    ids=["scratch", "memory"],
)  # fmt: skip
def test_a_tactic_without_a_name_that_was_left_out_for_memory_may_be_the_reason(left_out: str, tmp_path: Path) -> None:
    assert told(verdict(tmp_path, dense_log([left_out]))) == ("dense", "workspace", "suggested")


def test_a_result_that_repeats_the_layers_own_race_is_its_own(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned.append(CACHED.format(LAYER, PAIR[1], RUNNER, DENSE_2, 0.04))
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "no-kernel", "proven") and found.inherited_from is None


# ---- what a time is compared with


def test_a_choice_without_a_time_and_no_other_dense_tactic(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.04)], DENSE_2))
    log = Log([*other, *layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.06)], DENSE_2))], [engine_line(LAYER, DENSE_2)])
    found = verdict(tmp_path, log)
    assert found.status == "dense" and found.proof != "proven" and found.best_dense_ms is None


@pytest.mark.parametrize("places", [(0, 1), (1, 0)])
def test_of_two_combinations_with_one_tactic_the_one_with_a_time_has_it(places: Sequence[int], tmp_path: Path) -> None:
    """cuDNN's tactic 1 was chosen in both; for one of them its timing was reused and is not printed."""
    races = (
        [autotuning(PAIR[0]), *no_valid(RUNNER), ">>>>>>>>>>>>>>> Chose Runner Type: CudnnConvolution Tactic: 0x0000000000000001"],
        [autotuning(THIRD), *no_valid(RUNNER), *combination(LAYER, THIRD, [tactic(1, 0.05, None)], 1, "CudnnConvolution")[1:]],
    )  # fmt: skip
    sparse = combination(LAYER, PAIR[1], [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE)
    found = verdict(tmp_path, Log(layer(LAYER, *(races[place] for place in places), sparse), [engine_line(LAYER, 1, runner="CudnnConvolution")]))
    assert found.reason == "unexplained" and found.best_dense_ms in (None, 0.05) and (found.margin is None or found.margin == pytest.approx(-0.2))


def test_a_choice_without_a_time_gives_no_time_to_compare(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", PAIR[0], [(DENSE_2, 0.04)], DENSE_2))
    races = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE_2), combination(LAYER, PAIR[1], [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE)
    found = verdict(tmp_path, Log([*other, *layer(LAYER, *races)], [engine_line(LAYER, DENSE_2)]))
    assert (found.reason, found.best_dense_ms, found.margin) == ("unexplained", None, None)


def test_no_time_is_compared_with_zero(tmp_path: Path) -> None:
    """What took 0 ms was not measured: neither how much slower sparse is follows from it, nor that both are equal."""
    for sparse_ms in (0.0, 0.03):
        lost = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, sparse_ms), (DENSE, 0.0)], DENSE)), [engine_line(LAYER, DENSE)])
        won = Log(layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.0)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, sparse_ms), (DENSE_HWC, 0.06)], SPARSE)), [engine_line(LAYER, DENSE)])
        for log in (lost, won):
            found = verdict(tmp_path, log)
            assert (found.reason, found.proof) == ("unexplained", "unknown") and (found.margin is None or math.isfinite(found.margin))


def test_a_strategys_choice_without_a_time_has_none(tmp_path: Path) -> None:
    cut = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05), "Fast skip Tactic:0x5000000000000009 which exceed time limit during pre-run"], DENSE))
    untimed = [*layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_2, 0.06)], SPARSE)), *layer("conv0", combination("conv0", PAIR[1], [(SPARSE, 0.06)], SPARSE))]
    log = strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, [*untimed, FOUND, "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1", DROPPED]))
    found = verdict(tmp_path, log)
    assert (found.reason, found.best_sparse_ms) == ("backend-strategy", None)


def test_a_tie_stays_one_whatever_an_unnamed_tactic_is(tmp_path: Path) -> None:
    """It lost to the tactic that was chosen, so it could not make sparse the better choice."""
    race = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.0505), tactic(UNNAMED, 0.0502, None)], DENSE)
    assert told(verdict(tmp_path, Log(layer(LAYER, race), [engine_line(LAYER, DENSE)]))) == ("dense", "tie", "proven")


@pytest.mark.parametrize("time_ms", [0.9, 0.045])
def test_an_unnamed_tactic_that_lost_to_a_sparse_one_changes_no_sum(time_ms: float, tmp_path: Path) -> None:
    log = switch_log([INTO, OUT])
    assert verdict(tmp_path, log).stability == "near"  # a loss of 0.003 ms, twice the band
    log.tuned.insert(next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line), tactic(UNNAMED, time_ms, None))
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "proven")


def test_a_sum_within_the_band_is_a_coin_toss_however_far_the_times_are_apart(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, reformat("<in> -> y", LINEAR, HWC8, 0.0045)]))
    assert (found.reason, found.stability) == ("tie", "coin-toss") and found.margin == pytest.approx(-0.2)


def test_what_is_unexplained_is_not_suggested_by_a_gap(tmp_path: Path) -> None:
    """The copies would have paid: that a tactic was skipped makes this no surer."""
    log = switch_log([reformat("x -> <out>", HWC8, LINEAR, 0.001), reformat("<in> -> y", LINEAR, HWC8, 0.001)])
    assert told(verdict(tmp_path, log)) == ("dense", "unexplained", "unknown")
    log.tuned.insert(next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line), LEFT_OUT)
    assert told(verdict(tmp_path, log)) == ("dense", "unexplained", "unknown")


def test_a_skipped_tactic_that_is_known_to_be_dense_or_was_the_only_one_leaves_nothing_open(tmp_path: Path) -> None:
    log = slower_log()
    log.tuned[:0] = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.05)], DENSE_2))
    log.tuned.insert(-2, f"Tactic: 0x{DENSE_2:016x} skipped. Scratch requested: 2000, available: 1000")
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")
    log = slower_log()
    log.tuned += [autotuning(THIRD), f"--------------- Timing Runner: {LAYER} (CudnnConvolution[0x80000000])", "Tactic: 0x0000000000000001 is the only option, timing skipped", tactic(1, 0.05, None),
                  ">>>>>>>>>>>>>>> Chose Runner Type: CudnnConvolution Tactic: 0x0000000000000001"]  # fmt: skip
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")


def test_layer_info_that_names_no_runner_is_joined_by_the_id(tmp_path: Path) -> None:
    said = json.loads(RUNS_HWC8)
    del said["Layers"][0]["LayerType"]
    assert told(verdict(tmp_path, slower_log(), json.dumps(said))) == ("dense", "slower", "proven")


def test_formats_tell_in_which_combination_a_neighbour_runs(tmp_path: Path) -> None:
    """conv2's tactic won in two formats; its line says eight lanes."""
    copied, lanes = "Reformatted Input Tensor 0 to conv2", "(Half[1,64:8,28,28])"
    engine = [
        engine_line(LAYER, DENSE_HWC, X, Y), engine_line("Reformatting CopyNode for Input Tensor 0 to conv2", 0, Y, f"{copied} {lanes}", "Reformat"),
        engine_line("conv2", DENSE_2, f"{copied} {lanes}", f"z {lanes}"),
    ]  # fmt: skip
    races = layer("conv2", *(combination("conv2", pair, [(DENSE_2, 0.01)], DENSE_2) for pair in PAIR))
    found = verdict(tmp_path, switch_log([INTO, reformat("y -> <out>", LINEAR, HWC8, 0.007)], races, engine))
    assert found.reason == "io-format" and "not all of it was measured" not in found.summary


def test_types_of_another_build_are_not_this_ones(tmp_path: Path) -> None:
    other = layer("conv0", combination("conv0", FLOATS, [(DENSE, 0.05)], DENSE))
    lines = [engine_line("conv0", DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])"), engine_line(LAYER, DENSE, "y (Float[1,64,28,28])", "z (Float[1,64,28,28])")]
    assert told(verdict(tmp_path, dense_log(model="other.onnx").text() + Log(other, lines).text())) == ("dense", "no-kernel-precision", "proven")


def test_a_log_that_trtexec_did_not_write_needs_no_standard_error(tmp_path: Path) -> None:
    """A program's logger has one stream."""
    text = "\n".join(line for line in dense_log().text().splitlines() if "[V]" in line or line.startswith("Layer("))
    assert told(verdict(tmp_path, text)) == ("dense", "no-kernel", "proven")


# ---- what is no gap


def test_what_stands_in_or_near_a_race_and_takes_nothing_from_it(tmp_path: Path) -> None:
    elsewhere = layer("pool9", combination("pool9", PAIR[0], [LEFT_OUT, tactic(0, 0.01, None)], 0, "CudnnPooling"))
    no_tactic = [f"--------------- Timing Runner: {LAYER} (CaskFlattenConvolution[0x80000008])", f"{LAYER} (CaskFlattenConvolution[0x80000008]) profiling completed in 0.1 seconds. Fastest Tactic: 0xd15ea5edd15ea5ed Time: inf"]
    for inside, behind in (
        (["conv7: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."], []), ([tactic(0xD15EA5EDD15EA5ED, "inf", None)], []), (no_tactic, []), ([], elsewhere),
    ):  # fmt: skip
        log = dense_log()
        log.tuned[-1:-1] = inside
        log.tuned += behind
        assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven"), (inside, behind)


def test_only_a_tactic_with_itself_shows_how_much_times_scatter(tmp_path: Path) -> None:
    """Two tactics timed twice in two combinations: their times differ from each other and from combination to combination, not from themselves."""
    races = [combination(LAYER, pair, [(SPARSE, ms), (SPARSE, ms), (DENSE, ms * 0.9), (DENSE, ms * 0.9)], DENSE) for pair, ms in zip((*PAIR, THIRD), (0.05, 0.09, 0.07), strict=True)]
    found = verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, DENSE)]))
    assert (found.reason, found.stability) == ("slower", "stable")


def test_the_layers_own_race_names_a_small_number(tmp_path: Path) -> None:
    race = combination(LAYER, PAIR[1], [tactic(5, 0.03, KERNELS[SPARSE]), (DENSE, 0.05)], 5)
    other = layer("conv0", combination("conv0", PAIR[1], [tactic(5, 0.03, KERNELS[DENSE])], 5))
    found = verdict(tmp_path, Log([*other, *layer(LAYER, race)], [engine_line(LAYER, 5)], picked=LAYER))
    assert told(found) == ("sparse", "picked", "proven") and found.tactic.name == KERNELS[SPARSE]


def test_an_equal_race_after_a_cached_result_is_not_the_one_it_repeats(tmp_path: Path) -> None:
    line = CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)
    later = layer("conv8", combination("conv8", PAIR[1], [(SPARSE, 0.06), (DENSE, 0.05)], DENSE))
    found = verdict(tmp_path, cached_log([line, *later]))
    assert told(found) == ("dense", "slower", "proven") and found.inherited_from == "conv0"


def test_a_cached_result_of_a_dense_runner_repeats_a_race_of_all_runners(tmp_path: Path) -> None:
    both = combination("conv0", THIRD, [(DENSE, 0.06)], None)
    both += ["--------------- Timing Runner: conv0 (CudnnConvolution[0x80000000])", tactic(1, 0.05, None), ">>>>>>>>>>>>>>> Chose Runner Type: CudnnConvolution Tactic: 0x0000000000000001"]
    race = layer("conv0", combination("conv0", PAIR[1], [(DENSE, 0.04), (DENSE_2, 0.06)], DENSE), both)
    lines = [CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.04), CACHED.format(LAYER, THIRD, "CudnnConvolution", 1, 0.05)]
    log = cached_log([])
    log.tuned = [*race, f"=============== Computing costs for {LAYER}", *lines]
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven")
