"""Runs the DAG `rendering` once for each logical date; an empty one is a run without.

The conf of the last run is for Kedro. Usage: run_rendering.py FOLDER LOGICAL_DATE... What came of
the templates goes to a file in the folder, named after the date. Airflow's own Python executes this
program.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow import __version__
from airflow.models import DagBag

CONF = {"week": "27", "text": "a, {{ ds }}"}
FOR_KEDRO = {
    "env": "of the form",
    "model.depth": 5,
    "model.name": None,
    "kedro_params": {"model": {"rates": [0.5, 1e-05], "note": "{{ ds }}, ${x}"}, "ds": "mine"},
}


def main(folder: str, *logical_dates: str) -> None:
    """Run it."""
    dag: Any = DagBag().dags["rendering"]
    argument = "execution_date" if __version__.startswith("2.") else "logical_date"
    for date in logical_dates:
        os.environ["RENDERED"] = str(Path(folder) / f"rendered-{date}.json")
        moment = datetime.fromisoformat(date) if date else None
        conf = FOR_KEDRO if date == logical_dates[-1] else CONF
        run = dag.test(**{argument: moment}, run_conf=conf)
        state = str(getattr(run.state, "value", run.state))
        sys.stdout.write(f"The run has ended: {state}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
