"""Finds the DAG, the run and the tasks that a command is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from kedro_airflow_k8s.airflow_api import AirflowClient, Dag, DagRun
from kedro_airflow_k8s.airflow_api.records import DagTask
from kedro_airflow_k8s.config.own_names import TAG_VERSION
from kedro_airflow_k8s.config.wording import Nearest, first_of
from kedro_airflow_k8s.errors import NotFound, RunError


class TaskOfNodes(Protocol):
    """A task that runs Kedro nodes: as Airflow has it, or as it is planned."""

    @property
    def task_id(self) -> str:
        """Its id."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""


def find_dag(client: AirflowClient, dag_id: str) -> Dag:
    """Return a DAG that Airflow has.

    Raises:
        RunError: If Airflow does not have it; with the DAG of this plugin that was probably meant.
        AirflowApiError: If Airflow cannot be asked.
    """
    found = client.find_dag(dag_id)
    if found is None:
        raise no_dag(client, dag_id)
    return found


def no_dag(client: AirflowClient, dag_id: str) -> RunError:
    """Return the error for a DAG that Airflow does not have."""
    hint = Nearest(dag.dag_id for dag in client.generated_dags()).hint(dag_id)
    return RunError(
        f"Airflow at {client.host} has no DAG {dag_id}.{hint} `kedro airflow-k8s run-once` uploads"
        " and runs it; `kedro airflow-k8s list-pipelines` shows the DAGs in Airflow."
    )


def find_own_dag(client: AirflowClient, dag_id: str) -> Dag:
    """Return a DAG that Airflow has and this plugin has made.

    Raises:
        RunError: If Airflow does not have it, or something else has made it.
        AirflowApiError: If Airflow cannot be asked.
    """
    found = find_dag(client, dag_id)
    refuse_foreign(client, found)
    return found


def refuse_foreign(client: AirflowClient, dag: Dag) -> None:
    """Check that this plugin has made a DAG.

    Raises:
        RunError: If it has not.
    """
    if not any(tag.startswith(f"{TAG_VERSION}:") for tag in dag.tags):
        raise RunError(
            f"DAG {dag.dag_id} was not made by this plugin: it has no tag {TAG_VERSION}. This"
            f" command changes only DAGs that have it. Use Airflow's page: "
            f"{client.dag_url(dag.dag_id)}"
        )


def find_run(client: AirflowClient, dag_id: str, run_id: str | None) -> DagRun:
    """Return a run of a DAG, also of one whose file is gone.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run; None for the last one.

    Raises:
        RunError: If Airflow has no such DAG or run.
        AirflowApiError: If Airflow cannot be asked.
    """
    if run_id is None:
        last = client.last_runs([dag_id]).get(dag_id)
        if last is not None:
            return last
        find_dag(client, dag_id)
        raise RunError(
            f"DAG {dag_id} has no run yet. `kedro airflow-k8s trigger` starts one. See"
            f" {client.dag_url(dag_id)}"
        )
    try:
        return client.run(dag_id, run_id)
    except NotFound:
        if client.dag_in_records(dag_id) is None:
            raise no_dag(client, dag_id) from None
    others = [run.run_id for run in client.newest_runs(dag_id)]
    hint = Nearest(others).hint(run_id)
    last_runs = first_of(others, f"see {client.dag_url(dag_id)}", str)
    raise RunError(
        f"DAG {dag_id} has no run {run_id!r}.{hint} The last runs: {last_runs or 'none'}."
    )


def tasks_in_order(client: AirflowClient, dag_id: str) -> list[DagTask]:
    """Return the tasks of a DAG in an order in which they can run; none if its file is gone."""
    try:
        return client.dag_tasks(dag_id)
    except NotFound:
        return []


def ordered(task_ids: Iterable[str], order: Sequence[DagTask]) -> list[str]:
    """Return the tasks of a run in the order of the DAG; those of other versions come last."""
    places = {task.task_id: place for place, task in enumerate(order)}
    return sorted(task_ids, key=lambda task_id: (places.get(task_id, len(places)), task_id))


def find_tasks(
    names: Iterable[str], tasks: Sequence[TaskOfNodes], run_tasks: Iterable[str]
) -> list[str]:
    """Return the ids of the tasks that a user has named, without repetition.

    Args:
        names: Ids of tasks, or names of Kedro nodes.
        tasks: The tasks of the DAG, which name their nodes.
        run_tasks: The ids of the tasks of the run.

    Raises:
        RunError: If a name is unknown, or several tasks of the run have it.
    """
    meant: dict[str, set[str]] = {task_id: {task_id} for task_id in run_tasks}
    known_ids = set(meant)
    for task in tasks:
        if task.task_id in known_ids:
            for node in task.nodes:
                if node not in known_ids:
                    meant.setdefault(node, set()).add(task.task_id)
    found: dict[str, None] = {}
    nearest = Nearest(meant)
    for name in names:
        if name not in meant:
            raise RunError(
                f"The run has no task or node {name!r}.{nearest.hint(name)} It has"
                f" {first_of(sorted(known_ids), '`kedro airflow-k8s status` shows all', str)}."
            )
        if len(meant[name]) > 1:
            several = ", ".join(sorted(meant[name]))
            raise RunError(f"Several tasks run {name!r}: {several}. Give the id of one of them.")
        found |= dict.fromkeys(meant[name])
    return list(found)
