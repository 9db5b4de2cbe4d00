"""The group of all commands, and their common options."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial, wraps
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.cli._group import (
    INTERRUPTED,
    CommandModules,
    complete_env,
    complete_pipeline,
)

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata
    from rich.console import Console

    from kedro_airflow_k8s.checks.findings import Message
    from kedro_airflow_k8s.project.reader import KedroProject
    from kedro_airflow_k8s.terminal.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

SANDBOX_ENV = "sandbox"
"""The environment that means `--sandbox`, whether the project has a folder for it or not."""

_ENV, _PIPELINE = f"{__name__}.env", f"{__name__}.pipeline"


_PIPELINE_HELP = "Use this registered pipeline.  [default: __default__]"


def project_options(command: F, pipeline_help: str = _PIPELINE_HELP) -> F:
    """Add the options of the group to a command, so that they are accepted in both places."""
    for option in (
        click.option(
            "-p",
            "--pipeline",
            shell_complete=complete_pipeline,
            help=pipeline_help,
        ),
        click.option(
            "-e",
            "--env",
            shell_complete=complete_env,
            help="Use this configuration environment, here and in the pods."
            "  [default: KEDRO_ENV, else Kedro's default]",
        ),
    ):
        command = option(command)
    return command


def with_project(
    command: Callable[..., Any], pipeline_help: str = _PIPELINE_HELP
) -> Callable[..., Any]:
    """Pass the project and the pipeline's name to a command, from the command or the group."""

    @partial(project_options, pipeline_help=pipeline_help)
    @click.pass_context
    @wraps(command)
    def call(ctx: click.Context, /, env: str | None, pipeline: str | None, **options: Any) -> Any:
        project = _project(ctx, chosen_env(ctx, env))
        return command(project=project, pipeline=_chosen_pipeline(ctx, pipeline), **options)

    return call


def with_airflow(
    command: Callable[..., Any], pipeline_help: str = _PIPELINE_HELP
) -> Callable[..., Any]:
    """Pass the project, the pipeline's name and the target Airflow to a command."""

    @partial(project_options, pipeline_help=pipeline_help)
    @click.option(
        "--sandbox",
        is_flag=True,
        help=f"Use the Airflow of `sandbox up`, as --env {SANDBOX_ENV} does.",
    )
    @click.pass_context
    @wraps(command)
    def call(
        ctx: click.Context,
        /,
        env: str | None,
        pipeline: str | None,
        sandbox: bool,
        **options: Any,
    ) -> Any:
        from kedro_airflow_k8s.deploy.target import Target

        env = chosen_env(ctx, env)
        project = _project(ctx, env)
        return command(
            project=project,
            pipeline=_chosen_pipeline(ctx, pipeline),
            target=Target(project, sandbox=sandbox or env == SANDBOX_ENV, warn=warn),
            **options,
        )

    return call


def _project(ctx: click.Context, env: str | None) -> KedroProject:
    """Return the project in an environment; without a folder `sandbox`, that is Kedro's default."""
    from kedro_airflow_k8s.project.reader import KedroProject

    metadata = project_metadata(ctx)
    project = KedroProject(metadata, env)
    if env == SANDBOX_ENV and not (project.conf_path / env).is_dir():
        return KedroProject(metadata, None)
    return project


def project_metadata(ctx: click.Context) -> ProjectMetadata:
    """Return the project that Kedro's CLI has found.

    Raises:
        ProjectError: If Kedro was not called in a project.
    """
    if ctx.obj is None:
        from pathlib import Path

        from kedro_airflow_k8s.errors import ProjectError

        raise ProjectError(
            f"There is no Kedro project in {Path.cwd()} or a folder above it. A project's"
            " pyproject.toml has a section [tool.kedro]. Change to the project's folder, or create"
            " a project with `kedro new`."
        )
    metadata: ProjectMetadata = ctx.obj
    return metadata


def env_option_given(ctx: click.Context, env: str | None) -> str | None:
    """Return the environment of the command's option or the group's, whatever KEDRO_ENV says."""
    return env or ctx.meta.get(_ENV) or None


def chosen_env(ctx: click.Context, env: str | None) -> str | None:
    """Return the environment of the command's option, the group's, or KEDRO_ENV."""
    return env_option_given(ctx, env) or os.environ.get("KEDRO_ENV") or None


def _chosen_pipeline(ctx: click.Context, pipeline: str | None) -> str:
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    return pipeline or ctx.meta.get(_PIPELINE) or DEFAULT_PIPELINE


def all_option(verb: str) -> Callable[[F], F]:
    """Return the option --all of a command.

    Args:
        verb: What the command does with each pipeline.
    """
    return click.option(
        "--all",
        "all_pipelines",
        is_flag=True,
        help=f"{verb} every registered pipeline that is not disabled in airflow-k8s.yaml.",
    )


image_option = click.option(
    "-i", "--image", help="Run all pods with this image instead of those of the configuration."
)
checks_option = click.option(
    "--checks/--no-checks",
    default=True,
    help="Check the pipeline first, as `validate` does.  [default: checks]",
)
params_option = click.option(
    "--params",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a Kedro parameter for this run, as in `kedro run --params`. Repeatable.",
)
output_option = click.option(
    "-o", "--output", help="Write DAGs to this folder or bucket, in place of `output` in the file."
)
dag_name_option = click.option(
    "-d", "--dag-name", help="Use this DAG id, in place of the one from run_config.run_name."
)
context_option = click.option(
    "--context",
    metavar="NAME",
    help="Context of kubectl's configuration for the cluster of the pods.  [default: current]",
)


output_file_option = click.option(
    "--output-file",
    type=click.File("w", encoding="utf-8", lazy=True, atomic=True),
    help="Write to this file instead of standard output, which also has Kedro's log lines.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Print the result in this format.",
)


def outcome_options(command: F) -> F:
    """Add the options of how a command tells what it has done."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Print the result in this format.",
    )
    return form(output_file_option(command))


def interruptible(call: Callable[[], R]) -> R:
    """Run a function that reports an interruption itself, and stops what it started.

    Raises:
        click.exceptions.Exit: When it was interrupted.
    """
    from kedro_airflow_k8s.terminal.signals import interrupted_by_signals

    try:
        with interrupted_by_signals():
            return call()
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None


def minutes_above_zero(text: str) -> float:
    """Return a number of minutes above 0; NaN would pass every comparison."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise click.BadParameter(f"{text!r} is not a number of minutes above 0.")
    return minutes


def progress() -> Progress:
    """Return progress on standard output."""
    from kedro_airflow_k8s.terminal.progress import Progress, standard_console

    return Progress(standard_console())


def console_for(file: IO[str] | None) -> Console:
    """Return the console that writes to a file, or that of standard output."""
    from rich.console import Console

    return Console(file=file, highlight=False, emoji=False) if file else progress().console


def progress_on(file: IO[str] | None) -> Progress:
    """Return progress that is written to a file, or to standard output."""
    from kedro_airflow_k8s.terminal.progress import Progress

    return Progress(console_for(file))


def warn(message: str) -> None:
    """Print a warning."""
    click.secho(f"Warning: {message}", fg="yellow", err=True)


def warn_of(message: Message) -> None:
    """Print a warning about findings."""
    warn(message.text)


@click.group(name="Airflow-K8s")
def commands() -> None:
    """Commands for running on Airflow and Kubernetes."""


@commands.group(
    name="airflow-k8s", cls=CommandModules, context_settings={"help_option_names": ["-h", "--help"]}
)
@project_options
@click.version_option(__version__, prog_name="kedro-airflow-k8s")
@click.pass_context
def airflow_k8s(ctx: click.Context, env: str | None, pipeline: str | None) -> None:
    """Run the project's pipelines on Apache Airflow and Kubernetes."""
    ctx.meta[_ENV] = env
    ctx.meta[_PIPELINE] = pipeline
