"""The weight check in a terminal, as JSON and as a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.onnx_builder import conv, dense, save, tensor, two_four
from trtlens.diagnose.weights import ModelCheck, check_model
from trtlens.report import check_html, check_json, check_terminal
from trtlens.report.check_words import percent, size, worst_first
from trtlens.text import display_width

HOSTILE = "[bold]<script>alert(1)</script>\x1b[31m\u202eevil/" + "層" * 60


@pytest.fixture
def check(tmp_path: Path) -> ModelCheck:
    almost = two_four((64, 8, 1, 1), 1)
    almost[7, :4] = 1
    nodes = [conv("good", "a", "good"), conv("dense", "b", HOSTILE), conv("almost", "c", "almost"), conv("group", "y", "group", group=2)]
    tensors = [
        tensor("good", two_four((6, 8, 1, 1), 1)),
        tensor("dense", dense((6, 8, 3, 3))),
        tensor("almost", almost),
        tensor("group", dense((6, 4, 1, 1))),
    ]
    return check_model(save(tmp_path / "m.onnx", nodes, tensors))


def printed(check: ModelCheck, **options: object) -> str:
    stream = io.StringIO()
    check_terminal.render(check, Console(file=stream, width=200), **options)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize(
    ("weight", "said"),
    [(two_four((6, 8, 1, 1), 1), "The weights of the one layer qualify"), (dense((6, 8, 3, 3)), "The weights of the one layer do not qualify")],
)
def test_one_layer_is_said_as_one(tmp_path: Path, weight: object, said: str) -> None:
    found = check_model(save(tmp_path / "m.onnx", [conv("w", "a", "one")], [tensor("w", weight)]))  # type: ignore[arg-type]
    assert printed(found, quiet=True) == f"{said} for 2:4 sparsity.\n"


def test_the_terminal_keeps_to_80_columns_and_lets_no_control_character_through(check: ModelCheck) -> None:
    for text in (printed(check), printed(check, layer=HOSTILE), printed(check, layer="absent\x1b[31m"), printed(check, limit=1)):
        assert max(map(display_width, text.splitlines())) <= 80
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


def test_the_terminal_says_what_counts(check: ModelCheck) -> None:
    text = printed(check)
    assert text.startswith("The weights of 1 of 4 layers qualify for 2:4 sparsity.")
    assert "only a build log proves" in " ".join(text.split())
    assert "1 of 128 groups violate: first at [k=7, c=0..3, r=0, s=0]" in " ".join(text.split())
    assert text.index("[bold]") < text.index("almost")  # the dense weight has more bytes in violating groups
    assert "good" not in text.split("Worst first")[1]
    assert printed(check, quiet=True).count("\n") == 1
    assert "and 2 more" in " ".join(printed(check, limit=1).split())
    deep = printed(check, layer="almost")
    assert "worst output channel: 7 with 1 violating group\n" in deep
    assert "ineligible: pattern (proven)" in deep
    assert "No weight belongs" in printed(check, layer="absent")


def test_the_json_is_what_its_schema_says(check: ModelCheck) -> None:
    document = check_json.to_dict(check)
    check_json.validate(document)
    assert [layer["status"] for layer in document["layers"]] == ["eligible", "ineligible", "ineligible", "ineligible"]
    almost = document["layers"][2]
    assert almost["first_violations"] == [{"index": [7, 0, 0, 0], "length": 4, "nonzeros": 4}]
    assert (almost["axis"], almost["conforming_axes"], almost["reason"], almost["proof"]) == (1, [], "pattern", "proven")
    assert document["summary"]["by_reason"] == {"grouped": 1, "pattern": 2}
    del document["layers"][0]["groups"]
    with pytest.raises(Exception, match="groups"):
        check_json.validate(document)


def test_the_page_loads_nothing_and_escapes_names(check: ModelCheck) -> None:
    page = check_html.to_html(check)
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "only a build log proves" in page
    assert "1 of 128 groups violate" in page
    assert len(page) < 20_000


def test_a_model_without_weights(tmp_path: Path) -> None:
    from onnx import helper

    empty = check_model(save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], []))
    assert "no weights to check" in printed(empty)
    check_json.validate(check_json.to_dict(empty))
    assert "no weights to check" in check_html.to_html(empty)


def test_order_and_figures(check: ModelCheck) -> None:
    assert [weight.name for weight in worst_first(check)] == [HOSTILE, "group", "almost", "good"]
    assert [percent(0.99999), percent(1.0), percent(None), size(999), size(1_500_000)] == ["99.9 %", "100.0 %", "", "999 B", "1.5 MB"]


def test_what_was_not_counted_is_not_shown(tmp_path: Path) -> None:
    """GIVEN a weight that is computed at run time WHEN it is shown in depth THEN no figure stands for what nobody counted."""
    from onnx import helper

    nodes = [helper.make_node("MatMul", ["x", "given"], ["y"], name="runtime")]
    check = check_model(save(tmp_path / "m.onnx", nodes, [], inputs={"x": [1, 8], "given": [8, 6]}))
    text = printed(check, layer="runtime")
    assert "weight: given" in text
    for figure in ("conforming groups", "type and shape", "groups of 4 along axis", "zeros that FP16 adds", "worst output"):
        assert figure not in text
    check_json.validate(check_json.to_dict(check))


def test_what_rounding_and_other_axes_do_is_shown(tmp_path: Path) -> None:
    import numpy as np

    tiny = dense((8, 8, 1, 1)).astype(np.float32)
    tiny[:, [0, 1, 4, 5]] = 1e-12  # FP16 has no such number
    check = check_model(save(tmp_path / "m.onnx", [conv("w", "y", "tiny")], [tensor("w", tiny)]))
    text = printed(check, layer="tiny")
    assert "after rounding to FP16: 16 conform" in text and "zeros that FP16 adds: 32" in text
    turned = check_model(save(tmp_path / "t.onnx", [conv("w", "y", "turned")], [tensor("w", two_four((8, 8, 1, 1), 0))]))
    assert "conforms along axis: 0" in printed(turned, layer="turned")


def test_a_model_whose_weights_all_qualify_says_so(tmp_path: Path) -> None:
    check = check_model(save(tmp_path / "m.onnx", [conv("w", "y", "good")], [tensor("w", two_four((6, 8, 1, 1), 1))]))
    assert printed(check).startswith("The weights of the one layer qualify for 2:4 sparsity.")
