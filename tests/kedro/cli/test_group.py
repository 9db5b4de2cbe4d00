"""What all commands share: help, version, completion, hints, and the exit code of Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.cli import airflow_k8s
from kedro_airflow_k8s.cli._group import _ELSEWHERE
from tests.repository.test_repository import ROOT
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.waiting import WAIT_SECONDS


def test_the_first_sentence_of_every_command_is_whole(project: ProjectFolder) -> None:
    listed = project.kedro("airflow-k8s", "--help").stdout.partition("Commands:")[2]
    text = " ".join(listed.split())

    assert "..." not in text
    ctx = click.Context(airflow_k8s, **airflow_k8s.context_settings)
    for name in airflow_k8s.list_commands(ctx):
        command = airflow_k8s.get_command(ctx, name)
        assert command is not None
        sentence = (command.help or "").split(".")[0].split("\n\n")[0]
        assert " ".join(f"{name} {sentence}".split()) in text


def test_the_version_is_reported(project: ProjectFolder) -> None:
    result = project.kedro("airflow-k8s", "--version")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"kedro-airflow-k8s, version {__version__}"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["run"], "'run-once' or 'sandbox run'"),
        (["upload"], "'upload-pipeline'"),
        (["down"], "'sandbox down'"),
        (["deploy"], "'upload-pipeline' or 'schedule'"),
        (["ls"], "'list-pipelines'"),
        (["log"], "'logs'"),
        (["stop"], "'cancel' or 'sandbox down'"),
        (["kill"], "'cancel'"),
        (["catchup"], "'backfill'"),
        (["remove"], "'delete'"),
        (["watch"], "'logs --follow'"),
        # With a slip of the finger.
        (["canel"], "'cancel'"),
        (["uplaod"], "'upload-pipeline'"),
        (["sandbox", "logs"], "'logs --sandbox'"),
        (["sandbox", "stop"], "'cancel' or 'sandbox down'"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_a_command_of_another_name_is_answered_with_ours(
    project: ProjectFolder, typed: list[str], meant: str
) -> None:
    result = project.kedro("airflow-k8s", *typed)
    refused(result, f"No such command {typed[-1]!r}. Did you mean {meant}?", code=2)


def test_a_command_of_no_known_name_is_refused_without_a_guess(project: ProjectFolder) -> None:
    text = refused(project.kedro("airflow-k8s", "xyzzy"), "No such command 'xyzzy'.", code=2)
    assert "Did you mean" not in text


def test_each_hint_names_a_command_that_there_is() -> None:
    ctx = click.Context(airflow_k8s, **airflow_k8s.context_settings)
    hints = [hint for words in _ELSEWHERE.values() for hint in words.split("' or '")]
    for hint in hints:
        command: click.Command | None = airflow_k8s
        for word in hint.split():
            if word.startswith("--"):
                assert isinstance(command, click.Command)
                options = [name for o in command.get_params(ctx) for name in o.opts]
                assert word in options, hint
            else:
                assert isinstance(command, click.Group), hint
                command = command.get_command(ctx, word)
                assert command is not None, hint


def completed(project: ProjectFolder, *words: str, start: str = "") -> list[str]:
    """What the shell offers in the place of the next word."""
    from kedro.framework.startup import bootstrap_project

    from tests.support.kedro_projects import as_in_a_new_process

    with as_in_a_new_process():
        metadata = bootstrap_project(project.path)
        shell = ShellComplete(airflow_k8s, {"obj": metadata}, "kedro", "_KEDRO_COMPLETE")
        return [item.value for item in shell.get_completions(list(words), start)]


def test_the_shell_completes_pipelines_and_environments(project: ProjectFolder) -> None:
    project.config("run_config: {image: shop}\n", env="staging")
    assert "__default__" in completed(project, "compile", "--pipeline")
    assert completed(project, "compile", "-p", start="nonsense") == []
    assert completed(project, "-e", start="sta") == ["staging"]
    assert completed(project, "init", "--env", start="ba") == ["base"]


def test_where_pipelines_do_not_import_the_shell_completes_none(project: ProjectFolder) -> None:
    project.registry("print('noise')\nraise RuntimeError('broken')")
    assert completed(project, "compile", "--pipeline") == []


def test_bash_completes_as_documented_without_log_lines(
    project: ProjectFolder, tmp_path: Path
) -> None:
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    (block,) = re.findall(r"```bash\n([^`]*_KEDRO_COMPLETE[^`]*)```", page)
    press_tab = """
        COMP_WORDS=(kedro airflow-k8s compile --pipeline "")
        COMP_CWORD=4
        _kedro_completion kedro
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", block + press_tab],
        cwd=project.path,
        env={**os.environ, "HOME": str(tmp_path), "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["__default__", "sales", "stock"]


def test_json_in_a_file_has_nothing_of_kedros_log(project: ProjectFolder) -> None:
    file = project.path / "found.json"
    result = project.kedro(
        "airflow-k8s", "validate", "--format", "json", "--output-file", str(file)
    )
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(file.read_text()), list | dict)
    assert "[" not in result.stdout.splitlines()[-1:]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("run_config:\n\timage: shop:1.0\n", "line 2 is indented with a tab. Use spaces."),
        ("run_config\n  image: shop:1.0\n", "line 1 has no colon after its key. "),
        ("run_config:\n  image: 'shop:1.0\n", "line 2 opens a quote that is not closed. "),
        ("run_config:\n  image: a\n  image: b\n", "line 3 repeats a key. "),
        ("run_config:\n  image: {{ a }}\n", "line 2 has a value that begins with {{. "),
    ],
)
def test_a_mistake_in_the_configuration_is_in_plain_words_with_its_line(
    project: ProjectFolder, text: str, mistake: str
) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").write_text(text)
    refused(project.compile(), f"conf/base/airflow-k8s.yaml cannot be read: {mistake}")


def test_a_mistake_in_the_catalog_is_in_plain_words_with_its_line(project: ProjectFolder) -> None:
    for text, mistake in (
        ("orders:\n  type: [pickle\n", "line 2 opens the bracket [, which is not closed"),
        ("orders:\n  type: a\n  type: b\n", "line 3 repeats a key"),
    ):
        project.write("conf/base/catalog.yml", text)
        result = project.kedro("airflow-k8s", "validate")
        assert f"conf/base/catalog.yml: {mistake}" in result.stdout
