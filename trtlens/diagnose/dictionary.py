"""Names for tactic ids, learned from further logs and layer infos of the same TensorRT version and GPU architecture (`--names`).

In: captures, paths. Out: `Capture.learned`, tactic id → kernel name. Next: frames.py puts the names into the tables, marked as foreign; verdicts
may use them as suggestions, never as proof: nothing in TensorRT's documentation promises that an id keeps its meaning from build to build.

Only ids that are hashes (2^40 and above) are learned: small ones number the tactics within a runner and mean something else in each layer. Where two
inputs name one id differently it is dropped, and a capture takes names only of its own TensorRT version and compute capability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import InputError, UsageError
from ..parse.build_log.records import NO_TACTIC, BuildLog
from ..parse.records import EngineInfo
from .environment import surroundings
from .load import Capture, Progress, load_captures

LEAST_HASH: Final = 1 << 40
_FILES = 10_000  # of one folder; beyond it the folder is not one of logs


@dataclass(slots=True)
class TacticNames:
    """What one TensorRT version and architecture call each id. `names`: id → kernel; ids that were named twice differently are in `disputed`."""

    names: dict[int, str] = field(default_factory=dict)
    disputed: set[int] = field(default_factory=set)

    def add(self, tactic: int, kernel: str) -> None:
        """Learn one name; ids that are no hashes are ignored."""
        if tactic < LEAST_HASH or tactic == NO_TACTIC or tactic in self.disputed or not kernel:
            return
        if self.names.setdefault(tactic, kernel) != kernel:
            del self.names[tactic]
            self.disputed.add(tactic)

    def add_log(self, log: BuildLog, builds: frozenset[int]) -> None:
        """Learn from the lines of some builds that hold an id and a name."""
        rows = log.tactics
        if not len(rows):
            return
        build = log.combinations["build"][log.sections["combination"][rows.section]]
        kept = np.flatnonzero((rows.kernel >= 0) & (rows.tactic >= np.uint64(LEAST_HASH)) & np.isin(build, sorted(builds)))
        pairs = np.unique(np.stack([rows.tactic[kept], rows.kernel[kept].astype(np.uint64)]), axis=1)
        for tactic, kernel in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
            self.add(tactic, log.kernels.texts[kernel])

    def add_engine(self, engine: EngineInfo) -> None:
        """Learn from a layer info's tactic values and names."""
        for layer in engine.layers:
            if layer.tactic_value is not None and layer.tactic_name:
                self.add(layer.tactic_value, layer.tactic_name)


_Key = tuple[str, str]
"""(TensorRT version, compute capability)."""


def learn_names(captures: Sequence[Capture], names: Sequence[str], progress: Progress | None = None) -> None:
    """Fill `learned` of each capture from `names` (files or folders).

    Raises UsageError, in one line, where none of it is of the same TensorRT version and compute capability as any capture: names of another
    version would be guesses. InputError for a named file that cannot be read; what else lies in a folder is passed over.
    """
    known: dict[_Key, TacticNames] = {}
    for path in names:
        for further in _further(path, progress):
            _learn(further, known)
    wanted = {key for capture in captures for key in _keys(capture)}
    for capture in captures:
        own = _keys(capture)
        # A capture whose builds ran on two versions cannot say which one an id belongs to.
        if len(own) == 1 and (found := known.get(next(iter(own)))) is not None:
            capture.learned = dict(found.names)
    if not wanted & set(known):
        have, need = _said(set(known)), _said(wanted)
        raise UsageError(f"--names: tactic ids carry over only between builds of one TensorRT version and compute capability; the names are of {have}, the capture is of {need}")


def _further(path: str, progress: Progress | None) -> list[Capture]:
    """The captures at a path: a file, a capture folder, or else every log and capture folder in a folder, each by itself."""
    place = Path(path)
    try:
        return load_captures([path], progress, hashes=False, models=False)
    except (InputError, UsageError) as error:
        if not place.is_dir():
            raise
        whole = error
    try:
        entries = sorted(entry for entry in place.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", todo="check its permissions") from None
    if len(entries) > _FILES:
        raise UsageError(f"--names {path}: holds more than {_FILES:,} files; name a folder of build logs")
    found: list[Capture] = []
    for entry in entries:
        try:
            found += load_captures([str(entry)], progress, hashes=False, models=False)
        except (InputError, UsageError):
            continue  # whatever else lies in the folder
    if not found:
        raise whole
    return found


def _learn(capture: Capture, known: dict[_Key, TacticNames]) -> None:
    builds: dict[_Key, set[int]] = {}
    for build in capture.log.builds if capture.log is not None else ():
        around = surroundings(build, capture.manifest, capture.metadata).environment
        if around.tensorrt and around.compute_capability:
            builds.setdefault((around.tensorrt, around.compute_capability), set()).add(build.index)
    for key, numbers in builds.items():
        assert capture.log is not None
        known.setdefault(key, TacticNames()).add_log(capture.log, frozenset(numbers))
    keys = _keys(capture)
    if capture.engine is not None and len(keys) == 1:
        known.setdefault(next(iter(keys)), TacticNames()).add_engine(capture.engine)


def _keys(capture: Capture) -> set[_Key]:
    """The TensorRT versions and compute capabilities of a capture's builds, as far as both are known."""
    builds = [b for b in capture.log.builds if b.tuned or b.complete or b.version] if capture.log is not None else []
    found = set()
    for build in builds if builds else (None,):
        around = surroundings(build, capture.manifest, capture.metadata).environment
        if around.tensorrt and around.compute_capability:
            found.add((around.tensorrt, around.compute_capability))
    return found


def _said(keys: set[_Key]) -> str:
    if not keys:
        return "an unknown TensorRT or GPU"
    return ", ".join(f"TensorRT {version} on compute capability {capability}" for version, capability in sorted(keys)[:3])
