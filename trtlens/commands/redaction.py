"""`--redact` for every subcommand: copies without names are read in place of what was named, and nothing tells where they lie.

In: paths and a layer's name as the user gave them, the salt. Out: paths of copies, a layer's name as the copies have it, results that call the copies
by their own names. Next: report/redact_files.py, which makes the copies; common.py, which reports. Without a salt all of it does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .common import redacted

if TYPE_CHECKING:
    from ..diagnose.diff import DiffResult
    from ..diagnose.model import Diagnosis, Input
    from ..diagnose.session import Session
    from ..diagnose.weights import ModelCheck


@dataclass(frozen=True, slots=True)
class Copies:
    """What is read in place of some files. `folder`: a temporary one that holds the copies, None where these are the user's own files or folder."""

    paths: tuple[str, ...]
    folder: str | None = None

    def shown(self, text: str) -> str:
        """`text` without the temporary folder, which differs from run to run and may be named after its owner."""
        return text if self.folder is None else text.replace(f"{self.folder}/", "").replace(self.folder, "capture")

    def inputs(self, items: Sequence[Input]) -> list[Input]:
        """Inputs called as `shown` does."""
        return [replace(item, path=self.shown(item.path)) for item in items]

    def in_session(self, session: Session) -> None:
        """Call the files of a session as `shown` does, in what it has read and in what it found."""
        if self.folder is None:
            return
        for capture in session.captures:
            capture.name, capture.inputs[:] = self.shown(capture.name), self.inputs(capture.inputs)
        session.diagnosis = self._diagnosis(session.diagnosis)

    def _diagnosis(self, diagnosis: Diagnosis) -> Diagnosis:
        captures = []
        for capture in diagnosis.captures:
            builds = tuple(
                replace(build, warnings=tuple(replace(warning, message=self.shown(warning.message)) for warning in build.warnings))
                for build in capture.builds
            )
            captures.append(replace(capture, inputs=tuple(self.inputs(capture.inputs)), builds=builds))
        return replace(diagnosis, captures=tuple(captures))

    def in_check(self, found: ModelCheck) -> ModelCheck:
        """A model's check that calls the model as `shown` does."""
        return replace(found, path=Path(self.shown(str(found.path))))


def copies(files: Sequence[str], salt: str | None, target: str | None = None) -> Copies:
    """Copies of files as `explain` takes them, in `target`, else in a folder that goes with the process. Raises as `redact_files` does."""
    paths = redacted(list(files), salt, target)
    if salt is None or target is not None:
        return Copies(tuple(paths))
    # `redact_files` makes one folder a capture, and one for the loose files together.
    first = Path(paths[0])
    return Copies(tuple(paths), str(first.parent if first.is_dir() else first.parent.parent))


def side_copy(side: str, salt: str | None) -> tuple[str, Copies]:
    """One side of a diff, or a baseline, and the copies that it is made of."""
    from ..report.diff import side_files

    if salt is None:
        return side, Copies((side,))
    made = copies(side_files(side), salt)
    # Several files lie in one folder and are one capture: a folder's name needs no commas.
    several = len(made.paths) > 1 and Path(made.paths[0]).is_file()
    return str(Path(made.paths[0]).parent) if several else ",".join(made.paths), made


def in_diff(result: DiffResult, *sides: Copies) -> DiffResult:
    """A comparison that calls the files of both sides as `Copies.shown` does."""

    def shown(text: str) -> str:
        for side in sides:
            text = side.shown(text)
        return text

    environment = tuple(replace(one, a=shown(one.a) if one.a else one.a, b=shown(one.b) if one.b else one.b) for one in result.environment)
    paths = (tuple(map(shown, paths)) for paths in (result.paths_a, result.paths_b))
    return replace(result, environment=environment, paths_a=next(paths), paths_b=next(paths))


def layer_name(session: Session, name: str | None, salt: str | None) -> str | None:
    """What a layer is called in redacted captures: people know its original name; one from a redacted report stays as it is."""
    if name is None or salt is None:
        return name
    for capture in session.diagnosis.captures:
        if capture.main is not None and any(name in (layer.name, *layer.onnx_nodes) for layer in capture.main.layers):
            return name
    from ..report.redact import Redactor

    return Redactor(salt, [name]).text(name)
