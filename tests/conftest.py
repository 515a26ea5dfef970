"""What all tests share: hypothesis must not fail a test because the machine is busy, only because the code is wrong.

In CI the examples are the same each time, so that a change is judged by what it changed; on a developer's machine they are drawn anew.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("trtlens", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("trtlens"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "trtlens")
