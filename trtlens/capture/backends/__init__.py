"""The backends, and which of them `auto` takes.

In: BuildOptions and what this machine has (found without importing TensorRT). Out: a Choice: the backend, and why. Next: build.py.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ..options import BuildOptions

MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
"""The Python module of each Python backend."""

# Which of these exists depends on the platform: a desktop driver, WSL, or Jetson's integrated GPU.
_DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-ctrl-gpu", "/dev/nvgpu")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a build could use here. `modules`: the Python backends whose module is installed; `driver`: the file that shows a GPU driver."""

    modules: frozenset[str]
    trtexec: Path | None
    driver: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    backend: str
    reason: str
    trtexec: Path | None = None


def look_around(options: BuildOptions) -> Machine:
    """What this machine has. Raises UsageError if `--trtexec` names no executable."""
    modules = frozenset(backend for backend, module in MODULES.items() if _importable(module))
    from .trtexec import find_trtexec  # here, because the child of every build loads this package

    return Machine(modules, find_trtexec(options.trtexec), next((name for name in _DRIVER_FILES if Path(name).exists()), None))


def choose(options: BuildOptions, machine: Machine) -> Choice:
    """The backend for `options` on `machine`. Raises UsageError, saying what to install, if there is none."""
    if options.backend == "trtexec" or (options.backend == "auto" and (options.trtexec or options.extra)):
        if machine.trtexec is None:
            raise UsageError(
                "trtexec is neither on PATH nor in /usr/src/tensorrt/bin: give --trtexec PATH, "
                "or write a script for a machine that has it with --emit-script"
            )
        why = "--backend trtexec" if options.backend == "trtexec" else "flags for trtexec are given"
        return Choice("trtexec", why, machine.trtexec)
    if options.backend != "auto":
        if options.backend not in machine.modules:
            module, extra = MODULES[options.backend], "rtx" if options.backend == "tensorrt-rtx" else "tensorrt"
            raise UsageError(f"--backend {options.backend}: the Python module {module} is not installed; pip install 'trtlens[{extra}]'")
        return Choice(options.backend, f"--backend {options.backend}")
    return _automatic(options, machine)


def _automatic(options: BuildOptions, machine: Machine) -> Choice:
    if options.target is not None and "tensorrt-rtx" in machine.modules:
        return Choice("tensorrt-rtx", "only TensorRT-RTX builds for a --target")
    if machine.driver is not None:
        if "tensorrt" in machine.modules:
            return Choice("tensorrt", f"an NVIDIA driver ({machine.driver}) and the Python module tensorrt are here")
        if machine.trtexec is not None:
            return Choice("trtexec", f"an NVIDIA driver ({machine.driver}) and {machine.trtexec} are here", machine.trtexec)
    if "tensorrt-rtx" in machine.modules:
        why = "no NVIDIA driver is here" if machine.driver is None else "neither tensorrt nor trtexec is here"
        return Choice("tensorrt-rtx", f"{why}, and TensorRT-RTX builds without a GPU")
    if machine.driver is None and ("tensorrt" in machine.modules or machine.trtexec is not None):
        raise UsageError(
            "no NVIDIA driver is here, and TensorRT builds on a GPU alone: "
            "pip install 'trtlens[rtx]', or use --emit-script and a GPU machine"
        )
    raise UsageError("nothing to build with: pip install 'trtlens[rtx]' (no GPU needed) or 'trtlens[tensorrt]', or give --trtexec PATH")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
