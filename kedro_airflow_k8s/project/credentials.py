"""What is read of the project's credentials: their names, and databases that are files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, MissingConfigException, OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.errors import ConfigError

_CREDENTIALS = "credentials"
# SQLAlchemy's address of a database in a file. It has neither a user nor a password.
_FILE = re.compile(r"(?:sqlite|duckdb)(?:\+\w+)?://(?:/(?:file:)?(?P<path>[^?]*))?(?:\?.*)?")


def credential_entries(loader: AbstractConfigLoader) -> dict[str, str | None]:
    """Return the names of credentials, each with the file of its database if it has one.

    No other values are kept, and nothing in them is resolved.

    Args:
        loader: The project's config loader, which has the patterns of the files' names.

    Raises:
        ConfigError: If they cannot be read. The message holds nothing of their content.
    """
    if isinstance(loader, OmegaConfigLoader) and Path(str(loader.conf_source)).is_dir():
        return dict(_entries_of_files(loader))
    try:
        return {str(name): database_file(value) for name, value in loader[_CREDENTIALS].items()}
    except MissingConfigException:
        # As for Kedro, there are none.
        return {}
    except Exception as error:  # noqa: BLE001
        # Each loader has its own errors, and their texts may contain secrets.
        raise ConfigError(
            f"The credentials files cannot be read ({type(error).__name__}). Check their syntax.",
            outside=True,
        ) from None


def database_files(loader: AbstractConfigLoader) -> dict[str, str]:
    """Return the names of credentials whose database is a file, each with the file."""
    try:
        found = credential_entries(loader)
    except ConfigError:
        # The check that needs the names reports it.
        return {}
    return {name: file for name, file in found.items() if file}


def credential_patterns(loader: AbstractConfigLoader) -> tuple[str, ...]:
    """Return the loader's patterns for the names of credentials files, if it has any."""
    known = getattr(loader, "config_patterns", None)
    found = known.get(_CREDENTIALS) if isinstance(known, dict) else None
    listed = [found] if isinstance(found, str) else list(found or ())
    return tuple(dict.fromkeys(pattern for pattern in listed if isinstance(pattern, str)))


def database_file(credentials: Any) -> str | None:
    """Return the file of the database that credentials connect to, or None for a server."""
    address = credentials.get("con") if isinstance(credentials, Mapping) else None
    # What is not resolved may be anything.
    if not isinstance(address, str) or "${" in address:
        return None
    found = _FILE.fullmatch(address.strip())
    if found is None:
        return None
    path = found["path"] or ""
    return "memory://" if path in ("", ":memory:") else path


def _entries_of_files(loader: OmegaConfigLoader) -> Iterator[tuple[str, str | None]]:
    above = Path(str(loader.conf_source)).parent
    for file in config_files(loader, loader.config_patterns.get(_CREDENTIALS, ())):
        content: Any = None
        try:
            # Nothing in it is resolved.
            config = OmegaConf.load(file)
            if isinstance(config, DictConfig):
                content = OmegaConf.to_container(config, resolve=False)
            problem = "" if isinstance(content, dict) else "it must be names with keys below"
        except Exception as error:  # noqa: BLE001
            # Their texts may hold secrets.
            line = getattr(getattr(error, "problem_mark", None), "line", None)
            problem = type(error).__name__ + (f" in line {line + 1}" if line is not None else "")
        if problem:
            place = file.relative_to(above).as_posix()
            raise ConfigError(f"{place} cannot be read ({problem}).") from None
        yield from ((str(name), database_file(value)) for name, value in content.items())
