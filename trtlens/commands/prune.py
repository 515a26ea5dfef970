"""`trtlens prune`: a 2:4 copy of a model, for timing. In: options. Out: an exit code. Next: capture/prune.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import (
    command,
)

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
@command
def prune(
    model: Annotated[str, typer.Argument(metavar="MODEL.onnx", help="The ONNX model; it stays as it is.", show_default=False)],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="OUT.onnx", help="Where the pruned copy goes; never overwritten.", show_default=False)
    ],
) -> int | None:
    """Prune a copy to 2:4 by magnitude, for timing experiments: accuracy is NOT kept."""
    from ..capture.prune import prune_model
    from ..text import visible

    result = prune_model(model, output)
    for line in result.message.splitlines():
        typer.echo(visible(line, 2000), err=True)
    return None
