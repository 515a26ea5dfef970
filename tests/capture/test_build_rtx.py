"""Real builds with TensorRT-RTX, which needs no GPU: what it says is captured, what it refuses is told."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.capture import models
from tests.test_hardening import small_disk
from trtlens.capture.build import CaptureFailed, plan_build, run_build
from trtlens.capture.folder import PRUNED_MODEL
from trtlens.capture.manifest import FileRecord, Manifest, read_manifest
from trtlens.capture.progress import ProgressEvent
from trtlens.capture.settings import options_from
from trtlens.diagnose.explain import explain
from trtlens.errors import BuildFailed, InputError, UsageError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed (pip install 'trtlens[rtx]')"
)


def build(model: Path, on_progress: Any = None, **given: Any) -> tuple[Path, Manifest]:
    named = {name.replace("_", "-"): value for name, value in given.items()}
    options = options_from({"model": model, "output": model.parent / "out", "backend": "tensorrt-rtx", "target": "SM80", **named})
    result = run_build(options, on_progress)
    return result.folder, result.manifest


def layers(folder: Path) -> dict[str, dict[str, Any]]:
    """{ONNX node: the engine layer it ran in}."""
    found: dict[str, dict[str, Any]] = {}
    for layer in json.loads((folder / "layer_info.json").read_text())["Layers"]:
        for node in re.findall(r"\[ONNX Layer: ([^\]]*)\]", layer["Metadata"]):
            found[node] = layer
    return found


def test_a_pruned_model_becomes_a_complete_capture(tmp_path: Path) -> None:
    folder, manifest = build(models.conv_matmul(tmp_path / "m.onnx"))
    assert sorted(one.name for one in folder.iterdir()) == ["build.log", "layer_info.json", "manifest.json", "model.engine"]
    assert read_manifest(folder) == manifest and manifest.status == "complete" and manifest.times.build_s is not None
    engine = (folder / "model.engine").read_bytes()
    assert manifest.engine == FileRecord("model.engine", len(engine), hashlib.sha256(engine).hexdigest())
    found = layers(folder)
    assert found["conv1"] is found["relu1"] and found["conv1"]["LayerType"] == "correlation" and found["mm"]["LayerType"] == "gemm"
    assert {found[name]["TacticName"] for name in ("conv1", "mm")} == {"__myelin_CASK_STUB"}, "the kernel is chosen on the GPU"
    assert any("not the decision" in note for note in manifest.notes)
    log = (folder / "build.log").read_text()
    assert "[TRT] [V] Layers:" in log and "[TRT] [V] Parsing node: conv1 [Conv]" in log


def test_an_int8_model_with_qdq_nodes_builds(tmp_path: Path) -> None:
    folder, manifest = build(models.quantized_conv(tmp_path / "m.onnx"), no_engine=True)
    assert not (folder / "model.engine").exists() and manifest.engine is None
    assert "Int8" in {tensor["Datatype"] for tensor in layers(folder)["conv1"]["Inputs"]}


def test_dynamic_shapes_and_two_optimization_profiles_reach_the_engine(tmp_path: Path) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx", batch="n", size="h")
    ranges = {"min": ["x:1x32x8x16", "x:2x32x16x16"], "opt": ["x:2x32x16x16"] * 2, "max": ["x:4x32x64x16", "x:2x32x16x16"]}
    folder, _ = build(model, **ranges)
    document = json.loads((folder / "layer_info.json").read_text())
    shapes = [one["MaxShape"] for one in document["I/O Tensors"][0]["ProfileInfo"]]
    assert shapes == [[4, 32, 64, 16], [2, 32, 16, 16]]
    assert any("[profile 1]" in layer["Name"] for layer in document["Layers"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"a size for each -1 of x \(-1x32x-1x16\)"),
        ({"shapes": "y:1x32x16x16"}, r"a size for each -1 of x \(-1x32x-1x16\)"),
        ({"shapes": "x:1x32x16x16,y:1"}, "no input named y; it has x"),
        ({"shapes": "x:1x31x16x16"}, "the shape -1x32x-1x16 in the model"),
        ({"shapes": "x:1x32x16x16", "io_formats": "z:hwc8"}, "no input or output named z; it has x, y"),
    ],
)
def test_shapes_that_do_not_fit_are_told_with_the_models_own_and_leave_nothing(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(models.conv_matmul(tmp_path / "m.onnx", batch="n", size="h"), **given)
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


def test_dimensions_of_one_name_and_two_sizes_are_explained(tmp_path: Path) -> None:
    """Seen in a model that people ship, whose exporter names every dimension "?"."""
    with pytest.raises(CaptureFailed, match="several dimensions this name") as error:
        build(models.conv_matmul(tmp_path / "m.onnx", batch="same", size="same"), shapes="x:2x32x16x16")
    assert "same: Input dimensions" in str(error.value)


def test_a_model_in_fp32_alone_is_told_to_be_converted_first(tmp_path: Path) -> None:
    def notes(model: Path, name: str, **given: Any) -> str:
        return " ".join(build(model, output=tmp_path / name, **given)[1].notes)

    single = models.conv_matmul(tmp_path / "fp32.onnx", dtype="float32")
    assert "is FP32, and a strongly typed network keeps it so" in notes(single, "a")
    assert "is FP32" not in notes(single, "b", sparsity="disable")
    assert "is FP32" not in notes(models.conv_matmul(tmp_path / "fp16.onnx"), "c")
    assert "is FP32" not in notes(models.quantized_conv(tmp_path / "int8.onnx"), "d"), "Q/DQ nodes make it INT8"


def test_a_fixed_format_is_handed_over(tmp_path: Path) -> None:
    folder, manifest = build(models.conv_matmul(tmp_path / "m.onnx"), io_formats="x:hwc8", direct_io=True)
    assert "tensor x.allowed_formats = TensorFormat.HWC8" in manifest.backend.plan
    inputs = json.loads((folder / "layer_info.json").read_text())["I/O Tensors"]
    assert "kHWC8" in inputs[0]["ProfileInfo"][0]["Format"]


def test_nodes_that_the_parser_refuses_are_named_with_its_reasons_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(CaptureFailed) as error:
        build(models.unknown_operators(tmp_path / "m.onnx"))
    assert [(one.name, one.operator) for one in error.value.refused_nodes] == [("first", "NoSuchOperator"), ("second", "NorThisOne")]
    assert all("Plugin not found" in one.reason for one in error.value.refused_nodes)
    manifest = read_manifest(tmp_path / "out")
    assert manifest.failure is not None and manifest.failure.kind == "parser"
    assert "refuses first (NoSuchOperator): " in manifest.failure.message and "; second (NorThisOne): " in manifest.failure.message
    assert "While parsing node number 0 [NoSuchOperator" in (tmp_path / "out" / "build.log").read_text()


def test_hundreds_of_refused_nodes_are_one_line_that_ends_with_the_place_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(CaptureFailed) as error:
        build(models.unknown_operators(tmp_path / "m.onnx", copies=200))
    assert len(error.value.refused_nodes) == 400
    said = str(error.value)
    assert "refuses first, first_1, first_2 and 197 more (NoSuchOperator): " in said and said.endswith(str(tmp_path / "out" / "build.log"))
    assert len(said) < 1500 and "\n" not in said


@pytest.mark.parametrize("content", [b"\xff" * 9, b"this is no protobuf", b"import onnx\nprint(onnx)\n", None])
def test_a_file_that_is_no_model_is_unreadable_input_and_leaves_nothing(tmp_path: Path, content: bytes | None) -> None:
    whole = models.conv_matmul(tmp_path / "m.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(whole[:3000] if content is None else content)
    with pytest.raises(InputError, match="not an ONNX model"):
        build(tmp_path / "m.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("target", ["SM75", "SM86", "SM89", "SM120", "SM121"])
def test_every_target_it_has_builds(tmp_path: Path, target: str) -> None:
    folder, _ = build(models.conv_matmul(tmp_path / "m.onnx"), target=target)
    assert "conv1" in layers(folder)


@pytest.mark.parametrize("target", ["SM87", "SM90", "SM100"])
def test_a_target_it_lacks_is_refused_with_those_it_has(tmp_path: Path, target: str) -> None:
    with pytest.raises(UsageError, match=f"--target {target}: .* only for SM75, SM80"):
        build(models.conv_matmul(tmp_path / "m.onnx"), target=target)
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"counterfactual": True}, "byte for byte the same"),
        ({"repeat": 3}, "byte for byte the same"),
        ({"precision": "fp16"}, "strongly typed"),
        ({"max_tactics": 3}, "times no kernels"),
        ({"timing_cache": "c"}, "times no kernels"),
        ({"plugins": "p.so"}, "no plugin layers"),
    ],
)
def test_what_can_have_no_effect_is_refused_with_the_reason(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(models.conv_matmul(tmp_path / "m.onnx"), **given)


def test_sparse_weights_leaves_its_engine_byte_for_byte_the_same(tmp_path: Path) -> None:
    """The fact that the refusal of --counterfactual rests on, tried each time."""
    model = models.conv_matmul(tmp_path / "m.onnx")
    _, with_flag = build(model, output=tmp_path / "a")
    _, without = build(model, output=tmp_path / "b", sparsity="disable")
    assert with_flag.engine is not None and without.engine is not None
    assert with_flag.backend.plan != without.backend.plan and with_flag.engine.sha256 == without.engine.sha256


def test_a_pruned_copy_is_built_and_kept(tmp_path: Path) -> None:
    folder, manifest = build(models.conv_matmul(tmp_path / "m.onnx", pruned=False), prune="magnitude")
    assert manifest.prune is not None and set(manifest.prune.weights) == {"w", "v"} and (folder / PRUNED_MODEL).exists()
    assert manifest.model is not None and manifest.model.path == str(tmp_path / "m.onnx")
    assert "conv1" in layers(folder)
    assert manifest.notes[0].startswith("ACCURACY IS NOT KEPT"), "the first thing that the user reads"


def test_the_monitor_reports_phases_with_their_steps(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    build(models.conv_matmul(tmp_path / "m.onnx"), events.append)
    building = [one for one in events if one.phase == "Building engine"]
    assert building and {(one.source, one.steps) for one in building} == {("monitor", 6)}
    assert all(one.source == "monitor" for one in events[events.index(building[0]) :]), "the log is not asked once the monitor speaks"
    assert all(earlier.elapsed_s <= later.elapsed_s for earlier, later in itertools.pairwise(events))


def test_a_time_limit_leaves_the_log(tmp_path: Path) -> None:
    with pytest.raises(CaptureFailed, match="--timeout"):
        build(models.conv_matmul(tmp_path / "m.onnx"), timeout=0.01)
    assert read_manifest(tmp_path / "out").status == "failed"


@pytest.mark.parametrize("size", ["20k", "48k", "64k", "120k"])
def test_a_full_disk_is_named_as_the_cause_and_what_did_fit_is_a_capture(tmp_path: Path, size: str) -> None:
    """The log that would say it, the layer info or the engine is what does not fit."""
    with small_disk(tmp_path / "disk", size) as disk:
        with pytest.raises(BuildFailed) as error:
            build(models.conv_matmul(tmp_path / "m.onnx"), output=disk / "out")
        assert str(error.value).count("no space is left on the disk of the capture") == 1 and "Errno" not in str(error.value)
        assert [one.name for one in disk.iterdir()] == ["out"] and not [one for one in (disk / "out").iterdir() if one.name.startswith(".")]
        manifest = read_manifest(disk / "out")
        assert manifest.status == "failed" and manifest.failure is not None and "no space is left" in manifest.failure.message
        assert explain([str(disk / "out")]).captures[0].main is not None


def test_a_disk_without_room_for_a_manifest_is_wrong_usage(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "12k") as disk:
        with pytest.raises(UsageError, match="nothing can be written there"):
            build(models.conv_matmul(tmp_path / "m.onnx"), output=disk / "out")
        assert list(disk.iterdir()) == []


def test_a_dry_run_shows_the_calls_and_leaves_nothing(tmp_path: Path) -> None:
    model = models.conv_matmul(tmp_path / "m.onnx")
    choice, made = plan_build(options_from({"model": model, "target": "SM80", "opt-level": 4}))
    assert choice.backend == "tensorrt-rtx" and "SM80" in " ".join(made.lines())
    assert "config.builder_optimization_level = 4" in made.lines() and made.refusals == ()
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"]
