"""`trtlens check`: the 2:4 check of an ONNX model. In: options. Out: an exit code. Next: report/check.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    Html,
    NoColor,
    Quiet,
    Redact,
    TableFormat,
    command,
    console_for,
)

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL.onnx", help="The ONNX model; external weights are read from beside it.", show_default=False)],
    json: Annotated[str | None, typer.Option("--json", metavar="PATH|-", help="Write what was found as JSON (a schema ships with the package).")] = None,
    html: Html = None,
    tables: Annotated[str | None, typer.Option("--tables", metavar="DIR", help="Write the table of weights as Parquet.")] = None,
    format: TableFormat = "parquet",
    redact: Redact = None,
    fail_on: Annotated[
        list[str] | None, typer.Option("--fail-on", metavar="ID[,…]", help="Exit 1 where a weight has this status or reason, or the check this warning (warn:ID).")
    ] = None,
    allow_unknown: Annotated[bool, typer.Option("--allow-unknown", help="A gate passes weights it cannot tell about.")] = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Are the weights 2:4 where TensorRT looks? Predicts; only a build log proves."""
    from ..report.check import gate_ids, report_check
    from .redaction import copies

    gate_ids(fail_on or [])
    read = copies([model], redact)
    return report_check(
        read.paths[0], json, html, tables, format, fail_on or [], allow_unknown, quiet, console_for(no_color, to_stderr=json == "-"), read.in_check
    )
