"""Inputs that lie elsewhere: fsspec URLs (`s3://…`, `gs://…`, `https://…`, `memory://…`) become files for as long as they are read.

In: paths as the user named them. Out: `LocalCopies`, whose `paths` the loader reads and whose `shown` says what the user called them. Next: textio.py.
Needs the extra `remote`; paths that are no URLs pass through untouched, and fsspec is not imported for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import InputError, TrtlensError, UsageError
from ..signals import TemporaryFolder

# Two letters at least: `C:\logs` is no URL.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+(?:://|::)")
_NEVER_READ = (".engine", ".plan", ".trt", ".cache")
ARCHIVE_HEAD_BYTES = 263
TOTAL_LIMIT_BYTES = 64 << 30
"""A folder that holds more is no capture: it is refused rather than filling the disk."""


def is_url(path: str) -> bool:
    """Whether a path is an fsspec URL."""
    return bool(_URL.match(path))


def is_archive(path: str, head: bytes) -> bool:
    """Whether a file of that name and beginning (`ARCHIVE_HEAD_BYTES`) is an archive: the mark of a tar, or a packed file that is called one."""
    packed = head.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ"))
    return head[257:262] == b"ustar" or (packed and path.endswith((".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz")))


class LocalCopies:
    """Local stand-ins for paths. They vanish with `close`, with the `with` block, or when nothing holds this object any more."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Fetch what is remote. Raises UsageError where fsspec or a URL's file system is missing, InputError where a URL cannot be read."""
        self._folder: TemporaryFolder | None = None
        self._urls: dict[str, str] = {}
        self.paths = [self._fetch(path, number) if is_url(path) else path for number, path in enumerate(paths)]

    def __enter__(self) -> LocalCopies:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the copies."""
        if self._folder is not None:
            self._folder.close()

    def shown(self, path: str) -> str:
        """What the user called a local path: its URL, or the path itself where it was no URL."""
        for local, url in self._urls.items():
            if path == local:
                return url
            if path.startswith(f"{local}/"):
                return f"{url.rstrip('/')}/{path[len(local) + 1 :]}"
        return path

    def shown_in(self, text: str) -> str:
        """`text` (an error message) with every local path said as the user called it."""
        for local, url in self._urls.items():
            text = text.replace(local, url)
        return text

    def translated(self, error: TrtlensError) -> TrtlensError:
        """The error with every local path said as the user called it."""
        if isinstance(error, InputError):
            return InputError(self.shown(error.path), self.shown_in(error.what), where=error.where, todo=error.todo)
        return type(error)(self.shown_in(str(error)))

    def _fetch(self, url: str, number: int) -> str:
        file_system, path = open_file_system(url)
        if self._folder is None:
            self._folder = TemporaryFolder()
        name = PurePosixPath(path.rstrip("/")).name
        target = self._folder.path / str(number) / (name if name not in ("", ".", "..") else "input")
        target.parent.mkdir(parents=True)
        self._urls[str(target)] = url
        try:
            if _is_folder(file_system, path):
                self._fetch_folder(file_system, path, target, url)
            else:
                _copy(file_system, path, target, url, TOTAL_LIMIT_BYTES)
        except (InputError, MemoryError):
            raise
        except Exception as error:
            raise _unreadable(url, error) from error
        return str(target)

    def _fetch_folder(self, file_system: Any, path: str, target: Path, url: str) -> None:
        target.mkdir()
        left = TOTAL_LIMIT_BYTES
        for entry in sorted(file_system.ls(path, detail=True), key=lambda entry: str(entry["name"])):
            name = PurePosixPath(str(entry["name"]).rstrip("/")).name
            # An engine may weigh gigabytes, and nothing in it is read.
            if entry.get("type") != "file" or name.startswith(".") or name.endswith(_NEVER_READ) or name in ("", ".."):
                continue
            left -= _copy(file_system, str(entry["name"]), target / name, url, left)


def open_file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path in it. Raises UsageError where a package is missing, InputError for a URL that makes no sense."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(f"{url}: reading URLs needs fsspec; install it with: pip install 'trtlens[remote]'") from None
    try:
        file_system, path = url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"{url}: {error}; install the package that it names") from error
    except Exception as error:
        raise _unreadable(url, error) from error
    return file_system, str(path)


def expand(paths: Iterable[str]) -> list[str]:
    """`s3://bucket/run-*` → the URLs that match, in order; all other paths as they are. Raises InputError for a pattern that matches nothing."""
    found: list[str] = []
    for path in paths:
        if not is_url(path) or not any(mark in path for mark in "*?["):
            found.append(path)
            continue
        file_system, pattern = open_file_system(path)
        try:
            matches = sorted(str(match) for match in file_system.glob(pattern))
        except Exception as error:
            raise _unreadable(path, error) from error
        if not matches:
            raise InputError(path, "matches nothing", todo="check the pattern")
        found += [str(file_system.unstrip_protocol(match)) for match in matches]
    return found


def holds_one_file(url: str) -> bool:
    """Whether a URL names a file that is no archive: one of the parts of a capture. A URL that cannot be read is: whoever reads it says so."""
    file_system, path = open_file_system(url)
    try:
        return not _is_folder(file_system, path) and not is_archive(path, file_system.cat_file(path, start=0, end=ARCHIVE_HEAD_BYTES))
    except MemoryError:
        raise
    except Exception:
        return True


def entries(url: str) -> tuple[list[str], list[str]] | None:
    """The names of the files and folders in a folder behind a URL, in order; None for a file, and for what cannot be read."""
    file_system, path = open_file_system(url)
    try:
        if not _is_folder(file_system, path):
            return None
        listed = [(PurePosixPath(str(entry["name"]).rstrip("/")).name, entry.get("type")) for entry in file_system.ls(path, detail=True)]
    except MemoryError:
        raise
    except Exception:
        return None
    return sorted(name for name, kind in listed if kind == "file"), sorted(name for name, kind in listed if kind == "directory")


def inside(url: str, name: str) -> str:
    """The URL of an entry of a folder behind a URL: `zip://runs::s3://b/x.zip` holds `zip://runs/NAME::s3://b/x.zip`."""
    folder, chain, rest = url.partition("::")
    return f"{folder.rstrip('/')}/{name}{chain}{rest}"


def _is_folder(file_system: Any, path: str) -> bool:
    if path.startswith(("http://", "https://")):
        return path.endswith("/")  # fsspec would fetch the whole page to look for links in it
    return bool(file_system.isdir(path))


def _copy(file_system: Any, path: str, target: Path, url: str, limit: int) -> int:
    """Copy one file; the number of bytes. Reads no more than `limit`."""
    copied = 0
    with file_system.open(path, "rb") as source, target.open("wb") as file:
        while block := source.read(1 << 20):
            copied += len(block)
            if copied > limit:
                raise InputError(url, f"holds more than {TOTAL_LIMIT_BYTES >> 30} GiB", todo="name the capture's files themselves")
            file.write(block)
    return copied


def _unreadable(url: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(url, "no such file or folder", todo="check the URL")
    return InputError(url, f"cannot be read ({type(error).__name__}: {str(error)[:300]})", todo="check the URL and your access to it")
