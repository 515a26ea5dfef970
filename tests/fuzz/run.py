"""Coverage-guided fuzzing of every parser, with atheris (libFuzzer). Needs `pip install atheris`: wheels for CPython on Linux.

In: seconds a target, names of targets (default: all). Out: a table; inputs that broke something are kept in --out and make the exit code 1.
Next: put such an input into corpus/TARGET/ (its name says what it broke) beside the fix; test_corpus.py replays it from then on.

    python tests/fuzz/run.py --seconds 60 [--jobs 2] [build_log layer_info …]

New inputs that reach new lines are kept in --out too and are read again next time, but they are not put into the repository.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

# One input may take this long; the largest that libFuzzer makes is 64 KB.
TIMEOUT_SECONDS = 20
# At once; the process may hold more, because atheris itself keeps about 80 KB of each run of build_log (3.0; without it the memory stays level).
MEMORY_MB = 2048
PROCESS_MB = 6144
LARGEST_BYTES = 1 << 16


def fuzz(name: str, arguments: list[str]) -> None:
    """This process becomes the fuzzer of one target; libFuzzer ends it."""
    import atheris

    os.nice(15)
    with atheris.instrument_imports(include=["trtlens"]):
        from tests.fuzz.targets import run

        # What a target imports on its first call must be imported here to be instrumented.
        from trtlens.capture import folder, manifest  # noqa: F401
        from trtlens.diagnose import extras, session, weights  # noqa: F401
        from trtlens.parse import build_log, kernel_trace, trex_meta  # noqa: F401
        from trtlens.report import html, json_report, markdown, terminal  # noqa: F401
    from tests.fuzz.mutators import MUTATORS

    own = MUTATORS.get(name)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if own is None or rng.random() < 0.4:
            return bytes(atheris.Mutate(data, most))
        return own(data, rng)[:most]

    if own is not None:
        atheris.Setup(arguments, lambda data: run(name, data), custom_mutator=mutate)
    else:
        atheris.Setup(arguments, lambda data: run(name, data))
    atheris.Fuzz()


def start(name: str, seconds: int, out: Path) -> tuple[str, list[Path]]:
    """Run one target as a process of its own; what it reports, and the inputs that broke it."""
    found, broken = out / name / "found", out / name / "broken"
    for folder in (found, broken):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(broken.iterdir())
    command = [
        sys.executable, str(HERE / "run.py"), "--target", name, "--", f"-max_total_time={seconds}", f"-timeout={TIMEOUT_SECONDS}",
        f"-malloc_limit_mb={MEMORY_MB}", f"-rss_limit_mb={PROCESS_MB}", f"-max_len={LARGEST_BYTES}", "-len_control=0", f"-artifact_prefix={broken}/", "-print_final_stats=1",
        str(found), str(HERE / "corpus" / name),
    ]  # fmt: skip
    with (out / name / "log").open("w", encoding="utf-8") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
    text = (out / name / "log").read_text(encoding="utf-8", errors="replace")
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
    covered = re.findall(r"cov: (\d+)", text)
    kept = sum(1 for _ in found.iterdir())
    row = f"{name:20}{int(runs[1]) if runs else 0:>12,}{int(covered[-1]) if covered else 0:>10,}{kept:>8,}"
    return row, sorted(set(broken.iterdir()) - before)


def main() -> int:
    from tests.fuzz.targets import TARGETS

    if "--target" in sys.argv[1:2]:
        fuzz(sys.argv[2], [sys.argv[0], *sys.argv[4:]])
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="a target (default 60)")
    parser.add_argument("--jobs", type=int, default=max((os.cpu_count() or 2) // 2, 1), help="targets at a time")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where new inputs are kept (default out/fuzz)")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    begin = time.monotonic()
    print(f"{'target':20}{'runs':>12}{'covered':>10}{'kept':>8}  broke")
    bad = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for row, broken in pool.map(lambda name: start(name, options.seconds, options.out), names):
            print(row, "", ", ".join(map(str, broken)) or "nothing", flush=True)
            bad += len(broken)
    print(f"{time.monotonic() - begin:.0f} s, {bad} inputs broke something")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
