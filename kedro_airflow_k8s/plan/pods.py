"""The settings of pods and volume in `run_config`, as Kubernetes manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import RUN_LABEL, TASK_ANNOTATION
from kedro_airflow_k8s.config.pods import ResourcesConfig, SecretConfig
from kedro_airflow_k8s.plan.params import params_template
from kedro_airflow_k8s.pod.environment import (
    CONTRACT,
    CONTRACT_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
    PARAMS_VARIABLE,
    TASK_VARIABLE,
)

TASK_ID = "{{ ti.task_id }}"

DATA_VOLUME = "data"
"""The name of the run's volume in its pods."""

VOLUME_STORE = ".kedro-airflow-k8s"
"""The folder for intermediate data on the volume of a run."""

EMPTY: Mapping[str, str] = {}

LOG_COLUMNS = "220"
"""Without a terminal, Kedro's logger wraps lines at 80 columns, which are hard to search."""


def container_argument(text: str) -> str:
    """Escape a text for Airflow's Jinja and for the kubelet, so that a container gets it unchanged.

    The kubelet replaces `$(NAME)` by an environment variable, and `$$` by a dollar sign.
    """
    return untemplated(text.replace("$", "$$"))


def untemplated(text: str) -> str:
    """Escape a text so that Airflow's Jinja renders it unchanged.

    Jinja normalizes line ends, drops the last one, and reads escapes in a string as Python does.
    So an emoji must not have JSON's escape, which Python reads as two characters.
    """
    if re.search(r"\{[{%#]|\r|\n\Z", text):
        return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"
    return text


def run_objects_name(dag_id: str) -> str:
    """Return the name of the run resources: readable, a DNS label, and unique for every run.

    It is an Airflow template. The first part is the beginning of the DAG id.
    """
    readable = re.sub(r"[^a-z0-9]+", "-", dag_id.lower()).strip("-")[:40].rstrip("-")
    run = "macros.uuid.uuid5(macros.uuid.NAMESPACE_OID, dag.dag_id ~ '/' ~ run_id)"
    return f"{readable or 'dag'}-{{{{ {run}.hex[:12] }}}}"


def pod_template(run: RunConfig, owned: str, metadata: Mapping[str, Any] = EMPTY) -> dict[str, Any]:
    """Return the settings that all pods share as a Kubernetes Pod, without `environment`.

    It has the volume of the run. Each task sets where that is mounted.

    Args:
        run: The configuration.
        owned: The name of the run resources, as an Airflow template.
        metadata: The labels and annotations of all pods, as `common_metadata` returns them.
    """
    container: dict[str, Any] = {"name": "base"}
    secrets = _secret_variables(run)
    if secrets:
        container["env"] = [{"name": name, "valueFrom": s} for name, s in secrets.items()]
    whole = [secret for secret in run.secrets if secret.deploy_type == "env" and not secret.key]
    if whole:
        container["envFrom"] = [{"secretRef": {"name": secret.secret}} for secret in whole]
    mounts: list[dict[str, Any]] = []
    volumes: list[dict[str, Any]] = []
    spec: dict[str, Any] = {"containers": [container]}
    for index, secret in enumerate(s for s in run.secrets if s.deploy_type == "volume"):
        name = f"secret-{index}"
        path = untemplated(str(secret.deploy_target))
        mounts.append({"name": name, "mountPath": path, "readOnly": True})
        volumes.append({"name": name, "secret": _secret_source(secret)})
    if not run.volume.disabled:
        volumes.append({"name": DATA_VOLUME, "persistentVolumeClaim": {"claimName": owned}})
        spec["securityContext"] = {"fsGroup": run.volume.owner}
    labels = dict(metadata.get("labels", EMPTY))
    annotations = {TASK_ANNOTATION: TASK_ID, **metadata.get("annotations", EMPTY)}
    if run.volume.keeps_pods_together:
        labels[RUN_LABEL] = owned
        spec["affinity"] = {"podAffinity": _beside_the_run(owned)}
    if mounts:
        container["volumeMounts"] = mounts
    if volumes:
        spec["volumes"] = volumes
    if run.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in run.image_pull_secrets]
    if run.service_account_name:
        spec["serviceAccountName"] = run.service_account_name
    shown = {"annotations": annotations, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": shown, "spec": spec}


def common_metadata(
    resources: Mapping[str, dict[str, Any]],
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Move the labels and annotations that all entries share to one place.

    Args:
        resources: The arguments of KubernetesPodOperator for each entry of `run_config.resources`.

    Returns:
        The shared labels and annotations, and the entries without them.
    """
    entries = list(resources.values()) or [{}]
    common = {
        key: dict(set.intersection(*(set(e.get(key, EMPTY).items()) for e in entries)))
        for key in ("labels", "annotations")
    }
    ordered = {key: dict(sorted(values.items())) for key, values in common.items()}
    rest = {}
    for name, entry in resources.items():
        left = {
            key: {k: v for k, v in value.items() if k not in ordered[key]}
            if key in ordered
            else value
            for key, value in entry.items()
        }
        rest[name] = {key: value for key, value in left.items() if value}
    return ordered, rest


def store_root(run: RunConfig, owned: str) -> str | None:
    """Return where a run stores intermediate data, as a template; None if it does not."""
    if run.intermediate_data is not None:
        return f"{run.intermediate_data}/{owned}"
    if run.volume.disabled:
        return None
    return container_argument(f"{run.volume.mount_path}/{VOLUME_STORE}")


def claim(run: RunConfig, owned: str) -> dict[str, Any] | None:
    """Return the PersistentVolumeClaim of each run; None if volumes are disabled."""
    volume = run.volume
    if volume.disabled:
        return None
    spec: dict[str, Any] = {
        "accessModes": list(volume.access_modes),
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storageclass is not None:
        spec["storageClassName"] = volume.storageclass
    labels = {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": owned, "labels": labels},
        "spec": spec,
    }


def _beside_the_run(owned: str) -> dict[str, Any]:
    """Return the pod affinity that keeps the pods of a run on the machine of its first pod.

    Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
    """
    term = {
        "labelSelector": {"matchLabels": {RUN_LABEL: owned}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def resource_arguments(resources: ResourcesConfig) -> dict[str, Any]:
    """Return the arguments of KubernetesPodOperator for an entry of `run_config.resources`.

    Tolerations and resources have the keys of the Python client's models.
    """
    amounts = {
        kind: dict(values)
        for kind, values in (("requests", resources.requests), ("limits", resources.limits))
        if values
    }
    arguments = {
        "labels": _untemplated(resources.labels),
        "annotations": _untemplated(resources.annotations),
        "node_selector": _untemplated(resources.node_selectors),
        "tolerations": [t.model_dump(exclude_none=True) for t in resources.tolerations],
        "container_resources": amounts,
    }
    return {name: value for name, value in arguments.items() if value}


def _untemplated(values: Mapping[str, str]) -> dict[str, str]:
    return {name: untemplated(value) for name, value in values.items()}


def environment(
    run: RunConfig,
    owned: str,
    variables: Mapping[str, str] = EMPTY,
    templates: Mapping[str, str] = EMPTY,
) -> dict[str, str]:
    """Return the environment variables of all pods, except those from Secrets, as templates.

    Args:
        run: The configuration.
        owned: The name of the run resources, as an Airflow template.
        variables: Environment variables for the project's own configuration; those of `run` take
            precedence.
        templates: Environment variables that take precedence over both, as Airflow templates.
    """
    plain = {
        "COLUMNS": LOG_COLUMNS,
        # Without access to the internet, kedro-telemetry waits ten seconds for an answer.
        "DO_NOT_TRACK": "1",
        **{name: container_argument(value) for name, value in variables.items()},
        **{name: container_argument(value) for name, value in run.env_vars.items()},
        **templates,
        CONTRACT_VARIABLE: CONTRACT,
        TASK_VARIABLE: TASK_ID,
        PARAMS_VARIABLE: params_template(run),
    }
    root = store_root(run, owned)
    if root is not None:
        plain[INTERMEDIATE_DATA_VARIABLE] = root
    secrets = _secret_variables(run)
    return {name: value for name, value in plain.items() if name not in secrets}


def _secret_variables(run: RunConfig) -> dict[str, Any]:
    return {
        str(secret.deploy_target): {"secretKeyRef": {"name": secret.secret, "key": secret.key}}
        for secret in run.secrets
        if secret.deploy_type == "env" and secret.key
    }


def _secret_source(secret: SecretConfig) -> dict[str, Any]:
    source: dict[str, Any] = {"secretName": secret.secret}
    if secret.key:
        source["items"] = [{"key": secret.key, "path": secret.key}]
    return source
