"""The notebooks of docs/ run, and show what they were checked in with; they are small and name no machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
NEEDED = ("nbformat", "nbclient", "ipykernel", "duckdb")


def outputs(path: Path) -> list[dict[str, object]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]


def test_there_are_two() -> None:
    assert [path.name for path in NOTEBOOKS] == ["one_capture.ipynb", "twenty_captures.ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_shows_when_it_is_run(path: Path) -> None:
    for module in NEEDED:
        pytest.importorskip(module, reason=f"{module} is not installed: pip install '.[docs,dev]'")
    done = subprocess.run([sys.executable, "docs/make_notebooks.py", "--check", path.name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed_small_and_of_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert len(text) < 100_000
    assert any(output["output_type"] == "execute_result" and "text/html" in output["data"] for output in outputs(path))  # type: ignore[operator]
    assert not [output for output in outputs(path) if output["output_type"] == "error" or output.get("name") == "stderr"]
    shown = json.dumps(outputs(path))
    assert "\\u001b" not in shown and str(ROOT) not in shown and "/tmp" not in shown and "0x7f" not in shown
    assert "synthetic" in "".join(document["cells"][0]["source"])


def test_a_notebook_that_shows_something_else_is_found(tmp_path: Path) -> None:
    """GIVEN a notebook whose output is out of date WHEN it is checked THEN the check fails and says which one."""
    for module in NEEDED:
        pytest.importorskip(module, reason=f"{module} is not installed: pip install '.[docs,dev]'")
    import nbformat

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "make_notebooks.py").write_bytes((ROOT / "docs" / "make_notebooks.py").read_bytes())
    cell = nbformat.v4.new_code_cell("1 + 1", execution_count=1, outputs=[nbformat.v4.new_output("execute_result", {"text/plain": "3"}, execution_count=1)])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks" / "sum.ipynb")
    run = [sys.executable, str(tmp_path / "make_notebooks.py")]
    stale = subprocess.run([*run, "--check"], capture_output=True, text=True, check=False)
    assert stale.returncode == 1 and "not current: sum.ipynb" in stale.stderr
    subprocess.run(run, check=True)
    assert outputs(tmp_path / "notebooks" / "sum.ipynb")[0]["data"] == {"text/plain": ["2"]}
    assert subprocess.run([*run, "--check"], check=False).returncode == 0
