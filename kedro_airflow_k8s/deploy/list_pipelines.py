"""The DAGs on an Airflow server that this plugin has made."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.text import Text
from semver import Version

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.airflow_api import AirflowClient, Dag, DagRun
from kedro_airflow_k8s.config.own_names import TAG_COMMIT, TAG_EXPERIMENT, TAG_VERSION
from kedro_airflow_k8s.terminal.tables import plain_table, print_table

SHORT_COMMIT = 7
"""Characters of a commit in the table, as git shows it."""


@dataclass(frozen=True)
class ListedDag:
    """A DAG as the list shows it.

    Attributes:
        experiment: The experiment's name, as far as a tag holds it.
        dag_id: Its id.
        schedule: Its schedule in Airflow's words; None where it runs only when triggered.
        paused: Whether it is paused.
        last_run: When its last run began (ISO 8601), or will; None if it has no run.
        state: The state of that run.
        commit: The git commit that it was made of.
        plugin_version: The version of this plugin that made it.
        outdated: Whether that is older than the one installed here.
    """

    experiment: str
    dag_id: str
    schedule: str | None
    paused: bool
    last_run: str | None
    state: str | None
    commit: str
    plugin_version: str
    outdated: bool


def list_pipelines(client: AirflowClient, dag_id: str | None = None) -> list[ListedDag]:
    """Return the DAGs that this plugin has made, by experiment and id.

    Args:
        client: How to reach Airflow.
        dag_id: The id of the only DAG to list; None for all.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
    """
    dags = [dag for dag in client.generated_dags() if dag_id in (None, dag.dag_id)]
    runs = client.last_runs([dag.dag_id for dag in dags])
    listed = [_listed(dag, runs.get(dag.dag_id)) for dag in dags]
    return sorted(listed, key=lambda dag: (dag.experiment, dag.dag_id))


def as_json(dags: list[ListedDag]) -> str:
    """Return the list as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps([asdict(dag) for dag in dags])


def show(dags: list[ListedDag], console: Console, dag_id: str | None = None) -> None:
    """Write the list as a table; where there is no terminal, no cell is cut.

    Args:
        dags: The DAGs.
        console: Where to write.
        dag_id: The id of the only DAG that was looked for; None for all.
    """
    if not dags:
        what = "DAGs" if dag_id is None else f"DAG {dag_id}"
        console.print(f"No {what} of this plugin in Airflow.", markup=False, soft_wrap=True)
        return
    titles = ("Experiment", "DAG", "Schedule", "Paused", "Last run", "State", "Commit")
    table = plain_table(*titles)
    table.add_column("Plugin", no_wrap=True)
    for dag in dags:
        table.add_row(
            Text(dag.experiment),
            Text(dag.dag_id),
            Text(dag.schedule or "-"),
            "yes" if dag.paused else "no",
            (dag.last_run or "-").replace("T", " ")[:16],
            Text(dag.state or "-", style=_COLORS.get(dag.state or "", "")),
            Text(_short(dag.commit)),
            Text(f"{dag.plugin_version} (older)", style="yellow")
            if dag.outdated
            else Text(dag.plugin_version),
        )
    print_table(table, console)
    older = sum(dag.outdated for dag in dags)
    if older:
        console.print(
            f"{older} made by an older version than {__version__}, which is installed here: compile"
            " and upload them again.",
            soft_wrap=True,
        )


_COLORS = {"success": "green", "failed": "red", "running": "cyan"}


def _listed(dag: Dag, run: DagRun | None) -> ListedDag:
    version = _tag(dag, TAG_VERSION)
    began = run and (run.start or run.logical_date)
    return ListedDag(
        experiment=_tag(dag, TAG_EXPERIMENT),
        dag_id=dag.dag_id,
        schedule=dag.schedule,
        paused=dag.paused,
        last_run=began.isoformat(timespec="seconds") if began else None,
        state=run.state.value if run else None,
        commit=_tag(dag, TAG_COMMIT),
        plugin_version=version,
        outdated=is_older(version),
    )


def _short(commit: str) -> str:
    """Return a commit by its first characters, and what follows its hash, such as `-dirty`."""
    return re.sub(rf"^([0-9a-f]{{{SHORT_COMMIT}}})[0-9a-f]+", r"\1", commit)


def _tag(dag: Dag, key: str) -> str:
    prefix = f"{key}:"
    return next((tag.removeprefix(prefix) for tag in dag.tags if tag.startswith(prefix)), "")


def is_older(version: str) -> bool:
    """Return whether a version of this plugin is older than this one; False if it is not one."""
    if not Version.is_valid(version):
        return False
    return Version.parse(version) < Version.parse(__version__)
