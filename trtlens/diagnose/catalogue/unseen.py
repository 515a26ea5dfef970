"""Reasons that say honestly that the inputs do not show the cause, and what to capture to see it.

In: nothing. Out: `UNSEEN`. Next: ineligible.py.
"""

from __future__ import annotations

from .conditions import known_since, since
from .records import CaptureText, Reason, RemedyText

_COLD_VERBOSE = (
    "A verbose build (`trtexec --verbose`, standard error into the same file) with a cold timing cache: `trtlens build MODEL.onnx`."
)

UNSEEN: tuple[Reason, ...] = (
    Reason(
        id="not-captured",
        statuses=("dense", "undetermined"),
        kind="verdict",
        title="The inputs hold no race of this layer",
        means="Why this tactic was chosen is written only in the verbose log of this very build, and the inputs hold no such race of this layer: there is no "
        "log, it has no timings, it is of another build, or it holds only a part.",
        needs="–",
        proven_when="never",
        suggested_when="There is no log, one at INFO level, or none that holds this layer's race and names what runs.",
        cause="Tactic timings are printed at VERBOSE only.",
        evidence="None: no line is there to cite.",
        remedies=(RemedyText("Build again and keep the verbose log.", "`trtlens explain` of the new capture names a cause."),),
        sources=("TensorRT build logs",),
        domain_ids=("NOT_VERBOSE",),
        next_capture=_COLD_VERBOSE,
    ),
    Reason(
        id="timing-cache",
        statuses=("dense", "undetermined"),
        kind="verdict",
        title="The timings came from a cache, not from this build",
        means="TensorRT took this layer's result from a timing cache filled elsewhere, so the losing tactics are not in this log.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="A cached result of this layer matches no earlier race of this build, or a timing cache with entries was loaded "
        "and the layer has no timings.",
        cause="A cached result names the winner of each combination and no other tactic.",
        evidence="The lines with the cached winners, and the line that loads the cache.",
        remedies=(
            RemedyText(
                "Build with an empty timing cache, or with `DISABLE_TIMING_CACHE` (trtexec `--noBuilderCache`).",
                "The layer has `Timing Runner` blocks in the new log.",
            ),
        ),
        sources=("TensorRT build logs: Loaded … entries, got cached result", "BuilderFlag.DISABLE_TIMING_CACHE documentation"),
        domain_ids=("TIMING_CACHE_HIT",),
        next_capture=_COLD_VERBOSE,
    ),
    Reason(
        id="twin-layer",
        statuses=("dense",),
        kind="verdict",
        title="An equal layer's race was reused, and which is not clear",
        means="This layer was not timed in this build; TensorRT reuses the timings of equal layers, and none or several earlier races "
        "could be the one.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="The layer has no timings of its own, and there is no candidate to inherit from, or more than one.",
        cause="Even a cold build keeps a local timing cache: of several equal layers only the first is timed. Where exactly one race "
        "fits, its verdict is inherited and `inherited_from` names it; this id is for the rest.",
        evidence="The layers that share its parameters.",
        remedies=(
            RemedyText(
                "Build with `DISABLE_TIMING_CACHE` (trtexec `--noBuilderCache`): each layer is then timed for itself. The build takes "
                "longer.",
                "The layer has `Timing Runner` blocks in the new log.",
            ),
        ),
        sources=("BuilderFlag.DISABLE_TIMING_CACHE documentation: reuse across identical layers", "TensorRT verbose build logs"),
        domain_ids=("TWIN_LAYER",),
        next_capture="A verbose build with DISABLE_TIMING_CACHE.",
    ),
    Reason(
        id="myelin-opaque",
        statuses=("dense", "undetermined"),
        kind="verdict",
        title="Inside a Myelin region without a tactic table",
        means="The layer was compiled by Myelin as part of a region, and the log does not print which tactics were compared there.",
        needs="A verbose build log, layer information.",
        proven_when="never",
        suggested_when="The layer belongs to a `{ForeignNode[…]}` or has Myelin's layer types, and no `Autotuning op` table of it is "
        "in the log.",
        cause="To the builder a Myelin region (and a loop, which is compiled to one layer) is one tactic. Up to some 10.x version its "
        "own tuning is not printed; cold verbose builds of 10.14 and 10.16 print a table of all tactics per operation, and from 10.8 "
        "on `EDITABLE_TIMING_CACHE` is documented to make them printed.",
        evidence="The region that holds the layer. Its kernel's name, if the layer information has it, shows what runs; not why.",
        remedies=(
            RemedyText(
                "Build with TensorRT 10.14 or later, verbose, with a cold timing cache; on 10.8 to 10.13 set `EDITABLE_TIMING_CACHE` "
                "as well (`trtlens build --backend tensorrt --editable-cache`; trtexec has no flag for it).",
                "The log has `Autotuning op` tables with the layer's name.",
            ),
        ),
        sources=(
            "Verbose build logs of TensorRT 10.14 and 10.16",
            "NVIDIA/TensorRT sampleEditableTimingCache",
            "NVIDIA/TensorRT issues 2271, 4157",
        ),
        domain_ids=("MYELIN_REGION", "LOOP"),
        next_capture="A cold verbose build with TensorRT 10.14 or later.",
        next_captures=(CaptureText("A verbose build with a cold timing cache.", known_since(10, 14)),),
    ),
    Reason(
        id="log-truncated",
        statuses=("dense", "undetermined"),
        kind="verdict",
        title="The log ends before this layer's decision",
        means="The log breaks off before the lines that would show how this layer was decided.",
        needs="A verbose build log.",
        proven_when="never",
        suggested_when="The log ends inside the build, and this layer's decision is not in it.",
        cause="The build was stopped or failed, or the log was cut (a `head`, a size limit of a CI system, a full disk).",
        evidence="The last line of the log.",
        remedies=(RemedyText("Capture the log in full.", "`Engine Layer Information:` or the end of the build is in the file."),),
        sources=("TensorRT build logs",),
        next_capture=_COLD_VERBOSE,
    ),
    Reason(
        id="unexplained",
        statuses=("dense",),
        kind="verdict",
        title="Sparse was faster, and nothing in the inputs says why not",
        means="A sparse tactic was faster than the dense one that runs, and the reformats do not account for the choice.",
        needs="A verbose build log with tactic timings, layer information.",
        proven_when="never",
        suggested_when="The best sparse time is below that of the dense tactic that runs, and the sum of the reformats is a gain or cannot be made; or sparse won "
        "the very combination that runs, and a dense tactic runs; or a dense tactic was chosen where sparse was timed faster; or the time of the tactic that "
        "runs is not known, or 0.",
        cause="Possible: several layers that depend on each other's formats, costs that the log does not print, inputs from different "
        "builds (see the warning `capture-mismatch`).",
        evidence="The timings, and the arithmetic with the sum that does not close.",
        remedies=(
            RemedyText(
                "Check that the files come from one build.",
                "`trtlens explain` of one capture folder has no `capture-mismatch`.",
            ),
            RemedyText(
                "From TensorRT 10.8 on, force the sparse tactic through an edited timing cache and time the whole engine.",
                "The forced tactic runs in the new layer information; compare latencies.",
                "measured",
                since(10, 8),
            ),
        ),
        sources=("TensorRT verbose build logs", "NVIDIA/TensorRT sampleEditableTimingCache"),
        next_capture="One capture of one build: log, layer information and timing profile (`trtlens build MODEL.onnx`).",
    ),
    Reason(
        id="names-only",
        statuses=("undetermined",),
        kind="verdict",
        title="The layer information holds names only",
        means="The engine was built without detailed profiling verbosity, so the layer information has neither tactics nor formats.",
        needs="Layer information.",
        proven_when="never",
        suggested_when="The layers are plain names, and no log shows what runs.",
        cause="ProfilingVerbosity is LAYER_NAMES_ONLY unless set. Related, and no obstacle in itself: with dynamic shapes a detailed inspector names the tactics "
        "but prints no formats unless it has an execution context.",
        evidence="The form of the layer information.",
        remedies=(
            RemedyText(
                "Build with ProfilingVerbosity DETAILED (trtexec `--profilingVerbosity=detailed`); give the inspector an execution "
                "context with shapes.",
                "The layers have a `TacticName`.",
            ),
        ),
        sources=("TensorRT engine inspector documentation",),
        domain_ids=("NAMES_ONLY", "DYNAMIC_SHAPE_JSON"),
        next_capture="Layer information of an engine built with --profilingVerbosity=detailed.",
    ),
    Reason(
        id="unnamed-tactic",
        statuses=("undetermined",),
        kind="verdict",
        title="The tactic that runs has an id but no name",
        means="The tactic's id is known, and no input gives its kernel name, or the name is of a kind that does not say whether it is sparse.",
        needs="A build log or layer information.",
        proven_when="never",
        suggested_when="The id of the tactic that runs stands in no input beside a kernel name that tells.",
        cause="Some runners and versions (8.0 to 8.5 among them) print the id without a name.",
        evidence="The line with the id.",
        remedies=(
            RemedyText(
                "Add layer information with details of the same engine, or with `--names` other verbose logs of this TensorRT and GPU, which may name the id.",
                "The layer's tactic has a name.",
            ),
            RemedyText(
                "Add a kernel trace of a whole inference (`nsys stats -r cuda_gpu_trace --format csv`). It names launches, not layers: where none is sparse, the "
                "layer runs dense.",
                "The layer's status is no longer `undetermined`, or the trace holds sparse kernel names.",
            ),
        ),
        sources=("Verbose build logs of TensorRT 8.0 to 8.5",),
        domain_ids=("TRUNCATED_NAME",),
        next_capture="Detailed layer information of the same engine, or a kernel trace from Nsight Systems.",
    ),
    Reason(
        id="jit-deferred",
        statuses=("undetermined",),
        kind="verdict",
        title="TensorRT-RTX chooses the kernel on the user's GPU",
        means="The engine was built ahead of time by TensorRT-RTX; kernels are chosen just in time on the target, so the engine does "
        "not say which.",
        needs="Layer information or a build log of TensorRT-RTX.",
        proven_when="never",
        suggested_when="The tactic is `__myelin_CASK_STUB`, or the log has TensorRT-RTX's own lines.",
        cause="TensorRT-RTX leaves the choice to its just-in-time compiler. In our builds without a GPU, engines with and without "
        "SPARSE_WEIGHTS were equal byte for byte, and no `(Sparsity)` line is printed.",
        evidence="The stub's name or the log line.",
        remedies=(
            RemedyText(
                "Run the engine on the target GPU under Nsight Systems and look for `sparse` in the kernel names. trtlens cites a trace in which no kernel is "
                "sparse, and leaves the layer undetermined: another GPU may get other kernels.",
                "The trace holds sparse kernel names, or none.",
            ),
            RemedyText(
                "To see the choice at build time, build on the GPU machine with TensorRT itself: `trtlens build MODEL.onnx --backend tensorrt` or "
                "`--backend trtexec`; `--emit-script capture.sh` writes it for a machine without trtlens.",
                "The log has `(Sparsity)` lines and timings.",
            ),
        ),
        sources=("Builds with TensorRT-RTX 1.7 on a CPU",),
        domain_ids=("TRT_RTX", "RTX_JIT"),
        next_capture="On the GPU machine: `trtlens build MODEL.onnx --backend tensorrt` (or trtexec), which times sparse against dense; or, of this very "
        "engine, a kernel trace (`nsys stats -r cuda_gpu_trace --format csv`).",
    ),
    Reason(
        id="eligibility-unknown",
        statuses=("dense-unknown",),
        kind="verdict",
        title="Dense runs; whether the weights qualify is unknown",
        means="A dense tactic runs, and the inputs do not say whether the layer's weights are 2:4 sparse.",
        needs="–",
        proven_when="never",
        suggested_when="No input holds a `(Sparsity)` list, `HasSparseWeights`, or the weights.",
        cause="The kernel's name alone shows that it is dense, not whether it could be otherwise. Layers that Myelin compiled have no "
        "`HasSparseWeights`.",
        evidence="The kernel's name.",
        remedies=(
            RemedyText("Add the ONNX model, or the build log, to the command.", "The layer's status becomes `dense` or `ineligible`."),
        ),
        sources=("TensorRT engine inspector output",),
        next_capture="The build log (INFO is enough for TensorRT 8.x), or the ONNX model with its weights.",
    ),
)
