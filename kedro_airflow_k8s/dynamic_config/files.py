"""The files of the configuration that Kedro's loader reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kedro.config import AbstractConfigLoader, OmegaConfigLoader

_SUFFIXES = (".yml", ".yaml", ".json")


def config_files(
    loader: AbstractConfigLoader, patterns: Iterable[str], envs: Iterable[str] | None = None
) -> list[Path]:
    """Return the files that match patterns of a loader, sorted within each environment.

    Args:
        loader: The project's loader. A loader that is not Kedro's, or that reads from an archive or
            a remote place, has no files here.
        patterns: As in the loader's `config_patterns`.
        envs: The environments, as folders; the loader's own two if not given.
    """
    conf_path = Path(str(loader.conf_source))
    if not isinstance(loader, OmegaConfigLoader) or not conf_path.is_dir():
        return []
    if envs is None:
        envs = (loader.base_env, loader.env or loader.default_run_env)
    patterns = tuple(patterns)
    found: list[Path] = []
    for env in dict.fromkeys(envs):
        folder = conf_path / env
        files = {
            file
            for pattern in patterns
            for file in folder.glob(_without_bare_stars(pattern))
            if file.suffix in _SUFFIXES and file.is_file() and not _is_hidden(loader, folder, file)
        }
        found += sorted(files)
    return found


def _without_bare_stars(pattern: str) -> str:
    """Convert a pattern of Kedro for `Path.glob`, where `x/**` matches only folders."""
    return f"{pattern}/*" if pattern.endswith("**") else pattern


def _is_hidden(loader: OmegaConfigLoader, folder: Path, file: Path) -> bool:
    # Older versions of Kedro always ignore hidden files.
    return getattr(loader, "ignore_hidden", True) and any(
        part.startswith(".") for part in file.relative_to(folder).parts
    )
