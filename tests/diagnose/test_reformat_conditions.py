"""The reformat arithmetic, one condition at a time: which copies a switch adds and removes, and what stays open. Every text here is invented.

In: logs built line by line with the builders of test_adversarial.py: conv1 runs dense in HWC8 and would run sparse in LINEAR. Out: assertions on its
verdict. Where a capture is proven, the same one with the trap must not be.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.diagnose.hand_made import (
    CACHED,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    HWC8,
    INFO_HWC8,
    INFO_LINEAR,
    INTO,
    LAYER,
    LINEAR,
    OUT,
    PAIR,
    SPARSE,
    SPARSE_2,
    Log,
    X,
    Y,
    combination,
    consumer,
    engine_line,
    info,
    info_layer,
    layer,
    reformat,
    slower_log,
    switch_log,
    told,
    verdict,
)
from trtlens.diagnose.explain import Options, explain
from trtlens.diagnose.model import LineEvidence
from trtlens.diagnose.rules import Noise

THIRD = f"{HWC8} -> {LINEAR}"
OWN = "Reformatted Input Tensor 0 to conv1"
COPY = f"Reformatting CopyNode for {OWN.removeprefix('Reformatted ')}"
LANES = "(Half[1,64:8,28,28])"
Z = f"z {LANES}"


def told_with(tmp_path: Path, log: Log, *layers: dict[str, Any], bindings: tuple[str, ...] = ("x", "y")) -> tuple[str, str | None, str]:
    return told(verdict(tmp_path, log, info(list(layers), bindings)))


# ---- who takes the output


def test_without_the_networks_outputs_a_sum_over_a_tensor_that_others_take_is_suggested(tmp_path: Path) -> None:
    """It may leave the network, too, in a format of its own."""
    tuned, line = consumer("conv2", Y, Z)
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    own, other = info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv2", DENSE_2, {"y": INFO_HWC8}, {"z": INFO_HWC8})
    assert told_with(tmp_path, log, own, other, bindings=("x", "z")) == ("dense", "io-format", "proven")
    (tmp_path / "layer_info.json").unlink()
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "suggested")
    pays = switch_log([reformat("x -> <out>", HWC8, LINEAR, 0.001), reformat("<in> -> y", LINEAR, HWC8, 0.001)], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    assert told(verdict(tmp_path, pays)) == ("dense", "unexplained", "unknown")


def test_one_of_two_outputs_that_others_take_is_enough(tmp_path: Path) -> None:
    both = [f"{form} -> {form}, {form}" for form in (LINEAR, HWC8)]
    races = layer(LAYER, combination(LAYER, both[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, both[0], [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE))
    costs = [INTO, OUT, reformat("<in> -> w", LINEAR, HWC8, 0.008)]
    tuned, line = consumer("conv2", Y, Z)
    alone = Log([*(item for cost in costs for item in cost), *races], [engine_line(LAYER, DENSE_HWC, X, f"{Y}, w {LANES}")])
    assert told(verdict(tmp_path, alone)) == ("dense", "io-format", "proven")
    alone.tuned += tuned
    alone.engine.append(line)
    assert told(verdict(tmp_path, alone)) == ("dense", "io-format", "suggested")


def test_what_neighbours_take_or_give_without_a_copy_is_in_the_format_that_runs(tmp_path: Path) -> None:
    """conv0 and conv2 are twins of other layers, their formats are in no race; no copy stands between them and conv1."""
    engine = [engine_line("conv0", DENSE_2, f"w {LANES}", X), engine_line(LAYER, DENSE_HWC, X, Y), engine_line("conv2", DENSE_2, Y, Z)]
    layers = [
        info_layer("conv0", DENSE_2, {"w": INFO_HWC8}, {"x": INFO_HWC8}), info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}),
        info_layer("conv2", DENSE_2, {"y": INFO_HWC8}, {"z": INFO_HWC8}),
    ]  # fmt: skip
    assert told_with(tmp_path, switch_log([INTO, OUT], (), engine), *layers, bindings=("w", "z")) == ("dense", "format-cost", "proven")
    for item in (layers[0], layers[2]):
        del item["LayerType"]
    assert told_with(tmp_path, switch_log([INTO, OUT], (), engine), *layers, bindings=("w", "z")) == ("dense", "format-cost", "proven")


# ---- a copy that stands in the plan


def copied_log(costs: list[list[str]], *more: str, best_sparse: float = 0.045) -> Log:
    """x is LINEAR and copied for conv1: a switch needs no copy of x any more, and one of y."""
    plain = "(Half[1,64,28,28])"
    engine = [engine_line(COPY, 0, f"x {plain}", f"{OWN} {LANES}", "Reformat"), engine_line(LAYER, DENSE_HWC, f"{OWN} {LANES}", Y)]
    return switch_log(costs, more, engine, best_sparse)


ADDED = f"Adding reformat layer: {OWN} (x) from {LINEAR} to {HWC8}"


def test_a_copy_of_the_plan_that_the_switch_removes(tmp_path: Path) -> None:
    there, out = reformat("x -> <out>", LINEAR, HWC8, 0.003), reformat("<in> -> y", LINEAR, HWC8, 0.02)
    found = verdict(tmp_path, copied_log([there, out], ADDED))
    assert told(found) == ("dense", "io-format", "proven") and "+0.02 −0.003 ms, in sum +0.012 ms" in found.summary
    assert [item for item in found.evidence if isinstance(item, LineEvidence) and item.text.endswith((" 0.003", " 0.02"))]
    assert verdict(tmp_path, copied_log([out], ADDED)).proof == "suggested"  # what the copy cost is not in the log
    assert verdict(tmp_path, copied_log([there, out])).proof == "suggested"  # nor from which format it copies


def test_the_lines_of_each_copy_are_cited(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, OUT]))
    texts = [item.text for item in found.evidence if isinstance(item, LineEvidence)]
    assert found.proof == "proven" and all(any(text.endswith(f"Time: {time}") for text in texts) for time in (0.006, 0.007))


@pytest.mark.parametrize("chosen", [1, 2])
def test_the_log_says_from_which_format_a_neighbours_output_is_copied(chosen: int, tmp_path: Path) -> None:
    """conv0 makes x; where its tactic won two formats, only the copy's own line says in which (the engine's lines print no lanes)."""
    races = layer("conv0", *(combination("conv0", pair, [(DENSE_2, 0.01)], DENSE_2) for pair in PAIR[:chosen]))
    there, out = reformat("x -> <out>", LINEAR, HWC8, 0.003), reformat("<in> -> y", LINEAR, HWC8, 0.02)
    log = copied_log([there, out], *races, ADDED)
    log.engine = [line.replace(LANES, "(Half[1,64,28,28])") for line in [engine_line("conv0", DENSE_2, f"w {LANES}", f"x {LANES}"), *log.engine]]
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "proven")
    log.tuned.remove(ADDED)
    assert verdict(tmp_path, log).proof == ("proven" if chosen == 1 else "suggested")


def test_a_copy_behind_the_layer_that_makes_a_tensor(tmp_path: Path) -> None:
    plain, made = "(Half[1,64,28,28])", "Reformatted Output Tensor 0 to conv0"
    engine = [
        engine_line("conv0", DENSE_2, f"w {plain}", f"{made} {plain}"), engine_line("Reformatting CopyNode for Output Tensor 0 to conv0", 0, f"{made} {plain}", X, "Reformat"),
        engine_line(LAYER, DENSE_HWC, X, Y),
    ]  # fmt: skip
    costs = [reformat("<in> -> x", LINEAR, HWC8, 0.003), reformat("<in> -> y", LINEAR, HWC8, 0.02)]
    log = switch_log(costs, [f"Adding reformat layer: {made} (x) from {LINEAR} to {HWC8}"], engine, 0.045)
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "io-format", "suggested") and "+0.02 −0.003 ms" in found.summary  # x may leave the network, too: then its copy stays
    copy = "Reformatting CopyNode for Output Tensor 0 to conv0"
    layers = [
        info_layer("conv0", DENSE_2, {"w": INFO_LINEAR}, {made: INFO_LINEAR}), info_layer(copy, 0, {made: INFO_LINEAR}, {"x": INFO_HWC8}, "Reformat", "Reformat"),
        info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}),
    ]  # fmt: skip
    assert told_with(tmp_path, log, *layers, bindings=("w", "y")) == ("dense", "io-format", "proven")


def test_a_copy_into_the_network_from_an_output_that_others_take_is_of_an_unknown_format(tmp_path: Path) -> None:
    """Only the line that adds the copy says in which format y leaves the network."""
    own = "Reformatted Output Tensor 0 to conv1"
    engine = [
        engine_line(LAYER, DENSE_HWC, X, f"{own} {LANES}"), engine_line("Reformatting CopyNode for Output Tensor 0 to conv1", 0, f"{own} {LANES}", "y (Half[1,64,28,28])", "Reformat"),
        engine_line("conv2", DENSE_2, f"{own} {LANES}", Z),
    ]  # fmt: skip
    tuned = layer("conv2", combination("conv2", PAIR[1], [(DENSE_2, 0.01)], DENSE_2))
    layers = [
        info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {own: INFO_HWC8}), info_layer("Reformatting CopyNode for Output Tensor 0 to conv1", 0, {own: INFO_HWC8}, {"y": INFO_LINEAR}, "Reformat", "Reformat"),
        info_layer("conv2", DENSE_2, {own: INFO_HWC8}, {"z": INFO_HWC8}),
    ]  # fmt: skip
    log = switch_log([INTO, reformat("<in> -> y", LINEAR, HWC8, 0.007), reformat("<in> -> y", HWC8, LINEAR, 0.001)], tuned, engine)
    assert told_with(tmp_path, log, *layers, bindings=("x", "y", "z"))[2] != "proven"
    log.tuned.append(f"Adding reformat layer: {own} (y) from {HWC8} to {LINEAR}")
    assert told_with(tmp_path, log, *layers, bindings=("x", "y", "z")) == ("dense", "io-format", "proven")


def test_an_output_that_is_not_the_networks_is_not_fixed_from_outside(tmp_path: Path) -> None:
    log = switch_log([reformat("x -> <out>", HWC8, LINEAR, 0.001), reformat("<in> -> y", LINEAR, HWC8, 0.02)])
    own = info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})
    assert told_with(tmp_path, log, own, bindings=("x", "y")) == ("dense", "io-format", "proven")
    # Nobody takes y, and it does not leave the network, as far as the inputs say: whether a switch needs a copy of it is open.
    assert told_with(tmp_path, log, own, bindings=("x", "z")) == ("dense", "format-cost", "suggested")


def test_sparse_as_fast_without_the_networks_copies_is_io_format(tmp_path: Path) -> None:
    """u is made inside: −0.25 + 0.25 (u) ms, and 0.25 ms for y, which leaves the network: without it nothing speaks against sparse."""
    races = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_HWC, 0.5)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, 0.25), (DENSE, 0.6)], SPARSE))
    costs = [*reformat("u -> <out>", HWC8, LINEAR, 0.25), *reformat("<in> -> y", LINEAR, HWC8, 0.25)]
    log = Log([*costs, *races], [engine_line(LAYER, DENSE_HWC, f"u {LANES}", Y)])
    assert told_with(tmp_path, log, info_layer(LAYER, DENSE_HWC, {"u": INFO_HWC8}, {"y": INFO_HWC8})) == ("dense", "io-format", "proven")


def test_a_line_about_a_copy_that_is_of_no_known_form(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, OUT], ["Adding reformat layer: of a new kind"]))
    assert (found.status, found.reason) == ("dense", "io-format")


# ---- what a copy costs


def test_the_fastest_time_of_a_copy_counts(tmp_path: Path) -> None:
    for costs in ([OUT, reformat("<in> -> y", LINEAR, HWC8, 0.9)], [reformat("<in> -> y", LINEAR, HWC8, 0.9), OUT]):
        assert "+0.013 −0 ms" in verdict(tmp_path, switch_log([INTO, *costs])).summary


def test_a_copy_whose_time_is_a_cached_result(tmp_path: Path) -> None:
    name = "Optimizer Reformat(<in> -> y)"
    cached = ["=============== Computing reformatting costs: ", CACHED.format(name, f"{LINEAR} -> {HWC8}", "Reformat", 0, 0.007)]
    found = verdict(tmp_path, switch_log([INTO, cached]))
    assert "+0.013 −0 ms" in found.summary and found.reason == "io-format"


def test_one_sum_that_is_open_leaves_the_whole_open(tmp_path: Path) -> None:
    """LINEAR needs copies of x and y, of which that of x was never timed; the other combination needs y alone, and would not pay."""
    more = combination(LAYER, THIRD, [(SPARSE_2, 0.049), (DENSE_2, 0.06)], SPARSE_2)
    assert told(verdict(tmp_path, switch_log([INTO, OUT], more, best_sparse=0.048))) == ("dense", "io-format", "proven")
    assert verdict(tmp_path, switch_log([OUT], more, best_sparse=0.048)).proof == "suggested"


def test_a_copy_that_failed_once_costs_what_it_took_otherwise(tmp_path: Path) -> None:
    for time in ("inf", "nan"):
        failed = [*OUT[:3], f"Tactic: 0x00000000000003e8 Time: {time}", *OUT[3:]]
        found = verdict(tmp_path, switch_log([INTO, failed]))
        assert told(found) == ("dense", "io-format", "proven") and "+0.013 −0 ms" in found.summary


@pytest.mark.parametrize("time", [None, "inf", "nan"])
def test_a_copy_without_a_time_has_no_cost(time: str | None, tmp_path: Path) -> None:
    timed = [] if time is None else [f"Tactic: 0x0000000000000000 Time: {time}"]
    for lines in ([*OUT[:3], *timed], [OUT[0], CACHED.format("Optimizer Reformat(<in> -> y)", f"{LINEAR} -> {HWC8}", "Reformat", 0, time or "")]):
        found = verdict(tmp_path, switch_log([INTO, lines]))
        assert found.status == "dense" and found.proof != "proven" and "+(0.006 + ?) −0 ms; " in found.summary


def test_a_sum_that_is_open_beside_a_closed_one(tmp_path: Path) -> None:
    """As above, the other way round: the first combination closes, the second needs a copy in a format that was never timed."""
    more = combination(LAYER, f"Half(1568,784:32,28,1) -> {HWC8}", [(SPARSE_2, 0.049), (DENSE_2, 0.06)], SPARSE_2)
    assert told(verdict(tmp_path, switch_log([INTO, OUT], more, best_sparse=0.048))) == ("dense", "format-cost", "suggested")


@pytest.mark.parametrize("copy_ms", [0.25, 0.0])
def test_a_sum_of_just_the_band_is_within_it(copy_ms: float, tmp_path: Path) -> None:
    """A band of one half of 0.5 ms: −0.25 and −0.25 + 0.25 + 0.25 ms lie on its very border."""
    races = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_HWC, 0.5)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, 0.25), (DENSE, 0.6)], SPARSE))
    costs = [*reformat("x -> <out>", HWC8, LINEAR, copy_ms), *reformat("<in> -> y", LINEAR, HWC8, copy_ms)]
    (tmp_path / "build.log").write_text(Log([*costs, *races], [engine_line(LAYER, DENSE_HWC, X, Y)]).text(), encoding="utf-8")
    build = explain([str(tmp_path / "build.log")], Options(noise=Noise(0.5, 0.0))).captures[0].main
    assert build is not None and told(build.layers[0]) == ("dense", "tie", "proven")


def test_a_tensor_that_several_layers_write_has_no_part_in_the_sum(tmp_path: Path) -> None:
    tuned, line = consumer("conv2", X, Y)
    found = verdict(tmp_path, switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line]))
    assert "reformats +(0.006 + ?) −? ms; whether" in found.summary and "y is written by several layers" in found.summary
    tuned, line = consumer("conv0", f"w {LANES}", X)
    engine = [line, engine_line("conv3", DENSE_2, f"w {LANES}", X), engine_line(LAYER, DENSE_HWC, X, Y)]
    found = verdict(tmp_path, switch_log([INTO, OUT], [*tuned, *consumer("conv3", f"w {LANES}", X)[0]], engine))
    assert "reformats +(0.007 + ?) −? ms; whether" in found.summary and "x is written by several layers" in found.summary


# ---- inputs that say less than they should


@pytest.mark.parametrize("first", [True, False])
def test_formats_that_are_lost_leave_the_sum_open(first: bool, tmp_path: Path) -> None:
    runs, other = combination(LAYER, PAIR[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    races = layer(LAYER, *((runs[1:], other) if first else (other[1:], runs)))
    found = verdict(tmp_path, Log([*INTO, *OUT, *races], [engine_line(LAYER, DENSE_HWC, X, Y)]))
    assert found.status == "dense" and found.proof != "proven"


@pytest.mark.parametrize("runs", [f"{HWC8}, {HWC8} -> {HWC8}", f"{HWC8} -> {HWC8}, {HWC8}"], ids=["inputs", "outputs"])
def test_what_runs_has_other_tensors_than_the_layer(runs: str, tmp_path: Path) -> None:
    races = layer(LAYER, combination(LAYER, runs, [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE))
    found = verdict(tmp_path, Log([*INTO, *OUT, *races], [engine_line(LAYER, DENSE_HWC, X, Y)]))
    assert found.status == "dense" and found.proof != "proven"


def test_a_neighbour_with_more_tensors_than_its_race(tmp_path: Path) -> None:
    """conv0 makes x as its second output, conv2 takes a copy of y as its second input; their races list one of each."""
    plain, taken = "(Half[1,64,28,28])", "Reformatted Input Tensor 1 to conv2"
    engine = [
        engine_line("conv0", DENSE, f"w {plain}", f"v {plain}, x {plain}"), engine_line(COPY, 0, f"x {plain}", f"{OWN} {plain}", "Reformat"), engine_line(LAYER, DENSE_HWC, f"{OWN} {plain}", f"y {plain}"),
        engine_line("Reformatting CopyNode for Input Tensor 1 to conv2", 0, f"y {plain}", f"{taken} {plain}", "Reformat"), engine_line("conv2", DENSE_2, f"v {plain}, {taken} {plain}", f"z {plain}"),
    ]  # fmt: skip
    races = [*layer("conv0", combination("conv0", PAIR[0], [(DENSE, 0.01)], DENSE)), *layer("conv2", combination("conv2", PAIR[0], [(DENSE_2, 0.01)], DENSE_2))]
    found = verdict(tmp_path, switch_log([INTO, OUT], races, engine))
    assert (found.status, found.proof) == ("dense", "suggested")


def test_an_engine_line_with_more_outputs_than_the_race(tmp_path: Path) -> None:
    found = verdict(tmp_path, switch_log([INTO, OUT], engine=[engine_line(LAYER, DENSE_HWC, X, f"{Y}, w {LANES}")]))
    assert found.status == "dense" and found.proof != "proven"


@pytest.mark.parametrize("lacks", ["Inputs", "Outputs"])
def test_a_copy_without_tensors_takes_no_part(lacks: str, tmp_path: Path) -> None:
    copy = {**info_layer("Reformatting CopyNode for Input Tensor 0 to conv2", 0, {"y": INFO_HWC8}, {"Reformatted Input Tensor 0 to conv2": INFO_LINEAR}, "Reformat", "Reformat"), lacks: []}
    own = info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})
    assert told_with(tmp_path, switch_log([INTO, OUT]), own, copy) == ("dense", "io-format", "proven")


def test_a_copy_of_what_is_not_said(tmp_path: Path) -> None:
    copy = {**info_layer(COPY, 0, {"x": INFO_LINEAR}, {OWN: INFO_HWC8}, "Reformat", "Reformat"), "Inputs": []}
    own = info_layer(LAYER, DENSE_HWC, {OWN: INFO_HWC8}, {"y": INFO_HWC8})
    found = verdict(tmp_path, switch_log([INTO, OUT], engine=[engine_line(LAYER, DENSE_HWC, f"{OWN} {LANES}", Y)]), info([copy, own]))
    assert (found.status, found.proof) == ("dense", "suggested")


@pytest.mark.parametrize("symbolic", ["linear", "hwc"])
def test_a_dynamic_size_in_one_of_two_formats_makes_no_copy_free(symbolic: str, tmp_path: Path) -> None:
    linear, hwc = ("Half((* 50176 (# 0 (SHAPE x))),784,28,1)", HWC8) if symbolic == "linear" else (LINEAR, "Half((* 6272 (# 0 (SHAPE x))),1:8,224,8)")
    races = layer(
        LAYER, combination(LAYER, f"{hwc} -> {hwc}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{linear} -> {linear}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    )  # fmt: skip
    said = json.loads(info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    for tensor in (*said["Layers"][0]["Inputs"], *said["Layers"][0]["Outputs"]):
        tensor["Dimensions"] = [-1, 64, 28, 28]
    log = Log([*reformat("x -> <out>", hwc, linear, 0.006), *reformat("<in> -> y", linear, hwc, 0.007), *races], [])
    assert told(verdict(tmp_path, log, json.dumps(said))) == ("dense", "io-format", "proven")


def test_tensors_without_a_type_contradict_no_race(tmp_path: Path) -> None:
    said = json.loads(info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    for tensor in (*said["Layers"][0]["Inputs"], *said["Layers"][0]["Outputs"]):
        del tensor["Format/Datatype"]
    assert told(verdict(tmp_path, slower_log(), json.dumps(said))) == ("dense", "slower", "proven")


# ---- the network's own tensors, as the log lists them

IN, LEAVES = "[01/02/2030-03:04:05] [V] [TRT] Adding network input: x with dtype: float16, dimensions: (1, 64, 28, 28)", "[01/02/2030-03:04:05] [V] [TRT] Marking {0}_1 as output: {0}"


@pytest.mark.parametrize(
    ("lines", "own", "answer"),
    [
        ([IN, LEAVES.format("z")], True, ("dense", "io-format", "proven")), ([IN, LEAVES.format("y"), LEAVES.format("z")], True, ("dense", "io-format", "proven")),
        ([IN, LEAVES.format("z")], False, ("dense", "io-format", "suggested")), ([IN], True, ("dense", "io-format", "suggested")), ([LEAVES.format("z")], True, ("dense", "io-format", "suggested")),
    ],
    ids=["listed", "both", "another-program", "inputs-alone", "outputs-alone"],
)  # fmt: skip
def test_only_a_log_of_trtexec_lists_every_output(lines: list[str], own: bool, answer: tuple[str, str, str], tmp_path: Path) -> None:
    """Another program may mark more tensors as outputs than the ONNX model does, and says nothing of it."""
    tuned, line = consumer("conv2", Y, Z)
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    log.before = lines
    text = log.text()
    if not own:
        text = "\n".join(item for item in text.splitlines() if "[TRT]" in item or item.startswith("Layer("))
    assert told(verdict(tmp_path, text)) == answer


# ---- lines of a reformat's section that are damaged or lost


def _timed(cost: list[str], *times: float, fastest: float | None = None) -> list[str]:
    """The section of a reformat with several tactics."""
    rows = [f"Tactic: 0x{number:016x} Time: {time}" for number, time in enumerate(times)]
    best = min(times) if fastest is None else fastest
    number = times.index(best) if best in times else len(times)
    return [*cost[:3], *rows, cost[4].split(" Fastest")[0] + f" Fastest Tactic: 0x{number:016x} Time: {best}"]


def _torn(lines: list[str], at: int, keep: int = 25) -> list[str]:
    """The end of one line and the beginning of the next are lost."""
    return [*lines[:at], lines[at][:keep] + lines[at + 1][keep:], *lines[at + 2 :]]


def test_a_damaged_line_among_the_timings_of_a_reformat_lets_no_sum_prove_anything(tmp_path: Path) -> None:
    """The copy of x takes 1 µs, and the line that says so is torn: what is left of the section says 30 µs."""
    cheap, out = _timed(INTO, 0.03, 0.001), reformat("<in> -> y", LINEAR, HWC8, 0.001)
    assert told(verdict(tmp_path, switch_log([cheap, out]))) == ("dense", "unexplained", "unknown")
    found = verdict(tmp_path, switch_log([_torn(cheap, 4), out]))
    assert (found.status, found.proof) == ("dense", "suggested") and "not proven, as" in found.summary


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_torn_line_of_a_reformats_section_is_damage_wherever_it_stands(at: int, tmp_path: Path) -> None:
    assert told(verdict(tmp_path, switch_log([INTO, OUT]))) == ("dense", "io-format", "proven")
    for costs in ([_torn(INTO, at), OUT], [INTO, _torn(OUT, at)]):
        assert verdict(tmp_path, switch_log(costs)).proof != "proven"


def test_a_damaged_line_may_have_named_any_tensor(tmp_path: Path) -> None:
    """The formats of the third reformat are torn; what its timings are of, nobody knows."""
    third = reformat("w -> <out>", HWC8, LINEAR, 0.003)
    assert verdict(tmp_path, switch_log([INTO, OUT, third])).proof == "proven"
    found = verdict(tmp_path, switch_log([INTO, OUT, _torn(third, 1)]))
    assert (found.status, found.proof) == ("dense", "suggested") and "damaged" in found.summary


def test_the_fastest_tactic_of_a_reformat_without_its_time_shows_that_a_line_is_lost(tmp_path: Path) -> None:
    lost = _timed(INTO, 0.03, fastest=0.001)
    assert verdict(tmp_path, switch_log([lost, OUT])).proof != "proven"
    assert verdict(tmp_path, switch_log([_timed(INTO, 0.03, 0.006), OUT])).proof == "proven"


def test_the_chosen_tactic_of_a_reformat_without_its_time_shows_that_a_line_is_lost(tmp_path: Path) -> None:
    chose = ">>>>>>>>>>>>>>> Chose Runner Type: Reformat Tactic: 0x{:016x}"
    assert verdict(tmp_path, switch_log([[*INTO[:4], chose.format(0)], OUT])).proof == "proven"
    assert verdict(tmp_path, switch_log([[*INTO[:4], chose.format(1)], OUT])).proof == "suggested"


def test_a_header_that_is_lost_leaves_two_reformats_in_one_section(tmp_path: Path) -> None:
    other = reformat("x -> <out>", LINEAR, HWC8, 0.03)
    both = [reformat("x -> <out>", HWC8, LINEAR, 0.03), other, OUT]
    assert verdict(tmp_path, switch_log(both)).proof == "proven"
    both[1] = [line for line in other if "Autotuning" not in line and "Computing" not in line]
    assert verdict(tmp_path, switch_log(both)).proof != "proven"


def test_damage_elsewhere_and_sums_without_copies_keep_their_proof(tmp_path: Path) -> None:
    """A torn line in another layer's race says nothing of the copies."""
    tuned, line = consumer("conv9", f"p {LANES}", f"q {LANES}")
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv9", DENSE_2, {"p": INFO_HWC8}, {"q": INFO_HWC8})]
    assert told_with(tmp_path, log, *layers, bindings=("x", "y", "p", "q")) == ("dense", "io-format", "proven")
    log.tuned = [*log.tuned[: -len(tuned)], *_torn(list(tuned), len(tuned) - 3)]
    assert told_with(tmp_path, log, *layers, bindings=("x", "y", "p", "q")) == ("dense", "io-format", "proven")
