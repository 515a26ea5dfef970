"""The command line: options in, one call to the library, exit code out.

In: arguments. Out: exit code 0 fine, 1 a gate holds, 2 wrong usage or unreadable input, 3 the build failed, 130 on Ctrl-C. Next: commands/.
A subcommand's module is imported when it is called, so that `trtlens --help` costs no more than typer itself.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .commands.usage import one_line
from .signals import again, postponed

# Name → what it does, as the list of commands says it. The modules of commands/ have these names.
COMMANDS = {
    "explain": "Why do eligible layers run dense? Diagnose the artefacts of one capture.",
    "build": "Build with a real backend, capture everything, then diagnose it.",
    "check": "Are the weights 2:4 where TensorRT looks? Predicts; only a log proves.",
    "diff": "Two captures side by side, layer by layer.",
    "prune": "Prune a copy to 2:4, for timing experiments: accuracy is NOT kept.",
    "reasons": "Every reason id; with an ID, its page: cause, evidence, remedy.",
}


class _Lazy(TyperGroup):
    """A group that knows its commands by name and builds one only when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(f".commands.{cmd_name}", __package__).app)
        command.name = cmd_name
        return command

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            with one_line():
                return super().invoke(ctx)
        except KeyboardInterrupt:  # while a command is still being imported; typer would exit with 1, which means that a gate holds
            typer.echo("trtlens: interrupted", err=True)
            raise typer.Exit(130) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    name="trtlens",
    cls=_Lazy,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Why does TensorRT run my 2:4 sparse layer dense? Reads build logs, layer info and timing profiles, and shows the log line that proves the answer.",
    epilog="Exit codes: 0 fine, 1 a gate holds, 2 wrong usage or unreadable input, 3 the build failed, 130 interrupted.",
)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and what it runs on.")] = False) -> None:
    if version:
        from .version import version_text

        typer.echo(version_text())
        raise typer.Exit


def main() -> None:
    """The console script."""
    try:
        try:
            _open_missing_streams()
            collect_less_often()
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) == default:  # whoever started us may want it ignored
                    signal.signal(number, _end)
            sys.unraisablehook = _swallowed
            if hasattr(sys.stdout, "reconfigure"):
                # A report on a terminal that is not UTF-8 (Windows, LANG=C) must degrade, not fail.
                sys.stdout.reconfigure(errors="replace")
                sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
            app(prog_name="trtlens")
        finally:
            # All is done but what Python tidies up at exit, temporary folders among it: nothing that a signal should cut short.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:  # before a command began, or after it ended
        typer.echo("trtlens: interrupted", err=True)
        raise SystemExit(130) from None


def collect_less_often() -> None:
    """The records of a large engine hold no cycles, and looking for some among millions of them took a quarter of the time."""
    gc.set_threshold(100_000, 50, 50)


def _open_missing_streams() -> None:
    """A caller may close any of the three streams (`>&-`, a service manager): they are then empty, not an error."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for as long as the process runs


def _end(number: int, frame: Any) -> None:
    """Unwind, so that half-written files and unpacked archives are removed; the exit code is the shell's for the signal."""
    if not postponed(number, frame, main.__code__):
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _swallowed(lost: Any) -> None:
    """What `_end` raised in a destructor would be a traceback and no end: Python lets nothing out of there. The signal comes again."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        again(signal.SIGINT)
    elif isinstance(lost.exc_value, SystemExit):
        again(signal.SIGTERM)
    else:
        sys.__unraisablehook__(lost)


__all__ = ["COMMANDS", "app", "main"]
