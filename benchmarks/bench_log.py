"""How fast a build log is read, as a whole process, beside a bare loop over its lines, `grep -c` and a line loop with regular expressions.

In: options. Out: a table on standard output, all figures of this one run. Next: benchmarks/README.md keeps them.
Run: python benchmarks/bench_log.py [--megabytes 300] [--dialect 8.6] [--tactics 8] [--repeat 3] [--folder DIR]

The mark is the median of five bare loops `for line in open(path, "rb"): pass`, each timed inside its own process. Every other figure is of a
whole process, imports included: processor seconds (user and system) from wait4, peak memory the child's own (VmHWM; Linux).
`everyday` is a 30 MB log with its layer info and timing profile, diagnosed by the console command.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from make_log import MOST_TACTICS

HERE = Path(__file__).resolve().parent
_PEAK = """
import atexit, sys
def _peak():
    with open("/proc/self/status") as status:
        sys.stderr.write("PEAK " + next(line.split()[1] for line in status if line.startswith("VmHWM")) + "\\n")
atexit.register(_peak)
"""
_BARE = """
import sys, time
begin = time.process_time()
for line in open(sys.argv[1], "rb"): pass
print(time.process_time() - begin)
"""
_PARSE = """
import sys
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.textio import TextSource
log = parse_build_log(TextSource(sys.argv[1]))
print(len(log.tactics), len(log.combinations))
"""
_DIAGNOSE = """
import sys, time
from trtlens.cli import collect_less_often
from trtlens.diagnose.explain import Options, diagnose
from trtlens.diagnose.load import load_captures
collect_less_often()
begin = time.process_time()
capture = load_captures(sys.argv[1:], hashes=False)[0]
parsed = time.process_time()
diagnose(capture, Options())
print(f"{parsed - begin:.2f} {time.process_time() - parsed:.2f}")
"""
_EXPLAIN = "import sys; from trtlens.cli import main; sys.argv[0] = 'trtlens'; main()"
_RIVAL = f"import sys; sys.path.insert(0, {str(HERE)!r}); import rival_line_loop; print(*rival_line_loop.read(sys.argv[1]))"


@dataclass(frozen=True)
class Run:
    cpu: float
    wall: float
    peak_mib: float
    output: str


def run(arguments: list[str], stdin: Path | None = None) -> Run:
    begin = time.perf_counter()
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=stdin.open("rb") if stdin else subprocess.DEVNULL
    ) as child:
        output, errors = child.communicate() if child.stdout else ("", "")
    wall = time.perf_counter() - begin
    usage = os.times()
    peak = next((int(line.split()[1]) / 1024 for line in errors.splitlines() if line.startswith("PEAK ")), float("nan"))
    global _BEFORE
    cpu = usage.children_user + usage.children_system - _BEFORE
    _BEFORE = usage.children_user + usage.children_system
    return Run(cpu, wall, peak, output.strip())


_BEFORE = 0.0


def python(code: str, *arguments: str, stdin: Path | None = None) -> Run:
    return run([sys.executable, "-c", _PEAK + code, *arguments], stdin)


def best(repeat: int, code: str, *arguments: str, stdin: Path | None = None) -> Run:
    """The run that took least processor time of several: what others on the machine added is noise."""
    return min((python(code, *arguments, stdin=stdin) for _ in range(repeat)), key=lambda r: r.cpu)


def make(folder: Path, megabytes: float, dialect: str, tactics: int = MOST_TACTICS) -> tuple[Path, Path]:
    name = f"{dialect}-{megabytes:g}" + (f"-{tactics}" if tactics != MOST_TACTICS else "")
    log, artefacts = folder / f"build-{name}.log", folder / f"artefacts-{name}"
    if not log.exists():
        command = [sys.executable, str(HERE / "make_log.py"), str(log), "--megabytes", f"{megabytes:g}", "--dialect", dialect, "--tactics", str(tactics)]
        subprocess.run([*command, "--artefacts", str(artefacts)], check=True)
    return log, artefacts


def show(name: str, result: Run, bare: float, megabytes: float, rows: int = 0) -> None:
    rate = f"{rows / result.cpu / 1e6:9.2f}" if rows else " " * 9
    print(f"{name:34}{result.cpu:8.2f}{result.cpu / bare:8.1f}{result.wall:8.2f}{megabytes / result.cpu:9.0f}{rate}{result.peak_mib:9.0f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=300.0)
    parser.add_argument("--dialect", choices=("8.5", "8.6", "10.x"), default="8.6")
    parser.add_argument("--tactics", type=int, default=MOST_TACTICS, help="most tactics of a combination: more of them, fewer layers (default 8)")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--log", type=Path, help="measure this log alone (of real_lines.py, or your own) instead of a synthetic one")
    parser.add_argument("--folder", type=Path, help="where logs are made and kept (default: a temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        log = options.log or make(folder, options.megabytes, options.dialect, options.tactics)[0]
        megabytes = log.stat().st_size / 1e6
        bare = statistics.median(float(run([sys.executable, "-c", _BARE, str(log)]).output) for _ in range(5))
        parsed = best(options.repeat, _PARSE, str(log))
        rows = int(parsed.output.split()[0])
        print(f"{log.name}: {megabytes:.0f} MB, {rows:,} tactic rows; bare loop {bare:.3f} s (median of five); memory allowed {250 + rows * 64 / 2**20:.0f} MiB")
        print(f"{'whole process':34}{'CPU s':>8}{'x bare':>8}{'wall s':>8}{'MB/s':>9}{'Mrows/s':>9}{'peak MiB':>9}")
        show("trtlens, parse only", parsed, bare, megabytes, rows)
        show("trtlens, parse only, from a pipe", best(1, _PARSE, "-", stdin=log), bare, megabytes, rows)
        show("trtlens explain LOG --quiet", best(options.repeat, _EXPLAIN, "explain", str(log), "--quiet"), bare, megabytes, rows)
        show("line loop with re (rival)", best(1, _RIVAL, str(log)), bare, megabytes, rows)
        if shutil.which("grep"):
            show("grep -c ' Time: '", run(["grep", "-c", " Time: ", str(log)]), bare, megabytes)
        parsing, diagnosing = map(float, best(options.repeat, _DIAGNOSE, str(log)).output.split())
        print(f"diagnosis {diagnosing:.2f} s after {parsing:.2f} s of parsing, imports apart: {diagnosing / parsing:.2f} times")
        if options.log is not None:
            return 0
        half, _ = make(folder, options.megabytes / 2, options.dialect, options.tactics)
        shorter = best(options.repeat, _PARSE, str(half))
        print(f"twice the log, {parsed.cpu / shorter.cpu:.2f} times the processor time")
        small, artefacts = make(folder, 30, options.dialect, options.tactics)
        inputs = [str(artefacts / "layer_info.json"), str(artefacts / "profile.json"), str(small)]
        everyday = best(options.repeat, _EXPLAIN, "explain", *inputs, "--quiet")
        print(f"everyday (30 MB log, layer info, profile): {everyday.wall:.2f} s wall, {everyday.cpu:.2f} s CPU, {everyday.peak_mib:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
