"""Where the datasets are that may be assets: in the same place in every run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.reader import KedroProject


def with_places(project: KedroProject, pipeline: ProjectPipeline) -> ProjectPipeline:
    """Return a pipeline with the URIs of those of its datasets that outlive a run.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    names = (name for node in pipeline.nodes for name in (*node.inputs, *node.outputs))
    return replace(pipeline, places=places(project, names))


def places(project: KedroProject, names: Iterable[str]) -> dict[str, str]:
    """Return the URIs of those of some datasets that every run has in the same place, by name.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    here, of_runs = project.catalog, project.catalog_of_runs
    if of_runs is here:
        raise ConfigError(
            "The datasets that depend on runtime parameters cannot be found, so there can be no"
            " assets: the catalog can be read only with the defaults of these parameters. Let only"
            " paths and names depend on them, or remove run_config.assets."
        )
    wanted = list(names)
    found = of_runs.places(wanted)
    return {name: uri for name, uri in here.places(wanted).items() if found.get(name) == uri}
