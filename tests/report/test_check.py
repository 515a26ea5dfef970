"""`trtlens check` as a whole: what it writes, and when its gate holds."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from tests.onnx_builder import conv, dense, save, tensor, two_four
from trtlens.diagnose.weights import check_model
from trtlens.errors import InputError, UsageError
from trtlens.report.check import gate_failures, gate_ids, report_check


@pytest.fixture
def model(tmp_path: Path) -> str:
    nodes = [conv("good", "a", "good"), conv("dense", "b", "dense"), conv("group", "y", "group", group=2)]
    tensors = [tensor("good", two_four((6, 8, 1, 1), 1)), tensor("dense", dense((6, 8, 3, 3))), tensor("group", dense((6, 4, 1, 1)))]
    return str(save(tmp_path / "m.onnx", nodes, tensors))


def run(model: str, capsys: pytest.CaptureFixture[str], *, fail_on: tuple[str, ...] = (), allow_unknown: bool = False, **paths: str) -> tuple[int | None, str, str]:
    out = StringIO()
    code = report_check(
        model, paths.get("json"), paths.get("html"), paths.get("tables"), paths.get("format", "parquet"), fail_on, allow_unknown, True, Console(file=out, width=80)
    )
    return code, out.getvalue(), capsys.readouterr().err


def test_everything_that_was_asked_for_is_written(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"json": str(tmp_path / "c.json"), "html": str(tmp_path / "c.html"), "tables": str(tmp_path / "t")}
    code, text, _ = run(model, capsys, **places)
    assert code is None and text == "The weights of 1 of 3 layers qualify for 2:4 sparsity.\n"
    document = json.loads(Path(places["json"]).read_text())
    frame = pd.read_parquet(tmp_path / "t" / "weights.parquet")
    assert [layer["name"] for layer in document["layers"]] == list(frame["node"]) == ["good", "dense", "group"]
    assert [layer["status"] for layer in document["layers"]] == list(frame["status"]) and list(frame["shape"])[1] == "6x8x3x3"
    assert "<html" in Path(places["html"]).read_text()


def test_without_options_nothing_is_written(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    assert run(model, capsys)[0] is None and sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("fail_on", "code", "said"),
    [
        (("ineligible",), 1, "ineligible: 2 weights, 'dense' among them"),
        (("pattern,grouped",), 1, "grouped: 1 weight, 'group'"),
        (("eligible",), 1, "eligible: 1 weight, 'good'"),
        (("precision", "dla"), None, ""),
        (("undetermined",), None, ""),
        ((), None, ""),
    ],
)
def test_the_gate(model: str, capsys: pytest.CaptureFixture[str], fail_on: tuple[str, ...], code: int | None, said: str) -> None:
    found, _, error = run(model, capsys, fail_on=fail_on)
    assert found == code and said in error and error.count("gate:") == (sum(len(f.split(",")) for f in fail_on) if code else 0)


def test_a_weight_that_cannot_be_told_holds_any_gate_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    # No elements: nothing to count, so check says undetermined.
    path = str(save(tmp_path / "m.onnx", [conv("empty", "a", "empty")], [tensor("empty", np.zeros((0, 8, 1, 1), np.float32))]))
    assert [w.status for w in check_model(path).weights] == ["undetermined"]
    code, _, error = run(path, capsys, fail_on=("pattern",))
    assert code == 1 and "cannot tell: pattern could hold for 1 weight" in error
    assert run(path, capsys, fail_on=("pattern",), allow_unknown=True)[0] is None
    assert gate_failures(check_model(path), ["undetermined"]) == ["undetermined: 1 weight, 'empty'"]


def test_every_warning_of_check_can_be_a_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from onnx import helper

    nodes = [helper.make_node("Conv", ["a", "w"], ["b"]), conv("two", "b", "w", group=2), conv("one", "free", "w")]
    found = check_model(save(tmp_path / "m.onnx", nodes, [tensor("w", two_four((8, 8, 1, 1), 1))]))
    warned = [f"warn:{warning.id}" for warning in found.warnings]
    assert "warn:unnamed-nodes" in warned
    assert gate_ids([",".join(warned)]) == tuple(warned)
    assert len(gate_failures(found, warned)) == len(warned)


@pytest.mark.parametrize("id", ["slower", "patern", "dense", "warn:nothing", "warn:capture-mismatch"])
def test_an_id_that_check_never_finds_is_wrong_usage(id: str) -> None:
    with pytest.raises(UsageError, match="--fail-on"):
        gate_ids([id])


def test_wrong_options_are_told_before_the_model_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        run(str(tmp_path / "missing.onnx"), capsys, fail_on=("nonsense",))
    with pytest.raises(UsageError):
        run(str(tmp_path / "missing.onnx"), capsys, tables=str(tmp_path / "t"), format="xlsx")
    with pytest.raises(InputError):
        run(str(tmp_path / "missing.onnx"), capsys, fail_on=("pattern",))
