"""Warnings on a whole capture. In: nothing. Out: `WARNING_KINDS`. Next: causes.py."""

from __future__ import annotations

from .records import WarningKind

WARNING_KINDS: tuple[WarningKind, ...] = (
    WarningKind(
        id="capture-mismatch",
        title="The files come from different builds",
        means="The log, the layer information or a kernel trace disagree about the engine.",
        found_by="Among layers in both, with a non-zero tactic id on both sides and a Cask runner, at least one id differs; or more "
        "than 5 % of the layer names of one input are absent from the other, Reformat and NoOp layers and ` [profile N]` aside; or a "
        "sparse winner stands where a dense tactic runs; or the log's list of chosen layers, or its options, contradict the kernel names; or an INFO log lists "
        "none of the engine's layers; or a kernel trace lacks more than 5 % of the engine's kernels.",
        effect="The inputs are not joined: what runs is taken from the layer information, times from the timing profile only if its "
        "names match, and causes from the log are suggested at most, as seen in another build of this model. From such a trace nothing is taken.",
        todo="Capture log, layer information and timing profile in one build (`trtlens build`).",
    ),
    WarningKind(
        id="stderr-missing",
        title="Standard error is missing from the log",
        means="A trtexec log has no warning and no error line at all.",
        found_by="No `[W]` and no `[E]` line; trtexec writes those to standard error.",
        effect="Memory causes cannot be excluded, and the absence of sparse tactics is not proven.",
        todo="Capture with `trtexec … > build.log 2>&1`.",
    ),
    WarningKind(
        id="timing-cache-used",
        title="Timings came from outside this log",
        means="A timing cache with entries was used.",
        found_by="`Loaded N … entries` with N above 0, or a cached result that matches no earlier race of the build.",
        effect="Layers answered from the cache have no race in this log; their reason is `timing-cache`.",
        todo="Build with an empty timing cache.",
    ),
    WarningKind(
        id="several-builds",
        title="The log holds several builds",
        means="More than one engine was built into this log.",
        found_by="More than one build was found in the file.",
        effect="The build that the layer information matches is explained, else the last complete one.",
        todo="Choose another one with `--build N`.",
    ),
    WarningKind(
        id="log-truncated",
        title="The log is cut off",
        means="The log ends inside a build.",
        found_by="The last build reaches neither the engine's layers nor the end of its build.",
        effect="Layers without a decision in the log are `log-truncated`.",
        todo="Capture the log in full.",
    ),
    WarningKind(
        id="names-only",
        title="The layer information has names only",
        means="The engine was built without detailed profiling verbosity.",
        found_by="The layers are plain names, without tactics.",
        effect="What runs can only be told from the log.",
        todo="Build with `--profilingVerbosity=detailed`.",
    ),
    WarningKind(
        id="out-of-memory",
        title="Allocations failed during the build",
        means="The log holds allocation failures; tactics may have been left out.",
        found_by="Lines on failed allocations or insufficient memory.",
        effect="Tactics may be missing, and the absence of sparse ones is not proven for the layers concerned.",
        todo="Build again with more free memory.",
    ),
    WarningKind(
        id="eligibility-disagrees",
        title="The inputs disagree on which layers qualify",
        means="The log's list names a layer whose weights in the ONNX model do not conform, or does not name one whose weights conform, or of which the layer "
        "information says that they are sparse.",
        found_by="The list of the log against the check of the weights and `HasSparseWeights` (`AllowSparse`).",
        effect="The log's list wins against the model. With `HasSparseWeights` 1 a layer counts as eligible, as a suggestion.",
        todo="Check that the ONNX model is the one that was built, and how its weights are folded.",
    ),
    WarningKind(
        id="unknown-lines",
        title="Part of the log was not understood",
        means="Lines with TensorRT's prefix inside the tuning part of the log fit no known form.",
        found_by="The share of such lines between the first `Computing costs` or `Autotuning` and `Engine Layer Information:`, if above 0.5 %.",
        effect="Something may be missing; the share says how much.",
        todo="Please report the TensorRT version and some of these lines.",
    ),
    WarningKind(
        id="unmatched-rows",
        title="Rows of the timing profile belong to no layer",
        means="The timing profile holds rows whose names the engine's layers do not have.",
        found_by="The join of profile and layers by name (equal names by their order).",
        effect="Their time is in the total and in no layer.",
        todo="Export layer info and timing profile in one trtexec run.",
    ),
    WarningKind(
        id="damaged-input",
        title="An input is damaged",
        means="A part of a file could not be read as what it should be; the rest was.",
        found_by="The parser of that file; the message says where.",
        effect="What stood in the damaged part is missing from the report.",
        todo="Export the file again.",
    ),
    WarningKind(
        id="several-profiles",
        title="More than one timing profile was given",
        means="The inputs hold several files of layer times; only one of them can be joined with the layers.",
        found_by="The number of timing profiles among the inputs.",
        effect="The times are those of the profile that knows most of the engine's layers, the last of equals.",
        todo="Give the profile of this very engine alone; `trtlens diff` compares two runs.",
    ),
    WarningKind(
        id="build-failed",
        title="The build did not complete",
        means="The capture folder is of a build that failed or was interrupted; what it had captured until then was read.",
        found_by="The status in the folder's manifest.",
        effect="There may be no engine, and the log may end in the middle of the tuning.",
        todo="Read the message and the end of the log, and build again.",
    ),
    WarningKind(
        id="accuracy-not-kept",
        title="The weights were pruned for timing alone",
        means="The model was pruned by magnitude (`--prune magnitude`), without retraining.",
        found_by="The manifest of the capture folder.",
        effect="Times and tactics count; the network's answers do not.",
        todo="If sparse pays, prune and retrain the model before it is used.",
    ),
    WarningKind(
        id="time-sum",
        title="Layer times do not add up to the latency",
        means="The sum of the layers' times differs from the measured latency.",
        found_by="The sum of the timing profile against the median GPU compute time in the log, if they are more than 20 % apart.",
        effect="Shares of time are those of the profile. Several streams, NoOps and the cost of profiling itself make the two differ.",
        todo="Judge by end-to-end latency.",
    ),
)
