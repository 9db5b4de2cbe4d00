"""Runs for dates that have passed: the same words and dates on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import (
    Rest,
    call,
    command,
    options,
    sandbox_of,
    start_with,
)
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder, make_project

CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
  volume: {disabled: true}
  start_date: "20250101"
  cron_expression: "0 6 * * *"
  date_param: run_date
"""
DAYS = """
import json
import time
from pathlib import Path
from kedro.pipeline import Pipeline, node

RESULTS = Path("FOLDER")

def note(run_date, tokenizer):
    begin = time.time()
    if run_date == "2026-01-13" and not (RESULTS / "fixed").exists():
        (RESULTS / "log").open("a").write(json.dumps([run_date, tokenizer, begin, begin]) + "\\n")
        raise ValueError("no orders on a 13th")
    time.sleep(0.5)
    (RESULTS / "log").open("a").write(json.dumps([run_date, tokenizer, begin, time.time()]) + "\\n")

def create_pipeline():
    return Pipeline([node(note, ["params:run_date", "params:tokenizer"], None, name="note")])
"""
RANGE = ("--from", "2026-01-01", "--to", "2026-01-31")
JANUARY = {f"2026-01-{day:02}" for day in range(1, 32)}
AT_ONCE = 3


@dataclass
class Lab:
    """A project whose pipeline notes the date that it runs for, with its DAG in a sandbox."""

    project: ProjectFolder
    rest: Rest
    results: Path
    scheduled: str = ""
    fixed: tuple[str, ...] = ("-p", "days", "--sandbox", "--dag-name", "days")

    def call(self, *arguments: str) -> tuple[int, str]:
        """Call a command about the DAG; its exit code and output."""
        done = call(self.project, arguments[0], *self.fixed, *arguments[1:])
        return done.returncode, done.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start such a command."""
        return subprocess.Popen(
            command(arguments[0], *self.fixed, *arguments[1:]), **options(self.project)
        )

    def noted(self) -> list[tuple[str, str, float, float]]:
        """What runs have noted: the date, `tokenizer`, begin and end.

        Airflow 3 hides values with such names in what it stores for others.
        """
        log = self.results / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def forget(self) -> None:
        (self.results / "log").unlink(missing_ok=True)


@pytest.fixture(name="lab", scope="module", params=AIRFLOW_PYTHONS)
def _lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("backfill")
    results = folder / "results"
    results.mkdir()
    project = make_project(folder / "project")
    project.pipeline("days", DAYS.replace("FOLDER", str(results)))
    project.write("conf/base/parameters.yml", "run_date: none\ntokenizer: none\n")
    project.config(CONFIG)
    try:
        up = start_with(project, python=request.param)
        assert up.returncode == 0, up.stdout
        lab = Lab(project, Rest(sandbox_of(project)), results)
        code, output = lab.call("schedule", "--unpause", "--wait", "10")
        assert code == 0, output
        # A DAG that is new has a run at once, for the last moment of the schedule.
        wait_for(lambda: [*lab.rest.states("days").values()] == ["success"])
        lab.scheduled = lab.noted()[0][0]
        yield lab
    finally:
        stop_sandbox(project.path, print)


def test_the_runs_of_the_schedule_and_those_by_hand_have_a_date(lab: Lab) -> None:
    lab.forget()
    for more in (["--logical-date", "2026-02-03"], [], ["--params", "run_date=2000-01-01"]):
        code, output = lab.call("trigger", "-w", "10", *more)
        assert code == 0, output

    dates = [date for date, *_ in lab.noted()]
    assert lab.scheduled == (datetime.now(timezone.utc) - timedelta(hours=6)).strftime("%Y-%m-%d")
    assert dates[0] == "2026-02-03"
    assert dates[2] == "2000-01-01"
    assert timedelta() <= datetime.now(timezone.utc) - day(dates[1]) < timedelta(days=2)


def day(text: str) -> datetime:
    return datetime.strptime(f"{text}+0000", "%Y-%m-%d%z")


def test_a_backfill_that_is_killed_is_followed_and_its_failed_day_runs_again(lab: Lab) -> None:
    lab.forget()
    code, output = lab.call("backfill", *RANGE, "--dry-run")
    assert code == 0, output
    assert "31 moments of the schedule: 31 new runs, 0 again, 0 left as they are" in output
    assert "2026-01-31 06:00 UTC" in output

    with lab.begin("backfill", *RANGE, "--params", "tokenizer=x", "--follow") as begun:
        wait_for(lambda: len(lab.noted()) >= 5)
        begun.kill()
    assert len(lab.noted()) < 31
    code, output = lab.call("backfill", "--follow")

    assert code == 1, output
    assert "Backfill of DAG days: 30 of 31 runs succeeded, 1 failed." in output
    assert "note: ValueError: no orders on a 13th" in output
    assert "1 of 31 runs of the backfill did not succeed: 2026-01-13 06:00 UTC." in output
    noted = lab.noted()
    assert Counter(date for date, *_ in noted) == Counter(JANUARY)
    assert {value for _, value, *_ in noted} == {"x"}
    starts = [(begin, end) for _, _, begin, end in noted]
    assert max(sum(b <= begin < e for b, e in starts) for begin, _ in starts) <= AT_ONCE
    code, output = lab.call("backfill", "--follow")
    assert "has no unfinished backfill" in output or "31 runs" in output

    (lab.results / "fixed").touch()
    lab.forget()
    again = ("--reprocess", "failed")
    code, output = lab.call("backfill", *RANGE, *again, "--dry-run")
    assert "0 new runs, 1 again, 30 left as they are (30 success)" in output, output
    code, output = lab.call("backfill", *RANGE, *again, "--follow")

    assert code == 0, output
    assert "Backfill of DAG days: 31 of 31 runs succeeded." in output
    assert [date for date, *_ in lab.noted()] == ["2026-01-13"]
    code, output = lab.call("backfill", *RANGE, "--follow")
    assert code == 0, output
    assert "0 new runs, 0 again, 31 left as they are" in output
    assert len(lab.noted()) == 1


def test_a_backfill_that_is_cancelled_starts_no_further_run(lab: Lab) -> None:
    lab.forget()
    with lab.begin("backfill", "--from", "2026-03-01", "--to", "2026-03-31", "--follow") as begun:
        wait_for(lambda: len(lab.noted()) >= 1)
        code, output = lab.call("backfill", "--cancel")
        assert code == 0, output
        assert "is cancelled" in output
        said, _ = begun.communicate()
    assert begun.returncode == 1, said
    assert len(lab.noted()) < 31
    assert not any(state in ("queued", "running") for state in lab.rest.states("days").values())
    code, output = lab.call("backfill", "--cancel")
    assert code == 1
    assert "has no unfinished backfill" in output
