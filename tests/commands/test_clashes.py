"""What an output must not take the place of: inputs under any name, the files that a model or a capture consists of, other outputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.capture import fake_trtexec, models
from tests.capture.test_folder import MANIFEST_RECORD
from trtlens.cli import app
from trtlens.commands.clashes import refuse_clashes
from trtlens.errors import UsageError

SAMPLE = Path(__file__).parents[2] / "fixtures" / "synthetic_small"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200", "TERM": "dumb"})


def refused(done: Result, *words: str) -> None:
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1 and all(word in done.stderr for word in words), done.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def model() -> Path:
    return models.conv_matmul(Path("m.onnx"))


def external(path: Path, data: str = "m.data") -> Path:
    """A model whose weights lie in a file beside it."""
    models.conv_matmul(path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location=data, size_threshold=0)
    return path


def capture(folder: Path, manifest: dict[str, Any] | None = None) -> Path:
    folder.mkdir()
    for name in ("build.log", "layer_info.json", "profile.json"):
        (folder / name).write_bytes((SAMPLE / name).read_bytes())
    (folder / "manifest.json").write_text(json.dumps(json.loads(MANIFEST_RECORD.to_json()) | (manifest or {})))
    return folder


def test_a_script_does_not_take_the_place_of_the_model(model: Path) -> None:
    before = model.read_bytes()
    refused(invoke("build", model, "--emit-script", model), "--emit-script m.onnx", "would be overwritten")
    assert model.read_bytes() == before
    refused(invoke("build", model, "--emit-script", "x.sh", "--json", "x.sh"), "is written there")


@pytest.mark.parametrize("option", ["--engine", "--config", "--trtexec", "--plugins", "--timing-cache"])
def test_whatever_a_build_reads_is_an_input(model: Path, option: str) -> None:
    tool = fake_trtexec.write(Path("trtexec"))
    Path("other").write_text("[build]\n" if option == "--config" else tool.read_text())
    Path("other").chmod(0o755)
    subject = [] if option == "--engine" else [model]
    done = invoke("build", *subject, option, "other", *([] if option == "--trtexec" else ["--trtexec", tool]), "--html", "other")
    refused(done, "--html other", "input of this run")
    assert not list(Path().glob("*.trtlens"))


@pytest.mark.parametrize("key", ["model", "timing-cache", "plugins"])
def test_what_only_the_settings_file_names_is_an_input_too(model: Path, key: str) -> None:
    Path("libs").mkdir()
    (Path("libs") / "thing").write_bytes(model.read_bytes())
    Path("libs/s.toml").write_text(f'[build]\n{key} = "thing"\n')
    subject = [] if key == "model" else [model]
    refused(invoke("build", *subject, "--config", "libs/s.toml", "--json", "libs/thing", "--backend", "trtexec"), "--json", "input of this run")
    Path("trtlens.toml").write_text("[build]\n")
    refused(invoke("build", model, "--json", "trtlens.toml"), "--json", "input of this run")


def test_no_report_takes_the_place_of_a_file_of_the_capture_that_is_being_made(model: Path) -> None:
    tool = fake_trtexec.write(Path("trtexec"))
    for given, report in (((), "m.trtlens/manifest.json"), (("-o", "C"), "C/build.log"), (("-o", "C"), "C/counterfactual/layer_info.json")):
        refused(invoke("build", model, "--trtexec", tool, *given, "--json", report), report, "file of the capture")
    assert invoke("build", model, "--trtexec", tool, "--json", "m.trtlens/report.json", "--quiet").exit_code == 0
    assert invoke("explain", "m.trtlens").exit_code == 0


def test_a_timing_cache_is_written_back_but_over_nothing_else(model: Path) -> None:
    tool = fake_trtexec.write(Path("trtexec"))
    refused(invoke("build", model, "--trtexec", tool, "--timing-cache", model), "--timing-cache m.onnx", "input of this run")
    Path("cache").write_bytes(b"cache")
    done = invoke("build", model, "--trtexec", tool, "--timing-cache", "cache", "--quiet")
    assert done.exit_code == 0, done.output


def test_force_does_not_remove_what_the_build_reads(model: Path) -> None:
    tool = fake_trtexec.write(Path("trtexec"))
    folder = capture(Path("C"))
    (folder / "pruned.onnx").write_bytes(model.read_bytes())
    refused(invoke("build", folder / "pruned.onnx", "-o", "C", "--force", "--trtexec", tool), "--force", "C/pruned.onnx")
    refused(invoke("build", model, "-o", "C", "--force", "--trtexec", tool, "--baseline", "C"), "--force", "input of this run")
    assert (folder / "pruned.onnx").read_bytes() == model.read_bytes()
    assert invoke("build", model, "-o", "C", "--force", "--trtexec", tool, "--quiet").exit_code == 0


@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("command", ["explain", "check", "build"])
def test_a_link_is_what_it_leads_to(model: Path, link: Any, command: str) -> None:
    link(model, "link")
    refused(invoke(command, model, "--json", "link"), "--json link", "input of this run")
    refused(invoke(command, "link", "--json", model), "--json m.onnx", "input of this run")


@pytest.mark.parametrize("command", ["explain", "check", "build"])
def test_the_weights_of_a_model_are_a_part_of_it(command: str) -> None:
    before = [external(Path("m.onnx")).read_bytes(), Path("m.data").read_bytes()]
    refused(invoke(command, "m.onnx", "--json", "m.data"), "--json m.data", "holds weights of m.onnx")
    assert [Path("m.onnx").read_bytes(), Path("m.data").read_bytes()] == before


def test_files_joined_by_commas_are_inputs_each() -> None:
    for name in ("a", "b"):
        capture(Path(name))
    for option in ("--json", "--html"):
        refused(invoke("diff", "a/layer_info.json,a/build.log", "b", option, "a/build.log"), option, "input of this run")
        refused(invoke("explain", "b", "--baseline", "a/layer_info.json,a/build.log", option, "a/build.log"), option, "input of this run")


def test_a_folder_that_is_no_capture_is_read_by_content_so_its_names_do_not_matter() -> None:
    Path("plain").mkdir()
    Path("plain/monday").write_bytes((SAMPLE / "build.log").read_bytes())
    refused(invoke("explain", "plain", "--json", "plain/monday"), "plain/monday", "would be overwritten")
    for _ in range(2):  # the second time, the report of the first is there
        assert invoke("explain", "plain", "--json", "plain/report.json").exit_code == 0
    Path("names").mkdir()
    Path("names/tuesday").write_bytes((SAMPLE / "build.log").read_bytes())
    refused(invoke("explain", "plain", "--names", "names", "--json", "names/tuesday"), "names/tuesday", "would be overwritten")


def test_an_artefact_that_a_capture_links_to_is_read_with_it() -> None:
    folder = capture(Path("C"))
    Path("elsewhere.log").write_bytes((SAMPLE / "build.log").read_bytes())
    (folder / "build.log").unlink()
    (folder / "build.log").symlink_to(Path("elsewhere.log").absolute())
    refused(invoke("explain", "C", "--json", "elsewhere.log"), "elsewhere.log", "would be overwritten")


def test_the_model_that_a_capture_was_built_from_is_read_with_it(model: Path) -> None:
    capture(Path("C"), {"model": {"path": "m.onnx", "bytes": model.stat().st_size, "sha256": "0" * 64}})
    refused(invoke("explain", "C", "--json", model), "--json m.onnx", "model of a capture that is read")


def test_a_table_is_an_output_like_any_other(model: Path) -> None:
    Path("tables").mkdir()
    Path("tables/weights.csv").write_bytes(model.read_bytes())
    refused(invoke("check", "tables/weights.csv", "--tables", "tables", "--format", "csv"), "tables/weights.csv", "input of this run")
    refused(invoke("check", model, "--tables", "t", "--json", "t/weights.parquet"), "is written there")


def test_what_is_there_and_read_by_nobody_is_written_anew(model: Path) -> None:
    Path("report").write_text("of yesterday")
    refuse_clashes({"files": ["-"], "model": str(model), "json": "report", "html": "other", "tables": ".", "emit_script": "-"})
    with pytest.raises(UsageError, match="is written there"):
        refuse_clashes({"json": "report", "html": str(Path("report").absolute())})
