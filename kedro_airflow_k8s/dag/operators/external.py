"""Waiting for other DAGs."""

try:
    from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
except ImportError:  # Airflow 2 without the standard provider
    from airflow.sensors.external_task import ExternalTaskSensor  # type: ignore[no-redef]  # noqa: F401
