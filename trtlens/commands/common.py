"""What the subcommands share: options, errors as one line, what is written and printed at the end.

In: options. Out: exit codes. Next: the modules beside this one.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..diagnose.extras import ReportExtras
    from ..diagnose.gates import GateResult, Gates
    from ..diagnose.model import CaptureDiagnosis, Diagnosis
    from ..diagnose.rules import Noise
    from ..diagnose.session import Session

Json = Annotated[
    str | None, typer.Option("--json", metavar="PATH|-", help="Write the diagnosis as JSON (a schema ships with the package).")
]
Html = Annotated[str | None, typer.Option("--html", metavar="PATH", help="Write the report as one self-contained HTML file.")]
Markdown = Annotated[
    str | None, typer.Option("--markdown", metavar="PATH|-", help="Write the report as Markdown, for a pull request or job summary.")
]
Tables = Annotated[
    str | None, typer.Option("--tables", metavar="DIR", help="Write every table (tactics, format combinations, …) as Parquet.")
]
TableFormat = Annotated[str, typer.Option("--format", metavar="parquet|csv", help="Format of --tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the one-sentence answer only.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour, as NO_COLOR does.")]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on", metavar="ID[,…]", help="Exit 1 where a layer has this status or reason, or the build this warning (warn:ID)."
    ),
]


def number(example: str) -> Callable[[str], float]:
    """A reader of an option's number whose complaint shows what was given, and an example."""

    def read(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no number; it takes one such as {example}") from None

    return read


def integer(example: str) -> Callable[[str], int]:
    """As `number`, for whole numbers."""

    def read(text: str) -> int:
        try:
            return int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no whole number; it takes one such as {example}") from None

    return read


MinPicked = Annotated[
    float | None,
    typer.Option(
        "--min-picked", metavar="0.6", parser=number("0.6"), help="Exit 1 where less than this share of the eligible layers runs sparse."
    ),
]
MaxFallback = Annotated[
    float | None, typer.Option("--max-fallback-ms", metavar="0.5", parser=number("0.5"), help="Exit 1 where the fallbacks take longer.")
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="CAPTURE", help="Exit 1 where a layer that was sparse there no longer is, or fallbacks cost more."),
]
Junit = Annotated[str | None, typer.Option("--junit", metavar="PATH", help="Write gates and fallbacks as JUnit XML.")]
Sarif = Annotated[str | None, typer.Option("--sarif", metavar="PATH", help="Write gates and fallbacks as SARIF 2.1.0.")]
Redact = Annotated[
    str | None,
    typer.Option(
        "--redact", metavar="SALT", help="Work on copies in which layer, tensor and file names are hashes, the same for one salt."
    ),
]
RedactTo = Annotated[str | None, typer.Option("--redact-to", metavar="DIR", help="Keep the redacted copies there, to send them on.")]
AllowUnknown = Annotated[bool, typer.Option("--allow-unknown", help="A gate passes layers it cannot tell about.")]
Proof = Annotated[str, typer.Option("--proof", metavar="unknown|suggested|proven", help="A gate counts only verdicts at least this sure.")]


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn the library's errors into one line on standard error and an exit code; a traceback is never the answer to bad input."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from ..errors import TrtlensError
        from ..text import visible
        from .clashes import refuse_clashes
        from .usage import refuse_empty

        try:
            refuse_empty(kwargs)
            refuse_clashes(kwargs)
            code = function(*args, **kwargs)
        except TrtlensError as error:
            typer.echo(f"trtlens: {visible(str(error), 2000)}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as error:
            typer.echo(f"trtlens: {visible(str(error), 500) or 'interrupted'}", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has left (`| head`): that is not our failure.
            _drop_output()
            raise typer.Exit(0) from None
        except OSError as error:
            typer.echo(f"trtlens: {visible(str(error.filename or 'output'), 500)}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from None
        except MemoryError:
            typer.echo("trtlens: out of memory; pass fewer or smaller files", err=True)
            raise typer.Exit(2) from None
        except Exception as error:
            if os.environ.get("TRTLENS_TRACEBACK") or isinstance(error, typer.Exit):
                raise
            what = visible(f"{type(error).__name__}: {error}", 300)
            typer.echo(f"trtlens: internal error, please report it: {what} (TRTLENS_TRACEBACK=1 shows where)", err=True)
            raise typer.Exit(2) from None
        if code:
            raise typer.Exit(code)

    return run


def _drop_output() -> None:
    """Python must not complain at exit about a pipe that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything the user asked to have written, printed and checked."""

    json: str | None = None
    html: str | None = None
    markdown: str | None = None
    tables: str | None = None
    format: str = "parquet"
    junit: str | None = None
    sarif: str | None = None
    layer: str | None = None
    fail_on: list[str] | None = None
    min_picked: float | None = None
    max_fallback_ms: float | None = None
    baseline: str | None = None
    allow_unknown: bool = False
    proof: str = "unknown"
    quiet: bool = False
    no_color: bool = False

    def check(self) -> None:
        """Refuse what makes no sense before anything long is done. Raises UsageError."""
        from ..errors import UsageError

        if self.proof not in ("unknown", "suggested", "proven"):
            raise UsageError(f"--proof takes unknown, suggested or proven, not {self.proof!r}")
        if self.format not in ("parquet", "csv"):
            raise UsageError(f"--format takes parquet or csv, not {self.format!r}")
        if [self.json, self.markdown].count("-") > 1:
            raise UsageError("--json - and --markdown - would write into one another: give one of them a path")
        self._gates(None)

    def gates(self, noise: Noise) -> Gates:
        """The gates, with the baseline diagnosed. Raises UsageError and InputError."""
        from ..diagnose.explain import Options
        from ..report.diff import read_side

        return replace(self._gates(read_side(self.baseline, Options(noise=noise)) if self.baseline is not None else None), noise=noise)

    def _gates(self, baseline: CaptureDiagnosis | None) -> Gates:
        from ..diagnose.gates import Gates, parse_ids

        return Gates(parse_ids(self.fail_on or ()), self.min_picked, self.max_fallback_ms, baseline, self.allow_unknown, self.proof)  # type: ignore[arg-type]


def redacted(files: list[str], salt: str | None, target: str | None) -> list[str]:
    """The files to read: those given, or copies without a name in them (in `target`, else in a folder that goes with the process)."""
    from ..errors import UsageError

    if salt is None:
        if target is not None:
            raise UsageError("--redact-to needs --redact SALT")
        return files
    from ..report.redact_files import redact_files
    from ..signals import TemporaryFolder

    if target is None:
        folder = TemporaryFolder("redacted-")
        atexit.register(folder.close)
    return list(redact_files(files, target if target is not None else folder.path, salt).paths)


def report(session: Session, wanted: Wanted) -> int | None:
    """Write what was asked for, print the terminal's view, evaluate the gates; the exit code."""
    from ..diagnose.gates import evaluate

    gates = wanted.gates(session.options.noise)
    diagnosis: Diagnosis = session.diagnosis
    results = evaluate(diagnosis, gates)
    _write(wanted, session, diagnosis, results, session.extras() if wanted.html is not None else None)
    console = console_for(wanted.no_color, to_stderr="-" in (wanted.json, wanted.markdown))
    try:
        if wanted.layer is not None:
            from ..report.deep_dive import render_layer

            render_layer(session, wanted.layer, console)
        else:
            from ..report.terminal import render

            render(diagnosis, console, quiet=wanted.quiet)
        if not wanted.quiet and wanted.layer is None:
            _experiments(session, console)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # a gate holds whether or not anyone reads the summary
    held = [result for result in results if result.holds]
    if held:
        from ..text import visible

        for result in held:
            for sentence in result.messages:
                typer.echo(f"trtlens: gate: {visible(sentence, 500)}", err=True)
        return 1
    return None


def _experiments(session: Session, console: Console) -> None:
    """What further builds of the same model showed, after the report."""
    from ..text import visible

    for experiment in session.experiment_results(0):
        console.print(f"\n{visible(experiment.title, 200)}", markup=False)
        for line in experiment.lines:
            console.print(f"  {visible(line, 400)}", markup=False)


def _write(wanted: Wanted, session: Session, shown: Diagnosis, results: Sequence[GateResult], extras: ReportExtras | None) -> None:
    if wanted.json is not None:
        from ..report.json_report import write_json

        write_json(shown, wanted.json)
    if wanted.html is not None:
        from ..report.html import write_html

        write_html(shown, wanted.html, extras)
    if wanted.markdown is not None:
        from ..report.markdown import write_markdown

        write_markdown(shown, wanted.markdown)
    if wanted.tables is not None:
        from ..report.tables import write_tables

        write_tables(session, wanted.tables, wanted.format)
    if wanted.junit is not None:
        from ..report.junit import write_junit

        write_junit(shown, results, wanted.junit)
    if wanted.sarif is not None:
        from ..report.sarif import write_sarif

        write_sarif(shown, results, wanted.sarif)


def console_for(no_color: bool, to_stderr: bool = False) -> Console:
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            """rich would exit with 1, which means that a gate holds; `command` knows what to do."""
            raise

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    return Piped(stderr=to_stderr, no_color=plain or None, highlight=False, soft_wrap=False, emoji=False)


def progress(no_color: bool) -> Any:
    """A progress bar on standard error for anything longer than a second; silent where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    from ..report.progress import Bar

    return Bar(console_for(no_color, to_stderr=True))
