"""A layer's sizes as a matrix product, and what physics and the known sparse kernels suggest about it.

In: an `EngineLayer`, the GPU, kernels. Out: `GemmShape`, suspects. Next: explain.py puts the suspects into the verdict. Suggestions only.
"""

from __future__ import annotations

import math

from ..parse.kernel_names import classify, sparse_kernels_for
from .gpus import Gpu
from .layers import EngineLayer
from .model import Suspect
from .roofline import GemmShape, suspects

# TensorRT's word for a type → the roofline's word, and the kernel inventory's.
ROOFLINE_TYPE = {"Half": "fp16", "BFloat16": "bf16", "Int8": "int8", "FP8": "fp8"}
_KERNEL_TYPE = {"Half": "f16", "BFloat16": "bf16", "Int8": "i8", "FP8": "e4m3", "Float": "f32"}
# TensorRT counts elements in 64 bits: a size beyond that is damage, and would not fit a float either.
_MOST_ELEMENTS = (1 << 63) - 1
_SAID = "of the sparse kernels that TensorRT-RTX 1.7 holds (desktop TensorRT has more)"


def gemm_shape(layer: EngineLayer) -> GemmShape | None:
    """The layer as m x k x n; None where a size is unknown or dynamic."""
    if not layer.inputs or not layer.outputs:
        return None
    first, last = layer.inputs[0].dimensions, layer.outputs[0].dimensions
    if not first or not last or min(first) < 1 or min(last) < 1:
        return None
    if max(math.prod(first), math.prod(last), math.prod(layer.kernel or ())) > _MOST_ELEMENTS:
        return None
    sizes = {"Float": 4.0, "Half": 2.0, "BFloat16": 2.0, "Int8": 1.0, "FP8": 1.0}
    in_bytes, out_bytes = sizes.get(layer.inputs[0].datatype or ""), sizes.get(layer.outputs[0].datatype or "")
    residual = 0
    for extra in layer.inputs[1:]:
        if extra.dimensions == last:
            residual += math.prod(last)
    if layer.kernel and len(first) == len(layer.kernel) + 2:
        taps = math.prod(layer.kernel)
        channels = first[1] // max(layer.groups or 1, 1)
        if taps < 1 or channels < 1:
            return None
        return GemmShape(last[0] * math.prod(last[2:]), channels * taps, last[1], math.prod(first), residual, taps, in_bytes, out_bytes)
    if layer.kernel is None and (
        layer.parameter_type in ("MatrixMultiply", "FullyConnected") or (layer.type or "").lower() in ("gemm", "fc")
    ):
        return GemmShape(max(math.prod(last[:-1]), 1), first[-1], last[-1], math.prod(first), residual, 1, in_bytes, out_bytes)
    return None


def physical_suspects(layer: EngineLayer, gpu: Gpu | None, sm_count: int | None, kernel: str | None) -> list[Suspect]:
    """memory-bound, few-tiles, short-reduction, partial-tile: from the sizes and the tile of `kernel` (best sparse one timed, else the one that runs)."""
    shape = gemm_shape(layer)
    datatype = ROOFLINE_TYPE.get(layer.inputs[0].datatype or "") if layer.inputs else None
    if shape is None or datatype is None:
        return []
    name = classify(kernel)
    found = suspects(
        shape,
        gpu,
        datatype,
        tile=name.tile,
        sm_count=sm_count or (gpu.sm_count if gpu else None),
        stages=name.stages,
        tile_axes_known=name.operation == "conv",
    )
    return [Suspect(item.reason, "suggested", item.sentence) for item in found]


def kernel_suspects(layer: EngineLayer, sm: int | None, layouts: set[str], timed_sparse: bool = False) -> list[Suspect]:
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
        known = sparse_kernels_for(sm, operation, "i8", _KERNEL_TYPE.get(target or "")) if sm else ()
        if not known:
            found.append(
                Suspect(
                    "no-kernel-epilogue",
                    "suggested",
                    f"INT8 in, {target} out: none {_SAID} does that; a Q/DQ pair after the activation would keep the output INT8",
                )
            )
    elif sm and not timed_sparse and source in _KERNEL_TYPE and source != "Float" and not sparse_kernels_for(sm, operation, _KERNEL_TYPE[source]):
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
    shape = gemm_shape(layer)
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
