"""A layer's sizes as a matrix product, and what physics and the known sparse kernels suggest about it.

In: an `EngineLayer`, the GPU, kernels. Out: `GemmShape`, suspects. Next: fallbacks.py puts the suspects into the verdict. Suggestions only.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from functools import lru_cache

from ..parse.kernel_names import sparse_kernels_for, tiling
from .gpus import Gpu
from .layers import EngineLayer
from .model import Suspect
from .network import Convolution
from .roofline import GemmShape, suspects

# TensorRT's word for a type → the roofline's word, and the kernel inventory's.
ROOFLINE_TYPE = {"Half": "fp16", "BFloat16": "bf16", "Int8": "int8", "FP8": "fp8"}
_KERNEL_TYPE = {"Half": "f16", "BFloat16": "bf16", "Int8": "i8", "FP8": "e4m3", "Float": "f32"}
# TensorRT counts elements in 64 bits: a size beyond that is damage, and would not fit a float either.
_MOST_ELEMENTS = (1 << 63) - 1
# What an element takes; where the type is unknown, no more than the smallest one counts.
_BYTES = {"Float": 4.0, "Int32": 4.0, "Half": 2.0, "BFloat16": 2.0, "Int8": 1.0, "UInt8": 1.0, "Bool": 1.0, "FP8": 1.0, "Int4": 0.5, "FP4": 0.5}
_LEAST_BYTES = 0.5
# Larger paddings and filters are damage.
_MOST_PADDING = 1024
# Types that desktop TensorRT is known to run sparse on a generation, whatever the inventory lacks: FP16 and INT8 on 8.x. Seen are FP16 convolutions on
# A100 and Orin (NVIDIA/TensorRT issue 4056 runs 79 layers so) and FP16 products on Orin Nano (onnxsim pull request 1764).
_SEEN = {8: frozenset({"Half", "Int8"})}
_GENERATIONS = (80, 90, 100, 120)  # the first of each major version with sparse tensor cores
# Kernels that give several blocks a part of one tile's reduction each: cutlass' stream-K, split-K with a number of its own (cuBLAS writes it behind the name).
_SPLITS_REDUCTION = re.compile(r"stream_?k|(?<!num)split_?k|numSplitK: *(?!-?[01]\b)-?\d", re.IGNORECASE)
_SAID = "of the sparse kernels that TensorRT-RTX 1.7 holds (desktop TensorRT has more)"


def gemm_shape(layer: EngineLayer) -> GemmShape | None:
    """The layer as m x k x n; None where a size is unknown or dynamic, or the sizes do not fit together.

    No figure is above what the layer needs at least, as bounds stand on them: where the padding is not known, the least that any allows counts.
    A product with its constant on the left has none, as its sizes look like those of one with the constant on the right where it is square.
    A transposed convolution has none: its output is larger than its input, so m x k x n would count products that nobody computes.
    """
    if not layer.inputs or not layer.outputs:
        return None
    first, last = layer.inputs[0].dimensions, layer.outputs[0].dimensions
    if not first or not last or min(first) < 1 or min(last) < 1:
        return None
    convolution = _convolution(layer)
    if max(math.prod(first), math.prod(last), math.prod(convolution.kernel if convolution is not None else ())) > _MOST_ELEMENTS:
        return None
    in_bytes = _BYTES.get(layer.inputs[0].datatype or "")
    out_bytes = _BYTES.get(layer.outputs[0].datatype or "", _LEAST_BYTES)
    residual = 0
    for extra in layer.inputs[1:]:
        if extra.dimensions == last:
            residual += int(math.prod(last) * min(_BYTES.get(extra.datatype or "", _LEAST_BYTES) / out_bytes, 1.0))
    if convolution is None and (layer.kernel or layer.left_constant):
        return None
    if convolution is not None:
        if is_transposed(layer) or not len(first) == len(last) == len(convolution.kernel) + 2 or first[0] != last[0]:
            return None
        if convolution.out_maps not in (None, last[1]):
            return None  # the layer's first output is not the convolution's
        reach = _reach(convolution, first[2:], last[2:])
        taps, channels = math.prod(convolution.kernel), first[1] // max(convolution.groups, 1)
        if reach is None or taps < 1 or channels < 1:
            return None
        positions, inside = reach
        found = GemmShape(
            last[0] * math.prod(last[2:]), channels * taps, last[1], first[0] * first[1] * positions, residual, taps, in_bytes, out_bytes, inside
        )
    elif layer.parameter_type in ("MatrixMultiply", "FullyConnected") or (layer.type or "").lower() in ("gemm", "fc"):
        if layer.parameter_type == "FullyConnected" and len(last) > 3 and last[-2:] == (1, 1):
            last = last[:-2]  # TensorRT up to 8.6 prints N x K x 1 x 1
        m = max(math.prod(last[:-1]), 1)
        k = math.prod(first) // m
        if m * k != math.prod(first) or (k != first[-1] and layer.parameter_type != "FullyConnected"):
            return None  # the first input is transposed, broadcast, or not the one with the rows
        found = GemmShape(m, k, last[-1], math.prod(first), residual, 1, in_bytes, out_bytes)
    else:
        return None
    # Weights of a smaller type than the input (quantised alone) are less to read than the roofline takes them for.
    if in_bytes is not None and _BYTES.get(layer.weights_type or "", in_bytes) < in_bytes:
        return None
    # Fewer weights than k x n: these are not the sizes that the kernel computes. A count of 0 is that of weights made at run time.
    return None if layer.weights_count and layer.weights_count < found.k * found.n else found


def is_transposed(layer: EngineLayer) -> bool:
    """Whether the layer is a transposed convolution."""
    kind = f"{layer.type or ''} {layer.parameter_type or ''}".lower()
    return "deconv" in kind or "ConvTranspose" in layer.operators or _computes_gradient(layer.tactic_name or "")


def _computes_gradient(kernel: str) -> bool:
    """Whether a kernel's name says that it computes a transposed convolution."""
    return ("deconv" in kernel or "dgrad" in kernel) and tiling(kernel)[2] == "deconv"


def _convolution(layer: EngineLayer) -> Convolution | None:
    """The layer's parameters from layer info, else from the log; None where one of them is unknown."""
    kernel = layer.kernel
    if not kernel:
        return layer.printed
    stride, dilation = layer.stride, layer.dilation or ((1,) * len(kernel) if max(kernel) == 1 else None)
    if stride is None or dilation is None or not len(stride) == len(dilation) == len(kernel):
        return None
    return Convolution(kernel, stride, dilation, layer.groups or 1, padding=layer.padding)


def _reach(layer: Convolution, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[int, float] | None:
    """(input positions that the filter touches at least, share of its taps that lie inside the input at least); None if a tap never does."""
    kernel, stride, dilation = layer.kernel, layer.stride, layer.dilation
    before, behind = layer.padding if layer.padding is not None and len(layer.padding[0]) == len(layer.padding[1]) == len(kernel) else (None, None)
    positions, inside = 1, 1.0
    for axis, taps in enumerate(kernel):
        if taps < 1 or min(stride[axis], dilation[axis]) < 1:
            return None
        around = (before[axis], behind[axis]) if before is not None and behind is not None else None
        least = _least(sizes[axis], outputs[axis], taps, stride[axis], dilation[axis], around)
        if least is None:
            return None
        positions *= least[0]
        inside *= least[1]
    return positions, inside


@lru_cache(maxsize=4096)
def _least(size: int, outputs: int, taps: int, stride: int, dilation: int, around: tuple[int, int] | None) -> tuple[int, float] | None:
    """(positions touched, share of taps inside) along one axis: with the padding `around` it, or the least of all paddings that give this many outputs."""
    spare = size - ((outputs - 1) * stride + (taps - 1) * dilation + 1)  # without any padding; negative where padding is needed
    most = stride - 1 - spare
    if most > _MOST_PADDING or taps > _MOST_PADDING:
        return None
    if around is not None and min(around) >= 0 and (spare + sum(around) + (outputs - 1) * stride) // stride + 1 == outputs:
        return _touched(size, outputs, taps, stride, dilation, around[0])
    # A pooling fused behind the convolution leaves fewer outputs than the input allows: then the padding may be anything that a filter spans.
    paddings = range(most + 1) if most >= 0 else range(min((taps - 1) * dilation, _MOST_PADDING) + 1)
    found = [_touched(size, outputs, taps, stride, dilation, padding) for padding in paddings]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return None
    return min(count for count, _ in known), min(share for _, share in known)


def _touched(size: int, outputs: int, taps: int, stride: int, dilation: int, padding: int) -> tuple[int, float] | None:
    """(positions touched, share of taps inside) along one axis with `padding` in front; None if a tap lies outside for every output."""
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    inside = 0
    for tap in range(taps):
        start = tap * dilation - padding
        begin, end = max(0, -(start // stride)), min(outputs, (size - 1 - start) // stride + 1)
        if begin >= end:
            return None
        inside += end - begin
        # Taps whose distance is a multiple of the stride fall on the same positions: those that leave the same remainder.
        spans[start % stride].append((start // stride + begin, start // stride + end))
    touched = 0
    for group in spans.values():
        reached = min(begin for begin, _ in group)
        for begin, end in sorted(group):
            touched += max(end - max(begin, reached), 0)
            reached = max(reached, end)
    return touched, inside / (outputs * taps)


def physical_suspects(layer: EngineLayer, shape: GemmShape | None, gpu: Gpu | None, sm_count: int | None, kernel: str | None) -> list[Suspect]:
    """memory-bound, few-tiles, short-reduction, partial-tile: from the sizes and the tile of `kernel` (best sparse one timed, else the one that runs)."""
    datatype = ROOFLINE_TYPE.get(layer.inputs[0].datatype or "") if layer.inputs else None
    if shape is None or datatype is None:
        return []
    tile, stages, operation = tiling(kernel)
    found = suspects(
        shape,
        gpu,
        datatype,
        tile=tile,
        sm_count=sm_count or (gpu.sm_count if gpu else None),
        stages=stages,
        tile_axes_known=operation == "conv",
    )
    # More blocks than tiles: how many there are the name does not say.
    split = kernel is not None and _SPLITS_REDUCTION.search(kernel) is not None
    return [Suspect(item.reason, "suggested", item.sentence) for item in found if not (split and item.reason == "few-tiles")]


def kernel_suspects(layer: EngineLayer, shape: GemmShape | None, sm: int | None, layouts: set[str], timed_sparse: bool = False) -> list[Suspect]:
    """Why no sparse kernel may exist for the layer: epilogue type, layouts tried, alignment. Leans on the inventory, and says so.

    `timed_sparse`: the same log timed a sparse tactic for another layer, so that this GPU does have some: the inventory's silence means little then.
    """
    if not layer.inputs or not layer.outputs:
        return []
    source, target = layer.inputs[0].datatype, layer.outputs[0].datatype
    found: list[Suspect] = []
    conv = layer.kernel is not None or "Conv" in (layer.type or "")
    operation = "conv" if conv else "gemm"
    if source == "Int8" and target not in (None, "Int8"):
        # Of a GPU that nobody knows only what no generation has can be said.
        if not any(sparse_kernels_for(one, operation, "i8", _KERNEL_TYPE.get(target or "")) for one in ((sm,) if sm else _GENERATIONS)):
            found.append(
                Suspect(
                    "no-kernel-epilogue",
                    "suggested",
                    f"INT8 in, {target} out: none {_SAID} does that; a Q/DQ pair after the activation would keep the output INT8",
                )
            )
    elif (
        sm
        and not timed_sparse
        and source in _KERNEL_TYPE
        and source != "Float"
        and source not in _SEEN.get(sm // 10, ())
        and not sparse_kernels_for(sm, operation, _KERNEL_TYPE[source])
    ):
        found.append(Suspect("no-kernel-arch", "suggested", f"none {_SAID} is a {source} {operation} for SM {sm}"))
    if conv and layouts and not layouts & {"HWC8", "HWC16", "CHW32", "HWC", "DHWC8", "CDHW32"}:
        found.append(
            Suspect(
                "no-kernel-format",
                "suggested",
                f"only {', '.join(sorted(layouts))} was tried; sparse convolutions take HWC8, HWC16 or CHW32",
            )
        )
    lanes = {"Half": 16, "BFloat16": 16, "Int8": 32, "FP8": 32}.get(source or "")
    if lanes and shape is not None:
        channels = shape.k // shape.taps
        if channels % lanes or shape.n % lanes:
            found.append(
                Suspect(
                    "no-kernel-alignment",
                    "suggested",
                    f"{channels} input and {shape.n} output channels: sparse {source} kernels want multiples of {lanes}",
                )
            )
    return found
