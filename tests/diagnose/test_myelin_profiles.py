"""Operations of Myelin regions in engines of several optimization profiles, backend strategies and formats: whose list and whose table is theirs.

In: logs built line by line with the builders of test_adversarial.py, and layer infos that name instructions as TensorRT 10.16 does,
`Gemm_1 [profile 1]_myl15_1`. Out: assertions on verdicts. Every text here is invented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    GEMM,
    INFO_HWC8,
    LAYER,
    OP,
    REGION,
    ROW,
    SPARSE,
    Log,
    combination,
    engine_line,
    info,
    info_layer,
    layer,
    main,
    told,
    verdict,
)
from tests.diagnose.test_sparsity import made
from trtlens.diagnose.model import BuildDiagnosis, LayerVerdict, LineEvidence
from trtlens.diagnose.sparsity import match_names

SPARSE_GEMM = GEMM.replace("gemm", "sparse_gemm")
IN_PROFILE_1 = " [profile 1]"
NOTHING = ["(Sparsity) Found 0 layer(s) eligible to use sparse tactics: ", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
USED = "Use backend strategy {} with estimated inference time (1) as the initial choice."
LATER = "Use backend strategy {} since its estimated inference time (1) is faster than the previous engine with estimated inference time (2)."
PATTERN = "Half(64,1) -> Half(64,1)"
Rows = Sequence[tuple[float, str]]


def compiled(rows: Rows | None, profile: str = "", op: str = OP, formats: str = PATTERN, chose: int = 0) -> list[str]:
    """A region tuned in one format, with the table of its operation and its lists; `rows` None: neither, as an earlier sub-build compiled the same."""
    lines: list[str] = ["Tactic: 0x0000000000000000 Time: 0.05"]
    if rows is not None:
        table = [ROW.format(at, f"{time_ms:.7f}", kernel, 0xAB1 + at) for at, (time_ms, kernel) in enumerate(rows)]
        inside = [
            f"Autotuning op {op}: [ONNX Layer: {OP}]", "Sorted table of all evaluated tactics:",
            "tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, tunable_parameter", *table,
            f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {op}", f"(Sparsity) Chose {chose} layer(s) using sparse tactics: {op if chose else ''}",
        ]  # fmt: skip
        lines = [*(f" (foreignNode) {line}" for line in inside), *lines]
    return combination(REGION + profile, formats, lines, 0, "Myelin")


def tuned(profile: str, *regions: Sequence[str]) -> list[str]:
    return layer(REGION + profile, *regions)


def log_of(*tuned_lines: Sequence[str], profiles: int = 2, lists: Sequence[str] = NOTHING) -> Log:
    suffixes = ["", *(f" [profile {number}]" for number in range(1, profiles))]
    engine = [engine_line(REGION + suffix, 0, f"x{suffix} (Half[1,64])", f"y{suffix} (Half[1,64])", "Myelin") for suffix in suffixes]
    return Log([line for lines in tuned_lines for line in lines], engine, version="10.16.0", lists=list(lists))


def engine_of(*kernels: str, metadata: str = f"[ONNX Layer: {OP}]", op: str = OP) -> str:
    """Layer info with the operation once for each optimization profile."""
    tensor = {"Name": "x", "Dimensions": [1, 64], "Format/Datatype": "Half"}
    names = [f"{op}{f' [profile {number}]' if number else ''}_myl{7 + 8 * number}_1" for number in range(len(kernels))]
    return info(
        [
            {"Name": name, "LayerType": "gemm", "Inputs": [tensor], "Outputs": [{**tensor, "Name": "y"}], "TacticName": kernel, "StreamId": 0, "Metadata": metadata}
            for name, kernel in zip(names, kernels, strict=True)
        ]
    )


FIRST, SECOND = f"{OP}_myl7_1", f"{OP}{IN_PROFILE_1}_myl15_1"


def found(build: BuildDiagnosis, name: str) -> LayerVerdict:
    return next(item for item in build.layers if item.name == name)


@pytest.mark.parametrize("op", [OP, OP + IN_PROFILE_1], ids=["the lists do not say the profile", "they do"])
def test_each_optimization_profile_has_the_race_of_its_own_table(op: str, tmp_path: Path) -> None:
    dense_won: Rows = [(0.04, GEMM.format(64)), (0.06, SPARSE_GEMM.format(64))]
    sparse_won: Rows = [(0.02, SPARSE_GEMM.format(64)), (0.08, GEMM.format(64))]
    close: Rows = [(0.04, GEMM.format(64)), (0.05, SPARSE_GEMM.format(64))]
    log = log_of(tuned("", compiled(dense_won)), tuned(IN_PROFILE_1, compiled(close, IN_PROFILE_1, op)))
    build = main(tmp_path, log, engine_of(GEMM.format(64), GEMM.format(64)))
    assert told(found(build, FIRST)) == told(found(build, SECOND)) == ("dense", "slower", "proven")
    assert found(build, FIRST).margin == pytest.approx(0.5) and found(build, SECOND).margin == pytest.approx(0.25)
    assert found(build, SECOND).optimization_profile == 1
    assert build.summary.eligible_unmatched == 0 and not build.warnings
    log = log_of(tuned("", compiled(dense_won)), tuned(IN_PROFILE_1, compiled(sparse_won, IN_PROFILE_1, op, chose=1)))
    build = main(tmp_path, log, engine_of(GEMM.format(64), SPARSE_GEMM.format(64)))
    assert told(found(build, FIRST)) == ("dense", "slower", "proven")
    assert told(found(build, SECOND)) == ("sparse", "picked", "proven")
    assert not build.warnings  # that one sub-build chose it contradicts no dense kernel in another


def test_a_region_that_another_profile_compiled_has_no_race_of_its_own(tmp_path: Path) -> None:
    for rows, reason in (([(0.04, GEMM.format(64)), (0.06, SPARSE_GEMM.format(64))], "slower"), ([(0.04, GEMM.format(64))], "no-kernel")):
        log = log_of(tuned("", compiled(rows)), tuned(IN_PROFILE_1, compiled(None, IN_PROFILE_1)))
        build = main(tmp_path, log, engine_of(GEMM.format(64), GEMM.format(64)))
        assert told(found(build, FIRST)) == ("dense", reason, "proven")
        assert told(found(build, SECOND)) == ("dense", reason, "suggested")
        assert found(build, SECOND).eligibility.value is True


def test_a_node_that_the_list_names_otherwise_is_joined_in_every_profile(tmp_path: Path) -> None:
    rows: Rows = [(0.04, GEMM.format(64)), (0.06, SPARSE_GEMM.format(64))]
    log = log_of(tuned("", compiled(rows)), tuned(IN_PROFILE_1, compiled(None, IN_PROFILE_1)))
    build = main(tmp_path, log, engine_of(GEMM.format(64), GEMM.format(64), op="Gemm.1"))
    for name in ("Gemm.1_myl7_1", f"Gemm.1{IN_PROFILE_1}_myl15_1"):
        assert found(build, name).eligibility.value is True and found(build, name).eligibility.proof == "suggested"
    assert build.summary.eligible_unmatched == 0


def test_a_log_that_ends_behind_a_regions_list_is_of_the_same_build(tmp_path: Path) -> None:
    ops = [f"Gemm_{number}" for number in range(1, 5)]
    regions = [compiled([(0.04, GEMM.format(64))], suffix, op) for suffix in ("", IN_PROFILE_1) for op in ops]
    text = log_of(tuned("", *regions[:4]), tuned(IN_PROFILE_1, *regions[4:])).text()
    instructions = [item for op in ops for item in json.loads(engine_of(GEMM.format(64), GEMM.format(64), metadata=f"[ONNX Layer: {op}]", op=op))["Layers"]]
    convolutions = [info_layer(f"conv{number}", DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for number in range(3)]
    build = main(tmp_path, text[: text.index("Engine Layer Information")], info([*convolutions, *instructions]))
    assert [warning.id for warning in build.warnings] == ["log-truncated"]


def test_a_pass_that_compiled_no_region_anew_lists_nothing_of_it(tmp_path: Path) -> None:
    rows: Rows = [(0.04, GEMM.format(64))]
    first = ["Building graph using backend strategy 4", *tuned("", compiled(rows)), *NOTHING, USED.format(4)]
    second = ["Building graph using backend strategy 3", *tuned("", compiled(None)), *NOTHING, LATER.format(3)]
    log = log_of(first, second, profiles=1, lists=[])
    item = verdict(tmp_path, log, engine_of(GEMM.format(64)), name=FIRST)
    assert (item.status, item.eligibility.value, item.eligibility.proof) == ("dense", True, "suggested")
    assert item.proof != "proven" and isinstance(item.eligibility.evidence[0], LineEvidence)
    other = verdict(tmp_path, log, engine_of(GEMM.format(64), metadata="[ONNX Layer: Gemm_9]", op="Gemm_9"), name="Gemm_9_myl7_1")
    assert (other.status, other.reason, other.proof, other.eligibility.proof) == ("ineligible", "not-listed", "suggested", "suggested")
    again = log_of(first, ["Building graph using backend strategy 3", *tuned("", compiled(rows)), *NOTHING, LATER.format(3)], profiles=1, lists=[])
    other = verdict(tmp_path, again, engine_of(GEMM.format(64), metadata="[ONNX Layer: Gemm_9]", op="Gemm_9"), name="Gemm_9_myl7_1")
    assert told(other) == ("ineligible", "not-listed", "proven")


def test_the_kernels_name_tells_which_format_of_a_region_runs(tmp_path: Path) -> None:
    floats = "Float(64,1) -> Half(64,1)"
    slow: Rows = [(0.07, SPARSE_GEMM.format(64)), (0.09, GEMM.format(128))]
    fast: Rows = [(0.04, GEMM.format(64))]
    log = log_of(tuned("", compiled(fast), compiled([(0.05, GEMM.format(256))]), compiled(slow, formats=floats, chose=1)), profiles=1)
    build = main(tmp_path, log, engine_of(GEMM.format(64)))
    item = found(build, FIRST)
    assert (item.reason, item.best_dense_ms, item.best_sparse_ms) == ("slower", 0.04, 0.07)
    assert not build.warnings  # the sub-build of another format chose it
    unclear = log_of(tuned("", compiled(fast), compiled([(0.05, GEMM.format(64))], formats=floats), compiled(slow, formats=PATTERN, chose=1)), profiles=1)
    assert verdict(tmp_path, unclear, engine_of(GEMM.format(64)), name=FIRST).reason == "unexplained"
    faster: Rows = [(0.03, SPARSE_GEMM.format(64)), (0.09, GEMM.format(128))]
    log = log_of(tuned("", compiled(fast), compiled(faster, formats=floats, chose=1)), profiles=1)
    assert told(verdict(tmp_path, log, engine_of(GEMM.format(64)), name=FIRST)) == ("dense", "unexplained", "unknown")


def test_lists_of_several_optimization_profiles_that_do_not_say_which_contradict_no_dense_kernel(tmp_path: Path) -> None:
    formats = "Half(6272,1:8,224,8) -> Half(6272,1:8,224,8)"
    tensors = "x{} (Half[1,64:8,28,28])", "y{} (Half[1,64:8,28,28])"

    def build(picked: str, first: int, second: int) -> BuildDiagnosis:
        times = ("", 0.07, DENSE), (IN_PROFILE_1, 0.03, SPARSE)
        races = [layer(LAYER + suffix, combination(LAYER + suffix, formats, [(SPARSE, sparse_ms), (DENSE, 0.05)], won)) for suffix, sparse_ms, won in times]
        engine = [engine_line(LAYER + suffix, number, *(text.format(suffix) for text in tensors)) for suffix, number in (("", first), (IN_PROFILE_1, second))]
        chose = f"(Sparsity) Chose {picked.count(',') + 1 if picked else 0} layer(s) using sparse tactics: {picked}"
        eligible = f"{LAYER}, {LAYER}{IN_PROFILE_1}" if IN_PROFILE_1 in picked else LAYER
        found_line = f"(Sparsity) Found {eligible.count(',') + 1} layer(s) eligible to use sparse tactics: {eligible}"
        log = Log([line for race in races for line in race], engine, version="10.16.0", lists=[found_line, chose])
        layers = [info_layer(LAYER + suffix, number, {"x" + suffix: INFO_HWC8}, {"y" + suffix: INFO_HWC8}) for suffix, number in (("", first), (IN_PROFILE_1, second))]
        return main(tmp_path, log, info(layers))

    united = build(LAYER, DENSE, SPARSE)
    assert not united.warnings
    assert told(found(united, LAYER)) == ("dense", "slower", "proven")
    assert told(found(united, LAYER + IN_PROFILE_1)) == ("sparse", "picked", "proven")
    said = build(f"{LAYER}, {LAYER}{IN_PROFILE_1}", DENSE, SPARSE)
    assert [warning.id for warning in said.warnings] == ["capture-mismatch"]  # the list says that this very layer runs sparse
    nobody = build("", DENSE, SPARSE)
    assert [warning.id for warning in nobody.warnings] == ["capture-mismatch"]  # in no optimization profile, it says


def test_an_operation_is_not_the_layer_of_its_name() -> None:
    instruction = made(FIRST, kind="gemm")
    assert match_names([instruction], [OP]).exact == [True]
    assert match_names([made(OP), instruction], [OP]).exact == [True, False]
    assert match_names([made(FIRST, kind="kgen")], [OP]).exact == [False]
