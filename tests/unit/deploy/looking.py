"""A run of a DAG of four tasks in a scripted Airflow, for the commands that look at runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from kedro_airflow_k8s.airflow_api import DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import DagTask
from kedro_airflow_k8s.config.own_names import TAG_VERSION
from kedro_airflow_k8s.deploy.kubernetes import Kubectl
from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

RUN = "run-once-20260105-120000-1f2e3d"
BEGAN = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
DONE = TaskState("success", 100.0, 103.0, 1)
FAILED = TaskState("failed", 103.0, 104.5, 2)
TRACEBACK = (
    "Traceback (most recent call last):",
    "  (24 frames of kedro)",
    '  File "src/shop/nodes.py", line 37, in train',
    "    model.fit(x)",
    "ValueError: no [bold] data",
)
LOG = "\n".join(
    (
        "[2026-01-05T12:00:00Z] INFO - Building pod",
        "[2026-01-05T12:00:01Z] INFO - [base] loading orders",
        "[2026-01-05T12:00:02Z] INFO - [base] training",
        *(f"[2026-01-05T12:00:03Z] INFO - [base] {line}" for line in TRACEBACK),
        "[2026-01-05T12:00:04Z] ERROR - Task failed with exception",
        "Traceback (most recent call last):",
        '  File "pod.py", line 923, in execute_sync',
        "AirflowException: Pod train-1 returned a failure.",
    )
)


def _task(task_id: str, below: str | None, *nodes: str) -> DagTask:
    doc = f"Something.\n\nKedro: `{','.join(nodes)}`" if nodes else None
    downstream = [below] if below else []
    return DagTask.model_validate(
        {"task_id": task_id, "downstream_task_ids": downstream, "doc_md": doc}
    )


TASKS = [
    _task("create_volume", "prepare"),
    _task("prepare", "train", "load", "science.clean"),
    _task("train", "delete_volume", "train"),
    _task("delete_volume", None),
]


def looked_at(state: RunState = RunState.FAILED, *, paused: bool = False) -> ScriptedAirflow:
    """An Airflow with a run of which the third task failed."""
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("shop", f"{TAG_VERSION}:1.0.0", paused=paused))
    airflow.stored_tasks["shop"] = TASKS
    add_run(airflow, RUN, state)
    airflow.tasks.update(delete_volume=DONE, train=FAILED, create_volume=DONE, prepare=DONE)
    airflow.logs["train"] = LOG
    return airflow


@dataclass(frozen=True)
class Volumes(RunVolumes):
    """A cluster that has lost the volumes of some runs."""

    kubectl: Kubectl = field(default_factory=lambda: Kubectl(None, None))
    namespace: str | None = None
    warn: Callable[[str], object] = print
    lost: tuple[str, ...] = ()

    def loss(self, dag_id: str, run_id: str) -> str:
        """Return why the volume of a run is gone."""
        return f"The cluster has no volume of {run_id}." if run_id in self.lost else ""


def add_run(airflow: ScriptedAirflow, run_id: str, state: RunState) -> None:
    """Have a run that began at noon and, if it has ended, took 63 seconds."""
    airflow.runs[run_id] = DagRun(
        dag_id="shop",
        run_id=run_id,
        state=state,
        start=BEGAN if state is not RunState.QUEUED else None,
        end=BEGAN.replace(minute=1, second=3) if state.ended else None,
    )
