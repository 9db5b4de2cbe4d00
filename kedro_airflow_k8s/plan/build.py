"""The plan of a DAG: all of its content, before any text is rendered.

Pure: the same project and configuration give the same plan, and nothing is read or written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.config.model import PluginConfig, RunConfig
from kedro_airflow_k8s.config.own_names import (
    ALL_SUCCEEDED,
    CREATE_VOLUME,
    DELETE_DATA,
    DELETE_VOLUME,
    END_MLFLOW,
    FAIL_RUN,
    FILL_VOLUME,
    START_MLFLOW,
    TAG_COMMIT,
    TAG_EXPERIMENT,
    TAG_VERSION,
)
from kedro_airflow_k8s.config.tasks import Grouping
from kedro_airflow_k8s.config.values import FILL_PATH
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.assets import NO_ASSETS, Assets, plan_assets
from kedro_airflow_k8s.plan.clusters import Cluster, plan_clusters, reserved_ids
from kedro_airflow_k8s.plan.dag import DagSettings, dag_settings
from kedro_airflow_k8s.plan.form import FormField, form_fields
from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.mlflow import (
    MlflowRun,
    mlflow_environment,
    plan_mlflow_run,
)
from kedro_airflow_k8s.plan.pod_settings import PodSettings, plan_pod_settings
from kedro_airflow_k8s.plan.pods import (
    cause_environment,
    claim,
    environment,
    run_objects_name,
    store_root,
)
from kedro_airflow_k8s.plan.schedule import Schedule, plan_schedule
from kedro_airflow_k8s.plan.sensors import Sensor, plan_sensors
from kedro_airflow_k8s.plan.task_groups import Group
from kedro_airflow_k8s.plan.tasks import Task, Tasks, grouping_of, plan_tasks
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE, ProjectPipeline


@dataclass(frozen=True)
class Overrides:
    """Options of a command that override the configuration.

    Attributes:
        dag_name: The whole DAG id; None for the one made of project, environment and pipeline.
        cron: The schedule; None for that of the configuration.
        once: Whether to omit the schedule and the waits for other DAGs.
        params: The names of the Kedro parameters that its run is given.
    """

    dag_name: str | None = None
    cron: str | None = None
    once: bool = False
    params: tuple[str, ...] = ()


AS_CONFIGURED = Overrides()


@dataclass(frozen=True)
class Volume:
    """The PersistentVolumeClaim that each run of the DAG owns.

    Attributes:
        claim: The manifest of the claim.
        mount_path: Where pods of Kedro nodes mount it.
        fill: Whether the data folder of the image is copied to it first.
        fill_path: Where the pod that copies that folder mounts it.
    """

    claim: dict[str, Any]
    mount_path: str
    fill: bool
    fill_path: str = FILL_PATH


@dataclass(frozen=True)
class Storage:
    """The storage by which tasks of a run pass data to each other.

    Attributes:
        owned: The name of the run resources, as an Airflow template.
        volume: The run's volume; None if it has none.
        intermediate_data: Where the run stores intermediate data; None if it does not.
        deletes_data: Whether the run deletes its intermediate data on object storage at its end.
        keep_failed: How long a failed run keeps what would be deleted, in seconds; 0 if it does
            not.
    """

    owned: str
    volume: Volume | None
    intermediate_data: str | None
    deletes_data: bool
    keep_failed: int


@dataclass(frozen=True)
class Plan:
    """The content of a DAG. The tag with the fingerprint is added when the text is rendered.

    Attributes:
        dag_id: Its id.
        settings: Its other settings, from the configuration.
        schedule: Its schedule.
        tags: Its tags.
        form: The Kedro parameters in the trigger form on Airflow's page.
        project: The Python package of the Kedro project.
        pipeline: The registered pipeline.
        env: The configuration environment of the pods.
        runner: The options by which a pod runs its nodes, if they are not Kedro's own.
        pods: The settings of pods and tasks.
        storage: The storage by which tasks pass data to each other.
        tasks: The tasks of Kedro nodes, in an order in which they can run.
        tree: The same tasks in Airflow's task groups.
        sensors: The waits for other DAGs, which come first.
        mlflow: The MLflow run of each DAG run; None if there is none.
        assets: The data that outlives its runs, as far as Airflow is to know it.
        clusters: The clusters of engines that some of its tasks use.
    """

    dag_id: str
    settings: DagSettings
    schedule: Schedule
    tags: tuple[str, ...]
    form: tuple[FormField, ...]
    project: str
    pipeline: str
    env: str
    runner: tuple[str, ...]
    pods: PodSettings
    storage: Storage
    tasks: tuple[Task, ...]
    tree: Group[Task]
    sensors: tuple[Sensor, ...]
    mlflow: MlflowRun | None
    assets: Assets = NO_ASSETS
    clusters: tuple[Cluster, ...] = ()

    @property
    def shows_nodes(self) -> bool:
        """Whether the nodes of a pod have tasks of their own."""
        return any(task.runs for task in self.tasks)

    @property
    def setup_ids(self) -> tuple[str, ...]:
        """The tasks before those of Kedro nodes, in their order, without sensors."""
        volume = self.storage.volume
        found = [START_MLFLOW] if self.mlflow else []
        found += [CREATE_VOLUME] if volume else []
        found += [FILL_VOLUME] if volume and volume.fill else []
        return tuple(found)

    @property
    def made_clusters(self) -> tuple[Cluster, ...]:
        """The clusters that the run makes, without those that exist already."""
        return tuple(cluster for cluster in self.clusters if cluster.objects)

    @property
    def ruled_by_airflow(self) -> tuple[str, ...]:
        """The tasks right after a setup, whose rule Airflow prescribes; none if no task has one."""
        rules = [entry.get("trigger_rule") for entry in self.pods.resources.values()]
        if not any((self.pods.trigger_rule, *rules)):
            return ()
        after = {task_id for cluster in self.made_clusters for task_id in cluster.users}
        if self.setup_ids:
            after.update(task.task_id for task in self.tasks if not task.upstream)
        return tuple(task.task_id for task in self.tasks if task.task_id in after)

    @property
    def end_ids(self) -> tuple[str, ...]:
        """The tasks after those of Kedro nodes, in their order."""
        found = [ALL_SUCCEEDED, END_MLFLOW] if self.mlflow else []
        found += [FAIL_RUN] if self.settings.fail_fast else []
        found += [cluster.delete_id for cluster in self.made_clusters]
        found += [DELETE_DATA] if self.storage.deletes_data else []
        found += [DELETE_VOLUME] if self.storage.volume else []
        return tuple(found)

    @property
    def task_ids(self) -> tuple[str, ...]:
        """The ids of all tasks, in an order in which they can run."""
        waits = tuple(sensor.task_id for sensor in self.sensors)
        made = {cluster.users[0]: cluster.create_id for cluster in reversed(self.made_clusters)}
        nodes = [i for t in self.tasks for i in (made.get(t.task_id), t.task_id) if i]
        return (*waits, *self.setup_ids, *nodes, *self.end_ids)


def build_plan(
    pipeline: ProjectPipeline,
    config: PluginConfig,
    overrides: Overrides = AS_CONFIGURED,
) -> Plan:
    """Plan the DAG of a pipeline.

    Args:
        pipeline: A pipeline of the project.
        config: The configuration.
        overrides: The options of a command that override it.

    Raises:
        PlanError: If no image is set, a tag selects resources that the configuration does not
            have, the pipeline has no nodes, `kedro run` does not accept its name or that of a
            node, or a parameter of the trigger form does not exist.
        OptionError: If an override is invalid.
    """
    run = config.run_config
    _check_nameable(pipeline)
    if not pipeline.nodes:
        raise PlanError(
            f"Pipeline {pipeline.name!r} has no nodes, so there is nothing to run. Choose another"
            " one with --pipeline."
        )
    dag_id = plan_dag_id(pipeline, run, overrides)
    owned = run_objects_name(dag_id)
    sensors = () if overrides.once else plan_sensors(run)
    waits = {sensor.task_id for sensor in sensors}
    tasks = plan_tasks(pipeline, run, reserved=waits.union(reserved_ids(run)))
    if any(entry.image is None for entry in tasks.settings.values()):
        raise PlanError(
            "No image is set for the pods. Set run_config.image in airflow-k8s.yaml, or pass one"
            " with --image."
        )
    mlflow = plan_mlflow_run(pipeline, run)
    schedule = plan_schedule(pipeline, run, overrides.cron, once=overrides.once)
    return Plan(
        dag_id=dag_id,
        settings=dag_settings(run),
        schedule=schedule,
        tags=(
            names.tag(TAG_VERSION, __version__),
            names.tag(TAG_COMMIT, pipeline.commit),
            names.tag(TAG_EXPERIMENT, run.experiment_name or pipeline.package_name),
            *run.tags,
        ),
        form=form_fields(run.trigger_params, pipeline.parameters),
        project=pipeline.package_name,
        pipeline=pipeline.name,
        env=pipeline.env,
        runner=_runner(tasks.all, grouping_of(pipeline, run)),
        pods=_pod_settings(pipeline, run, owned, tasks, mlflow_environment(mlflow)),
        storage=_storage(run, owned),
        tasks=tasks.all,
        tree=tasks.tree,
        sensors=sensors,
        mlflow=mlflow,
        assets=plan_assets(pipeline, run, tasks.all, schedule.awaited),
        clusters=plan_clusters(pipeline, run, tasks.all, dag_id),
    )


def _runner(tasks: Iterable[Task], grouping: Grouping) -> tuple[str, ...]:
    """Return options of the `run` command in pods. Only our runners report their nodes."""
    if grouping.runner == "sequential" and grouping.nodes == "hidden":
        return ()
    if all(len(task.runs or task.nodes) == 1 for task in tasks):
        return ()
    workers = grouping.max_workers
    name = f"{grouping.runner.title()}Runner"
    return (f"--runner={name}", *([f"--max-workers={workers}"] if workers else []))


def _pod_settings(
    pipeline: ProjectPipeline,
    run: RunConfig,
    owned: str,
    tasks: Tasks,
    templates: Mapping[str, str],
) -> PodSettings:
    """Return the settings of the pods and tasks of the entries that tasks use."""
    entries = tasks.settings
    labels = names.cost_labels(
        (task.label for task in tasks.all),
        project=pipeline.package_name,
        pipeline=pipeline.name,
        env=pipeline.env,
        commit=pipeline.commit,
    )
    pods = {name: pod_manifest(entry, run, owned, labels) for name, entry in entries.items()}
    return plan_pod_settings(
        entries,
        pods,
        {
            name: environment(entry, run, owned, pipeline.variables, templates)
            | cause_environment(pods[name])
            for name, entry in entries.items()
        },
        _cluster(run),
    )


def _cluster(run: RunConfig) -> dict[str, str]:
    """Return the arguments of operators for the cluster, without those that are their defaults."""
    found = {"namespace": run.namespace} if run.namespace else {}
    if run.kubernetes_conn_id != RunConfig.model_fields["kubernetes_conn_id"].default:
        found["kubernetes_conn_id"] = run.kubernetes_conn_id
    return found


def plan_dag_id(pipeline: ProjectPipeline, run: RunConfig, overrides: Overrides) -> str:
    """Return the DAG id of a pipeline: the run name, with a non-default environment and pipeline.

    Raises:
        PlanError: If the run name cannot be part of a DAG id.
        OptionError: If an override of the whole id is not a valid DAG id.
    """
    if overrides.dag_name is not None:
        return names.given_dag_id(overrides.dag_name)
    return names.dag_id(
        run.run_name or pipeline.package_name,
        env=None if pipeline.is_default_env else pipeline.env,
        pipeline=None if pipeline.name == DEFAULT_PIPELINE else pipeline.name,
    )


def _check_nameable(pipeline: ProjectPipeline) -> None:
    """Raise an error for names that `kedro run` does not find."""
    if not names.kedro_finds_pipeline(pipeline.name):
        raise PlanError(
            f"Pipeline {pipeline.name!r} has a name that `kedro run --pipelines` does not accept."
            " The name must not be empty, contain a comma, or begin or end with a space. Rename it."
        )
    for node in pipeline.nodes:
        if not names.kedro_finds_node(node.name):
            raise PlanError(
                f"Node {node.name!r} has a name that `kedro run --nodes` does not accept. Name and"
                " namespace must not contain a comma or an unclosed bracket, or begin or end with"
                " a space. Rename it."
            )


def _storage(run: RunConfig, owned: str) -> Storage:
    volume = _volume(run, owned)
    deletes_data = run.intermediate_data is not None and not run.keep_intermediate_data
    return Storage(
        owned=owned,
        volume=volume,
        intermediate_data=store_root(run, owned),
        deletes_data=deletes_data,
        keep_failed=(run.keep_failed or 0) if volume or deletes_data else 0,
    )


def _volume(run: RunConfig, owned: str) -> Volume | None:
    found = claim(run, owned)
    if found is None:
        return None
    return Volume(claim=found, mount_path=run.volume.mount_path, fill=not run.volume.skip_init)
