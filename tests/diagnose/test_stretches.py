"""Columns made stretch by stretch are those made at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.diagnose.test_truth import write
from tests.synthetic.truth import make_capture
from trtlens.diagnose.load import load_captures
from trtlens.diagnose.races import Races
from trtlens.parse.build_log.records import stretches

COLUMNS = ("kind", "timed", "unnamed", "failed", "best", "winning", "fastest_seen")


def test_stretches_cover_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtlens.parse.build_log.records._STRETCH", 4)
    assert [list(range(9))[part] for part in stretches(9)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert list(stretches(0)) == []


@pytest.mark.parametrize("seed", range(8))
def test_short_stretches_find_the_same_fastest_tactics(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(make_capture(seed), tmp_path)
    whole = load_captures(files)[0].log
    monkeypatch.setattr("trtlens.parse.build_log.records._STRETCH", 3)
    parted = load_captures(files)[0].log
    assert whole is not None and parted is not None
    assert np.array_equal(whole.combinations["winner_time"], parted.combinations["winner_time"], equal_nan=True)
    one = Races(parted, parted.builds[-1], None)
    monkeypatch.undo()
    other = Races(whole, whole.builds[-1], None)
    for name in COLUMNS:
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
