"""The lines after `Engine Layer Information:` in a build log: what runs in the engine, layer by layer.

In: one such line, without the log writer's prefix. Out: `EngineLine`. Next: build_log/ (the engine's layers of a build).

    7.x to 8.4  Layer(CaskConvolution): Conv_15 + Relu_16, Tactic: 7144526460361122478, x:0[Float(-2,1,28,28)] -> y[Float(-2,32,28,28)]
    8.5 on      Layer(CaskPooling): /maxpool/MaxPool, Tactic: 0xfcb5fcaa68fff7ac, x (Int8[4,64:32,64,176]) -> y (Float[1,64,56,56])

Names hold any characters, ` -> `, `, Tactic: 5, ` and brackets among them. What is sure is the shape of the tensor descriptors, so they are
the anchors: a tensor ends where a descriptor stands before `, `, ` -> ` or the end of the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pyparsing as pp

from ..text import parse_tactic

__all__ = ["EngineLine", "EngineTensor", "parse_engine_line"]


@dataclass(frozen=True, slots=True)
class EngineTensor:
    """An input or output of an engine layer.

    `dimensions`: logical sizes, outermost first; a negative one is dynamic (-1, or TensorRT's own numbering -2, -3, …); empty for a scalar.
    `vector_axis`, `lanes`: the vectorised dimension and its scalars a vector (8.5+: `64:32`); both None where none is.
    `datatype`: TensorRT's word. The line gives no strides, so the layout is not in it.
    """

    name: str
    datatype: str
    dimensions: tuple[int, ...]
    vector_axis: int | None = None
    lanes: int | None = None


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One layer of the engine. `runner` is the layer type in brackets (CaskConvolution, NoOp, …); `tactic` is uint64.

    `ambiguous`: a name of the line holds text that reads like the line's own syntax and more than one reading fits, so that `name`
    (and the first input's name) may be cut at the wrong place; the reading given is the likeliest.
    """

    text: str
    runner: str
    name: str
    tactic: int
    inputs: tuple[EngineTensor, ...]
    outputs: tuple[EngineTensor, ...]
    ambiguous: bool = False


_LONGEST: Final = 1_000_000
_HEAD: Final = re.compile(r"\s*Layer\(([^()]*)\): ")
_TACTIC: Final = re.compile(r", Tactic: (0x[0-9a-fA-F]{1,16}|-?\d{1,20}),")
_DIMENSIONS = r"(?:-?\d{1,18}(?::[1-9]\d{0,3})?(?:,-?\d{1,18}(?::[1-9]\d{0,3})?)*)?"
# A descriptor and what must follow it. 8.5 on: ` (Half[2,160:16,16,30])`; before: `[Half(2,160,16,30)]`.
_DESCRIPTOR: Final = re.compile(
    rf"(?: \(([A-Za-z]\w*\[{_DIMENSIONS}\])\)|\[([A-Za-z]\w*\({_DIMENSIONS}\))\])(?=(, | -> | ->\s*$|\s*$))", re.ASCII
)


# The form of nearly every line: one input, one output, nothing in the tensors' names that could be misread.
_ONE_TENSOR = rf"(?!->)([^\s,()\[\]]+) \(([A-Za-z]\w*\[{_DIMENSIONS}\])\)"
_COMMON: Final = re.compile(rf"\s*Layer\(([^()]*)\): (.*), Tactic: (0x[0-9a-fA-F]{{16}}), {_ONE_TENSOR} -> {_ONE_TENSOR}", re.ASCII)
_MARK: Final = ", Tactic: "
_PLAIN: Final = re.compile(rf"([A-Za-z]\w*)[\[(]({_DIMENSIONS})[\])]$", re.ASCII)


@lru_cache(maxsize=1)
def _grammar() -> pp.ParserElement:
    """A tensor descriptor: type, and dimensions in either kind of bracket, one of them possibly vectorised."""
    size = pp.Regex(r"-?\d{1,18}", re.ASCII)
    dimension = pp.Group(size("size") + pp.Optional(pp.Suppress(":") + pp.Regex(r"[1-9]\d{0,3}", re.ASCII)("lanes")))
    listed = pp.Group(pp.Optional(pp.DelimitedList(dimension, ",")))("dimensions")
    brackets = (pp.Suppress("[") + listed + pp.Suppress("]")) | (pp.Suppress("(") + listed + pp.Suppress(")"))
    return pp.Regex(r"[A-Za-z]\w*", re.ASCII)("datatype") + brackets + pp.StringEnd()


_Shape = tuple[str, tuple[int, ...], int | None, int | None]
"""Type, dimensions, vector axis and lanes."""


@lru_cache(maxsize=1 << 15)
def _descriptor(text: str) -> _Shape | None:
    """What a descriptor says; None if two dimensions claim to be vectorised.

    Numbers alone, the form of nearly every line, are split by hand: an engine of 5,000 layers has thousands of distinct shapes. What is not of that
    form goes through the grammar; a test holds the two to agree.
    """
    plain = _PLAIN.match(text)
    if plain is not None:
        datatype, sizes = plain.groups()
        axis = lanes = None
        colon = sizes.find(":")
        if colon >= 0:
            if sizes.find(":", colon + 1) >= 0:
                return None
            end = sizes.find(",", colon)
            end = end if end >= 0 else len(sizes)
            axis, lanes = sizes.count(",", 0, colon), int(sizes[colon + 1 : end])
            sizes = sizes[:colon] + sizes[end:]
        return datatype, tuple(map(int, sizes.split(","))) if sizes else (), axis, lanes
    return _by_grammar(text)


def _by_grammar(text: str) -> _Shape | None:
    try:
        result = _grammar().parse_string(text)
    except pp.ParseBaseException:
        return None
    dimensions = list(result["dimensions"])
    vectorised = [index for index, dimension in enumerate(dimensions) if "lanes" in dimension]
    if len(vectorised) > 1:
        return None
    axis = vectorised[0] if vectorised else None
    lanes = int(dimensions[axis]["lanes"]) if axis is not None else None
    return str(result["datatype"]), tuple(int(dimension["size"]) for dimension in dimensions), axis, lanes


def _tensors(text: str) -> tuple[tuple[EngineTensor, ...], tuple[EngineTensor, ...], int] | None:
    """Inputs and outputs of ` A, B -> C, D` (either side may be empty), and where the first input ends; None if the text is none."""
    sides: list[list[EngineTensor]] = [[]]
    start, first_end = int(text.startswith(" ")), len(text)
    empty = re.match(r"\s*-> ?", text)
    if empty is not None:  # no inputs: a constant
        sides.append([])
        start = first_end = empty.end()
    for found in _DESCRIPTOR.finditer(text, start):
        shape = _descriptor(found[1] or found[2])
        if shape is None:
            return None
        sides[-1].append(EngineTensor(text[start : found.start()], *shape))
        if len(sides) == 1 and len(sides[0]) == 1:
            first_end = found.end()
        start = found.end() + len(found[3])
        if "->" in found[3]:
            sides.append([])
    if text[start:].strip() or len(sides) != 2:
        return None
    return tuple(sides[0]), tuple(sides[1]), first_end


@lru_cache(maxsize=1 << 15)
def parse_engine_line(text: str) -> EngineLine | None:
    """One `Layer(…): …` line. None, never an exception, if the text is no such line or is cut off. Memoised.

    The layer's name ends at `, Tactic: N, `. If a name holds such text too, the id of 16 hexadecimal digits is taken before others (8.4+
    prints no other), then the last one before the first tensor's descriptor; the line is then marked `ambiguous` if others were left.
    """
    common = _COMMON.fullmatch(text) if len(text) <= _LONGEST and text.count(_MARK) == 1 else None
    if common is not None:
        runner, name, number, source, taken, target, given = common.groups()
        first, last = _descriptor(taken), _descriptor(given)
        if first is None or last is None:
            return None
        return EngineLine(text, runner, name, int(number, 16), (EngineTensor(source, *first),), (EngineTensor(target, *last),))
    return _any_line(text)


def _any_line(text: str) -> EngineLine | None:
    """The same for every form of a line."""
    head = _HEAD.match(text) if len(text) <= _LONGEST else None
    if head is None:
        return None
    marks = list(_TACTIC.finditer(text, head.end()))
    marks = [mark for mark in marks if len(mark[1]) == 18] or marks
    if not marks:
        return None
    # Only what stands before the first descriptor can end the layer's name; later ones belong to tensor names.
    reading = _tensors(text[marks[0].end() :])
    if reading is None:
        return None
    before = marks[0].end() + reading[2]
    candidates = [mark for mark in marks if mark.end() <= before]
    mark = candidates[-1]
    if mark is not candidates[0]:
        reading = _tensors(text[mark.end() :])
    tactic = parse_tactic(mark[1])
    if reading is None or tactic is None:
        return None
    return EngineLine(text, head[1], text[head.end() : mark.start()], tactic, reading[0], reading[1], len(candidates) > 1)
