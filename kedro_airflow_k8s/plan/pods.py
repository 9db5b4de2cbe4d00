"""What `run_config` says of the pods, in Kubernetes' own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig, SecretConfig
from kedro_airflow_k8s.dag.literals import Call, Expression
from kedro_airflow_k8s.pod.environment import HANDED_ON_VARIABLE, INTERMEDIATE_DATA_VARIABLE

TASK_VARIABLE = "KEDRO_AIRFLOW_K8S_TASK"
"""Tells the plugin's hooks, and readers of the pod's environment, that this is a task of a DAG."""

RUN_SLUG = "{{ run_slug(dag.dag_id, run_id) }}"
"""The name of what a DAG run owns: a template that Airflow renders by the DAG file's function."""

MOUNT_PATH = Expression("mount_path")
"""Where a pod mounts the volume: the argument of the DAG file's function that makes the pod."""

TASK_ID = "{{ ti.task_id }}"

HANDED_ON = "{{ handed_on(ti.task_id) }}"
"""Those datasets as JSON, by a function of the DAG file."""

VOLUME_STORE = ".kedro-airflow-k8s"
"""The folder for intermediate data on the volume of a run."""

RUN_LABEL = "kedro-airflow-k8s/run"
"""On every pod of a run that has to stay on one machine: the same value for all of them."""

TASK_ANNOTATION = "kedro-airflow-k8s/task-id"
"""On every pod: the id of its Airflow task, whole, where a label could only hold a part."""

EMPTY: Mapping[str, str] = {}

LOG_COLUMNS = "220"
"""Kedro's logger folds lines at 80 columns when there is no terminal, which is hard to search."""


def container_argument(text: str) -> str:
    """The text so that a container gets exactly it, after Airflow's Jinja and the kubelet.

    The kubelet puts environment variables for `$(NAME)` and a dollar sign for `$$`.
    """
    return untemplated(text.replace("$", "$$"))


def untemplated(text: str) -> str:
    """The text so that Airflow's Jinja renders exactly it.

    Jinja makes one kind of line end of all kinds, drops the last one, and reads a string's escapes
    as Python does, to which JSON's escape of an emoji would be two characters.
    """
    if re.search(r"\{[{%#]|\r|\n\Z", text):
        return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"
    return text


def pod_template(
    run: RunConfig,
    variables: Mapping[str, str] = EMPTY,
    templates: Mapping[str, str] = EMPTY,
) -> dict[str, Any]:
    """What every pod of the DAG has, as a Kubernetes Pod.

    Args:
        run: The configuration.
        variables: Environment variables for the project's own configuration, which those of `run`
            go above.
        templates: Environment variables that go above both, as templates for Airflow.
    """
    container: dict[str, Any] = {"name": "base", "env": _environment(run, variables, templates)}
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
        mounts.append({"name": "data", "mountPath": MOUNT_PATH})
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": RUN_SLUG}})
        spec["securityContext"] = {"fsGroup": run.volume.owner}
    metadata: dict[str, Any] = {"annotations": {TASK_ANNOTATION: TASK_ID}}
    if run.volume.keeps_pods_together:
        metadata["labels"] = {RUN_LABEL: RUN_SLUG}
        spec["affinity"] = {"podAffinity": _beside_the_run()}
    if mounts:
        container["volumeMounts"] = mounts
        spec["volumes"] = volumes
    if run.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in run.image_pull_secrets]
    if run.service_account_name:
        spec["serviceAccountName"] = run.service_account_name
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def store_root(run: RunConfig) -> str | None:
    """Where a run keeps intermediate data, as a template for Airflow; None where it cannot."""
    if run.intermediate_data is not None:
        return f"{run.intermediate_data}/{RUN_SLUG}"
    if run.volume.disabled:
        return None
    return container_argument(f"{run.volume.mount_path}/{VOLUME_STORE}")


def _beside_the_run() -> dict[str, Any]:
    """Only on the machine where pods of the run are already; the first may be on any.

    Source: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
    """
    term = {
        "labelSelector": {"matchLabels": {RUN_LABEL: RUN_SLUG}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def resource_arguments(resources: ResourcesConfig) -> dict[str, Any]:
    """What an entry of `run_config.resources` gives KubernetesPodOperator, by argument."""
    amounts = {
        kind: dict(values)
        for kind, values in (("requests", resources.requests), ("limits", resources.limits))
        if values
    }
    tolerations = [
        Call("k8s.V1Toleration", toleration.model_dump(exclude_none=True))
        for toleration in resources.tolerations
    ]
    arguments = {
        "labels": _untemplated(resources.labels),
        "annotations": _untemplated(resources.annotations),
        "node_selector": _untemplated(resources.node_selectors),
        "tolerations": tolerations,
        "container_resources": Call("k8s.V1ResourceRequirements", amounts) if amounts else None,
    }
    return {name: value for name, value in arguments.items() if value}


def _untemplated(values: Mapping[str, str]) -> dict[str, str]:
    return {name: untemplated(value) for name, value in values.items()}


def _environment(
    run: RunConfig, variables: Mapping[str, str], templates: Mapping[str, str]
) -> list[dict[str, Any]]:
    plain = {
        "COLUMNS": LOG_COLUMNS,
        # kedro-telemetry waits ten seconds for an answer where pods have no way out.
        "DO_NOT_TRACK": "1",
        **{name: container_argument(value) for name, value in variables.items()},
        **_untemplated(run.env_vars),
        **templates,
        TASK_VARIABLE: TASK_ID,
    }
    root = store_root(run)
    if root is not None:
        plain |= {INTERMEDIATE_DATA_VARIABLE: root, HANDED_ON_VARIABLE: HANDED_ON}
    secrets = {
        secret.deploy_target: {"secretKeyRef": {"name": secret.secret, "key": secret.key}}
        for secret in run.secrets
        if secret.deploy_type == "env" and secret.key
    }
    return [
        *({"name": name, "value": value} for name, value in plain.items() if name not in secrets),
        *({"name": name, "valueFrom": source} for name, source in secrets.items()),
    ]


def _secret_source(secret: SecretConfig) -> dict[str, Any]:
    source: dict[str, Any] = {"secretName": secret.secret}
    if secret.key:
        source["items"] = [{"key": secret.key, "path": secret.key}]
    return source
