"""Evidence by line: rules cite (line, offset), the text is read back from the file in one go at the end.

In: places in the log. Out: `LineEvidence` with the very line as the user has it. Next: joins.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..parse.build_log.records import Line
from ..parse.textio import TextSource
from ..text import split_top_level
from .model import Evidence, LineEvidence


class Citer:
    """Collects cited lines of one log; `texts()` reads them back."""

    def __init__(self, source: TextSource | None, log_input: int) -> None:
        self.source, self.log_input = source, log_input
        self._offsets: dict[int, int] = {}
        self._known: dict[int, str] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._kernels: dict[int, tuple[int, str]] = {}
        self._naming: dict[int, str] = {}
        self._cited: dict[int, LineEvidence] = {}
        self._whole: dict[int, LineEvidence] = {}

    def line(self, line: Line) -> LineEvidence:
        """Cite a line whose message is known."""
        found = self._cited.get(line.line)
        if found is None:
            self._offsets[line.line] = line.offset
            self._known.setdefault(line.line, line.text)
            found = self._cited[line.line] = LineEvidence(self.log_input, line.line, line.text)
        return found

    def place(self, number: int, offset: int) -> LineEvidence:
        """Cite a line by its number and offset."""
        if offset >= 0:
            self._offsets[number] = offset
        return LineEvidence(self.log_input, number, self._known.get(number, ""))

    def tactic(self, number: int, offset: int, kernel: str | None) -> None:
        """The line of a tactic, cited for its kernel: TensorRT up to 8.5 prints the name in the line before, which is then cited, too."""
        if kernel and number > 1 and offset > 0:
            self._kernels[number] = (offset, kernel)

    def read(self) -> dict[int, str]:
        """Line number → the whole line, prefix and all, of everything cited."""
        if self.source is None:
            return dict(self._known)
        texts = self.source.lines_at(list(self._offsets.values()))
        found = {number: texts[offset] for number, offset in self._offsets.items() if offset in texts}
        nameless = {number: place for number, place in self._kernels.items() if number in found and place[1] not in found[number]}
        before = self.source.lines_before([offset for offset, _ in nameless.values()]) if nameless else {}
        self._naming = {number: before[offset] for number, (offset, kernel) in nameless.items() if kernel in before.get(offset, "")}
        return {**self._known, **found}

    def with_texts(self, evidence: Iterable[Evidence], texts: dict[int, str], about: str = "") -> tuple[Evidence, ...]:
        """The evidence with the lines' texts filled in, each line once. A list of thousands of names is cut around `about`, the layer's."""
        out: list[Evidence] = []
        seen: set[int] = set()
        for item in evidence:
            if type(item) is not LineEvidence or item.input != self.log_input:
                if item not in out and not (type(item) is LineEvidence and item.line < 1):
                    out.append(item)
                continue
            number = item.line
            if number < 1:
                continue  # a place made up for rows whose own line the log has lost: there is nothing to show
            if number in self._naming and number - 1 not in seen:
                seen.add(number - 1)
                out.append(LineEvidence(item.input, number - 1, self._naming[number]))
            if number not in seen:
                seen.add(number)
                out.append(self._filled(item, texts, about))
        return tuple(out)

    def _filled(self, item: LineEvidence, texts: dict[int, str], about: str) -> LineEvidence:
        """The line with its text: one object for all layers that cite it, unless it is so long that each cites another part."""
        found = self._whole.get(item.line)
        if found is None:
            text = texts.get(item.line, item.text)
            if len(text) > _LONGEST:
                return LineEvidence(item.input, item.line, self._around(item.line, text, about))
            found = self._whole[item.line] = LineEvidence(item.input, item.line, text)
        return found

    def _around(self, line: int, text: str, about: str) -> str:
        """Of a line above 8,000 characters its beginning and what stands around the name it is cited for, `…` where it was cut."""
        if line not in self._names:
            self._names[line] = _places(text)
        names = self._names[line]
        at = names.get(about, -1) if len(names) > 1 or not about else text.find(about)
        if 0 <= at < _BESIDE or not about:
            return text[:_LONGEST] + " …"
        if at < 0:
            return text[: 2 * _BESIDE] + " …"  # a list that does not name it: what the list is stands in its beginning
        end = min(at + len(about) + _BESIDE, at + _LONGEST)
        return f"{text[:_BESIDE]} … {text[at - _BESIDE if at - _BESIDE > _BESIDE else _BESIDE : end]}" + (" …" if end < len(text) else "")


def _places(text: str) -> dict[str, int]:
    """Where each name of a list begins: one pass, for thousands of layers may be cited from one line."""
    found: dict[str, int] = {}
    at = 0
    for name in split_top_level(text[text.rfind(": ", 0, _BESIDE) + 1 :]):
        place = text.find(name, at)
        if place >= 0:
            found.setdefault(name, place)
            at = place + len(name)
    return found


_LONGEST = 8000
_BESIDE = 300
