"""Every real artefact is diagnosed or refused in one clear line; what the real sparsity logs say is known."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.parse.corpus import CORPUS, needs_corpus
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis
from trtlens.errors import TrtlensError
from trtlens.report.json_report import to_dict, validate

SNAPSHOT = Path(__file__).parent / "corpus_verdicts.json"
FOLDERS = ("layer_info", "profile", "trex_meta", "info_logs", "verbose_logs", "timing_misc")


def tally(path: Path) -> dict[str, int] | str:
    try:
        diagnosis = explain([str(path)])
    except TrtlensError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        return "refused"
    validate(to_dict(diagnosis))
    main = diagnosis.captures[0].main
    assert main is not None
    counts = Counter(f"{v.status}/{v.reason or '-'}/{v.proof}" for v in main.layers)
    return {"builds": len(diagnosis.captures[0].builds), **dict(sorted(counts.items()))}


@needs_corpus
def test_every_file_is_diagnosed_or_refused_and_nothing_changed() -> None:
    found = {f"{folder}/{path.name}": tally(path) for folder in FOLDERS for path in sorted((CORPUS / folder).iterdir())}
    if os.environ.get("TRTLENS_UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    expected = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert len(found) > 300
    differing = {name: (expected.get(name), counts) for name, counts in found.items() if expected.get(name) != counts}
    assert not differing


def main_build(*names: str) -> BuildDiagnosis:
    found = explain([str(CORPUS / name) for name in names]).captures[0].main
    assert found is not None
    return found


@needs_corpus
@pytest.mark.parametrize(
    ("name", "eligible"),
    [
        ("verbose_logs/NVIDIA-trt-samples-for-hackathon-cn__cookbook__04-Feature__Sparsity__log-main.py__aa8591f.log", 3),
        ("verbose_logs/NVIDIA-trt-samples-for-hackathon-cn__cookbook__09-Advance__Sparsity__result.log", 20),
    ],
)
def test_eligible_fp32_layers_of_real_logs_are_proven_to_lack_kernels(name: str, eligible: int) -> None:
    build = main_build(name)
    fallbacks = [v for v in build.layers if v.status == "dense"]
    assert len(fallbacks) == eligible == build.summary.eligible
    assert {(v.reason, v.proof) for v in fallbacks} == {("no-kernel-precision", "proven")}
    for verdict in fallbacks:
        cited = " ".join(e.text for e in verdict.evidence if hasattr(e, "line"))
        assert "Float(" in cited or "Autotuning op" in cited


@needs_corpus
@pytest.mark.parametrize("model", ["vgg16", "sample2"])
def test_a_real_capture_of_one_build_does_not_warn_of_a_mismatch(model: str) -> None:
    stem = f"kalfazed-tensorrt_starter__5.1-trtexec__models__log__{model}__build"
    build = main_build(f"verbose_logs/{stem}__build.log", f"layer_info/{stem}__build_layer_info.log", f"profile/{stem}__build_profile.log")
    assert "capture-mismatch" not in {w.id for w in build.warnings}
    assert build.summary.total_time_ms and build.environment.gpu == "NVIDIA GeForce RTX 3080"
    timed = [v for v in build.layers if v.time_ms is not None]
    assert len(timed) == len(build.layers)
    assert {v.reason for v in build.layers if v.status == "ineligible"} == {"flag-off"}
