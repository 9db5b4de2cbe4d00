"""The text that the DAG gives to the image's Python: Kedro with the plugin, or one message."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kedro.pod.kedro_processes import RUN_KEDRO, kedro_arguments, pod_environment, run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

TEXT = RUN_KEDRO.read_text(encoding="utf-8")


def run_with(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the text where the only packages are those of a folder."""
    return subprocess.run(
        [sys.executable, *options, "-S", "-c", TEXT, "run", "--nodes=a"],
        env={**pod_environment({}), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def install(folder: Path, **modules: str) -> None:
    """Put a kedro_airflow_k8s of these modules into a folder."""
    package = folder / "kedro_airflow_k8s"
    (package / "pod").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "pod" / "__init__.py").touch()
    for name, text in modules.items():
        (package / "pod" / f"{name}.py").write_text(text)


def test_an_image_without_the_plugin_is_told_in_one_message(tmp_path: Path) -> None:
    done = run_with(tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "The image cannot run this task: kedro-airflow-k8s is not installed there. Nothing was "
        "run. Add kedro-airflow-k8s, in the version that compiles the DAG, to the requirements "
        "that the image is built from, and build it anew.\n"
    )


@pytest.mark.parametrize("modules", [{}, {"process": "def start():\n    pass\n"}])
def test_a_plugin_too_old_for_the_dag_is_told(tmp_path: Path, modules: dict[str, str]) -> None:
    install(tmp_path, **modules)

    done = run_with(tmp_path)

    assert done.returncode == 1
    assert "its kedro-airflow-k8s is older than the one that compiled this DAG" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import yourlib", "ModuleNotFoundError: No module named 'yourlib'"),
        ("def main(:", "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_does_not_work_is_told_with_the_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    install(tmp_path, process=text)

    done = run_with(tmp_path)

    assert done.returncode == 1
    assert f"its kedro-airflow-k8s does not work ({reason}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("minor", [6, 7, 8, 9, 10])
def test_the_text_is_valid_for_old_pythons(minor: int) -> None:
    ast.parse(TEXT, feature_version=(3, minor))


def test_files_of_the_working_folder_do_not_pass_for_packages(project: ProjectFolder) -> None:
    for name in ("kedro", "click", "json", "kedro_airflow_k8s"):
        project.write(f"{name}.py", "raise SystemExit('shadowed')")

    done = run_task(project.path, "--help")

    assert done.returncode == 0, done.stdout
    assert "--nodes" in done.stdout


def test_a_safe_path_is_left_as_it_is(tmp_path: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.11 has brought safe paths")
    install(tmp_path, process="def main():\n    print('it runs')\n")

    assert run_with(tmp_path, "-P").stdout == "it runs\n"


def test_kedro_sees_its_own_command_line(project: ProjectFolder) -> None:
    done = run_task(project.path, "--no-such-option")

    assert done.returncode == 2
    assert "Usage: kedro run [OPTIONS]" in done.stdout


def test_an_error_of_a_node_is_shown_and_has_exit_code_1(project: ProjectFolder) -> None:
    project.registry(BROKEN)
    project.write("conf/base/catalog.yml", "")

    done = run_task(project.path)

    assert done.returncode == 1
    assert "no prices today" in done.stdout


BROKEN = """
from kedro.pipeline import Pipeline, node

def fetch():
    raise ValueError("no prices today")

def register_pipelines():
    return {"__default__": Pipeline([node(fetch, None, "prices")])}
"""


@pytest.mark.parametrize("code", [0, 3])
def test_the_projects_own_run_command_and_its_exit_code_count(
    project: ProjectFolder, code: int
) -> None:
    project.write("src/shop/cli.py", CLI.replace("CODE", str(code)))

    done = run_task(project.path)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, "our own run")


CLI = """
import sys
import click

@click.group(name="shop")
def cli():
    pass

@cli.command()
def run():
    print("our own run", flush=True)
    sys.exit(CODE)
"""


MAKER = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def fetch():
    Path("fetched").touch()
    return [1]

def register_pipelines():
    return {"__default__": Pipeline([node(fetch, None, "prices")])}
"""
SESSION_CLI = CLI.replace(
    "sys.exit(CODE)",
    """from kedro.framework.session import KedroSession
    with KedroSession.create() as session:
        session.run()""",
)
CROSSING = {"KEDRO_AIRFLOW_K8S_HANDED_ON": '["prices"]'}


@pytest.fixture(name="maker")
def _maker(project: ProjectFolder) -> ProjectFolder:
    project.registry(MAKER)
    project.write("conf/base/catalog.yml", "")
    return project


@pytest.mark.parametrize("cli", ["", SESSION_CLI])
def test_settings_that_disable_our_hooks_end_a_task_that_others_wait_for_before_it_runs(
    maker: ProjectFolder, cli: str
) -> None:
    maker.settings('DISABLE_HOOKS_FOR_PLUGINS = ("kedro-airflow-k8s",)\n')
    if cli:
        maker.write("src/shop/cli.py", cli)

    handing_on = run_task(maker.path, **CROSSING)
    assert handing_on.returncode == 1
    assert (
        "Nothing was run: settings.py disables the hooks of kedro-airflow-k8s, which store what "
        "other tasks read (prices), unless the catalog does."
    ) in handing_on.stdout
    assert "Traceback" not in handing_on.stdout
    assert not (maker.path / "fetched").exists()

    for environment in ({}, {"KEDRO_AIRFLOW_K8S_HANDED_ON": "[]"}):
        alone = run_task(maker.path, **environment)
        assert alone.returncode == 0, alone.stdout
    assert (maker.path / "fetched").exists()


@pytest.mark.parametrize("disabled", ["another-plugin", "kedro_airflow_k8s"])
def test_settings_by_which_kedro_does_not_disable_our_hooks_are_no_hindrance(
    maker: ProjectFolder, disabled: str, tmp_path: Path
) -> None:
    maker.settings(f'DISABLE_HOOKS_FOR_PLUGINS = ["{disabled}"]\n')

    root = {"KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA": str(tmp_path / "root")}
    done = run_task(maker.path, **CROSSING, **root)

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "root" / "prices.pickle").exists()


def test_a_run_command_without_a_session_fails_where_others_wait_for_its_data(
    maker: ProjectFolder,
) -> None:
    maker.write("src/shop/cli.py", CLI.replace("CODE", "0"))

    alone = run_task(maker.path)
    handing_on = run_task(maker.path, **CROSSING)

    assert alone.returncode == 0, alone.stdout
    assert handing_on.returncode == 1
    assert "Kedro ran without the hooks of kedro-airflow-k8s" in handing_on.stdout
    assert "(prices): of these datasets, those in memory are lost." in handing_on.stdout


def test_the_command_line_of_a_pod_is_one_text_and_kedros_arguments() -> None:
    assert kedro_arguments("run", "--nodes=a,b") == ["-c", TEXT, "run", "--nodes=a,b"]
    assert "'''" not in TEXT
    assert os.linesep + "\\" not in TEXT
