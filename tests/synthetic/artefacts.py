"""Layer info and timing profile of a synthetic engine, as trtexec writes them. In: a pass, its dialect. Out: JSON texts. Next: truth.py."""

from __future__ import annotations

import json
import random
from typing import Any

from .dialects import Dialect
from .engine import EngineRow, engine_rows
from .model import Format, Pass, World
from .switches import Switches
from .worlds import SYNTHETIC_INPUT, SYNTHETIC_OUTPUT

_NUMBERS = {"CHW4": "Four", "CHW32": "Thirty-two"}


def sentence(form: Format) -> str:
    """The inspector's words for a format (8.2 to 8.6, and 10.x where it says more than the type)."""
    kind = {"Half": "FP16", "Float": "FP32", "Int8": "Int8"}[form.dtype]
    if form.layout == "LINEAR":
        return {"Half": "Row major linear FP16 format", "Float": "Row major linear FP32", "Int8": "Row major Int8 format"}[form.dtype]
    if form.layout in _NUMBERS:
        return f"{_NUMBERS[form.layout]} wide channel vectorized row major {kind} format"
    major = kind.upper()
    if form.layout == "HWC":
        return f"Channel major {major} format"
    return f"Channel major {major} format where channel % {form.layout[3:]} == 0"


def layer_info(world: World, item: Pass, dialect: Dialect, switches: Switches) -> str:
    rows = [row for graph, choice in zip(item.graphs, item.choices, strict=True) for row in engine_rows(graph, choice)]
    bindings = [SYNTHETIC_INPUT, SYNTHETIC_OUTPUT]
    if switches.names_only:
        return json.dumps({"Layers": [row.name for row in rows], "Bindings": bindings}, indent=1)
    return json.dumps({"Layers": [_row(row, world, dialect, switches) for row in rows], "Bindings": bindings}, indent=1)


def _row(row: EngineRow, world: World, dialect: Dialect, switches: Switches) -> dict[str, Any]:
    def tensor(name: str, form: Format, shape: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {"Name": name}
        if dialect.era >= 8.4:
            found["Location"] = "Device"
        found["Dimensions"] = list(shape)
        found["Format/Datatype"] = form.dtype if switches.types_only else sentence(form)
        return found

    made: dict[str, Any] = {
        "Name": row.name,
        "LayerType": row.layer_type,
        "Inputs": [tensor(*t) for t in row.inputs],
        "Outputs": [tensor(*t) for t in row.outputs],
    }
    layer = row.layer
    if layer is None:
        made |= {"ParameterType": "Reformat", "Origin": "REFORMAT"}
    elif layer.kind in ("conv", "gemm"):
        channels, features = row.inputs[0][2][1], row.outputs[0][2][1]
        kernel = [3, 3] if layer.kind == "conv" else [1, 1]
        made |= {
            "ParameterType": "Convolution",
            "Kernel": kernel,
            "Stride": [1, 1],
            "PaddingMode": "kEXPLICIT_ROUND_DOWN",
            "PrePadding": [size // 2 for size in kernel],
            "PostPadding": [size // 2 for size in kernel],
            "Dilation": [1, 1],
            "OutMaps": features,
            "Groups": layer.groups,
            "Weights": {"Type": row.inputs[0][1].dtype, "Count": features * channels * kernel[0] * kernel[1] // layer.groups},
            "HasSparseWeights": int(layer.eligible and world.sparsity),
        }
        if dialect.era >= 8.5:
            made |= {"HasDynamicFilter": 0, "HasDynamicBias": 0, "HasResidual": int(len(layer.inputs) > 1)}
    if row.used is not None and row.used.kernel and row.used.named:
        made["TacticName"] = row.used.kernel
    made["TacticValue"] = f"0x{row.tactic:016x}"
    if dialect.era >= 8.6:
        separator = "\u001e" if dialect.era >= 10 else ""
        made |= {"StreamId": 0, "Metadata": separator.join(f"[ONNX Layer: {node}]" for node in layer.nodes) if layer else ""}
    return made


def timing_profile(item: Pass, dialect: Dialect, rng: random.Random) -> str:
    """trtexec's own layout: one object a line. Times are the true ones: the engine runs, nobody races."""
    iterations = rng.randint(100, 3000)
    rows: list[tuple[str, float]] = []
    for graph, choice in zip(item.graphs, item.choices, strict=True):
        for row in engine_rows(graph, choice):
            if row.layer_type == "NoOp":
                continue
            time_ms = row.used.true_ms if row.used else 0.004
            rows.append((row.name, time_ms * rng.uniform(0.99, 1.02)))
    total = sum(t for _, t in rows)
    lines = [f'[\n  {{ "count" : {iterations} }}']
    for name, time_ms in rows:
        median = f', "medianMs" : {time_ms:.6g}' if dialect.era >= 8.5 else ""
        average = time_ms * 1.004
        lines.append(
            f', {{ "name" : {json.dumps(name)}, "timeMs" : {average * iterations:.6g}, "averageMs" : {average:.6g}{median}, '
            f'"percentage" : {100 * time_ms / total:.6g} }}'
        )
    return "\n".join(lines) + "\n]\n"
