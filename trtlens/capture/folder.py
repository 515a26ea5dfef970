"""The capture folder on disk: made aside, moved into place in one step, never over something that is not ours to replace.

In: the path a capture shall have. Out: a Staging folder to write into; later the delivered capture. Next: build.py fills it;
parse/ reads it. An archive that the emitted capture script made is unpacked here too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import InputError, UsageError
from ..signals import HeldSignals, TemporaryFolder
from .manifest import MANIFEST

BUILD_LOG = "build.log"
LAYER_INFO = "layer_info.json"
PROFILE = "profile.json"
PROFILE_SAMPLES = "profile_samples.parquet"
ENGINE = "model.engine"
PRUNED_MODEL = "pruned.onnx"
ROLES = {
    "build_log": BUILD_LOG,
    "layer_info": LAYER_INFO,
    "profile": PROFILE,
    "profile_samples": PROFILE_SAMPLES,
    "engine": ENGINE,
    "pruned_model": PRUNED_MODEL,
}
"""What each file of a capture is, and its name."""

_ARCHIVE_LIMIT_BYTES = 4 << 30
# A capture has a few dozen files; an archive of millions of empty ones packs to almost nothing. No header of a capture is longer than a path.
_ARCHIVE_LIMIT_MEMBERS = 10_000
_ARCHIVE_LIMIT_HEADER_BYTES = 8 << 20


def is_capture(path: Path) -> bool:
    """True for a folder that trtlens, or its capture script, wrote."""
    return (path / MANIFEST).is_file()


class Staging:
    """A hidden folder beside the target, so that moving it into place is one rename on one file system."""

    def __init__(self, target: Path, *, force: bool) -> None:
        """Raises UsageError if `target` holds something: a capture without `force`, or anything else in any case."""
        self.target = Path(os.path.realpath(target))  # a link stays a link to where the capture goes
        self.shown = target
        self.delivered = False
        self._force = force
        self._check()
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=".partial", dir=self.target.parent))
            self.path.chmod(0o777 & ~_umask())  # mkdtemp makes 0700; a capture is an ordinary folder
        except OSError as error:
            raise UsageError(f"--output {target}: a folder cannot be made there ({error.strerror})") from error

    def _check(self) -> None:
        if not os.path.lexists(self.target):
            return
        if not self.target.is_dir():
            raise UsageError(f"{self.shown} exists and is not a folder: give another --output")
        if not any(self.target.iterdir()):
            return
        if not is_capture(self.target):
            raise UsageError(f"{self.shown} exists and is not a capture, so trtlens does not replace it: give another --output")
        if not self._force:
            raise UsageError(f"{self.shown} is a capture already: give another --output, or --force to replace it")

    def deliver(self) -> Path:
        """Move the folder into place; returns where it is, as the user wrote it.

        Raises UsageError, naming where the capture was left, if something has appeared at the target meanwhile.
        """
        try:
            self._check()
        except UsageError as error:
            raise UsageError(f"{error}; this capture was left in {self.path}") from None
        aside: Path | None = None
        with HeldSignals():
            if self.target.exists():
                aside = self.path.with_suffix(".replaced")
                self.target.rename(aside)
            try:
                self.path.rename(self.target)
            except OSError as error:
                if aside is not None:
                    aside.rename(self.target)
                raise UsageError(f"{self.shown}: the capture cannot be moved there ({error.strerror}); it was left in {self.path}") from error
            self.delivered = True
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
        return self.shown

    def discard(self) -> None:
        """Remove the folder: nothing was captured."""
        with HeldSignals():
            shutil.rmtree(self.path, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def opened_capture(path: Path) -> Iterator[Path]:
    """The capture at `path` as a folder: the folder itself, or the capture script's tar unpacked for as long as the `with` block runs.

    Raises InputError if it is neither, or if the archive is damaged, holds no capture, or holds anything but plain files inside it.
    """
    if path.is_dir():
        if not is_capture(path):
            raise InputError(str(path), f"is not a capture folder: it has no {MANIFEST}")
        yield path
        return
    with TemporaryFolder() as scratch:
        yield _unpack(path, scratch)


class _Bounded:
    """The unpacked bytes of an archive; tarfile reads a header of any stated length in one piece, and a hostile one states gigabytes."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream, self._path = stream, path
        self.tell, self.seek, self.close = stream.tell, stream.seek, stream.close

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _ARCHIVE_LIMIT_HEADER_BYTES:
            raise InputError(str(self._path), "is no archive of a capture: it holds a header of more than 8 MiB")
        return self._stream.read(size)


def _unpacked(path: Path) -> IO[bytes]:
    """The archive at `path` without its packing, whatever its name says."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.open(path)  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        import bz2

        return bz2.open(path)
    if start == b"\xfd7zXZ\0":
        import lzma

        return lzma.open(path)
    return path.open("rb")


def _unpack(path: Path, scratch: Path) -> Path:
    import tarfile  # with zlib, lzma and bz2 behind it; a build never needs it
    from lzma import LZMAError
    from zlib import error as ZlibError

    try:
        with _unpacked(path) as stream, tarfile.open(fileobj=_Bounded(stream, path), mode="r:") as archive:  # type: ignore[call-overload]
            total = 0
            for number, member in enumerate(archive):
                if number == _ARCHIVE_LIMIT_MEMBERS:
                    raise InputError(str(path), f"holds more than {_ARCHIVE_LIMIT_MEMBERS:,} files", todo="unpack it yourself and give the folder")
                name = PurePosixPath(member.name)
                if member.isdir():
                    continue
                total += member.size
                if not member.isfile() or name.is_absolute() or ".." in name.parts or not name.parts:
                    raise InputError(str(path), f"holds {member.name!r}, which is not a plain file inside the archive")
                if total > _ARCHIVE_LIMIT_BYTES:
                    raise InputError(str(path), "is larger than 4 GiB when unpacked", todo="unpack it yourself and give the folder")
                source = archive.extractfile(member)
                assert source is not None  # isfile() above
                target = scratch / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, OSError, ValueError, LZMAError, ZlibError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(str(path), f"cannot be unpacked into {scratch} ({error.strerror})", todo="set TMPDIR to a folder with room") from None
        raise InputError(str(path), f"is not a readable tar archive ({error})") from error
    folders = sorted(one.parent for one in scratch.rglob(MANIFEST))
    if not folders:
        raise InputError(str(path), f"holds no capture: there is no {MANIFEST} in it")
    return folders[0]
