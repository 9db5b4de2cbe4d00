"""What is read of mlflow.yml, without MLflow and without a server."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework.startup import bootstrap_project
from omegaconf import OmegaConf

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.project import mlflow as mlflow_settings
from kedro_airflow_k8s.project.entities import KedroMlflow
from kedro_airflow_k8s.project.mlflow import kedro_mlflow_runs
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.kedro_projects import ProjectFolder, as_in_a_new_process, make_project

MLFLOW_YML = """
server:
  mlflow_tracking_uri: https://mlflow.example.com
tracking:
  disable_tracking: {pipelines: [stock]}
  experiment:
    name: Shops
    restore_if_deleted: false
    create_experiment_kwargs:
      artifact_location: s3://bucket/shops
      tags: {team: red}
  run:
    name: daily
  params:
    dict_params: {flatten: true, sep: /}
    long_params_strategy: tag
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project where kedro-mlflow is installed, and the network is out of reach."""

    def no_network(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda name: name == "kedro_mlflow")
    return make_project(tmp_path / "shop")


def read(project: ProjectFolder, env: str | None = None) -> KedroMlflow | None:
    with as_in_a_new_process():
        return KedroProject(bootstrap_project(project.path), env).mlflow


def test_everything_that_mlflow_yml_says_of_experiment_server_and_parameters_is_known(
    project: ProjectFolder,
) -> None:
    project.write("conf/base/mlflow.yml", MLFLOW_YML)
    assert read(project) == KedroMlflow(
        experiment="Shops",
        tracking_uri="https://mlflow.example.com",
        restore_experiment=False,
        experiment_settings={
            "artifact_location": "s3://bucket/shops",
            "tags": [{"key": "team", "value": "red"}],
        },
        run_name="daily",
        without=frozenset({"stock"}),
        flatten={"flatten": True, "sep": "/"},
        long_params="tag",
        source="conf/base/mlflow.yml",
        in_default_env=False,
    )


@pytest.mark.parametrize("text", ["", "server:\n", "tracking: {experiment: {}}\n", "ui: {port: 1}"])
def test_an_mlflow_yml_with_little_in_it_gets_kedro_mlflows_defaults(
    project: ProjectFolder, text: str
) -> None:
    project.write("conf/base/mlflow.yml", text)
    assert read(project) == KedroMlflow(experiment="shop", source="conf/base/mlflow.yml")


def test_without_an_mlflow_yml_the_project_does_not_use_mlflow(project: ProjectFolder) -> None:
    assert read(project) is None


def test_the_environment_is_merged_as_kedro_mlflow_does_it(project: ProjectFolder) -> None:
    project.write("conf/base/mlflow.yml", MLFLOW_YML)
    project.write("conf/prod/mlflow.yml", "tracking: {experiment: {name: Live}}\n")
    found = read(project, "prod")
    assert found is not None
    assert found.experiment == "Live"
    assert found.tracking_uri == "https://mlflow.example.com"
    # Kedro replaces whole sections.
    assert found.without == frozenset()
    assert found.source == "conf/base/mlflow.yml, conf/prod/mlflow.yml"


def test_a_file_in_conf_local_alone_is_known_as_such(project: ProjectFolder) -> None:
    project.write("conf/local/mlflow.yml", MLFLOW_YML)
    found = read(project)
    assert found is not None
    assert found.in_default_env


def test_random_run_names_of_kedro_mlflow_count_as_none(project: ProjectFolder) -> None:
    project.write("conf/base/mlflow.yml", 'tracking: {run: {name: "${km.random_name:}"}}\n')
    found = read(project)
    assert found is not None
    assert found.run_name is None
    # kedro-mlflow registers its own if there is none.
    assert not OmegaConf.has_resolver("km.random_name")


def test_a_file_that_cannot_be_read_is_reported_with_its_name(project: ProjectFolder) -> None:
    project.write("conf/base/mlflow.yml", "server: [\n")
    with pytest.raises(ConfigError, match=r"mlflow\.yml cannot be read: .*conf/base/mlflow\.yml"):
        read(project)


def test_kedro_mlflow_counts_only_if_it_is_installed_and_its_hooks_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda _: object())
    assert kedro_mlflow_runs(())
    # Kedro compares with the name as it is installed.
    assert kedro_mlflow_runs(("kedro-telemetry", "kedro-mlflow"))
    assert not kedro_mlflow_runs(("kedro_mlflow",))
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda _: None)
    assert not kedro_mlflow_runs(())


def test_hooks_of_kedro_mlflow_may_be_registered_in_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda _: object())
    hook = type("MlflowHook", (), {"__module__": "kedro_mlflow.framework.hooks.mlflow_hook"})
    own = type("OwnHook", (hook,), {"__module__": "shop.hooks"})
    other = type("MlflowHook", (), {"__module__": "shop.hooks"})
    disabled = ("kedro_mlflow",)
    assert kedro_mlflow_runs(disabled, (object(), hook()))
    assert kedro_mlflow_runs(disabled, (own(),))
    assert not kedro_mlflow_runs(disabled, (other(),))
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda _: None)
    assert not kedro_mlflow_runs((), (hook(),))


@pytest.mark.parametrize("name", ["kedro-mlflow", "kedro_mlflow"])
def test_kedro_mlflow_is_disabled_by_the_name_of_its_distribution(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = SimpleNamespace(metadata={"Name": name})
    monkeypatch.setattr(mlflow_settings, "find_spec", lambda _: object())
    monkeypatch.setattr(mlflow_settings, "distribution", lambda _: installed)
    assert not kedro_mlflow_runs((name,))
    assert kedro_mlflow_runs(tuple({"kedro-mlflow", "kedro_mlflow"} - {name}))


@pytest.mark.parametrize(
    ("server", "key"),
    [
        ("credentials: mlflow", "server.credentials"),
        ("request_header_provider: {type: shop.Provider}", "server.request_header_provider"),
        ("request_header_provider: {type: null}", None),
        ("mlflow_tracking_uri: https://mlflow.example.com", None),
    ],
)
def test_a_login_in_mlflow_yml_is_known(project: ProjectFolder, server: str, key: Any) -> None:
    project.write("conf/base/mlflow.yml", f"server: {{{server}}}\n")
    found = read(project)
    assert found is not None
    assert found.login == key
