"""What a task says whose input is a file that is not on the volume of the run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE, REASON_VARIABLE
from tests.kedro.pod.kedro_processes import pod_environment
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

NODES = """
from kedro.pipeline import Pipeline, node

def same(value):
    return value

def register_pipelines():
    return {"__default__": Pipeline([
        node(same, "orders", "table", name="clean"),
        node(same, "table", "totals", name="add"),
        node(same, "totals", "sum", name="sum"),
        node(same, "elsewhere", "other", name="other"),
    ])}
"""
CATALOG = """
orders: {type: json.JSONDataset, filepath: data/01_raw/orders.json}
table: {type: json.JSONDataset, filepath: data/02/table.json}
totals: {type: json.JSONDataset, filepath: data/02/totals, versioned: true}
elsewhere: {type: json.JSONDataset, filepath: other/table.json}
"""


@pytest.fixture(name="shop")
def _shop(project: ProjectFolder) -> ProjectFolder:
    project.registry(NODES)
    project.write("conf/base/catalog.yml", CATALOG)
    return project


def cause(shop: ProjectFolder, node: str, *options: str) -> str:
    """Run a node that fails; what its pod leaves for the task in Airflow."""
    reason = shop.path / "reason"
    root = str(shop.path / "data" / ".kedro-airflow-k8s")
    done = subprocess.run(
        [sys.executable, "-m", "kedro_airflow_k8s.pod", "run", f"--nodes={node}", *options],
        cwd=shop.path,
        env=pod_environment({INTERMEDIATE_DATA_VARIABLE: root, REASON_VARIABLE: str(reason)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return reason.read_text()


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_what_a_node_makes_is_missing_with_the_node_to_run_again(
    shop: ProjectFolder, runner: str
) -> None:
    assert cause(shop, "add", f"--runner={runner}").startswith(
        "DatasetError: Dataset 'table' is not on the volume of the run. Node 'clean', which makes"
        " it, has not run in this DAG run, or the volume was deleted. Run it again, too: `kedro"
        " airflow-k8s resume --from clean`. `run_config.keep_failed` keeps the volumes of failed"
        " runs."
    )


def test_so_is_a_dataset_of_which_there_is_no_version(shop: ProjectFolder) -> None:
    said = cause(shop, "sum")

    assert "Dataset 'totals' is not on the volume of the run. Node 'add', which" in said


def test_what_no_node_makes_is_missing_in_the_image(shop: ProjectFolder) -> None:
    assert cause(shop, "clean").startswith(
        "DatasetError: Dataset 'orders' is not on the volume of the run. No node makes it, and the"
        " image has no data/01_raw/orders.json. Add the file to the image, or correct the catalog."
    )


def test_a_file_in_another_place_is_not_explained(shop: ProjectFolder) -> None:
    assert "volume of the run" not in cause(shop, "other")


def test_another_error_is_not_explained(shop: ProjectFolder) -> None:
    shop.write("data/01_raw/orders.json", "not JSON")

    assert "volume of the run" not in cause(shop, "clean")
