"""Causes on a real cluster: what the error of the task says, and what the run does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes import client

from tests.cluster.project import AT_THE_GATE, GATE
from tests.cluster.runs import Airflow

QUOTA = "small"


def error_of(airflow: Airflow, dag_id: str, run_id: str, task_id: str) -> str:
    """The last line of a task's log that is an exception of Airflow."""
    lines = airflow.log(dag_id, run_id, task_id).splitlines()
    return next(line for line in reversed(lines) if "Exception: " in line)


def memory_of(pods: list[Any]) -> list[tuple[str, str]]:
    """The request and the limit of memory of each pod."""
    resources = [pod.spec.containers[0].resources for pod in pods]
    return [(each.requests["memory"], each.limits["memory"]) for each in resources]


@contextmanager
def quota(airflow: Airflow, **hard: str) -> Iterator[None]:
    """A quota of the namespace, for a while."""
    core, name = airflow.namespace.core, airflow.namespace.name
    spec = client.V1ResourceQuotaSpec(hard=hard)
    body = client.V1ResourceQuota(metadata=client.V1ObjectMeta(name=QUOTA), spec=spec)
    core.create_namespaced_resource_quota(name, body)
    try:
        yield
    finally:
        core.delete_namespaced_resource_quota(QUOTA, name)


def test_the_error_of_an_exception_has_its_node_and_its_place(airflow: Airflow) -> None:
    done = airflow.run("try_failure").failed("fail failed: ValueError")

    error = error_of(airflow, "try_failure", done.run_id, "fail")
    assert (
        "ValueError: there are no [bold] plums among ['apples', 'pears'] (node fail,"
        " src/spaceflights/pipelines/try_failure/__init__.py:"
    ) in error


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_pod_gets_more_memory_in_the_same_attempt_up_to_the_most(
    airflow: Airflow, deferrable: bool
) -> None:
    more_memory = {"memory": "x1.5", "up_to": "400Mi"}
    # The pods end within seconds, see the limitation of deferrable tasks.
    tiny = {"on_oom": more_memory, "deferrable": deferrable, "poll_interval": 10}
    done = airflow.run("try_memory", resources={"tiny": tiny}).failed("hungry failed: OOMKilled: ")

    error = error_of(airflow, "try_memory", done.run_id, "hungry")
    assert error.endswith("OOMKilled: The container ran out of memory. Its limit is 400Mi.")
    first, *more = memory_of(airflow.namespace.task_pods(done.run_id, "hungry"))
    assert more
    assert more[-1] == ("400Mi", "400Mi")
    assert all(request == limit for request, limit in more)
    assert first not in more


def test_a_pod_that_no_machine_has_room_for_says_so(airflow: Airflow) -> None:
    huge = {"__default__": {"requests": {"memory": "9000Gi"}, "limits": {"memory": "9000Gi"}}}
    # `validate` knows that no machine has so much for one pod.
    done = airflow.run("try_failure", "--no-checks", resources=huge, schedule_timeout=5).failed(
        "data_volume_init failed: Unschedulable: 0/"
    )
    error = error_of(airflow, "try_failure", done.run_id, "data_volume_init")
    assert "Insufficient memory" in error


def test_an_image_that_cannot_be_pulled_says_so(airflow: Airflow) -> None:
    image = "registry.example.com/not-there:1.0"
    airflow.run("try_failure", image=image).failed("data_volume_init failed: Err", "Pull")


def test_a_quota_that_stays_exceeded_is_the_cause(airflow: Airflow) -> None:
    with quota(airflow, pods="0"):
        airflow.run("try_failure", schedule_timeout=5).failed(
            "data_volume_init failed: QuotaExceeded: ", f"exceeded quota: {QUOTA}"
        )


def test_a_quota_that_is_free_again_is_waited_for(airflow: Airflow) -> None:
    with airflow.start("try_failure", schedule_timeout=120) as running:
        with quota(airflow, pods="0"):
            airflow.namespace.claims.wait_for(
                airflow.namespace.claims.there, "the volume", running.check
            )
        done = running.end().failed("fail failed: ValueError")
    assert len(airflow.namespace.task_pods(done.run_id, "fail")) == 1


def test_a_pod_that_is_evicted_once_is_repeated_without_a_retry(airflow: Airflow) -> None:
    with airflow.start("try_volume", on_eviction=2) as running:
        pod = airflow.watched_at_the_gate(running)
        namespace = airflow.namespace
        # As a drain does it, in the words of servers before 1.22 as well.
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": pod}}
        namespace.core.create_namespaced_pod_eviction(pod, namespace.name, body)
        namespace.pods.wait_for(
            lambda: len(namespace.task_pods(running.run_id(), "hold")) == 2,
            "another pod",
            running.check,
        )
        again = namespace.task_pods(running.run_id(), "hold")[1].metadata.name
        namespace.wait_for_log(again, AT_THE_GATE)
        namespace.run_in(again, f"open('{GATE}', 'w').close()")
        done = running.end().succeeded()
    assert {*airflow.states("try_volume", done.run_id).values()} == {"success"}
