"""`airflow-k8s.yaml` is found and merged as the project's own config loader does it."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    IMAGE,
    ProjectFolder,
    compiled,
    project_fixture,  # noqa: F401 - fixture
    refused,
)

OTHER = "example.com/other:2"


def image(dag: str) -> str:
    """The image in the text of a DAG."""
    (found,) = set(re.findall(r"[\"']((?:registry\.)?example\.com/[^\"']*)[\"']", dag))
    return str(found)


# --- where the files are ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "airflow-k8s.yaml",
        "airflow-k8s.yml",
        "airflow-k8s.json",
        "deploy/airflow-k8s.yaml",
        "deploy/to/airflow-k8s.yml",
    ],
)
def test_the_file_may_be_yaml_or_json_and_in_a_folder(project: ProjectFolder, name: str) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    project.config(f'{{"run_config": {{"image": "{OTHER}"}}}}', name=name)
    assert image(compiled(project)) == OTHER


def test_an_environment_adds_to_base_key_by_key(project: ProjectFolder) -> None:
    project.config(
        f"""
        host: https://airflow.example.com
        run_config:
            image: {IMAGE}
            namespace: base-space
            image_pull_secrets: [base-secret]
            volume: {{size: 3Gi, storageclass: slow}}
            resources:
                __default__: {{labels: {{team: base}}, requests: {{cpu: 1}}}}
        """
    )
    project.config(
        f"""
        run_config:
            image: {OTHER}
            image_pull_secrets: [local-secret]
            volume: {{size: 7Gi}}
            resources:
                __default__: {{requests: {{cpu: 2, memory: 1Gi}}}}
        """,
        "local",
    )
    dag = compiled(project)
    assert image(dag) == OTHER
    for kept in ("base-space", "slow", "'team': 'base'", "7Gi", "local-secret", "1Gi"):
        assert kept.replace("'", '"') in dag.replace("'", '"')
    for replaced in ("3Gi", "base-secret"):
        assert replaced not in dag


def test_the_file_may_be_in_the_environment_alone(project: ProjectFolder) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    project.config(CONFIG, "prod")
    assert image(compiled(project, "-e", "prod")) == IMAGE
    refused(project.compile(), "no airflow-k8s.yaml", str(project.path / "conf/base"), "--image")


def test_without_any_file_an_image_is_enough(project: ProjectFolder) -> None:
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    assert image(compiled(project, "--image", OTHER)) == OTHER


def test_an_image_option_does_not_hide_a_mistake_in_the_file(project: ProjectFolder) -> None:
    project.config("run_config: 3\n")
    refused(project.compile("--image", OTHER), "run_config")
    project.config("run_config: {imagee: x}\n")
    refused(project.compile("--image", OTHER), "run_config.imagee")
    project.config("- run_config\n")
    refused(project.compile("--image", OTHER), "run_config")


@pytest.mark.parametrize(
    "name",
    [
        "airflow-k8s.YAML",
        "airflow-k8s.Yml",
        "airflow-k8s.toml",
        "Airflow-K8s.yaml",
        "airflow_k8s.yml",
        "airflowk8s.yaml",
        "airflow-k8s",
        "deploy/airflow-k8s.JSON",
    ],
)
def test_a_file_that_kedro_would_pass_over_in_silence_is_refused(
    project: ProjectFolder, name: str
) -> None:
    file = project.config(CONFIG, "local", name)
    refused(project.compile(), f"{file} would not be read", "airflow-k8s.yaml")


@pytest.mark.parametrize(
    "name", ["airflow-k8s.yaml~", "airflow-k8s.yaml.orig", ".airflow-k8s.yaml.swp", "airflow.yml"]
)
def test_what_editors_leave_behind_and_other_files_are_let_be(
    project: ProjectFolder, name: str
) -> None:
    project.config("junk: [", "local", name)
    compiled(project)


@pytest.mark.parametrize("env", ["prd", "..", ".", "../..", "/", "local/..", "local/", "no/where"])
def test_a_missing_environment_is_named_with_those_there_are(
    project: ProjectFolder, env: str
) -> None:
    refused(
        project.compile("-e", env),
        f"no configuration environment {env!r}",
        str(project.path / "conf"),
        "Environments: base, local.",
    )


def test_a_missing_base_is_an_error_too(project: ProjectFolder) -> None:
    shutil.rmtree(project.path / "conf/base")
    refused(project.compile(), "no configuration environment 'base'")


# --- what the files say -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a: 1\nrun_config: [\n", "line 3"),
        ("run_config:\n\timage: x\n", "line 2"),
        ("run_config: *nowhere\n", "line 1 has a value that begins with *"),
        ("run_config:\n    image: a\n    image: b\n", "line 3 repeats a key"),
        ("- run_config\n", "the file must be a mapping"),
        ("3\n", "the file must be a mapping"),
        ("a: !!python/object/apply:os.system [echo]\n", "python/object"),
    ],
)
def test_broken_yaml_is_an_error_with_its_file_and_place(
    project: ProjectFolder, text: str, cause: str
) -> None:
    project.config(text)
    refused(project.compile(), "conf/base/airflow-k8s.yaml cannot be read: ", cause)


def test_what_is_not_text_is_an_error_with_its_file(project: ProjectFolder) -> None:
    project.config("").write_bytes(b"run_config: \xff\n")
    refused(project.compile(), "base/airflow-k8s.yaml", "utf-8")


def test_the_same_key_in_two_files_of_an_environment_is_refused(project: ProjectFolder) -> None:
    project.config(CONFIG, name="airflow-k8s.yml")
    message = refused(project.compile(), "Duplicate keys", "run_config")
    assert message.count("base/airflow-k8s.yaml") == message.count("base/airflow-k8s.yml")


def test_two_files_of_an_environment_may_share_the_work(project: ProjectFolder) -> None:
    project.config("host: https://airflow.example.com\n", name="deploy/airflow-k8s.yml")
    assert image(compiled(project)) == IMAGE


@pytest.mark.parametrize(
    "value",
    [
        "${globals:registry}:2",
        "${runtime_params:image,'example.com/other:2'}",
        "${_image}",
        "${globals:nothing,${_image}}",
    ],
)
def test_interpolations_are_resolved_as_kedro_does(project: ProjectFolder, value: str) -> None:
    project.write("conf/base/globals.yml", "registry: example.com/other\n")
    project.config(f"_image: {OTHER}\nrun_config:\n    image: {value}\n")
    assert image(compiled(project)) == OTHER


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ("${oc.env:HOME}", "Unsupported interpolation type oc.env"),
        ("${globals:nothing}", "Globals key 'nothing' not found"),
        ("${runtime_params:nothing}", "'nothing' not found"),
        ("${nothing}", "Set the environment variable KEDRO_CONFIG_NOTHING"),
        ("${nothing|a.b}", "write ${kedro_config:nothing,'a.b'}"),
        ("${nothing|a b}", "A default after | must not contain spaces"),
        ("${nothing:1}", "Unsupported interpolation type nothing"),
        ("${nothing", "run_config.image"),
    ],
)
def test_an_interpolation_that_leads_nowhere_is_an_error_with_its_key(
    project: ProjectFolder, value: str, cause: str
) -> None:
    project.config(f"run_config:\n    image: '{value}'\n")
    refused(project.compile(), "base/airflow-k8s.yaml", cause)


def test_what_airflow_and_jinja_write_with_braces_passes_through(project: ProjectFolder) -> None:
    project.config(
        f"run_config:\n    image: {OTHER}\n    description: 'a {{{{ ds }}}} $HOME $(b)'\n"
    )
    assert "a {{ ds }} $HOME $(b)" in compiled(project)


# --- the loader of the project ----------------------------------------------------------------


def test_the_names_of_the_environments_and_of_the_folder_are_the_projects(
    project: ProjectFolder,
) -> None:
    project.settings(
        """
        CONF_SOURCE = "settings/conf"
        CONFIG_LOADER_ARGS = {"base_env": "common", "default_run_env": "dev"}
        """
    )
    (project.path / "settings").mkdir()
    (project.path / "conf").rename(project.path / "settings/conf")
    (project.path / "settings/conf/base").rename(project.path / "settings/conf/common")
    refused(project.compile(), "no configuration environment 'dev'", "Environments: common, local.")
    project.write("settings/conf/dev/airflow-k8s.yaml", f"run_config: {{image: {OTHER}}}\n")
    dag = compiled(project)
    assert image(dag) == OTHER
    assert "--env=dev" in dag
    assert list(project.dags()) == ["shop.py"]
    assert project.compile("-e", "local").exit_code == 0
    assert list(project.dags()) == ["shop--local.py", "shop.py"]


def test_a_project_with_all_its_configuration_in_one_folder_compiles(
    project: ProjectFolder,
) -> None:
    project.settings("CONFIG_LOADER_ARGS = {}\n")
    (project.path / "conf/base/airflow-k8s.yaml").rename(project.path / "conf/airflow-k8s.yaml")
    assert image(compiled(project)) == IMAGE
    assert list(project.dags()) == ["shop.py"]


def test_a_loader_made_from_kedros_own_is_used(project: ProjectFolder) -> None:
    project.settings(
        f"""
        from kedro.config import OmegaConfigLoader

        class Loader(OmegaConfigLoader):
            def __init__(self, *arguments, **options):
                resolvers = {{"other": lambda: "{OTHER}"}}
                super().__init__(*arguments, custom_resolvers=resolvers, **options)

        CONFIG_LOADER_CLASS = Loader
        """
    )
    project.config("run_config:\n    image: '${other:}'\n")
    assert image(compiled(project)) == OTHER


def test_patterns_and_merging_that_the_project_sets_are_respected(project: ProjectFolder) -> None:
    project.settings(
        """
        CONFIG_LOADER_ARGS = {
            "base_env": "base",
            "default_run_env": "local",
            "config_patterns": {"airflow-k8s": ["deployment*"]},
            "merge_strategy": {"airflow-k8s": "destructive"},
        }
        """
    )
    (project.path / "conf/base/airflow-k8s.yaml").unlink()
    project.config(f"run_config: {{image: {IMAGE}, namespace: bygone}}\n", name="deployment.yml")
    project.config(f"run_config: {{image: {OTHER}}}\n", "local", "deployment.yml")
    dag = compiled(project)
    assert image(dag) == OTHER
    assert "bygone" not in dag


LOADER_OF_ANOTHER_KIND = f"""
from kedro.config import AbstractConfigLoader

class Loader(AbstractConfigLoader):
    def __init__(self, conf_source, env, runtime_params, **_):
        super().__init__(conf_source, env, runtime_params)
        self.update(DATA)

CONFIG_LOADER_CLASS = Loader
CONFIG_LOADER_ARGS = {{}}
DATA = {{"airflow-k8s": {{"run_config": {{"image": "{OTHER}"}}}}}}
"""


def test_a_loader_of_another_kind_is_used_as_it_is(project: ProjectFolder) -> None:
    project.settings(LOADER_OF_ANOTHER_KIND)
    assert image(compiled(project)) == OTHER


def test_a_loader_that_does_not_know_the_file_is_not_passed_over(project: ProjectFolder) -> None:
    project.settings(LOADER_OF_ANOTHER_KIND + "DATA = {}\n")
    file = project.path / "conf/base/airflow-k8s.yaml"
    refused(project.compile("--image", OTHER), "Loader", "'airflow-k8s'", str(file))
    file.unlink()
    assert image(compiled(project, "--image", OTHER)) == OTHER


@pytest.mark.parametrize(
    ("setting", "file", "cause"),
    [
        ("CONFIG_LOADER_ARGS = {'nope': 1}", "", "'nope'"),
        ("", "a: 1\nb: [\n", "line 3"),
        ("", "${x: 1}: 2\n", ""),
    ],
)
def test_a_loader_that_does_not_start_is_an_error_with_its_cause(
    project: ProjectFolder, setting: str, file: str, cause: str
) -> None:
    project.settings(setting)
    project.write("conf/base/globals.yml", file)
    refused(project.compile(), cause)
