"""The bar: nothing for quick files, nothing left behind, hostile names harmless."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from trtlens.report.progress import Bar


def run(patience_s: float, path: str = "build.log", total: int | None = 100) -> tuple[str, str]:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None)
    bar = Bar(console, patience_s)
    for done in range(0, 101, 10):
        bar(path, done, total)
    during = out.getvalue()
    bar.close()
    bar.close()
    return during, out.getvalue()


def test_a_quick_file_shows_nothing() -> None:
    assert run(patience_s=3600.0) == ("", "")


def test_a_slow_file_shows_its_name() -> None:
    _, after = run(patience_s=0.0)
    assert "build.log" in after


def test_the_cursor_comes_back() -> None:
    _, after = run(patience_s=0.0)
    assert after.rfind("\x1b[?25h") > after.rfind("\x1b[?25l") >= 0


def test_hostile_names_and_unknown_sizes() -> None:
    _, after = run(patience_s=0.0, path="logs/[red]a\x07\x1b[2J.log", total=None)
    assert "[red]a" in after and "\x07" not in after and "\x1b[2J" not in after


def test_each_file_has_its_own_patience() -> None:
    out = StringIO()
    with Bar(Console(file=out, force_terminal=True, width=80), 3600.0) as bar:
        for path in ("a", "b", "a"):
            bar(path, 1, 2)
    assert out.getvalue() == ""
