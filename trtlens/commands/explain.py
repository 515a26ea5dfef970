"""`trtlens explain`: the diagnosis of existing artefacts. In: options. Out: an exit code. Next: diagnose/session.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    AllowUnknown,
    Baseline,
    FailOn,
    Html,
    Json,
    Junit,
    Markdown,
    MaxFallback,
    MinPicked,
    NoColor,
    Proof,
    Quiet,
    Redact,
    RedactTo,
    Sarif,
    TableFormat,
    Tables,
    Wanted,
    command,
    console_for,
    integer,
    progress,
    report,
)

if TYPE_CHECKING:
    from ..diagnose.explain import Options
    from .redaction import Copies

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
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
    build: Annotated[
        int | None, typer.Option("--build", metavar="N", parser=integer("1"), help="Which build of a log that holds several; the report numbers them.")
    ] = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us", help="Two times are equal within the larger of the two.")] = "3%,1us",
    names: Annotated[
        list[str] | None, typer.Option("--names", metavar="DIR|FILE", help="More logs of this TensorRT and GPU, to name tactic ids.")
    ] = None,
    junit: Junit = None,
    sarif: Sarif = None,
    redact: Redact = None,
    redact_to: RedactTo = None,
    fail_on: FailOn = None,
    min_picked: MinPicked = None,
    max_fallback_ms: MaxFallback = None,
    baseline: Baseline = None,
    allow_unknown: AllowUnknown = False,
    proof: Proof = "unknown",
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Why do eligible layers run dense? Diagnose the artefacts of one capture."""
    from ..diagnose.explain import Options
    from ..diagnose.session import Session, parse_noise
    from .redaction import copies, layer_name, side_copy

    wanted = Wanted(
        json=json, html=html, markdown=markdown, tables=tables, format=format, junit=junit, sarif=sarif, layer=layer, fail_on=fail_on, min_picked=min_picked,
        max_fallback_ms=max_fallback_ms, baseline=baseline, allow_unknown=allow_unknown, proof=proof, quiet=quiet, no_color=no_color,
    )  # fmt: skip
    wanted.check()
    read = copies(files, redact, redact_to)
    files = list(read.paths)
    if baseline is not None:
        wanted = replace(wanted, baseline=side_copy(baseline, redact)[0])
    options = Options(build=build, noise=parse_noise(noise))
    if tables is not None and format == "parquet" and layer is None and not names:
        from ..report.dataset import several_captures

        if several_captures(files):
            return _dataset(files, tables, options, wanted, read if read.folder is not None else None)
    files_asked = (json, html, markdown, tables, junit, sarif)  # which name their inputs by SHA-256; the terminal does not
    session = Session(files, options, progress(no_color), names or (), hashes=any(name is not None for name in files_asked))
    read.in_session(session)
    return report(session, replace(wanted, layer=layer_name(session, layer, redact)))


def _dataset(files: list[str], tables: str, options: Options, wanted: Wanted, naming: Copies | None) -> int:
    """Many captures: in parallel, one partitioned dataset, a line each."""
    from ..errors import UsageError
    from ..report.dataset_terminal import run_dataset

    asked = [name for name in ("json", "html", "markdown", "junit", "sarif") if getattr(wanted, name) is not None]
    if asked:
        raise UsageError(f"--{asked[0]} is about one capture: many captures are written with --tables alone")
    console = console_for(wanted.no_color)
    return run_dataset(
        files,
        tables,
        console=console,
        errors=console_for(wanted.no_color, to_stderr=True),
        options=options,
        gates=wanted.gates(options.noise),
        quiet=wanted.quiet,
        naming=naming,
    )
