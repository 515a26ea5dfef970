"""A comparison in a terminal: where it ran, what it cost, which layers changed and why.

In: diagnose.diff.DiffResult and a rich console. Out: text on that console. Next: diff_words.py, which holds the sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from ..diagnose.diff import DiffResult, Unmatched
from . import words
from .diff_words import Section, signed_ms, story
from .terminal import Printer


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
    printer.table(("figure", *(printer.fit(name, 20) for name in (result.name_a, result.name_b)), "change"), told.totals, right=(1, 2, 3), stretch=0)
    for section in told.sections:
        printer.line()
        _section(printer, section, limit, (result.name_a, result.name_b))
    for layers, name, other in ((told.only_a, result.name_a, result.name_b), (told.only_b, result.name_b, result.name_a)):
        if layers:
            printer.line()
            _unmatched(printer, layers, f"In {name} alone, without a counterpart in {other}", limit)
    printer.line()
    for note in (*told.notes, *told.inputs):
        printer.line(note, style="dim", limit=400)


def _section(printer: Printer, section: Section, limit: int, names: tuple[str, str]) -> None:
    printer.line(f"{section.title}: {words.count(len(section.rows), 'group')}", style="bold")
    room = max(printer.width // 3, 12)
    header = ["layer", "what", *(f"{printer.fit(name, 12)} ms" for name in names), "change"]
    rows = [
        [row.name, printer.fit(row.change, room), words.ms(row.a_ms), words.ms(row.b_ms), signed_ms(row.delta_ms)]
        for row in section.rows[:limit]
    ]
    if printer.width < 80:
        header, rows = header[:2] + header[4:], [row[:2] + row[4:] for row in rows]
    printer.table(header, rows, right=(2, 3, 4) if len(header) == 5 else (2,), stretch=0)
    reasons = list(dict.fromkeys(row.why for row in section.rows[:limit] if row.why))
    for why in reasons[:3]:
        printer.line(why, first="  - ", rest="    ", limit=300, style="dim")
    _more(printer, len(section.rows) - limit)


def _unmatched(printer: Printer, layers: Sequence[Unmatched], title: str, limit: int) -> None:
    printer.line(f"{title}: {words.count(len(layers), 'layer')}", style="bold")
    rows = [(layer.name, layer.status, words.ms(layer.time_ms)) for layer in layers[:limit]]
    printer.table(("layer", "status", "ms"), rows, right=(2,), stretch=0)
    _more(printer, len(layers) - limit)


def _more(printer: Printer, number: int) -> None:
    if number > 0:
        printer.line(f"  ... and {number:,} more: --html or --json shows all of them.", style="dim")
