"""Every layer-info, profile and trex file of the corpus parses or is refused with one line; the counts are kept in corpus_layer_info.json.

`python -m tests.parse.test_corpus_layer_info` writes the snapshot anew after a change that means to change it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.parse.corpus import CORPUS, WHY_SKIPPED, read
from trtlens.errors import InputError
from trtlens.parse import layer_info, timing_profile, trex_meta

SNAPSHOT = Path(__file__).with_name("corpus_layer_info.json")
FOLDERS = ("layer_info", "profile", "trex_meta", "timing_misc")
LOG_FOLDERS = ("info_logs", "verbose_logs", "timing_misc")

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=WHY_SKIPPED)


def counts(path: Path) -> dict[str, Any]:
    """What the parser that recognises the file makes of it; the first parser's refusal where none does."""
    text = read(path)
    head = text[:65536]
    try:
        if timing_profile.looks_like(head):
            profiles = timing_profile.parse_timing_profile(text, path.name)
            return {
                "kind": "profile",
                "dialect": profiles[0].dialect,
                "rows": [len(profile.rows) for profile in profiles],
                "iterations": [profile.iterations for profile in profiles],
                "notes": sum(len(profile.notes) for profile in profiles),
            }
        if trex_meta.looks_like(head):
            metadata = trex_meta.parse_trex_metadata(text, path.name)
            return {"kind": "trex_meta", "dialect": metadata.kind, "gpu": metadata.gpu, "sparsity": metadata.sparsity}
        engine = layer_info.parse_layer_info(text, path.name)
    except InputError as error:
        assert "\n" not in str(error)
        return {"refused": error.what}
    return {
        "kind": "layer_info",
        "dialect": engine.dialect,
        "layers": len(engine.layers),
        "detailed": engine.detailed,
        "bindings": len(engine.bindings),
        "sparse_flags": sum(layer.has_sparse_weights is not None for layer in engine.layers),
        "sparse_weights": sum(layer.has_sparse_weights is True for layer in engine.layers),
        "named_tactics": sum(layer.tactic_name is not None for layer in engine.layers),
        "from_metadata": sum(layer.nodes_from == "metadata" for layer in engine.layers),
        "notes": len(engine.notes),
    }


def log_counts(path: Path) -> dict[str, Any] | None:
    """The layer info and the first timing table that a log holds, or None where it holds neither."""
    lines = list(enumerate(read(path).split("\n"), 1))
    found = layer_info.parse_embedded_layer_info(lines)
    table = timing_profile.parse_profile_table(lines)
    if not found and table is None:
        return None
    return {
        "layer_info": [[item.engine.dialect, item.first_line, item.last_line, len(item.engine.layers)] for item in found],
        "table": [table.dialect, len(table.rows), table.iterations] if table else None,
    }


def snapshot() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for folder in FOLDERS:
        for path in sorted((CORPUS / folder).iterdir()):
            if folder != "timing_misc" or path.suffix == ".json":
                found[f"{folder}/{path.name}"] = counts(path)
    for folder in LOG_FOLDERS:
        for path in sorted((CORPUS / folder).iterdir()):
            if path.suffix != ".json" and (of_log := log_counts(path)):
                found[f"{folder}/{path.name} (as a log)"] = of_log
    return found


def test_counts_of_every_file() -> None:
    kept = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert snapshot() == kept


def test_the_conv_layers_of_the_complete_files_have_no_sparse_weights() -> None:
    kept = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert sum(item.get("sparse_weights", 0) for item in kept.values()) == 0 < sum(item.get("sparse_flags", 0) for item in kept.values())


def test_every_format_sentence_of_the_corpus_is_known() -> None:
    unknown = {
        tensor.text
        for path in (CORPUS / "layer_info").iterdir()
        for layer in _layers(path)
        for tensor in (*layer.inputs, *layer.outputs)
        if tensor.datatype is None or (tensor.layout is None and " " in tensor.text)
    }
    assert unknown <= {"N/A due to dynamic shapes"}


def _layers(path: Path) -> tuple[Any, ...]:
    try:
        return layer_info.parse_layer_info(read(path), path.name).layers
    except InputError:
        return ()


def test_log_and_file_of_one_build_say_the_same() -> None:
    stem = "kalfazed-tensorrt_starter__5.1-trtexec__models__log__vgg16__build__build"
    engine = layer_info.parse_layer_info(read(CORPUS / "layer_info" / f"{stem}_layer_info.log"), "file")
    (found,) = layer_info.parse_embedded_layer_info(enumerate(read(CORPUS / "verbose_logs" / f"{stem}.log").split("\n"), 1))
    strip = [
        (a.name, a.tactic_name, a.tactic_value, a.has_sparse_weights, a.inputs, a.outputs, a.kernel, a.onnx_nodes) for a in engine.layers
    ]
    assert [
        (a.name, a.tactic_name, a.tactic_value, a.has_sparse_weights, a.inputs, a.outputs, a.kernel, a.onnx_nodes)
        for a in found.engine.layers
    ] == strip


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(), indent=0, sort_keys=True) + "\n", encoding="utf-8")
