"""What is temporary goes, whatever signal comes, and whenever.

In: a block of code, or what a temporary folder is to be called. Out: a block that Ctrl-C and SIGTERM do not cut short; a folder that is removed in any
case. Next: nothing; whoever makes something temporary (parse/, report/, capture/, commands/) makes it here, and cli.py says what the signals do.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
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


@contextmanager
def signals_unwrapped() -> Iterator[None]:
    """What a handler raised where a class was being made (in an import, mostly) leaves Python up to 3.11 as the cause of a RuntimeError: here it is itself again."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, (KeyboardInterrupt, SystemExit)):
            cause = cause.__cause__
        if cause is None:
            raise
        raise cause from None


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
