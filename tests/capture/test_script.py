"""The capture script: POSIX sh that works in dash, chooses flags by the help it finds, and packs what `explain` takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.capture import fake_trtexec, models
from trtlens.capture.backends.trtexec import Outputs, plan
from trtlens.capture.folder import opened_capture
from trtlens.capture.manifest import read_manifest
from trtlens.capture.script import emit_script
from trtlens.capture.settings import options_from
from trtlens.diagnose.explain import explain
from trtlens.errors import UsageError

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


Done = subprocess.CompletedProcess[str]


def run(tmp_path: Path, script: str, version: str = "8.6.1", mode: str = "good", shell: str = SHELLS[0]) -> Done:
    tool = fake_trtexec.write(tmp_path / "a trtexec", version, mode)
    (tmp_path / "capture.sh").write_text(script)
    words = [shell, "sh"] if shell == "busybox" else [shell]
    environment = {"PATH": "/usr/bin:/bin", "TRTEXEC": str(tool)}
    return subprocess.run([*words, "capture.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)


def script_for(model: str = "m.onnx", **given: Any) -> str:
    return emit_script(options_from({"model": model, **{name.replace("_", "-"): value for name, value in given.items()}}))


@pytest.mark.parametrize("shell", SHELLS)
def test_its_tar_is_a_capture(tmp_path: Path, shell: str) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    done = run(tmp_path, script_for(precision="fp16", no_engine=True), shell=shell)
    assert done.returncode == 0, done.stderr
    with opened_capture(tmp_path / "m.trtlens.tar") as folder:
        manifest = read_manifest(folder)
        assert manifest.status == "complete" and manifest.options["precision"] == ["fp16"]
        assert manifest.files == {"build_log": "build.log", "layer_info": "layer_info.json", "profile": "profile.json"}
        log = (folder / "build.log").read_text()
        assert "a warning on standard error" in log and json.loads((folder / "layer_info.json").read_text())["Layers"]
    assert [layer.name for layer in explain([str(tmp_path / "m.trtlens.tar")]).captures[0].builds[0].layers] == ["conv1"]


@pytest.mark.parametrize("version", fake_trtexec.VERSIONS)
def test_it_chooses_the_flags_that_the_backend_would(tmp_path: Path, version: str) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    (tmp_path / "a b.so").touch()
    given = {"workspace": "1GiB", "iterations": 10, "shapes": "x:1x32x16x16", "plugins": str(tmp_path / "a b.so"), "extra": ["--x=$y"]}
    options = options_from({"model": "m.onnx", **given})
    done = run(tmp_path, emit_script(options), version)
    assert done.returncode == 0, done.stderr
    banner = (tmp_path / "m.trtlens" / "build.log").read_text().splitlines()[0]
    outputs = Outputs("m.trtlens/layer_info.json", "m.trtlens/profile.json", "m.trtlens/model.engine")
    expected = plan(options, tmp_path / "a trtexec", fake_trtexec.help_text(version), outputs).command
    assert banner.partition(" # ")[2] == " ".join(expected).replace(str(Path("m.onnx").absolute()), "m.onnx")


@pytest.mark.parametrize(("mode", "failure"), [("segfaults", ("signal", 11)), ("fails", ("exit", None)), ("half a file", ("signal", 6))])
def test_a_bad_build_is_packed_too(tmp_path: Path, mode: str, failure: tuple[str, int | None]) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    done = run(tmp_path, script_for(), mode=mode)
    assert done.returncode == 3 and "its log is" in done.stderr
    with opened_capture(tmp_path / "m.trtlens.tar") as folder:
        manifest = read_manifest(folder)
        assert manifest.failure is not None and (manifest.failure.kind, manifest.failure.signal) == failure
        assert "layer_info" not in manifest.files


def test_what_trtexec_lacks_stops_it_before_the_build(tmp_path: Path) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    done = run(tmp_path, script_for(precision="fp16"), "11.1.0")
    assert done.returncode == 2 and "types from the model" in done.stderr and not (tmp_path / "m.trtlens").exists()


def test_it_never_writes_over_an_existing_folder(tmp_path: Path) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    (tmp_path / "m.trtlens").mkdir()
    assert run(tmp_path, script_for()).returncode == 2
    assert list((tmp_path / "m.trtlens").iterdir()) == []


def test_odd_names_are_quoted(tmp_path: Path) -> None:
    name = "it's $(touch owned) `a` \"b\".onnx"
    models.conv_matmul(tmp_path / name)
    done = run(tmp_path, script_for(name))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "owned").exists()
    with opened_capture(next(tmp_path.glob("*.tar"))) as folder:
        assert read_manifest(folder).options["model"] == name


def test_a_machine_without_trtexec_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    (tmp_path / "capture.sh").write_text(script_for())
    done = subprocess.run([SHELLS[0], "capture.sh"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 2 and "TRTEXEC" in done.stderr


def test_paths_stay_those_of_the_machine_that_builds(tmp_path: Path) -> None:
    """The folders of the machine that writes the script are not those of the machine that runs it."""
    models.conv_matmul(tmp_path / "m.onnx")
    (tmp_path / "libs").mkdir()
    for name in ("libs/p.so", "q.so", "/a b.so"):
        (tmp_path / name.removeprefix("/")).touch()
    absolute = str(tmp_path / "a b.so")
    script = script_for(plugins=["libs/p.so", "q.so", absolute], timing_cache="caches/t.bin")
    done = run(tmp_path, script)
    assert done.returncode == 0, done.stderr
    command = (tmp_path / "m.trtlens" / "build.log").read_text().splitlines()[0]
    for said in ("--onnx=m.onnx", "Plugins=libs/p.so", "Plugins=./q.so", f"Plugins={absolute}", "--timingCacheFile=caches/t.bin"):
        assert said in command
    assert str(Path.cwd()) not in script.replace(absolute, "")
    assert "# Run it in the folder that these paths start from, where the capture is made too: m.onnx, libs/p.so, q.so, caches/t.bin" in script.splitlines()


def test_a_plugin_that_is_not_there_stops_it_before_the_build(tmp_path: Path) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    done = run(tmp_path, script_for(plugins=["libs/p.so"]))
    assert done.returncode == 2 and "libs/p.so: there is no such file (--plugins)" in done.stderr and not (tmp_path / "m.trtlens").exists()


def test_a_path_in_its_head_is_no_line_of_its_own(tmp_path: Path) -> None:
    name = "m\ntouch owned\n.onnx"
    models.conv_matmul(tmp_path / name)
    assert run(tmp_path, script_for(name)).returncode == 0 and not (tmp_path / "owned").exists()


def test_a_trtexec_that_was_named_is_the_one_it_takes(tmp_path: Path) -> None:
    models.conv_matmul(tmp_path / "m.onnx")
    tool = fake_trtexec.write(tmp_path / "my trtexec")
    (tmp_path / "capture.sh").write_text(script_for(trtexec=str(tool), backend="trtexec"))
    done = subprocess.run([SHELLS[0], "capture.sh"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(tool) in (tmp_path / "m.trtlens" / "build.log").read_text().splitlines()[0]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=script_for(precision="fp16"), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "given", [{"repeat": 2}, {"counterfactual": True}, {"prune": "magnitude"}, {"target": "SM80"}, {"backend": "tensorrt"}]
)
def test_what_needs_trtlens_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--emit-script"):
        script_for(**given)


def test_flags_that_it_sets_itself_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--onnx after --.*name the model"):
        script_for(extra=["--onnx=other.onnx"])
