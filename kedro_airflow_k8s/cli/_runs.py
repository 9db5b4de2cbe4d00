"""What the commands that start runs share: their options, and the DAG that they upload."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kedro_airflow_k8s.cli._options import counted_warnings, minutes_above_zero, params_option

if TYPE_CHECKING:
    from kedro_airflow_k8s.compile import CompiledDag
    from kedro_airflow_k8s.config.model import PluginConfig
    from kedro_airflow_k8s.plan.build import Overrides
    from kedro_airflow_k8s.project.reader import KedroProject

F = TypeVar("F", bound=Callable[..., Any])


def run_options(command: F) -> F:
    """Add the options of a run."""
    for option in (
        click.option(
            "--cancel-on-interrupt",
            is_flag=True,
            help="Cancel the run on Ctrl-C. Without it, the run continues.",
        ),
        click.option(
            "--logical-date",
            type=_date,
            metavar="DATE",
            help="Set the logical date of the run. A date without a time zone is in the DAG's time"
            " zone.  [default: none on Airflow 3, the current time on Airflow 2]",
        ),
        params_option,
        click.option(
            "-w",
            "--wait-for-completion",
            "minutes",
            metavar="MINUTES",
            type=minutes_above_zero,
            help="Watch the run for up to MINUTES; exit with 1 if it fails or takes longer.",
        ),
    ):
        command = option(command)
    return command


def _date(text: str) -> datetime:
    """Parse a date and time as Airflow shows it (ISO 8601), with or without a zone."""
    try:
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T06:00:00+01:00."
        ) from None


def compiled(
    project: KedroProject,
    config: PluginConfig,
    pipeline: str,
    overrides: Overrides,
    *,
    checks: bool,
) -> CompiledDag:
    """Return the DAG of a pipeline, and print how many warnings there are.

    Raises:
        AirflowK8sError: If it cannot be compiled, or a run of it would fail.
    """
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.errors import CheckError, PlanError

    try:
        with counted_warnings(project, pipeline) as warn:
            (dag,) = compile_pipelines(
                project, config, [pipeline], overrides=overrides, checks=checks, warn=warn
            )
    except (CheckError, PlanError) as error:
        if not _has_no_file(project, config):
            raise
        raise type(error)(
            f"{error}\n\nThere is no airflow-k8s.yaml in {project.conf_path / project.base_env}:"
            " only defaults apply. Create the file with `kedro airflow-k8s init`."
        ) from error
    return dag


def _has_no_file(project: KedroProject, config: PluginConfig) -> bool:
    """Return whether the project has no configuration of the plugin."""
    from kedro_airflow_k8s.project.config_files import found_config_files

    if config.model_fields_set - {"run_config"} or config.run_config.model_fields_set - {"image"}:
        # Perhaps from a loader that reads other files.
        return False
    environments = filter(None, (project.base_env, project.env))
    return project.conf_path.is_dir() and not found_config_files(project.conf_path, environments)
