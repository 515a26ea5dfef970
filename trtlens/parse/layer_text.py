"""Layer info as it stands in a log: TensorRT's one-line form, one line a layer, after `Layers:`; or JSON that a script printed.

In: numbered lines of a log. Out: blocks of plain objects with the JSON form's keys. Next: layer_info.py makes records of them.
The one-line form is LayerInformationFormat.kONELINE: `Name: …, LayerType: …, Inputs: [ { Name: …, … }], Outputs: […], …, Metadata: …`,
unquoted, so keys are told from text by their known order and spelling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..text import visible
from .records import Note

PREFIX = re.compile(
    r"^(?:\x1b\[[0-9;]*m)*(?:\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] (?:\[[A-Z]\] )?(?:\[TRT\] ?(?:\[[A-Z]\] ?)?)?|\[TRT\] ?(?:\[[A-Z]\] ?)?"
    r"|\[TensorRT\] [A-Z_]+: |\[[VIWEF]\] (?:\[TRT\] ?)?|&&&& )"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HEAD = re.compile(r"^Name: (?P<name>.*?), LayerType: (?P<type>[^,]*), Inputs: \[(?P<rest>.*)$")
_TENSOR = re.compile(
    r"\{ Name: (?P<name>.*?)(?:, Location: (?P<location>[^,]*))?, Dimensions: \[(?P<dimensions>[^\]]*)\], "
    r"(?P<format>(?:Format|Datatype|Strides).*?) \}(?=,? \{ Name: |$|, )"
)
_KEY = re.compile(r", (?P<key>[A-Za-z][A-Za-z]*): ")
_TENSOR_KEY = re.compile(r"(?:^|, )(?P<key>Format/Datatype|Format|Datatype|StrideOrder|Strides): ")
_JSON_START = re.compile(r'^\{\s*"Layers"\s*:')
_ATTEMPTS = 50  # a document closes once; more lines that look like its end are damage, and each attempt reads all of it


@dataclass
class TextBlock:
    """One layer info in a log: `layers` are objects with the JSON form's keys, or names; or `json_text` is the document itself."""

    first_line: int
    last_line: int
    layers: list[Any] = field(default_factory=list)
    bindings: list[str] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    json_text: str | None = None


def layers_in_text(lines: Iterable[tuple[int, str]]) -> Iterator[TextBlock]:
    """Every layer info among numbered log lines. A block needs at least one layer."""
    block: TextBlock | None = None
    in_bindings = False
    json_lines: list[str] | None = None
    brace: int | None = None  # number of a line that is one opening brace: a document printed with an indent may follow
    attempts = 0
    for number, raw in lines:
        line = raw.rstrip("\r\n")
        prefix = PREFIX.match(line)
        message = line[prefix.end() :] if prefix else line
        if json_lines is not None and block is not None:
            if prefix is None:
                json_lines.append(line)
                block.last_line = number
                attempts += _closes(line)
                if _closes(line) and attempts <= _ATTEMPTS and _complete(json_lines):
                    block.json_text, json_lines = "\n".join(json_lines), None
                    yield block
                    block = None
                continue
            block.json_text, json_lines = "\n".join(json_lines), None
            yield block
            block = None
        if block is not None:
            ended = prefix is not None or (in_bindings and not message.strip())
            if not ended:
                in_bindings = _take(block, number, message, in_bindings)
                continue
            if block.layers:
                yield block
            block = None
        stripped = _ANSI.sub("", message).strip()
        if stripped == "Layers:":
            block, in_bindings = TextBlock(number, number), False
        elif _JSON_START.match(stripped) or (brace is not None and stripped.startswith('"Layers"')):
            opened = brace is not None and not stripped.startswith("{")
            block = TextBlock(brace if opened and brace is not None else number, number)
            json_lines, attempts = (["{", line] if opened else [message.lstrip()]), 0
            if _complete(json_lines):
                block.json_text, json_lines = json_lines[0], None
                yield block
                block = None
        brace = number if stripped == "{" else None
    if block is not None:
        if json_lines is not None:
            block.json_text = "\n".join(json_lines)
            yield block
        elif block.layers:
            yield block


def _take(block: TextBlock, number: int, message: str, in_bindings: bool) -> bool:
    """Add one unprefixed line to `block`; returns whether the list of bindings has begun."""
    text = message.strip()
    if not text:
        return in_bindings
    block.last_line = number
    if in_bindings:
        block.bindings.append(text)
    elif text == "Bindings:":
        return True
    elif text.startswith("Name: ") and ", LayerType: " in text:
        layer = _oneline(text)
        if layer is None:
            block.notes.append(Note(f"line {number}", f"not understood: {visible(text, 80)}"))
        else:
            block.layers.append(layer)
    elif block.layers and isinstance(block.layers[0], dict):
        block.notes.append(Note(f"line {number}", f"not understood: {visible(text, 80)}"))
    else:
        block.layers.append(text)
    return in_bindings


def _oneline(text: str) -> dict[str, Any] | None:
    """One layer of the one-line form as an object with the JSON form's keys; None where its head is broken."""
    head = _HEAD.match(text)
    if head is None:
        return None
    layer: dict[str, Any] = {"Name": head["name"], "LayerType": head["type"]}
    rest = head["rest"]
    for key, following in (("Inputs", "], Outputs: ["), ("Outputs", "]")):
        if key == "Outputs" and not rest.startswith("]"):
            # The list of outputs ends at the bracket after its last tensor's brace.
            end = rest.find(" }]")
            inside, rest = (rest[: end + 2], rest[end + 3 :]) if end >= 0 else (rest, "")
        else:
            inside, found, rest = rest.partition(following)
            if not found and key == "Inputs":
                return None
        if key == "Inputs" and "], Constants: [" in inside:
            inside = inside.partition("], Constants: [")[0]
        layer[key] = [_tensor(match) for match in _TENSOR.finditer(inside.strip())]
    marks = list(_KEY.finditer(rest))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        key = mark["key"]
        end = after.start() if after and key != "Metadata" else len(rest)
        layer.setdefault(key, _value(key, rest[mark.end() : end]))
        if key == "Metadata":
            break
    return layer


def _tensor(match: re.Match[str]) -> dict[str, Any]:
    tensor: dict[str, Any] = {"Name": match["name"], "Dimensions": _value("Dimensions", f"[{match['dimensions']}]")}
    if match["location"]:
        tensor["Location"] = match["location"]
    formats = match["format"]
    marks = list(_TENSOR_KEY.finditer(formats))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        tensor[mark["key"]] = _value(mark["key"], formats[mark.end() : after.start() if after else len(formats)])
    return tensor


def _value(key: str, text: str) -> Any:
    """A value of the one-line form: numbers, lists of numbers and objects as JSON, anything else as the text it is."""
    text = text.strip(" ")
    if key in ("Metadata", "TacticName", "TacticValue", "Name", "Format", "Format/Datatype", "Datatype"):
        return text
    if text[:1] in "[{-0123456789" and len(text) < 4096:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _closes(line: str) -> bool:
    """Whether a line can be the last of a document: TensorRT and json.dump both put its closing brace into the first column."""
    return line[:1] in ("]", "}") and line.rstrip().endswith("}")


def _complete(lines: list[str]) -> bool:
    """Whether a JSON document that a log prints line by line is all there."""
    try:
        json.JSONDecoder(strict=False).raw_decode("\n".join(lines))
    except (ValueError, RecursionError):
        return False
    return True
