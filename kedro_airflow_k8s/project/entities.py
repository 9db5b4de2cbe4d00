"""A Kedro project as plain data, without Kedro's classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_PIPELINE = "__default__"
"""The name of the pipeline that `kedro run` runs by default."""


@dataclass(frozen=True)
class PipelineNode:
    """A Kedro node.

    Attributes:
        name: The full name, namespace included.
        namespace: The namespace with dots between its levels, or None.
        inputs: Names of the datasets and parameters it takes, in the order of its definition.
        outputs: Names of the datasets it makes, in the order of its definition.
        tags: The node's tags, sorted.
        function: The name of its function, for display.
        doc: The docstring of its function, without indentation; empty if it has none.
    """

    name: str
    namespace: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    function: str = ""
    doc: str = ""


@dataclass(frozen=True)
class CatalogEntry:
    """The catalog entry of a dataset, also if it matches a pattern (a dataset factory).

    Attributes:
        type: The class as the catalog names it, such as `pandas.CSVDataset`.
        in_memory: Whether it is a MemoryDataset, which ends with its process.
        path: Its path, as written in the catalog; None if it has none.
        credentials: The names of the entries of credentials.yml that it refers to.
        inner_types: The classes of the datasets inside it, such as that of a partition.
        foreign_types: What seem to be classes of datasets inside a class that is not Kedro's, to
            which they may mean something else.
        sure_of_path: Whether `path` is certainly the place: not where it is inside such a class.
        in_database: Whether it is a table or a collection in the file at `path`.
    """

    type: str
    in_memory: bool = False
    path: str | None = None
    credentials: tuple[str, ...] = ()
    inner_types: tuple[str, ...] = ()
    foreign_types: tuple[str, ...] = ()
    sure_of_path: bool = True
    in_database: bool = False


@dataclass(frozen=True)
class KedroMlflow:
    """The settings of kedro-mlflow in the pods, from the project's mlflow.yml.

    Attributes:
        experiment: The name of the experiment that it logs to.
        tracking_uri: The address of the server; None where mlflow.yml leaves it to the environment.
        restore_experiment: Whether a deleted experiment may be restored.
        experiment_settings: Other settings of a new experiment: artifact location and tags.
        run_name: The name of runs; None if it uses the pipeline's name.
        without: The pipelines for which tracking is switched off.
        flatten: How parameters that are dictionaries are logged: `flatten`, `recursive`, `sep`.
        long_params: What happens to parameters that are too long: fail, truncate or tag.
        login: The key by which pods log in to the server; None if there is none.
        source: The path of the file, for messages.
        in_default_env: Whether the file is only in the default environment, which images often
            lack.
    """

    experiment: str
    tracking_uri: str | None = None
    restore_experiment: bool = True
    experiment_settings: Mapping[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    without: frozenset[str] = frozenset()
    flatten: Mapping[str, Any] = field(default_factory=dict)
    long_params: str = "fail"
    login: str | None = None
    source: str = "mlflow.yml"
    in_default_env: bool = False


@dataclass(frozen=True)
class ProjectPipeline:
    """A pipeline of a Kedro project, with the data that its plan needs.

    Attributes:
        package_name: The project's Python package.
        env: The configuration environment its pods run with.
        is_default_env: Whether `kedro run` uses that environment by default.
        name: Its registered name.
        nodes: Its nodes in topological order.
        commit: The git commit, with suffixes for changes that it lacks, such as `0a1b2c-dirty`.
        parameters: The Kedro parameters of the environment, read if the configuration shows some.
        catalog: The catalog entries of the pipeline's datasets, by name. None if the catalog was
            not read.
        smaller: Other registered pipelines whose nodes are among this one's, by name, each with
            the names of its nodes.
        mlflow: The settings of kedro-mlflow; None if it is not installed or not configured.
        variables: Environment variables that every pod has, for the project's configuration.
        places: The URIs of the datasets that outlive a run, by name without `@...`; read if they
            are to be assets.
        awaited: The assets that start a run of it, by each name in its configuration: datasets
            with their URIs.
    """

    package_name: str
    env: str
    is_default_env: bool
    name: str
    nodes: tuple[PipelineNode, ...]
    commit: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    catalog: Mapping[str, CatalogEntry] | None = None
    smaller: Mapping[str, frozenset[str]] = field(default_factory=dict)
    mlflow: KedroMlflow | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    awaited: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def in_memory(self, dataset: str) -> bool:
        """Return whether a dataset ends with its process: undeclared, or a MemoryDataset."""
        entry = (self.catalog or {}).get(dataset)
        return entry is None or entry.in_memory
