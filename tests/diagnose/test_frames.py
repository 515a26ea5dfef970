"""The tables of a session: known answers from a log known by heart, and counts that hold for the whole corpus."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pytest

from tests.parse.corpus import CORPUS, WHY_SKIPPED
from tests.small_log import DENSE, DENSE_HWC, DENSE_NAME, HWC8, LAYER, LINEAR, SPARSE, SPARSE_NAME, layer_info_text, log_text
from trtlens.diagnose.frames import Frames, reformat_tensors, schema
from trtlens.diagnose.session import Session
from trtlens.tables import TABLES

LOGS = sorted((CORPUS / "verbose_logs").glob("*")) if CORPUS.is_dir() else []


def line_of(text: str, part: str) -> int:
    """1-based number of the only line that holds `part`."""
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return number


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "build.log").write_text(log_text())
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    return Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")])


def rows(session: Session, name: str) -> list[dict[str, object]]:
    return Frames(session).table(name).to_pylist()


def test_each_tactic_is_a_row_with_its_line(session: Session) -> None:
    text = log_text()
    found = [(r["layer"], r["runner"], r["tactic"], r["kernel"], r["sparse"], r["time_ms"], r["source"]) for r in rows(session, "tactics")]
    assert found == [
        ("Optimizer Reformat(x -> <out>)", "Reformat", 0x3E8, None, False, 0.004, "timed"),
        ("Optimizer Reformat(x -> <out>)", "Reformat", 0, None, False, 0.003, "timed"),
        (LAYER, "CaskConvolution", DENSE, DENSE_NAME, False, 0.0501, "timed"),
        (LAYER, "CudnnConvolution", 1, None, False, None, "timed"),
        (LAYER, "CaskConvolution", SPARSE, SPARSE_NAME, True, 0.0302, "timed"),
        (LAYER, "CaskConvolution", DENSE_HWC, DENSE_NAME, False, 0.0203, "timed"),
        (LAYER, "CaskConvolution", 0x00F00000000000A1, None, None, None, "skipped"),
        ("twin", "CaskConvolution", DENSE, None, None, 0.0501, "cached"),
    ]
    by_tactic = {r["tactic"]: r for r in rows(session, "tactics")}
    assert by_tactic[SPARSE]["line"] == line_of(text, "Time: 0.0302")
    assert by_tactic[SPARSE]["combination"] == HWC8 and by_tactic[SPARSE]["combination_line"] == line_of(text, f"combination: {HWC8}")
    assert by_tactic[0x00F00000000000A1]["skipped_why"] == "scratch: requested 2000, available 1000"
    assert by_tactic[SPARSE]["kernel_from"] == "log" and by_tactic[0x3E8]["kernel_from"] is None


def test_combinations_say_who_won_and_where_the_result_is_from(session: Session) -> None:
    found = [(r["layer"], r["combination"], r["winner_tactic"], r["winner_time_ms"], r["source"]) for r in rows(session, "format_combinations")]
    assert found == [(LAYER, LINEAR, DENSE, 0.0501, "timed"), (LAYER, HWC8, DENSE_HWC, 0.0203, "timed"), ("twin", LINEAR, DENSE, 0.0501, "cached")]
    assert {(r["inputs"], r["outputs"]) for r in rows(session, "format_combinations")} == {tuple(LINEAR.split(" -> ")), tuple(HWC8.split(" -> "))}


def test_silent_failed_and_open_combinations_are_told_apart(tmp_path: Path) -> None:
    v = "[01/02/2026-03:04:05] [V] [TRT] "
    star = "***************"
    lines = ["=============== Computing costs for conv"]
    for number, body in enumerate((
        [], ["--------------- Timing Runner: conv (CublasConvolution)", "CublasConvolution has no valid tactics for this config, skipping"],
        ["--------------- Timing Runner: conv (CaskConvolution)"], ["--------------- Timing Runner: conv (CaskConvolution)", "Tactic: 0x0000000000000007 Time: 0.5"],
    ), 1):  # fmt: skip
        lines += [f"{star} Autotuning format combination: Half({number},1) -> Half({number},1) {star}", *body]
    (tmp_path / "build.log").write_text("\n".join(v + line for line in lines) + "\n")
    found = Frames(Session([str(tmp_path / "build.log")])).table("format_combinations").to_pylist()
    assert [r["source"] for r in found] == ["silent", "no-valid", None, "timed"]
    assert all(r["winner_tactic"] is None and r["winner_time_ms"] is None for r in found)


def test_reformats_carry_tensor_formats_and_cost(session: Session) -> None:
    found = [(r["tensor"], r["to_tensor"], r["from_format"], r["to_format"], r["tactic"], r["time_ms"]) for r in rows(session, "reformats")]
    pair = ("x", None, "Half(50176,784,28,1)", "Half(6272,1:8,224,8)")
    assert found == [(*pair, 0x3E8, 0.004), (*pair, 0, 0.003)]


@pytest.mark.parametrize(
    ("name", "tensors"),
    [
        ("Optimizer Reformat(x -> <out>)", ("x", None)),
        ("Optimizer Reformat(<in> -> y)", ("y", None)),
        ("Optimizer Reformat(a(b) -> c -> d)", ("a(b) -> c", "d")),
        ("conv", (None, None)),
        (None, (None, None)),
    ],
)
def test_tensors_of_a_reformat(name: str | None, tensors: tuple[str | None, str | None]) -> None:
    assert reformat_tensors(name) == tensors


def test_layers_network_and_verdicts_join_by_layer(session: Session) -> None:
    (layer,) = [r for r in rows(session, "layers") if r["layer"] == LAYER]
    assert (layer["tactic"], layer["kernel"], layer["sparse"], layer["groups"], layer["stride"]) == (DENSE_HWC, DENSE_NAME, False, 2, "2x1")
    assert layer["line"] == line_of(log_text(), "Layer(CaskConvolution)") and layer["pointer"] == "/Layers/0" and layer["weights_count"] == 18432
    (node,) = rows(session, "network")
    assert (node["node"], node["operator"], node["layer"], node["groups"], node["kernel"], node["stride"]) == ("conv1", "Conv", LAYER, 2, "3x3", "2x1")
    assert node["input_shapes"] == ["1x64x28x28", "64x32x3x3"] and node["output_types"] == ["FLOAT"]
    (verdict,) = [r for r in rows(session, "verdicts") if r["layer"] == LAYER]
    diagnosed = next(v for v in session.main().main.layers if v.name == LAYER)  # type: ignore[union-attr]
    assert (verdict["status"], verdict["reason"], verdict["proof"]) == (diagnosed.status, diagnosed.reason, diagnosed.proof) == ("dense", "slower", "suggested")
    assert verdict["best_sparse_ms"] == 0.0302 and math.isclose(verdict["margin"], 0.0302 / 0.0203 - 1)  # type: ignore[arg-type]
    assert line_of(log_text(), "Time: 0.0302") in verdict["evidence_lines"]  # type: ignore[operator]


def test_pandas_keeps_ids_whole_and_repeated_text_categorical(session: Session) -> None:
    frame = Frames(session).pandas("tactics")
    assert str(frame["tactic"].dtype) == "UInt64" and int(frame["tactic"].max()) == SPARSE
    assert str(frame["layer"].dtype) == str(frame["kernel"].dtype) == "category"
    assert str(frame["sparse"].dtype) == "boolean" and frame["sparse"].isna().sum() == 2


def test_small_batches_hold_the_same_rows(session: Session) -> None:
    frames = Frames(session)
    for name in TABLES:
        parts = list(frames.batches(name, rows=2))
        assert all(part.num_rows <= 2 for part in parts)
        assert [row for part in parts for row in part.to_pylist()] == frames.table(name).to_pylist()


def test_a_log_without_rows_gives_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    frames = Frames(Session([str(tmp_path / "layer_info.json")]))
    for name, table in TABLES.items():
        found = frames.table(name)
        assert found.schema.equals(schema(table)) and tuple(found.column_names) == table.names
    assert frames.table("tactics").num_rows == 0 and frames.table("layers").num_rows == 1


def test_text_that_utf8_cannot_hold_and_numbers_too_large_are_not_errors(tmp_path: Path) -> None:
    text = layer_info_text(layer="conv").replace('"conv"', '"conv \\ud800"').replace("18432", str(10**30))
    (tmp_path / "layer_info.json").write_text(text)
    (row,) = Frames(Session([str(tmp_path / "layer_info.json")])).table("layers").to_pylist()
    assert row["layer"].startswith("conv ") and "ud800" in row["layer"] and row["weights_count"] is None


@pytest.mark.skipif(not LOGS, reason=WHY_SKIPPED)
def test_corpus_every_row_of_the_parser_is_in_a_table() -> None:
    seen = 0
    for path in LOGS[::4]:
        session = Session([str(path)])
        log, frames = session.captures[0].log, Frames(session)
        if log is None:
            continue
        tactics, combinations = frames.table("tactics"), frames.table("format_combinations")
        reformat = log.combinations["is_reformat"] != 0
        assert tactics.num_rows == len(log.tactics) and combinations.num_rows == int((~reformat).sum()), path.name
        assert tactics.column("line").to_pylist() == log.tactics.line.tolist()
        for column in ("layer", "kernel", "combination"):
            assert pa.types.is_dictionary(tactics.schema.field(column).type)
        owner = log.sections["combination"][log.tactics.section]
        timed = (log.tactics.source == 0) | (log.tactics.source == 1)
        assert frames.table("reformats").num_rows == int((reformat[owner] & timed).sum())
        seen += tactics.num_rows
    assert seen > 10_000


def test_several_captures_stand_in_one_table_under_their_names(tmp_path: Path) -> None:
    folders = []
    for name, sparse_name in (("a", SPARSE_NAME), ("b", "sm80_xmma_gemm_other")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "build.log").write_text(log_text(sparse_name=sparse_name))
        folders.append(str(tmp_path / name))
    frame = Frames(Session(folders)).pandas("tactics")
    assert list(frame["capture"].cat.categories) == folders
    assert frame.groupby("capture", observed=True).size().to_list() == [8, 8]
    assert frame.loc[frame["tactic"] == SPARSE, "kernel"].to_list() == [SPARSE_NAME, "sm80_xmma_gemm_other"]
