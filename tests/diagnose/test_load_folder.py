"""What a capture folder is read with: files that a build was ended before, and the model that it was built from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from trtlens.diagnose.explain import explain
from trtlens.diagnose.load import Capture, load_captures
from trtlens.errors import InputError
from trtlens.report.redact_files import redact_files
from trtlens.report.words import story

FIXTURE = Path(__file__).parents[2] / "fixtures" / "rtx_tiny"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A capture without its model; the working directory is another one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return Path(shutil.copytree(FIXTURE / "model.trtlens", tmp_path / "model.trtlens"))


def change_manifest(folder: Path, **values: Any) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def kinds(*paths: Path) -> list[str]:
    return [item.kind for item in explain([str(path) for path in paths]).captures[0].inputs]


def only(*paths: Path) -> Capture:
    (capture,) = load_captures([str(path) for path in paths])
    return capture


@pytest.mark.parametrize("content", [b"", b"\n \n"])
@pytest.mark.parametrize("name", ["build.log", "layer_info.json"])
def test_an_empty_file_of_a_capture_is_said_and_the_rest_is_read(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    diagnosed = explain([str(folder)]).captures[0]
    assert {Path(item.path).name for item in diagnosed.inputs} == {"manifest.json", "build.log", "layer_info.json"} - {name}
    assert diagnosed.main is not None
    assert [one.message for one in diagnosed.main.warnings if one.id == "damaged-input"] == [f"{name} is empty: nothing of it was captured"]


def test_a_capture_that_ended_before_its_builder_wrote_is_accepted(folder: Path) -> None:
    (folder / "layer_info.json").unlink()
    (folder / "build.log").write_bytes(b"")
    change_manifest(folder, status="interrupted", failure={"kind": "interrupt", "message": "interrupted (Ctrl-C)", "signal": None, "exit_code": None})
    diagnosed = explain([str(folder)]).captures[0]
    assert diagnosed.main is not None and {one.id for one in diagnosed.main.warnings} >= {"build-failed", "damaged-input"}
    assert "interrupted (Ctrl-C)" in " ".join(one.message for one in diagnosed.main.warnings)


def test_without_a_manifest_too_but_not_where_nothing_is_left(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "layer_info.json").write_bytes(b"")
    assert kinds(folder) == ["build_log"]
    (folder / "build.log").write_bytes(b"")
    with pytest.raises(InputError, match="holds nothing"):
        kinds(folder)


def test_an_empty_file_that_is_named_itself_is_refused_as_before(folder: Path) -> None:
    (folder / "build.log").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        kinds(folder / "build.log")


def test_the_model_is_read_where_it_still_is_what_was_built(folder: Path) -> None:
    """Beside the folder, where `build` puts a capture of a model in the working directory."""
    without = explain([str(folder)]).captures[0]
    assert without.main is not None and without.main.summary.eligible is None
    assert any("ONNX model" in text for text in story(without).capture_next)
    model = Path(shutil.copy(FIXTURE / "model.onnx", folder.parent))
    found = explain([str(folder)]).captures[0]
    named = explain([str(folder), str(model)]).captures[0]
    assert found.main == named.main and found.main is not None and found.main.summary.eligible == 3
    assert [item.path for item in found.inputs if item.kind == "onnx"] == [str(model)]


def test_at_the_path_of_the_manifest_it_is_found_from_anywhere(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "models"
    place.mkdir()
    shutil.copy(FIXTURE / "model.onnx", place / "net.onnx")
    record = json.loads((folder / "manifest.json").read_text())["model"]
    change_manifest(folder, model=record | {"path": str(place / "net.onnx")})
    assert "onnx" in kinds(folder)
    assert kinds(folder, FIXTURE / "model.onnx").count("onnx") == 1, "a model that is named goes before it"


def test_a_model_that_has_changed_is_not_read(folder: Path) -> None:
    content = bytearray((FIXTURE / "model.onnx").read_bytes())
    content[-1] ^= 1
    (folder.parent / "model.onnx").write_bytes(content)
    assert "onnx" not in kinds(folder)
    (folder.parent / "model.onnx").write_bytes(content + b"\0")
    assert "onnx" not in kinds(folder)


def test_a_model_with_weights_in_other_files_is_read_only_where_it_is_named(folder: Path) -> None:
    """Its digest says nothing of those files."""
    model = folder.parent / "model.onnx"
    onnx.save(onnx.load(FIXTURE / "model.onnx"), model, save_as_external_data=True, location="model.data", size_threshold=0)
    import hashlib

    content = model.read_bytes()
    change_manifest(folder, model={"path": "model.onnx", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    assert "onnx" not in kinds(folder) and "onnx" in kinds(folder, model)


def test_the_weights_before_pruning_are_not_those_that_were_built(folder: Path) -> None:
    shutil.copy(FIXTURE / "model.onnx", folder.parent)
    change_manifest(folder, prune={"method": "magnitude", "model": "pruned.onnx", "sha256": "0" * 64, "weights": [], "message": ""})
    assert "onnx" not in kinds(folder)


def test_whoever_names_a_capture_for_redaction_has_not_named_its_model(folder: Path, tmp_path: Path) -> None:
    shutil.copy(FIXTURE / "model.onnx", folder.parent)
    done = redact_files([str(folder)], tmp_path / "copies", "salt")
    assert sorted(path.name for path in done.files) == ["build.log", "layer_info.json", "manifest.json"]
    assert "onnx" not in kinds(*map(Path, done.paths))
    assert str(folder.parent) not in "".join(path.read_text() for path in done.files)


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "/dev/zero", "..", None, 7])
def test_a_manifest_that_names_something_odd_is_no_reason_to_stop(folder: Path, path: Any) -> None:
    from trtlens.capture.model_files import recorded_model

    assert recorded_model({"model": {"path": path, "bytes": 0}}, folder) is None
    assert only(folder).check is None


def test_a_model_that_trtlens_cannot_read_does_no_harm(folder: Path) -> None:
    import hashlib

    (folder.parent / "model.onnx").write_bytes(b"\x08\x07junk")
    change_manifest(folder, model={"path": "model.onnx", "bytes": 6, "sha256": hashlib.sha256(b"\x08\x07junk").hexdigest()})
    assert "onnx" not in kinds(folder)
