"""The schedules of partitions, which Airflow has since 3.2. A DAG has the one that it needs."""

__all__ = ("CronPartitionTimetable", "PartitionedAssetTimetable")

try:
    from airflow.sdk import CronPartitionTimetable
except ImportError:
    raise ImportError("run_config.partitioned needs Airflow 3.2 or later.") from None

try:
    from airflow.sdk import PartitionedAssetTimetable
except ImportError:
    raise ImportError("run_config.partitioned needs Airflow 3.2 or later.") from None
