"""`capture-mismatch` is neither raised for one build seen twice nor missed for two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.parse.corpus import CORPUS, needs_corpus
from tests.small_log import DENSE, DENSE_HWC, DENSE_NAME, LAYER, layer_info_text, log_text
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis

ENGINE = "Engine Layer Information:\n"
NOOP = "Layer(NoOp): Reformatting CopyNode for Input Tensor 0 to shuffle, Tactic: 0x0000000000000000, y (Half[1,64]) -> z (Half[1,64])\n"
VIEW = "Layer(NoOp): node_view, Tactic: 0x0000000000000000, y (Half[1,64]) -> z (Half[1,64])\n"
REGION = "Layer(Myelin): {ForeignNode[node_linear]}, Tactic: 0x0000000000000000, z (Half[1,64]) -> w (Half[1,10])\n"


def diagnose(folder: Path, info: str, log: str) -> BuildDiagnosis:
    (folder / "li.json").write_text(info)
    (folder / "build.log").write_text(log)
    found = explain([str(folder / "li.json"), str(folder / "build.log")]).captures[0].main
    assert found is not None
    return found


def warned(build: BuildDiagnosis) -> bool:
    return "capture-mismatch" in {w.id for w in build.warnings}


def with_layers(info: str, *names_and_types: tuple[str, str]) -> str:
    document = json.loads(info)
    document["Layers"] += [{"Name": name, "LayerType": kind, "Inputs": [], "Outputs": []} for name, kind in names_and_types]
    return json.dumps(document)


def test_one_build_seen_twice(tmp_path: Path) -> None:
    assert not warned(diagnose(tmp_path, layer_info_text(), log_text()))


def test_another_tactic_id(tmp_path: Path) -> None:
    build = diagnose(tmp_path, layer_info_text(tactic=DENSE), log_text())
    assert warned(build) and all(v.proof != "proven" for v in build.layers if v.status == "dense")


def test_myelin_regions_of_the_log_are_instructions_in_the_layer_info(tmp_path: Path) -> None:
    info = with_layers(layer_info_text(), ("node_linear_myl4_0", "gemm"), ("__myl_MulSum_myl4_1", "kgen"), ("sync_0", "signal"))
    assert not warned(diagnose(tmp_path, info, log_text().replace(ENGINE, ENGINE + REGION)))


def test_names_only_does_not_say_which_layers_are_free(tmp_path: Path) -> None:
    names = json.dumps({"Layers": [LAYER, "node_view", "Reformatting CopyNode for Input Tensor 0 to shuffle"], "Bindings": ["x"]})
    build = diagnose(tmp_path, names, log_text().replace(ENGINE, ENGINE + VIEW + NOOP))
    assert not warned(build)


def test_names_only_layer_info_loses_nothing_that_the_log_says(tmp_path: Path) -> None:
    build = diagnose(tmp_path, json.dumps({"Layers": [LAYER], "Bindings": ["x"]}), log_text())
    (verdict,) = build.layers
    assert (verdict.type, verdict.tactic.id, verdict.tactic.name) == ("CaskConvolution", DENSE_HWC, DENSE_NAME)


def test_another_model(tmp_path: Path) -> None:
    assert warned(diagnose(tmp_path, layer_info_text(layer="other + relu"), log_text()))


def test_another_model_whose_log_prints_layer_info_alone(tmp_path: Path) -> None:
    log = "[I] === Build Options ===\n[I] Sparsity: Disabled\n[I] Layer Information:\n[I] Layers:\nsomething + else\nBindings:\nx\ny\n[I] Starting inference\n"
    build = diagnose(tmp_path, layer_info_text(), log)
    assert warned(build) and all(v.proof != "proven" for v in build.layers)


@needs_corpus
@pytest.mark.parametrize(
    ("info", "log"),
    [
        ("__notebooks__layer_info.json", "__notebooks__trt.log"),  # names only, NoOps among the names
        ("__resnet50int8__build__fuser.json", "__resnet50int8__build__fuser.log"),
        ("__resnet50int8__build__camera.vtransform.json", "__resnet50int8__build__camera.vtransform.log"),
    ],
)
def test_real_captures_of_one_build(info: str, log: str) -> None:
    found = [next(p for p in sorted((CORPUS / folder).iterdir()) if p.name.endswith(end)) for folder, end in (("layer_info", info), ("verbose_logs", log))]
    main = explain([str(path) for path in found]).captures[0].main
    assert main is not None and not warned(main)
