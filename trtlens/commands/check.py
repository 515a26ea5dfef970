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
    fail_on: FailOn = None,
    allow_unknown: AllowUnknown = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Are the weights 2:4 where TensorRT looks? Predicts; only a build log proves."""
    from ..report.check import report_check

    return report_check(
        model, json, html, tables, format, fail_on or [], allow_unknown, quiet, console_for(no_color, to_stderr=json == "-")
    )
