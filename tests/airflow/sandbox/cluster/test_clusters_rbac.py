"""The RBAC manifest of clusters gives Airflow what they need, and Spark's account only pods."""

from __future__ import annotations

import sys
from typing import Any

import yaml

from kedro_airflow_k8s.config.load import load_config
from tests.airflow.sandbox.cluster.enforced_rights import enforced
from tests.airflow.sandbox.test_clusters import PIPELINE, configure
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.rbac import MANIFEST, Right, read_manifest

NAMESPACE = "kedro"
CLUSTERS = MANIFEST.with_name("clusters-rbac.yaml")
DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(CLUSTERS.read_text("utf-8")))


def rights_of(role: str) -> set[Right]:
    """What a role of the manifest allows."""
    (found,) = (d for d in DOCUMENTS if d["kind"] == "Role" and d["metadata"]["name"] == role)
    assert all(rule["apiGroups"] == [""] and len(rule) == 3 for rule in found["rules"])
    return {
        Right(v, r) for rule in found["rules"] for r in rule["resources"] for v in rule["verbs"]
    }


def test_a_run_with_a_cluster_needs_every_right_of_the_role_and_no_other(
    project: ProjectFolder,
) -> None:
    more = f"namespace: {NAMESPACE}\n  service_account_name: kedro-pods"
    configure(project, more)
    project.pipeline("sales", PIPELINE.format(again="pass"))
    project.write("data/.gitkeep", "")
    of_clusters = rights_of("kedro-airflow-k8s-clusters")

    with enforced(read_manifest().rights | of_clusters, NAMESPACE) as refusals:
        options = ["-p", "sales", "--no-checks", "--airflow-python", sys.executable]
        done = project.kedro("airflow-k8s", "sandbox", "run", *options)

    assert done.exit_code == 0, done.output
    assert refusals.elsewhere == set()
    assert refusals.needed - read_manifest().rights == of_clusters


def test_the_account_of_spark_may_do_only_what_is_for_executors() -> None:
    verbs = ("create", "get", "list", "watch", "patch", "delete", "deletecollection")
    assert rights_of("spark") == {Right(verb, "pods") for verb in verbs}


def test_the_parts_of_the_manifest_fit_each_other_and_the_settings_it_shows() -> None:
    roles = {d["metadata"]["name"] for d in DOCUMENTS if d["kind"] == "Role"}
    bindings = {d["roleRef"]["name"]: d for d in DOCUMENTS if d["kind"] == "RoleBinding"}
    assert bindings.keys() == roles
    assert {d["metadata"]["namespace"] for d in DOCUMENTS} == {NAMESPACE}
    (account,) = (d for d in DOCUMENTS if d["kind"] == "ServiceAccount")
    (subject,) = bindings["spark"]["subjects"]
    assert subject["name"] == account["metadata"]["name"] == "spark"
    shown = CLUSTERS.read_text("utf-8").split("of the Kedro project:\n")[1].split("---")[0]
    settings = yaml.safe_load("\n".join(line.lstrip("#") for line in shown.splitlines()))
    run = load_config(settings, "clusters-rbac.yaml").run_config
    entry = run.clusters["spark"].resources
    assert entry is not None
    assert run.settings_of(entry).service_account_name == "spark"
