"""What `--layer` shows of a verdict's lines: the reformats of the sum by name, what their lines are about, and cited lines whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.report.test_deep_dive import shown
from trtlens.diagnose.extras import cited_reformats
from trtlens.diagnose.session import Session
from trtlens.diagnose.small_frames import engine_layers

SMALL = Path(__file__).parents[2] / "fixtures" / "synthetic_small"
LINES = (SMALL / "build.log").read_text(encoding="utf-8").split("\n")
LAYER = "Conv_8 + Relu_9"


def session() -> Session:
    return Session([str(SMALL / name) for name in ("layer_info.json", "profile.json", "build.log")])


def test_the_terms_are_the_reformats_that_the_cited_lines_measure() -> None:
    found = session()
    diagnosis, races = found.diagnosis.captures[0], found.races(0)
    assert diagnosis.main is not None and races is not None
    verdict = next(v for v in diagnosis.main.layers if v.name == LAYER)
    terms = cited_reformats(races, engine_layers(found.captures[0], diagnosis, diagnosis.main.index), verdict, found.captures[0].log_input)
    assert [(t.tensor, t.added) for t in terms] == [("tensor_4", True), ("tensor_5", True)]
    said = re.search(r"reformats \+(\S+) −0 ms", verdict.summary)
    assert said is not None and sum(t.time_ms for t in terms) == pytest.approx(float(said[1]), abs=1e-5)
    for term in terms:
        assert LINES[term.line - 1].endswith(f"Time: {term.time_ms:.6g}")
        assert f"Autotuning Reformat: {term.from_format} -> {term.to_format} " in LINES[term.sections[0] - 1]
        assert term.tensor in LINES[term.sections[1] - 1]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_cited_lines_are_wrapped_and_lose_nothing(width: int) -> None:
    text = shown(session(), LAYER, width)
    assert max(map(len, text.split("\n"))) <= width
    packed = re.sub(r"\s+", "", text)
    found = session().diagnosis.captures[0].main
    assert found is not None
    verdict = next(v for v in found.layers if v.name == LAYER)
    cited = [item.line for item in verdict.evidence if hasattr(item, "line")]
    assert len(cited) >= 5
    for number in cited:
        assert re.sub(r"\s+", "", f"> {number} {LINES[number - 1]}") in packed


def test_the_section_of_each_reformat_is_shown_with_its_time() -> None:
    text = re.sub(r"\s+", " ", shown(session(), LAYER, 80))
    assert "Reformats in the sum" in text
    for tensor, number in (("tensor_4", 230), ("tensor_5", 242)):
        time = LINES[number - 1].rpartition(" ")[2]
        assert f"added {float(time):.4g} ms: {tensor}: " in text and f"line {number}" in text
        assert f"Optimizer Reformat({tensor} -> <out>)" in text
    assert "Reformats in the sum" not in shown(session(), "Conv_1 + Relu_2", 80)
