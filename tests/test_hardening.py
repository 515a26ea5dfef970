"""What the world does to a tool: full disks, folders that cannot be read or written, signals, pipes, bombs, names that clash. One line, the right code, nothing left behind."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import zstandard

from tests.onnx_builder import conv, save, tensor, two_four
from tests.small_log import layer_info_text, log_text
from trtlens.capture import folder as capture_folder
from trtlens.commands.clashes import refuse_clashes
from trtlens.errors import InputError, UsageError
from trtlens.parse import textio
from trtlens.parse.layer_info import parse_layer_info
from trtlens.parse.textio import TextSource
from trtlens.parse.timing_profile import parse_timing_profile

RUN = (sys.executable, "-c", "from trtlens.cli import main; main()")
# What a shell starts in the background ignores Ctrl-C, and so do its children: the tests may run like that.
LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
POSIX = pytest.mark.skipif(os.name != "posix", reason="pipes, signals and permissions of POSIX")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def trtlens(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **more)  # type: ignore[call-overload, no-any-return]


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2 and one line that says what is wrong."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stderr.startswith("trtlens: ") and done.stderr.count("\n") == 1 and "internal error" not in done.stderr, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "build.log"
    path.write_text(log_text())
    return path


# Disks and folders


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "64k") -> Iterator[Path]:
    """A file system with almost no room, mounted for the test."""
    if not (ROOT and sys.platform == "linux"):
        pytest.skip("mounting a small file system takes root on Linux")
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this system allows no tmpfs to be mounted")
    try:
        yield folder
    finally:
        # Lazily: a process that was killed may still be on its way out, and holds its files until it is.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("option", ["--html", "--sarif"])
def test_a_report_that_does_not_fit_leaves_nothing(tmp_path: Path, log: Path, option: str) -> None:
    with small_disk(tmp_path / "disk", "4k") as disk:
        (disk / "filler").write_bytes(b"x" * 4096)
        refused(trtlens("explain", log, option, disk / "report"), "report", "No space left")
        assert [path.name for path in disk.iterdir()] == ["filler"]


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_tables_that_do_not_fit_leave_no_half_file(tmp_path: Path, log: Path, format: str) -> None:
    with small_disk(tmp_path / "disk", "12k") as disk:
        refused(trtlens("explain", log, "--tables", disk, "--format", format), "No space left")
        assert not [path for path in disk.iterdir() if path.name.startswith(".") or path.stat().st_size == 0]


def test_an_archive_that_cannot_be_unpacked_for_room_says_so(tmp_path: Path) -> None:
    content = os.urandom(1 << 18)
    with small_disk(tmp_path / "disk") as disk:
        refused(trtlens("explain", archive(tmp_path / "a.tar", {"m/build.log": content}), env={**os.environ, "TMPDIR": str(disk)}), "No space left", "TMPDIR")
        assert list(disk.iterdir()) == []


def test_a_pipe_that_cannot_be_kept_for_room_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        done = trtlens("explain", "-", input="[V] [TRT] x\n" * 50_000, env={**os.environ, "TMPDIR": str(disk)})
        refused(done, "<stdin>", "No space left", "TMPDIR")


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("more", [(), ("--json", "-")])
def test_standard_output_that_is_full_is_no_success(log: Path, more: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*RUN, "explain", str(log), *more], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "No space left" in done.stderr and "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize("option", ["--json", "--junit", "--tables"])
def test_where_nothing_may_be_written_is_said(tmp_path: Path, log: Path, option: str) -> None:
    (tmp_path / "file").write_text("")
    refused(trtlens("explain", log, option, tmp_path / "file" / "report"), "file")
    if ROOT:
        return  # nothing is read-only for root; the next test mounts a file system that is
    (tmp_path / "closed").mkdir(mode=0o555)
    refused(trtlens("explain", log, option, tmp_path / "closed" / "report"), "closed")


def test_a_read_only_file_system_is_said(tmp_path: Path, log: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        refused(trtlens("explain", log, "--html", disk / "r.html"), "r.html", "Read-only")
        refused(trtlens("explain", log, "--tables", disk / "t"), "Read-only")


@POSIX
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_may_not_be_read_is_said(tmp_path: Path, log: Path, kind: str) -> None:
    if ROOT:
        pytest.skip("root may read everything")
    target = log
    if kind == "folder":
        target = tmp_path / "closed"
        target.mkdir()
        (target / "build.log").write_text(log_text())
    target.chmod(0)
    try:
        refused(trtlens("explain", target), target.name)
    finally:
        target.chmod(0o700)


# Names that clash


@pytest.mark.parametrize("option", ["html", "json", "markdown", "junit", "sarif"])
def test_an_output_does_not_take_the_place_of_an_input(tmp_path: Path, log: Path, option: str) -> None:
    (tmp_path / "link").symlink_to(log)
    for inputs, output, said in (
        ({"files": [str(log)]}, str(tmp_path / "." / "build.log"), "input"),
        ({"files": [str(log)]}, str(tmp_path / "link"), "input"),
        ({"files": ["-"], "baseline": str(log)}, str(log), "input"),
        ({"model": str(log)}, str(log), "input"),
        ({"files": [str(tmp_path)]}, str(log), "capture"),
        ({"files": [str(tmp_path)]}, str(tmp_path / "build.log.zst"), "capture"),
    ):
        with pytest.raises(UsageError, match=said):
            refuse_clashes({**inputs, option: output})
    refuse_clashes({"files": [str(tmp_path)], option: str(tmp_path / "report"), "tables": str(tmp_path)})


def test_a_clash_ends_the_command_before_anything_is_written(log: Path) -> None:
    refused(trtlens("explain", log, "--html", log), "--html", "input")
    assert log.read_text() == log_text()


def test_two_outputs_do_not_share_a_file_but_may_share_a_device(tmp_path: Path, log: Path) -> None:
    refused(trtlens("explain", log, "--json", tmp_path / "out", "--html", tmp_path / "out"), "--html", "--json")
    assert not (tmp_path / "out").exists()
    assert trtlens("explain", log, "--json", os.devnull, "--html", os.devnull).returncode == 0


def test_an_output_that_is_a_folder_is_said(tmp_path: Path, log: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(trtlens("explain", log, "--json", tmp_path / "folder"), "is a folder")
    refused(trtlens("explain", log, "--tables", log), "build.log")


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_a_folder_where_a_table_goes_is_said_before_any_is_written(tmp_path: Path, log: Path, format: str) -> None:
    (tmp_path / "out" / f"tactics.{format}").mkdir(parents=True)
    refused(trtlens("explain", log, "--tables", tmp_path / "out", "--format", format), "is a folder")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"tactics.{format}"]


# Signals and streams


def endless(tmp_path: Path) -> tuple[subprocess.Popen[str], Path]:
    """trtlens while it reads a pipe that stays open, with a temporary folder of its own."""
    pipe, scratch = tmp_path / "pipe", tmp_path / "scratch"
    os.mkfifo(pipe)
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", LISTENING + RUN[2], "explain", str(pipe), "--json", str(tmp_path / "out.json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    return child, pipe


@contextlib.contextmanager
def opened_by_reader(pipe: Path, reader: subprocess.Popen[str]) -> Iterator[IO[bytes]]:
    """The other end of a named pipe, once the reader has opened its own. A reader that dies first is a failure, not a wait without end."""
    while True:
        try:
            number = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:  # nobody reads yet
            assert reader.poll() is None, reader.communicate()
            time.sleep(0.01)
    os.set_blocking(number, True)
    with os.fdopen(number, "wb") as writer:
        yield writer


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_reading_ends_at_once_and_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    child, pipe = endless(tmp_path)
    with opened_by_reader(pipe, child) as writer:
        writer.write(log_text().encode())
        writer.flush()
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    assert child.returncode == code and "Traceback" not in said
    assert said == ("trtlens: interrupted\n" if number == signal.SIGINT else "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "scratch"] and list((tmp_path / "scratch").iterdir()) == []


# Blocks inside the write until the test has sent its signal. Not at one go: a signal that the kernel gives to another thread does not wake who sleeps.
_SLOW_WRITE = """
import sys, time
from pathlib import Path
whole = Path.replace
def slow(self, target):
    if self.parent.name.startswith("."):
        print("writing", flush=True)
        for _ in range(6000):
            time.sleep(0.01)
    return whole(self, target)
Path.replace = slow
from trtlens.cli import main
main()
"""


@POSIX
@pytest.mark.parametrize("option", ["--json", "--html", "--tables"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_writing_leaves_no_half_file(tmp_path: Path, log: Path, option: str, number: signal.Signals, code: int) -> None:
    out = tmp_path / "out"
    out.mkdir()
    target = out if option == "--tables" else out / "report"
    with subprocess.Popen([sys.executable, "-c", LISTENING + _SLOW_WRITE, "explain", str(log), option, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "writing\n"
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    assert child.returncode == code and "Traceback" not in said
    assert list(out.iterdir()) == []


@POSIX
def test_an_archive_is_removed_again_after_a_signal(tmp_path: Path) -> None:
    pipe, scratch = tmp_path / "pipe", tmp_path / "scratch"
    os.mkfifo(pipe)
    scratch.mkdir()
    made = archive(tmp_path / "a.tar", {"m/manifest.json": b"{}", "m/build.log": log_text().encode()})
    code = f"from trtlens.capture.folder import opened_capture; from pathlib import Path; import time\nwith opened_capture(Path({str(made)!r})): print('open', flush=True); [time.sleep(0.01) for _ in range(6000)]"
    run = f"import signal, trtlens.cli; signal.signal(signal.SIGTERM, trtlens.cli._end)\n{code}"
    with subprocess.Popen([sys.executable, "-c", run], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(scratch)}) as child:
        assert child.stdout is not None and child.stdout.readline() == "open\n"
        assert len(list(scratch.iterdir())) == 1
        child.terminate()
        assert child.wait(60) == 143
    assert list(scratch.iterdir()) == []


@POSIX
@pytest.mark.parametrize(("closed", "arguments", "code"), [(0, ("explain", "-"), 2), (1, ("explain", "LOG"), 0), (2, ("explain", "absent"), 2)])
def test_a_closed_stream_is_no_internal_error(log: Path, closed: int, arguments: tuple[str, ...], code: int) -> None:
    command = " ".join(f"'{one}'" for one in [*RUN, *(str(log) if one == "LOG" else one for one in arguments)])
    done = subprocess.run(["/bin/sh", "-c", f"{command} {closed}>&-"], capture_output=True, text=True, check=False)
    assert done.returncode == code and "internal error" not in done.stderr and "Traceback" not in done.stderr


# Pipes


def fed(pipe: Path, data: bytes) -> threading.Thread:
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: pipe.write_bytes(data), daemon=True)
    thread.start()
    return thread


def verdicts(done: subprocess.CompletedProcess[str]) -> object:
    assert done.returncode == 0, done.stderr
    return [[layer["name"], layer["status"], layer["reason"]] for layer in json.loads(done.stdout)["captures"][0]["builds"][0]["layers"]]


@POSIX
@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
def test_a_log_from_a_named_pipe_is_read_whole(tmp_path: Path, log: Path, packing: str) -> None:
    data = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[packing](log_text().encode())
    thread = fed(tmp_path / "pipe", data)
    from_pipe = verdicts(trtlens("explain", tmp_path / "pipe", "--json", "-"))
    thread.join(10)
    assert from_pipe == verdicts(trtlens("explain", log, "--json", "-")) != []


@POSIX
def test_what_must_be_a_file_is_refused_from_a_pipe(tmp_path: Path) -> None:
    model = save(tmp_path / "m.onnx", [conv()], [tensor("w", two_four((8, 8, 1, 1), 1))]).read_bytes()
    fed(tmp_path / "pipe", model)
    refused(trtlens("explain", tmp_path / "pipe"), "ONNX", "plain file")
    fed(tmp_path / "base", b"SQLite format 3\0" + bytes(100))
    refused(trtlens("explain", tmp_path / "base"), "SQLite", "plain file")
    refused(trtlens("explain", "-", input='{"manifest_version": 1, "backend": [[['), "manifest")


# Bombs


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_is_refused_at_the_stated_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packing: str) -> None:
    """The limit lowered to 64 MiB: what is tested is that it holds, and that no more than a block lies in memory."""
    monkeypatch.setattr(textio, "UNPACKED_LIMIT", 64 << 20)
    text = b"[V] [TRT] nothing\n" * (1 << 16)
    path = tmp_path / "bomb"
    with (gzip.open(path, "wb") if packing == "gzip" else zstandard.open(path, "wb")) as file:
        for _ in range(80):
            file.write(text)
    assert path.stat().st_size < 1 << 20
    read = 0
    with pytest.raises(InputError, match="unpacks to more than"):
        for _, block in TextSource(str(path)).blocks():
            assert len(block) <= 2 * textio.BLOCK_BYTES
            read += len(block)
    assert read <= 64 << 20


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_of_one_line_is_refused_early(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "bomb"
    with (gzip.open(path, "wb", compresslevel=1) if packing == "gzip" else zstandard.open(path, "wb")) as file:
        file.write(b"[V] [TRT] ")
        for _ in range(80):
            file.write(bytes(1 << 20))
    refused(trtlens("explain", path), "line longer than")


def test_a_document_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "li.json.gz"
    path.write_bytes(gzip.compress(b'{"Layers": [\n' + b" \n" * (1 << 20)))
    with pytest.raises(InputError, match="too large for a document"):
        TextSource(str(path)).read_text(limit=1 << 20)


def test_a_zstd_window_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    """A frame may ask for gigabytes of memory before its first byte."""
    path = tmp_path / "window.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes([0b00000000, 0xB0]) + b"\x01\x00\x00")
    refused(trtlens("explain", path), "zstd")


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_of_countless_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_folder, "_ARCHIVE_LIMIT_MEMBERS", 100)
    made = archive(tmp_path / "a.tar.gz", {f"m/{number}": b"" for number in range(101)})
    with pytest.raises(InputError, match="more than 100 files"), capture_folder.opened_capture(made):
        pass


def test_an_archive_with_a_header_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """tarfile reads a long name in one piece, as long as the header says."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 3 << 30
    made = tmp_path / "a.tar.bz2"
    made.write_bytes(bz2.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))
    with pytest.raises(InputError, match="header of more than"), capture_folder.opened_capture(made):
        pass


def test_an_archive_that_states_more_than_the_limit_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    header = tarfile.TarInfo("m/build.log")
    header.size = 5 << 30
    made = tmp_path / "a.tar"
    made.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(InputError, match="larger than 4 GiB"), capture_folder.opened_capture(made):
        pass


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, '{"Layers": ' + "[" * 200_000, '{"Layers": [' + '{"a":' * 50_000, '[{"name": ' * 100_000])
def test_deeply_nested_documents_are_one_line(tmp_path: Path, text: str) -> None:
    for name, parse in (("layer info", parse_layer_info), ("profile", parse_timing_profile)):
        with pytest.raises(InputError) as caught:
            parse(text, name)
        assert "\n" not in str(caught.value)
    path = tmp_path / "deep.json"
    path.write_text(text)
    assert trtlens("explain", path).returncode == 2


def test_a_manifest_nested_beyond_reason_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"manifest_version": 1, "backend": ' + "[" * 100_000)
    (tmp_path / "layer_info.json").write_text(layer_info_text())
    refused(trtlens("explain", tmp_path), "manifest.json")


def test_nothing_is_started_or_loaded_that_a_capture_names(tmp_path: Path) -> None:
    """Names of files in a capture are text: no path in it is opened, no pickle, no shared object."""
    outside = tmp_path / "outside"
    capture = tmp_path / "capture"
    capture.mkdir()
    (capture / "build.log").write_text(log_text().replace("--onnx=tiny.onnx", f"--onnx={outside} --staticPlugins={outside}.so --loadInputs=x:{outside}"))
    (capture / "layer_info.json").write_text(layer_info_text())
    events = ("open", "subprocess.Popen", "ctypes.dlopen", "pickle.find_class")
    hook = f"import sys\nsys.addaudithook(lambda event, args: event in {events} and {str(outside)!r} in str(args) and sys.exit(77))\n"
    done = subprocess.run([sys.executable, "-c", hook + "from trtlens.cli import main; main()", "explain", str(capture)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

