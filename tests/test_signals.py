"""Ctrl-C and SIGTERM at the worst moments: between a system call and the statement that would note what it made, in a destructor, before and after a command.

No test here waits for a moment: the signal is sent from within, at a chosen bytecode or right after a chosen system call, and then at the next one.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.capture import fake_trtexec
from tests.onnx_builder import conv, dense, make_external, save, tensor
from tests.small_log import log_text
from trtlens import signals
from trtlens.capture.build import run_build
from trtlens.capture.folder import opened_capture
from trtlens.capture.manifest import MANIFEST
from trtlens.capture.prune import prune_model
from trtlens.capture.settings import options_from
from trtlens.cli import _end
from trtlens.diagnose.weights import check_model
from trtlens.parse.remote import LocalCopies
from trtlens.parse.textio import TextSource
from trtlens.report import files
from trtlens.report.files import write_text
from trtlens.report.tables import write_weights
from trtlens.signals import HeldSignals, TemporaryFolder

BOTH = (signal.SIGINT, signal.SIGTERM)
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def listen() -> None:
    """The handlers of the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _end)


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "_once_lock", threading.Lock())  # a test that fails must not let the next one wait for it
    before = [signal.getsignal(number) for number in BOTH]
    listen()
    yield
    for number, handler in zip(BOTH, before, strict=True):
        signal.signal(number, handler)


@contextlib.contextmanager
def ended_by(number: int) -> Iterator[None]:
    with pytest.raises((KeyboardInterrupt, SystemExit)) as raised:
        yield
    assert raised.type is (KeyboardInterrupt if number == signal.SIGINT else SystemExit)


def still_listening() -> None:
    """No signal is held back any longer, or lost."""
    for number in BOTH:
        with ended_by(number):
            signal.raise_signal(number)


# Holding back


@pytest.mark.parametrize("number", BOTH)
def test_a_held_signal_is_delivered_at_the_end_of_the_block(number: int) -> None:
    steps: list[str] = []
    with ended_by(number):
        with HeldSignals():
            signal.raise_signal(number)
            steps.append("the block went on")
        steps.append("so did what follows")
    assert steps == ["the block went on"]
    still_listening()


def test_blocks_in_blocks_hold_until_the_outermost_ends() -> None:
    steps: list[str] = []
    with ended_by(signal.SIGTERM), HeldSignals():
        with HeldSignals():
            signal.raise_signal(signal.SIGTERM)
        steps.append("the outer block went on")
    assert steps
    still_listening()


def test_a_signal_that_meets_an_error_in_the_block_comes_first() -> None:
    with ended_by(signal.SIGINT) as _, HeldSignals():
        signal.raise_signal(signal.SIGINT)
        raise OSError("the disk is full")


def test_a_handler_of_the_caller_is_called_once_and_stays() -> None:
    calls: list[int] = []

    def own(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    signal.signal(signal.SIGTERM, own)
    with HeldSignals():
        signal.raise_signal(signal.SIGTERM)
        assert calls == []
    assert calls == [signal.SIGTERM] and signal.getsignal(signal.SIGTERM) is own


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with HeldSignals():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_another_thread_changes_no_handler() -> None:
    seen: list[Any] = []

    def hold() -> None:
        with HeldSignals(), TemporaryFolder() as folder:
            seen.extend((signal.getsignal(signal.SIGTERM), folder.is_dir()))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert seen == [_end, True]


@POSIX
def test_a_signal_nobody_handles_ends_the_process_after_the_block() -> None:
    """A child of a build handles no SIGTERM; a file of the user's that it was writing is written all the same."""
    code = "import signal; from trtlens.signals import HeldSignals\nwith HeldSignals(): signal.raise_signal(signal.SIGTERM); print('whole', flush=True)\nprint('after')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "whole\n")


# At every bytecode

# Whose bytecodes count, and whose lines: the modules between the first and the last system call that makes or removes something.
_BYTECODES = {signals.__file__, files.__file__, contextlib.__file__}
_LINES = {tempfile.__file__, shutil.__file__, weakref.__file__}


def interrupted(action: Callable[[], object], number: int, step: int) -> tuple[bool, bool]:
    """Run `action` with a signal at the given step of it: (whether it has so many, whether the signal was seen in it or in a destructor)."""
    count, sent = 0, False
    swallowed: list[type[BaseException]] = []

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count, sent
        name = frame.f_code.co_filename
        if name not in _BYTECODES and name not in _LINES:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = name in _BYTECODES, name in _LINES
        if event in ("opcode", "line"):
            count += 1
            if count == step:
                sent = True
                signal.raise_signal(number)
        return trace

    before, hook = sys.gettrace(), sys.unraisablehook
    sys.unraisablehook = lambda lost: swallowed.append(lost.exc_type)  # not its traceback, which would hold what is to go
    try:
        sys.settrace(trace)
        try:
            action()
        finally:
            sys.settrace(before)
        seen = False
    except (KeyboardInterrupt, SystemExit):
        seen = True
    finally:
        sys.unraisablehook = hook
    return sent, seen or bool(swallowed)


def folder_of_a_block() -> None:
    with TemporaryFolder() as folder:
        (folder / "file").touch()


def folder_that_nothing_holds() -> None:
    folder = TemporaryFolder()
    (folder.path / "file").touch()


def report() -> None:
    write_text("x", Path(tempfile.gettempdir()) / "report")


def spool() -> None:
    tempfile.tempdir = None  # so that a place is looked for, with a file that has a name
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read, "rb"):
        TextSource(f"/dev/fd/{read}")


@POSIX
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("action", [folder_of_a_block, folder_that_nothing_holds, report, spool])
def test_a_signal_at_any_bytecode_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Callable[[], None], number: int) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "_O_TMPFILE_WORKS", False)  # as on file systems that know no file without a name
    action()  # once for what is imported and remembered the first time
    step, sent = 0, True
    while sent:
        step += 1
        sent, seen = interrupted(action, number, step)
        assert {path.name for path in tmp_path.iterdir()} <= {"report"}, f"step {step}"
        assert seen == sent, f"the signal of step {step} was lost"
        assert not tempfile._once_lock.locked(), "whoever makes the next temporary file would wait for ever"
        still_listening()
        listen()
    assert step > 100, "it has that many steps at least"


# After every system call


def after_call(monkeypatch: pytest.MonkeyPatch, number: int, which: int) -> list[str]:
    """From now on the signal is sent right after the given one of the system calls that make, move or remove a name; the list of them all."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        whole = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            result = whole(*arguments, **more)
            if name != "open" or arguments[1] & os.O_CREAT:
                calls.append(name)
                if len(calls) == which:
                    signal.raise_signal(number)
            return result

        return call

    for name in ("open", "mkdir", "rename", "replace", "link", "unlink", "remove", "rmdir"):
        monkeypatch.setattr(os, name, counted(name))
    return calls


def interrupted_after_every_call(tmp_path: Path, action: Callable[[Path], object], fine: Callable[[Path], bool], older: Path | None = None) -> None:
    """`action` works in the folder it is given (a copy of `older`); after a signal at any of its calls TMPDIR is empty, and that folder is as it should be."""
    which, more = 0, True
    while more:
        which += 1
        scratch, work = tmp_path / f"scratch{which}", tmp_path / f"work{which}"
        scratch.mkdir()
        if older is None:
            work.mkdir()
        else:
            shutil.copytree(older, work)
        number = BOTH[which % 2]
        listen()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(scratch))
            patch.setattr(tempfile, "tempdir", None)
            calls = after_call(patch, number, which)
            try:
                action(work)
                ended = False
            except (KeyboardInterrupt, SystemExit):
                ended = True
            more = len(calls) >= which
        gc.collect()
        assert not tempfile._once_lock.locked(), "whoever makes the next temporary file would wait for ever"
        assert ended == more, f"the signal after call {which} of {calls} was lost"
        assert list(scratch.iterdir()) == [], f"after call {which} of {calls}"
        assert fine(work), f"after call {which} of {calls}: {list(work.iterdir())}"
        still_listening()
    assert which > 2, "it makes something and removes it"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def empty(folder: Path) -> bool:
    return contents(folder) == {}


@POSIX
def test_a_spooled_pipe(tmp_path: Path) -> None:
    def read(work: Path) -> None:
        reading, writing = os.pipe()
        os.write(writing, log_text().encode())
        os.close(writing)
        with os.fdopen(reading, "rb"):
            assert TextSource(f"/dev/fd/{reading}").read_text() == log_text()

    interrupted_after_every_call(tmp_path, read, empty)


def test_a_report(tmp_path: Path) -> None:
    (tmp_path / "older").mkdir()
    (tmp_path / "older" / "report").write_text("older")

    def write(work: Path) -> None:
        write_text("newer", work / "report")

    interrupted_after_every_call(tmp_path, write, lambda work: contents(work) in ({"report": b"older"}, {"report": b"newer"}), tmp_path / "older")


def test_a_table(tmp_path: Path) -> None:
    check = check_model(save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((8, 8, 1, 1)))]))
    (whole,) = write_weights(check, tmp_path / "whole", "csv")
    assert whole.stat().st_size

    def write(work: Path) -> None:
        write_weights(check, work, "csv")

    interrupted_after_every_call(tmp_path, write, lambda work: contents(work) in ({}, {whole.name: whole.read_bytes()}))


def test_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        for name in (MANIFEST, "build.log", "more/log"):
            tar.addfile(tarfile.TarInfo(f"m/{name}"), io.BytesIO())

    def read(work: Path) -> None:
        with opened_capture(archive) as folder:
            assert (folder / MANIFEST).exists()

    interrupted_after_every_call(tmp_path, read, empty)


def test_a_copy_of_what_lies_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra `remote`")
    (tmp_path / "build.log").write_text(log_text())

    def read(work: Path) -> None:
        with LocalCopies([f"file://{tmp_path}/build.log"]) as copies:
            assert Path(copies.paths[0]).exists()

    interrupted_after_every_call(tmp_path, read, empty)


def test_a_pruned_model(tmp_path: Path) -> None:
    model = save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((8, 8, 1, 1)))])
    make_external(model)
    (tmp_path / "whole").mkdir()
    prune_model(model, tmp_path / "whole" / "p.onnx")
    whole = contents(tmp_path / "whole")
    assert len(whole) == 2, "the model and its data"

    def prune(work: Path) -> None:
        prune_model(model, work / "p.onnx")

    interrupted_after_every_call(tmp_path, prune, lambda work: contents(work) in ({}, whole))


@POSIX
def test_a_capture(tmp_path: Path) -> None:
    """What a build has said is worth keeping, and an older capture is not given up for one that is not there."""
    model = save(tmp_path / "m.onnx", [conv()], [tensor("w", dense((8, 8, 1, 1)))])
    tool = fake_trtexec.write(tmp_path / "trtexec")

    def build(work: Path) -> None:
        run_build(options_from({"model": model, "output": work / "out", "backend": "trtexec", "trtexec": tool, "force": True}))

    def kept(work: Path) -> bool:
        aside = [path for path in work.iterdir() if path.name != "out"]
        return (work / "out" / MANIFEST).exists() and all((path / "build.log").exists() for path in aside)

    (tmp_path / "older").mkdir()
    build(tmp_path / "older")
    interrupted_after_every_call(tmp_path, build, kept, tmp_path / "older")


# The command line


def ran(code: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    """`main` in a process of its own, after `code`."""
    program = f"import atexit, os, signal, sys, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nfrom trtlens import cli\n{code}\ncli.main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **more}
    )


def ended(done: subprocess.CompletedProcess[str], number: int) -> bool:
    said = "trtlens: interrupted\n" if number == signal.SIGINT else ""
    return (done.returncode, done.stderr) == (128 + number, said)


@POSIX
@pytest.mark.parametrize("number", BOTH)
def test_a_signal_in_a_destructor_ends_the_command_all_the_same(number: int) -> None:
    """Python prints what is raised there, and goes on as if nothing had been: so it does in the middle of every import."""
    done = ran(
        f"""
class Gone:
    def __del__(self):
        signal.raise_signal({int(number)})
def app(prog_name):
    Gone()
    for _ in range(6000):
        time.sleep(0.01)
cli.app = app
"""
    )
    assert ended(done, number), done


@POSIX
@pytest.mark.parametrize("number", BOTH)
def test_a_signal_in_an_import_ends_the_command_after_it(tmp_path: Path, number: int) -> None:
    """A class that is made there would say `RuntimeError: Error calling __set_name__` (up to Python 3.11), a module in C might crash."""
    (tmp_path / "heavy.py").write_text(
        f"""
import pathlib, signal, sys
class Attribute:
    def __set_name__(self, owner, name):
        signal.raise_signal({int(number)})
class Made:
    attribute = Attribute()
pathlib.Path({str(tmp_path / "imported")!r}).touch()
"""
    )
    done = ran(
        f"""
sys.path.insert(0, {str(tmp_path)!r})
def app(prog_name):
    import heavy
    for _ in range(6000):
        time.sleep(0.01)
cli.app = app
"""
    )
    assert ended(done, number) and (tmp_path / "imported").exists(), done


@POSIX
def test_any_other_error_in_a_destructor_is_still_shown() -> None:
    done = ran("class Gone:\n    def __del__(self): 1 / 0\ncli.app = lambda prog_name: Gone()")
    assert done.returncode == 0 and "ZeroDivisionError" in done.stderr


@POSIX
@pytest.mark.parametrize("number", BOTH)
def test_a_signal_after_the_command_has_ended_changes_nothing(number: int) -> None:
    done = ran(f"atexit.register(signal.raise_signal, {int(number)})", "reasons")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout


@POSIX
def test_ctrl_c_before_the_command_is_no_traceback() -> None:
    assert ended(ran(f"cli.collect_less_often = lambda: signal.raise_signal({int(signal.SIGINT)})", "reasons"), signal.SIGINT)


@POSIX
def test_sigterm_stays_ignored_where_whoever_started_us_has_it_ignored() -> None:
    done = ran("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ncli.app = lambda prog_name: os.kill(os.getpid(), signal.SIGTERM)")
    assert (done.returncode, done.stderr) == (0, "")


@POSIX
@pytest.mark.parametrize("number", BOTH)
def test_redacted_copies(tmp_path: Path, number: int) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "build.log").write_text(log_text())
    done = ran(
        f"""
make = os.mkdir
def mkdir(path, *more, **named):
    make(path, *more, **named)
    if "redacted-" in str(path):
        signal.raise_signal({int(number)})
os.mkdir = mkdir
""",
        "explain", tmp_path / "build.log", "--redact", "salt", TMPDIR=str(tmp_path / "scratch"),
    )  # fmt: skip
    assert ended(done, number), done
    assert list((tmp_path / "scratch").iterdir()) == []
