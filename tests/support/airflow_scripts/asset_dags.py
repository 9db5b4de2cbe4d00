"""Imports a folder of DAGs in Airflow's Python; prints the assets of their tasks as JSON."""

import json
import sys

from airflow.models import DagBag

bag = DagBag(sys.argv[1])
found = {
    dag_id: {
        task.task_id: {
            "inlets": [asset.uri for asset in task.inlets],
            "outlets": [asset.uri for asset in task.outlets],
        }
        for task in dag.tasks
    }
    for dag_id, dag in bag.dags.items()
}
print(json.dumps({"dags": found, "errors": bag.import_errors}))
