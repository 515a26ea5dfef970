"""Hundreds of captures at once: diagnosed in parallel, written as one partitioned Parquet dataset.

In: capture folders, folders of captures, artefact files or URLs. Out: `DIR/<table>/capture=<label>/part-0.parquet` for every table, which DuckDB, Spark, Ray, Polars
and pyarrow read directly, and `DIR/captures/part-0.parquet` with a row a capture. Next: diagnose/frames.py makes the tables, dataset_terminal.py prints.

A capture that cannot be read is reported and skipped: it has its row in `captures`, with the error. Existing partitions of the same label are
replaced, all others stay. Each file appears whole or not at all.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from ..diagnose.explain import Options
from ..diagnose.gates import GateResult, Gates, evaluate
from ..diagnose.load import FOLDER_NAMES, loose_files
from ..errors import TrtlensError, UsageError
from ..parse.remote import entries, expand, inside, is_url
from ..signals import HeldSignals, postponed
from ..text import visible
from .files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from ..diagnose.session import Session

_LABEL_CHARACTERS = re.compile(r"[^A-Za-z0-9._\-]+")
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class CaptureOutcome:
    """One capture of many. `label` names its partition; `error` is None where it was read. Times in milliseconds, None where unknown.

    `fallback_untimed`: how many fallbacks have no time, so that `fallback_time_ms` is a lower limit.
    """

    label: str
    path: str
    error: str | None = None
    headline: str = ""
    tensorrt: str | None = None
    gpu: str | None = None
    layers: int | None = None
    eligible: int | None = None
    picked: int | None = None
    fallback: int | None = None
    total_time_ms: float | None = None
    fallback_time_ms: float | None = None
    warnings: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()
    fallback_untimed: int = 0


@dataclass(frozen=True, slots=True)
class DatasetResult:
    """All captures, in the order in which they were named. `allow_unknown`: a capture that could not be read passes the gates."""

    captures: tuple[CaptureOutcome, ...]
    gated: bool = False
    allow_unknown: bool = False

    @property
    def bad(self) -> tuple[CaptureOutcome, ...]:
        """The captures that could not be read."""
        return tuple(one for one in self.captures if one.error is not None)

    @property
    def exit_code(self) -> int:
        """2 where every capture is bad; 1 where a gate holds, or could not be asked because a capture is bad; else 0."""
        if self.captures and len(self.bad) == len(self.captures):
            return 2
        held = any(gate.holds for one in self.captures for gate in one.gates)
        return 1 if held or (self.gated and self.bad and not self.allow_unknown) else 0


class Naming(Protocol):
    """What files are to be called, where that is not what they are: copies in a temporary folder. Can be pickled."""

    def shown(self, text: str) -> str: ...

    def in_session(self, session: Session) -> None: ...


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker process is told; everything in it can be pickled."""

    label: str
    path: str
    directory: str
    options: Options = field(default_factory=Options)
    gates: Gates = field(default_factory=Gates)
    naming: Naming | None = None

    def shown(self, text: str) -> str:
        return text if self.naming is None else self.naming.shown(text)

    def failed(self, why: str) -> CaptureOutcome:
        return CaptureOutcome(self.label, self.shown(self.path), visible(self.shown(why), 1000))


def write_dataset(
    paths: Sequence[str],
    directory: str | os.PathLike[str],
    *,
    options: Options | None = None,
    gates: Gates | None = None,
    workers: int | None = None,
    on_done: Callable[[CaptureOutcome, int, int], None] | None = None,
    naming: Naming | None = None,
) -> DatasetResult:
    """Diagnose every capture under `paths` and write the dataset.

    `workers`: processes, default one a core; `on_done(outcome, done, all)` is called in this process as captures finish; `naming`: what the files are to
    be called. Raises UsageError where the folder
    cannot be written or holds something else, InputError where `paths` names nothing.
    """
    folder = _prepare(directory)
    found = find_captures(paths)
    tasks = [
        _Task(label, path, str(folder), options or Options(), gates or Gates(), naming) for label, path in zip(labels(found), found, strict=True)
    ]
    outcomes: dict[str, CaptureOutcome] = {}
    for outcome in _run(tasks, workers or cores()):
        outcomes[outcome.label] = outcome
        if on_done is not None:
            on_done(outcome, len(outcomes), len(tasks))
    ordered = tuple(outcomes[task.label] for task in tasks)
    _write_captures(folder, ordered)
    used = gates or Gates()
    gated = bool(used.fail_on) or used.min_picked is not None or used.max_fallback_ms is not None or used.baseline is not None
    return DatasetResult(ordered, gated, used.allow_unknown)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---- which captures


def find_captures(paths: Sequence[str]) -> list[str]:
    """Every capture under `paths`: a folder that holds artefacts is one, any other folder is searched. URL patterns are expanded.

    Raises UsageError where nothing was named, InputError for a pattern that matches nothing.
    """
    found: list[str] = []
    for path in expand(paths):
        found += _search(path if is_url(path) else str(Path(path)), 0) if is_url(path) or Path(path).is_dir() else [path]
    if not found:
        raise UsageError("no capture: name capture folders, or a folder that holds them")
    return list(dict.fromkeys(found))


def several_captures(paths: Sequence[str]) -> bool:
    """Whether `paths` are several captures. Files that are named one by one, here or behind URLs, are the parts of one."""
    named = expand(paths)
    return not loose_files(named) and len(find_captures(named)) > 1


def _search(folder: str, depth: int) -> list[str]:
    listed = _listed(folder)
    if listed is None:
        return [folder]  # what is wrong is said when it is opened
    files, folders = ([name for name in names if not name.startswith(".")] for names in listed)
    if any(name in FOLDER_NAMES for name in files) or not folders or depth == _DEPTH:
        return [folder]
    return [path for name in folders for path in _search(inside(folder, name) if is_url(folder) else str(Path(folder, name)), depth + 1)]


def _listed(folder: str) -> tuple[list[str], list[str]] | None:
    """The names of the files and folders in a folder, in order; None where it is none or cannot be read."""
    if is_url(folder):
        return entries(folder)
    try:
        listed = sorted(Path(folder).iterdir())
    except OSError:
        return None
    return [entry.name for entry in listed if entry.is_file()], [entry.name for entry in listed if entry.is_dir()]


def labels(paths: Sequence[str]) -> list[str]:
    """A name for each capture that needs no escaping in any partitioned dataset and is no number: its folder's, with a hash where two are equal."""
    plain = []
    for path in paths:
        name = _LABEL_CHARACTERS.sub("-", PurePosixPath(path.replace("\\", "/").rstrip("/")).name).strip("-.")[:80]
        # A partition that looks like a number or a date would be read as one by some readers and as text by others.
        plain.append(name if any(char.isalpha() for char in name) else f"capture-{name}".rstrip("-"))
    lower = [name.lower() for name in plain]
    return [
        f"{name}-{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}" if lower.count(name.lower()) > 1 else name
        for name, path in zip(plain, paths, strict=True)
    ]


# ---- the work


def _run(tasks: Sequence[_Task], workers: int) -> Iterator[CaptureOutcome]:
    """Outcomes as they come. A worker that dies (out of memory) takes its pool with it: what it left undone is then tried one by one."""
    if workers <= 1 or len(tasks) == 1:
        yield from map(_one, tasks)
        return
    left = {task.label: task for task in tasks}
    try:
        with _begun(tasks, workers) as futures:
            for outcome in _finished(futures):
                del left[outcome.label]
                yield outcome
    except BrokenProcessPool:
        for task in left.values():
            yield _alone(task)


def _alone(task: _Task) -> CaptureOutcome:
    try:
        with _begun([task], 1) as futures:
            return next(_finished(futures))
    except BrokenProcessPool:
        return task.failed("the process that read it died, perhaps out of memory; explain it alone")


def _finished(futures: Sequence[Future[CaptureOutcome]]) -> Iterator[CaptureOutcome]:
    """Outcomes as they come. Waits half a second at a time: a signal that the kernel gives to a thread of numpy does not end a wait without end."""
    left = set(futures)
    while left:
        done, left = wait(left, 0.5, FIRST_COMPLETED)
        yield from (future.result() for future in done)


@contextmanager
def _begun(tasks: Sequence[_Task], workers: int) -> Iterator[list[Future[CaptureOutcome]]]:
    """The tasks in worker processes. Whoever stops us will not wait for logs of gigabytes: what the workers have begun is then left undone."""
    others = set(multiprocessing.active_children())
    # Spawned, not forked: a fork would copy the threads' locks of pyarrow, and Windows and macOS know nothing else.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=_begin, initargs=(gc.get_threshold(),)) as pool:
        try:
            with HeldSignals(), _no_interrupt_for_children():
                futures = [pool.submit(_in_worker, _one, task) for task in tasks]
            yield futures
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise


@contextmanager
def _no_interrupt_for_children() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal: this one ends the work, and a worker must not add a traceback, not even of its first imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # children are born with it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(collect: tuple[int, int, int]) -> None:
    """The first thing that a worker does. `collect`: as in the first process."""
    gc.set_threshold(*collect)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where no mask could keep it away


def _in_worker(work: Callable[[_Task], CaptureOutcome], task: _Task) -> CaptureOutcome:
    """Do a task; where SIGTERM ends it, remove what is temporary, and end the process: the pool would take the exception for one more result."""
    try:
        signal.signal(signal.SIGTERM, _unwind)
        outcome = work(task)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # between tasks nothing is temporary
        return outcome
    except SystemExit:
        pass  # with the exception go the frames in which it was raised, and what they held
    gc.collect()
    os._exit(128 + signal.SIGTERM)


def _unwind(number: int, frame: FrameType | None) -> None:
    if not postponed(number, frame):
        signal.signal(number, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + number)


def _one(task: _Task) -> CaptureOutcome:
    """Diagnose one capture and write its partitions. Runs in a worker process; every error becomes an outcome."""
    from ..diagnose.session import Session

    try:
        with closing(Session([task.path], task.options, models=False)) as session:  # hundreds of unpacked archives would fill the disk
            if task.naming is not None:
                task.naming.in_session(session)
            _write_partitions(session, task)
            return _outcome(session, task)
    except TrtlensError as error:
        return task.failed(str(error))
    except OSError as error:
        return task.failed(f"{error.filename or task.path}: {error.strerror or error}")
    except MemoryError:
        return task.failed("out of memory; explain it alone")
    except Exception as error:
        # One capture that meets a defect of ours must not take hundreds with it.
        return task.failed(f"internal error, please report it: {type(error).__name__}: {error}")


def _outcome(session: Session, task: _Task) -> CaptureOutcome:
    from .words import story

    capture = session.diagnosis.captures[0]
    build = capture.main
    gates = evaluate(session.diagnosis, task.gates)
    headline = story(capture).headline
    if build is None:
        return CaptureOutcome(task.label, task.shown(task.path), headline=headline, gates=gates)
    summary, environment = build.summary, build.environment
    return CaptureOutcome(
        task.label, task.shown(task.path), None, headline, environment.tensorrt, environment.gpu, summary.layers, summary.eligible, summary.picked, summary.fallback,
        summary.total_time_ms, summary.fallback_time_ms, tuple(dict.fromkeys(warning.id for warning in build.warnings)), gates,
        build.fallback_untimed,
    )  # fmt: skip


# ---- files


def _prepare(directory: str | os.PathLike[str]) -> Path:
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = any(folder.iterdir()) and not (folder / "captures").is_dir()
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made a folder: {error.strerror or error}; name another one for --tables") from error
    if strange:
        raise UsageError(f"{folder}: holds something else than a dataset of captures; name a new folder for --tables")
    return folder


def _write_partitions(session: Session, task: _Task) -> None:
    from ..diagnose.frames import Frames
    from ..tables import TABLES

    frames = Frames(session)
    for name in TABLES:
        _write(Path(task.directory) / name / f"capture={task.label}", frames, name)


def _write(folder: Path, frames: Any, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..diagnose.frames import schema
    from ..tables import TABLES

    whole = schema(TABLES[name])
    # The partition's name is the column: a second one in the file would clash with it in some readers.
    inner = whole.remove(whole.get_field_index("capture"))
    columns = inner.names
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / "part-0.parquet") as file, pq.ParquetWriter(file, inner, compression="zstd") as writer:
        for batch in frames.batches(name):
            writer.write_table(pa.Table.from_batches([batch]).select(columns), row_group_size=max(batch.num_rows, 1))


def _write_captures(folder: Path, outcomes: Sequence[CaptureOutcome]) -> None:
    """The table of captures; rows of earlier runs stay, but for those that this run replaced."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..diagnose.frames import clean

    described = _captures_schema()
    rows = [
        {
            "capture": one.label, "path": clean(one.path), "error": one.error, "headline": clean(one.headline), "tensorrt": one.tensorrt, "gpu": one.gpu,
            "layers": one.layers, "eligible": one.eligible, "picked": one.picked, "fallback": one.fallback, "total_time_ms": one.total_time_ms,
            "fallback_time_ms": one.fallback_time_ms, "warnings": list(one.warnings), "gates_held": [gate.rule for gate in one.gates if gate.holds],
        }
        for one in outcomes
    ]  # fmt: skip
    target = folder / "captures" / "part-0.parquet"
    target.parent.mkdir(exist_ok=True)
    known = {one.label for one in outcomes}
    if target.is_file():
        try:
            rows = [row for row in pq.read_table(target, schema=described).to_pylist() if row["capture"] not in known] + rows
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{target}: is no table of captures ({error}); name a new folder for --tables") from error
    with whole_file(target) as file:
        pq.write_table(pa.Table.from_pylist(rows, schema=described), file, compression="zstd")


def _captures_schema() -> pa.Schema:
    import pyarrow as pa

    text, number, time, texts = pa.string(), pa.int64(), pa.float64(), pa.list_(pa.string())
    return pa.schema(
        [
            ("capture", text), ("path", text), ("error", text), ("headline", text), ("tensorrt", text), ("gpu", text), ("layers", number), ("eligible", number),
            ("picked", number), ("fallback", number), ("total_time_ms", time), ("fallback_time_ms", time), ("warnings", texts), ("gates_held", texts),
        ]
    )  # fmt: skip
