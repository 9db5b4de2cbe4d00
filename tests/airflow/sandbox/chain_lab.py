"""A sandbox with a pipeline of a chain of nodes whose last one may fail, for tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.services_project import Rest, call, sandbox_of, start_with
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder, make_project

CONFIG = "run_config: {image: shop:1.0, startup_time: 120, keep_failed: KEEP}\n"
CHAIN = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

FAILS = True
STEPS = 8

def begin():
    return [0]

def append(numbers):
    return [*numbers, len(numbers)]

def sum_up(numbers):
    if FAILS:
        raise ValueError("not today")
    Path("RESULTS").mkdir(exist_ok=True)
    Path("RESULTS/total.txt").write_text(str(sum(numbers)))

def create_pipeline():
    steps = [
        node(append, f"numbers_{index}", f"numbers_{index + 1}", name=f"append_{index}")
        for index in range(STEPS)
    ]
    return Pipeline([
        node(begin, None, "numbers_0", name="begin", tags="TAGS".split()),
        *steps,
        node(sum_up, f"numbers_{STEPS}", None, name="sum_up"),
    ])
"""


@dataclass
class Lab:
    """A project with a pipeline of ten nodes, whose last one may fail, and a sandbox."""

    project: ProjectFolder
    rest: Rest
    results: Path

    def write(
        self, *, fails: bool, steps: int = 1, keep: str = "1d", more: str = "", tags: str = ""
    ) -> None:
        """Write the project's code and configuration; the first node can have a tag."""
        text = CHAIN.replace("RESULTS", str(self.results)).replace("= True", f"= {fails}")
        text = text.replace("TAGS", tags)
        self.project.pipeline("chain", text.replace("STEPS = 8", f"STEPS = {steps}"))
        self.project.config(CONFIG.replace("KEEP", keep).replace("}", f"{more}}}"))

    def call(self, command: str, dag_id: str, *arguments: str) -> tuple[int, str]:
        """Call a command about the pipeline in the sandbox; its exit code and output."""
        fixed = ("-p", "chain", "--sandbox", "--dag-name", dag_id)
        done = call(self.project, command, *fixed, *arguments)
        return done.returncode, done.stdout

    def failed_run(self, dag_id: str) -> str:
        """Let a run fail at its last node; its id."""
        code, output = self.call("run-once", dag_id, "-w", "10")
        assert code == 1, output
        assert "not today" in output, output
        (run_id,) = re.findall(r"Started run (\S+):", output)
        return str(run_id)

    def attempts(self, dag_id: str, run_id: str) -> dict[str, int]:
        """How often each task of a run has run."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        found = self.rest.get(path).json()["task_instances"]
        return {task["task_id"]: task["try_number"] for task in found}

    def kubernetes(self) -> Any:
        """A client of the sandbox's cluster."""
        kubeconfig = self.rest.sandbox.folder.kubeconfig
        return kubernetes.config.new_client_from_config(config_file=str(kubeconfig))

    def claims(self, dag_id: str) -> list[str]:
        """The runs of a DAG that have a volume."""
        with self.kubernetes() as client:
            api = kubernetes.client.CoreV1Api(client)
            found = api.list_namespaced_persistent_volume_claim("default").items
        notes = [claim.metadata.annotations for claim in found]
        return sorted(
            note["kedro-airflow-k8s/run-id"]
            for note in notes
            if note["kedro-airflow-k8s/dag-id"] == dag_id
        )


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("resume")
    project = make_project(folder / "project")
    project.pipeline("chain", CHAIN)
    project.config(CONFIG.replace("KEEP", "1d"))
    try:
        up = start_with(project, python=request.param)
        assert up.returncode == 0, up.stdout
        yield Lab(project, Rest(sandbox_of(project)), folder / "results")
    finally:
        stop_sandbox(project.path, print)
