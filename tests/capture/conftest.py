"""Registers the marker of the tests that fetch NVIDIA's Python bindings: `-m "not bindings"` leaves them out."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bindings: asks the real Python bindings of TensorRT 8.6 to 11.4, downloaded once into a cache")
