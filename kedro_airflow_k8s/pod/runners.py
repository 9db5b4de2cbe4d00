"""Kedro's runners, with the number of workers that the DAG names, which report their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro import runner

from kedro_airflow_k8s.pod.node_events import node_events

if TYPE_CHECKING:
    from kedro.pipeline.node import Node

max_workers: int | None = None
"""Most nodes that run at once; None for what Kedro chooses."""


class _Reporting:
    """Reports which nodes have succeeded."""

    def _release_datasets(self, node: Node, *args: Any) -> None:
        # Kedro calls this first when the outputs of a node are saved, in the process of the runner.
        # None of its hooks is called then.
        node_events.succeed(node.name, node.outputs)
        super()._release_datasets(node, *args)  # type: ignore[misc]


class SequentialRunner(_Reporting, runner.SequentialRunner):
    """Runs nodes one after another."""


class ThreadRunner(_Reporting, runner.ThreadRunner):
    """Runs nodes in threads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_workers=max_workers, **options)


class ParallelRunner(_Reporting, runner.ParallelRunner):
    """Runs nodes in processes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_workers=max_workers, **options)
