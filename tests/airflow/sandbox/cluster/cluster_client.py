"""Kubernetes' own Python client, for a cluster of the sandbox, and what to send with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodRecord
from tests.support.waiting import WAIT_SECONDS

T = TypeVar("T")
HOME = PurePosixPath("/home/kedro_docker")
NAMESPACE = "team"


def wait_for(what: Callable[[], T | None], seconds: float = WAIT_SECONDS) -> T:
    """The first true value of `what`; the deadline is there to end a failing test only."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := what():
            return value
        time.sleep(0.01)
    raise AssertionError(f"this never came true: {what}")


def pod_of(*command: str, name: str = "task", **spec: Any) -> dict[str, Any]:
    """A pod; keywords for its container begin with `c_`."""
    container = {key[2:]: spec.pop(key) for key in list(spec) if key.startswith("c_")}
    container = {"name": "base", "image": "example.com/project:1", **container}
    if command:
        container["command"] = list(command)
    return {
        "metadata": {"name": name},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def claim_of(name: str = "data", **spec: Any) -> dict[str, Any]:
    """A claim that the API accepts."""
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            **spec,
        },
    }


def with_claim(name: str = "data", mount: str = f"{HOME}/data") -> dict[str, Any]:
    """Keywords for `pod_of` that mount a claim."""
    return {
        "volumes": [{"name": "storage", "persistentVolumeClaim": {"claimName": name}}],
        "c_volumeMounts": [{"name": "storage", "mountPath": mount}],
    }


@dataclass
class Client:
    """The real client, bound to one cluster and namespace."""

    cluster: LocalCluster
    api: Any

    def run(self, pod: dict[str, Any]) -> Any:
        """Create a pod."""
        return self.api.create_namespaced_pod(NAMESPACE, pod)

    def claim(self, name: str = "data") -> Any:
        """Create a claim."""
        return self.api.create_namespaced_persistent_volume_claim(NAMESPACE, claim_of(name))

    def pod(self, name: str = "task") -> Any:
        """Read a pod."""
        return self.api.read_namespaced_pod(name, NAMESPACE)

    def log(self, name: str = "task", **options: Any) -> str:
        """Follow the log of a pod to its end."""
        options.setdefault("follow", True)
        # The raw answer: version 36 of the client gives the text of a bytes literal otherwise.
        answer = self.api.read_namespaced_pod_log(
            name, NAMESPACE, _preload_content=False, **options
        )
        return str(answer.data.decode())

    def ended(self, name: str = "task") -> Any:
        """Wait for the end of a pod and read it."""

        def ended() -> Any:
            pod = self.pod(name)
            return pod if pod.status.phase in ("Succeeded", "Failed") else None

        return wait_for(ended)

    def printed(self, lines: int, name: str = "task") -> list[str]:
        """Wait until a running pod has printed so many lines."""

        def lines_now() -> list[str] | None:
            found = self.log(name, follow=False).splitlines()
            return found if len(found) >= lines else None

        return wait_for(lines_now)

    def delete(self, name: str = "task", **options: Any) -> Any:
        """Delete a pod."""
        return self.api.delete_namespaced_pod(name, NAMESPACE, **options)

    def is_gone(self, name: str = "task") -> bool:
        """Whether the API does not have the pod."""
        pods = self.api.list_namespaced_pod(NAMESPACE, field_selector=f"metadata.name={name}")
        return not pods.items

    def output(self, *command: str, **spec: Any) -> str:
        """Run a command that succeeds, and give what it printed."""
        name = str(spec.get("name", "task"))
        self.run(pod_of(*command, **spec))
        pod = self.ended(name)
        text = self.log(name)
        assert pod.status.phase == "Succeeded", text
        return text

    def waiting(self, name: str = "task") -> Any:
        """Why the container of a pod has not started."""
        return self.pod(name).status.container_statuses[0].state.waiting


def exit_code(record: PodRecord) -> int | None:
    """The exit code of the container of a pod, also of one that is gone."""
    for status in record.manifest["status"].get("containerStatuses", []):
        code: int | None = status["state"].get("terminated", {}).get("exitCode")
        return code
    return None


def connect(cluster: LocalCluster, folder: Path) -> Any:
    """The client's CoreV1Api for a cluster, made from its kubeconfig as Airflow does."""
    path = folder / "kubeconfig"
    cluster.write_kubeconfig(path)
    return kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(config_file=str(path))
    )


def refused(code: int, call: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Any]:
    """The `Status` object with which a call is refused."""
    with pytest.raises(kubernetes.client.ApiException) as caught:
        call(*arguments, **options)
    status: dict[str, Any] = json.loads(caught.value.body)
    assert (caught.value.status, status["code"], status["kind"]) == (code, code, "Status")
    return status
