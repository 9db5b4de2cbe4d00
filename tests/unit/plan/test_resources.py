"""A task of several nodes gets a pod that is enough for each of them, or is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.tasks import OnOom
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.resources import CONTRADICTION_CODE, merge_resources

GPU = "nvidia.com/gpu"
REFUSED = object()
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def merged(**entries: Mapping[str, Any]) -> ResourcesConfig:
    """What nodes need together that ask for one of these entries each."""
    return merge_resources(
        {name: ResourcesConfig.model_validate(entry) for name, entry in entries.items()},
        {name: [f"node_{name}"] for name in entries},
    )


def refusal(entries: Mapping[str, Mapping[str, Any]], used_by: Mapping[str, list[str]]) -> str:
    known = {name: ResourcesConfig.model_validate(entry) for name, entry in entries.items()}
    with pytest.raises(PlanError) as caught:
        merge_resources(known, used_by)
    assert caught.value.code == CONTRADICTION_CODE == "resources-contradict"
    return str(caught.value)


VALUES: dict[str, tuple[Any, Any, Any]] = {
    # One value, another value, and what a task with both has; REFUSED: it cannot have both.
    "image": ("a:1", "b:1", REFUSED),
    "image_pull_policy": ("Always", "Never", REFUSED),
    "image_pull_secrets": (["a"], ["b"], ("a", "b")),
    "service_account_name": ("a", "b", REFUSED),
    "automount_service_account_token": (True, False, REFUSED),
    "env_vars": ({"A": "1"}, {"B": "2"}, {"A": "1", "B": "2"}),
    "secrets": ([{"secret": "a"}], [{"secret": "b"}], 2),
    "config_maps": ([{"config_map": "a"}], [{"config_map": "b"}], 2),
    "volumes": ({"a": {"empty_dir": {}}}, {"b": {"empty_dir": {}}}, 2),
    "shared_memory": ("1Gi", "2Gi", "2Gi"),
    "node_selectors": ({"a": "1"}, {"b": "1"}, {"a": "1", "b": "1"}),
    "labels": ({"a": "1"}, {"b": "1"}, {"a": "1", "b": "1"}),
    "annotations": ({"a": "1"}, {"b": "1"}, {"a": "1", "b": "1"}),
    "tolerations": ([{"key": "a"}], [{"key": "b"}], 2),
    "requests": ({"cpu": 1}, {"cpu": 2}, {"cpu": "2"}),
    "limits": ({"cpu": 1}, {"cpu": 2}, {"cpu": "2"}),
    "affinity": ({"podAffinity": {}}, {"nodeAffinity": {}}, REFUSED),
    "topology_spread": ([SPREAD], [{**SPREAD, "maxSkew": 2}], 2),
    "priority_class_name": ("a", "b", REFUSED),
    "scheduler_name": ("a", "b", REFUSED),
    "runtime_class_name": ("a", "b", REFUSED),
    "host_aliases": ([{"ip": "10.0.0.1"}], [{"ip": "10.0.0.2"}], 2),
    "dns": ({"searches": ["a"]}, {"searches": ["b"]}, REFUSED),
    "security_context": ("restricted", {"pod": {"runAsUser": 1}}, REFUSED),
    "init_containers": ([{"name": "a"}], [{"name": "b"}], 2),
    "sidecars": ([{"name": "a"}], [{"name": "b"}], 2),
    "termination_grace_period": (1, 60, 60),
    "active_deadline": (60, 120, 120),
    "pod": ({"spec": {"hostname": "a"}}, {"spec": {"hostname": "b"}}, REFUSED),
    "startup_time": (60, 700, 700),
    "schedule_timeout": (60, 120, 120),
    "on_oom": (
        {"memory": "x4", "up_to": "8Gi"},
        {"memory": "x1.5", "up_to": "64Gi"},
        OnOom(memory="x4", up_to="64Gi"),
    ),
    "on_eviction": (1, 3, 3),
    "retries": (1, 2, 2),
    "retry_delay": (60, 0, 60),
    "retry_exponential_backoff": (True, False, True),
    "max_retry_delay": (60, 120, 120),
    "execution_timeout": (60, 120, 120),
    "pool": ("a", "b", REFUSED),
    "pool_slots": (1, 2, 2),
    "priority_weight": (1, 2, 2),
    "weight_rule": ("upstream", "absolute", REFUSED),
    "queue": ("a", "b", REFUSED),
    "executor": ("a", "b", REFUSED),
    "max_active_tis_per_dag": (1, 2, 1),
    "deferrable": (True, "default", REFUSED),
    "poll_interval": (1, 2, 1),
    "on_finish_action": ("keep_pod", "delete_active_pod", REFUSED),
    "keep_failed_pods": (True, False, True),
    "trigger_rule": ("none_failed", "all_success", REFUSED),
}
ENDLESS = ("execution_timeout", "active_deadline", "limits")
"""Limits of a node. A task with a node that has no such limit has none."""


def test_every_part_of_an_entry_is_merged_or_refused_where_it_contradicts() -> None:
    assert VALUES.keys() == ResourcesConfig.model_fields.keys()


@pytest.mark.parametrize("key", VALUES)
def test_a_task_has_what_its_nodes_have_together_or_is_refused(key: str) -> None:
    one, other, both = VALUES[key]
    if both is REFUSED:
        text = refusal({"a": {key: one}, "b": {key: other}}, {"a": ["first"], "b": ["second"]})
        assert re.search(rf"^  {key} is .* in entry 'a' \(for 'first'\), but ", text, re.MULTILINE)
        assert "in entry 'b' (for 'second')" in text
        return
    found = getattr(merged(a={key: one}, b={key: other}), key)
    assert (len(found) if isinstance(both, int) and not isinstance(found, int) else found) == both


@pytest.mark.parametrize("key", [key for key in VALUES if key != "image_pull_policy"])
def test_what_one_node_does_not_set_is_as_the_other_has_it(key: str) -> None:
    value = VALUES[key][0]
    alone = getattr(ResourcesConfig.model_validate({key: value}), key)
    default = ResourcesConfig.model_fields[key].default

    found = getattr(merged(a={key: value}, b={}), key)

    if key in ENDLESS:
        assert not found
    elif key == "startup_time":
        assert found == default > alone
    else:
        assert found == alone


def test_mounts_that_meet_only_in_the_task_are_refused() -> None:
    entry = {"empty_dir": {}, "mount_path": "/scratch"}
    text = refusal(
        {"a": {"volumes": {"x": entry}}, "b": {"volumes": {"y": entry}}}, {"a": ["f"], "b": ["g"]}
    )
    assert "volumes.y.mount_path must differ from volumes.x.mount_path" in text


def test_of_each_request_and_limit_the_largest_is_taken_by_its_amount() -> None:
    found = merged(
        a={"requests": {"cpu": "900m", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "4G"}},
        b={"requests": {"cpu": "1", "memory": "500M"}, "limits": {"cpu": "1500m", "memory": "4Gi"}},
    )
    assert found.requests == {"cpu": "1", "memory": "2Gi"}
    assert found.limits == {"cpu": "1500m", "memory": "4Gi"}


def test_of_equal_amounts_the_spelling_of_the_first_entry_stays() -> None:
    small, large = {"requests": {"memory": "1024Mi"}}, {"requests": {"memory": "1Gi"}}
    assert merged(a=small, b=large).requests == {"memory": "1024Mi"}
    assert merged(b=small, a=large).requests == {"memory": "1Gi"}


def test_a_node_without_a_limit_leaves_the_task_without_it() -> None:
    found = merged(
        a={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
        b={"limits": {"cpu": "2"}},
    )
    assert found.limits == {"cpu": "2"}
    assert found.requests == {"cpu": "2", "memory": "1Gi"}


def test_a_limit_that_is_lost_stays_as_the_request_that_it_was() -> None:
    assert merged(a={"limits": {"memory": "8Gi"}}, b={"requests": {"memory": "1Gi"}}) == (
        ResourcesConfig(requests={"memory": "8Gi"})
    )


def test_a_request_that_kubernetes_takes_from_the_limit_is_not_written() -> None:
    both = {"a": {"limits": {"memory": "8Gi"}}, "b": {"limits": {"memory": "1Gi"}}}
    assert merged(**both) == ResourcesConfig(limits={"memory": "8Gi"})


def test_a_request_is_not_smaller_than_the_limit_of_a_node_that_requests_just_that() -> None:
    found = merged(a={"limits": {"cpu": "4"}}, b={"limits": {"cpu": "8"}, "requests": {"cpu": "1"}})
    assert (found.requests, found.limits) == ({"cpu": "4"}, {"cpu": "8"})


@pytest.mark.parametrize("resource", [GPU, "hugepages-2Mi"])
def test_a_device_keeps_its_limit_beside_nodes_that_need_none(resource: str) -> None:
    """Kubernetes refuses a pod that requests one without a limit, or with another limit."""
    one, two = {"limits": {resource: "1"}}, {"limits": {resource: "2"}, "requests": {resource: "2"}}
    assert merged(a=one, b={}) == ResourcesConfig(limits={resource: "1"})
    assert merged(a=one, b=two) == ResourcesConfig(limits={resource: "2"}, requests={resource: "2"})
    assert merged(a={"requests": {resource: "2"}}, b=one) == (
        ResourcesConfig(limits={resource: "2"}, requests={resource: "2"})
    )


def test_a_node_whose_entry_is_not_configured_asks_for_nothing() -> None:
    """So it is for nodes without a tag, where there is no entry `__default__`."""
    big = ResourcesConfig(requests={"cpu": "4"}, limits={"cpu": "8"}, labels={"a": "b"})
    found = merge_resources({"big": big}, {"__default__": ["x"], "big": ["y"]})
    assert found == ResourcesConfig(requests={"cpu": "4"}, labels={"a": "b"})


def test_entries_that_no_node_of_the_task_asks_for_do_not_count() -> None:
    entries = {name: ResourcesConfig(labels={"size": name}) for name in ("big", "small")}
    assert merge_resources(entries, {"big": ["x", "y"]}) == entries["big"]


def test_labels_annotations_and_selectors_are_united() -> None:
    found = merged(
        a={"labels": {"team": "x"}, "node_selectors": {"disk": "ssd"}, "annotations": {"n": "1"}},
        b={"labels": {"team": "x", "cost": "y"}, "node_selectors": {"zone": "z"}},
    )
    assert found == ResourcesConfig(
        labels={"team": "x", "cost": "y"},
        node_selectors={"disk": "ssd", "zone": "z"},
        annotations={"n": "1"},
    )


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("labels", "label"),
        ("annotations", "annotation"),
        ("node_selectors", "node selector"),
    ],
)
def test_two_values_for_a_key_are_refused_with_entries_and_nodes(kind: str, word: str) -> None:
    message = refusal(
        {"big": {kind: {"pool": "large"}}, "small": {kind: {"pool": "tiny", "other": "same"}}},
        {"small": ["clean"], "big": ["train", "score"]},
    )
    assert (
        f"  {word} 'pool' is 'large' in entry 'big' (for 'train', 'score'),"
        " but 'tiny' in entry 'small' (for 'clean')\n" in message
    )
    assert "'other'" not in message
    assert "Use the same value" in message
    assert "different tasks" in message


def test_all_contradictions_are_reported_at_once_and_of_many_nodes_some() -> None:
    message = refusal(
        {
            "a": {"labels": {"x": "1", "y": "1"}, "node_selectors": {"z": "1"}},
            "b": {"labels": {"x": "2", "y": "1"}, "node_selectors": {"z": "2"}},
        },
        {"a": [f"n{number}" for number in range(9)], "b": ["m"]},
    )
    assert "label 'x'" in message
    assert "label 'y'" not in message
    assert "node selector 'z'" in message
    assert (
        "(for 'n0', 'n1', 'n2', 'n3', 'n4' and 4 more (all with the tag 'resources.a'))" in message
    )


def test_a_toleration_that_several_entries_have_is_there_once() -> None:
    gpu = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    spot = {"key": "spot", "value": "yes"}
    found = merged(
        a={"tolerations": [gpu]}, b={"tolerations": [spot, gpu, {**spot, "operator": "Equal"}]}
    )
    entry = ResourcesConfig.model_validate({"tolerations": [gpu, spot]})
    assert found.tolerations == entry.tolerations


def test_of_tolerations_that_differ_in_time_the_longest_is_enough_for_all() -> None:
    def lasting(seconds: int | None) -> dict[str, Any]:
        toleration = {"key": "k", "operator": "Exists", "effect": "NoExecute"}
        return {"tolerations": [{**toleration, "toleration_seconds": seconds}]}

    def seconds(*given: int | None) -> list[int | None]:
        found = merged(**{f"e{index}": lasting(value) for index, value in enumerate(given)})
        return [toleration.toleration_seconds for toleration in found.tolerations]

    assert seconds(60, 300, 5) == [300]
    assert seconds(60, None, 5) == [None]
    assert seconds(None, 60) == [None]


QUANTITIES = st.sampled_from(["0", "1", "1000m", "2", "1Ki", "1024", "1e3", "1.5Gi", "1536Mi"])
SHARED = ("cpu", "memory", "ephemeral-storage")


@st.composite
def sound_entries(draw: st.DrawFn) -> dict[str, dict[str, dict[str, str]]]:
    """Entries whose requests do not exceed their limits."""
    entries = {}
    for name in draw(st.sets(st.sampled_from("abcd"), min_size=1)):
        requests = draw(st.dictionaries(st.sampled_from(SHARED), QUANTITIES))
        limits = draw(st.dictionaries(st.sampled_from(SHARED), QUANTITIES))
        for resource in limits.keys() & requests.keys():
            pair = sorted((limits[resource], requests[resource]), key=parse_quantity)
            requests[resource], limits[resource] = pair
        devices = draw(st.sampled_from(["", "1", "2", "4"]))
        if devices:
            limits[GPU] = devices
            if draw(st.booleans()):
                requests[GPU] = devices
        entries[name] = {"requests": requests, "limits": limits}
    return entries


def as_kubernetes_reads(entry: Mapping[str, Mapping[str, str]], resource: str) -> tuple[Any, Any]:
    """Request and limit as numbers; a limit replaces a missing request."""
    limits = {name: parse_quantity(text) for name, text in entry["limits"].items()}
    requests = {name: parse_quantity(text) for name, text in entry["requests"].items()}
    return {**limits, **requests}.get(resource), limits.get(resource)


@given(sound_entries())
def test_the_pod_is_enough_for_every_node_and_kubernetes_takes_it(
    entries: dict[str, dict[str, dict[str, str]]],
) -> None:
    found = merged(**entries)
    task = {"requests": found.requests, "limits": found.limits}
    for resource in (*SHARED, GPU):
        request, limit = as_kubernetes_reads(task, resource)
        asked = [as_kubernetes_reads(entry, resource) for entry in entries.values()]
        wanted = [amount for amount, _ in asked if amount is not None]
        assert request == max(wanted, default=None)
        if resource == GPU:
            assert limit == request
        elif any(amount is None for _, amount in asked):
            assert limit is None
        else:
            assert limit == max(amount for _, amount in asked)
            assert request <= limit


@given(sound_entries())
def test_the_order_of_the_entries_does_not_matter_and_one_alone_is_itself(
    entries: dict[str, dict[str, dict[str, str]]],
) -> None:
    found = merged(**entries)
    assert merged(**dict(reversed(entries.items()))).model_dump_json() == found.model_dump_json()
    assert merged(only=found.model_dump()) == found
