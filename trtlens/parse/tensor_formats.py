"""TensorRT's words for tensor types and layouts, in every era, as (datatype, layout).

In: a `Format/Datatype` sentence (8.2 to 10.x), or `Datatype` and `Format` (11.x). Out: names as in records.TensorInfo. Next: layer_info.py.
Source of the sentences: inspector output of TensorRT 8.2 to 10.16 and the 10.x to 11.x migration guide of IEngineInspector. An unknown
sentence gives None, never a default: a wrong layout would mislead whoever compares formats.
"""

from __future__ import annotations

import re
from functools import lru_cache

_TYPES = {
    "Float": ("fp32", "float", "float32"),
    "Half": ("fp16", "half", "float16"),
    "BFloat16": ("bf16", "bfloat16"),
    "FP8": ("fp8", "e4m3", "f8"),
    "FP4": ("fp4", "e2m1"),
    "E8M0": ("e8m0",),
    "Int64": ("int64",),
    "Int32": ("int32",),
    "Int8": ("int8",),
    "Int4": ("int4",),
    "UInt8": ("uint8",),
    "Bool": ("bool",),
}
_TYPE_OF = {spelling: name for name, spellings in _TYPES.items() for spelling in spellings}
_TYPE_WORD = re.compile(r"\b(?:" + "|".join(_TYPE_OF) + r")\b", re.IGNORECASE)
_ENUM = re.compile(r"\(k([A-Z][A-Z0-9_]*)\)")
_LAYOUTS = frozenset(
    ("LINEAR", "CHW2", "CHW4", "CHW16", "CHW32", "HWC", "HWC8", "HWC16", "DHWC", "DHWC8", "CDHW32", "DLA_LINEAR", "DLA_HWC4", "TRANSPOSED")
)
_WIDE = re.compile(r"^(two|four|sixteen|thirty-two) wide channel vectorized", re.IGNORECASE)
_WIDTHS = {"two": 2, "four": 4, "sixteen": 16, "thirty-two": 32}
_CHANNEL_MODULO = re.compile(r"channel % (2|4|8|16) == 0")
_SHORT = re.compile(r"^\((Linear|NHWC|Transposed|Arbitrary)\)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def datatype_of(text: str) -> str | None:
    """The type named in `text` (a bare type or a sentence), or None."""
    match = _TYPE_WORD.search(text)
    return _TYPE_OF[match.group().lower()] if match else None


@lru_cache(maxsize=4096)
def layout_of(sentence: str, rank: int | None = None) -> str | None:
    """The layout a format sentence names, or None. `rank`: number of dimensions, which tells DHWC8 from HWC8 and CDHW32 from CHW32."""
    sentence = sentence.strip().rstrip(".")
    if enum := _ENUM.search(sentence):
        return enum[1] if enum[1] in _LAYOUTS else None
    if "column stride %" in sentence:
        return "DLA_HWC4" if "channel == 4" in sentence else "DLA_LINEAR"
    volume = rank == 5 or "3 spatial dimensions" in sentence
    sentence = re.sub(_SHORT, "", sentence).lstrip() if (short := _SHORT.match(sentence)) else sentence
    if short and short[1].lower() == "transposed":
        return "TRANSPOSED"
    if short and short[1].lower() == "arbitrary":
        return None
    if wide := _WIDE.match(sentence):
        width = _WIDTHS[wide[1].lower()]
        return ("CDHW32" if width == 32 else None) if volume else f"CHW{width}"
    lowered = sentence.lower()
    if lowered.startswith("channel major"):
        if modulo := _CHANNEL_MODULO.search(sentence):
            return ("DHWC8" if modulo[1] == "8" else None) if volume else f"HWC{modulo[1]}"
        return None if "where" in lowered else "DHWC" if volume else "HWC"
    if lowered.startswith("non-vectorized channel-last"):
        return "DHWC" if volume else "HWC"
    if lowered.startswith("row major") and "where" not in lowered and "vectorized" not in lowered:
        return "LINEAR"
    return None
