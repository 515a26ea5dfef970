"""Captures made by hand, line by line: logs, layer info, and what trtlens says of one layer. Every text here is invented; nothing in it was measured.

In: nothing. Out: text, and verdicts of it. Next: the tests of this folder, each of which sets one trap.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, CaptureDiagnosis, LayerVerdict

DENSE, DENSE_2, DENSE_HWC, SPARSE, SPARSE_2 = 0xD000000000000001, 0xD000000000000002, 0xD000000000000003, 0x5000000000000001, 0x5000000000000002
_DENSE = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize{}x64x32_stage4_warpsize2x2x1_g1_tensor16x8x16"
_SPARSE = "sm80_xmma_fprop_sparse_conv_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize{}x64x64_stage4_warpsize2x2x1_g1_sptensor16x8x32"
KERNELS = {DENSE: _DENSE.format(64), DENSE_2: _DENSE.format(128), DENSE_HWC: _DENSE.format(256), SPARSE: _SPARSE.format(64), SPARSE_2: _SPARSE.format(128)}
LINEAR, HWC8, FLOAT = "Half(50176,784,28,1)", "Half(6272,1:8,224,8)", "Float(50176,784,28,1)"
LAYER = "conv1"


def tactic(number: int, time: float | str, name: str | None = "") -> str:
    """A timed tactic; `name` None: unnamed, "" its own."""
    kernel = KERNELS.get(number) if name == "" else name
    return f"{f'Tactic Name: {kernel} ' if kernel else ''}Tactic: 0x{number:016x} Time: {time}"


def combination(layer: str, formats: str, lines: Sequence[str | tuple[int, float | str]], chosen: int | None, runner: str = "CaskConvolution") -> list[str]:
    """One format combination with one runner's race; `chosen` None: the log does not say."""
    found = [f"*************** Autotuning format combination: {formats} ***************", f"--------------- Timing Runner: {layer} ({runner}[0x80000009])"]
    found += [line if isinstance(line, str) else tactic(*line) for line in lines]
    timed = [line for line in lines if isinstance(line, tuple) and isinstance(line[1], float)]
    if timed:
        best = min(timed, key=lambda line: line[1])
        found.append(f"{layer} ({runner}[0x80000009]) profiling completed in 0.1 seconds. Fastest Tactic: 0x{best[0]:016x} Time: {best[1]}")
    return [*found, *([f">>>>>>>>>>>>>>> Chose Runner Type: {runner} Tactic: 0x{chosen:016x}"] if chosen is not None else [])]


def layer(name: str, *combinations: Sequence[str]) -> list[str]:
    return [f"=============== Computing costs for {name}", *(line for item in combinations for line in item)]


def reformat(place: str, source: str, target: str, time_ms: float) -> list[str]:
    name = f"Optimizer Reformat({place})"
    return [
        "=============== Computing reformatting costs: ", f"*************** Autotuning Reformat: {source} -> {target} ***************",
        f"--------------- Timing Runner: {name} (Reformat[0x80000006])", f"Tactic: 0x0000000000000000 Time: {time_ms}",
        f"{name} (Reformat[0x80000006]) profiling completed in 0.1 seconds. Fastest Tactic: 0x0000000000000000 Time: {time_ms}",
    ]  # fmt: skip


def engine_line(name: str, number: int, source: str = "x (Half[1,64,28,28])", target: str = "y (Half[1,64,28,28])", runner: str = "CaskConvolution") -> str:
    return f"Layer({runner}): {name}, Tactic: 0x{number:016x}, {source} -> {target}"


@dataclass
class Log:
    """One build: what was tuned, the eligible and the chosen layers, the engine. `warned` False: no line of standard error."""

    tuned: list[str]
    engine: list[str]
    eligible: str = LAYER
    picked: str = ""
    version: str = "8.6.1"
    capability: str = "8.6"
    model: str = "synthetic.onnx"
    before: list[str] = field(default_factory=list)
    lists: list[str] | None = None

    def text(self) -> str:
        v = "[01/02/2030-03:04:05] [V] [TRT] "
        own = [
            f"&&&& RUNNING TensorRT.trtexec [TensorRT v{self.version.replace('.', '')}] # trtexec --onnx={self.model} --fp16 --sparsity=enable --verbose",
            f"[01/02/2030-03:04:05] [I] Model: {self.model}", "[01/02/2030-03:04:05] [I] Precision: FP32+FP16", "[01/02/2030-03:04:05] [I] Sparsity: Enabled",
            "[01/02/2030-03:04:05] [I] Selected Device: NVIDIA A10", f"[01/02/2030-03:04:05] [I] Compute Capability: {self.capability}",
            f"[01/02/2030-03:04:05] [I] TensorRT version: {self.version}", "[01/02/2030-03:04:05] [W] [TRT] a warning: standard error was captured", *self.before,
        ]  # fmt: skip
        lists = self.lists
        if lists is None:
            lists = [
                f"(Sparsity) Layers eligible for sparse math: {self.eligible}",
                f"(Sparsity) TRT inference plan picked sparse implementation for layers:{' ' + self.picked if self.picked else ''}",
            ]
        tuned = [line if line.startswith("[01/") else v + line for line in ["Local timing cache in use.", *self.tuned, *lists]]
        return "\n".join([*own, *tuned, f"{v}Engine Layer Information:", *self.engine, "[01/02/2030-03:04:09] [I] Engine built in 4 sec.", ""])


def info(layers: Sequence[dict[str, object]], bindings: Sequence[str] = ("x", "y")) -> str:
    return json.dumps({"Layers": list(layers), "Bindings": list(bindings)})


def info_layer(
    name: str, number: int, sources: dict[str, str], targets: dict[str, str], runner: str = "CaskConvolution", kind: str = "Convolution"
) -> dict[str, object]:
    def tensors(items: dict[str, str]) -> list[dict[str, object]]:
        return [{"Name": tensor, "Location": "Device", "Dimensions": [1, 64, 28, 28], "Format/Datatype": form} for tensor, form in items.items()]

    found: dict[str, object] = {"Name": name, "LayerType": runner, "Inputs": tensors(sources), "Outputs": tensors(targets), "ParameterType": kind}
    if kind == "Convolution":
        found |= {"Kernel": [3, 3], "Stride": [1, 1], "Groups": 1, "OutMaps": 64, "HasSparseWeights": 1, "Weights": {"Type": "Half", "Count": 36864}}
    if number in KERNELS:
        found["TacticName"] = KERNELS[number]
    return {**found, "TacticValue": f"0x{number:016x}"}


INFO_LINEAR, INFO_HWC8 = "Row major linear FP16 format", "Channel major FP16 format where channel % 8 == 0"


def whole(tmp_path: Path, log: str, layer_info: str | None = None) -> CaptureDiagnosis:
    (tmp_path / "build.log").write_text(log, encoding="utf-8")
    paths = [str(tmp_path / "build.log")]
    if layer_info is not None:
        (tmp_path / "layer_info.json").write_text(layer_info, encoding="utf-8")
        paths.append(str(tmp_path / "layer_info.json"))
    return explain(paths).captures[0]


def main(tmp_path: Path, log: Log | str, layer_info: str | None = None) -> BuildDiagnosis:
    found = whole(tmp_path, log if isinstance(log, str) else log.text(), layer_info).main
    assert found is not None
    return found


def verdict(tmp_path: Path, log: Log | str, layer_info: str | None = None, name: str = LAYER) -> LayerVerdict:
    return next(item for item in main(tmp_path, log, layer_info).layers if item.name == name)


def told(found: LayerVerdict) -> tuple[str, str | None, str]:
    return found.status, found.reason, found.proof


PAIR = f"{LINEAR} -> {LINEAR}", f"{HWC8} -> {HWC8}"


def slower_log(**changes: Any) -> Log:
    """Dense won in the one format that has a sparse tactic: `slower`, proven."""
    first = combination(LAYER, PAIR[0], [(DENSE, 0.05)], DENSE)
    second = combination(LAYER, PAIR[1], [(SPARSE, 0.03), (DENSE_HWC, 0.02)], DENSE_HWC)
    return Log(layer(LAYER, first, second), [engine_line(LAYER, DENSE_HWC, "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])")], **changes)


def dense_log(extra: Sequence[str | tuple[int, float | str]] = (), **changes: Any) -> Log:
    """One combination, two dense tactics: `no-kernel`, proven, unless `extra` undoes it."""
    return Log(layer(LAYER, combination(LAYER, PAIR[1], [(DENSE, 0.05), *extra, (DENSE_2, 0.04)], DENSE_2)), [engine_line(LAYER, DENSE_2)], **changes)


X, Y = "x (Half[1,64:8,28,28])", "y (Half[1,64:8,28,28])"


def switch_log(costs: Sequence[Sequence[str]], rest: Sequence[str] = (), engine: Sequence[str] | None = None, best_sparse: float = 0.04) -> Log:
    """Dense runs in HWC8 at 0.05 ms; sparse won LINEAR, and would need x and y copied."""
    races = layer(LAYER, combination(LAYER, PAIR[1], [(DENSE_HWC, 0.05)], DENSE_HWC), combination(LAYER, PAIR[0], [(SPARSE, best_sparse), (DENSE, 0.06)], SPARSE))
    lines = list(engine) if engine is not None else [engine_line(LAYER, DENSE_HWC, X, Y)]
    return Log([*(line for cost in costs for line in cost), *races, *rest], lines)


INTO, OUT = reformat("x -> <out>", HWC8, LINEAR, 0.006), reformat("<in> -> y", LINEAR, HWC8, 0.007)


def consumer(name: str, source: str, target: str, *, formats: str = PAIR[1], number: int = DENSE_2) -> tuple[list[str], str]:
    return layer(name, combination(name, formats, [(number, 0.01)], number)), engine_line(name, number, source, target)


LEFT_OUT = "Tactic: 0x5000000000000002 skipped. Scratch requested: 2000, available: 1000"


def left_out_log(extra: Sequence[str] = ()) -> Log:
    """The one sparse tactic of conv1 was skipped for memory; conv0, where both sparse tactics were timed, names them."""
    log = dense_log([LEFT_OUT, *extra])
    log.tuned[:0] = layer("conv0", combination("conv0", PAIR[1], [(SPARSE_2, 0.06), (SPARSE, 0.06), (DENSE, 0.05)], DENSE))
    return log


CACHED = "{} [{}] got cached result: {}, tactic 0x{:016x}, {} ms"


def cached_log(lines: Sequence[str], before: Sequence[str] = (), other: str = "conv0") -> Log:
    """conv0 raced, conv1 repeats it by `lines`."""
    race = layer(other, combination(other, PAIR[1], [(SPARSE, 0.06), (DENSE, 0.05)], DENSE))
    lists = ["(Sparsity) Found 2 layer(s) eligible to use sparse tactics: conv0, conv1", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    return Log([*before, *race, f"=============== Computing costs for {LAYER}", *lines], [engine_line("conv0", DENSE), engine_line(LAYER, DENSE, "y (Half[1,64,28,28])", "z (Half[1,64,28,28])")], version="10.3.0", lists=lists)  # fmt: skip


RUNNER = "CaskConvolution"
OP = "Gemm_1"
GEMM = "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize{}x64x32_stage4_warpsize2x2x1_tensor16x8x16"
REGION = "{ForeignNode[Gemm_1.weight...Softmax_2]}"


def region_log(rows: Sequence[str], sub_lists: Sequence[str] | None = None) -> Log:
    inside = " (foreignNode) "
    if sub_lists is None:
        sub_lists = (f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {OP}", "(Sparsity) Chose 0 layer(s) using sparse tactics: ")
    table = [
        f"{inside}Autotuning op {OP}: [ONNX Layer: {OP}]", f"{inside}Sorted table of all evaluated tactics:",
        f"{inside}tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, tunable_parameter", *(inside + row for row in rows),
        *(inside + line for line in sub_lists), "Tactic: 0x0000000000000000 Time: 0.05",
    ]  # fmt: skip
    lists = ["(Sparsity) Found 0 layer(s) eligible to use sparse tactics: ", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    return Log(layer(REGION, combination(REGION, "Half(64,1) -> Half(64,1)", table, 0, "Myelin")), [engine_line(REGION, 0, "x (Half[1,64])", "y (Half[1,64])", "Myelin")], version="10.16.0", lists=lists)  # fmt: skip


ROW = "   {}, {}, 1.00000, 0.00000, {}, 0x{:x}, "
ROWS = [ROW.format(0, "0.0400000", GEMM.format(64), 0xAB1), ROW.format(1, "0.0500000", GEMM.format(128), 0xAB2)]
NO_VALID = ["--------------- Timing Runner: conv1 ({0}[0x80000009])", "{0} has no valid tactics for this config, skipping"]


def no_valid(*runners: str) -> list[str]:
    return [line.format(runner) for runner in runners for line in NO_VALID]


def autotuning(formats: str) -> str:
    return f"*************** Autotuning format combination: {formats} ***************"


UNNAMED_AND_SLOW = [tactic(0x9999999999999999, 0.9, None)]
"""It changes no verdict of rules 2 to 4 as it loses to every tactic; but a race that holds it is looked at combination by combination."""
CACHE = "Local timing cache in use."
FOUND, CHOSE = "(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv1", "(Sparsity) Chose 0 layer(s) using sparse tactics: "
USED = "Use backend strategy {} with estimated inference time (1.5) as the initial choice."


def strategies(*passes: tuple[int, list[str]], **changes: Any) -> Log:
    """Passes as (number, lines); the engine runs DENSE."""
    tuned = [line for number, lines in passes for line in (f"Building graph using backend strategy {number}", CACHE, *lines)]
    return Log(tuned, [engine_line(LAYER, DENSE)], version="10.16.0", lists=[], **changes)


def one_race(winner: int, *times: tuple[int, float]) -> list[str]:
    return layer(LAYER, combination(LAYER, PAIR[1], list(times), winner))


def table_log() -> Log:
    """`slower`, proven by a table of a Myelin region."""
    return region_log([*ROWS, ROW.format(2, "0.0600000", GEMM.format(256).replace("gemm", "sparse_gemm"), 0xAB3)])


def pinned_log(*more: list[str]) -> Log:
    """Sparse was chosen although a dense tactic was timed faster in the same combination."""
    race = combination(LAYER, PAIR[1], [(SPARSE, 0.06), (DENSE, 0.05)], SPARSE)
    return Log(layer(LAYER, race, *more), [engine_line(LAYER, SPARSE)], picked=LAYER)


PINNED_INFO = info([info_layer(LAYER, SPARSE, {"x": INFO_HWC8}, {"y": INFO_HWC8})])
