"""The trtexec backend: its flags are chosen from what its own `--help` lists.

In: BuildOptions and the text of `trtexec --help`. Out: a Plan with the command line, or refusals. Next: build.py runs the command;
script.py writes the same choice as a shell script for a machine without trtlens. Which flag exists in which version is a fact of the
samples' sampleOptions.cpp (8.2 to 11.1), but nothing here looks at a version.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, UsageError
from ...signals import TemporaryFolder
from ...text import visible
from ..child import run_child
from ..options import BuildOptions
from ..shapes import OptimizationProfile, TensorFormat, shape_text
from .plan import Plan

JETSON_TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")
HELP_SECONDS = 60.0
_TYPE_FLAGS = frozenset({"fp16", "bf16", "int8", "fp8", "int4", "best", "stronglyTyped"})
"""Flags that let trtexec try other types than FP32, or take them from the model."""
_MAY_BE_REPEATED = frozenset({"plugins", "staticPlugins"})
_FIXED = "a capture needs it as it is, so leave it out"
_INSTEAD: Mapping[str | None, str] = {
    "onnx": "name the model before the --",
    "loadEngine": "use --engine",
    "saveEngine": "the engine is kept in the capture (--output FOLDER), or not at all (--no-engine)",
    "sparsity": "use --sparsity enable or disable, and --prune magnitude in place of force",
    "exportLayerInfo": "it goes into the capture (--output FOLDER)",
    "exportProfile": "it goes into the capture (--output FOLDER)",
    "verbose": _FIXED,
    "profilingVerbosity": _FIXED,
    "nvtxMode": _FIXED,  # the older name of profilingVerbosity
    "separateProfileRun": _FIXED,
}
"""Flags that trtlens sets in every build, and what to do in place of passing them on."""
_HELP_FLAG = re.compile(r"^\s*--([A-Za-z][A-Za-z0-9]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing to ask of trtexec: the first of `spellings` (flag without dashes, value or None) that it lists.

    `refusal`: why the build must not go on without it; None if it may, and then `note` (if any) tells the user what is missing.
    `option`: the option of trtlens that asks for it; None where trtlens asks of its own accord.
    """

    spellings: tuple[tuple[str, str | None], ...]
    refusal: str | None = None
    note: str | None = None
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where trtexec shall write. `engine` is None with --no-engine."""

    layer_info: str
    profile: str
    engine: str | None


def find_trtexec(given: Path | None) -> Path | None:
    """`given`, else trtexec on PATH, else JetPack's and the tar package's place. Raises UsageError if `given` is no executable file."""
    if given is not None:
        found = shutil.which(str(given.absolute()) if given.exists() else str(given))
        if found is None:
            raise UsageError(f"--trtexec {given}: there is no such executable file")
        return Path(found)
    on_path = shutil.which("trtexec")
    if on_path is not None:
        return Path(on_path)
    return JETSON_TRTEXEC if shutil.which(str(JETSON_TRTEXEC)) else None


def read_help(trtexec: Path, seconds: float = HELP_SECONDS) -> str:
    """What `trtexec --help` prints on both streams. Raises UsageError if it does not answer with a list of flags."""
    with TemporaryFolder() as scratch:
        log = scratch / "help"
        try:
            end = run_child([str(trtexec), "--help"], log, timeout_s=seconds)
        except OSError as error:
            raise UsageError(f"{trtexec} cannot be started: {error.strerror}") from error
        text = log.read_text(encoding="utf-8", errors="replace")
    if end.stopped is not None:
        if "--timeout" in end.stopped:
            raise UsageError(f"{trtexec} --help did not answer within {seconds:g} s")
        raise KeyboardInterrupt(end.stopped)
    if "onnx" not in listed_flags(text):
        ended = f"exit code {end.exit_code}" if end.signal is None else f"signal {end.signal}"
        ending = visible(text.strip().splitlines()[-1], 200) if text.strip() else f"nothing, and {ended}"
        raise UsageError(f"{trtexec} --help does not list the flags of trtexec; it ended with: {ending}")
    return text


def listed_flags(help_text: str) -> frozenset[str]:
    """The flags that a help text lists: those that begin a line, not those that prose mentions."""
    return frozenset(_HELP_FLAG.findall(help_text))


def help_version(text: str) -> str | None:
    """`8.5.2` from trtexec's banner `[TensorRT v8502]` (10.x and later: `v101600`), which precedes help and log alike."""
    match = re.search(r"\[TensorRT v(\d{4,6})\]", text)
    if not match:
        return None
    digits = match.group(1)
    # Four digits are MAJOR MINOR PATCHPATCH (8502); from 10 on they are MAJOR*10000 + MINOR*100 + PATCH (100300).
    number = int(digits)
    if len(digits) == 4:
        return f"{number // 1000}.{number // 100 % 10}.{number % 100}"
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def plan(options: BuildOptions, trtexec: Path, help_text: str, outputs: Outputs) -> Plan:
    """The command line for `options` with the flags that `help_text` lists."""
    flags = listed_flags(help_text)
    command, notes, refusals = [str(trtexec)], [], []
    wanted_flags = wishes(options, outputs, str(options.subject.absolute()), lambda path: str(path.absolute()))
    refusals.extend(extra_refusals(options, wanted_flags))
    for wanted in wanted_flags:
        spelling = next((one for one in wanted.spellings if one[0] in flags), None)
        if spelling is not None:
            command.append(flag_text(*spelling))
        elif wanted.refusal is not None:
            refusals.append(wanted.refusal)
        elif wanted.note is not None:
            notes.append(wanted.note)
    command.extend(options.extra)
    more = {flag_name(word) for word in options.extra}
    if "fp16" in flags and not options.precision and not more & _TYPE_FLAGS and options.sparsity == "enable" and options.engine is None:
        notes.append(
            "no --precision is given: trtexec tries FP32 kernels alone, and NVIDIA asks for FP16 or INT8 where sparsity shall help"
        )
    if options.model is not None and not options.profiles and not more & {"shapes", "optShapes"}:
        notes.extend(_size_one_notes(options.model))
    return Plan("trtexec", help_version(help_text), command=tuple(command), notes=tuple(notes), refusals=tuple(refusals))


def flag_text(flag: str, value: str | None) -> str:
    return f"--{flag}" if value is None else f"--{flag}={value}"


def flag_name(word: str) -> str | None:
    """`fp16` of `--fp16`, `shapes` of `--shapes=x:1`; None for what is no flag."""
    return word.removeprefix("--").partition("=")[0] if word.startswith("--") else None


def extra_refusals(options: BuildOptions, wanted: Iterable[Wanted]) -> list[str]:
    """Why flags after `--` cannot be passed on: trtlens sets them itself, and trtexec would take one of the two without a word."""
    asked = {flag: one.option for one in wanted for flag, _ in one.spellings if flag not in _MAY_BE_REPEATED}
    if options.profiles:
        asked |= {"shapes": "--shapes", "profile": "--shapes"}  # all three of a range; which of several ranges
    refusals = []
    for name in dict.fromkeys(flag_name(word) for word in options.extra):
        if name in _INSTEAD:
            refusals.append(f"--{name} after --: trtlens sets it itself: {_INSTEAD[name]}")
        elif name in asked:
            refusals.append(f"--{name} after --: trtlens sets it itself, for {asked[name]}: change that option, or leave it out")
    return refusals


class WishList(list[Wanted]):
    """What to ask of trtexec, in the order of the command line."""

    def need(self, option: str, *spellings: tuple[str, str | None], why: str = "") -> None:
        """Something the build must not go on without."""
        names = " nor ".join(f"--{name}" for name, _ in spellings)
        refusal = f"{option}: this trtexec does not list {names}{f'; {why}' if why else ''}"
        self.append(Wanted(spellings, refusal, option=option))

    def like(self, *spellings: tuple[str, str | None], note: str | None = None, option: str | None = None) -> None:
        """Something it can do without; `note` tells the user then."""
        self.append(Wanted(spellings, note=note, option=option))


def wishes(options: BuildOptions, outputs: Outputs, subject: str, place: Callable[[Path], str]) -> WishList:
    """Everything to ask of trtexec for `options`. `subject`: the model or engine as trtexec shall open it; `place`: how it finds any other file."""
    wanted = WishList()
    if options.engine is not None:
        wanted.need("--engine", ("loadEngine", subject))
    else:
        wanted.need("model", ("onnx", subject))
        if outputs.engine is not None:
            wanted.need("engine file", ("saveEngine", outputs.engine))
        if options.sparsity == "enable":
            wanted.need("--sparsity enable", ("sparsity", "enable"))
        else:
            wanted.like(("sparsity", "disable"))
    wanted.need("verbose log", ("verbose", None))
    wanted.need(
        "layer info", ("profilingVerbosity", "detailed"), why="layer info would hold names alone; TensorRT 8.2 is the first with it"
    )
    wanted.need("layer info", ("exportLayerInfo", outputs.layer_info))
    wanted.like(("exportProfile", outputs.profile), note="this trtexec does not list --exportProfile: the capture has no timing profile")
    wanted.like(("separateProfileRun", None))
    if options.iterations is not None:
        wanted.need("--iterations", ("iterations", str(options.iterations)))
        wanted.like(("duration", "0"), option="--iterations")  # else trtexec goes on for 3 s, however few iterations are asked for
    if options.warmup_ms is not None:
        wanted.need("--warmup", ("warmUp", f"{options.warmup_ms:g}"))
    if options.engine is None:
        _build_wishes(options, wanted, place)
    _profile_wishes(options.profiles, wanted)
    for plugin in options.plugins:
        path = place(plugin)
        wanted.need("--plugins", ("staticPlugins", path), ("plugins", path))
    return wanted


def _build_wishes(options: BuildOptions, wanted: WishList, place: Callable[[Path], str]) -> None:
    for precision in options.precision:
        wanted.need(
            f"--precision {precision}", (precision, None), why="TensorRT 11 takes the types from the model alone: convert the model"
        )
    if options.strongly_typed:
        wanted.need("--strongly-typed", ("stronglyTyped", None))
    if options.workspace_bytes is not None:
        mebibytes = str(max(1, options.workspace_bytes >> 20))
        wanted.need("--workspace", ("memPoolSize", f"workspace:{mebibytes}"), ("workspace", mebibytes))
    numbers: Mapping[str, tuple[str, int | None]] = {
        "--opt-level": ("builderOptimizationLevel", options.opt_level),
        "--max-tactics": ("maxTactics", options.max_tactics),
        "--avg-timing": ("avgTiming", options.avg_timing),
    }
    for option, (flag, value) in numbers.items():
        if value is not None:
            wanted.need(option, (flag, str(value)))
    if options.tactic_sources:
        wanted.need("--tactic-sources", ("tacticSources", ",".join(options.tactic_sources)))
    if options.timing_cache is not None:
        wanted.need("--timing-cache", ("timingCacheFile", place(options.timing_cache)))
    if options.editable_cache:
        wanted.need("--editable-cache", ("editableTimingCache", None), why="use --backend tensorrt")
    if options.direct_io:
        wanted.need("--direct-io", ("directIO", None))
    if options.io_formats:
        inputs, outputs = _formats_by_position(options)
        wanted.need("--io-formats", ("inputIOFormats", inputs))
        wanted.need("--io-formats", ("outputIOFormats", outputs))


def _profile_wishes(profiles: tuple[OptimizationProfile, ...], wanted: WishList) -> None:
    def shapes(profile: OptimizationProfile, which: str) -> str:
        return ",".join(f"{one.name}:{shape_text(getattr(one, which))}" for one in profile.inputs)

    for index, profile in enumerate(profiles):
        if len(profiles) > 1:
            wanted.need("several optimization profiles", ("profile", str(index)))
        for flag, which in (("minShapes", "minimum"), ("optShapes", "optimum"), ("maxShapes", "maximum")):
            wanted.need("--shapes", (flag, shapes(profile, which)))


def _size_one_notes(model: Path) -> list[str]:
    """What trtexec does without being asked: where no shapes are given, it builds for size 1 in every dynamic dimension."""
    from ...parse.onnx_graph import load_graph

    try:
        graph = load_graph(model).model.graph
    except InputError:
        return []  # trtexec will say why it cannot read the model
    constants = {one.name for one in graph.initializer}
    lacking = []
    for tensor in graph.input:
        sizes = [one.dim_value if one.dim_value > 0 else None for one in tensor.type.tensor_type.shape.dim]
        if None in sizes and tensor.name not in constants:
            lacking.append(f"{tensor.name} ({'x'.join('?' if size is None else str(size) for size in sizes)})")
    if not lacking:
        return []
    return [f"no --shapes are given: trtexec builds for size 1 wherever an input is dynamic, here {visible(', '.join(lacking), 300)}"]


def _formats_by_position(options: BuildOptions) -> tuple[str, str]:
    """trtexec wants a format for every network input and output, in order; what the user left out stays linear in the model's type."""
    import onnx

    from ...parse.onnx_graph import load_graph
    from ..shapes import TYPE_NAMES

    assert options.model is not None
    graph = load_graph(options.model).model.graph  # without the weights, which may be gigabytes
    constants = {one.name for one in graph.initializer}
    named = {one.name: one for one in options.io_formats}
    sides: list[str] = []
    seen: set[str] = set()
    types = {onnx.TensorProto.FLOAT: "fp32", onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16"}
    types.update({getattr(onnx.TensorProto, name.upper()): name for name in TYPE_NAMES if hasattr(onnx.TensorProto, name.upper())})
    for side in (graph.input, graph.output):
        tensors = [one for one in side if one.name not in constants]
        seen |= {one.name for one in tensors}
        sides.append(",".join(_one_format(named.get(one.name), types.get(one.type.tensor_type.elem_type, "fp32")) for one in tensors))
    unknown = sorted(set(named) - seen)
    if unknown:
        raise UsageError(f"--io-formats: the model has no input or output named {', '.join(unknown)}; it has {', '.join(sorted(seen))}")
    return sides[0], sides[1]


def _one_format(given: TensorFormat | None, model_type: str) -> str:
    return f"{model_type}:chw" if given is None else f"{given.dtype or model_type}:{given.layout}"
