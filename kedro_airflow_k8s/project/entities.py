"""What the plan needs to know of a Kedro project, free of Kedro's own classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULT_PIPELINE = "__default__"
"""Kedro's name of the pipeline that `kedro run` takes when none is named."""


@dataclass(frozen=True)
class PipelineNode:
    """A Kedro node.

    Attributes:
        name: The full name, namespace included.
        namespace: The namespace with dots between its levels, or None.
        inputs: Names of the datasets and parameters it takes, in the order of its definition.
        outputs: Names of the datasets it makes, in the order of its definition.
        tags: The node's tags, sorted.
        function: The name of its function, for a person to read.
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
    """What the catalog says of a dataset; patterns (dataset factories) count for what they match.

    Attributes:
        type: The class as the catalog names it, such as `pandas.CSVDataset`.
        in_memory: Whether it is a MemoryDataset, which ends with its process.
        path: Where it is stored, as the catalog writes it; None if it does not say.
        credentials: The names of the entries of credentials.yml that it refers to.
        inner_types: The classes of the datasets inside it, such as that of a partition.
    """

    type: str
    in_memory: bool = False
    path: str | None = None
    credentials: tuple[str, ...] = ()
    inner_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class KedroMlflow:
    """What kedro-mlflow will do in the pods, by the project's mlflow.yml.

    Attributes:
        experiment: The name of the experiment that it logs to.
        tracking_uri: The address of the server; None where mlflow.yml leaves it to the environment.
        restore_experiment: Whether a deleted experiment may be restored.
        experiment_settings: What a new experiment gets besides: artifact location and tags.
        run_name: What it calls runs; None where it takes the pipeline's name.
        without: The pipelines for which tracking is switched off.
        flatten: How parameters that are dictionaries are logged: `flatten`, `recursive`, `sep`.
        long_params: What becomes of parameters that are too long: fail, truncate or tag.
        source: The file that says so, as a person would name it.
        in_default_env: Whether it is in the default environment only, which images often lack.
    """

    experiment: str
    tracking_uri: str | None = None
    restore_experiment: bool = True
    experiment_settings: Mapping[str, Any] = field(default_factory=dict)
    run_name: str | None = None
    without: frozenset[str] = frozenset()
    flatten: Mapping[str, Any] = field(default_factory=dict)
    long_params: str = "fail"
    source: str = "mlflow.yml"
    in_default_env: bool = False


@dataclass(frozen=True)
class ProjectPipeline:
    """One pipeline of a Kedro project: what its plan needs to know.

    Attributes:
        package_name: The project's Python package.
        env: The configuration environment its pods run with.
        is_default_env: Whether that is the one `kedro run` takes when none is named.
        name: The name under which it is registered.
        nodes: Its nodes in topological order.
        commit: The git commit and what keeps it from being the whole truth, such as `0a1b2c-dirty`.
        parameters: The Kedro parameters of the environment, read if the configuration shows some.
        catalog: What the catalog says of the pipeline's datasets, by name; a dataset that is
            missing is not declared. None where the catalog was not read.
        smaller: Other registered pipelines whose nodes are among this one's, by name, each with
            the names of its nodes.
        mlflow: What kedro-mlflow will do; None where it is not installed or not configured.
        variables: Environment variables that every pod has, for the project's configuration.
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

    def in_memory(self, dataset: str) -> bool:
        """Whether a dataset ends with the process that made it: undeclared, or declared so."""
        entry = (self.catalog or {}).get(dataset)
        return entry is None or entry.in_memory
