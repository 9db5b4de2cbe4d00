"""The RBAC manifest gives Airflow all rights that a run needs, and none that no run uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.sandbox.cluster.api import Api, Request, Response, Stream
from kedro_airflow_k8s.sandbox.cluster.status import StatusError
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.rbac import MANIFEST, Right, read_manifest, right_for

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


class Refusals:
    """An API server that grants rights by the role, and remembers which were needed.

    Attributes:
        needed: Every right that a request has needed.
        elsewhere: Requests that no role of a namespace can allow.
    """

    def __init__(self, rights: set[Right]) -> None:
        self.rights = rights
        self.needed: set[Right] = set()
        self.elsewhere: set[str] = set()

    def check(self, request: Request) -> None:
        """Refuse a request as an API server with RBAC does.

        Raises:
            StatusError: 403, the role does not allow it.
        """
        right = right_for(request.method, request.path, request.query)
        if right is None or f"/namespaces/{NAMESPACE}/" not in request.path:
            self.elsewhere.add(f"{request.method} {request.path}")
            raise StatusError(403, "Forbidden", f"{request.path} is forbidden")
        self.needed.add(right)
        if right not in self.rights:
            message = f'{right.resource} is forbidden: User "airflow" cannot {right.verb} it'
            raise StatusError(403, "Forbidden", message)


@contextmanager
def enforced(rights: set[Right]) -> Iterator[Refusals]:
    """Let the sandbox's Kubernetes API grant these rights and no others."""
    refusals = Refusals(rights)
    answer = Api.answer

    def checked(self: Api, request: Request) -> Response | Stream:
        refusals.check(request)
        return answer(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "answer", checked)
        yield refusals


def run(project: ProjectFolder, python: Path, *, fails: bool = False) -> Result:
    """A sandbox run of two nodes that hand data to each other over the volume."""
    project.pipeline("sales", PIPELINE.format(fails=fails))
    project.pipeline(
        "stock",
        "def create_pipeline():\n    from kedro.pipeline import Pipeline\n"
        "    return Pipeline([])\n",
    )
    settings = {"image": "example", "namespace": NAMESPACE, "service_account_name": ACCOUNT}
    project.config(yaml.safe_dump({"run_config": settings}))
    project.write("data/.gitkeep", "")
    options = ["--no-checks", "--airflow-python", os.fspath(python)]
    return project.kedro("airflow-k8s", "sandbox", "run", *options)


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_runs_that_succeed_and_fail_need_every_right_of_the_role_and_no_other(
    project: ProjectFolder, python: Path
) -> None:
    with enforced(read_manifest().rights) as refusals:
        good = run(project, python)
        of_good_runs = set(refusals.needed)
        bad = run(project, python, fails=True)

    assert good.exit_code == 0, good.output
    assert "5 of 5 tasks succeeded, 3 pods ran" in good.output
    assert bad.exit_code == 1, bad.output
    assert "ValueError: no" in bad.output
    assert "Error: The run failed: twice." in bad.stderr
    assert refusals.elsewhere == set()
    assert refusals.needed == read_manifest().rights
    # A pod that has failed is marked; events are asked for then, and of pods that start slowly.
    assert refusals.needed - of_good_runs <= {Right("patch", "pods"), Right("list", "events")}


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
    with enforced(read_manifest().rights - {missing}):
        done = run(project, python)

    assert done.exit_code == 1, done.output
    assert f"Error: The run failed: {task}" in done.stderr
    assert f"{missing.resource} is forbidden" in done.output
    assert f"cannot {missing.verb} it" in done.output


def test_the_account_of_the_pods_has_no_rights_and_no_token() -> None:
    manifest = read_manifest()
    account = manifest.of_kind("ServiceAccount")
    assert account["metadata"] == {"name": ACCOUNT, "namespace": NAMESPACE}
    assert account["automountServiceAccountToken"] is False
    # The one binding is not for it.
    subjects = manifest.of_kind("RoleBinding")["subjects"]
    assert [(s["kind"], s["name"], s["namespace"]) for s in subjects] == [
        ("ServiceAccount", "airflow-worker", "airflow")
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
