"""Settings of one pipeline over those of all pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {"security_context": "profile"}
"""The keys of pods that may be a word, to the key of the section that the word sets."""


def merged(base: Any, over: Any, also_named: Mapping[str, str] | None = None) -> Any:
    """Return settings with others over them: mappings merge key by key, all else is replaced.

    A list replaces a list, and a key without a value takes the setting back to its default.

    Args:
        base: The settings below.
        over: The settings above.
        also_named: Other names of keys, to their names: the one above replaces the one below
            whichever name it has.
    """
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    names = also_named or {}
    given = {names.get(key, key) for key in over}
    result = {key: value for key, value in base.items() if names.get(key, key) not in given}
    for key, value in over.items():
        result[key] = merged(_whole(key, base[key]), _whole(key, value)) if key in base else value
    return result


def _whole(key: Any, value: Any) -> Any:
    """Return a section in place of a word for it, so that a section below adds to it."""
    return {_WORDS[key]: value} if key in _WORDS and isinstance(value, str) else value


def with_defaults(data: Any, defaults: Mapping[str, Any]) -> Any:
    """Return the content of the configuration files with settings of runs that it does not have.

    Args:
        data: The content; None if there are no files. Other than a mapping, it is returned as is.
        defaults: The settings, by key of `run_config`.
    """
    content = {} if data is None else data
    run = content.get("run_config") or {} if isinstance(content, Mapping) else None
    if not isinstance(run, Mapping):
        return data
    given = {key: value for key, value in run.items() if value not in (None, "")}
    return {**content, "run_config": {**run, **defaults, **given}}


def with_image(data: Any, image: str) -> Any:
    """Return the content of the configuration files with an image for all pipelines.

    Args:
        data: The content; None if there are no files. Other than a mapping, it is returned as is.
        image: The image, which replaces those that the files name.
    """
    content = {} if data is None else data
    run = content.get("run_config") or {} if isinstance(content, Mapping) else None
    if not isinstance(run, Mapping):
        return data
    found = {**content, "run_config": {**_without_images(run), "image": image}}
    pipelines = content.get("pipelines")
    if isinstance(pipelines, Mapping):
        found["pipelines"] = {name: _without_images(own) for name, own in pipelines.items()}
    return found


def _without_images(settings: Any) -> Any:
    """Return settings without the images that they and their entries of `resources` name."""
    if not isinstance(settings, Mapping):
        return settings
    found = {key: value for key, value in settings.items() if key != "image"}
    entries = found.get("resources")
    if isinstance(entries, Mapping):
        found["resources"] = {name: _without_images(own) for name, own in entries.items()}
    return found
