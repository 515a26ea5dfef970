"""One command from a model to a capture folder.

In: BuildOptions. Out: a CaptureResult, or CaptureFailed after the folder with what there is has been delivered. Next: parse/ reads the
folder. Steps: choose a backend, stage a folder, run the child, gather what it left, write the manifest, move the folder into place.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from ..errors import BuildFailed, InputError, TrtlensError, UsageError
from ..signals import HeldSignals, TemporaryFolder
from ..version import __version__
from .backends import MODULES, Choice, choose, look_around
from .backends.driver import RefusedNode, Result, read_result
from .backends.loaded_engine import SAMPLES
from .backends.plan import Plan
from .backends.python_api import rtx_refusals
from .backends.trtexec import Outputs, help_version, read_help
from .backends.trtexec import plan as trtexec_plan
from .child import ChildEnd, python_command, run_child, tied_to_parent
from .disk import told
from .environment import Gpu, Host, read_gpus, read_host
from .experiments import experiments
from .failures import failure_of, last_words
from .folder import BUILD_LOG, ENGINE, LAYER_INFO, PROFILE, PROFILE_SAMPLES, PRUNED_MODEL, ROLES, Staging, write_manifest
from .layers_dump import layers_from_log
from .manifest import (
    MANIFEST,
    BackendRecord,
    ExperimentRecord,
    Failure,
    FileRecord,
    Manifest,
    PruneRecord,
    Status,
    Times,
    TimingCacheRecord,
    read_manifest,
)
from .options import BuildOptions
from .progress import ProgressEvent
from .shapes import Shape, shapes_lacking
from .worker import RESULT

_BY_THE_MODEL = ("parser", "tensorrt", "exit", "signal")
"""Failures that a file which is no model can be the cause of."""
OnProgress = Callable[[ProgressEvent], None]


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """A delivered capture: its folder as the user named it, and its manifest."""

    folder: Path
    manifest: Manifest


class CaptureFailed(BuildFailed):
    """The build did not finish. `folder`: the capture with what there is; `refused_nodes`: what the parser refused, if it was that."""

    def __init__(self, message: str, folder: Path, manifest: Manifest, refused_nodes: tuple[RefusedNode, ...] = ()) -> None:
        self.folder, self.manifest, self.refused_nodes = folder, manifest, refused_nodes
        super().__init__(message)


class CaptureInterrupted(CaptureFailed):
    """Ctrl-C (exit code 130) or SIGTERM (143, as a shell counts it) ended the build; the capture was delivered all the same."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class _Once:
    """One build, as it is about to run: where, with what, on what machine."""

    options: BuildOptions
    choice: Choice
    folder: Path
    subject: Path
    gpus: tuple[Gpu, ...]
    host: Host
    prune: PruneRecord | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one build came to. `refusals`: it never began, for these reasons."""

    manifest: Manifest
    refused_nodes: tuple[RefusedNode, ...] = ()
    refusals: tuple[str, ...] = ()


def run_build(options: BuildOptions, on_progress: OnProgress | None = None) -> CaptureResult:
    """Build, capture, deliver the folder; `on_progress` is called from this thread.

    Raises UsageError or InputError before anything is built (no folder is left then), CaptureFailed (a BuildFailed, exit code 3) when
    the build fails and CaptureInterrupted on Ctrl-C (130) or SIGTERM (143): both after the capture folder with what there is was delivered.
    """
    choice = choose_backend(options)
    staging: Staging | None = None
    try:
        with HeldSignals():
            staging = Staging(options.capture_path, force=options.force)
        outcome = _build_all(options, choice, staging, on_progress)
        folder = staging.deliver()
    except (TrtlensError, OSError):
        raise  # it says what became of the capture
    except BaseException as error:  # Ctrl-C, or SIGTERM, while no child ran: between builds, or while a model was pruned
        kept = _kept(options, choice, staging) if staging is not None else None
        if kept is not None and isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"interrupted; what was captured so far is in {kept}") from None
        raise
    if outcome.manifest.failure is not None:
        raise _failed(outcome, folder, options)
    return CaptureResult(folder, outcome.manifest)


def _build_all(options: BuildOptions, choice: Choice, staging: Staging, on_progress: OnProgress | None) -> _Outcome:
    """Run every build that the options ask for into the staged folder."""
    try:
        subject, prune = _pruned(options, staging.path)
        once = _Once(options, choice, staging.path, subject, read_gpus(), read_host(), prune)
        outcome = _build_once(once, on_progress)
        if outcome.refusals:
            raise UsageError("; ".join(outcome.refusals))
        if outcome.manifest.failure is not None and outcome.manifest.failure.kind in _BY_THE_MODEL and options.model is not None:
            refuse_no_model(options.model)  # now, because every good build would wait for it
        return _with_experiments(once, outcome, on_progress)
    except (UsageError, InputError):
        staging.discard()
        raise
    except OSError as error:
        said = told(error)
        folder = _rescued(options, choice, staging, Failure("disk", said))
        raise BuildFailed(f"{options.subject}: {said}; what was captured so far is in {folder}") from error


def _kept(options: BuildOptions, choice: Choice, staging: Staging) -> Path | None:
    """Where an interrupted capture is; None if there is nothing to keep."""
    if staging.delivered:
        return staging.shown
    if (staging.path / MANIFEST).exists():
        return staging.deliver()  # one build of it is complete, and says so
    if (staging.path / BUILD_LOG).exists():
        return _rescued(options, choice, staging, Failure("interrupt", "interrupted while the capture was put together"))
    staging.discard()
    return None


def _rescued(options: BuildOptions, choice: Choice, staging: Staging, failure: Failure) -> Path:
    """Deliver what there is of a capture that could not be completed, with a manifest that says why, if there is room for one."""
    staging.tidy()
    status: Status = "interrupted" if failure.kind == "interrupt" else "failed"
    with contextlib.suppress(OSError, InputError):
        if (staging.path / MANIFEST).exists():
            manifest = dataclasses.replace(read_manifest(staging.path), status=status, failure=failure)
        else:
            now = datetime.now(timezone.utc)
            manifest = Manifest(
                trtlens=__version__, status=status, failure=failure, backend=BackendRecord(choice.backend, choice.reason, None), gpus=(),
                host=read_host(), options=options.as_json(), model=None, engine=None, timing_cache=None,
                times=Times(_iso(staging.started), _iso(now), None, (now - staging.started).total_seconds()),
                files={role: name for role, name in ROLES.items() if (staging.path / name).exists()},
            )  # fmt: skip
        write_manifest(manifest, staging.path)
    return staging.deliver()


def plan_build(options: BuildOptions) -> tuple[Choice, Plan]:
    """What `run_build` would do, for --dry-run: the choice of the backend and its plan, refusals in it. Nothing is built or written."""
    choice = choose_backend(options)
    inputs = refuse_no_model(options.model) if options.model is not None else {}
    if choice.backend == "trtexec":  # it takes 1 for a size that nobody gives
        assert choice.trtexec is not None
        outputs = _outputs(options.capture_path, options)
        return choice, trtexec_plan(options, choice.trtexec, read_help(choice.trtexec), outputs)
    with TemporaryFolder() as folder:
        log = folder / BUILD_LOG
        end = run_child(_python_child("plan", options, choice.backend, folder, options.subject), log, timeout_s=options.timeout_s)
        if end.stopped is not None and "--timeout" not in end.stopped:
            raise KeyboardInterrupt(end.stopped)
        result = read_result(folder / RESULT)
        if result is None or result.status != "planned":
            said = result.message if result is not None and result.message else end.stopped or last_words(log)
            raise UsageError(f"--backend {choice.backend}: the Python module {MODULES[choice.backend]} cannot be used: {said}")
        lacking = shapes_lacking(inputs, options.profiles)
        refusals = (*result.refusals, *((lacking,) if lacking else ()))
        return choice, Plan(choice.backend, result.version, notes=tuple(result.notes), refusals=refusals, calls=result.plan)


def choose_backend(options: BuildOptions) -> Choice:
    """The backend that `run_build` will take, and why, without starting it.

    Raises InputError for a model that cannot be read, UsageError if nothing here can build, or for options that TensorRT-RTX cannot serve.
    """
    _readable(options.subject)
    choice = choose(options, look_around(options))
    if choice.backend == "tensorrt-rtx":
        refusals = rtx_refusals(options)
        if refusals:
            raise UsageError("; ".join(refusals))
    return choice


def refuse_no_model(path: Path) -> dict[str, Shape]:
    """The model's inputs, with -1 for a dynamic size.

    Raises InputError for a file that is no ONNX model, or a part of one: whatever a builder makes of it, it is unreadable input.
    """
    from ..parse.onnx_graph import read_proto  # numpy and onnx: heavy
    from .model_files import input_shapes

    return input_shapes(read_proto(path)[0])


def _readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(str(path), "is empty")
    except FileNotFoundError:
        raise InputError(str(path), "no such file", todo="check the path") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error


def _pruned(options: BuildOptions, folder: Path) -> tuple[Path, PruneRecord | None]:
    """The file to build from: the model as it is, or the copy in the folder that `--prune` made."""
    if options.prune is None:
        return options.subject, None
    from .prune import prune_model  # numpy and onnx: heavy

    assert options.model is not None  # --prune with --engine is refused by BuildOptions
    pruned = prune_model(options.model, folder / PRUNED_MODEL)
    weights = tuple(one.weight for one in pruned.weights)
    return pruned.path, PruneRecord(options.prune, PRUNED_MODEL, _sha256(pruned.path), weights, pruned.message)


def _build_once(once: _Once, on_progress: OnProgress | None) -> _Outcome:
    """Run one build into `once.folder` and write its manifest there."""
    started = datetime.now(timezone.utc)
    digest = _Digest(once.options.subject)
    log = once.folder / BUILD_LOG
    work = Path(tempfile.mkdtemp(prefix=".work.", dir=once.folder))
    command, refusals, notes = _command(once, work)
    if refusals:
        return _Outcome(_manifest(once, started, None, Result(), None, digest.record(), command, notes), refusals=refusals)
    end: ChildEnd | None = None
    try:
        end = run_child(
            tied_to_parent(command) if once.choice.backend == "trtexec" else command,
            log,
            timeout_s=once.options.timeout_s,
            on_progress=on_progress,
        )
        result = read_result(work / RESULT) or Result()
        failure = failure_of(end, result, log, loaded=once.options.engine is not None)
    except OSError as error:
        result, failure = Result(), Failure("start", f"the builder could not be started: {error}")
    if result.status == "refused":
        return _Outcome(_manifest(once, started, end, result, failure, digest.record(), command, notes), refusals=result.refusals)
    try:
        notes += _gather(once, work)
    except OSError as error:  # the log and what came before are in place
        failure = failure or Failure("disk", told(error))
        shutil.rmtree(work, ignore_errors=True)
    manifest = _manifest(once, started, end, result, failure, digest.record(), command, notes)
    write_manifest(manifest, once.folder)
    return _Outcome(manifest, refused_nodes=result.refused_nodes)


def _command(once: _Once, work: Path) -> tuple[list[str], tuple[str, ...], list[str]]:
    """The child's command line, why it must not run, and what the user should know."""
    if once.choice.backend != "trtexec":
        return _python_child("build", once.options, once.choice.backend, work, once.subject), (), []
    assert once.choice.trtexec is not None
    help_text = read_help(once.choice.trtexec)
    options = dataclasses.replace(once.options, model=once.subject) if once.options.model is not None else once.options
    made = trtexec_plan(options, once.choice.trtexec, help_text, _outputs(work, options))
    return list(made.command), made.refusals, list(made.notes)


def _outputs(folder: Path, options: BuildOptions) -> Outputs:
    return Outputs(str(folder / LAYER_INFO), str(folder / PROFILE), str(folder / ENGINE) if options.keep_engine else None)


def _python_child(action: Literal["build", "plan"], options: BuildOptions, backend: str, work: Path, subject: Path) -> list[str]:
    given = options.as_json() | {
        "model" if options.model is not None else "engine": str(subject),
        "prune": None,
        "counterfactual": False,
        "repeat": 1,
    }
    request = {
        "action": action,
        "backend": backend,
        "module": MODULES[backend],
        "folder": str(work),
        "parent": os.getpid(),
        "options": given,
    }
    file = work / "request.json"
    file.write_text(json.dumps(request), encoding="utf-8")
    return python_command("trtlens.capture.worker", str(file))


def _gather(once: _Once, work: Path) -> list[str]:
    """Move what the child left into the folder; damaged files under another name, so that `explain` takes the rest. Returns notes."""
    notes: list[str] = []
    for name in (LAYER_INFO, PROFILE, ENGINE):
        file = work / name
        if not file.exists():
            continue
        if name != ENGINE and not _looks_whole(file):
            file.rename(once.folder / f"{name}.damaged")
            notes.append(f"{name} was not written to its end; it is kept as {name}.damaged")
        elif name != ENGINE or once.options.keep_engine:
            file.rename(once.folder / name)
    if (work / SAMPLES).exists():
        _samples_to_parquet(work / SAMPLES, work / PROFILE_SAMPLES)
        (work / PROFILE_SAMPLES).rename(once.folder / PROFILE_SAMPLES)
    log = once.folder / BUILD_LOG
    if not (once.folder / LAYER_INFO).exists() and log.exists():
        with log.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            layers = layers_from_log(lines)
        if layers is not None:
            whole = work / LAYER_INFO
            whole.write_text(json.dumps(layers, indent=1), encoding="utf-8")
            whole.rename(once.folder / LAYER_INFO)
            notes.append("layer_info.json was made from the layer dump in the log: no inspector ran")
    shutil.rmtree(work, ignore_errors=True)
    return notes


def _looks_whole(file: Path) -> bool:
    """Whether a JSON file reaches its closing bracket. Not whether it is JSON: trtexec's profile often is not (`-nan`, unescaped names)."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - 64))
        return content.read().rstrip()[-1:] in (b"]", b"}")


def _samples_to_parquet(source: Path, target: Path) -> None:
    """Columns: position (of the layer in the engine), layer, iteration, time_ms."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with source.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["time_ms"]]
    columns = {
        "position": pa.array([int(row["position"]) for row in rows], pa.int32()),
        "layer": pa.array([row["layer"] for row in rows], pa.string()),
        "iteration": pa.array([int(row["iteration"]) for row in rows], pa.int32()),
        "time_ms": pa.array([float(row["time_ms"]) for row in rows], pa.float64()),
    }
    pq.write_table(pa.table(columns), target)


def _manifest(
    once: _Once,
    started: datetime,
    end: ChildEnd | None,
    result: Result,
    failure: Failure | None,
    subject: FileRecord,
    command: list[str],
    notes: list[str],
) -> Manifest:
    trtexec = once.choice.backend == "trtexec"
    status: Status = "complete" if failure is None else "interrupted" if failure.kind == "interrupt" else "failed"
    engine = once.folder / ENGINE
    files = {role: name for role, name in ROLES.items() if (once.folder / name).exists()}
    loaded = once.options.engine is not None
    return Manifest(
        trtlens=__version__,
        status=status,
        failure=failure,
        backend=BackendRecord(
            name=once.choice.backend,
            reason=once.choice.reason,
            version=_trtexec_version(once.folder / BUILD_LOG) if trtexec else result.version,
            plan=() if trtexec else result.plan,
            command=tuple(command) if trtexec else (),
        ),
        gpus=once.gpus,
        host=once.host,
        options=once.options.as_json(),
        model=None if loaded else subject,
        engine=subject if loaded else _engine_record(engine, result),
        timing_cache=_cache_record(once, result),
        times=Times(
            started=_iso(started),
            finished=_iso(datetime.now(timezone.utc)),
            build_s=result.build_s,
            child_s=end.seconds if end is not None else 0.0,
        ),
        files=files,
        notes=(*(once.prune.message.splitlines() if once.prune is not None else ()), *notes, *result.notes),
        prune=once.prune,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _engine_record(engine: Path, result: Result) -> FileRecord | None:
    if not engine.exists():
        return None
    return FileRecord(ENGINE, engine.stat().st_size, result.engine_sha256 or _sha256(engine))


def _trtexec_version(log: Path) -> str | None:
    try:
        with log.open("rb") as file:
            return help_version(file.read(1 << 16).decode("utf-8", "replace"))
    except OSError:
        return None


def _cache_record(once: _Once, result: Result) -> TimingCacheRecord | None:
    if result.timing_cache is not None:
        return TimingCacheRecord(**result.timing_cache)
    if once.choice.backend == "trtexec" and once.options.timing_cache is not None:
        return TimingCacheRecord(str(once.options.timing_cache), None)
    return None


def _with_experiments(once: _Once, first: _Outcome, on_progress: OnProgress | None) -> _Outcome:
    """Run the further builds, if the first one succeeded; the main manifest names them, and fails with the first that fails."""
    records: list[ExperimentRecord] = []
    failure = first.manifest.failure
    for one in experiments(once.options):
        if failure is not None:
            break
        folder = once.folder / one.folder
        folder.mkdir()
        outcome = _build_once(dataclasses.replace(once, options=one.options, folder=folder), on_progress)
        records.append(ExperimentRecord(one.kind, one.folder, outcome.manifest.status))
        if outcome.manifest.failure is not None:
            failure = dataclasses.replace(outcome.manifest.failure, message=f"{one.folder}: {outcome.manifest.failure.message}")
    if not records:
        return first
    status: Status = "complete" if failure is None else "interrupted" if failure.kind == "interrupt" else "failed"
    manifest = dataclasses.replace(first.manifest, experiments=tuple(records), failure=failure, status=status)
    write_manifest(manifest, once.folder)
    return dataclasses.replace(first, manifest=manifest)


def _failed(outcome: _Outcome, folder: Path, options: BuildOptions) -> CaptureFailed:
    failure = outcome.manifest.failure
    assert failure is not None  # the caller asked
    kind = CaptureInterrupted if failure.kind == "interrupt" else CaptureFailed
    message = f"{options.subject}: {failure.message}; the capture is in {folder}, its log in {folder / BUILD_LOG}"
    error = kind(message, folder, outcome.manifest, outcome.refused_nodes)
    if failure.kind == "interrupt" and "SIGTERM" in failure.message:
        error.exit_code = 128 + signal.SIGTERM
    return error


class _Digest:
    """The size and SHA-256 of a file, worked out in a thread of its own while the child builds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sha256 = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._sha256 = _sha256(self._path)

    def record(self) -> FileRecord:
        self._thread.join()
        return FileRecord(str(self._path), self._path.stat().st_size, self._sha256)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
