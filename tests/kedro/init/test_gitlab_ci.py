"""The pipeline for GitLab: GitLab's own schema, shellcheck, and what its jobs are to do."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import click
import pytest
import yaml

from kedro_airflow_k8s.cli.init import init_command
from kedro_airflow_k8s.init import AuthKind, Registry
from kedro_airflow_k8s.init.gitlab_ci import gitlab_pipeline
from tests.kedro.init.ci_variants import (
    FACTS,
    HOSTILE_FACTS,
    IMAGES,
    Variant,
    every_variant,
    write_all,
)
from tests.kedro.init.gitlab_runner import read_pipeline, script_of

VARIANTS = list(every_variant())
INCLUDED = [False, True]
CLOUD_OF = {"google": "GCP", "aws": "AWS", "gs": "GCP", "s3": "AWS", "abfs": "AZURE"}


def text_of(variant: Variant, included: bool = False) -> str:
    (file,) = gitlab_pipeline(variant.facts, variant.registry, variant.airflow_auth, included)
    return file.text


def jobs_of(variant: Variant, included: bool = False) -> dict[str, dict[str, Any]]:
    """The jobs that run, by the end of their names."""
    jobs = read_pipeline(text_of(variant, included))
    return {
        name.removeprefix(f"{variant.facts.slug}-"): job
        for name, job in jobs.items()
        if not name.startswith(".")
    }


def test_every_variant_is_valid_by_gitlabs_schema(tmp_path: Path) -> None:
    files = [
        path
        for variant in VARIANTS
        for included in INCLUDED
        for path in write_all(
            tmp_path / variant.name / str(included),
            gitlab_pipeline(variant.facts, variant.registry, variant.airflow_auth, included),
        )
    ]
    assert len(set(files)) == 2 * len(VARIANTS)
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
    (whole,) = gitlab_pipeline(FACTS, "ghcr", "token")
    assert whole.path == PurePosixPath(".gitlab-ci.yml")
    assert whole.base == "repository"
    (part,) = gitlab_pipeline(FACTS, "ghcr", "token", included=True)
    assert part.path == PurePosixPath(".gitlab/kedro-airflow-k8s.yml")
    assert ".gitlab-ci.yml" in part.why
    # Nothing of it may change the user's own jobs, or have a name that they may have.
    names = set(yaml.safe_load(part.text))
    assert all(name.lstrip(".").startswith("shop-") for name in names)
    assert {"stages", "workflow"} < set(yaml.safe_load(whole.text))
    shop = replace(FACTS, repository_path="shops/one", slug="shop-one")
    (other,) = gitlab_pipeline(shop, "ghcr", "token", included=True)
    assert other.path == PurePosixPath(".gitlab/shop-one-kedro-airflow-k8s.yml")


@pytest.mark.parametrize("included", INCLUDED)
def test_a_branch_is_run_and_the_default_branch_is_scheduled(included: bool) -> None:
    jobs = jobs_of(Variant(FACTS, "ghcr", "token"), included)
    assert set(jobs) == {"check", "build-image", "run-once", "schedule"}
    conditions = {name: job["rules"][0]["if"] for name, job in jobs.items()}
    assert "!= $CI_DEFAULT_BRANCH" in conditions["run-once"]
    assert "== $CI_DEFAULT_BRANCH" in conditions["schedule"]
    assert conditions["check"] == conditions["build-image"]
    assert "DEFAULT" not in conditions["check"]
    assert jobs["schedule"]["interruptible"] is False
    assert jobs["schedule"]["resource_group"]
    assert jobs["run-once"]["interruptible"] is True
    assert "$CI_COMMIT_REF_SLUG" in jobs["run-once"]["resource_group"]
    assert all("timeout" in job for job in jobs.values())
    prefix = "shop-" if included else ""
    for name in ("run-once", "schedule"):
        assert jobs[name]["needs"] == [f"{prefix}build-image"]
    assert jobs["build-image"]["needs"] == [f"{prefix}check"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_job_has_tokens_for_the_clouds_it_uses_and_no_others(variant: Variant) -> None:
    jobs = jobs_of(variant)
    registry: dict[str, set[str]] = {
        "ghcr": set(),
        "gar": {"GCP_ID_TOKEN"},
        "ecr": {"AWS_ID_TOKEN"},
    }
    scheme = variant.facts.output.partition("://")[0]
    used = {CLOUD_OF[word] for word in (scheme, variant.airflow_auth) if word in CLOUD_OF}
    airflow = {f"{cloud}_ID_TOKEN" for cloud in used}
    assert set(jobs["build-image"].get("id_tokens", ())) == registry[variant.registry]
    assert "id_tokens" not in jobs["check"]
    for name in ("run-once", "schedule"):
        assert set(jobs[name].get("id_tokens", ())) == airflow
        # And it makes use of each.
        assert all(f'"${token}"' in script_of(jobs[name]) for token in airflow)


def test_the_image_is_pushed_by_commit_and_job_and_run_by_digest() -> None:
    jobs = jobs_of(Variant(FACTS, "ghcr", "token"))
    build = script_of(jobs["build-image"])
    # A registry may refuse to move a tag, and the same commit comes with a merge and with a retry.
    assert '--tag "$name:$CI_COMMIT_SHA-$CI_JOB_ID"' in build
    # The tag of the cache is moved, and an image without a new cache is as good.
    assert re.search(r'--cache-to "[^"]*,ignore-error=true"', build)
    assert 'echo "BUILT_IMAGE=$name@$digest" > image.env' in build
    assert jobs["build-image"]["artifacts"]["reports"]["dotenv"] == "image.env"
    for name in ("run-once", "schedule"):
        assert '--image "$BUILT_IMAGE"' in script_of(jobs[name])


def test_the_image_is_built_without_a_privileged_docker() -> None:
    (service,) = jobs_of(Variant(FACTS, "ghcr", "token"))["build-image"]["services"]
    assert re.fullmatch(r"moby/buildkit:v[\d.]+-rootless@sha256:[0-9a-f]{64}", service["name"])
    assert "dind" not in text_of(Variant(FACTS, "ghcr", "token"))


def test_the_image_is_the_projects_where_that_is_in_the_registry() -> None:
    clouds: tuple[Registry, ...] = ("gar", "ecr")
    for registry in clouds:
        known = Variant(replace(FACTS, image=IMAGES[registry]), registry, "none")
        assert jobs_of(known)["build-image"]["variables"]["IMAGE"] == IMAGES[registry]
        assert "IMAGE   " not in text_of(known)
        unknown = Variant(FACTS, registry, "none")
        assert "IMAGE" not in jobs_of(unknown)["build-image"]["variables"]
        assert re.search(r"^#   IMAGE +name of the image", text_of(unknown), re.MULTILINE)
    own = jobs_of(Variant(FACTS, "ghcr", "none"))["build-image"]
    assert own["variables"]["IMAGE"] == "$CI_REGISTRY_IMAGE"


def test_ghcr_is_gitlabs_own_registry_and_the_option_says_so() -> None:
    own = Variant(replace(FACTS, image=IMAGES["ghcr"]), "ghcr", "none")
    build = jobs_of(own)["build-image"]
    assert build["variables"]["IMAGE"] == "$CI_REGISTRY_IMAGE"
    assert "password=$CI_REGISTRY_PASSWORD" in script_of(build)
    assert "ghcr" not in text_of(own)
    (option,) = [parameter for parameter in init_command.params if parameter.name == "registry"]
    assert isinstance(option, click.Option)
    assert "ghcr is the service's own registry, GitHub's or GitLab's" in str(option.help)


def test_no_password_is_named_but_in_the_comment() -> None:
    kinds: tuple[AuthKind, ...] = ("token", "password")
    for auth in kinds:
        text = text_of(Variant(FACTS, "ghcr", auth))
        comment, _, rest = text.partition("\n\n")
        assert "AIRFLOW_API_" in comment
        assert "AIRFLOW_API_" not in rest


def test_variables_are_to_be_set_where_a_job_without_an_environment_sees_them_too() -> None:
    variant = Variant(FACTS, "ecr", "token")
    jobs = jobs_of(variant)
    assert "environment" not in jobs["build-image"]
    assert "$AWS_ROLE" in script_of(jobs["build-image"])
    (where,) = re.findall(r"^# Set on GitLab, .*", text_of(variant), re.MULTILINE)
    assert where.endswith(", for all environments:")


def test_hostile_texts_stay_texts() -> None:
    jobs = jobs_of(Variant(HOSTILE_FACTS, "ghcr", "none"))
    assert set(jobs) == {"check", "build-image", "run-once", "schedule"}
    value = jobs["check"]["variables"]["KEDRO_ENV"]
    assert value.replace("$$", "$") == HOSTILE_FACTS.env
    cd = next(line for line in jobs["check"]["before_script"] if line.startswith("cd "))
    printed = subprocess.run(
        ["bash", "-c", cd.replace("cd ", "printf %s ", 1)], capture_output=True, check=True
    )
    assert printed.stdout.decode() == HOSTILE_FACTS.repository_path
