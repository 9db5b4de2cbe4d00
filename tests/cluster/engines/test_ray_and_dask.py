"""Clusters of Ray and Dask: used by nodes, and deleted also after faults in the middle."""

from __future__ import annotations

import re
import shutil
import signal
from tempfile import TemporaryFile
from typing import Any

import pytest
import requests

from tests.cluster.airflow_processes import kill_task, restart
from tests.cluster.cluster import Cluster
from tests.cluster.project import AT_THE_GATE, GATE
from tests.cluster.runs import Airflow
from tests.support.waiting import wait_until

HELD = "try_dask_held"


@pytest.fixture(scope="module")
def settings(resolver: dict[str, Any]) -> dict[str, Any]:
    """The settings of DAGs with clusters of both."""
    return {
        **resolver,
        "retries": 2,
        "retry_delay": 1,
        "clusters": {
            "ray": {"type": "ray", "workers": 2, "resources": "head"},
            "dask": {"type": "dask", "workers": 2, "resources": "small"},
        },
        "resources": {
            "head": {"requests": {"cpu": "100m"}, "limits": {"memory": "2Gi"}},
        },
    }


def test_two_workers_of_each_engine_compute_what_python_does(
    engines: Airflow, settings: dict[str, Any]
) -> None:
    done = engines.run("try_ray_and_dask", **settings).succeeded()

    for engine in ("ray", "dask"):
        log = engines.log("try_ray_and_dask", done.run_id, f"with_{engine}")
        assert f"{engine.upper()} True" in log
        hosts = int(log.partition(f"{engine.upper()} HOSTS ")[2].split()[0])
        # The head of Ray has a core for tasks, too.
        assert hosts >= 2


@pytest.mark.parametrize("fault", ["API server", "scheduler", "worker"])
def test_a_cluster_outlives_a_fault_of_something_else_and_is_deleted(
    engines: Airflow, settings: dict[str, Any], cluster: Cluster, fault: str
) -> None:
    namespace = engines.namespace
    if fault == "API server":
        try:
            cluster.restart_command()
        except LookupError as error:
            pytest.skip(str(error))
    with engines.start(HELD, **settings) as running:
        pod = engines.watched_at_the_gate(running)
        run_id = str(running.run_id())
        if fault == "API server":
            cluster.restart_api_server()
        elif fault == "scheduler":
            restart(engines, "scheduler")
        else:
            kill_task(engines, run_id, "hold")
            wait_until(
                lambda: AT_THE_GATE in engines.client().task_log(HELD, run_id, "hold", 2),
                "another worker that reads the log",
            )
        log = namespace.log(pod)
        namespace.run_in(pod, f"open('{GATE}', 'w').close()")
        running.end().succeeded()

    assert {*engines.states(HELD, run_id).values()} == {"success"}
    assert len(namespace.task_pods(run_id, "hold")) == 1
    assert "AGAIN 4" in log.read().decode()


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not on PATH")
def test_a_port_is_forwarded_to_the_page_of_a_cluster_until_ctrl_c(
    engines: Airflow, settings: dict[str, Any]
) -> None:
    options = ("--cluster", "dask", "--context", engines.context)
    with engines.start(HELD, **settings) as running, TemporaryFile("w+") as output:
        pod, _ = running.at_the_gate()
        with engines.kedro("ui", "-p", HELD, "-d", HELD, *options, output=output) as ui:

            def said() -> str:
                output.seek(0)
                return output.read()

            try:
                wait_until(lambda: "localhost" in said() or ui.poll() is not None, "a page")
                page = re.search(r"http://localhost:\d+", said())
                assert page, said()
                assert "Dask Diagnostic UI" in requests.get(f"{page[0]}/status", timeout=60).text
                ui.send_signal(signal.SIGINT)
                assert ui.wait() == 130, said()
            finally:
                ui.kill()
        engines.namespace.run_in(pod, f"open('{GATE}', 'w').close()")
        running.end().succeeded()
