"""An ONNX graph one can ask: who makes this tensor, is it a constant, what shape has it?

In: the path of an .onnx file. Out: `load_graph` gives the main `Scope`; subgraphs and calls of local functions are scopes of their own.
Next: onnx_model.py walks the scopes and finds the weights.
"""

from __future__ import annotations

import mmap
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from .onnx_tensor import TensorSource
from .onnx_wire import WireError, skeleton

MAX_NODES = 250_000
"""Nodes visited at most, calls of local functions counted each: nested functions can multiply without end."""

STANDARD_DOMAINS = ("", "ai.onnx")
_RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"})
Dimensions = tuple[int | None, ...]
FunctionKey = tuple[str, str, str]
"""Domain, name, overload."""


@dataclass
class Loaded:
    """A model read without its weights. `shapes_inferred`: False when ONNX shape inference failed on it."""

    path: Path
    model: Any
    source: TensorSource
    main: Scope
    functions: dict[FunctionKey, Any]
    shapes_inferred: bool
    visited: int = 0

    def error(self, what: str, where: str | None = None, todo: str | None = None) -> InputError:
        """An InputError about this file."""
        return InputError(str(self.path), what, where=where, todo=todo)


@dataclass
class Found:
    """What stands behind a tensor name. `proto`: the tensor of an initializer; `node`: the producer; both None: a runtime or unknown
    one."""

    scope: Scope
    name: str
    proto: Any = None
    node: Any = None


@dataclass
class Scope:
    """One graph, subgraph, or call of a local function. `prefix` stands before the names of its nodes."""

    loaded: Loaded
    nodes: list[Any]
    initializers: dict[str, Any]
    runtime_inputs: frozenset[str]
    parent: Scope | None = None
    prefix: str = ""
    bindings: dict[str, tuple[Scope, str]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, Dimensions] = field(default_factory=dict)
    calls: tuple[FunctionKey, ...] = ()
    producers: dict[str, Any] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)
    _constant: set[str] = field(default_factory=set)
    _children: dict[tuple[int, str, int], Scope] = field(default_factory=dict)

    def prepare(self) -> None:
        """Sort the nodes, find producers and constants. Raises InputError for a cycle or too many nodes."""
        self.loaded.visited += len(self.nodes)
        if self.loaded.visited > MAX_NODES:
            raise self.loaded.error(f"the graph, its local functions unrolled, has more than {MAX_NODES:,} nodes")
        for position, node in enumerate(self.nodes):
            # protobuf gives bytes for a string that is not UTF-8.
            if any(isinstance(text, bytes) for text in (node.name, node.op_type, node.domain, *node.input, *node.output)):
                raise self.loaded.error(f"node {position} of a graph has a name that is not UTF-8", todo="export the model again")
            self.positions[id(node)] = position
            for output in node.output:
                if output:
                    self.producers[output] = node
        self.nodes = self._sorted()
        for node in self.nodes:
            if self._node_is_constant(node):
                self._constant.update(name for name in node.output if name)

    def find(self, name: str) -> Found:
        """What stands behind `name`, looked for here, then at the caller or in the outer graph."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.initializers:
                return Found(scope, name, proto=scope.initializers[name])
            if name in scope.producers:
                return Found(scope, name, node=scope.producers[name])
            if name in scope.bindings:
                scope, name = scope.bindings[name]
                continue
            if name in scope.runtime_inputs or not scope.parent:
                return Found(scope, name)
            scope = scope.parent
        raise AssertionError("unreachable: the loop ends at the outermost scope")

    def is_constant(self, name: str) -> bool:
        """Whether the tensor is known before the network runs."""
        if not name:
            return True
        found = self.find(name)
        return found.proto is not None or (found.node is not None and name_in(found))

    def shape_of(self, name: str) -> Dimensions | None:
        """Dimensions as far as known (None for a symbolic one), or None when even the rank is unknown."""
        found = self.find(name)
        if found.proto is not None:
            return tuple(found.proto.dims)
        return found.scope.shapes.get(found.name)

    def function_for(self, node: Any) -> Any | None:
        """The local function that `node` calls, if it does."""
        return self.loaded.functions.get(_key(node))

    def call(self, node: Any, function: Any) -> Scope:
        """The body of the local function as `node` calls it. Raises InputError for a function that calls itself."""
        child = id(node), "", 0
        if child in self._children:
            return self._children[child]
        key = _key(node)
        if key in self.calls:
            raise self.loaded.error(f"local function {node.op_type!r} calls itself", where=f"node {node.name!r}")
        given = {attribute.name: attribute for attribute in function.attribute_proto}
        given.update((attribute.name, self.attribute(node, attribute.name)) for attribute in node.attribute)
        bindings = {formal: (self, actual) for formal, actual in zip(function.input, node.input, strict=False) if actual}
        inputs = frozenset(name for name in function.input if name not in bindings)
        prefix = f"{self.node_name(node)}/"
        scope = Scope(self.loaded, list(function.node), {}, inputs, None, prefix, bindings, given, calls=(*self.calls, key))
        scope.prepare()
        self._children[child] = scope
        return scope

    def subgraphs(self, node: Any) -> Iterator[Scope]:
        """The graphs in a node's attributes (If, Loop, Scan)."""
        for attribute in node.attribute:
            for number, graph in enumerate([attribute.g] if attribute.HasField("g") else attribute.graphs):
                # Not by id(graph): protobuf makes a new Python object each time a field is read. `self.nodes` keeps the nodes.
                key = id(node), attribute.name, number
                if key not in self._children:
                    scope = graph_scope(self.loaded, graph, self)
                    scope.prepare()
                    self._children[key] = scope
                yield self._children[key]

    def attribute(self, node: Any, name: str) -> Any | None:
        """The AttributeProto `name` of `node`; a reference to an attribute of the enclosing function is followed."""
        for attribute in node.attribute:
            if attribute.name == name:
                return self.attributes.get(attribute.ref_attr_name) if attribute.ref_attr_name else attribute
        return None

    def integer(self, node: Any, name: str, default: int) -> int:
        """An integer attribute."""
        attribute = self.attribute(node, name)
        return int(attribute.i) if attribute is not None else default

    def integers(self, node: Any, name: str) -> tuple[int, ...] | None:
        """A list-of-integers attribute, None when absent."""
        attribute = self.attribute(node, name)
        return tuple(attribute.ints) if attribute is not None else None

    def node_name(self, node: Any) -> str:
        """The name under which TensorRT's parser registers the node: for one without a name, `node_of_<first output>`."""
        name = node.name or (f"node_of_{node.output[0]}" if node.output else f"{node.op_type}_{self.positions.get(id(node), 0)}")
        return self.prefix + name

    def _sorted(self) -> list[Any]:
        done: set[str] = set()
        waiting: list[Any] = []
        ordered: list[Any] = []
        for node in self.nodes:
            if not waiting and all(name in done or name not in self.producers for name in node.input):
                ordered.append(node)
                done.update(node.output)
            else:
                waiting.append(node)
        needs = {id(node): {name for name in node.input if name in self.producers and name not in done} for node in waiting}
        readers: dict[str, list[Any]] = {}
        for node in waiting:
            for name in needs[id(node)]:
                readers.setdefault(name, []).append(node)
        ready = [node for node in waiting if not needs[id(node)]]
        while ready:
            node = ready.pop()
            ordered.append(node)
            for output in node.output:
                for reader in readers.pop(output, []):
                    needs[id(reader)].discard(output)
                    if not needs[id(reader)]:
                        ready.append(reader)
        if len(ordered) != len(self.nodes):
            stuck = next(node for node in waiting if needs[id(node)])
            what = f"the graph has a cycle: node {self.node_name(stuck)!r} needs, directly or not, its own output"
            raise self.loaded.error(what, todo="export the model again; onnx.checker.check_model names the nodes")
        return ordered

    def _node_is_constant(self, node: Any) -> bool:
        if node.op_type in _RANDOM or any(a.HasField("g") or a.graphs for a in node.attribute):
            return False
        if not node.input:
            return node.op_type == "Constant" and node.domain in STANDARD_DOMAINS
        if node.op_type in ("Shape", "Size") and node.domain in STANDARD_DOMAINS:
            return True  # of a runtime tensor, too: TensorRT folds sizes that the network fixes, and nothing proves that this one is none of them
        return all(self.is_constant(name) for name in node.input)


def _key(node: Any) -> FunctionKey:
    return node.domain, node.op_type, getattr(node, "overload", "")  # onnx 1.15 has no overloads


def name_in(found: Found) -> bool:
    """Whether a produced tensor is among its scope's constants."""
    return found.name in found.scope._constant


def graph_scope(loaded: Loaded, graph: Any, parent: Scope | None) -> Scope:
    """The scope of a graph or subgraph; an initializer that is also an input is its default, and TensorRT takes it as a constant."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    shapes: dict[str, Dimensions] = {}
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.HasField("tensor_type") and info.type.tensor_type.HasField("shape"):
            dims = info.type.tensor_type.shape.dim
            shapes[info.name] = tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in dims)
    inputs = frozenset(info.name for info in graph.input if info.name not in initializers)
    prefix = parent.prefix if parent else ""
    attributes = parent.attributes if parent else {}
    calls = parent.calls if parent else ()
    return Scope(loaded, list(graph.node), initializers, inputs, parent, prefix, {}, attributes, shapes, calls)


def read_proto(path: Path, *, mark_all: bool = False) -> tuple[Any, str]:
    """A ModelProto without its weights, and the key of what stands in their place (`mark_all`: and in that of every tensor; see `skeleton`).

    Raises InputError for a file that is missing, no ONNX model or truncated.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    todo = "give an ONNX model (binary protobuf, .onnx)"
    marker = f"trtlens-{secrets.token_hex(16)}"
    try:
        if not path.is_file():
            raise InputError(str(path), "is not a file" if path.exists() else "no such file", todo=todo)
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise InputError(str(path), "is empty", todo=todo)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                view = memoryview(data)
                try:
                    small = skeleton(view, marker, mark_all=mark_all)
                finally:
                    view.release()
        model = onnx.ModelProto.FromString(small)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error
    except WireError as error:
        # The traceback would keep views of the mapping alive.
        text = _text_instead(path)
        if text is not None:
            raise InputError(str(path), f"is {text}, not an ONNX model", todo="give the model (.onnx); `trtlens explain` reads logs and layer information") from None
        raise InputError(str(path), f"is not an ONNX model, or is truncated: {error}", where=f"byte {error.offset:,}", todo=todo) from None
    except DecodeError:
        raise InputError(str(path), "is not an ONNX model: its protobuf does not decode", todo=todo) from None
    if not model.HasField("graph") or not (model.graph.node or model.graph.initializer) or not model.ir_version:
        raise InputError(str(path), "is not an ONNX model: it holds no graph", todo=todo)
    return model, marker


def load_graph(path: Path, *, mark_all: bool = False) -> Loaded:
    """Read an ONNX file without its weights. `mark_all`: note every tensor's place, for rewriting.

    Raises InputError as `read_proto`, and for a cyclic graph.
    """
    model, marker = read_proto(path, mark_all=mark_all)
    inferred = _with_shapes(model)
    loaded = Loaded(path, inferred or model, TensorSource(path, marker), None, {}, inferred is not None)  # type: ignore[arg-type]
    for function in loaded.model.functions:
        if any(isinstance(text, bytes) for text in (function.domain, function.name, *function.input, *function.output)):
            raise loaded.error("a local function has a name that is not UTF-8", todo="export the model again")
        loaded.functions[function.domain, function.name, getattr(function, "overload", "")] = function
    loaded.main = graph_scope(loaded, loaded.model.graph, None)
    loaded.main.prepare()
    return loaded


def _with_shapes(model: Any) -> Any | None:
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model)
    except Exception:
        # Inference raises RuntimeError, InferenceError, ValueError and more for models that TensorRT still takes; the
        # only loss is the number of multiply-adds.
        return None


_WORDS = {
    "build_log": "a build log", "layer_info": "layer information", "timing_profile": "a timing profile", "manifest": "a capture's manifest",
    "kernel_trace": "a kernel trace", "metadata": "metadata of trex",
}  # fmt: skip


def _text_instead(path: Path) -> str | None:
    """What a file is that is no protobuf, where trtlens reads it elsewhere."""
    from .detect import detect
    from .textio import TextSource

    try:
        return _WORDS.get(detect(TextSource(str(path))))
    except InputError:
        return None
