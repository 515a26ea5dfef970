"""Start-up and the diagnosis of large engines, as ratios and CPU seconds of one run.

In: nothing (it makes its own files). Out: a table on standard output. `python benchmarks/bench_explain.py`
Marks: `trtlens --help` within 1.3 times the `--help` of an empty typer app with as many commands; 5,000 layers of layer info and profile parsed and
diagnosed within 1 s of CPU after imports, and no more than linear beyond.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EMPTY = (
    "import typer\napp = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)\n@app.callback()\ndef top(): pass\n"
    + "\n".join(f"@app.command()\ndef c{i}(a: str): 'x'" for i in range(6))
    + "\napp()"
)
DIAGNOSE = """
import sys, time
import trtlens.diagnose.explain, trtlens.report.terminal, trtlens.report.json_report, trtlens.report.html
from trtlens.diagnose.session import Session
start = time.process_time()
session = Session(sys.argv[1:3])
diagnosed = time.process_time()
trtlens.report.html.write_html(session.diagnosis, sys.argv[3], session.extras())
print(diagnosed - start, time.process_time() - diagnosed)
"""
SPARSE = "sm80_xmma_fprop_sparse_conv_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x128x64_stage3_warpsize1x4x1_g1_sptensor16x8x32_t1r1s1"
DENSE = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize256x64x32_stage3_warpsize4x1x1_g1_tensor16x8x16_simple_t1r1s1"


def wall(arguments: list[str], runs: int = 9) -> float:
    """Median wall time of a command, seconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(arguments, capture_output=True, check=False)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def engine(folder: Path, layers: int) -> tuple[str, str]:
    """Layer info and profile of an invented engine: half of its layers dense, distinct shapes and names."""
    tensor = {"Location": "Device", "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"}
    info, rows = [], [{"count": 100}]
    for i in range(layers):
        dimensions = [1, 64 + i % 512, 8 + i % 120, 8 + i % 96]
        name = f"/block.{i // 7}/conv{i % 7}/Conv + /block.{i // 7}/act{i % 7}/Relu"
        info.append(
            {
                "Name": name, "LayerType": "CaskConvolution", "Inputs": [{"Name": f"t{i}", "Dimensions": dimensions, **tensor}],
                "Outputs": [{"Name": f"t{i + 1}", "Dimensions": dimensions, **tensor}], "ParameterType": "Convolution", "Kernel": [3, 3], "Stride": [1, 1],
                "Dilation": [1, 1], "OutMaps": dimensions[1], "Groups": 1, "Weights": {"Type": "Half", "Count": 9 * dimensions[1] ** 2}, "HasSparseWeights": 1,
                "TacticName": SPARSE if i % 2 else DENSE, "TacticValue": f"0x{i * 2654435761 % 2**64:016x}",
            }
        )  # fmt: skip
        rows.append({"name": name, "timeMs": 1.0, "averageMs": 0.01, "medianMs": 0.01, "percentage": 100.0 / layers})
    paths = folder / f"li{layers}.json", folder / f"pr{layers}.json"
    paths[0].write_text(json.dumps({"Layers": info, "Bindings": []}), encoding="utf-8")
    paths[1].write_text(json.dumps(rows), encoding="utf-8")
    return str(paths[0]), str(paths[1])


def main() -> None:
    empty = wall([sys.executable, "-c", EMPTY, "--help"])
    ours = wall([sys.executable, "-c", "from trtlens.cli import main; main()", "--help"])
    print(f"--help: empty typer app {empty * 1000:.0f} ms, trtlens {ours * 1000:.0f} ms: {ours / empty:.2f} times")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for layers in (1250, 2500, 5000, 10000):
            files = engine(folder, layers)
            page = folder / "r.html"
            runs = []
            for _ in range(3):
                done = subprocess.run([sys.executable, "-c", DIAGNOSE, *files, str(page)], capture_output=True, text=True, check=True)
                runs.append(tuple(float(value) for value in done.stdout.split()))
            diagnosed, written = (statistics.median(values) for values in zip(*runs, strict=True))
            print(f"{layers:6,} layers: parsed and diagnosed {diagnosed:.2f} s CPU, HTML written {written:.2f} s CPU, {page.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
