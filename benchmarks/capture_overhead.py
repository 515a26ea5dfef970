"""What capturing costs over the bare builder call, in wall time and memory, with TensorRT-RTX.

    python benchmarks/capture_overhead.py [--layers 24 | --model model.onnx] [--runs 5]

Both sides are fresh processes that build the same model (a chain of 3x3 convolutions with 512 channels, FP16, 2:4, or yours) with the same
settings and keep log and engine. The bare side is the shortest script that does that; the other calls run_build with progress on.
Prints seconds of every run, the medians, the difference, and the peak of resident memory of each side (all processes added).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]

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
with open(sys.argv[2] + "/model.engine", "wb") as file:
    file.write(builder.build_serialized_network(network, config))
"""

CAPTURE = """
import sys
from trtlens.capture.build import run_build
from trtlens.capture.settings import options_from
events = []
options = {"model": sys.argv[1], "output": sys.argv[2] + "/m.trtlens", "backend": "tensorrt-rtx", "target": "SM80"}
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


def run(program: str, model: Path) -> tuple[float, int]:
    """Wall seconds of a fresh process, and the peak of the resident memory of its whole tree in bytes.

    Sampled, because the kernel's own peak (ru_maxrss) of a process begins with that of the process that started it.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        began = time.monotonic()
        process = psutil.Popen([sys.executable, "-c", program, str(model.absolute()), folder], stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        peak = 0
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                peak = max(peak, sum(one.memory_info().rss for one in (process, *process.children(recursive=True))))
            time.sleep(0.005)
        seconds = time.monotonic() - began
        if process.returncode:
            log.seek(0)
            sys.exit(f"a build failed: {log.read()[-2000:]}")
    return seconds, peak


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--layers", type=int, default=24)
    arguments.add_argument("--model", type=Path, help="a model with fixed shapes")
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = given.model or Path(folder) / "chain.onnx"
        if given.model is None:
            write_model(model, given.layers)
        run(BARE, model)  # warms the page cache for both
        sides = {"bare": [run(BARE, model)], "capture": [run(CAPTURE, model)]}
        for _ in range(given.runs - 1):  # in turns, so that a slow minute hits both
            sides["bare"].append(run(BARE, model))
            sides["capture"].append(run(CAPTURE, model))
        size = model.stat().st_size
    seconds = {name: statistics.median(one for one, _ in runs) for name, runs in sides.items()}
    peaks = {name: statistics.median(peak for _, peak in runs) / 2**20 for name, runs in sides.items()}
    over = seconds["capture"] - seconds["bare"]
    result = {
        "model_mb": round(size / 1e6, 1),
        "bare_s": round(seconds["bare"], 3),
        "capture_s": round(seconds["capture"], 3),
        "overhead_ms": round(over * 1e3),
        "overhead_percent": round(100 * over / seconds["bare"], 1),
        "limit_ms": round(50 * seconds["bare"] + 300),
        "bare_mib": round(peaks["bare"]),
        "capture_mib": round(peaks["capture"]),
        "overhead_mib": round(peaks["capture"] - peaks["bare"]),
        "runs": {name: [round(one, 3) for one, _ in runs] for name, runs in sides.items()},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
