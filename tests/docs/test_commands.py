"""Every command on README.md and the docs' pages that can run here runs here, and prints what the page shows.

A page's blocks run in order in one folder that holds copies of the fixtures, and those of the small synthetic capture under the names that pages use.
`sh` blocks must exit as the page says; `console` blocks must print what follows each `$` line, `...` standing for lines left out; `python` blocks run
(or, where marked, compile); `json` and `yaml` blocks parse.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, Block, blocks, name, pages

PAGES = [page for page in pages() if page.is_file() and page.parent.name != "reasons"]

# README and CONTRIBUTING must be read as they are, so what cannot run in a test is named here and not marked there.
ELSEWHERE = {
    "bash scripts/test.sh": "it runs the tests, this one among them",
    "trtexec ": "needs trtexec and a GPU",
}
INSTALL = re.compile(r"(?:python3 -m venv \S+ && )?\S*pip install [^&]*(?:&& )?")


def where(block: Block) -> str:
    return f"{name(block.page)}:{block.line}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader would stand: the repository's root, with a capture of their own at hand."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures", ignore=shutil.ignore_patterns("__pycache__"))
    sample = ROOT / "fixtures" / "synthetic_small"
    for source, target in {
        "layer_info.json": ("layer_info.json", "li.json"),
        "profile.json": ("profile.json", "pr.json"),
        "build.log": ("build.log",),
    }.items():
        for copy in target:
            shutil.copy(sample / source, tmp_path / copy)
    shutil.copy(ROOT / "fixtures" / "rtx_tiny" / "model.onnx", tmp_path / "model.onnx")
    tools = tmp_path / "bin"
    tools.mkdir()
    shim = tools / "trtlens"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from trtlens.cli import main; main()" "$@"\n')
    shim.chmod(0o755)
    return tmp_path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80", "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    return subprocess.run(["bash", "-e", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)


def runnable(command: str) -> str | None:
    """The command without what installs; None where nothing is left to run here."""
    command = INSTALL.sub("", command).replace(".venv/bin/", "").strip()
    if not command or any(command.startswith(start) for start in ELSEWHERE):
        return None
    return command


def joined(text: str) -> list[str]:
    """Commands of an `sh` block: lines with `\\` at their end continue, comments are left out."""
    whole = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def expectations(text: str) -> list[tuple[str, list[str]]]:
    """(command, lines that must follow) of a `console` block."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def shows(expected: list[str], printed: list[str]) -> bool:
    """Whether `printed` is `expected`, where `...` stands for any number of lines."""
    if not expected:
        return not printed
    if expected[0].strip() == "...":
        return any(shows(expected[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and printed[0].rstrip() == expected[0].rstrip() and shows(expected[1:], printed[1:])


def unwrapped(lines: list[str]) -> list[str]:
    """One line of words: what a page shows unwrapped, a terminal of 80 columns wraps."""
    return [" ".join(" ".join(lines).split())]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_do_what_the_page_says(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.not_run is not None:
            continue
        if block.language == "sh":
            for command in filter(None, map(runnable, joined(block.text))):
                if "--target" in command:
                    pytest.importorskip("tensorrt_rtx", reason=f"{where(block)} builds with TensorRT-RTX, which is not installed")
                done = run(command, folder)
                assert done.returncode == block.exit_code, f"{where(block)}: {command}\n{done.stdout}{done.stderr}"
        elif block.language == "console":
            for command, expected in expectations(block.text):
                done = run(command, folder)
                assert done.returncode == block.exit_code, f"{where(block)}: {command}\n{done.stdout}{done.stderr}"
                printed = done.stdout.rstrip("\n").splitlines()
                same = shows(expected, printed) or (len(expected) == 1 and unwrapped(expected) == unwrapped(printed))
                assert same, f"{where(block)}: {command} prints\n{done.stdout}"
        elif block.language == "python":
            done = subprocess.run([sys.executable, "-c", block.text], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300, check=False)
            assert done.returncode == 0, f"{where(block)}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_blocks_that_do_not_run_are_well_formed(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, where(block), "exec")
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "yaml":
            yaml = pytest.importorskip("yaml", reason="PyYAML comes with mkdocs, which is not installed")
            assert yaml.safe_load(block.text), where(block)


def test_the_profile_that_the_page_writes_is_one_that_explain_reads(folder: Path) -> None:
    """GIVEN the function of docs/capture.md WHEN it writes times of a layer THEN explain shows them."""
    snippet = next(b for b in blocks(ROOT / "docs" / "capture.md") if b.language == "python" and b.not_run is None)
    scope: dict[str, object] = {}
    exec(snippet.text, scope)
    text = scope["profile_json"]({"Conv_8 + Relu_9": [0.5, 0.25, 0.75]})  # type: ignore[operator]
    (folder / "own.json").write_text(text, encoding="utf-8")
    done = run("trtlens explain layer_info.json own.json --json -", folder)
    layers = json.loads(done.stdout)["captures"][0]["builds"][0]["layers"]
    assert {layer["time_ms"] for layer in layers if layer["name"] == "Conv_8 + Relu_9"} == {0.5}


def test_the_matcher_of_outputs_can_fail() -> None:
    assert shows(["a", "...", "d"], ["a", "b", "c", "d"]) and shows(["..."], [])
    assert not shows(["a", "...", "e"], ["a", "b", "c", "d"]) and not shows(["a"], ["a", "b"]) and not shows(["a", "b"], ["a"])
