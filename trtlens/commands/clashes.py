"""No output may take the place of an input or of another output: a report written over the only build log is a loss.

In: a subcommand's options. Out: nothing, or a UsageError. Next: common.py, which asks before a command begins.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError

_OUTPUTS = ("json", "html", "markdown", "junit", "sarif")
_INPUTS = ("files", "model", "first", "second", "baseline", "names")


def refuse_clashes(options: Mapping[str, Any]) -> None:
    """Raise UsageError where an output path names an input, a file that an input folder is read for, or a second output. Pipes and devices may be shared."""
    inputs = {_real(path): path for path in _named(options, _INPUTS)}
    taken: dict[str, str] = {}
    for option in _OUTPUTS:
        path = options.get(option)
        if not isinstance(path, str) or path == "-" or (os.path.lexists(path) and not Path(path).is_file()):
            continue
        real = _real(path)
        if real in inputs:
            raise UsageError(f"--{option} {path}: is an input of this run and would be overwritten; name another file")
        if _in_capture(real, inputs):
            raise UsageError(f"--{option} {path}: is a file of the capture that is read, and would be overwritten; name another file")
        if real in taken:
            raise UsageError(f"--{option} {path}: --{taken[real]} is written there; name another file")
        taken[real] = option


def _named(options: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        value = options.get(key)
        yield from (one for one in ([value] if isinstance(value, str) else value or ()) if isinstance(one, str) and one != "-")


def _in_capture(real: str, inputs: Mapping[str, str]) -> bool:
    from ..capture.folder import ROLES
    from ..capture.manifest import MANIFEST

    folder, name = os.path.split(real)
    return folder in inputs and name.removesuffix(".gz").removesuffix(".zst") in (MANIFEST, *ROLES.values())


def _real(path: str) -> str:
    return os.path.realpath(path.removeprefix("file://"))
