"""The settings of the DAG itself, besides its schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kedro_airflow_k8s.config.model import RunConfig


@dataclass(frozen=True)
class DagSettings:
    """The settings of the DAG. None is Airflow's own default.

    Attributes:
        description: Its description.
        display_name: Its name on Airflow's pages.
        doc_md: Its documentation in Markdown, before that of the file.
        owner: The owner of its tasks.
        owner_links: The links of owners.
        access_control: The permissions of roles, by resource.
        paused: Whether it is paused when Airflow first sees it.
        fail_fast: Whether a failed task stops the others.
        max_active_tasks: How many tasks may be active at once.
        timeout: How long a run may take, in seconds.
    """

    description: str | None
    display_name: str | None
    doc_md: str | None
    owner: str | None
    owner_links: Mapping[str, str]
    access_control: Mapping[str, Mapping[str, Sequence[str]]]
    paused: bool | None
    fail_fast: bool
    max_active_tasks: int | None
    timeout: int | None


def dag_settings(run: RunConfig) -> DagSettings:
    """Return the settings of the DAG of a pipeline."""
    return DagSettings(
        description=run.description,
        display_name=run.display_name,
        doc_md=run.doc_md,
        owner=run.owner,
        owner_links=run.owner_links,
        access_control={
            role: {str(resource): list(actions) for resource, actions in permissions.items()}
            for role, permissions in run.access_control.items()
        },
        paused=run.paused,
        fail_fast=run.fail_fast,
        max_active_tasks=run.max_active_tasks,
        timeout=run.dagrun_timeout,
    )
