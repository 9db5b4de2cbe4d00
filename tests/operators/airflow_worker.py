"""Executes operators and calls their functions, on request. Airflow's own Python runs this program.

Reads a line of JSON for each request from standard input and answers with one on standard output,
so that one start of Airflow serves many tests. What Airflow prints goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from types import SimpleNamespace
from typing import Any
from unittest import mock

from jinja2.sandbox import SandboxedEnvironment

from kedro_airflow_k8s.operators import parameters, volume

OPERATORS: dict[str, Any] = {
    "create": volume.CreateVolumeOperator,
    "delete": volume.DeleteVolumeOperator,
}


def kedro_params(conf: Any, trigger: list[str]) -> str:
    """What the macro makes of a run's conf."""
    environment = SandboxedEnvironment()
    environment.globals["kedro_params"] = parameters.kedro_params
    template = environment.from_string("{{ kedro_params(trigger=trigger) }}")
    return template.render(dag_run=SimpleNamespace(conf=conf), trigger=trigger)


FUNCTIONS: dict[str, Any] = {
    "kedro_literal": parameters.kedro_literal,
    "kedro_params": kedro_params,
}


class Collector(logging.Handler):
    """Keeps the messages of a logger."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.messages.append(record.getMessage())


def execute(
    operator: str,
    arguments: dict[str, Any],
    run: list[str],
    attributes: dict[str, Any],
    environment: dict[str, str],
) -> tuple[Any, list[str]]:
    """What `execute` of an operator returns and logs."""
    task = OPERATORS[operator](task_id=operator, **arguments)
    for name, value in attributes.items():
        setattr(task, name, value)
    log = logging.getLogger("kedro-airflow-k8s-tests")
    collector = Collector()
    log.handlers, log.propagate = [collector], False
    log.setLevel(logging.INFO)
    context = {"dag_run": SimpleNamespace(dag_id=run[0], run_id=run[1])}
    # Airflow 3's loggers are structlog's, Airflow 2's are of the standard library.
    kind = type(task)
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(kind, "log", log, create=True),
    ):
        try:
            return task.execute(context), collector.messages
        except Exception as error:
            raise Failed(error, collector.messages) from error


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
        return {"error": [type(error).__name__, str(error)], "log": log}
    except ValueError as error:
        return {"error": [type(error).__name__, str(error)], "log": []}
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
