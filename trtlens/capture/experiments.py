"""Further builds of the same options: without sparsity, or again.

In: BuildOptions that ask for experiments. Out: for each further build its subfolder and options. Next: build.py runs them into the
capture folder, each as a capture of its own; diagnose/ compares them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from .options import BuildOptions


@dataclass(frozen=True, slots=True)
class Experiment:
    """One further build. `folder`: its subfolder of the main capture."""

    kind: Literal["counterfactual", "repeat"]
    folder: str
    options: BuildOptions


def experiments(options: BuildOptions) -> tuple[Experiment, ...]:
    """The builds after the first: `counterfactual/` without SPARSE_WEIGHTS, `repeat-2/` to `repeat-N/` with the very same options.

    Their engines are not kept: what they are for is the log and the layer info.
    """
    single = dataclasses.replace(options, counterfactual=False, repeat=1, keep_engine=False, prune=None)
    further: list[Experiment] = []
    if options.counterfactual:
        further.append(Experiment("counterfactual", "counterfactual", dataclasses.replace(single, sparsity="disable")))
    further += [Experiment("repeat", f"repeat-{number}", single) for number in range(2, options.repeat + 1)]
    return tuple(further)
