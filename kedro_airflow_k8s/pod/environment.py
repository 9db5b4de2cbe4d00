"""The environment variables with which a DAG tells its pods what is handed from task to task."""

INTERMEDIATE_DATA_VARIABLE = "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"
"""Where the DAG run keeps it: a folder, or a URL of fsspec. Without it nothing is stored."""

HANDED_ON_VARIABLE = "KEDRO_AIRFLOW_K8S_HANDED_ON"
"""A JSON list of the datasets that this task makes and other tasks read, without `@...`."""
