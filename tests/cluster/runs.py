"""Runs of the tests' DAGs, started as a person does, on Airflow 3 and a real cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import kubernetes
import yaml

from kedro_airflow_k8s.airflow_api import AirflowClient, connect
from kedro_airflow_k8s.airflow_api.records import ENDS
from kedro_airflow_k8s.config.model import AirflowTls
from kedro_airflow_k8s.sandbox.up import find_sandbox, stop_sandbox
from tests.cluster.cluster import Namespace
from tests.cluster.image import DEFAULT_HOME
from tests.cluster.project import AT_THE_GATE, OBJECTS, ClusterProject
from tests.support.airflow_servers import START
from tests.support.waiting import wait_until

REGION = "north $HOME {{ ds }}"
"""A variable of Airflow: what it has for shells, Kubernetes and Jinja is text."""

_MINUTES = "15"
# The cluster is that of the kubeconfig, and not the one that the sandbox would offer.
_SETTINGS = {
    "KUBECONFIG": os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser()),
    "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes"}),
    "AIRFLOW_VAR_REGION": REGION,
    # Airflow's default: a faster scheduler fails more deferrable tasks whose pods end at once,
    # see docs/explanation/limitations.md.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
}


@dataclass(frozen=True)
class Done:
    """A run-once that has ended.

    Attributes:
        code: Its exit code.
        text: All it has written.
        dag_id: The DAG.
        started: The run that it has started, if it has.
    """

    code: int
    text: str
    dag_id: str
    started: str | None

    @property
    def run_id(self) -> str:
        """The run that it has started."""
        assert self.started is not None, self.text
        return self.started

    def succeeded(self) -> Done:
        """Itself, if the run was a success."""
        assert self.code == 0, self.text
        return self

    def failed(self, *words: str) -> Done:
        """Itself, if the run failed with one message that holds the words."""
        assert self.code == 1, self.text
        assert len(re.findall("^Error: ", self.text, re.MULTILINE)) == 1, self.text
        for word in words:
            assert word in self.text, self.text
        return self


@dataclass(frozen=True)
class Running:
    """A `run-once` under way.

    Attributes:
        process: It.
        output: What it writes to.
        dag_id: The DAG.
        namespace: Where its pods are.
        one_pod: Whether all nodes run in one pod.
    """

    process: subprocess.Popen[bytes]
    output: IO[str]
    dag_id: str
    namespace: Namespace
    one_pod: bool

    def text(self) -> str:
        """What it has written."""
        self.output.seek(0)
        return self.output.read()

    def check(self) -> None:
        """See that it has not ended.

        Raises:
            AssertionError: It has.
        """
        code = self.process.poll()
        assert code is None, f"run-once has ended with {code}:\n{self.text()}"

    def run_id(self) -> str | None:
        """The run that it has started, if it has."""
        found = re.search(r"^(?:Started run|Run) (\S+)(?: goes on)?:", self.text(), re.MULTILINE)
        return found and found[1]

    def at_the_gate(self) -> tuple[str, Any]:
        """The name of the pod whose node waits at the gate, and what the node has read."""
        pods = self.namespace.pods.wait_for(self._pods_with_a_gate, "a pod at the gate", self.check)
        name = pods[0].metadata.name
        line = self.namespace.wait_for_log(name, AT_THE_GATE)
        return name, json.loads(line.partition(AT_THE_GATE)[2])

    def _pods_with_a_gate(self) -> list[Any]:
        run_id = self.run_id()
        if self.one_pod:
            return self.namespace.kedro_pods(run_id)
        return self.namespace.task_pods(run_id, "hold")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> Done:
        """Wait for its end."""
        code = self.process.wait()
        return Done(code, self.text(), self.dag_id, self.run_id())


@dataclass(frozen=True)
class Airflow:
    """A running Airflow 3 whose tasks are pods of the cluster.

    Attributes:
        project: The Kedro project whose commands are called.
        namespace: The cluster's part for the pods.
        image: What the pods run.
        home: Where the image has the project.
        host: The address of Airflow.
        dags: Where it reads DAG files.
        username: Who may log in.
        password: With what.
    """

    project: ClusterProject
    namespace: Namespace
    image: str
    home: str
    host: str
    dags: Path
    username: str
    password: str = field(repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """What airflow-k8s.yaml says unless a test has another wish."""
        small = {"cpu": "100m", "memory": "200Mi"}
        return {
            "host": self.host,
            "output": str(self.dags),
            "run_config": {
                "image": self.image,
                "namespace": self.namespace.name,
                "startup_time": 300,
                # The sandbox, whose Airflow this is, keeps the volumes of failed runs.
                "keep_failed": 0,
                "volume": {"mount_path": f"{self.home}/data", "size": "300Mi"},
                "resources": {
                    "__default__": {"requests": small},
                    "small": {"requests": small},
                    "huge": {"requests": small},
                    "tiny": {"requests": small, "limits": {"memory": "300Mi"}},
                },
            },
        }

    @property
    def context(self) -> str:
        """What commands need as --context: the sandbox's own cluster is idle here."""
        contexts = kubernetes.config.list_kube_config_contexts(_SETTINGS["KUBECONFIG"])
        return str(contexts[1]["name"])

    def run(self, pipeline: str, *options: str, **run_config: Any) -> Done:
        """Upload the DAG of a pipeline, named after it, start a run and watch it to its end.

        Args:
            pipeline: Its name.
            options: More of `run-once`.
            run_config: Settings in place of those of all tests.
        """
        with self.start(pipeline, *options, **run_config) as running:
            return running.end()

    def resume(self, done: Done, **run_config: Any) -> Done:
        """Resume a run that has failed, and watch it to its end."""
        with self.resuming(done, **run_config) as running:
            return running.end()

    @contextmanager
    def resuming(self, done: Done, **run_config: Any) -> Iterator[Running]:
        """The same, while the run goes on."""
        options = (done.run_id, "--context", self.context)
        with self.start(done.dag_id, *options, command="resume", **run_config) as running:
            yield running

    @contextmanager
    def start(
        self, pipeline: str, *options: str, command: str = "run-once", **run_config: Any
    ) -> Iterator[Running]:
        """The same, while the run goes on: it is given up when the block ends."""
        self.project.configure(self.settings, {"run_config": run_config})
        arguments = [command, "-p", pipeline, "-d", pipeline, "-w", _MINUTES, *options]
        with (
            TemporaryFile("w+") as output,
            self.kedro(*arguments, output=output) as process,
        ):
            one_pod = "grouping" in run_config
            running = Running(process, output, pipeline, self.namespace, one_pod)
            try:
                yield running
            except BaseException:
                self._give_up(running)
                raise
            finally:
                process.kill()

    def kedro(self, *arguments: str, output: IO[str]) -> subprocess.Popen[bytes]:
        """Start a command of the plugin, as a person in a terminal does."""
        command = [sys.executable, "-m", "kedro", "airflow-k8s"]
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "KEDRO", "GIT_"))
        }
        environment |= {
            "KEDRO_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "COLUMNS": "220",
            "AIRFLOW_API_USERNAME": self.username,
            "AIRFLOW_API_PASSWORD": self.password,
        }
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.project.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def _give_up(self, running: Running) -> None:
        """End a run of which a test has seen enough, so that the next one finds nothing of it."""
        run_id = running.run_id()
        if run_id is None:
            return
        client = self.client()
        states = client.task_states(running.dag_id, run_id)
        under_way = ("running", "deferred")
        for task_id in [name for name, task in states.items() if task.state in under_way]:
            client.mark_task(running.dag_id, run_id, task_id, "failed")

    def client(self) -> AirflowClient:
        """A connection to Airflow."""
        environ = {"AIRFLOW_API_USERNAME": self.username, "AIRFLOW_API_PASSWORD": self.password}
        return connect(self.host, None, AirflowTls(), environ=environ, warn=print)

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """What Airflow has kept of a task's first attempt; some lines may be there twice."""
        return self.client().task_log(dag_id, run_id, task_id, 1)

    def watched_at_the_gate(self, running: Running) -> str:
        """The pod whose node waits at the gate, once Airflow's task reads the pod's log."""
        pod, _ = running.at_the_gate()
        run_id = str(running.run_id())
        wait_until(
            lambda: AT_THE_GATE in self.log(running.dag_id, run_id, "hold"), "a log in Airflow"
        )
        return pod

    def wait_for_end(self, done: Done) -> None:
        """Wait until Airflow has ended a run, with the task that ends it."""
        client = self.client()

        def ended() -> bool:
            teardown = client.task_states(done.dag_id, done.run_id)["delete_volume"]
            return teardown.state in ENDS and client.run(done.dag_id, done.run_id).state.ended

        wait_until(ended, f"the end of {done.run_id}")

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """The state of each task of a run."""
        states = self.client().task_states(dag_id, run_id)
        return {task_id: task.state for task_id, task in states.items()}


@contextmanager
def running_airflow(
    project: ClusterProject,
    namespace: Namespace,
    image: str,
    home: str,
    **settings: str,
) -> Iterator[Airflow]:
    """Airflow 3 with the current cluster, until the block ends; its variables can be others."""
    # The sandbox wants to know the project's settings, and has a triggerer if tasks are deferrable.
    waiting = {"waiting": {"deferrable": True}}
    where = {"image": image, "volume": {"mount_path": f"{home}/data"}, "resources": waiting}
    project.configure({"run_config": where})
    # `validate` compares the last WORKDIR with the volume's `mount_path`.
    dockerfile = project.path / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8").replace(DEFAULT_HOME, home)
    dockerfile.write_text(text, encoding="utf-8")
    # The sandbox refuses runs that need others than those for its own cluster, which is idle here.
    objects = project.path / "objects.yaml"
    here = {"namespace": namespace.name}
    own = [{**each, "metadata": {**each["metadata"], **here}} for each in OBJECTS]
    objects.write_text(yaml.safe_dump_all(own), encoding="utf-8")
    variables = {**_SETTINGS, **settings}
    command = [sys.executable, "-c", START, sys.executable, json.dumps(variables), str(objects)]
    try:
        started = subprocess.run(
            command, cwd=project.path, capture_output=True, text=True, check=False, timeout=600
        )
        if started.returncode:
            raise RuntimeError(started.stdout + started.stderr)
        found = find_sandbox(project.path)
        assert found is not None
        yield Airflow(
            project, namespace, image, home, found.host, found.output, found.username,
            found.password,
        )  # fmt: skip
    finally:
        stop_sandbox(project.path, print)
