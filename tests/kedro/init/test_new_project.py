"""From nothing to a green run: `kedro new`, `init`, `sandbox run`, with no other edit."""

from __future__ import annotations

from pathlib import Path

from tests.airflow.sandbox.sandbox_runs import final_states, leftovers
from tests.kedro.init.new_projects import kedro, kedro_new, new_spaceflights


def files_of(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_new_project_runs_in_the_sandbox_after_init(tmp_path: Path) -> None:
    project = new_spaceflights(tmp_path)
    before = files_of(project)
    assert not [name for name in before if "airflow" in name or "ocker" in name]

    made = kedro(project, "airflow-k8s", "init")
    assert made.returncode == 0, made.stdout + made.stderr
    after = files_of(project)
    assert {name for name in before if before[name] != after[name]} == {"requirements.txt"}
    checked = kedro(project, "airflow-k8s", "validate")
    assert checked.returncode == 0, checked.stdout
    assert "0 errors" in checked.stdout

    ran = kedro(project, "airflow-k8s", "sandbox", "run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert set(final_states(ran.stdout).values()) == {"success"}
    assert "16 of 16 tasks succeeded" in ran.stdout
    # The raw data came by way of the image, for .dockerignore let it in.
    assert "01_raw/companies.csv" in ran.stdout
    assert leftovers(project) == []


def test_a_new_project_without_a_pipeline_says_so(tmp_path: Path) -> None:
    options = ("--name", "Empty Shop", "--tools", "none", "--example", "n")
    project = kedro_new(tmp_path / "work", *options)
    made = kedro(project, "airflow-k8s", "init")
    assert made.returncode == 0, made.stdout + made.stderr
    ran = kedro(project, "airflow-k8s", "sandbox", "run")
    assert ran.returncode == 1
    assert "Pipeline '__default__' has no nodes, so there is nothing to run." in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


def test_the_sandbox_that_init_names_is_the_one_that_runs(tmp_path: Path) -> None:
    project = new_spaceflights(tmp_path)
    made = kedro(project, "airflow-k8s", "init")
    assert made.returncode == 0, made.stdout + made.stderr
    early = kedro(project, "airflow-k8s", "run-once", "-p", "data_processing")
    assert early.returncode == 1
    assert "Start it with `kedro airflow-k8s sandbox up`" in early.stderr
    try:
        started = kedro(project, "airflow-k8s", "sandbox", "up")
        assert started.returncode == 0, started.stdout + started.stderr
        # No --sandbox and no credentials: the configuration says it.
        ran = kedro(
            project,
            "airflow-k8s",
            "run-once",
            "-p",
            "data_processing",
            "--wait-for-completion",
            "5",
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        listed = kedro(project, "airflow-k8s", "list-pipelines")
        assert "rocket-science.data_processing" in listed.stdout
        # A new environment keeps all settings of base, its Airflow included.
        kedro(project, "airflow-k8s", "init", "--env", "prod")
        listed = kedro(project, "airflow-k8s", "list-pipelines", "--env", "prod")
        assert "rocket-science.data_processing" in listed.stdout
    finally:
        stopped = kedro(project, "airflow-k8s", "sandbox", "down")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
