"""Decides which files `init` writes, and refuses to replace files of the user."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init import config_file, dockerfile, dockerignore, requirements
from kedro_airflow_k8s.init.arguments import InitRequest, airflow_of, given_airflow
from kedro_airflow_k8s.init.ci import DEFAULT_REGISTRY, CiSetup, needed_extras
from kedro_airflow_k8s.init.facts import (
    Airflow,
    Image,
    ProjectFacts,
    read_facts,
    relative,
    repeated_pipelines,
    resource_names,
    with_config,
)
from kedro_airflow_k8s.init.files import NewFile, read_text
from kedro_airflow_k8s.init.packages import project_packages
from kedro_airflow_k8s.project.config_files import CONFIG_FILES
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE
from kedro_airflow_k8s.project.reader import KedroProject

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

_SCHEMA_WHY = "lets editors complete and check that file"


@dataclass(frozen=True)
class InitPlan:
    """What one call of `init` does.

    Attributes:
        files: The files to write, the configuration first.
        replaced: Those of them that exist.
        facts: The project.
        config: The configuration's file.
        keeps_config: Whether it exists and stays as it is.
        repeated: Pipelines that the jobs of a CI service deploy besides `__default__`, which
            contains their nodes.
    """

    files: tuple[NewFile, ...]
    replaced: frozenset[Path]
    facts: ProjectFacts
    config: Path
    keeps_config: bool
    repeated: tuple[str, ...] = ()

    def shown(self, path: Path) -> str:
        """Return the path from the project's folder to a file."""
        return relative(path, self.facts.layout.path)


def plan_init(metadata: ProjectMetadata, request: InitRequest, today: date) -> InitPlan:
    """Read a project and decide what to write; nothing is written.

    Args:
        metadata: What Kedro's CLI knows about the project.
        request: The arguments.
        today: The example of a schedule's first day.

    Raises:
        AirflowK8sError: The request is impossible, or would replace files of the user.
    """
    project = KedroProject(metadata)
    airflow = airflow_of(request, project.path)
    env = project.base_env if request.env is None else request.env
    folder = _env_folder(project, env)
    present = [folder / name for name in CONFIG_FILES if os.path.lexists(folder / name)]
    # With --force too, only a request about the configuration replaces what the user wrote there.
    keeps = bool(present) and request.adds_files and not request.configures
    in_base = [file for file in _config_files(project, project.base_env) if file.exists()]
    config = present[0] if keeps else folder / CONFIG_FILES[0]
    registry = request.registry or (DEFAULT_REGISTRY if request.ci else None)
    facts = read_facts(project, metadata, env, airflow, registry)
    repeated = repeated_pipelines(project) if request.ci else ()
    if keeps:
        there = KedroProject(metadata, request.env).config()
        facts, repeated = with_config(facts, there), _deployed(repeated, there)
        files = []
        texts = [read_text(file) or "" for file in _config_files(project, env)]
    elif in_base and env != project.base_env:
        given, new_image = given_airflow(request, airflow), facts.image
        there = KedroProject(metadata, project.base_env).config()
        facts, repeated = with_config(facts, there), _deployed(repeated, there)
        facts = replace(facts, airflow=given.over(facts.airflow))
        # CI images need a registry, which the example is not.
        if request.registry or (registry and facts.image.is_example):
            facts = replace(facts, image=new_image)
        image = facts.image if facts.image is new_image else None
        files = list(_environment_config(in_base[0], folder, facts, given, image))
        texts = [read_text(in_base[0]) or "", files[0].text]
    else:
        files = list(_new_config(project, folder, facts, today, repeated, spark=request.spark))
        texts, repeated = [files[0].text], ()
    files += _image_files(facts, request)
    if registry and request.ci:
        variables = sorted(set().union(*map(config_file.config_variables, texts)))
        files += _ci_files(CiSetup(facts, registry, tuple(variables)), request)
    changed = [file for file in files if file.path == config or read_text(file.path) != file.text]
    replaced = frozenset(file.path for file in changed if os.path.lexists(file.path))
    if not keeps:
        replaced |= frozenset(present)
    _check_replaced(sorted(replaced), config, request, project.path)
    return InitPlan(tuple(changed), replaced, facts, config, keeps, repeated)


def _deployed(repeated: Sequence[str], config: PluginConfig) -> tuple[str, ...]:
    """Return the pipelines that --all takes besides `__default__`, which contains their nodes."""
    enabled = config.enabled([DEFAULT_PIPELINE, *repeated])
    return tuple(enabled[1:]) if DEFAULT_PIPELINE in enabled else ()


def _env_folder(project: KedroProject, env: str) -> Path:
    """Return the folder of an environment.

    Raises:
        ScaffoldError: It is not a folder of the configuration.
    """
    parts = env.split("/") if env else []
    if any(part.strip() in ("", ".", "..") for part in parts) or not env.isprintable():
        raise ScaffoldError(
            f"--env: found {env!r}; must be the name of a folder in {project.conf_path}, such as"
            f" {project.base_env or 'prod'}. Nothing was written."
        )
    folder: Path = project.conf_path.joinpath(*parts)
    return folder


def _check_replaced(
    replaced: Sequence[Path], config: Path, request: InitRequest, project_path: Path
) -> None:
    """Raise an error for files that would be replaced without --force, or a second configuration.

    Raises:
        ScaffoldError: There are some.
    """
    others = [path for path in replaced if path.name in CONFIG_FILES and path != config]
    if others and request.force:
        raise ScaffoldError(
            f"{relative(others[0], project_path)} already exists, and Kedro accepts only one such"
            f" file. Rename it to {config.name}, or delete it. Nothing was written."
        )
    # A line is added to the requirements, and users do not edit the schema.
    ours = (requirements.NAME, config_file.SCHEMA_FILE)
    taken = [relative(path, project_path) for path in replaced if path.name not in ours]
    if taken and not request.force:
        more = ""
        # An address is often all that changes.
        only_config = taken == [relative(config, project_path)] and request.configures
        edit = ", or edit `host` and `output` in it" if only_config else ""
        if request.adds_files and (others or config in replaced):
            more = " To keep it and only add files, omit AIRFLOW_URL, --output and --airflow-auth."
        raise ScaffoldError(
            f"{' and '.join(taken)} already exist{'s' if len(taken) == 1 else ''}. To replace"
            f" {'it' if len(taken) == 1 else 'them'}, add --force{edit}. To only print what init"
            f" would write, add --dry-run --force.{more} Nothing was written."
        )


def _config_files(project: KedroProject, env: str) -> Iterator[Path]:
    for name in CONFIG_FILES:
        for folder in dict.fromkeys((project.base_env, env)):
            yield project.conf_path / folder / name


def _new_config(
    project: KedroProject,
    folder: Path,
    facts: ProjectFacts,
    today: date,
    repeated: Sequence[str],
    *,
    spark: bool,
) -> Iterator[NewFile]:
    """Yield the configuration and its schema."""
    schema = project.path / config_file.SCHEMA_FILE
    text = config_file.config_text(
        facts, relative(schema, folder), resource_names(project), today, repeated, spark=spark
    )
    yield NewFile(folder / CONFIG_FILES[0], text, "how the project runs on Airflow and Kubernetes")
    yield NewFile(schema, config_file.schema_text(), _SCHEMA_WHY)


def _environment_config(
    base: Path, folder: Path, facts: ProjectFacts, given: Airflow, image: Image | None
) -> Iterator[NewFile]:
    """Yield a configuration that overrides the one of the base environment, and its schema."""
    path = facts.layout.path
    schema, in_base = path / config_file.SCHEMA_FILE, relative(base, path)
    name = None if image is None else f"{image.name}:{image.tag}"
    shown = relative(schema, folder)
    text = config_file.environment_text(facts, given, in_base, schema=shown, image=name)
    yield NewFile(folder / CONFIG_FILES[0], text, f"overrides {in_base} in this environment")
    yield NewFile(schema, config_file.schema_text(), _SCHEMA_WHY)


def _image_files(facts: ProjectFacts, request: InitRequest) -> Iterator[NewFile]:
    """Yield what the image needs: whole files, and a line for the user's requirements."""
    layout = facts.layout
    ignored = layout.path / dockerignore.NAME
    if not ignored.exists():
        text = dockerignore.new_dockerignore(layout)
        yield NewFile(ignored, text, "keeps secrets and local files out of the image")
    if layout.conf is not None and layout.personal_env:
        kept = layout.path / layout.conf / layout.personal_env / ".gitkeep"
        if not kept.exists():
            yield NewFile(kept, "", "keeps this folder, which Kedro reads, in the image")
    for folder in layout.log_folders:
        kept = layout.path / folder / ".gitkeep"
        if kept.parent.is_dir() and not kept.exists():
            yield NewFile(kept, "", "keeps this folder, which logging writes to, in the image")
    required = layout.path / requirements.NAME
    present, extras = read_text(required), needed_extras(facts)
    why = f"adds {requirements.PLUGIN}, which the pods need"
    if present is None:
        packages = project_packages(layout.path)
        text = requirements.new_requirements(packages, extras)
        why += (
            f", and the packages of {packages.source}"
            if packages.source
            else "; add the packages that the project needs"
        )
    else:
        text = requirements.with_plugin(present, extras)
    if request.spark:
        text = requirements.with_packages(text, requirements.SPARK)
        why += ", and Spark with a Java runtime"
    yield NewFile(required, text, why)
    if request.dockerfile:
        path = layout.path / dockerfile.NAME
        yield NewFile(path, dockerfile.dockerfile(facts, text), "builds the image of the pods")


def _ci_files(setup: CiSetup, request: InitRequest) -> Iterator[NewFile]:
    """Yield the files for CI services, which are at the root of the git repository."""
    root = setup.facts.repository.root
    files = []
    if request.github_actions:
        from kedro_airflow_k8s.init.github_actions import github_workflows

        files += github_workflows(setup)
    if request.gitlab_ci:
        from kedro_airflow_k8s.init.gitlab_ci import WHOLE, gitlab_pipeline, is_ours

        present = read_text(root / WHOLE)
        files.append(gitlab_pipeline(setup, included=present is not None and not is_ours(present)))
    for file in files:
        yield replace(file, path=root / file.path)
