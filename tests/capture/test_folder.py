"""The capture folder, its manifest, and the archive of the capture script."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from trtlens.capture.environment import Gpu, Host, parse_gpus
from trtlens.capture.folder import MANIFEST, Staging, opened_capture
from trtlens.capture.manifest import (
    BackendRecord,
    ExperimentRecord,
    Failure,
    FileRecord,
    Manifest,
    PruneRecord,
    Times,
    TimingCacheRecord,
    read_manifest,
)
from trtlens.capture.options import BuildOptions
from trtlens.errors import InputError, UsageError

MANIFEST_RECORD = Manifest(
    trtlens="0.1.0",
    status="failed",
    failure=Failure("signal", "ended by SIGSEGV", 11),
    backend=BackendRecord("trtexec", "--backend trtexec", "8.6.1", command=("trtexec", "--onnx=m.onnx")),
    gpus=(Gpu(name="Orin", memory_free_mib=100.0),),
    host=Host("Linux", "3.10.1", 2, None, None, "12.2"),
    options=BuildOptions(model=Path("m.onnx")).as_json(),
    model=FileRecord("m.onnx", 1, "0" * 64),
    engine=None,
    timing_cache=TimingCacheRecord("c", True, False, 3, "1" * 64, 4),
    times=Times("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00", None, 1.0),
    files={"build_log": "build.log"},
    notes=("one",),
    experiments=(ExperimentRecord("repeat", "repeat-2", "complete"),),
    prune=PruneRecord("magnitude", "pruned.onnx", "2" * 64, ("w",), "one weight"),
)


def capture(path: Path, text: str = "old") -> Path:
    path.mkdir()
    (path / MANIFEST).write_text(MANIFEST_RECORD.to_json())
    (path / "build.log").write_text(text)
    return path


def test_a_capture_appears_at_once_and_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "m.trtlens"
    staging = Staging(target, force=False)
    (staging.path / "build.log").write_text("log")
    assert not target.exists()
    assert staging.deliver() == target
    assert [one.name for one in target.parent.iterdir()] == ["m.trtlens"] and (target / "build.log").read_text() == "log"


def test_an_existing_capture_stays_without_force_and_goes_with_it(tmp_path: Path) -> None:
    target = capture(tmp_path / "m.trtlens")
    with pytest.raises(UsageError, match="--force"):
        Staging(target, force=False)
    staging = Staging(target, force=True)
    (staging.path / "build.log").write_text("new")
    assert (target / "build.log").read_text() == "old", "until the new one is complete"
    staging.deliver()
    assert (target / "build.log").read_text() == "new" and [one.name for one in tmp_path.iterdir()] == ["m.trtlens"]


def test_what_is_no_capture_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("")
    for name in ("thesis", "file"):
        with pytest.raises(UsageError, match="another --output"):
            Staging(tmp_path / name, force=True)
    assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_a_folder_that_appears_meanwhile_is_kept_and_so_is_the_capture(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "m.trtlens", force=False)
    (staging.path / "build.log").write_text("mine")
    capture(tmp_path / "m.trtlens", "theirs")
    with pytest.raises(UsageError, match="left in"):
        staging.deliver()
    assert (tmp_path / "m.trtlens" / "build.log").read_text() == "theirs" and (staging.path / "build.log").read_text() == "mine"


def test_the_manifest_comes_back_as_it_was_and_fits_its_schema(tmp_path: Path) -> None:
    folder = capture(tmp_path / "m.trtlens")
    assert read_manifest(folder) == MANIFEST_RECORD


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "fine"}, "/status"),
        ({"files": {"build_log": "../../etc/passwd"}}, "/files/build_log"),
        ({"manifest_version": 2}, "newer trtlens"),
        ({"model": {"path": "m", "bytes": -1, "sha256": "0" * 64}}, "/model/bytes"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_place(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = capture(tmp_path / "m.trtlens")
    (folder / MANIFEST).write_text(json.dumps(json.loads(MANIFEST_RECORD.to_json()) | change))
    with pytest.raises(InputError, match=said):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"manifest_version": 1}'])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_manifest(tmp_path)
    assert "\n" not in str(error.value) and MANIFEST in str(error.value)


def archive(path: Path, members: dict[str, bytes], **special: Any) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in special.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_is_opened_as_the_capture_in_it(tmp_path: Path) -> None:
    made = archive(tmp_path / "m.tar", {"m.trtlens/manifest.json": MANIFEST_RECORD.to_json().encode(), "m.trtlens/build.log": b"log"})
    with opened_capture(made) as folder:
        assert (folder / "build.log").read_bytes() == b"log" and read_manifest(folder) == MANIFEST_RECORD
    assert not folder.exists()


@pytest.mark.parametrize("name", ["../escape", "/absolute", "a/../../b"])
def test_an_archive_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    made = archive(tmp_path / "m.tar", {name: b"x"})
    with pytest.raises(InputError, match="not a plain file"), opened_capture(made):
        pass


def test_links_and_other_things_in_an_archive_are_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "m.tar", {"link": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(InputError, match="not a plain file"), opened_capture(made):
        pass


def test_what_is_neither_folder_nor_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk")
    (tmp_path / "empty").mkdir()
    for name, said in (("junk", "tar archive"), ("empty", "not a capture folder"), ("none", "tar archive")):
        with pytest.raises(InputError, match=said), opened_capture(tmp_path / name):
            pass
    with pytest.raises(InputError, match="no capture"), opened_capture(archive(tmp_path / "m.tar", {"a": b"x"})):
        pass


def test_nvidia_smi_rows_become_records_with_unknown_as_none() -> None:
    asked = ["name", "driver_version", "compute_cap", "clocks.current.sm", "power.limit", "memory.free"]
    rows = "NVIDIA A100-SXM4-40GB, 535.86, 8.0, 1410, 400.00, 39000\nOrin (nvgpu), 540.3.0, [N/A], [N/A], [Not Supported], [N/A]\n"
    one, two = parse_gpus(rows, asked)
    assert one == Gpu("NVIDIA A100-SXM4-40GB", "535.86", "8.0", sm_clock_mhz=1410.0, power_limit_w=400.0, memory_free_mib=39000.0)
    assert two == Gpu("Orin (nvgpu)", "540.3.0")
    assert parse_gpus("No devices were found\n", asked) == ()
