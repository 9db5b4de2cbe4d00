"""Imports the one DAG of a folder, in Airflow's Python; prints its settings as JSON."""

import json
import sys
from datetime import datetime
from typing import Any

from airflow.models import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
((_, dag),) = bag.dags.items()
found: Any = dag


def moment(value: datetime | None) -> str | None:
    """A moment on the clocks of the DAG's time zone."""
    return value.astimezone(found.timezone).isoformat() if value else None


def plain(value: Any) -> Any:
    """Sets and mappings as JSON has them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return sorted(value) if isinstance(value, set | frozenset | tuple) else value


print(
    json.dumps(
        {
            "timezone": found.timezone.name,
            "start_date": moment(found.start_date),
            "end_date": moment(found.end_date),
            "catchup": found.catchup,
            "max_active_runs": found.max_active_runs,
            "max_active_tasks": found.max_active_tasks,
            "dagrun_timeout": found.dagrun_timeout and found.dagrun_timeout.total_seconds(),
            # Airflow 3 has the first of these, Airflow 2 the second.
            "fail_fast": found.fail_fast if hasattr(found, "fail_fast") else found.fail_stop,
            "display_name": found.dag_display_name,
            "doc_md": found.doc_md,
            "tags": sorted(found.tags),
            "owners": sorted({task.owner for task in found.tasks}),
            "owner_links": found.owner_links,
            "access_control": plain(found.access_control),
            "paused": found.is_paused_upon_creation,
        }
    )
)
