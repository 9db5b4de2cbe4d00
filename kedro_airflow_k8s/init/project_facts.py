"""Finds out of a project what the templates of `init` need."""

from __future__ import annotations

import sys
from configparser import Error as ConfigParserError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kedro import __version__ as kedro_version
from kedro.framework.project import pipelines

from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig
from kedro_airflow_k8s.errors import ProjectError
from kedro_airflow_k8s.init.facts import ProjectFacts
from kedro_airflow_k8s.plan.names import digest
from kedro_airflow_k8s.plan.tasks import RESOURCES_TAG
from kedro_airflow_k8s.project.reader import KedroProject

if TYPE_CHECKING:
    from git import Repo

SLUG_LENGTH = 40
"""Short enough for the name of a pod, a namespace or a repository with something behind it."""

NO_REGISTRY = "registry.example.com"
"""Where images are said to be until somebody has said where."""

_USUAL_BRANCHES = ("main", "master", "trunk")


@dataclass(frozen=True)
class AirflowPlace:
    """An Airflow.

    Attributes:
        host: Base address; empty if it is not known.
        output: Where it reads DAGs; empty if it is not known.
        is_sandbox: Whether it is that of the sandbox.
    """

    host: str
    output: str
    is_sandbox: bool


@dataclass(frozen=True)
class Repository:
    """The git repository of a project, or the project's folder where there is none.

    Attributes:
        root: Its folder.
        default_branch: The branch that is deployed; empty if the clone does not tell.
    """

    root: Path
    default_branch: str


def read_facts(
    project: KedroProject,
    project_name: str,
    repository: Repository,
    airflow: AirflowPlace,
    env: str,
) -> ProjectFacts:
    """What there is to know of a project that has no `airflow-k8s.yaml` yet.

    Args:
        project: The project.
        project_name: What people call it.
        repository: Its git repository.
        airflow: Where it is to run.
        env: The environment whose folder gets the file.
    """
    short = slug(project_name, project.package_name)
    return ProjectFacts(
        project_name=project_name if project_name.strip() else project.package_name,
        package_name=project.package_name,
        slug=short,
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        kedro_version=kedro_version,
        image=f"{NO_REGISTRY}/{short}",
        repository_path=project.path.resolve().relative_to(repository.root).as_posix(),
        default_branch=repository.default_branch,
        env=env,
        base_env=project.base_env,
        host=airflow.host,
        output=airflow.output,
        is_sandbox=airflow.is_sandbox,
        namespace=short,
    )


def facts_of_config(
    facts: ProjectFacts, config: PluginConfig, airflow: AirflowPlace
) -> ProjectFacts:
    """The same project, with what its configuration says.

    Args:
        facts: What there is to know without it.
        config: The configuration.
        airflow: The Airflow that it names.
    """
    run = config.run_config
    name = (run.image or facts.image).partition("@")[0]
    folders, slash, last = name.rpartition("/")
    return replace(
        facts,
        image=f"{folders}{slash}{last.partition(':')[0]}",
        host=airflow.host,
        output=airflow.output,
        is_sandbox=airflow.is_sandbox,
        namespace=run.namespace or facts.namespace,
    )


def slug(project_name: str, package_name: str) -> str:
    """A name for image, namespace and DAG: lower-case ASCII letters, digits and single dashes.

    It begins with a letter. Names that have no such spelling get a hash, so that two of them are
    not the same.
    """
    from slugify import slugify

    for name in (project_name, package_name):
        spelled = slugify(name)
        short = spelled[:SLUG_LENGTH].rstrip("-")
        if spelled and not spelled[0].isalpha():
            short = f"kedro-{spelled}"[:SLUG_LENGTH].rstrip("-")
        if short:
            return short
    return f"kedro-{digest(project_name)}"


def resource_names(project: KedroProject) -> tuple[str, ...]:
    """What nodes choose by tags `resources.<name>`, sorted; nothing if they cannot be imported."""
    try:
        project.pipeline_names()
    except ProjectError:  # `validate` tells what is wrong; the file is needed all the same.
        return ()
    tags = {tag for pipeline in pipelines.values() for node in pipeline.nodes for tag in node.tags}
    found = {match[1] for tag in tags if (match := RESOURCES_TAG.fullmatch(tag))}
    return tuple(sorted(name for name in found - {RESOURCES_DEFAULT} if name.strip()))


def find_repository(project_path: Path) -> Repository:
    """The git repository that a project is in."""
    path = project_path.resolve()
    try:
        from git import Repo
        from git.exc import GitError
    except ImportError:  # GitPython wants the git program at import.
        return Repository(path, _USUAL_BRANCHES[0])
    try:
        with Repo(path, search_parent_directories=True, expand_vars=False) as repo:
            root = Path(repo.working_tree_dir or path).resolve()
            if path.is_relative_to(root):
                return Repository(root, _default_branch(repo))
    except (GitError, ConfigParserError, OSError, ValueError, TypeError):
        pass  # None, or a broken one: the workflow then has to be adapted by hand.
    return Repository(path, _USUAL_BRANCHES[0])


def _default_branch(repo: Repo) -> str:
    """The branch that is deployed, as far as the clone knows; empty if it does not.

    That a branch is checked out says nothing: CI is often added on a branch of its own.
    """
    for remote in sorted((remote.name for remote in repo.remotes), key="origin".__ne__):
        head = Path(repo.common_dir, "refs", "remotes", remote, "HEAD")
        start = f"ref: refs/remotes/{remote}/"
        if head.is_file() and (text := head.read_text(encoding="utf-8").strip()).startswith(start):
            return text.removeprefix(start)
    if told := _init_branch(repo, "--local"):
        return told
    known = {head.name for head in repo.heads}
    known |= {ref.remote_head for remote in repo.remotes for ref in remote.refs} - {"HEAD"}
    for name in (_init_branch(repo), *_USUAL_BRANCHES):
        if name in known:
            return name
    if not known and not repo.head.is_detached:
        return repo.active_branch.name  # There is no commit, but the first one's branch has a name.
    return known.pop() if len(known) == 1 else ""


def _init_branch(repo: Repo, *where: str) -> str:
    """What git's configuration calls the first branch of a repository; empty if nothing."""
    # Not by repo.config_reader(), which does not know of GIT_CONFIG_GLOBAL.
    found: str = repo.git.config(*where, "--get", "init.defaultBranch", with_exceptions=False)
    return found
