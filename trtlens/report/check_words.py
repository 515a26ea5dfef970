"""What the check of a model's weights says to people: one set of sentences for the terminal and the page.

In: diagnose.weights.ModelCheck. Out: `Story`: plain strings, names already made visible. Next: check_terminal.py and check_html.py lay
them out.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..diagnose.weights import CheckSummary, ModelCheck, WeightCheck
from ..text import visible
from .words import count

PREDICTS = (
    "check looks at the weights alone and predicts. Whether TensorRT takes a layer, and whether it then runs it sparse, "
    "only a build log proves."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One weight. `conforming`: per cent of the groups, or "". `size`: of the weight. `details`: (label, value) for those who look
    closer."""

    name: str
    operator: str
    weight: str
    status: str
    reason: str
    proof: str
    summary: str
    conforming: str
    size: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Story:
    """`rows`: worst offenders first. `totals`: (label, value). `counts`: (reason or status, layers)."""

    model: str
    headline: str
    predicts: str
    totals: tuple[tuple[str, str], ...]
    counts: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    warnings: tuple[tuple[str, str], ...]


def story(check: ModelCheck) -> Story:
    """The sentences about one check."""
    summary = check.summary
    counts = [("eligible", summary.eligible), *summary.by_reason.items()]
    without_reason = sum(weight.status == "undetermined" and weight.reason is None for weight in check.weights)
    return Story(
        model=visible(str(check.path)),
        headline=_headline(summary),
        predicts=PREDICTS,
        totals=_totals(summary),
        counts=tuple((name, count) for name, count in [*counts, ("undetermined", without_reason)] if count),
        rows=tuple(_row(weight) for weight in worst_first(check)),
        warnings=tuple((warning.id, visible(warning.message)) for warning in check.warnings),
    )


def worst_first(check: ModelCheck) -> list[WeightCheck]:
    """Ineligible before undetermined before eligible; then those whose violating groups hold the most bytes; then those with the most
    bytes."""
    rank = {"ineligible": 0, "undetermined": 1, "eligible": 2}

    def cost(weight: WeightCheck) -> tuple[int, float, int]:
        share = weight.conforming_share
        size = weight.weight_bytes or 0
        return rank[weight.status], -(1 - share) * size if share is not None else 0.0, -size

    return sorted(check.weights, key=cost)


def _headline(summary: CheckSummary) -> str:
    if not summary.layers:
        return "No Conv, Gemm or MatMul in this model: there are no weights to check."
    if summary.eligible == summary.layers:
        return f"The weights of {'the one layer' if summary.layers == 1 else f'all {summary.layers:,} layers'} qualify for 2:4 sparsity."
    if summary.layers == 1:
        return "The weights of the one layer do not qualify for 2:4 sparsity." if summary.ineligible else "Whether the weights of the one layer qualify cannot be told."
    return f"The weights of {summary.eligible:,} of {summary.layers:,} layers qualify for 2:4 sparsity."


def _totals(summary: CheckSummary) -> tuple[tuple[str, str], ...]:
    rows = [("weight bytes that qualify", f"{size(summary.weight_bytes_eligible)} of {size(summary.weight_bytes)}")]
    if summary.macs_eligible_share is not None:
        rows.append(("multiply-adds that could run sparse", f"{summary.macs_eligible_share:.1%} of {summary.macs or 0:,}"))
    else:
        rows.append(("multiply-adds that could run sparse", "unknown"))
    return tuple(rows)


def _row(weight: WeightCheck) -> Row:
    return Row(
        name=visible(weight.name),
        operator=visible(weight.operator),
        weight=visible(weight.weight),
        status=weight.status,
        reason=weight.reason or "",
        proof=weight.proof,
        summary=visible(weight.summary),
        conforming=percent(weight.conforming_share),
        size=size(weight.weight_bytes) if weight.weight_bytes is not None else "",
        details=tuple(_details(weight)),
    )


def _details(weight: WeightCheck) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = [("weight", visible(weight.weight))]
    if weight.shape is not None:
        rows.append(("type and shape", f"{weight.dtype} {list(weight.shape)}"))
    if weight.chain:
        rows.append(("behind", " → ".join(visible(operator) for operator in weight.chain)))
    if weight.axis is not None:
        rows.append(("groups of 4 along axis", str(weight.axis)))
    if weight.groups is not None and weight.groups_conforming is not None:
        rows.append(("conforming groups", f"{weight.groups_conforming:,} of {weight.groups:,}"))
    if weight.groups_conforming_fp16 not in (None, weight.groups_conforming):
        rows.append(("after rounding to FP16", f"{weight.groups_conforming_fp16:,} conform"))
    if weight.zeros_fp16_adds:
        rows.append(("zeros that FP16 adds", f"{weight.zeros_fp16_adds:,}"))
    if weight.worst_output is not None:
        rows.append(("worst output channel", f"{weight.worst_output[0]:,} with {count(weight.worst_output[1], 'violating group')}"))
    if weight.conforming_axes:
        rows.append(("conforms along axis", ", ".join(map(str, weight.conforming_axes))))
    for label, sizes, aligned in (
        ("reduction size", weight.reduction_size, weight.alignment_reduction),
        ("output channels", weight.output_size, weight.alignment_output),
    ):
        if sizes is not None:
            rows.append((label, f"{sizes:,} ({'a multiple of ' + ', '.join(map(str, aligned)) if aligned else 'no multiple of 16'})"))
    if weight.macs is not None:
        rows.append(("multiply-adds", f"{weight.macs:,}"))
    return rows


def percent(share: float | None) -> str:
    """A share as per cent, rounded down, so that 100 % means all."""
    return "" if share is None else f"{int(share * 1000) / 10:.1f} %"


def size(count: int) -> str:
    """Bytes for people."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return f"{count} B"
