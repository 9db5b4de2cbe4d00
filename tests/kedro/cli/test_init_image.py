"""The `.dockerignore` and the Dockerfile of `init` keep in the image what pods need."""

from __future__ import annotations

import pytest
import yaml

from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)

CONFIG = "conf/base/airflow-k8s.yaml"
LOGGING = """
version: 1
handlers: {file: {class: logging.FileHandler, filename: logs/info.log}}
"""


@pytest.fixture(autouse=True)
def _no_configuration(project: ProjectFolder) -> None:
    (project.path / CONFIG).unlink()


def init(project: ProjectFolder, *arguments: str) -> str:
    result = project.kedro("airflow-k8s", "init", *arguments)
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout


def lacks(project: ProjectFolder, path: str) -> bool:
    return DockerIgnore.of(project.path).ignores(path)


def mount_path(project: ProjectFolder) -> str:
    text = (project.path / CONFIG).read_text()
    return str(yaml.safe_load(text)["run_config"]["volume"]["mount_path"])


def test_inputs_stay_in_the_image_wherever_in_the_data_folder_they_are(
    project: ProjectFolder,
) -> None:
    project.write(
        "conf/base/catalog.yml",
        """
        orders: {type: json.JSONDataset, filepath: data/raw/orders.json}
        goods: {type: json.JSONDataset, filepath: "data/00_input/*.json"}
        clean_orders: {type: json.JSONDataset, filepath: data/02/clean.json}
        totals: {type: json.JSONDataset, filepath: data/08/totals.json}
        """,
    )
    init(project)
    kept = ("data/raw/orders.json", "data/00_input/a.json", "data/01_raw/x")
    assert [path for path in kept if lacks(project, path)] == []
    assert lacks(project, "data/02/clean.json")
    assert lacks(project, "data/08/totals.json")
    assert lacks(project, "data/raw/other.json")
    assert "not-in-image" not in project.kedro("airflow-k8s", "validate").stdout


def test_an_input_outside_of_the_data_folder_stays_in_the_image(project: ProjectFolder) -> None:
    project.write(
        "conf/base/catalog.yml",
        """
        orders: {type: json.JSONDataset, filepath: notebooks/orders.json}
        goods: {type: json.JSONDataset, filepath: input/goods.json}
        """,
    )
    init(project)
    assert not lacks(project, "notebooks/orders.json")
    assert lacks(project, "notebooks/other.json")
    text = (project.path / ".dockerignore").read_text()
    assert "input/" not in text
    project.write(".dockerignore", "input\nnotebooks\n")
    said = init(project, "--force")
    assert "!input/goods.json" in said
    assert "!notebooks/orders.json" in said


def test_a_dockerignore_that_leaves_an_input_out_is_said(project: ProjectFolder) -> None:
    project.write(".dockerignore", "data/\n")
    text = init(project)
    assert "Add these lines at the end of .dockerignore" in text
    assert "!data/orders.json" in text
    project.write(".dockerignore", "data/\n!data/orders.json\n!data/goods.json\n")
    assert "!data/orders.json" not in init(project, "--force")


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("store: {key: '${oc.env:KEY}', secret: '${oc.env:SECRET}'}", True),
        ("store: {key: '${oc.env:KEY,null}', inner: {secret: '${oc.env:S, none}'}}", True),
        ("store: {key: '${oc.env:KEY,AKIAEXAMPLE}'}", False),
        ("store: {key: '${oc.env:KEY}', secret: example}", False),
        ("store: {key: 'x${oc.env:KEY}'}", False),
        ("store: {port: 5432}", False),
        ("", False),
        ("store: {key: '${oc.env:KEY}'\n", False),
    ],
)
def test_credentials_that_are_only_references_stay_in_the_image(
    project: ProjectFolder, content: str, *, kept: bool
) -> None:
    project.write("conf/base/credentials.yml", content)
    project.write("conf/local/credentials.yml", content)
    init(project)
    assert lacks(project, "conf/base/credentials.yml") is not kept
    assert lacks(project, "conf/local/credentials.yml")
    assert lacks(project, "conf/prod/credentials.yml")


def test_the_folder_for_logs_is_in_the_image_and_no_log_is(project: ProjectFolder) -> None:
    project.write("conf/logging.yml", LOGGING)
    project.write("logs/info.log", "private")
    text = init(project, "--dockerfile")
    assert "Wrote logs/.gitkeep" in text
    assert not lacks(project, "logs/.gitkeep")
    assert lacks(project, "logs/info.log")
    lines = (project.path / "Dockerfile").read_text().splitlines()
    assert "RUN mkdir -p data conf/local logs" in lines
    assert "the folder logs" not in project.kedro("airflow-k8s", "validate").stdout


def test_the_volume_is_where_the_dockerfile_has_the_data(project: ProjectFolder) -> None:
    project.write("Dockerfile", "FROM python AS b\nWORKDIR /build\nFROM b\nWORKDIR /app/shop\n")
    init(project)
    assert mount_path(project) == "/app/shop/data"


@pytest.mark.parametrize("workdir", ["$HOME", "src", "/"])
def test_where_the_dockerfile_does_not_say_it_the_volume_is_at_the_usual_place(
    project: ProjectFolder, workdir: str
) -> None:
    project.write("Dockerfile", f"FROM python\nWORKDIR {workdir}\n")
    init(project)
    assert mount_path(project) == "/home/kedro_docker/data"
