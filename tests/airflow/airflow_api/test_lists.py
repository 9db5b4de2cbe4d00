"""Lists are read to their end, whatever the size of pages and whatever moves meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedro_airflow_k8s.airflow_api import client as client_module
from kedro_airflow_k8s.errors import AirflowApiError
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.small_airflow import SmallAirflow
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer

OURS = "generated_with_kedro_airflow_k8s:"


@pytest.mark.parametrize("version", ["3.3.2", "2.11.2"])
@pytest.mark.parametrize(("dags", "page"), [(0, 100), (1, 100), (100, 100), (101, 100), (230, 50)])
def test_all_generated_dags_are_listed_in_order(version: str, dags: int, page: int) -> None:
    airflow = SmallAirflow(version)
    airflow.page = page
    expected = [f"dag-{number:04}" for number in range(dags)]
    for number, dag_id in enumerate(reversed(expected)):
        airflow.add_dag(dag_id, f"{OURS}1.{number % 70}.0", "team")
    airflow.add_dag("someone's", "team", "generated-with-kedro-airflow-k8s:1.0.0")
    airflow.add_dag("near", "generatedXwith_kedro_airflow_k8s:1.0.0")
    with airflow.serve() as server:
        found = [dag.dag_id for dag in Connector().connect(server.url).generated_dags()]

    assert found == expected


@pytest.mark.parametrize("version", ["3.3.2", "2.11.2"])
@pytest.mark.parametrize(
    "change",
    [
        lambda airflow: airflow.dags.pop("dag-0001"),
        lambda airflow: [airflow.dags.pop(f"dag-{number:04}") for number in range(5)],
        lambda airflow: airflow.add_dag("dag-0000-new", f"{OURS}1.0.0"),
    ],
    ids=["one leaves", "five leave", "one comes"],
)
def test_what_moves_while_pages_are_read_is_neither_missed_nor_listed_twice(
    version: str, change: Callable[[SmallAirflow], object]
) -> None:
    airflow = SmallAirflow(version)
    airflow.page = 10
    for number in range(35):
        airflow.add_dag(f"dag-{number:04}", f"{OURS}1.0.0")
    stay = [f"dag-{number:04}" for number in range(10, 35)]

    changed: list[Request] = []

    def once(request: Request) -> Reply:
        if not changed and request.query.get("offset") == ["10"]:
            changed.append(request)
            change(airflow)
        return airflow.answer(request)

    with WebServer(once) as server:
        found = [dag.dag_id for dag in Connector().connect(server.url).generated_dags()]

    assert changed
    assert len(found) == len(set(found))
    assert set(stay) <= set(found)


def requests_for_runs(server: WebServer) -> int:
    return sum("dagRuns/list" in str(request) for request in server.requests)


@pytest.mark.parametrize("version", ["3.3.2", "2.11.2"])
def test_the_last_runs_of_1200_dags_take_no_request_each(version: str) -> None:
    airflow = SmallAirflow(version)
    for turn in range(3):
        for number in range(1200):
            if number % 3:
                airflow.add_run(f"dag-{number}", f"run-{turn}")
    for turn in range(2000):
        airflow.add_run("dag-4", f"busy-{turn}")
    with airflow.serve() as server:
        last = Connector().connect(server.url).last_runs([f"dag-{n}" for n in range(1200)])

    assert len(last) == 800
    assert last["dag-4"].run_id == "busy-1999"
    assert {run.run_id for dag_id, run in last.items() if dag_id != "dag-4"} == {"run-2"}
    assert requests_for_runs(server) < 60


@settings(max_examples=settings().max_examples // 4)
@given(
    runs=st.lists(st.sampled_from([f"dag-{number}" for number in range(12)]), max_size=60),
    page=st.integers(1, 7),
)
def test_the_last_run_of_each_dag_is_found_however_they_lie(runs: list[str], page: int) -> None:
    airflow = SmallAirflow()
    airflow.page = page
    for number, dag_id in enumerate(runs):
        airflow.add_run(dag_id, f"run-{number}")

    with airflow.serve() as server:
        last = Connector().connect(server.url).last_runs([f"dag-{n}" for n in range(12)])

    expected = {dag_id: f"run-{number}" for number, dag_id in enumerate(runs)}
    assert {dag_id: run.run_id for dag_id, run in last.items()} == expected


def test_a_server_that_counts_runs_and_gives_none_is_an_error() -> None:
    airflow = SmallAirflow()

    def answer(request: Request) -> Reply:
        if request.parts[-1] == "list":
            return Reply(body={"dag_runs": [], "total_entries": 5})
        return airflow.answer(request)

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        with pytest.raises(AirflowApiError, match="counts runs but does not list them"):
            client.last_runs(["shop"])


@pytest.mark.parametrize("allowed", [201, 409])
def test_one_known_file_of_each_bundle_is_parsed_to_find_a_new_one(allowed: int) -> None:
    airflow = SmallAirflow()
    airflow.add_dag("a-stranger", bundle_name="dags")
    airflow.add_dag("elsewhere", bundle_name="other")
    airflow.add_dag("ours", f"{OURS}1.0.0", bundle_name="dags")
    airflow.add_dag("ours-too", f"{OURS}1.0.0", bundle_name="dags")
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        if request.method == "PUT":
            asked.append(request.parts[-1])
            return Reply(allowed, None)
        return airflow.answer(request)

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        assert client.request_parsing("new")
        assert asked == ["token-of-ours", "token-of-elsewhere"]
        assert client.request_parsing("a-stranger")
        assert asked[2:] == ["token-of-a-stranger"]


@pytest.mark.parametrize("version", ["3.3.2", "2.11.2"])
@pytest.mark.parametrize("refusal", [403, 404, 405])
def test_a_server_that_does_not_let_us_ask_for_parsing_is_not_an_error(
    version: str, refusal: int
) -> None:
    airflow = SmallAirflow(version)
    airflow.add_dag("ours", f"{OURS}1.0.0")

    def answer(request: Request) -> Reply:
        if request.method == "PUT":
            return airflow.error(refusal, "Not so")
        return airflow.answer(request)

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        assert not client.request_parsing("ours")
        assert not client.request_parsing("new")


def test_a_log_is_read_page_by_page_to_its_end() -> None:
    airflow = SmallAirflow()
    pages = {
        None: {"content": [{"event": "one"}, {"event": "two"}], "continuation_token": "t1"},
        "t1": {"content": [{"event": "three"}], "continuation_token": "t2"},
        "t2": {"content": [], "continuation_token": "t3"},
    }

    def answer(request: Request) -> Reply:
        if "logs" in request.parts:
            return Reply(body=pages[request.query["token"][0] if request.query else None])
        return airflow.answer(request)

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        assert client.task_log("shop", "run-1", "load", 1) == "one\ntwo\nthree"


def test_a_log_that_grows_as_it_is_read_comes_to_an_end() -> None:
    airflow = SmallAirflow()
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        if "logs" in request.parts:
            asked.append(request.path)
            event = {"event": f"line {len(asked)}"}
            return Reply(body={"content": [event], "continuation_token": f"t{len(asked)}"})
        return airflow.answer(request)

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client_module, "LOG_PAGES", 20)
            lines = client.task_log("shop", "run-1", "load", 1).splitlines()

    assert lines == [f"line {number}" for number in range(1, 21)]
