"""Settings of the DAG: its schedule, and how Airflow shows it."""

from pydantic import Field

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.section import Section


class DagConfig(Section):
    """Settings of the DAG."""

    cron_expression: values.Cron | None = Field(
        default=None,
        description="Schedule of the pipeline: a cron expression of five fields or a preset of "
        "Airflow such as @daily. Default: no schedule; runs are started by hand.",
    )
    start_date: values.Day | None = Field(
        default=None,
        description="First day of the schedule, as YYYYMMDD or YYYY-MM-DD.",
    )
    timezone: values.TimeZone = Field(
        default=values.UTC,
        description="Time zone of the schedule and the first day: an IANA name such as "
        "Europe/Paris.",
    )
    description: values.Text | None = Field(
        default=None, description="Description of the DAG on Airflow's page."
    )
