"""Names that would look alike when they are cut are cut elsewhere."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from trtlens.report.terminal import Printer
from trtlens.text import display_width


def printer(width: int = 80) -> Printer:
    return Printer(Console(file=io.StringIO(), width=width))


def test_the_number_in_the_middle_stays() -> None:
    names = [f"(Unnamed Layer* {number}) [Convolution]" for number in range(12)]
    cut = printer().fit_apart(names, 26)
    assert len(set(cut)) == 12
    assert cut[3].endswith("Layer* 3) [Convolution]") and all(display_width(name) <= 26 for name in cut)


def test_what_differs_far_from_the_end_stays() -> None:
    names = [f"/backbone/stage{number}/block/conv/Conv + /backbone/bn/BatchNormalization + /backbone/relu/Relu + tail_of_the_name" for number in "ab"]
    cut = printer().fit_apart([*names, "short"], 24)
    assert cut[0] != cut[1] and cut[2] == "short"
    assert all(display_width(name) <= 24 for name in cut)


def test_equal_names_stay_equal() -> None:
    assert len(set(printer().fit_apart(["x" * 90] * 3, 20))) == 1


@given(st.lists(st.text(max_size=60), max_size=6), st.integers(8, 40))
def test_never_wider_than_asked(names: list[str], width: int) -> None:
    cut = printer().fit_apart(names, width)
    assert len(cut) == len(names)
    assert all(display_width(name) <= width for name in cut)
