"""A GitLab CI pipeline that builds the image, and runs or schedules the pipeline with it."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import PurePosixPath

from jinja2 import Environment

from kedro_airflow_k8s.init.ci_setup import (
    PARSE_MINUTES,
    WAIT_MINUTES,
    CiSetup,
    Setting,
    check_names,
    in_columns,
    quoted,
    template_environment,
)
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry, ScaffoldedFile

WHOLE = PurePosixPath(".gitlab-ci.yml")
"""The file that GitLab reads."""

WRITTEN_BY = "# Written by `kedro airflow-k8s init`"
"""How a line at the top of each file begins."""

INCLUDED = PurePosixPath(".gitlab/kedro-airflow-k8s.yml")
"""The file that it reads when the other one includes it."""

DOCKER = "docker:29-cli"
"""Has `docker buildx`, which works with a BuildKit that runs elsewhere."""

BUILDKIT = (
    "moby/buildkit:v0.33.1-rootless"
    "@sha256:f8a833b2de9d68e27f0815e4a737abdfaf8a2e4c615650557df11025101557b4"
)
"""Needs no privileged runner, and is the builder behind `docker build`, so that it takes the same
Dockerfile. Kaniko, which many pipelines have, is archived."""


def gitlab_pipeline(
    facts: ProjectFacts, registry: Registry, airflow_auth: AuthKind, included: bool = False
) -> list[ScaffoldedFile]:
    """The pipeline: its jobs do for pushes to branches other things than for the default branch.

    Args:
        facts: The project.
        registry: Where the image is pushed to. `ghcr` stands for the registry of the service
            itself, which on GitLab is GitLab's.
        airflow_auth: How the plugin makes itself known to Airflow.
        included: Whether the repository has a `.gitlab-ci.yml`, which is to include this file.

    Returns:
        One file of the git repository.

    Raises:
        ScaffoldError: No pipeline can hold a name of the project's.
    """
    check_names(facts)
    setup = CiSetup(facts, registry, airflow_auth)
    path = _included_path(setup) if included else WHOLE
    text = (
        _templates()
        .get_template("gitlab/pipeline.yml.j2")
        .render(
            setup=setup,
            included=included,
            docker=DOCKER,
            buildkit=BUILDKIT,
            settings=gitlab_settings(setup),
            file=str(path),
            requirements=str(PurePosixPath(facts.repository_path, "requirements.txt")),
            wait_minutes=WAIT_MINUTES,
            parse_minutes=PARSE_MINUTES,
        )
    )
    why = "build the image on GitLab, run each branch with it, schedule the default branch"
    if included:
        why += f"; include it in {WHOLE}"
    return [ScaffoldedFile(path, text, why, base="repository")]


def is_ours(text: str) -> bool:
    """Whether a GitLab pipeline is one that this module has made."""
    return any(line.startswith(WRITTEN_BY) for line in text.splitlines())


def gitlab_settings(setup: CiSetup) -> list[str]:
    """What the user has to set on GitLab, one line each; empty if that is nothing."""
    settings = list(setup.cloud_settings)
    if setup.registry != "ghcr" and setup.known_image is None:
        settings.insert(0, Setting(setup.image_variable, "name of the image, without a tag"))
    for setting in setup.airflow_settings:
        what = f"{setting.what}, masked and hidden" if setting.secret else setting.what
        settings.append(Setting(setting.name, what))
    return in_columns(settings)


def _included_path(setup: CiSetup) -> PurePosixPath:
    if not setup.in_folder:
        return INCLUDED
    return INCLUDED.with_name(f"{setup.facts.slug}-{INCLUDED.name}")


@cache
def _templates() -> Environment:
    environment = template_environment().overlay()
    environment.filters = {
        **environment.filters,
        "changes": _changes,
        "shell": shlex.quote,
        "variable": _variable,
    }
    return environment


def _changes(text: str, glob: str = "") -> str:
    """A pattern of changed files that fits the very text, followed by a glob."""
    return quoted(re.sub(r"([\\*?{}\[\]])", r"\\\1", text) + glob)


def _variable(text: str) -> str:
    """A variable's value in which GitLab puts nothing for `$`."""
    return quoted(text.replace("$", "$$"))
