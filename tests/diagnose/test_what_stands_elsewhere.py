"""What another pass, another run or another layer says proves nothing of this one. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on verdicts; where the same capture without the trap can be
proven, that is asserted, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FLOAT,
    GEMM,
    HWC8,
    INFO_HWC8,
    INFO_LINEAR,
    LAYER,
    LINEAR,
    OP,
    PAIR,
    ROWS,
    SPARSE,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    main,
    reformat,
    region_log,
    strategies,
    told,
    verdict,
    whole,
)
from trtlens.diagnose.explain import Options, explain

PLAIN, LANES = "(Half[1,64,28,28])", "(Half[1,64:8,28,28])"
CHW2 = "Half(25088,784:2,28,1)"
FOUND, CHOSE = f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {LAYER}", "(Sparsity) Chose 0 layer(s) using sparse tactics: "
USED = "Use backend strategy {} with estimated inference time (1) as the initial choice."
DROPPED = "Skip backend strategy {}since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."


# ---- another pass


@pytest.mark.parametrize("made", [CHW2, HWC8])
def test_the_copies_of_a_dropped_pass_are_not_the_engines(made: str, tmp_path: Path) -> None:
    """conv0 writes x in HWC8 in the engine; in the strategy that was dropped it wrote another format: a copy from there costs a lot."""
    own = f"Reformatted Input Tensor 0 to {LAYER}"
    races = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.01)], DENSE_2))
    races += layer(
        LAYER, combination(LAYER, f"{LINEAR} -> {HWC8}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, PAIR[1], [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE)
    )  # fmt: skip
    costs = [*reformat("x -> <out>", HWC8, LINEAR, 0.02), *reformat("x -> <out>", CHW2, LINEAR, 0.02), *reformat("x -> <out>", CHW2, HWC8, 0.06)]
    added = f"Adding reformat layer: {own} (x) from {{}} to {LINEAR}"
    kept, other = (4, [*races, *costs, added.format(HWC8), FOUND, CHOSE, USED.format(4)]), (3, [*races, added.format(made), FOUND, CHOSE, DROPPED.format(3)])
    log = strategies(kept, other)
    copy = f"Reformatting CopyNode for Input Tensor 0 to {LAYER}"
    log.engine = [engine_line("conv0", DENSE_2, f"w {LANES}", f"x {LANES}"), engine_line(copy, 0, f"x {LANES}", f"{own} {PLAIN}", "Reformat"), engine_line(LAYER, DENSE_HWC, f"{own} {PLAIN}", f"y {LANES}")]
    layers = [
        info_layer("conv0", DENSE_2, {"w": INFO_HWC8}, {"x": INFO_HWC8}), info_layer(copy, 0, {"x": INFO_HWC8}, {own: INFO_LINEAR}, "Reformat", "Reformat"),
        info_layer(LAYER, DENSE_HWC, {own: INFO_LINEAR}, {"y": INFO_HWC8}),
    ]  # fmt: skip
    found = verdict(tmp_path, log, info(layers, ("w", "y")))
    assert told(found) == ("dense", "unexplained", "unknown") and "+0 −0.02 ms" in found.summary


# ---- another run


def without_lists(text: str) -> list[str]:
    return [line for line in text.splitlines() if "(Sparsity)" not in line]


OFF = [line.replace("Sparsity: Enabled", "Sparsity: Disabled").replace(" --sparsity=enable", "") for line in without_lists(dense_log(capability="7.5").text())]
ANOTHER = ["[01/02/2030-04:04:05] [V] [TRT] Adding network input: x with dtype: float32, dimensions: (1, 64, 28, 28)", *(line for line in without_lists(dense_log().text()) if "[V]" in line or "Layer(" in line)]
FAILED = "&&&& FAILED TensorRT.trtexec [TensorRT v8601] # trtexec"
MODEL_OPTIONS = "[01/02/2030-04:04:05] [I] === Model Options ==="


@pytest.mark.parametrize("first", [OFF, OFF[:-1], [*OFF, FAILED], [*OFF[:14], FAILED]], ids=["whole", "cut", "failed", "failed early"])
def test_the_options_of_one_run_are_not_those_of_the_next_program(first: list[str], tmp_path: Path) -> None:
    """trtexec builds one engine: what a script builds behind it in the same file has no option block, and nobody knows its flag or its GPU."""
    builds = whole(tmp_path, "\n".join([*first, *ANOTHER, ""])).builds
    assert [build.environment.sparsity for build in builds] == ["disable", None]
    assert builds[1].environment.compute_capability is None and builds[1].environment.precision is None
    assert told(builds[1].layers[0]) == ("ineligible", "flag-off", "suggested")


def test_a_further_block_of_options_is_another_run(tmp_path: Path) -> None:
    """The line that begins it, `&&&& RUNNING`, is lost: as where somebody kept the lines with a date alone."""
    own = dense_log().text().splitlines()[1:]
    builds = whole(tmp_path, "\n".join([*OFF, MODEL_OPTIONS, *own, ""])).builds
    assert [(build.environment.sparsity, build.environment.compute_capability) for build in builds] == [("disable", "7.5"), ("enable", "8.6")]
    assert told(builds[1].layers[0]) == ("dense", "no-kernel", "proven")


def test_an_engine_for_calibration_is_built_with_the_options_of_its_run(tmp_path: Path) -> None:
    """To calibrate INT8 trtexec builds an engine in FP32 first; the second one is that of the options all the same."""
    calibrates = "[01/02/2030-03:04:05] [I] Calibration: Dynamic"
    built = [line for line in OFF if "Engine built" not in line]
    for extra, expected in ((["[01/02/2030-03:04:05] [I] Engine built in 4 sec."], None), ([], "disable")):
        builds = whole(tmp_path, "\n".join([built[0], calibrates, *built[1:], *extra, *ANOTHER, ""])).builds
        assert [build.environment.sparsity for build in builds] == ["disable", expected]


# ---- another layer: concatenations and splits in place, which copy nothing and are called NoOp


def switch(*engine: str, costs: Sequence[tuple[str, str, str, float]] = (("x -> <out>", HWC8, LINEAR, 0.006), ("<in> -> y", LINEAR, HWC8, 0.007)), more: Sequence[str] = ()) -> Log:
    """Dense runs in HWC8 at 0.05 ms, sparse won LINEAR at 0.04 ms."""
    races = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE))
    return Log([*(line for cost in costs for line in reformat(*cost)), *races, *more], list(engine))


def test_what_a_concatenation_in_place_takes_may_be_no_network_output(tmp_path: Path) -> None:
    log = switch(engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}"), engine_line("concat", 0, f"y {LANES}, b {LANES}", "c (Half[1,128:8,28,28])", "NoOp"))
    assert verdict(tmp_path, log).proof != "proven"  # y may leave the network beside, which nothing says
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("concat", 0, {"y": INFO_HWC8, "b": INFO_HWC8}, {"c": INFO_HWC8}, "NoOp", "NoOp")]
    assert told(verdict(tmp_path, log, info(layers, ("x", "b", "c")))) == ("dense", "io-format", "proven")  # x alone is fixed from outside


def test_what_a_concatenation_in_place_makes_is_no_network_input(tmp_path: Path) -> None:
    costs = [("c -> <out>", HWC8, LINEAR, 0.02), ("<in> -> y", LINEAR, HWC8, 0.001)]
    log = switch(engine_line("concat", 0, f"a {LANES}, b {LANES}", f"c {LANES}", "NoOp"), engine_line(LAYER, DENSE_HWC, f"c {LANES}", f"y {LANES}"), costs=costs)
    assert told(verdict(tmp_path, log)) == ("dense", "format-cost", "proven")


def test_the_remedy_names_the_formats_that_the_sparse_tactic_has(tmp_path: Path) -> None:
    """It runs LINEAR, so that a channels-last input is what the network has and must not have."""
    found = verdict(tmp_path, switch(engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}")))
    assert told(found) == ("dense", "io-format", "proven")
    assert [one.text.count("Here the sparse tactic has x in LINEAR and y in LINEAR.") for one in found.remedies] == [1]
    free = [("x -> <out>", HWC8, LINEAR, 0.0), ("<in> -> y", LINEAR, HWC8, 0.02)]
    found = verdict(tmp_path, switch(engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}"), costs=free))
    assert "Here the sparse tactic has y in LINEAR." in found.remedies[0].text  # to copy x costs nothing


@pytest.mark.parametrize("readers", [1, 2])
def test_a_cast_that_several_layers_read_is_one_copy(readers: int, tmp_path: Path) -> None:
    """TensorRT prints casts and quantisations of the network as reformats. Counted once for each reader, the switch would cost more than it saves."""
    more, engine = [], [engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}"), engine_line("Cast_1", 0, f"y {LANES}", f"z {PLAIN}", "Reformat")]
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("Cast_1", 0, {"y": INFO_HWC8}, {"z": INFO_LINEAR}, "Reformat", "Reformat")]
    for number in range(readers):
        more += layer(f"next{number}", combination(f"next{number}", PAIR[0], [(DENSE_2, 0.01)], DENSE_2))
        engine.append(engine_line(f"next{number}", DENSE_2, f"z {PLAIN}", f"out{number} {PLAIN}"))
        layers.append(info_layer(f"next{number}", DENSE_2, {"z": INFO_LINEAR}, {f"out{number}": INFO_LINEAR}))
    log = switch(*engine, costs=[("y -> <out>", HWC8, LINEAR, 0.006), ("y -> <out>", CHW2, LINEAR, 0.03)], more=more)
    log.tuned = [line.replace(PAIR[0], f"{HWC8} -> {CHW2}") if number < log.tuned.index("=============== Computing costs for next0") else line for number, line in enumerate(log.tuned)]
    log.tuned = [line.replace("Time: 0.04", "Time: 0.032") for line in log.tuned]
    found = verdict(tmp_path, log, info(layers, ("x", *(f"out{number}" for number in range(readers)))))
    assert told(found) == (("dense", "format-cost", "proven") if readers == 1 else ("dense", "format-cost", "suggested"))


@pytest.mark.parametrize("silent", [False, True])
def test_a_neighbour_with_a_combination_of_unknown_result_may_run_in_that(silent: bool, tmp_path: Path) -> None:
    """conv0 writes x in HWC8 in the one combination whose race is printed; its twin's race was reused for another one, with what result nobody knows."""
    own = f"Reformatted Input Tensor 0 to {LAYER}"
    copy = f"Reformatting CopyNode for Input Tensor 0 to {LAYER}"
    tuned = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.01)], DENSE_2))
    tuned += [f"*************** Autotuning format combination: {HWC8} -> {CHW2} ***************"] * silent
    tuned += layer(LAYER, combination(LAYER, f"{LINEAR} -> {HWC8}", [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{CHW2} -> {HWC8}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE))
    tuned += [*reformat("x -> <out>", HWC8, LINEAR, 0.001), *reformat("x -> <out>", HWC8, CHW2, 0.04), *reformat("x -> <out>", CHW2, LINEAR, 0.002)]
    engine = [engine_line("conv0", DENSE_2, "w (Half[1,64,28,28])", "x (Half[1,64,28,28])"), engine_line(copy, 0, f"x {PLAIN}", f"{own} {PLAIN}", "Reformat"), engine_line(LAYER, DENSE_HWC, f"{own} {PLAIN}", f"y {PLAIN}")]
    layers = [
        info_layer("conv0", DENSE_2, {"w": "Half"}, {"x": "Half"}), info_layer(copy, 0, {"x": "Half"}, {own: "Half"}, "Reformat", "Reformat"),
        info_layer(LAYER, DENSE_HWC, {own: "Half"}, {"y": "Half"}),
    ]  # fmt: skip
    found = verdict(tmp_path, Log(tuned, engine, version="8.6.1"), info(layers, ("w", "y")))
    assert told(found) == ("dense", "format-cost", "suggested" if silent else "proven")


def test_a_sparse_tactic_that_is_slower_than_what_runs_is_no_switch(tmp_path: Path) -> None:
    """In HWC8, as conv0 writes x, no copy is needed and sparse takes 0.055 ms, dense with its copy 0.07 ms: the contract's sum looks at what is below t*."""
    own = f"Reformatted Input Tensor 0 to {LAYER}"
    copy = f"Reformatting CopyNode for Input Tensor 0 to {LAYER}"
    tuned = layer("conv0", combination("conv0", PAIR[1], [(DENSE_2, 0.01)], DENSE_2))
    races = [(LINEAR, [(DENSE_HWC, 0.05)], DENSE_HWC), (CHW2, [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE), (HWC8, [(SPARSE, 0.055), (DENSE, 0.06)], SPARSE)]
    tuned += layer(LAYER, *(combination(LAYER, f"{form} -> {HWC8}", times, won) for form, times, won in races))
    tuned += [*reformat("x -> <out>", HWC8, LINEAR, 0.02), *reformat("x -> <out>", HWC8, CHW2, 0.05), f"Adding reformat layer: {own} (x) from {HWC8} to {LINEAR}"]
    engine = [engine_line("conv0", DENSE_2, f"w {LANES}", f"x {LANES}"), engine_line(copy, 0, f"x {LANES}", f"{own} {PLAIN}", "Reformat"), engine_line(LAYER, DENSE_HWC, f"{own} {PLAIN}", f"y {LANES}")]
    layers = [
        info_layer("conv0", DENSE_2, {"w": INFO_HWC8}, {"x": INFO_HWC8}), info_layer(copy, 0, {"x": INFO_HWC8}, {own: INFO_LINEAR}, "Reformat", "Reformat"),
        info_layer(LAYER, DENSE_HWC, {own: INFO_LINEAR}, {"y": INFO_HWC8}),
    ]  # fmt: skip
    assert told(verdict(tmp_path, Log(tuned, engine), info(layers, ("w", "y")))) == ("dense", "format-cost", "proven")


# ---- another layer: what its damaged lines may have said of the whole pass


@pytest.mark.parametrize("raced", [True, False])
@pytest.mark.parametrize("lost", [[], ["*************** Autotuning format combination: Half(50176,7"], ["Half(50176,784,28,1) -> Half(50176,784,28,1) ***************"]], ids=["whole", "cut", "beginning lost"])
def test_a_damaged_line_may_have_held_the_one_combination_in_fp16(lost: list[str], raced: bool, tmp_path: Path) -> None:
    """conv2 has no race of its own: that all other combinations of the pass are FP32 proves its reason only if no line of it may have said Half."""
    floats, said = f"{FLOAT} -> {FLOAT}", "Row major linear FP32"
    tuned = layer(LAYER, combination(LAYER, floats, [(DENSE, 0.05)], DENSE))
    tuned += ["=============== Computing costs for conv2", *[f"*************** Autotuning format combination: {floats} ***************"] * raced, *lost]
    engine = [engine_line(name, DENSE, f"{source} (Float[1,64,28,28])", f"{target} (Float[1,64,28,28])") for name, source, target in ((LAYER, "x", "y"), ("conv2", "y", "z"))]
    layers = [info_layer(LAYER, DENSE, {"x": said}, {"y": said}), info_layer("conv2", DENSE, {"y": said}, {"z": said})]
    build = main(tmp_path, Log(tuned, engine, eligible="conv1, conv2"), info(layers, ("x", "z")))
    first, second = build.layers
    if raced or not lost:  # else the damaged line may have been one of its own race
        assert told(first) == ("dense", "no-kernel-precision", "proven")
    assert (second.proof == "proven") is (not lost)


# ---- another list: those of Myelin regions

ELIGIBLE = "(Sparsity) Found {} layer(s) eligible to use sparse tactics: {}"
REGION_2 = "{ForeignNode[Gemm_7.weight...Softmax_8]}"
REUSED = ["=============== Computing costs for " + REGION_2, f"{REGION_2} [Half(64,1) -> Half(64,1)] got cached result: Myelin, tactic 0x0000000000000000, 0.05 ms"]


@pytest.mark.parametrize(
    ("lists", "more", "proof"),
    [
        ([ELIGIBLE.format(0, ""), CHOSE], [], "proven"),
        ([CHOSE], [], "suggested"),
        ([ELIGIBLE.format(1, "Gemm_7")[:40], CHOSE], [], "suggested"),
        ([], REUSED, "suggested"),
    ],
    ids=["whole", "lost", "cut", "reused"],
)  # fmt: skip
def test_what_no_list_of_its_region_could_name_may_be_eligible(lists: list[str], more: list[str], proof: str, tmp_path: Path) -> None:
    log = region_log(ROWS)
    place = log.tuned.index("Tactic: 0x0000000000000000 Time: 0.05")
    log.tuned[place:place] = [f" (foreignNode) {line}" for line in lists]
    log.tuned += more
    kernels = [{"Name": name, "LayerType": "gemm", "Inputs": [], "Outputs": [], "TacticName": GEMM.format(64)} for name in (OP, "Gemm_7")]
    assert told(verdict(tmp_path, log, info(kernels), "Gemm_7")) == ("ineligible", "not-listed", proof)


# ---- another build of a log without tuning


def info_build(eligible: str, *, cache: bool = True) -> list[str]:
    said = [
        *["Local timing cache in use. Profiling results in this builder pass will not be stored."] * cache, "Detected 1 inputs and 1 output network tensors.",
        f"(Sparsity) Layers eligible for sparse math: {eligible}", "(Sparsity) TRT inference plan picked sparse implementation for layers:", "Total Host Persistent Memory: 100",
    ]  # fmt: skip
    return [f"[01/02/2030-03:04:05] [I] [TRT] {line}" for line in said]


@pytest.mark.parametrize("cache", [True, False])
def test_the_list_of_another_build_names_nobody(cache: bool, tmp_path: Path) -> None:
    """A script builds the pruned model and then the dense one, at INFO: the second one's list is empty."""
    layers = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}) | {"HasSparseWeights": 0}])
    found = whole(tmp_path, "\n".join([*info_build(LAYER, cache=cache), *info_build("", cache=cache), ""]), layers)
    assert len(found.builds) == 2 and found.main is not None
    assert found.main.layers[0].eligibility.value is not True and "several-builds" in {warning.id for warning in found.main.warnings}
    alone = whole(tmp_path, "\n".join([*info_build(LAYER, cache=cache), ""]), layers)
    assert len(alone.builds) == 1 and alone.builds[0].layers[0].eligibility.proof == "proven"


def test_layer_info_that_fits_two_builds_is_proven_of_neither(tmp_path: Path) -> None:
    """Nothing in a log at INFO says which of its builds the layer info is of; `--build` does."""
    layers = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})])
    text = "\n".join([*info_build(""), *info_build(LAYER), ""])
    main_build = whole(tmp_path, text, layers).main
    assert main_build is not None and main_build.layers[0].eligibility.proof == "suggested"
    said = explain([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")], Options(build=1)).captures[0].main
    assert said is not None and said.layers[0].eligibility.proof == "proven"


def info_run(sparsity: str, *, finished: bool) -> list[str]:
    """trtexec at INFO; `finished`: with the line that ends a build, which older versions print at VERBOSE alone."""
    stamp = "[01/02/2030-03:04:05] [I] "
    lists = [f"(Sparsity) Layers eligible for sparse math: {LAYER}", "(Sparsity) TRT inference plan picked sparse implementation for layers:"] if sparsity == "Enabled" else []
    return [
        "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=m.onnx --fp16", f"{stamp}=== Build Options ===", f"{stamp}Sparsity: {sparsity}", f"{stamp}TensorRT version: 8.6.1",
        *(f"{stamp}[TRT] {line}" for line in ("[MemUsageChange] Init builder kernel library: CPU +884, GPU +170, now: CPU 1285, GPU 663 (MiB)", "Local timing cache in use. Profiling results in this builder pass will not be stored.", *lists)),
        *[f"{stamp}[TRT] Engine generation completed in 4.2 seconds."] * finished, f"{stamp}Engine built in 4 sec.",
    ]  # fmt: skip


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("order", [("Enabled", "Disabled"), ("Disabled", "Enabled"), ("Enabled",), ("Disabled",)])
def test_with_sparsity_and_without_nobody_knows_which_build_made_the_engine(order: tuple[str, ...], finished: bool, tmp_path: Path) -> None:
    """One log of two runs, at INFO, which prints no engine: the layer info may be of either."""
    layers = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}) | {"HasSparseWeights": 0}])
    found = whole(tmp_path, "\n".join([*(line for sparsity in order for line in info_run(sparsity, finished=finished)), ""]), layers)
    assert found.main is not None
    (only,) = found.main.layers
    told_of = {warning.id for warning in found.main.warnings}
    if len(order) > 1:
        assert only.proof != "proven" and only.eligibility.proof == "suggested" and ("several-builds" in told_of) is finished
    else:
        assert only.eligibility.proof == "proven" and "several-builds" not in told_of
        assert (only.eligibility.value, only.reason) == ((True, "not-captured") if order == ("Enabled",) else (False, "flag-off"))
