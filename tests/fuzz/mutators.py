"""Mutations that know lines and JSON: flipping bytes alone seldom leaves a document whole enough to reach the code behind the reader.

In: an input and a seed. Out: another input. Next: run.py gives them to libFuzzer beside its own byte mutations.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

_ODD_WORDS = (
    b"", b"0", b"-1", b"1e308", b"1e999", b"nan", b"inf", b"-inf", b"0x0", b"0xffffffffffffffff", b"0x1ffffffffffffffff", b"18446744073709551616",
    b"99999999999999999999", b"\0", b"\xff", b"\xe2\x80\xae", b"[profile 1]", b"(foreignNode)", b"->", b",", b":", b"{", b"}", b"[", b"]", b"***",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63), 10**400, float("inf"), float("nan"), "", "0x", "0xg", "nan", "\ud800", "\u202e", [], {},
    [None], [[]], {"": None}, [1, 2, 3], "Half(1,2)", "1e999", "x" * 300,
)  # fmt: skip


def lines(data: bytes, rng: random.Random) -> bytes:
    """Drop, double, swap, cut, join or move lines, or replace a word in one."""
    rows = data.split(b"\n")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, other = rng.randrange(len(rows)), rng.randrange(len(rows))
        match rng.randrange(8):
            case 0 if len(rows) > 1:
                del rows[at]
            case 1:
                rows.insert(other, rows[at])
            case 2:
                rows[at], rows[other] = rows[other], rows[at]
            case 3:
                rows[at] = rows[at][: rng.randrange(len(rows[at]) + 1)]
            case 4:
                rows[at] = rows[at][rng.randrange(len(rows[at]) + 1) :]
            case 5:
                rows[at] += rows[other]
            case 6:
                first, last = sorted((at, other))
                block = rows[first : min(last, first + 30)]
                del rows[first : first + len(block)]
                place = rng.randrange(len(rows) + 1)
                rows[place:place] = block
                rows = rows or [b""]
            case _:
                words = rows[at].split(b" ")
                borrowed = rows[other].split(b" ")
                words[rng.randrange(len(words))] = rng.choice(_ODD_WORDS) if rng.random() < 0.5 else rng.choice(borrowed)
                rows[at] = b" ".join(words)
    return b"\n".join(rows)


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            _places(value[key], found)


def document(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove, double or move values of a JSON document; bytes that are none are treated as lines."""
    try:
        root = json.loads(data)
        places: list[tuple[Any, Any]] = []
        _places(root, places)
    except (ValueError, RecursionError):
        return lines(data, rng)
    if not places:
        return lines(data, rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder, key = rng.choice(places)
        giver, given = rng.choice(places)
        try:
            match rng.randrange(5):
                case 0:
                    del holder[key]
                case 1:
                    holder[key] = giver[given]
                case 2 if isinstance(holder, list):
                    holder.insert(key, giver[given])
                case 3 if isinstance(holder, dict):
                    holder[rng.choice(("", "x", str(given)))] = holder.pop(key)
                case _:
                    holder[key] = rng.choice(_ODD_VALUES)
        except (KeyError, IndexError):
            continue  # an earlier change took the place away
    try:
        return json.dumps(root).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # a value was put inside itself
        return lines(data, rng)


def capture(data: bytes, rng: random.Random) -> bytes:
    """One of the texts of a capture, by its kind."""
    from .targets import SEPARATOR

    parts = data.split(SEPARATOR)
    at = rng.randrange(len(parts))
    parts[at] = (document if parts[at].lstrip()[:1] in (b"{", b"[") else lines)(parts[at], rng)
    return SEPARATOR.join(parts)


MUTATORS: dict[str, Mutator] = {
    "build_log": lines, "layer_info": document, "timing_profile": document, "trex_metadata": document, "format_combination": lines,
    "engine_lines": lines, "kernel_names": lines, "kernel_trace": lines, "manifest": document, "explain": capture,
}  # fmt: skip
