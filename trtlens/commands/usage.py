"""Wrong usage in one line: which option, what is wrong, what it takes; options that were given as nothing.

In: what typer raises while it reads the command line, or a subcommand's options. Out: a line on standard error and exit code 2. Next: cli.py and
common.py, which ask. Typer by itself prints three lines of usage before the error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from ..errors import UsageError
from ..text import visible


@contextmanager
def one_line() -> Iterator[None]:
    """Turn typer's errors of usage into one line and exit code 2; a call without arguments still prints the help."""
    try:
        yield
    except Exception as error:
        # Typer brings a copy of click from 0.26 on and uses click itself before: the class has two homes, and one form.
        if not hasattr(error, "format_message") or not hasattr(error, "exit_code") or type(error).__name__ == "NoArgsIsHelpError":
            raise
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "trtlens"
        said = " ".join(error.format_message().split()).rstrip(".")
        typer.echo(f"{path.replace(' ', ': ', 1) if ' ' in path else path}: {visible(said, 1000)}; `{path} --help` lists the options", err=True)
        raise typer.Exit(error.exit_code) from None


def refuse_empty(options: Mapping[str, Any]) -> None:
    """Raise UsageError for an option or a path that was given as nothing, as an unset variable of a CI job is: "" would be the current folder, or no gate."""
    for key, value in options.items():
        if key != "layer" and any(isinstance(one, str) and not one.strip() for one in (value if isinstance(value, (list, tuple)) else (value,))):
            name = {"first": "A", "second": "B", "files": "FILE", "model": "MODEL.onnx", "id": "ID"}.get(key, f"--{key.replace('_', '-')}")
            raise UsageError(f"{name} is empty: an unset variable? Give it a value or leave it out")
