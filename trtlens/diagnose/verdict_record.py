"""The record of one layer's verdict, out of the layer, its eligibility, its time and what was ruled.

In: what fallbacks.py and layer_verdicts.py found. Out: a `LayerVerdict`. Next: report/.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from ..parse.records import TensorInfo
from .eligibility import Judgement
from .layers import EngineLayer, LayerTime
from .model import Evidence, LayerVerdict, Proof, Remedy, RunningTactic, Stability, Status, Suspect
from .race_records import Entry


class Compared(NamedTuple):
    """The dense and the sparse tactic that were compared; `margin`: how much longer the sparse one took, as a share of the dense time."""

    dense_ms: float | None = None
    sparse_ms: float | None = None
    margin: float | None = None
    dense: str | None = None
    sparse: str | None = None


def compared(dense: Entry | None, sparse: Entry | None, dense_ms: float | None, sparse_ms: float | None, margin: float | None) -> Compared:
    """Two tactics with the times that count for them."""
    return Compared(dense_ms, sparse_ms, margin, dense.kernel if dense is not None else None, sparse.kernel if sparse is not None else None)


def layer_verdict(
    layer: EngineLayer, status: Status, reason: str | None, proof: Proof, summary: str, judgement: Judgement, time: LayerTime | None, *,
    evidence: Iterable[Evidence] = (), suspects: Iterable[Suspect] = (), remedies: Iterable[Remedy] = (), stability: Stability | None = None,
    best: Compared | None = None, inherited: str | None = None,
) -> LayerVerdict:  # fmt: skip
    """A status with all that the layer itself adds to it: what runs, its formats and its time."""
    dense_ms, sparse_ms, margin, dense, sparse = best if best is not None else _NOTHING
    runs_sparse = True if status == "sparse" else False if status == "dense" and layer.sparse is None else layer.sparse
    return LayerVerdict(
        name=layer.name, type=layer.type, onnx_nodes=layer.onnx_nodes, optimization_profile=layer.optimization_profile, status=status, reason=reason,
        proof=proof, stability=stability, summary=summary, eligibility=judgement.eligibility,
        tactic=RunningTactic(layer.tactic_name, layer.tactic_id, runs_sparse, layer.type if not layer.listed_only else None),
        input_formats=tuple(map(_format_text, layer.inputs)), output_formats=tuple(map(_format_text, layer.outputs)),
        best_dense_ms=dense_ms, best_sparse_ms=sparse_ms, margin=margin, compared_dense=dense, compared_sparse=sparse, inherited_from=inherited,
        time_ms=time.time_ms if time else None, time_stat=time.stat if time and time.time_ms is not None else None, time_percent=time.percent if time else None,
        suspects=tuple(suspects), evidence=tuple(evidence), remedies=tuple(remedies),
    )  # fmt: skip


_NOTHING = Compared()


def _format_text(tensor: TensorInfo) -> str:
    return _joined(tensor.datatype or tensor.text, tensor.layout, tensor.dimensions)


@lru_cache(maxsize=1 << 14)
def _joined(datatype: str, layout: str | None, dimensions: tuple[int, ...] | None) -> str:
    """Of one text for all tensors of one shape: there are few in an engine, and each tensor stands in two layers."""
    return " ".join(part for part in (datatype, layout or "", "x".join(map(str, dimensions)) if dimensions else "") if part)
