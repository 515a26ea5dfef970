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


def test_the_limits_that_the_page_states_are_those_of_the_code() -> None:
    from trtlens.capture.folder import _ARCHIVE_LIMIT_BYTES
    from trtlens.parse.remote import TOTAL_LIMIT_BYTES
    from trtlens.parse.textio import LINE_LIMIT, UNPACKED_LIMIT
    from trtlens.report.page import STATIC_ROWS, TACTIC_ROWS

    stated = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").partition("## Limits that are set")[2]
    for text in (
        f"unpacks to more than {UNPACKED_LIMIT >> 30} GiB, or has a line longer than {LINE_LIMIT >> 20} MiB",
        f"of more than {TOTAL_LIMIT_BYTES >> 30} GiB together",
        f"unpacks to more than {_ARCHIVE_LIMIT_BYTES >> 30} GiB",
        f"rows of {TACTIC_ROWS:,} tactics",
        f"shows {STATIC_ROWS} fallbacks",
    ):
        assert text in stated
