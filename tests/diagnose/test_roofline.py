"""The roofline against numbers worked out by hand, its own limits, and one GPU's measurements."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.diagnose.reasons import REASONS
from trtlens.diagnose.roofline import (
    COMPRESSION,
    GemmShape,
    Gpu,
    find_gpu,
    gain_bound,
    ideal_ratio,
    sparse_roofline_ms,
    suspects,
    tile_efficiency,
)

ROOT = Path(__file__).parents[2]
MEASURED = ROOT.parent / "shared" / "reference" / "h200_gemm_24.csv"

sizes = st.integers(1, 1 << 15)
shapes = st.builds(GemmShape, m=sizes, k=sizes, n=sizes)
datatypes = st.sampled_from(sorted(COMPRESSION))


def gpu(name: str) -> Gpu:
    found = find_gpu(name)
    assert found is not None
    return found


H200 = gpu("NVIDIA H200")
A100 = gpu("NVIDIA A100-SXM4-40GB")


def test_compression_is_two_of_four_values_with_two_bits_of_position_each() -> None:
    assert {t: COMPRESSION[t] for t in ("fp16", "bf16")} == {"fp16": (2 * 16 + 4) / 64, "bf16": (2 * 16 + 4) / 64}
    assert {t: COMPRESSION[t] for t in ("int8", "fp8")} == {"int8": (2 * 8 + 4) / 32, "fp8": (2 * 8 + 4) / 32}


def test_orin_nano_vit_layer_as_worked_out_by_hand() -> None:
    # GIVEN [197, 768] x [768, 3072] in FP16 on an Orin Nano at 68 GB/s and 10.24 TFLOP/s: 90.8 us of math, 91.5 us of traffic
    nano = find_gpu("Orin", sm_count=8, memory_mib=7619, clock_ghz=0.625)
    ratio = ideal_ratio(GemmShape(197, 768, 3072), nano, "fp16")
    # THEN weights shrink by 7/16 of 4.72 MB and the ratio is 91.5 / 61.1 us
    assert ratio == pytest.approx(1.497, abs=0.01)


def test_compute_bound_layer_can_double_and_weight_bound_layer_gains_its_compression() -> None:
    assert ideal_ratio(GemmShape(16384, 16384, 16384), H200, "fp16") == pytest.approx(2.0)
    assert ideal_ratio(GemmShape(1, 16384, 16384), H200, "fp16") == pytest.approx(16 / 9, rel=1e-3)
    assert ideal_ratio(GemmShape(1, 16384, 16384), H200, "int8") == pytest.approx(8 / 5, rel=1e-3)


def test_convolution_reads_its_input_once_not_once_a_tap() -> None:
    # GIVEN 3x3, 64 to 64 channels, 56 x 56, batch 32: im2col would read nine times the input
    m = 32 * 56 * 56
    conv = GemmShape(m, 64 * 9, 64, input_elements=m * 64, taps=9)
    assert conv.traffic("fp16") == 2 * (m * 64 + 9 * 64 * 64 + m * 64)
    assert (ideal_ratio(conv, A100, "fp16") or 0) > (ideal_ratio(replace(conv, input_elements=None), A100, "fp16") or 9)


def test_residual_input_counts_in_both_sums() -> None:
    plain = GemmShape(4096, 1024, 1024)
    fused = replace(plain, residual_elements=4096 * 1024)
    for share in (1.0, COMPRESSION["fp16"]):
        assert fused.traffic("fp16", share) - plain.traffic("fp16", share) == 2 * 4096 * 1024
    assert (ideal_ratio(fused, A100, "fp16") or 9) < (ideal_ratio(plain, A100, "fp16") or 0)


def test_types_count_their_own_bytes() -> None:
    assert GemmShape(10, 20, 30, output_bytes=4).traffic("int8") == 10 * 20 + 20 * 30 + 10 * 30 * 4
    assert GemmShape(10, 20, 30, input_bytes=4).traffic("int8") == 10 * 20 * 4 + 20 * 30 + 10 * 30
    for datatype, size in (("fp16", 2), ("bf16", 2), ("int8", 1), ("fp8", 1)):
        assert GemmShape(10, 20, 30).traffic(datatype) == size * (10 * 20 + 20 * 30 + 10 * 30)


@given(shapes, datatypes)
def test_ideal_ratio_lies_between_one_and_two(shape: GemmShape, datatype: str) -> None:
    ratio = ideal_ratio(shape, H200, datatype)
    assert ratio is not None
    assert 1 <= ratio <= 2


@given(shapes, datatypes)
def test_floor_is_below_the_ideal_sparse_time_and_the_bound_never_below_one(shape: GemmShape, datatype: str) -> None:
    floor = sparse_roofline_ms(shape, H200, datatype)
    peak = H200.dense_flops(datatype)
    assert floor is not None
    assert peak is not None
    ideal_ms = max(shape.flops / 2 / peak, shape.traffic(datatype, COMPRESSION[datatype]) / (H200.bandwidth_gbs * 1e9)) * 1e3
    assert 0 < floor < ideal_ms
    assert gain_bound(ideal_ms, shape, H200, datatype) == pytest.approx(max(ideal_ms / floor, 1))
    assert gain_bound(floor / 2, shape, H200, datatype) == 1


@given(shapes, datatypes)
def test_an_unknown_limit_only_lowers_the_floor(shape: GemmShape, datatype: str) -> None:
    known = sparse_roofline_ms(shape, H200, datatype)
    unknown = sparse_roofline_ms(shape, replace(H200, l2_mb=None, l2_bytes_per_clock_per_sm=None), datatype)
    assert known is not None
    assert unknown is not None
    assert unknown <= known


def test_the_floor_is_the_limit_that_takes_longest() -> None:
    """Math, what does not fit into L2, and all bytes at L2's own limit: each decides for some product."""
    assert H200.l2_bandwidth_limit is not None and H200.l2_mb is not None
    peak, compressed = H200.dense_flops_limit("fp16"), COMPRESSION["fp16"]
    assert peak is not None
    small, deep, large = GemmShape(16, 1024, 2048), GemmShape(8192, 8192, 8192), GemmShape(1, 65536, 65536)
    assert sparse_roofline_ms(small, H200, "fp16") == pytest.approx(small.traffic("fp16", compressed) / H200.l2_bandwidth_limit * 1e3)
    assert sparse_roofline_ms(deep, H200, "fp16") == pytest.approx(deep.flops / 2 / peak * 1e3)
    assert sparse_roofline_ms(large, H200, "fp16") == pytest.approx((large.traffic("fp16", compressed) - H200.l2_mb * 2**20) / H200.bandwidth_limit * 1e3)
    assert sparse_roofline_ms(replace(deep, inside_share=0.5), H200, "fp16") == pytest.approx(deep.flops / 4 / peak * 1e3)


def test_working_set_in_l2_is_not_held_to_device_memory() -> None:
    # GIVEN 2.25 MB of compressed weights, which a tuning loop finds in L2
    shape = GemmShape(16, 1024, 2048)
    floor = sparse_roofline_ms(shape, H200, "fp16")
    assert floor is not None
    assert floor < shape.traffic("fp16", 9 / 16) / H200.bandwidth_limit * 1e3
    # AND one far larger than L2 is
    large = GemmShape(1, 65536, 65536)
    assert (sparse_roofline_ms(large, H200, "fp16") or 0) > 0.95 * (large.traffic("fp16", 9 / 16) - 60 * 2**20) / H200.bandwidth_limit * 1e3


@pytest.mark.parametrize("datatype", ["fp32", "tf32", "int4", ""])
def test_types_without_sparse_math_have_no_figures(datatype: str) -> None:
    shape = GemmShape(64, 64, 64)
    assert ideal_ratio(shape, H200, datatype) is None
    assert sparse_roofline_ms(shape, H200, datatype) is None
    assert gain_bound(1.0, shape, H200, datatype) is None
    assert suspects(shape, H200, datatype, tile=(64, 64, 64)) == []


def test_without_gpu_rate_or_time_there_is_no_figure() -> None:
    shape = GemmShape(64, 64, 64)
    assert ideal_ratio(shape, None, "fp16") is sparse_roofline_ms(shape, None, "fp16") is gain_bound(1.0, shape, None, "fp16") is None
    assert ideal_ratio(shape, A100, "fp8") is None
    assert sparse_roofline_ms(shape, A100, "fp8") is None
    for time_ms in (None, 0.0, -1.0, float("nan")):
        assert gain_bound(time_ms, shape, H200, "fp16") is None


@pytest.mark.parametrize("field", ["m", "k", "n", "taps", "input_elements"])
def test_impossible_sizes_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        replace(GemmShape(1, 1, 1), **{field: 0})
    for wrong in ({"residual_elements": -1}, {"inside_share": 0.0}, {"inside_share": 1.5}):
        with pytest.raises(ValueError, match="positive"):
            replace(GemmShape(1, 1, 1), **wrong)
    assert GemmShape(1, 1, 1).taps == 1
    with pytest.raises(ValueError, match="positive"):
        tile_efficiency(GemmShape(1, 1, 1), (64, 64, 0), 1)


def test_tiles_of_288_channels() -> None:
    fit = tile_efficiency(GemmShape(m=128 * 10, k=9 * 288, n=288, taps=9), (128, 64, 64), sm_count=40)
    assert (fit.share_m, fit.share_n, fit.share_k) == (1, 288 / 320, 288 / 320)
    assert fit.tiles == 10 * 5
    assert fit.k_steps == 5 * 9
    assert fit.waves == 50 / 40
    assert fit.tail == pytest.approx(10 / 40)
    assert fit.used == pytest.approx(0.81)


@given(shapes, st.tuples(st.integers(1, 512), st.integers(1, 512), st.integers(1, 256)), st.integers(1, 200))
def test_tile_shares_are_shares_and_a_full_last_wave_is_one(shape: GemmShape, tile: tuple[int, int, int], sm_count: int) -> None:
    fit = tile_efficiency(shape, tile, sm_count)
    assert 0 < fit.used <= 1
    assert fit.tail is not None
    assert fit.waves is not None
    assert 0 < fit.tail <= 1 + 1e-9
    assert fit.tail == pytest.approx(1) if fit.tiles % sm_count == 0 else fit.tail == pytest.approx(fit.waves % 1)
    assert tile_efficiency(shape, tile, None).waves is None


def reasons_of(shape: GemmShape, datatype: str = "fp16", **more: object) -> list[str]:
    return [s.reason for s in suspects(shape, H200, datatype, **more)]  # type: ignore[arg-type]


def test_each_suspect_comes_from_its_own_cause() -> None:
    tile = (128, 128, 64)
    good = GemmShape(128 * 132, 4096, 1024)
    assert reasons_of(good, tile=tile) == []
    assert reasons_of(GemmShape(50176, 256, 256)) == ["memory-bound"]
    assert reasons_of(replace(good, m=128), tile=tile) == ["few-tiles"]
    assert reasons_of(replace(good, n=1024 + 8, m=128 * 132 * 8), tile=(128, 256, 64)) == ["partial-tile"]
    conv = GemmShape(128 * 132 * 8, 32 * 9, 1024, taps=9, input_elements=128 * 132 * 8 * 32)
    assert "short-reduction" in reasons_of(conv, tile=tile)
    assert "partial-tile" not in reasons_of(conv, tile=tile), "one cause is told once"
    assert "short-reduction" in reasons_of(GemmShape(100_000, 128, 4096), tile=tile)
    assert "short-reduction" not in reasons_of(GemmShape(100_000, 128, 4096), tile=tile, stages=2)


def test_the_borders_of_the_suspects() -> None:
    tile = (128, 128, 64)
    full = GemmShape(128 * 132, 4096, 1024)  # 8 tiles for each of 132 multiprocessors
    assert reasons_of(replace(full, m=128 * 33, n=512), tile=tile) == []  # one wave exactly
    assert reasons_of(replace(full, m=128 * 32, n=512), tile=tile) == ["few-tiles"]
    assert reasons_of(replace(full, m=128), tile=tile, sm_count=8) == []
    # Without a number of multiprocessors nobody knows how many waves there are.
    assert [s.reason for s in suspects(replace(full, m=128), None, "fp16", tile=tile)] == []
    # A tile that is 95 % full is full.
    assert reasons_of(replace(full, n=1024 - 51), tile=tile) == [] and reasons_of(replace(full, n=1024 - 52), tile=tile) == ["partial-tile"]
    # One K-tile is filled by as many channels as it has; three steps fill a pipeline of three stages.
    deep, told = 128 * 132 * 8, "fill 98% of the kernel's K-tile of 64"
    assert reasons_of(GemmShape(deep, 64 * 9, 1024, taps=9, input_elements=deep * 64), tile=tile) == []
    assert reasons_of(GemmShape(deep, 63 * 9, 1024, taps=9, input_elements=deep * 63), tile=tile) == ["short-reduction"]
    assert [s.sentence for s in suspects(GemmShape(deep, 63 * 9, 1024, taps=9, input_elements=deep * 63), H200, "fp16", tile=tile)] == [f"63 input channels {told} at each filter tap"]
    assert reasons_of(GemmShape(deep, 192, 8192), tile=tile) == ["memory-bound"] and reasons_of(GemmShape(deep, 128, 8192), tile=tile) == ["memory-bound", "short-reduction"]


@pytest.mark.parametrize(("datatype", "k_tile"), [("fp16", 64), ("bf16", 64), ("int8", 128), ("fp8", 128)])
def test_without_a_tile_the_usual_k_tile_counts(datatype: str, k_tile: int) -> None:
    taps = 9
    fits, short = (GemmShape(100_000, channels * taps, 4096, taps=taps, input_elements=100_000 * channels) for channels in (k_tile, k_tile - 1))
    assert "short-reduction" not in reasons_of(fits, datatype)
    said = {s.reason: s.sentence for s in suspects(short, H200, datatype)}["short-reduction"]
    assert said.startswith(f"{k_tile - 1} input channels fill") and f"of the K-tile usual for sparse kernels of this type of {k_tile} at each filter tap" in said
    one = {s.reason: s.sentence for s in suspects(GemmShape(100_000, k_tile, 4096), H200, datatype)}["short-reduction"]
    assert one == f"the whole reduction of {k_tile} takes 1 step of {k_tile}, fewer than 3 pipeline stages"
    two = {s.reason: s.sentence for s in suspects(GemmShape(100_000, 2 * k_tile, 4096), H200, datatype)}["short-reduction"]
    assert "takes 2 steps of" in two and "short-reduction" not in reasons_of(GemmShape(100_000, 3 * k_tile, 4096), datatype)


@pytest.mark.parametrize(("activations", "said"), [(8.27, "save 5 %"), (8.11, None), (21.4, "save 2 %"), (1000.0, "save nothing")])
def test_up_to_a_twentieth_is_memory_bound(activations: float, said: str | None) -> None:
    """With 8.1875 times as many activations as weights, 2:4 saves 1 part in 21 of the bytes: 1.05 times as fast."""
    shape = GemmShape(16, 1024, 1024, input_elements=round(activations * 2**20), output_bytes=0.0)
    found = {s.reason: s.sentence for s in suspects(shape, H200, "fp16", tile=(16, 64, 64), sm_count=1)}
    assert ("memory-bound" in found) is (said is not None)
    if said is not None:
        assert f"sparse would {said}: " in found["memory-bound"] and "2.1 MB are weights" in found["memory-bound"]


def test_a_product_may_be_computed_transposed() -> None:
    # 64 rows fill a tile of 256 x 64 when it is turned: only a kernel whose axes are known may be blamed
    shape = GemmShape(64, 4096, 256 * 200)
    assert reasons_of(shape, tile=(256, 64, 64)) == []
    assert reasons_of(shape, tile=(256, 64, 64), tile_axes_known=True) == ["partial-tile"]


@given(shapes, datatypes, st.none() | st.tuples(*[st.sampled_from([16, 64, 128, 256])] * 3))
def test_suspects_are_suspects_of_the_catalogue_with_figures(shape: GemmShape, datatype: str, tile: tuple[int, int, int] | None) -> None:
    found = suspects(shape, H200, datatype, tile=tile)
    order = [("memory-bound", "few-tiles", "short-reduction", "partial-tile").index(s.reason) for s in found]
    assert order == sorted(set(order)), "likeliest first, each once"
    for suspect in found:
        assert REASONS[suspect.reason].kind == "suspect"
        assert any(c.isdigit() for c in suspect.sentence)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    if not MEASURED.exists():
        pytest.skip(f"the measurements are not here: {MEASURED}")
    spec = importlib.util.spec_from_file_location("validate_roofline", ROOT / "benchmarks" / "validate_roofline.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["validate_roofline"] = module
    spec.loader.exec_module(module)
    return module


def test_no_measured_product_violates_the_bound(benchmark: ModuleType) -> None:
    rows = benchmark.read(MEASURED)
    assert len(rows) == 788
    assert [row for row in rows if row.best_gain > row.bound or row.sparse_min_ms < row.floor_ms] == []


def test_ideal_ratio_flags_memory_bound_products_and_is_right_in_16_bit(benchmark: ModuleType) -> None:
    flagged = benchmark.flagged(benchmark.read(MEASURED))
    for datatype in ("fp16", "bf16"):
        gains = [row.gain for row in flagged if row.datatype == datatype]
        assert len(gains) >= 35
        assert max(gains) <= 1.10


def test_docs_hold_the_measured_tables(benchmark: ModuleType) -> None:
    assert benchmark.tables(benchmark.read(MEASURED)) in (ROOT / "docs" / "roofline.md").read_text(encoding="utf-8")
