"""`pipelines` in airflow-k8s.yaml, and the commands that work on all pipelines."""

from __future__ import annotations

import ast
import socket
from pathlib import Path

import pytest

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.settings import check_settings
from kedro_airflow_k8s.config.model import RunConfig
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)

CONFIG = """
run_config:
    image: example.com/shop:1
    cron_expression: "@daily"
    volume: {disabled: true}
pipelines:
    sales:
        cron_expression: 0 6 * * 1
        image: example.com/sales:1
        env_vars: {TEAM: markets}
    stock:
        enabled: false
"""


@pytest.fixture(autouse=True)
def _configured(project: ProjectFolder) -> None:
    project.config(CONFIG)


def schedule_of(source: str) -> str | None:
    """The schedule in the text of a DAG."""
    (found,) = (
        keyword.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DAG"
        for keyword in node.keywords
        if keyword.arg == "schedule"
    )
    value: str | None = ast.literal_eval(found)
    return value


def test_each_pipeline_has_its_own_settings_in_its_dag(project: ProjectFolder) -> None:
    assert project.compile("--all", "--no-checks").exit_code == 0
    dags = project.dags()
    assert sorted(dags) == ["shop.py", "shop.sales.py"]
    assert schedule_of(dags["shop.py"]) == "@daily"
    assert schedule_of(dags["shop.sales.py"]) == "0 6 * * 1"
    assert "example.com/sales:1" in dags["shop.sales.py"]
    assert "'TEAM'" in dags["shop.sales.py"].replace('"', "'")
    assert "TEAM" not in dags["shop.py"]


def test_a_disabled_pipeline_is_compiled_by_its_name(project: ProjectFolder) -> None:
    assert project.compile("-p", "stock", "--no-checks").exit_code == 0
    assert list(project.dags()) == ["shop.stock.py"]


def test_where_all_are_disabled_the_message_names_the_key(project: ProjectFolder) -> None:
    disabled = "".join(
        f"  {name}: {{enabled: false}}\n" for name in ("__default__", "sales", "stock")
    )
    project.config(f"run_config: {{image: 'a:1'}}\npipelines:\n{disabled}")
    refused(project.compile("--all"), "All pipelines are disabled.", "enabled: false")


def test_the_image_of_the_command_is_that_of_all(project: ProjectFolder) -> None:
    assert project.compile("--all", "--no-checks", "--image", "example.com/new:2").exit_code == 0
    for source in project.dags().values():
        assert "example.com/new:2" in source
        assert "example.com/sales:1" not in source


def test_a_pipeline_that_does_not_exist_is_a_finding(project: ProjectFolder) -> None:
    project.config(CONFIG + "    sale: {cron_expression: '@weekly'}\n")
    result = project.kedro("airflow-k8s", "validate")
    assert "[unknown-pipeline] pipelines.sale" in result.stdout
    assert "Did you mean 'sales'?" in result.stdout


def test_pipelines_with_the_same_settings_are_checked_together(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = "  sales: {enabled: true}\n  stock: {startup_time: 600, cron_expression: '@daily'}\n"
    project.config(f"{CONFIG.partition('pipelines:')[0]}pipelines:\n{settings}")
    checked: list[RunConfig] = []

    def counted(run: RunConfig) -> list[Finding]:
        checked.append(run)
        return check_settings(run)

    monkeypatch.setattr("kedro_airflow_k8s.checks.validate.check_settings", counted)
    project.kedro("airflow-k8s", "validate", "--all")
    assert len(checked) == 1


def test_upload_of_all_writes_each_and_shows_a_table(
    project: ProjectFolder, tmp_path: Path
) -> None:
    result = project.kedro(
        "airflow-k8s", "upload-pipeline", "--all", "--no-checks", "-o", str(tmp_path / "out")
    )
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "shop.py",
        "shop.sales.py",
    ]
    rows = [line.split()[:2] for line in result.stdout.splitlines() if line.startswith("shop")]
    assert rows == [["shop", "@daily"], ["shop.sales", "0"]]


@pytest.mark.parametrize("command", ["upload-pipeline", "schedule"])
def test_where_one_file_fails_the_others_are_done_and_the_exit_code_is_1(
    project: ProjectFolder, tmp_path: Path, command: str
) -> None:
    # The first of the two.
    (tmp_path / "out" / "shop.py").mkdir(parents=True)
    result = project.kedro(
        "airflow-k8s", command, "--all", "--no-checks", "-o", str(tmp_path / "out")
    )
    refused(result, "1 of 2 DAGs could not be deployed.", "DAG shop: ")
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("shop")]
    assert [(row[0], row[-1] == "failed") for row in rows] == [
        ("shop", True),
        ("shop.sales", False),
    ]
    assert [file.name for file in (tmp_path / "out").glob("*") if file.is_file()] == [
        "shop.sales.py"
    ]


def test_schedule_of_all_leaves_out_what_has_no_schedule(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.config(CONFIG + "    __default__: {cron_expression: null}\n")
    result = project.kedro(
        "airflow-k8s", "schedule", "--all", "--no-checks", "-o", str(tmp_path / "out")
    )
    assert result.exit_code == 0, result.output
    assert "DAG shop has no schedule, so it was left out." in result.stdout
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["shop.sales.py"]
    assert "Next run" in result.stdout


@pytest.mark.parametrize("options", [[], ["--wait", "1"]])
def test_schedule_of_all_asks_an_airflow_that_does_not_answer_once(
    project: ProjectFolder, tmp_path: Path, options: list[str]
) -> None:
    # No server is on a port that was free a moment ago.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    project.config(f"host: http://127.0.0.1:{port}\nairflow_auth: none\n{CONFIG}")
    out = tmp_path / "out"
    result = project.kedro(
        "airflow-k8s", "schedule", "--all", "--no-checks", "-o", str(out), *options
    )
    if options:
        refused(result, "refused")
        assert not out.exists()
    else:
        assert result.exit_code == 0, result.output
        assert result.stdout.count("Airflow could not be asked.") == 1
        assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize("option", [["-c", "@daily"], ["-d", "mine"]])
def test_schedule_of_all_takes_no_single_schedule_or_name(
    project: ProjectFolder, option: list[str]
) -> None:
    result = project.kedro("airflow-k8s", "schedule", "--all", "-o", "out", *option)
    refused(result, "--all cannot be combined with", code=2)


def test_show_config_names_the_line_of_each_value(project: ProjectFolder) -> None:
    project.config("run_config: {env_vars: {TEAM: finance}}", env="prod")
    result = project.kedro("airflow-k8s", "-e", "prod", "show-config", "-p", "sales")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "image: example.com/sales:1 # conf/base/airflow-k8s.yaml:9" in lines
    assert "cron_expression: 0 6 * * 1 # conf/base/airflow-k8s.yaml:8" in lines
    assert "startup_time: 600 # default" in lines
    assert "TEAM: markets # conf/base/airflow-k8s.yaml:10" in lines


def test_show_config_of_a_node_has_its_resources_only(project: ProjectFolder) -> None:
    project.config("run_config: {image: 'a:1', resources: {__default__: {}, other: {}}}")
    result = project.kedro("airflow-k8s", "show-config", "--node", "total")
    assert "__default__" in result.stdout
    assert "other" not in result.stdout
    refused(
        project.kedro("airflow-k8s", "show-config", "--node", "totl"),
        "The pipeline has no node 'totl'. Did you mean 'total'?",
    )


def warned(project: ProjectFolder, *arguments: str) -> str:
    """What `validate` says of schedules; empty if nothing."""
    lines = project.kedro("airflow-k8s", "validate", *arguments).stdout.splitlines()
    return "\n".join(line for line in lines if "scheduled-twice" in line)


def test_a_pipeline_that_repeats_another_schedule_is_a_warning_of_validate(
    project: ProjectFolder,
) -> None:
    for arguments in ([], ["--all"], ["-p", "sales"]):
        found = warned(project, *arguments)
        assert found.startswith("warning [scheduled-twice] pipeline '__default__': ")
        assert "'sales'" in found
        assert "'stock'" not in found


@pytest.mark.parametrize(
    "changes",
    [
        {"__default__": "{enabled: false}"},
        {"__default__": "{cron_expression: null}"},
        {"sales": "{cron_expression: '@once'}"},
        {"sales": "{enabled: false}"},
    ],
    ids=str,
)
@pytest.mark.parametrize("arguments", [[], ["--all"]], ids=" ".join)
def test_what_is_scheduled_once_has_no_warning(
    project: ProjectFolder, changes: dict[str, str], arguments: list[str]
) -> None:
    settings = {"sales": "{cron_expression: '@weekly'}", "stock": "{enabled: false}"} | changes
    lines = "".join(f"    {name}: {own}\n" for name, own in settings.items())
    project.config(f"{CONFIG.partition('pipelines:')[0]}pipelines:\n{lines}")
    assert warned(project, *arguments) == ""


def test_a_schedule_of_all_pipelines_is_doubtful_only_where_all_are_deployed(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.config(CONFIG.partition("pipelines:")[0])
    assert warned(project) == ""
    assert "'sales', 'stock'" in warned(project, "--all")
    for command in (["schedule"], ["schedule", "-c", "@weekly"], ["upload-pipeline"]):
        one = project.kedro("airflow-k8s", *command, "-o", str(tmp_path / "out"))
        assert "warning" not in one.stderr, one.stderr
    every = project.kedro("airflow-k8s", "schedule", "--all", "-o", str(tmp_path / "out"))
    assert "warning" in every.stderr
    assert "`kedro airflow-k8s validate --all` shows" in every.stderr


def test_an_accepted_double_schedule_is_used_though_one_pipeline_does_not_show_it(
    project: ProjectFolder,
) -> None:
    accept = "checks: {accept: [{code: scheduled-twice, name: __default__, reason: It is fine.}]}\n"
    project.config(CONFIG.partition("pipelines:")[0] + accept)
    for arguments in ([], ["--all"]):
        result = project.kedro("airflow-k8s", "validate", *arguments)
        assert "scheduled-twice" not in result.stdout
        assert "unused-accept" not in result.stdout
    project.config(CONFIG.partition("cron_expression")[0] + "\n" + accept)
    assert "unused-accept" in project.kedro("airflow-k8s", "validate", "--all").stdout


def test_schedule_of_all_without_any_schedule_fails(project: ProjectFolder, tmp_path: Path) -> None:
    project.config("run_config: {image: 'a:1', volume: {disabled: true}}")
    result = project.kedro(
        "airflow-k8s", "schedule", "--all", "--no-checks", "-o", str(tmp_path / "out")
    )
    refused(result, "No pipeline has a schedule.", "cron_expression")
    assert not (tmp_path / "out").exists()


CI = ("airflow-k8s", "init", "--with-github-actions")


def test_init_for_ci_disables_the_pipelines_that_the_default_one_contains(
    project: ProjectFolder,
) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    result = project.kedro(*CI)
    assert result.exit_code == 0, result.output
    assert "which contains their nodes" not in result.stdout
    assert project.compile("--all", "--no-checks").exit_code == 0
    assert list(project.dags()) == ["shop.py"]
    # What the jobs run.
    assert warned(project, "--all") == ""


@pytest.mark.parametrize(
    ("pipelines", "told"),
    [
        ("", "set `enabled: false` for 'sales', 'stock', or for __default__"),
        ("    stock: {enabled: false}\n", "set `enabled: false` for 'sales', or for __default__"),
        ("    __default__: {enabled: false}\n", ""),
        ("    sales: {enabled: false}\n    stock: {enabled: false}\n", ""),
    ],
    ids=["none", "stock", "default", "others"],
)
def test_init_for_ci_names_the_pipelines_that_a_configuration_deploys_twice(
    project: ProjectFolder, pipelines: str, told: str
) -> None:
    section = f"pipelines:\n{pipelines}" if pipelines else ""
    project.config(CONFIG.partition("pipelines:")[0] + section)
    result = project.kedro(*CI)
    assert result.exit_code == 0, result.output
    assert told in result.stdout
    assert ("which contains their nodes" in result.stdout) == bool(told)


def test_init_without_ci_disables_no_pipeline(project: ProjectFolder) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    assert project.kedro("airflow-k8s", "init").exit_code == 0
    assert project.compile("--all", "--no-checks").exit_code == 0
    assert sorted(project.dags()) == ["shop.py", "shop.sales.py", "shop.stock.py"]
