"""What stays unloaded: libraries that a command does not need, and the datasets of a project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.kedro.pod.kedro_processes import run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture
from tests.support.waiting import WAIT_SECONDS

__all__ = ["project_fixture"]


def test_the_check_imports_none_of_the_datasets() -> None:
    script = (
        "import sys; from tests.support.checked import check, node;"
        "found = check([node('n', 'a b')], {'a': {'type': 'pandas.CSVDataset'},"
        " 'b': {'type': 'pandas.CsvDataset'}});"
        "print(sorted(each.code for each in found),"
        " {'pandas', 'kedro_datasets', 'packaging'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_SECONDS,
    )
    # One has no file, the other a misspelt type.
    assert run.stdout.splitlines()[-1] == "['dataset-keys', 'unknown-type'] set()"


def test_the_cron_library_stays_unloaded_unless_a_cron_is_to_be_read() -> None:
    script = (
        "import sys; from kedro_airflow_k8s.config.load import load_config; "
        "load_config({'run_config': {'cron_expression': sys.argv[1]}}, 'x'); "
        "print('croniter' in sys.modules)"
    )

    def loaded(cron: str) -> str:
        command = [sys.executable, "-c", script, cron]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert loaded("@daily") == "False"
    assert loaded("0 6 * * *") == "True"


def test_no_plugin_of_pydantic_is_looked_for() -> None:
    """It would look through the metadata of all packages."""
    script = (
        "import importlib.metadata as metadata, os\n"
        "metadata.entry_points = None\n"
        "from kedro_airflow_k8s.config.load import load_config\n"
        "print(load_config({'run_config': {}}, 'x').host, os.getenv('PYDANTIC_DISABLE_PLUGINS'))"
    )
    for given in (None, "logfire"):
        variables = {name: value for name, value in os.environ.items() if "PYDANTIC" not in name}
        run = subprocess.run(
            [sys.executable, "-c", script],
            env=variables | ({"PYDANTIC_DISABLE_PLUGINS": given} if given else {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert run.stdout == f"None {given}\n", run.stderr


LOADED = """
import sys

def load():
    names = ("pydantic.main", "packaging", "kedro_airflow_k8s.config", "kedro_airflow_k8s.project")
    print("LOADED", [name for name in names if name in sys.modules])
    return 1
"""
ONE_NODE = f"""
from kedro.pipeline import Pipeline, node
{LOADED}
def register_pipelines():
    return {{"__default__": Pipeline([node(load, None, "made", name="load")])}}
"""
TYPED = """
from kedro.pipeline import Pipeline, node
from pydantic import BaseModel

class Model(BaseModel):
    depth: int

def fit(model: Model):
    print("DEPTH", model.depth + 1)
    return 1

def register_pipelines():
    return {"__default__": Pipeline([node(fit, "params:model", "fitted", name="fit")])}
"""


def test_neither_a_pod_nor_a_run_by_hand_loads_what_only_the_commands_need(
    project: ProjectFolder,
) -> None:
    project.registry(ONE_NODE)
    project.write("conf/base/parameters.yml", "depth: 3\nnested: {a: [1, 2]}\n")

    for run in (run_task(project.path), project.start_kedro("run")):
        assert run.returncode == 0, run.stdout
        assert "LOADED []" in run.stdout


def test_parameters_that_are_models_of_pydantic_are_made_as_without_the_plugin(
    project: ProjectFolder,
) -> None:
    """Kedro has to recognise such a class although it imports pydantic late."""
    project.registry(TYPED)
    project.write("conf/base/parameters.yml", "model: {depth: '3'}\n")

    for run in (run_task(project.path), project.start_kedro("run")):
        assert run.returncode == 0, run.stdout
        assert "DEPTH 4" in run.stdout


COMPILE = """
import sys
from kedro.framework.cli import main
sys.argv = ["kedro", "airflow-k8s", "compile"]
try:
    main()
except SystemExit:
    print("LOADED", sorted({"airflow", "cloudpickle", "croniter", "git", "kubernetes", "packaging",
        "pandas", "psutil", "semver"} & set(sys.modules)))
"""


def test_compile_loads_no_library_that_the_project_does_not_need(project: ProjectFolder) -> None:
    run = subprocess.run(
        [sys.executable, "-c", COMPILE],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_SECONDS,
    )
    assert "LOADED []" in run.stdout
