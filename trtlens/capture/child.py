"""Runs the builder in a child process and survives whatever it does.

In: a command line and the path of the log. Out: ChildEnd: how it ended. Next: build.py turns that into a manifest. The log is the
child's standard output and error, written by the child itself straight into the file: nothing between them that could lose the last
lines of a crash. Progress comes through a pipe of its own; its closing also says, without polling, that the child is gone.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ..signals import HeldSignals
from .lifeline import PROGRESS_FD_VARIABLE
from .progress import LogWatcher, ProgressEvent

_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
_GRACE_SECONDS = 3.0
_TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child ended. Exactly one of `exit_code` and `signal` is set; `stopped` says that we ended it, and why.

    `oom_killed`: the kernel counted an out-of-memory kill while the child ran (/proc/vmstat), None where that cannot be read.
    """

    exit_code: int | None
    signal: int | None
    stopped: str | None
    seconds: float
    oom_killed: bool | None


class Terminated(BaseException):
    """SIGTERM reached us while a child was running; raised in place of dying, so that the capture is still delivered."""


def python_command(module: str, *arguments: str) -> list[str]:
    """A fresh interpreter that runs `main` of a trtlens module.

    Not `python -m`: that puts the working directory first on the module path, and a file named `tensorrt.py` there would be the builder.
    """
    code = f"import sys; sys.path[:1] = [{_PACKAGE_ROOT!r}]; from {module} import main; main()"
    return [sys.executable, "-c", code, *arguments]


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """`command`, started through lifeline.py so that it dies with this process."""
    return python_command("trtlens.capture.lifeline", str(os.getpid()), *command)


def run_child(
    command: Sequence[str],
    log_path: Path,
    *,
    timeout_s: float | None = None,
    on_progress: Callable[[ProgressEvent], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ChildEnd:
    """Run `command`, its output appended to `log_path`, and wait for it. KeyboardInterrupt and SIGTERM stop it and come back as `stopped`.

    The child leads a process group of its own, and the whole group is killed when it ends: no orphans. Raises OSError if it cannot start.
    """
    ooms = _oom_kills()
    began = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    stopped: str | None = None
    try:
        with HeldSignals():  # from its first moment on there is somebody to end it
            process, reading = _start(command, log_path, environment)
        with _sigterm_as_exception():
            stopped = _watch(process, reading, log_path, began, timeout_s, on_progress)
            if stopped is not None:
                _stop(process)
    except (KeyboardInterrupt, Terminated) as error:
        if process is None:
            raise
        stopped = "terminated (SIGTERM)" if isinstance(error, Terminated) else "interrupted (Ctrl-C)"
        _stop(process)
    finally:
        if process is not None:
            _kill_group(process)
            code = process.wait()
            os.close(reading)
    now = _oom_kills()
    return ChildEnd(
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        stopped=stopped,
        seconds=time.monotonic() - began,
        oom_killed=None if ooms is None or now is None else now > ooms,
    )


def _start(command: Sequence[str], log_path: Path, environment: Mapping[str, str] | None) -> tuple[subprocess.Popen[bytes], int]:
    """The child, and the end of the pipe from which its progress is read."""
    reading, writing = os.pipe()
    try:
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                env={**os.environ, **(environment or {}), PROGRESS_FD_VARIABLE: str(writing)},
                start_new_session=True,
            )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, reading


def _watch(
    process: subprocess.Popen[bytes],
    reading: int,
    log_path: Path,
    began: float,
    timeout_s: float | None,
    on_progress: Callable[[ProgressEvent], None] | None,
) -> str | None:
    """Wait until the child has ended (None) or must be stopped (why). Reports progress on the way."""
    watcher = LogWatcher(log_path)
    buffered = b""
    os.set_blocking(reading, False)
    with selectors.DefaultSelector() as selector:
        selector.register(reading, selectors.EVENT_READ)
        pipe_open = True
        monitored = False
        while not _has_ended(process):
            left = None if timeout_s is None else timeout_s - (time.monotonic() - began)
            if left is not None and left <= 0:
                return f"stopped after {timeout_s:g} s (--timeout)"
            tick = _TICK_SECONDS if left is None else min(_TICK_SECONDS, left)
            if pipe_open and selector.select(tick):
                piece = os.read(reading, 1 << 16)
                if not piece:
                    selector.unregister(reading)
                    pipe_open = False
                *lines, buffered = (buffered + piece).split(b"\n")
            else:
                if not pipe_open:  # a grandchild may hold the log open for longer than the pipe, or the pipe closed early
                    time.sleep(min(tick, 0.005))
                lines = []
            if on_progress is None:
                continue
            changed = watcher.read()
            elapsed = time.monotonic() - began
            for line in lines:
                event = _monitor_event(line, elapsed, watcher.last_warning)
                if event is not None:
                    monitored = True
                    on_progress(event)
            if changed and not monitored and watcher.phase is not None:
                on_progress(ProgressEvent(watcher.phase, watcher.count, None, elapsed, watcher.last_warning, "log"))
    return None


def _monitor_event(line: bytes, elapsed: float, last_warning: str | None) -> ProgressEvent | None:
    try:
        values = json.loads(line)
        step, steps = values.get("step"), values.get("steps")
        return ProgressEvent(str(values["phase"]), step, steps, elapsed, last_warning, "monitor")
    except (ValueError, KeyError, AttributeError):
        return None


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once the child has ended. It is left unreaped, so that its group id cannot go to anybody else before we kill the group."""
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # the program we are part of ignores SIGCHLD or reaps every child itself
        return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the child: politely, then not. A second Ctrl-C cuts the waiting short."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < until and not _has_ended(process):
            time.sleep(0.02)
    except (ProcessLookupError, KeyboardInterrupt):
        pass
    _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    """Inside, SIGTERM raises Terminated. Only the main thread may set signal handlers; elsewhere this changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.getsignal(signal.SIGTERM)
    if before in (None, signal.SIG_IGN):  # whoever ignores it means it, and what C has set cannot be put back
        yield
        return
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _oom_kills() -> int | None:
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    except (OSError, ValueError):
        pass
    return None
