"""Faults on a real cluster: each run ends with the reason, and leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.project import GATE
from tests.cluster.runs import Airflow, Done

NO_IMAGE = "registry.example.com/not-there:1.0"
OPEN_GATE = f"open('{GATE}', 'w').close()"


def has_had_a_volume_that_is_gone(airflow: Airflow, done: Done) -> bool:
    """Whether the volume of an ended run was there, and the teardown has deleted it."""
    namespace = airflow.namespace
    assert airflow.states(done.dag_id, done.run_id)["delete_volume"] == "success"
    name = namespace.claim(done.run_id).metadata.name
    namespace.claims.wait_for(lambda: name not in namespace.claims.there(), f"{name} deleted")
    return True


def test_a_node_that_fails_fails_the_run_which_shows_its_log(airflow: Airflow) -> None:
    done = airflow.run("try_failure").failed(
        "fail failed: ValueError: there are no [bold] plums",
        "Log of fail",
        "ValueError: there are no [bold] plums among ['apples', 'pears']",
    )

    states = airflow.states("try_failure", done.run_id)
    assert (states["fail"], states["pack"]) == ("failed", "upstream_failed")
    assert not airflow.namespace.task_pods(done.run_id, "pack")
    assert has_had_a_volume_that_is_gone(airflow, done)


def test_a_node_that_takes_too_much_memory_is_said_to_be_oom_killed(airflow: Airflow) -> None:
    done = airflow.run("try_memory").failed("hungry failed: OOMKilled: The container ran out")

    (pod,) = airflow.namespace.task_pods(done.run_id, "hungry")
    end = airflow.namespace.wait_for_end(pod.metadata.name)
    assert (end.reason, end.exit_code) == ("OOMKilled", 137)
    assert has_had_a_volume_that_is_gone(airflow, done)


def test_an_image_that_cannot_be_pulled_fails_the_run_with_the_reason_before_the_startup_time(
    airflow: Airflow,
) -> None:
    done = airflow.run("try_failure", image=NO_IMAGE).failed(
        "data_volume_init failed: ", "Pull", NO_IMAGE
    )

    (pod,) = airflow.namespace.task_pods(done.run_id, "data_volume_init")
    lived = pod.metadata.deletion_timestamp - pod.metadata.creation_timestamp
    assert lived.total_seconds() < airflow.settings["run_config"]["startup_time"]
    assert has_had_a_volume_that_is_gone(airflow, done)


def test_the_pod_of_a_failed_task_stays_if_wanted(airflow: Airflow) -> None:
    namespace = airflow.namespace
    done = airflow.run("try_failure", keep_failed_pods=True).failed("fail failed: ")
    airflow.wait_for_end(done)
    (pod,) = namespace.task_pods(done.run_id, "fail")
    try:
        namespace.pods.wait_for(lambda: namespace.pods.there() == [pod.metadata.name], "one pod")
        log = namespace.core.read_namespaced_pod_log(pod.metadata.name, namespace.name)
        assert "ValueError: there are no [bold] plums" in log
    finally:
        namespace.core.delete_namespaced_pod(pod.metadata.name, namespace.name)


@pytest.mark.parametrize("how", ["by Ctrl-C", "in Airflow"])
def test_the_pod_of_a_task_that_airflow_kills_stops_within_5_seconds_after_kedros_error_hooks(
    airflow: Airflow, how: str
) -> None:
    with airflow.start("try_volume", "--cancel-on-interrupt") as running:
        pod = airflow.watched_at_the_gate(running)
        log = airflow.namespace.log(pod)
        if how == "by Ctrl-C":
            running.interrupt()
        else:
            airflow.client().mark_task("try_volume", str(running.run_id()), "hold", "failed")
        done = running.end()
    said = log.read().decode()
    end = airflow.namespace.wait_for_end(pod)
    airflow.wait_for_end(done)

    metadata = airflow.namespace.pods.last(pod).metadata
    # Kubernetes sets the moment at which the pod has to be gone: so much after the request.
    requested = metadata.deletion_timestamp.timestamp() - metadata.deletion_grace_period_seconds
    # Both are whole seconds, cut off.
    assert end.at.timestamp() - requested <= 5
    assert end.exit_code in (1, None)
    assert "on_pipeline_error: TaskTerminated" in said
    assert done.code == (130 if how == "by Ctrl-C" else 1), done.text
    assert airflow.client().run("try_volume", done.run_id).state.value == "failed"
    assert not airflow.namespace.task_pods(done.run_id, "report")
    assert has_had_a_volume_that_is_gone(airflow, done)


def test_a_run_goes_on_when_the_api_server_is_restarted_in_the_middle(
    airflow: Airflow, cluster: Cluster
) -> None:
    namespace = airflow.namespace
    try:
        cluster.restart_command()
    except LookupError as error:
        pytest.skip(str(error))
    with airflow.start("try_volume") as running:
        pod = airflow.watched_at_the_gate(running)
        cluster.restart_api_server()
        # The node has not noticed.
        namespace.run_in(pod, OPEN_GATE)
        done = running.end().succeeded()

    assert {*airflow.states("try_volume", done.run_id).values()} == {"success"}
    # No task was tried again in a pod of its own.
    for task in ("count", "hold", "report"):
        assert len(namespace.task_pods(done.run_id, task)) == 1
    assert has_had_a_volume_that_is_gone(airflow, done)
