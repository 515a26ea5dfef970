"""What the subcommands share: options, errors as one line, what is written and printed at the end.

In: options. Out: exit codes. Next: the modules beside this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ..diagnose.model import Diagnosis

Json = Annotated[
    str | None, typer.Option("--json", metavar="PATH|-", help="Write the diagnosis as JSON (a schema ships with the package).")
]
Html = Annotated[str | None, typer.Option("--html", metavar="PATH", help="Write the report as one self-contained HTML file.")]
Markdown = Annotated[
    str | None, typer.Option("--markdown", metavar="PATH|-", help="Write the report as Markdown, for a pull request or job summary.")
]
Tables = Annotated[
    str | None, typer.Option("--tables", metavar="DIR", help="Write every table (tactics, format combinations, …) as Parquet.")
]
TableFormat = Annotated[str, typer.Option("--format", metavar="parquet|csv", help="Format of --tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the one-sentence answer only.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colour, as NO_COLOR does.")]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-on", metavar="ID[,…]", help="Exit 1 where a layer has this status or reason, or the build this warning (warn:ID)."
    ),
]
AllowUnknown = Annotated[bool, typer.Option("--allow-unknown", help="A gate passes layers it cannot tell about.")]
Proof = Annotated[str, typer.Option("--proof", metavar="unknown|suggested|proven", help="A gate counts only verdicts at least this sure.")]


def command(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn the library's errors into one line on standard error and an exit code; a traceback is never the answer to bad input."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        from ..errors import TrtlensError
        from ..text import visible

        try:
            code = function(*args, **kwargs)
        except TrtlensError as error:
            typer.echo(f"trtlens: {visible(str(error), 2000)}", err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("trtlens: interrupted", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our output has left (`| head`): that is not our failure, and Python must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            typer.echo(f"trtlens: {visible(str(error.filename or 'output'), 500)}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from None
        except MemoryError:
            typer.echo("trtlens: out of memory; pass fewer or smaller files", err=True)
            raise typer.Exit(2) from None
        except Exception as error:
            if os.environ.get("TRTLENS_TRACEBACK") or isinstance(error, typer.Exit):
                raise
            what = visible(f"{type(error).__name__}: {error}", 300)
            typer.echo(f"trtlens: internal error, please report it: {what} (TRTLENS_TRACEBACK=1 shows where)", err=True)
            raise typer.Exit(2) from None
        if code:
            raise typer.Exit(code)

    return run


def report(
    session: Any, json: str | None, html: str | None, markdown: str | None, tables: str | None, format: str, layer: str | None,
    fail_on: list[str] | None, allow_unknown: bool, proof: str, quiet: bool, no_color: bool,
) -> int | None:  # fmt: skip
    """Everything the user asked to have written, then the terminal's view and the gates."""
    from ..diagnose.gates import failures, parse_ids
    from ..errors import UsageError

    if proof not in ("unknown", "suggested", "proven"):
        raise UsageError(f"--proof takes unknown, suggested or proven, not {proof!r}")
    if format not in ("parquet", "csv"):
        raise UsageError(f"--format takes parquet or csv, not {format!r}")
    ids = parse_ids(fail_on or ())
    diagnosis: Diagnosis = session.diagnosis
    if json is not None:
        from ..report.json_report import write_json

        write_json(diagnosis, json)
    if html is not None:
        from ..report.html import write_html

        write_html(diagnosis, html, session.extras())
    if markdown is not None:
        from ..report.markdown import write_markdown

        write_markdown(diagnosis, markdown)
    if tables is not None:
        from ..report.tables import write_tables

        write_tables(session, tables, format)
    console = console_for(no_color, to_stderr="-" in (json, markdown))
    if layer is not None:
        from ..report.deep_dive import render_layer

        render_layer(session, layer, console)
    else:
        from ..report.terminal import render

        render(diagnosis, console, quiet=quiet)
    held = failures(diagnosis, ids, allow_unknown=allow_unknown, proof=proof)  # type: ignore[arg-type]
    if held:
        from ..text import visible

        for sentence in held:
            typer.echo(f"trtlens: gate: {visible(sentence, 500)}", err=True)
        return 1
    return None


def console_for(no_color: bool, to_stderr: bool = False) -> Console:
    from rich.console import Console

    plain = no_color or bool(os.environ.get("NO_COLOR"))
    return Console(stderr=to_stderr, no_color=plain or None, highlight=False, soft_wrap=False, emoji=False)


def progress(no_color: bool) -> Any:
    """A progress bar on standard error for anything longer than a second; silent where that is no terminal."""
    if not sys.stderr.isatty():
        return None
    from ..report.progress import Bar

    return Bar(console_for(no_color, to_stderr=True))
