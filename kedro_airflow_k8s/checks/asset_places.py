"""Where the datasets are that may be assets: in the same place in every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kedro_airflow_k8s.config.model import PluginConfig, RunConfig
from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.errors import ConfigError, PlanError
from kedro_airflow_k8s.plan.assets import made_assets
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.reader import KedroProject


def with_assets(
    project: KedroProject, run: RunConfig, pipeline: ProjectPipeline, *, waits: bool
) -> ProjectPipeline:
    """Return a pipeline with what its plan needs for assets.

    Args:
        project: The project.
        run: The configuration of the pipeline.
        pipeline: The pipeline.
        waits: Whether the DAG has the schedule of the configuration.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
        PlanError: If a name is neither a pipeline that makes assets nor a dataset that can be one.
    """
    if run.assets:
        pipeline = with_places(project, pipeline, run)
    return with_awaited(project, run, pipeline) if waits and run.schedule else pipeline


def with_places(
    project: KedroProject, pipeline: ProjectPipeline, run: RunConfig
) -> ProjectPipeline:
    """Return a pipeline with the URIs of those of its datasets that outlive a run.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    names = [name for node in pipeline.nodes for name in (*node.inputs, *node.outputs)]
    catalog = project.catalog.entries(names)
    return replace(pipeline, catalog=catalog, places=places(project, names, run))


def places(project: KedroProject, names: Iterable[str], run: RunConfig) -> dict[str, str]:
    """Return the URIs of those of some datasets that every run has in the same place, by name.

    The place of data that is partitioned is that of all partitions.

    Raises:
        ConfigError: If the catalog cannot be read without a run.
    """
    here, of_runs = project.catalog, project.catalog_of_runs
    if of_runs is here:
        raise ConfigError(
            "There can be no assets: which datasets depend on runtime parameters is unknown."
            " The catalog can be read only with the defaults of these parameters. Let only"
            " paths and names depend on them, or remove run_config.assets."
        )
    wanted = list(names)
    fixed, partition = here.places(wanted), run.partitioned.param if run.partitioned else None
    found = of_runs.places(wanted, partition)
    whole = of_runs.places(wanted) if partition else found
    # Without the defaults, a place that depends on a parameter may look as if it did not.
    return {name: uri for name, uri in found.items() if fixed.get(name) == uri or name not in whole}


def with_awaited(
    project: KedroProject, run: RunConfig, pipeline: ProjectPipeline
) -> ProjectPipeline:
    """Return a pipeline with the assets that start a run of it."""
    names = run.schedule.assets if run.schedule else ()
    # A command may have taken the settings of single pipelines out of its configuration.
    config = project.config()
    awaited = {name: _awaited(project, config, (pipeline, run), name) for name in names}
    return replace(pipeline, awaited=awaited)


def _awaited(
    project: KedroProject,
    config: PluginConfig,
    waiting: tuple[ProjectPipeline, RunConfig],
    name: str,
) -> Mapping[str, str]:
    """Return the assets that a name in the schedule of a pipeline means."""
    pipeline, own = waiting
    if name in project.pipeline_names():
        run = config.of(name).run_config
        other = with_places(project, project.read_pipeline(name), run)
        made = made_assets(other, run)
        if not made:
            raise PlanError(
                f"run_config.schedule waits for pipeline {name!r}, which makes no assets. Set"
                f" run_config.assets for it, or pipelines.{name}.assets."
            )
        inputs = {stored_name(n) for node in pipeline.nodes for n in node.inputs}
        return {n: uri for n, uri in made.items() if n in inputs} or made
    variants = sorted(n for n in project.catalog.names if n.startswith(f"{name}@"))
    found = places(project, [name, *variants], own)
    if not found:
        near = Nearest([*project.pipeline_names(), *project.catalog.names]).hint(name)
        raise PlanError(
            f"run_config.schedule waits for {name!r}, which is neither a pipeline nor an asset."
            f"{near} An asset is a dataset on storage that outlives a run."
            " `kedro airflow-k8s assets` lists them."
        )
    return found
