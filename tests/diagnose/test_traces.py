"""Kernel traces: what they may decide, what they confirm and how they are cited. Every text here is invented; nothing in it was measured."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    INFO_HWC8,
    KERNELS,
    LAYER,
    PAIR,
    SPARSE,
    Log,
    combination,
    engine_line,
    info,
    info_layer,
    layer,
    tactic,
)
from trtlens.diagnose.explain import explain
from trtlens.diagnose.layers import EngineLayer
from trtlens.diagnose.model import BuildDiagnosis, Evidence, LineEvidence, PointerEvidence
from trtlens.diagnose.session import Session
from trtlens.diagnose.traces import Traced, read_traces
from trtlens.parse.kernel_trace import parse_kernel_trace

POOL = "sm50_xmma_pooling_max_NCHW_HALF_WINDOWSIZE_3_NOT_PROPAGATE_NAN_2D"


def csv(*kernels: str) -> str:
    rows = [f'{100 * n},50,{n},"NVIDIA A10",1,7,"{name}_execute_kernel_trt"' for n, name in enumerate(kernels, 1)]
    return "\n".join(["Processing [report.sqlite]...", "", "Start (ns),Duration (ns),CorrId,Device,Ctx,Strm,Name", *rows, ""])


def engine(unnamed: int, *named: int) -> str:
    """Layers whose tactics no input names, then layers that run known kernels."""
    made = [{**info_layer(f"conv{n}", 0x9990000000000000 + n, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 1} for n in range(unnamed)]
    made += [info_layer(f"known{n}", number, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for n, number in enumerate(named)]
    return info(made)


def explained(tmp_path: Path, layers: str, trace: str) -> BuildDiagnosis:
    (tmp_path / "li.json").write_text(layers)
    (tmp_path / "trace.csv").write_text(trace)
    found = explain([str(tmp_path / "li.json"), str(tmp_path / "trace.csv")]).captures[0].main
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kernels", "status"),
    [
        ([KERNELS[DENSE]], "undetermined"),
        ([KERNELS[DENSE], KERNELS[DENSE], POOL, POOL], "undetermined"),
        ([KERNELS[DENSE], KERNELS[DENSE], KERNELS[DENSE_2]], "dense"),
        ([KERNELS[DENSE]] * 3 + [KERNELS[SPARSE]], "undetermined"),
        ([KERNELS[DENSE]] * 3 + ["my_own_kernel_v2"], "undetermined"),
    ],
    ids=["one launch", "too few products", "enough", "one is sparse", "one has no telling name"],
)
def test_a_trace_decides_only_if_it_can_hold_a_whole_inference(kernels: list[str], status: str, tmp_path: Path) -> None:
    found = explained(tmp_path, engine(3), csv(*kernels))
    assert {item.status for item in found.layers} == {status} and all(layer.proof != "proven" for layer in found.layers)


def cites(evidence: tuple[Evidence, ...]) -> list[tuple[int, int, str]]:
    return [(item.input, item.line, item.text) for item in evidence if isinstance(item, LineEvidence)]


def test_rows_of_a_trace_are_cited_by_their_line_and_text(tmp_path: Path) -> None:
    text = csv(KERNELS[DENSE], KERNELS[DENSE], KERNELS[DENSE_2])
    found = explained(tmp_path, engine(2, DENSE_2), text)
    lines = text.split("\n")
    for one in found.layers:
        rows = cites(one.evidence)
        assert rows and all(number == 1 and lines[line - 1] == said for number, line, said in rows)
    assert [line for _, line, _ in cites(found.layers[2].evidence)] == [6]
    assert not [item for layer in found.layers for item in layer.evidence if isinstance(item, PointerEvidence) and item.input == 1]


def test_a_trace_that_lacks_the_engines_kernels_is_of_another_one(tmp_path: Path) -> None:
    found = explained(tmp_path, engine(1, DENSE_2), csv(KERNELS[DENSE], KERNELS[DENSE], KERNELS[DENSE]))
    (warning,) = [w for w in found.warnings if w.id == "capture-mismatch"]
    assert KERNELS[DENSE_2] in warning.message and "1 of the 1 kernels" in warning.message and cites(warning.evidence)
    assert found.layers[0].status == "undetermined" and not cites(found.layers[1].evidence)


def test_a_launch_may_have_a_longer_or_shorter_name_than_its_tactic(tmp_path: Path) -> None:
    for name in (KERNELS[DENSE_2] + "_aligna8_alignc8", KERNELS[DENSE_2].rpartition("_")[0]):
        found = explained(tmp_path, engine(1, DENSE_2), csv(name, name))
        assert not [w for w in found.warnings if w.id == "capture-mismatch"] and found.layers[0].status == "dense"


@pytest.mark.parametrize("length", [15, 70, len(KERNELS[DENSE_2]) - 1], ids=["a few words", "within a word", "all but one letter"])
def test_a_name_that_was_cut_is_not_the_name_of_a_kernel(length: int, tmp_path: Path) -> None:
    """Three sparse launches and one dense one begin alike; a name with another number at its end is another kernel's."""
    found = explained(tmp_path, engine(1, DENSE_2), csv(*[KERNELS[DENSE_2][:length]] * 4))
    assert [w.id for w in found.warnings if w.id == "capture-mismatch"] and found.layers[0].status == "undetermined"
    longer = explained(tmp_path, engine(1, DENSE_2), csv(*[f"{KERNELS[DENSE_2]}4"] * 2))
    assert [w.id for w in longer.warnings if w.id == "capture-mismatch"] and longer.layers[0].status == "undetermined"


def test_one_of_the_names_in_a_trace_may_be_shorter_than_the_tactics(tmp_path: Path) -> None:
    """Whatever other names the trace holds."""
    found = explained(tmp_path, engine(1, DENSE_2), csv(KERNELS[DENSE_2].rpartition("_")[0], KERNELS[DENSE]))
    assert not [w for w in found.warnings if w.id == "capture-mismatch"] and found.layers[0].status == "dense"


def read(tmp_path: Path, layers: list[EngineLayer], *traces: str) -> Traced:
    parsed = []
    for number, text in enumerate(traces):
        (tmp_path / f"{number}.csv").write_text(text)
        parsed.append((number, parse_kernel_trace(str(tmp_path / f"{number}.csv"))))
    return read_traces(parsed, layers)


def runs(kernel: str | None, kind: str = "CaskConvolution", by: Literal["layer_info", "log", "names", "none"] = "layer_info") -> EngineLayer:
    return EngineLayer(kernel or "unnamed", kernel or "unnamed", kind, (), tactic_name=kernel, named_by=by if kernel else "none")


OTHERS = [f"sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize{n}x64x32_stage3" for n in range(10, 40)]


def test_layers_that_sparsity_does_not_concern_are_not_looked_for(tmp_path: Path) -> None:
    """A pooling is neither missed nor does it launch a product."""
    found = read(tmp_path, [runs(KERNELS[DENSE]), runs(POOL, "CudaPooling"), runs(None, "CudaPooling")], csv(KERNELS[DENSE]))
    assert found.all_dense is not None and not found.warnings
    lacking = read(tmp_path, [runs(KERNELS[DENSE]), runs(None), runs(POOL, "CudaPooling")], csv(KERNELS[DENSE], POOL))
    assert lacking.all_dense is None  # one product for two layers with weights


def test_only_kernels_that_the_capture_itself_names_are_looked_for(tmp_path: Path) -> None:
    """Another log's names are guesses, and a stub stands for a kernel that is chosen later."""
    for guess in (runs(KERNELS[DENSE_2], by="names"), runs("__myelin_CASK_STUB", "gemm")):
        found = read(tmp_path, [runs(KERNELS[DENSE]), guess], csv(KERNELS[DENSE], KERNELS[DENSE]))
        assert not found.warnings and found.all_dense is not None
    for sure in (runs(KERNELS[DENSE_2]), runs(KERNELS[DENSE_2], by="log")):
        assert read(tmp_path, [runs(KERNELS[DENSE]), sure], csv(KERNELS[DENSE], KERNELS[DENSE])).warnings


@pytest.mark.parametrize(("missing", "warned", "dense"), [(0, False, True), (1, False, False), (2, True, False)])
def test_a_trace_that_lacks_a_kernel_does_not_say_that_all_are_dense(missing: int, warned: bool, dense: bool, tmp_path: Path) -> None:
    """Up to a twentieth may be missing before the trace is of another engine; what is missing may be sparse all the same."""
    ran = OTHERS[missing:]
    found = read(tmp_path, [runs(name) for name in OTHERS], csv(*ran, *ran))
    assert bool(found.warnings) is warned and (found.all_dense is not None) is dense and bool(found.kernels) is not warned


def test_each_trace_is_read_by_itself(tmp_path: Path) -> None:
    of_another, own = csv(KERNELS[DENSE_2]), csv(KERNELS[DENSE])
    for traces in ((of_another, own), (own, of_another)):
        found = read(tmp_path, [runs(KERNELS[DENSE])], *traces)
        assert len(found.warnings) == 1 and found.all_dense is not None and set(found.kernels) == {KERNELS[DENSE]}


def test_a_trace_of_the_engine_raises_nothing(tmp_path: Path) -> None:
    assert not [w for w in explained(tmp_path, engine(0, DENSE, DENSE_2), csv(KERNELS[DENSE], KERNELS[DENSE_2])).warnings if w.id == "capture-mismatch"]


def test_a_database_has_no_lines_to_cite(tmp_path: Path) -> None:
    (tmp_path / "li.json").write_text(engine(1))
    with sqlite3.connect(tmp_path / "trace.sqlite") as base:
        base.execute("CREATE TABLE StringIds (id INTEGER, value TEXT)")
        base.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, demangledName INTEGER)")
        base.execute("INSERT INTO StringIds VALUES (1, ?)", (KERNELS[DENSE],))
        base.execute("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 2, 1)")
    found = explain([str(tmp_path / "li.json"), str(tmp_path / "trace.sqlite")]).captures[0].main
    assert found is not None and found.layers[0].status == "dense"
    assert [item for item in found.layers[0].evidence if isinstance(item, PointerEvidence) and item.pointer == "" and "none of the 1 kernels" in item.text]
    assert parse_kernel_trace(str(tmp_path / "trace.sqlite")).rows == {}


def test_the_first_row_of_each_kernel_is_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv("a", "b", "a"))
    rows = parse_kernel_trace(str(tmp_path / "t.csv")).rows
    assert {name: line for name, (line, _) in rows.items()} == {"a_execute_kernel_trt": 4, "b_execute_kernel_trt": 5}


def test_a_trace_with_lost_rows_does_not_show_that_all_is_dense(tmp_path: Path) -> None:
    text = csv(KERNELS[DENSE], KERNELS[DENSE], KERNELS[SPARSE])
    lost = text.replace("300,50,3", "?,50,3")
    assert explained(tmp_path, engine(2), text.replace(f'300,50,3,"NVIDIA A10",1,7,"{KERNELS[SPARSE]}_execute_kernel_trt"\n', "")).layers[0].status == "dense"
    found = explained(tmp_path, engine(2), lost)
    assert {item.status for item in found.layers} == {"undetermined"}
    (warning,) = [w for w in found.warnings if w.id == "damaged-input"]
    assert "kernel trace, line 6" in warning.message


@pytest.mark.parametrize(("kernels", "status"), [([POOL], "undetermined"), ([KERNELS[DENSE]], "undetermined"), ([KERNELS[DENSE]] * 2, "dense")])
def test_layers_known_by_name_alone_may_launch_products_too(kernels: list[str], status: str, tmp_path: Path) -> None:
    lists = ["(Sparsity) Layers eligible for sparse math: conv1, conv2"]
    (tmp_path / "build.log").write_text(Log([], [], lists=lists).text().replace("Engine Layer Information:", "the log goes on"))
    (tmp_path / "li.json").write_text('{"Layers": ["conv1", "conv2"], "Bindings": ["x", "y"]}')
    (tmp_path / "trace.csv").write_text(csv(*kernels))
    found = explain([str(tmp_path / name) for name in ("build.log", "li.json", "trace.csv")]).captures[0].main
    assert found is not None and {item.status for item in found.layers} == {status}


UNNAMED = 0x9990000000000007


def race_of_two(picked: str | None) -> str:
    """An unnamed tactic won and runs; `picked`: what the list of chosen layers says, None where it is not there."""
    lists = None if picked is not None else [f"(Sparsity) Layers eligible for sparse math: {LAYER}"]
    tuned = layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05), (UNNAMED, 0.03)], UNNAMED))
    return Log(tuned, [engine_line(LAYER, UNNAMED)], picked=picked or "", lists=lists).text()


@pytest.mark.parametrize(("picked", "status"), [(LAYER, "sparse"), ("", "dense")], ids=["the list names it", "the list is empty"])
def test_a_trace_without_a_sparse_kernel_is_not_of_an_engine_that_chose_one(picked: str, status: str, tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(race_of_two(picked))
    (tmp_path / "trace.csv").write_text(csv(KERNELS[DENSE], KERNELS[DENSE]))
    found = explain([str(tmp_path / "build.log"), str(tmp_path / "trace.csv")]).captures[0].main
    assert found is not None and found.layers[0].status == status
    assert ("capture-mismatch" in {w.id for w in found.warnings}) is (status == "sparse")
    assert any(isinstance(e, LineEvidence) and e.input == 1 for e in found.layers[0].evidence) is (status == "dense")


@pytest.mark.parametrize("traced", [True, False], ids=["against the trace", "against the list"])
def test_a_foreign_name_that_the_capture_contradicts_is_dropped(traced: bool, tmp_path: Path) -> None:
    """What another log calls the tactic is wrong here: the capture itself holds together, and nothing shows the name that does not."""
    other = layer("z", combination("z", PAIR[0], [tactic(UNNAMED, 0.03, KERNELS[SPARSE])], UNNAMED))
    (tmp_path / "other.log").write_text(Log(other, [engine_line("z", UNNAMED)], "z").text())
    (tmp_path / "build.log").write_text(race_of_two(None if traced else ""))
    paths = [str(tmp_path / "build.log")]
    if traced:
        (tmp_path / "trace.csv").write_text(csv(KERNELS[DENSE], KERNELS[DENSE]))
        paths.append(str(tmp_path / "trace.csv"))
    found = Session(paths, names=[str(tmp_path / "other.log")]).main().main
    assert found is not None
    (only,) = found.layers
    assert (only.status, only.proof, only.tactic.name, only.tactic.sparse) == ("dense", "unknown", None, False)
    assert "another log" in only.summary and not [w for w in found.warnings if w.id == "capture-mismatch"]
