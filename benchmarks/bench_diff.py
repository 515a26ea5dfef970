"""How long `trtlens diff` takes to compare two engines, as ratios in one run.

In: options. Out: a table on standard output: seconds, microseconds a layer, ratios to a plain join by name of the same layers, growth with size.
Run: python benchmarks/bench_diff.py [--layers 1250 2500 5000 10000] [--repeat 3]

Cases: `same` (every layer has its ONNX nodes), `fused` (one engine fuses in pairs what the other runs apart), `renamed` (no name and no node in
common: structure alone), `hub` (one constant in every layer). Nothing here was measured on a GPU: the engines are made up.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from trtlens.diagnose.diff import diff
from trtlens.diagnose.model import BuildDiagnosis, CaptureDiagnosis, Eligibility, Environment, LayerVerdict, RunningTactic, Summary

_Engine = Callable[[int], list[LayerVerdict]]


def layer(name: str, nodes: tuple[str, ...], shape: str, number: int) -> LayerVerdict:
    """A fallback with everything known."""
    formats = (f"Half CHW16 {shape}",)
    tactic = RunningTactic(f"sm80_xmma_fprop_{number % 50}", number, False, "CaskConvolution")
    return LayerVerdict(
        name, "CaskConvolution", nodes, None, "dense", "slower", "proven", "stable", "a dense tactic was faster", Eligibility(True, "proven"), tactic, formats,
        formats, time_ms=0.01 + number % 97 / 1000, time_stat="median",
    )  # fmt: skip


def shape(number: int) -> str:
    return f"1x{16 * (number % 37 + 1)}x{number % 11 + 7}"


CASES: dict[str, tuple[_Engine, _Engine]] = {
    "same": (lambda n: [layer(f"c{i}", (f"c{i}",), shape(i), i) for i in range(n)], lambda n: [layer(f"c{i}", (f"c{i}",), shape(i), i + 1) for i in range(n)]),
    "fused": (
        lambda n: [layer(f"c{i}", (f"c{i}",), shape(i), i) for i in range(n)],
        lambda n: [layer(f"c{i} + c{i + 1}", (f"c{i}", f"c{i + 1}"), shape(i), i) for i in range(0, n - 1, 2)],
    ),
    "renamed": (lambda n: [layer(f"a{i}", (), shape(i), i) for i in range(n)], lambda n: [layer(f"b{i}", (), shape(i), i) for i in range(n)]),
    "hub": (
        lambda n: [layer(f"a{i}", ("shape", f"c{i}"), shape(i), i) for i in range(n)],
        lambda n: [layer(f"b{i}", ("shape", f"c{i}", f"r{i}"), shape(i), i) for i in range(n)],
    ),
}


def capture(layers: list[LayerVerdict]) -> CaptureDiagnosis:
    summary = Summary(len(layers), len(layers), None, None, 0, len(layers), 0, 0, None, None, None, None)
    return CaptureDiagnosis((), 0, (BuildDiagnosis(0, None, None, Environment(), summary, tuple(layers)),))


def best(work: Callable[[], object], repeat: int) -> float:
    """The shortest of `repeat` runs, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--layers", type=int, nargs="+", default=[1250, 2500, 5000, 10000])
    options.add_argument("--repeat", type=int, default=3)
    given = options.parse_args()
    print(f"{'case':<8} {'layers':>7} {'seconds':>8} {'us/layer':>9} {'x join':>7} {'growth':>7}  matched")
    for name, (first, second) in CASES.items():
        before = None
        for number in given.layers:
            a, b = capture(first(number)), capture(second(number))
            layers_a, layers_b = a.builds[0].layers, b.builds[0].layers
            seconds = best(lambda a=a, b=b: diff(a, b), given.repeat)  # type: ignore[misc]
            join = best(lambda x=layers_a, y=layers_b: {one.name: one for one in x}.keys() & {one.name: one for one in y}.keys(), given.repeat)  # type: ignore[misc]
            growth = "" if before is None else f"{(seconds / number) / before:.2f}"
            before = seconds / number
            print(f"{name:<8} {number:>7,} {seconds:>8.3f} {1e6 * seconds / number:>9.1f} {seconds / join:>7.0f} {growth:>7}  {len(diff(a, b).layers):,}")


if __name__ == "__main__":
    main()
