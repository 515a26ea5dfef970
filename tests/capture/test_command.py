"""`trtlens build` as a shell and a terminal see it: exit codes, one line for what went wrong, a clock while it runs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.capture import fake_trtexec, models

RUN = (sys.executable, "-c", "from trtlens.cli import main; main()", "build")
NEEDS_RTX = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed (pip install 'trtlens[rtx]')"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.conv_matmul(tmp_path / "m.onnx")


def trtlens(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*RUN, *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and said.startswith("trtlens: ") and "Traceback" not in done.stderr and not done.stdout
    assert all(word in said for word in words), said


@NEEDS_RTX
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fail-on", "dense"), ("--fail-on dense", "tensorrt-rtx", "tensorrt or trtexec")),
        (("--fail-on", "warn:several-builds,sparse"), ("--fail-on dense", "tensorrt-rtx")),
        (("--counterfactual",), ("--counterfactual", "byte for byte the same")),
        (("--repeat", "3"), ("--repeat", "byte for byte the same")),
        (("--tactic-sources", "-CUBLAS"), ("--tactic-sources", "times no kernels")),
        (("--target", "SM87"), ("--target SM87", "SM75, SM80, SM86, SM89, SM120, SM121")),
    ],
)
def test_what_tensorrt_rtx_cannot_answer_is_refused_before_a_build(tmp_path: Path, model: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    refused(trtlens(tmp_path, model, "--backend", "tensorrt-rtx", *options), *words)
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


def test_a_dry_run_prints_the_command_and_what_is_refused_is_wrong_usage(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", "8.6.1")
    done = trtlens(tmp_path, model, "--trtexec", tool, "--dry-run", "--tactic-sources", "-CUBLAS", "--", "--useCudaGraph")
    assert done.returncode == 0 and done.stdout.startswith(f"{tool} --onnx={model}")
    assert "--tacticSources=-CUBLAS" in done.stdout and done.stdout.rstrip().endswith("--useCudaGraph")
    assert "no --precision is given" in done.stderr
    done = trtlens(tmp_path, model, "--trtexec", tool, "--dry-run", "--max-tactics", "3")
    assert done.returncode == 2 and "does not list --maxTactics" in done.stderr.splitlines()[-1]


@NEEDS_RTX
def test_a_dry_run_is_refused_where_the_build_would_be(tmp_path: Path) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx", batch="n", size="h")
    done = trtlens(tmp_path, model, "--backend", "tensorrt-rtx", "--dry-run", "--shapes", "y:1x32x16x16")
    assert done.returncode == 2 and "set_flag(BuilderFlag.SPARSE_WEIGHTS)" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("with a size for each -1 of x (-1x32x-1x16); it has no input named y")
    assert not any(line.endswith(" ") for line in done.stderr.splitlines()) and not done.stderr.startswith("backend")
    assert trtlens(tmp_path, model, "--backend", "tensorrt-rtx", "--dry-run", "--shapes", "x:1x32x16x16").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("absent.onnx",), "trtlens: absent.onnx: no such file; check the path"),
        (("m.onnx", "--prune", "movement"), "trtlens: --prune movement: it must be magnitude"),
        (("m.onnx", "--opt-level", "high"), "trtlens: build: Invalid value for '--opt-level': 'high' is no whole number; it takes one such as 5; `trtlens build --help` lists the options"),
        (("m.onnx", "--timeout", "1h"), "trtlens: build: Invalid value for '--timeout': '1h' is no number; it takes one such as 3600; `trtlens build --help` lists the options"),
    ],
)
def test_wrong_usage_is_one_line_that_shows_what_was_given(tmp_path: Path, model: Path, arguments: tuple[str, ...], said: str) -> None:
    assert model.name == "m.onnx"
    done = trtlens(tmp_path, *arguments)
    assert done.returncode == 2 and done.stderr == f"{said}\n"


@pytest.mark.parametrize("flag", ["--fp16", "--best", "--int8"])
def test_a_type_that_trtexec_is_told_after_the_dashes_is_a_type(tmp_path: Path, model: Path, flag: str) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", "8.6.1")
    assert "FP32 kernels alone" not in trtlens(tmp_path, model, "--trtexec", tool, "--dry-run", "--", flag).stderr
    assert "FP32 kernels alone" in trtlens(tmp_path, model, "--trtexec", tool, "--dry-run", "--", "--useCudaGraph").stderr


@pytest.mark.parametrize(
    ("options", "extra", "words"),
    [
        ((), "--saveEngine=x.plan", ("--saveEngine", "--output", "--no-engine")),
        ((), "--onnx=other.onnx", ("--onnx", "name the model")),
        ((), "--loadEngine=x.plan", ("--loadEngine", "use --engine")),
        ((), "--sparsity=force", ("--sparsity", "--prune magnitude")),
        ((), "--exportProfile=p.json", ("--exportProfile", "--output")),
        ((), "--verbose", ("--verbose", "leave it out")),
        (("--precision", "fp16"), "--fp16", ("--fp16", "--precision fp16")),
        (("--workspace", "1GiB"), "--memPoolSize=workspace:7", ("--memPoolSize", "--workspace")),
        (("--workspace", "1GiB"), "--workspace=7", ("--workspace",)),
        (("--shapes", "x:1x32x16x16"), "--shapes=x:2x32x16x16", ("--shapes",)),
        (("--iterations", "3"), "--duration=9", ("--duration", "--iterations")),
        (("--opt-level", "5"), "--builderOptimizationLevel=2", ("--builderOptimizationLevel", "--opt-level")),
    ],
)
def test_a_flag_that_trtlens_sets_itself_is_refused_with_what_to_do(
    tmp_path: Path, model: Path, options: tuple[str, ...], extra: str, words: tuple[str, ...]
) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", "8.6.1")
    before = set(tmp_path.iterdir())
    refused(trtlens(tmp_path, model, "--trtexec", tool, *options, "--", extra), "after --: trtlens sets it itself", *words)
    assert set(tmp_path.iterdir()) == before


def test_flags_that_no_option_has_set_are_passed_on(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", "8.6.1")
    extra = ["--memPoolSize=dlaSRAM:1", "--shapes=x:1x32x16x16", "--duration=0", "--plugins=x.so", "--workspace=7"]
    done = trtlens(tmp_path, model, "--trtexec", tool, "--dry-run", "--", *extra)
    assert done.returncode == 0 and done.stdout.split()[-5:] == extra


def test_a_build_that_fails_is_exit_code_3_and_one_line_with_the_place_of_the_log(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", mode="segfaults")
    done = trtlens(tmp_path, model, "--trtexec", tool, "--html", "report.html")
    assert done.returncode == 3 and not done.stdout and not (tmp_path / "report.html").exists()
    assert re.fullmatch(r"trtlens: .*m\.onnx: the builder was ended by SIGSEGV; the capture is in m\.trtlens, its log in m\.trtlens/build\.log", done.stderr.splitlines()[-1])
    again = trtlens(tmp_path, model, "--trtexec", tool)
    refused(again, "m.trtlens is a capture already", "--force")


def test_a_settings_file_is_taken_from_the_working_directory(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec", "8.6.1")
    (tmp_path / "trtlens.toml").write_text('[build]\nbackend = "trtexec"\ntrtexec = "trtexec"\nopt-level = 5\nprecision = ["fp16"]\n')
    done = trtlens(tmp_path, model, "--dry-run")
    assert done.returncode == 0 and {"--builderOptimizationLevel=5", "--fp16"} <= set(done.stdout.split()) and str(tool) in done.stdout
    assert "--builderOptimizationLevel=2" in trtlens(tmp_path, model, "--dry-run", "--opt-level", "2").stdout, "the command line wins"


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_a_terminal_shows_phase_clock_and_last_warning_while_nothing_new_is_said(tmp_path: Path, model: Path) -> None:
    tool = fake_trtexec.write(tmp_path / "trtexec")
    # No line of the log comes until the clock has been seen; a minute is the patience of a busy machine.
    tool.write_text(tool.read_text() + f"i=0; while [ ! -e {tmp_path}/seen ] && [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done\n")
    reading, terminal = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    command = [*RUN, str(model), "--trtexec", str(tool), "--quiet"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as child:
        os.close(terminal)
        shown, clock = b"", re.compile(rb"0:00:(?!00)\d\d Timing tactics  \[W\] a warning on standard error")
        while True:
            try:
                shown += os.read(reading, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if clock.search(shown):
                (tmp_path / "seen").touch()
        os.close(reading)
    assert child.returncode == 0 and (tmp_path / "seen").exists(), shown
