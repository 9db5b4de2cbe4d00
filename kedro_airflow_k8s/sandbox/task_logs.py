"""What the tasks of a `sandbox run` have said: on the screen, and in a file that stays."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from kedro_airflow_k8s.config.own_names import CREATE_CLUSTER, TASK_ANNOTATION
from kedro_airflow_k8s.pod.node_events import without_events
from kedro_airflow_k8s.sandbox.cluster import PodRecord
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.terminal.task_log import (
    POD_LINES,
    cause,
    exception,
    log_end,
    pod_cause,
    pod_end,
    told_cause,
    without_padding,
    without_pod,
)
from kedro_airflow_k8s.terminal.task_table import TaskState

RUNS_KEPT = 10
"""Of how many runs the file of logs is kept."""


@dataclass(frozen=True)
class TaskLog:
    """The log of a task.

    Attributes:
        state: How the task ended.
        pods: The output of each of its pods, one for each attempt.
        airflow: What Airflow has said of it.
        cause: Why it failed, in one line; empty if it did not, or if nothing is known.
        of_cluster: Whether the pods are those of a cluster, which Airflow does not follow.
    """

    state: str
    pods: Sequence[str]
    airflow: str
    cause: str
    of_cluster: bool = False

    @property
    def whole(self) -> str:
        """All of it: Airflow's part where there is no pod, or where the task did not succeed."""
        parts = [text for text in self.pods if text]
        if not parts or self.state != "success" or self.of_cluster:
            # Airflow's log repeats what the pods have said.
            repeats = parts and not self.of_cluster
            airflow = without_pod(self.airflow) if repeats else self.airflow
            parts.append(f"--- Airflow's log\n{airflow}")
        return "\n".join(part.rstrip("\n") for part in parts)

    @property
    def end(self) -> str:
        """The last lines of the last pod, or of Airflow if there was none."""
        lines = (self.pods[-1] if self.pods else "").rstrip("\n").splitlines()
        return "\n".join(lines[-POD_LINES:]) or log_end(self.airflow)

    @property
    def above(self) -> int:
        """How many lines of the last pod `end` leaves out."""
        return max(0, len(self.pods[-1].splitlines()) - POD_LINES) if self.pods else 0


def read_logs(
    tasks: Mapping[str, TaskState], pods: Sequence[PodRecord], folder: Path, output: Path
) -> dict[str, TaskLog]:
    """Return the logs of the tasks that have begun, by task id.

    Args:
        tasks: How the tasks stand.
        pods: The pods of the run.
        folder: Airflow's logs: a file for each task.
        output: Airflow's own output. It has what is said of tasks that fail before they run, for
            instance because an Airflow variable of their template is missing.
    """
    found = {}
    for task_id, task in tasks.items():
        own = [pod for pod in pods if pod.annotations.get(TASK_ANNOTATION) == task_id]
        file = folder / f"{task_id}.log"
        airflow = file.read_text(errors="replace") if file.exists() else ""
        if task.state == "failed" and not own and not airflow and output.exists():
            airflow = output.read_text(errors="replace")
        if own or airflow or task.state == "failed":
            why = ""
            if task.state == "failed":
                said = exception(own[-1].log()) if own else ""
                why = (own and pod_cause(said, told_cause(airflow))) or ""
                why = why or (own and _pod_cause(own[-1])) or cause(airflow)
            logs = [without_padding(without_events(pod.log())) for pod in own]
            of_cluster = task_id.startswith(CREATE_CLUSTER)
            found[task_id] = TaskLog(task.state or "not run", logs, airflow, why, of_cluster)
    return found


def _pod_cause(pod: PodRecord) -> str:
    """Return why a pod failed, or could not start."""
    log = pod.log()
    status = pod.manifest["status"]
    states = [
        container["state"]
        for key in ("initContainerStatuses", "containerStatuses")
        for container in status.get(key) or []
    ]
    for state in states:
        end = state.get("terminated") or {}
        if message := end.get("message") or state.get("waiting", {}).get("message"):
            return str(message).strip().rpartition("\n")[2]
        if end.get("exitCode"):
            return pod_end(log, end["reason"], end["exitCode"])
    conditions = [condition.get("message") for condition in status.get("conditions") or []]
    return str(status.get("message") or next(filter(None, conditions), ""))


def keep_logs(project: Path, dag_id: str, logs: Mapping[str, TaskLog]) -> Path:
    """Write the logs to a file that only the user can read; those of old runs are deleted.

    Args:
        project: The folder of the project. Where it cannot be written to, the file is elsewhere.
        dag_id: The id of the DAG.
        logs: The logs by task id.
    """
    now = datetime.now(timezone.utc).astimezone()
    text = f"DAG {dag_id}, {now:%Y-%m-%d %H:%M:%S}\n" + "".join(
        f"\n===== {task_id}: {log.state} =====\n{log.whole}\n" for task_id, log in logs.items()
    )
    folder = SandboxFolder(project)
    try:
        folder.make()
        folder.runs.mkdir(exist_ok=True)
        file = folder.runs / f"{now:%Y%m%d-%H%M%S-%f}.log"
        file.touch(mode=0o600)
    except OSError:
        file = Path(tempfile.mkdtemp(prefix="kedro-airflow-k8s-")) / "run.log"
    else:
        for old in sorted(folder.runs.glob("*.log"))[:-RUNS_KEPT]:
            old.unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def from_here(file: Path) -> Path:
    """Return a path relative to the current folder, if the file is in it."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
