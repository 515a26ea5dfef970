"""What one line of a log says of several layers at once: noise that a twin takes over, a copy that several layers read. Every text here is invented.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on verdicts, figures and remedies.
"""

from __future__ import annotations

from pathlib import Path

from tests.diagnose.test_adversarial import (
    CACHED,
    DENSE_HWC,
    LAYER,
    PAIR,
    SPARSE,
    Log,
    combination,
    engine_line,
    layer,
    main,
    tactic,
    told,
)

LANES = "(Half[1,64:8,28,28])"


def test_a_cached_result_has_the_noise_of_the_race_that_it_repeats(tmp_path: Path) -> None:
    """One dense tactic took 0.05 and 0.056 ms: 5 % more is a tie in that race, so it is one for the twin."""
    race = layer(LAYER, combination(LAYER, PAIR[1], [(SPARSE, 0.0525), (DENSE_HWC, 0.05), tactic(DENSE_HWC, 0.056)], DENSE_HWC))
    twin = ["=============== Computing costs for conv2", CACHED.format("conv2", PAIR[1], "CaskConvolution", DENSE_HWC, 0.05)]
    engine = [engine_line(LAYER, DENSE_HWC, f"x {LANES}", f"y {LANES}"), engine_line("conv2", DENSE_HWC, f"y {LANES}", f"z {LANES}")]
    for more in ([], [tactic(0x9999999999999999, 0.09, None)]):  # a plain race, and one that is not
        lines = [*race[:-2], *more, *race[-2:]]
        found = {item.name: item for item in main(tmp_path, Log([*lines, *twin], engine, eligible="conv1, conv2", version="10.3.0")).layers}
        assert told(found[LAYER]) == told(found["conv2"]) == ("dense", "tie", "proven")
        assert found["conv2"].stability == "coin-toss" and found["conv2"].inherited_from == LAYER
