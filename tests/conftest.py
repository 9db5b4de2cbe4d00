"""Fixtures of several folders, and how many examples Hypothesis tries.

HYPOTHESIS_PROFILE is `quick`, `default`, `ci` or `nightly`.
"""

import logging
import os
import signal

from hypothesis import HealthCheck, settings

# Loaded after this file.
pytest_plugins = ["tests.support.airflow_servers"]

# A shell lets what it runs in the background ignore Ctrl-C, and so would the commands of tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# When it is imported, Kedro logs which logging configuration it uses. What is printed while pytest
# loads this file would appear at the very end of its output.
logging.disable(logging.INFO)
import kedro.framework.project  # noqa: E402, F401

logging.disable(logging.NOTSET)

# A slow machine is not an error, and building a Kedro pipeline for each example takes its time.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# `make check` and `make test`: the same examples in every run.
settings.register_profile("quick", COMMON, max_examples=50, derandomize=True)
settings.register_profile("default", COMMON, max_examples=200)
# The same examples in every run: a red one is of the change that it stands at.
settings.register_profile("ci", COMMON, max_examples=200, derandomize=True)
settings.register_profile("nightly", COMMON, max_examples=2000, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)
