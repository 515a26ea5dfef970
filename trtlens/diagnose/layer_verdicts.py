"""The verdict of each layer of one build: status first, then reason and proof.

In: `Fallbacks`, with everything that is joined. Out: `Verdicts`, whose `run()` gives a `BuildDiagnosis`. Next: explain.py. The order of trust: the
kernel's own name, the log's list of chosen layers, the winner of the race; eligibility comes from eligibility.py, reasons from rules.py.
"""

from __future__ import annotations

from dataclasses import replace

from ..text import said_of, tactic_hex
from .eligibility import Judgement
from .fallbacks import Fallbacks
from .findings import chosen_otherwise
from .layers import (
    EngineLayer,
    LayerTime,
    concern,
    in_region,
)
from .model import (
    BuildDiagnosis,
    Eligibility,
    LayerVerdict,
    Proof,
    Warning,
    weaker,
)
from .physics import gains, layer_facts
from .races import LayerRace
from .reasons import REASONS
from .rules import Ruling
from .shapes import gemm_shape
from .sparsity import Matches
from .totals import add_up

_STUB = "__myelin_CASK_STUB"
_NO_WEIGHTS = Judgement(Eligibility(None, "unknown"))


class Verdicts(Fallbacks):
    """The layers of one build, judged one by one."""

    def run(self) -> BuildDiagnosis:
        """All verdicts, with the lines that they cite, and the totals."""
        build, listing = self.build, self.listing
        verdicts = [self._verdict(layer, self.matches, number, self.times[number]) for number, layer in enumerate(self.layers)]
        texts = self.citer.read()
        verdicts = [self._with_texts(v, texts) for v in verdicts]
        warnings = tuple(replace(w, evidence=self.citer.with_texts(w.evidence, texts)) for w in self.warnings)
        lines = (build.first_line, build.last_line) if build is not None else None
        strategy = listing.chosen.strategy if listing is not None else None
        engine = {layer.name for layer in self.layers if not layer.listed_only}
        unmatched = len([n for n in self.matches.unmatched if n not in engine]) if listing is not None and listing.names is not None and engine else None
        totals = add_up(verdicts, listing.names if listing is not None else None, unmatched, self.total_ms, self.bounds)
        whole = not (listing is not None and listing.elided) and self._info_whole()
        return BuildDiagnosis(self.index, lines, strategy, self.around.environment, totals, tuple(verdicts), warnings, whole=whole)

    def _verdict(self, layer: EngineLayer, matches: Matches, number: int, time: LayerTime | None) -> LayerVerdict:
        about = concern(layer)
        listed = matches.of[number]
        if listed is not None and about in ("other", "opaque", "unknown"):
            about = "weights"
        if about == "other":
            return self._plain(layer, time)
        judgement = self.judge.eligible(layer, listed, matches.exact[number], about == "opaque")
        if judgement.disagrees:
            self.warnings.append(Warning("eligibility-disagrees", judgement.disagrees))
        if about == "opaque":
            return self._opaque(layer, judgement, time)
        sparse, how = self._runs_sparse(layer, listed)
        otherwise = chosen_otherwise(layer, listed, matches.exact[number], self.listing) if layer.named_by == "log" and not self.distrusted else None
        if otherwise is not None:
            said = f"the log's list of chosen layers {'does not name' if layer.sparse else 'names'} {layer.name}, whose tactic it names as {layer.tactic_name}: they are not of one build"
            self.warnings.append(Warning("capture-mismatch", said, (self.citer.line(otherwise),)))
            self.namesakes.add(layer.name)
        value = judgement.eligibility.value
        if sparse:
            return self._picked(layer, judgement, time, how)
        if value is False:
            return self._make(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        if sparse is None:
            return self._undetermined(layer, judgement, time)
        if value is None:
            summary = "a dense tactic runs; the inputs do not say whether the weights qualify"
            return self._make(
                layer,
                "dense-unknown",
                "eligibility-unknown",
                "unknown",
                summary,
                judgement,
                time,
                evidence=self._tactic_evidence(layer),
                suspects=judgement.suspects,
            )
        return self._fallback(layer, judgement, time, listed, how)

    def _runs_sparse(self, layer: EngineLayer, listed: str | None) -> tuple[bool | None, str]:
        """Whether a sparse tactic runs, and who says so: the kernel's name, the log's list, or the table of a Myelin operation."""
        if layer.sparse is not None and layer.named_by != "names":
            return layer.sparse, "name"
        listing = self.listing
        if layer.region is not None and listing is not None:
            if layer.name in listing.foreign_picked:
                return True, "list"
            whole = listing.chosen.certain and listing.foreign_whole and not listing.count_mismatch
            return (False, "list") if whole else (None, "none")
        if layer.tactic_name == _STUB or self.around.jit:
            return None, "none"
        if self.trace_all_dense is not None:
            if layer.named_by == "names" and layer.sparse:
                layer.tactic_name, layer.named_by = None, "none"  # what ran knows better than another log's names
            return False, "trace"  # every kernel that ran has a name, and none is sparse
        # A row that only the list names is about the log's own build, whatever the layer info is of.
        if listing is not None and listing.picked is not None and listed is not None and (not self.distrusted or layer.listed_only):
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
        return self._make(layer, "other", None, "unknown", summary, _NO_WEIGHTS, time)

    def _opaque(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        ops = self.operations[layer.name]
        if ops:
            return self._make(
                layer,
                "other",
                None,
                "unknown",
                "a Myelin region; its "
                + said_of(ops, "operation that is listed as eligible has a row of its own", "# operations that are listed as eligible have rows of their own"),
                _NO_WEIGHTS,
                time,
            )
        if self.around.jit:
            return self._jit(layer, judgement, time)
        if judgement.eligibility.value is False:
            return self._make(
                layer, "ineligible", judgement.reason, judgement.proof, judgement.summary, judgement, time, evidence=judgement.evidence
            )
        summary = "a Myelin region: its operations and their tactics are not in these inputs"
        return self._make(
            layer, "undetermined", "myelin-opaque", "unknown", summary, judgement, time, evidence=self._tactic_evidence(layer)
        )

    def _jit(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        said = {
            True: "its weights qualify",
            False: "its weights do not qualify",
            None: "the inputs do not say whether its weights qualify",
        }[judgement.eligibility.value]
        if judgement.eligibility.value is None and judgement.suspects:
            said = f"its weights seem not to qualify: {judgement.suspects[0].summary}"
        return self._make(
            layer,
            "undetermined",
            "jit-deferred",
            "unknown",
            f"TensorRT-RTX chooses the kernel on the user's GPU; {said}",
            judgement,
            time,
            evidence=self._tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _undetermined(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None) -> LayerVerdict:
        if layer.tactic_name == _STUB or self.around.jit:
            return self._jit(layer, judgement, time)
        if self.capture.engine is not None and not self.capture.engine.detailed and layer.pointer is not None:
            reason, summary = "names-only", "the layer info holds names only: neither tactic nor format is known"
        elif layer.tactic_id is not None:
            reason, summary = "unnamed-tactic", f"tactic {tactic_hex(layer.tactic_id)} runs, and no input names its kernel"
        elif layer.tactic_name:
            reason, summary = "unnamed-tactic", "the kernel's name does not say whether it is sparse"
        elif self.circumstances.truncated:
            reason, summary = "log-truncated", "the log ends before the engine was printed"
        elif in_region(layer) or (layer.type or "").lower() == "myelin":
            reason, summary = "myelin-opaque", "inside a Myelin region, and its kernel has no name here"
        else:
            reason, summary = "not-captured", "no input names the tactic that runs"
        return self._make(
            layer,
            "undetermined",
            reason,
            "unknown",
            summary,
            judgement,
            time,
            evidence=self._tactic_evidence(layer),
            suspects=judgement.suspects,
        )

    def _picked(self, layer: EngineLayer, judgement: Judgement, time: LayerTime | None, how: str) -> LayerVerdict:
        evidence = self._tactic_evidence(layer)
        if how == "list":
            assert self.listing is not None and self.listing.picked is not None
            line = (
                self.listing.picked.get(layer.name)
                or self.listing.foreign_picked.get(layer.name)
                or next(iter(self.listing.picked.values()))
            )
            evidence = (*evidence, self.citer.line(line))
            named = f"another log names its kernel {layer.tactic_name}" if layer.named_by == "names" else "no input holds the kernel's name"
            summary = f"the log's list of chosen layers names it; {named}"
            suspects = tuple(self._suspicions().sparse(layer, self._race(layer)))
            return self._make(layer, "sparse", "picked", "suggested", summary, judgement, time, evidence=evidence, suspects=suspects)
        proof: Proof = "proven" if how != "names" else "suggested"
        if layer.named_by == "log" and (self.listing is None or not self.listing.chosen.certain or layer.name in self.namesakes):
            proof = "suggested"
        race = self._race(layer)
        same = race.won_by(layer.tactic_id) if race is not None else []
        if layer.name in self.naming:
            pass  # its line is cited with what runs
        elif layer.named_by == "log" and layer.tactic_id is not None and layer.tactic_name is not None and self.races is not None:
            naming = self.races.kernels.line(layer.tactic_id, layer.tactic_name, same)
            if naming is not None:
                self.citer.tactic(*naming, layer.tactic_name)
            evidence = (*evidence, *([self.citer.place(*naming)] if naming is not None else []))
        if race is not None:
            for item in same:
                if item.sparse is not None and item.dense is not None and item.winner is not None:
                    margin = item.winner.time_ms / item.dense.time_ms - 1.0 if item.dense.time_ms > 0 else 0.0
                    if margin > self.options.noise.band(item.dense.time_ms, race.repeat_spread):
                        # Unnamed tactics, or two combinations with this winner: another time may be the one that counts.
                        sure = self.circumstances.trusted and layer.name not in self.namesakes and not race.doubts and not race.foreign and self.circumstances.fits(layer, item) is not False
                        if not sure or len(same) > 1 or any(c.unnamed_count for c in race.telling):
                            proof = weaker(proof, "suggested")
                        cites = [self.citer.place(e.line, e.offset) for e in (item.winner, item.dense)]
                        facts = layer_facts(self.facts, layer, gemm_shape(layer), None, None)
                        saves_ms = item.winner.time_ms - item.dense.time_ms if len(same) == 1 else None
                        for entry in (item.winner, item.dense):
                            self.citer.tactic(entry.line, entry.offset, entry.kernel)
                        return self._make(
                            layer, "sparse", "picked-but-slower", weaker(proof, "proven" if not self.distrusted else "suggested"),
                            f"a sparse tactic runs ({item.winner.time_ms:.4g} ms), though a dense one was timed at {item.dense.time_ms:.4g} ms in the same combination",
                            judgement, time, evidence=(*evidence, *cites), best=(item.dense.time_ms, item.winner.time_ms, margin, item.dense.kernel, item.winner.kernel),
                            suspects=tuple(self._suspicions().sparse(layer, race)),
                            remedies=tuple(gains(Ruling("picked-but-slower", proof, ""), REASONS["picked-but-slower"], facts, None, saves_ms)),
                        )  # fmt: skip
        best = self._best_times(race)
        by = " (named by another log of this TensorRT and GPU)" if how == "names" else ""
        return self._make(
            layer, "sparse", "picked", proof, f"a sparse tactic runs: {layer.tactic_name}{by}", judgement, time, evidence=evidence, best=best,
            suspects=tuple(self._suspicions().sparse(layer, race)),
        )

    def _best_times(self, race: LayerRace | None) -> tuple[float | None, float | None, float | None, str | None, str | None] | None:
        if race is None:
            return None
        dense, sparse = race.best_dense(), race.best_sparse()
        margin = sparse.time_ms / dense.time_ms - 1.0 if dense and sparse and dense.time_ms > 0 else None
        return (
            dense.time_ms if dense else None,
            sparse.time_ms if sparse else None,
            margin,
            dense.kernel if dense else None,
            sparse.kernel if sparse else None,
        )

    def _with_texts(self, verdict: LayerVerdict, texts: dict[int, str]) -> LayerVerdict:
        if not verdict.evidence and not verdict.eligibility.evidence:
            return verdict
        # Made a moment ago and seen by nobody yet: `replace` of 25 fields would take as long as the reading.
        known = verdict.eligibility
        eligibility = Eligibility(known.value, known.proof, self.citer.with_texts(known.evidence, texts, verdict.name))
        object.__setattr__(verdict, "eligibility", eligibility)
        object.__setattr__(verdict, "evidence", self.citer.with_texts(verdict.evidence, texts, verdict.name))
        return verdict
