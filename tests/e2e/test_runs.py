"""`status` and `logs` as a person types them, on real Airflows."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, RunState
from tests.e2e.server_project import command, failed, kedro, last_line, process, succeeded
from tests.support.airflow_servers import AirflowServer
from tests.support.waiting import wait_until

# A shell lets what it runs in the background ignore Ctrl-C, and so perhaps these tests.
HEED_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""
CAUSE = "ValueError: there is no [bold] data (__init__.py:8)"


@pytest.fixture(name="bad", scope="module")
def bad_fixture(server: AirflowServer) -> str:
    """The id of a run of DAG `bad` that has failed."""
    text = failed(kedro(server, "run-once", "-p", "broken", "-d", "bad", "-w", "10"), CAUSE)
    return started(text)


@pytest.fixture(name="slow", scope="module")
def slow_fixture(server: AirflowServer) -> Iterator[str]:
    """The id of a run of DAG `slow` whose node runs."""
    text = succeeded(kedro(server, "run-once", "-p", "slow", "-e", "volume", "-d", "slow"))
    client, run_id = server.client(), started(text)

    def loads() -> bool:
        return "Loading data" in client.task_log("slow", run_id, "wait_for_ever", 1)

    wait_until(loads, "the node runs, and its log is in Airflow")
    yield run_id
    client.fail_run("slow", run_id)


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


def test_a_run_in_progress_is_followed_until_ctrl_c(server: AirflowServer, slow: str) -> None:
    text = succeeded(kedro(server, "status", "-d", "slow"))
    assert re.search(r"^wait_for_ever +● running +1", text, re.MULTILINE), text
    text = succeeded(kedro(server, "logs", "-d", "slow"))
    assert "wait_for_ever is running: --follow shows what it writes." in text

    arguments = command("logs", "-d", "slow", "--node", "wait_for_ever", "--follow")
    with subprocess.Popen(
        [sys.executable, "-c", HEED_CTRL_C, *arguments], **process(server)
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "Loading data" in line:
                running.send_signal(signal.SIGINT)
                break
        rest = running.stdout.read()
        errors = running.stderr.read() if running.stderr else ""
    assert running.returncode == 130, rest + errors
    assert f"Interrupted. Run {slow} continues in Airflow: http" in rest
    assert "Traceback" not in errors
    assert state(server.client(), slow) is RunState.RUNNING


def test_a_task_is_followed_to_its_end(server: AirflowServer) -> None:
    text = succeeded(kedro(server, "run-once", "-p", "broken", "-d", "followed"))
    followed = succeeded(kedro(server, "logs", "-d", "followed", "-f"))
    assert "show_and_fail | PARAMETERS {" in followed
    assert re.search(rf"^show_and_fail: failed \([\d.]+ s\): {re.escape(CAUSE)}$", followed, re.M)
    assert f"Run {started(text)} has ended: failed. See http" in followed


def state(client: AirflowClient, run_id: str) -> RunState:
    return client.run("slow", run_id).state


def test_usage_shows_what_tasks_have_used_and_suggests_resources_that_fit(
    server: AirflowServer,
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
    assert "memory: " in succeeded(kedro(server, *arguments, "--suggest"))
