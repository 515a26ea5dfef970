"""Every input kept for the fuzzers, seeds and past crashers, through its target: read or refused in one line, never anything else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .mutators import MUTATORS
from .targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """A hang must fail the test, not the machine that runs it (where the system has alarms)."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise AssertionError(f"still reading after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_is_read_or_refused(name: str) -> None:
    with no_longer_than(120):
        run(name.split("/")[0], (CORPUS / name).read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data", [b"", b"\0", b"\n", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"\xef\xbb\xbf", b"9" * 5_000], ids=lambda d: repr(d[:5]))
def test_what_holds_nothing_is_read_or_refused(target: str, data: bytes) -> None:
    with no_longer_than(120):
        run(target, data)


@pytest.mark.parametrize("target", MUTATORS)
def test_changed_inputs_are_read_or_refused(target: str) -> None:
    """The mutations of the fuzzers, a few of each, without atheris."""
    import random

    seeds = [path for path in sorted((CORPUS / target).iterdir()) if path.stat().st_size < 20_000]
    for number in range(25):
        rng = random.Random(number)
        data = seeds[number % len(seeds)].read_bytes()
        for _ in range(3):
            data = MUTATORS[target](data, rng)
        with no_longer_than(120):
            run(target, data)


def test_every_target_has_seeds_and_all_of_them_are_small() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < 200_000
