"""What all tests share: hypothesis must not fail a test because the machine is busy, only because the code is wrong."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("trtlens", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("trtlens")
