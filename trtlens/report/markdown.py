"""The diagnosis as GitHub Markdown: a pull-request comment or a job summary.

In: diagnose.model.Diagnosis. Out: text of at most 60 KB. Next: words.py, which holds the sentences.
"""

from __future__ import annotations

import os
import re

from ..diagnose.model import CaptureDiagnosis, Diagnosis, LayerVerdict
from ..text import shorten_middle, visible
from . import words
from .files import write_text

MAX_BYTES = 60_000
_NAME_LIMIT = 120
_SPECIAL = re.compile(
    r"[\\`*_\[\]<>|~&@#$^]"  # emphasis, code, links, HTML, table cells, strikethrough, mentions, issues, math
    r"|:(?=//|[\w+-]+:)"  # https:// and :emoji:
    r"|(?<=www)\."
    r"|^\s*(?:[-+=!]|\d+[.)](?=\s|$))"  # what would open a list or a heading
)


def render_markdown(diagnosis: Diagnosis) -> str:
    """Summary and fallbacks as Markdown; the table is cut, saying so, where the whole would pass 60 KB."""
    if not diagnosis.captures:
        return "No inputs were given: there is nothing to diagnose.\n"
    rows = max((len(words.story(capture).fallbacks) for capture in diagnosis.captures), default=0)
    while True:
        text = "\n".join(_capture(capture, rows) for capture in diagnosis.captures)
        text += f"\n<sub>{escape(words.VALIDATION_NOTE)}</sub>\n"
        size = len(text.encode("utf-8", "replace"))
        if size <= MAX_BYTES:
            return text
        if not rows:
            return text.encode("utf-8", "replace")[: MAX_BYTES - 100].decode("utf-8", "ignore").rsplit("\n", 1)[0] + "\n\nCut at 60 KB.\n"
        rows = min(rows - 1, rows * MAX_BYTES // size)


def write_markdown(diagnosis: Diagnosis, path_or_dash: str | os.PathLike[str]) -> None:
    """Write `render_markdown` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(render_markdown(diagnosis), path_or_dash)


def escape(text: str, limit: int = 2000) -> str:
    """`text` so that GitHub shows exactly its characters: no markup, mention, link, issue number, emoji or HTML."""
    shown = shorten_middle(visible(text), limit)
    # Character references, not backslashes: a backslash does not stop an @mention, a bare link or a pipe inside a table cell everywhere.
    return _SPECIAL.sub(lambda match: "".join(f"&#{ord(char)};" for char in match.group()), shown)


def code(text: str, limit: int = _NAME_LIMIT) -> str:
    """A name in monospace; `<code>` because a Markdown code span cannot hold a backtick or, in a table, a pipe."""
    return f"<code>{escape(text, limit)}</code>" if text else "<code>&#32;</code>"


def _capture(capture: CaptureDiagnosis, rows: int) -> str:
    story = words.story(capture)
    out = [f"### {escape(story.headline)}", ""]
    out += [f"{escape(note)}  " for note in (*story.counts, *story.notes)]
    if story.identity:
        out += ["", " · ".join(f"{escape(label)} **{escape(value, 200)}**" for label, value in story.identity), ""]
    out += [f"> **{escape(warning.id)}**: {escape(warning.message[:1000])}\n>" for warning in story.warnings[:12]]
    if story.reasons:
        out += ["", "| why | layers | ms | status | proof | |", "| --- | ---: | ---: | --- | --- | --- |"]
        out += [
            f"| {code(group.reason)} | {group.layers:,} | {words.ms(group.time_ms)} | {group.status} | {words.proofs_text(group)} "
            f"| {escape(words.reason_title(group.reason))} |"
            for group in story.reasons
        ]
    if story.fallbacks:
        out += ["", *_fallbacks(story.fallbacks, rows)]
    if story.first_steps:
        out += ["", "**Do first**", ""]
        out += [f"{number}. {escape(step.text[:600])} ({escape(step.gain)})" for number, step in enumerate(story.first_steps[:3], 1)]
    if story.capture_next:
        out += ["", "**Capture next**", ""] + [f"- {escape(text)}" for text in story.capture_next]
    others = [build for build in capture.builds if build is not capture.main]
    if others:
        out += ["", "**Other builds in these inputs**", ""] + [f"- {escape(words.build_line(build))}" for build in others[:20]]
    if capture.inputs:
        out += ["", "**Inputs**", ""] + [f"- {escape(words.input_line(item)[:400])}" for item in capture.inputs[:20]]
    return "\n".join(out) + "\n"


def _fallbacks(layers: tuple[LayerVerdict, ...], rows: int) -> list[str]:
    out = ["| layer | why | proof | ms | best dense | best sparse |", "| --- | --- | --- | ---: | ---: | ---: |"]
    out += [
        f"| {code(layer.name)} | {code(layer.reason or '?')} | {layer.proof} | {words.ms(layer.time_ms)} | {words.ms(layer.best_dense_ms)} "
        f"| {words.best_sparse(layer)} |"
        for layer in layers[:rows]
    ]
    if len(layers) > rows:
        out += ["", f"{words.count(len(layers) - rows, 'more fallback')} not shown here: the HTML report and the JSON hold all."]
    return out
