"""Facts about a project that `init` needs, and how they are found."""

from __future__ import annotations

import os
import re
import sys
from configparser import Error as ConfigParserError
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from kedro.framework.project import pipelines

from kedro_airflow_k8s.config.addresses import is_on_this_machine
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig
from kedro_airflow_k8s.config.own_names import digest
from kedro_airflow_k8s.config.tasks import RESOURCES_TAG
from kedro_airflow_k8s.config.volumes import VolumeConfig
from kedro_airflow_k8s.dynamic_config.git import root_of
from kedro_airflow_k8s.dynamic_config.variables import variable_name
from kedro_airflow_k8s.errors import ProjectError
from kedro_airflow_k8s.init.needed import input_files, log_folders, reference_files
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.reader import KedroProject

if TYPE_CHECKING:
    from git import Repo
    from kedro.framework.startup import ProjectMetadata

Registry = Literal["ghcr", "gar", "ecr"]
"""Where images go: the registry of GitHub or GitLab, Google's Artifact Registry, Amazon's ECR."""

AuthKind = Literal["token", "password", "google", "aws", "none"]
"""The values of `airflow_auth`."""

COMMIT_TAG = "${commit_id|dirty}"
"""The tag of images that are built for each commit, in `airflow-k8s.yaml`."""

GOOGLE_PROJECT = "${google_project_id}"
"""The project on Google Cloud, in `airflow-k8s.yaml`."""

EXAMPLE_REGISTRY = "registry.example.com"

SLUG_LENGTH = 40
"""Leaves room to append something in the name of a pod, a namespace or a repository."""

# A repository on a service that has a registry, in the address of a git remote.
_PART = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_REMOTE = re.compile(rf"(?<![\w.-])(github|gitlab)\.com[:/]({_PART}(?:/{_PART})+)$")
_REGISTRY_OF = {"github": "ghcr.io", "gitlab": "registry.gitlab.com"}


@dataclass(frozen=True)
class Airflow:
    """An Airflow.

    Attributes:
        host: Base address without a slash at its end; empty if it is unknown.
        output: Where it reads DAGs; empty if that is unknown.
        is_sandbox: Whether it is the Airflow of the sandbox, which only this machine can reach.
        auth: The value of `airflow_auth`; None to use the environment variables.
    """

    host: str
    output: str
    is_sandbox: bool = False
    auth: AuthKind | None = None

    @property
    def login(self) -> AuthKind:
        """How a CI service logs in."""
        return self.auth or "token"

    def over(self, base: Airflow) -> Airflow:
        """Return this Airflow; what it does not say is that of another."""
        return Airflow(
            self.host or base.host,
            self.output or base.output,
            is_sandbox=not self.host and base.is_sandbox,
            auth=self.auth or base.auth,
        )


@dataclass(frozen=True)
class Repository:
    """The git repository of a project, or the project's folder if it is in none.

    Attributes:
        root: Its folder.
        folder: The project's folder in it, with slashes; "." if it is the root.
        default_branch: The branch that is deployed.
        remote: The address of `origin`; empty if there is none.
    """

    root: Path
    folder: str = "."
    default_branch: str = "main"
    remote: str = ""


@dataclass(frozen=True)
class Image:
    """The image of the pods, as `airflow-k8s.yaml` names it.

    Attributes:
        name: Its name, with `${google_project_id}` for the project on Google Cloud.
        tag: Its tag.
    """

    name: str
    tag: str

    @property
    def is_example(self) -> bool:
        """Whether the user has to replace the name."""
        return self.name.startswith(f"{EXAMPLE_REGISTRY}/")

    @property
    def shell_name(self) -> str:
        """The name for a shell that has the variable of the configuration."""
        return self.name.replace(GOOGLE_PROJECT, f"${variable_name('google_project_id')}")


@dataclass(frozen=True)
class Layout:
    """The folders of a project and of its image. Relative ones have slashes.

    Attributes:
        path: The project's folder.
        source: The folder of the code.
        conf: The folder of the configuration; None if it is not in the project.
        base_env: The environment that Kedro always reads; empty if there is none.
        personal_env: The environment with personal settings, which Kedro reads by default; empty
            if there is none.
        credentials: The patterns by which the project's loader finds files with credentials,
            relative to the folder of an environment.
        mount_path: Where the volume of a run is mounted in the image.
        fills_volume: Whether the data folder of the image is copied to the volume.
        inputs: What pipelines read from the project's folder and none of them makes.
        references: Files with credentials that hold only references to the environment.
        log_folders: The folders that the logging configuration writes to.
    """

    path: Path
    source: str
    conf: str | None
    base_env: str
    personal_env: str
    credentials: tuple[str, ...]
    mount_path: PurePosixPath
    fills_volume: bool
    inputs: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    log_folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProjectFacts:
    """A project as the templates see it. Texts may have any character unless noted.

    Attributes:
        name: The name in pyproject.toml.
        slug: The name in lower-case letters, digits and `-`, at most 40 of them, a letter first.
        env: The environment whose folder gets `airflow-k8s.yaml`.
        namespace: Kubernetes namespace of the pods.
    """

    name: str
    slug: str
    env: str
    namespace: str
    airflow: Airflow
    repository: Repository
    image: Image
    layout: Layout
    python_version: str = f"{sys.version_info.major}.{sys.version_info.minor}"


def read_facts(
    project: KedroProject,
    metadata: ProjectMetadata,
    env: str,
    airflow: Airflow,
    registry: Registry | None,
) -> ProjectFacts:
    """Return the facts about a project, without those in its `airflow-k8s.yaml`.

    Args:
        project: The project.
        metadata: What Kedro's CLI knows about it.
        env: The environment whose folder gets the file.
        airflow: The Airflow that it will run on.
        registry: Where its images go; None if that is unknown.
    """
    name = str(metadata.project_name)
    short = slug(name, project.package_name)
    repository = find_repository(project.path)
    mount_path = data_folder(project.path)
    inside = project.conf_path.resolve().is_relative_to(project.path.resolve())
    return ProjectFacts(
        name=name if name.strip() else project.package_name,
        slug=short,
        env=env,
        namespace=short,
        airflow=airflow,
        repository=repository,
        image=new_image(short, repository, registry),
        layout=Layout(
            path=project.path,
            source=relative(project.path / metadata.source_dir, project.path),
            conf=relative(project.conf_path, project.path) if inside else None,
            base_env=project.base_env,
            personal_env=project.default_env if project.default_env != project.base_env else "",
            credentials=project.credential_patterns,
            mount_path=mount_path,
            fills_volume=True,
            inputs=input_files(project),
            references=reference_files(project) if inside else (),
            log_folders=log_folders(project),
        ),
    )


def with_config(facts: ProjectFacts, config: PluginConfig) -> ProjectFacts:
    """Return the facts with what the project's configuration sets."""
    run, host = config.run_config, (config.host or "").rstrip("/")
    image = facts.image
    if run.image:
        folders, slash, last = run.image.partition("@")[0].rpartition("/")
        name, _, tag = last.partition(":")
        image = Image(f"{folders}{slash}{name}", tag or "latest")
    auth = config.airflow_auth.type if config.airflow_auth else None
    return replace(
        facts,
        namespace=run.namespace or facts.namespace,
        airflow=Airflow(host, config.output or "", is_on_this_machine(host), auth),
        image=image,
        layout=replace(
            facts.layout,
            mount_path=PurePosixPath(run.volume.mount_path),
            fills_volume=not (run.volume.disabled or run.volume.skip_init),
        ),
    )


def data_folder(path: Path) -> PurePosixPath:
    """Return where the data folder is in the image: below WORKDIR of the project's Dockerfile."""
    default = PurePosixPath(VolumeConfig().mount_path)
    dockerfile = ProjectImage.of(path).dockerfile
    home = dockerfile.workdir if dockerfile is not None else None
    return default if home in (None, "/") else PurePosixPath(str(home), default.name)


def relative(path: Path, folder: Path) -> str:
    """Return the path from a folder to a file, with slashes."""
    return Path(os.path.relpath(path, folder)).as_posix()


def slug(name: str, package_name: str) -> str:
    """Return a name for image, namespace and DAG, as `ProjectFacts.slug` describes it.

    A name that cannot be transliterated becomes a hash, so that two such names differ.
    """
    from slugify import slugify

    for text in (name, package_name):
        spelled = slugify(text)
        if spelled and not spelled[0].isalpha():
            spelled = f"kedro-{spelled}"
        if short := spelled[:SLUG_LENGTH].rstrip("-"):
            return short
    return f"kedro-{digest(name)}"


def resource_names(project: KedroProject) -> tuple[str, ...]:
    """Return the names in the tags `resources.<name>` of nodes; none if a pipeline is broken."""
    try:
        project.pipeline_names()
    except ProjectError:  # `validate` reports it; the configuration is useful without the names.
        return ()
    tags = {tag for pipeline in pipelines.values() for node in pipeline.nodes for tag in node.tags}
    found = {match[1] for tag in tags if (match := RESOURCES_TAG.fullmatch(tag))}
    return tuple(sorted(name for name in found - {RESOURCES_DEFAULT} if name.strip()))


def repeated_pipelines(project: KedroProject) -> tuple[str, ...]:
    """Return the pipelines whose nodes are all in `__default__`; none if a pipeline is broken."""
    try:
        nodes = project.node_keys(project.pipeline_names())
    except ProjectError:
        return ()
    whole = nodes.pop(DEFAULT_PIPELINE, frozenset())
    return tuple(name for name, found in nodes.items() if found and found <= whole)


def find_repository(project_path: Path) -> Repository:
    """Return the git repository that a project is in."""
    path = project_path.resolve()
    root = root_of(path)
    if root is None:
        return Repository(path)
    try:
        from git import Repo
        from git.exc import GitError

        with Repo(root, expand_vars=False) as repo:
            remote = repo.git.config("--get", "remote.origin.url", with_exceptions=False)
            folder = path.relative_to(root).as_posix()
            return Repository(root, folder, _default_branch(repo), remote)
    except ImportError:  # GitPython needs the git program at import.
        return Repository(path)
    except (GitError, ConfigParserError, OSError, ValueError):
        return Repository(path)


def _default_branch(repo: Repo) -> str:
    """Return the branch that git has as the head of `origin`, else the one with a usual name.

    The branch that is checked out says nothing: CI is often added on a branch of its own.
    """

    def head(ref: str) -> str:
        return str(repo.git.symbolic_ref("--quiet", "--short", ref, with_exceptions=False))

    if found := head("refs/remotes/origin/HEAD"):
        return found.removeprefix("origin/")
    names = [branch.name for branch in repo.heads]
    if not names:  # There is no commit yet; HEAD has the branch of the first one.
        return head("HEAD") or "main"
    return "master" if "master" in names and "main" not in names else "main"


def new_image(name: str, repository: Repository, registry: Registry | None) -> Image:
    """Return the image for a configuration that names none yet.

    Args:
        name: The project's name, as a slug.
        repository: Its git repository.
        registry: Where its images go; None if that is unknown.
    """
    if registry is None:
        return Image(f"{EXAMPLE_REGISTRY}/{name}", "1.0")
    if registry == "gar":
        return Image(f"europe-docker.pkg.dev/{GOOGLE_PROJECT}/{name}/{name}", COMMIT_TAG)
    remote = _REMOTE.search(repository.remote.lower().rstrip("/").removesuffix(".git"))
    if registry == "ghcr" and remote:
        image = f"{_REGISTRY_OF[remote[1]]}/{remote[2]}"
        return Image(image if repository.folder == "." else f"{image}/{name}", COMMIT_TAG)
    return Image(f"{EXAMPLE_REGISTRY}/{name}", COMMIT_TAG)
