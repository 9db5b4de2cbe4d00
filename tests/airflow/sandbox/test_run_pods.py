"""What `airflow-k8s.yaml` says of pods has an effect in `sandbox run`, or is said once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.airflow.sandbox.services_project import call, make_counting_project
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder

PORT = "18713"
CONFIG = f"""
run_config:
  image: shop:1.0
  startup_time: 120
  deferrable: true
  poll_interval: 1
  env_vars:
    POD_IP: {{from_field: status.podIP}}
    CPUS: {{from_resource: limits.cpu}}
  config_maps:
    - {{config_map: limits}}
    - {{config_map: limits, deploy_type: volume, deploy_target: /etc/shop}}
  resources:
    big:
      image: shop-gpu:1.0
      shared_memory: 64Mi
      limits: {{cpu: 1500m, nvidia.com/gpu: 1}}
      priority_class_name: high
      volumes:
        models: {{claim: models, mount_path: /models, read_only: true}}
        shared:
          {{nfs: {{server: nfs.example.com, path: /exports}}, mount_path: /shared, sub_path: a}}
      init_containers:
        - {{name: fetch, command: [sh, -c, echo fetched]}}
      sidecars:
        - name: web
          command: [python, -m, http.server, "{PORT}"]
          startupProbe: {{tcpSocket: {{port: {PORT}}}}}
"""
PIPELINE = f"""
import os
from pathlib import Path
from urllib.request import urlopen
from kedro.pipeline import Pipeline, node

def make():
    print("VARIABLES", *(os.environ.get(name) for name in ("POD_IP", "CPUS", "max")), flush=True)
    print("FILE", Path("/etc/shop/max").read_text())
    print("MODEL", Path("/models/model.txt").read_text())
    print("EMPTY", os.listdir("/dev/shm"), os.listdir("/shared"))
    print("SIDECAR", urlopen("http://127.0.0.1:{PORT}/").status)
    return [1, 2, 3]

def add(numbers):
    print("THE TOTAL IS", sum(numbers), flush=True)

def create_pipeline():
    return Pipeline([
        node(make, None, "numbers", name="make", tags=["resources.big"]),
        node(add, "numbers", None, name="add"),
    ])
"""
LIMITS = "kind: ConfigMap\nmetadata: {name: limits}\ndata: {max: '5'}\n"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """A project with a claim whose files the user has put into the sandbox."""
    made = make_counting_project(tmp_path / "project")
    made.pipeline("counting", PIPELINE)
    made.config(CONFIG)
    made.write("limits.yaml", LIMITS)
    made.write(".airflow-sandbox/external/claim/models/model.txt", "trained")
    return made


def _run(project: ProjectFolder, *options: str) -> subprocess.CompletedProcess[str]:
    return call(project, "sandbox", "run", "-p", "counting", "--logs", *options)


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_pods_have_what_the_configuration_says_and_the_rest_is_said_once(
    project: ProjectFolder, python: str
) -> None:
    ran = _run(project, "--secrets", "limits.yaml", "--airflow-python", python)

    assert ran.returncode == 0, ran.stdout
    for line in (
        *("fetched", "VARIABLES 127.0.0.1 2 5", "FILE 5", "MODEL trained", "EMPTY [] []"),
        *("SIDECAR 200", "THE TOTAL IS 6"),
    ):
        assert f"\n{line}\n" in ran.stdout, ran.stdout
    external = project.path / ".airflow-sandbox/external"
    server = "nfs.example.com"
    empty = "is an empty folder in the sandbox. Put the files of the nodes there"
    for notice in (
        "No effect in the sandbox: priorityClassName, sizeLimit of emptyDir, nvidia.com/gpu.",
        f'The claim "models" is a folder in the sandbox: {external}/claim/models',
        f'Volume "shared" (nfs nfs.example.com:/exports) {empty}: {external}/nfs/{server}/exports',
        "Pods with the image shop-gpu:1.0 run this project, too.",
    ):
        assert ran.stdout.count(f"\n{notice}\n") == 1, ran.stdout


def test_a_config_map_that_is_missing_is_named_before_anything_runs(
    project: ProjectFolder,
) -> None:
    ran = _run(project)

    assert ran.returncode == 1, ran.stdout
    assert (
        "Error: ConfigMaps of run_config.config_maps are not in the sandbox: limits.\n"
    ) in ran.stdout
