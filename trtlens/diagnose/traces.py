"""What a kernel trace says about an engine: which of its kernels ran, and whether every one that ran is dense.

In: `KernelTrace`s, the engine's layers. Out: `Traced`. Next: joins.py. A trace holds launches, not layers: it confirms the name of a kernel that
another input gives, and names none. That nothing sparse ran is a statement about the layers only where the trace can hold a whole inference.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..parse.kernel_names import classify, is_sparse
from ..parse.kernel_trace import KernelTotal, KernelTrace, tactic_name
from .layers import EngineLayer, concern
from .model import Evidence, LineEvidence, PointerEvidence, Warning

_STUB = "__myelin_CASK_STUB"
_PRODUCTS = frozenset({"conv", "gemm", "deconv"})
_CITED = 3


@dataclass(slots=True)
class Traced:
    """`kernels`: kernel name, as tactics have it → where it ran. `all_dense`: rows that show that every kernel was dense; None where nothing shows it."""

    kernels: dict[str, Evidence] = field(default_factory=dict)
    all_dense: tuple[Evidence, ...] | None = None
    warnings: list[Warning] = field(default_factory=list)


def read_traces(traces: Sequence[tuple[int, KernelTrace]], layers: Sequence[EngineLayer]) -> Traced:
    """Read the traces of one capture against the layers that they should show; `traces`: (number of the input, trace)."""
    found = Traced()
    if not traces:
        return found
    # Of a layer that layer info names and describes no further nobody knows whether it launches a product: it may.
    weighted = [layer for layer in layers if not layer.is_reformat and concern(layer) != "other"]
    known = {layer.tactic_name for layer in weighted if layer.tactic_name and layer.tactic_name != _STUB and layer.named_by in ("layer_info", "log")}
    for number, trace in traces:
        totals = trace.kernels
        found.warnings += [Warning("damaged-input", f"kernel trace{f', {note.where}' if note.where else ''}: {note.message}") for note in trace.notes[:5]]
        ran = {tactic_name(kernel.name): kernel for kernel in reversed(totals)}
        missing = _missing(known, ran)
        if len(missing) > 0.05 * len(known):
            found.warnings.append(_mismatch(number, trace, totals, missing, len(known)))
            continue  # what ran there did not run in this engine, or not all of it
        for name, kernel in ran.items():
            found.kernels.setdefault(name, _place(number, trace, kernel, f"{kernel.name} ran {kernel.count:,} times"))
        # Each layer with weights launches its product at least once an inference: with fewer launches the trace misses some of them.
        products = [kernel for name, kernel in ran.items() if classify(name).operation in _PRODUCTS]
        if products and not missing and not trace.notes and sum(kernel.count for kernel in products) >= len(weighted) and all(is_sparse(name) is False for name in ran):
            said = f"none of the {len(totals):,} kernels in the trace is sparse"
            found.all_dense = tuple(_place(number, trace, kernel, said) for kernel in products[:_CITED])
    return found


def _missing(known: set[str], ran: dict[str, KernelTotal]) -> list[str]:
    """The engine's kernels that the trace lacks; a launch may have some words more than its tactic, or less, but no fewer than half of its name.

    What is left of names that were cut short fits very many kernels, and no longer says whether they are sparse.
    """
    ordered = sorted(ran)
    lengths = {len(name) for name in ran}

    def longer(name: str) -> bool:
        at = bisect_left(ordered, name)
        while at < len(ordered) and ordered[at].startswith(name):
            if not ordered[at][len(name) : len(name) + 1].isalnum():
                return True
            at += 1
        return False

    def shorter(name: str) -> bool:
        return any(not name[length].isalnum() and name[:length] in ran for length in lengths if len(name) <= 2 * length < 2 * len(name))

    return [name for name in sorted(known) if not longer(name) and not shorter(name)]


def _mismatch(number: int, trace: KernelTrace, totals: Sequence[KernelTotal], missing: list[str], known: int) -> Warning:
    message = (
        f"the kernel trace lacks {len(missing):,} of the {known:,} kernels that the engine's layers run, {missing[0]} among them: "
        "it is of another engine or not of a whole inference, and nothing is taken from it"
    )
    return Warning("capture-mismatch", message, (_place(number, trace, totals[0], f"{totals[0].name} ran {totals[0].count:,} times"),) if totals else ())


def _place(number: int, trace: KernelTrace, kernel: KernelTotal, said: str) -> Evidence:
    """The kernel's first row of a CSV; a database has no lines, there it is said in words."""
    row = trace.rows.get(kernel.name)
    return LineEvidence(number, *row) if row is not None else PointerEvidence(number, "", said)
