"""Cutting a tensor into blocks that fit the processor's cache and hold whole groups along one axis.

In: a stored tensor, the shape to see it in, an axis. Out: `Block`s, and `BlockReader`, which reads one into a reused buffer.
Next: diagnose/two_four.py counts in them, capture/prune.py changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .onnx_tensor import StoredTensor, TensorReader, unpack

BLOCK_ELEMENTS = 1 << 17
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Block:
    """A box [outer, along, inner] of a tensor seen as [outer, length, inner]: starts and sizes, in elements."""

    outer: int
    outer_count: int
    along: int
    along_count: int
    inner: int
    inner_count: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the box."""
        return self.outer_count, self.along_count, self.inner_count


@dataclass(frozen=True, slots=True)
class View:
    """A tensor seen as [outer, length, inner] around the axis that matters."""

    outer: int
    length: int
    inner: int

    @classmethod
    def along(cls, shape: tuple[int, ...], axis: int) -> View:
        """The view of `shape` around `axis`."""
        return cls(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))

    def blocks(self, group: int = 4) -> Iterator[Block]:
        """Boxes of about BLOCK_ELEMENTS in storage order; `along` starts at multiples of `group`."""
        if not (self.outer and self.length and self.inner):
            return
        size = BLOCK_ELEMENTS
        if self.length * self.inner <= size:
            step = max(1, size // (self.length * self.inner))
            for outer in range(0, self.outer, step):
                yield Block(outer, min(step, self.outer - outer), 0, self.length, 0, self.inner)
            return
        inner_step = self.inner if group * self.inner <= size else size // group
        step = max(group, size // (inner_step * group) * group)
        for outer in range(self.outer):
            for along in range(0, self.length, step):
                for inner in range(0, self.inner, inner_step):
                    yield Block(outer, 1, along, min(step, self.length - along), inner, min(inner_step, self.inner - inner))

    def runs(self, block: Block) -> Iterator[tuple[int, int]]:
        """(first element, elements) of each stretch of the block that is contiguous in storage, in order."""
        if block.inner_count == self.inner:
            yield (block.outer * self.length + block.along) * self.inner, prod(block.shape)
            return
        for along in range(block.along, block.along + block.along_count):
            yield (block.outer * self.length + along) * self.inner + block.inner, block.inner_count


class BlockReader:
    """Reads blocks of one tensor. Arrays returned by `read` are valid until the next `read`."""

    def __init__(self, reader: TensorReader, tensor: StoredTensor, view: View) -> None:
        self.reader, self.tensor, self.view = reader, tensor, view
        self._buffer = np.empty(0, np.uint8)

    def read(self, block: Block) -> Array:
        """The block's elements, flat, as unsigned integers of the type's width; packed types one a byte."""
        bits, elements = self.tensor.element.bits, prod(block.shape)
        if bits < 8:
            return np.concatenate([self._packed(first, count, bits) for first, count in self.view.runs(block)])
        width = bits // 8
        if len(self._buffer) < elements * width:
            self._buffer = np.empty(elements * width, np.uint8)
        target, done = self._buffer.data, 0
        for first, count in self.view.runs(block):
            self.reader.read_into(self.tensor, first * width, target[done : done + count * width])
            done += count * width
        return self._buffer[:done].view(f"<u{width}")

    def _packed(self, first: int, count: int, bits: int) -> Array:
        start, stop = first * bits // 8, ((first + count) * bits + 7) // 8
        packed = np.empty(stop - start, np.uint8)
        self.reader.read_into(self.tensor, start, packed.data)
        skipped = first - start * 8 // bits
        return unpack(packed, bits)[skipped : skipped + count]
