"""Uploads a DAG that has a schedule, and says when it will run."""

from __future__ import annotations

from datetime import datetime, timezone

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.deploy.delivery import PARSE_MINUTES, deliver
from kedro_airflow_k8s.deploy.run_times import WITHOUT_TIMES, run_times
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.upload import upload_dag


def schedule(
    client: AirflowClient | None,
    dag: CompiledDag,
    output: str,
    progress: Progress,
    minutes: float = PARSE_MINUTES,
) -> None:
    """Upload a DAG that has a schedule, and show when it will run.

    Args:
        client: Airflow; None not to wait for it.
        dag: The DAG.
        output: Where Airflow reads DAGs.
        progress: Shows what is done and waited for.
        minutes: The longest wait for Airflow to have the DAG.

    Raises:
        PlanError: If the DAG has no schedule.
        AirflowK8sError: As `deliver`.
    """
    if dag.schedule is None:
        raise PlanError(
            f"DAG {dag.dag_id} has no schedule: give --cron-expression, or set"
            " run_config.cron_expression in airflow-k8s.yaml."
        )
    if client is None:
        where = upload_dag(dag.source, dag.file_name, output)
        progress.say(f"Uploaded DAG {dag.dag_id} to {where}")
    else:
        deliver(client, dag, output, progress, minutes)
        found = client.find_dag(dag.dag_id)
        progress.say(f"Airflow has it: {client.dag_url(dag.dag_id)}")
        if found and found.paused:
            progress.warn(f"DAG {dag.dag_id} is paused in Airflow: unpause it there to let it run.")
    now = datetime.now(timezone.utc)
    progress.say(f"Schedule: {dag.schedule}, time zone {dag.timezone}. Next runs:")
    for moment in run_times(dag.schedule, dag.timezone, dag.start_date, now):
        progress.say(f"  {moment}")
    if dag.schedule not in WITHOUT_TIMES:
        progress.say(
            "A DAG that is new or was paused also has one run at once, for the last time that has"
            " passed."
        )
