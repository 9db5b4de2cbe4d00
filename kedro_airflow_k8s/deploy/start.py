"""Starts a run of a DAG: one that is uploaded first, or the one that Airflow has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.values import cron_reason
from kedro_airflow_k8s.deploy.delivery import deliver
from kedro_airflow_k8s.deploy.find import find_dag
from kedro_airflow_k8s.deploy.params import conf_of
from kedro_airflow_k8s.deploy.run import Run, RunOptions, new_run_id
from kedro_airflow_k8s.deploy.run_times import as_airflow_tells, zone
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.build import Overrides, plan_dag_id
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.terminal.progress import Progress


@dataclass(frozen=True)
class DagInAirflow:
    """A DAG as Airflow has stored it.

    Attributes:
        dag_id: Its id.
        task_ids: All its tasks, in an order in which they can run.
        sensor_ids: Those of them that wait for other DAGs.
        timezone: The name of its time zone.
        start_date: The first day of its schedule.
        trigger_params: The fields of its trigger form, by name.
    """

    dag_id: str
    task_ids: tuple[str, ...]
    sensor_ids: tuple[str, ...]
    timezone: str
    start_date: date
    trigger_params: tuple[str, ...]


def run_once(
    client: AirflowClient, dag: CompiledDag, output: str, options: RunOptions, progress: Progress
) -> None:
    """Upload a DAG, start a run of exactly this text, and watch it if wanted.

    Raises:
        AirflowK8sError: If the run cannot begin, fails, or goes on for longer than the user waits.
        KeyboardInterrupt: From the user, after a message that says what becomes of the run.
    """
    run = Run(client, dag, progress, new_run_id("run-once"))
    logical_date = run.logical_date(options.logical_date)
    try:
        before = deliver(client, dag, output, progress)
        paused = run.unpause(options.unpause, new=before is None)
    except KeyboardInterrupt:
        progress.say("No run was started.")
        raise

    def start() -> None:
        run.start(options.conf, logical_date, dag.partition_format)
        run.check_version(dag.fingerprint)
        run.skip_waits()

    run.follow(start, options, paused)


def keep_schedule(
    client: AirflowClient,
    pipeline: ProjectPipeline,
    run: RunConfig,
    overrides: Overrides,
    progress: Progress,
) -> Overrides:
    """Return the overrides with which an upload keeps the schedule that Airflow has for the DAG.

    Args:
        client: Airflow.
        pipeline: The pipeline of the DAG.
        run: Its configuration.
        overrides: The options of the command.
        progress: Told what is kept.

    Raises:
        RunError: If an upload cannot keep that schedule.
        AirflowApiError: If Airflow cannot be asked.
    """
    dag_id = plan_dag_id(pipeline, run, overrides)
    found = client.find_dag(dag_id) if run.schedule else None
    if found and found.schedule and cron_reason(found.schedule):
        # Airflow shows it in its own words. It is that of the configuration, or an older one.
        progress.say(f"DAG {dag_id} has the schedule of run_config.schedule.")
        return replace(overrides, once=False)
    kept = kept_schedule(client, dag_id, run, progress)
    return replace(overrides, cron=kept, once=kept is None)


def kept_schedule(
    client: AirflowClient, dag_id: str, run: RunConfig, progress: Progress
) -> str | None:
    """Return the schedule that Airflow has for a DAG, to be kept; None if there is none.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run: The configuration: a schedule that is the same is returned as it is written there.
        progress: Told what is kept.

    Raises:
        RunError: If an upload cannot keep that schedule.
        AirflowApiError: If Airflow cannot be asked.
    """
    found = client.find_dag(dag_id)
    if found is None or not found.schedule:
        return None
    if cron_reason(found.schedule):
        raise RunError(
            f"DAG {dag_id} has a schedule in Airflow that an upload cannot keep: {found.schedule}."
            " Give --no-schedule to remove it, or a name of your own with --dag-name."
        )
    waits = " and its sensors for other DAGs" if run.external_dependencies else ""
    progress.say(
        f"DAG {dag_id} keeps its schedule in Airflow ({found.schedule}){waits}; --no-schedule"
        f" removes {'both' if waits else 'it'}."
    )
    configured = run.cron_expression
    if configured and as_airflow_tells(configured) == as_airflow_tells(found.schedule):
        return configured
    return found.schedule


def trigger(
    client: AirflowClient,
    dag_id: str,
    timezone: str,
    params: Mapping[str, Any],
    options: RunOptions,
    progress: Progress,
) -> None:
    """Start a run of the DAG that Airflow has, and watch it if wanted.

    Without a logical date the run does not wait for other DAGs: no run of theirs belongs to it.

    Args:
        client: Airflow.
        dag_id: The DAG.
        timezone: The name of its time zone.
        params: The Kedro parameters, nested; the conf of the options is made of them.
        options: How to run.
        progress: Shows what is done and waited for.

    Raises:
        AirflowK8sError: If Airflow does not have the DAG, or the run does not start, fails, or
            goes on for longer than the user waits.
        KeyboardInterrupt: From the user, after a message on what becomes of the run.
    """
    dag = dag_in_airflow(client, dag_id, timezone)
    conf = conf_of(params, dag.trigger_params)
    run = Run(client, dag, progress, new_run_id("trigger"))
    logical_date = run.logical_date(options.logical_date)
    paused = run.unpause(options.unpause, new=False)

    def start() -> None:
        run.start(conf, logical_date, options.partition_format)
        if logical_date is None:
            run.skip_waits()

    run.follow(start, options, paused)


def dag_in_airflow(client: AirflowClient, dag_id: str, timezone: str) -> DagInAirflow:
    """Return a DAG that Airflow has, in a time zone, which Airflow does not tell.

    Raises:
        RunError: If Airflow does not have it.
        AirflowApiError: If Airflow cannot be asked.
    """
    find_dag(client, dag_id)
    details, tasks = client.details(dag_id), client.dag_tasks(dag_id)
    start = details.start_date
    return DagInAirflow(
        dag_id=dag_id,
        task_ids=tuple(task.task_id for task in tasks),
        sensor_ids=tuple(task.task_id for task in tasks if task.waits),
        timezone=timezone,
        start_date=start.astimezone(zone(timezone)).date() if start else date.min,
        trigger_params=tuple(details.params or ()),
    )
