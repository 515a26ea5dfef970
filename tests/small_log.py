"""A build log small enough to know every cell of its tables by heart. Nothing in it was measured.

In: nothing. Out: text. Next: the tests of tables, report extras, deep dive and tactic names.
"""

from __future__ import annotations

import json

DENSE, SPARSE, DENSE_HWC = 0x98E92DB98836B738, 0xF000000000000001, 0x7121EC1DB3F80C67
DENSE_NAME = "sm80_xmma_fprop_implicit_gemm_indexed_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x64x32_stage4_warpsize2x2x1_g1_tensor16x8x16"
SPARSE_NAME = "sm80_xmma_fprop_sparse_conv_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x64x64_stage4_warpsize2x2x1_g1_sptensor16x8x32"
LINEAR, HWC8 = "Half(50176,784,28,1) -> Half(50176,784,28,1)", "Half(6272,1:8,224,8) -> Half(6272,1:8,224,8)"
LAYER = "conv1 + relu1"


def log_text(version: str = "8.6.1", capability: str = "8.6", layer: str = LAYER, sparse_name: str | None = SPARSE_NAME, node: str = "conv1") -> str:
    """The log of one build; `sparse_name` None: the sparse tactic's name is not printed."""
    v = "[01/02/2026-03:04:05] [V] [TRT] "
    digits = version.replace(".", "")
    named = f"Tactic Name: {sparse_name} Tactic: " if sparse_name else "Tactic: "
    own = [
        f"&&&& RUNNING TensorRT.trtexec [TensorRT v{digits}] # trtexec --onnx=tiny.onnx --fp16 --sparsity=enable --verbose",
        "[01/02/2026-03:04:05] [I] Model: tiny.onnx",
        "[01/02/2026-03:04:05] [I] Precision: FP32+FP16",
        "[01/02/2026-03:04:05] [I] Sparsity: Enabled",
        "[01/02/2026-03:04:05] [I] Selected Device: NVIDIA A10",
        f"[01/02/2026-03:04:05] [I] Compute Capability: {capability}",
        f"[01/02/2026-03:04:05] [I] TensorRT version: {version}",
        "[01/02/2026-03:04:05] [W] [TRT] a warning, so standard error was captured",
    ]
    tuned = [
        f"Parsing node: {node} [Conv]",
        f"{node} [Conv] inputs: [x -> (1, 64, 28, 28)[FLOAT]], [w -> (64, 32, 3, 3)[FLOAT]], ",
        f"Registering layer: {node} for ONNX node: {node}",
        "Using kernel: (3, 3), strides: (2, 1), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 1), numOutputs: 64",
        f"{node} [Conv] outputs: [y -> (1, 64, 28, 28)[FLOAT]], ",
        "=============== Computing reformatting costs: ",
        "*************** Autotuning Reformat: Half(50176,784,28,1) -> Half(6272,1:8,224,8) ***************",
        "--------------- Timing Runner: Optimizer Reformat(x -> <out>) (Reformat)",
        "Tactic: 0x00000000000003e8 Time: 0.004",
        "Tactic: 0x0000000000000000 Time: 0.003",
        "Fastest Tactic: 0x0000000000000000 Time: 0.003",
        f"=============== Computing costs for {layer}",
        f"*************** Autotuning format combination: {LINEAR} ***************",
        f"--------------- Timing Runner: {layer} (CaskConvolution)",
        f"Tactic Name: {DENSE_NAME} Tactic: 0x{DENSE:016x} Time: 0.0501",
        f"Fastest Tactic: 0x{DENSE:016x} Time: 0.0501",
        f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE:016x}",
        f"*************** Autotuning format combination: {HWC8} ***************",
        f"--------------- Timing Runner: {layer} (CudnnConvolution)",
        "Tactic: 0x0000000000000001 Time: inf",
        f"--------------- Timing Runner: {layer} (CaskConvolution)",
        f"{named}0x{SPARSE:016x} Time: 0.0302",
        f"Tactic Name: {DENSE_NAME} Tactic: 0x{DENSE_HWC:016x} Time: 0.0203",
        "Tactic: 0x00f00000000000a1 skipped. Scratch requested: 2000, available: 1000",
        f"Fastest Tactic: 0x{DENSE_HWC:016x} Time: 0.0203",
        f">>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: 0x{DENSE_HWC:016x}",
        f"twin [{LINEAR}] got cached result: CaskConvolution, tactic 0x{DENSE:016x}, 0.0501 ms",
        f"Adding reformat layer: Reformatted Input Tensor 0 to {layer} (x) from Half(50176,784,28,1) to Half(6272,1:8,224,8)",
        f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {layer}",
        "(Sparsity) Chose 0 layer(s) using sparse tactics: ",
        "Engine Layer Information:",
    ]
    engine = [f"Layer(CaskConvolution): {layer}, Tactic: 0x{DENSE_HWC:016x}, x' (Half[1,64,28,28]) -> y (Half[1,64,28,28])"]
    return "\n".join([*own, *(v + text for text in tuned), *engine, "[01/02/2026-03:04:09] [I] Engine built in 4 sec.", ""])


def layer_info_text(name: str | None = DENSE_NAME, tactic: int = DENSE_HWC, layer: str = LAYER) -> str:
    """The layer info that belongs to the log; `name` None: no kernel name."""
    tensor = {"Location": "Device", "Dimensions": [1, 64, 28, 28], "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}
    entry = {
        "Name": layer, "LayerType": "CaskConvolution", "Inputs": [{"Name": "x'", **tensor}], "Outputs": [{"Name": "y", **tensor}],
        "ParameterType": "Convolution", "Kernel": [3, 3], "Stride": [2, 1], "Groups": 2, "OutMaps": 64, "HasSparseWeights": 1,
        "Weights": {"Type": "Half", "Count": 18432}, "TacticName": name or "", "TacticValue": f"0x{tactic:016x}",
    }  # fmt: skip
    return json.dumps({"Layers": [entry], "Bindings": ["x", "y"]})
