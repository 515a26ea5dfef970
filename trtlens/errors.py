"""Errors that a user meets. In: what went wrong, where. Out: one line. Next: cli.py, which prints it and exits 2."""

from __future__ import annotations


class TrtlensError(Exception):
    """Base of every error trtlens raises on purpose; the command line prints it as one line and exits with `exit_code`."""

    exit_code = 2


class UsageError(TrtlensError):
    """The options or the mix of files make no sense together."""


class InputError(TrtlensError):
    """An input cannot be read or is not what it should be.

    `path`: the file as the user named it; `what`: what is wrong; `where`: line, byte or JSON pointer, if known; `todo`: what to do about it.
    """

    def __init__(self, path: str, what: str, *, where: str | None = None, todo: str | None = None) -> None:
        self.path, self.what, self.where, self.todo = path, what, where, todo
        place = f"{path} ({where})" if where else path
        super().__init__(f"{place}: {what}" + (f"; {todo}" if todo else ""))


class BuildFailed(TrtlensError):
    """The engine build did not finish; the capture folder holds what was captured so far."""

    exit_code = 3
