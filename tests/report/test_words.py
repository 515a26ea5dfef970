"""The sentences: known answers, plurals, order; and that no combination of unknowns breaks them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report import factory
from trtlens.diagnose.model import Eligibility, Input, LineEvidence, PointerEvidence, Remedy, Summary, Warning
from trtlens.report import words


def headline(*layers, **changes):
    return words.headline(factory.build(layers, **changes))


def test_headline_is_the_sentence_of_the_contract():
    layers = [factory.layer(f"slow {i}", best_dense_ms=0.1, best_sparse_ms=0.2) for i in range(43)]
    layers += [factory.layer(f"fast {i}", best_dense_ms=0.1, best_sparse_ms=0.09) for i in range(3)]
    layers += [factory.sparse_layer(f"sparse {i}") for i in range(71)]
    text = headline(*layers, total_time_ms=2.8, fallback_time_ms=1.2, recoverable_ms=0.04)
    assert (
        text == "46 of 117 eligible layers run dense: 1.20 of 2.80 ms is spent there; sparse was measured faster for 3 of them (0.040 ms)."
    )


@pytest.mark.parametrize(
    ("layers", "changes", "expected"),
    [
        ([], {}, "These inputs do not list the engine's layers: there is nothing to diagnose yet."),
        (["sparse"], {}, "The only eligible layer runs sparse."),
        (["sparse", "sparse"], {}, "All 2 eligible layers run sparse."),
        (
            ["dense"],
            {"total_time_ms": None, "fallback_time_ms": None},
            "The only eligible layer runs dense; sparse was timed for it and was not faster.",
        ),
        (["dense", "sparse"], {"fallback_time_ms": None}, "1 of 2 eligible layers runs dense; sparse was timed for it and was not faster."),
        (["bare", "bare"], {}, "All 2 eligible layers run dense."),
        (
            ["bare", "dense"],
            {"fallback_time_ms": None},
            "All 2 eligible layers run dense; sparse was timed for 1 of them and was never faster.",
        ),
        (["dense", "dense"], {"fallback_time_ms": None}, "All 2 eligible layers run dense; sparse was measured faster for none of them."),
    ],
)
def test_headline_plurals(layers, changes, expected):
    bare = {"best_dense_ms": None, "best_sparse_ms": None, "time_ms": None}
    made = {"sparse": factory.sparse_layer("s"), "dense": factory.layer("d"), "bare": factory.layer("b", **bare)}
    assert headline(*[made[kind] for kind in layers], **changes) == expected


def test_headline_when_nothing_can_be_told_says_why():
    eligible = Eligibility(True, "suggested")
    deferred = factory.unknown_layer("a", "undetermined", "jit-deferred", eligibility=eligible)
    assert headline(deferred, deferred) == (
        "TensorRT-RTX chooses kernels on the user's GPU: whether the 2 eligible layers will run sparse cannot be read from this build."
    )
    names_only = factory.unknown_layer("a", "undetermined", "names-only")
    assert headline(names_only) == "The layer info holds names only: which tactics run in its 1 layer cannot be told."
    unknown = factory.unknown_layer("a", "dense-unknown", "eligibility-unknown")
    assert headline(unknown, eligible=None) == "No input says which layers are eligible for 2:4 sparsity: 1 layer runs dense."
    off = factory.unknown_layer("a", "ineligible", "flag-off")
    assert "built with sparsity off" in headline(off)
    opaque = factory.unknown_layer("a", "undetermined", "myelin-opaque", eligibility=eligible)
    assert headline(opaque) == "Whether the 1 eligible layer runs sparse or dense cannot be told from these inputs."
    assert (
        headline(factory.sparse_layer(), opaque)
        == "1 of 2 eligible layers runs sparse and none is known to run dense; 1 layer cannot be told."
    )


@pytest.mark.parametrize("reason", ["flag-off", "not-listed"])
def test_the_headline_is_no_surer_of_ineligible_layers_than_their_proofs(reason):
    no = [factory.unknown_layer(name, "ineligible", reason, eligibility=Eligibility(False, proof)) for name, proof in (("a", "proven"), ("b", "suggested"))]
    assert headline(*no).startswith("As far as these inputs show, no layer of this engine is eligible for 2:4 sparsity")
    assert headline(no[0]).startswith("No layer of this engine is eligible for 2:4 sparsity")
    assert ("it seems that it was built with sparsity off" in headline(no[1])) == (reason == "flag-off")


@pytest.mark.parametrize("cut", [{"whole": False}, {"warnings": (Warning("log-truncated", "cut"),)}])
def test_that_no_layer_is_concerned_is_said_of_whole_inputs_alone(cut):
    pooling = factory.unknown_layer("pool", "other", None)
    assert "nothing here runs dense without a reason" in headline(pooling, eligible=None)
    assert "there may be more layers" in headline(pooling, eligible=None, **cut)


def test_all_is_said_of_whole_inputs_alone():
    sparse, dense = factory.sparse_layer(), factory.layer("d", best_dense_ms=None, best_sparse_ms=None, time_ms=None)
    assert headline(sparse, whole=False) == "The 1 eligible layer that these inputs name runs sparse; they are not whole, so there may be more."
    assert headline(dense, dense, whole=False) == "The 2 eligible layers that these inputs, which are not whole, name run dense."


@pytest.mark.parametrize(("capability", "old"), [("7.5", True), ("8.0", False), (None, False)])
def test_a_gpu_without_sparse_tensor_cores_is_asked_for_nothing_more(capability, old):
    environment = dataclasses.replace(factory.build([]).environment, compute_capability=capability)
    unknown = [factory.unknown_layer("a", "dense-unknown", "eligibility-unknown"), factory.unknown_layer("b", "ineligible", "flag-off")]
    for build in (factory.build([one], environment=environment) for one in unknown):
        capture = factory.diagnosis(build).captures[0]
        assert any("no sparse tensor cores" in note for note in words.notes(build)) == old
        assert (words.capture_next(capture, build) == ("A build on a GPU of compute capability 8.0 or above, with sparsity on.",)) == old
    # A sparse kernel runs: whatever says that the GPU is old is wrong.
    runs = factory.build([factory.sparse_layer()], environment=environment)
    assert not any("no sparse tensor cores" in note for note in words.notes(runs))


def test_eligibility_that_no_log_proves_is_said():
    suggested = factory.layer("a", eligibility=Eligibility(True, "suggested"))
    assert words.notes(factory.build([suggested, suggested])) == (
        "No log of this build proves their eligibility: it is suggested by the layer info or the weights.",
    )
    assert words.notes(factory.build([suggested, factory.layer("b")]))[0].startswith("No log of this build proves the eligibility of 1 of them")
    assert words.notes(factory.build([factory.layer("b")])) == ()


def test_fallbacks_stand_costliest_first_and_unknown_times_last():
    layers = [factory.layer(name, time_ms=time) for name, time in (("a", 0.1), ("b", None), ("c", 0.3), ("d", math.nan), ("e", 0.1))]
    assert [layer.name for layer in words.costliest_first(layers)] == ["c", "a", "e", "b", "d"]


def test_reason_groups_put_fallbacks_first_and_leave_unknown_times_unknown():
    layers = [
        factory.layer("a", reason="slower", time_ms=0.1),
        factory.layer("b", reason="tie", time_ms=0.5, proof="suggested"),
        factory.layer("c", reason="tie", time_ms=None),
        factory.unknown_layer("d", "undetermined", "myelin-opaque", time_ms=9.0),
        factory.unknown_layer("e", "dense-unknown", "eligibility-unknown"),
        factory.unknown_layer("f", "ineligible", "pattern"),
    ]
    groups = words.reason_groups(factory.build(layers))
    assert [(group.reason, group.layers, group.time_ms) for group in groups] == [
        ("tie", 2, 0.5),
        ("slower", 1, 0.1),
        ("eligibility-unknown", 1, None),
        ("myelin-opaque", 1, 9.0),
    ]
    assert words.proofs_text(groups[0]) == "1 proven, 1 suggested"
    assert words.proofs_text(groups[1]) == "proven"


def test_first_steps_rank_measured_before_bound_before_unknown_and_add_up():
    layers = [
        factory.layer("a", remedies=(Remedy("unknown", None), Remedy("bound", 5.0, "bound")), time_ms=1.0),
        factory.layer("b", remedies=(Remedy("measured", 0.01, "measured"),), time_ms=0.2),
        factory.layer("c", remedies=(Remedy("measured", 0.02, "measured"),), time_ms=0.4),
    ]
    steps = words.first_steps(factory.build(layers))
    assert [(step.text, step.gain, step.layers) for step in steps] == [
        ("measured", "measured gain 0.030 ms; 2 layers, 0.600 ms", ("c", "b")),
        ("bound", "gain at most 5.00 ms; 1 layer, 1.00 ms", ("a",)),
        ("unknown", "gain unknown; 1 layer, 1.00 ms", ("a",)),
    ]


def test_a_gain_figure_never_stands_without_its_kind():
    assert words.remedy_gain(Remedy("x", 0.5, "unknown")) == "gain unknown"
    assert words.remedy_gain(Remedy("x", None, "measured")) == "gain unknown"
    assert words.remedy_gain(Remedy("x", math.inf, "bound")) == "gain unknown"


def test_capture_next_answers_what_is_missing():
    build = factory.build([factory.layer("a", reason="not-captured", time_ms=None)], warnings=(Warning("stderr-missing", "m"),))
    info = (Input("layers.json", "layer_info", None, 1, 1, None),)
    advice = words.capture_next(factory.diagnosis(build, inputs=info).captures[0], build)
    assert "2>&1" in advice[0]
    assert any("verbose build" in text for text in advice)
    assert any("--exportProfile" in text for text in advice)
    assert len(set(advice)) == len(advice)


def test_a_build_that_failed_is_to_be_built_again_and_not_captured_again():
    build = factory.build([], warnings=(Warning("build-failed", "m"), Warning("log-truncated", "m")))
    log = (Input("build.log", "build_log", None, 1, 1, None),)
    assert words.capture_next(factory.diagnosis(build, inputs=log).captures[0], build) == (
        "Read the message and the end of the log, and build again.",
    )


def test_a_warning_and_a_reason_that_ask_for_the_same_ask_once():
    build = factory.build([factory.unknown_layer("a", "undetermined", "names-only")], warnings=(Warning("names-only", "m"),))
    (text,) = words.capture_next(factory.diagnosis(build).captures[0], build)
    assert "--profilingVerbosity=detailed" in text


def test_a_reason_that_the_catalogue_lacks_has_no_title():
    assert words.reason_title("no-such-reason") == words.reason_title(None) == ""
    assert words.reason_title("tie") != ""


def test_a_complete_capture_asks_for_nothing():
    build = factory.build([factory.layer("a"), factory.sparse_layer("b")])
    assert words.capture_next(factory.diagnosis(build).captures[0], build) == ()


def test_warnings_that_undermine_most_come_first():
    ids = ("time-sum", "something-new", "stderr-missing", "capture-mismatch")
    assert [warning.id for warning in words.trust_order([Warning(name, "m") for name in ids])] == [
        "capture-mismatch",
        "stderr-missing",
        "time-sum",
        "something-new",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (math.nan, "?"),
        (0, "0"),
        (0.102, "0.102"),
        (1.2, "1.20"),
        (12.34, "12.3"),
        (1234.5, "1234"),
        (0.0042, "0.0042"),
        (1e-7, "1e-07"),
        (-0.5, "-0.500"),
    ],
)
def test_milliseconds(value, text):
    assert words.ms(value) == text


def test_evidence_places():
    layer = factory.layer()
    assert [words.evidence_place(item, factory.INPUTS) for item in layer.evidence] == [
        "build.log:4711",
        "layers.json/Layers/17/TacticName",
        "model.onnx:conv.weight[0, 4, 1, 1]",
    ]
    assert words.evidence_place(layer.evidence[0], ()) == "input 0:4711"


numbers = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=32))
counts = st.integers(0, 3)


@given(
    st.builds(
        Summary,
        layers=counts,
        eligible=st.none() | counts,
        eligible_listed=st.none() | counts,
        eligible_unmatched=st.none() | counts,
        picked=counts,
        fallback=counts,
        dense_unknown=counts,
        undetermined=counts,
        total_time_ms=numbers,
        fallback_time_ms=numbers,
        recoverable_ms=numbers,
        bound_ms=numbers,
    ),
    st.lists(st.sampled_from(["dense", "sparse", "undetermined", "names-only", "jit"]), max_size=3),
    numbers,
)
def test_any_summary_reads_as_one_sentence(summary, kinds, time):
    """Totals and layers may disagree (a diagnosis of damaged input): the words must still be words."""
    made = {
        "dense": factory.layer("d", time_ms=time, best_dense_ms=time),
        "sparse": factory.sparse_layer("s", time_ms=time),
        "undetermined": factory.unknown_layer("u", "undetermined", "myelin-opaque"),
        "names-only": factory.unknown_layer("n", "undetermined", "names-only"),
        "jit": factory.unknown_layer("j", "undetermined", "jit-deferred"),
    }
    build = dataclasses.replace(factory.build([made[kind] for kind in kinds]), summary=summary)
    story = words.story(factory.diagnosis(build).captures[0])
    assert story.headline.endswith(".") and story.headline[0].isupper() | story.headline[0].isdigit()
    for text in (story.headline, *story.counts, *story.notes):
        assert "None" not in text and "nan" not in text and "  " not in text
        assert "1 layers" not in text and "1 eligible layers" not in text.replace("of 1 eligible layers", "")


def test_a_bound_says_of_how_many_fallbacks_it_is_the_sum() -> None:
    layers = [factory.layer(name) for name in "abcd"]
    assert words.notes(factory.build(layers, bound_ms=0.5, bound_layers=4)) == ("Sparse kernels at the machine's limits could save at most 0.500 ms (bound).",)
    said = words.notes(factory.build(layers, bound_ms=0.5, bound_layers=3))[0]
    assert said.endswith("0.500 ms (bound; it is the sum over 3 of the 4, for the others no bound is known).")


def test_time_of_a_part_of_the_fallbacks_is_a_lower_limit() -> None:
    layers = [factory.layer("a", time_ms=0.1), factory.layer("b", time_ms=None), factory.layer("c", time_ms=0.2)]
    assert "at least 0.300 of 0.300 ms is spent there" in words.story(factory.diagnosis(factory.build(layers)).captures[0]).headline
    assert words.notes(factory.build(layers)) == ("The timing profile holds 2 of these 3 layers.",)
    layers[1] = factory.layer("b", time_ms=0.1)
    assert "at least" not in words.story(factory.diagnosis(factory.build(layers)).captures[0]).headline


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([], "No layer of this engine is known to be eligible for 2:4 sparsity; of 2 layers the inputs do not say."),
        (["sparse"], "The only layer that is known to be eligible runs sparse; of 2 more the inputs do not say whether they are."),
        (["sparse", "sparse"], "The 2 layers that are known to be eligible run sparse; of 2 more the inputs do not say whether they are."),
        (["dense"], "The only layer that is known to be eligible runs dense."),
        (["dense", "dense"], "All 2 layers that are known to be eligible run dense."),
    ],
)
def test_a_headline_about_all_eligible_layers_leaves_room_for_those_nobody_knows(known, expected):
    bare = {"best_dense_ms": None, "best_sparse_ms": None, "time_ms": None}
    made = {"sparse": factory.sparse_layer("s"), "dense": factory.layer("d", **bare)}
    open_layers = [factory.unknown_layer("a", "dense-unknown", "eligibility-unknown"), factory.unknown_layer("b", "undetermined", "myelin-opaque")]
    assert headline(*(made[kind] for kind in known), *open_layers) == expected


@pytest.mark.parametrize(("listed", "hint"), [(True, "the log that lists them is of another build"), (False, "it is suggested by the layer info or the weights")])
def test_why_eligibility_is_not_proven_names_the_log_only_where_it_lists_the_layer(listed, hint):
    evidence = (LineEvidence(0, 7, "the list"),) if listed else (PointerEvidence(0, "/Layers/0/HasSparseWeights", "1"),)
    made = factory.build([factory.layer("d", eligibility=Eligibility(True, "suggested", evidence))], warnings=(Warning("capture-mismatch", "the kernel trace lacks a kernel"),))
    assert any(note.endswith(f"{hint}.") for note in words.notes(made))
