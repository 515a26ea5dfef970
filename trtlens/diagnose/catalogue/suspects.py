"""Causes that inputs can only suggest. In: nothing. Out: `SUSPECTS`. Next: warnings.py.

Which sparse kernels exist is known from the names in TensorRT-RTX 1.7, which desktop TensorRT exceeds;
each text that leans on them says so.
"""

from __future__ import annotations

from .records import Reason, RemedyText

_INVENTORY = "the sparse kernels of TensorRT-RTX 1.7 that we know of; desktop TensorRT has more"
_RTX = "Kernel names in the TensorRT-RTX 1.7.1 library"

SUSPECTS: tuple[Reason, ...] = (
    Reason(
        id="no-kernel-epilogue",
        statuses=("dense",),
        kind="suspect",
        title="INT8 in, another type out: no sparse kernel known",
        means="The layer takes INT8 and gives FP16 or FP32, and on this GPU sparse INT8 kernels are known with INT8 outputs only.",
        needs="A verbose build log or layer information.",
        proven_when="never",
        suggested_when="INT8 inputs, an output of another type for which no sparse kernel is known on this GPU, and no sparse tactic timed.",
        cause=f"Judging by {_INVENTORY}: on compute capability 8.0 to 8.9 all sparse INT8 kernels write INT8; on 9.0 only sparse INT8 "
        "convolutions do. NVIDIA's Model-Optimizer example says from experience that a sparse INT8 product is chosen only where its "
        "epilogue keeps the data in INT8.",
        evidence="The types of inputs and outputs of the combinations.",
        remedies=(
            RemedyText(
                "Put Q/DQ after the activation (and on the residual branch), so that the layer's output is INT8.",
                "The output's type becomes Int8, and sparse kernel names appear among the tactics.",
            ),
        ),
        sources=(_RTX, "NVIDIA Model-Optimizer example: sparse, INT8, ONNX, TensorRT"),
        domain_ids=("NO_KERNEL_EPILOGUE",),
    ),
    Reason(
        id="no-kernel-format",
        statuses=("dense",),
        kind="suspect",
        title="Only layouts without sparse kernels were tried",
        means="No combination of the layer uses a layout for which sparse kernels are known.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="The combinations lack channels-last and 32-wide vectorized layouts, and no sparse tactic was timed.",
        cause=f"Judging by {_INVENTORY}: sparse convolutions exist for channels-last (NHWC) and, in INT8, for the 32-wide vectorized "
        "layout (CHW32). If formats are fixed to linear and reformats are forbidden (DIRECT_IO), such combinations are never tried.",
        evidence="The list of the layer's combinations.",
        remedies=(
            RemedyText("Allow HWC8, HWC16 or CHW32 and drop DIRECT_IO.", "The new log lists combinations with such layouts.", "bound"),
        ),
        sources=(_RTX, "BuilderFlag.DIRECT_IO documentation"),
        domain_ids=("NO_KERNEL_FORMAT",),
    ),
    Reason(
        id="no-kernel-alignment",
        statuses=("dense",),
        kind="suspect",
        title="Channels are not aligned for sparse kernels",
        means="The input or output channels are no multiple of what sparse kernels ask for.",
        needs="Layer information or a log with shapes.",
        proven_when="never",
        suggested_when="Channels not divisible by 16 (16-bit types) or 32 (8-bit types), and no sparse tactic timed.",
        cause="NVIDIA's guide advises multiples of 16 for sparse FP16 and of 32 for sparse INT8 (half of that for dense math). Kernel "
        f"names for compute capability 10.0 and 12.0 carry alignments of 8 or 16 (16-bit) and 32 (8-bit), judging by {_INVENTORY}.",
        evidence="The channel counts.",
        remedies=(
            RemedyText(
                "Pad the input and output channels to 16 (16-bit) or 32 (8-bit), better to a multiple of 64 or 128.",
                "Sparse kernel names appear among the tactics; compare end-to-end time, as padding adds FLOPs.",
            ),
        ),
        sources=("TensorRT developer guide, best practices", _RTX),
        domain_ids=("ALIGN",),
    ),
    Reason(
        id="memory-bound",
        statuses=("dense",),
        kind="suspect",
        title="Limited by activations, which sparsity does not shrink",
        means="By the roofline, ideal dense and sparse kernels would differ by 5 % at most, as moving the activations takes most of "
        "the time.",
        needs="Shapes and types of the layer, and a GPU that the data file knows.",
        proven_when="never",
        suggested_when="The ideal ratio of the layer is 1.05 or less.",
        cause="Sparsity saves multiplications and weight bytes. If the inputs and outputs dominate the traffic, neither matters. The "
        "ratio is that of ideal kernels: real ones can differ more or less (see docs/roofline.md).",
        evidence="FLOPs, bytes and the GPU's figures, with the ratio.",
        remedies=(
            RemedyText(
                "Give each byte of activation more arithmetic: more channels, or fewer and larger layers in place of many thin ones.",
                "The ideal ratio rises.",
            ),
            RemedyText("Leave the layer dense: little can be won here.", "Nothing to verify."),
        ),
        sources=("docs/roofline.md",),
        domain_ids=("MEM_BOUND",),
    ),
    Reason(
        id="few-tiles",
        statuses=("dense",),
        kind="suspect",
        title="Too little work to fill the GPU",
        means="The output splits into fewer tiles than the GPU has multiprocessors, so latency, not arithmetic, decides.",
        needs="Shapes of the layer, the kernel's name with its tile, and the GPU's number of multiprocessors.",
        proven_when="never",
        suggested_when="Tiles of the kernel over multiprocessors is below 1.",
        cause="Sparse kernels come in few and coarse tiles; a small product keeps part of the GPU idle, and halving the arithmetic "
        "does not shorten it. Dense kernels can split the reduction in more ways.",
        evidence="Tile, shape and multiprocessors.",
        remedies=(
            RemedyText(
                "Raise the batch at kOPT, or merge small products (for example Q, K and V) into one.",
                "The margin changes its sign.",
            ),
        ),
        sources=("Kernel names in TensorRT logs", "NVIDIA/TensorRT issues 3849, 4065 (maintainers' rule of thumb: 256 channels and more)"),
        domain_ids=("SMALL_GEMM",),
    ),
    Reason(
        id="partial-tile",
        statuses=("dense",),
        kind="suspect",
        title="The layer's sizes leave tiles partly empty",
        means="A dimension is no multiple of the kernel's tile, so more than 5 % of the work along it is done on padding.",
        needs="Shapes of the layer, and the kernel's name with its tile.",
        proven_when="never",
        suggested_when="Less than 95 % of the tiles along a dimension is real work, for example 288 channels with tiles of 64 (4.5 of 5 tiles).",
        cause="Kernels compute whole tiles. Sparse kernels have fewer tile sizes to choose from, so the loss is often larger for them. "
        "Few channels are the usual case; maintainers advise sparse convolutions for more than 256 channels, a 3x3 filter counting as "
        "nine times as many.",
        evidence="Sizes, tile and the share that is used.",
        remedies=(RemedyText("Choose channel counts that are multiples of 64 or 128.", "The margin changes its sign."),),
        sources=("Kernel names in TensorRT logs", "NVIDIA/TensorRT issues 1403, 3849, 4065"),
        domain_ids=("SMALL_CHANNELS",),
    ),
    Reason(
        id="short-reduction",
        statuses=("dense",),
        kind="suspect",
        title="The reduction is short for the sparse kernels' K-tile",
        means="The input channels do not fill the K-tile, or so few K-steps follow each other that starting the pipeline dominates.",
        needs="Shapes of the layer; the kernel's tile, if known.",
        proven_when="never",
        suggested_when="Input channels are fewer than the K-tile, or the whole reduction takes fewer K-steps than the kernel has "
        "pipeline stages.",
        cause="Sparse kernels step through the reduction in larger tiles: 128 instead of 64 for INT8, 64 (sometimes 32) for FP16, as "
        "known from kernel names. Each filter tap is padded to a whole tile.",
        evidence="Reduction, filter taps and K-tile.",
        remedies=(RemedyText("Pad the input channels to 64 (16-bit) or 128 (8-bit).", "The margin changes its sign."),),
        sources=(_RTX, "NVIDIA/TensorRT issue 3849 (maintainer's statement)"),
        domain_ids=("SMALL_REDUCTION",),
    ),
    Reason(
        id="precision-choice",
        statuses=("dense",),
        kind="suspect",
        title="Sparse was faster in another precision",
        means="A sparse tactic was fast in one type, and the plan runs the layer in another type.",
        needs="A verbose build log of a network that is not strongly typed.",
        proven_when="never",
        suggested_when="The best sparse time belongs to combinations of another type than the one that runs.",
        cause="In weakly typed networks (up to 10.x) TensorRT chooses the types together with the formats, for the whole network.",
        evidence="The types of the combinations and their times.",
        remedies=(
            RemedyText(
                "Fix the layer's type: precision constraints (up to 10.x), or a strongly typed network.", "The layer runs in that type.", "measured"
            ),
        ),
        sources=("TensorRT developer guide, reduced precision", "TensorRT verbose build logs"),
        domain_ids=("PRECISION_GLOBAL",),
    ),
    Reason(
        id="fusion-differs",
        statuses=("dense",),
        kind="suspect",
        title="Sparse may exist for another fusion of this layer only",
        means="Sparse tactics were timed under another node's name that shares this layer's operators.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="No sparse tactic was timed for this layer, and some were under another fused name that shares one of its operators and is no layer of the "
        "engine.",
        cause="The builder tries several fusions, and a sparse kernel may lack the epilogue (residual add, activation) that the dense "
        "one has.",
        evidence="The other node's name and its tactics.",
        remedies=(
            RemedyText(
                "Compare the times of both fusions in the log; another activation or residual layout may change it.",
                "The fused layer has sparse tactics.",
                "measured",
            ),
        ),
        sources=("TensorRT verbose build logs",),
        domain_ids=("FUSION_DIFFERS",),
    ),
    Reason(
        id="opt-shape",
        statuses=("dense",),
        kind="suspect",
        title="Tuned at another shape than the one deployed",
        means="Tactics are timed at the kOPT shape of each optimization profile, and it is small here.",
        needs="trtexec's option block in the log, or the capture's manifest.",
        proven_when="never",
        suggested_when="An input has dynamic shapes, and kOPT is its smallest shape or batch 1.",
        cause="What is fastest at batch 1 need not be at batch 16. It does not always help: a field report from Orin saw no sparse "
        "tactic with kOPT 16 either.",
        evidence="The shapes of the optimization profile.",
        remedies=(
            RemedyText(
                "Set kOPT (trtexec `--optShapes`) to the shape that is deployed.",
                "`Input build shape` in the new log's option block has it between the least and the largest shape (the strides of the formats do not hold the batch).",
            ),
        ),
        sources=("TensorRT developer guide, optimization profiles", "Field report, Orin"),
        domain_ids=("PROFILE_SHAPE",),
    ),
    Reason(
        id="hardware-compat",
        statuses=("dense",),
        kind="suspect",
        title="Hardware compatibility narrows the choice of kernels",
        means="Hardware compatibility was asked for, and fewer kernels are allowed.",
        needs="trtexec's option block in the log.",
        proven_when="never",
        suggested_when="A hardware compatibility level is set, and no sparse tactic was timed.",
        cause="AMPERE_PLUS allows only kernels that run on every GPU from Ampere on. Version-compatible engines are limited to the lean runtime's operators; "
        "trtlens does not look for that option.",
        evidence="The option's value.",
        remedies=(RemedyText("Build for this GPU alone.", "Sparse kernel names appear among the tactics.", "bound"),),
        sources=("TensorRT developer guide, hardware and version compatibility",),
        domain_ids=("HW_COMPAT",),
        next_capture="A build without a hardware compatibility level.",
    ),
    Reason(
        id="algorithm-selector",
        statuses=("dense",),
        kind="suspect",
        title="A selector or an editable cache may have pinned the tactic",
        means="The choice may not have been TensorRT's alone: an algorithm selector (up to 10.x) was set, or an editable timing cache (10.8 and later) was "
        "given.",
        needs="The build log, in which TensorRT says that a selector is set; the capture's manifest, which says that an editable cache was given (no log says it).",
        proven_when="never",
        suggested_when="The log has the line on the selector, or the manifest names an editable timing cache. Whether an entry of the cache was edited is not "
        "known.",
        cause="A selector filters the tactics that compete, and an edited entry of a cache fixes one.",
        evidence="The log line, or the manifest's option.",
        remedies=(RemedyText("Build without it, with a cold timing cache.", "The layer has a race in the new log.", "bound"),),
        sources=("IAlgorithmSelector documentation (deprecated in 10.8, absent in 11)", "NVIDIA/TensorRT sampleEditableTimingCache"),
        domain_ids=("ALGO_SELECTOR", "EDITED_CACHE"),
    ),
    Reason(
        id="gemm-plugin",
        statuses=("dense-unknown", "undetermined"),
        kind="suspect",
        title="A GEMM plugin runs the matrix product",
        means="The layer is a plugin that does a matrix product; TensorRT has no say in its kernel, and no input names it. Where a complete list of eligible "
        "layers does not name the plugin, it is `op-kind`.",
        needs="Layer information.",
        proven_when="never",
        suggested_when="The layer's type is a plugin and its name says Gemm.",
        cause="TensorRT-LLM's `--gemm_plugin` hands matrix products to cuBLASLt, dense whatever the weights are.",
        evidence="The layer's type and name.",
        remedies=(RemedyText("Build without the GEMM plugin for these layers.", "The layer's type is no plugin any more.", "bound"),),
        sources=("NVIDIA/TensorRT-LLM issue 1559", "NVIDIA/Model-Optimizer issues 603, 1974 (user reports)"),
        domain_ids=("TRTLLM_PLUGIN",),
        next_capture="A build without the GEMM plugin; or a kernel trace of this engine, whose kernel names show whether anything sparse runs.",
    ),
    Reason(
        id="clocks",
        statuses=("dense",),
        kind="suspect",
        title="Clocks or power limits may have blurred the timings",
        means="The same tactic was timed twice in this layer's race, with times further apart than the usual noise, as it happens with clocks that change "
        "during the build.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="Two times of one tactic, of one runner and combination, differ by more than the noise band.",
        cause="Kernels are timed one after the other; if the clock rises or the power limit cuts in between, the order of the times is "
        "chance. Sparse kernels reach power limits too.",
        evidence="The two times that differ most, with their lines. TensorRT logs say nothing of clocks themselves.",
        remedies=(
            RemedyText(
                "Lock the clocks (`nvidia-smi -lgc`, `jetson_clocks`), raise `avg_timing_iterations`, and build again.",
                "The spread of repeated tactics shrinks.",
            ),
        ),
        sources=("TensorRT developer guide, performance measurement and clocks",),
        domain_ids=("PERF_CLOCKS",),
        next_capture="The same build with locked clocks.",
    ),
    Reason(
        id="sparsity-must",
        statuses=("sparse", "dense"),
        kind="suspect",
        title="The compiler may have been told to use sparse kernels",
        means="Inside Myelin regions an option can require sparse kernels for sparse weights, so the tactics may not have competed "
        "freely.",
        needs="A verbose build log with the tactic tables of Myelin regions (10.14 and later).",
        proven_when="never",
        suggested_when="A Myelin layer has sparse tactics in its table and no dense one, or runs sparse though "
        "dense was faster.",
        cause="The libraries of the 10.16 and 11.4 branches (read from TensorRT-RTX) hold a compiler option that requires sparse "
        "kernels. When TensorRT sets it is not known.",
        evidence="The layer's tactic table.",
        remedies=(
            RemedyText("Compare with a build without SPARSE_WEIGHTS.", "`trtlens diff` shows the layer's time in both.", "measured"),
        ),
        sources=("Option texts in the TensorRT-RTX 1.4 and 1.7 libraries",),
        next_capture="A cold verbose build of 10.14 or later, and one without SPARSE_WEIGHTS.",
    ),
)
