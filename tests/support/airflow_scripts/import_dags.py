"""Imports a folder of DAGs as Airflow does, in Airflow's Python; prints what it found as JSON."""

import json
import sys
from typing import Any

# Airflow's own start, and what it imports for any DAG, may warn: no DAG file is to blame for that.
import airflow.providers.cncf.kubernetes.operators.pod
import airflow.providers.common.compat.sdk as sdk
from airflow.models import DagBag
from airflow.serialization import serialized_objects

sdk.DAG, sdk.TaskGroup, sdk.Variable, sdk.BaseOperator  # noqa: B018 - loaded when they are named
try:
    import airflow.providers.standard.sensors.external_task
except ImportError:
    import airflow.sensors.external_task  # noqa: F401

objects: Any = serialized_objects
# Airflow 3 has the first of these, Airflow 2 the second.
serialization = getattr(objects, "DagSerialization", None) or objects.SerializedDAG

bag = DagBag(sys.argv[1])
found = {
    dag_id: {
        "tasks": sorted(dag.task_ids),
        "edges": sorted([t.task_id, d] for t in dag.tasks for d in t.downstream_task_ids),
        "tags": sorted(dag.tags),
        "setups": sorted(t.task_id for t in dag.tasks if t.is_setup),
        "teardowns": sorted(t.task_id for t in dag.tasks if t.is_teardown),
        "docs": {t.task_id: t.doc_md for t in dag.tasks},
        "groups": sorted(g for g in dag.task_group.get_task_group_dict() if g),
        "catchup": dag.catchup,
        "serialized": len(json.dumps(serialization.to_dict(dag))),
    }
    for dag_id, dag in bag.dags.items()
}
warnings = {str(file): [str(w) for w in some] for file, some in bag.captured_warnings.items()}
print(json.dumps({"dags": found, "errors": bag.import_errors, "warnings": warnings}))
