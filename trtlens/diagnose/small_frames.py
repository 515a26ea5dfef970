"""The tables with a row a layer, node, weight, pass or warning: small enough for plain Python rows.

In: a `Session`. Out: rows as mappings from column name to value; a key that is absent is null. Next: frames.py makes Arrow columns of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..parse.build_log.records import Build, NetworkNode
from .events import event_rows
from .frames import capture_name
from .layers import EngineLayer, attach_log_lines, layers_from_info, layers_from_log, numbered
from .model import BuildDiagnosis, CaptureDiagnosis, Evidence, LineEvidence
from .network import groups_of, kernel_words, macs, printed_tensors
from .sparsity import choose_pass

if TYPE_CHECKING:
    from .load import Capture
    from .session import Session

Row = Mapping[str, Any]


def _each(session: Session) -> Iterator[tuple[str, Capture, CaptureDiagnosis]]:
    for number, (capture, diagnosis) in enumerate(zip(session.captures, session.diagnosis.captures, strict=True)):
        yield capture_name(capture, number), capture, diagnosis


def log_build(capture: Capture, index: int) -> Build | None:
    """The build of a capture's log with that number."""
    return next((b for b in capture.log.builds if b.index == index), None) if capture.log is not None else None


def engine_layers(capture: Capture, diagnosis: CaptureDiagnosis, index: int) -> list[EngineLayer]:
    """The layers of one build as the inputs print them: layer info for the main build, else the log's own lines."""
    build = log_build(capture, index)
    if capture.engine is not None and index == diagnosis.main_build:
        layers = layers_from_info(capture.engine)
        if build is not None:
            attach_log_lines(layers, layers_from_log(build))
        return layers
    if build is None:
        return []
    found = layers_from_log(build)
    return layers_from_info(build.layer_infos[-1][0]) if not found and build.layer_infos else found


def shape_text(sizes: Sequence[int] | None) -> str | None:
    """`1x3x224x224`; None where nothing is known."""
    return "x".join(map(str, sizes)) if sizes else None


def _layers(session: Session) -> Iterator[Row]:
    for name, capture, diagnosis in _each(session):
        for build in diagnosis.builds:
            known = engine_layers(capture, diagnosis, build.index)
            by_key = dict(zip(numbered(layer.name for layer in known), known, strict=True))
            own_lines = capture.engine is None or build.index != diagnosis.main_build
            for key, verdict in zip(numbered(v.name for v in build.layers), build.layers, strict=True):
                layer = by_key.get(key)
                tactic = verdict.tactic
                row: dict[str, Any] = {
                    "capture": name, "build": build.index, "layer": verdict.name, "type": verdict.type, "onnx_nodes": list(verdict.onnx_nodes),
                    "optimization_profile": verdict.optimization_profile, "tactic": tactic.id, "kernel": tactic.name, "sparse": tactic.sparse,
                    "inputs": list(verdict.input_formats), "outputs": list(verdict.output_formats), "time_ms": verdict.time_ms,
                    "time_stat": verdict.time_stat, "time_percent": verdict.time_percent,
                }  # fmt: skip
                if layer is not None:
                    row |= {
                        "has_sparse_weights": layer.has_sparse_weights, "groups": layer.groups, "out_maps": layer.out_maps,
                        "kernel_size": shape_text(layer.kernel), "stride": shape_text(layer.stride), "weights_type": layer.weights_type,
                        "weights_count": layer.weights_count, "line": layer.line.line if layer.line is not None else None,
                        "pointer": None if own_lines else layer.pointer,
                    }  # fmt: skip
                yield row


def _passes(session: Session) -> Iterator[Row]:
    for name, capture, diagnosis in _each(session):
        for build in capture.log.builds if capture.log is not None else ():
            if not build.passes:
                continue
            assert capture.log is not None
            chosen = choose_pass(build, capture.log, engine_layers(capture, diagnosis, build.index))
            for number in build.passes:
                yield {
                    "capture": name, "build": build.index, "pass": number.index, "backend_strategy": number.strategy, "fate": number.fate or None,
                    "estimated_ms": number.estimated_ms, "became_engine": None if chosen.index is None else number.index == chosen.index,
                    "certain": chosen.certain, "optimization_profiles": number.profiles, "cache_mode": number.cache_mode,
                    "first_line": number.first_line, "last_line": number.last_line,
                }  # fmt: skip


def _node(node: NetworkNode) -> dict[str, Any]:
    row: dict[str, Any] = {"node": node.name, "operator": node.operator, "line": node.line}
    inputs, outputs = printed_tensors(node.inputs), printed_tensors(node.outputs)
    for side, tensors in (("input", inputs), ("output", outputs)):
        if tensors:
            row[f"{side}s"] = [name for name, _, _ in tensors]
            row[f"{side}_shapes"] = ["x".join(map(str, shape)) for _, shape, _ in tensors]
            row[f"{side}_types"] = [kind for _, _, kind in tensors]
    words = kernel_words(node)
    for key, column in (("kernel", "kernel"), ("strides", "stride"), ("dilations", "dilation")):
        if key in words:
            row[column] = words[key].replace(", ", "x")
    if "numOutputs" in words:
        row["out_maps"] = int(words["numOutputs"])
    if node.operator == "Conv":
        row["groups"] = groups_of(node, words)
    row["macs"] = macs(node)
    return row


def _network(session: Session) -> Iterator[Row]:
    for name, capture, diagnosis in _each(session):
        for build in diagnosis.builds:
            owners = _owners(build)
            logged = log_build(capture, build.index)
            nodes = [_node(node) for node in logged.network] if logged is not None else []
            if capture.check is not None:
                have = {node["node"] for node in nodes}
                nodes += [
                    {"node": w.name, "operator": w.operator, "groups": w.conv_groups if w.operator == "Conv" else None, "macs": w.macs}
                    for w in {w.name: w for w in capture.check.weights}.values() if w.name not in have
                ]  # fmt: skip
            for node in nodes:
                for layer in owners.get(node["node"]) or [None]:
                    yield {"capture": name, "build": build.index, "layer": layer, **node}


def _owners(build: BuildDiagnosis) -> dict[str, list[str | None]]:
    """ONNX node → the engine layers that hold it; reformats carry nodes too, but hold none."""
    owners: dict[str, list[str | None]] = defaultdict(list)
    for verdict in build.layers:
        if verdict.type in ("Reformat", "NoOp", "MyelinReformat"):
            continue
        for node in dict.fromkeys(verdict.onnx_nodes):
            owners[node].append(verdict.name)
    return owners


def _weights(session: Session) -> Iterator[Row]:
    for name, capture, _ in _each(session):
        if capture.check is not None:
            yield from ({"capture": name, **row} for row in weight_rows(capture.check.weights))


def weight_rows(weights: Sequence[Any]) -> list[Row]:
    """Rows of the `weights` table (without the capture) from diagnose.weights.WeightCheck records."""
    return [
        {
            "node": w.name, "operator": w.operator, "weight": w.weight, "dtype": w.dtype, "shape": shape_text(w.shape), "axis": w.axis, "status": w.status,
            "reason": w.reason, "proof": w.proof, "groups": w.groups, "groups_conforming": w.groups_conforming, "partial_group": w.partial_group,
            "elements": w.elements, "zeros": w.zeros, "conv_groups": w.conv_groups, "macs": w.macs, "weight_bytes": w.weight_bytes, "summary": w.summary,
        }
        for w in weights
    ]  # fmt: skip


def _timing_profile(session: Session) -> Iterator[Row]:
    for name, capture, _ in _each(session):
        profiles = list(capture.profiles)
        if capture.log is not None:
            profiles += [(capture.log_input, profile) for build in capture.log.builds for profile in build.profiles]
        for number, (source, profile) in enumerate(profiles):
            yield from (
                {
                    "capture": name, "input": capture.inputs[source].path, "profile": number, "layer": row.name, "total_ms": row.total_ms,
                    "average_ms": row.average_ms, "median_ms": row.median_ms, "percent": row.percent, "iterations": profile.iterations,
                    "line": row.line, "pointer": row.pointer,
                }
                for row in profile.rows
            )  # fmt: skip


def _lines(evidence: Sequence[Evidence], log_input: int) -> list[int]:
    return list(dict.fromkeys(e.line for e in evidence if isinstance(e, LineEvidence) and e.input == log_input))


def _verdicts(session: Session) -> Iterator[Row]:
    for name, capture, diagnosis in _each(session):
        for build in diagnosis.builds:
            for v in build.layers:
                remedy = v.remedies[0] if v.remedies else None
                yield {
                    "capture": name, "build": build.index, "layer": v.name, "status": v.status, "reason": v.reason, "proof": v.proof,
                    "stability": v.stability, "summary": v.summary, "eligible": v.eligibility.value, "eligibility_proof": v.eligibility.proof,
                    "best_dense_ms": v.best_dense_ms, "best_sparse_ms": v.best_sparse_ms, "margin": v.margin, "compared_dense": v.compared_dense,
                    "compared_sparse": v.compared_sparse, "inherited_from": v.inherited_from, "suspects": [s.reason for s in v.suspects],
                    "remedy": remedy.text if remedy else None, "gain_ms": remedy.gain_ms if remedy else None,
                    "gain_kind": remedy.gain_kind if remedy else None, "evidence_lines": _lines(v.evidence, capture.log_input),
                }  # fmt: skip


def _warnings(session: Session) -> Iterator[Row]:
    yield from (
        {"capture": name, "build": build.index, "id": w.id, "message": w.message, "evidence_lines": _lines(w.evidence, capture.log_input)}
        for name, capture, diagnosis in _each(session) for build in diagnosis.builds for w in build.warnings
    )  # fmt: skip


def _events(session: Session) -> Iterator[Row]:
    for name, capture, _ in _each(session):
        for build in capture.log.builds if capture.log is not None else ():
            yield from ({"capture": name, "build": build.index, **row} for row in event_rows(build))


MAKERS: Mapping[str, Callable[[Any], Iterator[Row]]] = {
    "layers": _layers,
    "passes": _passes,
    "network": _network,
    "weights": _weights,
    "timing_profile": _timing_profile,
    "verdicts": _verdicts,
    "warnings": _warnings,
    "events": _events,
}
