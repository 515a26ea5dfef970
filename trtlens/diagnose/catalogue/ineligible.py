"""Reasons why a layer does not qualify for sparse math. In: nothing. Out: `INELIGIBLE`. Next: suspects.py."""

from __future__ import annotations

from .records import Reason, RemedyText

_AND_NOT_LISTED = "the `(Sparsity)` list of a complete verbose log (8.x: INFO is enough) does not name the layer"

INELIGIBLE: tuple[Reason, ...] = (
    Reason(
        id="flag-off",
        statuses=("ineligible",),
        kind="ineligible",
        title="The build did not ask for sparsity",
        means="SPARSE_WEIGHTS was not set, so TensorRT never looked at the weights.",
        needs="A build log or the capture's manifest.",
        proven_when="trtexec's option block says `Sparsity: Disabled`, or the manifest says that the flag was off.",
        suggested_when="A verbose log of TensorRT 8.0 or later reaches the engine without any `(Sparsity)` line, or trex's copy of the options says "
        "`Disabled`.",
        cause="The flag is off by default, in the API and in trtexec.",
        evidence="The option line or the manifest's entry.",
        remedies=(
            RemedyText(
                "Set `BuilderFlag.SPARSE_WEIGHTS` (trtexec `--sparsity=enable`) and build again. Not `force`: it overwrites the weights.",
                "The new log has `(Sparsity)` lines that name the layer.",
                "bound",
            ),
        ),
        sources=("TensorRT developer guide, structured sparsity", "trtexec option block"),
        domain_ids=("FLAG_OFF",),
        next_capture="A build with --sparsity=enable.",
    ),
    Reason(
        id="pattern",
        statuses=("ineligible",),
        kind="ineligible",
        title="The weights are not 2:4 sparse",
        means="Some group of four neighbouring weights along the input channels has more than two non-zero values.",
        needs="The ONNX model with its weights; for proof the build log as well.",
        proven_when="Such a group is in the weights as ONNX holds them, with no Q/DQ, BatchNorm or arithmetic between weight and "
        f"operator, and {_AND_NOT_LISTED}.",
        suggested_when="The same, with something between weight and operator that TensorRT may fold into the weights, with weights that conform once they are "
        "rounded to FP16, or in a layer of several weights of which others conform.",
        cause="The layer was not pruned, was pruned by another pattern, or the mask was lost later: through fine-tuning without the "
        "mask, folding that adds to the weights, or quantization with a non-zero zero point. A small share of violating groups points "
        "to a lost mask, a large one to a layer never pruned or pruned along another axis.",
        evidence="The first violating groups by index, and their share.",
        remedies=(
            RemedyText(
                "Apply the mask again (and fine-tune); export; check with `trtlens check MODEL.onnx`.",
                "`trtlens check` calls the layer eligible, and the new log's list names it.",
                "bound",
            ),
        ),
        sources=("TensorRT developer guide, structured sparsity", "Polygraphy inspect sparsity"),
        domain_ids=("PATTERN_FAIL",),
    ),
    Reason(
        id="pattern-wrong-axis",
        statuses=("ineligible",),
        kind="ineligible",
        title="The weights are 2:4 sparse along the wrong axis",
        means="The 2:4 pattern does not hold along the input channels, and it holds along another axis.",
        needs="The ONNX model with its weights.",
        proven_when="never",
        suggested_when="`pattern` holds and another axis of the same weight conforms.",
        cause="The mask was computed on another layout: for a convolution on [K, R, S, C] or over the output channels, for a matrix "
        "product on the transposed weight. TensorRT asks for the pattern along the reduction: axis 1 of a convolution's weight, the K "
        "axis of a matrix.",
        evidence="Share of conforming groups by axis.",
        remedies=(
            RemedyText(
                "Compute the mask along the input channels of the weight as the operator uses it, and fine-tune again.",
                "`trtlens check` calls the layer eligible.",
                "bound",
            ),
        ),
        sources=("TensorRT developer guide, structured sparsity", "Polygraphy sparsity tool: axes by operator"),
        domain_ids=("PATTERN_WRONG_AXIS",),
    ),
    Reason(
        id="channels-partial-group",
        statuses=("ineligible",),
        kind="ineligible",
        title="Input channels do not fill the last group of four",
        means="The number of input channels is no multiple of four, and the last group, padded with zeros, has more than two non-zeros.",
        needs="The ONNX model with its weights, the build log.",
        proven_when="never",
        suggested_when=f"The last padded group has more than two non-zeros, and {_AND_NOT_LISTED}.",
        cause="The guide defines the pattern for channels that divide by four. A short group is not in itself an obstacle: TensorRT "
        "10.16 has listed a convolution with one input channel as eligible, and a group padded with zeros can hold two non-zeros at "
        "most as well. A first layer with three colour channels is the common case of three non-zeros.",
        evidence="The number of channels, and the non-zeros in the last group.",
        remedies=(
            RemedyText(
                "Prune the last group to two non-zeros. For a first layer this rarely pays.", "The new log's list names the layer.", "bound"
            ),
        ),
        sources=("TensorRT developer guide, structured sparsity", "Verbose build log of TensorRT 10.16"),
        domain_ids=("C_NOT_MULT4",),
    ),
    Reason(
        id="grouped",
        statuses=("ineligible",),
        kind="ineligible",
        title="Grouped convolution",
        means="The convolution has more than one group; depthwise convolutions are the extreme case.",
        needs="The ONNX model, layer information or the log; for proof the build log.",
        proven_when=f"Groups are above 1 in ONNX, layer information or the log, and {_AND_NOT_LISTED}.",
        suggested_when="The layer holds several convolutions of which one has a single group; or the list may not be the engine's, or not whole.",
        cause="TensorRT does not consider sparse kernels for grouped convolutions (a maintainer's statement of August 2024); all known "
        "sparse convolution kernels are for one group.",
        evidence="The group count.",
        remedies=(
            RemedyText(
                "Replace the grouped convolution by a dense one, if the added FLOPs are worth it.",
                "The new log's list names the layer; compare end-to-end times, which usually speak against it.",
            ),
        ),
        sources=("NVIDIA/TensorRT issue 4054 (maintainer's statement)", "Kernel names in the TensorRT-RTX 1.7.1 library"),
        domain_ids=("GROUPED",),
    ),
    Reason(
        id="weights-not-constant",
        statuses=("ineligible",),
        kind="ineligible",
        title="The weights are not known at build time",
        means="The weight operand is computed at run time, so its zeros cannot be relied on.",
        needs="The ONNX model or layer information.",
        proven_when=f"`HasDynamicFilter` is 1, or the walk from the operator through the ONNX graph ends at a runtime tensor, and {_AND_NOT_LISTED}.",
        suggested_when="The same, with a list that may not be the engine's, or not whole.",
        cause="A dynamic filter, an adapter (LoRA) added at run time, or weights made by a part of the graph that cannot be folded. "
        "Related but no cause of a fallback in itself: in refittable engines new weights must keep the 2:4 mask, or refitting fails.",
        evidence="The key of the layer information, or the tensor at which the walk ends.",
        remedies=(
            RemedyText(
                "Fold constants before export (`polygraphy surgeon sanitize --fold-constants`).",
                "The weight is an initializer in the model.",
                "bound",
            ),
        ),
        sources=("TensorRT 10.x engine inspector output", "Text in the TensorRT-RTX libraries on refitting sparse layers"),
        domain_ids=("WEIGHT_NOT_CONST", "REFIT"),
    ),
    Reason(
        id="op-kind",
        statuses=("ineligible",),
        kind="ineligible",
        title="An operation without sparse kernels",
        means="The layer holds no convolution or matrix product with constant weights, or one of a kind that no sparse kernel is known "
        "for.",
        needs="The ONNX model or layer information; for proof the build log.",
        proven_when=f"There is no Conv, Gemm or MatMul with constant weights in the layer, and {_AND_NOT_LISTED}.",
        suggested_when="The operation is ConvTranspose or a 3-D convolution, for which no sparse kernel is known, or a plugin whose name says Gemm; and the layer "
        "is not listed.",
        cause="Sparse tensor cores take one constant, pruned operand. In attention products both operands are activations; no sparse "
        "kernel for transposed or 3-D convolutions is among the known names (those of TensorRT-RTX 1.7; desktop TensorRT has more); "
        "plugins bring their own kernels.",
        evidence="The operators of the layer.",
        remedies=(
            RemedyText(
                "A ConvTranspose can be rewritten as a convolution and a pixel shuffle.", "The new log's list names the convolution."
            ),
        ),
        sources=("NVIDIA/TensorRT sampleUtils", "Kernel names in the TensorRT-RTX 1.7.1 library"),
        domain_ids=("OP_KIND", "PLUGIN"),
    ),
    Reason(
        id="dla",
        statuses=("ineligible",),
        kind="ineligible",
        title="The layer runs on DLA, not on the GPU",
        means="The layer was placed on the deep learning accelerator; the GPU's sparse tactics do not apply.",
        needs="Layer information or the engine that the log prints; for proof the build log.",
        proven_when=f"The layer's type says DLA, and {_AND_NOT_LISTED}.",
        suggested_when="The same, with a list that may not be the engine's, or not whole. Without a list it is a suspect.",
        cause="DLA has structured sparsity of its own. The 8.6 guide for Orin names: INT8 convolutions, formats other than NHWC, more "
        "than 64 channels, at most 256 K quantized weights, and output channels modulo 64 in {0, 1, 2, 4, 8, 16, 32}. NVIDIA says that "
        "newer DLA releases may differ. DLA exposes no kernel names, so what it does inside cannot be told.",
        evidence="The layer's type, and the list.",
        remedies=(RemedyText("Check the layer against DLA's rules, or run it on the GPU.", "Compare the times of both placements."),),
        sources=("TensorRT 8.6 developer guide 12.7", "NVIDIA/Deep-Learning-Accelerator-SW README"),
        domain_ids=("DLA", "DLA_REGION"),
    ),
    Reason(
        id="strict-nans",
        statuses=("ineligible",),
        kind="ineligible",
        title="STRICT_NANS limits where sparsity is allowed",
        means="With STRICT_NANS, sparsity is only used where it cannot change how NaNs appear and spread.",
        needs="The capture's manifest, which says whether the flag was set; the build log.",
        proven_when="never",
        suggested_when="The flag is set and the layer is not listed.",
        cause="A sparse kernel skips products with a zero weight; zero times NaN or infinity would have been NaN. Which layers remain "
        "is not documented.",
        evidence="The list that does not name the layer.",
        remedies=(RemedyText("Clear STRICT_NANS if the model does not rely on it.", "The new log's list names the layer.", "bound"),),
        sources=("NvInfer.h comment on BuilderFlag::kSTRICT_NANS",),
        domain_ids=("STRICT_NANS",),
        next_capture="A build without STRICT_NANS.",
    ),
    Reason(
        id="precision",
        statuses=("ineligible",),
        kind="ineligible",
        title="Weights of a type that sparse math does not take",
        means="The weights are in a type other than FP32, FP16, BF16, INT8 and FP8.",
        needs="The ONNX model or layer information.",
        proven_when="never",
        suggested_when="The weight's type is such a one (INT4, FP4, …) and the layer is not listed.",
        cause="Sparse kernels are known for FP16, BF16, INT8 and FP8 operands. FP32 weights do not make a layer ineligible (see "
        "`no-kernel-precision`).",
        evidence="The weight's type.",
        remedies=(RemedyText("Use FP16, INT8 or FP8 for this layer.", "The new log's list names the layer."),),
        sources=("Kernel names in the TensorRT-RTX 1.7.1 library", "Verbose build log of TensorRT 10.16"),
    ),
    Reason(
        id="not-listed",
        statuses=("ineligible",),
        kind="ineligible",
        title="TensorRT does not list the layer as eligible",
        means="No `(Sparsity)` list of the build names this layer, and nothing in the inputs shows why: none of the other reasons holds.",
        needs="A build log.",
        proven_when="The `(Sparsity)` list of a complete verbose log (8.x: INFO is enough) does not name the layer. That TensorRT does "
        "not count it is then proven, not why.",
        suggested_when="The list may not be the engine's, or not whole (it holds fewer names than it says, or breaks off); or the layer is inside a Myelin region "
        "of TensorRT 8.x.",
        cause="Not known. In TensorRT 8.x, matrix products of Transformers were taken into Myelin regions and not listed at all; a "
        "maintainer said in December 2022 that the ONNX path did not support sparsity for them. From 10.3 on such products have been "
        "listed and chosen.",
        evidence="The list.",
        remedies=(
            RemedyText("Add the ONNX model to the command: its weights may tell.", "A more telling reason id."),
            RemedyText("With TensorRT 8.x and Transformers: build with 10.3 or later.", "The new log's list names the layer.", "bound"),
        ),
        sources=(
            "NVIDIA/TensorRT issue 2271 (maintainers' statements)",
            "onnxsim pull request 1764",
            "NVIDIA Model-Optimizer sparse INT8 example",
        ),
        domain_ids=("MYELIN_ONLY",),
        next_capture="The ONNX model with its weights.",
    ),
)
