"""`trtlens reasons`: the catalogue. In: an id or nothing. Out: text. Next: diagnose/reasons.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    command,
)

if TYPE_CHECKING:
    from ..diagnose.reasons import WarningKind

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def reasons(id: Annotated[str | None, typer.Argument(metavar="ID", help="A reason, or warn:ID for a warning.", show_default=False)] = None) -> int | None:
    """Every reason id with its title; with an ID, its page: cause, evidence, remedy, sources. Warnings: `warn:ID`, as `--fail-on` takes them."""
    from ..diagnose.reasons import REASONS, WARNINGS, close_to, reason, render_page
    from ..errors import UsageError

    if id is not None:
        # An id that names both is the reason's; `warn:` asks for the warning.
        bare = id.removeprefix("warn:")
        if bare in WARNINGS and (id != bare or id not in REASONS):
            typer.echo(_warning_page(WARNINGS[bare]), nl=False)
        elif id != bare:
            raise UsageError(f"unknown warning id {bare!r}{close_to(bare, WARNINGS)}; `trtlens reasons` lists all")
        else:
            typer.echo(render_page(reason(id)), nl=False)
        return None
    width = max(map(len, REASONS))
    for known in REASONS.values():
        typer.echo(f"{known.id:<{width}}  {known.title}")
    typer.echo("")
    width = max(len("warn:" + id) for id in WARNINGS)
    for warning in WARNINGS.values():
        typer.echo(f"{'warn:' + warning.id:<{width}}  {warning.title}")
    return None


def _warning_page(warning: WarningKind) -> str:
    """The page of one warning, as the index of the docs has it."""
    lines = [f"# warn:{warning.id}", "", f"**{warning.title}**", "", warning.means, "", f"* Found by: {warning.found_by}", f"* Effect: {warning.effect}", ""]
    return "\n".join([*lines, "## What to do", "", warning.todo, "", f"Gate on it with `--fail-on warn:{warning.id}`.", ""])
