"""What nodes hand to each other in memory survives from pod to pod, however they are grouped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.airflow.sandbox.sandbox_runs import (
    copy_of,
    environment,
    final_states,
    leftovers,
    sandbox_run,
)
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import IMAGE, make_project
from tests.support.storage_servers import S3, s3_server  # noqa: F401 - fixture

NOTHING = """
from kedro.pipeline import Pipeline

def create_pipeline():
    return Pipeline([])
"""
LOOKING = """
import json, os
from pathlib import Path
import s3fs
from kedro.pipeline import Pipeline, node

def fail():
    if FAILING:
        raise RuntimeError("no use")
    return "nothing"

def make():
    return {"numbers": [1, 2]}

def use(numbers):
    assert numbers == {"numbers": [1, 2]}
    root = os.environ["KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"].partition("//")[2]
    bucket = root.partition("/")[0]
    names = [name.removeprefix(f"{bucket}/") for name in s3fs.S3FileSystem().find(bucket)]
    Path(SEEN).write_text(json.dumps(names))
    return len(names)

def end(nothing, found):
    pass

def create_pipeline():
    return Pipeline([
        node(fail, None, "nothing", name="fail"),
        node(make, None, "numbers", name="make"),
        node(use, "numbers", "found", name="use"),
        node(end, ["nothing", "found"], None, name="end"),
    ])
"""
AROUND = 3
"""create_volume, data_volume_init and delete_volume."""


def configure(project: Path, **changes: Any) -> None:
    """Change keys of run_config."""
    path = project / "conf/base/airflow-k8s.yaml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["run_config"].update(changes)
    path.write_text(yaml.safe_dump(config), "utf-8")


def metrics_of(folder: Path) -> bytes:
    (found,) = folder.rglob("metrics.json")
    return found.read_bytes()


@pytest.fixture(scope="module")
def plain_metrics(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a plain `kedro run` of the example comes to."""
    project = copy_of("spaceflights", tmp_path_factory.mktemp("plain"))
    command = [sys.executable, "-m", "kedro", "run"]
    subprocess.run(command, cwd=project, env=environment(project), check=True)
    return metrics_of(project)


def check_metrics(
    project: Path, python: str | Path, grouping: str, pods: int, expected: bytes
) -> None:
    configure(project, grouping=grouping)

    ran = sandbox_run(project, "--airflow-python", python, "--keep")

    assert ran.returncode == 0, ran.stdout
    states = final_states(ran.stdout)
    assert set(states.values()) == {"success"}
    assert len(states) == pods + AROUND
    kept = re.search(r"^Kept in (.*)$", ran.stdout, re.MULTILINE)
    assert kept is not None
    assert metrics_of(Path(kept[1])) == expected
    # Only what crosses from one task to another is stored, beside the version of the model.
    stored = list(Path(kept[1]).rglob(".kedro-airflow-k8s/*.pickle"))
    assert bool(stored) == (grouping in ("none", "namespace"))


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_the_metrics_are_those_of_a_plain_run_with_a_pod_for_each_node(
    python: Path, tmp_path: Path, plain_metrics: bytes
) -> None:
    check_metrics(copy_of("spaceflights", tmp_path), python, "none", 13, plain_metrics)


@pytest.mark.parametrize(("grouping", "pods"), [("memory", 2), ("namespace", 3), ("pipeline", 1)])
def test_the_metrics_are_those_of_a_plain_run_however_nodes_are_grouped(
    grouping: str, pods: int, tmp_path: Path, plain_metrics: bytes
) -> None:
    project = copy_of("spaceflights", tmp_path)
    check_metrics(project, sys.executable, grouping, pods, plain_metrics)


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
@pytest.mark.parametrize("failing", [False, True], ids=["good", "failing"])
def test_data_goes_over_object_storage_without_a_volume_and_is_gone_at_the_end(
    python: Path,
    failing: bool,
    tmp_path: Path,
    s3_server: S3,  # noqa: F811 - fixture
) -> None:
    bucket = f"run-{tmp_path.name.replace('_', '-').lower()[:50]}"
    s3_server.make_bucket(bucket)
    project = make_project(tmp_path / "project")
    project.pipeline("stock", NOTHING)
    seen = tmp_path / "seen.json"
    project.pipeline("sales", f"FAILING, SEEN = {failing}, {str(seen)!r}\n{LOOKING}")
    project.config(
        f"""
        run_config:
          image: {IMAGE}
          volume: {{disabled: true}}
          intermediate_data: s3://{bucket}/of/runs
          env_vars:
            AWS_ENDPOINT_URL: {s3_server.url}
            AWS_ACCESS_KEY_ID: someone
            AWS_SECRET_ACCESS_KEY: something
            AWS_DEFAULT_REGION: us-east-1
        """
    )

    ran = sandbox_run(project.path, "--airflow-python", python)

    states = final_states(ran.stdout)
    # What does not wait for the node that fails still has its data.
    assert states == {
        "fail": "failed" if failing else "success",
        "make": "success",
        "use": "success",
        "end": "upstream failed" if failing else "success",
        "delete_intermediate_data": "success",
    }, ran.stdout
    assert ran.returncode == (1 if failing else 0)
    names = json.loads(seen.read_text())
    assert "numbers.pickle" in {name.rpartition("/")[2] for name in names}
    assert all(re.fullmatch(r"of/runs/shop-[0-9a-f]{12}/[a-z]+\.pickle", name) for name in names)
    assert s3_server.names(bucket) == []
    assert leftovers(project.path) == []


VERSIONED = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def make():
    tries = Path("data/tries")
    tries.mkdir(exist_ok=True)
    (tries / str(len(list(tries.iterdir())))).touch()
    return {"try": len(list(tries.iterdir()))}

def check(model):
    # The first attempt fails after it has saved a version.
    assert model["try"] > 1
    return "checked"

def intrude(checked):
    # As a run that overlaps: it saves a version that sorts after that of this run.
    other = Path("data/model/2099-01-01T00.00.00.000Z/model")
    other.parent.mkdir(parents=True)
    other.write_text('{"try": 99}')
    return "done"

def use(model, done):
    Path(SEEN).write_text(str(model["try"]))

def create_pipeline():
    return Pipeline([
        node(make, None, "model", name="make", tags="airflow-k8s.group.first"),
        node(check, "model", "checked", name="check", tags="airflow-k8s.group.first"),
        node(intrude, "checked", "done", name="intrude"),
        node(use, ["model", "done"], None, name="use"),
    ])
"""


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_a_task_loads_the_version_of_its_own_run_after_a_retry_and_beside_another_run(
    python: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    project.pipeline("stock", NOTHING)
    seen = tmp_path / "seen"
    project.pipeline("sales", f"SEEN = {str(seen)!r}\n{VERSIONED}")
    entry = "model: {type: json.JSONDataset, filepath: data/model, versioned: true}\n"
    project.write("conf/base/catalog.yml", entry)
    project.config(f"run_config: {{image: {IMAGE!r}, retries: 1, retry_delay: 1s}}\n")

    ran = sandbox_run(project.path, "--airflow-python", python)

    assert ran.returncode == 0, ran.stdout
    assert seen.read_text() == "2"
