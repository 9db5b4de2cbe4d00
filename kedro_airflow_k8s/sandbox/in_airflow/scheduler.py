"""Fails the DAG runs that an earlier scheduler did not end, then is the `airflow` command.

Their pods and volumes are gone: a scheduler would start their tasks again, without their data. It
has to be done before the scheduler's first loop, and no command of Airflow does it. By the REST API
a run whose last tasks have not begun would end as a success, since Airflow skips those tasks.

Usage: scheduler.py COUNT ARGUMENTS...
    COUNT: the file that gets the number of those runs.
    ARGUMENTS: those of the `airflow` command.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from airflow import __version__
from airflow.__main__ import main
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, State, TaskInstanceState

AIRFLOW_2 = __version__.startswith("2.")


def fail_unfinished_runs() -> int:
    """Mark the runs that have not ended, and their tasks that have begun, as failed."""
    begun = [state for state in State.unfinished if state is not None]
    with create_session() as session:
        runs = [
            run
            for state in State.unfinished_dr_states
            for run in DagRun.find(state=state, session=session)
        ]
        for run in runs:
            for task in run.get_task_instances(state=begun, session=session):
                task.set_state(TaskInstanceState.FAILED, session=session)
            run.set_state(DagRunState.FAILED)
        return len(runs)


def import_what_tasks_need() -> None:
    """Import it once: in Airflow 3, the tasks of the LocalExecutor are forks of this process."""
    if not AIRFLOW_2:
        import_module("airflow.sdk.execution_time.task_runner")
        import_module("airflow.providers.cncf.kubernetes.operators.pod")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(str(fail_unfinished_runs()))
    import_what_tasks_need()
    sys.argv = ["airflow", *sys.argv[2:]]
    main()  # type: ignore[no-untyped-call]
