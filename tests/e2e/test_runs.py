"""`status`, `logs`, `cancel`, `pause`, `unpause` and `delete` as typed, on real Airflows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, RunState
from tests.e2e.server_project import command, failed, kedro, last_line, process, succeeded
from tests.support.airflow_servers import AirflowServer
from tests.support.waiting import wait_until

CAUSE = "ValueError: there is no [bold] data (__init__.py:8)"


@pytest.fixture(name="bad", scope="module")
def bad_fixture(server: AirflowServer) -> str:
    """The id of a run of DAG `bad` that has failed."""
    text = failed(kedro(server, "run-once", "-p", "broken", "-d", "bad", "-w", "10"), CAUSE)
    return started(text)


def started(text: str) -> str:
    """The run that a command has started."""
    found = re.search(r"^Started run (\S+):", text, re.MULTILINE)
    assert found is not None, text
    return found[1]


def test_status_shows_the_tasks_of_the_last_run_or_of_the_named_one(
    server: AirflowServer, bad: str
) -> None:
    for arguments in (["-d", "bad"], [bad, "-d", "bad"], ["--sandbox", "-d", "bad"]):
        text = succeeded(kedro(server, "status", *arguments))
        assert f"DAG bad, run {bad}\n" in text
        row = r"^show_and_fail +✗ failed +1 +\d+\.\d +"
        assert re.search(f"{row}{re.escape(CAUSE)}$", text, re.MULTILINE), text
        assert f"See {server.client().run_url('bad', bad)}" in text

    found = json.loads(last_line(kedro(server, "status", "-d", "bad", "--format", "json")))
    assert (found["run_id"], found["state"], found["paused"]) == (bad, "failed", False)
    (task,) = found["tasks"]
    assert (task["state"], task["attempts"], task["cause"]) == ("failed", 1, CAUSE)
    assert task["start"] < task["end"]


def test_logs_show_the_failure_first_and_nothing_of_airflow_unless_raw(
    server: AirflowServer, bad: str
) -> None:
    lines = succeeded(kedro(server, "logs", "-d", "bad")).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("Log of show_and_fail in"))
    assert lines[first + 1] == "Traceback (most recent call last):"
    assert "ValueError: there is no [bold] data" in lines[first + 2 : first + 7]
    before = lines.index("--- Printed before that:")
    assert any(line.startswith("PARAMETERS {") for line in lines[before:])
    assert f"show_and_fail failed: {CAUSE}" in lines
    assert "AirflowException" not in "\n".join(lines)
    assert "pod_manager" not in "\n".join(lines)

    raw = succeeded(kedro(server, "logs", bad, "-d", "bad", "--raw", "-n", "show_and_fail"))
    assert "AirflowException" in raw
    assert "[base] PARAMETERS" in raw
    (task,) = json.loads(last_line(kedro(server, "logs", "-d", "bad", "--format", "json")))["tasks"]
    assert task["log"].splitlines()[0] == "Traceback (most recent call last):"


def test_what_is_not_there_is_said_with_the_nearest_name(server: AirflowServer, bad: str) -> None:
    for looking in ("status", "logs"):
        failed(kedro(server, looking, "-d", "badd"), "has no DAG badd. Did you mean 'bad'?")
        failed(
            kedro(server, looking, bad[:-1], "-d", "bad"),
            f"DAG bad has no run '{bad[:-1]}'. Did you mean '{bad}'? The last runs: {bad}.",
        )
    node = kedro(server, "logs", "-d", "bad", "-n", "show_and_fial")
    failed(node, "no task or node 'show_and_fial'. Did you mean 'show_and_fail'?")


def test_a_task_is_followed_to_its_end(server: AirflowServer) -> None:
    text = succeeded(kedro(server, "run-once", "-p", "broken", "-d", "followed"))
    followed = succeeded(kedro(server, "logs", "-d", "followed", "-f"))
    assert "show_and_fail | PARAMETERS {" in followed
    assert re.search(rf"^show_and_fail: failed \([\d.]+ s\): {re.escape(CAUSE)}$", followed, re.M)
    assert f"Run {started(text)} has ended: failed. See http" in followed


def test_usage_shows_what_tasks_have_used_and_suggests_resources_that_fit(
    server: AirflowServer, tmp_path: Path
) -> None:
    succeeded(kedro(server, "run-once", "-p", "quick", "-d", "measured", "-w", "10"))

    arguments = ("usage", "-p", "quick", "-d", "measured")
    row = r"^do_nothing +1 +(\d+)Mi .* +\d+\.\d+ MB +\d+\.\d+ MB$"
    table = succeeded(kedro(server, *arguments))
    found = re.search(row, table, re.MULTILINE)
    assert found is not None, table
    (task,) = json.loads(last_line(kedro(server, *arguments, "--format", "json")))
    assert task["memory"] // 2**20 == pytest.approx(int(found[1]), abs=1)
    assert 0 < task["cpu"] <= task["wall"] * 2
    page = tmp_path / "usage.html"
    assert "memory: " in succeeded(kedro(server, *arguments, "--suggest", "--html", str(page)))
    times = r"queued [\d:]+, started [\d:]+, ended [\d:]+, took \d+\.\d s"
    assert re.search(f"<title>do_nothing: success, {times}</title>", page.read_text())
    assert f"<title>do_nothing: peak {found[1]}Mi, " in page.read_text()


def test_a_run_in_progress_is_followed_until_ctrl_c_and_cancelled(server: AirflowServer) -> None:
    slow = ("-d", "slow")
    run_id = started(succeeded(kedro(server, "run-once", "-p", "slow", "-e", "volume", *slow)))
    client = server.client()
    try:
        wait_until(lambda: "Loading data" in log(client, run_id), "the log of the node")
        text = succeeded(kedro(server, "status", *slow))
        assert re.search(r"^wait_for_ever +● running +1", text, re.MULTILINE), text
        text = succeeded(kedro(server, "logs", *slow))
        assert "wait_for_ever is running: --follow shows what it writes." in text
        follow_until_ctrl_c(server, run_id)
        assert client.run("slow", run_id).state is RunState.RUNNING
        failed(kedro(server, "delete", *slow, "--yes"), f"runs that have not ended: {run_id}.")
    finally:
        done = kedro(server, "cancel", *slow)
    text = succeeded(done)
    assert f"Run {run_id} is marked as failed: {client.run_url('slow', run_id)}" in text
    assert "Airflow stops wait_for_ever, and deletes the pods." in text
    assert "The tasks that clean up run after that: delete_volume." in text
    rows = (
        r"wait_for_ever +✗ failed +1 +[\d.]+ +stopped: Airflow had ended the task",
        r"come_after +✗ failed",
        r"delete_volume +✓ success",
        r"failed: 2 failed, 2 success",
    )

    def shown() -> bool:
        # A task that is stopped says so in its log some seconds after its run has ended.
        text = succeeded(kedro(server, "status", run_id, *slow))
        return all(re.search(f"^{row}", text, re.MULTILINE) for row in rows)

    wait_until(shown, f"status shows {rows}")
    failed(kedro(server, "cancel", *slow), "No run of DAG slow is running or queued.")
    failed(kedro(server, "cancel", run_id, *slow), f"Run {run_id} has ended: failed.")


def follow_until_ctrl_c(server: AirflowServer, run_id: str) -> None:
    arguments = command("logs", "-d", "slow", "--node", "wait_for_ever", "--follow")
    with subprocess.Popen(arguments, **process(server)) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        for line in running.stdout:
            if "Loading data" in line:
                running.send_signal(signal.SIGINT)
                break
        rest, errors = running.stdout.read(), running.stderr.read()
    assert running.returncode == 130, rest + errors
    assert f"Interrupted. Run {run_id} continues in Airflow: http" in rest
    assert "Traceback" not in errors


def log(client: AirflowClient, run_id: str) -> str:
    return client.task_log("slow", run_id, "wait_for_ever", 1)


def test_a_dag_is_paused_unpaused_and_deleted_with_its_file(server: AirflowServer) -> None:
    gone = ("-d", "gone")
    succeeded(kedro(server, "run-once", "-p", "quick", *gone, "-w", "10"))
    client, file = server.client(), server.dags / "gone.py"

    paused = json.loads(last_line(kedro(server, "pause", *gone, "--format", "json")))
    assert (paused["paused"], paused["changed"]) == (True, True)
    assert client.find_dag("gone").paused  # type: ignore[union-attr]
    run_id = started(succeeded(kedro(server, "trigger", *gone)))
    text = succeeded(kedro(server, "status", *gone))
    assert "DAG gone is paused: no task of the run starts until you unpause the DAG" in text
    succeeded(kedro(server, "cancel", *gone))
    assert client.run("gone", run_id).state is RunState.FAILED
    assert "DAG gone is unpaused." in succeeded(kedro(server, "unpause", *gone))
    assert not client.find_dag("gone").paused  # type: ignore[union-attr]

    elsewhere = ("--output", str(server.project / "elsewhere"))
    failed(kedro(server, "delete", *gone, *elsewhere, "--yes"), "is not in the output: ")
    failed(kedro(server, "delete", *gone), "Delete the file", "Nothing was deleted. --yes")
    assert file.exists()
    deleted = json.loads(last_line(kedro(server, "delete", *gone, "--yes", "--format", "json")))
    assert deleted == {
        "dag_id": "gone",
        "file": str(file),
        "runs": 2,
        "keeping": 0,
        "airflow": server.url,
        "deleted": True,
    }
    assert not file.exists()
    assert client.dag_in_records("gone") is None
    assert client.last_runs(["gone"]) == {}
    failed(kedro(server, "delete", *gone, "--yes"), "has no DAG gone.")


FOREIGN = """
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import DAG, BaseOperator

with DAG("theirs", schedule=None, start_date=datetime(2021, 1, 1, tzinfo=timezone.utc)):
    BaseOperator(task_id="task")
"""


def test_the_dag_of_someone_else_is_shown_and_never_changed(server: AirflowServer) -> None:
    file, client = server.dags / "theirs.py", server.client()
    file.write_text(FOREIGN)
    wait_until(lambda: client.find_dag("theirs") is not None, "Airflow has the other DAG")
    failed(kedro(server, "status", "-d", "theirs"), "DAG theirs has no run yet.")
    before = client.find_dag("theirs")
    for change in (["pause"], ["unpause"], ["cancel"], ["delete", "--yes"]):
        failed(kedro(server, *change, "-d", "theirs"), "DAG theirs was not made by this plugin")
    assert client.find_dag("theirs") == before
    assert file.read_text() == FOREIGN
