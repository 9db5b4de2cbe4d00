"""Deploys the DAGs of several pipelines: each file whole or not at all, and a table at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.errors import AirflowK8sError, PlanError, RunError
from kedro_airflow_k8s.terminal.tables import plain_table, print_table


def scheduled_only(dags: Sequence[CompiledDag], say: Callable[[str], None]) -> list[CompiledDag]:
    """Return the DAGs that have a schedule, and name the others.

    Args:
        dags: The DAGs.
        say: Shows a line.

    Raises:
        PlanError: If none has a schedule.
    """
    scheduled = [dag for dag in dags if dag.has_schedule]
    if not scheduled:
        raise PlanError(
            "No pipeline has a schedule. Set cron_expression or schedule in airflow-k8s.yaml: in"
            " run_config for all pipelines, or below `pipelines` for one."
        )
    for dag in dags:
        if not dag.has_schedule:
            say(f"DAG {dag.dag_id} has no schedule, so it was left out.")
    return scheduled


def deploy_all(
    dags: Sequence[CompiledDag], deploy: Callable[[CompiledDag], str], console: Console
) -> None:
    """Deploy DAGs one after the other, also after one has failed, and show what was done.

    Args:
        dags: The DAGs.
        deploy: Deploys one, and returns in a few words what was done.
        console: Where to write.

    Raises:
        RunError: If some were not deployed.
    """
    table = plain_table("DAG", "Schedule", "Result")
    failed = []
    for dag in dags:
        try:
            result = Text(deploy(dag))
        except AirflowK8sError as error:
            failed.append(f"DAG {dag.dag_id}: {error}")
            result = Text("failed", style="red")
        table.add_row(Text(dag.dag_id), Text(dag.schedule or "-"), result)
    print_table(table, console)
    if failed:
        count = f"{len(failed)} of {counted(len(dags), 'DAG')}"
        raise RunError("\n".join([f"{count} could not be deployed.", *failed]))
