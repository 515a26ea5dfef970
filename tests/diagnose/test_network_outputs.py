"""A log alone names the network's outputs where trtexec parsed the model: then a tensor that others take is known not to leave the network, too."""

from __future__ import annotations

import re
from pathlib import Path

from tests.diagnose.test_truth import defects
from tests.synthetic.truth import make_capture
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis

SUMS = ("format-cost", "io-format", "tie")


def diagnosed(path: Path, text: str) -> BuildDiagnosis:
    path.write_text(text, encoding="utf-8")
    main = explain([str(path)]).captures[0].main
    assert main is not None
    return main


def test_outputs_that_are_listed_prove_reformat_sums(tmp_path: Path) -> None:
    gained = 0
    for seed in range(160):
        made = make_capture(seed)
        if made.log is None or "] [I] === " not in made.log or " as output: " not in made.log:
            continue
        listed = diagnosed(tmp_path / "build.log", made.log)
        silent = diagnosed(tmp_path / "build.log", re.sub(r"Marking \S+ as output: \S+", "Setting workspace to 1", made.log))
        if defects(made, silent):
            continue  # the truth is that of the whole capture: here the layer info is of another build than the log
        assert defects(made, listed) == []
        for one, other in zip(listed.layers, silent.layers, strict=True):
            assert one.name == other.name and one.status == other.status
            if one.reason == other.reason and one.proof != other.proof:
                assert one.proof == "proven" and one.reason in SUMS
                gained += 1
    assert gained > 0
