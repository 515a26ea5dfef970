"""The sample reports and the synthetic capture are what their scripts write."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from fixtures.synthetic_small.make import HERE, texts
from trtlens.diagnose.session import Session

from .pages import ROOT


def test_the_sample_reports_are_current() -> None:
    done = subprocess.run([sys.executable, "reports/make.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_sample_reports_keep_the_repository_light() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "reports").iterdir() if path.is_file()) < 3_000_000


def test_the_synthetic_capture_is_what_its_script_writes_and_says_that_it_is_synthetic() -> None:
    for file, text in texts().files.items():
        assert (HERE / file).read_text(encoding="utf-8") == text
    assert (HERE / "build.log").read_text(encoding="utf-8").startswith("[SYNTHETIC trtlens sample")


def test_the_synthetic_capture_shows_one_layer_of_each_common_verdict() -> None:
    build = Session([str(HERE / file) for file in texts().files]).main().main
    assert build is not None
    found = Counter((layer.reason, layer.proof) for layer in build.layers if layer.reason)
    assert found == {(reason, "proven"): 1 for reason in ("slower", "tie", "format-cost", "no-kernel")} | {("picked", "proven"): 2}
