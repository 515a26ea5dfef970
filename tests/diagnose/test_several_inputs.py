"""Inputs that do not belong together, or of which there are too many of a kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis
from trtlens.errors import InputError, UsageError

KERNEL = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x64x32_stage3_warpsize2x2x1_g1_tensor16x8x16_t1r3s3"


def layers(path: Path, *names: str) -> str:
    path.write_text(
        json.dumps({"Layers": [{"Name": n, "LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "TacticName": KERNEL, "TacticValue": "0x1"} for n in names]})
    )
    return str(path)


def info_log(path: Path, *names: str) -> str:
    path.write_text(f"[01/02/2030-00:00:00] [I] [TRT] (Sparsity) Layers eligible for sparse math: {', '.join(names)}\n")
    return str(path)


def profile(path: Path, ms: float, *names: str) -> str:
    rows = [{"count": 10}, *({"name": n, "timeMs": ms * 10, "averageMs": ms, "medianMs": ms, "percentage": 50.0} for n in names)]
    path.write_text(json.dumps(rows))
    return str(path)


def main_of(*paths: str) -> BuildDiagnosis:
    found = explain(list(paths)).captures[0].main
    assert found is not None
    return found


def test_a_list_that_names_nothing_of_the_engine_is_of_another_model(tmp_path: Path) -> None:
    info = layers(tmp_path / "layers.json", "Conv_0", "Conv_1", "Conv_2")
    build = main_of(info, info_log(tmp_path / "a.log", "stem/conv", "head/conv", "neck/conv"))
    (warning,) = [w for w in build.warnings if w.id == "capture-mismatch"]
    assert "'head/conv' among them" in warning.message
    assert not [v for v in build.layers if v.type is not None and v.proof == "proven"]


def test_a_list_that_names_one_layer_of_the_engine_may_be_of_this_model(tmp_path: Path) -> None:
    info = layers(tmp_path / "layers.json", "Conv_0", "Conv_1", "Conv_2")
    for names in (("Conv_0", "x", "y"), ("x", "y")):
        build = main_of(info, info_log(tmp_path / "a.log", *names))
        assert [w.id for w in build.warnings if w.id == "capture-mismatch"] == []


def test_of_two_timing_profiles_the_one_that_is_used_is_named(tmp_path: Path) -> None:
    info = layers(tmp_path / "layers.json", "Conv_0", "Conv_1", "Conv_2")
    whole, part = profile(tmp_path / "whole.json", 0.25, "Conv_0", "Conv_1", "Conv_2"), profile(tmp_path / "part.json", 0.5, "Conv_0", "other")
    for order in ((whole, part), (part, whole)):
        build = main_of(info, *order)
        (warning,) = [w for w in build.warnings if w.id == "several-profiles"]
        assert f"those of {whole}" in warning.message and warning.message.endswith(part)
        assert build.layers[0].time_ms == 0.25
    assert [w.id for w in main_of(info, whole).warnings if w.id == "several-profiles"] == []


def test_a_folder_without_our_manifest_is_read_whole_and_by_content(tmp_path: Path) -> None:
    """Two files under the usual names do not hide the others; what is no artefact is passed over."""
    layers(tmp_path / "layer_info.json", "Conv_0")
    profile(tmp_path / "profile.json", 1.0, "Conv_0")
    info_log(tmp_path / "my log.txt", "Conv_0")
    (tmp_path / "trace.csv").write_text(f"Start (ns),Duration (ns),Name\n1,2,{KERNEL}_execute_kernel_trt\n")
    (tmp_path / "README.md").write_text((tmp_path / "my log.txt").read_text())  # it quotes the log
    (tmp_path / "report.json").write_text(json.dumps({"text": (tmp_path / "my log.txt").read_text()}))
    (tmp_path / "notes.txt").write_text("nothing that TensorRT writes")
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "a web page", "icons": []}))
    (capture,) = explain([str(tmp_path)]).captures
    assert {item.kind for item in capture.inputs} == {"layer_info", "timing_profile", "build_log", "kernel_trace"}


def test_a_second_log_in_a_folder_is_named_and_not_passed_over(tmp_path: Path) -> None:
    layers(tmp_path / "layer_info.json", "Conv_0")
    info_log(tmp_path / "build.log", "Conv_0")
    info_log(tmp_path / "other.log", "Conv_0")
    with pytest.raises(UsageError, match=r"other\.log is a second build log beside .*build\.log"):
        explain([str(tmp_path)])


def test_a_damaged_manifest_is_said_to_be_damaged(tmp_path: Path) -> None:
    info_log(tmp_path / "build.log", "Conv_0")
    (tmp_path / "manifest.json").write_text('{"trtlens": "0.1.0", "backend": {')
    with pytest.raises(InputError, match=r"manifest\.json"):
        explain([str(tmp_path)])
