"""`trtlens diff`: two captures side by side. In: options. Out: an exit code. Next: report/diff.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Html, NoColor, Quiet, Redact, command, console_for

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def diff(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A capture folder, or files of one capture joined by commas.", show_default=False)
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="The other capture, given alike.", show_default=False)],
    json: Annotated[str | None, typer.Option("--json", metavar="PATH|-", help="Write the comparison as JSON (a schema ships with the package).")] = None,
    html: Html = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us", help="Two times are equal within the larger of the two.")] = "3%,1us",
    redact: Redact = None,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Two captures side by side: what changed status, why, by how much beyond noise."""
    from ..report.diff import compare, side_files, write_diff
    from .redaction import in_diff, side_copy

    names = None
    if redact is not None:
        if "-" in side_files(first) and "-" in side_files(second):
            compare(first, second)  # says that it cannot be
        names = ("A", "B")  # their paths would name the sides
    (one, read_one), (two, read_two) = side_copy(first, redact), side_copy(second, redact)
    result = in_diff(compare(one, two, noise, names=names), read_one, read_two)
    write_diff(result, json=json, html=html, quiet=quiet, console=console_for(no_color, to_stderr=json == "-"))
    return None
