"""The cluster of the pods, reached as kubectl reaches it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.errors import ClusterError
from kedro_airflow_k8s.pod.redaction import without_secrets

SECONDS = (5.0, 60.0)
"""How long it may take to connect to the cluster, and to get an answer."""


@dataclass(frozen=True)
class Kubectl:
    """How the cluster of the pods is reached.

    Attributes:
        kubeconfig: The file with the address of the sandbox's cluster; None for that of kubectl.
        context: The context in kubectl's configuration that the user names; None for the current
            one.
    """

    kubeconfig: Path | None
    context: str | None

    def connect(self) -> tuple[Any, str]:
        """Return a client of the cluster, and the namespace of the context.

        Raises:
            ClusterError: If the client is not installed, or there is no such file or context.
        """
        try:
            from kubernetes import client, config
        except ImportError as error:
            raise ClusterError(
                "The Kubernetes client is not installed, which asks the cluster. Install it with"
                " `pip install 'kedro-airflow-k8s[kubernetes]'`."
            ) from error
        file = str(self.kubeconfig) if self.kubeconfig else None
        settings = client.Configuration()
        settings.retries = False
        try:
            contexts, current = config.list_kube_config_contexts(file)
            found = next((c for c in contexts if c["name"] == self.context), current)
            config.load_kube_config(file, self.context, client_configuration=settings)
        except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
            raise ClusterError(
                "The cluster of the runs is unknown. It is the one that kubectl uses: set"
                f" KUBECONFIG, or choose another --context. {without_secrets(str(error))}"
            ) from error
        namespace = found.get("context", {}).get("namespace", "default")
        return client.CoreV1Api(client.ApiClient(settings)), namespace


@contextmanager
def cluster_errors(what: str, *, missing_ok: bool = False) -> Iterator[None]:
    """Show errors of the cluster as ours.

    Args:
        what: What is tried, such as "list the Pods".
        missing_ok: Whether the object may be missing.

    Raises:
        ClusterError: In place of an error of the Kubernetes client or of the connection.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        if error.status == 404 and missing_ok:
            return
        raise ClusterError(
            f"Cannot {what}: {error.status} {error.reason}. {_message(error.body)}".rstrip()
        ) from error
    except (HTTPError, OSError) as error:
        raise ClusterError(
            f"Cannot {what}: the cluster does not answer. {without_secrets(str(error))}"
        ) from error


def _message(body: Any) -> str:
    """Return the message in an answer of Kubernetes."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
