"""Text that may stand in XML 1.0. In: any string. Out: one that every XML parser takes. Next: junit.py.

XML 1.0 forbids most control characters and the non-characters U+FFFE and U+FFFF even as references; a name may hold them all.
"""

from __future__ import annotations

import re

from ..text import visible

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str, limit: int | None = None) -> str:
    """`text` made visible, cut to `limit` characters, without what XML 1.0 forbids; the XML writer escapes `<` and `&`."""
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", visible(text, limit))
