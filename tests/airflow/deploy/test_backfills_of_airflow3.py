"""A backfill by Airflow 3's own API, on a real server."""

from __future__ import annotations

import io
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.deploy.backfill import Backfills
from kedro_airflow_k8s.deploy.backfill_plan import BackfillOptions
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.sandbox.up import find_sandbox
from kedro_airflow_k8s.terminal.progress import Clock, Progress
from kedro_airflow_k8s.upload.local import write_local
from tests.support.airflow_servers import AirflowServer, running_airflow
from tests.support.waiting import WAIT_SECONDS

DAG = """
import json
from datetime import datetime, timezone
from pathlib import Path
from airflow.providers.common.compat.sdk import DAG, BaseOperator

RESULTS = Path({results!r})


class Note(BaseOperator):
    def execute(self, context):
        run = context["dag_run"]
        date = run.logical_date.strftime("%Y-%m-%d")
        with (RESULTS / "log").open("a") as log:
            log.write(json.dumps([date, run.conf.get("kedro_params")]) + "\\n")
        if date == "2026-01-13" and not (RESULTS / "fixed").exists():
            raise ValueError("no orders on a 13th")


with DAG(
    "days",
    schedule="0 6 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    is_paused_upon_creation=False,
    tags=["generated_with_kedro_airflow_k8s:1.0.0"],
) as dag:
    Note(task_id="note")
"""
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
JANUARY = {f"2026-01-{day:02}" for day in range(1, 32)}


@pytest.fixture(name="server", scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    with running_airflow(Path(sys.executable), tmp_path_factory.mktemp("airflow") / "shop") as it:
        yield it


@contextmanager
def resting_scheduler(server: AirflowServer) -> Iterator[None]:
    """Lets the scheduler write nothing: Airflow 3 cannot create backfills beside it on SQLite."""
    sandbox = find_sandbox(server.project)
    assert sandbox is not None
    (pid,) = [service.pid for service in sandbox.services if service.name == "scheduler"]
    psutil.Process(pid).suspend()
    try:
        yield
    finally:
        psutil.Process(pid).resume()


def until(condition: Any) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # between two looks at the server, not for the test to pass


def backfills(
    client: AirflowClient, clock: Clock | None = None, **options: Any
) -> tuple[Backfills, io.StringIO]:
    written = io.StringIO()
    progress = Progress(Console(file=written, width=200), clock)
    return Backfills(client, "days", "UTC", BackfillOptions(**options), progress), written


def test_a_failed_day_of_a_month_runs_again_and_an_interrupted_command_is_followed(
    server: AirflowServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    write_local(DAG.format(results=str(tmp_path)).encode(), server.dags, "days.py")
    client = server.client()
    client.request_parsing("days")
    until(lambda: client.find_dag("days") is not None and client.newest_runs("days"))

    def noted() -> list[Any]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    until(lambda: noted() and all(run.state.ended for run in client.newest_runs("days")))
    log.unlink()
    started, written = backfills(client, conf={"kedro_params": {"x": 1}}, max_active=4)
    with resting_scheduler(server):
        started.start(FIRST, LAST)
    assert "31 moments of the schedule: 31 new runs, 0 again" in written.getvalue()
    with pytest.raises(RunError, match="has an unfinished backfill, 2026-01-01 to 2026-01-31"):
        backfills(client)[0].start(FIRST, date(2026, 2, 3))

    def interrupt(seconds: float) -> None:
        time.sleep(seconds)
        if len(noted()) >= 5:
            raise KeyboardInterrupt

    followed, written = backfills(client, Clock(sleep=interrupt), follow=True)
    with pytest.raises(KeyboardInterrupt):
        followed.follow()
    assert "Interrupted. It goes on in Airflow." in written.getvalue()
    followed, written = backfills(client, follow=True)
    with pytest.raises(RunError, match=r"1 of 31 runs of the backfill did not succeed: 2026-01-13"):
        followed.follow()

    assert "30 of 31 runs succeeded, 1 failed." in written.getvalue()
    assert Counter(day for day, _ in noted()) == Counter(JANUARY)
    assert all(params == {"x": 1} for _, params in noted())
    # Airflow looks every 30 seconds for backfills that have ended.
    until(lambda: client.unfinished_backfill("days") is None)
    (tmp_path / "fixed").touch()
    log.unlink()
    again, written = backfills(client, reprocess="failed")
    with resting_scheduler(server):
        again.start(FIRST, LAST)
    assert "0 new runs, 1 again, 30 left as they are (30 success)" in written.getvalue()
    followed, written = backfills(client, follow=True)
    followed.follow()

    assert "Backfill of DAG days: 31 of 31 runs succeeded." in written.getvalue()
    assert noted() == [["2026-01-13", {"x": 1}]]

    until(lambda: client.unfinished_backfill("days") is None)

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"follow": True, "cancel_on_interrupt": True}
    cancelled, written = backfills(client, Clock(sleep=stop), max_active=1, **options)
    with resting_scheduler(server), pytest.raises(KeyboardInterrupt):
        cancelled.start(date(2026, 3, 1), date(2026, 3, 31))
    assert "is cancelled" in written.getvalue()
    assert client.unfinished_backfill("days") is None
    until(lambda: all(run.state.ended for run in client.newest_runs("days")))
