"""What pods have of the variables that the project's files use, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kedro.dynamic_config.test_git import commit_all, git
from tests.support.kedro_projects import (
    CATALOG,
    IMAGE,
    ProjectFolder,
    compiled,
    findings_of,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.recorded_dag import run_dag_file


def pod_variables(dag: str) -> dict[str, str]:
    """The variables of this feature in the environment of a DAG's pods."""
    task = run_dag_file(dag).tasks["count"].keywords
    containers = task["pod_template_dict"]["spec"]["containers"]
    elsewhere = {entry["name"]: "(from elsewhere)" for entry in containers[0].get("env", ())}
    found = {**elsewhere, **task["env_vars"]}
    return {name: value for name, value in found.items() if name.startswith("KEDRO_CONFIG_")}


def use(project: ProjectFolder, *texts: str, file: str = "conf/base/catalog.yml") -> None:
    """Write texts with variables into a file, which is the catalog unless it is named."""
    more = "".join(f"_used_{number}: {text}\n" for number, text in enumerate(texts))
    project.write(file, (CATALOG if file.endswith("catalog.yml") else "") + more)


def findings(project: ProjectFolder) -> list[dict[str, Any]]:
    """What `validate` says of variables."""
    return findings_of(project, "config-variable")


def test_pods_know_the_commit_and_branch_that_files_of_theirs_use(project: ProjectFolder) -> None:
    use(project, "${kedro_config:commit_id,dirty}")
    use(project, "${kedro_config:Branch_Name}", file="conf/local/mlflow.yml")
    sha = commit_all(project.path)
    git(project.path, "checkout", "--quiet", "-b", "costs/$(HOME)")
    assert pod_variables(compiled(project)) == {
        "KEDRO_CONFIG_COMMIT_ID": sha,
        # The kubelet would put a variable in place of what is in parentheses.
        "KEDRO_CONFIG_BRANCH_NAME": "costs/$$(HOME)",
    }
    assert findings(project) == []


def test_the_dag_is_the_same_where_only_the_plugins_own_file_uses_them(
    project: ProjectFolder,
) -> None:
    sha = commit_all(project.path)
    project.config("run_config: {image: 'shop:${kedro_config:commit_id}'}")
    before = project.compile("--no-checks", f"--image=shop:{sha}")
    assert before.exit_code == 0, before.stderr
    expected = project.dag()
    assert compiled(project) == expected
    assert "KEDRO_CONFIG_" not in expected


def test_the_dag_is_the_same_where_the_use_is_a_comment(project: ProjectFolder) -> None:
    use(project, "1 # ${kedro_config:commit_id}")
    commit_all(project.path)
    assert pod_variables(compiled(project)) == {}


def test_outside_git_pods_take_the_default(project: ProjectFolder) -> None:
    use(project, "${kedro_config:commit_id,dirty}")
    assert pod_variables(compiled(project)) == {}
    assert findings(project) == []


def test_a_variable_of_this_machine_is_the_commit_of_the_pods(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "of-ci")
    use(project, "${kedro_config:commit_id,dirty}")
    assert pod_variables(compiled(project)) == {"KEDRO_CONFIG_COMMIT_ID": "of-ci"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("env_vars: {KEDRO_CONFIG_COMMIT_ID: pinned}", "pinned"),
        (
            "secrets: [{secret: ci, key: sha, deploy_target: KEDRO_CONFIG_COMMIT_ID}]",
            "(from elsewhere)",
        ),
    ],
)
def test_what_the_configuration_gives_the_pods_goes_above(
    given: str, expected: str, project: ProjectFolder
) -> None:
    use(project, "${kedro_config:commit_id,dirty}")
    commit_all(project.path)
    project.config(f"run_config:\n  image: {IMAGE}\n  {given}\n")
    assert pod_variables(compiled(project)) == {"KEDRO_CONFIG_COMMIT_ID": expected}


def test_values_of_other_variables_are_never_in_the_dag(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_TOKEN", "a-secret-of-this-machine")
    use(project, "${kedro_config:token}")
    result = project.compile()
    assert result.exit_code == 0, result.stderr
    assert "a-secret-of-this-machine" not in project.dag() + result.stdout + result.stderr
    assert "[config-variable] variable KEDRO_CONFIG_TOKEN" in result.stderr


def test_a_variable_that_pods_would_lack_is_one_finding_with_its_files(
    project: ProjectFolder,
) -> None:
    use(project, "${kedro_config:bucket,none}")
    use(project, "${kedro_config:bucket}", file="conf/local/mlflow.yml")
    (finding,) = findings(project)
    assert finding["severity"] == "warning"
    assert finding["where"] == "variable KEDRO_CONFIG_BUCKET"
    assert "'local/mlflow.yml' uses it without a default" in finding["problem"]
    assert "catalog" not in finding["problem"]
    assert "${kedro_config:bucket,default}" in finding["fix"]


@pytest.mark.parametrize(
    "given",
    [
        "env_vars: {KEDRO_CONFIG_BUCKET: b}",
        "secrets: [{secret: s, key: k, deploy_target: KEDRO_CONFIG_BUCKET}]",
        "secrets: [{secret: whole}]",
    ],
)
def test_a_variable_that_the_configuration_may_give_is_not_a_finding(
    given: str, project: ProjectFolder
) -> None:
    use(project, "${kedro_config:bucket}", file="conf/base/mlflow.yml")
    project.config(f"run_config:\n  image: {IMAGE}\n  {given}\n")
    assert findings(project) == []


@pytest.mark.parametrize(
    "given",
    [
        "env_vars: {kedro_config_bucket: b, BUCKET: b}",
        "secrets: [{secret: s, key: k, deploy_target: OTHER}]",
        "secrets: [{secret: s, deploy_type: volume, deploy_target: /mnt/s}]",
    ],
)
def test_what_gives_another_variable_does_not_help(given: str, project: ProjectFolder) -> None:
    use(project, "${kedro_config:bucket}", file="conf/base/mlflow.yml")
    project.config(f"run_config:\n  image: {IMAGE}\n  {given}\n")
    assert len(findings(project)) == 1


def test_a_default_that_only_pods_would_take_is_a_finding(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(project, "${kedro_config:stage,dev}")
    assert findings(project) == []
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "prod")
    (finding,) = findings(project)
    assert "set here" in finding["problem"]
    assert "pods use the default" in finding["consequence"]


OPT_IN = "from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader as CONFIG_LOADER_CLASS"


def test_with_the_opt_in_loader_the_short_form_counts_too(project: ProjectFolder) -> None:
    use(project, "${commit_id|dirty}", "${bucket}")
    project.settings(f"{OPT_IN}\n")
    sha = commit_all(project.path)
    assert pod_variables(compiled(project)) == {"KEDRO_CONFIG_COMMIT_ID": sha}
    assert [each["where"] for each in findings(project)] == ["variable KEDRO_CONFIG_BUCKET"]


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("${commit_id|dirty}", "write ${kedro_config:commit_id,'dirty'}"),
        ("${bucket}", "environment variable KEDRO_CONFIG_BUCKET, write ${kedro_config:bucket}"),
    ],
)
def test_without_it_the_short_form_is_named_with_both_ways_out(
    text: str, instead: str, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_BUCKET", "b")
    use(project, text)
    said = " ".join(project.kedro("airflow-k8s", "validate").output.split())
    assert instead in said
    assert f"add the loader of the short form to settings.py: {OPT_IN}" in said
    project.settings(f"{OPT_IN}\n")
    assert "not-checked" not in project.kedro("airflow-k8s", "validate").output


def test_credentials_are_looked_into_for_it(project: ProjectFolder) -> None:
    project.write("conf/local/credentials.yml", "db: {user: '${user|me}', password: s3cr3t}\n")
    said = " ".join(project.kedro("airflow-k8s", "validate").output.split())
    assert "local/credentials.yml cannot be read: ${user} is not a key in it." in said
    assert "write ${kedro_config:user}, or add the loader of the short form" in said
    assert "s3cr3t" not in said
    project.settings(f"{OPT_IN}\n")
    assert "not-checked" not in project.kedro("airflow-k8s", "validate").output


def test_a_message_about_the_configuration_names_the_variable_and_not_its_value(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_TOKEN", "a-secret-of-this-machine")
    monkeypatch.setenv("KEDRO_CONFIG_INNER", "another-secret")
    monkeypatch.setenv("KEDRO_CONFIG_UNUSED", "Sometimes")
    project.write("conf/base/globals.yml", "inner: ${kedro_config:inner}\n")
    project.config(
        f"""
        run_config:
            image: {IMAGE}
            startup_time: ${{token}}
            namespace: ${{globals:inner}}_
            image_pull_policy: Sometimes
        """
    )
    said = refused(project.compile(), "startup_time")
    assert "secret" not in said
    assert "'Sometimes'" in said


def test_a_config_that_lacks_a_value_is_one_message(project: ProjectFolder) -> None:
    project.config("run_config: {image: '${kedro_config:registry}/shop:1.0'}")
    result = project.compile()
    assert result.exit_code == 1
    assert "Set the environment variable KEDRO_CONFIG_REGISTRY" in result.stderr
    assert "Traceback" not in result.output
    assert not project.dags()
