"""The RBAC manifest gives Airflow all rights that a run needs, and none that no run uses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from kedro_airflow_k8s.config.load import load_config
from tests.airflow.sandbox.cluster.enforced_rights import enforced
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.rbac import MANIFEST, Right, read_manifest

NAMESPACE, ACCOUNT = "kedro", "kedro-pods"
PIPELINE = """
from kedro.pipeline import Pipeline, node

def one():
    return 1

def twice(number):
    if {fails}:
        raise ValueError("no")
    return 2 * number

def create_pipeline():
    return Pipeline([
        node(one, None, "number", name="one"),
        node(twice, "number", "double", name="twice"),
    ])
"""


def run(project: ProjectFolder, python: Path, *, fails: bool = False) -> Result:
    """A sandbox run of two nodes that hand data to each other over the volume."""
    project.pipeline("sales", PIPELINE.format(fails=fails))
    project.pipeline(
        "stock",
        "def create_pipeline():\n    from kedro.pipeline import Pipeline\n"
        "    return Pipeline([])\n",
    )
    settings = {
        "image": "example",
        "namespace": NAMESPACE,
        "service_account_name": ACCOUNT,
        "keep_failed": "1h",
    }
    project.config(yaml.safe_dump({"run_config": settings}))
    project.write("data/.gitkeep", "")
    options = ["--no-checks", "--airflow-python", os.fspath(python)]
    return project.kedro("airflow-k8s", "sandbox", "run", *options)


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_runs_that_succeed_and_fail_need_every_right_of_the_role_and_no_other(
    project: ProjectFolder, python: Path
) -> None:
    with enforced(read_manifest().rights, NAMESPACE) as refusals:
        good = run(project, python)
        of_good_runs = set(refusals.needed)
        bad = run(project, python, fails=True)

    assert good.exit_code == 0, good.output
    assert "5 of 5 tasks succeeded, 3 pods ran" in good.output
    assert bad.exit_code == 1, bad.output
    assert "ValueError: no" in bad.output
    assert "Error: twice failed: ValueError: no (" in bad.stderr
    assert refusals.elsewhere == set()
    assert refusals.needed == read_manifest().rights
    # A pod that has failed is marked, and so is the volume; events are asked for then, and of pods
    # that start slowly.
    of_failed_runs = {
        *(Right("patch", "pods"), Right("list", "events")),
        Right("patch", "persistentvolumeclaims"),
    }
    assert refusals.needed - of_good_runs <= of_failed_runs


@pytest.mark.parametrize(
    ("missing", "task"),
    [
        (Right("create", "persistentvolumeclaims"), "create_volume"),
        (Right("create", "pods"), "data_volume_init"),
    ],
)
def test_a_right_that_is_missing_fails_the_task_that_needs_it_and_its_log_names_it(
    project: ProjectFolder, missing: Right, task: str
) -> None:
    python = Path(sys.executable)
    with enforced(read_manifest().rights - {missing}, NAMESPACE):
        done = run(project, python)

    assert done.exit_code == 1, done.output
    assert f"Error: {task} failed: " in done.stderr
    assert f"{missing.resource} is forbidden" in done.output
    assert f"cannot {missing.verb} it" in done.output


def test_the_account_of_the_pods_has_no_rights_and_no_token() -> None:
    manifest = read_manifest()
    account = manifest.of_kind("ServiceAccount")
    assert account["metadata"] == {"name": ACCOUNT, "namespace": NAMESPACE}
    assert account["automountServiceAccountToken"] is False
    # The one binding is for the accounts that start pods, wait for them and delete them.
    subjects = manifest.of_kind("RoleBinding")["subjects"]
    assert [(s["kind"], s["name"], s["namespace"]) for s in subjects] == [
        ("ServiceAccount", "airflow-worker", "airflow"),
        ("ServiceAccount", "airflow-triggerer", "airflow"),
    ]
    assert {d["kind"] for d in manifest.documents} == {
        "Namespace", "ServiceAccount", "Role", "RoleBinding"
    }  # fmt: skip


def test_the_parts_of_the_manifest_fit_each_other_and_the_settings_it_shows() -> None:
    manifest = read_manifest()
    role, binding = manifest.of_kind("Role"), manifest.of_kind("RoleBinding")
    assert manifest.of_kind("Namespace")["metadata"]["name"] == NAMESPACE
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == NAMESPACE
    assert binding["roleRef"]["kind"] == "Role"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    shown = MANIFEST.read_text("utf-8").split("of the Kedro project:\n")[1].split("---")[0]
    settings = yaml.safe_load("\n".join(line.lstrip("#") for line in shown.splitlines()))
    loaded = load_config(settings, "airflow-rbac.yaml").run_config
    assert (loaded.namespace, loaded.service_account_name) == (NAMESPACE, ACCOUNT)
