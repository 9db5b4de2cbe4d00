"""The MLflow run of each DAG run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from kedro_airflow_k8s.config.mlflow import MLFLOW_CONNECTION, MlflowVariable, server_reason
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import START_MLFLOW
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.pods import container_argument, untemplated
from kedro_airflow_k8s.pod.environment import (
    MLFLOW_AUDIENCE_VARIABLE,
    MLFLOW_GOOGLE_AUTH,
    MLFLOW_RUN_NAME_VARIABLE,
)
from kedro_airflow_k8s.project.entities import ProjectPipeline

RUN_ID = f"{{{{ ti.xcom_pull(task_ids='{START_MLFLOW}') }}}}"
"""That id, as an Airflow template."""

LONGEST_RUN_NAME = 250
"""The length limit in MLflow's databases."""

RUN_NAME = f"{{{{ (dag.dag_id ~ ' ' ~ run_id)[:{LONGEST_RUN_NAME}] }}}}"
"""The name of a run if mlflow.yml does not set one."""

AIRFLOW_TAGS = {
    "airflow.dag_id": "{{ dag.dag_id }}",
    "airflow.run_id": "{{ run_id }}",
    # A run of Airflow 3 may have no date.
    "airflow.logical_date": "{{ ts | default('') }}",
}

URI_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class MlflowRun:
    """The MLflow run that each run of the DAG starts and ends.

    Attributes:
        tracking_uri: The address of the server.
        experiment: The name of the experiment, and the settings of a new one.
        restore_experiment: Whether a deleted experiment is restored.
        run_name: The name of the run, as an Airflow template.
        tags: The tags of the run, as Airflow templates.
        auth: The operator module that gets the credentials, which is also the name of its function,
            and the arguments; empty if MLflow needs no credentials.
    """

    tracking_uri: str
    experiment: Mapping[str, Any]
    restore_experiment: bool
    run_name: str
    tags: Mapping[str, str]
    auth: tuple[str, ...]

    @property
    def operators(self) -> tuple[str, ...]:
        """The operator modules that the DAG needs for the run."""
        return (*(("mlflow_token", self.auth[0]) if self.auth else ()), "mlflow")


def plan_mlflow_run(pipeline: ProjectPipeline, run: RunConfig) -> MlflowRun | None:
    """Return the MLflow run of the DAG's runs; None if they have none.

    Raises:
        PlanError: If the configuration enables MLflow and no server is set.
    """
    if run.mlflow.enabled is False:
        return None
    kedro = pipeline.mlflow
    if run.mlflow.enabled is None and (kedro is None or pipeline.name in kedro.without):
        return None
    uri, source = tracking_uri(pipeline, run)
    reason = server_reason(uri) if uri else "is missing"
    if uri is None or reason:
        if run.mlflow.enabled is None:
            # kedro-mlflow then logs in each pod on its own, and a check reports it.
            return None
        raise PlanError(
            f"run_config.mlflow.enabled is true, but no MLflow server is set: {source} {reason}."
            " Set run_config.mlflow.tracking_uri in airflow-k8s.yaml, or remove `enabled`.",
            code="mlflow-server",
        )
    tags = {
        "kedro.commit": pipeline.commit,
        "kedro.pipeline": pipeline.name,
        "kedro.image": run.image or "",
    }
    name = kedro.experiment if kedro else run.experiment_name or pipeline.package_name
    named = kedro.run_name[:LONGEST_RUN_NAME] if kedro and kedro.run_name else None
    return MlflowRun(
        tracking_uri=uri.rstrip("/"),
        experiment={"name": name, **(kedro.experiment_settings if kedro else {})},
        restore_experiment=kedro is None or kedro.restore_experiment,
        run_name=untemplated(named) if named else RUN_NAME,
        tags={key: untemplated(value) for key, value in tags.items()} | AIRFLOW_TAGS,
        auth=_auth(run, uri.rstrip("/")),
    )


def tracking_uri(pipeline: ProjectPipeline, run: RunConfig) -> tuple[str | None, str]:
    """Return the tracking address that pods will use, and the setting that it comes from.

    In kedro-mlflow, mlflow.yml takes precedence over the environment.
    """
    if pipeline.mlflow and pipeline.mlflow.tracking_uri:
        return pipeline.mlflow.tracking_uri, f"mlflow_tracking_uri in {pipeline.mlflow.source}"
    if run.mlflow.tracking_uri:
        return run.mlflow.tracking_uri, "run_config.mlflow.tracking_uri"
    given = run.env_vars.get(URI_VARIABLE)
    return given if isinstance(
        given, str
    ) and given else None, f"run_config.env_vars.{URI_VARIABLE}"


def _auth(run: RunConfig, uri: str) -> tuple[str, ...]:
    given = run.mlflow.authentication
    if given.type == "connection":
        return ("mlflow_connection", given.connection or MLFLOW_CONNECTION)
    if given.type == "vars":
        return ("mlflow_vars", *(given.params or get_args(MlflowVariable)))
    if given.type == "google":
        return ("mlflow_google", given.audience or uri)
    return ()


def mlflow_environment(mlflow: MlflowRun | None) -> dict[str, str]:
    """Return the environment variables that make MLflow in a pod log to the run, as templates.

    Source: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html
    """
    if mlflow is None:
        return {}
    found = {
        URI_VARIABLE: container_argument(mlflow.tracking_uri),
        "MLFLOW_RUN_ID": RUN_ID,
        # Kubernetes reads $$ as a dollar sign.
        MLFLOW_RUN_NAME_VARIABLE: mlflow.run_name.replace("$", "$$"),
    }
    if mlflow.auth[:1] == ("mlflow_google",):
        found |= {
            "MLFLOW_TRACKING_AUTH": MLFLOW_GOOGLE_AUTH,
            MLFLOW_AUDIENCE_VARIABLE: container_argument(mlflow.auth[1]),
        }
    return found
