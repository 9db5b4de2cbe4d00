"""The clusters of a plan in the text of the DAG file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.dag.body import chain_line
from kedro_airflow_k8s.dag.literals import Call, Expression, literal
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.clusters import Cluster
from kedro_airflow_k8s.plan.pods import cluster_name
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
    made = tuple(_text(plan, cluster) for cluster in plan.made_clusters)
    own = {text.own: text.constant for text in made}
    variables = {each.name: with_names(dict(each.variables), own) for each in plan.clusters}
    return ClusterTexts(made, variables)


def _text(plan: Plan, cluster: Cluster) -> ClusterText:
    constant = names.constant(f"cluster_{cluster.name}", set())
    own = cluster_name(plan.dag_id, cluster.name)
    known = {own: constant, plan.storage.owned: "OWNED"}
    objects = {"manifests": Expression(f"{constant}_OBJECTS")}
    create = {
        "task_id": cluster.create_id,
        **objects,
        "timeout": cluster.timeout,
        **({"ready": with_names(dict(cluster.ready), known)} if cluster.ready else {}),
        **({"page": cluster.page} if cluster.page else {}),
    }
    return ClusterText(
        name=cluster.name,
        constant=constant,
        own=own,
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
    made = cluster_texts(plan).made
    return {name for each in made for name in (each.create_variable, each.delete_variable)}


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


def with_names(value: Any, constants: Mapping[str, str]) -> Any:
    """Return a value with the constants of names in place of these names.

    Args:
        value: A text, or a list or mapping with texts.
        constants: The constants, by the texts that they replace.
    """
    if isinstance(value, Mapping):
        return {key: with_names(item, constants) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_names(item, constants) for item in value]
    if not isinstance(value, str):
        return value
    parts: list[str | Expression] = [value]
    for text, constant in constants.items():
        parts = [part for each in parts for part in _split(each, text, Expression(constant))]
    if all(isinstance(part, str) for part in parts):
        return value
    found = [part for part in parts if part != ""]
    return Expression(" + ".join(literal(part, 0, -(10**6)) for part in found))


def _split(part: str | Expression, text: str, constant: Expression) -> list[str | Expression]:
    if isinstance(part, Expression):
        return [part]
    found: list[str | Expression] = []
    for index, each in enumerate(part.split(text)):
        found += [constant, each] if index else [each]
    return found
