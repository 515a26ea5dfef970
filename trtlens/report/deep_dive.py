"""One layer in depth: the verdict and its arithmetic, every format combination, the race, the reformats around it, the cited lines in context.

In: a session, the name of an engine layer or an ONNX node, a console. Out: text no wider than the console. Next: words.py, which holds the sentences.
Names and lines come from logs and models: they are made visible, never parsed as rich markup, and cut in the middle to fit.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from ..diagnose.extras import Race, ReformatTerm, cited_reformats, layer_races, race_of, reformats_around
from ..diagnose.model import CaptureDiagnosis, Evidence, LayerVerdict, LineEvidence, TensorEvidence
from ..diagnose.races import Combination, Entry, LayerRace, Races
from ..diagnose.reasons import REASONS
from ..diagnose.small_frames import engine_layers
from ..errors import InputError, UsageError
from ..parse.layer_names import split_profile_suffix
from ..parse.textio import TextSource
from ..text import tactic_hex
from . import words
from .terminal import Printer

if TYPE_CHECKING:
    from ..diagnose.session import Session

_TACTICS = 8
_COMBINATIONS = 40
_CITED = 12
_AROUND = 2
_CITED_LENGTH = 480
"""Cited lines are wrapped, not cut, up to this many characters: longer ones are lists of hundreds of layers."""


def render_layer(session: Session, name: str, console: Console) -> None:
    """Print everything about one layer, in each capture that has it; where layers of several names match, their list.

    Raises UsageError, with the closest names, where no engine layer and no ONNX node of the main builds is called `name`.
    """
    found = [(number, verdict) for number, diagnosis in enumerate(session.diagnosis.captures) for verdict in _matches(diagnosis, name)]
    if not found:
        raise UsageError(f"--layer {name!r}: no engine layer and no ONNX node has that name{_close(session, name)}")
    printer = Printer(console)
    if len({verdict.name for _, verdict in found}) > 1:
        _list(printer, session, name, found)
        return
    for position, (number, verdict) in enumerate(found):
        if position:
            printer.line()
        _layer(printer, session, number, verdict)


def _matches(diagnosis: CaptureDiagnosis, name: str) -> list[LayerVerdict]:
    """Layers of that very name; else of that name but for ` [profile N]`; else those that hold the ONNX node."""
    layers = diagnosis.main.layers if diagnosis.main is not None else ()
    exact = [layer for layer in layers if layer.name == name]
    base = exact or [layer for layer in layers if split_profile_suffix(layer.name)[0] == name]
    return base or [layer for layer in layers if name in layer.onnx_nodes]


def _close(session: Session, name: str) -> str:
    builds = [diagnosis.main for diagnosis in session.diagnosis.captures if diagnosis.main is not None]
    known = list(dict.fromkeys(text for build in builds for layer in build.layers for text in (layer.name, *layer.onnx_nodes) if text))
    if not known:
        return " (the inputs name no layer at all)"
    # A part of a fused name is what people type; beyond that, spelling.
    wanted = name.lower()
    close = [text for text in known if wanted and wanted in text.lower()][:3]
    close = close or difflib.get_close_matches(name[:500], [text[:500] for text in known[:20_000]], n=3, cutoff=0.5)
    shown = [text if len(text) <= 100 else text[:60] + "..." + text[-37:] for text in close]
    return f"; close to it: {', '.join(map(repr, shown))}" if shown else ""


def _list(printer: Printer, session: Session, name: str, found: Sequence[tuple[int, LayerVerdict]]) -> None:
    several = len(session.diagnosis.captures) > 1
    printer.line(f"{len(found)} layers match {name}; name one of them in full:", style="bold")
    for number, verdict in found:
        where = f", capture {number + 1}" if several else ""
        time = f", {words.ms(verdict.time_ms)} ms" if verdict.time_ms is not None else ""
        printer.line(f"{verdict.name}: {_status(verdict)}{time}{where}", first="  ", rest="    ")


def _status(verdict: LayerVerdict) -> str:
    return f"{verdict.status}: {verdict.reason}" if verdict.reason else verdict.status


def _layer(printer: Printer, session: Session, number: int, verdict: LayerVerdict) -> None:
    capture, diagnosis = session.captures[number], session.diagnosis.captures[number]
    where = f" (capture {number + 1})" if len(session.captures) > 1 else ""
    printer.line(f"{verdict.name or '(no name)'}{where}", style="bold")
    printer.line(f"{_status(verdict)} ({verdict.proof})", first="  ", rest="  ", style="bold")
    title = words.reason_title(verdict.reason) if verdict.reason in REASONS else ""
    if title and not verdict.summary.lower().startswith(title.lower()):
        printer.line(title, first="  ", rest="  ")
    printer.line(verdict.summary, first="  ", rest="  ")
    printer.line()
    for label, value in _facts(verdict):
        printer.line(f"{label}: {value}", first="  ", rest="    ")
    races = session.races(number)
    race = race_of(races, verdict) if races is not None else None
    if races is not None and race is not None:
        _combinations(printer, race, verdict)
        _race(printer, races, race, verdict)
        if race.missing:
            _section(printer, "Why the race is not complete")
            _some(printer, race.missing, 5)
    else:
        _section(printer, "Race")
        printer.line("these inputs hold no race for this layer", first="  ", rest="  ")
    known = engine_layers(capture, diagnosis, diagnosis.main.index) if diagnosis.main is not None else []
    beside = reformats_around(races, known, {verdict.name}) if races is not None else {}
    if beside:
        _section(printer, "Reformats around it")
        for item in beside[verdict.name]:
            cost = "not measured" if item.time_ms is None else f"{_ms(item.time_ms)} ms"
            line = f", line {item.line:,}" if item.line else ""
            printer.line(f"{item.tensor}: {item.from_format} -> {item.to_format}: {cost}{line}", first="  ", rest="    ")
    terms = cited_reformats(races, known, verdict, capture.log_input) if races is not None else ()
    _terms(printer, terms)
    if verdict.suspects:
        _section(printer, "Suspects (suggested, not proven)")
        _some(printer, [f"{suspect.reason}: {suspect.summary}" for suspect in verdict.suspects], 10)
    if verdict.remedies:
        _section(printer, "What to do")
        _some(printer, [f"{remedy.text} ({words.remedy_gain(remedy)})" for remedy in verdict.remedies], 10)
    _evidence(printer, diagnosis, verdict, capture.log_source, capture.log_input, {term.line: term.sections for term in terms})


def _terms(printer: Printer, terms: Sequence[ReformatTerm]) -> None:
    """The measured reformats of the sum, each with its sign."""
    if not terms:
        return
    _section(printer, "Reformats in the sum")
    for term in terms:
        what = {True: "added", False: "removed", None: "counted"}[term.added]
        place = f"{term.tensor}: " if term.tensor else ""
        printer.line(f"{what} {_ms(term.time_ms)} ms: {place}{term.from_format} -> {term.to_format}, line {term.line:,}", first="  ", rest="    ")


def _facts(verdict: LayerVerdict) -> list[tuple[str, str]]:
    tactic = verdict.tactic
    parts = (tactic.name, tactic_hex(tactic.id) if tactic.id is not None else None, tactic.runner)
    eligible = {True: "yes", False: "no", None: "unknown"}[verdict.eligibility.value]
    facts = [("eligible", f"{eligible} ({verdict.eligibility.proof})"), ("tactic", ", ".join(p for p in parts if p) or "unknown"), *words.layer_figures(verdict)]
    for label, values in (("ONNX nodes", verdict.onnx_nodes), ("inputs", verdict.input_formats), ("outputs", verdict.output_formats)):
        if values:
            facts.append((label, "; ".join(values[:20])))
    if verdict.inherited_from:
        facts.append(("race of the equal layer", verdict.inherited_from))
    return facts


def _ms(value: float) -> str:
    """Races are decided by the third digit: more of them than the summary shows."""
    return f"{value:.4g}"


def _section(printer: Printer, title: str) -> None:
    printer.line()
    printer.line(title, style="bold")


def _some(printer: Printer, texts: Sequence[str], limit: int) -> None:
    for text in texts[:limit]:
        printer.line(text, first="  - ", rest="    ")
    if len(texts) > limit:
        printer.line(f"and {len(texts) - limit:,} more", first="  - ", style="dim")


def _combinations(printer: Printer, race: LayerRace, verdict: LayerVerdict) -> None:
    """Every combination with its fastest tactic of each kind and its winner; where there are many, first those with a sparse tactic."""
    _section(printer, words.count(len(race.combinations), "format combination"))
    order = race.combinations if len(race.combinations) <= _COMBINATIONS else sorted(race.combinations, key=lambda item: item.sparse is None)
    for item in order[:_COMBINATIONS]:
        won = item.winner is not None and item.winner.tactic == verdict.tactic.id and verdict.tactic.id is not None
        marks = ", ".join(_marks(item)) + (", holds the tactic that runs" if won else "")
        printer.line(f"{item.text or '(formats not in the log)'} (line {item.line:,}{', ' + marks.lstrip(', ') if marks else ''})", first="  ", rest="    ")
        for label, entry in (("dense", item.dense), ("sparse", item.sparse), ("unnamed", item.unnamed)):
            if entry is not None:
                printer.line(f"{label:<8}{_entry(entry, item.winner)}", first="    ", rest="            ")
        if item.winner is not None and not any(_same(item.winner, entry) for entry in (item.dense, item.sparse, item.unnamed)):
            printer.line(f"{'winner':<8}{_entry(item.winner, item.winner)}", first="    ", rest="            ")
        for why, kernel, tactic, line in item.skipped[:3]:
            printer.line(f"skipped {kernel or tactic_hex(tactic)} ({why}), line {line:,}", first="    ", rest="            ")
    if len(order) > _COMBINATIONS:
        printer.line(f"... and {len(order) - _COMBINATIONS:,} more: --tables holds them all", first="  ", style="dim")


def _marks(item: Combination) -> Iterable[str]:
    if item.inherited_from:
        yield f"a cached result: the race is that of {item.inherited_from}"
    elif item.cached:
        yield "a cached result"
    if item.silent:
        yield "nothing printed"
    if item.no_valid:
        yield "no tactic worked"


def _same(first: Entry, second: Entry | None) -> bool:
    return second is not None and (first.tactic, first.line) == (second.tactic, second.line)


def _entry(entry: Entry, winner: Entry | None) -> str:
    name = entry.kernel or f"{entry.runner or 'tactic'} {tactic_hex(entry.tactic)}"
    time = "no time" if entry.time_ms != entry.time_ms else f"{_ms(entry.time_ms)} ms"
    line = f", line {entry.line:,}" if entry.line > 0 else ""
    return f"{time} {name}{line}{', won' if winner is not None and _same(winner, entry) else ''}"


def _race(printer: Printer, races: Races, race: LayerRace, verdict: LayerVerdict) -> None:
    """The fastest tactics where it was decided: in the combination that runs, and in that of the best sparse one."""
    shown = [item for item in layer_races(races, race, verdict, _TACTICS) if item.tactics]
    if not shown:
        return
    sparse = min((item for item in shown if any(t.sparse for t in item.tactics)), key=_best_sparse, default=None)
    running = next((item for item in shown if item.runs), None)
    chosen = [item for item in (running, sparse) if item is not None] or [min(shown, key=lambda item: item.tactics[0].time_ms)]
    for item in dict.fromkeys(chosen):
        _section(printer, "Race in the combination that runs" if item.runs else "Race of the best sparse tactic" if item is sparse else "Race")
        printer.line(item.combination, first="  ", rest="    ")
        rows = [(_ms(t.time_ms), {True: "sparse", False: "dense", None: "?"}[t.sparse], t.kernel or t.tactic, str(t.line or "")) for t in item.tactics]
        printer.table(("ms", "kind", "tactic", "line"), rows, right=(0, 3), stretch=2)
        if item.omitted:
            printer.line(f"... and {item.omitted:,} slower", first="  ", style="dim")


def _best_sparse(race: Race) -> float:
    return min(t.time_ms for t in race.tactics if t.sparse)


def _evidence(
    printer: Printer, diagnosis: CaptureDiagnosis, verdict: LayerVerdict, source: TextSource | None, log_input: int, sections: Mapping[int, Sequence[int]]
) -> None:
    """What the verdict cites. `sections`: cited line → the lines that say what its section is about, which stand too far above it to be its context."""
    evidence: tuple[Evidence, ...] = (*verdict.evidence, *verdict.eligibility.evidence)
    if not evidence:
        return
    _section(printer, "Evidence")
    cited = {item.line for item in evidence if isinstance(item, LineEvidence) and item.input == log_input and source is not None}
    for item in dict.fromkeys(evidence):
        if isinstance(item, LineEvidence) and item.line in cited:
            continue
        text = "" if isinstance(item, TensorEvidence) else item.text
        printer.line(f"{words.evidence_place(item, diagnosis.inputs)}: {text}" if text else words.evidence_place(item, diagnosis.inputs), first="  ", rest="    ", limit=400)
    if not cited or source is None:
        return
    kept = sorted(cited)[:_CITED]
    headers = {number for line in kept for number in sections.get(line, ())}
    texts = lines_around(source, kept, _AROUND, sorted(headers))
    printer.line(f"{diagnosis.inputs[log_input].path} (> marks the cited lines)", first="  ", rest="  ")
    before = 0
    for number in sorted(texts):
        if before and number != before + 1:
            printer.line("...", first="    ", style="dim")
        mark = ">" if number in cited else " "
        head = f"{mark} {number:>7}  "
        text = texts[number].replace("\t", " ")
        # What is cited is there to be read whole; what stands around it only shows where that is.
        whole = number in cited or number in headers
        shown = _window(printer, text, verdict.name, _CITED_LENGTH if whole else printer.width - len(head) - 2)
        printer.line(shown, first=f"  {head}", rest=" " * (len(head) + 2), style="" if number in cited else "dim")
        before = number
    if len(cited) > _CITED:
        printer.line(f"... and {words.count(len(cited) - _CITED, 'more cited line')}: --json names all", first="  ", style="dim")


def _window(printer: Printer, text: str, name: str, width: int) -> str:
    """`text` cut to `width`; a list of hundreds of layers is cut around the one that it is cited for."""
    at = text.find(name) if name and len(text) > width else -1
    if at >= 0 and len(name) + 20 < width:
        room = width - len(name) - 8
        start = max(min(at - room // 2, len(text) - width), 0)
        text = ("..." if start else "") + text[start : start + width - 7] + "..." if start + width - 7 < len(text) else "..." + text[start:]
    return printer.fit(text, width)


def lines_around(source: TextSource, lines: Sequence[int], around: int, also: Sequence[int] = ()) -> dict[int, str]:
    """Line number → text of the lines and of `around` lines before and after each, from one pass over the file up to the last of them.

    `also`: lines that are wanted alone.
    """
    wanted = sorted({number for line in lines for number in range(max(line - around, 1), line + around + 1)} | set(also))
    found: dict[int, str] = {}
    first = 1
    try:
        for _, block in source.blocks():
            last = first + block.count(b"\n") - (1 if block.endswith(b"\n") else 0)
            here = [number for number in wanted if first <= number <= last]
            if here:
                parts = block.split(b"\n", here[-1] - first + 1)
                found.update((number, parts[number - first][:4000].rstrip(b"\r").decode("utf-8", "backslashreplace")) for number in here)
            first = last + 1
            if wanted and first > wanted[-1]:
                break
    except InputError:
        pass  # the damage was reported when the log was first read; what came before it is shown
    return found
