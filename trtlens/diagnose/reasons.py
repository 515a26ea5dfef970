"""The catalogue of reason and warning ids: the one definition that rules, terminal, docs and tests read.

In: the texts in catalogue/. Out: `REASONS`, `WARNINGS`, `CAUSES`, `reason`, `render_page`, `render_index`.
Next: the rules of diagnose/ name these ids; docs/make_reasons.py writes the pages.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..errors import UsageError
from .catalogue.causes import CAUSES as _CAUSES
from .catalogue.conditions import Facts
from .catalogue.ineligible import INELIGIBLE
from .catalogue.records import GainKind, Kind, Reason, RemedyText, WarningKind
from .catalogue.suspects import SUSPECTS
from .catalogue.unseen import UNSEEN
from .catalogue.verdicts import VERDICTS
from .catalogue.warnings import WARNING_KINDS

__all__ = [
    "CAUSES", "REASONS", "WARNINGS", "GainKind", "Kind", "Reason", "RemedyText", "WarningKind",
    "cause_map", "close_to", "next_capture", "reason", "render_index", "render_page", "render_warnings",
]  # fmt: skip

REASONS: Final[Mapping[str, Reason]] = MappingProxyType({r.id: r for r in (*VERDICTS, *UNSEEN, *INELIGIBLE, *SUSPECTS)})
WARNINGS: Final[Mapping[str, WarningKind]] = MappingProxyType({w.id: w for w in WARNING_KINDS})
CAUSES: Final[Mapping[str, str]] = MappingProxyType(_CAUSES)

_KIND_TITLES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "verdict": "Why a layer that qualifies runs as it does",
        "ineligible": "Why a layer does not qualify",
        "suspect": "Suspects: causes that the inputs can only suggest",
    }
)
_GAIN_WORDS: Final[Mapping[GainKind, str]] = MappingProxyType(
    {
        "measured": "measured, where the log holds the times",
        "bound": "a bound at best, from the roofline",
        "unknown": "unknown",
    }
)


def reason(id: str) -> Reason:
    """The catalogue's entry for `id`.

    Raises UsageError, with the closest ids, where there is none.
    """
    found = REASONS.get(id)
    if found is None:
        raise UsageError(f"unknown reason id {id!r}{close_to(id, REASONS)}; `trtlens reasons` lists all")
    return found


def next_capture(id: str, facts: Facts) -> str | None:
    """What to capture to learn more about a layer with this reason; None where the inputs say it all, or there is no such id."""
    found = REASONS.get(id)
    if found is None:
        return None
    return next((one.text for one in found.next_captures if one.where.holds(facts)), found.next_capture) or None


def close_to(id: str, known: Mapping[str, object]) -> str:
    """`: did you mean a, b?`, or an empty string if nothing in `known` is close to `id`."""
    # The id comes from the command line: a very long one would make difflib slow, and is no typing error.
    close = difflib.get_close_matches(id.strip().lower().replace("_", "-")[:80], list(known), n=3, cutoff=0.6)
    return f": did you mean {', '.join(close)}?" if close else ""


def cause_map() -> dict[str, str]:
    """Every known cause id with the one reason id that answers for it, in the order of `CAUSES`."""
    owner = {cause: r.id for r in REASONS.values() for cause in r.domain_ids}
    return {cause: owner[cause] for cause in CAUSES}


def render_page(reason: Reason) -> str:
    """The Markdown page of one reason: what `trtlens reasons ID` prints and docs/reasons/ID.md holds."""
    lines = [
        f"# {reason.id}",
        "",
        f"**{reason.title}**",
        "",
        reason.means,
        "",
        f"* Status: {', '.join(reason.statuses)}",
        f"* Kind: {reason.kind}",
        f"* Read from: {reason.needs}",
        f"* Proven when: {reason.proven_when}",
        f"* {'Given, with proof `unknown`,' if reason in UNSEEN else 'Suggested'} when: {reason.suggested_when}",
        "",
        "## Cause",
        "",
        reason.cause,
        "",
        "## Evidence",
        "",
        reason.evidence,
        "",
        "## What to do",
        "",
    ]
    for remedy in reason.remedies:
        lines += [f"* {remedy.text}", f"  * Check: {remedy.verify}"]
        # Gains are worked out for layers that fall back alone.
        lines += [f"  * Gain: {_GAIN_WORDS[remedy.gain_kind]}"] if reason.kind == "verdict" and "dense" in reason.statuses else []
        lines += [f"  * Where: {remedy.where.words}"] if remedy.where.words else []
    if not reason.remedies:
        lines.append("Nothing: this is what you want.")
    if reason.next_capture:
        lines += ["", "## What to capture next", "", reason.next_capture]
        lines += [line for one in reason.next_captures for line in ("", f"Where {one.where.words}: {one.text or 'nothing.'}")]
    if reason.domain_ids:
        lines += ["", "## Known causes behind it", ""]
        lines += [f"* `{cause}`: {CAUSES[cause]}" for cause in reason.domain_ids]
    lines += ["", "## Sources", ""]
    lines += [f"* {source}" for source in reason.sources]
    return "\n".join(lines) + "\n"


def render_warnings() -> str:
    """The Markdown section on the warnings."""
    lines = ["## Warnings", "", "Gate on them with `--fail-on warn:ID`.", ""]
    for warning in WARNINGS.values():
        lines += [
            f"### {warning.id}",
            "",
            f"**{warning.title}.** {warning.means}",
            "",
            f"* Found by: {warning.found_by}",
            f"* Effect: {warning.effect}",
            f"* What to do: {warning.todo}",
            "",
        ]
    return "\n".join(lines)


def render_index() -> str:
    """The Markdown index of docs/reasons: all ids by kind, the warnings, and the map from every known cause to its id."""
    lines = ["# Reason ids", "", "Generated by `docs/make_reasons.py`; `trtlens reasons ID` prints the same pages.", ""]
    for kind, title in _KIND_TITLES.items():
        lines += [f"## {title}", "", "| id | status | title | proven when |", "| --- | --- | --- | --- |"]
        lines += [
            f"| [{r.id}]({r.id}.md) | {', '.join(r.statuses)} | {r.title} | {r.proven_when} |" for r in REASONS.values() if r.kind == kind
        ]
        lines.append("")
    lines += [render_warnings(), "## Known causes and their ids", "", "| cause | what it is | reason id |", "| --- | --- | --- |"]
    lines += [f"| `{cause}` | {CAUSES[cause]} | [{id}]({id}.md) |" for cause, id in cause_map().items()]
    return "\n".join(lines) + "\n"
