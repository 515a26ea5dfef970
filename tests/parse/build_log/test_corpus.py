"""Every real verbose log: counts equal a dumb regular expression's, winners and cached results join, damage invents nothing.

`python -m tests.parse.build_log.test_corpus` writes corpus_counts.json anew after a change that means to change it.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parse.build_log.reading import parse, tactics
from tests.parse.corpus import CORPUS, WHY_SKIPPED
from trtlens.parse.build_log import BuildLog, parse_build_log
from trtlens.parse.build_log.records import CACHED, SKIPPED, TIMED
from trtlens.parse.textio import TextSource

SNAPSHOT = Path(__file__).with_name("corpus_counts.json")
LOGS = sorted((CORPUS / "verbose_logs").iterdir()) if CORPUS.is_dir() else []
pytestmark = pytest.mark.skipif(not LOGS, reason=WHY_SKIPPED)

_ID = r"(?:0x[0-9a-f]+|-?\d+)"
DUMB = {
    "timed": rf"(?<!Fastest )Tactic:? {_ID} [tT]ime:? ",
    "combinations": r"Autotuning format combination:",
    "reformats": r"Autotuning Reformat:",
    "chosen": r"Chose Runner Type: ",
    "cached": r"got cached result",
    "skipped": rf"Tactic:? {_ID} (?:skipped\. Scratch|scratch) requested|Tactic: {_ID} is the only option|Fast skip Tactic:|kipping tactic {_ID} due to",
    "engine_layers": r"(?m)(?:^|\] |: )Layer\(",
}
# Chosen without a time of its own printed under its combination.
CHOSEN_UNSEEN = {
    # Excerpts: the lines before the choice are not in the file, or are cut out of it (`...`).
    "FlankKaicoder-jetson-ppe-deploy-opt__results__tensorrt__exp07_0_trt_fp32_smoke_20260806_165158__failure_summary.txt": 1,
    "NVIDIA-trt-samples-for-hackathon-cn__cookbook__02-API__TacticSource__allTactic.txt": 1,
    "NVIDIA-trt-samples-for-hackathon-cn__cookbook__02-API__TacticSource__noCUDNN.txt": 1,
    "issue-NVIDIA-TensorRT-1389__trt80.log": 1,
    # TensorRT-RTX compiles for the device later: it chooses without timing.
    "NVIDIA-trt-samples-for-hackathon-cn__cookbook__10-TensorRT-RTX__log-main.py-trtrtx-verbose.log": 1,
}
# Their cache was loaded from outside: `Loaded 1 timing cache entries`, or an earlier build of the same process.
CACHE_FROM_OUTSIDE = re.compile(r"Tactic\+TimingCache__log-main")


@functools.cache
def log_of(path: Path) -> BuildLog:
    return parse_build_log(TextSource(str(path)))


def text_of(path: Path) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", path.read_bytes().decode("utf-8", "backslashreplace"))


def counts(log: BuildLog) -> dict[str, int]:
    c, source = log.combinations, log.tactics.source
    raced = c["cached"] == 0
    return {
        "timed": int((source == TIMED).sum()),
        "combinations": int(((c["is_reformat"] == 0) & raced & (c["text"] >= 0)).sum()),
        "reformats": int(((c["is_reformat"] == 1) & raced).sum()),
        "chosen": int(((c["winner_line"] > 0) & raced).sum()),
        "cached": int((source == CACHED).sum()),
        "skipped": int((source == SKIPPED).sum()),
        "engine_layers": sum(len(b.engine_layers) for b in log.builds),
    }


def more_counts(log: BuildLog) -> dict[str, int]:
    """For the snapshot: what no regular expression can tell."""
    return {
        "builds": len(log.builds),
        "complete": sum(b.complete for b in log.builds),
        "passes": sum(len(b.passes) for b in log.builds),
        "named": int((log.tactics.kernel >= 0).sum()),
        "placed": int((log.sections["layer"][log.tactics.section] >= 0).sum()) if len(log.tactics) else 0,
        "nodes": sum(len(b.network) for b in log.builds),
        "fusions": sum(len(b.fusions) for b in log.builds),
        "sparsity": sum(len(b.sparsity) for b in log.builds),
        "warnings": sum(len(b.warnings) for b in log.builds),
        "layer_infos": sum(len(b.layer_infos) for b in log.builds),
        "profiles": sum(len(b.profiles) for b in log.builds),
        "unknown": log.unknown_lines,
        "damaged": len(log.damaged_lines),
    }


@pytest.mark.parametrize("path", LOGS, ids=lambda p: p.name)
def test_counts_equal_a_dumb_expression(path: Path) -> None:
    text = text_of(path)
    assert counts(log_of(path)) == {key: len(re.findall(pattern, text)) for key, pattern in DUMB.items()}


def test_counts_are_those_of_the_snapshot() -> None:
    assert {p.name: counts(log_of(p)) | more_counts(log_of(p)) for p in LOGS} == json.loads(SNAPSHOT.read_text())


def test_every_chosen_tactic_was_seen_timed() -> None:
    unseen: Counter[str] = Counter()
    chosen = 0
    for path in LOGS:
        log = log_of(path)
        c, s, t = log.combinations, log.sections, log.tactics
        seen = set(zip(s["combination"][t.section].tolist(), s["runner"][t.section].tolist(), t.tactic.tolist(), strict=True)) if len(t) else set()
        for number in np.flatnonzero((c["winner_line"] > 0) & (c["cached"] == 0)).tolist():
            chosen += 1
            if (number, int(c["winner_runner"][number]), int(c["winner_tactic"][number])) not in seen:
                unseen[path.name] += 1
    assert dict(unseen) == CHOSEN_UNSEEN
    assert chosen > 3000


def test_every_cached_result_joins_exactly_one_earlier_race_of_its_build() -> None:
    joined, outside = 0, []
    for path in LOGS:
        log = log_of(path)
        c = log.combinations
        keys = list(zip(c["build"].tolist(), c["text"].tolist(), c["winner_runner"].tolist(), c["winner_tactic"].tolist(), (f"{t:.6g}" for t in c["winner_time"]), strict=True))
        races = Counter(key for key, cached, line in zip(keys, c["cached"].tolist(), c["winner_line"].tolist(), strict=True) if line and not cached)
        for number in np.flatnonzero((c["cached"] == 1) & (c["is_reformat"] == 0)).tolist():
            joined += races[keys[number]] == 1
            if races[keys[number]] != 1:
                outside.append(path.name)
    assert joined == 466
    assert len(outside) == 6 and all(CACHE_FROM_OUTSIDE.search(name) for name in outside)


def test_unknown_lines_are_rare_and_known() -> None:
    logs = [log_of(path) for path in LOGS]
    samples = {re.sub(r" *0x[0-9a-f]+", "0x…", sample.text) for log in logs for sample in log.unknown_samples}
    assert sum(log.unknown_lines for log in logs) / sum(log.tuning_lines for log in logs) < 0.005
    # What remains is written between TensorRT's lines by others: the script, a plugin, a failed assertion.
    expected = ("============================== Start [case_v1", "0x…[getCapabilityInterface]", "trtexec: /root/gpgpu/MachineLearning/myelin/src/")
    assert len(samples) == 3 and all(sample.startswith(expected) for sample in samples)


def test_a_section_and_its_combination_name_one_layer() -> None:
    for path in LOGS:
        log = log_of(path)
        c, s = log.combinations, log.sections
        owner = s["combination"]
        of_layers = (c["is_reformat"][owner] == 0) if len(owner) else owner
        assert (s["layer"] == c["layer"][owner])[of_layers == 1].all(), path.name


def test_lines_lead_back_to_the_very_line() -> None:
    for path in LOGS[::7]:
        log, source = log_of(path), TextSource(str(path))
        rows = log.tactics
        found = source.lines_at(rows.offset.tolist())
        numbered = path.read_bytes().split(b"\n")
        for row in range(0, len(rows), 17):
            text = found[int(rows.offset[row])]
            assert text == numbered[int(rows.line[row]) - 1].rstrip(b"\r")[:4000].decode("utf-8", "backslashreplace")
            assert f"{int(rows.tactic[row]):x}" in text or str(int(rows.tactic[row])) in text or str(int(rows.tactic[row]) - 2**64) in text


SMALL = [path for path in LOGS if path.stat().st_size < 60_000]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_never_raises_and_invents_no_row(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(SMALL))
    raw = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["cut", "flips", "lost lines", "lost bytes"]))
    if kind == "cut":
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    elif kind == "flips":
        for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=60)):
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
    else:
        pieces = bytes(raw).splitlines(keepends=True) if kind == "lost lines" else [bytes(raw[i : i + 37]) for i in range(0, len(raw), 37)]
        lost = set(data.draw(st.lists(st.integers(0, max(len(pieces) - 1, 0)), max_size=40)))
        raw = bytearray(b"".join(piece for i, piece in enumerate(pieces) if i not in lost))
    lines = bytes(raw).split(b"\n")
    for row in tactics(parse(bytes(raw))):
        # A hard-wrapped line stands on two.
        line = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", b"".join(part.rstrip(b"\r ") for part in lines[row["line"] - 1 : row["line"] + 1])).decode("utf-8", "backslashreplace")
        ids = re.findall(rf"{_ID}(?![\w.])", line, re.IGNORECASE)
        assert any(int(found, 0 if found.lower().startswith("0x") else 10) % 2**64 == row["tactic"] for found in ids), line
        assert row["ms"] is None or any(float(n) == row["ms"] for n in re.findall(r"\d+\.?\d*(?:e[-+]?\d+)?", line)), line
        assert row["kernel"] is None or row["kernel"].encode() in bytes(raw) or "\\x" in row["kernel"]


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps({p.name: counts(log_of(p)) | more_counts(log_of(p)) for p in LOGS}, indent=1) + "\n")
