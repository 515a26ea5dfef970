"""The real Python bindings of a TensorRT version, without its 2 GB of libraries.

The bindings wheel alone is 1 MB; it wants libnvinfer and others for a dozen C functions. Stub libraries that export those let the
module load: classes, enumerations and signatures are the real ones, and a Builder is a null pointer. On the TensorRT-RTX libraries
under the names it asks for, the 11.4 wheel really builds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.capture import wheels

VERSIONS = {
    "8.6.1": "tensorrt-bindings==8.6.1",
    "10.0.1": "tensorrt-cu12-bindings==10.0.1",
    "10.3.0": "tensorrt-cu12-bindings==10.3.0",
    "10.8.0": "tensorrt-cu12-bindings==10.8.0.43",
    "10.13.3": "tensorrt-cu12-bindings==10.13.3.9",
    "10.16.1": "tensorrt-cu12-bindings==10.16.1.11",
    "11.0.0": "tensorrt-cu12-bindings==11.0.0.114",
    "11.4.0": "tensorrt-cu12-bindings==11.4.0.106",
}
# The newest Python 3 for which NVIDIA published each wheel.
NEWEST_PYTHON = {"8.6.1": 11, "10.0.1": 12, "10.3.0": 12, "10.8.0": 12, "10.13.3": 13, "10.16.1": 13, "11.0.0": 13, "11.4.0": 14}
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin", "libnvparsers")


@cache
def module_folder(version: str) -> Path:
    """A folder for the module path: `tensorrt_bindings`, and `tensorrt` over it as in NVIDIA's package. Skips if it cannot be had."""
    minor = sys.version_info.minor
    if minor > NEWEST_PYTHON[version]:
        pytest.skip(f"the bindings of {version} were never published for Python 3.{minor}")
    folder = wheels.fetch(VERSIONS[version], wheels.cache_folder() / f"cp3{minor}" / version)
    package = folder / "tensorrt" / "__init__.py"
    if not package.exists():
        package.parent.mkdir(exist_ok=True)
        package.write_text("from tensorrt_bindings import *\nfrom tensorrt_bindings import __version__\n")
    return folder


@cache
def stub_folder(version: str) -> Path:
    """A folder of stub libraries for a version: every function its bindings ask for, returning null. Skips without a C compiler."""
    module = module_folder(version)
    folder = module / "stubs"
    if not folder.exists():
        extension = next((module / "tensorrt_bindings").glob("tensorrt*.so")).read_bytes()
        major = version.partition(".")[0]
        # The names that the extension takes from TensorRT's libraries; one stub exports them all.
        wanted = rb"\0(create\w+_INTERNAL|get\w*(?:Registry|Logger|Version)|initLibNvInferPlugins|_ZN1[0-9]nv\w+)(?=\0)"
        names = set(re.findall(wanted, extension))
        unfinished = folder.with_name(f"stubs.{os.getpid()}")
        unfinished.mkdir()
        for library in LIBRARIES:
            _compile(unfinished / f"{library}.so.{major}", sorted(name.decode() for name in names))
        unfinished.replace(folder)
    return folder


def _compile(library: Path, functions: list[str]) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        wheels.unavailable("the stub libraries need a C compiler")
    code = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in functions)
    command = [compiler, "-w", "-shared", "-fPIC", "-x", "c", "-o", str(library), "-"]
    subprocess.run(command, input=code, text=True, check=True)


@cache
def rtx_folder(version: str) -> Path:
    """The TensorRT-RTX libraries under the names that a version's bindings ask for. Skips where tensorrt_rtx is not installed."""
    libraries = pytest.importorskip("tensorrt_rtx_libs", reason="the end-to-end build runs on the libraries of tensorrt_rtx")
    folder = module_folder(version) / "rtx"
    if not folder.exists():
        major = version.partition(".")[0]
        unfinished = folder.with_name(f"rtx.{os.getpid()}")
        unfinished.mkdir()
        where = Path(next(iter(libraries.__path__)))
        (unfinished / f"libnvinfer.so.{major}").symlink_to(next(where.glob("libtensorrt_rtx.so*")))
        (unfinished / f"libnvonnxparser.so.{major}").symlink_to(next(where.glob("libtensorrt_onnxparser_rtx.so*")))
        _compile(unfinished / f"libnvinfer_plugin.so.{major}", ["initLibNvInferPlugins"])  # TensorRT-RTX has no plugins
        unfinished.replace(folder)
    return folder
