"""What a build ran on and with which options, source by source: the log before its command line, before trex's copy, before the manifest.

In: option and device blocks, manifests and metadata made here (nothing in them was measured). Out: assertions on `Surroundings`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trtlens.diagnose.environment import Surroundings, surroundings
from trtlens.parse.build_log import parse_build_log
from trtlens.parse.textio import TextSource
from trtlens.parse.trex_meta import TrexMetadata, parse_trex_metadata

INFO, V = "[01/02/2030-03:04:05] [I] ", "[01/02/2030-03:04:05] [V] [TRT] "
COMMAND = "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=of_the_command.onnx"
DEVICE = ["Selected Device: NVIDIA A10", "Compute Capability: 8.6", "SMs: 72", "Device Global Memory: 22731 MiB", "Application Compute Clock Rate: 1.695 GHz", "TensorRT version: 8.6.1"]


def around(
    tmp_path: Path,
    *facts: str,
    command: str = "",
    lines: tuple[str, ...] = (),
    manifest: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    ran: bool = True,
) -> Surroundings:
    """`ran` False: no log. `command`: further options of trtexec, "-" for a log without a command line; `lines`: TensorRT's own."""
    copied: list[TrexMetadata] = [] if metadata is None else [parse_trex_metadata(json.dumps(metadata), "m.json")]
    if not ran:
        return surroundings(None, manifest, copied)
    first = [] if command == "-" else [f"{COMMAND} {command}".strip()]
    text = [*first, *(INFO + fact for fact in facts), V + "Local timing cache in use.", *(V + line for line in lines), V + "=============== Computing costs for conv1"]
    (tmp_path / "build.log").write_text("\n".join([*text, ""]))
    (build,) = parse_build_log(TextSource(str(tmp_path / "build.log")), None).builds
    return surroundings(build, manifest, copied)


def manifest(backend: str = "trtexec", version: Any = "8.6.1", gpus: Any = (), model: Any = None, **options: Any) -> dict[str, Any]:
    return {"backend": {"name": backend, "version": version}, "gpus": list(gpus) if isinstance(gpus, tuple) else gpus, "options": options, "model": model}


def test_a_build_of_which_nothing_is_said_is_unknown(tmp_path: Path) -> None:
    for found in (around(tmp_path, ran=False), around(tmp_path, command="-")):
        said = found.environment
        assert (said.tensorrt, said.gpu, said.compute_capability, said.precision, said.sparsity, said.opt_level, said.avg_timing) == (None,) * 7
        assert (found.gpu, found.sm_count, found.flag_off, found.sparsity_on, found.capability_line, found.hardware_compatibility, found.few_tactics) == (None,) * 7
        assert not found.jit and not found.strict_nans and found.opt_level_line is None and found.model is None


def test_the_device_block_is_read_whole(tmp_path: Path) -> None:
    found = around(tmp_path, *DEVICE)
    assert (found.environment.tensorrt, found.environment.gpu, found.environment.compute_capability, found.sm_count) == ("8.6.1", "NVIDIA A10", "8.6", 72)
    assert found.gpu is not None and found.gpu.name.endswith("A10")
    assert found.capability_line is not None and found.capability_line.text == "Compute Capability: 8.6"
    # A part of a GPU is no GPU that is known, and its capability is still what the block says.
    part = around(tmp_path, *DEVICE[:2], "SMs: 14")
    assert part.gpu is None and part.environment.compute_capability == "8.6"


def test_a_gpu_that_is_known_by_name_has_its_capability_without_a_line_that_says_it(tmp_path: Path) -> None:
    found = around(tmp_path, "Selected Device: NVIDIA A10")
    assert found.environment.compute_capability == "8.6" and found.capability_line is None


@pytest.mark.parametrize(
    ("memory", "clocks", "name"),
    [
        (7620, ("Compute Clock Rate: 0.624 GHz",), "Jetson Orin Nano 8 GB"),
        (7620, ("Application Compute Clock Rate: 0.765 GHz",), "Jetson Orin NX 8 GB"),
        (7620, ("Compute Clock Rate: 0.624 GHz", "Application Compute Clock Rate: 0.765 GHz"), "Jetson Orin NX 8 GB"),
        (15523, ("Compute Clock Rate: 1.173 GHz",), "Jetson Orin NX 16 GB Super"),
        (7620, (), None),
        (7620, ("Compute Clock Rate: unknown",), None),
        (1000000, ("Compute Clock Rate: 0.624 GHz",), None),
    ],
)
def test_memory_and_clock_tell_parts_of_one_name_apart(memory: int, clocks: tuple[str, ...], name: str | None, tmp_path: Path) -> None:
    found = around(tmp_path, "Selected Device: Orin", "SMs: 8", f"Device Global Memory: {memory} MiB", *clocks).gpu
    assert (found.name if found is not None else None) == name


# ---- sparsity


@pytest.mark.parametrize(
    ("fact", "command", "option", "copied", "expected"),
    [
        ("Enabled", "", None, None, "enable"),
        ("Disabled", "", None, None, "disable"),
        ("Forced", "", None, None, "force"),
        ("Enabled", "--sparsity=disable", "disable", "Disabled", "enable"),
        (None, "--sparsity=force", "disable", None, "force"),
        (None, "--sparsity=Enable", None, None, "enable"),
        (None, "--sparsity=else", None, None, "else"),
        (None, "", None, "Disabled", "disable"),
        (None, "--sparsity=enable", None, "Forced", "force"),
        (None, "", "enable", None, "enable"),
        (None, "", 3, None, None),
        (None, "", None, None, None),
    ],
)
def test_the_first_that_says_it_says_whether_sparsity_was_asked_for(fact: str | None, command: str, option: Any, copied: str | None, expected: str | None, tmp_path: Path) -> None:
    facts = [f"Sparsity: {fact}"] if fact else []
    metadata = {"build_options": {"Sparsity": copied}} if copied else None
    found = around(tmp_path, *facts, command=command, manifest=manifest(sparsity=option) if option is not None else None, metadata=metadata)
    assert found.environment.sparsity == expected
    assert found.sparsity_on is (None if expected is None else expected != "disable")
    # Only the log's own line is a line that says so.
    assert (found.flag_off is not None) is (fact == "Disabled") and (found.flag_off is None or found.flag_off.text == "Sparsity: Disabled")


@pytest.mark.parametrize("how", ["fact", "command", "copy"])
def test_options_of_a_run_that_loads_an_engine_say_nothing_of_its_build(how: str, tmp_path: Path) -> None:
    block = ("Sparsity: Disabled", "Precision: FP32", "avgTiming: 3", "builderOptimizationLevel: 1")
    copied = {"build_options": {"Sparsity": "Disabled", "Precision": "FP32", "AvgTiming": 3, "builderOptimizationLevel": 1, **({"Load engine": "m.engine"} if how == "copy" else {})}}
    loaded = {
        "fact": around(tmp_path, *block, "Load engine: m.engine"),
        "command": around(tmp_path, *block, command="--loadEngine=m.engine --sparsity=disable --builderOptimizationLevel=1"),
        "copy": around(tmp_path, ran=False, metadata=copied),
    }[how]
    said = loaded.environment
    assert (said.sparsity, said.precision, said.avg_timing, said.opt_level, loaded.flag_off, loaded.opt_level_line) == (None,) * 6
    built = around(tmp_path, *block) if how != "copy" else around(tmp_path, ran=False, metadata={"build_options": {**copied["build_options"], "Load engine": ""}})
    assert (built.environment.sparsity, built.environment.precision, built.environment.avg_timing, built.environment.opt_level) == ("disable", ("fp32",), 3, 1)
    # Whatever the manifest of the build says, the line is of the run that loads.
    off = around(tmp_path, *block, "Load engine: m.engine", manifest=manifest(sparsity="disable"))
    assert (off.environment.sparsity, off.flag_off) == ("disable", None)
    both = around(tmp_path, command="--loadEngine=m.engine", metadata={"build_options": {"Sparsity": "Disabled", "Precision": "FP32", "AvgTiming": 3, "builderOptimizationLevel": 1}})
    assert (both.environment.sparsity, both.environment.precision, both.environment.avg_timing, both.environment.opt_level) == (None,) * 4


# ---- precision, levels, figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [("FP32", ("fp32",)), ("FP32+FP16", ("fp32", "fp16")), ("FP32+FP16+INT8", ("fp32", "fp16", "int8")), ("BF16+FP8 (obey)", ("bf16", "fp8")), ("INT4+FP4+TF32+FP4", ("int4", "fp4", "tf32")), ("best", None)],
)
def test_the_types_that_were_allowed(text: str, expected: tuple[str, ...] | None, tmp_path: Path) -> None:
    assert around(tmp_path, f"Precision: {text}").environment.precision == expected


SET = "Set number of tactics to 5 at optimization level {}"


@pytest.mark.parametrize(
    ("facts", "lines", "command", "copied", "option", "expected", "line"),
    [
        (["builderOptimizationLevel: 4"], [SET.format(2)], "--builderOptimizationLevel=5", 1, 0, 2, SET.format(2)),
        (["builderOptimizationLevel: 4"], [], "--builderOptimizationLevel=5", 1, 0, 4, "builderOptimizationLevel: 4"),
        (["Builder optimization level: 4"], [], "", None, None, 4, "Builder optimization level: 4"),
        (["builderOptimizationLevel: -1"], [], "", 1, 0, 1, None),
        (["builderOptimizationLevel: -1"], [], "--builderOptimizationLevel=5", None, 0, 5, "trtexec"),
        ([], [], "--builderOptimizationLevel=500", None, 0, 0, None),
        ([], [], "", -1, 2, 2, None),
        ([], [], "", None, "2", None, None),
        ([], ["Set number of tactics to 5"], "", None, None, None, None),
    ],
)
def test_tensorrts_own_word_on_the_optimization_level_counts_first(
    facts: list[str], lines: list[str], command: str, copied: int | None, option: Any, expected: int | None, line: str | None, tmp_path: Path
) -> None:
    metadata = {"build_options": {"BuilderOptimizationLevel": copied}} if copied is not None else None
    found = around(tmp_path, *facts, lines=tuple(lines), command=command, metadata=metadata, manifest=manifest(opt_level=option) if option is not None else None)
    assert found.environment.opt_level == expected
    assert (found.opt_level_line is None) is (line is None) and (line is None or found.opt_level_line is None or line in found.opt_level_line.text)


@pytest.mark.parametrize(("level", "few"), [(0, True), (2, True), (3, False), (5, False)])
def test_below_level_three_tactics_are_left_out_before_they_are_timed(level: int, few: bool, tmp_path: Path) -> None:
    found = around(tmp_path, f"builderOptimizationLevel: {level}").few_tactics
    assert (found is not None) is few and (found is None or found.endswith(f"level {level}"))


@pytest.mark.parametrize(("fact", "option", "expected"), [("8", 2, 8), (None, 2, 2), (None, "2", None), (None, None, None), ("many", 2, None)])
def test_how_often_each_tactic_is_timed(fact: str | None, option: Any, expected: int | None, tmp_path: Path) -> None:
    found = around(tmp_path, *([f"avgTiming: {fact}"] if fact else []), manifest=manifest(avg_timing=option))
    assert found.environment.avg_timing == expected


@pytest.mark.parametrize(
    ("fact", "command", "given", "expected"),
    [("block.onnx", "", {"path": "m.onnx"}, "of_the_command.onnx"), ("block.onnx", "-", {"path": "m.onnx"}, "block.onnx"), (None, "-", {"path": "m.onnx"}, "m.onnx"), (None, "-", "m.onnx", "m.onnx"), (None, "-", None, None)],
)
def test_which_model_it_was(fact: str | None, command: str, given: Any, expected: str | None, tmp_path: Path) -> None:
    assert around(tmp_path, *([f"Model: {fact}"] if fact else []), command=command, manifest=manifest(model=given)).model == expected


# ---- the manifest and trex's copy


def test_a_manifest_says_what_the_log_does_not(tmp_path: Path) -> None:
    gpu = {"name": "NVIDIA A10", "compute_capability": "8.6"}
    found = around(tmp_path, command="-", manifest=manifest(gpus=(gpu, {"name": "NVIDIA A100"})))
    assert (found.environment.tensorrt, found.environment.gpu, found.environment.compute_capability) == ("8.6.1", "NVIDIA A10", "8.6")
    other = around(tmp_path, "Selected Device: NVIDIA L4", "Compute Capability: 8.9", "TensorRT version: 10.3.0", manifest=manifest(gpus=(gpu,)))
    assert (other.environment.tensorrt, other.environment.gpu, other.environment.compute_capability) == ("10.3.0", "NVIDIA L4", "8.9")


@pytest.mark.parametrize("damaged", [{"gpus": 3}, {"gpus": []}, {"gpus": ["A10"]}, {"gpus": [{"name": "", "compute_capability": ""}]}, {"backend": "trtexec"}, {"options": []}, {"options": None}, {"backend": {"name": "trtexec", "version": 8}}, {"model": 3}])
def test_a_manifest_of_another_form_says_nothing(damaged: dict[str, Any], tmp_path: Path) -> None:
    said = around(tmp_path, ran=False, manifest=damaged).environment
    assert (said.tensorrt, said.gpu, said.compute_capability, said.sparsity, said.opt_level, said.avg_timing) == (None,) * 6
    assert around(tmp_path, manifest=damaged).environment.sparsity is None  # nor beside a log


@pytest.mark.parametrize(("target", "expected"), [("SM86", "8.6"), ("SM100", "10.0"), ("SM75", "7.5"), ("SM8", None), ("sm86", None), (86, None), (None, None)])
def test_what_tensorrt_rtx_was_told_to_build_for(target: Any, expected: str | None, tmp_path: Path) -> None:
    assert around(tmp_path, ran=False, manifest=manifest("tensorrt-rtx", target=target)).environment.compute_capability == expected
    real = manifest("tensorrt-rtx", gpus=({"name": "x", "compute_capability": "8.9"},), target="SM75")
    assert around(tmp_path, ran=False, manifest=real).environment.compute_capability == "8.9"


def test_tensorrt_rtx_counts_its_versions_on_its_own_and_chooses_kernels_later(tmp_path: Path) -> None:
    found = around(tmp_path, ran=False, manifest=manifest("tensorrt-rtx", "1.7.1"))
    assert found.environment.tensorrt == "RTX 1.7.1" and found.jit
    assert not around(tmp_path, ran=False, manifest=manifest()).jit and not around(tmp_path).jit
    for line in ("Compiler backend is used during engine build in convergence mode.", "Using legacy CPU-only AoT engine build"):
        assert around(tmp_path, command="-", lines=(line,)).jit, line
    assert not around(tmp_path, command="-", lines=("Compiler backend is used during engine build.",)).jit


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), ("yes", False), (1, False)])
def test_strict_nans_are_asked_for_by_the_manifest_alone(value: Any, expected: bool, tmp_path: Path) -> None:
    assert around(tmp_path, ran=False, manifest=manifest(strict_nans=value)).strict_nans is expected


@pytest.mark.parametrize("key", ["hardwareCompatibilityLevel", "Hardware compatibility level"])
def test_hardware_compatibility_has_two_spellings(key: str, tmp_path: Path) -> None:
    assert around(tmp_path, f"{key}: ampere+").hardware_compatibility == "ampere+"


def test_trex_copies_options_and_device(tmp_path: Path) -> None:
    document = {
        "model_options": {"Model": "copied.onnx"}, "build_options": {"Precision": "FP32+INT8", "AvgTiming": 4, "Nothing": None, "List": [1]},
        "device_information": {"Selected Device": "NVIDIA A10", "Compute Capability": "8.6", "SMs": 72}, "performance_summary": {"Sparsity": "Disabled"},
    }  # fmt: skip
    found = around(tmp_path, ran=False, metadata=document)
    said = found.environment
    assert (said.gpu, said.compute_capability, said.precision, said.avg_timing, said.sparsity) == ("NVIDIA A10", "8.6", ("fp32", "int8"), 4, None)
    assert (found.model, found.sm_count, found.capability_line, found.flag_off) == ("copied.onnx", 72, None, None)
    own = around(tmp_path, "Selected Device: NVIDIA L4", metadata=document)
    assert own.environment.gpu == "NVIDIA L4"
    assert around(tmp_path, ran=False, metadata={"build_options": {}, "device_information": 3}).environment.gpu is None
    for nothing in (None, "", ["NVIDIA A10"], {}):
        empty = around(tmp_path, ran=False, metadata={"build_options": {"Sparsity": nothing or " "}, "device_information": {"Selected Device": nothing}})
        assert empty.environment.gpu is None and (nothing or empty.environment.sparsity is None), nothing
