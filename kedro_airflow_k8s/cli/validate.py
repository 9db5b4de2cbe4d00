"""`validate`: finds problems of a run on the cluster, without a cluster."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import named_pipelines
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    all_option,
    output_file_option,
    with_project,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("validate")
@with_project
@click.option("-i", "--image", help="Check with this image instead of run_config.image.")
@all_option("Check")
@click.option("--strict", is_flag=True, help="Fail on warnings as well.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print the findings in this format.",
)
@output_file_option
def validate_command(
    project: KedroProject,
    pipeline: str,
    image: str | None,
    output_file: IO[str] | None,
    **options: Any,
) -> None:
    """Check pipelines for problems on the cluster; exit with 1 if a run would fail.

    \b
    Example:
        kedro airflow-k8s validate --all --strict --format json --output-file found.json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.checks.findings import as_json, counts, paragraphs
    from kedro_airflow_k8s.checks.validate import validate

    config = project.config(image)
    names = named_pipelines(project, config, pipeline, options["all_pipelines"])
    findings = validate(project, config, names)
    if options["form"] == "json":
        click.echo(as_json(findings), output_file)
    else:
        for paragraph in paragraphs(findings):
            click.echo(paragraph, output_file)
        click.echo(counts(findings), output_file)
    strict = options["strict"]
    if any(finding.is_error or (strict and not finding.is_accepted) for finding in findings):
        raise click.exceptions.Exit(1)
