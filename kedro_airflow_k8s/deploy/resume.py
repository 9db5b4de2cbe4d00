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
from kedro_airflow_k8s.config.own_names import DELETE_DATA, DELETE_VOLUME, LABEL_PREFIX
from kedro_airflow_k8s.config.wording import counted, listed
from kedro_airflow_k8s.deploy.delivery import deliver
from kedro_airflow_k8s.deploy.find import find_run
from kedro_airflow_k8s.deploy.part import CONF_KEY
from kedro_airflow_k8s.deploy.run import Run, RunOptions
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace, and_downstream, missing_inputs
from kedro_airflow_k8s.project.changed_code import changed_files
from kedro_airflow_k8s.terminal.progress import Progress

_KEEP_UNTIL = "--keep-until="
_DELETED_BY = {DataPlace.VOLUME: DELETE_VOLUME, DataPlace.OBJECTS: DELETE_DATA}


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
    client: AirflowClient, dag: CompiledDag, run_id: str | None, start_from: Collection[str]
) -> Resumption:
    """Find out which tasks of a run are to run again, and check that their inputs are there.

    Args:
        client: Airflow.
        dag: The DAG as it is now.
        run_id: The run; None for the last one that failed.
        start_from: The ids of tasks that run again even if they have succeeded.

    Raises:
        RunError: If there is no such run, it has not ended, there is nothing to run again, or the
            data of the finished tasks is gone.
        AirflowApiError: If Airflow cannot be asked.
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
    _check_data(client, dag, run, states, again)
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
) -> None:
    """Check that what finished tasks have made is still there, as far as Airflow can tell.

    Raises:
        RunError: If tasks that run again need data that is gone.
    """
    there, reasons = {DataPlace.LASTING}, []
    for storage, task_id in _DELETED_BY.items():
        if task_id not in states or states[task_id].state != "success":
            there.add(storage)
            continue
        until = _kept_until(client.rendered_fields(dag.dag_id, run.run_id, task_id))
        if until and until > datetime.now(timezone.utc):
            there.add(storage)
        elif until:
            reasons.append(f"What is {storage.value} was kept until {until:%Y-%m-%d %H:%M} UTC.")
    missing = missing_inputs(dag.tasks, again, dag.storage, there)
    if missing:
        makers = list(dict.fromkeys(missing.values()))
        reason = " ".join(reasons) or (
            "It was deleted at the end of the run: `run_config.keep_failed` was not set."
        )
        starts = " ".join(f"--from {maker}" for maker in makers)
        raise RunError(
            f"Run {run.run_id} cannot go on where it stopped: its data is gone. {reason} Missing"
            f" {'is' if len(missing) == 1 else 'are'} {listed(missing)}, made by"
            f" {', '.join(makers)}. Run {'it' if len(makers) == 1 else 'them'} again, too:"
            f" {starts}. Or start a new run."
        )


def _kept_until(fields: Mapping[str, Any]) -> datetime | None:
    """Return until when the data of a run is kept, from the arguments of the task that deletes it.

    It is an argument of that task, or one of its container.
    """
    found = fields.get("until") or next(
        (
            str(argument).removeprefix(_KEEP_UNTIL)
            for argument in fields.get("arguments") or ()
            if str(argument).startswith(_KEEP_UNTIL)
        ),
        "",
    )
    try:
        return datetime.fromisoformat(str(found))
    except ValueError:
        return None


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
