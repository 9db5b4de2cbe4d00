"""What would keep a run from being logged to MLflow whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.checks import check_pipeline
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.project.entities import KedroMlflow
from kedro_airflow_k8s.project.image import ProjectImage
from tests.support.checked import config, node, shown, subject

SERVER = "https://mlflow.example.com"
KEDRO = KedroMlflow(experiment="shop", tracking_uri=SERVER, source="conf/base/mlflow.yml")
NODES = [node("clean", "", "x"), node("sum", "x")]


def found(
    kedro: KedroMlflow | None = KEDRO,
    nodes: Any = NODES,
    parameters: dict[str, Any] | None = None,
    image: ProjectImage | None = None,
    **run: Any,
) -> list[Finding]:
    """The findings about MLflow."""
    plain = replace(subject(nodes, {}, parameters=parameters, **run), image=image)
    pipeline = replace(plain.pipeline, mlflow=kedro)
    plan = build_plan(pipeline, config(**run))
    findings = check_pipeline(replace(plain, pipeline=pipeline, plan=plan))
    return [finding for finding in findings if finding.code.startswith("mlflow")]


def test_a_project_that_is_all_right_has_no_findings() -> None:
    assert found(nodes=[node("fit", "params:a parameters", "x")], parameters={"a": 1}) == []
    assert found(None) == []


def test_an_experiment_with_two_names_is_reported_with_both() -> None:
    (finding,) = found(experiment_name="Costs")
    assert shown([finding]) == [("mlflow-experiment", "warning", "run_config.experiment_name")]
    for part in ("'Costs'", "'shop'", "conf/base/mlflow.yml"):
        assert part in finding.problem
    assert found(experiment_name="shop") == []


@pytest.mark.parametrize("uri", [None, "mlruns", "sqlite:///runs.db"])
def test_a_folder_in_place_of_a_server_is_lost_with_the_pod(uri: str | None) -> None:
    (finding,) = found(replace(KEDRO, tracking_uri=uri))
    assert shown([finding]) == [("mlflow-server", "warning", "MLflow's tracking address")]
    assert (repr(uri) if uri else "Nothing names a server") in finding.problem
    assert "run_config.mlflow.tracking_uri" in finding.fix
    assert found(replace(KEDRO, tracking_uri=uri), mlflow={"enabled": False}) == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0"])
def test_an_address_of_this_machine_is_a_doubt(host: str) -> None:
    (finding,) = found(replace(KEDRO, tracking_uri=f"http://{host}:5000"))
    assert shown([finding]) == [("mlflow-server", "warning", "MLflow's tracking address")]
    assert host in finding.problem


def test_an_mlflow_yml_that_images_lack_is_reported() -> None:
    (finding,) = found(replace(KEDRO, source="conf/local/mlflow.yml", in_default_env=True))
    assert shown([finding]) == [("mlflow-settings", "warning", "conf/local/mlflow.yml")]


@pytest.mark.parametrize(
    ("line", "severities"),
    [("conf/local/*", ["error"]), ("logs", []), ("conf/*/mlflow.yml", ["error"])],
)
def test_what_dockerignore_says_of_mlflow_yml_counts(
    tmp_path: Path, line: str, severities: list[str]
) -> None:
    local = replace(KEDRO, source="conf/local/mlflow.yml", in_default_env=True)
    image = ProjectImage(tmp_path, DockerIgnore([line], ".dockerignore"))
    assert [finding.severity for finding in found(local, image=image)] == severities
    # In conf/base as well, the image may have one of them.
    both = replace(local, source="conf/base/mlflow.yml, conf/local/mlflow.yml")
    severities = severities if line.startswith("conf/*") else []
    assert [finding.severity for finding in found(both, image=image)] == severities


def test_a_login_that_only_pods_have_is_a_doubt() -> None:
    kedro = replace(KEDRO, login="server.credentials")
    (finding,) = found(kedro)
    assert (finding.code, finding.severity) == ("mlflow-credentials", "warning")
    assert "server.credentials in conf/base/mlflow.yml" in finding.where
    secret = {"secret": "mlflow", "key": "token", "deploy_target": "MLFLOW_TRACKING_TOKEN"}
    airflow = {"authentication": {"type": "google"}}
    assert found(kedro, mlflow=airflow, secrets=[secret]) == []


def test_credentials_that_only_airflow_has_are_a_doubt() -> None:
    (finding,) = found(mlflow={"authentication": "vars"})
    assert shown([finding]) == [
        ("mlflow-credentials", "warning", "run_config.mlflow.authentication")
    ]
    for secret in (
        {"secret": "mlflow"},
        {"secret": "mlflow", "key": "t", "deploy_target": "MLFLOW_TRACKING_TOKEN"},
    ):
        assert found(mlflow={"authentication": "vars"}, secrets=[secret]) == []
    # The pods get such tokens by themselves.
    assert found(mlflow={"authentication": "google"}) == []


def test_a_parameter_that_is_too_long_for_mlflow_fails_its_node() -> None:
    long = {"words": "x" * 6001}
    nodes = [node("count", "params:words", "n"), node("list", "params:words n")]
    (finding,) = found(nodes=nodes, parameters=long)
    assert shown([finding]) == [("mlflow-parameter", "error", "parameter 'words'")]
    assert "'count'" in finding.problem
    assert "6001 characters" in finding.problem
    assert found(nodes=nodes, parameters={"words": "x" * 6000}) == []
    assert found(replace(KEDRO, long_params="truncate"), nodes=nodes, parameters=long) == []


def test_two_parameters_under_one_name_in_mlflow_are_refused_with_both_nodes() -> None:
    nodes = [node("a", "params:rate+", "x"), node("b", "params:rate_ x")]
    (finding,) = found(nodes=nodes, parameters={"rate+": 1, "rate_": 2})
    assert shown([finding]) == [("mlflow-parameter", "error", "parameter 'rate_'")]
    for part in ("'a'", "'b'", "'rate+'"):
        assert part in finding.problem
    assert found(nodes=nodes, parameters={"rate+": 1, "rate_": 1}) == []


def test_flattened_parameters_are_compared_as_kedro_mlflow_logs_them() -> None:
    nodes = [node("a", "params:model", "x"), node("b", "params:model_depth x")]
    parameters = {"model": {"depth": 3, "inner": {"x": 1}}, "model_depth": 4}
    flat = replace(KEDRO, flatten={"flatten": True, "recursive": True, "sep": "_"})
    assert found(nodes=nodes, parameters=parameters) == []
    (finding,) = found(flat, nodes=nodes, parameters=parameters)
    assert finding.where == "parameter 'model_depth'"
    nodes = [node("a", "params:model", "x"), node("b", "params:model_inner_x x")]
    parameters = {"model": {"inner": {"x": 1}}, "model_inner_x": 2}
    assert len(found(flat, nodes=nodes, parameters=parameters)) == 1
    once = replace(KEDRO, flatten={"flatten": True, "recursive": False, "sep": "_"})
    assert found(once, nodes=nodes, parameters=parameters) == []


def test_a_pipeline_that_is_not_tracked_is_not_looked_at() -> None:
    kedro = replace(KEDRO, without=frozenset({"sales"}), tracking_uri=None, in_default_env=True)
    assert found(kedro) == []
