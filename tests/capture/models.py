"""Small ONNX models for the capture tests, made on the spot. 2:4 sparsity runs along a convolution's input channels and a MatMul's K."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def prune_rows(weight: np.ndarray) -> np.ndarray:
    """`weight` with the two smallest of every four values along its last axis set to zero."""
    groups = weight.reshape(-1, 4).copy()
    np.put_along_axis(groups, np.argsort(np.abs(groups), axis=1)[:, :2], 0, axis=1)
    return groups.reshape(weight.shape)


def conv_matmul(
    path: Path, *, batch: int | str = 1, size: int | str = 16, pruned: bool = True, channels: int = 32, dtype: str = "float16"
) -> Path:
    """x[batch, channels, size, 16] -> conv1 + relu1 -> tr -> mm -> y."""
    random = np.random.default_rng(7)
    conv = random.standard_normal((channels, 3, 3, channels)).astype(dtype)
    dense = random.standard_normal((channels, channels)).astype(dtype)
    if pruned:
        conv, dense = prune_rows(conv), prune_rows(dense)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv1", kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="relu1"),
        helper.make_node("Transpose", ["r"], ["t"], perm=[0, 2, 3, 1], name="tr"),
        helper.make_node("MatMul", ["t", "v"], ["y"], name="mm"),
    ]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(conv.transpose(0, 3, 1, 2)), "w"),
        numpy_helper.from_array(np.ascontiguousarray(dense.T), "v"),
    ]
    return _save(path, nodes, weights, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [batch, channels, size, 16])


def quantized_conv(path: Path) -> Path:
    """x -> Q -> DQ -> conv1 (weights through DQ) -> y: INT8 as TensorRT 10 and later wants it."""
    random = np.random.default_rng(7)
    weight = prune_rows(random.integers(-127, 127, (32, 3, 3, 32)).astype(np.int8))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["e"], name="weights"),
        helper.make_node("Conv", ["d", "e"], ["y"], name="conv1", kernel_shape=[3, 3], pads=[1] * 4),
    ]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(weight.transpose(0, 3, 1, 2)), "w"),
        numpy_helper.from_array(np.array(0.02, np.float32), "s"),
        numpy_helper.from_array(np.array(0, np.int8), "z"),
    ]
    return _save(path, nodes, weights, TensorProto.FLOAT, [1, 32, 16, 16])


def unknown_operators(path: Path, copies: int = 1) -> Path:
    """Two nodes that no TensorRT knows, `first` and `second`, in so many copies one after the other."""
    nodes = []
    for copy in range(copies):
        end = f"_{copy}" if copy else ""
        nodes.append(helper.make_node("NoSuchOperator", ["x" if not copy else f"y_{copy - 1}"], [f"a{end}"], name=f"first{end}"))
        nodes.append(helper.make_node("NorThisOne", [f"a{end}"], ["y" if copy == copies - 1 else f"y_{copy}"], name=f"second{end}"))
    return _save(path, nodes, [], TensorProto.FLOAT, [1, 4])


def _save(path: Path, nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], dtype: int, shape: list[int | str]) -> Path:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", dtype, shape)], [helper.make_tensor_value_info("y", dtype, None)], weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path
