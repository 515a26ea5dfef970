"""Carries out a plan on the real TensorRT module, inside the child process.

In: BuildOptions, the imported module, the folder to write to. Out: a Result; the engine, the layer info and the timing cache as files.
Next: worker.py writes the Result as JSON; loaded_engine.py inspects and profiles the engine. Everything TensorRT says goes to standard
output and error, from its own stock logger: with EDITABLE_TIMING_CACHE a logger written in Python is reported to crash the build.

Names are fixed, because a test walks this file and asks the real bindings of every version for each attribute: `trt` is the
module, `builder`, `network`, `config`, `parser`, `cache`, `tensor` … are objects of the classes in OBJECT_CLASSES.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...signals import HeldSignals, TemporaryFolder
from ..options import BuildOptions
from ..shapes import shapes_lacking
from .plan import Member, Plan, Step, Surface
from .python_api import CLASSES, plan

OBJECT_CLASSES = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "parser_error": "ParserError",
    "registry": "IPluginRegistry",
    "cache": "ITimingCache",
    "tensor": "ITensor",
    "profile": "IOptimizationProfile",
    "layer": "ILayer",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "inspector": "EngineInspector",
}
"""What each variable name in driver.py and loaded_engine.py stands for."""


Report = Callable[[str, int, int | None], None]
"""Takes progress: phase, steps done, steps in all if known."""


class DriverError(Exception):
    """The build cannot go on; the message is for the user."""


class OptionRefused(DriverError):
    """The given options do not fit this model: wrong usage, found before anything was built."""


@dataclass(frozen=True, slots=True)
class RefusedNode:
    """One node that TensorRT's parser refuses: index in the graph (-1: the file as a whole), name and operator if it says them, reason."""

    node: int
    name: str
    operator: str
    reason: str


@dataclass
class Result:
    """What the child hands back. `status`: running, refused (by plan), unparsed, failed, built, measured. Written after every stage."""

    status: str = "running"
    message: str | None = None
    version: str | None = None
    plan: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    refusals: tuple[str, ...] = ()
    refused_nodes: tuple[RefusedNode, ...] = ()
    build_s: float | None = None
    timing_cache: dict[str, Any] | None = None
    engine_sha256: str | None = None


def surface_of(trt: Any) -> Surface:
    return Surface.of(trt, CLASSES)


def build(
    trt: Any, options: BuildOptions, backend: str, folder: Path, result: Result, report: Report
) -> Any:
    """Build the engine; returns the serialized engine, or None with `result` saying why not."""
    surface = surface_of(trt)
    steps = plan(options, surface, backend)
    result.version, result.plan, result.refusals = steps.version, tuple(steps.lines()), steps.refusals
    result.notes.extend(steps.notes)
    if steps.refusals:
        result.status = "refused"
        return None
    logger = trt.Logger(trt.Logger.VERBOSE)
    if backend != "tensorrt-rtx" and hasattr(trt, "init_libnvinfer_plugins"):
        trt.init_libnvinfer_plugins(logger, "")
    builder = _made(lambda: trt.Builder(logger), "a builder")
    for step in steps.steps:
        if step.owner == "plugin_registry":
            _load_plugin(builder, step)
    flags = 0
    for name in steps.network_flags:
        flags |= 1 << int(getattr(trt.NetworkDefinitionCreationFlag, name))
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(options.model)):
        result.refused_nodes = tuple(_refused_node(parser.get_error(index)) for index in range(parser.num_errors))
        result.status = "unparsed"
        return None
    if network.num_outputs == 0:  # the parser takes some files that are no ONNX at all for an empty model
        raise DriverError("the model has no outputs: it is an empty ONNX graph, or no ONNX model")
    _require_shapes(network, options)
    config = builder.create_builder_config()
    _configure(trt, steps, builder, network, config)
    if "STRONGLY_TYPED" in steps.network_flags and options.sparsity == "enable" and _is_fp32(trt, network):
        result.notes.append(
            "every convolution and matrix product of the model is FP32, and a strongly typed network keeps it so: "
            "NVIDIA asks for FP16 or INT8 where sparsity shall help, so convert the model first"
        )
    if "INT8" in {name.upper() for name in options.precision} and _needs_ranges(trt, network):
        result.notes.append("INT8 without Q/DQ nodes: every tensor is given the range -1..1, so the times are real and the results are not")
        _set_ranges(network)
    # Whatever the module: TensorRT-RTX times nothing, and an own cache there would only be noise in the log.
    cache = None if backend == "tensorrt-rtx" else _timing_cache(config, options, result)
    monitor = _monitor(trt, report)
    if monitor is not None:
        config.progress_monitor = monitor
    began = time.monotonic()
    plan_memory = builder.build_serialized_network(network, config)
    result.build_s = time.monotonic() - began
    if plan_memory is None:
        result.status = "failed"
        return None
    if cache is not None:
        _keep_cache(cache, options, result)
    if options.keep_engine:
        result.engine_sha256 = _write_hashed(folder / "model.engine", plan_memory)
    result.status = "built"
    return plan_memory


def _made(make: Callable[[], Any], what: str) -> Any:
    # The bindings raise TypeError when the library returns a null pointer: no driver, or a driver that is too old.
    try:
        return make()
    except TypeError as error:
        raise DriverError(
            f"TensorRT could not make {what} ({error}); the log says why: most often there is no NVIDIA driver, or too old a one"
        ) from error


def _load_plugin(builder: Any, step: Step) -> None:
    registry = builder.get_plugin_registry()
    if registry.load_library(*step.arguments) is None:
        raise DriverError(f"TensorRT could not load the plugin library {step.arguments[0]}")


def _refused_node(parser_error: Any) -> RefusedNode:
    # 8.6 has neither node_name() nor node_operator(); there the log names the node.
    def said(name: str) -> str:
        return str(getattr(parser_error, name)()) if hasattr(parser_error, name) else ""

    return RefusedNode(int(parser_error.node()), said("node_name"), said("node_operator"), str(parser_error.desc()))


def _require_shapes(network: Any, options: BuildOptions) -> None:
    """TensorRT says itself that a profile is missing, but not for which inputs."""
    lacking = shapes_lacking({tensor.name: tuple(tensor.shape) for tensor in _inputs(network)}, options.profiles)
    if lacking:
        raise OptionRefused(lacking)


def _configure(trt: Any, steps: Plan, builder: Any, network: Any, config: Any) -> None:
    profiles: dict[str, Any] = {}
    tensors = {tensor.name: tensor for tensor in _io_tensors(network)}
    for step in steps.steps:
        if step.owner == "plugin_registry" or step.attribute == "set_timing_cache":  # _load_plugin and _timing_cache
            continue
        if step.owner.startswith("tensor "):
            name = step.owner.removeprefix("tensor ")
            if name not in tensors:
                raise OptionRefused(f"--io-formats: the network has no input or output named {name}; it has {', '.join(sorted(tensors))}")
            _set_tensor(trt, tensors[name], step)
        elif step.owner.startswith("profile_"):
            if step.owner not in profiles:
                profiles[step.owner] = builder.create_optimization_profile()
            _set_shape(profiles[step.owner], network, step)
        elif step.attribute == "set_tactic_sources":
            config.set_tactic_sources(_source_mask(trt, config, step.arguments))
        else:
            _carry_out(trt, config, step)
    for profile in profiles.values():
        if config.add_optimization_profile(profile) < 0:
            raise DriverError("TensorRT refused the optimization profile: --min, --opt and --max must fit the model's inputs")


def _carry_out(trt: Any, owner: Any, step: Step) -> None:
    arguments = [getattr(getattr(trt, one.enumeration), one.name) if isinstance(one, Member) else one for one in step.arguments]
    if step.kind == "set":
        setattr(owner, step.attribute, arguments[0])
    elif getattr(owner, step.attribute)(*arguments) is False:
        raise DriverError(f"TensorRT refused {step}")


def _set_tensor(trt: Any, tensor: Any, step: Step) -> None:
    member = getattr(getattr(trt, step.arguments[0].enumeration), step.arguments[0].name)
    if step.attribute == "allowed_formats":
        tensor.allowed_formats = 1 << int(member)
    else:
        tensor.dtype = member


def _set_shape(profile: Any, network: Any, step: Step) -> None:
    name, minimum, optimum, maximum = step.arguments
    inputs = {tensor.name: tensor for tensor in _inputs(network)}
    if name not in inputs:
        raise OptionRefused(f"--shapes: the network has no input named {name}; it has {', '.join(inputs)}")
    tensor = inputs[name]
    if tensor.is_shape_tensor:  # a tensor whose values are a shape: the numbers are its values, not its size
        profile.set_shape_input(name, minimum, optimum, maximum)
        return
    wanted = tuple(tensor.shape)
    if len(wanted) != len(optimum) or any(
        size >= 0 and not low == high == size for size, low, high in zip(wanted, minimum, maximum, strict=True)
    ):
        raise OptionRefused(
            f"--shapes: {name} has the shape {'x'.join(map(str, wanted))} in the model (-1: dynamic), which the given sizes do not fit"
        )
    profile.set_shape(name, minimum, optimum, maximum)


def _source_mask(trt: Any, config: Any, sources: tuple[str, ...]) -> int:
    mask = int(config.get_tactic_sources())
    for source in sources:
        bit = 1 << int(getattr(trt.TacticSource, source[1:]))
        mask = mask | bit if source[0] == "+" else mask & ~bit
    return mask


def _inputs(network: Any) -> list[Any]:
    return [network.get_input(index) for index in range(network.num_inputs)]


def _io_tensors(network: Any) -> list[Any]:
    return _inputs(network) + [network.get_output(index) for index in range(network.num_outputs)]


def _is_fp32(trt: Any, network: Any) -> bool:
    """Whether the network has convolutions or matrix products, and all of them are FP32 (with Q/DQ nodes they are not, whatever their types)."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    if any(layer.type in (trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE) for layer in layers):
        return False
    layers = [layer for layer in layers if layer.type in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY)]
    return bool(layers) and all(tensor.dtype == trt.DataType.FLOAT for layer in layers for tensor in (layer.get_input(0), layer.get_output(0)))


def _needs_ranges(trt: Any, network: Any) -> bool:
    kinds = {network.get_layer(index).type for index in range(network.num_layers)}
    return trt.LayerType.QUANTIZE not in kinds


def _set_ranges(network: Any) -> None:
    # What trtexec does when it is asked for INT8 without a calibration cache (sampleEngines.cpp); ITensor lost the call in 11.
    for tensor in _inputs(network):
        _set_range(tensor)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in range(layer.num_outputs):
            _set_range(layer.get_output(output))


def _set_range(tensor: Any) -> None:
    if hasattr(tensor, "set_dynamic_range"):
        tensor.set_dynamic_range(-1.0, 1.0)


def _timing_cache(config: Any, options: BuildOptions, result: Result) -> Any:
    """A cold, private cache, or the user's: a warm one hides timings from the log, so it is recorded.

    TensorRT 11 makes an empty cache, with a warning, of a file that it cannot use (older versions return None). Such a file belongs to
    another version or GPU: `foreign` keeps _keep_cache from writing over it.
    """
    held = options.timing_cache.read_bytes() if options.timing_cache is not None and options.timing_cache.exists() else b""
    empty = config.create_timing_cache(b"")
    cache = config.create_timing_cache(held) if held else empty
    if cache is None or not config.set_timing_cache(cache, False):
        why = f": {options.timing_cache} was made by another TensorRT version or for another GPU" if held else ""
        raise DriverError(f"TensorRT refused the timing cache{why}")
    warm = foreign = False
    if held:
        size = len(bytes(empty.serialize()))
        warm = len(bytes(cache.serialize())) > size
        foreign = not warm and len(held) > size
    if foreign:
        result.notes.append(f"TensorRT could use nothing of {options.timing_cache}: the build began cold, and the file is left as it was")
    result.timing_cache = {
        "path": str(options.timing_cache) if options.timing_cache is not None else None,
        "warm": warm,
        "foreign": foreign,
        "bytes_before": len(held),
        "sha256_before": hashlib.sha256(held).hexdigest() if held else None,
        "bytes_after": None,
    }
    return cache


def _keep_cache(cache: Any, options: BuildOptions, result: Result) -> None:
    grown = bytes(cache.serialize())
    assert result.timing_cache is not None
    result.timing_cache["bytes_after"] = len(grown)
    if options.timing_cache is not None and not result.timing_cache["foreign"]:
        with HeldSignals():  # beside a file of the user's, where nobody removes what SIGTERM would leave
            _write(options.timing_cache, grown)


def _write(path: Path, data: Any) -> None:
    with TemporaryFolder(f".{path.name[:40]}.", path.parent) as folder:
        (folder / path.name).write_bytes(data)
        (folder / path.name).replace(path)


def _write_hashed(path: Path, data: Any) -> str:
    """Write an engine; returns its SHA-256, worked out meanwhile: reading gigabytes again would take as long as writing them."""
    digest = hashlib.sha256()
    thread = threading.Thread(target=digest.update, args=(data,))
    thread.start()
    try:
        _write(path, data)
    finally:
        thread.join()
    return digest.hexdigest()


def _monitor(trt: Any, report: Report) -> Any:
    """An IProgressMonitor (10.0 and later) that reports; None where there is none. TensorRT calls it from several threads."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the base is known at run time alone
        def __init__(self) -> None:
            super().__init__()
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = num_steps
            report(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            # 1.7 completes steps of a phase that has finished already: an unknown phase is no error.
            report(phase_name, step + 1, self.steps.get(phase_name))
            return True  # False would cancel the build

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Monitor()


def write_result(result: Result, path: Path) -> None:
    """The result as JSON, replaced in one step: the parent never reads half of it."""
    values = {**result.__dict__, "refused_nodes": [[one.node, one.name, one.operator, one.reason] for one in result.refused_nodes]}
    _write(path, json.dumps(values).encode())


def read_result(path: Path) -> Result | None:
    """The last result the child wrote; None if it wrote none."""
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    values["refused_nodes"] = tuple(RefusedNode(*one) for one in values["refused_nodes"])
    for name in ("plan", "refusals"):
        values[name] = tuple(values[name])
    return Result(**values)
