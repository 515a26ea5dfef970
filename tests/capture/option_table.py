"""Every build option against every backend and version: the call or flag that it becomes, or the reason why it is refused.

An expectation holds from its version on, up to the next one's. test_options_by_backend.py holds the backends to it; bindings/ask.py makes the
plans inside a process that has one version's bindings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trtlens.capture.backends.driver import surface_of
from trtlens.capture.backends.python_api import plan
from trtlens.capture.settings import options_from
from trtlens.errors import UsageError


@dataclass(frozen=True)
class Refused:
    """The build must not begin; the reason holds these words."""

    words: str


@dataclass(frozen=True)
class Without:
    """Accepted, and nothing is called that holds these words."""

    words: str


ACCEPTED = Without("nothing like this")
"""Accepted without a call of its own: what trtlens does itself."""
Expected = str | Refused | Without


@dataclass(frozen=True)
class Row:
    """`given`: the option; then what becomes of it. A plain string is a line of the plan (Python) or the beginning of a flag (trtexec)."""

    given: dict[str, Any]
    tensorrt: Mapping[str, Expected] | Expected
    trtexec: Mapping[str, Expected] | Expected
    rtx: Expected


_TYPES = Refused("the model's own types rule")
_TRTEXEC_TYPES = Refused("types from the model")
_NO_TIMING = Refused("times no kernels")
_NOT_RUN = Refused("not run here")
_SAME = Refused("byte for byte the same")
_STRONG = "network = builder.create_network(NetworkDefinitionCreationFlag.STRONGLY_TYPED)"


def _flag(name: str) -> str:
    return f"config.set_flag(BuilderFlag.{name})"


TABLE: dict[str, Row] = {
    "plain": Row({}, _flag("SPARSE_WEIGHTS"), "--sparsity=enable", _flag("SPARSE_WEIGHTS")),
    "no sparsity": Row({"sparsity": "disable"}, Without("SPARSE_WEIGHTS"), "--sparsity=disable", Without("SPARSE_WEIGHTS")),
    "fp16": Row({"precision": "fp16"}, {"8": _flag("FP16"), "11": _TYPES}, {"8": "--fp16", "11": _TRTEXEC_TYPES}, _TYPES),
    "int8": Row({"precision": "fp16,int8"}, {"8": _flag("INT8"), "11": _TYPES}, {"8": "--int8", "11": _TRTEXEC_TYPES}, _TYPES),
    "bf16": Row(
        {"precision": "bf16"},
        {"8": Refused("has no BuilderFlag.BF16; it came with 10.0"), "10": _flag("BF16"), "11": _TYPES},
        {"8": Refused("does not list --bf16"), "10": "--bf16", "11": _TRTEXEC_TYPES},
        _TYPES,
    ),
    "fp8": Row(
        {"precision": "fp8"},
        {"8": _flag("FP8"), "11": _TYPES},
        {"8.5": Refused("does not list --fp8"), "8.6": "--fp8", "11": _TRTEXEC_TYPES},
        _TYPES,
    ),
    "best": Row(
        {"precision": "best"},
        {"8": _flag("INT8"), "10.0": _flag("BF16"), "10.3": _flag("INT4"), "11": _TYPES},
        {"8": "--best", "11": _TRTEXEC_TYPES},
        _TYPES,
    ),
    "strongly typed": Row(
        {"strongly-typed": True},
        {"8": Refused("it came with 10.0"), "10": "NetworkDefinitionCreationFlag.STRONGLY_TYPED"},
        {"8": Refused("does not list --stronglyTyped"), "10": "--stronglyTyped"},
        _STRONG,
    ),
    "shapes": Row(
        {"shapes": "x:1x32x16x16"},
        "profile_0.set_shape('x', (1, 32, 16, 16), (1, 32, 16, 16), (1, 32, 16, 16))",
        "--optShapes=x:1x32x16x16",
        "profile_0.set_shape('x', (1, 32, 16, 16), (1, 32, 16, 16), (1, 32, 16, 16))",
    ),
    "two profiles": Row(
        {"min": ["x:1", "x:2"], "opt": ["x:1", "x:2"], "max": ["x:1", "x:3"]},
        "profile_1.set_shape('x', (2,), (2,), (3,))",
        {"8": Refused("several optimization profiles: this trtexec does not list --profile"), "10": "--profile=1"},
        "profile_1.set_shape('x', (2,), (2,), (3,))",
    ),
    "workspace": Row(
        {"workspace": "1GiB"},
        "config.set_memory_pool_limit(MemoryPoolType.WORKSPACE, 1073741824)",
        "--memPoolSize=workspace:1024",
        "config.set_memory_pool_limit(MemoryPoolType.WORKSPACE, 1073741824)",
    ),
    "opt level": Row(
        {"opt-level": 5},
        "config.builder_optimization_level = 5",
        {"8.5": Refused("does not list --builderOptimizationLevel"), "8.6": "--builderOptimizationLevel=5"},
        "config.builder_optimization_level = 5",
    ),
    "max tactics": Row(
        {"max-tactics": 4},
        {"8": Refused("max_num_tactics; it came with 10.4"), "10.8": "config.max_num_tactics = 4"},
        {"8": Refused("does not list --maxTactics"), "10": "--maxTactics=4"},
        _NO_TIMING,
    ),
    "avg timing": Row({"avg-timing": 8}, "config.avg_timing_iterations = 8", "--avgTiming=8", _NO_TIMING),
    "tactic sources": Row(
        {"tactic-sources": "-CUBLAS,+JIT_CONVOLUTIONS"},
        {
            "8": "config.set_tactic_sources('-CUBLAS', '+JIT_CONVOLUTIONS')",
            "11": Refused("no source CUBLAS; it has EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS"),
        },
        "--tacticSources=-CUBLAS,+JIT_CONVOLUTIONS",
        _NO_TIMING,
    ),
    "timing cache": Row({"timing-cache": "/c"}, "config.set_timing_cache('/c')", "--timingCacheFile=/c", _NO_TIMING),
    "editable cache": Row(
        {"editable-cache": True},
        {"8": Refused("BuilderFlag.EDITABLE_TIMING_CACHE; it came with 10.8"), "10.8": _flag("EDITABLE_TIMING_CACHE")},
        Refused("use --backend tensorrt"),
        _NO_TIMING,
    ),
    "formats": Row(
        {"io-formats": "x:hwc8"},
        "tensor x.allowed_formats = TensorFormat.HWC8",
        "--inputIOFormats=fp16:hwc8",
        "tensor x.allowed_formats = TensorFormat.HWC8",
    ),
    "formats with type": Row(
        {"io-formats": "x:fp32:chw32"},
        {"8": "tensor x.dtype = DataType.FLOAT", "11": Refused("give x:chw32")},
        "--inputIOFormats=fp32:chw32",
        Refused("give x:chw32"),
    ),
    "direct io": Row({"direct-io": True}, _flag("DIRECT_IO"), "--directIO", _flag("DIRECT_IO")),
    "plugins": Row(
        {"plugins": "/p.so"},
        "plugin_registry.load_library('/p.so')",
        {"8.5": "--plugins=/p.so", "8.6": "--staticPlugins=/p.so"},
        Refused("no plugin layers"),
    ),
    "iterations": Row({"iterations": 10}, ACCEPTED, "--iterations=10", _NOT_RUN),
    "warmup": Row({"warmup": 5}, ACCEPTED, "--warmUp=5", _NOT_RUN),
    "target": Row(
        {"target": "SM86"}, Refused("builds for the GPU it runs on"), Refused("builds for the GPU it runs on"),
        "config.set_compute_capability(ComputeCapability.SM86, 0)",
    ),
    "counterfactual": Row({"counterfactual": True}, ACCEPTED, ACCEPTED, _SAME),
    "repeat": Row({"repeat": 3}, ACCEPTED, ACCEPTED, _SAME),
    "prune": Row({"prune": "magnitude"}, ACCEPTED, ACCEPTED, ACCEPTED),
    "flags after --": Row({"extra": ["--useCudaGraph"]}, Refused("flags after -- are trtexec's"), "--useCudaGraph", Refused("are trtexec's")),
}  # fmt: skip
NOT_THE_BUILDERS = {"model", "engine", "output", "backend", "trtexec", "timeout", "no-engine", "force"}
"""Options that say what to build, where to and by whom, and reach no builder."""


def expected(of: Mapping[str, Expected] | Expected, version: str) -> Expected:
    """What holds for a version: the expectation of the newest version that is not newer."""
    if not isinstance(of, Mapping):
        return of

    def number(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    return of[max((first for first in of if number(first) <= number(version)), key=number)]


def failures(made: Mapping[str, tuple[list[str], list[str]]], of: str, version: str) -> list[str]:
    """The rows that do not hold. `made`: {row: (lines of the plan, refusals)}; `of`: tensorrt, trtexec or rtx."""
    wrong = []
    for name, row in TABLE.items():
        wanted, (lines, refusals) = expected(getattr(row, of), version), made[name]
        if isinstance(wanted, Refused):
            holds = any(wanted.words in one for one in refusals)
        elif isinstance(wanted, Without):
            holds = not refusals and bool(lines) and not any(wanted.words in line for line in lines)
        else:
            holds = not refusals and any(wanted in line for line in lines)
        if not holds:
            wrong.append(f"{name}: wanted {wanted}, got {refusals or lines}")
    return wrong


def python_plans(module: Any, backend: str) -> dict[str, tuple[list[str], list[str]]]:
    """{row: (calls, refusals)} of a Python module of TensorRT."""
    surface = surface_of(module)
    found: dict[str, tuple[list[str], list[str]]] = {}
    for name, row in TABLE.items():
        try:
            made = plan(options_from({"model": "m.onnx", "backend": backend, **row.given}), surface, backend)
            found[name] = made.lines(), list(made.refusals)
        except UsageError as error:
            found[name] = [], [str(error)]
    return found
