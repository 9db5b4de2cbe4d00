"""MLflow's REST API, as far as a DAG needs it: Airflow needs no mlflow."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

MLFLOW_RUN_TAG = "kedro-airflow-k8s.run"


class MlflowRefusal(RuntimeError):
    """MLflow's own answer that something cannot be done; `code` is its word for the reason."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class MlflowDown(RuntimeError):
    """The server does not answer, or only that it cannot."""


class MlflowApi:
    """A session with an MLflow server. Waits are bounded.

    Args:
        uri: Its address, as in MLFLOW_TRACKING_URI.
        auth: What makes the caller known to it, for requests.
    """

    # Seconds before each further attempt; after the last one, the server counts as down.
    pauses: Sequence[float] = (1, 2, 5, 10, 15)
    # Seconds to connect, and between two parts of the answer.
    timeouts = (5, 30)

    def __init__(self, uri: str, auth: Any = None) -> None:
        self.uri = uri.rstrip("/")
        self.session = requests.Session()
        self.session.auth = auth

    def call(self, method: str, path: str, *, again: bool = True, **values: Any) -> dict[str, Any]:
        """What MLflow answers; with again, after some more tries if it does not work at once.

        Raises:
            MlflowRefusal: If MLflow says that it cannot be done.
            MlflowDown: If nothing answers, or a server that does not work.
            RuntimeError: If what answers is not MLflow.
        """
        pauses = self.pauses if again else ()
        for pause in (*pauses, None):
            try:
                answer = self.once(method, path, values)
                if answer.status_code not in (429, 500, 502, 503, 504):
                    return self.content(answer)
                trouble = f"it answered {answer.status_code} {beginning(answer)}"
            except requests.exceptions.SSLError as error:
                raise RuntimeError(self.tls_trouble(error)) from error
            except (
                requests.ConnectionError,
                requests.Timeout,
                # Half an answer.
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.ContentDecodingError,
            ) as error:
                trouble = f"no answer ({error})"
            if pause is None:
                break
            time.sleep(pause)
        raise MlflowDown(
            f"MLflow at {self.uri} does not work: {trouble}; tries: {len(pauses) + 1}. Is it up,"
            " and is this its address as Airflow's workers see it?"
        )

    def once(self, method: str, path: str, values: dict[str, Any]) -> requests.Response:
        """One request; a redirect leads to a log-in page and is not followed."""
        place: Any = {"params": values} if method == "GET" else {"json": values}
        url = f"{self.uri}/api/2.0/mlflow/{path}"
        return self.session.request(
            method, url, timeout=self.timeouts, allow_redirects=False, **place
        )

    def tls_trouble(self, error: Exception) -> str:
        """What is wrong with a connection that is to be encrypted."""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"The certificate of MLflow at {self.uri} is not trusted here: {error}. Set"
                " REQUESTS_CA_BUNDLE for Airflow's workers to a file with its authority."
            )
        return f"MLflow at {self.uri} does not speak TLS as it should: {error}. Is it http there?"

    def content(self, answer: requests.Response) -> dict[str, Any]:
        """What an answer holds.

        Raises:
            MlflowRefusal: If it says that something cannot be done.
            RuntimeError: If it is not MLflow's.
        """
        try:
            found = answer.json()
        except ValueError:
            found = None
        if isinstance(found, dict) and answer.status_code == 200:
            return found
        said = f"MLflow at {self.uri} answered {answer.status_code}"
        if answer.status_code == 403 and "host header" in answer.text[:200].lower():
            host = urlsplit(self.uri).netloc
            raise RuntimeError(
                f"{said} Invalid Host header: it does not know itself by the name {host}. Start it"
                f" with --allowed-hosts {host} (or MLFLOW_SERVER_ALLOWED_HOSTS), with what else it"
                " is called by."
            )
        if answer.status_code in (401, 403):
            raise RuntimeError(
                f"{said}: it does not take these credentials, or wants some. Say where they are"
                " under run_config.mlflow.authentication in airflow-k8s.yaml."
            )
        if isinstance(found, dict) and "error_code" in found:
            code, text = str(found["error_code"]), found.get("message")
            raise MlflowRefusal(f"{said} {code}: {text}", code)
        there = urlsplit(answer.headers.get("Location", ""))
        # The rest of that address is for the browser of whoever logs in.
        if there.netloc:
            said += f" (go to {there.scheme}://{there.netloc})"
        raise RuntimeError(
            f"{said}, but not as MLflow does: {beginning(answer)!r}. Is that its address, or is"
            " there a log-in page before it? Then it needs run_config.mlflow.authentication."
        )

    def entry(self, answer: Any, *path: str) -> str:
        """A text in an answer.

        Raises:
            RuntimeError: If it is not there, so that the answer is not MLflow's.
        """
        found = answer
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, str):
            return found
        raise RuntimeError(
            f"What answers at {self.uri} is not MLflow: the answer lacks {'.'.join(path)}. Is that"
            " its address?"
        )

    def experiment_id(self, name: str, restore: bool, creation: Mapping[str, Any]) -> str:
        """The experiment of a name, which is created, or restored if it was deleted.

        Raises:
            RuntimeError: If it was deleted and must not be restored.
        """
        for created in (False, True):
            try:
                found = self.call("GET", "experiments/get-by-name", experiment_name=name)
                break
            except MlflowRefusal as error:
                if error.code != "RESOURCE_DOES_NOT_EXIST" or created:
                    raise
            try:
                made = self.call("POST", "experiments/create", name=name, **creation)
                return self.entry(made, "experiment_id")
            except MlflowRefusal as error:
                # Another run was faster.
                if error.code != "RESOURCE_ALREADY_EXISTS":
                    raise
        experiment = self.entry(found, "experiment", "experiment_id")
        if self.entry(found, "experiment", "lifecycle_stage") == "deleted":
            if not restore:
                raise RuntimeError(
                    f"Experiment {name!r} is deleted in MLflow, and mlflow.yml says not to restore"
                    " it (restore_if_deleted). Restore or rename it."
                )
            try:
                self.call("POST", "experiments/restore", experiment_id=experiment)
            except MlflowRefusal as error:
                # Another run was faster, or the answer to the try before has got lost.
                if error.code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        return experiment

    def find_run(self, experiment_id: str, identity: str) -> str | None:
        """The id of the run that an earlier try has started, unless it was deleted since."""
        found = self.call(
            "POST",
            "runs/search",
            experiment_ids=[experiment_id],
            filter=f"tags.`{MLFLOW_RUN_TAG}` = '{identity}'",
            run_view_type="ACTIVE_ONLY",
            max_results=1,
        )
        runs = found.get("runs")
        return self.entry(runs[0], "info", "run_id") if runs else None


def beginning(answer: requests.Response) -> str:
    """The first words of an answer that is not MLflow's."""
    return " ".join(answer.text[:200].split())
