"""How fast `trtlens check` reads weights that do conform, so that nothing stops early, beside a plain numpy read and Polygraphy.

In: options. Out: a table on standard output: seconds, gigabytes of weights a second, ratios measured in this same run.
Run: python benchmarks/bench_check.py [--gigabytes 1] [--repeat 3] [--case conv-float16 …] [--folder DIR]

Every figure is of a whole process, page cache warm, pinned to one core where the system can, with the peak of its resident memory
(Linux; the child reads its own, since what wait4 reports includes the parent before exec). The plain read reads the same bytes in blocks
and counts what is not zero. Polygraphy, where installed (https://pypi.org/project/polygraphy), runs `inspect sparsity` on a smaller model
of the same kind, and rates are compared, since it needs minutes for a gigabyte.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

_TYPES = {
    "float32": (TensorProto.FLOAT, 4),
    "float16": (TensorProto.FLOAT16, 2),
    "bfloat16": (TensorProto.BFLOAT16, 2),
    "int8": (TensorProto.INT8, 1),
}
_CHECK = """
import sys
from pathlib import Path
from trtlens.diagnose.weights import check_model
check = check_model(sys.argv[1])
assert check.summary.eligible == len(check.weights) > 0
status = Path("/proc/self/status")
print(next((line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")), 0) if status.exists() else 0)
"""
_POLYGRAPHY = "from polygraphy.tools import main; main()"
_READ = """
import sys, numpy as np
buffer = np.empty(1 << 18, np.uint8); zeros = 0
for path in sys.argv[2:]:
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer): zeros += count - int(np.count_nonzero(buffer[:count]))
"""


@dataclass(frozen=True)
class Case:
    """One model: the operator whose weights it holds, their type, and where the weights stand."""

    operator: str
    dtype: str
    external: bool = True

    @property
    def name(self) -> str:
        return f"{self.operator}-{self.dtype}{'' if self.external else '-inline'}"


CASES = [Case(o, d) for d in _TYPES for o in ("conv", "gemm", "matmul")] + [Case("conv", "float16", external=False)]


def make_model(folder: Path, case: Case, gigabytes: float) -> tuple[Path, int]:
    """Write a model whose weights are 2:4 at random places along the reduction axis; its path and its weights' bytes."""
    number, width = _TYPES[case.dtype]
    shape = (1024, 1024, 3, 3) if case.operator == "conv" else (4096, 4096)
    axis = 0 if case.operator == "matmul" else 1
    size = int(np.prod(shape)) * width
    count = max(1, round(gigabytes * 1e9 / size))
    data = _two_four(np.random.default_rng(0), shape, axis, case.dtype).tobytes()
    nodes, tensors = [], []
    output = TensorProto.FLOAT if case.dtype in ("float32", "int8") else number
    path = folder / f"{case.name}.onnx"
    if case.external:
        with path.with_suffix(".data").open("wb") as file:
            for _ in range(count):
                file.write(data)
    for index in range(count):
        tensor = TensorProto(name=f"w{index}", data_type=number, dims=shape)
        if case.external:
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", path.with_suffix(".data").name), ("offset", str(index * size)), ("length", str(size))):
                tensor.external_data.add(key=key, value=value)
        else:
            tensor.raw_data = data
        tensors.append(tensor)
        weight = f"w{index}"
        if case.dtype == "int8":
            nodes.append(helper.make_node("DequantizeLinear", [weight, "scale"], [f"d{index}"], name=f"dq{index}"))
            weight = f"d{index}"
        inputs, attributes = [f"x{index}", weight], {}
        if case.operator == "conv":
            attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        elif case.operator == "gemm":
            attributes = {"transB": 1}
        kind = {"conv": "Conv", "gemm": "Gemm", "matmul": "MatMul"}[case.operator]
        nodes.append(helper.make_node(kind, inputs, [f"x{index + 1}"], name=f"{case.operator}{index}", **attributes))
    if case.dtype == "int8":
        tensors.append(helper.make_tensor("scale", TensorProto.FLOAT, [], [0.01]))
    dims = [1, 1024, 32, 32] if case.operator == "conv" else [64, 4096]
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("x0", output, dims)],
        [helper.make_tensor_value_info(f"x{count}", output, dims)],
        tensors,
    )
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9).SerializeToString())
    return path, count * size


def _two_four(random: np.random.Generator, shape: tuple[int, ...], axis: int, dtype: str) -> np.ndarray:
    values = random.integers(1, 127, shape, dtype=np.int8)
    moved = np.moveaxis(values, axis, -1)
    groups = moved.reshape(*moved.shape[:-1], -1, 4)
    places = random.integers(0, 6, groups.shape[:-1])
    masks = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 1]], np.int8)[places]
    values = np.ascontiguousarray(np.moveaxis((groups * masks).reshape(moved.shape), -1, axis))
    if dtype == "int8":
        return values
    if dtype == "bfloat16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return values.astype(dtype)


def measure(command: list[str], repeat: int) -> tuple[float, float]:
    """Best wall seconds of `repeat` runs, and the highest peak of resident memory in MB that the process printed (0: none)."""
    best, peak = float("inf"), 0.0
    pin = (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if hasattr(os, "sched_setaffinity") else None
    for _ in range(repeat):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
        best = min(best, time.perf_counter() - start)
        if done.returncode:
            raise SystemExit(f"failed: {' '.join(command)[:200]}\n{done.stderr[-2000:]}")
        peak = max(peak, float(done.stdout) / 1024 if done.stdout.strip().isdigit() else 0.0)
    return best, peak


def main() -> None:
    """Measure the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", nargs="*", choices=[case.name for case in CASES])
    parser.add_argument("--folder", help="where the models are written (default: a temporary folder)")
    options = parser.parse_args()
    chosen = [case for case in CASES if not options.case or case.name in options.case]
    polygraphy = importlib.util.find_spec("polygraphy") is not None
    startup, _ = measure([sys.executable, "-c", "import trtlens.diagnose.weights, onnx"], options.repeat)
    print(f"start of python with onnx and numpy: {startup:.2f} s, part of every figure below but the rate of weights")
    heads = f"{'case':22} {'GB':>5} {'check s':>8} {'GB/s':>6} {'peak MB':>8} {'read s':>7} {'x read':>7}"
    print(heads + f" {'Polygraphy GB/s':>16} {'x rate':>7}" if polygraphy else heads)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for case in chosen:
            path, size = make_model(Path(name), case, options.gigabytes)
            data = path.with_suffix(".data") if case.external else path
            read, _ = measure([sys.executable, "-c", _READ, "-", str(data)], options.repeat)
            seconds, peak = measure([sys.executable, "-c", _CHECK, str(path)], options.repeat)
            rate = size / 1e9 / (seconds - startup)
            row = f"{case.name:22} {size / 1e9:5.2f} {seconds:8.2f} {rate:6.2f} {peak:8.0f} {read:7.2f} {seconds / read:7.1f}"
            if polygraphy and case.dtype in ("float32", "float16"):
                data.unlink(missing_ok=True)
                small, small_size = make_model(Path(name), case, 0.02)
                theirs, _ = measure([sys.executable, "-c", _POLYGRAPHY, "inspect", "sparsity", str(small)], 1)
                row += f" {small_size / 1e9 / theirs:16.5f} {size / seconds / (small_size / theirs):7.0f}"
            print(row, flush=True)
            for file in Path(name).iterdir():
                file.unlink()


if __name__ == "__main__":
    main()
