"""GitHub Actions workflows that build the image, and run or schedule pipelines with it."""

from __future__ import annotations

from pathlib import Path

from kedro_airflow_k8s.init.ci import PARSE_MINUTES, WAIT_MINUTES, CiSetup
from kedro_airflow_k8s.init.files import NewFile
from kedro_airflow_k8s.init.render import render

FOLDER = Path(".github/workflows")

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
"""The actions by commit: a tag can be moved to other code, a commit cannot."""


def github_workflows(setup: CiSetup) -> list[NewFile]:
    """Return the workflows: one for pushes to branches, one for pushes to the default branch.

    GitHub has no filter for "the default branch", so its name is in both. If conditions of the jobs
    took its place, each push would start both workflows, and GitHub counts skipped jobs as passed
    where a check of their name is required.

    Args:
        setup: The jobs.

    Returns:
        Files of the git repository. If the project is in a folder of it, its name is in theirs.
    """
    branch = setup.facts.repository.default_branch
    return [
        _workflow(setup, "build-and-run", f"builds the image and runs branches except {branch}"),
        _workflow(setup, "build-and-schedule", f"builds the image and schedules {branch}"),
    ]


def _workflow(setup: CiSetup, kind: str, why: str) -> NewFile:
    stem, title = kind, kind.capitalize().replace("-", " ")
    if setup.in_folder:
        stem, title = f"{setup.facts.slug}-{kind}", f"{title} {setup.facts.slug}"
    path = FOLDER / f"{stem}.yml"
    text = render(
        f"github/{kind}.yml.j2",
        setup=setup,
        title=title,
        file=path.as_posix(),
        uses=ACTIONS,
        wait_minutes=WAIT_MINUTES,
        parse_minutes=PARSE_MINUTES,
    )
    return NewFile(path, text, why)
