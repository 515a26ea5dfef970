"""Races that are decided on columns come out as they do combination by combination.

In: synthetic captures, the corpus, hand-made races with every kind of gap. Out: the same verdicts and the same queries both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    CACHED,
    DENSE,
    DENSE_2,
    DENSE_HWC,
    HWC8,
    KERNELS,
    LAYER,
    LEFT_OUT,
    LINEAR,
    PAIR,
    RUNNER,
    SPARSE,
    SPARSE_2,
    UNNAMED_AND_SLOW,
    Log,
    autotuning,
    combination,
    engine_line,
    layer,
    no_valid,
    tactic,
)
from tests.diagnose.test_truth import write
from tests.parse.corpus import CORPUS, needs_corpus
from tests.synthetic.truth import make_capture
from trtlens.diagnose.explain import Options, diagnose
from trtlens.diagnose.load import Capture, load_captures
from trtlens.diagnose.plain_races import PlainColumns
from trtlens.diagnose.race_records import Combination, LayerRace
from trtlens.diagnose.races import Races
from trtlens.errors import InputError


def told(combinations: list[Combination]) -> list[Combination]:
    """Without the runners that were tried, which a plain race leaves out: only what is missing depends on them."""
    return [replace(c, runners=frozenset()) for c in combinations]


def queries(race: LayerRace, tactics: list[int]) -> dict[str, str]:
    """What the rules ask of a race, in words (a time that is nan equals itself there)."""
    found = {
        "missing": race.missing, "doubts": race.doubts, "spread": race.repeat_spread, "decided": race.decided, "timed": race.timed, "size": race.size,
        "dense": race.best_dense(), "sparse": race.best_sparse(), "texts": list(race.texts()), "places": race.places(6),
        "won by": [told(race.won_by(tactic)) for tactic in tactics], "below": [told(race.sparse_below(ms)) for ms in (0.0, 0.01, 0.05, 1.0)],
        "inherited": race.inherited_from, "silent": race.silent, "telling": race.telling if race.silent else None, "complaint": race.complaint,
    }  # fmt: skip
    return {name: repr(value) for name, value in found.items()}


def compare(capture: Capture) -> int:
    """How many races were plain; each race must answer as it does when it is made combination by combination."""
    return compared(capture)[0]


def compared(capture: Capture) -> tuple[int, int]:
    """The same, and how many were silent."""
    found = silent = 0
    assert capture.log is not None
    for build in capture.log.builds:
        indices: set[int | None] = {p.index for p in build.passes}
        for index in indices or {None}:
            races, asked = Races(capture.log, build, index), Races(capture.log, build, index)
            plain = PlainColumns(races)
            for name, numbers in races.by_layer.items():
                race, whole = races.of(name), races.whole_race(name, numbers)
                assert race is not None
                tactics = sorted({c.winner.tactic for c in whole.combinations if c.winner is not None})
                assert queries(race, tactics) == queries(whole, tactics), name
                for chosen in {0, *tactics}:
                    asked.expect({name: chosen})
                    assert list(asked.won(name, chosen)) == [c.index for c in whole.combinations if c.winner is not None and c.winner.tactic == chosen]
                columns = plain.race_of(name)
                if columns is not None and columns.silent:
                    silent += 1
                    assert (race.decided, race.plain, race.combinations) == (False, False, whole.combinations)
                elif columns is not None:
                    found += 1
                    sparse = [c for c in whole.combinations if c.sparse is not None]
                    lost = [c for c in sparse if c.winner is not None and c.winner.sparse is False and c.dense is not None]
                    assert (race.lost, len(whole.combinations)) == (len(lost), len(race.combinations))
                    assert {c.index for c in race.telling} <= {c.index for c in sparse} and bool(race.telling) == bool(sparse)
    return found, silent


def verdicts(capture: Capture) -> list[str]:
    return [repr(item) for build in diagnose(capture, Options()).builds for item in build.layers]


def same_verdicts(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    found = verdicts(capture)
    with monkeypatch.context() as patch:
        patch.setattr(Races, "_race", lambda self, layer, numbers: self.whole_race(layer, numbers))
        assert verdicts(capture) == found


THIRD = f"{HWC8} -> {LINEAR}"
WON = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)
FAST_SKIP = f"Fast skip Tactic:0x{SPARSE_2:016x} which exceed time limit during pre-run"
RUNNER_LINE = f"--------------- Timing Runner: {LAYER} ({{}}[0x80000009])"
TABLE = f" (foreignNode) Autotuning op {LAYER}: [ONNX Layer: {LAYER}]"
NO_TACTIC = f"{LAYER} ({{}}[0x80000009]) profiling completed in 0.1 seconds. Fastest Tactic: 0xd15ea5edd15ea5ed Time: inf"
CHOSE = f">>>>>>>>>>>>>>> Chose Runner Type: {RUNNER} Tactic: 0x{DENSE:016x}"


def race(*combinations: Sequence[str], runs: int = DENSE) -> Log:
    """A race of one layer and one of a pooling layer behind it."""
    behind = layer("pool9", combination("pool9", PAIR[0], [tactic(0, 0.01, None)], 0, "CudnnPooling"))
    return Log([*layer(LAYER, *combinations), *behind], [engine_line(LAYER, runs)])


PLAIN: dict[str, Log] = {
    "sparse won": race(*WON),
    "sparse lost": race(*(combination(LAYER, pair, [(SPARSE, 0.05), (DENSE, time)], DENSE) for pair, time in zip(PAIR, (0.04, 0.03), strict=True))),
    "nothing sparse": race(WON[0], combination(LAYER, PAIR[1], [(DENSE_HWC, 0.04), (DENSE_2, 0.06)], DENSE_HWC)),
    "equal times": race(*(combination(LAYER, pair, [(SPARSE, 0.05), (SPARSE_2, 0.05), (DENSE_2, 0.06), (DENSE, 0.06)], SPARSE) for pair in PAIR), runs=SPARSE),
    "equal losses": race(*(combination(LAYER, pair, [(SPARSE, 0.06), (DENSE, 0.05), (DENSE_2, 0.05)], DENSE) for pair in (*PAIR, THIRD))),
    "neither took time": race(
        *WON[:1], combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE, 0.02)], DENSE), combination(LAYER, THIRD, [(SPARSE, 0.0), (DENSE_2, 0.0)], DENSE_2)
    ),
    "no runner can do it": race(*WON, [autotuning(THIRD), *no_valid(RUNNER, "CudnnConvolution")]),
    "no tactic of a runner": race(
        *WON, [autotuning(THIRD), RUNNER_LINE.format(RUNNER), NO_TACTIC.format(RUNNER)]
    ),
    "timed after a fast skip": race(WON[0], combination(LAYER, PAIR[1], [FAST_SKIP, (SPARSE_2, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "a dense one failed": race(WON[1], combination(LAYER, PAIR[0], [(DENSE_2, "inf"), (DENSE, 0.05)], DENSE)),
    "nothing pruned": race(*WON, [f"{LAYER}: 10 available tactics, 0 unparsable, 0 pruned, 10 remaining after tactic pruning."]),
    "tactic zero": race(combination(LAYER, PAIR[0], [tactic(0, 0.05, None)], 0, "CudnnConvolution"), [autotuning(PAIR[1]), *no_valid("CudnnConvolution")], runs=0),
}  # fmt: skip


@pytest.mark.parametrize("log", PLAIN.values(), ids=PLAIN)
def test_a_race_without_a_gap_is_plain(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert compare(capture) == 2
    same_verdicts(capture, monkeypatch)


GAPS: dict[str, Log] = {
    "an unnamed tactic": race(WON[1], combination(LAYER, PAIR[0], [(DENSE, 0.05), *UNNAMED_AND_SLOW], DENSE)),
    "a cached result, and a race run into it": race(
        *WON, [CACHED.format(LAYER, THIRD, RUNNER, DENSE_HWC, 0.05), RUNNER_LINE.format(RUNNER), tactic(SPARSE_2, 0.06), tactic(DENSE_HWC, 0.05)]
    ),
    "a combination line alone": race(*WON, [autotuning(THIRD)]),
    "a combination line alone, and dense runners": race(
        combination(LAYER, PAIR[0], [tactic(7, 0.05, None)], 7, "CudnnConvolution"), [autotuning(THIRD)], runs=7
    ),
    "a runner without a word": race(*WON, [autotuning(THIRD), RUNNER_LINE.format(RUNNER)]),
    "no valid tactics, and a time": race(*WON, [autotuning(THIRD), *no_valid(RUNNER)[:1], tactic(DENSE_2, 0.05), *no_valid(RUNNER)[1:]]),
    "no valid tactics at all": race([autotuning(PAIR[0]), *no_valid(RUNNER)], [autotuning(PAIR[1]), *no_valid(RUNNER)]),
    "no valid tactics, and a choice": race(*WON, [autotuning(THIRD), *no_valid(RUNNER), CHOSE]),
    "dense took no time": race(WON[0], combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE, 0.0)], DENSE)),
    "a tactic left out": race(WON[0], combination(LAYER, PAIR[1], [LEFT_OUT, (SPARSE, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "a tactic left out, and timed": race(WON[0], combination(LAYER, PAIR[1], [LEFT_OUT, (SPARSE_2, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "another one after a fast skip": race(WON[0], combination(LAYER, PAIR[1], [FAST_SKIP, (SPARSE, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "another combination after a fast skip": race(
        [*combination(LAYER, PAIR[0], [(DENSE, 0.05), FAST_SKIP], None), CHOSE], combination(LAYER, PAIR[1], [(SPARSE_2, 0.06), (DENSE_HWC, 0.07)], SPARSE_2)
    ),
    "no time after a fast skip": race(WON[0], combination(LAYER, PAIR[1], [FAST_SKIP, (SPARSE_2, "inf"), (SPARSE, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "a dense one without a time after a fast skip": race(
        WON[1], combination(LAYER, PAIR[0], [FAST_SKIP.replace(f"{SPARSE_2:016x}", f"{DENSE_2:016x}"), (DENSE_2, "inf"), (DENSE, 0.05)], DENSE)
    ),
    "a fast skip twice": race(WON[0], combination(LAYER, PAIR[1], [FAST_SKIP, FAST_SKIP, (SPARSE, 0.06), (DENSE_HWC, 0.05)], DENSE_HWC)),
    "a damaged line after no valid tactics": race(
        *WON, [autotuning(THIRD), *no_valid(RUNNER), RUNNER_LINE.format("CudnnConvolution"), *(tactic(n, "inf", None) for n in range(4)), NO_TACTIC.format("CudnnConvolution"), "Tactic Name: sm80_xmma_fprop_sparse Tactic: 0x5000"]
    ),
    "a row of a table after a skip": race(
        WON[0], combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.05), FAST_SKIP, TABLE, f" (foreignNode)    0, 0.04, 1.0, 0.0, {KERNELS[SPARSE_2]}, 0x{SPARSE_2:x}, "], DENSE_HWC)
    ),
    "a table in a race of dense runners": race(*WON, combination(LAYER, THIRD, [tactic(7, 0.05, None), TABLE], 7, "CudnnConvolution")),
    "a cached result alone, and a race run into it": race(
        [CACHED.format(LAYER, THIRD, RUNNER, DENSE_HWC, 0.05), RUNNER_LINE.format(RUNNER), tactic(SPARSE_2, 0.06), tactic(DENSE_HWC, 0.05), CHOSE.replace(f"{DENSE:016x}", f"{DENSE_HWC:016x}")]
    ),
}  # fmt: skip


@pytest.mark.parametrize("log", GAPS.values(), ids=GAPS)
def test_a_race_with_a_gap_is_not_plain(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert compare(capture) == 1
    same_verdicts(capture, monkeypatch)


ALONE = [autotuning(PAIR[0])], [autotuning(PAIR[1])]
SILENT: dict[str, tuple[Log, int]] = {
    "combination lines alone": (race(*ALONE), 1),
    "one combination line": (race(ALONE[0]), 1),
    "a race in one of them": (race(ALONE[0], WON[1]), 0),
    "a runner": (race(*ALONE, [autotuning(THIRD), RUNNER_LINE.format(RUNNER)]), 0),
    "a table": (race(*ALONE, [autotuning(THIRD), TABLE, f" (foreignNode)    0, 0.04, 1.0, 0.0, {KERNELS[SPARSE_2]}, 0x{SPARSE_2:x}, "]), 0),
    "a result": (race(*ALONE, [autotuning(THIRD), CHOSE]), 0),
    "a cached result": (race(*ALONE, [CACHED.format(LAYER, THIRD, RUNNER, DENSE_HWC, 0.05)]), 0),
    "no formats": (race(*ALONE, [autotuning(" -> ").replace(" ->  ", " ")]), 0),
    "a damaged line": (race(*ALONE, ["Tactic Name: sm80_xmma_fprop_sparse Tactic: 0x5000"]), 0),
    "lines about pruned tactics": (race(*ALONE, [f"{LAYER}: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."]), 1),
}  # fmt: skip


@pytest.mark.parametrize(("log", "silent"), SILENT.values(), ids=SILENT)
def test_a_race_without_a_word_is_silent(log: Log, silent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert compared(capture)[1] == silent
    same_verdicts(capture, monkeypatch)


CONV0 = [combination("conv0", PAIR[0], [(DENSE, 0.05)], DENSE), combination("conv0", PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)]
OWN = [combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE), combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE_HWC, 0.07)], SPARSE)]
REPEATED = [CACHED.format(LAYER, PAIR[0], RUNNER, DENSE, 0.05), CACHED.format(LAYER, PAIR[1], RUNNER, SPARSE, 0.06)]
TRIED = [RUNNER_LINE.format(RUNNER)]


def repeats(*lines: Sequence[str], source: Sequence[Sequence[str]] = CONV0, before: Sequence[str] = (), runs: int = DENSE) -> Log:
    """conv0 is raced, conv1 repeats it by cached results."""
    return Log([*before, *layer("conv0", *source), *layer(LAYER, *lines)], [engine_line("conv0", runs), engine_line(LAYER, runs)], version="10.3.0")


REPEATS: dict[str, tuple[Log, int]] = {
    "a whole race": (repeats(REPEATED), 2),
    "a whole race that sparse won": (repeats(REPEATED, runs=SPARSE), 2),
    "a runner begins behind it": (repeats(REPEATED[:1], TRIED, REPEATED[1:], TRIED), 1),
    "one combination": (repeats(REPEATED[1:]), 2),
    "one combination, and one of its own": (repeats(REPEATED[1:], combination(LAYER, THIRD, [(SPARSE_2, 0.04), (DENSE_2, 0.03)], DENSE_2)), 2),
    "two races of two layers": (
        repeats(REPEATED, [CACHED.format(LAYER, THIRD, RUNNER, DENSE_2, 0.02)], before=layer("conv9", combination("conv9", THIRD, [(DENSE_2, 0.02)], DENSE_2))), 3
    ),
    "two races of two layers, the first of which is raced in part": (
        repeats(
            REPEATED[1:], [CACHED.format(LAYER, THIRD, RUNNER, DENSE_2, 0.02)],
            before=layer("conv9", combination("conv9", THIRD, [(DENSE_2, 0.02), *UNNAMED_AND_SLOW], DENSE_2)),
        ), 1,
    ),
    "a race that repeats another one in part": (repeats(REPEATED, source=[*CONV0, [CACHED.format("conv0", THIRD, RUNNER, DENSE_2, 0.02)]]), 1),
    "a race with an unnamed tactic": (repeats(REPEATED, source=[[*CONV0[0][:-1], *UNNAMED_AND_SLOW, CONV0[0][-1]], CONV0[1]]), 0),
    "a race with an unnamed tactic elsewhere": (repeats(REPEATED[1:], source=[[*CONV0[0][:-1], *UNNAMED_AND_SLOW, CONV0[0][-1]], CONV0[1]]), 0),
    "a race with a damaged line": (repeats(REPEATED[1:], source=[[*CONV0[0], "Tactic Name: sm80_xmma_fprop_sparse Tactic: 0x5000"], CONV0[1]]), 0),
    "another time": (repeats(REPEATED[:1], [CACHED.format(LAYER, PAIR[1], RUNNER, SPARSE, 0.061)]), 1),
    "without a time": (repeats(REPEATED[:1], [CACHED.format(LAYER, PAIR[1], RUNNER, SPARSE, "nan")]), 1),
    "its own": (repeats(*OWN, REPEATED[1:], source=[combination("conv0", THIRD, [(DENSE_2, 0.02)], DENSE_2)]), 1),
    "lines about pruned tactics": (repeats(REPEATED, source=[*CONV0, ["conv0: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning."]]), 1),
    "no tactic of its runner is valid": (repeats(REPEATED[:1], no_valid(RUNNER), REPEATED[1:], no_valid(RUNNER)), 1),
}  # fmt: skip


@pytest.mark.parametrize(("log", "plain"), REPEATS.values(), ids=REPEATS)
def test_a_cached_result_is_as_plain_as_what_it_repeats(log: Log, plain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert compare(capture) == plain
    same_verdicts(capture, monkeypatch)


def test_no_race_is_plain_where_runners_cannot_be_told_apart_by_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runner0 and Runner62 would have the same one."""
    tried = [line.replace(LAYER, "pool8") for n in range(62) for line in no_valid(f"Runner{n}")]
    log = race(combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE, "Runner0"), [autotuning(PAIR[1]), *no_valid("Runner62")])
    log.tuned[:0] = layer("pool8", [autotuning(PAIR[0]), *tried])
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert compare(capture) == 0
    same_verdicts(capture, monkeypatch)


@pytest.mark.parametrize("seed", range(40))
def test_synthetic_captures(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = load_captures(write(make_capture(seed), tmp_path))[0]
    if capture.log is None:
        pytest.skip("this capture has no log")
    compare(capture)
    same_verdicts(capture, monkeypatch)


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
