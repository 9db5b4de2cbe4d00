"""The clusters of a plan in the text of the DAG file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config.clusters import FIELD_OF_OBJECT
from kedro_airflow_k8s.dag.body import chain_line
from kedro_airflow_k8s.dag.literals import Call, Expression, with_names
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.clusters import Cluster
from kedro_airflow_k8s.plan.tasks import Task


@dataclass(frozen=True)
class ClusterText:
    """A cluster that the run makes, as the template needs it.

    Attributes:
        name: Its name in the configuration.
        constant: The constant with its name in a run.
        own: That name, as an Airflow template.
        objects: Its objects, with constants in place of names.
        create: The call for the task that makes it.
        delete: The call for the task that deletes it.
        create_variable: The variable of the one.
        delete_variable: The variable of the other.
    """

    name: str
    constant: str
    own: str
    objects: list[Any]
    create: Call
    delete: Call
    create_variable: str
    delete_variable: str


@dataclass(frozen=True)
class ClusterTexts:
    """The clusters of a DAG.

    Attributes:
        made: Those that the run makes.
        variables: The environment variables of the nodes of each, also of those that exist.
    """

    made: tuple[ClusterText, ...]
    variables: Mapping[str, Mapping[str, Any]]


def cluster_texts(plan: Plan) -> ClusterTexts:
    """Return the clusters of a plan for the template."""
    taken: set[str] = set()
    made = tuple(_text(plan, cluster, taken) for cluster in plan.made_clusters)
    own = {text.own: text.constant for text in made}
    variables = {each.name: with_names(dict(each.variables), own) for each in plan.clusters}
    return ClusterTexts(made, variables)


def _text(plan: Plan, cluster: Cluster, taken: set[str]) -> ClusterText:
    constant = names.constant(f"cluster_{cluster.name}", taken)
    taken.add(f"{constant}_OBJECTS")
    known = {cluster.own: constant, plan.storage.owned: "OWNED"}
    objects = {"manifests": Expression(f"{constant}_OBJECTS")}
    fields = {n: text for n, text in cluster.variables.items() if FIELD_OF_OBJECT.search(text)}
    create = {
        "task_id": cluster.create_id,
        **objects,
        "timeout": cluster.timeout,
        **({"ready": with_names(dict(cluster.ready), known)} if cluster.ready else {}),
        **({"page": cluster.page} if cluster.page else {}),
        **({"variables": with_names(fields, known)} if fields else {}),
    }
    return ClusterText(
        name=cluster.name,
        constant=constant,
        own=cluster.own,
        objects=with_names(list(cluster.objects), known),
        create=Call("CreateCluster", create),
        delete=Call("DeleteRunResources", {"task_id": cluster.delete_id, **objects}),
        create_variable=_variable(cluster.create_id),
        delete_variable=_variable(cluster.delete_id),
    )


def _variable(task_id: str) -> str:
    return task_id.replace("-", "_")


def cluster_operators(plan: Plan) -> Iterator[str]:
    """Yield the module of `operators/` for clusters that the run makes."""
    if plan.made_clusters:
        yield "clusters"


def cluster_imports(plan: Plan) -> Iterator[str]:
    """Yield the imports that clusters need."""
    if plan.clusters:
        yield "from collections.abc import Sequence"


def cluster_keywords(plan: Plan, task: Task) -> dict[str, list[str]]:
    """Return the argument of a task that uses clusters."""
    found = [each.name for each in plan.clusters if task.task_id in each.users]
    return {"clusters": found} if found else {}


def cluster_variables(plan: Plan) -> set[str]:
    """Return the names that the file uses for the clusters."""
    ids = [task_id for each in plan.made_clusters for task_id in (each.create_id, each.delete_id)]
    return {_variable(task_id) for task_id in ids}


def cluster_lines(plan: Plan, python: Mapping[str, str], waits: list[str]) -> list[str]:
    """Return the lines of edges of the tasks that make and delete clusters.

    Args:
        plan: The plan.
        python: The variables of the tasks of nodes, by their ids.
        waits: The variables of the sensors.
    """
    lines = []
    for cluster in plan.made_clusters:
        before = [python[task_id] for task_id in cluster.after] or [*plan.setup_ids[-1:]] or waits
        users = [python[task_id] for task_id in cluster.users]
        create, delete = _variable(cluster.create_id), _variable(cluster.delete_id)
        chain = [create, users, delete]
        lines.append(chain_line([before, *chain] if before else chain))
    return lines
