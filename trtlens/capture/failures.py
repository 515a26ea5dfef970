"""Why a build failed, in one line that a user can act on.

In: how the child ended, what it handed back, its log. Out: a Failure for the manifest, or None. Next: build.py.
"""

from __future__ import annotations

import dataclasses
import shutil
import signal
from pathlib import Path

from ..text import visible
from .backends.driver import RefusedNode, Result
from .child import ChildEnd
from .disk import NO_SPACE
from .manifest import Failure

# Of what the parser refuses, the one line names so many nodes of a kind and so many kinds; the log has every one of them.
_NODES_NAMED = 3
_REASONS_TOLD = 5
_DISK_FULL_BYTES = 1 << 16
# Words of TensorRT that do not say what to do.
_HINTS = {
    "Input dimensions with this name have different": " (the model gives several dimensions this name, and TensorRT takes them for one size: "
    "give them different names in the ONNX file, or equal sizes)",
}


def failure_of(end: ChildEnd, result: Result, log: Path, *, loaded: bool) -> Failure | None:
    """What went wrong, in one line; None if nothing did. `loaded`: an engine was loaded, not built."""
    failure = _failure(end, result, log, loaded)
    if failure is not None and NO_SPACE not in failure.message and shutil.disk_usage(log.parent).free < _DISK_FULL_BYTES:  # the log cannot say it: it lies on that disk
        return dataclasses.replace(failure, message=f"{failure.message}; {NO_SPACE}")
    return failure


def _failure(end: ChildEnd, result: Result, log: Path, loaded: bool) -> Failure | None:
    stage = "the engine was built, but while it was inspected or profiled " if result.status == "built" and not loaded else ""
    if end.stopped is not None:
        kind = "timeout" if "--timeout" in end.stopped else "interrupt"
        return Failure(kind, f"{stage}{end.stopped}", end.signal, end.exit_code)
    if end.signal is not None:
        name = signal.Signals(end.signal).name if end.signal in set(signal.Signals) else f"signal {end.signal}"
        if end.signal == signal.SIGKILL and end.oom_killed:
            return Failure("out-of-memory", f"{stage}the kernel's out-of-memory killer ended the builder", end.signal)
        maybe = ", as the out-of-memory killer does" if end.signal == signal.SIGKILL else ""
        return Failure("signal", f"{stage}the builder was ended by {name}{maybe}", end.signal)
    if result.status == "unparsed":
        return Failure("parser", _refused_text(result.refused_nodes), None, end.exit_code)
    if result.message is not None:
        return Failure("tensorrt", result.message, None, end.exit_code)
    if result.status == "failed":
        words = last_words(log)
        hint = next((hint for form, hint in _HINTS.items() if form in words), "")
        return Failure("tensorrt", f"TensorRT made no engine: {words}{hint}", None, end.exit_code)
    if end.exit_code != 0:
        return Failure("exit", f"{stage}the builder ended with exit code {end.exit_code}: {last_words(log)}", None, end.exit_code)
    return None


def _refused_text(nodes: tuple[RefusedNode, ...]) -> str:
    """The nodes with operator and reason; those that share both are told together, because a model has hundreds of one kind."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in nodes:
        name = "" if one.node < 0 and not one.name else one.name or f"node {one.node}"
        groups.setdefault((one.operator, one.reason), []).append(name)
    parts = []
    for (operator, reason), names in groups.items():
        shown = ", ".join(name for name in names[:_NODES_NAMED] if name)
        if len(names) > _NODES_NAMED:
            shown += f" and {len(names) - _NODES_NAMED} more"
        head = f"{shown} ({operator})" if operator else shown
        parts.append(visible(f"{head}: {reason}" if head else reason, 500))
    if len(parts) > _REASONS_TOLD:
        parts[_REASONS_TOLD:] = [f"and {len(parts) - _REASONS_TOLD} further kinds of node"]
    return "TensorRT's parser refuses " + ("; ".join(parts) or "the model without giving a reason")


def last_words(log: Path) -> str:
    """The last error in the log, else its last line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - (1 << 16)))
            lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    errors = [line for line in lines if "[E]" in line]
    last = (errors or lines or ["it said nothing"])[-1]
    return visible(last.partition("] [E] ")[2].removeprefix("[TRT] ") or last.strip(), 300)
