"""Runs the containers of one pod."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from kedro_airflow_k8s.pod.environment import CONTRACT_VARIABLE, REASON_VARIABLE
from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.container import ContainerProcess, StartFailed, View
from kedro_airflow_k8s.sandbox.cluster.environment import ConfigMissing, expand, variables_of
from kedro_airflow_k8s.sandbox.cluster.files import PathMap, PodFiles, PodImage
from kedro_airflow_k8s.sandbox.cluster.limits import mount_notices
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.memory import MemoryLimit
from kedro_airflow_k8s.sandbox.cluster.mounts import CannotMount
from kedro_airflow_k8s.sandbox.cluster.pod_volumes import PodVolumes
from kedro_airflow_k8s.sandbox.cluster.reports import PodReports, Said
from kedro_airflow_k8s.sandbox.cluster.services import names_of, resolved
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store
from kedro_airflow_k8s.sandbox.cluster.volumes import Volumes

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINATION_LOG = "/dev/termination-log"
# How much of the file and of the log a kubelet puts into the status.
_MESSAGE_BYTES, _LOG_BYTES, _LOG_LINES = 4096, 2048, 80
CANNOT_START = 128
"""The exit code that containerd reports for a command that cannot be executed."""


@dataclass(frozen=True)
class Machine:
    """The machine that the pods of a cluster run on.

    Attributes:
        store: The objects of the cluster.
        volumes: The folders of claims.
        image: What each container is a copy of.
        folder: Holds `pods` and `logs`.
        temporary: Holds the temporary files of pods.
        home: Where every container has its home directory; None if this machine does not allow it.
        stand_ins: Holds folders in place of files that are not on this machine.
        run_volume: The name of the volume in pods whose claim a task creates. A claim of another
            volume gets a stand-in if it is not there; with None, pods wait for every claim.
        said: What the DAG runs have shown.
    """

    store: Store
    volumes: Volumes
    image: PodImage
    folder: Path
    temporary: Path
    home: Path | None
    stand_ins: Path
    run_volume: str | None = None
    said: Said = field(default_factory=Said)


class Stopped(Exception):
    """The pod was stopped while it waited."""


class StopRequest:
    """Whether a pod is to end.

    Args:
        store: The objects of the cluster; its condition guards the request.
    """

    def __init__(self, store: Store) -> None:
        self._changed = store.changed
        self.made = False

    def check(self) -> None:
        """Go on unless the pod is to end.

        Raises:
            Stopped: It is.
        """
        if self.made:
            raise Stopped

    def wait(self, seconds: float | None = None) -> None:
        """Wait for a change of the cluster, or so many seconds.

        Raises:
            Stopped: The pod is to end.
        """
        with self._changed:
            self.check()
            self._changed.wait(seconds)
            self.check()

    def wait_for_ever(self) -> NoReturn:
        """Wait until the pod is to end.

        Raises:
            Stopped: It is.
        """
        while True:
            self.wait()


class ContainerRunner:
    """Runs the containers of one pod, each in a thread of its caller.

    Attributes:
        logs: The log of each container that was started.
        plans: How each container was started last.
        unstartable: The containers whose command cannot be executed.
        volumes: The folders of the pod's volumes.
        reports: Takes what happens.
        stop: Whether the pod is to end.

    Args:
        pod: The pod.
        machine: What it runs on.
        folder: The folder for its files.
        temporary: The folder for its temporary files.
        settled: Called when a container runs or waits for something that is missing.
    """

    def __init__(
        self,
        pod: Object,
        machine: Machine,
        folder: Path,
        temporary: Path,
        settled: Callable[[], None],
    ) -> None:
        self.logs: dict[str, ContainerLog] = {}
        self.reports = PodReports(pod, machine.store, machine.said)
        self.stop = StopRequest(machine.store)
        namespace = pod["metadata"]["namespace"]
        self.volumes = PodVolumes(
            pod,
            folder / "volumes",
            lambda claim: machine.volumes.folder_of(namespace, claim),
            machine.stand_ins,
        )
        self._files = PodFiles(machine.image, self.volumes, folder, machine.home)
        self._pod = pod
        self._machine = machine
        self._folder = folder
        self._temporary = temporary
        self._settled = settled
        self._running: dict[str, ContainerProcess] = {}
        self._closed: set[str] = set()
        self.plans: dict[str, ContainerPlan] = {}
        self.unstartable: set[str] = set()

    def run(self, pod: Object, container: Object, started: Callable[[], None]) -> int:
        """Run a container to its end and return its exit code.

        Args:
            pod: The pod as it was scheduled.
            container: The container.
            started: Called when it runs.

        Raises:
            Stopped: The pod is to end before the container has started.
        """
        name = container["name"]
        log = self._log(name)
        message = ""
        try:
            if self._machine.image.renew is not None:
                log.write(f"{self._machine.image.renew()}\n".encode())
            plan = self.plans[name] = self._plan(pod, container)
            if not plan.texts:
                raise StartFailed("its command is in the image")  # noqa: TRY301
            log.shown = plan.paths.log_line
            with self._machine.store.changed:
                self.stop.check()
                if name in self._closed:
                    raise Stopped
                process = self._running[name] = plan.start(plan.command, log)
            with MemoryLimit(container, process) as memory:
                code = process.run(lambda: self._started(name, started))
            if code:
                self._report_other_paths(log)
            reason = "Error" if code else "Completed"
            if memory.exceeded:
                code, reason = 128 + signal.SIGKILL, "OOMKilled"
            message = self._last_words(container, failed=code != 0)
        except ConfigMissing as error:
            missing = str(error)
            self.reports.update(
                lambda pod: pod_status.waiting(pod, name, "CreateContainerConfigError", missing)
            )
            self.reports.event("Failed", missing, bad=True)
            self._settled()
            self.stop.wait_for_ever()
        except (StartFailed, CannotMount) as error:
            code, reason = CANNOT_START, "StartError"
            message = f"failed to start the container: {self._cause(pod, container, error)}"
            self.reports.event("Failed", message, bad=True)
            self.unstartable.add(name)
        finally:
            self._running.pop(name, None)
        self.reports.update(lambda pod: pod_status.terminated(pod, name, code, reason, message))
        return code

    def _plan(self, pod: Object, container: Object) -> ContainerPlan:
        """Make the files of a container, and return how its commands are started.

        Raises:
            ConfigMissing: A Secret, a ConfigMap or a key in one is missing.
            CannotMount: A mount does not fit the image's files.
        """
        image, store = self._machine.image, self._machine.store
        inside = variables_of(container, pod, store, lambda text: text)
        paths = self._files.prepare_container(container, inside, self._temporary)
        self.reports.notices(mount_notices(paths))
        own = variables_of(container, pod, store, paths.variable)
        variables = {
            "HOME": paths.path(str(image.home)),
            "HOSTNAME": pod["spec"].get("hostname", pod["metadata"]["name"])[:63],
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self._temporary),
            **image.variables,
            **own,
            "PATH": ":".join([*map(str, image.bin_dirs), own.get("PATH") or _PATH]),
        }
        # No file can be at this path here, so variables that name it get another.
        there = str(self._termination_log(container["name"]))
        path = container.get("terminationMessagePath", _TERMINATION_LOG)
        variables |= {k: there for k, text in variables.items() if text == path}
        if CONTRACT_VARIABLE in variables:
            variables.setdefault(REASON_VARIABLE, there)
        scratch = None
        if any(image.home not in (m.place, *m.place.parents) for m, _ in paths.shown):
            scratch = self._folder / container["name"] / "machine"
            scratch.mkdir(parents=True, exist_ok=True)
        names = names_of(store, pod["metadata"]["namespace"])
        plain = {each["name"] for each in container.get("env", []) if "valueFrom" not in each}
        variables |= {k: resolved(variables[k], names) for k in plain}
        given = [*container.get("command", []), *container.get("args", [])]
        texts = [resolved(text, names) for text in given]
        folder = paths.path(container.get("workingDir") or str(image.home))
        return ContainerPlan(texts, variables, folder, paths, View(paths.shown, scratch))

    def _termination_log(self, name: str) -> Path:
        return self._temporary / f"{name}.termination-log"

    def _last_words(self, container: Object, *, failed: bool) -> str:
        """Return what a container has left for its status, or how its log ends if it may."""
        file = self._termination_log(container["name"])
        said = file.read_bytes()[:_MESSAGE_BYTES] if file.is_file() else b""
        policy = container.get("terminationMessagePolicy")
        if not said and failed and policy == "FallbackToLogsOnError":
            log = self._log(container["name"]).text().encode()[-_LOG_BYTES:]
            said = b"".join(log.splitlines(keepends=True)[-_LOG_LINES:])
        return said.decode(errors="replace")

    def end(self, name: str, grace: float) -> None:
        """Ask a container to end, kill it `grace` seconds later, and do not start it again."""
        with self._machine.store.changed:
            self._closed.add(name)
        self.ask_to_end(name, grace)

    def ask_to_end(self, name: str, grace: float) -> None:
        """Ask a container that runs to end, kill it `grace` seconds later. Returns at once."""
        with self._machine.store.changed:
            process = self._running.get(name)
            if process is not None:
                process.stop(grace)
            self._machine.store.changed.notify_all()

    def probe_log(self, name: str) -> ContainerLog:
        """Return a log for the commands of a container's probe, which is not read."""
        return ContainerLog(self._folder / name / "probe.log")

    def _log(self, name: str) -> ContainerLog:
        """Return the log of a container; one that is restarted goes on with it."""
        if name not in self.logs:
            metadata = self._pod["metadata"]
            logs = self._machine.folder / "logs" / metadata["namespace"] / metadata["name"]
            self.logs[name] = ContainerLog(logs / metadata["uid"] / f"{name}.log")
        return self.logs[name]

    def _cause(self, pod: Object, container: Object, error: Exception) -> str:
        if isinstance(error, StartFailed) and is_foreign(pod, container):
            return f"the sandbox does not have the image {container['image']}. {error}"
        return str(error)

    def _report_other_paths(self, log: ContainerLog) -> None:
        """Warn of a failure that a cluster does not have, where each pod has paths of its own."""
        # The pod's own paths are not in its log.
        if self._machine.home is None and str(self._machine.folder / "pods") in log.text():
            text = (
                "The log has a path of another pod. On this machine each pod of the sandbox has the"
                " project at a path of its own, so data in memory that holds absolute paths fails"
                " here and works on a cluster"
            )
            self.reports.event("PathOfAnotherPod", text, bad=True)

    def _started(self, container: str, started: Callable[[], None]) -> None:
        self.reports.update(lambda pod: pod_status.running(pod, container))
        self.reports.event("Started", f"Started container {container}")
        started()
        self._settled()


@dataclass(frozen=True)
class ContainerPlan:
    """How the commands of a container are started.

    Attributes:
        texts: The container's command and arguments.
        variables: The environment.
        folder: The working folder.
        paths: Where the container's paths are on this machine.
        view: What processes find in other places.
    """

    texts: Sequence[str]
    variables: Mapping[str, str]
    folder: str
    paths: PathMap
    view: View

    @property
    def command(self) -> list[str]:
        """The command as a process of this machine gets it."""
        return [self.paths.argument(expand(text, self.variables)) for text in self.texts]

    def start(self, command: Sequence[str], log: ContainerLog) -> ContainerProcess:
        """Start a command in the container.

        Raises:
            StartFailed: A process cannot have such a command or environment.
        """
        return ContainerProcess(list(command), dict(self.variables), self.folder, log, self.view)


def is_foreign(pod: Object, container: Object) -> bool:
    """Return whether a container has another image than the pod's first container."""
    return bool(container["image"] != pod["spec"]["containers"][0]["image"])
