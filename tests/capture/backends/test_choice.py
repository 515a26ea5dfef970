"""Which backend `auto` takes on which machine, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trtlens.capture.backends import Machine, choose
from trtlens.capture.backends.trtexec import find_trtexec
from trtlens.capture.settings import options_from
from trtlens.errors import UsageError

TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")
ALL = frozenset({"tensorrt", "tensorrt-rtx"})
RTX = frozenset({"tensorrt-rtx"})
DRIVER = "/proc/driver/nvidia/version"


@pytest.mark.parametrize(
    ("machine", "given", "backend", "why"),
    [
        (Machine(ALL, TRTEXEC, DRIVER), {}, "tensorrt", "driver"),
        (Machine(RTX, TRTEXEC, DRIVER), {}, "trtexec", str(TRTEXEC)),
        (Machine(frozenset(), TRTEXEC, "/dev/nvhost-ctrl-gpu"), {}, "trtexec", "/dev/nvhost-ctrl-gpu"),
        (Machine(ALL, TRTEXEC, None), {}, "tensorrt-rtx", "no NVIDIA driver"),
        (Machine(RTX, None, DRIVER), {}, "tensorrt-rtx", "neither"),
        (Machine(ALL, TRTEXEC, DRIVER), {"target": "SM80"}, "tensorrt-rtx", "--target"),
        (Machine(ALL, TRTEXEC, DRIVER), {"extra": ["--useCudaGraph"]}, "trtexec", "flags for trtexec"),
        (Machine(ALL, TRTEXEC, None), {"backend": "tensorrt"}, "tensorrt", "--backend tensorrt"),
    ],
)
def test_the_choice_and_its_reason(machine: Machine, given: dict[str, Any], backend: str, why: str) -> None:
    choice = choose(options_from({"model": "m.onnx", **given}), machine)
    assert choice.backend == backend and why in choice.reason
    assert (choice.trtexec is not None) == (backend == "trtexec")


@pytest.mark.parametrize(
    ("machine", "given", "said"),
    [
        (Machine(frozenset(), None, DRIVER), {}, "nothing to build with"),
        (Machine(frozenset({"tensorrt"}), None, None), {}, "on a GPU alone"),
        (Machine(frozenset(), TRTEXEC, None), {}, "on a GPU alone"),
        (Machine(frozenset(), None, None), {"backend": "tensorrt-rtx"}, r"pip install 'trtlens\[rtx\]'"),
        (Machine(ALL, None, None), {"backend": "trtexec"}, "--emit-script"),
    ],
)
def test_a_machine_that_cannot_is_told_what_it_needs(machine: Machine, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        choose(options_from({"model": "m.onnx", **given}), machine)


def test_trtexec_is_found_on_the_path_or_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "trtexec"
    tool.write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="no such executable"):
        find_trtexec(tool)
    tool.chmod(0o755)
    assert find_trtexec(tool) == tool
    monkeypatch.chdir(tmp_path)
    assert find_trtexec(Path("trtexec")) == tool, "a relative path is taken as it is, without ./ before it"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_trtexec(None) == tool
