"""How large an input may be: a log of gigabytes, an engine of fifty thousand layers; memory, and whether time grows with size and no faster.

In: options. Out: a table on standard output. Next: benchmarks/README.md, section "Limits", keeps it.
Run: python benchmarks/bench_limits.py [--megabytes 2000] [--layers 50000] [--folder DIR] [--skip log|layers]

Each input is made at a quarter, half and full size; figures are of whole processes (see bench_log.py). A log of 2 GB needs 3.5 GB of disk while this runs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_log
from bench_log import _EXPLAIN, _PARSE, Run, python

SIZES = (0.25, 0.5, 1.0)


def engine(folder: Path, layers: int) -> list[str]:
    """Layer info and timing profile of an engine of `layers` layers, in the forms that trtexec writes."""
    generator = make_log.Generator("8.6", 1)
    infos, rows = [], ['[\n  { "count" : 1000 }']
    for index in range(layers):
        shape = generator.shape(index)
        winner = min(generator.race(index, shape)[1], key=lambda w: w.time_ms)
        infos.append(make_log.layer_json(shape, winner, index % 3 != 0))
        t = winner.time_ms
        rows.append(f', {{ "name" : {json.dumps(shape.name)}, "timeMs" : {t * 1000:.6g}, "averageMs" : {t:.6g}, "medianMs" : {t:.6g}, "percentage" : 0.002 }}')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layer_info.json").write_text(json.dumps({"Layers": infos, "Bindings": ["synthetic_input"]}, indent=1), encoding="ascii")
    (folder / "profile.json").write_text("\n".join(rows) + "\n]\n", encoding="ascii")
    return [str(folder / "layer_info.json"), str(folder / "profile.json")]


def series(what: str, run: Callable[[float], tuple[str, Run, str]]) -> None:
    """One line a size, each with its ratio to the one before."""
    print(f"\n{what:44}{'CPU s':>9}{'wall s':>9}{'peak MiB':>10}{'x CPU':>8}{'x memory':>10}")
    before: Run | None = None
    for size in SIZES:
        name, result, note = run(size)
        ratios = "" if before is None else f"{result.cpu / before.cpu:8.2f}{result.peak_mib / before.peak_mib:10.2f}"
        print(f"{name:44}{result.cpu:9.2f}{result.wall:9.2f}{result.peak_mib:10.0f}{ratios}  {note}", flush=True)
        before = result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=2000.0)
    parser.add_argument("--layers", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="where inputs are made (default: a temporary folder); they are removed again")
    parser.add_argument("--skip", choices=("log", "layers"), action="append", default=[])
    options = parser.parse_args()
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)

        def parsed(size: float) -> tuple[str, Run, str]:
            megabytes = options.megabytes * size
            log = folder / "build.log"
            make_log.write(log, megabytes, "8.6", 1, None)
            result = python(_PARSE, str(log))
            rows = int(result.output.split()[0]) if result.output else 0
            return f"log of {log.stat().st_size / 1e6:,.0f} MB, parsed", result, f"{rows:,} rows, allowed {250 + rows * 64 / 2**20:.0f} MiB"

        def explained(size: float) -> tuple[str, Run, str]:
            layers = int(options.layers * size)
            result = python(_EXPLAIN, "explain", *engine(folder / "engine", layers), "--json", str(folder / "out.json"), "--quiet")
            return f"engine of {layers:,} layers, explained", result, f"JSON of {(folder / 'out.json').stat().st_size / 1e6:.0f} MB"

        def reported(size: float) -> tuple[str, Run, str]:
            layers = int(options.layers * size)
            result = python(_EXPLAIN, "explain", *engine(folder / "engine", layers), "--html", str(folder / "out.html"), "--quiet")
            return f"engine of {layers:,} layers, HTML report", result, f"page of {(folder / 'out.html').stat().st_size / 1e6:.1f} MB"

        if "layers" not in options.skip:
            series(f"engine of {options.layers:,} layers", explained)
            series(f"engine of {options.layers:,} layers, as a page", reported)
        if "log" not in options.skip:
            needed, free = options.megabytes * 1.2e6, shutil.disk_usage(folder).free
            if free < needed:
                print(f"\nno room for the log: {needed / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} GB are free")
                return 1
            series(f"log of {options.megabytes:,.0f} MB", parsed)
            total = python(_EXPLAIN, "explain", str(folder / "build.log"), "--quiet")
            print(f"{'the largest, explained without layer info':44}{total.cpu:9.2f}{total.wall:9.2f}{total.peak_mib:10.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
