"""What one line of a log says of several layers at once: noise that a twin takes over, a copy that several layers read. Every text here is invented.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on verdicts, figures and remedies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CACHED,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FLOAT,
    GEMM,
    HWC8,
    INFO_HWC8,
    INFO_LINEAR,
    KERNELS,
    LAYER,
    LINEAR,
    OP,
    PAIR,
    ROWS,
    SPARSE,
    SPARSE_2,
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
    slower_log,
    table_log,
    tactic,
    told,
    verdict,
)
from trtlens.diagnose.reasons import REASONS
from trtlens.diagnose.session import Session
from trtlens.report.words import headline, notes

LANES = "(Half[1,64:8,28,28])"


def test_a_cached_result_has_the_noise_of_the_race_that_it_repeats(tmp_path: Path) -> None:
    """One dense tactic took 0.05 and 0.056 ms: 5 % more is a tie in that race, so it is one for the twin."""
    race = layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.0525), (DENSE_HWC, 0.05), tactic(DENSE_HWC, 0.056)], DENSE_HWC))
    twin = ["=============== Computing costs for conv2", CACHED.format("conv2", PAIR[1], "CaskConvolution", DENSE_HWC, 0.05)]
    engine = [engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}"), engine_line("conv2", DENSE_HWC, f"y {LANES}", f"z {LANES}")]
    for more in ([], [tactic(0x9999999999999999, 0.09, None)]):  # a plain race, and one that is not
        lines = [*race[:-2], *more, *race[-2:]]
        found = {item.name: item for item in main(tmp_path, Log([*lines, *twin], engine, eligible="conv1, conv2", version="10.3.0")).layers}
        assert told(found[LAYER]) == told(found["conv2"]) == ("dense", "tie", "proven")
        assert found["conv2"].stability == "coin-toss" and found["conv2"].inherited_from == LAYER


# ---- one copy, several readers

PLAIN = "(Half[1,64,28,28])"
THIRD = "Half(6272,1:16,224,8)"


def copy_of(own: str) -> str:
    return f"Reformatting CopyNode for {own.removeprefix('Reformatted ')}"


def written_log(takers: int) -> tuple[Log, str]:
    """conv1 writes HWC8, a copy of it in LINEAR is y, which `takers` layers read: −0.01 + 0.009 − 0.002 ms if sparse writes HWC16."""
    own = f"Reformatted Output Tensor 0 to {LAYER}"
    tuned = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, f"{HWC8} -> {THIRD}", [(SPARSE, 0.04), (DENSE, 0.06)], SPARSE))
    tuned += [*reformat("<in> -> y", HWC8, LINEAR, 0.002), *reformat("<in> -> y", THIRD, LINEAR, 0.009), f"Adding reformat layer: {own} (y) from {HWC8} to {LINEAR}"]
    engine = [engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"{own} {LANES}"), engine_line(copy_of(own), 0, f"{own} {LANES}", f"y {PLAIN}", "Reformat")]
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {own: INFO_HWC8}), info_layer(copy_of(own), 0, {own: INFO_HWC8}, {"y": INFO_LINEAR}, "Reformat", "Reformat")]
    for name in (f"taker{number}" for number in range(takers)):
        tuned += layer(name, combination(name, PAIR[0], [(DENSE_2, 0.01)], DENSE_2))
        engine.append(engine_line(name, DENSE_2, f"y {PLAIN}", f"{name}_out {PLAIN}"))
        layers.append(info_layer(name, DENSE_2, {"y": INFO_LINEAR}, {f"{name}_out": INFO_LINEAR}))
    return Log(tuned, engine), info(layers, ["x", "y", *(f"taker{number}_out" for number in range(takers))])


@pytest.mark.parametrize("takers", [0, 1, 3])
def test_a_copy_of_an_output_is_one_however_many_layers_read_it(takers: int, tmp_path: Path) -> None:
    """Counted once for each reader it would make a switch that pays look like a loss, proven."""
    log, layer_info = written_log(takers)
    found = verdict(tmp_path, log, layer_info)
    assert found.reason == "unexplained" and "reformats +0.009 −0.002 ms, in sum -0.003 ms" in found.summary


def test_what_stands_behind_a_copy_of_an_output_stays_as_it_is(tmp_path: Path) -> None:
    """A taker copies y once more for itself: the switch changes the first copy alone."""
    log, layer_info = written_log(1)
    its_own = "Reformatted Input Tensor 0 to taker0"
    log.engine[-1:] = [engine_line(copy_of(its_own), 0, f"y {PLAIN}", f"{its_own} {LANES}", "Reformat"), engine_line("taker0", DENSE_2, f"{its_own} {LANES}", f"taker0_out {PLAIN}")]
    log.tuned += [*reformat("y -> <out>", LINEAR, HWC8, 0.004), f"Adding reformat layer: {its_own} (y) from {LINEAR} to {HWC8}"]
    layers = json.loads(layer_info)
    layers["Layers"][2:] = [
        info_layer(copy_of(its_own), 0, {"y": INFO_LINEAR}, {its_own: INFO_HWC8}, "Reformat", "Reformat"), info_layer("taker0", DENSE_2, {its_own: INFO_HWC8}, {"taker0_out": INFO_LINEAR}),
    ]  # fmt: skip
    assert "reformats +0.009 −0.002 ms, in sum -0.003 ms" in verdict(tmp_path, log, json.dumps(layers)).summary


@pytest.mark.parametrize(("others", "leaves", "proof"), [(0, False, "proven"), (1, False, "suggested"), (0, True, "suggested")])
def test_a_copy_that_others_read_too_is_not_removed(others: int, leaves: bool, proof: str, tmp_path: Path) -> None:
    """conv0 writes HWC8, conv1 reads a copy in LINEAR: only a copy that serves conv1 alone goes when conv1 reads HWC8."""
    own = "Reformatted Output Tensor 0 to conv0"
    tuned = [*layer("conv0", combination("conv0", f"{LINEAR} -> {HWC8}", [(DENSE_2, 0.01)], DENSE_2))]
    tuned += layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.045), (DENSE_HWC, 0.06)], SPARSE))
    tuned += [*reformat("x -> <out>", HWC8, LINEAR, 0.006), *reformat("<in> -> y", HWC8, LINEAR, 0.012), f"Adding reformat layer: {own} (x) from {HWC8} to {LINEAR}"]
    engine = [engine_line("conv0", DENSE_2, f"w {PLAIN}", f"{own} {LANES}"), engine_line(copy_of(own), 0, f"{own} {LANES}", f"x {PLAIN}", "Reformat")]
    engine += [engine_line(LAYER, DENSE, f"x {PLAIN}", f"y {PLAIN}")]
    layers = [info_layer("conv0", DENSE_2, {"w": INFO_LINEAR}, {own: INFO_HWC8}), info_layer(copy_of(own), 0, {own: INFO_HWC8}, {"x": INFO_LINEAR}, "Reformat", "Reformat")]
    layers += [info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})]
    if others:
        tuned += layer("conv2", combination("conv2", PAIR[0], [(DENSE_2, 0.01)], DENSE_2))
        engine.append(engine_line("conv2", DENSE_2, f"x {PLAIN}", f"z {PLAIN}"))
        layers.append(info_layer("conv2", DENSE_2, {"x": INFO_LINEAR}, {"z": INFO_LINEAR}))
    found = verdict(tmp_path, Log(tuned, engine), info(layers, ["w", "y", *(["x"] if leaves else []), *(["z"] if others else [])]))
    assert found.proof == proof and (found.reason == "tie") is (proof == "proven")


def test_copies_in_a_ring_end(tmp_path: Path) -> None:
    log, layer_info = written_log(1)
    layers = json.loads(layer_info)
    layers["Layers"][1]["Inputs"][0]["Name"] = layers["Layers"][1]["Outputs"][0]["Name"] = "y"
    assert verdict(tmp_path, log, json.dumps(layers)).status == "dense"


# ---- what the dense tactic that runs takes


def bound_of(tmp_path: Path, *combinations: list[str]) -> tuple[float | None, float | None, float | None]:
    """(best dense time, bound of the remedies, bound of the build) where the tactic DENSE runs in LINEAR."""
    log = Log(layer(LAYER, *combinations), [engine_line(LAYER, DENSE, f"x {PLAIN}", f"y {PLAIN}")])
    build = main(tmp_path, log, info([{**info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}), "Dilation": [1, 1]}]))
    found = next(item for item in build.layers if item.name == LAYER)
    return found.best_dense_ms, next(one.gain_ms for one in found.remedies if one.gain_kind == "bound"), build.summary.bound_ms


def test_the_bound_is_that_of_the_tactic_that_runs(tmp_path: Path) -> None:
    """Nothing saves more than the kernel that runs takes, and what it takes is not what the fastest one in another format takes."""
    runs = combination(LAYER, PAIR[0], [(SPARSE_2, 0.2), (DENSE, 0.1)], DENSE)
    alone = bound_of(tmp_path, runs)
    assert alone[0] == 0.1 and alone[1] == alone[2] and alone[1] is not None and 0.09 < alone[1] < 0.1
    closer = combination(LAYER, PAIR[1], [(SPARSE, 0.21), (DENSE_HWC, 0.2)], DENSE_HWC)
    assert bound_of(tmp_path, closer, runs) == (0.2, alone[1], alone[1])
    no_sparse = combination(LAYER, PAIR[0], [(DENSE, 0.1)], DENSE), combination(LAYER, PAIR[1], [(DENSE_HWC, 0.02)], DENSE_HWC)
    assert bound_of(tmp_path, *no_sparse) == (0.02, alone[1], alone[1])


# ---- what the headline counts


def headline_of(tmp_path: Path, *sparse_ms: float) -> str:
    """Layers that run dense in HWC8 at 0.05 ms and were timed sparse in LINEAR; the copies of each cost 0.006 ms."""
    tuned, engine = [], []
    for number, time_ms in enumerate(sparse_ms):
        name, source, target = f"conv{number}", f"x{number}", f"y{number}"
        tuned += [*reformat(f"{source} -> <out>", HWC8, LINEAR, 0.003), *reformat(f"<in> -> {target}", LINEAR, HWC8, 0.003)]
        tuned += layer(name, combination(name, PAIR[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(name, PAIR[0], [(SPARSE, time_ms), (DENSE, 0.06)], SPARSE))
        engine.append(engine_line(name, DENSE_HWC, f"{source} {LANES}", f"{target} {LANES}"))
    return headline(main(tmp_path, Log(tuned, engine, eligible=", ".join(f"conv{number}" for number in range(len(sparse_ms))))))


def test_the_headline_counts_the_layers_whose_gains_it_sums(tmp_path: Path) -> None:
    """At 0.0445 ms the copies cost what sparse saves: a tie, which has no part in the sum, so it is not counted either."""
    assert "sparse was measured faster for 1 of them (0.0040 ms)" in headline_of(tmp_path, 0.0445, 0.046)
    assert headline_of(tmp_path, 0.0445).endswith("sparse was timed for it and was not faster beyond the noise.")
    assert headline_of(tmp_path, 0.0445, 0.0445).endswith("sparse was measured faster beyond the noise for none of them.")


# ---- a log that prints no layer of its engine, as one does that was filtered for TensorRT's prefix


def of_another_build(number: int, formats: str = INFO_HWC8) -> str:
    found = {**info_layer(LAYER, number, {"x": formats}, {"y": formats}), "TacticName": KERNELS[DENSE]}
    return info([found])


@pytest.mark.parametrize("log", [dense_log, slower_log])
def test_a_race_that_did_not_choose_what_runs_is_of_another_build(log: Callable[[], Log], tmp_path: Path) -> None:
    """The layer info names a tactic that no combination of the race chose."""
    found = log()
    chosen = DENSE_2 if log is dense_log else DENSE_HWC
    found.engine.clear()
    assert verdict(tmp_path, found, of_another_build(chosen)).proof == "proven"
    assert verdict(tmp_path, found, of_another_build(0xD0000000000000FF)).proof == "suggested"
    found.tuned.insert(3, tactic(0x9999999999999999, 0.9, None))  # no plain race any more
    assert verdict(tmp_path, found, of_another_build(0xD0000000000000FF)).proof == "suggested"


def test_a_layer_in_fp16_is_not_of_a_pass_of_fp32_alone(tmp_path: Path) -> None:
    floats = f"{FLOAT} -> {FLOAT}"
    silent = layer(LAYER, [f"*************** Autotuning format combination: {floats} ***************"])
    log = Log([*layer("conv0", combination("conv0", floats, [(DENSE, 0.05)], DENSE)), *silent], [])
    for formats, proven in (("Row major linear FP32", True), (INFO_HWC8, False)):
        found = verdict(tmp_path, log, of_another_build(DENSE, formats))
        assert (found.reason == "no-kernel-precision" and found.proof == "proven") is proven
    log.tuned += layer("conv2", combination("conv2", PAIR[1], [(DENSE, 0.05)], DENSE))  # a pass of more than FP32
    assert verdict(tmp_path, log, of_another_build(DENSE, "Row major linear FP32")).reason != "no-kernel-precision"


@pytest.mark.parametrize(("name", "proof"), [(GEMM.format(64), "proven"), (f"{GEMM.format(64)}_execute_kernel_trt", "proven"), (GEMM.format(512), "suggested")])
@pytest.mark.parametrize("log", [table_log, lambda: region_log(ROWS)], ids=["slower", "no-kernel"])
def test_a_table_that_did_not_select_what_runs_is_of_another_operation(log: Callable[[], Log], name: str, proof: str, tmp_path: Path) -> None:
    tensors = [{"Name": tensor, "Location": "Device", "Dimensions": [1, 64], "Format/Datatype": "Half"} for tensor in ("x", "y")]
    found = {"Name": OP, "LayerType": "gemm", "Inputs": tensors[:1], "Outputs": tensors[1:], "TacticName": name, "Metadata": f"[ONNX Layer: {OP}]"}
    assert verdict(tmp_path, log(), info([found]), name=OP).proof == proof


# ---- sparse, though slower


def test_a_sparse_tactic_that_is_slower_has_remedies_with_the_measured_gain(tmp_path: Path) -> None:
    race = combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE_HWC, 0.02)], SPARSE)
    found = verdict(tmp_path, Log(layer(LAYER, race), [engine_line(LAYER, SPARSE, f"x {LANES}", f"y {LANES}")], picked=LAYER))
    assert found.reason == "picked-but-slower" and "without SPARSE_WEIGHTS" in found.remedies[0].text
    assert found.remedies[0].gain_ms == pytest.approx(0.01) and [one.gain_kind for one in found.remedies] == ["measured", "unknown"]


def test_the_bound_is_not_made_of_times_and_sizes_of_two_shapes(tmp_path: Path) -> None:
    """Tuned at batch 1, and the layer info of a run at batch 64: the roofline of the one against the time of the other would say that nothing can be saved."""
    shapes = "[01/02/2030-03:04:05] [I] Input build shape (profile 0): x=1x64x28x28+1x64x28x28+64x64x28x28"
    log = Log(layer(LAYER, combination(LAYER, PAIR[0], [(SPARSE, 0.012), (DENSE, 0.01)], DENSE)), [engine_line(LAYER, DENSE, "x (Half[-1,64,28,28])", "y (Half[-1,64,28,28])")], before=[shapes])
    for batch, bounded in ((1, True), (64, False), (-1, False)):
        tensors = [{"Name": name, "Location": "Device", "Dimensions": [batch, 64, 28, 28], "Format/Datatype": INFO_LINEAR} for name in ("x", "y")]
        told_layer = {**info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}), "Dilation": [1, 1], "Inputs": tensors[:1], "Outputs": tensors[1:]}
        found = verdict(tmp_path, log, info([told_layer]))
        assert any(one.gain_kind == "bound" for one in found.remedies) is bounded
        extras = Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")]).extras()
        assert extras is not None and (LAYER in extras.ceilings and extras.ceilings[LAYER].bound_ratio is not None) is bounded


@pytest.mark.parametrize(("kind", "bounded"), [("Half", True), ("Float", True), ("Int8", False), ("Int4", False)])
def test_weights_that_alone_are_quantised_have_no_bound(kind: str, bounded: bool, tmp_path: Path) -> None:
    """They are a half or a quarter of what the roofline would have a sparse kernel read."""
    log = Log(layer(LAYER, combination(LAYER, PAIR[0], [(SPARSE, 0.12), (DENSE, 0.1)], DENSE)), [engine_line(LAYER, DENSE, f"x {PLAIN}", f"y {PLAIN}")])
    found = info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}) | {"Dilation": [1, 1], "Weights": {"Type": kind, "Count": 36864}}
    assert any(one.gain_kind == "bound" for one in verdict(tmp_path, log, info([found])).remedies) is bounded


def test_a_copy_of_a_copy_leaves_open_from_which_a_switch_would_be_served(tmp_path: Path) -> None:
    """conv0 writes HWC8, a copy in LINEAR leaves the network, and conv1 copies that to HWC16: in HWC8 it could read what conv0 writes."""
    made, its_own = "Reformatted Output Tensor 0 to conv0", f"Reformatted Input Tensor 0 to {LAYER}"
    tuned = layer("conv0", combination("conv0", f"{LINEAR} -> {HWC8}", [(DENSE_2, 0.01)], DENSE_2))
    tuned += layer(LAYER, combination(LAYER, f"{THIRD} -> {LINEAR}", [(DENSE, 0.05)], DENSE), combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE, 0.04), (DENSE_HWC, 0.06)], SPARSE))
    tuned += [*reformat("x -> <out>", LINEAR, THIRD, 0.001), *reformat("x -> <out>", LINEAR, HWC8, 0.02)]
    tuned += [f"Adding reformat layer: {made} (x) from {HWC8} to {LINEAR}", f"Adding reformat layer: {its_own} (x) from {LINEAR} to {THIRD}"]
    wide, sixteen = "(Half[1,64:16,28,28])", "Channel major FP16 format where channel % 16 == 0"
    engine = [
        engine_line("conv0", DENSE_2, f"w {PLAIN}", f"{made} {LANES}"), engine_line(copy_of(made), 0, f"{made} {LANES}", f"x {PLAIN}", "Reformat"),
        engine_line(copy_of(its_own), 0, f"x {PLAIN}", f"{its_own} {wide}", "Reformat"), engine_line(LAYER, DENSE, f"{its_own} {wide}", f"y {PLAIN}"),
    ]  # fmt: skip
    layers = [
        info_layer("conv0", DENSE_2, {"w": INFO_LINEAR}, {made: INFO_HWC8}), info_layer(copy_of(made), 0, {made: INFO_HWC8}, {"x": INFO_LINEAR}, "Reformat", "Reformat"),
        info_layer(copy_of(its_own), 0, {"x": INFO_LINEAR}, {its_own: sixteen}, "Reformat", "Reformat"), info_layer(LAYER, DENSE, {its_own: sixteen}, {"y": INFO_LINEAR}),
    ]  # fmt: skip
    assert verdict(tmp_path, Log(tuned, engine), info(layers, ["w", "x", "y"])).proof != "proven"


def test_the_bound_of_a_build_says_of_how_many_layers_it_is(tmp_path: Path) -> None:
    """Of conv2 nobody knows the sizes: what is known of conv1 is no limit for both."""
    tuned = [line for name in (LAYER, "conv2") for line in layer(name, combination(name, PAIR[0], [(SPARSE, 0.12), (DENSE, 0.1)], DENSE))]
    engine = [engine_line(LAYER, DENSE, f"x {PLAIN}", f"y {PLAIN}"), engine_line("conv2", DENSE, f"y {PLAIN}", f"z {PLAIN}")]
    sized = info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR}) | {"Dilation": [1, 1]}
    other = info_layer("conv2", DENSE, {"y": INFO_LINEAR}, {"z": INFO_LINEAR})
    for second, said in ((other, " ms (bound; it is the sum over 1 of the 2, for the others no bound is known)."), (other | {"Dilation": [1, 1]}, " ms (bound).")):
        assert notes(main(tmp_path, Log(tuned, engine, eligible="conv1, conv2"), info([sized, second])))[0].endswith(said)


def test_how_to_check_the_tuned_shape_is_not_by_strides() -> None:
    """Half(50176,784,28,1) is 1x64x28x28 and 16x64x28x28 alike."""
    assert "Input build shape" in REASONS["opt-shape"].remedies[0].verify


# ---- one small id, two kernels


@pytest.mark.parametrize("turned", [False, True])
def test_a_small_id_that_is_a_sparse_kernel_in_another_combination_contradicts_nothing(turned: bool, tmp_path: Path) -> None:
    """Tactic 5 is a sparse kernel in LINEAR and a dense one in HWC8, and layer info of TensorRT 10 says types alone: the kernel's name tells which runs."""
    races = [combination(LAYER, PAIR[0], [tactic(5, 0.04, KERNELS[SPARSE]), (DENSE, 0.06)], 5), combination(LAYER, PAIR[1], [tactic(5, 0.03, KERNELS[DENSE_HWC]), (DENSE_2, 0.06)], 5)]
    log = Log(layer(LAYER, *(reversed(races) if turned else races)), [engine_line(LAYER, 5, f"x {PLAIN}", f"y {PLAIN}")], version="10.3.0")
    for kernel, proof in ((KERNELS[DENSE_HWC], "proven"), (None, "suggested")):
        told_layer = info_layer(LAYER, 5, {"x": "Half"}, {"y": "Half"}) | ({"TacticName": kernel} if kernel else {})
        build = main(tmp_path, log, info([told_layer]))
        found = next(item for item in build.layers if item.name == LAYER)
        assert told(found) == ("dense", "slower", proof) and (found.best_sparse_ms, found.best_dense_ms) == (0.04, 0.03)
        assert "capture-mismatch" not in {warning.id for warning in build.warnings}


def test_a_small_id_is_told_apart_by_its_kernel_where_both_are_dense(tmp_path: Path) -> None:
    """Which of the two runs decides the sum: 0.05 ms in HWC8 or 0.03 ms in LINEAR."""
    third = combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE, 0.04), (DENSE_2, 0.06)], SPARSE)
    races = [combination(LAYER, PAIR[1], [tactic(5, 0.05, KERNELS[DENSE_HWC])], 5), combination(LAYER, PAIR[0], [tactic(5, 0.03, KERNELS[DENSE])], 5), third]
    log = Log(layer(LAYER, *races), [engine_line(LAYER, 5, f"x {PLAIN}", f"y {PLAIN}")], version="10.3.0")
    for kernel, proof in ((KERNELS[DENSE], "proven"), (KERNELS[DENSE_2], "unknown")):
        found = verdict(tmp_path, log, info([info_layer(LAYER, 5, {"x": "Half"}, {"y": "Half"}) | {"TacticName": kernel}]))
        assert found.proof == proof and (found.best_dense_ms == 0.03) is (proof == "proven")


@pytest.mark.parametrize("more", [[], [tactic(0x9999999999999999, 0.09, None)]], ids=["plain", "whole"])
def test_two_tactics_of_one_kernel_are_told_apart_by_their_ids(more: list[str], tmp_path: Path) -> None:
    """They differ in how they split the sum, which is not in the kernel's name."""
    third = combination(LAYER, f"{HWC8} -> {LINEAR}", [(SPARSE, 0.04), (DENSE_2, 0.06)], SPARSE)
    races = [combination(LAYER, PAIR[1], [(DENSE_HWC, 0.05), *more], DENSE_HWC), combination(LAYER, PAIR[0], [tactic(DENSE, 0.03, KERNELS[DENSE_HWC])], DENSE), third]
    log = Log(layer(LAYER, *races), [engine_line(LAYER, DENSE_HWC, f"x {PLAIN}", f"y {PLAIN}")], version="10.3.0")
    found = verdict(tmp_path, log, info([info_layer(LAYER, DENSE_HWC, {"x": "Half"}, {"y": "Half"})]))
    assert (found.best_sparse_ms, found.best_dense_ms) == (0.04, 0.05)
