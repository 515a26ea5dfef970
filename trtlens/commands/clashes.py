"""No output may take the place of an input or of another output: a report written over the only build log is a loss.

In: a subcommand's options, for `build` with those of its settings file. Out: nothing, or a UsageError. Next: common.py, which asks before a
command begins, and build.py, which asks again when it knows its settings.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError, UsageError

_OUTPUTS = ("json", "html", "markdown", "junit", "sarif", "emit_script")
_INPUTS = ("files", "model", "first", "second", "baseline", "names", "engine", "config", "timing_cache", "plugins", "trtexec")
_MODELS = ("files", "model", "first", "second", "baseline")
"""Options that may name an ONNX model."""
_JOINED = ("first", "second", "baseline")
"""Options that take several files joined by commas."""

_OVERWRITTEN = "would be overwritten; name another file"
_Key = str | tuple[int, int]


def refuse_clashes(options: Mapping[str, Any]) -> None:
    """Raise UsageError where an output is an input, a file that an input consists of or is read from, or a second output; and where `--force` would
    remove an input together with the capture that it lies in. Links count as what they lead to. Pipes and devices may be shared.
    """
    inputs = _Inputs(options)
    taken: dict[_Key, str] = {}
    for option, path in _outputs(options):
        label = f"--{option.replace('_', '-')}"
        keys = _keys(path)
        inputs.refuse(f"{label} {path}", keys, path)
        for key in keys:
            if key in taken:
                raise UsageError(f"{label} {path}: --{taken[key]} is written there; name another file")
            taken[key] = label.removeprefix("--")
    cache = options.get("timing_cache")
    if isinstance(cache, str):  # it is written back, which is no clash with itself
        inputs.refuse(f"--timing-cache {cache}", _keys(cache), cache, but="timing_cache")
    if options.get("force"):
        inputs.refuse_to_replace(options.get("capture"))


def _outputs(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for option in _OUTPUTS:
        path = options.get(option)
        if isinstance(path, str) and path != "-" and not (os.path.lexists(path) and not Path(path).is_file()):
            yield option, path
    folder = options.get("tables")
    if isinstance(folder, str):
        from ..tables import TABLES

        for name in TABLES:
            yield "tables", str(Path(folder) / f"{name}.{options.get('format') or 'parquet'}")


class _Inputs:
    """What a run reads."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._named = [(option, path) for option in _INPUTS for path in _paths(option, options.get(option))]
        self._folders = {key: path for _, path in self._named if Path(path).is_dir() for key in _keys(path)}
        if isinstance(options.get("capture"), str):  # where a build writes: it is read as soon as it is there
            self._folders |= dict.fromkeys(_keys(options["capture"]), options["capture"])

    def refuse(self, what: str, keys: frozenset[_Key], path: str, but: str | None = None) -> None:
        """Raise UsageError if the file with these keys, at this path, is read. `but`: an option that may name it."""
        for option, given in self._named:
            if option != but and keys & _keys(given):
                raise UsageError(f"{what}: is an input of this run and {_OVERWRITTEN}")
        file = Path(os.path.realpath(_plain(path)))
        for folder in (file.parent, file.parent.parent):  # a capture, or a further build inside one
            if _keys(str(folder)) & self._folders.keys() and _is_artefact_name(path):
                raise UsageError(f"{what}: is a file of the capture that is read, and {_OVERWRITTEN}")
        if not file.exists():
            return  # nothing that is not there yet can be a part of an input
        for place in dict.fromkeys(self._folders.values()):
            if keys & _keys_inside(place) and (_is_artefact_name(path) or _is_recognised(path)):
                raise UsageError(f"{what}: is a file of the folder {place}, which is read, and {_OVERWRITTEN}")
        for model in self._built_models():
            if keys & _keys(str(model)):
                raise UsageError(f"{what}: is the model of a capture that is read, and {_OVERWRITTEN}")
        for model in (*(Path(_plain(given)) for option, given in self._named if option in _MODELS), *self._built_models()):
            if _holds_data_of(keys, model):
                raise UsageError(f"{what}: holds weights of {model}, which is read, and {_OVERWRITTEN}")

    def refuse_to_replace(self, capture: Any) -> None:
        """Raise UsageError if an input lies in the capture folder that is about to be replaced."""
        if not isinstance(capture, str) or not Path(capture).is_dir():
            return
        root = Path(os.path.realpath(capture))
        for _, path in self._named:
            # A link inside the folder goes with it, wherever it leads.
            if any(one.is_relative_to(root) for one in (Path(os.path.realpath(_plain(path))), Path(os.path.realpath(Path(_plain(path)).parent)))):
                raise UsageError(f"--force would remove {path}, an input of this run, together with {capture}: give another --output")

    def _built_models(self) -> Iterator[Path]:
        """The models that the captures were built from, which are read with them."""
        from ..capture.manifest import MANIFEST
        from ..capture.model_files import recorded_model

        for folder in dict.fromkeys(self._folders.values()):
            try:
                manifest = json.loads((Path(folder) / MANIFEST).read_bytes())
            except (OSError, ValueError, RecursionError):
                continue
            model = recorded_model(manifest, Path(folder))
            if model is not None:
                yield model


def _paths(option: str, value: Any) -> Iterator[str]:
    for one in [value] if isinstance(value, str) else value or ():
        if not isinstance(one, str) or one == "-":
            continue
        if option in _JOINED:
            from ..report.diff import side_files

            yield from side_files(one)
        else:
            yield shutil.which(one) or one if option == "trtexec" else one


def _plain(path: str) -> str:
    return path.removeprefix("file://")


def _keys(path: str) -> frozenset[_Key]:
    """What tells a file from all others: where it is, and, if it is there, which it is, for a hard link has another name."""
    real = os.path.realpath(_plain(path))
    try:
        status = Path(real).stat()
    except (OSError, ValueError):
        return frozenset({real})
    return frozenset({real, (status.st_dev, status.st_ino)})


def _keys_inside(folder: str) -> frozenset[_Key]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(key for entry in entries if entry.is_file() for key in _keys(entry.path))
    except OSError:
        return frozenset()


def _is_artefact_name(path: str) -> bool:
    from ..capture.folder import ROLES
    from ..capture.manifest import MANIFEST

    return Path(path).name.removesuffix(".gz").removesuffix(".zst") in (MANIFEST, *ROLES.values())


def _is_recognised(path: str) -> bool:
    """Whether trtlens reads such a file; its own reports, which may be written anew, are none."""
    from ..parse.detect import detect
    from ..parse.textio import TextSource

    try:
        detect(TextSource(_plain(path)))
    except InputError:
        return False
    return True


def _holds_data_of(keys: frozenset[_Key], model: Path) -> bool:
    from ..capture.model_files import external_data_files

    try:
        with model.open("rb") as file:
            if file.read(1) != b"\x08":  # how every ONNX file that trtlens reads begins: no log is to wait for `import onnx`
                return False
    except OSError:
        return False
    return any(keys & _keys(str(file)) for file in external_data_files(model))
