"""The client on real Airflows: 3.3.2 and 2.11.2."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.errors import Conflict, NotAuthenticated, NotFound, Refused, ServerFailed
from kedro_airflow_k8s.upload.local import write_local
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.web_server import Reply
from tests.support.airflow_servers import AirflowServer
from tests.support.waiting import WAIT_SECONDS

VERSION = "generated_with_kedro_airflow_k8s:1.0.0"
_T = TypeVar("_T")

DAG = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import DAG, BaseOperator


class Say(BaseOperator):
    def execute(self, context):
        print("said by", self.task_id)
        context["ti"].xcom_push(key="left", value='{{"memory": 1}}')
        if self.task_id == "bad":
            try:
                {{}}["no such key"]
            except KeyError as error:
                raise ValueError("two\\nlines") from error


with DAG(
    {dag_id!r},
    schedule={schedule!r},
    start_date=datetime(2021, 1, 1, tzinfo=timezone.utc),
    end_date=datetime(2021, 1, 1, tzinfo=timezone.utc) if {schedule!r} else None,
    catchup=False,
    is_paused_upon_creation={paused},
    tags={tags!r},
    doc_md={doc!r},
) as dag:
    for task in {tasks!r}:
        Say(task_id=task)
"""


def write(
    server: AirflowServer,
    dag_id: str,
    *tasks: str,
    fingerprint: str = "0123456789ab",
    schedule: str | None = None,
    paused: bool = False,
) -> str:
    """Put a DAG into Airflow's folder; its tag."""
    tag = f"fingerprint:{fingerprint}"
    text = DAG.format(
        dag_id=dag_id,
        schedule=schedule,
        paused=paused,
        tags=[VERSION, tag],
        doc=f"Tasks {', '.join(tasks)}.\n\n{tag}",
        tasks=tasks,
    )
    write_local(text.encode(), server.dags, f"{dag_id}.py")
    return tag


def until(look: Callable[[], _T], wanted: Callable[[_T], object]) -> _T:
    """What is seen when it is as wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.2)  # between two looks at the server, not for the test to pass


def connected(server: AirflowServer, url: str | None = None) -> AirflowClient:
    environ = {
        "AIRFLOW_API_USERNAME": server.username,
        "AIRFLOW_API_PASSWORD": server.password,
    }
    return Connector(environ).connect(url or server.url)


@pytest.fixture
def client(server: AirflowServer) -> AirflowClient:
    return connected(server)


def parsed(client: AirflowClient, dag_id: str, tag: str) -> None:
    """Wait until a run would be of this version."""

    def look() -> bool:
        try:
            client.request_parsing(dag_id)
            return client.would_run(dag_id, tag)
        except ServerFailed:
            # Airflow 2.11's server answers some requests with 500 while the file is being parsed.
            return False

    until(look, bool)


def ended(client: AirflowClient, run: DagRun) -> DagRun:
    return until(lambda: client.run(run.dag_id, run.run_id), lambda found: found.state.ended)


def test_a_dag_is_found_triggered_watched_and_its_logs_read(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "watched", write(server, "watched", "good", "bad"))
    dag = client.find_dag("watched")
    assert dag is not None
    assert dag.tags == ("fingerprint:0123456789ab", VERSION)
    assert (dag.paused, dag.schedule) == (False, None)
    assert Path(dag.file).name == "watched.py"

    run = client.trigger("watched", "run+1:x", {"kedro_params": {"a": ["ż", None]}})
    assert run.state in (RunState.QUEUED, RunState.RUNNING)
    assert run.logical_date is None or server.major == 2
    run = ended(client, run)

    assert run.state is RunState.FAILED
    assert run.start is not None
    assert run.end is not None
    assert run.start <= run.end
    tasks = client.task_states("watched", "run+1:x")
    assert {name: task.state for name, task in tasks.items()} == {
        "good": "success",
        "bad": "failed",
    }
    assert all(task.attempt == 1 and task.end is not None for task in tasks.values())
    log = client.task_log("watched", "run+1:x", "bad", 1)
    assert "said by bad" in log
    assert "KeyError: 'no such key'" in log
    assert log.index("KeyError") < log.index("ValueError: two\nlines")
    assert "::group::" not in log
    assert "::endgroup::" not in log
    assert "attempt=1.log" not in log
    assert client.xcom("watched", "run+1:x", "good", "left") == '{"memory": 1}'
    assert client.xcom("watched", "run+1:x", "good", "nothing") is None
    assert client.xcom("watched", "run+1:x", "no such task", "left") is None
    assert client.task_log("watched", "run+1:x", "good", 7) == ""
    assert client.task_log("watched", "run+1:x", "good", 0) == ""


def test_of_a_dag_updated_twice_within_a_second_the_second_version_runs(
    server: AirflowServer, client: AirflowClient
) -> None:
    first = write(server, "twice", "old_one", "old_two", fingerprint="1" * 12)
    parsed(client, "twice", first)
    # The first update is seen soon after the first version was stored, when Airflow does not store
    # another one for a while; the second follows before it could.
    write(server, "twice", "never_run", fingerprint="2" * 12)
    second = write(server, "twice", "new_one", "new_two", fingerprint="3" * 12)
    parsed(client, "twice", second)
    run = ended(client, client.trigger("twice", "run-1", {}))

    assert run.state is RunState.SUCCESS
    tasks = client.task_states("twice", "run-1")
    # Airflow 2.11 may have begun with what its web server remembered, and have put it right.
    ran = {name for name, task in tasks.items() if task.state != "removed"}
    assert ran == {"new_one", "new_two"}
    assert "said by new_two" in client.task_log("twice", "run-1", "new_two", 1)


def test_a_new_tag_alone_does_not_mean_that_the_new_version_would_run(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "early", write(server, "early", "old", fingerprint="a" * 12))
    tag = write(server, "early", "new", fingerprint="b" * 12)
    early = []

    def look() -> bool:
        client.request_parsing("early")
        dag = client.find_dag("early")
        ready = client.would_run("early", tag)
        if dag is not None and tag in dag.tags and not ready:
            early.append(dag)
        return ready

    until(look, bool)

    assert early, "Airflow stored the DAG with its tags: the client no longer has to look further"


def test_a_new_file_is_found_by_way_of_a_known_one_on_airflow_3_only(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "known", write(server, "known", "task"))

    assert client.request_parsing("known")
    assert client.request_parsing("known"), "also when it is asked for already"
    assert client.request_parsing("not-there-yet") == (server.major == 3)


def test_an_import_error_is_reported_in_airflows_words_until_it_is_fixed(
    server: AirflowServer, client: AirflowClient
) -> None:
    write(server, "broken_one", "task")
    (server.dags / "broken.py").write_text("raise RuntimeError('no airflow dag here')\n")

    error = until(lambda: client.import_error("broken.py"), bool)

    assert error is not None
    assert "RuntimeError: no airflow dag here" in error.stack_trace
    assert error.time.tzinfo is not None
    assert client.import_error("oken.py") is None
    assert client.import_error("broken_one.py") is None
    (server.dags / "broken.py").write_text("")
    until(lambda: client.import_error("broken.py"), lambda found: found is None)


def test_a_paused_dag_lets_runs_wait_until_it_is_unpaused(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "paused", write(server, "paused", "task", paused=True))
    dag = client.find_dag("paused")
    assert dag is not None
    assert dag.paused
    run = client.trigger("paused", "run-1", {})
    assert run.state is RunState.QUEUED

    client.set_paused("paused", False)

    assert ended(client, run).state is RunState.SUCCESS
    client.set_paused("paused", True)
    client.trigger("paused", "run-2", {})
    client.fail_run("paused", "run-2")
    assert client.run("paused", "run-2").state is RunState.FAILED


def test_what_is_stored_of_a_dag_says_its_start_its_form_and_its_tasks_in_their_order(
    server: AirflowServer, client: AirflowClient
) -> None:
    text = DAG.format(
        dag_id="stored", schedule=None, paused=True, tags=[VERSION], doc="", tasks=["z", "a"]
    )
    zoned = text.replace("timezone.utc", "pendulum.timezone('Europe/Warsaw')")
    form = zoned.replace("as dag:", "as dag:\n    dag.params['model.depth'] = 3")
    order = "dag.get_task('z') >> dag.get_task('a')\n"
    write_local(f"import pendulum\n{form}{order}".encode(), server.dags, "stored.py")

    def look() -> bool:
        client.request_parsing("stored")
        return client.find_dag("stored") is not None

    until(look, bool)

    details = client.details("stored")
    assert details.start_date == datetime(2020, 12, 31, 23, tzinfo=timezone.utc)
    assert list(details.params or ()) == ["model.depth"]
    assert [task.task_id for task in client.dag_tasks("stored")] == ["z", "a"]


def test_schedules_are_reported_in_words(server: AirflowServer, client: AirflowClient) -> None:
    schedules = {"s-cron": "15 4 * * 1", "s-daily": "@daily", "s-ever": "@continuous", "s-no": None}
    for dag_id, schedule in schedules.items():
        text = DAG.format(
            dag_id=dag_id, schedule=schedule, paused=True, tags=[VERSION], doc="", tasks=["t"]
        )
        if schedule == "@continuous":
            text = text.replace("catchup=False", "catchup=False, max_active_runs=1")
        (server.dags / f"{dag_id}.py").write_text(text)

    def seen() -> dict[str, str | None]:
        return {
            dag.dag_id: dag.schedule for dag in client.generated_dags() if dag.dag_id in schedules
        }

    found = until(seen, lambda dags: len(dags) == len(schedules))

    if server.major == 3:
        schedules["s-daily"] = "0 0 * * *"
    assert found == schedules


def test_the_last_runs_of_many_dags_take_few_requests(
    server: AirflowServer, client: AirflowClient
) -> None:
    for dag_id in ("busy", "calm", "idle"):
        parsed(client, dag_id, write(server, dag_id, "task", paused=True))
    client.trigger("calm", "calm-1", {})
    for number in range(103):
        client.trigger("busy", f"busy-{number}", {})

    with FaultProxy(server.url) as proxy:
        last = connected(server, proxy.url).last_runs(["idle", "busy", "calm", "not-there"])

    assert {dag_id: run.run_id for dag_id, run in last.items()} == {
        "busy": "busy-102",
        "calm": "calm-1",
    }
    assert proxy.seen("dagRuns/list") == 3


def test_removed_dags_are_no_longer_there(server: AirflowServer, client: AirflowClient) -> None:
    parsed(client, "gone", write(server, "gone", "task"))
    (server.dags / "gone.py").unlink()

    until(lambda: client.find_dag("gone"), lambda dag: dag is None)
    assert "gone" not in {dag.dag_id for dag in client.generated_dags()}


def test_the_servers_own_words_say_what_is_wrong(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "words", write(server, "words", "task", paused=True))
    noon = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
    client.trigger("words", "run-1", {}, noon)

    with pytest.raises(NotFound, match=r"[Dd][Aa][Gg] with dag_id: 'not-there' not found"):
        client.trigger("not-there", "run-1", {})
    with pytest.raises(NotFound, match="run-7"):
        client.run("words", "run-7")
    with pytest.raises(Conflict, match=r"constraint|already exists"):
        client.trigger("words", "run-2", {}, noon)
    with pytest.raises(Refused, match="logical_date"):
        client.trigger("words", "run-3", {}, noon.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "Set AIRFLOW_API_TOKEN"),
        ({"AIRFLOW_API_TOKEN": "no-such-token-anywhere"}, "token in AIRFLOW_API_TOKEN"),
        (
            {"AIRFLOW_API_USERNAME": "admin", "AIRFLOW_API_PASSWORD": "no-such-password"},
            "AIRFLOW_API_PASSWORD right",
        ),
    ],
)
def test_wrong_credentials_are_said_so_and_not_repeated(
    server: AirflowServer, environ: dict[str, str], words: str
) -> None:
    client = Connector(environ).connect(server.url)
    with pytest.raises(NotAuthenticated) as caught:
        client.find_dag("any")

    assert words in str(caught.value)
    assert "no-such" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset", served=True),
        Fault("half"),
        Fault("answer", times=3, served=True, reply=Reply(500, b"oh no")),
        Fault("answer", reply=Reply(429, b"", {"Retry-After": "5"})),
    ],
    ids=lambda fault: f"{fault.act}-{fault.reply.status}",
)
def test_a_real_server_behind_a_faulty_network_starts_one_run(
    server: AirflowServer, client: AirflowClient, fault: Fault
) -> None:
    parsed(client, "faulty", write(server, "faulty", "task", paused=True))
    run_id = f"run-{fault.act}-{fault.reply.status}"
    again = Fault(fault.act, "dagRuns$", fault.times, fault.served, fault.reply)
    with FaultProxy(server.url, [again]) as proxy:
        run = connected(server, proxy.url).trigger("faulty", run_id, {})

    assert run.run_id == run_id
    assert proxy.seen("POST .*dagRuns$") == fault.times + 1
    assert client.last_runs(["faulty"])["faulty"].run_id == run_id


def test_credentials_refused_in_the_middle_are_renewed_where_they_can_be(
    server: AirflowServer, client: AirflowClient
) -> None:
    parsed(client, "refused", write(server, "refused", "task", paused=True))
    again = Fault("answer", "dagRuns$", reply=Reply(401, {"detail": "Not authenticated"}))
    with FaultProxy(server.url, [again]) as proxy:
        through = connected(server, proxy.url)
        if server.major == 3:
            assert through.trigger("refused", "run-1", {}).run_id == "run-1"
            assert proxy.seen("POST /auth/token") == 2
        else:
            # Airflow 2 gets the password with every request: there is nothing to renew.
            with pytest.raises(NotAuthenticated, match="AIRFLOW_API_PASSWORD right"):
                through.trigger("refused", "run-1", {})
            assert client.last_runs(["refused"]) == {}
