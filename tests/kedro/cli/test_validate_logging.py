"""`validate` tells what Kedro would refuse of the pods' logging configuration."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    ProjectFolder,
    findings_of,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.waiting import WAIT_SECONDS

OF_ANOTHER_MODULE = """
version: 1
formatters:
  lines: {class: pythonjsonlogger.json.JsonFormatter}
handlers:
  console: {class: logging.StreamHandler, formatter: lines}
"""

ALLOWED = "KEDRO_LOGGING_MODULE_ALLOWLIST"

DOCKERFILE = """
FROM python:3.11-slim
WORKDIR /home/kedro
COPY . .
"""


@pytest.fixture(autouse=True)
def _with_the_newest_kedro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kedro_airflow_k8s.checks.logging_config.kedro_version", lambda: (1, 7))


def found(project: ProjectFolder) -> list[dict[str, Any]]:
    return findings_of(project, "logging-config")


def test_a_module_that_pods_do_not_allow(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("conf/logging.yml", OF_ANOTHER_MODULE)
    # What is allowed here says nothing of the pods.
    monkeypatch.setenv(ALLOWED, "pythonjsonlogger")
    (finding,) = found(project)
    assert (finding["severity"], finding["where"]) == ("warning", "conf/logging.yml")
    assert "'pythonjsonlogger.json'" in finding["problem"]
    assert f"{ALLOWED}: pythonjsonlogger.json in run_config.env_vars" in finding["fix"]


@pytest.mark.parametrize(
    "config",
    [
        f"    env_vars: {{{ALLOWED}: pythonjsonlogger.json}}\n",
        f"    env_vars: {{{ALLOWED}: 'rich.logging, pythonjsonlogger'}}\n",
        "    secrets: [{secret: all, deploy_type: env}]\n",
        f"    secrets: [{{secret: s, key: k, deploy_type: env, deploy_target: {ALLOWED}}}]\n",
        "    env_vars: {KEDRO_LOGGING_CONFIG: conf/plain.yml}\n",
        "    env_vars: {KEDRO_LOGGING_CONFIG: /etc/logging.yml}\n",
    ],
)
def test_pods_that_allow_it_or_read_another_file(project: ProjectFolder, config: str) -> None:
    project.write("conf/logging.yml", OF_ANOTHER_MODULE)
    project.write("conf/plain.yml", "version: 1\n")
    project.config(CONFIG + config)
    assert found(project) == []


def test_what_the_dockerfile_sets_counts(project: ProjectFolder) -> None:
    project.write("conf/pods.yml", OF_ANOTHER_MODULE)
    project.write("Dockerfile", DOCKERFILE)
    assert found(project) == []
    chosen = f"{DOCKERFILE}ENV KEDRO_LOGGING_CONFIG=/home/kedro/conf/pods.yml\n"
    project.write("Dockerfile", chosen)
    assert [each["where"] for each in found(project)] == ["conf/pods.yml"]
    project.write("Dockerfile", f"{chosen}ENV {ALLOWED}=pythonjsonlogger\n")
    assert found(project) == []
    project.write("Dockerfile", f"{chosen}ARG X\nENV {ALLOWED}=$X\n")
    assert found(project) == []


def test_a_list_without_the_module_is_an_error(project: ProjectFolder) -> None:
    project.write("conf/logging.yml", OF_ANOTHER_MODULE)
    project.config(f"{CONFIG}    env_vars: {{{ALLOWED}: pythonjson}}\n")
    (finding,) = found(project)
    assert finding["severity"] == "error"
    assert f"{ALLOWED}: pythonjson,pythonjsonlogger.json" in finding["fix"]


def test_older_kedro_allows_all_modules(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kedro_airflow_k8s.checks.logging_config.kedro_version", lambda: (1, 6))
    project.write("conf/logging.yml", OF_ANOTHER_MODULE)
    assert found(project) == []


def test_a_file_that_the_image_lacks_is_not_read(project: ProjectFolder) -> None:
    project.write("conf/logging.yml", OF_ANOTHER_MODULE)
    project.write(".dockerignore", "conf/logging.yml\n")
    assert found(project) == []


def test_the_chosen_file_has_to_be_in_the_image(project: ProjectFolder) -> None:
    project.write("conf/pods.yml", "version: 1\n")
    project.config(f"{CONFIG}    env_vars: {{KEDRO_LOGGING_CONFIG: conf/pods.yml}}\n")
    assert found(project) == []
    project.write(".dockerignore", "conf/pods.yml\n")
    (finding,) = found(project)
    assert (finding["severity"], finding["where"]) == ("error", "conf/pods.yml")
    assert "'conf/pods.yml' of .dockerignore" in finding["problem"]


def test_a_chosen_file_that_the_project_lacks(project: ProjectFolder) -> None:
    chosen = f"{CONFIG}    env_vars: {{KEDRO_LOGGING_CONFIG: conf/pods.yml}}\n"
    project.config(chosen)
    (finding,) = found(project)
    assert (finding["severity"], finding["where"]) == ("warning", "conf/pods.yml")
    secret = "{secret: logs, deploy_type: volume, deploy_target: /home/kedro_docker/conf}"
    project.config(f"{chosen}    secrets: [{secret}]\n")
    assert found(project) == []


@pytest.mark.parametrize(
    ("content", "allowed"),
    [
        (OF_ANOTHER_MODULE, ""),
        ("version: 1\nhandlers: {h: {class: rich.logging.RichHandler}}\n", ""),
        ("version: 1\nhandlers: {h: {class: rich.logging.RichHandler}}\n", "rich"),
        ("version: 1\nhandlers: {h: {class: rich.logging.RichHandler}}\n", "rich.log"),
        ("version: 1\nhandlers: {h: {class: kedro.logging.RichHandler}}\n", ""),
        ("version: 1\nhandlers: {h: {class: logging.NullHandler}}\n", ""),
        ("version: 1\nformatters: {f: {(): logging.Formatter}}\n", ""),
        ("version: 1\n", ""),
    ],
)
def test_it_is_what_kedro_itself_refuses(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, content: str, allowed: str
) -> None:
    from kedro_airflow_k8s.project.own_code import kedro_version

    monkeypatch.setattr("kedro_airflow_k8s.checks.logging_config.kedro_version", kedro_version)
    project.write("conf/logging.yml", content)
    project.config(f"{CONFIG}    env_vars: {{{ALLOWED}: '{allowed}'}}\n")
    pod = subprocess.run(
        [sys.executable, "-c", "import kedro.framework.project"],
        cwd=project.path,
        env={ALLOWED: allowed},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    refused = "ValueError" in pod.stderr
    assert refused == bool(pod.returncode), pod.stderr
    assert bool(found(project)) == refused
