"""`trtlens prune`: make a model's weights 2:4 by magnitude, for timing experiments. Accuracy is not kept.

In: an .onnx file and the path of a new one. Out: the new file (with its data file when the weights are external) and `PruneResult`.
Next: cli.py prints `PruneResult.message`.

The new .onnx file is the old one byte for byte, but for the weights that changed, typed fields (int32_data …) that become raw_data, and
the names of the data files. Weights are changed a block at a time in the copy, so memory does not grow with the model. A weight that
operators use along different axes is pruned along each in turn: pruning only adds zeros, so what conforms along the first axis still
does after the second.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, UsageError
from ..parse.onnx_blocks import Array, BlockReader, View
from ..parse.onnx_model import OnnxModel, WeightUse, read_model
from ..parse.onnx_tensor import ElementType, StoredTensor, TensorReader, external_entries
from ..parse.onnx_wire import EXTERNAL_DATA, RAW_DATA, TYPED_FIELDS, Piece, TensorEdit, bytes_field, entry_field, rewrite
from ..signals import HeldSignals, TemporaryFolder
from ..text import said_of
from .model_files import tensors

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class PrunedWeight:
    """One stored weight: the operators that use it, the axes (of its stored or reshaped form) it was pruned along, values set to zero."""

    weight: str
    nodes: tuple[str, ...]
    axes: tuple[int, ...]
    elements: int
    values_zeroed: int


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was written. `skipped`: (operator, why its weight was left alone). `data_files`: external data, beside `path`."""

    path: Path
    data_files: tuple[Path, ...]
    weights: tuple[PrunedWeight, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def message(self) -> str:
        """What the user must know, loudest first."""
        zeroed = sum(weight.values_zeroed for weight in self.weights)
        files = ", ".join(str(path) for path in (self.path, *self.data_files))
        lines = [
            "ACCURACY IS NOT KEPT: the smallest two of every four weights were set to zero, without retraining. "
            "Use this model to measure time only.",
            f"Wrote {files}: {said_of(len(self.weights), '# weight', '# weights')} made 2:4, {said_of(zeroed, '# value', '# values')} set to zero.",
        ]
        shared = [weight for weight in self.weights if len(weight.axes) > 1]
        if shared:
            these = said_of(len(shared), "# weight is used along two axes and was", "# weights are used along two axes and were")
            lines.append(f"{these} pruned along both: over half of the values are zero.")
        if self.skipped:
            left = said_of(len(self.skipped), "1 operator was left as it is (", "# operators were left as they are (for example ")
            lines.append(f"{left}{self.skipped[0][0]}: {self.skipped[0][1]}).")
        return "\n".join(lines)


@dataclass(slots=True)
class _Job:
    """A stored tensor to prune, and along which axes of which view."""

    tensor: StoredTensor
    nodes: list[str]
    views: list[tuple[tuple[int, ...], int]]


def prune_model(source: str | Path, target: str | Path) -> PruneResult:
    """Write `target`, a copy of `source` whose weights are 2:4 where TensorRT looks.

    Raises UsageError when the target or its data file exists, InputError for an unreadable model (see parse.onnx_model.read_model) or when
    the target cannot be written. Nothing is left behind on failure.
    """
    source, target = Path(source), Path(target)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: exists already, and prune overwrites nothing; name another file")
    if not target.parent.is_dir():
        raise UsageError(f"{target}: the folder {target.parent} does not exist")
    model = read_model(source, mark_all=True)
    jobs, skipped = _plan(model)
    renamed = _renamed(model, target)
    for path in renamed.values():
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path}: exists already, and prune overwrites nothing; name another file")
    try:
        with TemporaryFolder(f".{target.name[:40]}.", target.parent) as folder:
            weights = _write(model, jobs, renamed, target, folder)
            _publish(folder, (*renamed.values(), target))
    except OSError as error:
        raise InputError(str(target), f"cannot be written: {error.strerror or error}") from error
    return PruneResult(target, tuple(renamed.values()), tuple(weights), tuple(skipped))


def _plan(model: OnnxModel) -> tuple[list[_Job], list[tuple[str, str]]]:
    jobs: dict[object, _Job] = {}
    skipped: list[tuple[str, str]] = []
    for use in model.uses:
        why = _why_not(use)
        if why is not None:
            skipped.append((use.node, why))
            continue
        tensor = use.values
        assert tensor is not None and use.view_shape is not None and use.axis is not None
        key = tensor.message_offset if tensor.path is None else (tensor.path, tensor.offset)
        job = jobs.setdefault(key, _Job(tensor, [], []))
        job.nodes.append(use.node)
        if (use.view_shape, use.axis) not in job.views:
            job.views.append((use.view_shape, use.axis))
    return list(jobs.values()), skipped


def _why_not(use: WeightUse) -> str | None:
    """Why pruning this weight would not make the operator eligible; None when it would."""
    if use.ends == "runtime":
        return "its weights are computed at run time"
    if use.ends == "computed":
        return f"its weights are computed by {use.ends_at}"
    if not use.takes_groups:
        return f"a grouped {use.operator}" if use.groups > 1 else f"no sparse implementation of {use.operator} is known"
    if use.axis is None:
        return "its reduction axis cannot be followed to the stored tensor"
    if use.odd_type is not None:
        return f"no sparse kernel for {use.odd_type} is known"
    if use.never_zero is not None:
        return "its zero point is not 0, so no stored value means zero"
    if use.zero_mover is not None:
        return f"{use.zero_mover.operator} would move the zeros"
    return None


def _renamed(model: OnnxModel, target: Path) -> dict[Path, Path]:
    """For each external data file of the model, the new file beside the target."""
    source = model.loaded.source
    files: dict[Path, None] = {}
    for proto in tensors(model.loaded.model):
        if proto.data_location == 1:
            location = external_entries(proto, str(model.path)).get("location", "")
            files[source.external_file(location, proto.name)[0]] = None
    suffixes = [".data"] if len(files) == 1 else [f".data.{number}" for number in range(len(files))]
    return {path: target.with_name(target.name + suffix) for path, suffix in zip(files, suffixes, strict=True)}


def _write(model: OnnxModel, jobs: Sequence[_Job], renamed: dict[Path, Path], target: Path, folder: Path) -> list[PrunedWeight]:
    """Write all new files into `folder`, under their final names."""
    loaded = model.loaded
    edits: dict[int, TensorEdit] = {}
    weights: list[PrunedWeight] = []
    for proto in tensors(model.loaded.model):
        if proto.data_location == 1:
            entries = external_entries(proto, str(model.path))
            path = renamed[loaded.source.external_file(entries.get("location", ""), proto.name)[0]]
            kept = [(key, entries[key]) for key in ("offset", "length") if key in entries]
            append = b"".join(entry_field(EXTERNAL_DATA, key, value) for key, value in [("location", path.name), *kept])
            edits[int(entries[loaded.source.marker].split(",")[0])] = TensorEdit(frozenset({EXTERNAL_DATA}), append)
    in_files = [job for job in jobs if job.tensor.path is not None]
    for job in jobs:
        if job.tensor.path is None:
            assert job.tensor.message_offset is not None and job.tensor.data is not None
            data, zeroed = _prune_bytes(job.tensor, job.views)
            edits[job.tensor.message_offset] = TensorEdit(TYPED_FIELDS, bytes_field(RAW_DATA, data))
            weights.append(_pruned(job, zeroed))
    with model.path.open("rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            pieces = rewrite(view, edits)
        starts, written = _copy_pieces(file, pieces, folder / target.name)
    for old, new in renamed.items():
        shutil.copyfile(old, folder / new.name)
    with TensorReader() as reader:
        for job in in_files:
            assert job.tensor.path is not None
            if job.tensor.storage == "external":
                copy = replace(job.tensor, path=folder / renamed[job.tensor.path].name)
            else:
                place = bisect_right(starts, job.tensor.offset) - 1
                copy = replace(job.tensor, path=folder / target.name, offset=written[place] + job.tensor.offset - starts[place])
            weights.append(_pruned(job, sum(_prune_in_place(reader, copy, shape, axis) for shape, axis in job.views)))
    return weights


def _pruned(job: _Job, zeroed: int) -> PrunedWeight:
    axes = tuple(dict.fromkeys(axis for _, axis in job.views))
    return PrunedWeight(job.tensor.name, tuple(job.nodes), axes, job.tensor.elements, zeroed)


def _copy_pieces(file: Any, pieces: Sequence[Piece], path: Path) -> tuple[list[int], list[int]]:
    """Write the pieces; (where each range of the old file started in it, where it starts in the new one), in order."""
    starts: list[int] = []
    written: list[int] = []
    with path.open("xb") as out:
        for piece in pieces:
            if isinstance(piece, bytes):
                out.write(piece)
                continue
            start, left = piece
            starts.append(start)
            written.append(out.tell())
            file.seek(start)
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise InputError(file.name, "became shorter while it was read")
                out.write(chunk)
                left -= len(chunk)
    return starts, written


def _prune_in_place(reader: TensorReader, tensor: StoredTensor, shape: tuple[int, ...], axis: int) -> int:
    """Prune a tensor inside its file, a block at a time; the number of values set to zero."""
    view = View.along(shape, axis)
    blocks = BlockReader(reader, tensor, view)
    width, zeroed = tensor.element.bits // 8, 0
    with FileIO(str(tensor.path), "r+b") as out:
        for block in view.blocks():
            values = blocks.read(block)
            drop = to_drop(values.reshape(block.shape), tensor.element).reshape(-1)
            changed = int(np.count_nonzero(drop))
            if not changed:
                continue
            zeroed += changed
            values[drop] = 0
            data, done = values.view(np.uint8).data, 0
            for first, count in view.runs(block):
                out.seek(tensor.offset + first * width)
                while count:
                    # A raw file may take less than it is given.
                    taken = out.write(data[done : done + count * width]) // width
                    done, count, first = done + taken * width, count - taken, first + taken
                    out.seek(tensor.offset + first * width)
    reader.close()
    return zeroed


def _prune_bytes(tensor: StoredTensor, views: Sequence[tuple[tuple[int, ...], int]]) -> tuple[bytes, int]:
    assert tensor.data is not None
    values = np.frombuffer(bytearray(tensor.data), f"<u{tensor.element.bits // 8}")
    zeroed = 0
    for shape, axis in views:
        view = View.along(shape, axis)
        drop = to_drop(values.reshape(view.outer, view.length, view.inner), tensor.element).reshape(-1)
        zeroed += int(np.count_nonzero(drop))
        values[drop] = 0
    return values.tobytes(), zeroed


def to_drop(values: Array, element: ElementType) -> Array:
    """Which values must become zero so that at most two of every four along axis 1 of [outer, length, inner] are not: the smallest.

    Ties keep the earlier value. NaN counts as the largest magnitude. A group that conforms loses nothing.
    """
    outer, length, inner = values.shape
    if element.name == "INT8":
        # -128 has no positive twin in 8 bits.
        magnitude: Array = np.abs(values.view(np.int8).astype(np.int16))
    else:
        # Without the sign, the bits of IEEE numbers order as their magnitudes do.
        magnitude = np.bitwise_and(values, values.dtype.type(element.zero_mask))
    rows = -(-length // 4) * 4
    if rows != length:
        padded = np.zeros((outer, rows, inner), magnitude.dtype)
        padded[:, :length] = magnitude
        magnitude = padded
    groups = magnitude.reshape(outer, rows // 4, 4, inner)
    ahead = np.zeros(groups.shape, np.uint8)
    for first in range(4):
        for second in range(first + 1, 4):
            larger = groups[:, :, first] >= groups[:, :, second]
            ahead[:, :, second] += larger
            ahead[:, :, first] += ~larger
    drop: Array = (ahead >= 2) & (groups != 0)
    return drop.reshape(outer, rows, inner)[:, :length]


def _publish(folder: Path, finals: Sequence[Path]) -> None:
    """Move the finished files to their names, the model last; replace none that appeared meanwhile, and take back all if one fails."""
    done: list[Path] = []
    try:
        for final in finals:
            made = folder / final.name
            with made.open("rb+") as file:
                os.fsync(file.fileno())
            with HeldSignals():
                try:
                    os.link(made, final)
                except FileExistsError:
                    raise _appeared(final) from None
                except OSError:
                    # A file system without hard links.
                    if final.exists():
                        raise _appeared(final) from None
                    made.rename(final)
                done.append(final)
    except BaseException:
        with HeldSignals():
            for final in done:
                with contextlib.suppress(OSError):
                    final.unlink()
        raise


def _appeared(final: Path) -> UsageError:
    return UsageError(f"{final}: appeared while the model was pruned, and prune overwrites nothing; name another file")
