"""Small ONNX models for the tests of the weight check. In: arrays and nodes. Out: .onnx files. Next: the tests that import it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

Array = np.ndarray[Any, np.dtype[Any]]
NUMPY_TYPES: dict[str, Any] = {
    "FLOAT": np.float32,
    "FLOAT16": np.float16,
    "BFLOAT16": ml_dtypes.bfloat16,
    "INT8": np.int8,
    "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn,
    "FLOAT8E5M2": ml_dtypes.float8_e5m2,
    "INT4": ml_dtypes.int4,
    "DOUBLE": np.float64,
}


def raw_bytes(values: Array, dtype: str) -> bytes:
    """`values` as TensorProto.raw_data holds them; 4-bit values two a byte, the first in the low bits."""
    typed = np.ascontiguousarray(values.astype(NUMPY_TYPES[dtype]))
    if dtype != "INT4":
        return typed.tobytes()
    nibbles = typed.reshape(-1).astype(np.int8).view(np.uint8) & 0xF
    nibbles = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8))
    return (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()


def tensor(name: str, values: Array, dtype: str = "FLOAT", *, typed: bool = False) -> TensorProto:
    """A TensorProto with raw_data, or with the typed field of its type."""
    proto = TensorProto(name=name, data_type=getattr(TensorProto, dtype), dims=values.shape)
    data = raw_bytes(values, dtype)
    if not typed:
        proto.raw_data = data
    elif dtype == "FLOAT":
        proto.float_data.extend(np.frombuffer(data, np.float32).tolist())
    elif dtype == "DOUBLE":
        proto.double_data.extend(np.frombuffer(data, np.float64).tolist())
    elif dtype == "INT8":
        proto.int32_data.extend(np.frombuffer(data, np.int8).tolist())
    else:
        proto.int32_data.extend(np.frombuffer(data, np.uint16 if dtype in ("FLOAT16", "BFLOAT16") else np.uint8).tolist())
    return proto


def integers(name: str, values: Sequence[int]) -> TensorProto:
    """A 1-D INT64 tensor."""
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], list(values))


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    tensors: Sequence[TensorProto],
    *,
    inputs: dict[str, Sequence[int | str | None]] | None = None,
    functions: Sequence[onnx.FunctionProto] = (),
    element: int = TensorProto.FLOAT,
) -> Path:
    """Write a model with the graph inputs `inputs` (default: x of [1, 8, 5, 5]); its output is the last node's."""
    given = inputs if inputs is not None else {"x": [1, 8, 5, 5]}
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in given.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], element, None)],
        list(tensors),
    )
    opsets = [helper.make_opsetid("", 21), *(helper.make_opsetid(domain, 1) for domain in ("local", "trt", "com.microsoft"))]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def make_external(path: Path, location: str = "weights.bin") -> Path:
    """Move every tensor of the model at `path` with raw_data into `location`, one after the other at 16-byte steps; the data file."""
    model = onnx.load(path, load_external_data=False)
    data = bytearray(b"\xff" * 7)
    for proto in model.graph.initializer:
        if not proto.raw_data:
            continue
        data += b"\xff" * (-len(data) % 16)
        for key, value in (("location", location), ("offset", str(len(data))), ("length", str(len(proto.raw_data)))):
            proto.external_data.add(key=key, value=value)
        data += proto.raw_data
        proto.data_location = TensorProto.EXTERNAL
        proto.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    target = path.parent / location
    target.write_bytes(bytes(data))
    return target


def two_four(shape: Sequence[int], axis: int, seed: int = 0) -> Array:
    """Whole numbers from -7 to 7 with at most two of every four along `axis` not zero."""
    random = np.random.default_rng(seed)
    values = random.integers(1, 8, tuple(shape)) * random.choice([-1, 1], tuple(shape))
    moved = np.moveaxis(values, axis, -1)
    for start in range(0, moved.shape[-1], 4):
        keep = np.zeros((*moved.shape[:-1], 4), bool)
        keep[..., :2] = True
        keep = random.permuted(keep, axis=-1)[..., : moved.shape[-1] - start]
        moved[..., start : start + 4] *= keep
    return values


def dense(shape: Sequence[int], seed: int = 0) -> Array:
    """Whole numbers from 1 to 7."""
    return np.random.default_rng(seed).integers(1, 8, tuple(shape))


def conv(weight: str = "w", output: str = "y", name: str = "conv", **attributes: Any) -> onnx.NodeProto:
    """A Conv of x."""
    return helper.make_node("Conv", ["x", weight], [output], name=name, **attributes)
