"""Keys of Airflow and Kubernetes that people write, and their names in `airflow-k8s.yaml`."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

_RUN = "run_config."
_VOLUME = "run_config.volume."

_NAMES: Mapping[str, str] = {
    # Airflow's DAG, and kedro-airflow's airflow.yml
    "cron": f"{_RUN}cron_expression",
    "schedule_interval": f"{_RUN}cron_expression",
    "timetable": f"{_RUN}cron_expression",
    "dag_id": f"{_RUN}run_name",
    "dag_display_name": f"{_RUN}display_name",
    "dag_name": f"{_RUN}run_name",
    "params": f"{_RUN}trigger_params",
    "concurrency": f"{_RUN}max_active_tasks",
    "max_active_runs_per_dag": f"{_RUN}max_active_runs",
    "max_active_tasks_per_dag": f"{_RUN}max_active_tasks",
    "run_timeout": f"{_RUN}dagrun_timeout",
    "fail_stop": f"{_RUN}fail_fast",
    "is_paused_upon_creation": f"{_RUN}paused",
    "last_day": f"{_RUN}end_date",
    **dict.fromkeys(
        (
            *("email", "emails", "email_on_failure", "email_on_retry", "callbacks", "sla"),
            *("on_failure_callback", "on_success_callback", "on_retry_callback", "deadline"),
            *("notifications", "notifier", "alerts", "slack"),
        ),
        f"{_RUN}notify",
    ),
    "backfill": f"{_RUN}catchup",
    "start_day": f"{_RUN}start_date",
    "time_zone": f"{_RUN}timezone",
    "group_by": f"{_RUN}grouping",
    "depends_on": f"{_RUN}external_dependencies",
    "external_task_sensors": f"{_RUN}external_dependencies",
    "dags_folder": "output",
    "airflow_host": "host",
    "airflow_url": "host",
    "base_url": "host",
    "webserver": "host",
    "auth": "airflow_auth",
    "tls": "airflow_tls",
    "ca_cert": "airflow_tls.ca_bundle",
    # KubernetesPodOperator
    "name": f"{_RUN}run_name",
    "env": f"{_RUN}env_vars",
    "env_from": f"{_RUN}secrets",
    "secret": f"{_RUN}secrets",
    "startup_timeout_seconds": f"{_RUN}startup_time",
    "container_resources": f"{_RUN}requests",
    "node_selector": f"{_RUN}node_selectors",
    "conn_id": f"{_RUN}kubernetes_conn_id",
    "kubernetes_connection": f"{_RUN}kubernetes_conn_id",
    # Kubernetes' Pod
    "requests": f"{_RUN}requests",
    "limits": f"{_RUN}limits",
    "labels": f"{_RUN}labels",
    "annotations": f"{_RUN}annotations",
    "tolerations": f"{_RUN}tolerations",
    "service_account": f"{_RUN}service_account_name",
    "taints": f"{_RUN}tolerations",
    "cpu": f"{_RUN}requests.cpu",
    "memory": f"{_RUN}requests.memory",
    "ephemeral_storage": f"{_RUN}requests.ephemeral-storage",
    "gpu": f"{_RUN}limits['nvidia.com/gpu']",
    "gpus": f"{_RUN}limits['nvidia.com/gpu']",
    "nvidia.com/gpu": f"{_RUN}limits['nvidia.com/gpu']",
    "configmaps": f"{_RUN}config_maps",
    "topology_spread_constraints": f"{_RUN}topology_spread",
    "priority_class": f"{_RUN}priority_class_name",
    "scheduler": f"{_RUN}scheduler_name",
    "runtime_class": f"{_RUN}runtime_class_name",
    "container_security_context": f"{_RUN}security_context",
    "seccomp_profile": f"{_RUN}security_context",
    "dns_policy": f"{_RUN}dns",
    "dns_config": f"{_RUN}dns",
    "containers": f"{_RUN}sidecars",
    "shm_size": f"{_RUN}shared_memory",
    "termination_grace_period_seconds": f"{_RUN}termination_grace_period",
    "active_deadline_seconds": f"{_RUN}active_deadline",
    **dict.fromkeys(
        (
            *("pod_template_file", "pod_template", "pod_template_dict", "full_pod_spec"),
            *("pod_spec", "host_network", "hostname", "ports", "enable_service_links"),
            *("share_process_namespace", "preemption_policy", "subdomain", "host_users"),
            *("host_pid", "host_ipc", "overhead", "resource_claims", "scheduling_gates"),
        ),
        f"{_RUN}pod",
    ),
    "kubernetes_pod_templates": f"{_RUN}resources",
    "is_delete_operator_pod": f"{_RUN}on_finish_action",
    "schedule_timeout_seconds": f"{_RUN}schedule_timeout",
    # Kubernetes' PersistentVolumeClaim
    "pvc": "run_config.volume",
    "persistent_volume_claim": "run_config.volume",
    "storage_class_name": f"{_VOLUME}storageclass",
    "storage": f"{_VOLUME}size",
    "fs_group": f"{_VOLUME}owner",
    "run_as_group": f"{_VOLUME}owner",
    "volume_mounts": f"{_RUN}volumes",
}
"""Path of our key, by another name."""

_BELOW: Mapping[str, Mapping[str, str]] = {
    "ExternalDependency": {
        "external_dag_id": "dag_id",
        "dag": "dag_id",
        "external_task_id": "task_id",
        "task": "task_id",
    },
    "SecretConfig": {
        "name": "secret",
        "secret_name": "secret",
        "secret_ref": "secret",
        "secret_key": "key",
        "env": "deploy_target",
        "mount_path": "deploy_target",
        "type": "deploy_type",
    },
    "ConfigMapConfig": {
        "name": "config_map",
        "config_map_ref": "config_map",
        "env": "deploy_target",
        "mount_path": "deploy_target",
        "type": "deploy_type",
    },
    # Kubernetes' resources of a container.
    "ResourcesConfig": {"resources": "requests"},
    "EmptyDir": {"size_limit": "size"},
    "EnvSource": {
        "value_from": "from_field",
        "field_ref": "from_field",
        "field_path": "from_field",
        "resource_field_ref": "from_resource",
        "resource": "from_resource",
        "variable": "from_airflow_variable",
        "airflow_variable": "from_airflow_variable",
        "from_variable": "from_airflow_variable",
    },
    "PodVolume": {
        "persistent_volume_claim": "claim",
        "pvc": "claim",
        "claim_name": "claim",
        "existing_claim": "claim",
        "path": "mount_path",
        "size": "empty_dir.size",
        "medium": "empty_dir.medium",
        "volume_claim_template": "ephemeral",
    },
    "SecurityContext": {
        "run_as_user": "pod.runAsUser",
        "run_as_group": "pod.runAsGroup",
        "run_as_non_root": "pod.runAsNonRoot",
        "fs_group": "pod.fsGroup",
        "supplemental_groups": "pod.supplementalGroups",
        "seccomp_profile": "pod.seccompProfile",
        "privileged": "container.privileged",
        "capabilities": "container.capabilities",
        "allow_privilege_escalation": "container.allowPrivilegeEscalation",
        "read_only_root_filesystem": "container.readOnlyRootFilesystem",
        "restricted": "profile",
    },
    "VolumeConfig": {
        "enabled": "disabled",
        "mode": "access_modes",
        "path": "mount_path",
        "group": "owner",
    },
    "NotifyConfig": {
        "event": "on",
        "events": "on",
        "when": "on",
        "type": "with",
        "notifier": "with",
        "channel": "with",
        "conn_id": "connection",
        "text": "message",
        "template": "message",
        "email": "to",
        "recipients": "to",
        "args": "arguments",
        "kwargs": "arguments",
    },
    "DateParam": {"param": "name", "parameter": "name", "key": "name", "date_format": "format"},
    "TriggerParam": {"param": "name", "parameter": "name", "key": "name", "help": "description"},
}
"""Our key in the same section, by the section's class and another name."""

_REASONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("default_args", "depends_on_past", "wait_for_downstream"),
            "max_consecutive_failed_dag_runs",
        ),
        "The DAG cannot have it: Airflow's settings for all DAGs apply.",
    ),
    **dict.fromkeys(
        ("liveness_probe", "readiness_probe", "image_pull_timeout"),
        "The pods cannot have it.",
    ),
    **dict.fromkeys(
        ("command", "commands", "cmds", "arguments", "args", "entrypoint"),
        "The pods run `kedro run`; the image decides in which environment.",
    ),
}
"""What holds instead, for a setting that no key of ours makes."""


def foreign_key_hint(key: str, section: str, fields: Container[str] = ()) -> str | None:
    """Return what to write, or to do, in place of a key of another program.

    Args:
        key: The unknown key.
        section: The class of the section that it stands in.
        fields: The keys of this section.
    """
    folded = _folded(key)
    found = _FOLDED_BELOW.get(section, {}).get(folded) or _FOLDED_NAMES.get(folded)
    if found and section != "RunConfig":
        # An entry or a pipeline has most keys of `run_config` itself.
        own = found.removeprefix(_RUN)
        found = own if re.split(r"\W", own)[0] in fields else found
    return f"Did you mean {found!r}?" if found else _FOLDED_REASONS.get(folded)


def entry_instead(key: str) -> str | None:
    """Return where a key belongs that stands in place of an entry's name below `resources`."""
    return _FOLDED_NAMES.get(_folded(key))


def _folded(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


_FOLDED_NAMES = {_folded(name): path for name, path in _NAMES.items()}
_FOLDED_REASONS = {_folded(name): reason for name, reason in _REASONS.items()}
_FOLDED_BELOW = {
    section: {_folded(name): key for name, key in keys.items()} for section, keys in _BELOW.items()
}
