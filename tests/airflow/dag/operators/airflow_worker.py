"""Executes operators and calls their functions, on request. Airflow's own Python runs this program.

Reads a line of JSON for each request from standard input and answers with one on standard output,
so that one start of Airflow serves many tests. What Airflow prints goes to standard error.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any
from unittest import mock

import airflow

from kedro_airflow_k8s.dag.operators import mlflow, run_resources

OPERATORS: dict[str, Any] = {
    "create": run_resources.CreateRunResources,
    "delete": run_resources.DeleteRunResources,
    "start": mlflow.StartMlflowRunOperator,
    "end": mlflow.EndMlflowRunOperator,
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


def context_of(run: list[str], given: dict[str, Any]) -> dict[str, Any]:
    """What Airflow gives to `execute`, as far as the operators look at it.

    Args:
        run: The ids of DAG and run.
        given: `logical_date`, `url` of the task's page, and `states` of other tasks.
    """
    date, states = given.get("logical_date"), given.get("states", {})
    ti = SimpleNamespace(log_url=given.get("url", ""))
    dag_run = SimpleNamespace(
        dag_id=run[0],
        run_id=run[1],
        logical_date=None if date is None else datetime.fromisoformat(date),
        get_task_instances=lambda: [
            SimpleNamespace(task_id=name, state=state) for name, state in states.items()
        ],
    )
    if airflow.__version__ >= "3":
        ti.get_task_states = lambda dag_id, run_ids: dict.fromkeys(run_ids, states)
    return {"dag_run": dag_run, "ti": ti}


@contextmanager
def surroundings(
    operator: str, collector: Collector, environment: dict[str, str], missing: list[str]
) -> Iterator[None]:
    """An environment without some modules; the waits of MLflow's operators are only told."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        if missing:
            stack.enter_context(mock.patch.dict(sys.modules, dict.fromkeys(missing)))
        if operator in ("start", "end"):
            tell = mock.Mock(side_effect=lambda s: collector.messages.append(f"waits {s} s"))
            stack.enter_context(mock.patch.object(time, "sleep", tell))
        yield


def execute(
    operator: str,
    arguments: dict[str, Any],
    run: list[str],
    attributes: dict[str, Any],
    environment: dict[str, str],
    context: dict[str, Any],
    missing: list[str],
) -> tuple[Any, list[str]]:
    """What `execute` of an operator returns and logs."""
    task = OPERATORS[operator](task_id=operator, **arguments)
    for name, value in attributes.items():
        setattr(task, name, value)
    log = logging.getLogger("kedro-airflow-k8s-tests")
    collector = Collector()
    log.handlers, log.propagate = [collector], False
    log.setLevel(logging.INFO)
    # Airflow 3's loggers are structlog's, Airflow 2's are of the standard library.
    kind = type(task)
    with (
        surroundings(operator, collector, environment, missing),
        mock.patch.object(kind, "log", log, create=True),
    ):
        try:
            return task.execute(context_of(run, context)), collector.messages
        except Exception as error:
            raise Failed(error, collector.messages) from error


def start_at_once(arguments: dict[str, Any], runs: list[list[str]]) -> list[Any]:
    """The ids of the MLflow runs that DAG runs start at the same moment."""

    def start(run: list[str]) -> Any:
        task = mlflow.StartMlflowRunOperator(task_id="start", **arguments)
        # Airflow 2's guard around it serves one thread only.
        return inspect.unwrap(type(task).execute)(task, context_of(run, {}))

    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(start, runs))


def has_module(name: str) -> bool:
    """Whether this Python has a module."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


FUNCTIONS: dict[str, Any] = {"start_at_once": start_at_once, "has_module": has_module}


class Failed(Exception):
    """An operator has failed."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request."""
    log: list[str] = []
    try:
        if "call" in request:
            value = FUNCTIONS[request["call"]](*request["arguments"])
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
