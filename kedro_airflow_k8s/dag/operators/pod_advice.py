"""What to do where a pod says that its image lacks the plugin."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback


class PodAdvice(KubernetesPodOperatorCallback):
    """Look at each line of a pod's log for an image that cannot run the task."""

    @staticmethod
    def progress_callback(*, line: str, **kwargs: Any) -> None:
        """Log the way out."""
        if "No module named" in line and "kedro_airflow_k8s" in line:
            logging.getLogger("airflow.task").error(
                "The image has no kedro-airflow-k8s, or one that is too old. Nothing was run. Add"
                " the version that compiled the DAG to its requirements, then build and push it."
            )
