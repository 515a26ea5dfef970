"""What a race lacks: why it is not complete, and which signs there are that the log lost some of its lines.

In: the races of a build, its log's notes. Out: sentences, in `LayerRace.missing` and `LayerRace.doubts`. Next: races.py; rules.py says what they cost.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..parse.build_log.records import NO_TACTIC, TIMED, Build, BuildLog, Line
from ..parse.build_log.state import KEPT_LINES
from ..text import said_of
from .layers import runner_may_be_sparse
from .race_columns import by_value
from .race_records import Combination, LayerRace

if TYPE_CHECKING:
    from .races import Races

SILENT = "the combination at line {} has no timings: a twin's race was reused"
_LIMIT = re.compile(r"Set number of tactics to (\d{1,9})\b")
_PRUNED = re.compile(
    r"(?:(?P<layer>.*): )?\d+ available tactics, \d+ unparsable, (?P<pruned>\d{1,9}) pruned, \d+ remaining after tactic pruning\.$"
)


class RaceGaps:
    """The gaps of one build's races. `missing`, `doubts`: those of every race. `pruned`: (layer or None, line) of lines about pruned tactics."""

    def __init__(self, races: Races, gap: str | None) -> None:
        """`gap`: what else keeps every race from being complete."""
        log, build = races.log, races.build
        self._races, self._log, self._build = races, log, build
        self.doubts = _unplaced_damage(log)
        self.missing = [*_build_gaps(log, build), *_limited(log, build), *([gap] if gap is not None else []), *self.doubts]
        self.pruned = _pruned_lines(build)
        self._complaints = sorted(_complaints(build), key=lambda line: line.line)
        self._damaged = sorted(damaged.line for damaged in (*log.damaged_lines, *log.unknown_samples))
        self._of_sources: dict[tuple[int, int], LayerRace] = {}
        self._own: dict[tuple[int, int], Sequence[int]] | None = None

    def begin(self, race: LayerRace) -> None:
        """What every race of the build lacks."""
        race.missing.extend(self.missing)
        race.doubts.extend(self.doubts)

    def note(self, race: LayerRace, first: int, last: int) -> None:
        """Lines of the log, from the race's first to its last one or about its layer, that say that tactics were left out."""
        pruned = self._pruned_within(race.layer, first, last) if self.pruned else None
        if pruned is not None:
            race.missing.append(f"tactics were pruned before timing (line {pruned.line})")
            race.pruned = pruned
        race.complaint = self._complaint_within(first, last) if self._complaints else None

    def find(self, race: LayerRace) -> None:
        """Put into a race made combination by combination what it lacks."""
        missing = race.missing
        self.begin(race)
        tried = frozenset[str]().union(*(c.runners for c in race.combinations))
        for item in race.combinations:
            place = f"line {item.line}"
            if item.silent:
                missing.append(SILENT.format(item.line))
            elif item.cached and not item.inherited_from:
                missing.append(f"the cached result at {place} matches no single race of this build")
            elif not item.cached and not item.raced and not item.no_valid:
                missing.append(f"the combination at {place} ends in no timing")
            elif item.raced and item.winner is None:
                missing.append(f"the log ends before the combination at {place} was decided")
            if item.raced and tried and not item.runners and not item.inherited_from:
                missing.append(f"no runner with sparse kernels is shown for the combination at {place}")
            if item.unnamed_count:
                names = said_of(item.unnamed_count, "has no name that says whether it is sparse", "have no name that says whether they are sparse")
                missing.append(f"{said_of(item.unnamed_count, '# timed tactic', '# timed tactics')} at {place} {names}")
            if item.failed:
                failed = said_of(item.failed, "was tried and has no time", "were tried and have no time")
                missing.append(f"{said_of(item.failed, '# tactic', '# tactics')} at {place} that may be sparse {failed}")
            for why, _, tactic, line in item.skipped:
                if why != "only option":
                    missing.append(f"tactic 0x{tactic:016x} was skipped ({why}) at line {line}")
            if item.text == "":
                missing.append(f"the formats of the combination at {place} are not in the log")
        # Where the race stands matters only if the log holds such lines at all.
        lines = (race.combinations[0].line, max(map(self._last_line, race.combinations))) if self.pruned or self._complaints or self._damaged else None
        if lines is not None:
            self.note(race, *lines)
        repeated = {number for c in race.combinations if c.cached and (number := self._races.source_of(c.index)) >= 0}
        for number in repeated:
            source = self._source_race(number)
            missing.extend(gap for gap in source.missing if gap not in missing)
            race.doubts.extend(source.doubts)
        found = [doubt for item in race.combinations for doubt in self._lost_lines(item)]
        found += self.damage(*lines) if lines is not None else []
        missing.extend(found)
        race.doubts.extend(found)

    def damage(self, first: int, last: int) -> list[str]:
        """The lines from the first to the last one of a race that may have held a tactic; one that is cut off stands behind the last."""
        within = self._damaged[bisect_left(self._damaged, first) : bisect_right(self._damaged, last + 2)]
        return [f"line {line} is damaged or of an unknown form" for line in within]

    def _lost_lines(self, item: Combination) -> list[str]:
        """Signs that the log lost lines of this race: what was chosen or fastest has no time, a runner has no fastest, or raced twice (two races in one)."""
        if item.cached:
            return []
        found = []
        s, numbers = self._log.sections.arrays, [section for section in self._races.sections_of(item.index) if self._log.sections.arrays["op"][section] < 0]
        if any(s["runner"][section] < 0 and s["no_valid"][section] for section in numbers):
            found.append(f"a runner of the combination at line {item.line} has no valid tactics, and the line that begins it is lost")
        if not item.raced:
            return found
        if item.winner is not None and self._races.winning[item.index] < 0:
            found.append(f"the tactic chosen for the combination at line {item.line} has no time in the log")
        for section in numbers:
            if s["fastest_line"][section] and s["fastest"][section] != NO_TACTIC and not self._races.fastest_seen[section]:
                found.append(f"the fastest tactic that line {s['fastest_line'][section]} names has no time in the log")
            if self._races.unended.item(section):
                found.append(f"the log does not say which tactic was the fastest of the runner at line {s['line'][section]}, as it does for others")
        runners = [s["runner"][section] for section in numbers]
        if len(set(runners)) < len(runners):
            found.append(f"a runner was tried twice in the combination at line {item.line}: the line that begins another one is lost")
        return found

    def _source_race(self, number: int) -> LayerRace:
        """The race that a cached result repeats with what it lacks, all combinations of its layer in its pass together."""
        c = self._log.combinations.arrays
        key = c["layer"][number], c["pass_index"][number]
        if key not in self._of_sources:
            source = LayerRace(self._log.layers.get(key[0]) or "", self._races.combinations_of(self._own_combinations().get(key, ())))
            self._of_sources[key] = LayerRace(source.layer, [])  # a race never repeats itself
            self.find(source)
            self._of_sources[key] = source
        return self._of_sources[key]

    def _own_combinations(self) -> dict[tuple[int, int], Sequence[int]]:
        """The combinations of each layer and pass of the build that were raced under their own name."""
        if self._own is None:
            c = self._log.combinations
            mine = np.flatnonzero((c["build"] == self._build.index) & (c["is_reformat"] == 0) & (c["cached"] == 0))
            self._own = {}
            for layer, numbers in by_value(c["layer"][mine], mine):
                places = np.asarray(numbers, dtype=np.int64)
                self._own.update(((layer, number), found) for number, found in by_value(c["pass_index"][places], places))
        return self._own

    def _pruned_within(self, layer: str, first: int, last: int) -> Line | None:
        """The line that says tactics of a layer were pruned: it names the layer, or stands among the layer's own lines."""
        for named, line in self.pruned:
            if named == layer or (named is None and first <= line.line <= last):
                return line
        return None

    def _complaint_within(self, first: int, last: int) -> Line | None:
        """The first complaint about memory among the lines of a race."""
        at = bisect_left(self._complaints, first, key=lambda line: line.line)
        return self._complaints[at] if at < len(self._complaints) and self._complaints[at].line <= last else None

    def _last_line(self, item: Combination) -> int:
        rows = self._races.rows_of(item.index)
        last = int(self._log.tactics.line[rows].max()) if len(rows) else item.line
        return int(max(last, self._log.combinations.arrays["winner_line"][item.index], item.line))


def distrust_partial(race: LayerRace) -> None:
    """A twin of TensorRT 8 repeats `has no valid tactics` for some runners and prints nothing for those whose timings it reuses.

    So a combination counts as raced only if every runner with possibly sparse tactics that other combinations of the layer tried was tried in it, too,
    where nothing was timed; no layer without a single timing has a race of its own; and where no tactic of any runner was valid, none that may be sparse
    can have been chosen.
    """
    tried = frozenset[str]().union(*(c.runners for c in race.combinations))
    timed = any(c.raced or c.cached for c in race.combinations)
    for item in race.combinations:
        chosen = item.winner is not None and runner_may_be_sparse(item.winner.runner)
        if item.no_valid and (not timed or not item.runners >= tried or chosen):
            item.no_valid, item.silent = False, True


def _pruned_lines(build: Build) -> list[tuple[str | None, Line]]:
    """(layer or None, line) of each line that says tactics were pruned before timing."""
    found: list[tuple[str | None, Line]] = []
    for line in build.notable.get("pruned", ()):
        match = _PRUNED.match(line.text)
        if match and int(match["pruned"]) > 0:
            found.append((match["layer"], line))
    return found


def _limited(log: BuildLog, build: Build) -> list[str]:
    """`Set number of tactics to N …`: a runner that timed as many may have had more."""
    limits = [int(match[1]) for line in build.notable.get("opt_level", ()) if (match := _LIMIT.search(line.text))]
    if not limits or not len(log.tactics):
        return []
    most = int(np.bincount(log.tactics.section[log.tactics.source == TIMED], minlength=1).max())
    return [f"tactics were pruned: no more than {min(limits)} are timed for a runner"] if most >= min(limits) else []


def _build_gaps(log: BuildLog, build: Build) -> list[str]:
    """What keeps every race of a build from being complete."""
    gaps: list[str] = []
    if stderr_missing(build):
        gaps.append("standard error was not captured, so skipped tactics may not show")
    if not build.complete and log.truncated:
        gaps.append("the log ends before the engine was made")
    if (build.loaded_cache_entries or 0) > 0:
        gaps.append("a timing cache was loaded")
    if len(build.notable.get("pruned", ())) >= KEPT_LINES:
        gaps.append("the log holds more lines about pruned tactics than are kept")
    complaints = _complaints(build)
    if complaints:
        gaps.append(f"tactics were left out for lack of memory (line {complaints[0].line})")
    return gaps


def _complaints(build: Build) -> list[Line]:
    """What the log says of memory that was not there. These are warnings: trtexec writes them to standard error, so that their place only suggests whose they are."""
    return [line for line in build.warnings if line.severity != "V"]


def _unplaced_damage(log: BuildLog) -> list[str]:
    """Damaged lines of which only the number is known, or that there may be more: any of them may stand in any race."""
    doubts: list[str] = []
    if log.unknown_lines > len(log.unknown_samples):
        doubts.append("the log holds many lines of unknown form")
    if len(log.damaged_lines) >= KEPT_LINES:
        doubts.append("the log holds many damaged lines")
    return doubts


def stderr_missing(build: Build) -> bool:
    """trtexec writes warnings and errors to standard error: a trtexec log without a single one was captured without `2>&1`, or had none."""
    return build.own_lines > 0 and not build.severities & {"W", "E", "F"}
