"""What capturing costs over the bare builder call, in wall time, processor time and memory, with TensorRT-RTX.

    python benchmarks/capture_overhead.py [--layers 24 | --model model.onnx [--shapes x:1x3x640x640]] [--runs 7]

Both sides are fresh processes that build the same model (a chain of 3x3 convolutions with 512 channels, FP16, 2:4, or yours) with the same
settings and keep log and engine. The bare side is the shortest script that does that; the other calls run_build with progress on.
They run in turns, A B B A, so that a busy minute hits both. Both sides have
byte code in a cache of its own, as installed packages have, whatever the environment says of it. Prints seconds of every run, medians and minima, the differences, and the peak of
resident memory of each side (all processes added).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]
BYTE_CODE = tempfile.TemporaryDirectory()

BARE = """
import sys
import tensorrt_rtx as trt
logger = trt.Logger(trt.Logger.VERBOSE)
builder = trt.Builder(logger)
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file(sys.argv[1])
config = builder.create_builder_config()
config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
config.set_flag(trt.BuilderFlag.SPARSE_WEIGHTS)
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM80, 0)
if sys.argv[3]:
    name, sizes = sys.argv[3].split(":")
    profile = builder.create_optimization_profile()
    profile.set_shape(name, *[tuple(map(int, sizes.split("x")))] * 3)
    config.add_optimization_profile(profile)
with open(sys.argv[2] + "/model.engine", "wb") as file:
    file.write(builder.build_serialized_network(network, config))
"""

CAPTURE = """
import sys
from trtlens.capture.build import run_build
from trtlens.capture.settings import options_from
events = []
options = {"model": sys.argv[1], "output": sys.argv[2] + "/m.trtlens", "backend": "tensorrt-rtx", "target": "SM80"}
if sys.argv[3]:
    options["shapes"] = sys.argv[3]
run_build(options_from(options), events.append)
"""


def write_model(path: Path, layers: int, channels: int = 512) -> None:
    random = np.random.default_rng(1)
    nodes, weights = [], []
    for index in range(layers):
        weight = (random.standard_normal((channels, 3, 3, channels)) * 0.02).astype(np.float16)
        weight.reshape(-1, 4)[:, :2] = 0
        weights.append(numpy_helper.from_array(np.ascontiguousarray(weight.transpose(0, 3, 1, 2)), f"w{index}"))
        nodes.append(helper.make_node("Conv", [f"t{index}", f"w{index}"], [f"c{index}"], name=f"conv{index}", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"t{index + 1}"], name=f"relu{index}"))
    shape = [1, channels, 32, 32]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("t0", TensorProto.FLOAT16, shape)],
        [helper.make_tensor_value_info(f"t{layers}", TensorProto.FLOAT16, shape)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


def run(program: str, model: Path, shapes: str) -> tuple[float, float, float]:
    """Of a fresh process: wall seconds, processor seconds, and the peak of the resident memory of its whole tree in MiB.

    Memory is sampled, because the kernel's own peak (ru_maxrss) of a process begins with that of the process that started it.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        command = [sys.executable, "-c", program, str(model.absolute()), folder, shapes]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": BYTE_CODE.name}
        process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
        peak = 0
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, sum(one.memory_info().rss for one in (process, *process.children(recursive=True))))
            time.sleep(0.005)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode:
            log.seek(0)
            sys.exit(f"a build failed: {log.read()[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak / 2**20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--layers", type=int, default=24)
    arguments.add_argument("--model", type=Path, help="a model; with dynamic shapes give --shapes")
    arguments.add_argument("--shapes", default="", help="the shape of its dynamic input, as in x:1x3x640x640")
    arguments.add_argument("--runs", type=int, default=7)
    given = arguments.parse_args()
    sides: dict[str, list[tuple[float, float, float]]] = {"bare": [], "capture": []}
    programs = {"bare": BARE, "capture": CAPTURE}
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or Path(folder) / "chain.onnx"
        if given.model is None:
            write_model(model, given.layers)
        for program in programs.values():
            run(program, model, given.shapes)  # warms the page cache
        for turn in range(given.runs):
            for side in list(programs)[:: -1 if turn % 2 else 1]:
                sides[side].append(run(programs[side], model, given.shapes))
        size = model.stat().st_size
    wall, cpu, memory = ({side: [one[index] for one in runs] for side, runs in sides.items()} for index in range(3))

    def over(of: dict[str, list[float]], summary: Callable[[list[float]], float]) -> float:
        return summary(of["capture"]) - summary(of["bare"])

    bare = statistics.median(wall["bare"])
    result = {
        "model_mb": round(size / 1e6, 1),
        "bare_s": {"median": round(bare, 3), "least": round(min(wall["bare"]), 3), "processor": round(statistics.median(cpu["bare"]), 3)},
        "overhead_ms": {
            "of medians": round(1e3 * over(wall, statistics.median)),
            "median of turns": round(1e3 * statistics.median(b - a for a, b in zip(wall["bare"], wall["capture"], strict=True))),
            "of least": round(1e3 * over(wall, min)),
            "of processor medians": round(1e3 * over(cpu, statistics.median)),
            "allowed": round(50 * min(wall["bare"]) + 300),
        },
        "memory_mib": {side: round(statistics.median(runs)) for side, runs in memory.items()},
        "overhead_mib": round(over(memory, statistics.median)),
        "runs_s": {side: [round(one, 3) for one in runs] for side, runs in wall.items()},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
