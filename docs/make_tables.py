"""Writes docs/tables.md from the definitions of the tables: `python docs/make_tables.py`.

In: trtlens.tables. Out: tables.md. Next: tests/test_tables.py holds it current.
"""

from __future__ import annotations

from pathlib import Path

from trtlens.tables import render_page


def main() -> None:
    (Path(__file__).parent / "tables.md").write_text(render_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
