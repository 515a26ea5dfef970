"""Links between README.md and the docs' pages lead somewhere, and the site builds without a warning."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, anchors, blocks, links, name, pages

PAGES = [page for page in pages() if page.is_file()]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    broken = []
    for target in links(page):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert not broken, f"{name(page)}: {broken}"


def test_every_page_is_reached_from_the_navigation_or_another_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    linked = {(page.parent / target.partition("#")[0]).resolve() for page in PAGES for target in links(page)}
    lost = [name(p) for p in PAGES if p.is_relative_to(ROOT / "docs") and p.resolve() not in linked and p.relative_to(ROOT / "docs").as_posix() not in navigation]
    assert not lost


@pytest.mark.skipif(importlib.util.find_spec("material") is None, reason="mkdocs-material is not installed: pip install '.[docs]'")
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file() and (tmp_path / "site" / "reasons" / "slower" / "index.html").is_file()
    home = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "fonts.googleapis" not in home and 'src="http' not in home
    for notebook, layer in (("one_capture", "Conv_8 + Relu_9"), ("twenty_captures", "Conv_10 + Relu_11")):
        page = (tmp_path / "site" / "notebooks" / notebook / "index.html").read_text(encoding="utf-8")
        assert "<table" in page and layer in page
        assert not re.search(r"""<(?:link|script|img|iframe)[^>]*(?:src|href)=["']?https?:""", page), "the page asks a server for something"
        assert (tmp_path / "site" / "notebooks" / f"{notebook}.ipynb").is_file()
        assert len(page) < 120_000
    assert 'href="../notebooks/one_capture/"' in (tmp_path / "site" / "python" / "index.html").read_text(encoding="utf-8")


def test_what_contributing_names_exists() -> None:
    """Its commands set up the project and are not run here; what they name must exist all the same."""
    commands = next(block.text for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "sh")
    named = [word for word in commands.split() if re.fullmatch(r"(?:scripts|docs|reports|tests)/[\w./]+", word)]
    assert len(named) >= 5 and all((ROOT / word).exists() for word in named)
    assert "-m tests.synthetic" in commands and (ROOT / "tests" / "synthetic" / "__main__.py").is_file()
