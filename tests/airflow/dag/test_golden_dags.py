"""The golden DAGs of the examples: up to date, and accepted by real Airflow without a word."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s import __version__
from tests.support.airflow_environments import AIRFLOW_PYTHONS, EXAMPLES

pytestmark = pytest.mark.core

SCRIPTS = Path(__file__).parents[2] / "support/airflow_scripts"
GOLDEN = sorted(EXAMPLES.glob("*/dags/*.py"))
FEATURES = sorted(path.parent for path in EXAMPLES.glob("features/*/airflow-k8s.yaml"))


def imported(python: Path, folder: Path, home: Path) -> dict[str, Any]:
    """What Airflow makes of a folder of DAGs."""
    done = subprocess.run(
        [python, SCRIPTS / "import_dags.py", folder],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # Refuses values that change from parse to parse, where Airflow can see them.
            "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        },
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_golden_dags_are_what_the_examples_compile_to() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES.parent / "scripts" / "regenerate_golden.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_golden_dag_of_every_example_project() -> None:
    projects = {path.parent for path in EXAMPLES.glob("*/pyproject.toml")}
    assert projects
    assert projects == {path.parent.parent for path in GOLDEN}


def test_a_dag_is_short_enough_to_be_read() -> None:
    lines = {path.stem: len(path.read_text().splitlines()) for path in GOLDEN}

    assert lines["spaceflights"] <= 425
    assert lines["coffee"] <= 500
    source = (EXAMPLES / "spaceflights" / "dags" / "spaceflights.py").read_text()
    start, middle = source.index("class CreateRunResources"), source.index("class KedroPodOperator")
    assert len(source[start:middle].strip().splitlines()) <= 120
    end = source.index("# The name of the Kubernetes objects")
    assert len(source[middle:end].strip().splitlines()) <= 88


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_the_dag_of_each_feature_imports_and_serialises_without_errors_or_warnings(
    python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    for feature in FEATURES:
        shutil.copy(feature / "dag.py", folder / f"{feature.name}.py")

    found = imported(python, folder, tmp_path)

    refused = ["partitions"] if "airflow2" in str(python) else []
    assert [Path(file).stem for file in found["errors"]] == refused
    for error in found["errors"].values():
        assert error.endswith("ImportError: run_config.partitioned needs Airflow 3.2 or later.\n")
    assert found["warnings"] == {}
    assert len(FEATURES) >= 10
    assert sorted(found["dags"]) == [f.name for f in FEATURES if f.name not in refused]
    assert all(dag["serialized"] > 0 for dag in found["dags"].values())


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
@pytest.mark.parametrize("example", ["every-key", "spaceflights"])
class TestInAirflow:
    def test_golden_dags_import_and_serialise_without_errors_or_warnings(
        self, python: Path, example: str, tmp_path: Path
    ) -> None:
        folder = EXAMPLES / example / "dags"
        found = imported(python, folder, tmp_path)

        assert found["errors"] == {}
        assert found["warnings"] == {}
        assert sorted(found["dags"]) == sorted(path.stem for path in folder.glob("*.py"))
        for dag in found["dags"].values():
            assert dag["serialized"] > 0
            assert dag["catchup"] is False
            assert dag["setups"] == ["create_volume", "data_volume_init"]
            assert dag["teardowns"] == ["delete_volume"]

    def test_each_task_says_which_node_it_runs_and_what_it_is_for(
        self, python: Path, example: str, tmp_path: Path
    ) -> None:
        (dag_id,) = (
            path.stem for path in (EXAMPLES / example / "dags").glob("*.py") if "." not in path.stem
        )
        dag = imported(python, EXAMPLES / example / "dags", tmp_path)["dags"][dag_id]

        nodes = {t: doc for t, doc in dag["docs"].items() if doc and "Kedro: `" in doc}
        assert len(nodes) == {"every-key": 4, "spaceflights": 13}[example]
        for task_id, doc in nodes.items():
            first, _, last = doc.splitlines()
            assert first
            assert last == f"Kedro: `{task_id}`"
        assert (
            dag["groups"]
            == {
                "every-key": ["statistics"],
                "spaceflights": [
                    "data_processing",
                    "data_science",
                    "data_science.forest",
                    "data_science.linear",
                    "reporting",
                ],
            }[example]
        )
        tags = dict(tag.split(":", 1) for tag in dag["tags"] if ":" in tag)
        assert tags["generated_with_kedro_airflow_k8s"] == __version__
        assert tags["commit_sha"] == "none"
        assert tags["experiment_name"]
        assert len(tags["fingerprint"]) == 12
