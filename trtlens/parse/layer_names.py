"""What the name of an engine layer says: the optimization profile it belongs to and the ONNX nodes fused into it.

In: a layer's `Name`, or its `Metadata`. Out: names of ONNX nodes. Next: layer_info.py; the log parser and diagnose/ join by these names.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PROFILE_SUFFIX = re.compile(r"^(?P<base>.*?) \[profile (?P<index>\d{1,6})\](?P<myelin>_myl\d+_\d+)?$", re.DOTALL)
_MYELIN_SUFFIX = re.compile(r"_myl\d+_\d+$")
_MLP_PREFIX = re.compile(r"^\d+-layer MLP: ")
_ONNX_LAYER = "[ONNX Layer: "
# Layers TensorRT makes of its own accord; the layer they serve is named in them but does not run in them.
_COPIES = ("Reformatting CopyNode for ", "Reformatted Input Tensor ", "Reformatted Output Tensor ", "Forced Cast ITensor ")
_MYELIN_OWN = ("__myl", "__mye", "dummy_shape_call__mye", "[trainStation")
_MAX_DEPTH = 64  # PWN(PWN(…)) deeper than this stays one name: bounds the work on a hostile name


def split_profile_suffix(name: str) -> tuple[str, int | None]:
    """(name without ` [profile N]`, N): engines with several optimization profiles hold each layer once a profile.

    Myelin's own number stands behind it, `node_linear [profile 1]_myl15_1` (TensorRT 10.16), and stays: `node_linear_myl15_1`.
    """
    match = _PROFILE_SUFFIX.match(name) if " [profile " in name else None
    return (match["base"] + (match["myelin"] or ""), int(match["index"])) if match else (name, None)


def myelin_operation(base: str) -> str | None:
    """The operation that a Myelin instruction is named after, `node_linear` for `node_linear_myl15_1`; None for any other name.

    `base`: the name without ` [profile N]`. Tables and `(Sparsity)` lists of the region's sub-build know the operation by that name.
    """
    found = _MYELIN_SUFFIX.search(base)
    return base[: found.start()] if found is not None and found.start() and not base.startswith(_MYELIN_OWN) else None


_SIGNS = (" + ", " || ", "PWN(", "{ForeignNode[", "MLP")
"""What a name must hold to be more than one."""


@lru_cache(maxsize=65536)
def onnx_nodes_from_name(name: str) -> tuple[str, ...]:
    """The parts of a fused layer name, in order and without duplicates: ONNX nodes where TensorRT named the layer after them.

    Split at ` + ` and ` || `, `PWN(a, b)` opened, `2-layer MLP: a -> b` followed, always at bracket depth 0 only; ` [profile N]` and
    Myelin's `_mylR_I` dropped. `{ForeignNode[a...b]}` names only the two end points of its region: what lies between is not in the name. A
    reformat or cast that TensorRT added, and an instruction Myelin named itself, belong to no node: `()`. Some parts are no ONNX node but a
    constant or a layer TensorRT made (`conv1.weight`, `reshape_before_/head/Gemm`, `(Unnamed Layer* 3) [Convolution]`): each stays one
    name, for the name alone cannot tell.
    """
    base = split_profile_suffix(name)[0]
    if base.startswith(_COPIES) or base.startswith(_MYELIN_OWN):
        return ()
    base = _MYELIN_SUFFIX.sub("", base)
    simple = _simple_parts(base)
    return simple if simple is not None else _taken_apart(base)


_SIMPLE = re.compile(r"PWN\(|[()]| \+ |, ")


def _simple_parts(base: str) -> tuple[str, ...] | None:
    """`_taken_apart` in one pass, for names of ` + ` and `PWN(a, b)` alone, as most fused ones are; None for all others."""
    if "[" in base or "]" in base or "{" in base or "}" in base or " || " in base or "MLP" in base:
        return None
    parts: list[str] = []
    depth = start = 0
    closed = False  # behind the bracket that closes a PWN
    for token in _SIMPLE.finditer(base):
        sign, at = token[0], token.start()
        if sign == "(" or (sign == ", " and not depth):
            return None
        if sign == "PWN(":
            if at != start or closed or depth == _MAX_DEPTH // 2:
                return None
            depth += 1
        elif closed:
            if at != start:
                return None
        else:
            parts.append(base[start:at])
        if sign == ")":
            depth -= 1
            if depth < 0:
                return None
        closed = sign == ")"
        start = token.end()
    if depth or (closed and start != len(base)):
        return None
    if not closed:
        parts.append(base[start:])
    if any(not part or part[0].isspace() or part[-1].isspace() for part in parts):
        return None
    return tuple(dict.fromkeys(parts))


def _taken_apart(base: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    pending: list[tuple[str, int]] = [(base, 0)]
    while pending:
        part, depth = pending.pop()
        if part and not part[0].isspace() and not part[-1].isspace() and not any(sign in part for sign in _SIGNS):
            found.setdefault(part)  # one name, as nearly all are
            continue
        pieces = _pieces(part) if depth < _MAX_DEPTH else [part]
        if pieces == [part] or not pieces:
            if part:
                found.setdefault(part)
        else:
            pending.extend((piece, depth + 1) for piece in reversed(pieces))
    return tuple(found)


_IN_BRANCH = re.compile(r"^(?P<node>.+?) \| .+ \((?:then_branch|else_branch|body)\) \| .+ \((?:If|Loop|Scan)\)$", re.DOTALL)


def node_in_branch(name: str) -> str | None:
    """The name that the model has for a node of a branch, which TensorRT's parser names with where it stands; None for any other name.

    `node_Conv_29 | true_graph_0 (then_branch) | node_cond__1 (If)` (TensorRT-RTX 1.7). Nodes of two branches may have one name in the model.
    """
    match = _IN_BRANCH.match(name) if name.endswith(")") and " | " in name else None
    return match["node"] if match else None


def onnx_nodes_from_metadata(metadata: str) -> tuple[str, ...]:
    """The nodes in a layer's `Metadata`: `[ONNX Layer: a]`, separated by 0x1E, 0x1F or nothing.

    A suffix after the bracket, such as `__gemm_from_conv1x1`, is no node.
    """
    found: dict[str, None] = {}
    for piece in metadata.split(_ONNX_LAYER)[1:]:
        end = piece.rfind("]")
        node = piece[:end] if end >= 0 else piece.rstrip("\x1e\x1f ")
        if node:
            found.setdefault(node)
    return tuple(found)


def _pieces(part: str) -> list[str]:
    """One step of taking a fused name apart; `[part]` where it is one name."""
    part = part.strip()
    if mlp := _MLP_PREFIX.match(part):
        return _split(part[mlp.end() :], (" -> ", " + ", " || "))
    pieces = _split(part, (" + ", " || "))
    if len(pieces) > 1:
        return pieces
    if part.startswith("PWN(") and _closes_at_end(part, 3):
        return _split(part[4:-1], (", ", " + ", " || "))
    if part.startswith("{ForeignNode[") and part.endswith("]}"):
        first, dots, last = part[13:-2].partition("...")
        return [end for end in (first, last) if end] if dots else [first]
    return [part]


def _closes_at_end(part: str, start: int) -> bool:
    """True if the bracket at `start` closes at the last character of `part` and not before."""
    depth = 0
    for index in range(start, len(part)):
        if part[index] in "([{":
            depth += 1
        elif part[index] in ")]}":
            depth -= 1
            if depth == 0:
                return index == len(part) - 1
    return False


_TOKENS: dict[tuple[str, ...], tuple[re.Pattern[str], re.Pattern[str]]] = {}


def _split(text: str, separators: tuple[str, ...]) -> list[str]:
    """Split at any of `separators` outside brackets; at all of them where the brackets of `text` do not balance."""
    tokens = _TOKENS.get(separators)
    if tokens is None:
        signs = "|".join(map(re.escape, separators))
        tokens = _TOKENS[separators] = (re.compile(rf"[(\[{{)\]}}]|{signs}"), re.compile(signs))
    either, separator = tokens
    if separator.search(text) is None:
        return [text]
    parts: list[str] = []
    depth = start = 0
    for token in either.finditer(text):
        sign = token[0]
        if sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth = max(depth - 1, 0)
        elif depth == 0:
            parts.append(text[start : token.start()])
            start = token.end()
    if depth:
        parts = separator.split(text)
    else:
        parts.append(text[start:])
    return [piece.strip() for piece in parts if piece.strip()]
