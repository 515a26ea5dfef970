"""The weights of an ONNX model as TensorRT's operators use them.

In: the path of an .onnx file. Out: `OnnxModel`: one `WeightUse` for each (operator node, weight), with the chain of operators between the
two, the axis along which the operator sums mapped back to the stored tensor, and the multiply-adds. Next: diagnose/weights.py judges
them, capture/prune.py changes them.

Weights are not read here. Axis rules: NVIDIA's developer guide for Conv ("for each output channel and for each spatial pixel in the kernel
weights, every four input channels must have at least two zeros"), the reduction axis for Gemm and MatMul.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .onnx_chain import ChainStep, Ends, axes_shape, follow, surviving_axis, walk_back
from .onnx_graph import STANDARD_DOMAINS, Loaded, Scope, load_graph
from .onnx_tensor import ELEMENT_TYPES, StoredTensor

# Operators with weights that no sparse implementation is known for (weight inputs): named, not judged by axis.
_OTHER_WEIGHT_OPERATORS = {
    "LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2), "Einsum": (0, 1), "DeformConv": (1,), "ConvInteger": (1,), "MatMulInteger": (1,),
    "QLinearConv": (3,), "QLinearMatMul": (3,), "MatMulNBits": (1,),
}  # fmt: skip
# NVIDIA's guide asks for FP16 or INT8; TensorRT 10.16 lists FP32 convolutions too. FP8 and BF16: names in the kernel inventory.
SPARSE_TYPES = frozenset({"FLOAT", "FLOAT16", "BFLOAT16", "INT8", "FLOAT8E4M3FN", "FLOAT8E5M2"})
OPERATORS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


@dataclass(frozen=True, slots=True, eq=False)
class WeightUse:
    """One weight as one operator uses it.

    `node`: the operator's name as TensorRT's parser gives it (`unnamed`: the file has none); `aliases`: further names to join on. `weight`:
    the stored tensor's name, or the runtime tensor's. `ends`: the walk from the operator ends at stored values, at a runtime tensor, or
    at an operator on constants that trtlens does not evaluate (`ends_at` names it). `view_shape`: the shape in which `axis` (along which
    the operator sums) and `output_axis` count: the stored shape, or the one a Reshape of the stored tensor gives; None when the axis does
    not survive. `labels`: a letter for each axis of `view_shape` (k output channel, c input channel, r, s …). `stored_axis`: `axis` in
    the stored shape, if it is one axis there. `macs`: multiply-adds of the operator for a batch of one where the batch is dynamic; None
    when other sizes are unknown.
    """

    node: str
    unnamed: bool
    aliases: tuple[str, ...]
    operator: str
    domain: str
    input_index: int
    weight: str
    tensor: StoredTensor | None
    ends: Ends
    ends_at: str
    chain: tuple[ChainStep, ...]
    view_shape: tuple[int, ...] | None
    axis: int | None
    output_axis: int | None
    stored_axis: int | None
    labels: tuple[str, ...]
    groups: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    spatial_dims: int | None
    macs: int | None
    in_function: bool = False

    @property
    def takes_groups(self) -> bool:
        """Whether sparse kernels exist for the operator's kind: Conv with at most 2 spatial axes and one group, Gemm, MatMul."""
        return self.operator in ("Gemm", "MatMul") or (self.operator == "Conv" and self.groups == 1 and (self.spatial_dims or 0) <= 2)

    @property
    def values(self) -> StoredTensor | None:
        """The stored tensor with the type its bytes mean: NVIDIA's older tools keep FP8 in UINT8 tensors before TRT_FP8DequantizeLinear."""
        step = self.chain[0] if self.chain else None
        is_fp8 = step is not None and step.kind == "dequantize" and (step.quantized_type or "").startswith("FLOAT8")
        if self.tensor is not None and self.tensor.element.name == "UINT8" and is_fp8:
            return replace(self.tensor, element=ELEMENT_TYPES[17])
        return self.tensor

    @property
    def odd_type(self) -> str | None:
        """The first type between the stored values and the operator that no sparse kernel is known for; None when there is none."""
        stored = [self.values.element.name] if self.values is not None else []
        types = stored + [step.quantized_type for step in self.chain if step.quantized_type is not None]
        return next((name for name in types if name not in SPARSE_TYPES), None)

    @property
    def zero_mover(self) -> ChainStep | None:
        """The first step that may turn a zero into another value."""
        return next((step for step in self.chain if step.keeps_zeros is not True), None)

    @property
    def never_zero(self) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Where a non-zero zero point keeps stored zeros from being zeros; None when nowhere."""
        masks = [step.never_zero for step in self.chain if step.never_zero is not None]
        return None if not masks else masks[0] if len(masks) == 1 else np.logical_or(*np.broadcast_arrays(*masks[:2]))


@dataclass(frozen=True, slots=True, eq=False)
class OnnxModel:
    """All weights of a model. `node_names`: every node, as TensorRT's parser names it. A Conv, Gemm or MatMul without constant weights is
    in `uses` too (its `ends` is "runtime").
    """

    path: Path
    uses: tuple[WeightUse, ...]
    node_names: frozenset[str]
    shapes_inferred: bool
    has_functions: bool
    loaded: Loaded
    containers: frozenset[str] = frozenset()
    """Nodes that hold other nodes: an If, a Loop, a call of a local function."""


@dataclass(frozen=True, slots=True)
class _Role:
    """What one weight input of an operator means: its axes are labelled in the operator's own order."""

    input_index: int
    axis: int | None
    output_axis: int | None
    labels: tuple[str, ...]


def read_model(path: str | Path, *, mark_all: bool = False) -> OnnxModel:
    """The weights of an ONNX model. `mark_all`: note each tensor's place in the file (for prune).

    Raises InputError: not an ONNX file, truncated, external data missing, short or outside the folder, a weight whose rank its operator
    cannot have, a cyclic graph.
    """
    loaded = load_graph(Path(path), mark_all=mark_all)
    uses: list[WeightUse] = []
    names: set[str] = set()
    containers: set[str] = set()
    for scope, node in _walk(loaded.main):
        name = scope.node_name(node)
        names.add(name)
        if scope.function_for(node) is not None or any(True for _ in scope.subgraphs(node)):
            containers.add(name)
        uses.extend(_uses(scope, node))
    return OnnxModel(Path(path), tuple(uses), frozenset(names), loaded.shapes_inferred, bool(loaded.functions), loaded, frozenset(containers))


def _walk(scope: Scope) -> Iterator[tuple[Scope, Any]]:
    stack = [(scope, iter(scope.nodes))]
    while stack:
        scope, nodes = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        yield scope, node
        function = scope.function_for(node)
        inner = [scope.call(node, function)] if function is not None else []
        inner += scope.subgraphs(node)
        stack += [(child, iter(child.nodes)) for child in reversed(inner)]


def _uses(scope: Scope, node: Any) -> Iterator[WeightUse]:
    operator = node.op_type
    standard = node.domain in STANDARD_DOMAINS and scope.function_for(node) is None
    if operator in OPERATORS and standard:
        if len(node.input) < 2:
            raise scope.loaded.error(f"{operator} has {len(node.input)} inputs and needs 2", where=f"node {scope.node_name(node)!r}")
        constant = [scope.is_constant(name) for name in node.input[:2]]
        if all(constant):
            return  # TensorRT folds it: no layer is left
        yield _use(scope, node, 0 if constant[0] and operator in ("Gemm", "MatMul") else 1)
    elif operator in _OTHER_WEIGHT_OPERATORS and scope.function_for(node) is None:
        for index in _OTHER_WEIGHT_OPERATORS[operator]:
            if index < len(node.input) and node.input[index] and scope.is_constant(node.input[index]):
                yield _use(scope, node, index)


def _use(scope: Scope, node: Any, index: int) -> WeightUse:
    name, loaded = scope.node_name(node), scope.loaded
    where = f"node {name!r}"
    found, raw_steps, ends, ends_at = walk_back(scope, node.input[index])
    tensor: StoredTensor | None = None
    if ends == "stored":
        tensor = loaded.source.stored(found.proto, found.name)
        base, axes, chain = follow(raw_steps, tensor.shape)
        shape: tuple[int | None, ...] | None = tuple(axes_shape(base, axes)) if axes is not None else None
    else:
        base, axes, chain = (), None, ()
        shape = scope.shape_of(node.input[index])
    # A weight's own shape says what the operator gets; where a Reshape hid the axes, the rank is taken from shape inference.
    role = _role(scope, node, index, len(shape)) if shape is not None else _Role(index, None, None, ())
    if role is None:
        what = f"{node.op_type} has a weight of shape {list(shape or ())}, a rank it cannot take"
        raise loaded.error(what, where=f"{where}, tensor {found.name!r}", todo="export the model again")
    axis = output_axis = stored_axis = None
    labels: tuple[str, ...] = ()
    if axes is not None and role.axis is not None:
        axis = axes[role.axis]
        output_axis = axes[role.output_axis] if role.output_axis is not None else None
        by_base = {at: label for at, label in zip(axes, role.labels, strict=True) if at is not None}
        labels = tuple(by_base.get(at, f"i{at}") for at in range(len(base)))
        stored_axis = surviving_axis(base, tensor.shape, axis) if tensor is not None and axis is not None else None
    weight_dims = shape if shape is not None else ()
    kernel = scope.integers(node, "kernel_shape") or tuple(d for d in weight_dims[2:] if d is not None)
    is_conv = node.op_type in ("Conv", "ConvTranspose")
    return WeightUse(
        node=name,
        unnamed=not node.name,
        aliases=tuple(dict.fromkeys((name, *([node.name] if node.name else []), *node.output))),
        operator=node.op_type,
        domain=node.domain,
        input_index=index,
        weight=found.name if tensor is not None else node.input[index],
        tensor=tensor,
        ends=ends,
        ends_at=ends_at,
        chain=chain,
        view_shape=base if axis is not None else None,
        axis=axis,
        output_axis=output_axis,
        stored_axis=stored_axis,
        labels=labels,
        groups=scope.integer(node, "group", 1) if is_conv else 1,
        kernel=kernel if is_conv else (),
        strides=scope.integers(node, "strides") or () if is_conv else (),
        spatial_dims=(len(shape) - 2 if shape is not None else len(kernel) or None) if is_conv else None,
        macs=_macs(scope, node, index, shape),
        in_function=bool(scope.calls),
    )


def _role(scope: Scope, node: Any, index: int, rank: int) -> _Role | None:
    """Axes of a weight input; None when the operator cannot take a weight of this rank."""
    operator = node.op_type
    if operator in ("Conv", "ConvTranspose"):
        if rank < 3:
            return None
        kernel = ("t", "r", "s") if rank == 5 else ("r", "s") if rank == 4 else tuple(f"r{i}" if rank > 3 else "r" for i in range(rank - 2))
        return _Role(index, 1, 0, ("k", "c", *kernel)) if operator == "Conv" else _Role(index, 0, 1, ("c", "k", *kernel))
    if operator == "Gemm":
        if rank != 2:
            return None
        flipped = bool(scope.integer(node, "transA" if index == 0 else "transB", 0))
        axis = (0 if flipped else 1) if index == 0 else (1 if flipped else 0)
        return _Role(index, axis, 1 - axis, ("c", "k") if axis == 0 else ("k", "c"))
    if operator == "MatMul":
        if rank == 0:
            return None
        if rank == 1:
            return _Role(index, 0, None, ("c",))
        batch = tuple(f"b{i}" for i in range(rank - 2))
        if index == 0:
            return _Role(index, rank - 1, rank - 2, (*batch, "k", "c"))
        return _Role(index, rank - 2, rank - 1, (*batch, "c", "k"))
    return _Role(index, None, None, ())


def _macs(scope: Scope, node: Any, index: int, weight: tuple[int | None, ...] | None) -> int | None:
    """Multiply-adds, a dynamic first dimension counted as 1; None when a size is unknown."""
    operator = node.op_type
    data = scope.shape_of(node.input[0]) if operator == "ConvTranspose" else scope.shape_of(node.output[0]) if node.output else None
    if data is None or weight is None or operator not in OPERATORS or not weight:
        return None
    if operator == "Conv":
        factors: tuple[int | None, ...] = weight[1:]
    elif operator == "ConvTranspose":
        factors = weight[1:]
    elif operator == "Gemm":
        flipped = bool(scope.integer(node, "transA" if index == 0 else "transB", 0))
        factors = (weight[1 if flipped == (index == 1) else 0],)
    else:
        factors = (weight[-1] if index == 0 or len(weight) == 1 else weight[-2],)
    sizes = [1 if i == 0 and size is None and len(data) > 1 else size for i, size in enumerate(data)]
    sizes += factors
    return prod(size for size in sizes if size is not None) if None not in sizes else None
