"""Markdown for GitHub: names are text there, too, and the whole stays small."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from tests.report import factory
from trtlens.report import words
from trtlens.report.markdown import MAX_BYTES, code, escape, render_markdown, write_markdown
from trtlens.text import shorten_middle, visible


def tokens(text):
    return MarkdownIt("commonmark").enable("table").parse(text)


@pytest.mark.parametrize("name", factory.HOSTILE_NAMES)
def test_a_name_is_shown_as_it_is_and_is_nothing_else(name):
    (inline,) = [token for token in tokens("x " + escape(name, 100)) if token.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    assert "".join(child.content for child in inline.children) == ("x " + shorten_middle(visible(name), 100)).strip()
    assert not re.search(r"[@#|<>`*_\[\]]", re.sub(r"&#\d+;", "", escape(name, 100)))


@pytest.mark.parametrize("diagnosis", [factory.hostile(), factory.engine(120)])
def test_the_only_html_is_ours_and_tables_keep_their_columns(diagnosis):
    text = render_markdown(diagnosis)
    html = [child.content for token in tokens(text) for child in token.children or [] if child.type == "html_inline"]
    html += [token.content.strip() for token in tokens(text) if token.type == "html_block"]
    assert set(html) <= {"<code>", "</code>", "<sub>", "</sub>"}
    links = [child for token in tokens(text) for child in token.children or [] if child.type in ("link_open", "image")]
    assert not links
    assert not re.search(r"(?<![\w&])@\w", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {7} and len(rows) > 8


@pytest.mark.parametrize("diagnosis", [factory.engine(5000), factory.hostile(), factory.diagnosis(), factory.Diagnosis(())])
def test_it_never_passes_sixty_kilobytes(diagnosis):
    assert 0 < len(render_markdown(diagnosis).encode()) <= MAX_BYTES


def test_huge_prose_does_not_pass_the_limit_either():
    layers = [factory.layer("a", remedies=tuple(factory.Remedy("<" * 5000 + str(i)) for i in range(9)))]
    builds = [factory.build(layers, index=i, warnings=tuple(factory.Warning(f"w{j}", "<" * 5000) for j in range(99))) for i in range(30)]
    assert len(render_markdown(factory.diagnosis(*builds)).encode()) <= MAX_BYTES


def test_cut_tables_say_so():
    text = render_markdown(factory.engine(5000))
    shown = len(re.findall(r"^\| .*<code>(?:slower|io-format|no-kernel)</code> \| (?:proven|suggested) \|", text, re.M))
    (rest,) = re.findall(r"([\d,]+) more fallbacks not shown", text)
    assert shown + int(rest.replace(",", "")) == len(words.story(factory.engine(5000).captures[0]).fallbacks)


def test_the_same_words_as_everywhere(tmp_path):
    made = factory.engine(36)
    write_markdown(made, tmp_path / "x.md")
    text = (tmp_path / "x.md").read_text()
    story = words.story(made.captures[0])
    for sentence in (story.headline, *story.counts, *story.notes, story.first_steps[0].text):
        assert sentence in text
    assert code("a|b") == "<code>a&#124;b</code>"


def test_that_no_sparse_tactic_was_timed_is_no_unknown_time():
    bare = {"best_dense_ms": 0.0044, "best_sparse_ms": None}
    made = [factory.layer("a", reason="no-kernel-precision", **bare), factory.layer("b", reason="not-captured", **bare)]
    one, two = (line for line in render_markdown(factory.diagnosis(factory.build(made))).splitlines() if "0.0044" in line)
    assert one.endswith("| none |") and two.endswith("| ? |")
