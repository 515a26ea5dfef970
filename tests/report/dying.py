"""Workers that die or do not end, in a module of their own: a spawned process imports it, and the test beside it imports far more."""

from __future__ import annotations

import os
import time
from pathlib import Path

from trtlens.report.dataset import CaptureOutcome, _Task
from trtlens.report.files import whole_file
from trtlens.signals import TemporaryFolder


def die_on_b(task: _Task) -> CaptureOutcome:
    if task.label == "b":
        os._exit(9)
    return CaptureOutcome(task.label, task.path)


def work_on_and_on(task: _Task) -> CaptureOutcome:
    """Is in the middle of everything that a worker makes when it makes `task.path`."""
    with TemporaryFolder(), whole_file(Path(task.directory) / task.label):
        Path(task.path).touch()
        for _ in range(60_000):  # not at one go: a signal that the kernel gives to another thread does not wake who sleeps
            time.sleep(0.01)
    return CaptureOutcome(task.label, task.path)
