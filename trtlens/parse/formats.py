"""Format descriptors of the build log: `Half(38400,480:2,30,1), Float(1,E0,4) long-strided -> Int8(…) where E0=…`.

In: what stands between `Autotuning format combination: ` and ` ***************`, or after `Autotuning Reformat:`. Out: `FormatCombination`
and `TensorFormat`. Next: build_log/ (tables of combinations and reformats), diagnose/ (reformat arithmetic: `same_memory_layout`).

A descriptor is a type and one stride a dimension, in units of vectors: `480:2` says that this dimension is vectorised, two scalars a
vector, and that consecutive vectors lie 480 vectors apart. Strides run outermost first from TensorRT 8.0 on, innermost first in 7.x.
Dynamic dimensions give expressions (`(* 128 (# 0 (SHAPE input)))`) and symbols that the `where` tail defines.

Numeric descriptors, nearly all of a log, go through regular expressions; the others through the pyparsing grammar below, which also reads
the numeric ones (tests hold both to the same answers). All of it is memoised: a log repeats few combinations many times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import lcm
from typing import Final

import pyparsing as pp

__all__ = [
    "FormatCombination",
    "TensorFormat",
    "innermost_first",
    "parse_combination",
    "parse_format",
    "parse_reformat",
    "same_memory_layout",
]

Stride = int | str
"""A number, or the text of a symbolic expression."""


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """One tensor's type and strides.

    `datatype`: TensorRT's word (Float, Half, BFloat16, Int8, Int32, Int64, Bool, FP8, UInt8, Int4, FP4, …), unknown words as they are.
    `strides`: outermost dimension first whatever the dialect, in units of vectors; a symbolic stride is its text.
    `vector_axis`, `lanes`: the vectorised dimension and the scalars of one vector; both None where none is.
    `long_strided` (8.5+): the tensor is part of a larger buffer; `hazard` (8.6.0): TensorRT's word, undocumented.
    `where`: the definitions of the symbols, for symbolic strides only.
    """

    text: str
    datatype: str
    strides: tuple[Stride, ...]
    vector_axis: int | None = None
    lanes: int | None = None
    long_strided: bool = False
    hazard: bool = False
    where: str | None = None

    @property
    def symbolic(self) -> bool:
        """Whether a stride depends on dynamic dimensions."""
        return any(isinstance(stride, str) for stride in self.strides)

    @property
    def layouts(self) -> tuple[str, ...]:
        """Every layout that the strides alone admit, the likeliest name first; empty for strides of no layout with a name.

        LINEAR, HWC, DHWC without lanes; CHW2, HWC4, HWC8, CHW32, CDHW32, … with. The letters say how many dimensions follow the channels
        (the vectorised dimension): two for CHW and HWC, three for CDHW and DHWC.
        """
        return _layouts(self.strides, self.vector_axis, self.lanes, self.long_strided)

    def layout(self, dimensions: Sequence[int] | None = None) -> str | None:
        """The layout, where strides alone or with the tensor's `dimensions` (logical ones, not vectors) decide it; else None.

        Dimensions of size 1 leave strides ambiguous: `Half(192,1:2,1,1)` is CHW2 for 1x384x1x1 and HWC2 for 192x2x1x1. Where two layouts
        are the same bytes for these dimensions the first of `layouts` is given. Dimensions that are dynamic or of another rank are ignored.
        """
        candidates = self.layouts
        if len(candidates) > 1 and dimensions is not None and len(dimensions) == len(self.strides) and min(dimensions) > 0:
            extents = list(dimensions)
            if self.vector_axis is not None and self.lanes is not None:
                extents[self.vector_axis] = -(-extents[self.vector_axis] // self.lanes)
            return next((name for name in candidates if _dense(self.strides, _order(name, self.strides, self.vector_axis), extents)), None)
        return candidates[0] if len(candidates) == 1 else None


@dataclass(frozen=True, slots=True)
class FormatCombination:
    """The formats of all inputs and outputs of a layer that TensorRT tunes together. `where`: the tail that defines the line's symbols."""

    text: str
    inputs: tuple[TensorFormat, ...]
    outputs: tuple[TensorFormat, ...]
    where: str | None = None


# --- strides to layouts ------------------------------------------------------------------------------------------------------------------

# Formats that TensorRT has (TensorFormat enumeration and inspector sentences, 8.2 to 11): planar and channels-last spellings by lanes.
# The order is that of preference where both are the same bytes. Others (CHW8, HWC32) are named only if nothing here fits.
_FAMILIAR: Final = {2: ("planar", "last"), 4: ("planar", "last"), 8: ("last",), 16: ("last", "planar"), 32: ("planar",)}


def _order(name: str, strides: tuple[Stride, ...], vector_axis: int | None) -> list[int]:
    """The dimensions from the slowest to the fastest in memory for a layout of that name."""
    rank = len(strides)
    axes = list(range(rank))
    if name.startswith(("HWC", "DHWC")):
        axis = vector_axis if vector_axis is not None else rank - (4 if name.startswith("D") else 3)
        axes.append(axes.pop(axis))
    return axes


def _nested(strides: tuple[Stride, ...], order: list[int], long_strided: bool) -> bool:
    """Whether the strides are those of some dense tensor laid out in that order: the fastest is 1, each a multiple of the next faster one.

    TensorRT prints the formula of the layout even for dimensions of size 1, so the fastest dimension always shows a literal 1. A part of
    a larger buffer (`long-strided`) need not be a multiple.
    """
    if strides[order[-1]] != 1:
        return False
    for slower, faster in pairwise(order):
        outer, inner = strides[slower], strides[faster]
        if isinstance(outer, int) and isinstance(inner, int) and (inner <= 0 or outer < inner or (outer % inner and not long_strided)):
            return False
    return True


def _dense(strides: tuple[Stride, ...], order: list[int], extents: list[int]) -> bool:
    """Whether the numeric strides are exactly those of a dense tensor of `extents` (in vectors) in that order."""
    expected = 1
    for axis in reversed(order):
        if isinstance(strides[axis], int) and strides[axis] != expected:
            return False
        expected *= extents[axis]
    return True


@lru_cache(maxsize=1 << 16)
def _layouts(strides: tuple[Stride, ...], vector_axis: int | None, lanes: int | None, long_strided: bool) -> tuple[str, ...]:
    rank = len(strides)
    if vector_axis is None or lanes is None:
        names = ["LINEAR"] + ["HWC"] * (rank >= 3) + ["DHWC"] * (rank >= 4)
        if rank == 0:
            return ("LINEAR",)
        return tuple(name for name in names if _nested(strides, _order(name, strides, None), long_strided))
    depth = {2: ("CHW", "HWC"), 3: ("CDHW", "DHWC")}.get(rank - 1 - vector_axis)
    if depth is None:
        return ()
    kinds = {"planar": f"{depth[0]}{lanes}", "last": f"{depth[1]}{lanes}"}
    admitted = {kind for kind, name in kinds.items() if _nested(strides, _order(name, strides, vector_axis), long_strided)}
    familiar = [kinds[kind] for kind in _FAMILIAR.get(lanes, ()) if kind in admitted]
    return tuple(familiar or [kinds[kind] for kind in ("planar", "last") if kind in admitted])


def same_memory_layout(a: TensorFormat, b: TensorFormat, dimensions: Sequence[int] | None) -> bool | None:
    """Whether a tensor of these `dimensions` is the same bytes in both formats, so that a reformat between them copies nothing (NoOp).

    Compared element by element address, and the padding: HWC8 and HWC16 agree for 288 channels, which both hold without padding, and
    differ for 24. Types differ: False. None where it cannot be told: symbolic strides, dynamic or missing dimensions, and equal addresses
    of which one side alone is `long-strided` or `hazard` (whether TensorRT then shares the buffer is not in the text).
    """
    if a.datatype != b.datatype:
        return False
    agreed = True if (a.long_strided, a.hazard) == (b.long_strided, b.hazard) else None
    if (a.strides, a.vector_axis, a.lanes) == (b.strides, b.vector_axis, b.lanes) and (not a.symbolic or a.where == b.where):
        return agreed
    if dimensions is None or not len(a.strides) == len(b.strides) == len(dimensions) or any(size < 1 for size in dimensions):
        return None
    if a.symbolic or b.symbolic:
        return None
    for axis, size in enumerate(dimensions):
        # Addresses repeat their pattern every lcm(lanes) elements, so one period and one step beyond decide.
        period = lcm(a.lanes or 1, b.lanes or 1)
        if any(_address(a, axis, index) != _address(b, axis, index) for index in range(min(size, period + 1))):
            return False
    return agreed if _footprint(a, dimensions) == _footprint(b, dimensions) else False


def _address(form: TensorFormat, axis: int, index: int) -> int:
    """Scalars between element 0 and element `index` along one dimension."""
    lanes, stride = form.lanes or 1, form.strides[axis]
    assert isinstance(stride, int)
    if axis == form.vector_axis:
        return index // lanes * stride * lanes + index % lanes
    return index * stride * lanes


def _footprint(form: TensorFormat, dimensions: Sequence[int]) -> int:
    """Scalars from the first to the end of the last vector."""
    lanes = form.lanes or 1
    last = 0
    for axis, (size, stride) in enumerate(zip(dimensions, form.strides, strict=True)):
        assert isinstance(stride, int)
        last += ((size - 1) // lanes if axis == form.vector_axis else size - 1) * stride
    return (last + 1) * lanes


# --- text to descriptors: the fast path --------------------------------------------------------------------------------------------------

_NUMBER = r"-?\d{1,19}"
_LANES = r"[1-9]\d{0,3}"
_NUMERIC_TENSOR: Final = rf"[A-Za-z_]\w*\((?:{_NUMBER}(?::{_LANES})?(?:,{_NUMBER}(?::{_LANES})?)*)?\)(?: long-strided| hazard)*"
_NUMERIC_SIDE: Final = rf"(?:{_NUMERIC_TENSOR}(?:, {_NUMERIC_TENSOR})*)?"
_NUMERIC_COMBINATION: Final = re.compile(rf"({_NUMERIC_SIDE}) ?-> ?({_NUMERIC_SIDE})", re.ASCII)
_WIDTH: Final = re.compile(r":(\d+)", re.ASCII)
_FIRST_TYPE: Final = re.compile(r"\s*([A-Za-z_]\w*)\(", re.ASCII)
_TENSOR_AT_A_TIME: Final = re.compile(r"([A-Za-z_]\w*)\(([^)]*)\)([^,]*)", re.ASCII)


@lru_cache(maxsize=1 << 16)
def _numeric_tensor(text: str, reverse: bool) -> TensorFormat | None:
    """A descriptor that matched _NUMERIC_TENSOR; None if two dimensions claim to be vectorised."""
    match = _TENSOR_AT_A_TIME.fullmatch(text)
    if match is None:
        return None
    return _tensor(text, match[1], match[2].split(",") if match[2] else [], match[3], None, reverse)


def _tensor(text: str, datatype: str, strides: list[str], suffix: str, where: str | None, reverse: bool) -> TensorFormat | None:
    axis = lanes = None
    values: list[Stride] = []
    for index, stride in enumerate(strides):
        head, colon, tail = stride.rpartition(":")
        if colon and tail.isdecimal():
            if axis is not None:
                return None
            axis, lanes, stride = index, int(tail), head
        try:
            values.append(int(stride))
        except ValueError:
            values.append(stride)
    if reverse:
        values.reverse()
        axis = None if axis is None else len(values) - 1 - axis
    words = suffix.split()
    symbolic = any(isinstance(value, str) for value in values)
    return TensorFormat(
        text, datatype, tuple(values), axis, lanes, "long-strided" in words, "hazard" in words, where if symbolic else None
    )


_SEPARATOR: Final = re.compile(r"(?<=[)a-z]), ")


def _numeric_side(text: str, reverse: bool) -> tuple[TensorFormat, ...] | None:
    tensors: list[TensorFormat] = []
    for part in _SEPARATOR.split(text) if text else ():
        tensor = _numeric_tensor(part, reverse)
        if tensor is None:
            return None
        tensors.append(tensor)
    return tuple(tensors)


# --- text to descriptors: the grammar ----------------------------------------------------------------------------------------------------

# Brackets inside an expression nest ((* 2 (# 1 (SHAPE x)))), and SHAPE holds a tensor name of any characters; only balance is asked of it.
_DEEPEST: Final = 30
_LONGEST: Final = 20_000  # ten times the longest line seen
_TOKEN: Final = re.compile(r"[()]|, |(?: |^)->(?: |$)|(?:(?<= )|^)where ")


@lru_cache(maxsize=1)
def _grammar() -> tuple[pp.ParserElement, pp.ParserElement]:
    """The grammars of one descriptor and of a `where` tail; built on first use, since building takes milliseconds."""
    shallow = r"\([^()]*\)"
    for _ in range(3):
        shallow = rf"\([^()]*(?:{shallow}[^()]*)*\)"
    balanced = pp.Forward()
    balanced <<= pp.Literal("(") + (pp.Regex(r"[^()]+") | balanced)[...] + pp.Literal(")")
    symbol = pp.Regex(r"E\d{1,9}", re.ASCII)
    number = pp.Regex(_NUMBER, re.ASCII)
    # Brackets four deep, all that logs show, are one token; deeper ones cost pyparsing's recursion.
    stride = pp.Regex(rf"(?:{_NUMBER}|E\d{{1,9}}|{shallow})(?::{_LANES})?(?=[,)])", re.ASCII) | pp.original_text_for(
        (number | symbol | balanced) + pp.Optional(pp.Regex(rf":{_LANES}", re.ASCII))
    )
    suffix = pp.Regex(r"[a-z][a-z-]*", re.ASCII)[...]
    strides = pp.Suppress("(") + pp.Group(pp.Optional(pp.DelimitedList(stride, ",")))("strides") + pp.Suppress(")")
    tensor = pp.Regex(r"[A-Za-z_]\w*", re.ASCII)("datatype") + strides + pp.Group(suffix)("suffix")
    definitions = (symbol + "=" + (number | symbol | balanced))[1, ...]
    return tensor + pp.StringEnd(), definitions + pp.StringEnd()


@lru_cache(maxsize=1 << 14)
def _grammar_tensor(text: str, reverse: bool) -> TensorFormat | None:
    try:
        result = _grammar()[0].parse_string(text)
    except (pp.ParseBaseException, RecursionError):
        return None
    # The tail of the line is not known here; "" marks a symbolic descriptor until `_by_grammar` puts the tail in.
    return _tensor(text, str(result["datatype"]), [str(s) for s in result["strides"]], " ".join(result["suffix"]), "", reverse)


@lru_cache(maxsize=1 << 12)
def _is_definitions(text: str) -> bool:
    try:
        _grammar()[1].parse_string(text)
    except (pp.ParseBaseException, RecursionError):
        return False
    return True


def _cut(text: str) -> list[tuple[list[str], str | None]] | None:
    """Both sides as (descriptors, `where` tail), cut where no bracket is open; None unless there are two sides and brackets balance."""
    sides: list[tuple[list[str], str | None]] = []
    parts: list[str] = []
    depth = start = 0
    tail: int | None = None

    def close(end: int) -> None:
        nonlocal parts, tail
        piece = text[start : end if tail is None else tail].strip()
        sides.append((parts + ([piece] if piece or parts else []), None if tail is None else text[tail + len("where ") : end].strip()))
        parts, tail = [], None

    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark == "(":
            depth += 1
            if depth > _DEEPEST:
                return None
        elif mark == ")":
            depth -= 1
            if depth < 0:
                return None
        elif depth:
            continue
        elif "->" in mark:
            close(token.start())
            start = token.end()
        elif tail is not None:
            continue
        elif mark == ", ":
            parts.append(text[start : token.start()].strip())
            start = token.end()
        else:
            tail = token.start()
    close(len(text))
    return sides if len(sides) == 2 and depth == 0 else None


def _by_grammar(text: str, reverse: bool) -> FormatCombination | None:
    sides = _cut(text) if len(text) <= _LONGEST else None
    if sides is None or not all(tail is None or _is_definitions(tail) for _, tail in sides):
        return None
    tails = [tail for _, tail in sides if tail is not None]
    found: list[tuple[TensorFormat, ...]] = []
    for parts, tail in sides:
        # A combination's one tail, at its end, defines the symbols of both sides; in a reformat each side may have its own.
        where = tail if tail is not None else tails[0] if tails else None
        tensors = [_grammar_tensor(part, reverse) for part in parts]
        found.append(tuple(t if t.where is None else replace(t, where=where) for t in tensors if t is not None))
        if len(found[-1]) != len(parts):
            return None
    return FormatCombination(text, found[0], found[1], " ".join(tails) or None)


# --- what others call --------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 16)
def _combination(text: str, reverse: bool) -> FormatCombination | None:
    match = _NUMERIC_COMBINATION.fullmatch(text)
    if match is None:
        return _by_grammar(text, reverse)
    inputs, outputs = _numeric_side(match[1], reverse), _numeric_side(match[2], reverse)
    return None if inputs is None or outputs is None else FormatCombination(text, inputs, outputs)


def parse_combination(text: str, innermost_first: bool = False) -> FormatCombination | None:
    """The formats of a combination: `A, B -> C`, either side possibly empty, with the `where` tail if there is one.

    `innermost_first`: the log is TensorRT 7.x, whose strides run the other way (see `innermost_first()` for logs of unknown version).
    None, never an exception, if the text is no combination. Memoised.
    """
    return _combination(text.strip(), innermost_first)


Typed = tuple[tuple[str, int | None], ...]


def types_and_lanes(text: str) -> tuple[Typed, Typed] | None:
    """(type, lanes) of each input and output of a combination: what `parse_combination` says of them, in a third of its time."""
    match = _NUMERIC_COMBINATION.fullmatch(text.strip())
    if match is None:
        whole = parse_combination(text)
        return None if whole is None else (tuple((t.datatype, t.lanes) for t in whole.inputs), tuple((t.datatype, t.lanes) for t in whole.outputs))
    sides: list[Typed] = []
    for side in match.groups():
        found: list[tuple[str, int | None]] = []
        for datatype, strides, _ in _TENSOR_AT_A_TIME.findall(side):
            lanes: int | None = None
            if ":" in strides:
                widths = _WIDTH.findall(strides)
                if len(widths) > 1:
                    return None
                lanes = int(widths[0])
            found.append((datatype, lanes))
        sides.append(tuple(found))
    return sides[0], sides[1]


def first_input_type(text: str) -> str | None:
    """The type of the first input of a combination, without parsing the rest; None if it has no input."""
    found = _FIRST_TYPE.match(text)
    return found[1] if found is not None else None


def parse_reformat(text: str, innermost_first: bool = False) -> tuple[TensorFormat, TensorFormat] | None:
    """Source and destination of a reformat: `A -> B`, each side possibly with a `where` tail of its own. None if the text is none."""
    pair = _combination(text.strip(), innermost_first)
    if pair is None or len(pair.inputs) != 1 or len(pair.outputs) != 1:
        return None
    return pair.inputs[0], pair.outputs[0]


def parse_format(text: str, innermost_first: bool = False) -> TensorFormat | None:
    """One descriptor, as `Adding reformat layer: … from A to B` prints it. None if the text is none."""
    pair = _combination(f"{text.strip()} ->", innermost_first)
    return pair.inputs[0] if pair is not None and len(pair.inputs) == 1 and not pair.outputs else None


def innermost_first(text: str) -> bool | None:
    """Whether a combination's strides run innermost first (TensorRT 7.x), as the text itself shows it; None where it does not.

    Shown by a tensor whose strides are those of a layout in one direction only, as `Float(1,56,3136,401408)` is.
    """
    forward, backward = parse_combination(text), parse_combination(text, innermost_first=True)
    if forward is None or backward is None:
        return None
    for there, back in zip(forward.inputs + forward.outputs, backward.inputs + backward.outputs, strict=True):
        if not there.symbolic and bool(there.layouts) != bool(back.layouts):
            return bool(back.layouts)
    return None
