"""Inputs behind URLs, on fsspec's memory and local file systems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

fsspec = pytest.importorskip("fsspec", reason="needs the extra `remote`")

from trtlens.errors import InputError  # noqa: E402
from trtlens.parse import remote  # noqa: E402
from trtlens.parse.remote import LocalCopies, entries, expand, holds_one_file, inside, is_url  # noqa: E402


@pytest.fixture
def memory() -> object:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pipe({"/runs/a/build.log": b"log a", "/runs/a/model.engine": b"huge", "/runs/a/.hidden": b"x", "/runs/a/sub/more.log": b"y"})
    system.pipe({"/runs/b/build.log": b"log b"})
    yield system
    system.store.clear()


def test_what_is_a_url() -> None:
    assert is_url("s3://bucket/x") and is_url("memory://x") and is_url("zip://a.log::s3://b/x.zip")
    assert not any(map(is_url, ("build.log", "C:\\logs\\x", "-", "/a:/b", "run:1", "a//b", "x:y//z")))


def test_a_file_becomes_a_file_and_is_still_called_by_its_url(memory: object) -> None:
    with LocalCopies(["memory://runs/a/build.log", "other.log"]) as copies:
        local = Path(copies.paths[0])
        assert local.read_bytes() == b"log a"
        assert local.name == "build.log"
        assert copies.paths[1] == "other.log"
        assert copies.shown(str(local)) == "memory://runs/a/build.log"
        assert copies.shown("other.log") == "other.log"
        assert copies.shown_in(f"{local}: is damaged") == "memory://runs/a/build.log: is damaged"
    assert not local.exists()


def test_a_folder_becomes_a_folder_without_what_nobody_reads(memory: object) -> None:
    with LocalCopies(["memory://runs/a/"]) as copies:
        local = Path(copies.paths[0])
        assert [path.name for path in local.iterdir()] == ["build.log"]
        assert copies.shown(str(local / "build.log")) == "memory://runs/a/build.log"


def test_local_urls_work_too(tmp_path: Path) -> None:
    (tmp_path / "x y.log").write_bytes(b"here")
    with LocalCopies([f"file://{tmp_path}/x y.log"]) as copies:
        assert Path(copies.paths[0]).read_bytes() == b"here"


def test_files_of_one_name_do_not_meet(memory: object) -> None:
    with LocalCopies(["memory://runs/a/build.log", "memory://runs/b/build.log"]) as copies:
        assert [Path(path).read_bytes() for path in copies.paths] == [b"log a", b"log b"]


def test_copies_vanish_with_their_holder(memory: object) -> None:
    copies = LocalCopies(["memory://runs/a/build.log"])
    local = Path(copies.paths[0])
    del copies
    assert not local.exists()


def test_what_cannot_be_read_is_said_with_its_url(memory: object) -> None:
    with pytest.raises(InputError, match="memory://runs/nothing: no such file or folder"):
        LocalCopies(["memory://runs/nothing"])
    with pytest.raises(InputError, match="nosuchprotocol://x: cannot be read"):
        LocalCopies(["nosuchprotocol://x"])


def test_a_folder_that_would_fill_the_disk_is_refused(memory: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "TOTAL_LIMIT_BYTES", 4)
    with pytest.raises(InputError, match="holds more than"):
        LocalCopies(["memory://runs/a"])


def test_patterns_are_expanded(memory: object) -> None:
    assert expand(["memory://runs/*", "local*.log"]) == ["memory:///runs/a", "memory:///runs/b", "local*.log"]
    with pytest.raises(InputError, match="matches nothing"):
        expand(["memory://nothing/*"])


def test_without_fsspec_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['fsspec'] = None; sys.modules['fsspec.core'] = None\n"
        "from trtlens.parse.remote import LocalCopies\n"
        "LocalCopies(['plain.log'])\n"
        "try: LocalCopies(['s3://b/x'])\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "UsageError s3://b/x: reading URLs needs fsspec; install it with: pip install 'trtlens[remote]'"


def test_what_a_url_holds(memory: object) -> None:
    assert entries("memory://runs/a") == ([".hidden", "build.log", "model.engine"], ["sub"])
    assert entries("memory://runs/a/build.log") is None and entries("memory://nothing") is None
    assert holds_one_file("memory://runs/a/build.log") and not holds_one_file("memory://runs/a")
    assert holds_one_file("memory://nothing.log")  # whoever reads it says that it is missing
    assert inside("s3://bucket/runs/", "a") == "s3://bucket/runs/a"
    assert inside("zip://runs::s3://bucket/x.zip", "a") == "zip://runs/a::s3://bucket/x.zip"


def test_a_web_page_is_not_fetched_to_look_for_links_in_it() -> None:
    class Web:
        def isdir(self, path: str) -> bool:
            raise AssertionError(f"asked for {path}")

    assert not remote._is_folder(Web(), "https://host/build.log") and remote._is_folder(Web(), "https://host/runs/")
