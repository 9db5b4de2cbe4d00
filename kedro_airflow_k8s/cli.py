"""The commands of `kedro airflow-k8s`: they parse options, call the rest, and print.

Nothing heavy is imported before a command runs: Kedro loads this module for every `kedro` call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

GARBAGE_THRESHOLDS = (100_000, 100)
"""New objects before Python looks for garbage among them, and such looks before a deeper one."""

_ENV, _PIPELINE = f"{__name__}.env", f"{__name__}.pipeline"


class PluginGroup(click.Group):
    """A group whose commands show the plugin's errors as one message, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.ClickException: In place of an error of the plugin.
        """
        import gc

        from kedro_airflow_k8s.errors import AirflowK8sError

        # A command keeps nearly all that it makes, and the process ends with it: with 5000 nodes
        # this saves 5 to 10 % of compile's CPU time. To restore it would set off a search at once.
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        try:
            return super().invoke(ctx)
        except AirflowK8sError as error:
            raise click.ClickException(str(error)) from error


def project_options(command: F) -> F:
    """The options that the document has after the group's name, and people type after a command."""
    for option in (
        click.option(
            "-p", "--pipeline", help="Registered pipeline to take.  [default: __default__]"
        ),
        click.option(
            "-e",
            "--env",
            help="Configuration environment, also of the pods."
            "  [default: KEDRO_ENV, else Kedro's default]",
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


def image_option(command: F) -> F:
    """The option that names the image in place of the configuration."""
    return click.option("-i", "--image", help="Image of the pods, in place of run_config.image.")(
        command
    )


@airflow_k8s.command("compile")
@with_project
@image_option
@click.option(
    "-t",
    "--target-path",
    type=click.Path(file_okay=False),
    help="Folder to write to.  [default: dags]",
)
@click.option("--all", "every", is_flag=True, help="Compile every registered pipeline.")
def compile_command(
    project: Any, pipeline: str, image: str | None, target_path: str | None, every: bool
) -> None:
    """Write the DAG of a pipeline to dags/<dag_id>.py.

    \b
    Example:
        kedro airflow-k8s compile --image registry.example.com/project:1.0
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.pipeline import DEFAULT_PIPELINE
    from kedro_airflow_k8s.upload import upload_dag

    if every and pipeline != DEFAULT_PIPELINE:
        raise click.UsageError("Give --all or --pipeline, not both.")
    if target_path and "://" in target_path:
        raise click.UsageError(
            "compile writes to a folder of this machine. To deliver a DAG elsewhere:"
            f" kedro airflow-k8s upload-pipeline --output {target_path}"
        )
    folder = Path(target_path) if target_path else project.dags_path
    names = project.pipeline_names() if every else [pipeline]
    for dag in compile_pipelines(project, names, image=image, output=folder, warn=_warn):
        path = upload_dag(dag.source, dag.file_name, str(folder))
        click.echo(f"{path}: DAG {dag.dag_id} with {len(dag.task_ids)} tasks")


@airflow_k8s.command("upload-pipeline")
@with_project
@image_option
@click.option(
    "-o", "--output", help="Where Airflow reads DAGs, in place of output in the configuration."
)
def upload_pipeline(project: Any, pipeline: str, image: str | None, output: str | None) -> None:
    """Write the DAG of a pipeline to where Airflow reads it: a folder, gs://, s3:// or abfs://.

    \b
    Example:
        kedro airflow-k8s upload-pipeline --output gs://bucket/dags
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.errors import UploadError
    from kedro_airflow_k8s.upload import upload_dag

    output = output or project.config(image).output
    if not output:
        raise UploadError(
            "Where should the DAG go? Set output in airflow-k8s.yaml, or give --output: a folder,"
            " gs://bucket/folder, s3://bucket/folder or abfs://container/folder."
        )
    for dag in compile_pipelines(project, [pipeline], image=image, output=Path(output), warn=_warn):
        click.echo(f"Uploaded DAG {dag.dag_id} to {upload_dag(dag.source, dag.file_name, output)}")


def _warn(message: str) -> None:
    click.secho(f"Warning: {message}", fg="yellow", err=True)


@airflow_k8s.group("sandbox")
def sandbox() -> None:
    """Try a pipeline here: real Airflow, and a small Kubernetes whose pods are processes."""


@sandbox.command("run")
@with_project
@click.option("--keep", is_flag=True, help="Leave the files of the volume, and say where they are.")
@click.option(
    "--airflow-python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Python of an environment that has Airflow, if not the one that runs Kedro.",
)
@click.option(
    "--secrets",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file with Kubernetes Secrets for the pods, as for kubectl apply.",
)
def sandbox_run(
    project: Any, pipeline: str, keep: bool, airflow_python: Path | None, secrets: Path | None
) -> None:
    """Compile a pipeline and run the DAG here, each task in a copy of the project of its own.

    \b
    Example:
        kedro airflow-k8s sandbox run --pipeline data_processing --keep
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.sandbox.command import run_pipeline

    run_pipeline(
        project, pipeline, keep=keep, airflow_python=airflow_python, secrets=secrets, warn=_warn
    )
