"""The operators of a visible group whose nodes make assets."""

from __future__ import annotations

from typing import Any

from kedro_airflow_k8s.dag.operators.asset_pod import AssetPodOperator
from kedro_airflow_k8s.dag.operators.shared_pod import NodeOfPodOperator, SharedPodOperator


class SharedAssetPodOperator(SharedPodOperator, AssetPodOperator):
    """The pod of the group. The tasks of its nodes have the events, so this one has none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "outlets": []})

    def on_event(self, state: str, node: str, at: float, cause: str = "", made: Any = None) -> None:
        """Keep what became of a node, with what is known of its data."""
        if made:
            blank = {"start": at, "began": self.began, "state": ""}
            self.reports.setdefault(node, blank)["made"] = made
        super().on_event(state, node, at, cause)


class NodeOfAssetPodOperator(NodeOfPodOperator, AssetPodOperator):
    """A node of the group, with the events of what it makes."""

    def execute(self, context: Any, event: Any = None) -> Any:
        """Wait for the end of the node, or run it."""
        self.seen = context
        return super().execute(context, event)

    def show(self, ti: Any, known: dict[str, Any], state: Any) -> None:
        """Show how the node has ended, and describe what it has made."""
        super().show(ti, known, state)
        self.describe(self.seen, known.get("made", {}))
