"""Everything a DAG will say, decided before any text is made.

Pure: the same project and configuration give the same plan, and nothing is read or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.config.model import PluginConfig, RunConfig
from kedro_airflow_k8s.config.values import FILL_PATH, cron_reason
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.form import FormField, form_fields
from kedro_airflow_k8s.plan.mlflow import (
    START_MLFLOW,
    MlflowRun,
    mlflow_environment,
    plan_mlflow_run,
)
from kedro_airflow_k8s.plan.pods import (
    container_argument,
    pod_template,
    resource_arguments,
    store_root,
)
from kedro_airflow_k8s.plan.task_groups import Group
from kedro_airflow_k8s.plan.tasks import Task, plan_tasks
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE, ProjectPipeline

TAG_VERSION = "generated_with_kedro_airflow_k8s"
TAG_COMMIT = "commit_sha"
TAG_EXPERIMENT = "experiment_name"

DEFAULT_START_DATE = date(2021, 1, 1)
"""In the past and fixed. Without catch-up it means what `days_ago(2)` meant: run at the next tick.

A date that moves with the clock would give a new DAG at every parse.
"""

DELETE_VOLUME = "delete_volume"
DELETE_DATA = "delete_intermediate_data"
END_MLFLOW = "end_mlflow_run"
ALL_SUCCEEDED = "all_succeeded"
TEARDOWN_TASKS = (END_MLFLOW, DELETE_DATA, DELETE_VOLUME)
"""The tasks that run at the end of each run, whatever has become of it."""

OWN_TASKS = (START_MLFLOW, "create_volume", "data_volume_init", ALL_SUCCEEDED, *TEARDOWN_TASKS)
"""The tasks around those of Kedro nodes."""


@dataclass(frozen=True)
class Overrides:
    """What a command says about a DAG in place of the configuration.

    Attributes:
        dag_name: The whole DAG id; None for the one that project, environment and pipeline give.
        cron: When the DAG runs; None for what the configuration says.
        once: Without a schedule, and without waiting for other DAGs.
    """

    dag_name: str | None = None
    cron: str | None = None
    once: bool = False


AS_CONFIGURED = Overrides()


@dataclass(frozen=True)
class Volume:
    """The PersistentVolumeClaim that each run of the DAG owns."""

    size: str
    access_modes: tuple[str, ...]
    storage_class: str | None
    mount_path: str
    fill: bool
    fill_path: str = FILL_PATH


@dataclass(frozen=True)
class Sensor:
    """A wait for another DAG, or a task of it. Times are in minutes."""

    task_id: str
    dag_id: str
    external_task_id: str | None
    timeout: int
    check_existence: bool
    execution_delta: int
    failed_states: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A DAG, complete but for its text. The fingerprint tag is added when the text is there.

    Of the order in which tasks run, `steps` has what is around those of Kedro. These follow each
    other by their inputs and outputs, as in Kedro, which the DAG file works out for itself.

    Attributes:
        hands_on: Whether there is a place for the data that tasks hand on in memory.
        deletes_data: Whether the run ends with the deletion of that data.
    """

    dag_id: str
    description: str | None
    schedule: str | None
    timezone: str
    start_date: date
    max_active_runs: int | None
    tags: tuple[str, ...]
    trigger_params: tuple[FormField, ...]
    project: str
    pipeline: str
    env: str
    image: str
    image_pull_policy: str
    namespace: str | None
    kubernetes_conn_id: str
    startup_timeout: int
    kedro_run: tuple[str, ...]
    pipeline_option: str
    hands_on: bool
    deletes_data: bool
    pod: dict[str, Any]
    volume: Volume | None
    resources: dict[str, dict[str, Any]]
    tasks: tuple[Task, ...]
    tree: Group[Task]
    steps: tuple[tuple[str, str], ...]
    sensors: tuple[Sensor, ...]
    mlflow: MlflowRun | None
    macros: tuple[str, ...]
    operators: tuple[str, ...]

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The ids of all tasks, in an order in which they can run."""
        before = [sensor.task_id for sensor in self.sensors]
        if self.mlflow:
            before.append(START_MLFLOW)
        if self.volume:
            before += (
                ["create_volume", "data_volume_init"] if self.volume.fill else ["create_volume"]
            )
        after = [ALL_SUCCEEDED, END_MLFLOW] if self.mlflow else []
        after += [DELETE_DATA] if self.deletes_data else []
        after += [DELETE_VOLUME] if self.volume else []
        return (*before, *(task.task_id for task in self.tasks), *after)


def build_plan(
    pipeline: ProjectPipeline,
    config: PluginConfig,
    overrides: Overrides = AS_CONFIGURED,
) -> Plan:
    """Decide what the DAG of a pipeline says.

    Args:
        pipeline: A pipeline of the project.
        config: The configuration.
        overrides: What a command says in its place.

    Raises:
        PlanError: If there is no image, a tag names resources that the configuration does not have,
            the pipeline has no nodes, it or a node has a name that `kedro run` cannot be given, a
            parameter to show does not exist, or an override is impossible.
    """
    run = config.run_config
    if run.image is None:
        raise PlanError(
            "No image to run the pods with: set run_config.image in airflow-k8s.yaml, or give one"
            " with --image."
        )
    _check_nameable(pipeline)
    if not pipeline.nodes:
        raise PlanError(
            f"Pipeline {pipeline.name!r} has no nodes, so there is nothing to run. Pick another"
            " one with --pipeline."
        )
    schedule = _schedule(run, overrides)
    sensors = () if overrides.once else _sensors(run)
    waits = {sensor.task_id for sensor in sensors}
    tasks = plan_tasks(pipeline, run, reserved=waits.union(OWN_TASKS))
    volume = _volume(run)
    mlflow = plan_mlflow_run(pipeline, run)
    hands_on = store_root(run) is not None
    deletes_data = run.intermediate_data is not None and not run.keep_intermediate_data
    # Any run may have parameters of its own. A DAG without them for now would take them away from
    # runs under way: Airflow parses the file anew for each task.
    macros = [*(["run_slug", "handed_on"] if hands_on else []), "kedro_params"]
    operators = [
        *(["run_slug"] if hands_on else []),
        *(["volume"] if volume else []),
        *(["mlflow_api", "mlflow_auth", "mlflow", "empty"] if mlflow else []),
        "parameters",
        *(["external"] if sensors else []),
    ]
    return Plan(
        dag_id=plan_dag_id(pipeline, run, overrides),
        description=run.description,
        schedule=schedule,
        timezone=run.timezone,
        start_date=run.start_date or DEFAULT_START_DATE,
        # Airflow refuses a continuous DAG whose runs could overlap.
        max_active_runs=1 if schedule == "@continuous" else None,
        tags=(
            names.tag(TAG_VERSION, __version__),
            names.tag(TAG_COMMIT, pipeline.commit),
            names.tag(TAG_EXPERIMENT, run.experiment_name or pipeline.package_name),
        ),
        trigger_params=form_fields(run.trigger_params, pipeline.parameters),
        project=pipeline.package_name,
        pipeline=pipeline.name,
        env=pipeline.env,
        image=run.image,
        image_pull_policy=run.image_pull_policy,
        namespace=run.namespace,
        kubernetes_conn_id=run.kubernetes_conn_id,
        startup_timeout=run.startup_time,
        kedro_run=_kedro_run(pipeline, run),
        pipeline_option=pipeline.pipeline_option,
        hands_on=hands_on,
        deletes_data=deletes_data,
        pod=pod_template(run, pipeline.variables, mlflow_environment(mlflow)),
        volume=volume,
        resources={
            name: resource_arguments(entry) for name, entry in sorted(tasks.resources.items())
        },
        tasks=tasks.all,
        tree=tasks.tree,
        steps=_steps(volume, deletes_data, mlflow is not None, len(sensors)),
        sensors=sensors,
        mlflow=mlflow,
        macros=tuple(macros),
        operators=tuple(operators),
    )


def plan_dag_id(pipeline: ProjectPipeline, run: RunConfig, overrides: Overrides) -> str:
    """The DAG id of a pipeline: the run name, with environment and pipeline where not the default.

    Raises:
        PlanError: If the run name cannot be part of a DAG id, or the name given in place of the
            whole cannot be one.
    """
    if overrides.dag_name is not None:
        return names.given_dag_id(overrides.dag_name)
    return names.dag_id(
        run.run_name or pipeline.package_name,
        env=None if pipeline.is_default_env else pipeline.env,
        pipeline=None if pipeline.name == DEFAULT_PIPELINE else pipeline.name,
    )


def _schedule(run: RunConfig, overrides: Overrides) -> str | None:
    if overrides.once:
        return None
    if overrides.cron is None:
        return run.cron_expression
    reason = cron_reason(overrides.cron)
    if reason:
        raise PlanError(f"The schedule {overrides.cron!r} is impossible: it {reason}.")
    return overrides.cron


def _check_nameable(pipeline: ProjectPipeline) -> None:
    """Refuse names that `kedro run` would not find again."""
    if not names.kedro_finds_pipeline(pipeline.name):
        raise PlanError(
            f"Pipeline {pipeline.name!r} cannot be named on the command line of `kedro run`,"
            " which does not find a name that is empty, or has a comma or blanks at its ends."
            " Rename it."
        )
    for node in pipeline.nodes:
        if not names.kedro_finds_node(node.name):
            raise PlanError(
                f"Node {node.name!r} cannot be named on the command line of `kedro run`, which does"
                " not find a name or namespace with a comma, blanks at its ends, or an open"
                " bracket. Rename it."
            )


def _steps(
    volume: Volume | None, deletes_data: bool, mlflow: bool, sensors: int
) -> tuple[tuple[str, str], ...]:
    """What runs before what, by variables of the DAG file: waits and storage around the nodes.

    `first` are the tasks of Kedro nodes at the beginning, `every` all of them: the storage may only
    go when each has ended. The last ones would not do. They end as soon as one task before them has
    failed, while others still run.
    """
    way = ["first"]
    if volume and volume.fill:
        way.insert(0, "data_volume_init")
    if volume:
        way.insert(0, "create_volume")
    if mlflow:
        way.insert(0, START_MLFLOW)
    waits = tuple((f"wait_{number}", way[0]) for number in range(1, sensors + 1))
    # The pod that deletes the data mounts the volume too, if there is one.
    end = ["every", *([DELETE_DATA] if deletes_data else []), *([DELETE_VOLUME] if volume else [])]
    # What is to be the truth about all tasks is written when they have ended, too.
    truth = (("every", ALL_SUCCEEDED), ("every", END_MLFLOW), (ALL_SUCCEEDED, END_MLFLOW))
    return (*waits, *pairwise(way), *(truth if mlflow else ()), *pairwise(end))


def _kedro_run(pipeline: ProjectPipeline, run: RunConfig) -> tuple[str, ...]:
    """What every task says to Kedro's command line, but for its pipeline and nodes."""
    named = {
        "macros": run.macro_params,
        "variables": run.variables_params,
        "trigger": [entry.name for entry in run.trigger_params],
    }
    arguments = [f"{key}={list(found)!r}" for key, found in named.items() if found]
    return (
        "run",
        f"--env={container_argument(pipeline.env)}",
        f"--params={{{{ kedro_params({', '.join(arguments)}) }}}}",
    )


def _volume(run: RunConfig) -> Volume | None:
    volume = run.volume
    if volume.disabled:
        return None
    return Volume(
        size=volume.size,
        access_modes=volume.access_modes,
        storage_class=volume.storageclass,
        mount_path=volume.mount_path,
        fill=not volume.skip_init,
    )


def _sensors(run: RunConfig) -> tuple[Sensor, ...]:
    taken = set(OWN_TASKS)
    sensors = []
    for dependency in run.external_dependencies:
        target = ".".join(part for part in (dependency.dag_id, dependency.task_id) if part)
        label = f"wait_for_{names.identifier(target, limit=200, dots=True)}"
        task_id = names.unique(label, f"{target}/{dependency.execution_delta}", taken)
        sensors.append(
            Sensor(
                task_id=task_id,
                dag_id=dependency.dag_id,
                external_task_id=dependency.task_id,
                timeout=dependency.timeout,
                check_existence=dependency.check_existence,
                execution_delta=dependency.execution_delta,
                # Airflow refuses the second of a whole DAG, which has no such state.
                failed_states=("failed", "upstream_failed") if dependency.task_id else ("failed",),
            )
        )
    return tuple(sensors)
