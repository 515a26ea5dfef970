"""Which files make one capture, which are passed over, and which mixes are refused. Every text here is invented; nothing in it was measured.

In: files and folders written here. Out: assertions on `Capture`s and on the one-line refusals.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.onnx_builder import conv, save, tensor
from tests.small_log import layer_info_text, log_text
from trtlens.diagnose.load import Capture, attach_model, load_captures, loose_files
from trtlens.errors import InputError, UsageError

FIXTURE = Path(__file__).parents[2] / "fixtures" / "rtx_tiny" / "model.trtlens"
OURS: dict[str, Any] = json.loads((FIXTURE / "manifest.json").read_text(encoding="utf-8"))


def model(path: Path) -> Path:
    return save(path, [conv()], [tensor("w", np.ones((6, 8, 3, 3)))])


def folder(place: Path, *, manifest: dict[str, Any] | None = None, info: str | None = None) -> Path:
    place.mkdir(parents=True)
    (place / "build.log").write_text(log_text())
    if info is not None:
        (place / "layer_info.json").write_text(info)
    if manifest is not None:
        (place / "manifest.json").write_text(json.dumps(manifest))
    return place


def only(*paths: Path | str, **options: Any) -> Capture:
    (capture,) = load_captures([str(path) for path in paths], **options)
    return capture


def kinds(*paths: Path | str) -> list[str]:
    return [item.kind for item in only(*paths).inputs]


# ---- what makes one capture


def test_nothing_is_no_input() -> None:
    with pytest.raises(UsageError, match="no input"):
        load_captures([])


def test_loose_files_make_one_capture_and_each_folder_its_own(tmp_path: Path) -> None:
    log, one, two = tmp_path / "a.log", folder(tmp_path / "one"), folder(tmp_path / "two", info=layer_info_text())
    log.write_text(log_text())
    (tmp_path / "li.json").write_text(layer_info_text())
    found = load_captures([str(path) for path in (log, one, tmp_path / "li.json", two)])
    assert [[item.kind for item in capture.inputs] for capture in found] == [["build_log", "layer_info"], ["build_log"], ["build_log", "layer_info"]]
    assert [capture.name for capture in found] == ["", str(one), str(two)]
    assert loose_files([str(log), str(one), "-"]) == [str(log), "-"]


def test_a_model_beside_one_folder_is_what_it_was_built_from(tmp_path: Path) -> None:
    place, net, log = folder(tmp_path / "one"), model(tmp_path / "m.onnx"), tmp_path / "a.log"
    assert kinds(place, net) == kinds(net, place) == ["build_log", "onnx"] and only(place, net).check is not None
    log.write_text(log_text())
    assert [len(capture.inputs) for capture in load_captures([str(place), str(log)])] == [1, 1]  # a log is none
    assert [len(capture.inputs) for capture in load_captures([str(place), str(log), str(net)])] == [2, 1]
    assert [len(capture.inputs) for capture in load_captures([str(place), str(folder(tmp_path / "two")), str(net)])] == [1, 1, 1]  # of which of them nobody says


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    log, info = tmp_path / "a.log", tmp_path / "li.json"
    log.write_text(log_text())
    info.write_text(layer_info_text())
    (tmp_path / "link.log").symlink_to(log)
    assert kinds(log, log, tmp_path / "link.log", tmp_path / ".." / tmp_path.name / "a.log", info) == ["build_log", "layer_info"]


@pytest.mark.parametrize(("text", "second"), [(log_text(), "build log"), (layer_info_text(), "layer info")])
def test_a_second_file_of_a_kind_is_refused_by_name(text: str, second: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=f"two is a second {second} beside .*one: use `trtlens diff`, or one folder each"):
        only(tmp_path / "one", tmp_path / "two")


def test_a_second_model_is_refused_and_one_that_is_known_stays(tmp_path: Path) -> None:
    one, two = model(tmp_path / "one.onnx"), model(tmp_path / "two.onnx")
    with pytest.raises(UsageError, match=r"two\.onnx is a second ONNX model beside .*one\.onnx"):
        only(one, two)
    capture = only(one)
    attach_model(capture, str(two))
    assert [Path(item.path).name for item in capture.inputs] == ["one.onnx"]


# ---- what an input is known by


def test_inputs_have_their_size_their_lines_and_their_digest(tmp_path: Path) -> None:
    log, info, net = tmp_path / "a.log", tmp_path / "li.json", model(tmp_path / "m.onnx")
    log.write_text(log_text())
    for ending in ("", "\n"):
        info.write_text(json.dumps(json.loads(layer_info_text()), indent=1) + ending)
        capture = only(log, info, net)
        contents = [path.read_bytes() for path in (log, info, net)]
        assert [(item.bytes, item.sha256) for item in capture.inputs] == [(len(content), hashlib.sha256(content).hexdigest()) for content in contents]
        assert [item.lines for item in capture.inputs] == [len(contents[0].splitlines()), len(contents[1].splitlines()), None]
        assert [(item.kind, item.dialect) for item in capture.inputs][1:] == [("layer_info", "object"), ("onnx", None)]
        assert (capture.log_input, capture.engine_input, capture.check_input) == (0, 1, 2)
    assert [item.sha256 for item in only(log, info, net, hashes=False).inputs] == [None] * 3


def test_reading_a_log_is_told_as_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(log_text() * 50)
    told: list[tuple[str, int, int | None]] = []
    only(tmp_path / "a.log", progress=lambda *said: told.append(said))
    assert all(path == str(tmp_path / "a.log") and 0 <= done <= (size or 0) for path, done, size in told)


# ---- folders


def test_of_a_folder_of_ours_the_files_of_its_own_names_are_read(tmp_path: Path) -> None:
    for manifest, expected in ((OURS, ["manifest", "build_log"]), ({"name": "a web page"}, ["build_log", "layer_info"])):
        place = folder(tmp_path / f"m{len(expected)}{len(manifest)}", manifest=manifest)
        (place / "engine_info.json").write_text(layer_info_text())
        assert kinds(place) == expected, manifest


def test_hidden_files_and_folders_are_not_read(tmp_path: Path) -> None:
    place = folder(tmp_path / "one")
    (place / ".other.log").write_text(log_text())
    folder(place / "older")
    assert kinds(place) == ["build_log"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".a.log").write_text(log_text())
    with pytest.raises(InputError, match="holds no file"):
        only(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("no artefact")
    with pytest.raises(InputError, match="holds nothing that trtlens reads"):
        only(tmp_path / "empty")


def test_a_folder_of_captures_says_how_to_read_them(tmp_path: Path) -> None:
    folder(tmp_path / "night" / "b")
    folder(tmp_path / "night" / "a")
    for extra in ("", "make.py"):
        if extra:
            (tmp_path / "night" / extra).write_text("no artefact")
        with pytest.raises(InputError, match="is a folder of captures, 'a' among them; name one of them, or give --tables DIR for all"):
            only(tmp_path / "night")


def test_a_file_that_is_named_is_read_or_refused_and_never_passed_over(tmp_path: Path) -> None:
    """What a folder may hold besides, nobody names by mistake."""
    (tmp_path / "notes.txt").write_text("no artefact")
    with pytest.raises(InputError, match=r"notes\.txt"):
        only(tmp_path / "notes.txt")
    (tmp_path / "quoted.md").write_text(log_text())
    assert kinds(tmp_path / "quoted.md") == ["build_log"]
    place = folder(tmp_path / "one")
    (place / "layer_info.json").write_text('{"neither": "layers nor rows"}')
    with pytest.raises(InputError, match=r"layer_info\.json"):
        only(place)  # by its name it is an artefact, and by its content none
    (place / "layer_info.json").write_text(" \n")
    assert only(place).notes == ["layer_info.json is empty: nothing of it was captured"]
    (place / "layer_info.json").rename(place / "other.json")
    assert only(place).notes == [] and kinds(place) == ["build_log"]


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"trtlens": ', '{"backend": {}}', '{"manifest_version": 7}', '{"trtlens": "0.1.0"}'])
def test_a_manifest_that_may_have_been_ours_is_said_to_be_wrong(text: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "one")
    (place / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        only(place)


def test_an_archive_is_a_folder(tmp_path: Path) -> None:
    folder(tmp_path / "one.trtlens", manifest=OURS, info=layer_info_text())
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "one.trtlens", "one.trtlens")
    assert loose_files([str(tmp_path / "one.tar.gz"), str(tmp_path / "missing")]) == [str(tmp_path / "missing")]
    capture = only(tmp_path / "one.tar.gz")
    assert [item.kind for item in capture.inputs] == ["manifest", "layer_info", "build_log"] and capture.log_source is not None
    assert Path(capture.inputs[2].path).read_text() == log_text()  # it lies there for as long as the capture lives
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    with pytest.raises(InputError):
        only(tmp_path / "other.tar")


# ---- further builds inside a capture folder


def test_of_further_builds_only_complete_ones_inside_the_folder_are_read(tmp_path: Path) -> None:
    """A manifest is a file from somewhere: it names no place outside its folder."""
    outside = folder(tmp_path / "outside", manifest=OURS)
    records = [
        {"kind": kind, "folder": name, "status": status}
        for kind, name, status in (("counterfactual", "dense", "complete"), ("repeat", "failed", "failed"), ("repeat", "gone", "complete"), ("repeat", "link", "complete"))
    ]
    place = folder(tmp_path / "one", manifest={**OURS, "experiments": records})
    (place / "link").symlink_to(outside)
    for name in ("dense", "failed"):
        folder(place / name, manifest=OURS)
        (place / name / "layer_info.json").write_text("")
    (capture,) = load_captures([str(place)], hashes=False)
    ((kind, build),) = capture.experiments
    assert (kind, Path(build.name).name, [(item.kind, item.sha256) for item in build.inputs]) == ("counterfactual", "dense", [("manifest", None), ("build_log", None)])
    assert build.notes == ["layer_info.json is empty: nothing of it was captured"]
    for odd in (None, "text", ["text"], [{"kind": "repeat", "folder": "../outside", "status": "complete"}], [{"kind": "repeat", "folder": "", "status": "complete"}]):
        (place / "manifest.json").write_text(json.dumps({**OURS, "experiments": odd}))
        with pytest.raises(InputError, match="is not a trtlens manifest"):
            only(place)


def test_samples_of_a_capture_are_known_where_they_lie(tmp_path: Path) -> None:
    place = folder(tmp_path / "one", manifest=OURS)
    assert only(place).samples is None
    (place / "profile_samples.parquet").write_bytes(b"PAR1")
    assert only(place).samples == place / "profile_samples.parquet"


def test_the_model_is_not_looked_for_where_nobody_wants_it(tmp_path: Path) -> None:
    net = model(tmp_path / "m.onnx")
    content = net.read_bytes()
    recorded = {"path": str(net), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    place = folder(tmp_path / "one", manifest={**OURS, "model": recorded})
    assert only(place).check is not None and only(place, models=False).check is None
    (place / "manifest.json").write_text(json.dumps({**OURS, "model": recorded, "prune": {"method": "magnitude", "model": "pruned.onnx", "sha256": "0" * 64, "weights": [], "message": ""}}))
    assert only(place).check is None
