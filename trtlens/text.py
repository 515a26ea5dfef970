"""Text from logs and models is hostile: control, bidi and escape characters are made visible before anything prints them.

In: any string. Out: a string safe for a terminal, one line long. HTML escaping is jinja2's (autoescape); this runs before it.
"""

from __future__ import annotations

import re
import unicodedata

# C0/C1 controls, bidi overrides and isolates, zero-width characters, line/paragraph separators, BOM, surrogates, tag characters.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str, limit: int | None = None) -> str:
    """`text` with unsafe characters replaced by `\\xNN`/`\\uNNNN` and, if `limit` is given, cut to that many characters with `…`."""
    if not text.isascii() or not text.isprintable():
        text = _UNSAFE.sub(_escape, text)
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    return text


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten_middle(text: str, limit: int) -> str:
    """Cut `text` in its middle to `limit` characters: both ends of a fused layer name identify it."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return text[:head] + "…" + text[len(text) - (limit - 1 - head) :]


def display_width(text: str) -> int:
    """Columns a terminal uses for `text`: wide East Asian characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def tactic_hex(tactic: int) -> str:
    """A tactic id (uint64) as TensorRT 8.4+ prints it: `0x` and 16 hexadecimal digits."""
    return f"0x{tactic & 0xFFFFFFFFFFFFFFFF:016x}"


def parse_tactic(text: str) -> int | None:
    """A tactic id in any dialect (0x hexadecimal; signed or unsigned decimal in TensorRT 5 to 8.2) as uint64; None if it is none."""
    try:
        value = int(text, 16) if text[:2].lower() == "0x" else int(text)
    except ValueError:
        return None
    return value & 0xFFFFFFFFFFFFFFFF if -(1 << 63) <= value < (1 << 64) else None


def split_top_level(text: str, separator: str = ", ") -> list[str]:
    """Split a list of layer names at `separator`, but only at bracket depth 0.

    Fused names hold commas inside brackets (`PWN(a, b)`, `{ForeignNode[a...b]}`; TensorRT 10.5 log, reference in docs/dialects). An
    unbalanced closing bracket does not push the depth below 0; a name with an unclosed bracket swallows the rest, so if the brackets of
    the whole text do not balance, the text is split at every separator instead.
    """
    if not text.strip():
        return []
    parts: list[str] = []
    depth = start = 0
    for token in re.finditer(rf"[(\[{{)\]}}]|{re.escape(separator)}", text):
        sign = token[0]
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth = max(depth - 1, 0)
        elif depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    if depth:
        parts = text.split(separator)
    else:
        parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]


def said_of(number: int, one: str, more: str) -> str:
    """`one` for 1, else `more`, with the number for `#`: "1 line speaks", "3,000 lines speak"."""
    return (one if number == 1 else more).replace("#", f"{number:,}")
