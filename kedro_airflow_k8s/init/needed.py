"""What the image needs of a project's own files: data, references to secrets, folders for logs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

import yaml
from kedro.framework.project import pipelines

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ConfigError, ProjectError
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.project.files import local_path
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.logs import logging_folders
from kedro_airflow_k8s.project.reader import KedroProject

_WILDCARD = re.compile(r"[*?\[{]")
# A value that only refers to another place, without a default or with one that is not a secret.
_REFERENCE = re.compile(r"\$\{[\w.]+:[\w.]+(\s*,\s*(null|none|''|\"\"|)\s*)?\}", re.IGNORECASE)


def input_files(project: KedroProject) -> tuple[str, ...]:
    """Return what registered pipelines read from the project's folder and none of them makes.

    Args:
        project: The project. Nothing is found in one that cannot be read: `validate` says why.

    Returns:
        Files and folders relative to the project, with slashes.
    """
    try:
        project.pipeline_names()
        catalog = project.catalog
    except (ConfigError, ProjectError):
        return ()
    made = {stored_name(name) for p in pipelines.values() for name in p.all_outputs()}
    read = {name for p in pipelines.values() for name in p.inputs()}
    written = {path for path in map(_path, catalog.entries(sorted(made)).values()) if path}
    names = sorted(name for name in read if stored_name(name) not in made)
    found = set()
    for entry in catalog.entries(names).values():
        path = None if entry.in_memory else _path(entry)
        if path and path not in written:
            found.add(path)
    return tuple(sorted(found))


def reference_files(project: KedroProject) -> tuple[str, ...]:
    """Return the files with credentials that hold only references to the environment."""
    personal = project.conf_path / project.default_env
    return tuple(
        file.relative_to(project.path).as_posix()
        for file in project.config_files("credentials")
        if file.is_relative_to(project.path)
        and (project.default_env in ("", project.base_env) or not file.is_relative_to(personal))
        and _holds_references(file.read_text(encoding="utf-8", errors="replace"))
    )


def log_folders(project: KedroProject) -> tuple[str, ...]:
    """Return the folders of the project that its logging configuration writes to."""
    image = ProjectImage(project.path, DockerIgnore(()))
    found = logging_folders(image, RunConfig())
    return tuple(dict.fromkeys(folder for folder, _ in found))


def _path(entry: Any) -> str | None:
    """Return where a dataset is in the project's folder, up to a wildcard."""
    path = local_path(entry.path)
    if path is None or path.startswith(("/", "../")):
        return None
    parts = path.split("/")
    end = next((i for i, part in enumerate(parts) if _WILDCARD.search(part)), len(parts))
    return posixpath.join("", *parts[:end]) or None


def _holds_references(text: str) -> bool:
    try:
        values = list(_values(yaml.safe_load(text)))
    except yaml.YAMLError:
        return False
    return any(isinstance(value, str) for value in values) and all(
        value is None or (isinstance(value, str) and _REFERENCE.fullmatch(value.strip()))
        for value in values
    )


def _values(content: Any) -> Iterator[Any]:
    if isinstance(content, dict):
        for value in content.values():
            yield from _values(value)
    elif isinstance(content, list):
        for value in content:
            yield from _values(value)
    else:
        yield content
