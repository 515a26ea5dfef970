"""Whether a layer qualifies for sparse math, and why not: the list, the flag, the layer's own properties, the weights. Every text here is invented.

In: hand-made logs, layer infos, manifests and small ONNX models. Out: assertions on eligibility, its proof and its evidence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.diagnose.hand_made import DENSE, DENSE_2, INFO_HWC8, LAYER, dense_log, info, info_layer, main, region_log, told, verdict
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis, LayerVerdict, LineEvidence, PointerEvidence

FIXTURE = Path(__file__).parents[2] / "fixtures" / "rtx_tiny" / "model.trtlens"
ENGINE = "[01/02/2030-03:04:05] [V] [TRT] Engine Layer Information"
DISABLED = "[01/02/2030-03:04:05] [I] Sparsity: Disabled"


def said(**changes: Any) -> dict[str, Any]:
    """conv1 as layer info has it, not marked as sparse."""
    return {**info_layer(LAYER, DENSE_2, {"x": INFO_HWC8}, {"y": INFO_HWC8}), "HasSparseWeights": 0, **changes}


def strangers(*first: dict[str, Any]) -> str:
    """Layer info of another build: two of three layers are not in the log."""
    return info([*first, *(info_layer(name, DENSE, {"x": INFO_HWC8}, {"y": INFO_HWC8}) for name in ("other1", "other2"))])


def pointers(found: LayerVerdict) -> list[tuple[str, str]]:
    return [(item.pointer, item.text) for item in (*found.evidence, *found.eligibility.evidence) if isinstance(item, PointerEvidence)]


def warnings(build: BuildDiagnosis) -> list[str]:
    return [w.message for w in build.warnings if w.id == "eligibility-disagrees"]


# ---- why a layer is not on the list

CAUSES: list[tuple[dict[str, Any], tuple[str, str | None], tuple[str, str] | None]] = [
    ({}, ("not-listed", None), None),
    ({"Groups": 1}, ("not-listed", None), None),
    ({"Groups": 2}, ("grouped", "proven"), ("/Layers/0/Groups", "2")),
    ({"Groups": 8}, ("grouped", "proven"), ("/Layers/0/Groups", "8")),
    ({"HasDynamicFilter": 1}, ("weights-not-constant", "proven"), ("/Layers/0/HasDynamicFilter", "1")),
    ({"HasDynamicFilter": 0}, ("not-listed", None), None),
    ({"LayerType": "DLA"}, ("dla", "proven"), None),
    ({"ParameterType": "Deconvolution"}, ("op-kind", "suggested"), None),
    ({"LayerType": "CaskDeconvolution"}, ("op-kind", "suggested"), None),
    ({"LayerType": "CaskDeconvolutionV2"}, ("op-kind", "suggested"), None),
    ({"LayerType": None}, ("not-listed", None), None),
]


@pytest.mark.parametrize(("changes", "answer", "pointer"), CAUSES, ids=[str(changes) for changes, _, _ in CAUSES])
def test_why_a_layer_is_not_listed(changes: dict[str, Any], answer: tuple[str, str | None], pointer: tuple[str, str] | None, tmp_path: Path) -> None:
    found = verdict(tmp_path, dense_log(eligible="conv7"), info([said(**changes)]))
    assert (found.status, found.reason) == ("ineligible", answer[0]) and answer[1] in (None, found.proof)
    keys = [item for item in pointers(found) if item[0].endswith(("Groups", "HasDynamicFilter"))]
    assert keys == ([pointer] if pointer is not None else [])
    assert found.eligibility.value is False and found.eligibility.proof == "proven"
    cut = dense_log(eligible="conv7").text()
    cut = cut[: cut.index(ENGINE)]
    assert verdict(tmp_path, cut, info([said(**changes)])).proof != "proven"


def test_an_operator_that_the_log_names_transposed(tmp_path: Path) -> None:
    log = dense_log(eligible="conv7")
    log.before = ["[01/02/2030-03:04:05] [V] [TRT] Parsing node: conv1 [ConvTranspose]", "[01/02/2030-03:04:05] [V] [TRT] conv1 [ConvTranspose] inputs: [x -> (1, 64, 28, 28)[FLOAT]],"]
    assert told(verdict(tmp_path, log)) == ("ineligible", "op-kind", "suggested")


def test_the_list_of_another_build_suggests(tmp_path: Path) -> None:
    found = verdict(tmp_path, dense_log(eligible="conv7"), strangers(said(Groups=8)))
    assert told(found) == ("ineligible", "grouped", "suggested") and found.eligibility.proof == "suggested"


@pytest.mark.parametrize(
    ("changes", "suspect"),
    [({}, None), ({"Groups": 1}, None), ({"Groups": 2}, "grouped"), ({"HasDynamicFilter": 1}, "weights-not-constant"), ({"HasDynamicFilter": 0}, None)],
    ids=str,
)
def test_what_a_layer_is_suspected_of_without_a_whole_list(changes: dict[str, Any], suspect: str | None, tmp_path: Path) -> None:
    text = dense_log(eligible="conv7").text()
    found = verdict(tmp_path, text[: text.index(ENGINE)], info([said(**changes)]))
    assert found.status == "dense-unknown" and found.eligibility.value is None
    assert [(item.reason, item.proof) for item in found.suspects] == ([(suspect, "suggested")] if suspect else [])


def test_a_region_is_not_ineligible_because_no_list_names_it(tmp_path: Path) -> None:
    """The lists name operations, not regions."""
    lists = ["(Sparsity) Found 1 layer(s) eligible to use sparse tactics: conv7", "(Sparsity) Chose 0 layer(s) using sparse tactics: "]
    log = region_log([], [])
    log.lists = lists
    found = next(item for item in main(tmp_path, log).layers if item.name.startswith("{ForeignNode"))
    assert told(found) == ("undetermined", "myelin-opaque", "unknown") and found.eligibility.value is None


# ---- the flag


def test_a_flag_that_is_off_proves_for_its_own_build(tmp_path: Path) -> None:
    text = dense_log(lists=[]).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled", DISABLED).replace(" --sparsity=enable", "")
    found = verdict(tmp_path, text)
    assert told(found) == ("ineligible", "flag-off", "proven") and found.eligibility.evidence == found.evidence
    assert told(verdict(tmp_path, text, strangers(said()))) == ("ineligible", "flag-off", "suggested")


def test_sparse_weights_in_a_build_that_did_not_ask_for_sparsity_are_no_fallback(tmp_path: Path) -> None:
    """The inspector says that weights qualify; what would help is the flag, not another format or type."""
    text = dense_log(lists=[]).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled", DISABLED).replace(" --sparsity=enable", "")
    found = verdict(tmp_path, text, info([said(HasSparseWeights=1)]))
    assert told(found) == ("ineligible", "flag-off", "proven") and found.eligibility.value is False
    of_another = verdict(tmp_path, text, strangers(said(HasSparseWeights=1)))
    assert of_another.status == "dense" and of_another.eligibility.proof == "suggested"  # that build may have asked for it


def test_a_log_that_is_silent_about_sparsity_suggests_that_the_flag_is_off(tmp_path: Path) -> None:
    text = dense_log(lists=[]).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled\n", "").replace(" --sparsity=enable", "")
    found = verdict(tmp_path, text)
    assert told(found) == ("ineligible", "flag-off", "suggested") and found.eligibility.proof == "suggested"


def folder(tmp_path: Path, options: dict[str, Any], log: str, layer_info: str) -> BuildDiagnosis:
    """A capture folder with a manifest."""
    place = tmp_path / "m.trtlens"
    place.mkdir()
    manifest = json.loads((FIXTURE / "manifest.json").read_text(encoding="utf-8"))
    manifest["backend"] |= {"name": "trtexec", "version": "8.6.1"}
    manifest["options"] |= options
    for name, text in (("manifest.json", json.dumps(manifest)), ("build.log", log), ("layer_info.json", layer_info)):
        (place / name).write_text(text, encoding="utf-8")
    build = explain([str(place)]).captures[0].main
    assert build is not None
    return build


def test_a_manifest_says_that_the_flag_is_off(tmp_path: Path) -> None:
    quiet = dense_log(lists=[]).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled\n", "").replace(" --sparsity=enable", "")
    build = folder(tmp_path, {"sparsity": "disable"}, quiet, info([said()]))
    assert told(build.layers[0]) == ("ineligible", "flag-off", "proven")
    assert [item.pointer for item in build.layers[0].evidence if isinstance(item, PointerEvidence)] == ["/options/sparsity"]


@pytest.mark.parametrize(("value", "reason"), [(True, "strict-nans"), (False, "not-listed")])
def test_strict_nans_may_be_why(value: bool, reason: str, tmp_path: Path) -> None:
    build = folder(tmp_path, {"sparsity": "enable", "strict_nans": value}, dense_log(eligible="conv7").text(), info([said()]))
    found = build.layers[0]
    assert (found.status, found.reason) == ("ineligible", reason) and (found.proof == "suggested" or not value)


# ---- where inputs disagree


def test_a_layer_that_is_marked_and_not_listed(tmp_path: Path) -> None:
    marked = said(HasSparseWeights=1)
    build = main(tmp_path, dense_log(eligible="conv7"), info([marked]))
    assert "HasSparseWeights = 1 for conv1" in warnings(build)[0]
    found = build.layers[0]
    assert (found.eligibility.value, found.eligibility.proof, pointers(found)[-1]) == (True, "suggested", ("/Layers/0/HasSparseWeights", '"HasSparseWeights": 1'))
    other = {**said(), "AllowSparse": 1}
    del other["HasSparseWeights"]
    build = main(tmp_path, dense_log(eligible="conv7"), info([other]))
    assert "AllowSparse = 1 for conv1" in warnings(build)[0] and pointers(build.layers[0])[-1][0] == "/Layers/0/AllowSparse"
    text = dense_log(eligible="conv7").text()
    assert not warnings(main(tmp_path, text[: text.index(ENGINE)], info([marked])))  # the list may go on
    assert not warnings(main(tmp_path, dense_log(eligible="conv7"), strangers(marked)))  # the list of another build


def weights(path: Path, *, two_four: bool = True, scaled: bool = False, name: str = LAYER, groups: int = 1) -> str:
    """A model of one convolution named conv1; `scaled`: its weights are computed before they are used."""
    values = np.random.default_rng(7).normal(size=(16, 8 // groups, 3, 3)).astype(np.float32)
    if two_four:
        values[:, [0, 1, 4, 5]] = 0
    nodes = [helper.make_node("Conv", ["x", "v" if scaled else "w"], ["y"], name=name, group=groups)]
    tensors = [numpy_helper.from_array(values, "w")]
    if scaled:
        nodes.insert(0, helper.make_node("Mul", ["w", "s"], ["v"], name="scale"))
        tensors.append(numpy_helper.from_array(np.full((16, 1, 1, 1), 2.0, dtype=np.float32), "s"))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 16, 16])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 14, 14])], tensors
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path / "m.onnx")
    return str(path / "m.onnx")


def with_model(tmp_path: Path, model: str, log: str, more: Sequence[tuple[str, str]] = ()) -> BuildDiagnosis:
    for name, text in (("build.log", log), *more):
        (tmp_path / name).write_text(text, encoding="utf-8")
    build = explain([model, *(str(tmp_path / name) for name in ("build.log", *(name for name, _ in more)))]).captures[0].main
    assert build is not None
    return build


def test_only_weights_that_are_proven_not_to_qualify_contradict_the_list(tmp_path: Path) -> None:
    for changes, disagrees in (({"two_four": False}, True), ({"two_four": True}, False), ({"two_four": False, "scaled": True}, False)):
        build = with_model(tmp_path, weights(tmp_path, **changes), dense_log().text())
        assert bool(warnings(build)) == disagrees, changes
        assert build.layers[0].eligibility.value is True and build.layers[0].eligibility.proof == "proven"


def test_weights_that_qualify_and_are_not_listed_are_told(tmp_path: Path) -> None:
    log = dense_log(eligible="conv7").text()
    assert "2:4 in the ONNX model" in warnings(with_model(tmp_path, weights(tmp_path), log))[0]
    assert not warnings(with_model(tmp_path, weights(tmp_path, two_four=False), log))


def test_elements_of_the_weights_are_cited_for_what_the_weights_show_alone(tmp_path: Path) -> None:
    """That a layer runs on DLA, or is grouped by its own key, is no matter of its weights' values."""
    log, cited = dense_log(eligible="conv7").text(), {}
    for changes, groups in (({}, 1), ({"LayerType": "DLA"}, 1), ({"Groups": 2}, 2)):
        build = with_model(tmp_path, weights(tmp_path, two_four=False, groups=groups), log, [("layer_info.json", info([said(**changes)]))])
        cited[build.layers[0].reason] = [type(item).__name__ for item in build.layers[0].evidence if not isinstance(item, LineEvidence)]
    assert cited == {"pattern": ["TensorEvidence"] * 3, "dla": [], "grouped": ["PointerEvidence"]}


def test_a_flag_that_seems_off_is_why_though_the_weights_qualify(tmp_path: Path) -> None:
    assert told(with_model(tmp_path, weights(tmp_path), quiet()).layers[0]) == ("ineligible", "flag-off", "suggested")


# ---- where layer info stands


def test_layer_info_that_the_log_prints_has_no_file_to_point_into(tmp_path: Path) -> None:
    for changes, value in (({"Groups": 8}, False), ({"HasDynamicFilter": 1}, False), ({"HasSparseWeights": 1}, True)):
        log = dense_log(eligible="conv7", version="10.3.0")
        log.engine.clear()
        build = main(tmp_path, log.text() + info([said(**changes)]) + "\n")
        assert build.layers[0].eligibility.value is value and pointers(build.layers[0]) == [], changes


def test_layer_info_may_be_the_first_input(tmp_path: Path) -> None:
    for name, text in (("build.log", dense_log(eligible="conv7").text()), ("layer_info.json", info([said(Groups=8)]))):
        (tmp_path / name).write_text(text, encoding="utf-8")
    build = explain([str(tmp_path / name) for name in ("layer_info.json", "build.log")]).captures[0].main
    assert build is not None and ("/Layers/0/Groups", "8") in pointers(build.layers[0])
    (tmp_path / "layer_info.json").write_text(info([said(HasSparseWeights=1)]), encoding="utf-8")
    build = explain([str(tmp_path / name) for name in ("layer_info.json", "build.log")]).captures[0].main
    assert build is not None and ("/Layers/0/HasSparseWeights", '"HasSparseWeights": 1') in pointers(build.layers[0])


def test_the_keys_of_a_convolution_that_was_fused_with_a_pooling_have_another_name(tmp_path: Path) -> None:
    fused = {**said(), "ConvGroups": 8, "ConvHasSparseWeights": 0}
    del fused["Groups"], fused["HasSparseWeights"]
    plain = said(Groups=8)
    del plain["HasSparseWeights"]
    for layer, key in ((fused, "ConvGroups"), (plain, "Groups")):
        found = verdict(tmp_path, dense_log(eligible="conv7"), info([layer]))
        assert told(found) == ("ineligible", "grouped", "proven") and pointers(found)[-1] == (f"/Layers/0/{key}", "8")


def test_what_the_weights_suggest_without_a_whole_list(tmp_path: Path) -> None:
    text = dense_log(eligible="conv7").text()
    cut = text[: text.index(ENGINE)]
    described = [("layer_info.json", info([said()]))]
    bad = with_model(tmp_path, weights(tmp_path, two_four=False), cut, described).layers[0]
    assert (bad.eligibility.value, [(item.reason, item.proof) for item in bad.suspects]) == (None, [("pattern", "suggested")])
    good = with_model(tmp_path, weights(tmp_path), cut, described).layers[0]
    assert (good.eligibility.value, good.eligibility.proof, good.suspects[:0]) == (True, "suggested", ())


def test_that_no_node_has_weights_is_as_sure_as_the_list_of_nodes(tmp_path: Path) -> None:
    """Layer info that names the ONNX nodes itself leaves none out."""
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name=LAYER)], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8])], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])]
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    for changes, proof in (({}, "suggested"), ({"Metadata": f"[ONNX Layer: {LAYER}]"}, "proven")):
        build = with_model(tmp_path, str(tmp_path / "m.onnx"), dense_log(eligible="conv7").text(), [("layer_info.json", info([said(**changes)]))])
        assert told(build.layers[0]) == ("ineligible", "op-kind", proof)


def quiet(**changes: Any) -> str:
    """A log that says nothing about the flag."""
    return dense_log(lists=[], **changes).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled\n", "").replace(" --sparsity=enable", "")


def test_silence_suggests_nothing_where_something_else_explains_it(tmp_path: Path) -> None:
    assert verdict(tmp_path, quiet()).reason == "flag-off"
    enabled = dense_log(lists=[]).text()
    cut = quiet()
    untuned = dense_log(lists=[])
    untuned.tuned = []
    chosen = dense_log(lists=["(Sparsity) TRT inference plan picked sparse implementation for layers:"]).text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled\n", "")
    silent = untuned.text().replace("[01/02/2030-03:04:05] [I] Sparsity: Enabled\n", "").replace(" --sparsity=enable", "")
    for text in (enabled, cut[: cut.index(ENGINE)], silent, chosen.replace(" --sparsity=enable", ""), quiet(version="7.2.3")):
        found = main(tmp_path, text, info([said()])).layers[0]
        assert (found.status, found.reason) != ("ineligible", "flag-off")
