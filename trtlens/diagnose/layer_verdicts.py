"""The verdict of each layer of one build: status first, then reason and proof.

In: `Joins`. Out: `Verdicts`, whose `run()` gives a `BuildDiagnosis`. Next: explain.py. The order of trust: the
kernel's own name, the log's list of chosen layers, the winner of the race; eligibility comes from eligibility.py, reasons from rules.py.
"""

from __future__ import annotations

from dataclasses import replace

from ..text import said_of, tactic_hex
from .eligibility import Judgement
from .fallbacks import Fallbacks
from .findings import chosen_otherwise
from .joins import Joins
from .layers import EngineLayer, LayerTime, concern, in_region
from .model import BuildDiagnosis, Eligibility, LayerVerdict, Warning
from .picked import Picked
from .sparsity import Matches
from .totals import add_up
from .verdict_record import layer_verdict

_STUB = "__myelin_CASK_STUB"
_NO_WEIGHTS = Judgement(Eligibility(None, "unknown"))


class Verdicts:
    """The layers of one build, judged one by one."""

    def __init__(self, joins: Joins) -> None:
        self.joins, self.picked, self.fallbacks = joins, Picked(joins), Fallbacks(joins)

    def run(self) -> BuildDiagnosis:
        """All verdicts, with the lines that they cite, and the totals."""
        build, listing = self.joins.build, self.joins.listing
        verdicts = [self._verdict(layer, self.joins.matches, number, self.joins.times[number]) for number, layer in enumerate(self.joins.layers)]
        texts = self.joins.citer.read()
        verdicts = [self._with_texts(v, texts) for v in verdicts]
        warnings = tuple(replace(w, evidence=self.joins.citer.with_texts(w.evidence, texts)) for w in self.joins.warnings)
        lines = (build.first_line, build.last_line) if build is not None else None
        strategy = listing.chosen.strategy if listing is not None else None
        engine = {layer.name for layer in self.joins.layers if not layer.listed_only}
        unmatched = len([n for n in self.joins.matches.unmatched if n not in engine]) if listing is not None and listing.names is not None and engine else None
        totals = add_up(verdicts, listing.names if listing is not None else None, unmatched, self.joins.total_ms, self.fallbacks.bounds)
        whole = not (listing is not None and listing.elided) and self.joins.info_whole()
        return BuildDiagnosis(self.joins.index, lines, strategy, self.joins.around.environment, totals, tuple(verdicts), warnings, whole=whole)

    def _verdict(self, layer: EngineLayer, matches: Matches, number: int, time: LayerTime | None) -> LayerVerdict:
        about = concern(layer)
        listed = matches.of[number]
        if listed is not None and about in ("other", "opaque", "unknown"):
            about = "weights"
        if about == "other":
            return self._plain(layer, time)
        judgement = self.joins.judge.eligible(layer, listed, matches.exact[number], about == "opaque")
        if judgement.disagrees:
            self.joins.warnings.append(Warning("eligibility-disagrees", judgement.disagrees))
        if about == "opaque":
            return self._opaque(layer, judgement, time)
        sparse, how = self._runs_sparse(layer, listed)
        otherwise = chosen_otherwise(layer, listed, matches.exact[number], self.joins.listing) if layer.named_by == "log" and not self.joins.distrusted else None
        if otherwise is not None:
            said = f"the log's list of chosen layers {'does not name' if layer.sparse else 'names'} {layer.name}, whose tactic it names as {layer.tactic_name}: they are not of one build"
            self.joins.warnings.append(Warning("capture-mismatch", said, (self.joins.citer.line(otherwise),)))
            self.joins.namesakes.add(layer.name)
        value = judgement.eligibility.value
        if sparse:
            return self.picked.verdict(layer, judgement, time, how)
        if value is False:
            return layer_verdict(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        if sparse is None:
            return self._undetermined(layer, judgement, time)
        if value is None:
            summary = "a dense tactic runs; the inputs do not say whether the weights qualify"
            return layer_verdict(
                layer,
                "dense-unknown",
                "eligibility-unknown",
                "unknown",
                summary,
                judgement,
                time,
                evidence=self.joins.tactic_evidence(layer),
                suspects=judgement.suspects,
            )
        return self.fallbacks.verdict(layer, judgement, time, listed, how)

    def _runs_sparse(self, layer: EngineLayer, listed: str | None) -> tuple[bool | None, str]:
        """Whether a sparse tactic runs, and who says so: the kernel's name, the log's list, or the table of a Myelin operation."""
        if layer.sparse is not None and layer.named_by != "names":
            return layer.sparse, "name"
        listing = self.joins.listing
        if layer.region is not None and listing is not None:
            if layer.name in listing.foreign_picked:
                return True, "list"
            whole = listing.chosen.certain and listing.foreign_whole and not listing.count_mismatch
            return (False, "list") if whole else (None, "none")
        if layer.tactic_name == _STUB or self.joins.around.jit:
            return None, "none"
        if self.joins.trace_all_dense is not None:
            if layer.named_by == "names" and layer.sparse:
                layer.tactic_name, layer.named_by = None, "none"  # what ran knows better than another log's names
            return False, "trace"  # every kernel that ran has a name, and none is sparse
        # A row that only the list names is about the log's own build, whatever the layer info is of.
        if listing is not None and listing.picked is not None and listed is not None and (not self.joins.distrusted or layer.listed_only):
            picked = listed in listing.picked or layer.name in listing.picked
            if picked or (listing.chosen.certain and not listing.count_mismatch):
                if layer.named_by == "names" and layer.sparse is not picked:
                    layer.tactic_name, layer.named_by = None, "none"  # the log's own list knows better than another log's names
                return picked, "list"
        if layer.named_by == "names" and layer.sparse is not None:
            return layer.sparse, "names"
        return None, "none"

    def _plain(self, layer: EngineLayer, time: LayerTime | None) -> LayerVerdict:
        summary = "sparsity does not concern this layer"
        if layer.is_reformat:
            free = layer.type == "NoOp" or (time is not None and time.time_ms == 0)
            summary = (
                "a reformat that copies nothing (NoOp): it is free" if free else "a reformat: it copies a tensor between layouts or types"
            )
        return layer_verdict(layer, "other", None, "unknown", summary, _NO_WEIGHTS, time)

    def _opaque(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        ops = self.joins.operations[layer.name]
        if ops:
            return layer_verdict(
                layer,
                "other",
                None,
                "unknown",
                "a Myelin region; its "
                + said_of(ops, "operation that is listed as eligible has a row of its own", "# operations that are listed as eligible have rows of their own"),
                _NO_WEIGHTS,
                time,
            )
        if self.joins.around.jit:
            return self._jit(layer, judgement, time)
        if judgement.eligibility.value is False:
            return layer_verdict(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        summary = "a Myelin region: its operations and their tactics are not in these inputs"
        return layer_verdict(
            layer, "undetermined", "myelin-opaque", "unknown", summary, judgement, time, evidence=self.joins.tactic_evidence(layer)
        )

    def _jit(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        said = {
            True: "its weights qualify",
            False: "its weights do not qualify",
            None: "the inputs do not say whether its weights qualify",
        }[judgement.eligibility.value]
        if judgement.eligibility.value is None and judgement.suspects:
            said = f"its weights seem not to qualify: {judgement.suspects[0].summary}"
        return layer_verdict(
            layer,
            "undetermined",
            "jit-deferred",
            "unknown",
            f"TensorRT-RTX chooses the kernel on the user's GPU; {said}",
            judgement,
            time,
            evidence=self.joins.tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _undetermined(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        if layer.tactic_name == _STUB or self.joins.around.jit:
            return self._jit(layer, judgement, time)
        if self.joins.capture.engine is not None and not self.joins.capture.engine.detailed and layer.pointer is not None:
            reason, summary = "names-only", "the layer info holds names only: neither tactic nor format is known"
        elif layer.tactic_id is not None:
            reason, summary = "unnamed-tactic", f"tactic {tactic_hex(layer.tactic_id)} runs, and no input names its kernel"
        elif layer.tactic_name:
            reason, summary = "unnamed-tactic", "the kernel's name does not say whether it is sparse"
        elif self.joins.circumstances.truncated:
            reason, summary = "log-truncated", "the log ends before the engine was printed"
        elif in_region(layer) or (layer.type or "").lower() == "myelin":
            reason, summary = "myelin-opaque", "inside a Myelin region, and its kernel has no name here"
        else:
            reason, summary = "not-captured", "no input names the tactic that runs"
        return layer_verdict(
            layer,
            "undetermined",
            reason,
            "unknown",
            summary,
            judgement,
            time,
            evidence=self.joins.tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _with_texts(self, verdict: LayerVerdict, texts: dict[int, str]) -> LayerVerdict:
        if not verdict.evidence and not verdict.eligibility.evidence:
            return verdict
        # Made a moment ago and seen by nobody yet: `replace` of 25 fields would take as long as the reading.
        known = verdict.eligibility
        eligibility = Eligibility(known.value, known.proof, self.joins.citer.with_texts(known.evidence, texts, verdict.name))
        object.__setattr__(verdict, "eligibility", eligibility)
        object.__setattr__(verdict, "evidence", self.joins.citer.with_texts(verdict.evidence, texts, verdict.name))
        return verdict
