"""What a report shows beyond the verdicts: races, reformats beside a layer, ceilings, identity."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from tests.parse.corpus import CORPUS, WHY_SKIPPED
from tests.small_log import DENSE_HWC, DENSE_NAME, HWC8, LAYER, LINEAR, SPARSE, SPARSE_NAME, layer_info_text, log_text
from tests.synthetic.truth import make_capture
from trtlens.diagnose import extras as extras_module
from trtlens.diagnose.extras import ReportExtras, TacticTiming, race_of, report_extras
from trtlens.diagnose.session import Session
from trtlens.text import tactic_hex

LOGS = sorted((CORPUS / "verbose_logs").glob("*")) if CORPUS.is_dir() else []


def session_of(folder: Path) -> Session:
    (folder / "build.log").write_text(log_text())
    (folder / "layer_info.json").write_text(layer_info_text())
    return Session([str(folder / "build.log"), str(folder / "layer_info.json")])


def extras_of(session: Session) -> ReportExtras:
    found = session.extras()
    assert found is not None
    return found


def line_of(*parts: str) -> int:
    (number,) = [n for n, line in enumerate(log_text().splitlines(), 1) if all(part in line for part in parts)]
    return number


def test_a_race_holds_its_tactics_fastest_first_with_their_lines(tmp_path: Path) -> None:
    linear, hwc8 = extras_of(session_of(tmp_path)).races[LAYER]
    assert (linear.combination, linear.runs, hwc8.combination, hwc8.runs) == (LINEAR, False, HWC8, True)
    assert hwc8.tactics == (
        TacticTiming(DENSE_NAME, tactic_hex(DENSE_HWC), False, 0.0203, line_of(f"Tactic: 0x{DENSE_HWC:016x} Time: 0.0203", "Tactic Name")),
        TacticTiming(SPARSE_NAME, tactic_hex(SPARSE), True, 0.0302, line_of("Time: 0.0302")),
    )
    assert (hwc8.winner, hwc8.omitted) == (tactic_hex(DENSE_HWC), 0)


def test_a_reformat_beside_the_layer_costs_its_fastest_time(tmp_path: Path) -> None:
    (cost,) = extras_of(session_of(tmp_path)).reformats[LAYER]
    assert (cost.tensor, cost.from_format, cost.to_format, cost.time_ms) == ("x", "Half(50176,784,28,1)", "Half(6272,1:8,224,8)", 0.003)
    assert cost.line == line_of("[TRT] Tactic: 0x0000000000000000 Time: 0.003")


def test_identity_is_that_of_the_log(tmp_path: Path) -> None:
    found = extras_of(session_of(tmp_path))
    assert found.model == "tiny.onnx" and found.date == "01/02/2026-03:04:05"
    assert found.options == ("trtexec", "--onnx=tiny.onnx", "--fp16", "--sparsity=enable", "--verbose")
    assert (found.noise_ratio, found.noise_ms) == (0.03, 0.001)


def test_a_ceiling_needs_shape_type_and_gpu(tmp_path: Path) -> None:
    session_of(tmp_path)
    info = tmp_path / "layer_info.json"
    info.write_text(info.read_text().replace('"Stride": [2, 1]', '"Stride": [1, 1], "Dilation": [1, 1]'))
    ceiling = extras_of(Session([str(tmp_path / "build.log"), str(info)])).ceilings[LAYER]
    assert ceiling.ideal_ratio is not None and 1.0 <= ceiling.ideal_ratio <= 2.0
    assert ceiling.bound_ratio is not None and ceiling.bound_ratio >= 1.0
    unknown = log_text().replace("NVIDIA A10", "NVIDIA Something New")
    (tmp_path / "build.log").write_text(unknown)
    assert LAYER not in extras_of(Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")])).ceilings


def test_slow_tactics_are_counted_and_the_best_of_each_kind_kept(tmp_path: Path) -> None:
    text = log_text()
    named = next(line for line in text.splitlines() if "Time: 0.0203" in line)
    slower = "\n".join(named.replace(f"{DENSE_HWC:016x}", f"{DENSE_HWC + n:016x}").replace("0.0203", f"0.0{204 + n}") for n in range(1, 90))
    (tmp_path / "build.log").write_text(text.replace(named, f"{named}\n{slower}"))
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    session = Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")])
    hwc8 = extras_of(session).races[LAYER][1]
    assert len(hwc8.tactics) == extras_module.TACTICS_PER_RACE + 1 and hwc8.omitted == 91 - len(hwc8.tactics)
    assert hwc8.tactics[-1].kernel == SPARSE_NAME and hwc8.tactics[0].time_ms == 0.0203


def test_layers_that_sparsity_does_not_concern_have_no_race(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(log_text().replace("Sparsity: Enabled", "Sparsity: Disabled"))
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    session = Session([str(tmp_path / "build.log"), str(tmp_path / "layer_info.json")])
    main = session.main().main
    assert main is not None
    concerned = {v.name for v in main.layers if v.status in ("sparse", "dense") or (v.status == "undetermined" and v.eligibility.value)}
    assert set(extras_of(session).races) <= concerned


def test_an_inherited_verdict_shows_the_race_it_stands_on(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    races = session.races()
    main = session.main().main
    assert races is not None and main is not None
    verdict = next(v for v in main.layers if v.name == LAYER)
    heir = replace(verdict, name="unraced", onnx_nodes=(), inherited_from=LAYER)
    found = race_of(races, heir)
    assert found is not None and found.layer == LAYER
    assert race_of(races, replace(heir, inherited_from=None)) is None


@pytest.mark.parametrize("seed", range(12))
def test_races_of_synthetic_captures_agree_with_the_verdicts(seed: int, tmp_path: Path) -> None:
    capture = make_capture(seed)
    for name, text in (("build.log", capture.log), ("layer_info.json", capture.layer_info), ("profile.json", capture.profile)):
        if text is not None:
            (tmp_path / name).write_text(text, encoding="utf-8")
    session = Session([str(tmp_path)])
    found, main = extras_of(session), session.main().main
    assert main is not None
    for verdict in main.layers:
        tactics = [t for race in found.races.get(verdict.name, ()) for t in race.tactics]
        if verdict.best_sparse_ms is not None and tactics:
            assert any(t.time_ms == verdict.best_sparse_ms and t.sparse for t in tactics), (seed, verdict.name)


@pytest.mark.skipif(not LOGS, reason=WHY_SKIPPED)
def test_corpus_reformats_beside_layers_have_measured_costs() -> None:
    path = next(p for p in LOGS if "rpn_centerhead" in p.name and "NVIDIA" in p.name)
    session = Session([str(path)])
    races, main = session.races(), session.main()
    assert races is not None and main.main is not None
    # This real log asked for no sparsity: show its layers all the same.
    shown = replace(main, builds=tuple(replace(b, layers=tuple(replace(v, status="dense") for v in b.layers)) for b in main.builds))
    found = report_extras(session.captures[0], shown, races, session.options)
    costs = [cost for items in found.reformats.values() for cost in items]
    added = len(next(b for b in races.log.builds if b.index == main.main_build).reformat_layers)
    assert added >= 5 and len(costs) == added
    # A reformat that equals an earlier one is listed without a time: then its cost is unknown, not that of its equal.
    measured = [cost for cost in costs if cost.time_ms is not None]
    assert [cost.tensor for cost in measured] == ["input", "reg_0", "height_0", "dim_0"]
    lines = path.read_text(errors="replace").splitlines()
    for cost in measured:
        assert cost.line is not None and float(lines[cost.line - 1].rpartition("Time: ")[2]) == cost.time_ms
        before = next(line for line in reversed(lines[: cost.line]) if "Autotuning Reformat" in line)
        assert f"{cost.from_format} -> {cost.to_format}" in before


def test_diagnose_does_not_import_report() -> None:
    """import-linter holds this for the package; here for the file that once stood on the other side."""
    tree = ast.parse(Path(extras_module.__file__).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in modules if "report" in module]
