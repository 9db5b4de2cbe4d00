"""The logging configuration that Kedro reads in the pods, before anything else of the project."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

import yaml

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.project.image import ProjectImage

CONFIG_VARIABLE = "KEDRO_LOGGING_CONFIG"
# Kedro looks there whatever CONF_SOURCE is.
_DEFAULTS = ("conf/logging.yml", "conf/logging.yaml")
# What Kedro 1.7 trusts without its variable.
_TRUSTED = ("logging", "kedro.logging")


def chosen_file(image: ProjectImage, run: RunConfig) -> str | None:
    """Return the file that the pods' variable names; None if it names none of the project.

    Args:
        image: What the image will hold.
        run: The configuration, whose variables precede those of the Dockerfile.
    """
    value = pod_value(CONFIG_VARIABLE, image, run)
    if not value or "$" in value:
        return None
    path = posixpath.normpath(posixpath.join(image.home(run), value))
    home = image.home(run).rstrip("/")
    return path[len(home) + 1 :] if path.startswith(f"{home}/") else None


def pod_value(name: str, image: ProjectImage, run: RunConfig) -> str | None:
    """Return the value of a variable in the pods, as far as the project says it."""
    if name in run.env_vars:
        value = run.env_vars[name]
        return value if isinstance(value, str) else None
    return image.dockerfile.variables.get(name) if image.dockerfile is not None else None


def logging_file(image: ProjectImage, run: RunConfig) -> str | None:
    """Return the file that Kedro reads in the pods; None if it is not one of this folder."""
    chosen = chosen_file(image, run)
    if chosen is None and pod_value(CONFIG_VARIABLE, image, run):
        return None
    for name in _DEFAULTS if chosen is None else (chosen,):
        if (image.root / name).is_file() and image.lacks(name) is None:
            return name
    return None


def logging_folders(image: ProjectImage, run: RunConfig) -> Iterator[tuple[str, str]]:
    """Yield the folders that the pods' logging configuration writes to, each with its file.

    Args:
        image: What the image will hold: a file that it lacks is not read in the pods.
        run: The configuration, whose variables may name another file.
    """
    name = logging_file(image, run)
    if name is None:
        return
    for written in dict.fromkeys(_log_files(_content(image, name))):
        folder = posixpath.dirname(posixpath.normpath(written))
        if folder and not folder.startswith(("/", "..")) and "$" not in folder:
            yield folder, name


def logging_modules(image: ProjectImage, name: str) -> list[str]:
    """Return the modules of classes in a logging configuration that Kedro does not trust itself.

    Args:
        image: What the image will hold.
        name: The file, relative to the project.
    """
    kinds = (section.get("class") for section in _sections(_content(image, name)))
    modules = {kind.rpartition(".")[0] for kind in kinds if isinstance(kind, str)}
    return sorted(module for module in modules - {""} if not is_covered(module, _TRUSTED))


def has_factory(image: ProjectImage, name: str) -> bool:
    """Return whether a logging configuration has the key `()` anywhere."""
    return any("()" in section for section in _sections(_content(image, name)))


def is_covered(module: str, modules: tuple[str, ...]) -> bool:
    """Return whether a module is one of some, or below one of them."""
    return any(f"{module}.".startswith(f"{each}.") for each in modules)


def _content(image: ProjectImage, name: str) -> Any:
    try:
        return yaml.safe_load((image.root / name).read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError:
        # Kedro has read the file before any command, or only the pods read it.
        return None


def _log_files(config: Any) -> Iterator[str]:
    handlers = config.get("handlers") if isinstance(config, dict) else None
    for handler in (handlers if isinstance(handlers, dict) else {}).values():
        name = handler.get("filename") if isinstance(handler, dict) else None
        if isinstance(name, str):
            yield name


def _sections(config: Any) -> Iterator[dict[Any, Any]]:
    """Yield all mappings of a configuration."""
    if isinstance(config, dict):
        yield config
    if isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _sections(part)
