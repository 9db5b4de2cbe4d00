"""The example of the quickstart, run in the sandbox on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow_environments import AIRFLOW_PYTHONS
from tests.sandbox.sandbox_runs import copy_of, environment, sandbox_run


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_spaceflights_gives_the_metrics_of_a_plain_kedro_run(tmp_path: Path, python: Path) -> None:
    project = copy_of("spaceflights", tmp_path)
    plain = copy_of("spaceflights", tmp_path / "plain")
    subprocess.run(
        [sys.executable, "-m", "kedro", "run"],
        cwd=plain,
        env=environment(project),
        stdout=subprocess.DEVNULL,
        check=True,
    )

    ran = sandbox_run(project, "--airflow-python", python, "--keep")

    assert ran.returncode == 0, ran.stdout
    kept = re.search(r"^Kept in (.*)$", ran.stdout, re.MULTILINE)
    assert kept is not None
    (expected,) = plain.glob("data/**/metrics.json")
    (metrics,) = Path(kept[1]).rglob("metrics.json")
    assert json.loads(metrics.read_text()) == json.loads(expected.read_text())
