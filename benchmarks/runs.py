"""How long a run takes with each way to group nodes, in the sandbox or on a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from benchmarks.environments import child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.results import Section, Verdict
from kedro_airflow_k8s.airflow_api import AirflowClient

WAYS: dict[str, Any] = {
    "none": "none",
    "invisible group": {"__default__": {"by": "pipeline", "nodes": "hidden"}},
    "visible group": {"__default__": {"by": "pipeline", "nodes": "visible"}},
}
NONE, HIDDEN, VISIBLE = WAYS
RIVAL = "kedro-airflow by memory, on the worker, without pods; one round"
LAYERS, WIDTH = 3, 20
SPACEFLIGHTS, SIXTY, MANY = "__default__", "sixty", "five_hundred"
PODS = {f"{group}{task}" for group in ("pipeline", SIXTY) for task in ("", ".pod")}
"""Tasks that run the pod of a group that is not visible, and of one that is."""
TITLES = {SPACEFLIGHTS: "examples/spaceflights", SIXTY: f"{LAYERS * WIDTH} nodes of one second"}

NOTE = """\
Seconds, median of {rounds} rounds that take turns. `run-once -w`: the whole command, with the
upload. Run: from its start to its end in Airflow {airflow}. Pod: from the start of the run to the
end of the task that runs the group's pod. Tail: from the end of the last node in the group's pod to
the end of the run, which has one more task, `delete_volume`. `kedro run` alone, on this machine:
{plain}."""


def layered_pipeline(layers: int, width: int, seconds: float) -> str:
    """Return the code of a pipeline in which each node of a layer needs two of the one before."""
    return f"""
import time
from kedro.pipeline import Pipeline, node


def work(*numbers):
    time.sleep({seconds})
    return sum(numbers) + 1


def create_pipeline():
    nodes = [node(work, None, f"t_0_{{i}}", name=f"n_0_{{i}}") for i in range({width})]
    for layer in range(1, {layers}):
        for i in range({width}):
            inputs = [f"t_{{layer - 1}}_{{i}}", f"t_{{layer - 1}}_{{(i + 1) % {width}}}"]
            nodes.append(node(work, inputs, f"t_{{layer}}_{{i}}", name=f"n_{{layer}}_{{i}}"))
    return Pipeline(nodes)
"""


class Place(Protocol):
    """Where runs are started."""

    @property
    def project(self) -> Path:
        """Its Kedro project."""

    @property
    def dags(self) -> Path:
        """The folder that Airflow reads DAGs from."""

    def run_once(self, pipeline: str, dag_id: str, grouping: Any) -> str:
        """Upload a DAG, run it, and return what `run-once` has written."""

    def client(self) -> AirflowClient:
        """A connection to Airflow."""


@dataclass
class Times:
    """Seconds of the runs of one pipeline, grouped in one way."""

    command: list[float] = field(default_factory=list)
    run: list[float] = field(default_factory=list)
    pod: list[float] = field(default_factory=list)
    tail: list[float] = field(default_factory=list)

    def row(self, title: str, way: str, base: float) -> list[str]:
        """A line of the table."""
        run = median(self.run)
        cells = [f"{median(each):.1f}" if each else "" for each in (self.pod, self.tail)]
        command = f"{median(self.command):.1f}"
        return [title, way, command, f"{run:.1f}", *cells, f"{run / base:.2f}"]


def runs_section(
    place: Place,
    where: str,
    rounds: dict[str, int],
    advance: Callable[[], None],
    rival: FinishedRun | None = None,
) -> Section:
    """The times of whole runs, and of their ends.

    Args:
        place: Where they run.
        where: Its name.
        rounds: How often, by pipeline.
        advance: Called after each run.
        rival: A run of examples/spaceflights by kedro-airflow's DAG.
    """
    rows, verdicts, plain = [], [], []
    for pipeline, often in rounds.items():
        title = TITLES[pipeline]
        times = _times(place, pipeline, often, advance)
        base = median(times[NONE].run)
        rows += [each.row(title, way, base) for way, each in times.items()]
        if rival and pipeline == SPACEFLIGHTS:
            ratio = f"{rival.seconds / base:.2f}"
            rows.append([title, RIVAL, "", f"{rival.seconds:.1f}", "", "", ratio])
        plain.append(f"{title} {_kedro_run(place.project, pipeline):.1f} s")
        visible, hidden = times[VISIBLE], times[HIDDEN]
        pod, run = _ratio(visible.pod, hidden.pod), _ratio(visible.run, hidden.run)
        name, both = f"{title}, {where}", "visible / invisible group"
        verdicts += [
            Verdict(f"{both}, until its pod's task ends, {name}", pod, 1.15, "of it"),
            Verdict(f"tail of a visible group, {name}", median(visible.tail), 5, "s"),
            Verdict(f"{both}, the whole run, {name}", run, 1.15, "of it"),
        ]
    note = NOTE.format(
        rounds=" or ".join(sorted({str(often) for often in rounds.values()})),
        airflow=place.client().version,
        plain=", ".join(plain),
    )
    header = ["pipeline", "grouping", "`run-once -w`", "run", "pod", "tail", "run / `none`"]
    return Section(f"Whole runs: {where}", [note], header, rows, verdicts)


def _times(
    place: Place, pipeline: str, rounds: int, advance: Callable[[], None]
) -> dict[str, Times]:
    times = {way: Times() for way in WAYS}
    names = list(WAYS)
    for number in range(rounds):
        for way in (*names[number % 3 :], *names[: number % 3]):
            dag_id = f"{pipeline.strip('_')}-{way.replace(' ', '-')}"
            begin = time.perf_counter()
            output = place.run_once(pipeline, dag_id, WAYS[way])
            times[way].command.append(time.perf_counter() - begin)
            client = place.client()
            run = finished_run(client, dag_id, output)
            times[way].run.append(run.seconds)
            if way != NONE:
                tasks = client.task_states(dag_id, run.run_id)
                (end,) = (task.end for task_id, task in tasks.items() if task_id in PODS)
                assert end is not None
                times[way].pod.append((end - run.start).total_seconds())
            if way == VISIBLE:
                last = _last_end(client, dag_id, run.run_id)
                times[way].tail.append((run.end - last).total_seconds())
            advance()
    return times


@dataclass(frozen=True)
class FinishedRun:
    """A run that Airflow has ended."""

    run_id: str
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start).total_seconds()


def finished_run(client: AirflowClient, dag_id: str, output: str) -> FinishedRun:
    """Return the run that `run-once` started, when Airflow has ended it.

    Args:
        client: The connection to Airflow.
        dag_id: Its DAG.
        output: What `run-once` has written. It does not wait for the run's last tasks.

    Raises:
        BenchmarkError: The output does not say which run that is.
    """
    found = re.search(r"^(?:Started run|Run) (\S+)(?: goes on)?:", output, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"run-once did not say which run it started:\n{output}")
    return when_ended(client, dag_id, found[1])


def when_ended(client: AirflowClient, dag_id: str, run_id: str) -> FinishedRun:
    """Return a run when Airflow has ended it."""
    while not (run := client.run(dag_id, run_id)).state.ended:
        time.sleep(0.2)
    assert run.start is not None
    assert run.end is not None
    return FinishedRun(run.run_id, run.start, run.end)


def _last_end(client: AirflowClient, dag_id: str, run_id: str) -> datetime:
    """Return when the last node of a visible group ended, as the logs of their tasks say."""
    ends = []
    for task_id, task in client.task_states(dag_id, run_id).items():
        log = client.task_log(dag_id, run_id, task_id, task.attempt)
        ends += re.findall(r"The node ran from .* to (\S+ \S+) \(", log)
    if not ends:
        raise BenchmarkError(f"no task of {dag_id} {run_id} says when its node ran")
    return max(datetime.fromisoformat(end) for end in ends)


def _ratio(seconds: list[float], others: list[float]) -> float:
    return median(seconds) / median(others)


def _kedro_run(project: Path, pipeline: str) -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", pipeline]
    done = subprocess.run(
        command, cwd=project, env=child_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"kedro run failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - begin


@dataclass(frozen=True)
class Sandbox:
    """The sandbox of a copy of examples/spaceflights."""

    project: Path

    def run_once(self, pipeline: str, dag_id: str, grouping: Any, **run_config: Any) -> str:
        """Run a DAG in the sandbox."""
        settings = {"run_config": {"grouping": grouping, **run_config}}
        file = self.project / "conf/local/airflow-k8s.yaml"
        file.write_text(json.dumps(settings), encoding="utf-8")
        options = ("-p", pipeline, "--sandbox", "--dag-name", dag_id, "-w", "30")
        return self.kedro("run-once", *options)

    def client(self) -> AirflowClient:
        """A connection to the sandbox's Airflow."""
        from kedro_airflow_k8s.airflow_api import connect
        from kedro_airflow_k8s.config.model import AirflowTls

        found = self.sandbox
        user = {"AIRFLOW_API_USERNAME": found.username, "AIRFLOW_API_PASSWORD": found.password}
        return connect(found.host, None, AirflowTls(), environ=user, warn=print)

    @property
    def dags(self) -> Path:
        """The folder that Airflow reads DAGs from."""
        return Path(self.sandbox.output)

    @property
    def sandbox(self) -> Any:
        """What runs there now."""
        from kedro_airflow_k8s.sandbox.up import find_sandbox

        found = find_sandbox(self.project)
        assert found is not None
        return found

    def kedro(self, *arguments: str) -> str:
        """Call a command of the plugin."""
        done = subprocess.run(
            [sys.executable, "-m", "kedro", "airflow-k8s", *arguments],
            cwd=self.project,
            env=child_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchmarkError(f"{' '.join(arguments)} failed:\n{done.stdout[-3000:]}")
        return done.stdout


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A sandbox with the pipelines, until the block ends."""
    from tests.cluster.project import EXAMPLE, copy_of_example

    copy = copy_of_example(EXAMPLE, folder)
    _add_pipelines(copy)
    # The sandbox starts Airflow's triggerer only where a task is deferrable.
    copy.write("conf/local/airflow-k8s.yaml", "run_config: {deferrable: true}")
    place = Sandbox(folder)
    try:
        place.kedro("sandbox", "up")
        yield place
    finally:
        place.kedro("sandbox", "down")


def _add_pipelines(project: Any) -> None:
    pipelines = {SIXTY: (LAYERS, WIDTH, 1), MANY: (10, 50, 0.2)}
    for name, sizes in pipelines.items():
        file = f"src/spaceflights/pipelines/{name}/__init__.py"
        project.write(file, layered_pipeline(*sizes))
    project.write("src/spaceflights/pipeline_registry.py", REGISTRY)


@dataclass(frozen=True)
class OnCluster:
    """The cluster of the kubeconfig, and an Airflow with its pods there."""

    project: Path
    airflow: Any

    @property
    def dags(self) -> Path:
        """The folder that Airflow reads DAGs from."""
        return Path(self.airflow.dags)

    def run_once(self, pipeline: str, dag_id: str, grouping: Any) -> str:
        """Run a DAG on the cluster."""
        options = ("--dag-name", dag_id)
        done = self.airflow.run(pipeline, *options, grouping=grouping).succeeded()
        return str(done.text)

    def client(self) -> AirflowClient:
        """A connection to Airflow."""
        client: AirflowClient = self.airflow.client()
        return client


@contextmanager
def on_cluster(folder: Path, **settings: str) -> Iterator[OnCluster]:
    """An Airflow for the cluster that `make e2e` takes, until the block ends.

    Args:
        folder: For its project.
        settings: Variables of Airflow.

    Raises:
        BenchmarkError: If there is no cluster, or no image.
    """
    from tests.cluster.cluster import NoCluster, find_cluster
    from tests.cluster.image import NoImage, image_for, project_home
    from tests.cluster.project import make_cluster_project
    from tests.cluster.runs import running_airflow

    project = make_cluster_project(folder)
    _add_pipelines(project)
    try:
        cluster = find_cluster()
        image = image_for(cluster, project)
    except (NoCluster, NoImage) as error:
        raise BenchmarkError(str(error)) from error
    with (
        cluster.namespace() as namespace,
        running_airflow(project, namespace, image, project_home(), **settings) as airflow,
    ):
        yield OnCluster(folder, airflow)


REGISTRY = '''
"""The pipelines of the example; those of the benchmark are not in `__default__`."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines():
    pipelines = find_pipelines(raise_errors=True)
    others = ("sixty", "five_hundred", "try_")
    own = [p for name, p in pipelines.items() if not name.startswith(others)]
    return {**pipelines, "__default__": sum(own, start=Pipeline([]))}
'''


def has_cluster() -> bool:
    """Whether the variables say which cluster to use."""
    return "KUBECONFIG" in os.environ
