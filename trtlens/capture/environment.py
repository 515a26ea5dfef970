"""What the machine is like before a build.

In: nothing but the machine. Out: the records Gpu and Host for the manifest. Next: build.py. Everything here is best effort: what
cannot be read is None, and nothing here may stop a build.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10.0
# nvidia-smi's name, our field. Drivers differ in what they know (compute_cap came with 510): an unknown field is dropped and asked without.
_FIELDS: dict[str, str] = {
    "name": "name",
    "driver_version": "driver",
    "compute_cap": "compute_capability",
    "clocks.current.sm": "sm_clock_mhz",
    "clocks.current.memory": "memory_clock_mhz",
    "clocks.max.sm": "sm_clock_max_mhz",
    "clocks.max.memory": "memory_clock_max_mhz",
    "power.limit": "power_limit_w",
    "power.default_limit": "power_limit_default_w",
    "memory.free": "memory_free_mib",
    "memory.total": "memory_total_mib",
}
_TEXTS = ("name", "driver", "compute_capability")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as nvidia-smi reports it before the build. Clocks in MHz, power in W, memory in MiB."""

    name: str | None = None
    driver: str | None = None
    compute_capability: str | None = None
    sm_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    sm_clock_max_mhz: float | None = None
    memory_clock_max_mhz: float | None = None
    power_limit_w: float | None = None
    power_limit_default_w: float | None = None
    memory_free_mib: float | None = None
    memory_total_mib: float | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """The machine. `memory_available_bytes`: before the build; on Jetson the GPU shares it, and a shortage silently removes tactics."""

    system: str
    python: str
    cpus: int | None
    memory_available_bytes: int | None
    jetson: str | None
    cuda: str | None


def read_host() -> Host:
    return Host(
        system=platform.platform(),
        python=platform.python_version(),
        cpus=os.cpu_count(),
        memory_available_bytes=_available_bytes(),
        jetson=_first_line(Path("/etc/nv_tegra_release")),
        cuda=_cuda_version(),
    )


def read_gpus() -> tuple[Gpu, ...]:
    """The GPUs, in nvidia-smi's order; empty where there is no nvidia-smi or it fails."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    asked = list(_FIELDS)
    while asked:
        answer = _run([tool, f"--query-gpu={','.join(asked)}", "--format=csv,noheader,nounits"])
        unknown = re.search(r'Field "([^"]+)" is not a valid field', answer or "")
        if answer is None:
            return ()
        if not unknown:
            return parse_gpus(answer, asked)
        if unknown.group(1) not in asked:
            return ()
        asked.remove(unknown.group(1))
    return ()


def parse_gpus(answer: str, asked: list[str]) -> tuple[Gpu, ...]:
    """nvidia-smi's CSV rows, in the order of `asked`, as records; `[N/A]` and the like are None."""
    gpus = []
    for line in answer.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(asked):
            continue
        values = {_FIELDS[name]: cell for name, cell in zip(asked, cells, strict=True)}
        texts = {field: values[field] if values.get(field, "[")[0:1] not in ("", "[") else None for field in _TEXTS if field in values}
        numbers = {field: _number(cell) for field, cell in values.items() if field not in _TEXTS}
        gpus.append(Gpu(**texts, **numbers))  # type: ignore[arg-type]  # two dictionaries of known fields
    return tuple(gpus)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _available_bytes() -> int | None:
    match = re.search(r"^MemAvailable:\s+(\d+) kB", _read(Path("/proc/meminfo")) or "", re.MULTILINE)
    return int(match.group(1)) * 1024 if match else None


def _cuda_version() -> str | None:
    """The highest CUDA version the driver supports, else that of the toolkit in its usual place."""
    tool = shutil.which("nvidia-smi")
    found = re.search(r"CUDA Version: (\d+\.\d+)", (_run([tool]) or "") if tool else "")
    found = found or re.search(r'"cuda"\s*:\s*\{[^}]*"version"\s*:\s*"([\d.]+)"', _read(Path("/usr/local/cuda/version.json")) or "")
    return found.group(1) if found else None


def _run(command: list[str]) -> str | None:
    try:
        answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, text=True, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout + answer.stderr
    return text if answer.returncode == 0 or "is not a valid field" in text else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _first_line(path: Path) -> str | None:
    text = _read(path)
    return text.splitlines()[0].strip() if text and text.strip() else None
