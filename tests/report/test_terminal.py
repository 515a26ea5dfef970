"""The terminal view: never wider than the terminal, never a control character, never markup from a name."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from tests.report import factory
from trtlens.report.terminal import render
from trtlens.text import display_width


def show(diagnosis, width=80, **options):
    encoding = options.pop("encoding", "utf-8")
    console_options = {"no_color": options.pop("no_color", None), "force_terminal": options.pop("force_terminal", None)}
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    render(diagnosis, Console(file=stream, width=width, **console_options), **options)
    stream.flush()
    return raw.getvalue().decode(encoding)


CASES = {
    "engine": factory.engine(60),
    "hostile": factory.hostile(),
    "nothing": factory.diagnosis(),
    "no inputs": factory.Diagnosis(()),
    "all sparse": factory.diagnosis(factory.build([factory.sparse_layer()])),
    "names": factory.diagnosis(factory.build([factory.unknown_layer("a", "undetermined", "names-only")])),
}


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("name", CASES)
def test_it_fits_and_holds_no_control_character(name, width):
    text = show(CASES[name], width)
    lines = text.split("\n")
    assert max(display_width(line) for line in lines) <= width
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text)
    assert lines[0].strip() and lines[0][0] != " "


def test_without_a_terminal_all_but_names_is_ascii():
    assert show(CASES["engine"]).isascii()
    assert "\x1b" not in show(CASES["engine"], no_color=True, force_terminal=True).replace("\x1b[1m", "").replace("\x1b[2m", "").replace(
        "\x1b[0m", ""
    )


def test_an_ascii_only_stream_takes_every_name():
    text = show(CASES["hostile"], encoding="ascii")
    assert "\\u5c64" in text


def test_markup_in_names_is_text():
    layer = factory.layer("[bold]x[/bold] [red]", summary="[link=http://x]")
    assert "[bold]x[/bold] [red]" in show(factory.diagnosis(factory.build([layer])))


def test_the_order_is_answer_identity_warnings_reasons_fallbacks_steps_inputs():
    text = show(CASES["engine"])
    marks = [
        "eligible layers run dense",
        "TensorRT 8.5.2 | GPU Orin",
        "! capture-mismatch",
        "! stderr-missing",
        "layers      ms  why",
        "20 fallbacks, costliest first",
        "Do first",
        "Capture next",
        "Inputs",
        "build.log: build log",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_one_reason_of_two_statuses_is_told_apart():
    dense, unknown = (factory.unknown_layer(status, status, "not-captured") for status in ("dense", "undetermined"))
    text = " ".join(show(factory.diagnosis(factory.build([dense, unknown]))).split())
    assert "race of this layer; dense (unknown)" in text and "race of this layer; undetermined (unknown)" in text
    assert "race of this layer (unknown)" in " ".join(show(factory.diagnosis(factory.build([dense]))).split())


def test_long_names_keep_both_ends():
    name = "/start" + "x" * 500 + "/the/end"
    row = next(
        line for line in show(factory.diagnosis(factory.build([factory.layer(name)]))).splitlines() if "/start" in line and "slower" in line
    )
    assert "..." in row and "/the/end" in row and "0.102" in row and "0.110" in row


def test_many_fallbacks_are_cut_and_counted():
    text = show(factory.diagnosis(factory.build([factory.layer(f"conv{i}") for i in range(26)])), limit=20)
    assert text.count(" slower  proven") == 20
    assert "... and 6 more fallbacks" in text


def test_quiet_is_the_headline_alone():
    text = show(CASES["engine"], width=200, quiet=True)
    assert text.count("\n") == 1 and "eligible layers run dense" in text


def test_other_builds_get_a_line_each():
    made = factory.diagnosis(factory.build([factory.layer()]), factory.build([factory.sparse_layer()], index=1), main=1)
    text = show(made, width=200)
    assert text.startswith("The only eligible layer runs sparse.")
    assert "- build 0 (lines 1 to 4,711): The only eligible layer runs dense" in text
