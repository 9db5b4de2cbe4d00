"""The provider's KubernetesPodOperator, as it is, works against the sandbox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodRecord
from tests.airflow.sandbox.cluster.cluster_client import exit_code
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.waiting import WAIT_SECONDS

PROGRAM = Path(__file__).with_name("run_operators.py")


def _run(python: str, cluster: LocalCluster, folder: Path) -> str:
    cluster.write_kubeconfig(folder / "kubeconfig")
    variables = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": "kubernetes://",
        "KUBECONFIG": str(folder / "kubeconfig"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, str(PROGRAM)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(params=AIRFLOW_PYTHONS, name="python")
def _python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.core
def test_pods_of_the_operator_run_fail_are_kept_deferred_and_killed(
    python: str, cluster: LocalCluster, tmp_path: Path
) -> None:
    output = _run(python, cluster, tmp_path)

    results = [line.split(maxsplit=3) for line in output.splitlines() if line.startswith("CASE ")]
    ends = {result[1]: result[2] for result in results}
    # What the provider raises for a pod that it has deleted itself depends on where it was.
    assert ends.pop("killed")
    assert ends == {
        "success": "succeeded",
        "failure": "failed",
        "kept": "failed",
        "silent": "succeeded",
        "deferred": "succeeded",
        "deferred-failure": "failed",
        "sidecar": "succeeded",
        "deferred-sidecar": "succeeded",
        "pending": "failed",
    }, output
    for line in ("[base] out of the pod", "[base] on the way", "[base] logs: deferred"):
        assert line in output
    assert "Started container base" in output  # the events of the pod that failed
    pods: dict[str, PodRecord] = {pod.labels["case"]: pod for pod in cluster.pods()}
    assert {case: exit_code(pod) for case, pod in pods.items()} == {
        "success": 0,
        "failure": 3,
        "kept": 1,
        "silent": 0,
        "deferred": 0,
        "deferred-failure": 1,
        "sidecar": 0,
        "deferred-sidecar": 0,
        "pending": None,
        "killed": 143,
    }
    assert [case for case, pod in pods.items() if not pod.deleted] == ["kept"]
    assert pods["kept"].labels["already_checked"] == "True"
    assert pods["sidecar"].logs["base"].text() == "ready\n2 CPUs\n"
    assert pods["failure"].log() == "on the way\n"
    assert 'secret "missing" not found' in output
