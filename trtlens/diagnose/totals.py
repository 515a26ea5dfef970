"""The totals of one build.

In: its verdicts. Out: `Summary`. Next: layer_verdicts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .model import LayerVerdict, Summary


def add_up(verdicts: Sequence[LayerVerdict], listed: int | None, unmatched: int | None, total_ms: float | None, bounds: Sequence[float]) -> Summary:
    """`listed`: names on the log's list of eligible layers; `unmatched`: those of them that fit no layer. `bounds`: of each fallback that has one."""
    fallback = [v for v in verdicts if v.status == "dense"]
    # What runs sparse is eligible, even where neither list nor weights say so: matrix products have no HasSparseWeights.
    eligible = sum(v.status == "sparse" or v.eligibility.value is True for v in verdicts)
    told = any(v.eligibility.value is not None for v in verdicts)
    spent = [v.time_ms for v in fallback if v.time_ms is not None]
    gain = [
        v.best_dense_ms - v.best_sparse_ms
        for v in fallback
        if v.best_dense_ms is not None
        and v.best_sparse_ms is not None
        and v.best_sparse_ms < v.best_dense_ms
        and v.reason not in ("slower", "tie")
    ]
    # Where nothing sparse was timed, and only because it was skipped or nobody knows the names of all that was, no figure is held.
    raced = any(v.best_dense_ms is not None and (v.best_sparse_ms is not None or (v.proof == "proven" and (v.reason or "").startswith("no-kernel"))) for v in fallback)
    return Summary(
        layers=len(verdicts), eligible=eligible if told else None, eligible_listed=listed, eligible_unmatched=unmatched,
        picked=sum(v.status == "sparse" for v in verdicts), fallback=len(fallback), dense_unknown=sum(v.status == "dense-unknown" for v in verdicts),
        undetermined=sum(v.status == "undetermined" for v in verdicts), total_time_ms=total_ms, fallback_time_ms=sum(spent) if spent else _zero_if(total_ms is not None and not fallback),
        recoverable_ms=sum(gain) if gain or raced else None, bound_ms=sum(bounds) if bounds else None,
        by_reason=dict(sorted(Counter(v.reason for v in fallback if v.reason is not None).items(), key=lambda item: (-item[1], item[0]))),
        bound_layers=len(bounds),
    )  # fmt: skip


def _zero_if(known: bool) -> float | None:
    """Nothing fell back, and there is a profile: 0 ms; without a profile nobody knows."""
    return 0.0 if known else None
