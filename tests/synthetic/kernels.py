"""Kernel names of the shapes that TensorRT prints, made up from their grammar. In: operation, formats, SM. Out: a name. Next: worlds.py."""

from __future__ import annotations

import random

from .model import Format

_SHORT = {"Half": "f16", "Float": "f32", "Int8": "i8"}
_TILES = ("64x64", "128x64", "64x128", "128x128", "256x64", "256x128", "64x32", "32x64")
_WARPS = ("1x4x1", "2x2x1", "4x1x1", "4x2x1", "2x1x1")


def _types(source: Format, target: Format) -> str:
    a, c = _SHORT[source.dtype], _SHORT[target.dtype]
    if source.dtype == "Int8":
        return f"{a}{c}_i8i32_f32"
    return f"{a}{c}_{a}f32_f32"


def _layout(form: Format) -> str:
    if form.layout in ("CHW32", "CHW4"):
        lanes = form.layout[3:]
        return f"nchw_vect_c_{lanes}kcrs_vect_c_{lanes}_nchw_vect_c_{lanes}"
    return "nhwckrsc_nhwc" if form.layout.startswith("HWC") else "nchwkcrs_nchw"


def dense_kernel(rng: random.Random, sm: int, kind: str, source: Format, target: Format) -> str:
    family = "sm75" if sm < 80 else rng.choice(("sm80", "sm80", f"sm{sm if sm in (86, 89) else 80}"))
    tile, warp = rng.choice(_TILES), rng.choice(_WARPS)
    depth = rng.choice((32, 64))
    mma = "ffma" if source.dtype == "Float" else f"tensor16x8x{32 if source.dtype == 'Int8' else 16}"
    if kind == "gemm":
        return f"{family}_xmma_gemm_{_types(source, target)}_tn_n_tilesize{tile}x{depth}_stage{rng.randint(3, 6)}_warpsize{warp}_{mma}"
    if rng.random() < 0.15 and source.dtype == "Float":
        return f"ampere_scudnn_{tile}_relu_{rng.choice(('small', 'medium', 'interior'))}_nn_v1"
    suffix = rng.choice(("", "_t1r3s3", "_simple_t1r1s1", "_aligna8_alignc8"))
    return (
        f"{family}_xmma_fprop_implicit_gemm_{rng.choice(('', 'indexed_'))}{_types(source, target)}_{_layout(source)}"
        f"_tilesize{tile}x{depth}_stage{rng.randint(2, 5)}_warpsize{warp}_g1_{mma}{suffix}"
    )


def sparse_kernel(rng: random.Random, sm: int, kind: str, source: Format, target: Format) -> str:
    family = "sm80" if sm >= 80 else "sm75"
    eight_bit = source.dtype == "Int8"
    depth, mma = (128, "sptensor16x8x64") if eight_bit else (64, "sptensor16x8x32")
    tile, warp = rng.choice(_TILES), rng.choice(_WARPS)
    if kind == "gemm":
        return (
            f"{family}_xmma_sparse_gemm_{_types(source, target)}_tn_n_tilesize{tile}x{depth}_stage{rng.randint(2, 4)}_warpsize{warp}_{mma}"
        )
    if eight_bit and source.layout == "CHW32" and rng.random() < 0.2:
        tile = rng.choice(("64x64x64", "128x64x64"))
        threads = rng.choice((128, 256))
        return f"sm80_xmma_fprop_avdt_sparse_int8int8_tilesize{tile}_tapsperload3_threadspercta{threads}_r3s3_u1v1_scalebias_relu"
    interleaved = "interleaved_" if source.layout == "CHW32" else ""
    suffix = rng.choice(("", "_t1r1s1", "_t1r3s3", "_simple_t1r1s1"))
    return (
        f"{family}_xmma_fprop_sparse_conv_{interleaved}{_types(source, target)}_{_layout(source)}"
        f"_tilesize{tile}x{depth}_stage{rng.randint(2, 4)}_warpsize{warp}_g1_{mma}{suffix}"
    )


def other_kernel(rng: random.Random, form: Format) -> str:
    """A pooling kernel: its name says nothing of sparsity."""
    order = "nhwc" if form.layout.startswith("HWC") else "NCHW"
    return f"sm50_xmma_pooling_max_{order}_{form.dtype.upper()}_WINDOWSIZE_{rng.choice((2, 3))}_{rng.choice(('', 'NOT_'))}PROPAGATE_NAN_2D"
