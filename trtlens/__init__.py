"""trtlens: why does TensorRT run an eligible 2:4 sparse layer dense?

Importing this package imports nothing heavy; pandas, plotly, onnx and TensorRT are loaded when something needs them.
"""

from __future__ import annotations

from .version import __version__

__all__ = ["__version__"]
