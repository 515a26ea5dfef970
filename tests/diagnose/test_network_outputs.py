"""A log alone names the network's outputs where trtexec parsed the model: then a tensor that others take is known not to leave the network, too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.diagnose.hand_made import (
    DENSE_2,
    DENSE_HWC,
    INFO_HWC8,
    INTO,
    LAYER,
    OUT,
    Log,
    X,
    Y,
    consumer,
    engine_line,
    info,
    info_layer,
    switch_log,
    verdict,
)
from tests.diagnose.test_truth import defects
from tests.synthetic.truth import make_capture
from trtlens.diagnose.explain import explain
from trtlens.diagnose.model import BuildDiagnosis

SUMS = ("format-cost", "io-format", "tie")


def diagnosed(path: Path, text: str) -> BuildDiagnosis:
    path.write_text(text, encoding="utf-8")
    main = explain([str(path)]).captures[0].main
    assert main is not None
    return main


def test_outputs_that_are_listed_prove_reformat_sums(tmp_path: Path) -> None:
    gained = 0
    for seed in range(160):
        made = make_capture(seed)
        if made.log is None or "] [I] === " not in made.log or " as output: " not in made.log:
            continue
        listed = diagnosed(tmp_path / "build.log", made.log)
        silent = diagnosed(tmp_path / "build.log", re.sub(r"Marking \S+ as output: \S+", "Setting workspace to 1", made.log))
        if defects(made, silent):
            continue  # the truth is that of the whole capture: here the layer info is of another build than the log
        assert defects(made, listed) == []
        for one, other in zip(listed.layers, silent.layers, strict=True):
            assert one.name == other.name and one.status == other.status
            if one.reason == other.reason and one.proof != other.proof:
                assert one.proof == "proven" and one.reason in SUMS
                gained += 1
    assert gained > 0


# ---- a list of outputs, or of layers, that is not whole

PREFIX = "[01/02/2030-03:04:05] [V] [TRT] "
Z = "z (Half[1,64:8,28,28])"


def feeding(*outputs: str) -> Log:
    """conv1 feeds conv2; its log alone lists the network's input and these outputs."""
    tuned, line = consumer("conv2", Y, Z)
    log = switch_log([INTO, OUT], tuned, [engine_line(LAYER, DENSE_HWC, X, Y), line])
    log.before = [f"{PREFIX}Adding network input: x with dtype: float16, dimensions: (1, 64, 28, 28)", *(f"{PREFIX}Marking {name}_1 as output: {name}" for name in outputs)]
    return log


def test_only_as_many_outputs_as_are_kept_prove_a_sum(tmp_path: Path) -> None:
    assert verdict(tmp_path, feeding("z")).proof == "proven"
    # y is an output of the network as well, and the last one of a very long list.
    assert verdict(tmp_path, feeding(*(f"z{number}" for number in range(6000)), "y")).proof == "suggested"


def test_a_damaged_line_before_the_tuning_may_have_been_an_output(tmp_path: Path) -> None:
    log = feeding("z", "y")
    one, two = log.before[-1], f"{PREFIX}Applying generic optimizations to the graph for inference."
    log.before[-1:] = [one[:50] + two[45:]]
    assert verdict(tmp_path, log).proof == "suggested"
    log = feeding("z")
    log.before[-1] = f"{PREFIX}Marking z_1 as output: {PREFIX}Applying generic optimizations to the graph for inference."
    assert verdict(tmp_path, log).proof == "suggested"


@pytest.mark.parametrize("damage", ["cut", "hole", "none"])
def test_layer_info_of_which_a_layer_is_lost_proves_no_sum(damage: str, tmp_path: Path) -> None:
    """conv2, which takes y, stands in the damaged part: without it a switch of conv1 seems to need no copy for it. The log does not print its engine."""
    tuned, _ = consumer("conv2", Y, Z)
    log = switch_log([INTO, OUT], tuned, [])
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), info_layer("conv2", DENSE_2, {"y": INFO_HWC8}, {"z": INFO_HWC8})]
    text = info(layers, ("x", "z"))
    start = text.index('{"Name": "conv2"')
    if damage == "cut":
        text = text[: start + 40]
    elif damage == "hole":
        text = text[:start] + text[start + 40 :]
    log.lists = None
    found = verdict(tmp_path, log, text)
    assert found.proof == ("proven" if damage == "none" else "suggested")


@pytest.mark.parametrize(
    ("said", "proof"),
    [
        ('"Origin": "of a "quoted" kind"', "proven"),
        ('"Origin": nan', "proven"),
        ('"HasSparseWeights": 7', "proven"),
        ('"Outputs": 7', "suggested"),
        ('"Origin": [1,]', "suggested"),  # TensorRT writes none: somebody's editor may have cut the last items off
    ],
)
def test_a_repair_of_layer_info_that_loses_nothing_leaves_a_sum_proven(said: str, proof: str, tmp_path: Path) -> None:
    tuned, _ = consumer("conv2", Y, Z)
    log = switch_log([INTO, OUT], tuned, [])
    log.lists = None
    two = {**info_layer("conv2", DENSE_2, {"y": INFO_HWC8}, {"z": INFO_HWC8}), "Other": "OTHER"}
    layers = [info_layer(LAYER, DENSE_HWC, {"x": INFO_HWC8}, {"y": INFO_HWC8}), two]
    text = json.dumps(json.loads(info(layers, ("x", "z"))), indent=1)
    assert '"Other": "OTHER"' in text
    key = said.split(":")[0]
    if key in ('"HasSparseWeights"', '"Outputs"'):
        del two[key.strip('"')]
        text = json.dumps(json.loads(info(layers, ("x", "z"))), indent=1)
    path = tmp_path / "one"
    path.mkdir()
    found = verdict(path, log, text.replace('"Other": "OTHER"', said))
    assert found.proof == proof


def test_a_damaged_line_of_the_engine_may_be_a_layer_that_takes_the_tensor(tmp_path: Path) -> None:
    log = feeding("z")
    log.engine = [*log.engine, engine_line("conv3", DENSE_2, Y, "w (Half[1,64:8,28,28])")]
    log.engine[-1] = log.engine[-1][:20] + f"{PREFIX}Some other line" + log.engine[-1][20:]
    assert verdict(tmp_path, log).proof == "suggested"
