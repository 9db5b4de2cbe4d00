"""`kedro airflow-k8s diff` as a person or a pipeline of CI meets it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock
from uuid import uuid4

import pytest
from click.testing import Result

from tests.support.kedro_projects import (
    CONFIG,
    SALES,
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.storage_servers import S3, free_port, s3_server  # noqa: F401 - fixture


@pytest.fixture(name="out")
def _out(project: ProjectFolder) -> Path:
    """A folder that has the DAG as it is now."""
    out = project.path / "out"
    result = project.kedro("airflow-k8s", "upload-pipeline", "-o", str(out))
    assert result.exit_code == 0, result.output
    return out


def diff(project: ProjectFolder, out: Path | str, *arguments: str) -> Result:
    return project.kedro("airflow-k8s", "diff", "-o", str(out), *arguments)


def files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_after_an_upload_there_is_no_difference_and_the_exit_code_is_0(
    project: ProjectFolder, out: Path
) -> None:
    result = diff(project, out)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"DAG shop: no difference to {out / 'shop.py'}" in result.stderr


def test_a_difference_is_a_line_for_each_change_then_a_diff_and_the_exit_code_is_1(
    project: ProjectFolder, out: Path
) -> None:
    before = files(project.path)
    project.pipeline("sales", SALES.replace('name="total"', 'name="sum"'))
    result = diff(project, out, "--image", "x:2")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    blank = lines.index("")
    assert lines[:blank] == [
        f"DAG shop would change in {out / 'shop.py'}.",
        "Tasks:",
        "  - total",
        "  + sum",
        "Settings:",
        "  ~ default_args.image: 'registry.example.com/shop:1.0' -> 'x:2'",
    ]
    assert lines[blank + 1 : blank + 3] == [f"--- {out / 'shop.py'}", "+++ new"]
    starts = [line.partition(",")[0].rstrip(")") for line in lines]
    assert '-    total = kedro_task("total"' in starts
    assert '+    task_sum = kedro_task("sum"' in starts
    assert "\x1b" not in result.stdout
    after = files(project.path)
    assert {path for path in after if after[path] != before.get(path)} == {
        project.path / "src/shop/pipelines/sales/__init__.py"
    }, "diff writes nothing"


def test_the_lines_are_those_that_the_upload_then_changes(
    project: ProjectFolder, out: Path
) -> None:
    project.config(CONFIG + "    cron_expression: '@daily'\n")
    shown = diff(project, out, "-e", "local", "-p", "__default__").stdout
    old = (out / "shop.py").read_text().splitlines()
    assert project.kedro("airflow-k8s", "upload-pipeline", "-o", str(out)).exit_code == 0
    new = (out / "shop.py").read_text().splitlines()
    lines = shown[shown.index("+++ new") :].splitlines()[1:]
    assert [line[1:] for line in lines if line[0] == "-"] == [x for x in old if x not in new]
    assert [line[1:] for line in lines if line[0] == "+"] == [x for x in new if x not in old]
    assert diff(project, out).exit_code == 0


def test_a_dag_that_is_not_there_yet_is_a_difference(project: ProjectFolder) -> None:
    out = project.path / "nowhere"
    result = diff(project, out)
    assert result.exit_code == 1
    assert f"New DAG shop with 6 tasks: {out / 'shop.py'} is not there yet." in result.stdout
    assert "+++" not in result.stdout
    assert not out.exists()


def test_all_pipelines_are_compared_and_one_that_differs_is_enough(
    project: ProjectFolder, out: Path
) -> None:
    for name in ("sales", "stock"):
        project.kedro("airflow-k8s", "upload-pipeline", "-o", str(out), "-p", name)
    assert diff(project, out, "--all").exit_code == 0
    (out / "shop.stock.py").unlink()
    result = diff(project, out, "--all")
    assert result.exit_code == 1
    assert "New DAG shop.stock with 4 tasks" in result.stdout
    assert "shop.sales" not in result.stdout
    assert "DAG shop.sales: no difference" in result.stderr
    refused(diff(project, out, "--all", "-p", "sales"), "not both", code=2)


def test_the_pipeline_and_the_environment_are_those_of_an_upload(
    project: ProjectFolder, out: Path
) -> None:
    project.config("run_config: {description: Shown.}", env="prod")
    project.kedro("airflow-k8s", "upload-pipeline", "-o", str(out), "-p", "sales", "-e", "prod")
    assert diff(project, out, "-p", "sales", "-e", "prod").exit_code == 0
    found = diff(project, out, "-p", "sales", "-e", "local")
    assert "New DAG shop.sales" in found.stdout


def test_a_file_that_someone_else_put_there_is_compared_as_text(
    project: ProjectFolder, out: Path
) -> None:
    (out / "shop.py").write_text("print('mine')\n")
    result = diff(project, out)
    assert result.exit_code == 1
    assert "The file there is not a DAG: it has no `with DAG(...)`." in result.stdout
    assert "-print('mine')" in result.stdout
    (out / "shop.py").write_bytes(b"\x7fELF\0")
    result = diff(project, out)
    assert result.exit_code == 1
    assert "The file there is not a text file" in result.stdout
    assert "+++" not in result.stdout


# Trouble.


@pytest.mark.parametrize(
    ("config", "arguments", "words"),
    [
        (CONFIG, [], "Set output in airflow-k8s.yaml"),
        ("run_config: {imag: x}", ["-o", "out"], "run_config.imag"),
        ("output: out\nrun_config: {}", [], "--image"),
        (CONFIG, ["-o", "out", "-p", "sails"], "Did you mean 'sales'?"),
        (CONFIG, ["-o", "out", "-e", "nowhere"], "no configuration environment 'nowhere'"),
        (CONFIG, ["-o", "s3:bucket"], "Write s3://"),
        (CONFIG, ["-o", "pyproject.toml"], "it is a file"),
        (CONFIG, ["--sandbox"], "The sandbox is not running"),
        (CONFIG, ["--no-such-option"], "No such option"),
    ],
)
def test_what_keeps_it_from_an_answer_has_exit_code_2(
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(project.path)
    project.config(config)
    result = project.kedro("airflow-k8s", "diff", *arguments)
    refused(result, words, code=2)
    assert result.stdout == ""


def test_a_store_that_cannot_be_reached_has_exit_code_2(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-example-secret")
    text = refused(diff(project, "s3://bucket/dags"), "cannot be reached", code=2)
    assert "Cannot read s3://bucket/dags/shop.py" in text


def test_other_commands_still_fail_with_exit_code_1(project: ProjectFolder) -> None:
    project.config("run_config: {imag: x}")
    refused(project.kedro("airflow-k8s", "compile"), "run_config.imag", code=1)


def test_a_failure_that_click_found_has_exit_code_2_too(
    project: ProjectFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import click

    failure = click.ClickException("Something of Click's.")
    monkeypatch.setattr(click, "echo", mock.Mock(side_effect=failure))
    with mock.patch.object(click.ClickException, "show"):
        assert diff(project, out).exit_code == 2


def test_ctrl_c_is_not_an_answer(
    project: ProjectFolder, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kedro_airflow_k8s.upload.read_dag", mock.Mock(side_effect=KeyboardInterrupt)
    )
    assert diff(project, out).exit_code == 130


# A bucket, and a terminal.


def test_a_dag_in_a_bucket_is_compared(
    project: ProjectFolder,
    s3_server: S3,  # noqa: F811 - fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket = f"dags-{uuid4().hex}"
    s3_server.make_bucket(bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "an-example-secret")
    output = f"s3://{bucket}/dags"
    assert "New DAG shop with 6 tasks" in diff(project, output).stdout
    assert project.kedro("airflow-k8s", "upload-pipeline", "-o", output).exit_code == 0
    assert diff(project, output).exit_code == 0
    found = diff(project, output, "--image", "x:2")
    assert found.exit_code == 1
    assert f"--- {output}/shop.py" in found.stdout
    refused(diff(project, "s3://no-such-bucket/dags"), "does not exist", code=2)


def test_a_terminal_gets_colours_and_no_pager(project: ProjectFolder, out: Path) -> None:
    command = [sys.executable, "-m", "kedro", "airflow-k8s", "diff", "-o", str(out), "-i", "x:2"]
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    with _terminal() as (outer, inner):
        process = subprocess.Popen(
            command,
            cwd=project.path,
            env={**environment, "TERM": "xterm-256color"},
            stdout=inner,
            stderr=subprocess.DEVNULL,
        )
        os.close(inner)
        written = b""
        while chunk := _read(outer):
            written += chunk
        assert process.wait() == 1
    text = written.decode().replace("\r\n", "\n")
    assert '\x1b[32m+        "image": "x:2",\x1b[0m\n' in text
    assert re.search(r"\x1b\[33m  ~ default_args.image: \S+ -> 'x:2'\x1b\[0m\n", text)


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    outer, inner = pty.openpty()
    try:
        yield outer, inner
    finally:
        os.close(outer)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the other end is closed.
        return b""
