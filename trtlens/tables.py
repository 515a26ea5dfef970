"""The columns of every table: names, types, units and meaning. The only place that defines them.

In: nothing. Out: `TABLES`. Next: diagnose/frames.py fills them, report/tables.py writes them, docs/tables.md prints them.
No table library is imported here, so that anybody can ask for the names cheaply.

Types: `category` is text that repeats (dictionary-encoded), `string` other text, `strings` and `lines` lists of text and of line numbers; numbers
and `bool` are what they say. Every column but the non-nullable ones may hold null, which means that the inputs do not say; 0 never stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

DataType = Literal["category", "string", "strings", "lines", "int32", "int64", "uint64", "float64", "bool"]
DATA_TYPES: Final[tuple[DataType, ...]] = ("category", "string", "strings", "lines", "int32", "int64", "uint64", "float64", "bool")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit`: `ms`, `bytes`, … or None; `nullable` False: never empty."""

    name: str
    dtype: DataType
    unit: str | None
    doc: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `doc` says what a row is."""

    name: str
    doc: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The column names in their order."""
        return tuple(column.name for column in self.columns)


def _capture() -> Column:
    return Column("capture", "category", None, "The capture: its folder, or the first of its files as the user named it.", nullable=False)


def _build() -> Column:
    return Column("build", "int32", None, "Number of the build in the log, from 0 (0 without a log).", nullable=False)


def _pass() -> Column:
    return Column("pass", "int32", None, "Number of the pass in its build, from 0; `passes` says which one became the engine.", nullable=False)


def _layer(doc: str = "The layer, as the engine names it.") -> Column:
    return Column("layer", "category", None, doc)


def _line(doc: str = "Line of the build log, from 1, in the unpacked file as the user has it.", nullable: bool = False) -> Column:
    return Column("line", "int64", None, doc, nullable)


def _profile() -> Column:
    return Column("optimization_profile", "int32", None, "Number of the optimization profile; null where layer and log name none.")


LAYERS = Table(
    "layers",
    "One row an engine layer of each build, in the engine's order: what it is and what runs.",
    (
        _capture(),
        _build(),
        Column("layer", "string", None, "The layer's name in full, ` [profile N]` and all.", nullable=False),
        Column("type", "category", None, "TensorRT's layer type or runner (CaskConvolution, Myelin, Reformat, …)."),
        Column("onnx_nodes", "strings", None, "ONNX nodes that the layer was made from."),
        _profile(),
        Column("tactic", "uint64", None, "Id of the tactic that runs; in CSV as 0x and 16 digits."),
        Column("kernel", "category", None, "Name of the kernel that runs."),
        Column("sparse", "bool", None, "Whether the tactic that runs is sparse; null where unknown."),
        Column("inputs", "strings", None, "Type, layout and dimensions of each input, as far as the inputs say."),
        Column("outputs", "strings", None, "Type, layout and dimensions of each output."),
        Column("has_sparse_weights", "bool", None, "What the engine inspector says of the weights; false proves nothing."),
        Column("groups", "int32", None, "Groups of the convolution."),
        Column("out_maps", "int64", None, "Output channels."),
        Column("kernel_size", "string", None, "Filter size, such as 3x3."),
        Column("stride", "string", None, "Strides, such as 2x2."),
        Column("weights_type", "category", None, "Type of the weights."),
        Column("weights_count", "int64", "elements", "Number of weights."),
        Column("time_ms", "float64", "ms", "Time of one run of the layer, from the timing profile."),
        Column("time_stat", "category", None, "`median` or `average`: which of the two `time_ms` is."),
        Column("time_percent", "float64", "%", "Share of the engine's time."),
        Column("line", "int64", None, "The layer's line under `Engine Layer Information` in the build log; null without one."),
        Column("pointer", "string", None, "RFC 6901 pointer of the layer in the layer info; null without one."),
    ),
)

TACTICS = Table(
    "tactics",
    "One row a timed, cached or skipped tactic, in the log's order, those of reformats and of Myelin's own tables among them.",
    (
        _capture(),
        _build(),
        _pass(),
        _layer("The layer that was tuned; for a reformat TensorRT's `Optimizer Reformat(A -> B)`, for Myelin's tables the region."),
        Column("combination", "category", None, "Format combination, as printed; null where the log lost it."),
        Column("runner", "category", None, "Family of the tactic (CaskConvolution, …); `Reformat` marks reformats."),
        Column("tactic", "uint64", None, "Tactic id; in CSV as 0x and 16 digits. Small ids mean something else in each layer.", nullable=False),
        Column("kernel", "category", None, "Kernel name; null where no line names it."),
        Column("sparse", "bool", None, "By the kernel's name; false for runners without sparse kernels; null where unknown."),
        Column("time_ms", "float64", "ms", "The logged time; null where there is none (skipped, or no time came out)."),
        Column("source", "category", None, "`timed`, `cached` (a result reused), `skipped`, or `myelin` (a row of a Myelin table).", nullable=False),
        Column("skipped_why", "category", None, "Why it was skipped: memory, scratch, time limit, exception or only option, with the sizes that were printed."),
        _line(),
        _profile(),
        Column("operation", "category", None, "Myelin tables: the operation inside the region."),
        Column("combination_line", "int64", None, "Line of the format combination: joins to `format_combinations.line`."),
        Column("kernel_from", "category", None, "`log`, or `names` where another log (--names) names the id: no proof."),
    ),
)

FORMAT_COMBINATIONS = Table(
    "format_combinations",
    "One row a format combination tried for a layer, reformats apart.",
    (
        _capture(),
        _build(),
        _pass(),
        _profile(),
        _layer("The layer that was tuned; null for silent twins that the log does not name."),
        Column("combination", "category", None, "Formats of all inputs and outputs, as printed."),
        Column("inputs", "category", None, "The formats before the arrow."),
        Column("outputs", "category", None, "The formats after the arrow."),
        Column("winner_runner", "category", None, "Runner of the winner of this combination, which need not be the engine's choice."),
        Column("winner_tactic", "uint64", None, "Tactic id of the winner; in CSV as 0x and 16 digits."),
        Column("winner_time_ms", "float64", "ms", "The fastest time printed for the winner in this combination."),
        Column("source", "category", None, "`timed`, `cached`, `silent` (nothing printed: a twin), `no-valid` (no tactic worked); null where the log leaves it open."),
        _line(),
    ),
)

REFORMATS = Table(
    "reformats",
    "One row a timed (or cached) tactic of a reformat: what a copy of one tensor between two formats costs.",
    (
        _capture(),
        _build(),
        _pass(),
        Column("tensor", "category", None, "The tensor; the first that `Optimizer Reformat(A -> B)` names."),
        Column("from_format", "category", None, "Format before the copy, as printed."),
        Column("to_format", "category", None, "Format after the copy, as printed."),
        Column("tactic", "uint64", None, "Tactic id of the copy; in CSV as 0x and 16 digits.", nullable=False),
        Column("time_ms", "float64", "ms", "The logged time."),
        _line(),
        Column("to_tensor", "category", None, "The second tensor named, where the log names two."),
        Column("source", "category", None, "`timed` or `cached`.", nullable=False),
    ),
)

PASSES = Table(
    "passes",
    "One row a pass: a graph that the builder tuned inside a build.",
    (
        _capture(),
        _build(),
        _pass(),
        Column("backend_strategy", "int32", None, "TensorRT 10.14+: number of the backend strategy."),
        Column("fate", "category", None, "`used` or `skipped`, where the log says; else null."),
        Column("estimated_ms", "float64", "ms", "TensorRT's estimate for the engine of this strategy."),
        Column("became_engine", "bool", None, "Whether this pass made the engine; null where nothing tells."),
        Column("certain", "bool", None, "Whether `became_engine` is certain.", nullable=False),
        Column("optimization_profiles", "int32", None, "Optimization profiles that the log names in it.", nullable=False),
        Column("cache_mode", "category", None, "What the log says of the timing cache."),
        Column("first_line", "int64", None, "First line of the pass.", nullable=False),
        Column("last_line", "int64", None, "Last line of the pass.", nullable=False),
    ),
)

NETWORK = Table(
    "network",
    "One row an ONNX node and engine layer that holds it (several with several optimization profiles, one with a null layer if none does).",
    (
        _capture(),
        _build(),
        Column("node", "string", None, "Name of the ONNX node.", nullable=False),
        Column("operator", "category", None, "ONNX operator."),
        Column("inputs", "strings", None, "Names of its inputs."),
        Column("input_shapes", "strings", None, "Their shapes, such as 1x3x224x224; -1 is dynamic."),
        Column("input_types", "strings", None, "Their types as the parser prints them (FLOAT, HALF, …)."),
        Column("outputs", "strings", None, "Names of its outputs."),
        Column("output_shapes", "strings", None, "Their shapes."),
        Column("output_types", "strings", None, "Their types."),
        Column("kernel", "string", None, "Filter size, such as 3x3."),
        Column("stride", "string", None, "Strides."),
        Column("dilation", "string", None, "Dilations."),
        Column("groups", "int32", None, "Groups of a convolution."),
        Column("out_maps", "int64", None, "Output channels."),
        Column("macs", "int64", None, "Multiply-adds of a Conv, ConvTranspose, Gemm or MatMul of fixed sizes."),
        _layer("The engine layer that holds the node."),
        _line("Line of the build log where the node is parsed; null if the model alone says it.", nullable=True),
    ),
)

WEIGHTS = Table(
    "weights",
    "One row a constant weight of the ONNX model and operator that uses it: the 2:4 check. It predicts; only a build log proves.",
    (
        _capture(),
        Column("node", "string", None, "Name of the ONNX node.", nullable=False),
        Column("operator", "category", None, "ONNX operator.", nullable=False),
        Column("weight", "string", None, "Name of the weight tensor.", nullable=False),
        Column("dtype", "category", None, "Element type as stored."),
        Column("shape", "string", None, "Stored shape, such as 64x64x3x3."),
        Column("axis", "int32", None, "Axis of the stored shape along which the groups of 4 run."),
        Column("status", "category", None, "`eligible` (the weights qualify, no more), `ineligible` or `undetermined`.", nullable=False),
        Column("reason", "category", None, "Reason id."),
        Column("proof", "category", None, "How sure: proven, suggested, unknown.", nullable=False),
        Column("groups", "int64", None, "Groups of 4 along the axis."),
        Column("groups_conforming", "int64", None, "Groups with at most two non-zeros."),
        Column("partial_group", "bool", None, "Whether the last group is shorter than 4."),
        Column("elements", "int64", "elements", "Elements of the weight."),
        Column("zeros", "int64", "elements", "Zeros among them."),
        Column("conv_groups", "int32", None, "Groups of the convolution.", nullable=False),
        Column("macs", "int64", "multiply-adds", "Multiply-adds of the operator."),
        Column("weight_bytes", "int64", "bytes", "Size of the weight as stored."),
        Column("summary", "string", None, "One sentence.", nullable=False),
    ),
)

TIMING_PROFILE = Table(
    "timing_profile",
    "One row a row of a timing profile, from a JSON file or a table in the log.",
    (
        _capture(),
        Column("input", "category", None, "The file.", nullable=False),
        Column("profile", "int32", None, "Number of the timing profile in the capture, from 0.", nullable=False),
        Column("layer", "string", None, "Name of the row.", nullable=False),
        Column("total_ms", "float64", "ms", "Sum over all iterations."),
        Column("average_ms", "float64", "ms", "Average of one run."),
        Column("median_ms", "float64", "ms", "Median of one run (TensorRT 8.5+)."),
        Column("percent", "float64", "%", "Share of the time, as printed."),
        Column("iterations", "int64", None, "Iterations of this profile."),
        _line("Line, for a table in a log.", nullable=True),
        Column("pointer", "string", None, "RFC 6901 pointer, for JSON."),
    ),
)

VERDICTS = Table(
    "verdicts",
    "One row an engine layer of each build, in the order of `layers`: what runs, why, and how sure that is.",
    (
        _capture(),
        _build(),
        Column("layer", "string", None, "The layer's name.", nullable=False),
        Column("status", "category", None, "sparse, dense, dense-unknown, ineligible, undetermined or other.", nullable=False),
        Column("reason", "category", None, "Reason id (`trtlens reasons`)."),
        Column("proof", "category", None, "How sure the reason is: proven, suggested, unknown.", nullable=False),
        Column("stability", "category", None, "stable, near (within twice the noise) or coin-toss."),
        Column("summary", "string", None, "One sentence with the numbers in it.", nullable=False),
        Column("eligible", "bool", None, "Whether the weights qualify for sparse math; null where unknown."),
        Column("eligibility_proof", "category", None, "How sure that is.", nullable=False),
        Column("best_dense_ms", "float64", "ms", "The dense time compared."),
        Column("best_sparse_ms", "float64", "ms", "The sparse time compared."),
        Column("margin", "float64", "ratio", "sparse/dense - 1; positive where dense is faster."),
        Column("compared_dense", "category", None, "Kernel of the dense time."),
        Column("compared_sparse", "category", None, "Kernel of the sparse time."),
        Column("inherited_from", "category", None, "The equal layer whose race was reused."),
        Column("suspects", "strings", None, "Reason ids that the inputs only suggest, likeliest first."),
        Column("remedy", "string", None, "The first remedy."),
        Column("gain_ms", "float64", "ms", "What it gains; `gain_kind` says what kind of figure that is."),
        Column("gain_kind", "category", None, "measured (in this log), bound (roofline) or unknown."),
        Column("evidence_lines", "lines", None, "Lines of the build log that the verdict cites."),
    ),
)

WARNINGS = Table(
    "warnings",
    "One row a warning about a build's inputs.",
    (
        _capture(),
        _build(),
        Column("id", "category", None, "Warning id (`trtlens reasons`, under warn:).", nullable=False),
        Column("message", "string", None, "The warning.", nullable=False),
        Column("evidence_lines", "lines", None, "Lines of the build log that it cites."),
    ),
)

EVENTS = Table(
    "events",
    "One row a figure, or a line without one, that the build log gives beside tactics: memory, durations, cache, limits, pruning, fusions, options.",
    (
        _capture(),
        _build(),
        Column("topic", "category", None, "memory, duration, workspace, opt_level, pruned, cache, sparsity, selector, rtx, errors, warning, fusion, reformat, option.", nullable=False),
        _layer("The layer that the line is about, where it names one in a place of its own."),
        Column("name", "category", None, "What the value is of, in the log's words: `Scratch Memory`, `Engine generation`, an option's key."),
        Column("value", "float64", None, "The figure."),
        Column("unit", "category", None, "Unit of the figure: bytes, MiB, s; null for a number of things."),
        Column("text", "string", None, "The message without its prefix; of an option its value."),
        _line("Line of the build log."),
    ),
)

TABLES: Final[dict[str, Table]] = {
    table.name: table
    for table in (LAYERS, TACTICS, FORMAT_COMBINATIONS, REFORMATS, PASSES, NETWORK, WEIGHTS, TIMING_PROFILE, VERDICTS, WARNINGS, EVENTS)
}
"""Every table by its name, in the contract's order; `events` is our own."""


def render_page() -> str:
    """The Markdown page of all tables: what docs/tables.md holds."""
    lines = [
        "# Tables", "",
        "Generated by `docs/make_tables.py` from `trtlens/tables.py`. `--tables DIR` writes one Parquet file a table (`--format csv`: one CSV file), empty ones too.", "",
        "Text that repeats is dictionary-encoded: pandas and Polars read it as categorical. Tactic ids are unsigned 64-bit integers; Spark, which has none, reads",
        "them as decimals. An empty value means that the inputs do not say; 0 never stands for it. Columns marked * are never empty.", "",
        "CSV is for eyes and spreadsheets: control characters are written out, text that a spreadsheet would run as a formula (`=`, `+`, `-`, `@`) begins",
        "with an apostrophe, tactic ids are `0x` and 16 digits, lists are JSON. For programs take Parquet.", "",
    ]  # fmt: skip
    for table in TABLES.values():
        lines += [f"## {table.name}", "", table.doc, "", "| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| `{c.name}`{'' if c.nullable else ' *'} | {c.dtype} | {c.unit or ''} | {c.doc} |" for c in table.columns]
        lines.append("")
    return "\n".join(lines)
