"""What a build by TensorRT-RTX does and does not say: its layers, not its kernels; and what a capture folder says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.diagnose.test_weights_join import model
from trtlens.diagnose.explain import Options, explain
from trtlens.diagnose.findings import manifest_warnings
from trtlens.diagnose.layers import EngineLayer, concern
from trtlens.diagnose.model import PointerEvidence
from trtlens.errors import UsageError


def layer(name: str, kind: str, node: str, tactic: str = "") -> dict[str, Any]:
    return {"Name": name, "LayerType": kind, "Inputs": [], "Outputs": [], "TacticName": tactic, "StreamId": 0, "Metadata": f"[ONNX Layer: {node}]"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("__myl_CorrMulAdd_myl0_2", "weights"),
        ("__myl_DecoMulAddRelu_myl0_92", "weights"),
        ("__myl_FcAddGelu_myl0_9", "weights"),
        ("__myl_MulAddTran_myl0_24", "other"),
        ("Corr_of_the_users_own", "other"),
    ],
)
def test_a_fusion_that_holds_a_product_is_concerned(name: str, expected: str) -> None:
    assert concern(EngineLayer(name=name, base_name=name, type="runtime_fusion", onnx_nodes=("Conv_0",), optimization_profile=None)) == expected


@pytest.mark.parametrize(("dense", "said"), [(True, "seem not to qualify"), (False, "its weights qualify")])
def test_the_weights_speak_where_the_kernel_is_chosen_later(tmp_path: Path, dense: bool, said: str) -> None:
    model(tmp_path / "model.onnx", dense_first_group=dense)
    (tmp_path / "layers.json").write_text(
        json.dumps(
            {
                "Layers": [
                    layer("__myl_CorrAdd_myl0_1", "runtime_fusion", "Conv_0"),
                    layer("__myl_CorrSilu_myl0_2", "runtime_fusion", "Conv_1"),
                    layer("Conv_9_myl0_3", "correlation", "Conv_9", "__myelin_CASK_STUB"),
                ]
            }
        )
    )
    (tmp_path / "build.log").write_text("[V] Using legacy CPU-only path\n[V] Engine generation completed in 0.1 seconds.\n")
    build = explain([str(tmp_path / "layers.json"), str(tmp_path / "model.onnx"), str(tmp_path / "build.log")]).captures[0].main
    assert build is not None
    first, second, third = build.layers
    assert (first.status, second.status, third.reason) == ("undetermined", "undetermined", "jit-deferred")
    assert first.eligibility.value is True
    assert (second.eligibility.value is True) is not dense
    assert second.reason == "jit-deferred" and said in second.summary


def test_a_failed_build_and_a_pruned_model_are_said() -> None:
    assert manifest_warnings(None, -1) == []
    assert manifest_warnings({"status": "complete", "failure": None, "prune": None}, 0) == []
    failed, pruned = manifest_warnings({"status": "failed", "failure": {"kind": "signal", "message": "died of SIGSEGV"}, "prune": {"kind": "magnitude"}}, 2)
    assert failed.id == "build-failed" and "SIGSEGV" in failed.message
    assert failed.evidence == (PointerEvidence(2, "/failure", "died of SIGSEGV"),)
    assert pruned.id == "accuracy-not-kept"


def test_a_build_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "layers.json").write_text(json.dumps({"Layers": [layer("a", "kgen", "Conv_0")]}))
    with pytest.raises(UsageError, match="these inputs hold build 0 alone"):
        explain([str(tmp_path / "layers.json")], Options(build=7))
