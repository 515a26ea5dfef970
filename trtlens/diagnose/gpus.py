"""What each GPU can do at best: tensor rates, memory bandwidth, L2, multiprocessors, with the source of every figure.

In: data/gpus.json, and a GPU's name with what trtexec's device block prints. Out: `Gpu`. Next: roofline.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

# Memory as the driver reports it is below the nominal size (ECC, carve-outs; 24859 of 32768 MiB was seen on an AGX Orin), never above.
_LEAST_MEMORY_SHARE: Final = 0.7
_CLOCK_TOLERANCE: Final = 0.015
# Memory clocks are fixed but for overclocked boards and rounded data sheets (H200: 4.8 TB/s nominal); bounds allow for that.
_BANDWIDTH_HEADROOM: Final = 1.05


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU model.

    `dense_tflops`: vendor peak of dense tensor math by type (fp16, bf16, int8, fp8; TFLOP/s or TOPS) at `boost_ghz`; sparse
    peaks are twice that. On GeForce the fp16 figure is that with FP16 accumulation. `limit_ghz`: a clock the part does not
    exceed. `l2_mb`: an upper bound; None if unknown. `l2_bytes_per_clock_per_sm`: what one multiprocessor can take from L2 at
    most; None if unknown. `memory_mib`: nominal sizes. `clock_ghz`: clocks that tell modules of one name apart (Jetson).
    `source`: figure to source, as in the data file.
    """

    name: str
    pattern: str
    compute_capability: str
    sm_count: int
    boost_ghz: float
    limit_ghz: float
    dense_tflops: Mapping[str, float | None]
    bandwidth_gbs: float
    l2_mb: float | None
    l2_bytes_per_clock_per_sm: float | None
    memory_mib: tuple[int, ...]
    clock_ghz: tuple[float, ...]
    source: Mapping[str, str | None]

    def dense_flops(self, datatype: str) -> float | None:
        """Vendor peak of dense math in FLOP/s; None if the type or its rate is unknown."""
        rate = self.dense_tflops.get(datatype)
        return None if rate is None else rate * 1e12

    def dense_flops_limit(self, datatype: str) -> float | None:
        """What dense math cannot exceed in FLOP/s: the peak at the highest clock instead of the data sheet's boost clock."""
        peak = self.dense_flops(datatype)
        return None if peak is None else peak * max(self.limit_ghz / self.boost_ghz, 1.0)

    @property
    def bandwidth_limit(self) -> float:
        """What device memory cannot exceed, in bytes/s."""
        return self.bandwidth_gbs * 1e9 * _BANDWIDTH_HEADROOM

    @property
    def l2_bandwidth_limit(self) -> float | None:
        """What all multiprocessors together can take from L2 at most, in bytes/s; None if unknown."""
        if self.l2_bytes_per_clock_per_sm is None:
            return None
        return self.l2_bytes_per_clock_per_sm * self.sm_count * self.limit_ghz * 1e9


def _gpu(entry: dict[str, Any]) -> Gpu:
    return Gpu(
        **{
            **entry,
            "dense_tflops": MappingProxyType(entry["dense_tflops"]),
            "source": MappingProxyType(entry["source"]),
            "memory_mib": tuple(entry["memory_mib"]),
            "clock_ghz": tuple(entry["clock_ghz"]),
        }
    )


@cache
def known_gpus() -> tuple[Gpu, ...]:
    """Every GPU of the data file."""
    document = json.loads(files("trtlens.diagnose").joinpath("data/gpus.json").read_text(encoding="utf-8"))
    return tuple(_gpu(entry) for entry in document["gpus"])


@cache
def sources() -> Mapping[str, str]:
    """The sources that `Gpu.source` names, in full."""
    document = json.loads(files("trtlens.diagnose").joinpath("data/gpus.json").read_text(encoding="utf-8"))
    return MappingProxyType(document["sources"])


def find_gpu(
    name: str | None, *, sm_count: int | None = None, memory_mib: int | None = None, clock_ghz: float | None = None
) -> Gpu | None:
    """The GPU that trtexec or TensorRT calls `name`; None if unknown, contradicted by another figure, or ambiguous.

    `sm_count`, `memory_mib` and `clock_ghz` are those of trtexec's device block (SMs, Device Global Memory, Compute Clock
    Rate). One name can stand for several parts ("Orin" for all Jetson Orin modules, "NVIDIA GeForce RTX 3080" for two boards),
    and a part of a GPU (MIG) has fewer multiprocessors: a figure that contradicts the data file rules the entry out.
    """
    if not name:
        return None
    plain = re.sub(r"^NVIDIA\s+", "", " ".join(name[:100].split()), flags=re.IGNORECASE)
    found = [
        gpu
        for gpu in known_gpus()
        if re.fullmatch(gpu.pattern, plain, re.IGNORECASE)
        and (sm_count is None or sm_count == gpu.sm_count)
        and (memory_mib is None or any(_LEAST_MEMORY_SHARE * size <= memory_mib <= size for size in gpu.memory_mib))
    ]
    if len(found) > 1 and clock_ghz is not None:
        found = [gpu for gpu in found if any(abs(clock_ghz / clock - 1) <= _CLOCK_TOLERANCE for clock in gpu.clock_ghz)]
    return found[0] if len(found) == 1 else None
