"""Pages of Airflow, and the browser that shows them."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.errors import NotAllowed, NotAuthenticated, RunError


def dag_page(client: AirflowClient, dag_id: str) -> str:
    """Return the address of a DAG's page.

    Raises:
        RunError: If Airflow has no such DAG.
        AirflowApiError: If Airflow cannot be asked.
    """
    # A user without access to the API may still log in to the page.
    try:
        found = client.find_dag(dag_id) is not None
    except (NotAuthenticated, NotAllowed):
        found = True
    if not found:
        raise RunError(
            f"Airflow at {client.host} has no DAG {dag_id}. `kedro airflow-k8s list-pipelines`"
            " shows those of this plugin."
        )
    return client.dag_url(dag_id)


def last_run_page(client: AirflowClient, dag_id: str) -> str:
    """Return the address of the page of a DAG's last run.

    Raises:
        RunError: If Airflow has no such DAG, or no run of it.
        AirflowApiError: If Airflow cannot be asked.
    """
    last = client.last_runs([dag_id]).get(dag_id)
    if last is None:
        dag_page(client, dag_id)
        raise RunError(f"Airflow at {client.host} has no run of DAG {dag_id} yet.")
    return client.run_url(dag_id, last.run_id)


def open_page(address: str, say: Callable[[str], None]) -> None:
    """Print an address, and open it where there is a browser."""
    say(address)
    if has_browser(os.environ, sys.platform):
        webbrowser.open(address)


def has_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Return whether a page can be opened in a window.

    Without a display, Python would start a browser that takes over the terminal.
    """
    if platform in ("darwin", "win32"):
        return True
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
