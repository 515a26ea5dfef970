"""What a TensorRT kernel (tactic) name says: sparse or dense, architecture, operation, types, layout, tile, instruction shape.

In: the name of a kernel, as a tactic line or the layer info prints it. Out: `KernelName`; and the inventory of the kernels known by name
(`data/`). Next: build_log/ (the tactics table) and the rules of diagnose/, which ask `sparse`.

Only kernel names may be asked about. A layer or ONNX node may be called "sparse_block" and run dense, so text that does not begin as
kernel names of a known family do is `family="unknown"` with `sparse=None`, whatever words it holds. An empty name is unknown, not dense.

Vocabulary
    family      xmma, cutlass3x, cutlass2x, cudnn, cublas, nvjet, myelin_kgen, myelin_stub, trt, unknown
    operation   conv, gemm, deconv, pooling, fused (a Myelin kernel without a matrix product), None
    types       f16, bf16, f32, tf32, f64, i8, i32, e4m3, e5m2, u8, i4 (tf32 only as `math_type`: such kernels read and write f32)
    layout      convolutions and pooling: NHWC, NCHW, NDHWC, NCDHW, NC4HW4, NC32HW32 (lanes as in TensorRT's CHWn), `A->B` where the output
                differs from the input; matrix products: majorness of A, B and C as the name has it, such as tn_n
`sm` is the number in the name (sm80_…); for names that say a generation (ampere_…) the lowest SM of it.
"""

from __future__ import annotations

import gzip
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

__all__ = ["KernelName", "classify", "dense_inventory", "is_sparse", "sparse_inventory", "sparse_kernels_for"]


@dataclass(frozen=True, slots=True)
class KernelName:
    """One kernel name taken apart; what the name does not say is None.

    `sparse`: True (a 2:4 sparse kernel), False (dense), None (the name cannot tell). `tile`: M, N and K of the CTA tile; `mma`: M, N, K of
    one tensor-core instruction; `filter_shape`: R, S of a kernel specialised for one filter (`t1r3s3`); `warps`: along M, N, K.
    `input_type` is the type of the activations, `math_type` that of the products (tf32 where the kernel rounds FP32 to TF32).
    """

    name: str
    sparse: bool | None
    family: str
    sm: int | None = None
    operation: str | None = None
    input_type: str | None = None
    output_type: str | None = None
    accumulator_type: str | None = None
    layout: str | None = None
    tile: tuple[int, int, int] | None = None
    mma: tuple[int, int, int] | None = None
    filter_shape: tuple[int, int] | None = None
    stages: int | None = None
    warps: tuple[int, int, int] | None = None
    math_type: str | None = None


_GENERATIONS: Final = {"maxwell": 50, "pascal": 60, "volta": 70, "turing": 75, "ampere": 80, "ada": 89, "hopper": 90, "blackwell": 100}

# The words NVIDIA's sparse kernels carry (README of WoodieDudy/unet-infer-optimization, issue 4020, TensorRT-RTX 1.7.1, cuSPARSELt).
# The avdt family has no "sptensor", sm90 has only "sparse_gemm" and "sparse_fprop". `dense_int8int8` holds none of them.
# cutlass 2.x spells its sparse GEMMs s16832spgemm.
_SPARSE: Final = re.compile(r"(?:^|_)sparse(?:_|$)|sptensor|spgemm|_spmma")

# Which text is a kernel name at all, and of which family. The first alternative that matches decides.
_FAMILY: Final = re.compile(
    r"(?P<nvjet_unknown>nvjet_sp)"
    r"|(?P<nvjet>nvjet_)"
    r"|(?P<myelin_stub>__myelin_CASK_STUB)"
    r"|(?P<myelin_kgen>__myl_)"
    r"|(?P<cutlass3x>cutlass3x_)"
    r"|(?P<cutlass2x>cutlass_\d+_)"
    r"|(?P<cublas>sm\d+_xmma_cublas_|(?:maxwell|pascal|volta|turing|ampere|hopper)_(?:[a-z0-9]+_)?(?:[shidcz]|[hsi]\d{3,6})gemm_)"
    r"|(?P<xmma>sm\d+_xmma_)"
    r"|(?P<cudnn>(?:maxwell|pascal|volta|turing|ampere|hopper)_(?:[a-z0-9]+_)?[a-z]+\d*cudnn_)"
    r"|(?P<trt>trt_(?:sm\d+|maxwell|pascal|volta|turing|ampere|ada|hopper|blackwell)_|k[IH]MMA_V\d+_|kFP\d+_|kINT8_)"
)
# Kernel names are identifiers; cuBLAS ones are followed by fields (` numSplitK: 1`). A slash, brackets or " + " make a layer name.
_LONGEST: Final = 2000  # ten times the longest kernel name seen; keeps the patterns below cheap on hostile text
_KERNEL_TEXT: Final = re.compile(r"[A-Za-z0-9_.]+(?:\s+[A-Za-z]\w*:\s*-?\w+)*\s*$")

# Operations in the names of Myelin's generated kernels that are no matrix product, as far as seen: a kernel made only of these is dense
# because there is nothing to be sparse about. Any other word may hide a product, and then the name does not say how it is computed.
_KGEN_PLAIN: Final = frozenset(
    re.findall(
        r"\w+",
        "Mul Cast Add Relu Min Max Roun Maxr Minr Sub Exp Sum Div Res Resh Topk Move Mean Sqrt Slic Tran Neg Abs Tanh Erf Sigm Silu Gelu "
        "Pow Log Conc Repl Gath Scat Pad Sele Clip Floo Ceil Fill Copy Sin Cos",
    )
)
_KGEN_OPS: Final = re.compile(r"__myl_((?:[A-Z][a-z]*)+)(?:_|$)")
_KGEN_OP: Final = re.compile(r"[A-Z][a-z]*")

_TYPE: Final = r"(?:f16|bf16|f32|tf32|f64|i8|u8|i4|i32|e4m3|e5m2)"
# <input><output>_<operand><accumulator>_<epilogue>; older kernels leave the operand out: f16f16_f16_f16.
_XMMA_TYPES: Final = re.compile(rf"_({_TYPE})({_TYPE})_({_TYPE})?({_TYPE})_{_TYPE}(?=_|$)")
_CUTLASS_TYPE: Final = r"(?:f16|bf16|f32|tf32|f64|s8|u8|s4|s32|e4m3|e5m2|e2m1|void)"
_CUTLASS_TYPES: Final = re.compile(rf"_({_CUTLASS_TYPE})_({_CUTLASS_TYPE})_({_CUTLASS_TYPE})_({_CUTLASS_TYPE})_({_CUTLASS_TYPE})(?=_|$)")
_CUTLASS2_TYPE: Final = re.compile(r"_(f16|bf16|f32|tf32|s8)_[hsi]\d+(?:sp)?gemm(?:_[a-z]+)*?_(f16|bf16|f32|s8|s32)_")
_SHORT: Final = {"s8": "i8", "s32": "i32", "s4": "i4", "void": None}

_SM: Final = re.compile(r"^(?:cutlass3x_|trt_|nvjet_)?sm(\d+)_|^cutlass_(\d+)_")
_GENERATION: Final = re.compile(r"^(?:trt_)?([a-z]+)_")
_TILE: Final = re.compile(r"_tilesize(\d+)x(\d+)x(\d+)(?=_|$)")
_CUTLASS_TILE: Final = re.compile(r"_(\d+)x(\d+)x(\d+)_(?:\d|dyn)")
_CUTLASS2_TILE: Final = re.compile(r"_(\d+)x(\d+)_(\d+)x(\d+)_")
_CUTLASS_MMA: Final = re.compile(r"_(?:sp)?tensorop_[a-z](\d+)x(\d+)x(\d+)")
_CUTLASS_PACKED_MMA: Final = re.compile(r"_(?:sp)?tensorop_(?:[a-z0-9]+_)?[a-z](16)(8)(\d\d)(?:tf32)?(?:sp)?gemm")
_MMA: Final = re.compile(r"_(?:sp)?tensor(\d+)x(\d+)x(\d+)(?=_|$)")
_STAGES: Final = re.compile(r"_stage(\d+)(?=_|$)|_stages_\d+x(\d+)(?=_|$)")
_WARPS: Final = re.compile(r"_warp(?:group)?size(\d+)x(\d+)x(\d+)(?=_|$)")
_FILTER: Final = re.compile(r"_t\d+x?r(\d+)x?s(\d+)(?=_|$)|_r(\d+)s(\d+)(?=_|$)|_R(\d+)_S(\d+)(?=_|$)|_TR(\d+)_TS(\d+)(?=_|$)")
_CONV_LAYOUT: Final = re.compile(
    r"_(nd?hwc|nc(?:d?hw)(?:_vect_c_\d+)?)(?:k[a-z]*?(?:rsc|crs)(?:_vect_c_\d+)?)_(nd?hwc|ncd?hw(?:_vect_c_\d+)?)(?=_|$)"
)
_CUTLASS_CONV_LAYOUT: Final = re.compile(r"_(nd?hwc)_nd?hwc_(nd?hwc)(?=_|$)")
_GEMM_LAYOUT: Final = re.compile(r"_([nt][nt]_[nt])(?=_|$)")
_GEMM_LAYOUT_SHORT: Final = re.compile(r"_([nt][nt])_(?:v\d|align\d)")
_POOLING_LAYOUT: Final = re.compile(r"(NCDHW|NDHWC|NCHW|NHWC|NCxHW(\d+))")
_VECTORISED: Final = re.compile(r"nchw_vect_c_(\d+)")

_CUDNN: Final = re.compile(
    r"^[a-z]+_(?:(fp32|fp16x2|fp16|int8x4|int8x32|int8)_)?([hsi])(\d{3,5})?(?:cudnn|gemm)(?:_winograd)?(?:_(fp16x2|int8x4|int8))?_"
)
_CUDNN_STAGES: Final = re.compile(r"_(\d+)x(\d+)_(?:[a-z0-9]+_)*?stages_(\d+)x(\d+)_")
_CUDNN_TYPE: Final = {"fp32": "f32", "fp16": "f16", "fp16x2": "f16", "int8": "i8", "int8x4": "i8", "int8x32": "i8"}
_CUDNN_MATH: Final = {"h": "f16", "s": "f32", "i": "i8"}
_PACKED_MMA: Final = {"884": (8, 8, 4), "1688": (16, 8, 8), "16816": (16, 8, 16), "8816": (8, 8, 16), "16832": (16, 8, 32)}
_POOLING_TYPE: Final = re.compile(r"_(FP16|FP32|INT8)(?:FP\d+|INT8)?(?:_?NC|_?NH|_?ND|_WINDOW)")
# nvjet_<A><accumulator><D>: h is FP16, s FP32, t BF16; other letters are not decoded.
_NVJET: Final = re.compile(r"^nvjet_(?:sm\d+_)?([hst])s([hst])_(?:mma_)?(\d+)x(\d+)x(\d+)_(\d+)_")
_NVJET_TYPE: Final = {"h": "f16", "s": "f32", "t": "bf16"}


def _family(name: str) -> tuple[str, bool | None]:
    """The family of a kernel name and whether it is sparse: all that `is_sparse` needs."""
    match = _FAMILY.match(name)
    if match is None or match.lastgroup is None or len(name) > _LONGEST or not ((name.isascii() and name.isidentifier()) or _KERNEL_TEXT.match(name)):
        return "unknown", None
    family = match.lastgroup
    if family == "nvjet_unknown":
        return "nvjet", None  # the token nvjet_spa stands in TensorRT-RTX 1.7.1; nobody has said what it means
    if family == "myelin_stub":
        return family, None  # stands for any Cask kernel until the engine is finished on the user's GPU
    if family == "myelin_kgen":
        operations = _KGEN_OPS.match(name)
        plain = operations is not None and _KGEN_PLAIN.issuperset(_KGEN_OP.findall(operations[1]))
        return family, False if plain else None
    return family, "sp" in name and _SPARSE.search(name) is not None  # each of the words holds these letters; the search is slow


@lru_cache(maxsize=1 << 17)
def _sparse(name: str) -> bool | None:
    return _family(name)[1]


def is_sparse(name: str | None) -> bool | None:
    """Whether a kernel of this name is a 2:4 sparse one; None where the name cannot tell. Equals `classify(name).sparse`, faster."""
    return None if not name else _sparse(name)


def are_sparse(names: Sequence[str]) -> list[bool | None]:
    """`is_sparse` of many names: nearly all are identifiers of a family whose sparse kernels say so in their names."""
    joined = "".join(names)
    plain = joined.isascii() and not joined.encode().translate(None, _WORD) and max(map(len, names), default=0) <= _LONGEST
    says_so = {head: _says_so(head) for head in {name[:_HEAD] for name in names}}
    return [
        ("sp" in name and ("sptensor" in name or _SPARSE.search(name) is not None))
        if says_so[name[:_HEAD]] and (plain or (name.isidentifier() and name.isascii() and len(name) <= _LONGEST))
        else is_sparse(name)
        for name in names
    ]


_WORD: Final = (string.ascii_letters + string.digits + "_").encode()
_HEAD: Final = 20
"""Letters in which the beginning of a name shows its family, where that is not one of `_BY_NAME`."""


def _says_so(head: str) -> bool:
    """Whether names that begin so are of a family whose sparse kernels say so."""
    match = _FAMILY.match(head)
    return match is not None and match.lastgroup in _BY_NAME


_BY_NAME: Final = frozenset({"nvjet", "cutlass3x", "cutlass2x", "cublas", "xmma", "cudnn", "trt"})
"""Families in which a sparse kernel says so in its name."""


def classify(name: str | None) -> KernelName:
    """Take a kernel name apart. Any string (or None) gives an answer; what cannot be told is None. Memoised."""
    return _classify(name or "")


@lru_cache(maxsize=1 << 16)
def _classify(name: str) -> KernelName:
    family, sparse = _family(name)
    if family in ("unknown", "myelin_stub"):
        return KernelName(name, sparse, family)
    if family == "myelin_kgen":
        return KernelName(name, sparse, family, operation="fused" if sparse is False else None)
    core = name.split(maxsplit=1)[0]  # without cuBLAS's fields
    if family == "nvjet":
        return _nvjet(name, core, sparse)
    types = _types(core, family)
    filter_shape = _FILTER.search(core)
    return KernelName(
        name,
        sparse,
        family,
        sm=_sm(core),
        operation=_operation(core, family),
        input_type=types[0],
        output_type=types[1],
        accumulator_type=types[2],
        math_type=types[3],
        layout=_layout(core, family),
        tile=_tile(core, family),
        mma=_mma(core, family),
        filter_shape=_pair([group for group in filter_shape.groups() if group]) if filter_shape else None,
        stages=_stages(core),
        warps=_triple(_WARPS.search(core)),
    )


@lru_cache(maxsize=1 << 13)
def tiling(name: str | None) -> tuple[tuple[int, int, int] | None, int | None, str | None]:
    """(tile, stages, operation) of `classify(name)` alone, several times as fast: what the rules of thumb ask of each kernel. Memoised."""
    family = _family(name)[0] if name else "unknown"
    if name is None or family in ("unknown", "myelin_stub", "myelin_kgen", "nvjet"):
        known = classify(name)
        return known.tile, known.stages, known.operation
    core = name.split(maxsplit=1)[0]
    return _tile(core, family), _stages(core), _operation(core, family)


def _stages(core: str) -> int | None:
    found = _STAGES.search(core)
    return next((_number(group) for group in found.groups() if group), None) if found else None


def _number(text: str) -> int | None:
    # A number of absurd length is no kernel's; int() also refuses more than 4,300 digits with an exception.
    return int(text) if len(text) < 10 and text.isascii() else None


def _triple(match: re.Match[str] | None) -> tuple[int, int, int] | None:
    if match is None:
        return None
    first, second, third = (_number(match[i]) for i in (1, 2, 3))
    return None if first is None or second is None or third is None else (first, second, third)


def _pair(groups: list[str]) -> tuple[int, int] | None:
    first, second = _number(groups[0]), _number(groups[1])
    return None if first is None or second is None else (first, second)


def _sm(name: str) -> int | None:
    match = _SM.match(name)
    if match is not None:
        return _number(match[1] or match[2])
    generation = _GENERATION.match(name)
    return _GENERATIONS.get(generation[1]) if generation is not None else None


def _operation(name: str, family: str) -> str | None:
    if "pooling" in name:
        return "pooling"
    if "deconv" in name or "dgrad" in name:
        return "deconv"
    # implicit_gemm is how a convolution is computed, gemm_as_conv1x1 a matrix product lent to a convolution layer.
    if family == "cudnn" or "fprop" in name or "conv3d" in name or "convolution" in name or "sparse_conv" in name:
        return "conv"
    return "gemm" if "gemm" in name or "gemv" in name or family == "cublas" else None


def _types(name: str, family: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Input, output, accumulator and operand type."""
    if family == "cutlass3x":
        match = _CUTLASS_TYPES.search(name)
        if match is None:
            return None, None, None, None
        operand = _SHORT.get(match[1], match[1])
        return operand, _SHORT.get(match[5], match[5]), _SHORT.get(match[3], match[3]), "tf32" if "tf32" in name else operand
    if family == "cutlass2x":
        match = _CUTLASS2_TYPE.search(name)
        kind = re.search(r"_([hsi])\d+(?:sp)?gemm", name)
        accumulator = {"h": "f16", "s": "f32", "i": "i32"}[kind[1]] if kind else None
        if match is None:
            return None, None, accumulator, None
        return _SHORT.get(match[2], match[2]), _SHORT.get(match[1], match[1]), accumulator, _SHORT.get(match[2], match[2])
    match = _XMMA_TYPES.search(name)
    if match is not None:
        return match[1], match[2], match[4], match[3] or match[1]
    if (avdt := re.search(r"_avdt_(?:sparse|dense)_(int8|fp16|fp32)(int8|fp16|fp32)_", name)) is not None:
        return _CUDNN_TYPE[avdt[1]], _CUDNN_TYPE[avdt[2]], "i32" if avdt[1] == "int8" else None, _CUDNN_TYPE[avdt[1]]
    if (match := _CUDNN.match(name)) is not None:
        math = _CUDNN_TYPE.get(match[4] or "", _CUDNN_MATH[match[2]])
        return math, _CUDNN_TYPE.get(match[1] or "", math), "i32" if math == "i8" else None, math
    if (match := _POOLING_TYPE.search(name)) is not None:
        return _CUDNN_TYPE[match[1].lower()], _CUDNN_TYPE[match[1].lower()], None, None
    return None, None, None, None


def _layout(name: str, family: str) -> str | None:
    match = _CONV_LAYOUT.search(name) or _CUTLASS_CONV_LAYOUT.search(name)
    if match is not None:
        first, second = (_VECTORISED.sub(r"NC\1HW\1", match[i]).upper() for i in (1, 2))
        return first if first == second else f"{first}->{second}"
    if "pooling" in name or "depthwise" in name:
        match = _POOLING_LAYOUT.search(name)
        if match is not None:
            return f"NC{match[2]}HW{match[2]}" if match[2] else match[1]
        return None
    if (match := _GEMM_LAYOUT.search(name)) is not None:
        return match[1]
    if family == "cudnn":
        # cuDNN's two letters belong to its internal matrix product; `nhwc` says the tensors' layout, its absence NCHW or a packed form.
        return "NHWC" if "_nhwc_" in name else None
    return match[1] if (match := _GEMM_LAYOUT_SHORT.search(name)) is not None else None


def _tile(name: str, family: str) -> tuple[int, int, int] | None:
    if family == "cutlass3x":
        # The shape after the operation (s128x128x32spgemm) is the instruction's; the CTA tile follows the types, after an underscore.
        found = [m for m in _CUTLASS_TILE.finditer(name) if not name[: m.start() + 1].endswith("tensorop_")]
        return _triple(found[0]) if found else None
    if family == "cutlass2x":
        match = _CUTLASS2_TILE.search(name)
        return _triple(match)
    if (match := _TILE.search(name)) is not None:
        return _triple(match)
    return _triple(_CUDNN_STAGES.search(name)) if family in ("cudnn", "cublas") else None


def _mma(name: str, family: str) -> tuple[int, int, int] | None:
    if family in ("cutlass3x", "cutlass2x"):
        return _triple(_CUTLASS_MMA.search(name) or _CUTLASS_PACKED_MMA.search(name))
    if (match := _MMA.search(name)) is not None:
        return _triple(match)
    match = _CUDNN.match(name)
    return _PACKED_MMA.get(match[3] or "") if match is not None else None


def _nvjet(name: str, core: str, sparse: bool | None) -> KernelName:
    match = _NVJET.match(core)
    if match is None:
        return KernelName(name, sparse, "nvjet", sm=_sm(core), operation="gemm")
    operand = _NVJET_TYPE[match[1]]
    tile = _number(match[3]), _number(match[4]), _number(match[5])
    shape = (tile[0], tile[1], tile[2]) if tile[0] is not None and tile[1] is not None and tile[2] is not None else None
    return KernelName(
        name,
        sparse,
        "nvjet",
        sm=_sm(core),
        operation="gemm",
        input_type=operand,
        output_type=_NVJET_TYPE[match[2]],
        accumulator_type="f32",
        math_type=operand,
        tile=shape,
        stages=_number(match[6]),
    )


def _names(kind: Literal["sparse", "dense"]) -> list[str]:
    data = (files("trtlens.parse") / "data" / f"{kind}_kernels.txt.gz").read_bytes()
    return gzip.decompress(data).decode("ascii").split()


@lru_cache(maxsize=1)
def sparse_inventory() -> tuple[KernelName, ...]:
    """The 589 sparse kernels of TensorRT-RTX 1.7.1 (1.4.0 has the same 589), ordered by name; read on first use."""
    return tuple(classify(name) for name in _names("sparse"))


@lru_cache(maxsize=1)
def dense_inventory() -> tuple[KernelName, ...]:
    """The 4,916 dense convolution and matrix kernels of TensorRT-RTX 1.7.1, ordered by name; read on first use."""
    return tuple(classify(name) for name in _names("dense"))


@lru_cache(maxsize=1024)
def sparse_kernels_for(sm: int, operation: str, input_type: str, output_type: str | None = None) -> tuple[KernelName, ...]:
    """Sparse kernels known for a GPU of compute capability `sm` (87 for 8.7), an operation (`conv`, `gemm`) and types (`f16`, `i8`, …).

    `output_type` None means any. A GPU runs the kernels of its own major version that are not newer than it: build logs show GPUs of
    8.6, 8.7 (Orin) and 8.9 timing sm80_ and sm86_ kernels; 12.1 runs sm120_ ones. Empty means that none is known, not that none exists:
    desktop TensorRT holds sparse kernels that TensorRT-RTX lacks (FP16 on sm80 among them), so a rule may only suggest from this.
    """
    return tuple(
        kernel
        for kernel in sparse_inventory()
        if kernel.sm is not None
        and kernel.sm // 10 == sm // 10
        and kernel.sm <= sm
        and kernel.operation == operation
        and kernel.input_type == input_type
        and (output_type is None or kernel.output_type == output_type)
    )
