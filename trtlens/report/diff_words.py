"""What a comparison says, before anyone decides how it looks: headline, totals, and the changed layers in the order in which they matter.

In: diagnose.diff.DiffResult. Out: `DiffStory`, plain strings still raw. Next: diff_terminal.py and diff_html.py, which print them in this order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..diagnose.diff import DiffResult, LayerDiff, Side, Totals, Unmatched, status_text
from ..diagnose.gates import UNSEEN
from ..diagnose.model import Status
from . import words

_PLAIN = ("picked", "eligibility-unknown")  # the status says it already


@dataclass(frozen=True, slots=True)
class Row:
    """One group of layers. `change`: what changed in a few words; `why`: the other capture's own sentence; `details`: (kind, A, B)."""

    name: str
    change: str
    a_ms: float | None
    b_ms: float | None
    delta_ms: float | None
    ratio: float | None
    why: str
    details: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Layers that changed alike, the largest difference in time first."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class DiffStory:
    """All that a report says about two captures. `totals`: (figure, A, B, difference)."""

    headline: str
    environment: tuple[str, ...]
    cautions: tuple[str, ...]
    totals: tuple[tuple[str, str, str, str], ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    only_a: tuple[Unmatched, ...]
    only_b: tuple[Unmatched, ...]
    inputs: tuple[str, ...]


def story(result: DiffResult) -> DiffStory:
    """The comparison in words."""
    a, b = result.name_a, result.name_b
    left = list(result.layers)

    def take(title: str, test: Callable[[LayerDiff], bool]) -> Section:
        chosen = [one for one in left if test(one)]
        left[:] = [one for one in left if not test(one)]
        chosen.sort(key=lambda one: (-abs(one.delta_ms or 0.0), one.a.positions))
        return Section(title, tuple(map(_row, chosen)))

    sections = (
        take(f"Sparse in {a}, not in {b}", lambda one: _lost(one.a, one.b)),
        take(f"Sparse in {a}, unknown in {b}", lambda one: _lost_sight(one.a, one.b)),
        take(f"Sparse in {b}, not in {a}", lambda one: _lost(one.b, one.a)),
        take(f"Sparse in {b}, unknown in {a}", lambda one: _lost_sight(one.b, one.a)),
        take("Another status", lambda one: one.has("status") and not _unknown(one.a) and not _unknown(one.b)),
        take(f"Unknown in {b}", lambda one: one.has("status") and _unknown(one.b)),
        take(f"Unknown in {a}", lambda one: one.has("status")),
        take(f"Slower in {b} beyond noise", lambda one: bool(one.beyond_noise) and (one.delta_ms or 0.0) > 0),
        take(f"Faster in {b} beyond noise", lambda one: bool(one.beyond_noise)),
        take("Another reason or proof", lambda one: one.has("reason", "proof")),
        take("Another tactic, format, fusion or shape, no time beyond noise", lambda one: one.changed),
    )
    return DiffStory(
        _headline(result), tuple(f"{d.what}: {_stated(d.a)} in {a}, {_stated(d.b)} in {b}" for d in result.environment), result.cautions,
        _totals(result), tuple(section for section in sections if section.rows), _notes(result, len(left)), result.only_a, result.only_b,
        tuple(f"{name}: {', '.join(paths)}" for name, paths in ((a, result.paths_a), (b, result.paths_b)) if paths),
    )  # fmt: skip


def _lost(one: Side, other: Side) -> bool:
    """A sparse tactic runs in one, and of what runs in the other some is known and none is sparse."""
    return _sparse(one) and not _sparse(other) and not _unknown(other)


def _lost_sight(one: Side, other: Side) -> bool:
    """A sparse tactic runs in one, and nobody knows what runs in the other: no change that anyone saw."""
    return _sparse(one) and _unknown(other)


def _unknown(side: Side) -> bool:
    return {status for status, _ in side.statuses if status != "other"} == {"undetermined"}


def _sparse(side: Side) -> bool:
    return any(status == "sparse" for status, _ in side.statuses)


def _stated(value: str | None) -> str:
    return value if value is not None else "not stated"


def _headline(result: DiffResult) -> str:
    lost, unseen = (sum(test(one.a, one.b) for one in result.layers) for test in (_lost, _lost_sight))
    gained, before = (sum(test(one.b, one.a) for one in result.layers) for test in (_lost, _lost_sight))
    parts = []
    if lost:
        parts.append(f"{words.count(lost, 'layer')} that ran sparse in {result.name_a} {'does' if lost == 1 else 'do'} not in {result.name_b}")
    if unseen:
        parts.append(f"{words.count(unseen, 'layer')} ran sparse in {result.name_a}, and what runs in {result.name_b} is unknown")
    if gained:
        verb = "runs" if gained == 1 else "run"
        parts.append(f"{words.count(gained, 'layer')} {verb} sparse in {result.name_b} and did not in {result.name_a}")
    if before:
        verb = "runs" if before == 1 else "run"
        parts.append(f"{words.count(before, 'layer')} {verb} sparse in {result.name_b}, and what ran in {result.name_a} is unknown")
    for alone, name, other in ((result.only_a, result.name_a, result.name_b), (result.only_b, result.name_b, result.name_a)):
        sparse = sum(one.status == "sparse" for one in alone)
        if sparse:
            # Nobody can say what became of them: not lost, and not "nothing changed" either.
            have = "has" if sparse == 1 else "have"
            parts.append(f"{words.count(sparse, 'sparse layer')} of {name} {have} no counterpart in {other}")
    if not result.layers:
        parts.append("no layer of one is found in the other")
    if not parts:
        hidden = any(dict(totals.by_status).get("undetermined") for totals in (result.totals_a, result.totals_b))
        parts.append("no layer is known to have begun or ceased to run sparse" if hidden else "no layer began or ceased to run sparse")
    one, two = result.totals_a.total_ms, result.totals_b.total_ms
    if one is not None and two is not None:
        share = f", {words.percent((two - one) / one)}" if one > 0 else ""
        within = "beyond noise" if result.total_beyond_noise else "within noise"
        parts.append(f"{words.ms(one)} ms became {words.ms(two)} ms ({within}{share})")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _totals(result: DiffResult) -> tuple[tuple[str, str, str, str], ...]:
    a, b = result.totals_a, result.totals_b
    dense = _Counted("eligible, run dense", a.fallback, b.fallback, _open(a, "undetermined", "dense-unknown"), _open(b, "undetermined", "dense-unknown"))
    rows = [
        ("total ms", words.ms(a.total_ms), words.ms(b.total_ms), _delta_ms(a.total_ms, b.total_ms)),
        _spent("ms in fallbacks", (a.fallback_ms, a.fallback_untimed), (b.fallback_ms, b.fallback_untimed), dense.open),
        _spent("ms in reformats", (a.reformat_ms, a.reformat_untimed), (b.reformat_ms, b.reformat_untimed), False),
    ]
    counted = [
        _Counted("layers", a.layers, b.layers),
        _Counted("eligible", a.eligible, b.eligible, _open(a, "dense-unknown"), _open(b, "dense-unknown")),
        _Counted("run sparse", a.picked, b.picked, _open(a, "undetermined"), _open(b, "undetermined")),
        dense,
        *(one for one in (_status(a, b, "dense-unknown", "dense, eligibility unknown"), _status(a, b, "undetermined", "what runs is unknown")) if one.a or one.b),
        _Counted("reformats", a.reformats, b.reformats),
        *(_Counted(f"fallback: {reason}", _reason(a, reason), _reason(b, reason), _unseen(a, reason), _unseen(b, reason)) for reason in _reasons(a, b)),
    ]
    return (*rows, *((one.label, _number(one.a), _number(one.b), one.change) for one in counted))


def _spent(label: str, a: tuple[float | None, int], b: tuple[float | None, int], open: bool) -> tuple[str, str, str, str]:
    """A sum of milliseconds on each side. Where layers have no time it is a lower limit, and two of these have no difference to tell."""
    (one, untimed_a), (two, untimed_b) = a, b
    partial = one is not None and two is not None and bool(untimed_a or untimed_b)
    change = "?" if open or partial else _delta_ms(one, two)
    return (label, words.at_least(one, untimed_a), words.at_least(two, untimed_b), change)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A number of layers on each side, and of how many more nobody can say whether they belong to it."""

    label: str
    a: int | None
    b: int | None
    open_a: int = 0
    open_b: int = 0

    @property
    def open(self) -> bool:
        """Whether the unknown layers alone could make the difference: then there is none to tell."""
        if self.a is None or self.b is None:
            return False
        return bool(self.open_a or self.open_b) and self.a <= self.b + self.open_b and self.b <= self.a + self.open_a

    @property
    def change(self) -> str:
        """`+2`; nothing where both are equal or one is not stated, `?` where it cannot be told."""
        if self.a is None or self.b is None:
            return ""
        return "?" if self.open else f"{self.b - self.a:+,}" if self.a != self.b else ""


def _status(a: Totals, b: Totals, status: Status, label: str) -> _Counted:
    return _Counted(label, _open(a, status), _open(b, status))


def _open(totals: Totals, *statuses: Status) -> int:
    return sum(number for status, number in totals.by_status if status in statuses)


def _unseen(totals: Totals, reason: str) -> int:
    """How many layers may have this reason, too, had their race been seen. What a capture lacks is known of it."""
    if reason in UNSEEN:
        return 0
    return _open(totals, "undetermined", "dense-unknown") + sum(number for other, number in totals.by_reason if other in UNSEEN)


def _reasons(a: Totals, b: Totals) -> list[str]:
    return sorted({reason for reason, _ in (*a.by_reason, *b.by_reason)})


def _reason(totals: Totals, reason: str) -> int:
    return dict(totals.by_reason).get(reason, 0)


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _delta_ms(a: float | None, b: float | None) -> str:
    return "" if a is None or b is None else signed_ms(b - a)


def signed_ms(value: float | None) -> str:
    """`+0.012`, `-0.3`; `?` where it is unknown."""
    return "?" if value is None else ("+" if value > 0 else "-" if value < 0 else "") + words.ms(abs(value))


def _row(one: LayerDiff) -> Row:
    change = _change(one)
    ratio = one.delta_ms / one.a.time_ms if one.delta_ms is not None and one.a.time_ms else None
    details: list[tuple[str, str, str]] = [(change.kind, change.a, change.b) for change in one.changes]
    if one.a.names != one.b.names:
        details.insert(0, ("names", " | ".join(one.a.names), " | ".join(one.b.names)))
    if one.matched_by in ("structure", "region"):
        details.append(("matched by", one.matched_by, "its shapes and neighbours" if one.matched_by == "structure" else "the ends of its region"))
    why = one.b.summary if one.has("status", "reason", "proof") else ""
    return Row(group_name(one), change, one.a.time_ms, one.b.time_ms, one.delta_ms, ratio, why, tuple(details))


def _change(one: LayerDiff) -> str:
    """`sparse -> dense (slower)`, `dense (slower -> tie)`: each status with its reason, where that says more than the status."""
    (status_a, why_a), (status_b, why_b) = ((status_text(side), side.reason if side.reason not in _PLAIN else None) for side in (one.a, one.b))
    if status_a != status_b:
        return " -> ".join(f"{status} ({why})" if why else status for status, why in ((status_a, why_a), (status_b, why_b)))
    if one.a.reason != one.b.reason:
        return f"{status_b} ({one.a.reason or 'none'} -> {one.b.reason or 'none'})"
    return f"{status_b} ({why_b})" if why_b else status_b


def group_name(one: LayerDiff) -> str:
    """`conv1`, as A names it; where fusions differ `conv1 + relu1 => conv1 | relu1`."""
    a, b = one.a.names, one.b.names
    return a[0] if len(a) == len(b) == 1 else f"{_several(a)} => {_several(b)}"


def _several(names: tuple[str, ...]) -> str:
    shown = " | ".join(name or "(no name)" for name in names[:3])
    return f"{shown} | {len(names) - 3} more" if len(names) > 3 else shown


def _notes(result: DiffResult, unchanged: int) -> tuple[str, ...]:
    notes = []
    if unchanged:
        notes.append(f"{words.count(unchanged, 'group')} of layers did not change beyond noise.")
    fused = sum(one.has("fusion") for one in result.layers)
    if fused:
        verb = "is" if fused == 1 else "are"
        notes.append(f"{words.count(fused, 'group')} {verb} fused differently; the times of a group are summed.")
    untimed = sum(one.beyond_noise is None for one in result.layers)
    if untimed and untimed < len(result.layers):
        notes.append(f"{words.count(untimed, 'group')} {'has' if untimed == 1 else 'have'} no time on one side, and none is compared.")
    noise = result.noise
    notes.append(f"Noise band: the larger of {noise.ratio * 100:g} % and {noise.time_ms * 1000:g} us.")
    return tuple(notes)
