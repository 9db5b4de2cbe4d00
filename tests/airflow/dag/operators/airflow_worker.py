"""Executes operators and calls their functions, on request. Airflow's own Python runs this program.

Reads a line of JSON for each request from standard input and answers with one on standard output,
so that one start of Airflow serves many tests. What Airflow prints goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.providers.common.compat.sdk import DAG, BaseOperator

from kedro_airflow_k8s.dag.operators import clusters, kept_resources, run_resources
from tests.airflow.dag.operators import dag_pods, mlflow_tasks


class Revive(clusters.CreateCluster):
    """What a task of a cluster's nodes does before it starts its pod."""

    def execute(self, context: Any) -> Any:
        """Make the cluster again, and return the unique id of the first pod."""
        self.connect(context)
        self.revive()
        return self.uid


class Lost(clusters.CreateCluster):
    """What such a task looks at while its pod runs."""

    def execute(self, context: Any) -> Any:
        """Return why the cluster is lost."""
        self.connect(context)
        return self.lost()


OPERATORS: dict[str, Any] = {
    "revive": Revive,
    "lost": Lost,
    "create": run_resources.CreateRunResources,
    "delete": run_resources.DeleteRunResources,
    "resume": kept_resources.ResumeRunResources,
    "keep": kept_resources.KeepRunResources,
}


class Collector(logging.Handler):
    """Keeps the messages of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one, unless Airflow wonders about being called by a test."""
        if "cannot be called outside" not in record.getMessage():
            self.messages.append(record.getMessage())


def execute(
    operator: str,
    arguments: dict[str, Any],
    run: list[str],
    attributes: dict[str, Any],
    environment: dict[str, str],
    states: dict[str, dict[str, str]],
) -> tuple[Any, list[str]]:
    """What `execute` of an operator returns and logs, in front of a task `node`.

    Args:
        operator: Its name here.
        arguments: Its arguments; times are in seconds. `conf` is that of the run.
        run: The ids of DAG and run.
        attributes: What to change of the operator before it is executed.
        environment: More variables.
        states: The states of tasks, by task, by run; those of other runs are unknown.
    """
    conf = arguments.pop("conf", None)
    if "keep" in arguments:
        arguments["keep"] = timedelta(seconds=arguments["keep"])
    with DAG(run[0], schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        task = OPERATORS[operator](task_id=operator, **arguments)
        task >> BaseOperator(task_id="node")
    for name, value in attributes.items():
        setattr(task, name, value)
    log = logging.getLogger("kedro-airflow-k8s-tests")
    collector = Collector()
    log.handlers, log.propagate = [collector], False
    log.setLevel(logging.INFO)
    # Airflow 3's loggers are structlog's, Airflow 2's are of the standard library.
    kind = type(task)
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(kind, "log", log, create=True),
    ):
        try:
            dag_run = SimpleNamespace(dag_id=run[0], run_id=run[1], conf=conf)
            known = SimpleNamespace(get_task_states=lambda _, run_ids: _of(states, run_ids))
            context = {"dag_run": dag_run, "ti": known}
            return task.execute(context), collector.messages
        except Exception as error:
            raise Failed(error, collector.messages) from error


def _of(states: dict[str, dict[str, str]], runs: list[str]) -> dict[str, dict[str, str]]:
    return {run: states[run] for run in runs if run in states}


def execute_mlflow(
    environment: dict[str, str], missing: list[str], **call: Any
) -> tuple[Any, list[str]]:
    """What a task around an MLflow run returns, and what it logs and waits."""
    with mlflow_tasks.surroundings(environment, missing) as lines:
        try:
            value = mlflow_tasks.execute(**call)
        except Exception as error:
            raise Failed(error, lines) from error
    return value, lines


def has_module(name: str) -> bool:
    """Whether this Python has a module."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


FUNCTIONS: dict[str, Any] = {
    "start_at_once": mlflow_tasks.start_at_once,
    "has_module": has_module,
    "pods_of": dag_pods.pods_of,
}


class Failed(Exception):
    """An operator has failed."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request."""
    log: list[str] = []
    try:
        if "call" in request:
            value = FUNCTIONS[request["call"]](*request["arguments"])
        elif "mlflow" in request:
            value, log = execute_mlflow(**request["mlflow"])
        else:
            value, log = execute(**request)
    except Failed as failed:
        error, log = failed.args
        trace = "".join(traceback.format_exception(error))
        return {"error": [type(error).__name__, str(error)], "log": log, "trace": trace}
    except ValueError as error:
        return {"error": [type(error).__name__, str(error)], "log": [], "trace": ""}
    return {"value": value, "log": log}


def main() -> None:
    """Answer until standard input ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        print(json.dumps({"value": sys.version, "log": []}), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
