"""Models that people ship, pruned, built with TensorRT-RTX, captured, diagnosed and written as HTML: the commands a user types."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.capture import real_models
from trtlens.capture.manifest import read_manifest
from trtlens.diagnose.weights import check_model
from trtlens.report.json_report import validate

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt_rtx is not installed (pip install 'trtlens[rtx]')"
)
DETECTOR_SHAPES = ("--min", "x:1x3x32x32", "--opt", "x:1x3x640x640", "--max", "x:1x3x960x960")
SEQUENCE_SHAPES = ("--min", "input:1x576", "--opt", "input:64x576", "--max", "input:256x576")


@dataclass(frozen=True)
class Run:
    """One `trtlens build`: what it printed, and the folder in which it left capture `out`, report.html and report.json."""

    done: subprocess.CompletedProcess[str]
    folder: Path

    @property
    def said(self) -> str:
        """Both streams without the line ends of an 80-column terminal."""
        return " ".join((self.done.stdout + self.done.stderr).split())

    def engine_layers(self) -> list[dict[str, Any]]:
        layers: list[dict[str, Any]] = json.loads((self.folder / "out" / "layer_info.json").read_text())["Layers"]
        return layers

    def verdicts(self) -> list[dict[str, Any]]:
        document = json.loads((self.folder / "report.json").read_text())
        validate(document)
        layers: list[dict[str, Any]] = document["captures"][0]["builds"][0]["layers"]
        return layers


def trtlens(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from trtlens.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80", "TERM": "dumb"}, timeout=300)


def build(folder: Path, model: Path, *options: str) -> Run:
    outputs = ("--output", folder / "out", "--html", folder / "report.html", "--json", folder / "report.json")
    return Run(trtlens("build", model, "--target", "SM86", *options, *outputs), folder)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return build(tmp_path_factory.mktemp("detector"), real_models.detector(), "--prune", "magnitude", *DETECTOR_SHAPES)


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return build(tmp_path_factory.mktemp("sequence"), real_models.sequence_model(), "--prune", "magnitude", *SEQUENCE_SHAPES)


@pytest.fixture(params=["detector", "sequence"])
def run(request: pytest.FixtureRequest) -> Run:
    found: Run = request.getfixturevalue(request.param)
    return found


def operators(model: Path, kinds: Iterable[str]) -> dict[str, onnx.NodeProto]:
    return {node.name: node for node in onnx.load(str(model)).graph.node if node.op_type in kinds}


def nodes_of(layer: dict[str, Any]) -> set[str]:
    return set(re.findall(r"\[ONNX Layer: ([^\]]*)\]", layer["Metadata"]))


def groups(node: onnx.NodeProto) -> int:
    return next((one.i for one in node.attribute if one.name == "group"), 1)


def test_the_capture_is_complete_and_the_model_untouched(run: Run) -> None:
    assert run.done.returncode == 0, run.done.stderr
    manifest = read_manifest(run.folder / "out")
    assert (manifest.status, manifest.failure) == ("complete", None)
    assert set(manifest.files) == {"build_log", "layer_info", "engine", "pruned_model"}
    assert manifest.model is not None and manifest.prune is not None
    before = {one.name for one in check_model(manifest.model.path).weights if one.status == "eligible"}
    after = {one.name for one in check_model(run.folder / "out" / "pruned.onnx").weights if one.status == "eligible"}
    assert before < after and len(after) == len(manifest.prune.weights), "the zeros are in the copy"


def test_what_was_pruned_and_what_it_is_good_for_is_said(run: Run) -> None:
    assert "ACCURACY IS NOT KEPT" in run.said and "--backend tensorrt" in run.said
    assert "is FP32, and a strongly typed network keeps it so" in run.said
    assert "TensorRT-RTX chooses" in run.done.stdout and max(map(len, run.done.stdout.splitlines())) <= 80


def test_no_layer_is_said_to_run_sparse_or_dense_before_the_users_gpu_has_chosen(run: Run) -> None:
    kernels = {layer["Name"]: layer.get("TacticName") for layer in run.engine_layers()}
    verdicts = run.verdicts()
    assert {one["name"] for one in verdicts} == set(kernels)
    assert {one["status"] for one in verdicts} <= {"undetermined", "other", "ineligible"}
    assert all(one["proof"] != "proven" for one in verdicts)
    deferred = {one["name"] for one in verdicts if one["reason"] == "jit-deferred"}
    assert deferred >= {name for name, kernel in kernels.items() if kernel == "__myelin_CASK_STUB"} != set()


def test_the_weight_check_is_joined_to_the_layers(run: Run) -> None:
    convolutions = operators(run.folder / "out" / "pruned.onnx", ["Conv"])
    of_layer = {one["name"]: [convolutions[name] for name in one["onnx_nodes"] if name in convolutions] for one in run.verdicts()}
    eligible = {one["name"]: one["eligibility"] for one in run.verdicts() if one["eligibility"]["value"]}
    assert len(eligible) >= 6 and {one["proof"] for one in eligible.values()} == {"suggested"}, "weights predict, a build log proves"
    for name in eligible:
        assert of_layer[name] and all(groups(node) == 1 for node in of_layer[name]), "grouped convolutions never qualify"
    stubs = [layer for layer in run.engine_layers() if layer["LayerType"] == "correlation" and layer["TacticName"] == "__myelin_CASK_STUB"]
    assert {layer["Name"] for layer in stubs if all(groups(node) == 1 for node in of_layer[layer["Name"]])} <= set(eligible)


def test_every_convolution_of_the_model_is_in_a_layer_of_the_engine(run: Run) -> None:
    wanted = set(operators(run.folder / "out" / "pruned.onnx", ["Conv"]))
    assert wanted <= set().union(*map(nodes_of, run.engine_layers()))


def test_the_html_report_holds_every_layer_and_loads_nothing(run: Run) -> None:
    page = (run.folder / "report.html").read_text()
    assert "TensorRT-RTX chooses kernels on the user" in page and "SM 8.6" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    for layer in run.engine_layers():
        assert layer["Name"].replace("/", "\\/") in page or layer["Name"] in page


def test_the_folder_is_explained_again_without_a_build(run: Run, tmp_path: Path) -> None:
    again = trtlens("explain", run.folder / "out", run.folder / "out" / "pruned.onnx", "--json", tmp_path / "again.json")
    assert again.returncode == 0 and not again.stderr
    document = json.loads((tmp_path / "again.json").read_text())
    assert document["captures"][0]["builds"][0]["layers"] == run.verdicts()


def test_ranges_reach_the_engine(detector: Run, sequence: Run) -> None:
    def inputs(run: Run) -> dict[str, dict[str, Any]]:
        tensors = json.loads((run.folder / "out" / "layer_info.json").read_text())["I/O Tensors"]
        return {tensor["Name"]: tensor["ProfileInfo"][0] for tensor in tensors if "ProfileInfo" in tensor}

    picture = inputs(detector)["x"]
    assert (picture["OptShape"], picture["MaxShape"]) == ([1, 3, 640, 640], [1, 3, 960, 960])
    windows = inputs(sequence)["input"]
    assert (windows["OptShape"], windows["MaxShape"]) == ([64, 576], [256, 576])


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (real_models.detector, (), "a size for each -1 of x (-1x3x-1x-1)"),
        (real_models.detector, ("--shapes", "x:1x640x640x3"), "x has the shape -1x3x-1x-1"),
        (real_models.sequence_model, ("--shapes", "h:1x1x128"), "a size for each -1 of input (-1x576)"),
        (real_models.sequence_model, ("--shapes", "audio:1x576,input:1x576"), "no input named audio; it has input, h, c"),
    ],
)
def test_shapes_that_are_missing_or_wrong_cost_one_line_and_no_folder(tmp_path: Path, model: Any, options: tuple[str, ...], said: str) -> None:
    run = build(tmp_path, model(), *options)
    assert run.done.returncode == 2 and said in run.said and "Traceback" not in run.said
    assert list(tmp_path.iterdir()) == []
