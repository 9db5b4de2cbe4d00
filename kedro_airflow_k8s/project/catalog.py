"""The catalog's configuration of datasets, read without importing a dataset class."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kedro.io import CatalogConfigResolver, DataCatalog
from parse import Parser  # type: ignore[import-untyped]
from parse import compile as compile_pattern

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.assets import asset_uri
from kedro_airflow_k8s.project.credentials import database_file
from kedro_airflow_k8s.project.entities import CatalogEntry
from kedro_airflow_k8s.project.parameters import begins_with_stand_in

MEMORY_TYPES = frozenset(
    ("MemoryDataset", "kedro.io.MemoryDataset", "kedro.io.memory_dataset.MemoryDataset")
)
"""All names of Kedro's own class. A subclass of it may keep its data elsewhere."""

_CACHED = re.compile(r"(kedro\.io\.)?(cached_dataset\.)?CachedDataset")
# The classes of which it is known that the key `dataset` is a dataset.
_WRAPPERS = re.compile(
    rf"(?:{_CACHED.pattern}|(kedro_datasets\.)?partitions\.(\w+\.)?"
    r"(Partitioned|Incremental)Dataset)$|kedro_mlflow\."
)
_SQL = re.compile(r"(kedro_datasets\.)?pandas\.(\w+\.)?SQL(Table|Query)Data[sS]et")
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
        databases: Credentials whose database is a file, each with the file.

    Raises:
        ConfigError: If Kedro would refuse it: an entry is not a mapping, a pattern is ambiguous.
    """

    def __init__(
        self, config: Mapping[str, Any] | None, databases: Mapping[str, str] | None = None
    ) -> None:
        self.exists = config is not None
        self._databases = databases or {}
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
        # Several checks ask for each dataset.
        self._resolved: dict[str, Mapping[str, Any] | None] = {}

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
                found[name] = _entry(config, self._databases)
        return found

    def places(self, names: Iterable[str], partition: str | None = None) -> dict[str, str]:
        """Return the URIs of the datasets that outlive a run, by name without `@...`.

        Args:
            names: Names of datasets, and of parameters, which are ignored.
            partition: The runtime parameter with the partition key, if runs have partitions.
        """
        found: dict[str, str] = {}
        for name, entry in self.entries(names).items():
            key = stored_name(name)
            if key in found or entry.in_memory or entry.in_database or not entry.sure_of_path:
                continue
            config = self.config(name) or {}
            inner = _inner(config)
            if inner and _CACHED.fullmatch(_type(config)):
                config = inner
            named = config.get(_CREDENTIALS)
            credentials = named if isinstance(named, str) else None
            uri = asset_uri(entry.type, config, entry.path, credentials, partition)
            if uri is not None:
                found[key] = uri
        return found

    def config(self, name: str) -> Mapping[str, Any] | None:
        """Return the keys of a dataset; those of a pattern have its placeholders filled."""
        if name in self._entries:
            return self._entries[name]
        if name not in self._resolved:
            self._resolved[name] = self._by_pattern(name)
        return self._resolved[name]

    def _by_pattern(self, name: str) -> Mapping[str, Any] | None:
        for pattern in self._patterns:
            values = pattern.match(name)
            if values is not None:
                config: Mapping[str, Any] = _filled(pattern.config, values)
                return config
        return None


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


def _entry(config: Mapping[str, Any], databases: Mapping[str, str]) -> CatalogEntry:
    kind, inner = _type(config), _inner(config)
    if inner and _CACHED.fullmatch(kind):
        # A CachedDataset stores its data by the dataset that it wraps.
        kind, config, inner = _type(inner), inner, _inner(inner)
    known = bool(_WRAPPERS.match(kind))
    types = tuple(_types(inner)) if inner else ()
    database = _database(kind, config) or _sql_database(kind, config, databases)
    own_path = _own_path(config) or database
    return CatalogEntry(
        type=kind,
        # With `data`, the catalog itself has the value, in every process.
        in_memory=kind in MEMORY_TYPES and "data" not in config,
        path=own_path or (_path(inner) if inner else None),
        credentials=tuple(dict.fromkeys(_credentials(config))),
        inner_types=types if known else (),
        foreign_types=() if known else types,
        sure_of_path=known or own_path is not None or inner is None,
        in_database=database is not None,
    )


def _type(config: Mapping[str, Any]) -> str:
    kind = config.get("type", "")
    # A loader written in Python may give the class itself.
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind or "")


def _inner(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the dataset inside a dataset, or None if there is none.

    The key `dataset` may be something else, such as BigQuery's name for a group of tables.
    """
    inner = config.get("dataset")
    if isinstance(inner, Mapping):
        return inner if "type" in inner else None
    # A class alone is a shorthand of Kedro's own wrappers.
    if isinstance(inner, str | type) and _WRAPPERS.match(_type(config)):
        return {"type": inner}
    return None


def _types(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the type of a dataset, then those of the datasets inside it, outermost first."""
    yield _type(config)
    inner = _inner(config)
    if inner:
        yield from _types(inner)


def _own_path(config: Mapping[str, Any]) -> str | None:
    for key in _PATH_KEYS:
        if config.get(key):
            path = str(config[key])
            # Without its beginning, it may be anywhere.
            return None if begins_with_stand_in(path) else path
    return None


def _database(kind: str, config: Mapping[str, Any]) -> str | None:
    """Return the file of the database that has a table, or None if it is not in a file."""
    name = kind.rpartition(".")[2]
    if name == "TableDataset" and "ibis." in kind:
        connection = config.get("connection") or {"backend": "duckdb"}
        return _database_file(connection) if isinstance(connection, Mapping) else None
    if name == "StudyDataset" and "optuna." in kind:
        return _database_file(config)
    if name.lower().startswith("faiss") and config.get("index_path"):
        return str(config["index_path"])
    if name == "ChromaDBDataset" and config.get("client_type", "ephemeral") != "http":
        settings = config.get("client_settings")
        path = settings.get("path") if isinstance(settings, Mapping) else None
        persistent = config.get("client_type") == "persistent"
        return str(path or "./chroma_db") if persistent else "memory://chromadb"
    return None


def _sql_database(kind: str, config: Mapping[str, Any], databases: Mapping[str, str]) -> str | None:
    """Return the file of the database that a SQL dataset connects to, or None for a server."""
    if not _SQL.fullmatch(kind):
        return None
    credentials = config.get(_CREDENTIALS)
    if isinstance(credentials, str):
        return databases.get(credentials)
    return database_file(credentials)


def _database_file(connection: Mapping[str, Any]) -> str | None:
    if connection.get("backend") not in ("duckdb", "sqlite"):
        return None
    database = str(connection.get("database") or ":memory:")
    # `md:` is a server of MotherDuck.
    if begins_with_stand_in(database) or database.startswith(("md:", "motherduck:")):
        return None
    return "memory://" if database == ":memory:" else database


def _path(config: Mapping[str, Any]) -> str | None:
    inner = _inner(config)
    return _own_path(config) or (_path(inner) if inner else None)


def _credentials(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        if key == _CREDENTIALS and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _credentials(value)
