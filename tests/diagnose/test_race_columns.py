"""What races.py computes for all rows at once, against the plain way of saying it."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trtlens
from tests.small_log import DENSE_HWC, DENSE_NAME, log_text
from trtlens.diagnose import race_noise
from trtlens.diagnose.race_columns import by_value, distinct
from trtlens.parse.build_log.records import CACHED, SKIPPED, TIMED


@given(st.lists(st.integers(0, 9), max_size=30))
def test_each_value_once_with_its_first_place(values: list[int]) -> None:
    found, first, which = (part.tolist() for part in distinct(np.array(values, dtype=np.int32)))
    assert found == sorted(set(values))
    assert first == [values.index(value) for value in found]
    assert [found[number] for number in which] == values


@given(st.lists(st.integers(0, 5), max_size=20))
def test_numbers_by_value_in_the_order_of_the_log(values: list[int]) -> None:
    numbers = np.arange(100, 100 + len(values))
    found = [(value, list(held)) for value, held in by_value(np.array(values, dtype=np.int32), numbers)]
    assert found == [(value, [100 + at for at, other in enumerate(values) if other == value]) for value in dict.fromkeys(values)]


class Rows(SimpleNamespace):
    """The columns of a tactics table that the noise is found in."""

    def __len__(self) -> int:
        return len(self.section)


ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([1, 2, 2**63, 2**64 - 1]), st.sampled_from([TIMED, TIMED, TIMED, SKIPPED, CACHED]), st.sampled_from([0.5, 0.6, 1.5, 0.0, float("nan")])),
    max_size=40,
)  # section, tactic, source, time


@pytest.mark.parametrize("piece", [4, 1 << 15])
@given(rows=ROWS, ordered=st.booleans())
def test_the_noise_is_the_widest_pair_of_times_of_one_tactic(piece: int, rows: list[tuple[int, int, int, float]], ordered: bool) -> None:
    # GIVEN runner sections 0 to 6 of combinations 0 to 3, in the log's order or one run into another; combination 4 repeats combination 0
    rows = sorted(rows, key=lambda row: row[0]) if ordered else rows
    section, tactic, source, time_ms = (np.array([row[at] for row in rows], dtype=kind) for at, kind in enumerate(("i4", "u8", "i1", "f8")))
    log: Any = SimpleNamespace(tactics=Rows(section=section, tactic=tactic, source=source, time_ms=time_ms), combinations=range(5))
    # WHEN pieces are short, or hold all
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race_noise, "_PIECE", piece)
        found = race_noise.all_spreads(log, (section // 2).astype(np.int32), lambda: np.array([-1, -1, -2, -1, 0]))
    # THEN the slowest and the fastest time of one tactic in one section count for its combination
    expected: dict[int, float] = {}
    for number in range(4):
        for key in {row[:2] for row in rows if row[0] // 2 == number}:
            times = [row[3] for row in rows if row[:2] == key and row[2] == TIMED and row[3] > 0]
            if len(times) > 1:
                expected[number] = max(expected.get(number, 0.0), max(times) / min(times) - 1.0)
    if 0 in expected:
        expected[4] = expected[0]
    assert found == pytest.approx(expected)


TINY = f"Tactic Name: {DENSE_NAME} Tactic: 0x{DENSE_HWC:016x} Time: "


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(("0.0501", "1e-320"), id="a cached result and its race"),
        pytest.param(("0.0203", "1e-320"), id="a dense time that sparse lost against"),
        pytest.param((f"{TINY}0.0203", f"{TINY}1e-320\n[01/02/2026-03:04:05] [V] [TRT] {TINY}0.0203"), id="a tactic that was timed twice"),
    ],
)
def test_a_time_next_to_nothing_makes_no_noise_on_standard_error(damage: tuple[str, str], tmp_path: Path) -> None:
    # GIVEN a time so small that its inverse is no number any more
    whole = log_text()
    (tmp_path / "build.log").write_text(whole.replace(*damage))
    assert damage[0] in whole
    # WHEN numpy's warnings, which go to the user's terminal, are errors
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = trtlens.explain(tmp_path / "build.log")
    # THEN there is none, and the layer has its verdict
    assert [layer.status for layer in found.diagnosis.captures[0].builds[-1].layers if layer.name == "conv1 + relu1"] == ["dense"]
