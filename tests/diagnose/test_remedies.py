"""Remedies fit the version, the GPU and what is already so, and a gain stands only behind what it is the gain of."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from trtlens.diagnose.catalogue.conditions import Facts, build_facts
from trtlens.diagnose.catalogue.records import RemedyText
from trtlens.diagnose.explain import explain
from trtlens.diagnose.gpus import find_gpu
from trtlens.diagnose.layers import EngineLayer
from trtlens.diagnose.model import BuildDiagnosis, Environment, LayerVerdict, Remedy
from trtlens.diagnose.physics import bound_ms, gains, layer_facts
from trtlens.diagnose.reasons import REASONS, next_capture
from trtlens.diagnose.roofline import GemmShape, sparse_roofline_ms
from trtlens.diagnose.rules import Ruling
from trtlens.parse.records import TensorInfo
from trtlens.report.words import capture_next, first_steps

FIXTURE = Path(__file__).parents[2] / "fixtures" / "synthetic_small"
SLOWER, NO_KERNEL, FORMAT_COST, TIE = "Conv_1 + Relu_2", "Conv_3 + Relu_4", "Conv_8 + Relu_9", "Conv_11 + Relu_12"


def small(tmp_path: Path, *changes: tuple[str, str]) -> BuildDiagnosis:
    """The verdicts of the synthetic sample with other options or another GPU."""
    text = (FIXTURE / "build.log").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "build.log").write_text(text, encoding="utf-8")
    found = explain([str(tmp_path / "build.log")]).captures[0].main
    assert found is not None
    return found


def texts(build: BuildDiagnosis, name: str) -> str:
    return "\n".join(remedy.text for layer in build.layers if layer.name == name for remedy in layer.remedies)


def said(build: BuildDiagnosis) -> str:
    """Every remedy, and what to capture next."""
    found = explain([str(FIXTURE / "build.log")]).captures[0]
    return "\n".join([remedy.text for layer in build.layers for remedy in layer.remedies] + list(capture_next(found, build)))


# ---- versions


def test_a_version_without_optimization_levels_is_not_asked_for_one(tmp_path: Path) -> None:
    assert "level 5" in said(small(tmp_path))
    old = small(tmp_path, ("v8601", "v8502"), ("TensorRT version: 8.6.1", "TensorRT version: 8.5.2"), ("BuilderOptimizationLevel: 3", "Restricted mode: Disabled"))
    assert old.environment.tensorrt == "8.5.2"
    assert "level 5" not in said(old)
    assert "Give the layer more work" in texts(old, SLOWER)


def test_what_a_build_did_already_is_not_asked_for(tmp_path: Path) -> None:
    plain = small(tmp_path)
    assert "to 16" in texts(plain, SLOWER)
    assert "avg_timing_iterations 16" in "".join(capture_next(explain([str(FIXTURE / "build.log")]).captures[0], plain))
    done = small(tmp_path, ("BuilderOptimizationLevel: 3", "BuilderOptimizationLevel: 5"), ("avgTiming: 8", "avgTiming: 16"))
    assert "level 5" not in said(done)
    assert "avg_timing" not in said(done)
    assert "Lock the clocks" in texts(done, SLOWER) and "Lock the clocks" in texts(done, TIE)


@pytest.mark.parametrize(("version", "word", "not_word"), [("8.2", "`--workspace=", "`--memPoolSize="), ("8.4", "`--memPoolSize=", "`--workspace="), ("10.3.0", "`--memPoolSize=", "`--workspace=")])
def test_the_option_for_more_workspace_is_that_of_the_version(version: str, word: str, not_word: str) -> None:
    found = offered("workspace", build_facts(Environment(version)))
    assert word in found and not_word not in found


# ---- the GPU


def test_below_8_0_the_only_remedy_is_another_gpu(tmp_path: Path) -> None:
    build = small(tmp_path, ("Selected Device: Orin", "Selected Device: Tesla T4"), ("Compute Capability: 8.7", "Compute Capability: 7.5"), ("SMs: 16", "SMs: 40"))
    dense = [layer for layer in build.layers if layer.reason == "no-kernel-arch"]
    assert dense
    for layer in dense:
        assert [remedy.text.split(" Check:")[0] for remedy in layer.remedies] == ["Build on a GPU of compute capability 8.0 or above."]


# ---- the layer


def test_a_layer_that_is_fp16_aligned_and_channels_last_is_not_asked_to_be(tmp_path: Path) -> None:
    # GIVEN the FP16 convolution from 96 to 96 channels that was tried in HWC8
    (remedy,) = layer(small(tmp_path, ("BuilderOptimizationLevel: 3", "BuilderOptimizationLevel: 5")), NO_KERNEL).remedies
    assert remedy.text.startswith("Try INT8") and remedy.gain_ms is None


def layer(build: BuildDiagnosis, name: str) -> LayerVerdict:
    return next(one for one in build.layers if one.name == name)


def offered(reason: str, facts: Facts, bound: float | None = None, **fields: float) -> str:
    return "\n".join(remedy.text for remedy in gains(Ruling(reason, "proven", "", **fields), REASONS[reason], facts, bound))  # type: ignore[arg-type]


KNOWN = Facts((8, 6), 8.7, ("fp32", "fp16"), 3, 8, True, "Half", "Half", (96, 96), frozenset({("Half", "Half")}), frozenset({"Linear"}))


@pytest.mark.parametrize(
    ("reason", "facts", "there", "gone"),
    [
        ("no-kernel", {}, ["channels-last", "level 5", "INT8 with"], ["Try FP16", "Pad"]),
        ("no-kernel", {"layouts": frozenset({"Linear", "HWC8"})}, [], ["channels-last"]),
        ("no-kernel", {"convolution": False}, [], ["channels-last"]),
        ("no-kernel", {"channels": (96, 100)}, ["Pad"], []),
        ("no-kernel", {"channels": (96, 96), "datatype": "Int8", "output": "Int8", "tried": None}, ["Try FP16"], ["Pad", "INT8 with"]),
        ("no-kernel", {"channels": (48, 96), "datatype": "Int8", "output": "Half", "tried": None}, ["Pad", "INT8 with", "Try FP16"], []),
        ("no-kernel", {"tried": frozenset({("Int8", "Int8"), ("Half", "Half")})}, [], ["INT8 with", "Try FP16"]),
        ("slower", {}, ["Pad the input", "level 5", "to 16"], ["`jetson_clocks` on Jetson) before"]),
        ("slower", {"channels": (128, 64)}, [], ["Pad the input"]),
        ("slower", {"channels": (64, 64), "datatype": "Int8"}, ["Pad the input", "Here 64 to 128 input channels: 2 times the FLOPs."], []),
        ("slower", {"channels": (128, 64), "datatype": "Int8"}, [], ["Pad the input"]),
        ("slower", {"channels": (48, 100)}, ["Here 48 to 64 input and 100 to 128 output channels: 1.71 times the FLOPs."], []),
        ("slower", {"channels": (3, 64)}, ["Here 3 to 64 input channels: 21.3 times the FLOPs."], []),
        ("slower", {"channels": None}, ["Pad the input"], ["Here"]),
        ("slower", {"datatype": "Float"}, ["Pad the input"], ["Here"]),
        ("no-kernel", {"channels": (96, 100)}, ["Here 100 to 112 output channels: 1.12 times the FLOPs."], []),
        ("format-cost", {}, ["Remove what pins"], ["With INT8"]),
        ("format-cost", {"datatype": "Int8"}, ["Remove what pins", "With INT8"], []),
        ("io-format", {"fixed_by": frozenset({"network"})}, ["that input or output"], ["plugin"]),
        ("io-format", {"fixed_by": frozenset({"plugin"})}, ["plugin"], ["that input or output"]),
        ("heuristic-pruned", {}, ["level 5"], ["max_num_tactics"]),
        ("heuristic-pruned", {"version": (10, 4), "opt_level": 5}, ["max_num_tactics"], ["level 5"]),
        ("no-kernel-precision", {"precision": ("fp32",)}, ["Set the FP16"], ["Find what pins", "strongly typed networks, the only"]),
        ("no-kernel-precision", {}, ["Find what pins"], ["Set the FP16"]),
        ("no-kernel-precision", {"version": (11, 0)}, ["strongly typed networks, the only"], ["Find what pins", "Set the FP16"]),
        ("unexplained", {}, ["Check that the files"], ["edited timing cache"]),
        ("unexplained", {"version": (10, 8)}, ["edited timing cache"], []),
        ("no-kernel-arch", {"capability": 8.9}, ["Use a type"], ["Build on a GPU"]),
    ],
)
def test_each_remedy_has_its_conditions(reason: str, facts: dict[str, object], there: list[str], gone: list[str]) -> None:
    found = offered(reason, replace(KNOWN, **facts))  # type: ignore[arg-type]
    assert all(word in found for word in there), found
    assert not [word for word in gone if word in found], found


@pytest.mark.parametrize("reason", [r.id for r in REASONS.values() if "dense" in r.statuses and r.kind == "verdict"])
def test_unknown_facts_remove_no_remedy_but_one_that_needs_them(reason: str) -> None:
    for remedy in REASONS[reason].remedies:
        shown = remedy.text in offered(reason, Facts())
        # Two remedies stand in for others where more is known: those others are shown without it.
        assert shown or remedy.where.words in ("avg_timing_iterations is 16 or more", "TensorRT before 11.0 and the build allows other types")


def test_where_nothing_is_left_one_sentence_says_so() -> None:
    facts = replace(KNOWN, opt_level=5, layouts=frozenset({"HWC8"}), tried=frozenset({("Half", "Half"), ("Int8", "Int8")}))
    (remedy,) = gains(Ruling("no-kernel", "proven", ""), REASONS["no-kernel"], facts, 0.05)
    assert remedy == Remedy("Leave the layer dense: all that is known to help is not there in this TensorRT version, or is so already.")
    assert gains(Ruling("heuristic-pruned", "suggested", ""), REASONS["heuristic-pruned"], replace(KNOWN, version=(8, 5), opt_level=None), None)[0].text.startswith("Leave")
    assert gains(Ruling("picked", "proven", ""), REASONS["picked"], Facts(), None) == []


def test_versions_as_inputs_print_them() -> None:
    assert build_facts(Environment("8.5.2", compute_capability="8.7")) == Facts(version=(8, 5), capability=8.7)
    assert build_facts(Environment("RTX 1.7.1", compute_capability="nan")) == Facts()
    assert build_facts(Environment()) == Facts()


def test_what_to_capture_next_fits_as_well() -> None:
    assert next_capture("no-kernel", Facts(opt_level=5, proven=True)) is None
    assert "level 5" not in (next_capture("no-kernel", Facts(version=(8, 5))) or "")
    assert "level 5" in (next_capture("no-kernel", Facts()) or "")
    assert "10.14" not in (next_capture("myelin-opaque", Facts(version=(10, 16))) or "")
    assert next_capture("no-such-reason", Facts()) is None


# ---- gains


def test_a_bound_stands_behind_no_remedy_that_changes_type_or_shape() -> None:
    other = ("FP16", "INT8", "Pad", "larger batch", "Use a type", "strongly typed", "on a GPU", "clocks", "pins the layer to FP32")
    for reason in REASONS.values():
        for remedy in gains(Ruling(reason.id, "proven", ""), reason, Facts(), 0.05):
            changes = any(word in remedy.text for word in other) and reason.id not in ("format-cost", "io-format")
            assert remedy.gain_kind == "unknown" or not changes, remedy
            assert (remedy.gain_ms is None) == (remedy.gain_kind == "unknown")
    assert [r.gain_kind for r in gains(Ruling("no-kernel", "proven", ""), REASONS["no-kernel"], KNOWN, 0.05)] == ["bound", "bound", "unknown"]


def test_the_surest_gain_comes_first() -> None:
    """Measured, then bound, then unknown, whatever the catalogue's order."""
    remedies = RemedyText("a", "verify.", "measured"), RemedyText("b", "verify.", "bound"), RemedyText("c", "verify.", "unknown")
    for order in permutations(remedies):
        found = gains(Ruling("format-cost", "proven", "", gain_ms=0.02), replace(REASONS["format-cost"], remedies=order), Facts(), 0.05)
        assert [(remedy.gain_kind, remedy.gain_ms) for remedy in found] == [("measured", 0.02), ("bound", 0.05), ("unknown", None)]
    assert gains(Ruling("format-cost", "proven", ""), None, Facts(), 0.05) == gains(Ruling("none", "proven", ""), replace(REASONS["tie"], remedies=()), Facts(), 0.05) == []


def tensor(*dimensions: int, datatype: str | None = "Half") -> TensorInfo:
    return TensorInfo("t", dimensions, datatype, None, "t")


def plain(**fields: Any) -> EngineLayer:
    return EngineLayer("l", "l", fields.pop("type", None), ("l",), inputs=fields.pop("inputs", (tensor(1, 48, 9, 9),)), outputs=fields.pop("outputs", (tensor(1, 80, 9, 9),)), **fields)


@pytest.mark.parametrize(
    ("layer", "convolution", "channels"),
    [
        (plain(kernel=(3, 3)), True, (48, 80)),
        (plain(type="CaskConvolution"), True, (48, 80)),
        (plain(type="fusion", parameter_type="Convolution"), True, (48, 80)),
        (plain(operators=frozenset({"Conv", "Relu"})), True, (48, 80)),
        (plain(type="CaskConvolution", groups=4), True, (12, 80)),
        (plain(type="gemm"), None, None),
        (plain(type="CaskConvolution", outputs=(tensor(1, 80, 9),)), True, None),
        (plain(type="CaskConvolution", inputs=(tensor(1, 48, 9),), outputs=(tensor(1, 80, 9),)), True, None),
        (plain(type="CaskConvolution", inputs=(tensor(1, -1, 9, 9),)), True, None),
        (plain(type="CaskConvolution", inputs=()), True, None),
        (plain(type="CaskConvolution", outputs=()), True, None),
    ],
)  # fmt: skip
def test_channels_are_those_of_convolutions(layer: EngineLayer, convolution: bool | None, channels: tuple[int, int] | None) -> None:
    found = layer_facts(Facts(), layer, None, None, None)
    assert (found.convolution, found.channels) == (convolution, channels)
    assert (found.datatype, found.output) == ("Half" if layer.inputs else None, "Half" if layer.outputs else None)


def test_sizes_that_are_known_come_before_those_of_the_tensors() -> None:
    product = layer_facts(Facts(), plain(type="gemm"), GemmShape(81, 96, 160), None, None)
    assert (product.convolution, product.channels) == (False, (96, 160))
    taps = layer_facts(Facts(), plain(type="CaskConvolution"), GemmShape(81, 9 * 96, 160, taps=9), None, None)
    assert (taps.convolution, taps.channels) == (True, (96, 160))


def test_a_bound_takes_a_time_a_type_and_a_gpu() -> None:
    shape, gpu = GemmShape(1024, 1024, 1024), find_gpu("NVIDIA A10")
    floor = sparse_roofline_ms(shape, gpu, "fp16")
    assert floor is not None
    half = plain(type="gemm")
    assert bound_ms(half, shape, 2 * floor, gpu) == pytest.approx(floor) and bound_ms(half, shape, floor / 2, gpu) == 0
    float_, untyped = (plain(type="gemm", inputs=(tensor(1, 8, datatype=datatype),)) for datatype in ("Float", None))
    for layer, size, dense_ms, known in ((half, shape, None, gpu), (half, shape, 0.0, gpu), (half, shape, 1.0, None), (half, None, 1.0, gpu), (float_, shape, 1.0, gpu), (untyped, shape, 1.0, gpu), (plain(inputs=()), shape, 1.0, gpu)):
        assert bound_ms(layer, size, dense_ms, known) is None


def test_format_cost_gains_what_the_log_measured(tmp_path: Path) -> None:
    found = layer(small(tmp_path), FORMAT_COST)
    assert found.best_dense_ms is not None and found.best_sparse_ms is not None
    (remedy,) = found.remedies
    assert remedy.gain_kind == "measured" and remedy.gain_ms == pytest.approx(found.best_dense_ms - found.best_sparse_ms)


def test_reformats_that_stay_are_part_of_what_is_measured() -> None:
    def measured(reason: str, net_ms: float | None) -> set[tuple[str, float | None]]:
        found = gains(Ruling(reason, "proven", "", gain_ms=0.02), REASONS[reason], Facts(), 0.05, net_ms)
        return {(remedy.gain_kind, remedy.gain_ms) for remedy in found}

    assert measured("io-format", 0.005) == {("measured", 0.005)}
    assert measured("io-format", None) == {("unknown", None)}
    assert measured("unexplained", 0.004) == {("unknown", None), ("measured", 0.004)}
    assert measured("unexplained", None) == {("unknown", None)}  # not every reformat was measured: 0.02 ms is not what it would bring
    # AND what lies in the noise is no gain
    assert gains(Ruling("format-cost", "proven", "", "coin-toss", gain_ms=0.02), REASONS["format-cost"], Facts(), None)[0].gain_ms is None


def test_the_bound_of_the_whole_build_does_not_hang_on_its_remedies(tmp_path: Path) -> None:
    # GIVEN layer info, so that sizes are known, and a GPU with figures
    text = (FIXTURE / "build.log").read_text(encoding="utf-8").replace("Selected Device: Orin", "Selected Device: NVIDIA A10").replace("SMs: 16", "SMs: 72").replace("Capability: 8.7", "Capability: 8.6")
    (tmp_path / "build.log").write_text(text, encoding="utf-8")
    build = explain([str(tmp_path / "build.log"), str(FIXTURE / "layer_info.json")]).captures[0].main
    assert build is not None and find_gpu("NVIDIA A10") is not None
    dense = [one for one in build.layers if one.status == "dense" and one.best_dense_ms is not None]
    assert build.summary.bound_ms is not None
    assert 0 < build.summary.bound_ms < sum(one.best_dense_ms or 0 for one in dense)
    # AND one layer of which nobody knows the sizes is not in the sum, which says so
    fallbacks = build.summary.fallback
    assert build.summary.bound_layers == fallbacks
    info = (FIXTURE / "layer_info.json").read_text(encoding="utf-8")
    start = info.index(f'"{dense[0].name}"')
    (tmp_path / "layer_info.json").write_text(info[:start] + info[start:].replace('"Dimensions": [', '"Dimensions": [-1, ', 1), encoding="utf-8")
    fewer = explain([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")]).captures[0].main
    assert fewer is not None and fewer.summary.fallback == fallbacks and fewer.summary.bound_ms is not None
    assert fewer.summary.bound_layers == fallbacks - 1 and fewer.summary.bound_ms < build.summary.bound_ms


def test_first_steps_take_one_remedy_of_many_layers_together(tmp_path: Path) -> None:
    # GIVEN layers whose padding costs differ
    build = small(tmp_path)
    padded = [(layer, remedy) for layer in build.layers for remedy in layer.remedies if remedy.text.startswith("Pad the input channels to a")]
    layers = [replace(layer, remedies=(replace(remedy, text=f"{remedy.text} Here {n}."),)) for n in range(3) for layer, remedy in padded[:1]]
    # WHEN the report lists what to do first
    steps = first_steps(replace(build, layers=tuple(layers)))
    # THEN it is one step, without a layer's own figure
    assert len(padded) >= 1 and len(steps) == 1 and len(steps[0].layers) == 3
    assert "Here" not in steps[0].text and "Check" not in steps[0].text


def test_what_the_roofline_rules_out_is_not_offered() -> None:
    with_gain, without = (gains(Ruling("slower", "proven", ""), REASONS["slower"], KNOWN, bound) for bound in (0.01, 0.0))
    assert with_gain[0].gain_kind == "bound" and [r for r in with_gain if r.gain_kind != "bound"] == without != []
    # AND where nothing else is left, that is said
    assert gains(Ruling("no-kernel", "proven", ""), REASONS["no-kernel"], KNOWN, 0.0) != []
    facts = replace(KNOWN, layouts=frozenset({"HWC8"}), tried=frozenset({("Half", "Half"), ("Int8", "Int8")}))
    assert [r.text for r in gains(Ruling("no-kernel", "proven", ""), REASONS["no-kernel"], facts, 0.0)] == [
        "Leave the layer dense: its kernel takes no longer than a sparse one would need even at the machine's limits."
    ]
