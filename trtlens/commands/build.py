"""`trtlens build`: capture with a real backend, then diagnose. In: options. Out: an exit code. Next: report/building.py, diagnose/session.py."""

from __future__ import annotations

from typing import Annotated

import typer

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
    progress,
    redacted,
    report,
)

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": False})
@command
def build(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="MODEL.onnx", show_default=False)] = None,
    engine: Annotated[str | None, typer.Option(metavar="MODEL.plan", help="Capture an existing engine instead of building one.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FOLDER", help="The capture folder (default: MODEL.trtlens).")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(metavar="auto|tensorrt|tensorrt-rtx|trtexec", help="auto says what it chose and why.")
    ] = None,
    trtexec: Annotated[str | None, typer.Option(metavar="PATH", help="The trtexec to use.")] = None,
    target: Annotated[str | None, typer.Option(metavar="SM86", help="tensorrt-rtx: the GPU generation to build for.")] = None,
    sparsity: Annotated[str | None, typer.Option(metavar="enable|disable")] = None,
    precision: Annotated[list[str] | None, typer.Option(metavar="fp16,int8,bf16,fp8|best", help="Before TensorRT 11.")] = None,
    strongly_typed: Annotated[bool, typer.Option("--strongly-typed", help="The model's own types rule.")] = False,
    shapes: Annotated[
        list[str] | None, typer.Option(metavar="NAME:1x3x224x224", help="Fixed shapes; --min/--opt/--max for ranges, once a profile.")
    ] = None,
    min: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    opt: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    max: Annotated[list[str] | None, typer.Option(metavar="SHAPES")] = None,
    workspace: Annotated[str | None, typer.Option(metavar="2GiB")] = None,
    opt_level: Annotated[int | None, typer.Option(metavar="0-5")] = None,
    max_tactics: Annotated[int | None, typer.Option(metavar="N")] = None,
    avg_timing: Annotated[int | None, typer.Option(metavar="N")] = None,
    tactic_sources: Annotated[list[str] | None, typer.Option(metavar="SOURCES")] = None,
    timing_cache: Annotated[str | None, typer.Option(metavar="FILE", help="Default: cold and private; a warm one hides timings.")] = None,
    editable_cache: Annotated[bool, typer.Option("--editable-cache", help="EDITABLE_TIMING_CACHE, where TensorRT has it.")] = False,
    io_formats: Annotated[list[str] | None, typer.Option(metavar="FORMATS")] = None,
    direct_io: Annotated[bool, typer.Option("--direct-io")] = False,
    plugins: Annotated[list[str] | None, typer.Option(metavar="LIBRARY")] = None,
    iterations: Annotated[int | None, typer.Option(metavar="N")] = None,
    warmup: Annotated[float | None, typer.Option(metavar="MS")] = None,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS")] = None,
    counterfactual: Annotated[bool, typer.Option("--counterfactual", help="Build a second time without SPARSE_WEIGHTS.")] = False,
    repeat: Annotated[int | None, typer.Option(metavar="N", help="Build N times: which layers flip, and inside what margin?")] = None,
    prune: Annotated[
        str | None, typer.Option(metavar="magnitude", help="Prune a copy to 2:4 first: for timing only, accuracy is not kept.")
    ] = None,
    no_engine: Annotated[bool, typer.Option("--no-engine", help="Do not keep the engine in the capture.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing capture.")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="trtlens.toml with the same keys (default: ./trtlens.toml if there).")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be called, and build nothing.")] = False,
    emit_script: Annotated[
        str | None, typer.Option(metavar="FILE.sh", help="Write a POSIX shell script for a machine without trtlens.")
    ] = None,
    json: Json = None,
    html: Html = None,
    markdown: Markdown = None,
    tables: Tables = None,
    format: TableFormat = "parquet",
    layer: Annotated[str | None, typer.Option("--layer", metavar="NAME", help="One engine layer or ONNX node in depth.")] = None,
    noise: Annotated[str, typer.Option("--noise", metavar="3%,1us")] = "3%,1us",
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
    """Build with a real backend, capture everything into a folder, then diagnose it. Flags after -- go to trtexec."""
    from ..report.building import run_build_command

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
    console = console_for(no_color, to_stderr=True)
    built = run_build_command(given, config, dry_run, emit_script, fail_on or (), console)
    if built is None:
        return None
    from ..diagnose.explain import Options
    from ..diagnose.session import Session, parse_noise

    folders = redacted(built.folders, redact, redact_to)
    session = Session(folders, Options(noise=parse_noise(noise)), progress(no_color), model=built.model if redact is None else None)
    return report(session, wanted)
