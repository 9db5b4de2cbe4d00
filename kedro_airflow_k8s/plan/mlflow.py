"""Whether a run of the DAG is an MLflow run, and which one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config.mlflow import MLFLOW_CONNECTION, server_reason
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.pods import container_argument, untemplated
from kedro_airflow_k8s.pod.environment import (
    MLFLOW_AUDIENCE_VARIABLE,
    MLFLOW_GOOGLE_AUTH,
    MLFLOW_RUN_NAME_VARIABLE,
)
from kedro_airflow_k8s.project.entities import ProjectPipeline

START_MLFLOW = "start_mlflow_run"
"""The task whose result is the id of the MLflow run."""

RUN_ID = f"{{{{ ti.xcom_pull(task_ids='{START_MLFLOW}') }}}}"
"""That id, as a template for Airflow."""

RUN_NAME = "{{ dag.dag_id }} {{ run_id }}"
"""What it is called if nobody says otherwise."""

URI_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class MlflowRun:
    """The MLflow run that each run of the DAG starts and ends.

    Attributes:
        tracking_uri: The address of the server.
        experiment: The name of the experiment it is in.
        restore_experiment: Whether a deleted experiment is restored.
        experiment_settings: What a new experiment gets besides its name.
        run_name: What the run is called, as a template for Airflow.
        authentication: Where credentials are: arguments of the DAG file's `mlflow_auth`.
        tags: What the run is tagged with, besides what Airflow knows of it.
    """

    tracking_uri: str
    experiment: str
    restore_experiment: bool
    experiment_settings: Mapping[str, Any]
    run_name: str
    authentication: Mapping[str, Any]
    tags: Mapping[str, str]


def plan_mlflow_run(pipeline: ProjectPipeline, run: RunConfig) -> MlflowRun | None:
    """The MLflow run of the DAG's runs; None if they have none.

    Raises:
        PlanError: If the configuration wants one, and there is no server for it.
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
            # kedro-mlflow then logs in each pod for itself, of which the checks tell.
            return None
        raise PlanError(
            f"run_config.mlflow.enabled: there is no server for the run: {source} {reason}. Set"
            " run_config.mlflow.tracking_uri in airflow-k8s.yaml, or take `enabled` out.",
            code="mlflow-server",
        )
    return MlflowRun(
        tracking_uri=uri.rstrip("/"),
        experiment=kedro.experiment if kedro else run.experiment_name or pipeline.package_name,
        restore_experiment=kedro is None or kedro.restore_experiment,
        experiment_settings=kedro.experiment_settings if kedro else {},
        run_name=untemplated(kedro.run_name) if kedro and kedro.run_name else RUN_NAME,
        authentication=_authentication(run),
        tags={
            "kedro.commit": pipeline.commit,
            "kedro.pipeline": pipeline.name,
            "kedro.image": run.image or "",
        },
    )


def tracking_uri(pipeline: ProjectPipeline, run: RunConfig) -> tuple[str | None, str]:
    """The address that the pods' MLflow will use, and where it is said.

    kedro-mlflow takes that of mlflow.yml before anything in the environment.
    """
    if pipeline.mlflow and pipeline.mlflow.tracking_uri:
        return pipeline.mlflow.tracking_uri, f"mlflow_tracking_uri in {pipeline.mlflow.source}"
    if run.mlflow.tracking_uri:
        return run.mlflow.tracking_uri, "run_config.mlflow.tracking_uri"
    return run.env_vars.get(URI_VARIABLE) or None, f"run_config.env_vars.{URI_VARIABLE}"


def _authentication(run: RunConfig) -> dict[str, Any]:
    given = run.mlflow.authentication
    if given.type == "none":
        return {}
    found: dict[str, Any] = {"type": given.type}
    if given.type == "connection":
        found["connection"] = given.connection or MLFLOW_CONNECTION
    if given.params:
        found["params"] = list(given.params)
    if given.audience:
        found["audience"] = given.audience
    return found


def mlflow_environment(mlflow: MlflowRun | None) -> dict[str, str]:
    """The environment variables by which MLflow in a pod logs to the run, as Airflow's templates.

    Source: https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html
    """
    if mlflow is None:
        return {}
    found = {
        URI_VARIABLE: container_argument(mlflow.tracking_uri),
        "MLFLOW_RUN_ID": RUN_ID,
        # To Kubernetes, $$ is a dollar sign.
        MLFLOW_RUN_NAME_VARIABLE: mlflow.run_name.replace("$", "$$"),
    }
    if mlflow.authentication.get("type") == "google":
        audience = mlflow.authentication.get("audience", mlflow.tracking_uri)
        found |= {
            "MLFLOW_TRACKING_AUTH": MLFLOW_GOOGLE_AUTH,
            MLFLOW_AUDIENCE_VARIABLE: container_argument(audience),
        }
    return found
