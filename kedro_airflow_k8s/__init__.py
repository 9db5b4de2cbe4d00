"""Run Kedro pipelines on Apache Airflow and Kubernetes."""

__version__ = "1.0.0"
