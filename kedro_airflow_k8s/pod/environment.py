"""The environment variables with which a DAG tells its pods what they cannot know by themselves."""

INTERMEDIATE_DATA_VARIABLE = "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"
"""Where the DAG run keeps it: a folder, or a URL of fsspec. Without it nothing is stored."""

HANDED_ON_VARIABLE = "KEDRO_AIRFLOW_K8S_HANDED_ON"
"""A JSON list of the datasets that this task makes and other tasks read, without `@...`."""

MLFLOW_RUN_NAME_VARIABLE = "KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME"
"""What the MLflow run is called that the DAG run is. Without it, there is none."""

MLFLOW_AUDIENCE_VARIABLE = "KEDRO_AIRFLOW_K8S_MLFLOW_AUDIENCE"
"""Whom the Google token is for that MLflow's server wants."""

MLFLOW_GOOGLE_AUTH = "kedro-airflow-k8s-google"
"""What MLFLOW_TRACKING_AUTH says for such tokens: the name of an entry point in setup.cfg."""
