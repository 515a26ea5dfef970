"""Writes a finished report: whole or not at all.

In: text, whole or in parts, and where it goes. Out: a file, or standard output for `-`. Next: nothing; json_report.py, html.py and markdown.py call it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..errors import UsageError


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
    temporary: str | None = None
    try:
        if target.exists() and not target.is_file():
            # A pipe or a device (/dev/stdout, >(...)) cannot be replaced by renaming; it is written as it is.
            if target.is_dir():
                raise UsageError(f"{target}: is a folder; name a file in it")
            with target.open("wb") as file:
                file.writelines(parts)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror or error}; choose a folder that exists and is writable") from error
    finally:
        if temporary is not None:  # an error, or Ctrl-C
            Path(temporary).unlink(missing_ok=True)


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # a report of 50,000 layers is 100 MB: copied thrice only where it must be
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
