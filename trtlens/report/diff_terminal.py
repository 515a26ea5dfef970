"""A comparison in a terminal: where it ran, what it cost, which layers changed and why.

In: diagnose.diff.DiffResult and a rich console. Out: text on that console. Next: diff_words.py, which holds the sentences.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console

from ..diagnose.diff import DiffResult, Unmatched
from ..text import display_width
from . import words
from .diff_words import Section, signed_ms, story
from .terminal import Printer

_CHANGE = 38  # columns of the longest part that should not be broken: `-> ineligible (channels-partial-group)`


def render_diff(result: DiffResult, console: Console, *, quiet: bool = False, limit: int = 15) -> None:
    """Print the comparison, at most `limit` layers a section; `quiet`: the headline and nothing else."""
    printer = Printer(console)
    told = story(result)
    for text in () if quiet else told.environment:
        # First of all: a difference in time between two GPUs is not a regression.
        printer.line(text, first="! ", rest="  ", style="yellow", limit=300)
    for text in () if quiet else told.cautions:
        printer.line(text, first="! ", rest="  ", style="yellow", limit=300)
    printer.line(told.headline, style="bold")
    if quiet:
        return
    printer.line()
    names = (result.name_a, result.name_b)
    if names != ("A", "B"):
        # A column of times is narrow: its heading can hold a letter, no file's name.
        printer.line(f"A: {names[0]}, B: {names[1]}", style="dim")
    _totals(printer, told.totals, names)
    for section in told.sections:
        printer.line()
        _section(printer, section, limit)
    for layers, name, other in ((told.only_a, result.name_a, result.name_b), (told.only_b, result.name_b, result.name_a)):
        if layers:
            printer.line()
            _unmatched(printer, layers, f"In {name} alone, without a counterpart in {other}", limit)
    printer.line()
    for note in (*told.notes, *told.inputs):
        printer.line(note, style="dim", limit=400)


def _totals(printer: Printer, rows: Sequence[tuple[str, str, str, str]], names: tuple[str, str]) -> None:
    room = printer.width - max(len(row[0]) for row in rows) - max(len(row[3]) for row in (*rows, ("", "", "", "change"))) - 8
    short = any(display_width(printer.clean(name)) > room // 2 for name in names)
    printer.table(("figure", *(("A", "B") if short else names), "change"), rows, right=(1, 2, 3), stretch=0)


def _section(printer: Printer, section: Section, limit: int) -> None:
    printer.line(f"{section.title}: {words.count(len(section.rows), 'group')}", style="bold")
    shown = section.rows[:limit]
    times = [(words.ms(row.a_ms), words.ms(row.b_ms), signed_ms(row.delta_ms)) for row in shown]
    header: list[str] = []
    if printer.width >= 80 and any(row.a_ms is not None or row.b_ms is not None for row in shown):
        header = ["A ms", "B ms", "change"]
    elif any(row.delta_ms is not None for row in shown):
        header = ["change"]
    right = [row[3 - len(header) :] for row in times]
    room = printer.width - 4 - sum(2 + max(len(cell) for cell in column) for column in zip(header, *right, strict=True))
    name = max(display_width(printer.clean(row.name[:400])) for row in shown)
    # Half of the room belongs to the names; what changed takes a second line rather than more of it.
    width = max(room - name, min(room // 2, _CHANGE))
    rows: list[list[str]] = []
    for row, cells in zip(shown, right, strict=True):
        parts = row.change.replace(" -> ", "\n-> ", 1).split("\n") if len(row.change) > width else [row.change]
        first, *rest = [line for part in parts for line in textwrap.wrap(part, width, break_on_hyphens=False)]
        rows.append([row.name or "(no name)", first, *cells])
        rows += [["", line, *[""] * len(header)] for line in rest]
    printer.table(["layer", "what", *header], rows, right=range(2, 5), stretch=0)
    reasons = list(dict.fromkeys(row.why for row in section.rows[:limit] if row.why))
    for why in reasons[:3]:
        printer.line(why, first="  - ", rest="    ", limit=300, style="dim")
    _more(printer, len(section.rows) - limit)


def _unmatched(printer: Printer, layers: Sequence[Unmatched], title: str, limit: int) -> None:
    printer.line(f"{title}: {words.count(len(layers), 'layer')}", style="bold")
    rows = [(layer.name or "(no name)", layer.status, words.ms(layer.time_ms)) for layer in layers[:limit]]
    printer.table(("layer", "status", "ms"), rows, right=(2,), stretch=0)
    _more(printer, len(layers) - limit)


def _more(printer: Printer, number: int) -> None:
    if number > 0:
        printer.line(f"  ... and {number:,} more: --html or --json shows all of them.", style="dim")
