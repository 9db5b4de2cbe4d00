"""What `ui` opens and prints."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass

import pytest

from kedro_airflow_k8s.airflow_api import Dag, DagRun, RunState
from kedro_airflow_k8s.deploy.browser import dag_page, has_browser, last_run_page, open_page
from kedro_airflow_k8s.errors import NotAllowed, NotAuthenticated, RunError
from tests.support.scripted_airflow import ScriptedAirflow, known_dag


def test_the_page_of_a_dag_that_exists() -> None:
    airflow = ScriptedAirflow(dags={"sales": known_dag("sales")})
    assert dag_page(airflow, "sales") == "https://airflow.example.com/dags/sales"


def test_a_dag_that_is_not_there_is_said() -> None:
    with pytest.raises(RunError, match=r"has no DAG sales\. `kedro airflow-k8s list-pipelines`"):
        dag_page(ScriptedAirflow(), "sales")


@pytest.mark.parametrize("refusal", [NotAuthenticated, NotAllowed])
def test_who_may_not_ask_the_api_still_gets_the_address(refusal: type[Exception]) -> None:
    @dataclass
    class Closed(ScriptedAirflow):
        def find_dag(self, dag_id: str) -> Dag | None:
            raise refusal("no")

    assert dag_page(Closed(), "sales") == "https://airflow.example.com/dags/sales"


def test_the_page_of_the_last_run() -> None:
    run = DagRun(dag_id="sales", run_id="run-1", state=RunState.RUNNING)
    airflow = ScriptedAirflow(runs={"run-1": run})
    assert last_run_page(airflow, "sales").endswith("/dags/sales/runs/run-1")
    with pytest.raises(RunError, match="has no DAG stock"):
        last_run_page(airflow, "stock")
    airflow.parse(known_dag("stock"))
    with pytest.raises(RunError, match="has no run of DAG stock yet"):
        last_run_page(airflow, "stock")


@pytest.mark.parametrize(
    ("environ", "platform", "there"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "firefox"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_where_a_window_can_be(
    environ: dict[str, str], platform: str, there: bool
) -> None:
    assert has_browser(environ, platform) is there


@pytest.mark.parametrize("display", ["", ":0"])
def test_the_address_is_printed_with_and_without_a_browser(
    monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    opened: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setenv("DISPLAY", display)
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")

    open_page("https://airflow.example.com", said.append)

    assert said == ["https://airflow.example.com"]
    assert opened == (said if display else [])
