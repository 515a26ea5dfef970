"""ONNX models that people ship, out of the wheels they ship in: rapidocr's text detector, silero's voice detector.

The packages themselves are not installed: they want OpenCV and PyTorch, and only the files are looked at.
"""

from __future__ import annotations

from pathlib import Path

from tests.capture import wheels

# Apache-2.0 and MIT; the digests are those of PyPI.
WHEELS = {
    "rapidocr": ("rapidocr-onnxruntime==1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"),
    "silero": ("silero-vad==6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"),
}


def all_models(package: str) -> list[Path]:
    """Every model of a package, smallest first. Skips without a network; fails on CI."""
    requirement, sha256 = WHEELS[package]
    folder = wheels.fetch(requirement, wheels.cache_folder() / requirement, sha256, lambda member: member.endswith(".onnx"))
    return sorted(folder.rglob("*.onnx"), key=lambda path: path.stat().st_size)


def detector() -> Path:
    """Finds lines of text in a picture: x[batch, 3, height, width], all but the channels dynamic; 62 convolutions, some depthwise."""
    return next(path for path in all_models("rapidocr") if path.name == "ch_PP-OCRv4_det_infer.onnx")


def sequence_model() -> Path:
    """Finds speech in windows of audio: input[sequence_length, 576]; six convolutions, then an LSTM over the sequence."""
    return next(path for path in all_models("silero") if path.name == "silero_vad_16k_sequence.onnx")
