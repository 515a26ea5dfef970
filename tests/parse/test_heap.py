"""Giving memory back changes nothing that is read, and needs no particular C library."""

from __future__ import annotations

import ctypes

import pytest

from tests.parse.build_log.reading import parse, tactics, verbose
from trtlens.parse import heap


def test_a_c_library_without_it_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    heap._trim.cache_clear()
    heap.give_back()
    heap._trim.cache_clear()


def test_a_log_reads_the_same_when_memory_is_given_back_after_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"=============== Computing costs for Conv_{n}" if n % 3 == 0 else f"Tactic: 0x{n:016x} Time: 0.5" for n in range(60)]
    whole = parse(verbose(*lines))
    calls: list[int] = []
    monkeypatch.setattr("trtlens.parse.textio.BLOCK_BYTES", 500)
    monkeypatch.setattr("trtlens.parse.build_log.reader._TRIM_BYTES", 600)
    monkeypatch.setattr("trtlens.parse.build_log.reader.give_back", lambda: calls.append(1))
    parted = parse(verbose(*lines))
    assert len(calls) > 2
    assert [(t["tactic"], t["line"], t["ms"]) for t in tactics(parted)] == [(t["tactic"], t["line"], t["ms"]) for t in tactics(whole)]
