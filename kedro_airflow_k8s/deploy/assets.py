"""The assets of a project's pipelines: who makes them, and who reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.checks.validate import Planned, plan_pipelines
from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.terminal.tables import plain_table, print_table


@dataclass(frozen=True)
class AssetUse:
    """A task that makes or reads an asset.

    Attributes:
        pipeline: The registered pipeline.
        dag_id: The id of its DAG.
        task_id: The id of the task.
        dataset: What the catalog calls the asset there.
    """

    pipeline: str
    dag_id: str
    task_id: str
    dataset: str


@dataclass
class ListedAsset:
    """An asset, with the tasks that make and read it.

    Attributes:
        uri: Its URI, which is also its name in Airflow.
        producers: The tasks that make it.
        consumers: The tasks that read it and do not make it.
    """

    uri: str
    producers: list[AssetUse] = field(default_factory=list)
    consumers: list[AssetUse] = field(default_factory=list)


def list_assets(
    project: KedroProject, config: PluginConfig, pipelines: Sequence[str]
) -> list[ListedAsset]:
    """Return the assets of pipelines, by URI.

    Args:
        project: The Kedro project.
        config: The configuration.
        pipelines: Registered names.

    Raises:
        PlanError: If a pipeline cannot be planned.
        ProjectError: If a pipeline is unknown, or a pipeline module does not import.
    """
    planned, findings = plan_pipelines(project, config, pipelines)
    known = {each.pipeline.name for each in planned}
    errors = [f.problem for f in findings if f.is_error and f.pipeline not in ("", *known)]
    if errors:
        raise PlanError("\n\n".join(errors))
    found: dict[str, ListedAsset] = {}
    for each in planned:
        assets = each.plan.assets
        for uri, use in _uses(each, assets.outlets.items()):
            found.setdefault(uri, ListedAsset(uri)).producers.append(use)
        for uri, use in _uses(each, assets.inlets.items()):
            found.setdefault(uri, ListedAsset(uri)).consumers.append(use)
    return sorted(found.values(), key=lambda asset: asset.uri)


def _uses(
    planned: Planned, tasks: Iterable[tuple[str, Sequence[str]]]
) -> Iterator[tuple[str, AssetUse]]:
    plan = planned.plan
    for task_id, datasets in tasks:
        for dataset in datasets:
            use = AssetUse(plan.pipeline, plan.dag_id, task_id, dataset)
            yield plan.assets.uris[dataset], use


def as_json(assets: Sequence[ListedAsset]) -> str:
    """Return assets as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps([asdict(asset) for asset in assets])


def show_assets(assets: Sequence[ListedAsset], console: Console) -> None:
    """Write assets as a table; where there is no terminal, no cell is cut."""
    if not assets:
        console.print(
            "No pipeline has assets. Set run_config.assets in airflow-k8s.yaml; only datasets on"
            " object storage or in a database can be assets.",
            soft_wrap=True,
        )
        return
    table = plain_table("Asset", "Dataset", "Made by", "Read by")
    for asset in assets:
        names = dict.fromkeys(use.dataset for use in (*asset.producers, *asset.consumers))
        table.add_row(
            Text(asset.uri),
            Text("\n".join(names)),
            Text(_shown(asset.producers)),
            Text(_shown(asset.consumers)),
        )
    print_table(table, console)


def _shown(uses: Sequence[AssetUse]) -> str:
    return "\n".join(f"{use.dag_id} / {use.task_id}" for use in uses) or "-"
