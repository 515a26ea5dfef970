"""`trtlens reasons`: the catalogue. In: an id or nothing. Out: text. Next: diagnose/reasons.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    command,
)

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def reasons(id: Annotated[str | None, typer.Argument(metavar="ID", show_default=False)] = None) -> int | None:
    """Every reason id with its title; with an ID, its page: cause, evidence, remedy, sources."""
    from ..diagnose.reasons import REASONS, WARNINGS, reason, render_page

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
