"""Kedro hooks that act in a pod of the plugin's DAG and do nothing anywhere else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline


class PodHooks:
    """Hands data that no dataset of the catalog stores from task to task.

    Attributes:
        ran: Whether Kedro has asked for it.
    """

    ran = False

    # Last, as hooks of the user may add datasets here too: what they add is right.
    @hook_impl(trylast=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Give the catalog a dataset for each name that crosses the border of this task."""
        self.ran = True
        root = os.environ.get(INTERMEDIATE_DATA_VARIABLE)
        if root:
            from kedro_airflow_k8s.pod.handing_on import hand_on

            hand_on(pipeline, catalog, root)


hooks = PodHooks()
