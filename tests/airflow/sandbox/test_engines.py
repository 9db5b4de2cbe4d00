"""Real engines in `sandbox run`: their results are those of Python, and nothing of them is left.

The engines are in an environment of their own (`make .venv-engines`), as in a user's project.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.airflow.sandbox.services_project import make_counting_project, options
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder

_ENGINES = os.environ.get("ENGINES_PYTHON")
needs_engines = pytest.mark.skipif(not _ENGINES, reason="ENGINES_PYTHON names no Python with them")
pytestmark = needs_engines

CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 240
  clusters:
    spark:
      type: spark-connect
      conf: {spark.sql.shuffle.partitions: 2}
    ray: {type: ray, workers: 2, resources: small}
    dask: {type: dask, workers: 2, resources: small}
  resources:
    small:
      requests: {cpu: 1}
"""
SPARK = """
import json, os
from pathlib import Path
from kedro.pipeline import Pipeline, node

ROWS = [{"shop": f"s{number % 7}", "price": number} for number in range(10_000)]

def make():
    # On the volume of the run, which the server of Spark has, too.
    folder = Path("data/01_raw").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "orders.json"
    path.write_text("".join(json.dumps(row) + chr(10) for row in ROWS))
    return str(path)

def add_up(path):
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.getOrCreate()
    found = spark.read.json(path).groupBy("shop").sum("price").collect()
    expected = {}
    for row in ROWS:
        expected[row["shop"]] = expected.get(row["shop"], 0) + row["price"]
    print("SAME AS PYTHON", {row[0]: row[1] for row in found} == expected, flush=True)
    print("SESSION", type(spark).__module__, flush=True)
    {end}

def create_pipeline():
    return Pipeline([
        node(make, None, "path", name="make"),
        node(add_up, "path", "nothing", name="add_up", tags=["cluster.spark"]),
    ])
"""
SIDE_BY_SIDE = """
import os
from kedro.pipeline import Pipeline, node

def square(number):
    return number * number, os.getppid()

def power(number):
    return number ** 2

def with_ray():
    import ray
    ray.init()
    remote = ray.remote(square)
    found = ray.get([remote.remote(number) for number in range(200)])
    print("RAY", sum(each for each, _ in found), flush=True)
    return 1

def with_dask(_):
    from distributed import Client
    with Client() as client:
        client.wait_for_workers(2, timeout=120)
        print("DASK", sum(client.gather(client.map(power, range(200)))), flush=True)
    return 1

def create_pipeline():
    return Pipeline([
        node(with_ray, None, "one", name="with_ray", tags=["cluster.ray"]),
        node(with_dask, "one", "two", name="with_dask", tags=["cluster.dask"]),
    ])
"""


def make_project(path: Path, pipeline: str) -> ProjectFolder:
    project = make_counting_project(path)
    project.pipeline("counting", pipeline)
    project.config(CONFIG)
    return project


def run(project: ProjectFolder, python: Path) -> subprocess.CompletedProcess[str]:
    """`sandbox run` in the environment with the engines."""
    command = [str(_ENGINES), "-m", "kedro", "airflow-k8s", "sandbox", "run", "-p", "counting"]
    programs = f"{Path(str(_ENGINES)).parent}{os.pathsep}{os.environ['PATH']}"
    found = options(project)
    found["env"]["PATH"] = programs
    return subprocess.run(
        [*command, "--logs", "--airflow-python", python], check=False, timeout=900, **found
    )


def left_processes() -> list[str]:
    """The processes of engines that still run, whose command names them."""
    engines = re.compile(r"SparkConnectServer|raylet|gcs_server|dask[ -](scheduler|worker)")
    return [
        found
        for process in psutil.process_iter(["cmdline"])
        if engines.search(found := " ".join(process.info["cmdline"] or ()))
        # Others may use engines on this machine.
        and str(Path(str(_ENGINES)).parent.parent) in found
    ]


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_a_node_adds_up_a_file_with_the_spark_of_its_run(tmp_path: Path, python: Path) -> None:
    project = make_project(tmp_path / "project", SPARK.replace("{end}", "return 1"))

    ran = run(project, python)

    assert ran.returncode == 0, ran.stdout
    assert "\nSAME AS PYTHON True\n" in ran.stdout, ran.stdout
    assert "\nSESSION pyspark.sql.connect.session\n" in ran.stdout, ran.stdout
    page = r"Its web page: kubectl port-forward -n default pod/\S+-spark 4040"
    (kept,) = (project.path / ".airflow-sandbox/runs").glob("*.log")
    assert re.search(page, kept.read_text())
    assert left_processes() == []


def test_a_node_that_fails_leaves_no_spark_behind(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", SPARK.replace("{end}", "raise ValueError('no')"))

    ran = run(project, Path(sys.executable))

    assert ran.returncode == 1, ran.stdout
    assert "add_up failed: ValueError: no" in ran.stdout, ran.stdout
    assert re.search(r"Pod \S+-spark in namespace default: deleted", ran.stdout), ran.stdout
    assert left_processes() == []


def test_ray_and_dask_work_side_by_side_each_with_two_workers(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", SIDE_BY_SIDE)

    ran = run(project, Path(sys.executable))

    assert ran.returncode == 0, ran.stdout
    total = sum(number * number for number in range(200))
    assert f"\nRAY {total}\n" in ran.stdout, ran.stdout
    assert f"\nDASK {total}\n" in ran.stdout, ran.stdout
    assert left_processes() == []
