"""Executes the operator of pods against the cluster of KUBECONFIG, sync and deferred.

A program, because Airflow requires its own process. Its argument is JSON: the arguments of the
operator by the name of the case, or the pod and its events as a cluster has recorded them. It
prints a line of JSON for each end: the case, whether it was deferred, the type of the exception and
its message; and one for each deferral: how many seconds after the first look come the next ones.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.exceptions import AirflowTaskTimeout
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from kubernetes.client import ApiClient, ApiException, V1ResourceRequirements

from kedro_airflow_k8s.dag.operators import kedro_pod
from kedro_airflow_k8s.dag.operators.deferred_pod import DeferredPodOperator
from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator
from kedro_airflow_k8s.dag.operators.repeated_pod import RepeatedPodOperator
from tests.airflow.sandbox.cluster.run_operators import context_of

OPERATORS: dict[bool, Any] = {False: DeferredPodOperator, True: RepeatedPodOperator}


def once_it_runs(operator: Any, task_id: str, times: int) -> None:
    """Delete or evict the pods of a task while they run, one after another."""
    done: set[str] = set()
    while len(done) < times:
        selector = f"task_id={task_id}"
        found = operator.client.list_namespaced_pod("team", label_selector=selector).items
        for pod in found:
            name = pod.metadata.name
            if pod.status.phase != "Running" or name in done:
                continue
            done.add(name)
            if task_id.startswith("delete"):
                operator.client.delete_namespaced_pod(name, "team")
            else:
                body = {"metadata": {"name": name}}
                operator.client.create_namespaced_pod_eviction(name, "team", body)
        time.sleep(0.1)


def execute(make: Callable[[], Any], method: str = "execute", **arguments: Any) -> None:
    """Run a task; after each deferral, as another worker does."""
    operator = make()
    try:
        getattr(operator, method)(context_of(operator), **arguments)
    except TaskDeferred as deferred:
        trigger: Any = deferred.trigger
        seconds = [trigger.startup_check_interval, trigger.poll_interval]
        sys.stdout.write(f"LOOKS {json.dumps([operator.task_id, *seconds])}\n")
        trigger.startup_check_interval, trigger.poll_interval = 1, 0.05
        event = asyncio.run(_first_event(trigger))
        execute(make, deferred.method_name, event=event, **(deferred.kwargs or {}))


async def _first_event(trigger: Any) -> Any:
    event = await anext(trigger.run())
    return event.payload


def _late(*_: object) -> None:
    raise AirflowTaskTimeout("Timeout")


def run(name: str, deferrable: bool, options: dict[str, Any]) -> None:
    """Execute an operator and print its end."""
    if "container_resources" in options:
        options["container_resources"] = V1ResourceRequirements(**options["container_resources"])
    deeds, timeout = options.pop("deeds", 0), options.pop("timeout", 0)
    patience = options.pop("patience", 0)
    task_id = f"{name}{'-deferred' if deferrable else ''}"
    operator = OPERATORS[bool({"on_oom", "on_eviction"} & options.keys())]

    others = {name: value for name, value in options.items() if name != "namespace"}

    def make() -> Any:
        made = operator(
            task_id=task_id,
            name=task_id,
            namespace=options.get("namespace", "team"),
            image="example.com/project:1",
            env_vars={"KEDRO_AIRFLOW_K8S_CONTRACT": "2", "TASK": task_id},
            startup_check_interval_seconds=1,
            deferrable=deferrable,
            execution_timeout=timedelta(seconds=timeout) if timeout else None,
            **{"termination_message_policy": "FallbackToLogsOnError", **others},
        )
        made.patience = patience
        return made

    threading.Thread(target=once_it_runs, args=(make(), task_id, deeds), daemon=True).start()
    if timeout and not deferrable:
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(timeout)
    _print_end(name, deferrable, lambda: execute(make))


def clean(name: str, recorded: dict[str, Any]) -> None:
    """Clean up after a pod of which a cluster has said something, and print the end."""
    api = ApiClient()

    def model(value: Any, kind: str) -> Any:
        return api.deserialize(SimpleNamespace(data=json.dumps(value)), kind)

    pod = {"metadata": {"name": name, "namespace": "team"}, **recorded.get("pod", {})}
    pod = {"spec": {"containers": [{"name": "base", "resources": {}}]}, "status": {}, **pod}
    pod["metadata"] = {"name": name, "namespace": "team", **pod["metadata"]}
    found = model(pod, "V1Pod")
    gone = model({**pod, "status": {"phase": "Running"}}, "V1Pod")
    events = model(recorded.get("events", []), "list[CoreV1Event]")

    def read_pod(_: Any) -> Any:
        if recorded.get("gone"):
            raise ApiException(status=404)
        return found

    operator = KedroPodOperator(task_id=name, name=name, image="example.com/project:1")
    operator.__dict__["client"] = mock.Mock()
    operator.__dict__["pod_manager"] = mock.Mock(
        read_pod=read_pod, read_pod_events=lambda _: SimpleNamespace(items=events)
    )
    before = gone if recorded.get("gone") else found
    version = SimpleNamespace(minor=recorded.get("minor", "34"))
    with mock.patch.object(kedro_pod, "VersionApi") as api_of_version:
        api_of_version.return_value.get_code.return_value = version
        _print_end(name, False, lambda: operator.cleanup(before, before))


def _print_end(name: str, deferrable: bool, act: Callable[[], object]) -> None:
    try:
        act()
    except (AirflowException, ApiException) as error:
        end = [type(error).__name__, str(error)]
    else:
        end = ["", ""]
    sys.stdout.write(f"END {json.dumps([name, deferrable, *end])}\n")
    sys.stdout.flush()


def main() -> None:
    """Run every case."""
    for name, options in json.loads(sys.argv[1]).items():
        if "recorded" in options:
            clean(name, options["recorded"])
            continue
        run(name, False, dict(options))
        run(name, True, dict(options))


if __name__ == "__main__":
    main()
