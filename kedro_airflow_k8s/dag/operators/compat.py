"""What has moved or was renamed between Airflow versions. A DAG has those that it needs.

- EmptyOperator and ExternalTaskSensor are in the standard provider, which Airflow 3 requires.
  Airflow 2.11 has them itself, and may lack that provider.
- TimeDeltaTrigger likewise, and AirflowRescheduleException is in another module.
- CronTriggerTimetable and the schedule of assets and times have moved to the SDK, and on 2.11
  assets are datasets.
- WAITS_FOR is the name of the argument with the assets.
- FAIL_FAST is the name of DAG's argument that stops a run at its first failed task.
- DOUBLED is the value that doubles the time before each further repetition of a task.
"""

import inspect

from airflow.providers.common.compat.sdk import DAG, BaseOperator

__all__ = (
    "DOUBLED",
    "FAIL_FAST",
    "WAITS_FOR",
    "AirflowRescheduleException",
    "AssetOrTimeSchedule",
    "CronTriggerTimetable",
    "EmptyOperator",
    "ExternalTaskSensor",
    "TimeDeltaTrigger",
)

try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:  # Airflow 2.11
    from airflow.operators.empty import EmptyOperator

try:
    from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
except ImportError:  # Airflow 2.11
    from airflow.sensors.external_task import ExternalTaskSensor

try:
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
except ImportError:  # Airflow 2.11
    from airflow.triggers.temporal import TimeDeltaTrigger

try:
    from airflow.sdk.exceptions import AirflowRescheduleException
except ImportError:  # Airflow 2.11
    from airflow.exceptions import AirflowRescheduleException

try:
    from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable
except ImportError:
    from airflow.timetables.trigger import CronTriggerTimetable

    try:
        from airflow.timetables.assets import AssetOrTimeSchedule
    except ImportError:  # Airflow 2.11
        from airflow.timetables.datasets import DatasetOrTimeSchedule as AssetOrTimeSchedule

WAITS_FOR = "assets" if AssetOrTimeSchedule.__name__ == "AssetOrTimeSchedule" else "datasets"

FAIL_FAST = "fail_fast" if "fail_fast" in inspect.signature(DAG).parameters else "fail_stop"

# True, which Airflow below 3.2 wants, or a factor.
DOUBLED = (
    inspect.signature(BaseOperator.__init__).parameters["retry_exponential_backoff"].default
    is False
    or 2
)
