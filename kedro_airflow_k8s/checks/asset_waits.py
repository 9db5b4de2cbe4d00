"""Checks of pipelines that make assets and wait for those of others, over the whole project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kedro_airflow_k8s.checks.asset_places import with_places
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.slips import cycle_through
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.wording import first_of, listed
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.plan.assets import asset_uris
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.reader import KedroProject

Makers = Mapping[str, Mapping[str, frozenset[str]]]
"""The nodes that make an asset, by its URI and the pipeline."""

Waits = Mapping[str, Mapping[str, Mapping[str, str]]]
"""What a pipeline waits for: by its name and the name in the configuration, dataset to URI."""


def asset_waits(
    project: KedroProject, planned: Sequence[tuple[ProjectPipeline, RunConfig]]
) -> list[Finding]:
    """Return what is wrong with the assets of pipelines, given all pipelines of the project."""
    if not any(run.assets or run.schedule for _, run in planned):
        return []
    config = project.config()
    known = {pipeline.name: (pipeline, run) for pipeline, run in planned}
    every = dict(known)
    try:
        for name in config.enabled(project.pipeline_names()):
            run = config.of(name).run_config
            if name not in every and run.assets:
                every[name] = (with_places(project, project.read_pipeline(name), run), run)
    except ConfigError:
        return []  # Another finding says that the catalog cannot be read.
    makers: dict[str, dict[str, frozenset[str]]] = {}
    for name, (pipeline, run) in every.items():
        for uri, nodes in _makers(pipeline, run).items():
            makers.setdefault(uri, {})[name] = frozenset(nodes)
    waits = {name: pipeline.awaited for name, (pipeline, _) in known.items() if pipeline.awaited}
    return [
        *unmade(makers, waits),
        *cycles(makers, waits, every),
        *two_producers(makers, known),
        *other_partitions(makers, waits, {name: run for name, (_, run) in every.items()}),
    ]


def _makers(pipeline: ProjectPipeline, run: RunConfig) -> dict[str, set[str]]:
    uris, found = asset_uris(pipeline, run), dict[str, set[str]]()
    for node in pipeline.nodes:
        for name in map(stored_name, node.outputs):
            if name in uris:
                found.setdefault(uris[name], set()).add(node.name)
    return found


def unmade(makers: Makers, waits: Waits) -> Iterator[Finding]:
    """Find assets that start a pipeline and that no pipeline of the project makes."""
    for pipeline, names in waits.items():
        for name, group in names.items():
            missing = [uri for uri in group.values() if uri not in makers]
            if missing:
                yield Finding(
                    code="unmade-asset",
                    severity="warning",
                    where=f"pipeline {pipeline!r}",
                    problem=f"No pipeline of this project makes the asset {name!r} ({missing[0]}).",
                    consequence="Unless a DAG of another project makes it, no run ever starts.",
                    fix="Set run_config.assets for the pipeline that makes it, or correct"
                    " run_config.schedule.assets.",
                    pipeline=pipeline,
                    names=(name,),
                )


def cycles(
    makers: Makers, waits: Waits, every: Mapping[str, tuple[ProjectPipeline, RunConfig]]
) -> Iterator[Finding]:
    """Find pipelines that start each other without end."""
    after = {
        pipeline: sorted(
            {
                maker
                for name, group in names.items()
                for maker in ([name] if name in every else _of(makers, group))
            }
        )
        for pipeline, names in waits.items()
    }
    reported: set[frozenset[str]] = set()
    for start in after:
        found = cycle_through(start, after)
        if not found or frozenset(found) in reported:
            continue
        reported.add(frozenset(found))
        shown = " -> ".join([*found, start])
        yield Finding(
            code="asset-cycle",
            severity="error",
            where="run_config.schedule",
            problem=f"Pipeline {start!r} waits for data that it makes itself."
            if len(found) == 1
            else f"These pipelines wait for data of each other: {shown}.",
            consequence="Either none of them ever starts, or each run starts the next one without"
            " end.",
            fix="Remove one of the waits. In run_config, the key applies to all pipelines: set it"
            " in `pipelines` for those that wait.",
            names=tuple(found),
        )


def _of(makers: Makers, group: Mapping[str, str]) -> set[str]:
    return {pipeline for uri in group.values() for pipeline in makers.get(uri, ())}


def two_producers(
    makers: Makers, planned: Mapping[str, tuple[ProjectPipeline, RunConfig]]
) -> Iterator[Finding]:
    """Find assets that different nodes of several pipelines make."""
    for uri, found in makers.items():
        nodes = frozenset[str]().union(*found.values())
        if len(nodes) > 1 and found.keys() & planned.keys():
            yield Finding(
                code="two-producers",
                severity="warning",
                where=f"asset {uri!r}",
                problem=f"Several nodes make it: {listed(sorted(nodes))}, in pipelines"
                f" {first_of(sorted(found), 'see `kedro airflow-k8s assets`')}.",
                consequence="Each overwrites the data of the other, and each starts the pipelines"
                " that wait for it.",
                fix="Store the data in different places, or let one node make it.",
                names=(uri,),
            )


def other_partitions(
    makers: Makers, waits: Waits, runs: Mapping[str, RunConfig]
) -> Iterator[Finding]:
    """Find pipelines that wait for data of other partitions than theirs, whose runs never start."""
    for pipeline, names in waits.items():
        own = _partitions(runs[pipeline])
        for name, group in names.items():
            for uri in group.values():
                others = {o: _partitions(runs[o]) for o in makers.get(uri, ()) if o != pipeline}
                if not others or own in others.values():
                    continue
                other, theirs = next(iter(others.items()))
                yield Finding(
                    code="other-partitions",
                    severity="error",
                    where=f"pipeline {pipeline!r}",
                    problem=f"It waits for {name!r} and {own}; pipeline {other!r}, which makes it,"
                    f" {theirs}.",
                    consequence="Airflow starts a run only for an event with the same partition"
                    " key. No run of the pipeline would ever start.",
                    fix="Set run_config.partitioned to the same value for both, or for neither.",
                    pipeline=pipeline,
                    names=(name,),
                )
                break


def _partitions(run: RunConfig) -> str:
    return f"has `partitioned: {run.partitioned.by}`" if run.partitioned else "has no partitions"
