"""Fixtures of several folders, and how many examples Hypothesis tries.

HYPOTHESIS_PROFILE is `default`, `ci` or `nightly`.
"""

import os

from hypothesis import HealthCheck, settings

from tests.support.airflow_servers import server_fixture

__all__ = ["server_fixture"]


# A slow machine is no error, and building a Kedro pipeline for each example takes its time.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("default", COMMON, max_examples=200)
# The same examples in every run: a red one is of the change that it stands at.
settings.register_profile("ci", COMMON, max_examples=200, derandomize=True)
settings.register_profile("nightly", COMMON, max_examples=2000, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)
