"""The command line: options in, one call to the library, exit code out.

In: arguments. Out: exit code 0 fine, 1 a gate holds, 2 wrong usage or unreadable input, 3 the build failed, 130 on Ctrl-C. Next: diagnose/explain.py.
Heavy modules are imported inside the commands, so that `trtlens --help` costs no more than typer itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from .diagnose.model import Diagnosis

app = typer.Typer(
    name="trtlens",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why does TensorRT run my 2:4 sparse layer dense? Reads build logs, layer info and timing profiles, and shows the log line that proves the answer.",
    epilog="Exit codes: 0 fine, 1 a gate holds, 2 wrong usage or unreadable input, 3 the build failed, 130 interrupted.",
)

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
AllowUnknown = Annotated[bool, typer.Option("--allow-unknown", help="A gate passes layers it cannot tell about.")]
Proof = Annotated[str, typer.Option("--proof", metavar="unknown|suggested|proven", help="A gate counts only verdicts at least this sure.")]


class _Exit(Exception):
    """Leave with an exit code."""

    def __init__(self, code: int) -> None:
        self.code = code


def _command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn the library's errors into one line on standard error and an exit code; a traceback is never the answer to bad input."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from .errors import TrtlensError
        from .text import visible

        try:
            code = function(*args, **kwargs)
        except TrtlensError as error:
            typer.echo(f"trtlens: {visible(str(error), 2000)}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("trtlens: interrupted", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has left (`| head`): that is not our failure, and Python must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and what it runs on.")] = False) -> None:
    if version:
        from .version import version_text

        typer.echo(version_text())
        raise typer.Exit


@app.command()
@_command
def explain(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="Layer info, timing profile, build log (.gz, .zst, - for standard input), ONNX model, kernel trace, or capture folders.",
            show_default=False,
        ),
    ],
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="One engine layer or ONNX node in depth.")] = None,
    build: Annotated[int | None, typer.Option("--build", metavar="N", help="Which build of a log that holds several.")] = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us", help="Two times are equal within the larger of the two.")] = "3%,1us",
    names: Annotated[
        list[str] | None, typer.Option("--names", metavar="DIR|FILE", help="More logs of this TensorRT and GPU, to name tactic ids.")
    ] = None,
    fail_on: FailOn = None,
    allow_unknown: AllowUnknown = False,
    proof: Proof = "unknown",
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Why do eligible layers run dense? Diagnose the artefacts of one capture."""
    from .diagnose.explain import Options
    from .diagnose.session import Session, parse_noise

    session = Session(files, Options(build=build, noise=parse_noise(noise)), _progress(no_color), names or ())
    return _report(session, json, html, markdown, tables, format, layer, fail_on, allow_unknown, proof, quiet, no_color)


def _report(
    session: Any, json: str | None, html: str | None, markdown: str | None, tables: str | None, format: str, layer: str | None,
    fail_on: list[str] | None, allow_unknown: bool, proof: str, quiet: bool, no_color: bool,
) -> int | None:  # fmt: skip
    """Everything the user asked to have written, then the terminal's view and the gates."""
    from .diagnose.gates import failures, parse_ids
    from .errors import UsageError

    if proof not in ("unknown", "suggested", "proven"):
        raise UsageError(f"--proof takes unknown, suggested or proven, not {proof!r}")
    if format not in ("parquet", "csv"):
        raise UsageError(f"--format takes parquet or csv, not {format!r}")
    ids = parse_ids(fail_on or ())
    diagnosis: Diagnosis = session.diagnosis
    if json is not None:
        from .report.json_report import write_json

        write_json(diagnosis, json)
    if html is not None:
        from .report.html import write_html

        write_html(diagnosis, html, session.extras())
    if markdown is not None:
        from .report.markdown import write_markdown

        write_markdown(diagnosis, markdown)
    if tables is not None:
        from .report.tables import write_tables

        write_tables(session, tables, format)
    console = _console(no_color, to_stderr="-" in (json, markdown))
    if layer is not None:
        from .report.deep_dive import render_layer

        render_layer(session, layer, console)
    else:
        from .report.terminal import render

        render(diagnosis, console, quiet=quiet)
    held = failures(diagnosis, ids, allow_unknown=allow_unknown, proof=proof)  # type: ignore[arg-type]
    if held:
        from .text import visible

        for sentence in held:
            typer.echo(f"trtlens: gate: {visible(sentence, 500)}", err=True)
        return 1
    return None


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": False})
@_command
def build(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="MODEL.onnx", show_default=False)] = None,
    engine: Annotated[str | None, typer.Option(metavar="MODEL.plan", help="Capture an existing engine instead of building one.")] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FOLDER", help="The capture folder (default: MODEL.trtlens).")] = None,
    backend: Annotated[str | None, typer.Option(metavar="auto|tensorrt|tensorrt-rtx|trtexec", help="auto says what it chose and why.")] = None,
    trtexec: Annotated[str | None, typer.Option(metavar="PATH", help="The trtexec to use.")] = None,
    target: Annotated[str | None, typer.Option(metavar="SM86", help="tensorrt-rtx: the GPU generation to build for.")] = None,
    sparsity: Annotated[str | None, typer.Option(metavar="enable|disable")] = None,
    precision: Annotated[list[str] | None, typer.Option(metavar="fp16,int8,bf16,fp8|best", help="Before TensorRT 11.")] = None,
    strongly_typed: Annotated[bool, typer.Option("--strongly-typed", help="The model's own types rule.")] = False,
    shapes: Annotated[list[str] | None, typer.Option(metavar="NAME:1x3x224x224", help="Fixed shapes; --min/--opt/--max for ranges, once a profile.")] = None,
    min: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    opt: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    max: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    workspace: Annotated[str | None, typer.Option(metavar="2GiB")] = None,
    opt_level: Annotated[int | None, typer.Option(metavar="0-5")] = None,
    max_tactics: Annotated[int | None, typer.Option(metavar="N")] = None,
    avg_timing: Annotated[int | None, typer.Option(metavar="N")] = None,
    tactic_sources: Annotated[list[str] | None, typer.Option(metavar="SOURCES")] = None,
    timing_cache: Annotated[str | None, typer.Option(metavar="FILE", help="Default: cold and private; a warm one hides timings.")] = None,
    editable_cache: Annotated[bool, typer.Option("--editable-cache", help="EDITABLE_TIMING_CACHE, where TensorRT has it.")] = False,
    io_formats: Annotated[list[str] | None, typer.Option(metavar="FORMATS")] = None,
    direct_io: Annotated[bool, typer.Option("--direct-io")] = False,
    plugins: Annotated[list[str] | None, typer.Option(metavar="LIBRARY")] = None,
    iterations: Annotated[int | None, typer.Option(metavar="N")] = None,
    warmup: Annotated[float | None, typer.Option(metavar="MS")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS")] = None,
    counterfactual: Annotated[bool, typer.Option("--counterfactual", help="Build a second time without SPARSE_WEIGHTS.")] = False,
    repeat: Annotated[int | None, typer.Option(metavar="N", help="Build N times: which layers flip, and inside what margin?")] = None,
    prune: Annotated[str | None, typer.Option(metavar="magnitude", help="Prune a copy to 2:4 first: for timing only, accuracy is not kept.")] = None,
    no_engine: Annotated[bool, typer.Option("--no-engine", help="Do not keep the engine in the capture.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing capture.")] = False,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="trtlens.toml with the same keys (default: ./trtlens.toml if there).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be called, and build nothing.")] = False,
    emit_script: Annotated[str | None, typer.Option(metavar="FILE.sh", help="Write a POSIX shell script for a machine without trtlens.")] = None,
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="One engine layer or ONNX node in depth.")] = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us")] = "3%,1us",
    fail_on: FailOn = None,
    allow_unknown: AllowUnknown = False,
    proof: Proof = "unknown",
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Build with a real backend, capture everything into a folder, then diagnose it. Flags after -- go to trtexec."""
    from .report.building import run_build_command

    given = {
        "model": model, "engine": engine, "output": output, "backend": backend, "trtexec": trtexec, "extra": context.args or None, "target": target,
        "sparsity": sparsity, "precision": precision, "strongly-typed": strongly_typed or None, "shapes": shapes, "min": min, "opt": opt, "max": max,
        "workspace": workspace, "opt-level": opt_level, "max-tactics": max_tactics, "avg-timing": avg_timing, "tactic-sources": tactic_sources,
        "timing-cache": timing_cache, "editable-cache": editable_cache or None, "io-formats": io_formats, "direct-io": direct_io or None, "plugins": plugins,
        "iterations": iterations, "warmup": warmup, "timeout": timeout, "counterfactual": counterfactual or None, "repeat": repeat, "prune": prune,
        "no-engine": no_engine or None, "force": force or None,
    }  # fmt: skip
    console = _console(no_color, to_stderr=True)
    built = run_build_command(given, config, dry_run, emit_script, fail_on or (), console)
    if built is None:
        return None
    from .diagnose.explain import Options
    from .diagnose.session import Session, parse_noise

    session = Session(built.folders, Options(noise=parse_noise(noise)), _progress(no_color), model=built.model)
    return _report(session, json, html, markdown, tables, format, layer, fail_on, allow_unknown, proof, quiet, no_color)


@app.command()
@_command
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL.onnx", show_default=False)],
    json: Json = None,
    html: Html = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    fail_on: FailOn = None,
    allow_unknown: AllowUnknown = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Are the weights 2:4 where TensorRT looks? Predicts; only a build log proves."""
    from .report.check import report_check

    return report_check(model, json, html, tables, format, fail_on or [], allow_unknown, quiet, _console(no_color, to_stderr=json == "-"))


@app.command()
@_command
def prune(
    model: Annotated[str, typer.Argument(metavar="MODEL.onnx", show_default=False)],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT.onnx", help="Where the pruned copy goes; never overwritten.", show_default=False)
    ],
) -> int | None:
    """Prune a copy to 2:4 by magnitude, for timing experiments: accuracy is NOT kept."""
    from .capture.prune import prune_model
    from .text import visible

    result = prune_model(model, output)
    typer.echo(visible(result.message, 4000), err=True)
    return None


@app.command()
@_command
def reasons(id: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None) -> int | None:
    """Every reason id with its title; with an ID, its page: cause, evidence, remedy, sources."""
    from .diagnose.reasons import REASONS, WARNINGS, reason, render_page

    if id is not None:
        typer.echo(render_page(reason(id)), nl=False)
        return None
    width = max(map(len, REASONS))
    for known in REASONS.values():
        typer.echo(f"{known.id:<{width}}  {known.title}")
    typer.echo("")
    for warning in WARNINGS.values():
        typer.echo(f"{'warn:' + warning.id:<{width}}  {warning.title}")
    return None


def _console(no_color: bool, to_stderr: bool = False) -> Console:
    from rich.console import Console

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    return Console(stderr=to_stderr, no_color=plain or None, highlight=False, soft_wrap=False, emoji=False)


def _progress(no_color: bool) -> Any:
    """A progress bar on standard error for anything longer than a second; silent where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    from .report.progress import Bar

    return Bar(_console(no_color, to_stderr=True))


def main() -> None:
    """The console script."""
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        # A report on a terminal that is not UTF-8 (Windows, LANG=C) must degrade, not fail.
        sys.stdout.reconfigure(errors="replace")
        sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
    app(prog_name="trtlens")


__all__ = ["Path", "app", "main"]
