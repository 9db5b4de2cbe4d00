"""The clusters of a run: their Kubernetes objects, and the tasks that use them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config.clusters import (
    CLUSTER_TAG,
    FIELD_OF_OBJECT,
    PLACEHOLDER,
    ClusterConfig,
    ReadyConfig,
)
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import (
    CREATE_CLUSTER,
    DELETE_CLUSTER,
    LABEL_PREFIX,
    OWN_TASKS,
)
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.engines import ENGINES, MANAGED, engine_objects, engine_variables
from kedro_airflow_k8s.plan.pods import cluster_name, run_objects_name, untemplated
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline

_SPARK_DATASET = re.compile(r"(kedro_datasets\.)?(spark|databricks)\.\w+")


@dataclass(frozen=True)
class Cluster:
    """A cluster that tasks of the DAG use.

    Attributes:
        name: Its name in the configuration.
        own: The name of its objects in a run, as an Airflow template.
        objects: Its objects, in the order in which they are created; none if it exists already.
        ready: How to see that it answers; empty if its pods say so.
        timeout: Longest time until it answers, in seconds.
        page: The port of its web page in its first pod; None if it has none.
        variables: The environment variables of the tasks' pods, as Airflow templates.
        users: The ids of the tasks that use it, in an order in which they can run.
        after: The ids of the last tasks that all of them wait for.
    """

    name: str
    own: str
    objects: tuple[dict[str, Any], ...]
    ready: Mapping[str, str]
    timeout: int
    page: int | None
    variables: Mapping[str, str]
    users: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def create_id(self) -> str:
        """The id of the task that makes it."""
        return f"{CREATE_CLUSTER}{self.name}"

    @property
    def delete_id(self) -> str:
        """The id of the task that deletes it."""
        return f"{DELETE_CLUSTER}{self.name}"


def reserved_ids(run: RunConfig) -> frozenset[str]:
    """Return the ids that tasks of Kedro nodes cannot have, besides those of sensors."""
    prefixes = (CREATE_CLUSTER, DELETE_CLUSTER)
    return frozenset(OWN_TASKS).union(f"{p}{name}" for p in prefixes for name in run.clusters)


def clusters_of(node: PipelineNode, pipeline: ProjectPipeline, run: RunConfig) -> tuple[str, ...]:
    """Return the entries of `run_config.clusters` that a node uses.

    Args:
        node: The node.
        pipeline: Its pipeline, with the catalog if an entry asks for datasets.
        run: The configuration.

    Raises:
        PlanError: If a tag names an entry that does not exist.
    """
    tagged = [match[1] for tag in node.tags if (match := CLUSTER_TAG.fullmatch(tag))]
    for name in tagged:
        if name not in run.clusters:
            raise PlanError(
                f"Node {node.name!r} has the tag 'cluster.{name}', but run_config.clusters has no"
                f" entry {name!r}. Add the entry, or change the tag. Entries:"
                f" {', '.join(sorted(run.clusters)) or 'none'}.",
                code="unknown-cluster",
            )
    of_spark = [name for name, each in run.clusters.items() if each.nodes == "spark_datasets"]
    if of_spark and spark_datasets(node, pipeline):
        tagged += of_spark
    return tuple(name for name in run.clusters if name in tagged)


def spark_datasets(node: PipelineNode, pipeline: ProjectPipeline) -> list[str]:
    """Return the inputs and outputs of a node whose class is one of kedro-datasets for Spark."""
    entries = {name: (pipeline.catalog or {}).get(name) for name in (*node.inputs, *node.outputs)}
    types = {
        name: [entry.type, *entry.inner_types] if entry else [] for name, entry in entries.items()
    }
    return [
        name for name, found in types.items() if any(_SPARK_DATASET.fullmatch(t) for t in found)
    ]


def plan_clusters(
    pipeline: ProjectPipeline,
    run: RunConfig,
    tasks: Sequence[Task],
    dag_id: str,
) -> tuple[Cluster, ...]:
    """Return the clusters that tasks of a DAG use.

    Args:
        pipeline: The pipeline.
        run: The configuration.
        tasks: The tasks of its nodes.
        dag_id: The id of the DAG.

    Raises:
        PlanError: If a tag names an entry that does not exist, or two clusters of a task are
            reached by the same variable.
    """
    if not run.clusters:
        return ()
    costs = {"project": pipeline.package_name, "pipeline": pipeline.name, "env": pipeline.env}
    labels = {
        f"{LABEL_PREFIX}{key}": names.label_value(value)
        for key, value in {**costs, "commit": pipeline.commit}.items()
    }
    of_nodes = {node.name: clusters_of(node, pipeline, run) for node in pipeline.nodes}
    asked = [{name for n in task.runs or task.nodes for name in of_nodes[n]} for task in tasks]
    found = []
    for name, config in run.clusters.items():
        users = tuple(index for index, each in enumerate(asked) if name in each)
        if users:
            own = cluster_name(dag_id, name)
            found.append(
                Cluster(
                    name=name,
                    own=own,
                    objects=tuple(_objects(config, run, own, run_objects_name(dag_id), labels)),
                    ready=_ready(config.ready, own),
                    timeout=config.timeout,
                    page=_page(config),
                    variables=_variables(config, own),
                    users=tuple(tasks[index].task_id for index in users),
                    after=tuple(tasks[index].task_id for index in _waits(tasks, users)),
                )
            )
    _check_variables(found)
    return tuple(found)


def _objects(
    config: ClusterConfig, run: RunConfig, own: str, owned: str, labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    if config.address is not None:
        return []
    if config.type == "manifest":
        return [_labelled(placed(each, own)) for each in config.objects]
    return engine_objects(config, run, own, owned, labels)


def _labelled(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the label by which those of this plugin are found."""
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": MANAGED | metadata.get("labels", {})}}


def _variables(config: ClusterConfig, own: str) -> dict[str, str]:
    if config.type != "manifest":
        return engine_variables(config, own)
    return {name: _variable(text, own) for name, text in config.env.items()}


def _variable(text: str, own: str) -> str:
    """Return the value of a variable, whose dollar signs Kubernetes is to leave as they are."""
    kept = re.sub(r"\$(?!\(CLUSTER\))", "$$", text)
    restored = re.sub(rf"\${FIELD_OF_OBJECT.pattern}", lambda found: found[0][1:], kept)
    found: str = placed(restored, own)
    return found


def _page(config: ClusterConfig) -> int | None:
    engine = None if config.address else ENGINES.get(config.type)
    return engine.page if engine else None


def _ready(ready: ReadyConfig | None, own: str) -> dict[str, str]:
    if ready is None:
        return {}
    given = ready.model_dump(exclude_none=True)
    return {key: placed(text, own) for key, text in given.items()}


def placed(value: Any, own: str) -> Any:
    """Return a value of the configuration as Airflow templates, with the name of the cluster.

    Args:
        value: A text, or a list or mapping with texts.
        own: The name, as a template.
    """
    if isinstance(value, str):
        return own.join(untemplated(part) for part in value.split(PLACEHOLDER))
    if isinstance(value, Mapping):
        return {key: placed(part, own) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [placed(part, own) for part in value]
    return value


def _waits(tasks: Sequence[Task], users: Sequence[int]) -> list[int]:
    """Return the last of the tasks for which all users wait, so that a cluster is made late."""
    before: list[set[int]] = []
    for task in tasks:
        before.append(set(task.upstream).union(*(before[index] for index in task.upstream)))
    common = set.intersection(*(before[index] for index in users))
    return [i for i in sorted(common) if not any(i in before[other] for other in common)]


def _check_variables(clusters: Sequence[Cluster]) -> None:
    for index, cluster in enumerate(clusters):
        for other in clusters[:index]:
            both = sorted({*cluster.variables}.intersection(other.variables))
            shared = [task_id for task_id in cluster.users if task_id in other.users]
            if both and shared:
                raise PlanError(
                    f"Task {shared[0]!r} uses two clusters with the variable {both[0]}:"
                    f" {other.name!r} and {cluster.name!r}. A pod can have only one value of it."
                    " Take one of the tags from its nodes, or group them otherwise."
                )
