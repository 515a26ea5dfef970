"""Text of every packing and encoding reads the same, any line is found again, and damage is one clear line."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import threading
from pathlib import Path

import pytest
import zstandard

from trtlens.errors import InputError
from trtlens.parse import textio
from trtlens.parse.textio import TextSource

LINES = ["[V] first line", "", "[I] Größe ½ 層 \u2028 one line still", *(f"[V] Tactic: {n} Time: 0.{n}" for n in range(400)), "last without a line end"]
TEXT = "\n".join(LINES)
PACKINGS = {
    "plain": TEXT.encode(),
    "gzip": gzip.compress(TEXT.encode()),
    "two gzip members": gzip.compress(TEXT[:500].encode()) + gzip.compress(TEXT[500:].encode()),
    "zstd": zstandard.compress(TEXT.encode()),
    "two zstd frames": zstandard.compress(TEXT[:500].encode()) + zstandard.compress(TEXT[500:].encode()),
    "utf-8 with BOM": b"\xef\xbb\xbf" + TEXT.encode(),
    "utf-16 little": b"\xff\xfe" + TEXT.encode("utf-16-le"),
    "utf-16 big": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-16 in gzip": gzip.compress(b"\xff\xfe" + TEXT.encode("utf-16-le")),
    "CRLF": TEXT.replace("\n", "\r\n").encode(),
    "utf-16 CRLF": b"\xff\xfe" + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
}


def source_of(tmp_path: Path, data: bytes) -> TextSource:
    path = tmp_path / "some.log"
    path.write_bytes(data)
    return TextSource(str(path))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("block_bytes", [7, 64, 1 << 20])
def test_every_packing_gives_the_same_lines_and_finds_each_again(
    packing: str, block_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textio, "BLOCK_BYTES", block_bytes)
    source = source_of(tmp_path, PACKINGS[packing])
    offsets: dict[int, str] = {}
    for offset, block in source.blocks():
        at = offset
        for line in block.split(b"\n")[: None if not block.endswith(b"\n") else -1]:
            offsets[at] = line.rstrip(b"\r").decode()
            at += len(line) + 1
    assert list(offsets.values()) == LINES
    assert source.lines_at(list(offsets)) == offsets
    assert source.head.decode().startswith("[V] first line")


@pytest.mark.parametrize("packing", PACKINGS)
def test_whole_text_and_digest(packing: str, tmp_path: Path) -> None:
    source = source_of(tmp_path, PACKINGS[packing])
    before = source.sha256
    assert source.read_text().replace("\r\n", "\n") == TEXT
    assert source.sha256 == before == hashlib.sha256(PACKINGS[packing]).hexdigest()


def test_blocks_end_at_line_ends_and_padding_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textio, "BLOCK_BYTES", 100)
    source = source_of(tmp_path, TEXT.encode())
    plain, padded = list(source.blocks()), list(source.blocks(padding=16))
    assert all(block.endswith(b"\n") for _, block in plain[:-1]) and len(plain) > 5
    assert padded == [(offset, block + b"\0" * 16) for offset, block in plain]


def test_progress_counts_packed_bytes(tmp_path: Path) -> None:
    data = gzip.compress((TEXT + "\n").encode())
    seen: list[int] = []
    for _ in source_of(tmp_path, data).blocks(on_bytes=seen.append):
        pass
    assert seen[-1] == len(data)


def test_standard_input_is_read_more_than_once_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PACKINGS["gzip"])))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = TextSource("-")
    assert source.path == "<stdin>"
    assert list(tmp_path.iterdir()) == []  # the spool has no name, so nothing can be left behind
    assert source.read_text() == TEXT and source.read_text() == TEXT
    assert source.size == len(PACKINGS["gzip"])


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_packed_file_cut_short_gives_what_it_held_and_then_says_so(packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textio, "BLOCK_BYTES", 4096)
    text = "".join(f"[V] line {hashlib.md5(str(n).encode()).hexdigest()}\n" for n in range(20_000))
    data = (gzip.compress if packing == "gzip" else zstandard.compress)(text.encode())
    source = source_of(tmp_path, data[: len(data) // 2])
    held: list[bytes] = []
    with pytest.raises(InputError, match="truncated") as caught:
        for _, block in source.blocks():
            held.append(block)
    assert text.encode().startswith(b"".join(held))
    assert packing == "zstd" or held
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\x00garbage", b"\x28\xb5\x2f\xfdgarbage and more"])
def test_a_damaged_packed_file_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged") as caught:
        source_of(tmp_path, data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("lines", [True, False], ids=["lines", "one endless line"])
@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_bomb_is_refused_at_the_limit(packing: str, lines: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textio, "UNPACKED_LIMIT", 1 << 20)
    monkeypatch.setattr(textio, "BLOCK_BYTES", 1 << 16)
    bomb = (b"x" * 63 + (b"\n" if lines else b"x")) * (1 << 16)  # 4 MiB
    source = source_of(tmp_path, (gzip.compress if packing == "gzip" else zstandard.compress)(bomb))
    read = 0
    with pytest.raises(InputError, match="unpacks to more than"):
        for _, block in source.blocks():
            read += len(block)
    assert read <= 1 << 20


def test_a_document_has_a_limit_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too large for a document"):
        source_of(tmp_path, TEXT.encode()).read_text(limit=100)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        TextSource(str(tmp_path / "absent.log"))
    with pytest.raises(InputError, match="is a folder"):
        TextSource(str(tmp_path))


def test_undecodable_bytes_are_shown_not_lost(tmp_path: Path) -> None:
    source = source_of(tmp_path, b"[V] name \xff\xfe end\n")
    assert source.lines_at([0]) == {0: "[V] name \\xff\\xfe end"}


def test_zeros_behind_a_gzip_stream_are_padding_and_anything_else_is_damage(tmp_path: Path) -> None:
    assert source_of(tmp_path, PACKINGS["gzip"] + bytes(1024)).read_text() == TEXT
    with pytest.raises(InputError, match="follow the stream"):
        source_of(tmp_path, PACKINGS["gzip"] + b"and then some").read_text()


def test_a_zstd_frame_that_holds_no_text_is_passed_over(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    assert source_of(tmp_path, PACKINGS["zstd"] + skippable).read_text() == TEXT
    assert source_of(tmp_path, zstandard.compress(TEXT[:500].encode()) + skippable + zstandard.compress(TEXT[500:].encode())).read_text() == TEXT


def test_a_pipe_without_end_is_refused_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textio, "UNPACKED_LIMIT", 1 << 16)
    monkeypatch.setattr(textio, "BLOCK_BYTES", 1 << 12)

    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

    endless = Endless()
    monkeypatch.setattr("sys.stdin", type("Stream", (), {"buffer": endless})())
    with pytest.raises(InputError, match="is longer than"):
        TextSource("-")
    assert endless.given <= (1 << 16) + (1 << 12)


def test_a_real_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as file:
            file.write(PACKINGS["gzip"])

    writer = threading.Thread(target=write)
    writer.start()
    source = TextSource(str(path))
    writer.join()
    assert source.spooled and source.read_text() == TEXT and source.size == len(PACKINGS["gzip"])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("block", [7, 64, 1 << 20])
def test_the_line_before_a_line(packed: bool, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtlens.parse.textio.BLOCK_BYTES", block)
    lines = ["first", "", "ü third\r", "x" * 50, "last"]
    data = "\n".join(lines).encode()
    path = tmp_path / ("a.log.gz" if packed else "a.log")
    path.write_bytes(gzip.compress(data) if packed else data)
    starts = [0]
    for line in lines[:-1]:
        starts.append(starts[-1] + len(line.encode()) + 1)
    found = TextSource(str(path)).lines_before(starts)
    assert found == {start: line.rstrip("\r") for start, line in zip(starts[1:], lines, strict=False)}
    assert TextSource(str(path)).lines_before([starts[4]], limit=20) == {}  # the line before is longer
