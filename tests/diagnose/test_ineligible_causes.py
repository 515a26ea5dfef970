"""Why TensorRT does not list a layer: what layer info and the log's ONNX parser say of it. Every text here is invented; nothing in it was measured.

In: logs built line by line with the builders of test_adversarial.py. Out: assertions on reason, proof and evidence of one layer.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.diagnose.hand_made import DENSE_2, INFO_HWC8, LAYER, Log, dense_log, engine_line, info, info_layer, main, told, verdict
from tests.small_log import DENSE_NAME, SPARSE_NAME
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LineEvidence, PointerEvidence
from trtlens.report.words import headline

PLAIN = {**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 0}
UNSAID = {key: value for key, value in PLAIN.items() if key != "Groups"}


def unlisted(*parsed: str, eligible: str = "conv7", **changes: object) -> Log:
    log = dense_log(eligible=eligible, **changes)
    log.tuned = [*parsed, *log.tuned]
    return log


def convolution(name: str, groups: int, kernel: str = "(3, 3)") -> list[str]:
    return [
        f"Parsing node: {name} [Conv]",
        f"{name} [Conv] inputs: [x -> (1, 64, 28, 28)[FLOAT]], [w -> (64, 4, 3, 3)[FLOAT]], ",
        f"Registering layer: {name} for ONNX node: {name}",
        f"Using kernel: {kernel}, strides: (1, 1), prepadding: (1, 1), postpadding: (1, 1), dilations: (1, 1), numOutputs: 64, nbGroups: {groups}",
        f"{name} [Conv] outputs: [y -> (1, 64, 28, 28)[FLOAT]], ",
    ]


def test_the_log_proves_a_grouped_convolution(tmp_path: Path) -> None:
    found = verdict(tmp_path, unlisted(*convolution(LAYER, 16)))
    assert told(found) == ("ineligible", "grouped", "proven") and "16 groups" in found.summary
    assert any(isinstance(item, LineEvidence) and "nbGroups: 16" in item.text for item in found.evidence)
    assert told(verdict(tmp_path, unlisted(*convolution(LAYER, 1)))) == ("ineligible", "not-listed", "proven")


def test_a_name_that_two_nodes_share_does_not_say_which_of_them_has_groups(tmp_path: Path) -> None:
    for first, second in ((16, 1), (1, 16), (16, 16)):
        found = verdict(tmp_path, unlisted(*convolution(LAYER, first), *convolution("conv0", 1), *convolution(LAYER, second)))
        assert found.reason == "not-listed"


def test_every_grouped_convolution_of_a_log_is_one(tmp_path: Path) -> None:
    log = unlisted(*convolution(LAYER, 2), *convolution("conv2", 2))
    log.engine.append(engine_line("conv2", DENSE_2, "x2 (Half[1,64,28,28])", "y2 (Half[1,64,28,28])"))
    assert [told(item) for item in main(tmp_path, log).layers[:2]] == [("ineligible", "grouped", "proven")] * 2


def test_what_is_fused_with_a_grouped_convolution_has_no_groups(tmp_path: Path) -> None:
    relu = ["Parsing node: relu1 [Relu]", "relu1 [Relu] inputs: [y -> (1, 64, 28, 28)[FLOAT]], ", "relu1 [Relu] outputs: [z -> (1, 64, 28, 28)[FLOAT]], "]
    both = {**UNSAID, "Metadata": "[ONNX Layer: conv1][ONNX Layer: relu1]"}
    assert told(verdict(tmp_path, unlisted(*convolution(LAYER, 8), *relu), info([both]))) == ("ineligible", "grouped", "proven")


def test_a_kernel_line_of_before_8_6_says_nothing_of_groups(tmp_path: Path) -> None:
    said = [line.split(", nbGroups")[0] for line in convolution(LAYER, 8)]
    assert told(verdict(tmp_path, unlisted(*said))) == ("ineligible", "not-listed", "proven")


def test_a_node_is_known_by_the_name_of_its_layer_too(tmp_path: Path) -> None:
    """Two nodes of one name become two layers of different names."""
    said = [line.replace("Registering layer: node", f"Registering layer: {LAYER}") for line in convolution("node", 8)]
    assert told(verdict(tmp_path, unlisted(*said))) == ("ineligible", "grouped", "proven")


def test_of_two_convolutions_in_one_layer_one_with_groups_only_suggests(tmp_path: Path) -> None:
    both = {**UNSAID, "Metadata": "[ONNX Layer: conv1][ONNX Layer: conv2]"}
    found = verdict(tmp_path, unlisted(*convolution("conv1", 1), *convolution("conv2", 8)), info([both]))
    assert told(found) == ("ineligible", "grouped", "suggested") and "8 groups" in found.summary
    assert [item.text.rpartition(": ")[2] for item in found.evidence if isinstance(item, LineEvidence) and "Using kernel" in item.text] == ["8"]


def test_layer_info_knows_the_engine_better_than_the_parser(tmp_path: Path) -> None:
    found = verdict(tmp_path, unlisted(*convolution(LAYER, 16)), info([PLAIN]))
    assert found.reason == "not-listed"


@pytest.mark.parametrize(
    ("said", "reason", "pointer"),
    [
        ({"Kernel": [3, 3, 3]}, "op-kind", "/Layers/0/Kernel"),
        ({"Kernel": [3, 3, 3], "LayerType": "fusion"}, "op-kind", "/Layers/0/Kernel"),
        ({"Kernel": [3, 3, 3], "ParameterType": ""}, "op-kind", "/Layers/0/Kernel"),
        ({"Weights": {"Type": "Int4", "Count": 4}}, "precision", "/Layers/0/Weights/Type"),
        ({"Weights": {"Type": "FP4", "Count": 4}}, "precision", "/Layers/0/Weights/Type"),
    ],
)
def test_layer_info_suggests_why(said: dict[str, object], reason: str, pointer: str, tmp_path: Path) -> None:
    found = verdict(tmp_path, unlisted(), info([{**PLAIN, **said}]))
    assert told(found) == ("ineligible", reason, "suggested")
    text = {item.pointer: item.text for item in found.evidence if isinstance(item, PointerEvidence)}[pointer]
    assert text in ("[3, 3, 3]", "Int4", "FP4") and pointer.startswith("/Layers/0/")


def test_a_product_has_no_spatial_sizes(tmp_path: Path) -> None:
    said = {**PLAIN, "Kernel": [3, 3, 3], "LayerType": "CaskGemmMatrixMultiply", "ParameterType": "MatrixMultiply"}
    assert verdict(tmp_path, unlisted(), info([said])).reason == "not-listed"


@pytest.mark.parametrize("kind", ["Float", "Half", "BFloat16", "Int8", "FP8"])
def test_weights_that_sparse_kernels_take_are_no_cause(kind: str, tmp_path: Path) -> None:
    assert verdict(tmp_path, unlisted(), info([{**PLAIN, "Weights": {"Type": kind, "Count": 4}}])).reason == "not-listed"


def test_the_log_suggests_a_3d_convolution(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, unlisted(*convolution(LAYER, 1, "(3, 3, 3)")))) == ("ineligible", "op-kind", "suggested")


def test_a_layer_that_is_listed_nowhere_is_proven_so_by_a_whole_list_alone(tmp_path: Path) -> None:
    assert told(verdict(tmp_path, unlisted(eligible="conv7"))) == ("ineligible", "not-listed", "proven")
    other_build = info([{**PLAIN, "TacticValue": "0x1234567890abcdef"}])
    assert told(verdict(tmp_path, unlisted(), other_build))[1:] == ("not-listed", "suggested")
    counted = ["(Sparsity) Found 2 layer(s) eligible to use sparse tactics: conv7", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    assert told(verdict(tmp_path, unlisted(lists=counted, version="10.3.0")))[1:] == ("not-listed", "suggested")


@pytest.mark.parametrize("eligible", ["conv0, con", "conv0,"])
def test_a_list_that_breaks_off_proves_no_absence(eligible: str, tmp_path: Path) -> None:
    """TensorRT 8 prints no count; a logger with a small buffer leaves the beginning of a long line."""
    assert told(verdict(tmp_path, unlisted(eligible=eligible)))[1:] == ("not-listed", "suggested")
    assert told(verdict(tmp_path, unlisted(eligible="conv0")))[1:] == ("not-listed", "proven")


def test_an_operation_without_a_node_may_be_any_name_that_a_sub_build_lists(tmp_path: Path) -> None:
    inside = [
        " (foreignNode) (Sparsity) Found 1 layer(s) eligible to use sparse tactics: fc1", " (foreignNode) (Sparsity) Chose 0 layer(s) using sparse tactics: ",
        "(Sparsity) Found 0 layer(s) eligible to use sparse tactics: ", "(Sparsity) Chose 0 layer(s) using sparse tactics: ",
    ]  # fmt: skip
    name = "__myl_Fc_myl0_5"
    said = {**PLAIN, "Name": name, "LayerType": "gemm", "Metadata": ""}
    found = main(tmp_path, unlisted(lists=inside, version="10.16.0"), info([PLAIN, said]))
    layer = next(item for item in found.layers if item.name == name)
    assert layer.eligibility.value is None and layer.status != "ineligible"


@pytest.mark.parametrize(("listed", "eligible"), [("conv7", None), (LAYER, False)], ids=["a name too many", "every name has its layer"])
def test_an_operation_without_a_node_may_be_any_listed_name_without_a_layer(listed: str, eligible: bool | None, tmp_path: Path) -> None:
    name = "__myl_Fc_myl0_5"
    said = {**PLAIN, "Name": name, "LayerType": "gemm", "Metadata": ""}
    lists = [f"(Sparsity) Found 1 layer(s) eligible to use sparse tactics: {listed}", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    found = main(tmp_path, unlisted(lists=lists, version="10.16.0"), info([PLAIN, said]))
    assert next(item for item in found.layers if item.name == name).eligibility.value is eligible


def test_tensorrt_8_listed_nothing_inside_myelin(tmp_path: Path) -> None:
    said = {**PLAIN, "LayerType": "gemm", "ParameterType": "MatrixMultiply"}
    assert told(verdict(tmp_path, unlisted(), info([said])))[1:] == ("not-listed", "suggested")


def test_evidence_points_only_at_keys_that_layer_info_has(tmp_path: Path) -> None:
    """The groups are the log's: no pointer to a `Groups` that the layer info lacks."""
    found = verdict(tmp_path, unlisted(*convolution(LAYER, 16)), info([UNSAID]))
    assert told(found) == ("ineligible", "grouped", "proven")
    assert not [item for item in found.evidence if isinstance(item, PointerEvidence)]


@pytest.mark.parametrize(("kind", "concerned"), [("PluginV2", True), ("PluginV3", True), ("Shuffle", False)])
def test_a_gemm_plugin_is_a_layer_that_sparsity_concerns(kind: str, concerned: bool, tmp_path: Path) -> None:
    path = tmp_path / "li.json"
    plugin = {"Name": "layers/0/qkv/GemmPlugin", "LayerType": kind, "Inputs": [], "Outputs": [], "TacticName": "", "TacticValue": "0x0"}
    path.write_text(info([plugin]), encoding="utf-8")
    from trtlens.diagnose.explain import explain

    build = explain([str(path)]).captures[0].main
    assert build is not None
    found = build.layers[0]
    assert (found.status == "other") is not concerned
    assert [s.reason for s in found.suspects] == (["gemm-plugin"] if concerned else [])
    if concerned:
        assert found.proof == "unknown" and all(s.proof == "suggested" for s in found.suspects) and "cuBLASLt" in found.suspects[0].summary


def test_a_gemm_plugin_that_the_list_does_not_name_brings_its_own_kernels(tmp_path: Path) -> None:
    plugin = {**PLAIN, "LayerType": "PluginV2", "Name": "gemm_plugin_1", "TacticName": "", "TacticValue": "0x0", "ParameterType": ""}
    log = unlisted()
    log.engine = [*log.engine, "Layer(PluginV2): gemm_plugin_1, Tactic: 0x0000000000000000, y (Half[1,64,28,28]) -> z (Half[1,64,28,28])"]
    found = next(v for v in main(tmp_path, log, info([PLAIN, plugin])).layers if v.name == "gemm_plugin_1")
    assert told(found) == ("ineligible", "op-kind", "suggested")


def test_a_layer_on_dla_is_suspected_for_it_where_no_list_speaks(tmp_path: Path) -> None:
    from trtlens.diagnose.explain import explain

    path = tmp_path / "li.json"
    path.write_text(info([{"Name": "{ForeignNode[conv0...conv9]}", "LayerType": "DLA", "Inputs": [], "Outputs": [], "TacticName": "", "TacticValue": "0x0"}]), encoding="utf-8")
    build = explain([str(path)]).captures[0].main
    assert build is not None
    found = build.layers[0]
    assert found.status == "undetermined" and found.eligibility.value is None
    assert [(s.reason, s.proof) for s in found.suspects] == [("dla", "suggested")]


@pytest.mark.parametrize("dots", ["...", "....", "…"])
def test_dots_in_place_of_names_are_no_layer_and_leave_room_for_more(dots: str, tmp_path: Path) -> None:
    """Who quotes a log in a notebook or an issue shortens its long lists: `conv1, ....`."""
    lists = [f"(Sparsity) Layers eligible for sparse math: conv0, {dots}", f"(Sparsity) TRT inference plan picked sparse implementation for layers: conv0, {dots}"]
    build = main(tmp_path, unlisted(lists=lists))
    assert dots not in [item.name for item in build.layers]
    found = next(item for item in build.layers if item.name == LAYER)
    assert found.eligibility.value is None and found.status == "dense-unknown"
    assert "damaged-input" in {item.id for item in build.warnings} and build.summary.eligible_listed is None
    assert "there may be more" in headline(build)


def test_a_layer_that_a_shortened_list_of_chosen_ones_leaves_out_may_run_sparse(tmp_path: Path) -> None:
    lists = ["(Sparsity) Layers eligible for sparse math: conv0, conv7", "(Sparsity) TRT inference plan picked sparse implementation for layers: conv0, ..."]
    build = main(tmp_path, unlisted(lists=lists))
    assert {item.name: item.status for item in build.layers if item.name in ("conv0", "conv7")} == {"conv0": "sparse", "conv7": "undetermined"}


def explained(tmp_path: Path, **texts: str) -> BuildDiagnosis:
    paths = [tmp_path / f"{name}.json" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    found = explain(list(map(str, paths))).captures[0].main
    assert found is not None
    return found


def test_the_options_that_trex_copied_suggest_that_sparsity_was_off(tmp_path: Path) -> None:
    def copied(**options: str) -> str:
        return json.dumps({"model_options": {}, "build_options": {"Sparsity": "Disabled", **options}})

    plain = {key: value for key, value in PLAIN.items() if key != "TacticName"} | {"TacticName": DENSE_NAME}
    found = explained(tmp_path, info=info([plain]), metadata=copied())
    assert told(found.layers[0]) == ("ineligible", "flag-off", "suggested") and found.environment.sparsity == "disable"
    assert [(item.input, item.pointer) for item in found.layers[0].evidence if isinstance(item, PointerEvidence)] == [(1, "/build_options/Sparsity")]
    assert "seems" in headline(found)
    # A run that loads an engine prints its own options, not those of the build.
    assert told(explained(tmp_path, info=info([plain]), metadata=copied(**{"Load engine": "m.engine"})).layers[0])[0] == "dense-unknown"
    # A kernel says that sparsity was on: the metadata is of another build.
    sparse = explained(tmp_path, info=info([{**plain, "TacticName": SPARSE_NAME}]), metadata=copied())
    assert told(sparse.layers[0]) == ("sparse", "picked", "proven") and "capture-mismatch" in {item.id for item in sparse.warnings}


@pytest.mark.parametrize(("behind", "proof"), [("", "proven"), ("x2\n", "suggested")])
def test_a_list_of_which_nobody_knows_where_it_ends_proves_no_eligibility(behind: str, proof: str, tmp_path: Path) -> None:
    v = "[01/02/2030-03:04:05] [I] [TRT] "
    text = f"{v}(Sparsity) Layers eligible for sparse math: {LAYER}, a layer with quite a long name, conv10\n{behind}{v}(Sparsity) TRT inference plan picked sparse implementation for layers:\n"
    build = main(tmp_path, text)
    assert {item.eligibility.proof for item in build.layers if item.name == LAYER} == {proof}
