"""Whether a layer's weights qualify for sparse math, and why not.

In: an `EngineLayer`, the build's `(Sparsity)` lists, options, the weight check. Out: `Judgement`. Next: layer_verdicts.py and fallbacks.py.
The list of the engine's pass proves eligibility; `HasSparseWeights`/`AllowSparse` and a 2:4 check of the weights suggest it (issue 4694). That a
layer does not qualify takes the list of a complete log that does not name it, or the flag off; 0 in `HasSparseWeights` proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from ..parse.layer_names import myelin_operation
from .citing import Citer
from .layers import EngineLayer, in_region, is_gemm_plugin
from .model import Eligibility, Evidence, LineEvidence, PointerEvidence, Proof, Suspect, TensorEvidence, weaker
from .sparsity import Listing

if TYPE_CHECKING:
    from ..parse.build_log.records import Build, Line, NetworkNode
    from .weights import ModelCheck, NodeReason, WeightIndex


_GROUPS = re.compile(r"\bnbGroups: (\d{1,9})")
_SIZES = re.compile(r"Using kernel: \(([^()]*)\)")
# The types of weights that sparse kernels take, as the inspector of one version or another prints them.
_SPARSE_TYPES = frozenset({"float", "half", "bfloat16", "int8", "fp8", "fp32", "tf32", "fp16", "bf16"})

# What the values of the weights decide, not their shapes or where they come from.
_BY_VALUES = frozenset({"pattern", "pattern-wrong-axis", "channels-partial-group"})
_DLA = "the layer runs on DLA, where the GPU's rules do not hold"


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
    flag_off_copied: bool = False
    """`flag_off` stands in a copy of the options: whether it is of this engine is not shown."""
    forced: bool = False
    """trtexec was told `--sparsity=force`: it wrote a pattern of its own over the model's values, so that theirs is not what TensorRT judged."""
    _indexes: list[WeightIndex] = field(default_factory=list)
    _convolutions: dict[str, NetworkNode | None] = field(default_factory=dict)
    """ONNX node → its convolution as the log's parser printed it; None where two nodes share the name. Made when first asked for."""

    def _index(self) -> WeightIndex:
        """The model's weights by name, made when first asked for."""
        from .weights import WeightIndex

        assert self.check is not None
        if not self._indexes:
            self._indexes.append(WeightIndex(self.check))
        return self._indexes[0]

    def _weights(self, layer: EngineLayer) -> NodeReason | None:
        """What the 2:4 check says of the layer's nodes."""
        from .weights import reason_for_nodes  # which takes the reading of ONNX models with it

        return reason_for_nodes(self._index(), layer.onnx_nodes)

    def cite(self, line: Line) -> LineEvidence:
        return self.citer.line(line)

    def eligible(self, layer: EngineLayer, listed: str | None, exact: bool, opaque: bool = False) -> Judgement:
        """Judge one layer; `listed` is the name on the eligible list that was joined to it, `exact` whether it is the layer's own name.

        `opaque`: a Myelin region, whose operations no list need name.
        """
        weights = self._weights(layer) if self.check is not None and layer.onnx_nodes else None
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
        off_proven = self.flag_off is not None and not (self.distrusted or self.flag_off_copied)
        reused = self._listed_elsewhere(layer)
        if reused is not None and not off_proven:
            return Judgement(Eligibility(True, "suggested", (self.cite(reused),)))
        # That the weights are sparse says nothing of what the build asked for; where it did not ask, nothing can run sparse.
        if layer.has_sparse_weights and not off_proven:
            return Judgement(Eligibility(True, "suggested", self._pointer(layer)), disagrees=self._unlisted(layer))
        if self.flag_off is not None:
            proof = "proven" if off_proven else "suggested"
            cited = (self.flag_off if isinstance(self.flag_off, PointerEvidence) else self.cite(self.flag_off),)
            return Judgement(
                Eligibility(False, proof, cited), "flag-off", proof, "the build did not ask for sparsity (SPARSE_WEIGHTS is off)", cited
            )
        if self.listing is not None and self.listing.complete and not opaque:
            # Fusions are printed under other names now and then: absence proves nothing where a listed name without a layer shares a node.
            if not self.loose_nodes.intersection(layer.onnx_nodes) and not self._nameless(layer):
                return self._not_listed(layer, weights)
            return Judgement(Eligibility(None, "unknown"), suspects=self._unknown_suspects(layer, weights))
        if self.flag_off_suggested:
            return Judgement(
                Eligibility(False, "suggested"), "flag-off", "suggested",
                "the verbose log reaches the engine without any (Sparsity) line: the build did not ask for sparsity, as far as the log shows",
            )  # fmt: skip
        if weights is not None and weights.status == "eligible":
            return Judgement(Eligibility(True, "suggested", self._tensors(weights)))
        return Judgement(Eligibility(None, "unknown"), suspects=self._unknown_suspects(layer, weights))

    def _listed_elsewhere(self, layer: EngineLayer) -> Line | None:
        """Where a pass that did not make the engine lists an operation of a region that this pass did not compile again."""
        listing = self.listing
        if listing is None or not in_region(layer) or not listing.silent_region:
            return None
        names = (myelin_operation(layer.base_name), layer.base_name, *layer.onnx_nodes)
        return next((listing.elsewhere[name] for name in names if name in listing.elsewhere), None)

    def _list_holds(self) -> bool:
        """Whether the list is of this engine, from the pass that made it, and holds as many names as it says."""
        return self.listing is not None and self.listing.settled and self.listing.counted and not self.distrusted

    def _nameless(self, layer: EngineLayer) -> bool:
        """Whether no ONNX node is known of a layer while the list holds names that may be its own: those without a layer, and those of a region."""
        return not layer.onnx_nodes and self.listing is not None and bool(self.loose_nodes or self.listing.foreign)

    def _unlisted(self, layer: EngineLayer) -> str | None:
        if self.listing is not None and self.listing.complete and not self.distrusted:
            return (
                f"layer info says {layer.sparse_key or 'HasSparseWeights'} = 1 for {layer.name}, the log's eligible list does not name it"
            )
        return None

    def _not_listed(self, layer: EngineLayer, weights: NodeReason | None) -> Judgement:
        assert self.listing is not None
        hidden = self.listing.lost or (self.listing.silent_region and in_region(layer))
        listing_proof: Proof = "proven" if self._list_holds() and not hidden else "suggested"
        cited: tuple[Evidence, ...] = tuple(self.cite(line) for line in self.listing.list_lines[:2])
        reason, proof, summary, shown = self._cause(layer, weights)
        proof = weaker(proof, listing_proof)
        value = Eligibility(False, listing_proof, cited)
        disagrees = None
        if weights is not None and weights.status == "eligible":
            disagrees = f"the weights of {layer.name} are 2:4 in the ONNX model, TensorRT does not list the layer as eligible"
        extra = self._tensors(weights) if weights is not None and reason == weights.reason and not shown else shown
        return Judgement(value, reason, proof, summary, (*cited, *extra), disagrees=disagrees)

    def _cause(self, layer: EngineLayer, weights: NodeReason | None) -> tuple[str, Proof, str, tuple[Evidence, ...]]:
        """Why TensorRT does not list the layer, and where the inputs show it."""
        if _on_dla(layer):
            return "dla", "proven", _DLA, ()
        if layer.has_dynamic_filter:
            return "weights-not-constant", "proven", "the filter is a runtime tensor (HasDynamicFilter 1)", self._key(layer, "HasDynamicFilter", 1)
        if layer.groups is not None and layer.groups > 1:
            return "grouped", "proven", _grouped(layer.groups), self._key(layer, "Groups", layer.groups)
        printed = self._printed(layer)
        groups = [_groups_of(node) for node in printed]
        if layer.groups is None and max(groups, default=1) > 1:
            shown: tuple[Evidence, ...] = tuple(self.cite(node.kernel_at) for node, count in zip(printed, groups, strict=True) if count > 1 and node.kernel_at is not None)
            # A layer of several convolutions of which one has a single group: that the others have more need not be the cause.
            return "grouped", "proven" if min(groups) > 1 else "suggested", _grouped(max(groups)), shown[:2]
        if weights is not None and weights.status == "ineligible" and weights.reason is not None:
            # That no node has weights is only as sure as the list of nodes.
            sure = weights.reason != "op-kind" or layer.nodes_certain
            built = not _of_another_model(layer, weights, groups) and not (self.forced and weights.reason in _BY_VALUES)
            return weights.reason, weights.proof if sure and built else weaker(weights.proof, "suggested"), weights.summary, ()
        if (
            "ConvTranspose" in layer.operators
            or (layer.type or "").endswith(("Deconvolution", "DeconvolutionV2"))
            or layer.parameter_type == "Deconvolution"
        ):
            return "op-kind", "suggested", "a transposed convolution: no sparse kernel for it is known", ()
        if _sizes_of(layer) == 3:
            return "op-kind", "suggested", "a 3-D convolution: no sparse kernel for it is known", self._key(layer, "Kernel", list(layer.kernel or ()))
        if any(_printed_sizes(node) == 3 for node in printed):
            shown = tuple(self.cite(node.kernel_at) for node in printed if node.kernel_at is not None)[:1]
            return "op-kind", "suggested", "a 3-D convolution: no sparse kernel for it is known", shown
        if is_gemm_plugin(layer):
            return "op-kind", "suggested", "a plugin runs the matrix product, with kernels of its own", ()
        if layer.weights_type is not None and layer.weights_type.lower() not in _SPARSE_TYPES:
            shown = self._key(layer, "Weights/Type", layer.weights_type)
            return "precision", "suggested", f"the weights are {layer.weights_type}; sparse kernels take FP16, BF16, INT8 and FP8", shown
        if self.strict_nans:
            return "strict-nans", "suggested", "STRICT_NANS limits sparsity to where it does not change how NaNs spread", ()
        why = "the inputs do not say why (add the ONNX model)" if self.check is None else "nothing in the inputs says why"
        # TensorRT 8 listed nothing inside Myelin regions, whatever the weights are; later versions print lists for what is inside.
        hidden = in_region(layer) and self.listing is not None and not self.listing.foreign
        return "not-listed", "suggested" if hidden else "proven", f"TensorRT does not list the layer as eligible; {why}", ()

    def _key(self, layer: EngineLayer, key: str, value: object) -> tuple[Evidence, ...]:
        """A value of the layer's in the layer info."""
        if layer.pointer is None or self.info_input < 0:
            return ()
        prefix = "Conv" if (layer.sparse_key or "").startswith("Conv") else ""  # a convolution fused with a pooling
        return (PointerEvidence(self.info_input, f"{layer.pointer}/{prefix}{key}", str(value)),)

    def _printed(self, layer: EngineLayer) -> list[NetworkNode]:
        """The layer's convolutions as the log's ONNX parser printed them."""
        if self.build is None or not self.build.network:
            return []
        if not self._convolutions:
            for node in self.build.network:
                if node.kernel is not None:
                    for name in {node.name, node.layer or node.name}:
                        self._convolutions[name] = None if name in self._convolutions else node
            self._convolutions.setdefault("", None)
        found = map(self._convolutions.get, layer.onnx_nodes)
        return [node for node in found if node is not None]

    def _unknown_suspects(self, layer: EngineLayer, weights: NodeReason | None) -> tuple[Suspect, ...]:
        if is_gemm_plugin(layer):
            said = f"{layer.type} {layer.name}: a GEMM plugin hands the product to cuBLASLt, which runs it dense whatever the weights are"
            return (Suspect("gemm-plugin", "suggested", said),)
        if _on_dla(layer):
            return (Suspect("dla", "suggested", _DLA),)
        if layer.has_dynamic_filter:
            return (Suspect("weights-not-constant", "suggested", "the filter is a runtime tensor (HasDynamicFilter 1)"),)
        if layer.groups is not None and layer.groups > 1:
            return (Suspect("grouped", "suggested", _grouped(layer.groups)),)
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


def _of_another_model(layer: EngineLayer, weights: NodeReason, printed_groups: Sequence[int]) -> bool:
    """Whether the layer info or the log's parser gives the layer other weights than the model has: as many groups, as many values."""
    known = [layer.groups] if layer.groups is not None else printed_groups
    if known and max(known) == 1 and any(check.conv_groups > 1 for check in weights.weights):
        return True
    counts = [prod(check.shape) for check in weights.weights if check.shape is not None]
    # Where the model has no weights for the nodes, TensorRT made its own: of a resize, a pooling.
    return bool(layer.weights_count) and bool(weights.weights) and layer.weights_count not in (sum(counts), *counts)


def _on_dla(layer: EngineLayer) -> bool:
    return "dla" in (layer.type or "").lower()


def _grouped(groups: int) -> str:
    return f"a grouped convolution ({groups} groups): TensorRT has no sparse kernels for it"


def _groups_of(node: NetworkNode) -> int:
    found = _GROUPS.search(node.kernel or "")
    return int(found[1]) if found else 1


def _printed_sizes(node: NetworkNode) -> int:
    """How many spatial dimensions the printed kernel has."""
    found = _SIZES.search(node.kernel or "")
    return found[1].count(",") + 1 if found else 0


def _sizes_of(layer: EngineLayer) -> int:
    """How many spatial dimensions the layer info gives a convolution; 0 for what is none."""
    return len(layer.kernel or ()) if layer.parameter_type == "Convolution" or "Conv" in (layer.type or "") else 0
