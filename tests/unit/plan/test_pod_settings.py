"""What all pods and tasks of a DAG share, and in what those of some nodes differ."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.pod_settings import (
    SPEC,
    OfAirflow,
    PodSettings,
    plan_pod_settings,
)
from kedro_airflow_k8s.plan.pods import environment
from tests.support.strategies import config_of


def planned(text: str, *names: str) -> PodSettings:
    """The settings of a DAG whose nodes use these entries, besides the default."""
    run = config_of({"image": "a:1", "volume": {"disabled": True}, **yaml.safe_load(text)})
    of_run = run.run_config
    entries = {name: of_run.settings_of(name) for name in ("__default__", *names)}
    return plan_pod_settings(
        entries,
        {name: pod_manifest(entry, of_run, "owned", {}) for name, entry in entries.items()},
        {name: environment(entry, of_run, "owned") for name, entry in entries.items()},
        {"namespace": "kedro"},
    )


def test_an_entry_without_differences_is_not_in_the_dag_and_what_all_share_is_once() -> None:
    found = planned("{retries: 2, env_vars: {A: x}, labels: {a: b}, resources: {gpu: {}}}", "gpu")

    assert found.resources == found.variables == {}
    assert found.common["retries"] == 2
    assert found.common["image"] == "a:1"
    assert found.common["namespace"] == "kedro"
    assert found.environment["A"] == "x"
    assert found.template["metadata"]["labels"] == {"a": "b"}


def test_an_entry_has_only_what_differs() -> None:
    found = planned(
        """
        retries: 2
        labels: {team: a}
        env_vars: {A: x, B: x}
        priority_class_name: batch
        resources:
          gpu:
            image: b:1
            labels: {size: large}
            env_vars: {B: y, C: z}
            limits: {nvidia.com/gpu: 1}
            runtime_class_name: nvidia
            execution_timeout: 6h
        """,
        "gpu",
    )

    assert found.resources == {
        "gpu": {
            "labels": {"size": "large"},
            "image": "b:1",
            "container_resources": {"limits": {"nvidia.com/gpu": "1"}},
            "execution_timeout": timedelta(hours=6),
            SPEC: {"runtimeClassName": "nvidia"},
        }
    }
    assert found.variables == {"__default__": {"B": "x"}, "gpu": {"B": "y", "C": "z"}}
    assert found.environment["A"] == "x"
    assert "B" not in found.environment


def test_a_label_that_an_entry_changes_is_not_shared() -> None:
    found = planned("{labels: {a: x, b: x}, resources: {gpu: {labels: {a: y}}}}", "gpu")

    assert found.template["metadata"]["labels"] == {"b": "x"}
    assert found.resources == {
        "__default__": {"labels": {"a": "x"}},
        "gpu": {"labels": {"a": "y"}},
    }


@pytest.mark.parametrize(
    ("key", "value", "argument", "default"),
    [
        ("retries", "3", "retries", 0),
        ("on_eviction", "3", "on_eviction", 0),
        ("retry_delay", "1m", "retry_delay", timedelta(minutes=5)),
        ("retry_exponential_backoff", "true", "retry_exponential_backoff", False),
        ("max_retry_delay", "1h", "max_retry_delay", None),
        ("execution_timeout", "1h", "execution_timeout", None),
        ("schedule_timeout", "1h", "schedule_timeout_seconds", None),
        ("startup_time", "5", "startup_timeout_seconds", 600),
        ("pool", "gpus", "pool", None),
        ("pool_slots", "2", "pool_slots", 1),
        ("priority_weight", "5", "priority_weight", 1),
        ("weight_rule", "absolute", "weight_rule", "downstream"),
        ("queue", "fast", "queue", "default"),
        ("executor", "KubernetesExecutor", "executor", None),
        ("max_active_tis_per_dag", "1", "max_active_tis_per_dag", None),
        ("deferrable", "true", "deferrable", False),
        ("poll_interval", "9", "poll_interval", 2),
        ("on_finish_action", "keep_pod", "on_finish_action", "delete_pod"),
        ("keep_failed_pods", "true", "on_finish_action", "delete_pod"),
        ("trigger_rule", "none_failed", "trigger_rule", "all_success"),
    ],
)
def test_an_entry_takes_a_setting_of_all_tasks_back(
    key: str, value: str, argument: str, default: Any
) -> None:
    found = planned(f"{{{key}: {value}, resources: {{own: {{{key}: }}}}}}", "own")

    assert found.resources == {"own": {argument: default}}


def test_the_sizes_of_memory_to_try_are_those_of_each_entry() -> None:
    found = planned(
        """
        limits: {memory: 1Gi}
        on_oom: {up_to: 8Gi}
        resources:
          odd: {limits: {memory: 300M}, on_oom: {memory: x1.5, up_to: 700M}}
          none: {on_oom: }
        """,
        "odd",
        "none",
    )
    assert found.common["on_oom"] == ["2Gi", "4Gi", "8Gi"]
    # Rounded up to whole mebibytes: 450 MB, 675 MB, 700 MB.
    assert found.resources["odd"]["on_oom"] == ["430Mi", "644Mi", "668Mi"]
    assert found.resources["none"]["on_oom"] == []


def test_a_pod_that_has_all_the_memory_already_is_not_repeated() -> None:
    assert "on_oom" not in planned("{limits: {memory: 8Gi}, on_oom: {up_to: 8Gi}}").common


def test_a_request_of_memory_counts_where_there_is_no_limit() -> None:
    found = planned("{requests: {memory: 1Gi}, on_oom: {memory: x4, up_to: 4Gi}}")
    assert found.common["on_oom"] == ["4Gi"]


def test_more_memory_than_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match=r"resources\.__default__: on_oom needs a limit of memory"):
        planned("on_oom: {up_to: 8Gi}")


def test_an_entry_takes_a_field_of_the_pod_back() -> None:
    found = planned("{priority_class_name: a, resources: {own: {priority_class_name: }}}", "own")

    assert found.template["spec"]["priorityClassName"] == "a"
    assert found.resources == {"own": {SPEC: {"priorityClassName": None}}}


@pytest.mark.parametrize(
    ("key", "argument"), [("node_selectors: {a: b}", "node_selector"), ("limits: {cpu: 1}", "")]
)
def test_what_no_entry_takes_back_stays_with_each_entry(key: str, argument: str) -> None:
    name = argument or "container_resources"

    found = planned(f"{{{key}, resources: {{own: {{{key.partition(':')[0]}: }}}}}}", "own")

    assert set(found.resources) == {"__default__"}
    assert set(found.resources["__default__"]) == {name}


@pytest.mark.parametrize(("written", "common"), [("true", True), ("false", False)])
def test_the_dag_always_says_whether_tasks_are_deferrable(written: str, common: bool) -> None:
    assert planned(f"deferrable: {written}").common["deferrable"] is common
    assert planned("{}").common["deferrable"] is False


def test_only_the_word_default_leaves_it_to_airflow() -> None:
    assert "deferrable" not in planned("deferrable: default").common
    found = planned("{deferrable: true, resources: {own: {deferrable: default}}}", "own")
    assert found.resources == {"own": {"deferrable": OfAirflow.DEFERRABLE}}


def test_failed_pods_are_kept_by_the_name_that_airflow_has_for_it() -> None:
    assert planned("keep_failed_pods: true").common["on_finish_action"] == "delete_succeeded_pod"


def test_repetitions_with_growing_delays_are_marked_for_the_two_versions_of_airflow() -> None:
    assert planned("retry_exponential_backoff: true").common["retry_exponential_backoff"] == (
        OfAirflow.DOUBLED
    )


def test_the_rule_of_nodes_is_not_that_of_the_tasks_around_them() -> None:
    found = planned("trigger_rule: none_failed")

    assert found.trigger_rule == "none_failed"
    assert "trigger_rule" not in found.common


def test_where_messages_of_termination_come_from_is_an_argument_of_the_operator() -> None:
    base = "{name: base, terminationMessagePolicy: FallbackToLogsOnError}"
    pods = planned(f"pod: {{spec: {{containers: [{base}]}}}}")
    assert pods.resources["__default__"]["termination_message_policy"] == "FallbackToLogsOnError"
    assert "terminationMessagePolicy" not in pods.template["spec"]["containers"][0]


def test_a_pool_may_have_any_name() -> None:
    common = planned("{pool: doubled, queue: default_deferrable}").common
    assert (common["pool"], common["queue"]) == ("doubled", "default_deferrable")
    assert not any(isinstance(value, OfAirflow) for value in common.values())
