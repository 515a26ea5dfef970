"""What a file is, by its content and never by its name.

In: a `TextSource`. Out: a kind. Next: the parser of that kind, called by diagnose/load.py.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from ..errors import InputError
from . import kernel_trace, layer_info, timing_profile, trex_meta
from .textio import TextSource

Kind = Literal["layer_info", "timing_profile", "build_log", "onnx", "kernel_trace", "metadata", "manifest"]

_LOG_MARKS = re.compile(
    r"\[TRT\]|&&&& RUNNING|\[TensorRT\] |Timing Runner|Autotuning format|Tactic: |\(Sparsity\)|Layer\(\w+\): |Fastest Tactic|=== (?:Build|Model|Device) |"
    r"Engine Layer Information|Parsing node: |\[[VIWE]\] |TensorRT version|Timing .{0,400}\(\d{1,9}\)[^\S\n]*$|Tactic \d+ time |Average over \d+ runs|=== Profile \(",
    re.MULTILINE,
)
_ENGINE_ADVICE = "export its layer info: trtexec --loadEngine=… --exportLayerInfo=li.json --profilingVerbosity=detailed, or `trtlens build --engine`"
_ADVICE = "trtlens reads layer info and timing profiles (JSON), build logs, ONNX models and Nsight kernel traces"


def detect(source: TextSource) -> Kind:
    """The kind of an input; raises InputError for an empty file and for what trtlens does not read, saying what it looks like."""
    head = source.head
    if not head:
        raise InputError(source.path, "is empty", todo="capture it again")
    if head[:4] in (b"ptrt", b"ftrt") or head[:8].startswith((b"trtp", b"trtf")):
        raise InputError(source.path, "is a serialized engine, which does not name its tactics", todo=_ENGINE_ADVICE)
    for magic, what in ((b"PK\x03\x04", "a zip archive"), (b"%PDF", "a PDF"), (b"\x7fELF", "a program"), (b"\x89PNG", "a picture")):
        if head.startswith(magic):
            raise InputError(source.path, f"is {what}", todo=_ADVICE)
    if kernel_trace.looks_like(head):
        return "kernel_trace"
    if _is_onnx(head):
        return "onnx"
    text = head.decode("utf-8", "backslashreplace").lstrip("\ufeff")
    lead = text.lstrip()
    if not lead:
        raise InputError(source.path, "holds only blanks", todo="capture it again")
    if lead[0] == "{" and '"manifest_version"' in text and '"backend"' in text:
        return "manifest"
    if re.match(r'\{\s*"schema_version"', lead):  # its evidence quotes logs
        raise InputError(source.path, "is a report that trtlens wrote", todo="name the files that it was made from")
    if layer_info.looks_like(text):
        return "layer_info"
    if timing_profile.looks_like(text):
        return "timing_profile"
    if trex_meta.looks_like(text):
        return "metadata"
    if lead[0] in "{[" and _json_shape(lead) is not None and not _LOG_MARKS.search(text):
        raise InputError(source.path, f"is JSON, but neither layer info nor a timing profile ({_json_shape(lead)})", todo=_ADVICE)
    if _LOG_MARKS.search(text):
        return "build_log"
    if lead[:200].lower().startswith(("<!doctype html", "<html")):
        raise InputError(source.path, "is an HTML page", todo="download the raw file")
    if b"\0" in head:
        raise InputError(source.path, "is a binary file of an unknown kind", todo=_ADVICE)
    # A build log may begin with pages of a script's own output: look further before giving up.
    for _, block in source.blocks():
        if _LOG_MARKS.search(block.decode("utf-8", "backslashreplace")):
            return "build_log"
    raise InputError(source.path, "holds nothing that TensorRT writes", todo=_ADVICE)


def _is_onnx(head: bytes) -> bool:
    """A ModelProto begins with its ir_version (field 1, varint 1 to 20), then a string or message field."""
    if len(head) < 4 or head[0] != 0x08 or not 1 <= head[1] <= 20:
        return False
    return head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)


def _json_shape(lead: str) -> str | None:
    """A few words on a JSON document that is not ours; None if its beginning is not JSON at all."""
    keys = re.findall(r'"([^"\\]{1,40})"\s*:', lead[:2000])
    if keys:
        return "its first keys are " + ", ".join(json.dumps(key) for key in dict.fromkeys(keys[:4]))
    return "no keys" if re.match(r"[\[{]\s*[\]}\d\"\[{-]", lead) else None
