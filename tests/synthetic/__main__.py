"""Writes one synthetic capture to a folder, to look at. In: seed, dialect, switches. Out: three files, the truth on screen.

python -m tests.synthetic 17 --dialect 8.5 --only --switch twins --out DIR
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from .truth import DIALECTS, Switches, make_capture


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("--dialect", choices=[d.name for d in DIALECTS])
    parser.add_argument("--switch", action="append", default=[], choices=[f.name for f in fields(Switches)])
    parser.add_argument("--only", action="store_true", help="no random switches")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    forced = dict.fromkeys(options.switch, True)
    capture = make_capture(options.seed, options.dialect, Switches() if options.only else None, **forced)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in (("build.log", capture.log), ("layer_info.json", capture.layer_info), ("profile.json", capture.profile)):
        if text is not None:
            (options.out / name).write_text(text, encoding="utf-8")
    warnings = ", ".join(sorted(capture.warnings)) or "none"
    print(f"{capture.dialect.name}, switches: {', '.join(capture.switches.on) or 'none'}, warnings: {warnings}")
    for truth in capture.truth.values():
        shown = {side: sorted(f"{s}/{r}" for s, r in getattr(truth, side)) for side in ("true", "provable", "acceptable")}
        print(f"{truth.name}: rule {truth.rule}, margin {truth.margin}, {shown}")


if __name__ == "__main__":
    main()
