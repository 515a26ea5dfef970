"""The check of a model's weights in a terminal.

In: diagnose.weights.ModelCheck and a rich console. Out: text on that console, at most 80 columns wide. Next: check_words.py, which holds
the sentences. Names come from the model: they are made visible, never parsed as rich markup, and cut in the middle to fit.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ..diagnose.weights import ModelCheck
from ..text import display_width, shorten_middle, visible
from .check_words import Row, Story, story, worst_first

_WIDTH = 80
_STYLE = {"eligible": "green", "ineligible": "red", "undetermined": "yellow"}


def render(check: ModelCheck, console: Console, *, quiet: bool = False, limit: int = 20, layer: str | None = None) -> None:
    """Print the summary and the `limit` worst weights. `quiet`: the headline alone. `layer`: everything about the weights of this ONNX
    node."""
    told = story(check)
    width = min(console.width, _WIDTH)
    if layer is not None:
        pairs = zip(told.rows, worst_first(check), strict=True)
        rows = [row for row, weight in pairs if layer in (weight.name, *weight.onnx_nodes)]
        if not rows:
            _print(console, f"No weight belongs to a node named {visible(layer)}.", width)
        for row in rows:
            _deep(console, row, width)
        return
    _print(console, told.headline, width, style="bold")
    if quiet:
        return
    _print(console, told.predicts, width)
    console.print()
    for label, value in told.totals:
        _print(console, f"{label}: {value}", width)
    for name, message in told.warnings:
        _print(console, f"! {name}: {message}", width, indent="  ", style="yellow")
    if told.counts:
        console.print()
        for name, count in told.counts:
            _print(console, f"{count:>7,}  {name}", width)
    _table(console, told, width, limit)


def _table(console: Console, told: Story, width: int, limit: int) -> None:
    shown = [row for row in told.rows if row.status != "eligible"][:limit]
    if not shown:
        return
    console.print()
    _print(console, "Worst first (share of groups that conform, size of the weight)", width, style="bold")
    for row in shown:
        head = f"{row.conforming or '-':>8} {row.size or '-':>9}  "
        mark = row.reason or row.status
        room = max(width - len(head) - len(mark) - 2, 12)
        name = _fit(row.name, room)
        console.print(Text(head) + Text(name) + Text("  ") + Text(mark, style=_STYLE[row.status]), soft_wrap=True)
        _print(console, f"{row.operator}: {row.summary}", width, first=" " * 20, indent=" " * 20, style="dim")
    left = sum(row.status != "eligible" for row in told.rows) - len(shown)
    if left:
        _print(console, f"and {left:,} more (--json and --html list all)", width, first=" " * 20)


def _deep(console: Console, row: Row, width: int) -> None:
    _print(console, f"{row.name} ({row.operator})", width, style="bold")
    verdict = f"{row.status}{': ' + row.reason if row.reason else ''} ({row.proof})"
    _print(console, verdict, width, first="  ", indent="  ", style=_STYLE[row.status])
    _print(console, row.summary, width, first="  ", indent="  ")
    for label, value in row.details:
        _print(console, f"{label}: {value}", width, first="  ", indent="    ")


def _fit(name: str, room: int) -> str:
    shown = shorten_middle(name, room)
    while display_width(shown) > room:
        shown = shorten_middle(shown, len(shown) - 1)
    return shown


def _print(console: Console, text: str, width: int, *, first: str = "", indent: str = "", style: str = "") -> None:
    """Wrapped by what the terminal shows, not by characters: East Asian ones take two columns."""
    for number, line in enumerate(Text(text).wrap(console, width - max(len(first), len(indent)), overflow="fold")):
        line.rstrip()
        console.print(Text(indent if number else first).append_text(line), style=style, soft_wrap=True)
