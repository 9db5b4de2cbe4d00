"""The settings of the DAG itself, besides its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig


@dataclass(frozen=True)
class Notification:
    """A message about an event.

    Attributes:
        event: `failure`, `success`, `retry` or `deadline`.
        channel: `slack` and so on, or the dotted path of a notifier class.
        connection: The id of the Airflow connection; None for a notifier class.
        message: The Jinja template; None for the default one.
        options: The other arguments.
    """

    event: str
    channel: str
    connection: str | None
    message: str | None
    options: Mapping[str, Any]


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
        of_runs: The messages about runs.
        of_tasks: The messages about tasks.
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
    of_runs: tuple[Notification, ...] = ()
    of_tasks: tuple[Notification, ...] = ()

    @property
    def notifies(self) -> bool:
        """Whether there are messages."""
        return bool(self.of_runs or self.of_tasks)

    @property
    def keeps_reasons(self) -> bool:
        """Whether tasks store why they failed, for the message about the run."""
        return any(each.event != "success" for each in self.of_runs)


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
        of_runs=tuple(_notifications(run, "dag")),
        of_tasks=tuple(_notifications(run, "task")),
    )


def _notifications(run: RunConfig, level: str) -> Iterator[Notification]:
    for entry in run.notify:
        # A run that took too long has failed, too, and is reported once.
        events = [e for e in entry.on if e != "deadline" or "failure" not in entry.on]
        for event in events if entry.level == level else ():
            options = {**({"to": list(entry.to)} if entry.to else {}), **entry.arguments}
            yield Notification(event, entry.channel, entry.connection, entry.message, options)
