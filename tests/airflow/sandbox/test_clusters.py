"""Clusters of a run in `sandbox run`: made for their nodes, found by them, and deleted after them.

The cluster is a web server: what the plugin does with it is the same for every engine.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from pathlib import Path

import pytest

from tests.airflow.sandbox.services_project import call, make_counting_project
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder

SERVER = """
import http.server, os, sys, time
time.sleep(0.5)
print("Versions: " + os.environ["VERSIONS"], flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("ran out of luck", flush=True)
            os._exit(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["WORD"].encode())
    def log_message(self, *_): pass
http.server.HTTPServer((sys.argv[1], 8714), Handler).serve_forever()
"""
CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
  {more}
  clusters:
    web:
      type: manifest
      timeout: 60
      objects:
        - apiVersion: v1
          kind: Service
          metadata: {{name: $(CLUSTER)}}
          spec:
            clusterIP: None
            selector: {{app: $(CLUSTER)}}
            ports: [{{port: 8714}}]
        - apiVersion: v1
          kind: Pod
          metadata: {{name: $(CLUSTER)-server, labels: {{app: $(CLUSTER)}}}}
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 1
            containers:
              - name: web
                image: shop:1.0
                command: [{python}, -c, {server}, $(ADDRESS)]
                env:
                  - {{name: ADDRESS, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}
                  - {{name: WORD, value: swordfish}}
                  - {{name: VERSIONS, value: '{{"Python": "{version}"}}'}}
                readinessProbe: {{tcpSocket: {{port: 8714}}, periodSeconds: 1}}
      env:
        WEB: http://$(CLUSTER):8714
        WEB_IP: $(Pod.status.podIP)
"""
PIPELINE = """
import os, time
from urllib.request import urlopen
from kedro.pipeline import Pipeline, node

def make():
    print("WITHOUT", os.environ.get("WEB"), flush=True)
    return [1]

def ask(numbers):
    word = urlopen(os.environ["WEB"]).read().decode()
    print("THE WORD IS", word, os.environ["WEB_IP"] in os.environ["WEB"], flush=True)
    return [*numbers, 2]

def again(numbers):
    {again}

def create_pipeline():
    return Pipeline([
        node(make, None, "one", name="make"),
        node(ask, "one", "two", name="ask", tags=["cluster.web"]),
        node(again, "two", None, name="again", tags=["cluster.web"]),
    ])
"""
DIE = """
    print("ALIVE", urlopen(os.environ["WEB"]).read().decode(), flush=True)
    if not os.path.exists({mark!r}):
        open({mark!r}, "w").close()
        urlopen(os.environ["WEB"] + "/die")
"""

WAIT = """
    if os.path.exists({mark!r}):
        print("ALIVE", urlopen(os.environ["WEB"]).read().decode(), flush=True)
        return
    open({mark!r}, "w").close()
    try:
        urlopen(os.environ["WEB"] + "/die")
    except OSError:
        # As a client that tries again, longer than the test may take.
        time.sleep(3600)
"""


def make_project(path: Path, *, again: str, more: str = "") -> ProjectFolder:
    """A project of three nodes, of which the last two ask the server."""
    project = make_counting_project(path)
    project.pipeline("counting", PIPELINE.format(again=again))
    configure(project, more)
    return project


def configure(project: ProjectFolder, more: str = "") -> None:
    """Give a project the cluster, and more of run_config."""
    server, python = json.dumps(SERVER), json.dumps(sys.executable)
    version = platform.python_version()
    project.config(CONFIG.format(more=more, server=server, python=python, version=version))


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_nodes_find_the_cluster_of_the_run_which_is_deleted_after_them(
    tmp_path: Path, python: str
) -> None:
    project = make_project(tmp_path / "project", again='print("LAST", os.environ["WEB"])')

    ran = call(project, "sandbox", "run", "-p", "counting", "--logs", "--airflow-python", python)

    assert ran.returncode == 0, ran.stdout
    for line in ("WITHOUT None", "THE WORD IS swordfish True"):
        assert f"\n{line}\n" in ran.stdout, ran.stdout
    expected = ["make", "create_cluster_web", "ask", "again", "delete_cluster_web"]
    order = re.findall(rf"(?m)^.*?\b({'|'.join(expected)})\b", ran.stdout)
    assert list(dict.fromkeys(order)) == expected, ran.stdout
    assert "The cluster answers after" in ran.stdout


@pytest.mark.parametrize("retries", [0, 1])
def test_a_cluster_that_dies_fails_its_node_with_the_reason_and_a_retry_makes_it_again(
    tmp_path: Path, retries: int
) -> None:
    mark = tmp_path / "died"
    project = make_project(
        tmp_path / "project",
        again=DIE.format(mark=str(mark)),
        more=f"retries: {retries}\n  retry_delay: 1s",
    )

    ran = call(project, "sandbox", "run", "-p", "counting", "--logs")

    assert mark.exists()
    if retries:
        assert ran.returncode == 0, ran.stdout
        assert "\nALIVE swordfish\n" in ran.stdout, ran.stdout
        return
    assert ran.returncode == 1, ran.stdout
    assert re.search(
        r"again failed: ClusterLost: Pod shop-counting-\w+-web-server in namespace default has"
        r" ended: Error\. .*The pod of the task: ",
        " ".join(ran.stdout.split()),
    ), ran.stdout
    assert re.search(r"Pod shop-counting-\w+-web-server in namespace default: deleted", ran.stdout)


def test_a_node_does_not_wait_for_a_cluster_that_has_ended(tmp_path: Path) -> None:
    mark = tmp_path / "died"
    more = "retries: 1\n  retry_delay: 1s"
    project = make_project(tmp_path / "project", again=WAIT.format(mark=str(mark)), more=more)

    ran = call(project, "sandbox", "run", "-p", "counting", "--logs")

    assert mark.exists()
    assert ran.returncode == 0, ran.stdout
    assert "\nALIVE swordfish\n" in ran.stdout, ran.stdout


def test_a_cluster_that_does_not_start_says_why_before_any_of_its_nodes_runs(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path / "project", again="pass")
    text = (project.path / "conf/base/airflow-k8s.yaml").read_text()
    project.config(text.replace("$(ADDRESS)]", "203.0.113.1]"))

    ran = call(project, "sandbox", "run", "-p", "counting", "--logs")

    assert ran.returncode == 1, ran.stdout
    assert "Cannot assign requested address" in ran.stdout
    assert re.search(r"ClusterLost: Pod \S+ in namespace default has ended: Error", ran.stdout)
    assert "THE WORD" not in ran.stdout


def test_a_cluster_with_another_version_is_named_before_a_node_runs(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", again="pass")
    text = (project.path / "conf/base/airflow-k8s.yaml").read_text()
    here = platform.python_version()
    project.config(text.replace(f'"Python": "{here}"', '"Python": "3.4.1"'))

    ran = call(project, "sandbox", "run", "-p", "counting", "--logs")

    assert ran.returncode == 1, ran.stdout
    said = " ".join(ran.stdout.split())
    problem = f"do not fit: Python 3.4.1 in the cluster, {here} here."
    assert f"ask failed: The versions of the cluster and of this pod {problem}" in said
    assert "THE WORD" not in ran.stdout
