"""`trtlens prune`: a copy that conforms, said loudly to be for timings alone; nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

from tests.commands.test_common import ROOT, invoke
from trtlens.diagnose.weights import check_model

MODEL = ROOT / "fixtures" / "rtx_tiny" / "model.onnx"


def test_a_pruned_copy_conforms_and_says_what_it_is_for(tmp_path: Path) -> None:
    target = tmp_path / "pruned.onnx"
    done = invoke("prune", str(MODEL), "-o", str(target))
    assert done.exit_code == 0, done.stderr
    assert not done.stdout and "accuracy" in done.stderr.lower()
    assert f"Wrote {target}: 6 weights made 2:4" in done.stderr and "1 operator was left as it is (grouped: " in done.stderr
    before, after = ({weight.name: weight.status for weight in check_model(str(path)).weights} for path in (MODEL, target))
    assert "pattern" in {weight.reason for weight in check_model(str(MODEL)).weights}
    assert sum(status == "eligible" for status in after.values()) > sum(status == "eligible" for status in before.values())
    again = invoke("prune", str(MODEL), "-o", str(target))
    assert again.exit_code == 2 and str(target) in again.stderr and len(again.stderr.strip().splitlines()) == 1
