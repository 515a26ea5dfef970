"""The sizes of ONNX nodes as TensorRT's parser printed them into the log: tensors, filters, multiply-adds.

In: a `NetworkNode`. Out: plain numbers. Next: small_frames.py (table `network`), layers without layer info, whose sizes shapes.py needs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..parse.build_log.records import NetworkNode

_TENSOR = re.compile(r"\[(?P<name>.*?) -> \((?P<shape>[-\d, ]*)\)\[(?P<type>[A-Z0-9_]+)\]\]")
_KERNEL_WORD = re.compile(r"(?P<key>kernel|prepadding|postpadding|strides|dilations|numOutputs|nbGroups): (?:\((?P<sizes>\d{1,18}(?:, ?\d{1,18})*)\)|(?P<number>\d{1,18}))")
_SIZE = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution's parameters, outermost axis first. `padding`: before and behind each axis; None where it is not known."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    out_maps: int | None = None
    padding: tuple[tuple[int, ...], tuple[int, ...]] | None = None


def printed_tensors(text: str | None) -> list[tuple[str, tuple[int, ...], str]]:
    """`[x -> (1, 3)[FLOAT]], [y -> ()[INT32]]` → names, shapes (negative where dynamic), types."""
    found = []
    for match in _TENSOR.finditer(text or ""):
        sizes = tuple(int(size) for size in match["shape"].replace(" ", "").split(",") if _SIZE.fullmatch(size))
        found.append((match["name"], sizes, match["type"]))
    return found


def right_operand(node: NetworkNode) -> str | None:
    """The second input of a matrix product, where the first one is another tensor."""
    if node.operator not in ("MatMul", "Gemm") or node.inputs is None:
        return None
    # Not `printed_tensors`: thousands of nodes are asked for their names alone.
    names = [tensor.removeprefix("[").partition(" -> (")[0] for tensor in node.inputs.split("]], ")[:2]]
    return names[1] or None if len(names) > 1 and names[0] != names[1] else None


def kernel_words(node: NetworkNode) -> dict[str, str]:
    """What `Using kernel: (3, 3), strides: …` says, by its own keys."""
    return {match["key"]: match["sizes"] or match["number"] for match in _KERNEL_WORD.finditer(node.kernel or "")}


def groups_of(node: NetworkNode, words: dict[str, str] | None = None) -> int | None:
    """The groups of a convolution: printed (TensorRT 8.6 and later), else from the shapes of its input and its filter. `words`: its `kernel_words`."""
    printed = (kernel_words(node) if words is None else words).get("nbGroups")
    if printed is not None and printed.isdecimal():
        return int(printed)
    inputs = printed_tensors(node.inputs)
    if node.operator == "Conv" and len(inputs) > 1 and len(inputs[0][1]) > 2 and len(inputs[1][1]) == len(inputs[0][1]):
        channels, own = inputs[0][1][1], inputs[1][1][1]
        if channels > 0 and own > 0 and channels % own == 0:
            return channels // own
    return None


# All of it, in the order of every version that prints it; the groups since 8.6.
_LISTED = r"\((\d{1,18}(?:, ?\d{1,18})*)\)"
_ALL_WORDS = re.compile(
    rf"Using kernel: {_LISTED}, strides: {_LISTED}, prepadding: {_LISTED}, postpadding: {_LISTED}, dilations: {_LISTED}, "
    r"numOutputs: (\d{1,18})(?:, nbGroups: (\d{1,18}))?"
)


def convolution(node: NetworkNode) -> Convolution | None:
    """The convolution's parameters, where all of them are printed."""
    if node.operator != "Conv":
        return None
    whole = _ALL_WORDS.fullmatch(node.kernel or "")
    if whole is not None:
        kernel, stride, before, behind, dilation = map(_numbers, whole.groups()[:5])
        groups = int(whole[7]) if whole[7] is not None else groups_of(node, {})
        alike = len(kernel) == len(stride) == len(dilation)
        return Convolution(kernel, stride, dilation, groups, int(whole[6]), (before, behind)) if groups is not None and alike else None
    return _convolution_of_words(node)


def _convolution_of_words(node: NetworkNode) -> Convolution | None:
    """The same from whatever words are printed."""
    words = kernel_words(node)
    groups = groups_of(node, words)
    if groups is None or not {"kernel", "strides", "dilations"} <= words.keys():
        return None
    kernel, stride, dilation = (_numbers(words[key]) for key in ("kernel", "strides", "dilations"))
    out_maps = int(words["numOutputs"]) if words.get("numOutputs", "").isdecimal() else None
    padding = (_numbers(words["prepadding"]), _numbers(words["postpadding"])) if {"prepadding", "postpadding"} <= words.keys() else None
    return Convolution(kernel, stride, dilation, groups, out_maps, padding) if len(kernel) == len(stride) == len(dilation) else None


@lru_cache(maxsize=1024)
def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def convolution_nodes(network: Iterable[NetworkNode]) -> dict[str, NetworkNode | None]:
    """The convolutions, by the name of the ONNX node; None where two nodes have the name."""
    found: dict[str, NetworkNode | None] = {}
    for node in network:
        if node.operator in ("Conv", "ConvTranspose"):
            found[node.name] = None if node.name in found else node
    return found


def macs(node: NetworkNode) -> int | None:
    """Multiply-adds of a Conv, ConvTranspose, Gemm or MatMul; None for others, and where a size is dynamic or not printed."""
    inputs, outputs = printed_tensors(node.inputs), printed_tensors(node.outputs)
    if len(inputs) < 2 or not outputs:
        return None
    first, second, last = inputs[0][1], inputs[1][1], outputs[0][1]
    if not first or not second or not last or min((*first, *second, *last)) < 1:
        return None
    if node.operator == "Conv" and len(second) > 2:
        return math.prod(last) * math.prod(second[1:])
    if node.operator == "ConvTranspose" and len(second) > 2:
        return math.prod(first) * math.prod(second[1:])
    if node.operator == "Gemm" and len(first) == len(last) == 2 and math.prod(first) % last[0] == 0:
        return math.prod(last) * (math.prod(first) // last[0])  # whichever side is transposed
    if node.operator == "MatMul":
        return math.prod(last) * first[-1]
    return None
