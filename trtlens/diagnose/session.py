"""One run over one or more captures: what was parsed and what was concluded, kept together for reporters that need both.

In: paths and options. Out: `Session`: captures, diagnosis, and, on demand, the races behind the verdicts. Next: cli.py, report/, the Python API.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import UsageError
from .explain import Options, diagnose
from .load import Capture, Progress, attach_model, load_captures
from .model import CaptureDiagnosis, Diagnosis
from .races import Races
from .rules import Noise

if TYPE_CHECKING:
    from .extras import Experiment, ReportExtras

_NOISE_PART = re.compile(r"\s*(?P<value>\d{1,6}(?:\.\d{1,6})?)\s*(?P<unit>%|ns|us|µs|ms)\s*")


def parse_noise(text: str) -> Noise:
    """`3%,1us` → the noise band; either part may be left out. Raises UsageError."""
    ratio, time_ms = 0.0, 0.0
    for part in text.split(","):
        match = _NOISE_PART.fullmatch(part)
        if match is None:
            raise UsageError(f"--noise {text!r}: it takes a share and a time, such as 3%,1us")
        value = float(match["value"])
        if match["unit"] == "%":
            ratio = value / 100.0
        else:
            time_ms = value * {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0}[match["unit"]]
    if not math.isfinite(ratio) or ratio >= 1.0:
        raise UsageError(f"--noise {text!r}: the share must be below 100 %")
    return Noise(ratio, time_ms)


class Session:
    """Captures and their diagnosis. `names`: further logs whose tactic names are learned (same TensorRT and GPU); `hashes` and `models` as in `load_captures`."""

    def __init__(
        self, paths: Sequence[str], options: Options | None = None, progress: Progress | None = None, names: Sequence[str] = (), model: str | None = None,
        hashes: bool = True, models: bool = True,
    ) -> None:  # fmt: skip
        self.options = options or Options()
        self.captures: list[Capture] = load_captures(paths, progress, hashes=hashes, models=models and model is None)
        if names:
            from .dictionary import learn_names

            learn_names(self.captures, names, progress)
        if model is not None:
            for capture in self.captures:
                attach_model(capture, model)
        if progress is not None and hasattr(progress, "close"):
            progress.close()
        self.experiments = [[(kind, diagnose(one, self.options)) for kind, one in capture.experiments] for capture in self.captures]
        self.diagnosis = Diagnosis(tuple(diagnose(capture, self.options) for capture in self.captures))

    def close(self) -> None:
        """Remove what was unpacked or fetched to read the captures from, as happens at the latest at exit. Lines of their logs can then no longer be shown."""
        for capture in self.captures:
            for held in (capture.keep, capture.local):
                if held is not None:
                    held.close()

    def races(self, number: int = 0) -> Races | None:
        """The races of a capture's main build, in the pass that became the engine."""
        return self._races[number]

    @cached_property
    def _races(self) -> list[Races | None]:
        from .layers import layers_from_info, layers_from_log
        from .sparsity import choose_pass

        found: list[Races | None] = []
        for capture, diagnosis in zip(self.captures, self.diagnosis.captures, strict=True):
            log = capture.log
            build = next((b for b in log.builds if b.index == diagnosis.main_build), None) if log is not None else None
            if log is None or build is None:
                found.append(None)
                continue
            layers = layers_from_info(capture.engine) if capture.engine is not None else layers_from_log(build)
            found.append(Races(log, build, choose_pass(build, log, layers).index, learned=capture.learned))
        return found

    def extras(self) -> ReportExtras | None:
        """What the HTML report shows beyond the verdicts, for the first capture."""
        from .extras import report_extras

        if not self.captures:
            return None
        found = report_extras(self.captures[0], self.diagnosis.captures[0], self.races(0), self.options)
        return replace(found, experiments=self.experiment_results(0))

    def experiment_results(self, number: int = 0) -> tuple[Experiment, ...]:
        """What the further builds of a capture show: a counterfactual, repeats."""
        from .experiments import experiments

        return experiments(self.diagnosis.captures[number], self.experiments[number], self.options.noise)

    def main(self, number: int = 0) -> CaptureDiagnosis:
        """The diagnosis of a capture."""
        return self.diagnosis.captures[number]
