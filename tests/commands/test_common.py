"""What all subcommands share: options that make no sense, errors as one line, what is printed after the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tests.diagnose.test_experiments import DENSE, SPARSE, capture, write
from trtlens.cli import app
from trtlens.commands.common import Wanted, command
from trtlens.diagnose.rules import Noise
from trtlens.errors import BuildFailed, InputError

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "fixtures" / "synthetic_small"
FILES = [str(SAMPLE / name) for name in ("layer_info.json", "profile.json", "build.log")]


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100", "TERM": "dumb", **environment})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--proof", "surely"), "--proof takes unknown, suggested or proven, not 'surely'"),
        (("--format", "xml"), "--format takes parquet or csv, not 'xml'"),
        (("--json", "-", "--markdown", "-"), "--json - and --markdown - would write into one another"),
        (("--redact-to", "copies"), "--redact-to needs --redact SALT"),
        (("--noise", "plenty"), "it takes a share and a time"),
        (("--noise", "100%"), "the share must be below 100 %"),
        (("--build", "7"), "7"),
        (("--layer", "nothing like it"), "nothing like it"),
        (("--min-picked", "60%"), "'--min-picked': '60%' is no number; it takes one such as 0.6"),
        (("--min-picked", "60"), "--min-picked takes a share from 0 to 1, such as 0.6, not 60"),
        (("--max-fallback-ms", ""), "'--max-fallback-ms': '' is no number; it takes one such as 0.5"),
        (("--build", "last"), "'--build': 'last' is no whole number; it takes one such as 1"),
        (("--nosuch",), "No such option: --nosuch"),
        (("--fail-on", ""), "--fail-on is empty"),
        (("--fail-on", ","), "--fail-on is empty"),
        (("--fail-on", "slowr"), "did you mean slower"),
        (("--fail-on", "memory-bound", "--proof", "proven"), "--fail-on memory-bound: is never proven"),
        (("--baseline", ""), "--baseline is empty"),
        (("--redact", ""), "--redact is empty"),
        (("--tables", " "), "--tables is empty"),
        (("--names", ""), "--names is empty"),
    ],
)
def test_options_that_make_no_sense_are_one_line_and_exit_2(options: tuple[str, ...], words: str) -> None:
    done = invoke("explain", *FILES, *options)
    assert done.exit_code == 2, done.output
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_an_input_behind_a_file_url_is_not_written_over(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes((SAMPLE / "build.log").read_bytes())
    done = invoke("explain", f"file://{log}", "--json", str(log))
    assert done.exit_code == 2 and "would be overwritten" in done.stderr
    assert log.read_bytes() == (SAMPLE / "build.log").read_bytes()


def test_a_command_that_does_not_exist_is_wrong_usage() -> None:
    done = invoke("explane")
    assert done.exit_code == 2 and done.stderr == "trtlens: No such command 'explane'; `trtlens --help` lists the options\n"


@pytest.mark.parametrize("arguments", [("check", str(SAMPLE), "--fail-on", ""), ("explain", ""), ("explain",), ("diff", "", str(SAMPLE)), ("build", "--opt-level", "high"), ("--nosuch",)])
def test_wrong_usage_of_any_command_is_one_line(arguments: tuple[str, ...]) -> None:
    done = invoke(*arguments)
    assert done.exit_code == 2 and not done.stdout
    assert done.stderr.startswith("trtlens: ") and len(done.stderr.splitlines()) == 1, done.stderr


def test_wrong_gates_are_refused_before_anything_is_built(tmp_path: Path) -> None:
    for wrong in (("--fail-on", "slowr"), ("--min-picked", "7"), ("--proof", "proven", "--fail-on", "clocks")):
        done = invoke("build", str(tmp_path / "no.onnx"), "--output", str(tmp_path / "capture"), *wrong)
        assert done.exit_code == 2 and wrong[-2] in done.stderr and "no.onnx" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_arguments_the_help_is_printed() -> None:
    assert "Exit codes" in "".join((invoke().stdout, invoke().stderr))


def test_a_build_that_broke_off_passes_no_gate(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text("".join((SAMPLE / "build.log").read_text().splitlines(keepends=True)[:20]))
    gates = ("--fail-on", "dense", "--max-fallback-ms", "0.1", "--min-picked", "0.1")
    done = invoke("explain", str(tmp_path / "build.log"), "--quiet", *gates)
    assert done.exit_code == 1
    said = done.stderr.splitlines()
    assert len(said) == 3 and all(line.startswith("trtlens: gate: cannot tell: ") for line in said)
    assert invoke("explain", str(tmp_path / "build.log"), "--quiet", *gates, "--allow-unknown").exit_code == 0


def test_a_reason_without_a_log_cannot_be_told() -> None:
    done = invoke("explain", *FILES[:2], "--quiet", "--fail-on", "slower,format-cost")
    assert done.exit_code == 1 and done.stderr.count("cannot tell: ") == 2
    assert invoke("explain", *FILES[:2], "--quiet", "--fail-on", "slower,format-cost", "--allow-unknown").exit_code == 0


def fails(error: BaseException) -> Callable[..., None]:
    @command
    def one() -> int | None:
        raise error

    return one


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("a.log", "is empty", todo="capture it again"), 2, "trtlens: a.log: is empty; capture it again"),
        (InputError("a.log", "holds \x1b[31m colour"), 2, "trtlens: a.log: holds \\x1b[31m colour"),
        (BuildFailed("the build failed"), 3, "trtlens: the build failed"),
        (KeyboardInterrupt(), 130, "trtlens: interrupted"),
        (OSError(28, "No space left on device", "/full/r.html"), 2, "trtlens: /full/r.html: No space left on device"),
        (OSError("a loop of links"), 2, "trtlens: output: a loop of links"),
        (MemoryError(), 2, "trtlens: out of memory; pass fewer or smaller files"),
        (ZeroDivisionError("ours"), 2, "trtlens: internal error, please report it: ZeroDivisionError: ours (TRTLENS_TRACEBACK=1 shows where)"),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_an_exit_code(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRTLENS_TRACEBACK", raising=False)
    with pytest.raises(typer.Exit) as end:
        fails(error)()
    assert end.value.exit_code == code
    assert capsys.readouterr().err == f"{said}\n"


def test_a_traceback_is_shown_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTLENS_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError("ours"))()


def test_an_exit_code_of_a_command_is_that_of_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as end:
        fails(typer.Exit(7))()
    assert end.value.exit_code == 7 and not capsys.readouterr().err

    @command
    def fine() -> int | None:
        return None

    assert fine() is None  # type: ignore[func-returns-value]


def test_what_further_builds_showed_is_printed_after_the_report(tmp_path: Path) -> None:
    main = tmp_path / "c"
    write(main, {"a": (SPARSE, 0.1), "b": (DENSE, 0.2)})
    write(main / "counterfactual", {"a": (DENSE, 0.15), "b": (DENSE, 0.2)})
    capture(main, [{"kind": "counterfactual", "folder": "counterfactual", "status": "complete"}])
    text = invoke("explain", str(main)).stdout
    assert "0.3 ms with SPARSE_WEIGHTS and 0.35 ms without (-14.3%)" in text
    assert "  a: 0.1 ms sparse, 0.15 ms dense, 0.05 ms faster" in text.splitlines()
    assert "SPARSE_WEIGHTS" not in invoke("explain", str(main), "--quiet").stdout


def test_a_gate_without_a_baseline_has_none() -> None:
    gates = Wanted(fail_on=["dense,slower"], min_picked=0.5).gates(Noise(0.03, 0.001))
    assert gates.fail_on == ("dense", "slower") and gates.min_picked == 0.5 and gates.baseline is None


def test_json_on_standard_output_leaves_the_summary_to_standard_error() -> None:
    done = invoke("explain", *FILES, "--markdown", "-")
    assert "eligible layers run dense" in done.stdout and "eligible layers run dense" in done.stderr
    assert done.stdout.startswith("#") or done.stdout.startswith("**"), done.stdout[:100]


def test_copies_of_a_redaction_go_where_they_were_asked_for(tmp_path: Path) -> None:
    done = invoke("explain", *FILES, "--redact", "salt", "--redact-to", str(tmp_path / "copies"), "--quiet")
    assert done.exit_code == 0 and "4 of 6 eligible layers run dense" in " ".join(done.stdout.split())
    assert sorted(path.name for path in (tmp_path / "copies").rglob("*.*")) == ["build.log", "layer_info.json", "profile.json"]
