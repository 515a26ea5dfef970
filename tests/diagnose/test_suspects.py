"""Suspects that the catalogue documents and the inputs show. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py, manifests. Out: assertions on the suspects of one layer, and that no verdict changes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    FLOAT,
    GEMM,
    HWC8,
    INFO_HWC8,
    KERNELS,
    LAYER,
    OP,
    PAIR,
    ROW,
    SPARSE,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    region_log,
    slower_log,
    told,
    verdict,
)
from trtlens.diagnose.layers import EngineLayer
from trtlens.diagnose.model import LayerVerdict
from trtlens.diagnose.rules import Noise
from trtlens.diagnose.suspects import Suspicions, tuned_elsewhere
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.records import TensorInfo
from trtlens.parse.textio import TextSource

INT8 = "Int8(5,1:32,140,5)"
RUNS = [engine_line(LAYER, DENSE, "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])")]
DYNAMIC = "[01/02/2030-03:04:05] [I] Input build shape (profile {}): {}={}"


def said(found: LayerVerdict) -> dict[str, str]:
    assert all(suspect.proof == "suggested" for suspect in found.suspects)
    return {suspect.reason: suspect.summary for suspect in found.suspects}


def typed(formats: str, sparse_ms: float) -> Log:
    """Dense runs in Half; sparse was timed in `formats`."""
    first = combination(LAYER, PAIR[1], [(DENSE, 0.05)], DENSE)
    return Log(layer(LAYER, first, combination(LAYER, formats, [(SPARSE, sparse_ms)], SPARSE)), RUNS)


def test_sparse_faster_in_another_type_is_the_precisions_choice(tmp_path: Path) -> None:
    found = said(verdict(tmp_path, typed(f"{INT8} -> {INT8}", 0.02)))["precision-choice"]
    assert "0.02 ms in Int8" in found and "runs in Half" in found and "0.05 ms" in found


@pytest.mark.parametrize(("formats", "sparse_ms"), [(f"{INT8} -> {INT8}", 0.07), (PAIR[0], 0.02), (f"{HWC8} -> {FLOAT}", 0.02)], ids=["slower", "layout", "output"])
def test_a_slower_time_or_the_same_type_is_no_choice_of_precision(formats: str, sparse_ms: float, tmp_path: Path) -> None:
    assert "precision-choice" not in said(verdict(tmp_path, typed(formats, sparse_ms)))


def test_of_two_combinations_that_may_run_the_faster_one_is_compared(tmp_path: Path) -> None:
    for other, told_ in ((0.03, False), (0.06, True)):
        log = typed(f"{INT8} -> {INT8}", 0.04)
        log.tuned += combination(LAYER, PAIR[0], [(DENSE, other)], DENSE)
        assert ("precision-choice" in said(verdict(tmp_path, log))) is told_


def test_where_what_runs_has_no_time_the_fastest_dense_tactic_is_compared(tmp_path: Path) -> None:
    log = typed(f"{INT8} -> {INT8}", 0.04)
    log.engine = [engine_line(LAYER, DENSE_2, "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])")]
    assert "(0.05 ms)" in said(verdict(tmp_path, log))["precision-choice"]
    alone = Log(layer(LAYER, combination(LAYER, f"{INT8} -> {INT8}", [(SPARSE, 0.02)], SPARSE)), log.engine)
    assert "precision-choice" not in said(verdict(tmp_path, alone))


def test_the_type_of_a_race_that_did_not_decide_is_known_too(tmp_path: Path) -> None:
    """Sparse came closest in Half; its best time stands in INT8, where dense won by more."""
    races = combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE, 0.05)], DENSE), combination(LAYER, f"{INT8} -> {INT8}", [(SPARSE, 0.03), (DENSE_2, 0.02)], DENSE_2)
    for first, second in (races, races[::-1]):
        found = verdict(tmp_path, Log(layer(LAYER, first, second), RUNS))
        assert told(found) == ("dense", "slower", "proven") and found.margin == pytest.approx(0.2)
        assert "0.03 ms in Int8" in said(found)["precision-choice"]


def test_a_layer_whose_types_no_input_tells_has_no_choice_of_precision(tmp_path: Path) -> None:
    bare = {**info_layer(LAYER, DENSE, {}, {}), "TacticName": KERNELS[DENSE]}
    assert "precision-choice" not in said(verdict(tmp_path, typed(f"{INT8} -> {INT8}", 0.02), info([bare])))


def test_an_fp32_build_is_no_choice_between_types(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")])
    text = log.text().replace("FP32+FP16", "FP32")
    found = verdict(tmp_path, text)
    assert found.reason == "no-kernel-precision" and "precision-choice" not in said(found)


def twice(first: float, second: float) -> Log:
    return Log(layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, first), (DENSE, second), (SPARSE, 0.9)], DENSE)), RUNS)


def test_two_times_of_one_tactic_that_differ_point_to_the_clocks(tmp_path: Path) -> None:
    found = verdict(tmp_path, twice(0.05, 0.08))
    assert told(found) == ("dense", "slower", "proven")
    text = said(found)["clocks"]
    assert "0.05 ms" in text and "0.08 ms" in text and "60%" in text and text.count("line") == 2


@pytest.mark.parametrize("times", [(0.05, 0.06, 0.08), (0.06, 0.05, 0.08), (0.08, 0.06, 0.05), (0.06, 0.08, 0.05)])
def test_of_three_times_the_slowest_and_the_fastest_count(times: tuple[float, ...], tmp_path: Path) -> None:
    """Sparse at 0.075 ms is 50 % slower than dense at 0.05 ms, and one dense tactic alone varies by 60 %: a tie."""
    race = combination(LAYER, PAIR[1], [*((DENSE, time) for time in times), (SPARSE, 0.075)], DENSE)
    found = verdict(tmp_path, Log(layer(LAYER, race), RUNS))
    assert (found.reason, found.proof, found.stability) == ("tie", "proven", "coin-toss")
    text = said(found)["clocks"]
    assert "0.05 ms" in text and "0.08 ms" in text and "60%" in text and "0.06" not in text


@pytest.mark.parametrize(("first", "second"), [(0.05, 0.051), (0.0050, 0.0055)], ids=["within 3 %", "within 1 us"])
def test_the_usual_noise_does_not(first: float, second: float, tmp_path: Path) -> None:
    assert "clocks" not in said(verdict(tmp_path, twice(first, second)))


def test_different_combinations_may_differ(tmp_path: Path) -> None:
    """The same tactic in another layout is another timing, not a second one."""
    one, two = combination(LAYER, PAIR[1], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[0], [(DENSE, 0.09)], DENSE)
    assert "clocks" not in said(verdict(tmp_path, Log(layer(LAYER, one, two), RUNS)))


FUSED = "conv1 + relu1"


def fused(other: str, timed: Sequence[tuple[int, float]], engine: Sequence[str] = ()) -> Log:
    tried = layer(other, combination(other, PAIR[1], list(timed), min(timed, key=lambda item: item[1])[0]))
    own = layer(FUSED, combination(FUSED, PAIR[1], [(DENSE, 0.051)], DENSE))
    return Log([*tried, *own], [engine_line(FUSED, DENSE), *engine], eligible=FUSED)


def test_sparse_tactics_of_another_fusion_are_told(tmp_path: Path) -> None:
    found = verdict(tmp_path, fused("conv1", [(DENSE, 0.05), (SPARSE, 0.03)]), name=FUSED)
    assert told(found) == ("dense", "no-kernel", "proven") and "conv1, which shares" in said(found)["fusion-differs"]


def test_the_first_tactic_of_a_log_may_be_the_sparse_one_of_another_fusion(tmp_path: Path) -> None:
    assert "fusion-differs" in said(verdict(tmp_path, fused("conv1", [(SPARSE, 0.03), (DENSE, 0.05)]), name=FUSED))


@pytest.mark.parametrize(
    ("other", "timed", "engine"),
    [("conv1", [(DENSE, 0.05)], []), ("conv2", [(SPARSE, 0.03)], []), ("conv1", [(SPARSE, 0.03)], [engine_line("conv1", SPARSE, "a (Half[1,64,28,28])", "b (Half[1,64,28,28])")])],
    ids=["nothing sparse", "another node", "a layer of the engine"],
)  # fmt: skip
def test_another_race_is_not_always_another_fusion(other: str, timed: list[tuple[int, float]], engine: list[str], tmp_path: Path) -> None:
    assert "fusion-differs" not in said(verdict(tmp_path, fused(other, timed, engine), name=FUSED))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [("1x64x28x28+1x64x28x28+16x64x28x28", "its smallest shape"), ("4x64x28x28+4x64x28x28+16x64x28x28", "its smallest shape"), ("1x64x28x28+1x64x56x56+8x64x56x56", "batch 1")],
)  # fmt: skip
def test_a_small_optimum_is_told(sizes: str, words: str, tmp_path: Path) -> None:
    found = verdict(tmp_path, slower_log(before=[DYNAMIC.format(0, "other", "4x3+4x3+4x3"), DYNAMIC.format(1, "x", sizes)]))
    assert told(found) == ("dense", "slower", "proven")
    text = said(found)["opt-shape"]
    assert words in text and "profile 1: x" in text and "line 10" in text


@pytest.mark.parametrize("sizes", ["1x64x28x28+8x64x28x28+16x64x28x28", "1x64x28x28+1x64x28x28+1x64x28x28", "1x32+1x64+1x128"])
def test_other_optima_are_not(sizes: str, tmp_path: Path) -> None:
    assert "opt-shape" not in said(verdict(tmp_path, slower_log(before=[DYNAMIC.format(0, "x", sizes)])))


def test_a_small_optimum_explains_no_missing_type(tmp_path: Path) -> None:
    """No time at another shape would give an FP32 layer a sparse kernel."""
    one = f"{FLOAT} -> {FLOAT}"
    log = Log(layer(LAYER, combination(LAYER, one, [(DENSE, 0.05)], DENSE)), [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")], before=[DYNAMIC.format(0, "x", "1x3+1x3+8x3")])
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "no-kernel-precision", "proven") and "opt-shape" not in said(found)


def myelin(number: int, *rows: tuple[float, str]) -> tuple[Log, str]:
    """A region whose one operation has these times, and the layer info that names the kernel it runs."""
    table = [ROW.format(at, f"{time_ms:.7f}", kernel, 0xAB1 + at) for at, (time_ms, kernel) in enumerate(rows)]
    lists = [f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {OP}", f"(Sparsity) Chose 1 layer(s) using sparse tactics: {OP}"]
    tensors = {"x": INFO_HWC8}, {"y": INFO_HWC8}
    gemm = {**info_layer(f"{OP}_myl0_1", 0xAB1 + number, *tensors, runner="gemm", kind="MatrixMultiply"), "TacticName": rows[number][1]}
    return region_log(table, lists), info([{**gemm, "Metadata": f"[ONNX Layer: {OP}]"}])


SPARSE_GEMM = GEMM.replace("gemm", "sparse_gemm")


def test_a_table_of_sparse_tactics_alone_may_be_the_compilers_order(tmp_path: Path) -> None:
    log, _ = myelin(0, (0.04, SPARSE_GEMM.format(64)), (0.05, SPARSE_GEMM.format(128)))
    found = verdict(tmp_path, log, name=OP)
    assert found.status == "sparse" and "2 sparse tactics and no dense one" in said(found)["sparsity-must"]
    log, _ = myelin(0, (0.04, SPARSE_GEMM.format(64)), (0.05, GEMM.format(128)))
    assert "sparsity-must" not in said(verdict(tmp_path, log, name=OP))
    log, _ = myelin(0, (0.04, SPARSE_GEMM.format(64)), (0.05, "__myl_AbcDef_0x1234"))
    assert "sparsity-must" not in said(verdict(tmp_path, log, name=OP))  # the unnamed one may be dense


def test_a_sparse_tactic_that_runs_though_dense_was_faster_may_be_the_compilers_order(tmp_path: Path) -> None:
    log, engine = myelin(1, (0.04, GEMM.format(64)), (0.05, SPARSE_GEMM.format(128)))
    found = verdict(tmp_path, log, engine, name=f"{OP}_myl0_1")
    assert found.status == "sparse" and "0.05 ms runs" in said(found)["sparsity-must"] and "dense one, 0.04 ms" in said(found)["sparsity-must"]
    log, engine = myelin(1, (0.0495, GEMM.format(64)), (0.05, SPARSE_GEMM.format(128)))
    assert "sparsity-must" not in said(verdict(tmp_path, log, engine, name=f"{OP}_myl0_1"))


def test_a_sparse_tactic_that_is_not_the_tables_best_is_not_compared_with_dense(tmp_path: Path) -> None:
    rows = (0.04, GEMM.format(64)), (0.05, SPARSE_GEMM.format(128)), (0.06, SPARSE_GEMM.format(256))
    assert "sparsity-must" in said(verdict(tmp_path, *myelin(1, *rows), name=f"{OP}_myl0_1"))
    assert "sparsity-must" not in said(verdict(tmp_path, *myelin(2, *rows), name=f"{OP}_myl0_1"))


def test_a_table_of_one_sparse_tactic_is_told_as_one(tmp_path: Path) -> None:
    log, _ = myelin(0, (0.04, SPARSE_GEMM.format(64)))
    assert "holds one tactic, a sparse one" in said(verdict(tmp_path, log, name=OP))["sparsity-must"]


def of_manifest(**options: object) -> list[str]:
    found = Suspicions(None, [], None, json.loads(json.dumps({"options": options})), Noise())
    return [suspect.reason for suspect in found._of_build]


def test_the_manifest_says_shapes_and_caches_too() -> None:
    shape = {"inputs": [{"name": "x", "minimum": [1, 3], "optimum": [1, 3], "maximum": [8, 3]}]}
    assert of_manifest(profiles=[shape]) == ["opt-shape"]
    assert of_manifest(editable_cache=True, timing_cache="mine.cache") == ["algorithm-selector"]
    assert of_manifest(editable_cache=True, timing_cache=None) == of_manifest(editable_cache=False, timing_cache="a") == of_manifest(profiles=[]) == []
    assert of_manifest(profiles=[{"inputs": [{"name": "x", "minimum": "?"}]}, 5]) == of_manifest(profiles=[{"inputs": [3]}]) == of_manifest(profiles=5) == []


SHAPES = {"name": "x", "minimum": [1, 64], "optimum": [4, 64], "maximum": [8, 64]}


@pytest.mark.parametrize(
    ("shapes", "name", "dimensions", "elsewhere"),
    [
        (SHAPES, "x", (1, 64), True),
        (SHAPES, "x", (4, 64), False),
        (SHAPES, "x", (-1, 64), False),
        (SHAPES, "x", None, False),
        (SHAPES, "y", (1, 64), False),
        ({**SHAPES, "minimum": [4, 64], "maximum": [4, 64]}, "x", (1, 64), False),
    ],
    ids=["another shape", "the optimum", "dynamic", "unknown", "another tensor", "a fixed shape"],
)
def test_times_were_taken_at_another_shape_than_that_of_the_layer_info(shapes: dict[str, object], name: str, dimensions: tuple[int, ...] | None, elsewhere: bool) -> None:
    tensor = TensorInfo(name, dimensions, "Half", None, "Half")
    layers = [EngineLayer("a", "a", None, ()), EngineLayer("b", "b", None, (), inputs=(TensorInfo("z", (1, 64), "Half", None, "Half"), tensor))]
    manifest = {"options": {"profiles": [{"inputs": [shapes]}]}}
    assert tuned_elsewhere(None, manifest, layers) is elsewhere
    assert tuned_elsewhere(None, {"options": 5}, layers) is tuned_elsewhere(None, None, layers) is False
    # Of two profiles' optima either may be the one.
    both = {"options": {"profiles": [{"inputs": [shapes]}, {"inputs": [{**SHAPES, "optimum": [1, 64]}]}]}}
    assert tuned_elsewhere(None, both, layers) is False


def test_the_option_block_of_the_log_comes_before_the_manifest(tmp_path: Path) -> None:
    """What trtexec printed is what it built; other lines of the block hold no shapes."""
    log = slower_log(before=[DYNAMIC.format(0, "x", "4x64x28x28+8x64x28x28+16x64x28x28"), "[01/02/2030-03:04:05] [I] Other sizes: x=1x3+1x3+8x3"])
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    build = parse_build_log(TextSource(str(tmp_path / "build.log")), None).builds[-1]
    small = {"options": {"profiles": [{"inputs": [{**SHAPES, "optimum": [1, 64]}]}]}}
    assert Suspicions(None, [], build, small, Noise())._of_build == []
    assert [suspect.reason for suspect in Suspicions(None, [], None, small, Noise())._of_build] == ["opt-shape"]


def test_a_selector_in_the_log_is_told(tmp_path: Path) -> None:
    line = "Disabling tactic timing cache because algorithm selector is enabled."
    log = dense_log()
    log.tuned = [f"[01/02/2030-03:04:05] [W] [TRT] {line}", *log.tuned]
    assert "algorithm-selector" in said(verdict(tmp_path, log)) and "algorithm-selector" not in said(verdict(tmp_path, dense_log()))


def test_a_log_of_another_build_raises_no_suspicion_by_its_races(tmp_path: Path) -> None:
    other = info([{**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "TacticValue": "0x1234567890abcdef"}])
    assert "clocks" not in said(verdict(tmp_path, twice(0.05, 0.08), other))
