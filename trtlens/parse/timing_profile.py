"""Timing profiles: how long each engine layer took, as trtexec --exportProfile writes it or --dumpProfile prints it.

In: the text of a JSON file, or numbered lines of a log. Out: records.TimingProfile. Next: diagnose/ joins rows to layers by name.
trtexec writes layer names raw: quotes, backslashes and control bytes in a name break JSON, so its files are read by the structure of its
rows, each anchored at the keys that follow the name. Files that a JSON library wrote (Torch-TensorRT, scripts) are read as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ..errors import InputError
from ..text import visible
from . import lenient_json
from .layer_text import PREFIX
from .records import Note, ProfileRow, TimingProfile

_TODO = "give the file that trtexec --exportProfile wrote"
_FIGURE = r'[^\s,"{}\[\]:]+'
_TAIL = re.compile(rf'"\s*,\s*"timeMs"\s*:\s*({_FIGURE})((?:\s*,\s*"\w+"\s*:\s*{_FIGURE})*)\s*,?\s*\}}')
_OPENER = re.compile(r'\{\s*"name"\s*:\s*"')
_NEXT_ROW = re.compile(r'[\r\n]\s*,\s*\{\s*"name"\s*:\s*"')
_RAW_ROW = re.compile(r'\{ "name" : "')
_PAIR = re.compile(rf'"(\w+)"\s*:\s*({_FIGURE})')
_BETWEEN = re.compile(r'(?P<blank>[\s,]+)|(?P<open>\[)|(?P<close>\])|\{\s*"count"\s*:\s*(?P<count>[^\s,}]+)\s*,?\s*\}')
_NEXT_ARRAY = re.compile(r'\]\s*\[|\{\s*"count"')
_TITLE = re.compile(r"=== Profile \((?P<iterations>\d+) iterations? ?\) ===")
_NUMBER = r"(?:[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)(?:\(\w*\))?)"
_LAST_ROW = "Total"


def looks_like(text_head: str) -> bool:
    """Whether the head of a file (64 KB are enough) is a timing profile in JSON."""
    head = text_head.lstrip("\ufeff \t\r\n")
    if head[:1] not in ("[", "{"):
        return False
    return re.match(r'\[?\s*\{\s*"count"\s*:', head) is not None or ('"timeMs"' in head and '"LayerType"' not in head)


def parse_timing_profile(text: str, path: str) -> list[TimingProfile]:
    """The profiles in one file: one an array, for trtexec appends to a file that exists.

    A figure that is missing or no number is None. Pointers are `/3` in the first array, `/1/3` in the second. Damage costs only the rows it
    hits and leaves a Note. Raises InputError where no row and no count can be read, or where the file is something else.
    """
    text = text.lstrip("\ufeff")
    lenient_json.reject_unreadable(text, path)
    if text.lstrip()[:1] not in ("[", "{", ","):
        raise InputError(path, "this is no timing profile in JSON", todo=_TODO)
    if _RAW_ROW.search(text) is None:
        try:
            document, notes = lenient_json.load(text, path)
        except InputError:
            if _TAIL.search(text) is None and re.search(r'\{\s*"count"\s*:', text) is None:
                raise
        else:
            return [_from_document(document, notes, path)]
    return _by_structure(text, path)


def _from_document(document: Any, notes: tuple[Note, ...], path: str) -> TimingProfile:
    items = document if isinstance(document, list) else [document]
    rows: list[ProfileRow] = []
    found = list(notes)
    iterations: int | None = None
    has_median = False
    for index, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("name"), str) and "timeMs" in item:
            rows.append(_row(item["name"], item, f"/{index}" if isinstance(document, list) else ""))
            has_median |= "medianMs" in item
        elif isinstance(item, dict) and "count" in item:
            iterations = _count(item["count"])
        else:
            found.append(Note(f"/{index}", f"skipped, not a row: {visible(json.dumps(item)[:80], 60)}"))
    if not rows and iterations is None:
        raise InputError(path, f"this is {lenient_json.describe(document)}, not a timing profile", todo=_TODO)
    return TimingProfile(tuple(rows), iterations, _dialect(has_median), tuple(found))


def _by_structure(text: str, path: str) -> list[TimingProfile]:
    """Read the rows by their known shape: `{ "name" : "` NAME `", "timeMs" : N, …}`, with separators and counts between."""
    reader = _Arrays(text)
    raw = _RAW_ROW.search(text) is not None
    position = searched = 0
    for tail in _TAIL.finditer(text):
        opener = _OPENER.search(text, max(position, searched), tail.start())
        if opener is None:
            searched = tail.start() - 256  # its head is damaged: the next row's gap holds it and becomes a note
            continue
        name_start = opener.end()
        # A damaged row before this one has no tail of its own and would swallow this name: the last row start on a line of its own wins.
        for later in _NEXT_ROW.finditer(text, name_start, tail.start()):
            name_start = later.end()
        head = text.rfind("{", position, name_start)
        reader.between(text[position:head], position)
        name = text[name_start : tail.start()]
        figures = {"timeMs": tail[1], **dict(_PAIR.findall(tail[2]))}
        reader.row(name if raw else _unescaped(name), figures)
        position = tail.end()
    reader.between(text[position:], position)
    profiles = reader.finish()
    if not profiles:
        raise InputError(path, "no complete row of a timing profile stands in it", todo=_TODO)
    return profiles


class _Arrays:
    """Collects rows and counts into one profile an array."""

    def __init__(self, text: str) -> None:
        self.lines = lenient_json.LineCounter(text)
        self.profiles: list[TimingProfile] = []
        self.has_median = False
        self.rows: list[ProfileRow] = []
        self.notes: list[Note] = []
        self.iterations: int | None = None
        self.items = 0

    def between(self, gap: str, offset: int) -> None:
        """Take what stands between two rows: separators, brackets, counts; anything else becomes a Note."""
        index = 0
        while index < len(gap):
            match = _BETWEEN.match(gap, index)
            if match is None:
                following = _NEXT_ARRAY.search(gap, index)
                end = following.start() if following else len(gap)
                skipped = visible(gap[index:end].strip(), 80)
                self.notes.append(Note(f"line {self.lines.line(offset + index)}", f"skipped, no complete row: {skipped}"))
                self.items += 1
                index = end if end > index else len(gap)
                continue
            if match["open"]:
                self._close(complete=False)
            elif match["close"]:
                self._close(complete=True)
            elif match["count"]:
                if self.iterations is not None or self.rows:
                    self._close(complete=False)
                self.iterations = _count(match["count"])
                self.items += 1
            index = match.end()

    def row(self, name: str, figures: dict[str, Any]) -> None:
        array = len(self.profiles)
        pointer = f"/{array}/{self.items}" if array else f"/{self.items}"
        self.rows.append(_row(name, figures, pointer))
        self.has_median |= "medianMs" in figures
        self.items += 1

    def finish(self) -> list[TimingProfile]:
        self._close(complete=False)
        if self.notes and self.profiles:
            last = self.profiles[-1]
            self.profiles[-1] = TimingProfile(last.rows, last.iterations, last.dialect, (*last.notes, *self.notes))
        return self.profiles

    def _close(self, complete: bool) -> None:
        if self.rows or self.iterations is not None:
            if not complete:
                self.notes.append(Note("end of the array", f"the array is not closed: cut off after {len(self.rows)} rows"))
            self.profiles.append(TimingProfile(tuple(self.rows), self.iterations, _dialect(self.has_median), tuple(self.notes)))
            self.notes = []
        self.rows, self.iterations, self.items, self.has_median = [], None, 0, False


def _row(name: str, figures: dict[str, Any], pointer: str) -> ProfileRow:
    # Nothing takes less than no time: what claims to is damaged, and unknown.
    time, average, median, percent = (
        value if value is None or value >= 0 else None for value in (lenient_json.finite(figures.get(key)) for key in ("timeMs", "averageMs", "medianMs", "percentage"))
    )
    return ProfileRow(name, time, average, median, percent, pointer=pointer)


def _dialect(has_median: bool) -> str:
    """TensorRT 7 to 8.2 write no `medianMs`."""
    return "json-8.5" if has_median else "json-7"


def _count(value: object) -> int | None:
    number = lenient_json.finite(value)
    return int(number) if number is not None and 0 <= number < 1e15 and number == int(number) else None


def _unescaped(name: str) -> str:
    try:
        value = json.loads(f'"{name}"', strict=False)
    except ValueError:
        return name
    return value if isinstance(value, str) else name


class ProfileTableReader:
    """Reads one table of `--dumpProfile` line by line; `feed` says whether the line was taken, `result` gives the table.

    Three forms: 8.2 (`Layer  Time (ms)  Avg. Time (ms)  Time %`), 8.5 to 8.6.0 (a median column added; the name first and right-aligned in
    both) and 8.6.1 to 10.x (`Time(ms)  Avg.(ms)  Median(ms)  Time(%)  Layer`, the name last). Lines may keep their log prefix. The table
    ends after its `Total` row.
    """

    def __init__(self, iterations: int | None = None) -> None:
        self._iterations = iterations
        self._dialect: str | None = None
        self._pattern: re.Pattern[str] | None = None
        self._rows: list[ProfileRow] = []
        self._total: ProfileRow | None = None
        self.done = False

    def feed(self, number: int, line: str) -> bool:
        """Take line `number`; False once the line is not part of the table (its title, column heads, rows, total)."""
        text = line.rstrip("\r\n")
        prefix = PREFIX.match(text)
        message = text[prefix.end() :] if prefix else text
        if self.done:
            return False
        if self._pattern is None:
            title = _TITLE.search(message)
            if title and self._iterations is None:
                self._iterations = int(title["iterations"][:15])
                return True
            return self._heads(message)
        match = self._pattern.match(message)
        if match is None:
            self.done = True
            return False
        if self._total is not None:  # a layer may be called Total as well: only the last such row is the sum
            self._rows.append(self._total)
        median = lenient_json.finite(match["median"]) if "median" in self._pattern.groupindex else None
        total, average, percent = (lenient_json.finite(match[key]) for key in ("time", "average", "percent"))
        row = ProfileRow(match["name"].strip(), total, average, median, percent, line=number)
        self._total = row if row.name == _LAST_ROW else None
        if self._total is None:
            self._rows.append(row)
        return True

    def result(self) -> TimingProfile | None:
        """The table so far, or None before its column heads. A table without its total was cut off, and a Note says so."""
        if self._dialect is None:
            return None
        notes = () if self._total else (Note(f"after {len(self._rows)} rows", "the table has no Total row: it was cut off"),)
        return TimingProfile(tuple(self._rows), self._iterations, self._dialect, notes)

    def _heads(self, message: str) -> bool:
        heads = " ".join(message.split())
        # The order of columns is the form; the figures have two to four decimals, nan where nothing ran.
        time, average, percent = (rf"(?P<{key}>{_NUMBER})" for key in ("time", "average", "percent"))
        median = rf"(?P<median>{_NUMBER})"
        if heads == "Layer Time (ms) Avg. Time (ms) Time %":
            self._dialect, columns = "table-8.2", [time, average, percent]
        elif heads == "Layer Time (ms) Avg. Time (ms) Median Time (ms) Time %":
            self._dialect, columns = "table-8.5", [time, average, median, percent]
        elif heads == "Time(ms) Avg.(ms) Median(ms) Time(%) Layer":
            self._dialect, columns = "table-8.6", [time, average, median, percent]
            self._pattern = re.compile(r"^\s*" + r"\s+".join(columns) + r"\s+(?P<name>\S.*)$")
            return True
        else:
            return False
        self._pattern = re.compile(r"^\s*(?P<name>\S.*?)\s+" + r"\s+".join(columns) + r"\s*$")
        return True


def parse_profile_table(lines: Iterable[tuple[int, str]]) -> TimingProfile | None:
    """The first --dumpProfile table among numbered lines (with or without log prefixes); None where there is none.

    Lines before the title or the column heads are passed over; nothing after the table is read. Reads each line once.
    """
    reader = ProfileTableReader()
    for number, line in lines:
        reader.feed(number, line)
        if reader.done:
            break
    return reader.result()
