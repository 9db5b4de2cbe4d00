"""The volume and the environment of pods, and texts that reach them unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import BASE_CONTAINER
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.sources import EnvSource
from kedro_airflow_k8s.plan.data_places import DataPlace, open_places
from kedro_airflow_k8s.plan.params import params_template
from kedro_airflow_k8s.pod.environment import (
    ATTEMPT_VARIABLE,
    CONTRACT,
    CONTRACT_VARIABLE,
    INPUTS_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
    PARAMS_VARIABLE,
    REASON_VARIABLE,
    TASK_VARIABLE,
)

POD_COMMAND = ("python", "-m", "kedro_airflow_k8s.pod")
"""The arguments that run the plugin in a pod, after the entrypoint of the image."""

TASK_ID = "{{ ti.task_id }}"

VOLUME_STORE = ".kedro-airflow-k8s"
"""The folder for intermediate data on the volume of a run."""

INPUTS_KEY = "kedro_inputs_from"
"""The key of a run's conf with the `run_id` and the `datasets` that it takes from another run."""

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
    return _name_of_run(dag_id, 40)


def cluster_name(dag_id: str, name: str) -> str:
    """Return the name of the objects of a cluster of a run: that of the run, and its own.

    Spark names executors by it, and allows 47 characters. A Service must begin with a letter.
    """
    letters = re.sub(r"^[^a-zA-Z]+", "", dag_id)
    return f"{_name_of_run(letters, 47 - 2 - _RUN_LENGTH - len(name))}-{name}"


_RUN_LENGTH = 12


def _name_of_run(dag_id: str, length: int) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", dag_id.lower()).strip("-")[:length].rstrip("-")
    run = "macros.uuid.uuid5(macros.uuid.NAMESPACE_OID, dag.dag_id ~ '/' ~ run_id)"
    return f"{readable or 'dag'}-{{{{ {run}.hex[:{_RUN_LENGTH}] }}}}"


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


def environment(
    settings: ResourcesConfig,
    run: RunConfig,
    owned: str,
    variables: Mapping[str, str] = EMPTY,
    templates: Mapping[str, str] = EMPTY,
) -> dict[str, str]:
    """Return the environment variables of pods whose values Airflow knows, as templates.

    Args:
        settings: The settings of the pods.
        run: The configuration.
        owned: The name of the run resources, as an Airflow template.
        variables: Environment variables for the project's own configuration; those of `settings`
            take precedence.
        templates: Environment variables that take precedence over both, as Airflow templates.
    """
    own = {name: _template_of(value) for name, value in settings.env_vars.items()}
    plain = {
        "COLUMNS": LOG_COLUMNS,
        # Without access to the internet, kedro-telemetry waits ten seconds for an answer.
        "DO_NOT_TRACK": "1",
        **{name: container_argument(value) for name, value in variables.items()},
        **{name: text for name, text in own.items() if text is not None},
        **templates,
        CONTRACT_VARIABLE: CONTRACT,
        TASK_VARIABLE: TASK_ID,
        PARAMS_VARIABLE: params_template(run),
    }
    root = store_root(run, owned)
    if root is not None:
        plain[INTERMEDIATE_DATA_VARIABLE] = root
    if run.keep_failed and run.intermediate_data and not run.keep_intermediate_data:
        plain[ATTEMPT_VARIABLE] = "{{ ti.try_number }}"
    if DataPlace.OBJECTS in open_places(run):
        inputs = f'dict((dag_run.conf or {{}}).get("{INPUTS_KEY}", {{}}), dag_id=dag.dag_id)'
        plain[INPUTS_VARIABLE] = f'{{{{ {inputs} | tojson | replace("$", "$$") }}}}'
    sources = sourced_variables(settings)
    return {name: value for name, value in plain.items() if name not in sources}


def _template_of(value: str | EnvSource) -> str | None:
    """Return the value of a variable as a template; None if only Kubernetes knows it."""
    if isinstance(value, str):
        return container_argument(value)
    if value.from_airflow_variable is None:
        return None
    name = json.dumps(value.from_airflow_variable, ensure_ascii=False)
    # Unlike `var.value.get(...)`, this fails if Airflow does not have the variable.
    return f'{{{{ var.value[{name}] | replace("$", "$$") }}}}'


def sourced_variables(settings: ResourcesConfig) -> dict[str, dict[str, Any]]:
    """Return the environment variables of pods whose values only Kubernetes knows: `valueFrom`."""
    found: dict[str, dict[str, Any]] = {}
    for secret in settings.secrets:
        if secret.key and not secret.is_file:
            reference = {"name": secret.secret, "key": secret.key}
            found[str(secret.deploy_target)] = {"secretKeyRef": reference}
    for config_map in settings.config_maps:
        if config_map.key and not config_map.is_file:
            reference = {"name": config_map.config_map, "key": config_map.key}
            found[str(config_map.deploy_target)] = {"configMapKeyRef": reference}
    for name, value in settings.env_vars.items():
        if isinstance(value, EnvSource) and value.from_field is not None:
            found[name] = {"fieldRef": {"fieldPath": value.from_field}}
        elif isinstance(value, EnvSource) and value.from_resource is not None:
            source = {"containerName": BASE_CONTAINER, "resource": value.from_resource}
            if value.divisor is not None:
                source["divisor"] = value.divisor
            found[name] = {"resourceFieldRef": source}
    return found


def cause_environment(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the variable for the file of the cause of a failure, if it is not the usual one."""
    path = pod["spec"]["containers"][0].get("terminationMessagePath")
    return {} if path is None else {REASON_VARIABLE: path}
