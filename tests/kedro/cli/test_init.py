"""`kedro airflow-k8s init` as a person meets it: files, messages, exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from omegaconf import OmegaConf

from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from tests.kedro.init.ci_machine import git
from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
    refused,
)

CONFIG = "conf/base/airflow-k8s.yaml"
URL = "https://airflow.example.com"
BASIC = [".dockerignore", CONFIG, "airflow-k8s.schema.json", "requirements.txt"]

# Calls kedro with the arguments; also root may then write only where its user may.
WITHOUT_ROOTS_RIGHTS = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
    sys.exit("the right stays")
os.execv(sys.executable, [sys.executable, "-m", "kedro", *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def _no_configuration(project: ProjectFolder) -> None:
    (project.path / CONFIG).unlink()


def init(project: ProjectFolder, *arguments: str) -> Result:
    return project.kedro("airflow-k8s", "init", *arguments)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output + result.stderr
    return result.stdout


def snapshot(project: ProjectFolder) -> dict[str, bytes]:
    """All files of the project but byte code."""
    return {
        path.relative_to(project.path).as_posix(): path.read_bytes()
        for path in sorted(project.path.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def config_of(project: ProjectFolder, file: str = CONFIG) -> dict[str, object]:
    found = OmegaConf.to_container(OmegaConf.load(project.path / file), resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


# --- what it writes ---------------------------------------------------------------------------


def test_it_says_what_it_wrote_and_what_to_do_next(project: ProjectFolder) -> None:
    before = snapshot(project)
    text = done(init(project, URL, "--output", "gs://bucket/dags"))
    assert sorted(snapshot(project).keys() - before.keys()) == sorted(BASIC)
    for name in BASIC:
        assert f"Wrote {name}: " in text
    assert "1. kedro airflow-k8s validate, to find problems" in text
    assert "sandbox run" in text
    assert f"For a cluster, edit {CONFIG}:\n       - Set run_config.image. " in text
    assert "- Make sure that the namespace shop exists, or set run_config.namespace" in text
    assert "docker build -t registry.example.com/shop:1.0 ." in text
    assert config_of(project)["host"] == URL
    assert config_of(project)["output"] == "gs://bucket/dags"


def test_what_it_wrote_validates_and_compiles(project: ProjectFolder) -> None:
    done(init(project, URL, "-o", "gs://bucket/dags"))
    done(project.kedro("airflow-k8s", "validate"))
    done(project.compile())
    assert list(project.dags()) == ["shop.py"]


def test_without_arguments_it_is_for_the_sandbox(project: ProjectFolder) -> None:
    text = done(init(project))
    assert config_of(project)["host"] == "http://127.0.0.1:8080"
    assert config_of(project)["output"] == ".airflow-sandbox/dags"
    assert "- Replace host and output, which are those of the sandbox." in text


def test_what_was_not_said_is_left_open_and_told(project: ProjectFolder) -> None:
    assert "- Set output." in done(init(project, URL))
    assert "output" not in config_of(project)
    assert "- Set host." in done(init(project, "--force", "--output", "gs://bucket/dags"))
    assert "host" not in config_of(project)


def test_a_slash_at_the_end_of_the_address_goes_and_a_path_of_a_proxy_stays(
    project: ProjectFolder,
) -> None:
    done(init(project, f"{URL}/team/airflow/"))
    assert config_of(project)["host"] == f"{URL}/team/airflow"


def test_the_call_of_the_document_works(project: ProjectFolder) -> None:
    # As a shell would put in the variable.
    done(
        init(project, "--with-github-actions", "--output", "gs://home/dags", "https://airflow.url")
    )
    found = sorted(file.name for file in (project.path / ".github/workflows").iterdir())
    assert found == ["build-and-run.yml", "build-and-schedule.yml"]
    assert "\noutput: gs://home/dags\n" in (project.path / CONFIG).read_text()


# --- the image by commit and project ----------------------------------------------------------


def image_of(project: ProjectFolder) -> str:
    """The image in the compiled DAG."""
    done(project.compile("--no-checks"))
    found: set[str] = set(re.findall(r"[a-z.-]+/[\w./-]*shop:[\w.-]+", project.dag()))
    (image,) = found
    return image


def test_the_variables_of_the_document_decide_about_an_image_of_google(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = done(init(project, URL, "-o", "gs://b/d", "--registry", "gar"))
    line = "  image: europe-docker.pkg.dev/${google_project_id}/shop/shop:${commit_id|dirty}\n"
    assert line in (project.path / CONFIG).read_text()
    assert "1. Set the environment variable KEDRO_CONFIG_GOOGLE_PROJECT_ID" in text
    host = "europe-docker.pkg.dev/$KEDRO_CONFIG_GOOGLE_PROJECT_ID/shop"
    assert f"docker build -t {host}/shop:$(git rev-parse HEAD) ." in text

    refused(project.compile(), "Set the environment variable KEDRO_CONFIG_GOOGLE_PROJECT_ID")
    assert not project.dags()

    monkeypatch.setenv("KEDRO_CONFIG_GOOGLE_PROJECT_ID", "my-project")
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "0123abc")
    assert image_of(project) == "europe-docker.pkg.dev/my-project/shop/shop:0123abc"


def test_the_commit_comes_from_git_if_the_variable_is_not_set(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(init(project, URL, "-o", "s3://b/d", "--registry", "ecr"))
    assert image_of(project) == "registry.example.com/shop:dirty"
    git(project.path, "init", "--quiet", "--initial-branch=main")
    git(project.path, "commit", "--quiet", "--allow-empty", "--message=One")
    commit = git(project.path, "rev-parse", "HEAD")
    assert image_of(project) == f"registry.example.com/shop:{commit}"
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "release-7")
    assert image_of(project) == "registry.example.com/shop:release-7"


def test_the_registry_of_the_service_is_that_of_the_remote(project: ProjectFolder) -> None:
    git(project.path, "init", "--quiet", "--initial-branch=main")
    git(project.path, "remote", "add", "origin", "git@github.com:Acme/Shop.git")
    text = done(init(project, URL, "-o", "s3://b/d", "--with-github-actions"))
    assert "  image: ghcr.io/acme/shop:${commit_id|dirty}\n" in (project.path / CONFIG).read_text()
    assert "only an example" not in text
    workflow = (project.path / ".github/workflows/build-and-run.yml").read_text()
    assert "image=ghcr.io/acme/shop\n" in workflow


def test_workflows_set_the_variables_that_the_configuration_needs(project: ProjectFolder) -> None:
    done(init(project, URL, "-o", "gs://b/d", "--registry", "gar", "--with-github-actions"))
    workflow = (project.path / ".github/workflows/build-and-schedule.yml").read_text()
    line = "KEDRO_CONFIG_GOOGLE_PROJECT_ID: ${{ vars.KEDRO_CONFIG_GOOGLE_PROJECT_ID }}"
    assert line in workflow
    assert "image=europe-docker.pkg.dev/$KEDRO_CONFIG_GOOGLE_PROJECT_ID/shop/shop\n" in workflow


def test_variables_of_a_configuration_that_exists_are_set_too(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.config("run_config: {image: 'example.com/shop', namespace: '${kedro_config:place}'}")
    call = ("--with-gitlab-ci", "--with-github-actions")
    refused(init(project, *call), "KEDRO_CONFIG_PLACE")
    monkeypatch.setenv("KEDRO_CONFIG_PLACE", "here")
    done(init(project, *call))
    workflow = (project.path / ".github/workflows/build-and-run.yml").read_text()
    assert "KEDRO_CONFIG_PLACE: ${{ vars.KEDRO_CONFIG_PLACE }}" in workflow
    assert "#   KEDRO_CONFIG_PLACE  " in (project.path / ".gitlab-ci.yml").read_text()


# --- files for CI services and the image ------------------------------------------------------


def test_an_existing_gitlab_pipeline_stays_and_init_says_what_to_include(
    project: ProjectFolder,
) -> None:
    own = project.write(".gitlab-ci.yml", "lint:\n  script: make lint\n")
    before = own.read_text()
    for force in ((), ("--force",)):
        text = done(init(project, URL, "-o", "s3://b/d", "--with-gitlab-ci", *force))
        assert own.read_text() == before
        if not force:
            assert "Wrote .gitlab/kedro-airflow-k8s.yml: " in text
            assert "include:\n         - local: .gitlab/kedro-airflow-k8s.yml" in text
    included = (project.path / ".gitlab/kedro-airflow-k8s.yml").read_text()
    assert 'local: ".gitlab/kedro-airflow-k8s.yml"' in included
    # One of our own is not included in itself.
    own.unlink()
    done(init(project, URL, "-o", "s3://b/d", "--with-gitlab-ci", "--force"))
    whole = own.read_text()
    done(init(project, URL, "-o", "s3://b/d", "--with-gitlab-ci", "--force"))
    assert own.read_text() == whole


def test_the_extras_that_uploads_and_log_in_need_are_in_the_requirements(
    project: ProjectFolder,
) -> None:
    done(init(project, URL, "-o", "s3://b/d", "--airflow-auth", "google"))
    lines = (project.path / "requirements.txt").read_text().splitlines()
    assert lines[-1] == "kedro-airflow-k8s[aws,gcp]>=1.0"


def test_force_replaces_the_files_that_are_asked_for_and_keeps_the_configuration(
    project: ProjectFolder,
) -> None:
    done(init(project, URL, "-o", "s3://b/d", "--with-gitlab-ci", "--dockerfile"))
    before = (project.path / CONFIG).read_bytes()
    project.write("Dockerfile", "FROM scratch\n")

    done(init(project, "--with-gitlab-ci", "--registry", "ecr", "--dockerfile", "--force"))

    assert (project.path / CONFIG).read_bytes() == before
    assert "ECR" in (project.path / ".gitlab-ci.yml").read_text().upper()
    assert "FROM scratch" not in (project.path / "Dockerfile").read_text()


def test_where_the_image_gets_the_plugin_from_is_said_until_its_wheel_is_there(
    project: ProjectFolder,
) -> None:
    assert "add its wheel: `pip wheel" in done(init(project, URL, "--dockerfile"))
    project.write("wheels/kedro_airflow_k8s-1.0.0-py3-none-any.whl", "")
    assert "wheels/" not in done(init(project, "--dockerfile", "--force")).partition("Next:")[2]


@pytest.mark.parametrize("ignored", [None, "/dags/", "dags"])
def test_in_a_git_repository_the_compiled_dags_are_offered_for_its_gitignore(
    project: ProjectFolder, ignored: str | None
) -> None:
    assert "/dags/" not in done(init(project, URL))
    git(project.path, "init", "--quiet")
    if ignored:
        project.write(".gitignore", f"__pycache__/\n{ignored}\n")
    text = done(init(project, URL, "--force"))
    assert ("echo /dags/ >> .gitignore" in text) is (ignored is None)


def test_gitlab_gets_its_pipeline(project: ProjectFolder) -> None:
    text = done(init(project, URL, "-o", "s3://b/d", "--with-gitlab-ci", "--registry", "ecr"))
    assert "Wrote .gitlab-ci.yml: " in text
    assert "Commit and push" in text


@pytest.mark.parametrize("auth", ["token", "password", "google", "aws", "none"])
def test_the_way_to_log_in_is_in_the_file(project: ProjectFolder, auth: str) -> None:
    text = done(init(project, URL, "--airflow-auth", auth))
    found = config_of(project)["airflow_auth"]
    assert (found if isinstance(found, str) else dict(found)["type"]) == auth  # type: ignore[call-overload]
    assert ("airflow_auth.environment" in text) == (auth == "aws")


def test_an_environment_gets_a_folder_with_the_whole_file(project: ProjectFolder) -> None:
    for arguments in (["--env", "prod"], ["-e", "cloud/eu"]):
        text = done(init(project, URL, *arguments))
        name = arguments[1]
        assert f"Wrote conf/{name}/airflow-k8s.yaml" in text
        assert f"kedro airflow-k8s validate --env {name}" in text
        assert config_of(project, f"conf/{name}/airflow-k8s.yaml")["host"] == URL
        first = (project.path / f"conf/{name}/airflow-k8s.yaml").read_text().splitlines()[0]
        schema = first.partition("$schema=")[2]
        assert (project.path / f"conf/{name}" / schema).resolve().is_file()
    assert not (project.path / CONFIG).exists()


def test_an_environment_overrides_the_file_in_base_and_repeats_nothing_of_it(
    project: ProjectFolder,
) -> None:
    done(init(project, URL, "--output", "gs://bucket/dags"))
    base = project.kedro("airflow-k8s", "compile")
    assert base.exit_code == 0, base.output

    text = done(init(project, "--env", "staging"))

    file = "conf/staging/airflow-k8s.yaml"
    assert f"Wrote {file}: overrides {CONFIG} in this environment" in text
    assert config_of(project, file) == {}
    assert f"Overrides {CONFIG} with --env staging." in (project.path / file).read_text()
    # The DAG is that of base, under the name of the environment.
    done(project.kedro("airflow-k8s", "compile", "--env", "staging"))
    dags = project.dags()
    assert set(dags) == {"shop.py", "shop--staging.py"}
    # What was there is not replaced without being asked.
    refused(init(project, "--env", "staging"), f"{file} already exists")


def test_an_environment_has_of_its_own_what_the_arguments_say(project: ProjectFolder) -> None:
    done(init(project, URL))
    there = "https://staging.example.com"
    options = ["--airflow-auth", "token", "--registry", "ghcr"]
    text = done(init(project, there, "-e", "staging", *options))
    written = (project.path / "conf/staging/airflow-k8s.yaml").read_text()
    assert yaml.safe_load(written) == {
        "host": there,
        "airflow_auth": "token",
        "run_config": {"image": "registry.example.com/shop:${commit_id|dirty}"},
    }
    # Base does not say it either.
    assert "edit conf/staging/airflow-k8s.yaml:\n       - Set output.\n" in text


def test_the_workflows_of_an_environment_keep_the_image_of_base(project: ProjectFolder) -> None:
    done(init(project, URL, "--output", "gs://bucket/dags"))
    base = project.path / CONFIG
    own = base.read_text().replace("registry.example.com", "images.example.org")
    base.write_text(own)
    done(init(project, "-e", "staging", "--with-gitlab-ci"))
    assert config_of(project, "conf/staging/airflow-k8s.yaml") == {}


def test_an_environment_named_before_the_command_counts_and_kedro_env_does_not(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_ENV", "local")
    done(init(project, URL))
    assert (project.path / CONFIG).exists()
    done(project.kedro("airflow-k8s", "-e", "prod", "init", URL))
    assert (project.path / "conf/prod/airflow-k8s.yaml").exists()


def test_the_schema_line_leads_to_a_schema_that_the_file_fits(project: ProjectFolder) -> None:
    import json

    import jsonschema

    done(init(project, URL))
    file = project.path / CONFIG
    schema = file.parent / file.read_text().splitlines()[0].partition("$schema=")[2]
    jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(schema.read_text()))


def test_a_hostile_project_name_makes_a_file_that_loads(project: ProjectFolder) -> None:
    name = 'a "b": ${c} # d\\n {{ e }} żółw'
    toml = project.path / "pyproject.toml"
    toml.write_text(toml.read_text().replace('"Shop"', f"'''{name}'''"), encoding="utf-8")
    done(init(project, URL, "--dockerfile"))
    run = dict(config_of(project)["run_config"])  # type: ignore[call-overload]
    assert run["experiment_name"] == name
    assert run["image"] == "registry.example.com/a-b-c-d-n-e-zolw:1.0"
    done(project.compile("--no-checks"))


def test_it_works_from_a_folder_below_the_project(project: ProjectFolder) -> None:
    run = project.start_kedro("airflow-k8s", "init", URL, cwd=project.path / "src")
    assert run.returncode == 0, run.stderr
    assert (project.path / CONFIG).exists()
    assert f"Wrote {CONFIG}" in run.stdout


def test_a_project_in_a_folder_of_a_repository_has_its_workflows_at_the_top(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = project.path.parent
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(top)], check=True)
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    text = done(init(project, URL, "-o", "gs://b/d", "--with-github-actions"))
    found = sorted((top / ".github/workflows").iterdir())
    assert len(found) == 2
    assert all(f"Wrote ../.github/workflows/{file.name}" in text for file in found)
    assert all("trunk" in file.read_text() for file in found)
    assert not (project.path / ".github").exists()


# --- what exists already ---------------------------------------------------------------------


def test_a_second_time_it_refuses_and_names_the_way_out(project: ProjectFolder) -> None:
    done(init(project, URL))
    before = snapshot(project)
    edit = "To replace it, add --force, or edit `host` and `output` in it."
    refused(init(project, URL), f"{CONFIG} already exists", edit, "--dry-run")
    assert snapshot(project) == before


def test_force_replaces_it(project: ProjectFolder) -> None:
    done(init(project, URL))
    text = done(init(project, "https://other.example.com", "--force"))
    assert f"Changed {CONFIG}" in text
    assert config_of(project)["host"] == "https://other.example.com"


@pytest.mark.parametrize("name", ["airflow-k8s.yml", "airflow-k8s.json"])
def test_a_file_of_another_kind_counts_as_there(project: ProjectFolder, name: str) -> None:
    project.config("{}", name=name)
    before = snapshot(project)
    refused(init(project, URL), f"conf/base/{name} already exists")
    refused(init(project, URL, "--force"), f"conf/base/{name}", "Rename it to airflow-k8s.yaml")
    assert snapshot(project) == before


def test_files_can_be_added_to_a_configuration_that_exists(project: ProjectFolder) -> None:
    project.config(
        """
        host: https://mine.example.com
        output: gs://mine/dags
        run_config:
            image: eu.example.com:5000/team/app:3@sha256:{}
            volume: {{mount_path: /app/warehouse}}
        """.format("0" * 64)
        .replace("{{", "{")
        .replace("}}", "}")
    )
    before = snapshot(project)
    text = done(init(project, "--dockerfile", "--with-github-actions"))
    assert f"Kept {CONFIG}." in text
    assert snapshot(project)[CONFIG] == before[CONFIG]
    assert "WORKDIR /app\n" in (project.path / "Dockerfile").read_text()
    assert "!warehouse/01_raw" in (project.path / ".dockerignore").read_text()
    assert "eu.example.com:5000/team/app:3" not in text  # CI builds it
    assert "Set run_config.image" not in text


def test_a_configuration_that_is_there_is_not_kept_when_something_else_is_said(
    project: ProjectFolder,
) -> None:
    done(init(project, URL))
    message = refused(init(project, "https://other.example.com", "--dockerfile"))
    assert "omit AIRFLOW_URL, --output and --airflow-auth" in message
    assert not (project.path / "Dockerfile").exists()


def test_a_dockerfile_of_the_users_is_not_replaced(project: ProjectFolder) -> None:
    project.write("Dockerfile", "FROM mine\n")
    before = snapshot(project)
    refused(init(project, URL, "--dockerfile"), "Dockerfile already exists", "--force")
    assert snapshot(project) == before
    done(init(project, URL))
    assert (project.path / "Dockerfile").read_text() == "FROM mine\n"
    done(init(project, URL, "--dockerfile", "--force"))
    assert "kedro_docker" in (project.path / "Dockerfile").read_text()


def test_a_workflow_of_the_users_is_not_replaced(project: ProjectFolder) -> None:
    project.write(".github/workflows/build-and-run.yml", "mine\n")
    before = snapshot(project)
    refused(
        init(project, URL, "-o", "gs://b/d", "--with-github-actions"),
        ".github/workflows/build-and-run.yml already exists",
    )
    assert snapshot(project) == before


def test_a_schema_of_another_version_is_replaced(project: ProjectFolder) -> None:
    schema = project.write("airflow-k8s.schema.json", '{"title": "airflow-k8s.yaml"}')
    done(init(project, URL))
    assert "run_config" in schema.read_text()


def test_requirements_get_a_line_and_dockerignore_stays(project: ProjectFolder) -> None:
    ignored = project.write(".dockerignore", "# mine\ndata\n")
    project.write("requirements.txt", "pandas\n")
    (project.path / "conf/local/.gitkeep").unlink()
    text = done(init(project, URL))
    assert ignored.read_text() == "# mine\ndata\n"
    assert "Changed requirements.txt: " in text
    assert "Wrote conf/local/.gitkeep: " in text
    assert (project.path / "requirements.txt").read_text() == "pandas\nkedro-airflow-k8s>=1.0\n"


def test_the_lines_that_a_dockerignore_lacks_are_printed(project: ProjectFolder) -> None:
    ignored = project.write(".dockerignore", ".venv\ndata\nconf/**/*credentials*\n")
    text = done(init(project, URL))
    step = text.partition("1. Add these lines at the end of .dockerignore.")[2]
    lines = [line.strip() for line in step.partition("  2. ")[0].splitlines()[1:]]
    ignored.write_text("\n".join([ignored.read_text(), *lines]))
    out = (".env", ".git/config", ".netrc", "conf/local/credentials.yml", ".venv/bin/python")
    assert [name for name in out if not image_lacks(project, name)] == []
    kept = ("data/01_raw/x.csv", "conf/base/catalog.yml", "conf/local/.gitkeep")
    assert [name for name in kept if image_lacks(project, name)] == []
    assert ".dockerignore" not in done(init(project, URL, "--force"))


def test_a_project_that_does_not_import_still_gets_its_file(project: ProjectFolder) -> None:
    project.registry("import missing_here")
    done(init(project, URL))
    assert config_of(project)["host"] == URL


def image_lacks(project: ProjectFolder, path: str) -> bool:
    """Whether an image that is built now has not got a file."""
    return DockerIgnore((project.path / ".dockerignore").read_text().splitlines()).ignores(path)


def test_passwords_under_a_name_of_the_projects_own_stay_out_of_the_image(
    project: ProjectFolder,
) -> None:
    project.settings("""
        CONF_SOURCE = "settings"
        CONFIG_LOADER_ARGS = {
            "base_env": "base",
            "default_run_env": "local",
            "config_patterns": {"credentials": ["secrets*", "**/vault/*"]},
        }
    """)
    (project.path / "conf").rename(project.path / "settings")
    done(init(project, URL))
    for name in ("base/secrets.yml", "prod/secrets.yml", "base/x/vault/db.yml", "local/any.yml"):
        assert image_lacks(project, f"settings/{name}")
    assert not image_lacks(project, "settings/base/catalog.yml")


def test_a_loader_of_the_projects_own_says_where_passwords_are(project: ProjectFolder) -> None:
    project.settings("""
        from kedro.config import OmegaConfigLoader

        class Loader(OmegaConfigLoader):
            def __init__(self, *arguments, **options):
                super().__init__(*arguments, **options)
                self.config_patterns["credentials"] = ["keys*"]

        CONFIG_LOADER_CLASS = Loader
        CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
    """)
    done(init(project, URL))
    assert image_lacks(project, "conf/base/keys.yml")


def test_a_pattern_for_passwords_that_fits_the_catalog_is_reported(project: ProjectFolder) -> None:
    project.settings("""
        CONFIG_LOADER_ARGS = {
            "base_env": "base",
            "default_run_env": "local",
            "config_patterns": {"credentials": ["*.yml"]},
        }
    """)
    assert "Make the pattern '*.yml' for credentials" in done(init(project, URL))
    assert not image_lacks(project, "conf/base/catalog.yml")


@pytest.mark.parametrize(
    "path",
    [
        "/data",
        "/usr/lib/data",
        "/etc/data",
        "/home/data",
        # In pieces, as no file may name the home of whom it was written by.
        "/" + "root/project/data",
        "/var/lib/data",
        "/tmp/data",
        "/home/me/my data",
        "/home/a;reboot/data",
        "/home/$HOME/data",
    ],
)
def test_a_folder_that_no_image_may_give_away_gets_no_dockerfile(
    project: ProjectFolder, path: str
) -> None:
    project.config(yaml.safe_dump({"run_config": {"volume": {"mount_path": path}}}))
    before = snapshot(project)
    message = refused(init(project, "--dockerfile"), "run_config.volume.mount_path", repr(path))
    assert "Nothing was written." in message
    assert "/home/kedro_docker/data" in message
    assert snapshot(project) == before


@pytest.mark.parametrize(
    "path", ["/app/data", "/usr/src/app/data", "/opt/a+b/x.1/data", "/home/żółw/data"]
)
def test_a_folder_of_the_projects_own_gets_one(project: ProjectFolder, path: str) -> None:
    project.config(yaml.safe_dump({"run_config": {"volume": {"mount_path": path}}}))
    done(init(project, "--dockerfile"))
    home = path.rpartition("/")[0]
    assert f"WORKDIR {home}\n" in (project.path / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--with-github-actions", "--with-gitlab-ci"])
def test_a_folder_of_a_repository_with_a_line_break_gets_no_files_for_ci(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    top = project.path.parent
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    monkeypatch.delenv("GIT_CEILING_DIRECTORIES")
    odd = ProjectFolder(project.path.rename(top / "my\nshop"))
    run = odd.start_kedro("airflow-k8s", "init", URL, "-o", "gs://b/d", option)
    assert run.returncode == 1
    assert "'my\\nshop'" in run.stderr
    assert "Rename it" in run.stderr
    assert not (odd.path / CONFIG).exists()
    run = odd.start_kedro("airflow-k8s", "init", URL, "-o", "gs://b/d")
    assert run.returncode == 0, run.stderr


# --- killed -----------------------------------------------------------------------------------

# Calls kedro with the arguments, and dies as by `kill -9` right before or after a rename.
KILLED = """
import os, sys, signal
number = int(sys.argv.pop(1))
real, calls = os.replace, []
def replace(source, target, **options):
    if "conf/base" in str(target) or ".github" in str(target) or str(target).endswith(".txt"):
        calls.append(target)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target, **options)
os.replace = replace
from kedro.framework.cli.cli import main
sys.argv[0] = "kedro"
main()
"""
CI_CALL = ("airflow-k8s", "init", URL, "-o", "gs://b/d", "--dockerfile", "--with-github-actions")


@pytest.mark.parametrize("number", [1, 4])
def test_after_a_kill_the_same_call_makes_it_whole(project: ProjectFolder, number: int) -> None:
    project.write("requirements.txt", "kedro\n")
    whole = set(BASIC) | {"Dockerfile", ".github/workflows/build-and-run.yml"}
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(number), *CI_CALL],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    # The configuration, by which the next `init` knows that this one came to its end, comes last.
    assert CONFIG not in snapshot(project)
    again = project.start_kedro(*CI_CALL)
    assert again.returncode == 0, again.stderr
    assert whole <= snapshot(project).keys()
    assert "kedro-airflow-k8s[gcp]" in (project.path / "requirements.txt").read_text()


# --- nothing is written -----------------------------------------------------------------------


def test_a_dry_run_prints_every_file_with_its_path_and_writes_none(project: ProjectFolder) -> None:
    before = snapshot(project)
    text = done(init(project, URL, "--dry-run", "--dockerfile"))
    assert snapshot(project) == before
    parts = text.split("--- ")
    shown = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts[1:]}
    assert sorted(shown) == sorted([*BASIC, "Dockerfile"])
    done(init(project, URL, "--dockerfile"))
    for name, printed in shown.items():
        assert printed.rstrip("\n") == (project.path / name).read_text().rstrip("\n")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("airflow.example.com", "with http:// or https:// in front"),
        ("ftp://airflow.example.com", "with http:// or https:// in front"),
        ("https://", "with http:// or https:// in front"),
        ("https://air flow.example.com", "must be the base address"),
        ("https://airflow.example.com:port", "must be the base address"),
        ("https://airflow.example.com/?a=b", "without `?` and `#`"),
        ("https://airflow.example.com/home", f"Omit the path: {URL}."),
        ("https://airflow.example.com/dags/x/grid", f"Omit the path: {URL}."),
        ("https://airflow.example.com/x/api/v2", f"Omit the path: {URL}/x."),
        ("", "must be the base address"),
    ],
)
def test_a_broken_address_is_refused_in_one_message(
    project: ProjectFolder, url: str, words: str
) -> None:
    before = snapshot(project)
    message = refused(init(project, url), "AIRFLOW_URL: ", words, "Nothing was written.")
    assert repr(url) in message
    assert snapshot(project) == before


def test_a_password_in_the_address_is_refused_and_not_repeated(project: ProjectFolder) -> None:
    message = refused(init(project, "https://me:hunter2@airflow.example.com"), "AIRFLOW_URL")
    assert "user and password do not belong in this file" in message
    assert "hunter2" not in message


def test_an_empty_variable_before_the_address_is_noticed(project: ProjectFolder) -> None:
    # What a shell makes of `--output ${UNSET} https://airflow.url`.
    before = snapshot(project)
    refused(init(project, "--output", "https://airflow.url"), "the value of --output is missing")
    refused(init(project, "--output", "", URL), "the output location is empty")
    refused(init(project, "--output", "gss://bucket/x", URL), "gss")
    assert snapshot(project) == before


@pytest.mark.parametrize("env", ["..", "../x", "/abs", "a//b", ".", "a/../b", "a\nb", " "])
def test_an_environment_that_is_not_a_folder_of_the_configuration_is_refused(
    project: ProjectFolder, env: str
) -> None:
    before = snapshot(project)
    refused(init(project, URL, "--env", env), "--env")
    assert snapshot(project) == before


def test_outside_a_project_it_says_so(project: ProjectFolder, tmp_path: Path) -> None:
    run = project.start_kedro("airflow-k8s", "init", URL, cwd=tmp_path)
    assert run.returncode == 1
    assert "There is no Kedro project in" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="root writes anywhere")
def test_a_project_that_is_read_only_is_reported(project: ProjectFolder) -> None:
    before = snapshot(project)
    folders = [project.path, *(path for path in project.path.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOTS_RIGHTS, "airflow-k8s", "init", URL],
        cwd=project.path,
        capture_output=True,
        text=True,
        check=False,
    )
    for folder in folders:
        folder.chmod(0o755)
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stderr.count("Error: ") == 1
    assert "cannot be written: Permission denied." in run.stderr
    assert snapshot(project) == before
