"""The options of commands about a DAG that Airflow has."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import with_airflow

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


def with_dag(verb: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that passes the target Airflow and the id of a DAG to a command.

    Args:
        verb: What the command does with the DAG.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @with_airflow
        @click.option(
            "-d", "--dag-name", help=f"{verb} the DAG with this id.  [default: that of --pipeline]"
        )
        @wraps(command)
        def call(
            *,
            project: KedroProject,
            pipeline: str,
            target: Target,
            dag_name: str | None,
            **options: Any,
        ) -> Any:
            dag_id = dag_name or dag_of_pipeline(project, pipeline, target)
            return command(target=target, dag_id=dag_id, **options)

        return call

    return decorate


def dag_of_pipeline(project: KedroProject, pipeline: str, target: Target) -> str:
    """Return the id of the DAG of a pipeline, as the configuration names it."""
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED, plan_dag_id

    config = target.config.of(pipeline).run_config
    return plan_dag_id(project.read_pipeline(pipeline), config, AS_CONFIGURED)


run_id_argument = click.argument("run_id", required=False, metavar="[RUN_ID]")
