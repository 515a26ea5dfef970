"""The child process: imports TensorRT, builds, measures.

In: the path of a request (JSON, written by build.py). Out: files in the request's folder, `result.json` among them; the log on standard
output and error. Next: build.py reads the result. A crash here takes nothing with it but this process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .backends.driver import DriverError, OptionRefused, Report, Result, build, surface_of, write_result
from .backends.python_api import plan
from .disk import told
from .lifeline import PROGRESS_FD_VARIABLE, die_with_parent
from .options import BuildOptions

RESULT = "result.json"
_STEP_SECONDS = 0.05


def main() -> None:
    """`worker REQUEST`. Exit code 0 if the engine was built (or the plan was made), 1 if not."""
    request = json.loads(Path(sys.argv[1]).read_bytes())
    die_with_parent(request["parent"])
    options = BuildOptions.from_json(request["options"])
    folder = Path(request["folder"])
    result = Result()
    try:
        _work(request, options, folder, result)
    except OptionRefused as error:
        result.status, result.refusals = "refused", (str(error),)
    except DriverError as error:
        result.status, result.message = "failed", str(error)
    except ImportError as error:
        result.status, result.message = "failed", f"the Python module {request['module']} cannot be imported: {error}"
    except OSError as error:
        import traceback

        traceback.print_exc()
        result.status, result.message = "failed", told(error)
    try:
        write_result(result, folder / RESULT)
    except OSError as error:  # then the log alone says what happened
        print(f"[E] {result.message or 'the result of the build cannot be written'}: {error.strerror or error}", file=sys.stderr)
        os._exit(1)
    sys.stdout.flush()
    # Not sys.exit: with a half-made engine the bindings' destructors can crash a build that is already on disk.
    os._exit(0 if result.status in ("built", "measured", "planned") else 1)


def _work(request: dict[str, Any], options: BuildOptions, folder: Path, result: Result) -> None:
    trt = importlib.import_module(request["module"])
    result.version = str(trt.__version__)
    if request["action"] == "plan":
        made = plan(options, surface_of(trt), request["backend"])
        result.plan, result.refusals = tuple(made.lines()), made.refusals
        result.notes.extend(made.notes)
        result.status = "planned"
        return
    if options.engine is not None:
        engine_bytes: Any = options.engine.read_bytes()
        result.status = "built"
    else:
        engine_bytes = build(trt, options, request["backend"], folder, result, _reporter())
    if engine_bytes is None:
        return
    write_result(result, folder / RESULT)  # what follows runs the engine and may take this process down
    if request["backend"] == "tensorrt-rtx":
        return
    from .backends.loaded_engine import NotMeasured, measure

    try:
        result.notes.extend(measure(trt, engine_bytes, options, folder))
        result.status = "measured"
    except NotMeasured as why:
        result.notes.append(str(why))
        if options.engine is not None:
            raise DriverError(str(why)) from why


def _reporter() -> Report:
    """Writes progress as lines of JSON to the pipe that the parent opened, if any; steps at most every 50 ms."""
    number = os.environ.pop(PROGRESS_FD_VARIABLE, None)
    lock = threading.Lock()
    last = 0.0

    def report(phase: str, step: int, steps: int | None) -> None:
        nonlocal last
        if number is None:
            return
        with lock:
            now = time.monotonic()
            if step and now - last < _STEP_SECONDS:
                return
            last = now
            try:
                os.write(int(number), json.dumps({"phase": phase, "step": step, "steps": steps}).encode() + b"\n")
            except OSError:
                pass  # the parent is gone or does not read; the build matters more

    return report
