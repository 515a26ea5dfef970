"""Writes a large log out of the tuning lines of real logs, repeated under changed names: their true mix of lines, and names that do not repeat.

In: a folder of verbose logs (yours; nothing of them is kept in this repository), a form, a size. Out: one build log of one build.
Next: `bench_log.py --log FILE` measures on it.

    python benchmarks/real_lines.py real.log --logs DIR --form 8.6 --megabytes 300

Forms: 8.5 (the kernel's name stands on a line before its time), 8.6 (in the same line), 10.x (as 8.6, with cached results and Myelin's tables).
In the k-th copy of a log each layer gets a suffix of its own, each format combination other strides, and each kernel one of 40 names.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

_BEGINS = re.compile(rb"\] (?:=+ Computing|\*+ Autotuning format)")
_ENDS = (b"Formats and tactics selection completed", b"Engine generation completed", b"&&&&")
_NAMED_TIME = re.compile(rb"Tactic Name: \S+ Tactic: \S+ Time")
_FORMATS = re.compile(rb"(format combination: [^(]*\()(\d+)")
_RUNNER = re.compile(rb"(Timing Runner: )(.*\S)( \(\w+(?:\[\w+\])?\)\s*)$")
_COSTS = re.compile(rb"(Computing costs for )(\S.*?)(\r?\n)$")
_KERNEL = re.compile(rb"(Tactic Name: )(\S+)")
_CACHED = re.compile(rb"^(.*\[V\] (?:\[TRT\] )?)?(.*?)( \[)([A-Z]\w*\()(\d+)(.* got cached result.*)$", re.DOTALL)
_HEAD = b"[01/02/2030-03:04:05] [V] [TRT] =============== Computing costs for \n"
_TABLE = re.compile(rb"(\d, [\d.]+, [\d.]+, [\d.]+, )(\w+)")


def form_of(text: bytes) -> str | None:
    """Which form the tuning lines of a log have; None if there are too few."""
    if text.count(b"Timing Runner") < 60:
        return None
    if b"got cached result" in text:
        return "10.x"
    if b"Computing costs for" not in text:
        return None  # TensorRT 8.1 and before: behind newer lines in one build it would read as a log that lost its sections
    return "8.6" if _NAMED_TIME.search(text) else "8.5" if b"Set Tactic Name" in text else None


def tuning_lines(text: bytes) -> list[bytes]:
    """The lines between the first format combination and the end of the tuning, of each build."""
    found, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = (inside or _BEGINS.search(line) is not None) and not any(end in line for end in _ENDS)
        if inside:
            found.append(line)
    return found


def renamed(line: bytes, number: int) -> bytes:
    """The line as it stands in copy `number`."""
    layer, kernel = b"_c%d" % number, b"_q%d" % (number % 40)
    if b"format combination" in line:
        return _FORMATS.sub(lambda m: m[1] + b"%d" % (int(m[2]) + 8 * number), line)
    if b"Timing Runner" in line:
        return _RUNNER.sub(lambda m: m[1] + m[2] + layer + m[3], line)
    if b"Computing costs" in line:
        return _COSTS.sub(lambda m: m[1] + m[2] + layer + m[3], line)
    if b"Tactic Name: " in line:
        return _KERNEL.sub(lambda m: m[1] + m[2] + kernel, line)
    if b"got cached result" in line:
        return _CACHED.sub(lambda m: (m[1] or b"") + m[2] + layer + m[3] + m[4] + b"%d" % (int(m[5]) + 8 * number) + m[6], line)
    return _TABLE.sub(lambda m: m[1] + m[2] + kernel, line) if b", 0x" in line else line


def copies(logs: list[list[bytes]]) -> Iterator[bytes]:
    for number in count():
        for lines in logs:
            yield _HEAD  # older forms print it without a name, or not at all: the next log's layers are not the last one's
            yield b"".join(renamed(line, number) for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--logs", type=Path, required=True, help="folder of verbose logs")
    parser.add_argument("--form", choices=("8.5", "8.6", "10.x"), default="8.6")
    parser.add_argument("--megabytes", type=float, default=300.0)
    options = parser.parse_args()
    texts = (path.read_bytes() for path in sorted(options.logs.rglob("*")) if path.is_file())
    logs = [tuning_lines(text) for text in texts if form_of(text) == options.form]
    if not any(logs):
        parser.error(f"{options.logs}: no log of this form with 60 timed runners")
    written = 0
    with options.out.open("wb") as out:
        for part in copies(logs):
            written += out.write(part)
            if written >= options.megabytes * 1e6:
                break
    print(f"{options.out}: {written / 1e6:.0f} MB from {len(logs)} logs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
