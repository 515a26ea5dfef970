"""A comparison as one self-contained page without a script.

In: diagnose.diff.DiffResult. Out: HTML text that loads nothing, or a file written whole or not at all. Next: templates/diff.html.j2, which lays it out.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from ..diagnose.diff import DiffResult, Unmatched
from ..text import shorten_middle, visible
from . import words
from .diff_words import Row, signed_ms, story
from .files import write_text

ROWS = 1000
"""Rows of one section that the page lists; it says how many it leaves out, and the JSON holds them all."""

_STYLE = """
td.what { min-width: 11em; } details dl { display: grid; grid-template-columns: max-content minmax(0, 1fr) minmax(0, 1fr); gap: 2px 14px; margin: 4px 0; }
details dt { color: var(--soft); } details dd { margin: 0; overflow-wrap: anywhere; } summary { cursor: pointer; } table.totals { width: auto; } h2 { margin-top: 26px; }
"""


def render_diff_html(result: DiffResult) -> str:
    """The whole page. Names are escaped by jinja2 and made visible before."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    style = files("trtlens.report").joinpath("assets", "style.css").read_text(encoding="utf-8") + _STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src-elem 'sha256-{digest}'; style-src-attr 'none'; img-src data:; base-uri 'none'; form-action 'none'"
    loader = PackageLoader("trtlens.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    # The policy and the style are ours: markup that is safe to stand as it is.
    return environment.get_template("diff.html.j2").render(**diff_page(result), policy=Markup(policy), style=Markup(style))


def write_diff_html(result: DiffResult, path: str | os.PathLike[str]) -> None:
    """Write `render_diff_html` to a file, whole or not at all. Raises UsageError where it cannot be written."""
    write_text(render_diff_html(result), path)


def diff_page(result: DiffResult) -> dict[str, Any]:
    """What the template shows: plain strings, every one made visible."""
    told = story(result)
    return {
        "headline": visible(told.headline),
        "names": [visible(result.name_a, 200), visible(result.name_b, 200)],
        "warnings": [visible(text, 400) for text in (*told.environment, *told.cautions)],
        "totals": [[visible(cell) for cell in row] for row in told.totals],
        "sections": [
            {
                "title": visible(section.title, 400),
                "count": words.count(len(section.rows), "group"),
                "rows": [_row(row) for row in section.rows[:ROWS]],
                "more": max(len(section.rows) - ROWS, 0),
            }
            for section in told.sections
        ],
        "alone": [
            {"title": visible(title, 400), "count": words.count(len(layers), "layer"), "rows": _alone(layers), "more": max(len(layers) - ROWS, 0)}
            for title, layers in ((f"In {result.name_a} alone", told.only_a), (f"In {result.name_b} alone", told.only_b))
            if layers
        ],
        "notes": [visible(note, 600) for note in (*told.notes, *told.inputs)],
        "validation": words.VALIDATION_NOTE,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": shorten_middle(visible(row.name), 200) or "(no name)",
        "change": visible(row.change, 200),
        "a": words.ms(row.a_ms),
        "b": words.ms(row.b_ms),
        "delta": signed_ms(row.delta_ms),
        "percent": words.percent(row.ratio) if row.ratio is not None else "",
        "why": visible(row.why, 400),
        "details": [[visible(kind), shorten_middle(visible(a), 300), shorten_middle(visible(b), 300)] for kind, a, b in row.details],
    }


def _alone(layers: Sequence[Unmatched]) -> list[dict[str, str]]:
    return [
        {"name": shorten_middle(visible(one.name), 200) or "(no name)", "type": visible(one.type or "", 80), "status": one.status, "ms": words.ms(one.time_ms)}
        for one in layers[:ROWS]
    ]
