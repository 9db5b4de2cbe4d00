"""The web page of a cluster that a run has made, such as one of Spark."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import CLUSTER_LABEL, LABEL_PREFIX, ROLE_LABEL
from kedro_airflow_k8s.deploy.kubernetes import SECONDS, Kubectl, cluster_errors
from kedro_airflow_k8s.errors import ClusterError, ConfigError, RunError
from kedro_airflow_k8s.plan.engines import ENGINES


def show_page(
    kubectl: Kubectl, run: RunConfig, dag_id: str, name: str, show: Callable[[str], object]
) -> None:
    """Show the web page of a cluster, and forward a port to it until the cluster ends.

    In the sandbox, the page is on this machine, and nothing is forwarded.

    Args:
        kubectl: How Kubernetes is reached.
        run: The settings of the DAG.
        dag_id: The DAG. Of several runs with this cluster, the newest is taken.
        name: The name of the cluster in the configuration.
        show: Called with the address.

    Raises:
        ConfigError: If the configuration has no such cluster with a page.
        RunError: If no run has this cluster now.
        ClusterError: If Kubernetes cannot be asked, or kubectl forwards no port.
    """
    kind, port = _engine(run, name)
    api, default = kubectl.connect()
    namespace = run.namespace or default
    pod = _head(api, namespace, dag_id, name)
    if kubectl.kubeconfig is not None:
        # A pod there is a process. Only Spark's page is at the address of the pod.
        host = pod.status.pod_ip if kind == "spark-connect" else "127.0.0.1"
        show(f"http://{host}:{port}")
        return
    context = ["--context", kubectl.context] if kubectl.context else []
    _forward(["-n", namespace, *context], pod.metadata.name, port, show)


def _forward(options: list[str], pod: str, port: int, show: Callable[[str], object]) -> None:
    # kubectl chooses a free port of this machine.
    command = ["kubectl", *options, "port-forward", f"pod/{pod}", f":{port}"]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except OSError as error:
        raise ClusterError(
            f"kubectl, which forwards a port to the page, cannot be started: {error.strerror}."
            " Install it (https://kubernetes.io/docs/tasks/tools/)."
        ) from error
    said = ""
    with process:
        try:
            for line in process.stdout or ():
                said = line.strip()
                if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+)", line):
                    show(f"http://localhost:{found[1]}")
        finally:
            process.terminate()
    if process.returncode:
        raise ClusterError(f"kubectl no longer forwards a port to pod {pod}. {said}")


def _engine(run: RunConfig, name: str) -> tuple[str, int]:
    """Return the type of a cluster and the port of its page."""
    config = run.clusters.get(name)
    if config is None:
        raise ConfigError(
            f"run_config.clusters has no entry {name!r}."
            f" Entries: {', '.join(sorted(run.clusters)) or 'none'}."
        )
    if config.address is not None or config.type not in ENGINES:
        what = "is not made by runs" if config.address else "is of type manifest"
        raise ConfigError(
            f"The page of cluster {name!r} is not known: it {what}. Clusters of type"
            f" {', '.join(ENGINES)} have one."
        )
    return config.type, ENGINES[config.type].page


def _head(api: Any, namespace: str, dag_id: str, name: str) -> Any:
    """Return the first pod of a cluster of the newest run."""
    with cluster_errors(f"list the Pods in namespace {namespace}"):
        found = api.list_namespaced_pod(
            namespace, label_selector=f"{CLUSTER_LABEL},{ROLE_LABEL}=head", _request_timeout=SECONDS
        ).items
    pods = [
        pod
        for pod in found
        if (pod.metadata.annotations or {}).get(f"{LABEL_PREFIX}dag-id") == dag_id
        and re.fullmatch(rf".+-[0-9a-f]{{12}}-{name}", pod.metadata.labels[CLUSTER_LABEL])
        and pod.status.phase == "Running"
    ]
    if not pods:
        raise RunError(
            f"No run of DAG {dag_id} has the cluster {name!r} now, in namespace {namespace}."
            f" It is there from the end of task create_cluster_{name} to that of"
            f" delete_cluster_{name}."
        )
    return max(pods, key=lambda pod: pod.metadata.creation_timestamp)
