"""What a pod runs: `python -m kedro_airflow_k8s.pod`, or one message."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.environment import REASON_VARIABLE
from tests.kedro.pod.kedro_processes import kedro_arguments, pod_environment, run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]


def pod(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the plugin's command in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "kedro_airflow_k8s.pod", *arguments],
        cwd=folder,
        env=pod_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("contract", "problem", "fix"),
    [
        ("", "is too new for this DAG", "Compile and upload the DAG again"),
        ("1", "is too new for this DAG", "Compile and upload the DAG again"),
        ("3", "is too old for this DAG", "Build and push the image again"),
        ("10", "is too old for this DAG", "Build and push the image again"),
    ],
)
def test_a_dag_and_an_image_of_different_contracts_are_reported_before_anything_runs(
    tmp_path: Path, contract: str, problem: str, fix: str
) -> None:
    file = {"KEDRO_AIRFLOW_K8S_REASON": str(tmp_path / "cause")}
    done = pod(tmp_path, "run", "--nodes=a", KEDRO_AIRFLOW_K8S_CONTRACT=contract, **file)

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert f"Nothing was run. {fix}" in line
    assert (tmp_path / "cause").read_text() == f"{line} A retry cannot fix this."


@pytest.mark.parametrize("arguments", [(), ("dance",)])
def test_an_unknown_command_is_refused_with_those_that_exist(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = pod(tmp_path, *arguments)

    assert done.returncode == 1
    assert "is not a command of kedro_airflow_k8s.pod" in done.stderr
    assert "fill-volume SOURCE DESTINATION" in done.stderr


def test_python_itself_names_the_plugin_where_the_image_lacks_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-m", "kedro_airflow_k8s.pod", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    # What the DAG's operator looks for in the end of the log.
    assert done.returncode == 1
    assert "No module named" in done.stderr
    assert "kedro_airflow_k8s" in done.stderr


def test_files_of_the_working_folder_do_not_pass_for_packages(project: ProjectFolder) -> None:
    for name in ("kedro", "click", "json", "logging"):
        project.write(f"{name}.py", "raise SystemExit('shadowed')")

    done = run_task(project.path, "--help")

    assert done.returncode == 0, done.stdout
    assert "--nodes" in done.stdout


def test_kedro_sees_its_own_command_line(project: ProjectFolder) -> None:
    done = run_task(project.path, "--no-such-option")

    assert done.returncode == 2
    assert "Usage: kedro run [OPTIONS]" in done.stdout


def test_an_error_of_a_node_is_shown_and_has_exit_code_1(project: ProjectFolder) -> None:
    project.registry(BROKEN)
    project.write("conf/base/catalog.yml", "")

    # Warnings are shown, as in a pod.
    done = run_task(project.path, PYTHONWARNINGS="")

    assert done.returncode == 1
    assert "as logging configuration" not in done.stdout
    assert "register_new_resolver" not in done.stdout
    assert "UserWarning: Parameters not found" in done.stdout
    assert "Running node: fetch" in done.stdout
    assert done.stdout.rstrip().splitlines()[-4:] == [
        "  (26 frames of kedro)".replace("26", frames_in(done)),
        '  File "src/shop/pipeline_registry.py", line 5, in fetch',
        '    raise ValueError("no prices today")',
        "ValueError: no prices today",
    ]

    file = project.path / "cause"
    raw = {"KEDRO_AIRFLOW_K8S_RAW": "1", "KEDRO_AIRFLOW_K8S_REASON": str(file)}
    whole = run_task(project.path, **raw).stdout
    assert "kedro/framework/session/session.py" in whole
    assert "ValueError: no prices today" in whole
    node = re.escape("fetch__") + r"\w+"
    place = re.escape("src/shop/pipeline_registry.py:5")
    assert re.fullmatch(rf"ValueError: no prices today \(node {node}, {place}\)", file.read_text())


@pytest.mark.parametrize("runner", ["ThreadRunner", "ParallelRunner"])
def test_every_runner_tells_the_cause_with_its_place(project: ProjectFolder, runner: str) -> None:
    project.registry(BROKEN)
    project.write("conf/base/catalog.yml", "")
    file = project.path / "cause"

    run_task(project.path, f"--runner={runner}", KEDRO_AIRFLOW_K8S_REASON=str(file))

    assert file.read_text().startswith("ValueError: no prices today (")
    assert file.read_text().endswith("src/shop/pipeline_registry.py:5)")


def frames_in(done: subprocess.CompletedProcess[str]) -> str:
    """How many frames were left out, which differs between versions of Kedro and Python."""
    (number,) = re.findall(r"^  \((\d+) frames of ", done.stdout, re.MULTILINE)
    return str(number)


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

    assert (done.returncode, "our own run" in done.stdout.splitlines()) == (code, True)


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
STORE = {"KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA": "store"}
CROSSING = {**STORE, "KEDRO_AIRFLOW_K8S_PASSED_ON": '["prices"]'}


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

    passing_on = run_task(maker.path, **CROSSING)
    assert passing_on.returncode == 1
    assert (
        "Nothing was run: settings.py disables the hooks of kedro-airflow-k8s, which store what "
        "other tasks read (prices), unless the catalog does."
    ) in passing_on.stdout
    assert "Traceback" not in passing_on.stdout
    assert not (maker.path / "fetched").exists()

    for environment in ({}, {**STORE, "KEDRO_AIRFLOW_K8S_PASSED_ON": "[]"}):
        alone = run_task(maker.path, **environment)
        assert alone.returncode == 0, alone.stdout
    assert (maker.path / "fetched").exists()


@pytest.mark.parametrize("disabled", ["another-plugin", "kedro_airflow_k8s"])
def test_settings_by_which_kedro_does_not_disable_our_hooks_are_not_a_hindrance(
    maker: ProjectFolder, disabled: str, tmp_path: Path
) -> None:
    maker.settings(f'DISABLE_HOOKS_FOR_PLUGINS = ["{disabled}"]\n')

    root = {"KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA": str(tmp_path / "root")}
    done = run_task(maker.path, **{**CROSSING, **root})

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "root" / "prices.pickle").exists()


def test_a_run_command_without_a_session_fails_where_others_wait_for_its_data(
    maker: ProjectFolder,
) -> None:
    maker.write("src/shop/cli.py", CLI.replace("CODE", "0"))

    alone = run_task(maker.path)
    passing_on = run_task(maker.path, **CROSSING)

    assert alone.returncode == 0, alone.stdout
    assert passing_on.returncode == 1
    assert "Kedro ran without the hooks of kedro-airflow-k8s" in passing_on.stdout
    assert "(prices): of these datasets, those in memory are lost." in passing_on.stdout


def test_a_task_that_names_nothing_passes_all_its_outputs_on(
    maker: ProjectFolder, tmp_path: Path
) -> None:
    done = run_task(maker.path, KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA=str(tmp_path / "root"))

    assert done.returncode == 0, done.stdout
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["prices.pickle"]


def test_without_our_hooks_a_task_that_names_nothing_fails_too(maker: ProjectFolder) -> None:
    maker.settings('DISABLE_HOOKS_FOR_PLUGINS = ("kedro-airflow-k8s",)\n')

    done = run_task(maker.path, **STORE)

    assert done.returncode == 1
    assert "(the outputs of this task)" in done.stdout


OLDER_KEDROS = {name: os.environ.get(name) for name in ("KEDRO_1_0_PYTHON", "KEDRO_1_5_PYTHON")}


@pytest.mark.parametrize("variable", OLDER_KEDROS)
def test_older_kedros_get_the_options_that_they_know(maker: ProjectFolder, variable: str) -> None:
    python = OLDER_KEDROS[variable]
    if python is None:
        pytest.skip(f"{variable} names no Python with that Kedro")
    done = subprocess.run(
        [python, "-m", "kedro_airflow_k8s.pod", "run", "--pipelines=__default__"],
        cwd=maker.path,
        env=pod_environment({"KEDRO_AIRFLOW_K8S_PARAMS": '{"conf": {"a": [1, "x, y"]}}'}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert (maker.path / "fetched").exists()


HUNGRY = """
import time
from pathlib import Path
from kedro.pipeline import Pipeline, node

def eat():
    food = bytearray(300 * 2**20)
    food[::4096] = b"x" * len(food[::4096])
    Path("file").write_bytes(food)
    end = time.process_time() + 2
    while time.process_time() < end:
        pass
    time.sleep(1)
    return len(Path("file").read_bytes())

def register_pipelines():
    return {"__default__": Pipeline([node(eat, None, "size", name="eat")])}
"""
# What `/usr/bin/time -v` does, which not every machine has.
TIMED = """
import json, os, sys, time
start = time.monotonic()
child = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, used = os.wait4(child, 0)
wall = time.monotonic() - start
cpu = used.ru_utime + used.ru_stime
print(json.dumps({"memory": used.ru_maxrss * 1024, "cpu": cpu, "wall": wall}))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_what_a_pod_says_it_has_used_is_what_the_machine_has_seen(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.registry(HUNGRY)

    done = subprocess.run(
        [sys.executable, "-c", TIMED, *kedro_arguments("run")],
        cwd=project.path,
        env=pod_environment({REASON_VARIABLE: str(tmp_path / "left")}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    seen = json.loads(done.stdout.splitlines()[-1])
    said = json.loads((tmp_path / "left").read_text())
    assert {key: said[key] for key in seen} == pytest.approx(seen, rel=0.1)
    for key in ("read", "written"):
        assert 300 * 2**20 <= said[key] < 500 * 2**20
