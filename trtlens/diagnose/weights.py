"""`trtlens check`: do a model's weights satisfy 2:4 where TensorRT looks?

In: the path of an .onnx file. Out: `ModelCheck`, one `WeightCheck` for each (operator node, weight). Next: report/check_json.py,
check_terminal.py and check_html.py show it; the engine's diagnosis asks `reason_for_nodes` why the log does not list a layer.

A check of the weights predicts; only a build log proves. `status` and `proof` speak about the weights: `eligible` means that they
qualify, no more, and is never above "suggested"; `ineligible` with "proven" means that the ONNX file alone establishes the reason
(an exact count, the group attribute, a runtime tensor), given that the log does not list the layer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..parse.layer_names import node_in_branch
from ..parse.onnx_model import OnnxModel, WeightUse, read_model
from ..parse.onnx_tensor import StoredTensor, TensorReader
from ..text import said_of
from .model import Proof, Warning
from .two_four import PatternCount, Violation, conforms_along, count_pattern

CheckStatus = Literal["eligible", "ineligible", "undetermined"]
ALIGNMENTS = (16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class WeightCheck:
    """One weight as one operator uses it. Indices are those of the stored tensor; what was not counted is None.

    `axis`: along which the groups of 4 run, in the stored shape (None when that is not one axis there). `first_violations`: at most five,
    in storage order; `first_violation_text` names the first with its axes' letters. `conforming_axes`: of the stored tensor; an axis
    shorter than 4 counts only if it is `axis` itself, since fewer than 4 values conform by being short. `worst_output`: (index of the
    output channel, violating groups in it). `groups_conforming_fp16`, `zeros_fp16_adds`: after rounding float32 or bfloat16 to FP16.
    `alignment_reduction`, `alignment_output`: which of 16, 32, 64, 128 divide the size along the reduction and the output axis. `macs`:
    multiply-adds. `chain`: operators in between.
    """

    name: str
    onnx_nodes: tuple[str, ...]
    operator: str
    weight: str
    dtype: str | None
    shape: tuple[int, ...] | None
    axis: int | None
    status: CheckStatus
    reason: str | None
    proof: Proof
    summary: str
    groups: int | None = None
    groups_conforming: int | None = None
    first_violations: tuple[Violation, ...] = ()
    first_violation_text: str | None = None
    conforming_axes: tuple[int, ...] = ()
    partial_group: bool | None = None
    worst_output: tuple[int, int] | None = None
    zeros: int | None = None
    elements: int | None = None
    groups_conforming_fp16: int | None = None
    zeros_fp16_adds: int | None = None
    reduction_size: int | None = None
    output_size: int | None = None
    alignment_reduction: tuple[int, ...] = ()
    alignment_output: tuple[int, ...] = ()
    conv_groups: int = 1
    macs: int | None = None
    weight_bytes: int | None = None
    chain: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    weight_id: int = 0
    """Equal for two uses of the same stored bytes."""
    input_index: int = 1
    """Which input of the operator the weight is: 0 for a product with the constant on its left."""

    @property
    def conforming_share(self) -> float | None:
        """Groups that conform, 0 to 1."""
        return self.groups_conforming / self.groups if self.groups and self.groups_conforming is not None else None


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """Totals. `macs` and `macs_eligible_share` are None when a layer's multiply-adds are unknown (`macs_unknown` of them)."""

    layers: int
    eligible: int
    ineligible: int
    undetermined: int
    by_reason: dict[str, int]
    weight_bytes: int
    weight_bytes_eligible: int
    macs: int | None
    macs_eligible: int | None
    macs_eligible_share: float | None
    macs_unknown: int


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The check of one model. `weights` in the graph's order."""

    path: Path
    weights: tuple[WeightCheck, ...]
    node_names: frozenset[str]
    warnings: tuple[Warning, ...] = ()
    containers: frozenset[str] = frozenset()
    """Nodes that hold other nodes, whose names are not theirs: what weights an engine layer made of one has they do not say."""

    @property
    def summary(self) -> CheckSummary:
        """Totals over all weights; a weight that several operators share counts its bytes once."""
        status = Counter(weight.status for weight in self.weights)
        # Where uses of one weight differ, the eligible one comes last and stays.
        sizes = {w.weight_id: (w.weight_bytes, w.status) for w in sorted(self.weights, key=lambda w: w.status == "eligible")}
        nodes = {(w.name, w.output_names): (w.macs, w.status) for w in self.weights}
        unknown = sum(macs is None for macs, _ in nodes.values())
        macs = None if unknown else sum(macs or 0 for macs, _ in nodes.values())
        macs_eligible = None if unknown else sum(macs or 0 for macs, state in nodes.values() if state == "eligible")
        return CheckSummary(
            layers=len(self.weights),
            eligible=status["eligible"],
            ineligible=status["ineligible"],
            undetermined=status["undetermined"],
            by_reason=dict(sorted(Counter(w.reason for w in self.weights if w.reason).items())),
            weight_bytes=sum(size or 0 for size, _ in sizes.values()),
            weight_bytes_eligible=sum(size or 0 for size, state in sizes.values() if state == "eligible"),
            macs=macs,
            macs_eligible=macs_eligible,
            macs_eligible_share=macs_eligible / macs if macs and macs_eligible is not None else None,
            macs_unknown=unknown,
        )


@dataclass(frozen=True, slots=True)
class NodeReason:
    """Why the weights say an engine layer is not eligible, if the log does not list it. `status` "eligible": the weights qualify, look
    elsewhere.

    `proof` holds given that a complete log does not name the layer. `weights`: the checks it stands on, the decisive one first.
    """

    status: CheckStatus
    reason: str | None
    proof: Proof
    summary: str
    weights: tuple[WeightCheck, ...] = ()


def check_model(path: str | Path) -> ModelCheck:
    """Check every weight of an ONNX model. Raises InputError (see parse.onnx_model.read_model)."""
    return check_loaded(read_model(path))


def check_loaded(model: OnnxModel) -> ModelCheck:
    """Check a model that is already read; weights are read once for each axis they are used along."""
    counted: dict[tuple[object, ...], tuple[PatternCount, tuple[int, ...]]] = {}
    ids: dict[object, int] = {}
    checks: list[WeightCheck] = []
    with TensorReader() as reader:
        for number, use in enumerate(model.uses):
            key = use.tensor.key if use.tensor is not None else number
            checks.append(replace(_check(use, reader, counted), weight_id=ids.setdefault(key, len(ids))))
    return ModelCheck(model.path, tuple(checks), model.node_names, tuple(_warnings(model, checks)), model.containers)


class WeightIndex:
    """The weights of a model by the names that an engine's layers may have for them: one pass, for an engine may have thousands of layers."""

    def __init__(self, check: ModelCheck) -> None:
        self.check = check
        self._by_name: dict[str, list[int]] = defaultdict(list)
        self._by_output: dict[str, list[int]] = defaultdict(list)
        for number, weight in enumerate(check.weights):
            self._by_name[weight.name].append(number)
            for name in weight.output_names:
                self._by_output[name].append(number)

    def node(self, name: str) -> str:
        """The model's own name of a node: a branch's is told with where it stands, and counts if one node alone has it."""
        if name in self.check.node_names:
            return name
        inner = node_in_branch(name)
        return inner if inner is not None and inner in self.check.node_names and len(self._by_name.get(inner, ())) < 2 else name

    def find(self, nodes: Iterable[str]) -> list[WeightCheck]:
        """The weights of these nodes, or of tensors of that name where no node has it, in the model's order."""
        numbers: set[int] = set()
        for name in nodes:
            numbers.update(self._by_name.get(name, ()) if name in self.check.node_names else (*self._by_name.get(name, ()), *self._by_output.get(name, ())))
        return [self.check.weights[number] for number in sorted(numbers)]


def reason_for_nodes(check: ModelCheck | WeightIndex, onnx_nodes: Sequence[str]) -> NodeReason | None:
    """What the weights say about an engine layer made of `onnx_nodes`; None when the model does not tell (a node it does not have).

    Joins on node names, then on output tensor names where no node has that name. Asked for many layers, an index saves the search.
    """
    index = check if isinstance(check, WeightIndex) else WeightIndex(check)
    check = index.check
    wanted = {index.node(name) for name in onnx_nodes}
    found = index.find(wanted)
    inner = not wanted <= set(onnx_nodes)  # joined without the branch it stands in: another node may have the name
    if not found:
        if onnx_nodes and wanted <= check.node_names and not wanted & check.containers:
            return NodeReason("ineligible", "op-kind", "suggested" if inner else "proven", "no Conv, Gemm or MatMul with constant weights is among its ONNX nodes")
        return None
    rank = {"ineligible": 0, "undetermined": 1, "eligible": 2}
    proofs = {"proven": 0, "suggested": 1, "unknown": 2}
    found.sort(key=lambda w: (rank[w.status], proofs[w.proof]))
    first = found[0]
    # A layer of several weights of which one qualifies: that the others do not cannot be proven to be the cause.
    mixed = any(w.status != first.status or w.reason != first.reason for w in found)
    proof: Proof = "suggested" if (mixed or inner) and first.proof == "proven" else first.proof
    # Short groups are no verdict by themselves (TensorRT pads them); for a layer that the log does not list they are the likely cause.
    status: CheckStatus = "ineligible" if first.reason == "channels-partial-group" else first.status
    return NodeReason(status, first.reason, proof, first.summary, tuple(found))


def _check(use: WeightUse, reader: TensorReader, counted: dict[tuple[object, ...], tuple[PatternCount, tuple[int, ...]]]) -> WeightCheck:
    tensor = use.values
    check = WeightCheck(
        name=use.node,
        onnx_nodes=(use.node, *(step.node for step in use.chain)),
        operator=use.operator,
        weight=use.weight,
        dtype=use.tensor.element.name if use.tensor else None,
        shape=use.tensor.shape if use.tensor else None,
        axis=use.stored_axis,
        status="undetermined",
        reason=None,
        proof="unknown",
        summary="",
        conv_groups=use.groups,
        macs=use.macs,
        weight_bytes=use.tensor.nbytes if use.tensor else None,
        chain=tuple(step.operator for step in use.chain),
        output_names=use.aliases[1:],
        input_index=use.input_index,
    )
    if tensor is not None and use.axis is not None and use.view_shape is not None:
        mask = use.never_zero
        moved = (mask.shape, mask.tobytes()) if mask is not None else None
        key = (tensor.key, tensor.element.name, use.view_shape, use.axis, use.output_axis, moved)
        if key not in counted:
            counted[key] = _count(use, tensor, reader)
        count, axes = counted[key]
        check = _with_count(check, use, count, axes)
    status, reason, proof, summary = _judge(use, check)
    return replace(check, status=status, reason=reason, proof=proof, summary=summary)


def _count(use: WeightUse, tensor: StoredTensor, reader: TensorReader) -> tuple[PatternCount, tuple[int, ...]]:
    assert use.view_shape is not None and use.axis is not None
    never_zero = use.never_zero
    count = count_pattern(reader, tensor, use.view_shape, use.axis, output_axis=use.output_axis, never_zero=never_zero)
    conforming = []
    for axis, size in enumerate(use.view_shape):
        if axis == use.axis:
            conforms = count.violations == 0
        else:
            conforms = size >= 4 and conforms_along(reader, tensor, use.view_shape, axis, never_zero)
        if conforms:
            conforming.append(axis)
    return count, tuple(conforming)


def _with_count(check: WeightCheck, use: WeightUse, count: PatternCount, axes: tuple[int, ...]) -> WeightCheck:
    assert use.view_shape is not None and use.axis is not None and use.tensor is not None
    size = use.view_shape[use.axis]
    out = use.view_shape[use.output_axis] if use.output_axis is not None else None
    worst = None
    if count.violations and count.violations_by_output is not None:
        at = int(count.violations_by_output.argmax())
        worst = at, int(count.violations_by_output[at])
    same = use.view_shape == use.tensor.shape
    first = tuple(v if same else replace(v, index=_reindex(v.index, use.view_shape, use.tensor.shape)) for v in count.first)
    return replace(
        check,
        groups=count.groups,
        groups_conforming=count.conforming,
        first_violations=first,
        first_violation_text=_place(use, count.first[0]) if count.first else None,
        conforming_axes=axes if same else (use.stored_axis,) if use.stored_axis is not None and use.axis in axes else (),
        partial_group=size % 4 != 0,
        worst_output=worst,
        zeros=count.zeros,
        elements=count.elements,
        groups_conforming_fp16=count.groups - count.violations_fp16 if count.violations_fp16 is not None else None,
        zeros_fp16_adds=count.zeros_fp16_adds,
        reduction_size=size,
        output_size=out,
        alignment_reduction=tuple(a for a in ALIGNMENTS if size and size % a == 0),
        alignment_output=tuple(a for a in ALIGNMENTS if out and out % a == 0),
        # Only partial groups violate: the verdict differs, see _judge.
        reason="channels-partial-group" if count.violations and count.violations == count.partial_violations else None,
    )


def _reindex(index: tuple[int, ...], shape: tuple[int, ...], stored: tuple[int, ...]) -> tuple[int, ...]:
    flat = 0
    for at, size in zip(index, shape, strict=True):
        flat = flat * size + at
    out = []
    for size in reversed(stored):
        flat, at = divmod(flat, size)
        out.append(at)
    return tuple(reversed(out))


def _place(use: WeightUse, violation: Violation) -> str:
    """`[k=3, c=8..11, r=0, s=1]`."""
    parts = []
    for axis, at in enumerate(violation.index):
        last = at + violation.length - 1
        parts.append(f"{use.labels[axis]}={at}..{last}" if axis == use.axis else f"{use.labels[axis]}={at}")
    return f"[{', '.join(parts)}]"


def _judge(use: WeightUse, check: WeightCheck) -> tuple[CheckStatus, str | None, Proof, str]:
    """Status, reason, proof and a sentence. The order is that of the causes' certainty; see the contract's table of `ineligible`."""
    if use.ends == "runtime":
        what = "both inputs are" if use.operator in ("MatMul", "Gemm") else "its weights are"
        return "ineligible", "weights-not-constant", "proven", f"{what} computed at run time ({use.ends_at} is no constant)"
    if use.groups > 1:
        return "ineligible", "grouped", "proven", f"a grouped convolution ({use.groups:,} groups): TensorRT has no sparse kernels for those"
    if not use.takes_groups:
        name = "Conv with 3 spatial axes" if use.operator == "Conv" else use.operator
        return "ineligible", "op-kind", "suggested", f"no sparse implementation of {name} is known"
    if use.ends == "computed":
        text = f"its weights are constants computed by {use.ends_at}, which TensorRT folds and check does not"
        return "undetermined", None, "unknown", text
    if check.groups is None or check.groups_conforming is None:
        text = f"the reduction axis cannot be followed through {' and '.join(check.chain)} to the stored tensor"
        return "undetermined", None, "unknown", text
    if check.groups == 0:
        return "undetermined", None, "unknown", "the weight has no elements"
    if use.odd_type is not None:
        text = f"its weights are {use.odd_type}: sparse kernels are known for FP32 (as FP16), FP16, BF16, INT8 and FP8"
        return "ineligible", "precision", "suggested", text
    between = [step for step in use.chain if step.kind in ("quantize", "dequantize", "arithmetic") or step.makes_zeros]
    names = " and ".join(dict.fromkeys(step.operator for step in between))
    violations = check.groups - check.groups_conforming
    if violations:
        return _judge_violations(use, check, violations, names)
    moving = use.zero_mover
    if moving is not None:
        text = f"the stored weights conform, but {moving.operator} stands between them and the operator and may move their zeros"
        return "undetermined", None, "unknown", text
    also = "; its last group is padded with zeros" if check.partial_group else ""
    behind = f" (behind {names})" if names else ""
    return "eligible", None, "suggested", f"all {check.groups:,} groups conform{behind}{also}"


def _judge_violations(use: WeightUse, check: WeightCheck, violations: int, between: str) -> tuple[CheckStatus, str, Proof, str]:
    text = f"{violations:,} of {check.groups:,} groups violate: first at {check.first_violation_text}"
    if use.never_zero is not None:
        text += "; a zero point that is not 0 turns stored zeros into other values"
    other = [axis for axis in check.conforming_axes if axis != use.stored_axis]
    if other:
        text += f"; the pattern holds along axis {other[0]} instead of axis {use.stored_axis}"
        return "ineligible", "pattern-wrong-axis", "suggested", text
    if check.reason == "channels-partial-group":
        text += f"; only last groups, short because {check.reduction_size:,} is not a multiple of 4"
        return "undetermined", "channels-partial-group", "suggested", text
    if between:
        return "ineligible", "pattern", "suggested", f"{text} ({between} stands between weight and operator)"
    if check.groups_conforming_fp16 == check.groups:
        return "ineligible", "pattern", "suggested", f"{text}; all groups conform once rounded to FP16"
    return "ineligible", "pattern", "proven", text


# What a check of a model alone can warn of: its gates take these and no warning of a build.
CHECK_WARNINGS = ("unnamed-nodes", "local-functions", "macs-unknown", "shared-weight")


def _warnings(model: OnnxModel, checks: Sequence[WeightCheck]) -> Iterable[Warning]:
    unnamed = sum(use.unnamed for use in model.uses)
    if unnamed:
        yield Warning("unnamed-nodes", said_of(unnamed, "# operator has no name; it is", "# operators have no name; they are") + " called node_of_<output>, as TensorRT's parser does")
    if any(use.in_function for use in model.uses):
        text = "operators inside local functions are called <calling node>/<node>; TensorRT may name them otherwise"
        yield Warning("local-functions", text)
    unknown = len({check.name for check in checks if check.macs is None})
    if unknown:
        why = "dynamic sizes" if model.shapes_inferred else "shape inference failed"
        text = f"the multiply-adds of {said_of(unknown, '# operator', '# operators')} are unknown ({why}): no share of the model's work is given"
        yield Warning("macs-unknown", text)
    by_weight: dict[str, set[str]] = {}
    for check in checks:
        if check.groups is not None:
            by_weight.setdefault(check.weight, set()).add(check.status)
    for weight, states in by_weight.items():
        if len(states) > 1:
            yield Warning("shared-weight", f"weight {weight} is used in several ways, and qualifies in some of them only")
