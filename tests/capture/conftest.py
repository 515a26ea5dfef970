"""Registers the marker of the tests that fetch NVIDIA's Python bindings: `-m "not bindings"` leaves them out."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bindings: asks the real Python bindings of TensorRT 8.6 to 11.4, downloaded once into a cache")


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt here: what a shell starts in the background ignores it, and the tests may run like that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
