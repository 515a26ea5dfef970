"""How the inputs of a capture are joined: which build, what runs, whose times, one condition at a time. Every text here is invented.

In: logs built line by line with the builders of test_adversarial.py, beside layer infos, kernel traces and profiles. Out: assertions on verdicts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CHOSE,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FOUND,
    HWC8,
    INFO_HWC8,
    INFO_LINEAR,
    KERNELS,
    LAYER,
    LEFT_OUT,
    LINEAR,
    PAIR,
    SPARSE,
    USED,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    main,
    one_race,
    reformat,
    region_log,
    slower_log,
    strategies,
    tactic,
    told,
    verdict,
    whole,
)
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LineEvidence

ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"
UNNAMED = 0x9999999999999999


def together(tmp_path: Path, *files: tuple[str, str]) -> BuildDiagnosis:
    for name, text in files:
        (tmp_path / name).write_text(text, encoding="utf-8")
    build = explain([str(tmp_path / name) for name, _ in files]).captures[0].main
    assert build is not None
    return build


# ---- which build


def test_the_build_that_the_layer_info_matches_is_the_main_one(tmp_path: Path) -> None:
    first, second = dense_log(), slower_log(model="other.onnx")
    of_first = info([info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    of_second = info([info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    for said, number, reason in ((of_first, 0, "no-kernel"), (of_second, 1, "slower"), (None, 1, "slower")):
        if said is None:
            (tmp_path / "layer_info.json").unlink()
        found = whole(tmp_path, first.text() + second.text(), said)
        assert found.main_build == number and found.main is not None
        assert told(found.main.layers[0]) == ("dense", reason, "proven")
        assert not [w for w in found.main.warnings if w.id == "capture-mismatch"]


def test_layer_info_of_no_build_is_read_with_the_last_complete_one(tmp_path: Path) -> None:
    stranger = info([info_layer(f"other{n}", DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for n in range(3)])
    cut = slower_log(model="other.onnx").text()
    found = whole(tmp_path, dense_log().text() + cut[: cut.index(ENGINE)], stranger)
    assert found.main_build == 0 and found.main is not None and "capture-mismatch" in {w.id for w in found.main.warnings}
    (tmp_path / "layer_info.json").unlink()
    assert whole(tmp_path, dense_log().text() + cut[: cut.index(ENGINE)]).main_build == 0
    assert whole(tmp_path, cut[: cut.index(ENGINE)] + cut[: cut.index(ENGINE)]).main_build == 1


# ---- the plan around a layer


def test_a_copy_beside_the_layer_leaves_rule_three_open(tmp_path: Path) -> None:
    """Sparse is slower in its format than what runs; with a copy beside the layer the switch might save that copy."""
    plain, own = "(Half[1,64,28,28])", "Reformatted Input Tensor 0 to conv1"
    races = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)
    log = Log(layer(LAYER, *races), [engine_line(LAYER, DENSE, f"x {plain}", f"y {plain}")])
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "proven")
    copy = engine_line("Reformatting CopyNode for Input Tensor 0 to conv1", 0, "x (Half[1,64:8,28,28])", f"{own} {plain}", "Reformat")
    log.engine = [copy, engine_line(LAYER, DENSE, f"{own} {plain}", f"y {plain}")]
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "suggested")


# ---- what runs


def trace(*names: str) -> str:
    rows = [f"{100 * n},50,{n},1,NVIDIA A10,1,7,{name}" for n, name in enumerate(names, 1)]
    return "\n".join(["Start (ns),Duration (ns),CorrId,GrdX,Device,Ctx,Strm,Name", *rows, ""])


def test_a_trace_without_a_sparse_kernel_says_that_none_ran(tmp_path: Path) -> None:
    """Layer info has an id alone, and neither log nor list: the kernels that ran have names."""
    said = {**info_layer(LAYER, UNNAMED, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 1}
    files = ("layer_info.json", info([said]))
    assert (together(tmp_path, files).layers[0].status) == "undetermined"
    dense = together(tmp_path, files, ("trace.csv", trace(KERNELS[DENSE], KERNELS[DENSE_2]))).layers[0]
    assert dense.status == "dense" and dense.proof != "proven" and dense.tactic.sparse is False
    assert {item.line for item in dense.evidence if isinstance(item, LineEvidence)} == {2, 3}
    for names in ((KERNELS[DENSE], KERNELS[SPARSE]), (KERNELS[DENSE], "my_own_kernel_v2")):
        assert together(tmp_path, files, ("trace.csv", trace(*names))).layers[0].status == "undetermined"


def test_a_cause_that_would_be_proven_is_suggested_where_a_trace_alone_says_what_runs(tmp_path: Path) -> None:
    floats = "Float(50176,784,28,1) -> Float(50176,784,28,1)"
    race = combination(LAYER, floats, [tactic(UNNAMED, 0.04, None)], UNNAMED)
    log = Log(layer(LAYER, race), [engine_line(LAYER, UNNAMED, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")]).text()
    found = together(tmp_path, ("build.log", log), ("trace.csv", trace(KERNELS[DENSE]))).layers[0]
    assert told(found) == ("dense", "no-kernel-precision", "suggested")


def test_a_traced_kernel_is_cited(tmp_path: Path) -> None:
    said = info([info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    found = together(tmp_path, ("build.log", dense_log().text()), ("layer_info.json", said), ("trace.csv", trace(KERNELS[DENSE_2], KERNELS[SPARSE]))).layers[0]
    assert any(isinstance(item, LineEvidence) and item.input == 2 and item.line == 2 and item.text.endswith(KERNELS[DENSE_2]) for item in found.evidence)


def test_the_list_of_what_was_chosen_suggests(tmp_path: Path) -> None:
    race = combination(LAYER, PAIR[1], [tactic(UNNAMED, 0.04, None), (DENSE, 0.05)], UNNAMED)
    log = Log(layer(LAYER, race), [engine_line(LAYER, UNNAMED)], picked=LAYER)
    found = verdict(tmp_path, log)
    assert told(found) == ("sparse", "picked", "suggested") and found.tactic.sparse is True and "chosen" in found.summary
    assert any(isinstance(item, LineEvidence) and "picked sparse implementation" in item.text for item in found.evidence)


@pytest.mark.parametrize("kind", ["PointWiseV2", "kgen"])
def test_a_listed_layer_has_weights_whatever_its_type(kind: str, tmp_path: Path) -> None:
    said = {**info_layer(LAYER, UNNAMED, {"x": INFO_HWC8}, {"y": INFO_HWC8}, kind, "Other"), "TacticName": "my_own_kernel_v2"}
    found = verdict(tmp_path, dense_log(), info([said]))
    assert found.eligibility.value is True and found.status != "other"
    assert verdict(tmp_path, dense_log(eligible="conv7"), info([said])).status == "other"


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"TacticName": "my_own_kernel_v2"}, "unnamed-tactic"), ({"TacticValue": None, "TacticName": "my_own_kernel_v2"}, "unnamed-tactic"), ({}, "unnamed-tactic"), ({"TacticValue": None}, "not-captured"),
     ({"TacticValue": None, "LayerType": "gemm"}, "myelin-opaque"), ({"TacticName": "__myelin_CASK_STUB"}, "jit-deferred")],
    ids=["name-says-nothing", "name-alone", "id-alone", "nothing", "instruction", "stub"],
)  # fmt: skip
def test_why_it_is_open_what_runs(said: dict[str, object], reason: str, tmp_path: Path) -> None:
    described = {**info_layer(LAYER, UNNAMED, {"x": INFO_HWC8}, {"y": INFO_HWC8}), **said}
    found = together(tmp_path, ("layer_info.json", info([{key: value for key, value in described.items() if value is not None}]))).layers[0]
    assert told(found) == ("undetermined", reason, "unknown")


def test_names_alone_do_not_say_what_runs(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"Layers": [LAYER, "relu1"], "Bindings": ["x", "y"]}), encoding="utf-8")
    build = explain([str(tmp_path / "model.json")]).captures[0].main
    assert build is not None and "names-only" in {w.id for w in build.warnings}
    assert [told(item) for item in build.layers] == [("undetermined", "names-only", "unknown")] * 2


def test_a_region_is_no_dense_layer_and_its_operation_is_in_a_row_of_its_own(tmp_path: Path) -> None:
    build = main(tmp_path, region_log(["   0, 0.0400000, 1.00000, 0.00000, " + KERNELS[DENSE].replace("fprop_implicit_gemm", "gemm") + ", 0xab1, "]))
    region = next(item for item in build.layers if item.name.startswith("{ForeignNode"))
    assert region.status == "other" and "its operation that" in region.summary
    (row,) = (item for item in build.layers if item is not region)
    assert (row.status, row.tactic.name, row.tactic.sparse) == ("dense", KERNELS[DENSE].replace("fprop_implicit_gemm", "gemm"), False)


# ---- strategies


def test_a_cause_that_the_log_shows_goes_before_the_other_strategy(tmp_path: Path) -> None:
    """Memory is why, as far as the log shows; that another strategy's graph ran sparse is not put in its place."""
    chose = "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    dropped = "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
    won = one_race(SPARSE, (SPARSE, 0.03), (DENSE_2, 0.06))
    cut = layer(LAYER, combination(LAYER, PAIR[1], [LEFT_OUT.replace("5000000000000002", "8888888888888888"), (DENSE, 0.05)], DENSE))
    found = verdict(tmp_path, strategies((4, [*cut, FOUND, CHOSE, USED.format(4)]), (3, [*won, FOUND, chose, dropped])))
    assert told(found) == ("dense", "workspace", "suggested")
    proven = verdict(tmp_path, strategies((4, [*one_race(DENSE, (DENSE, 0.05)), FOUND, CHOSE, USED.format(4)]), (3, [*won, FOUND, chose, dropped])))
    assert told(proven) == ("dense", "no-kernel", "proven")


# ---- times


def profile(*rows: tuple[str, float]) -> str:
    return json.dumps([{"count": 10}, *({"name": name, "timeMs": 10 * ms, "averageMs": ms, "medianMs": ms, "percentage": 50.0} for name, ms in rows)])


@pytest.mark.parametrize(("names", "time_ms"), [((LAYER, "other1", "other2"), 0.5), ((LAYER, "else1", "else2"), None)])
def test_the_times_of_another_build_count_only_where_their_names_match(names: Sequence[str], time_ms: float | None, tmp_path: Path) -> None:
    said = info([info_layer(name, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in (LAYER, "other1", "other2")])
    build = together(tmp_path, ("build.log", dense_log().text()), ("layer_info.json", said), ("profile.json", profile(*((name, 0.5) for name in names))))
    assert "capture-mismatch" in {w.id for w in build.warnings} and build.layers[0].time_ms == time_ms


def test_formats_and_copies_are_told_apart(tmp_path: Path) -> None:
    said = info([
        info_layer("Reformatting CopyNode for Input Tensor 0 to conv1", 0, {"x": INFO_LINEAR}, {"Reformatted Input Tensor 0 to conv1": INFO_HWC8}, "Reformat", "Reformat"),
        info_layer("free", 0, {"x": INFO_LINEAR}, {"w": INFO_LINEAR}, "NoOp", "Reformat"), info_layer("pool", 0, {"x": INFO_LINEAR}, {"v": INFO_LINEAR}, "CudnnPooling", "Pooling"),
    ])  # fmt: skip
    build = together(tmp_path, ("layer_info.json", said), ("profile.json", profile(("Reformatting CopyNode for Input Tensor 0 to conv1", 0.5), ("free", 0.0))))
    assert [item.status for item in build.layers] == ["other"] * 3
    assert ["copies nothing" in item.summary for item in build.layers] == [False, True, False]
    assert ["it copies a tensor" in item.summary for item in build.layers] == [True, False, False]
    zero = together(tmp_path, ("layer_info.json", said), ("profile.json", profile(("Reformatting CopyNode for Input Tensor 0 to conv1", 0.0),)))
    assert "copies nothing" in zero.layers[0].summary


# ---- equal layers


def silent(name: str) -> list[str]:
    return layer(name, [f"*************** Autotuning format combination: {PAIR[1]} ***************", f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}"])


def twins(first: list[str], **changes: object) -> tuple[Log, str]:
    """conv0 raced, conv1 is silent; `changes` of both layers' layer info (None: the key is not there)."""
    log = Log([*layer("conv0", first), *silent(LAYER)], [], eligible="conv0, conv1")
    layers = []
    for name in ("conv0", LAYER):
        described = {**info_layer(name, DENSE, {f"{name}.x": INFO_HWC8}, {f"{name}.y": INFO_HWC8}), **changes}
        layers.append({key: value for key, value in described.items() if value is not None})
    return log, info(layers)


RACE = combination("conv0", PAIR[1], [(SPARSE, 0.07), (DENSE, 0.05)], DENSE)


@pytest.mark.parametrize(
    ("changes", "equal"),
    [({}, True), ({"Kernel": None}, False), ({"Inputs": []}, False), ({"Outputs": []}, False), ({"TacticValue": None}, False)],
    ids=["all", "kernel", "inputs", "outputs", "tactic"],
)
def test_layers_are_equal_where_the_inputs_say_enough(changes: dict[str, object], equal: bool, tmp_path: Path) -> None:
    found = verdict(tmp_path, *twins(RACE, **changes))
    assert (found.inherited_from == "conv0") == equal and found.proof == ("suggested" if equal else "unknown")


def test_what_is_unknown_of_the_race_is_unknown_of_its_twin(tmp_path: Path) -> None:
    found = verdict(tmp_path, *twins(combination("conv0", PAIR[1], [(SPARSE, 0.02), (DENSE, 0.05)], DENSE)))
    assert (found.reason, found.proof, found.inherited_from) == ("unexplained", "unknown", "conv0")


def test_a_layer_is_no_twin_of_its_namesake(tmp_path: Path) -> None:
    log = Log([*layer(LAYER, RACE), *layer("conv9", combination("conv9", PAIR[0], [(DENSE_2, 0.05)], DENSE_2))], [])
    log.tuned = [line.replace("conv0", LAYER) for line in log.tuned]
    text = log.text().replace(f"Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}", "Chose nothing")
    found = verdict(tmp_path, text, info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
    assert found.inherited_from is None and found.proof != "proven"


def test_a_twin_has_the_sum_of_its_own_place(tmp_path: Path) -> None:
    """Its race is conv0's; sparse would be faster in another format."""
    switched = [*combination("conv0", PAIR[1], [(DENSE, 0.05)], DENSE), *combination("conv0", PAIR[0], [(SPARSE, 0.04), (DENSE_2, 0.06)], SPARSE)]
    log, said = twins(switched)
    raced = log.tuned[: log.tuned.index(f"=============== Computing costs for {LAYER}")]  # conv1's combinations are not even listed
    log.tuned = [*reformat("conv0.x -> <out>", HWC8, LINEAR, 0.006), *reformat("<in> -> conv0.y", LINEAR, HWC8, 0.007), *raced]
    bound = json.loads(said) | {"Bindings": ["conv0.x", "conv0.y"]}
    found = verdict(tmp_path, log, json.dumps(bound))
    assert (found.reason, found.proof, found.inherited_from) == ("io-format", "suggested", "conv0") and "reformats +0.013" in found.summary


# ---- who names what runs


def test_a_region_chose_its_operation(tmp_path: Path) -> None:
    lists = ["(Sparsity) Found 1 layer(s) eligible to use sparse tactics: Gemm_1", "(Sparsity) Chose 1 layer(s) using sparse tactics: Gemm_1"]
    build = main(tmp_path, region_log(["   0, 0.0400000, 1.00000, 0.00000, __myl_AbcDef_0x1234, 0xab1, "], lists))
    assert [told(item) for item in build.layers if item.name == "Gemm_1"] == [("sparse", "picked", "suggested")]


def test_a_name_in_layer_info_needs_no_pass(tmp_path: Path) -> None:
    race, chose = one_race(SPARSE, (SPARSE, 0.03), (DENSE, 0.05)), "(Sparsity) Chose 1 layer(s) using sparse tactics: conv1"
    unsaid = strategies((4, [*race, FOUND, chose]), (3, [*race, FOUND, chose]))
    unsaid.engine = [engine_line(LAYER, SPARSE)]
    assert told(verdict(tmp_path, unsaid, info([info_layer(LAYER, SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))) == ("sparse", "picked", "proven")


@pytest.mark.parametrize("rest", ["", "Layer(CaskConvolution): con"], ids=["at the end of a line", "within a line"])
def test_what_a_log_lacks_that_ends_among_its_engines_layers_is_no_stranger(rest: str, tmp_path: Path) -> None:
    log = slower_log(eligible=f"{LAYER}, conv2")
    engine = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv2", DENSE, {"y": INFO_HWC8}, {"z": INFO_HWC8})]
    text = log.text()
    cut = text[: text.index("\n", text.index(f"Layer(CaskConvolution): {LAYER}")) + 1] + rest
    assert main(tmp_path, cut, info(engine)).warnings == ()
    assert told(verdict(tmp_path, cut, info(engine))) == ("dense", "slower", "proven")
    assert [warning.id for warning in main(tmp_path, text, info(engine)).warnings] == ["capture-mismatch"]


@pytest.mark.parametrize("source", ["x (Half[1,64:8,28,28])", "x (Half[1,64,28,28])"], ids=["the formats that sparse won", "other formats"])
def test_a_dense_tactic_that_won_nothing_runs_where_sparse_won(source: str, tmp_path: Path) -> None:
    dense_won = combination(LAYER, PAIR[0], [(DENSE_2, 0.05)], DENSE_2)
    sparse_won = combination(LAYER, PAIR[1], [(SPARSE, 0.02), (DENSE, 0.03)], SPARSE)
    build = main(tmp_path, Log(layer(LAYER, dense_won, sparse_won), [engine_line(LAYER, DENSE, source, source.replace("x", "y"))]))
    assert told(build.layers[0]) == ("dense", "unexplained", "unknown")
    assert [warning.id for warning in build.warnings] == (["capture-mismatch"] if ":8" in source else [])


def test_another_strategys_graph_explains_no_contradiction(tmp_path: Path) -> None:
    race = layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.02), (DENSE, 0.03)], SPARSE))
    chose = f"(Sparsity) Chose 1 layer(s) using sparse tactics: {LAYER}"
    dropped = "Skip backend strategy 3since its estimated inference time (2) is not faster than the previous engine with estimated inference time (1)."
    log = strategies((4, [*race, FOUND, CHOSE, USED.format(4)]), (3, [*race, FOUND, chose, dropped]))
    log.engine = [engine_line(LAYER, DENSE, "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])")]
    build = main(tmp_path, log)
    assert told(build.layers[0]) == ("dense", "unexplained", "unknown")
    assert "capture-mismatch" in [warning.id for warning in build.warnings]
