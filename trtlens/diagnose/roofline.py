"""Could sparse math ever win here? Two figures from a layer's shape and the GPU's limits, and suspects from the kernel's tile.

In: the sizes of one layer as a matrix product, a `Gpu`, a kernel's tile. Out: the ideal ratio, the bound on the gain, suspects with a
sentence. Next: the rules that list suspects and the remedies that need a bound. Method and validation: docs/roofline.md.

The two figures answer different questions and use different limits:
* `ideal_ratio` compares two ideal kernels at the data sheet's rates. It is an expectation, so it only ever feeds a suspect.
* `gain_bound` holds for real kernels: it divides the time of the dense kernel that runs by a time no sparse kernel can go below. So it
  takes the highest clocks, and lets what fits into L2 stay there, because tuning loops repeat on a warm cache.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from .gpus import Gpu, find_gpu

__all__ = [
    "COMPRESSION", "MEMORY_BOUND_RATIO", "GemmShape", "Gpu", "PhysicalSuspect", "TileFit", "find_gpu", "gain_bound", "ideal_ratio",
    "sparse_roofline_ms", "suspects", "tile_efficiency",
]  # fmt: skip

# Of four values two are kept with two bits of position each: (2 x 16 + 4) / 64 and (2 x 8 + 4) / 32.
COMPRESSION: Final[Mapping[str, float]] = MappingProxyType({"fp16": 9 / 16, "bf16": 9 / 16, "int8": 5 / 8, "fp8": 5 / 8})
BYTES: Final[Mapping[str, int]] = MappingProxyType({"fp16": 2, "bf16": 2, "int8": 1, "fp8": 1})
MEMORY_BOUND_RATIO: Final = 1.05
_PARTIAL_TILE_SHARE: Final = 0.95
_TYPICAL_K_TILE: Final[Mapping[str, int]] = MappingProxyType({"fp16": 64, "bf16": 64, "int8": 128, "fp8": 128})
_TYPICAL_STAGES: Final = 3


@dataclass(frozen=True, slots=True)
class GemmShape:
    """A layer as a matrix product of m rows (N·OH·OW, or the leading dimensions), k (C·R·S) and n (output channels).

    `taps`: R·S of a convolution; k is `taps` times the input channels. `input_elements`: those of N·C·H·W that are read at all, each
    once: below m·k where a filter has more than one tap, below N·C·H·W where a stride steps over some; None stands for m·k.
    `residual_elements`: a fused second input, read whatever the weights are. `*_bytes` per element: None stands for the size of the data
    type; the weights are always of the data type. `inside_share`: the part of the products that does not fall on padding, in (0, 1]; a
    kernel might leave the others out, though none is known to.
    """

    m: int
    k: int
    n: int
    input_elements: int | None = None
    residual_elements: int = 0
    taps: int = 1
    input_bytes: float | None = None
    output_bytes: float | None = None
    inside_share: float = 1.0

    def __post_init__(self) -> None:
        inputs = 1 if self.input_elements is None else self.input_elements
        if min(self.m, self.k, self.n, self.taps, inputs) < 1 or self.residual_elements < 0 or not 0 < self.inside_share <= 1:
            raise ValueError(f"sizes must be positive: {self}")

    @property
    def flops(self) -> float:
        """Multiplications and additions of the dense product."""
        return 2.0 * self.m * self.k * self.n

    def traffic(self, datatype: str, weight_share: float = 1.0) -> float:
        """Bytes that must be read or written at least once, with the weights at `weight_share` of their dense size."""
        size = BYTES[datatype]
        input_bytes = size if self.input_bytes is None else self.input_bytes
        output_bytes = size if self.output_bytes is None else self.output_bytes
        read = (self.m * self.k if self.input_elements is None else self.input_elements) * input_bytes
        written = (self.m * self.n + self.residual_elements) * output_bytes
        return read + weight_share * self.k * self.n * size + written


def ideal_ratio(shape: GemmShape, gpu: Gpu | None, datatype: str) -> float | None:
    """Dense over sparse time if both kernels ran at the machine's limits: 1 (nothing to gain) to 2.

    None without a known GPU or where the type has no sparse math. Datasheet rates, device memory, nothing in L2.
    """
    peak = _peak(gpu, datatype)
    if gpu is None or peak is None:
        return None
    bandwidth = gpu.bandwidth_gbs * 1e9
    dense = max(shape.flops / peak, shape.traffic(datatype) / bandwidth)
    sparse = max(shape.flops / (2 * peak), shape.traffic(datatype, COMPRESSION[datatype]) / bandwidth)
    return dense / sparse


def sparse_roofline_ms(shape: GemmShape, gpu: Gpu | None, datatype: str) -> float | None:
    """A time in milliseconds that no sparse kernel for this layer can go below on this GPU, even on a warm L2; None as for `ideal_ratio`.

    The largest of: half the arithmetic at the highest clock; the bytes that do not fit into L2 at device memory's limit; all bytes
    at L2's limit. A limit that the data file does not know is left out, which only lowers the time.
    """
    if gpu is None or datatype not in COMPRESSION:
        return None
    peak = gpu.dense_flops_limit(datatype)
    if peak is None:
        return None
    traffic = shape.traffic(datatype, COMPRESSION[datatype])
    seconds = [shape.flops * shape.inside_share / (2 * peak)]
    if gpu.l2_mb is not None:
        # What one run leaves in L2, read or still unwritten, the next run finds there: at most the size of L2 is saved.
        seconds.append((traffic - gpu.l2_mb * 2**20) / gpu.bandwidth_limit)
    if gpu.l2_bandwidth_limit is not None:
        seconds.append(traffic / gpu.l2_bandwidth_limit)
    return max(seconds) * 1e3


def gain_bound(best_dense_ms: float | None, shape: GemmShape, gpu: Gpu | None, datatype: str) -> float | None:
    """How many times faster than the dense kernel that runs a sparse kernel could be at most; never below 1.

    1.0 means that even a perfect sparse kernel would not be faster. None if the time or the roofline is unknown.
    """
    floor = sparse_roofline_ms(shape, gpu, datatype)
    if floor is None or best_dense_ms is None or not best_dense_ms > 0:
        return None
    return max(best_dense_ms / floor, 1.0)


def _peak(gpu: Gpu | None, datatype: str) -> float | None:
    return gpu.dense_flops(datatype) if gpu is not None and datatype in COMPRESSION else None


@dataclass(frozen=True, slots=True)
class TileFit:
    """How a layer fills a kernel's tiles.

    `share_*`: the part of the padded dimension that is real work, in (0, 1]; `used`: their product. `tiles`: tiles of the
    output. `k_steps`: steps through the whole reduction. `waves`: tiles over multiprocessors (one tile each at a time);
    `tail`: how full the last wave is, in (0, 1]; both None without a multiprocessor count.
    """

    share_m: float
    share_n: float
    share_k: float
    tiles: int
    k_steps: int
    waves: float | None
    tail: float | None

    @property
    def used(self) -> float:
        return self.share_m * self.share_n * self.share_k


def tile_efficiency(shape: GemmShape, tile: tuple[int, int, int], sm_count: int | None) -> TileFit:
    """How `shape` fills tiles of (M, N, K); the reduction is padded for each filter tap, as convolution kernels do."""
    tile_m, tile_n, tile_k = tile
    if min(tile) < 1:
        raise ValueError(f"a tile must be positive: {tile}")
    channels = math.ceil(shape.k / shape.taps)
    rows, columns, steps = -(-shape.m // tile_m), -(-shape.n // tile_n), -(-channels // tile_k)
    tiles = rows * columns
    waves = tiles / sm_count if sm_count else None
    return TileFit(
        share_m=shape.m / (rows * tile_m),
        share_n=shape.n / (columns * tile_n),
        share_k=channels / (steps * tile_k),
        tiles=tiles,
        k_steps=steps * shape.taps,
        waves=waves,
        tail=None if not sm_count else (tiles - 1) % sm_count / sm_count + 1 / sm_count,
    )


@dataclass(frozen=True, slots=True)
class PhysicalSuspect:
    """A suspect id of the catalogue and the sentence that carries its figures."""

    reason: str
    sentence: str


def suspects(
    shape: GemmShape,
    gpu: Gpu | None,
    datatype: str,
    *,
    tile: tuple[int, int, int] | None = None,
    sm_count: int | None = None,
    stages: int | None = None,
    tile_axes_known: bool = False,
) -> list[PhysicalSuspect]:
    """Physical causes that the layer's sizes suggest, likeliest first: memory-bound, few-tiles, short-reduction, partial-tile.

    `tile`: that of the best sparse kernel timed, else of the dense kernel that runs. `tile_axes_known`: False for matrix products, whose
    kernels may compute the transposed product: then the tile is turned the way that fits better. Without a tile the reduction is held
    against the sparse K-tile usual for the type. `sm_count`: from trtexec's device block, else that of `gpu`.
    """
    if datatype not in COMPRESSION:
        return []
    found: list[PhysicalSuspect] = []
    ratio = ideal_ratio(shape, gpu, datatype)
    if ratio is not None and ratio <= MEMORY_BOUND_RATIO:
        saved = f"save {(1 - 1 / ratio) * 100:.0f} %" if ratio >= 1.005 else "save nothing"
        found.append(
            PhysicalSuspect(
                "memory-bound",
                f"if both kernels ran at the machine's limits, sparse would {saved}: {shape.traffic(datatype) / 1e6:.3g} MB of traffic, "
                f"of which {shape.k * shape.n * BYTES[datatype] / 1e6:.2g} MB are weights",
            )
        )
    fit = None if tile is None else _best_fit(shape, tile, sm_count or (gpu.sm_count if gpu else None), tile_axes_known)
    if fit is not None and fit[1].waves is not None and fit[1].waves < 1:
        (m, n, _), tiles = fit
        found.append(
            PhysicalSuspect(
                "few-tiles",
                f"{shape.m} x {shape.n} outputs make {tiles.tiles} tile{'s' if tiles.tiles > 1 else ''} of {m} x {n}, "
                f"{tiles.waves:.2f} of a wave of the GPU's multiprocessors",
            )
        )
    short = _short_reduction(shape, datatype, tile, stages)
    if short:
        found.append(PhysicalSuspect("short-reduction", short))
    if fit is not None and (sentence := _partial_tile(shape, *fit, k_told=bool(short))):
        found.append(PhysicalSuspect("partial-tile", sentence))
    return found


def _best_fit(
    shape: GemmShape, tile: tuple[int, int, int], sm_count: int | None, axes_known: bool
) -> tuple[tuple[int, int, int], TileFit]:
    turned = [tile] if axes_known else [tile, (tile[1], tile[0], tile[2])]
    return max(((t, tile_efficiency(shape, t, sm_count)) for t in turned), key=lambda pair: pair[1].used)


def _short_reduction(shape: GemmShape, datatype: str, tile: tuple[int, int, int] | None, stages: int | None) -> str | None:
    k_tile = tile[2] if tile else _TYPICAL_K_TILE[datatype]
    whose = "the kernel's K-tile" if tile else "the K-tile usual for sparse kernels of this type"
    channels = math.ceil(shape.k / shape.taps)
    if channels < k_tile:
        each = " at each filter tap" if shape.taps > 1 else ""
        return f"{channels} input channels fill {channels / k_tile:.0%} of {whose} of {k_tile}{each}"
    steps, depth = -(-channels // k_tile) * shape.taps, stages or _TYPICAL_STAGES
    if steps < depth:
        plural = "s" if steps > 1 else ""
        return f"the whole reduction of {shape.k} takes {steps} step{plural} of {k_tile}, fewer than {depth} pipeline stages"
    return None


def _partial_tile(shape: GemmShape, tile: tuple[int, int, int], fit: TileFit, *, k_told: bool) -> str | None:
    parts = [
        f"{size} {what} are {size / step:.3g} tiles of {step}"
        for what, size, step, share, told in (
            ("rows", shape.m, tile[0], fit.share_m, False),
            ("output channels", shape.n, tile[1], fit.share_n, False),
            ("input channels", math.ceil(shape.k / shape.taps), tile[2], fit.share_k, k_told),
        )
        if share < _PARTIAL_TILE_SHARE and not told
    ]
    return f"{'; '.join(parts)}: {fit.used:.0%} of the computed tiles is real work" if parts else None
