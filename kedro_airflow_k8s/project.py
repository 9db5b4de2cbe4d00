"""What is read of a Kedro project: without a session, user hooks, credentials or the network."""

from __future__ import annotations

import difflib
import inspect
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kedro import __version__ as kedro_version
from kedro.config import AbstractConfigLoader, MissingConfigException
from kedro.framework.project import pipelines, settings
from kedro.framework.startup import ProjectMetadata
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from kedro_airflow_k8s.commit import describe_commit
from kedro_airflow_k8s.config import PluginConfig, load_config
from kedro_airflow_k8s.errors import ConfigError, ProjectError
from kedro_airflow_k8s.pipeline import PipelineNode, Project

CONFIG_NAME = "airflow-k8s"
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")

# How Kedro's find_pipelines begins its warning of a module that it leaves out.
_MODULE_LEFT_OUT = (
    r"An error occurred while importing the|The '.*' module does not|Expected the 'create_"
)


class KedroProject:
    """A Kedro project in one configuration environment.

    Args:
        metadata: What Kedro's CLI knows of the project, which it has bootstrapped.
        env: The environment, or None for Kedro's default.
    """

    def __init__(self, metadata: ProjectMetadata, env: str | None = None) -> None:
        self.path = Path(metadata.project_path)
        self.package_name = str(metadata.package_name)
        self.conf_path = self.path / settings.CONF_SOURCE
        with _without_kedros_own_warnings():
            self._loader: AbstractConfigLoader = settings.CONFIG_LOADER_CLASS(
                conf_source=str(self.conf_path), env=env, **settings.CONFIG_LOADER_ARGS
            )
        self.default_env = str(getattr(self._loader, "default_run_env", None) or "local")
        self.base_env = str(getattr(self._loader, "base_env", None) or "base")
        self.env = env or self.default_env

    def config(self) -> PluginConfig:
        """The plugin's configuration: base and environment merged key by key.

        Raises:
            ConfigError: If a file cannot be read or says something impossible.
        """
        self._check_files()
        patterns = [
            f"{where}{CONFIG_NAME}{end}" for where in ("", "**/") for end in CONFIG_SUFFIXES
        ]
        loader: Any = self._loader
        if hasattr(loader, "config_patterns"):
            loader.config_patterns.setdefault(CONFIG_NAME, patterns)
        if hasattr(loader, "merge_strategy"):
            # Kedro's default replaces a whole top-level key, here all of run_config.
            loader.merge_strategy.setdefault(CONFIG_NAME, "soft")
        source = f"{CONFIG_NAME}.yaml (environment {self.env!r})"
        try:
            with _without_kedros_own_warnings():
                data = loader[CONFIG_NAME]
        except MissingConfigException:
            data = {}
        except Exception as error:
            # YAML, OmegaConf and each loader have errors of their own.
            raise ConfigError(f"{source} cannot be read: {error}") from error
        return load_config(data, source)

    def pipeline_names(self) -> list[str]:
        """The names of all registered pipelines, sorted.

        Raises:
            ProjectError: If a pipeline module does not import.
        """
        return sorted(self._pipelines())

    def read(self, pipeline: str, output: Path | None = None) -> Project:
        """What the plan needs to know.

        Args:
            pipeline: The registered name of a pipeline.
            output: A folder in the project whose files do not count as uncommitted changes.

        Raises:
            ProjectError: If the pipeline is unknown, or a pipeline module does not import.
        """
        registered = self._pipelines()
        if pipeline not in registered:
            names = ", ".join(sorted(registered)) or "none"
            near = difflib.get_close_matches(pipeline, registered, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ProjectError(f"There is no pipeline {pipeline!r}.{hint} Registered: {names}.")
        return Project(
            package_name=self.package_name,
            env=self.env,
            is_default_env=self.env == self.default_env,
            pipeline=pipeline,
            nodes=pipeline_nodes(registered[pipeline]),
            commit=describe_commit(self.path, output),
            pipeline_option=pipeline_option(kedro_version),
        )

    def _pipelines(self) -> dict[str, Pipeline]:
        """The registered pipelines; one that Kedro would leave out with a warning is an error."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", _MODULE_LEFT_OUT, UserWarning)
                return dict(pipelines)
        except UserWarning as warning:
            raise ProjectError(_left_out(warning)) from warning
        except Exception as error:
            raise ProjectError(_not_imported(error, self.path)) from error

    def _check_files(self) -> None:
        """Refuse what Kedro's loader passes over in silence, or refuses with too few words."""
        for env in dict.fromkeys((self.base_env, self.env)):
            folder = self.conf_path / env
            if not folder.is_dir():
                found = sorted(p.name for p in self.conf_path.glob("*") if p.is_dir())
                raise ConfigError(
                    f"The configuration environment {env!r} does not exist: there is no folder"
                    f" {folder}. Create it, or name another with --env. There are:"
                    f" {', '.join(found) or 'none'}."
                )
            for file in sorted(folder.glob("*")):
                named = file.stem.lower() == CONFIG_NAME
                if named and file.is_file() and file.suffix not in CONFIG_SUFFIXES:
                    raise ConfigError(
                        f"{file} would not be read: the configuration's suffix must be"
                        f" {', '.join(CONFIG_SUFFIXES)}, in lower case. Rename it."
                    )


def pipeline_nodes(pipeline: Pipeline) -> tuple[PipelineNode, ...]:
    """The nodes of a Kedro pipeline in topological order."""
    described: dict[Any, tuple[str, str]] = {}
    dependencies = pipeline.node_dependencies
    nodes = []
    for node in pipeline.nodes:
        function = _innermost(node)
        if function not in described:
            described[function] = _description(function)
        name, doc = described[function]
        nodes.append(
            PipelineNode(
                name=node.name,
                namespace=node.namespace,
                inputs=tuple(node.inputs),
                outputs=tuple(node.outputs),
                tags=tuple(sorted(node.tags)),
                function=name,
                doc=doc,
                upstream=tuple(sorted(parent.name for parent in dependencies[node])),
            )
        )
    return tuple(nodes)


def pipeline_option(version: str) -> str:
    """The option of `kedro run` for a pipeline's name: it was renamed in Kedro 1.2."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return "--pipelines" if (major, minor) >= (1, 2) else "--pipeline"


@contextmanager
def _without_kedros_own_warnings() -> Iterator[None]:
    """Kedro 1.7 itself calls what OmegaConf 2.4 deprecates; the user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s).*register_new_resolver", UserWarning)
        yield


def _innermost(node: Node) -> Callable[..., Any]:
    function = node.func
    while isinstance(function, partial):
        function = function.func
    return function


def _description(function: Callable[..., Any]) -> tuple[str, str]:
    name = getattr(function, "__name__", type(function).__name__)
    doc = getattr(function, "__doc__", None)
    return str(name), inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _left_out(warning: UserWarning) -> str:
    """The cause in Kedro's warning, which holds a whole traceback as text."""
    lines = [line for line in str(warning).splitlines() if line.strip()]
    cause = f" {lines[-1]}" if len(lines) > 1 else ""
    return f"{lines[0]}{cause}\nThe DAG would lack its nodes: mend the module first."


def _not_imported(error: Exception, project_path: Path) -> str:
    """The first cause, and the last line of the project's own that led to it."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(project_path)
    ]
    place = f" at {own[-1].filename}:{own[-1].lineno}" if own else ""
    return (
        f"The project's pipelines cannot be read: {type(error).__name__}: {error}{place}\n"
        "Mend it first: `kedro registry list` shows the whole traceback."
    )
