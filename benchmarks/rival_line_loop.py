"""The rival design for reading a build log: a plain Python loop over lines with regular expressions, one line at a time.

In: a log. Out: the number of timed tactics, winners and combinations on standard output. Next: bench_log.py measures it beside trtlens.
It keeps of each tactic what trtlens keeps at least (section, id, kernel, time, line), and knows one dialect (TensorRT 8.6) where trtlens knows all.
"""

from __future__ import annotations

import re
import sys
from array import array
from pathlib import Path

_TACTIC = re.compile(rb"Tactic Name: (.*) Tactic: 0x([0-9a-f]{16}) Time: (\S+)$")
_PLAIN = re.compile(rb"Tactic: 0x([0-9a-f]{16}) Time: (\S+)$")
_CHOSE = re.compile(rb">+ Chose Runner Type: (.*) Tactic: 0x([0-9a-f]{16})$")
_RUNNER = re.compile(rb"-+ Timing Runner: (.*) \((.*)\)$")
_FORMATS = re.compile(rb"\*+ Autotuning (?:format combination|Reformat): ?(.*?) \*+$")
_PREFIX = len(b"[01/02/2030-03:04:05] [V] [TRT] ")


def read(path: str) -> tuple[int, int, int]:
    kernels: dict[bytes, int] = {}
    sections: list[tuple[bytes, bytes]] = []
    combinations: list[bytes] = []
    winners: list[tuple[int, bytes, int]] = []
    section, kernel, tactic, time_ms, line = array("i"), array("i"), array("Q"), array("d"), array("q")
    with Path(path).open("rb") as file:
        for number, text in enumerate(file, 1):
            message = text[_PREFIX:].rstrip()
            if (match := _TACTIC.match(message)) or (match := _PLAIN.match(message)):
                name, digits, value = match.groups() if match.re is _TACTIC else (b"", *match.groups())
                section.append(len(sections) - 1)
                kernel.append(kernels.setdefault(name, len(kernels)))
                tactic.append(int(digits, 16))
                time_ms.append(float(value))
                line.append(number)
            elif match := _RUNNER.match(message):
                sections.append((match[1], match[2]))
            elif match := _FORMATS.match(message):
                combinations.append(match[1])
            elif match := _CHOSE.match(message):
                winners.append((len(combinations) - 1, match[1], int(match[2], 16)))
    return len(tactic), len(winners), len(combinations)


if __name__ == "__main__":
    print(*read(sys.argv[1]))
