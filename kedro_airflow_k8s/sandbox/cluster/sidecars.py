"""Native sidecars: init containers that run as long as the pod.

See https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.probes import CHECK_SECONDS, Probe
from kedro_airflow_k8s.sandbox.cluster.runner import ContainerRunner, Stopped, is_foreign
from kedro_airflow_k8s.sandbox.cluster.status import Object

# A cluster waits 10 s and up to 5 min, for containers that run for weeks.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 10.0


class SidecarFailed(Exception):
    """A sidecar cannot start."""


class Sidecar:
    """Runs a sidecar, and again when it ends, until it is stopped.

    Args:
        pod: The pod as it was scheduled.
        container: The sidecar.
        runner: Runs it.
        failed: Called when the sandbox itself cannot go on.
    """

    def __init__(
        self,
        pod: Object,
        container: Object,
        runner: ContainerRunner,
        failed: Callable[[Exception], None],
    ) -> None:
        self.name: str = container["name"]
        self._pod = pod
        self._container = container
        self._runner = runner
        self._failed = failed
        self._ended = threading.Event()
        self._runs = threading.Event()
        self._cannot_start = False
        self._probe = Probe(pod, container, runner, self._runs.is_set)
        self._thread = threading.Thread(target=self._repeat, name=self.name, daemon=True)

    def start(self) -> None:
        """Start it, and return when its startup probe succeeds, or when its image is not here.

        Raises:
            SidecarFailed: Its command cannot be executed.
            Stopped: The pod is to end.
        """
        self._thread.start()
        probe = self._container.get("startupProbe")
        while True:
            while not self._runs.is_set():
                if self._cannot_start and is_foreign(self._pod, self._container):
                    self._leave_out()
                    return
                if self._cannot_start:
                    raise SidecarFailed(f"the sidecar {self.name} cannot start")
                self._runner.stop.wait(CHECK_SECONDS)
            if probe is None or self._probe.answers(probe):
                break
            if self._runs.is_set():  # Otherwise it has ended, and is started again.
                text = f"Container {self.name} failed startup probe, will be restarted"
                self._runner.reports.event("Unhealthy", text, bad=True)
                self._runs.clear()
                self._runner.ask_to_end(self.name, probe.get("terminationGracePeriodSeconds", 30))
        self._runner.reports.update(lambda pod: pod_status.sidecar_started(pod, self.name))

    def _leave_out(self) -> None:
        """Go on without it: nodes that need it fail, and most do not on this machine."""
        image = self._container["image"]
        text = f"The sidecar {self.name} does not run: the sandbox does not have its image {image}."
        self._runner.reports.notices([text])

    def stop(self, grace: float) -> None:
        """Ask it to end, kill it `grace` seconds later, and wait for the end."""
        self._ended.set()
        self._runner.end(self.name, grace)
        if self._thread.ident is not None:
            self._thread.join()

    def _repeat(self) -> None:
        wait = 0.0
        try:
            while not self._ended.wait(wait):
                began = time.monotonic()
                code = self._runner.run(self._pod, self._container, self._runs.set)
                self._runs.clear()
                if self.name in self._runner.unstartable:
                    self._cannot_start = True
                    return
                if self._ended.is_set():
                    return
                wait = self._next_wait(wait, time.monotonic() - began)
                self._runner.reports.update(lambda pod: pod_status.restarting(pod, self.name))
                text = f"Container {self.name} ended with exit code {code} and is restarted"
                self._runner.reports.event("BackOff", text, bad=True)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - the pod must not wait for it
            self._failed(error)
            self._cannot_start = True

    @staticmethod
    def _next_wait(wait: float, lived: float) -> float:
        return _FIRST_WAIT if lived > _LONGEST_WAIT else min(_LONGEST_WAIT, 2 * wait or _FIRST_WAIT)
