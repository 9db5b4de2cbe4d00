"""Advice for a pod whose image lacks the plugin."""

from __future__ import annotations

import logging
from typing import Any

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback


class PodAdvice(KubernetesPodOperatorCallback):
    """A callback that looks in a pod's log for the error of an image without the plugin."""

    @staticmethod
    def progress_callback(*, line: str, **kwargs: Any) -> None:
        """Log how to fix the image."""
        if "No module named" in line and "kedro_airflow_k8s" in line:
            logging.getLogger("airflow.task").error(
                "The image has no kedro-airflow-k8s, or an older version. Nothing was run. Add the"
                " version that compiled the DAG to its requirements, then build and push it."
            )
