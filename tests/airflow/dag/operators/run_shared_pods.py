"""Executes the operators of a visible group against the cluster of KUBECONFIG.

A program, because Airflow requires its own process. Its argument is JSON: the code of pods by the
name of the case, and what tasks of nodes find. It prints a line of JSON for each end: the case, the
type of the exception and its message, what the task has reported of each node, and its log.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from unittest import mock
from uuid import UUID

from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred

from kedro_airflow_k8s.dag.operators.compat import AirflowRescheduleException
from kedro_airflow_k8s.dag.operators.shared_pod import (
    NodeOfPodOperator,
    QuietPodManager,
    SharedPodOperator,
)
from tests.airflow.sandbox.cluster.run_operators import context_of

NODES = ("a", "b", "c")


def group(name: str, code: str = "") -> tuple[SharedPodOperator, list[NodeOfPodOperator]]:
    """The task of a pod, and those of its nodes."""
    settings: dict[str, Any] = {
        "name": name,
        "namespace": "team",
        "image": "example.com/project:1",
        "startup_check_interval_seconds": 1,
    }
    pod = SharedPodOperator(
        task_id=name,
        cmds=["python", "-c", code.replace("$", "$$")],
        arguments=[f"--nodes={','.join(NODES)}"],
        termination_message_policy="FallbackToLogsOnError",
        **settings,
    )
    nodes = [
        NodeOfPodOperator(task_id=f"{name}-{node}", pod=pod, node=node, cmds=["true"], **settings)
        for node in NODES
    ]
    return pod, nodes


class Instance:
    """The task instance that the operators know: what other tasks are and have reported."""

    max_tries = 2
    try_number = 1
    start_date = datetime.now(timezone.utc)

    def __init__(self, operator: Any, states: dict[str, str], xcoms: dict[str, Any]) -> None:
        self.task = operator
        self.log_url = f"http://127.0.0.1/tasks/{operator.task_id}?try_number=1"
        self.states, self.xcoms = states, xcoms

    def get_task_states(self, _: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        """Of the run."""
        return dict.fromkeys(run_ids, self.states)

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep what a task reports, as JSON does."""
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, key: str, task_ids: str) -> Any:
        """Of the task of the pod."""
        return self.xcoms.get(key)


def context_with(operator: Any, states: dict[str, str], xcoms: dict[str, Any]) -> dict[str, Any]:
    """The context of a task."""
    context = context_of(operator)
    known = Instance(operator, states, xcoms)
    for name, value in vars(context["ti"]).items():
        if not hasattr(known, name):
            setattr(known, name, value)
    return {**context, "ti": known, "task_instance": known}


def read_nothing(manager: QuietPodManager, pod: Any, *_: Any, **__: Any) -> list[Any]:
    """Lose the connection to the log until the container has ended."""
    manager.await_container_completion(pod, "base", polling_time=0.1)
    return []


def delete_once_it_runs(operator: Any) -> None:
    """Delete the pod of a task when its second node has begun."""
    while operator.reports.get("b", {}).get("state") != "running":
        time.sleep(0.05)
    operator.client.delete_namespaced_pod(operator.pod.metadata.name, "team")


def run_pod(name: str, code: str, states: dict[str, str], fault: str) -> None:
    """Execute the task of a pod, and print its end."""
    operator, _ = group(name, code)
    xcoms: dict[str, Any] = {}
    context = context_with(operator, {f"{name}-{node}": s for node, s in states.items()}, xcoms)
    operator.reports = {}
    if fault == "delete":
        threading.Thread(target=delete_once_it_runs, args=(operator,), daemon=True).start()
    if fault == "worker":
        # The worker that has started this pod, for all nodes, is gone.
        before, _ = group(name, code)
        before.ti, before.left = context["ti"], list(NODES)
        before.get_or_create_pod(before.build_pod_request_obj(context), context)
    if fault == "connection":
        with mock.patch.object(QuietPodManager, "fetch_requested_container_logs", read_nothing):
            end = _end(lambda: operator.execute(context))
    else:
        end = _end(lambda: operator.execute(context))
    reports = {node: xcoms[f"{name}-{node}"] for node in NODES if f"{name}-{node}" in xcoms}
    _print(name, end, reports, operator.left)


def run_node(
    name: str,
    state: str | None,
    report: dict[str, Any],
    deferrable: bool,
    cleared: dict[str, int] | None = None,
) -> None:
    """Execute the task of a node of a pod that has begun long ago, and print its end."""
    pod, (operator, *_) = group("group")
    operator.seconds, operator.deferrable = 0, deferrable
    xcoms = {"progress": [1, 0], **({operator.task_id: report} if report else {})}
    context = context_with(operator, {pod.task_id: state} if state else {}, xcoms)
    if cleared is not None:
        # Its first 48 bits are the time, as in the ids that Airflow gives.
        context["ti"].id = UUID(int=int(time.time() * 1000) << 80)
        for key, value in cleared.items():
            setattr(context["dag_run" if key == "clear_number" else "ti"], key, value)
    end = _end(lambda: operator.execute(context))
    # A node that runs alone has a pod.
    _print(name, end, {}, ["alone"] if operator.pod else [])


def run_waits(name: str) -> None:
    """Execute the task of a node of a pod that waits for a worker; print when it looks again.

    The seconds are by the number of nodes before it in the pod.
    """
    pod, (operator, *_) = group("group")
    operator.deferrable = False
    seconds = {}
    for operator.position in (0, 50, 1000):
        context = context_with(operator, {pod.task_id: "queued"}, {})
        try:
            operator.execute(context)
        except AirflowRescheduleException as error:
            wait = error.reschedule_date - datetime.now(timezone.utc)
            seconds[operator.position] = round(wait.total_seconds())
    _print(name, ["", json.dumps(seconds)], {}, [])


def _end(act: Callable[[], object]) -> list[str]:
    try:
        act()
    except (AirflowException, AirflowRescheduleException, TaskDeferred) as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


def _print(name: str, end: list[str], reports: dict[str, Any], left: list[str]) -> None:
    sys.stdout.write(f"\nEND {json.dumps([name, end, reports, left])}\n")
    sys.stdout.flush()


def main() -> None:
    """Run every case."""
    logging.getLogger().setLevel(logging.INFO)
    cases = json.loads(sys.argv[1])
    for name, options in cases["pods"].items():
        run_pod(name, **options)
    for name, options in cases["nodes"].items():
        run_node(name, **options)
    run_waits("waits")


if __name__ == "__main__":
    main()
