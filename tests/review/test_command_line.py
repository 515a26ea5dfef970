"""What a shell sees: exit codes where nobody reads the output, the same file under two names, inputs that hold no layer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_log import log_text
from trtlens.diagnose.explain import explain
from trtlens.report import words

FIXTURE = Path(__file__).parents[2] / "fixtures" / "issue_4056"
INFO = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=model.onnx
[01/02/2026-03:04:05] [I] === Build Options ===
[01/02/2026-03:04:05] [I] Sparsity: Disabled
[01/02/2026-03:04:06] [I] Start parsing network model
[01/02/2026-03:04:06] [I] [TRT] Local timing cache in use. Profiling results in this builder pass will not be stored.
[01/02/2026-03:04:07] [I] Engine built in 1.5 sec.
"""
RUN = (sys.executable, "-c", "from trtlens.cli import main; main()")


def unread(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a run whose standard output nobody reads any more."""
    with subprocess.Popen([*RUN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        said = child.stderr.read()
    return child.returncode, said


def test_a_reader_that_leaves_is_no_failure() -> None:
    assert unread("explain", str(FIXTURE / "build.log")) == (0, "")


def test_a_gate_holds_whether_or_not_the_summary_is_read() -> None:
    code, said = unread("explain", str(FIXTURE / "build.log"), "--fail-on", "dense")
    assert code == 1 and said.startswith("trtlens: gate: ") and "Traceback" not in said


def test_one_file_under_two_names_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(log_text())
    (tmp_path / "latest.log").symlink_to(tmp_path / "build.log")
    found = explain([str(tmp_path / "build.log"), str(tmp_path / "latest.log"), str(tmp_path / "." / "build.log")])
    assert [Path(item.path).name for item in found.captures[0].inputs] == ["build.log"]


@pytest.mark.parametrize(
    ("name", "text", "headline", "asks_for"),
    [
        ("profile.json", '[{"count": 3}, {"name": "a", "timeMs": 3.0, "averageMs": 1.0, "percentage": 100}]', "do not list", "--exportLayerInfo"),
        ("info.log", INFO, "had sparsity off", "--sparsity=enable"),
        (
            "empty-list.log",
            "[I] [TRT] (Sparsity) Layers eligible for sparse math: \n[I] [TRT] (Sparsity) TRT inference plan picked sparse implementation for layers: \n",
            "no layer eligible",
            "--verbose",
        ),
    ],
)
def test_inputs_without_layers_say_what_they_do_say_and_what_to_add(tmp_path: Path, name: str, text: str, headline: str, asks_for: str) -> None:
    (tmp_path / name).write_text(text)
    story = words.story(explain([str(tmp_path / name)]).captures[0])
    assert headline in story.headline
    assert any(asks_for in line for line in story.capture_next)
