"""What runs in the engine: its layers, from layer info and from the log's `Engine Layer Information`, joined by name.

In: `EngineInfo`, the log's engine lines. Out: `EngineLayer`s in the engine's order. Next: joins.py.
Which kind of tactic runs is read from the kernel's own name alone; cuDNN, cuBLAS and hand-written runners have no 2:4 kernels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..parse.build_log.records import Build, BuildLog, Line, NetworkNode
from ..parse.engine_lines import EngineLine, EngineTensor, parse_engine_line
from ..parse.kernel_names import classify, is_sparse
from ..parse.layer_names import onnx_nodes_from_name, split_profile_suffix
from ..parse.records import EngineInfo, TensorInfo, TimingProfile
from .network import Convolution, convolution

Concern = Literal["weights", "opaque", "other", "unknown"]

_WEIGHTED = re.compile(r"conv|gemm|matrix_?multiply|matmul|fully_?connected|^fc$|^correlation$|mlp", re.IGNORECASE)
# What Myelin calls a fusion that holds a convolution, transposed convolution or matrix product: __myl_CorrMulAdd_myl0_2 (TensorRT-RTX 1.7).
_FUSED_PRODUCT = re.compile(r"^__myl_\w*?(?:Corr|Deco|Conv|Gemm|Fc|Dot|MatM)")
_REFORMAT = re.compile(r"^Reformatting CopyNode for |^Reformatted (?:In|Out)put Tensor ")
# Runners with dense kernels only (cuDNN, cuBLAS and hand-written ones hold no 2:4 kernels); Cask, Myelin, plugins, DLA and unknown ones may.
_DENSE_RUNNER = re.compile(
    r"^(?:Cudnn|Cublas|Cuda|Fused|LegacySASS|Gemm|Pooling|PointWise|Shuffle|Reformat|Scale|Slice|Cast|NoOp|TopK|Reduce|SoftMax|Gather|Resize|Fill)"
)


@lru_cache(maxsize=1024)
def runner_may_be_sparse(runner: str | None) -> bool:
    """Whether tactics of this runner or layer type can be sparse as far as we know; an unknown runner can."""
    return runner is None or not _DENSE_RUNNER.search(runner)


@dataclass(slots=True)
class EngineLayer:
    """One layer of the engine. `pointer`: of the layer in the layer-info input; `line`: of its `Layer(` line in the log."""

    name: str
    base_name: str
    type: str | None
    onnx_nodes: tuple[str, ...]
    optimization_profile: int | None = None
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    tactic_id: int | None = None
    tactic_name: str | None = None
    has_sparse_weights: bool | None = None
    sparse_key: str | None = None
    groups: int | None = None
    out_maps: int | None = None
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    has_dynamic_filter: bool | None = None
    weights_type: str | None = None
    weights_count: int | None = None
    parameter_type: str | None = None
    origin: str | None = None
    pointer: str | None = None
    line: Line | None = None
    engine_line: EngineLine | None = None
    named_by: Literal["layer_info", "log", "names", "none"] = "none"
    region: str | None = None
    """The Myelin region of an operation that the engine does not print by itself."""
    tuned_only: bool = False
    """Known from its races alone: the log ends before the engine is printed."""
    listed_only: bool = False
    """Named by the `(Sparsity)` list alone: no input prints the engine's layer."""
    operators: frozenset[str] = frozenset()
    node: NetworkNode | None = None
    """The one convolution in it as the log's parser printed it, where no layer info says its parameters."""
    holds_product: bool = False
    """A kernel that Myelin generated (kgen) for a product of weights, which no other layer computes."""
    nodes_certain: bool = False
    """The ONNX nodes come from the inspector's metadata, not from the fused name, which may leave some out."""

    dilation: tuple[int, ...] | None = None
    padding: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    left_constant: bool = False
    """A matrix product with its constant weights on the left: its first input in the engine holds columns, not rows."""

    reformat: bool | None = None
    """Cache of `is_reformat`, which every join asks of every layer."""

    @property
    def printed(self) -> Convolution | None:
        """The parameters of `node`, taken apart only for whom somebody asks: most layers are not eligible."""
        return convolution(self.node) if self.node is not None else None

    @property
    def sparse(self) -> bool | None:
        """Whether the kernel that runs is sparse, by its name; False for runners without sparse kernels; None where unknown."""
        if self.tactic_name:
            return is_sparse(self.tactic_name)
        if self.type is not None and not runner_may_be_sparse(self.type) and not (self.listed_only or self.tuned_only):
            return False
        return None

    @property
    def is_reformat(self) -> bool:
        """Whether the layer copies a tensor between layouts or types."""
        if self.reformat is None:
            self.reformat = self.type in ("Reformat", "NoOp", "MyelinReformat") or self.origin == "REFORMAT" or bool(_REFORMAT.match(self.name))
        return self.reformat


MYELIN_INSTRUCTIONS = ("gemm", "fc", "correlation", "fusion", "runtime_fusion", "deconv", "conv_act_pool")


def in_region(layer: EngineLayer) -> bool:
    """Whether the layer is an operation inside a Myelin region."""
    return layer.region is not None or (layer.type or "").lower() in MYELIN_INSTRUCTIONS


def is_region(name: str) -> bool:
    """Whether a name is that of a Myelin region."""
    return "{ForeignNode[" in name


def is_gemm_plugin(layer: EngineLayer) -> bool:
    """Whether the layer is a plugin that says in its name that it does a matrix product, as those of TensorRT-LLM's `--gemm_plugin`."""
    return (layer.type or "").startswith("Plugin") and "gemm" in layer.name.lower()


@lru_cache(maxsize=1024)
def _is_weighted(kind: str) -> bool:
    """Whether layers of a type have weights, by its name."""
    return _WEIGHTED.search(kind) is not None and "pool" not in kind.lower().replace("convactpool", "").replace("conv_act_pool", "")


def concern(layer: EngineLayer) -> Concern:
    """Whether sparsity concerns the layer: it has weights that could be 2:4, is an opaque region, or neither."""
    if layer.listed_only or layer.region is not None or layer.holds_product:
        return "weights"
    if layer.is_reformat:
        return "other"
    if layer.has_sparse_weights is not None or layer.parameter_type in ("Convolution", "Deconvolution", "MatrixMultiply", "FullyConnected"):
        return "weights"
    kind = layer.type
    if kind is None or kind.isdecimal():  # TensorRT 5 prints the number of a runner
        if layer.operators:
            return "weights" if layer.operators & WEIGHT_OPERATORS else "other"
        return "opaque" if is_region(layer.name) else "unknown"
    if "dla" in kind.lower():
        return "weights"
    if kind == "Myelin" or (kind != "kgen" and is_region(layer.name)):
        return "opaque"
    if kind.startswith("Plugin"):
        return "weights" if is_gemm_plugin(layer) else "other"
    if kind == "runtime_fusion":
        return "weights" if _FUSED_PRODUCT.search(layer.name) else "other"
    if _is_weighted(kind):
        return "weights"
    if layer.tactic_name and classify(layer.tactic_name).operation in ("conv", "gemm", "deconv"):
        return "weights"
    return "other"


WEIGHT_OPERATORS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger", "ConvInteger", "FC", "Linear"})


def layers_from_info(engine: EngineInfo) -> list[EngineLayer]:
    """The layers of a layer-info artefact."""
    return [
        EngineLayer(
            name=layer.name, base_name=layer.base_name, type=layer.layer_type, onnx_nodes=layer.onnx_nodes,
            optimization_profile=layer.optimization_profile, inputs=layer.inputs, outputs=layer.outputs, tactic_id=layer.tactic_value,
            tactic_name=layer.tactic_name, has_sparse_weights=layer.has_sparse_weights, sparse_key=layer.sparse_key, groups=layer.groups,
            out_maps=layer.out_maps, kernel=layer.kernel, stride=layer.stride, dilation=layer.dilation, padding=layer.padding, has_dynamic_filter=layer.has_dynamic_filter,
            weights_type=layer.weights_type, weights_count=layer.weights_count, parameter_type=layer.parameter_type, origin=layer.origin, nodes_certain=layer.nodes_from == "metadata",
            pointer=layer.pointer, named_by="layer_info" if layer.tactic_name else "none",
        )
        for layer in engine.layers
    ]  # fmt: skip


def layers_from_log(build: Build) -> list[EngineLayer]:
    """The layers of the log's `Engine Layer Information` (TensorRT 7 to 10)."""
    layers: list[EngineLayer] = []
    for line in build.engine_layers:
        parsed = parse_engine_line(line.text)
        if parsed is None:
            continue
        base, number = split_profile_suffix(parsed.name)
        layers.append(
            EngineLayer(
                name=parsed.name, base_name=base, type=parsed.runner, onnx_nodes=onnx_nodes_from_name(parsed.name), optimization_profile=number,
                inputs=tuple(map(_tensor, parsed.inputs)), outputs=tuple(map(_tensor, parsed.outputs)), tactic_id=parsed.tactic, line=line, engine_line=parsed,
            )
        )  # fmt: skip
    return layers


def layers_from_races(log: BuildLog, build: Build) -> list[EngineLayer]:
    """The layers that were tuned, for a log that ends before it prints its engine: name and runner are all that is known of them."""
    c, s = log.combinations, log.sections
    last = build.passes[-1].index if build.passes else -1
    mine = (c["layer"] >= 0) & (c["is_reformat"] == 0) & (c["build"] == build.index) & (c["pass_index"] == last)
    numbers, runners = c["layer"][mine], c["winner_runner"][mine]
    found: dict[int, str | None] = dict.fromkeys(_once(numbers))
    # The last winner counts; of layers without one the first runner that was tried.
    numbers, runners = numbers[runners >= 0][::-1], runners[runners >= 0][::-1]
    layers_won, at = np.unique(numbers, return_index=True)
    found.update((number, log.runners.get(runner) or None) for number, runner in zip(layers_won.tolist(), runners[at].tolist(), strict=True))
    if None in found.values():
        for number, runner in zip(s["layer"].tolist(), s["runner"].tolist(), strict=True):
            if number in found and found[number] is None:
                found[number] = log.runners.get(runner)
    layers = []
    for number, runner in found.items():
        name = log.layers.texts[number]
        base, profile = split_profile_suffix(name)
        layers.append(
            EngineLayer(
                name=name, base_name=base, type=runner, onnx_nodes=onnx_nodes_from_name(name), optimization_profile=profile, tuned_only=True
            )
        )
    return layers


def _once(numbers: npt.NDArray[np.int32]) -> list[int]:
    """Each number once, in the order in which they first appear."""
    distinct, at = np.unique(numbers, return_index=True)
    found: list[int] = distinct[np.argsort(at)].tolist()
    return found


def _tensor(tensor: EngineTensor) -> TensorInfo:
    lanes = f":{tensor.lanes}" if tensor.lanes else ""
    return TensorInfo(tensor.name, tensor.dimensions, tensor.datatype, None, f"{tensor.datatype}{lanes}" if lanes else tensor.datatype)


def numbered(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with its order among equal names: the key by which inputs are joined, never position."""
    seen: Counter[str] = Counter()
    keys: list[tuple[str, int]] = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys


def attach_log_lines(layers: Sequence[EngineLayer], logged: Sequence[EngineLayer]) -> None:
    """Give layers from layer info their `Layer(` line of the log, by name."""
    by_key = dict(zip(numbered(layer.name for layer in logged), logged, strict=True))
    for key, layer in zip(numbered(layer.name for layer in layers), layers, strict=True):
        other = by_key.get(key)
        if other is not None:
            layer.line, layer.engine_line = other.line, other.engine_line
            if layer.type is None and layer.tactic_id is None and not layer.tactic_name:
                # Names-only layer info: what the log's line of the same engine says of the layer stands.
                layer.type, layer.tactic_id, layer.inputs, layer.outputs = other.type, other.tactic_id, other.inputs, other.outputs


@dataclass(frozen=True, slots=True)
class LayerTime:
    """A layer's row of the timing profile. `time_ms`: the median where the profile has one, else the average."""

    time_ms: float | None
    stat: Literal["median", "average"] | None
    percent: float | None
    row: int


def join_times(layers: Sequence[EngineLayer], profile: TimingProfile) -> tuple[list[LayerTime | None], list[int]]:
    """Rows of a timing profile joined to the layers by name (equal names by their order), and the rows that belong to none.

    Where more layers have a name than rows, nobody can say whose time a row of that name is.
    """
    rows = {key: number for number, key in enumerate(numbered(row.name for row in profile.rows))}
    named = Counter(layer.name for layer in layers)
    total = sum(row.average_ms or 0.0 for row in profile.rows) or None
    times: list[LayerTime | None] = []
    used: set[int] = set()
    for key in numbered(layer.name for layer in layers):
        number = rows.get(key)
        if number is None:
            times.append(None)
            continue
        used.add(number)
        if (key[0], named[key[0]] - 1) not in rows:
            times.append(None)
            continue
        row = profile.rows[number]
        stat: Literal["median", "average"] | None = (
            "median" if row.median_ms is not None else "average" if row.average_ms is not None else None
        )
        percent = (
            row.percent if row.percent is not None else (100.0 * row.average_ms / total if total and row.average_ms is not None else None)
        )
        times.append(LayerTime(row.median_ms if row.median_ms is not None else row.average_ms, stat, percent, number))
    return times, [number for number in range(len(profile.rows)) if number not in used]


def profile_total_ms(profile: TimingProfile) -> float | None:
    """The sum over all rows, medians where the profile has them; None where no row holds a time, or the rows are only some of the engine's.

    trtexec prints each row's share of the whole: where the shares do not add up to it, rows are missing, or stand twice. A row with a share ran.
    """
    if any(note.lost for note in profile.notes) or any(row.percent and row.median_ms is None and row.average_ms is None for row in profile.rows):
        return None
    shares = [row.percent for row in profile.rows]
    given = [share for share in shares if share is not None]
    # A table in a log rounds each share to a tenth.
    if given and len(given) == len(shares) and abs(sum(given) - 100.0) > max(1.0, 0.05 * len(given)):
        return None
    values = [row.median_ms if row.median_ms is not None else row.average_ms for row in profile.rows]
    known = [value for value in values if value is not None]
    return sum(known) if known else None
