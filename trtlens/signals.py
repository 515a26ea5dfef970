"""What is temporary goes, whatever signal comes, and whenever.

In: a block of code, or what a temporary folder is to be called. Out: a block that Ctrl-C and SIGTERM do not cut short; a folder that is removed in any
case. Next: nothing; whoever makes something temporary (parse/, report/, capture/, commands/) makes it here, and cli.py says what the signals do.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class HeldSignals:
    """`with HeldSignals():` SIGINT and SIGTERM that come while the block runs are delivered at its end.

    Their handlers raise, and may do so between a system call that made a file and the statement that notes its name. For as long as a block runs they are
    exchanged for one that only notes what came. They are not blocked in the kernel: it would give the signal to another thread (numpy and pyarrow start
    some), and Python would run the handler in the main thread all the same. In any other thread nothing is raised, so nothing is done.
    Signals that are ignored stay ignored, and a handler that was not set from Python stays in place.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._holding = False
        self._came: list[int] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler not in (None, signal.SIG_IGN):
                self._before[number] = handler
                signal.signal(number, self._note)
        self._holding = True  # last: a signal in the middle of this is raised here, where there is nothing to lose yet

    def __exit__(self, *_: object) -> None:
        self._holding = False  # first: from here on whatever comes is passed on, though this very method ends by it
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came:
            signal.raise_signal(self._came[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._came.append(number)
        else:
            signal.signal(number, self._before[number])
            signal.raise_signal(number)


def postponed(number: int, frame: FrameType | None, outermost: CodeType | None = None) -> bool:
    """For a handler to ask: did the signal come in the middle of an import? If so, it comes again a moment later.

    An exception in there ends as an error of another kind where a class is made, as a line that Python prints where it cleans up after the import, and as a
    crash in some modules written in C. Frames beyond that of `outermost`, in which the program began, do not count.
    """
    while frame is not None and frame.f_code is not outermost:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            again(number)
            return True
        frame = frame.f_back
    return False


def again(number: int) -> None:
    """Send this process a signal once more, a moment later."""

    def send() -> None:
        time.sleep(0.01)
        if os.name == "posix":
            os.kill(os.getpid(), number)  # which wakes up whoever waits, too
        else:
            _thread.interrupt_main(number)  # type: ignore[arg-type]

    _thread.start_new_thread(send, ())  # not threading's: it takes locks, and what was interrupted may hold them


class TemporaryFolder:
    """A new folder at `path`. It is removed with all that it holds by `close`, at the end of a `with` block, when nothing holds this object, or at exit."""

    _there = False

    def __init__(self, prefix: str = "trtlens-", parent: Path | None = None) -> None:
        """Make it in `parent`, else where the system keeps temporary things. Raises OSError."""
        import tempfile  # takes longer to import than what `import trtlens` needs

        with HeldSignals():
            self._directory = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
            self._there = True
        self.path = Path(self._directory.name)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._there:
            self.close()

    def close(self) -> None:
        """Remove it, if that has not happened yet."""
        with HeldSignals():
            self._directory.cleanup()
            self._there = False
