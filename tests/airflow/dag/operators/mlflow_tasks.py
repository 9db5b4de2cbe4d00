"""The tasks around an MLflow run, executed on request. Airflow's own Python runs this module."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest import mock

import airflow

from kedro_airflow_k8s.dag.operators.mlflow import MlflowExperiment


def execute(method: str, server: Mapping[str, Any], **arguments: Any) -> Any:
    """Do what a task does.

    Args:
        method: `start_run` or `end_run`.
        server: Arguments of MlflowExperiment, with `auth` as in a plan.
        arguments: Those of the method. What Airflow gives is made of `url`, the page of the task,
            and `states`, the states of the tasks of the run.
    """
    experiment = MlflowExperiment(**{**server, "auth": _auth(*server["auth"])})
    return getattr(experiment, method)(**_airflow(arguments))


def _auth(module: str = "", *names: str) -> Callable[[], Any]:
    if not module:
        return lambda: None
    function = getattr(import_module(f"{_OPERATORS}.{module}"), module)
    return lambda: function(*names)


_OPERATORS = "kedro_airflow_k8s.dag.operators"


def _airflow(arguments: dict[str, Any]) -> dict[str, Any]:
    if "states" not in arguments:
        page = SimpleNamespace(log_url=arguments.pop("url"))
        return {**arguments, "ti": page}
    states = arguments.pop("states")
    found = [SimpleNamespace(task_id=name, state=state) for name, state in states.items()]
    ti = SimpleNamespace()
    if airflow.__version__ >= "3":
        ti.get_task_states = lambda dag_id, run_ids: dict.fromkeys(run_ids, states)
    dag_run = SimpleNamespace(dag_id="d", run_id="r", get_task_instances=lambda: found)
    dag_run.find = lambda dag_id, run_id: [dag_run] if (dag_id, run_id) == ("d", "r") else []
    return {
        **arguments,
        "ti": ti,
        "dag_run": dag_run,
        "task": SimpleNamespace(upstream_task_ids=set(states)),
    }


def start_at_once(server: Mapping[str, Any], urls: Sequence[str]) -> list[Any]:
    """The ids of the MLflow runs that DAG runs start at the same moment."""
    with ThreadPoolExecutor(len(urls)) as pool:
        calls = [
            pool.submit(execute, "start_run", server, run_name="r", tags={}, url=url)
            for url in urls
        ]
        return [call.result() for call in calls]


class Lines(logging.Handler):
    """Keeps what a task logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.lines.append(record.getMessage())


@contextmanager
def surroundings(environment: Mapping[str, str], missing: Sequence[str]) -> Iterator[list[str]]:
    """An environment without some modules, where waits end at once; what is logged and waited."""
    handler = Lines()
    log = logging.getLogger("airflow.task")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    tell = mock.Mock(side_effect=lambda s: handler.lines.append(f"waits {s:g} s"))
    with ExitStack() as stack:
        stack.callback(log.removeHandler, handler)
        stack.enter_context(mock.patch.dict(os.environ, environment))
        if missing:
            stack.enter_context(mock.patch.dict(sys.modules, dict.fromkeys(missing)))
        stack.enter_context(mock.patch.object(time, "sleep", tell))
        yield handler.lines
