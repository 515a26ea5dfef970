"""When a remedy or a request for another capture fits: the version, the GPU, and what is already so.

In: `Facts`. Out: `Condition`s. Next: records.py; ../physics.py and ../../report/words.py ask `holds`. An unknown fact removes no remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..model import Environment

SPARSE_CORES_SINCE = 8.0
"""The compute capability that sparse tensor cores came with."""
_CHANNELS_LAST = frozenset({"HWC8", "HWC16", "CHW32", "HWC", "DHWC8", "CDHW32"})
_LANES = {"Half": 16, "BFloat16": 16, "Int8": 32, "FP8": 32}
_TILE_COLUMNS = 64  # the narrowest tiles of most sparse kernels
_K_TILE = {"Half": 64, "BFloat16": 64, "Int8": 128, "FP8": 128}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a build and one of its layers; None is unknown.

    `version`: TensorRT's, (10, 3) for 10.3.0; None for TensorRT-RTX, which counts on its own. `datatype`, `output`: of the layer's first input and
    output as it runs. `tried`: (first input's, first output's) types of all combinations. `layouts`: of the first input in all combinations.
    `channels`: input channels of one group and output channels. `fixed_by`, `wanted`: see reformats.Arithmetic.
    `proven`: the verdict is, so that the capture lacks nothing it would need.
    """

    version: tuple[int, int] | None = None
    capability: float | None = None
    precision: tuple[str, ...] | None = None
    opt_level: int | None = None
    avg_timing: int | None = None
    convolution: bool | None = None
    datatype: str | None = None
    output: str | None = None
    channels: tuple[int, int] | None = None
    tried: frozenset[tuple[str | None, str | None]] | None = None
    layouts: frozenset[str] | None = None
    fixed_by: frozenset[str] | None = None
    proven: bool = False
    wanted: tuple[str, ...] = ()


def build_facts(environment: Environment) -> Facts:
    """What holds for a whole build."""
    found = re.match(r"(\d{1,3})\.(\d{1,3})", environment.tensorrt or "")
    capability = re.fullmatch(r"\d{1,3}(?:\.\d{1,3})?", environment.compute_capability or "")
    return Facts(
        version=(int(found[1]), int(found[2])) if found else None, capability=float(capability[0]) if capability else None,
        precision=environment.precision, opt_level=environment.opt_level, avg_timing=environment.avg_timing,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """`words`: for the pages of the catalogue, after "Where"; empty where it always holds."""

    words: str
    holds: Callable[[Facts], bool]

    def __and__(self, other: Condition) -> Condition:
        return Condition(f"{self.words} and {other.words}", lambda facts: self.holds(facts) and other.holds(facts))


ALWAYS = Condition("", lambda _: True)


def since(major: int, minor: int) -> Condition:
    return Condition(f"TensorRT {major}.{minor} and later", lambda f: f.version is None or f.version >= (major, minor))


def before(major: int, minor: int) -> Condition:
    return Condition(f"TensorRT before {major}.{minor}", lambda f: f.version is None or f.version < (major, minor))


def known_since(major: int, minor: int) -> Condition:
    return Condition(f"the version is known to be TensorRT {major}.{minor} or later", lambda f: f.version is not None and f.version >= (major, minor))


def capability_from(least: float) -> Condition:
    return Condition(f"compute capability {least} and above", lambda f: f.capability is None or f.capability >= least)


def capability_below(limit: float) -> Condition:
    return Condition(f"compute capability below {limit}", lambda f: f.capability is None or f.capability < limit)


BELOW_LEVEL_5 = Condition("the builder optimization level is not 5 already", lambda f: f.opt_level is None or f.opt_level < 5) & since(8, 6)
FEW_ITERATIONS = Condition("avg_timing_iterations is below 16", lambda f: f.avg_timing is None or f.avg_timing < 16)
MANY_ITERATIONS = Condition("avg_timing_iterations is 16 or more", lambda f: f.avg_timing is not None and f.avg_timing >= 16)
PROVEN = Condition("the verdict is proven", lambda f: f.proven)
CONVOLUTION = Condition("the layer is a convolution", lambda f: f.convolution is not False)
INT8 = Condition("the layer is in INT8", lambda f: f.datatype is None or f.datatype == "Int8")


def _saw(facts: Facts, source: str, target: str | None = None) -> bool:
    """Whether the layer runs, or was tried, with these types."""
    pairs = {(facts.datatype, facts.output)} | (facts.tried or frozenset())
    return any(a == source and target in (None, b) for a, b in pairs)


NOT_FP16 = Condition("no combination in FP16 was tried", lambda f: not _saw(f, "Half"))
NOT_INT8 = Condition("no combination with INT8 input and output was tried", lambda f: not _saw(f, "Int8", "Int8"))


def _lanes(facts: Facts) -> tuple[int, int] | None:
    """What input and output channels must be multiples of for sparse kernels to take the layer; None for a type of which that is not known."""
    lanes = _LANES.get(facts.datatype or "")
    return None if lanes is None else (lanes, lanes)


def _tiles(facts: Facts) -> tuple[int, int] | None:
    """The same for a layer that fills the tiles of sparse kernels."""
    depth = _K_TILE.get(facts.datatype or "")
    return None if depth is None else (depth, _TILE_COLUMNS)


def _aligned(facts: Facts, units: tuple[int, int] | None) -> bool:
    return facts.channels is not None and units is not None and all(count % unit == 0 for count, unit in zip(facts.channels, units, strict=True))


NOT_ALIGNED = Condition("the channels are no multiples of 16 (16-bit) or 32 (8-bit)", lambda f: not _aligned(f, _lanes(f)))
NOT_WHOLE_TILES = Condition(
    "the input channels are no multiple of 64 (16-bit) or 128 (8-bit), or the output channels none of 64", lambda f: not _aligned(f, _tiles(f))
)
NOT_CHANNELS_LAST = Condition("no combination in such a layout was tried", lambda f: not (f.layouts or frozenset()) & _CHANNELS_LAST)


def wanted_layouts(facts: Facts) -> str:
    """In which layouts the sparse tactic that would win has the tensors whose format is fixed; empty where that is not known."""
    return f"Here the sparse tactic has {' and '.join(facts.wanted)}." if facts.wanted else ""


def tile_padding(facts: Facts) -> str:
    """What padding to whole tiles costs the layer; empty where its channels or its type are not known."""
    return _padding(facts, _tiles(facts))


def lane_padding(facts: Facts) -> str:
    """What padding to the alignment of sparse kernels costs the layer."""
    return _padding(facts, _lanes(facts))


def _padding(facts: Facts, units: tuple[int, int] | None) -> str:
    if facts.channels is None or units is None:
        return ""
    padded = tuple(-(-count // unit) * unit for count, unit in zip(facts.channels, units, strict=True))
    if padded == facts.channels:
        return ""
    cost = padded[0] / facts.channels[0] * (padded[1] / facts.channels[1])
    changes = [f"{count} to {more} {what}" for what, count, more in zip(("input", "output"), facts.channels, padded, strict=True) if more != count]
    return f"Here {' and '.join(changes)} channels: {cost:.3g} times the FLOPs."


def _other_types(facts: Facts) -> bool:
    return facts.precision is not None and bool(set(facts.precision) & {"fp16", "bf16", "int8", "fp8"})


FP32_BUILD = Condition("the build allows FP32 alone", lambda f: not _other_types(f))
MIXED_BUILD = Condition("the build allows other types", _other_types)


def fixed_by(what: str, words: str) -> Condition:
    return Condition(words, lambda f: f.fixed_by is None or what in f.fixed_by)
