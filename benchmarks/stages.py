"""Where the time of a task goes on a cluster, from its turn to the end of the pod."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.results import Section
from benchmarks.runs import OnCluster
from kedro_airflow_k8s.airflow_api import AirflowClient
from tests.cluster.records import Records

PIPELINE, DAG_ID = "__default__", "stages"

STAGES = (
    ("Airflow's scheduler, until the task is in the executor", "ready", "queued"),
    ("Airflow's executor and worker: a process", "queued", "started"),
    ("The operator: the DAG file, templates, the pod's creation", "started", "created"),
    ("Kubernetes' scheduler", "created", "bound"),
    ("Kubelet and container runtime, until Python runs", "bound", "python"),
    ("Imports of Python, Kedro and the project", "python", "session"),
    ("Catalog, and the runner", "session", "node"),
    ("The node: load, call, save", "node", "done"),
    ("The end of the session and of Python, until Kubernetes says so", "done", "over"),
    ("The operator, until Airflow has the end of the task", "over", "ended"),
)
"""What happens, and the moments when it begins and ends."""

NOTE = """\
Seconds for a task of examples/spaceflights with a pod for each node, Airflow {airflow}, on the
cluster of KUBECONFIG. `first` is the first node of the run, after the tasks that make its volume;
`median` is that of all {count} nodes. A task is ready at the end of the last one that it needs.
Airflow says when it queued, started and ended a task; a watch of the pods shows when one was
created, bound to a machine and over; the log has the rest, in the container runtime's time. Python
writes its first line because of PYTHONPROFILEIMPORTTIME, which makes imports a little slower."""


@dataclass
class PodWatch:
    """When the pods of a namespace were first seen in each state."""

    seen: dict[tuple[str, str], float] = field(default_factory=dict)

    def at(self, task_id: str, moment: str) -> float:
        """Return when the pod of a task was first seen so."""
        try:
            return self.seen[task_id, moment]
        except KeyError:
            raise BenchmarkError(f"the pod of {task_id} was never seen as {moment}") from None

    def keep(self, pod: Any) -> None:
        """Keep the time, if a pod is seen in a state for the first time."""
        task_id = (pod.metadata.annotations or {}).get("kedro-airflow-k8s/task-id", "")
        conditions = {each.type: each.status for each in pod.status.conditions or ()}
        moments = {
            "created": True,
            "bound": conditions.get("PodScheduled") == "True",
            "over": pod.status.phase in ("Succeeded", "Failed"),
        }
        for moment, is_so in moments.items():
            if is_so:
                self.seen.setdefault((task_id, moment), time.time())


def stages_section(place: OnCluster, advance: Callable[[], None]) -> Section:
    """The time that each stage of a task takes."""
    airflow = place.airflow
    namespace = airflow.namespace
    pods = PodWatch()
    with Records(namespace.core.list_namespaced_pod, namespace.name, pods.keep):
        done = airflow.run(
            PIPELINE, "--dag-name", DAG_ID, grouping="none", on_finish_action="keep_pod",
            env_vars={"PYTHONPROFILEIMPORTTIME": "1"},
        ).succeeded()  # fmt: skip
    advance()
    moments = _moments(place.client(), namespace, done.run_id, pods)
    first = min(moments.values(), key=lambda each: each["created"])
    rows = []
    for title, begin, end in STAGES:
        times = [each[end] - each[begin] for each in moments.values()]
        rows.append([title, f"{first[end] - first[begin]:.2f}", f"{median(times):.2f}"])
    wholes = [each["ended"] - each["ready"] for each in moments.values()]
    whole = [f"{first['ended'] - first['ready']:.2f}", f"{median(wholes):.2f}"]
    note = NOTE.format(airflow=place.client().version, count=len(moments))
    header = ["stage", "first", "median"]
    return Section("Where the time of a task goes", [note], header, [*rows, ["all", *whole]], [])


def _moments(
    client: AirflowClient, namespace: Any, run_id: str, pods: PodWatch
) -> dict[str, Mapping[str, float]]:
    """Return the moments of each node, in seconds since 1970."""
    tasks = client.task_states(DAG_ID, run_id)
    graph = client.dag_tasks(DAG_ID)
    found: dict[str, Mapping[str, float]] = {}
    for task_id, (pod,) in namespace.pods_of_run(run_id).items():
        # Some versions of the client return the text of a `bytes` object.
        read = namespace.core.read_namespaced_pod_log(
            pod.metadata.name, namespace.name, timestamps=True, _preload_content=False
        )
        log = read.data.decode()
        if "Running node" not in log:
            continue
        needed = [tasks[each.task_id] for each in graph if task_id in each.downstream_task_ids]
        task = tasks[task_id]
        found[task_id] = {
            "ready": max(_unix(each.end) for each in needed),
            "queued": _unix(task.queued),
            "started": _unix(task.start),
            **{moment: pods.at(task_id, moment) for moment in ("created", "bound", "over")},
            "python": _line(log, ""),
            "session": _line(log, "Kedro project"),
            "node": _line(log, "Running node"),
            "done": _line(log, "Completed"),
            "ended": _unix(task.end),
        }
    return found


def _line(log: str, words: str) -> float:
    """Return when the log got its first line with these words."""
    found = re.search(rf"^(\S+) .*{words}", log, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"the log of a pod has no line with {words}:\n{log[-2000:]}")
    return _seconds(found[1])


def _unix(moment: datetime | None) -> float:
    assert moment is not None, "all tasks of a run that succeeded have begun and ended"
    return moment.timestamp()


def _seconds(text: str) -> float:
    # Python 3.10 reads neither Z nor nanoseconds.
    shorter = re.sub(r"(\.\d{6})\d*", r"\1", text.replace("Z", "+00:00"))
    return datetime.fromisoformat(shorter).timestamp()
