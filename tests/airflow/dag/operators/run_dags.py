"""Runs DAGs one after the other and writes how each run and each of its tasks ended, as JSON.

Usage: run_dags.py RESULT DAG_ID... Airflow's own Python executes this program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from airflow.models import DagBag


def main(result: str, *dag_ids: str) -> None:
    """Run them."""
    bag = DagBag()
    found: dict[str, Any] = {"errors": bag.import_errors}
    for dag_id in dag_ids:
        run = bag.dags[dag_id].test()
        tasks = {task.task_id: _text(task.state) for task in run.get_task_instances()}
        found[dag_id] = {"run": _text(run.state), "tasks": tasks}
    Path(result).write_text(json.dumps(found))


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


if __name__ == "__main__":
    main(*sys.argv[1:])
