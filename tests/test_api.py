"""The Python API: what it gives, what it raises, and how little importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import trtlens
from tests.synthetic.truth import Switches, make_capture
from trtlens.diagnose.rules import Noise
from trtlens.errors import InputError, TrtlensError, UsageError
from trtlens.tables import TABLES

HEAVY = {"pandas", "numpy", "pyarrow", "plotly", "onnx", "jinja2", "rich", "typer", "jsonschema", "pyparsing", "zstandard", "tensorrt", "fsspec"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "one"
    write(path, 3)
    return path


def write(path: Path, seed: int) -> None:
    made = make_capture(seed, "8.5", Switches())
    path.mkdir()
    (path / "build.log").write_text(made.log)
    (path / "layer_info.json").write_text(made.layer_info or "")
    (path / "profile.json").write_text(made.profile or "")


def loaded_after(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_it_imports_nothing_heavy() -> None:
    assert not HEAVY & loaded_after("import trtlens; trtlens.__version__; dir(trtlens)")
    assert not HEAVY & loaded_after("import trtlens; trtlens.explain, trtlens.load, trtlens.diff, trtlens.Explanation")


def test_a_name_that_it_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'explane'"):
        trtlens.explane  # type: ignore[attr-defined]  # noqa: B018
    assert {"explain", "load", "diff"} <= set(dir(trtlens))


def test_tables_are_frames_made_once(folder: Path) -> None:
    capture = trtlens.load(folder)
    assert list(capture.tables) == list(TABLES)
    assert len(capture.tables) == len(TABLES)
    assert "tactics" in capture.tables and "nonsense" not in capture.tables
    tactics = capture.tables["tactics"]
    assert tactics is capture.tables["tactics"]
    assert tactics["tactic"].dtype == "UInt64"
    assert (tactics["time_ms"].dropna() > 0).all()
    with pytest.raises(KeyError, match="there is no such table; it is one of layers, tactics"):
        capture.tables["nonsense"]
    assert {item.kind for item in capture.inputs} == {"build_log", "layer_info", "timing_profile"}
    assert "build.log" in repr(capture)


def test_loose_files_are_one_capture(folder: Path) -> None:
    files = sorted(folder.iterdir())
    assert trtlens.load(*files).tables["layers"]["layer"].tolist() == trtlens.load(str(folder)).tables["layers"]["layer"].tolist()


def test_an_explanation_has_verdicts_warnings_and_reports(folder: Path, tmp_path: Path) -> None:
    found = trtlens.explain(folder)
    main = found.diagnosis.captures[0].main
    assert main is not None
    assert found.verdicts["layer"].tolist() == [layer.name for layer in main.layers]
    assert found.verdicts["status"].tolist() == [layer.status for layer in main.layers]
    assert found.warnings == main.warnings
    assert json.loads(found.to_json())["schema_version"] == 1
    assert found.to_html(tmp_path / "r.html").startswith("<!doctype html>")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == found.to_html()
    assert found.to_markdown(tmp_path / "r.md") == (tmp_path / "r.md").read_text(encoding="utf-8")
    assert found.to_json(tmp_path / "r.json") == (tmp_path / "r.json").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be written"):
        found.to_json(tmp_path / "missing" / "r.json")


def test_the_verdicts_are_those_of_the_main_builds_of_all_captures(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    write(second, 4)
    log = (folder / "build.log").read_text() + (second / "build.log").read_text()
    (second / "build.log").write_text(log)  # two builds in one log
    found = trtlens.explain(folder, second)
    assert len(found.diagnosis.captures[1].builds) == 2
    mains = [capture.main for capture in found.diagnosis.captures]
    assert found.verdicts["layer"].tolist() == [layer.name for main in mains if main is not None for layer in main.layers]
    first = trtlens.explain(second, build=0)
    assert first.diagnosis.captures[0].main_build == 0
    assert set(first.verdicts["build"]) == {0}


def test_noise_is_text_or_a_record(folder: Path) -> None:
    assert trtlens.explain(folder, noise=Noise(0.03, 0.001)).diagnosis == trtlens.explain(folder, noise="3%,1us").diagnosis
    with pytest.raises(UsageError, match="--noise"):
        trtlens.explain(folder, noise="plenty")


def test_errors_are_of_one_family(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        trtlens.load(tmp_path / "nothing.log")
    with pytest.raises(UsageError, match="no input"):
        trtlens.explain()
    assert issubclass(InputError, TrtlensError)


def test_two_captures_are_compared(folder: Path) -> None:
    result = trtlens.diff(folder, folder)
    assert result.layers and not any(one.changed for one in result.layers)


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert attrs == []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_notebook_shows_the_answer_small_and_escaped(tmp_path: Path) -> None:
    name = "</td><script>alert(1)</script>\x1b[31m"
    layers = [
        {"Name": f"{name}{i}", "LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "HasSparseWeights": 1, "TacticName": "sm80_xmma_fprop_implicit_gemm"}
        for i in range(12)
    ]
    (tmp_path / "li.json").write_text(json.dumps({"Layers": layers, "Bindings": []}))
    found = trtlens.explain(tmp_path / "li.json")
    shown = found._repr_html_()
    parser = Text()
    parser.feed(shown)
    assert parser.tags == {"p", "b", "table", "thead", "tbody", "tr", "th", "td", "code"}
    assert "</td><script>alert(1)</script>\\x1b[31m0" in parser.words
    assert "2 more fallbacks are in " in parser.words
    assert len(shown) < 10_000
    assert repr(found).startswith("<trtlens.Explanation: All 12 eligible layers run dense")
