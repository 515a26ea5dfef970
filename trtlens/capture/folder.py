"""The capture folder on disk: made aside, moved into place in one step, never over something that is not ours to replace.

In: the path a capture shall have. Out: a Staging folder to write into; later the delivered capture. Next: build.py fills it;
parse/ reads it. An archive that the emitted capture script made is unpacked here too.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import InputError, UsageError
from ..signals import HeldSignals, TemporaryFolder
from .disk import FULL
from .manifest import MANIFEST, Manifest

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
_ROOM = ".room"
_ROOM_BYTES = 16 << 10
"""Kept free for the manifest, which says that the disk was full; a manifest has a few kilobytes."""
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
        self.started = datetime.now(timezone.utc)
        self._force = force
        self._check()
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.target.parent, patient=True):  # of two that begin in one moment, one sees the other
                self._refuse_company()
                self.path = Path(tempfile.mkdtemp(prefix=f".{self.target.name}.", suffix=".partial", dir=self.target.parent))
                self._lock = ExitStack()  # given back when this object goes, if not before
                self._lock.enter_context(locked(self.path))
        except OSError as error:
            raise UsageError(f"--output {target}: a folder cannot be made there ({error.strerror})") from error
        try:
            self.path.chmod(0o777 & ~_umask())  # mkdtemp makes 0700; a capture is an ordinary folder
            (self.path / _ROOM).write_bytes(os.urandom(_ROOM_BYTES))  # random: a file system that packs would keep nothing free
        except OSError as error:
            self.discard()
            raise UsageError(f"--output {target}: nothing can be written there ({error.strerror})") from error

    def _refuse_company(self) -> None:
        """Raise UsageError if another build is making a capture for the same place: it would end in vain. What a dead one left is no matter."""
        siblings = re.compile(re.escape(f".{self.target.name}.") + r"[a-z0-9_]{8}\.partial")
        for sibling in self.target.parent.iterdir():
            if siblings.fullmatch(sibling.name):
                try:
                    with locked(sibling):
                        pass
                except BlockingIOError:
                    raise UsageError(f"another build is writing {self.shown} at this moment: wait for it, or give another --output") from None

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
        (self.path / _ROOM).unlink(missing_ok=True)
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
            self._lock.close()
            if aside is not None:
                shutil.rmtree(aside, ignore_errors=True)
        return self.shown

    def discard(self) -> None:
        """Remove the folder: nothing was captured."""
        with HeldSignals():
            shutil.rmtree(self.path, ignore_errors=True)
            self._lock.close()

    def tidy(self) -> None:
        """Remove what a build that broke off leaves beside its results: work folders, and files without content."""
        for file in (*self.path.rglob("*"),):
            with contextlib.suppress(OSError):
                if file.is_dir() and file.name.startswith(".work."):
                    shutil.rmtree(file, ignore_errors=True)
                elif file.is_file() and file.stat().st_size == 0:
                    file.unlink()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write it whole or not at all; on a full disk into the room that was kept for it. Raises OSError."""
    unfinished = folder / f".{MANIFEST}"
    try:
        try:
            unfinished.write_text(manifest.to_json(), encoding="utf-8")
        except OSError as error:
            if error.errno not in FULL:
                raise
            for place in (folder, folder.parent):  # a further build has a folder inside that of the first
                (place / _ROOM).unlink(missing_ok=True)
            unfinished.write_text(manifest.to_json(), encoding="utf-8")
        unfinished.replace(folder / MANIFEST)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(folder: Path, *, patient: bool = False) -> Iterator[None]:
    """Hold a folder's lock, which goes with the process, however that ends. Raises BlockingIOError if another process holds it.

    `patient`: wait a moment for it, then go on without. Where the system or the file system has no such locks, nothing is held.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = -1
    try:
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
        for attempt in range(20 if patient and handle >= 0 else handle >= 0):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not patient:
                    raise
                time.sleep(0.01 * attempt)
            except OSError:
                break
        yield
    finally:
        if handle >= 0:
            os.close(handle)


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
        if isinstance(error, OSError) and error.errno in FULL:
            raise InputError(str(path), f"cannot be unpacked into {scratch} ({error.strerror})", todo="set TMPDIR to a folder with room") from None
        raise InputError(str(path), f"is not a readable tar archive ({error})") from error
    folders = sorted(one.parent for one in scratch.rglob(MANIFEST))
    if not folders:
        raise InputError(str(path), f"holds no capture: there is no {MANIFEST} in it")
    return folders[0]
