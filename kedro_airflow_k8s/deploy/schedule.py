"""Uploads a DAG that has a schedule, and says when it will run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.deploy.delivery import PARSE_MINUTES, check_partitions, deliver
from kedro_airflow_k8s.deploy.run_times import passed_run, run_times, shown, zone
from kedro_airflow_k8s.errors import AirflowApiError, ConfigError, PlanError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.upload import upload_dag


@dataclass(frozen=True)
class ScheduleOptions:
    """How to schedule.

    Attributes:
        minutes: How long to wait for Airflow to have the DAG; None: only if that is needed.
        unpause: Whether to unpause the DAG; None: if it is new in Airflow.
    """

    minutes: float | None = None
    unpause: bool | None = None

    @property
    def needs_airflow(self) -> bool:
        """Whether the user asked for something that only Airflow can do."""
        return bool(self.minutes or self.unpause)


def reachable(
    connect: Callable[[], AirflowClient] | None, progress: Progress, options: ScheduleOptions
) -> Callable[[], AirflowClient] | None:
    """Return how to get Airflow if it answers, else None with a warning: several DAGs ask once.

    Args:
        connect: Returns Airflow; None if nothing says where it is.
        progress: Shows the warning.
        options: How to schedule.

    Raises:
        AirflowApiError: If it does not answer, and the user asked for what needs it.
        ConfigError: As the error above, if the credentials are missing.
    """
    if connect is None:
        return None
    try:
        client = connect()
    except (AirflowApiError, ConfigError) as error:
        if options.needs_airflow:
            raise
        progress.warn(f"Airflow could not be asked. {error}")
        return None
    return lambda: client


def schedule(
    connect: Callable[[], AirflowClient] | None,
    dag: CompiledDag,
    output: str,
    progress: Progress,
    options: ScheduleOptions,
) -> str:
    """Upload a DAG that has a schedule, and say when it runs next, or that it is paused.

    Args:
        connect: Returns Airflow; None if nothing says where it is.
        dag: The DAG.
        output: Where Airflow reads DAGs.
        progress: Shows what is done and waited for.
        options: How to schedule.

    Returns:
        That last line.

    Raises:
        PlanError: If the DAG has no schedule.
        AirflowK8sError: As `deliver`. If Airflow cannot be asked and the user did not ask for
            what needs it, that is a warning.
    """
    if not dag.has_schedule:
        raise PlanError(
            f"DAG {dag.dag_id} has no schedule. Pass --cron-expression, or set"
            " run_config.cron_expression or run_config.schedule in airflow-k8s.yaml."
        )
    try:
        client = connect() if connect else None
        if client:
            check_partitions(client, dag)
        before = client.find_dag(dag.dag_id) if client else None
        passed = _passed_run(client, dag) if client else None
    except (AirflowApiError, ConfigError) as error:
        if options.needs_airflow:
            raise
        progress.warn(f"Airflow could not be asked. {error}")
        client = None
    times = f"{dag.schedule}, time zone {dag.timezone}" if dag.schedule else ""
    waits = f"new data in {dag.waits_for}" if dag.waits_for else ""
    progress.say(f"Schedule: {'; also '.join(part for part in (times, waits) if part)}")
    if client is None:
        progress.say(f"Uploaded DAG {dag.dag_id} to {_upload(dag, output)}")
        return _said(
            progress, f"Next run, unless the DAG is new or paused in Airflow: {_next_runs(dag)}"
        )
    paused = before is None or before.paused
    # The configuration may say that a new DAG stays paused.
    wanted = before is None and not dag.paused
    unpause = wanted if options.unpause is None else options.unpause
    if passed and (unpause or not paused):
        progress.say(_starts_now(dag, passed))
    if options.minutes or (unpause and paused):
        deliver(client, dag, output, progress, options.minutes or PARSE_MINUTES)
        progress.say(f"Airflow has it: {client.dag_url(dag.dag_id)}")
        paused = _paused_after(client, dag.dag_id, unpause=unpause)
    else:
        progress.say(f"Uploaded DAG {dag.dag_id} to {_upload(dag, output)}")
    if paused:
        return _said(
            progress, f"DAG {dag.dag_id} is paused in Airflow: no run starts until you unpause it."
        )
    return _said(progress, f"Next run: {_next_runs(dag)}")


def _starts_now(dag: CompiledDag, passed: datetime) -> str:
    if dag.catchup:
        return (
            f"Airflow catches up now: one run for each interval since {dag.start_date} that has"
            f" had none, up to {shown(passed)}."
        )
    return f"Airflow starts a run now, for {shown(passed)}, which has passed."


def _said(progress: Progress, text: str) -> str:
    progress.say(text)
    return text


def _passed_run(client: AirflowClient, dag: CompiledDag) -> datetime | None:
    """Return the time, which has passed, for which Airflow starts a run at once; None if none."""
    if dag.schedule is None:
        return None
    found = passed_run(
        dag.schedule,
        dag.timezone,
        dag.start_date,
        datetime.now(timezone.utc),
        intervals=client.version.major < 3,
    )
    if found and dag.end_date and found.date() > dag.end_date:
        return None
    last = client.last_scheduled_run(dag.dag_id) if found else None
    # Runs of partitions have no logical date.
    done = last and (last.logical_date or last.run_after)
    if done and found and done >= found:
        return None
    return found


def _paused_after(client: AirflowClient, dag_id: str, *, unpause: bool) -> bool:
    """Unpause a DAG if that is wanted, and return whether it is paused then."""
    found = client.find_dag(dag_id)
    if found is None or not found.paused:
        return False
    if unpause:
        client.set_paused(dag_id, False)
    return not unpause


def _upload(dag: CompiledDag, output: str) -> str:
    return upload_dag(dag.source, dag.file_name, output)


def _next_runs(dag: CompiledDag) -> str:
    now = datetime.now(timezone.utc)
    if dag.end_date and now.astimezone(zone(dag.timezone)).date() > dag.end_date:
        return f"none, the schedule has ended on {dag.end_date}"
    if dag.schedule is None:
        return f"when there is new data in {dag.waits_for}"
    first, *others = run_times(dag.schedule, dag.timezone, dag.start_date, now)
    times = f"{first}, then {' and '.join(others)}" if others else first
    return f"{times}; the last day is {dag.end_date}" if dag.end_date else times
