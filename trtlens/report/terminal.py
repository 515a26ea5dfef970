"""The diagnosis in a terminal: what a tired person reads in ten seconds.

In: diagnose.model.Diagnosis and a rich console. Out: text on that console, never wider than it. Next: words.py, which holds the sentences.
Names come from logs and models: they are made visible, never parsed as rich markup, and cut in the middle to fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from ..diagnose.model import CaptureDiagnosis, Diagnosis, LayerVerdict
from ..text import display_width, visible
from . import words

_MAX_WIDTH = 120
# What the catalogue's sentences hold beyond ASCII, for logs and terminals that may not show it.
_PLAIN = str.maketrans({"…": "...", "–": "-", "—": "-", "−": "-", "×": "x", "≥": ">=", "≤": "<=", "→": "->", "µ": "u", "·": "-", "’": "'"})
_PROOF_STYLE = {"proven": "green", "suggested": "yellow", "unknown": "dim"}


def render(diagnosis: Diagnosis, console: Console, *, quiet: bool = False, limit: int = 20) -> None:
    """Print the summary and the `limit` costliest fallbacks of every capture; `quiet`: the headline of each and nothing else."""
    printer = Printer(console)
    if not diagnosis.captures:
        printer.line("No inputs were given: there is nothing to diagnose.")
    for number, capture in enumerate(diagnosis.captures):
        if number:
            printer.line()
        if len(diagnosis.captures) > 1:
            printer.line(f"Capture {number + 1}: {', '.join(item.path for item in capture.inputs[:3])}", style="bold")
        if quiet:
            printer.line(words.story(capture).headline, style="bold")
        else:
            _capture(printer, capture, limit)


def _capture(printer: Printer, capture: CaptureDiagnosis, limit: int) -> None:
    story = words.story(capture)
    printer.line(story.headline, style="bold")
    for note in (*story.counts, *story.notes):
        printer.line(note)
    if story.identity:
        printer.line()
        printer.line(" | ".join(f"{label} {value}" for label, value in story.identity), style="dim")
    if story.warnings:
        printer.line()
        for warning in story.warnings:
            printer.line(f"{warning.id}: {warning.message}", first="! ", rest="  ", style="yellow", limit=400)
    if story.reasons:
        printer.line()
        _reasons(printer, story.reasons)
    if story.fallbacks:
        printer.line()
        _fallbacks(printer, story.fallbacks, limit)
    if story.first_steps:
        printer.line()
        printer.line("Do first", style="bold")
        for number, step in enumerate(story.first_steps[:3], 1):
            where = "" if len(step.layers) > 1 else f": {printer.fit(step.layers[0], 30)}"
            printer.line(f"{step.text} ({step.gain}{where})", first=f"  {number}. ", rest="     ", limit=400)
    if story.capture_next:
        printer.line()
        printer.line("Capture next", style="bold")
        for text in story.capture_next:
            printer.line(text, first="  - ", rest="    ", limit=400)
    others = [build for build in capture.builds if build is not capture.main]
    if others and capture.main is not None:
        printer.line()
        printer.line(f"Other builds in these inputs (shown above: build {capture.main.index}; --build N selects)", style="bold")
        for build in others:
            printer.line(words.build_line(build), first="  - ", rest="    ")
    if capture.inputs:
        printer.line()
        printer.line("Inputs", style="bold")
        for item in capture.inputs:
            printer.line(words.input_line(item), first="  ", rest="    ", limit=300, style="dim")


def _reasons(printer: Printer, groups: Sequence[words.ReasonGroup]) -> None:
    printer.line("layers      ms  why", first="  ", style="dim")
    twice = {reason for reason, number in Counter(group.reason for group in groups).items() if number > 1}
    for group in groups:
        # One reason can stand for layers that run dense and for others of which nobody knows what runs.
        title = words.reason_title(group.reason) or group.status
        text = f"{group.reason}: {title}" + (f"; {group.status}" if group.reason in twice and title != group.status else "")
        figures = f"  {group.layers:>6,}  {words.ms(group.time_ms):>6}  "
        printer.line(f"{text} ({words.proofs_text(group)})", first=figures, rest=" " * (len(figures) + 2), limit=300)


def _fallbacks(printer: Printer, layers: Sequence[LayerVerdict], limit: int) -> None:
    shown = layers[:limit]
    title = "Fallbacks" if len(layers) == 1 else f"{len(layers):,} fallbacks, costliest first"
    raced = any(layer.best_dense_ms is not None or layer.best_sparse_ms is not None for layer in shown)
    printer.line(f"{title} (dense, sparse: best times in the log, ms)" if raced else title, style="bold")
    header = ("layer", "why", "proof", "ms", "dense", "sparse")
    rows = [
        (layer.name, layer.reason or "?", layer.proof, words.ms(layer.time_ms), words.ms(layer.best_dense_ms), words.best_sparse(layer))
        for layer in shown
    ]
    width = 6 if raced else 4
    printer.table(header[:width], [row[:width] for row in rows], right=(3, 4, 5), stretch=0, styles={2: _PROOF_STYLE})
    if len(layers) > limit:
        more = words.count(len(layers) - limit, "more fallback")
        printer.line(f"  ... and {more}: --html or --json shows all of them.", style="dim")


class Printer:
    """Lines and tables that fit the console; pure ASCII around the names unless a UTF-8 terminal reads them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = max(min(console.width, _MAX_WIDTH), 40)
        encoding = (console.encoding or "ascii").lower()
        self.encoding = encoding
        self.plain = not (console.is_terminal and "utf" in encoding)
        self.ellipsis = "..." if self.plain else "…"

    def clean(self, text: str) -> str:
        """`text` on one line, without anything that moves a cursor or that the console's encoding cannot print."""
        return visible(text).encode(self.encoding, "backslashreplace").decode(self.encoding)

    def fit(self, text: str, width: int) -> str:
        """`text` cut in the middle to `width` columns: both ends of a fused layer name identify it."""
        # A name can be 10,000 characters long: cut generously by characters first, then exactly by columns.
        text = self.clean(text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :])
        if display_width(text) <= width:
            return text
        room = width - len(self.ellipsis)
        head = _take(text, room // 2)
        tail = _take(text[::-1], room - display_width(head))[::-1]
        return head + self.ellipsis + tail

    def fit_apart(self, texts: Sequence[str], width: int) -> list[str]:
        """Each of `texts` cut to `width` columns; those that would look alike are cut before the place where they differ instead."""
        fitted = [self.fit(text, width) for text in texts]
        groups: dict[str, set[str]] = {}
        for short, text in zip(fitted, texts, strict=True):
            groups.setdefault(short, set()).add(self.clean(text))
        same = {short: _common(min(group), max(group)) for short, group in groups.items() if len(group) > 1}
        return [self._cut_before(text, same[short], width) if short in same else short for short, text in zip(fitted, texts, strict=True)]

    def _cut_before(self, text: str, differs: int, width: int) -> str:
        """The end of `text`, or, where it differs before that, what begins there."""
        text = self.clean(text)
        room = width - len(self.ellipsis)
        end = _take(text[::-1], room)[::-1]
        return self.ellipsis + (end if len(text) - len(end) <= differs else self.fit(text[max(differs - 2, 0) :], room))

    def line(self, text: str = "", *, first: str = "", rest: str = "", style: str = "", limit: int = 2000) -> None:
        """Print `text` wrapped to the width with hanging indents; longer than `limit` characters it is cut in the middle."""
        text = text.translate(_PLAIN) if self.plain else text
        text = self.fit(text, limit) if len(text) > limit else self.clean(text)
        for number, part in enumerate(_wrap(text, self.width - max(len(first), len(rest)))):
            self.console.print(Text((rest if number else first) + part, style=style), soft_wrap=True, highlight=False)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: Sequence[int],
        stretch: int,
        styles: dict[int, dict[str, str]] | None = None,
    ) -> None:
        """A table without frames; column `stretch` takes what room is left and is cut in the middle."""
        widths = [max(display_width(self.clean(row[column][:400])) for row in (header, *rows)) for column in range(len(header))]
        others = sum(widths) - widths[stretch] + 2 * len(header)
        widths[stretch] = max(min(widths[stretch], self.width - others), 8)
        stretched = self.fit_apart([row[stretch] for row in (header, *rows)], widths[stretch])
        for number, row in enumerate((header, *rows)):
            text = Text("  ")
            for column, cell in enumerate(row):
                value = stretched[number] if column == stretch else self.fit(cell, widths[column])
                pad = " " * (widths[column] - display_width(value))
                style = "dim" if number == 0 else (styles or {}).get(column, {}).get(cell, "")
                text.append(("  " if column else "") + (pad if column in right else ""))
                text.append(value, style=style)
                if column not in right and column + 1 < len(row):
                    text.append(pad)
            text.rstrip()  # the last cell of a row may be empty
            self.console.print(text, soft_wrap=True, highlight=False)


def _common(first: str, last: str) -> int:
    """How many characters two different texts begin with alike; of the least and the greatest of many, what all of them begin with."""
    return next((number for number, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _take(text: str, width: int) -> str:
    """The longest start of `text` that fills at most `width` columns."""
    used = 0
    for index, char in enumerate(text):
        used += display_width(char)
        if used > width:
            return text[:index]
    return text


def _wrap(text: str, width: int) -> list[str]:
    """`text` broken at blanks to `width` columns; a longer word is broken where it must."""
    lines, current = [], ""
    for word in text.split(" "):
        candidate = f"{current} {word}" if current else word
        if display_width(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        while display_width(word) > width:
            head = _take(word, width)
            lines.append(head)
            word = word[len(head) :]
        current = word
    return [*lines, current] if current or not lines else lines
