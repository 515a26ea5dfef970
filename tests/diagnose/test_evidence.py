"""A `proven` verdict shows what proves it: its evidence is really in the inputs, at that line or pointer.

In: synthetic captures, the corpus. Out: a failure for each verdict whose evidence is missing, elsewhere, or lacks the times that it compares.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.diagnose.test_truth import write
from tests.parse.corpus import CORPUS, needs_corpus
from tests.synthetic.truth import Capture as SyntheticCapture
from tests.synthetic.truth import Switches, make_capture
from trtlens.diagnose.explain import Options, diagnose
from trtlens.diagnose.load import Capture, load_captures
from trtlens.diagnose.model import Evidence, LayerVerdict, LineEvidence, PointerEvidence
from trtlens.errors import TrtlensError
from trtlens.parse.textio import TextSource

COMPARED = frozenset({"slower", "tie", "format-cost", "io-format", "picked-but-slower"})
# What must stand in some line or value that is cited, by reason.
SHOWN = {
    "no-kernel": r"Autotuning|got cached result|Timing Runner|Computing costs",
    "no-kernel-precision": r"Float\(|Autotuning op",
    "no-kernel-arch": r"Compute Capability",
    "workspace": r"skipped|[Ss]kipping tactic",
    "backend-strategy": r"backend strategy",
    "flag-off": r"(?i)sparsity",
    "grouped": r"\(Sparsity\)",
    "weights-not-constant": r"\(Sparsity\)",
    "pattern": r"\(Sparsity\)",
    "op-kind": r"\(Sparsity\)",
    "dla": r"\(Sparsity\)",
}
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")


class Inputs:
    """What stands at a line or pointer of each input."""

    def __init__(self, capture: Capture) -> None:
        self.paths = [item.path for item in capture.inputs]
        self.texts: dict[int, list[str]] = {}
        self.documents: dict[int, Any] = {}

    def line(self, number: int, line: int) -> str:
        if number not in self.texts:
            self.texts[number] = TextSource(self.paths[number]).read_text().split("\n")
        return self.texts[number][line - 1]

    def value(self, number: int, pointer: str) -> Any:
        if number not in self.documents:
            self.documents[number] = json.loads(TextSource(self.paths[number]).read_text())
        found = self.documents[number]
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found


def defect(item: Evidence, inputs: Inputs) -> str | None:
    """What is wrong with a piece of evidence."""
    if isinstance(item, LineEvidence):
        line = inputs.line(item.input, item.line)
        pieces = [piece.strip() for piece in item.text.split("…")]
        if not item.text.strip() or not all(piece in line for piece in pieces):
            return f"line {item.line} is not {item.text[:80]!r}"
    elif isinstance(item, PointerEvidence) and inputs.paths[item.input].endswith(".json"):
        value = inputs.value(item.input, item.pointer)
        said = item.text.split(": ")[-1].strip('"')
        if said != str(value) and not (isinstance(value, (int, str)) and int(str(value), 0) == int(said, 0)):
            return f"{item.pointer} is {value!r}, not {item.text!r}"
    return None


def shortcomings(verdict: LayerVerdict, inputs: Inputs) -> list[str]:
    """What a proven verdict lacks."""
    evidence = (*verdict.evidence, *verdict.eligibility.evidence)
    found = [wrong for item in evidence if (wrong := defect(item, inputs)) is not None]
    texts = [item.text for item in evidence if isinstance(item, (LineEvidence, PointerEvidence))]
    if not texts:
        found.append("nothing is cited")
    if verdict.reason in COMPARED:
        numbers = {float(number) for text in texts for number in _NUMBER.findall(text)}
        found += [f"no cited line holds {time} ms" for time in (verdict.best_dense_ms, verdict.best_sparse_ms) if time not in numbers]
    wanted = SHOWN.get(verdict.reason or "")
    if wanted is not None and not any(re.search(wanted, text) for text in texts):
        found.append(f"no cited line holds {wanted}")
    kernels = {verdict.tactic.name} if verdict.status == "sparse" else {verdict.compared_dense, verdict.compared_sparse} if verdict.reason in COMPARED else set()
    named = "\n".join(texts)
    found += [f"no evidence names {kernel}" for kernel in kernels - {None} if str(kernel) not in named]  # up to 8.5 the line before the time names it
    return [f"{verdict.name} {verdict.status}/{verdict.reason}: {lack}" for lack in found]


def lacking(capture: Capture) -> tuple[list[str], int]:
    """What the proven verdicts of a capture lack, and how many there are."""
    inputs, diagnosis = Inputs(capture), diagnose(capture, Options())
    proven = [verdict for build in diagnosis.builds for verdict in build.layers if verdict.proof == "proven"]
    return [lack for verdict in proven for lack in shortcomings(verdict, inputs)], len(proven)


def load(made: SyntheticCapture, folder: Path) -> Capture:
    folder.mkdir(exist_ok=True)
    return load_captures(write(made, folder))[0]


def test_proven_verdicts_of_synthetic_captures(tmp_path: Path) -> None:
    lacks: list[str] = []
    proven = 0
    for seed in range(100):
        found, number = lacking(load(make_capture(seed), tmp_path / str(seed)))
        lacks += [f"seed {seed}: {lack}" for lack in found]
        proven += number
    assert not lacks, "\n".join(lacks[:20])
    assert proven > 200


@pytest.mark.parametrize("switch", ["sm75", "float_only", "skipped_all_sparse", "strategies", "myelin_table", "pinned_sparse", "flag_off", "grouped", "names_only", "twins", "fan_out"])
def test_proven_verdicts_where_a_rare_reason_is_proven(switch: str, tmp_path: Path) -> None:
    lacks: list[str] = []
    for seed in range(5000, 5012):
        lacks += lacking(load(make_capture(seed, None, Switches(), **{switch: True}), tmp_path / str(seed)))[0]
    assert not lacks, "\n".join(lacks[:20])


@needs_corpus
def test_proven_verdicts_of_real_artefacts() -> None:
    lacks: list[str] = []
    proven = 0
    for folder in ("layer_info", "info_logs", "verbose_logs"):
        for path in sorted((CORPUS / folder).iterdir()):
            try:
                capture = load_captures([str(path)], hashes=False)[0]
                found, number = lacking(capture)
            except TrtlensError:
                continue
            lacks += [f"{path.name}: {lack}" for lack in found]
            proven += number
    assert not lacks, "\n".join(lacks[:20])
    assert proven > 20
