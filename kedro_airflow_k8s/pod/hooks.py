"""Kedro hooks that act in a pod of the plugin's DAG and do nothing anywhere else."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from kedro.framework.hooks import hook_impl

POD_VARIABLE = "KEDRO_AIRFLOW_K8S_TASK"
"""Set by the DAG to the Airflow task id, in every pod that runs Kedro nodes."""


class TaskTerminated(Exception):
    """Kubernetes asked the pod to stop, for instance because Airflow killed its task."""


def _stop(signum: int, _frame: FrameType | None) -> None:
    # Only the first request interrupts: hooks that clean up after the error must not be cut off.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    from multiprocessing import active_children

    # ParallelRunner would wait for the nodes that run in them.
    for child in active_children():
        child.kill()
    raise TaskTerminated(f"The pod was asked to stop ({signal.Signals(signum).name}).")


class PodHooks:
    """Makes `kedro run` stop when the pod is deleted.

    In a container Kedro is process 1, and Linux gives process 1 no default action for SIGTERM:
    without a handler the run would go on for the whole grace period after Airflow has given up.
    With ThreadRunner it goes on until the running nodes end: Python cannot stop a thread.
    """

    @hook_impl(tryfirst=True)
    def after_context_created(self) -> None:
        """Make SIGTERM an error, so that `on_pipeline_error` hooks run and the exit code is 1.

        Before the pipelines and datasets are imported, and other hooks wait for servers.
        """
        # Elsewhere Python does not let signals be handled.
        is_main = threading.current_thread() is threading.main_thread()
        if POD_VARIABLE in os.environ and is_main:
            signal.signal(signal.SIGTERM, _stop)


hooks = PodHooks()
