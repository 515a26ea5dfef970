"""JSON as TensorRT and its tools really write it: raw control bytes, unescaped quotes, cut-off files, several documents, elisions.

In: the text of a file. Out: the Python value and a Note for each thing that had to be repaired. Next: layer_info.py, timing_profile.py,
trex_meta.py. The C scanner of the standard library does the work; what stands here runs only when that fails. Nothing here recurses, so
nesting bombs end in an InputError.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from ..text import visible
from .records import Note

_STRING_LINE = re.compile(r'^(?P<head>\s*(?:[\[{,]\s*)*(?:"[A-Za-z/ ]+"\s*:\s*)?(?:\[\s*)?)"(?P<body>.*)"(?P<tail>\s*[\]},]*\s*)$')
_BARE_NUMBER = re.compile(r'(?P<before>"\s*:\s*)(?P<number>[-+]?(?:nan(?:\(\w*\))?|inf(?:inity)?|1\.#\w+))(?=\s*[,}\]\r\n])', re.IGNORECASE)
_TRAILING_COMMA = re.compile(r'(?<=["\d\]}el]),(?=\s*[\]}]\s*(?:[,\]}]|$))')
_VALID_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_NEXT_STRING = re.compile(r'[\s,]*(?=")')
_WORK_BUDGET = 20  # times its own length that a damaged document is decoded before the rest is given up: bounds hostile input


class LineCounter:
    """Line numbers of rising offsets in a text, each part of it counted once."""

    def __init__(self, text: str) -> None:
        self._text, self._offset, self._line = text, 0, 1

    def line(self, offset: int) -> int:
        """The 1-based line of `offset`, which must not be below the last one asked for."""
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line


@dataclass
class Repairs:
    """Collects what the duplicate-key hook and the repairs met while one document was read."""

    notes: list[Note] = field(default_factory=list)

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """`object_pairs_hook`: the last of two equal keys wins, as in the standard library, but it is said."""
        value = dict(pairs)
        if len(value) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            owner = visible(str(value.get("Name", value.get("name", ""))), 60)
            where = f" ({owner})" if owner else ""
            self.notes.append(Note("document", f'key "{visible(twice, 40)}" stands twice in one object{where}; the last was used'))
        return value


def decoder(repairs: Repairs) -> json.JSONDecoder:
    """A decoder that lets raw control bytes into strings: TensorRT 8.6.0 writes 0x1E into `Metadata` unescaped."""
    return json.JSONDecoder(strict=False, object_pairs_hook=repairs.pairs)


def reject_unreadable(text: str, path: str) -> None:
    """Refuse what cannot be JSON at all, each with a line of its own: nothing, binary, a web page. Raises InputError."""
    head = text[:4096].lstrip("\ufeff \t\r\n")
    if not head and not text[4096:].strip():
        raise InputError(path, "the file is empty", todo="export it again")
    # Control bytes in what begins like JSON belong to a name; an engine or an ONNX model begins with other bytes.
    if head[:1] not in ("[", "{") and ("\x00" in head or sum(char < "\x20" and char not in "\t\n\r\x1b\x1e\x1f" for char in head) > 8):
        todo = "give the file that --exportLayerInfo or --exportProfile wrote, not the engine"
        raise InputError(path, "this is a binary file, not JSON", todo=todo)
    if re.match(r"<(?:!doctype|html|\?xml)", head, re.IGNORECASE):
        raise InputError(path, "this is a web page (HTML or XML), not JSON", todo="download the raw file")


def load(text: str, path: str) -> tuple[Any, tuple[Note, ...]]:
    """The one document in `text` and the notes on what was repaired.

    Repairs, each noted: unescaped quotes and backslashes in a string that stands on a line of its own (the way TensorRT prints), `-nan`
    and `inf`, trailing commas. Raises InputError where none of that gives a document; the caller may then try to recover parts of it.
    """
    reject_unreadable(text, path)
    text = text.lstrip("\ufeff")
    repairs = Repairs()
    try:
        return decoder(repairs).decode(text), tuple(repairs.notes)
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError as error:
        first = error
    repaired, what = repair(text)
    if what:
        repairs = Repairs()
        try:
            value = decoder(repairs).decode(repaired)
        except RecursionError:
            raise _too_deep(path) from None
        except ValueError:
            pass
        else:
            return value, (*what, *repairs.notes)
    raise InputError(path, f"not valid JSON: {_reason(first)}", where=_place(first), todo="export it again; the file may be cut off")


def repair(text: str) -> tuple[str, list[Note]]:
    """`text` with the known faults of hand-written JSON printers repaired, and what was done (nothing, where none applied)."""
    done: list[Note] = []
    lines, quoted = text.split("\n"), 0
    for number, line in enumerate(lines):
        match = _STRING_LINE.match(line) if line.count('"') > 2 or "\\" in line else None
        if match is None or _separate_strings(match["body"]):
            continue
        body = _escape_body(match["body"])
        if body != match["body"]:
            lines[number] = f'{match["head"]}"{body}"{match["tail"]}'
            quoted += 1
    if quoted:
        done.append(Note("document", f"unescaped quotes or backslashes repaired on {quoted} lines", lost=False))
        text = "\n".join(lines)
    text, count = _BARE_NUMBER.subn(lambda m: m["before"] + "null", text)
    if count:
        done.append(Note("document", f"{count} figures that are not numbers (nan, inf) read as unknown", lost=False))
    text, count = _TRAILING_COMMA.subn("", text)
    if count:
        # TensorRT writes none: where a list ends in a comma, somebody may have cut its last items off.
        done.append(Note("document", f"{count} trailing commas ignored"))
    return text, done


def _separate_strings(body: str) -> bool:
    """True if a line holds several JSON strings (`"a", "b"` or `"k": "v"`) rather than one with quotes inside."""
    return re.search(r'[^\\]"\s*[,:]\s*(?:"|[-\d\[{tfn])', body) is not None or body.startswith('",')


def _escape_body(body: str) -> str:
    """Escape the quotes and backslashes of a string body that no escape sequence explains."""
    out: list[str] = []
    index = 0
    while index < len(body):
        char = body[index]
        if char == "\\":
            match = _VALID_ESCAPE.match(body, index)
            if match and not (match.group() == '\\"' and match.end() == len(body)):
                out.append(match.group())
                index = match.end()
                continue
            out.append("\\\\")
        else:
            out.append('\\"' if char == '"' else char)
        index += 1
    return "".join(out)


def objects_in(
    text: str, start: int, wanted: Callable[[dict[str, Any]], bool], path: str, repairs: Repairs
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """The complete objects in a damaged document for which `wanted` holds, as (first index, end index, object), outermost first.

    An object that cannot be decoded is entered: complete objects inside it are looked at in turn. Raises InputError on a nesting bomb.
    """
    scan, work, budget = decoder(repairs), 0, _WORK_BUDGET * len(text) + 1_000_000
    index = text.find("{", start)
    while index >= 0:
        end = index + 1
        try:
            value, stop = scan.raw_decode(text, index)
        except RecursionError:
            raise _too_deep(path) from None
        except ValueError as error:
            work += (error.pos if isinstance(error, json.JSONDecodeError) else len(text)) - index + 100
        else:
            if wanted(value):
                end = stop
                yield index, stop, value
            else:
                work += stop - index
        if work > budget:
            repairs.notes.append(Note(f"character {index}", "too much damage: the rest of the file was not read"))
            return
        index = text.find("{", end)


def strings_in(text: str, start: int) -> tuple[list[str], int]:
    """The complete strings of a list of strings that starts (after its bracket) at `start`, and where reading stopped."""
    found: list[str] = []
    index, scan = start, json.JSONDecoder(strict=False)
    while match := _NEXT_STRING.match(text, index):
        try:
            value, index = scan.raw_decode(text, match.end())
        except ValueError:
            break
        found.append(value)
    return found, index


def finite(value: object) -> float | None:
    """A JSON or printed figure as float; None for nan, infinities and what is no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def describe(value: object) -> str:
    """What a JSON document that is not what was asked for looks like, for the one line that refuses it."""
    if isinstance(value, dict):
        keys = set(value)
        if {"Layers", "Bindings"} & keys:
            return "a layer-info file"
        if keys & {"model_options", "performance_summary", "build_options"}:
            return "a metadata file of trex"
        if "traceEvents" in keys:
            return "a trace file"
        names = ", ".join(visible(str(key), 30) for key in list(value)[:4])
        return f"a JSON object with the keys {names}" if names else "an empty JSON object"
    if isinstance(value, list):
        first = next((item for item in value if isinstance(item, dict) and "count" not in item), value[0] if value else None)
        if isinstance(first, dict):
            if "startEnqMs" in first or "latencyMs" in first:
                return "a file of iteration times (--exportTimes)"
            if "timeMs" in first:
                return "a timing profile (--exportProfile)"
            if "LayerType" in first:
                return "a layer-info file"
        return f"a JSON list of {len(value)} items" if value else "an empty JSON list"
    return f"a single JSON {type(value).__name__}"


def _reason(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else "a number with too many digits"


def _place(error: ValueError) -> str | None:
    return f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else None


def _too_deep(path: str) -> InputError:
    return InputError(path, "brackets are nested too deeply", todo="no TensorRT file looks like this; check where it comes from")
