"""A worker that dies, in a module of its own: a spawned process imports it, and the test beside it imports far more."""

from __future__ import annotations

import os

from trtlens.report.dataset import CaptureOutcome, _Task


def die_on_b(task: _Task) -> CaptureOutcome:
    if task.label == "b":
        os._exit(9)
    return CaptureOutcome(task.label, task.path)
