"""nvidia-smi, which differs from driver to driver."""

from pathlib import Path

import pytest

from trtlens.capture.environment import read_gpus, read_host


def put_tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_fields_that_an_old_driver_does_not_know_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(
        tmp_path,
        monkeypatch,
        """case $1 in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;; esac
echo "Tesla T4, 450.80, 1590, 5001, 1590, 5001, 70.00, 70.00, 15000, 15109" """,
    )
    (gpu,) = read_gpus()
    assert (gpu.name, gpu.compute_capability, gpu.power_limit_w, gpu.memory_free_mib) == ("Tesla T4", None, 70.0, 15000.0)


@pytest.mark.parametrize(
    "script", ["exit 9", "echo nonsense", "kill -9 $$", "echo 'Field \"other\" is not a valid field to query.'; exit 2"]
)
def test_a_tool_that_fails_leaves_no_gpu_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    put_tool(tmp_path, monkeypatch, script)
    assert read_gpus() == ()


def test_the_supported_cuda_version_is_read_from_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_tool(tmp_path, monkeypatch, "echo '| NVIDIA-SMI 535.86   Driver Version: 535.86   CUDA Version: 12.2     |'")
    assert read_host().cuda == "12.2"
