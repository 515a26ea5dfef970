"""Device buffers and a stream, through cuda-python.

In: sizes in bytes. Out: device addresses; freed on leaving the `with` block. Next: loaded_engine.py. cuda-python renamed its modules in
12.8 (`cuda.cudart` became `cuda.bindings.runtime`); both are taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def _runtime() -> Any:
    from .loaded_engine import NotMeasured

    try:
        from cuda.bindings import runtime
    except ImportError:
        try:
            from cuda import cudart as runtime
        except ImportError:
            raise NotMeasured("device buffers need the package cuda-python, which is not installed") from None
    return runtime


class Device:  # pragma: gpu
    """Zero-filled buffers and one stream on the current GPU. Raises NotMeasured with CUDA's own words when a call fails."""

    def __init__(self) -> None:
        self._cuda = _runtime()
        self._buffers: list[int] = []
        self.stream = 0

    def __enter__(self) -> Device:
        self.stream = int(self._call("cudaStreamCreate"))
        return self

    def __exit__(self, *_: object) -> None:
        for address in self._buffers:
            self._cuda.cudaFree(address)
        self._cuda.cudaStreamDestroy(self.stream)

    def zeros(self, size_bytes: int) -> int:
        address = int(self._call("cudaMalloc", size_bytes))
        self._buffers.append(address)
        self._call("cudaMemset", address, 0, size_bytes)
        return address

    def wait(self) -> None:
        self._call("cudaStreamSynchronize", self.stream)

    def run_for(self, milliseconds: float, run: Callable[[int], Any]) -> None:
        """Call `run(stream)` again and again until the time is over, so that clocks have settled."""
        until = time.monotonic() + milliseconds / 1e3
        while time.monotonic() < until:
            run(self.stream)
            self.wait()

    def _call(self, name: str, *arguments: Any) -> Any:
        from .loaded_engine import NotMeasured

        status, *values = getattr(self._cuda, name)(*arguments)
        if int(status) != 0:
            raise NotMeasured(f"{name} failed with {status}")
        return values[0] if values else None
