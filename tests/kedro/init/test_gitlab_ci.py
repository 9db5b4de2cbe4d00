"""The pipeline for GitLab: GitLab's own schema, shellcheck, and what its jobs are to do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from kedro_airflow_k8s.cli.init import init_command
from kedro_airflow_k8s.init.ci import CiSetup
from kedro_airflow_k8s.init.facts import AuthKind, Registry
from kedro_airflow_k8s.init.gitlab_ci import gitlab_pipeline
from tests.kedro.init.ci_variants import (
    HOSTILE,
    IMAGES,
    VARIANTS,
    changed,
    setup,
    with_image,
    write_all,
)
from tests.kedro.init.gitlab_runner import read_pipeline, script_of

INCLUDED = [False, True]
CLOUD_OF = {"google": "GCP", "aws": "AWS", "gs": "GCP", "s3": "AWS", "abfs": "AZURE"}


def text_of(jobs: CiSetup, included: bool = False) -> str:
    return gitlab_pipeline(jobs, included=included).text


def jobs_of(jobs: CiSetup, included: bool = False) -> dict[str, dict[str, Any]]:
    """The jobs that run, by the end of their names."""
    return {
        name.removeprefix(f"{jobs.facts.slug}-"): job
        for name, job in read_pipeline(text_of(jobs, included)).items()
        if not name.startswith(".")
    }


def test_every_variant_is_valid_by_gitlabs_schema(tmp_path: Path) -> None:
    files = [
        path
        for number, variant in enumerate(VARIANTS)
        for included in INCLUDED
        for path in write_all(
            tmp_path / f"{number} {included}", [gitlab_pipeline(variant, included=included)]
        )
    ]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing_in_any_script(tmp_path: Path) -> None:
    scripts: dict[str, Path] = {}
    for variant in VARIANTS:
        for name, job in jobs_of(variant).items():
            # BuildKit's job runs in Alpine, which has no bash.
            shell = "sh" if name == "build-image" else "bash"
            text = f"#!/bin/{shell}\nset -eo pipefail\n{script_of(job)}"
            if text not in scripts:
                scripts[text] = tmp_path / f"{len(scripts)}-{name}.{shell}"
                scripts[text].write_text(text)
    shellcheck = Path(sys.executable).with_name("shellcheck")
    # pipefail is in POSIX since 2024; GitLab sets variables; a `$` in a folder's name stays one.
    command: list[str | Path] = [shellcheck, "--exclude=SC3040,SC2154,SC2016"]
    done = subprocess.run(
        [*command, *scripts.values()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert len(scripts) > 10


def test_it_is_gitlabs_file_or_one_that_the_users_includes() -> None:
    whole = gitlab_pipeline(setup())
    assert whole.path == Path(".gitlab-ci.yml")
    part = gitlab_pipeline(setup(), included=True)
    assert part.path == Path(".gitlab/kedro-airflow-k8s.yml")
    # Nothing in it may change the user's own jobs, or have a name that they may have.
    names = set(yaml.safe_load(part.text))
    assert all(name.lstrip(".").startswith("shop-") for name in names)
    assert {"stages", "workflow"} < set(yaml.safe_load(whole.text))
    shop = changed(setup(), folder="shops/one", slug="shop-one")
    assert gitlab_pipeline(shop, included=True).path.name == "shop-one-kedro-airflow-k8s.yml"


@pytest.mark.parametrize("included", INCLUDED)
def test_a_branch_is_run_and_the_default_branch_is_scheduled(included: bool) -> None:
    jobs = jobs_of(setup(), included)
    assert set(jobs) == {"check", "build-image", "run-once", "schedule"}
    conditions = {name: job["rules"][0]["if"] for name, job in jobs.items()}
    assert "!= $CI_DEFAULT_BRANCH" in conditions["run-once"]
    assert "== $CI_DEFAULT_BRANCH" in conditions["schedule"]
    assert conditions["check"] == conditions["build-image"]
    assert "DEFAULT" not in conditions["check"]
    assert jobs["schedule"]["script"][-1].startswith("kedro airflow-k8s schedule --all ")
    assert jobs["check"]["script"] == [
        "kedro airflow-k8s validate --all",
        "kedro airflow-k8s compile --all",
    ]
    assert jobs["schedule"]["interruptible"] is False
    assert jobs["schedule"]["resource_group"]
    assert jobs["run-once"]["interruptible"] is True
    assert "$CI_COMMIT_REF_SLUG" in jobs["run-once"]["resource_group"]
    assert all("timeout" in job for job in jobs.values())
    prefix = "shop-" if included else ""
    for name in ("run-once", "schedule"):
        assert jobs[name]["needs"] == [f"{prefix}build-image"]
    assert jobs["build-image"]["needs"] == [f"{prefix}check"]


def test_a_job_has_tokens_for_the_clouds_it_uses_and_no_others() -> None:
    registry: dict[str, set[str]] = {
        "ghcr": set(),
        "gar": {"GCP_ID_TOKEN"},
        "ecr": {"AWS_ID_TOKEN"},
    }
    for variant in VARIANTS:
        jobs, airflow = jobs_of(variant), variant.facts.airflow
        words = (airflow.output.partition("://")[0], airflow.login)
        tokens = {f"{CLOUD_OF[word]}_ID_TOKEN" for word in words if word in CLOUD_OF}
        assert set(jobs["build-image"].get("id_tokens", ())) == registry[variant.registry]
        assert "id_tokens" not in jobs["check"]
        for name in ("run-once", "schedule"):
            assert set(jobs[name].get("id_tokens", ())) == tokens
            # And it makes use of each.
            assert all(f'"${token}"' in script_of(jobs[name]) for token in tokens)


def test_the_image_is_pushed_by_commit_and_job_and_run_by_digest() -> None:
    jobs = jobs_of(setup())
    build = script_of(jobs["build-image"])
    # A registry may refuse to move a tag, and the same commit comes with a merge and with a retry.
    assert '--tag "$name:$CI_COMMIT_SHA-$CI_JOB_ID"' in build
    # For `${commit_id}` in the configuration.
    assert '--tag "$name:$CI_COMMIT_SHA" "$name@$digest"' in build
    # The tag of the cache is moved, and an image without a new cache is as good.
    assert re.search(r'--cache-to "[^"]*,ignore-error=true"', build)
    assert 'echo "BUILT_IMAGE=$name@$digest" > image.env' in build
    assert jobs["build-image"]["artifacts"]["reports"]["dotenv"] == "image.env"
    for name in ("run-once", "schedule"):
        assert '--image "$BUILT_IMAGE"' in script_of(jobs[name])


def test_the_image_is_built_without_a_privileged_docker() -> None:
    (service,) = jobs_of(setup())["build-image"]["services"]
    assert re.fullmatch(r"moby/buildkit:v[\d.]+-rootless@sha256:[0-9a-f]{64}", service["name"])
    assert "dind" not in text_of(setup())


def test_the_image_is_the_one_of_the_configuration_if_that_is_in_the_registry() -> None:
    clouds: tuple[Registry, ...] = ("gar", "ecr")
    for registry in clouds:
        image = IMAGES[registry].replace("${google_project_id}", "$KEDRO_CONFIG_GOOGLE_PROJECT_ID")
        assert jobs_of(with_image(registry))["build-image"]["variables"]["IMAGE"] == image
        assert "IMAGE   " not in text_of(with_image(registry))
        unknown = setup(registry)
        assert "IMAGE" not in jobs_of(unknown)["build-image"]["variables"]
        assert re.search(r"^#   IMAGE +name of the image", text_of(unknown), re.MULTILINE)
    own = jobs_of(setup())["build-image"]
    assert own["variables"]["IMAGE"] == "$CI_REGISTRY_IMAGE"


def test_the_variables_of_the_configuration_are_set() -> None:
    text = text_of(with_image("gar"))
    assert re.search(r"^#   KEDRO_CONFIG_GOOGLE_PROJECT_ID +id of the project", text, re.MULTILINE)
    variables = jobs_of(with_image("gar"))["check"]["variables"]
    assert variables["KEDRO_CONFIG_COMMIT_ID"] == "$CI_COMMIT_SHA"
    assert variables["KEDRO_CONFIG_BRANCH_NAME"] == "$CI_COMMIT_REF_NAME"


def test_ghcr_is_gitlabs_own_registry_and_the_option_says_so() -> None:
    own = with_image("ghcr")
    build = jobs_of(own)["build-image"]
    assert build["variables"]["IMAGE"] == "$CI_REGISTRY_IMAGE"
    assert "password=$CI_REGISTRY_PASSWORD" in script_of(build)
    assert "ghcr" not in text_of(own)
    (option,) = [parameter for parameter in init_command.params if parameter.name == "registry"]
    assert isinstance(option, click.Option)
    assert "registry of GitHub or GitLab" in str(option.help)


def test_no_password_is_named_but_in_the_comment() -> None:
    kinds: tuple[AuthKind, ...] = ("token", "password")
    for auth in kinds:
        text = text_of(setup("ghcr", auth))
        comment, _, rest = text.partition("\n\n")
        assert "AIRFLOW_API_" in comment
        assert "AIRFLOW_API_" not in rest


def test_variables_are_to_be_set_where_a_job_without_an_environment_sees_them_too() -> None:
    variant = setup("ecr", "token")
    jobs = jobs_of(variant)
    assert "environment" not in jobs["build-image"]
    assert "$AWS_ROLE" in script_of(jobs["build-image"])
    (where,) = re.findall(r"^# Set on GitLab, .*", text_of(variant), re.MULTILINE)
    assert where.endswith(", for all environments:")


def test_hostile_texts_stay_texts() -> None:
    jobs = jobs_of(HOSTILE)
    assert set(jobs) == {"check", "build-image", "run-once", "schedule"}
    value = jobs["check"]["variables"]["KEDRO_ENV"]
    assert value.replace("$$", "$") == HOSTILE.facts.env
    cd = next(line for line in jobs["check"]["before_script"] if line.startswith("cd "))
    printed = subprocess.run(
        ["bash", "-c", cd.replace("cd ", "printf %s ", 1)], capture_output=True, check=True
    )
    assert printed.stdout.decode() == HOSTILE.facts.repository.folder
