"""A compiled DAG, a real Airflow, and pods, all on this machine."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.airflow_api.records import TaskState
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.plan.pods import TASK_ANNOTATION
from kedro_airflow_k8s.sandbox.airflow_home import tail
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.image import copy_project
from kedro_airflow_k8s.sandbox.single_run import SandboxAirflow

POLL_SECONDS = 0.5
LOG_LINES = 40

Watch = Callable[[Mapping[str, TaskState]], None]


@dataclass(frozen=True)
class SandboxOptions:
    """How to run.

    Attributes:
        project: The Kedro project's folder.
        home: Where the image has the project.
        airflow_python: The Python that has Airflow.
        bin_folder: Where the pods find `kedro` and `python`.
        secrets: Secrets of the cluster: (namespace, name) to the values by key.
        connection: The id of the Airflow connection by which the tasks reach Kubernetes.
        keep: Whether to leave the files on the volume.
    """

    project: Path
    home: PurePosixPath
    airflow_python: Path
    bin_folder: Path
    secrets: Mapping[tuple[str, str], Mapping[str, str | bytes]]
    connection: str
    keep: bool = False


@dataclass(frozen=True)
class SandboxResult:
    """How the run went.

    Attributes:
        succeeded: Whether Airflow says so.
        airflow: The version of Airflow.
        tasks: How each task ended, by task id.
        pods: How many pods ran.
        files: What lay on the volume at the end: path to size in bytes.
        volume: The folder of the volume, if it was kept.
        logs: The end of the log of each task that failed, by task id.
    """

    succeeded: bool
    airflow: str
    tasks: Mapping[str, TaskState]
    pods: int
    files: Mapping[str, int]
    volume: Path | None
    logs: Mapping[str, str]


def run_in_sandbox(
    dag: CompiledDag, options: SandboxOptions, say: Callable[[str], None], watch: Watch
) -> SandboxResult:
    """Run a DAG once, from beginning to end.

    Args:
        dag: The DAG.
        options: How.
        say: Called with what is done before the run begins.
        watch: Called about twice a second with how the tasks stand.

    Raises:
        SandboxError: If something is missing, or Airflow does not accept the DAG.
    """
    folder = Path(tempfile.mkdtemp(prefix="kedro-airflow-k8s-"))
    kept: Path | None = None
    try:
        kubeconfig = folder / "kubeconfig"
        airflow = SandboxAirflow(
            options.airflow_python, folder / "airflow", kubeconfig, options.connection
        )
        say(f"Airflow {airflow.version}, Kubernetes provider {airflow.provider_version}")
        image = PodImage(folder / "image", options.home, (options.bin_folder,))
        copy_project(options.project, image.root)
        airflow.create_database()
        (airflow.dags / dag.file_name).write_text(dag.source, encoding="utf-8")
        with LocalCluster(
            image, folder / "kubernetes", options.secrets, keep_volumes=True
        ) as cluster:
            cluster.write_kubeconfig(kubeconfig)
            try:
                airflow.start(dag.dag_id, skipped_tasks(dag))
                told: set[str] = set()
                while not airflow.wait(POLL_SECONDS):
                    watch(airflow.task_states(dag.dag_id))
                    for trouble in _troubles(cluster):
                        if trouble not in told:
                            say(trouble)
                    told.update(_troubles(cluster))
            finally:
                airflow.stop()
            tasks = airflow.task_states(dag.dag_id)
            watch(tasks)
            result = _result(airflow, cluster, tasks, options.keep)
            kept = result.volume
        return result
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _remove_all_but(kept, folder)


def _troubles(cluster: LocalCluster) -> list[str]:
    """What keeps pods from running, such as a Secret that is not there."""
    return [f"{event.pod}: {event.message}" for event in cluster.events() if event.warning]


def _remove_all_but(kept: Path, folder: Path) -> None:
    """Leave one folder of what a run has written: the rest holds settings, and is of no use."""
    while kept != folder:
        for path in kept.parent.iterdir():
            if path.is_dir() and path != kept:
                shutil.rmtree(path, ignore_errors=True)
            elif path != kept:
                path.unlink()
        kept = kept.parent


def skipped_tasks(dag: CompiledDag) -> str:
    """A pattern of the tasks that wait for other DAGs, which are not in the sandbox."""
    return "|".join(f"^{re.escape(task_id)}$" for task_id in dag.sensor_ids)


def _result(
    airflow: SandboxAirflow,
    cluster: LocalCluster,
    tasks: Mapping[str, TaskState],
    keep: bool,
) -> SandboxResult:
    outcome = airflow.outcome()
    if outcome.state is None:
        errors = "\n".join(outcome.import_errors.values()) or tail(airflow.output)
        raise SandboxError(f"Airflow {airflow.version} cannot import the DAG:\n{errors}")
    pods = cluster.pods()
    logs = {}
    for task_id, task in tasks.items():
        if task.state == "failed":
            own = [pod for pod in pods if pod.annotations.get(TASK_ANNOTATION) == task_id]
            pod_log = own[-1].log() if own else ""
            # Without a pod, Airflow says why; before the task begins, in its own log.
            logs[task_id] = (
                "\n".join(pod_log.splitlines()[-LOG_LINES:])
                or tail(airflow.logs / f"{task_id}.log", LOG_LINES)
                or tail(airflow.output, LOG_LINES)
            )
    volumes = cluster.volumes_directory
    files = {
        "/".join(path.relative_to(volumes).parts[2:]): path.stat().st_size
        for path in sorted(volumes.rglob("*"))
        if path.is_file()
    }
    return SandboxResult(
        succeeded=outcome.state == "success",
        airflow=airflow.version,
        tasks=tasks,
        pods=len(pods),
        files=files,
        volume=volumes if keep and files else None,
        logs=logs,
    )
