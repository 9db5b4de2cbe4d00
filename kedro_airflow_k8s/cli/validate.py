"""`validate`: what would go wrong on the cluster, without a cluster."""

from __future__ import annotations

from typing import Any

import click

from kedro_airflow_k8s.cli._options import airflow_k8s, image_option, named_pipelines, with_project


@airflow_k8s.command("validate")
@with_project
@image_option
@click.option("--all", "every", is_flag=True, help="Check every registered pipeline.")
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print the findings.",
)
def validate_command(
    project: Any, pipeline: str, image: str | None, every: bool, strict: bool, form: str
) -> None:
    """Look for what would go wrong on the cluster, before the deploy; fail if something would.

    \b
    Example:
        kedro airflow-k8s validate --all --strict --format json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.checks.findings import as_json, counts, paragraphs
    from kedro_airflow_k8s.checks.validate import validate

    names = named_pipelines(project, pipeline, every)
    findings = validate(project, names, project.config(image))
    if form == "json":
        click.echo(as_json(findings))
    else:
        for paragraph in paragraphs(findings):
            click.echo(paragraph)
        click.echo(counts(findings))
    if any(strict or finding.is_error for finding in findings):
        raise click.exceptions.Exit(1)
