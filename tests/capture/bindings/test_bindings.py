"""The driver against the real bindings of eight TensorRT versions, and a whole build through those of 11.4 on TensorRT-RTX's libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.capture import models
from tests.capture.bindings import fetch
from tests.capture.option_table import failures
from trtlens.capture.build import CaptureFailed, CaptureResult, plan_build, run_build
from trtlens.capture.manifest import read_manifest
from trtlens.capture.settings import options_from

pytestmark = pytest.mark.bindings

ROOT = Path(__file__).parents[3]
LATEST = "11.4.0"


@cache
def asked(version: str) -> dict[str, Any]:
    module, libraries = fetch.module_folder(version), fetch.stub_folder(version)
    environment = os.environ | {"PYTHONPATH": f"{module}:{ROOT}", "LD_LIBRARY_PATH": str(libraries)}
    command = [sys.executable, str(Path(__file__).parent / "ask.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("version", fetch.VERSIONS)
def test_every_attribute_the_driver_touches_exists_or_is_guarded(version: str) -> None:
    answer = asked(version)
    without_monitor = {"IBuilderConfig.progress_monitor"} if answer["progress"] == [False, False] else set()
    assert set(answer["missing"]) == without_monitor, "an attribute of the driver that this version lacks"
    assert (answer["absent_steps"], answer["absent_flags"], answer["item_size"]) == ([], [], 2)
    assert answer["progress"][0] == answer["progress"][1], "the monitor's class is the guard for the attribute it is given to"


@pytest.mark.parametrize("version", fetch.VERSIONS)
def test_without_a_driver_the_null_builder_is_told_as_such(version: str) -> None:
    assert "no NVIDIA driver" in asked(version)["without_driver"]


@pytest.mark.parametrize("version", fetch.VERSIONS)
def test_every_option_becomes_the_call_of_that_version_or_is_refused_with_the_reason(version: str) -> None:
    assert failures(asked(version)["plans"], "tensorrt", version) == []


def test_the_monitor_exists_from_10_on_and_survives_late_steps() -> None:
    assert asked("8.6.1")["monitored"] == []
    assert asked("10.0.1")["monitored"] == ["Building engine 0/6", "Building engine 1/6", "Building engine 6/None"]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module `tensorrt` is 11.4, on libraries that build without a GPU."""
    module = fetch.module_folder(LATEST)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(fetch.rtx_folder(LATEST)))
    monkeypatch.setenv("PYTHONPATH", str(module))
    monkeypatch.syspath_prepend(str(module))


def build(tmp_path: Path, **given: Any) -> CaptureResult:
    named = {name.replace("_", "-"): value for name, value in given.items()}
    if "engine" not in named:
        named.setdefault("model", models.conv_matmul(tmp_path / "m.onnx"))
    return run_build(options_from({"output": tmp_path / "out", "backend": "tensorrt", "force": True, **named}))


@pytest.mark.usefixtures("real")
def test_a_whole_build_through_the_latest_bindings(tmp_path: Path) -> None:
    numbers = {"opt_level": 5, "max_tactics": 2, "avg_timing": 2}
    result = build(tmp_path, **numbers, workspace="1GiB", editable_cache=True, tactic_sources="+JIT_CONVOLUTIONS")
    manifest = read_manifest(result.folder)
    assert manifest.backend.version is not None and manifest.backend.version.startswith("11.4.0")
    assert manifest.status == "complete" and manifest.engine is not None and manifest.engine.bytes > 10_000
    assert manifest.timing_cache is not None and (manifest.timing_cache.warm, manifest.timing_cache.path) == (False, None)
    nodes = json.dumps(json.loads((result.folder / "layer_info.json").read_text())["Layers"])
    assert "conv1" in nodes and "gemm" in nodes
    assert any("could not load the engine" in note for note in manifest.notes), "no GPU here: said, not hidden"


@pytest.mark.usefixtures("real")
def test_a_timing_cache_of_the_users_is_filled_and_its_use_recorded(tmp_path: Path) -> None:
    """Without a GPU no entry gets into it, so that it stays cold: a warm one is among the things that docs/limits.md lists."""
    cache_file = tmp_path / "cache"
    first = build(tmp_path, timing_cache=cache_file).manifest.timing_cache
    second = build(tmp_path, timing_cache=cache_file).manifest.timing_cache
    assert first is not None and second is not None
    assert (first.bytes_before, first.warm, first.foreign) == (0, False, False)
    assert first.bytes_after == second.bytes_before == len(cache_file.read_bytes())
    assert (second.warm, second.foreign) == (False, False) and second.sha256_before is not None


@pytest.mark.usefixtures("real")
def test_a_timing_cache_of_another_version_is_said_and_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"entries of another GPU" * 1000)
    result = build(tmp_path, timing_cache=tmp_path / "cache")
    assert (tmp_path / "cache").read_bytes() == b"entries of another GPU" * 1000
    assert result.manifest.timing_cache is not None and result.manifest.timing_cache.foreign is True
    assert any("left as it was" in note for note in result.manifest.notes)


@pytest.mark.usefixtures("real")
def test_experiments_run_one_after_the_other(tmp_path: Path) -> None:
    result = build(tmp_path, counterfactual=True, repeat=2)
    assert [(one.folder, one.status) for one in result.manifest.experiments] == [("counterfactual", "complete"), ("repeat-2", "complete")]
    flag = "config.set_flag(BuilderFlag.SPARSE_WEIGHTS)"
    assert flag in read_manifest(result.folder / "repeat-2").backend.plan
    assert flag not in read_manifest(result.folder / "counterfactual").backend.plan
    assert not (result.folder / "counterfactual" / "model.engine").exists()


@pytest.mark.usefixtures("real")
def test_an_engine_that_cannot_be_loaded_is_told_with_the_log_kept(tmp_path: Path) -> None:
    engine = build(tmp_path).folder / "model.engine"
    with pytest.raises(CaptureFailed, match="could not"):
        build(tmp_path, engine=engine, output=tmp_path / "loaded")
    manifest = read_manifest(tmp_path / "loaded")
    assert manifest.status == "failed" and manifest.model is None and manifest.engine is not None
    assert "[E]" in (tmp_path / "loaded" / "build.log").read_text()


@pytest.mark.usefixtures("real")
def test_a_dry_run_asks_the_module_itself(tmp_path: Path) -> None:
    options = options_from({"model": models.conv_matmul(tmp_path / "m.onnx"), "backend": "tensorrt", "precision": "fp16"})
    _, made = plan_build(options)
    assert made.version is not None and made.version.startswith("11.4.0") and "strongly typed" in made.refusals[0]


def test_a_module_that_cannot_be_loaded_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = fetch.module_folder(LATEST)
    monkeypatch.setenv("PYTHONPATH", str(module))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.syspath_prepend(str(module))
    with pytest.raises(CaptureFailed, match=r"cannot be imported: .*libnv"):
        build(tmp_path)
