"""The Airflows that operators are tested on, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]
FOLDER = Path(__file__).parent


class OperatorFailed(Exception):
    """An operator, or a function of its module, has raised an error."""

    def __init__(self, kind: str, message: str, log: list[str], trace: str = "") -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.log = log
        self.trace = trace


def environment(home: Path) -> dict[str, str]:
    """Variables for an Airflow that does not use settings of this machine's user."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "KUBE", "PYTHONPATH", "PYTHONHOME"))
    }
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": "kubernetes://",
        "HOME": str(home),
        "KUBECONFIG": str(home / "kubeconfig"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # Airflow's Python needs no plugin: the operators import nothing of it.
        "PYTHONPATH": str(ROOT),
    }


class AirflowWorker:
    """Executes the plugin's operators in a Python that has Airflow.

    Args:
        python: That Python.
        home: A folder for Airflow; `kubeconfig` in it says where the cluster is.
        prefix: A command to start it with.
    """

    def __init__(self, python: Path, home: Path, prefix: tuple[str, ...] = (), **more: str) -> None:
        self.home = home
        self.kubeconfig = home / "kubeconfig"
        self._errors = (home / "worker.log").open("w")
        self._process = subprocess.Popen(
            [*prefix, str(python), str(FOLDER / "airflow_worker.py")],
            env={**environment(home), **more},
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._receive()

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function of the operators' modules returns."""
        return self._ask({"call": function, "arguments": arguments})[0]

    def execute(
        self,
        operator: str,
        run: tuple[str, str],
        attributes: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        states: dict[str, dict[str, str]] | None = None,
        **arguments: Any,
    ) -> tuple[Any, list[str]]:
        """Execute an operator: what it returns and logs.

        Args:
            operator: Its name in airflow_worker.py.
            run: The ids of DAG and run.
            attributes: What to change of the operator before it is executed.
            environment: More variables.
            states: The states of tasks that Airflow knows, by task, by run.
            arguments: Those of the operator.

        Raises:
            OperatorFailed: If it fails.
        """
        return self._ask(
            {
                "operator": operator,
                "arguments": arguments,
                "run": run,
                "attributes": attributes or {},
                "environment": environment or {},
                "states": states or {},
            }
        )

    def execute_mlflow(self, method: str, **call: Any) -> tuple[Any, list[str]]:
        """Do what a task around an MLflow run does: mlflow_tasks.py has the arguments.

        Raises:
            OperatorFailed: If it fails.
        """
        return self._ask({"mlflow": {"method": method, **call}})

    def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _ask(self, request: dict[str, Any]) -> tuple[Any, list[str]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> tuple[Any, list[str]]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self.home / "worker.log").read_text()
        found = json.loads(line)
        if "error" in found:
            kind, message = found["error"]
            raise OperatorFailed(kind, message, found["log"], found["trace"])
        return found["value"], found["log"]
