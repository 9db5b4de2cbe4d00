"""`sandbox`: Airflow and Kubernetes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._group import INTERRUPTED
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    interruptible,
    params_option,
    with_project,
)

if TYPE_CHECKING:
    from rich.console import Console

    from kedro_airflow_k8s.project.reader import KedroProject
    from kedro_airflow_k8s.sandbox.run import SandboxResult
    from kedro_airflow_k8s.sandbox.up import Sandbox

FILES_SHOWN = 20

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

airflow_python_option = click.option(
    "--airflow-python",
    type=_FILE,
    help="Python of an environment that has Airflow, if not the one that runs Kedro.",
)
secrets_option = click.option(
    "--secrets",
    type=_FILE,
    help="YAML file with Kubernetes Secrets and ConfigMaps for the pods, as for kubectl apply.",
)


@airflow_k8s.group("sandbox")
def sandbox_group() -> None:
    """Run pipelines on this machine with a real Airflow. Each pod is a local process."""


@sandbox_group.command("run")
@with_project
@params_option
@click.option("--keep", is_flag=True, help="Keep the files of the volume, and print their folder.")
@click.option("--logs", is_flag=True, help="Show the logs of all tasks, not only of failed ones.")
@click.option("--raw", is_flag=True, help="Show whole logs, and tracebacks with all frames.")
@airflow_python_option
@secrets_option
@checks_option
# Known only to be refused with the reason.
@click.option("-i", "--image", hidden=True)
def sandbox_run(
    project: KedroProject,
    pipeline: str,
    airflow_python: Path | None,
    secrets: Path | None,
    **options: Any,
) -> None:
    """Compile a pipeline and run the DAG on this machine, each task in its own copy of the project.

    \b
    Example:
        kedro airflow-k8s sandbox run --pipeline data_processing --params model.depth=5
    """  # noqa: D301 - \b is for click
    from rich.markup import escape

    from kedro_airflow_k8s.config.wording import counted
    from kedro_airflow_k8s.deploy.params import conf_of, parse_params
    from kedro_airflow_k8s.errors import SandboxError
    from kedro_airflow_k8s.plan.build import Overrides
    from kedro_airflow_k8s.project.parameters import leaf_names
    from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE, refuse_other_image
    from kedro_airflow_k8s.sandbox.run import SandboxOptions, run_in_sandbox
    from kedro_airflow_k8s.sandbox.spec import SandboxSpec
    from kedro_airflow_k8s.terminal.progress import Progress, standard_console
    from kedro_airflow_k8s.terminal.signals import interrupted_by_signals
    from kedro_airflow_k8s.terminal.task_log import failures
    from kedro_airflow_k8s.terminal.task_table import TaskTable

    refuse_other_image(options["image"])
    params = parse_params(options["params"])
    config = project.config(defaults={"image": LOCAL_IMAGE}).of(pipeline)
    overrides = Overrides(params=tuple(leaf_names(params)))
    (dag,) = compiled(project, config, pipeline, overrides, checks=options["checks"])
    spec = SandboxSpec.of(project, airflow_python, secrets, pipeline=pipeline)
    run = SandboxOptions(
        conf=conf_of(params, dag.trigger_params), keep=options["keep"], raw=options["raw"]
    )
    console = standard_console()
    console.print(f"DAG [bold]{escape(dag.dag_id)}[/], {counted(len(dag.task_ids), 'task')}")
    if (image := config.run_config.image) != LOCAL_IMAGE:
        console.print(f"The pods run this project, not the image {image}.", markup=False)
    if dag.sensor_ids:
        console.print("The run does not wait for other DAGs, which are not in the sandbox.")
    try:
        with interrupted_by_signals(), TaskTable(console, "Tasks", dag.task_ids) as table:
            result = run_in_sandbox(dag, spec, run, say=Progress(console).say, watch=table.update)
    except KeyboardInterrupt as end:
        console.print(str(end) or "Interrupted.", markup=False, soft_wrap=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    _summarize(console, result)
    _show_logs(console, result, of_all=options["logs"], raw=run.raw)
    if not result.succeeded:
        raise SandboxError(
            failures({task_id: log.cause for task_id, log in result.failed.items()})
            or "The run failed. Airflow did not say which task."
        )


@sandbox_group.command("up")
@with_project
@click.option("--keep", is_flag=True, help="Keep the volumes of the last three runs.")
@airflow_python_option
@secrets_option
def sandbox_up(
    project: KedroProject,
    keep: bool,
    airflow_python: Path | None,
    secrets: Path | None,
    **_: object,
) -> None:
    """Start Airflow on this machine. Other commands use it with --sandbox.

    \b
    Example:
        kedro airflow-k8s sandbox up --airflow-python ~/airflow2/bin/python
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.sandbox.up import start_sandbox

    started = interruptible(
        lambda: start_sandbox(
            project, airflow_python=airflow_python, secrets=secrets, keep=keep, say=click.echo
        )
    )
    _describe(started)
    click.echo("Next: kedro airflow-k8s run-once --sandbox --wait-for-completion 5")


@sandbox_group.command("status")
@with_project
def sandbox_status(project: KedroProject, **_: object) -> None:
    """Show the services; exit with 1 unless all of them are running.

    \b
    Example:
        kedro airflow-k8s sandbox status && kedro airflow-k8s ui --sandbox
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.errors import SandboxError
    from kedro_airflow_k8s.sandbox.up import NOT_RUNNING, find_sandbox

    found = find_sandbox(project.path)
    if found is None:
        raise SandboxError(NOT_RUNNING)
    _describe(found)
    for service in found.services:
        state = "running" if service.running else "ended"
        click.echo(f"{service.name}: {state}, process {service.pid}, log {service.log}")
    found.check()


@sandbox_group.command("down")
@with_project
def sandbox_down(project: KedroProject, **_: object) -> None:
    """Stop the processes that `sandbox up` has started.

    \b
    Example:
        kedro airflow-k8s sandbox down && kedro airflow-k8s sandbox up
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.sandbox.up import stop_sandbox

    if not stop_sandbox(project.path, click.echo):
        click.echo("The sandbox is not running.")


def _describe(found: Sandbox) -> None:
    click.echo(f"Web page: {found.host}")
    click.echo(f"DAG folder: {found.output}")
    if found.state.spec.keep:
        click.echo(f"Volumes of the last runs: {found.folder.volumes}")
    click.echo(f"Log in as {found.username} with the password {found.password}")


def _show_logs(console: Console, result: SandboxResult, *, of_all: bool, raw: bool) -> None:
    """Print the logs that are wanted, and where all of them are."""
    from rich.markup import escape

    from kedro_airflow_k8s.sandbox.task_logs import from_here
    from kedro_airflow_k8s.terminal.task_log import has_folded_frames

    for task_id, log in (result.logs if of_all else result.failed).items():
        console.rule(f"Log of {escape(task_id)}", align="left")
        if not raw and log.above:
            console.print(f"({log.above} lines more above: see the file of logs)")
        text = log.whole if raw else log.end
        console.print(text, markup=False, soft_wrap=True)
        if has_folded_frames(text):
            console.print("(All frames: --raw.)")
    console.rule(align="left", style="bright_black")
    console.print(f"Logs of all tasks: {from_here(result.log_file)}", markup=False, soft_wrap=True)


def _summarize(console: Console, result: SandboxResult) -> None:
    """Print how the run ended, and what it leaves."""
    from kedro_airflow_k8s.config.wording import counted
    from kedro_airflow_k8s.terminal.task_table import ends

    console.rule(align="left", style="bright_black")
    console.print(
        f"{'[bold green]success' if result.succeeded else '[bold red]failed'}[/]:"
        f" {ends(result.tasks, tuple(result.tasks))}, {counted(result.pods, 'pod')} ran.",
    )
    if result.files and (result.succeeded or result.volume is not None):
        _list_files(console, result)
    if result.volume is not None:
        console.print(f"Kept in {result.volume}", soft_wrap=True)


def _list_files(console: Console, result: SandboxResult) -> None:
    """Print what is on the volume: the files of the nodes, and how many tasks have passed."""
    from rich.filesize import decimal
    from rich.text import Text

    from kedro_airflow_k8s.config.wording import counted
    from kedro_airflow_k8s.plan.pods import VOLUME_STORE

    passed = {path: n for path, n in result.files.items() if VOLUME_STORE in path.split("/")}
    files = {p: size for p, size in result.files.items() if p not in passed}
    if files:
        total = decimal(sum(files.values()))
        console.print(f"On the volume: {counted(len(files), 'file')}, {total}")
        shown = [(path, decimal(size)) for path, size in list(files.items())[:FILES_SHOWN]]
        width = max(len(size) for _, size in shown)
        for path, size in shown:
            line = Text.assemble(f"  {size:>{width}}  ", (path, "cyan"))
            console.print(line, soft_wrap=True)
        if len(files) > FILES_SHOWN:
            rest = "--keep keeps them all" if result.volume is None else "all are in this folder"
            console.print(f"  and {len(files) - FILES_SHOWN} more ({rest})")
    if passed:
        total = decimal(sum(passed.values()))
        console.print(f"{counted(len(passed), 'file')} passed between tasks, {total}")
