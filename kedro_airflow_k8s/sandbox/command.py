"""What `kedro airflow-k8s sandbox run` does and shows."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.text import Text

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE, kedro_folder
from kedro_airflow_k8s.sandbox.run import SandboxOptions, SandboxResult, run_in_sandbox
from kedro_airflow_k8s.sandbox.secrets_file import read_secrets
from kedro_airflow_k8s.terminal.progress import standard_console
from kedro_airflow_k8s.terminal.signals import interrupted_by_signals
from kedro_airflow_k8s.terminal.task_table import TaskTable

FILES_SHOWN = 20


def run_dag(
    project: KedroProject,
    dag: CompiledDag,
    *,
    keep: bool,
    airflow_python: Path | None,
    secrets: Path | None,
) -> None:
    """Run a project's DAG in the sandbox, and show how it goes.

    Raises:
        AirflowK8sError: If the sandbox cannot start, or the run fails.
    """
    run = project.config(default_image=LOCAL_IMAGE).run_config
    options = SandboxOptions(
        project=project.path,
        home=PurePosixPath(run.volume.mount_path).parent,
        # Made absolute only: what a virtual environment links to is another Python.
        airflow_python=(airflow_python or Path(sys.executable)).absolute(),
        bin_folder=kedro_folder(),
        secrets=read_secrets(secrets, run.namespace or "default") if secrets else {},
        connection=run.kubernetes_conn_id,
        keep=keep,
    )
    console = standard_console()
    console.print(f"DAG [bold]{escape(dag.dag_id)}[/], {len(dag.task_ids)} tasks")
    if dag.sensor_ids:
        console.print("Other DAGs are not in the sandbox: nothing waits for them.")
    with interrupted_by_signals(), TaskTable(console, "Tasks", dag.task_ids) as table:
        result = run_in_sandbox(dag, options, console.print, table.update)
    _summary(console, result)
    if not result.succeeded:
        failed = [task_id for task_id, task in result.tasks.items() if task.state == "failed"]
        raise SandboxError(
            f"The run failed: {', '.join(failed) or 'Airflow did not say which task'}."
        )


def _summary(console: Console, result: SandboxResult) -> None:
    for task_id, log in result.logs.items():
        console.rule(f"Log of {escape(task_id)}", align="left")
        console.print(log, markup=False, soft_wrap=True)
    console.rule(align="left", style="bright_black")
    ended = [task for task in result.tasks.values() if task.state == "success"]
    console.print(
        f"{'[bold green]success' if result.succeeded else '[bold red]failed'}[/]:"
        f" {len(ended)} of {len(result.tasks)} tasks succeeded, {result.pods} pods ran.",
    )
    if result.files:
        total = decimal(sum(result.files.values()))
        console.print(f"On the volume: {len(result.files)} files, {total}")
        shown = [(path, decimal(size)) for path, size in list(result.files.items())[:FILES_SHOWN]]
        width = max(len(size) for _, size in shown)
        for path, size in shown:
            line = Text.assemble(f"  {size:>{width}}  ", (path, "cyan"))
            console.print(line, soft_wrap=True)
        if len(result.files) > FILES_SHOWN:
            console.print(f"  and {len(result.files) - FILES_SHOWN} more")
    if result.volume is not None:
        console.print(f"Kept in {result.volume}", soft_wrap=True)
