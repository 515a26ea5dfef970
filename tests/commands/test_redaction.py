"""`--redact` of every command: no name in any output, the original name still finds a layer, and nothing tells where the copies lie."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from trtlens.cli import app

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "fixtures" / "synthetic_small"
MODEL = ROOT / "fixtures" / "rtx_tiny" / "model.onnx"
# Layers, tensors, files and folders of the two examples as they stand below, and the temporary folder. (`sparse_conv` is a word of TensorRT's, too, and stays.)
NAMES = re.compile(
    r"(?:Conv|Relu|MaxPool|SyntheticPlugin|tensor)_\d|synthetic_input|secret|customer|redacted-"
    r"|\bstem_relu|dense_conv\b|wrong_axis\b|channels_last|sparse_matmul|dense_matmul|matmul_relu"
)


def invoke(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=given, env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The example under names that nobody may see, and a temporary folder that is one of them."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "customer-tmp"))
    for name in ("customer-tmp", "secret", "out"):
        (tmp_path / name).mkdir()
    found = []
    for name in ("layer_info.json", "build.log", "profile.json"):
        shutil.copy(SAMPLE / name, tmp_path / "secret" / f"secret-{name}")
        found.append(str(tmp_path / "secret" / f"secret-{name}"))
    shutil.copy(MODEL, tmp_path / "secret" / "secret.onnx")
    return found


def everything(done: Result, folder: Path) -> str:
    """All that a run printed and wrote."""
    parts = [done.stdout, done.stderr]
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            parts.append(str(pq.read_table(path).to_pydict()))
        elif path.is_file():
            parts.append(path.read_text(encoding="utf-8"))
    return "\n".join(parts)


def no_name(text: str) -> None:
    found = NAMES.search(text)
    assert found is None, text[max(found.start() - 80, 0) : found.end() + 80]


def outputs(folder: Path, *kinds: str) -> list[str]:
    return [part for kind in kinds for part in (f"--{kind}", str(folder / f"r.{kind}" if kind != "tables" else folder / "t"))]


def test_the_examples_have_names_to_find(files: list[str], tmp_path: Path) -> None:
    """What the tests below look for is there without the option."""
    found = NAMES.findall(everything(invoke("diff", ",".join(files), files[0], *outputs(tmp_path / "out", "json", "html")), tmp_path / "out"))
    assert {"secret", "Conv_1"} <= set(found)
    assert NAMES.search(invoke("check", str(tmp_path / "secret" / "secret.onnx")).stdout)


def test_a_diff_holds_no_name(files: list[str], tmp_path: Path) -> None:
    plain = invoke("diff", ",".join(files), files[0])
    done = invoke("diff", ",".join(files), files[0], "--redact", "salt", *outputs(tmp_path / "out", "json", "html"))
    assert done.exit_code == 0, done.output
    no_name(everything(done, tmp_path / "out"))
    assert re.search(r"  n\w{10} \+ n\w{10}  ", done.stdout)
    for figure in ("run sparse", "fallback: slower", "total ms"):
        figures = [next(line for line in text.splitlines() if figure in line).split()[-3:] for text in (plain.stdout, done.stdout)]
        assert figures[0] == figures[1]
    assert "A holds" in done.stdout or "B holds" in done.stdout


def test_standard_input_is_redacted_like_a_file(files: list[str], tmp_path: Path) -> None:
    log = Path(files[1]).read_text()
    done = invoke("explain", files[0], "-", "--redact", "salt", given=log)
    assert done.exit_code == 0 and "4 of 6 eligible layers run dense" in done.stdout, done.stderr
    no_name(done.output)
    compared = invoke("diff", "-", files[0], "--redact", "salt", given=log)
    assert compared.exit_code == 0 and "Orin in A, not stated in B" in compared.stdout, compared.stderr
    both = invoke("diff", "-", "-", "--redact", "salt", given=log)
    assert both.exit_code == 2 and "standard input" in both.stderr
    assert not list((tmp_path / "customer-tmp").glob("*/*/stdin"))


def test_a_check_holds_no_name_and_finds_the_same(tmp_path: Path, files: list[str]) -> None:
    model = str(tmp_path / "secret" / "secret.onnx")
    plain, done = invoke("check", model), invoke("check", model, "--redact", "salt", "--fail-on", "pattern", *outputs(tmp_path / "out", "json", "html", "tables"))
    assert done.exit_code == 1 and "pattern: 2 weights" in done.stderr
    no_name(everything(done, tmp_path / "out"))
    assert done.stdout.splitlines()[0] == plain.stdout.splitlines()[0] == "The weights of 3 of 7 layers qualify for 2:4 sparsity."


def test_no_output_of_explain_holds_a_name(files: list[str], tmp_path: Path) -> None:
    kinds = ("json", "html", "markdown", "tables", "junit", "sarif")
    done = invoke("explain", *files, "--redact", "salt", "--baseline", ",".join(files), "--fail-on", "dense", *outputs(tmp_path / "out", *kinds))
    assert done.exit_code == 1
    no_name(everything(done, tmp_path / "out"))
    again = invoke("explain", *files, "--redact", "salt")
    assert again.stdout == done.stdout  # no random name of a folder
    assert not list((tmp_path / "customer-tmp").glob("*/*/secret*"))


def test_a_baseline_is_redacted_as_well(files: list[str]) -> None:
    """Its layers are found again, so that the gate compares; and its names are told to nobody."""
    for baseline in (files[0], ",".join(files), str(Path(files[0]).parent)):
        done = invoke("explain", *files, "--redact", "salt", "--quiet", "--baseline", baseline)
        assert "counterpart" not in done.stderr and "ran sparse in the baseline" not in done.stderr
        no_name(done.stderr)
    lost = invoke("explain", str(ROOT / "fixtures" / "issue_4056"), "--redact", "salt", "--quiet", "--baseline", ",".join(files))
    assert lost.exit_code == 1 and re.search(r"2 layers, 'n\w{10} \+ n\w{10}' among them, ran sparse in the baseline", lost.stderr)


@pytest.mark.parametrize("name", ["Conv_1 + Relu_2", "Conv_1"])
def test_a_layer_is_found_by_its_original_name(files: list[str], name: str) -> None:
    done = invoke("explain", *files, "--redact", "salt", "--layer", name)
    assert done.exit_code == 0, done.stderr
    no_name(done.stdout)
    assert "dense: slower" in done.stdout
    redacted = done.stdout.splitlines()[0]
    assert invoke("explain", *files, "--redact", "salt", "--layer", redacted).stdout == done.stdout
    unknown = invoke("explain", *files, "--redact", "salt", "--layer", "secret_layer")
    assert unknown.exit_code == 2 and "no engine layer" in unknown.stderr
    no_name(unknown.stderr)


def test_a_dataset_of_many_captures_does_not_tell_where_the_copies_lay(files: list[str], tmp_path: Path) -> None:
    for name in ("customer-one", "customer-two"):
        (tmp_path / "many" / name).mkdir(parents=True)
        for kind in ("layer_info.json", "build.log", "profile.json"):
            shutil.copy(SAMPLE / kind, tmp_path / "many" / name / kind)
    done = invoke("explain", str(tmp_path / "many" / "customer-one"), str(tmp_path / "many" / "customer-two"), "--redact", "salt", *outputs(tmp_path / "out", "tables"))
    assert done.exit_code == 0
    rows = pq.read_table(tmp_path / "out" / "t" / "captures").to_pylist()
    assert len(rows) == 2 and all(row["error"] is None and row["path"] == row["capture"] for row in rows)
    no_name(everything(done, tmp_path / "out"))
