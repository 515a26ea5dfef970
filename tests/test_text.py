"""Lists of layer names are taken apart where their brackets balance, and are not lost where they do not."""

from __future__ import annotations

import pytest

from trtlens.text import split_top_level


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  ", []),
        ("a, b", ["a", "b"]),
        ("PWN(a, b), {ForeignNode[c...d]}, e", ["PWN(a, b)", "{ForeignNode[c...d]}", "e"]),
        ("a), b, c", ["a)", "b", "c"]),
        ("a(b, c", ["a(b", "c"]),
        ("x, [y, , z", ["x", "[y", "z"]),
    ],
)
def test_split_top_level(text: str, parts: list[str]) -> None:
    assert split_top_level(text) == parts
