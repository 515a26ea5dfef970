"""trex's metadata files."""

from __future__ import annotations

import json

import pytest

from trtlens.errors import InputError
from trtlens.parse.trex_meta import looks_like, parse_trex_metadata


def test_build_metadata() -> None:
    text = json.dumps(
        {
            "model_options": {"Format": "ONNX", "Model": "m.onnx"},
            "build_options": {"Precision": "FP32+FP16", "Sparsity": "Enabled", "BuilderOptimizationLevel": "-1"},
            "device_information": {"Selected Device": "Orin", "Compute Capability": 8.7},
        }
    )
    found = parse_trex_metadata(text, "m.build.metadata.json")
    assert looks_like(text) and (found.kind, found.model, found.precision) == ("build", "m.onnx", ("fp32", "fp16"))
    assert (found.sparsity, found.optimization_level, found.gpu, found.compute_capability) == ("Enabled", None, "Orin", "8.7")


def test_profile_metadata() -> None:
    text = json.dumps({"performance_summary": {"Latency": [1, 4, 2, 1.5, 3]}, "build_options": {"BuilderOptimizationLevel": "5"}})
    found = parse_trex_metadata(text, "f")
    assert (found.kind, found.median_latency_ms, found.optimization_level, found.gpu) == ("profile", 1.5, 5, None)


@pytest.mark.parametrize("text", ['{"Layers": []}', "[]", '{"build_options": 3}', "", "{"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_trex_metadata(text, "f.json")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("f.json")
