"""The check of a model's weights as one self-contained page.

In: diagnose.weights.ModelCheck. Out: HTML text that loads nothing. Next: templates/check.html.j2, which lays it out.
"""

from __future__ import annotations

import os

from ..diagnose.weights import ModelCheck
from .check_words import story
from .files import write_text

# No script, no network, no form: the page shows names out of a file that may be hostile.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def write_html(check: ModelCheck, path_or_dash: str | os.PathLike[str]) -> None:
    """Write `to_html` to a file, or to standard output for `-`. Raises UsageError where it cannot be written."""
    write_text(to_html(check), path_or_dash)


def to_html(check: ModelCheck) -> str:
    """The page. Model names are escaped by jinja2 and made visible before."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("trtlens.report", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("check.html.j2").render(story=story(check), policy=POLICY)
