"""The files of one capture, recognised and parsed.

In: paths as the user named them (files, folders, `-`). Out: `Capture`s. Next: explain.py diagnoses each.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, TrtlensError, UsageError
from ..parse.build_log import BuildLog, parse_build_log
from ..parse.detect import Kind, detect
from ..parse.layer_info import parse_layer_info
from ..parse.records import EngineInfo, TimingProfile
from ..parse.remote import ARCHIVE_HEAD_BYTES, LocalCopies, expand, holds_one_file, is_archive, is_url
from ..parse.textio import TextSource
from ..parse.timing_profile import parse_timing_profile
from ..parse.trex_meta import TrexMetadata
from .model import Input

if TYPE_CHECKING:
    from .weights import ModelCheck

Progress = Callable[[str, int, int | None], None]
"""`progress(path, bytes done, bytes in all)`."""

# A capture folder's own names (docs/capture-folder); in folders without a manifest of ours every file that trtlens recognises is read.
FOLDER_NAMES = ("manifest.json", "layer_info.json", "profile.json", "build.log", "build.log.gz", "build.log.zst", "pruned.onnx")


# Documents, programs and reports (our own among them) quote lines of logs and are none.
_QUOTING = frozenset((".md", ".rst", ".html", ".htm", ".py", ".sh", ".ipynb", ".json", ".sarif", ".xml", ".csv", ".yaml", ".yml", ".toml"))


@dataclass(slots=True)
class Capture:
    """All artefacts of one capture. `*_input` index `inputs`."""

    name: str
    inputs: list[Input] = field(default_factory=list)
    engine: EngineInfo | None = None
    engine_input: int = -1
    profiles: list[tuple[int, TimingProfile]] = field(default_factory=list)
    log: BuildLog | None = None
    log_input: int = -1
    log_source: TextSource | None = None
    check: ModelCheck | None = None
    check_input: int = -1
    traces: list[tuple[int, Any]] = field(default_factory=list)
    manifest: dict[str, Any] | None = None
    manifest_input: int = -1
    metadata: list[TrexMetadata] = field(default_factory=list)
    learned: dict[int, str] = field(default_factory=dict)
    """Tactic id → kernel name from further logs (dictionary.py). Never proof: tables and suspicions only, marked as such."""
    experiments: list[tuple[str, Capture]] = field(default_factory=list)
    """Further builds of the same model inside the capture folder: (counterfactual or repeat, its capture)."""
    samples: Path | None = None
    """`profile_samples.parquet` of a capture folder: per-iteration times of each layer."""
    keep: ExitStack | None = None
    """Holds the unpacked archive that the inputs lie in."""
    local: LocalCopies | None = None
    """Holds the copies of inputs that lie behind URLs."""
    hashes: bool = True
    """Whether `inputs` say the SHA-256 of each file."""
    notes: list[str] = field(default_factory=list)
    """What could not be read and is no reason to refuse the rest; each becomes the warning `damaged-input`."""


def load_captures(paths: Sequence[str], progress: Progress | None = None, *, hashes: bool = True, models: bool = True) -> list[Capture]:
    """Group the paths into captures (loose files make one, each folder makes its own) and parse them.

    `hashes`: whether each input's SHA-256 is taken, which costs a tenth of the time that a large log takes to read.
    `models`: whether the ONNX model that a capture folder was built from is read with it, where it still is what it was.
    URLs (`s3://…`) are read through local copies that vanish with the captures, and called by their URLs wherever they are named.
    Raises UsageError for a mix that makes no sense and InputError for a file that cannot be read.
    """
    if any(is_url(path) for path in paths):
        return _load_remote(paths, progress, hashes, models)
    if not paths:
        raise UsageError("no input: name a layer-info file, a timing profile, a build log or a capture folder")
    loose = loose_files(paths)
    folders = [path for path in paths if path not in loose]
    if len(folders) == 1 and loose and all(_is_model(path) for path in loose):
        capture = _load_folder(folders[0], progress, hashes)  # the model that this capture was built from
        for path in loose:
            attach_model(capture, path)
        return [capture]
    captures = [_load_files("", loose, progress, hashes)] if loose else []
    for folder in folders:
        captures.append(_load_folder(folder, progress, hashes))
        if models:
            _attach_built_model(captures[-1])
    return captures


def _load_remote(paths: Sequence[str], progress: Progress | None, hashes: bool, models: bool) -> list[Capture]:
    local = LocalCopies(expand(paths))
    try:
        captures = load_captures(local.paths, progress, hashes=hashes, models=models)
    except TrtlensError as error:
        raise local.translated(error) from None
    for capture in captures:
        for one in (capture, *(build for _, build in capture.experiments)):
            one.name, one.local = local.shown(one.name), local
            one.inputs[:] = [replace(item, path=local.shown(item.path)) for item in one.inputs]
    return captures


def _is_model(path: str) -> bool:
    try:
        return path != "-" and Path(path).is_file() and detect(TextSource(path)) == "onnx"
    except InputError:
        return False  # said when it is read


def loose_files(paths: Sequence[str]) -> list[str]:
    """Those of `paths` that are neither capture folders nor archives: together they are the parts of one capture."""
    return [path for path in paths if path == "-" or (holds_one_file(path) if is_url(path) else not (Path(path).is_dir() or _is_tar(path)))]


def _is_tar(path: str) -> bool:
    """Whether a file is the archive that a capture script ends in."""
    try:
        if not Path(path).is_file():
            return False  # a pipe gives its bytes only once
        with Path(path).open("rb") as file:
            return is_archive(path, file.read(ARCHIVE_HEAD_BYTES))
    except OSError:
        return False  # said when it is opened as an input


def _load_folder(path: str, progress: Progress | None, hashes: bool) -> Capture:
    """One capture folder, or the archive that holds one (unpacked for as long as the capture lives)."""
    if Path(path).is_dir():
        return _with_experiments(_load_files(path, _folder_files(path), progress, hashes, folder=True), Path(path), progress)
    from ..capture.folder import opened_capture

    keep = ExitStack()
    folder = keep.enter_context(opened_capture(Path(path)))
    capture = _with_experiments(_load_files(path, _folder_files(str(folder)), progress, hashes, folder=True), folder, progress)
    capture.keep = keep
    return capture


def _with_experiments(capture: Capture, folder: Path, progress: Progress | None) -> Capture:
    """The further builds and the samples that the manifest of a capture folder names."""
    samples = folder / "profile_samples.parquet"
    capture.samples = samples if samples.is_file() else None
    listed = (capture.manifest or {}).get("experiments")
    for record in listed if isinstance(listed, list) else ():
        inside = folder / str(record.get("folder", "")) if isinstance(record, dict) else folder
        # A manifest is a file from somewhere: it names subfolders of its own folder, nothing else.
        if inside.resolve().parent == folder.resolve() and inside.is_dir() and record.get("status") == "complete":
            capture.experiments.append((str(record.get("kind")), _load_files(str(inside), _folder_files(str(inside)), progress, capture.hashes, folder=True)))
    return capture


def _is_ours(manifest: Path) -> bool:
    """Whether a file is the manifest of a capture folder, whole or damaged, and not another program's of that name."""
    if not manifest.is_file():
        return False
    try:
        values = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError):
        return True  # it may have been ours: reading it says what is wrong with it
    return not isinstance(values, dict) or bool({"trtlens", "manifest_version", "backend"} & values.keys()) or not values


def _folder_files(folder: str) -> list[str]:
    root = Path(folder)
    try:
        if _is_ours(root / "manifest.json"):
            found = [root / name for name in FOLDER_NAMES if (root / name).is_file()]  # `*.damaged` files of a failed build are not among them
        else:
            found = sorted(p for p in root.iterdir() if p.is_file() and not p.name.startswith("."))
    except OSError as error:
        raise InputError(folder, f"cannot be read ({error.strerror})", todo="check its permissions") from None
    if not found:
        raise _nothing_in(folder, "holds no file", "name a capture folder that trtlens wrote, or the files themselves")
    return [str(path) for path in found]


def _nothing_in(folder: str, problem: str, todo: str) -> InputError:
    """What to say of a folder without artefacts: it may hold captures, which are read together for tables alone."""
    try:
        below = sorted(path.name for path in (Path(folder).iterdir() if folder else ()) if any((path / name).is_file() for name in FOLDER_NAMES))
    except OSError:
        below = []
    if below:
        return InputError(folder, f"is a folder of captures, {below[0]!r} among them", todo="name one of them, or give --tables DIR for all")
    return InputError(folder, problem, todo=todo)


def _load_files(name: str, files: list[str], progress: Progress | None, hashes: bool, folder: bool = False) -> Capture:
    capture = Capture(name, hashes=hashes)
    seen: set[str] = set()
    for path in files:
        real = path if path == "-" else os.path.realpath(path)  # resolve() raises for a link to itself
        if real in seen:
            continue
        seen.add(real)
        try:
            source = TextSource(path)
            if folder and not source.head.strip():
                # What a builder was ended before, or what a full disk did not take: the rest of the capture is no worse for it.
                if Path(path).name in FOLDER_NAMES:
                    capture.notes.append(f"{Path(path).name} is empty: nothing of it was captured")
                continue
            kind = detect(source)
        except InputError:
            usual = Path(path).name in FOLDER_NAMES and (Path(path).name != "manifest.json" or _is_ours(Path(path)))
            if folder and not usual:
                continue  # a folder may hold a README, an engine, a script: what is not an artefact is not ours
            raise
        if folder and kind == "build_log" and Path(path).suffix.lower() in _QUOTING:
            continue
        _ADDERS[kind](capture, source, progress)
    if not capture.inputs:
        raise _nothing_in(name, "holds nothing that trtlens reads", "name the layer info, timing profile or build log themselves")
    return capture


def _input(capture: Capture, source: TextSource, kind: str, dialect: str | None, lines: int | None) -> int:
    capture.inputs.append(Input(source.path, kind, dialect, source.size, lines, source.sha256 if capture.hashes else None))
    return len(capture.inputs) - 1


def _lines(text: str) -> int:
    """Lines as an editor counts them: the last one need not end in a newline."""
    return text.count("\n") + (text != "" and not text.endswith("\n"))


def _add_layer_info(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    if capture.engine is not None:
        raise UsageError(
            f"{source.path} is a second layer info beside {capture.inputs[capture.engine_input].path}: use `trtlens diff`, or one folder each"
        )
    text = source.read_text()
    capture.engine = parse_layer_info(text, source.path)
    capture.engine_input = _input(capture, source, "layer_info", capture.engine.dialect, _lines(text))


def _add_profile(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    text = source.read_text()
    profiles = parse_timing_profile(text, source.path)
    number = _input(capture, source, "timing_profile", profiles[0].dialect if profiles else None, _lines(text))
    capture.profiles.extend((number, profile) for profile in profiles)


def _add_log(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    if capture.log is not None:
        raise UsageError(
            f"{source.path} is a second build log beside {capture.inputs[capture.log_input].path}: use `trtlens diff`, or one folder each"
        )
    report = (lambda done: progress(source.path, done, source.size)) if progress is not None else None
    capture.log = parse_build_log(source, report, hash_it=capture.hashes)
    capture.log_source = source
    capture.log_input = _input(capture, source, "build_log", capture.log.dialect, capture.log.lines)


def _add_onnx(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    from .weights import check_model

    if capture.check is not None:
        raise UsageError(
            f"{source.path} is a second ONNX model beside {capture.inputs[capture.check_input].path}: name the one that was built"
        )
    if source.spooled:
        raise InputError(source.path, "an ONNX model can only be read as a plain file", todo="save it first: its weights may lie in files beside it")
    capture.check = check_model(source.path)
    capture.check_input = _input(capture, source, "onnx", None, None)


def attach_model(capture: Capture, model: str) -> None:
    """Join the weights of the ONNX model that a capture was built from."""
    if capture.check is None:
        _add_onnx(capture, TextSource(model), None)


def _attach_built_model(capture: Capture) -> None:
    """Join the weights of the model that the manifest names, if that file still is, byte for byte, the one that was built.

    The manifest's digest leaves external weights out: such a model could have changed, so only the user can say that it is the right one.
    """
    from ..capture.model_files import external_data_files, is_recorded, recorded_model

    if capture.check is not None or capture.manifest is None or capture.manifest.get("prune"):
        return  # of a pruned model the weights that were built lie in the folder
    model = recorded_model(capture.manifest, Path(capture.name))
    if model is None or not is_recorded(model, capture.manifest) or external_data_files(model):
        return
    try:
        attach_model(capture, str(model))
    except InputError:
        return  # the builder could read it, and the capture is no worse for that trtlens cannot


def _add_trace(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    from ..parse.kernel_trace import parse_kernel_trace

    trace = parse_kernel_trace(source)
    capture.traces.append((_input(capture, source, "kernel_trace", None, None), trace))


def _add_metadata(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    from ..parse.trex_meta import parse_trex_metadata

    text = source.read_text()
    capture.metadata.append(parse_trex_metadata(text, source.path))
    _input(capture, source, "metadata", "trex", _lines(text))


def _add_manifest(capture: Capture, source: TextSource, progress: Progress | None) -> None:
    from ..capture.manifest import read_manifest

    if not source.spooled:
        read_manifest(Path(source.path))  # refuses what is no manifest, in one line
    text = source.read_text()
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:  # from a pipe: a file was refused above
        raise InputError(source.path, f"is a damaged manifest: {error}") from None
    capture.manifest = manifest if isinstance(manifest, dict) else None
    capture.manifest_input = _input(capture, source, "manifest", None, _lines(text))


_ADDERS: dict[Kind, Callable[[Capture, TextSource, Progress | None], None]] = {
    "layer_info": _add_layer_info,
    "timing_profile": _add_profile,
    "build_log": _add_log,
    "onnx": _add_onnx,
    "kernel_trace": _add_trace,
    "metadata": _add_metadata,
    "manifest": _add_manifest,
}
