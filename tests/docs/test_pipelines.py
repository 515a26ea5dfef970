"""The CI examples of docs/gates.md run: every step that needs no GPU as it stands, trtexec through a stand-in that knows the recorded flags."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.capture import fake_trtexec

from .pages import ROOT, blocks
from .test_commands import folder as folder
from .test_commands import joined, run

yaml = pytest.importorskip("yaml", reason="PyYAML comes with mkdocs, which is not installed")

GITHUB, GITLAB = (yaml.safe_load(block.text) for block in blocks(ROOT / "docs" / "gates.md") if block.language == "yaml")
SAMPLE = ROOT / "fixtures" / "synthetic_small"


def steps(job: dict[str, Any]) -> list[str]:
    """The commands of a job in order, without what sets up a machine."""
    return [step["run"] for step in job["steps"] if "run" in step and not step["run"].startswith("pip install")]


def test_the_github_example_names_what_github_knows() -> None:
    assert set(GITHUB[True] if isinstance(GITHUB[True], list) else [GITHUB[True]]) == {"pull_request"}  # YAML 1.1 reads `on` as true
    assert GITHUB["jobs"]["gate"]["needs"] == "build"
    given = [step for job in GITHUB["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in given)
    up, down = ({step["with"]["name"] for step in given if kind in step["uses"]} for kind in ("upload-artifact", "download-artifact"))
    assert down <= up


def test_every_trtexec_option_of_the_examples_exists() -> None:
    """TensorRT 8.5 to 10.16 have them all; what 11 lacks the page says."""
    text = " ".join(steps(GITHUB["jobs"]["build"]))
    flags = set(re.findall(r"--(\w+)", text))
    assert {"exportLayerInfo", "exportProfile", "sparsity", "verbose"} <= flags
    for version in ("8.5.2", "8.6.1", "10.16.1"):
        assert flags <= {*fake_trtexec.FLAGS["every"], *fake_trtexec.FLAGS["versions"][version]}, version
    assert flags - {*fake_trtexec.FLAGS["every"], *fake_trtexec.FLAGS["versions"]["11.1.0"]} == {"fp16"}
    assert "trtexec 11 has no `--fp16`" in (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")


def test_the_github_example_runs(folder: Path) -> None:
    for name in ("build.log", "layer_info.json", "profile.json"):
        (folder / name).unlink()
    fake_trtexec.write(folder / "bin" / "trtexec", "10.16.1")
    for command in steps(GITHUB["jobs"]["build"]):
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
    uploaded = next(step["with"]["path"].split() for step in GITHUB["jobs"]["build"]["steps"] if "upload" in step.get("uses", ""))
    assert all((folder / name).is_file() for name in uploaded)
    log = gzip.decompress((folder / "build.log.gz").read_bytes()).decode()
    assert "a warning on standard error" in log

    # What a real GPU would have left.
    for name in ("layer_info.json", "profile.json"):
        shutil.copy(SAMPLE / name, folder / name)
    (folder / "build.log.gz").write_bytes(gzip.compress((SAMPLE / "build.log").read_bytes()))
    gate, summary = steps(GITHUB["jobs"]["gate"])
    done = run(gate, folder)
    assert done.returncode == 1 and "gate:" in done.stderr and "Conv_8 + Relu_9" in done.stderr, done.stderr
    env = {**os.environ, "GITHUB_STEP_SUMMARY": str(folder / "page.md")}
    subprocess.run(["bash", "-e", "-c", summary], cwd=folder, env=env, check=True)
    assert "4 of 6 eligible layers run dense" in (folder / "page.md").read_text(encoding="utf-8")
    wanted = [step["with"]["path"] for step in GITHUB["jobs"]["gate"]["steps"] if "upload" in step.get("uses", "")]
    assert wanted and all((folder / name).is_file() for name in wanted)


def test_the_gitlab_example_runs(folder: Path) -> None:
    (said,) = re.findall(r"`capture\.sh` is what `(.+?)` writes", (ROOT / "docs" / "gates.md").read_text(encoding="utf-8"))
    assert run(said, folder).returncode == 0
    fake_trtexec.write(folder / "bin" / "trtexec", "10.16.1")
    for command in GITLAB["capture"]["script"]:
        done = run(command, folder)
        assert done.returncode == 0, done.stderr
    (archive,) = folder.glob(*GITLAB["capture"]["artifacts"]["paths"])
    assert archive.name == "model.trtlens.tar"
    commands = [command for line in GITLAB["sparsity"]["script"] if not line.startswith("pip install") for command in joined(line)]
    assert commands
    for command in commands:
        done = run(command, folder)
        assert done.returncode == 1 and "cannot tell" in done.stderr, done.stderr  # the stand-in's log decides nothing: that must not pass
    kept = GITLAB["sparsity"]["artifacts"]
    assert kept["when"] == "always" and all((folder / name).is_file() for name in kept["paths"])
    assert ET.parse(folder / kept["reports"]["junit"]).getroot().tag in ("testsuites", "testsuite")
    assert GITLAB["stages"] == [GITLAB["capture"]["stage"], GITLAB["sparsity"]["stage"]]
