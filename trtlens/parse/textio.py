"""Bytes of an artefact, whatever it is packed in.

In: a path (plain, .gz, .zst) or `-` for standard input. Out: blocks of UTF-8 text that end at line ends, and any line again by its offset.
Next: build_log/ reads the blocks, detect.py the head. UTF-16 with a BOM (PowerShell's `>`) is transcoded; nothing else is changed.
"""

from __future__ import annotations

import codecs
import io
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from ..signals import HeldSignals

if TYPE_CHECKING:
    import hashlib

# Large enough for the fixed costs of the columns in build_log/lines.py, small enough for a processor's last cache.
BLOCK_BYTES = 6 << 20
STDIN_NAME = "<stdin>"
# A packed log unpacks 5 to 30 times; beyond 64 GiB a file is a bomb, not a build log. Stated in docs/limits.md.
UNPACKED_LIMIT = 64 << 30
# The longest real line (a JSON document printed in one) is a few megabytes.
LINE_LIMIT = 64 << 20

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class TextSource:
    """One text input that can be read more than once. What can be read only once (standard input, a named pipe, `<(…)`) is spooled to a temporary file.

    `path` is the file as the user named it. `size` is the packed size in bytes (None for a pipe until it has been read).
    """

    def __init__(self, path: str) -> None:
        self.path = STDIN_NAME if path == "-" else path
        self._file: Path | None = None
        self._spool: IO[bytes] | None = None
        self._sha256: str | None = None
        self.packing = "plain"
        self.encoding = "utf-8"
        self._head = b""
        if path == "-":
            self.size = self._keep(sys.stdin.buffer)
        else:
            self._file = Path(path)
            try:
                if self._file.is_dir():
                    raise InputError(path, "is a folder", todo="name the files in it, or a capture folder that trtlens wrote")
                status = self._file.stat()
                self.size = status.st_size
                if stat.S_ISFIFO(status.st_mode):
                    with self._file.open("rb") as pipe:
                        self.size = self._keep(pipe)
            except FileNotFoundError:
                raise InputError(path, "no such file", todo="check the path") from None
            except OSError as error:
                raise InputError(path, f"cannot be read ({error.strerror})", todo="check its permissions") from None
        with self._open_raw() as raw:
            start = raw.read(4)
        if start.startswith(_GZIP):
            self.packing = "gzip"
        elif start == _ZSTD:
            self.packing = "zstd"
        self._head = self._read_head()

    def _keep(self, stream: IO[bytes]) -> int:
        """Spool what can be read only once; its size. A pipe that never ends is refused where a packed file would be."""
        import tempfile

        with HeldSignals():  # where the system cannot make a file without a name, it has one for a moment
            self._spool = tempfile.TemporaryFile(prefix="trtlens-")  # noqa: SIM115 - lives as long as the source
        size = 0
        for chunk in _as_it_comes(stream):
            size += len(chunk)
            if size > UNPACKED_LIMIT:
                raise InputError(self.path, f"is longer than {UNPACKED_LIMIT / (1 << 30):g} GiB", todo="pass the part you need")
            try:
                self._spool.write(chunk)
            except OSError as error:
                raise InputError(
                    self.path, f"cannot be kept in {tempfile.gettempdir()} while it is read ({error.strerror})", todo="set TMPDIR to a folder with room"
                ) from None
        return size

    def _open_raw(self) -> IO[bytes]:
        if self._spool is not None:
            self._spool.seek(0)
            return _NoClose(self._spool)  # type: ignore[return-value]
        assert self._file is not None
        try:
            return self._file.open("rb")
        except OSError as error:
            raise InputError(self.path, f"cannot be read ({error.strerror})", todo="check its permissions") from None

    def _open_unpacked(self, raw: IO[bytes]) -> IO[bytes]:
        if self.packing == "gzip":
            return _Gunzip(raw)  # type: ignore[return-value]
        if self.packing == "zstd":
            import zstandard

            # max_window_size bounds the memory a hostile frame can ask for (128 MiB is zstd's own --ultra ceiling for --long=27).
            return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(raw, read_across_frames=True)
        return raw

    def _read_head(self) -> bytes:
        with self._open_raw() as raw:
            try:
                head = self._open_unpacked(raw).read(1 << 16) or b""
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(self.path, f"is a damaged {self.packing} file ({error})", todo="pack it again or pass it unpacked") from None
            except Exception as error:
                if type(error).__module__.startswith("zstandard"):
                    raise InputError(self.path, f"is a damaged zstd file ({error})", todo="pack it again or pass it unpacked") from None
                raise
        if head.startswith(codecs.BOM_UTF16_LE) and not head.startswith(codecs.BOM_UTF32_LE):
            self.encoding = "utf-16-le"
        elif head.startswith(codecs.BOM_UTF16_BE):
            self.encoding = "utf-16-be"
        return head

    @property
    def head(self) -> bytes:
        """The first 64 KiB, unpacked, as UTF-8 without a BOM."""
        if self.encoding == "utf-8":
            return self._head.removeprefix(codecs.BOM_UTF8)
        return self._head.decode(self.encoding, "replace").lstrip("\ufeff").encode()

    @property
    def spooled(self) -> bool:
        """Whether the input came through a pipe: there is no file of that name to open again."""
        return self._spool is not None

    @property
    def seekable(self) -> bool:
        """Whether an offset in the text is an offset in the file."""
        return self.packing == "plain" and self.encoding == "utf-8"

    def blocks(self, on_bytes: Callable[[int], None] | None = None, hash_it: bool = False, padding: int = 0) -> Iterator[tuple[int, bytes]]:
        """(offset of the block in the unpacked UTF-8 text, block); each block ends with a newline but perhaps the last.

        Each block is followed by `padding` zero bytes that are no text. `on_bytes(n)`: n packed bytes read so far, after each block.
        A packed stream that ends early yields what it held, then raises InputError.
        """
        digest = _sha256() if hash_it else None
        with self._open_raw() as raw:
            counted = _Counting(raw, digest)
            stream = self._open_unpacked(counted)  # type: ignore[arg-type]
            decoder = None if self.encoding == "utf-8" else codecs.getincrementaldecoder(self.encoding)("backslashreplace")
            offset, unfinished, first, pad = 0, 0, True, b"\0" * padding
            rest: list[bytes] = []  # the beginning of a line whose end has not come yet
            damage: str | None = None
            while True:
                try:
                    chunk = stream.read(BLOCK_BYTES) or b""
                except (OSError, EOFError, zlib.error) as error:
                    chunk, damage = b"", f"is a damaged or truncated {self.packing} file ({error})"
                except Exception as error:
                    if not type(error).__module__.startswith("zstandard"):
                        raise
                    chunk, damage = b"", f"is a damaged or truncated zstd file ({error})"
                last = not chunk
                if decoder is not None:
                    text = decoder.decode(chunk, final=last)
                    chunk = (text.lstrip("\ufeff") if first else text).encode("utf-8", "backslashreplace")
                elif first and chunk.startswith(codecs.BOM_UTF8):
                    chunk = chunk[3:]
                    offset = 3 if self.seekable else 0
                first = False
                if last:
                    if unfinished:
                        yield offset, b"".join((*rest, pad))
                    break
                unfinished += len(chunk)
                if offset + unfinished > UNPACKED_LIMIT:
                    raise InputError(self.path, f"unpacks to more than {UNPACKED_LIMIT / (1 << 30):g} GiB", todo="pass the part you need")
                cut = chunk.rfind(b"\n")
                if cut < 0:
                    if unfinished > LINE_LIMIT:
                        raise InputError(self.path, f"has a line longer than {LINE_LIMIT >> 20} MiB, at byte {offset}", todo="is it a text? check the file")
                    rest.append(chunk)
                    continue
                block = b"".join((*rest, memoryview(chunk)[: cut + 1], pad))
                rest = [chunk[cut + 1 :]]
                size = len(block) - padding
                unfinished -= size
                yield offset, block
                offset += size
                if on_bytes is not None:
                    on_bytes(counted.count)
            if digest is not None:
                counted.drain()
                self._sha256 = digest.hexdigest()
            if damage is None and self.packing == "zstd" and not _zstd_is_whole(raw):
                damage = "is a truncated zstd file"
            if damage:
                raise InputError(self.path, damage, todo="what it held up to there was read; pack it again or pass it unpacked")

    def read_text(self, limit: int = 1 << 31) -> str:
        """The whole text, for the artefacts that are documents (JSON). Undecodable bytes become `\\xNN`."""
        parts: list[bytes] = []
        total = 0
        for _, block in self.blocks(hash_it=True):
            total += len(block)
            if total > limit:
                raise InputError(self.path, f"is larger than {limit >> 20} MiB, too large for a document", todo="is it a build log? check the file")
            parts.append(block)
        return b"".join(parts).decode("utf-8", "backslashreplace")

    def lines_at(self, offsets: Sequence[int], limit: int = 1 << 20) -> dict[int, str]:
        """The lines that start at `offsets` (as `blocks` counts them), without their line ends, cut to `limit` bytes."""
        wanted = sorted(set(offsets))
        found: dict[int, str] = {}
        if not wanted:
            return found
        if self.seekable:
            with self._open_raw() as raw:
                for offset in wanted:
                    raw.seek(offset)
                    found[offset] = _one_line(raw.readline(limit))
            return found
        position = 0
        try:
            for start, block in self.blocks():
                while position < len(wanted) and wanted[position] < start + len(block):
                    at = wanted[position] - start
                    found[wanted[position]] = _one_line(block[at : at + limit])
                    position += 1
                if position == len(wanted):
                    break
        except InputError:
            pass  # the damage was reported when the blocks were first read
        return found

    def lines_before(self, offsets: Sequence[int], limit: int = 1 << 14) -> dict[int, str]:
        """The line before each of the lines that start at `offsets`; none for the first line, and for a line longer than `limit` bytes."""
        wanted = sorted(set(offsets))
        found: dict[int, str] = {}

        def keep(offset: int, data: bytes) -> None:
            begin = data.rfind(b"\n", 0, len(data) - 1) + 1
            if data.endswith(b"\n") and (begin or len(data) == offset):
                found[offset] = _one_line(data[begin:])

        if self.seekable:
            with self._open_raw() as raw:
                for offset in wanted:
                    raw.seek(max(offset - limit, 0))
                    keep(offset, raw.read(min(offset, limit)))
            return found
        tail, position = b"", 0
        try:
            for start, block in self.blocks():
                while position < len(wanted) and wanted[position] < start + len(block):
                    at = wanted[position] - start
                    keep(wanted[position], (tail + block[:at])[-limit:])
                    position += 1
                if position == len(wanted):
                    break
                tail = block[-limit:] if len(block) >= limit else (tail + block)[-limit:]
        except InputError:
            pass  # the damage was reported when the blocks were first read
        return found

    @property
    def sha256(self) -> str:
        """Of the file as the user has it (packed, if it is packed)."""
        if self._sha256 is None:
            digest = _sha256()
            with self._open_raw() as raw:
                while chunk := raw.read(BLOCK_BYTES):
                    digest.update(chunk)
            self._sha256 = digest.hexdigest()
        return self._sha256


def _sha256() -> hashlib._Hash:
    import hashlib  # takes as long to import as all of this module, and only some outputs ask for it

    return hashlib.sha256()


def _zstd_is_whole(raw: IO[bytes]) -> bool:
    """Whether the last frame ends as RFC 8878 has it. The decompressor takes the end of a cut file for the end of its text."""
    import zstandard

    size = raw.seek(0, io.SEEK_END)
    at = 0
    while at < size:
        raw.seek(at)
        head = raw.read(18)
        if head[1:4] == b"\x2a\x4d\x18":  # a skippable frame
            at += 8 + int.from_bytes(head[4:8], "little")
            continue
        try:
            parameters, header_bytes = zstandard.get_frame_parameters(head), zstandard.frame_header_size(head)
        except zstandard.ZstdError:
            return False
        at += header_bytes
        last = False
        while not last:
            raw.seek(at)
            header = raw.read(3)
            if len(header) < 3:
                return False
            bits = int.from_bytes(header, "little")
            last, kind = bool(bits & 1), bits >> 1 & 3
            at += 3 + (1 if kind == 1 else bits >> 3)
        at += 4 if parameters.has_checksum else 0
    return at == size


def _as_it_comes(stream: IO[bytes]) -> Iterator[bytes]:
    """What a pipe holds, until it is closed. Waits half a second at a time: a signal that the kernel gives to a thread of numpy does not end a blocked read."""
    import select

    poll = None
    if hasattr(select, "poll"):
        try:
            number = stream.fileno()
        except (OSError, ValueError):
            pass  # a stream in memory
        else:
            poll = select.poll()
            poll.register(number, select.POLLIN)
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    while True:
        while poll is not None and not poll.poll(500):
            pass
        chunk = read(BLOCK_BYTES)
        if not chunk:
            return
        yield chunk


def _one_line(data: bytes) -> str:
    return data.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "backslashreplace")


class _Gunzip(io.RawIOBase):
    """A gzip stream that gives what a cut file held before it complains: `gzip.GzipFile` throws the last block away."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._member: Any = None
        self._left = b""
        self._begun = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer where the stream ends; EOFError once a cut stream has given all, zlib.error or OSError for damage."""
        parts: list[bytes] = []
        missing = size if size >= 0 else 1 << 62
        while missing > 0:
            if not self._left:
                self._left = self._raw.read(1 << 18)
            if self._member is None:
                if not self._left.strip(b"\0"):
                    self._left = b""  # zero padding after the last member is allowed
                    break
                if self._begun and not self._left.startswith(_GZIP[: len(self._left)]):
                    raise OSError("bytes that are no gzip follow the stream")
                self._member, self._begun = zlib.decompressobj(wbits=31), True
            try:
                piece = self._member.decompress(self._left, missing)
            except zlib.error:
                if parts:
                    break  # what came before the damage first; the next call meets it again
                raise
            at_end = not self._left
            self._left = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            parts.append(piece)
            missing -= len(piece)
            if self._member.eof:
                self._member = None
            elif at_end and not piece:
                if parts and any(parts):
                    break
                raise EOFError("it ends before its end mark")
        return b"".join(parts)


class _Counting(io.RawIOBase):
    """Counts (and hashes) the packed bytes that pass through."""

    def __init__(self, raw: IO[bytes], digest: hashlib._Hash | None) -> None:
        self._raw, self._digest, self.count = raw, digest, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self.count += len(data)
        if self._digest is not None:
            self._digest.update(data)
        return data

    def drain(self) -> None:
        while self.read(BLOCK_BYTES):
            pass


class _NoClose(io.RawIOBase):
    """The spool of standard input outlives the `with` blocks that read it."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._spool.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._spool.readline(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._spool.seek(offset, whence)

    def close(self) -> None:
        """Keep the spool open."""
