"""Compiles a Kedro project into the text of its DAGs.

    conf/<env>/airflow-k8s.yaml   registered pipelines, catalog, parameters, git
               |                              |
            config/                       project/          reads the project
               |      PluginConfig            |      ProjectPipeline
               +--------------+---------------+
                              |
                            plan/                           decides what the DAG contains
                              |      Plan
                              +---------> checks/           finds problems of the run
                              |                      Finding
                            dag/                            renders the DAG
                              |      CompiledDag
                      upload/, deploy/                      to Airflow, and to a run

All commands that compile use these functions. `plan_pipelines` and `check_plans` return findings:
`validate` reports them, and errors among them stop `compile_pipelines`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from kedro_airflow_k8s.checks.findings import Finding, Message, messages
from kedro_airflow_k8s.checks.validate import Planned, check_plans, plan_pipelines
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import CheckError, PlanError
from kedro_airflow_k8s.plan.build import AS_CONFIGURED, Overrides
from kedro_airflow_k8s.plan.data_places import DataPlace, open_places, storages
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.project.reader import KedroProject

SKIP_CHECKS = "`--no-checks` skips these checks; `kedro airflow-k8s validate` runs them alone."


@dataclass(frozen=True)
class CompiledDag:
    """A DAG file that is ready to be written.

    Attributes:
        dag_id: Its id.
        source: The text of the file.
        fingerprint: The tag with the hash of its text, such as `fingerprint:0123456789ab`.
        task_ids: All its tasks, in an order in which they can run.
        sensor_ids: The tasks among them that wait for other DAGs.
        schedule: A cron expression, a preset, or None if each run is started by hand.
        timezone: The IANA name of the time zone of the schedule.
        start_date: The first day of the schedule, from midnight in that time zone.
        trigger_params: The Kedro parameters, with dots where nested, that its trigger form shows.
        end_date: The last day of the schedule; None if it has no end.
        catchup: Whether Airflow starts a run for each interval that has passed without one.
        paused: Whether the DAG is paused when it is new; None for Airflow's default.
        tasks: The tasks of Kedro nodes, in an order in which they can run.
        storage: Where the datasets that these tasks make are stored, by name without `@...`.
        open_places: The storage of an earlier run from which a run of a part can take data.
        waits_for: The assets that start a run, in words; empty if none does.
        partition_format: How the key of the partition that a run makes is written; empty if runs
            have no partitions.
        assets: The URIs of the assets that it makes, reads or waits for.
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
    end_date: date | None = None
    catchup: bool = False
    paused: bool | None = None
    tasks: tuple[Task, ...] = ()
    storage: Mapping[str, DataPlace] = field(default_factory=dict)
    open_places: Collection[DataPlace] = ()
    waits_for: str = ""
    partition_format: str = ""
    assets: tuple[str, ...] = ()

    @property
    def has_schedule(self) -> bool:
        """Whether runs start without being triggered."""
        return self.schedule is not None or bool(self.waits_for)

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
    warn: Callable[[Message], None],
) -> list[CompiledDag]:
    """Return the DAGs of pipelines; all of them or, if one fails, none.

    Args:
        project: The Kedro project.
        config: The configuration, with the options of a command applied. DAG files in its output
            do not count as uncommitted changes.
        pipelines: Registered names.
        overrides: The options of a command that change the DAGs.
        checks: Whether to check the run for problems on the cluster.
        warn: Called with each warning about the configuration or the pipelines.

    Raises:
        PlanError: If a pipeline cannot be planned.
        CheckError: If a run would fail.
        AirflowK8sError: If the project or its configuration is wrong.
    """
    planned, findings = plan_pipelines(project, config, pipelines, overrides)
    errors = _warn_of_the_rest(findings, warn)
    if errors:
        raise PlanError("\n\n".join(errors))
    with_nodes = {each.pipeline.name for each in planned}
    for name in pipelines:
        if name not in with_nodes:
            warn(Message(f"Pipeline {name!r} has no nodes, so it has no DAG."))
    if checks:
        errors = _warn_of_the_rest(check_plans(project, config, planned), warn)
        if errors:
            raise CheckError("\n\n".join([*errors, SKIP_CHECKS]))
    return [_compiled(each) for each in planned]


def _warn_of_the_rest(findings: Iterable[Finding], warn: Callable[[Message], None]) -> list[str]:
    """Return the messages of errors, and warn of all other findings."""
    errors = [finding for finding in findings if finding.is_error]
    for message in messages(finding for finding in findings if not finding.is_error):
        warn(message)
    return [message.text for message in messages(errors)]


def _compiled(planned: Planned) -> CompiledDag:
    plan = planned.plan
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
        end_date=plan.schedule.end_date,
        catchup=plan.schedule.catchup,
        paused=plan.settings.paused,
        tasks=plan.tasks,
        storage=storages(planned.pipeline, planned.run, plan.tasks),
        open_places=open_places(planned.run),
        waits_for=plan.schedule.waits_for,
        partition_format=plan.schedule.partition_format,
        assets=tuple(plan.assets.uris.values()),
    )
