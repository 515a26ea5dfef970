"""`trtlens reasons`: whatever its list names has a page."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from trtlens.commands.reasons import app
from trtlens.diagnose.reasons import REASONS, WARNINGS


def test_everything_that_the_list_names_has_a_page() -> None:
    listed = [line.split()[0] for line in CliRunner().invoke(app, []).stdout.splitlines() if line]
    assert {f"warn:{id}" for id in WARNINGS} | set(REASONS) == set(listed)
    for id in listed:
        page = CliRunner().invoke(app, [id])
        assert page.exit_code == 0 and page.stdout.startswith(f"# {id}\n"), id


def test_the_titles_of_each_list_stand_in_one_column() -> None:
    lists = CliRunner().invoke(app, []).stdout.split("\n\n")
    for kinds, text in zip((REASONS, WARNINGS), lists, strict=True):
        titles = [kind.title for kind in kinds.values()]
        rows = text.splitlines()
        assert len({row.index(title, len(row.split()[0])) for row, title in zip(rows, titles, strict=True)}) == 1


@pytest.mark.parametrize("id", ["warn:capture-mismatch", "capture-mismatch"])
def test_a_warnings_page_says_how_it_is_found_and_what_to_do(id: str) -> None:
    page = CliRunner().invoke(app, [id]).stdout
    kind = WARNINGS["capture-mismatch"]
    assert all(text in page for text in (kind.title, kind.means, kind.found_by, kind.effect, kind.todo, "--fail-on warn:capture-mismatch"))


def test_an_id_that_is_both_a_reason_and_a_warning_is_the_reasons_unless_asked_for_by_warn() -> None:
    both = set(REASONS) & set(WARNINGS)
    assert both
    for id in both:
        assert CliRunner().invoke(app, [id]).stdout.startswith(f"# {id}\n")
        assert CliRunner().invoke(app, [f"warn:{id}"]).stdout.startswith(f"# warn:{id}\n")


def test_an_unknown_warning_names_the_closest() -> None:
    found = CliRunner().invoke(app, ["warn:capture-missmatch"])
    assert found.exit_code == 2 and "capture-mismatch" in found.output
