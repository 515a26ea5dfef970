"""Every option of a build, in one frozen record.

In: values from the command line, from trtlens.toml (settings.py reads it) or from Python. Out: BuildOptions, checked against
itself; what a backend or its version lacks is refused later, by that backend. Next: build.py, which runs it.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .shapes import OptimizationProfile, ShapeRange, TensorFormat, parse_io_formats, parse_profiles

BACKENDS = ("auto", "tensorrt", "tensorrt-rtx", "trtexec")
PRECISIONS = ("fp16", "bf16", "int8", "fp8", "int4", "best")
PRUNE_METHODS = ("magnitude",)
SPARSITY = ("enable", "disable")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What to build and how. Paths are as the user gave them; sizes are bytes; times are in the unit their name ends with.

    None means "not given": the backend keeps its own default, and the manifest says null. `model` or `engine` is set, never both.
    `profiles`: optimization profiles; `tactic_sources`: `+NAME`/`-NAME` (trtexec's spelling); `target`: `SM80` and the like, for
    TensorRT-RTX alone; `extra`: flags passed to trtexec as they are; `repeat`: number of builds in all.
    """

    model: Path | None = None
    engine: Path | None = None
    output: Path | None = None
    backend: str = "auto"
    trtexec: Path | None = None
    extra: tuple[str, ...] = ()
    target: str | None = None
    sparsity: str = "enable"
    precision: tuple[str, ...] = ()
    strongly_typed: bool = False
    profiles: tuple[OptimizationProfile, ...] = ()
    workspace_bytes: int | None = None
    opt_level: int | None = None
    max_tactics: int | None = None
    avg_timing: int | None = None
    tactic_sources: tuple[str, ...] = ()
    timing_cache: Path | None = None
    editable_cache: bool = False
    io_formats: tuple[TensorFormat, ...] = ()
    direct_io: bool = False
    plugins: tuple[Path, ...] = ()
    iterations: int | None = None
    warmup_ms: float | None = None
    timeout_s: float | None = None
    counterfactual: bool = False
    repeat: int = 1
    prune: str | None = None
    keep_engine: bool = True
    force: bool = False

    def __post_init__(self) -> None:
        for problem in _conflicts(self):
            raise UsageError(problem)

    @property
    def subject(self) -> Path:
        """The file the build starts from: the model, or the engine for `--engine`."""
        path = self.model or self.engine
        assert path is not None  # __post_init__ refuses options with neither
        return path

    @property
    def capture_path(self) -> Path:
        """The capture folder: `output`, else `<model>.trtlens` in the working directory."""
        return self.output or Path(f"{self.subject.stem}.trtlens")

    def as_json(self) -> dict[str, Any]:
        """Every option as plain JSON values: what the manifest records and what the child process reads."""
        return {one.name: _plain(getattr(self, one.name)) for one in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> BuildOptions:
        """The record that `as_json` wrote."""
        known = dict(values)
        for name in ("model", "engine", "output", "trtexec", "timing_cache"):
            known[name] = Path(known[name]) if known.get(name) is not None else None
        known["plugins"] = tuple(Path(one) for one in known.get("plugins", ()))
        known["profiles"] = tuple(
            OptimizationProfile(
                tuple(
                    ShapeRange(one["name"], tuple(one["minimum"]), tuple(one["optimum"]), tuple(one["maximum"]))
                    for one in profile["inputs"]
                )
            )
            for profile in known.get("profiles", ())
        )
        known["io_formats"] = tuple(TensorFormat(one["name"], one["dtype"], one["layout"]) for one in known.get("io_formats", ()))
        for name in ("extra", "precision", "tactic_sources"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    return value


def _conflicts(given: BuildOptions) -> list[str]:
    """What makes no sense whatever the backend, first things first; each with its reason."""
    problems: list[str] = []

    def refuse(when: object, why: str) -> None:
        if when:
            problems.append(why)

    refuse(given.model is None and given.engine is None, "nothing to build: give an ONNX model, or --engine for an existing engine")
    refuse(given.model is not None and given.engine is not None, "give an ONNX model or --engine, not both")
    _refuse_unknown_words(given, problems)
    if given.engine is not None:
        for name, option in _BUILD_ONLY.items():
            refuse(
                getattr(given, name) != _DEFAULTS[name],
                f"{option} changes a build, and --engine loads an engine that is built already",
            )
    refuse(
        given.counterfactual and given.sparsity == "disable",
        "--counterfactual compares with a build without sparsity: give it with --sparsity enable",
    )
    refuse(
        given.timing_cache is not None and (given.counterfactual or given.repeat > 1),
        "--timing-cache hands a further build the timings of the first: leave it out of --counterfactual and --repeat",
    )
    refuse("best" in given.precision and len(given.precision) > 1, "--precision best switches every type on: give it alone")
    refuse(
        given.strongly_typed and given.precision,
        "a strongly typed network takes its types from the model: drop --precision or --strongly-typed",
    )
    refuse(
        given.editable_cache and given.timing_cache is None and given.backend == "trtexec",
        "trtexec has no flag for an editable timing cache: use --backend tensorrt",
    )
    for name, (low, high, option) in _RANGES.items():
        value = getattr(given, name)
        refuse(
            value is not None and not low <= value <= high,
            f"{option} {value}: it must be {f'from {low} to {high}' if high != _NO_LIMIT else f'{low} or more'}",
        )
    refuse(given.timeout_s is not None and not given.timeout_s > 0, f"--timeout {given.timeout_s}: it must be above 0 seconds")
    refuse(given.extra and given.backend not in ("auto", "trtexec"), "flags after -- are trtexec's: use --backend trtexec")
    refuse(given.trtexec and given.backend not in ("auto", "trtexec"), f"--trtexec PATH goes with --backend trtexec, not {given.backend}")
    refuse(
        given.target and given.backend in ("tensorrt", "trtexec"),
        f"--target is TensorRT-RTX's: {given.backend} builds for the GPU it runs on",
    )
    refuse(given.target and (given.trtexec or given.extra), "--target is TensorRT-RTX's: it does not go with trtexec")
    return problems


def _refuse_unknown_words(given: BuildOptions, problems: list[str]) -> None:
    def one_of(option: str, value: str | None, words: tuple[str, ...]) -> None:
        if value is not None and value not in words:
            problems.append(f"{option} {value}: it must be {words[0]}" if len(words) == 1 else f"{option} {value}: it is one of {', '.join(words)}")

    one_of("--backend", given.backend, BACKENDS)
    if given.sparsity == "force":
        problems.append("--sparsity force rewrites weights without saying which: use --prune magnitude, which says what it did")
    one_of("--sparsity", given.sparsity, SPARSITY)
    one_of("--prune", given.prune, PRUNE_METHODS)
    for precision in given.precision:
        one_of("--precision", precision, PRECISIONS)
    for source in given.tactic_sources:
        if not re.fullmatch(r"[+-][A-Z_]+", source):
            problems.append(f"--tactic-sources {source}: write +NAME or -NAME, as in +JIT_CONVOLUTIONS,-CUBLAS")


_DEFAULTS = {one.name: one.default for one in dataclasses.fields(BuildOptions)}
_NO_LIMIT = 1 << 62
_RANGES: dict[str, tuple[int, int, str]] = {
    "workspace_bytes": (1, _NO_LIMIT, "--workspace"),
    "opt_level": (0, 5, "--opt-level"),
    "max_tactics": (1, _NO_LIMIT, "--max-tactics"),
    "avg_timing": (1, _NO_LIMIT, "--avg-timing"),
    "iterations": (1, _NO_LIMIT, "--iterations"),
    "warmup_ms": (0, _NO_LIMIT, "--warmup"),
    "repeat": (1, _NO_LIMIT, "--repeat"),
}
_BUILD_ONLY = {
    "counterfactual": "--counterfactual",
    "repeat": "--repeat",
    "prune": "--prune",
    "precision": "--precision",
    "sparsity": "--sparsity",
    "strongly_typed": "--strongly-typed",
    "workspace_bytes": "--workspace",
    "opt_level": "--opt-level",
    "max_tactics": "--max-tactics",
    "avg_timing": "--avg-timing",
    "tactic_sources": "--tactic-sources",
    "timing_cache": "--timing-cache",
    "editable_cache": "--editable-cache",
    "io_formats": "--io-formats",
    "direct_io": "--direct-io",
    "target": "--target",
}


def parse_bytes(text: str | int, option: str = "--workspace") -> int:
    """`512MiB`, `2G`, `1073741824B` as bytes; a bare number is MiB, as trtexec counts its workspace."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?|(B))?", str(text).strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"{option} {text}: it is not a size such as 2GiB, 512MiB or 1024 (MiB)")
    number, unit, plain = match.groups()
    scale = 1 if plain else 1024 ** " KMGT".index(unit.upper()) if unit else 1024**2
    return int(float(number) * scale)


def parse_target(text: str) -> str:
    """`SM80`, `sm_80`, `80` or `8.0` as `SM80`."""
    match = re.fullmatch(r"(?:sm_?)?(\d{1,2})\.?(\d)", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"--target {text}: write a compute capability such as SM80 or 8.0")
    return f"SM{match.group(1)}{match.group(2)}"


__all__ = ["BACKENDS", "PRECISIONS", "BuildOptions", "parse_bytes", "parse_io_formats", "parse_profiles", "parse_target"]
