"""What each kind of layer is, whether its kernel is sparse, and which times are its own. Every layer here is invented.

In: `EngineLayer`s and timing profiles made by hand, small logs. Out: assertions on what diagnose/layers.py says of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    DENSE_HWC,
    INFO_HWC8,
    KERNELS,
    LAYER,
    PAIR,
    SPARSE,
    Log,
    combination,
    dense_log,
    engine_line,
    info,
    info_layer,
    layer,
    left_out_log,
    main,
    tactic,
)
from trtlens.diagnose.explain import explain
from trtlens.diagnose.layers import EngineLayer, concern, join_times, profile_total_ms, runner_may_be_sparse
from trtlens.parse.records import Note, ProfileRow, TimingProfile

REGION = "{ForeignNode[a...b]}"


def engine_layer(**known: Any) -> EngineLayer:
    return EngineLayer(**{"name": "a", "base_name": "a", "type": None, "onnx_nodes": (), **known})


def repr_sorted(value: object) -> str:
    """The same in every process: the order of a set is not, and pytest-xdist wants one list of tests."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={sorted(item) if isinstance(item, frozenset) else item}" for name, item in value.items())
    return str(value)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"listed_only": True}, "weights"),
        ({"region": REGION, "type": "Myelin"}, "weights"),
        ({"type": "Reformat", "has_sparse_weights": False}, "other"),
        ({"type": "NoOp"}, "other"),
        ({"type": "kgen", "origin": "REFORMAT", "has_sparse_weights": False}, "other"),
        ({"name": "Reformatting CopyNode for Input Tensor 0 to a", "type": "CaskConvolution"}, "other"),
        ({"type": "CaskPooling", "has_sparse_weights": False}, "weights"),
        ({"type": "CaskPooling", "parameter_type": "Convolution"}, "weights"),
        ({"operators": frozenset({"Relu"})}, "other"),
        ({"operators": frozenset({"Relu", "Conv"})}, "weights"),
        ({"name": REGION, "operators": frozenset()}, "opaque"),
        ({}, "unknown"),
        ({"type": "14"}, "unknown"),
        ({"type": "14", "operators": frozenset({"Conv"})}, "weights"),
        ({"type": "DLA"}, "weights"),
        ({"type": "dlaNode"}, "weights"),
        ({"type": "Myelin"}, "opaque"),
        ({"type": "NewKind", "name": REGION}, "opaque"),
        ({"type": "kgen", "name": REGION}, "other"),
        ({"type": "PluginV2Conv"}, "other"),
        ({"type": "runtime_fusion", "name": "__myl_CorrMulAdd_myl0_2"}, "weights"),
        ({"type": "runtime_fusion", "name": "__myl_Add_myl0_1"}, "other"),
        ({"type": "CaskConvolution"}, "weights"),
        ({"type": "CaskConvActPool"}, "weights"),
        ({"type": "ConvolutionPool"}, "other"),
        ({"type": "CaskPooling"}, "other"),
        ({"type": "kgen", "tactic_name": KERNELS[DENSE]}, "weights"),
        ({"type": "kgen", "tactic_name": "sm80_pooling_kernel"}, "other"),
    ],
    ids=repr_sorted,
)
def test_what_sparsity_concerns(known: dict[str, Any], expected: str) -> None:
    assert concern(engine_layer(**known)) == expected


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"tactic_name": KERNELS[SPARSE], "type": "CudnnConvolution"}, True), ({"tactic_name": KERNELS[DENSE]}, False), ({"tactic_name": "my_own_kernel_v2"}, None),
        ({"type": "CudnnConvolution"}, False), ({"type": "CudnnConvolution", "listed_only": True}, None), ({"type": "CudnnConvolution", "tuned_only": True}, None),
        ({"type": "CaskConvolution"}, None), ({}, None),
    ],
    ids=repr_sorted,
)  # fmt: skip
def test_which_kernels_are_sparse(known: dict[str, Any], expected: bool | None) -> None:
    assert engine_layer(**known).sparse is expected


def test_which_runners_may_hold_sparse_kernels() -> None:
    assert [runner_may_be_sparse.__wrapped__(name) for name in (None, "CaskConvolution", "BrandNewRunner", "CudnnConvolution", "CublasLt")] == [True, True, True, False, False]


def profile(*rows: tuple[str, float | None, float | None, float | None]) -> TimingProfile:
    return TimingProfile(tuple(ProfileRow(name, None, average, median, percent) for name, average, median, percent in rows), 10, "json-8.5")


def test_times_are_joined_by_name_and_order() -> None:
    layers = [engine_layer(name=name) for name in ("a", "b", "a", "c", "d")]
    rows = profile(("a", 1.0, 0.9, 10.0), ("a", 3.0, None, None), ("b", None, None, None), ("x", 6.0, 5.0, None), ("c", None, 0.5, None))
    times, lost = join_times(layers, rows)
    found = [(item.time_ms, item.stat, item.percent, item.row) if item is not None else None for item in times]
    assert found == [(0.9, "median", 10.0, 0), (None, None, None, 2), (3.0, "average", 30.0, 1), (0.5, "median", None, 4), None] and lost == [3]
    assert profile_total_ms(rows) == pytest.approx(0.9 + 3.0 + 5.0 + 0.5)
    none = profile(("a", None, None, None), ("b", 0.0, None, None))
    assert [item.percent if item is not None else "no row" for item in join_times(layers[:2], none)[0]] == [None, None]
    assert profile_total_ms(profile(("a", None, None, None))) is None and profile_total_ms(profile()) is None and profile_total_ms(none) == 0.0


def test_what_was_tuned_is_known_of_a_cut_log(tmp_path: Path) -> None:
    """Without an engine, layers are those of the last pass, each with the runner that won last or, where none did, was tried first."""
    races = [
        *layer("a", combination("a", PAIR[0], [(DENSE, 0.05)], DENSE), combination("a", PAIR[1], [tactic(1, 0.04, None)], 1, "CudnnConvolution")),
        *layer("b", combination("b", PAIR[0], [(DENSE, 0.05)], None), combination("b", PAIR[1], [], None, "CudnnConvolution")),
    ]  # fmt: skip
    text = Log(races, [], lists=[]).text()
    build = main(tmp_path, text[: text.index("[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information")])
    assert [(item.name, item.type) for item in build.layers] == [("a", "CudnnConvolution"), ("b", "CaskConvolution")]
    assert all(item.status != "dense" and item.tactic.sparse is None for item in build.layers)


def test_names_only_layer_info_takes_what_the_logs_line_says(tmp_path: Path) -> None:
    names = '{"Layers": ["conv1"], "Bindings": ["x", "y"]}'
    found = main(tmp_path, dense_log(), names).layers[0]
    assert (found.type, found.tactic.id, found.status, found.reason) == ("CaskConvolution", DENSE_2, "dense", "no-kernel")
    other = info([{"Name": LAYER, "LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "TacticName": KERNELS[DENSE_HWC]}])
    found = main(tmp_path, dense_log(), other).layers[0]
    assert found.tactic.name == KERNELS[DENSE_HWC] and found.tactic.id is None  # what the layer info says itself is not mixed with the log's


def test_an_engine_line_of_no_known_form_is_left_out(tmp_path: Path) -> None:
    log = dense_log()
    log.engine.append("Layer(NewKind) of another form")
    build = main(tmp_path, log)
    assert [item.name for item in build.layers] == [LAYER]


@pytest.mark.parametrize(
    ("shares", "total"),
    [
        ([60.0, 40.0], 3.0),
        ([60.0, 39.5], 3.0),  # rounded
        ([0.36, 0.17], None),  # an excerpt
        ([60.0, 80.0], None),  # rows that stand twice
        ([None, None], 3.0),
        ([60.0, None], 3.0),  # not every row says its share
    ],
)
def test_rows_whose_shares_are_not_the_whole_have_no_total(shares: list[float | None], total: float | None) -> None:
    rows = tuple(ProfileRow(f"layer {n}", None, time, None, share) for n, (time, share) in enumerate(zip((1.0, 2.0), shares, strict=True)))
    assert profile_total_ms(TimingProfile(rows, None, "json-8.5")) == total


@pytest.mark.parametrize(
    ("rows", "notes", "total"),
    [
        ([(0.5, 50.0), (0.5, 50.0)], [], 1.0),
        ([(0.5, 50.0), (None, 50.0)], [], None),
        ([(0.5, 100.0), (None, None)], [], 0.5),
        ([(0.5, 50.0), (0.5, 50.0)], [Note("line 9", "skipped, no complete row")], None),
        ([(0.5, 50.0), (0.5, 50.0)], [Note("document", "quotes repaired", lost=False)], 1.0),
    ],
    ids=["whole", "a row that ran has no time", "a row did not run", "a row was lost", "a repair"],
)
def test_what_the_rows_leave_out_has_no_total(rows: list[tuple[float | None, float | None]], notes: list[Note], total: float | None) -> None:
    found = tuple(ProfileRow(f"layer{number}", None, time, time, share) for number, (time, share) in enumerate(rows))
    assert profile_total_ms(TimingProfile(found, None, "json-8.5", tuple(notes))) == total


def test_a_row_is_no_layers_where_more_layers_than_rows_have_its_name() -> None:
    layers = [EngineLayer(name, name, "CaskConvolution", ()) for name in ("twice", "twice", "once")]
    rows = tuple(ProfileRow(name, None, 0.5, 0.5, 50.0) for name in ("twice", "once"))
    times, lost = join_times(layers, TimingProfile(rows, None, "json-8.5"))
    assert [item.time_ms if item is not None else None for item in times] == [None, None, 0.5] and lost == []


def test_a_damaged_profile_is_said_to_be_one(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(40)]
    (tmp_path / "layer_info.json").write_text(info([info_layer(name, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in names]))
    rows = [{"count": 10}, *({"name": name, "timeMs": 0.25, "averageMs": 0.025, "medianMs": 0.025, "percentage": 2.5} for name in names)]
    whole = json.dumps(rows, indent=1)
    for text, warned in ((whole, set()), (whole[: whole.index('"c39"')], {"damaged-input"})):
        (tmp_path / "profile.json").write_text(text)
        build = explain([str(tmp_path / "layer_info.json"), str(tmp_path / "profile.json")]).captures[0].main
        assert build is not None and {w.id for w in build.warnings} == warned
        assert build.summary.total_time_ms == (None if warned else pytest.approx(1.0))


def test_what_runs_sparse_counts_as_eligible_though_nothing_else_says_so(tmp_path: Path) -> None:
    """Layer info of matrix products has no HasSparseWeights: the engine has two eligible layers, and one of them runs dense."""
    product = info_layer("product", SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}, kind="MatrixMultiply")
    (tmp_path / "layer_info.json").write_text(info([product, info_layer(LAYER, DENSE, {"y": INFO_HWC8}, {"z": INFO_HWC8})]))
    build = explain([str(tmp_path / "layer_info.json")]).captures[0].main
    assert build is not None
    assert [(item.status, item.eligibility.value) for item in build.layers] == [("sparse", None), ("dense", True)]
    assert (build.summary.eligible, build.summary.picked, build.summary.fallback) == (2, 1, 1)
    (tmp_path / "layer_info.json").write_text(info([product]))
    build = explain([str(tmp_path / "layer_info.json")]).captures[0].main
    assert build is not None and (build.summary.eligible, build.summary.picked) == (None, 1)


@pytest.mark.parametrize(("others", "warned"), [([], set()), (["of another engine"], {"unmatched-rows"})])
def test_a_profile_of_another_engine_than_the_log_prints_is_noticed(others: list[str], warned: set[str], tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(dense_log().text())
    row = {"timeMs": 1.0, "averageMs": 0.5, "medianMs": 0.5, "percentage": 100.0 / (1 + len(others))}
    (tmp_path / "profile.json").write_text(json.dumps([{"count": 2}, *({"name": name, **row} for name in (LAYER, *others))]))
    build = explain([str(tmp_path / "build.log"), str(tmp_path / "profile.json")]).captures[0].main
    assert build is not None and {w.id for w in build.warnings} == warned


@pytest.mark.parametrize(
    ("lines", "reason", "recoverable_ms"),
    [
        ([(DENSE, 0.05)], "no-kernel", 0.0),
        ([(DENSE, 0.05), (SPARSE, 0.09)], "slower", 0.0),
        ([(DENSE, 0.05), tactic(0x9990000000000001, 0.06)], "no-kernel", None),
    ],
    ids=["nothing sparse was timed", "sparse was slower", "a nameless tactic"],
)
def test_what_could_be_won_back_is_only_known_where_sparse_was_timed_or_cannot_be(lines: list[Any], reason: str, recoverable_ms: float | None, tmp_path: Path) -> None:
    build = main(tmp_path, Log(layer(LAYER, combination(LAYER, PAIR[0], lines, DENSE)), [engine_line(LAYER, DENSE)]))
    assert [item.reason for item in build.layers] == [reason] and build.summary.recoverable_ms == recoverable_ms
    skipped = main(tmp_path, left_out_log())
    assert [item.reason for item in skipped.layers] == ["workspace"] and skipped.summary.recoverable_ms is None
