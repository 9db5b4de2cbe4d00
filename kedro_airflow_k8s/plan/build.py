"""Everything a DAG will say, decided before any text is made.

Pure: the same project and configuration give the same plan, and nothing is read or written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
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
    claim,
    common_metadata,
    environment,
    pod_template,
    resource_arguments,
    run_objects_name,
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

CREATE_VOLUME = "create_volume"
FILL_VOLUME = "data_volume_init"
DELETE_VOLUME = "delete_volume"
DELETE_DATA = "delete_intermediate_data"
END_MLFLOW = "end_mlflow_run"
ALL_SUCCEEDED = "all_succeeded"
TEARDOWN_TASKS = (END_MLFLOW, DELETE_DATA, DELETE_VOLUME)
"""The tasks that run at the end of each run, whatever has become of it."""

OWN_TASKS = (START_MLFLOW, CREATE_VOLUME, FILL_VOLUME, ALL_SUCCEEDED, *TEARDOWN_TASKS)
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
class Schedule:
    """When the DAG runs.

    Attributes:
        cron: A cron expression, a preset, or None if each run is started by hand.
        timezone: The IANA name of the time zone of the schedule.
        start_date: The first day, from midnight in that time zone.
        max_active_runs: How many runs may be active at once; None for Airflow's own default.
    """

    cron: str | None
    timezone: str
    start_date: date
    max_active_runs: int | None


@dataclass(frozen=True)
class PodDefaults:
    """What every pod of the DAG has.

    Attributes:
        image: The image.
        image_pull_policy: When the cluster pulls it.
        namespace: Where the pods run; None for the one of the connection or of Airflow.
        kubernetes_conn_id: The id of the Airflow connection to the cluster.
        startup_timeout: How long a pod may take to start, in seconds.
        environment: Its environment variables, as templates for Airflow.
        template: The Kubernetes Pod with the rest, without what differs from task to task.
        resources: The entries of `run_config.resources` that tasks use, as arguments of
            KubernetesPodOperator, by name.
    """

    image: str
    image_pull_policy: str
    namespace: str | None
    kubernetes_conn_id: str
    startup_timeout: int
    environment: dict[str, str]
    template: dict[str, Any]
    resources: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Volume:
    """The PersistentVolumeClaim that each run of the DAG owns.

    Attributes:
        claim: The claim, as Kubernetes has it.
        mount_path: Where pods of Kedro nodes mount it.
        fill: Whether it begins with the data folder of the image.
        fill_path: Where the pod that copies that folder mounts it.
    """

    claim: dict[str, Any]
    mount_path: str
    fill: bool
    fill_path: str = FILL_PATH


@dataclass(frozen=True)
class Storage:
    """Where tasks of a run leave data for each other.

    Attributes:
        owned: The name of what a run owns, as a template for Airflow.
        volume: The run's volume; None if it has none.
        intermediate_data: Where the run keeps what the catalog does not; None if nowhere.
        deletes_data: Whether the run ends with the deletion of that on object storage.
    """

    owned: str
    volume: Volume | None
    intermediate_data: str | None
    deletes_data: bool


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

    Attributes:
        dag_id: Its id.
        description: What it does, in the user's words.
        schedule: When it runs.
        tags: Its tags.
        form: The Kedro parameters in the form with which a run is started on Airflow's page.
        project: The Python package of the Kedro project.
        pipeline: The registered pipeline.
        env: The configuration environment of the pods.
        pods: What every pod has.
        storage: Where tasks leave data for each other.
        tasks: The tasks of Kedro nodes, in an order in which they can run.
        tree: The same in Airflow's task groups.
        sensors: The waits for other DAGs, before everything else.
        mlflow: The MLflow run that each run of the DAG is; None if there is none.
    """

    dag_id: str
    description: str | None
    schedule: Schedule
    tags: tuple[str, ...]
    form: tuple[FormField, ...]
    project: str
    pipeline: str
    env: str
    pods: PodDefaults
    storage: Storage
    tasks: tuple[Task, ...]
    tree: Group[Task]
    sensors: tuple[Sensor, ...]
    mlflow: MlflowRun | None

    @property
    def setup_ids(self) -> tuple[str, ...]:
        """The tasks before those of Kedro nodes, in their order; waits are not among them."""
        volume = self.storage.volume
        found = [START_MLFLOW] if self.mlflow else []
        found += [CREATE_VOLUME] if volume else []
        found += [FILL_VOLUME] if volume and volume.fill else []
        return tuple(found)

    @property
    def end_ids(self) -> tuple[str, ...]:
        """The tasks after those of Kedro nodes, in their order."""
        found = [ALL_SUCCEEDED, END_MLFLOW] if self.mlflow else []
        found += [DELETE_DATA] if self.storage.deletes_data else []
        found += [DELETE_VOLUME] if self.storage.volume else []
        return tuple(found)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The ids of all tasks, in an order in which they can run."""
        waits = tuple(sensor.task_id for sensor in self.sensors)
        return (*waits, *self.setup_ids, *(task.task_id for task in self.tasks), *self.end_ids)


def build_plan(
    pipeline: ProjectPipeline,
    config: PluginConfig,
    overrides: Overrides = AS_CONFIGURED,
) -> Plan:
    """Decide what the DAG of a pipeline says.

    Args:
        pipeline: A pipeline of the pipeline.
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
    dag_id = plan_dag_id(pipeline, run, overrides)
    owned = run_objects_name(dag_id)
    sensors = () if overrides.once else _sensors(run)
    waits = {sensor.task_id for sensor in sensors}
    tasks = plan_tasks(pipeline, run, reserved=waits.union(OWN_TASKS))
    mlflow = plan_mlflow_run(pipeline, run)
    metadata, resources = common_metadata(
        {name: resource_arguments(entry) for name, entry in sorted(tasks.resources.items())}
    )
    return Plan(
        dag_id=dag_id,
        description=run.description,
        schedule=_schedule(run, overrides),
        tags=(
            names.tag(TAG_VERSION, __version__),
            names.tag(TAG_COMMIT, pipeline.commit),
            names.tag(TAG_EXPERIMENT, run.experiment_name or pipeline.package_name),
        ),
        form=form_fields(run.trigger_params, pipeline.parameters),
        project=pipeline.package_name,
        pipeline=pipeline.name,
        env=pipeline.env,
        pods=PodDefaults(
            image=run.image,
            image_pull_policy=run.image_pull_policy,
            namespace=run.namespace,
            kubernetes_conn_id=run.kubernetes_conn_id,
            startup_timeout=run.startup_time,
            environment=environment(run, owned, pipeline.variables, mlflow_environment(mlflow)),
            template=pod_template(run, owned, metadata),
            resources=resources,
        ),
        storage=Storage(
            owned=owned,
            volume=_volume(run, owned),
            intermediate_data=store_root(run, owned),
            deletes_data=run.intermediate_data is not None and not run.keep_intermediate_data,
        ),
        tasks=tasks.all,
        tree=tasks.tree,
        sensors=sensors,
        mlflow=mlflow,
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


def _schedule(run: RunConfig, overrides: Overrides) -> Schedule:
    cron = overrides.cron or run.cron_expression
    if overrides.cron is not None and (reason := cron_reason(overrides.cron)):
        raise PlanError(f"The schedule {overrides.cron!r} is impossible: it {reason}.")
    cron = None if overrides.once else cron
    return Schedule(
        cron=cron,
        timezone=run.timezone,
        start_date=run.start_date or DEFAULT_START_DATE,
        # Airflow refuses a continuous DAG whose runs could overlap.
        max_active_runs=1 if cron == "@continuous" else None,
    )


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


def _volume(run: RunConfig, owned: str) -> Volume | None:
    found = claim(run, owned)
    if found is None:
        return None
    return Volume(claim=found, mount_path=run.volume.mount_path, fill=not run.volume.skip_init)


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
