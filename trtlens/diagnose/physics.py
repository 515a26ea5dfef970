"""What a fallback could gain: measured in the log, bounded by the roofline, or unknown; never a number without its kind.

In: a layer and its ruling. Out: `Remedy`s, the surest first. Next: explain.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from .catalogue.records import Reason
from .gpus import Gpu
from .layers import EngineLayer
from .model import Remedy
from .roofline import gain_bound
from .rules import Ruling
from .shapes import ROOFLINE_TYPE, gemm_shape


def bound_ms(layer: EngineLayer, dense_ms: float | None, gpu: Gpu | None) -> float | None:
    """How many milliseconds a sparse kernel can save at most against the dense one that takes `dense_ms`."""
    shape = gemm_shape(layer)
    datatype = ROOFLINE_TYPE.get(layer.inputs[0].datatype or "") if layer.inputs else None
    if shape is None or datatype is None or dense_ms is None or dense_ms <= 0:
        return None
    ratio = gain_bound(dense_ms, shape, gpu, datatype)
    return dense_ms * (1.0 - 1.0 / ratio) if ratio is not None else None


def gains(layer: EngineLayer, ruling: Ruling, time_ms: float | None, gpu: Gpu | None, catalogue: Mapping[str, Reason]) -> list[Remedy]:
    """The catalogue's remedies for the reason, each with the best figure the inputs give for it."""
    reason = catalogue.get(ruling.reason)
    if reason is None:
        return []
    bound = bound_ms(layer, ruling.dense_ms if ruling.dense_ms is not None else time_ms, gpu)
    found: list[Remedy] = []
    for remedy in reason.remedies:
        text = f"{remedy.text} Check: {remedy.verify}"
        # A gain inside the timing noise is none: another build may show the opposite.
        if remedy.gain_kind == "measured" and ruling.gain_ms is not None and ruling.gain_ms > 0 and ruling.stability != "coin-toss":
            found.append(Remedy(text, ruling.gain_ms, "measured"))
        elif remedy.gain_kind in ("bound", "measured") and bound is not None:
            found.append(Remedy(text, bound, "bound"))
        else:
            found.append(Remedy(text))
    rank = {"measured": 0, "bound": 1, "unknown": 2}
    return sorted(found, key=lambda r: rank[r.gain_kind])
