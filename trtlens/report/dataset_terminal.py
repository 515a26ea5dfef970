"""Many captures in a terminal: a line each, what could not be read, which gates hold.

In: `trtlens explain DIR… --tables OUT`. Out: text on a console, exit code. Next: dataset.py, which does the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from . import words
from .dataset import CaptureOutcome, DatasetResult, Naming, write_dataset
from .terminal import Printer

if TYPE_CHECKING:
    from rich.console import Console

    from ..diagnose.explain import Options
    from ..diagnose.gates import Gates


def run_dataset(
    paths: Sequence[str],
    directory: str | os.PathLike[str],
    *,
    console: Console,
    errors: Console,
    options: Options | None = None,
    gates: Gates | None = None,
    workers: int | None = None,
    quiet: bool = False,
    on_done: Callable[[CaptureOutcome, int, int], None] | None = None,
    naming: Naming | None = None,
) -> int:
    """Write the dataset, print a line a capture to `console` and what is wrong to `errors`; the exit code (2 only where every capture is bad)."""
    result = write_dataset(paths, directory, options=options, gates=gates, workers=workers, on_done=on_done, naming=naming)
    render_dataset(result, console, errors, quiet=quiet)
    return result.exit_code


def render_dataset(result: DatasetResult, console: Console, errors: Console, *, quiet: bool = False, limit: int = 60) -> None:
    """Print the outcome: captures with the most time in fallbacks first."""
    printer, wrong = Printer(console), Printer(errors)
    read = [one for one in result.captures if one.error is None]
    printer.line(_headline(result, read), style="bold")
    if read and not quiet:
        ranked = sorted(read, key=lambda one: (-(one.fallback_time_ms or 0.0), -(one.fallback or 0), one.label))
        rows = [
            (one.label, _count(one.eligible), _count(one.picked), _count(one.fallback), words.at_least(one.fallback_time_ms, one.fallback_untimed), words.ms(one.total_time_ms))
            for one in ranked[:limit]
        ]
        printer.line()
        printer.table(("capture", "eligible", "sparse", "dense", "dense ms", "total ms"), rows, right=(1, 2, 3, 4, 5), stretch=0)
        if len(read) > limit:
            printer.line(f"  ... and {len(read) - limit:,} more: the table `captures` holds all of them.", style="dim")
    for one in result.bad:
        wrong.line(f"trtlens: skipped: {one.error}", rest="  ")
    for one in result.captures:
        for gate in one.gates:
            for message in gate.messages if gate.holds else ():
                wrong.line(f"trtlens: gate: {one.label}: {message}", rest="  ", limit=600)
    if result.gated and result.bad and not result.allow_unknown:
        wrong.line(f"trtlens: gate: cannot tell: {words.count(len(result.bad), 'capture')} could not be read (--allow-unknown passes them)", rest="  ")


def _headline(result: DatasetResult, read: Sequence[CaptureOutcome]) -> str:
    fallback = sum(one.fallback or 0 for one in read)
    eligible = sum(one.eligible or 0 for one in read)
    verb = "runs" if 1 in (fallback, eligible) else "run"
    text = f"{words.count(len(read), 'capture')}: {fallback:,} of {words.count(eligible, 'eligible layer')} {verb} dense"
    if result.bad:
        text += f"; {words.count(len(result.bad), 'capture')} could not be read and {'was' if len(result.bad) == 1 else 'were'} skipped"
    return text + "."


def _count(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
