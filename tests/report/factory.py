"""Builds Diagnosis objects for the reporter tests: plain data, no parser involved.

In: a few numbers. Out: diagnose.model records. Next: the tests beside it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trtlens.diagnose.model import (
    BuildDiagnosis,
    CaptureDiagnosis,
    Diagnosis,
    Eligibility,
    Environment,
    Input,
    LayerVerdict,
    LineEvidence,
    PointerEvidence,
    Remedy,
    RunningTactic,
    Summary,
    Suspect,
    TensorEvidence,
    Warning,
)
from trtlens.report.extras import Race, ReformatCost, ReportExtras, TacticTiming

INPUTS = (
    Input("build.log", "build_log", "cask-8.6", 1_234_567, 4711, "a" * 64),
    Input("layers.json", "layer_info", "object", 4321, 120, "b" * 64),
    Input("profile.json", "timing_profile", "json-8.5", 432, 12, None),
    Input("model.onnx", "onnx", None, 99, None, "c" * 64),
)

HOSTILE_NAMES = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"quoted\" & 'quoted' `ticks` | pipes [bold]markup[/bold] [/]",
    "escape \x1b[31mred\x1b[0m bell \x07 null \x00 newline \n tab \t carriage \r",
    "bidi \u202eevil\u202c zero\u200bwidth line\u2028paragraph\u2029end",
    "surrogate \udc80 emoji \U0001f600 wide 層層層層 combining e\u0301",
    "{{ jinja }} {% raw %} ${js} <!-- comment --> ]]> @someone #1 https://example.com [link](http://x)",
    "x" * 10_000,
    "",
    "constructor",
    "__proto__",
)


def layer(name: str = "conv", **changes: Any) -> LayerVerdict:
    """A dense fallback with everything known, unless `changes` say otherwise."""
    verdict = LayerVerdict(
        name=name,
        type="CaskConvolution",
        onnx_nodes=(name, "Relu_1"),
        optimization_profile=None,
        status="dense",
        reason="slower",
        proof="proven",
        stability="stable",
        summary="In each of 2 format combinations with a sparse tactic a dense one was faster: 0.102 ms against 0.110 ms.",
        eligibility=Eligibility(True, "proven", (LineEvidence(0, 12, "[I] [TRT] (Sparsity) Layers eligible for sparse math: conv"),)),
        tactic=RunningTactic("sm80_xmma_fprop_implicit_gemm_f16f16_tn_n_tilesize128x64x32", 0x98E92DB98836B738, False, "CaskConvolution"),
        input_formats=("Half(401408,3136:8,56,1)",),
        output_formats=("Half(802816,3136:8,56,1)",),
        best_dense_ms=0.102,
        best_sparse_ms=0.110,
        margin=0.0784,
        compared_dense="sm80_xmma_fprop_implicit_gemm_f16f16",
        compared_sparse="sm80_xmma_fprop_sparse_conv_f16f16",
        inherited_from=None,
        time_ms=0.1023,
        time_stat="median",
        time_percent=3.65,
        suspects=(Suspect("memory-bound", "suggested", "At the machine's limits sparse would save 4 %."),),
        evidence=(
            LineEvidence(0, 4711, "[V] [TRT] Tactic: 0x98e92db98836b738 Time: 0.102"),
            PointerEvidence(1, "/Layers/17/TacticName", "sm80_xmma_fprop"),
            TensorEvidence(3, "conv.weight", (0, 4, 1, 1)),
        ),
        remedies=(Remedy("Nothing to fix in this layer: keep it dense.", None, "unknown"),),
    )
    return dataclasses.replace(verdict, **changes)


def build(layers: tuple[LayerVerdict, ...] | list[LayerVerdict], index: int = 0, **changes: Any) -> BuildDiagnosis:
    """A build whose summary follows from `layers`; `changes` go to the summary where it has such a field, else to the build."""
    layers = tuple(layers)
    fallbacks = [item for item in layers if item.status == "dense"]
    times = [item.time_ms for item in layers if item.time_ms is not None]
    reasons: dict[str, int] = {}
    for item in fallbacks:
        if item.reason:
            reasons[item.reason] = reasons.get(item.reason, 0) + 1
    fallback_times = [item.time_ms for item in fallbacks if item.time_ms is not None]
    summary = Summary(
        layers=len(layers),
        eligible=sum(1 for item in layers if item.eligibility.value),
        eligible_listed=None,
        eligible_unmatched=None,
        picked=sum(1 for item in layers if item.status == "sparse"),
        fallback=len(fallbacks),
        dense_unknown=sum(1 for item in layers if item.status == "dense-unknown"),
        undetermined=sum(1 for item in layers if item.status == "undetermined"),
        total_time_ms=sum(times) if times else None,
        fallback_time_ms=sum(fallback_times) if fallback_times else None,
        recoverable_ms=None,
        bound_ms=None,
        by_reason=reasons,
    )
    names = {field.name for field in dataclasses.fields(Summary)}
    summary = dataclasses.replace(summary, **{key: value for key, value in changes.items() if key in names and key != "layers"})
    made = BuildDiagnosis(
        index=index,
        lines=(1, 4711),
        backend_strategy=None,
        environment=Environment("8.5.2", "Orin", "8.7", ("fp16",), "enable", None),
        summary=summary,
        layers=layers,
        warnings=(),
    )
    return dataclasses.replace(made, **{key: value for key, value in changes.items() if key not in names})


def diagnosis(*builds: BuildDiagnosis, inputs: tuple[Input, ...] = INPUTS, main: int | None = 0) -> Diagnosis:
    return Diagnosis((CaptureDiagnosis(inputs, main if builds else None, builds),))


def sparse_layer(name: str = "sparse conv", **changes: Any) -> LayerVerdict:
    given: dict[str, Any] = {
        "status": "sparse",
        "reason": "picked",
        "summary": "A sparse tactic runs: its kernel's name says so.",
        "tactic": RunningTactic("sm80_xmma_fprop_sparse_conv_interleaved_i8i8", 0xD80CB0F3373AEF38, True, "CaskConvolution"),
        "best_dense_ms": 0.100,
        "best_sparse_ms": 0.080,
        "margin": -0.2,
        "time_ms": 0.081,
        "suspects": (),
        "remedies": (),
    }
    return layer(name, **(given | changes))


def unknown_layer(name: str, status: str, reason: str | None, **changes: Any) -> LayerVerdict:
    """A layer of which little is known: no times, no tactic."""
    given: dict[str, Any] = {
        "status": status,
        "reason": reason,
        "proof": "unknown",
        "stability": None,
        "summary": "The inputs do not say.",
        "eligibility": Eligibility(None, "unknown"),
        "tactic": RunningTactic(None, None, None, None),
        "input_formats": (),
        "output_formats": (),
        "best_dense_ms": None,
        "best_sparse_ms": None,
        "margin": None,
        "compared_dense": None,
        "compared_sparse": None,
        "time_ms": None,
        "time_stat": None,
        "time_percent": None,
        "suspects": (),
        "evidence": (),
        "remedies": (),
        "onnx_nodes": (),
    }
    return layer(name, **(given | changes))


def hostile() -> Diagnosis:
    """Every text field hostile, every status met."""
    layers = []
    statuses = ("dense", "sparse", "dense-unknown", "ineligible", "undetermined", "other")
    for index, name in enumerate(HOSTILE_NAMES):
        layers.append(
            layer(
                name,
                status=statuses[index % 6] if index > 5 else "dense",
                type=name[:500],
                onnx_nodes=(name,),
                summary=f"summary {name}",
                eligibility=Eligibility(True, "proven", (LineEvidence(0, 1, name),)),
                tactic=RunningTactic(name, 1, None, name),
                input_formats=(name,),
                compared_dense=name,
                inherited_from=name,
                suspects=(Suspect("memory-bound", "suggested", name),),
                evidence=(LineEvidence(0, 3, name), PointerEvidence(1, "/" + name, name), TensorEvidence(3, name, (0,))),
                remedies=(Remedy(name, 0.01, "measured"),),
            )
        )
    made = build(layers, environment=Environment(HOSTILE_NAMES[0], HOSTILE_NAMES[1], "8.7", (HOSTILE_NAMES[2],), HOSTILE_NAMES[3], 3))
    warnings = tuple(Warning("capture-mismatch", name, (LineEvidence(0, 3, name),)) for name in HOSTILE_NAMES)
    made = dataclasses.replace(made, warnings=warnings)
    return diagnosis(made, inputs=(dataclasses.replace(INPUTS[0], path=HOSTILE_NAMES[0], dialect=HOSTILE_NAMES[1]), *INPUTS[1:]))


def engine(number: int = 120) -> Diagnosis:
    """A plausible engine of `number` layers, deterministic: half eligible, fallbacks of every kind, times that spread."""
    layers = [_engine_layer(index) for index in range(number)]
    gain = sum(item.remedies[0].gain_ms or 0 for item in layers if item.remedies and item.remedies[0].gain_kind == "measured")
    evidence = (LineEvidence(0, 17, "0xd80cb0f3373aef38"), PointerEvidence(1, "/Layers/3/TacticValue", "0x3eda3b336995a6f0"))
    warnings = (
        Warning("stderr-missing", "The log holds no [W] or [E] line: memory causes cannot be excluded."),
        Warning("capture-mismatch", "12 of 120 tactic ids differ between log and layer info.", evidence),
    )
    return diagnosis(build(layers, recoverable_ms=gain, bound_ms=gain * 5, warnings=warnings))


def _engine_layer(index: int) -> LayerVerdict:
    block = f"/model/stage{index // 40}/block{index % 40}"
    name = f"{block}/conv{index}/Conv + {block}/act{index}/Relu"
    time = round(0.004 + ((index * 7919) % 997) / 997 * 0.12, 5)
    identifier = index * 2654435761 % (1 << 64)
    tactic = RunningTactic(f"sm80_xmma_fprop_implicit_gemm_f16f16_{index % 50}", identifier, False, "CaskConvolution")
    common: dict[str, Any] = {
        "evidence": (
            LineEvidence(0, 1000 + index * 37, f"[01/02/2025-10:11:12] [V] [TRT] {name} Tactic: 0x{identifier:016x} Time: {time}"),
            PointerEvidence(1, f"/Layers/{index}/TacticName", f"sm80_xmma_fprop_implicit_gemm_{index % 50}"),
        ),
        "time_ms": time,
        "time_percent": time * 10,
        "onnx_nodes": tuple(name.split(" + ")),
    }
    dense = common | {"tactic": tactic, "best_dense_ms": time}
    kind = index % 12
    if kind in (0, 1):
        return layer(name, best_sparse_ms=round(time * 1.09, 5), margin=0.09, **dense)
    if kind == 2:
        dense |= {"reason": "io-format", "proof": "suggested", "stability": "near"}
        dense |= {"best_sparse_ms": round(time * 0.88, 5), "margin": -0.12}
        dense["remedies"] = (Remedy("Take HWC8 inputs and outputs at the network's border.", round(time * 0.12, 5), "measured"),)
        return layer(name, summary="Sparse was faster, but the reformats it needs cost more.", **dense)
    if kind == 3:
        dense |= {"reason": "no-kernel", "best_sparse_ms": None, "margin": None, "compared_sparse": None}
        dense["remedies"] = (Remedy("Pad the input channels to a multiple of 64.", round(time * 0.4, 5), "bound"),)
        return layer(name, summary="No sparse tactic was timed in any of its 3 combinations.", **dense)
    if kind in (4, 5):
        return sparse_layer(name, best_dense_ms=round(time * 1.3, 5), best_sparse_ms=time, margin=-0.23, **common)
    if kind == 6:
        return unknown_layer(name, "dense-unknown", "eligibility-unknown", type="CaskGemm", tactic=tactic, **common)
    if kind == 7:
        return unknown_layer(name, "undetermined", "myelin-opaque", type="Myelin", **common)
    if kind == 8:
        common |= {"tactic": tactic, "proof": "proven", "eligibility": Eligibility(False, "proven")}
        return unknown_layer(name, "ineligible", "pattern", type="CaskConvolution", **common)
    common |= {"input_formats": ("Float(401408,3136,56,1)",), "output_formats": ("Half(401408,3136:8,56,1)",)}
    return unknown_layer(f"Reformatting CopyNode for Input Tensor 0 to {name}", "other", None, type="Reformat", **common)


def extras_for(made: Diagnosis, tactics: int = 24) -> ReportExtras:
    """Races for every layer of the main build whose times are known."""
    main = made.captures[0].main
    assert main is not None
    races: dict[str, tuple[Race, ...]] = {}
    reformats: dict[str, tuple[ReformatCost, ...]] = {}
    samples: dict[str, tuple[float, ...]] = {}
    for index, item in enumerate(main.layers):
        if item.best_dense_ms is None or item.time_ms is None:
            continue
        rows = []
        for number in range(tactics):
            is_sparse = number % 4 == 3 and item.best_sparse_ms is not None
            best = item.best_sparse_ms if is_sparse and item.best_sparse_ms is not None else item.best_dense_ms
            kernel = f"sm80_xmma_{'sparse_' if is_sparse else ''}fprop_{number}_{index % 9}"
            time = round(best * (1 + number * 0.05), 5)
            rows.append(
                TacticTiming(
                    kernel,
                    f"0x{(number + index * 100) * 0x9E3779B97F4A7C15 % (1 << 64):016x}",
                    is_sparse,
                    time,
                    5000 + index * 100 + number,
                )
            )
        races[item.name] = (Race("Half(1,1:8) -> Half(1,1:8)", tuple(rows)), Race("Float(1,1) -> Float(1,1)", tuple(rows[:3])))
        reformats[item.name] = (ReformatCost(f"tensor_{index}", "Half(1,1)", "Half(1,1:8)", 0.004, 77),)
        samples[item.name] = tuple(round(item.time_ms * (1 + (i % 7) / 100), 5) for i in range(60))
    options = ("--fp16", "--sparsity=enable")
    return ReportExtras("model.onnx", "2025-01-02 10:11", options, races=races, reformats=reformats, samples_ms=samples)
