"""Structural lines one by one: sections, format combinations, runners, winners.

In: the message of a line that lines.py knew by its beginning. Out: rows of the combination and section tables, and the place of what follows.
Next: single_lines.py. Long runs of such lines are read by bulk.py instead, which makes the same rows.

Attribution: a tactic belongs to the last `Timing Runner` (or, without one, to the last format combination). The layer of a combination is the name
of its `Computing costs for NAME`; TensorRT 8.2 to 8.6.0 print that name empty, then it is the name in the section's runner lines; a section
without any (a silent twin) has no layer. TensorRT 7 and 8.0 have no such sections: there each combination is named by its own runners.
"""

from __future__ import annotations

import re

from ...text import parse_tactic
from . import grammar as g
from . import lines as k
from .bulk import MEMO
from .records import Line
from .tactic_columns import TacticColumns

_RUNNER_ID = re.compile(r"\[0x[0-9a-fA-F]+\]$")


class StructureReader(TacticColumns):
    """Reads the lines that change where tactics belong."""

    def _formats(self, text: bytes, line: int, offset: int, row: int) -> None:
        number = self.format_number(text)
        if number < 0:
            return self._incomplete(text, line, offset, row)
        self._tuning_begins(line)
        if not self.named_sections:
            self.layer = -1  # 7.x and 8.0: the runner lines name the layer
        self.runner = self.op = -1
        self.combination = self._add_combination(number, 0, line, offset)
        self._moved(row)
        return None

    def _reformats(self, text: bytes, line: int, offset: int, row: int) -> None:
        number = self.format_number(text)
        if number < 0:
            return self._incomplete(text, line, offset, row)
        self._tuning_begins(line)
        self.runner = self.op = -1
        self.combination = self._add_combination(number, 1, line, offset, layer=-1)
        self._moved(row)
        return None

    def format_number(self, text: bytes) -> int:
        """The number of the format string in an `Autotuning` line; -1 if the line does not end as such a line does."""
        lead, colon, formats = text.partition(b":")
        if not colon or not formats.endswith(b"***") or k.is_torn(formats) or lead.lstrip(b"*") not in (b" Autotuning format combination", b" Autotuning Reformat"):
            return -1
        return self.formats.add(formats.rstrip(b"*").strip().decode("utf-8", "backslashreplace"))

    def runner_numbers(self, text: bytes) -> tuple[int, int]:
        """(layer, runner) of a `Timing Runner`, `No valid tactics for` or `RunnerBuilder` line; runner -1 if it is no whole line of these."""
        memo = self.runner_memo.get(text)
        if memo is None:
            if b"] " in text and k.is_torn(text):
                return -1, -1
            message = text.decode("utf-8", "backslashreplace")
            opening = message.rfind("(")
            if message.startswith(g.RUNNER_LEAD) and message.endswith(")") and opening > 0 and ")" not in message[opening:-1]:
                name, runner = message[len(g.RUNNER_LEAD) : opening].strip(), message[opening + 1 : -1]
            else:
                match = g.RUNNER.match(message) or g.NO_VALID_10.match(message) or g.DECLINED.match(message)
                if match is None:
                    return -1, -1
                name, runner = match["layer"].strip(), match["runner"]
            memo = (self.layers.add(name) if name else -1, self.runners.add(_RUNNER_ID.sub("", runner)))
            if len(self.runner_memo) > MEMO:
                self.runner_memo.clear()
            self.runner_memo[text] = memo
        return memo

    def chosen_runner(self, name: bytes) -> int:
        """The number of a runner named by a `Chose Runner Type` line; -1 if another line begins in it."""
        if k.is_torn(name):
            return -1
        number = self.chosen_memo.get(name)
        if number is None:
            number = self.chosen_memo[name] = self.runners.add(name.decode("utf-8", "backslashreplace"))
        return number

    def _incomplete(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A structural line without its end: hard-wrapped or torn."""
        self._severity_of(row)
        if k.is_torn(text):
            self._torn(text, line, offset, row)
            return
        self._fragment(text, line, offset, row)
        self._unplaced(text.decode("utf-8", "backslashreplace"), line, offset, row)

    def _fragment(self, text: bytes, line: int, offset: int, row: int) -> None:
        """The beginning of a line whose end is lost. What follows must not be counted to the section before it, if the line began one."""
        if self.late is not None or g.DATE_ALONE.match(text):
            return  # it is one of those that never do, or one that follows: some writers put their prefix down in parts
        opener = text[:1]
        if opener in (b"", b"=") or g.PREFIX_OPENER.match(text):  # nothing but a prefix is left of it: any line
            self.section += 1
            self.section_of, self.layer = "", -1
            self.combination = self.runner = -1
        elif opener == b"*":
            self.combination = self.runner = -1
            if self.section_of == "costs for" and self.in_tuning:
                self.combination = self._add_combination(-1, 0, line, offset)
        elif opener == b"-":
            self.runner = -1
        else:
            return
        self._moved(row)

    def _runner(self, text: bytes, line: int, offset: int, row: int) -> None:
        layer, runner = self.runner_numbers(text)
        if runner < 0:
            # a ruler of dashes (parser banner) is no torn line
            return self._incomplete(text, line, offset, row) if text.strip(b"-") else None
        self._tuning_begins(line)
        c = self.combinations.arrays
        # A fragment without its format combination: each layer named gets one of its own, and none the tactics that nobody's line stands before.
        lost = self.combination < 0 or self._is_lost(self.combination)
        if lost or (c["text"][self.combination] == -1 and layer >= 0 and c["layer"][self.combination] not in (-1, layer)):
            self.combination = self._add_combination(-1, 0, line, offset, layer=layer)
        elif c["winner_line"][self.combination]:  # decided already: the line that begins another combination is lost
            self._damage(Line(line, offset, text[:400].decode("utf-8", "backslashreplace")))
            self.combination = self._add_combination(-1, 0, line, offset, layer=layer)
        elif layer >= 0 and c["layer"][self.combination] not in (-1, layer) and not c["is_reformat"][self.combination]:
            self._lost_section(layer, line, offset)
        owner = c["layer"][self.combination]
        if owner == -1 and layer >= 0:
            self._name_section(layer)
        self.op = -1
        self.runner = self._add_section(self.combination, runner, layer if layer >= 0 else owner, line, offset)
        self._moved(row)
        return None

    def _lost_section(self, layer: int, line: int, offset: int) -> None:
        """A runner names another layer than its section does: the line that begins that layer's section is lost."""
        c, s, number = self.combinations.arrays, self.sections.arrays, self.combination
        before = c["layer"][number]
        section = len(s["layer"]) - 1
        while section >= 0 and s["combination"][section] == number and s["layer"][section] != before:
            section -= 1
        if section >= 0 and s["combination"][section] == number:  # the combination is the other layer's, too
            self._damage(Line(line, offset, ""))
            self.combination = self._add_combination(-1, 0, line, offset, layer=layer)
            return
        if self.named_sections:
            self.section += 1
            self.layer = layer
        c["section"][number], c["layer"][number] = self.section, layer
        self._damage(Line(c["line"][number], c["offset"][number], ""))
        # The layer before lost nothing but its end; it is told so where the lines do not stand close enough for the damage to be seen.
        for earlier in range(number - 1, -1, -1):
            if c["layer"][earlier] == before and not c["cached"][earlier]:
                self._damage(Line(c["line"][earlier], c["offset"][earlier], ""))
            if not c["cached"][earlier]:
                break

    def _name_section(self, layer: int) -> None:
        """The first runner line of an unnamed section names the layer of all its combinations, those before it too."""
        c = self.combinations.arrays
        if c["is_reformat"][self.combination] or not self.named_sections:
            c["layer"][self.combination] = layer
            return
        self.layer = layer
        number = len(c["layer"]) - 1
        while number >= 0 and c["section"][number] == self.section and not c["is_reformat"][number]:
            if c["layer"][number] == -1 and not self._is_lost(number):
                c["layer"][number] = layer
            number -= 1

    def _costs(self, text: bytes, line: int, offset: int, row: int) -> None:
        match = g.COSTS.match(text.decode("utf-8", "backslashreplace"))
        begun = match is None and text.strip(b"=") and g.COSTS_LEAD.startswith(text[: len(g.COSTS_LEAD)])  # a ruler alone is a banner's
        if begun or k.is_torn(text):
            self._incomplete(text, line, offset, row)
            return
        if match is None:
            self._other(text, line, offset, k.OWN, False, row)
            return
        self._tuning_begins(line)
        self._pass(line)
        self.combination = self.runner = self.op = -1
        self.section += 1
        self.section_of = match["what"]
        name = match["name"].strip()
        if match["what"] == "costs for":
            self.named_sections = True
            self.layer = self.layers.add(name) if name else -1
        else:
            self.layer = -1
        self._moved(row)

    def _chose(self, text: bytes, line: int, offset: int, row: int) -> None:
        match = g.CHOSE.match(text.decode("utf-8", "backslashreplace"))
        tactic = parse_tactic(match["id"]) if match else None
        if k.is_torn(text):
            self._incomplete(text, line, offset, row)
            return
        if match is None or tactic is None:
            self._severity_of(row)
            self._unplaced(text.decode("utf-8", "backslashreplace"), line, offset, row)
            return
        if self.combination < 0:
            self.combination = self._lost_combination(line)  # a fragment that begins inside a race
        if self.combination >= 0:
            c = self.combinations.arrays
            c["winner_runner"][self.combination] = self.runners.add(match["runner"])
            c["winner_tactic"][self.combination] = tactic
            c["winner_line"][self.combination] = line
            c["winner_offset"][self.combination] = offset

    def _skip_runner(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A runner that was not timed, and says so on one line without a section of its own."""
        layer, runner = self.runner_numbers(text)
        if runner < 0:
            self._as_other(text, line, offset, row)
        elif self.combination >= 0:
            self._add_section(self.combination, runner, layer, line, offset, 1)

    def _as_other(self, text: bytes, line: int, offset: int, row: int) -> None:
        """A line that began as structure does, and is none."""
        index = self.index
        self._severity_of(row)
        self._other(text, line, offset, int(index.writer[row]), bool(index.foreign[row]), row)

    def _severity_of(self, row: int) -> None:
        self.severity = chr(int(self.index.severity[row])) if self.index.severity[row] else ""
