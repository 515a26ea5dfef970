"""`trtlens diff`: what it prints and writes, and that a hostile name stays text in each form."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from tests.report import factory
from tests.report.factory import build, diagnosis, layer, sparse_layer, unknown_layer
from tests.synthetic.truth import Switches, make_capture
from trtlens.diagnose.diff import DiffResult, diff
from trtlens.diagnose.model import CaptureDiagnosis, Environment, LayerVerdict, RunningTactic
from trtlens.errors import InputError, UsageError
from trtlens.report.diff import compare, run_diff, side_files, side_names
from trtlens.report.diff_html import ROWS, diff_page, render_diff_html
from trtlens.report.diff_json import diff_schema, diff_to_dict
from trtlens.report.diff_terminal import render_diff
from trtlens.report.diff_words import story
from trtlens.text import display_width


def capture(*layers: LayerVerdict, **changes: object) -> CaptureDiagnosis:
    return diagnosis(build(layers, **changes)).captures[0]


def printed(result: DiffResult, width: int = 100, **options: bool) -> str:
    stream = io.StringIO()
    render_diff(result, Console(file=stream, width=width), **options)
    return stream.getvalue()


LOST = diff(capture(sparse_layer("conv", time_ms=0.08)), capture(layer("conv", time_ms=0.1)), names=("old", "new"))
_LAYERS = factory.hostile().captures[0].builds[0].layers
_CHANGED = [dataclasses.replace(one, reason="tie", tactic=RunningTactic(f"{one.name}!", 2, None, None)) for one in reversed(_LAYERS)]
HOSTILE = diff(factory.hostile().captures[0], capture(*_CHANGED, sparse_layer(factory.HOSTILE_NAMES[0] * 3)))


def test_the_headline_says_what_was_lost_and_what_it_costs() -> None:
    told = story(LOST)
    assert told.headline == "1 layer that ran sparse in old does not in new; 0.080 ms became 0.100 ms (beyond noise, +25.0 %)."
    (section,) = told.sections
    assert section.title == "Sparse in old, not in new"
    (row,) = section.rows
    assert (row.name, row.change) == ("conv", "sparse -> dense (slower)")
    assert "a dense one was faster" in row.why


def unknown(name: str, **changes: object) -> LayerVerdict:
    given = {"tactic": RunningTactic(None, 1, None, None), "onnx_nodes": (name,), "time_ms": None, **changes}
    return unknown_layer(name, "undetermined", "unnamed-tactic", **given)


KNOWN = [sparse_layer("s1", onnx_nodes=("s1",)), sparse_layer("s2", onnx_nodes=("s2",)), layer("d", onnx_nodes=("d",))]
UNKNOWN = [unknown("s1"), unknown("s2"), unknown("d")]


def test_what_one_side_does_not_say_is_no_change() -> None:
    forth, back = story(diff(capture(*KNOWN), capture(*UNKNOWN))), story(diff(capture(*UNKNOWN), capture(*KNOWN)))
    assert forth.headline == "2 layers ran sparse in A, and what runs in B is unknown."
    assert back.headline == "2 layers run sparse in B, and what ran in A is unknown."
    assert [(one.title, [row.name for row in one.rows]) for one in forth.sections] == [("Sparse in A, unknown in B", ["s1", "s2"]), ("Unknown in B", ["d"])]
    assert [(one.title, len(one.rows)) for one in back.sections] == [("Sparse in B, unknown in A", 2), ("Unknown in A", 1)]
    assert forth.sections[0].rows[0].change == "sparse -> undetermined (unnamed-tactic)"
    for told, sign in ((forth, "+"), (back, "-")):
        change = {label: change for label, _, _, change in told.totals}
        assert change["run sparse"] == change["eligible, run dense"] == change["fallback: slower"] == change["ms in fallbacks"] == "?"
        assert change["what runs is unknown"] == f"{sign}3"
    only = story(diff(capture(*KNOWN[2:]), capture(unknown("d"))))
    assert only.headline == "No layer is known to have begun or ceased to run sparse."


def test_a_difference_that_the_unknown_cannot_make_is_told() -> None:
    sparse = [sparse_layer(f"s{i}", onnx_nodes=(f"s{i}",)) for i in range(4)]
    dense = [layer(f"s{i}", onnx_nodes=(f"s{i}",)) for i in range(3)]
    figures = {label: row for label, *row in story(diff(capture(*sparse), capture(*dense, unknown("s3")))).totals}
    assert figures["run sparse"] == ["4", "0", "-4"] and figures["eligible, run dense"] == ["0", "3", "+3"]
    assert figures["what runs is unknown"] == ["0", "1", "+1"]
    unseen = [dataclasses.replace(one, reason="not-captured") for one in dense]
    reasons = {label: row for label, *row in story(diff(capture(*unseen), capture(*dense))).totals if label.startswith("fallback: ")}
    assert reasons == {"fallback: not-captured": ["3", "0", "-3"], "fallback: slower": ["0", "3", "?"]}


def test_a_sum_over_some_fallbacks_is_a_lower_limit_and_no_gain() -> None:
    timed, untimed = (layer(name, onnx_nodes=(name,), time_ms=time) for name, time in (("c", 0.1), ("d", None)))
    before = capture(layer("c", onnx_nodes=("c",), time_ms=0.1), layer("d", onnx_nodes=("d",), time_ms=0.2))
    figures = {label: row for label, *row in story(diff(before, capture(timed, untimed))).totals}
    assert figures["ms in fallbacks"] == ["0.300", "at least 0.100", "?"]
    assert " \n" not in printed(diff(before, before))
    whole = {label: row for label, *row in story(diff(before, before)).totals}
    assert whole["ms in fallbacks"] == ["0.300", "0.300", "0"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_and_what_changed_are_readable_at_every_width(width: int) -> None:
    a = [layer("Conv_118 + Relu_7", onnx_nodes=("x",)), layer("Conv_119 + Relu_8", reason="not-captured", onnx_nodes=("y",))]
    b = [layer("Conv_118 + Relu_7", onnx_nodes=("x",), status="ineligible", reason="weights-not-constant"), unknown("Conv_119 + Relu_8", onnx_nodes=("y",), time_ms=0.2)]
    text = printed(diff(capture(*a), capture(*b), names=("layer_info_before.json", "layer_info_after.json")), width)
    lines = text.splitlines()
    assert "A: layer_info_before.json, B: layer_info_after.json" in lines
    for part in ("Conv_118 + Relu_7", "Conv_119 + Relu_8", "-> ineligible (weights-not-constant)", "dense (not-captured)", "-> undetermined (unnamed-tactic)", "what runs is unknown"):
        if width == 60:
            part = part.split(" (")[0]  # a third line for the longest reasons
        assert any(part in line for line in lines), (part, text)
    assert ("A ms" in text) == (width >= 80)
    assert max(map(len, lines)) <= width


def test_no_column_holds_nothing_but_question_marks() -> None:
    text = printed(diff(capture(layer("c", time_ms=None)), capture(sparse_layer("c", onnx_nodes=("c", "Relu_1"), time_ms=None))))
    assert ["layer", "what"] in [line.split() for line in text.splitlines()]
    assert ["c", "dense", "(slower)", "->", "sparse"] in [line.split() for line in text.splitlines()]


def test_nothing_changed_is_said_plainly() -> None:
    same = capture(layer("conv"))
    told = story(diff(same, same))
    assert told.headline.startswith("No layer began or ceased to run sparse; 0.102 ms became 0.102 ms (within noise")
    assert told.sections == ()
    assert "1 group of layers did not change" in told.notes[0]


def test_fusions_missing_times_and_other_statuses_are_told() -> None:
    a = [layer("whole", onnx_nodes=("x", "y", "z", "w", "v")), layer("gone", time_ms=None), layer("kept", onnx_nodes=("k",))]
    parts = [layer(name, onnx_nodes=(name,), time_ms=0.05) for name in "xyzwv"]
    b = [*parts, layer("gone", status="ineligible", reason="pattern", time_ms=None), layer("kept", onnx_nodes=("k",), proof="suggested")]
    told = story(diff(capture(*a), capture(*b)))
    assert [section.title for section in told.sections] == ["Another status", "Slower in B beyond noise", "Another reason or proof"]
    assert told.sections[0].rows[0].change == "dense (slower) -> ineligible (pattern)"
    assert told.sections[1].rows[0].name == "whole => x | y | z | 2 more"
    assert any(note == "1 group is fused differently; the times of a group are summed." for note in told.notes)
    assert any(note == "1 group has no time on one side, and none is compared." for note in told.notes)
    text = printed(diff(capture(*a), capture(*b)), 120)
    assert "whole => x | y | z | 2 more" in text


def test_a_sparse_layer_without_a_counterpart_is_not_called_unchanged() -> None:
    bare = {"input_formats": (), "output_formats": ()}
    a = capture(sparse_layer("gone", onnx_nodes=("gone",), **bare), layer("kept", onnx_nodes=("kept",)))
    b = capture(layer("kept", onnx_nodes=("kept",)), layer("come", onnx_nodes=("come",), **bare))
    assert story(diff(a, b)).headline.startswith("1 sparse layer of A has no counterpart in B; ")
    apart = diff(capture(layer("x", onnx_nodes=("x",), **bare)), capture(layer("y", onnx_nodes=("y",), **bare)))
    assert story(apart).headline.startswith("No layer of one is found in the other; ")


def test_layers_matched_by_shape_alone_say_so() -> None:
    formats = {"onnx_nodes": (), "input_formats": ("Half CHW16 1x8",), "output_formats": ("Half CHW16 1x9",)}
    told = story(diff(capture(layer("old", **formats)), capture(layer("new", **formats, time_ms=0.5))))
    ((row,),) = (section.rows for section in told.sections)
    assert row.details[0] == ("names", "old", "new")
    assert row.details[-1] == ("matched by", "structure", "its shapes and neighbours")


def test_what_one_side_has_alone_is_listed_up_to_a_limit() -> None:
    lone = [layer(f"only{i}", onnx_nodes=(f"only{i}",), input_formats=(), output_formats=()) for i in range(20)]
    text = printed(diff(capture(layer("conv")), capture(layer("conv"), *lone)))
    assert "In B alone, without a counterpart in A: 20 layers" in text
    assert "... and 5 more" in text


def test_each_group_stands_in_one_section_worst_first() -> None:
    a = [layer(f"c{i}", time_ms=0.1) for i in range(6)]
    b = [layer("c0", time_ms=0.11), layer("c1", time_ms=0.2), layer("c2", time_ms=0.05), sparse_layer("c3"), layer("c4", reason="tie"), layer("c5")]
    told = story(diff(capture(*a), capture(*b)))
    assert [(s.title, [row.name for row in s.rows]) for s in told.sections] == [
        ("Sparse in B, not in A", ["c3"]),
        ("Slower in B beyond noise", ["c1", "c0"]),
        ("Faster in B beyond noise", ["c2"]),
        ("Another reason or proof", ["c4"]),
    ]


def test_the_environment_comes_before_everything_else() -> None:
    other = capture(layer("conv"), environment=Environment("10.3.0", "Orin", "8.7", ("fp16",), "enable", None))
    lines = printed(diff(capture(layer("conv")), other)).splitlines()
    assert lines[0] == "! TensorRT: 8.5.2 in A, 10.3.0 in B"


def test_quiet_is_one_sentence() -> None:
    text = printed(LOST, quiet=True)
    assert text.split("\n\n") == [text]
    assert text.startswith("1 layer that ran sparse in old does not in new")


@pytest.mark.parametrize("width", [60, 100, 200])
@pytest.mark.parametrize("result", [LOST, HOSTILE], ids=["lost", "hostile"])
def test_the_terminal_view_fits_and_moves_no_cursor(result: DiffResult, width: int) -> None:
    text = printed(result, width)
    assert max(map(display_width, text.split("\n"))) <= width
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b\u2028\ud800-\udfff]", text)


@pytest.mark.parametrize("result", [LOST, HOSTILE], ids=["lost", "hostile"])
def test_the_json_is_what_its_schema_says(result: DiffResult) -> None:
    document = json.loads(json.dumps(diff_to_dict(result), allow_nan=False))
    jsonschema.Draft202012Validator.check_schema(diff_schema())
    jsonschema.Draft202012Validator(diff_schema()).validate(document)
    assert len(document["layers"]) == len(result.layers)


def test_the_schema_refuses_another_document() -> None:
    document = diff_to_dict(LOST)
    document["layers"][0]["a"]["status"] = "fast"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(diff_schema()).validate(document)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}


def test_a_hostile_name_adds_no_tag_and_the_policy_names_the_style() -> None:
    text = render_diff_html(HOSTILE)
    tags = Tags()
    tags.feed(text)
    assert tags.tags.keys().isdisjoint({"script", "img", "iframe", "a", "form"})
    assert tags.tags["details"] == sum(bool(row["details"]) for section in diff_page(HOSTILE)["sections"] for row in section["rows"])
    assert not any(name.startswith("on") for name in tags.attributes)
    match = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert match is not None
    digest = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
    assert f"style-src-elem 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert "http" not in re.sub(r"http-equiv|https:(?:&#47;|/)+example\.com|http:(?:/|&#47;)+x", "", text)


def test_a_page_of_thousands_of_changes_says_what_it_leaves_out() -> None:
    a = capture(*(layer(f"c{i}", onnx_nodes=(f"c{i}",), time_ms=0.1) for i in range(ROWS + 7)))
    b = capture(*(layer(f"c{i}", onnx_nodes=(f"c{i}",), time_ms=0.2) for i in range(ROWS + 7)))
    (section,) = diff_page(diff(a, b))["sections"]
    assert (len(section["rows"]), section["more"]) == (ROWS, 7)


# ---- the command


def write(folder: Path, seed: int, dialect: str, **changes: object) -> Path:
    made = make_capture(seed, dialect, Switches(**changes))  # type: ignore[arg-type]
    folder.mkdir()
    (folder / "build.log").write_text(made.log)
    if made.layer_info:
        (folder / "layer_info.json").write_text(made.layer_info)
    if made.profile:
        (folder / "profile.json").write_text(made.profile)
    return folder


def test_two_folders_are_compared_and_written(tmp_path: Path) -> None:
    a, b = write(tmp_path / "before", 3, "8.5"), write(tmp_path / "after", 3, "8.6")
    stream = io.StringIO()
    code = run_diff(str(a), str(b), str(tmp_path / "d.json"), str(tmp_path / "d.html"), console=Console(file=stream, width=100))
    assert code is None
    document = json.loads((tmp_path / "d.json").read_text())
    jsonschema.Draft202012Validator(diff_schema()).validate(document)
    assert (document["a"]["name"], document["b"]["name"]) == ("before", "after")
    assert document["only_a"] == document["only_b"] == []
    assert {change["kind"] for one in document["layers"] for change in one["changes"]} <= {"status", "reason", "proof", "tactic", "time"}
    assert "TensorRT: 8.5" in stream.getvalue()
    assert (tmp_path / "d.html").read_text().startswith("<!doctype html>")


def test_loose_files_are_joined_by_commas(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", 3, "8.5")
    files = ",".join(str(path) for path in sorted(folder.iterdir()))
    result = compare(files, str(folder))
    assert result.layers
    assert not any(one.changed for one in result.layers)


def test_a_file_whose_name_holds_a_comma_is_one_file(tmp_path: Path) -> None:
    odd = tmp_path / "a,b.log"
    odd.write_text("x")
    assert side_files(str(odd)) == [str(odd)]
    assert side_files("a.json, b.log") == ["a.json", "b.log"]
    assert len(side_files(",".join(["long/name.json"] * 1000))) == 1000


def test_a_side_that_is_two_captures_or_none_is_refused(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", 3, "8.5"), write(tmp_path / "two", 3, "8.5")
    with pytest.raises(UsageError, match="is 2 captures"):
        compare(f"{one},{two}", str(one))
    with pytest.raises(InputError, match="no such file"):
        compare(str(tmp_path / "missing.log"), str(one))
    with pytest.raises(UsageError, match="standard input"):
        compare("-", "-")


def test_sides_are_called_by_what_tells_them_apart() -> None:
    assert side_names("runs/trt8/capture", "runs/trt10/capture") == ("trt8", "trt10")
    assert side_names("x", "x") == ("A", "B")
    assert side_names("a" * 60 + ".json", "b.json") == ("A", "B")
    assert side_names("trt8/layers.json,trt8/build.log", "trt10/layers.json") == ("trt8", "trt10")


def test_the_comparison_does_not_depend_on_who_is_asked_first() -> None:
    a, b = factory.engine(120).captures[0], factory.engine(90).captures[0]
    forth, back = diff(a, b), diff(b, a)
    assert {(one.a.names, one.b.names) for one in forth.layers} == {(one.b.names, one.a.names) for one in back.layers}
    assert [one.name for one in forth.only_a] == [one.name for one in back.only_b]


def test_a_time_that_is_not_finite_is_written_as_unknown() -> None:
    odd = dataclasses.replace(layer("conv"), time_ms=float("inf"))
    document = diff_to_dict(diff(capture(odd), capture(layer("conv"))))
    assert document["layers"][0]["a"]["time_ms"] is None
