"""`sandbox`: Airflow and Kubernetes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    interruptible,
    warn,
    with_project,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject
    from kedro_airflow_k8s.sandbox.services import Sandbox

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

airflow_python_option = click.option(
    "--airflow-python",
    type=_FILE,
    help="Python of an environment that has Airflow, if not the one that runs Kedro.",
)
secrets_option = click.option(
    "--secrets",
    type=_FILE,
    help="YAML file with Kubernetes Secrets for the pods, as for kubectl apply.",
)


@airflow_k8s.group("sandbox")
def sandbox_group() -> None:
    """Try a pipeline here: real Airflow, and a small Kubernetes whose pods are processes."""


@sandbox_group.command("run")
@with_project
@click.option("--keep", is_flag=True, help="Leave the files of the volume, and say where they are.")
@airflow_python_option
@secrets_option
@checks_option
def sandbox_run(
    project: KedroProject,
    pipeline: str,
    keep: bool,
    airflow_python: Path | None,
    secrets: Path | None,
    checks: bool,
) -> None:
    """Compile a pipeline and run the DAG here, each task in a copy of the project of its own.

    \b
    Example:
        kedro airflow-k8s sandbox run --pipeline data_processing --keep
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.sandbox.command import run_dag
    from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE

    config = project.config(default_image=LOCAL_IMAGE)
    (dag,) = compile_pipelines(project, config, [pipeline], checks=checks, warn=warn)
    run_dag(project, dag, keep=keep, airflow_python=airflow_python, secrets=secrets)


@sandbox_group.command("up")
@with_project
@airflow_python_option
@secrets_option
def sandbox_up(
    project: KedroProject, airflow_python: Path | None, secrets: Path | None, **_: Any
) -> None:
    """Start Airflow with its web page here, for the other commands with --sandbox.

    \b
    Example:
        kedro airflow-k8s sandbox up --airflow-python ~/airflow2/bin/python
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.sandbox.services import start_sandbox

    started = interruptible(
        lambda: start_sandbox(
            project, airflow_python=airflow_python, secrets=secrets, say=click.echo
        )
    )
    _describe(started)
    click.echo("Next: kedro airflow-k8s run-once --sandbox --wait-for-completion 5")


@sandbox_group.command("status")
@with_project
def sandbox_status(project: KedroProject, **_: Any) -> None:
    """Show what runs; fail if nothing does, or something does not run any more.

    \b
    Example:
        kedro airflow-k8s sandbox status && kedro airflow-k8s ui --sandbox
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.errors import SandboxError
    from kedro_airflow_k8s.sandbox.services import NOT_RUNNING, find_sandbox

    found = find_sandbox(project.path)
    if found is None:
        raise SandboxError(NOT_RUNNING)
    _describe(found)
    for service in found.services:
        state = "running" if service.running else "ended"
        port = f", port {service.port}" if service.port else ""
        click.echo(f"{service.name}: {state}, process {service.pid}{port}, log {service.log}")
    found.check()


@sandbox_group.command("down")
@with_project
def sandbox_down(project: KedroProject, **_: Any) -> None:
    """Stop what `sandbox up` has started, and nothing else.

    \b
    Example:
        kedro airflow-k8s sandbox down && kedro airflow-k8s sandbox up
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.sandbox.services import stop_sandbox

    if not stop_sandbox(project.path, click.echo):
        click.echo("The sandbox does not run: there is nothing to stop.")


def _describe(found: Sandbox) -> None:
    click.echo(f"Airflow {found.airflow_version}: {found.host}")
    click.echo(f"DAG folder: {found.output}")
    click.echo(f"Log in as {found.username} with the password {found.password}")
