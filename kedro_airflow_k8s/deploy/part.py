"""Runs of a part of a DAG."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.wording import counted, listed
from kedro_airflow_k8s.deploy.find import find_run
from kedro_airflow_k8s.deploy.kept_data import kept_data, needs_volume
from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace, missing_inputs
from kedro_airflow_k8s.plan.pods import INPUTS_KEY

CONF_KEY = "kedro_tasks"
"""The key of a run's conf with the ids of the tasks of Kedro nodes that run. DAGs read it."""


def conf_of_part(dag: CompiledDag, nodes: Collection[str]) -> dict[str, Any]:
    """Return the conf of a run of some nodes.

    Args:
        dag: The DAG.
        nodes: The names of the nodes.

    Raises:
        RunError: If a task also runs other nodes, or an input would be missing.
    """
    chosen = _tasks(dag, nodes)
    missing = missing_inputs(dag.tasks, chosen, dag.storage, {DataPlace.LASTING})
    if missing:
        raise RunError(
            f"{counted(len(missing), 'input')} of these nodes would be missing: {listed(missing)}."
            f" The tasks that make this data are not selected: {_makers(missing)}. Each run keeps"
            " such data for itself. Select their nodes, too, or name a run that has failed and"
            " still has this data: --from-run RUN_ID. Or store the data outside the run, such as"
            " on object storage."
        )
    return {CONF_KEY: chosen}


def conf_from_run(
    client: AirflowClient,
    dag: CompiledDag,
    nodes: Collection[str],
    run_id: str,
    volumes: RunVolumes,
) -> dict[str, Any]:
    """Return the conf of a run of some nodes that takes what other nodes make from an earlier run.

    Args:
        client: Airflow.
        dag: The DAG.
        nodes: The names of the nodes.
        run_id: The earlier run.
        volumes: What the cluster has.

    Raises:
        RunError: If a task also runs other nodes; or there is no such run, it has not ended, or it
            does not have the data.
        AirflowApiError: If Airflow cannot be asked.
    """
    chosen = _tasks(dag, nodes)
    run = find_run(client, dag.dag_id, run_id)
    if not run.state.ended:
        raise RunError(
            f"Run {run_id} of DAG {dag.dag_id} is {run.state.value}. Only a run that has ended can"
            " give its data to another. Wait for its end, or end it with `kedro airflow-k8s"
            " cancel`."
        )
    taken = missing_inputs(dag.tasks, chosen, dag.storage, ())
    missing = missing_inputs(dag.tasks, chosen, dag.storage, {DataPlace.LASTING})
    asked = volumes if needs_volume(dag, chosen) else None
    _check_taken(client, dag, run, missing, asked)
    return {CONF_KEY: chosen, INPUTS_KEY: {"run_id": run_id, "datasets": sorted(taken)}}


def inputs_from(run: DagRun) -> str | None:
    """Return the run from which another one has taken data, or None."""
    given = (run.conf or {}).get(INPUTS_KEY)
    return given.get("run_id") if isinstance(given, Mapping) else None


def _tasks(dag: CompiledDag, nodes: Collection[str]) -> list[str]:
    """Return the ids of the tasks of some nodes.

    Raises:
        RunError: If a task also runs other nodes.
    """
    tasks = [task for task in dag.tasks if not set(task.nodes).isdisjoint(nodes)]
    for task in tasks:
        others = [node for node in task.nodes if node not in nodes]
        if others:
            raise RunError(
                f"Task {task.task_id!r} cannot run in part. Its nodes share a pod, and these were"
                f" not selected: {listed(others)}. Select them, too, or none of the task."
            )
    # A node alone of those that share a visible pod runs in its own pod.
    shared = [task for task in dag.tasks if task.runs and not set(task.runs).difference(nodes)]
    return [task.task_id for task in dag.tasks if task in tasks or task in shared]


def _check_taken(
    client: AirflowClient,
    dag: CompiledDag,
    run: DagRun,
    missing: Mapping[str, str],
    volumes: RunVolumes | None,
) -> None:
    """Check that an earlier run has data that only it can give.

    Args:
        client: Airflow.
        dag: The DAG.
        run: The earlier run.
        missing: The task that makes each dataset.
        volumes: What the cluster has; None if the volume is of no interest.

    Raises:
        RunError: If it has not.
    """
    for place in DataPlace:
        names = [name for name in missing if dag.storage[name] is place]
        if names and place not in dag.open_places:
            raise RunError(
                f"{listed(names)} cannot be taken from another run: it is {place.value}."
                f" {_HOW_TO_OPEN[place]} Or select the nodes that make it, too:"
                f" {_makers({name: missing[name] for name in names})}."
            )
    states = client.task_states(dag.dag_id, run.run_id)
    part = (run.conf or {}).get(CONF_KEY, states)
    for name, maker in missing.items():
        state = states[maker].state if maker in states and maker in part else None
        if state != "success":
            other = inputs_from(run)
            taken = f" It took data from run {other}: name that run." if other else ""
            raise RunError(
                f"Run {run.run_id} has not made {name!r}: its task {maker}"
                f" {f'is {state}' if state else 'did not run'}.{taken} Select its nodes, too, or"
                " name another run."
            )
    kept = kept_data(client, dag.dag_id, run.run_id, states, volumes)
    gone = {name: maker for name, maker in missing.items() if dag.storage[name] not in kept.places}
    if gone:
        raise RunError(
            f"The data of run {run.run_id} is gone. {kept.reason} Missing"
            f" {'is' if len(gone) == 1 else 'are'} {listed(gone)}. Select the nodes that make"
            f" {'it' if len(gone) == 1 else 'them'}, too: {_makers(gone)}. Or name another run."
        )


_HOW_TO_OPEN = {
    DataPlace.VOLUME: "Set `run_config.keep_failed`, without `run_config.volume.skip_init`, before"
    " the first of these runs.",
    DataPlace.OBJECTS: "Set `run_config.keep_failed` before the first of these runs.",
    DataPlace.POD: "No run keeps that: set `run_config.intermediate_data`, or a volume.",
}


def _makers(missing: Mapping[str, str]) -> str:
    return ", ".join(dict.fromkeys(missing.values()))
