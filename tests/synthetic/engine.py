"""The engine's layers in their order, reformats included. In: a graph and its plan. Out: rows. Next: dialects.py, artefacts.py."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Choice, Format, Graph, Layer, Tactic, descriptor, edge_formats, edges, running, tactic_hash


@dataclass(frozen=True)
class EngineRow:
    """A layer of the engine, reformats included. Tensors: (name, format, shape)."""

    name: str
    layer_type: str
    tactic: int
    inputs: tuple[tuple[str, Format, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, Format, tuple[int, ...]], ...]
    layer: Layer | None = None
    used: Tactic | None = None


def reformat_winner(tensor: str, source: str, target: str) -> int:
    """Which of the three reformat tactics is fastest: equal pairs have equal winners, whatever the tensor."""
    return (1000, 1002, 0)[tactic_hash(f"{source} {target}") % 3]


def engine_rows(graph: Graph, choice: Choice) -> list[EngineRow]:
    """The engine in its order, with the copies that stand between layers of different formats."""
    before: dict[tuple[str, int], EngineRow] = {}
    after: dict[str, EngineRow] = {}
    for edge in edges(graph):
        source, target = edge_formats(graph, edge, choice)
        if source == target:
            continue
        shape = graph.tensors[edge.tensor].shape
        free = graph.is_free(edge.tensor, source, target)
        winner = 0 if free else reformat_winner(edge.tensor, descriptor(source, shape), descriptor(target, shape))
        kind = "NoOp" if free else "Reformat"
        if edge.target is not None:
            made = f"Reformatted Input Tensor {edge.slot} to {edge.target}"
            name = f"Reformatting CopyNode for Input Tensor {edge.slot} to {edge.target}"
            before[edge.target, edge.slot] = EngineRow(name, kind, winner, ((edge.tensor, source, shape),), ((made, target, shape),))
        else:
            made = f"Reformatted Output Tensor {edge.source_slot} to {edge.source}"
            name = f"Reformatting CopyNode for Output Tensor {edge.source_slot} to {edge.source}"
            after[str(edge.source)] = EngineRow(name, kind, winner, ((made, source, shape),), ((edge.tensor, target, shape),))
    rows: list[EngineRow] = []
    for layer in graph.layers:
        combination = layer.combinations[choice[layer.name]]
        used = running(graph, choice, layer.name)
        inputs = []
        for slot, tensor in enumerate(layer.inputs):
            copy = before.get((layer.name, slot))
            if copy is not None:
                rows.append(copy)
            inputs.append((copy.outputs[0][0] if copy else tensor, combination.inputs[slot], graph.tensors[tensor].shape))
        leaving = after.get(layer.name)
        outputs = [
            (leaving.inputs[0][0] if leaving else tensor, form, graph.tensors[tensor].shape)
            for tensor, form in zip(layer.outputs, combination.outputs, strict=True)
        ]
        rows.append(EngineRow(layer.name, used.runner, used.id, tuple(inputs), tuple(outputs), layer, used))
        if leaving is not None:
            rows.append(leaving)
    return rows
