"""The command line that each trtexec gets: chosen by its own help, for the recorded flags of four versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.capture import fake_trtexec, models
from trtlens.capture.backends.plan import Plan
from trtlens.capture.backends.trtexec import Outputs, help_version, listed_flags, plan, read_help
from trtlens.capture.settings import options_from
from trtlens.errors import InputError, UsageError

OUTPUTS = Outputs("layers.json", "profile.json", "model.engine")


def planned(version: str, **given: Any) -> Plan:
    named = {name.replace("_", "-"): value for name, value in given.items()}
    return plan(options_from({"model": "m.onnx", **named}), Path("trtexec"), fake_trtexec.help_text(version), OUTPUTS)


def test_every_version_gets_the_flags_that_make_a_capture() -> None:
    for version in fake_trtexec.VERSIONS:
        made = planned(version)
        assert made.refusals == () and made.version == version
        assert {"--verbose", "--sparsity=enable", "--profilingVerbosity=detailed", "--exportLayerInfo=layers.json"} <= set(made.command)
        assert f"--onnx={Path('m.onnx').absolute()}" in made.command


def test_no_version_gets_a_flag_that_its_help_does_not_list() -> None:
    wide: dict[str, Any] = {
        "precision": "fp16", "workspace": "1GiB", "opt_level": 5, "max_tactics": 3, "avg_timing": 8, "tactic_sources": "-CUBLAS",
        "timing_cache": "c", "direct_io": True, "iterations": 10, "warmup": 5, "plugins": "p.so", "strongly_typed": False,
        "min": ["x:1", "x:2"], "opt": ["x:1", "x:2"], "max": ["x:1", "x:2"],
    }  # fmt: skip
    for version in fake_trtexec.VERSIONS:
        listed = listed_flags(fake_trtexec.help_text(version))
        used = {word.removeprefix("--").partition("=")[0] for word in planned(version, **wide).command[1:]}
        assert used <= listed


def test_a_name_may_hold_colons_and_each_profile_has_a_number() -> None:
    assert "--optShapes=x:0:1x3x4" in planned("11.1.0", shapes="x:0:1x3x4").command
    command = planned("10.16.1", min=["x:1", "x:2"], opt=["x:1", "x:2"], max=["x:1", "x:3"]).command
    assert [word for word in command if word.startswith(("--profile=", "--max"))] == ["--profile=0", "--maxShapes=x:1", "--profile=1", "--maxShapes=x:3"]


def test_an_old_trtexec_without_memory_pools_gets_workspace() -> None:
    text = fake_trtexec.help_text("8.5.2").replace("--memPoolSize", "--somethingElse")
    made = plan(options_from({"model": "m.onnx", "workspace": "1GiB"}), Path("trtexec"), text, OUTPUTS)
    assert "--workspace=1024" in made.command


def test_extra_flags_come_last_and_untouched() -> None:
    assert planned("8.6.1", extra=["--useCudaGraph", "--x=a b"]).command[-2:] == ("--useCudaGraph", "--x=a b")


def test_an_engine_is_loaded_and_not_built() -> None:
    made = plan(options_from({"engine": "m.plan"}), Path("trtexec"), fake_trtexec.help_text("8.6.1"), OUTPUTS)
    assert f"--loadEngine={Path('m.plan').absolute()}" in made.command
    assert not any(word.startswith(("--onnx", "--saveEngine", "--sparsity")) for word in made.command)


def test_formats_are_put_in_the_networks_order_with_the_models_types(tmp_path: Path) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx")
    made = planned("8.6.1", model=model, io_formats="y:hwc8")
    assert "--inputIOFormats=fp16:chw" in made.command and "--outputIOFormats=fp16:hwc8" in made.command
    with pytest.raises(UsageError, match="no input or output named z"):
        planned("8.6.1", model=model, io_formats="z:chw")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"junk\.onnx"):
        planned("8.6.1", model=tmp_path / "junk.onnx", io_formats="y:hwc8")


def test_a_dynamic_model_without_shapes_is_built_for_size_one_and_that_is_said(tmp_path: Path) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx", batch="n", size="h")
    assert any("size 1 wherever an input is dynamic, here x (?x32x?x16)" in note for note in planned("8.6.1", model=model).notes)
    for given in ({"shapes": "x:1x32x16x16"}, {"extra": ["--shapes=x:1x32x16x16"]}):
        assert not any("size 1" in note for note in planned("8.6.1", model=model, **given).notes)
    assert not any("size 1" in note for note in planned("8.6.1", model=models.conv_matmul(tmp_path / "fixed.onnx")).notes)


def test_prose_that_mentions_a_flag_does_not_list_it() -> None:
    text = fake_trtexec.help_text("8.6.1")
    assert "--noSuchFlag" in text and "noSuchFlag" not in listed_flags(text)


@pytest.mark.parametrize(("banner", "version"), [("v8502", "8.5.2"), ("v100300", "10.3.0"), ("v101601", "10.16.1"), ("v110400", "11.4.0")])
def test_the_banner_holds_the_version(banner: str, version: str) -> None:
    assert help_version(f"&&&& RUNNING TensorRT.trtexec [TensorRT {banner}] # trtexec") == version


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("sleep 60", "did not answer"),
        ("echo 'error while loading shared libraries: libnvinfer.so.8' >&2; exit 127", "libnvinfer.so.8"),
        ("kill -SEGV $$", "nothing, and signal 11"),
    ],
)
def test_an_executable_that_is_no_trtexec_is_refused_with_what_it_said(tmp_path: Path, script: str, said: str) -> None:
    tool = tmp_path / "trtexec"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    with pytest.raises(UsageError, match=said):
        read_help(tool, seconds=0.5)
