"""The assets of a DAG: which of its tasks make and read data that outlives its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.entities import ProjectPipeline


@dataclass(frozen=True)
class Assets:
    """The assets of a DAG. Each is named by one dataset that is stored there.

    Attributes:
        uris: The URI of each, which is also its name in Airflow.
        inlets: Those that a task reads and does not make, by the id of the task.
        outlets: Those that a task makes, by the id of the task.
        awaited: Those that start a run, in groups.
    """

    uris: Mapping[str, str] = field(default_factory=dict)
    inlets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outlets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    awaited: tuple[tuple[str, ...], ...] = ()


NO_ASSETS = Assets()


def plan_assets(
    pipeline: ProjectPipeline,
    run: RunConfig,
    tasks: Iterable[Task],
    awaited: Sequence[Mapping[str, str]] = (),
) -> Assets:
    """Return the assets of the tasks of a pipeline.

    Args:
        pipeline: The pipeline, with the places of its datasets.
        run: The configuration, which says whether there are assets, and which.
        tasks: The tasks.
        awaited: The assets that start a run, in groups: dataset to URI.
    """
    waited_for = [pair for group in awaited for pair in group.items()]
    uris = dict(waited_for) | asset_uris(pipeline, run)
    nodes = {node.name: node for node in pipeline.nodes}
    made = _names(name for node in pipeline.nodes for name in node.outputs)
    names: dict[str, str] = {}
    # Two datasets can be in one place; the asset is named by the one that is made.
    for name, uri in sorted((*uris.items(), *waited_for), key=lambda p: (p[0] not in made, p)):
        names.setdefault(uri, uri if name in names.values() else name)
    inlets, outlets = {}, {}
    for task in tasks:
        own = [nodes[name] for name in task.nodes]
        outputs = _names(name for node in own for name in node.outputs)
        inputs = _names(name for node in own for name in node.inputs)
        out = dict.fromkeys(names[uris[name]] for name in outputs if name in uris)
        into = dict.fromkeys(names[uris[name]] for name in inputs if name in uris)
        if out:
            outlets[task.task_id] = tuple(out)
        if left := tuple(name for name in into if name not in out):
            inlets[task.task_id] = left
    groups = tuple(tuple(sorted({names[uri] for uri in group.values()})) for group in awaited)
    used = {name for some in (*inlets.values(), *outlets.values(), *groups) for name in some}
    shown = {name: uri for uri, name in names.items() if name in used}
    return Assets(dict(sorted(shown.items())), inlets, outlets, groups)


def asset_uris(pipeline: ProjectPipeline, run: RunConfig) -> dict[str, str]:
    """Return the datasets of a pipeline that are assets, each with its URI."""
    chosen = run.assets
    if chosen is False:
        return {}
    wanted = None if chosen is True else {stored_name(name) for name in chosen}
    return {name: uri for name, uri in pipeline.places.items() if wanted is None or name in wanted}


def made_assets(pipeline: ProjectPipeline, run: RunConfig) -> dict[str, str]:
    """Return the assets that a pipeline makes: dataset to URI, in the order of its nodes."""
    uris = asset_uris(pipeline, run)
    made = _names(name for node in pipeline.nodes for name in node.outputs)
    return {name: uris[name] for name in made if name in uris}


def read_assets(pipeline: ProjectPipeline, run: RunConfig) -> dict[str, str]:
    """Return the assets that a pipeline reads and does not make: dataset to URI."""
    uris = asset_uris(pipeline, run)
    made = set(made_assets(pipeline, run).values())
    read = _names(name for node in pipeline.nodes for name in node.inputs)
    return {name: uris[name] for name in read if name in uris and uris[name] not in made}


def _names(names: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(map(stored_name, names))
