"""What a build log says of a build beside its tactics, line by line: memory, durations, cache, limits, fusions, options.

In: a `Build`. Out: rows of the table `events`, a line with several figures as several rows. Next: small_frames.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..parse.build_log.records import Build, Line

_LAYER = re.compile(r"Layer: (?P<layer>.*?)\s+(?=(?:Host|Device) ?Persistent: )")
_SIZE = re.compile(r"(?P<name>[A-Z][A-Za-z/_-]*(?: [A-Za-z/_-]+)*?)(?:: | is )(?P<value>\d{1,18})\b(?: (?P<unit>bytes|MiB))?")
_SECONDS = re.compile(r"(?P<name>.*?) (?:completed )?in (?P<value>\d+(?:\.\d+)?) seconds")
_OTHER = {
    "opt_level": re.compile(r"Set (?P<name>number of tactics) to (?P<value>\d{1,9})\b"),
    "workspace": re.compile(r"Setting (?P<name>workspace) to (?P<value>\d{1,18})"),
    "cache": re.compile(r"(?P<name>Loaded) (?P<value>\d{1,12}) timing cache entries"),
    "pruned": re.compile(r".*?(?P<value>\d{1,9}) (?P<name>pruned), "),
}
_UNITS = {"workspace": "bytes"}


def event_rows(build: Build) -> Iterator[dict[str, Any]]:
    """Rows in the order of the log; `topic` is the parser's word, `name` and `value` what the line gives a figure for."""
    kept: list[tuple[str, Line]] = [(topic, line) for topic, lines in build.notable.items() for line in lines]
    kept += [("warning", line) for line in build.warnings]
    kept += [("fusion", line) for line in build.fusions]
    kept += [("reformat", line) for line in build.reformat_layers]
    kept += [("option", line) for _, line in build.facts.values()]
    said = {line.line: (key, value) for key, (value, line) in build.facts.items()}
    for topic, line in sorted(kept, key=lambda item: (item[1].line, item[0])):
        base = {"topic": topic, "text": line.text, "line": line.line}
        if topic == "option":
            key, value_text = said[line.line]
            yield {**base, "name": key, "text": value_text}
            continue
        figures: list[tuple[str | None, float | None, str | None]] = list(_figures(topic, line.text))
        layer = _LAYER.match(line.text) if topic == "memory" else None
        for name, value, unit in figures or [(None, None, None)]:
            yield {**base, "layer": layer["layer"] if layer else None, "name": name, "value": value, "unit": unit}


def _figures(topic: str, text: str) -> Iterator[tuple[str, float, str | None]]:
    if topic == "memory":
        layer = _LAYER.match(text)
        for match in _SIZE.finditer(text, layer.end() if layer else 0):
            yield match["name"], float(match["value"]), match["unit"] or "bytes"
    elif topic == "duration":
        seconds = _SECONDS.search(text)
        if seconds:
            yield seconds["name"], float(seconds["value"]), "s"
    elif topic in _OTHER:
        said = _OTHER[topic].match(text)
        if said:
            yield said["name"], float(said["value"]), _UNITS.get(topic)
