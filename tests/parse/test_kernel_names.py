"""Kernel names: every name of the shipped lists, the names quoted in reports, and what any other text gives."""



from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.parse.kernel_names import (
    KernelName,
    are_sparse,
    classify,
    dense_inventory,
    is_sparse,
    sparse_inventory,
    sparse_kernels_for,
    tiling,
)

CORPUS = Path(os.environ.get("TRTLENS_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))


def test_every_sparse_kernel_of_the_list_is_sparse_and_taken_apart() -> None:
    kernels = sparse_inventory()
    assert len(kernels) == len({kernel.name for kernel in kernels}) == 589
    for kernel in kernels:
        assert kernel.sparse is True and is_sparse(kernel.name) is True, kernel.name
        known = (kernel.sm, kernel.operation, kernel.input_type, kernel.output_type, kernel.accumulator_type, kernel.math_type, kernel.tile)
        assert None not in known, kernel
        assert (kernel.layout is None) == (kernel.family == "cutlass3x"), kernel  # no layout stands in those names
        assert (kernel.mma is None) == (kernel.sm == 90), kernel  # sm90 names hold no instruction shape


def test_every_dense_kernel_of_the_list_is_dense_and_taken_apart() -> None:
    kernels = dense_inventory()
    assert len(kernels) == len({kernel.name for kernel in kernels}) == 4916
    for kernel in kernels:
        assert kernel.sparse is False and is_sparse(kernel.name) is False, kernel.name
        known = (kernel.sm, kernel.operation, kernel.input_type, kernel.output_type, kernel.accumulator_type, kernel.math_type, kernel.tile)
        assert None not in known, kernel
        assert kernel.layout is not None or (kernel.family == "cutlass3x" and kernel.operation == "gemm"), kernel


def test_inventory_counts_by_architecture_operation_and_type() -> None:
    sparse = Counter((k.sm, k.operation) for k in sparse_inventory())
    assert sparse == {(80, "conv"): 200, (80, "gemm"): 20, (86, "gemm"): 16, (90, "conv"): 19, (90, "gemm"): 256, (100, "gemm"): 54, (120, "gemm"): 24}
    dense = Counter((k.sm, "conv" if k.operation == "deconv" else k.operation) for k in dense_inventory())
    assert dense == {
        (80, "conv"): 1333, (80, "gemm"): 754, (86, "conv"): 175, (86, "gemm"): 56, (89, "conv"): 384, (89, "gemm"): 40,
        (90, "conv"): 532, (90, "gemm"): 696, (100, "conv"): 500, (100, "gemm"): 446,
    }  # fmt: skip
    types = Counter((k.sm, k.operation, k.input_type) for k in sparse_inventory())
    assert types == {
        (80, "conv", "i8"): 200, (80, "gemm", "i8"): 20, (86, "gemm", "i8"): 16, (90, "conv", "f16"): 1, (90, "conv", "i8"): 18,
        (90, "gemm", "f16"): 32, (90, "gemm", "bf16"): 4, (90, "gemm", "e4m3"): 120, (90, "gemm", "i8"): 100,
        (100, "gemm", "f16"): 12, (100, "gemm", "bf16"): 12, (100, "gemm", "e4m3"): 14, (100, "gemm", "i8"): 16, (120, "gemm", "e4m3"): 24,
    }  # fmt: skip
    assert Counter(k.layout for k in sparse_inventory() if (k.sm, k.operation) == (80, "conv")) == {"NHWC": 134, "NC32HW32": 66}
    assert {k.output_type for k in sparse_inventory() if k.sm == 120} == {"e4m3", "f16", "bf16", "f32"}


def test_an_xmma_convolution_is_taken_apart() -> None:
    name = (
        "sm80_xmma_fprop_sparse_conv_interleaved_i8i8_i8i32_f32_nchw_vect_c_32kcrs_vect_c_32_nchw_vect_c_32_tilesize64x64x128_stage3"
        "_warpsize1x2x1_g1_sptensor16x8x64_t1r1s1"
    )
    assert classify(name) == KernelName(
        name, True, "xmma", 80, "conv", "i8", "i8", "i32", "NC32HW32", (64, 64, 128), (16, 8, 64), (1, 1), 3, (1, 2, 1), "i8"
    )


SPARSE = [
    ("sm80_xmma_fprop_sparse_conv_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x128x64_stage3_warpsize1x4x1_g1_sptensor16x8x32_t1r1s1", 80, "conv", "f16"),
    ("sm80_xmma_fprop_sparse_conv_i8i8_i8i32_f32_nhwckrsc_nhwc_tilesize64x256x128_stage3_warpsize1x4x1_g1_sptensor16x8x64_simple_t1r1s1_no_preds_gelu",
     80, "conv", "i8"),
    ("sm80_xmma_fprop_avdt_sparse_int8int8_tilesize64x64x64_tapsperload3_threadspercta128_r3s3_u1v1_scalebias_relu", 80, "conv", "i8"),
    ("sm80_xmma_sparse_gemm_i8i8_i8i32_f32_tn_n_tilesize128x128x128_stage3_warpsize2x2x1_sptensor16x8x64", 80, "gemm", "i8"),
    ("sm86_xmma_sparse_gemm_f16f16_f16f32_f32_nt_n_tilesize256x128x64_stage2_warpsize4x2x1_sptensor16x8x32", 86, "gemm", "f16"),
    ("sm80_xmma_sparse_gemm_f16f16_f16f32_f32_tt_t_tilesize128x128x64_stage3_warpsize2x2x1_sptensor16x8x32_execute_kernel_5x_cusparselt",
     80, "gemm", "f16"),
    ("sm90_xmma_sparse_gemm_i8f16_i8i32_f32_tn_t_tilesize64x64x256_warpgroupsize1x1x1_bias_f16", 90, "gemm", "i8"),
    ("sm90_xmma_sparse_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x256x64_warpgroupsize1x1x1_g1", 90, "conv", "f16"),
    ("cutlass3x_sm120_sptensorop_s16864spgemm_e4m3_e4m3_f32_f16_f16_128x64x256_1x1x1_0_align32_bias_f16_relu_stream_k", 120, "gemm", "e4m3"),
    ("cutlass3x_sm100_sptensorop_s128x128x32spgemm_f16_f16_f32_f16_f16_128x128x64_0_align16_1sm_bias_f16_relu", 100, "gemm", "f16"),
    ("cutlass_80_tensorop_f16_s16832spgemm_relu_f16_128x256_64x3_nn_align8", 80, "gemm", "f16"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sm", "operation", "input_type"), SPARSE)
def test_quoted_sparse_names(name: str, sm: int, operation: str, input_type: str) -> None:
    kernel = classify(name)
    assert (kernel.sparse, kernel.sm, kernel.operation, kernel.input_type) == (True, sm, operation, input_type)


DENSE = [
    ("sm80_xmma_fprop_avdt_dense_int8int8_tilesize64x64x64_r3s3_u1v1", "xmma", 80, "conv", "i8"),
    ("cutlass3x_sm100_tensorop_h128x128x16gemm_f16_f16_f16_f16_f16_128x128x64_0_align8_1sm_bias_f16_gelu", "cutlass3x", 100, "gemm", "f16"),
    ("cutlass_80_tensorop_f16_s16816gemm_relu_f16_128x256_32x3_nn_align8", "cutlass2x", 80, "gemm", "f16"),
    ("ampere_h16816cudnn_128x64_sliced1x2_ldg8_relu_exp_stages_64x3_small_nhwc_tn_v1", "cudnn", 80, "conv", "f16"),
    ("ampere_scudnn_winograd_128x128_ldg1_ldg4_relu_tile148t_nt_v1", "cudnn", 80, "conv", "f32"),
    ("turing_fp16_i8816cudnn_int8_128x128_ldg16_relu_small_nt_v1", "cudnn", 75, "conv", "i8"),
    ("volta_int8x4_icudnn_int8x4_128x32_relu_interior_c32_nn_v1", "cudnn", 70, "conv", "i8"),
    ("volta_sgemm_128x64_nn_v1", "cublas", 70, "gemm", "f32"),
    ("ampere_h16816gemm_64x64_ldg8_relu_stages_64x5_tn_v1 numSplitK: 4 numBuffers: 1 numKernels: 1", "cublas", 80, "gemm", "f16"),
    ("sm50_xmma_cublas_gemvx_f16f16_f32_f32_tn_n_int32_unit_n_launch_param4x32x32_strided_unit_stride", "cublas", 50, "gemm", "f16"),
    ("sm50_xmma_pooling_fw_4d_FP32FP32NCHW_Max", "xmma", 50, "pooling", "f32"),
    ("sm80_xmma_deconv_implicit_gemm_f32f32_tf32f32_f32_nhwckrsc_nhwc_tilesize64x64x64_stage4_warpsize2x2x1_g1_tensor16x8x8", "xmma", 80, "deconv", "f32"),
    ("trt_turing_cutlass_image_network_first_layer_hmma_fprop_f16f16f32_nhwc_nhwc_k64r7s7c4_stride2x2", "trt", 75, "conv", None),
    ("nvjet_sm121_hsh_mma_128x208x64_2_32x104x64_tmaAB_bz_NNNN", "nvjet", 121, "gemm", "f16"),
    ("kIMMA_V1_TILE_32x64", "trt", None, None, None),
    ("__myl_MulMinMaxRounCastCastMul_0xf779190b519a795ed6a150ff9fdb964f", "myelin_kgen", None, "fused", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "family", "sm", "operation", "input_type"), DENSE)
def test_quoted_dense_names(name: str, family: str, sm: int | None, operation: str | None, input_type: str | None) -> None:
    kernel = classify(name)
    assert (kernel.sparse, kernel.family, kernel.sm, kernel.operation, kernel.input_type) == (False, family, sm, operation, input_type)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "   ",
        "nvjet_spa_hsh_128x128x64_4_tmaAB_bz_TNN",  # nobody knows what nvjet_spa means
        "__myelin_CASK_STUB",  # stands for any Cask kernel
        "__myl_FcMulAdd_0x0123456789abcdef",  # a matrix product in a generated kernel: the name does not say how
        "/sparse_block/Conv",  # layer names say nothing about kernels, whatever words they hold
        "sparse_conv_1",
        "block_sparse_attention",
        "sm80_xmma_sparse_gemm + Relu_3",
        "sm80_layer/sparse/Conv",
        "densenet121",
    ],
)
def test_names_that_cannot_tell_are_unknown_not_dense(name: str | None) -> None:
    assert is_sparse(name) is None
    assert classify(name).sparse is None
    assert classify(name).name == (name or "")


def test_fields_after_a_cublas_name_do_not_hide_its_tokens() -> None:
    name = "sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize64x128x16_stage4_warpsize2x2x1_tensor16x8x8 numSplitK: 1 numBuffers: 0 numKernels: 1"
    kernel = classify(name)
    assert (kernel.tile, kernel.mma, kernel.stages, kernel.layout, kernel.math_type) == ((64, 128, 16), (16, 8, 8), 4, "nn_n", "tf32")


def test_sparse_kernels_for_counts_older_kernels_of_the_same_major_version() -> None:
    assert len(sparse_kernels_for(80, "gemm", "i8")) == 20
    for sm in (86, 87, 89):
        assert Counter(kernel.sm for kernel in sparse_kernels_for(sm, "gemm", "i8", "i8")) == {80: 20, 86: 16}
        assert len(sparse_kernels_for(sm, "conv", "i8")) == 200
        assert sparse_kernels_for(sm, "conv", "f16") == ()
    assert len(sparse_kernels_for(121, "gemm", "e4m3")) == len(sparse_kernels_for(120, "gemm", "e4m3")) == 24
    assert len(sparse_kernels_for(90, "gemm", "e4m3", "f16")) == 20
    assert sparse_kernels_for(75, "gemm", "f16") == ()


@given(st.text() | st.builds("".join, st.lists(st.sampled_from([k.name for k in sparse_inventory()[::40]] + ["_", "sparse", "sm80_xmma_", "９", " "]))))
def test_any_text_is_answered_and_the_two_ways_agree(text: str) -> None:
    kernel = classify(text)
    assert kernel.name == text
    assert is_sparse(text) is kernel.sparse
    assert tiling(text) == (kernel.tile, kernel.stages, kernel.operation)


def test_the_tile_alone_is_that_of_the_whole_name() -> None:
    for name in [kernel.name for kernel in sparse_inventory()] + [kernel.name for kernel in dense_inventory()]:
        whole = classify(name)
        assert tiling(name) == (whole.tile, whole.stages, whole.operation), name
    assert tiling(None) == (None, None, None)


@given(st.sampled_from(sparse_inventory()), st.sampled_from(["/", "(", " + ", "[", "||"]), st.text(max_size=5))
def test_a_kernel_name_inside_a_layer_name_proves_nothing(kernel: KernelName, mark: str, rest: str) -> None:
    assert is_sparse(kernel.name + mark + rest) is None
    assert is_sparse(rest + mark + kernel.name) is None


_BEGINNING = st.sampled_from(
    ["nvjet_sp", "nvjet_hsh_", "__myelin_CASK_STUB", "__myl_", "__myl_Mul", "cutlass3x_sm90_", "cutlass_80_", "sm80_xmma_", "sm80_xmma_cublas_", "ampere_", "ampere_h16816gemm_",
     "ampere_fp16_scudnn_", "trt_ampere_", "kIMMA_V1_", "kFP16_", "sm123456789012345678_xmma_", ""],
)  # fmt: skip
_MIDDLE = st.sampled_from(["", "sparse_conv_", "_spgemm", "sptensor16x8x64", "asparsely", "gemm_tn", " numSplitK: 1", "/x", "ü", "x" * 2001, "spa"])


@given(st.lists(st.one_of(st.text(max_size=30), st.tuples(_BEGINNING, _MIDDLE, _MIDDLE).map("".join)), max_size=8))
def test_many_names_are_told_as_each_alone(names: list[str]) -> None:
    assert are_sparse(names) == [is_sparse(name) for name in names]


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"the corpus of real logs is not at {CORPUS}")
def test_corpus_kernel_names_belong_to_known_families() -> None:
    pattern = re.compile(r"Tactic Name: (\S.*?) *(?: Tactic: .*)?$|\"TacticName\" ?: ?\"([^\"]+)\"", re.MULTILINE)
    names = {
        found[1] or found[2]
        for folder in ("verbose_logs", "info_logs", "layer_info")
        for path in (CORPUS / folder).iterdir()
        for found in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    }
    assert len(names) > 1500
    unknown = sorted(name for name in names if classify(name).family == "unknown")
    assert unknown == []
    sparse = sorted(name for name in names if is_sparse(name))
    assert all("avdt_sparse" in name for name in sparse)
