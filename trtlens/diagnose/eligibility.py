"""Whether a layer's weights qualify for sparse math, and why not.

In: an `EngineLayer`, the build's `(Sparsity)` lists, options, the weight check. Out: `Judgement`. Next: explain.py.
The list of the engine's pass proves eligibility; `HasSparseWeights`/`AllowSparse` and a 2:4 check of the weights suggest it (issue 4694). That a
layer does not qualify takes the list of a complete log that does not name it, or the flag off; 0 in `HasSparseWeights` proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .citing import Citer
from .layers import EngineLayer
from .model import Eligibility, Evidence, LineEvidence, PointerEvidence, Proof, Suspect, TensorEvidence, weaker
from .sparsity import Listing

if TYPE_CHECKING:
    from ..parse.build_log.records import Build, Line
    from .weights import ModelCheck, NodeReason


@dataclass(frozen=True, slots=True)
class Judgement:
    """`reason`, `proof`, `summary`: why the layer does not qualify (only where `eligibility.value` is False)."""

    eligibility: Eligibility
    reason: str | None = None
    proof: Proof = "unknown"
    summary: str = ""
    evidence: tuple[Evidence, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    disagrees: str | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """What all layers of a build share. `distrusted`: the log is of another build, so nothing from it proves anything."""

    listing: Listing | None
    build: Build | None
    citer: Citer
    info_input: int
    check: ModelCheck | None
    distrusted: bool
    flag_off: Line | PointerEvidence | None
    flag_off_suggested: bool
    strict_nans: bool = False
    check_input: int = -1
    loose_nodes: frozenset[str] = frozenset()
    """ONNX nodes of listed names that found no engine layer: a layer that holds one may be on the list under another name."""

    def cite(self, line: Line) -> LineEvidence:
        return self.citer.line(line)

    def eligible(self, layer: EngineLayer, listed: str | None, exact: bool, opaque: bool = False) -> Judgement:
        """Judge one layer; `listed` is the name on the eligible list that was joined to it, `exact` whether it is the layer's own name.

        `opaque`: a Myelin region, whose operations no list need name.
        """
        from .weights import reason_for_nodes

        weights = reason_for_nodes(self.check, layer.onnx_nodes) if self.check is not None and layer.onnx_nodes else None
        evidence: tuple[Evidence, ...] = ()
        if listed is not None and self.listing is not None and self.listing.eligible is not None:
            proof: Proof = "proven" if exact and self._list_holds() else "suggested"
            evidence = (self.cite(self.listing.eligible[listed]),)
            disagrees = None
            if weights is not None and weights.status == "ineligible" and weights.proof == "proven":
                disagrees = (
                    f"TensorRT lists {layer.name} as eligible, the weights of the ONNX model say {weights.reason}: {weights.summary}"
                )
            return Judgement(Eligibility(True, proof, evidence), disagrees=disagrees)
        if layer.has_sparse_weights:
            return Judgement(Eligibility(True, "suggested", self._pointer(layer)), disagrees=self._unlisted(layer))
        if self.flag_off is not None:
            proof = "suggested" if self.distrusted else "proven"
            cited = (self.flag_off if isinstance(self.flag_off, PointerEvidence) else self.cite(self.flag_off),)
            return Judgement(
                Eligibility(False, proof, cited), "flag-off", proof, "the build did not ask for sparsity (SPARSE_WEIGHTS is off)", cited
            )
        if self.listing is not None and self.listing.complete and not opaque:
            # Fusions are printed under other names now and then: absence proves nothing where a listed name without a layer shares a node.
            if not self.loose_nodes.intersection(layer.onnx_nodes):
                return self._not_listed(layer, weights)
            return Judgement(Eligibility(None, "unknown"), suspects=self._unknown_suspects(layer, weights))
        if self.flag_off_suggested and not (weights is not None and weights.status == "eligible" and self.build is None):
            return Judgement(
                Eligibility(False, "suggested"), "flag-off", "suggested",
                "the verbose log reaches the engine without any (Sparsity) line: the build did not ask for sparsity, as far as the log shows",
            )  # fmt: skip
        if weights is not None and weights.status == "eligible":
            return Judgement(Eligibility(True, "suggested", self._tensors(weights)))
        return Judgement(Eligibility(None, "unknown"), suspects=self._unknown_suspects(layer, weights))

    def _list_holds(self) -> bool:
        """Whether the list is of this engine, from the pass that made it, and holds as many names as it says."""
        return self.listing is not None and self.listing.settled and self.listing.counted and not self.distrusted

    def _unlisted(self, layer: EngineLayer) -> str | None:
        if self.listing is not None and self.listing.complete and not self.distrusted:
            return (
                f"layer info says {layer.sparse_key or 'HasSparseWeights'} = 1 for {layer.name}, the log's eligible list does not name it"
            )
        return None

    def _not_listed(self, layer: EngineLayer, weights: NodeReason | None) -> Judgement:
        assert self.listing is not None
        listing_proof: Proof = "proven" if self._list_holds() else "suggested"
        cited: tuple[Evidence, ...] = tuple(self.cite(line) for line in self.listing.list_lines[:2])
        reason, proof, summary = self._cause(layer, weights)
        proof = weaker(proof, listing_proof)
        value = Eligibility(False, listing_proof, cited)
        disagrees = None
        if weights is not None and weights.status == "eligible":
            disagrees = f"the weights of {layer.name} are 2:4 in the ONNX model, TensorRT does not list the layer as eligible"
        extra = self._tensors(weights) if weights is not None and reason == weights.reason else ()
        if layer.pointer is not None and reason in ("grouped", "weights-not-constant"):
            key = "Groups" if reason == "grouped" else "HasDynamicFilter"
            extra = (PointerEvidence(self.info_input, f"{layer.pointer}/{key}", str(layer.groups if reason == "grouped" else 1)),)
        return Judgement(value, reason, proof, summary, (*cited, *extra), disagrees=disagrees)

    def _cause(self, layer: EngineLayer, weights: NodeReason | None) -> tuple[str, Proof, str]:
        """Why TensorRT does not list the layer."""
        if layer.type is not None and "dla" in layer.type.lower():
            return "dla", "proven", "the layer runs on DLA, where the GPU's rules do not hold"
        if layer.has_dynamic_filter:
            return "weights-not-constant", "proven", "the filter is a runtime tensor (HasDynamicFilter 1)"
        if layer.groups is not None and layer.groups > 1:
            return "grouped", "proven", f"a grouped convolution ({layer.groups} groups): TensorRT has no sparse kernels for it"
        if weights is not None and weights.status == "ineligible" and weights.reason is not None:
            # That no node has weights is only as sure as the list of nodes.
            sure = weights.reason != "op-kind" or layer.nodes_certain
            return weights.reason, weights.proof if sure else weaker(weights.proof, "suggested"), weights.summary
        if (
            "ConvTranspose" in layer.operators
            or (layer.type or "").endswith(("Deconvolution", "DeconvolutionV2"))
            or layer.parameter_type == "Deconvolution"
        ):
            return "op-kind", "suggested", "a transposed convolution: no sparse kernel for it is known"
        if self.strict_nans:
            return "strict-nans", "suggested", "STRICT_NANS limits sparsity to where it does not change how NaNs spread"
        return "not-listed", "unknown", "TensorRT does not list the layer as eligible; the inputs do not say why (add the ONNX model)"

    def _unknown_suspects(self, layer: EngineLayer, weights: NodeReason | None) -> tuple[Suspect, ...]:
        if layer.has_dynamic_filter:
            return (Suspect("weights-not-constant", "suggested", "the filter is a runtime tensor (HasDynamicFilter 1)"),)
        if layer.groups is not None and layer.groups > 1:
            return (
                Suspect("grouped", "suggested", f"a grouped convolution ({layer.groups} groups): TensorRT has no sparse kernels for it"),
            )
        if weights is not None and weights.status == "ineligible" and weights.reason is not None:
            return (Suspect(weights.reason, "suggested", weights.summary),)
        return ()

    def _pointer(self, layer: EngineLayer) -> tuple[Evidence, ...]:
        if layer.pointer is None or self.info_input < 0:
            return ()  # a layer info printed into the log: it has no file to point into
        key = layer.sparse_key or "HasSparseWeights"
        return (PointerEvidence(self.info_input, f"{layer.pointer}/{key}", f'"{key}": 1'),)

    def _tensors(self, weights: NodeReason) -> tuple[Evidence, ...]:
        found: list[Evidence] = []
        for check in weights.weights[:1]:
            for violation in check.first_violations[:3]:
                found.append(TensorEvidence(self.check_input, check.weight or "", violation.index))
        return tuple(found)
