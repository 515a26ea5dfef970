"""`trtlens check`: the 2:4 check of an ONNX model. In: options. Out: an exit code. Next: report/check.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    AllowUnknown,
    FailOn,
    Html,
    Json,
    NoColor,
    Quiet,
    Redact,
    TableFormat,
    Tables,
    command,
    console_for,
)

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL.onnx", show_default=False)],
    json: Json = None,
    html: Html = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    redact: Redact = None,
    fail_on: FailOn = None,
    allow_unknown: AllowUnknown = False,
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
