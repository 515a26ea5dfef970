"""A line that names thousands of layers is cited whole where it is short, else cut around the layer that it is cited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_log import LAYER, layer_info_text, log_text
from trtlens.diagnose.model import LayerVerdict, LineEvidence
from trtlens.diagnose.session import Session


def explained(folder: Path, before: int, after: int, named: bool = True) -> tuple[LayerVerdict, str, int]:
    """The layer's verdict where the list of eligible layers names `before` and `after` others around it; the line, and its number."""
    line = next(line for line in log_text().splitlines() if "(Sparsity)" in line and "eligible" in line)
    others = [f"other{number} + relu{number}" for number in range(before + after)]
    listed = ", ".join([*others[:before], *([LAYER] if named else []), *others[before:]])
    long = line[: line.index(LAYER)] + listed + line[line.index(LAYER) + len(LAYER) :]
    (folder / "build.log").write_text(log_text().replace(line, long))
    (folder / "layer_info.json").write_text(layer_info_text())
    main = Session([str(folder / "build.log"), str(folder / "layer_info.json")]).main().main
    assert main is not None
    verdict = next(layer for layer in main.layers if layer.name == LAYER)
    return verdict, long, log_text().splitlines().index(line) + 1


def cited(verdict: LayerVerdict, number: int) -> str:
    (text,) = {e.text for e in (*verdict.evidence, *verdict.eligibility.evidence) if isinstance(e, LineEvidence) and e.line == number}
    return text


@pytest.mark.parametrize(("before", "after"), [(0, 0), (3, 3)])
def test_a_short_line_is_cited_whole(tmp_path: Path, before: int, after: int) -> None:
    verdict, line, number = explained(tmp_path, before, after)
    assert cited(verdict, number) == line


@pytest.mark.parametrize(("before", "after"), [(0, 900), (5, 900), (450, 450), (900, 5), (900, 0)])
def test_a_long_one_is_cut_around_the_layer(tmp_path: Path, before: int, after: int) -> None:
    verdict, line, number = explained(tmp_path, before, after)
    text = cited(verdict, number)
    assert len(text) < 9_000 < len(line)
    assert text.startswith(line[:150]), "what the list is stands in its beginning"
    assert LAYER in text and "…" in text
    # Every piece is the line's own.
    assert all(piece.strip() in line for piece in text.split("…"))


def test_a_long_one_that_does_not_name_the_layer_shows_what_it_is(tmp_path: Path) -> None:
    verdict, line, number = explained(tmp_path, 900, 0, named=False)
    text = cited(verdict, number)
    assert line.startswith(text.removesuffix(" …")) and len(text) < 9_000 and LAYER not in text
