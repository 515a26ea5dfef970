"""What the races of TensorRT 8 show where lines are lost or tactics were left out. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on verdicts and their evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    DENSE,
    DENSE_2,
    DENSE_HWC,
    HWC8,
    INTO,
    KERNELS,
    LAYER,
    LINEAR,
    OUT,
    PAIR,
    SPARSE,
    SPARSE_2,
    Log,
    combination,
    dense_log,
    engine_line,
    layer,
    slower_log,
    switch_log,
    told,
    verdict,
)
from trtlens.diagnose.model import LayerVerdict, LineEvidence

OTHERS = [line for number in range(24) for line in layer(f"other{number}", combination(f"other{number}", PAIR[0], [(DENSE, 0.05)], DENSE))]
SKIPPED = "Tactic: 0x{:016x} skipped. Scratch requested: 200, available: 100"


def without(log: Log, words: str) -> Log:
    """The log, in which other layers were tuned, too, without its own lines that hold these words."""
    log.tuned = [*[line for line in log.tuned if words not in line], *OTHERS]
    return log


@pytest.mark.parametrize("made", [dense_log, slower_log])
def test_a_runner_without_its_fastest_tactic_has_lost_its_end_where_all_others_have_theirs(made: Callable[[], Log], tmp_path: Path) -> None:
    assert verdict(tmp_path, without(made(), "no such words")).proof == "proven"
    assert verdict(tmp_path, without(made(), "Fastest Tactic")).proof != "proven"
    log = without(made(), "Fastest Tactic")
    log.tuned = [line for line in log.tuned if "Fastest Tactic" not in line]  # a log from which somebody took them all
    assert verdict(tmp_path, log).proof == "proven"


def test_a_reformat_without_its_fastest_tactic_may_have_had_a_cheaper_one(tmp_path: Path) -> None:
    log = without(switch_log([INTO, OUT]), "no such words")
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "proven")
    log.tuned = [line for line in log.tuned if "Optimizer Reformat" not in line or "Fastest Tactic" not in line]
    assert told(verdict(tmp_path, log)) == ("dense", "io-format", "suggested")


def left_out(*kernels: tuple[int, int], runners: tuple[str, ...] = ("CaskConvolution",)) -> Log:
    """Of the second combination each tactic was skipped for memory. TensorRT 8.5 prints the name in the line before."""
    second = [f"*************** Autotuning format combination: {PAIR[1]} ***************"]
    for runner in runners:
        second.append(f"--------------- Timing Runner: {LAYER} ({runner})")
        for number, named in kernels:
            second += [f"{LAYER} Set Tactic Name: {KERNELS[named]} Tactic: 0x{number:016x}", SKIPPED.format(number)]
    return Log(layer(LAYER, combination(LAYER, PAIR[0], [(DENSE, 0.05), (DENSE_2, 0.04)], DENSE_2), second), [engine_line(LAYER, DENSE_2)], version="8.5.1")


def cited(found: LayerVerdict) -> list[str]:
    return [item.text for item in found.evidence if isinstance(item, LineEvidence)]


def test_a_combination_of_which_every_tactic_was_skipped_for_memory_hides_nothing(tmp_path: Path) -> None:
    found = verdict(tmp_path, left_out((SPARSE, SPARSE), (SPARSE_2, SPARSE_2)))
    assert told(found) == ("dense", "workspace", "proven")
    for number in (SPARSE, SPARSE_2):
        assert any(f"Set Tactic Name: {KERNELS[number]} " in text for text in cited(found))  # that it is sparse is shown, too
        assert any(SKIPPED.format(number) in text for text in cited(found))
    # A runner that raced in the other combination and is not shown in this one may have had times that the log does not hold.
    hidden = left_out((SPARSE, SPARSE), runners=("CaskGemmConvolution",))
    assert told(verdict(tmp_path, hidden))[2] != "proven"
    unnamed = left_out((0x9999999999999999, DENSE_HWC))
    unnamed.tuned = [line for line in unnamed.tuned if KERNELS[DENSE_HWC] not in line]
    found = verdict(tmp_path, unnamed)
    assert told(found) == ("dense", "workspace", "suggested") and "skipped" in found.summary
    assert any(SKIPPED.format(0x9999999999999999) in text for text in cited(found))


def test_the_layers_own_line_names_what_was_skipped_though_another_layers_does_too(tmp_path: Path) -> None:
    log = left_out((SPARSE, SPARSE))
    other = combination("conv0", PAIR[1], [(DENSE, 0.05)], DENSE)
    other[2:2] = [f"conv0 Set Tactic Name: {KERNELS[SPARSE]} Tactic: 0x{SPARSE:016x}", SKIPPED.format(SPARSE).replace("200", "300")]
    log.tuned[:0] = layer("conv0", other)
    found = verdict(tmp_path, log)
    assert told(found) == ("dense", "workspace", "proven")
    assert not any("conv0" in text or "300" in text for text in cited(found))


def test_what_is_left_out_for_time_alone_leaves_its_combination_open(tmp_path: Path) -> None:
    log = left_out((SPARSE, SPARSE), (SPARSE_2, SPARSE_2))
    log.tuned = [f"Fast skip Tactic:0x{SPARSE_2:016x} which exceed time limit during pre-run" if line == SKIPPED.format(SPARSE_2) else line for line in log.tuned]
    assert told(verdict(tmp_path, log)) == ("dense", "not-captured", "unknown")


def test_a_copy_that_would_go_away_can_only_make_the_switch_cheaper(tmp_path: Path) -> None:
    """x is copied into HWC8 before the layer now, and would not be: what that copy takes is not in the log, and need not be."""
    copied = "Reformatted Input Tensor 0 to conv1"
    engine = [
        engine_line(f"Reformatting CopyNode for Input Tensor 0 to {LAYER}", 0, "x (Half[1,64,28,28])", f"{copied} (Half[1,64:8,28,28])", "Reformat"),
        engine_line(LAYER, DENSE_HWC, f"{copied} (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])"),
    ]
    adding = f"Adding reformat layer: {copied} (x) from {LINEAR} to {HWC8}"
    paid = verdict(tmp_path, switch_log([OUT], [adding], engine))
    assert told(paid) == ("dense", "unexplained", "unknown") and "would have paid" in paid.summary
    # What the switch would add is not all known, or takes as long as it saves: then the copy that would go away matters.
    assert told(verdict(tmp_path, switch_log([], [adding], engine))) == ("dense", "format-cost", "suggested")
    assert told(verdict(tmp_path, switch_log([OUT], [adding], engine, best_sparse=0.043))) == ("dense", "format-cost", "suggested")


@pytest.mark.parametrize("made", [dense_log, slower_log])
def test_a_runner_without_valid_tactics_that_nothing_begins_stands_behind_lost_lines(made: Callable[[], Log], tmp_path: Path) -> None:
    """From behind the first combination's line to within a later combination all is lost, another whole combination perhaps."""
    begins, said = f"--------------- Timing Runner: {LAYER} (CaskFlattenConvolution)", "CaskFlattenConvolution has no valid tactics for this config, skipping"
    log = made()
    at = next(n for n, line in enumerate(log.tuned) if line.startswith("***")) + 1
    log.tuned[at:at] = [begins, said]
    assert verdict(tmp_path, log).proof == "proven"
    del log.tuned[at]
    assert verdict(tmp_path, log).proof != "proven"
