"""Kedro hooks that act in a pod of the plugin's DAG and do nothing anywhere else."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from kedro_airflow_k8s.pod.environment import (
    ASSETS_VARIABLE,
    CONTRACT_VARIABLE,
    EVENTS_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
    MLFLOW_RUN_NAME_VARIABLE,
    MLFLOW_RUN_VARIABLE,
    passed_on,
    passes_data_on,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from kedro_airflow_k8s.pod.node_events import NodeEvents


class PodHooks:
    """Passes data and versions from task to task, and shares an MLflow run.

    Attributes:
        ran: Whether Kedro has asked for the first.
        events: Reports the nodes to the task that follows the log; None if that task shows none.
        mlflow_run_id: The run that pods share; empty if there is none.
    """

    ran = False
    events: NodeEvents | None = None
    mlflow_run_id = ""
    _catalog: CatalogProtocol[Any, Any] | None = None

    # Last, as kedro-mlflow adds to the context here.
    @hook_impl(trylast=True)
    def after_context_created(self, context: Any) -> None:
        """Let kedro-mlflow call the run what all pods call it."""
        if MLFLOW_RUN_NAME_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.mlflow_run import keep_name

            # MLflow takes it out of the environment when it begins to log.
            self.mlflow_run_id = os.environ.get("MLFLOW_RUN_ID", "")
            os.environ[MLFLOW_RUN_VARIABLE] = self.mlflow_run_id
            keep_name(context)

    # Last, as hooks of the user may add datasets here too: what they add is right.
    @hook_impl(trylast=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Store each dataset that crosses the border of this task, and load the run's versions."""
        self.ran = True
        root = os.environ.get(INTERMEDIATE_DATA_VARIABLE)
        if root:
            from kedro_airflow_k8s.pod.passing_on import pass_on

            pass_on(pipeline, catalog, root)
        if CONTRACT_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.versions import pin

            pin(pipeline, catalog, root)
        if ASSETS_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.asset_data import begin

            begin()

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, node: Node) -> None:
        """Report that a node begins."""
        if self.events:
            self.events.begin(node.name)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol[Any, Any]) -> None:
        """Remember the catalog: ParallelRunner has a copy of it in each process."""
        self.before_dataset_loaded(node)
        self._catalog = catalog

    @hook_impl
    def before_dataset_saved(self, dataset_name: str) -> None:
        """Let this process load the version that it is about to save."""
        if self._catalog is not None and CONTRACT_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.versions import load_what_is_saved

            load_what_is_saved(dataset_name, self._catalog)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Record which version this run has saved, and what is known of an asset."""
        if self._catalog is not None and CONTRACT_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.versions import record

            record(dataset_name, self._catalog, os.environ.get(INTERMEDIATE_DATA_VARIABLE))
        if self._catalog is not None and ASSETS_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.asset_data import note

            note(dataset_name, data, self._catalog)

    # First, as kedro-mlflow ends the run here.
    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Leave the MLflow run open for other pods."""
        if self.mlflow_run_id:
            from kedro_airflow_k8s.pod.mlflow_run import leave

            leave(self.mlflow_run_id)

    @hook_impl(hookwrapper=True)
    def on_pipeline_error(
        self, error: Exception, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> Iterator[None]:
        """Explain a missing file, and leave the MLflow run open, which kedro-mlflow ends here."""
        root = os.environ.get(INTERMEDIATE_DATA_VARIABLE)
        if root:
            from kedro_airflow_k8s.pod.missing_files import explain

            explain(error, pipeline, catalog, root)
        if not self.mlflow_run_id:
            yield
            return
        from kedro_airflow_k8s.pod.mlflow_run import status_kept

        with status_kept(self.mlflow_run_id):
            yield


def _refuse_to_be_disabled() -> None:
    """End the process where Kedro will not call these hooks but data depends on them.

    Raises:
        SystemExit: If the project's settings disable them.
    """
    from importlib.metadata import distribution

    from kedro.framework.project import settings

    # Kedro too compares with the name as it is installed.
    name = distribution("kedro-airflow-k8s").metadata["Name"]
    if name in settings.DISABLE_HOOKS_FOR_PLUGINS:
        shown = ", ".join(sorted(passed_on() or ())) or "the outputs of this task"
        raise SystemExit(
            "Nothing was run: settings.py disables the hooks of kedro-airflow-k8s, which store "
            f"what other tasks read ({shown}), unless the catalog does. Remove {name} from "
            "DISABLE_HOOKS_FOR_PLUGINS."
        )


hooks = PodHooks()
# Our runners may have imported it, and taken the variable, before.
if EVENTS_VARIABLE in os.environ or "kedro_airflow_k8s.pod.node_events" in sys.modules:
    from kedro_airflow_k8s.pod.node_events import node_events

    hooks.events = node_events

# A session of Kedro imports the hooks of every plugin, then drops those that are disabled: this is
# the one moment at which they can speak up before a node has run.
if passes_data_on():
    _refuse_to_be_disabled()
