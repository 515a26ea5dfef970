"""Gates for CI: does a diagnosis hold what `--fail-on` names?

In: a `Diagnosis`, ids. Out: a list of sentences, empty when every gate passes. Next: cli.py exits 1 where there are any.
Statuses, reasons and `warn:ID` share one namespace. Where eligibility or the tactic of a layer is unknown and the gate could concern it, the
gate fails with "cannot tell", unless the caller allows the unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import UsageError
from .model import STATUSES, BuildDiagnosis, Diagnosis, LayerVerdict, Proof
from .reasons import REASONS, WARNINGS, close_to

_RANK: dict[Proof, int] = {"unknown": 0, "suggested": 1, "proven": 2}


def known_ids() -> dict[str, object]:
    """Every id that `--fail-on` takes."""
    return {**dict.fromkeys(STATUSES), **dict.fromkeys(REASONS), **dict.fromkeys(f"warn:{id}" for id in WARNINGS)}


def parse_ids(text: str | Iterable[str]) -> tuple[str, ...]:
    """`slower,format-cost` → ids. Raises UsageError for an unknown one, with the closest."""
    parts = [part.strip() for chunk in ([text] if isinstance(text, str) else text) for part in chunk.split(",")]
    known = known_ids()
    for part in parts:
        if part and part not in known:
            raise UsageError(
                f"--fail-on: unknown id {part!r}{close_to(part, known)}; it takes a status, a reason (`trtlens reasons`) or warn:ID"
            )
    return tuple(dict.fromkeys(part for part in parts if part))


def failures(diagnosis: Diagnosis, ids: Sequence[str], *, allow_unknown: bool = False, proof: Proof = "unknown") -> list[str]:
    """Why the gate holds, one sentence an id; `proof`: count only verdicts at least that sure."""
    found: list[str] = []
    for capture in diagnosis.captures:
        build = capture.main
        if build is None:
            continue
        for id in ids:
            found += _warning(build, id.removeprefix("warn:")) if id.startswith("warn:") else _layers(build, id, allow_unknown, proof)
    return found


def _warning(build: BuildDiagnosis, id: str) -> list[str]:
    return [f"warn:{w.id}: {w.message}" for w in build.warnings if w.id == id][:1]


def _layers(build: BuildDiagnosis, id: str, allow_unknown: bool, proof: Proof) -> list[str]:
    hits = [layer for layer in build.layers if (layer.status == id or layer.reason == id) and _RANK[_sureness(layer, id)] >= _RANK[proof]]
    found = [f"{id}: {_count(hits)}"] if hits else []
    unknown = [] if allow_unknown else [layer for layer in build.layers if _could_be(layer, id) and layer not in hits]
    if unknown:
        found.append(
            f"cannot tell: {id} could hold for {_count(unknown)}, whose {_what(unknown[0])} is unknown (--allow-unknown passes them)"
        )
    return found


def _sureness(layer: LayerVerdict, id: str) -> Proof:
    """A status stands on the layer's eligibility, a reason on the verdict's own proof; `sparse` on the kernel's name."""
    return layer.eligibility.proof if layer.status == id == "dense" else layer.proof


def _could_be(layer: LayerVerdict, id: str) -> bool:
    if layer.status not in ("undetermined", "dense-unknown") or id in (layer.status, layer.reason):
        return False
    reason = REASONS.get(id)
    statuses = set(reason.statuses) if reason is not None else {id}
    if layer.status == "dense-unknown":
        return bool(statuses & {"dense", "ineligible"})
    if layer.eligibility.value is True:
        return bool(statuses & {"dense", "sparse"})
    return bool(statuses & {"dense", "sparse", "ineligible", "dense-unknown"})


def _what(layer: LayerVerdict) -> str:
    return "eligibility" if layer.status == "dense-unknown" else "tactic"


def _count(layers: Sequence[LayerVerdict]) -> str:
    first = layers[0].name
    return f"{len(layers):,} layers, {first!r} among them" if len(layers) > 1 else f"1 layer, {first!r}"
