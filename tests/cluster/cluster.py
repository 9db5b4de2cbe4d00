"""The Kubernetes cluster of the kubeconfig, and what these tests do to it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError

from tests.cluster.records import Records

RESTART = "E2E_RESTART_API_SERVER"
LABEL = "kedro-airflow-k8s-e2e"
PLUGIN_TASKS = {"create_volume", "data_volume_init", "delete_volume"}
"""The tasks of a DAG that run no Kedro nodes."""

_ANSWER_SECONDS = 10


class NoCluster(Exception):
    """There is no cluster to run the tests on."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        context: The kubeconfig's current context.
        server: The address of the API server.
        version: Of Kubernetes.
        core: A client of the core API.
    """

    context: str
    server: str
    version: str
    core: client.CoreV1Api

    @contextmanager
    def namespace(self) -> Iterator[Namespace]:
        """A new namespace, deleted with all that is in it when the block ends."""
        name = f"{LABEL}-{secrets.token_hex(3)}"
        metadata = client.V1ObjectMeta(name=name, labels={LABEL: "true"})
        self.core.create_namespace(client.V1Namespace(metadata=metadata))
        try:
            accounts = Records(self.core.list_namespaced_service_account, name)
            pods = Records(self.core.list_namespaced_pod, name)
            claims = Records(self.core.list_namespaced_persistent_volume_claim, name)
            with accounts, pods, claims:
                # Kubernetes makes it a moment later, and lets no pod in before.
                accounts.wait_for(lambda: "default" in accounts.there(), "a service account")
                yield Namespace(name, self.core, pods, claims)
        finally:
            self.core.delete_namespace(name)

    def restart_command(self) -> list[str]:
        """What restarts the API server.

        Raises:
            LookupError: It is not configured how that is done here.
        """
        if command := os.environ.get(RESTART):
            return shlex.split(command)
        # The kubelet starts it again, as it does with every static pod.
        stop = "crictl stop --timeout 0 $(crictl ps --quiet --name kube-apiserver)"
        if self.context.startswith("kind-"):
            node = f"{self.context.removeprefix('kind-')}-control-plane"
            return ["docker", "exec", node, "sh", "-c", stop]
        if self.context == "minikube":
            return ["minikube", "ssh", "--", f"sudo sh -c {shlex.quote(stop)}"]
        raise LookupError(
            f"How the API server of context {self.context} is restarted is not known: set"
            f" {RESTART} to a command that does it (docs/contributing/cluster-tests.md)."
        )

    def restart_api_server(self, away: float = 0) -> None:
        """Restart the API server, and wait until a new one answers.

        Args:
            away: For so many seconds, it is stopped again as soon as it has started.
        """
        # Kedro comes with it, and has something to say that would stand before "no cluster".
        from tests.support.waiting import wait_until

        before = self.api_server_started
        deadline = time.monotonic() + away
        while True:
            subprocess.run(self.restart_command(), check=True, timeout=300)
            if time.monotonic() > deadline:
                break
        wait_until(lambda: self.api_server_started not in (None, before), "a new API server")

    @property
    def api_server_started(self) -> str | None:
        """When the API server that answers was started, as it says; None if none answers."""
        try:
            answer = self.core.api_client.call_api(
                "/metrics", "GET", auth_settings=["BearerToken"],
                _preload_content=False, _return_http_data_only=True,
                _request_timeout=_ANSWER_SECONDS,
            )  # fmt: skip
            lines = answer.data.decode().splitlines()
        except (ApiException, HTTPError, OSError):
            return None
        return next((line for line in lines if line.startswith("process_start_time_seconds")), None)


@dataclass(frozen=True)
class End:
    """The end of a container, by the cluster's own record.

    Attributes:
        at: When, in whole seconds; at the latest, where the kubelet has lost the record.
        exit_code: None where it has.
        reason: Kubernetes' word for it.
    """

    at: datetime
    exit_code: int | None
    reason: str


@dataclass(frozen=True)
class Namespace:
    """The part of the cluster that belongs to the tests.

    Attributes:
        name: Its name.
        core: A client of the core API.
        pods: What was and is there of pods.
        claims: What was and is there of volumes.
    """

    name: str
    core: client.CoreV1Api
    pods: Records
    claims: Records

    def wait_until_empty(self) -> None:
        """Wait until no pod and no volume is left. Delete what stays: the next test waits, too.

        Raises:
            AssertionError: Something has stayed.
        """
        try:
            self._wait_until_gone()
        except TimeoutError as error:
            left = [*self.pods.there(), *self.claims.there()]
            self.core.delete_collection_namespaced_pod(self.name, grace_period_seconds=0)
            self.core.delete_collection_namespaced_persistent_volume_claim(self.name)
            self._wait_until_gone()
            raise AssertionError(f"left in the cluster: {', '.join(left)}") from error

    def _wait_until_gone(self) -> None:
        self.pods.wait_until_gone("no pods")
        self.claims.wait_until_gone("no volumes")

    def pods_of_run(self, run_id: str | None) -> dict[str, list[Any]]:
        """The pods of a DAG run by their tasks, there or gone."""
        found: dict[str, list[Any]] = {}
        for pod in self.pods.all(run_id=run_id) if run_id else ():
            task_id = pod.metadata.annotations["kedro-airflow-k8s/task-id"]
            found.setdefault(task_id, []).append(pod)
        return found

    def task_pods(self, run_id: str | None, task_id: str) -> list[Any]:
        """The pods of a task of a DAG run."""
        return self.pods_of_run(run_id).get(task_id, [])

    def kedro_pods(self, run_id: str | None) -> list[Any]:
        """The pods of a DAG run in which Kedro has run, or will."""
        pods = self.pods_of_run(run_id)
        return [pod for task_id in pods.keys() - PLUGIN_TASKS for pod in pods[task_id]]

    def claim(self, run_id: str | None) -> Any:
        """The claim of a DAG run, there or gone."""
        key = "kedro-airflow-k8s/run-id"
        (claim,) = (
            claim
            for claim in self.claims.all()
            if (claim.metadata.annotations or {}).get(key) == run_id
        )
        return claim

    def wait_for_end(self, pod: str) -> End:
        """How the container of a pod has ended, once it has.

        Raises:
            AssertionError: The pod is gone, and no one has recorded that.
        """

        def end() -> End | None:
            if not self.pods.has_seen(pod):
                return None
            status = self.pods.last(pod).status
            for container in status.container_statuses or ():
                now, before = container.state.terminated, container.last_state.terminated
                if now and now.finished_at:
                    return End(now.finished_at, now.exit_code, now.reason)
                # Before 1.22, the kubelet loses the end of a container that is removed at once.
                if before and before.reason == "ContainerStatusUnknown":
                    (ready,) = (c for c in status.conditions if c.type == "ContainersReady")
                    return End(ready.last_transition_time, None, before.reason)
            assert pod in self.pods.there(), f"{pod} is gone without an end: {status}"
            return None

        return self.pods.wait_for(end, f"the end of {pod}")

    def log(self, pod: str) -> Any:
        """The log of a pod, to be read to its end, which comes with that of the container."""
        return self.core.read_namespaced_pod_log(
            pod, self.name, follow=True, _preload_content=False, container="base"
        )

    def wait_for_log(self, pod: str, words: str) -> str:
        """The first line of a pod's log with these words, as soon as it is there.

        Raises:
            AssertionError: The pod has ended without it.
        """
        self.pods.wait_for(
            lambda: self.pods.last(pod).status.phase not in ("Pending", None), f"{pod} started"
        )
        lines: list[str] = []
        log = self.log(pod)
        rest = b""
        for chunk in log.stream():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                lines.append(line.decode())
                if words in lines[-1]:
                    log.close()
                    return lines[-1]
        raise AssertionError(f"no {words!r} in the log of {pod}:\n" + "\n".join(lines))

    def run_in(self, pod: str, code: str) -> Any:
        """What Python code prints as JSON in a pod."""
        # For the time of the call, `stream` turns all requests of its client into web sockets.
        alone = client.CoreV1Api(client.ApiClient(self.core.api_client.configuration))
        answer = stream(
            alone.connect_get_namespaced_pod_exec,
            pod, self.name, container="base", command=["python", "-c", code],
            stdin=False, stdout=True, stderr=True, tty=False, _preload_content=False,
        )  # fmt: skip
        answer.run_forever(timeout=60)
        text, errors = answer.read_stdout(), answer.read_stderr()
        assert answer.returncode == 0, text + errors
        return json.loads(text) if text.strip() else None


def find_cluster() -> Cluster:
    """The cluster of the kubeconfig.

    Raises:
        NoCluster: There is no kubeconfig, or its cluster does not answer.
    """
    kubeconfig = os.environ.get("KUBECONFIG") or config.KUBE_CONFIG_DEFAULT_LOCATION
    try:
        context = str(config.list_kube_config_contexts()[1]["name"])
        settings = client.Configuration()
        config.load_kube_config(client_configuration=settings)
    except (ConfigException, OSError) as error:
        raise NoCluster(_no_cluster(f"{kubeconfig} leads to none ({error})")) from error
    settings.retries = 0
    api = client.ApiClient(settings)
    try:
        version = client.VersionApi(api).get_code(_request_timeout=_ANSWER_SECONDS)
    except (ApiException, HTTPError, OSError) as error:
        reason = f"{settings.host} of {kubeconfig} does not answer ({error})"
        raise NoCluster(_no_cluster(reason)) from error
    return Cluster(context, settings.host, version.git_version, client.CoreV1Api(api))


def _no_cluster(reason: str) -> str:
    return (
        f"There is no Kubernetes cluster to run these tests on: {reason}.\n"
        "They use the current context of KUBECONFIG, or of ~/.kube/config. To get a cluster:\n"
        "    kind create cluster        (https://kind.sigs.k8s.io, needs Docker)\n"
        "    minikube start             (https://minikube.sigs.k8s.io)\n"
        "docs/contributing/cluster-tests.md tells more."
    )
