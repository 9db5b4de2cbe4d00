"""Load the content of the configuration files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from kedro_airflow_k8s.config.errors import refusal
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.errors import ConfigError

_DISABLE_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def load_config(
    data: Any, source: str, taken: Mapping[str, str] = MappingProxyType({})
) -> PluginConfig:
    """Return the typed form of the merged content of the configuration files.

    Args:
        data: What the files say, as plain dicts, lists and scalars.
        source: What to call the files in a message, such as `conf/base/airflow-k8s.yaml`.
        taken: Values that they take from the environment, by name. Messages show the names.

    Raises:
        ConfigError: If something in it is unknown or impossible; the message lists everything.
    """
    with _without_plugins():
        PluginConfig.model_rebuild()
    try:
        return PluginConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(refusal(error, PluginConfig, data, source, taken)) from None


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Let pydantic not look for its plugins, in the metadata of all packages, by its own setting.

    Plugins such as Logfire's observe what an application validates, and take long to import.
    """
    before = os.environ.get(_DISABLE_PLUGINS)
    os.environ[_DISABLE_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_DISABLE_PLUGINS]
        else:
            os.environ[_DISABLE_PLUGINS] = before
