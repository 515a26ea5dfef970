"""The operators between a stored weight and the operator that uses it, and what they do to its axes and its zeros.

In: a scope and the name of an operator's input (onnx_graph.py). Out: what the walk ends at (`walk_back`), and the chain with the axes
mapped back to the stored tensor (`follow`). Next: onnx_model.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from .onnx_graph import STANDARD_DOMAINS, Found, Scope
from .onnx_tensor import ELEMENT_TYPES, MAX_RANK, read_array

Mask = np.ndarray[Any, np.dtype[np.bool_]]
StepKind = Literal["transpose", "reshape", "cast", "identity", "quantize", "dequantize", "arithmetic"]
Ends = Literal["stored", "runtime", "computed"]

_RESHAPES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten"})
_IDENTITIES = frozenset({"Identity", "Dropout"})
# Of these, the value is True where a zero stays a zero: scaling does not move it, adding does.
_ARITHMETIC = {"Mul": True, "Div": True, "Neg": True, "Add": False, "Sub": False, "BatchNormalization": False, "Clip": False, "Pow": False}
# A cast to one of these keeps every weight from becoming 0; FP16 does not, which is counted on its own (`PatternCount.violations_fp16`).
_WIDE_TYPES = frozenset({"FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE"})
_TRT_TYPES = {"FP8": "FLOAT8E4M3FN", "INT4": "INT4", "FP4": "FLOAT4E2M1", "INT8": "INT8"}


@dataclass(frozen=True, slots=True, eq=False)
class ChainStep:
    """One operator between a stored weight and the operator that uses it, in the order the data flow.

    `keeps_zeros`: whether a value of 0 is still 0 after it; None when unknown. `never_zero` (quantize and dequantize): boolean array that
    broadcasts to the stored tensor, True where the zero point is not 0; None when all are 0. `quantized_type`: the ONNX type a quantize
    step makes. `makes_zeros`: a cast to a type in which a weight that is not 0 may be 0 (an integer, FP8), or to one that is not known.
    """

    kind: StepKind
    operator: str
    node: str
    permutation: tuple[int, ...] | None = None
    keeps_zeros: bool | None = True
    never_zero: Mask | None = None
    quantized_type: str | None = None
    makes_zeros: bool = False


@dataclass(slots=True)
class RawStep:
    scope: Scope
    node: Any
    kind: StepKind
    keeps_zeros: bool | None = True


def walk_back(scope: Scope, name: str) -> tuple[Found, list[RawStep], Ends, str]:
    """From an operator's input to what it stands on; the steps in the order the data flow."""
    steps: list[RawStep] = []
    while True:
        found = scope.find(name)
        scope, node = found.scope, found.node
        if found.proto is not None:
            return found, steps[::-1], "stored", found.name
        if node is None:
            loose = [tensor.values.name for tensor in scope.loaded.model.graph.sparse_initializer] if scope.parent is None else []
            if found.name in loose:  # ONNX's sparse form of a constant, which is not read here
                return found, steps[::-1], "computed", f"a sparse initializer ({found.name})"
            return found, steps[::-1], "runtime", found.name
        constant = scope.is_constant(found.name) or _chooses_constantly(scope, node)
        function = scope.function_for(node)
        if function is not None:
            scope, name = scope.call(node, function), function.output[list(node.output).index(found.name)]
            continue
        if node.op_type == "Constant" and node.domain in STANDARD_DOMAINS:
            value = scope.attribute(node, "value")
            if value is not None and value.HasField("t"):
                return Found(scope, found.name, proto=value.t), steps[::-1], "stored", found.name
            return found, steps[::-1], "computed", "Constant (without a tensor)"
        step = _step(scope, node)
        if step is None:
            label = f"{node.op_type} {scope.node_name(node)!r}"
            return found, steps[::-1], "computed" if constant else "runtime", label if constant else found.name
        operand = _operand(scope, node) if step.kind == "arithmetic" else 0
        if operand is None:
            return found, steps[::-1], "computed" if constant else "runtime", f"{node.op_type} {scope.node_name(node)!r}"
        if step.kind == "arithmetic" and node.op_type in ("Mul", "Div"):
            step.keeps_zeros = node.op_type == "Mul" or operand == 0
        steps.append(step)
        name = node.input[operand]


def _chooses_constantly(scope: Scope, node: Any) -> bool:
    """An If whose condition is known before the network runs: the parser of TensorRT keeps the one branch, whose values may be constants."""
    return node.op_type == "If" and node.domain in STANDARD_DOMAINS and all(scope.is_constant(name) for name in node.input)


def _step(scope: Scope, node: Any) -> RawStep | None:
    operator = node.op_type
    if not node.input:
        return None
    # TRT_FP8QuantizeLinear, TRT_INT4DequantizeLinear and so on: NVIDIA's ONNX tools before opset 19 had FP8.
    if operator.endswith("DequantizeLinear"):
        return RawStep(scope, node, "dequantize")
    if operator.endswith("QuantizeLinear"):
        return RawStep(scope, node, "quantize")
    if node.domain not in STANDARD_DOMAINS:
        return None
    if operator == "Transpose":
        return RawStep(scope, node, "transpose")
    if operator in _RESHAPES:
        return RawStep(scope, node, "reshape")
    if operator in ("Cast", "CastLike"):
        return RawStep(scope, node, "cast")
    if operator in _IDENTITIES:
        return RawStep(scope, node, "identity")
    if operator in _ARITHMETIC:
        return RawStep(scope, node, "arithmetic", _ARITHMETIC[operator])
    return None


def _operand(scope: Scope, node: Any) -> int | None:
    """Which input of an arithmetic operator is the weight: the constant one with the most elements; None if any input is a runtime
    tensor."""
    if not all(scope.is_constant(name) for name in node.input):
        return None
    if node.op_type in ("BatchNormalization", "Neg", "Clip", "Pow") or len(node.input) == 1:
        return 0
    shapes = [scope.shape_of(name) for name in node.input[:2]]
    known = [tuple(d for d in shape if d is not None) for shape in shapes if shape is not None]
    if len(known) < 2 or any(len(a) != len(b or ()) for a, b in zip(known, shapes, strict=True)):
        return None
    operand = 1 if prod(known[1]) > prod(known[0]) else 0
    try:
        grown = np.broadcast_shapes(*known) != known[operand]
    except ValueError:
        return None
    return None if grown else operand


def axes_shape(base: tuple[int, ...], axes: tuple[int | None, ...]) -> list[int]:
    """Sizes of the axes that an operator sees; an axis that is not one of the base's is an inserted one of size 1, or unknown (-1)."""
    return [base[axis] if axis is not None else 1 for axis in axes]


def follow(steps: list[RawStep], stored: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int | None, ...] | None, tuple[ChainStep, ...]]:
    """Follow the chain from the stored tensor: (base shape, for each axis at the operator the base axis it is, the steps).

    A Reshape of the stored tensor before any Transpose only gives the same bytes another shape, which becomes the base. A later Reshape
    keeps the axes whose size and position in memory it does not change. Axes None: a shape on the way is not known.
    """
    base = stored
    axes: tuple[int | None, ...] = tuple(range(len(stored)))
    chain: list[ChainStep] = []
    lost = False
    for step in steps:
        node, name = step.node, step.scope.node_name(step.node)
        permutation: tuple[int, ...] | None = None
        never_zero = None
        quantized_type = None
        if step.kind == "transpose":
            permutation = step.scope.integers(node, "perm") or tuple(range(len(axes)))[::-1]
            if sorted(permutation) != list(range(len(axes))):
                raise step.scope.loaded.error(f"Transpose has perm {list(permutation)} for rank {len(axes)}", where=f"node {name!r}")
            axes = tuple(axes[at] for at in permutation)
        elif step.kind == "reshape":
            sizes = axes_shape(base, axes)
            target = _reshaped(step.scope, node, sizes)
            if target is None:
                lost = True
            elif axes == tuple(range(len(base))):
                base, axes = target, tuple(range(len(target)))
            else:
                axes = tuple(_kept_axes(sizes, axes, target))
        elif step.kind in ("quantize", "dequantize"):
            never_zero = _zero_points(step.scope, node, base, axes)
            quantized_type = _quantized_type(step.scope, node)
        if never_zero is not None and base != stored:
            never_zero = np.ascontiguousarray(np.broadcast_to(never_zero, base))
        chain.append(ChainStep(step.kind, node.op_type, name, permutation, step.keeps_zeros, never_zero, quantized_type, _makes_zeros(step)))
    return base, None if lost else axes, tuple(chain)


def _reshaped(scope: Scope, node: Any, sizes: list[int]) -> tuple[int, ...] | None:
    """The shape a Reshape, Squeeze, Unsqueeze or Flatten of constants gives; None when its target is not a stored constant or does not
    fit."""
    total, rank = prod(sizes), len(sizes)
    if node.op_type == "Flatten":
        at = scope.integer(node, "axis", 1)
        at += rank if at < 0 else 0
        if not 0 <= at <= rank:
            return None
        return prod(sizes[:at]), prod(sizes[at:])
    attribute = "shape" if node.op_type == "Reshape" else "axes"
    given = scope.integers(node, attribute)
    if given is None and len(node.input) > 1 and node.input[1]:
        given = _small_integers(scope, node.input[1])
        if given is None:
            return None
    if node.op_type == "Squeeze":
        drop = {axis % rank for axis in given} if given is not None and rank else {i for i, size in enumerate(sizes) if size == 1}
        return tuple(size for i, size in enumerate(sizes) if i not in drop)
    if given is None:
        return None
    if node.op_type == "Unsqueeze":
        new_rank = rank + len(given)
        if new_rank > MAX_RANK:
            return None
        inserted = {axis % new_rank for axis in given}
        rest = iter(sizes)
        return tuple(1 if i in inserted else next(rest, 1) for i in range(new_rank))
    zero_copies = not scope.integer(node, "allowzero", 0)
    target = [sizes[i] if size == 0 and zero_copies and i < rank else size for i, size in enumerate(given)]
    if target.count(-1) == 1:
        known = prod(size for size in target if size != -1)
        if known <= 0 or total % known:
            return None
        target[target.index(-1)] = total // known
    return tuple(target) if prod(target) == total and min(target, default=0) >= 0 and len(target) <= MAX_RANK else None


def _small_integers(scope: Scope, name: str) -> tuple[int, ...] | None:
    found, steps, ends, _ = walk_back(scope, name)
    if ends != "stored" or any(step.kind not in ("identity", "cast") for step in steps):
        return None
    tensor = scope.loaded.source.stored(found.proto, found.name)
    if tensor.element.name not in ("INT64", "INT32") or tensor.elements > 64:
        return None
    values = read_array(tensor).reshape(-1)
    return tuple(int(v) for v in values.view(np.int64 if tensor.element.bits == 64 else np.int32))


def _kept_axes(sizes: list[int], axes: tuple[int | None, ...], target: tuple[int, ...]) -> Iterator[int | None]:
    """For each axis of `target`, the base axis it still is: equal in size and with as many elements before it."""
    before = {(prod(sizes[:i]), size): axes[i] for i, size in enumerate(sizes) if size != 1}
    for i, size in enumerate(target):
        yield before.get((prod(target[:i]), size))


def surviving_axis(base: tuple[int, ...], stored: tuple[int, ...], axis: int) -> int | None:
    if base == stored:
        return axis
    return next(iter([at for at, kept in enumerate(_kept_axes(list(base), tuple(range(len(base))), stored)) if kept == axis]), None)


def _zero_points(scope: Scope, node: Any, base: tuple[int, ...], axes: tuple[int | None, ...]) -> Mask | None:
    """Where the zero point of a quantize or dequantize step is not 0, broadcastable to `base`; None when it is 0 everywhere."""
    if len(node.input) < 3 or not node.input[2]:
        return None
    found, _, ends, _ = walk_back(scope, node.input[2])
    if ends != "stored":
        return np.ones((), np.bool_)  # not known to be 0: nothing may count as zero
    tensor = scope.loaded.source.stored(found.proto, found.name)
    mask = tensor.element.zero_mask
    moved = np.bitwise_and(read_array(tensor), mask) != 0 if mask is not None else np.ones(tensor.shape, np.bool_)
    if not moved.any():
        return None
    if moved.size == 1:
        return np.ones((), np.bool_)
    sizes = axes_shape(base, axes)
    at = scope.integer(node, "axis", 1)
    at += len(sizes) if at < 0 else 0
    if not 0 <= at < len(sizes):
        return np.ones((), np.bool_)
    if moved.ndim == 1:
        moved = moved.reshape([-1 if i == at else 1 for i in range(len(sizes))])
    block = scope.integer(node, "block_size", 0)
    if block > 1 and moved.ndim == len(sizes) and moved.shape[at] == -(-sizes[at] // block):
        moved = np.repeat(moved, block, axis=at).take(range(sizes[at]), axis=at)
    fits = moved.ndim == len(sizes) and all(a in (1, b) for a, b in zip(moved.shape, sizes, strict=True))
    if not fits or any(axis is None and size != 1 for axis, size in zip(axes, sizes, strict=True)):
        return np.ones((), np.bool_)
    # Axes of the operator's view back to the stored order: the inserted ones have size 1 and are summed away.
    places = [(axis, i) for i, axis in enumerate(axes) if axis is not None]
    moved = moved.transpose([i for _, i in sorted(places)] + [i for i, axis in enumerate(axes) if axis is None])
    kept = sorted(axis for axis, _ in places)
    shape = [1] * len(base)
    for axis, size in zip(kept, moved.shape, strict=False):
        shape[axis] = size
    return moved.reshape(shape)


def _makes_zeros(step: RawStep) -> bool:
    """Whether a step is a cast that may turn a small value into 0; the type of a CastLike stands in another tensor."""
    element = ELEMENT_TYPES.get(step.scope.integer(step.node, "to", 0)) if step.kind == "cast" else None
    return step.kind == "cast" and (element is None or element.name not in _WIDE_TYPES)


def _quantized_type(scope: Scope, node: Any) -> str | None:
    """The element type on the quantized side, as far as the operator's name or its zero point tells."""
    name = node.op_type
    if name.startswith("TRT_"):
        return _TRT_TYPES.get(name.removeprefix("TRT_").split("Q")[0].split("D")[0])
    if len(node.input) > 2 and node.input[2]:
        found, _, ends, _ = walk_back(scope, node.input[2])
        if ends == "stored" and found.proto.data_type in ELEMENT_TYPES:
            return ELEMENT_TYPES[found.proto.data_type].name
    number = scope.integer(node, "output_dtype", 0) if name.endswith("QuantizeLinear") and not name.endswith("DequantizeLinear") else 0
    return ELEMENT_TYPES[number].name if number in ELEMENT_TYPES else None
