"""The Kedro project whose pipelines run on the real Airflows of the tests, and its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.kedro_projects import ProjectFolder, make_project

if TYPE_CHECKING:
    from tests.support.airflow_servers import AirflowServer

REFUSED_BY_POLICY = "refused-by-policy"
"""A DAG that the servers' cluster policy does not let in: importing it fails on Airflow alone."""

POLICY = f"""
from airflow.exceptions import AirflowClusterPolicyViolation

def dag_policy(dag):
    if dag.dag_id == "{REFUSED_BY_POLICY}":
        raise AirflowClusterPolicyViolation("this platform does not want such a DAG")
"""
"""Airflow's `airflow_local_settings.py`."""

MANY_DAGS, DAGS_A_FILE = 1200, 100
"""Airflow 2 takes its time to give each DAG its permissions, and stops with a file after 50 s."""

_MANY = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import DAG, BaseOperator

for number in range({first}, {end}):
    with DAG(
        dag_id=f"many-{{number:04}}",
        schedule=None,
        start_date=datetime(2021, 1, 1, tzinfo=timezone.utc),
        tags=["generated_with_kedro_airflow_k8s:0.6.5", "experiment_name:Many"],
    ) as dag:
        BaseOperator(task_id="task")
    globals()[dag.dag_id] = dag
"""


def files_of_many_dags() -> dict[str, str]:
    """DAGs as an old version of this plugin made them: the last DAG of a file to its text."""
    return {
        f"many-{first + DAGS_A_FILE - 1:04}": _MANY.format(first=first, end=first + DAGS_A_FILE)
        for first in range(0, MANY_DAGS, DAGS_A_FILE)
    }


CONFIG = """
run_config:
  image: shop:1.0
  experiment_name: Shop tests
  startup_time: 120
  volume: {disabled: true}
"""
FORM = """
run_config:
  trigger_params:
    - name: model.depth
      description: How deep the tree may grow.
"""
PARAMETERS = """
model: {depth: 3, rate: 0.1, kind: tree}
"""
PIPELINE = """
from kedro.pipeline import Pipeline, node
{function}
def create_pipeline():
    return Pipeline([node({name}, "parameters", None, name="{name}")])
"""
WITH_VOLUME = """
run_config:
  volume: {disabled: false, skip_init: true}
"""
WAITS = """
run_config:
  external_dependencies:
    - {dag_id: missing, check_existence: false}
"""
QUICK = """
def do_nothing(parameters):
    pass
"""
BROKEN = """
import json

def show_and_fail(parameters):
    print("PARAMETERS", json.dumps(parameters), flush=True)
    raise ValueError("there is no [bold] data")
"""
SLOW = """
import time
from kedro.pipeline import Pipeline, node

def wait_for_ever(parameters):
    time.sleep(100_000)

def come_after(waited):
    return waited

def create_pipeline():
    return Pipeline([
        node(wait_for_ever, "parameters", "waited", name="wait_for_ever"),
        node(come_after, "waited", "come", name="come_after"),
    ])
"""


def make_server_project(path: Path) -> ProjectFolder:
    """A project of three pipelines: `quick`, `broken` and `slow`; a volume only in env `volume`."""
    project = make_project(path)
    project.pipeline("slow", SLOW)
    for name, function in (("quick", QUICK), ("broken", BROKEN)):
        called = function.partition("def ")[2].partition("(")[0]
        project.pipeline(name, PIPELINE.format(function=function, name=called))
    project.config(CONFIG)
    project.config(FORM, env="form")
    project.config(WITH_VOLUME, env="volume")
    project.config(WAITS, env="waits")
    project.write("conf/base/parameters.yml", PARAMETERS)
    project.write("conf/base/catalog.yml", "{}\n")
    return project


def process(server: AirflowServer, **variables: str) -> dict[str, Any]:
    """How a command of the project is started: its folder and its environment."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "KEDRO", "GIT_"))
    }
    return {
        "cwd": server.project,
        "env": {
            **environment,
            "KEDRO_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "COLUMNS": "200",
            "AIRFLOW_API_USERNAME": server.username,
            "AIRFLOW_API_PASSWORD": server.password,
            **variables,
        },
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def command(*arguments: str) -> list[str]:
    """A command of the plugin."""
    return [sys.executable, "-m", "kedro", "airflow-k8s", *arguments]


def kedro(
    server: AirflowServer, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call the plugin in the server's project, with the server's credentials unless told others."""
    return subprocess.run(command(*arguments), check=False, **process(server, **variables))


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All that a command has written."""
    return done.stdout + done.stderr


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, said(done)
    return done.stdout


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command has printed itself: Kedro may have logged something before."""
    return succeeded(done).splitlines()[-1]


def failed(done: subprocess.CompletedProcess[str], *words: str) -> str:
    text = said(done)
    assert done.returncode == 1, text
    assert "Traceback (most recent call last)" not in done.stderr
    assert len(re.findall("^Error: ", done.stderr, re.MULTILINE)) == 1
    for word in words:
        assert word in text, text
    return text
