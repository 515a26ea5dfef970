"""From artefacts to verdicts: which builds a capture holds, which of them the layer info is of, and the diagnosis of each.

In: `Capture`s (load.py). Out: `Diagnosis`. Next: report/. One build is joined in joins.py and judged in layer_verdicts.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import UsageError
from ..parse.build_log.records import Build
from .findings import held_builds
from .joins import Joins, Options
from .layer_verdicts import Verdicts
from .layers import layers_from_log
from .load import Capture, Progress, load_captures
from .model import CaptureDiagnosis, Diagnosis


def explain(paths: Sequence[str], options: Options | None = None, progress: Progress | None = None) -> Diagnosis:
    """Diagnose files and capture folders. Raises TrtlensError for input that cannot be used."""
    return Diagnosis(tuple(diagnose(capture, options or Options()) for capture in load_captures(paths, progress)))


def diagnose(capture: Capture, options: Options) -> CaptureDiagnosis:
    """Diagnose one capture: all builds of its log, the one that the layer info matches in full."""
    log = capture.log
    builds = held_builds(log) if log is not None else []
    if options.build is not None and options.build not in [b.index for b in builds] and not (options.build == 0 and not builds):
        held = f"build {builds[0].index} alone" if len(builds) == 1 else f"builds {', '.join(str(b.index) for b in builds)}" if builds else "build 0 alone"
        raise UsageError(f"--build {options.build}: these inputs hold {held}")
    if not builds:
        lone = log.builds[-1] if log is not None and log.builds else None
        diagnosis = Verdicts(Joins(capture, lone, options, index=0)).run()
        return CaptureDiagnosis(tuple(capture.inputs), 0, (diagnosis,))
    main, open_ = (options.build, False) if options.build is not None else _main_build(capture, builds)
    done = tuple(Verdicts(Joins(capture if b.index == main else _log_only(capture), b, options, b.index, open_ and b.index == main)).run() for b in builds)
    return CaptureDiagnosis(tuple(capture.inputs), main, done)


def _log_only(capture: Capture) -> Capture:
    """The capture as the other builds of a log see it: layer info, profile and trace belong to the main one."""
    return replace(capture, engine=None, profiles=[], traces=[])


def _main_build(capture: Capture, builds: list[Build]) -> tuple[int, bool]:
    """The build that the layer info matches, else the last complete one, else the last; and whether another one may be meant as well."""
    # A build that the log says nothing of but its options may be the layer info's as well, as long as no printed engine tells them apart.
    silent = capture.log is not None and any(b.failed is None for b in capture.log.builds if b not in builds)
    open_ = capture.engine is not None and silent and not any(b.engine_layers or b.layer_infos for b in builds)
    if capture.engine is not None and len(builds) > 1:
        names = {layer.name: layer.tactic_value for layer in capture.engine.layers}
        scores = []
        for build in builds:
            logged = layers_from_log(build)
            scores.append(sum((layer.name in names) + (names.get(layer.name) == layer.tactic_id) for layer in logged) / (len(logged) or 1))
        best = max(scores)
        open_ = scores.count(best) > 1 and best < 2.0  # equal in all names and tactics: what holds for one engine holds for the other
        if best > 0:
            return max(zip(scores, (b.index for b in builds), strict=True))[1], open_
    complete = [b for b in builds if b.complete]
    return (complete or builds)[-1].index, open_


__all__ = ["Options", "diagnose", "explain"]
