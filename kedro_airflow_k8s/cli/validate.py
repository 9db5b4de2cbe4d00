"""`validate`: finds problems of a run on the cluster, without a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import airflow_k8s, image_option, named_pipelines, with_project

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("validate")
@with_project
@image_option
@click.option("--all", "all_pipelines", is_flag=True, help="Check every registered pipeline.")
@click.option("--strict", is_flag=True, help="Fail on warnings as well.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print the findings in this format.",
)
def validate_command(
    project: KedroProject,
    pipeline: str,
    image: str | None,
    all_pipelines: bool,
    strict: bool,
    form: str,
) -> None:
    """Check pipelines for problems on the cluster; exit with 1 if a run would fail.

    \b
    Example:
        kedro airflow-k8s validate --all --strict --format json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.checks.findings import as_json, counts, paragraphs
    from kedro_airflow_k8s.checks.validate import validate

    names = named_pipelines(project, pipeline, all_pipelines)
    findings = validate(project, project.config(image), names)
    if form == "json":
        click.echo(as_json(findings))
    else:
        for paragraph in paragraphs(findings):
            click.echo(paragraph)
        click.echo(counts(findings))
    if any(finding.is_error or (strict and not finding.is_accepted) for finding in findings):
        raise click.exceptions.Exit(1)
