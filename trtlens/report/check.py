"""Everything `trtlens check` writes, and its gate.

In: the path of a model and the options of the command line. Out: reports where they were asked for, and the exit code (1 where a gate holds).
Next: check_terminal.py, check_json.py, check_html.py and tables.py write; diagnose/weights.py looks at the weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from ..diagnose.weights import ModelCheck, WeightCheck

_STATUSES = ("eligible", "ineligible", "undetermined")


def report_check(
    model: str, json: str | None, html: str | None, tables: str | None, format: str, fail_on: Sequence[str], allow_unknown: bool, quiet: bool, console: Console,
    called: Callable[[ModelCheck], ModelCheck] | None = None,
) -> int | None:  # fmt: skip
    """Check a model, write what was asked for, print the summary; 1 where a gate of `fail_on` holds, else None. `called` may rename the model in all that.

    Raises UsageError for unknown ids or a place that cannot be written, InputError for a model that cannot be read.
    """
    from ..diagnose.weights import check_model
    from .check_terminal import render

    # Wrong options must not cost the user the minutes that a large model takes.
    ids = gate_ids(fail_on)
    if format not in ("parquet", "csv"):
        raise UsageError(f"--format takes parquet or csv, not {format!r}")
    found = check_model(model)
    found = called(found) if called is not None else found
    if json is not None:
        from .check_json import write_json

        write_json(found, json)
    if html is not None:
        from .check_html import write_html

        write_html(found, html)
    if tables is not None:
        from .tables import write_weights

        write_weights(found, tables, format)
    render(found, console, quiet=quiet)
    held = gate_failures(found, ids, allow_unknown=allow_unknown)
    for sentence in held:
        print(f"trtlens: gate: {visible(sentence, 500)}", file=sys.stderr)
    return 1 if held else None


def gate_ids(fail_on: Sequence[str]) -> tuple[str, ...]:
    """`pattern,grouped` → ids. Raises UsageError for one that `check` can never find, and where none is named."""
    from ..diagnose.gates import refuse_empty
    from ..diagnose.reasons import REASONS, close_to
    from ..diagnose.weights import CHECK_WARNINGS

    reasons = [id for id, reason in REASONS.items() if "ineligible" in reason.statuses]
    known = dict.fromkeys((*_STATUSES, *reasons, *(f"warn:{id}" for id in CHECK_WARNINGS)))
    parts = [part.strip() for chunk in fail_on for part in chunk.split(",")]
    refuse_empty(parts)
    ids = tuple(dict.fromkeys(part for part in parts if part))
    for id in ids:
        if id not in known:
            raise UsageError(
                f"--fail-on: check finds no {id!r}{close_to(id, known)}; it takes eligible, ineligible, undetermined, the reasons of ineligible weights, "
                f"or a warning of its own: {', '.join(f'warn:{one}' for one in CHECK_WARNINGS)}"
            )
    return ids


def gate_failures(found: ModelCheck, ids: Sequence[str], *, allow_unknown: bool = False) -> list[str]:
    """Why the gate holds, a sentence each. An undetermined weight could be anything: then "cannot tell", unless the caller allows it."""
    sentences: list[str] = []
    unknown = [weight for weight in found.weights if weight.status == "undetermined"]
    for id in ids:
        if id.startswith("warn:"):
            sentences += [f"{id}: {warning.message}" for warning in found.warnings if f"warn:{warning.id}" == id][:1]
            continue
        hits = [weight for weight in found.weights if id in (weight.status, weight.reason)]
        if hits:
            sentences.append(f"{id}: {_count(hits)}")
        if unknown and id != "undetermined" and not allow_unknown:
            sentences.append(f"cannot tell: {id} could hold for {_count(unknown)}, which check cannot decide (--allow-unknown passes them)")
    return sentences


def _count(weights: Sequence[WeightCheck]) -> str:
    first = weights[0].name or weights[0].weight
    return f"{len(weights):,} weights, {first!r} among them" if len(weights) > 1 else f"1 weight, {first!r}"
