"""The tasks around an MLflow run as a DAG has them, executed by an Airflow against a server."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.airflow.airflow_api.web_server import Reply, Request
from tests.airflow.dag.operators.airflow_process import AirflowWorker

URL = "https://airflow.example.com/dags/letters/runs/manual__1"
TASK = "/tasks/start_mlflow_run"
TAGS = {"kedro.commit": "abc123", "kedro.image": "shop:1", "airflow.logical_date": ""}
# Between the tries of one request: half a minute together.
WAITS = [f"waits {seconds} s" for seconds in (2, 4, 8, 16)]

_numbers = itertools.count(1)


def new_experiment() -> str:
    """A name that no other test of this process has."""
    return f"experiment {next(_numbers)}"


def small_mlflow(request: Request) -> Reply:
    """Answer as an MLflow does that has one experiment with one run."""
    info = {"experiment_id": "1", "lifecycle_stage": "active", "run_id": "0" * 32}
    return Reply(200, {"experiment": info, "runs": [{"info": info}], "run_info": info})


@dataclass(frozen=True)
class MlflowTasks:
    """The tasks on one Airflow.

    Attributes:
        airflow: The Airflow that executes them.
        uri: The address of MLflow.
        auth: The credentials as in a plan.
        environment: More variables for the tasks.
        missing: Modules that the tasks cannot import.
    """

    airflow: AirflowWorker
    uri: str
    auth: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()

    def start(self, experiment: str, url: str = URL + TASK, **more: Any) -> tuple[str, list[str]]:
        """Execute the one that starts: the run's id, and what it logs and waits."""
        settings = {"name": experiment, **more.pop("settings", {})}
        server = {**self.server(experiment), "settings": settings, **more.pop("server", {})}
        arguments = {"run_name": "letters 1", "tags": TAGS, "url": url, **more}
        return self._execute("start_run", server, arguments)

    def end(
        self, run_id: str, all_succeeded: str | None = "success", **states: str | None
    ) -> tuple[str, list[str]]:
        """Execute the one that ends, when tasks have come to these states."""
        states = {"all_succeeded": all_succeeded, **states}
        arguments = {"mlflow_run_id": run_id, "states": states}
        return self._execute("end_run", self.server("any"), arguments)

    def server(self, experiment: str) -> dict[str, Any]:
        """What the DAG says of the server."""
        return {"tracking_uri": self.uri, "settings": {"name": experiment}, "auth": self.auth}

    def _execute(
        self, method: str, server: dict[str, Any], arguments: dict[str, Any]
    ) -> tuple[str, list[str]]:
        return self.airflow.execute_mlflow(
            method,
            environment=dict(self.environment),
            missing=self.missing,
            server=server,
            **arguments,
        )
