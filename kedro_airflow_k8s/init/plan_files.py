"""Decides which files `init` writes, with what in them, and what stands in the way."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kedro_airflow_k8s.config.addresses import is_on_this_machine
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.pods import VolumeConfig
from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init import config_file
from kedro_airflow_k8s.init.arguments import InitRequest, airflow_place
from kedro_airflow_k8s.init.ci_setup import needed_extras
from kedro_airflow_k8s.init.dockerignore import too_wide
from kedro_airflow_k8s.init.facts import AuthKind, ProjectFacts, Registry, ScaffoldedFile
from kedro_airflow_k8s.init.pod_files import (
    DOCKERFILE,
    ImageNeeds,
    cannot_get_plugin,
    check_home,
    lacking_extras,
    not_installable,
    pod_files,
    read_text,
)
from kedro_airflow_k8s.init.project_facts import (
    AirflowPlace,
    facts_of_config,
    find_repository,
    read_facts,
    resource_names,
)
from kedro_airflow_k8s.init.writing import (
    UNTOUCHED,
    NewFile,
    check_place,
    content_of,
    write_all,
)
from kedro_airflow_k8s.project.reader import CONFIG_FILES, KedroProject

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata

DEFAULT_REGISTRY: Registry = "ghcr"
DEFAULT_AUTH: AuthKind = "token"

_COMPLETED = (".dockerignore", "requirements.txt")
"""Files of the user's that get what they lack, and keep what they have."""


@dataclass(frozen=True)
class PlannedFile:
    """A file that is to be written.

    Attributes:
        path: Where, absolute.
        root: The folder that it has to be in.
        shown: The path as to be shown: relative to the project.
        text: What it is to hold.
        why: What it is for, in one line.
        exists: Whether there is one that it replaces or completes.
        before: What that one held when the plan was made; None if there was none.
    """

    path: Path
    root: Path
    shown: str
    text: str
    why: str
    exists: bool
    before: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class InitPlan:
    """What one call writes.

    Attributes:
        files: The files, the configuration first.
        facts: What they were made of.
        config_path: The configuration, as to be shown.
        keeps_config: Whether the configuration that is there stays.
        lacks_plugin: Whether requirements.txt has to get the plugin from the tool that made it.
        lacks_wheel: Whether the project brings no wheel of the plugin along.
        extras: What the project needs of the plugin besides.
        lacks_extras: Those of them that the line of requirements.txt for the plugin has to get.
        wide_patterns: Patterns for files with passwords that ordinary configuration fits too.
        not_installable: What the generated Dockerfile cannot install, and what to do about it.
    """

    files: tuple[PlannedFile, ...]
    facts: ProjectFacts
    config_path: str
    keeps_config: bool
    lacks_plugin: bool
    lacks_wheel: bool
    extras: tuple[str, ...]
    lacks_extras: tuple[str, ...]
    wide_patterns: tuple[str, ...] = ()
    not_installable: tuple[str, ...] = ()

    def write(self) -> None:
        """Write all of it, or nothing.

        Raises:
            ScaffoldError: That did not work.
        """
        # The configuration last of all: by it, the next `init` knows that this one came to its end.
        last = sorted(self.files, key=lambda file: file.shown == self.config_path)
        write_all([NewFile(file.path, file.root, file.text, file.before) for file in last])


def plan_init(metadata: ProjectMetadata, request: InitRequest, today: date) -> InitPlan:
    """Look at a project, and decide; nothing is written.

    Args:
        metadata: What Kedro's CLI knows of the project.
        request: What is wanted.
        today: For the example of a first day.

    Raises:
        AirflowK8sError: What is wanted is impossible, or would replace what is there.
    """
    project = KedroProject(metadata)
    airflow = airflow_place(request, project.path)
    env = project.base_env if request.env is None else request.env
    folder = _env_folder(project, env)
    present = [folder / name for name in CONFIG_FILES if os.path.lexists(folder / name)]
    # --force is for what the call is about: the configuration holds what only the user knows.
    keeps = bool(present) and request.adds_files and not request.configures
    if present and not keeps:
        _check_config(present, request, project.path)
    repository = find_repository(project.path)
    facts = read_facts(project, str(metadata.project_name), repository, airflow, env)
    volume, auth = VolumeConfig(), request.airflow_auth
    files: list[ScaffoldedFile] = []
    if keeps:
        config = KedroProject(metadata, request.env).config(default_image=facts.image)
        facts = facts_of_config(facts, config, _place(config))
        volume = config.run_config.volume
        auth = config.airflow_auth.type if config.airflow_auth else None
    else:
        files += _config_files(project, folder, facts, request, today)
    needs = replace(
        _image_needs(project, metadata, volume),
        extras=needed_extras(facts.output, auth or DEFAULT_AUTH),
    )
    facts = replace(facts, data_folder=needs.mount_path.name)
    if request.dockerfile:
        check_home(needs.mount_path)
    files += pod_files(facts, needs, dockerfile=request.dockerfile)
    files += _ci_files(facts, request, auth or DEFAULT_AUTH, repository.root)
    planned = [_planned(file, project.path, repository.root) for file in files]
    for file in planned:
        check_place(file.path, file.root)
    changed = tuple(f for f in planned if not f.exists or read_text(f.path) != f.text)
    _refuse_existing(changed, request)
    return InitPlan(
        files=changed,
        facts=facts,
        config_path=_shown(present[0] if keeps else folder / CONFIG_FILES[0], project.path),
        keeps_config=keeps,
        lacks_plugin=cannot_get_plugin(project.path),
        lacks_wheel=not list(project.path.glob("wheels/kedro_airflow_k8s-*.whl")),
        extras=needs.extras,
        lacks_extras=lacking_extras(project.path, needs.extras),
        wide_patterns=too_wide(needs.contents(facts.data_folder)),
        not_installable=not_installable(project.path) if request.dockerfile else (),
    )


def _env_folder(project: KedroProject, env: str) -> Path:
    """The folder of an environment.

    Raises:
        ScaffoldError: It would not be one of the configuration.
    """
    parts = env.split("/") if env else []
    if any(part.strip() in ("", ".", "..") for part in parts) or not env.isprintable():
        raise ScaffoldError(
            f"--env: found {env!r}; must be the name of a folder in {project.conf_path}, such as"
            f" {project.base_env or 'prod'}. {UNTOUCHED}"
        )
    if project.conf_path.is_file():
        raise ScaffoldError(
            f"The project's configuration, {project.conf_path}, is a file: set CONF_SOURCE in"
            f" settings.py to a folder first. {UNTOUCHED}"
        )
    folder: Path = project.conf_path.joinpath(*parts)
    return folder


def _check_config(present: Sequence[Path], request: InitRequest, project_path: Path) -> None:
    """Refuse to replace a configuration unasked, or to put a second one beside it."""
    names = " and ".join(_shown(file, project_path) for file in present)
    if not request.force:
        more = (
            " To keep it and only add files, leave out AIRFLOW_URL, --output and --airflow-auth."
            if request.adds_files
            else ""
        )
        raise ScaffoldError(
            f"{names} is there already. Edit it, see what would be written with --dry-run --force,"
            f" or replace it with --force.{more} {UNTOUCHED}"
        )
    others = [file for file in present if file.name != CONFIG_FILES[0]]
    if others:
        raise ScaffoldError(
            f"{_shown(others[0], project_path)} is there already, and Kedro reads no two files of"
            f" that name. Delete it, or rename it to {CONFIG_FILES[0]}, then --force replaces it."
            f" {UNTOUCHED}"
        )


def _place(config: PluginConfig) -> AirflowPlace:
    host = (config.host or "").rstrip("/")
    return AirflowPlace(host, config.output or "", is_on_this_machine(host))


def _config_files(
    project: KedroProject,
    folder: Path,
    facts: ProjectFacts,
    request: InitRequest,
    today: date,
) -> Iterator[ScaffoldedFile]:
    """The configuration, and the schema by which editors check it."""
    schema = project.path / config_file.SCHEMA_FILE
    place = config_file.ConfigPlace(
        schema=Path(os.path.relpath(schema, folder)).as_posix(),
        conf=_shown(project.conf_path, project.path),
        resources=resource_names(project),
    )
    yield ScaffoldedFile(
        PurePosixPath(os.path.relpath(folder / CONFIG_FILES[0], project.path)),
        config_file.config_text(facts, place, request.airflow_auth, today),
        "how the project runs on Airflow and Kubernetes",
    )
    yield ScaffoldedFile(
        PurePosixPath(config_file.SCHEMA_FILE),
        config_file.schema_text(),
        "by which editors complete and check that file",
    )


def _image_needs(
    project: KedroProject, metadata: ProjectMetadata, volume: VolumeConfig
) -> ImageNeeds:
    inside = project.conf_path.resolve().is_relative_to(project.path.resolve())
    personal = project.default_env if project.default_env != project.base_env else ""
    return ImageNeeds(
        project_path=project.path,
        conf=_shown(project.conf_path, project.path) if inside else None,
        personal_env=personal,
        source=_shown(project.path / metadata.source_dir, project.path),
        mount_path=PurePosixPath(volume.mount_path),
        fills_volume=not (volume.disabled or volume.skip_init),
        base_env=project.base_env,
        credentials=project.credential_patterns,
    )


def _ci_files(
    facts: ProjectFacts, request: InitRequest, auth: AuthKind, repository: Path
) -> Iterator[ScaffoldedFile]:
    registry = request.registry or DEFAULT_REGISTRY
    if request.github_actions:
        from kedro_airflow_k8s.init.github_actions import github_workflows

        yield from github_workflows(facts, registry, auth)
    if request.gitlab_ci:
        from kedro_airflow_k8s.init.gitlab_ci import WHOLE, gitlab_pipeline, is_ours

        present = read_text(repository / WHOLE)
        included = present is not None and not is_ours(present)
        yield from gitlab_pipeline(facts, registry, auth, included)


def _planned(file: ScaffoldedFile, project_path: Path, repository: Path) -> PlannedFile:
    base = repository if file.base == "repository" else project_path
    path = base / file.path
    return PlannedFile(
        # Only `..` goes: a configuration may be outside the project's folder.
        path=Path(os.path.normpath(path)),
        root=base if ".." not in file.path.parts else Path(os.path.normpath(path)).parent,
        shown=_shown(path, project_path),
        text=file.text,
        why=file.why,
        exists=os.path.lexists(path),
        before=content_of(path),
    )


def _refuse_existing(files: Sequence[PlannedFile], request: InitRequest) -> None:
    """Refuse to replace files of the user's unasked.

    Raises:
        ScaffoldError: Some would be replaced.
    """
    if request.force:
        return
    taken = [
        file.shown
        for file in files
        if file.exists and file.path.name not in _COMPLETED and not _is_schema(file)
    ]
    if taken:
        option = "--dockerfile" if taken == [DOCKERFILE] else "the option that asks for it"
        raise ScaffoldError(
            f"{' and '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already. Leave out"
            f" {option}, see what would be written with --dry-run --force, or replace what is"
            f" there with --force. {UNTOUCHED}"
        )


def _is_schema(file: PlannedFile) -> bool:
    """Whether it brings a schema of ours up to date, which nobody edits."""
    if file.path.name != config_file.SCHEMA_FILE:
        return False
    return config_file.is_our_schema(read_text(file.path) or "")


def _shown(path: Path, project_path: Path) -> str:
    return Path(os.path.relpath(path, project_path)).as_posix()
