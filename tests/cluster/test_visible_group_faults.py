"""Faults while nodes share a pod and have a task each: what was done is green, all else is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.airflow_processes import kill_task, restart
from tests.cluster.cluster import Cluster
from tests.cluster.project import AT_THE_GATE, GATE
from tests.cluster.runs import Airflow, Running
from tests.support.waiting import wait_until

DAG = "try_handing_on"
POD, COUNT, HOLD, REPORT = (f"{DAG}.{name}" for name in ("pod", "count", "hold", "report"))
TASKS = (POD, COUNT, HOLD, REPORT)
VISIBLE: dict[str, Any] = {"grouping": {"__default__": {"by": "pipeline", "nodes": "visible"}}}
AGAIN: dict[str, Any] = {**VISIBLE, "retries": 2, "retry_delay": 2}
OPEN_GATE = f"open('{GATE}', 'w').close()"


def at_the_gate(airflow: Airflow, running: Running, number: int = 1) -> tuple[str, str]:
    """The run and its pod, the first or a later one, once its second node has begun.

    The task of the first node has seen by then that the node has succeeded.
    """
    pods = airflow.namespace.pods

    def find() -> list[Any]:
        return airflow.namespace.task_pods(running.run_id(), POD)[number - 1 :]

    pod = pods.wait_for(find, f"pod number {number}", running.check)[0].metadata.name
    airflow.namespace.wait_for_log(pod, AT_THE_GATE)
    run_id = str(running.run_id())
    wait_until(lambda: airflow.states(DAG, run_id)[COUNT] == "success", "a node that is done")
    return run_id, pod


def states(airflow: Airflow, run_id: str) -> tuple[str | None, ...]:
    """Those of the tasks of the group."""
    found = airflow.states(DAG, run_id)
    return tuple(found[task_id] for task_id in TASKS)


def attempt(airflow: Airflow, run_id: str, task_id: str) -> int:
    """The number of the attempt of a task."""
    return airflow.client().task_states(DAG, run_id)[task_id].attempt


def test_a_pod_that_is_killed_fails_the_node_that_it_was_at_and_resume_runs_what_is_not_done(
    airflow: Airflow,
) -> None:
    namespace = airflow.namespace
    with airflow.start(DAG, keep_failed="1h", **VISIBLE) as running:
        run_id, pod = at_the_gate(airflow, running)
        namespace.core.delete_namespaced_pod(pod, namespace.name)
        failed = running.end().failed("Deleted")
    airflow.wait_for_end(failed)

    assert states(airflow, run_id) == ("failed", "success", "failed", "upstream_failed")
    for task_id in (POD, HOLD):
        assert "Deleted: The pod was deleted while it ran." in airflow.log(DAG, run_id, task_id)
    with airflow.resuming(failed, keep_failed="1h", **VISIBLE) as running:
        _, pod = at_the_gate(airflow, running, 2)
        namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()
    assert {*states(airflow, run_id)} == {"success"}
    assert attempt(airflow, run_id, COUNT) == 1
    assert "--nodes=hold,report" in namespace.pods.last(pod).spec.containers[0].args


def test_a_killed_worker_process_costs_an_attempt_and_neither_the_pod_nor_a_state(
    airflow: Airflow,
) -> None:
    with airflow.start(DAG, **AGAIN) as running:
        run_id, pod = at_the_gate(airflow, running)
        kill_task(airflow, run_id, HOLD)
        kill_task(airflow, run_id, POD)
        wait_until(
            lambda: AT_THE_GATE in airflow.client().task_log(DAG, run_id, POD, 2),
            "another worker that reads the log",
        )
        airflow.namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()

    assert {*states(airflow, run_id)} == {"success"}
    assert len(airflow.namespace.task_pods(run_id, POD)) == 1
    assert attempt(airflow, run_id, COUNT) == 1


def test_another_triggerer_takes_over_the_tasks_that_wait(airflow: Airflow) -> None:
    with airflow.start(DAG, deferrable=True, poll_interval=10, **VISIBLE) as running:
        run_id, pod = at_the_gate(airflow, running)
        wait_until(lambda: airflow.states(DAG, run_id)[HOLD] == "deferred", "a task that waits")
        restart(airflow, "triggerer")
        airflow.namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()

    assert {*states(airflow, run_id)} == {"success"}
    assert len(airflow.namespace.task_pods(run_id, POD)) == 1


def test_another_scheduler_takes_over_the_run(airflow: Airflow) -> None:
    with airflow.start(DAG, **AGAIN) as running:
        run_id, pod = at_the_gate(airflow, running)
        restart(airflow, "scheduler")
        airflow.namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()

    assert {*states(airflow, run_id)} == {"success"}


def test_a_run_ends_well_after_the_api_server_was_away_for_half_a_minute(
    airflow: Airflow, cluster: Cluster
) -> None:
    try:
        cluster.restart_command()
    except LookupError as error:
        pytest.skip(str(error))
    with airflow.start(DAG, **AGAIN) as running:
        run_id, pod = at_the_gate(airflow, running)
        cluster.restart_api_server(away=30)
        airflow.namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()

    assert {*states(airflow, run_id)} == {"success"}


def test_a_log_that_is_rotated_hides_no_end_of_a_node(airflow: Airflow) -> None:
    namespace, dag_id = airflow.namespace, "try_talking"
    with airflow.start(dag_id, **VISIBLE) as running:
        pod, _ = running.at_the_gate()

        def rotated() -> bool:
            log = namespace.core.read_namespaced_pod_log(pod, namespace.name)
            return AT_THE_GATE not in log

        # A kubelet looks every 10 seconds whether a log is too long, if it is not busy.
        wait_until(rotated, "a new log")
        namespace.run_in(pod, OPEN_GATE)
        done = running.end().failed("ValueError: no more words")

    found = airflow.states(dag_id, done.run_id)
    assert {name: found[f"{dag_id}.{name}"] for name in ("pod", "talk", "hold", "fail")} == {
        "pod": "failed",
        "talk": "success",
        "hold": "success",
        "fail": "failed",
    }
