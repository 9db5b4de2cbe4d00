"""The Airflow environments that tests run DAGs in: this one, and that of Airflow 2.11."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

_AIRFLOW2 = os.environ.get("AIRFLOW2_PYTHON")

AIRFLOW_PYTHONS = [
    pytest.param(Path(sys.executable), id="airflow3"),
    # `make test` too says aloud when Airflow 2.11 is not available for this Python.
    pytest.param(
        Path(_AIRFLOW2 or "."),
        id="airflow2",
        marks=[
            pytest.mark.airflow2,
            pytest.mark.skipif(
                not _AIRFLOW2, reason="AIRFLOW2_PYTHON names no Python with Airflow 2.11"
            ),
        ],
    ),
]
"""For parametrize: the Pythons that have Airflow."""

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
