"""The catalog's configuration of datasets, read without importing a dataset class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from kedro.io import CatalogConfigResolver, DataCatalog
from parse import Parser  # type: ignore[import-untyped]
from parse import compile as compile_pattern

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.pod.names import is_parameter
from kedro_airflow_k8s.project.entities import CatalogEntry

MEMORY_TYPES = frozenset(
    ("MemoryDataset", "kedro.io.MemoryDataset", "kedro.io.memory_dataset.MemoryDataset")
)
"""All names of Kedro's own class. A subclass of it may keep its data elsewhere."""

_CACHED_TYPES = frozenset(
    ("CachedDataset", "kedro.io.CachedDataset", "kedro.io.cached_dataset.CachedDataset")
)
# Kedro's own context converts the first two. Partitioned datasets of older versions and datasets of
# other packages have the third.
_PATH_KEYS = ("filepath", "path", "folderpath")
_CREDENTIALS = "credentials"


@dataclass(frozen=True)
class _Pattern:
    """A dataset factory, ready to be tried on many names."""

    parser: Parser
    beginning: str
    config: Mapping[str, Any]

    def match(self, name: str) -> dict[str, Any] | None:
        """Return the values of the placeholders, or None if a name does not match."""
        # Kedro's patterns ignore case. Nearly all names fail here, quickly.
        if name.isascii() and not name.lower().startswith(self.beginning):
            return None
        found = self.parser.parse(name)
        return None if found is None else found.named


class Catalog:
    """The entries and patterns of a catalog.

    Args:
        config: The content of the catalog's files, as the project's config loader merges it; None
            if there are no such files, not even empty ones.

    Raises:
        ConfigError: If Kedro would refuse it: an entry is not a mapping, a pattern is ambiguous.
    """

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self.exists = config is not None
        patterns: dict[str, Any] = {}
        self._entries: dict[str, Mapping[str, Any]] = {}
        for name, entry in (config or {}).items():
            if not isinstance(entry, Mapping):
                raise ConfigError(
                    f"The catalog's entry {name!r} must be a mapping with keys such as `type`. If"
                    " other entries only refer to its value, begin its name with an underscore."
                )
            if CatalogConfigResolver.is_pattern(name):
                patterns[name] = entry
            else:
                self._entries[name] = entry
        self._patterns = _ordered(patterns)

    @property
    def names(self) -> frozenset[str]:
        """The names of the datasets that are entries, not matches of a pattern."""
        return frozenset(self._entries)

    def entries(self, names: Iterable[str]) -> dict[str, CatalogEntry]:
        """Return the entries of datasets by name, without datasets that are not in the catalog.

        Args:
            names: Names of datasets, and of parameters, which are ignored.
        """
        found = {}
        for name in dict.fromkeys(names):
            if is_parameter(name):
                continue
            config = self.config(name)
            if config is not None:
                found[name] = _entry(config)
        return found

    def config(self, name: str) -> Mapping[str, Any] | None:
        """Return the keys of a dataset; those of a pattern have its placeholders filled."""
        if name in self._entries:
            return self._entries[name]
        for pattern in self._patterns:
            values = pattern.match(name)
            if values is not None:
                config: Mapping[str, Any] = _filled(pattern.config, values)
                return config
        return None


def credential_names(
    loader: AbstractConfigLoader, conf_path: Path, envs: Iterable[str]
) -> frozenset[str]:
    """Return the names of the entries in the credentials files of the environments.

    Their values are not kept, and nothing in them is resolved.

    Args:
        loader: The project's config loader, which has the patterns of the files' names.
        conf_path: The folder of the configuration.
        envs: The environments, as folders in it.

    Raises:
        ConfigError: If they cannot be read. The message holds nothing of their content.
    """
    try:
        if isinstance(loader, OmegaConfigLoader) and conf_path.is_dir():
            return frozenset(_keys_of_files(loader, envs))
        return frozenset(map(str, loader[_CREDENTIALS]))
    except Exception as error:  # noqa: BLE001
        # Each loader has its own errors, and their texts may contain secrets.
        raise ConfigError(
            f"The credentials files cannot be read ({type(error).__name__}). Check their syntax."
        ) from None


def credential_patterns(loader: AbstractConfigLoader) -> tuple[str, ...]:
    """Return the loader's patterns for the names of credentials files, if it has any."""
    known = getattr(loader, "config_patterns", None)
    found = known.get(_CREDENTIALS) if isinstance(known, dict) else None
    listed = [found] if isinstance(found, str) else list(found or ())
    return tuple(dict.fromkeys(pattern for pattern in listed if isinstance(pattern, str)))


def _keys_of_files(loader: OmegaConfigLoader, envs: Iterable[str]) -> Iterator[str]:
    for file in config_files(loader, loader.config_patterns.get(_CREDENTIALS, ()), envs):
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if isinstance(node, yaml.MappingNode):
            yield from (str(key.value) for key, _ in node.value)


def _ordered(patterns: Mapping[str, Any]) -> list[_Pattern]:
    """Return the patterns in the order in which Kedro tries them."""
    if not patterns:
        return []
    try:
        resolver = CatalogConfigResolver(
            {name: _without_credentials(config) for name, config in patterns.items()},
            None,
            DataCatalog.default_runtime_patterns,
        )
        return [
            _Pattern(
                parser=compile_pattern(name),
                beginning=name.partition("{")[0].lower(),
                config=patterns[name],
            )
            for name in resolver.list_patterns()
            if name in patterns
        ]
    except Exception as error:
        # Errors of Kedro, and of the library that parses its patterns.
        raise ConfigError(f"The catalog's patterns are wrong: {error}") from error


def _without_credentials(config: Any) -> Any:
    """Return a configuration without credentials, which Kedro would look up."""
    if not isinstance(config, Mapping):
        return config
    return {
        key: _without_credentials(value) for key, value in config.items() if key != _CREDENTIALS
    }


def _filled(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a pattern's configuration with the values of its placeholders."""
    if isinstance(config, Mapping):
        return {key: _filled(value, values) for key, value in config.items()}
    if isinstance(config, str) and "}" in config:
        try:
            return config.format_map(values)
        except (KeyError, IndexError, ValueError, AttributeError):
            # Kedro would fail on it when the dataset is used; here it is only read.
            return config
    return config


def _entry(config: Mapping[str, Any]) -> CatalogEntry:
    types = list(_types(config))
    # A CachedDataset stores its data by the dataset that it wraps.
    cached = types[0] in _CACHED_TYPES and len(types) > 1
    return CatalogEntry(
        type=types[1] if cached else types[0],
        # With `data`, the catalog itself has the value, in every process.
        in_memory=types[1 if cached else 0] in MEMORY_TYPES and "data" not in config,
        path=_path(config),
        credentials=tuple(dict.fromkeys(_credentials(config))),
        inner_types=tuple(types[2:] if cached else types[1:]),
    )


def _types(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the type of a dataset, then those of the datasets inside it, outermost first."""
    kind = config.get("type", "")
    # A loader written in Python may give the class itself.
    yield f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind or "")
    inner = config.get("dataset")
    if isinstance(inner, Mapping):
        yield from _types(inner)
    elif isinstance(inner, str | type):
        yield from _types({"type": inner})


def _path(config: Mapping[str, Any]) -> str | None:
    for key in _PATH_KEYS:
        if config.get(key):
            return str(config[key])
    inner = config.get("dataset")
    return _path(inner) if isinstance(inner, Mapping) else None


def _credentials(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if key == _CREDENTIALS and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _credentials(value)
