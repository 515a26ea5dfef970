"""Reasons of layers that qualify: a sparse tactic runs, or dense tactics were measured against sparse ones, or none was.

In: nothing. Out: `VERDICTS`. Next: unseen.py (the reasons that say "the inputs do not show it").
"""

from __future__ import annotations

from .conditions import (
    BELOW_LEVEL_5,
    CONVOLUTION,
    FEW_ITERATIONS,
    FP32_BUILD,
    INT8,
    MANY_ITERATIONS,
    MIXED_BUILD,
    NOT_ALIGNED,
    NOT_CHANNELS_LAST,
    NOT_FP16,
    NOT_INT8,
    NOT_WHOLE_TILES,
    PROVEN,
    SPARSE_CORES_SINCE,
    before,
    capability_below,
    capability_from,
    fixed_by,
    lane_padding,
    since,
    tile_padding,
    wanted_layouts,
)
from .records import CaptureText, Reason, RemedyText

_THREE_BUILDS = "Build three times with a cold timing cache: the sign of the margin should be the same in all three."
_STABLE_TIMING = (
    RemedyText(
        "Lock the clocks (`nvidia-smi -lgc`, or `jetson_clocks` on Jetson) and raise `avg_timing_iterations` (trtexec `--avgTiming`) to 16 "
        "before building again.",
        _THREE_BUILDS,
        where=FEW_ITERATIONS,
    ),
    RemedyText(
        "Lock the clocks (`nvidia-smi -lgc`, or `jetson_clocks` on Jetson) before building again.", _THREE_BUILDS, where=MANY_ITERATIONS
    ),
)
_LEVEL_5 = RemedyText(
    "Build with builder optimization level 5 (trtexec `--builderOptimizationLevel=5`), at which dynamic and static kernels are compared.",
    "More tactic lines for the layer in the new log; sparse ones among them, or a better sparse time than in this one.",
    "bound",
    BELOW_LEVEL_5,
)
_CAPTURE_LEVEL_5 = CaptureText("A verbose build with a cold timing cache, standard error in the same file, and builder optimization level 5.", BELOW_LEVEL_5)
_LARGER_WORK = RemedyText(
    "Give the layer more work for each launch: a larger batch or resolution at kOPT, or several small matrix products merged into one.",
    "The margin in the log of the new build shrinks or changes its sign.",
)
_PAD_TILES = RemedyText(
    "Pad the input channels to a multiple of the sparse kernels' K-tile (64 for 16-bit, 128 for 8-bit types) and the output channels "
    "to 64 or 128. Padding costs FLOPs in proportion to the channels it adds.",
    "Time the padded network from end to end; the padded layer must win more than its extra FLOPs and those of its neighbours cost.",
    where=NOT_WHOLE_TILES,
    detail=tile_padding,
)
_RACE_SOURCES = ("TensorRT verbose build logs: Tactic, Fastest Tactic and Chose Runner Type lines",)

VERDICTS: tuple[Reason, ...] = (
    Reason(
        id="picked",
        statuses=("sparse",),
        kind="verdict",
        title="A sparse tactic runs",
        means="The engine runs this layer with a kernel that uses the sparse tensor cores.",
        needs="Layer information with tactic names (ProfilingVerbosity DETAILED), or a build log.",
        proven_when="The name of the kernel that runs is a sparse one (sparse_gemm, sparse_conv, sptensor, spgemm).",
        suggested_when="The log's list of chosen layers names it and no input holds the kernel's name; or the name is taken from another log (`--names`), "
        "or from a log of which it is not certain which pass made the engine.",
        cause="As a rule TensorRT timed sparse and dense tactics for this layer and the sparse one was part of the cheapest plan.",
        evidence="`TacticName` in the layer information, the log line that names the tactic, or the list of chosen layers. A kernel trace confirms a name "
        "that another input gives.",
        remedies=(),
        sources=("Kernel names in TensorRT logs, layer information and libraries", "TensorRT developer guide, structured sparsity"),
    ),
    Reason(
        id="picked-but-slower",
        statuses=("sparse",),
        kind="verdict",
        title="A sparse tactic runs, though a dense one was timed faster",
        means="In the very format combination that runs, a dense tactic was timed faster than the sparse one by more than the noise.",
        needs="A verbose build log with the timings of the combination that runs.",
        proven_when="Both times stand in the log, in the same combination, and differ by more than the noise band.",
        suggested_when="The log is of another build, lines of the race are lost, some of its tactics have no name, or the tactic that runs won in more than "
        "one combination.",
        cause="Not known. Inside Myelin regions the compiler knows an option that requires sparse kernels for sparse weights (see "
        "`sparsity-must`); whether TensorRT sets it for every such layer is not documented. A tactic can also have been forced through "
        "an edited timing cache or an algorithm selector.",
        evidence="The two timing lines, and the name of the kernel that runs.",
        remedies=(
            RemedyText(
                "Build the same model once without SPARSE_WEIGHTS and compare the layer's time in the two timing profiles.",
                "`trtlens diff` of the two captures shows the layer's time with either kernel.",
                "measured",
            ),
            *_STABLE_TIMING,
        ),
        sources=("TensorRT verbose build logs", "Option texts in the TensorRT-RTX 1.4 and 1.7 libraries"),
        next_capture="The same build again with locked clocks and avg_timing_iterations 16, and one without SPARSE_WEIGHTS.",
        next_captures=(CaptureText("The same build again with locked clocks, and one without SPARSE_WEIGHTS.", MANY_ITERATIONS),),
    ),
    Reason(
        id="slower",
        statuses=("dense",),
        kind="verdict",
        title="Sparse was timed, and dense was faster",
        means="TensorRT timed at least one sparse tactic for this layer and a dense tactic was faster by more than the noise.",
        needs="A verbose build log with the tactic timings of this layer.",
        proven_when="In every combination in which a sparse tactic was timed, a dense tactic won, and the engine runs one of these winners; or no sparse time "
        "in any combination is below the time of the dense tactic that runs, that time is known without ambiguity, and no reformat stands next to the "
        "layer in the plan. Either way the log shows the race of every combination, no line of it is lost, and no sparse tactic was skipped.",
        suggested_when="One of these conditions does not hold: for example a reformat stands next to the layer, a combination has no race, or a tactic "
        "without a name came close to the winner.",
        cause="Sparse math halves the multiplications and shrinks the weights to 9/16 (16-bit types) or 5/8 (8-bit types), and nothing "
        "else. A layer limited by its activations, by few tiles or by a short reduction gains little (suspects `memory-bound`, "
        "`few-tiles`, `short-reduction`, `partial-tile`). There are also far fewer sparse kernels than dense ones, with fewer fusions "
        "and fewer ways to split the work, so the best dense kernel is often better tuned than the best sparse one.",
        evidence="Both timing lines with the margin: best sparse time over dense time, minus one.",
        remedies=(
            _LARGER_WORK,
            _PAD_TILES,
            _LEVEL_5,
            *_STABLE_TIMING,
        ),
        sources=(
            *_RACE_SOURCES,
            "NVIDIA/TensorRT issues 2169, 2310, 3849, 4065 (maintainers' statements)",
            "Kernel names in the TensorRT-RTX 1.7.1 library",
        ),
        domain_ids=("LESS_TUNED_SPARSE",),
    ),
    Reason(
        id="tie",
        statuses=("dense",),
        kind="verdict",
        title="Sparse and dense are equal within the timing noise",
        means="The best sparse tactic and the dense one that runs differ by less than the noise band: the next build may choose the "
        "other.",
        needs="A verbose build log with the tactic timings of this layer.",
        proven_when="As for `slower` or `format-cost`, with the margin, or the sum of the reformat arithmetic, inside the noise band.",
        suggested_when="As for `slower` or `format-cost`, with the difference inside the band.",
        cause="TensorRT times each tactic a few times only (avg_timing_iterations is 1 by default in the API, 8 in trtexec), so small "
        "differences are chance. The band is 3 % or 1 microsecond, whichever is more, and wider if this log shows one tactic timed "
        "twice with a larger spread.",
        evidence="Both timing lines and the width of the band.",
        remedies=(*_STABLE_TIMING, _LARGER_WORK),
        sources=(
            *_RACE_SOURCES,
            "Field report in onnxsim pull request 1764: two builds of one ONNX on Orin Nano chose 6 and 11 of 11 layers sparse",
        ),
        domain_ids=("NOISE",),
        next_capture="Two more builds with locked clocks, a cold timing cache and avg_timing_iterations 16.",
        next_captures=(CaptureText("Two more builds with locked clocks and a cold timing cache.", MANY_ITERATIONS),),
    ),
    Reason(
        id="format-cost",
        statuses=("dense",),
        kind="verdict",
        title="Sparse is faster, but in a format that needs reformats",
        means="A sparse tactic was faster in another format combination, and switching this layer alone to it takes "
        "reformats that cost more than it saves. Where not all of them were measured, that is suggested only.",
        needs="A verbose build log with the tactic and reformat timings, and the formats of the plan.",
        proven_when="For every combination in which sparse beats the tactic that runs, every term of the reformat arithmetic was "
        "measured in this log and the sum is a loss beyond the noise band.",
        suggested_when="A term of the arithmetic was not measured, lines that may hold a cheaper reformat are damaged, a combination has no race, a faster "
        "tactic has no name, or no input lists the network's outputs.",
        cause="TensorRT minimises the time of the whole network over the formats of all tensors, not that of each layer. Sparse "
        "convolutions are known for channels-last and 32-wide channel-vectorized layouts only; where the neighbours are fixed to another "
        "layout, data must be copied.",
        evidence="The sum with its parts: sparse time, dense time, reformats added, reformats removed. It shows that this layer alone "
        "cannot be switched with profit; switching several neighbours together may still pay.",
        remedies=(
            RemedyText(
                "Remove what pins the neighbours to a linear layout between sparse layers: plugins, operators without a channels-last "
                "kernel, concatenations or slices that are not aligned with the vector width.",
                "Count the Reformat layers in the layer information before and after, and their time in the timing profile.",
                "measured",
            ),
            RemedyText(
                "With INT8, place Q/DQ so that neighbouring layers all keep INT8 tensors in one vectorized layout.",
                "Fewer Reformat layers; the outputs of the layer are Int8.",
                "measured",
                INT8,
            ),
        ),
        sources=("NVIDIA/TensorRT issue 4056", "TensorRT verbose build logs: Computing reformatting costs"),
        domain_ids=("REFORMAT_COST", "FORMAT_PROPAGATION"),
    ),
    Reason(
        id="io-format",
        statuses=("dense",),
        kind="verdict",
        title="The network's own inputs or outputs force a reformat",
        means="The sparse tactic would pay but for the reformats on tensors whose format is fixed from outside: network inputs and "
        "outputs, plugin tensors.",
        needs="A verbose build log with the tactic and reformat timings, and the formats of the plan.",
        proven_when="As for `format-cost`, and the sum would not be a loss without the reformats on tensors fixed from outside.",
        suggested_when="As for `format-cost`.",
        cause="A network input or output is linear unless its allowed formats say otherwise, and a plugin takes the formats that it "
        "declares.",
        evidence="The arithmetic of `format-cost`, with the reformats on such tensors named.",
        remedies=(
            RemedyText(
                "Allow the sparse tactic's format on that input or output, mostly a channels-last one: HWC8 or HWC16 for FP16 (`--inputIOFormats=fp16:hwc8`), CHW32 or "
                "HWC16 for INT8; the application must then deliver that layout.",
                "The reformat next to the layer is gone from the layer information.",
                "measured",
                fixed_by("network", "a network input or output is next to the layer"),
                wanted_layouts,
            ),
            RemedyText(
                "Let the plugin accept the sparse tactic's format, mostly a channels-last one.",
                "The reformat before or after the plugin is gone.",
                "measured",
                fixed_by("plugin", "a plugin is next to the layer"),
                wanted_layouts,
            ),
        ),
        sources=("TensorRT developer guide, reformat-free network inputs and outputs", "NVIDIA/TensorRT issue 4056"),
        domain_ids=("IO_FORMAT",),
    ),
    Reason(
        id="backend-strategy",
        statuses=("dense",),
        kind="verdict",
        title="Another backend strategy had it sparse and was dropped",
        means="A sparse tactic would have run in the graph of another backend strategy, and the builder estimated that whole engine "
        "slower.",
        needs="A verbose build log of TensorRT 10.14 or later with the passes of all strategies.",
        proven_when="A sparse tactic won a combination of this layer in the dropped strategy's pass, that pass's own list of chosen layers names the layer, "
        "and both lines on the strategies, the one used and the one skipped, are in the log.",
        suggested_when="The log does not say for certain which strategy made the engine.",
        cause="At high optimization levels TensorRT 10.14 and later tunes several graphs of one network and keeps the one it estimates "
        "fastest as a whole. They differ in what is fused and what is given to Myelin.",
        evidence="The sparse winner and the list of chosen layers in the dropped pass, the `Use backend strategy` and the `Skip backend strategy` line with "
        "their estimates. Where the race of the engine's own pass proves another reason, that one stands.",
        remedies=(
            RemedyText(
                "Build at another builder optimization level, at which other strategies are tuned, and measure the whole engine.",
                "End-to-end latency of both engines; `trtlens diff` of the two captures.",
                "unknown",
            ),
        ),
        sources=("Verbose build logs of TensorRT 10.14 and 10.16",),
    ),
    Reason(
        id="no-kernel",
        statuses=("dense",),
        kind="verdict",
        title="No sparse tactic was timed",
        means="In no format combination of this layer did TensorRT time a sparse tactic.",
        needs="A verbose build log, standard error included, that shows every combination of this layer.",
        proven_when="The layer is complete: all its combinations end in timings, a cached result or `no valid tactics`, all Cask and "
        "Myelin tactics have names, none was skipped for memory, time limit or pruning, and standard error was captured.",
        suggested_when="No sparse tactic appears, but the layer is not complete.",
        cause="TensorRT never prints that a sparse kernel does not exist. The usual causes are a type pair, a layout or an alignment "
        "for which there is none (suspects `no-kernel-epilogue`, `no-kernel-format`, `no-kernel-alignment`), or the GPU generation "
        "(`no-kernel-arch`). Tactic sources are not among them: cuBLAS, cuBLASLt and cuDNN are not known to have brought 2:4 tactics, "
        "so disabling or enabling those sources changes nothing.",
        evidence="The layer's combinations with the number of dense and sparse tactics timed in each.",
        remedies=(
            RemedyText(
                "Let the layer run in a channels-last or 32-wide vectorized layout.",
                "The combinations in the new log list such a layout.",
                "bound",
                CONVOLUTION & NOT_CHANNELS_LAST,
            ),
            _LEVEL_5,
            RemedyText("Try FP16.", "Sparse kernel names appear among the layer's tactics in the new log.", where=NOT_FP16),
            RemedyText(
                "Try INT8 with an INT8 output (Q/DQ after the activation as well).",
                "Sparse kernel names appear among the layer's tactics in the new log.",
                where=NOT_INT8,
            ),
            RemedyText(
                "Pad the input and output channels to multiples of 16 (FP16) or 32 (INT8).",
                "Sparse kernel names appear among the layer's tactics in the new log.",
                where=NOT_ALIGNED,
                detail=lane_padding,
            ),
        ),
        sources=("TensorRT verbose build logs", "Kernel names in the TensorRT-RTX 1.7.1 library", "NVIDIA/cutlass issue 2303"),
        domain_ids=("TACTIC_SOURCE",),
        next_capture="A verbose build with a cold timing cache and standard error in the same file.",
        next_captures=(
            _CAPTURE_LEVEL_5,
            CaptureText("", PROVEN),
        ),
    ),
    Reason(
        id="no-kernel-precision",
        statuses=("dense",),
        kind="verdict",
        title="The layer runs in FP32, which has no sparse kernels",
        means="All format combinations of this layer are FP32, and no sparse tactic was timed.",
        needs="A verbose build log.",
        proven_when="The layer is complete and all its combinations are FP32 (inside a Myelin region: all kernels of its table are FP32 or TF32 by name), or no "
        "combination of the whole pass has another type.",
        suggested_when="The combinations seen are FP32, but the log may not show all.",
        cause="NVIDIA's guide asks for FP16 or INT8 to be enabled with sparsity. The tensor cores know sparse TF32, but no kernel name "
        "with FP32 or TF32 operands and sparse math is known. A layer in FP32 can still be listed as eligible: eligibility speaks of "
        "the weights.",
        evidence="The format combinations tried: `Float(…)` on all sides.",
        remedies=(
            RemedyText(
                "Set the FP16 or INT8 builder flag (trtexec `--fp16`, `--int8`), unless the network is strongly typed.",
                "The log lists `Half(…)` or `Int8(…)` combinations for the layer.",
                where=before(11, 0) & FP32_BUILD,
            ),
            RemedyText(
                "Find what pins the layer to FP32, as the build allows other types: a precision constraint, or a missing Q/DQ pair.",
                "The log lists `Half(…)` or `Int8(…)` combinations for the layer.",
                where=before(11, 0) & MIXED_BUILD,
            ),
            RemedyText(
                "In strongly typed networks, the only ones in TensorRT 11: put the types into the ONNX model (FP16 weights, or Q/DQ).",
                "The log lists `Half(…)` or `Int8(…)` combinations for the layer.",
                where=since(10, 0),
            ),
        ),
        sources=(
            "TensorRT developer guide, structured sparsity",
            "Verbose build logs of TensorRT 10.16",
            "Kernel names in the TensorRT-RTX 1.7.1 library",
        ),
        domain_ids=("DTYPE",),
    ),
    Reason(
        id="no-kernel-arch",
        statuses=("dense",),
        kind="verdict",
        title="This GPU has no sparse kernel for the layer",
        means="The GPU generation has no sparse tensor cores, or, as a suspect, no known sparse kernel for this operation and type.",
        needs="The device block of trtexec's log, the name of the GPU, or the capture's manifest.",
        proven_when="The log's device block says a compute capability below 8.0.",
        suggested_when="The compute capability is below 8.0 by the GPU's name or the manifest alone. As a suspect: no sparse kernel of this operation and "
        "type is known for this generation, and none was timed for another layer of the log. The list at hand is that of TensorRT-RTX 1.7; desktop TensorRT "
        "has more kernels.",
        cause="Sparse tensor cores begin with compute capability 8.0. Beyond that the kernels differ by generation: for example a "
        "TensorRT-LLM maintainer saw no plan for sparse FP8 on the RTX 4090 (compute capability 8.9), and sparse BF16 is known from "
        "9.0 on only.",
        evidence="The line with the GPU's name or compute capability.",
        remedies=(
            RemedyText(
                "Build on a GPU of compute capability 8.0 or above.", "Compare the engines on both GPUs from end to end.", where=capability_below(8.0)
            ),
            RemedyText(
                "Use a type with sparse kernels on this generation: INT8 or FP16 on 8.x, FP8, INT8 or FP16 on 9.0.",
                "Sparse kernel names appear among the layer's tactics in the new log.",
                where=capability_from(SPARSE_CORES_SINCE),
            ),
        ),
        sources=(
            "NVIDIA Ampere architecture documents",
            "NVIDIA/TensorRT-LLM issue 1913",
            "Kernel names in the TensorRT-RTX 1.7.1 library",
        ),
        domain_ids=("ARCH", "NO_KERNEL_DTYPE_ARCH"),
    ),
    Reason(
        id="workspace",
        statuses=("dense",),
        kind="verdict",
        title="The sparse tactics needed more memory than allowed",
        means="Every sparse tactic seen for this layer was skipped because it asked for more scratch memory than the workspace or "
        "device had.",
        needs="A verbose build log, standard error included.",
        proven_when="Each sparse tactic that the log names for the layer was skipped for memory, none was timed, every timed tactic has a name, and the log "
        "shows the race of every combination.",
        suggested_when="Tactics were skipped for memory and their ids have no kernel name, so they may or may not be sparse; or the race has gaps.",
        cause="A tactic whose scratch memory exceeds the workspace pool, or what the device has free, is left out before it is timed.",
        evidence="The lines that skip the tactics, with the bytes requested and available.",
        remedies=(
            RemedyText(
                "Raise the workspace pool (trtexec `--memPoolSize=workspace:…`), or free device memory during the build.",
                "No tactic of the layer is skipped for memory in the new log.",
                "bound",
                since(8, 4),
            ),
            RemedyText(
                "Raise the workspace (trtexec `--workspace=…`; `--memPoolSize` came with TensorRT 8.4), or free device memory during the build.",
                "No tactic of the layer is skipped for memory in the new log.",
                "bound",
                before(8, 4),
            ),
        ),
        sources=("TensorRT build logs: Skipping tactic … due to insufficient memory; Scratch requested: N, available: M",),
        domain_ids=("WORKSPACE",),
    ),
    Reason(
        id="out-of-memory",
        statuses=("dense",),
        kind="verdict",
        title="Allocation failures may have removed sparse tactics",
        means="Allocations failed while tactics were timed; TensorRT then goes on without them, and the build still passes.",
        needs="A build log, standard error included.",
        proven_when="never",
        suggested_when="The log holds allocation failures during tuning, and no sparse tactic was timed for this layer.",
        cause="Memory was short while tactics were timed. On Jetson it is shared with everything else that runs.",
        evidence="The lines of the allocation failures.",
        remedies=(
            RemedyText(
                "Build again with more free memory and nothing else on the device.", "No allocation failure in the new log.", "bound"
            ),
        ),
        sources=("onnxsim scripts/nvidia/sparsity_check.py", "TensorRT build logs on Jetson"),
        domain_ids=("OOM_AT_TUNE",),
        next_capture="The same build with enough free memory.",
    ),
    Reason(
        id="heuristic-pruned",
        statuses=("dense",),
        kind="verdict",
        title="Tactics were pruned before they were timed",
        means="The builder dropped candidates by heuristics, so sparse ones may never have been timed.",
        needs="A verbose build log, or the builder optimization level from the log or the manifest.",
        proven_when="never",
        suggested_when="The log says that tactics were pruned, a runner timed as many tactics as the limit that the log names, or the builder optimization "
        "level is 0, 1 or 2; and no sparse tactic was timed.",
        cause="At builder optimization level 0 the first tactic that works is taken and no timing cache is used; at 1 and 2 tactics "
        "are sorted by heuristics and only the top ones are timed. `max_num_tactics` (10.4 and later) limits them too.",
        evidence="The `… available tactics, … pruned, … remaining after tactic pruning.` line, or the line with the optimization level.",
        remedies=(
            _LEVEL_5,
            RemedyText("Build with a large `max_num_tactics`.", "More tactic lines for the layer in the new log.", "bound", since(10, 4)),
        ),
        sources=("IBuilderConfig.builder_optimization_level documentation, TensorRT 11.4", "Text in the TensorRT-RTX 1.7 library"),
        domain_ids=("SMALL_SHAPE_PRUNED", "OPT_LEVEL0/1"),
        next_capture="A verbose build with a cold timing cache and standard error in the same file.",
        next_captures=(_CAPTURE_LEVEL_5,),
    ),
)
