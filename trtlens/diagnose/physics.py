"""What a fallback could gain: measured in the log, bounded by the roofline, or unknown; never a number without its kind.

In: a layer, its ruling, what is known of the build. Out: `Remedy`s, the surest first. Next: fallbacks.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ..parse.formats import FormatCombination
from ..parse.records import TensorInfo
from .catalogue.conditions import Facts
from .catalogue.records import Reason, RemedyText
from .gpus import Gpu
from .layers import EngineLayer
from .model import Remedy
from .roofline import GemmShape, gain_bound
from .rules import Ruling
from .shapes import ROOFLINE_TYPE

# Their remedies do away with the reformats, so that sparse against dense is what remains.
_WITHOUT_REFORMATS = frozenset({"format-cost"})
_AT_THE_LIMIT = "Leave the layer dense: its kernel takes no longer than a sparse one would need even at the machine's limits."
_NOTHING_LEFT = "Leave the layer dense: all that is known to help is not there in this TensorRT version, or is so already."


def bound_ms(layer: EngineLayer, shape: GemmShape | None, dense_ms: float | None, gpu: Gpu | None) -> float | None:
    """How many milliseconds a sparse kernel can save at most against the dense one that takes `dense_ms`."""
    datatype = ROOFLINE_TYPE.get(layer.inputs[0].datatype or "") if layer.inputs else None
    if shape is None or datatype is None or dense_ms is None or dense_ms <= 0:
        return None
    ratio = gain_bound(dense_ms, shape, gpu, datatype)
    return dense_ms * (1.0 - 1.0 / ratio) if ratio is not None else None


def layer_facts(
    known: Facts, layer: EngineLayer, shape: GemmShape | None, formats: Iterable[FormatCombination] | None, fixed_by: frozenset[str] | None,
    wanted: tuple[str, ...] = (),
) -> Facts:  # fmt: skip
    """What is known of the build, with what is known of one layer: `formats` are those of all its combinations, None without a race."""
    tried: set[tuple[str | None, str | None]] = set()
    layouts: set[str] = set()
    for one in formats or ():
        tried.add((one.inputs[0].datatype if one.inputs else None, one.outputs[0].datatype if one.outputs else None))
        layouts.update(layout for tensor in one.inputs[:1] for layout in tensor.layouts[:1])
    first, last = _first(layer.inputs), _first(layer.outputs)
    convolution = layer.kernel is not None or "conv" in (layer.type or "").lower() or layer.parameter_type == "Convolution" or "Conv" in layer.operators
    channels: tuple[int, int] | None = None
    if shape is not None:
        channels = (shape.k // shape.taps, shape.n)
    elif convolution and first is not None and last is not None and len(first.dimensions or ()) == len(last.dimensions or ()) >= 4:
        assert first.dimensions is not None and last.dimensions is not None
        channels = (first.dimensions[1] // max(layer.groups or 1, 1), last.dimensions[1])
    # Not `replace`: it takes as long as all else here.
    return Facts(
        known.version, known.capability, known.precision, known.opt_level, known.avg_timing, convolution or (None if shape is None else False),
        first.datatype if first else None, last.datatype if last else None, channels if channels is not None and min(channels) > 0 else None,
        frozenset(tried) if tried else None, frozenset(layouts) if layouts else None, fixed_by, known.proven, wanted,
    )  # fmt: skip


def _first(tensors: tuple[TensorInfo, ...]) -> TensorInfo | None:
    return tensors[0] if tensors else None


def gains(ruling: Ruling, reason: Reason | None, facts: Facts, bound: float | None, net_ms: float | None = None) -> list[Remedy]:
    """The catalogue's remedies for the reason that fit what is known, each with the best figure the inputs give for it.

    `bound`: what a sparse kernel can save at most in the layer's own type and shape. `net_ms`: what the log measured with the reformats that stay,
    where that is another figure than sparse against dense. Where nothing fits, one remedy says so.
    """
    if reason is None or not reason.remedies:
        return []
    measured = ruling.gain_ms if reason.id in _WITHOUT_REFORMATS else net_ms
    found: list[Remedy] = []
    for remedy in reason.remedies:
        if not remedy.where.holds(facts):
            continue
        text = _text(remedy)
        if remedy.detail is not None and (detail := remedy.detail(facts)):
            text = f"{text} {detail}"
        # A gain inside the timing noise is none: another build may show the opposite.
        if remedy.gain_kind == "measured" and measured is not None and measured > 0 and ruling.stability != "coin-toss":
            found.append(Remedy(text, measured, "measured"))
        elif remedy.gain_kind == "bound" and bound is not None:
            if bound <= 0:
                continue  # the dense kernel takes no longer than any sparse one must
            found.append(Remedy(text, bound, "bound"))
        else:
            found.append(_without_figure(text))
    if not found:
        return [_without_figure(_AT_THE_LIMIT if bound is not None and bound <= 0 else _NOTHING_LEFT)]
    return sorted(found, key=_rank)


_RANK = {"measured": 0, "bound": 1, "unknown": 2}


def _rank(remedy: Remedy) -> int:
    return _RANK[remedy.gain_kind]


@cache
def _text(remedy: RemedyText) -> str:
    return f"{remedy.text} Check: {remedy.verify}"


@cache
def _without_figure(text: str) -> Remedy:
    return Remedy(text)
