"""The MLflow run of a DAG run, by MLflow's REST API: Airflow's workers have no mlflow."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests
from airflow.providers.common.compat.sdk import AirflowException
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from kedro_airflow_k8s.dag.operators.task_states import task_states

RUN_TAG = "kedro-airflow-k8s.run"
# Patterns in an error of MLflow, and the fix for each. The first match counts.
MLFLOW_FIXES = {
    "CERTIFICATE_VERIFY_FAILED": "Set REQUESTS_CA_BUNDLE on Airflow's workers to its CA bundle.",
    "SSLError": "If the server uses plain HTTP, write its address with http://.",
    "Invalid Host header": "Start MLflow with --allowed-hosts and the host of this address.",
    "answered 40[13]": "Set run_config.mlflow.authentication to an account with this permission.",
    "error_code": "See the log of the MLflow server.",
    "": "Check that it is running and that Airflow's workers can reach it at this address. If it is"
    " behind a login page, set run_config.mlflow.authentication.",
}


@dataclass
class MlflowExperiment:
    """An experiment on an MLflow server. `auth` returns the credentials, as requests takes them."""

    tracking_uri: str
    settings: Mapping[str, Any]
    restore: bool = True
    auth: Callable[[], Any] = lambda: None

    @cached_property
    def session(self) -> requests.Session:
        """The HTTP session, which retries a request for half a minute while the server is down."""
        retry = Retry(5, other=0, backoff_factor=1, allowed_methods=None, raise_on_status=False)
        retry.status_forcelist = {429, 500, 502, 503, 504}
        session = requests.Session()
        session.auth = self.auth()
        session.mount(self.tracking_uri, HTTPAdapter(max_retries=retry))
        return session

    def call(self, path: str, ok: str = "answered 200", method: str = "POST", **values: Any) -> Any:
        """Return MLflow's answer, which must be a success or contain the text `ok`."""
        url = f"{self.tracking_uri}/api/2.0/mlflow/{path}"
        options: Any = {"timeout": (5, 30), "allow_redirects": False}
        options["json" if method == "POST" else "params"] = values
        said = ""
        try:
            answer = self.session.request(method, url, **options)
            said = f"answered {answer.status_code}: {' '.join(answer.text[:500].split())}"
            if answer.status_code == 200 or ok in said:
                return answer.json()
        except requests.RequestException as error:
            said = said or f"did not answer: {error}"
        fix = next(fix for pattern, fix in MLFLOW_FIXES.items() if re.search(pattern, said))
        raise AirflowException(f"MLflow at {self.tracking_uri} {said}. {fix}")

    def start_run(self, run_name: str, tags: Mapping[str, str], ti: Any) -> str:
        """Return the id of the MLflow run: a new one, or the one of an earlier attempt."""
        by_name: Any = {"method": "GET", "experiment_name": self.settings["name"]}
        found = self.call("experiments/get-by-name", "RESOURCE_DOES_NOT_EXIST", **by_name)
        if "experiment" not in found:
            # Another DAG run may create it at the same moment.
            self.call("experiments/create", "RESOURCE_ALREADY_EXISTS", **self.settings)
            found = self.call("experiments/get-by-name", **by_name)
        experiment_id = found["experiment"]["experiment_id"]
        if self.restore and found["experiment"]["lifecycle_stage"] == "deleted":
            self.call("experiments/restore", "RESOURCE_DOES_NOT_EXIST", experiment_id=experiment_id)

        # The page of the run in Airflow, which is the same for each attempt of this task.
        url = re.split("/tasks/|&task_id=", ti.log_url)[0]
        note = f"[Run in Airflow]({url})"
        tags = {**tags, RUN_TAG: url, "airflow.url": url, "mlflow.note.content": note}
        this_run = f"tags.`{RUN_TAG}` = '{url}'"
        search: Any = {"experiment_ids": [experiment_id], "filter": this_run}
        if not self.call("runs/search", **search).get("runs"):
            entries = [{"key": key, "value": value} for key, value in tags.items() if value]
            now = int(time.time() * 1000)
            self.call("runs/create", experiment_id=experiment_id, start_time=now, tags=entries)
        # If the answer to the creation was lost, the retry has created a second run.
        runs = self.call("runs/search", **search)["runs"]
        run_id, *others = sorted(str(run["info"]["run_id"]) for run in runs)
        for other in others:
            self.call("runs/delete", run_id=other)
        self.call("runs/update", run_id=run_id, run_name=run_name, status="RUNNING")
        page = f"{self.tracking_uri}/#/experiments/{experiment_id}/runs/{run_id}"
        logging.getLogger("airflow.task").info("MLflow run: %s", page)
        return run_id

    def end_run(self, mlflow_run_id: str, ti: Any, dag_run: Any, task: Any) -> str:
        """Set the MLflow run's status to that of the DAG run, and return it."""
        states = task_states(ti, dag_run, dag_run.run_id)
        ends = {states.get(task_id) for task_id in task.upstream_task_ids}
        status = "FINISHED" if ends == {"success"} else "FAILED"
        if states.get("all_succeeded") in ("skipped", "failed"):
            # The run was ended manually: in Airflow, which skips waiting tasks, or by run-once.
            status = "KILLED"
        now = int(time.time() * 1000)
        self.call("runs/update", run_id=mlflow_run_id, status=status, end_time=now)
        return status
