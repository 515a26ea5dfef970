"""Runs in a process of its own, with one version's bindings on the module path: prints what test_bindings.py wants to know as JSON.

No TensorRT function runs here: the libraries are stubs. What is asked is whether each attribute that the driver touches exists.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import tensorrt as trt

from tests.capture.option_table import TABLE, python_plans
from trtlens.capture.backends import driver, loaded_engine
from trtlens.capture.backends.plan import Member, Step
from trtlens.capture.backends.python_api import plan
from trtlens.capture.options import BuildOptions
from trtlens.capture.settings import options_from


def chain(node: ast.expr) -> list[str]:
    """`a.b.c` as [a, b, c]; empty if it does not begin with a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def touched(source: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """(class, attribute) for every object of TensorRT in a file (`trt` is the module), and the names that hasattr() guards in it."""
    found: set[tuple[str, str]] = set()
    guarded: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            guard = node.args[1]
            if isinstance(guard, ast.Constant):
                guarded.add(guard.value)
        if isinstance(node, ast.Attribute):
            name, *rest = chain(node) or [""]
            if name == "trt":
                found.add(("trt", ".".join(rest)))
            elif name in driver.OBJECT_CLASSES and rest:
                found.add((driver.OBJECT_CLASSES[name], rest[0]))
    return found, guarded


def exists(owner: str, path: str) -> bool:
    value: Any = trt if owner == "trt" else getattr(trt, owner, None)
    for name in path.split("."):
        if not hasattr(value, name):
            return False
        value = getattr(value, name)
    return True


def missing() -> list[str]:
    absent = []
    for module in (driver, loaded_engine):
        found, guarded = touched(Path(module.__file__))
        assert len(found) > 10, "the walk found next to nothing: have the variable names changed?"
        unguarded = [(owner, path) for owner, path in sorted(found) if path.split(".")[0] not in guarded]
        absent += [f"{owner}.{path}" for owner, path in unguarded if not exists(owner, path)]
    return absent


def step_is_there(step: Step) -> bool:
    members = [one for one in step.arguments if isinstance(one, Member)]
    return exists(step.owner_class, step.attribute) and all(exists(one.enumeration, one.name) for one in members)


def main() -> None:
    surface = driver.surface_of(trt)
    accepted = [row.given for row in TABLE.values() if not {"target", "extra"} & set(row.given)]
    plans = [plan(options_from({"model": "m.onnx", **given}), surface, "tensorrt") for given in accepted]
    monitored: list[str] = []
    monitor = driver._monitor(trt, lambda phase, step, steps: monitored.append(f"{phase} {step}/{steps}"))
    if monitor is not None:
        monitor.phase_start("Building engine", None, 6)
        assert monitor.step_complete("Building engine", 0) is True
        monitor.phase_finish("Building engine")
        assert monitor.step_complete("Building engine", 5) is True  # seen in 1.7: a step after the end
    try:
        driver.build(trt, BuildOptions(model=Path("m.onnx")), "tensorrt", Path(), driver.Result(), lambda *_: None)
        refusal = ""
    except driver.DriverError as error:
        refusal = str(error)
    json.dump(
        {
            "version": trt.__version__,
            "missing": missing(),
            "absent_steps": [str(step) for made in plans for step in made.steps if not step_is_there(step)],
            "absent_flags": [flag for made in plans for flag in made.network_flags if not exists("NetworkDefinitionCreationFlag", flag)],
            "plans": python_plans(trt, "tensorrt"),
            "monitored": monitored,
            "progress": [exists("trt", "IProgressMonitor"), exists("IBuilderConfig", "progress_monitor")],
            "item_size": trt.DataType.HALF.itemsize,
            "without_driver": refusal,
        },
        sys.stdout,
    )


main()
