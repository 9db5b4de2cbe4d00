"""From the Kedro project to the text of its DAGs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kedro_airflow_k8s.checks.findings import messages
from kedro_airflow_k8s.checks.validate import Planned, check_plans, ready_to_plan
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import CheckError, PlanError
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides, Plan, build_plan
from kedro_airflow_k8s.project.reader import KedroProject

DEPLOY_ANYWAY = "`--no-checks` goes on all the same; `kedro airflow-k8s validate` checks by itself."


@dataclass(frozen=True)
class CompiledDag:
    """A DAG file that is ready to be written.

    Attributes:
        dag_id: Its id.
        source: The text of the file.
        fingerprint: The tag, `fingerprint:0123456789ab`, that only a DAG of exactly this text has.
        task_ids: All its tasks, in an order in which they can run.
        sensor_ids: Those of them that wait for other DAGs.
        schedule: A cron expression, a preset, or None if it runs only when somebody starts it.
        timezone: The IANA name of the time zone in which the schedule is meant.
        start_date: The first day of the schedule, from midnight in that time zone.
        trigger_params: The Kedro parameters, with dots where nested, that its trigger form shows.
    """

    dag_id: str
    source: str
    fingerprint: str
    task_ids: tuple[str, ...]
    sensor_ids: tuple[str, ...]
    schedule: str | None
    timezone: str
    start_date: date
    trigger_params: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name of the file that holds it."""
        return f"{self.dag_id}.py"


def compile_pipelines(
    project: KedroProject,
    config: PluginConfig,
    pipelines: Sequence[str],
    *,
    overrides: Overrides = AS_CONFIGURED,
    checks: bool = True,
    warn: Callable[[str], None],
) -> list[CompiledDag]:
    """The DAGs of pipelines; all of them or, if one fails, none.

    Args:
        project: The Kedro project.
        config: The configuration, with what a command says in its place. DAG files in its output
            do not count as uncommitted changes.
        pipelines: Registered names.
        overrides: What a command says of the DAGs.
        checks: Whether to look for what would go wrong on the cluster.
        warn: Called with each doubt about the configuration or the pipelines.

    Raises:
        CheckError: If a run could not go well.
        AirflowK8sError: If the project, its configuration or a plan is wrong.
    """
    if overrides.dag_name is not None and len(pipelines) > 1:
        raise PlanError(
            f"Several pipelines cannot all be DAG {overrides.dag_name!r}: name one with --pipeline."
        )
    output = Path(config.output) if config.output else None
    for message in config_warnings(config):
        warn(message)
    planned: dict[str, Planned] = {}
    for name in pipelines:
        pipeline = project.read_pipeline(name, output)
        if not pipeline.nodes and len(pipelines) > 1:
            warn(f"Pipeline {name!r} has no nodes: there is no DAG of it.")
            continue
        pipeline = ready_to_plan(project, pipeline, config)
        plan = build_plan(pipeline, config, overrides)
        if plan.dag_id in planned:
            raise PlanError(f"Two pipelines would be DAG {plan.dag_id!r}: rename {name!r}.")
        planned[plan.dag_id] = Planned(pipeline, plan)
    if not planned:
        raise PlanError("No pipeline has nodes, so there is nothing to compile.")
    if checks:
        _check(project, list(planned.values()), config, warn)
    return [_compiled(each.plan) for each in planned.values()]


def _check(
    project: KedroProject,
    planned: Sequence[Planned],
    config: PluginConfig,
    warn: Callable[[str], None],
) -> None:
    findings = check_plans(project, planned, config)
    errors = [finding for finding in findings if finding.is_error]
    for message in messages(finding for finding in findings if not finding.is_error):
        warn(message)
    if errors:
        raise CheckError("\n".join([*messages(errors), DEPLOY_ANYWAY]))


def _compiled(plan: Plan) -> CompiledDag:
    text = render_dag(plan)
    return CompiledDag(
        dag_id=plan.dag_id,
        source=text.source,
        fingerprint=text.fingerprint,
        task_ids=plan.task_ids,
        sensor_ids=tuple(sensor.task_id for sensor in plan.sensors),
        schedule=plan.schedule.cron,
        timezone=plan.schedule.timezone,
        start_date=plan.schedule.start_date,
        trigger_params=tuple(field.name for field in plan.form),
    )
