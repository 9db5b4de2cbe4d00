"""Lets a failed run go on where it stopped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.own_names import LABEL_PREFIX
from kedro_airflow_k8s.config.wording import counted, listed
from kedro_airflow_k8s.deploy.delivery import deliver
from kedro_airflow_k8s.deploy.find import find_run
from kedro_airflow_k8s.deploy.kept_data import KeptData, kept_data, needs_volume
from kedro_airflow_k8s.deploy.part import CONF_KEY, inputs_from
from kedro_airflow_k8s.deploy.run import Run, RunOptions
from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
from kedro_airflow_k8s.errors import NotFound, RunError
from kedro_airflow_k8s.plan.data_places import DataPlace, and_downstream, missing_inputs
from kedro_airflow_k8s.project.changed_code import changed_files
from kedro_airflow_k8s.terminal.progress import Progress


@dataclass(frozen=True)
class Resumption:
    """What a run does when it goes on.

    Attributes:
        run: The run.
        again: The ids of the tasks that run again, in an order in which they can.
        finished: The tasks of Kedro nodes that have succeeded and keep their results.
    """

    run: DagRun
    again: tuple[str, ...]
    finished: Mapping[str, TaskInstance]


def plan_resumption(
    client: AirflowClient,
    dag: CompiledDag,
    run_id: str | None,
    start_from: Collection[str],
    volumes: RunVolumes,
) -> Resumption:
    """Find out which tasks of a run are to run again, and check that their inputs are there.

    Args:
        client: Airflow.
        dag: The DAG as it is now.
        run_id: The run; None for the last one that failed.
        start_from: The ids of tasks that run again even if they have succeeded.
        volumes: What the cluster has.

    Raises:
        RunError: If there is no such run, it has not ended, there is nothing to run again, or the
            data of the finished tasks is gone.
        AirflowApiError: If Airflow cannot be asked.
        ClusterError: If the user has named a cluster that cannot be asked.
    """
    run = _ended_run(client, dag.dag_id, run_id)
    states = client.task_states(dag.dag_id, run.run_id)
    done = {task_id for task_id, task in states.items() if task.state == "success"}
    unfinished = [task.task_id for task in dag.tasks if task.task_id not in done]
    if not unfinished and not start_from:
        raise RunError(
            f"All nodes of run {run.run_id} have succeeded: there is nothing to resume. To run"
            " some of them again, name the first one with --from."
        )
    part = (run.conf or {}).get(CONF_KEY)
    if part is not None and (left_out := [name for name in start_from if name not in part]):
        raise RunError(
            f"Run {run.run_id} is one of a part of the pipeline, without {', '.join(left_out)}. It"
            f" has the tasks {', '.join(part)}. Start a run with the others by `run-once`."
        )
    again = and_downstream(dag.tasks, (*unfinished, *start_from))
    if part is not None:
        # Others end at once without a pod, and make nothing.
        again &= frozenset(part)
    _check_data(client, dag, run, states, again, volumes)
    waits = [task_id for task_id in dag.sensor_ids if task_id not in done]
    return Resumption(
        run=run,
        again=(*waits, *(task.task_id for task in dag.tasks if task.task_id in again)),
        finished={
            task.task_id: states[task.task_id]
            for task in dag.tasks
            if task.task_id not in again and (part is None or task.task_id in part)
        },
    )


def _ended_run(client: AirflowClient, dag_id: str, run_id: str | None) -> DagRun:
    if run_id is not None:
        run = find_run(client, dag_id, run_id)
    else:
        find_run(client, dag_id, None)
        failed = (r for r in client.newest_runs(dag_id) if r.state is RunState.FAILED)
        found = next(failed, None)
        if found is None:
            raise RunError(
                f"DAG {dag_id} has no failed run among its last 100: there is nothing to resume."
                " `kedro airflow-k8s status` shows the last run."
            )
        run = found
    if not run.state.ended:
        raise RunError(
            f"Run {run.run_id} of DAG {dag_id} is {run.state.value}: only a run that has ended can"
            " be resumed. Wait for its end, or end it with `kedro airflow-k8s cancel`."
        )
    return run


def _check_data(
    client: AirflowClient,
    dag: CompiledDag,
    run: DagRun,
    states: Mapping[str, TaskInstance],
    again: Collection[str],
    volumes: RunVolumes,
) -> None:
    """Check that what finished tasks have made is still there, by what Airflow and the cluster say.

    Raises:
        RunError: If tasks that run again need data that is gone.
    """
    asked = volumes if needs_volume(dag, again) else None
    kept = kept_data(client, dag.dag_id, run.run_id, states, asked)
    missing = missing_inputs(dag.tasks, again, dag.storage, kept.places)
    if inputs_from(run) is not None:
        _check_taken(client, dag, run, kept, again, asked)
        part = (run.conf or {}).get(CONF_KEY, ())
        missing = {name: maker for name, maker in missing.items() if maker in part}
    if missing:
        makers = list(dict.fromkeys(missing.values()))
        starts = " ".join(f"--from {maker}" for maker in makers)
        raise RunError(
            f"Run {run.run_id} cannot go on where it stopped: its data is gone. {kept.reason}"
            f" Missing {'is' if len(missing) == 1 else 'are'} {listed(missing)}, made by"
            f" {', '.join(makers)}. Run {'it' if len(makers) == 1 else 'them'} again, too:"
            f" {starts}. Or start a new run."
        )


def _check_taken(
    client: AirflowClient,
    dag: CompiledDag,
    run: DagRun,
    kept: KeptData,
    again: Collection[str],
    volumes: RunVolumes | None,
) -> None:
    """Check that what a run has taken from another one is still there.

    Raises:
        RunError: If tasks that run again need data of it that is gone.
    """
    other, part = str(inputs_from(run)), (run.conf or {}).get(CONF_KEY, ())
    # A run whose tasks all run again has a new volume, which is filled again.
    refilled = set(again) == set(part)
    try:
        states = client.task_states(dag.dag_id, other)
        source = kept_data(client, dag.dag_id, other, states, volumes if refilled else None)
    except NotFound:
        source = KeptData(frozenset(), "Airflow does not have that run any more.")
    copied = source if refilled else kept
    where = {DataPlace.VOLUME: copied, DataPlace.OBJECTS: source}
    for name, maker in missing_inputs(dag.tasks, again, dag.storage, {DataPlace.LASTING}).items():
        data = where.get(dag.storage[name], source)
        if maker not in part and dag.storage[name] not in data.places:
            raise RunError(
                f"Run {run.run_id} cannot go on: the data of run {other} is gone. {data.reason}"
                f" From there, it needs {name!r}. Start a new run."
            )


def describe(
    client: AirflowClient, dag: CompiledDag, found: Resumption, project_path: Path, pipeline: str
) -> Iterator[str]:
    """Yield lines that say what runs again, and which results are kept.

    Args:
        client: Airflow.
        dag: The DAG as it is now.
        found: What the run does when it goes on.
        project_path: The project.
        pipeline: The registered pipeline of the DAG.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
    """
    count = counted(len(found.again), "task")
    yield f"Run {found.run.run_id}: {count} to run: {_all(found.again)}."
    if not found.finished:
        return
    last = max(found.finished, key=lambda task_id: str(found.finished[task_id].end))
    fields = client.rendered_fields(dag.dag_id, found.run.run_id, last)
    commit = _commit(fields)
    yield (
        f"{counted(len(found.finished), 'finished task')} not run again (image"
        f" {fields.get('image') or 'unknown'}, commit {commit[:12] or 'unknown'}):"
        f" {_all(found.finished)}."
    )
    names = {name for task in dag.tasks if task.task_id in found.finished for name in task.nodes}
    since = found.run.start or datetime.now(timezone.utc)
    changed = changed_files(project_path, pipeline, names, commit, since)
    if changed:
        files = sorted({path.as_posix() for paths in changed.values() for path in paths})
        yield (
            f"Changed since the run: {', '.join(files)}. These finished nodes use"
            f" {'it' if len(files) == 1 else 'them'}, and keep their old results:"
            f" {_all(changed)}. --from NODE runs a node again, with those that follow it."
        )


def _all(names: Collection[str]) -> str:
    return ", ".join(names)


def _commit(fields: Mapping[str, Any]) -> str:
    """Return the commit of a task's pod, from its labels; empty if Airflow has not kept them."""
    pod = fields.get("pod_template_dict")
    labels = pod.get("metadata", {}).get("labels", {}) if isinstance(pod, Mapping) else {}
    return str(labels.get(f"{LABEL_PREFIX}commit", ""))


def resume(
    client: AirflowClient,
    dag: CompiledDag,
    output: str,
    found: Resumption,
    options: RunOptions,
    progress: Progress,
) -> None:
    """Run tasks of a run again, by the DAG as it is now, and watch the run if wanted.

    Raises:
        AirflowK8sError: If the run does not go on, fails again, or goes on for longer than the user
            waits.
        KeyboardInterrupt: From the user, after a message on what becomes of the run.
    """
    run = Run(client, dag, progress, found.run.run_id)
    if not client.would_run(dag.dag_id, dag.fingerprint):
        try:
            deliver(client, dag, output, progress)
        except KeyboardInterrupt:
            progress.say(f"Run {found.run.run_id} was not resumed.")
            raise
    paused = run.unpause(options.unpause, new=False)
    run.follow(lambda: run.go_on(found.again), options, paused)
