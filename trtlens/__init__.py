"""trtlens: why does TensorRT run an eligible 2:4 sparse layer dense?

`trtlens.explain("layers.json", "profile.json", "build.log")` gives verdicts, `trtlens.load(...)` tables, `trtlens.diff(a, b)` a comparison.
Importing this package imports nothing heavy; pandas, plotly, onnx and TensorRT are loaded when something needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .version import __version__

if TYPE_CHECKING:
    from .api import Capture, Explanation, Tables, diff, explain, load

__all__ = ["Capture", "Explanation", "Tables", "__version__", "diff", "explain", "load"]


def __getattr__(name: str) -> object:
    """The Python API, imported when it is first asked for."""
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module 'trtlens' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
