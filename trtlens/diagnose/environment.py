"""What a build ran on and with which options, from the log's option and device blocks, trex metadata or the manifest.

In: a `Build`, a manifest. Out: `Environment`, the GPU, the lines that say it. Next: joins.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..parse.build_log.records import Build, Line
from ..parse.trex_meta import TrexMetadata
from .gpus import Gpu, find_gpu
from .model import Environment


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`environment` as the JSON has it, and what the rules need beyond it."""

    environment: Environment
    gpu: Gpu | None = None
    sm_count: int | None = None
    flag_off: Line | None = None
    sparsity_on: bool | None = None
    capability_line: Line | None = None
    model: str | None = None
    jit: bool = False
    hardware_compatibility: str | None = None
    strict_nans: bool = False
    opt_level_line: Line | None = None
    """Where the log says the builder optimization level."""

    @property
    def few_tactics(self) -> str | None:
        """What keeps every race from being complete: below builder optimization level 3 heuristics leave tactics out before they are timed."""
        level = self.environment.opt_level
        return f"tactics were pruned: heuristics choose which are timed at builder optimization level {level}" if level is not None and level < 3 else None


def surroundings(build: Build | None, manifest: dict[str, Any] | None, metadata: Sequence[TrexMetadata] = ()) -> Surroundings:
    """Read the environment; what no input says stays None. trex's metadata is asked where the log does not say it itself."""
    facts = build.facts if build is not None else {}
    said = _flat(manifest or {})
    copied = _copied(metadata)

    def fact(key: str) -> str | None:
        return (facts[key][0] if key in facts else copied.get(key)) or None

    command = build.command.text if build is not None and build.command is not None else ""
    version = (build.version if build is not None else None) or _text(said.get("tensorrt"))
    gpu_name = fact("selected device") or _text(said.get("gpu"))
    capability = fact("compute capability") or _text(said.get("compute_capability"))
    # `trtexec --loadEngine` prints its build options too, and they say nothing of the engine, which another run built.
    loaded = fact("load engine") is not None or "--loadEngine" in command
    sparsity = _sparsity(None if loaded else fact("sparsity"), "" if loaded else command, said)
    sm_count = _int(fact("sms"))
    gpu = find_gpu(
        gpu_name,
        sm_count=sm_count,
        memory_mib=_int(fact("device global memory")),
        clock_ghz=_float(fact("application compute clock rate") or fact("compute clock rate")),
    )
    off = facts.get("sparsity")
    level, level_line = _level(build, {} if loaded else facts, None if loaded else copied.get("builderoptimizationlevel"), command, said)
    environment = Environment(
        tensorrt=version, gpu=gpu_name, compute_capability=capability or (gpu.compute_capability if gpu is not None else None),
        precision=None if loaded else _precision(fact("precision")), sparsity=sparsity,
        opt_level=level, avg_timing=_avg_timing(None if loaded else fact("avgtiming"), said),
    )  # fmt: skip
    return Surroundings(
        environment, gpu, sm_count, off[1] if off is not None and sparsity == "disable" and not loaded else None, None if sparsity is None else sparsity != "disable",
        facts["compute capability"][1] if "compute capability" in facts else None, _model(command, fact("model"), said), _jit(build, said),
        fact("hardwarecompatibilitylevel") or fact("hardware compatibility level"), _strict_nans(said), level_line,
    )  # fmt: skip


def _copied(metadata: Sequence[TrexMetadata]) -> dict[str, str]:
    """The option and device blocks that trex copied from trtexec's logs, under trtexec's words."""
    found: dict[str, str] = {}
    for file in metadata:
        for name in ("model_options", "build_options", "device_information"):
            section = file.sections.get(name)
            if isinstance(section, dict) and not (name == "build_options" and section.get("Load engine")):
                found.update((key.lower(), str(value)) for key, value in section.items() if isinstance(value, (str, int, float)))
    return found


def _version(backend: object, version: object) -> str | None:
    """TensorRT-RTX counts its versions on its own: 1.7 there is of the age of TensorRT 11."""
    if not isinstance(version, str):
        return None
    return f"RTX {version}" if backend == "tensorrt-rtx" else version


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says, under the keys used here."""
    backend = manifest.get("backend")
    gpus = manifest.get("gpus")
    first = gpus[0] if isinstance(gpus, list) and gpus and isinstance(gpus[0], dict) else {}
    options = manifest.get("options") if isinstance(manifest.get("options"), dict) else {}
    assert isinstance(options, dict)
    named = backend if isinstance(backend, dict) else {}
    target = options.get("target")
    capability = first.get("compute_capability")
    if capability is None and isinstance(target, str) and re.fullmatch(r"SM\d{2,3}", target):
        capability = f"{int(target[2:]) // 10}.{int(target[2:]) % 10}"  # what TensorRT-RTX was told to build for
    return {
        "backend": named.get("name"), "tensorrt": _version(named.get("name"), named.get("version")), "gpu": first.get("name"), "compute_capability": capability,
        "options": options, "model": manifest.get("model"), "notes": manifest.get("notes"),
    }  # fmt: skip


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int, float)) and value != "" else None


def _int(text: str | None) -> int | None:
    match = re.match(r"\d{1,9}", text or "")
    return int(match.group()) if match else None


def _float(text: str | None) -> float | None:
    match = re.match(r"\d{1,4}(?:\.\d{1,6})?", text or "")
    return float(match.group()) if match else None


def _sparsity(option: str | None, command: str, said: dict[str, Any]) -> str | None:
    words = {"disabled": "disable", "enabled": "enable", "forced": "force", "force": "force", "enable": "enable", "disable": "disable"}
    if option is not None:
        return words.get(option.split()[0].lower(), option) if option.split() else None
    match = re.search(r"--sparsity=(\w+)", command)
    if match:
        return words.get(match[1].lower(), match[1])
    options = said.get("options")
    value = options.get("sparsity") if isinstance(options, dict) else said.get("sparsity")
    return value if isinstance(value, str) else None


def _precision(text: str | None) -> tuple[str, ...] | None:
    if not text:
        return None
    found = re.findall(r"FP32|FP16|BF16|INT8|FP8|INT4|FP4|TF32", text.upper())
    return tuple(dict.fromkeys(word.lower() for word in found)) or None


def _level(
    build: Build | None, facts: Mapping[str, tuple[str, Line]], copied: str | None, command: str, said: dict[str, Any]
) -> tuple[int | None, Line | None]:
    """The builder optimization level, and the log's line that says it."""
    # TensorRT's own word before what it was asked for.
    for line in build.notable.get("opt_level", ()) if build is not None else ():
        match = re.search(r"at optimization level (\d{1,2})", line.text)
        if match:
            return int(match[1]), line
    for key in ("builderoptimizationlevel", "builder optimization level"):
        if key in facts and re.fullmatch(r"\d{1,2}", facts[key][0] or ""):  # -1 is trtexec's word for "not given"
            return int(facts[key][0]), facts[key][1]
    if copied is not None and re.fullmatch(r"\d{1,2}", copied):
        return int(copied), None
    given = re.search(r"--builderOptimizationLevel=(\d{1,2})\b", command) if "--loadEngine" not in command else None
    if given is not None and build is not None:
        return int(given[1]), build.command
    options = said.get("options")
    level = options.get("opt_level") if isinstance(options, dict) else None
    return level if isinstance(level, int) else None, None


def _avg_timing(option: str | None, said: dict[str, Any]) -> int | None:
    """How often each tactic is timed: trtexec's option, or the manifest's."""
    options = said.get("options")
    value = _int(option) if option is not None else options.get("avg_timing") if isinstance(options, dict) else None
    return value if isinstance(value, int) else None


def _model(command: str, fact: str | None, said: dict[str, Any]) -> str | None:
    match = re.search(r"--onnx=(\S+)", command)
    model = said.get("model")
    return match[1] if match else fact or (_text(model.get("path")) if isinstance(model, dict) else _text(model))


def _jit(build: Build | None, said: dict[str, Any]) -> bool:
    """Whether TensorRT-RTX built it: kernels are chosen on the user's GPU."""
    if said.get("backend") == "tensorrt-rtx":
        return True
    return build is not None and any("convergence mode" in line.text or "CPU-only" in line.text for line in build.notable.get("rtx", ()))


def _strict_nans(said: dict[str, Any]) -> bool:
    options = said.get("options")
    return isinstance(options, dict) and options.get("strict_nans") is True
