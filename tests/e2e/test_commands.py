"""`run-once`, `schedule`, `list-pipelines` and `ui` as a person types them, on real Airflows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from datetime import datetime, timezone
from typing import Any

import pytest

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.airflow_api import AirflowClient, RunState
from kedro_airflow_k8s.airflow_api.records import ENDS
from tests.e2e.server_project import (
    MANY_DAGS,
    REFUSED_BY_POLICY,
    command,
    failed,
    files_of_many_dags,
    kedro,
    last_line,
    process,
    succeeded,
)
from tests.support.airflow_servers import AirflowServer
from tests.support.kedro_projects import ProjectFolder
from tests.support.waiting import wait_until

HOSTILE = "ż,=[]{}: \"q\" 's' ${x} {{ ds }} \\ 0123 % # \t"


def parameters(server: AirflowServer, dag_id: str) -> Any:
    """The parameters that Kedro had in the last run of the pipeline `broken`, by Airflow's log."""
    client = server.client()
    run = client.last_runs([dag_id])[dag_id]
    log = client.task_log(dag_id, run.run_id, "show_and_fail", 1)
    found = re.search(r"PARAMETERS (\{.*\})", log)
    assert found is not None, log
    return json.loads(found[1])


def test_run_once_uploads_starts_and_watches_a_run_and_ui_shows_it(
    server: AirflowServer,
) -> None:
    once = ("run-once", "-p", "quick", "-d", "once", "-w", "10")
    failed(kedro(server, *once, "-i", "shop:2.0"), "The sandbox cannot run the image 'shop:2.0'.")
    assert not (server.dags / "once.py").exists()
    text = succeeded(kedro(server, *once))

    assert '"shop:1.0"' in (server.dags / "once.py").read_text()
    assert f"Uploaded DAG once to {server.dags / 'once.py'}" in text
    assert "success: 1 of 1 tasks succeeded." in text
    found = re.search(r"^Started run (run-once-\S+): (http\S+)$", text, re.MULTILINE)
    assert found is not None
    run = server.client().run("once", found[1])
    assert run.state is RunState.SUCCESS
    # Airflow 2 has no runs without a logical date.
    assert (run.logical_date is None) is (server.major > 2)
    assert last_line(kedro(server, "ui", "-d", "once", "--run")) == found[2]
    assert last_line(kedro(server, "ui")) == server.url
    failed(kedro(server, "ui", "-d", "nowhere"), "has no DAG nowhere")


def test_a_run_can_have_a_logical_date_of_its_own_once(server: AirflowServer) -> None:
    dated = ("run-once", "-p", "quick", "-d", "dated", "--logical-date", "2026-01-31T06:00")
    succeeded(kedro(server, *dated))

    run = server.client().last_runs(["dated"])["dated"]
    assert run.logical_date == datetime(2026, 1, 31, 6, tzinfo=timezone.utc)
    failed(kedro(server, *dated), "already has a run of the logical date 2026-01-31T06:00:00+00:00")


def test_parameters_reach_kedro_typed_nested_and_with_any_characters(
    server: AirflowServer,
) -> None:
    done = kedro(
        server,
        *("run-once", "-p", "broken", "-d", "params", "-w", "10"),
        *("--params", "model.depth=5,model.rate=1e-3", "--params", "names=[a, 'b,c', null]"),
        # As for `kedro run`, a text that holds ${ needs a backslash there.
        *(
            "--params",
            f"text={json.dumps(HOSTILE)}".replace("${", r"\\${"),
            "--params",
            "fill=true",
        ),
    )

    text = failed(
        done,
        "Error: show_and_fail failed: ValueError: there is no [bold] data (",
        "Log of show_and_fail",
    )
    assert parameters(server, "params") == {
        "model": {"depth": 5, "rate": 0.001, "kind": "tree"},
        "names": ["a", "b,c", None],
        "text": HOSTILE,
        "fill": True,
    }
    assert "ValueError: there is no [bold] data" in text
    assert "failed: 1 failed." in text


def test_the_parameters_listed_for_the_trigger_form_have_types_and_reach_kedro(
    server: AirflowServer,
) -> None:
    form = ("-e", "form", "run-once", "-p", "broken", "-d", "form")
    failed(kedro(server, *form, "-w", "10", "--params", "model.depth=7"))
    assert parameters(server, "form")["model"] == {"depth": 7, "rate": 0.1, "kind": "tree"}
    # Airflow itself refuses what is not of the parameter's type.
    failed(kedro(server, *form, "--params", "model.depth=deep"), "model.depth")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AIRFLOW_API_PASSWORD": "wr0ng-s3cret"}, "AIRFLOW_API_PASSWORD"),
        ({"AIRFLOW_API_TOKEN": "wr0ng-s3cret"}, "AIRFLOW_API_TOKEN"),
        ({"AIRFLOW_API_USERNAME": "", "AIRFLOW_API_PASSWORD": ""}, "AIRFLOW_API_TOKEN"),
    ],
    ids=["password", "token", "none"],
)
@pytest.mark.parametrize(
    "arguments", [["run-once", "-p", "quick", "-d", "closed"], ["list-pipelines"]], ids=str
)
def test_wrong_credentials_end_with_what_to_set_and_nothing_is_uploaded(
    server: AirflowServer,
    variables: dict[str, str],
    words: str,
    arguments: list[str],
) -> None:
    # By a name for this machine that no one takes for the sandbox's, which needs no credentials.
    host = server.url.replace("127.0.0.1", "127.1")
    ProjectFolder(server.project).config(f"host: {host}\noutput: {server.dags}\n", env="foreign")
    done = kedro(server, *arguments, "-e", "foreign", **variables)
    text = failed(done, words)
    assert "wr0ng-s3cret" not in text
    assert not (server.dags / "closed.py").exists()


def test_a_paused_dag_waits_until_it_is_unpaused(
    server: AirflowServer,
) -> None:
    arguments = ("run-once", "-p", "quick", "-d", "paused")
    succeeded(kedro(server, *arguments))
    client = server.client()
    client.set_paused("paused", True)

    failed(
        kedro(server, *arguments, "-w", "0.05"),
        "DAG paused is paused in Airflow: its runs wait until it is unpaused",
        "is queued after 0.05 minutes",
    )
    assert client.find_dag("paused").paused  # type: ignore[union-attr]
    text = succeeded(kedro(server, *arguments, "--unpause", "-w", "10"))
    assert "success: 1 of 1 tasks succeeded." in text


def test_a_dag_that_airflow_cannot_import_is_reported_with_airflows_words(
    server: AirflowServer,
) -> None:
    done = kedro(server, "run-once", "-p", "quick", "-d", REFUSED_BY_POLICY)
    failed(done, f"{REFUSED_BY_POLICY}.py", "this platform does not want such a DAG")


def test_of_a_dag_updated_twice_within_a_second_the_last_version_runs(
    server: AirflowServer,
) -> None:
    arguments = ("run-once", "-d", "twice")
    succeeded(kedro(server, *arguments, "-p", "quick"))
    first = (server.dags / "twice.py").read_text()
    succeeded(kedro(server, "schedule", "-d", "twice", "-p", "broken", "-c", "@yearly"))
    (server.dags / "twice.py").write_text(first + "\n")

    text = failed(kedro(server, *arguments, "-p", "broken", "-w", "10"))

    # The task of the version before would have succeeded.
    assert "Error: show_and_fail failed" in text


def test_schedule_waits_until_airflow_has_it_and_the_list_shows_it(
    server: AirflowServer,
) -> None:
    arguments = ("schedule", "-p", "quick", "-d", "nightly", "-c", "0 3 * * *", "-w", "5")
    text = succeeded(kedro(server, *arguments))

    client = server.client()
    assert f"Airflow has it: {client.dag_url('nightly')}" in text
    # It was new, so it is unpaused, and Airflow starts the run of last night.
    assert "Airflow starts a run now, for " in text
    next_run = text.splitlines()[-1]
    assert re.fullmatch(r"Next run: .* 03:00 UTC, then .* 03:00 UTC and .* 03:00 UTC", next_run)
    listed = json.loads(last_line(kedro(server, "list-pipelines", "--format", "json")))
    (row,) = [dag for dag in listed if dag["dag_id"] == "nightly"]
    assert row["schedule"]
    assert row["experiment"] == "Shop tests"
    assert row["plugin_version"] == __version__
    assert row["outdated"] is False
    found = client.find_dag("nightly")
    assert found is not None
    assert not found.paused
    wait_until(lambda: client.last_scheduled_run("nightly") is not None, "last night's run")
    last = client.last_scheduled_run("nightly")
    assert last is not None
    assert last.logical_date is not None
    assert f"for {last.logical_date:%Y-%m-%d} 03:00 UTC, which has passed." in text
    text = succeeded(kedro(server, *arguments))
    assert "at once" not in text
    assert found.schedule == "0 3 * * *"
    # A run in between leaves it, and takes it away only if asked to.
    once = ("run-once", "-p", "quick", "-d", "nightly", "--no-unpause")
    text = succeeded(kedro(server, *once))
    assert (
        "DAG nightly keeps its schedule in Airflow (0 3 * * *); --no-schedule removes it." in text
    )
    assert found.schedule == client.find_dag("nightly").schedule  # type: ignore[union-attr]
    text = succeeded(kedro(server, *once, "--no-schedule"))
    assert "Warning: DAG nightly has a schedule in Airflow (0 3 * * *), which this upload" in text
    assert client.find_dag("nightly").schedule is None  # type: ignore[union-attr]


def test_trigger_runs_the_dag_that_airflow_has_without_uploading_it(server: AirflowServer) -> None:
    waits = ("-e", "waits", "-d", "waits", "-p", "broken")
    # It is new, and so unpaused after a wait that no one has to ask for.
    succeeded(kedro(server, "schedule", *waits, "-c", "0 3 * * *"))
    client = server.client()
    before = (server.dags / "waits.py").read_bytes()
    arguments = ("trigger", *waits, "-w", "10", "--params", "model.depth=9")

    text = failed(kedro(server, *arguments), "Error: show_and_fail failed: ")

    assert parameters(server, "waits")["model"]["depth"] == 9
    assert "wait_for_missing: success" in text
    assert (server.dags / "waits.py").read_bytes() == before
    assert client.find_dag("waits").schedule == "0 3 * * *"  # type: ignore[union-attr]
    failed(kedro(server, "trigger", "-d", "nowhere"), "has no DAG nowhere")
    client.set_paused("waits", True)
    text = succeeded(kedro(server, "schedule", *waits, "-c", "0 3 * * *"))
    assert text.splitlines()[-1] == (
        "DAG waits is paused in Airflow: no run starts until you unpause it."
    )


@pytest.mark.parametrize("cancel", [False, True], ids=["goes on", "cancelled"])
def test_ctrl_c_says_what_becomes_of_the_run(
    server: AirflowServer,
    cancel: bool,
) -> None:
    options = ["--cancel-on-interrupt"] if cancel else []
    run_once = ("run-once", "-e", "volume", "-p", "slow", "-d", "interrupted", "-w", "10")
    arguments = command(*run_once, *options)
    with subprocess.Popen(arguments, **process(server)) as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line)
            if line.startswith("wait_for_ever: running"):
                running.send_signal(signal.SIGINT)
                break
        rest = running.stdout.read()
    text = "".join(lines) + rest
    assert running.returncode == 130, text
    found = re.search(r"^Started run (\S+):", text, re.MULTILINE)
    assert found is not None
    client = server.client()
    if cancel:
        assert f"Interrupted: run {found[1]} was marked as failed: http" in rest
    else:
        assert f"Interrupted. Run {found[1]} continues in Airflow: http" in rest
        assert client.run("interrupted", found[1]).state is RunState.RUNNING
        client.fail_run("interrupted", found[1])
    # After the teardown Airflow works out the state of the run again.
    wait_until(lambda: ended(client, found[1]), "the run and its teardown ended")
    states = client.task_states("interrupted", found[1])
    assert {task_id: task.state for task_id, task in states.items()} == {
        "create_volume": "success",
        "wait_for_ever": "failed",
        "come_after": "failed" if cancel else "skipped",
        "delete_volume": "success",
    }
    if cancel:
        assert client.run("interrupted", found[1]).state is RunState.FAILED


def ended(client: AirflowClient, run_id: str) -> bool:
    """Whether a run has ended with the task that ends it."""
    teardown = client.task_states("interrupted", run_id)["delete_volume"]
    return teardown.state in ENDS and client.run("interrupted", run_id).state.ended


def test_with_sandbox_no_settings_are_needed(
    server: AirflowServer,
) -> None:
    none = {"AIRFLOW_API_USERNAME": "", "AIRFLOW_API_PASSWORD": ""}
    arguments = ("run-once", "--sandbox", "-p", "quick", "-d", "in-sandbox", "-w", "10")
    assert "success: 1 of 1" in succeeded(kedro(server, *arguments, **none))
    shown = succeeded(kedro(server, "-e", "sandbox", "list-pipelines", **none))
    assert re.search(r"^Shop tests +in-sandbox ", shown, re.MULTILINE)


def test_a_thousand_dags_and_more_are_listed(server: AirflowServer) -> None:
    files = {server.dags / f"{last}.py": text for last, text in files_of_many_dags().items()}
    client = server.client()
    try:
        for file, text in files.items():
            file.write_text(text)
        for file in files:
            wait_until(lambda last=file.stem: client.find_dag(last) is not None, file.stem)  # type: ignore[misc]
        listed = json.loads(last_line(kedro(server, "list-pipelines", "--format", "json")))
        table = succeeded(kedro(server, "list-pipelines"))
    finally:
        for file in files:
            file.unlink(missing_ok=True)
    many = [dag for dag in listed if dag["experiment"] == "Many"]
    assert [dag["dag_id"] for dag in many] == [f"many-{i:04}" for i in range(MANY_DAGS)]
    assert all(dag["outdated"] for dag in many)
    assert f"{MANY_DAGS} made by an older version than {__version__}" in table
