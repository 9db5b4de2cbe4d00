"""The DAGs that a command compiles: of which pipelines, and what it prints about them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import warn_of

if TYPE_CHECKING:
    from kedro_airflow_k8s.checks.findings import Message
    from kedro_airflow_k8s.compile import CompiledDag
    from kedro_airflow_k8s.config.model import PluginConfig
    from kedro_airflow_k8s.plan.build import Overrides
    from kedro_airflow_k8s.project.reader import KedroProject


def named_pipelines(
    project: KedroProject, config: PluginConfig, pipeline: str, all_pipelines: bool
) -> list[str]:
    """Return the pipelines that a command with --all works on.

    Raises:
        click.UsageError: If --all and --pipeline were given.
        ConfigError: If the configuration disables all pipelines.
    """
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    if not all_pipelines:
        return [pipeline]
    if pipeline != DEFAULT_PIPELINE:
        raise click.UsageError("Use --all or --pipeline, not both.")
    registered = project.pipeline_names()
    names = config.enabled(registered)
    if registered and not names:
        from kedro_airflow_k8s.errors import ConfigError

        raise ConfigError(
            "All pipelines are disabled. `pipelines` in airflow-k8s.yaml sets `enabled: false` for"
            " each of them, so there is none for --all. Remove it from one, or use --pipeline."
        )
    return names


def compiled(
    project: KedroProject,
    config: PluginConfig,
    pipeline: str,
    overrides: Overrides | None = None,
    *,
    all_pipelines: bool = False,
    checks: bool,
) -> list[CompiledDag]:
    """Return the DAGs of a pipeline or of all, and print how many warnings there are.

    Raises:
        click.UsageError: If --all and --pipeline were given.
        AirflowK8sError: If one cannot be compiled, or a run of it would fail.
    """
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED

    names = named_pipelines(project, config, pipeline, all_pipelines)
    overrides = overrides or AS_CONFIGURED
    with (
        hint_at_init(project, config),
        _counted_warnings(project, pipeline, all_pipelines) as warn,
    ):
        return compile_pipelines(
            project, config, names, overrides=overrides, checks=checks, warn=warn
        )


@contextmanager
def hint_at_init(project: KedroProject, config: PluginConfig) -> Iterator[None]:
    """Add to the errors of a project without a configuration of the plugin how to create it.

    Raises:
        PlanError: In place of such an error.
        CheckError: In place of such an error.
    """
    from kedro_airflow_k8s.errors import CheckError, PlanError

    try:
        yield
    except (CheckError, PlanError) as error:
        if not _has_no_file(project, config):
            raise
        raise type(error)(
            f"{error}\n\nThere is no airflow-k8s.yaml in {project.conf_path / project.base_env}:"
            " only defaults apply. Create the file with `kedro airflow-k8s init`."
        ) from error


@contextmanager
def _counted_warnings(
    project: KedroProject, pipeline: str, all_pipelines: bool
) -> Iterator[Callable[[Message], None]]:
    """Collect the warnings about pipelines, and print how many there are and how to see them.

    Those about the run are printed: nothing else shows them.
    """
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    found: list[Message] = []

    def take(message: Message) -> None:
        if message.of_run:
            warn_of(message)
        else:
            found.append(message)

    try:
        yield take
    finally:
        if found:
            command = "kedro airflow-k8s validate"
            if project.env != project.default_env:
                command += f" --env {shlex.quote(project.env)}"
            if all_pipelines:
                command += " --all"
            elif pipeline != DEFAULT_PIPELINE:
                command += f" --pipeline {shlex.quote(pipeline)}"
            count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
            shows = "shows it" if len(found) == 1 else "shows them"
            click.secho(f"{count}: `{command}` {shows}.", fg="yellow", err=True)


def _has_no_file(project: KedroProject, config: PluginConfig) -> bool:
    """Return whether the project has no configuration of the plugin."""
    from kedro_airflow_k8s.project.config_files import found_config_files

    of_command = {"run_config", "output"}
    if config.model_fields_set - of_command or config.run_config.model_fields_set - {"image"}:
        # Perhaps from a loader that reads other files.
        return False
    environments = filter(None, (project.base_env, project.env))
    return project.conf_path.is_dir() and not found_config_files(project.conf_path, environments)
