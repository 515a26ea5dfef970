"""What a capture folder says about itself: `manifest.json`.

In: the records of a build. Out: Manifest, to and from JSON, held to schema/manifest-1.json. Next: folder.py keeps it beside the artefacts.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from .environment import Gpu, Host

MANIFEST = "manifest.json"
SCHEMA = Path(__file__).parent / "schema" / "manifest-1.json"
Status = Literal["complete", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a build is not complete. `kind`: options, parser, tensorrt, exit, signal, out-of-memory, timeout, disk, interrupt, start."""

    kind: str
    message: str
    signal: int | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class BackendRecord:
    """Who built. `reason`: why this backend; `plan`: the calls made, or the command line in `command`."""

    name: str
    reason: str
    version: str | None
    plan: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that went in or came out. `path`: as given for inputs, relative to the folder for files in it."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TimingCacheRecord:
    """The timing cache. `warm`: it held results from outside, so the log lacks their timings; None where trtexec does not say.

    `foreign`: the file was of no use to this TensorRT, which began cold.
    """

    path: str | None
    warm: bool | None
    foreign: bool | None = None
    bytes_before: int | None = None
    sha256_before: str | None = None
    bytes_after: int | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """UTC, ISO 8601. `build_s`: the builder call alone, where the backend says it; `child_s`: the whole child process."""

    started: str
    finished: str
    build_s: float | None
    child_s: float


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """A further build of the same options, in a subfolder that is a capture folder itself. `kind`: counterfactual, repeat."""

    kind: str
    folder: str
    status: Status


@dataclass(frozen=True, slots=True)
class PruneRecord:
    """The model was pruned before the build: its times are real, its results are not. `model`: the pruned copy in the folder."""

    method: str
    model: str
    sha256: str
    weights: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One capture. `options`: every option, as BuildOptions.as_json gives them; `files`: role to file name, of what is there."""

    trtlens: str
    status: Status
    failure: Failure | None
    backend: BackendRecord
    gpus: tuple[Gpu, ...]
    host: Host
    options: dict[str, Any]
    model: FileRecord | None
    engine: FileRecord | None
    timing_cache: TimingCacheRecord | None
    times: Times
    files: dict[str, str]
    notes: tuple[str, ...] = ()
    experiments: tuple[ExperimentRecord, ...] = ()
    prune: PruneRecord | None = None
    manifest_version: int = 1

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=True) + "\n"


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path` (the file, or its folder). Raises InputError if it is absent, damaged or of another version."""
    import jsonschema

    file = path / MANIFEST if path.is_dir() else path
    try:
        values = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(str(file), f"cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # RecursionError: nested thousands of levels deep
        raise InputError(str(file), f"is not JSON: {error}") from error
    if isinstance(values, dict) and isinstance(values.get("manifest_version"), int) and values["manifest_version"] > 1:
        raise InputError(str(file), f"is a manifest of version {values['manifest_version']}", todo="read it with a newer trtlens")
    problem = next(iter(jsonschema.Draft202012Validator(json.loads(SCHEMA.read_bytes())).iter_errors(values)), None)
    if problem is not None:
        where = "/" + "/".join(str(part) for part in problem.absolute_path)
        raise InputError(str(file), f"is not a trtlens manifest: {problem.message[:200]}", where=where)
    return _from_values(values)


def _from_values(values: dict[str, Any]) -> Manifest:
    def record(kind: Any, given: dict[str, Any] | None) -> Any:
        # A newer trtlens of the same manifest version may add fields; they are not ours to refuse.
        if given is None:
            return None
        names = {one.name for one in dataclasses.fields(kind)}
        return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in names})

    return Manifest(
        trtlens=values["trtlens"],
        status=values["status"],
        failure=record(Failure, values["failure"]),
        backend=record(BackendRecord, values["backend"]),
        gpus=tuple(record(Gpu, one) for one in values["gpus"]),
        host=record(Host, values["host"]),
        options=values["options"],
        model=record(FileRecord, values["model"]),
        engine=record(FileRecord, values["engine"]),
        timing_cache=record(TimingCacheRecord, values["timing_cache"]),
        times=record(Times, values["times"]),
        files=values["files"],
        notes=tuple(values["notes"]),
        experiments=tuple(record(ExperimentRecord, one) for one in values["experiments"]),
        prune=record(PruneRecord, values["prune"]),
    )
