"""A progress bar on standard error for files that take longer than a second.

In: `(path, done, total)` in bytes, as diagnose/load.py reports. Out: a bar that leaves nothing behind. Next: cli.py makes and closes it.
"""

from __future__ import annotations

import time
from pathlib import PurePath
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..text import shorten_middle, visible

PATIENCE_S = 1.0
_NAME_WIDTH = 30


class Bar:
    """Callable with `(path, done, total)`; `total` None: unknown. Shows nothing before a file has taken `patience_s`."""

    def __init__(self, console: Console, patience_s: float = PATIENCE_S) -> None:
        self.console, self.patience_s = console, patience_s
        self._progress: Progress | None = None
        self._path: str | None = None
        self._task: TaskID | None = None
        self._started = 0.0

    def __call__(self, path: str, done: int, total: int | None) -> None:
        if path != self._path:
            self._finish()
            self._path, self._started = path, time.monotonic()
        if self._task is None:
            if time.monotonic() - self._started < self.patience_s:
                return
            self._task = self._show().add_task("", total=total, name=Text(shorten_middle(visible(PurePath(path).name), _NAME_WIDTH)))
        assert self._progress is not None
        self._progress.update(self._task, completed=done, total=total)

    def _show(self) -> Progress:
        if self._progress is None:
            # A name goes in as Text, not through a format string: `[red]` in it is a name, not a colour.
            columns = (_Name(), BarColumn(bar_width=24), DownloadColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=self.console, transient=True)
            self._progress.start()
        return self._progress

    def _finish(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.remove_task(self._task)
        self._task = None

    def close(self) -> None:
        """Take the bar off the screen."""
        self._finish()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        self._path = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Name(TextColumn):
    """The file's name."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: object) -> Text:
        fields: dict[str, Text] = getattr(task, "fields", {})
        return fields.get("name", Text(""))
