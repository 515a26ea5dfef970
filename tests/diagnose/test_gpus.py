"""The GPU data file is consistent with itself, and names find the right entry or none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtlens.diagnose.gpus import Gpu, find_gpu, known_gpus, sources

# FLOPs of dense FP16 (FP16 accumulation) that one multiprocessor does in a clock: mma shapes and issue rates of each generation.
_FP16_PER_CLOCK = {"8.0": 2048, "8.6": 1024, "8.7": 2048, "8.9": 1024, "9.0": 4096, "10.0": 8192, "12.0": 1024}


@pytest.mark.parametrize("gpu", known_gpus(), ids=lambda gpu: gpu.name)
def test_rates_follow_from_multiprocessors_and_clock(gpu: Gpu) -> None:
    fp16 = gpu.dense_tflops["fp16"]
    assert fp16 == pytest.approx(gpu.sm_count * _FP16_PER_CLOCK[gpu.compute_capability] * gpu.boost_ghz / 1e3, rel=0.01)
    assert gpu.dense_tflops["int8"] == pytest.approx(2 * (fp16 or 0), rel=0.01)
    assert gpu.dense_tflops["bf16"] == pytest.approx((fp16 or 0) / (2 if "GeForce" in gpu.name else 1), rel=0.01)
    assert (gpu.dense_tflops["fp8"] is None) == (float(gpu.compute_capability) < 8.9)


@pytest.mark.parametrize("gpu", known_gpus(), ids=lambda gpu: gpu.name)
def test_limits_are_not_below_the_data_sheet_and_every_figure_has_a_source(gpu: Gpu) -> None:
    assert gpu.limit_ghz >= gpu.boost_ghz
    assert gpu.bandwidth_limit > gpu.bandwidth_gbs * 1e9
    assert (gpu.dense_flops_limit("fp16") or 0) >= (gpu.dense_flops("fp16") or 1)
    assert set(gpu.source) == {"dense_tflops", "bandwidth_gbs", "sm_count", "l2_mb"}
    for figure, source in gpu.source.items():
        assert (source in sources()) or (figure == "l2_mb" and gpu.l2_mb is None and source is None)


def test_sources_are_all_used_and_say_where_and_when_or_that_they_were_not_read() -> None:
    assert set(sources()) == {source for gpu in known_gpus() for source in gpu.source.values() if source}
    for text in sources().values():
        assert "not re-read" in text or re.search(r"read \d{4}-\d\d-\d\d", text)


@pytest.mark.parametrize(
    ("fp16", "int8", "bandwidth", "name"),
    [
        (312, 624, 1555, "NVIDIA A100-SXM4-40GB"), (312, 624, 2039, "NVIDIA A100-SXM4-80GB"), (125, 250, 600, "NVIDIA A10"),
        (150, 299, 696, "NVIDIA A40"), (142, 285, 936, "NVIDIA GeForce RTX 3090"), (32, 64, 288, "NVIDIA RTX A2000"),
        (121, 242, 300, "NVIDIA L4"), (330, 661, 1008, "NVIDIA GeForce RTX 4090"), (989, 1979, 3350, "NVIDIA H100 80GB HBM3"),
        (989, 1979, 4800, "NVIDIA H200"), (2250, 4500, 8000, "NVIDIA B200"), (419, 838, 1792, "NVIDIA GeForce RTX 5090"),
        (65, 130, 608.3, "NVIDIA GeForce RTX 3060 Ti"),  # the GDDR6X board; the GDDR6 board has the same name, SMs and memory size
    ],
)  # fmt: skip
def test_vendor_peaks(fp16: float, int8: float, bandwidth: float, name: str) -> None:
    gpu = find_gpu(name)
    assert gpu is not None
    assert gpu.dense_tflops["fp16"] == pytest.approx(fp16, rel=0.005)
    assert gpu.dense_tflops["int8"] == pytest.approx(int8, rel=0.005)
    assert gpu.bandwidth_gbs == bandwidth


# Device blocks as trtexec prints them: name, SMs, Device Global Memory, Compute Clock Rate.
@pytest.mark.parametrize(
    ("name", "sm_count", "memory_mib", "clock_ghz", "expected"),
    [
        ("NVIDIA A100-PCIE-40GB", 108, 40396, 1.41, "A100 PCIe 40 GB"),
        ("NVIDIA H100 PCIe", 114, 81081, 1.755, "H100 PCIe"),
        ("NVIDIA GeForce RTX 3080", 68, 10009, 1.74, "GeForce RTX 3080"),
        ("NVIDIA GeForce RTX 3080", 70, 12045, 1.71, "GeForce RTX 3080 12 GB"),
        ("NVIDIA GeForce RTX 3080 Ti", 80, 12023, 1.695, "GeForce RTX 3080 Ti"),
        ("NVIDIA GeForce RTX 3050 Ti Laptop GPU", 20, 4095, 1.185, "GeForce RTX 3050 Ti Laptop"),
        ("GeForce RTX 3050", 20, 7965, 1.807, "GeForce RTX 3050"),
        ("NVIDIA RTX 6000 Ada Generation", 142, 48501, 2.505, "RTX 6000 Ada"),
        ("NVIDIA RTX 2000 Ada Generation Laptop GPU", 24, 8187, 2.115, "RTX 2000 Ada Laptop"),
        ("NVIDIA RTX A5000", 64, 24238, 1.695, "RTX A5000"),
        ("NVIDIA A10G", 80, 22587, 1.71, "A10G"),
        ("NVIDIA L40", 142, 45490, 2.49, "L40"),
        ("NVIDIA GeForce RTX 4080 SUPER", 80, 16375, 2.55, "GeForce RTX 4080 SUPER"),
        ("NVIDIA GeForce RTX 4070 Ti SUPER", 66, 16375, 2.61, "GeForce RTX 4070 Ti SUPER"),
        ("NVIDIA GeForce RTX 5060 Ti", 36, 8151, 2.572, "GeForce RTX 5060 Ti"),
        ("NVIDIA GeForce RTX 5060 Ti", 36, 16310, 2.572, "GeForce RTX 5060 Ti"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 188, 97887, 2.617, "RTX PRO 6000 Blackwell Workstation"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 188, 97887, 2.43, "RTX PRO 6000 Blackwell Server"),
        ("Orin", 16, 28893, 1.275, "Jetson AGX Orin"),
        ("Orin", 16, 62839, 1.3, "Jetson AGX Orin"),
        ("Orin", 8, 7619, 1.02, "Jetson Orin Nano 8 GB Super"),
        ("Orin", 8, 15388, 0.918, "Jetson Orin NX 16 GB"),
        ("Orin", 8, 7471, 0.765, "Jetson Orin NX 8 GB"),
        ("Orin", 4, 3426, 0.624, "Jetson Orin Nano 4 GB"),
        ("Orin", 4, 3426, 1.02, "Jetson Orin Nano 4 GB Super"),
    ],
)
def test_device_blocks_find_their_gpu(name: str, sm_count: int, memory_mib: int, clock_ghz: float, expected: str) -> None:
    gpu = find_gpu(name, sm_count=sm_count, memory_mib=memory_mib, clock_ghz=clock_ghz)
    assert gpu is not None
    assert gpu.name == expected


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("Orin", {}),
        ("Orin", {"sm_count": 8, "memory_mib": 7619}),  # Orin NX or Nano: only the clock tells
        ("Orin", {"sm_count": 4, "memory_mib": 7755, "clock_ghz": 0.765}),  # a power mode with half the multiprocessors off
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", {}),
        ("NVIDIA A100-SXM4-40GB", {"sm_count": 14}),
        ("NVIDIA H100 PCIe", {"memory_mib": 40000}),
        ("NVIDIA Graphics Device", {"sm_count": 124}),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", {}),
        ("NVIDIA GeForce RTX 3080", {}),  # the 10 GB or the 12 GB board
        ("NVIDIA GeForce GTX 1070", {}),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", {}),  # other clocks
        ("NVIDIA GeForce RTX 5060 Ti", {"sm_count": 34}),
        ("Tesla V100-DGXS-16GB", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_ambiguous_contradicted_or_unknown_gpus_are_none(name: str | None, figures: dict[str, float]) -> None:
    assert find_gpu(name, **figures) is None  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_is_a_known_name_or_none(name: str) -> None:
    gpu = find_gpu(name)
    assert gpu is None or re.search(gpu.pattern, " ".join(name.split()), re.IGNORECASE)
