"""Layer info: what IEngineInspector says of an engine, in every form in which it reaches people.

In: the text of a file (trtexec --exportLayerInfo, trex's *.graph.json, Torch-TensorRT, a script's prints) or lines of a build log.
Out: records.EngineInfo. Next: layer_text.py reads the one-line form that logs hold; diagnose/ joins layers with log and profile.
`HasSparseWeights` is kept as the eligibility it is; which kernel runs is `tactic_name`, and an absent or empty name stays None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..errors import InputError
from ..text import parse_tactic, visible
from . import lenient_json
from .layer_names import onnx_nodes_from_metadata, onnx_nodes_from_name, split_profile_suffix
from .layer_text import layers_in_text
from .records import EngineInfo, LayerInfo, Note, TensorInfo
from .tensor_formats import datatype_of, layout_of

__all__ = [
    "EmbeddedLayerInfo",
    "looks_like",
    "onnx_nodes_from_name",
    "parse_embedded_layer_info",
    "parse_layer_info",
    "split_profile_suffix",
]

_BANNER = re.compile(r"^--- Layer (\d+) ---[ \t\r]*$", re.MULTILINE)
_SPARSE_KEYS = ("HasSparseWeights", "ConvHasSparseWeights", "AllowSparse")
_TORCH_NAME = re.compile(r"^\[[A-Z_0-9]+\]-\[")
_WHAT_TO_DO = "give the file that trtexec --exportLayerInfo wrote, built with --profilingVerbosity=detailed"


@dataclass(frozen=True, slots=True)
class EmbeddedLayerInfo:
    """Layer info found in a log: `first_line` holds the opener, `last_line` the last line that belongs to it (both as handed in)."""

    engine: EngineInfo
    first_line: int
    last_line: int


def looks_like(text_head: str) -> bool:
    """Whether the head of a file (64 KB are enough) is layer info: decided by content, never by the file's name."""
    head = text_head.lstrip("\ufeff \t\r\n")
    if head.startswith("{"):
        return re.match(r'\{\s*"(?:Layers|Bindings|I/O Tensors)"\s*:', head) is not None or ('"LayerType"' in head and '"Name"' in head)
    if head.startswith("["):
        return '"LayerType"' in head and '"timeMs"' not in head
    return _BANNER.match(head) is not None or re.match(r"Layers:[ \t\r]*\n", head) is not None


def parse_layer_info(text: str, path: str) -> EngineInfo:
    """The engine that a layer-info file describes.

    A damaged file gives the layers that are complete, with a Note for each part that is not (`EngineInfo.notes`). Raises InputError where
    no complete layer stands in it, or where it is something else.
    """
    text = text.lstrip("\ufeff")
    lenient_json.reject_unreadable(text, path)
    # The plain search first: the pattern alone takes longer on a 5 MB file than all its format sentences.
    if "--- Layer " in text and (banner := _BANNER.search(text)):
        return _parse_banners(text, banner.start(), path)
    if re.match(r"\s*Layers:[ \t\r]*\n", text):
        found = parse_embedded_layer_info(enumerate(text.split("\n"), 1))
        if found:
            return replace(found[0].engine, dialect="oneline")
    try:
        document, notes = lenient_json.load(text, path)
    except InputError as error:
        return _recover(text, path, error)
    return _from_document(document, path, list(notes))


def parse_embedded_layer_info(lines: Iterable[tuple[int, str]]) -> list[EmbeddedLayerInfo]:
    """Every layer info among the lines of a log, in order.

    `lines`: (1-based number, text) as they stand in the log. Leave the prefixes on: a prefix ends the block, for TensorRT prints it as one
    message whose further lines have none. Two forms are taken: `Layers:` followed by one line a layer (`trtexec --dumpLayerInfo`, verbose
    builds of 10.x), and a JSON document that a script printed. A block ends at the blank line after `Bindings:` and its names, at a
    prefixed line or at the last line.
    """
    found: list[EmbeddedLayerInfo] = []
    for block in layers_in_text(lines):
        if block.json_text is not None:
            try:
                engine = parse_layer_info(block.json_text, f"line {block.first_line}")
                engine = replace(engine, dialect="log-json")
                if not engine.layers and not engine.notes:
                    engine = replace(engine, notes=(Note(f"line {block.first_line}", "the list of layers is empty"),))
            except InputError as error:
                engine = EngineInfo((), False, (), "log-json", notes=(Note(f"line {block.first_line}", error.what),))
        else:
            document: dict[str, Any] = {"Layers": block.layers, "Bindings": block.bindings}
            engine = _from_document(document, f"line {block.first_line}", list(block.notes))
            engine = replace(engine, dialect="log-text" if engine.detailed else "log-names")
        found.append(EmbeddedLayerInfo(engine, block.first_line, block.last_line))
    return found


def _parse_banners(text: str, start: int, path: str) -> EngineInfo:
    """`--- Layer N ---` above each layer's own JSON: what a loop over getLayerInformation prints."""
    notes: list[Note] = []
    if text[:start].strip():
        notes.append(Note("line 1", f"text before the first layer was skipped: {visible(text[:start].strip(), 80)}"))
    marks = list(_BANNER.finditer(text))
    layers: list[Any] = []
    numbers: list[int] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)].strip()
        try:
            layer, repaired = lenient_json.load(body, path)
        except InputError as error:
            notes.append(Note(f"Layer {mark[1]}", f"skipped: {error.what}"))
            continue
        if isinstance(layer, (dict, str)):
            layers.append(layer)
            numbers.append(int(mark[1][:9]))
            notes.extend(repaired)
        else:
            notes.append(Note(f"Layer {mark[1]}", f"skipped: {lenient_json.describe(layer)}, not a layer"))
    if not layers:
        raise InputError(path, "no complete layer under its `--- Layer N ---` banners", todo=_WHAT_TO_DO)
    return _engine(layers, [f"/{number}" for number in numbers], {}, "banners", path, notes)


def _from_document(document: Any, path: str, notes: list[Note], dialect: str | None = None) -> EngineInfo:
    if isinstance(document, list):
        if document and not any(isinstance(item, str) or (isinstance(item, dict) and "LayerType" in item) for item in document):
            raise InputError(path, f"this is {lenient_json.describe(document)}, not layer info", todo=_WHAT_TO_DO)
        return _engine(document, [f"/{i}" for i in range(len(document))], {}, dialect or "list", path, notes)
    if isinstance(document, dict) and "Layers" in document:
        layers = document["Layers"]
        if not isinstance(layers, list):
            raise InputError(path, f'"Layers" is {_kind(layers)}, not a list', where="/Layers", todo=_WHAT_TO_DO)
        return _engine(layers, [f"/Layers/{i}" for i in range(len(layers))], document, dialect or "object", path, notes)
    if isinstance(document, dict) and "LayerType" in document and "Name" in document:
        return _engine([document], [""], {}, dialect or "single-layer", path, notes)
    raise InputError(path, f"this is {lenient_json.describe(document)}, not layer info", todo=_WHAT_TO_DO)


def _recover(text: str, path: str, error: InputError) -> EngineInfo:
    """The complete layers of a document that is cut off, elided (`......`) or otherwise broken; re-raises `error` where there is none."""
    if not looks_like(text):
        if text.lstrip()[:1] not in ("{", "["):
            raise InputError(path, "this is no JSON and no layer info", todo=_WHAT_TO_DO) from None
        raise error
    repairs = lenient_json.Repairs()
    damage = error.what.removeprefix("not valid JSON: ")
    notes = [Note(error.where or "document", f"the file is damaged ({damage}); complete layers were kept")]
    opener = re.search(r'"Layers"\s*:\s*\[', text)
    start = opener.end() if opener else 0
    layers: list[Any] = []
    names, stopped = lenient_json.strings_in(text, start) if opener else ([], start)
    if names:
        layers.extend(names)
        if rest := text[stopped:].strip():
            notes.append(Note(f"line {text.count(chr(10), 0, stopped) + 1}", f"not read: {visible(rest, 80)}"))
    else:
        position, lines = start, lenient_json.LineCounter(text)
        for begin, end, layer in lenient_json.objects_in(text, start, _is_layer, path, repairs):
            _note_gap(text, position, begin, lines, notes)
            layers.append(layer)
            position = end
        _note_gap(text, position, len(text), lines, notes)
    if not layers:
        raise InputError(path, "no complete layer stands in it", where=error.where, todo="export it again; the file is cut off or damaged")
    bindings = re.search(r'"Bindings"\s*:\s*\[', text[start:])
    document: dict[str, Any] = {"Bindings": lenient_json.strings_in(text, start + bindings.end())[0]} if bindings else {}
    return _engine(layers, [f"/Layers/{i}" for i in range(len(layers))], document, "fragment", path, [*notes, *repairs.notes])


def _note_gap(text: str, begin: int, end: int, lines: lenient_json.LineCounter, notes: list[Note]) -> None:
    """Say what was skipped between two complete layers, if it is more than separators and the document's end."""
    gap = text[begin:end]
    gap = gap[: at.start()] if (at := re.search(r'\]\s*,?\s*"(?:Bindings|I/O Tensors)"\s*:', gap)) else gap
    if skipped := gap.strip(" \t\r\n,[]{}"):
        notes.append(Note(f"line {lines.line(begin)}", f"skipped, no complete layer: {visible(skipped, 80)}"))


def _is_layer(value: dict[str, Any]) -> bool:
    return isinstance(value.get("LayerType"), str) and isinstance(value.get("Name"), str)


def _engine(items: list[Any], pointers: list[str], document: dict[str, Any], dialect: str, path: str, notes: list[Note]) -> EngineInfo:
    layers: list[LayerInfo] = []
    detailed = any(isinstance(item, dict) for item in items)
    for index, item in enumerate(items):
        if isinstance(item, str):
            layers.append(_named(item, index, pointers[index]))
        elif isinstance(item, dict) and isinstance(item.get("Name"), str):
            layers.append(_layer(item, index, pointers[index], notes))
        else:
            what = "an object without a Name" if isinstance(item, dict) else _kind(item)
            notes.append(Note(pointers[index], f"skipped: {what}, not a layer"))
    if items and not layers:
        raise InputError(path, "none of its layers can be read", where=pointers[0], todo=_WHAT_TO_DO)
    io_items = [item for item in _list(document, "I/O Tensors", notes) if isinstance(item, dict)]
    io_tensors = tuple(_io_tensor(item) for item in io_items if isinstance(item.get("Name"), str))
    bindings = tuple(item for item in _list(document, "Bindings", notes) if isinstance(item, str))
    if dialect == "object":
        if items and not detailed:
            dialect = "names-only"
        elif "I/O Tensors" in document:
            dialect = "object-11"
        elif any(_TORCH_NAME.match(layer.name) for layer in layers):
            dialect = "torch-tensorrt"
    extra: dict[str, Any] = {key: value for key, value in document.items() if key not in ("Layers", "Bindings")}
    extra["raw_layers"] = tuple(items)
    bindings = bindings or tuple(tensor.name for tensor in io_tensors)
    return EngineInfo(tuple(layers), detailed, bindings, dialect, io_tensors, tuple(notes), extra)


def _named(name: str, index: int, pointer: str) -> LayerInfo:
    base, profile = split_profile_suffix(name)
    nodes = onnx_nodes_from_name(name)
    return LayerInfo(index, name, base, None, (), (), None, None, None, nodes, "name" if nodes else "none", profile, pointer)


def _layer(item: dict[str, Any], index: int, pointer: str, notes: list[Note]) -> LayerInfo:
    name: str = item["Name"]
    base, profile = split_profile_suffix(name)
    get = item.get
    metadata = get("Metadata")
    nodes = onnx_nodes_from_metadata(metadata) if metadata and isinstance(metadata, str) else ()
    nodes_from: Literal["metadata", "name", "none"] = "metadata"
    if not nodes:
        nodes = onnx_nodes_from_name(name)
        nodes_from = "name" if nodes else "none"
    tactic_name = _text(get("TacticName"))
    tactic_value = _tactic(get("TacticValue"), pointer, notes)
    sparse_key = next((key for key in _SPARSE_KEYS if key in item), None)
    sparse = _flag(item[sparse_key], f"{pointer}/{sparse_key}", notes) if sparse_key else None
    # A fused convolution and pooling prints its convolution's parameters with a `Conv` prefix (ConvActPool, TensorRT 8.4+).
    prefix = "Conv" if "ConvKernel" in item or sparse_key == "ConvHasSparseWeights" else ""
    weights = get(prefix + "Weights")
    if not isinstance(weights, dict):
        weights = {}
    dynamic = get(prefix + "HasDynamicFilter")
    return LayerInfo(
        index=index,
        name=name,
        base_name=base,
        layer_type=_text(get("LayerType")),
        inputs=_tensors(get("Inputs"), pointer, "Inputs", notes),
        outputs=_tensors(get("Outputs"), pointer, "Outputs", notes),
        tactic_name=tactic_name,
        tactic_value=tactic_value,
        has_sparse_weights=sparse,
        onnx_nodes=nodes,
        nodes_from=nodes_from,
        optimization_profile=profile,
        pointer=pointer,
        parameter_type=_text(get("ParameterType")) or _text(get(prefix + "ParameterType")),
        origin=_text(get("Origin")),
        groups=_integer(get(prefix + "Groups")),
        out_maps=_integer(get(prefix + "OutMaps")),
        kernel=_integers(get(prefix + "Kernel")),
        stride=_integers(get(prefix + "Stride")),
        dilation=_integers(get(prefix + "Dilation")),
        has_dynamic_filter=None if dynamic is None else _flag(dynamic, f"{pointer}/{prefix}HasDynamicFilter", notes),
        weights_type=_text(weights.get("Type")),
        weights_count=_integer(weights.get("Count")),
        stream_id=_integer(get("StreamId")),
        sparse_key=sparse_key,
        padding=_padding(item, prefix),
    )


def _padding(item: dict[str, Any], prefix: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Explicit padding alone: with kSAME_… TensorRT works it out from the sizes, whatever the keys hold."""
    mode = item.get(prefix + "PaddingMode")
    before, behind = _integers(item.get(prefix + "PrePadding")), _integers(item.get(prefix + "PostPadding"))
    explicit = mode is None or (isinstance(mode, str) and mode.startswith("kEXPLICIT"))
    return (before, behind) if explicit and before is not None and behind is not None and len(before) == len(behind) else None


def _tensors(value: object, pointer: str, key: str, notes: list[Note]) -> tuple[TensorInfo, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        notes.append(Note(f"{pointer}/{key}", f"is {_kind(value)}, not a list of tensors"))
        return ()
    tensors: list[TensorInfo] = []
    for index, item in enumerate(value):
        if isinstance(item, dict):
            tensors.append(_tensor(item))
        elif isinstance(item, str):
            tensors.append(TensorInfo(item, None, None, None, ""))
        else:
            notes.append(Note(f"{pointer}/{key}/{index}", f"is {_kind(item)}, not a tensor"))
    return tuple(tensors)


def _tensor(item: dict[str, Any]) -> TensorInfo:
    name = item.get("Name")
    dimensions = _integers(item.get("Dimensions"))
    both = item.get("Format/Datatype")
    # TensorRT 11 splits the key in two and prints strides beside them.
    if isinstance(both, str):
        datatype_text = layout_text = text = both
    else:
        datatype_text = _text(item.get("Datatype")) or _text(item.get("DataType")) or ""
        layout_text = _text(item.get("Format")) or ""
        text = " ".join(part for part in (datatype_text, layout_text) if part)
    return TensorInfo(
        name if isinstance(name, str) else "",
        dimensions,
        datatype_of(datatype_text) or datatype_of(layout_text),
        layout_of(layout_text, len(dimensions) if dimensions is not None else None),
        text,
        _integers(item.get("Strides")),
        _text(item.get("Location")),
    )


def _io_tensor(item: dict[str, Any]) -> TensorInfo:
    """A network input or output as TensorRT 11 lists it; its format stands in the first optimization profile."""
    profiles = item.get("ProfileInfo")
    first = profiles[0] if isinstance(profiles, list) and profiles and isinstance(profiles[0], dict) else {}
    return _tensor({"Format": first.get("Format"), **item})


def _tactic(value: object, pointer: str, notes: list[Note]) -> int | None:
    if value is None or value == "":
        return None
    number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 65
    tactic = parse_tactic(str(value)[:64]) if number or isinstance(value, str) else None
    if tactic is None:
        notes.append(Note(f"{pointer}/TacticValue", f"is no tactic id: {visible(str(value)[:80], 40)}", lost=False))
    return tactic


def _flag(value: object, where: str, notes: list[Note]) -> bool | None:
    if isinstance(value, str):
        value = {"0": 0, "1": 1, "false": 0, "true": 1}.get(value.strip().lower(), value)
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    notes.append(Note(where, f"is neither 0 nor 1: {visible(str(value)[:80], 40)}", lost=False))
    return None


def _list(document: dict[str, Any], key: str, notes: list[Note]) -> list[Any]:
    value = document.get(key, [])
    if isinstance(value, list):
        return value
    notes.append(Note("/" + key.replace("/", "~1"), f"is {_kind(value)}, not a list"))
    return []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integers(value: object) -> tuple[int, ...] | None:
    if type(value) is not list:
        return None
    for item in value:
        if type(item) is not int:
            return None
    return tuple(value)


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return f"the value {visible(json.dumps(value)[:60], 40)}" if isinstance(value, (int, float, str)) else f"a JSON {type(value).__name__}"
