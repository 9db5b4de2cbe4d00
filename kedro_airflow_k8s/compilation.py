"""From the Kedro project to the text of its DAGs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.config import config_warnings
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import build_plan
from kedro_airflow_k8s.project import KedroProject
from kedro_airflow_k8s.render import render_dag


@dataclass(frozen=True)
class CompiledDag:
    """A DAG file that is ready to be written.

    Attributes:
        dag_id: Its id.
        source: The text of the file.
        task_ids: All its tasks, in an order in which they can run.
        sensor_ids: Those of them that wait for other DAGs.
    """

    dag_id: str
    source: str
    task_ids: tuple[str, ...]
    sensor_ids: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The name of the file that holds it."""
        return f"{self.dag_id}.py"


def compile_pipelines(
    project: KedroProject,
    pipelines: Sequence[str],
    *,
    image: str | None = None,
    output: Path | None = None,
    warn: Callable[[str], None],
) -> list[CompiledDag]:
    """The DAGs of pipelines; all of them or, if one fails, none.

    Args:
        project: The Kedro project.
        pipelines: Registered names.
        image: In place of the image in the configuration.
        output: Where the DAGs will be written: there they do not count as uncommitted changes.
        warn: Called with each doubt about the configuration.

    Raises:
        AirflowK8sError: If the project, its configuration or a plan is wrong.
    """
    config = project.config(image)
    for message in config_warnings(config):
        warn(message)
    compiled: dict[str, CompiledDag] = {}
    for name in pipelines:
        read = project.read(name, output)
        if not read.nodes and len(pipelines) > 1:
            warn(f"Pipeline {name!r} has no nodes: there is no DAG of it.")
            continue
        plan = build_plan(read, config)
        if plan.dag_id in compiled:
            raise PlanError(f"Two pipelines would be DAG {plan.dag_id!r}: rename {name!r}.")
        compiled[plan.dag_id] = CompiledDag(
            dag_id=plan.dag_id,
            source=render_dag(plan),
            task_ids=plan.task_ids,
            sensor_ids=tuple(sensor.task_id for sensor in plan.sensors),
        )
    if not compiled:
        raise PlanError("No pipeline has nodes, so there is nothing to compile.")
    return list(compiled.values())
