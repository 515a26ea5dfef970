"""Whole builds through a stand-in for trtexec, good ones and bad ones: each leaves a capture, and one line says what happened."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.capture import fake_trtexec, models
from tests.capture.test_child import HourLater, appears, gone
from trtlens.capture.build import CaptureFailed, CaptureInterrupted, CaptureResult, plan_build, run_build
from trtlens.capture.manifest import Manifest, read_manifest
from trtlens.capture.progress import ProgressEvent
from trtlens.capture.settings import options_from
from trtlens.diagnose.explain import explain
from trtlens.errors import BuildFailed, InputError, UsageError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.conv_matmul(tmp_path / "m.onnx")


def build(tmp_path: Path, model: Path, mode: str = "good", version: str = "8.6.1", **given: Any) -> CaptureResult:
    tool = fake_trtexec.write(tmp_path / "trtexec", version, mode)
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return run_build(options_from({"model": model, "output": tmp_path / "out", "backend": "trtexec", "trtexec": tool, **named}))


def failed(tmp_path: Path, model: Path, mode: str, **given: Any) -> tuple[CaptureFailed, Manifest]:
    with pytest.raises(CaptureFailed) as error:
        build(tmp_path, model, mode, **given)
    assert error.value.exit_code == 3 or isinstance(error.value, CaptureInterrupted)
    assert "\n" not in str(error.value) and str(tmp_path / "out" / "build.log") in str(error.value)
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(".")) == [], "no staging folder stays"
    manifest = read_manifest(tmp_path / "out")
    assert manifest == error.value.manifest and manifest.failure is not None
    diagnosed = explain([str(tmp_path / "out")]).captures[0]
    assert {Path(one.path).name for one in diagnosed.inputs} >= {"manifest.json", "build.log"}, "explain takes what there is"
    assert all(layer.proof != "proven" for one in diagnosed.builds for layer in one.layers)
    return error.value, manifest


@pytest.mark.parametrize("version", fake_trtexec.VERSIONS)
def test_a_good_build_leaves_a_complete_capture(tmp_path: Path, model: Path, version: str) -> None:
    result = build(tmp_path, model, version=version)
    names = sorted(one.name for one in result.folder.iterdir())
    assert names == ["build.log", "layer_info.json", "manifest.json", "model.engine", "profile.json"]
    manifest = read_manifest(result.folder)
    assert (manifest.status, manifest.failure, manifest.backend.version) == ("complete", None, version)
    assert manifest.options["sparsity"] == "enable" and manifest.engine is not None and manifest.engine.bytes == 4
    log = (result.folder / "build.log").read_text()
    assert "[W] [TRT] a warning on standard error" in log, "standard error belongs to the evidence"


def test_no_engine_keeps_none(tmp_path: Path, model: Path) -> None:
    result = build(tmp_path, model, no_engine=True)
    assert not (result.folder / "model.engine").exists() and result.manifest.engine is None


def test_a_hang_ends_at_the_time_limit_with_everything_it_started(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtlens.capture.child.time", HourLater(tmp_path / "trtexec.pids"))
    _, manifest = failed(tmp_path, model, "hangs", timeout=600)
    assert manifest.failure is not None and manifest.failure.kind == "timeout" and "--timeout" in manifest.failure.message
    assert "started" in (tmp_path / "out" / "build.log").read_text()
    assert all(gone(int(pid)) for pid in (tmp_path / "trtexec.pids").read_text().split())


def test_one_that_ignores_the_polite_signal_is_ended_all_the_same(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtlens.capture.child._GRACE_SECONDS", 0.3)
    monkeypatch.setattr("trtlens.capture.child.time", HourLater(tmp_path / "trtexec.pids"))
    failed(tmp_path, model, "ignores SIGTERM", timeout=600)
    assert all(gone(int(pid)) for pid in (tmp_path / "trtexec.pids").read_text().split())


@pytest.mark.parametrize(("mode", "number", "said"), [("segfaults", 11, "SIGSEGV"), ("is killed", 9, "out-of-memory")])
def test_death_by_signal_is_named(tmp_path: Path, model: Path, mode: str, number: int, said: str) -> None:
    error, manifest = failed(tmp_path, model, mode)
    assert manifest.failure is not None and manifest.failure.signal == number and said in str(error)


def test_half_written_files_are_kept_aside(tmp_path: Path, model: Path) -> None:
    _, manifest = failed(tmp_path, model, "half a file")
    assert manifest.files == {"build_log": "build.log"}
    assert (tmp_path / "out" / "layer_info.json.damaged").read_text().startswith('{"Layers"')
    assert sum("damaged" in note for note in manifest.notes) == 2


def test_a_flood_on_standard_error_is_taken_whole(tmp_path: Path, model: Path) -> None:
    result = build(tmp_path, model, "floods")
    assert (result.folder / "build.log").stat().st_size > 40_000_000 and result.manifest.status == "complete"


def test_an_error_is_told_in_trtexecs_own_words(tmp_path: Path, model: Path) -> None:
    error, manifest = failed(tmp_path, model, "fails")
    assert "no such luck" in str(error) and manifest.failure is not None and manifest.failure.exit_code == 1


def signal_once_there(file: Path, number: signal.Signals) -> threading.Thread:
    """A thread that sends this process a signal as soon as `file` exists."""

    def send() -> None:
        appears(file)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_delivers_what_there_is(tmp_path: Path, model: Path, number: signal.Signals, code: int) -> None:
    thread = signal_once_there(tmp_path / "trtexec.pids", number)
    error, manifest = failed(tmp_path, model, "hangs")
    thread.join()
    assert isinstance(error, CaptureInterrupted) and error.exit_code == code and manifest.status == "interrupted"
    assert (tmp_path / "out" / "build.log").exists()


@pytest.mark.usefixtures("listening")
def test_ctrl_c_while_a_dry_run_asks_the_module_is_no_complaint_about_the_module(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tensorrt.py").write_text(f"import pathlib, time; pathlib.Path({str(tmp_path / 'asked')!r}).write_text('x'); time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    thread = signal_once_there(tmp_path / "asked", signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="Ctrl-C"):
        plan_build(options_from({"model": model, "backend": "tensorrt"}))
    thread.join()


def interrupted_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes at a step of run_build during which no child runs."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"trtlens.capture.build.{step}", interrupt)


def test_ctrl_c_before_the_build_leaves_nothing(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_at("read_gpus", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, model, prune="magnitude")
    assert {one.name for one in tmp_path.iterdir()} == {"m.onnx", "trtexec"}


def test_ctrl_c_between_two_builds_delivers_the_first_and_says_so(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_at("experiments", monkeypatch)
    with pytest.raises(KeyboardInterrupt, match=f"is in {tmp_path / 'out'}"):
        build(tmp_path, model, repeat=2)
    assert read_manifest(tmp_path / "out").status == "complete" and (tmp_path / "out" / "layer_info.json").exists()
    assert {one.name for one in tmp_path.iterdir()} == {"m.onnx", "trtexec", "out"}


def test_ctrl_c_while_a_capture_is_put_together_delivers_its_log(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted_at("_gather", monkeypatch)
    with pytest.raises(KeyboardInterrupt) as error:
        build(tmp_path, model)
    folder = Path(str(error.value).rpartition(" is in ")[2])
    assert folder == tmp_path / "out" and "PASSED" in (folder / "build.log").read_text()
    assert read_manifest(folder).status == "interrupted" and explain([str(folder)]).captures[0].main is not None
    assert {one.name for one in folder.iterdir()} == {"build.log", "manifest.json"}


def test_ctrl_c_before_trtexec_says_a_word_leaves_a_capture_that_explain_accepts(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec")
    tool.write_text(tool.read_text().replace("echo \"&&&& RUNNING", "sleep 60\necho \"&&&& RUNNING"))
    with pytest.raises(CaptureFailed, match="--timeout"):
        run_build(options_from({"model": model, "output": tmp_path / "out", "backend": "trtexec", "trtexec": tool, "timeout": 0.5}))
    assert (tmp_path / "out" / "build.log").read_bytes() == b""
    diagnosed = explain([str(tmp_path / "out")]).captures[0].main
    assert diagnosed is not None and {"build-failed", "damaged-input"} <= {one.id for one in diagnosed.warnings}


@pytest.mark.parametrize("content", [b"import onnx\n", b"\xff" * 9])
def test_a_model_that_is_none_is_unreadable_input_and_leaves_nothing(tmp_path: Path, model: Path, content: bytes) -> None:
    model.write_bytes(content)
    with pytest.raises(InputError, match="not an ONNX model"):
        build(tmp_path, model, "fails")
    with pytest.raises(InputError, match="not an ONNX model"):
        plan_build(options_from({"model": model, "trtexec": tmp_path / "trtexec"}))
    assert {one.name for one in tmp_path.iterdir()} == {"m.onnx", "trtexec"}


def test_an_old_capture_outlives_a_model_that_is_none(tmp_path: Path, model: Path) -> None:
    build(tmp_path, model)
    model.write_bytes(b"import onnx\n")
    with pytest.raises(InputError):
        build(tmp_path, model, "fails", force=True)
    assert read_manifest(tmp_path / "out").status == "complete"


def test_of_two_builds_into_one_folder_the_second_is_told_at_once(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "slow", mode="hangs")
    options = options_from({"model": model, "output": tmp_path / "out", "backend": "trtexec", "trtexec": tool, "timeout": 20})
    command = [sys.executable, "-m", "trtlens", "build", model, "--trtexec", tool, "-o", tmp_path / "out"]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        assert appears(tmp_path / "slow.pids")
        for force in (False, True):
            with pytest.raises(UsageError, match="another build is writing"):
                run_build(dataclasses.replace(options, force=force))
        assert sum(one.name.endswith(".partial") for one in tmp_path.iterdir()) == 1, "the second left nothing"
        build(tmp_path, model, output=tmp_path / "another")
        build(tmp_path, model, output=tmp_path / "ou")
        first.kill()
    build(tmp_path, model)
    assert read_manifest(tmp_path / "out").status == "complete", "what a dead build left is no obstacle"


def test_experiments_are_captures_inside_the_capture(tmp_path: Path, model: Path) -> None:
    result = build(tmp_path, model, counterfactual=True, repeat=3)
    assert [(one.kind, one.folder, one.status) for one in result.manifest.experiments] == [
        ("counterfactual", "counterfactual", "complete"),
        ("repeat", "repeat-2", "complete"),
        ("repeat", "repeat-3", "complete"),
    ]
    without = read_manifest(result.folder / "counterfactual")
    assert "--sparsity=disable" in without.backend.command and "--sparsity=enable" in result.manifest.backend.command
    assert read_manifest(result.folder / "repeat-2").options["sparsity"] == "enable"
    assert read_manifest(result.folder) == result.manifest


def test_an_experiment_that_fails_keeps_the_first_build(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec")
    tool.write_text(tool.read_text().replace("echo \"&&&& RUNNING", "case $* in *sparsity=disable*) exit 7;; esac\necho \"&&&& RUNNING"))
    with pytest.raises(BuildFailed, match=r"counterfactual: .*exit code 7"):
        run_build(options_from({"model": model, "output": tmp_path / "out", "backend": "trtexec", "trtexec": tool, "counterfactual": True}))
    assert (tmp_path / "out" / "layer_info.json").exists()
    assert read_manifest(tmp_path / "out").experiments[0].status == "failed"


def test_progress_is_read_from_the_log(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec")
    tool.write_text(tool.read_text() + f"while ! [ -e {tmp_path}/seen ]; do sleep 0.01; done\n")
    events: list[ProgressEvent] = []

    def seen(event: ProgressEvent) -> None:
        events.append(event)
        (tmp_path / "seen").touch()

    run_build(options_from({"model": model, "output": tmp_path / "out", "backend": "trtexec", "trtexec": tool}), seen)
    assert events and events[-1].phase == "Timing tactics" and events[-1].last_warning == "a warning on standard error"


def test_a_refused_option_builds_nothing_and_leaves_nothing(tmp_path: Path, model: Path) -> None:
    before = set(tmp_path.iterdir())
    with pytest.raises(UsageError, match="--maxTactics"):
        build(tmp_path, model, max_tactics=3)
    assert set(tmp_path.iterdir()) == before | {tmp_path / "trtexec"}


def test_a_dry_run_shows_the_command_and_builds_nothing(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec")
    before = set(tmp_path.iterdir())
    choice, made = plan_build(options_from({"model": model, "output": tmp_path / "out", "trtexec": tool}))
    assert choice.backend == "trtexec" and f"--exportLayerInfo={tmp_path / 'out' / 'layer_info.json'}" in made.lines()[0]
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("content", "said"), [(None, "no such file"), (b"", "is empty")])
def test_a_model_that_is_not_there_is_said_before_anything_else(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "none.onnx").write_bytes(content)
    with pytest.raises(InputError, match=said):
        build(tmp_path, tmp_path / "none.onnx")


def test_an_engine_is_captured_without_building(tmp_path: Path) -> None:
    (tmp_path / "m.plan").write_bytes(b"plan")
    tool = fake_trtexec.write(tmp_path / "trtexec")
    result = run_build(options_from({"engine": tmp_path / "m.plan", "output": tmp_path / "out", "trtexec": tool, "backend": "trtexec"}))
    assert result.manifest.model is None and result.manifest.engine is not None and result.manifest.engine.path == str(tmp_path / "m.plan")
    assert json.loads((result.folder / "layer_info.json").read_text())["Layers"][0]["Name"] == "conv1"
