"""Writes a finished report: whole or not at all.

In: text, whole or in parts, or bytes as they come, and where they go. Out: a file, or standard output for `-`. Next: nothing; json_report.py, html.py,
markdown.py and tables.py call it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import UsageError
from ..signals import TemporaryFolder


def write_text(text: str | Iterable[str], path: str | os.PathLike[str]) -> None:
    """Write UTF-8 `text` to `path` (`-`: standard output) through a temporary file beside it, so that a reader never sees half of it.

    Raises UsageError where the folder is missing or not writable. Lone surrogates, which UTF-8 cannot hold, become U+FFFD.
    """
    parts = map(_encoded, (text,) if isinstance(text, str) else text)
    if os.fspath(path) == "-":
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            sys.stdout.writelines(data.decode() for data in parts)
        else:
            sys.stdout.flush()
            stream.writelines(parts)
            stream.flush()
        return
    target = Path(path)
    try:
        if target.exists() and not target.is_file():
            # A pipe or a device (/dev/stdout, >(...)) cannot be replaced by renaming; it is written as it is.
            if target.is_dir():
                raise UsageError(f"{target}: is a folder; name a file in it")
            with target.open("wb") as file:
                file.writelines(parts)
            return
    except OSError as error:
        raise _unwritable(target, error) from error
    with whole_file(target) as file:
        file.writelines(parts)


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place at `target` when the block ends well, and vanishes when it does not. Raises UsageError where it cannot be written."""
    try:
        # In a folder of its own, so that it has the permissions of any new file, and whatever removes the folder removes it.
        with TemporaryFolder(f".{target.name[:40]}.", target.parent) as folder:
            with (folder / target.name).open("wb") as file:
                yield file
            (folder / target.name).replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(f"{target}: cannot be written: {error.strerror or error}; choose a folder that exists, is writable and has room")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a report of 50,000 layers is 100 MB: copied thrice only where it must be
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
