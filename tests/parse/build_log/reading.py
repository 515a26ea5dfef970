"""Helpers of these tests: a log from its text, and the log as plain rows."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from trtlens.parse.build_log import BuildLog, parse_build_log
from trtlens.parse.build_log.records import SOURCES
from trtlens.parse.textio import TextSource


def parse(text: str | bytes) -> BuildLog:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "build.log"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        return parse_build_log(TextSource(str(path)))


def verbose(*messages: str) -> str:
    """The messages as trtexec prints them."""
    return "".join(f"[01/02/2030-03:04:05] [V] [TRT] {message}\n" for message in messages)


def combination(log: BuildLog, number: int) -> dict[str, Any]:
    c = log.combinations
    return {
        "build": int(c["build"][number]),
        "pass": int(c["pass_index"][number]),
        "profile": int(c["profile"][number]),
        "layer": log.layers.get(int(c["layer"][number])),
        "formats": log.formats.get(int(c["text"][number])),
        "reformat": bool(c["is_reformat"][number]),
        "line": int(c["line"][number]),
        "winner": (log.runners.get(int(c["winner_runner"][number])), int(c["winner_tactic"][number])) if c["winner_line"][number] else None,
        "winner_ms": None if math.isnan(c["winner_time"][number]) else float(c["winner_time"][number]),
        "cached": bool(c["cached"][number]),
    }


def combinations(log: BuildLog) -> list[dict[str, Any]]:
    return [combination(log, number) for number in range(len(log.combinations))]


def tactics(log: BuildLog) -> list[dict[str, Any]]:
    """One row a tactic, in the log's order."""
    rows, s = log.tactics, log.sections
    return [
        {
            "tactic": int(rows.tactic[i]),
            "kernel": log.kernels.get(int(rows.kernel[i])),
            "ms": None if math.isnan(rows.time_ms[i]) else float(rows.time_ms[i]),
            "source": SOURCES[rows.source[i]],
            "why": log.whys.get(int(rows.skipped_why[i])),
            "line": int(rows.line[i]),
            "runner": log.runners.get(int(s["runner"][rows.section[i]])),
            "layer": log.layers.get(int(s["layer"][rows.section[i]])),
            "op": log.layers.get(int(s["op"][rows.section[i]])),
            "combination": int(s["combination"][rows.section[i]]),
        }
        for i in range(len(rows))
    ]


def brief(log: BuildLog) -> list[tuple[Any, ...]]:
    """(layer, runner, id, kernel, milliseconds, source) of each tactic."""
    return [(t["layer"], t["runner"], t["tactic"], t["kernel"], t["ms"], t["source"]) for t in tactics(log)]
