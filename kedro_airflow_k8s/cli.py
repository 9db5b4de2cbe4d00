"""The commands of `kedro airflow-k8s`: they parse options, call the rest in order, and print.

Nothing heavy is imported here before a command runs: Kedro loads this module for every `kedro` call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_ENV, _PIPELINE = f"{__name__}.env", f"{__name__}.pipeline"


class PluginGroup(click.Group):
    """A group whose commands show the plugin's errors as one message, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.ClickException: In place of an error of the plugin.
        """
        from kedro_airflow_k8s.errors import AirflowK8sError

        try:
            return super().invoke(ctx)
        except AirflowK8sError as error:
            raise click.ClickException(str(error)) from error


def project_options(command: F) -> F:
    """The options that the document has after the group's name, and people type after a command."""
    for option in (
        click.option("-p", "--pipeline", help="Registered pipeline to take.  [default: __default__]"),
        click.option(
            "-e",
            "--env",
            help="Configuration environment, also of the pods.  [default: KEDRO_ENV, else Kedro's default]",
        ),
    ):
        command = option(command)
    return command


def with_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the project and the pipeline's name, whichever place they were named in."""

    @project_options
    @click.pass_context
    @wraps(command)
    def call(ctx: click.Context, /, env: str | None, pipeline: str | None, **options: Any) -> Any:
        from kedro_airflow_k8s.pipeline import DEFAULT_PIPELINE
        from kedro_airflow_k8s.project import KedroProject

        env = env or ctx.meta.get(_ENV) or os.environ.get("KEDRO_ENV") or None
        project = KedroProject(ctx.obj, env)
        name = pipeline or ctx.meta.get(_PIPELINE) or DEFAULT_PIPELINE
        return command(project=project, pipeline=name, **options)

    return call


@click.group(name="Airflow-K8s")
def commands() -> None:
    """Commands for running on Airflow and Kubernetes."""


@commands.group(
    name="airflow-k8s", cls=PluginGroup, context_settings={"help_option_names": ["-h", "--help"]}
)
@project_options
@click.pass_context
def airflow_k8s(ctx: click.Context, env: str | None, pipeline: str | None) -> None:
    """Run the project's pipelines on Apache Airflow and Kubernetes."""
    ctx.meta[_ENV] = env
    ctx.meta[_PIPELINE] = pipeline
