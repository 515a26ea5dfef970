"""Reasons, proofs and words that hold because of one condition which no other capture needs. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on the verdict of one layer: that something is left open which a
rule without the condition would call proven, and that the reason, the sentence and the cited lines are those of the very case.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    INTO,
    KERNELS,
    LAYER,
    LINEAR,
    OP,
    OUT,
    PAIR,
    ROW,
    ROWS,
    RUNNER,
    SPARSE,
    Log,
    autotuning,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    no_valid,
    reformat,
    region_log,
    switch_log,
    tactic,
    told,
    verdict,
)
from trtlens.diagnose.explain import Options, explain
from trtlens.diagnose.model import LayerVerdict, LineEvidence
from trtlens.diagnose.rules import Noise, fp32_only, index_only

THIRD = f"{HWC8} -> {LINEAR}"
FLOATS = f"{FLOAT} -> {FLOAT}"
UNNAMED = 0x9999999999999999
FLOAT_LINE = engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")
ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"


def elsewhere(formats: str, number: int = DENSE_2) -> list[str]:
    """Another layer of the pass."""
    return layer("conv9", combination("conv9", formats, [(number, 0.05)], number))


def cited(found: LayerVerdict) -> list[str]:
    return [item.text for item in found.evidence if isinstance(item, LineEvidence)]


# ---- what is left open


def test_a_winner_without_a_name_elsewhere_leaves_a_tie_open(tmp_path: Path) -> None:
    """If it is sparse, sparse won a format, and rule 2 is not the one that decides."""
    lost = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.0505)], DENSE)
    log = Log(layer(LAYER, lost, combination(LAYER, PAIR[0], [(DENSE_2, 0.06)], DENSE_2)), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log)) == ("dense", "tie", "proven")
    log.tuned = layer(LAYER, lost, combination(LAYER, PAIR[0], [tactic(UNNAMED, 0.06, None)], UNNAMED))
    assert told(verdict(tmp_path, log)) == ("dense", "tie", "suggested")


def test_one_unnamed_tactic_near_one_winner_is_enough_to_leave_slower_open(tmp_path: Path) -> None:
    near = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07), tactic(UNNAMED, 0.0505, None)], DENSE)
    log = Log(layer(LAYER, near, combination(LAYER, PAIR[0], [(DENSE_2, 0.06)], DENSE_2)), [engine_line(LAYER, DENSE)])
    assert told(verdict(tmp_path, log)) == ("dense", "slower", "suggested")


def test_a_race_without_formats_is_not_of_fp32(tmp_path: Path) -> None:
    """The line that names its formats is lost; that all others of the pass are FP32 says nothing of them."""
    race = combination(LAYER, FLOATS, [(DENSE, 0.05)], DENSE)
    log = Log([*elsewhere(FLOATS), *layer(LAYER, race)], [FLOAT_LINE])
    assert told(verdict(tmp_path, log)) == ("dense", "no-kernel-precision", "proven")
    log.tuned = [*elsewhere(FLOATS), *layer(LAYER, race[1:])]
    assert verdict(tmp_path, log).proof != "proven"


@pytest.mark.parametrize(("formats", "proof"), [("Int32(64,1) -> Int64(64,1)", "proven"), ("half(64,1) -> half(64,1)", None), ("(64,1) -> (64,1)", None)], ids=["indices", "unknown", "none"])
def test_indices_alone_leave_a_pass_fp32(formats: str, proof: str | None, tmp_path: Path) -> None:
    log = Log([*layer("conv0", combination("conv0", FLOATS, [(DENSE, 0.05)], DENSE)), *elsewhere(formats)], [FLOAT_LINE])
    found = verdict(tmp_path, log)
    assert (told(found) == ("dense", "no-kernel-precision", "proven")) == (proof == "proven")


def test_a_race_of_indices_alone_is_not_of_fp32(tmp_path: Path) -> None:
    """A pass is FP32 where some of its tensors are Float and none is of another float type; without any Float nothing is known."""
    log = Log(elsewhere("Int32(64,1) -> Int32(64,1)"), [FLOAT_LINE])
    assert verdict(tmp_path, log).reason != "no-kernel-precision"


# ---- at the very border


def test_sparse_in_another_format_as_fast_as_what_runs_is_a_tie(tmp_path: Path) -> None:
    races = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.05), (DENSE_HWC, 0.07)], SPARSE)
    found = verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, DENSE)]))
    assert told(found) == ("dense", "tie", "proven") and found.margin == 0.0


def test_a_sum_of_times_within_the_band_is_a_coin_toss(tmp_path: Path) -> None:
    """The shakier of two: sparse below what runs, and the copies dearer than what it saves."""
    for sparse_ms, out_ms, stability in ((0.0495, 0.02, "coin-toss"), (0.0475, 0.02, "near"), (0.04, 0.02, "stable"), (0.04, 0.007, "near"), (0.04, 0.0071, "stable")):
        found = verdict(tmp_path, switch_log([INTO, reformat("<in> -> y", LINEAR, HWC8, out_ms)], best_sparse=sparse_ms))
        assert found.proof == "proven" and found.stability == stability, (sparse_ms, out_ms)
    paid = verdict(tmp_path, switch_log([reformat("x -> <out>", HWC8, LINEAR, 0.004), reformat("<in> -> y", LINEAR, HWC8, 0.0041)]))
    assert (paid.reason, paid.stability) == ("unexplained", "near")  # by 0.0019 ms of 0.05


# ---- which reason, and in which words


def test_without_a_log_or_without_timings_the_sentence_says_which(tmp_path: Path) -> None:
    said = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    (tmp_path / "layer_info.json").write_text(said, encoding="utf-8")
    build = explain([str(tmp_path / "layer_info.json")]).captures[0].main
    assert build is not None
    assert (build.layers[0].reason, "no build log was given" in build.layers[0].summary) == ("not-captured", True)
    found = verdict(tmp_path, Log([], [engine_line(LAYER, DENSE)]))
    assert (found.reason, "no tactic timings" in found.summary) == ("not-captured", True)


def test_a_layer_that_the_log_does_not_print_is_no_twin(tmp_path: Path) -> None:
    """The log names it nowhere but in its list: nothing says that it was ever tuned."""
    text = Log(elsewhere(PAIR[1]), []).text()
    said = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    assert told(verdict(tmp_path, text, said)) == ("dense", "not-captured", "unknown")
    found = verdict(tmp_path, Log(elsewhere(PAIR[1]), [engine_line("conv9", DENSE_2), engine_line(LAYER, DENSE)]))
    assert told(found) == ("dense", "twin-layer", "unknown")


def test_pruning_and_memory_are_reasons_where_nothing_else_is_known(tmp_path: Path) -> None:
    pruned = "conv1: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."
    log = dense_log()
    log.tuned.append(pruned)
    assert told(verdict(tmp_path, log)) == ("dense", "heuristic-pruned", "suggested")
    memory = "[01/02/2030-03:04:06] [E] [TRT] Requested amount of GPU memory (8589934592 bytes) could not be allocated. There may not be enough free memory for allocation to succeed."
    log = dense_log()
    log.tuned.append(memory)
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "out-of-memory", "suggested") and any("could not be allocated" in line for line in cited(found))


def test_a_complaint_about_memory_within_the_race_is_its_reason(tmp_path: Path) -> None:
    """It names no tactic: one that is sparse may have been left out. Elsewhere it is another layer's."""
    complaint = "[01/02/2030-03:04:06] [W] [TRT] Tactic Device request: 3930MB Available: 1965MB. Device memory is insufficient to use tactic."
    within, behind = dense_log(), dense_log()
    within.tuned.insert(-2, complaint)
    behind.tuned.append(complaint)
    found = verdict(tmp_path, within)
    assert told(found) == ("dense", "out-of-memory", "suggested") and any("insufficient" in line for line in cited(found))
    assert told(verdict(tmp_path, behind)) == ("dense", "no-kernel", "suggested")


@pytest.mark.parametrize("tail", [[], [f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"]], ids=["silent", "begun"])
def test_a_log_that_ends_within_a_race(tail: Sequence[str], tmp_path: Path) -> None:
    """What follows is lost: neither an equal layer's race nor a cache is the reason."""
    said = info([info_layer(LAYER, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
    for races in ([autotuning(PAIR[0]), *tail], [*combination(LAYER, PAIR[1], [(DENSE, 0.05)], DENSE), autotuning(PAIR[0]), *tail]):
        log = Log([*elsewhere(PAIR[1]), *layer(LAYER, races)], [], lists=[])
        text = log.text()
        found = verdict(tmp_path, text[: text.index(ENGINE)], said)
        assert told(found) == ("dense", "log-truncated", "unknown")
        assert any(f"Autotuning format combination: {PAIR[0]}" in line for line in cited(found))


def test_one_silent_combination_among_lost_ones_is_an_equal_layers(tmp_path: Path) -> None:
    begun = [autotuning(PAIR[1]), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"]
    none = Log([*elsewhere(PAIR[1]), *layer(LAYER, [autotuning(PAIR[0])], begun)], [engine_line(LAYER, DENSE)])
    assert verdict(tmp_path, none).reason == "twin-layer"
    some = dense_log()
    some.tuned += [autotuning(PAIR[0]), autotuning(THIRD), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"]
    assert verdict(tmp_path, some).reason == "twin-layer"


def test_the_sentence_says_what_the_reason_says(tmp_path: Path) -> None:
    for times, reason, words in (((0.05, 0.07), "slower", "dense was faster in"), ((0.05, 0.0505), "tie", "equal within the noise in")):
        race = combination(LAYER, PAIR[1], [(DENSE, times[0]), (SPARSE, times[1])], DENSE)
        found = verdict(tmp_path, Log(layer(LAYER, race), [engine_line(LAYER, DENSE)]))
        assert (found.reason, words in found.summary, "the combination where both were timed" in found.summary) == (reason, True, True)


def test_the_sentence_counts_the_formats(tmp_path: Path) -> None:
    one = combination(LAYER, FLOATS, [(DENSE, 0.05)], DENSE)
    two = combination(LAYER, "Float(50176,1,1792,64) -> Float(50176,1,1792,64)", [(DENSE_2, 0.06)], DENSE_2)
    assert "its one format combination is FP32" in verdict(tmp_path, Log(layer(LAYER, one), [FLOAT_LINE])).summary
    assert "all 2 format combinations are FP32" in verdict(tmp_path, Log(layer(LAYER, one, two), [FLOAT_LINE])).summary


def test_a_whole_race_is_cited_itself_and_a_partial_one_with_its_pass(tmp_path: Path) -> None:
    pass_line = f"Autotuning format combination: {FLOATS}"
    own = "Float(50176,1,1792,64) -> Float(50176,1,1792,64)"
    log = Log([*elsewhere(FLOATS), *layer(LAYER, combination(LAYER, own, [(DENSE, 0.05)], DENSE))], [FLOAT_LINE])
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "no-kernel-precision", "proven") and not any(pass_line in line for line in cited(found))
    log.tuned += ["Fast skip Tactic:0x5000000000000009 which exceed time limit during pre-run"]
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "no-kernel-precision", "proven") and any(pass_line in line for line in cited(found))


def test_types_of_a_combination() -> None:
    assert fp32_only("Float(1), Int32(1), Int64(1), Bool(1) -> Float(1)") and index_only("Int32(1), Int64(1), Bool(1) -> Int32(1)")
    assert not fp32_only("Int32(1) -> Int32(1)") and not index_only("Float(1) -> Float(1)")
    assert not fp32_only("") and not index_only("")


def test_a_difference_of_just_the_band_is_within_it(tmp_path: Path) -> None:
    """A band of one half: 0.5 and 0.75 ms, 0.5 and 0.25 ms lie on its very border, 0.5 and 1 ms on that of twice the band."""
    options = Options(noise=Noise(0.5, 0.0))
    for sparse_ms, more, answer in ((0.75, [], ("tie", "proven", "coin-toss")), (0.75, [tactic(UNNAMED, 0.6, None)], ("tie", "proven", "coin-toss")), (0.25, [], ("tie", "proven", "coin-toss")), (1.0, [], ("slower", "proven", "near"))):
        race = combination(LAYER, PAIR[1], [(DENSE, 0.5), (SPARSE, sparse_ms), *more], DENSE)
        (tmp_path / "build.log").write_text(Log(layer(LAYER, race), [engine_line(LAYER, DENSE)]).text(), encoding="utf-8")
        build = explain([str(tmp_path / "build.log")], options).captures[0].main
        assert build is not None
        found = build.layers[0]
        assert (found.reason, found.proof, found.stability) == answer, sparse_ms


# ---- times that are none, choices that are not made


def test_a_race_in_which_all_took_no_time_is_compared_with_nothing(tmp_path: Path) -> None:
    for more in ([], [tactic(UNNAMED, 0.9, None)]):  # by columns, and combination by combination
        lost = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07), *more], DENSE)
        for times, answer in (((0.0, 0.0), ("dense", "unexplained", "unknown")), ((0.0, 0.03), ("dense", "slower", "proven"))):
            other = combination(LAYER, PAIR[0], [(DENSE_2, times[0]), (SPARSE, times[1])], DENSE_2)
            assert told(verdict(tmp_path, Log(layer(LAYER, lost, other), [engine_line(LAYER, DENSE)]))) == answer


def test_nothing_is_near_a_winner_that_took_no_time(tmp_path: Path) -> None:
    lost = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07)], DENSE)
    other = combination(LAYER, PAIR[0], [(DENSE_2, 0.0), tactic(UNNAMED, 0.06, None)], DENSE_2)
    assert told(verdict(tmp_path, Log(layer(LAYER, lost, other), [engine_line(LAYER, DENSE)]))) == ("dense", "slower", "suggested")


def test_a_race_with_a_sparse_time_and_no_choice_is_open(tmp_path: Path) -> None:
    lost = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07)], DENSE)
    for times in ((0.02, 0.03), (0.03, 0.02)):
        open_race = combination(LAYER, PAIR[0], [(DENSE_2, times[0]), (SPARSE, times[1])], None)
        found = verdict(tmp_path, Log(layer(LAYER, lost, open_race), [engine_line(LAYER, DENSE)]))
        assert found.status == "dense" and found.proof != "proven"


def test_sparse_alone_won_what_runs_and_the_layer_info_names_a_dense_kernel(tmp_path: Path) -> None:
    log = Log(layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.03)], SPARSE)), [engine_line(LAYER, SPARSE)], picked=LAYER)
    said = {**info_layer(LAYER, SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "TacticName": KERNELS[DENSE]}
    assert told(verdict(tmp_path, log, info([said]))) == ("dense", "unexplained", "unknown")


def test_an_unnamed_tactic_slower_than_what_runs_changes_no_sum(tmp_path: Path) -> None:
    for time_ms in (0.9, 0.05):
        more = combination(LAYER, THIRD, [tactic(UNNAMED, time_ms, None), (DENSE_2, 0.06)], DENSE_2)
        assert told(verdict(tmp_path, switch_log([INTO, OUT], more))) == ("dense", "io-format", "proven")


def test_an_unnamed_tactic_faster_than_the_sparse_one_beside_it_leaves_the_sum_open(tmp_path: Path) -> None:
    log = switch_log([INTO, OUT])
    log.tuned.insert(next(n for n, line in enumerate(log.tuned) if KERNELS[SPARSE] in line), tactic(UNNAMED, 0.035, None))
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "suggested")


def test_an_unnamed_tactic_beyond_the_band_leaves_slower_as_it_is(tmp_path: Path) -> None:
    race = combination(LAYER, PAIR[1], [(DENSE, 0.05), (SPARSE, 0.07), tactic(UNNAMED, 0.053, None)], DENSE)
    lines = [*layer(LAYER, race, [autotuning(THIRD), *no_valid(RUNNER)])]  # nor does a combination that no runner can do
    assert told(verdict(tmp_path, Log(lines, [engine_line(LAYER, DENSE)]))) == ("dense", "slower", "proven")


def test_one_result_from_a_cache_among_lost_ones_came_from_a_cache(tmp_path: Path) -> None:
    log = dense_log()
    begun = [autotuning(PAIR[0]), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"]
    loaded = Log(["Loaded 12 timing cache entries", *elsewhere(PAIR[1]), *layer(LAYER, begun)], [engine_line(LAYER, DENSE)])
    found = verdict(tmp_path, loaded)
    assert found.reason == "timing-cache" and any(f"Autotuning format combination: {PAIR[0]}" in line for line in cited(found))
    log.tuned += [CACHED.format(LAYER, PAIR[0], RUNNER, DENSE, 0.07), autotuning(THIRD), f"--------------- Timing Runner: {LAYER} ({RUNNER}[0x80000009])"]
    assert verdict(tmp_path, log).reason == "timing-cache"


def test_the_sentence_says_where_and_the_figures_are_those_of_the_race(tmp_path: Path) -> None:
    lost = [combination(LAYER, pair, [(DENSE, 0.05), (SPARSE, 0.07)], DENSE) for pair in PAIR]
    for races, words in ((lost, "each of the 2 combinations where both were timed"), (lost[:1], "in the combination where both were timed")):
        assert words in verdict(tmp_path, Log(layer(LAYER, *races), [engine_line(LAYER, DENSE)])).summary
    sparse = ROW.format(2, "0.0600000", GEMM.format(256).replace("gemm", "sparse_gemm"), 0xAB3)
    assert "dense was faster in its table" in verdict(tmp_path, region_log([*ROWS, sparse]), name=OP).summary
    found = verdict(tmp_path, dense_log())
    assert (found.reason, found.best_dense_ms, found.best_sparse_ms) == ("no-kernel", 0.04, None)


@pytest.mark.parametrize(
    ("sparse_ms", "unnamed_ms", "verdict_"),
    [(0.06, 0.051, ("slower", "suggested")), (0.06, 0.04, ("slower", "suggested")), (0.06, 0.053, ("slower", "proven")),
     (0.0505, 0.049, ("tie", "suggested")), (0.0505, 0.0502, ("tie", "proven"))],
)  # fmt: skip
def test_a_nameless_tactic_below_what_runs_may_be_a_faster_sparse_one(sparse_ms: float, unnamed_ms: float, verdict_: tuple[str, str], tmp_path: Path) -> None:
    """TensorRT chose a slower sparse tactic in the other format: what was faster there has no name, so it need not be dense."""
    nameless = tactic(0x9999999999999999, unnamed_ms, None)
    races = layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, sparse_ms), nameless], SPARSE))
    found = verdict(tmp_path, Log(races, [engine_line(LAYER, DENSE)]))
    assert (found.reason, found.proof) == verdict_


def test_a_race_with_sparse_tactics_in_which_the_log_ends_is_not_decided(tmp_path: Path) -> None:
    """The combination that the log ends in, or one behind it, may be the one that decides."""
    races = layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_2, 0.055)], DENSE_2))
    text = Log(races, [], lists=[]).text()
    said = info([info_layer(LAYER, DENSE, {"x": INFO_LINEAR}, {"y": INFO_LINEAR})])
    cut = text[: text.index("profiling completed", text.index(f"0x{SPARSE:016x}"))].rsplit("\n", 1)[0]
    found = verdict(tmp_path, cut, said)
    assert told(found) == ("dense", "log-truncated", "unknown") and found.best_sparse_ms == 0.06


@pytest.mark.parametrize(
    "lost", [f"Tactic: 0x{DENSE_2:016x} skipped. Scratch requested: 9, available: 1", f"Fast skip Tactic:0x{DENSE_2:016x} which exceed time limit during pre-run", tactic(DENSE_2, 0.06, None)], ids=["memory", "time limit", "no name"]
)  # fmt: skip
def test_a_layer_of_fp32_formats_alone_has_no_sparse_kernels_though_its_race_is_not_complete(lost: str, tmp_path: Path) -> None:
    other = layer("conv2", combination("conv2", PAIR[0], [(DENSE, 0.05)], DENSE))
    engine = [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "t (Float[1,64,28,28])"), engine_line("conv2", DENSE, "t (Half[1,64,28,28])")]
    race = layer(LAYER, combination(LAYER, f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05), lost], DENSE))
    item = verdict(tmp_path, Log([*race, *other], engine))
    assert told(item) == ("dense", "no-kernel-precision", "suggested")
    assert "is not complete" in item.summary
    race = layer(LAYER, combination(LAYER, f"{FLOAT} -> {FLOAT}", [(DENSE, 0.05)], DENSE))
    assert told(verdict(tmp_path, Log([*race, *other], engine))) == ("dense", "no-kernel-precision", "proven")


def test_where_nothing_was_timed_nothing_is_counted(tmp_path: Path) -> None:
    formats = f"{FLOAT} -> {FLOAT}"
    cached = [f"=============== Computing costs for {LAYER}", f"{LAYER} [{formats}] got cached result: CaskConvolution, tactic 0x{DENSE:016x}, 0.05 ms"]
    item = verdict(tmp_path, Log(cached, [engine_line(LAYER, DENSE, "x (Float[1,64,28,28])", "y (Float[1,64,28,28])")], version="10.3.0"))
    assert item.reason == "no-kernel-precision" and item.summary.endswith("no sparse kernels")
