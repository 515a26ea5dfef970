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
# A layer's name ends where its type and inputs begin; the last such place, so that a name cannot forge the fields after it.
_HEAD = re.compile(r"Name: (?P<name>.*), LayerType: (?P<type>[^,]*), Inputs: (?=\[)")
_KEY = re.compile(r", ([A-Za-z][A-Za-z0-9/]*): ?")
_TENSOR_KEYS = ("Location", "Dimensions", "Strides", "StrideOrder", "Datatype", "Format/Datatype", "Format")
_IO_KEYS = ("IOMode", "DataType", "Dimensions", "Location", "IsShapeInferenceIO")
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


def _layer(line: str) -> dict[str, Any] | None:
    """One line as a layer. Which keys follow the type depends on the kind of layer, so none is taken for granted but `Metadata`: it is last."""
    head = _HEAD.match(line)
    if head is None:
        return None
    layer: dict[str, Any] = {"Name": head["name"], "LayerType": head["type"]}
    key, start = "Inputs", head.end()
    while key:
        if key == "Metadata":
            end, following = len(line), None
        elif line.startswith("[ { ", start):
            end = line.find(" }]", start) + 3
            if end < 3:
                return None
            following = _KEY.match(line, end)
        else:
            following = _KEY.search(line, start)
            end = following.start() if following else len(line)
        value = line[start:end]
        if key in ("Inputs", "Constants", "Outputs"):
            layer[key] = [tensor for tensor in (_fields(part, "Name", _TENSOR_KEYS) for part in _groups(value)) if tensor is not None]
        else:
            layer[key] = _value(key, value)
        key, start = (following[1], following.end()) if following else ("", end)
    return layer


def _fields(text: str, first: str, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """`first: value, KEY: value, …` as a dictionary, the keys in any order; each counts at its last place, so that a name cannot forge one."""
    if not text.startswith(f"{first}: "):
        return None
    marks = [(text.rfind(f", {key}: "), key) for key in keys]
    ends = sorted((at, key) for at, key in marks if at >= 0)
    values = {first: _value(first, text[len(first) + 2 : ends[0][0] if ends else len(text)])}
    for index, (at, key) in enumerate(ends):
        values[key] = _value(key, text[at + len(key) + 4 : ends[index + 1][0] if index + 1 < len(ends) else len(text)])
    return values


def _groups(text: str) -> list[str]:
    """`[ { a }, { b }]` as [a, b]."""
    inner = text.strip().removeprefix("[").removesuffix("]").strip()
    if not inner:
        return []
    return inner.removeprefix("{ ").removesuffix("}").rstrip().split(" }, { ")


def _io_tensor(text: str) -> dict[str, Any] | None:
    head, mark, profiles = text.partition(", ProfileInfo: ")
    tensor = _fields(head, "Name", _IO_KEYS)
    if tensor is None:
        return None
    if mark:
        found = [_fields(part, part.partition(": ")[0], _PROFILE_KEYS) for part in _groups(profiles)]
        tensor["ProfileInfo"] = [one for one in found if one is not None]
    return tensor


def _value(key: str, text: str) -> Any:
    """`[1,2]` as a list, whole numbers and truth values as what they are; names, and everything else, as text."""
    text = text.strip(" ")
    if key.endswith("Name") or key == "Metadata":
        return text
    numbers = _NUMBERS.fullmatch(text)
    if numbers:
        return [int(one) for one in numbers.group(1).split(",")] if numbers.group(1) else []
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text)
