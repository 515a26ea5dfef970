"""A damaged log never makes a proven verdict that the whole log does not give: torn, broken, lost and doubled lines, and a cut.

In: the fixture's log and small synthetic captures, each with one damage. Out: what is proven still has the same reason and the same figures, or none.

A single lost line that times a tactic leaves no trace in the log, so it is not among the damages. That a layer runs sparse the engine
proves, whatever the races hold; how much faster that is they say as far as they go.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trtlens
from tests.synthetic.truth import make_capture
from trtlens.errors import InputError

SMALL = Path(__file__).resolve().parents[2] / "fixtures" / "synthetic_small"
SEEDS = range(60)
TACTIC = re.compile(r"Tactic: \S+ [Tt]ime:? \S+$|Set Tactic Name|skipped\. Scratch|kipping tactic|Tactic Device request|Fast skip|timing skipped")


def proven(log: str, artefacts: tuple[str, ...], folder: Path) -> dict[str, tuple[Any, ...]]:
    """Layer → what is proven of it."""
    path = folder / "build.log"
    path.write_text(log)
    try:
        capture = trtlens.explain(str(path), *artefacts).diagnosis.captures[0]
    except InputError:
        return {}
    layers = capture.builds[-1].layers if capture.builds else []
    return {
        layer.name: (layer.status, *(() if layer.status == "sparse" else (layer.reason, layer.margin, layer.best_sparse_ms, layer.best_dense_ms)))
        for layer in layers
        if layer.reason and layer.proof == "proven"
    }


@functools.cache
def case(number: int, folder: Path) -> tuple[list[str], tuple[str, ...], dict[str, tuple[Any, ...]]]:
    """The log's lines, the other artefacts, and what the whole log proves."""
    if number < 0:
        log, artefacts = (SMALL / "build.log").read_text(), tuple(str(SMALL / name) for name in ("layer_info.json", "profile.json"))
    else:
        capture = make_capture(number)
        log, found = capture.log, []
        for name, text in (("layer_info", capture.layer_info), ("profile", capture.profile)):
            if text:
                (folder / f"{name}_{number}.json").write_text(text)
                found.append(str(folder / f"{name}_{number}.json"))
        artefacts = tuple(found)
    return log.split("\n"), artefacts, proven(log, artefacts, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def check(number: int, damaged: list[str], folder: Path) -> None:
    _, artefacts, whole = case(number, folder)
    for layer, verdict in proven("\n".join(damaged), artefacts, folder).items():
        if verdict[:2] == ("ineligible", "not-listed") and layer in whole and whole[layer][0] == "ineligible":
            continue  # that the list does not name the layer is so whatever the cause is, and the line that tells the cause may be the damaged one
        # A figure that is not given claims nothing.
        known = tuple(ours if theirs is None else theirs for theirs, ours in zip(verdict, whole.get(layer, ()), strict=True)) if layer in whole else verdict
        assert known == whole.get(layer), layer


NUMBER = st.just(-1) | st.sampled_from(SEEDS)


@settings(max_examples=40, deadline=None)
@given(NUMBER, st.data())
def test_torn_lines(folder: Path, number: int, data: st.DataObject) -> None:
    lines = case(number, folder)[0]
    at = data.draw(st.integers(0, len(lines) - 2))
    cut = data.draw(st.integers(min(1, len(lines[at])), len(lines[at])))  # of nothing of it no trace is left: a lost line
    check(number, [*lines[:at], lines[at][:cut] + lines[at + 1], *lines[at + 2 :]], folder)


@settings(max_examples=30, deadline=None)
@given(NUMBER, st.integers(60, 260))
def test_broken_lines(folder: Path, number: int, width: int) -> None:
    lines = case(number, folder)[0]
    check(number, [line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width)], folder)


@settings(max_examples=40, deadline=None)
@given(NUMBER, st.booleans(), st.data())
def test_lost_and_doubled_lines(folder: Path, number: int, lost: bool, data: st.DataObject) -> None:
    lines = case(number, folder)[0]
    at = data.draw(st.sampled_from([n for n, line in enumerate(lines) if not (lost and TACTIC.search(line) and "Fastest" not in line)]))
    check(number, [*lines[:at], *([] if lost else [lines[at]] * 2), *lines[at + 1 :]], folder)


@settings(max_examples=30, deadline=None)
@given(NUMBER, st.data())
def test_cut_logs(folder: Path, number: int, data: st.DataObject) -> None:
    text = "\n".join(case(number, folder)[0])
    check(number, [text[: data.draw(st.integers(0, len(text)))]], folder)


def test_every_line_of_structure_of_the_fixture_lost_and_torn(folder: Path) -> None:
    lines = case(-1, folder)[0]
    structure = [n for n, line in enumerate(lines[:-1]) if re.search(r"=+ Computing|\*+ Autotuning|-+ Timing Runner", line)]
    assert len(structure) > 100
    for at in structure[::8]:
        check(-1, [*lines[:at], *lines[at + 1 :]], folder)
        check(-1, [*lines[:at], lines[at][:60] + lines[at + 1], *lines[at + 2 :]], folder)
