"""The layer dump of a verbose log as layer-info JSON.

In: a build log of TensorRT-RTX (1.7; TensorRT 11 prints the same), which has the inspector's one-line form after `Layers:`. Out: the
dictionary that the inspector's JSON form would be: `Layers`, `I/O Tensors`. Next: build.py writes it as layer_info.json where no
inspector can run: without a GPU the engine cannot be loaded, and this dump is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

_START = re.compile(r"\] Layers:\s*$")
# A log line begins with TensorRT's time stamp; the dump's own lines do not.
_LOG_LINE = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] ")
_LAYER_KEYS = ("LayerType", "Inputs", "Constants", "Outputs", "TacticName", "TacticValue", "StreamId", "Metadata")
_TENSOR_KEYS = ("Dimensions", "Strides", "StrideOrder", "Datatype", "Format", "Location")
_IO_KEYS = ("IOMode", "DataType", "Dimensions", "Location", "IsShapeInferenceIO", "ProfileInfo")
_PROFILE_KEYS = ("OptShape", "MaxShape", "Format")
_NUMBERS = re.compile(r"\[(-?\d+(?:,-?\d+)*)?\]")


def layers_from_log(lines: Iterable[str]) -> dict[str, Any] | None:
    """The last dump in `lines`, None if there is none or not one of its layers can be read.

    The last one counts because a build that tries several backend strategies prints one a strategy it keeps.
    """
    found: dict[str, Any] | None = None
    for dump in _dumps(lines):
        layers = [layer for layer in (_layer(line) for line in dump if line.startswith("Name: ")) if layer is not None]
        if layers:
            tensors = [tensor for tensor in (_io_tensor(line.strip()) for line in dump if line.startswith(" Name: ")) if tensor is not None]
            found = {"Layers": layers, "I/O Tensors": tensors}
    return found


def _dumps(lines: Iterable[str]) -> Iterator[list[str]]:
    dump: list[str] | None = None
    for line in lines:
        line = line.rstrip("\r\n")
        if _LOG_LINE.match(line):
            if dump is not None:
                yield dump
            dump = [] if _START.search(line) else None
        elif dump is not None:
            dump.append(line)
    if dump is not None:
        yield dump


def _fields(text: str, first: str, keys: tuple[str, ...]) -> dict[str, str] | None:
    """`first: value, KEY: value, …` as a dictionary. `keys` come in a fixed order, each at most once, so that a layer named
    `a, LayerType: b` cannot forge a field: the value of the first field reaches to the last place where the rest still fits."""
    if not text.startswith(f"{first}: "):
        return None
    ends: dict[str, int] = {}
    limit = len(text)
    for key in reversed(keys):
        mark = f", {key}: "
        at = text.rfind(mark, 0, limit)
        while at >= 0 and _depth(text, at) > 0:
            at = text.rfind(mark, 0, at)
        if at >= 0:
            ends[key] = at
            limit = at
    values: dict[str, str] = {}
    end = len(text)
    for key in reversed([key for key in keys if key in ends]):
        values[key] = text[ends[key] + len(key) + 4 : end]
        end = ends[key]
    values[first] = text[len(first) + 2 : end]
    return values


def _depth(text: str, position: int) -> int:
    """How many tensor groups `{ … }` are open at `position`. Only the dump's own braces count: they stand with blanks beside them."""
    return text.count("{ ", 0, position) - text.count(" }", 0, position)


def _layer(line: str) -> dict[str, Any] | None:
    fields = _fields(line, "Name", _LAYER_KEYS)
    if fields is None or "LayerType" not in fields:
        return None
    layer: dict[str, Any] = {"Name": fields["Name"]}
    for key in _LAYER_KEYS:
        if key not in fields:
            continue
        value = fields[key]
        if key in ("Inputs", "Constants", "Outputs"):
            layer[key] = [tensor for tensor in (_tensor(part) for part in _groups(value)) if tensor is not None]
        elif key == "StreamId":
            layer[key] = int(value) if value.strip().lstrip("-").isdigit() else value
        else:
            layer[key] = value.strip()
    return layer


def _groups(text: str) -> list[str]:
    """`[ { a }, { b }]` as [a, b]."""
    inner = text.strip().removeprefix("[").removesuffix("]").strip()
    if not inner:
        return []
    return inner.removeprefix("{ ").removesuffix("}").rstrip().split(" }, { ")


def _tensor(text: str) -> dict[str, Any] | None:
    fields = _fields(text, "Name", _TENSOR_KEYS)
    return None if fields is None else {key: _value(fields[key]) for key in ("Name", *_TENSOR_KEYS) if key in fields}


def _io_tensor(text: str) -> dict[str, Any] | None:
    fields = _fields(text, "Name", _IO_KEYS)
    if fields is None:
        return None
    tensor = {key: _value(fields[key]) for key in ("Name", *_IO_KEYS) if key in fields and key != "ProfileInfo"}
    tensor["ProfileInfo"] = []
    for part in _groups(fields.get("ProfileInfo", "")):
        profile = _fields(part, "MinShape", _PROFILE_KEYS) or {"Format": part.removeprefix("Format: ")}
        tensor["ProfileInfo"].append({key: _value(value) for key, value in sorted(profile.items(), key=lambda item: _ORDER[item[0]])})
    return tensor


_ORDER = {name: index for index, name in enumerate(("MinShape", *_PROFILE_KEYS))}


def _value(text: str) -> Any:
    text = text.strip()
    numbers = _NUMBERS.fullmatch(text)
    if numbers:
        return [int(one) for one in numbers.group(1).split(",")] if numbers.group(1) else []
    return {"true": True, "false": False}.get(text, text)
