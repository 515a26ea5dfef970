"""Runs the notebooks of docs/notebooks and writes them back with their outputs: `python docs/make_notebooks.py`; `--check` compares instead.

In: the cells of the notebooks. Out: the same notebooks, without what differs from run to run (times, versions). Next: notebook_pages.py makes pages of
them, tests/docs/test_notebooks.py runs the check. Needs the extras `docs` and `dev`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE / "notebooks"
LIMIT_BYTES = 100_000
SECONDS_A_CELL = 300
_ADDRESS = re.compile(r" at 0x[0-9a-f]+>$")


def notebooks() -> list[Path]:
    """The notebooks, in order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"))


def executed(path: Path) -> str:
    """The text of the notebook with the outputs of a run in its own folder. Raises CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    # The kernel imports the trtlens that runs this script, and plain text is as wide here as there.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with tempfile.TemporaryDirectory() as folder:
        config = Config({"KernelManager": {"transport": "ipc", "ip": str(Path(folder) / "kernel")}})  # sockets in a folder: no port is opened
        where = {"metadata": {"path": str(path.parent)}}
        NotebookClient(notebook, timeout=SECONDS_A_CELL, kernel_name="python3", record_timing=False, resources=where, config=config).execute()
    return written(notebook)


def written(notebook: Any) -> str:
    """The notebook as it is checked in: nothing in it tells when, where and with which versions it ran."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell.id, cell.metadata = f"cell-{number}", nbformat.from_dict({})
        for output in cell.get("outputs", ()):
            if "text/plain" in output.get("data", {}):
                output.data["text/plain"] = _ADDRESS.sub(">", output.data["text/plain"])
    text: str = nbformat.writes(notebook, version=4)
    return text.rstrip("\n") + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a notebook is not current")
    parser.add_argument("names", nargs="*", metavar="NOTEBOOK", help="default: all")
    options = parser.parse_args()
    stale = []
    for path in [NOTEBOOKS / name for name in options.names] or notebooks():
        text = executed(path)
        if len(text) > LIMIT_BYTES:
            raise SystemExit(f"{path.name}: {len(text):,} bytes, the limit is {LIMIT_BYTES:,}")
        if options.check:
            if path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not current: {', '.join(stale)}; run python docs/make_notebooks.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
