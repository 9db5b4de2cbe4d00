"""The commands that talk to Airflow, as far as no Airflow is needed: options and messages."""

from __future__ import annotations

import re

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)

COMMANDS = (
    ["run-once"],
    ["schedule", "-c", "@daily", "-w", "1"],
    ["trigger"],
    ["list-pipelines"],
    ["status"],
    ["logs"],
    ["cancel"],
    ["pause"],
    ["unpause"],
    ["delete", "--output", "dags-of-airflow"],
    ["ui"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_host_the_message_names_the_key_and_the_sandbox(
    project: ProjectFolder, command: list[str]
) -> None:
    project.config("output: dags-of-airflow" + CONFIG)
    result = project.kedro("airflow-k8s", *command)
    refused(result, "Set host in airflow-k8s.yaml", "sandbox up")
    assert not (project.path / "dags-of-airflow").exists()


@pytest.mark.parametrize("command", COMMANDS[:2], ids=" ".join)
def test_without_an_output_the_message_names_the_key_and_the_option(
    project: ProjectFolder, command: list[str]
) -> None:
    project.config("host: https://airflow.example.com" + CONFIG)
    refused(project.kedro("airflow-k8s", *command), "Set output in airflow-k8s.yaml", "--output")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("way", ["option", "environment", "variable"])
def test_a_sandbox_that_does_not_run_is_said(
    project: ProjectFolder, command: list[str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"option": ["--sandbox"], "environment": ["-e", "sandbox"]}.get(way, [])
    if way == "variable":
        monkeypatch.setenv("KEDRO_ENV", "sandbox")
    refused(
        project.kedro("airflow-k8s", *command, *arguments),
        "The sandbox is not running. Start it with `kedro airflow-k8s sandbox up`.",
    )


def test_the_sandbox_refuses_an_image_that_it_would_not_run(project: ProjectFolder) -> None:
    result = project.kedro("airflow-k8s", "sandbox", "run", "--image", "shop:2.0")
    refused(result, "The sandbox cannot run the image 'shop:2.0'.", "Omit --image")


def test_an_environment_sandbox_of_the_project_is_read(project: ProjectFolder) -> None:
    project.config("run_config: {imag: x}", env="sandbox")
    refused(project.kedro("airflow-k8s", "-e", "sandbox", "compile"), "run_config.imag")


def test_where_no_sandbox_runs_status_fails_and_down_has_nothing_to_do(
    project: ProjectFolder,
) -> None:
    refused(project.kedro("airflow-k8s", "sandbox", "status"), "The sandbox is not running.")
    result = project.kedro("airflow-k8s", "sandbox", "down")
    assert result.exit_code == 0
    assert "The sandbox is not running" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_unknown_pipeline_is_refused_with_the_nearest_name(
    project: ProjectFolder, command: list[str]
) -> None:
    project.config("host: https://airflow.example.com\noutput: out" + CONFIG)
    result = project.kedro("airflow-k8s", *command, "-p", "__defaul__")
    refused(result, "There is no pipeline '__defaul__'. Did you mean '__default__'?")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-c", "0 0 6 * * *"],
            "--cron-expression '0 0 6 * * *' is invalid. It must have five fie",
        ),
        (["-c", "@daily", "-d", "a b"], "--dag-name 'a b' is invalid. It must consist of "),
    ],
)
def test_an_error_in_an_option_begins_with_its_name(
    project: ProjectFolder, options: list[str], message: str
) -> None:
    result = project.kedro("airflow-k8s", "schedule", "-o", "out", *options)
    assert refused(result).startswith(f"Error: {message}")
    assert not (project.path / "out").exists()


def test_a_pipeline_without_a_schedule_cannot_be_scheduled(project: ProjectFolder) -> None:
    result = project.kedro("airflow-k8s", "schedule", "-o", str(project.path / "out"))
    refused(result, "DAG shop has no schedule", "--cron-expression", "run_config.cron_expression")
    assert not (project.path / "out").exists()


def test_schedule_uploads_and_tells_the_next_three_times(project: ProjectFolder) -> None:
    project.config(CONFIG + "    cron_expression: '@daily'\n    timezone: Europe/Warsaw\n")
    out = project.path / "out"

    result = project.kedro("airflow-k8s", "schedule", "-o", str(out), "-c", "30 6 * * 1-5")

    assert result.exit_code == 0, result.output
    assert 'schedule="30 6 * * 1-5"' in (out / "shop.py").read_text()
    lines = result.stdout.splitlines()
    assert lines[-3] == "Schedule: 30 6 * * 1-5, time zone Europe/Warsaw"
    assert lines[-2].startswith("Uploaded DAG shop to ")
    time = r"\d{4}-\d\d-\d\d 06:30 CES?T"
    # Without a host, no one knows whether it is paused.
    assert re.fullmatch(
        f"Next run, unless the DAG is new or paused in Airflow: {time}, then {time} and {time}",
        lines[-1],
    )


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("@continuous", "again and again, each run when the one before has ended"),
        ("@once", "once, as soon as the DAG is not paused"),
    ],
)
def test_schedules_without_times_are_reported_in_words(
    project: ProjectFolder, cron: str, words: str
) -> None:
    out = str(project.path / "out")
    result = project.kedro("airflow-k8s", "schedule", "-o", out, "-c", cron)
    assert result.exit_code == 0, result.output
    assert words in result.stdout


@pytest.mark.parametrize("params", ["depth", "=5", "a..b=1"])
def test_a_parameter_that_is_none_is_refused(project: ProjectFolder, params: str) -> None:
    result = project.kedro("airflow-k8s", "run-once", "-o", "out", "--params", params)
    refused(result, params)
    assert not (project.path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [["run-once", "-o", "out", "--no-schedule"], ["sandbox", "run", "--secrets", "x.yaml"]],
    ids=" ".join,
)
def test_a_parameter_that_the_project_does_not_have_is_reported_with_the_nearest(
    project: ProjectFolder, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path)
    project.write("x.yaml", "kind: ConfigMap\n")
    project.write("conf/base/parameters.yml", "model: {depth: 3}\n")
    result = project.kedro("airflow-k8s", *command, "--params", "model.dept=5")
    assert result.exit_code == 1
    assert "Warning: [unknown-parameter] --params model.dept" in result.stderr
    assert "Did you mean 'model.depth'?" in result.stderr


def test_a_dag_name_that_airflow_cannot_have_is_refused(project: ProjectFolder) -> None:
    result = project.kedro("airflow-k8s", "schedule", "-o", "out", "-c", "@daily", "-d", "a b")
    refused(result, "a b")


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "nan"])
def test_a_wait_is_some_minutes(project: ProjectFolder, minutes: str) -> None:
    refused(project.kedro("airflow-k8s", "run-once", "-w", minutes), minutes, code=2)


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "2026-01-01T25:00"])
def test_a_logical_date_that_is_none_is_refused(project: ProjectFolder, date: str) -> None:
    result = project.kedro("airflow-k8s", "run-once", "-o", "out", "--logical-date", date)
    refused(result, date, "2026-01-31T06:00:00+01:00", code=2)


@pytest.mark.parametrize(
    "date",
    ["2026-01-31", "2026-01-31T06:00", "2026-01-31 06:00:00.123456+01:00", "2026-01-31T06:00:00Z"],
)
def test_logical_dates_are_taken_as_airflow_shows_them(project: ProjectFolder, date: str) -> None:
    result = project.kedro("airflow-k8s", "run-once", "-o", "out", "--logical-date", date)
    refused(result, "Set host in airflow-k8s.yaml")


def test_the_environment_sandbox_needs_no_folder(project: ProjectFolder) -> None:
    assert project.kedro("airflow-k8s", "compile", "-e", "sandbox").exit_code == 0
    assert list(project.dags()) == ["shop.py"]


def test_a_dag_name_that_would_be_an_option_is_refused(project: ProjectFolder) -> None:
    result = project.kedro("airflow-k8s", "schedule", "-o", "out", "-c", "@daily", "-d", "-x")
    refused(result, "-x")


def test_an_airflow_that_is_not_there_is_said_before_anything_is_uploaded(
    project: ProjectFolder,
) -> None:
    project.config("host: http://127.0.0.1:9" + CONFIG)
    result = project.kedro("airflow-k8s", "run-once", "-o", str(project.path / "out"))
    refused(result, "http://127.0.0.1:9")
    assert not (project.path / "out").exists()


def test_a_page_of_usage_that_cannot_be_written_is_refused_before_airflow_is_asked(
    project: ProjectFolder,
) -> None:
    project.config("host: https://airflow.example.com" + CONFIG)
    result = project.kedro("airflow-k8s", "usage", "--html", "reports/usage.html")
    refused(result, "Cannot write to reports/usage.html: the folder reports does not exist.")

    result = project.kedro("airflow-k8s", "usage", "--run-id", "monday")
    assert result.exit_code == 2
    assert "--run-id is for the chart of --html: give both." in result.stderr
