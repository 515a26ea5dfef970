"""The child process: whatever it does, we learn how it ended and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from trtlens.capture.child import python_command, run_child, tied_to_parent
from trtlens.capture.progress import LogWatcher, ProgressEvent


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def appears(file: Path) -> bool:
    """Whether a file comes to hold something, with a minute's patience: the machine may be busy."""
    for _ in range(3000):
        if file.exists() and file.read_bytes().strip():
            return True
        time.sleep(0.02)
    return False


class HourLater:
    """A clock for child.py that is an hour ahead once `file` holds something: a time limit is then over, and not before the child is where it should be."""

    sleep = staticmethod(time.sleep)

    def __init__(self, file: Path) -> None:
        self._file = file

    def monotonic(self) -> float:
        return time.monotonic() + (3600 if self._file.exists() and self._file.read_bytes().strip() else 0)


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that init has not reaped yet has)."""
    for _ in range(3000):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_output_and_errors_share_the_log_in_their_order(tmp_path: Path) -> None:
    end = run_child(shell("echo one; echo two >&2; echo three; exit 3"), tmp_path / "log")
    assert (end.exit_code, end.signal, end.stopped) == (3, None, None)
    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_death_by_signal_is_told_with_the_log_kept(tmp_path: Path, number: signal.Signals) -> None:
    end = run_child(shell(f"echo before; kill -{int(number)} $$"), tmp_path / "log")
    assert (end.exit_code, end.signal) == (None, number)
    assert (tmp_path / "log").read_text().startswith("before")


def test_a_time_limit_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtlens.capture.child.time", HourLater(tmp_path / "pid"))
    end = run_child(shell(f"sleep 600 & echo $! >{tmp_path}/pid; sleep 600"), tmp_path / "log", timeout_s=600)
    assert end.stopped is not None and "--timeout" in end.stopped
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_grandchild_that_outlives_the_child_is_ended_too(tmp_path: Path) -> None:
    end = run_child(shell(f"sleep 600 & echo $! >{tmp_path}/pid; exit 0"), tmp_path / "log")
    assert end.exit_code == 0
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_an_interruption_stops_the_child_and_comes_back(tmp_path: Path, number: signal.Signals, said: str) -> None:
    thread = threading.Thread(target=lambda: os.kill(os.getpid(), number) if appears(tmp_path / "pid") else None)
    thread.start()
    end = run_child(shell(f"echo $$ >{tmp_path}/pid; sleep 600"), tmp_path / "log")
    thread.join()
    assert end.stopped is not None and said in end.stopped
    assert gone(int((tmp_path / "pid").read_text()))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.usefixtures("listening")
def test_an_interruption_of_the_very_start_leaves_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    end = run_child(shell("sleep 600"), tmp_path / "log")
    assert end.stopped is not None and "Ctrl-C" in end.stopped
    assert gone(started[0].pid)


@pytest.mark.usefixtures("listening")
def test_a_sigterm_that_is_ignored_does_not_end_a_build(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        end = run_child(shell(f"kill -TERM {os.getpid()}; echo done"), tmp_path / "log")
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (end.exit_code, end.stopped) == (0, None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's")
def test_the_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from trtlens.capture.child import run_child, tied_to_parent
run_child(tied_to_parent(["/bin/sh", "-c", "echo $$ >{tmp_path}/pid; exec sleep 600"]), Path("{tmp_path}/log"))
"""
    root = str(Path(__file__).parents[2])
    parent = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root})
    assert appears(tmp_path / "pid")
    pid = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    assert gone(pid)


def test_a_tied_command_gets_its_arguments_as_they_are(tmp_path: Path) -> None:
    odd = ["a b", "$HOME", "'", "", "--x=*"]
    run_child(tied_to_parent(["/bin/sh", "-c", 'for one; do echo "<$one>"; done', "sh", *odd]), tmp_path / "log")
    assert (tmp_path / "log").read_text().splitlines() == [f"<{one}>" for one in odd]


def test_the_working_directory_is_not_on_the_childs_module_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("print('hijacked')")
    monkeypatch.chdir(tmp_path)
    run_child(python_command("json"), tmp_path / "log")
    assert "hijacked" not in (tmp_path / "log").read_text()


def test_what_the_caller_raises_in_a_progress_report_ends_the_child(tmp_path: Path) -> None:
    def refuse(_event: ProgressEvent) -> None:
        raise RuntimeError("the caller's own")

    script = f'echo $$ >{tmp_path}/pid; echo "[V] [TRT] =============== Computing costs for a"; sleep 600'
    with pytest.raises(RuntimeError, match="the caller's own"):
        run_child(shell(script), tmp_path / "log", on_progress=refuse)
    assert gone(int((tmp_path / "pid").read_text()))


def test_progress_comes_from_the_monitor_where_there_is_one(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    program = f"""
import os, time
pipe = int(os.environ["TRTLENS_PROGRESS_FD"])
def wait_for(step):
    while not os.path.exists(f"{tmp_path}/{{step}}"): time.sleep(0.01)
os.write(pipe, b'{{"phase": "Timing tactics", "step": 2, "steps": 9}}\\nno JSON\\n[]\\n{{"pha')
wait_for(2)
print("[01/01/2026-00:00:00] [TRT] [V] =============== Computing costs for a", flush=True)
os.write(pipe, b'se": "Timing tactics", "step": 3, "steps": 9}}\\n')
wait_for(3)"""

    def seen(event: ProgressEvent) -> None:
        events.append(event)
        (tmp_path / str(event.step)).touch()

    run_child([sys.executable, "-c", program], tmp_path / "log", on_progress=seen)
    assert [(one.phase, one.step, one.steps, one.source) for one in events] == [("Timing tactics", step, 9, "monitor") for step in (2, 3)]


def test_progress_comes_from_the_log_elsewhere_with_the_last_warning(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    script = f"""
echo '[01/01/2026-00:00:00] [I] [TRT] [MemUsageChange] quiet'; echo '[01/01/2026-00:00:00] [W] [TRT] too \033[31mhot' >&2
echo '[01/01/2026-00:00:00] [V] [TRT] =============== Computing costs for a'; while ! [ -e {tmp_path}/seen ]; do sleep 0.01; done"""

    def seen(event: ProgressEvent) -> None:
        events.append(event)
        (tmp_path / "seen").touch()

    run_child(shell(script), tmp_path / "log", on_progress=seen)
    assert [(one.phase, one.step, one.last_warning, one.source) for one in events] == [("Timing tactics", 1, "too \\x1b[31mhot", "log")]


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("[11/21/2026-12:00:00] [TRT] [W] from Python", "from Python"),
        ("[11/21/2026-12:00:00] [E] [TRT] from trtexec", "from trtexec"),
        ("[11/21/2026-12:00:00] [W] trtexec's own", "trtexec's own"),
        ("[11/21/2026-12:00:00] [V] [TRT] Parsing node: [W] [Conv]", None),
    ],
)
def test_warnings_are_found_in_both_orders_of_the_prefix(tmp_path: Path, line: str, warning: str | None) -> None:
    log = tmp_path / "log"
    log.write_text(line + "\n")
    watcher = LogWatcher(log)
    watcher.read()
    assert watcher.last_warning == warning


def test_a_line_written_in_two_pieces_is_one_line_and_a_flood_is_skipped(tmp_path: Path) -> None:
    log = tmp_path / "log"
    watcher = LogWatcher(log)
    log.write_text("[x] [V] [TRT] =============== Computing")
    assert not watcher.read()
    with log.open("a") as file:
        file.write(" costs for a\n")
    assert watcher.read() and watcher.phase == "Timing tactics"
    with log.open("ab") as file:
        file.write(b"e" * (20 << 20) + b"\n[x] [W] [TRT] at the end\n")
    assert any(watcher.read() for _ in range(3)) and watcher.last_warning == "at the end"
