"""Where a weight's bytes stand and how to read them a block at a time.

In: a TensorProto of a skeleton (onnx_wire.py). Out: `StoredTensor`, and `TensorReader` that fills a caller's buffer. Next: onnx_model.py.

WHY blocks are read into one small buffer and not memory-mapped: mapped pages count into the process's memory, and a file that another
program shortens meanwhile kills a process that has it mapped (SIGBUS); a short read is an error that can be told. From the page cache,
reading into a buffer that stays in the processor's cache costs about as much as mapping does.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class ElementType:
    """How one ONNX element type stands in memory. `zero_mask`: the bits that must be 0 for the value to be 0 (a float's sign is left out).

    `bits` < 8: packed, first element in the low bits (onnx.proto, TensorProto.DataType). `zero_mask` None: the type has no zero.
    """

    name: str
    bits: int
    zero_mask: int | None

    def bytes_for(self, elements: int) -> int:
        """Bytes that `elements` values take."""
        return (elements * self.bits + 7) // 8


def _types() -> dict[int, ElementType]:
    # (number, name, bits, zero mask): the numbers are those of TensorProto.DataType. FNUZ types have no negative zero: 0x80 is NaN.
    rows = [
        (1, "FLOAT", 32, 0x7FFFFFFF), (2, "UINT8", 8, 0xFF), (3, "INT8", 8, 0xFF), (4, "UINT16", 16, 0xFFFF), (5, "INT16", 16, 0xFFFF),
        (6, "INT32", 32, 0xFFFFFFFF), (7, "INT64", 64, (1 << 64) - 1), (9, "BOOL", 8, 0xFF), (10, "FLOAT16", 16, 0x7FFF),
        (11, "DOUBLE", 64, (1 << 63) - 1), (12, "UINT32", 32, 0xFFFFFFFF), (13, "UINT64", 64, (1 << 64) - 1), (16, "BFLOAT16", 16, 0x7FFF),
        (17, "FLOAT8E4M3FN", 8, 0x7F), (18, "FLOAT8E4M3FNUZ", 8, 0xFF), (19, "FLOAT8E5M2", 8, 0x7F), (20, "FLOAT8E5M2FNUZ", 8, 0xFF),
        (21, "UINT4", 4, 0xF), (22, "INT4", 4, 0xF), (23, "FLOAT4E2M1", 4, 0x7), (24, "FLOAT8E8M0", 8, None),
        (25, "UINT2", 2, 0x3), (26, "INT2", 2, 0x3),
    ]  # fmt: skip
    return {number: ElementType(name, bits, mask) for number, name, bits, mask in rows}


ELEMENT_TYPES = _types()
MAX_RANK = 32
"""Dimensions at most: numpy 1.x allows no more (TensorRT itself takes 8)."""
Storage = Literal["inline", "external", "typed"]


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A constant tensor as the file holds it.

    `storage`: "inline" (raw bytes in the .onnx file), "external" (in another file) or "typed" (int32_data and the
    like, decoded into `data`). `path`, `offset`: where `nbytes` bytes stand, unless `data` holds them.
    `message_offset`: where the TensorProto starts in the .onnx file, known when the model was read for rewriting.
    """

    name: str
    element: ElementType
    shape: tuple[int, ...]
    storage: Storage
    nbytes: int
    path: Path | None
    offset: int
    data: bytes | None = None
    message_offset: int | None = None

    @property
    def elements(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two tensors that share their bytes."""
        return (self.path, self.offset, self.nbytes) if self.data is None else (self.name, self.data)


class TensorSource:
    """Turns TensorProtos of one model into StoredTensors. `path`: the .onnx file as the user named it."""

    def __init__(self, path: Path, marker: str) -> None:
        self.path, self.marker = path, marker
        self.folder = path.parent.resolve()
        self._sizes: dict[str, tuple[Path, int]] = {}

    def stored(self, proto: Any, name: str) -> StoredTensor:
        """The tensor, with every bound checked. Raises InputError for a missing, short or outlying data file and a wrong size."""
        element = ELEMENT_TYPES.get(proto.data_type)
        shape = tuple(proto.dims)
        if element is None:
            raise InputError(str(self.path), f"the weight has data type {proto.data_type}, which is no number", where=f"tensor {name!r}")
        if len(shape) > MAX_RANK or any(dim < 0 for dim in shape):
            what = f"{len(shape)} dimensions" if len(shape) > MAX_RANK else f"the impossible shape {list(shape)}"
            raise InputError(str(self.path), f"the weight has {what}", where=f"tensor {name!r}")
        needed = element.bytes_for(prod(shape))
        entries = external_entries(proto, str(self.path))
        mark = entries.pop(self.marker, None)
        message_offset, data_offset, data_bytes = map(int, mark.split(",")) if mark else (None, -1, 0)
        if proto.data_location == 1:
            location, offset = self._external(entries, name, needed)
            return StoredTensor(name, element, shape, "external", needed, location, offset, None, message_offset)
        if data_offset is not None and data_offset >= 0:
            self._check_size(name, needed, data_bytes)
            return StoredTensor(name, element, shape, "inline", needed, self.path, data_offset, None, message_offset)
        data = bytes(proto.raw_data) or _typed_bytes(proto, element)
        self._check_size(name, needed, len(data))
        return StoredTensor(name, element, shape, "typed" if not proto.raw_data else "inline", needed, None, 0, data, message_offset)

    def external_file(self, location: str, name: str) -> tuple[Path, int]:
        """The resolved path and size of an external data file that lies inside the model's folder."""
        if location in self._sizes:
            return self._sizes[location]
        where = f"tensor {name!r}"
        todo = "put the data file beside the model and name it by a relative path"
        windows, posix = PureWindowsPath(location), PurePosixPath(location)
        if not location or "\0" in location or windows.is_absolute() or windows.drive or posix.is_absolute():
            raise InputError(str(self.path), f"external data {location!r} is not a path inside the model's folder", where=where, todo=todo)
        target = self.folder / location
        try:
            resolved = target.resolve()
            inside = resolved.is_relative_to(self.folder)
            if inside and not resolved.is_file():
                raise FileNotFoundError(location)
            size = resolved.stat().st_size if inside else 0
        except (OSError, RuntimeError) as error:
            raise InputError(
                str(self.path), f"external data file {location!r} is missing or not readable", where=where, todo="copy it beside the model"
            ) from error
        if not inside:
            raise InputError(str(self.path), f"external data {location!r} points outside the model's folder", where=where, todo=todo)
        self._sizes[location] = resolved, size
        return resolved, size

    def _external(self, entries: dict[str, str], name: str, needed: int) -> tuple[Path, int]:
        location = entries.get("location", "")
        path, size = self.external_file(location, name)
        try:
            offset, length = int(entries.get("offset") or 0), int(entries.get("length") or needed)
        except ValueError:
            raise InputError(str(self.path), "external data offset or length is not a number", where=f"tensor {name!r}") from None
        self._check_size(name, needed, length)
        if offset < 0 or offset + needed > size:
            what = f"external data file {location!r} ends at byte {size:,}, but the tensor needs {offset:,} to {offset + needed:,}"
            raise InputError(str(self.path), what, where=f"tensor {name!r}", todo="copy the whole data file again")
        return path, offset

    def _check_size(self, name: str, needed: int, held: int) -> None:
        if needed != held:
            what = f"the weight's shape needs {needed:,} bytes and the file gives {held:,}"
            raise InputError(str(self.path), what, where=f"tensor {name!r}", todo="export the model again")


def external_entries(proto: Any, path: str) -> dict[str, str]:
    """Keys and values of a TensorProto's external_data. Raises InputError for text that is not UTF-8, which protobuf gives as bytes."""
    entries = {entry.key: entry.value for entry in proto.external_data}
    if any(isinstance(text, bytes) for pair in entries.items() for text in pair):
        raise InputError(path, "external data of a tensor is named in something else than UTF-8", where=f"tensor {proto.name!r}")
    return entries


def _typed_bytes(proto: Any, element: ElementType) -> bytes:
    """The bytes raw_data would hold, from float_data, int32_data, int64_data, double_data or uint64_data."""
    if proto.int32_data:
        width = np.dtype(f"u{max(element.bits, 8) // 8}")
        return np.array(proto.int32_data, dtype=np.int32).astype(width).tobytes()
    for values, dtype in ((proto.float_data, "<f4"), (proto.double_data, "<f8"), (proto.int64_data, "<i8")):
        if values:
            return np.array(values, dtype=dtype).tobytes()
    if proto.uint64_data:
        return np.array(proto.uint64_data, dtype=np.uint64).astype(f"<u{element.bits // 8}").tobytes()
    return b""


class TensorReader:
    """Reads ranges of stored tensors; keeps one file open. Use as a context manager."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> TensorReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the open file, if any."""
        if self._file is not None:
            self._file.close()
        self._path = self._file = None

    def read_into(self, tensor: StoredTensor, start: int, target: memoryview) -> None:
        """Fill `target` with the tensor's bytes from byte `start` on. Raises InputError if the file is shorter than it was."""
        if tensor.data is not None:
            target[:] = tensor.data[start : start + len(target)]
            return
        if self._file is None or self._path != tensor.path:
            self.close()
            assert tensor.path is not None
            try:
                self._file = FileIO(str(tensor.path), "rb")
            except OSError as error:
                raise InputError(str(tensor.path), f"cannot be read: {error.strerror}") from error
            self._path = tensor.path
        self._file.seek(tensor.offset + start)
        done = 0
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                raise InputError(str(tensor.path), "became shorter while it was read", where=f"tensor {tensor.name!r}")
            done += count


def read_array(tensor: StoredTensor) -> np.ndarray[Any, np.dtype[Any]]:
    """A small tensor (zero points, scales, shapes) whole: unsigned integers of its width, packed types unpacked; shape as stored."""
    buffer = np.empty(tensor.nbytes, np.uint8)
    with contextlib.closing(TensorReader()) as reader:
        reader.read_into(tensor, 0, buffer.data)
    if tensor.element.bits < 8:
        return unpack(buffer, tensor.element.bits)[: tensor.elements].reshape(tensor.shape)
    return buffer.view(f"<u{tensor.element.bits // 8}").reshape(tensor.shape)


def unpack(packed: np.ndarray[Any, np.dtype[np.uint8]], bits: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Values of 4 or 2 bits, one a byte, in order: the first value of a byte stands in its low bits."""
    per_byte = 8 // bits
    out = np.empty((len(packed), per_byte), np.uint8)
    for place in range(per_byte):
        np.bitwise_and(packed >> (place * bits), (1 << bits) - 1, out=out[:, place])
    return out.reshape(-1)
