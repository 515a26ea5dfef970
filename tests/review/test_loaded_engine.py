"""A log of `trtexec --loadEngine` prints build options too: they are defaults, and say nothing of the engine."""

from __future__ import annotations

import json
from pathlib import Path

from tests.small_log import DENSE_NAME, layer_info_text
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis

LOG = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --loadEngine=model.plan --dumpLayerInfo --verbose
[01/02/2026-03:04:05] [I] === Build Options ===
[01/02/2026-03:04:05] [I] Precision: FP32
[01/02/2026-03:04:05] [I] Sparsity: Disabled
[01/02/2026-03:04:05] [I] Load engine: model.plan
[01/02/2026-03:04:05] [I] builderOptimizationLevel: -1
[01/02/2026-03:04:05] [I] Selected Device: NVIDIA A10
[01/02/2026-03:04:06] [I] Layer Information:
[01/02/2026-03:04:06] [I] Layers:
%s
Bindings:
x
y
[01/02/2026-03:04:07] [I] Starting inference
"""


def main_build(*paths: Path) -> BuildDiagnosis:
    found = explain([str(path) for path in paths]).captures[0].main
    assert found is not None
    return found


def test_the_options_of_a_run_that_loads_an_engine_do_not_say_how_it_was_built(tmp_path: Path) -> None:
    (tmp_path / "infer.log").write_text(LOG % "conv1 + relu1")
    (tmp_path / "li.json").write_text(layer_info_text(DENSE_NAME))
    build = main_build(tmp_path / "infer.log", tmp_path / "li.json")
    environment = build.environment
    assert (environment.sparsity, environment.precision, environment.opt_level, environment.gpu) == (None, None, None, "NVIDIA A10")
    assert not {v.reason for v in build.layers} & {"flag-off"}


def test_the_same_options_of_a_run_that_builds_prove_that_the_flag_is_off(tmp_path: Path) -> None:
    text = LOG.replace("--loadEngine=model.plan", "--onnx=model.onnx").replace("Load engine: model.plan", "Load engine: ")
    (tmp_path / "build.log").write_text(text % "conv1 + relu1")
    (tmp_path / "li.json").write_text(layer_info_text(DENSE_NAME).replace('"HasSparseWeights": 1', '"HasSparseWeights": 0'))
    build = main_build(tmp_path / "build.log", tmp_path / "li.json")
    assert build.environment.sparsity == "disable" and build.environment.opt_level is None
    assert [(v.status, v.reason, v.proof) for v in build.layers] == [("ineligible", "flag-off", "proven")]


def test_trex_metadata_fills_the_environment(tmp_path: Path) -> None:
    (tmp_path / "m.graph.json").write_text(layer_info_text())
    device = {"Selected Device": "NVIDIA A10", "Compute Capability": 8.6, "SMs": 72.0}
    (tmp_path / "m.profile.metadata.json").write_text(json.dumps({"performance_summary": {"Throughput": 1.0}, "device_information": device}))
    options = {"Precision": "FP32+FP16", "Sparsity": "Enabled", "Load engine": ""}
    (tmp_path / "m.build.metadata.json").write_text(json.dumps({"model_options": {"Model": "m.onnx"}, "build_options": options}))
    around = main_build(*sorted(tmp_path.iterdir())).environment
    assert (around.gpu, around.compute_capability, around.precision, around.sparsity) == ("NVIDIA A10", "8.6", ("fp32", "fp16"), "enable")
