"""Log and ONNX model together: a layer that the log does not list as eligible gets its reason from the weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import LayerVerdict, TensorEvidence
from trtlens.diagnose.session import Session
from trtlens.report.html import render_html

DENSE_KERNEL = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x64x32_stage3_warpsize2x2x1_g1_tensor16x8x16_t1r3s3"


def model(path: Path, *, groups: int = 1, dense_first_group: bool = True) -> None:
    rng = np.random.default_rng(7)
    first = rng.normal(size=(16, 8, 3, 3)).astype(np.float32)
    first[:, [0, 1, 4, 5]] = 0  # 2:4 along the input channels
    second = rng.normal(size=(16, 16 // groups, 3, 3)).astype(np.float32)
    second[:, [i for i in range(16 // groups) if i % 4 < 2]] = 0
    if dense_first_group:
        second[3, 0:3, 1, 1] = 1.0  # three non-zeros among channels 0 to 3
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w0"], ["a"], name="Conv_0", pads=[1, 1, 1, 1]),
            helper.make_node("Conv", ["a", "w1"], ["y"], name="Conv_1", pads=[1, 1, 1, 1], group=groups),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 16, 16])],
        [numpy_helper.from_array(first, "w0"), numpy_helper.from_array(second, "w1")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def log(path: Path, eligible: str) -> None:
    lines = ["&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=m.onnx --sparsity=enable --fp16 --verbose", "[01/02/2030-00:00:00] [I] Sparsity: Enabled"]
    stamp = "[01/02/2030-00:00:01] [V] [TRT] "
    for name in ("Conv_0", "Conv_1"):
        lines += [
            f"{stamp}=============== Computing costs for ",
            f"{stamp}*************** Autotuning format combination: Half(256,1:8,16,1) -> Half(512,1:8,32,2) ***************",
            f"{stamp}--------------- Timing Runner: {name} (CaskConvolution)",
            f"{stamp}{name} Set Tactic Name: {DENSE_KERNEL} Tactic: 0x1111111111111111",
            f"{stamp}Tactic: 0x1111111111111111 Time: 0.05",
            f"{stamp}Fastest Tactic: 0x1111111111111111 Time: 0.05",
            f"{stamp}>>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x1111111111111111",
        ]
    info = "[01/02/2030-00:00:02] [I] [TRT] "
    lines += [
        "[01/02/2030-00:00:02] [W] [TRT] a warning, so that standard error is there",
        f"{info}(Sparsity) Layers eligible for sparse math: {eligible}",
        f"{info}(Sparsity) TRT inference plan picked sparse implementation for layers:",
        f"{stamp}Engine generation completed in 1.0 seconds.",
        f"{stamp}Engine Layer Information:",
        "Layer(CaskConvolution): Conv_0, Tactic: 0x1111111111111111, x (Half[1,8:8,16,16]) -> a (Half[1,16:8,16,16])",
        "Layer(CaskConvolution): Conv_1, Tactic: 0x1111111111111111, a (Half[1,16:8,16,16]) -> y (Half[1,16:8,16,16])",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def verdicts(tmp_path: Path, eligible: str, **changes: object) -> dict[str, LayerVerdict]:
    model(tmp_path / "m.onnx", **changes)  # type: ignore[arg-type]
    log(tmp_path / "b.log", eligible)
    build = explain([str(tmp_path / "b.log"), str(tmp_path / "m.onnx")]).captures[0].main
    assert build is not None
    return {v.name: v for v in build.layers}


def test_a_layer_that_is_not_listed_and_violates_the_pattern_is_proven_so(tmp_path: Path) -> None:
    found = verdicts(tmp_path, "Conv_0")
    assert (found["Conv_0"].status, found["Conv_0"].reason, found["Conv_0"].proof) == ("dense", "no-kernel", "proven")
    second = found["Conv_1"]
    assert (second.status, second.reason, second.proof) == ("ineligible", "pattern", "proven")
    assert "1 of 576 groups" in second.summary.replace(",", "")
    tensors = [e for e in second.evidence if isinstance(e, TensorEvidence)]
    assert tensors and tensors[0].tensor == "w1" and tensors[0].index == (3, 0, 1, 1)


def test_values_that_trtexec_wrote_over_prove_nothing(tmp_path: Path) -> None:
    """`--sparsity=force` makes weights 2:4 as it likes: that the model's own violate is not why this layer is not listed. Groups stay groups."""
    for word, proof in (("Enabled", "proven"), ("Forced", "suggested")):
        log(tmp_path / "b.log", "Conv_0")
        text = (tmp_path / "b.log").read_text(encoding="utf-8").replace("Sparsity: Enabled", f"Sparsity: {word}")
        for groups, reason, expected in ((1, "pattern", proof), (2, "grouped", "proven")):
            model(tmp_path / "m.onnx", groups=groups)
            (tmp_path / "b.log").write_text(text, encoding="utf-8")
            build = explain([str(tmp_path / "b.log"), str(tmp_path / "m.onnx")]).captures[0].main
            assert build is not None
            second = next(v for v in build.layers if v.name == "Conv_1")
            assert (second.status, second.reason, second.proof) == ("ineligible", reason, expected)


def test_a_grouped_convolution_is_named_by_its_groups(tmp_path: Path) -> None:
    second = verdicts(tmp_path, "Conv_0", groups=2, dense_first_group=False)["Conv_1"]
    assert (second.status, second.reason, second.proof) == ("ineligible", "grouped", "proven")


def test_what_the_log_lists_is_eligible_whatever_the_weights_say(tmp_path: Path) -> None:
    model(tmp_path / "m.onnx")
    log(tmp_path / "b.log", "Conv_0, Conv_1")
    build = explain([str(tmp_path / "b.log"), str(tmp_path / "m.onnx")]).captures[0].main
    assert build is not None
    second = next(v for v in build.layers if v.name == "Conv_1")
    assert second.status == "dense" and second.eligibility.value is True and second.eligibility.proof == "proven"
    assert "eligibility-disagrees" in {w.id for w in build.warnings}


def test_the_list_wins_over_weights_that_qualify(tmp_path: Path) -> None:
    second = verdicts(tmp_path, "Conv_0", dense_first_group=False)["Conv_1"]
    assert (second.status, second.reason, second.proof) == ("ineligible", "not-listed", "proven")
    assert not [e for e in second.evidence if isinstance(e, TensorEvidence)]  # the list proves it, not the weights


@pytest.mark.parametrize("eligible", ["", "Conv_0"])
def test_without_a_log_the_weights_only_suggest(tmp_path: Path, eligible: str) -> None:
    verdict = verdicts(tmp_path, eligible)["Conv_0"]
    assert verdict.eligibility.proof == "proven" and verdict.eligibility.value is (eligible != "")


@pytest.mark.parametrize(("layers", "concerned"), [([("__myl_DotAdd_myl0_1", "kgen")], 1), ([("Conv_0_myl0_0", "gemm"), ("__myl_Cast_myl0_1", "kgen")], 1), ([("__myl_Add_myl0_1", "signal")], 0)])
def test_a_product_inside_a_generated_kernel_is_a_layer_with_weights(layers: list[tuple[str, str]], concerned: int, tmp_path: Path) -> None:
    """Unless another layer computes the node: then what Myelin generated for it is only what stands around the product."""
    model(tmp_path / "m.onnx")
    rows = [
        {"Name": name, "LayerType": kind, "Inputs": [], "Outputs": [], "TacticName": "__myelin_CASK_STUB", "StreamId": 0, "Metadata": "[ONNX Layer: Conv_0]"}
        for name, kind in layers
    ]
    (tmp_path / "layer_info.json").write_text(json.dumps({"Layers": rows, "Bindings": ["x", "y"]}), encoding="utf-8")
    build = explain([str(tmp_path / "layer_info.json"), str(tmp_path / "m.onnx")]).captures[0].main
    assert build is not None
    assert len([v for v in build.layers if v.status != "other"]) == concerned


def test_the_report_shows_the_weights_of_a_layer(tmp_path: Path) -> None:
    model(tmp_path / "m.onnx")
    log(tmp_path / "b.log", "Conv_0")
    session = Session([str(tmp_path / "b.log"), str(tmp_path / "m.onnx")])
    extras = session.extras()
    assert extras is not None and "1 of 576 groups violate" in extras.weights["Conv_1"][0]
    assert "1 of 576 groups violate" in render_html(session.diagnosis, extras, pictures=False)


@pytest.mark.parametrize(
    ("groups", "said", "reason", "proof"),
    [
        (1, {"Groups": 1, "Count": 2304}, "pattern", "proven"),
        (1, {"Groups": 1, "Count": 4608}, "pattern", "suggested"),
        (2, {"Groups": 1, "Count": 1152}, "grouped", "suggested"),
        (2, {"Groups": 2, "Count": 1152}, "grouped", "proven"),
    ],
    ids=["the model that was built", "other weights", "other groups", "the same groups"],
)
def test_weights_of_another_model_prove_nothing(groups: int, said: dict[str, int], reason: str, proof: str, tmp_path: Path) -> None:
    model(tmp_path / "m.onnx", groups=groups)
    log(tmp_path / "b.log", "Conv_0")
    tensor = {"Location": "Device", "Dimensions": [1, 16, 16, 16], "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}
    rows = [
        {
            "Name": name, "LayerType": "CaskConvolution", "Inputs": [{"Name": source, **tensor}], "Outputs": [{"Name": target, **tensor}], "ParameterType": "Convolution",
            "Kernel": [3, 3], "Stride": [1, 1], "Groups": 1 if name == "Conv_0" else said["Groups"], "OutMaps": 16, "HasSparseWeights": 0,
            "Weights": {"Type": "Half", "Count": 1152 if name == "Conv_0" else said["Count"]}, "TacticName": DENSE_KERNEL, "TacticValue": "0x1111111111111111",
        }
        for name, source, target in (("Conv_0", "x", "a"), ("Conv_1", "a", "y"))
    ]  # fmt: skip
    (tmp_path / "layer_info.json").write_text(json.dumps({"Layers": rows, "Bindings": ["x", "y"]}), encoding="utf-8")
    build = explain([str(tmp_path / name) for name in ("b.log", "layer_info.json", "m.onnx")]).captures[0].main
    assert build is not None
    found = next(v for v in build.layers if v.name == "Conv_1")
    assert (found.status, found.reason, found.proof) == ("ineligible", reason, proof)
