"""What is released: the wheel holds its data and no tests, the source archive makes the same wheel, and it installs and runs without a network.

The first build fetches setuptools, and the wheelhouse the dependencies: without a package index these tests are skipped, saying so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIXTURE = ROOT / "fixtures" / "issue_4056"
DATA = {
    "trtlens/py.typed",
    "trtlens/report/schema/explain-1.json",
    "trtlens/report/schema/check-1.json",
    "trtlens/capture/schema/manifest-1.json",
    "trtlens/report/assets/app.js",
    "trtlens/report/assets/style.css",
    "trtlens/report/templates/report.html.j2",
    "trtlens/diagnose/data/gpus.json",
    "trtlens/parse/data/sparse_kernels.txt.gz",
    "trtlens/parse/data/dense_kernels.txt.gz",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dist/ with the source archive, the wheel made from it, and direct/ with the wheel made from the sources themselves."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"  # building writes beside the sources
    shutil.copytree(ROOT / "trtlens", source / "trtlens", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", source / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy(ROOT / name, source / name)
    for arguments in (["--outdir", str(folder / "dist")], ["--wheel", "--outdir", str(folder / "direct")]):
        done = subprocess.run([sys.executable, "-m", "build", *arguments, str(source)], capture_output=True, text=True, check=False)
        if done.returncode and ("Connection" in done.stdout + done.stderr or "No module named build" in done.stderr):
            pytest.skip("needs the package `build` and a package index")
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("*.whl")
    return found


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_code_data_and_licence_and_no_tests(built: Path) -> None:
    held = names(wheel(built / "dist"))
    assert held >= DATA
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "trtlens").rglob("*.py") if "__pycache__" not in path.parts}
    assert modules <= held
    assert {name.split("/")[0] for name in held} == {"trtlens", next(name.split("/")[0] for name in held if ".dist-info" in name)}
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not [name for name in held if "test" in name.lower() or name.endswith((".pyc", ".onnx", ".log"))]


def test_every_file_that_is_no_code_is_packed(built: Path) -> None:
    """A new kind of data file must not be forgotten in pyproject.toml."""
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "trtlens").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")}
    assert data <= names(wheel(built / "dist"))


def test_the_source_archive_makes_the_same_wheel(built: Path) -> None:
    with zipfile.ZipFile(wheel(built / "dist")) as one, zipfile.ZipFile(wheel(built / "direct")) as other:
        assert {info.filename: info.CRC for info in one.infolist()} == {info.filename: info.CRC for info in other.infolist()}
    (source,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        assert {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO"} <= {Path(name).name for name in archive.getnames()}


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """bin/ of an environment that the wheel was installed into from a wheelhouse, with the index switched off."""
    house = built / "wheelhouse"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest", str(house), str(wheel(built / "dist"))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"needs a package index to fill the wheelhouse: {done.stderr.strip()[-200:]}")
    venv.create(built / "venv", with_pip=True)
    binaries = built / "venv" / ("Scripts" if os.name == "nt" else "bin")
    environment = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_NO_INDEX": "1"}
    subprocess.run([str(binaries / "pip"), "install", "--quiet", "--no-index", "--find-links", str(house), "trtlens"], check=True, env=environment)
    return binaries


def test_it_installs_without_a_network_and_explains_a_capture(installed: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = subprocess.run([str(installed / "trtlens"), *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version").startswith("trtlens ")
    inputs = [str(FIXTURE / name) for name in ("build.log", "layer_info.json", "profile.json")]
    said = run("explain", *inputs, "--html", "r.html", "--json", "r.json", "--tables", "tables")
    assert "eligible layers run dense" in said.replace("\n", " ")
    assert (tmp_path / "r.html").stat().st_size > 50_000 and (tmp_path / "tables" / "tactics.parquet").is_file()
    assert "slower" in run("reasons")


def test_what_is_installed_completes_and_says_what_it_runs_on(installed: Path, tmp_path: Path) -> None:
    def run(*command: str, **environment: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **environment}, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    program, python = str(installed / "trtlens"), str(installed / "python")
    version = run(program, "--version").splitlines()
    assert version[1].startswith("Python ") and {line.split()[0] for line in version[2:]} >= {"pandas", "numpy", "pyarrow", "onnx", "typer", "zstandard"}
    assert run(python, "-m", "trtlens", "--version").splitlines() == version
    for shell, words in (("bash", "complete -o"), ("zsh", "#compdef trtlens"), ("fish", "complete --command trtlens")):
        assert words in run(program, _TRTLENS_COMPLETE=f"source_{shell}")
    assert run(program, _TRTLENS_COMPLETE="complete_bash", COMP_WORDS="trtlens exp", COMP_CWORD="1").split() == ["explain"]
    options = run(program, _TRTLENS_COMPLETE="complete_bash", COMP_WORDS="trtlens explain --", COMP_CWORD="2").split()
    assert {"--json", "--fail-on", "--redact"} <= set(options)
    if shutil.which("bash"):
        # As a user installs it: into the file that bash reads when it starts.
        home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
        assert "bash completion installed" in run(program, "--install-completion", "bash", **home)
        assert "trtlens" in (tmp_path / ".bashrc").read_text(encoding="utf-8")
        assert "_TRTLENS_COMPLETE" in run(program, "--show-completion", "bash", **home)
