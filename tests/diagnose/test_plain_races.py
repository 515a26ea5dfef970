"""Races that are decided on columns come out as they do combination by combination.

In: synthetic captures, the corpus, a build log with every kind of gap. Out: the same verdicts and the same queries both ways.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.diagnose.test_truth import write
from tests.parse.corpus import CORPUS, needs_corpus
from tests.synthetic.truth import make_capture
from trtlens.diagnose.explain import Options, diagnose
from trtlens.diagnose.load import Capture, load_captures
from trtlens.diagnose.race_records import LayerRace
from trtlens.diagnose.races import Races
from trtlens.errors import InputError


def queries(race: LayerRace, tactics: list[int]) -> dict[str, str]:
    """What the rules ask of a race, in words (a time that is nan equals itself there)."""
    found = {
        "missing": race.missing, "doubts": race.doubts, "spread": race.repeat_spread, "decided": race.decided, "timed": race.timed, "size": race.size,
        "dense": race.best_dense(), "sparse": race.best_sparse(), "texts": list(race.texts()), "places": race.places(6),
        "won by": [race.won_by(tactic) for tactic in tactics], "below": [race.sparse_below(ms) for ms in (0.0, 0.01, 0.05, 1.0)],
    }  # fmt: skip
    return {name: repr(value) for name, value in found.items()}


def compare(capture: Capture) -> int:
    """How many races were plain; each of them must answer as the whole one does."""
    plain = 0
    assert capture.log is not None
    for build in capture.log.builds:
        for index in {p.index for p in build.passes} or {None}:
            races = Races(capture.log, build, index)
            for layer, numbers in races.by_layer.items():
                race, whole = races.of(layer), races.whole_race(layer, numbers)
                assert race is not None
                tactics = sorted({c.winner.tactic for c in whole.combinations if c.winner is not None})
                assert queries(race, tactics) == queries(whole, tactics), layer
                if len(race.telling) < whole.size:
                    plain += 1
                    sparse = [c for c in whole.combinations if c.sparse is not None]
                    lost = [c for c in sparse if c.winner is not None and c.winner.sparse is False and c.dense is not None]
                    assert (race.lost, len(whole.combinations)) == (len(lost), len(race.combinations))
                    assert {c.index for c in race.telling} <= {c.index for c in sparse} and bool(race.telling) == bool(sparse)
    return plain


def verdicts(capture: Capture) -> list[str]:
    return [repr(layer) for build in diagnose(capture, Options()).builds for layer in build.layers]


@pytest.mark.parametrize("seed", range(40))
def test_synthetic_captures(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = load_captures(write(make_capture(seed), tmp_path))[0]
    if capture.log is None:
        pytest.skip("this capture has no log")
    compare(capture)
    found = verdicts(capture)
    monkeypatch.setattr(Races, "_race", lambda self, layer, numbers: self.whole_race(layer, numbers))
    assert verdicts(capture) == found


def test_many_races_are_plain(tmp_path: Path) -> None:
    """Or the columns would be of no use."""
    plain = 0
    for seed in range(12):
        folder = tmp_path / str(seed)
        folder.mkdir()
        capture = load_captures(write(make_capture(seed), folder))[0]
        plain += compare(capture) if capture.log is not None else 0
    assert plain > 20


@needs_corpus
def test_corpus() -> None:
    plain = 0
    for path in sorted((CORPUS / "verbose_logs").iterdir()):
        try:
            capture = load_captures([str(path)], hashes=False)[0]
        except InputError:
            continue
        plain += compare(capture) if capture.log is not None else 0
    assert plain > 300
