"""The line forms of a TensorRT build log as data: what a message begins with, what it is about, since which version.

In: nothing. Out: tables and regular expressions. Next: reader.py dispatches on them. Facts: docs/dialects.md, which cites real lines.
Forms that stand on millions of lines (tactics, runners, format combinations) are recognised column-wise in lines.py.
"""

from __future__ import annotations

import re

# One logical line in any dialect, for lines that lines.py could not place (interleaved, hard-wrapped, TensorRT 5 to 8.2).
TIMED = re.compile(r"Tactic(?:: |  ?)(?P<id>0x[0-9a-fA-F]+|-?\d+) +[Tt]ime:? (?P<time>\S+)$")
TIMED_5 = re.compile(r"Tactic \d+ time \d+\.\d+$")
NAMED_TIMED = re.compile(r"Tactic Name: (?P<name>.*?) Tactic: (?P<id>0x[0-9a-fA-F]+|-?\d+) Time: (?P<time>\S+)$")
FASTEST = re.compile(r"(?:.* )?Fastest Tactic: (?P<id>0x[0-9a-fA-F]+|-?\d+) Time: (?P<time>\S+)$")
SET_NAME = re.compile(r"(?:(?P<layer>.*) )?Set Tactic Name: (?P<name>.*?)(?: Tactic: (?P<id>0x[0-9a-fA-F]+|-?\d+)(?P<tail>( num\w+: \d+)*))?$")
NAME_ALONE = re.compile(r"Tactic Name: (?P<name>\S.*)$")
RUNNER_LEAD = "--------------- Timing Runner: "
RUNNER = re.compile(r"-+ Timing (?:Runner: ?)?(?P<layer>.*?)\s*\((?P<runner>[^()]*)\)$")
FORMATS = re.compile(r"\*+ Autotuning format combination:.*?\*{3,}$")
REFORMATS = re.compile(r"\*+ Autotuning Reformat:.*?\*{3,}$")
CHOSE = re.compile(r">+ Chose Runner Type: (?P<runner>.*) Tactic: (?P<id>0x[0-9a-fA-F]+|-?\d+)$")
COSTS_LEAD = b"=============== Computing "
COSTS = re.compile(r"=+ Computing (?P<what>costs for|reformatting costs)(?P<name>.*)$")
CACHED = re.compile(r"(?P<layer>.*) \[(?P<formats>[^\[\]]* -> [^\[\]]*)\] got cached result: (?P<runner>[^,]*), tactic (?P<id>0x[0-9a-fA-F]+), (?P<time>\S+) ms$")
PRUNED = re.compile(r"(?P<layer>.*): \d+ available tactics, \d+ unparsable, (?P<pruned>\d+) pruned, \d+ remaining after tactic pruning\.$")
OPTIMIZER_REFORMAT = "Optimizer Reformat"

ONLY_OPTION = re.compile(r"Tactic: (?P<id>0x[0-9a-fA-F]+|-?\d+) is the only option, timing skipped$")
SCRATCH = re.compile(r"Tactic:? (?P<id>0x[0-9a-fA-F]+|-?\d+) (?:skipped\. Scratch|scratch) requested: (?P<asked>\d+), available: (?P<available>\d+)")
FAST_SKIP = re.compile(r"Fast skip Tactic: ?(?P<id>0x[0-9a-fA-F]+|-?\d+) which exceed time limit")
MEMORY_SKIP = re.compile(
    r"(?:UNSUPPORTED_STATE:? ?|.*?: )?[Ss]kipping tactic (?P<number>0x[0-9a-fA-F]+|\d+) due to (?:insuf+icient memory|insufficient workspace)"
    r"(?: on requested size of (?P<asked>\d+))?(?: detected for tactic (?P<id>0x[0-9a-fA-F]+|\d+))?"
)
EXCEPTION_SKIP = re.compile(r".*Skipping tactic (?P<id>0x[0-9a-fA-F]+|\d+) due to (?:exception|kernel)")
NO_VALID_10 = re.compile(r"Skipping (?P<runner>\w+): No valid tactics for (?P<layer>.*)$")
NO_VALID_8 = re.compile(r"(?P<runner>.*?) has no valid tactics for this config, skipping$")
DECLINED = re.compile(r"RunnerBuilder of layer implementation (?P<runner>\w+) cannot handle .* for node (?P<layer>.*)$")

SPARSITY = re.compile(
    r"\(Sparsity\) (?:(?P<old>Layers eligible for sparse math|TRT inference plan picked sparse implementation for layers)"
    r"|(?P<new>Found|Chose) (?P<count>\d{1,9}) layer\(s\) (?:eligible to use|using) sparse tactics)(?P<rest>:.*)?$"
)
# Counts and numbers of at most nine digits fit their 32-bit columns; a longer one is damage.
STRATEGY = re.compile(r"Building graph using backend strategy (?P<number>\d{1,9})(?!\d)")
STRATEGY_FATE = re.compile(r"(?P<fate>Use|Skip) backend strategy (?P<number>\d{1,9})\s*(?:with|since its) estimated inference time \((?P<time>[^)]*)\)")
PROFILE_NUMBER = re.compile(r"Constructing optimization profile number (?P<number>\d{1,9}) \[(?P<one>\d{1,9})/(?P<all>\d{1,9})\]")
LOADED_ENTRIES = re.compile(r"Loaded (?P<count>\d{1,9}) timing cache entries")
RUNNING = re.compile(r"&&&& (?P<state>RUNNING|PASSED|FAILED|WAIVED) TensorRT\.(?P<tool>\w+) \[TensorRT v(?P<version>\d+)\](?: \[b(?P<build>\d+)\])?(?: # (?P<command>.*))?")
OP_TABLE = re.compile(r"Autotuning op (?P<op>.*?)\s*(?:\(key: (?P<key>0x[0-9a-f]+)\))?:(?P<meta> .*)?$")
OP_ROW = re.compile(r"\s*(?P<number>\d+), (?P<time>[-\d.einf+]+), [-\d.einfa+]+, [-\d.einfa+]+, (?P<kernel>.*?), (?P<id>0x[0-9a-f]+),?(?P<tail>.*)$")
OP_SELECTED = re.compile(r"The selected tactic is \(tactic hash, cost\(in ms\)\): ?(?P<id>0x[0-9a-f]+), (?P<time>\S+)")
NODE_IO = re.compile(r"(?P<name>.*?) \[(?P<operator>[\w.:]+)\] (?P<side>inputs|outputs): (?P<tensors>.*)$")
PARSING = re.compile(r"Parsing node: (?P<name>.*?) \[(?P<operator>[\w.:]+)\]$")
REGISTERING_LAYER = re.compile(r"Registering layer: (?P<layer>.*) for ONNX node: (?P<node>.*)$")
NETWORK_INPUT = re.compile(r"Adding network input: (?P<name>.*?)(?: with dtype: .*)?$")
NETWORK_OUTPUT = re.compile(r"Marking .* as output: (?P<name>.+)$")
FACT = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9 ()_]{1,40}?): ?(?P<value>.*)$")
RUN_OVER = ("Engine built in ", "Starting inference", "=== Performance summary ===")
"""What trtexec says when its engine is made."""
DATE_ALONE = re.compile(rb"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] ?$")
PREFIX_OPENER = re.compile(rb"\[(?:\d|T|$)")
VERSION = re.compile(r"\d{1,4}\.\d")
# A logger of the user's own (`My Logger: Severity.VERBOSE Tactic: …`): what stands before TensorRT's message is learned from its rulers.
RULERS = (b"*************** Autotuning ", b"--------------- Timing Runner", b"=============== Computing ")
# A log at INFO has none: there the lists of TensorRT 8 tell (later versions print theirs in verbose logs alone).
LISTS_AT_INFO = (b"(Sparsity) Layers eligible for sparse math", b"(Sparsity) TRT inference plan picked")
OWN_LOGGER = re.compile(
    rb"(?P<prefix>(?:> )+|(?:> )*[^\n*=>-][^\n]{0,200}?)"
    rb"(?:\*{15} Autotuning |-{15} Timing Runner: |>{15} Chose Runner |={15} Computing |\(Sparsity\) (?:Layers eligible|TRT inference plan) )"
)
ISO_DATE = re.compile(rb"\[?\d{4}-\d\d-\d\d")
SEVERITIES = (b"internal_error", b"verbose", b"info", b"warning", b"error", b"debug")
SEVERITY_WORD = re.compile(rb"(?i)\b(?:" + b"|".join(SEVERITIES) + rb")\b")
BUILD_FAILED = ("buildSerializedNetwork", "buildEngineWithConfig", "Could not find any implementation for node", "Engine could not be created")

# Option and device keys that the diagnosis reads (trtexec 7 to 11), lower case.
FACT_KEYS = frozenset((
    "model", "format", "output", "max batch", "memory pools", "workspace", "mintiming", "avgtiming", "precision", "layerprecisions",
    "calibration", "refit", "version compatible", "strip weights", "sparsity", "safe mode", "directio mode", "restricted mode",
    "skip inference", "save engine", "load engine", "profiling verbosity", "tactic sources", "timingcachemode", "timingcachefile",
    "heuristic", "preview features", "maxauxstreams", "builderoptimizationlevel", "builder optimization level", "maxtactics",
    "calibration profile index", "weight streaming", "runtime platform", "debug tensors", "selected device", "compute capability", "sms",
    "device global memory", "shared memory per sm", "memory bus width", "memory clock rate", "compute clock rate",
    "application compute clock rate", "application memory clock rate", "tensorrt version", "hardware compatibility",
    "hardwarecompatibility", "hardwarecompatibilitylevel", "hardware compatibility level", "strongly typed", "input build shapes",
    "input build shape", "input(s)s format", "output(s)s format", "build only", "dlacore", "throughput", "latency", "gpu compute time",
    "device", "verbose", "average on 10 runs", "plugins", "layer device types",
))  # fmt: skip

# `NAME: N` sizes in bytes, as lines about memory end with: Host Persistent, Device Persistent, Scratch Memory, Total … Memory.
MEMORY_SIZE = re.compile(r"(?:Memory|memory|Persistent|memory is|memory \(.{1,60}\))(?::| is)? ?\d{1,18}\b")

# Messages that carry nothing for any table, or whose content another line repeats, by their beginning; within tuning they count as known.
NOISE: tuple[str, ...] = (
    "Setting a default quantization", "Applying ", "After ", "Removing ", "Running: ", "Swap the layer", "Eliminating ", "Eliminate ",
    "Merging ", "Found ", "Convert layer type", "Set number of tactics", "Enabling ", "Subgraph compilation", "Compiler backend",
    "Set user's", "Trying to ", "Reserving memory", "Host: ", "[MemUsage", "[BlockAssignment]", "Block size", "Total ", "Layer: ",
    "Memory usage", "Using ", "Try ", "Disabl", "Trying ", "Sorted table of all", "tactic_id, cost", "Writing the best tactic",
    "Constructing ", "ForeignNode ", "Turning off", "Formats and tactics selection", "Graph ", "Detected ", "Peak memory",
    "Engine generation", "Setting workspace to", "CUDA lazy", "Reusing ", "Adding ", "Deleting ", "Tactic source", "Reading Calibration",
    "Calibration", "Builder timing cache", "Global timing", "Local timing", "Timing cache", "Loaded ", "Serializ", "Saved ", "Original",
    "Replacing ", "Fusing ", "Splitting ", "Unused ", "cuDNN", "cuBLAS", "Init ", "Trt", "TensorRT", "Rewriting ", "Optimizer Reformat(",
    "Some tactics", "Tactic Device", "Weights", "Missing scale", "Setting ", "Copying ", "Skipping ", "Moving ", "Move ", "Sinking ",
    "Hoisting ", "Concat", "Loading ", "Allocated ", "Requested ", "Configuring ", "Stored ", "Building ", "Use backend", "Skip backend",
    "Unrecognized MMA", "Kernel: ", "Number of target", "Skipped printing", "Finalize: ", "Pre-optimized block", "Optimized block",
    "Max Scratch", "Pass ", "Initializing plugin", "[MS] ", "[pass.cpp", "[heuristic", "[Graph", "STILL ALIVE", "For layer ",
    "Example of equivalent", "Registered ", "Selecting ", "Starting ", "Finished ", "Graph:", "Layers eligible", "Aux stream", "The max",
    "Timing report", "No ", "Dumping ",
)  # fmt: skip
