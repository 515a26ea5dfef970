"""Synthetic logs of every dialect: what the generator says it printed is what the reader finds, whole and damaged."""

from __future__ import annotations

import pytest

from tests.parse.build_log.reading import parse, tactics
from tests.synthetic.truth import make_capture
from trtlens.parse.build_log.records import CACHED, SKIPPED, TIMED

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_are_those_that_were_printed(seed: int) -> None:
    capture = make_capture(seed)
    log = parse(capture.log)
    c, rows = log.combinations, log.tactics
    of_layers = c["is_reformat"][log.sections["combination"][rows.section]] == 0
    layers = c["is_reformat"] == 0
    found = {
        "timed": int(((rows.source == TIMED) & of_layers).sum()),
        "combinations": int((layers & (c["text"] >= 0)).sum()),
        "chosen": int((layers & (c["cached"] == 0) & (c["winner_line"] > 0)).sum()),
        # `Tactic Device request` names no tactic: it is kept as a warning, for a row would need an id that the text does not hold.
        "skipped": int(((rows.source == SKIPPED) & of_layers).sum()) + sum("Tactic Device request" in w.text for b in log.builds for w in b.warnings),
        "cached": int(((rows.source == CACHED) & of_layers).sum()),
        "engine_layers": sum(len(b.engine_layers) for b in log.builds),
    }
    if capture.shown is not None:
        assert found == dict.fromkeys(found, 0) | capture.shown
    assert log.unknown_lines == 0


@pytest.mark.parametrize("seed", list(SEEDS)[::5])
def test_a_cut_log_holds_a_part_of_what_the_whole_holds(seed: int) -> None:
    text = make_capture(seed).log
    whole = {(row["line"], row["tactic"], row["ms"], row["source"]) for row in tactics(parse(text))}
    for part in range(1, 8):
        cut = text[: len(text) * part // 8]
        last = cut.count("\n")  # the line in which it was cut may read otherwise
        found = {(row["line"], row["tactic"], row["ms"], row["source"]) for row in tactics(parse(cut))}
        assert {row for row in found if row[0] <= last} == {row for row in whole if row[0] <= last}
