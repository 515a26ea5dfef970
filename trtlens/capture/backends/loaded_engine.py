"""Inspects and profiles an engine, inside the child process and on a GPU.

In: the serialized engine and the TensorRT module. Out: `layer_info.json` from the inspector, `profile.json` in trtexec's form, and
every single sample as CSV. Next: build.py turns the samples into Parquet. Variable names: see driver.py.
"""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..options import BuildOptions

ITERATIONS = 100
WARMUP_MS = 200.0
SAMPLES = "profile_samples.csv"


class NotMeasured(Exception):
    """The engine was built, but not inspected or profiled; the message says why and becomes a note of the manifest."""


def measure(trt: Any, engine_bytes: Any, options: BuildOptions, folder: Path) -> list[str]:  # pragma: gpu
    """Layer info, then the timing profile. Returns notes. Raises NotMeasured if the engine cannot be loaded at all."""
    logger = trt.Logger(trt.Logger.VERBOSE)
    try:
        runtime = trt.Runtime(logger)
    except TypeError as error:  # a null pointer from the library
        raise NotMeasured(f"TensorRT could not make a runtime ({error})") from error
    engine = runtime.deserialize_cuda_engine(engine_bytes)
    if engine is None:
        raise NotMeasured(
            "TensorRT could not load the engine on this machine: there is no layer info from the inspector and no timing profile"
        )
    notes: list[str] = []
    context = engine.create_execution_context()
    if context is not None:
        try:
            _set_input_shapes(trt, engine, context, options)
        except NotMeasured as why:
            notes.append(str(why))
    inspector = engine.create_engine_inspector()
    if context is not None:  # without it an engine with dynamic shapes prints "Format not available due to dynamic shapes"
        inspector.execution_context = context
    text = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    (folder / "layer_info.json").write_text(text, encoding="utf-8")
    if context is None:
        return [*notes, "TensorRT made no execution context (most often for want of device memory): there is no timing profile"]
    if notes:
        return notes
    try:
        _profile(trt, engine, context, options, folder)
    except NotMeasured as why:
        notes.append(f"no timing profile: {why}")
    if engine.num_optimization_profiles > 1:
        notes.append("layer info and timing profile are those of optimization profile 0 at its optimum shapes")
    return notes


def _names(engine: Any) -> list[str]:  # pragma: gpu
    return [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]


def _set_input_shapes(trt: Any, engine: Any, context: Any, options: BuildOptions) -> None:  # pragma: gpu
    """The optimum shapes of optimization profile 0, or those the user gives for a loaded engine."""
    given = {one.name: one.optimum for one in options.profiles[0].inputs} if options.profiles else {}
    for name in _names(engine):
        if engine.get_tensor_mode(name) != trt.TensorIOMode.INPUT:
            continue
        if engine.is_shape_inference_io(name):
            raise NotMeasured(f"no timing profile: the input {name} holds values that decide shapes, and trtlens does not know them")
        if -1 in tuple(engine.get_tensor_shape(name)):
            _, optimum, _ = engine.get_tensor_profile_shape(name, 0)
            if not context.set_input_shape(name, given.get(name, optimum)):
                raise NotMeasured(f"no timing profile: the engine refuses the shape {given.get(name, tuple(optimum))} for {name}")


def tensor_bytes(shape: Sequence[int], item_bytes: float, vectorized: int, components: int) -> int:
    """Bytes of a device buffer: the vectorized dimension is padded to a multiple of `components` (formats such as CHW32).

    Raises NotMeasured if a size is unknown (-1).
    """
    if any(size < 0 for size in shape):
        raise NotMeasured("an output's size depends on the data")
    count = 1
    for index, size in enumerate(shape):
        count *= -(-size // components) * components if index == vectorized and components > 1 else size
    return max(1, -int(-count * item_bytes // 1))


@dataclass
class Samples:
    """What IProfiler reports: one list of (layer, milliseconds) an iteration, in the engine's order."""

    iterations: list[list[tuple[str, float]]] = field(default_factory=list)

    def table(self) -> list[tuple[str, list[float]]]:
        """(layer, milliseconds of each iteration) in order; layers of equal name are kept apart by position, as trtexec does.

        Iterations that report other layers than the first are left out.
        """
        if not self.iterations:
            return []
        names = [name for name, _ in self.iterations[0]]
        complete = [one for one in self.iterations if [name for name, _ in one] == names]
        return [(name, [one[index][1] for one in complete]) for index, name in enumerate(names)]


def profile_json(samples: Samples) -> list[dict[str, Any]]:
    """The samples in the form of trtexec's --exportProfile; times in milliseconds."""
    table = samples.table()
    total = sum(sum(times) for _, times in table)
    count = len(table[0][1]) if table else 0
    rows: list[dict[str, Any]] = [{"count": count}]
    for name, times in table:
        rows.append(
            {
                "name": name,
                "timeMs": sum(times),
                "averageMs": sum(times) / count,
                "medianMs": statistics.median(times),
                "percentage": 100 * sum(times) / total if total else 0.0,
            }
        )
    return rows


def _profile(trt: Any, engine: Any, context: Any, options: BuildOptions, folder: Path) -> None:  # pragma: gpu
    """Run the engine under our own IProfiler: trtexec keeps no single samples, and noise cannot be judged without them."""
    from .device import Device  # cuda-python, which is not there on a machine without a GPU

    class Profiler(trt.IProfiler):  # type: ignore[misc]  # the base is known at run time alone
        def __init__(self) -> None:
            super().__init__()
            self.layers: list[tuple[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.layers.append((layer_name, ms))

    samples = Samples()
    with Device() as device:
        for name in _names(engine):
            size = tensor_bytes(
                tuple(context.get_tensor_shape(name)),
                engine.get_tensor_dtype(name).itemsize,
                engine.get_tensor_vectorized_dim(name),
                engine.get_tensor_components_per_element(name),
            )
            context.set_tensor_address(name, device.zeros(size))
        device.run_for(WARMUP_MS if options.warmup_ms is None else options.warmup_ms, context.execute_async_v3)
        profiler = Profiler()
        context.profiler = profiler  # while it is set, execute_async_v3 waits for the stream and reports
        for _ in range(options.iterations or ITERATIONS):
            profiler.layers = []
            if not context.execute_async_v3(device.stream):
                raise NotMeasured("TensorRT could not run the engine")
            device.wait()
            samples.iterations.append(profiler.layers)
    if not samples.table():
        raise NotMeasured("the engine reported no layer times")
    (folder / "profile.json").write_text(json.dumps(profile_json(samples), indent=1), encoding="utf-8")
    with (folder / SAMPLES).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("position", "layer", "iteration", "time_ms"))
        for position, (name, times) in enumerate(samples.table()):
            writer.writerows((position, name, iteration, time_ms) for iteration, time_ms in enumerate(times))
