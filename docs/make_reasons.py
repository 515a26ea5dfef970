"""Writes docs/reasons/*.md from the catalogue: `python docs/make_reasons.py`.

In: trtlens.diagnose.reasons. Out: one page an id, and index.md. Next: tests/diagnose/test_reasons.py holds them current.
"""

from __future__ import annotations

from pathlib import Path

from trtlens.diagnose.reasons import REASONS, render_index, render_page


def pages() -> dict[str, str]:
    """File name and text of every generated page."""
    return {"index.md": render_index(), **{f"{r.id}.md": render_page(r) for r in REASONS.values()}}


def main() -> None:
    folder = Path(__file__).parent / "reasons"
    folder.mkdir(exist_ok=True)
    wanted = pages()
    for stale in folder.glob("*.md"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
