"""The MLflow operators as a DAG has them, executed by an Airflow against a server."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.airflow.dag.operators.airflow_process import AirflowWorker
from tests.support.mlflow_servers import MlflowServer

RUN = ("letters", "manual__2026-01-01T00:00:00+00:00")
OTHER_RUN = ("letters", "manual__2026-01-02T00:00:00+00:00")
TASK_URL = "https://airflow.example.com/dags/letters/runs/manual__1/tasks/start_mlflow_run"
TAGS = {"kedro.commit": "abc123", "kedro.pipeline": "__default__", "kedro.image": "shop:1"}
# As long as the pauses between the tries of one call add up to.
PAUSES = [f"waits {seconds} s" for seconds in (1, 2, 5, 10, 15)]

_numbers = itertools.count(1)


def new_experiment() -> str:
    """A name that no other test of this process has."""
    return f"experiment {next(_numbers)}"


@dataclass(frozen=True)
class Operators:
    """The operators on one Airflow.

    Attributes:
        airflow: Which executes them.
        uri: The address of MLflow as the operators have it.
        authentication: As in the DAG.
        environment: More variables for the operators.
        missing: Modules that the operators cannot import.
    """

    airflow: AirflowWorker
    uri: str
    authentication: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def start(
        self, experiment: str, run: tuple[str, str] = RUN, **more: Any
    ) -> tuple[str, list[str]]:
        """Execute the one that starts: the run's id, and what it logs."""
        context = {"url": TASK_URL, **more.pop("context", {})}
        arguments = {"run_name": "letters 1", "tags": TAGS, "experiment": experiment, **more}
        return self._execute("start", run, context, **arguments)

    def end(self, run_id: str, state: str = "success", **more: Any) -> tuple[str, list[str]]:
        """Execute the one that ends, after the witness has come to a state.

        Args:
            run_id: The run in MLflow.
            state: That of the witness.
            more: `tasks`, the states of those that the task comes after; arguments.
        """
        tasks = more.pop("tasks", {})
        context = {"url": TASK_URL, "states": {"all_succeeded": state, **tasks}}
        arguments = {"run_name": "letters 1", "witness": "all_succeeded", **more}
        upstream = {"upstream_task_ids": list(tasks)}
        return self._execute("end", RUN, context, upstream, run_id=run_id, **arguments)

    def _execute(
        self,
        operator: str,
        run: tuple[str, str],
        context: dict[str, Any],
        attributes: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> tuple[str, list[str]]:
        return self.airflow.execute(
            operator,
            run,
            attributes,
            environment=dict(self.environment),
            context=context,
            missing=self.missing,
            tracking_uri=self.uri,
            authentication=dict(self.authentication),
            **arguments,
        )


def operators_on(airflow: AirflowWorker, server: MlflowServer, **more: Any) -> Operators:
    """The operators, for a server."""
    return Operators(airflow, server.url, **more)
