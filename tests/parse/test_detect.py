"""Each input is known by its content, and what trtlens does not read is refused with a line that says what it looks like."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.parse.corpus import CORPUS, WHY_SKIPPED
from trtlens.errors import InputError
from trtlens.parse.detect import detect
from trtlens.parse.textio import TextSource

LAYERS = {"Layers": [{"Name": "a", "LayerType": "Convolution", "Inputs": [], "Outputs": []}], "Bindings": ["x"]}
KNOWN = {
    "layer info": (json.dumps(LAYERS, indent=1).encode(), "layer_info"),
    "layer info, names only": (b'{"Layers": ["a + b"\n,"c"\n],\n"Bindings": ["x"]}', "layer_info"),
    "layer info with a BOM": (b"\xef\xbb\xbf" + json.dumps(LAYERS).encode(), "layer_info"),
    "profile": (b'[\n  { "count" : 3 }\n, { "name" : "a", "timeMs" : 1.0, "averageMs" : 0.1, "percentage" : 100 }\n]\n', "timing_profile"),
    "trtexec log": (b"&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --onnx=x.onnx\n", "build_log"),
    "Python log": (b"[01/02/2030-00:00:00] [TRT] [V] Local timing cache in use.\n", "build_log"),
    "old Python log": (b"[TensorRT] VERBOSE: Tactic: 1002 time 0.0126\n", "build_log"),
    "TensorRT 5 log": (b"--------------- Timing module/slice3(14)\nTactic 123 time 8.0\n", "build_log"),
    "jetson log": (b"[TRT]   Tactic: 1062 time 14.4\n", "build_log"),
    "PowerShell log": (b"\xff\xfe" + "[01/02/2030-00:00:00] [V] [TRT] Tactic: 0x1 Time: 1\n".encode("utf-16-le"), "build_log"),
    "log behind a script's output": (b"loading weights\n" * 9000 + b"[01/02/2030-00:00:00] [I] [TRT] Local timing cache in use.\n", "build_log"),
    "ONNX": (bytes((0x08, 8, 0x12, 4)) + b"test" + bytes((0x3A, 0)), "onnx"),
    "manifest": (b'{"manifest_version": 1, "backend": "rtx"}', "manifest"),
}
REFUSED = {
    "empty": (b"", "is empty"),
    "blanks": (b" \n\n \n", "blanks"),
    "engine": (b"ptrt\x10\0\0\0" + bytes(100), "serialized engine"),
    "zip": (b"PK\x03\x04" + bytes(40), "zip archive"),
    "page": (b"<!DOCTYPE html><html><body>404</body></html>", "HTML page"),
    "other JSON": (b'{"accuracy": 0.75, "epochs": 90}', "accuracy"),
    "own report": (b'{\n "schema_version": 1, "captures": [{"text": "[V] [TRT] Tactic: 0x1 Time: 1"}]}', "report that trtlens wrote"),
    "binary": (bytes(range(256)) * 4, "binary"),
    "prose": (b"Dear diary, today I pruned a network.\n" * 10, "nothing that TensorRT writes"),
}


def written(tmp_path: Path, data: bytes) -> TextSource:
    path = tmp_path / "artefact"  # the name says nothing
    path.write_bytes(data)
    return TextSource(str(path))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("what", KNOWN)
def test_each_kind_by_content(what: str, packed: bool, tmp_path: Path) -> None:
    data, kind = KNOWN[what]
    assert detect(written(tmp_path, gzip.compress(data) if packed else data)) == kind


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    data, message = REFUSED[what]
    with pytest.raises(InputError, match=message) as caught:
        detect(written(tmp_path, data))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not CORPUS.is_dir(), reason=WHY_SKIPPED)
def test_every_file_of_the_corpus_is_what_its_folder_says() -> None:
    kinds = {
        folder: Counter(detect(TextSource(str(path))) for path in (CORPUS / folder).iterdir())
        for folder in ("layer_info", "profile", "trex_meta", "info_logs", "verbose_logs")
    }
    assert kinds == {
        "layer_info": {"layer_info": 42},
        "profile": {"timing_profile": 36},
        "trex_meta": {"metadata": 18},
        "info_logs": {"build_log": 105},
        "verbose_logs": {"build_log": 108},
    }
