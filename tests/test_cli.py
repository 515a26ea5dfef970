"""The command line as a user meets it: exit codes, one clear line for bad input, what is printed where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trtlens.report.json_report import validate

FIXTURE = Path(__file__).parents[1] / "fixtures" / "issue_4056"
FILES = [str(FIXTURE / name) for name in ("layer_info.json", "profile.json", "build.log")]


def run(*arguments: str, stdin: bytes | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "80", "TERM": "dumb", **environment}
    done = subprocess.run([sys.executable, "-c", "from trtlens.cli import main; main()", *arguments], input=stdin, capture_output=True, env=env, timeout=120, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


def test_the_main_job_prints_a_summary_that_fits_80_columns_without_colour(tmp_path: Path) -> None:
    done = run("explain", *FILES, "--html", str(tmp_path / "r.html"), "--json", str(tmp_path / "r.json"))
    assert done.returncode == 0 and not done.stderr
    assert "29 of 108 eligible layers run dense" in done.stdout.replace("\n", " ")
    assert "\x1b" not in done.stdout and max(map(len, done.stdout.splitlines())) <= 80
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>") or "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")[:200]
    validate(json.loads((tmp_path / "r.json").read_text(encoding="utf-8")))


def test_json_on_standard_output_is_nothing_but_json() -> None:
    done = run("explain", FILES[0], "--json", "-")
    document = json.loads(done.stdout)
    validate(document)
    assert "layers" in document["captures"][0]["builds"][0] and done.returncode == 0


def test_quiet_prints_one_answer() -> None:
    done = run("explain", *FILES, "--quiet")
    assert done.returncode == 0 and len(done.stdout.strip().splitlines()) == 1


def test_a_log_from_standard_input() -> None:
    done = run("explain", "-", "--quiet", stdin=Path(FILES[2]).read_bytes())
    assert done.returncode == 0 and "29 of 108" in done.stdout


def test_utf16_with_bom_as_powershell_writes_it(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(b"\xff\xfe" + Path(FILES[2]).read_text(encoding="utf-8").replace("\n", "\r\n").encode("utf-16-le"))
    done = run("explain", str(log), "--quiet")
    assert done.returncode == 0 and "29 of 108" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.json", b"", "is empty"),
        ("page.html", b"<!doctype html><html><body>login</body></html>", "HTML page"),
        ("other.json", b'{"hello": 1}', "neither layer info nor a timing profile"),
        ("model.plan", b"ptrt\x00\x00\x00\x01" + bytes(64), "serialized engine"),
        ("cut.json", b'{"Layers": [{"Na', "cut.json"),
        ("noise.bin", bytes(range(256)) * 8, "binary"),
        ("broken.log.gz", b"\x1f\x8b\x08\x00garbage", "gzip"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    done = run("explain", str(path))
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.strip().splitlines()) == 1 and words in done.stderr and name in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_file_folder_and_two_logs(tmp_path: Path) -> None:
    assert "no such file" in run("explain", str(tmp_path / "nothing.log")).stderr
    empty = run("explain", str(tmp_path))
    assert empty.returncode == 2 and "holds no file" in empty.stderr
    copy = tmp_path / "second.log"
    copy.write_bytes(Path(FILES[2]).read_bytes())
    two = run("explain", FILES[2], str(copy))
    assert two.returncode == 2 and "trtlens diff" in two.stderr and len(two.stderr.strip().splitlines()) == 1


def test_gates() -> None:
    assert run("explain", *FILES, "-q", "--fail-on", "dense").returncode == 1
    unseen = run("explain", *FILES, "-q", "--fail-on", "slower")
    assert unseen.returncode == 1 and "no input shows why they run dense" in unseen.stderr
    assert run("explain", *FILES, "-q", "--fail-on", "warn:capture-mismatch").returncode == 1
    assert run("explain", *FILES, "-q", "--fail-on", "dense", "--proof", "proven").returncode == 0
    typo = run("explain", *FILES, "--fail-on", "slowr")
    assert typo.returncode == 2 and "slower" in typo.stderr


def test_a_gate_that_cannot_tell_fails_unless_allowed(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text(json.dumps({"Layers": ["Conv_1", "Conv_2"], "Bindings": []}), encoding="utf-8")
    done = run("explain", str(path), "-q", "--fail-on", "dense")
    assert done.returncode == 1 and "cannot tell" in done.stderr
    assert run("explain", str(path), "-q", "--fail-on", "dense", "--allow-unknown").returncode == 0


def test_hostile_names_do_nothing_in_the_terminal(tmp_path: Path) -> None:
    name = "conv\x1b[31m\u202egnp.exe [bold]x[/bold] </script>"
    kernel = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc_tilesize64x64x32"
    layer = {"Name": name, "LayerType": "CaskConvolution", "Inputs": [], "Outputs": [], "HasSparseWeights": 1, "TacticName": kernel}
    path = tmp_path / "li.json"
    path.write_text(json.dumps({"Layers": [layer], "Bindings": []}), encoding="utf-8")
    done = run("explain", str(path), "--html", str(tmp_path / "r.html"))
    assert done.returncode == 0
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout and "[bold]" in done.stdout.replace("\n", "")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "x[/bold] </script>" not in page and "\u202e" not in page


def test_reasons_prints_the_catalogue_and_a_page() -> None:
    listing = run("reasons")
    assert listing.returncode == 0 and "format-cost" in listing.stdout and "warn:capture-mismatch" in listing.stdout
    page = run("reasons", "slower")
    assert page.returncode == 0 and "## What to do" in page.stdout
    unknown = run("reasons", "slowr")
    assert unknown.returncode == 2 and "did you mean" in unknown.stderr


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("trtlens ")
    text = run("--help").stdout
    assert all(command in text for command in ("explain", "check", "build", "prune", "reasons"))


def test_output_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run("explain", *FILES, "-q", "--html", str(tmp_path / "no" / "folder" / "r.html"))
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_importing_the_package_is_light() -> None:
    code = "import sys, trtlens, trtlens.cli; print([m for m in ('pandas', 'plotly', 'onnx', 'numpy', 'pyarrow', 'tensorrt', 'jinja2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_redacted_output_holds_no_name(tmp_path: Path) -> None:
    outputs = {name: str(tmp_path / name) for name in ("r.html", "r.json", "r.md", "junit.xml", "r.sarif")}
    done = run(
        "explain", *FILES, "--redact", "salt", "--redact-to", str(tmp_path / "copies"), "--html", outputs["r.html"], "--json", outputs["r.json"],
        "--markdown", outputs["r.md"], "--junit", outputs["junit.xml"], "--sarif", outputs["r.sarif"], "--tables", str(tmp_path / "tables"), "--format", "csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    texts = [done.stdout, *(Path(path).read_text(encoding="utf-8") for path in outputs.values())]
    texts += [path.read_text(encoding="utf-8") for path in (tmp_path / "tables").iterdir()]
    assert all("Conv_663" not in text and "issue_4056" not in text for text in texts)
    assert "29 of 108 eligible layers run dense" in done.stdout.replace("\n", " ")
    again = run("explain", *(str(path) for path in sorted((tmp_path / "copies").rglob("*")) if path.is_file()), "-q")
    assert "29 of 108" in again.stdout


def test_gates_on_share_time_and_baseline(tmp_path: Path) -> None:
    assert run("explain", *FILES, "-q", "--min-picked", "0.9", "--allow-unknown").returncode == 1
    assert run("explain", *FILES, "-q", "--min-picked", "0.5", "--allow-unknown").returncode == 0
    assert run("explain", *FILES, "-q", "--max-fallback-ms", "0.05", "--allow-unknown").returncode == 1
    same = run("explain", *FILES, "-q", "--baseline", ",".join(FILES))
    assert same.returncode == 0, same.stderr


def test_diff_of_a_capture_with_itself_finds_nothing() -> None:
    done = run("diff", ",".join(FILES), ",".join(FILES))
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_many_captures_become_one_dataset(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / "captures" / name
        folder.mkdir(parents=True)
        for path in FILES:
            (folder / Path(path).name).write_bytes(Path(path).read_bytes())
    done = run("explain", str(tmp_path / "captures"), "--tables", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("capture=*"))) >= 2


def test_inputs_behind_a_url(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    done = run("explain", Path(FILES[0]).as_uri(), "--quiet")
    assert done.returncode == 0, done.stderr
    missing = run("explain", (tmp_path / "nothing.json").as_uri())
    assert missing.returncode == 2 and len(missing.stderr.strip().splitlines()) == 1


def test_the_files_of_one_capture_are_one_capture_with_tables_too(tmp_path: Path) -> None:
    done = run("explain", *FILES, "--tables", str(tmp_path / "t"), "--json", str(tmp_path / "r.json"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t" / "tactics.parquet").is_file() and len(json.loads((tmp_path / "r.json").read_text())["captures"]) == 1


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "trtlens", "explain", "nothing.log"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith("trtlens: nothing.log: no such file")
    version = subprocess.run([sys.executable, "-m", "trtlens", "--version"], capture_output=True, text=True, check=False)
    assert version.returncode == 0 and version.stdout == run("--version").stdout
