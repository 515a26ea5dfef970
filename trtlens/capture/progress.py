"""Where a build stands: from TensorRT's progress monitor where there is one, from the log elsewhere.

In: lines of JSON that the child process writes, and the growing build log. Out: ProgressEvent. Next: child.py hands them to the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..text import visible


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One report: `phase` as TensorRT names it, `step` of `steps` if known, seconds since the child began, the last warning in the log."""

    phase: str
    step: int | None
    steps: int | None
    elapsed_s: float
    last_warning: str | None
    source: Literal["monitor", "log"]


# Line forms that begin a phase, in all dialects from 8.2 to 11; the count says how often the form stood in the log so far.
_PHASES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Parsing the model", re.compile(r"\] (?:Parsing node:|Start parsing network model)")),
    ("Optimizing the graph", re.compile(r"\] (?:Original: \d+ layers|Applying generic optimizations)")),
    ("Timing tactics", re.compile(r"=== Computing costs for|\*\*\* Autotuning (?:format|Reformat)|\] Autotuning op ")),
    ("Writing the engine", re.compile(r"\] (?:Engine generation completed|Layers:|Engine Layer Information|Engine built in)")),
    ("Profiling the engine", re.compile(r"=== (?:Inference Options|Performance summary)|\] (?:Starting inference|Warmup completed)")),
)
# Python's logger puts the severity after [TRT], trtexec before it.
_WARNING = re.compile(r"\[TRT\] \[([WE])\] (.*)|\[([WE])\] \[TRT\] (.*)|\[([WE])\] (?!\[TRT\])(.*)")
_READ_AT_ONCE = 1 << 20


class LogWatcher:
    """Follows a growing log. Reads a bounded piece at a time, so that a flood costs little; skips ahead if it falls behind."""

    def __init__(self, path: Path) -> None:
        self._path, self._position, self._rest = path, 0, b""
        self.phase: str | None = None
        self.count = 0
        self.last_warning: str | None = None

    def read(self) -> bool:
        """Take in what was appended since the last call; True if the phase or the warning changed."""
        try:
            with self._path.open("rb") as log:
                size = log.seek(0, 2)
                if size - self._position > 8 * _READ_AT_ONCE:
                    self._position, self._rest = size - _READ_AT_ONCE, b""
                log.seek(self._position)
                piece = log.read(_READ_AT_ONCE)
        except OSError:
            return False
        self._position += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[-4096:]
        before = (self.phase, self.count, self.last_warning)
        for line in lines:
            self._take(line[:1000].decode("utf-8", "replace"))
        return before != (self.phase, self.count, self.last_warning)

    def _take(self, line: str) -> None:
        for phase, form in _PHASES:
            if form.search(line):
                self.count = self.count + 1 if phase == self.phase else 1
                self.phase = phase
                return
        if "[W]" in line or "[E]" in line:
            found = _WARNING.search(line)
            if found:
                self.last_warning = visible(next(text for text in found.groups()[1::2] if text is not None).strip(), 300)
