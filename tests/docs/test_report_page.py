"""docs/report.md: the worked sum names the very lines of the sample log."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<sign>[+−]? ?)(?P<ms>\d\.\d+) \| (?P<line>\d+) \|$", re.MULTILINE)


def test_each_term_of_the_worked_sum_stands_at_the_line_that_the_page_names() -> None:
    rows = list(ROW.finditer((ROOT / "docs" / "report.md").read_text(encoding="utf-8")))
    log = (ROOT / "fixtures" / "synthetic_small" / "build.log").read_text(encoding="utf-8").split("\n")
    assert len(rows) == 4
    for row in rows:
        time = re.search(r" Time: (\S+)$", log[int(row["line"]) - 1])
        assert time is not None and f"{float(time[1]):.5f}" == row["ms"], row["term"]


def test_the_terms_of_the_worked_sum_add_up_to_what_the_page_says() -> None:
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    total = sum(float(row["ms"]) * (-1 if "−" in row["sign"] else 1) for row in ROW.finditer(text))
    said = re.search(r"\| \*\*Δ\*\* \| \*\*\+ (\d\.\d+)\*\*", text)
    assert said is not None and abs(total - float(said[1])) < 2e-5
