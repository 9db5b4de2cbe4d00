"""Messages about a run that fails, from Airflow's own services to servers on this machine."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.services_project import Rest, command, options, sandbox_of
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder, make_project
from tests.support.message_servers import HttpReceiver, SmtpReceiver, running
from tests.support.waiting import wait_until

FAILING = """
from kedro.pipeline import Pipeline, node

def read():
    return [1]

def price(rows):
    raise ValueError("no price in row 7:\\n  apples")

def add(prices):
    return prices

def create_pipeline():
    return Pipeline([
        node(read, None, "rows", name="read"),
        node(price, "rows", "prices", name="price"),
        node(add, "prices", "sum", name="add"),
    ])
"""
CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
  retries: 1
  retry_delay: 1s
  volume:
    skip_init: true
  notify:
    - on: [failure, success]
      with: slack
      connection: to_slack
    - {on: failure, with: teams, connection: to_teams}
    - {on: failure, with: pagerduty, connection: to_pagerduty}
    - {on: failure, with: webhook, connection: to_broken_server}
    - {on: failure, with: slack, connection: not_there}
    - on: failure
      with: smtp
      connection: to_mail
      to: [on-call@example.com]
      message: "{{ failed_tasks[0] }}: {{ reason }} <{{ dag.dag_id }}>"
    - on: failure
      with: airflow.providers.missing.notifications.missing.MissingNotifier
    - on: failure
      with: airflow.providers.smtp.notifications.smtp.SmtpNotifier
      arguments:
        smtp_conn_id: to_mail
        to: team@example.com
        subject: "From a notifier: {{ notify.reason }}"
        html_content: "{{ run_id }}"
    - {on: [failure, retry], level: task, with: webhook, connection: to_webhook}
    - type: slack
      connection_id: to_old_slack
      message_template: "{task} of {dag} failed"
"""
LATE = """
import time
from kedro.pipeline import Pipeline, node

def wait():
    # With Airflow 2.11, the sandbox looks at the run again when the task has ended.
    time.sleep(20)

def create_pipeline():
    return Pipeline([
        node(wait, None, "end", name="wait"),
        node(list, "end", "never", name="never"),
    ])
"""
TOGETHER = """
import time
from kedro.pipeline import Pipeline, node

def fail():
    time.sleep(15)
    raise ValueError("stop")

def go_on():
    time.sleep(60)

def create_pipeline():
    return Pipeline([
        node(fail, None, "a", name="fail"),
        node(go_on, None, "b", name="go_on"),
        node(max, ["a", "b"], "c", name="after"),
    ])
"""
OF_OTHERS = """
pipelines:
  together:
    fail_fast: true
    retries: 0
    notify: [{on: failure, with: slack, connection: to_stopped}]
  late:
    dagrun_timeout: 5s
    retries: 0
    notify:
      - {on: deadline, with: webhook, connection: to_late}
      - {on: [failure, deadline], with: slack, connection: to_late}
"""
REASON = (
    "ValueError: no price in row 7: apples (node price, src/shop/pipelines/failing/__init__.py:8)"
)


@dataclass(frozen=True)
class Failed:
    """A run that has failed, and what the servers got."""

    project: ProjectFolder
    http: HttpReceiver
    smtp: SmtpReceiver
    run_id: str


def connections(http: HttpReceiver, smtp: SmtpReceiver) -> dict[str, dict[str, Any]]:
    """Airflow connections, in the forms in which people have them."""
    plain = {"host": f"127.0.0.1:{http.server_address[1]}/plain", "schema": "http"}
    return {
        "to_slack": {"host": f"{http.url}/services", "password": "T0/B0/secret"},
        "to_old_slack": {"password": f"{http.url}/old/T0/B0/secret"},
        "to_teams": {"host": f"{http.url}/teams"},
        "to_pagerduty": {"host": f"{http.url}/pagerduty", "password": "key"},
        "to_stopped": {"host": f"{http.url}/stopped"},
        "to_late": {"host": f"{http.url}/late"},
        "to_broken_server": {"host": f"{http.url}/500"},
        "to_webhook": {"conn_type": "http", "login": "me", "password": "mine", **plain},
        "to_mail": {
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": smtp.port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "a@example.com"},
        },
    }


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def failed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Failed]:
    project = make_project(tmp_path_factory.mktemp("notify") / "project")
    project.pipeline("failing", FAILING)
    project.pipeline("late", LATE)
    project.pipeline("together", TOGETHER)
    project.config(CONFIG + OF_OTHERS)
    http, smtp = HttpReceiver(), SmtpReceiver()
    given = {"conn_type": "generic"}
    started = options(project)
    started["env"] |= {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps(given | parts)
        for name, parts in connections(http, smtp).items()
    }

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), check=False, **started)

    with running(http), running(smtp):
        try:
            up = call("sandbox", "up", "--airflow-python", request.param)
            assert up.returncode == 0, up.stdout
            ran = call("run-once", "--sandbox", "-p", "failing", "-d", "failing", "-w", "10")
            assert ran.returncode == 1, ran.stdout
            assert "price failed" in ran.stdout
            ((run_id, state),) = Rest(sandbox_of(project)).states("failing").items()
            assert state == "failed"
            late = call("run-once", "--sandbox", "-p", "late", "-d", "late", "-w", "10")
            assert late.returncode == 1, late.stdout
            wait_until(lambda: len(http.at("/late")) == 2, "the messages about the late run")
            stopped = call("run-once", "--sandbox", "-p", "together", "-d", "together", "-w", "10")
            assert stopped.returncode == 1, stopped.stdout
            wait_until(lambda: len(http.at("/stopped")) == 1, "the message about the stopped run")
            # The message that Airflow sends last, of the callbacks of the run.
            wait_until(lambda: len(smtp.mails) == 2, "the mails")
            yield Failed(project, http, smtp, run_id)
        finally:
            stop_sandbox(project.path, print)


def test_the_run_is_reported_once_with_the_failed_task_the_reason_and_the_log(
    failed: Failed,
) -> None:
    (message,) = failed.http.at("/services/T0/B0/secret")

    title, run, tasks, log = message["text"].splitlines()
    assert title == f"DAG failing failed: {REASON}"
    assert run == f"Run: {failed.run_id}"
    assert tasks == "Failed tasks: price"
    assert log.startswith(f"Log: {sandbox_of(failed.project).host}/dags/failing/")
    assert "price" in log


def test_each_service_gets_the_form_it_reads(failed: Failed) -> None:
    (card,) = failed.http.at("/teams")
    (alert,) = failed.http.at("/pagerduty")

    assert card["attachments"][0]["content"]["body"][0]["text"].startswith("DAG failing failed")
    assert (alert["routing_key"], alert["event_action"]) == ("key", "trigger")
    assert alert["payload"]["summary"].startswith("DAG failing failed")


def test_a_mail_has_the_message_of_the_configuration(failed: Failed) -> None:
    mail, of_notifier = failed.smtp.mails

    assert mail["To"] == "on-call@example.com"
    assert mail["Subject"] == f"price: {REASON} <failing>"
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    text = part.get_payload(decode=True)
    assert text == f"<pre>price: {REASON} &lt;failing&gt;</pre>".encode()
    assert of_notifier["Subject"] == f"From a notifier: {REASON}"


def test_a_task_is_reported_with_what_it_has_and_the_old_words_still_work(failed: Failed) -> None:
    again, told = failed.http.at("/plain")
    (old,) = failed.http.at("/old/T0/B0/secret")

    assert told["task_id"] == "price"
    assert told["failed_tasks"] == ["price"]
    assert told["reason"] == REASON
    assert (again["event"], told["event"]) == ("retry", "failure")
    assert again["text"].startswith(
        f"Task price of DAG failing failed and will be tried again: {REASON}"
    )
    assert told["log_url"].startswith(sandbox_of(failed.project).host)
    assert "Basic bWU6bWluZQ==" in failed.http.users
    assert old == {"text": "price of failing failed"}


def test_a_message_that_cannot_be_sent_is_in_the_log_without_the_address(failed: Failed) -> None:
    folder = failed.project.path / ".airflow-sandbox"
    logs = "\n".join(
        file.read_text(errors="replace") for file in folder.rglob("*.log") if file.is_file()
    )

    assert len(failed.http.at("/500")) == 1
    assert "The message about failure was not sent with webhook. RuntimeError" in logs
    assert "The server answered 500." in logs
    assert "MissingNotifier. ModuleNotFoundError: No module named 'airflow.providers.miss" in logs
    assert "was not sent with slack. AirflowNotFoundException" in logs
    assert "T0/B0/secret" not in logs


def test_a_run_that_was_stopped_is_reported_once_to_each_with_its_longest_time(
    failed: Failed,
) -> None:
    told, message = failed.http.at("/late")

    reason = "the run took longer than 0:00:05"
    assert (told["event"], told["dag_id"], told["reason"]) == ("deadline", "late", reason)
    assert message["text"].startswith(f"DAG late failed: {reason}\nRun: ")


def test_with_fail_fast_a_failed_task_stops_the_others_but_not_the_tasks_that_clean_up(
    failed: Failed,
) -> None:
    rest = Rest(sandbox_of(failed.project))
    ((run_id, state),) = rest.states("together").items()

    assert state == "failed"
    states = rest.task_states("together", run_id)
    # With Airflow 2.11, the sandbox runs one task at a time.
    at_once = not rest.sandbox.state.version.startswith("2.")
    assert (states.pop("go_on") == "failed") is at_once
    assert states == {
        "create_volume": "success",
        "fail": "failed",
        "after": "skipped",
        "fail_run": "failed",
        "delete_volume": "success",
    }
    (message,) = failed.http.at("/stopped")
    title, _, tasks, log = message["text"].splitlines()
    assert title.startswith("DAG together failed: ValueError: stop (node fail, src/")
    assert tasks == ("Failed tasks: fail, go_on" if at_once else "Failed tasks: fail")
    assert re.search(r"\bfail\b", log)
