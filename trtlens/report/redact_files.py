"""The files of captures without a name in them: copies that may leave the company, line for line as long as the originals.

In: paths as `explain` takes them, a folder, a salt. Out: redacted copies that `explain` reads as it reads the originals: same lines, same verdicts. With
them `--redact` needs nothing else: whatever is written from the copies holds no name. Next: redact.py, which hashes.
Only files that trtlens reads are copied: an engine, samples or a README stay behind. JSON and logs are redacted word by word, as text; an ONNX model
is copied with every name in it hashed, and without its documentation.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..diagnose.explain import Options, diagnose
from ..diagnose.load import Capture, load_captures
from ..diagnose.model import Diagnosis
from ..errors import InputError, TrtlensError, UsageError
from ..parse.remote import LocalCopies, expand, is_url
from ..parse.textio import TextSource
from ..signals import TemporaryFolder
from .redact import Redactor, kernels_in, names_in

if TYPE_CHECKING:
    from ..diagnose.model import Input

_TEXT_KINDS = frozenset({"layer_info", "timing_profile", "build_log", "metadata", "manifest", "kernel_trace"})
_ESCAPED = re.compile(r"(?:\\u(?:[89a-fA-F][0-9a-fA-F]{3}|0[1-9a-fA-F][0-9a-fA-F]{2}|00[89a-fA-F][0-9a-fA-F]|[1-7][0-9a-fA-F]{3}))+")


@dataclass(frozen=True, slots=True)
class RedactedFiles:
    """`paths`: what to give to `explain` instead of the originals; `files`: all that was written."""

    paths: tuple[str, ...]
    files: tuple[Path, ...]


def redact_files(paths: Sequence[str], directory: str | os.PathLike[str], salt: str, names: Iterable[str] = ()) -> RedactedFiles:
    """Write redacted copies of captures below `directory`, which must be new or empty.

    `names`: further names that are to go. Raises UsageError for a folder that holds something and for inputs that cannot be redacted (a SQLite trace),
    InputError for files that cannot be read.
    """
    target = Path(directory)
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise UsageError(f"{target}: holds something; name a new folder for the redacted copies")
    except OSError as error:
        raise UsageError(f"{target}: cannot be made a folder: {error.strerror or error}; name another one for the redacted copies") from error
    with TemporaryFolder("redacted-") as spool, LocalCopies(expand(_files(paths, spool))) as local:
        try:
            return _redact(local, target, salt, names)
        except TrtlensError as error:
            raise local.translated(error) from None


def _files(paths: Sequence[str], spool: Path) -> list[str]:
    """The paths with files in place of what can be read only once: it is read to be understood, and again to be copied."""
    found = []
    for number, path in enumerate(paths):
        if path == "-" or (not is_url(path) and Path(path).is_fifo()):
            spool.joinpath(str(number)).mkdir()
            kept = spool / str(number) / "stdin"
            with kept.open("wb") as file:
                file.writelines(block for _, block in TextSource(path).blocks())
            path = str(kept)
        found.append(path)
    return found


def _redact(local: LocalCopies, target: Path, salt: str, names: Iterable[str]) -> RedactedFiles:
    captures = load_captures(local.paths, models=False)  # nobody gave the weights away by naming a capture
    diagnosis = Diagnosis(tuple(diagnose(capture, Options()) for capture in captures))
    known = {*names_in(diagnosis), *names, *(name for capture in captures for name in _names(capture))}
    kernels = {*kernels_in(diagnosis), *(name for capture in captures for name in _kernels(capture))}
    redactor = Redactor(salt, known, kernels)
    given: list[str] = []
    written: list[Path] = []
    for capture in captures:
        folder = target / redactor.hash(local.shown(capture.name)) if capture.name else target / "files"
        folder.mkdir(exist_ok=True)
        # Two loose files may have one name, in two folders.
        taken: set[str] = set()
        for item in capture.inputs:
            name = Path(redactor.path(local.shown(item.path))).name.removesuffix(".gz").removesuffix(".zst")
            while name in taken:
                name = f"x{name}"
            taken.add(name)
            _copy(item, folder / name, redactor)
            written.append(folder / name)
        given += [str(folder)] if capture.name else [str(path) for path in written]
    return RedactedFiles(tuple(given), tuple(written))


def _names(capture: Capture) -> set[str]:
    """Names that the diagnosis does not repeat: tensors, twins, nodes without a layer, rows without a match."""
    found: set[str] = {capture.name}
    if capture.engine is not None:
        found.update(capture.engine.bindings)
        for layer in capture.engine.layers:
            found.update((layer.name, *layer.onnx_nodes, *(tensor.name for tensor in (*layer.inputs, *layer.outputs))))
    for _, profile in capture.profiles:
        found.update(row.name for row in profile.rows)
    if capture.log is not None:
        found.update(text for text in capture.log.layers.texts if not text.startswith("Optimizer Reformat"))
        found.update(node.name for build in capture.log.builds for node in build.network)
    if capture.check is not None:
        found.update(name for weight in capture.check.weights for name in (weight.name, weight.weight))
        found.update(capture.check.node_names)
    return found


def _kernels(capture: Capture) -> set[str]:
    found: set[str] = {kernel.name for _, trace in capture.traces for kernel in trace.kernels}
    if capture.engine is not None:
        found.update(layer.tactic_name for layer in capture.engine.layers if layer.tactic_name)
    if capture.log is not None:
        found.update(capture.log.kernels.texts)
    return found


def _copy(item: Input, target: Path, redactor: Redactor) -> None:
    if item.kind == "onnx":
        _copy_onnx(item.path, target, redactor)
        return
    source = TextSource(item.path)
    if item.kind not in _TEXT_KINDS or source.head.startswith(b"SQLite format 3\0"):
        raise UsageError(f"{item.path}: cannot be redacted; export the trace as CSV, or leave it out")
    is_json = item.kind in ("layer_info", "timing_profile", "metadata")
    try:
        if item.kind == "manifest":
            # Ours, so that its keys are known to be no names; `load_captures` has read it already.
            values = _manifest(json.loads(source.read_text()), redactor)
            target.write_text(json.dumps(values, indent=1, ensure_ascii=True) + "\n", encoding="ascii")
            return
        with target.open("wb") as file:
            for _, block in source.blocks():
                text = block.decode("utf-8", "surrogateescape")
                file.write(redact_text(text, redactor, is_json).encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}; choose a folder that is writable and has room") from error


def _manifest(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, dict):
        return {key: _manifest(inner, redactor) for key, inner in value.items()}
    if isinstance(value, list):
        return [_manifest(inner, redactor) for inner in value]
    return redact_text(value, redactor, is_json=False) if isinstance(value, str) else value


def redact_text(text: str, redactor: Redactor, is_json: bool) -> str:
    """The text of a log or a JSON file, names hashed, line for line."""
    if is_json:
        # `\u5c42` and `層` are one name, here and in the log.
        text = _ESCAPED.sub(_unescape, text)
    return redactor.text(text)


def _unescape(match: re.Match[str]) -> str:
    units = [int(part, 16) for part in match.group().split("\\u")[1:]]
    text = b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "surrogatepass")
    # Separators that JSON text must not hold raw, and lone halves, stay as they were.
    return match.group() if any(char.isspace() or "\ud800" <= char <= "\udfff" for char in text) else text


def _copy_onnx(path: str, target: Path, redactor: Redactor) -> None:
    import onnx

    try:
        model = onnx.load(path)
    except Exception as error:
        raise InputError(path, f"cannot be redacted ({type(error).__name__}: {str(error)[:200]})", todo="leave the model out") from error
    model.producer_name = model.producer_version = model.domain = model.doc_string = ""
    del model.metadata_props[:]
    _Model(redactor).model(model)
    limit = 1_900_000_000
    try:
        onnx.save(model, target, save_as_external_data=model.ByteSize() > limit, location=f"{target.name}.data")
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}; choose a folder that is writable and has room") from error


_STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft"})


class _Model:
    """Renames everything in a model, as `Redactor.text` renames it in the log, so that both still join."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def model(self, model: Any) -> None:
        """Rename a whole model: its graph, its functions, and operators that are in no standard."""
        self.graph(model.graph)
        for function in model.functions:
            function.doc_string = ""
            function.name, function.domain = self._redactor.hash(function.name), self._domain(function.domain)
            function.input[:] = [self._name(name) for name in function.input]
            function.output[:] = [self._name(name) for name in function.output]
            for node in function.node:
                self._node(node)
        for opset in (*model.opset_import, *(opset for function in model.functions for opset in function.opset_import)):
            opset.domain = self._domain(opset.domain)

    def _name(self, name: str) -> str:
        return self._redactor.text(name)

    @staticmethod
    def _is_standard(operator: str) -> bool:
        from onnx import defs

        return bool(defs.has(operator))

    def _domain(self, domain: str) -> str:
        return domain if domain in _STANDARD_DOMAINS else self._redactor.hash(domain)

    def graph(self, graph: Any) -> None:
        """Rename a graph and those inside its nodes."""
        graph.name, graph.doc_string = self._name(graph.name), ""
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.name, value.doc_string = self._name(value.name), ""
        for sparse in graph.sparse_initializer:
            sparse.values.name = self._name(sparse.values.name)
        for annotation in graph.quantization_annotation:
            annotation.tensor_name = self._name(annotation.tensor_name)
            for entry in annotation.quant_parameter_tensor_names:
                entry.value = self._name(entry.value)
        for value in (*graph.input, *graph.output, *graph.value_info):
            for dimension in value.type.tensor_type.shape.dim:
                if dimension.dim_param:
                    dimension.dim_param = self._name(dimension.dim_param)
        if hasattr(graph, "metadata_props"):
            del graph.metadata_props[:]
        for node in graph.node:
            self._node(node)

    def _node(self, node: Any) -> None:
        node.name, node.doc_string = self._name(node.name), ""
        if node.domain not in _STANDARD_DOMAINS or not self._is_standard(node.op_type):
            # A plugin: its name, and what it is given as text, were chosen by whoever wrote it.
            node.op_type, node.domain = self._redactor.hash(node.op_type), self._domain(node.domain)
            for attribute in node.attribute:
                attribute.s = self._redactor.hash(attribute.s.decode("utf-8", "replace")).encode() if attribute.s else b""
                attribute.strings[:] = [self._redactor.hash(text.decode("utf-8", "replace")).encode() for text in attribute.strings]
        node.input[:] = [self._name(name) for name in node.input]
        node.output[:] = [self._name(name) for name in node.output]
        if hasattr(node, "metadata_props"):
            del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in (attribute.g, *attribute.graphs) if attribute.HasField("g") or attribute.graphs else ():
                self.graph(inner)
