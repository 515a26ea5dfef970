"""Writes a large SYNTHETIC verbose build log, and on request the layer info and timing profile that belong to it.

In: dialect (8.5, 8.6 or 10.x), size in megabytes, seed. Out: build.log (nothing in it was measured), layer_info.json, profile.json.
Next: the benchmarks of this folder read them.

    python benchmarks/make_log.py build.log --megabytes 300 --dialect 8.6 --artefacts DIR

The mix is that of real tuning logs: a timed tactic on about one line in four, one layer in ten repeats a race. Kernel names come from
a pool of 30,000, format strings from each layer's own shape, layer names are all different: a parser cannot win by remembering lines.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

KERNELS = 30_000
MOST_TACTICS = 8
SAMPLE = 40
CHUNK_BYTES = 8 << 20
_TYPES = {
    "Half": ("f16f16_f16f32_f32", "f16f16_f16f16_f16"),
    "Float": ("f32f32_f32f32_f32", "f32f32_tf32f32_f32"),
    "Int8": ("i8i8_i8i32_f32", "i8f16_i8i32_f32"),
}
_LAYOUTS = {
    "LINEAR": (1, False),
    "HWC": (1, True),
    "HWC4": (4, True),
    "HWC8": (8, True),
    "HWC16": (16, True),
    "CHW2": (2, False),
    "CHW4": (4, False),
    "CHW32": (32, False),
}
_FORMATS = {
    "Float": ("LINEAR", "HWC", "HWC4"),
    "Half": ("LINEAR", "CHW2", "HWC", "HWC4", "HWC8", "HWC16"),
    "Int8": ("LINEAR", "CHW4", "CHW32", "HWC16"),
}
_SENTENCES = {
    "LINEAR": "Row major linear {0} format",
    "CHW2": "Two wide channel vectorized row major {0} format",
    "CHW4": "Four wide channel vectorized row major {0} format",
    "CHW32": "Thirty-two wide channel vectorized row major {0} format",
    "HWC": "Channel major {0} format",
}
_INVALID = ("CudaDepthwiseConvolution", "FusedConvActConvolution", "CudnnConvolution")
_INVALID_10 = ("CaskFlattenConvolution", "CudaDepthwiseConvolution", "CudaGroupConvolution")
_RUNNER_IDS = {
    "CaskConvolution": "[0x80000009]",
    "CaskFlattenConvolution": "[0x80000036]",
    "CudaDepthwiseConvolution": "[0x80000001]",
    "FusedConvActConvolution": "[0x80000003]",
    "CudnnConvolution": "[0x80000000]",
    "Reformat": "[0x80000006]",
}


@dataclass(frozen=True)
class Kernel:
    name: str
    tactic: str


def kernel_pool(seed: int) -> dict[str, list[Kernel]]:
    """Distinct kernel names by data type, one in six sparse."""
    rng = random.Random(seed)
    pool: dict[str, dict[str, Kernel]] = {"Half": {}, "Float": {}, "Int8": {}}
    share = {"Half": 0.5, "Float": 0.2, "Int8": 0.3}
    for dtype, found in pool.items():
        while len(found) < KERNELS * share[dtype]:
            tile = f"{rng.choice((32, 64, 96, 128, 192, 256))}x{rng.choice((16, 32, 64, 96, 128, 160, 256))}"
            types, stage = rng.choice(_TYPES[dtype]), rng.randint(1, 6)
            warps = f"{rng.choice((1, 2, 4))}x{rng.choice((1, 2, 4))}x1"
            layout = rng.choice(("nchwkcrs_nchw", "nhwckrsc_nhwc", "nhwckrsc_nhwc"))
            suffix = rng.choice(
                ("", "_t1r1s1", "_t1r3s3", "_simple_t1r1s1", "_t1r5s5", "_aligna4_alignc4", "_aligna8_alignc8", "_beta0_packed_stride")
            )
            if rng.random() < 1 / 6 and dtype != "Float":
                mma, depth = ("sptensor16x8x64", 128) if dtype == "Int8" else ("sptensor16x8x32", 64)
                name = f"sm80_xmma_fprop_sparse_conv_{types}_{layout}_tilesize{tile}x{depth}_stage{stage}_warpsize{warps}_g1_{mma}{suffix}"
            else:
                mma = "ffma" if dtype == "Float" else rng.choice(("tensor16x8x16", "tensor16x8x32"))
                family, kind = rng.choice(("sm70", "sm75", "sm80", "sm86")), rng.choice(("", "indexed_", "indexed_wo_smem_"))
                depth = rng.choice((8, 16, 32, 64))
                tail = f"tilesize{tile}x{depth}_stage{stage}_warpsize{warps}_g1_{mma}{suffix}"
                name = f"{family}_xmma_fprop_implicit_gemm_{kind}{types}_{layout}_{tail}"
            found[name] = Kernel(name, "0x" + blake2b(name.encode(), digest_size=8).hexdigest())
    return {dtype: list(found.values()) for dtype, found in pool.items()}


def descriptor(dtype: str, layout: str, channels: int, height: int, width: int) -> str:
    lanes, inner = _LAYOUTS[layout]
    vectors = -(-channels // lanes)
    mark = f":{lanes}" if lanes > 1 else ""
    if inner:
        return f"{dtype}({vectors * height * width},1{mark},{width * vectors},{vectors})"
    return f"{dtype}({vectors * height * width},{height * width}{mark},{width},1)"


@dataclass
class Shape:
    """A layer before it is printed. Tensors are named after the layer that makes them."""

    name: str
    nodes: list[str]
    source: str
    target: str
    channels: int
    features: int
    height: int
    width: int
    twin: bool
    combinations: list[tuple[str, str, str]]  # type, input layout, output layout


@dataclass
class Winner:
    dtype: str
    source: str
    target: str
    time_ms: float
    kernel: Kernel


class Generator:
    """Prints layers one by one; every layer has its own random numbers, so that sections can be printed in any order."""

    def __init__(self, dialect: str, seed: int, most_tactics: int = MOST_TACTICS) -> None:
        """`most_tactics`: each combination times from one to as many."""
        self.dialect, self.seed, self.most_tactics = dialect, seed, most_tactics
        self.era = {"8.5": 8.5, "8.6": 8.6, "10.x": 10.3}[dialect]
        self.version = {"8.5": "8.5.2", "8.6": "8.6.1", "10.x": "10.3.0"}[dialect]
        self.pool = kernel_pool(seed)
        self.ids = dict.fromkeys(_RUNNER_IDS, "") if self.era < 8.6 else _RUNNER_IDS

    def random(self, index: int, purpose: int) -> random.Random:
        return random.Random((self.seed * 1_000_003 + index) * 8 + purpose)

    def prefix(self, index: int, severity: str = "V") -> str:
        seconds = index // 8
        return f"[01/02/2030-{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}] [{severity}] [TRT] "

    def shape(self, index: int) -> Shape:
        twin = index % 10 == 9
        rng = self.random(index - 1 if twin else index, 0)
        style = rng.randrange(3)
        number = 7 * index
        if style == 0:
            nodes = [f"Conv_{number}", f"Relu_{number + 1}"]
            name = " + ".join(nodes)
        elif style == 1:
            base = f"/model.{index}/cv{rng.randint(1, 3)}"
            nodes = [f"{base}/conv/Conv", f"{base}/act/Sigmoid", f"{base}/act/Mul"]
            name = f"{nodes[0]} + PWN(PWN({nodes[1]}), PWN({nodes[2]}))"
        else:
            nodes = [f"/layer{index}/conv2/Conv", f"/layer{index}/Add", f"/layer{index}/relu_{number}/Relu"]
            name = " + ".join(nodes)
        kinds = rng.choice((("Half",), ("Half", "Float"), ("Int8", "Half"), ("Int8", "Half", "Float")))
        pairs = [(kind, a, b) for kind in kinds for a in _FORMATS[kind] for b in _FORMATS[kind] if a == b or rng.random() < 0.35]
        return Shape(
            name,
            nodes,
            f"tensor_{index - 1}" if index else "synthetic_input",
            f"tensor_{index}",
            rng.randint(8, 2048),
            rng.randint(8, 2048),
            rng.randint(7, 640),
            rng.randint(7, 640),
            twin,
            pairs,
        )

    def network(self, index: int, shape: Shape) -> list[str]:
        p, node = self.prefix(index), shape.nodes[0]
        dims = f"(1, {shape.channels}, {shape.height}, {shape.width})"
        groups = ", nbGroups: 1" if self.era >= 8.6 else ""
        lines = [
            f"{p}Parsing node: {node} [Conv]",
            f"{p}Searching for input: {shape.source}",
            f"{p}{node} [Conv] inputs: [{shape.source} -> {dims}[FLOAT]], "
            f"[{node}.weight -> ({shape.features}, {shape.channels}, 3, 3)[FLOAT]], ",
            f"{p}Convolution input dimensions: {dims}",
            f"{p}Registering layer: {node} for ONNX node: {node}",
            f"{p}Using kernel: (3, 3), strides: (1, 1), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 1), "
            f"numOutputs: {shape.features}{groups}",
            f"{p}Convolution output dimensions: (1, {shape.features}, {shape.height}, {shape.width})",
            f"{p}{node} [Conv] outputs: [{shape.target} -> (1, {shape.features}, {shape.height}, {shape.width})[FLOAT]], ",
        ]
        for other in shape.nodes[1:]:
            lines.append(f"{p}Registering layer: {other} for ONNX node: {other}")
            lines.append(f"{p}ConvReluFusion: Fusing {node} with {other}")
        return lines

    def reformats(self, index: int, shape: Shape) -> list[str]:
        rng, p = self.random(index, 1), self.prefix(index)
        kind = shape.combinations[0][0]
        layouts = _FORMATS[kind]
        lines = []
        if self.era >= 10:
            lines.append(f"{p}=============== Computing reformatting costs for available format set")
        lines.append(f"{p}=============== Computing reformatting costs: ")
        name = f"Optimizer Reformat({shape.target} -> <out>)"
        runner = f"(Reformat{self.ids['Reformat']})"
        for _ in range(rng.randint(3, 6)):
            a, b = rng.sample(layouts, 2)
            source = descriptor(kind, a, shape.features, shape.height, shape.width)
            target = descriptor(kind, b, shape.features, shape.height, shape.width)
            lines.append(f"{p}*************** Autotuning Reformat: {source} -> {target} ***************")
            lines.append(f"{p}--------------- Timing Runner: {name} {runner}")
            times = [float("%.6g" % (0.003 + 0.2 * rng.random())) for _ in range(3)]
            for tactic, time_ms in zip(("0x00000000000003e8", "0x00000000000003ea", "0x0000000000000000"), times, strict=True):
                lines.append(f"{p}Tactic: {tactic} Time: {time_ms:.6g}")
            best = min(range(3), key=times.__getitem__)
            fastest = f"Fastest Tactic: {('0x00000000000003e8', '0x00000000000003ea', '0x0000000000000000')[best]} Time: {times[best]:.6g}"
            lines.append(
                f"{p}{fastest}"
                if self.era < 8.6
                else f"{p}{name} {runner} profiling completed in {0.01 * rng.random():.6g} seconds. {fastest}"
            )
        return lines

    def race(self, index: int, shape: Shape) -> tuple[list[str], list[Winner]]:
        """The layer's section. A twin repeats its original's winners: silent in 8.x, cached results in 10.x."""
        rng = self.random(index - 1 if shape.twin else index, 2)
        p, name, cask = self.prefix(index), shape.name, f"(CaskConvolution{self.ids['CaskConvolution']})"
        lines = [f"{p}=============== Computing costs for {name if self.era >= 8.6 else ''}"]
        winners = []
        for kind, a, b in shape.combinations:
            source = descriptor(kind, a, shape.channels, shape.height, shape.width)
            target = descriptor(kind, b, shape.features, shape.height, shape.width)
            kernels = rng.sample(self.pool[kind], rng.randint(1, self.most_tactics))
            base = 0.004 + 0.5 * rng.random() ** 3
            times = [float("%.6g" % (base * (1.0 + rng.random()))) for _ in kernels]
            best = min(range(len(kernels)), key=times.__getitem__)
            winner = Winner(kind, a, b, times[best], kernels[best])
            winners.append(winner)
            if shape.twin and self.era >= 10:
                result = f"CaskConvolution, tactic {winner.kernel.tactic}, {winner.time_ms:.6g} ms"
                lines.append(f"{p}{name} [{source} -> {target}] got cached result: {result}")
                continue
            lines.append(f"{p}*************** Autotuning format combination: {source} -> {target} ***************")
            if shape.twin:
                continue
            if self.era < 10:
                for runner in _INVALID:
                    lines.append(f"{p}--------------- Timing Runner: {name} ({runner}{self.ids[runner]})")
                    lines.append(f"{p}{runner} has no valid tactics for this config, skipping")
            else:
                lines.append(f"{p}RunnerBuilder of layer implementation CaskJitConv cannot handle striding for node {name}")
            lines.append(f"{p}--------------- Timing Runner: {name} {cask}")
            self.tactics(lines, p, name, kernels, times)
            fastest = f"Fastest Tactic: {winner.kernel.tactic} Time: {winner.time_ms:.6g}"
            if self.era < 8.6:
                lines.append(f"{p}{fastest}")
            else:
                lines.append(f"{p}{name} {cask} profiling completed in {0.1 * base:.6g} seconds. {fastest}")
            if self.era < 10:
                lines.append(f"{p}--------------- Timing Runner: {name} (CaskFlattenConvolution{self.ids['CaskFlattenConvolution']})")
                lines.append(f"{p}CaskFlattenConvolution has no valid tactics for this config, skipping")
            else:
                lines.extend(f"{p}Skipping {runner}: No valid tactics for {name}" for runner in _INVALID_10)
            lines.append(f"{p}>>>>>>>>>>>>>>> Chose Runner Type: CaskConvolution Tactic: {winner.kernel.tactic}")
        return lines, winners

    def tactics(self, lines: list[str], p: str, name: str, kernels: list[Kernel], times: list[float]) -> None:
        if self.era < 8.6:
            for kernel, time_ms in zip(kernels, times, strict=True):
                lines.append(f"{p}{name} Set Tactic Name: {kernel.name} Tactic: {kernel.tactic}")
                lines.append(f"{p}Tactic: {kernel.tactic} Time: {time_ms:.6g}")
            return
        for number, (kernel, time_ms) in enumerate(zip(kernels, times, strict=True)):
            if number % 5 == 4:
                lines.append(f"{p}Fast skip Tactic:{kernel.tactic} which exceed time limit during pre-run")
            elif number % 5 == 1 and self.era < 10:
                lines.append(f"{p}Setting a default quantization params because quantization data is missing for {name}")
            lines.append(f"{p}Tactic Name: {kernel.name} Tactic: {kernel.tactic} Time: {time_ms:.6g}")

    # -- head and tail ----------------------------------------------------------------------------------------------------------------

    def head(self, megabytes: float) -> list[str]:
        own = "[01/02/2030-00:00:00] [I] "
        tag = "v100300" if self.era >= 10 else f"v{self.version.replace('.', '0', 1).replace('.', '0')}"
        return [
            f"[SYNTHETIC trtlens benchmark log, seed {self.seed}, {megabytes:g} MB: no time in it was measured]",
            f"&&&& RUNNING TensorRT.trtexec [TensorRT {tag}] # trtexec --onnx=synthetic.onnx --fp16 --int8 --sparsity=enable --verbose",
            *(
                own + text
                for text in (
                    "=== Model Options ===",
                    "Format: ONNX",
                    "Model: synthetic.onnx",
                    "=== Build Options ===",
                    "Precision: FP32+FP16+INT8",
                    "Sparsity: Enabled",
                    "=== Device Information ===",
                    "Selected Device: NVIDIA GeForce RTX 3080",
                    "Compute Capability: 8.6",
                    "SMs: 68",
                    "",
                    f"TensorRT version: {self.version}",
                )
            ),
            "[01/02/2030-00:00:00] [W] [TRT] onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights.",
        ]

    def tail(self, index: int, shape: Shape, winner: Winner) -> list[str]:
        """The layer's memory line; the engine's own line is `engine_line`."""
        scratch = int(winner.kernel.tactic[2:5], 16)
        return [f"{self.prefix(index)}Layer: {shape.name} Host Persistent: 4912 Device Persistent: 0 Scratch Memory: {scratch}"]

    def engine_line(self, shape: Shape, winner: Winner) -> str:
        def dims(channels: int, layout: str) -> str:
            lanes = _LAYOUTS[layout][0]
            return f"{winner.dtype}[1,{channels}{f':{lanes}' if lanes > 1 else ''},{shape.height},{shape.width}]"

        return (
            f"Layer(CaskConvolution): {shape.name}, Tactic: {winner.kernel.tactic}, {shape.source} ({dims(shape.channels, winner.source)}) "
            f"-> {shape.target} ({dims(shape.features, winner.target)})"
        )

    def sparsity(self, last: int, eligible: list[str], chosen: list[str]) -> list[str]:
        if self.era >= 10:
            p = self.prefix(last)
            return [
                f"{p}(Sparsity) Found {len(eligible)} layer(s) eligible to use sparse tactics: {', '.join(eligible)}",
                f"{p}(Sparsity) Chose {len(chosen)} layer(s) using sparse tactics: {', '.join(chosen)}",
            ]
        p = self.prefix(last, "I")
        return [
            f"{p}(Sparsity) Layers eligible for sparse math: {', '.join(eligible)}",
            f"{p}(Sparsity) TRT inference plan picked sparse implementation for layers: {', '.join(chosen)}",
        ]


def sentence(dtype: str, layout: str) -> str:
    kind = {"Half": "FP16", "Float": "FP32", "Int8": "Int8"}[dtype]
    known = _SENTENCES.get(layout)
    return known.format(kind) if known else f"Channel major {kind.upper()} format where channel % {layout[3:]} == 0"


def layer_json(shape: Shape, winner: Winner, eligible: bool) -> dict[str, object]:
    def tensor(name: str, channels: int, layout: str) -> dict[str, object]:
        dims = [1, channels, shape.height, shape.width]
        return {"Name": name, "Location": "Device", "Dimensions": dims, "Format/Datatype": sentence(winner.dtype, layout)}

    return {
        "Name": shape.name,
        "LayerType": "CaskConvolution",
        "Inputs": [tensor(shape.source, shape.channels, winner.source)],
        "Outputs": [tensor(shape.target, shape.features, winner.target)],
        "ParameterType": "Convolution",
        "Kernel": [3, 3],
        "Stride": [1, 1],
        "Dilation": [1, 1],
        "OutMaps": shape.features,
        "Groups": 1,
        "HasSparseWeights": int(eligible),
        "HasDynamicFilter": 0,
        "TacticName": winner.kernel.name,
        "TacticValue": winner.kernel.tactic,
        "StreamId": 0,
        "Metadata": "\u001e".join(f"[ONNX Layer: {node}]" for node in shape.nodes),
    }


def layers_for(generator: Generator, target_bytes: int) -> int:
    """How many layers make `target_bytes`, from a sample of them."""
    size = 0
    for index in range(SAMPLE):
        shape = generator.shape(index)
        race, winners = generator.race(index, shape)
        lines = generator.network(index, shape) + generator.reformats(index, shape) + race
        lines += [*generator.tail(index, shape, winners[0]), generator.engine_line(shape, winners[0]), shape.name]
        size += sum(len(line) + 1 for line in lines)
    return max(2, round(target_bytes * SAMPLE / size))


def write(path: Path, megabytes: float, dialect: str, seed: int, artefacts: Path | None, most_tactics: int = MOST_TACTICS) -> dict[str, int]:
    """Write the log (and the artefacts); returns counts: lines, timed, layers, combinations, bytes."""
    generator = Generator(dialect, seed, most_tactics)
    count = layers_for(generator, int(megabytes * 1e6))
    shapes = [generator.shape(index) for index in range(count)]
    totals = {"lines": 0, "timed": 0, "layers": count, "combinations": 0, "bytes": 0}
    plan: list[Winner] = []
    with path.open("w", encoding="ascii", newline="\n", buffering=CHUNK_BYTES) as out:

        def put(lines: list[str]) -> None:
            if lines:
                text = "\n".join(lines) + "\n"
                out.write(text)
                totals["lines"] += len(lines)
                totals["bytes"] += len(text)
                totals["timed"] += text.count(" Time: ") - text.count("Fastest Tactic: ")

        put(generator.head(megabytes))
        for index, shape in enumerate(shapes):
            put(generator.network(index, shape))
        put([f"{generator.prefix(0, 'I')}Local timing cache in use. Profiling results in this builder pass will not be stored."])
        put([f"{generator.prefix(0)}Constructing optimization profile number 0 [1/1]."])
        for section in ("reformats", "race") if generator.era < 10 else ("race", "reformats"):
            for index, shape in enumerate(shapes):
                if section == "reformats":
                    put(generator.reformats(index, shape))
                    continue
                lines, winners = generator.race(index, shape)
                put(lines)
                totals["combinations"] += len(winners)
                plan.append(min(winners, key=lambda w: w.time_ms))
        eligible = [index % 3 != 0 for index in range(count)]
        put([f"{generator.prefix(count)}Formats and tactics selection completed in {count / 8:.6g} seconds."])
        for index, (shape, winner) in enumerate(zip(shapes, plan, strict=True)):
            put(generator.tail(index, shape, winner))
        sparse = ["sparse" in winner.kernel.name for winner in plan]
        eligible = [flag or picked for flag, picked in zip(eligible, sparse, strict=True)]
        listed = [shape.name for shape, flag in zip(shapes, eligible, strict=True) if flag]
        put(generator.sparsity(count, listed, [shape.name for shape, flag in zip(shapes, sparse, strict=True) if flag]))
        severity = "I" if generator.era >= 10 else "V"
        put([f"{generator.prefix(count, severity)}Engine generation completed in {count / 7:.6g} seconds."])
        put([f"{generator.prefix(count)}Engine Layer Information:"])
        put([generator.engine_line(shape, winner) for shape, winner in zip(shapes, plan, strict=True)])
        put(["&&&& PASSED TensorRT.trtexec # trtexec --onnx=synthetic.onnx"])
    if artefacts is not None:
        artefacts.mkdir(parents=True, exist_ok=True)
        layers = [layer_json(shape, winner, flag) for shape, winner, flag in zip(shapes, plan, eligible, strict=True)]
        bindings = ["synthetic_input", shapes[-1].target]
        (artefacts / "layer_info.json").write_text(json.dumps({"Layers": layers, "Bindings": bindings}, indent=1), encoding="ascii")
        rows = ['[\n  { "count" : 1000 }']
        total = sum(winner.time_ms for winner in plan)
        for shape, winner in zip(shapes, plan, strict=True):
            t = winner.time_ms
            rows.append(
                f', {{ "name" : {json.dumps(shape.name)}, "timeMs" : {t * 1000:.6g}, "averageMs" : {t:.6g}, '
                f'"medianMs" : {t:.6g}, "percentage" : {100 * t / total:.6g} }}'
            )
        (artefacts / "profile.json").write_text("\n".join(rows) + "\n]\n", encoding="ascii")
    return totals


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("log", type=Path, help="where to write the log")
    parser.add_argument("--megabytes", type=float, default=300.0, help="size of the log, within a few per cent (default 300)")
    parser.add_argument("--dialect", choices=("8.5", "8.6", "10.x"), default="8.6")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tactics", type=int, default=MOST_TACTICS, help="most tactics of a combination: more of them, fewer layers (default 8)")
    parser.add_argument("--artefacts", type=Path, help="folder for layer_info.json and profile.json")
    options = parser.parse_args(arguments)
    totals = write(options.log, options.megabytes, options.dialect, options.seed, options.artefacts, options.tactics)
    share = totals["timed"] / totals["lines"]
    print(
        f"{options.log}: {totals['bytes'] / 1e6:.0f} MB, {totals['lines']:,} lines, "
        f"{totals['timed']:,} timed tactics ({share:.0%}), {totals['layers']:,} layers",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
