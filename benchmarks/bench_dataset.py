"""Many small captures: `trtlens explain DIR --tables OUT` with one process and with more; what a capture costs, and what the processes cost.

In: options. Out: a table on standard output. Next: benchmarks/README.md keeps it.
Run: python benchmarks/bench_dataset.py [--captures 200] [--workers 1,2] [--repeat 3]

The captures are synthetic (15 layers, 150 KB each). The last column is what the machine itself gives: the same captures halved between independent processes
that know nothing of one another, started at once. A pool cannot do better; on a busy machine neither can do twice as much.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from fixtures.synthetic_engine import Stage, make  # noqa: E402

_RUN = "import sys; from trtlens.report.dataset import write_dataset; write_dataset(sys.argv[3:], sys.argv[2], workers=int(sys.argv[1]))"


def captures(folder: Path, count: int) -> list[str]:
    """Write them; their folders."""
    stages = (Stage(64, 56, 2), Stage(128, 28, 2, "pool"), Stage(256, 14, 2))
    found = []
    for number in range(count):
        capture = folder / f"run{number:04}"
        capture.mkdir(parents=True)
        for name, text in make(1000 + number, ("8.6", "10.3")[number % 2], (80, 87)[number % 3 == 0], 4, stages).files.items():
            (capture / name).write_text(text, encoding="utf-8")
        found.append(str(capture))
    return found


def measured(commands: list[list[str]]) -> tuple[float, float]:
    """Wall and CPU seconds of processes that run at the same time."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    for running in [subprocess.Popen(command, cwd=ROOT) for command in commands]:
        if running.wait():
            raise SystemExit(f"a run failed with exit code {running.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--captures", type=int, default=200)
    parser.add_argument("--workers", default="1,2", help="numbers of processes (default 1,2)")
    parser.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs counts (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        found = captures(Path(temporary) / "runs", options.captures)
        runs = 0

        def command(workers: int, part: list[str]) -> list[str]:
            nonlocal runs
            runs += 1
            return [sys.executable, "-c", _RUN, str(workers), str(Path(temporary) / f"out{runs}"), *part]

        print(f"{options.captures} captures{'':8}{'wall s':>9}{'CPU s':>9}{'captures/s':>12}{'independent processes, wall s':>32}")
        for workers in map(int, options.workers.split(",")):
            pool = [measured([command(workers, found)]) for _ in range(options.repeat)]
            apart = [measured([command(1, found[start::workers]) for start in range(workers)]) for _ in range(options.repeat)]
            wall, cpu = min(pool)
            print(f"{workers} process{'es' if workers > 1 else '':12}{wall:9.2f}{cpu:9.2f}{options.captures / wall:12.1f}{min(apart)[0]:32.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
