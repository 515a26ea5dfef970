"""Makes the twenty SYNTHETIC captures that twenty_captures.ipynb compares: two GPUs, two TensorRT versions, five batch sizes. Nothing was measured.

In: a folder. Out: a capture folder for each build, called GPU-TENSORRT-batchN. Next: the notebook beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from fixtures.synthetic_engine import Stage, make  # noqa: E402

GPUS = {"orin": 87, "a100": 80}
VERSIONS = ("8.6", "10.3")
BATCHES = (1, 2, 4, 8, 16)
STAGES = (Stage(64, 56, 2), Stage(128, 28, 2, "pool"), Stage(256, 14, 2))
MARKED = {3: "grouped"}
FIRST_SEED = 501


def write_captures(folder: Path) -> list[Path]:
    """Write them; their folders in order."""
    builds = [(gpu, version, batch) for gpu in GPUS for version in VERSIONS for batch in BATCHES]
    written = []
    for seed, (gpu, version, batch) in enumerate(builds, FIRST_SEED):
        capture = folder / f"{gpu}-{version}-batch{batch:02}"
        capture.mkdir(parents=True)
        for name, text in make(seed, version, GPUS[gpu], batch, STAGES, MARKED).files.items():
            (capture / name).write_text(text, encoding="utf-8")
        written.append(capture)
    return written
