"""What the templates of `init` need to know of a project, and what they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Registry = Literal["ghcr", "gar", "ecr"]
"""Where images go: GitHub's registry, Google's Artifact Registry, Amazon's ECR."""

AuthKind = Literal["token", "password", "google", "aws", "none"]
"""The values of `airflow_auth`."""


@dataclass(frozen=True)
class ScaffoldedFile:
    """A file that `init` is to write.

    Attributes:
        path: Where, relative to the base.
        text: The whole file.
        why: One line, without a full stop, that says what the file is for.
        base: Whether the path begins in the project's folder, or in the git repository that the
            project is in, which may be a folder above. Without a repository, they are the same.
    """

    path: PurePosixPath
    text: str
    why: str
    base: Literal["project", "repository"] = "project"


@dataclass(frozen=True)
class ProjectFacts:
    """A project as the templates see it. Every text may hold any character unless it says less.

    Attributes:
        project_name: What people call it, as in pyproject.toml.
        package_name: Its Python package: letters, digits and `_`.
        slug: Made of the project's name for places that take lower-case letters, digits and `-`
            only, at most 40 of them, a letter first.
        python_version: Python of the image, such as 3.11.
        kedro_version: The version of Kedro that runs now, such as 1.7.0.
        image: Name of the image without a tag, such as registry.example.com/shop.
        repository_path: The project's folder inside its git repository, with slashes; "." when it
            is the root, or there is no repository.
        default_branch: The branch that is deployed, such as main; empty if the clone does not tell.
        env: The Kedro environment whose folder gets airflow-k8s.yaml, such as base.
        base_env: The environment that Kedro reads whatever `--env` says; empty if there is none.
        host: Base address of Airflow, without a slash at its end.
        output: Where Airflow reads DAGs, as `--output` takes it.
        is_sandbox: Whether host and output are those of the sandbox on this machine, which no
            runner of a CI service can reach.
        namespace: Kubernetes namespace of the pods.
        data_folder: Name of the folder in the project where the volume is mounted.
    """

    project_name: str
    package_name: str
    slug: str
    python_version: str
    kedro_version: str
    image: str
    repository_path: str
    default_branch: str
    env: str
    base_env: str
    host: str
    output: str
    is_sandbox: bool
    namespace: str
    data_folder: str = "data"
