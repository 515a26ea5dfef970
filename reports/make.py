"""Writes the sample reports beside it: `python reports/make.py`; `--check` compares instead and says what is not current.

In: the fixtures, and an engine made up on the spot. Out: one HTML file a sample, without the pictures' library, so that the repository stays light.
Next: tests/docs/test_reports.py runs the check; `trtlens explain ... --html` writes the same page with pictures.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT)]

from fixtures.synthetic_engine import Stage, Texts, make  # noqa: E402


def big_engine() -> Texts:
    """About a hundred layers on a made-up A100, with every kind of verdict that a complete log can give. Nothing was measured."""
    stages = (Stage(64, 112, 4), Stage(128, 56, 8, "pool"), Stage(256, 28, 10, "plugin"), Stage(512, 14, 8, "pool"), Stage(512, 7, 4, "shuffle"))
    marked = {7: "grouped", 12: "no-memory", 15: "dense-weights", 19: "twin", 22: "hidden", 26: "twin", 31: "no-memory", 33: "pinned"}
    marked |= {38: "pruned", 41: "dense-weights", 45: "hidden", 47: "twin", 50: "twin", 55: "pinned", 60: "hidden", 63: "twin"}
    return make(151, dialect="10.3", sm=80, batch=16, stages=stages, marked=marked)


def synthetic_files(folder: Path) -> list[str]:
    """The big engine's files under names that say what they are."""
    for name, text in big_engine().files.items():
        (folder / f"synthetic_{name}").write_text(text, encoding="utf-8")
    return sorted(item.name for item in folder.iterdir())


def _fixture(name: str, *files: str) -> Callable[[Path], list[str]]:
    """Files of a fixture; reports name them as somebody at the repository's root would."""
    return lambda folder: [f"fixtures/{name}/{file}" for file in files]


SAMPLES: dict[str, Callable[[Path], list[str]]] = {
    "issue_4056.html": _fixture("issue_4056", "layer_info.json", "profile.json", "build.log"),
    "rtx_tiny.html": _fixture("rtx_tiny", "model.trtlens", "model.onnx"),
    "synthetic_small.html": _fixture("synthetic_small", "layer_info.json", "profile.json", "build.log"),
    "synthetic_engine.html": synthetic_files,
}


def render(sample: str, pictures: bool = False) -> str:
    """The report of a sample."""
    from trtlens.diagnose.session import Session
    from trtlens.report.html import render_html

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        try:
            paths = SAMPLES[sample](Path(folder))
            os.chdir(ROOT if paths[0].startswith("fixtures/") else folder)
            session = Session(paths)
            return render_html(session.diagnosis, session.extras(), pictures=pictures)
        finally:
            os.chdir(before)


def comparable(text: str) -> str:
    """The page with its data unpacked: two zlib libraries pack the same data into different bytes."""

    def unpack(found: re.Match[str]) -> str:
        return found[1] + gzip.decompress(base64.b64decode(found[2])).decode("ascii")

    return re.sub(r'(<script [^>]*data-encoding="gzip">)([A-Za-z0-9+/=]+)', unpack, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a report is not current")
    check = parser.parse_args().check
    stale = []
    for sample in SAMPLES:
        path, text = HERE / sample, render(sample)
        if check:
            if not path.is_file() or comparable(path.read_text(encoding="utf-8")) != comparable(text):
                stale.append(sample)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{sample}: {len(text):,} characters")
    for sample in stale:
        print(f"reports/{sample} is not current: run python reports/make.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
