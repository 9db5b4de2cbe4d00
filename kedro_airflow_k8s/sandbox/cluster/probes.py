"""Probes of containers: whether they answer.

See https://kubernetes.io/docs/concepts/workloads/pods/probes/
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.container import StartFailed
from kedro_airflow_k8s.sandbox.cluster.runner import ContainerRunner, Stopped
from kedro_airflow_k8s.sandbox.cluster.services import LOOPBACK
from kedro_airflow_k8s.sandbox.cluster.status import Object

CHECK_SECONDS = 0.2
"""How often something is looked at that is waited for."""

# More than Kubernetes' 1 s: a program may need that to start beside others on this machine.
_SHORTEST_TIMEOUT = 5.0


class Readiness:
    """Probes whether a container is ready, from its start to the first time that it is.

    Args:
        pod: The pod as it was scheduled.
        container: The container; without a readinessProbe it is ready when it runs.
        runner: Runs it.
    """

    def __init__(self, pod: Object, container: Object, runner: ContainerRunner) -> None:
        self._container = container
        self._runner = runner
        self._runs = False
        self._probe = Probe(pod, container, runner, lambda: self._runs)

    def __enter__(self) -> Readiness:
        return self

    def __exit__(self, *_: object) -> None:
        self._runs = False

    def start(self) -> None:
        """Begin to probe: the container runs."""
        self._runs = True
        if self._container.get("readinessProbe"):
            threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        name, probe = self._container["name"], self._container["readinessProbe"]
        with suppress(Stopped):
            while self._runs:
                if self._probe.answers(probe):
                    self._runner.reports.update(lambda pod: pod_status.ready(pod, name))
                    return
                self._runner.stop.wait(CHECK_SECONDS)


class Probe:
    """Asks a container, by the ways that Kubernetes has.

    Args:
        pod: The pod as it was scheduled.
        container: The container.
        runner: Runs it.
        runs: Returns whether it runs.
    """

    def __init__(
        self, pod: Object, container: Object, runner: ContainerRunner, runs: Callable[[], bool]
    ) -> None:
        self._host = pod.get("status", {}).get("podIP", LOOPBACK)
        self._container = container
        self._runner = runner
        self._runs = runs

    def answers(self, probe: Object) -> bool:
        """Probe until it succeeds or has failed too often, or the container has ended."""
        self._pause(probe.get("initialDelaySeconds", 0))
        for _ in range(probe.get("failureThreshold", 3)):
            if not self._runs():
                return False
            if self._probe(probe, max(probe.get("timeoutSeconds", 1), _SHORTEST_TIMEOUT)):
                return True
            self._pause(probe.get("periodSeconds", 10))
        return False

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._runs():
            self._runner.stop.wait(min(left, CHECK_SECONDS))

    def _probe(self, probe: Object, timeout: float) -> bool:
        with suppress(OSError, http.client.HTTPException):
            if source := probe.get("tcpSocket"):
                place = source.get("host", self._host), self._port(source["port"])
                with socket.create_connection(place, timeout):
                    return True
            if source := probe.get("httpGet"):
                return self._get(source, timeout)
            if source := probe.get("exec"):
                return self._execute(source["command"], timeout)
        return False

    def _port(self, port: object) -> int:
        named = {p.get("name"): p["containerPort"] for p in self._container.get("ports", [])}
        return int(named.get(port, port))

    def _get(self, source: Object, timeout: float) -> bool:
        place = source.get("host", self._host), self._port(source["port"])
        connection: http.client.HTTPConnection
        if source.get("scheme") == "HTTPS":
            # As a kubelet, without a look at the certificate.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(*place, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(*place, timeout=timeout)
        headers = {header["name"]: header["value"] for header in source.get("httpHeaders", [])}
        try:
            connection.request("GET", source.get("path", "/"), headers=headers)
            return 200 <= connection.getresponse().status < 400
        finally:
            connection.close()

    def _execute(self, command: Sequence[str], timeout: float) -> bool:
        name = self._container["name"]
        plan, log = self._runner.plans[name], self._runner.probe_log(name)
        try:
            process = plan.start([plan.paths.argument(text) for text in command], log)
            timer = threading.Timer(timeout, process.stop, [0])
            timer.start()
            try:
                return process.run(lambda: None) == 0
            finally:
                timer.cancel()
        except StartFailed:
            return False
        finally:
            log.close()
