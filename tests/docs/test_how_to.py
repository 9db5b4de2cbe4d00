"""The how-to guides that need no Airflow: each command works, in its order, in a fresh project.

The others are in test_tutorial.py, which has an Airflow. DOCS_OUTPUT=<folder> writes what each
reader has typed and seen.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, Reader
from tests.docs.pip_stand_in import ENGINES
from tests.docs.readers import (
    at_another_page,
    clone_repository,
    delete_sandbox,
    keep_project,
    new_reader,
)
from tests.support.mlflow_servers import MLFLOW_PYTHON, MlflowServer, needs_mlflow
from tests.support.storage_servers import S3

ENGINES_PYTHON = os.environ.get("ENGINES_PYTHON", "")
HOW_TO = DOCS / "how-to"
WITHOUT_SERVERS = (
    "assets.md",
    "backfill.md",
    "cancel-pause-delete.md",
    "ci.md",
    "clusters.md",
    "diagnose-a-run.md",
    "dynamic-configuration.md",
    "installation.md",
    "migrate-from-0.8.md",
    "migrate-from-kedro-airflow.md",
    "notifications.md",
    "partitions.md",
    "pipelines.md",
    "pods.md",
    "resources.md",
    "results.md",
    "resume-a-run.md",
    "tasks.md",
    "vertex-ai-workbench.md",
)


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Someone with a project in which `init` was run, as the first part of the tutorial has it."""
    folder = tmp_path_factory.mktemp("author")
    with new_reader(folder, "project") as reader:
        clone_repository(reader.terminal.folder / "kedro-airflow-k8s")
        reader.follow(DOCS / "tutorial/1-on-this-machine.md", until="Check")
        keep_project(reader, folder / "kept")
        yield reader


@pytest.fixture
def kept(author: Reader) -> Path:
    """The project as it was then. No page has the runs of another in its sandbox."""
    delete_sandbox(author.terminal.folder)
    return Path(author.terminal.environment["HOME"]).parent / "kept"


@pytest.mark.parametrize("page", WITHOUT_SERVERS)
def test_the_guide_works_as_written(author: Reader, kept: Path, page: str) -> None:
    with at_another_page(author, kept, page.removesuffix(".md"), {}) as reader:
        reader.follow(HOW_TO / page)

        assert reader.transcript


@pytest.mark.skipif(not ENGINES_PYTHON, reason="ENGINES_PYTHON names no Python with engines")
@pytest.mark.parametrize("page", ["spark.md", "ray.md", "dask.md"])
def test_the_tutorial_with_an_engine_leads_to_a_run_with_a_cluster(
    author: Reader, kept: Path, page: str
) -> None:
    (packages,) = Path(ENGINES_PYTHON).parents[1].glob("lib/python*/site-packages")
    with at_another_page(author, kept, page, {ENGINES: str(packages)}) as reader:
        seen = reader.follow(DOCS / "tutorial" / page)

    assert "8 of 8 tasks succeeded" in seen


def test_the_guide_to_secrets_hands_them_to_pods_that_store_the_result(
    author: Reader, kept: Path, s3_server: S3
) -> None:
    s3_server.make_bucket("shop-results")
    with at_another_page(author, kept, "secrets", {}) as reader:
        reader.addresses = {"https://minio.example.com": s3_server.url}
        reader.follow(HOW_TO / "secrets.md")

    result = json.loads(s3_server.read("shop-results", "best_sellers.json"))
    assert result == {"cappuccino": 143.0, "espresso": 135.0}


@needs_mlflow
def test_the_guide_to_mlflow_makes_one_run_of_all_pods(
    author: Reader, kept: Path, mlflow_server: MlflowServer
) -> None:
    environment = dict(author.terminal.environment)
    with at_another_page(author, kept, "mlflow", {}) as reader:
        # The programs of the environment that has kedro-mlflow; the stand-ins stay in front.
        programs = environment["PATH"].split(os.pathsep)
        own = str(kept.parent / "programs")
        path = [own, str(MLFLOW_PYTHON.parent), *programs]
        reader.terminal.environment["PATH"] = os.pathsep.join(path)
        reader.addresses = {
            "http://127.0.0.1:5000": mlflow_server.url,
            "~/airflow-env/bin/python": sys.executable,
        }
        reader.follow(HOW_TO / "mlflow.md")

        assert (reader.terminal.folder / "mlflow.db").stat().st_size > 0

    (run,) = mlflow_server.runs("shop")
    assert run.status == "FINISHED"
    assert run.params == {"top": "2"}
    assert run.tags["airflow.dag_id"] == "shop"
    files = mlflow_server.call("GET", "artifacts/list", run_id=run.id)["files"]
    assert [file["path"] for file in files] == ["best_sellers.json"]
