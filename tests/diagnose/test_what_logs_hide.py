"""What a log does not say proves nothing: types inside a Myelin region, tactics left out by heuristics, lists that contradict the kernels.

In: hand-made logs and layer info. Out: no `proven` where the cited lines do not prove it, and the right reason in its place.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CACHED,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    FLOAT,
    GEMM,
    INFO_HWC8,
    INFO_LINEAR,
    KERNELS,
    LAYER,
    OP,
    PAIR,
    REGION,
    ROW,
    RUNNER,
    SPARSE,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    main,
    region_log,
    slower_log,
    tactic,
    told,
    verdict,
)
from trtlens.diagnose.model import LayerVerdict, LineEvidence

FLOATS = f"{FLOAT} -> {FLOAT}"
HALF_ROWS = [ROW.format(0, "0.0400000", GEMM.format(64), 0xAB1), ROW.format(1, "0.0500000", GEMM.format(128), 0xAB2)]
TF32 = "sm80_xmma_gemm_f32f32_tf32f32_f32_tn_n_tilesize{}x32x64_stage3_warpsize2x1x2_tensor16x8x8"
FLOAT_ROWS = [ROW.format(0, "0.0400000", "sm50_xmma_cublas_gemvx_f32f32_f32_f32_tn_n_int32_unit_n", 0xAB1), ROW.format(1, "0.0500000", TF32.format(64), 0xAB2)]


def at_float_borders(log: Log) -> Log:
    """The region takes and gives FP32, whatever runs inside, and nothing else is tuned."""
    log.tuned = [line.replace("Half(64,1) -> Half(64,1)", "Float(64,1) -> Float(64,1)") for line in log.tuned]
    log.engine = [engine_line(REGION, 0, "x (Float[1,64])", "y (Float[1,64])", "Myelin")]
    return log


def cited(found: LayerVerdict) -> str:
    return "\n".join(item.text for item in found.evidence if isinstance(item, LineEvidence))


# ---- inside a Myelin region


def test_the_types_inside_a_region_are_those_of_its_kernels(tmp_path: Path) -> None:
    half = verdict(tmp_path, at_float_borders(region_log(HALF_ROWS)), name=OP)
    assert told(half) == ("dense", "no-kernel", "proven") and "its table" in half.summary
    floats = verdict(tmp_path, at_float_borders(region_log(FLOAT_ROWS)), name=OP)
    assert told(floats) == ("dense", "no-kernel-precision", "proven") and "gemvx_f32f32" in cited(floats)
    for rows in ([FLOAT_ROWS[0], HALF_ROWS[1]], [HALF_ROWS[0], FLOAT_ROWS[1]]):
        assert told(verdict(tmp_path, at_float_borders(region_log(rows)), name=OP)) == ("dense", "no-kernel", "proven")


def test_a_table_of_kernels_without_telling_names_proves_no_precision(tmp_path: Path) -> None:
    found = verdict(tmp_path, at_float_borders(region_log([*FLOAT_ROWS, ROW.format(2, "0.06", "some_other_kernel", 0xAB3)])), name=OP)
    assert found.reason == "no-kernel" and found.proof != "proven" and "dense tactics" not in found.summary


def test_a_table_that_lost_a_row_proves_no_precision(tmp_path: Path) -> None:
    """All kernels that are left are FP32, and so is the border of the region: the lost row may have been of another type."""
    found = verdict(tmp_path, at_float_borders(region_log([*FLOAT_ROWS, "    a row of no known form"])), name=OP)
    assert found.proof != "proven" and found.reason == "no-kernel"


def test_a_table_with_a_tactic_without_a_time_proves_no_precision(tmp_path: Path) -> None:
    """The kernels that have times are FP32, and so is the border of the region; the one that failed is not."""
    found = verdict(tmp_path, at_float_borders(region_log([*FLOAT_ROWS, HALF_ROWS[0].replace("0.0400000", "inf")])), name=OP)
    assert found.proof != "proven"


def test_an_empty_table_beside_another_is_a_gap(tmp_path: Path) -> None:
    log = region_log(HALF_ROWS)
    place = next(n for n, line in enumerate(log.tuned) if "Autotuning op" in line)
    log.tuned.insert(place, log.tuned[place])
    found = verdict(tmp_path, log, name=OP)
    assert found.proof != "proven"


def without_table(*, picked: bool = False) -> Log:
    lists = (
        f"(Sparsity) Found 2 layer(s) eligible to use sparse tactics: {OP}, Gemm_2" if picked else f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {OP}",
        "(Sparsity) Chose 1 layer(s) using sparse tactics: Gemm_2" if picked else "(Sparsity) Chose 0 layer(s) using sparse tactics: ",
    )
    log = at_float_borders(region_log([], lists))
    log.tuned = [line for line in log.tuned if "Autotuning op" not in line and "table of all" not in line and "tactic_id, cost" not in line]
    return log


@pytest.mark.parametrize("picked", [False, True])
def test_a_region_without_a_table_hides_its_types(picked: bool, tmp_path: Path) -> None:
    found = verdict(tmp_path, without_table(picked=picked), name=OP)
    assert told(found) == ("dense", "myelin-opaque", "unknown")


def test_a_listed_name_may_stand_in_a_region(tmp_path: Path) -> None:
    """The log's own list names an operation that no line prints: it may run inside the region, in types that its border does not show."""
    log = without_table()
    log.lists = ["(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv7", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    assert verdict(tmp_path, log, name="conv7").reason != "no-kernel-precision"
    plain = Log(layer(LAYER, combination(LAYER, FLOATS, [(DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")], eligible="conv7")
    assert told(verdict(tmp_path, plain, name="conv7")) == ("dense", "no-kernel-precision", "suggested")


# ---- heuristics that leave tactics out


OPTION = "[01/02/2030-03:04:05] [I] BuilderOptimizationLevel: {}"
SAID = "Set number of tactics to {} at optimization level {}"


@pytest.mark.parametrize(("lines", "tuned"), [([OPTION.format(1)], []), ([], [SAID.format(300, 2)]), ([OPTION.format(3)], [SAID.format(300, 1)]), ([], [SAID.format(2, 3)])])
def test_where_heuristics_choose_what_is_timed_absence_proves_nothing(lines: list[str], tuned: list[str], tmp_path: Path) -> None:
    log = dense_log(before=lines)
    log.tuned[1:1] = tuned
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "heuristic-pruned", "suggested")
    assert "ptimization" in cited(found) or "number of tactics" in found.summary


@pytest.mark.parametrize(("lines", "tuned"), [([OPTION.format(3)], []), ([OPTION.format(-1)], []), ([OPTION.format(5)], [SAID.format(300, 5)]), ([], [SAID.format(3, 3)])])
def test_at_higher_levels_it_does(lines: list[str], tuned: list[str], tmp_path: Path) -> None:
    log = dense_log(before=lines)
    log.tuned[1:1] = tuned
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel", "proven")


def test_the_command_says_the_level_too(tmp_path: Path) -> None:
    text = dense_log().text().replace("--sparsity=enable", "--sparsity=enable --builderOptimizationLevel=0")
    assert told(verdict(tmp_path, text)) == ("dense", "heuristic-pruned", "suggested")


def test_the_line_that_says_what_was_pruned_is_cited(tmp_path: Path) -> None:
    log = dense_log()
    log.tuned.append(f"{LAYER}: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning.")
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "heuristic-pruned", "suggested") and "3 pruned" in cited(found)


# ---- lists and options against kernels


def two_layers(first: int, second: int) -> str:
    return info([info_layer(LAYER, first, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv2", second, {"y": INFO_HWC8}, {"z": INFO_LINEAR})])


def info_log(*, sparsity: str = "Enabled", eligible: str = f"{LAYER}, conv2", picked: str = "") -> str:
    """INFO alone: options and lists, nothing tuned, no engine printed."""
    return Log([], [], eligible=eligible, picked=picked).text().replace("Sparsity: Enabled", f"Sparsity: {sparsity}").replace("[V] [TRT] Engine Layer Information:", "[V] [TRT] .")


def test_a_sparse_kernel_belies_a_log_without_sparsity(tmp_path: Path) -> None:
    text = "\n".join(line for line in info_log(sparsity="Disabled").splitlines() if "(Sparsity)" not in line) + "\n"
    layers = json.loads(two_layers(SPARSE, DENSE))
    for item in layers["Layers"]:
        item["HasSparseWeights"] = 0
    both = main(tmp_path, text, json.dumps(layers))
    found = {item.name: item for item in both.layers}
    assert told(found[LAYER]) == ("sparse", "picked", "proven")
    assert found["conv2"].status == "dense-unknown" and "capture-mismatch" in {w.id for w in both.warnings}
    layers["Layers"][0] |= {"TacticName": layers["Layers"][1]["TacticName"]}
    alone = main(tmp_path, text, json.dumps(layers))
    assert {told(item) for item in alone.layers} == {("ineligible", "flag-off", "proven")} and "capture-mismatch" not in {w.id for w in alone.warnings}


@pytest.mark.parametrize(("kernel", "picked"), [(DENSE, LAYER), (SPARSE, "")])
def test_a_kernel_that_the_list_of_chosen_layers_contradicts_is_of_another_build(kernel: int, picked: str, tmp_path: Path) -> None:
    log = slower_log(picked=picked)
    log.engine = [engine_line(LAYER, kernel)]
    found = main(tmp_path, log, info([info_layer(LAYER, kernel, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})]))
    warning = next(w for w in found.warnings if w.id == "capture-mismatch")
    assert "list of chosen layers" in warning.message and any(isinstance(item, LineEvidence) for item in warning.evidence)
    only = next(item for item in found.layers if item.name == LAYER)
    assert only.status == ("sparse" if kernel == SPARSE else "dense") and (only.status == "sparse" or only.proof != "proven")


def test_another_tactic_id_is_another_build(tmp_path: Path) -> None:
    for number, expected in ((DENSE_HWC, False), (DENSE_2, True)):
        found = main(tmp_path, slower_log(), info([info_layer(LAYER, number, {"x": INFO_HWC8}, {"y": INFO_HWC8})]))
        assert ("capture-mismatch" in {w.id for w in found.warnings}) is expected


def test_a_log_that_contradicts_itself_proves_nothing_of_that_layer(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, slower_log())) == ("dense", "slower", "proven")
    found = main(tmp_path, slower_log(picked=LAYER))
    only = next(item for item in found.layers if item.name == LAYER)
    assert told(only) == ("dense", "slower", "suggested") and "capture-mismatch" in {w.id for w in found.warnings}
    won = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE_HWC, 0.04)], SPARSE)), [engine_line(LAYER, SPARSE)])
    assert told(verdict(tmp_path, won)) == ("sparse", "picked", "suggested")
    won.picked = LAYER
    assert told(verdict(tmp_path, won)) == ("sparse", "picked", "proven")


# ---- names behind the selection


@pytest.mark.parametrize(("kernel", "expected"), [(SPARSE, ("sparse", "picked", "proven")), (DENSE, ("dense", "timing-cache", "unknown"))])
def test_the_line_behind_the_selection_names_what_runs(kernel: int, expected: tuple[str, str, str], tmp_path: Path) -> None:
    """TensorRT 8.2 to 8.5 print it even where a warm cache hides every race."""
    lists = [
        "Formats and tactics selection completed in 1.5 seconds.", f"(Sparsity) Layers eligible for sparse math: {LAYER}",
        f"(Sparsity) TRT inference plan picked sparse implementation for layers: {LAYER if kernel == SPARSE else ''}",
        f"{LAYER} Set Tactic Name: {KERNELS[kernel]} Tactic: 0x{kernel:016x}",
    ]  # fmt: skip
    log = Log(["Loaded 12 timing cache entries"], [engine_line(LAYER, kernel)], version="8.5.2", lists=lists)
    found = verdict(tmp_path, log)
    assert told(found) == expected and found.tactic.name == KERNELS[kernel] and "Set Tactic Name" in cited(found)
    other = log.text().replace(f"Tactic Name: {KERNELS[kernel]} Tactic: 0x{kernel:016x}", f"Tactic Name: {KERNELS[kernel]} Tactic: 0x{DENSE_2:016x}")
    assert verdict(tmp_path, other).tactic.name is None  # that line is of another tactic than the engine runs


# ---- results from elsewhere


def test_a_choice_without_times_came_from_the_cache_that_was_loaded(tmp_path: Path) -> None:
    chosen = [f"*************** Autotuning format combination: {PAIR[0]} ***************", f">>>>>>>>>>>>>>> Chose Runner Type: {RUNNER} Tactic: 0x{DENSE:016x}"]
    log = Log(layer(LAYER, chosen), [engine_line(LAYER, DENSE)], before=["[01/02/2030-03:04:05] [V] [TRT] Loaded 25 timing cache entries"])
    found = verdict(tmp_path, log)
    assert found.reason == "timing-cache" and "Chose Runner Type" in cited(found)


def test_a_cached_result_that_equals_two_races_is_a_twin_of_one_of_them(tmp_path: Path) -> None:
    race = [layer(name, combination(name, PAIR[1], [(SPARSE, time), (DENSE, 0.05)], DENSE)) for name, time in (("conv8", 0.06), ("conv9", 0.07))]
    log = Log([*race[0], *race[1], *layer(LAYER, [CACHED.format(LAYER, PAIR[1], RUNNER, DENSE, 0.05)])], [engine_line(LAYER, DENSE)], version="10.3.0")
    found = main(tmp_path, log)
    only = next(item for item in found.layers if item.name == LAYER)
    assert told(only) == ("dense", "twin-layer", "unknown") and "timing-cache-used" not in {w.id for w in found.warnings}
    log.tuned = [line.replace("0.05 ms", "0.04 ms") for line in log.tuned]
    other = main(tmp_path, log)
    assert next(item for item in other.layers if item.name == LAYER).reason == "timing-cache" and "timing-cache-used" in {w.id for w in other.warnings}


def test_tactics_without_a_name_are_not_called_dense(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, FLOATS, [tactic(1, 0.05, None), (DENSE_2, 0.06)], None)), [engine_line(LAYER, DENSE_2)])
    assert "dense tactics" not in verdict(tmp_path, log).summary
