"""Where each value of the configuration comes from: the file and the line, or the default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.config.model import PluginConfig, RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.warnings import is_secret
from kedro_airflow_k8s.pod.redaction import HIDDEN, without_credentials

DEFAULT = "default"

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """A value as it is written in a file.

    Attributes:
        value: The value, with `${...}` as in the file.
        place: The file and the line.
    """

    value: Any
    place: str


@dataclass(frozen=True)
class Setting:
    """A setting, as `show-config` shows it.

    Attributes:
        keys: Its path in the file.
        value: Its value, without secrets; None for a section that has settings of its own.
        origin: The file and the line, or `default`; empty for such a section.
    """

    keys: Keys
    value: Any
    origin: str


def read_origins(files: Sequence[tuple[Path, str]]) -> dict[Keys, Written]:
    """Return what files say at each path, as far as no later file says something else there.

    Args:
        files: The files with their names for people, in the order in which they are merged.
    """
    found: dict[Keys, Written] = {}
    for file, name in files:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if isinstance(node, yaml.MappingNode):
            _add(found, _leaves(node, name))
    return found


def _add(found: dict[Keys, Written], layer: Mapping[Keys, Written]) -> None:
    """Put a layer over what was found: a leaf replaces all below it, and what it was below."""
    for keys, written in layer.items():
        others = [each for each in found if _on_one_path(each, keys)]
        if written.value == {} and any(len(each) > len(keys) for each in others):
            continue  # Nothing, merged with something.
        for other in others:
            del found[other]
        found[keys] = written


def _on_one_path(one: Keys, other: Keys) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _leaves(node: yaml.MappingNode, file: str, above: Keys = ()) -> dict[Keys, Written]:
    found: dict[Keys, Written] = {}
    for key, value in node.value:
        keys = (*above, str(key.value))
        if isinstance(value, yaml.MappingNode) and value.value:
            found.update(_leaves(value, file, keys))
        else:
            place = f"{file}:{key.start_mark.line + 1}"
            found[keys] = Written(_constructed(value), place)
    return found


def _constructed(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return _with_on(loader.construct_document(node))
    finally:
        loader.dispose()


def _with_on(value: Any) -> Any:
    """Return a value with the key `on` as it is written: YAML reads it as true."""
    if isinstance(value, list):
        return [_with_on(part) for part in value]
    if isinstance(value, Mapping):
        return {"on" if key is True else key: _with_on(part) for key, part in value.items()}
    return value


def settings(
    config: PluginConfig, origins: Mapping[Keys, Written], pipeline: str, entry: str | None = None
) -> Iterator[Setting]:
    """Yield all settings of a pipeline, each with its origin.

    Args:
        config: The configuration of all pipelines.
        origins: What the files say.
        pipeline: The pipeline, by its registered name.
        entry: The only entry of `resources` to show; None to show all.
    """
    found = {keys: written for keys, written in origins.items() if keys[0] != "pipelines"}
    own = ("pipelines", pipeline)
    layer = {keys[2:]: written for keys, written in origins.items() if keys[:2] == own}
    _add(found, {("run_config", *keys): written for keys, written in layer.items() if keys})
    found = {_named(keys): written for keys, written in found.items()}
    shown = config.of(pipeline)
    for name in shown.run_config.resources:
        _add_inherited(found, name)
    for setting in _of_section(shown, (), found):
        if setting.keys[:2] == _RESOURCES and len(setting.keys) > 2:
            # Of an entry, only what a file says: it has the same keys as `run_config`.
            shows = entry in (None, setting.keys[2]) and _is_said(setting.keys, found)
        else:
            shows = setting.keys[0] != "pipelines"
        if shows:
            yield setting


_RESOURCES: Keys = ("run_config", "resources")


def _add_inherited(found: dict[Keys, Written], entry: str) -> None:
    """Add what an entry of `resources` has from the settings of all pods and tasks."""
    at = (*_RESOURCES, entry)
    own = {keys: written for keys, written in found.items() if keys[: len(at)] == at}
    for keys in own:
        del found[keys]
    for keys, written in list(found.items()):
        if keys[:1] == ("run_config",) and keys[1:2] and keys[1] in ResourcesConfig.model_fields:
            found[(*at, *keys[1:])] = written
    _add(found, {keys: written for keys, written in own.items() if keys != at})


def _is_said(keys: Keys, found: Mapping[Keys, Written]) -> bool:
    """Return whether a file says something at a path, above it or below it."""
    return any(_on_one_path(keys, each) and len(each) > len(_RESOURCES) for each in found)


def as_text(found: Iterable[Setting]) -> Iterator[str]:
    """Yield the lines of settings, as in the file, each with its origin as a comment."""
    for setting in found:
        line = "  " * (len(setting.keys) - 1) + f"{_yaml(setting.keys[-1])}:"
        if setting.origin:
            line = f"{line} {_yaml(setting.value)}"
            line = f"{line:<60}  # {setting.origin}"
        yield line


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=2**31, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _named(keys: Keys) -> Keys:
    """Return a path with the keys' own names in place of their other names."""
    if keys[0] != "run_config" or len(keys) < 2:
        return keys
    names = RunConfig.also_named
    if keys[1] == "resources" and len(keys) > 3:
        return (*keys[:3], names.get(keys[3], keys[3]), *keys[4:])
    return (keys[0], names.get(keys[1], keys[1]), *keys[2:])


def _of_section(section: Section, above: Keys, found: Mapping[Keys, Written]) -> Iterator[Setting]:
    for name in type(section).model_fields:
        yield from _of_value(getattr(section, name), (*above, name), found)


def _of_value(value: Any, keys: Keys, found: Mapping[Keys, Written]) -> Iterator[Setting]:
    if keys in found:
        yield Setting(keys, _shown(keys, found[keys].value), found[keys].place)
    elif isinstance(value, Section):
        yield Setting(keys, None, "")
        yield from _of_section(value, keys, found)
    elif isinstance(value, Mapping) and value:
        yield Setting(keys, None, "")
        for key, part in value.items():
            yield from _of_value(part, (*keys, str(key)), found)
    else:
        yield Setting(keys, _shown(keys, _plain(value)), DEFAULT)


def _plain(value: Any) -> Any:
    """Return a value as YAML has it."""
    if isinstance(value, Section):
        return {key: _plain(part) for key, part in value if part is not None}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _shown(keys: Keys, value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(keys, part) for part in value]
    if isinstance(value, Mapping):
        return {key: _shown((*keys, str(key)), part) for key, part in value.items()}
    if not isinstance(value, str):
        return value
    if {"env_vars", "arguments"}.intersection(keys) and is_secret(keys[-1], value):
        return HIDDEN
    return without_credentials(value)
