"""The table of what a log says beside tactics: memory, durations, limits, options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.diagnose.hand_made import LAYER, dense_log
from tests.parse.corpus import CORPUS, needs_corpus
from trtlens.api import load
from trtlens.diagnose.events import event_rows
from trtlens.diagnose.load import load_captures
from trtlens.errors import InputError

V = "[01/02/2030-03:04:05] [V] [TRT] "


def events(tmp_path: Path, *lines: str) -> list[dict[str, Any]]:
    log = dense_log()
    log.tuned += lines
    (tmp_path / "build.log").write_text(log.text(), encoding="utf-8")
    capture = load_captures([str(tmp_path / "build.log")])[0]
    assert capture.log is not None
    return [row for build in capture.log.builds for row in event_rows(build)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            f"Layer: {LAYER} Host Persistent: 5712 Device Persistent: 0 Scratch Memory: 1024",
            [("memory", LAYER, "Host Persistent", 5712, "bytes"), ("memory", LAYER, "Device Persistent", 0, "bytes"), ("memory", LAYER, "Scratch Memory", 1024, "bytes")],
        ),
        ("Layer: a Layer: b HostPersistent: 7 DevicePersistent: 8", [("memory", "a Layer: b", "HostPersistent", 7, "bytes"), ("memory", "a Layer: b", "DevicePersistent", 8, "bytes")]),
        ("Total Activation Memory: 802816 bytes", [("memory", None, "Total Activation Memory", 802816, "bytes")]),
        ("Total per-runner device persistent memory is 214528", [("memory", None, "Total per-runner device persistent memory", 214528, "bytes")]),
        ("Max Scratch Memory: 12 bytes", [("memory", None, "Max Scratch Memory", 12, "bytes")]),
        ("Formats and tactics selection completed in 12.5 seconds.", [("duration", None, "Formats and tactics selection", 12.5, "s")]),
        ("Setting workspace to 164352enables more tactics for profiling", [("workspace", None, "workspace", 164352, "bytes")]),
        ("Set number of tactics to 300 at optimization level 5", [("opt_level", None, "number of tactics", 300, None)]),
        (f"{LAYER}: 10 available tactics, 0 unparsable, 3 pruned, 7 remaining after tactic pruning.", [("pruned", None, "pruned", 3, None)]),
        ("Loaded 12 timing cache entries", [("cache", None, "Loaded", 12, None)]),
    ],
)  # fmt: skip
def test_a_line_and_its_figures(line: str, expected: list[tuple[Any, ...]], tmp_path: Path) -> None:
    found = [row for row in events(tmp_path, line) if row["text"] == line]
    assert [(row["topic"], row["layer"], row["name"], row["value"], row["unit"]) for row in found] == expected
    text = (tmp_path / "build.log").read_text(encoding="utf-8").splitlines()
    assert {text[row["line"] - 1] for row in found} == {V + line}


def test_lines_without_a_figure_and_options_are_rows_too(tmp_path: Path) -> None:
    found = events(tmp_path, "Local timing cache in use. Profiling results in this builder pass will not be stored.", "Layer: no memory here 5", "Total Host Walltime: 3.0 s")
    assert any(row["topic"] == "cache" and row["value"] is None and "Local" in row["text"] for row in found)
    assert any(row["topic"] == "option" and (row["name"], row["text"]) == ("sparsity", "Enabled") for row in found)
    assert not [row for row in found if row["topic"] == "memory"]


def test_the_table_holds_them(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text(dense_log().text(), encoding="utf-8")
    frame = load(str(tmp_path)).tables["events"]
    assert {"option"} <= set(frame["topic"]) and frame["line"].is_monotonic_increasing and str(frame["value"].dtype).lower() == "float64"


@needs_corpus
def test_every_line_about_a_layers_memory_is_a_row() -> None:
    wanted = given = 0
    for path in sorted((CORPUS / "verbose_logs").iterdir()):
        try:
            capture = load_captures([str(path)], hashes=False)[0]
        except InputError:
            continue
        lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if re.search(r"(?:\]|VERBOSE) Layer: .*Persistent: ", line)]
        rows = [row for build in (capture.log.builds if capture.log is not None else ()) for row in event_rows(build) if row["topic"] == "memory" and row["layer"]]
        wanted += len(lines)
        given += len({row["line"] for row in rows})
    assert wanted > 1000 and given == wanted
