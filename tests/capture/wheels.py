"""Wheels that tests read and never install: fetched once through pip into a cache outside the repository, held to their SHA-256.

Without a network a test says so and is skipped; on CI (the variable CI is set) it fails, so that nothing there passes for having been run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

# Where a test may not be skipped, a network that stutters is asked more patiently.
_RETRIES = "--retries=8" if os.environ.get("CI") else "--retries=2"
_PIP = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", _RETRIES, "--timeout=15"]
_failed: dict[str, str] = {}


def cache_folder() -> Path:
    given = os.environ.get("TRTLENS_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "trtlens-tests"


def unavailable(reason: str) -> NoReturn:
    """Something a test cannot do without is not to be had."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; on CI this test may not be skipped")
    pytest.skip(reason)


def fetch(requirement: str, folder: Path, sha256: str | None = None, wanted: Callable[[str], bool] = lambda name: True) -> Path:
    """`folder`, which holds the files of the wheel whose names are `wanted`; it appears in one step, whichever process is first."""
    if folder.exists():
        return folder
    if requirement in _failed:  # a test run without a network asks once
        unavailable(_failed[requirement])
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with zipfile.ZipFile(_download(requirement, sha256, scratch)) as wheel:
            wheel.extractall(scratch / "content", [name for name in wheel.namelist() if wanted(name)])
        try:
            (scratch / "content").rename(folder)
        except OSError:
            assert folder.exists()  # another process has fetched it meanwhile
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _download(requirement: str, sha256: str | None, scratch: Path) -> Path:
    listed = scratch / "requirement.txt"
    listed.write_text(requirement if sha256 is None else f"{requirement} --hash=sha256:{sha256}")
    done = subprocess.run([*_PIP, "-d", str(scratch), "-r", str(listed)], capture_output=True, text=True, timeout=600)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    if "DO NOT MATCH THE HASHES" in done.stderr:
        pytest.fail(f"{requirement} is not the file it was: {done.stderr.strip()}")
    last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    _failed[requirement] = f"{requirement} could not be downloaded for Python {sys.version_info.major}.{sys.version_info.minor}: {last}"
    unavailable(_failed[requirement])
