"""The files of the plugin's own configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from kedro_airflow_k8s.errors import ConfigError

CONFIG_NAME = "airflow-k8s"
CONFIG_FILES = tuple(f"{CONFIG_NAME}{suffix}" for suffix in (".yaml", ".yml", ".json"))

# Misspelled names of these files, which Kedro ignores silently.
_MISNAMED = re.compile(r"airflow[-_. ]?k8s(\.(ya?ml|json|toml))?", re.IGNORECASE)


def found_config_files(conf_path: Path, envs: Iterable[str]) -> list[Path]:
    """Return the files that Kedro's loader will read.

    Args:
        conf_path: The folder of the configuration.
        envs: The environments, as folders in it.

    Raises:
        ConfigError: If the loader would ignore a file silently, or an environment is missing.
    """
    found = []
    for env in dict.fromkeys(envs):
        folder = conf_path / env
        # An environment such as `..` or `/` would be a folder, but none of the configuration.
        inside = "/".join(part for part in env.split("/") if part not in ("", ".", ".."))
        if inside != env or not folder.is_dir():
            others = sorted(p.name for p in conf_path.glob("*") if p.is_dir())
            raise ConfigError(
                f"There is no configuration environment {env!r}. Create its folder in {conf_path},"
                " or choose another environment with --env. Environments:"
                f" {', '.join(others) or 'none'}."
            )
        for file in sorted(folder.rglob("*")):
            if file.name in CONFIG_FILES:
                found.append(file)
            elif _MISNAMED.fullmatch(file.name) and file.is_file():
                raise ConfigError(
                    f"{file} would not be read. Rename it to {CONFIG_FILES[0]}, in lower case"
                    f" ({' and '.join(CONFIG_FILES[1:])} are also read)."
                )
    return found


def shown_files(files: Iterable[Path], project_path: Path) -> str:
    """Return the files as messages show them: relative to the project."""
    shown = (
        file.relative_to(project_path) if file.is_relative_to(project_path) else file
        for file in files
    )
    return " with ".join(file.as_posix() for file in shown) or CONFIG_FILES[0]
