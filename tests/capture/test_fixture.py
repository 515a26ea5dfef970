"""The project's own capture, made by fixtures/rtx_tiny/make.py."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from trtlens.capture.layers_dump import layers_from_log
from trtlens.capture.manifest import read_manifest

FIXTURE = Path(__file__).parents[2] / "fixtures" / "rtx_tiny"
CAPTURE = FIXTURE / "model.trtlens"


def test_its_manifest_describes_the_files_beside_it() -> None:
    manifest = read_manifest(CAPTURE)
    assert manifest.status == "complete" and set(manifest.files.values()) | {"manifest.json"} == {one.name for one in CAPTURE.iterdir()}
    assert manifest.model is not None and manifest.model.sha256 == hashlib.sha256((FIXTURE / "model.onnx").read_bytes()).hexdigest()


def test_its_layer_info_is_what_its_log_says() -> None:
    with (CAPTURE / "build.log").open(encoding="utf-8", newline="\n") as log:
        assert layers_from_log(log) == json.loads((CAPTURE / "layer_info.json").read_text())
