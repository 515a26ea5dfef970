"""The question trtlens was made for: NVIDIA/TensorRT issue 4056, in trtexec's form (fixtures/issue_4056)."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LayerVerdict, LineEvidence, PointerEvidence
from trtlens.report.words import headline

FIXTURE = Path(__file__).parents[2] / "fixtures" / "issue_4056"


@pytest.fixture(scope="module")
def build() -> BuildDiagnosis:
    found = explain([str(FIXTURE / name) for name in ("layer_info.json", "profile.json", "build.log")]).captures[0].main
    assert found is not None
    return found


def layer(build: BuildDiagnosis, name: str) -> LayerVerdict:
    (found,) = [v for v in build.layers if v.name == name]
    return found


def test_the_sparse_layer(build: BuildDiagnosis) -> None:
    verdict = layer(build, "Conv_276 + Add_277 + Relu_278")
    assert (verdict.status, verdict.reason, verdict.proof) == ("sparse", "picked", "proven")
    assert verdict.tactic.sparse is True and verdict.tactic.id == 0x7C131D76D207C8D1
    assert verdict.time_ms == 0.020768 and verdict.time_stat == "median"


def test_the_dense_layer(build: BuildDiagnosis) -> None:
    verdict = layer(build, "Conv_663 + Add_664 + Relu_665")
    assert (verdict.status, verdict.reason) == ("dense", "not-captured")
    assert verdict.time_ms == pytest.approx(0.102496)
    assert verdict.proof == "unknown"  # nothing in these files shows why
    assert verdict.eligibility.value is True and verdict.eligibility.proof == "suggested"  # the list is of another build
    partial = [s for s in verdict.suspects if s.reason == "partial-tile"]
    assert partial and partial[0].proof == "suggested" and "288" in partial[0].summary


def test_an_excerpt_of_a_profile_has_no_total(build: BuildDiagnosis) -> None:
    # GIVEN five rows, whose own shares make 0.54 % of the engine
    assert layer(build, "Conv_663 + Add_664 + Relu_665").time_percent == pytest.approx(0.36, abs=0.01)
    assert build.summary.total_time_ms is None
    # THEN the headline does not say that two thirds of the time are spent in one layer
    assert "0.102 ms is spent there" in headline(build)


def test_the_lists_counts_come_from_the_logs_own_lines(build: BuildDiagnosis) -> None:
    summary = build.summary
    assert summary.eligible_listed == 108
    assert (summary.eligible, summary.picked, summary.fallback) == (108, 79, 29)
    assert summary.eligible_unmatched == 106  # the reporter copied two layers out of his layer info
    listed_only = [v for v in build.layers if v.type is None]
    assert all(v.proof != "proven" for v in listed_only)


def test_the_reformats_before_it_are_free(build: BuildDiagnosis) -> None:
    reformat = layer(build, "Reformatting CopyNode for Input Tensor 0 to Conv_663 + Add_664 + Relu_665")
    assert reformat.status == "other" and reformat.type == "NoOp" and "free" in reformat.summary and reformat.time_ms == 0


def test_both_reformats_are_free_in_the_log() -> None:
    found = explain([str(FIXTURE / "build.log")]).captures[0].main
    assert found is not None
    reformats = [v for v in found.layers if v.name.startswith("Reformatting CopyNode") and "Conv_663" in v.name]
    assert len(reformats) == 2 and all(v.status == "other" and "free" in v.summary for v in reformats)


def test_log_and_json_are_of_two_builds(build: BuildDiagnosis) -> None:
    (warning,) = [w for w in build.warnings if w.id == "capture-mismatch"]
    texts = [e.text for e in warning.evidence if isinstance(e, (LineEvidence, PointerEvidence))]
    assert any("0xd80cb0f3373aef38" in t for t in texts) and any("0x3eda3b336995a6f0" in t for t in texts)
    (line,) = [e for e in warning.evidence if isinstance(e, LineEvidence) and "0xd80cb0f3373aef38" in e.text]
    lines = (FIXTURE / "build.log").read_text(encoding="utf-8").splitlines()
    assert lines[line.line - 1] == line.text  # the evidence is the very line
    assert {w.id for w in build.warnings} >= {"capture-mismatch", "stderr-missing", "unmatched-rows"}


def test_without_the_log_eligibility_is_only_suggested() -> None:
    found = explain([str(FIXTURE / "layer_info.json")]).captures[0].main
    assert found is not None
    verdict = layer(found, "Conv_663 + Add_664 + Relu_665")
    assert (verdict.status, verdict.reason, verdict.eligibility.proof) == ("dense", "not-captured", "suggested")
    assert found.summary.eligible_listed is None and verdict.time_ms is None


def test_the_log_alone_knows_ids_and_lists() -> None:
    found = explain([str(FIXTURE / "build.log")]).captures[0].main
    assert found is not None and found.environment.tensorrt == "8.5.2" and found.environment.sparsity == "enable"
    assert (found.summary.eligible_listed, found.summary.picked, found.summary.fallback) == (108, 79, 29)
    assert "capture-mismatch" not in {w.id for w in found.warnings}
