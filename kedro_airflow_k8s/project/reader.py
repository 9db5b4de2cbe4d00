"""Reads a Kedro project without a session, user hooks, credentials or the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, MissingConfigException, OmegaConfigLoader
from kedro.framework.project import settings, validate_settings
from kedro.framework.startup import ProjectMetadata
from kedro.pipeline import Pipeline

from kedro_airflow_k8s.config.layers import with_defaults, with_image
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.dynamic_config import resolver
from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.git import describe_commit
from kedro_airflow_k8s.dynamic_config.loader import DynamicConfigLoader, read
from kedro_airflow_k8s.dynamic_config.usage import MLFLOW_PATTERNS, Use, used_names
from kedro_airflow_k8s.dynamic_config.variables import (
    FROM_GIT,
    set_variables,
    value_of,
    variable_name,
)
from kedro_airflow_k8s.errors import ConfigError, ProjectError
from kedro_airflow_k8s.pod.atomic import TEMPORARY_FILES
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.config_files import (
    CONFIG_FILES,
    CONFIG_NAME,
    found_config_files,
    shown_files,
)
from kedro_airflow_k8s.project.credentials import (
    credential_entries,
    credential_patterns,
    database_files,
)
from kedro_airflow_k8s.project.entities import KedroMlflow, ProjectPipeline
from kedro_airflow_k8s.project.mlflow import kedro_mlflow_runs, read_mlflow_settings
from kedro_airflow_k8s.project.nodes import (
    NodeKey,
    node_keys,
    node_tags,
    pipeline_nodes,
    registered_pipelines,
)
from kedro_airflow_k8s.project.own_code import declares_datasets, sets_parameters
from kedro_airflow_k8s.project.problems import (
    config_problem,
    long_form_instead,
    not_imported,
    unreadable,
    unreadable_config,
    without_kedros_own_warnings,
)
from kedro_airflow_k8s.project.runtime_params import stand_ins
from kedro_airflow_k8s.project.smallest_pipelines import smaller_pipelines


class KedroProject:
    """A Kedro project in one configuration environment.

    Args:
        metadata: The project that Kedro's CLI has bootstrapped.
        env: The environment, or None for Kedro's default.
        conf_path: The folder of the configuration, or None for that of the project.
    """

    def __init__(
        self, metadata: ProjectMetadata, env: str | None = None, conf_path: Path | None = None
    ) -> None:
        self._metadata = metadata
        self.path = Path(metadata.project_path)
        self.dags_path = self.path / "dags"
        self.package_name = str(metadata.package_name)
        try:
            # Kedro silently uses defaults if an import in settings.py fails.
            validate_settings()
        except Exception as error:
            raise ProjectError(not_imported("settings.py", error, self.path)) from error
        self.conf_path = conf_path or Path(os.path.normpath(self.path / settings.CONF_SOURCE))
        self._loader = self._config_loader(env)
        # Empty where a project has all its configuration in one folder.
        self.default_env = str(getattr(self._loader, "default_run_env", "local") or "")
        self.base_env = str(getattr(self._loader, "base_env", "base") or "")
        self.env = env or self.default_env
        # Of the files that were read: the runtime parameters without a default, and where they are.
        self.runtime_params: dict[str, str] = {}

    def config(
        self,
        image: str | None = None,
        *,
        defaults: Mapping[str, Any] | None = None,
        output: str | None = None,
    ) -> PluginConfig:
        """Return the plugin's configuration: base and environment merged key by key.

        Args:
            image: The image that overrides the one in the files, which then need not exist.
            defaults: Settings of `run_config` to use where the files have none.
            output: The folder for DAGs that overrides the output in the files.

        Raises:
            ConfigError: If a file cannot be read or has an invalid value.
        """
        source = shown_files(self._config_files(), self.path)
        data = self._config_data(source)
        if defaults:
            data = with_defaults(data, defaults)
        if image is not None:
            source += ", --image"
            data = with_image(data, image)
        if data is None:
            raise ConfigError(
                f"There is no {CONFIG_NAME}.yaml in {self.conf_path / self.base_env}. Create it"
                " with `kedro airflow-k8s init`, or pass --image."
            )
        config = load_config(data, source, self._values_not_shown())
        return config if output is None else config.model_copy(update={"output": output})

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The Kedro parameters of the environment; empty if the project has none.

        Raises:
            ConfigError: If they cannot be read without a run.
        """
        return self._read("parameters") or {}

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of the environment, without secrets.

        Raises:
            ConfigError: If they cannot be read without a run, or Kedro would refuse them.
        """
        return Catalog(self._read("catalog"), database_files(self._loader))

    @cached_property
    def catalog_of_runs(self) -> Catalog:
        """The catalog with stand-ins for all that a run may give it; the other if that fails."""
        try:
            return Catalog(self._read("catalog", with_defaults=False))
        except ConfigError:  # The text of a stand-in may not fit where the default does.
            return self.catalog

    def _read(self, kind: str, *, with_defaults: bool = True) -> dict[str, Any] | None:
        """Return what the files of a kind say, with stand-ins for what only a run has."""
        values = stand_ins(self._loader, with_defaults=with_defaults)
        try:
            with without_kedros_own_warnings(), values as names:
                found: dict[str, Any] = self._loader[kind]
        except (MissingConfigException, KeyError):
            return None
        except Exception as error:
            raise unreadable(kind, error, self._loader) from error
        self.runtime_params |= dict.fromkeys(sorted(names) if with_defaults else (), kind)
        return found

    @cached_property
    def mlflow(self) -> KedroMlflow | None:
        """The settings of kedro-mlflow; None if it is not installed or there is no mlflow.yml.

        Raises:
            ConfigError: If mlflow.yml cannot be read.
        """
        if not kedro_mlflow_runs(settings.DISABLE_HOOKS_FOR_PLUGINS, settings.HOOKS):
            return None
        try:
            with without_kedros_own_warnings():
                return read_mlflow_settings(self._loader, self.package_name, self.conf_path)
        except Exception as error:
            raise ConfigError(
                f"The project's mlflow.yml cannot be read: {config_problem(error, 'keys')}"
            ) from error

    @property
    def hooks_declare(self) -> bool:
        """Whether code of the project may add to the catalog before data is loaded."""
        return declares_datasets(settings)

    @property
    def sets_parameters_in_run(self) -> bool:
        """Whether code of the project may give nodes parameters that no file has."""
        return sets_parameters(settings)

    @property
    def hooks_start(self) -> bool:
        """Whether hooks of the project run before the catalog is made, and may add credentials."""
        return any(hasattr(hook, "after_context_created") for hook in settings.HOOKS)

    @property
    def disables_hooks(self) -> bool:
        """Whether settings.py disables the plugin's hooks."""
        # Kedro accepts only this spelling.
        return "kedro-airflow-k8s" in settings.DISABLE_HOOKS_FOR_PLUGINS

    @cached_property
    def credentials(self) -> frozenset[str]:
        """The names of the entries in the credentials files of the environment, without values.

        Raises:
            ConfigError: If they cannot be read.
        """
        if not isinstance(self._loader, DynamicConfigLoader):
            for use in used_names(self._loader, ["credentials"], long=lambda: False, short=True):
                problem = f"${{{use.name}}} is not a key in it. {long_form_instead(use.name)}"
                raise ConfigError(f"{use.file} cannot be read: {problem}")
        return frozenset(credential_entries(self._loader))

    @property
    def credential_patterns(self) -> tuple[str, ...]:
        """The loader's patterns for the names of credentials files; empty if it has none."""
        return credential_patterns(self._loader)

    @cached_property
    def variables(self) -> tuple[Use, ...]:
        """The variables `KEDRO_CONFIG_<NAME>` that the pods' files of the environment use."""
        kinds = {"mlflow", *getattr(self._loader, "config_patterns", ())} - {CONFIG_NAME}
        return self._used(kinds, short=isinstance(self._loader, DynamicConfigLoader))

    @cached_property
    def pod_variables(self) -> dict[str, str]:
        """Commit and branch, if the pods' files use them: an image has no git repository."""
        used = {use.name for use in self.variables}
        values = {name: value_of(name, self.path) for name in FROM_GIT if name in used}
        return {variable_name(name): value for name, value in values.items() if value is not None}

    @property
    def source_path(self) -> Path:
        """The folder with the project's package."""
        return Path(self._metadata.source_dir)

    def with_conf(self, conf_path: Path) -> KedroProject:
        """Return the project with its configuration in another folder."""
        return KedroProject(self._metadata, self.env or None, conf_path)

    @property
    def config_patterns(self) -> dict[str, list[str]]:
        """The patterns of Kedro's loader for each kind of file; none of another loader."""
        if not isinstance(self._loader, OmegaConfigLoader):
            return {}
        return {"mlflow": list(MLFLOW_PATTERNS), **self._loader.config_patterns}

    def config_files(self, kind: str) -> list[Path]:
        """Return the files of a kind that the loader reads in the environment, base first."""
        return config_files(self._loader, self.config_patterns.get(kind, ()))

    def _used(self, kinds: Iterable[str], *, short: bool) -> tuple[Use, ...]:
        return used_names(self._loader, kinds, long=resolver.is_ours, short=short)

    def _values_not_shown(self) -> dict[str, str]:
        """Return the values that the configuration takes from variables, which may be secret."""
        values = set_variables()
        if not values or not isinstance(self._loader, OmegaConfigLoader):
            return values
        used = {use.name for use in self._used([CONFIG_NAME, "globals"], short=True)}
        return {name: value for name, value in values.items() if name in used}

    def pipeline_names(self) -> list[str]:
        """Return the names of all registered pipelines, sorted.

        Raises:
            ProjectError: If a pipeline module does not import.
        """
        return sorted(self._pipelines)

    def read_pipeline(self, name: str, output: Path | None = None) -> ProjectPipeline:
        """Return a pipeline with the data that its plan needs.

        Args:
            name: The registered name of the pipeline.
            output: Another folder for DAGs besides `dags_path`. DAGs in either of them do not
                count as uncommitted changes.

        Raises:
            ProjectError: If the pipeline is unknown, or a pipeline module does not import.
        """
        registered = self._pipelines
        if name not in registered:
            others = ", ".join(sorted(registered)) or "none"
            hint = Nearest(registered).hint(name)
            hint += " Give one name, or --all where a command has it." if "," in name else ""
            raise ProjectError(f"There is no pipeline {name!r}.{hint} Pipelines: {others}.")
        # Kedro splits the option's value at commas, and reads an empty value as the default.
        if [part.strip() for part in name.split(",")] != [name] or not name:
            raise ProjectError(
                f"Pipeline {name!r} has a name that `kedro run --pipelines` does not accept. The"
                " name must not be empty, contain a comma, or begin or end with a space. Rename it."
            )
        untracked = self.mlflow.without if self.mlflow else ()
        return ProjectPipeline(
            package_name=self.package_name,
            env=self.env,
            is_default_env=self.env == self.default_env,
            name=name,
            nodes=pipeline_nodes(registered[name]),
            commit=describe_commit(
                self.path,
                self.dags_path,
                output or self.dags_path,
                generated=("*.py", TEMPORARY_FILES),
            ),
            smaller=smaller_pipelines(registered, name, without=untracked),
            mlflow=self.mlflow,
            variables=self.pod_variables,
        )

    @cached_property
    def node_tags(self) -> dict[str, set[str]]:
        """The tags of the nodes of all registered pipelines, by the node's name."""
        return node_tags(self._pipelines.values())

    def node_keys(self, names: Iterable[str]) -> dict[str, frozenset[NodeKey]]:
        """Return what identifies the nodes of registered pipelines, by the pipeline's name."""
        return {name: node_keys(self._pipelines[name]) for name in names}

    def makers(self, dataset: str) -> list[str]:
        """Return the registered pipelines that make a dataset, smallest first.

        Raises:
            ProjectError: If a pipeline module does not import.
        """
        found = [
            (len(p.nodes), name)
            for name, p in self._pipelines.items()
            if stored_name(dataset) in map(stored_name, p.all_outputs())
        ]
        return [name for _, name in sorted(found)]

    @cached_property
    def _pipelines(self) -> dict[str, Pipeline]:
        """The registered pipelines."""
        return registered_pipelines(self.path)

    def _config_loader(self, env: str | None) -> AbstractConfigLoader:
        """Return the project's loader, made as Kedro's session makes it."""
        resolver.register(settings.CONFIG_LOADER_ARGS)
        try:
            with without_kedros_own_warnings():
                loader: AbstractConfigLoader = settings.CONFIG_LOADER_CLASS(
                    conf_source=str(self.conf_path),
                    env=env,
                    runtime_params=None,
                    **settings.CONFIG_LOADER_ARGS,
                )
        except Exception as error:
            # Its constructor reads files, and CONFIG_LOADER_ARGS may be anything.
            raise ConfigError(
                f"The project's config loader cannot be created: {config_problem(error)}"
            ) from error
        if isinstance(loader, OmegaConfigLoader):
            loader.config_patterns.setdefault(
                CONFIG_NAME, [f"{where}{name}" for where in ("", "**/") for name in CONFIG_FILES]
            )
            # Kedro's default replaces a whole top-level key, here all of run_config.
            loader.merge_strategy.setdefault(CONFIG_NAME, "soft")
        return loader

    def _config_data(self, source: str) -> Any:
        """Return the merged content of the files, or None if there are none."""
        try:
            with without_kedros_own_warnings():
                # This file may have the short form with any loader of Kedro's.
                return read(self._loader, CONFIG_NAME, self._loader.__getitem__)
        except (MissingConfigException, KeyError) as error:
            # Kedro's own loader has the pattern from us; other loaders may not read these files.
            unread = sorted(self.conf_path.rglob(f"{CONFIG_NAME}.*"))
            if unread and not isinstance(self._loader, OmegaConfigLoader):
                raise ConfigError(
                    f"The project's config loader, {type(self._loader).__name__}, does not read"
                    f" {unread[0]}. Make it return that file for the key {CONFIG_NAME!r}."
                ) from error
            return None
        except Exception as error:  # YAML, OmegaConf and each loader have their own errors.
            raise unreadable_config(source, error, self.path, self._loader) from error

    def _config_files(self) -> list[Path]:
        """Return the files that Kedro's loader will read.

        Raises:
            ConfigError: If the loader would ignore a file silently, or an environment is missing.
        """
        # A loader of another kind, or an archive, cannot be looked into.
        if not isinstance(self._loader, OmegaConfigLoader) or self.conf_path.is_file():
            return []
        return found_config_files(self.conf_path, (self.base_env, self.env))
