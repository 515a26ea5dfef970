"""Input shapes and formats as users write them.

In: text such as `image:1x3x224x224,mask:1x224` or `image:fp16:hwc8`. Out: frozen records. Next: options.py, which keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError

Shape = tuple[int, ...]

# The spellings of trtexec's --inputIOFormats (TensorRT samples, sampleOptions.cpp 8.2 to 11.1) with the Python names beside them.
FORMAT_NAMES: Mapping[str, str] = {
    "chw": "LINEAR", "chw2": "CHW2", "hwc8": "HWC8", "chw4": "CHW4", "chw16": "CHW16", "chw32": "CHW32", "dhwc8": "DHWC8",
    "cdhw32": "CDHW32", "hwc": "HWC", "dla_linear": "DLA_LINEAR", "dla_hwc4": "DLA_HWC4", "hwc16": "HWC16", "dhwc": "DHWC",
}  # fmt: skip
TYPE_NAMES: Mapping[str, str] = {
    "fp32": "FLOAT", "fp16": "HALF", "bf16": "BF16", "int32": "INT32", "int64": "INT64", "int8": "INT8", "uint8": "UINT8",
    "bool": "BOOL", "fp8": "FP8", "int4": "INT4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShapeRange:
    """The shapes of one network input in one optimization profile; a fixed shape has all three equal."""

    name: str
    minimum: Shape
    optimum: Shape
    maximum: Shape


@dataclass(frozen=True, slots=True)
class OptimizationProfile:
    """One optimization profile: a range for each network input with dynamic dimensions."""

    inputs: tuple[ShapeRange, ...]


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """What a network input or output is held to. `dtype`: a key of TYPE_NAMES, or None (the model's); `layout`: a key of FORMAT_NAMES."""

    name: str
    dtype: str | None
    layout: str


def shape_text(shape: Shape) -> str:
    return "x".join(str(size) for size in shape) if shape else "scalar"


def parse_shapes(text: str, option: str) -> dict[str, Shape]:
    """`a:1x3x224x224,b:1x5` as {name: shape}. A name may hold colons (`input:0:1x3`): the last one divides. `a:scalar` has no dimensions.

    Raises UsageError, naming `option`, for anything else.
    """
    shapes: dict[str, Shape] = {}
    for part in text.split(","):
        name, colon, dimensions = part.strip().rpartition(":")
        name = name.strip().strip("'\"")
        if not colon or not name:
            raise UsageError(f"{option}: {part.strip()!r} is not NAME:1x3x224x224")
        if name in shapes:
            raise UsageError(f"{option}: the input {name!r} is given twice in one optimization profile")
        if dimensions == "scalar":
            shapes[name] = ()
            continue
        sizes = dimensions.lower().replace("*", "x").split("x")
        if not all(size.strip().isascii() and size.strip().isdigit() for size in sizes):
            raise UsageError(f"{option}: {dimensions!r} is not a shape; write sizes with x between them, as in {name}:1x3x224x224")
        shapes[name] = tuple(int(size) for size in sizes)
    return shapes


def parse_profiles(
    fixed: Sequence[str] = (), minimum: Sequence[str] = (), optimum: Sequence[str] = (), maximum: Sequence[str] = ()
) -> tuple[OptimizationProfile, ...]:
    """The optimization profiles of `--shapes` or `--min/--opt/--max`: the n-th use of each option belongs to the n-th profile."""
    if not (minimum or optimum or maximum):
        return tuple(
            OptimizationProfile(tuple(ShapeRange(name, shape, shape, shape) for name, shape in parse_shapes(text, "--shapes").items()))
            for text in fixed
        )
    if fixed:
        raise UsageError("--shapes sets minimum, optimum and maximum at once: give either --shapes or --min/--opt/--max")
    if not len(minimum) == len(optimum) == len(maximum):
        raise UsageError(
            f"an optimization profile needs --min, --opt and --max: "
            f"{len(minimum)} --min, {len(optimum)} --opt and {len(maximum)} --max are given"
        )
    profiles = []
    for lowest, best, highest in zip(minimum, optimum, maximum, strict=True):
        low, mid, high = parse_shapes(lowest, "--min"), parse_shapes(best, "--opt"), parse_shapes(highest, "--max")
        for name in {*low, *mid, *high}:
            absent = [option for option, shapes in (("--min", low), ("--opt", mid), ("--max", high)) if name not in shapes]
            if absent:
                raise UsageError(f"the input {name!r} is missing from {' and '.join(absent)}")
        ranges = tuple(ShapeRange(name, low[name], mid[name], high[name]) for name in mid)
        for one in ranges:
            _check_range(one)
        profiles.append(OptimizationProfile(ranges))
    return tuple(profiles)


def shapes_lacking(inputs: Mapping[str, Shape], profiles: Sequence[OptimizationProfile]) -> str | None:
    """What to give for a network with these inputs (-1: a dynamic size), None where every optimization profile holds every dynamic one."""
    named = [{one.name for one in given.inputs} for given in profiles]
    lacking = [
        f"{name} ({shape_text(shape)})" for name, shape in inputs.items() if -1 in shape and not (named and all(name in names for names in named))
    ]
    if not lacking:
        return None
    text = f"the model has dynamic inputs: give --shapes, or --min, --opt and --max, with a size for each -1 of {', '.join(lacking)}"
    strangers = [name for name in dict.fromkeys(one.name for given in profiles for one in given.inputs) if name not in inputs]
    return text + (f"; it has no input named {', '.join(strangers)}" if strangers else "")


def _check_range(one: ShapeRange) -> None:
    if not len(one.minimum) == len(one.optimum) == len(one.maximum):
        raise UsageError(f"the input {one.name!r} has a different number of dimensions in --min, --opt and --max")
    if not all(low <= mid <= high for low, mid, high in zip(one.minimum, one.optimum, one.maximum, strict=True)):
        sizes = ", ".join(shape_text(shape) for shape in (one.minimum, one.optimum, one.maximum))
        raise UsageError(f"the input {one.name!r}: every dimension needs --min <= --opt <= --max, but they are {sizes}")


def parse_io_formats(text: str) -> tuple[TensorFormat, ...]:
    """`image:fp16:hwc8,out:chw`: name, optional type, layout, with trtexec's words. Raises UsageError naming what is not known."""
    formats: list[TensorFormat] = []
    for part in text.split(","):
        name, _, layout = part.strip().rpartition(":")
        layout = layout.lower()
        if not name or layout not in FORMAT_NAMES:
            raise UsageError(
                f"--io-formats: {part.strip()!r} is not NAME:LAYOUT or NAME:TYPE:LAYOUT; layouts are {', '.join(FORMAT_NAMES)}"
            )
        head, _, dtype = name.rpartition(":")
        if head and dtype.lower() in TYPE_NAMES:
            formats.append(TensorFormat(head, dtype.lower(), layout))
        else:
            formats.append(TensorFormat(name, None, layout))
    if len({one.name for one in formats}) < len(formats):
        raise UsageError("--io-formats: a tensor is named twice")
    return tuple(formats)
