"""The files that an ONNX model consists of, and where the model of a capture is now.

In: the path of an .onnx file, or a manifest and the folder it lies in. Out: paths. Next: prune.py copies them, clashes.py protects them,
diagnose/load.py joins the weights of a capture that is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def tensors(model: Any) -> Iterator[Any]:
    """Every TensorProto of a ModelProto, those in attributes and functions too."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    attributes = [attribute for function in model.functions for attribute in function.attribute_proto]
    for training in model.training_info:
        graphs += [training.initialization, training.algorithm]
    while graphs or nodes or attributes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes += graph.node
        elif nodes:
            attributes += nodes.pop().attribute
        else:
            attribute = attributes.pop()
            yield from ([attribute.t] if attribute.HasField("t") else ())
            yield from attribute.tensors
            for sparse in (*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else ()), *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]


def input_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The inputs of a ModelProto that are no weights, with -1 for a dynamic size; those without a shape are left out."""
    weights = {one.name for one in model.graph.initializer} | {one.values.name for one in model.graph.sparse_initializer}
    typed = [(one.name, one.type.tensor_type) for one in model.graph.input if one.name not in weights]
    return {
        name: tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim) for name, tensor in typed if tensor.HasField("shape")
    }


def external_data_files(model: Path) -> tuple[Path, ...]:
    """The files beside an ONNX model that hold its weights, whether or not they are there; none where the model cannot be read."""
    from ..errors import InputError
    from ..parse.onnx_graph import read_proto

    try:
        proto, _ = read_proto(model)
    except InputError:
        return ()
    entries = (entry for tensor in tensors(proto) if tensor.data_location == 1 for entry in tensor.external_data)
    named = dict.fromkeys(entry.value for entry in entries if entry.key == "location" and isinstance(entry.value, str) and "\0" not in entry.value)
    return tuple(model.parent / location for location in named)


def recorded_model(manifest: Any, folder: Path) -> Path | None:
    """The file that a capture's manifest names as its model, where one of that size is there: at its path as given, or beside the folder.

    Its content is not looked at (`is_recorded`), and the manifest is a file from somewhere: any part of it may be missing or odd.
    """
    record = manifest.get("model") if isinstance(manifest, dict) else None
    path, size = (record.get("path"), record.get("bytes")) if isinstance(record, dict) else (None, None)
    if not isinstance(path, str) or not path or "\0" in path:
        return None
    for place in (Path(path), folder.absolute().parent / path):
        try:
            if place.is_file() and place.stat().st_size == size:
                return place
        except OSError:  # a name that is too long, a folder that may not be entered
            continue
    return None


def is_recorded(model: Path, manifest: Any) -> bool:
    """Whether a file is, byte for byte, the model that the manifest names."""
    digest = hashlib.sha256()
    try:
        with model.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError:
        return False
    return bool(manifest["model"].get("sha256") == digest.hexdigest())
