"""A layer's sizes as a matrix product: never more work or traffic than a kernel needs, as bounds on the gain stand on them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trtlens.diagnose.gpus import find_gpu
from trtlens.diagnose.layers import EngineLayer
from trtlens.diagnose.roofline import sparse_roofline_ms
from trtlens.diagnose.shapes import gemm_shape, kernel_suspects, physical_suspects
from trtlens.parse.records import TensorInfo

L4 = find_gpu("NVIDIA L4")


def tensor(*dimensions: int, datatype: str = "Half") -> TensorInfo:
    return TensorInfo("t", dimensions, datatype, None, datatype)


def conv(inputs: tuple[int, ...], outputs: tuple[int, ...], kernel: tuple[int, ...], **fields: Any) -> EngineLayer:
    values: dict[str, Any] = {"type": "CaskConvolution", "parameter_type": "Convolution", "groups": 1, "inputs": (tensor(*inputs),), "outputs": (tensor(*outputs),)}
    values |= {"stride": (1,) * len(kernel), "dilation": (1,) * len(kernel)} | fields
    return EngineLayer("conv", "conv", onnx_nodes=("conv",), kernel=kernel, **values)


def product(*inputs: tuple[int, ...], outputs: tuple[int, ...], **fields: Any) -> EngineLayer:
    values: dict[str, Any] = {"type": "gemm", "onnx_nodes": ("fc",)} | fields
    return EngineLayer("fc", "fc", inputs=tuple(tensor(*one) for one in inputs), outputs=(tensor(*outputs),), **values)


def test_a_strided_1x1_convolution_reads_a_quarter_of_its_input() -> None:
    # GIVEN the downsampling of a ResNet: 256 to 512 channels, 56 x 56 to 28 x 28
    shape = gemm_shape(conv((128, 256, 56, 56), (128, 512, 28, 28), (1, 1), stride=(2, 2)))
    assert shape is not None
    assert (shape.m, shape.k, shape.n) == (128 * 28 * 28, 256, 512)
    # THEN it is what m x k says, not the whole input
    assert shape.input_elements == shape.m * shape.k == 128 * 256 * 56 * 56 // 4
    # AND on an L4 the floor is that of 2 x 25.7 + 102.8 + 0.15 MB, less what L2 keeps, at 315 GB/s
    floor = sparse_roofline_ms(shape, L4, "fp16")
    assert floor == pytest.approx((2 * shape.m * 768 + 9 / 16 * 2 * 256 * 512 - 48 * 2**20) / 315e9 * 1e3, rel=1e-3)
    assert floor == pytest.approx(0.330, abs=0.001)


@pytest.mark.parametrize(
    ("layer", "elements"),
    [
        (conv((1, 64, 56, 56), (1, 64, 56, 56), (3, 3)), 64 * 56 * 56),
        (conv((1, 64, 56, 56), (1, 64, 28, 28), (3, 3), stride=(2, 2)), 64 * 55 * 55),  # its taps leave nothing out but a row that padding may push out
        (conv((1, 64, 56, 56), (1, 64, 14, 14), (2, 2), stride=(4, 4)), 64 * 27 * 27),  # half of each axis is stepped over
        (conv((1, 64, 57, 57), (1, 64, 28, 28), (3, 3), stride=(2, 2), dilation=(2, 2)), 64 * 28 * 28),  # every second row only: 57 have 29, and a padding may miss one
        (conv((1, 64, 8, 56, 56), (1, 64, 4, 28, 28), (1, 1, 1), stride=(2, 2, 2)), 64 * 4 * 28 * 28),
        (conv((1, 64, 56, 56), (1, 128, 28, 28), (1, 1), stride=(2, 2), groups=32), 64 * 28 * 28),  # all groups together
        (conv((1, 64, 56, 56), (1, 64, 56, 56), (3, 3), groups=64), 64 * 56 * 56),
        (conv((1, 64, 1, 400), (1, 64, 1, 200), (1, 1), stride=(1, 2)), 64 * 200),
    ],
)
def test_input_elements(layer: EngineLayer, elements: int) -> None:
    shape = gemm_shape(layer)
    assert shape is not None
    assert shape.input_elements == elements


@given(
    size=st.integers(1, 40), taps=st.integers(1, 7), stride=st.integers(1, 5), dilation=st.integers(1, 4), before=st.integers(0, 6), after=st.integers(0, 6)
)
def test_no_figure_is_above_what_a_convolution_needs(size: int, taps: int, stride: int, dilation: int, before: int, after: int) -> None:
    # GIVEN any convolution of one axis; its padding is not known
    spare = size + before + after - (taps - 1) * dilation - 1
    assume(spare >= 0)
    outputs = spare // stride + 1
    places = [(o, t, o * stride + t * dilation - before) for o in range(outputs) for t in range(taps)]
    inside = [(o, t, place) for o, t, place in places if 0 <= place < size]
    shape = gemm_shape(conv((1, 4, size, 1), (1, 4, outputs, 1), (taps, 1), stride=(stride, 1), dilation=(dilation, 1)))
    if shape is None:
        return
    # THEN input, weights and products are those that every kernel needs, or fewer
    assert shape.input_elements is not None
    assert shape.input_elements <= 4 * len({place for _, _, place in inside})
    assert shape.k * shape.n <= 16 * len({tap for _, tap, _ in inside})
    assert shape.flops * shape.inside_share <= 2 * 16 * len(inside) + 1e-6
    # AND they are exact where nothing is left open
    if before == after == 0 and spare % stride == stride - 1:
        assert shape.input_elements == 4 * len({place for _, _, place in inside})
        assert shape.inside_share == 1
    # AND they are exact where layer info says the padding
    padded = gemm_shape(conv((1, 4, size, 1), (1, 4, outputs, 1), (taps, 1), stride=(stride, 1), dilation=(dilation, 1), padding=((before, 0), (after, 0))))
    assert padded is not None
    assert padded.input_elements == 4 * len({place for _, _, place in inside})
    assert padded.inside_share == pytest.approx(len(inside) / len(places))


def test_a_padding_that_does_not_give_the_outputs_is_not_that_of_the_convolution() -> None:
    # GIVEN a pooling fused behind the convolution, or damage: the least that any padding allows counts
    open_, told = (gemm_shape(conv((1, 64, 28, 28), (1, 64, 14, 14), (3, 3), padding=padding)) for padding in (None, ((1, 1), (1, 1))))
    assert open_ is not None and open_ == told
    for damage in (((-1, -1), (3, 3)), ((1,), (1,)), ((1, 1), (1,))):
        assert gemm_shape(conv((1, 64, 28, 28), (1, 64, 28, 28), (3, 3), padding=damage)) == gemm_shape(conv((1, 64, 28, 28), (1, 64, 28, 28), (3, 3)))


@pytest.mark.parametrize("fields", [{"stride": None}, {"dilation": None}, {"stride": (1,)}, {"stride": (0, 1)}])
def test_an_unknown_stride_or_dilation_leaves_no_figure(fields: dict[str, Any]) -> None:
    assert gemm_shape(conv((1, 64, 56, 56), (1, 64, 56, 56), (3, 3), **fields)) is None


def test_padding_counts_neither_as_input_nor_as_arithmetic() -> None:
    # GIVEN 3 x 3 over 4 x 4: of 12 taps along an axis 2 fall on padding with the same padding on both sides, 3 with all of it on one
    shape = gemm_shape(conv((1, 512, 4, 4), (1, 512, 4, 4), (3, 3)))
    assert shape is not None
    assert shape.inside_share == pytest.approx((9 / 12) ** 2)
    # AND where a tap may never meet the input, not even its weights are needed
    assert gemm_shape(conv((1, 512, 1, 1), (1, 512, 1, 1), (3, 3))) is None


@pytest.mark.parametrize(
    "fields", [{"type": "CaskDeconvolutionV2"}, {"type": "deconvolution"}, {"operators": frozenset({"ConvTranspose"})}, {"tactic_name": "sm80_xmma_dgrad_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x64x32_stage4_warpsize2x2x1_g1_tensor16x8x16"}]
)  # fmt: skip
def test_a_transposed_convolution_has_no_figures(fields: dict[str, Any]) -> None:
    # It makes four outputs of one input: m x k x n would be four times the products that it computes
    assert gemm_shape(conv((1, 64, 28, 28), (1, 32, 56, 56), (2, 2), stride=(2, 2), **fields)) is None


def test_matrix_products() -> None:
    shape = gemm_shape(product((8, 197, 768), outputs=(8, 197, 3072)))
    assert shape is not None
    assert (shape.m, shape.k, shape.n, shape.input_elements) == (8 * 197, 768, 3072, 8 * 197 * 768)
    old = gemm_shape(product((4, 2048, 1, 1), outputs=(4, 1000, 1, 1), type="CaskFullyConnected", parameter_type="FullyConnected", weights_count=2048 * 1000))
    assert old is not None
    assert (old.m, old.k, old.n) == (4, 2048, 1000)
    # A first input that is transposed, broadcast, or not the one with the rows
    assert gemm_shape(product((768, 197), outputs=(197, 3072))) is None
    assert gemm_shape(product((197, 768), outputs=(8, 197, 3072))) is None
    assert gemm_shape(product((768, 768), outputs=(768, 3072), weights_count=100)) is None
    # Weights of 64 x 64 on the left of 64 x 4096 look like 64 rows before weights of 4096 x 4096, which are 64 times the products
    assert gemm_shape(product((64, 4096), outputs=(64, 4096))) is not None
    assert gemm_shape(product((64, 4096), outputs=(64, 4096), left_constant=True)) is None


def test_types_unknown_count_as_the_smallest() -> None:
    plain = conv((1, 64, 8, 8), (1, 64, 8, 8), (1, 1))
    named, unnamed = gemm_shape(plain), gemm_shape(replace(plain, outputs=(tensor(1, 64, 8, 8, datatype="Strange"),)))
    assert named is not None
    assert unnamed is not None
    assert unnamed.traffic("fp16") < named.traffic("fp16")
    # AND a residual input counts in its own type
    shape = gemm_shape(replace(plain, inputs=(*plain.inputs, tensor(1, 64, 8, 8, datatype="Int8"))))
    assert shape is not None
    assert shape.traffic("fp16") - named.traffic("fp16") == 64 * 8 * 8


@given(st.lists(st.integers(1, 1 << 62), min_size=4, max_size=4), st.lists(st.integers(1, 1 << 62), min_size=4, max_size=4), st.tuples(st.integers(0, 1 << 62), st.integers(0, 1 << 62)))
def test_damaged_sizes_take_no_time_and_raise_nothing(inputs: list[int], outputs: list[int], kernel: tuple[int, int]) -> None:
    shape = gemm_shape(conv(tuple(inputs), tuple(outputs), kernel, stride=kernel))
    assert shape is None or math.isfinite(shape.traffic("fp16"))


@pytest.mark.parametrize(
    ("kernel", "few"),
    [
        ("cutlass3x_sm100_tensorop_h128x128x16gemm_f16_f16_f16_f16_f16_128x128x64_0_align8_1sm_bias_f16_relu", True),
        ("cutlass3x_sm100_tensorop_h128x128x16gemm_f16_f16_f16_f16_f16_128x128x64_0_align8_1sm_bias_f16_relu_stream_k", False),
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage4_warpsize2x2x1_tensor16x8x16", True),
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage4_warpsize2x2x1_tensor16x8x16 numSplitK: 1", True),
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage4_warpsize2x2x1_tensor16x8x16 numSplitK: 12", False),
        ("sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage4_warpsize2x2x1_splitK_tensor16x8x16", False),
    ],
)
def test_a_kernel_that_splits_the_reduction_has_more_blocks_than_tiles(kernel: str, few: bool) -> None:
    layer = product((128, 4096), outputs=(128, 4096))
    reasons = [suspect.reason for suspect in physical_suspects(layer, gemm_shape(layer), None, 108, kernel)]
    assert ("few-tiles" in reasons) is few


@pytest.mark.parametrize("sm", [80, 86, 87, 89])
@pytest.mark.parametrize("layer", [conv((1, 64, 56, 56), (1, 64, 56, 56), (3, 3)), product((197, 768), outputs=(197, 3072))])
def test_fp16_is_known_to_run_sparse_on_8_x_though_the_inventory_lacks_it(sm: int, layer: EngineLayer) -> None:
    assert "no-kernel-arch" not in {s.reason for s in kernel_suspects(layer, gemm_shape(layer), sm, {"HWC8"})}


@pytest.mark.parametrize(("datatype", "sm", "suspected"), [("BFloat16", 86, True), ("FP8", 89, True), ("FP8", 90, False), ("Half", 100, True), ("Int8", 89, False)])
def test_other_types_are_suspected_where_no_kernel_is_known(datatype: str, sm: int, suspected: bool) -> None:
    layer = conv((1, 64, 56, 56), (1, 64, 56, 56), (3, 3)) if datatype in ("Half", "Int8") else product((197, 768), outputs=(197, 3072))
    layer = replace(layer, inputs=(replace(layer.inputs[0], datatype=datatype),), outputs=(replace(layer.outputs[0], datatype=datatype),))
    found = {s.reason: s for s in kernel_suspects(layer, gemm_shape(layer), sm, {"HWC8", "CHW32"})}
    assert ("no-kernel-arch" in found) == suspected
    assert all("desktop TensorRT has more" in s.summary for s in found.values())
    # AND another layer of the same log with a sparse tactic tells more than the inventory
    assert "no-kernel-arch" not in {s.reason for s in kernel_suspects(layer, gemm_shape(layer), sm, {"HWC8", "CHW32"}, timed_sparse=True)}


@pytest.mark.parametrize(("sm", "type_", "suspected"), [(86, "gemm", True), (90, "gemm", False), (None, "gemm", False), (None, "CaskConvolution", True)])
def test_an_unknown_gpu_is_suspected_only_of_what_no_generation_has(sm: int | None, type_: str, suspected: bool) -> None:
    """Of INT8 in and FP16 out 9.0 has sparse products, and no generation a convolution."""
    layer = EngineLayer("l", "l", type=type_, onnx_nodes=("l",), inputs=(tensor(datatype="Int8"),), outputs=(tensor(),))
    assert ("no-kernel-epilogue" in {s.reason for s in kernel_suspects(layer, None, sm, set())}) is suspected
