"""The settings that the pods of a DAG share, and in which those of some nodes differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.tasks import TaskConfig
from kedro_airflow_k8s.plan.resources import memory_steps

SPEC = "spec"
"""The key of an entry for the fields of its pods' spec that differ from those of all pods."""


class OfAirflow(Enum):
    """Values of arguments that only Airflow knows, so that no text of the user's is one of them."""

    DEFERRABLE = "whether tasks are deferrable by default"
    DOUBLED = "what doubles the time before a repetition; its type differs between versions"


_METADATA = ("labels", "annotations")
_AIRFLOW_DEFAULTS: Mapping[str, Any] = {
    "retries": 0,
    "on_oom": [],
    "on_eviction": 0,
    "retry_delay": timedelta(minutes=5),
    "retry_exponential_backoff": False,
    "pool_slots": 1,
    "priority_weight": 1,
    "weight_rule": "downstream",
    "queue": "default",
    "deferrable": OfAirflow.DEFERRABLE,
    "poll_interval": 2,
    "on_finish_action": "delete_pod",
    "trigger_rule": "all_success",
}
"""What an entry says that takes a setting of all tasks back. Others are None."""


@dataclass(frozen=True)
class PodSettings:
    """The settings of pods and tasks.

    Attributes:
        common: The arguments of KubernetesPodOperator that all tasks share.
        trigger_rule: The rule of the tasks of nodes; None for Airflow's own.
        template: The metadata and spec of all pods, in Kubernetes' words.
        environment: The environment variables of all pods, as Airflow templates.
        resources: The arguments of the tasks of each entry of `run_config.resources`, by name.
            Under `SPEC` are the fields of the spec that differ from the template.
        variables: The environment variables that only pods of some entries have, by entry.
    """

    common: dict[str, Any]
    trigger_rule: str | None
    template: dict[str, Any]
    environment: dict[str, str]
    resources: dict[str, dict[str, Any]]
    variables: dict[str, dict[str, str]]


def plan_pod_settings(
    entries: Mapping[str, ResourcesConfig],
    manifests: Mapping[str, dict[str, Any]],
    environments: Mapping[str, dict[str, str]],
    cluster: Mapping[str, Any],
) -> PodSettings:
    """Return what all pods share, and how those of each entry differ.

    Args:
        entries: The settings of each entry, among them the default.
        manifests: The Pod of each entry.
        environments: The environment variables of each entry's pods.
        cluster: The arguments for the cluster of all pods.
    """
    pods = {name: _arguments_of(manifest) for name, manifest in manifests.items()}
    tasks = {name: task_arguments(entry) for name, entry in entries.items()}
    for name, entry in entries.items():
        steps = memory_steps(entry.on_oom, pods[name]["container_resources"], name)
        tasks[name] |= {"on_oom": steps} if steps else {}
    common = dict(tasks[RESOURCES_DEFAULT])
    images = {key: pods[RESOURCES_DEFAULT][key] for key in ("image", "image_pull_policy")}
    template = manifests[RESOURCES_DEFAULT]
    metadata = {
        key: _shared(pod["metadata"].get(key, {}) for pod in manifests.values())
        for key in _METADATA
    }
    spec = _rest_of(template["spec"])
    resources = {}
    for name in sorted(entries):
        labelled = manifests[name]["metadata"]
        own = {
            key: {k: v for k, v in labelled.get(key, {}).items() if k not in both}
            for key, both in metadata.items()
        }
        found = {**own, **pods[name], **_differing(tasks[name], common)}
        found = {k: v for k, v in found.items() if v != {} and (k, v) not in images.items()}
        other = _rest_of(manifests[name]["spec"])
        changed = {k: other.get(k) for k in (*spec, *other) if spec.get(k) != other.get(k)}
        resources[name] = {**found, **({SPEC: changed} if changed else {})}
    # Setups and teardowns have rules of their own.
    rule = common.pop("trigger_rule", None)
    environment = _shared(environments.values())
    variables = {
        name: {k: v for k, v in environments[name].items() if k not in environment}
        for name in sorted(entries)
    }
    return PodSettings(
        common={**images, **cluster, **common},
        trigger_rule=rule,
        template={
            "metadata": {key: values for key, values in metadata.items() if values},
            "spec": spec,
        },
        environment=environment,
        resources={name: found for name, found in resources.items() if found},
        variables={name: found for name, found in variables.items() if found},
    )


def task_arguments(task: TaskConfig) -> dict[str, Any]:
    """Return the arguments of KubernetesPodOperator for the settings of a task."""
    keep = "delete_succeeded_pod" if task.keep_failed_pods else None
    found = {
        "startup_timeout_seconds": task.startup_time,
        "schedule_timeout_seconds": task.schedule_timeout,
        "retries": task.retries,
        "on_eviction": task.on_eviction or None,
        "retry_delay": _time(task.retry_delay),
        "retry_exponential_backoff": OfAirflow.DOUBLED if task.retry_exponential_backoff else None,
        "max_retry_delay": _time(task.max_retry_delay),
        "execution_timeout": _time(task.execution_timeout),
        "pool": task.pool,
        "pool_slots": task.pool_slots,
        "priority_weight": task.priority_weight,
        "weight_rule": task.weight_rule,
        "queue": task.queue,
        "executor": task.executor,
        "max_active_tis_per_dag": task.max_active_tis_per_dag,
        "deferrable": None if task.deferrable == "default" else task.deferrable,
        "poll_interval": task.poll_interval,
        "on_finish_action": task.on_finish_action or keep,
        "trigger_rule": task.trigger_rule,
    }
    return {name: value for name, value in found.items() if value is not None}


def _time(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _differing(own: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an entry that differ from those of all tasks."""
    found = {name: own.get(name, _AIRFLOW_DEFAULTS.get(name)) for name in {**common, **own}}
    return {name: value for name, value in found.items() if value != common.get(name)}


def _arguments_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a Pod that are arguments of KubernetesPodOperator."""
    spec = manifest["spec"]
    base = spec["containers"][0]
    return {
        "image": base["image"],
        "image_pull_policy": base["imagePullPolicy"],
        "node_selector": spec.get("nodeSelector", {}),
        "tolerations": spec.get("tolerations", {}),
        "container_resources": base.get("resources", {}),
        # The operator's own default would go over that of the template.
        "termination_message_policy": base.get("terminationMessagePolicy", {}),
    }


def _rest_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Pod's spec without what are arguments of KubernetesPodOperator."""
    arguments = ("image", "imagePullPolicy", "resources", "terminationMessagePolicy")
    base, *others = spec["containers"]
    container = {key: value for key, value in base.items() if key not in arguments}
    rest = {k: v for k, v in spec.items() if k not in ("nodeSelector", "tolerations")}
    return {**rest, "containers": [container, *others]}


def _shared(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the entries that all mappings have, in the order of the first."""
    first, *others = mappings
    return {
        key: value
        for key, value in first.items()
        if all(other.get(key) == value for other in others)
    }
