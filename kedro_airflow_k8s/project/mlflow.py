"""The settings of kedro-mlflow, read from mlflow.yml without MLflow or a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.resolver import register_resolver
from kedro_airflow_k8s.dynamic_config.usage import MLFLOW_PATTERNS
from kedro_airflow_k8s.project.entities import KedroMlflow

CONFIG_NAME = "mlflow"
_HOOK = "MlflowHook"
PLUGIN = "kedro_mlflow"
"""The name of the plugin in DISABLE_HOOKS_FOR_PLUGINS."""

_RANDOM_NAME = "km.random_name"


def kedro_mlflow_runs(disabled: tuple[str, ...], hooks: Iterable[object] = ()) -> bool:
    """Return whether kedro-mlflow is installed and its hooks are enabled.

    Args:
        disabled: DISABLE_HOOKS_FOR_PLUGINS of the project's settings.
        hooks: HOOKS of the settings, where a project may register the hooks itself, or a subclass.
    """
    if find_spec(PLUGIN) is None:
        return False
    return _distribution() not in disabled or any(
        base.__name__ == _HOOK and base.__module__.startswith(f"{PLUGIN}.")
        for hook in hooks
        for base in type(hook).__mro__
    )


def _distribution() -> str:
    """Return the name of kedro-mlflow as it is installed, with which Kedro compares."""
    try:
        return str(distribution(PLUGIN).metadata["Name"])
    except PackageNotFoundError:
        return PLUGIN


def read_mlflow_settings(
    loader: AbstractConfigLoader, package_name: str, conf_path: Path
) -> KedroMlflow | None:
    """Return the settings in mlflow.yml; None if the project has no such file.

    Args:
        loader: The project's config loader.
        package_name: The project's package, which is the default name of the experiment.
        conf_path: The folder of the configuration.

    Raises:
        Exception: Any error of the loader about a file that it cannot read.
    """
    if isinstance(loader, OmegaConfigLoader):
        loader.config_patterns.setdefault(CONFIG_NAME, list(MLFLOW_PATTERNS))
    try:
        with _random_names():
            found: Any = loader[CONFIG_NAME]
    except (MissingConfigException, KeyError):
        return None
    server, tracking = _section(found, "server"), _section(found, "tracking")
    experiment = _section(tracking, "experiment")
    params = _section(tracking, "params")
    files = config_files(loader, MLFLOW_PATTERNS)
    default = conf_path / str(getattr(loader, "default_run_env", "") or "")
    return KedroMlflow(
        experiment=str(experiment.get("name") or package_name),
        tracking_uri=_text(server.get("mlflow_tracking_uri")),
        restore_experiment=experiment.get("restore_if_deleted") is not False,
        experiment_settings=_creation(_section(experiment, "create_experiment_kwargs")),
        run_name=_text(_section(tracking, "run").get("name")),
        without=frozenset(_section(tracking, "disable_tracking").get("pipelines") or ()),
        flatten=_section(params, "dict_params"),
        long_params=str(params.get("long_params_strategy") or "fail"),
        login=_login(server),
        source=_shown(files, conf_path) or "mlflow.yml",
        in_default_env=bool(files) and all(file.is_relative_to(default) for file in files),
    )


def _login(server: Mapping[str, Any]) -> str | None:
    """Return the key of mlflow.yml by which pods log in to the server, or None."""
    if server.get("credentials"):
        return "server.credentials"
    if _section(server, "request_header_provider").get("type"):
        return "server.request_header_provider"
    return None


def _shown(files: Iterable[Path], conf_path: Path) -> str:
    return ", ".join(file.relative_to(conf_path.parent).as_posix() for file in files)


def _section(settings: Any, name: str) -> Mapping[str, Any]:
    """Return a section, empty where it is not a mapping, which kedro-mlflow refuses."""
    found = settings.get(name) if isinstance(settings, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _creation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a new experiment in the form of MLflow's REST API."""
    found: dict[str, Any] = {}
    if settings.get("artifact_location"):
        found["artifact_location"] = str(settings["artifact_location"])
    tags = settings.get("tags")
    if isinstance(tags, Mapping) and tags:
        found["tags"] = [{"key": str(key), "value": str(tags[key])} for key in sorted(tags)]
    return found


@contextmanager
def _random_names() -> Iterator[None]:
    """Register kedro-mlflow's resolver of random run names, which only its hooks register."""
    if OmegaConf.has_resolver(_RANDOM_NAME):
        yield
        return
    register_resolver(_RANDOM_NAME, lambda: "")
    try:
        yield
    finally:
        OmegaConf.clear_resolver(_RANDOM_NAME)
