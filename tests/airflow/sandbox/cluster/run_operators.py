"""Executes KubernetesPodOperator against the cluster of KUBECONFIG, without a scheduler.

A program, because Airflow requires its own process. Prints one line per case: `CASE name result`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.common.compat.sdk import AirflowException, TaskDeferred
from kubernetes.client import ApiException, V1EnvFromSource, V1SecretEnvSource


def context_of(operator: Any) -> dict[str, Any]:
    """As much of a task's context as the operator reads."""
    run = SimpleNamespace(
        dag_id="demo", run_id="manual__1", logical_date=None, clear_number=0, conf={}
    )
    instance = SimpleNamespace(
        dag_id=run.dag_id,
        task_id=operator.task_id,
        run_id=run.run_id,
        dag_run=run,
        execution_date=None,
        try_number=1,
        start_date=datetime.now(timezone.utc),
        map_index=-1,
        xcom_push=lambda *_, **__: None,
        xcom_pull=lambda **_: None,
    )
    return {
        "ti": instance,
        "task_instance": instance,
        "dag_run": run,
        "run_id": run.run_id,
        "task": operator,
        "dag": SimpleNamespace(dag_id=run.dag_id, is_subdag=False),
        "params": {},
    }


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "spec": {
        "initContainers": [
            {
                "name": "proxy",
                "image": "example.com/project:1",
                "command": ["sh", "-c", "touch /shared/ready; sleep 1000"],
                "restartPolicy": "Always",
                "startupProbe": {"exec": {"command": ["ls", "/shared/ready"]}},
                "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
            }
        ],
        "containers": [
            {
                "name": "base",
                "env": [
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}
                ],
                "resources": {"limits": {"cpu": "1500m"}},
                "volumeMounts": [{"name": "shared", "mountPath": "/dev/shm"}],
            }
        ],
        "volumes": [{"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}],
    },
}
"""A pod with a sidecar, shared memory and a variable of its resources."""


async def _first_event(trigger: Any) -> Any:
    event = await anext(trigger.run())
    return event.payload


def execute(operator: Any) -> None:
    """Run the operator, and its trigger if it defers, as worker and triggerer do."""
    context = context_of(operator)
    try:
        operator.execute(context)
    except TaskDeferred as deferred:
        event = asyncio.run(_first_event(deferred.trigger))
        resume = getattr(operator, deferred.method_name)
        resume(context, event=event, **(deferred.kwargs or {}))


def kill_once_it_runs(operator: Any) -> None:
    """Kill the operator's pod as soon as there is one, as Airflow does when a task is cleared."""
    ended = threading.Event()

    def kill() -> None:
        while operator.pod is None and not ended.wait(0.01):
            pass
        operator.on_kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        execute(operator)
    finally:
        ended.set()
        killer.join()


def main() -> None:
    """Run every case."""
    cases: dict[str, dict[str, Any]] = {
        "success": {"arguments": ["echo", "out of the pod"]},
        "failure": {"cmds": ["sh", "-c", "echo on the way; exit 3"], "log_events_on_failure": True},
        "kept": {"cmds": ["false"], "on_finish_action": "keep_pod"},
        "silent": {"arguments": ["true"], "get_logs": False},
        "deferred": {"arguments": ["echo", "deferred"], "deferrable": True},
        "deferred-failure": {"arguments": ["false"], "deferrable": True},
        "sidecar": {
            "cmds": ["sh", "-c", "ls $$0; echo $$CPU CPUs", "/dev/shm"],
            "pod_template_dict": POD,
        },
        "deferred-sidecar": {"cmds": ["true"], "pod_template_dict": POD, "deferrable": True},
        "pending": {
            "arguments": ["true"],
            "env_from": [V1EnvFromSource(secret_ref=V1SecretEnvSource(name="missing"))],
            "startup_timeout_seconds": 2,
        },
        "killed": {"arguments": ["sleep", "1000"], "get_logs": False},
    }
    for name, options in cases.items():
        operator = KubernetesPodOperator(
            task_id=name,
            name=name,
            namespace="team",
            image="example.com/project:1",
            labels={"case": name},
            base_container_status_polling_interval=0.05,
            poll_interval=0.05,
            **options,
        )
        try:
            (kill_once_it_runs if name == "killed" else execute)(operator)
        except (AirflowException, ApiException) as error:
            result = f"failed {str(error).splitlines()[0]}"
        else:
            result = "succeeded"
        sys.stdout.write(f"CASE {name} {result}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
