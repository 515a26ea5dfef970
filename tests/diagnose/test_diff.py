"""What changed between two captures, and what nobody may call a change."""

from __future__ import annotations

import dataclasses

import pytest

from tests.report.factory import INPUTS, build, diagnosis, layer, sparse_layer, unknown_layer
from trtlens.diagnose.diff import DiffResult, LayerDiff, beyond, diff
from trtlens.diagnose.model import BuildDiagnosis, CaptureDiagnosis, Environment, LayerVerdict, RunningTactic, Warning
from trtlens.diagnose.rules import Noise
from trtlens.errors import UsageError


def capture(*layers: LayerVerdict, **changes: object) -> CaptureDiagnosis:
    return diagnosis(build(layers, **changes)).captures[0]


def compare(a: list[LayerVerdict], b: list[LayerVerdict]) -> DiffResult:
    return diff(capture(*a), capture(*b))


def kinds(result: DiffResult) -> list[list[str]]:
    return [[change.kind for change in one.changes] for one in result.layers]


def test_equal_captures_do_not_differ() -> None:
    same = [layer("conv1", onnx_nodes=("conv1",)), sparse_layer("conv2", onnx_nodes=("conv2",))]
    result = compare(same, same)
    assert kinds(result) == [[], []]
    assert result.environment == ()
    assert (result.only_a, result.only_b) == ((), ())
    assert result.total_beyond_noise is False


def test_a_layer_that_lost_its_sparse_kernel_says_why() -> None:
    result = compare([sparse_layer("conv", time_ms=0.08)], [layer("conv", time_ms=0.1)])
    (one,) = result.layers
    assert [(c.kind, c.a, c.b) for c in one.changes if c.kind != "tactic"] == [
        ("status", "sparse", "dense"),
        ("reason", "picked", "slower"),
        ("time", "0.08 ms", "0.1 ms"),
    ]
    assert one.delta_ms == pytest.approx(0.02)
    assert "a dense one was faster" in one.b.summary


def test_noise_is_the_larger_of_share_and_time() -> None:
    noise = Noise(0.03, 0.001)
    assert beyond(0.0100, 0.0109, noise) is False  # 9 %, but under a microsecond
    assert beyond(0.0100, 0.0112, noise) is True
    assert beyond(1.000, 1.029, noise) is False  # 29 microseconds, but under 3 %
    assert beyond(1.031, 1.000, noise) is True
    assert beyond(1.000, 1.0305, noise) is beyond(1.0305, 1.000, noise) is True  # the band is the shorter one's
    assert beyond(0.25, 0.5, Noise(1.0, 0.0)) is False
    assert beyond(None, 1.0, noise) is None
    assert kinds(compare([layer("c", time_ms=0.1)], [layer("c", time_ms=0.1029)])) == [[]]


def test_the_times_of_a_split_layer_are_summed_and_never_in_part() -> None:
    whole = layer("conv + relu", onnx_nodes=("conv", "relu"), time_ms=0.100)
    conv = layer("conv", onnx_nodes=("conv",), time_ms=0.070)
    relu = unknown_layer("relu", "other", None, onnx_nodes=("relu",), type="PointWise", time_ms=0.020)
    (one,) = compare([whole], [conv, relu]).layers
    assert one.b.time_ms == pytest.approx(0.090)
    assert ("fusion", "1 layer", "2 layers") in [(c.kind, c.a, c.b) for c in one.changes]
    assert one.b.status == "dense"  # the activation is none of sparsity's concern
    second = layer("relu", onnx_nodes=("relu",), time_ms=None)
    (one,) = compare([whole], [conv, second]).layers
    assert one.b.time_ms is None
    assert one.beyond_noise is None


def test_a_group_of_several_kinds_counts_them() -> None:
    whole = sparse_layer("a + b", onnx_nodes=("a", "b"))
    (one,) = compare([whole], [sparse_layer("a", onnx_nodes=("a",)), layer("b", onnx_nodes=("b",))]).layers
    assert one.b.status is None
    assert next((c.a, c.b) for c in one.changes if c.kind == "status") == ("sparse", "1 sparse, 1 dense")
    assert one.b.reason == "slower"


def group(*parts: LayerVerdict, whole: LayerVerdict | None = None) -> LayerDiff:
    """One layer of A that B split into `parts`, whose nodes are numbered."""
    before = whole or layer("whole", onnx_nodes=tuple(f"n{i}" for i in range(len(parts))))
    (one,) = compare([before], [dataclasses.replace(part, name=f"p{i}", onnx_nodes=(f"n{i}",)) for i, part in enumerate(parts)]).layers
    return one


def test_of_several_fallbacks_the_costliest_decides_and_the_weakest_proof_of_its_kind_counts() -> None:
    slower, tie = layer(time_ms=0.3), layer(reason="tie", time_ms=0.5, proof="suggested")
    assert (group(slower, tie).b.reason, group(slower, tie).b.proof) == (group(tie, slower).b.reason, group(tie, slower).b.proof) == ("tie", "suggested")
    first = group(layer(time_ms=0.6), tie)
    assert (first.b.reason, first.b.proof) == ("slower", "proven")  # another reason's proof is no doubt of this one
    for parts in ((layer(time_ms=0.6), layer(time_ms=0.1, proof="suggested")), (layer(time_ms=0.1, proof="suggested"), layer(time_ms=0.6))):
        assert group(*parts).b.proof == "suggested"
    same = unknown_layer("p", "ineligible", "slower", proof="unknown")
    assert group(layer(time_ms=0.1), same).b.proof == "proven"  # nor is that of another status
    assert group(sparse_layer(time_ms=0.9), layer(time_ms=None)).b.reason == "slower"


def test_a_layer_that_sparsity_does_not_concern_takes_no_part() -> None:
    pool = unknown_layer("pool", "other", None, time_ms=None)
    named = unknown_layer("pool", "other", None, time_ms=0.02, tactic=RunningTactic("a_pooling", 1, False, None))
    one = group(layer(time_ms=0.1), pool)
    assert (one.b.time_ms, one.b.status) == (0.1, "dense") and [change.kind for change in one.changes] == ["fusion"]
    assert group(layer(time_ms=0.1), named).b.tactics == one.b.tactics and group(layer(time_ms=0.1), named).b.time_ms == pytest.approx(0.12)
    assert group(pool, pool, whole=layer("whole", onnx_nodes=("n0", "n1"))).b.time_ms is None
    (alone,) = compare([named], [dataclasses.replace(named, tactic=RunningTactic("another", 1, False, None))]).layers
    assert [(change.kind, change.a, change.b) for change in alone.changes] == [("tactic", "a_pooling", "another")]


def test_a_proof_and_a_tactic_that_changed_are_changes() -> None:
    (one,) = compare([layer("c")], [layer("c", proof="suggested", tactic=RunningTactic("other", 2, False, None))]).layers
    assert [(change.kind, change.b) for change in one.changes] == [("proof", "suggested"), ("tactic", "other")]
    (both,) = compare([layer("c")], [layer("c", reason="tie", proof="suggested")]).layers
    assert [change.kind for change in both.changes] == ["reason"]  # whose proof it is, it says itself
    (gone,) = compare([sparse_layer("c", tactic=RunningTactic(None, None, None, None))], [sparse_layer("c", reason=None)]).layers
    assert [(change.kind, change.a, change.b) for change in gone.changes] == [("reason", "picked", "none")]


def test_formats_are_compared_where_both_sides_print_them() -> None:
    def formats(a: tuple[tuple[str, ...], tuple[str, ...]], b: tuple[tuple[str, ...], tuple[str, ...]]) -> list[str]:
        return kinds(compare([layer("c", input_formats=a[0], output_formats=a[1])], [layer("c", input_formats=b[0], output_formats=b[1])]))[0]

    half, other = "Half CHW16 1x64", "Half CHW32 1x64"
    assert formats(((half,), (half,)), ((), (other,))) == formats(((), (half,)), ((half,), (other,))) == ["formats"]
    assert formats(((half, half), (half,)), ((half,), (half,))) == ["formats"]  # an input more
    assert formats(((half, half), (half,)), ((half,), ("Half CHW16 2x64",))) == ["formats", "shapes"]
    assert formats(((half,), ()), (("Int8 CHW16 1x64",), ())) == ["formats"]
    assert formats((("Half 1x64",), ()), ((half,), ())) == formats(((half,), ()), (("Half 1x64",), ())) == []
    assert formats((("Half CHW16",), ()), ((half,), ())) == formats(((half,), ()), (("Half CHW16",), ())) == []
    assert formats(((other, half), ()), ((half, half), ())) == ["formats"]  # the last ones being equal takes nothing back
    assert formats((("Half CHW16 2x64", half), ()), ((half, half), ())) == ["shapes"]
    (one,) = compare([layer("c", input_formats=(half,), output_formats=("Half CHW16",))], [layer("c", input_formats=("Half CHW16 2x64",), output_formats=("Half CHW16",))]).layers
    assert [(change.a, change.b) for change in one.changes] == [("1x64 -> ?", "2x64 -> ?")]


def copy(of: str, time_ms: float | None = 0.004, number: int = 0) -> LayerVerdict:
    return unknown_layer(f"Reformatting CopyNode for Input Tensor {number} to {of}", "other", None, type="Reformat", time_ms=time_ms)


def test_copies_have_a_time_where_each_of_them_has() -> None:
    for times, said in (((0.004, 0.002), "2, 0.006 ms"), ((0.004, None), "2")):
        (one,) = compare([layer("conv")], [*(copy("conv", time, number) for number, time in enumerate(times)), layer("conv")]).layers
        assert [(change.a, change.b) for change in one.changes] == [("0", said)]
    result = compare([layer("conv")], [copy("conv", 0.004), copy("conv", None, 1), layer("conv")])
    assert result.totals_b.reformat_ms == 0.004 and compare([layer("conv")], [copy("conv", None), layer("conv")]).totals_b.reformat_ms is None
    named = layer("Reformatting CopyNode for Input Tensor 0 to conv", onnx_nodes=("x",), type="Reformat", status="other")
    assert [one.a.names for one in compare([named, layer("conv")], [named, layer("conv")]).layers] == [("conv",)]  # copies are counted, not listed


def test_a_copy_for_one_optimization_profile_serves_its_layer() -> None:
    for name in ("conv", "conv [profile 1]"):
        now = [copy("conv [profile 1]"), layer(name, onnx_nodes=("conv",), optimization_profile=1)]
        (one,) = compare([layer(name, onnx_nodes=("conv",), optimization_profile=1)], now).layers
        assert [(change.kind, change.b) for change in one.changes] == [("reformats", "1, 0.004 ms")]


def test_what_is_a_layer_in_one_and_a_copy_in_the_other_is_listed() -> None:
    plain, made = layer("x", onnx_nodes=("x",)), layer("x", onnx_nodes=("x",), type="Reformat", status="other")
    assert len(compare([plain], [made]).layers) == len(compare([made], [plain]).layers) == 1 and compare([made], [made]).layers == ()


def test_totals_count_each_status() -> None:
    result = compare([layer("a", onnx_nodes=("a",)), layer("b", onnx_nodes=("b",)), sparse_layer("c", onnx_nodes=("c",))], [layer("a", onnx_nodes=("a",))])
    assert (result.totals_a.by_status, result.totals_a.by_reason) == ((("sparse", 1), ("dense", 2)), (("slower", 2),))
    assert result.layers[0].has("tactic", "status") is False and [one.name for one in result.only_a] == ["b", "c"]


def test_two_models_are_told_by_their_digests() -> None:
    def of(digest: str | None) -> CaptureDiagnosis:
        return dataclasses.replace(capture(layer("c")), inputs=(dataclasses.replace(INPUTS[0], sha256="f" * 64), dataclasses.replace(INPUTS[3], sha256=digest)))

    assert [(one.what, one.a, one.b) for one in diff(of("a" * 64), of("b" * 64)).environment] == [("ONNX model", f"model.onnx (sha256 {'a' * 12})", f"model.onnx (sha256 {'b' * 12})")]
    assert diff(of("a" * 64), of("a" * 64)).environment == diff(of(None), of(None)).environment == ()
    levels = [Environment(opt_level=level, precision=precision) for level, precision in ((None, None), (3, ("fp16",)))]
    told = diff(capture(layer("c"), environment=levels[0], backend_strategy=4), capture(layer("c"), environment=levels[1])).environment
    assert [(one.what, one.a, one.b) for one in told] == [("precision", None, "fp16"), ("optimization level", None, "3"), ("backend strategy", "4", None)]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("median", "median", []),
        ("median", "average", ["times are medians in A and averages in B: small differences mean nothing"]),
        ("median", None, ["B holds no layer times: times are not compared"]),
        (None, "median", ["A holds no layer times: times are not compared"]),
        (None, None, ["A holds no layer times", "B holds no layer times"]),
    ],
)
def test_why_figures_may_not_compare(a: str | None, b: str | None, said: list[str]) -> None:
    sides = [capture(layer("c", time_stat=stat, time_ms=None if stat is None else 0.1)) for stat in (a, b)]
    assert diff(*sides).cautions == tuple(said)
    warned = capture(layer("c"), warnings=(Warning("log-truncated", "it ends"), Warning("capture-mismatch", "1 of 2")))
    assert len(diff(capture(layer("c")), warned).cautions) == 1


def test_silence_is_no_change() -> None:
    full = layer("conv", input_formats=("Half CHW16 1x64x8x8",), output_formats=("Half CHW16 1x64x8x8",))
    typed = layer("conv", input_formats=("Half 1x64x8x8",), output_formats=(), tactic=RunningTactic(None, None, False, None), time_ms=None)
    (one,) = compare([full], [typed]).layers
    assert one.changes == ()
    assert one.delta_ms is None


def test_another_batch_changes_shapes_and_no_formats() -> None:
    one = layer("conv", input_formats=("Half CHW16 1x64",), output_formats=("Half CHW16 1x64",))
    many = layer("conv", input_formats=("Half CHW16 16x64",), output_formats=("Half CHW16 16x64",))
    assert kinds(compare([one], [many])) == [["shapes"]]
    wide = layer("conv", input_formats=("Half CHW32 1x64",), output_formats=("Half CHW16 1x64",))
    (found,) = compare([one], [wide]).layers
    assert [(c.kind, c.a, c.b) for c in found.changes] == [("formats", "Half CHW16 -> Half CHW16", "Half CHW32 -> Half CHW16")]


def test_reformats_are_counted_with_the_layer_that_they_serve() -> None:
    copy = unknown_layer("Reformatting CopyNode for Input Tensor 0 to conv", "other", None, type="Reformat", time_ms=0.004)
    result = compare([layer("conv")], [copy, layer("conv")])
    (one,) = result.layers
    assert [(c.kind, c.a, c.b) for c in one.changes] == [("reformats", "0", "1, 0.004 ms")]
    assert (result.totals_a.reformats, result.totals_b.reformats, result.totals_b.reformat_ms) == (0, 1, 0.004)
    assert result.only_b == ()  # counted, not listed


def test_where_they_ran_is_stated_and_so_is_what_makes_times_incomparable() -> None:
    a = capture(layer("conv"), environment=Environment("8.6.1", "A100", "8.0", ("fp16",), "enable", None))
    b = capture(layer("conv", time_stat="average"), environment=Environment("10.3.0", "A100", "8.0", ("fp16", "int8"), "enable", None))
    b = dataclasses.replace(b, inputs=INPUTS[1:3])
    result = diff(a, b, Noise(), ("old", "new"))
    assert [(d.what, d.a, d.b) for d in result.environment[:2]] == [("TensorRT", "8.6.1", "10.3.0"), ("precision", "fp16", "fp16, int8")]
    assert "times are medians in old and averages in new" in result.cautions[0]
    assert any("new holds no build log" in text for text in result.cautions)


def test_files_of_different_builds_are_a_caution() -> None:
    mixed = capture(layer("conv"), warnings=(Warning("capture-mismatch", "12 of 40 differ"),))
    assert any("capture-mismatch" in text for text in diff(capture(layer("conv")), mixed).cautions)


def test_what_has_no_counterpart_is_listed() -> None:
    result = compare([layer("gone", onnx_nodes=("gone",), output_formats=())], [layer("come", onnx_nodes=("come",), input_formats=())])
    assert [one.name for one in result.only_a] == ["gone"]
    assert [one.name for one in result.only_b] == ["come"]


def test_a_capture_without_a_build_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match=r"B: holds no build"):
        diff(capture(layer("conv")), CaptureDiagnosis(INPUTS, None, ()))


def test_the_order_of_layers_does_not_decide_what_is_found() -> None:
    layers = [layer(f"c{i}", onnx_nodes=(f"c{i}",), time_ms=0.1 + i / 100) for i in range(40)]
    turned = [dataclasses.replace(one, time_ms=(one.time_ms or 0) * 1.5) for one in layers][::-1]
    result = compare(layers, turned)
    assert [one.a.names for one in result.layers] == [one.b.names for one in result.layers] == [(f"c{i}",) for i in range(40)]
    assert all(one.has("time") for one in result.layers)


def test_the_builds_compared_are_the_main_ones() -> None:
    first: BuildDiagnosis = build([layer("warm-up")], index=0)
    second = build([layer("conv")], index=1)
    both = CaptureDiagnosis(INPUTS, 1, (first, second))
    assert [one.a.names for one in diff(both, capture(layer("conv"))).layers] == [("conv",)]
