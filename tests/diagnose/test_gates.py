"""Gates: what passes, what fails, and what nobody can tell, which fails too."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.factory import INPUTS, build, diagnosis, layer, sparse_layer, unknown_layer
from trtlens.diagnose.gates import GateResult, Gates, evaluate, failures, parse_ids
from trtlens.diagnose.model import CaptureDiagnosis, Diagnosis, Eligibility, Environment, Input, LayerVerdict, Suspect, Warning
from trtlens.diagnose.reasons import REASONS
from trtlens.diagnose.rules import Noise
from trtlens.errors import UsageError


def judged(layers: list[LayerVerdict], **gates: object) -> GateResult:
    (result,) = evaluate(diagnosis(build(layers)), Gates(**gates))  # type: ignore[arg-type]
    return result


def sparse(number: int, start: int = 0, **changes: object) -> list[LayerVerdict]:
    return [sparse_layer(f"s{i}", onnx_nodes=(f"s{i}",), **changes) for i in range(start, start + number)]


def dense(number: int, start: int = 0, **changes: object) -> list[LayerVerdict]:
    return [layer(f"d{i}", onnx_nodes=(f"d{i}",), **changes) for i in range(start, start + number)]


OPAQUE = unknown_layer("region", "undetermined", "myelin-opaque", time_ms=0.2)
MAYBE = unknown_layer("maybe", "dense-unknown", "eligibility-unknown", time_ms=0.2)


# ---- --fail-on


def test_an_id_holds_for_the_layers_that_have_it() -> None:
    result = judged([*dense(2), *sparse(1)], fail_on=("slower",))
    assert (result.outcome, result.layers) == ("failed", ("d0", "d1"))
    assert result.messages == ("slower: 2 layers, 'd0' among them",)
    assert judged([*dense(2), *sparse(1)], fail_on=("tie",)).outcome == "passed"
    assert judged(dense(1), fail_on=("tie",)).messages == ()


def test_a_layer_that_could_be_one_is_not_passed_over() -> None:
    result = judged([OPAQUE], fail_on=("dense",))
    assert (result.outcome, result.holds, result.layers) == ("cannot-tell", True, ("region",))
    assert result.messages[0].startswith("cannot tell: dense could hold for 1 layer, 'region', whose tactic is unknown")
    assert judged([OPAQUE], fail_on=("dense",), allow_unknown=True).outcome == "passed"
    assert judged([MAYBE], fail_on=("sparse",)).outcome == "passed"  # a dense tactic runs: it is not sparse


def test_what_runs_dense_is_ineligible_or_a_fallback_and_what_is_eligible_is_not_ineligible() -> None:
    """The statuses that a layer could still turn out to have."""
    known = unknown_layer("known", "undetermined", "unnamed-tactic", eligibility=Eligibility(True, "proven"))
    never = unknown_layer("never", "undetermined", "jit-deferred", eligibility=Eligibility(False, "proven"))
    for one, could, cannot in (
        (MAYBE, ("dense", "ineligible", "slower", "pattern"), ("sparse", "picked", "other", "undetermined")),
        (OPAQUE, ("dense", "sparse", "ineligible", "dense-unknown", "pattern"), ("other",)),
        (known, ("dense", "sparse", "slower", "picked"), ("ineligible", "pattern", "dense-unknown", "eligibility-unknown", "other")),
        (never, ("ineligible", "pattern", "flag-off"), ("dense", "slower", "sparse", "picked", "dense-unknown", "eligibility-unknown", "myelin-opaque", "other")),
    ):
        assert {judged([one], fail_on=(id,)).outcome for id in could} == {"cannot-tell"}, one.name
        assert {judged([one], fail_on=(id,)).outcome for id in cannot} <= {"passed", "failed"}, one.name
    # What a layer is known to be, nobody says that it could be, too.
    assert judged([OPAQUE], fail_on=("myelin-opaque",)).messages == ("myelin-opaque: 1 layer, 'region'",)
    assert judged([OPAQUE], fail_on=("undetermined",)).messages == ("undetermined: 1 layer, 'region'",)
    seen = layer("d", reason="not-captured", proof="unknown", suspects=(Suspect("memory-bound", "suggested", "it waits for memory"),))
    assert judged([seen], fail_on=("memory-bound",)).messages == ("memory-bound: 1 layer, 'd'",)
    assert "eligibility is unknown" in judged([MAYBE], fail_on=("dense",)).messages[0]


def test_a_gate_that_passes_names_no_layer() -> None:
    result = judged([OPAQUE], fail_on=("dense",), allow_unknown=True)
    assert (result.outcome, result.messages, result.layers) == ("passed", (), ())


def test_only_a_dense_layer_hides_why_it_runs_dense() -> None:
    """The log ended before the engine: of a layer whose tactic is unknown that is said, and no race of a fallback is missing."""
    cut = unknown_layer("cut", "undetermined", "log-truncated")
    assert judged([cut], fail_on=("slower",)).messages == ("cannot tell: slower could hold for 1 layer, 'cut', whose tactic is unknown (--allow-unknown passes them)",)


def test_only_verdicts_sure_enough_count() -> None:
    unsure = layer("d", eligibility=Eligibility(True, "suggested"), proof="suggested")
    assert judged([unsure], fail_on=("dense",), proof="suggested").outcome == "failed"
    assert judged([unsure], fail_on=("dense",), proof="proven").outcome == "passed"
    assert judged([layer("d", proof="suggested")], fail_on=("dense",), proof="proven").outcome == "failed"  # dense stands on eligibility
    assert judged([layer("d", proof="suggested")], fail_on=("slower",), proof="proven").outcome == "passed"


def test_a_warning_is_an_id_too() -> None:
    warned = diagnosis(build(sparse(1), warnings=(Warning("stderr-missing", "no [W] line"),)))
    assert failures(warned, ("warn:stderr-missing",)) == ["warn:stderr-missing: no [W] line"]
    assert failures(warned, ("warn:capture-mismatch",)) == []


def test_a_capture_without_a_build_cannot_be_told() -> None:
    empty = Diagnosis((CaptureDiagnosis(INPUTS, None, ()),))
    gates = Gates(("dense",), 0.5, 1.0, diagnosis(build(sparse(1))).captures[0])
    assert [result.outcome for result in evaluate(empty, gates)] == ["cannot-tell"] * 4


def test_a_warning_of_a_capture_without_a_build_cannot_be_told() -> None:
    empty = Diagnosis((CaptureDiagnosis(INPUTS, None, ()),))
    assert failures(empty, ("warn:stderr-missing",)) == ["cannot tell: warn:stderr-missing: no build in these inputs"]


def test_what_is_found_is_not_told_as_unknown_because_more_may_be_missing() -> None:
    cut = dataclasses.replace(diagnosis(build(dense(1), warnings=(CUT,))).captures[0], inputs=(Input("x", "build_log", None, 1, 1, None),))
    assert failures(Diagnosis((cut,)), ("dense",)) == ["dense: 1 layer, 'd0'"]
    assert failures(Diagnosis((cut,)), ("warn:log-truncated",)) == ["warn:log-truncated: the log ends"]


def without_layers(log: str = "build_log", warnings: tuple[Warning, ...] = (), sparsity: str | None = "enable", listed: int | None = None) -> Diagnosis:
    empty = build([], warnings=warnings, environment=Environment(sparsity=sparsity), eligible_listed=listed)
    return Diagnosis((CaptureDiagnosis((Input("x", log, None, 1, 1, None),), 0, (empty,)),))


CUT = Warning("log-truncated", "the log ends")
ALL = Gates(("dense", "slower", "ineligible", "warn:out-of-memory", "memory-bound"), 0.5, 1.0, diagnosis(build(sparse(1))).captures[0])


@pytest.mark.parametrize(
    "empty",
    [
        without_layers(),
        without_layers("layer_info"),
        without_layers("kernel_trace"),
        without_layers(warnings=(CUT,)),
        without_layers(warnings=(CUT,), listed=0),
        without_layers(warnings=(Warning("build-failed", "it failed"),), sparsity="disable"),
    ],
)
def test_inputs_that_list_no_layer_pass_no_gate(empty: Diagnosis) -> None:
    results = evaluate(empty, ALL)
    assert [result.outcome for result in results] == ["cannot-tell"] * 8, results
    assert all("layers" in result.messages[0] and result.messages[0].startswith("cannot tell: ") for result in results)
    assert not any(result.holds for result in evaluate(empty, dataclasses.replace(ALL, allow_unknown=True)))


@pytest.mark.parametrize("whole", [without_layers(listed=0), without_layers(sparsity="disable")])
def test_a_whole_log_that_says_that_nothing_is_eligible_is_known(whole: Diagnosis) -> None:
    outcomes = {result.rule: result.outcome for result in evaluate(whole, dataclasses.replace(ALL, baseline=None))}
    assert outcomes.pop("fail-on ineligible") == outcomes.pop("fail-on warn:out-of-memory") == "cannot-tell"
    assert outcomes.pop("min-picked 0.5") == "failed"
    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 4


def test_no_share_is_asked_for_is_always_reached() -> None:
    assert evaluate(without_layers(), Gates(min_picked=0.0))[0].outcome == "passed"


@pytest.mark.parametrize(
    ("why", "said"), [("build-failed", "the build did not complete"), ("log-truncated", "the log ends before the engine was made"), (None, "these inputs do not list")]
)
def test_why_layers_may_be_missing_is_said(why: str | None, said: str) -> None:
    found = without_layers(warnings=(Warning(why, "as it says"),) if why is not None else ())
    assert failures(found, ("dense",))[0].startswith(f"cannot tell: dense: {said}")


def shortened(whole: bool, *kinds: str | None) -> Diagnosis:
    """Layers of a log's list alone have no type; `whole` False: dots stand in place of names."""
    layers = [one for number, kind in enumerate(kinds) for one in sparse(1, number, type=kind)]
    return Diagnosis((CaptureDiagnosis((Input("x", "build_log", None, 1, 1, None),), 0, (build(layers, whole=whole),)),))


def test_a_list_that_was_shortened_lists_the_layers_only_where_nothing_else_does() -> None:
    assert failures(shortened(False, None, None), ("dense",)) == ["cannot tell: dense: a list in the log was shortened, and these inputs do not list all layers of the engine"]
    assert failures(shortened(True, None, None), ("dense",)) == []
    assert failures(shortened(False, "CaskConvolution", None), ("dense",)) == []  # the engine itself is printed


def test_layers_that_are_known_are_judged_whatever_the_list_says() -> None:
    """A list that names none, and an engine all the same: the list is not what is gone by."""
    for known in (build(sparse(1), warnings=(CUT,), eligible_listed=0), build(sparse(1, type=None), whole=False, eligible_listed=0)):
        both = Diagnosis((CaptureDiagnosis((Input("x", "build_log", None, 1, 1, None),), 0, (known,)),))
        assert evaluate(both, Gates(("dense",)))[0].outcome == "cannot-tell"


def test_where_none_is_eligible_only_what_eligible_layers_have_is_known() -> None:
    outcomes = {id: evaluate(without_layers(listed=0), Gates((id,)))[0].outcome for id in ("dense", "slower", "sparse", "pattern", "flag-off", "ineligible")}
    assert outcomes == dict.fromkeys(("dense", "slower", "sparse"), "passed") | dict.fromkeys(("pattern", "flag-off", "ineligible"), "cannot-tell")


def test_an_engine_without_a_layer_that_qualifies_passes() -> None:
    other = [unknown_layer("pool", "other", None), unknown_layer("shuffle", "ineligible", "op-kind")]
    assert judged(other, fail_on=("dense",)).outcome == judged(other, max_fallback_ms=0.0).outcome == "passed"
    assert judged(other, baseline=diagnosis(build(other)).captures[0]).outcome == "passed"


@pytest.mark.parametrize("dialect", [None, "fragment"])
def test_a_list_of_layers_that_breaks_off_passes_nothing(dialect: str | None) -> None:
    """The layers that are known are fine; those that come after the break may not be."""
    known = build(sparse(2), warnings=(CUT,) if dialect is None else ())
    kind = "build_log" if dialect is None else "layer_info"
    broken = Diagnosis((CaptureDiagnosis((Input("x", kind, dialect, 1, 1, None),), 0, (known,)),))
    gates = dataclasses.replace(ALL, fail_on=("dense", "warn:out-of-memory"))
    assert [result.outcome for result in evaluate(broken, gates)] == ["cannot-tell"] * 5
    whole = Diagnosis((CaptureDiagnosis((Input("x", "layer_info", "object", 1, 1, None),), 0, (known,)),))
    assert evaluate(whole, Gates(("dense",)))[0].outcome == "passed"
    beside = Gates(baseline=broken.captures[0])
    assert evaluate(whole, beside)[0].messages[0].startswith("cannot tell: the baseline: the l")


UNSEEN = [id for id, reason in REASONS.items() if "dense" in reason.statuses and reason.kind == "verdict" and reason.proven_when == "never"]


def test_a_reason_that_nobody_saw_may_be_any() -> None:
    """Without the race of a fallback its reason can be each that a race would show; what the inputs lack cannot be another lack."""
    hidden = set(UNSEEN) - {"out-of-memory", "heuristic-pruned", "unexplained"}
    assert hidden == {"not-captured", "timing-cache", "twin-layer", "myelin-opaque", "log-truncated"}
    for lack in hidden:
        blind = layer("d", reason=lack, proof="unknown", suspects=())
        for id in ("slower", "format-cost", "workspace", "unexplained", "no-kernel", "memory-bound"):
            result = judged([blind], fail_on=(id,))
            assert (result.outcome, result.layers) == ("cannot-tell", ("d",)), (lack, id)
            assert result.messages == (f"cannot tell: {id} could hold for 1 layer, 'd': no input shows why it runs dense ({lack})",)
        assert judged([blind], fail_on=(lack,)).outcome == "failed"
        assert judged([blind], fail_on=("dense",)).messages == ("dense: 1 layer, 'd'",)
        assert {judged([blind], fail_on=(id,)).outcome for id in hidden - {lack} | {"picked", "pattern", "other"}} == {"passed"}
    assert judged([layer("d", reason="unexplained")], fail_on=("slower",)).outcome == "passed"  # its race was seen


def test_weights_that_no_input_holds_may_break_the_pattern() -> None:
    conv = unknown_layer("conv", "ineligible", "not-listed")
    unseen = diagnosis(build([conv]), inputs=tuple(item for item in INPUTS if item.kind != "onnx"))
    assert failures(unseen, ("pattern",)) == ["cannot tell: pattern could hold for 1 layer, 'conv': add the ONNX model, which holds the weights"]
    assert failures(unseen, ("not-listed",)) == ["not-listed: 1 layer, 'conv'"]
    assert failures(unseen, ("flag-off", "op-kind")) == []
    known = diagnosis(build([*dense(1), unknown_layer("conv", "ineligible", "grouped")]), inputs=unseen.captures[0].inputs)
    assert failures(known, ("pattern",)) == []
    assert failures(diagnosis(build([conv])), ("pattern",)) == []


def test_a_suspect_counts_as_what_it_is() -> None:
    suspected = layer("d", suspects=(Suspect("memory-bound", "suggested", "it waits for memory"), Suspect("out-of-memory", "suggested", "a line")))
    result = judged([suspected, *dense(1, suspects=())], fail_on=("memory-bound",))
    assert (result.messages, result.layers) == (("memory-bound: 1 layer, 'd'",), ("d",))
    assert judged([suspected], fail_on=("memory-bound",), proof="suggested").outcome == "failed"
    assert judged([suspected], fail_on=("clocks",)).outcome == "passed"
    assert judged([suspected], fail_on=("out-of-memory",)).outcome == "passed"  # not what decided here: the verdict says what did


@pytest.mark.parametrize("id", ["memory-bound", "partial-tile", "clocks", "opt-shape", "not-captured"])
def test_a_gate_that_could_never_hold_is_refused(id: str) -> None:
    with pytest.raises(UsageError, match=f"--fail-on {id}: is never proven"):
        Gates(("dense", id), proof="proven")


@pytest.mark.parametrize("nothing", ["", " ", ",", [""], ["", " , "]])
def test_an_empty_list_of_ids_is_no_gate(nothing: str | list[str]) -> None:
    with pytest.raises(UsageError, match="--fail-on is empty"):
        parse_ids(nothing)
    assert parse_ids(()) == ()
    assert parse_ids(["dense,", ""]) == ("dense",)


def test_ids_are_checked_with_a_hint() -> None:
    assert parse_ids(["slower, tie", "slower"]) == ("slower", "tie")
    with pytest.raises(UsageError, match="did you mean slower"):
        parse_ids("slowr")


# ---- --min-picked


def test_the_share_of_eligible_layers_that_run_sparse() -> None:
    assert judged([*sparse(6), *dense(4)], min_picked=0.6).outcome == "passed"
    result = judged([*sparse(5), *dense(5)], min_picked=0.6)
    assert result.messages == ("5 of 10 eligible layers run sparse: 50.0% is below 60%",)
    assert result.layers == tuple(f"d{i}" for i in range(5))


@pytest.mark.parametrize(
    ("picked", "fallback", "said"),
    [(0, 1, "0 of 1 eligible layer runs sparse"), (1, 2, "1 of 3 eligible layers runs sparse"), (0, 2, "0 of 2 eligible layers run sparse")],
)
def test_one_layer_is_said_as_one(picked: int, fallback: int, said: str) -> None:
    assert judged([*sparse(picked), *dense(fallback)], min_picked=0.9).messages[0].startswith(f"{said}: ")
    assert judged([*sparse(picked), *dense(fallback), *[OPAQUE] * 30], min_picked=0.9).messages[0].startswith(f"cannot tell: {said}, and ")


def test_layers_nobody_can_tell_about_count_only_where_they_could_decide() -> None:
    assert judged([*sparse(9), OPAQUE], min_picked=0.9).outcome == "passed"
    assert judged([*sparse(5), *dense(4), OPAQUE], min_picked=0.6).outcome == "cannot-tell"
    assert judged([*sparse(1), *dense(8), OPAQUE], min_picked=0.6).outcome == "failed"
    assert judged([*sparse(6), *dense(3), MAYBE, MAYBE], min_picked=0.6).outcome == "cannot-tell"
    assert judged([*sparse(6), *dense(3), MAYBE, MAYBE], min_picked=0.6, allow_unknown=True).outcome == "passed"
    assert judged([*sparse(5), *dense(4), OPAQUE], min_picked=0.6, allow_unknown=True).outcome == "failed"


def test_of_those_nobody_can_tell_about_the_allowed_ones_are_left_out_of_the_share() -> None:
    assert judged([*sparse(6), *dense(4), OPAQUE], min_picked=0.6, allow_unknown=True).outcome == "passed"
    assert judged([OPAQUE], min_picked=0.5, allow_unknown=True).outcome == "passed"


def test_a_layer_that_is_not_eligible_has_no_part_in_share_or_time() -> None:
    out = unknown_layer("region", "undetermined", "jit-deferred", time_ms=0.2, eligibility=Eligibility(False, "proven"))
    assert judged([*sparse(6), *dense(4), out], min_picked=0.6).outcome == "passed"
    assert judged([*dense(1, time_ms=0.4), out], max_fallback_ms=0.5).outcome == "passed"
    known = unknown_layer("region", "undetermined", "jit-deferred", time_ms=0.2, eligibility=Eligibility(True, "proven"))
    assert judged([*sparse(6), *dense(4), known], min_picked=0.6).outcome == "cannot-tell"
    assert judged([*dense(1, time_ms=0.4), known], max_fallback_ms=0.5).outcome == "cannot-tell"


def test_a_fallback_that_is_not_sure_enough_counts_neither_in_share_nor_in_time() -> None:
    unsure = layer("d", eligibility=Eligibility(True, "suggested"), time_ms=0.4)
    for proof, outcome in (("suggested", "failed"), ("proven", "passed")):
        assert judged([*sparse(1), unsure], min_picked=0.9, proof=proof).outcome == outcome
        assert judged([unsure], max_fallback_ms=0.1, proof=proof).outcome == outcome


def test_no_eligible_layer_is_no_share() -> None:
    none = unknown_layer("pool", "other", None)
    assert judged([none], min_picked=0.1).messages == ("no layer is eligible, so none runs sparse",)
    assert judged([MAYBE], min_picked=0.1).outcome == "cannot-tell"
    assert judged([MAYBE], min_picked=0.1, allow_unknown=True).outcome == "failed"
    assert judged([none], min_picked=0.0).outcome == "passed"


def test_figures_that_make_no_sense_are_refused() -> None:
    for bad in ({"min_picked": 60.0}, {"min_picked": float("nan")}, {"max_fallback_ms": -1.0}, {"max_fallback_ms": float("inf")}):
        with pytest.raises(UsageError):
            Gates(**bad)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]))
def test_a_share_passes_or_fails_only_if_every_possible_truth_agrees(picked: int, fallback: int, maybe: int, opaque: int, share: float) -> None:
    layers = [*sparse(picked), *dense(fallback), *[MAYBE] * maybe, *[OPAQUE] * opaque]
    outcomes = set()
    for eligible in range(maybe + 1):
        for as_sparse in range(opaque + 1):
            for as_dense in range(opaque - as_sparse + 1):
                whole = picked + fallback + eligible + as_sparse + as_dense
                outcomes.add(share == 0 or (whole > 0 and (picked + as_sparse) / whole >= share))
    expected = {frozenset({True}): "passed", frozenset({False}): "failed"}.get(frozenset(outcomes), "cannot-tell")
    if expected == "failed" and picked + fallback + opaque == 0 and maybe:
        expected = "cannot-tell"  # nothing eligible is known of at all
    assert judged(layers or [unknown_layer("pool", "other", None)], min_picked=share).outcome == expected


# ---- --max-fallback-ms


def test_the_time_in_fallbacks_is_limited() -> None:
    assert judged(dense(4, time_ms=0.1), max_fallback_ms=0.41).outcome == "passed"
    result = judged([*dense(3, time_ms=0.1), *dense(1, 3, time_ms=0.3)], max_fallback_ms=0.5)
    assert result.messages == ("0.6 ms in 4 layers, 'd0' among them, above 0.5 ms",)
    assert result.layers[0] == "d3"  # the costliest first
    assert judged(sparse(3), max_fallback_ms=0.0).outcome == "passed"


def test_a_time_that_nobody_knows_is_not_zero() -> None:
    assert judged(dense(1, time_ms=None), max_fallback_ms=5.0).messages[0] == "cannot tell: no time is known for 1 layer, 'd0'"
    assert judged([*dense(1, time_ms=0.4), MAYBE], max_fallback_ms=0.5).outcome == "cannot-tell"
    assert judged([*dense(1, time_ms=0.4), MAYBE], max_fallback_ms=0.5, allow_unknown=True).outcome == "passed"
    assert judged([*dense(1, time_ms=0.1), MAYBE], max_fallback_ms=0.5).outcome == "passed"  # even if it is one
    assert judged([*dense(1, time_ms=0.4), OPAQUE], max_fallback_ms=0.5).outcome == "cannot-tell"
    untimed = unknown_layer("maybe", "dense-unknown", "eligibility-unknown")
    assert judged([*dense(1, time_ms=0.4), untimed], max_fallback_ms=0.5).messages == ("cannot tell: no time is known for 1 layer, 'maybe'",)
    known = judged([*dense(1, time_ms=0.6), *dense(1, 1, time_ms=None)], max_fallback_ms=0.5)
    assert (known.messages, known.layers) == (("0.6 ms in 1 layer, 'd0', above 0.5 ms",), ("d0",))


# ---- --baseline


def against(before: list[LayerVerdict], now: list[LayerVerdict], **gates: object) -> GateResult:
    return judged(now, baseline=diagnosis(build(before)).captures[0], **gates)


def test_what_ran_sparse_must_still() -> None:
    assert against(sparse(3), sparse(3)).outcome == "passed"
    fallen = layer("s1", onnx_nodes=("s1",), time_ms=0.0005)
    result = against(sparse(3), [*sparse(1), fallen, *sparse(1, 2)])
    assert (result.outcome, result.layers) == ("failed", ("s1",))
    assert "1 layer, 's1', ran sparse in the baseline and does not now: slower" in result.messages[0]
    assert not any("what runs now is unknown" in message for message in result.messages)


def test_a_sparse_layer_that_became_opaque_or_vanished_cannot_be_told() -> None:
    opaque = unknown_layer("s0", "undetermined", "unnamed-tactic", onnx_nodes=("s0",), time_ms=0.1)
    result = against(sparse(1), [opaque])
    assert result.outcome == "cannot-tell"
    assert "'s0', ran sparse in the baseline, and what runs now is unknown" in result.messages[0]
    vanished = against([*sparse(1), *dense(1)], dense(1))
    assert vanished.messages == ("cannot tell: 1 layer, 's0', ran sparse in the baseline and has no counterpart now",)
    assert against(sparse(1), [opaque], allow_unknown=True).outcome == "passed"
    many = against([*sparse(2), *dense(1)], dense(1))
    assert many.messages == ("cannot tell: 2 layers, 's0' among them, ran sparse in the baseline and have no counterpart now",)
    assert against([*sparse(1), *dense(1)], sparse(1)).outcome == "passed"  # what is gone ran dense


def test_a_layer_that_ran_dense_and_is_opaque_now_did_not_run_sparse() -> None:
    opaque = unknown_layer("d0", "undetermined", "unnamed-tactic", onnx_nodes=("d0",), time_ms=0.1)
    for rest in ([], sparse(1)):
        result = against([*dense(1, time_ms=0.1), *rest], [opaque, *rest])
        assert result.messages == ("cannot tell: the time in fallbacks now is unknown",)


def test_a_fusion_that_runs_sparse_in_part_is_no_loss_if_it_was_so_before() -> None:
    whole = sparse_layer("s0 + d0", onnx_nodes=("s0", "d0"))
    split = [*sparse(1, time_ms=0.04), *dense(1, time_ms=0.0004)]
    assert against([whole], split).outcome == "failed"
    assert against(split, split).outcome == "passed"
    assert against(split, [whole]).outcome == "passed"
    assert against(split, [layer("s0 + d0", onnx_nodes=("s0", "d0"), time_ms=0.0004)]).outcome == "failed"  # its sparse part is gone
    assert against([whole], [*sparse(1, time_ms=0.04), unknown_layer("d0", "ineligible", "not-listed", onnx_nodes=("d0",))]).outcome == "passed"
    for gone in (unknown_layer("s0", "ineligible", "not-listed", onnx_nodes=("s0",)), unknown_layer("s0", "other", None, onnx_nodes=("s0",))):
        assert against(sparse(1), [gone]).outcome == "failed", gone.status
    before = [sparse_layer("p + q", onnx_nodes=("p", "q"), time_ms=0.1), layer("r", onnx_nodes=("r",), time_ms=0.1)]
    now = [sparse_layer("p", onnx_nodes=("p",), time_ms=0.1), layer("q + r", onnx_nodes=("q", "r"), time_ms=0.1)]
    assert against(before, now).outcome == "passed"  # one group, a part of which ran dense before


def test_what_ceased_to_run_sparse_is_said_with_why() -> None:
    fallen = [layer(f"s{n}", onnx_nodes=(f"s{n}",), time_ms=0.0005, summary="") for n in range(2)]
    assert against(sparse(3), [*fallen, *sparse(1, 2)]).messages[0] == "2 layers, 's0' among them, ran sparse in the baseline and do not now: slower"
    other = unknown_layer("s0", "other", None, onnx_nodes=("s0",))
    assert against(sparse(1), [other]).messages[0] == "1 layer, 's0', ran sparse in the baseline and does not now: other (The inputs do not say.)"


def test_fallback_time_may_grow_within_noise_only() -> None:
    assert against(dense(2, time_ms=0.1), dense(2, time_ms=0.102)).outcome == "passed"
    grown = against(dense(2, time_ms=0.1), [*dense(1, time_ms=0.1), *dense(1, 1, time_ms=0.15)])
    assert grown.messages == ("0.25 ms in fallbacks, 0.2 ms in the baseline: beyond noise; most of it in 'd1'",)
    assert grown.layers[0] == "d1"
    assert against(dense(2, time_ms=0.1), dense(2, time_ms=0.15), noise=Noise(0.6, 0.0)).outcome == "passed"
    assert against(dense(1, time_ms=0.25), dense(1, time_ms=0.5), noise=Noise(1.0, 0.0)).outcome == "passed"  # the band itself is within it
    more = against([*sparse(1), *dense(2, time_ms=0.1)], [*sparse(1, time_ms=0.9), *dense(1, time_ms=0.1), *dense(1, 1, time_ms=0.15)])
    assert more.messages == grown.messages and more.layers == ("d1", "d0")  # a sparse layer that takes longer is no fallback
    most = against(dense(3, time_ms=0.1), [*dense(1, time_ms=0.12), *dense(1, 1, time_ms=0.3), *dense(1, 2, time_ms=0.2)])
    assert most.messages[0].endswith("; most of it in 'd1'")
    slowly = against(dense(3, time_ms=0.1), dense(3, time_ms=0.108), noise=Noise(0.0, 0.01))
    assert slowly.messages == ("0.324 ms in fallbacks, 0.3 ms in the baseline: beyond noise",)  # none of them by itself
    new = against(dense(1, time_ms=0.2), [*dense(1, time_ms=0.1), layer("other", type="Gemm", time_ms=0.5, input_formats=(), output_formats=())])
    assert new.messages == ("0.6 ms in fallbacks, 0.2 ms in the baseline: beyond noise",)  # what was there takes less
    assert against(dense(1, time_ms=None), dense(1)).outcome == "cannot-tell"
    assert against(dense(1, time_ms=None), sparse(1)).outcome == "passed"  # no fallback is left to have a time


def test_a_time_in_fallbacks_of_which_a_part_is_missing_is_no_time() -> None:
    """What is missing now may be the growth; what is missing in the baseline may be all of it."""
    two, half = dense(2, time_ms=0.1), [*dense(1, time_ms=0.1), *dense(1, 1, time_ms=None)]
    lost = against(two, half)
    assert (lost.messages, lost.layers) == (("cannot tell: no time is known for 1 layer, 'd1'",), ())
    assert against(half, two).messages == ("cannot tell: no time is known for 1 layer, 'd1', in the baseline",)
    assert against(half, dense(2, time_ms=0.04)).outcome == "passed"  # less than the part that is known
    assert against(two, [*dense(1, time_ms=0.3), *dense(1, 1, time_ms=None)]).outcome == "failed"  # more without the rest
    assert against(half, half).outcome == "passed"  # what neither knows has not changed
    assert against([*half, *dense(1, 2, time_ms=0.1)], [*dense(1, 2, time_ms=0.1), *half]).outcome == "passed"
    new = against(half, [*half, *dense(1, 2, time_ms=None)])
    assert new.messages == ("cannot tell: no time is known for 1 layer, 'd2'",) and against(half, [*half, *dense(1, 2, time_ms=None)], allow_unknown=True).outcome == "passed"
    assert against([*half, *dense(1, 2, time_ms=None)], half).outcome == "passed"  # one less
    assert against(half, [*dense(1, time_ms=0.2), *dense(1, 1, time_ms=None)]).outcome == "failed"
    assert against([*half, *dense(1, 2, time_ms=None)], dense(1, time_ms=0.2)).messages == ("cannot tell: no time is known for 2 layers, 'd1' among them, in the baseline",)
    assert against([*half, *sparse(1)], [*half, *sparse(1, time_ms=None)]).outcome == "passed"
    assert against([*two, *sparse(1)], [*two, *sparse(1, time_ms=None)]).outcome == "passed"  # a layer that runs sparse is no fallback
    assert against(dense(1, time_ms=0.1), dense(1, time_ms=None)).messages == ("cannot tell: the time in fallbacks now is unknown",)


def test_every_capture_is_judged() -> None:
    both = Diagnosis((*diagnosis(build(sparse(1))).captures, *diagnosis(build(dense(1))).captures))
    assert [(r.capture, r.outcome) for r in evaluate(both, Gates(("dense",)))] == [(0, "passed"), (1, "failed")]
    assert failures(both, ("dense",)) == ["dense: 1 layer, 'd0'"]


def test_the_main_build_is_judged() -> None:
    two = dataclasses.replace(diagnosis(build(dense(1)), build(sparse(1), index=1)).captures[0], main_build=1)
    assert failures(Diagnosis((two,)), ("dense",)) == []
