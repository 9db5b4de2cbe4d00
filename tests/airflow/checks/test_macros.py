"""The macros that the checks know are those of Airflow 3 and 2.11."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from kedro_airflow_k8s.checks import settings
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.waiting import WAIT_SECONDS

CONTEXT_KEYS = """
import json, airflow
try:
    from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
except ImportError:
    from airflow.utils.context import KNOWN_CONTEXT_KEYS
print(json.dumps([airflow.__version__[0], *KNOWN_CONTEXT_KEYS]))
"""


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_the_macros_are_those_of_airflow_itself(python: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [python, "-c", CONTEXT_KEYS],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_SECONDS,
    )
    version, *found = json.loads(run.stdout.splitlines()[-1])
    own = {
        "2": settings.MACROS_OF_AIRFLOW_2 | settings.EMULATED_MACROS,
        "3": settings.MACROS_OF_AIRFLOW_3,
    }
    assert set(found) == settings.MACROS_OF_BOTH | own[version]
