"""Counting 2:4 groups exactly, at more than a gigabyte a second on one core.

In: a stored tensor, the shape to see it in, the axis of the groups. Out: `PatternCount`. Next: weights.py turns it into a verdict.

The rule (NVIDIA's developer guide, "structured sparsity"): of every 4 consecutive values along the reduction axis at least 2 are zero.
The last group is padded with zeros. -0.0 is zero; NaN is not. How it is fast: one pass turns a block into bytes 0/1; two additions of
the block with itself, shifted by one and by two rows, leave in each group's first row how many of the four are not zero.
Long rows are added as rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..parse.onnx_blocks import Array, Block, BlockReader, View
from ..parse.onnx_tensor import StoredTensor, TensorReader

FIRST_VIOLATIONS = 5
# A value of this magnitude (its bits without the sign) or less becomes 0 in FP16: 2**-25 lies halfway between 0 and the smallest subnormal, and ties go to even.
_ROUNDS_TO_FP16_ZERO = {"FLOAT": 0x33000000, "BFLOAT16": 0x3300}
# From this many values in a row on, numpy is as fast on rows as on one long array, and only a quarter as many sums are needed.
_LONG_ROW = 256


@dataclass(frozen=True, slots=True)
class Violation:
    """A group with more than 2 values that are not zero. `index`: of its first element; the group runs `length` elements along the axis."""

    index: tuple[int, ...]
    length: int
    nonzeros: int


@dataclass(slots=True)
class PatternCount:
    """What the groups of one tensor along one axis are.

    `violations_fp16`, `zeros_fp16_adds`: after rounding to FP16 (None unless the values are float32 or bfloat16). `partial_violations`: violations in
    the last, padded group. `violations_by_output`: one count for each index of the output axis. `complete`: False if counting stopped at
    the first violation.
    """

    groups: int = 0
    violations: int = 0
    partial_violations: int = 0
    elements: int = 0
    zeros: int = 0
    violations_fp16: int | None = None
    zeros_fp16_adds: int | None = None
    first: list[Violation] = field(default_factory=list)
    violations_by_output: Array | None = None
    complete: bool = True

    @property
    def conforming(self) -> int:
        """Groups with at least two zeros."""
        return self.groups - self.violations


def count_pattern(
    reader: TensorReader,
    tensor: StoredTensor,
    shape: tuple[int, ...],
    axis: int,
    *,
    output_axis: int | None = None,
    never_zero: Array | None = None,
    stop_at_first: bool = False,
) -> PatternCount:
    """Count the groups of 4 along `axis` of `tensor` seen in `shape`.

    `output_axis`: also count violations per index of this axis. `never_zero`: a boolean array that broadcasts to `shape`; where True, no
    stored value counts as zero (a non-zero zero point). `stop_at_first`: stop at the first block with a violation.
    Raises InputError when the file cannot be read.
    """
    view = View.along(shape, axis)
    blocks = BlockReader(reader, tensor, view)
    result = PatternCount(view.outer * -(-view.length // 4) * view.inner, elements=view.outer * view.length * view.inner)
    counter = _Counter(shape, axis, output_axis, view, result)
    fp16_zero = _ROUNDS_TO_FP16_ZERO.get(tensor.element.name) if never_zero is None else None
    if fp16_zero is not None:
        result.violations_fp16 = result.zeros_fp16_adds = 0
    for block in view.blocks():
        values = blocks.read(block)
        if tensor.element.zero_mask is None:
            nonzero = np.ones(len(values), bool)
        else:
            if tensor.element.zero_mask != (1 << tensor.element.bits) - 1:
                np.bitwise_and(values, values.dtype.type(tensor.element.zero_mask), out=values)
            nonzero = counter.buffer(len(values))
            np.not_equal(values, 0, out=nonzero)
        if never_zero is not None:
            whole = np.broadcast_to(never_zero, shape).reshape(-1) if never_zero.size == 1 else np.broadcast_to(never_zero, shape).flat
            start = 0
            for first, count in view.runs(block):
                nonzero[start : start + count] |= whole[first : first + count]
                start += count
        nonzeros = int(np.count_nonzero(nonzero))
        result.zeros += len(nonzero) - nonzeros
        found = counter.count(block, nonzero)
        if fp16_zero is not None:
            in_fp16 = np.greater(values, fp16_zero)
            added = nonzeros - int(np.count_nonzero(in_fp16))
            assert result.zeros_fp16_adds is not None and result.violations_fp16 is not None
            result.zeros_fp16_adds += added
            result.violations_fp16 += counter.count(block, in_fp16, note=False) if found and added else found
        if found and stop_at_first:
            result.complete = False
            break
    return result


class _Counter:
    """Counts violating groups of one block; notes where they are, in `result`."""

    def __init__(self, shape: tuple[int, ...], axis: int, output_axis: int | None, view: View, result: PatternCount) -> None:
        self.shape, self.axis, self.view, self.result = shape, axis, view, result
        self._nonzero = np.empty(0, bool)
        self._padded = np.empty(0, np.uint8)
        self._sums = np.empty(0, np.uint8)
        self._over = np.empty(0, bool)
        self._limits: dict[int, Array] = {}
        self._output: tuple[bool, int, int] | None = None
        if output_axis is not None and output_axis != axis and result.elements:
            before = output_axis < axis
            after = shape[output_axis + 1 : axis] if before else shape[output_axis + 1 :]
            self._output = before, int(np.prod(after, dtype=np.int64)), shape[output_axis]
            result.violations_by_output = np.zeros(shape[output_axis], np.int64)

    def buffer(self, elements: int) -> Array:
        """A reused boolean array."""
        if len(self._nonzero) < elements:
            self._nonzero = np.empty(elements, bool)
        return self._nonzero[:elements]

    def count(self, block: Block, nonzero: Array, *, note: bool = True) -> int:
        """Number of violating groups; with `note`, add them to the result."""
        outer, along, inner = block.shape
        rows = -(-along // 4) * 4
        values = nonzero.view(np.uint8)
        if rows != along:
            self._padded = np.zeros(outer * rows * inner, np.uint8)
            self._padded.reshape(outer, rows, inner)[:, :along] = values.reshape(outer, along, inner)
            values = self._padded
        if inner == 1:
            # Four bytes 0/1 in one 32-bit word: the multiplication leaves their sum in its top byte.
            words = values.view("<u4") * np.uint32(0x01010101)
            over = words >= np.uint32(3 << 24)
            found = int(np.count_nonzero(over))
            if found and note:
                self._note(block, over.reshape(outer, rows // 4, 1), found, words >> np.uint32(24))
            return found
        if inner >= _LONG_ROW:
            four_rows = values.reshape(-1, 4, inner)
            fours = four_rows[:, 0] + four_rows[:, 1]
            fours += four_rows[:, 2]
            fours += four_rows[:, 3]
            over = fours > 2
            found = int(np.count_nonzero(over))
            if found and note:
                self._note(block, over.reshape(outer, rows // 4, inner), found, fours.reshape(-1))
            return found
        size = len(values)
        if len(self._sums) < size:
            self._sums, self._over, self._limits = np.empty(size, np.uint8), np.empty(size, bool), {}
        pairs = self._sums[: size - inner]
        np.add(values[:-inner], values[inner:], out=pairs)
        usable = size - 3 * inner
        fours = np.add(pairs[:usable], pairs[2 * inner : 2 * inner + usable], out=values[:usable])
        over = self._over[:size]
        np.greater(fours, self._limit(inner)[:usable], out=over[:usable])
        found = int(np.count_nonzero(over[:usable]))
        if found and note:
            over[usable:] = False
            self._note(block, over.reshape(outer, rows // 4, 4 * inner), found, fours)
        return found

    def _limit(self, inner: int) -> Array:
        """2 in each group's first row, and in the others, whose sums mean nothing, more than any sum."""
        limit = self._limits.get(inner)
        if limit is None:
            limit = self._limits[inner] = np.where((np.arange(len(self._sums)) // inner % 4) == 0, 2, 255).astype(np.uint8)
        return limit

    def _note(self, block: Block, over: Array, found: int, nonzeros: Array) -> None:
        """`over`: True at the first value of each violating group, [outer, groups along the axis, a group's values]; `nonzeros`: flat,
        beside it."""
        result, view, inner = self.result, self.view, block.inner_count
        result.violations += found
        if view.length % 4 and block.along + block.along_count == view.length:
            result.partial_violations += int(np.count_nonzero(over[:, -1]))
        if self._output is not None and result.violations_by_output is not None:
            before, stride, size = self._output
            if before:
                # Counting one contiguous row at a time is many times faster than a sum over an axis.
                counts = np.array([np.count_nonzero(row) for row in over]) if over[0].size > 64 else over.sum(axis=(1, 2))
                at = (block.outer + np.arange(len(counts))) // stride % size
            else:
                counts = over.reshape(-1, over.shape[2])[:, :inner].sum(axis=0)
                at = (block.inner + np.arange(inner)) // stride % size
            np.add.at(result.violations_by_output, at, counts)
        wanted = FIRST_VIOLATIONS - len(result.first)
        for place in np.flatnonzero(over)[:wanted].tolist() if wanted else ():
            group, within = divmod(place, over.shape[2])
            outer, along = block.outer + group // over.shape[1], block.along + group % over.shape[1] * 4
            flat = (outer * view.length + along) * view.inner + block.inner + within
            index = tuple(int(i) for i in np.unravel_index(flat, self.shape))
            result.first.append(Violation(index, min(4, view.length - along), int(nonzeros[place])))


def conforms_along(reader: TensorReader, tensor: StoredTensor, shape: tuple[int, ...], axis: int, never_zero: Array | None = None) -> bool:
    """Whether every group along `axis` conforms; stops at the first block in which one does not."""
    return count_pattern(reader, tensor, shape, axis, never_zero=never_zero, stop_at_first=True).violations == 0
