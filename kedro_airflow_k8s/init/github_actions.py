"""GitHub Actions workflows that build the image, and run or schedule the pipeline with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from jinja2 import Environment

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.ci_setup import (
    PARSE_MINUTES,
    WAIT_MINUTES,
    CiSetup,
    Setting,
    check_names,
    in_columns,
    named,
    quoted,
    template_environment,
)
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry, ScaffoldedFile

FOLDER = PurePosixPath(".github/workflows")

ACTIONS = {
    "checkout": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "setup_python": "actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0",
    "setup_buildx": "docker/setup-buildx-action@f87e5991a6d7451dcb8d9637bfbc97413f497069 # v4.4.1",
    "docker_login": "docker/login-action@dbcb813823bdd20940b903addbd779551569679f # v4.6.0",
    "docker_build": "docker/build-push-action@c3c9e263c25d99ce0380d002d59b67737d91b0dc # v7.4.0",
    "google_auth": "google-github-actions/auth@7c6bc770dae815cd3e89ee6cdf493a5fab2cc093 # v3.0.0",
    "aws_credentials": (
        "aws-actions/configure-aws-credentials@e1253824e5c10ff9df46874f81ed3ec929e19cfd # v6.3.0"
    ),
    "azure_login": "azure/login@a641126d1b8aa4d1fa005f4f92df94a3a4c4c906 # v3.1.0",
}
"""The actions of the workflows, by commit: a tag can be moved to other code, a commit cannot."""


def github_workflows(
    facts: ProjectFacts, registry: Registry, airflow_auth: AuthKind
) -> list[ScaffoldedFile]:
    """The workflows: one for pushes to branches, one for pushes to the default branch.

    Its name is in them. GitHub has no filter for "the default branch", and with a condition of the
    jobs in its place each push would start both workflows: one of them all of skipped jobs, whose
    names are those of the other and which GitHub counts as passed where a check is required.

    Args:
        facts: The project.
        registry: Where the image is pushed to.
        airflow_auth: How the plugin makes itself known to Airflow.

    Returns:
        Files of the git repository. A project in a folder of its repository has its name in
        theirs, as there may be others beside it.

    Raises:
        ScaffoldError: No workflow can hold a name of the project's, or GitHub would take it for
            an expression, or it is not known which branch is to be scheduled.
    """
    _check(facts)
    setup = CiSetup(facts, registry, airflow_auth)
    settings = github_settings(setup)
    branch = facts.default_branch
    built = "build the image on GitHub,"
    return [
        _workflow(setup, "build-and-run", settings, f"{built} run branches but {branch} with it"),
        _workflow(setup, "build-and-schedule", settings, f"{built} schedule {branch} with it"),
    ]


@dataclass(frozen=True)
class GithubSettings:
    """What the user has to set on GitHub, one line each.

    Attributes:
        variables: Of the repository: the job that builds the image reads some, and only a job that
            is in an environment sees what is set there. None of them is secret.
        secrets: Of the environment, so that no other job can read them.
    """

    variables: list[str]
    secrets: list[str]


def github_settings(setup: CiSetup) -> GithubSettings:
    """What the user has to set on GitHub; both lists are empty if that is nothing."""
    settings = list(setup.cloud_settings)
    if setup.registry != "ghcr" and setup.known_image is None:
        settings.insert(0, Setting(setup.image_variable, "name of the image, without a tag"))
    settings += setup.airflow_settings
    found = GithubSettings([], [])
    for setting, line in zip(settings, in_columns(settings), strict=True):
        if setting.secret:
            found.secrets.append(f"secret   {line}")
        else:
            found.variables.append(f"variable {line}")
    return found


def _workflow(setup: CiSetup, stem: str, settings: GithubSettings, why: str) -> ScaffoldedFile:
    title = stem.capitalize().replace("-", " ")
    if setup.in_folder:
        stem, title = f"{setup.facts.slug}-{stem}", f"{title} {setup.facts.slug}"
    path = FOLDER / f"{stem}.yml"
    template = "build-and-schedule" if stem.endswith("build-and-schedule") else "build-and-run"
    requirements = PurePosixPath(setup.facts.repository_path, "requirements.txt")
    text = (
        _templates()
        .get_template(f"github/{template}.yml.j2")
        .render(
            setup=setup,
            settings=settings,
            name=title,
            file=str(path),
            uses=ACTIONS,
            requirements=str(requirements),
            wait_minutes=WAIT_MINUTES,
            parse_minutes=PARSE_MINUTES,
        )
    )
    return ScaffoldedFile(path, text, why, base="repository")


def _check(facts: ProjectFacts) -> None:
    """Refuse names for which GitHub would put something else, where it cannot be escaped.

    Raises:
        ScaffoldError: There is one, or the default branch has none.
    """
    if not facts.default_branch:
        raise ScaffoldError(
            "This clone does not tell which branch is the default one, and GitHub's workflows name"
            " it. Fetch that with `git remote set-head origin --auto`, or say it with"
            " `git config init.defaultBranch BRANCH`. Nothing was written."
        )
    check_names(facts)
    for what, name in named(facts):
        if "${{" in name:
            raise ScaffoldError(
                f"The project's {what} is named {name!r}, and GitHub takes ${{{{ in a workflow for"
                " an expression. Rename it. Nothing was written."
            )


@cache
def _templates() -> Environment:
    environment = template_environment().overlay()
    environment.filters = {**environment.filters, "pattern": pattern}
    return environment


def pattern(text: str, glob: str = "") -> str:
    """A filter of branches or paths that fits the very text, followed by a glob."""
    return quoted(re.sub(r"([\\*?+!\[])", r"\\\1", text) + glob)
