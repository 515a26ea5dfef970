"""The records that the artefact parsers return: layer info and timing profile.

In: nothing. Out: frozen dataclasses. Next: layer_info.py and timing_profile.py fill them, diagnose/ reads them.
Tactic ids are uint64 integers; times are milliseconds; what an artefact does not hold is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import InputError

__all__ = ["EngineInfo", "InputError", "LayerInfo", "Note", "ProfileRow", "TensorInfo", "TimingProfile"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something a parser met and did not hide: a damaged row, an unknown key form. `where`: line, byte or pointer. `lost` False: a repair, or a
    value of a layer that is unknown; no layer, tensor or row is missing for it."""

    where: str
    message: str
    lost: bool = True


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of an engine layer.

    `datatype`: TensorRT's name (Float, Half, BFloat16, Int8, FP8, Int32, Int64, Bool, UInt8, Int4, FP4) or None.
    `layout`: LINEAR, CHW2, CHW4, CHW16, CHW32, HWC, HWC4, HWC8, HWC16, DHWC, DHWC8, CDHW32, DLA_LINEAR, DLA_HWC4, TRANSPOSED or None where
    the artefact does not say (10.x prints the type alone; dynamic shapes print neither). `text`: the format as printed.
    """

    name: str
    dimensions: tuple[int, ...] | None
    datatype: str | None
    layout: str | None
    text: str
    strides: tuple[int, ...] | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One engine layer as the inspector prints it. `pointer`: RFC 6901 pointer of the layer in its document.

    `has_sparse_weights` is eligibility as the inspector reports it, never selection (issue 4694). `tactic_name` is None when the
    key is absent or empty: an empty name is unknown, not dense. `optimization_profile` comes from a ` [profile N]` suffix of the name, which
    `name` keeps and `base_name` lacks. `onnx_nodes`: from `Metadata` where it is there (`nodes_from` = "metadata"), else from the fused name.
    """

    index: int
    name: str
    base_name: str
    layer_type: str | None
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    tactic_name: str | None
    tactic_value: int | None
    has_sparse_weights: bool | None
    onnx_nodes: tuple[str, ...]
    nodes_from: Literal["metadata", "name", "none"]
    optimization_profile: int | None
    pointer: str
    parameter_type: str | None = None
    origin: str | None = None
    groups: int | None = None
    out_maps: int | None = None
    kernel: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    dilation: tuple[int, ...] | None = None
    has_dynamic_filter: bool | None = None
    weights_type: str | None = None
    weights_count: int | None = None
    stream_id: int | None = None
    sparse_key: str | None = None
    """Which key said `has_sparse_weights`: HasSparseWeights, ConvHasSparseWeights or AllowSparse."""
    padding: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    """Before and behind each axis, where it is explicit (`PaddingMode` kEXPLICIT_…)."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """A whole layer-info artefact.

    `dialect`: object, list, names-only, banners, torch-tensorrt, log-json … (what form it had); `detailed`: False when only names stand in it
    (ProfilingVerbosity LAYER_NAMES_ONLY). `bindings`: names of network inputs and outputs. `raw_layers`: the parsed JSON objects, for the curious.
    """

    layers: tuple[LayerInfo, ...]
    detailed: bool
    bindings: tuple[str, ...]
    dialect: str
    io_tensors: tuple[TensorInfo, ...] = ()
    notes: tuple[Note, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """One row of a timing profile. A `-nan` or missing figure is None. `pointer` for JSON, `line` for a table in a log."""

    name: str
    total_ms: float | None
    average_ms: float | None
    median_ms: float | None
    percent: float | None
    pointer: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class TimingProfile:
    """One profile. `iterations` is trtexec's `count`; `dialect`: json-8.5 (medianMs), json-7 (none), table-8.2, table-8.5, table-8.6."""

    rows: tuple[ProfileRow, ...]
    iterations: int | None
    dialect: str
    notes: tuple[Note, ...] = ()
