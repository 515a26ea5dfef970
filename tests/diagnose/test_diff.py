"""What changed between two captures, and what nobody may call a change."""

from __future__ import annotations

import dataclasses

import pytest

from tests.report.factory import INPUTS, build, diagnosis, layer, sparse_layer, unknown_layer
from trtlens.diagnose.diff import DiffResult, beyond, diff
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
