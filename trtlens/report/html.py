"""The diagnosis as one HTML file that makes no request and may be opened from disk.

In: diagnose.model.Diagnosis and, for the full report, ReportExtras. Out: the page's text, or a file written whole or not at all.
Next: templates/report.html.j2 (what is readable without a script), assets/app.js (the layer table), assets/pictures.js (plotly).

The Content-Security-Policy allows exactly the scripts whose hashes it names: the page's own, and plotly.js, which stands gzip-compressed in
the file and is unpacked when a picture is first asked for. plotly.js comes from the plotly package that is installed; nothing is vendored.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import os
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..diagnose.model import Diagnosis
from . import page
from .extras import ReportExtras
from .files import write_text

_SIZE_LIMIT = 2_950_000
"""Characters that plotly.js and the data may fill together; the rest of the page is below 250,000."""

_PLAIN_DATA_LIMIT = 60_000
"""Below this many characters the data stand in the page as they are, so that the file can be read and compared as text."""


def render_html(diagnosis: Diagnosis, extras: ReportExtras | None = None, *, pictures: bool = True) -> str:
    """The whole page. `pictures=False` leaves plotly.js out (about 2 MB less); it is also left out when no layer has a time."""
    import jinja2

    extras = extras or ReportExtras()
    timed = any(layer.time_ms is not None for capture in diagnosis.captures if capture.main for layer in capture.main.layers)
    pictures = pictures and timed
    style, script = _asset("style.css"), _asset("app.js") + (_asset("pictures.js") if pictures else "")
    plotly_hash, plotly_data = _plotly() if pictures else ("", "")
    scripts = " ".join(f"'{_hash(text)}'" for text in (script,)) + (f" '{plotly_hash}'" if plotly_hash else "")
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src-elem '{_hash(style)}'; style-src-attr 'none'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    encoded, encoding = _embed_within(diagnosis, extras, _SIZE_LIMIT - len(plotly_data))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["prose"] = _prose
    template = environment.from_string(files("trtlens.report").joinpath("templates", "report.html.j2").read_text(encoding="utf-8"))
    from markupsafe import Markup

    return template.render(
        **page.template_data(diagnosis, extras),
        policy=Markup(policy),
        # Our own style and script, and data in which no `<` or `&` is left: markup that is safe to stand as it is.
        style=Markup(style),
        script=Markup(script),
        data=Markup(encoded),
        data_encoding=encoding,
        plotly=Markup(plotly_data),
    )


def write_html(diagnosis: Diagnosis, path: str | os.PathLike[str], extras: ReportExtras | None = None, *, pictures: bool = True) -> None:
    """Write `render_html` to a file, whole or not at all. Raises UsageError where it cannot be written."""
    write_text(render_html(diagnosis, extras, pictures=pictures), path)


def _prose(text: str) -> Any:
    """Escaped text in which `code` between backticks, as the catalogue writes it, is set as code, on one line with the signs beside it."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"(\(?)`([^`]+)`([).,;:]*)", r'<span class="whole">\1<code>\2</code>\3</span>', str(escape(text))))


def embed_json(value: Any) -> str:
    """JSON that may stand inside `<script type="application/json">`: no `<`, `>`, `&` and nothing but ASCII in it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _embed_within(diagnosis: Diagnosis, extras: ReportExtras, limit: int) -> tuple[str, str]:
    """The page's data in at most `limit` characters if leaving out slow tactics can do it; the verdicts are never cut."""
    encoded, encoding = "", ""
    for rows in (page.TACTIC_ROWS, page.TACTIC_ROWS // 4, 0):
        encoded, encoding = _embed(page.script_data(diagnosis, extras, rows))
        if len(encoded) <= limit or not extras.races:
            break
    return encoded, encoding


def _embed(data: dict[str, Any]) -> tuple[str, str]:
    """The page's data and how they are encoded: `json`, or `gzip` (base64 of gzip of JSON) where that is worth it."""
    text = embed_json(data)
    if len(text) <= _PLAIN_DATA_LIMIT:
        return text, "json"
    return _gzip(text.encode("ascii"), 6), "gzip"


def _gzip(data: bytes, level: int) -> str:
    # mtime 0: the same diagnosis gives the same file.
    return base64.b64encode(gzip.compress(data, level, mtime=0)).decode("ascii")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _asset(name: str) -> str:
    return files("trtlens.report").joinpath("assets", name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _plotly() -> tuple[str, str]:
    """The hash of plotly.js and its compressed text; two empty strings where the plotly package holds none.

    Found without importing plotly, which takes longer than writing the report.
    """
    spec = importlib.util.find_spec("plotly")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            return _hash(text), _gzip(text.encode("utf-8"), 9)
    return "", ""
