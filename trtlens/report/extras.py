"""What a full report shows beyond the verdicts, under the name that the reporters use. The records and what fills them: diagnose/extras.py.

In: nothing. Out: the dataclasses. Next: page.py.
"""

from __future__ import annotations

from ..diagnose.extras import Ceiling, Experiment, Race, ReformatCost, ReportExtras, TacticTiming

__all__ = ["Ceiling", "Experiment", "Race", "ReformatCost", "ReportExtras", "TacticTiming"]
