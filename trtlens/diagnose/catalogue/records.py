"""The records of the catalogue: what is known about one reason id or warning id.

In: nothing. Out: frozen dataclasses. Next: verdicts.py, ineligible.py, suspects.py and warnings.py fill them; ../reasons.py joins them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..model import Status
from .conditions import ALWAYS, Condition, Facts

GainKind = Literal["measured", "bound", "unknown"]
Kind = Literal["verdict", "ineligible", "suspect"]


@dataclass(frozen=True, slots=True)
class RemedyText:
    """Something the user can change. `verify`: how to see that it helped. `gain_kind`: the best kind of figure the inputs can give for it:
    `measured` (times in this log), `bound` (roofline of the dense kernel's time) or `unknown`: the roofline is that of the layer's own type and
    shape, so it bounds no remedy that changes them. `where`: what must hold for the remedy to be offered. `detail`: what it means for one layer."""

    text: str
    verify: str
    gain_kind: GainKind = "unknown"
    where: Condition = ALWAYS
    detail: Callable[[Facts], str] | None = None


@dataclass(frozen=True, slots=True)
class CaptureText:
    """What to capture next, where `where` holds; an empty text stands for nothing."""

    text: str
    where: Condition


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason id: what it claims, what shows it, what to do.

    `statuses`: the layer statuses it can stand beside. `kind`: `verdict` (it can be the reason of a layer that qualifies),
    `ineligible` (why a layer does not qualify) or `suspect` (only ever listed under `suspects`). `needs`: the inputs it is read
    from. `proven_when`: "never" where no input can establish it. `domain_ids`: the known causes (`reasons.CAUSES`) that this id
    answers for. `next_capture`: what to capture to learn more, None where the inputs already say it all; `next_captures`: what to capture instead
    where more is known, the first that fits.
    """

    id: str
    statuses: tuple[Status, ...]
    kind: Kind
    title: str
    means: str
    needs: str
    proven_when: str
    suggested_when: str
    cause: str
    evidence: str
    remedies: tuple[RemedyText, ...]
    sources: tuple[str, ...]
    domain_ids: tuple[str, ...] = ()
    next_capture: str | None = None
    next_captures: tuple[CaptureText, ...] = ()


@dataclass(frozen=True, slots=True)
class WarningKind:
    """One warning id: `means` (what was seen), `found_by` (the rule), `effect` (what it changes in the verdicts), `todo`."""

    id: str
    title: str
    means: str
    found_by: str
    effect: str
    todo: str
