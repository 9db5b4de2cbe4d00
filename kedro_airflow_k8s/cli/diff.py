"""`diff`: what `upload-pipeline` would change; it writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._group import INTERRUPTED
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    all_option,
    image_option,
    output_option,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject

DIFFERENT, TROUBLE = 1, 2
"""Exit codes, as those of `diff`; 0 if nothing differs."""


class Trouble(click.ClickException):
    """A failed comparison."""

    exit_code = TROUBLE


class DiffCommand(click.Command):
    """A command that fails with exit code 2, as 1 is an answer."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.UsageError: As Click raises it.
            Trouble: In place of other errors of Click, and of those of the plugin.
            click.exceptions.Exit: When it was interrupted.
        """
        from kedro_airflow_k8s.errors import AirflowK8sError

        try:
            return super().invoke(ctx)
        except AirflowK8sError as error:
            raise Trouble(str(error)) from error
        except click.UsageError:
            raise  # Its exit code is 2 anyway, and it shows the usage.
        except click.ClickException as error:
            raise Trouble(error.format_message()) from error
        except (KeyboardInterrupt, click.Abort):
            raise click.exceptions.Exit(INTERRUPTED) from None


@airflow_k8s.command("diff", cls=DiffCommand)
@with_airflow
@image_option
@output_option
@all_option("Compare")
def diff_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    image: str | None,
    output: str | None,
    all_pipelines: bool,
) -> None:
    """Show what an upload would change: a line for each change, then a unified diff.

    Exit code 0: no difference; 1: a difference; 2: the comparison failed.

    \b
    Example:
        kedro airflow-k8s diff --output gs://bucket/dags
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.diff import compare, show
    from kedro_airflow_k8s.terminal.progress import standard_console
    from kedro_airflow_k8s.upload import read_dag

    config, destination = target.dag_config(image, output), target.output(output)
    dags = compiled(project, config, pipeline, all_pipelines=all_pipelines, checks=False)
    # All are read before any is shown: half an answer would look like a whole one.
    diffs = [compare(dag, read_dag(dag.file_name, destination)) for dag in dags]
    for found in diffs:
        if found.same:
            click.echo(f"DAG {found.dag_id}: no difference to {found.address}", err=True)
    show([found for found in diffs if not found.same], standard_console())
    if not all(found.same for found in diffs):
        raise click.exceptions.Exit(DIFFERENT)
