"""`trtlens build`: capture with a real backend, then diagnose. In: options. Out: an exit code. Next: report/building.py, diagnose/session.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .clashes import refuse_clashes
from .common import (
    AllowUnknown,
    Baseline,
    FailOn,
    Html,
    Json,
    Junit,
    Markdown,
    MaxFallback,
    MinPicked,
    NoColor,
    Proof,
    Quiet,
    Redact,
    RedactTo,
    Sarif,
    TableFormat,
    Tables,
    Wanted,
    command,
    console_for,
    integer,
    number,
    progress,
    report,
)
from .grouped import grouped

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

GROUPS = {
    "What, and where to": ("engine", "output", "force", "no-engine", "config"),
    "Who builds": ("backend", "trtexec", "target", "timeout", "dry-run", "emit-script"),
    "Shapes and formats": ("shapes", "min", "opt", "max", "io-formats", "direct-io"),
    "What the builder may do": (
        "sparsity", "precision", "strongly-typed", "opt-level", "workspace", "max-tactics", "avg-timing", "tactic-sources", "timing-cache",
        "editable-cache", "plugins",
    ),
    "Timing profile of the engine": ("iterations", "warmup"),
    "Experiments": ("counterfactual", "repeat", "prune"),
    "What is written and shown": (
        "json", "html", "markdown", "tables", "format", "junit", "sarif", "layer", "noise", "redact", "redact-to", "quiet", "no-color",
    ),
    "Gates": ("fail-on", "min-picked", "max-fallback-ms", "baseline", "allow-unknown", "proof"),
}  # fmt: skip
"""The options in the order and under the titles of `trtlens build --help`."""


@app.command(
    cls=grouped(GROUPS),
    context_settings={"allow_extra_args": True, "ignore_unknown_options": False},
    epilog="An option that a backend or its version lacks is refused with the reason, before anything is built (docs/support.md). "
    "Exit codes: 0 fine, 1 a gate holds, 2 wrong usage, 3 the build failed (the capture has what there is), 130 interrupted.",
)
@command
def build(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL.onnx", show_default=False, help="The ONNX model to build; -- and flags after it go to trtexec.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(metavar="MODEL.plan", help="Capture an engine that exists: its layers and times, not why they were chosen."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FOLDER", help="The capture folder (default: MODEL.trtlens).")
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            metavar="auto|tensorrt|tensorrt-rtx|trtexec",
            help="TensorRT's Python module, TensorRT-RTX (needs no GPU, chooses no kernels), or trtexec (default: auto, which says why).",
        ),
    ] = None,
    trtexec: Annotated[
        str | None, typer.Option(metavar="PATH", help="Where trtexec is (default: on PATH, else in /usr/src/tensorrt/bin).")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="SM86", help="tensorrt-rtx: the GPU to build for, one of SM75, 80, 86, 89, 120, 121.")
    ] = None,
    sparsity: Annotated[
        str | None, typer.Option(metavar="enable|disable", help="Whether sparse kernels may be tried, SPARSE_WEIGHTS (default: enable).")
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="fp16,int8,bf16,fp8|best", help="Types to try beside FP32, up to TensorRT 10; from 11 on the model's own types rule."
        ),
    ] = None,
    strongly_typed: Annotated[
        bool, typer.Option("--strongly-typed", help="Take every type from the model, as TensorRT 11 and TensorRT-RTX always do.")
    ] = False,
    shapes: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:1x3x224x224,…", help="Fixed shapes for dynamic inputs; given again, one more optimization profile."),
    ] = None,
    min: Annotated[
        list[str] | None, typer.Option(metavar="NAME:1x3x32x32,…", help="Smallest shapes of a range, in place of --shapes.")
    ] = None,
    opt: Annotated[list[str] | None, typer.Option(metavar="NAME:1x3x224x224,…", help="Shapes of the range to choose kernels for.")] = None,
    max: Annotated[list[str] | None, typer.Option(metavar="NAME:8x3x640x640,…", help="Largest shapes of the range.")] = None,
    workspace: Annotated[
        str | None, typer.Option(metavar="2GiB", help="Device memory that one tactic may use; tactics that need more are skipped.")
    ] = None,
    opt_level: Annotated[
        int | None, typer.Option(metavar="0-5", parser=integer("5"), help="Builder optimization level: more tactics, longer builds (TensorRT's default is 3).")
    ] = None,
    max_tactics: Annotated[int | None, typer.Option(metavar="N", parser=integer("10"), help="Time at most N tactics where there is a choice (10.4 and later).")] = None,
    avg_timing: Annotated[int | None, typer.Option(metavar="N", parser=integer("16"), help="Time each tactic N times and take the mean: less noise.")] = None,
    tactic_sources: Annotated[
        list[str] | None, typer.Option(metavar="-CUBLAS,+CUDNN", help="Libraries to take tactics from (+) or not (-), beside the default ones.")
    ] = None,
    timing_cache: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read and update this timing cache. Default: a cold one, since a warm one hides timings.")
    ] = None,
    editable_cache: Annotated[
        bool,
        typer.Option("--editable-cache", help="Set EDITABLE_TIMING_CACHE: 10.8 to 10.13 print the tactics of Myelin regions only with it."),
    ] = False,
    io_formats: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:LAYOUT,…", help="Hold network inputs and outputs to a layout, and up to 10 to a type: x:fp16:hwc8,y:chw."),
    ] = None,
    direct_io: Annotated[
        bool, typer.Option("--direct-io", help="Allow no reformats at network inputs and outputs (DIRECT_IO).")
    ] = False,
    plugins: Annotated[list[str] | None, typer.Option(metavar="LIBRARY", help="Load this plugin library; may be given again.")] = None,
    iterations: Annotated[int | None, typer.Option(metavar="N", parser=integer("100"), help="Runs of the engine to time (default: 100; trtexec: its own).")] = None,
    warmup: Annotated[float | None, typer.Option(metavar="MS", parser=number("200"), help="Milliseconds to run before (default: 200; trtexec: its own).")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", parser=number("3600"), help="End the build after so long; the capture keeps what there is.")
    ] = None,
    counterfactual: Annotated[
        bool, typer.Option("--counterfactual", help="Build a second time without SPARSE_WEIGHTS, and compare.")
    ] = False,
    repeat: Annotated[
        int | None, typer.Option(metavar="N", parser=integer("3"), help="Build N times in all: which layers flip, and inside what margin?")
    ] = None,
    prune: Annotated[
        str | None, typer.Option(metavar="magnitude", help="Prune a copy to 2:4 and build that: for timing only, accuracy is not kept.")
    ] = None,
    no_engine: Annotated[bool, typer.Option("--no-engine", help="Do not keep the engine in the capture.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing capture (never anything else).")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings with the same names (default: ./trtlens.toml, if there is one).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the calls or the command, and build nothing.")] = False,
    emit_script: Annotated[
        str | None,
        typer.Option(metavar="FILE.sh", help="Write a shell script that captures with trtexec on a machine without trtlens (-: print it)."),
    ] = None,
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="One engine layer or ONNX node in depth.")] = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us", help="Two times are equal within the larger of the two.")] = "3%,1us",
    junit: Junit = None,
    sarif: Sarif = None,
    redact: Redact = None,
    redact_to: RedactTo = None,
    fail_on: FailOn = None,
    min_picked: MinPicked = None,
    max_fallback_ms: MaxFallback = None,
    baseline: Baseline = None,
    allow_unknown: AllowUnknown = False,
    proof: Proof = "unknown",
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> int | None:
    """Build with TensorRT, TensorRT-RTX or trtexec, capture everything into a folder, then diagnose it as `explain` does."""
    from ..report.building import build_options, run_build_command

    wanted = Wanted(
        json=json, html=html, markdown=markdown, tables=tables, format=format, junit=junit, sarif=sarif, layer=layer, fail_on=fail_on, min_picked=min_picked,
        max_fallback_ms=max_fallback_ms, baseline=baseline, allow_unknown=allow_unknown, proof=proof, quiet=quiet, no_color=no_color,
    )  # fmt: skip
    wanted.check()
    given = {
        "model": model, "engine": engine, "output": output, "backend": backend, "trtexec": trtexec, "extra": context.args or None, "target": target,
        "sparsity": sparsity, "precision": precision, "strongly-typed": strongly_typed or None, "shapes": shapes, "min": min, "opt": opt, "max": max,
        "workspace": workspace, "opt-level": opt_level, "max-tactics": max_tactics, "avg-timing": avg_timing, "tactic-sources": tactic_sources,
        "timing-cache": timing_cache, "editable-cache": editable_cache or None, "io-formats": io_formats, "direct-io": direct_io or None, "plugins": plugins,
        "iterations": iterations, "warmup": warmup, "timeout": timeout, "counterfactual": counterfactual or None, "repeat": repeat, "prune": prune,
        "no-engine": no_engine or None, "force": force or None,
    }  # fmt: skip
    options, settings = build_options(given, config)
    building = not dry_run and emit_script is None
    refuse_clashes({
        "json": json, "html": html, "markdown": markdown, "junit": junit, "sarif": sarif, "tables": tables, "format": format, "emit_script": emit_script,
        "model": _text(options.model), "engine": _text(options.engine), "config": settings, "timing_cache": _text(options.timing_cache),
        "plugins": [str(one) for one in options.plugins], "trtexec": _text(options.trtexec), "baseline": baseline,
        "capture": str(options.capture_path) if building else None, "force": building and options.force,
    })  # fmt: skip
    console = console_for(no_color, to_stderr=True)
    built = run_build_command(options, dry_run, emit_script, fail_on or (), console)
    if built is None:
        return None
    from ..diagnose.explain import Options
    from ..diagnose.session import Session, parse_noise
    from .redaction import copies, layer_name, side_copy

    read = copies(built.folders, redact, redact_to)
    if baseline is not None:
        wanted = replace(wanted, baseline=side_copy(baseline, redact)[0])
    session = Session(read.paths, Options(noise=parse_noise(noise)), progress(no_color), model=built.model if redact is None else None)
    read.in_session(session)
    return report(session, replace(wanted, layer=layer_name(session, layer, redact)))


def _text(path: Path | None) -> str | None:
    """A path as a user writes it."""
    return str(path) if path is not None else None
