"""One DAG run in an Airflow of its own, without a server: `sandbox run`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.own_names import DATA_VOLUME
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.pod.environment import RAW_VARIABLE
from kedro_airflow_k8s.pod.fill_volume import FILLED
from kedro_airflow_k8s.sandbox.airflow import IN_AIRFLOW, AirflowHome, AirflowPython, tail
from kedro_airflow_k8s.sandbox.cluster import NOTICE, Existing, LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.image import copy_project, kedro_folder
from kedro_airflow_k8s.sandbox.spec import SandboxSpec, data_keys
from kedro_airflow_k8s.sandbox.task_logs import TaskLog, from_here, keep_logs, read_logs
from kedro_airflow_k8s.terminal.task_table import TaskState

POLL_SECONDS = 0.5

Watch = Callable[[Mapping[str, TaskState]], None]


@dataclass(frozen=True)
class SandboxOptions:
    """How to run.

    Attributes:
        conf: The run's configuration.
        keep: Whether to leave the files on the volume.
        raw: Whether a failure in a pod is shown with all frames.
    """

    conf: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False
    raw: bool = False


@dataclass(frozen=True)
class SandboxResult:
    """How the run went.

    Attributes:
        succeeded: Whether Airflow says so.
        tasks: How each task ended, by task id.
        pods: How many pods ran.
        files: The files on the volume at the end: path to size in bytes.
        volume: The folder of the volume, if it was kept.
        logs: The log of each task that has begun, by task id.
        log_file: The file with all logs.
    """

    succeeded: bool
    tasks: Mapping[str, TaskState]
    pods: int
    files: Mapping[str, int]
    volume: Path | None
    logs: Mapping[str, TaskLog]
    log_file: Path

    @property
    def failed(self) -> Mapping[str, TaskLog]:
        """The logs of the tasks that failed, by task id."""
        return {task_id: log for task_id, log in self.logs.items() if log.state == "failed"}


@dataclass(frozen=True)
class Report:
    """What `run_dag.py` has written last.

    Attributes:
        state: How the DAG run ended; None if it has not, or if the DAG cannot be imported.
        import_errors: Airflow's words for files that are not DAGs.
        tasks: How each task stands, by task id; empty until the run has begun.
    """

    state: str | None
    import_errors: Mapping[str, str]
    tasks: Mapping[str, TaskState]


class SandboxAirflow(AirflowHome):
    """Airflow in a folder of its own, for one DAG run.

    Args:
        python: The Python that has it.
        home: The folder for Airflow's files, which is made.
        kubeconfig: How to reach the sandbox's Kubernetes API.
        connection: The id of the Airflow connection that the DAG's tasks use to reach Kubernetes.
    """

    def __init__(
        self, python: AirflowPython, home: Path, kubeconfig: Path, connection: str
    ) -> None:
        super().__init__(python, home, home / "dags", kubeconfig, connection)
        self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
        self._process: subprocess.Popen[bytes] | None = None
        for folder in (self.dags, self.logs):
            folder.mkdir(parents=True)

    @property
    def logs(self) -> Path:
        """The folder with a file `<task id>.log` for each task that has begun."""
        return self.home / "task-logs"

    @property
    def _report(self) -> Path:
        return self.home / "report.json"

    @property
    def _conf(self) -> Path:
        return self.home / "conf.json"

    def start(self, dag_id: str, skip: str, conf: Mapping[str, Any] | None = None) -> None:
        """Begin a run of a DAG in the DAG folder.

        Args:
            dag_id: Its id.
            skip: A pattern of the tasks to count as successful without running them; may be empty.
            conf: The run's configuration.
        """
        script = IN_AIRFLOW / "run_dag.py"
        # In a file, since other users could see it among the arguments.
        self._conf.write_text(json.dumps(conf or {}))
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [self.python.path, script, dag_id, skip, self._report, self.logs, self._conf],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> bool:
        """Return whether the run has ended within so many seconds.

        Raises:
            SandboxError: Airflow ended before the run did.
        """
        if self._process is None:
            return True
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        if code:
            raise SandboxError(
                f"Airflow {self.python.version} ended before the run did. The end of its output:\n"
                f"{tail(self.output)}"
            )
        return True

    def stop(self) -> None:
        """Kill the run and all it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def report(self) -> Report:
        """Return how the run and its tasks stand."""
        if not self._report.exists():
            return Report(None, {}, {})
        found = json.loads(self._report.read_text())
        tasks = {task_id: TaskState(*values) for task_id, values in found["tasks"].items()}
        return Report(found["state"], found["import_errors"], tasks)


def run_in_sandbox(
    dag: CompiledDag,
    spec: SandboxSpec,
    options: SandboxOptions,
    *,
    say: Callable[[str], None],
    watch: Watch,
) -> SandboxResult:
    """Run a DAG once, from beginning to end.

    Args:
        dag: The DAG.
        spec: What the sandbox is to be like.
        options: How to run.
        say: Called with what is done before the run begins, and what keeps pods from running.
        watch: Called about twice a second with how the tasks stand.

    Raises:
        SandboxError: If something is missing, or Airflow does not accept the DAG.
        KeyboardInterrupt: If it was interrupted; with what was running and where the logs are, once
            the run has begun.
    """
    folder = Path(tempfile.mkdtemp(prefix="kedro-airflow-k8s-"))
    try:
        kubeconfig = folder / "kubeconfig"
        python = AirflowPython.at(spec.python)
        airflow = SandboxAirflow(python, folder / "airflow", kubeconfig, spec.connection)
        data = spec.pod_data()
        fix = "kedro airflow-k8s sandbox run --secrets FILE"
        spec.check_data(data_keys(data.secrets), data_keys(data.config_maps), fix)
        say(f"Airflow {python.version}, Kubernetes provider {python.provider}")
        variables = {RAW_VARIABLE: "1"} if options.raw else {}
        image = PodImage(folder / "image", spec.home, (kedro_folder(),), variables)
        copy_project(spec.project, image.root)
        airflow.create_database()
        (airflow.dags / dag.file_name).write_text(dag.source, encoding="utf-8")
        existing = Existing(data.config_maps, _stand_ins(spec.project), DATA_VOLUME)
        with LocalCluster(
            image, folder / "kubernetes", data.secrets, existing=existing, keep_volumes=True
        ) as cluster:
            cluster.write_kubeconfig(kubeconfig)
            try:
                airflow.start(dag.dag_id, skipped_tasks(dag), options.conf)
                _watch(airflow, cluster, say, watch)
            except KeyboardInterrupt:
                airflow.stop()
                tasks = airflow.report().tasks
                logs = keep_logs(
                    spec.project,
                    dag.dag_id,
                    read_logs(tasks, cluster.pods(), airflow.logs, airflow.output),
                )
                raise KeyboardInterrupt(_interruption(tasks, logs)) from None
            finally:
                airflow.stop()
            watch(airflow.report().tasks)
            return _result(airflow, cluster, dag, spec.project, options.keep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stand_ins(project: Path) -> Path | None:
    """Return the folder in place of files of the cluster; None if the project is read-only."""
    folder = SandboxFolder(project)
    try:
        folder.make()
    except OSError:
        return None
    return folder.stand_ins


def _watch(
    airflow: SandboxAirflow, cluster: LocalCluster, say: Callable[[str], None], watch: Watch
) -> None:
    """Show how the tasks stand until the run has ended, and once what keeps pods from running."""
    said: set[str] = set()
    while not airflow.wait(POLL_SECONDS):
        watch(airflow.report().tasks)
        for event in cluster.events():
            # The same for each pod, where for instance a Secret is missing.
            if event.warning and event.message not in said:
                said.add(event.message)
                say(event.message if event.reason == NOTICE else f"{event.pod}: {event.message}")


def _interruption(tasks: Mapping[str, TaskState], logs: Path) -> str:
    """Return what was running when the user interrupted it, and where the logs are."""
    running = [task_id for task_id, task in tasks.items() if task.state == "running"]
    verb = "was" if len(running) == 1 else "were"
    what = f"{', '.join(running)} {verb} running" if running else "no task was running"
    return f"Interrupted: {what}. Logs: {from_here(logs)}"


def skipped_tasks(dag: CompiledDag) -> str:
    """Return a pattern of the tasks that wait for other DAGs, which are not in the sandbox."""
    return "|".join(f"^{re.escape(task_id)}$" for task_id in dag.sensor_ids)


def _result(
    airflow: SandboxAirflow, cluster: LocalCluster, dag: CompiledDag, project: Path, keep: bool
) -> SandboxResult:
    report = airflow.report()
    if report.state is None:
        errors = "\n".join(report.import_errors.values()) or tail(airflow.output)
        raise SandboxError(f"Airflow {airflow.python.version} cannot import the DAG:\n{errors}")
    pods = cluster.pods()
    ordered = {name: report.tasks[name] for name in dag.task_ids if name in report.tasks}
    logs = read_logs({**ordered, **report.tasks}, pods, airflow.logs, airflow.output)
    volumes = cluster.volumes_directory
    files = {
        "/".join(path.relative_to(volumes).parts[2:]): path.stat().st_size
        for path in sorted(volumes.rglob("*"))
        if path.is_file() and path.name != FILLED
    }
    kept: Path | None = None
    if keep and files:
        # Out of the folder of the run, which holds settings and is deleted.
        kept = Path(tempfile.mkdtemp(prefix="kedro-airflow-k8s-")) / "volumes"
        volumes.rename(kept)
        # In a folder for the namespace, a folder for the claim: one, as a rule.
        claims = list(kept.glob("*/*"))
        kept = claims[0] if len(claims) == 1 else kept
    return SandboxResult(
        succeeded=report.state == "success",
        tasks=report.tasks,
        pods=len(pods),
        files=files,
        volume=kept,
        logs=logs,
        log_file=keep_logs(project, dag.dag_id, logs),
    )
