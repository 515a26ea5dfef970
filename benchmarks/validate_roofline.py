"""Roofline against measurement: `python benchmarks/validate_roofline.py GEMMS.csv`.

In: a CSV of matrix products measured dense and sparse on one H200 (columns dtype, out_channels, reduction, columns, dense_ms, sparse_ms,
dense_min_ms, sparse_min_ms, …). Out: the tables of docs/roofline.md on standard output. Next: docs/roofline.md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from trtlens.diagnose.roofline import MEMORY_BOUND_RATIO, GemmShape, find_gpu, gain_bound, ideal_ratio, sparse_roofline_ms

# The kernels' names say what they write: e4m3f16 (FP16 from FP8) and i8i32 (INT32 from INT8).
_TYPES = {"fp16": ("fp16", 2.0), "bf16": ("bf16", 2.0), "int8": ("int8", 4.0), "fp8_e4m3": ("fp8", 2.0)}
_BINS = ((1.0, 1.05), (1.05, 1.2), (1.2, 1.5), (1.5, 1.8), (1.8, 2.01))


@dataclass(frozen=True, slots=True)
class Row:
    """One product: the model's ideal ratio, bound and floor, and the measured gain (median times) and fastest sparse run."""

    datatype: str
    shape: GemmShape
    ratio: float
    bound: float
    floor_ms: float
    sparse_min_ms: float
    gain: float
    best_gain: float


def read(path: Path) -> list[Row]:
    """The rows of the measurement with the model's figures. Raises KeyError or ValueError on another kind of file."""
    gpu = find_gpu("NVIDIA H200")
    rows = []
    with path.open(newline="", encoding="utf-8") as file:
        for record in csv.DictReader(file):
            datatype, output_bytes = _TYPES[record["dtype"]]
            shape = GemmShape(int(record["columns"]), int(record["reduction"]), int(record["out_channels"]), output_bytes=output_bytes)
            dense, sparse = float(record["dense_ms"]), float(record["sparse_ms"])
            # The bound must hold even for the luckiest sparse run against the ordinary dense one.
            ratio, bound = ideal_ratio(shape, gpu, datatype), gain_bound(dense, shape, gpu, datatype)
            floor = sparse_roofline_ms(shape, gpu, datatype)
            if ratio is None or bound is None or floor is None:
                raise ValueError(f"the data file knows no rate of {datatype} for the H200")
            fastest = float(record["sparse_min_ms"])
            rows.append(Row(datatype, shape, ratio, bound, floor, fastest, dense / sparse, dense / fastest))
    return rows


def flagged(rows: Iterable[Row]) -> list[Row]:
    """Those that the model calls memory-bound."""
    return [row for row in rows if row.ratio <= MEMORY_BOUND_RATIO]


def tables(rows: list[Row]) -> str:
    """Markdown tables: per type, per range of the ideal ratio, and the memory-bound rows that gained more than the model says."""
    lines = [
        "| type | products | bound violated | fastest sparse run / floor, least and median | flagged (ideal ratio ≤ 1.05) "
        "| measured gain of those, median and most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    types = list(dict.fromkeys(row.datatype for row in rows))
    for datatype in types:
        mine = [row for row in rows if row.datatype == datatype]
        share = [row.sparse_min_ms / row.floor_ms for row in mine]
        low = [row.gain for row in flagged(mine)]
        violated = sum(row.best_gain > row.bound for row in mine)
        floor, gains = f"{min(share):.2f}, {median(share):.2f}", f"{median(low):.2f}, {max(low):.2f}"
        lines.append(f"| {datatype} | {len(mine)} | {violated} | {floor} | {len(low)} | {gains} |")
    ranges = [f"{start:.2f} to {min(end, 2):.2f}" for start, end in _BINS]
    lines += ["", f"| type | {' | '.join(ranges)} |", "| --- |" + " --- |" * len(_BINS)]
    for datatype in types:
        cells = []
        for start, end in _BINS:
            within = [row.gain for row in rows if row.datatype == datatype and start <= row.ratio < end]
            cells.append(f"{median(within):.2f} ({min(within):.2f} to {max(within):.2f}), n = {len(within)}" if within else "–")
        lines.append(f"| {datatype} | {' | '.join(cells)} |")
    lines += ["", "| type | rows × reduction × outputs | ideal ratio | measured gain |", "| --- | --- | --- | --- |"]
    above = [row for row in flagged(rows) if row.datatype != "int8" and row.gain > MEMORY_BOUND_RATIO]
    for row in sorted(above, key=lambda row: -row.gain):
        lines.append(f"| {row.datatype} | {row.shape.m} × {row.shape.k} × {row.shape.n} | {row.ratio:.3f} | {row.gain:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/validate_roofline.py GEMMS.csv")
    print(tables(read(Path(sys.argv[1]))), end="")


if __name__ == "__main__":
    main()
