"""The version and what it runs on, for bug reports. In: nothing. Out: text. Next: cli.py prints it."""

from __future__ import annotations

import sys

__version__ = "0.1.0"

_PACKAGES = (
    "pandas", "numpy", "pyarrow", "onnx", "pyparsing", "plotly", "typer", "rich", "jinja2", "jsonschema", "zstandard", "fsspec", "tensorrt", "tensorrt-cu12",
    "tensorrt-cu13", "tensorrt-rtx", "cuda-python",
)  # fmt: skip


def version_text() -> str:
    """trtlens, Python, the platform and the packages that matter, one line each."""
    import platform
    from importlib import metadata

    lines = [f"trtlens {__version__}", f"Python {sys.version.split()[0]} on {platform.platform()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(lines)
