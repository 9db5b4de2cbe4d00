"""Whether the runs of a DAG are MLflow runs, and what the DAG then says."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Plan, build_plan
from kedro_airflow_k8s.project.entities import KedroMlflow, PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

SERVER = "https://mlflow.example.com"
KEDRO = KedroMlflow(experiment="Flights", tracking_uri=SERVER)


def planned(kedro: KedroMlflow | None = None, pipeline: str = "__default__", **run: Any) -> Plan:
    found = ProjectPipeline(
        package_name="flights",
        env="local",
        is_default_env=True,
        name=pipeline,
        nodes=(PipelineNode("one", outputs=("x",)), PipelineNode("two", inputs=("x",))),
        commit="0a1b2c",
        mlflow=kedro,
    )
    return build_plan(found, config_of({"image": IMAGE, **run}))


def variables(plan: Plan) -> dict[str, str]:
    """The environment of every pod."""
    return dict(plan.pods.environment)


def test_a_project_with_kedro_mlflow_gets_a_run_without_being_asked() -> None:
    found = planned(KEDRO).mlflow
    assert found is not None
    assert found.tracking_uri == SERVER
    assert found.experiment == {"name": "Flights"}
    assert found.tags == {
        "kedro.commit": "0a1b2c",
        "kedro.pipeline": "__default__",
        "kedro.image": IMAGE,
        "airflow.dag_id": "{{ dag.dag_id }}",
        "airflow.run_id": "{{ run_id }}",
        "airflow.logical_date": "{{ ts | default('') }}",
    }


def test_without_kedro_mlflow_nothing_of_mlflow_is_in_the_dag() -> None:
    plan = planned(None, env_vars={"MLFLOW_TRACKING_URI": SERVER})
    assert plan.mlflow is None
    assert "mlflow" not in " ".join(plan.task_ids)
    assert "MLFLOW_RUN_ID" not in variables(plan)


def test_the_configuration_has_the_last_word() -> None:
    assert planned(KEDRO, mlflow={"enabled": False}).mlflow is None
    assert planned(None, mlflow={"enabled": True, "tracking_uri": SERVER}).mlflow is not None


def test_a_pipeline_that_kedro_mlflow_does_not_track_has_no_run_unless_it_is_asked_for() -> None:
    kedro = KedroMlflow("Flights", SERVER, without=frozenset({"reports"}))
    assert planned(kedro, "reports").mlflow is None
    assert planned(kedro, "training").mlflow is not None
    assert planned(kedro, "reports", mlflow={"enabled": True}).mlflow is not None


@pytest.mark.parametrize("uri", [None, "mlruns", "sqlite:///mlflow.db", "file:///mlruns"])
def test_without_a_server_there_is_no_run_unless_it_is_asked_for(uri: str | None) -> None:
    kedro = KedroMlflow("Flights", uri)
    assert planned(kedro).mlflow is None
    with pytest.raises(
        PlanError, match=r"enabled is true, but no MLflow server is set.*tracking_uri"
    ) as refused:
        planned(kedro, mlflow={"enabled": True})
    assert refused.value.code == "mlflow-server"


def test_the_address_is_that_which_kedro_mlflow_takes() -> None:
    given: dict[str, Any] = {
        "mlflow": {"tracking_uri": "https://b.example.com"},
        "env_vars": {"MLFLOW_TRACKING_URI": "https://c.example.com"},
    }
    for kedro, address in (
        (KEDRO, SERVER),
        (KedroMlflow("Flights"), "https://b.example.com"),
    ):
        plan = planned(kedro, **given)
        assert plan.mlflow is not None
        assert plan.mlflow.tracking_uri == address
        assert variables(plan)["MLFLOW_TRACKING_URI"] == address
    del given["mlflow"]
    plan = planned(KedroMlflow("Flights"), **given)
    assert plan.mlflow is not None
    assert plan.mlflow.tracking_uri == "https://c.example.com"


def test_without_kedro_mlflow_the_configuration_names_the_experiment() -> None:
    wanted = {"enabled": True, "tracking_uri": SERVER}
    for run, name in (({"experiment_name": "Costs"}, "Costs"), ({}, "flights")):
        found = planned(None, mlflow=wanted, **run).mlflow
        assert found is not None
        assert found.experiment == {"name": name}


def test_kedro_mlflows_experiment_goes_before_that_of_the_configuration() -> None:
    found = planned(KEDRO, experiment_name="Costs").mlflow
    assert found is not None
    assert found.experiment == {"name": "Flights"}


def test_the_run_starts_before_everything_and_ends_after_all_nodes() -> None:
    plan = planned(KEDRO, external_dependencies=[{"dag_id": "other"}])
    assert plan.task_ids == (
        "wait_for_other",
        "start_mlflow_run",
        "create_volume",
        "data_volume_init",
        "one",
        "two",
        "all_succeeded",
        "end_mlflow_run",
        "delete_volume",
    )


def test_a_node_that_is_called_like_a_task_of_mlflow_keeps_a_name_of_its_own() -> None:
    pipeline = ProjectPipeline(
        "flights",
        "local",
        True,
        "__default__",
        (PipelineNode("all_succeeded"), PipelineNode("start_mlflow_run")),
        "0a1b2c",
        mlflow=KEDRO,
    )
    ids = build_plan(pipeline, config_of({"image": IMAGE})).task_ids
    assert len(set(ids)) == len(ids)
    assert ids[0] == "start_mlflow_run"


def test_each_pod_gets_the_run_its_name_and_the_server() -> None:
    found = variables(planned(KEDRO))
    assert found["MLFLOW_TRACKING_URI"] == SERVER
    assert found["MLFLOW_RUN_ID"] == "{{ ti.xcom_pull(task_ids='start_mlflow_run') }}"
    assert found["KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME"] == ("{{ (dag.dag_id ~ ' ' ~ run_id)[:250] }}")


def test_a_name_that_mlflow_yml_gives_to_runs_comes_through_whatever_it_holds() -> None:
    plan = planned(KedroMlflow("Flights", SERVER, run_name="{{ ds }} $(HOME) run"))
    assert variables(plan)["KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME"] == ('{{ "{{ ds }} $$(HOME) run" }}')


def test_a_name_too_long_for_mlflows_databases_is_cut() -> None:
    found = planned(KedroMlflow("Flights", SERVER, run_name="n" * 251)).mlflow
    assert found is not None
    assert found.run_name == "n" * 250


def test_a_google_token_is_the_pods_own() -> None:
    plan = planned(KEDRO, mlflow={"authentication": {"type": "google", "audience": "proxy"}})
    found = variables(plan)
    assert found["MLFLOW_TRACKING_AUTH"] == "kedro-airflow-k8s-google"
    assert found["KEDRO_AIRFLOW_K8S_MLFLOW_AUDIENCE"] == "proxy"


@pytest.mark.parametrize(
    ("authentication", "auth"),
    [
        ("none", ()),
        ("connection", ("mlflow_connection", "mlflow_default")),
        ({"type": "connection", "connection": "mine"}, ("mlflow_connection", "mine")),
        (
            "vars",
            (
                "mlflow_vars",
                "MLFLOW_TRACKING_USERNAME",
                "MLFLOW_TRACKING_PASSWORD",
                "MLFLOW_TRACKING_TOKEN",
            ),
        ),
        (
            {"type": "vars", "params": ["MLFLOW_TRACKING_TOKEN"]},
            ("mlflow_vars", "MLFLOW_TRACKING_TOKEN"),
        ),
        ("google", ("mlflow_google", SERVER)),
        ({"type": "google", "audience": "proxy"}, ("mlflow_google", "proxy")),
    ],
)
def test_the_dag_has_only_the_credentials_that_are_configured(
    authentication: Any, auth: tuple[str, ...]
) -> None:
    found = planned(KEDRO, mlflow={"authentication": authentication}).mlflow
    assert found is not None
    assert found.auth == auth
    assert found.operators == (("mlflow_token", auth[0], "mlflow") if auth else ("mlflow",))


def test_what_mlflow_yml_says_of_experiments_is_kept() -> None:
    kedro = KedroMlflow(
        "Flights",
        SERVER,
        restore_experiment=False,
        experiment_settings={"artifact_location": "s3://bucket/flights"},
    )
    found = planned(kedro).mlflow
    assert found is not None
    assert found.restore_experiment is False
    assert found.experiment == {"name": "Flights", "artifact_location": "s3://bucket/flights"}
