"""A GitLab CI pipeline that builds the image, and runs or schedules pipelines with it."""

from __future__ import annotations

from pathlib import Path

from kedro_airflow_k8s.init.ci import PARSE_MINUTES, WAIT_MINUTES, CiSetup
from kedro_airflow_k8s.init.files import NewFile
from kedro_airflow_k8s.init.render import render

WHOLE = Path(".gitlab-ci.yml")
"""The file that GitLab reads."""

WRITTEN_BY = "# Written by `kedro airflow-k8s init`"
"""The start of a line at the top of each file."""

DOCKER = "docker:29-cli"
"""Has `docker buildx`, which works with a BuildKit in another container."""

BUILDKIT = (
    "moby/buildkit:v0.33.1-rootless"
    "@sha256:f8a833b2de9d68e27f0815e4a737abdfaf8a2e4c615650557df11025101557b4"
)
"""The builder of `docker build`, for runners that are not privileged."""


def gitlab_pipeline(setup: CiSetup, *, included: bool = False) -> NewFile:
    """Return the pipeline. Its jobs differ for pushes to branches and to the default branch.

    Args:
        setup: The jobs. Their registry `ghcr` is GitLab's own here.
        included: Whether the repository has a `.gitlab-ci.yml` that is to include this file.

    Returns:
        A file of the git repository.
    """
    prefix = f"{setup.facts.slug}-" if setup.in_folder else ""
    path = Path(f".gitlab/{prefix}kedro-airflow-k8s.yml") if included else WHOLE
    text = render(
        "gitlab/pipeline.yml.j2",
        setup=setup,
        included=included,
        docker=DOCKER,
        buildkit=BUILDKIT,
        file=path.as_posix(),
        wait_minutes=WAIT_MINUTES,
        parse_minutes=PARSE_MINUTES,
    )
    return NewFile(path, text, "builds the image, runs branches and schedules the default branch")


def is_ours(text: str) -> bool:
    """Return whether a GitLab pipeline was written by `init`."""
    return any(line.startswith(WRITTEN_BY) for line in text.splitlines())
