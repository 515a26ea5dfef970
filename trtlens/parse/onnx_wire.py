"""ONNX files by their protobuf wire format: the graph without the weights, and rewriting without parsing the weights.

In: the mapped bytes of an .onnx file. Out: a small copy of the model in which every large tensor is a pointer into the file
(`skeleton`), or the pieces of a new file with some tensors changed (`rewrite`). Next: onnx_tensor.py reads what the pointers point at.

WHY not `onnx.load`: protobuf copies every inline weight at least twice, so a 1 GB model needs 2 to 3 GB of memory before the first check.
Here only the headers of large fields are touched. Field numbers are those of onnx.proto (stable since ONNX 1.0; functions since 1.10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 100
_SMALL = 512

# message kind -> field number -> kind of the message in that field
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse_tensor"},
    "sparse_tensor": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse_tensor", 23: "sparse_tensor"},
}
_FLOAT_DATA, RAW_DATA, _DOUBLE_DATA, EXTERNAL_DATA = 4, 9, 10, 13
TYPED_FIELDS = frozenset({4, 5, 6, 7, 10, 11})

Piece = bytes | tuple[int, int]
"""Bytes of the new file: literal, or (offset, length) in the old one."""


class WireError(ValueError):
    """The bytes are not a protobuf message of the expected kind. `offset`: where in the file."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class TensorEdit:
    """What `rewrite` does to one TensorProto: leave out these fields, append these bytes."""

    drop: frozenset[int]
    append: bytes


def skeleton(data: memoryview, marker: str, *, mark_all: bool = False) -> bytes:
    """A parseable model whose tensors of more than 512 bytes hold no data.

    Each tensor so treated gets an `external_data` entry with the key `marker` (pick one nobody can guess) and the value
    `message_offset,data_offset,data_bytes`. With `mark_all` every tensor is marked; one without raw bytes (typed or external data) has
    `-1,0` for the last two. Raises WireError.
    """
    out: list[bytes] = []
    _skeleton(data, "model", 0, len(data), marker, mark_all, out, 0)
    return b"".join(out)


def rewrite(data: memoryview, edits: Mapping[int, TensorEdit]) -> list[Piece]:
    """The pieces of a new file equal to `data` but for the tensors whose message offset is a key of `edits`."""
    return _rewrite(data, "model", 0, len(data), edits, 0)[0]


def bytes_field(number: int, value: bytes) -> bytes:
    """One length-delimited field on the wire."""
    return varint(number << 3 | _BYTES) + varint(len(value)) + value


def entry_field(number: int, key: str, value: str) -> bytes:
    """One StringStringEntryProto field on the wire."""
    return bytes_field(number, bytes_field(1, key.encode()) + bytes_field(2, value.encode()))


def varint(value: int) -> bytes:
    """`value` as a protobuf base-128 varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            break
    raise WireError("a number runs past its end", at)


def _fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(field number, wire type, start of the tag, start of the value, end of the value) for each field of a message."""
    at = start
    while at < end:
        tag_at = at
        tag, at = _read_varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        value_at = at
        if wire == _BYTES:
            length, value_at = _read_varint(data, at, end)
            at = value_at + length
        elif wire == _VARINT:
            _, at = _read_varint(data, at, end)
        elif wire == _FIXED64:
            at += 8
        elif wire == _FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {wire} does not belong in an ONNX file", tag_at)
        if number == 0 or at > end:
            raise WireError("a field ends after the message that holds it" if number else "field number 0", tag_at)
        yield number, wire, tag_at, value_at, at


def _skeleton(data: memoryview, kind: str, start: int, end: int, marker: str, mark_all: bool, out: list[bytes], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise WireError(f"graphs nest deeper than {_MAX_DEPTH}", start)
    if kind == "tensor":
        _skeleton_tensor(data, start, end, marker, mark_all, out)
        return
    children = _CHILDREN[kind]
    copied = start
    for number, wire, tag_at, value_at, value_end in _fields(data, start, end):
        child = children.get(number)
        if child is None or wire != _BYTES or (not mark_all and value_end - value_at <= _SMALL):
            continue
        out.append(bytes(data[copied:tag_at]))
        inner: list[bytes] = []
        _skeleton(data, child, value_at, value_end, marker, mark_all, inner, depth + 1)
        out.append(bytes_field(number, b"".join(inner)))
        copied = value_end
    out.append(bytes(data[copied:end]))


def _skeleton_tensor(data: memoryview, start: int, end: int, marker: str, mark_all: bool, out: list[bytes]) -> None:
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for number, wire, tag_at, value_at, value_end in _fields(data, start, end):
        # A packed float_data or double_data field is little-endian on the wire: the same bytes as raw_data.
        if number in (RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA) and wire in (_BYTES, _FIXED32, _FIXED64):
            spans.setdefault(number, []).append((tag_at, value_at if wire == _BYTES else -1, value_end))
    only = next(iter(spans.values())) if len(spans) == 1 else []
    tag_at, value_at, value_end = only[0] if len(only) == 1 and only[0][1] >= 0 else (end, -1, -1)
    size = value_end - value_at
    if size > _SMALL:
        out.append(bytes(data[start:tag_at]))
        out.append(bytes(data[value_end:end]))
    else:
        out.append(bytes(data[start:end]))
    if size > _SMALL or mark_all:
        out.append(entry_field(EXTERNAL_DATA, marker, f"{start},{value_at},{size}"))


def _rewrite(data: memoryview, kind: str, start: int, end: int, edits: Mapping[int, TensorEdit], depth: int) -> tuple[list[Piece], int]:
    if depth > _MAX_DEPTH:
        raise WireError(f"graphs nest deeper than {_MAX_DEPTH}", start)
    pieces: list[Piece] = []
    copied, size = start, 0
    edit = edits.get(start) if kind == "tensor" else None
    children = _CHILDREN.get(kind, {})
    keep: Callable[[int], bool] = (lambda number: number not in edit.drop) if edit else (lambda number: True)
    if kind == "tensor" and edit is None:
        return [(start, end - start)], end - start
    for number, wire, tag_at, value_at, value_end in _fields(data, start, end):
        if keep(number) and (number not in children or wire != _BYTES):
            continue
        if tag_at > copied:
            pieces.append((copied, tag_at - copied))
            size += tag_at - copied
        copied = value_end
        if keep(number):
            inner, inner_size = _rewrite(data, children[number], value_at, value_end, edits, depth + 1)
            head = varint(number << 3 | _BYTES) + varint(inner_size)
            pieces += [head, *inner]
            size += len(head) + inner_size
    if end > copied:
        pieces.append((copied, end - copied))
        size += end - copied
    if edit and edit.append:
        pieces.append(edit.append)
        size += len(edit.append)
    return pieces, size
