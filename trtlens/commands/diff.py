"""`trtlens diff`: two captures side by side. In: options. Out: an exit code. Next: report/diff.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Html, Json, NoColor, Quiet, command, console_for

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def diff(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A capture folder, or files of one capture joined by commas.", show_default=False)
    ],
    second: Annotated[str, typer.Argument(metavar="B", show_default=False)],
    json: Json = None,
    html: Html = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us", help="Two times are equal within the larger of the two.")] = "3%,1us",
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Two captures side by side: what changed status, why, by how much beyond noise."""
    from ..report.diff import run_diff

    return run_diff(first, second, json=json, html=html, noise=noise, quiet=quiet, console=console_for(no_color, to_stderr=json == "-"))
